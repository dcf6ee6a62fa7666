"""Hash a document's words straight from Arrow's bytes: the word rule of ``words.py`` as a kernel.

The definition, which ``tests/reference.py`` states again in plain Python and golden vectors freeze:
a word's hash runs over the UTF-8 bytes of the folded word in little-endian lanes of 8 bytes (the last
one padded with zeros), ``h = (h ^ lane) * MULTIPLIER; h ^= h >> 32``, from ``START``; at the end
``mix64(h ^ byte length)``. Lanes of bytes rather than code points make ASCII cheap: eight bytes are
classified and folded at once, and most words are one lane. For equal lengths up to 8 bytes the hash is a
bijection, so short words never collide with each other.

Bytes that are not UTF-8 (also overlong forms, surrogates, a sequence cut by the end of the document)
separate words, one byte at a time; this equals decoding with ``errors="replace"``.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pile_curate import words
from pile_curate.compiled import compiled, inlined

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]

START = np.uint64(0x9E3779B97F4A7C15)
MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)

_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
_HIGH = np.uint64(0x8080808080808080)
_CASE = np.uint64(0x2020202020202020)
_ONES = np.uint64(0x0101010101010101)
_FROM_A = _ONES * np.uint64(0x80 - ord("a"))
_AFTER_Z = _ONES * np.uint64(0x80 - ord("z") - 1)
_FROM_0 = _ONES * np.uint64(0x80 - ord("0"))
_AFTER_9 = _ONES * np.uint64(0x80 - ord("9") - 1)


class Lookup(NamedTuple):
    """What the kernel needs of the table: ``kind | (length << 2)`` and the folded UTF-8, little-endian."""

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
    return Lookup(shipped.kind | (length << 2).astype(np.uint8), utf8)


@intrinsic  # type: ignore[untyped-decorator]
def _load64(typing_context: Any, data: Any, index: Any) -> Any:
    """Read 8 bytes at any alignment as a little-endian uint64; the caller checks the bounds."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.gep(array.data, [arguments[1]])
        word = builder.load(builder.bitcast(pointer, ir.IntType(64).as_pointer()), align=1)
        return word

    return types.uint64(data, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _trailing_zeros(typing_context: Any, value: Any) -> Any:
    """Count the zero bits below the lowest set bit; 64 for zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


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
def _decode(data: Bytes, i: int, stop: int) -> Any:
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


@inlined
def _step(h: int, lane: int) -> Any:
    h = (h ^ lane) * MULTIPLIER
    return h ^ (h >> np.uint64(32))


@inlined
def _alphanumeric(x: int) -> Any:
    """Return 8 bytes' classes at once: bit 7 of each byte that is an ASCII letter or digit."""
    low = x & _LOW
    lower = (x | _CASE) & _LOW
    letters = (lower + _FROM_A) & ~(lower + _AFTER_Z)
    digits = (low + _FROM_0) & ~(low + _AFTER_9)
    return (letters | digits) & ~x & _HIGH


@inlined
def _bytes_below(flags: int) -> Any:
    """Return how many bytes lie below the first flagged one; 8 if none is flagged."""
    return np.int64(_trailing_zeros(flags) >> np.uint64(3))


@compiled
def hash_words(data: Bytes, start: int, stop: int, kind: Bytes, utf8: Any, out: Hashes) -> Any:
    """Write the hashes of the words of ``data[start:stop]`` to ``out`` until either ends.

    Returns (where to go on, how many were written); it always stops between words, so calling again
    from there gives the rest, and a document of any length needs only a small ``out``.
    """
    count = np.int64(0)
    i = np.int64(start)
    limit = min(np.int64(stop), np.int64(data.size) - 7)  # below it, 8 bytes can be read
    while i < stop and count < out.size:
        alone = False
        if i < limit:
            x = _load64(data, i)
            skip = _bytes_below(_alphanumeric(x) | (x & _HIGH))
            if skip > 0:
                i += skip
                continue
        if i >= limit or data[i] >= 0x80:
            found = _decode(data, i, stop)
            what = np.int64(kind[found >> 3]) & 3
            if what == words.SEPARATOR or what == words.MARK:
                i += found & 7
                continue
            alone = what == words.LETTER
        h = START
        lane = np.uint64(0)
        total = np.int64(0)  # bytes so far; total & 7 of them wait in the lane
        going = True
        while going and i < stop:
            size = np.int64(0)
            if not alone and i < limit:
                x = _load64(data, i)
                size = min(_bytes_below(~_alphanumeric(x) & _HIGH), stop - i)
            if size > 0:  # a run of ASCII letters and digits: bit 5 folds the case and is set in digits
                piece = x | _CASE
                i += size
                if size < 8:
                    piece &= (np.uint64(1) << np.uint64(8 * size)) - np.uint64(1)
                    going = i < stop and data[i] >= 0x80
            else:
                found = _decode(data, i, stop)
                what = np.int64(kind[found >> 3])
                now = what & 3
                if now == words.SEPARATOR:
                    break
                if now != words.MARK and total > 0 and (alone or now == words.LETTER):
                    break
                piece = np.uint64(utf8[found >> 3])
                size = what >> 2
                i += found & 7
            waiting = total & 7
            lane |= piece << np.uint64(8 * waiting)
            if waiting + size >= 8:
                h = _step(h, lane)
                lane = piece >> np.uint64(8 * (8 - waiting)) if waiting else np.uint64(0)
            total += size
        if total & 7:
            h = _step(h, lane)
        out[count] = mix64(h ^ np.uint64(total))
        count += 1
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
