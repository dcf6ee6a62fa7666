"""Remove duplicates from any table, alone: no recipe, no other stage. ``pile-curate dedup``, ``jobs/dedup.py``.

    input -> measure (a file of annotations a split) -> find -> write (the same rows minus the copies)

What comes out is ``data/`` with all columns, ``duplicates/`` (every copy, the kept document it repeats, the Jaccard),
``rejects/`` if there were any, ``summary.json`` and ``summary.txt``, and a manifest that names all of these: what
it does not list does not count. A run that was killed begins again after ``measure``, if that was finished.

An engine (``Engine``) runs the steps: ``dedup.local`` in this process, or Spark. Both give equal rows.
"""

from __future__ import annotations

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
from pile_curate.dedup.measure import Measured, MeasureTask, measure, sample_of
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

T = TypeVar("T")
R = TypeVar("R")

TABLE_VERSION = 1
WORK = "_work"
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
    tag: str
    schema: pa.Schema | None
    columns: Columns


def _write(tasks: Sequence[WriteTask]) -> list[list[OutFile]]:
    return [_write_one(task) for task in tasks]


def _write_one(task: WriteTask) -> list[OutFile]:
    by_split = {(p.texts.file.path, p.texts.first): p for p in task.parts}

    def gone(split: RowSplit) -> Any:
        return dropped_rows(task.dropped, by_split[split.file.path, split.first])

    splits = [part.texts for part in task.parts]
    name = f"part-{task.index:05d}-{task.tag}"
    return write_kept(
        splits, gone, task.directory, name, task.schema, task.columns, write_empty=task.index == 0
    )


class _Run:
    def __init__(self, job: TableJob, make: Callable[[str], Engine], say: Callable[[str], None]) -> None:
        self.job, self.say = job, say
        self.output = os.path.abspath(job.output)
        refuse_overlap(job.inputs, self.output)
        self.files = discover(job.inputs)
        self.schema = table_schema(self.files, job.columns)
        self.older = Older.open(job.against, job.settings, job.columns) if job.against else None
        self.make = make
        self.seconds: dict[str, float] = {}

    def fingerprint(self) -> str:
        """Cover all that the rows depend on; the engine is not among it."""
        return hashing.fingerprint(
            {
                "version": [TABLE_VERSION, MINHASH_VERSION, LSH_VERSION, hashing.HASH_VERSION],
                "files": fingerprint(self.files),
                "columns": asdict(self.job.columns),
                "settings": settings_dict(self.job.settings),
                "against": self.older.digest if self.older else None,
            }
        )

    def finished(self, wanted: str) -> dict[str, Any] | None:
        """Return the summary of a finished output that is up to date; refuse to replace another one unasked."""
        previous = manifest.find(self.output)
        if previous is None:
            known = (WORK, manifest.ATTEMPTS, "data", "duplicates", "rejects")
            names = os.listdir(self.output) if os.path.isdir(self.output) else []
            strange = sorted(name for name in names if name not in known and not name.startswith("."))
            if strange:
                raise InputError(
                    f"{self.output!r} holds {strange[:3]} and no manifest; give an empty or new folder as output"
                )
            return None
        if previous.fingerprint == wanted:
            with open(os.path.join(self.output, "summary.json"), encoding="utf-8") as stream:
                found: dict[str, Any] = json.load(stream)
            return found
        if not self.job.overwrite:
            raise DatasetChanged(
                f"{self.output!r} was made from other input or settings; add --overwrite to replace it, or choose "
                "another output"
            )
        return None

    def timed(self, name: str, work: Callable[[], R]) -> R:
        started = time.monotonic()
        result = work()
        self.seconds[name] = round(time.monotonic() - started, 3)
        return result

    def run(self) -> dict[str, Any]:
        wanted = self.fingerprint()
        done = self.finished(wanted)
        if done is not None:
            return done | {"up_to_date": True}
        started = time.monotonic()
        try:
            os.makedirs(self.output, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the output {self.output!r} cannot be made: {error.strerror}; name another folder"
            ) from error
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
            files = self.timed("write", lambda: self.write(engine, parts, measured, found, attempt, work))
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
        if size <= local.BYTES and rows <= local.DOCUMENTS:
            return "local", f"{told}: one process is faster up to {local.BYTES / 1e6:.0f} MB"
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
        record = os.path.join(work, f"measured-{len(tasks)}.json")
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
        if tags and tags <= {NEGATIVE, NATURAL}:
            name = self.job.columns.id or "id"
            return (
                self.schema.field(name).type
                if self.schema is not None and name in self.schema.names
                else pa.int64()
            )
        return pa.string()

    def write(
        self,
        engine: Engine,
        parts: Sequence[Part],
        measured: Sequence[Measured],
        found: Found,
        attempt: manifest.Attempt,
        work: str,
    ) -> list[OutFile]:
        """Write the rows that stay, without the rejected ones, in files that follow the input's order."""
        tag = attempt.id[:8]
        groups: list[list[Part]] = []
        size = 0
        for part in (part for part in parts if not part.against):
            if not groups or size >= PART_BYTES:
                groups.append([])
                size = 0
            groups[-1].append(part)
            size += _size(part.texts)
        groups = groups or [[]]  # a table without rows still has columns
        directory = os.path.join(self.output, "data")
        os.makedirs(directory, exist_ok=True)
        tasks = [
            WriteTask(
                index, tuple(group), {p.number: found.dropped[p.number] for p in group if p.number in found.dropped},
                directory, tag, self.schema,
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
        from pile_curate.dedup.summary import render

        tag = attempt.id[:8]
        # Rows carry digests of two kinds here (``row_writers``, ``tables``), so files are proved by their sha256.
        entries = [
            FileEntry(f"data/{os.path.basename(f.path)}", f.rows, f.bytes, f.sha256, "", "data", {})
            for f in files
        ]
        os.makedirs(os.path.join(self.output, "duplicates"), exist_ok=True)
        for index, entry in enumerate(sorted(found.entries, key=lambda e: e.path)):
            name = f"duplicates/part-{index:05d}-{tag}.parquet"
            os.replace(os.path.join(self.output, entry.path), os.path.join(self.output, name))
            entries.append(FileEntry(name, entry.rows, entry.bytes, entry.sha256, "", "duplicates", {}))
        rejected = [os.path.join(work, m.rejects) for m in measured if m.rejects]
        if rejected:
            os.makedirs(os.path.join(self.output, "rejects"), exist_ok=True)
            entries.append(self.file(f"rejects/part-00000-{tag}.parquet", None, "rejects", rejected))
        if (
            not found.entries
        ):  # an empty table rather than none, so that whoever reads the folder finds columns
            empty = pa.Table.from_batches([], Output("", pa.string()).schema)
            entries.append(self.file(f"duplicates/part-00000-{tag}.parquet", empty, "duplicates", []))
        digests = (int(entry.digest, 16) for entry in found.entries)
        summary["duplicates"]["digest"] = hashing.hex128(hashing.add_digests(digests))
        for name, text in (("summary.json", json.dumps(summary, indent=1)), ("summary.txt", render(summary))):
            atomic_write(os.path.join(self.output, name), text.encode())
            sha256, size = sha256_file(os.path.join(self.output, name))
            entries.append(FileEntry(name, 0, size, sha256, "", "summary", {}))
        attempt.commit(
            entries,
            stage_version=TABLE_VERSION,
            fingerprint=wanted,
            inputs={"files": fingerprint(self.files)},
            facts={
                "documents": summary["documents"],
                "settings": summary["settings"],
                "columns": summary["columns"],
            },
            replace=manifest.find(self.output) is not None,
            digest=summary["output"]["digest"],
            rows=summary["kept"],
        )
        listed = {entry.path for entry in entries}
        for folder in ("data", "duplicates", "rejects"):
            path = os.path.join(self.output, folder)
            for name in os.listdir(path) if os.path.isdir(path) else ():
                if f"{folder}/{name}" not in listed:
                    os.remove(os.path.join(path, name))

    def file(self, name: str, table: pa.Table | None, kind: str, parts: Sequence[str]) -> FileEntry:
        path = os.path.join(self.output, name)
        table = pa.concat_tables([pq.read_table(part) for part in parts]) if table is None else table
        pq.write_table(table, path)
        sha256, size = sha256_file(path)
        return FileEntry(name, table.num_rows, size, sha256, "", kind, {})


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
