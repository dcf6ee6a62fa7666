"""State the signals of ``quality.signals`` in plain Python, for comparison with the kernels, value by value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from pile_curate.schema import SIGNALS

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
BULLETS = ("•", "‣", "⁃", "◦", "▪", "●", "-", "*", "–")
ELLIPSES = ("...", "…")
TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)

_ALPHA = re.compile(r"[^\W\d_]")
_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n+")


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _stripped(pieces: Sequence[str]) -> list[str]:
    return [piece for piece in (raw.strip() for raw in pieces) if piece]


def quality_signals(text: str, words: Sequence[str], lines: Sequence[str]) -> dict[str, float]:
    """Return the eight quality signals of A.1.1."""
    count = len(words)
    ellipses = sum(text.count(mark) for mark in ELLIPSES)
    return {
        "word_count": float(count),
        "mean_word_length": _ratio(sum(map(len, words)), count),
        "hash_word_ratio": _ratio(text.count("#"), count),
        "ellipsis_word_ratio": _ratio(ellipses, count),
        "bullet_line_fraction": _ratio(sum(line.startswith(BULLETS) for line in lines), len(lines)),
        "ellipsis_line_fraction": _ratio(sum(line.endswith(ELLIPSES) for line in lines), len(lines)),
        "alpha_word_fraction": _ratio(sum(_ALPHA.search(word) is not None for word in words), count),
        "stop_word_count": float(len(STOP_WORDS & {word.lower() for word in words})),
    }


def duplicates(items: Sequence[str]) -> tuple[float, float]:
    """Return the fraction of items that repeat an earlier one, and the fraction of characters in them."""
    seen: set[str] = set()
    repeated = [item for item in items if item in seen or seen.add(item)]  # type: ignore[func-returns-value]
    return _ratio(len(repeated), len(items)), _ratio(sum(map(len, repeated)), sum(map(len, items)))


def top(words: Sequence[str], n: int) -> int:
    """Count characters inside the most frequent n-gram, the longest of equally frequent ones, then the first."""
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    counts = Counter(grams)
    if not grams or max(counts.values()) < 2:
        return 0
    best = max(dict.fromkeys(grams), key=lambda gram: (counts[gram], sum(map(len, gram))))
    inside = {i + k for i, gram in enumerate(grams) if gram == best for k in range(n)}
    return sum(len(words[i]) for i in inside)


def duplicate(words: Sequence[str], n: int) -> int:
    """Count characters inside every n-gram that repeats an earlier one."""
    seen: set[tuple[str, ...]] = set()
    inside: set[int] = set()
    for i in range(len(words) - n + 1):
        gram = tuple(words[i : i + n])
        if gram in seen:
            inside.update(range(i, i + n))
        seen.add(gram)
    return sum(len(words[i]) for i in inside)


def signals(text: str) -> dict[str, float]:
    """Return every signal of one text, rounded to 1e-4."""
    words, lines = text.split(), _stripped(text.split("\n"))
    total = sum(map(len, words))
    found = quality_signals(text, words, lines)
    for kind, pieces in (("line", lines), ("paragraph", _stripped(_PARAGRAPHS.split(text)))):
        fraction, characters = duplicates(pieces)
        found[f"duplicate_{kind}_fraction"] = fraction
        found[f"duplicate_{kind}_character_fraction"] = characters
    found |= {f"top_{n}gram_character_fraction": _ratio(top(words, n), total) for n in TOP}
    found |= {f"duplicate_{n}gram_character_fraction": _ratio(duplicate(words, n), total) for n in DUPLICATE}
    return {name: round(found[name], 4) for name in SIGNALS}
