"""Hash in a few stable, versioned ways; golden vectors in the tests freeze every one.

Identity (``doc_id``, ``text_digest``) uses BLAKE2b with 128 bits, because a document's author must
not be able to craft a collision that evicts another document. Order, sampling and dataset digests
use XXH3, which is an order of magnitude faster and needs no such resistance.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

import orjson
import pyarrow as pa
import xxhash

HASH_VERSION = 1
"""Bump when any function here changes its output; it is part of every stage's fingerprint."""

_MASK_128 = (1 << 128) - 1
_WHITE = re.compile(r"\s+")


def identity128(*parts: str) -> bytes:
    """Return the 16-byte BLAKE2b of the parts, each prefixed by its length so that no two lists collide."""
    state = hashlib.blake2b(digest_size=16, person=b"pile_curate.id.1")
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        state.update(len(raw).to_bytes(8, "little"))
        state.update(raw)
    return state.digest()


def text_digest(text: str) -> bytes:
    """Return the 16-byte digest that decides exact duplicates: runs of white space count as one space.

    >>> text_digest("a  b\\n") == text_digest(" a b")
    True
    """
    folded = _WHITE.sub(" ", text).strip(" ")
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def order_key(seed: int, doc_id: bytes, purpose: str) -> int:
    """Return a 64-bit number that orders documents at random, the same way on every machine."""
    return xxhash.xxh3_64_intdigest(purpose.encode() + b"\0" + doc_id, seed=seed & 0xFFFF_FFFF_FFFF_FFFF)


def uniform(seed: int, doc_id: bytes, purpose: str) -> float:
    """Return a number in [0, 1) drawn by (seed, doc_id, purpose)."""
    return (order_key(seed, doc_id, purpose) >> 11) * 2.0**-53


def fingerprint(value: Any) -> str:
    """Return the sha256 (hex) of a value's canonical JSON: sorted keys, no white space."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"cannot hash a {type(value).__name__} in a row; use numbers, strings, bytes or lists")


def row_hash(row: dict[str, Any]) -> int:
    """Return the 128-bit hash of one row, independent of the order of its columns."""
    raw = orjson.dumps(row, default=_plain, option=orjson.OPT_SORT_KEYS)
    return xxhash.xxh3_128_intdigest(raw)


def rows_digest(table: pa.Table | pa.RecordBatch, exclude: Iterable[str] = ()) -> int:
    """Return the sum mod 2^128 of the rows' hashes: the order and grouping of rows do not matter.

    ``exclude`` names run-specific columns (paths of this run, times), which never enter a digest.
    """
    names = [name for name in table.schema.names if name not in set(exclude)]
    total = 0
    for row in table.select(names).to_pylist():
        total += row_hash(row)
    return total & _MASK_128


def add_digests(digests: Iterable[int]) -> int:
    """Return the digest of the union of disjoint sets of rows."""
    return sum(digests) & _MASK_128


def hex128(value: int) -> str:
    """Return a digest as 32 hexadecimal digits."""
    return f"{value & _MASK_128:032x}"
