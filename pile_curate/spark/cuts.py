"""Run the paragraph kernels inside tasks: iterators of Arrow batches in, iterators of Arrow batches out.

Functions of their input and of the documents files that it names; nothing here imports pyspark, and ``edits``
runs the same functions in one process for a small corpus. Texts are read by part and row, one row group at
a time; they never move.
"""

from __future__ import annotations

import os
import pickle
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pile_curate import schema
from pile_curate.dedup.paragraphs import Cut, cut, find_paragraphs, later_than
from pile_curate.errors import DatasetDamaged
from pile_curate.tables import PartWriter

Batches = Iterator[pa.RecordBatch]

KIND = "repeated_paragraph"
"""The kind of the spans."""

MEMBERS = "doc_id binary, source string, split string, part string, row int"
"""A document that dedup keeps; sorted by part and row where texts are read."""

OCCURRENCES = pa.schema(
    [("high", pa.int64()), ("low", pa.int64()), ("rank", pa.int64()), ("doc_id", pa.binary()),
     ("position", pa.int32()), ("late", pa.bool_())]
)  # fmt: skip
"""One paragraph of one document: its key, its document's place in the order, its position."""

ORDER = ("high", "low", "rank", "doc_id", "position")
"""The order in which occurrences of a key are counted: ``rank`` and ``doc_id`` are dedup's order within a source."""

GONE = pa.schema([("doc_id", pa.binary()), ("position", pa.int32())])
"""A paragraph that is cut."""

OCCURRENCES_DDL = "high long, low long, rank long, doc_id binary, position int, late boolean"
GONE_DDL = "doc_id binary, position int"
_FLUSH = 1 << 18  # occurrences held by one task: 15 MB


@dataclass(frozen=True, slots=True)
class Rules:
    """The recipe's paragraph rules, and what of dedup's order matters within one source."""

    unit: str
    min_words: int
    max_copies: int
    keep: str


def texts_of(batches: Batches, documents: str) -> Iterator[tuple[pa.RecordBatch, pa.Array]]:
    """Yield rows with their texts: the rows of ``MEMBERS`` sorted by part and row, in pieces of a row group.

    Memory: one row group's texts. Raises ``DatasetDamaged`` if a row is not the document that it should be.
    """
    part, file, held, number = None, None, None, -1
    ends: npt.NDArray[np.int64] = np.zeros(0, np.int64)
    try:
        for batch in batches:
            rows = batch.column("row").to_numpy()
            parts = batch.column("part").to_pylist()
            start = 0
            while start < batch.num_rows:
                if file is None or parts[start] != part:
                    if file is not None:
                        file.close()
                    part, held, number = parts[start], None, -1
                    file = pq.ParquetFile(os.path.join(documents, part), memory_map=False)
                    groups = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
                    ends = np.cumsum(groups, dtype=np.int64)
                group = int(np.searchsorted(ends, rows[start], "right"))
                if group >= len(ends):
                    raise DatasetDamaged(f"{part} has no row {rows[start]}; run `pile-curate verify`")
                stop = start + 1
                while stop < batch.num_rows and parts[stop] == part and rows[stop] < ends[group]:
                    stop += 1
                if held is None or group != number:
                    held, number = file.read_row_group(group, columns=["doc_id", "text"]), group
                first = int(ends[group - 1]) if group else 0
                piece = batch.slice(start, stop - start)
                found = held.take(pa.array(rows[start:stop] - first))
                if found["doc_id"].cast(pa.binary()).to_pylist() != piece.column("doc_id").to_pylist():
                    raise DatasetDamaged(
                        f"{part} holds other documents than eligibility says; run `pile-curate verify`"
                    )
                yield piece, found["text"].combine_chunks()
                start = stop
    finally:
        if file is not None:
            file.close()


def occurrences(batches: Batches, documents: str, rules: Rules) -> Batches:
    """Return (``OCCURRENCES``) every paragraph of at least ``min_words`` words of the documents in ``batches``.

    ``late`` marks those that come after ``max_copies`` others of their key in this very task: they are cut
    whatever the other tasks hold, and need not be sorted with theirs, so a key that a million documents have costs
    each task ``max_copies`` rows a flush.
    """
    held: list[pa.RecordBatch] = []
    count = 0
    for rows, texts in texts_of(batches, documents):
        sources = np.array(rows.column("source").to_pylist(), object)
        for source in dict.fromkeys(sources):
            mine = np.flatnonzero(sources == source)
            some, who = (texts, rows) if len(mine) == len(texts) else (texts.take(mine), rows.take(mine))
            found, _ = find_paragraphs(some, rules.unit, rules.min_words, source)
            sizes = pc.binary_length(some).fill_null(0).to_numpy().astype(np.int64)
            rank = -sizes if rules.keep == "longest" else np.zeros(len(sizes), np.int64)
            columns = [
                pa.array(found.keys[:, 0].view(np.int64)),
                pa.array(found.keys[:, 1].view(np.int64)),
                pa.array(rank[found.text]),
                who.column("doc_id").take(pa.array(found.text)),
                pa.array(found.position.astype(np.int32)),
                pa.array(np.zeros(len(found.text), np.bool_)),
            ]
            held.append(pa.RecordBatch.from_arrays(columns, schema=OCCURRENCES))
            count += len(found.text)
        if count >= _FLUSH:
            yield _marked(held, rules.max_copies)
            held, count = [], 0
    if count:
        yield _marked(held, rules.max_copies)


def _marked(held: list[pa.RecordBatch], max_copies: int) -> pa.RecordBatch:
    """Sort what a task holds and mark the occurrences that are late among them."""
    table = pa.Table.from_batches(held).sort_by([(name, "ascending") for name in ORDER])
    flags, _ = later_than(_keys(table), max_copies)
    marked = table.set_column(
        table.schema.get_field_index("late"), OCCURRENCES.field("late"), pa.array(flags)
    )
    return marked.combine_chunks().to_batches()[0]


def _keys(table: pa.Table | pa.RecordBatch) -> npt.NDArray[np.uint64]:
    columns = [table.column(name).to_numpy() for name in ("high", "low")]
    return np.stack(columns, axis=1).view(np.uint64)


def beyond(batches: Batches, max_copies: int) -> Batches:
    """Return (``GONE``) the occurrences after the first ``max_copies`` of their key; the input is sorted by ``ORDER``.

    Memory: a batch, however many occurrences a key has.
    """
    seen, before = 0, None
    for batch in batches:
        if not batch.num_rows:
            continue
        keys = _keys(batch)
        flags, seen = later_than(keys, max_copies, seen, before)
        before = keys[-1].copy()
        yield batch.select(GONE.names).filter(pa.array(flags))


def write_edits(batches: Batches, documents: str, directory: str, rules: Rules) -> Batches:
    """Write the spans and the edited documents of rows of ``MEMBERS`` with ``positions``; return pickled entries.

    The rows are sorted by part and row, so that each part's rows lie in one file of each table.
    """
    name = uuid.uuid4().hex
    spans = PartWriter(directory, f"edits-{name}.parquet", schema.EDITS)
    edited = PartWriter(directory, f"documents-{name}.parquet", schema.EDITED, table="documents")
    parts: set[str] = set()
    try:
        for rows, texts in texts_of(_without_empty(batches), documents):
            found, words = find_paragraphs(texts, rules.unit, rules.min_words)
            firsts = np.searchsorted(found.text, np.arange(len(texts) + 1))
            documents_rows, span_rows = [], []
            for at, row in enumerate(rows.to_pylist()):
                lost = cut(found.take(slice(firsts[at], firsts[at + 1])), row.pop("positions"))
                left = int(words[at]) - lost.words
                dropped = left < rules.min_words
                documents_rows.append(row | _about(lost, int(words[at]), left, dropped, rules.min_words))
                if not dropped:
                    parts.add(row["part"])
                    span_rows += [
                        row | {"start": start, "end": end, "replacement": "", "kind": KIND}
                        for start, end in lost.spans
                    ]
            edited.write(documents_rows)
            spans.write(span_rows)
    except BaseException:
        spans.abort()
        edited.abort()
        raise
    entries = []
    for writer, facts in ((spans, {"parts": sorted(parts)}), (edited, {})):
        if writer.rows:
            entries.append(replace(writer.close(), facts=facts))
        else:
            writer.abort()
    yield pa.RecordBatch.from_pydict({"entries": pa.array([pickle.dumps(entries)], pa.binary())})


def _without_empty(batches: Batches) -> Batches:
    return (batch for batch in batches if batch.num_rows)


def _about(lost: Cut, words: int, left: int, dropped: bool, floor: int) -> dict[str, object]:
    return {
        "edits": len(lost.spans),
        "removed_bytes": lost.bytes,
        "words": words,
        "words_left": left,
        "dropped": dropped,
        "threshold": f"at least {floor}",
    }
