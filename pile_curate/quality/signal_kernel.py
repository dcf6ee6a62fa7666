"""Compute the signals of texts straight from Arrow's bytes: one pass finds words and lines, the rest is per distinct word.

What a word is made of is looked at once for each distinct word, and counts as often as the word occurs: letters, code
points, number signs, ellipses (which hold no white space), stop words.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pile_curate.blocks import BLOCK, bytes_in, count_ones, load32, load64
from pile_curate.compiled import compiled, inlined
from pile_curate.quality.ngrams import repeated_grams
from pile_curate.quality.pieces import (
    PAD,
    Room,
    characters,
    find_words,
    hash_bytes,
    mixed,
    new_room,
    number_words,
    repeats,
)
from pile_curate.word_hashes import Bytes, below, decode

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""The eight English words of A.1.1; a document should contain at least two of them."""

BULLETS = ("•", "‣", "⁃", "◦", "▪", "●", "-", "*", "–")
ELLIPSES = ("...", "…")


def _lanes(pieces: tuple[str, ...]) -> Any:
    return np.array([int.from_bytes(piece.encode(), "little") for piece in pieces], np.uint64)


_STOPS, _BULLETS, _ELLIPSES = _lanes(STOP_WORDS), _lanes(BULLETS), _lanes(ELLIPSES)
_LONGEST_STOP = max(map(len, STOP_WORDS))

_letters = bytes_in((ord("A"), ord("Z")), (ord("a"), ord("z")))
_high = bytes_in((0x80, 0xFF))
_inner = bytes_in((0x80, 0xBF))
_number_sign = bytes_in((ord("#"), ord("#")))
_dot = bytes_in((ord("."), ord(".")))
_byte_e2, _byte_80, _byte_a6 = (bytes_in((b, b)) for b in (0xE2, 0x80, 0xA6))


class Totals(NamedTuple):
    """What the words of a text add up to; ``stops`` has a bit for each stop word that occurs."""

    characters: int
    lettered: int
    signs: int
    ellipses: int
    stops: int


@inlined
def _look(text: Bytes, distinct: int, alpha: Bytes, room: Room) -> Any:
    """Write the code points of each distinct word to ``room.keys``; return the totals of all words."""
    starts, ends, first, times, sizes = room.starts, room.ends, room.first, room.times, room.keys
    characters = lettered = signs = ellipses = np.int64(0)
    stops = np.uint64(0)
    for j in range(distinct):
        start, stop, weight = np.int64(starts[first[j]]), np.int64(ends[first[j]]), np.int64(times[j])
        size = stop - start
        letter = wide = False
        i = start
        dots = np.int64(0)  # at the end of the block before
        while i < stop:
            n = min(np.int64(BLOCK), stop - i)
            valid = below(n)
            letter |= _letters(text, i) & valid != np.uint64(0)
            signs += count_ones(_number_sign(text, i) & valid) * weight
            if _high(text, i) & valid != np.uint64(0):
                wide = True
                size -= count_ones(_inner(text, i) & valid)
                mark = _byte_e2(text, i) & _byte_80(text, i + 1) & _byte_a6(text, i + 2)
                ellipses += count_ones(mark & valid) * weight
            dot = _dot(text, i) & valid
            if dots or dot & (dot >> np.uint64(1) | np.uint64(n == BLOCK) << np.uint64(63)) != np.uint64(0):
                for q in range(n):
                    dots = dots + 1 if (dot >> np.uint64(q)) & np.uint64(1) else np.int64(0)
                    if dots == 3:
                        ellipses += weight
                        dots = np.int64(0)
            i += n
        i = start
        while wide and not letter and i < stop:
            found = decode(text, i, stop)
            letter = alpha[found >> 3] != 0
            i += found & 7
        sizes[j] = np.uint64(size)
        characters += size * weight
        lettered += weight if letter else 0
        if stop - start <= _LONGEST_STOP:
            word = load64(text, start) | np.uint64(0x2020202020202020)
            word &= ~np.uint64(0) >> np.uint64(64 - 8 * (stop - start))
            for k in range(_STOPS.size):
                stops |= np.uint64(word == _STOPS[k]) << np.uint64(k)
    return Totals(characters, lettered, signs, ellipses, stops)


@inlined
def _lines(text: Bytes, breaks: int, salt: int, room: Room) -> Any:
    """Write the lines; return how many begin with a bullet and how many end with an ellipsis."""
    starts, ends, words, begin, end, hashes = (
        room.starts, room.ends, room.breaks, room.begin, room.end, room.hashes,
    )  # fmt: skip
    bullets = ellipses = word = np.int64(0)
    for j in range(breaks):
        start, stop = np.int64(starts[word]), np.int64(ends[words[j] - 1])
        word = np.int64(words[j])
        begin[j], end[j] = start, stop
        hashes[j] = hash_bytes(text, start, stop, salt)
        one = load32(text, start)
        three = one & np.uint64(0xFFFFFF)
        one &= np.uint64(0xFF)
        for k in range(_BULLETS.size):
            bullets += (one if _BULLETS[k] <= np.uint64(0xFF) else three) == _BULLETS[k]
        if stop - start >= 3:
            three = load32(text, stop - 3) & np.uint64(0xFFFFFF)
            for k in range(_ELLIPSES.size):
                ellipses += three == _ELLIPSES[k]
    return bullets, ellipses


@inlined
def _paragraphs(breaks: int, salt: int, room: Room) -> Any:
    """Make paragraphs of the lines; return how many."""
    begin, end, blank, hashes = room.begin, room.end, room.blank, room.hashes
    count = np.int64(0)
    start = np.int64(-1)
    h = salt
    for j in range(breaks):
        h = mixed(h, hashes[j])
        if start < 0:
            start = np.int64(begin[j])
        if blank[j]:
            stop = np.int64(end[j])
            begin[count], end[count] = start, stop
            hashes[count] = mixed(h, np.uint64(stop - start))
            count += 1
            start = np.int64(-1)
            h = salt
    return count


@inlined
def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


@inlined
def _measure(text: Bytes, stop: int, alpha: Bytes, salt: int, room: Room, grams: Any, out: Any) -> None:
    """Write the signals of ``text[:stop]``, in the order of ``schema.SIGNALS``."""
    words, breaks = find_words(text, stop, room)
    distinct = number_words(text, words, salt, room)
    totals = _look(text, distinct, alpha, room)
    place = np.int64(0)
    ids, prefix, sizes = room.ids, room.prefix, room.keys
    for j in range(words):
        prefix[j] = place
        place += np.int64(sizes[ids[j]])
    prefix[words] = place
    repeated_grams(words, salt, room, grams)
    bullets, open_lines = _lines(text, breaks, salt, room)
    ascii = characters(text, np.int64(0), np.int64(stop)) == stop
    lines, line_size, line_total = repeats(text, breaks, ascii, room)
    paragraphs = _paragraphs(breaks, salt, room)
    some, some_size, some_total = repeats(text, paragraphs, ascii, room)
    out[0] = words
    out[1] = _ratio(totals.characters, words)
    out[2] = _ratio(totals.signs, words)
    out[3] = _ratio(totals.ellipses, words)
    out[4] = _ratio(bullets, breaks)
    out[5] = _ratio(open_lines, breaks)
    out[6] = _ratio(totals.lettered, words)
    out[7] = count_ones(totals.stops)
    out[8] = _ratio(lines, breaks)
    out[9] = _ratio(some, paragraphs)
    out[10] = _ratio(line_size, line_total)
    out[11] = _ratio(some_size, some_total)
    for j in range(grams.size):
        out[12 + j] = _ratio(grams[j], totals.characters)


@compiled
def measure(data: Bytes, offsets: Any, valid: Bytes, alpha: Bytes, salt: Any, out: Any) -> None:
    """Write the signals of each text to its row of ``out``, unrounded; those of a null are 0.

    ``alpha`` says by code point what a letter is. Texts have less than 2 GiB each.
    """
    largest = np.int64(0)
    for d in range(valid.size):
        largest = max(largest, offsets[d + 1] - offsets[d])
    room = new_room(largest)
    grams = np.empty(9, np.int64)
    for d in range(valid.size):
        size = offsets[d + 1] - offsets[d]
        if not valid[d] or size == 0:
            out[d] = 0
            continue
        if offsets[d + 1] + PAD <= data.size:
            text = data[offsets[d] :]
        else:
            text = np.zeros(size + PAD, np.uint8)
            text[:size] = data[offsets[d] : offsets[d + 1]]
        _measure(text, size, alpha, salt, room, grams, out[d])
