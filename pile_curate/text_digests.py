"""Digest Arrow text for exact duplicates, bit-equal to ``hashing.text_digest``, without a string per document.

A kernel folds white space, 64 bytes at a time, of many documents into one scratch buffer that stays in the
second-level cache; ``hashlib`` then digests slices of it. The cost is BLAKE2b's (1.0 to 1.3 GB/s on the
machine in ``docs/LOG.md``) and a small part for folding.

White space is what Python's ``re`` calls ``\\s`` in a ``str``, in UTF-8 (``white_space.py``). Bytes that are not
UTF-8 are kept as they are: the digest is that of ``text_digest`` on the text decoded, and the result encoded,
with ``errors="surrogateescape"``.

Memory beside the input: 256 kB, or the size of the largest document.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa

from pile_curate.blocks import BLOCK, copy_block, trailing_zeros
from pile_curate.compiled import compiled, inlined
from pile_curate.white_space import ASCII_WHITE, white_lead, wide_white
from pile_curate.word_hashes import Bytes, text_buffers

_SCRATCH = 1 << 18
_SPACE = 0x20

_copy = copy_block(_SPACE, *ASCII_WHITE)


@inlined
def _white(data: Bytes, i: int, stop: int) -> int:
    """Return how many bytes the white space at ``i`` has; 0 if something else is there."""
    first = np.int64(data[i])
    if first < 0x80:
        return 1 if (first == 0x20 or 0x09 <= first <= 0x0D or 0x1C <= first <= 0x1F) else 0
    if first < 0xC2 or first > 0xE3 or i + 1 >= stop:
        return 0
    second = np.int64(data[i + 1])
    if first == 0xC2:
        return 2 if (second == 0x85 or second == 0xA0) else 0
    if i + 2 >= stop:
        return 0
    third = np.int64(data[i + 2])
    if first == 0xE2:
        if second == 0x80:
            return 3 if (0x80 <= third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF) else 0
        return 3 if (second == 0x81 and third == 0x9F) else 0
    if third != 0x80:
        return 0
    return 3 if ((first == 0xE1 and second == 0x9A) or (first == 0xE3 and second == 0x80)) else 0


@inlined
def _fold(data: Bytes, start: int, stop: int, out: Bytes, at: int) -> Any:
    """Write the folded document to ``out[at:]`` (and up to 64 bytes of waste after it); return its end."""
    i = np.int64(start)
    o = np.int64(at)
    limit = np.int64(data.size) - (BLOCK + 2)
    after = True  # white space, or the document's start, is before i: more white space writes nothing
    while i < stop:
        if i <= limit:
            white = _copy(out, o, data, i)
            odd = white & ((white << np.uint64(1)) | np.uint64(after))
            if white_lead(data, i) != np.uint64(0):
                two, three = wide_white(data, i)
                odd |= two | three
            size = min(trailing_zeros(odd), stop - i)
            if size > 0:
                after = (white >> np.uint64(size - 1)) & np.uint64(1) != np.uint64(0)
                i += size
                o += size
                if size == BLOCK or i >= stop:
                    continue
        size = np.int64(_white(data, i, stop))
        if size == 0:
            out[o] = data[i]
            o += 1
            i += 1
            after = False
            continue
        if not after:
            out[o] = _SPACE
            o += 1
            after = True
        while size > 0:
            i += size
            size = np.int64(_white(data, i, stop)) if i < stop else np.int64(0)
    if after and o > at:
        o -= 1
    return o


@compiled
def _fold_some(data: Bytes, offsets: Any, first: int, scratch: Bytes, ends: Any) -> Any:
    """Fold documents ``first``, ... one after the other until the scratch is full; return the next one.

    ``ends[j]`` becomes the end of document ``first + j``. At least one document must fit.
    """
    at = np.int64(0)
    d = np.int64(first)
    room = min(first + ends.size, offsets.size - 1)
    while d < room and at + (offsets[d + 1] - offsets[d]) + BLOCK <= scratch.size:
        at = _fold(data, offsets[d], offsets[d + 1], scratch, at)
        ends[d - first] = at
        d += 1
    return d


def text_digests(texts: pa.Array) -> pa.FixedSizeBinaryArray:
    """Return each text's 16-byte digest, ``hashing.text_digest`` of it; null for a null text.

    Takes (large_)string and (large_)binary arrays, whole or sliced; raises ``TypeError`` for another type.

    >>> text_digests(pa.array(["a  b\\n"])) == text_digests(pa.array([" a b"]))
    True
    """
    data, offsets, valid = text_buffers(texts)
    count = len(valid)
    largest = int(np.diff(offsets).max(initial=0))
    scratch = np.empty(max(_SCRATCH, largest + BLOCK), np.uint8)
    view = memoryview(scratch)
    ends = np.empty(4096, np.int64)
    digests = bytearray()
    blake2b = hashlib.blake2b
    first = 0
    while first < count:
        after = _fold_some(data, offsets, first, scratch, ends)
        start = 0
        for end in ends[: after - first].tolist():
            digests += blake2b(view[start:end], digest_size=16).digest()
            start = end
        first = after
    bitmap = None
    if not valid.all():
        bitmap = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    return pa.Array.from_buffers(pa.binary(16), count, [bitmap, pa.py_buffer(bytes(digests))])
