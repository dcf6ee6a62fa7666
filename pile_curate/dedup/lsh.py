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


def _powered(factor: npt.NDArray[np.float64], power: int) -> npt.NDArray[np.float64]:
    """Return the polynomial ``factor``, coefficients from the constant on, to a power, by squaring."""
    result = np.ones(1)
    while power:
        if power & 1:
            result = np.convolve(result, factor)
        factor = np.convolve(factor, factor)
        power >>= 1
    return result


def agree_probability(jaccard: float, minimum: int, permutations: int) -> float:
    """Return how likely at least ``minimum`` of the positions agree, each by itself with probability ``jaccard``.

    >>> round(agree_probability(0.8, 83, 126), 5), agree_probability(0.3, 0, 8)
    (0.99993, 1.0)
    """
    agreeing = _powered(np.array([1 - jaccard, jaccard]), permutations)
    return min(1.0, float(agreeing[minimum:].sum())) if minimum > 0 else 1.0


def candidate_probability(jaccard: float, bands: int, rows: int, minimum: int, permutations: int) -> float:
    """Return how likely a pair of this Jaccard shares a band *and* agrees in at least ``minimum`` positions.

    Positions are taken to agree independently, each with probability J: then the number of agreements is
    binomial, and the pairs that agree often enough and yet share no band are counted exactly, by the coefficients
    of the product over bands of (1 - J + Jz)^rows - (Jz)^rows. An
    approximation: fast similarity sketching samples without replacement, so its agreements scatter less.

    >>> round(candidate_probability(0.8, 18, 7, 83, 126), 4)
    0.9855
    """
    one = np.array([1 - jaccard, jaccard])
    band = _powered(one, rows)
    band[rows] = 0.0  # all rows agree: the band is shared
    apart = np.convolve(_powered(band, bands), _powered(one, permutations - bands * rows))
    missed = float(apart[max(0, minimum) :].sum())
    return min(1.0, max(0.0, agree_probability(jaccard, minimum, permutations) - missed))


def curve(bands: int, rows: int, minimum_agreement: int, permutations: int) -> list[list[float]]:
    """Return [J, probability to share a band, probability to be a candidate] along the curve, for the summary."""
    return [
        [jaccard, shares, candidate_probability(jaccard, bands, rows, minimum_agreement, permutations)]
        for jaccard, shares in s_curve(bands, rows)
    ]


def render_curve(bands: int, rows: int, minimum_agreement: int, permutations: int) -> str:
    """Return the table that is printed: what bands, rows and the minimum agreement find along the curve.

    >>> print(render_curve(18, 7, 83, 126).splitlines()[0])
    126 values, 18 bands of 7 rows, at least 83 positions agree (binomial: each agrees with probability J)
    """
    title = (
        f"{permutations} values, {bands} bands of {rows} rows, at least {minimum_agreement} positions agree"
    )
    lines = [
        f"{title} (binomial: each agrees with probability J)",
        "   J   shares a band  agrees in enough      both",
    ]
    for jaccard, shares, both in curve(bands, rows, minimum_agreement, permutations):
        agrees = agree_probability(jaccard, minimum_agreement, permutations)
        lines.append(f"{jaccard:.2f}{shares:16.4%}{agrees:18.4%}{both:10.4%}")
    return "\n".join(lines)


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


def band_keys(values: npt.NDArray[np.uint32], bands: int, rows: int) -> npt.NDArray[np.uint64]:
    """Return the 64-bit keys of the bands: (n, k) signature values to (n, bands).

    The band's number is part of its key, so different bands never meet. "Share a band" means equal keys; two
    different bands have equal keys once in 2^64, and then the agreement and the Jaccard still decide.
    About one nanosecond a value. ``LSH_VERSION`` and a golden vector freeze the keys.
    """
    from pile_curate.dedup.band_kernel import write_keys

    if bands * rows > values.shape[1]:
        raise ValueError(
            f"{bands} bands of {rows} rows need {bands * rows} values; there are {values.shape[1]}"
        )
    read = np.require(values, np.uint32, ["C", "A"]).view()
    read.flags.writeable = False  # whether the caller may write to them or not, one kernel serves
    keys = np.empty((len(values), bands), np.uint64)
    write_keys(read, rows, keys)
    return keys
