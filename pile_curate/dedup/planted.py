"""Measure recall on copies whose Jaccard is known, because they are made on the spot from the corpus's texts.

A text's words are changed at random places: replaced by, removed, or followed by words of the same sample, each
a third of the time. One change breaks up to n shingles, so for Jaccard J about W(1 - (2J / (1 + J))^(1/n))
of W words are changed: of S shingles on either side, S(1 - J) / (1 + J) are to be broken. What Jaccard a copy really
has is then computed exactly, and only that is reported: the levels merely spread the pairs over the bins.

A pair is *found* if it is a candidate: the signatures share a band and agree in ``settings.agreement`` positions.
Beside it stands what the S-curve promises for just these pairs. A recall below it would say that the signatures
are worse than their theory on this corpus. Pairs of one text share one signature, so a bin's recall scatters
more than as many independent pairs would.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pile_curate import words
from pile_curate.dedup import DedupSettings, lsh, minhash
from pile_curate.word_hashes import text_buffers

LEVELS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""The Jaccard that copies are made for."""

MAX_WORDS = 20_000
"""Of a longer text the first words stand for all, and of its characters at most twelve times as many are read."""

_LOWEST, _STEPS = 13, 20  # bins of 1/20, from 13/20
_BINS = _STEPS - _LOWEST


def plant(
    texts: pa.Array, settings: DedupSettings, levels: Sequence[float] = LEVELS, copies: int = 8, seed: int = 1
) -> list[dict[str, Any]]:
    """Return a row per bin of Jaccard [0.65, 0.70) ... [0.95, 1.0] of pairs (a text, a changed copy of it).

    A row is {"low", "high", "pairs", "mean_jaccard", "found", "recall", "expected"}; the means are None where there is
    no pair. ``texts`` is a (large_)string or (large_)binary array; a null, and a text of fewer than 3n words, is
    skipped. ``copies`` are made per text and level. The same texts, settings and seed give the same rows.
    Raises ``ValueError`` on a level outside (0, 1]. Costs about the signatures of all copies; holds one text's copies.
    """
    for level in levels:
        if not 0 < level <= 1:
            raise ValueError(f"level is {level}; allowed: above 0, up to 1")
    originals = [found for found in _originals(texts) if len(found) >= 3 * settings.ngram]
    pool = [word for found in originals for word in found]
    pairs: list[list[tuple[float, bool, float]]] = [[] for _ in range(_BINS)]
    promised = functools.cache(functools.partial(_promised, settings))
    for number, original in enumerate(originals):
        rng = random.Random(f"{seed} {number}")  # a string's seed is hashed, the same under every Python
        made = [
            _changed(original, level, settings.ngram, pool, rng) for level in levels for _ in range(copies)
        ]
        for shared, union, found in _compared([" ".join(original), *made], settings):
            place = min(shared * _STEPS // union, _STEPS - 1) - _LOWEST
            if place >= 0:
                pairs[place].append((shared / union, found, promised(shared / union)))
    return [_row(place, len(some), *_sums(some)) for place, some in enumerate(pairs)]


def merge(tables: Iterable[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return one table from several of ``plant``: pairs and found are added, the means are weighted by pairs.

    >>> [row["pairs"] for row in merge([])]
    [0, 0, 0, 0, 0, 0, 0]
    """
    by_bin: list[list[dict[str, Any]]] = [[] for _ in range(_BINS)]
    for table in tables:
        for row in table:
            place = round(row["low"] * _STEPS) - _LOWEST
            if not 0 <= place < _BINS:
                raise ValueError(f"a row of planted pairs begins at {row['low']}; allowed: 0.65 to 0.95")
            if row["pairs"]:
                by_bin[place].append(row)
    return [
        _row(
            place,
            sum(row["pairs"] for row in rows),
            math.fsum(row["mean_jaccard"] * row["pairs"] for row in rows),
            sum(row["found"] for row in rows),
            math.fsum(row["expected"] * row["pairs"] for row in rows),
        )
        for place, rows in enumerate(by_bin)
    ]


def _originals(texts: pa.Array) -> Iterable[list[str]]:
    """Return each text's words; a long one's first, without copying the rest of its bytes."""
    data, offsets, valid = text_buffers(texts)
    for row in np.flatnonzero(valid).tolist():
        start, stop = int(offsets[row]), int(offsets[row + 1])
        head = data[start : min(stop, start + 48 * MAX_WORDS)].tobytes().decode("utf-8", "replace")
        yield words.split(head[: 12 * MAX_WORDS])[:MAX_WORDS]


def _changed(original: list[str], level: float, ngram: int, pool: list[str], rng: random.Random) -> str:
    share = 1 - (2 * level / (1 + level)) ** (1 / ngram)
    count = max(1, math.floor(len(original) * share + rng.random()))
    copy = list(original)
    for place in rng.sample(range(len(original)), min(count, len(original))):
        word = pool[rng.randrange(len(pool))]
        change = rng.randrange(3)
        copy[place] = (word, "", f"{original[place]} {word}")[change]
    return " ".join(copy)


def _compared(texts: list[str], settings: DedupSettings) -> Iterable[tuple[int, int, bool]]:
    """Return (shared, union, whether it is a candidate) of the first text and each other that has a signature."""
    column = pa.array(texts, pa.large_string())
    k = settings.permutations
    _, sizes, packed = minhash.signatures(column, ngram=settings.ngram, permutations=k, seed=settings.seed)
    sets = minhash.shingle_sets(column, settings.ngram, settings.seed)
    values = minhash.signature_values(packed, k)
    keys = lsh.band_keys(values, settings.bands, settings.rows)
    found = (keys == keys[0]).any(axis=1) & ((values == values[0]).sum(axis=1) >= settings.agreement)
    for candidate, other in list(zip(found.tolist(), np.flatnonzero(sizes).tolist(), strict=True))[1:]:
        shared = minhash.intersection(sets[0], sets[other])
        yield shared, len(sets[0]) + len(sets[other]) - shared, candidate


def _promised(settings: DedupSettings, jaccard: float) -> float:
    return lsh.candidate_probability(
        jaccard, settings.bands, settings.rows, settings.agreement, settings.permutations
    )


def _sums(pairs: list[tuple[float, bool, float]]) -> tuple[float, int, float]:
    return math.fsum(p[0] for p in pairs), sum(p[1] for p in pairs), math.fsum(p[2] for p in pairs)


def _row(place: int, pairs: int, jaccards: float, found: int, promised: float) -> dict[str, Any]:
    return {
        "low": (place + _LOWEST) / _STEPS,
        "high": (place + _LOWEST + 1) / _STEPS,
        "pairs": pairs,
        "mean_jaccard": round(jaccards / pairs, 6) if pairs else None,
        "found": found,
        "recall": round(found / pairs, 6) if pairs else None,
        "expected": round(promised / pairs, 6) if pairs else None,
    }
