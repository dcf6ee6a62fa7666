"""State the signature's definition in slow, plain Python, for comparison with the kernels bit by bit.

Written from the docstrings of ``word_hashes``, ``minhash`` and ``text_digests``; uses nothing of theirs.
"""

from __future__ import annotations

import hashlib
import re

from pile_curate.words import split

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
START = 0x9E3779B97F4A7C15
MULTIPLIER = 0xD6E8FEB86659FD93
POLYNOMIAL = 0x369DEA0F31A53F8B


def mix64(z: int) -> int:
    z &= MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def word_hash(word: str) -> int:
    raw = word.encode()
    h = START
    for at in range(0, len(raw), 8):
        h = ((h ^ int.from_bytes(raw[at : at + 8], "little")) * MULTIPLIER) & MASK
        h ^= h >> 32
    return mix64(h ^ len(raw))


def words_of(text: str | bytes) -> list[str]:
    return split(text.decode("utf-8", "replace") if isinstance(text, bytes) else text)


def shingles(text: str | bytes, ngram: int, seed: int) -> set[int]:
    hashes = [word_hash(word) for word in words_of(text)]
    found = set()
    for start in range(len(hashes) - ngram + 1):
        h = 0
        for w in hashes[start : start + ngram]:
            h = (h * POLYNOMIAL + w) & MASK
        found.add(mix64(h ^ mix64(seed + GOLDEN)) or 1)
    return found


def signature(shingles: set[int], k: int) -> list[int] | None:
    """Return Fast Similarity Sketching of the set, values mixed to 32 bits; None for the empty set."""
    if not shingles:
        return None
    best: dict[int, int] = {}
    for r in range(2 * k):
        this_round: dict[int, int] = {}
        for s in shingles:
            h = s if r == 0 else mix64(s + r * GOLDEN)
            at = (h >> 32) * k >> 32 if r < k else r - k
            value = ((h << 32) | (h >> 32)) & MASK
            if at not in best and value < this_round.get(at, MASK):
                this_round[at] = value
        best |= this_round
        if len(best) == k:
            break
    return [mix64(best[b]) >> 32 for b in range(k)]


def digest_of_bytes(raw: bytes) -> bytes:
    """Return the digest for exact duplicates of text that may hold bytes that are not UTF-8."""
    text = raw.decode("utf-8", "surrogateescape")
    folded = re.sub(r"\s+", " ", text).strip(" ").encode("utf-8", "surrogateescape")
    return hashlib.blake2b(folded, digest_size=16).digest()
