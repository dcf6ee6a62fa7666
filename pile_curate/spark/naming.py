"""Turn verdicts on vertices into rows about documents: who is a copy of which kept document.

``resolve``: every copy has its representative's verdict, or names the representative, if it is kept. ``attach``: ids,
sources and splits are read where the parts lie. Both ask and answer: the task that holds a group's copies
asks once for each document that they name, so the copies of one document, however many, never meet in one
process; the task that answers adds up how many there are.

Memory of a task: the copies of a reading group, about 60 bytes each, and one row a group for what they name.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pile_curate.dedup.parts import Ints, Part, row_of
from pile_curate.dedup.results import KINDS, Cluster, Finals, Output, copy_rows, top
from pile_curate.manifest import FileEntry
from pile_curate.spark.exchange import Block, Cutter, gather, ints, spread
from pile_curate.spark.twins import Layout
from pile_curate.spark.walks import VERDICTS
from pile_curate.tables import PartWriter, iter_batches

TWINS = pa.schema([("twin", pa.int64()), ("group", pa.int64())])
ASKS = pa.schema(
    [
        ("kept", pa.int64()),
        ("group", pa.int64()),
        ("count", pa.int64()),
        ("first", pa.binary()),
        ("first_v", pa.int64()),
    ]
)
ANSWERS = pa.schema(
    [("kept", pa.int64()), ("doc_id", pa.binary()), ("source", pa.string()), ("split", pa.string())]
)
_WHO = ("doc_id", "source", "split")
_ROWS = 1 << 18


class Final(NamedTuple):
    """A file of final verdicts: (v, kept, kind, jaccard) of dropped documents."""

    path: str
    rows: int


class Named(NamedTuple):
    """What one group's task wrote, and what it counted: copies of its documents, and clusters of its kept ones.

    ``dropped`` is a file of (v, row of the text), ascending by v.
    """

    group: int
    entry: FileEntry | None
    dropped: str | None
    sizes: dict[int, int]
    largest: list[Cluster]
    kinds: dict[str, int]
    cross_split: int


def _verdicts(path: str) -> Iterator[dict[str, Any]]:
    with pa.memory_map(path) as source:
        reader = pa.ipc.open_file(source)
        for i in range(reader.num_record_batches):
            batch = reader.get_batch(i)
            yield {name: ints(batch, name) for name in VERDICTS.names}


def _finals(table: pa.Table) -> Finals:
    return Finals.join([Finals(*(ints(table, name) for name in VERDICTS.names))])


def send_verdicts(tasks: Iterator[tuple[str, str, int]], targets: int) -> Iterator[Block]:
    """Send verdicts by vertex, and ask for those of the documents that a group's copies repeat, once each."""
    finals, asks = Cutter("finals", VERDICTS), Cutter("twins", TWINS)
    for kind, path, group in tasks:
        if kind == "copies":
            twins = np.unique(np.load(path, mmap_mode="r")[:, 1])
            yield from asks.add({"twin": twins, "group": np.full(len(twins), group)}, spread(twins, targets))
            continue
        for columns in _verdicts(path):
            yield from finals.add(columns, spread(columns["v"], targets))
    yield from finals.finish()
    yield from asks.finish()


def answer_verdicts(target: int, blocks: Iterator[Block]) -> Iterator[Block]:
    """Answer with the verdicts of those documents that are dropped; the others are kept."""
    found = gather(blocks, {"finals": VERDICTS, "twins": TWINS})
    finals, twin = _finals(found["finals"]), ints(found["twins"], "twin")
    if len(finals.v) == 0 or len(twin) == 0:
        return
    at = np.minimum(np.searchsorted(finals.v, twin), len(finals.v) - 1)
    gone = finals.v[at] == twin
    out = Cutter("finals", VERDICTS)
    columns = dict(zip(VERDICTS.names, (column[at[gone]] for column in finals), strict=True))
    yield from out.add(columns, ints(found["twins"], "group")[gone])
    yield from out.finish()


def settle(
    group: int, blocks: Iterator[Block], copies: Mapping[int, str], kind: int, directory: str
) -> Iterator[Final]:
    """Write the final verdicts of a group's copies (``Finals.of_copies``)."""
    finals = _finals(gather(blocks, {"finals": VERDICTS})["finals"])
    if group not in copies:
        return
    pairs = np.load(copies[group], mmap_mode="r")
    path = os.path.join(directory, f"finals-{group:05d}-{uuid.uuid4().hex[:12]}.arrow")
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, VERDICTS) as writer:
        for start in range(0, len(pairs), _ROWS):
            rows = np.asarray(pairs[start : start + _ROWS])
            mine = finals.of_copies(rows[:, 0], rows[:, 1], kind)
            arrays = [pa.array(c, f.type) for c, f in zip(mine, VERDICTS, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=VERDICTS))
    yield Final(path, len(pairs))


def send_finals(paths: Iterator[str], layout: Layout) -> Iterator[Block]:
    """Send final verdicts to the tasks that read the copies' parts."""
    cutter = Cutter("finals", VERDICTS)
    for path in paths:
        for columns in _verdicts(path):
            yield from cutter.add(columns, layout.reader(columns["v"]))
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


def ask_names(
    group: int, blocks: Iterator[Block], parts: Sequence[Sequence[Part]], layout: Layout, directory: str
) -> Iterator[Block]:
    """Note which rows of a group are dropped, and ask once for each kept document who it is."""
    finals = _finals(gather(blocks, {"finals": VERDICTS})["finals"])
    if len(finals.v) == 0:
        return
    dropped, ids = np.empty((len(finals.v), 2), np.int64), []
    for mine, batch in identities(parts[group], finals.v, ["doc_id", "row"]):
        dropped[mine, 0], dropped[mine, 1] = finals.v[mine], batch.column("row").to_numpy()
        ids.append(batch.column("doc_id").cast(pa.binary()))
    path = os.path.join(directory, f"dropped-{group:05d}-{uuid.uuid4().hex[:12]}.npy")
    np.save(path, dropped)
    yield group, ("note", path.encode())
    own = Cutter("finals", VERDICTS)
    yield from own.add(dict(zip(VERDICTS.names, finals, strict=True)), np.full(len(finals.v), group))
    yield from own.finish()
    table = pa.table({"kept": finals.kept, "doc_id": pa.chunked_array(ids), "v": finals.v})
    table = table.take(pc.sort_indices(table, [("kept", "ascending"), ("doc_id", "ascending")]))
    kept, first, count = np.unique(ints(table, "kept"), return_index=True, return_counts=True)
    firsts = table.take(pa.array(first)).combine_chunks()
    asks = Cutter("asks", ASKS)
    columns = {
        "kept": kept, "group": np.full(len(kept), group), "count": count,
        "first": firsts.column("doc_id").combine_chunks(), "first_v": ints(firsts, "v"),
    }  # fmt: skip
    yield from asks.add(columns, layout.reader(kept))
    yield from asks.finish()


def answer_names(group: int, blocks: Iterator[Block], parts: Sequence[Sequence[Part]]) -> Iterator[Block]:
    """Answer who a group's kept documents are, and add up the sizes of their clusters."""
    asked: list[Block] = []
    for target, block in blocks:
        if block[0] == "asks":
            asked.append((target, block))
        else:
            yield target, block
    table = gather(asked, {"asks": ASKS})["asks"]
    if table.num_rows == 0:
        return
    table = table.take(
        pc.sort_indices(table, [("kept", "ascending"), ("first", "ascending")])
    ).combine_chunks()
    kept, starts = np.unique(ints(table, "kept"), return_index=True)
    sizes = np.add.reduceat(ints(table, "count"), starts) + 1
    first_v, group_of = ints(table, "first_v")[starts], ints(table, "group")
    asking = np.diff([*starts, len(group_of)])
    answers = Cutter("answers", ANSWERS)
    largest: list[Cluster] = []
    for mine, batch in identities(parts[group], kept, _WHO):
        ids = batch.column("doc_id").cast(pa.binary())
        for i in top(sizes[mine], ids):
            at = mine.start + i
            largest.append(Cluster(int(sizes[at]), ids[i].as_py(), int(kept[at]), int(first_v[at])))
        again = pa.array(np.repeat(np.arange(batch.num_rows), asking[mine]))
        to = slice(int(starts[mine.start]), int(starts[mine.start] + asking[mine].sum()))
        columns = {"kept": np.repeat(kept[mine], asking[mine]), "doc_id": ids.take(again)}
        columns |= {name: batch.column(name).take(again) for name in ("source", "split")}
        yield from answers.add(columns, group_of[to])
    yield from answers.finish()
    told = [[c.size, c.key.hex(), c.kept, c.copy] for c in sorted(largest, key=Cluster.rank)[:10]]
    yield group, ("tally", json.dumps([Counter(sizes.tolist()), told]).encode())


def write_names(
    group: int, blocks: Iterator[Block], parts: Sequence[Sequence[Part]], output: Output
) -> Iterator[Named]:
    """Write the rows about a group's copies."""
    rows: list[Block] = []
    dropped, sizes, largest = None, {}, []
    for target, (kind, payload) in blocks:
        if kind == "note":
            dropped = payload.decode()
        elif kind == "tally":
            counted, told = json.loads(payload)
            sizes = {int(size): count for size, count in counted.items()}
            largest = [Cluster(size, bytes.fromhex(key), kept, copy) for size, key, kept, copy in told]
        else:
            rows.append((target, (kind, payload)))
    found = gather(rows, {"finals": VERDICTS, "answers": ANSWERS})
    finals = _finals(found["finals"])
    if len(finals.v) == 0:
        yield Named(group, None, dropped, sizes, largest, {}, 0)
        return
    answers = (
        found["answers"].take(pc.sort_indices(found["answers"], [("kept", "ascending")])).combine_chunks()
    )
    known = ints(answers, "kept")
    crossing = 0
    name = f"duplicates-{group:05d}-{uuid.uuid4().hex[:12]}.parquet"
    with PartWriter(output.directory, name, output.schema) as writer:
        for mine, batch in identities(parts[group], finals.v, _WHO):
            twins = answers.take(pa.array(np.searchsorted(known, finals.kept[mine]))).combine_chunks()
            written = copy_rows(output, batch, twins, finals.kind[mine], finals.jaccard[mine])
            crossing += pc.sum(written.column("cross_split")).as_py() or 0
            writer.write(written)
    kinds = {KINDS[kind]: count for kind, count in Counter(finals.kind.tolist()).items()}
    yield Named(group, writer.close(), dropped, sizes, largest, kinds, crossing)
