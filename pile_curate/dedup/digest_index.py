"""Find the earliest kept document with a text digest, as a kernel: open addressing, 8 bytes a slot.

With one scope the table maps a digest to its first kept document. With several, d may be displaced by the
first one whose scope is equal or whose split differs. Say e is the first document of the digest at all. If e
itself is not comparable with d, then their splits are equal, so what is comparable with d is: the first one
of d's scope, and the first one whose split differs from *e's*. The former has a slot of its own under (digest,
scope), the latter is noted with e (``second``). So a lookup is at most three steps, whatever the number of
scopes, splits and documents that share the digest.

A slot is 32 bits of hash, one bit that tells the two kinds apart, and the document's number plus one; equality
is decided by the digests themselves. The upper bits of the hash are its place, so a table that doubles
is copied nearly in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pile_curate.compiled import compiled, inlined
from pile_curate.word_hashes import Hashes, mix64

MOST = (1 << 31) - 2
"""Documents that the index can number."""

_SCOPE_SALT = np.uint64(0xA0761D6478BD642F)
_NUMBER = np.uint64((1 << 31) - 1)
_LOW = np.uint64(31)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_EMPTY = np.uint64(0)


@inlined
def _place(
    slots: Hashes, digests: Any, scopes: Any, one: Any, two: Any, scope: int, kind: int, bits: int
) -> Any:
    """Return (where the key is or would go, its number or -1, the slot's upper part)."""
    h = mix64(one ^ mix64(two))
    if kind == 1:
        h = mix64(h ^ mix64(np.uint64(scope) + _SCOPE_SALT))
    upper = ((h >> _HALF) << _ONE) | np.uint64(kind)
    mask = slots.size - 1
    at = np.int64(h >> np.uint64(64 - bits))
    while slots[at] != _EMPTY:
        if slots[at] >> _LOW == upper:
            number = np.int64(slots[at] & _NUMBER) - 1
            if (
                digests[number, 0] == one
                and digests[number, 1] == two
                and (kind == 0 or scopes[number] == scope)
            ):
                return at, number, upper
        at = (at + 1) & mask
    return at, np.int64(-1), upper


@inlined
def find_digest(
    slots: Hashes, bits: int, digests: Any, scopes: Any, splits: Any, second: Any,
    one: Any, two: Any, scope: int, split: int, scoped: bool,
) -> Any:  # fmt: skip
    """Return the earliest kept document that is comparable and has this digest; -1 if there is none."""
    _, first, _ = _place(slots, digests, scopes, one, two, scope, 0, bits)
    if first < 0 or not scoped or scopes[first] == scope or splits[first] != split:
        return first
    other = np.int64(second[first]) - 1
    _, own, _ = _place(slots, digests, scopes, one, two, scope, 1, bits)
    if own >= 0 and (other < 0 or own < other):
        return own
    return other


@inlined
def add_digest(
    slots: Hashes, bits: int, digests: Any, scopes: Any, splits: Any, second: Any, number: int, scoped: bool
) -> Any:
    """Enter document ``number``, whose columns are filled in; call in order; returns how many slots it took."""
    one, two = digests[number, 0], digests[number, 1]
    at, first, upper = _place(slots, digests, scopes, one, two, 0, 0, bits)
    if first >= 0:
        if not scoped:
            return 0
        if splits[first] != splits[number] and second[first] == 0:
            second[first] = number + 1
        if scopes[first] == scopes[number]:
            return 0
        at, own, upper = _place(slots, digests, scopes, one, two, scopes[number], 1, bits)
        if own >= 0:
            return 0
    slots[at] = (upper << _LOW) | np.uint64(number + 1)
    return 1


@compiled
def rehash_digests(old: Hashes, fresh: Hashes, bits: int) -> None:
    """Move all slots to an empty table of 2^bits slots."""
    mask = fresh.size - 1
    for i in range(old.size):
        slot = old[i]
        if slot != _EMPTY:
            at = np.int64(slot >> np.uint64(64 - bits))
            while fresh[at] != _EMPTY:
                at = (at + 1) & mask
            fresh[at] = slot
