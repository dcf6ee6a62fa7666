"""Keep, per band, the list of earlier documents in order, at most ``cap`` long, and find who agrees.

With one scope a document is in one list per band. With several, two documents are comparable if their
scopes are equal or their splits differ, so a document is in two lists per band: by (band, scope) and by
(band, split). Those comparable with d are then the list of its scope and the lists of the other splits; each
list is in order, so merging them and stopping after ``cap`` gives exactly "the first cap earlier members of
the band", and none of the lists needs more than ``cap`` entries.

Memory per document with a signature of k values: 4k bytes, and per band and list 8 bytes of entry and 20
to 80 bytes of table; about 2 kB in one scope (126 values, 18 bands), up to double that while arrays grow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pile_curate.compiled import compiled, inlined
from pile_curate.word_hashes import Hashes, mix64

Ints = npt.NDArray[np.int32]
_SCOPE_SALT = np.uint64(0xA0761D6478BD642F)
_SPLIT_SALT = np.uint64(0xE7037ED1A0B428DB)


@inlined
def _slot(table_keys: Hashes, counts: Ints, key: int) -> Any:
    """Return where the key is or would go; a slot with count 0 is free."""
    mask = table_keys.size - 1
    at = np.int64(key & np.uint64(mask))
    while counts[at] != 0 and table_keys[at] != key:
        at = (at + 1) & mask
    return at


@compiled
def _rehash(old_keys: Hashes, old: Any, size: int) -> Any:
    keys = np.zeros(size, np.uint64)
    slots = np.zeros((3, size), np.int32)
    for i in range(old_keys.size):
        if old[2, i] != 0:
            at = _slot(keys, slots[2], old_keys[i])
            keys[at] = old_keys[i]
            slots[:, at] = old[:, i]
    return keys, slots


@compiled
def _append(
    bands: Hashes,
    salts: Hashes,
    document: int,
    cap: int,
    table_keys: Hashes,
    slots: Any,
    links: Any,
    used: Any,
) -> bool:
    """Append a document to its lists; says whether some list was full, so that it is missing there."""
    heads, tails, counts = slots[0], slots[1], slots[2]
    full = False
    for salt in salts:
        for band in bands:
            key = mix64(band ^ salt)
            at = _slot(table_keys, counts, key)
            if counts[at] >= cap:
                full = True
                continue
            entry = np.int32(used[0])
            used[0] += 1
            links[0, entry] = document
            links[1, entry] = -1
            if counts[at] == 0:
                used[1] += 1
                table_keys[at] = key
                heads[at] = entry
            else:
                links[1, tails[at]] = entry
            tails[at] = entry
            counts[at] += 1
    return full


@inlined
def _agree(a: Any, b: Any) -> Any:
    same = np.int64(0)
    for i in range(a.size):
        same += a[i] == b[i]
    return same


@compiled
def _candidates(
    bands: Hashes, salts: Hashes, values: Any, minimum: int, cap: int, now: int, table_keys: Hashes, slots: Any,
    links: Any, signatures: Any, stamps: Any, found: Any,
) -> int:  # fmt: skip
    """Write the earlier documents that share a band and agree in ``minimum`` positions to ``found``, in order."""
    heads, counts = slots[0], slots[2]
    cursors = np.empty(salts.size, np.int32)
    total = 0
    for band in bands:
        for j in range(salts.size):
            at = _slot(table_keys, counts, mix64(band ^ salts[j]))
            cursors[j] = heads[at] if counts[at] > 0 else -1
        for _ in range(cap):
            document = np.int32(-1)
            for j in range(salts.size):
                if cursors[j] >= 0 and (document < 0 or links[0, cursors[j]] < document):
                    document = links[0, cursors[j]]
            if document < 0:
                break
            for j in range(salts.size):
                if cursors[j] >= 0 and links[0, cursors[j]] == document:
                    cursors[j] = links[1, cursors[j]]
            if stamps[document] != now:
                stamps[document] = now
                if _agree(signatures[document], values) >= minimum:
                    found[total] = document
                    total += 1
    found[:total].sort()
    return total


@compiled
def _mark(
    bands: Hashes, salts: Hashes, values: Any, minimum: int, cap: int, document: int, table_keys: Hashes, slots: Any,
    links: Any, signatures: Any, marked: Any,
) -> None:  # fmt: skip
    """Mark ``document`` and earlier ones that could be a pair with it.

    A full list may lack documents. Those were marked when they were left out, and whoever meets the full list
    is marked here, so every pair that is not compared has both its members marked.
    """
    heads, counts = slots[0], slots[2]
    for band in bands:
        for salt in salts:
            at = _slot(table_keys, counts, mix64(band ^ salt))
            if counts[at] == 0:
                continue
            if counts[at] >= cap:
                marked[document] = True
            entry = heads[at]
            while entry >= 0:
                other = links[0, entry]
                if not (marked[document] and marked[other]) and _agree(signatures[other], values) >= minimum:
                    marked[document] = True
                    marked[other] = True
                entry = links[1, entry]


class BandLists:
    """Lists of documents, numbered 0, 1, ... as they are added, found by their band keys."""

    def __init__(self, permutations: int, bands: int, cap: int, scoped: bool) -> None:
        self._cap, self._scoped, self._lists = cap, scoped, bands * (2 if scoped else 1)
        self._size = 0
        self._keys, self._slots = np.zeros(1024, np.uint64), np.zeros((3, 1024), np.int32)
        self._links = np.empty((2, 64 * self._lists), np.int32)
        self._signatures = np.empty((64, permutations), np.uint32)
        self._stamps = np.full(64, -1, np.int64)
        self._marked = np.zeros(64, np.bool_)
        self._found = np.empty(64, np.int32)
        self._used = np.zeros(2, np.int64)  # entries, slots
        self._splits: dict[int, np.uint64] = {}
        self._now = 0

    def __len__(self) -> int:
        return self._size

    @property
    def marked(self) -> npt.NDArray[np.bool_]:
        """Which of the documents added with ``mark_and_add`` could be part of a candidate pair."""
        return self._marked[: self._size]

    def _reach(self, scope: int, split: int) -> tuple[Hashes, Hashes]:
        """Return the salts of the lists that a document is compared with, and of those it is added to."""
        if not self._scoped:
            one = np.zeros(1, np.uint64)
            return one, one
        own_scope = np.uint64(scope & 0xFFFF_FFFF_FFFF_FFFF) ^ _SCOPE_SALT
        own_split = self._splits.setdefault(split, np.uint64(split & 0xFFFF_FFFF_FFFF_FFFF) ^ _SPLIT_SALT)
        others = [salt for value, salt in self._splits.items() if value != split]
        mixed = np.array([own_scope, own_split, *others], np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return np.concatenate([mixed[:1], mixed[2:]]), mixed[:2]

    def _grow(self) -> None:
        if self._size == len(self._signatures):
            double = 2 * self._size
            self._signatures = np.resize(self._signatures, (double, self._signatures.shape[1]))
            self._stamps = np.concatenate([self._stamps, np.full(double - self._size, -1, np.int64)])
            self._marked = np.concatenate([self._marked, np.zeros(double - self._size, np.bool_)])
            self._found = np.empty(double, np.int32)
        if self._used[0] + self._lists > self._links.shape[1]:
            self._links = np.concatenate([self._links, np.empty_like(self._links)], axis=1)
        if 2 * (self._used[1] + self._lists) > len(self._keys):
            self._keys, self._slots = _rehash(self._keys, self._slots, 2 * len(self._keys))

    def candidates(
        self, bands: Hashes, values: npt.NDArray[np.uint32], minimum: int, scope: int, split: int
    ) -> list[int]:
        """Return the numbers of the candidates among the first ``cap`` comparable members of each band, in order."""
        self._now += 1
        salts, _ = self._reach(scope, split)
        count = _candidates(
            bands, salts, values, minimum, self._cap, self._now, self._keys, self._slots,
            self._links, self._signatures, self._stamps, self._found,
        )  # fmt: skip
        numbers: list[int] = self._found[:count].tolist()
        return numbers

    def add(self, bands: Hashes, values: npt.NDArray[np.uint32], scope: int, split: int) -> int:
        """Append a document to the lists of its bands; returns its number."""
        self._grow()
        number, (_, salts) = self._size, self._reach(scope, split)
        self._signatures[number] = values
        self._size += 1
        full = _append(bands, salts, number, self._cap, self._keys, self._slots, self._links, self._used)
        if full:
            self._marked[number] = True
        return number

    def mark_and_add(
        self, bands: Hashes, values: npt.NDArray[np.uint32], minimum: int, scope: int, split: int
    ) -> None:
        """Add a document and mark whichever could be in a candidate pair with it (see ``greedy.Prune``)."""
        self._grow()
        salts, _ = self._reach(scope, split)
        _mark(
            bands, salts, values, minimum, self._cap, self._size, self._keys, self._slots,
            self._links, self._signatures, self._marked,
        )  # fmt: skip
        self.add(bands, values, scope, split)
