"""Count characters inside repeated n-grams: the kernel of the repetition signals.

An n-gram that occurs twice consists of two (n-1)-grams that do. So each length looks only at the places that the
one before left, which are few in most texts, and the pair of their numbers names an n-gram exactly, in
64 bits: no collision can move a value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pile_curate.compiled import inlined
from pile_curate.quality.pieces import Room, cleared, leading, mixed

TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)


@inlined
def _number(size: int, salt: int, room: Room) -> Any:
    """Replace the list of n-grams by that of (n+1)-grams, numbered anew; return how many, and how many distinct."""
    places, ids, slots, keys, first, times, pairs = (
        room.begin, room.end, room.slots, room.keys, room.first, room.times, room.hashes,
    )  # fmt: skip
    count = distinct = np.int64(0)
    for j in range(size - 1):  # no branch: whether the next place has an n-gram too cannot be predicted
        at = places[j]
        pairs[count] = (np.uint64(ids[j]) << np.uint64(32)) | np.uint64(ids[j + 1])
        places[count] = at
        count += places[j + 1] == at + 1
    bits = cleared(slots, count)
    last = np.uint64((1 << bits) - 1)
    for j in range(count):
        pair = pairs[j]
        slot = leading(mixed(salt, pair), bits)
        held = np.int64(slots[slot])
        while held != 0 and keys[held - 1] != pair:
            slot = (slot + np.uint64(1)) & last
            held = np.int64(slots[slot])
        if held == 0:
            keys[distinct], first[distinct], times[distinct] = pair, places[j], 0
            distinct += 1
            held = distinct
            slots[slot] = held
        times[held - 1] += 1
        ids[j] = held - 1
    return count, distinct


@inlined
def _top(n: int, distinct: int, room: Room) -> Any:
    """Return the most frequent n-gram's number, of equally frequent ones the longest's; -1 if none occurs twice."""
    first, times, prefix = room.first, room.times, room.prefix
    best = np.int64(-1)
    most, longest = np.int64(1), np.int64(0)
    for gram in range(distinct):
        if times[gram] >= most and times[gram] > 1:
            length = np.int64(prefix[first[gram] + n]) - prefix[first[gram]]
            if times[gram] > most or length > longest:
                best, most, longest = np.int64(gram), np.int64(times[gram]), length
    return best


@inlined
def repeated_grams(words: int, salt: int, room: Room, out: Any) -> None:
    """Write, for each n from 2 to 10, the characters inside the top n-gram or inside repeats of any n-gram.

    Word characters only, each counted once however many n-grams overlap on it. ``room.times`` counts the words.
    """
    places, ids, times, first, prefix = room.begin, room.end, room.times, room.first, room.prefix
    size = np.int64(0)
    for j in range(words):
        places[size] = j
        ids[size] = room.ids[j]
        size += times[room.ids[j]] > 1
    for n in range(TOP[0], DUPLICATE[-1] + 1):
        out[n - TOP[0]] = 0
        if size < 2:
            size = np.int64(0)
            continue
        count, distinct = _number(size, salt, room)
        best = np.int64(-1)
        if n <= TOP[-1]:
            best = _top(n, distinct, room)
        done = total = np.int64(0)
        size = np.int64(0)
        for j in range(count):
            gram, at = np.int64(ids[j]), np.int64(places[j])
            inside = gram == best if n <= TOP[-1] else first[gram] != at
            if inside:
                total += prefix[at + n] - prefix[max(done, at)]
                done = at + n
            places[size], ids[size] = at, gram
            size += times[gram] > 1
        out[n - TOP[0]] = total
