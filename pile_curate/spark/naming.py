"""Turn verdicts on vertices into rows about documents: who is a copy of which kept document.

``resolve`` gives every copy its representative's verdict (or names the representative, if it is kept);
``attach`` reads ids, sources and splits where the parts lie: first of the copies, then of those they name.
All copies of one kept document end in one task there, so cluster sizes are counted on the way.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pile_curate.dedup.parts import Ints, Part, row_of
from pile_curate.dedup.results import KINDS, LARGEST, Cluster, Finals, Output, copy_rows, top
from pile_curate.manifest import FileEntry
from pile_curate.spark.exchange import Block, Cutter, gather, ints, spread
from pile_curate.spark.twins import PAIRS, Layout
from pile_curate.spark.walks import VERDICTS
from pile_curate.tables import PartWriter, iter_batches

_WHO = [("doc_id", pa.binary()), ("source", pa.string()), ("split", pa.string())]
NAMED = pa.schema(
    [*_WHO, ("v", pa.int64()), ("kept", pa.int64()), ("kind", pa.int8()), ("jaccard", pa.float64())]
)


class Final(NamedTuple):
    """A file of final verdicts: (v, kept, kind, jaccard) of dropped documents."""

    path: str
    rows: int


class Dropped(NamedTuple):
    """Which rows of a group's parts are dropped: a file of (v, row of the text) ascending by v."""

    group: int
    path: str


class Named(NamedTuple):
    """What one group's task wrote: the rows about copies of its documents, and what it counted."""

    entry: FileEntry | None
    dropped: list[Dropped]
    sizes: dict[int, int]
    largest: list[Cluster]
    kinds: dict[str, int]
    cross_split: int


def send_verdicts(paths: Iterator[tuple[str, str]], targets: int) -> Iterator[Block]:
    """Send verdicts by vertex, and copies by the vertex that they repeat."""
    finals, copies = Cutter("finals", VERDICTS), Cutter("copies", PAIRS)
    for kind, path in paths:
        if kind == "copies":
            pairs = np.load(path, mmap_mode="r")
            for start in range(0, len(pairs), 1 << 18):
                rows = pairs[start : start + (1 << 18)]
                yield from copies.add({"v": rows[:, 0], "twin": rows[:, 1]}, spread(rows[:, 1], targets))
            continue
        with pa.memory_map(path) as source:
            reader = pa.ipc.open_file(source)
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                columns = {name: batch.column(name) for name in VERDICTS.names}
                yield from finals.add(columns, spread(ints(batch, "v"), targets))
    yield from finals.finish()
    yield from copies.finish()


def resolve(target: int, blocks: Iterator[Block], kind: int, directory: str) -> Iterator[Final]:
    """Write the verdicts that came, and those of their copies (``Finals.with_copies``)."""
    found = gather(blocks, {"finals": VERDICTS, "copies": PAIRS})
    finals = Finals.join([Finals(*(ints(found["finals"], name) for name in VERDICTS.names))])
    merged = finals.with_copies(ints(found["copies"], "v"), ints(found["copies"], "twin"), kind)
    if len(merged.v) == 0:
        return
    path = os.path.join(directory, f"finals-{target:05d}-{uuid.uuid4().hex[:12]}.arrow")
    batch = pa.RecordBatch.from_arrays(
        [pa.array(c, f.type) for c, f in zip(merged, VERDICTS, strict=True)], schema=VERDICTS
    )
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, VERDICTS) as writer:
        writer.write_table(pa.Table.from_batches([batch]), 1 << 16)
    yield Final(path, len(merged.v))


def send_finals(paths: Iterator[str], layout: Layout) -> Iterator[Block]:
    """Send final verdicts to the tasks that read the copies' parts."""
    cutter = Cutter("finals", VERDICTS)
    for path in paths:
        with pa.memory_map(path) as source:
            reader = pa.ipc.open_file(source)
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                columns = {name: batch.column(name) for name in VERDICTS.names}
                yield from cutter.add(columns, layout.reader(ints(batch, "v")))
    yield from cutter.finish()


def identities(
    parts: Sequence[Part], v: Ints, columns: Sequence[str]
) -> Iterator[tuple[slice, pa.RecordBatch]]:
    """Yield, for slices of ascending vertices, the columns of their rows of annotations."""
    for part in sorted(parts, key=lambda part: part.number):
        first, last = np.searchsorted(v, [part.base, part.base + (1 << 32)])
        rows, start, done = row_of(v[first:last]), 0, int(first)
        if first == last:
            continue
        for batch in iter_batches(part.annotations, columns, 65536):
            low, high = np.searchsorted(rows, [start, start + batch.num_rows])
            if low < high:
                yield slice(done, done + int(high - low)), batch.take(pa.array(rows[low:high] - start))
                done += int(high - low)
            start += batch.num_rows


def attach_copies(
    group: int, blocks: Iterator[Block], parts: Sequence[Sequence[Part]], layout: Layout, directory: str
) -> Iterator[Block]:
    """Read who the copies of a group are, note the rows that are dropped, and send them to whom they name."""
    table = gather(blocks, {"finals": VERDICTS})["finals"]
    finals = {name: ints(table, name) for name in VERDICTS.names}
    order = np.argsort(finals["v"])
    finals = {name: column[order] for name, column in finals.items()}
    if len(order) == 0:
        return
    rows = np.empty((len(order), 2), np.int64)
    cutter = Cutter("named", NAMED)
    for mine, batch in identities(parts[group], finals["v"], ["doc_id", "source", "split", "row"]):
        rows[mine, 0], rows[mine, 1] = finals["v"][mine], batch.column("row").to_numpy()
        columns = {name: finals[name][mine] for name in VERDICTS.names}
        columns |= {name: batch.column(name).cast(kind) for name, kind in _WHO}
        yield from cutter.add(columns, layout.reader(columns["kept"]))
    yield from cutter.finish()
    path = os.path.join(directory, f"dropped-{group:05d}-{uuid.uuid4().hex[:12]}.npy")
    np.save(path, rows)
    yield group, ("note", json.dumps([group, path]).encode())


def attach_kept(
    group: int, blocks: Iterator[Block], parts: Sequence[Sequence[Part]], output: Output
) -> Iterator[Named]:
    """Read who the kept documents of a group are and write the rows about their copies."""
    notes: list[Dropped] = []
    named: list[Block] = []
    for target, (kind, payload) in blocks:
        if kind == "note":
            notes.append(Dropped(*json.loads(payload)))
        else:
            named.append((target, (kind, payload)))
    table = gather(named, {"named": NAMED})["named"]
    if table.num_rows == 0:
        yield Named(None, notes, {}, [], {}, 0)
        return
    table = table.take(
        pc.sort_indices(table, [("kept", "ascending"), ("doc_id", "ascending")])
    ).combine_chunks()
    kept = ints(table, "kept")
    writer = PartWriter(
        output.directory, f"duplicates-{group:05d}-{uuid.uuid4().hex[:12]}.parquet", output.schema
    )
    heads, counts = np.unique(kept, return_counts=True)
    first = np.cumsum(counts) - counts
    largest: list[Cluster] = []
    crossing = 0
    for mine, batch in identities(parts[group], heads, ["doc_id", "source", "split"]):
        times = counts[mine]
        start = int(counts[: mine.start].sum())
        rows = table.slice(start, int(times.sum()))
        twins = batch.take(pa.array(np.repeat(np.arange(len(times)), times)))
        written = copy_rows(output, rows, twins, ints(rows, "kind"), ints(rows, "jaccard"))
        crossing += pc.sum(written.column("cross_split")).as_py() or 0
        writer.write(written)
        keys = batch.column("doc_id").to_pylist()
        for i in top(times):
            first_copy = int(ints(table, "v")[first[mine.start + i]])
            largest.append(Cluster(int(times[i]) + 1, keys[i], int(heads[mine.start + i]), first_copy))
    largest = sorted(largest, key=Cluster.rank)[:LARGEST]
    kinds_seen = Counter(ints(table, "kind").tolist())
    sizes = Counter((counts + 1).tolist())
    yield Named(
        writer.close(), notes, dict(sizes), largest, {KINDS[k]: n for k, n in kinds_seen.items()}, crossing
    )
