"""Compute band keys: the kernel of ``lsh.band_keys``, apart so that ``lsh`` itself needs no compiler."""

from __future__ import annotations

from typing import Any

import numpy as np

from pile_curate.compiled import compiled
from pile_curate.word_hashes import mix64

_BAND = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xD6E8FEB86659FD93)


@compiled
def write_keys(values: Any, rows: int, keys: Any) -> None:
    """Write the keys of (n, k) values to ``keys`` (n, bands): per band, mix and add, one value after another."""
    n, bands = keys.shape
    chain = np.empty(bands, np.uint64)
    for d in range(n):
        for b in range(bands):
            chain[b] = np.uint64(b + 1) * _BAND
        for row in range(rows):  # all bands side by side: no step waits for the one before it
            for b in range(bands):
                chain[b] = mix64(chain[b] ^ np.uint64(values[d, b * rows + row])) + _STEP
        for b in range(bands):
            keys[d, b] = chain[b]
