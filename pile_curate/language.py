"""Identify the language of documents with fastText.

Only the first 2,000 characters are read. On long pages the rest changes the label of almost no document
and costs more than twice the time; the score is the probability that the model gives its first label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pile_curate.fasttext import load_model

CHARACTERS = 2000
"""Code points of a document that are read; part of the annotate stage's version."""

UNDETERMINED = ("und", 0.0)
"""What is said of a text without a letter to judge by (ISO 639-2 code)."""


def identify(
    texts: Sequence[str], *, path: str | None = None, sha256: str | None = None
) -> list[tuple[str, float]]:
    """Return (language, score) for each text; the score is in [0, 1] and rounded to 1e-4.

    Labels are the model's without ``__label__`` (ISO 639-1 or -3 codes for the shipped model; Joulin et
    al., "Bag of Tricks for Efficient Text Classification", 2016). Raises ``ModelError`` as ``load_model``.
    """
    model = load_model(path, sha256)
    found: list[tuple[str, float]] = []
    for text in texts:
        # fastText reads one line; a newline would end the text, so every run of white space becomes a space.
        line = " ".join(text[: 2 * CHARACTERS].split())[:CHARACTERS]
        if not any(c.isalpha() for c in line):
            found.append(UNDETERMINED)
            continue
        labels, scores = model.predict(line)
        if not labels or not math.isfinite(scores[0]):
            found.append(UNDETERMINED)
            continue
        found.append((labels[0].removeprefix("__label__"), round(min(1.0, max(0.0, float(scores[0]))), 4)))
    return found
