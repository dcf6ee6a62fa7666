"""Describe where a corpus lies for deduplication, and read its narrow columns as arrays.

A *part* is one file of annotations. The document in its row i is the vertex ``number << 32 | i``: 64 bits,
distinct by construction, and it says where the document is found again. Both engines read parts alike.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from pile_curate.dedup import DedupSettings
from pile_curate.errors import DatasetDamaged
from pile_curate.row_files import Columns, RowSplit, read_texts
from pile_curate.tables import iter_batches
from pile_curate.word_hashes import Hashes

Ints = npt.NDArray[np.int64]

ROW_BITS = 32
NARROW = ("doc_id", "source", "split", "text_digest", "text_bytes")
CHUNK_ROWS = 1 << 20
"""Rows of narrow columns (about 100 bytes each) that a task looks at together."""


@dataclass(frozen=True, slots=True)
class Part:
    """One annotations file and what belongs to its rows.

    ``eligibility`` has the same rows in the same order (None: all may stay). ``texts`` is where the texts lie;
    the annotations' column ``row`` counts in it. ``urls`` is a Parquet file with a column ``url``, row for row
    (None: no URLs). ``against`` marks an older corpus: first in the order, never dropped.
    """

    number: int
    annotations: str
    rows: int
    texts: RowSplit
    columns: Columns = Columns()
    eligibility: str | None = None
    urls: str | None = None
    against: bool = False

    @property
    def base(self) -> int:
        """The vertex of row 0."""
        return self.number << ROW_BITS


class Narrow(NamedTuple):
    """What order, scope and equality need of n documents; ``rows`` are their rows in the annotations file."""

    rows: Ints
    v: Ints
    key: pa.BinaryArray
    digest: Hashes
    scope: Ints
    split: Ints
    against: npt.NDArray[np.bool_]
    priority: Ints
    length: Ints


def part_of(v: Ints) -> Ints:
    """Return the numbers of the parts that vertices lie in."""
    return v >> np.int64(ROW_BITS)


def row_of(v: Ints) -> Ints:
    """Return the rows of vertices within their parts."""
    return v & np.int64((1 << ROW_BITS) - 1)


@functools.lru_cache(4096)
def name64(text: str) -> int:
    """Return a 64-bit signed hash of a scope's or a split's name; the empty name is 0."""
    return int(np.uint64(xxhash.xxh3_64_intdigest(text.encode())).astype(np.int64)) if text else 0


def _lookup(column: pa.Array, values: Callable[[str], int]) -> Ints:
    """Map a column of names to numbers, one call a distinct name."""
    encoded = pc.dictionary_encode(pc.fill_null(column.cast(pa.string()), ""))
    table = np.array([values(name) for name in encoded.dictionary.to_pylist()], np.int64)
    found: Ints = table[encoded.indices.to_numpy()] if len(table) else np.zeros(len(column), np.int64)
    return found


def digest_words(column: pa.Array) -> Hashes:
    """Return 16-byte values as (n, 2) uint64; there must be no null."""
    fixed = column.cast(pa.binary(16)) if column.type != pa.binary(16) else column
    body = np.frombuffer(fixed.buffers()[1], np.uint64, count=2 * (fixed.offset + len(fixed)))
    return body[2 * fixed.offset :].reshape(len(fixed), 2)


def eligible(part: Part) -> npt.NDArray[np.bool_] | None:
    """Return which rows of a part may stay, or None if all may; ``DatasetDamaged`` if rows do not match."""
    if part.eligibility is None:
        return None
    flags = [
        batch.column("eligible").to_numpy(zero_copy_only=False)
        for batch in iter_batches(part.eligibility, ["eligible"], 65536)
    ]
    found = np.concatenate(flags).astype(np.bool_) if flags else np.zeros(0, np.bool_)
    if len(found) != part.rows:
        raise DatasetDamaged(
            f"{part.eligibility!r} has {len(found)} rows, its annotations have {part.rows}; run decide again"
        )
    return found


def read(
    part: Part,
    settings: DedupSettings,
    columns: Sequence[str] = (),
    *,
    skip: Ints | None = None,
    only: Ints | None = None,
    batch_rows: int = 65536,
) -> Iterator[tuple[Narrow, pa.RecordBatch]]:
    """Yield the documents that take part, with the columns asked for besides the narrow ones.

    Rows without a digest (null text), ineligible ones and those in ``skip`` (ascending rows) are left out;
    ``only`` (ascending rows) keeps no others. Raises ``DatasetDamaged`` if the file has not the rows it should.
    """
    allowed = eligible(part)
    start = 0
    for batch in iter_batches(part.annotations, [*NARROW, *columns], batch_rows):
        stop = start + batch.num_rows
        if stop > part.rows:
            break
        mask = batch.column("text_digest").is_valid().to_numpy(zero_copy_only=False).astype(np.bool_)
        if allowed is not None:
            mask &= allowed[start:stop]
        if only is not None:
            chosen = np.zeros(batch.num_rows, np.bool_)
            chosen[_between(only, start, stop) - start] = True
            mask &= chosen
        if skip is not None:
            mask[_between(skip, start, stop) - start] = False
        if mask.any():
            index = start + np.flatnonzero(mask)
            kept = batch if mask.all() else batch.filter(pa.array(mask))
            yield narrow(kept, index, part, settings), kept
        start = stop
    if start != part.rows:
        raise DatasetDamaged(
            f"{part.annotations!r} has not the {part.rows} rows it should have; run annotate again"
        )


def _between(rows: Ints, start: int, stop: int) -> Ints:
    return rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]


def narrow(batch: pa.RecordBatch, index: Ints, part: Part, settings: DedupSettings) -> Narrow:
    """Turn rows of annotations into arrays: vertices, scopes, the total order's columns."""
    size = batch.num_rows
    zero = np.zeros(size, np.int64)
    source = batch.column("source")
    ranked = settings.keep in ("longest", "priority") and settings.priorities
    return Narrow(
        rows=index,
        v=index + np.int64(part.base),
        key=batch.column("doc_id").cast(pa.binary()),
        digest=digest_words(batch.column("text_digest")),
        scope=zero
        if settings.scope == "global"
        else _lookup(source, lambda name: name64(settings.scope_of(name))),
        split=_lookup(batch.column("split"), name64),
        against=np.full(size, part.against),
        priority=_lookup(source, lambda name: settings.priorities.get(name, 0)) if ranked else zero,
        length=-batch.column("text_bytes").to_numpy().astype(np.int64)
        if settings.keep == "longest"
        else zero,
    )


def in_order(against: Any, priority: Any, length: Any, key: pa.Array) -> Ints:
    """Return the indices that put documents into the total order (``exact.order_key``)."""
    columns = {"older": ~np.asarray(against), "priority": priority, "length": length, "key": key}
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    order: Ints = (
        pc.sort_indices(table, [(name, "ascending") for name in columns]).to_numpy().astype(np.int64)
    )
    return order


def texts_of(part: Part, rows: Ints) -> Iterator[pa.Array]:
    """Yield the texts of ascending rows of a part's annotations, in order, a few megabytes at a time."""
    places: list[npt.NDArray[Any]] = []
    start = 0
    for batch in iter_batches(part.annotations, ["row"], 65536):
        mine = _between(rows, start, start + batch.num_rows) - start
        places.append(batch.column("row").to_numpy()[mine])
        start += batch.num_rows
    where = np.concatenate(places).astype(np.int64) if places else np.zeros(0, np.int64)
    if len(where) != len(rows):
        raise DatasetDamaged(f"{part.annotations!r} has {start} rows; row {int(rows[-1])} was asked for")
    yield from read_texts(part.texts, where, part.columns)
