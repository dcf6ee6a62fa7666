"""Export the mixture as other trainers want it: upsampled and globally shuffled files.

Every (document, copy) has a 64-bit key, ``order_key(seed, doc_id, "materialize:SOURCE:COPY")``; the
export is all copies in key order. Two steps make it: ``scatter`` reads one shard and appends each copy
to the bucket file of its key range; ``gather`` sorts one bucket and writes one output file. Keys, and
with them the sequence of texts, do not depend on how shards were cut or which task ran when.

Cost: the upsampled text is written twice and sorted once; memory is one buffer in ``scatter`` and one
bucket in ``gather``. A fractional number of epochs gives every document the whole copies and a
fraction of them, chosen by hash, one more.
"""

from __future__ import annotations

import math
import os
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pile_curate.errors import DatasetDamaged, MixtureError
from pile_curate.hashing import order_key, uniform
from pile_curate.manifest import FileEntry, relative
from pile_curate.schema import SHARD
from pile_curate.shards.jsonl import JsonlWriter
from pile_curate.tables import PartWriter

MAX_BUCKETS: Final = 1024
"""Bucket files a scatter task holds open at once; stays below the usual limit of descriptors."""

FORMATS: Final = ("jsonl.zst", "parquet")
BUCKET_SCHEMA: Final = pa.schema([("key", pa.uint64()), ("copy", pa.int32()), *SHARD])
_BUFFER: Final = 64 << 20
_BATCH_ROWS: Final = 1024


def copies_of(epochs: float, seed: int, source: str, doc_id: bytes) -> int:
    """Return how often a document appears: the whole epochs, and one more for a hash-chosen fraction."""
    whole = math.floor(epochs)
    return whole + (uniform(seed, doc_id, f"materialize:{source}:fraction") < epochs - whole)


def copy_key(seed: int, source: str, doc_id: bytes, copy: int) -> int:
    """Return the 64-bit place of one copy in the global order."""
    return order_key(seed, doc_id, f"materialize:{source}:{copy}")


def bucket_of(key: int, buckets: int) -> int:
    """Return the bucket of a key: equal ranges of the 64-bit line, so buckets follow each other in order."""
    return (key * buckets) >> 64


def bucket_count(text_bytes: float, max_bytes: int) -> int:
    """Return how many files of about ``max_bytes`` hold ``text_bytes``; at most ``MAX_BUCKETS``."""
    return min(MAX_BUCKETS, max(1, math.ceil(text_bytes / max_bytes)))


def epochs_of(mixture: Mapping[str, Any]) -> dict[str, float]:
    """Return each source's achieved epochs from a mixture document."""
    return {row["name"]: float(row["achieved"]["epochs"]) for row in mixture["sources"]}


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket file that one scatter task wrote."""

    bucket: int
    path: str
    rows: int
    text_bytes: int


class _Scatter:
    def __init__(self, directory: str, name: str) -> None:
        self.directory, self.name = directory, name
        self.writers: dict[int, tuple[str, pa.OSFile, pa.ipc.RecordBatchStreamWriter]] = {}
        self.counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])

    def put(self, bucket: int, table: pa.Table) -> None:
        if bucket not in self.writers:
            folder = os.path.join(self.directory, f"{bucket:05d}")
            os.makedirs(folder, exist_ok=True)
            path = os.path.join(folder, f"{self.name}.arrows")
            sink = pa.OSFile(path, "wb")
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self.writers[bucket] = (path, sink, pa.ipc.new_stream(sink, BUCKET_SCHEMA, options=options))
        self.writers[bucket][2].write_table(table)
        count = self.counts[bucket]
        count[0] += table.num_rows
        count[1] += pc.sum(pc.binary_length(table.column("text"))).as_py() or 0

    def close(self) -> list[Bucket]:
        made = []
        for bucket, (path, sink, writer) in sorted(self.writers.items()):
            writer.close()
            sink.close()
            made.append(Bucket(bucket, path, *self.counts[bucket]))
        return made

    def abort(self) -> None:
        for path, sink, _ in self.writers.values():
            sink.close()
            os.unlink(path)


def scatter(
    shard: str,
    directory: str,
    name: str,
    *,
    epochs: Mapping[str, float],
    seed: int,
    buckets: int,
    buffer_bytes: int = _BUFFER,
) -> list[Bucket]:
    """Read one Parquet shard and append every copy of its rows to ``directory/BUCKET/NAME.arrows``.

    ``name`` must be unique to the task. Raises ``MixtureError`` for a source that ``epochs`` does not name.
    """
    if not 1 <= buckets <= MAX_BUCKETS:
        raise MixtureError(f"{buckets} buckets; between 1 and {MAX_BUCKETS} are allowed, raise the file size")
    out = _Scatter(directory, name)
    try:
        held: list[pa.RecordBatch] = []
        size = 0
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                held.append(batch)
                size += batch.nbytes
                if size >= buffer_bytes:
                    _scatter_rows(pa.Table.from_batches(held), out, shard, epochs, seed, buckets)
                    held, size = [], 0
        if held:
            _scatter_rows(pa.Table.from_batches(held), out, shard, epochs, seed, buckets)
    except BaseException:
        out.abort()
        raise
    return out.close()


def _scatter_rows(
    rows: pa.Table, out: _Scatter, shard: str, epochs: Mapping[str, float], seed: int, buckets: int
) -> None:
    places: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for position, meta in enumerate(rows.column("meta").to_pylist()):
        source, doc_id = meta["source"], bytes.fromhex(meta["doc_id"])
        if source not in epochs:
            raise MixtureError(
                f"{shard}: source {source!r} has no epochs in the mixture; it has {sorted(epochs)}"
            )
        for copy in range(copies_of(epochs[source], seed, source, doc_id)):
            key = copy_key(seed, source, doc_id, copy)
            places[bucket_of(key, buckets)].append((key, copy, position))
    for bucket, found in places.items():
        taken = rows.take([position for _, _, position in found])
        table = pa.Table.from_arrays(
            [
                pa.array([key for key, _, _ in found], pa.uint64()),
                pa.array([copy for _, copy, _ in found], pa.int32()),
                *[taken.column(field.name) for field in SHARD],
            ],
            schema=BUCKET_SCHEMA,
        )
        out.put(bucket, table)


def gather(
    bucket: int,
    parts: Sequence[Bucket],
    directory: str,
    root: str,
    *,
    formats: Sequence[str] = ("jsonl.zst",),
    table: str = "train",
) -> list[FileEntry]:
    """Sort one bucket by (key, doc_id, copy), write ``directory/BUCKET-NONCE.FORMAT``, return the entries.

    Read in the order of their names, the files are the global order. ``directory`` is an attempt's
    folder of the dataset ``root``.

    Raises ``DatasetDamaged`` if a bucket file holds fewer rows than its task reported.
    """
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown:
        raise ValueError(f"unknown format {unknown[0]!r}; known: {', '.join(FORMATS)}")
    tables = []
    for part in parts:
        try:
            with pa.OSFile(part.path) as stream, pa.ipc.open_stream(stream) as reader:
                read = reader.read_all()
        except (pa.ArrowException, OSError) as error:
            raise DatasetDamaged(f"{part.path}: cannot be read: {error}; run materialize again") from error
        if read.num_rows != part.rows:
            raise DatasetDamaged(f"{part.path}: {read.num_rows} rows where its task wrote {part.rows}")
        tables.append(read)
    rows = pa.concat_tables(tables) if tables else BUCKET_SCHEMA.empty_table()
    keyed = rows.select(["key", "copy"]).append_column(
        "doc_id", pc.struct_field(rows.column("meta"), "doc_id")
    )
    order = pc.sort_indices(
        keyed, sort_keys=[("key", "ascending"), ("doc_id", "ascending"), ("copy", "ascending")]
    )
    sources = pc.struct_field(rows.column("meta"), "source").value_counts().to_pylist()
    facts: dict[str, Any] = {
        "bucket": bucket,
        "text_bytes": sum(part.text_bytes for part in parts),
        "sources": {row["values"]: row["counts"] for row in sorted(sources, key=lambda row: row["values"])},
    }
    # The nonce keeps a retried task's file apart from the first try's.
    base = os.path.join(directory, f"{bucket:05d}-{uuid.uuid4().hex[:12]}")
    return _write(rows, order, base, root, formats, table, facts)


def _write(
    rows: pa.Table,
    order: pa.Array,
    base: str,
    root: str,
    formats: Sequence[str],
    table: str,
    facts: dict[str, Any],
) -> list[FileEntry]:
    directory, name = os.path.split(base)
    os.makedirs(directory, exist_ok=True)
    parquet = PartWriter(directory, f"{name}.parquet", SHARD) if "parquet" in formats else None
    jsonl = JsonlWriter(f"{base}.jsonl.zst") if "jsonl.zst" in formats else None
    # Taken in slices, so that the sorted copy of the bucket never exists as a whole.
    for start in range(0, len(order), _BATCH_ROWS):
        taken = rows.take(order.slice(start, _BATCH_ROWS)).select(SHARD.names).combine_chunks()
        for batch in taken.to_batches():
            if parquet is not None:
                parquet.write(batch)
            if jsonl is not None:
                jsonl.write(batch)
    entries = []
    if jsonl is not None:
        entries.append(jsonl.close(root, table, {**facts, "format": "jsonl.zst"}))
    if parquet is not None:
        written, path = parquet.close(), relative(root, parquet.path)
        entries.append(replace(written, path=path, table=table, facts={**facts, "format": "parquet"}))
    return entries


def materialize(
    shards: Iterable[str],
    directory: str,
    root: str,
    work: str,
    *,
    epochs: Mapping[str, float],
    seed: int,
    buckets: int,
    formats: Sequence[str] = ("jsonl.zst",),
) -> list[FileEntry]:
    """Run both steps in this process, over Parquet shards of the train split, and remove the bucket files.

    ``work`` is an empty folder for bucket files, ``directory`` an attempt's folder of the dataset ``root``.
    """
    found: dict[int, list[Bucket]] = defaultdict(list)
    for number, shard in enumerate(shards):
        for part in scatter(shard, work, f"{number:05d}", epochs=epochs, seed=seed, buckets=buckets):
            found[part.bucket].append(part)
    entries: list[FileEntry] = []
    for bucket in sorted(found):
        entries += gather(bucket, found[bucket], directory, root, formats=formats)
        for part in found[bucket]:
            os.unlink(part.path)
    return entries
