"""Show two near-copies side by side: the words they share, and the words in which they differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

_TOKEN = re.compile(r"\s+|[^\W_]+|.", re.DOTALL)
_LONGEST = 1200
_CONTEXT = 24


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; ``same`` if the other document has it too, ``gap`` if text is left out."""

    text: str
    same: bool = True
    gap: bool = False


def side_by_side(left: str, right: str, limit: int = 90) -> tuple[list[Piece], list[Piece]]:
    """Return both texts in pieces, from a little before the first difference to about ``limit`` words on.

    Differences are of words, not characters. Long shared stretches are left out of both. Identical
    texts give their beginning. Cost: quadratic in at most 1,200 tokens, some milliseconds a pair.
    """
    a, b = _TOKEN.findall(left[:200_000]), _TOKEN.findall(right[:200_000])
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    start = max(0, start - _CONTEXT) if start < max(len(a), len(b)) else 0
    a, b = a[start : start + _LONGEST], b[start : start + _LONGEST]
    ours: list[Piece] = [Piece("\u2026 ", gap=True)] if start else []
    theirs = list(ours)
    used = 0
    for tag, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if used >= 2 * limit:
            ours.append(Piece(" \u2026", gap=True))
            theirs.append(Piece(" \u2026", gap=True))
            break
        if tag == "equal":
            shared = a[i:j]
            # Leaving out is worth a gap only where it spares several lines.
            if len(shared) > 5 * _CONTEXT and (i, j) != (0, len(a)):
                head, tail = "".join(shared[:_CONTEXT]), "".join(shared[-_CONTEXT:])
                parts = [Piece(head), Piece(" \u2026 ", gap=True), Piece(tail)]
                used += 2 * _CONTEXT
            else:
                parts = [Piece("".join(shared[: 2 * limit]))]
                used += len(shared)
            ours += parts
            theirs += parts
        else:
            # Cap one long difference, or a page that merely appends would fill the column.
            ours += _unlike(a[i:j], limit)
            theirs += _unlike(b[k:m], limit)
            used += max(min(j - i, limit), min(m - k, limit))
    return ours, theirs


def _unlike(tokens: list[str], limit: int) -> list[Piece]:
    if not tokens:
        return []
    cut = Piece(" \u2026", gap=True)
    return [Piece("".join(tokens[:limit]), same=False), *([cut] if len(tokens) > limit else [])]
