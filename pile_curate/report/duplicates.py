"""Hold what the search for duplicates measured about itself: pairs, clusters, and recall beside the S-curve.

The facts are those of the ``duplicates`` manifest. Only what is the same under every partitioning and engine is
taken: how long a step took and what ran it stay in the manifest. A dataset of an older version, or one without
dedup, lacks some or all of them; then that part is empty, and the page leaves it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pile_curate.report.format import percent

_DIGITS = 9  # of a probability: a library's last bit must not change the report's digest
_STEP = 0.05


@dataclass(frozen=True, slots=True)
class Cluster:
    """A kept document and its copies, ``size`` in all, with the beginnings of the kept one and of one copy."""

    kept_id: str
    size: int
    excerpt: str = ""
    copy_excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Planted:
    """Planted pairs with a Jaccard in [low, high): how many there are, were found, and should be by the S-curve."""

    low: float
    high: float
    pairs: int = 0
    found: int = 0
    mean_jaccard: float | None = None
    recall: float | None = None
    expected: float | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """Measurements of one search; ``off`` if the recipe asked for none.

    ``copies`` counts by kind (total, exact, near, url, cross_split). ``examined`` candidate pairs were checked and
    ``refused`` of them were no copies. ``curve`` is (J, P of sharing a band, P of being a candidate).
    """

    off: bool = False
    copies: dict[str, int] = field(default_factory=dict)
    examined: int | None = None
    refused: int | None = None
    largest: tuple[Cluster, ...] = ()
    planted: tuple[Planted, ...] = ()
    curve: tuple[tuple[float, float, float], ...] = ()
    threshold: float | None = None
    minimum_agreement: int | None = None

    @property
    def tested(self) -> tuple[Planted, ...]:
        """The bins that have any planted pair."""
        return tuple(row for row in self.planted if row.pairs and row.recall is not None)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Search:
        """Return what a ``duplicates`` manifest says; what it lacks stays empty."""
        pairs = facts.get("pairs") or {}
        return cls(
            off=bool(facts.get("off", False)),
            copies={name: int(n) for name, n in (facts.get("duplicates") or {}).items()},
            examined=pairs.get("examined"),
            refused=pairs.get("refused"),
            largest=tuple(Cluster(**_known(Cluster, row)) for row in facts.get("largest_clusters") or ()),
            planted=tuple(Planted(**_known(Planted, row)) for row in facts.get("planted") or ()),
            curve=tuple(_point(row) for row in facts.get("curve") or ()),
            threshold=facts.get("threshold"),
            minimum_agreement=facts.get("minimum_agreement"),
        )

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Search:
        """Return the search of ``dataclasses.asdict``'s result; unknown keys raise TypeError."""
        values = dict(plain)
        values["largest"] = tuple(Cluster(**row) for row in values.get("largest", ()))
        values["planted"] = tuple(Planted(**row) for row in values.get("planted", ()))
        values["curve"] = tuple(_point(row) for row in values.get("curve", ()))
        return cls(**values)


def _known(kind: type[Cluster] | type[Planted], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's values that the class has a field for; a later version may add some."""
    return {name: row[name] for name in kind.__dataclass_fields__ if name in row}


def _point(row: Any) -> tuple[float, float, float]:
    jaccard, shares, candidate = row
    return round(jaccard, _DIGITS), round(shares, _DIGITS), round(candidate, _DIGITS)


def recall_rows(search: Search) -> list[tuple[str, ...]]:
    """Return (Jaccard, shares a band, is a candidate, planted, found, recall, promised) as text, a row for 1/20.

    The two probabilities hold at the lower end of the row's range; recall and promise are of its planted pairs.

    >>> recall_rows(Search(curve=((0.8, 0.9855, 0.9855),), planted=(Planted(0.8, 0.85, 4, 3, 0.81, 0.75, 0.99),)))
    [('0.80–0.85', '98.6 %', '98.6 %', '4', '3', '75.0 %', '99.0 %')]
    """
    curve = {round(jaccard, 2): (shares, candidate) for jaccard, shares, candidate in search.curve}
    planted = {round(row.low, 2): row for row in search.tested}
    rows = []
    for low in sorted({*curve, *planted}):
        theory = [percent(p, 1) for p in curve.get(low, ())] or ["", ""]
        row = planted.get(low)
        high = row.high if row else low + _STEP
        measured = [f"{row.pairs:,}", f"{row.found:,}"] if row else ["", ""]
        shares = [
            "" if p is None else percent(p, 1) for p in ((row.recall, row.expected) if row else (None, None))
        ]
        rows.append((f"{low:.2f}\u2013{high:.2f}", *theory, *measured, *shares))
    return rows
