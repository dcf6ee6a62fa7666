"""Keep, per band of a signature, the list of earlier documents that have its values, at most ``cap`` long.

With one scope a document is in one list per band. With several, two documents are comparable if their
scopes are equal or their splits differ. A band's values that only one document has are one slot all the
same. The second document turns the slot into a *fork*: from then on each document of that bucket is in two
lists, by (band, scope) and by (band, split). Those comparable with d are then the list of its scope and the
lists of the other splits; each is in order, so merging them and stopping after ``cap`` gives exactly "the
first cap earlier comparable members of the band", and none of the lists needs more than ``cap`` entries. Only a
lookup in a fork costs a probe per split.

The table is open addressing, one region a band. A slot is 64 bits: 32 of hash, 2 of kind (the band alone,
with scope, with split), 1 that says "several", 29 with a number plus one: of the only document, of the
first one (fork), or of a block of four integers, where the list begins. Equality is decided by the values
of the list's first document, so buckets are exact, whatever the hash. The upper bits of the hash are the
place, so a table that doubles is copied nearly in order. A list in ``blocks`` is its length, then its members;
it moves to four times the room when full, so lists are contiguous and cost 5 to 21 bytes a member.

Memory per document whose bands nobody shares: 14 to 27 bytes per band, whether scoped or not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pile_curate.compiled import compiled, inlined
from pile_curate.word_hashes import Hashes, mix64

MOST = (1 << 29) - 2
"""Documents, and quadruples of integers in ``blocks``, that a slot can number."""

DONE, FULL, NEED_BLOCKS, NEED_SLOTS = 0, 1, 2, 3
"""What ``append`` says; after the last two the caller makes room and calls again, which repeats nothing."""

_SCOPE_SALT = np.uint64(0xA0761D6478BD642F)
_SPLIT_SALT = np.uint64(0xE7037ED1A0B428DB)
_START = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xD6E8FEB86659FD93)
_NUMBER = np.uint64((1 << 29) - 1)
_SEVERAL = np.uint64(1 << 29)
_LOW = np.uint64(30)
_HALF = np.uint64(32)
_TWO = np.uint64(2)
_EMPTY = np.uint64(0)

SETTLED = np.int32(1 << 30)
"""A flag in a list's length that ``walk_kernels.mark_rows`` sets in full lists."""

_COUNT = np.int32((1 << 30) - 1)


class Rule(NamedTuple):
    """The numbers that verdicts depend on; ``over / under`` is the least share of |A| + |B| (see ``greedy``)."""

    permutations: int
    bands: int
    rows: int
    cap: int
    minimum: int
    over: int
    under: int
    scoped: bool
    exact: bool


class Lists(NamedTuple):
    """The state: slots (bands, size), blocks, and per listed document its signature and, if scoped, its cell."""

    slots: npt.NDArray[np.uint64]
    blocks: npt.NDArray[np.int32]
    signatures: npt.NDArray[np.uint32]
    scope: npt.NDArray[np.int64]
    split: npt.NDArray[np.int64]
    used: npt.NDArray[np.int64]
    """Per band the slots in use; last, the integers of ``blocks`` in use."""


@inlined
def band_hashes(values: Any, i: int, bands: int, rows: int, out: Hashes) -> None:
    """Write a 64-bit hash of each band's values."""
    at = np.int64(0)
    for band in range(bands):
        h = _START
        for _ in range(rows):
            h = (h ^ np.uint64(values[i, at])) * _STEP
            h ^= h >> _HALF
            at += 1
        out[band] = mix64(h)


@inlined
def _keyed(h: int, kind: int, scope: int, split: int) -> Any:
    if kind == 1:
        return mix64(h ^ mix64(np.uint64(scope) + _SCOPE_SALT))
    if kind == 2:
        return mix64(h ^ mix64(np.uint64(split) + _SPLIT_SALT))
    return h


@inlined
def find(
    lists: Lists,
    rule: Rule,
    bits: int,
    values: Any,
    i: int,
    band: int,
    h: int,
    kind: int,
    scope: int,
    split: int,
) -> Any:
    """Return (where the list's slot is or would go, the slot or 0); ``h`` is the hash with the kind's key in it."""
    slots, signatures = lists.slots, lists.signatures
    mask = slots.shape[1] - 1
    at = np.int64(h >> np.uint64(64 - bits))
    upper = ((h >> _HALF) << _TWO) | np.uint64(kind)
    first = band * rule.rows
    while True:
        slot = slots[band, at]
        if slot == _EMPTY:
            return at, slot
        if slot >> _LOW == upper:
            head = np.int64(slot & _NUMBER) - 1
            if (slot & _SEVERAL) != _EMPTY and not (rule.scoped and kind == 0):
                head = np.int64(lists.blocks[4 * head + 1])
            same = True
            if kind == 1:
                same = lists.scope[head] == scope
            elif kind == 2:
                same = lists.split[head] == split
            for j in range(first, first + rule.rows):
                if signatures[head, j] != values[i, j]:
                    same = False
                    break
            if same:
                return at, slot
        at = (at + 1) & mask


@inlined
def _append(
    lists: Lists, rule: Rule, bits: int, limit: int, document: int, band: int, h: int, kind: int, values: Any, i: int,
    scope: int, split: int,
) -> int:  # fmt: skip
    """Append a document, whose columns are filled in, to one list."""
    h = _keyed(h, kind, scope, split)
    at, slot = find(lists, rule, bits, values, i, band, h, kind, scope, split)
    slots, blocks, used = lists.slots, lists.blocks, lists.used
    upper = (((h >> _HALF) << _TWO) | np.uint64(kind)) << _LOW
    if slot == _EMPTY:
        if used[band] >= limit:
            return NEED_SLOTS
        used[band] += 1
        slots[band, at] = upper | np.uint64(document + 1)
        return DONE
    number = np.int64(slot & _NUMBER) - 1
    free = used[rule.bands]
    if (slot & _SEVERAL) == _EMPTY:
        if number == document:
            return DONE
        if rule.cap < 2:
            return FULL
        if free + 4 > blocks.size:
            return NEED_BLOCKS
        blocks[free] = 2
        blocks[free + 1] = number
        blocks[free + 2] = document
        used[rule.bands] = free + 4
        slots[band, at] = upper | _SEVERAL | np.uint64(free // 4 + 1)
        return DONE
    start = 4 * number
    count = np.int64(blocks[start] & _COUNT)
    if blocks[start + count] == document:
        return DONE
    if count >= rule.cap:
        return FULL
    room = np.int64(4)
    while room < count + 1:
        room *= 4
    if room == count + 1:
        if free + 4 * room > blocks.size:
            return NEED_BLOCKS
        for j in range(1, count + 1):
            blocks[free + j] = blocks[start + j]
        start = free
        used[rule.bands] = free + 4 * room
        slots[band, at] = upper | _SEVERAL | np.uint64(free // 4 + 1)
    blocks[start + count + 1] = document
    blocks[start] = count + 1
    return DONE


@inlined
def append_all(lists: Lists, rule: Rule, bits: int, limit: int, document: int, hashes: Hashes) -> int:
    """Append a document, whose columns are filled in, to its lists; FULL if one of them lacks it now."""
    signatures = lists.signatures
    slots, used = lists.slots, lists.used
    result = DONE
    scope = np.int64(0)
    split = np.int64(0)
    if rule.scoped:
        scope, split = lists.scope[document], lists.split[document]
    for band in range(rule.bands):
        h = hashes[band]
        at = np.int64(h >> np.uint64(64 - bits))
        if slots[band, at] == _EMPTY and used[band] < limit:
            slots[band, at] = (h >> _HALF) << _HALF | np.uint64(document + 1)
            used[band] += 1
            continue
        if not rule.scoped:
            said = _append(lists, rule, bits, limit, document, band, h, 0, signatures, document, scope, split)
            if said > FULL:
                return said
            result = max(result, said)
            continue
        at, slot = find(lists, rule, bits, signatures, document, band, h, 0, scope, split)
        if slot == _EMPTY:
            if lists.used[band] >= limit:
                return NEED_SLOTS
            lists.used[band] += 1
            lists.slots[band, at] = (h >> _HALF) << _HALF | np.uint64(document + 1)
            continue
        first = np.int64(slot & _NUMBER) - 1
        if first == document:
            continue
        who = first if (slot & _SEVERAL) == _EMPTY else document
        while True:
            for kind in range(1, 3):
                said = _append(
                    lists, rule, bits, limit, who, band, h, kind, signatures, who, lists.scope[who], lists.split[who]
                )  # fmt: skip
                if said > FULL:
                    return said
                result = max(result, said)
            if who == document:
                break
            lists.slots[band, at] |= _SEVERAL
            who = document
    return result


@inlined
def _member(lists: Lists, start: int, at: int) -> Any:
    return np.int64(lists.blocks[start + at]) if start >= 0 else -1 - start


@inlined
def _truncate(lists: Lists, starts: Any, ends: Any, begin: int, stop: int, cap: int) -> None:
    """Shorten the lists of one band to what is among the first ``cap`` of them together."""
    at = np.zeros(stop - begin, np.int64)
    for _ in range(cap):
        least = np.int64(-1)
        for j in range(begin, stop):
            if at[j - begin] < ends[j]:
                document = _member(lists, starts[j], at[j - begin])
                if least < 0 or document < least:
                    least = document
        if least < 0:
            break
        for j in range(begin, stop):
            if at[j - begin] < ends[j] and _member(lists, starts[j], at[j - begin]) == least:
                at[j - begin] += 1
    for j in range(begin, stop):
        ends[j] = at[j - begin]


@inlined
def reach(
    lists: Lists, rule: Rule, bits: int, splits: Any, values: Any, i: int, scope: int, split: int, hashes: Hashes,
    peek: Hashes, starts: Any, ends: Any, cut: bool,
) -> Any:  # fmt: skip
    """Write where the lists are whose members d is compared with, and their lengths; return how many, any full.

    A start >= 0 is an index of ``blocks``, else -1 - document. With ``cut`` the lists of a band are shortened to
    the first ``cap`` members of all. ``peek`` is scratch: the slots are read before any is followed, so that
    the processor waits for all of them at once.
    """
    count = np.int64(0)
    full = False
    for band in range(rule.bands):
        peek[band] = lists.slots[band, np.int64(hashes[band] >> np.uint64(64 - bits))]
    for band in range(rule.bands):
        if peek[band] == _EMPTY:
            continue
        h = hashes[band]
        _, slot = find(lists, rule, bits, values, i, band, h, 0, scope, split)
        if slot == _EMPTY:
            continue
        number = np.int64(slot & _NUMBER) - 1
        if (slot & _SEVERAL) == _EMPTY:
            if not rule.scoped or lists.scope[number] == scope or lists.split[number] != split:
                starts[count], ends[count] = -1 - number, 1
                count += 1
                full |= rule.cap < 2
            continue
        if not rule.scoped:
            starts[count], ends[count] = 4 * number + 1, lists.blocks[4 * number] & _COUNT
            full |= ends[count] >= rule.cap
            count += 1
            continue
        begin = count
        total = np.int64(0)
        for j in range(-1, splits.size):
            kind = 1 if j < 0 else 2
            other = split if j < 0 else splits[j]
            if j >= 0 and other == split:
                continue
            _, slot = find(
                lists, rule, bits, values, i, band, _keyed(h, kind, scope, other), kind, scope, other
            )  # fmt: skip
            if slot == _EMPTY:
                continue
            number = np.int64(slot & _NUMBER) - 1
            if (slot & _SEVERAL) == _EMPTY:
                starts[count], ends[count] = -1 - number, 1
            else:
                starts[count], ends[count] = 4 * number + 1, lists.blocks[4 * number] & _COUNT
            full |= ends[count] >= rule.cap
            total += ends[count]
            count += 1
        if cut and total > rule.cap:
            _truncate(lists, starts, ends, begin, count, rule.cap)
    return count, full


@compiled
def rehash_bands(old: Any, fresh: Any, bits: int) -> None:
    """Move all slots to an empty table of 2^bits slots a band."""
    mask = fresh.shape[1] - 1
    for band in range(old.shape[0]):
        for i in range(old.shape[1]):
            slot = old[band, i]
            if slot != _EMPTY:
                at = np.int64(slot >> np.uint64(64 - bits))
                while fresh[band, at] != _EMPTY:
                    at = (at + 1) & mask
                fresh[band, at] = slot
