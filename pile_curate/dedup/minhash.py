"""Turn Arrow text into MinHash signatures and shingle sets, with no Python object per document.

Definition (``MINHASH_VERSION``; ``tests/reference.py`` states it again in plain Python, golden vectors
freeze it; all arithmetic mod 2^64):

* Word hashes w are those of ``pile_curate.word_hashes``. n consecutive words combine as
  ``H = w[0]*P^(n-1) + ... + w[n-1]``, which rolls; P is 3 mod 8, so that P^i - P^j has few factors of 2 and
  two words that change places change H.
* A *shingle* is ``mix64(H ^ mix64(seed + GOLDEN))``, with 0 replaced by 1. The set of a document's shingles
  is what Jaccard is about.
* The *signature* is Fast Similarity Sketching (Dahlgaard, Knudsen, Thorup 2017, arXiv 1704.04370,
  algorithm 1) with k positions. In round r = 0, 1, ... a shingle s has the hash ``h = s`` (r = 0) or
  ``mix64(s + r*GOLDEN)``. While r < k it falls into position ``(h >> 32) * k >> 32`` with the value
  ``rotl(h, 32)``; in round k + j every shingle falls into position j. A position takes its least value
  in the first round that reaches it; rounds stop when none is empty (2^64 - 1 stands for empty). A position's
  output is ``mix64(value) >> 32``: least values share their leading zeros, so without this mixing two
  unrelated documents would agree far more often than once in 2^32.

Each position agrees with probability J, and agreements are more concentrated than with k independent
permutations, because within a round the positions sample without replacement. A document of hundreds of
shingles costs one pass; a tiny one at most 2k passes over its few shingles.

Fewer than n words: no shingles and a null signature. Null text is a document without words.

Memory beside the input: 8 to 40 bytes per *distinct* shingle of the largest document.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pile_curate.compiled import compiled, inlined
from pile_curate.word_hashes import Bytes, Hashes, hash_words, lookup, mix64, text_buffers

MINHASH_VERSION = 1
"""Bump when any text would get another signature or shingle; part of annotate's and dedup's fingerprint."""

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
POLYNOMIAL = np.uint64(0x369DEA0F31A53F8B)
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_CHUNK = 1024  # word hashes between two kernels: 8 kB, stays in the first-level cache
_KEEP = 1 << 17  # a table larger than this (1 MB) is given back after its document


@inlined
def _insert(table: Hashes, mask: int, shingle: int) -> bool:
    """Put a shingle into the open-addressing set (0 is empty); say whether it is new."""
    slot = np.int64(shingle & np.uint64(mask))
    while table[slot] != np.uint64(0):
        if table[slot] == shingle:
            return False
        slot = (slot + 1) & mask
    table[slot] = shingle
    return True


@compiled
def _collect(
    data: Bytes,
    start: int,
    stop: int,
    ngram: int,
    seed: int,
    kind: Bytes,
    utf8: Any,
    table: Hashes,
    dense: Hashes,
) -> Any:
    """Return (table, dense, words, distinct): the document's distinct shingles are ``dense[:distinct]``."""
    words = np.int64(0)
    distinct = np.int64(0)
    capacity = np.int64(64)
    while capacity < (stop - start) >> 2 and capacity < 65536:
        capacity <<= 1
    if table.size < capacity or table.size > _KEEP:
        table = np.empty(capacity, np.uint64)
        dense = np.empty(capacity, np.uint64)
    table[:capacity] = np.uint64(0)
    hashes = np.empty(_CHUNK, np.uint64)
    window = np.zeros(ngram, np.uint64)
    leaving = np.uint64(1)
    for _ in range(ngram):
        leaving *= POLYNOMIAL
    salt = mix64(np.uint64(seed) + GOLDEN)
    rolled = np.uint64(0)
    oldest = np.int64(0)
    i = np.int64(start)
    while i < stop:
        i, count = hash_words(data, i, stop, kind, utf8, hashes)
        if 5 * (distinct + count) > 3 * capacity:  # keeps the load below 0.6
            while 5 * (distinct + count) > 3 * capacity:
                capacity <<= 1
            table = np.zeros(capacity, np.uint64)
            for j in range(distinct):
                _insert(table, capacity - 1, dense[j])
            grown = np.empty(capacity, np.uint64)
            grown[:distinct] = dense[:distinct]
            dense = grown
        for j in range(count):
            rolled = rolled * POLYNOMIAL + hashes[j] - window[oldest] * leaving
            window[oldest] = hashes[j]
            oldest = oldest + 1 if oldest + 1 < ngram else np.int64(0)
            words += 1
            if words >= ngram:
                shingle = mix64(rolled ^ salt)
                if shingle == np.uint64(0):
                    shingle = np.uint64(1)
                dense[distinct] = shingle
                distinct += np.int64(_insert(table, capacity - 1, shingle))
    return table, dense, words, distinct


@inlined
def _sketch(shingles: Hashes, values: Hashes, reached: Any, out: Any) -> None:
    """Write the signature of a set of at least one shingle to ``out``; ``values``, ``reached`` are scratch."""
    k = values.size
    values[:] = _EMPTY
    size = np.uint64(k)
    for j in range(shingles.size):
        h = shingles[j]
        at = ((h >> np.uint64(32)) * size) >> np.uint64(32)
        value = (h << np.uint64(32)) | (h >> np.uint64(32))
        if value < values[at]:
            values[at] = value
    empty = np.int64(0)
    for b in range(k):
        reached[b] = values[b] != _EMPTY
        empty += not reached[b]
    r = np.int64(0)
    while empty > 0 and r < 2 * k - 1:
        r += 1
        step = np.uint64(r) * GOLDEN
        if r >= k and reached[r - k]:
            continue
        for j in range(shingles.size):
            h = mix64(shingles[j] + step)
            at = np.uint64(r - k) if r >= k else ((h >> np.uint64(32)) * size) >> np.uint64(32)
            value = (h << np.uint64(32)) | (h >> np.uint64(32))
            if not reached[at] and value < values[at]:
                values[at] = value
        empty = np.int64(0)
        for b in range(k):
            reached[b] = values[b] != _EMPTY
            empty += not reached[b]
    for b in range(k):
        out[b] = np.uint32(mix64(values[b]) >> np.uint64(32))


@compiled
def _signatures(
    data: Bytes, offsets: Any, valid: Bytes, ngram: int, seed: int, kind: Bytes, utf8: Any,
    words: Any, shingles: Any, out: Any,
) -> None:  # fmt: skip
    table = np.empty(0, np.uint64)
    dense = np.empty(0, np.uint64)
    k = out.shape[1]
    values = np.empty(k, np.uint64)
    reached = np.empty(k, np.bool_)
    for d in range(valid.size):
        words[d] = 0
        shingles[d] = 0
        if valid[d]:
            table, dense, words[d], shingles[d] = _collect(
                data, offsets[d], offsets[d + 1], ngram, seed, kind, utf8, table, dense
            )
            if shingles[d] > 0:
                _sketch(dense[: shingles[d]], values, reached, out[d])


@compiled
def _intersection(a: Hashes, b: Hashes) -> int:
    i = j = both = 0
    while i < a.size and j < b.size:
        x, y = a[i], b[j]
        both += x == y
        i += x <= y
        j += y <= x
    return both


def _checked(ngram: int, seed: int) -> tuple[int, np.uint64]:
    if ngram < 1:
        raise ValueError(f"ngram is {ngram}; allowed: 1 or more")
    return ngram, np.uint64(seed & 0xFFFF_FFFF_FFFF_FFFF)


def signatures(
    texts: pa.Array, *, ngram: int = 5, permutations: int = 126, seed: int = 1
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], pa.Array]:
    """Return each text's number of words, of distinct shingles, and its signature.

    The signature is binary: ``permutations`` little-endian uint32 values, null below ``ngram`` words.
    Takes (large_)string and (large_)binary arrays; null text has 0 words. One batch holds at most 2 GiB of
    signatures (4.2 million documents at 126 values), else ``ValueError``.
    """
    ngram, salt = _checked(ngram, seed)
    if permutations < 1:
        raise ValueError(f"permutations are {permutations}; allowed: 1 or more")
    count = len(texts)
    if count * permutations * 4 > np.iinfo(np.int32).max:
        raise ValueError(f"{count} signatures of {4 * permutations} bytes exceed 2 GiB; pass smaller batches")
    buffers, table = text_buffers(texts), lookup()
    words, shingles = np.zeros(count, np.int64), np.zeros(count, np.int64)
    values = np.empty((count, permutations), np.uint32)
    _signatures(*buffers, ngram, salt, table.kind, table.utf8, words, shingles, values)
    some = shingles > 0
    ends = np.zeros(count + 1, np.int32)
    np.cumsum(some * (4 * permutations), out=ends[1:])
    packed = values if some.all() else values[some]
    bitmap = pa.py_buffer(np.packbits(some, bitorder="little").tobytes())
    body = [bitmap, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(packed))]
    return words, shingles, pa.Array.from_buffers(pa.binary(), count, body)


def signature_values(signatures: pa.Array, permutations: int) -> npt.NDArray[np.uint32]:
    """Return the non-null signatures as an array (m, permutations); raises ``ValueError`` on another length."""
    present = signatures.drop_null().cast(pa.large_binary())
    buffers = text_buffers(present)
    if np.any(np.diff(buffers.offsets) != 4 * permutations):
        raise ValueError(
            f"a signature is not {4 * permutations} bytes long; annotate ran with other settings"
        )
    body = buffers.data[int(buffers.offsets[0]) : int(buffers.offsets[-1])]
    return (
        body.view(np.uint32).reshape(len(present), permutations)
        if body.size
        else (np.empty((0, permutations), np.uint32))
    )


def shingle_sets(texts: pa.Array, ngram: int = 5, seed: int = 1) -> list[Hashes]:
    """Return each text's set of shingles as a sorted array without repeats; empty below ``ngram`` words."""
    ngram, salt = _checked(ngram, seed)
    (data, offsets, valid), table = text_buffers(texts), lookup()
    slots = dense = np.empty(0, np.uint64)
    sets = []
    for d in range(len(texts)):
        distinct = 0
        if valid[d]:
            slots, dense, _, distinct = _collect(
                data, offsets[d], offsets[d + 1], ngram, salt, table.kind, table.utf8, slots, dense
            )
        sets.append(np.sort(dense[:distinct]))
    return sets


def intersection(a: Hashes, b: Hashes) -> int:
    """Return how many shingles two sorted sets share: one merge, O(len(a) + len(b))."""
    return int(_intersection(a, b))


def jaccard(a: Hashes, b: Hashes) -> float:
    """Return the Jaccard similarity of two sorted sets; two empty sets are equal (1.0).

    >>> jaccard(np.array([1, 2, 3], np.uint64), np.array([2, 3, 4], np.uint64))
    0.5
    """
    both = intersection(a, b)
    union = len(a) + len(b) - both
    return both / union if union else 1.0
