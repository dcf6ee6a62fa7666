"""Hash a document's words straight from Arrow's bytes: the word rule of ``words.py`` as a kernel.

The definition, which ``tests/reference.py`` states again in plain Python and golden vectors freeze:
a word's hash runs over the UTF-8 bytes of the folded word in little-endian lanes of 8 bytes (the last
one padded with zeros), ``h = (h ^ lane) * MULTIPLIER; h ^= h >> 32``, from ``START``; at the end
``mix64(h ^ byte length)``. For equal lengths up to 8 bytes the hash is a bijection, so short words never
collide with each other.

Bytes that are not UTF-8 (also overlong forms, surrogates, a sequence cut by the end of the document)
separate words, one byte at a time; this equals decoding with ``errors="replace"``.

The work is split so that almost no branch depends on the text, because a wrongly predicted branch costs as
much as hashing two words. ``_scan`` goes over 64 bytes at a time, writes the folded text to scratch and
finds where words start and end as bits of a mask. ASCII, Latin-1, Cyrillic, Hangul, Han and kana need nothing
else; another character of two or three bytes one look into the table. What does not fit (four bytes, a folding
of another length, bytes that are not UTF-8) goes character by character. ``_hash_found`` then
hashes the words lane by lane, in loops that LLVM turns into vector code.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pile_curate import words
from pile_curate.blocks import (
    BLOCK,
    classify,
    classify_wide,
    count_ones,
    load32,
    load64,
    store8,
    store16,
    store32,
    trailing_zeros,
)
from pile_curate.compiled import compiled, inlined

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]

START = np.uint64(0x9E3779B97F4A7C15)
MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)

CHUNK = 4096
"""Bytes of folded text between scanning and hashing: with all that belongs to them they stay in the caches."""

_ROOM = 128  # a block, and a word's last lane, may be written and read this far beyond the chunk


class Lookup(NamedTuple):
    """What the kernel needs of the table, by code point.

    ``kind`` holds the kind in bits 0 and 1, the folded form's bytes in bits 2 to 4 and the character's own
    in bits 5 to 7; ``utf8`` the folded form, little-endian.
    """

    kind: Bytes
    utf8: npt.NDArray[np.uint32]


@functools.cache
def lookup() -> Lookup:
    """Return the shipped table in the kernel's form (5.5 MB, once a process)."""
    shipped = words.tables()
    c = shipped.fold.astype(np.uint32)
    low, mid, high = (c & 63) | 128, ((c >> 6) & 63) | 128, ((c >> 12) & 63) | 128
    forms = [
        c,
        (c >> 6) | 192 | (low << 8),
        (c >> 12) | 224 | (mid << 8) | (low << 16),
        (c >> 18) | 240 | (high << 8) | (mid << 16) | (low << 24),
    ]
    length = 1 + (c > 0x7F) + (c > 0x7FF).astype(np.uint8) + (c > 0xFFFF)
    utf8 = np.choose(length - 1, forms).astype(np.uint32)
    code = np.arange(words.CODE_POINTS)
    own = 1 + (code > 0x7F) + (code > 0x7FF).astype(np.uint8) + (code > 0xFFFF)
    return Lookup(shipped.kind | (length << 2).astype(np.uint8) | (own << 5).astype(np.uint8), utf8)


@inlined
def mix64(z: int) -> Any:
    """Mix 64 bits (the finaliser of SplitMix64; Steele, Lea, Flood 2014): a bijection."""
    z = np.uint64(z)
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inlined
def decode(data: Bytes, i: int, stop: int) -> Any:
    """Return ``code point << 3 | bytes`` of the character at ``i``, or 1 (code point 0) if it is not UTF-8."""
    first = np.int64(data[i])
    if first < 0x80:
        return first << 3 | 1
    if first < 0xC2 or first > 0xF4 or i + 1 >= stop:
        return np.int64(1)
    second = np.int64(data[i + 1])
    if second & 0xC0 != 0x80:
        return np.int64(1)
    code = (first & 0x1F) << 6 | (second & 0x3F)
    if first < 0xE0:
        return code << 3 | 2
    if i + 2 >= stop:
        return np.int64(1)
    third = np.int64(data[i + 2])
    if third & 0xC0 != 0x80:
        return np.int64(1)
    code = (code & 0x3FF) << 6 | (third & 0x3F)
    if first < 0xF0:
        if code < 0x800 or 0xD800 <= code < 0xE000:
            return np.int64(1)
        return code << 3 | 3
    if i + 3 >= stop:
        return np.int64(1)
    fourth = np.int64(data[i + 3])
    if fourth & 0xC0 != 0x80:
        return np.int64(1)
    code = (code & 0x7FFF) << 6 | (fourth & 0x3F)
    if code < 0x10000 or code > 0x10FFFF:
        return np.int64(1)
    return code << 3 | 4


class Scratch(NamedTuple):
    """What scanning and hashing write for one chunk: the folded text, and by word its place, state and lanes."""

    text: Bytes
    starts: Any
    ends: Any
    states: Hashes
    sizes: Hashes
    longer: Any


@inlined
def new_scratch(chunk: int, room: int) -> Scratch:
    """Return scratch for ``chunk`` bytes of folded text and ``room`` words (100 to 200 kB as used here)."""
    return Scratch(
        np.empty(chunk + _ROOM, np.uint8),
        np.empty(room + BLOCK, np.int32),
        np.empty(room + BLOCK, np.int32),
        np.empty(room + BLOCK, np.uint64),
        np.empty(room + BLOCK, np.uint64),
        np.empty(room + BLOCK, np.int32),
    )


@inlined
def below(n: int) -> Any:
    """Return a mask of the lowest n bits, 1 to 64."""
    return ~np.uint64(0) >> np.uint64(64 - n)


@inlined
def _scan(data: Bytes, start: int, stop: int, kind: Bytes, utf8: Any, scratch: Scratch, room: int) -> Any:
    """Find the words of ``data[start:stop]`` until the end, the chunk or the room for words is full.

    Returns (where to go on, how many): word j is ``text[starts[j]:ends[j]]``. It stops between words;
    if it gets nowhere, one word is longer than the chunk.
    """
    text, starts, ends = scratch.text, scratch.starts, scratch.ends
    full = text.size - _ROOM
    begun = done = o = np.int64(0)
    carry = carry_alone = np.uint64(0)  # is there a word before i that may go on; is it a LETTER's
    i = last = np.int64(start)  # last: where the word begun last starts
    limit = np.int64(data.size) - (BLOCK + 3)
    while i < stop and o < full and done < room:
        n = np.int64(0)
        if i <= limit and done + 34 <= room:  # at most 33 words end in a block
            body, high, inner = classify(text, o, data, i)
            n = min(np.int64(BLOCK), stop - i)
            first = alone = np.uint64(0)
            if high != np.uint64(0):
                two, three, first, apart = classify_wide(text, o, data, i)
                inner &= below(n)
                next_inner = inner >> np.uint64(1)
                two &= next_inner
                next_inner &= inner >> np.uint64(2)
                three &= next_inner
                first &= next_inner
                apart &= next_inner
                alone = first | first << np.uint64(1) | first << np.uint64(2)
                body |= (
                    two | two << np.uint64(1) | three | three << np.uint64(1) | three << np.uint64(2) | alone
                )
                leads = high & ~(inner | two | three | first | apart)
                known = three | first | apart
                known = (two | known) << np.uint64(1) | known << np.uint64(2)
                while leads != np.uint64(0):
                    p = trailing_zeros(leads)
                    leads &= leads - np.uint64(1)
                    at = np.uint64(p)
                    x = load32(data, i + p)
                    long = (x & np.uint64(0xFF)) >= np.uint64(0xE0)
                    code = ((x & np.uint64(31)) << np.uint64(12)) | ((x >> np.uint64(2)) & np.uint64(0xFC0))
                    code |= (x >> np.uint64(16)) & np.uint64(63)
                    code >>= np.uint64(0) if long else np.uint64(6)
                    what = np.uint64(kind[code])
                    size = np.uint64(3) if long else np.uint64(2)
                    rest = np.uint64(6) if long else np.uint64(2)
                    # own and folded length must be the size read (not overlong), and the bytes must be there
                    odd = (what >> np.uint64(2)) != size * np.uint64(9) or (inner >> at) & rest != rest
                    if odd or (x & np.uint64(0xFF)) >= np.uint64(0xF0) or p + np.int64(size) > n:
                        n = min(n, p)
                        break
                    known |= rest << at
                    piece = np.uint64(utf8[code])
                    store16(text, o + p, piece)
                    store8(text, o + p + np.int64(size) - 1, piece >> (np.uint64(8) * size - np.uint64(8)))
                    here = np.uint64(1) << at
                    bits = (rest << at) | here
                    now = what & np.uint64(3)
                    if now == np.uint64(words.WORD):
                        body |= bits
                    elif now == np.uint64(words.LETTER):
                        body |= bits
                        alone |= bits
                        first |= here
                    elif now == np.uint64(words.MARK):
                        if ((body << np.uint64(1)) | carry) & here != np.uint64(0):
                            body |= bits
                        if ((alone << np.uint64(1)) | carry_alone) & here != np.uint64(0):
                            alone |= bits
                if n > 0:
                    n = min(n, trailing_zeros(inner & ~known))
        if n > 0:
            valid = below(n)
            body &= valid
            before = (body << np.uint64(1)) | carry
            new = body & (~before | first | (((alone << np.uint64(1)) | carry_alone) & ~alone))
            over = before & (~body | new) & valid
            carry = (body >> np.uint64(n - 1)) & np.uint64(1)
            carry_alone = (alone >> np.uint64(n - 1)) & np.uint64(1)
            more, less = count_ones(new), count_ones(over)
            j = np.int64(0)
            most = max(more, less)
            while j < most:
                for q in range(4):  # beyond the last bit this writes waste, which is overwritten
                    starts[begun + j + q] = o + trailing_zeros(new)
                    new &= new - np.uint64(1)
                    ends[done + j + q] = o + trailing_zeros(over)
                    over &= over - np.uint64(1)
                j += 4
            begun += more
            done += less
            if more > 0:
                last = i + starts[begun - 1] - o
            i += n
            o += n
            continue
        found = decode(data, i, stop)
        what = np.int64(kind[found >> 3])
        now = what & 3
        going = carry != np.uint64(0)
        separates = now == words.SEPARATOR or (now == words.MARK and not going)
        starting = now != words.MARK and (not going or now == words.LETTER or carry_alone != np.uint64(0))
        if going and (separates or starting):
            ends[done] = o
            done += 1
            carry = carry_alone = np.uint64(0)
        if separates:
            o += 1
        elif starting and done == room:
            break
        else:
            if starting:
                starts[begun] = o
                begun += 1
                last = i
                carry_alone = np.uint64(now == words.LETTER)
            carry = np.uint64(1)
            store32(text, o, np.uint64(utf8[found >> 3]))
            o += (what >> 2) & 7
        i += found & 7
    if carry != np.uint64(0):
        if i >= stop:
            ends[done] = o
            done += 1
        else:
            i = last
    return i, done


@inlined
def _lane(text: Bytes, at: int, rest: int) -> Any:
    """Return up to 8 of a word's remaining bytes."""
    spare = np.uint64(64 - 8 * rest) if rest < 8 else np.uint64(0)
    return load64(text, at) & (~np.uint64(0) >> spare)


@inlined
def _step(h: int) -> Any:
    h *= MULTIPLIER
    return h ^ (h >> np.uint64(32))


@inlined
def _hash_found(scratch: Scratch, count: int, out: Hashes) -> None:
    """Write the hashes of the words that ``_scan`` found: all words' first lanes, then the longer ones' second ..."""
    text, starts, ends = scratch.text, scratch.starts, scratch.ends
    states, sizes, longer = scratch.states, scratch.sizes, scratch.longer
    for j in range(count):  # on its own, because only what follows becomes vector code
        states[j] = load64(text, starts[j])
    for j in range(count):
        size = np.int64(ends[j]) - np.int64(starts[j])
        spare = max(np.int64(64) - 8 * size, np.int64(0))
        states[j] = START ^ (states[j] & (~np.uint64(0) >> np.uint64(spare)))
        sizes[j] = np.uint64(size)
    going = np.int64(0)
    for j in range(count):
        longer[going] = j
        going += sizes[j] > np.uint64(8)
    at = np.int64(8)
    while going > 0:
        some = going
        going = np.int64(0)
        for q in range(some):
            j = longer[q]
            rest = np.int64(sizes[j]) - at
            states[j] = _step(states[j]) ^ _lane(text, starts[j] + at, rest)
            longer[going] = j
            going += rest > 8
        at += 8
    for j in range(count):
        out[j] = mix64(_step(states[j]) ^ sizes[j])


@inlined
def _long_word(data: Bytes, start: int, stop: int, kind: Bytes, utf8: Any, out: Hashes) -> Any:
    """Do as ``next_words`` where one word is longer than the chunk, with scratch that is large enough."""
    size = np.int64(CHUNK)
    i = np.int64(start)
    count = np.int64(0)
    while i == start:
        size *= 4
        scratch = new_scratch(size, min(BLOCK, out.size))
        i, count = _scan(data, start, stop, kind, utf8, scratch, min(BLOCK, out.size))
        if i > start:
            _hash_found(scratch, count, out)
    return i, count


@inlined
def next_words(
    data: Bytes, start: int, stop: int, kind: Bytes, utf8: Any, scratch: Scratch, out: Hashes
) -> Any:
    """Write the hashes of the next words, at most a chunk of them, to ``out``; ``start < stop``.

    Returns (where to go on, how many).
    """
    i, count = _scan(data, start, stop, kind, utf8, scratch, min(out.size, scratch.starts.size - BLOCK))
    if i == start:
        return _long_word(data, start, stop, kind, utf8, out)
    _hash_found(scratch, count, out)
    return i, count


@compiled
def hash_words(data: Bytes, start: int, stop: int, kind: Bytes, utf8: Any, out: Hashes) -> Any:
    """Write the hashes of the words of ``data[start:stop]`` to ``out`` until either ends.

    Returns (where to go on, how many were written); it always stops between words, so calling again
    from there gives the rest, and a document of any length needs only a small ``out``.
    """
    chunk = min(np.int64(CHUNK), 2 * (stop - start) + 8)
    scratch = new_scratch(chunk, min(chunk, np.int64(out.size)))
    count = np.int64(0)
    i = np.int64(start)
    while i < stop and count < out.size:
        i, more = next_words(data, i, stop, kind, utf8, scratch, out[count:])
        count += more
    return i, count


class TextBuffers(NamedTuple):
    """An Arrow string or binary array as the kernels read it; ``valid`` is one byte a row."""

    data: Bytes
    offsets: npt.NDArray[np.int64]
    valid: Bytes


def text_buffers(texts: pa.Array) -> TextBuffers:
    """Return an array's bytes, offsets (absolute, n + 1) and validity without copying the bytes.

    Takes string, large_string, binary and large_binary, with nulls, whole or sliced; raises ``TypeError``
    for any other type.
    """
    wide = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    if not (wide or pa.types.is_string(texts.type) or pa.types.is_binary(texts.type)):
        raise TypeError(f"texts are {texts.type}; allowed: string, large_string, binary, large_binary")
    if isinstance(texts, pa.ChunkedArray):
        raise TypeError("texts are a ChunkedArray; pass its chunks one by one")
    count = len(texts)
    _, offsets, data = texts.buffers()
    if count == 0 or offsets is None:
        return TextBuffers(np.empty(0, np.uint8), np.zeros(count + 1, np.int64), np.zeros(count, np.uint8))
    limits = np.frombuffer(offsets, np.int64 if wide else np.int32, count=texts.offset + count + 1)
    valid = texts.is_valid().to_numpy(zero_copy_only=False).astype(np.uint8)
    body = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return TextBuffers(body, limits[texts.offset :].astype(np.int64), valid)
