"""Hash binary ids from Arrow's buffers, to find those that occur twice without moving the ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pile_curate.compiled import compiled
from pile_curate.word_hashes import Bytes, Hashes, mix64, text_buffers


@compiled
def _hash(data: Bytes, offsets: Any, out: Hashes) -> None:
    for i in range(out.size):
        h = np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(offsets[i + 1] - offsets[i])
        lane = np.uint64(0)
        shift = np.uint64(0)
        for j in range(offsets[i], offsets[i + 1]):
            lane |= np.uint64(data[j]) << shift
            shift += np.uint64(8)
            if shift == np.uint64(64):
                h = mix64(h ^ lane)
                lane = np.uint64(0)
                shift = np.uint64(0)
        out[i] = mix64(h ^ lane)


def hash_ids(ids: pa.Array) -> Hashes:
    """Return a 64-bit hash of each binary id; equal ids have equal hashes, others once in 2^64."""
    buffers = text_buffers(ids)
    out = np.empty(len(ids), np.uint64)
    _hash(buffers.data, buffers.offsets, out)
    return out
