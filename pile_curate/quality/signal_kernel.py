"""Compute the signals of texts straight from Arrow's bytes: one pass finds words and lines, the rest is per distinct word.

What a word is made of is looked at once for each distinct word, and counts as often as the word occurs: letters, code
points, number signs, ellipses (which hold no white space), stop words.
"""

from __future__ import annotations

from typing import Any

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


@inlined
def _look(text: Bytes, start: int, stop: int, alpha: Bytes) -> Any:
    """Return a word's code points, whether it has a letter, and its number signs and ellipses."""
    size, signs, ellipses, dots = stop - start, np.int64(0), np.int64(0), np.int64(0)
    lettered = wide = False
    i = start
    while i < stop:
        n = min(np.int64(BLOCK), stop - i)
        valid = below(n)
        lettered |= _letters(text, i) & valid != np.uint64(0)
        signs += count_ones(_number_sign(text, i) & valid)
        if _high(text, i) & valid != np.uint64(0):
            wide = True
            size -= count_ones(_inner(text, i) & valid)
            ellipses += count_ones(_byte_e2(text, i) & _byte_80(text, i + 1) & _byte_a6(text, i + 2) & valid)
        dot = _dot(text, i) & valid
        if dot != np.uint64(0) and (stop - start > BLOCK or dot & dot >> np.uint64(1) & dot >> np.uint64(2)):
            for q in range(n):
                dots = dots + 1 if (dot >> np.uint64(q)) & np.uint64(1) else np.int64(0)
                if dots == 3:
                    ellipses += 1
                    dots = np.int64(0)
        elif dot == np.uint64(0):
            dots = np.int64(0)
        i += n
    i = start
    while wide and not lettered and i < stop:
        found = decode(text, i, stop)
        lettered = alpha[found >> 3] != 0
        i += found & 7
    return size, lettered, signs, ellipses


@inlined
def _stop_word(text: Bytes, start: int, size: int) -> Any:
    """Return a bit for the stop word that the word is, whatever its case; 0 for any other."""
    if size <= _LONGEST_STOP:
        word = (load64(text, start) | np.uint64(0x2020202020202020)) & (
            ~np.uint64(0) >> np.uint64(64 - 8 * size)
        )
        for j in range(_STOPS.size):
            if word == _STOPS[j]:
                return np.uint64(1) << np.uint64(j)
    return np.uint64(0)


@inlined
def _begins(text: Bytes, start: int, stop: int) -> bool:
    """Say whether a line begins with a bullet."""
    lane = load32(text, start) & (np.uint64(0xFFFFFF) if stop - start >= 3 else np.uint64(0xFF))
    for j in range(_BULLETS.size):
        if (lane if _BULLETS[j] > np.uint64(0xFF) else lane & np.uint64(0xFF)) == _BULLETS[j]:
            return True
    return False


@inlined
def _ends(text: Bytes, start: int, stop: int) -> bool:
    """Say whether a line ends with an ellipsis."""
    if stop - start < 3:
        return False
    lane = load32(text, stop - 3) & np.uint64(0xFFFFFF)
    for j in range(_ELLIPSES.size):
        if lane == _ELLIPSES[j]:
            return True
    return False


@inlined
def _lines(text: Bytes, breaks: int, salt: int, room: Room) -> Any:
    """Write the lines; return how many begin with a bullet and how many end with an ellipsis."""
    bullets = ellipses = word = np.int64(0)
    for j in range(breaks):
        start, stop = np.int64(room.starts[word]), np.int64(room.ends[room.breaks[j] - 1])
        bullets += _begins(text, start, stop)
        ellipses += _ends(text, start, stop)
        room.begin[j], room.end[j] = start, stop
        room.hashes[j] = hash_bytes(text, start, stop, salt)
        word = np.int64(room.breaks[j])
    return bullets, ellipses


@inlined
def _paragraphs(breaks: int, salt: int, room: Room) -> Any:
    """Make paragraphs of the lines; return how many."""
    count = np.int64(0)
    start = np.int64(room.begin[0])
    h = salt
    for j in range(breaks):
        h = mixed(h, room.hashes[j])
        if room.blank[j]:
            stop = np.int64(room.end[j])
            room.begin[count], room.end[count] = start, stop
            room.hashes[count] = mixed(h, np.uint64(stop - start))
            count += 1
            if j + 1 < breaks:
                start = np.int64(room.begin[j + 1])
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
    size = letters = signs = ellipses = np.int64(0)
    stops = np.uint64(0)
    sizes = room.hashes  # of each distinct word, until the lines need the place
    for j in range(distinct):
        start, end, times = np.int64(room.starts[room.first[j]]), np.int64(room.ends[room.first[j]]), room.times[j]
        length, lettered, some_signs, some_ellipses = _look(text, start, end, alpha)
        sizes[j] = np.uint64(length)
        size += length * times
        letters += times if lettered else 0
        signs += some_signs * times
        ellipses += some_ellipses * times
        stops |= _stop_word(text, start, end - start)
    place = np.int64(0)
    for j in range(words):
        room.prefix[j] = place
        place += np.int64(sizes[room.ids[j]])
    room.prefix[words] = place
    repeated_grams(words, salt, room, grams)
    bullets, open_lines = _lines(text, breaks, salt, room)
    ascii = characters(text, np.int64(0), np.int64(stop)) == stop
    lines, line_size, line_total = repeats(text, breaks, ascii, room)
    paragraphs = _paragraphs(breaks, salt, room)
    some, some_size, some_total = repeats(text, paragraphs, ascii, room)
    out[0] = words
    out[1] = _ratio(size, words)
    out[2] = _ratio(signs, words)
    out[3] = _ratio(ellipses, words)
    out[4] = _ratio(bullets, breaks)
    out[5] = _ratio(open_lines, breaks)
    out[6] = _ratio(letters, words)
    out[7] = count_ones(stops)
    out[8] = _ratio(lines, breaks)
    out[9] = _ratio(some, paragraphs)
    out[10] = _ratio(line_size, line_total)
    out[11] = _ratio(some_size, some_total)
    for j in range(grams.size):
        out[12 + j] = _ratio(grams[j], size)


@compiled
def measure(data: Bytes, offsets: Any, valid: Bytes, alpha: Bytes, salt: int, out: Any) -> None:
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
