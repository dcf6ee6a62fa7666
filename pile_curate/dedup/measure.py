"""Measure the rows of any table for deduplication: digest, signature, and what the order needs.

One split of the table gives one annotations file (``ANNOTATIONS``), row for row what ``dedup.parts`` reads, and
beside it a few texts for the planted-copy check, while they are at hand. Nothing is decided here.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pile_curate.dedup.parts import Part
from pile_curate.row_files import Columns, RowSplit, read_split
from pile_curate.row_keys import NATURAL
from pile_curate.schema import ID

ANNOTATIONS = pa.schema(
    [("doc_id", pa.binary()), ("source", pa.string()), ("split", pa.string()), ("text_digest", ID),
     ("text_bytes", pa.int64()), ("shingles", pa.int64()), ("signature", pa.binary()), ("url", pa.string()),
     ("row", pa.int64())]
)  # fmt: skip
REJECTS = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("kind", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
SAMPLE = pa.schema([("hash", pa.uint64()), ("text", pa.binary())])

SAMPLES = 32
"""Texts that the planted-copy check looks at: those whose ids have the least hashes, however the table is cut."""

SAMPLE_BYTES = 1 << 18
_ROWS = 8192


@dataclass(frozen=True)
class MeasureTask:
    """One split to measure; ``directory`` takes the files."""

    number: int
    split: RowSplit
    columns: Columns
    against: bool
    directory: str
    ngram: int
    permutations: int
    seed: int


@dataclass(frozen=True)
class Measured:
    """What a task wrote and counted; paths are relative to its directory, None where there was nothing to write."""

    number: int
    annotations: str
    rows: int
    null_texts: int
    text_bytes: int
    rejects: str | None
    rejected: int
    sample: str | None
    tags: list[int]

    def part(self, task: MeasureTask, urls: bool) -> Part:
        """Return the part that the measured split is from now on."""
        path = os.path.join(task.directory, self.annotations)
        return Part(
            number=self.number,
            annotations=path,
            rows=self.rows,
            texts=task.split,
            columns=task.columns,
            urls=path if urls else None,
            against=task.against,
        )


def measure(tasks: Sequence[MeasureTask]) -> list[Measured]:
    """Measure some splits, one after the other."""
    return [measure_split(task) for task in tasks]


def measure_split(task: MeasureTask) -> Measured:
    """Measure one split and write its annotations, its rejects and its sample."""
    from pile_curate.dedup.id_hashes import hash_ids
    from pile_curate.dedup.minhash import signatures
    from pile_curate.row_keys import as_binary, value_bytes
    from pile_curate.text_digests import text_digests

    tag = f"{task.number:06d}-{uuid.uuid4().hex[:12]}"
    rejects: list[dict[str, Any]] = []
    rows = nulls = size = 0
    sample: dict[int, bytes] = {}
    tags: set[int] = set()
    annotations = f"annotations-{tag}.parquet"
    with pq.ParquetWriter(
        os.path.join(task.directory, annotations),
        ANNOTATIONS,
        compression="none",
        use_dictionary=["source", "split"],
    ) as writer:
        for whole in read_split(task.split, task.columns, rejects=rejects):
            for start in range(0, whole.num_rows, _ROWS):
                batch = whole.slice(start, _ROWS)
                texts = batch.column("text")
                _, shingles, signature = signatures(
                    texts, ngram=task.ngram, permutations=task.permutations, seed=task.seed
                )
                lengths = pc.fill_null(pc.binary_length(texts).cast(pa.int64()), 0)
                blank = pa.array([""] * batch.num_rows, pa.string())
                names = batch.schema.names
                columns = {
                    "doc_id": batch.column("key"),
                    "text_digest": text_digests(texts),
                    "text_bytes": lengths,
                    "shingles": pa.array(shingles, pa.int64()),
                    "signature": signature,
                    "row": batch.column("row"),
                    **{
                        name: batch.column(name) if name in names else blank
                        for name in ("source", "split", "url")
                    },
                }
                writer.write_batch(
                    pa.record_batch([columns[f.name].cast(f.type) for f in ANNOTATIONS], ANNOTATIONS)
                )
                offsets, data = value_bytes(batch.column("key"))
                tags.update(_tags(offsets, data))
                rows += batch.num_rows
                nulls += texts.null_count
                size += pc.sum(lengths).as_py() or 0
                if not task.against:
                    _sample(sample, hash_ids(batch.column("key")), as_binary(texts))
    return Measured(
        number=task.number,
        annotations=annotations,
        rows=rows,
        null_texts=nulls,
        text_bytes=size,
        rejects=_save(task, f"rejects-{tag}.parquet", pa.Table.from_pylist(rejects, REJECTS)),
        rejected=len(rejects),
        sample=_save(task, f"sample-{tag}.parquet", _sampled(sample)),
        tags=sorted(tags),
    )


LARGE_NATURAL = 256
"""Stands among ``Measured.tags`` for a whole number of 2^63 or more."""


def _tags(offsets: Any, data: Any) -> list[int]:
    """Return the kinds of a batch's keys (their first bytes)."""
    first = data[offsets[:-1]]
    found: list[int] = np.unique(first).tolist()
    if NATURAL in found and (data[offsets[:-1][first == NATURAL] + 1] >= 128).any():
        found.append(LARGE_NATURAL)
    return found


def _save(task: MeasureTask, name: str, table: pa.Table) -> str | None:
    if table.num_rows == 0:
        return None
    pq.write_table(table, os.path.join(task.directory, name))
    return name


def _sample(sample: dict[int, bytes], hashes: Any, texts: pa.Array) -> None:
    """Keep the texts with the least hashes, ``SAMPLES`` at most."""
    least = np.argpartition(hashes, SAMPLES)[:SAMPLES] if len(hashes) > SAMPLES else np.arange(len(hashes))
    worst = max(sample) if len(sample) >= SAMPLES else None
    for i in least.tolist():
        key = int(hashes[i])
        if (worst is None or key < worst) and texts[i].is_valid:
            sample[key] = texts[i].as_py()[:SAMPLE_BYTES]
    for key in sorted(sample)[SAMPLES:]:
        del sample[key]


def _sampled(sample: dict[int, bytes]) -> pa.Table:
    return pa.table(
        [pa.array(sorted(sample), pa.uint64()), pa.array([sample[k] for k in sorted(sample)])], SAMPLE
    )


def sample_of(paths: Sequence[str]) -> pa.Array:
    """Return the texts of the whole table's sample, in the order of their hashes."""
    if not paths:
        return pa.array([], pa.binary())
    hashes = [pq.read_table(path, columns=["hash"]).column(0).to_numpy() for path in paths]
    least = np.sort(np.concatenate(hashes))[:SAMPLES]
    tables = [
        pq.read_table(path, schema=SAMPLE)
        for path, mine in zip(paths, hashes, strict=True)
        if np.isin(mine, least).any()
    ]
    table = pa.concat_tables(tables)
    table = table.filter(pc.is_in(table.column("hash"), pa.array(least, pa.uint64()))).sort_by("hash")
    column = table.column("text").combine_chunks()
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
