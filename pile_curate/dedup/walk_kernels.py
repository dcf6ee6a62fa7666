"""Judge and keep documents, as kernels: the body of the walk; ``greedy`` says what it means.

Candidates are verified earliest first and the walk stops at the first that is near enough, so the lists of
a document's bands are read like a merge: a window of a few members of each, those that agree in m
positions sorted, verified, next window. A document whose copy comes early never reads the rest of long lists.

The Jaccard condition ``shared * denominator >= numerator * union`` is ``shared >= need`` with ``need =
ceil(x * (|A| + |B|))``, x = t / (1 + t), so both the sizes alone and every shingle that is missing on the way can
end a comparison; a pair that reaches ``need`` is counted to its end, because its Jaccard is reported.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pile_curate.compiled import compiled, inlined
from pile_curate.dedup.band_lists import (
    FULL,
    SETTLED,
    Lists,
    Rule,
    append_all,
    band_hashes,
    reach,
)
from pile_curate.dedup.digest_index import add_digest, find_digest
from pile_curate.word_hashes import Hashes

NEED_KEPT, NEED_LISTED, NEED_DIGESTS, NO_SET = 4, 5, 6, 7
"""Why ``walk_rows`` came back early, beside those of ``band_lists.append_all``."""

NEXT, WHY, RESUME, DROPPED, EXAMINED, REFUSED, KEPT, LISTED, DIGESTS, NOW, WHOM = range(11)
"""Places in the counters."""

_WINDOW = 8  # members of each list that one step of the merge takes
_CHUNK = 32  # signature values compared between two looks at what can still be reached
_MARKS = 1 << 20  # bytes that mark the shingles of one set: fits the second-level cache
_MARKS_EACH = 16  # bytes per shingle, so that few others fall on marked ones; fewer beyond 65,536 shingles


class Kept(NamedTuple):
    """Every kept document: digest, handle, and if scoped its cell and ``digest_index``'s ``second``."""

    digests: npt.NDArray[np.uint64]
    handles: npt.NDArray[np.int64]
    against: npt.NDArray[np.bool_]
    scope: npt.NDArray[np.int64]
    split: npt.NDArray[np.int64]
    second: npt.NDArray[np.int32]
    slots: npt.NDArray[np.uint64]


class Listed(NamedTuple):
    """What else the walk knows of a kept document that has a signature."""

    number: npt.NDArray[np.int32]
    shingles: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    seen: npt.NDArray[np.int64]


class Scratch(NamedTuple):
    """Room for one document's lists, candidates and set."""

    hashes: npt.NDArray[np.uint64]
    peek: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    batch: npt.NDArray[np.int64]
    agreed: npt.NDArray[np.int64]
    marks: npt.NDArray[np.uint8]


class Found(NamedTuple):
    """The verdicts, one entry a dropped row."""

    row: npt.NDArray[np.int64]
    kept: npt.NDArray[np.int64]
    exact: npt.NDArray[np.bool_]
    shared: npt.NDArray[np.int64]
    union: npt.NDArray[np.int64]


def scratch(bands: int, lists: int) -> Scratch:
    """Return scratch for documents that are compared with at most ``lists`` lists."""
    long = np.int64
    return Scratch(
        np.empty(bands, np.uint64), np.empty(bands, np.uint64), np.empty(lists, long), np.empty(lists, long),
        np.empty(lists, long), np.empty(_WINDOW * lists, long), np.empty(_WINDOW * lists, long),
        np.empty(_MARKS, np.uint8),
    )  # fmt: skip


@inlined
def agree(signatures: Any, document: int, values: Any, i: int, minimum: int) -> Any:
    """Return in how many positions two signatures agree; -1 as soon as it is below ``minimum`` for sure."""
    a, b = signatures[document], values[i]
    left: Any = np.int64(a.size)
    same = np.int64(0)
    at = np.uint64(0)
    while left > 0:
        size: Any = min(_CHUNK, left)
        part = np.int32(0)
        for j in range(
            size
        ):  # unsigned places and a length unknown to the compiler: it makes vectors of this
            part += np.int32(a[at + np.uint64(j)] == b[at + np.uint64(j)])
        same += part
        left -= size
        at += np.uint64(size)
        if same + left < minimum:
            return np.int64(-1)
    return same


@inlined
def _mark(pool: Hashes, start: int, size: int, marks: Any) -> Any:
    """Mark the places of a set's shingles; return the mask that turns a shingle into its place."""
    mask = np.int64(1023)
    while mask < _MARKS_EACH * size and mask < marks.size - 1:
        mask = 2 * mask + 1
    marks[: mask + 1] = 0
    for j in range(start, start + size):
        marks[np.int64(pool[j] & np.uint64(mask))] = 1
    return mask


@inlined
def _too_many_missing(pool: Hashes, start: int, size: int, marks: Any, mask: int, spare: int) -> bool:
    """Say whether more than ``spare`` of a set's shingles are missing in the marked set for sure."""
    left: Any = np.int64(size)
    missing = np.int64(0)
    at = np.uint64(start)
    place = np.uint64(mask)
    while left > 0:
        part: Any = min(_CHUNK, left)
        hits = np.int64(0)
        for j in range(part):
            hits += marks[pool[at + np.uint64(j)] & place]
        missing += part - hits
        if missing > spare:
            return True
        left -= part
        at += np.uint64(part)
    return False


@inlined
def _intersection(pool: Hashes, start: int, size: int, other: int, other_size: int) -> Any:
    """Return how many shingles two sorted sets share: one merge."""
    a, b = np.uint64(start), np.uint64(other)
    stop, other_stop = np.uint64(start + size), np.uint64(other + other_size)
    both = np.int64(0)
    while a < stop and b < other_stop:
        x, y = pool[a], pool[b]
        both += np.int64(x == y)
        a += np.uint64(x <= y)
        b += np.uint64(y <= x)
    return both


@inlined
def _sort(batch: Any, agreed: Any, count: int) -> None:
    """Sort the first candidates by number; they come as a few ascending runs."""
    for j in range(1, count):
        x, y = batch[j], agreed[j]
        at = j
        while at > 0 and batch[at - 1] > x:
            batch[at] = batch[at - 1]
            agreed[at] = agreed[at - 1]
            at -= 1
        batch[at] = x
        agreed[at] = y


@inlined
def _window(
    lists: Lists, s: Scratch, active: int, minimum: int, until: int, now: int, seen: Any, values: Any, i: int
) -> Any:
    """Take the next members of all lists up to a common number; return (candidates in the batch, lists left)."""
    starts, ends, at, batch, agreed, blocks = s.starts, s.ends, s.at, s.batch, s.agreed, lists.blocks
    bound: Any = np.int64(until)
    for l in range(active):
        if starts[l] >= 0 and ends[l] - at[l] > _WINDOW:
            bound = min(bound, np.int64(blocks[starts[l] + at[l] + _WINDOW - 1]) + 1)
    count = np.int64(0)
    l = np.int64(0)
    while l < active:
        c = at[l]
        start, end = starts[l], ends[l]
        document = np.int64(0)
        while c < end:
            document = np.int64(blocks[start + c]) if start >= 0 else -1 - start
            if document >= bound:
                break
            c += 1
            if seen[document] != now:
                seen[document] = now
                same = agree(lists.signatures, document, values, i, minimum)
                if same >= 0:
                    batch[count] = document
                    agreed[count] = same
                    count += 1
        if c == end or document >= until:
            active -= 1
            starts[l], ends[l], at[l] = starts[active], ends[active], at[active]
        else:
            at[l] = c
            l += 1
    _sort(batch, agreed, count)
    return count, active


@inlined
def _judge(
    lists: Lists, listed: Listed, rule: Rule, s: Scratch, count: int, until: int, now: int, pool: Hashes,
    values: Any, i: int, shingles: int, start: int, counters: Any,
) -> Any:  # fmt: skip
    """Return (earliest candidate that is near enough or -1, shared, union)."""
    s.at[:count] = 0
    mask = np.int64(0)
    active = count
    while active > 0:
        batch, active = _window(lists, s, active, rule.minimum, until, now, listed.seen, values, i)
        for c in range(batch):
            document = s.batch[c]
            counters[EXAMINED] += 1
            if not rule.exact:
                return document, s.agreed[c], np.int64(rule.permutations)
            other = np.int64(listed.shingles[document])
            total = shingles + other
            need = (rule.over * total + rule.under - 1) // rule.under
            few: Any = min(shingles, other)
            if few >= need:
                begin = listed.starts[document]
                if (start < 0 and shingles > 0) or (begin < 0 and other > 0):
                    counters[WHY] = NO_SET
                    counters[WHOM] = -1 if start < 0 and shingles > 0 else document
                    return np.int64(-1), np.int64(0), np.int64(0)
                if mask == 0:
                    mask = _mark(pool, start, shingles, s.marks)
                if not _too_many_missing(pool, begin, other, s.marks, mask, other - need):
                    shared = _intersection(pool, start, shingles, begin, other)
                    if shared >= need:
                        return document, shared, total - shared
            counters[REFUSED] += 1
    return np.int64(-1), np.int64(0), np.int64(0)


@inlined
def _until(number: Any, size: int, twin: int) -> Any:
    """Return how many listed documents come before kept document ``twin``."""
    low, high = np.int64(0), np.int64(size)
    while low < high:
        middle = (low + high) // 2
        if number[middle] < twin:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def walk_rows(
    digests: Any, scope: Any, split: Any, against: Any, shingles: Any, values: Any, signed: Any, starts: Any,
    handles: Any, pool: Hashes, splits: Any, rule: Rule, lists: Lists, kept: Kept, listed: Listed, s: Scratch,
    counters: Any, found: Found, bits: int, limit: int, digest_bits: int, digest_limit: int,
) -> None:  # fmt: skip
    """Walk from row ``counters[NEXT]`` on until the rows end or ``counters[WHY]`` says what is missing."""
    counters[WHY] = 0
    for i in range(counters[NEXT], handles.size):
        counters[NEXT] = i
        resumed = counters[RESUME] != 0
        counters[RESUME] = 0
        here_scope, here_split = scope[i], split[i]
        one, two = digests[i, 0], digests[i, 1]
        twin = np.int64(-1)
        if not against[i] and not resumed:
            twin = find_digest(
                kept.slots, digest_bits, kept.digests, kept.scope, kept.split, kept.second, one, two,
                here_scope, here_split, rule.scoped,
            )  # fmt: skip
        # In one scope all are comparable, so a candidate before the twin would have dropped the twin itself,
        # unless the twin belongs to the older corpus and is never dropped.
        settled = twin >= 0 and not rule.scoped and not kept.against[twin]
        if signed[i] and not settled:
            band_hashes(values, i, rule.bands, rule.rows, s.hashes)
            if not against[i] and not resumed:
                until = counters[LISTED]
                if twin >= 0:
                    until = _until(listed.number, until, twin)
                count, _ = reach(
                    lists, rule, bits, splits, values, i, here_scope, here_split, s.hashes, s.peek, s.starts,
                    s.ends, True,
                )  # fmt: skip
                if count > 0 and until > 0:
                    counters[NOW] += 1
                    document, shared, union = _judge(
                        lists, listed, rule, s, count, until, counters[NOW], pool, values, i, shingles[i],
                        starts[i], counters,
                    )  # fmt: skip
                    if counters[WHY] != 0:
                        return
                    if document >= 0:
                        at = counters[DROPPED]
                        found.row[at], found.kept[at] = i, kept.handles[listed.number[document]]
                        found.exact[at], found.shared[at], found.union[at] = False, shared, union
                        counters[DROPPED] += 1
                        continue
        if twin >= 0:
            at = counters[DROPPED]
            found.row[at], found.kept[at], found.exact[at] = i, kept.handles[twin], True
            found.shared[at], found.union[at] = shingles[i], shingles[i]
            counters[DROPPED] += 1
            continue
        number = counters[KEPT]
        document = counters[LISTED]
        why = np.int64(0)
        if number >= kept.handles.size:
            why = NEED_KEPT
        elif counters[DIGESTS] >= digest_limit:
            why = NEED_DIGESTS
        elif signed[i]:
            if document >= listed.number.size:
                why = NEED_LISTED
            else:
                for j in range(rule.permutations):
                    lists.signatures[document, j] = values[i, j]
                if rule.scoped:
                    lists.scope[document], lists.split[document] = here_scope, here_split
                said = append_all(lists, rule, bits, limit, document, s.hashes)
                if said > FULL:
                    why = said
                else:
                    listed.number[document], listed.shingles[document] = number, shingles[i]
                    listed.starts[document] = starts[i]
                    counters[LISTED] += 1
        if why != 0:
            counters[WHY] = why
            counters[RESUME] = 1
            return
        kept.digests[number, 0], kept.digests[number, 1] = one, two
        kept.handles[number], kept.against[number] = handles[i], against[i]
        if rule.scoped:
            kept.scope[number], kept.split[number] = here_scope, here_split
        counters[DIGESTS] += add_digest(
            kept.slots, digest_bits, kept.digests, kept.scope, kept.split, kept.second, number, rule.scoped
        )
        counters[KEPT] += 1
    counters[NEXT] = handles.size


@compiled
def mark_rows(
    scope: Any, split: Any, values: Any, splits: Any, rule: Rule, lists: Lists, s: Scratch, marked: Any,
    counters: Any, bits: int, limit: int,
) -> None:  # fmt: skip
    """Mark, from row ``counters[NEXT]`` on, documents and earlier ones that could be a pair, and list them.

    A full list may lack documents. Those were marked when they were left out, and whoever meets the full list
    is marked here, so every pair that is not compared has both its members marked. A full list all of whose
    members are marked has nothing more to say and is settled.
    """
    counters[WHY] = 0
    for i in range(counters[NEXT], scope.size):
        counters[NEXT] = i
        document = counters[LISTED]
        if document >= marked.size:
            counters[WHY] = NEED_LISTED
            return
        band_hashes(values, i, rule.bands, rule.rows, s.hashes)
        if counters[RESUME] == 0:
            count, full = reach(
                lists, rule, bits, splits, values, i, scope[i], split[i], s.hashes, s.peek, s.starts, s.ends, False
            )  # fmt: skip
            marked[document] |= full
            for l in range(count):
                start, end = s.starts[l], s.ends[l]
                if start >= 0 and (lists.blocks[start - 1] & SETTLED) != 0:
                    continue
                everyone = True
                for at in range(end):
                    other = np.int64(lists.blocks[start + at]) if start >= 0 else -1 - start
                    if not (marked[document] and marked[other]) and agree(
                        lists.signatures, other, values, i, rule.minimum
                    ) >= 0:  # fmt: skip
                        marked[document] = True
                        marked[other] = True
                    everyone &= marked[other]
                if start >= 0 and end >= rule.cap and everyone:
                    lists.blocks[start - 1] |= SETTLED
        counters[RESUME] = 0
        for j in range(rule.permutations):
            lists.signatures[document, j] = values[i, j]
        if rule.scoped:
            lists.scope[document], lists.split[document] = scope[i], split[i]
        said = append_all(lists, rule, bits, limit, document, s.hashes)
        if said > FULL:
            counters[WHY] = said
            counters[RESUME] = 1
            return
        marked[document] |= said == FULL
        counters[LISTED] += 1
    counters[NEXT] = scope.size
