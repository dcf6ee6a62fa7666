"""Remove duplicates from any table, alone: no recipe, no other stage. ``pile-curate dedup``, ``jobs/dedup.py``.

    input -> measure (a file of annotations a split) -> find -> write (the same rows minus the copies)

What comes out is ``data/`` with all columns, ``duplicates/`` (every copy, the kept document it repeats, the Jaccard),
``rejects/`` if there were any, ``summary.json`` and ``summary.txt``, and a manifest that names all of these: what
it does not list does not count. A run that was killed begins again after ``measure``, if that was finished.

An engine (``Engine``) runs the steps: ``dedup.local`` in this process, or Spark. Both give equal rows.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate import hashing, manifest
from pile_curate.dedup import DedupSettings, local
from pile_curate.dedup.lsh import LSH_VERSION, curve
from pile_curate.dedup.measure import LARGE_NATURAL, Measured, MeasureTask, measure, sample_of
from pile_curate.dedup.minhash import MINHASH_VERSION
from pile_curate.dedup.older import Older
from pile_curate.dedup.parts import Part
from pile_curate.dedup.results import Found, Output, dropped_rows
from pile_curate.errors import DatasetChanged, InputError
from pile_curate.files import atomic_write, sha256_file
from pile_curate.manifest import FileEntry
from pile_curate.packing import pack
from pile_curate.row_files import (
    Columns,
    RowFile,
    RowSplit,
    discover,
    fingerprint,
    plan,
    refuse_overlap,
    table_schema,
)
from pile_curate.row_keys import NATURAL, NEGATIVE
from pile_curate.row_writers import OutFile, write_kept
from pile_curate.urls import URLS_VERSION

T = TypeVar("T")
R = TypeVar("R")

TABLE_VERSION = 1
WORK = "_work"
LOCK = ".lock"
FOLDERS = ("data", "duplicates", "rejects")
OURS = (WORK, manifest.ATTEMPTS, *FOLDERS, "summary.json", "summary.txt")
PART_BYTES = 256 << 20


@dataclass(frozen=True)
class TableJob:
    """What to deduplicate, how, and where to."""

    inputs: tuple[str, ...]
    output: str
    columns: Columns = field(default_factory=Columns)
    settings: DedupSettings = field(default_factory=DedupSettings)
    engine: str = "auto"
    against: str | None = None
    overwrite: bool = False


class Engine(Protocol):
    """Run work on tasks, and find duplicates; ``bins`` is how many groups of tasks are worth making."""

    name: str
    bins: int

    def run(self, groups: Sequence[Sequence[T]], work: Callable[[Sequence[T]], R], label: str) -> list[R]:
        """Return ``work(group)`` of each group, in order."""
        ...

    def find(self, parts: Sequence[Part], settings: DedupSettings, scratch: str, output: Output) -> Found:
        """Write the rows about copies and return what was found."""
        ...


class LocalEngine:
    """Do everything in this process."""

    name = "local"
    bins = 1

    def run(self, groups: Sequence[Sequence[T]], work: Callable[[Sequence[T]], R], label: str) -> list[R]:
        """Return ``work(group)`` of each group, one after the other."""
        return [work(group) for group in groups]

    def find(self, parts: Sequence[Part], settings: DedupSettings, scratch: str, output: Output) -> Found:
        """Walk the whole table at once."""
        return local.find_duplicates(parts, settings=settings, scratch=scratch, output=output)


@dataclass(frozen=True)
class WriteTask:
    """Splits that become one or a few files of the output."""

    index: int
    parts: tuple[Part, ...]
    dropped: dict[int, str]
    directory: str
    schema: pa.Schema | None
    columns: Columns


def _write(tasks: Sequence[WriteTask]) -> list[list[OutFile]]:
    return [_write_one(task) for task in tasks]


def _write_one(task: WriteTask) -> list[OutFile]:
    by_split = {(p.texts.file.path, p.texts.first): p for p in task.parts}

    def gone(split: RowSplit) -> Any:
        return dropped_rows(task.dropped, by_split[split.file.path, split.first])

    splits = [part.texts for part in task.parts]
    name = f"part-{task.index:05d}-{uuid.uuid4().hex[:12]}"  # a retry must not meet what a dead try left
    return write_kept(
        splits, gone, task.directory, name, task.schema, task.columns, write_empty=task.index == 0
    )


class _Run:
    def __init__(self, job: TableJob, make: Callable[[str], Engine], say: Callable[[str], None]) -> None:
        self.job, self.say = job, say
        self.output = os.path.abspath(job.output)
        refuse_overlap((*job.inputs, *([job.against] if job.against else [])), self.output)
        self.files = discover(job.inputs)
        self.schema = table_schema(self.files, job.columns)
        self.older = Older.open(job.against, job.settings, job.columns) if job.against else None
        self.make = make
        self.seconds: dict[str, float] = {}

    def fingerprint(self) -> str:
        """Cover all that the rows depend on; the engine is not among it."""
        return hashing.fingerprint(
            {
                "version": [TABLE_VERSION, MINHASH_VERSION, LSH_VERSION, URLS_VERSION, hashing.HASH_VERSION],
                "files": fingerprint(self.files),
                "columns": asdict(self.job.columns),
                "settings": settings_dict(self.job.settings),
                "against": self.older
                and [self.older.digest, fingerprint(self.older.files), asdict(self.older.columns)],
            }
        )

    def finished(self, wanted: str) -> dict[str, Any] | None:
        """Return the summary of a finished output that is up to date; refuse to replace another one unasked."""
        previous = manifest.find(self.output)
        self.replacing = previous is not None
        if previous is None:
            strange = sorted(n for n in os.listdir(self.output) if n not in OURS and not n.startswith("."))
            if strange:
                raise InputError(
                    f"{self.output!r} holds {strange[:3]} and no manifest; give an empty or new folder as output"
                )
            return None
        if previous.fingerprint == wanted:
            found: dict[str, Any] = previous.facts["summary"]
            self.sweep({entry.path for entry in previous.files})
            self.tell(found)
            return found
        if not self.job.overwrite:
            raise DatasetChanged(
                f"{self.output!r} was made from other input or settings; add --overwrite to replace it, or choose "
                "another output"
            )
        return None

    def sweep(self, listed: set[str]) -> None:
        """Remove files that a run which was cut short left beside those that the manifest lists."""
        for folder in FOLDERS:
            path = os.path.join(self.output, folder)
            for name in os.listdir(path) if os.path.isdir(path) else ():
                if f"{folder}/{name}" not in listed:
                    os.remove(os.path.join(path, name))

    def tell(self, summary: dict[str, Any]) -> None:
        """Write the summary where people look for it; the manifest holds it too."""
        from pile_curate.dedup.summary import render

        for name, text in (
            ("summary.json", json.dumps(summary, indent=1)),
            ("summary.txt", render(summary) + "\n"),
        ):
            atomic_write(os.path.join(self.output, name), text.encode())

    def timed(self, name: str, work: Callable[[], R]) -> R:
        started = time.monotonic()
        result = work()
        self.seconds[name] = round(time.monotonic() - started, 3)
        return result

    def run(self) -> dict[str, Any]:
        """Do everything, holding the output's lock, so that two runs never write one output."""
        try:
            os.makedirs(self.output, exist_ok=True)
            lock = open(os.path.join(self.output, LOCK), "wb")  # noqa: SIM115 - held to the end
        except OSError as error:
            raise InputError(
                f"the output {self.output!r} cannot be made: {error.strerror}; name another"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    f"another run is writing {self.output!r}; wait for it, or name another"
                ) from None
            return self.locked()

    def locked(self) -> dict[str, Any]:
        wanted = self.fingerprint()
        done = self.finished(wanted)
        if done is not None:
            return done | {"up_to_date": True}
        started = time.monotonic()
        name, reason = self.choose()
        engine = self.timed("session", lambda: self.make(name))
        attempt = manifest.begin(self.output, "dedup")
        work = os.path.join(self.output, WORK, wanted[:16])
        os.makedirs(work, exist_ok=True)
        try:
            tasks, measured = self.timed("measure", lambda: self.measure(engine, work))
            parts = [m.part(t, self.job.settings.urls) for t, m in zip(tasks, measured, strict=True)]
            scratch = os.path.join(work, f"scratch-{uuid.uuid4().hex[:12]}")
            output = Output(attempt.directory, self.id_type(measured))
            found = self.timed("find", lambda: engine.find(parts, self.job.settings, scratch, output))
            files = self.timed("write", lambda: self.write(engine, parts, found, attempt))
            summary = self.summary(engine, reason, parts, measured, found, files, work)
            self.seconds["total"] = round(time.monotonic() - started, 3)
            summary["seconds"] = self.seconds
            summary["steps"] = found.facts.get("steps")
            self.commit(attempt, wanted, found, files, measured, summary, work)
        except BaseException:
            attempt.abandon()
            raise
        shutil.rmtree(os.path.join(self.output, WORK), ignore_errors=True)
        return summary

    def choose(self) -> tuple[str, str]:
        """Return the engine and why it was chosen."""
        if self.job.engine != "auto":
            return self.job.engine, "asked for"
        older = self.older.files if self.older else []
        size = sum(_bytes(file) for file in [*self.files, *older])
        rows = sum(file.rows or 0 for file in [*self.files, *older])
        told = f"{rows} rows, " if rows else ""
        told += f"about {size / 1e6:.0f} MB"
        # Of JSON lines the rows are not known before they are read; a row of a few bytes costs as much as a long one.
        limit = (
            local.BYTES if all(file.rows is not None for file in [*self.files, *older]) else local.BYTES // 4
        )
        if size <= limit and rows <= local.DOCUMENTS:
            return "local", f"{told}: one process is faster up to {limit / 1e6:.0f} MB"
        return "spark", f"{told}: more than one process is meant for"

    def measure(self, engine: Engine, work: str) -> tuple[list[MeasureTask], list[Measured]]:
        """Measure every split, or take what a killed run had measured."""
        settings = self.job.settings
        splits = [(split, False) for split in plan(self.files, self.split_bytes(engine))]
        if self.older:
            splits += [(split, True) for split in plan(self.older.files, self.split_bytes(engine))]
        tasks = [
            MeasureTask(
                number=number, split=split, columns=self.older.columns if self.older and older else self.job.columns,
                against=older, directory=work, ngram=settings.ngram,
                permutations=settings.permutations, seed=settings.seed,
            )
            for number, (split, older) in enumerate(splits)
        ]  # fmt: skip
        cuts = [[task.split.file.relative, task.split.first, task.split.stop, task.against] for task in tasks]
        record = os.path.join(work, f"measured-{hashing.fingerprint(cuts)[:16]}.json")
        if os.path.exists(record):
            with open(record, encoding="utf-8") as stream:
                self.say("measure: taken over from a run that was cut short")
                return tasks, [Measured(**row) for row in json.load(stream)]
        groups = pack(tasks, [_size(task.split) for task in tasks], max(engine.bins, len(tasks) // 4))
        found = {m.number: m for group in engine.run(groups, measure, "measure") for m in group}
        measured = [found[task.number] for task in tasks]
        atomic_write(record, json.dumps([asdict(m) for m in measured]).encode())
        return tasks, measured

    def split_bytes(self, engine: Engine) -> int:
        """Return how large a split may be: small enough that each core has some."""
        size = sum(_bytes(file) for file in self.files)
        return max(8 << 20, min(256 << 20, size // max(1, engine.bins)))

    def id_type(self, measured: Sequence[Measured]) -> pa.DataType:
        """Return the type of ids in ``duplicates/``: whole numbers stay numbers, everything else is text."""
        tags = {tag for m in measured for tag in m.tags}
        if not tags or not tags <= {NEGATIVE, NATURAL, LARGE_NATURAL}:
            return pa.string()
        name = self.job.columns.id or "id"
        if self.schema is not None and self.older is None and name in self.schema.names:
            kind = self.schema.field(name).type
            if pa.types.is_integer(kind):
                return kind
        if LARGE_NATURAL not in tags:
            return pa.int64()
        return pa.uint64() if NEGATIVE not in tags else pa.string()

    def write(
        self, engine: Engine, parts: Sequence[Part], found: Found, attempt: manifest.Attempt
    ) -> list[OutFile]:
        """Write the rows that stay, without the rejected ones, in files that follow the input's order."""
        groups: list[list[Part]] = []
        size = 0
        for part in (part for part in parts if not part.against):
            if not groups or size >= PART_BYTES:
                groups.append([])
                size = 0
            groups[-1].append(part)
            size += _size(part.texts)
        groups = groups or [[]]  # a table without rows still has columns
        tasks = [
            WriteTask(
                index, tuple(group), {p.number: found.dropped[p.number] for p in group if p.number in found.dropped},
                attempt.directory, self.schema,
                self.job.columns,
            )
            for index, group in enumerate(groups)
        ]  # fmt: skip
        sizes = [sum(_size(part.texts) for part in group) for group in groups]
        packed = pack(tasks, sizes, max(engine.bins, len(tasks) // 4))
        return [file for group in engine.run(packed, _write, "write") for files in group for file in files]

    def summary(
        self,
        engine: Engine,
        reason: str,
        parts: Sequence[Part],
        measured: Sequence[Measured],
        found: Found,
        files: Sequence[OutFile],
        work: str,
    ) -> dict[str, Any]:
        """Put together what the run found, for people and for programs."""
        from pile_curate.dedup.excerpts import describe
        from pile_curate.dedup.planted import plant

        settings = self.job.settings
        new = [m for m, p in zip(measured, parts, strict=True) if not p.against]
        sample = sample_of([os.path.join(work, m.sample) for m in new if m.sample])
        planted = self.timed("planted", lambda: plant(sample, settings, seed=settings.seed))
        clusters = self.timed("excerpts", lambda: describe(found.largest, parts))
        documents = sum(m.rows for m in new)
        facts = found.facts
        return {
            "version": TABLE_VERSION,
            "settings": settings_dict(settings),
            "columns": asdict(self.job.columns),
            "verified": settings.verify == "exact",
            "engine": engine.name,
            "engine_reason": reason,
            "documents": documents,
            "bytes": sum(m.text_bytes for m in new),
            "null_texts": sum(m.null_texts for m in new),
            "rejects": sum(m.rejected for m in new),
            "kept": sum(file.rows for file in files),
            "kept_bytes": sum(file.text_bytes for file in files),
            "duplicates": facts["duplicates"],
            "pairs": facts["pairs"],
            "cluster_sizes": facts["cluster_sizes"],
            "largest_clusters": clusters,
            "planted": planted,
            "curve": curve(settings.bands, settings.rows, settings.agreement, settings.permutations),
            "components": facts.get("components"),
            "edges": facts.get("edges"),
            "keys": facts.get("keys"),
            "shingle_sets": facts.get("shingle_sets"),
            "against": self.older.facts() if self.older else None,
            "output": {
                "files": len(files),
                "rows": sum(file.rows for file in files),
                "digest": hashing.hex128(hashing.add_digests(int(file.digest, 16) for file in files)),
            },
        }

    def commit(
        self,
        attempt: manifest.Attempt,
        wanted: str,
        found: Found,
        files: Sequence[OutFile],
        measured: Sequence[Measured],
        summary: dict[str, Any],
        work: str,
    ) -> None:
        """Move what was written to its place, and publish it in one step."""
        # Rows carry digests of two kinds here (``row_writers``, ``tables``), so files are proved by their sha256.
        tag = attempt.id[:8]
        entries: list[FileEntry] = []

        def place(source: str, folder: str, index: int, entry: Any) -> None:
            ending = os.path.basename(source).partition(".")[2]
            name = f"{folder}/part-{index:05d}-{tag}.{ending}"
            os.makedirs(os.path.join(self.output, folder), exist_ok=True)
            os.replace(source, os.path.join(self.output, name))
            entries.append(FileEntry(name, entry.rows, entry.bytes, entry.sha256, "", folder, {}))

        for index, file in enumerate(sorted(files, key=lambda f: f.path)):
            place(os.path.join(attempt.directory, os.path.basename(file.path)), "data", index, file)
        for index, entry in enumerate(sorted(found.entries, key=lambda e: e.path)):
            place(os.path.join(self.output, entry.path), "duplicates", index, entry)
        tables = {"rejects": [pq.read_table(os.path.join(work, m.rejects)) for m in measured if m.rejects]}
        if (
            not found.entries
        ):  # an empty table rather than none, so that whoever reads the folder finds columns
            tables["duplicates"] = [pa.Table.from_batches([], Output("", self.id_type(measured)).schema)]
        for folder, pieces in tables.items():
            if pieces:
                path = os.path.join(attempt.directory, f"{folder}.parquet")
                table = pa.concat_tables(pieces)
                pq.write_table(table, path)
                sha256, size = sha256_file(path)
                place(path, folder, 0, FileEntry("", table.num_rows, size, sha256, "", folder, {}))
        digests = (int(entry.digest, 16) for entry in found.entries)
        summary["duplicates"]["digest"] = hashing.hex128(hashing.add_digests(digests))
        summary = json.loads(json.dumps(summary))
        attempt.commit(
            entries,
            stage_version=TABLE_VERSION,
            fingerprint=wanted,
            inputs={"files": fingerprint(self.files)},
            facts={"settings": summary["settings"], "columns": summary["columns"], "summary": summary},
            replace=self.replacing,
            digest=summary["output"]["digest"],
            rows=summary["kept"],
        )
        self.sweep({entry.path for entry in entries})
        self.tell(summary)


def _bytes(file: RowFile) -> int:
    """Return about how many bytes a file holds before compression."""
    if file.group_bytes:
        return sum(file.group_bytes)
    return file.bytes * (4 if file.path.endswith((".gz", ".zst", ".zstd")) else 1)


def _size(split: RowSplit) -> int:
    sizes = split.file.group_bytes[split.first : split.stop]
    return sum(sizes) if sizes else _bytes(split.file)


def settings_dict(settings: DedupSettings) -> dict[str, Any]:
    """Return settings as plain values, with the minimum agreement that is in force."""
    found = asdict(settings)
    found["minimum_agreement"] = settings.agreement
    return found


def dedup_table(job: TableJob, make: Callable[[str], Engine], say: Callable[[str], None]) -> dict[str, Any]:
    """Deduplicate a table and return the summary; ``make`` opens an engine by its name.

    An output that is up to date is left as it is (``up_to_date`` in what is returned). Raises ``InputError`` for input
    that cannot be used, ``DatasetChanged`` for a finished output of something else, ``DatasetDamaged`` for repeated ids.
    """
    return _Run(job, make, say).run()
