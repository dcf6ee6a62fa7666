"""Hash rows fast enough to do it while writing them: the order-free digest of a table's key and text columns.

A row's hash covers its id (as ``row_keys`` encodes it) and its text's bytes; null and empty differ. Without
an id column it covers the text alone, since a row's number is no property of the row. Values above 32 bytes
go through XXH3 with 128 bits, one call each; shorter ones through two lanes of multiply and shift over 8-byte
words in numpy, at a tenth of the cost. The digest of a table is the sum mod 2^128 of its rows' hashes, so
neither order nor files matter. It is no defence against an adversary.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from pile_curate import row_keys

Lanes = NDArray[np.uint64]

_SHORT = 32
_CHUNK = 1 << 14  # rows whose lanes stay in a core's cache
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)
_NULL = np.array([[0x6E756C6C5F69645F], [0x9AE16A3B2F90404F]], np.uint64)
# Odd 64-bit constants: the golden ratio's bits and those of splitmix64 and murmur's finalisers.
_MULTIPLY = np.array([[0x9E3779B97F4A7C15], [0xC2B2AE3D27D4EB4F]], np.uint64)
_FINISH = np.array([[0xBF58476D1CE4E5B9], [0x94D049BB133111EB]], np.uint64)


def rows_sum(text: pa.Array, ids: pa.Array | None) -> int:
    """Return the sum mod 2^128 of the hashes of rows; ``text`` is a plain string or binary array."""
    total = 0
    for start in range(0, len(text), _CHUNK):
        part = text.slice(start, _CHUNK)
        lanes = hash_values(part)
        if ids is not None:
            lanes = _mix(_mix(_hash_ids(ids.slice(start, _CHUNK))) + lanes)
        total += _total(lanes[0]) + (_total(lanes[1]) << 64)
    return total & ((1 << 128) - 1)


def _hash_ids(ids: pa.Array) -> Lanes:
    known = row_keys.valid_mask(ids)
    if known is None:
        return hash_values(row_keys.encode_ids(ids))
    out = np.repeat(_NULL, len(ids), axis=1)
    out[:, known] = hash_values(row_keys.encode_ids(ids.filter(pa.array(known))))
    return out


def hash_values(array: pa.Array) -> Lanes:
    """Return the 128-bit hashes, as (2, n), of a string or binary array; nulls get a constant."""
    offsets, data = row_keys.value_bytes(array)
    lengths = np.diff(offsets)
    short = lengths <= _SHORT
    if short.all():
        out = _short(offsets[:-1], lengths, data)
    else:
        out = np.empty((2, len(array)), np.uint64)
        if short.any():
            out[:, short] = _short(offsets[:-1][short], lengths[short], data)
        view = memoryview(cast("bytes", data))
        digest = xxhash.xxh3_128_digest
        long = ~short
        pairs = zip(offsets[:-1][long].tolist(), offsets[1:][long].tolist(), strict=True)
        raw = b"".join([digest(view[start:stop]) for start, stop in pairs])
        out[:, long] = np.frombuffer(raw, "<u8").reshape(-1, 2).T
    known = row_keys.valid_mask(array)
    if known is not None:
        out[:, ~known] = _NULL
    return out


def _short(starts: NDArray[np.int64], lengths: NDArray[np.int64], data: NDArray[np.uint8]) -> Lanes:
    """Hash values of at most 32 bytes, word by word."""
    out: Lanes = lengths.astype(np.uint64) * _MULTIPLY + _FINISH
    if not len(starts):
        return out
    first, last = int(starts.min()), int((starts + lengths).max())
    padded = np.zeros(last - first + _SHORT, np.uint8)
    padded[: last - first] = data[first:last]
    words = np.ndarray((len(padded) - 7,), "<u8", padded.data, strides=(1,))
    at = starts - first
    out = _mix(out ^ (words[at] & _MASKS[np.minimum(lengths, 8)]))
    for place in range(8, int(lengths.max()), 8):
        live = np.flatnonzero(lengths > place)  # a value's hash must not depend on its neighbours' lengths
        word = words[at[live] + place] & _MASKS[np.minimum(lengths[live] - place, 8)]
        out[:, live] = _mix(out[:, live] ^ word)
    return _mix(out)


def _mix(lanes: Lanes) -> Lanes:
    """Scramble in place: multiply and shift, as the finalisers of splitmix64 and murmur do."""
    for shift, factor in ((31, _MULTIPLY), (29, _FINISH), (32, None)):
        lanes ^= lanes >> np.uint64(shift)
        if factor is not None:
            lanes *= factor
    return lanes


def _total(lane: NDArray[np.uint64]) -> int:
    low = int((lane & np.uint64(0xFFFF_FFFF)).sum())
    return low + (int((lane >> np.uint64(32)).sum()) << 32)
