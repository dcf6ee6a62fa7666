"""Run the walk inside tasks: rows of components to runs, texts to shingle sets, sorted runs to verdicts.

A *run* holds whole components, up to a bound; one above it is spread over several runs, each sorted by a
task of its own, and one walk merges them. Two passes, so that texts are read once and few: ``Prune`` says by
signatures which documents can be in a candidate pair at all; just those are read from their files, and
their shingle sets written to files (``dedup.pools``); then the walk goes over each run in the total order.
Walking a union of components equals walking each (proof in ``dedup.greedy``).
"""

from __future__ import annotations

import heapq
import itertools
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pile_curate.dedup import DedupSettings, pools
from pile_curate.dedup.greedy import Prune, Rows, Walk
from pile_curate.dedup.minhash import shingle_pool, signature_values
from pile_curate.dedup.parts import Ints, Part, in_order, read, row_of, texts_of
from pile_curate.dedup.results import EXACT, NEAR, UNVERIFIED
from pile_curate.errors import DatasetDamaged
from pile_curate.spark.edges import load_members
from pile_curate.spark.exchange import Block, Cutter, gather, ints
from pile_curate.spark.twins import Layout, load_copies, rows_in

CLUSTER = pa.schema(
    [("v", pa.int64()), ("scope", pa.int64()), ("split", pa.int64()), ("against", pa.bool_()),
     ("priority", pa.int64()), ("length", pa.int64()), ("key", pa.binary()), ("a", pa.uint64()), ("b", pa.uint64()),
     ("shingles", pa.int64()), ("signature", pa.binary())]
)  # fmt: skip
RUN = CLUSTER.append(pa.field("marked", pa.bool_()))
MARKS = pa.schema([("v", pa.int64()), ("walk", pa.int64())])
PLACES = pa.schema([("v", pa.int64()), ("file", pa.int64()), ("offset", pa.int64()), ("length", pa.int64())])
VERDICTS = pa.schema(
    [("v", pa.int64()), ("kept", pa.int64()), ("kind", pa.int8()), ("jaccard", pa.float64())]
)
_BATCH = 8192


class Run(NamedTuple):
    """A file of rows in the total order (Arrow, read without copying), and how many of them need their sets."""

    run: int
    path: str
    rows: int
    marked: int


class Walked(NamedTuple):
    """A file of verdicts and what the walk counted."""

    path: str | None
    members: int
    dropped: int
    examined: int
    refused: int
    sets: int
    shingles: int


def send_rows(
    groups: Iterator[tuple[int, Sequence[Part], str | None, str | None]], settings: DedupSettings
) -> Iterator[Block]:
    """Send the representatives that are in some component to their runs; the fourth is the file of members."""
    cutter = Cutter("rows", CLUSTER)
    for _, parts, copies, members in groups:
        gone = load_copies(copies)
        for part in parts:
            placed = load_members(members, part)
            only = row_of(placed[:, 0])
            if len(only) == 0:
                continue
            columns = ["shingles", "signature"]
            for narrow, batch in read(
                part, settings, columns, skip=rows_in(gone, part), only=only, batch_rows=_BATCH
            ):
                runs = placed[np.searchsorted(placed[:, 0], narrow.v), 1]
                yield from cutter.add(
                    {
                        **{
                            n: getattr(narrow, n)
                            for n in ("v", "scope", "split", "against", "priority", "length")
                        },
                        "key": narrow.key,
                        "a": narrow.digest[:, 0],
                        "b": narrow.digest[:, 1],
                        "shingles": batch.column("shingles"),
                        "signature": batch.column("signature"),
                    },
                    runs,
                )
    yield from cutter.finish()


def sort_run(
    run: int,
    blocks: Iterator[Block],
    settings: DedupSettings,
    walks: Sequence[int],
    limit: int,
    memory: int,
    directory: str,
) -> Iterator[Run]:
    """Sort a run by the total order, mark the rows that can be in a candidate pair, and write it."""
    table = gather(blocks, {"rows": CLUSTER})["rows"]
    if table.num_rows == 0:
        return
    order = in_order(
        ints(table, "against"),
        ints(table, "priority"),
        ints(table, "length"),
        table.column("key").combine_chunks(),
    )
    table = table.take(pa.array(order)).combine_chunks()
    signed = table.column("signature").is_valid().to_numpy(zero_copy_only=False).astype(np.bool_)
    marked = signed.copy()
    if settings.verify != "exact":
        marked[:] = False
    elif walks.count(walks[run]) == 1:  # a run that shares its component with others cannot tell alone
        prune = Prune(settings, limit, memory=memory, scratch=directory)
        values = signature_values(_one(table, "signature"), settings.permutations)
        prune.add(ints(table, "scope")[signed], ints(table, "split")[signed], values)
        marked[signed] = prune.marked()
    path = os.path.join(directory, f"run-{run:05d}-{uuid.uuid4().hex[:12]}.arrow")
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, RUN) as writer:
        writer.write_table(table.append_column(RUN.field("marked"), pa.array(marked)), _BATCH)
    yield Run(run, path, table.num_rows, int(marked.sum()))


def _one(table: pa.Table | pa.RecordBatch, name: str) -> pa.Array:
    column = table.column(name)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return column


def send_marks(paths: Iterator[tuple[str, int]], layout: Layout) -> Iterator[Block]:
    """Send the marked rows of runs to the tasks that read their texts, with the walk that needs them."""
    cutter = Cutter("marks", MARKS)
    for path, walk in paths:
        with pa.memory_map(path) as source:
            reader = pa.ipc.open_file(source)
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                v = ints(batch, "v")[ints(batch, "marked").astype(np.bool_)]
                yield from cutter.add({"v": v, "walk": np.full(len(v), walk)}, layout.reader(v))
    yield from cutter.finish()


def make_sets(
    group: int,
    blocks: Iterator[Block],
    parts: Sequence[Sequence[Part]],
    directory: str,
    settings: DedupSettings,
) -> Iterator[Block]:
    """Read the texts of a group's marked rows, append their shingle sets to a file, say where each lies."""
    marks = gather(blocks, {"marks": MARKS})["marks"]
    v, walk = ints(marks, "v"), ints(marks, "walk")
    order = np.argsort(v)
    v, walk = v[order], walk[order]
    writer = pools.PoolWriter(directory)
    cutter = Cutter("places", PLACES)
    try:
        for part in sorted(parts[group], key=lambda part: part.number):
            start, stop = np.searchsorted(v, [part.base, part.base + (1 << 32)])
            if start == stop:
                continue
            at = int(start)
            for texts in texts_of(part, row_of(v[start:stop])):
                lengths, pool = shingle_pool(texts, ngram=settings.ngram, seed=settings.seed)
                mine = slice(at, at + len(texts))
                offsets = writer.add(lengths, pool, np.argsort(walk[mine], kind="stable"))
                file = np.full(len(texts), writer.file)
                yield from cutter.add(
                    {"v": v[mine], "file": file, "offset": offsets, "length": lengths}, walk[mine]
                )
                at += len(texts)
            if at != stop:
                raise DatasetDamaged(
                    f"{part.texts.file.path} gave {at - start} texts, {stop - start} were asked for"
                )
    finally:
        writer.close()
    yield from cutter.finish()


def walk(
    number: int,
    blocks: Iterator[Block],
    runs: Mapping[int, Sequence[str]],
    settings: DedupSettings,
    directory: str,
    memory: int,
) -> Iterator[Walked]:
    """Walk the runs of one walk in the total order and write the verdicts.

    Memory: a run's rows; ``memory`` bytes of shingle sets and as much of the walk's state, beyond which both
    lie in files; about 50 bytes a member for the places of sets.
    """
    paths = runs.get(number, ())
    if not paths:
        return
    table = gather(blocks, {"places": PLACES})["places"]
    places = pools.Places(*(ints(table, name) for name in pools.Places._fields))
    by_v = np.argsort(places.v)
    places = pools.Places(*(column[by_v] for column in places))
    starts, pool = pools.load(places, directory, memory, directory)
    state = Walk(settings, pool, memory=memory, scratch=directory)
    path, writer, dropped, members = None, None, 0, 0
    try:
        for batch in _merged(paths) if len(paths) > 1 else _batches(paths[0]):
            rows = rows_of(batch, settings, places, starts)
            members += len(rows.handles)
            found = state.offer(rows)
            if len(found.row) == 0:
                continue
            if writer is None:
                path = os.path.join(directory, f"verdicts-{number:05d}-{uuid.uuid4().hex[:12]}.arrow")
                writer = pa.ipc.new_file(path, VERDICTS)
            dropped += len(found.row)
            near = NEAR if settings.verify == "exact" else UNVERIFIED
            columns = [
                rows.handles[found.row],
                found.kept,
                np.where(found.exact, EXACT, near).astype(np.int8),
                found.jaccard,
            ]
            arrays = [pa.array(c, f.type) for c, f in zip(columns, VERDICTS, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=VERDICTS))
    finally:
        if writer is not None:
            writer.close()
    sets = int(places.length.sum())
    yield Walked(path, members, dropped, state.examined, state.refused, len(places.v), sets)


def rows_of(batch: pa.RecordBatch, settings: DedupSettings, places: pools.Places, starts: Ints) -> Rows:
    """Turn sorted rows into what the walk takes; ``places`` ascend by vertex."""
    v = ints(batch, "v")
    signature = _one(batch, "signature")
    signed = signature.is_valid().to_numpy(zero_copy_only=False).astype(np.bool_)
    values = signature_values(signature, settings.permutations)
    if not signed.all():
        spaced = np.zeros((len(v), settings.permutations), np.uint32)
        spaced[signed] = values
        values = spaced
    shingles = np.where(signed, ints(batch, "shingles"), 0).astype(np.int64)
    begin = np.full(len(v), -1, np.int64)
    if len(places.v):
        at = np.minimum(np.searchsorted(places.v, v), len(places.v) - 1)
        there = places.v[at] == v
        begin[there] = starts[at[there]]
        wrong = np.flatnonzero(there)[places.length[at[there]] != shingles[there]]
        if len(wrong):
            i, j = wrong[0], at[wrong[0]]
            raise DatasetDamaged(
                f"a document (part {int(v[i]) >> 32}, row {int(v[i]) & 0xFFFFFFFF}) has {places.length[j]} shingles, its "
                f"annotation says {shingles[i]}: the documents changed, or they were annotated with other settings"
            )
    digests = np.stack([ints(batch, "a"), ints(batch, "b")], axis=1)
    return Rows(
        digests=digests,
        scope=ints(batch, "scope"),
        split=ints(batch, "split"),
        against=ints(batch, "against").astype(np.bool_),
        shingles=shingles,
        values=values,
        signed=signed,
        starts=begin,
        handles=v,
    )


def _batches(path: str) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(path) as source:
        reader = pa.ipc.open_file(source)
        for i in range(reader.num_record_batches):
            yield reader.get_batch(i)


_Order = tuple[bool, int, int, bytes, int]


def _orders(run: int, path: str) -> Iterator[_Order]:
    for batch in _batches(path):
        older = (~ints(batch, "against").astype(np.bool_)).tolist()
        numbers = [ints(batch, name).tolist() for name in ("priority", "length")]
        for row in zip(older, *numbers, batch.column("key").to_pylist(), strict=True):
            yield (*row, run)


def _merged(paths: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Merge sorted runs, some thousand rows at a time; of each run the next rows follow the last ones."""
    tables = [pa.ipc.open_file(pa.memory_map(path)).read_all() for path in paths]  # mapped, not read
    done = [0] * len(paths)
    merged = heapq.merge(*(_orders(run, path) for run, path in enumerate(paths)))
    while True:
        turn = np.array([row[4] for row in itertools.islice(merged, _BATCH)], np.int64)
        if len(turn) == 0:
            return
        pieces, at, offset = [], np.empty(len(turn), np.int64), 0
        for run in np.unique(turn).tolist():
            mine = np.flatnonzero(turn == run)
            pieces.append(tables[run].slice(done[run], len(mine)))
            at[mine] = offset + np.arange(len(mine))
            done[run] += len(mine)
            offset += len(mine)
        yield from pa.concat_tables(pieces).take(pa.array(at)).combine_chunks().to_batches()
