"""Cut a text into words and lines, and number equal pieces: what every signal is computed from.

Pieces are places in the text's bytes; none is copied. Pieces are equal if their bytes are: the hash only says
where to look, so no collision moves a value, and it is salted anew in each process, so no text can be
written to collide. Equal n-grams are found by ``ngrams.py`` from the words' numbers.

A text is read where it lies, with ``PAD`` bytes readable behind it; what they hold has no effect.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pile_curate.blocks import BLOCK, bytes_in, count_ones, load64, trailing_zeros
from pile_curate.compiled import inlined
from pile_curate.white_space import ascii_white, white_lead, wide_white
from pile_curate.word_hashes import Bytes, Hashes, below

PAD = 2 * BLOCK
"""Bytes behind the text that may be read."""

_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
_newline = bytes_in((0x0A, 0x0A))
_inner = bytes_in((0x80, 0xBF))


class Room(NamedTuple):
    """What is known of one text's words, lines and n-grams; made anew only for a text that does not fit.

    Word j reaches from ``starts[j]`` to ``ends[j]`` and has number ``ids[j]``; ``prefix[j]`` counts the characters of
    the words before it. ``breaks`` are the numbers of words before each line break, without repeats, and
    ``blank`` says whether an empty line is there. ``keys``, ``first`` and ``times`` tell, of each distinct piece,
    hash, first place and count; ``slots`` is the table that finds it. The rest are lists of lines or n-grams.
    """

    starts: Any
    ends: Any
    ids: Any
    prefix: Any
    breaks: Any
    blank: Bytes
    slots: Any
    keys: Hashes
    first: Any
    times: Any
    begin: Any
    end: Any
    hashes: Hashes


@inlined
def new_room(size: int) -> Room:
    """Return room for a text of ``size`` bytes. Memory is touched as there are words: about 60 bytes each."""
    words = size // 2 + 1 + BLOCK
    return Room(
        np.empty(words, np.int32),
        np.empty(words, np.int32),
        np.empty(words, np.int32),
        np.empty(words, np.int32),
        np.empty(words, np.int32),
        np.empty(words, np.uint8),
        np.empty(4 * words, np.int32),
        np.empty(words, np.uint64),
        np.empty(words, np.int32),
        np.empty(words, np.int32),
        np.empty(words, np.int32),
        np.empty(words, np.int32),
        np.empty(words, np.uint64),
    )


@inlined
def find_words(text: Bytes, stop: int, room: Room) -> Any:
    """Write the words (runs without white space) of ``text[:stop]`` and the line breaks; return how many of each.

    The end of the text counts as an empty line, a break before the first word does not.
    """
    starts, ends, breaks, blank = room.starts, room.ends, room.breaks, room.blank
    begun = done = broken = i = np.int64(0)
    carry = carry_white = np.uint64(0)  # a word, and bytes of white space, that began before i
    while i < stop:
        n = min(np.int64(BLOCK), stop - i)
        white = ascii_white(text, i) | carry_white
        carry_white = np.uint64(0)
        if white_lead(text, i) != np.uint64(0):
            two, three = wide_white(text, i)
            white |= two | three | (two | three) << np.uint64(1) | three << np.uint64(2)
            rest = three >> np.uint64(62)
            carry_white = (two >> np.uint64(63)) | rest | (rest >> np.uint64(1))
        inside = ~white & below(n)
        before = (inside << np.uint64(1)) | carry
        new = inside & ~before
        over = before & ~inside
        carry = inside >> np.uint64(63)
        lines = _newline(text, i) & below(n)
        while lines != np.uint64(0):
            words = begun + count_ones(new & (lines ^ (lines - np.uint64(1))))
            lines &= lines - np.uint64(1)
            if words > 0:
                again = broken > 0 and breaks[broken - 1] == words
                broken += not again
                breaks[broken - 1] = words
                blank[broken - 1] = again
        more, less = count_ones(new), count_ones(over)
        j = np.int64(0)
        while j < max(more, less):
            for q in range(4):  # beyond the last bit this writes waste, which is overwritten
                starts[begun + j + q] = i + trailing_zeros(new)
                new &= new - np.uint64(1)
                ends[done + j + q] = i + trailing_zeros(over)
                over &= over - np.uint64(1)
            j += 4
        begun += more
        done += less
        i += n
    if carry != np.uint64(0):
        ends[done] = stop
    if begun > 0:
        broken += broken == 0 or breaks[broken - 1] != begun
        breaks[broken - 1] = begun
        blank[broken - 1] = 1
    return begun, broken


@inlined
def characters(text: Bytes, start: int, stop: int) -> Any:
    """Count the code points of ``text[start:stop]``."""
    count = stop - start
    i = start
    while i < stop:
        count -= count_ones(_inner(text, i) & below(min(np.int64(BLOCK), stop - i)))
        i += BLOCK
    return count


@inlined
def hash_bytes(text: Bytes, start: int, stop: int, salt: int) -> Any:
    """Hash ``text[start:stop]``, at least one byte, in lanes of eight bytes."""
    h = salt ^ np.uint64(stop - start)
    i = start
    while i + 8 < stop:
        h = (h ^ load64(text, i)) * _MULTIPLIER
        h ^= h >> np.uint64(32)
        i += 8
    h = (h ^ (load64(text, i) & (~np.uint64(0) >> np.uint64(64 - 8 * (stop - i))))) * _MULTIPLIER
    return h ^ (h >> np.uint64(32))


@inlined
def mixed(h: int, more: int) -> Any:
    """Return a hash of a hash and one more number."""
    h = (np.uint64(h) ^ np.uint64(more)) * _MULTIPLIER
    return h ^ (h >> np.uint64(32))


@inlined
def cleared(slots: Any, count: int) -> Any:
    """Empty a table that ``count`` pieces fill to a half at most; return how many bits number its slots."""
    bits = np.int64(4)
    while 1 << bits < 2 * count:
        bits += 1
    slots[: 1 << bits] = 0
    return bits


@inlined
def leading(h: int, bits: int) -> Any:
    """Return the leading bits of a hash: only they depend on every byte that was multiplied."""
    return h >> np.uint64(64 - bits)


@inlined
def number_pieces(
    text: Bytes, starts: Any, ends: Any, hashes: Hashes, ids: Any, slots: Any, first: Any, count: int
) -> Any:
    """Give equal pieces equal numbers, in order of their first places; return how many numbers.

    Arrays, not a ``Room``: in a loop each helper that is handed one costs more than the table itself.
    """
    bits = cleared(slots, count)
    shift, last = np.uint64(64 - bits), np.uint64((1 << bits) - 1)
    distinct = np.int64(0)
    for j in range(count):
        start = np.int64(starts[j])
        size = np.int64(ends[j]) - start
        h = hashes[j]
        slot = h >> shift
        while True:
            held = np.int64(slots[slot]) - 1
            if held < 0:
                first[distinct] = j
                held = distinct
                distinct += 1
                slots[slot] = distinct
                break
            other = np.int64(first[held])
            place = np.int64(starts[other])
            if hashes[other] == h and ends[other] - place == size:
                rest = size
                while rest > 8 and load64(text, start + size - rest) == load64(text, place + size - rest):
                    rest -= 8
                here, there = load64(text, start + size - rest), load64(text, place + size - rest)
                if rest <= 8 and (here ^ there) << np.uint64(64 - 8 * rest) == np.uint64(0):
                    break
            slot = (slot + np.uint64(1)) & last
        ids[j] = held
    return distinct


@inlined
def number_words(text: Bytes, count: int, salt: int, room: Room) -> Any:
    """Give equal words equal numbers and count them; return how many numbers."""
    starts, ends, ids, hashes, times = room.starts, room.ends, room.ids, room.hashes, room.times
    for j in range(count):
        hashes[j] = hash_bytes(text, np.int64(starts[j]), np.int64(ends[j]), salt)
    distinct = number_pieces(text, starts, ends, hashes, ids, room.slots, room.first, count)
    times[:distinct] = 0
    for j in range(count):
        times[ids[j]] += 1
    return distinct


@inlined
def repeats(text: Bytes, count: int, ascii: bool, room: Room) -> Any:
    """Return how many of the pieces ``room.begin`` to ``room.end`` repeat an earlier one, their characters, and all's.

    Words must be done with: this takes the place of their numbers.
    """
    begin, end, ids, first = room.begin, room.end, room.ids, room.first
    distinct = number_pieces(text, begin, end, room.hashes, ids, room.slots, first, count)
    inside = total = np.int64(0)
    for j in range(count):
        start, stop = np.int64(begin[j]), np.int64(end[j])
        size = stop - start if ascii else characters(text, start, stop)
        total += size
        if first[ids[j]] != j:
            inside += size
    return count - distinct, inside, total
