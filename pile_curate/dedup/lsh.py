"""Cut signatures into bands, and say what a choice of bands and rows finds.

Two documents of Jaccard J share a band of r rows with probability about J^r, and at least one of b bands
with about 1 - (1 - J^r)^b: an S-curve that is steep near (1/b)^(1/r) (Leskovec, Rajaraman, Ullman,
Mining of Massive Datasets, 3.4). Only pairs that share a band are compared at all, so the curve at the
threshold is the recall that no later step can mend.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LSH_VERSION = 1
"""Bump when band keys or the choice of parameters change."""

CURVE = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""Where the S-curve is printed: 0.5, 0.55, ... 0.95."""


def minimum_agreement(threshold: float, permutations: int) -> int:
    """Return m = ceil(k (t - 4 sigma)), sigma = sqrt(t (1 - t) / k): a pair that agrees in fewer is no candidate.

    A pair at the threshold itself falls below m about once in 30,000 times, so this costs no recall to
    speak of, and it spares the exact check of pairs that share a band by luck. The bound is rounded to
    1e-9 before it is raised, so that it does not hang on the last bit of a square root.

    >>> minimum_agreement(0.8, 126), minimum_agreement(1.0, 126), minimum_agreement(0.1, 8)
    (83, 126, 0)
    """
    sigma = math.sqrt(threshold * (1 - threshold) / permutations)
    return max(0, math.ceil(round(permutations * (threshold - 4 * sigma), 9)))


def share_probability(jaccard: float, bands: int, rows: int) -> float:
    """Return how likely two documents of this Jaccard share at least one band.

    >>> round(share_probability(0.8, 18, 7), 4)
    0.9855
    """
    return -math.expm1(bands * math.log1p(-(jaccard**rows))) if jaccard < 1 else 1.0


def s_curve(bands: int, rows: int, at: tuple[float, ...] = CURVE) -> list[tuple[float, float]]:
    """Return (Jaccard, probability to share a band) along the curve."""
    return [(jaccard, share_probability(jaccard, bands, rows)) for jaccard in at]


@dataclass(frozen=True, slots=True)
class Bands:
    """A choice of bands and rows, its recall at the threshold, and at what Jaccard half of the pairs share one."""

    bands: int
    rows: int
    recall: float
    midpoint: float


def choose_bands(threshold: float, permutations: int, recall: float = 0.98) -> Bands:
    """Return the bands and rows that find at least ``recall`` of the pairs at the threshold with least waste.

    Among all rows r (with floor(k / r) bands) that reach the recall, the largest r wins: it lets the fewest
    dissimilar pairs through. If none reaches it, r = 1 is the best there is.

    >>> choose_bands(0.8, 126)  # doctest: +ELLIPSIS
    Bands(bands=18, rows=7, recall=0.9855..., midpoint=0.6262...)
    """
    best = 1
    for rows in range(1, permutations + 1):
        if share_probability(threshold, permutations // rows, rows) >= recall:
            best = rows
    bands = permutations // best
    midpoint = (1 - 0.5 ** (1 / bands)) ** (1 / best)
    return Bands(bands, best, share_probability(threshold, bands, best), midpoint)


def _mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed


def band_keys(values: npt.NDArray[np.uint32], bands: int, rows: int) -> npt.NDArray[np.uint64]:
    """Return the 64-bit keys of the bands: (n, k) signature values to (n, bands).

    The band's number is part of its key, so different bands never meet. "Share a band" means equal keys; two
    different bands have equal keys once in 2^64, and then the agreement and the Jaccard still decide.
    """
    if bands * rows > values.shape[1]:
        raise ValueError(
            f"{bands} bands of {rows} rows need {bands * rows} values; there are {values.shape[1]}"
        )
    used = values[:, : bands * rows].reshape(len(values), bands, rows).astype(np.uint64)
    keys = np.broadcast_to(
        np.arange(1, bands + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15), used.shape[:2]
    )
    for row in range(rows):
        keys = _mix(keys ^ used[:, :, row]) + np.uint64(0xD6E8FEB86659FD93)
    return np.ascontiguousarray(keys)
