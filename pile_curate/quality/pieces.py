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
def same_bytes(text: Bytes, a: int, b: int, size: int) -> bool:
    """Say whether the ``size`` bytes, at least one, at ``a`` and ``b`` are equal."""
    while size > 8:
        if load64(text, a) != load64(text, b):
            return False
        a += 8
        b += 8
        size -= 8
    return bool((load64(text, a) ^ load64(text, b)) << np.uint64(64 - 8 * size) == np.uint64(0))


@inlined
def cleared(slots: Any, count: int) -> Any:
    """Empty a table that ``count`` pieces fill to a half at most; return the mask of its slots' numbers."""
    size = np.int64(16)
    while size < 2 * count:
        size *= 2
    slots[:size] = 0
    return np.uint64(size - 1)


@inlined
def place(text: Bytes, start: int, stop: int, h: int, starts: Any, ends: Any, room: Room, mask: int) -> Any:
    """Return the slot of a piece: the one that holds the number (plus 1) of an equal one, or an empty one.

    ``starts`` and ``ends`` are where the pieces are that ``room.first`` names.
    """
    slots, keys, first = room.slots, room.keys, room.first
    slot = h & mask
    while slots[slot] != 0:
        held = slots[slot] - 1
        if keys[held] == h:
            other = first[held]
            size = stop - start
            if ends[other] - starts[other] == size and same_bytes(text, start, starts[other], size):
                break
        slot = (slot + np.uint64(1)) & mask
    return slot


@inlined
def number_words(text: Bytes, count: int, salt: int, room: Room) -> Any:
    """Give equal words equal numbers, in order of their first places; return how many numbers."""
    starts, ends, ids = room.starts, room.ends, room.ids
    slots, keys, first, times = room.slots, room.keys, room.first, room.times
    mask = cleared(slots, count)
    distinct = np.int64(0)
    for j in range(count):
        start, stop = np.int64(starts[j]), np.int64(ends[j])
        h = hash_bytes(text, start, stop, salt)
        slot = place(text, start, stop, h, starts, ends, room, mask)
        held = np.int64(slots[slot])
        if held == 0:
            keys[distinct], first[distinct], times[distinct] = h, j, 0
            distinct += 1
            held = distinct
            slots[slot] = held
        times[held - 1] += 1
        ids[j] = held - 1
    return distinct


@inlined
def repeats(text: Bytes, count: int, ascii: bool, room: Room) -> Any:
    """Return how many of the pieces ``room.begin`` to ``room.end`` repeat an earlier one, their characters, and all's."""
    begin, end, hashes = room.begin, room.end, room.hashes
    slots, keys, first = room.slots, room.keys, room.first
    mask = cleared(slots, count)
    distinct = repeated = inside = total = np.int64(0)
    for j in range(count):
        start, stop = np.int64(begin[j]), np.int64(end[j])
        size = stop - start if ascii else characters(text, start, stop)
        total += size
        slot = place(text, start, stop, hashes[j], begin, end, room, mask)
        if slots[slot] == 0:
            keys[distinct], first[distinct] = hashes[j], j
            distinct += 1
            slots[slot] = distinct
        else:
            repeated += 1
            inside += size
    return repeated, inside, total
