"""Run dedup's kernels inside tasks: iterators of Arrow batches in, iterators of Arrow batches out.

Pure functions of their input and of files that they name; nothing here imports pyspark. Rows of one
component come together (repartitioned by component and sorted), so a task streams them and holds the state
of one component at a time. ``survivors`` says in which order they run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate import storage
from pile_curate.dedup import DedupSettings
from pile_curate.dedup.greedy import Member, Prune, Verdict, Walk
from pile_curate.dedup.lsh import band_keys
from pile_curate.dedup.minhash import shingle_sets, signature_values
from pile_curate.dedup.set_files import SetPlace, SetReader, SetWriter, filesystem
from pile_curate.errors import DatasetDamaged, DatasetError
from pile_curate.word_hashes import Hashes

Batches = Iterator[pa.RecordBatch]

KEYS = "key long, v long, scope long, split long"
MARKED = "v long"
PLACES = "v long, file string, offset long, length long"
VERDICTS = (
    "component long, v long, kept long, exact boolean, jaccard double, "
    "members long, survivors long, examined long, refused long"
)
"""A verdict has ``v``; the one summary of each component has no ``v`` but the four counts."""

_ARROW = {"long": pa.int64(), "string": pa.string(), "boolean": pa.bool_(), "double": pa.float64()}


def _batch(ddl: str, columns: list[Any]) -> pa.RecordBatch:
    """Build a batch of exactly the declared columns, because Spark matches them by position."""
    fields = [part.split() for part in ddl.split(",")]
    schema = pa.schema([(name, _ARROW[kind]) for name, kind in fields])
    return pa.RecordBatch.from_arrays(
        [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )


def key_rows(batches: Batches, settings: DedupSettings) -> Batches:
    """Turn (v, scope, split, signature) into one row per band: (key, v, scope, split)."""
    for batch in batches:
        values = signature_values(batch.column("signature"), settings.permutations)
        keys = band_keys(values, settings.bands, settings.rows)
        repeated = [np.repeat(batch.column(n).to_numpy(), settings.bands) for n in ("v", "scope", "split")]
        yield _batch(KEYS, [keys.ravel().view(np.int64), *repeated])


class _Row(NamedTuple):
    component: int
    order: tuple[int, int, int, bytes]
    v: int
    place: SetPlace | None
    member: Member


def _rows(batches: Batches, settings: DedupSettings) -> Iterator[_Row]:
    """Read the rows of a sorted partition; signatures and band keys are worked out a batch at a time."""
    for batch in batches:
        signature = batch.column("signature")
        values = signature_values(signature, settings.permutations)
        keys = band_keys(values, settings.bands, settings.rows)
        present = signature.is_valid().to_pylist()
        names = [name for name in batch.schema.names if name != "signature"]
        at = 0
        for row, hashed in zip(batch.select(names).to_pylist(), present, strict=True):
            own: npt.NDArray[np.uint32] | None = values[at] if hashed else None
            bands: Hashes | None = keys[at] if hashed else None
            at += hashed
            place = None
            if row.get("file") is not None:
                place = SetPlace(row["file"], row["offset"], row["length"])
            member = Member(
                row["text_digest"], row["scope"], row["split"], row["against"], row["shingles"], own, bands
            )
            order = (row["rank1"], row["rank2"], row["rank3"], row["doc_id"])
            yield _Row(row["component"], order, row["v"], place, member)


def prune(batches: Batches, settings: DedupSettings, limit: int) -> Batches:
    """Return (v) of each document that could be in a candidate pair (``greedy.Prune``)."""
    component: int | None = None
    state, vertices = Prune(settings, limit), list[int]()

    def finish() -> pa.RecordBatch:
        return _batch(MARKED, [np.array(vertices, np.int64)[state.marked()]])

    for row in _rows(batches, settings):
        if row.component != component:
            if vertices:
                yield finish()
            component, state, vertices = row.component, Prune(settings, limit), []
        if row.member.values is not None:
            state.add(row.member)
            vertices.append(row.v)
    if vertices:
        yield finish()


def make_sets(batches: Batches, documents: str, directory: str, settings: DedupSettings) -> Batches:
    """Read the texts of (v, part, row, shingles), sorted by part and row, and write their shingle sets.

    Memory: one row group's texts. Raises ``DatasetDamaged`` if a text has another number of shingles
    than annotate measured.
    """
    writer: SetWriter | None = None
    reader: _Texts | None = None
    try:
        for batch in batches:
            rows = batch.to_pylist()
            places: list[SetPlace] = []
            start = 0
            while start < len(rows):
                part = rows[start]["part"]
                if reader is None or reader.part != part:
                    if reader is not None:
                        reader.close()
                    reader = _Texts(documents, part)
                group = reader.group_of(rows[start]["row"])
                stop = start
                while (
                    stop < len(rows)
                    and rows[stop]["part"] == part
                    and reader.group_of(rows[stop]["row"]) == group
                ):
                    stop += 1
                wanted = [row["row"] for row in rows[start:stop]]
                sets = (
                    s
                    for texts in reader.take(group, wanted)
                    for s in shingle_sets(texts, settings.ngram, settings.seed)
                )
                writer = writer or SetWriter(directory)
                for row, shingles in zip(rows[start:stop], sets, strict=True):
                    if len(shingles) != row["shingles"]:
                        raise DatasetDamaged(
                            f"{part} row {row['row']} has {len(shingles)} shingles, its annotation says "
                            f"{row['shingles']}: the documents changed, or annotate ran with other settings"
                        )
                    places.append(writer.add(shingles))
                start = stop
            columns = list(zip(*places, strict=True)) or [(), (), ()]
            yield _batch(PLACES, [[row["v"] for row in rows], *columns])
    finally:
        if reader is not None:
            reader.close()
        if writer is not None:
            writer.close()


class _Texts:
    """The texts of one documents file, a row group at a time."""

    def __init__(self, documents: str, part: str) -> None:
        self.part = part
        system, inner = filesystem(storage.join(documents, part))
        self._file = pq.ParquetFile(system.open_input_file(inner))
        metadata = self._file.metadata
        sizes = [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
        self._starts = np.cumsum([0, *sizes])
        self._loaded: tuple[int, Any] = (-1, None)

    def group_of(self, row: int) -> int:
        if not 0 <= row < self._starts[-1]:
            raise DatasetDamaged(f"{self.part} has {self._starts[-1]} rows; an annotation names row {row}")
        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def take(self, group: int, rows: list[int]) -> list[pa.Array]:
        if self._loaded[0] != group:
            self._loaded = (-1, None)
            self._loaded = (group, self._file.read_row_group(group, columns=["text"]).column("text"))
        texts = self._loaded[1].take(pa.array(np.array(rows) - self._starts[group]))
        return list(texts.chunks) if isinstance(texts, pa.ChunkedArray) else [texts]

    def close(self) -> None:
        self._file.close()


Handle = tuple[int, SetPlace | None]


class _Component:
    """The walk over one component and what it found."""

    def __init__(self, component: int, settings: DedupSettings, sets: SetReader) -> None:
        self.component, self._sets = component, sets
        self._walk: Walk[Handle] = Walk(settings, self._load)
        self._last: tuple[int, int, int, bytes] | None = None
        self._members = 0
        self._copies: list[tuple[int, Verdict[Handle]]] = []

    def _load(self, handle: Handle) -> Hashes:
        if handle[1] is None:
            raise DatasetError(
                f"vertex {handle[0]} is in a candidate pair but has no shingle set: a defect in prune"
            )
        return self._sets.get(handle[1])

    def offer(self, row: _Row) -> None:
        if self._last is not None and row.order <= self._last:
            raise DatasetError(f"component {self.component} is not in order: {row.order} after {self._last}")
        self._last = row.order
        self._members += 1
        verdict = self._walk.offer(row.member, (row.v, row.place))
        if verdict is not None:
            self._copies.append((row.v, verdict))

    def finish(self) -> pa.RecordBatch:
        rows: list[tuple[Any, ...]] = [
            (self.component, v, found.kept[0], found.exact, found.jaccard, None, None, None, None)
            for v, found in self._copies
        ]
        counts = (self._members, self._members - len(rows), self._walk.examined, self._walk.refused)
        rows.append((self.component, None, None, None, None, *counts))
        return _batch(VERDICTS, list(zip(*rows, strict=True)))


def walk(batches: Batches, settings: DedupSettings, directory: str, budget: int) -> Batches:
    """Give the verdicts of whole components, sorted by (component, order): see ``VERDICTS``.

    Memory: the kept documents of one component (``BandLists``: about 2 kB each in one scope), the verdicts of
    one component, and at most ``budget`` bytes of shingle sets.
    """
    sets = SetReader(directory, budget)
    current: _Component | None = None
    try:
        for row in _rows(batches, settings):
            if current is None or row.component != current.component:
                if current is not None:
                    yield current.finish()
                current = _Component(row.component, settings, sets)
            current.offer(row)
        if current is not None:
            yield current.finish()
    finally:
        sets.close()
