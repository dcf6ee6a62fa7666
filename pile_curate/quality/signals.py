"""Measure the quality and repetition signals of Gopher.

Rae et al., "Scaling Language Models: Methods, Analysis & Insights from Training Gopher", 2021, arXiv
2112.11446, appendix A.1.1 ("Quality Filtering", "Repetition Removal", Table A1). A word is what lies
between white space, as in that publication; a line is a non-empty line; a paragraph is what lies between
empty lines. Where the publication leaves a choice open, the docstring says which one is made here.

The n-gram signals run in a numba kernel over word numbers; comparing n-grams word by word keeps them
exact, so no hash collision can move a value. Cost: about a tenth of the language model's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pile_curate.schema import SIGNALS

SIGNALS_VERSION = 1
"""Bump when any signal changes its value; part of the annotate stage's fingerprint."""

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
"""The eight English words of A.1.1; a document should contain at least two of them."""

BULLETS = ("•", "‣", "⁃", "◦", "▪", "●", "-", "*", "–")
ELLIPSES = ("...", "…")
TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)

_ALPHA = re.compile(r"[^\W\d_]")
_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n+")


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _lines(text: str) -> list[str]:
    return [line for line in (raw.strip() for raw in text.split("\n")) if line]


def quality_signals(text: str, words: Sequence[str], lines: Sequence[str]) -> dict[str, float]:
    """Return the eight quality signals of A.1.1.

    ``hash_word_ratio`` and ``ellipsis_word_ratio`` are symbols per word; ``stop_word_count`` counts distinct
    stop words, case folded; a bullet is one of ``BULLETS`` at the start of a line.
    """
    count = len(words)
    unique: dict[str, int] = {}
    for word in words:
        unique[word] = unique.get(word, 0) + 1
    alphabetic = sum(n for word, n in unique.items() if _ALPHA.search(word))
    characters = sum(len(word) * n for word, n in unique.items())
    ellipses = sum(text.count(mark) for mark in ELLIPSES)
    return {
        "word_count": float(count),
        "mean_word_length": _ratio(characters, count),
        "hash_word_ratio": _ratio(text.count("#"), count),
        "ellipsis_word_ratio": _ratio(ellipses, count),
        "bullet_line_fraction": _ratio(sum(line.startswith(BULLETS) for line in lines), len(lines)),
        "ellipsis_line_fraction": _ratio(sum(line.endswith(ELLIPSES) for line in lines), len(lines)),
        "alpha_word_fraction": _ratio(alphabetic, count),
        "stop_word_count": float(len(STOP_WORDS & {word.lower() for word in unique})),
    }


def _duplicates(items: Sequence[str]) -> tuple[float, float]:
    """Return the fraction of items that repeat an earlier one, and the fraction of characters in them."""
    seen: set[str] = set()
    repeated = characters = total = 0
    for item in items:
        total += len(item)
        if item in seen:
            repeated += 1
            characters += len(item)
        else:
            seen.add(item)
    return _ratio(repeated, len(items)), _ratio(characters, total)


def repetition_signals(text: str, words: Sequence[str], lines: Sequence[str]) -> dict[str, float]:
    """Return the thirteen repetition signals of Table A1, each a fraction in [0, 1].

    ``top_ngram``: characters inside the most frequent n-gram (of equally frequent ones the longest), 0 if
    none occurs twice. ``duplicate_ngram``: characters inside every n-gram that repeats an earlier one, so the
    first occurrence does not count, as for lines. Characters are those of words, without white space.
    """
    paragraphs = [p for p in (raw.strip() for raw in _PARAGRAPHS.split(text)) if p]
    line_fraction, line_characters = _duplicates(lines)
    paragraph_fraction, paragraph_characters = _duplicates(paragraphs)
    numbers: dict[str, int] = {}
    ids = np.fromiter((numbers.setdefault(w, len(numbers)) for w in words), np.int64, len(words))
    lengths = np.fromiter((len(w) for w in numbers), np.int64, len(numbers))
    total = float(lengths[ids].sum()) if len(words) else 0.0
    from pile_curate.quality.ngrams import covered

    found = {
        "duplicate_line_fraction": line_fraction,
        "duplicate_paragraph_fraction": paragraph_fraction,
        "duplicate_line_character_fraction": line_characters,
        "duplicate_paragraph_character_fraction": paragraph_characters,
    }
    for n in TOP:
        found[f"top_{n}gram_character_fraction"] = _ratio(covered(ids, lengths, n, True), total)
    for n in DUPLICATE:
        found[f"duplicate_{n}gram_character_fraction"] = _ratio(covered(ids, lengths, n, False), total)
    return found


def signals(text: str) -> dict[str, float]:
    """Return every signal of ``schema.SIGNALS`` for one text, rounded to 1e-4.

    >>> found = signals("The cat sat on the mat with the dog.")
    >>> found["word_count"], found["stop_word_count"], found["top_2gram_character_fraction"]
    (9.0, 2.0, 0.0)
    """
    words = text.split()
    lines = _lines(text)
    found = {**quality_signals(text, words, lines), **repetition_signals(text, words, lines)}
    return {name: round(found[name], 4) for name in SIGNALS}


def signal_columns(texts: pa.Array) -> dict[str, npt.NDArray[np.float64]]:
    """Return one float64 array a signal for an Arrow array of strings; null counts as empty."""
    rows = [signals(text or "") for text in texts.to_pylist()]
    return {name: np.array([row[name] for row in rows], np.float64) for name in SIGNALS}
