"""Find the paragraphs of texts, name each by its words, and turn the repeated ones into spans to cut.

**What a paragraph is.** A *line* is what stands between two line feeds (U+000A) or an end of the text; it is
*blank* if it holds nothing but spaces, tabs, vertical tabs, form feeds and carriage returns. With the unit
``block`` a paragraph is a maximal run of lines that are not blank; with ``line`` it is each such line. It reaches
from the first character of its first line to the last of its last, without the line feed.

**When two are the same.** When their words are, by the project's word rule (``words.py``: case folding, punctuation and
white space do not count). The key of a paragraph is a 128-bit hash of its word hashes and its source's name;
``PARAGRAPHS_VERSION`` freezes it.

**Which are cut.** Take the documents of one source that dedup keeps, in dedup's total order, and in each
document its paragraphs of at least ``min_words`` words from the first to the last. The first ``max_copies``
occurrences of a key stay; every later one is cut, also within the document that had the first. A document
from which something was cut and that has fewer than ``min_words`` words left is dropped.

*A dropped document costs nobody anything.* It has no uncut paragraph of ``min_words`` words, so none of the
occurrences that stay is in it, and whether it is dropped changes no other document: there is no chain to
follow, and one sort by (key, order, position) decides everything.

**What a cut takes.** The paragraph with what follows it up to the next paragraph (line feed, blank lines); if no
paragraph after it stays, what lies between it and the one before instead. So no blank lines pile up, and
what stood before the first paragraph and after the last stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from pile_curate.compiled import compiled, inlined
from pile_curate.word_hashes import Bytes, Hashes, hash_words, lookup, mix64, text_buffers

PARAGRAPHS_VERSION = 1
"""Bump when the same texts and rules would give other keys or spans; part of the fingerprint of edits."""

UNITS = ("block", "line")

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_SECOND = np.uint64(0xE7037ED1A0B428DB)


class Paragraphs(NamedTuple):
    """The paragraphs of at least ``min_words`` words in an array of texts, in order: one entry a paragraph.

    ``text`` is the index in the array, ``position`` counts these paragraphs within the text. ``start``, ``end``,
    ``before`` (where the paragraph before ends) and ``after`` (where the next one starts, however short; -1: there is
    none) are code points, and the same in bytes in columns of the same names with ``_byte``. ``keys`` is (m, 2).
    """

    text: Numbers
    position: Numbers
    words: Numbers
    start: Numbers
    end: Numbers
    before: Numbers
    after: Numbers
    start_byte: Numbers
    end_byte: Numbers
    before_byte: Numbers
    after_byte: Numbers
    keys: Hashes

    def take(self, chosen: Any) -> Paragraphs:
        """Return some of the paragraphs: a mask, indices or a slice."""
        return Paragraphs(*(column[chosen] for column in self))


@inlined
def _blank(byte: int) -> bool:
    return byte == 32 or (9 <= byte <= 13 and byte != 10)


@compiled
def _find(
    data: Bytes, offsets: Any, valid: Bytes, block: bool, min_words: int, high: int, low: int, kind: Bytes, utf8: Any,
    places: Any, keys: Any, total: Any,
) -> Any:  # fmt: skip
    """Write each paragraph's numbers (as in ``Paragraphs``) and keys, and each text's words; return how many."""
    hashes = np.empty(1024, np.uint64)
    found = np.int64(0)
    for text in range(valid.size):
        total[text] = 0
        if not valid[text]:
            continue
        start, stop = np.int64(offsets[text]), np.int64(offsets[text + 1])
        position = np.int64(0)
        waiting = np.int64(-1)  # the paragraph written last, if nothing came after it yet
        points = np.int64(0)  # code points before i
        begin = begin_point = last = last_point = before = before_point = np.int64(-1)
        i = start
        while i <= stop:  # one turn a line
            line, line_point = i, points
            blank = True
            while i < stop and data[i] != 10:
                blank = blank and _blank(data[i])
                points += (data[i] & 0xC0) != 0x80
                i += 1
            if not blank:
                if begin < 0:
                    begin, begin_point = line, line_point
                    if waiting >= 0:
                        places[6, waiting], places[10, waiting] = begin_point, begin - start
                        waiting = np.int64(-1)
                last, last_point = i, points
            if begin >= 0 and (blank or not block or i >= stop):
                a, b = high, low
                words = np.int64(0)
                at = begin
                while at < last:
                    at, count = hash_words(data, at, last, kind, utf8, hashes)
                    for j in range(count):
                        a = mix64(a + hashes[j])
                        b = (b ^ hashes[j]) * _SECOND
                        b ^= b >> np.uint64(29)
                    words += count
                total[text] += words
                if words >= min_words:
                    places[0, found], places[1, found], places[2, found] = text, position, words
                    places[3, found], places[4, found] = begin_point, last_point
                    places[5, found], places[6, found] = before_point, -1
                    places[7, found], places[8, found] = begin - start, last - start
                    places[9, found], places[10, found] = before, -1
                    keys[found, 0], keys[found, 1] = a, mix64(b + np.uint64(words))
                    waiting = found
                    found += 1
                    position += 1
                before, before_point = last - start, last_point
                begin = np.int64(-1)
            i += 1
            points += 1
    return found


def find_paragraphs(
    texts: pa.Array, unit: str = "block", min_words: int = 1, source: str = ""
) -> tuple[Paragraphs, Numbers]:
    """Return the texts' paragraphs of at least ``min_words`` words, and the words of each whole text.

    Takes (large_)string and (large_)binary arrays in UTF-8; a null text has nothing. ``source`` enters the keys.
    Memory: 104 bytes a paragraph.
    """
    if unit not in UNITS:
        raise ValueError(f"unit is {unit!r}; allowed: {', '.join(UNITS)}")
    if min_words < 1:
        raise ValueError(f"min_words is {min_words}; allowed: 1 or more")
    buffers, table = text_buffers(texts), lookup()
    data, offsets, _ = buffers
    lines = np.count_nonzero(data[int(offsets[0]) : int(offsets[-1])] == 10)
    most = int(lines) + len(texts)  # pages of the arrays that nothing is written to take no memory
    places, keys = np.empty((11, most), np.int64), np.empty((most, 2), np.uint64)
    words = np.zeros(len(texts), np.int64)
    salt = xxhash.xxh3_128_intdigest(source.encode("utf-8", "surrogatepass"))
    high, low = np.uint64(salt >> 64), np.uint64(salt & 0xFFFF_FFFF_FFFF_FFFF)
    count = _find(
        *buffers, unit == "block", min_words, high, low, table.kind, table.utf8, places, keys, words
    )
    return Paragraphs(*places[:, :count], keys[:count]), words


class Cut(NamedTuple):
    """What one document loses: spans of code points, one a paragraph, in order; their UTF-8 bytes; their words."""

    spans: list[tuple[int, int]]
    bytes: int
    words: int


def cut(paragraphs: Paragraphs, positions: Sequence[int]) -> Cut:
    """Return what one document loses when some of its paragraphs, named by position, are cut."""
    gone = np.zeros(len(paragraphs.text) + 1, np.bool_)
    gone[list(positions)] = True
    spans: list[tuple[int, int]] = []
    size = 0
    nothing_stays = True  # behind the paragraph at hand
    for at in range(len(paragraphs.text) - 1, -1, -1):
        p = Paragraphs(*(column[at] for column in paragraphs))
        if p.after >= 0 and not (at + 1 < len(paragraphs.text) and paragraphs.start[at + 1] == p.after):
            nothing_stays = False  # a paragraph that is too short to go
        if gone[at]:
            if not nothing_stays:
                place, bytes_ = (p.start, p.after), p.after_byte - p.start_byte
            elif p.before >= 0:
                place, bytes_ = (p.before, p.end), p.end_byte - p.before_byte
            else:
                place, bytes_ = (p.start, p.end), p.end_byte - p.start_byte
            spans.append((int(place[0]), int(place[1])))
            size += int(bytes_)
        else:
            nothing_stays = False
    return Cut(spans[::-1], size, int(paragraphs.words[gone[:-1]].sum()))


def later_than(
    keys: Hashes, max_copies: int, seen: int = 0, before: Hashes | None = None
) -> tuple[Flags, int]:
    """Say which of the sorted occurrences come after the first ``max_copies`` of their key.

    ``keys`` (n, 2) are in the order (key, order of the document, position). ``before`` is the key of the row before
    them and ``seen`` how many occurrences of it there were, so that a long run can come in pieces; returns the flags
    and the ``seen`` to go on with.
    """
    n = len(keys)
    if not n:
        return np.zeros(0, np.bool_), seen
    new = np.ones(n, np.bool_)
    new[1:] = np.any(keys[1:] != keys[:-1], axis=1)
    new[0] = before is None or bool(np.any(keys[0] != before))
    starts = np.where(new, np.arange(n), -1)
    rank = np.arange(n) - np.maximum.accumulate(starts)  # of a run that began before: counted from -1
    began = np.maximum.accumulate(starts) < 0
    rank = np.where(began, np.arange(n) + seen, rank)
    return rank >= max_copies, int(rank[-1]) + 1
