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

Memory beside the input: about 6 MB; for a document of more than 131,072 shingles 16 to 60 bytes per
shingle, where one that comes again within 65,536 counts once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pile_curate.compiled import compiled, inlined
from pile_curate.dedup.shingles import GOLDEN, collect, new_room, room_for
from pile_curate.word_hashes import CHUNK, Bytes, Hashes, lookup, mix64, new_scratch, text_buffers

MINHASH_VERSION = 1
"""Bump when any text would get another signature or shingle; part of annotate's and dedup's fingerprint."""

_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_TILE = 512  # shingles hashed again at once


@inlined
def _sketch(shingles: Hashes, values: Hashes, rounds: Any, hashes: Hashes, out: Any) -> None:
    """Write the signature of a set of at least one shingle to ``out``; the three before are scratch.

    ``rounds[b]`` is the round that reached position b, 2k when none did.
    """
    k = values.size
    values[:] = _EMPTY
    size = np.uint64(k)
    for j in range(shingles.size):  # no branch: in a document of usual length a third of them would be taken
        h = shingles[j]
        at = ((h >> np.uint64(32)) * size) >> np.uint64(32)
        values[at] = min((h << np.uint64(32)) | (h >> np.uint64(32)), values[at])
    empty = np.int64(0)
    for b in range(k):
        none = values[b] == _EMPTY
        rounds[b] = 2 * k if none else 0
        empty += none
    r = np.int64(0)
    while empty > 0 and r < 2 * k - 1:
        r += 1
        step = np.uint64(r) * GOLDEN
        if r >= k and rounds[r - k] < r:
            continue
        for begin in range(0, shingles.size, hashes.size):
            some = shingles[begin : begin + hashes.size]
            for j in range(some.size):
                hashes[j] = mix64(some[j] + step)
            for j in range(some.size):
                h = hashes[j]
                at = np.uint64(r - k) if r >= k else ((h >> np.uint64(32)) * size) >> np.uint64(32)
                if rounds[at] >= r:
                    value = (h << np.uint64(32)) | (h >> np.uint64(32))
                    if value < values[at]:
                        empty -= rounds[at] > r
                        rounds[at] = r
                        values[at] = value
    for b in range(k):
        out[b] = np.uint32(mix64(values[b]) >> np.uint64(32))


@compiled
def _signatures(
    data: Bytes, offsets: Any, valid: Bytes, ngram: int, seed: int, kind: Bytes, utf8: Any,
    words: Any, shingles: Any, out: Any,
) -> None:  # fmt: skip
    scratch = new_scratch(CHUNK, CHUNK)
    room = new_room(room_for(offsets), False)
    hashes = np.empty(CHUNK + ngram, np.uint64)
    salt = mix64(np.uint64(seed) + GOLDEN)
    k = out.shape[1]
    values = np.empty(k, np.uint64)
    rounds = np.empty(k, np.int64)
    again = np.empty(_TILE, np.uint64)
    for d in range(valid.size):
        words[d] = 0
        shingles[d] = 0
        if not valid[d]:
            continue
        count = np.int64(-1)
        while count < 0:
            words[d], count = collect(
                data, offsets[d], offsets[d + 1], ngram, salt, kind, utf8, False, scratch, hashes, room
            )
            if count < 0:
                room = new_room(3 * room.found.size, False)
        shingles[d] = count
        if count > 0:
            _sketch(room.found[:count], values, rounds, again, out[d])


@compiled
def _pool(
    data: Bytes, offsets: Any, valid: Bytes, ngram: int, seed: int, kind: Bytes, utf8: Any, lengths: Any
) -> Any:
    scratch = new_scratch(CHUNK, CHUNK)
    room = new_room(room_for(offsets), True)
    hashes = np.empty(CHUNK + ngram, np.uint64)
    salt = mix64(np.uint64(seed) + GOLDEN)
    pool = np.empty((offsets[-1] - offsets[0]) // 5 + 64, np.uint64)
    total = np.int64(0)
    for d in range(valid.size):
        lengths[d] = 0
        if not valid[d]:
            continue
        count = np.int64(-1)
        while count < 0:
            _, count = collect(
                data, offsets[d], offsets[d + 1], ngram, salt, kind, utf8, True, scratch, hashes, room
            )
            if count < 0:
                room = new_room(3 * room.found.size, True)
        if total + count > pool.size:
            wider = np.empty((total + count) * 3 // 2, np.uint64)
            wider[:total] = pool[:total]
            pool = wider
        pool[total : total + count] = room.found[:count]
        total += count
        lengths[d] = count
    return pool[:total]


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


def shingle_pool(texts: pa.Array, ngram: int = 5, seed: int = 1) -> tuple[npt.NDArray[np.int64], Hashes]:
    """Return the sizes of the texts' sets of shingles, and all the sorted sets one after the other.

    A set is empty below ``ngram`` words. The pool may hold up to half as much memory again as it shows.
    """
    ngram, salt = _checked(ngram, seed)
    buffers, table = text_buffers(texts), lookup()
    lengths = np.zeros(len(texts), np.int64)
    return lengths, _pool(*buffers, ngram, salt, table.kind, table.utf8, lengths)


def shingle_sets(texts: pa.Array, ngram: int = 5, seed: int = 1) -> list[Hashes]:
    """Return each text's sorted set of shingles as a view of the one array of ``shingle_pool``."""
    lengths, pool = shingle_pool(texts, ngram, seed)
    ends = np.cumsum(lengths).tolist()
    return [pool[end - length : end] for end, length in zip(ends, lengths.tolist())]


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
