"""Count how often labels are right: accuracy, precision, recall, F1 of classes and of BIO spans.

A fraction without a denominator counts as 0. Macro-F1 is the mean over the classes that occur in the truth or in
the prediction, each with the same weight.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any


def rates(right: int, found: int, there: int) -> dict[str, Any]:
    """Return precision, recall, F1 and support of ``right`` among ``found`` predictions and ``there`` truths.

    >>> rates(1, 2, 4)
    {'precision': 0.5, 'recall': 0.25, 'f1': 0.3333333333333333, 'support': 4}
    """
    return {
        "precision": right / found if found else 0.0,
        "recall": right / there if there else 0.0,
        "f1": 2 * right / (found + there) if found + there else 0.0,
        "support": there,
    }


def classes(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, Any]:
    """Return accuracy, macro-F1 and each class's rates."""
    there, found = Counter(truth), Counter(predicted)
    right = Counter(t for t, p in zip(truth, predicted, strict=True) if t == p)
    each = {label: rates(right[label], found[label], there[label]) for label in sorted(there | found)}
    return {
        "rows": len(truth),
        "accuracy": sum(right.values()) / len(truth),
        "macro_f1": sum(row["f1"] for row in each.values()) / len(each),
        "classes": each,
    }


def spans(tags: Iterable[str]) -> set[tuple[str, int, int]]:
    """Return (type, start, end) of a sentence's spans, read as conlleval does (Tjong Kim Sang and Buchholz, 2000).

    A span starts at B-, and at an I- whose type is not that of the span before it.

    >>> sorted(spans(["B-A", "I-A", "B-A", "O", "I-B", "I-A"]))
    [('A', 0, 2), ('A', 2, 3), ('A', 5, 6), ('B', 4, 5)]
    """
    found: set[tuple[str, int, int]] = set()
    start, kind = 0, ""
    for place, tag in enumerate([*tags, "O"]):
        if kind and tag != f"I-{kind}":
            found.add((kind, start, place))
            kind = ""
        if not kind and tag != "O":
            start, kind = place, tag[2:]
    return found


def entities(truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return rates over all spans of all sentences (micro), and each type's: a span counts if it is exact."""
    right, found, there = Counter[str](), Counter[str](), Counter[str]()
    for told, guessed in zip(truth, predicted, strict=True):
        one, two = spans(told), spans(guessed)
        for counter, chosen in ((right, one & two), (found, two), (there, one)):
            counter.update(kind for kind, _, _ in chosen)
    types = {kind: rates(right[kind], found[kind], there[kind]) for kind in sorted(there | found)}
    return {**rates(right.total(), found.total(), there.total()), "types": types}


def score(truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], *, bio: bool) -> dict[str, Any]:
    """Return the figures of rows with one label (classify) or one a word (tag); with ``bio`` those of spans, too."""
    flat = classes([t for row in truth for t in row], [t for row in predicted for t in row])
    return flat | ({"entities": entities(truth, predicted)} if bio else {})


def majority(train: Sequence[Sequence[str]], truth: Sequence[Sequence[str]], *, bio: bool) -> dict[str, Any]:
    """Return the figures of always predicting the label most frequent in ``train`` (of equals the first by name)."""
    counts = Counter(label for row in train for label in row)
    top = min(counts, key=lambda label: (-counts[label], label))
    return {"label": top, **score(truth, [[top] * len(row) for row in truth], bio=bio)}
