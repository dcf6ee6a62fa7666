"""Do one extract task in a Python worker: frame, parse under guard, clean, write documents and rejects.

Nothing here imports Spark. A task handles the splits of one source; a threaded source (questions and
answers, comment trees) first writes parts into bucket files by thread, and a second round of tasks
assembles each bucket, which is bounded in size by the number of buckets. Where a record names only its parent
(``linked``), the parts wait in files of their own until one task has found every thread, and are then sorted
into the buckets.
"""

from __future__ import annotations

import os
import pickle
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pile_curate import hashing, schema
from pile_curate.clean import CleaningConfig
from pile_curate.files import FileTally, Tally
from pile_curate.guard import Guard, GuardFailure
from pile_curate.manifest import FileEntry
from pile_curate.sources import SOURCES, links
from pile_curate.sources.base import Document, Outcome, Raw, Reject, Split
from pile_curate.sources.work import WorkConfig
from pile_curate.tables import PartWriter

PART_BYTES = 512 << 20
"""A documents file is closed after about this many bytes of text."""

_BUFFER_BYTES = 8 << 20
_BUCKET_SCHEMA = pa.schema([("thread", pa.string()), ("part", pa.binary())])
_LINK_SCHEMA = pa.schema([("node", pa.int64()), ("parent", pa.int64()), ("part", pa.binary())])


@dataclass(frozen=True)
class SourceTask:
    """Everything a worker needs to extract some splits, or some thread buckets, of one source."""

    source: str
    format: str
    options: Any
    cleaning: CleaningConfig
    licence: str
    consent: str
    seed: int
    validation: float
    test: float
    cpu_seconds: float
    memory_bytes: int
    documents: str
    rejects: str
    scratch: str
    buckets: int = 1
    splits: tuple[Split, ...] = ()
    bucket_files: tuple[str, ...] = ()
    link_files: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes to read, for packing tasks into bins."""
        files = self.bucket_files + self.link_files
        return sum(s.size for s in self.splits) + sum(os.path.getsize(f) for f in files)


@dataclass
class TaskResult:
    """What one task wrote and counted; merged by source on the driver."""

    source: str
    documents: list[FileEntry] = field(default_factory=list)
    rejects: list[FileEntry] = field(default_factory=list)
    tallies: list[FileTally] = field(default_factory=list)
    bucket_files: dict[int, str] = field(default_factory=dict)
    link_files: list[str] = field(default_factory=list)
    records: int = 0
    parts: int = 0
    document_count: int = 0
    document_records: int = 0
    text_bytes: int = 0
    raw_bytes: int = 0
    reasons: dict[str, dict[str, Any]] = field(default_factory=dict)
    damage: dict[str, str] = field(default_factory=dict)
    """Each damaged file by relative path, and what is wrong with it."""

    def count_reject(self, kind: str, reason: str, records: int) -> None:
        """Count one rejection under its reason."""
        seen = self.reasons.setdefault(reason, {"kind": kind, "rows": 0, "records": 0})
        seen["rows"] += 1
        seen["records"] += records


def extractor_label(format_name: str) -> str:
    """Return the extractor with its version and those of the libraries that shape its output."""
    fmt = SOURCES[format_name]
    names = sorted({*fmt.libraries, "ftfy"})
    versions = " ".join(f"{name}={metadata.version(name)}" for name in names)
    return f"{fmt.name}/{fmt.version} {versions}"


def split_of(seed: int, identity: bytes, validation: float, test: float) -> str:
    """Return a document's split: a hash of (seed, doc_id), drawn once and never again."""
    drawn = hashing.uniform(seed, identity, "split")
    if drawn < test:
        return "test"
    return "validation" if drawn < test + validation else "train"


class _Sink:
    """Write outcomes as rows, rolling the documents file by size; one rejects file a task."""

    def __init__(self, task: SourceTask, result: TaskResult) -> None:
        self.task, self.result = task, result
        self.label = extractor_label(task.format)
        self.rows: list[dict[str, Any]] = []
        self.buffered = self.written = 0
        self.writer: PartWriter | None = None
        self.reject_rows: list[dict[str, Any]] = []
        self.reject_writer: PartWriter | None = None

    def add(self, outcome: Outcome) -> None:
        if isinstance(outcome, Reject):
            self._reject(outcome)
        else:
            self._document(outcome)

    def _document(self, doc: Document) -> None:
        task = self.task
        identity = schema.doc_id(task.source, doc.key)
        size = len(doc.text.encode("utf-8"))
        self.rows.append(
            {
                "doc_id": identity,
                "source": task.source,
                "split": split_of(task.seed, identity, task.validation, task.test),
                "text": doc.text,
                "url": doc.url,
                "title": doc.title,
                "licence": doc.licence or task.licence,
                "consent": task.consent,
                "key": doc.key,
                "file": doc.rel,
                "record": doc.record,
                "records": doc.records,
                "raw_bytes": doc.raw_bytes,
                "text_bytes": size,
                "text_digest": hashing.text_digest(doc.text),
                "extractor": self.label,
                "meta": orjson.dumps(doc.meta, option=orjson.OPT_SORT_KEYS).decode(),
            }
        )
        self.result.document_count += 1
        self.result.document_records += doc.records
        self.result.text_bytes += size
        self.buffered += size
        if self.buffered >= _BUFFER_BYTES or len(self.rows) >= 4096:
            self._flush()

    def _reject(self, reject: Reject) -> None:
        self.result.count_reject(reject.kind, reject.reason, reject.records)
        # A note that counts no record is about the file; so is a record that ends with its file.
        if reject.kind == "error" and (not reject.records or reject.reason == "truncated_record"):
            self.result.damage[reject.rel] = reject.detail.removeprefix(f"{reject.rel}: ")[:500]
        self.reject_rows.append(
            {
                "stage": "extract",
                "source": self.task.source,
                "file": reject.rel,
                "record": reject.record,
                "key": reject.key,
                "kind": reject.kind,
                "reason": reject.reason,
                "detail": reject.detail[:2000],
                "records": reject.records,
                "raw_bytes": reject.raw_bytes,
            }
        )
        if len(self.reject_rows) >= 4096:
            self._flush_rejects()

    def _flush(self) -> None:
        if not self.rows:
            return
        if self.writer is None:
            self.writer = documents_writer(self.task)
        self.writer.write(self.rows)
        self.written += self.buffered
        self.rows, self.buffered = [], 0
        if self.written >= PART_BYTES:
            self._close_part()

    def _close_part(self) -> None:
        if self.writer is not None:
            self.result.documents.append(self.writer.close())
        self.writer, self.written = None, 0

    def _flush_rejects(self) -> None:
        if not self.reject_rows:
            return
        if self.reject_writer is None:
            facts = {"source": self.task.source}
            name = part_name(self.task.source)
            self.reject_writer = PartWriter(self.task.rejects, name, schema.REJECTS, facts=facts)
        self.reject_writer.write(self.reject_rows)
        self.reject_rows = []

    def close(self) -> None:
        self._flush()
        self._close_part()
        self._flush_rejects()
        if self.reject_writer is not None:
            self.result.rejects.append(self.reject_writer.close())


class _Buckets:
    """Write a threaded source's parts into one Parquet file a bucket."""

    def __init__(self, task: SourceTask, result: TaskResult) -> None:
        self.task, self.result = task, result
        self.rows: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self.writers: dict[int, pq.ParquetWriter] = {}
        self.stamp = uuid.uuid4().hex

    def add(self, part: Document) -> None:
        self.result.parts += 1
        self.put(str(part.meta["thread"]), pickle.dumps(part))

    def put(self, thread: str, part: bytes) -> None:
        bucket = xxhash.xxh3_64_intdigest(thread.encode()) % self.task.buckets
        rows = self.rows[bucket]
        rows.append({"thread": thread, "part": part})
        if len(rows) >= 1024:
            self._flush(bucket)

    def _flush(self, bucket: int) -> None:
        if bucket not in self.writers:
            name = f"{self.task.source}-{bucket:05d}-{self.stamp}.parquet"
            os.makedirs(self.task.scratch, exist_ok=True)
            path = os.path.join(self.task.scratch, name)
            self.writers[bucket] = pq.ParquetWriter(path, _BUCKET_SCHEMA, compression="zstd")
            self.result.bucket_files[bucket] = path
        self.writers[bucket].write_table(pa.Table.from_pylist(self.rows.pop(bucket), _BUCKET_SCHEMA))

    def close(self) -> None:
        for bucket in sorted(self.rows):
            self._flush(bucket)
        for writer in self.writers.values():
            writer.close()


class _Links:
    """Write a linked source's parts into one Parquet file, each with its node and its parent."""

    def __init__(self, task: SourceTask, result: TaskResult) -> None:
        self.task, self.result = task, result
        self.rows: list[dict[str, Any]] = []
        self.writer: pq.ParquetWriter | None = None

    def add(self, part: Document) -> None:
        parent = part.meta["parent"]
        parent = links.NO_PARENT if parent is None else parent
        self.rows.append({"node": part.meta["node"], "parent": parent, "part": pickle.dumps(part)})
        self.result.parts += 1
        if len(self.rows) >= 4096:
            self._flush()

    def _flush(self) -> None:
        if not self.rows:
            return
        if self.writer is None:
            os.makedirs(self.task.scratch, exist_ok=True)
            path = os.path.join(self.task.scratch, f"links-{part_name(self.task.source)}")
            self.writer = pq.ParquetWriter(path, _LINK_SCHEMA, compression="zstd")
            self.result.link_files.append(path)
        self.writer.write_table(pa.Table.from_pylist(self.rows, _LINK_SCHEMA))
        self.rows = []

    def close(self) -> None:
        self._flush()
        if self.writer is not None:
            self.writer.close()


def part_name(source: str) -> str:
    """Return a file name that no other attempt uses."""
    return f"{source}-{uuid.uuid4().hex}.parquet"


def documents_writer(task: SourceTask) -> PartWriter:
    """Open the next documents file of a task."""
    facts = {"source": task.source}
    return PartWriter(task.documents, part_name(task.source), schema.DOCUMENTS, facts=facts)


def _guard(task: SourceTask, function: str) -> Guard:
    config = WorkConfig(task.format, task.options, task.cleaning)
    return Guard(
        f"pile_curate.sources.work:{function}",
        config,
        cpu_seconds=task.cpu_seconds,
        memory_bytes=task.memory_bytes,
    )


def extract(task: SourceTask) -> TaskResult:
    """Extract the task's splits; returns counts and the files written."""
    fmt = SOURCES[task.format]
    result = TaskResult(task.source)
    sink = _Sink(task, result)
    buckets: _Buckets | _Links | None = None
    if fmt.threaded:
        buckets = _Links(task, result) if fmt.linked else _Buckets(task, result)
    tally = Tally()

    def records() -> Iterator[Raw]:
        for split in task.splits:
            for framed in fmt.frames(split, task.options, tally):
                if isinstance(framed, Reject):
                    sink.add(framed)
                else:
                    yield framed

    with _guard(task, "parse_record") as guard:
        for raw, answer in guard.map(records()):
            for outcome in _outcomes(raw, answer):
                if not outcome.raw_bytes:
                    outcome.raw_bytes = len(raw.body)
                if buckets is not None and isinstance(outcome, Document):
                    buckets.add(outcome)
                else:
                    sink.add(outcome)
    sink.close()
    if buckets is not None:
        buckets.close()
    result.tallies = list(tally.files)
    for seen in result.tallies:
        if seen.damage:
            result.damage.setdefault(seen.rel, seen.damage)
    result.records = tally.records
    result.raw_bytes = tally.raw_bytes
    return result


def _outcomes(raw: Raw, answer: Sequence[Outcome] | GuardFailure) -> Sequence[Outcome]:
    if isinstance(answer, GuardFailure):
        return [Reject(answer.reason, raw.rel, raw.record, answer.detail, kind="error", records=raw.records)]
    return answer


def resolve_links(task: SourceTask) -> str:
    """Find the thread of every part in all of a source's link files; returns the two saved arrays' common path."""
    tables = (pq.read_table(path, columns=["node", "parent"]) for path in task.link_files)
    pairs = ((table["node"].to_numpy(), table["parent"].to_numpy()) for table in tables)
    found = links.resolve(pairs, sum(pq.read_metadata(path).num_rows for path in task.link_files))
    path = os.path.join(task.scratch, f"roots-{task.source}-{uuid.uuid4().hex}")
    for name, array in zip(("nodes", "roots"), found, strict=True):
        np.save(f"{path}.{name}.npy", array)
    return path


def route(task: SourceTask, found: str) -> TaskResult:
    """Sort the parts of the task's link files into buckets by the threads that ``resolve_links`` found."""
    result = TaskResult(task.source)
    nodes, roots = (np.load(f"{found}.{name}.npy", mmap_mode="r") for name in ("nodes", "roots"))
    buckets = _Buckets(task, result)
    for path in task.link_files:
        for batch in pq.ParquetFile(path).iter_batches(4096):
            threads = links.threads_of(nodes, roots, batch["node"].to_pylist())
            for thread, part in zip(threads, batch["part"].to_pylist(), strict=True):
                buckets.put(thread, part)
    buckets.close()
    return result


def assemble(task: SourceTask) -> TaskResult:
    """Assemble the threads of the task's buckets into documents."""
    result = TaskResult(task.source)
    sink = _Sink(task, result)
    tables = [pq.read_table(path) for path in task.bucket_files]
    table = pa.concat_tables(tables) if tables else _BUCKET_SCHEMA.empty_table()
    threads: dict[str, list[Document]] = defaultdict(list)
    for thread, blob in zip(table["thread"].to_pylist(), table["part"].to_pylist(), strict=True):
        threads[thread].append(pickle.loads(blob))
    with _guard(task, "assemble_thread") as guard:
        for (_, parts), answer in guard.map((key, threads[key]) for key in sorted(threads)):
            if isinstance(answer, GuardFailure):
                # Each record of a thread that could not be assembled is rejected on its own, so that the counts hold.
                for part in parts:
                    sink.add(Reject(answer.reason, part.rel, part.record, answer.detail, part.key, "error"))
            else:
                for outcome in answer:
                    sink.add(outcome)
    sink.close()
    return result


def drop_rows(part_path: str, losers: Sequence[dict[str, Any]], task: SourceTask) -> TaskResult:
    """Write a documents file again without the rows that lost a doc_id conflict, and one reject for each."""
    from pile_curate.tables import iter_batches

    result = TaskResult(task.source)
    gone = {int(row["row"]) for row in losers}
    writer = documents_writer(task)
    position = kept = 0
    for batch in iter_batches(part_path):
        mask = pa.array([position + i not in gone for i in range(batch.num_rows)])
        position += batch.num_rows
        left = batch.filter(mask)
        kept += left.num_rows
        writer.write(left)
    if kept:
        result.documents.append(writer.close())
    else:
        writer.abort()
    sink = _Sink(task, result)
    for row in losers:
        reason = row["reason"]
        kind: Literal["policy", "error"] = "policy" if reason == "duplicate_record" else "error"
        detail = f"first seen in {row['winner_file']} at {row['winner_record']}"
        sink.add(
            Reject(
                reason, row["file"], row["record"], detail, row["key"], kind, row["records"], row["raw_bytes"]
            )
        )
        result.document_count -= 1
        result.document_records -= row["records"]
        result.text_bytes -= row["text_bytes"]
    sink.close()
    return result
