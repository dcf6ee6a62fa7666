"""Say what a stage is and run it once: fingerprint, up to date or refuse, attempt, commit.

A stage either happened or did not. Its fingerprint covers the stage's version, the part of the recipe
that its result depends on, and the logical digests of the datasets it reads; equal means there is
nothing to do and no Spark session is opened.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pile_curate import hashing, manifest, schema
from pile_curate.errors import DatasetChanged
from pile_curate.files import sha256_file
from pile_curate.manifest import Attempt, Manifest
from pile_curate.recipe import Recipe

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass
class Context:
    """What every stage may use: the recipe, the output directory, and a session opened only when needed."""

    recipe: Recipe
    out: str
    open_session: Callable[[], SparkSession]
    partitions: int | None = None
    verify_inputs: bool = False
    update: bool = False
    quiet: bool = False
    _spark: SparkSession | None = None

    @property
    def spark(self) -> SparkSession:
        """The Spark session, opened at first use."""
        if self._spark is None:
            self._spark = self.open_session()
        return self._spark

    @property
    def bins(self) -> int:
        """How many tasks a map stage makes: as asked, else three a core so that the last one does not wait long."""
        if self.partitions:
            return self.partitions
        from pile_curate.spark.session import worker_cores

        return 3 * worker_cores(self.spark)

    def path(self, dataset: str) -> str:
        """The directory of a dataset."""
        return os.path.join(self.out, dataset)

    def manifest(self, dataset: str) -> Manifest:
        """The committed manifest of a dataset; raises ``DatasetMissing`` with the stage that writes it."""
        return manifest.load(self.path(dataset), stage_hint=WRITER.get(dataset, dataset))

    def files(self, dataset: str, table: str | None = None) -> list[str]:
        """The absolute paths of a dataset's committed files, of one table if named."""
        found = self.manifest(dataset)
        return found.paths(self.path(dataset), table)

    def say(self, text: str) -> None:
        """Print one line of progress on standard error."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Stage:
    """One stage: what it is called, what it reads and writes, and the function that does it.

    ``work`` gets the context and the attempt, writes files below the attempt's directory, and commits
    by returning ``Result``; ``state`` adds what else the fingerprint must cover (models, raw files).
    ``cheap`` datasets follow what they are made from without being asked for.
    """

    name: str
    dataset: str
    version: int
    reads: tuple[str, ...]
    work: Callable[[Context, Attempt], Result]
    state: Callable[[Context, Manifest | None], Any] = lambda context, previous: None
    publish: Callable[[Context, Manifest], None] = lambda context, committed: None
    exclude: tuple[str, ...] = schema.RUN_COLUMNS
    cheap: bool = False


@dataclass
class Result:
    """What a stage wrote: its files and the facts (counts, statistics) that the report shows.

    ``state`` replaces what ``Stage.state`` said before the work, for a stage that learns it by working
    (extract hashes the raw files while it reads them). ``digest`` is for datasets that are not tables.
    """

    files: list[manifest.FileEntry]
    facts: dict[str, Any] = field(default_factory=dict)
    state: Any = None
    digest: str | None = None


@dataclass(frozen=True)
class StageRun:
    """How a stage went: ``done`` or ``up to date``, seconds, rows and the dataset's logical digest."""

    stage: str
    outcome: str
    seconds: float
    rows: int
    digest: str


WRITER: dict[str, str] = {
    "documents": "extract",
    "rejects": "extract",
    "annotations": "annotate",
    "eligibility": "decide",
    "duplicates": "dedup",
    "edits": "edits",
    "ledger": "select",
    "metadata": "metadata",
    "shards": "shard",
    "tokens": "tokenize",
    "mixture": "mix",
    "report": "report",
}
"""Which stage writes a dataset; in the order of the flow."""


def file_entry(attempt: Attempt, path: str, *, rows: int, table: str = "main") -> manifest.FileEntry:
    """Return the entry of a file that is not a table of rows, hashed as it lies on disk."""
    sha256, size = sha256_file(path)
    return manifest.FileEntry(attempt.relative(path), rows, size, sha256, "", table, {})


def fingerprint_of(stage: Stage, context: Context, inputs: Mapping[str, str], state: Any) -> str:
    """Return the sha256 over everything that the stage's result depends on."""
    return hashing.fingerprint(
        {
            "stage": stage.name,
            "version": stage.version,
            "hash_version": hashing.HASH_VERSION,
            "schema_version": schema.SCHEMA_VERSION,
            "recipe": context.recipe.part(stage.name),
            "inputs": dict(inputs),
            "layout": {name: layout(context, name) for name in stage.reads},
            "state": state,
        }
    )


def layout(context: Context, dataset: str) -> str:
    """Return the digest of a dataset's file names.

    Rows of later datasets point at files of earlier ones (``part``), so a dataset that was written anew
    with equal content still has to be read again.
    """
    return hashing.fingerprint(sorted(f.path for f in context.manifest(dataset).files))


def run_stage(stage: Stage, context: Context) -> StageRun:
    """Bring one stage's dataset up to date and return how it went.

    Raises ``DatasetChanged`` if a finished dataset was made from something else and ``update`` was not
    asked for: overwriting hours of work must be somebody's decision. The report is seconds, and must take in
    evaluations made after it.
    """
    started = time.monotonic()
    inputs = {name: context.manifest(name).digest for name in stage.reads}
    previous = manifest.find(context.path(stage.dataset))
    state = stage.state(context, previous)
    wanted = fingerprint_of(stage, context, inputs, state)
    if previous is not None:
        if previous.fingerprint == wanted:
            stage.publish(context, previous)
            context.say(f"{stage.name}: up to date ({previous.rows} rows)")
            return StageRun(
                stage.name, "up to date", time.monotonic() - started, previous.rows, previous.digest
            )
        if not (context.update or stage.cheap):
            raise DatasetChanged(
                f"{context.path(stage.dataset)} was made from other inputs or settings than the recipe now "
                f"gives to stage {stage.name!r}. Add --update to replace it and what follows from it, or "
                "choose another --out."
            )
    attempt = manifest.begin(context.path(stage.dataset), stage.name)
    try:
        result = stage.work(context, attempt)
        if result.state is not None:
            wanted = fingerprint_of(stage, context, inputs, result.state)
        committed = attempt.commit(
            result.files,
            stage_version=stage.version,
            fingerprint=wanted,
            inputs=inputs,
            facts=result.facts,
            replace=previous is not None,
            exclude=stage.exclude,
            digest=result.digest or "",
        )
    except BaseException:
        attempt.abandon()
        raise
    stage.publish(context, committed)
    seconds = time.monotonic() - started
    context.say(f"{stage.name}: {committed.rows} rows in {seconds:.1f} s")
    return StageRun(stage.name, "done", seconds, committed.rows, committed.digest)
