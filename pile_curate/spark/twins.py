"""Let one document stand for all with the same text (or URL), before anything else is compared.

Documents with equal scope, split and digest form a group; its first in the order, r, *represents* it.
*A member e has r's verdict, or names r if r is kept.* Proof: words ignore white space, so equal digests mean
equal words, shingles, signatures and bands; equal scope and split mean that e and r are comparable with the
same documents. So each kept document before r that would drop r would drop e too, with the same Jaccard
and kind, and what lies between r and e comes later than it. If there is one, the earliest is the same for
both (the first ``cap`` members of a band before e begin with those before r). If there is none, r is kept;
between r and e nothing that e could name comes before r; e has r's digest, so it names r. And e itself never
counts for others: it is dropped. Hence the walk need not see it. Documents of an older corpus are
never dropped, so each represents itself.

The job: a task groups its own rows first and sends one row a group and million rows, so a text that occurs
a hundred million times is a few hundred rows in its group's task. That task sends (local representative,
representative) back to where the parts are read, where the two steps are joined.

On the way, hashes of all ids meet too, and documents that may have equal ids are reported.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pile_curate.dedup import DedupSettings
from pile_curate.dedup.groups import GROUPS, group_rows, group_table, url_words
from pile_curate.dedup.id_hashes import hash_ids
from pile_curate.dedup.parts import (
    CHUNK_ROWS,
    ROW_BITS,
    Ints,
    Narrow,
    Part,
    part_of,
    read,
    row_of,
)
from pile_curate.spark.exchange import Block, Cutter, gather, ints, spread
from pile_curate.tables import iter_batches
from pile_curate.word_hashes import Hashes

PAIRS = pa.schema([("v", pa.int64()), ("twin", pa.int64())])
IDS = pa.schema([("id", pa.uint64()), ("v", pa.int64())])
_KINDS = {"groups": GROUPS, "local": PAIRS, "global": PAIRS, "ids": IDS, "suspects": PAIRS, "counts": PAIRS}
_SUSPECTS = 20


@dataclass(frozen=True)
class Layout:
    """How parts are read together and how many tasks meet: what every step of a run shares.

    ``group[number]`` is the reading group of a part; ``groups`` how many there are.
    """

    group: npt.NDArray[np.int64]
    groups: int
    meetings: int

    def reader(self, v: Ints) -> npt.NDArray[np.int64]:
        """Return the group that reads each vertex's part."""
        return self.group[part_of(v)]


class Copies(NamedTuple):
    """What a group of parts learned: a file of (v, twin) sorted by v, and counts."""

    group: int
    path: str
    copies: int
    documents: int
    suspects: list[tuple[int, int]]


def _chunks(
    parts: Sequence[Part], settings: DedupSettings, by: str, skip: Ints | None
) -> Iterator[list[Narrow]]:
    """Yield the narrow rows of some parts, about ``CHUNK_ROWS`` at a time; ``digest`` is what equality means."""
    held: list[Narrow] = []
    rows = 0
    for part in parts:
        if part.against and by == "digest":
            continue
        keys, known = url_words(part) if by == "url" else (None, None)
        for narrow, _ in read(part, settings, skip=rows_in(skip, part), only=known):
            if keys is not None:  # a URL counts within its scope, whatever the split
                narrow = narrow._replace(digest=keys[narrow.rows], split=np.zeros_like(narrow.split))
            held.append(narrow)
            rows += len(narrow.v)
            if rows >= CHUNK_ROWS:
                yield held
                held, rows = [], 0
    if held:
        yield held


def _send(table: pa.Table) -> dict[str, Any]:
    return {name: table.column(name).combine_chunks() for name in table.column_names}


def find(
    groups: Iterator[tuple[int, Sequence[Part], str | None]], settings: DedupSettings, layout: Layout, by: str
) -> Iterator[Block]:
    """Group the rows of a task's parts by digest or URL; send one row a group, its copies, and hashes of ids.

    The third of a group's three is a file of copies found before (``Copies``), whose rows are left out.
    """
    standing = Cutter("groups", GROUPS)
    copies = Cutter("local", PAIRS)
    ids = Cutter("ids", IDS)
    counts = Cutter("counts", PAIRS)
    for group, parts, before in groups:
        documents = 0
        for held in _chunks(parts, settings, by, load_copies(before)):
            table = group_table(held)
            documents += table.num_rows
            v, twin, first = group_rows(table)
            back = np.full(len(v), layout.meetings + group)
            yield from copies.add({"v": v, "twin": twin}, back)
            kept = table.take(pa.array(first))
            yield from standing.add(_send(kept), spread(ints(kept, "a"), layout.meetings))
        for part in parts if before is None else ():
            for v, hashes in _ids(part):
                yield from ids.add({"id": hashes, "v": v}, spread(hashes, layout.meetings))
        told = {"v": np.array([group]), "twin": np.array([documents])}
        yield from counts.add(told, np.array([layout.meetings + group]))
    for cutter in (standing, copies, ids, counts):
        yield from cutter.finish()


def _ids(part: Part) -> Iterator[tuple[Ints, Hashes]]:
    """Yield the vertices of a part's rows, all of them, with hashes of their ids."""
    start = part.base
    for batch in iter_batches(part.annotations, ["doc_id"], 65536) if not part.against else ():
        yield np.arange(start, start + batch.num_rows), hash_ids(batch.column("doc_id").cast(pa.binary()))
        start += batch.num_rows


def load_copies(path: str | None) -> Ints | None:
    """Return the vertices (ascending) that a file of copies names, or None."""
    return None if path is None else np.load(path, mmap_mode="r")[:, 0]


def rows_in(v: Ints | None, part: Part) -> Ints | None:
    """Return the rows of a part among ascending vertices; None stays None."""
    if v is None:
        return None
    first, stop = np.searchsorted(v, [part.base, part.base + (1 << ROW_BITS)])
    return row_of(np.asarray(v[first:stop]))


def meet(target: int, blocks: Iterator[Block], layout: Layout) -> Iterator[Block]:
    """Group the rows that stand, from all tasks; send each loser to the task that reads its part."""
    if target >= layout.meetings:
        for _, block in blocks:
            yield target - layout.meetings, block
        return
    found = gather(blocks, {"groups": GROUPS, "ids": IDS})
    v, twin, _ = group_rows(found["groups"])
    out = Cutter("global", PAIRS)
    yield from out.add({"v": v, "twin": twin}, layout.reader(v))
    yield from out.finish()
    ids, w = ints(found["ids"], "id"), ints(found["ids"], "v")
    order = np.argsort(ids, kind="stable")
    same = np.flatnonzero(ids[order][1:] == ids[order][:-1])[:_SUSPECTS]
    suspects = Cutter("suspects", PAIRS)
    left, right = w[order][same], w[order][same + 1]
    yield from suspects.add({"v": left, "twin": right}, np.zeros(len(same), np.int64))
    yield from suspects.finish()


def keep(group: int, blocks: Iterator[Block], directory: str) -> Iterator[Copies]:
    """Join local and global steps of one group's rows and write (v, twin), sorted by v."""
    found = gather(blocks, {kind: _KINDS[kind] for kind in ("local", "global", "suspects", "counts")})
    v, twin = ints(found["local"], "v"), ints(found["local"], "twin")
    moved, to = ints(found["global"], "v"), ints(found["global"], "twin")
    order = np.argsort(moved)
    moved, to = moved[order], to[order]
    v, twin = np.concatenate([v, moved]), np.concatenate([follow(twin, moved, to), to])
    order = np.argsort(v)
    pairs = np.stack([v[order], twin[order]], axis=1)
    path = os.path.join(directory, f"copies-{group:05d}-{uuid.uuid4().hex[:12]}.npy")
    np.save(path, pairs)
    suspects = zip(
        ints(found["suspects"], "v").tolist(), ints(found["suspects"], "twin").tolist(), strict=True
    )
    yield Copies(group, path, len(pairs), int(ints(found["counts"], "twin").sum()), list(suspects))


def follow(v: Ints, moved: Ints, to: Ints) -> Ints:
    """Replace each vertex that is in ``moved`` (ascending) by its entry in ``to``."""
    if len(moved) == 0:
        return v
    at = np.minimum(np.searchsorted(moved, v), len(moved) - 1)
    followed: Ints = np.where(moved[at] == v, to[at], v)
    return followed
