"""Judge measured documents: published presets and the recipe's own rules, vectorised over Arrow columns.

The order is fixed, so that "why was it dropped?" has one answer: the caller's tests (opt-out, licence), allowed
language, language score, the presets in the order of the recipe, then the recipe's rules. Every failed rule is listed besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

RULES_VERSION = 1
"""Bump when a preset or the meaning of a rule changes; part of the decide stage's fingerprint."""

PRESETS: dict[str, dict[str, tuple[float | None, float | None]]] = {
    "gopher_quality": {
        "word_count": (50, 100_000),
        "mean_word_length": (3, 10),
        "hash_word_ratio": (None, 0.1),
        "ellipsis_word_ratio": (None, 0.1),
        "bullet_line_fraction": (None, 0.9),
        "ellipsis_line_fraction": (None, 0.3),
        "alpha_word_fraction": (0.8, None),
        "stop_word_count": (2, None),
    },
    "gopher_repetition": {
        "duplicate_line_fraction": (None, 0.30),
        "duplicate_paragraph_fraction": (None, 0.30),
        "duplicate_line_character_fraction": (None, 0.20),
        "duplicate_paragraph_character_fraction": (None, 0.20),
        "top_2gram_character_fraction": (None, 0.20),
        "top_3gram_character_fraction": (None, 0.18),
        "top_4gram_character_fraction": (None, 0.16),
        "duplicate_5gram_character_fraction": (None, 0.15),
        "duplicate_6gram_character_fraction": (None, 0.14),
        "duplicate_7gram_character_fraction": (None, 0.13),
        "duplicate_8gram_character_fraction": (None, 0.12),
        "duplicate_9gram_character_fraction": (None, 0.11),
        "duplicate_10gram_character_fraction": (None, 0.10),
    },
}
"""Published thresholds, (least, greatest) value that stays: arXiv 2112.11446, A.1.1 and Table A1."""


class Settings(Protocol):
    """What of a source's settings is read here (``recipe.settings(name)`` has it)."""

    @property
    def language(self) -> Any:
        """``min_score`` and ``allow``, or None if the language rule is off."""

    @property
    def quality(self) -> Any:
        """``presets``, ``languages`` and ``rules``, or None if quality rules are off."""


@dataclass(frozen=True, slots=True)
class Test:
    """One rule over a batch: which rows fail, what was measured, and what is allowed."""

    name: str
    failed: npt.NDArray[np.bool_]
    measured: pa.Array
    threshold: str


def bounds_text(least: float | None, greatest: float | None) -> str:
    """Return what a rule allows, in words.

    >>> bounds_text(50, 100000), bounds_text(None, 0.3)
    ('at least 50 and at most 100000', 'at most 0.3')
    """
    parts = [] if least is None else [f"at least {least:g}" if least < 1e6 else f"at least {least:.0f}"]
    if greatest is not None:
        parts.append(f"at most {greatest:g}" if greatest < 1e6 else f"at most {greatest:.0f}")
    return " and ".join(parts)


def _bounded(
    batch: pa.RecordBatch,
    name: str,
    signal: str,
    least: float | None,
    greatest: float | None,
    applies: npt.NDArray[np.bool_],
) -> Test:
    column = batch.column(signal)
    values = np.asarray(column.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False))
    failed = np.zeros(batch.num_rows, np.bool_)
    if least is not None:
        failed |= values < least
    if greatest is not None:
        failed |= values > greatest
    return Test(name, failed & applies, column, bounds_text(least, greatest))


def _in(languages: npt.NDArray[np.object_], allowed: Any) -> npt.NDArray[np.bool_]:
    wanted = set(allowed)
    return np.fromiter((language in wanted for language in languages), np.bool_, len(languages))


def tests(batch: pa.RecordBatch, settings: Settings) -> Iterator[Test]:
    """Yield the source's rules in their fixed order, applied to a batch of annotations."""
    languages = np.array(batch.column("language").to_pylist(), dtype=object)
    everyone = np.ones(batch.num_rows, np.bool_)
    rule = settings.language
    if rule is not None:
        if rule.allow is not None:
            outside = ~_in(languages, rule.allow)
            yield Test(
                "language", outside, batch.column("language"), "one of " + ", ".join(sorted(rule.allow))
            )
        yield _bounded(batch, "language_score", "language_score", rule.min_score, None, everyone)
    quality = settings.quality
    if quality is None:
        return
    published = _in(languages, quality.languages)
    for preset in quality.presets:
        for signal, (least, greatest) in PRESETS[preset].items():
            yield _bounded(batch, f"{preset}.{signal}", signal, least, greatest, published)
    for own in quality.rules:
        applies = everyone if own.languages is None else _in(languages, own.languages)
        yield _bounded(batch, f"rule.{own.signal}", own.signal, own.min, own.max, applies)


def _show(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def evaluate(batch: pa.RecordBatch, settings: Settings, before: Iterable[Test] = ()) -> dict[str, list[Any]]:
    """Return, for each row, the first failed rule ("" if none), what was measured, what is allowed, and all failed.

    ``before`` are tests of the caller's that come before the source's rules.

    Keys ``rule``, ``measured``, ``threshold`` (strings) and ``failed`` (list of strings), in row order.
    """
    n = batch.num_rows
    rule, measured, threshold = [""] * n, [""] * n, [""] * n
    failed: list[list[str]] = [[] for _ in range(n)]
    for test in chain(before, tests(batch, settings)):
        for row in np.flatnonzero(test.failed):
            if not failed[row]:
                rule[row], threshold[row] = test.name, test.threshold
                measured[row] = _show(test.measured[int(row)].as_py())
            failed[row].append(test.name)
    return {"rule": rule, "measured": measured, "threshold": threshold, "failed": failed}
