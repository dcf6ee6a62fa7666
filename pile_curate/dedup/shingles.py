"""Collect a document's shingles, the distinct ones or sorted, in kernels without unpredictable branches.

Shingles are uniform 64-bit hashes, which everything here uses. The distinct ones come from a table in which each
shingle has one slot only: the first to come keeps it, an equal one is a repeat, and another one is put
aside for a second, smaller table, and so on: equal shingles always meet in the same table, no step depends
on how long a probe goes, and each round leaves a fifth or less. Sorting deals them into about as many buckets as there are
shingles, by their leading bits, which leaves little to sort.

A large document is made distinct piece by piece (``PIECE``) while it is read and parted by leading bits at the end, so that
tables and buckets stay in the second-level cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pile_curate.compiled import compiled, inlined
from pile_curate.word_hashes import CHUNK, Bytes, Hashes, Scratch, mix64, next_words

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
POLYNOMIAL = np.uint64(0x369DEA0F31A53F8B)
PIECE = 1 << 16
"""Shingles that are made distinct or sorted at once; more are parted first."""

_SMALL = 64  # a bucket larger than this is not left to insertion


@inlined
def _combine(hashes: Hashes, salt: int, out: Hashes, ngram: int) -> None:
    """Write the shingles of ``out.size + ngram - 1`` consecutive words."""
    for j in range(out.size):
        out[j] = hashes[j]
    for t in range(1, ngram):
        word = hashes[t : t + out.size]
        for j in range(out.size):
            out[j] = out[j] * POLYNOMIAL + word[j]
    for j in range(out.size):
        shingle = mix64(out[j] ^ salt)
        out[j] = shingle + np.uint64(shingle == np.uint64(0))


@inlined
def _settle(found: Hashes, table: Hashes, salt: int, out: Hashes, aside: Hashes) -> Any:
    """Give each shingle its slot: first ones go to ``out``, those whose slot holds another to ``aside``.

    ``out`` and ``aside`` may be ``found`` itself, since they never overtake it. Returns how many went to each.
    """
    capacity = np.int64(64)
    while capacity < 2 * found.size:
        capacity <<= 1
    table[:capacity] = np.uint64(0)
    mask = np.uint64(capacity - 1)
    first = other = np.int64(0)
    for j in range(found.size):
        shingle = found[j]
        slot = (mix64(shingle + salt) if salt else shingle) & mask
        held = table[slot]
        new = held == np.uint64(0)
        table[slot] = shingle if new else held
        out[first] = shingle
        first += new
        aside[other] = shingle
        other += (not new) and held != shingle
    return first, other


@inlined
def _distinct(found: Hashes, table: Hashes, aside: Hashes) -> Any:
    """Move the distinct shingles to the front; return how many. Tables: 4 times, aside: as many as found."""
    count, others = _settle(found, table, np.uint64(0), found, aside)
    salt = np.uint64(0)
    while others > 0:
        salt += GOLDEN
        more, others = _settle(aside[:others], table, salt, found[count:], aside)
        count += more
    return count


@inlined
def _part(found: Hashes, out: Hashes) -> Any:
    """Copy shingles to ``out`` in parts by leading bits; return the parts' bounds."""
    bits = np.int64(1)
    while found.size >> bits > PIECE >> 1 and bits < 14:
        bits += 1
    shift = np.uint64(64 - bits)
    bounds = np.zeros((1 << bits) + 1, np.int64)
    for j in range(found.size):
        bounds[np.int64(found[j] >> shift) + 1] += 1
    for b in range(1 << bits):
        bounds[b + 1] += bounds[b]
    at = bounds[:-1].copy()
    for j in range(found.size):
        part = found[j] >> shift
        out[at[part]] = found[j]
        at[part] += 1
    return bounds


@inlined
def _radix(found: Hashes, spare: Hashes) -> None:
    """Sort in eight passes of eight bits: for buckets that a hash would hardly fill, whatever lies in them."""
    counts = np.empty(257, np.int64)
    for step in range(8):
        shift = np.uint64(8 * step)
        counts[:] = 0
        for j in range(found.size):
            counts[np.int64((found[j] >> shift) & np.uint64(255)) + 1] += 1
        for b in range(256):
            counts[b + 1] += counts[b]
        for j in range(found.size):
            byte = (found[j] >> shift) & np.uint64(255)
            spare[counts[byte]] = found[j]
            counts[byte] += 1
        found[:] = spare[: found.size]


@inlined
def _sort(found: Hashes, skip: int, spare: Hashes, heads: Any) -> Any:
    """Sort shingles that agree in their first ``skip`` bits and drop repeats; return how many stay.

    ``spare`` has room for as many, ``heads`` for twice as many and two.
    """
    bits = np.int64(1)
    while 2 << bits <= found.size:
        bits += 1
    left, right = np.uint64(skip), np.uint64(64 - bits)
    heads[: (1 << bits) + 1] = 0
    for j in range(found.size):
        heads[np.int64((found[j] << left) >> right) + 1] += 1
    largest = np.int64(0)
    for b in range(1 << bits):
        largest = max(largest, np.int64(heads[b + 1]))
        heads[b + 1] += heads[b]
    for j in range(found.size):
        bucket = (found[j] << left) >> right
        spare[heads[bucket]] = found[j]
        heads[bucket] += 1
    if largest > _SMALL:  # repeats, or an author who knows the seed
        _radix(spare[: found.size], found)
    else:
        for j in range(1, found.size):
            shingle = spare[j]
            i = j
            while i > 0 and spare[i - 1] > shingle:
                spare[i] = spare[i - 1]
                i -= 1
            spare[i] = shingle
    count = np.int64(0)
    before = np.uint64(0)  # no shingle is 0
    for j in range(found.size):
        found[count] = spare[j]
        count += spare[j] != before
        before = spare[j]
    return count


class Room(NamedTuple):
    """Where a document's shingles are collected; made anew, larger, only when a document does not fit."""

    found: Hashes
    spare: Hashes
    table: Hashes
    heads: Any


@inlined
def new_room(size: int, ordered: bool) -> Room:
    """Return room for ``size`` shingles: 16 bytes each, and 2 MB or less for what is done piece by piece."""
    piece = min(size, 2 * PIECE)
    return Room(
        np.empty(size, np.uint64),
        np.empty(size, np.uint64),
        np.empty(1 if ordered else 4 * piece + 64, np.uint64),
        np.empty(2 * piece + 2 if ordered else 1, np.int64),
    )


@inlined
def room_for(offsets: Any) -> Any:
    """Return how many shingles to make room for: a third of the largest document's bytes, as Chinese has."""
    largest = np.int64(0)
    for d in range(offsets.size - 1):
        largest = max(largest, offsets[d + 1] - offsets[d])
    return largest // 3 + CHUNK


@inlined
def _many(found: Hashes, ordered: bool, spare: Hashes) -> Any:
    """Make a large document's shingles distinct part by part, sorted if asked for; return how many stay."""
    bounds = _part(found, spare)
    found[:] = spare[: found.size]
    bits = np.int64(0)
    while (2 << bits) < bounds.size:
        bits += 1
    largest = (bounds[1:] - bounds[:-1]).max()
    table = np.empty(1 if ordered else 4 * largest + 64, np.uint64)
    heads = np.empty(2 * largest + 2 if ordered else 1, np.int64)
    kept = np.int64(0)
    for b in range(bounds.size - 1):
        part = found[bounds[b] : bounds[b + 1]]
        if part.size > 0:
            size = _sort(part, bits, spare, heads) if ordered else _distinct(part, table, spare)
            for j in range(size):
                found[kept + j] = part[j]
            kept += size
    return kept


@compiled
def collect(
    data: Bytes, start: int, stop: int, ngram: int, salt: int, kind: Bytes, utf8: Any, ordered: bool,
    scratch: Scratch, hashes: Hashes, room: Room,
) -> Any:  # fmt: skip
    """Collect the document's distinct shingles in ``room.found``, sorted or in any order.

    Returns (words, distinct), or (0, -1) if the room is too small. ``hashes`` holds a chunk's words and ngram more.
    """
    found, spare, table, heads = room.found, room.spare, room.table, room.heads
    words = waiting = count = settled = pieces = np.int64(
        0
    )  # waiting: words at the front of hashes, of the chunk before
    i = np.int64(start)
    while i < stop:
        i, more = next_words(data, i, stop, kind, utf8, scratch, hashes[waiting:])
        words += more
        waiting += more
        new = waiting - (ngram - 1)
        if new > 0:
            if count + new > found.size:
                return np.int64(0), np.int64(-1)
            _combine(hashes, salt, found[count : count + new], ngram)
            count += new
            waiting = np.int64(ngram - 1)
            for j in range(waiting):
                hashes[j] = hashes[new + j]
        if count == settled or (count - settled < PIECE and i < stop):
            continue
        piece = found[settled:count]
        settled += _sort(piece, 0, spare, heads) if ordered else _distinct(piece, table, spare)
        count = settled
        pieces += 1
    if pieces > 1:
        count = _many(found[:count], ordered, spare)
    return words, count
