"""State the meaning of near-duplicate removal as one plain sequential walk; kept apart from the library."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Case:
    """One document. ``signature`` is None below n words; ``order`` is the total order's key."""

    name: str
    order: tuple[object, ...]
    digest: bytes
    shingles: frozenset[int]
    signature: tuple[int, ...] | None
    scope: str = ""
    split: str = "train"
    against: bool = False


def verdicts(
    documents: list[Case],
    threshold: str,
    bands: int,
    rows: int,
    minimum: int,
    cap: int,
    verify: str = "exact",
) -> dict[str, tuple[str, str, Fraction]]:
    """Return for each dropped document: (the kept one's name, kind, exact Jaccard).

    ``verify`` "estimate" takes the share of agreeing positions for the Jaccard of a near copy, whatever the
    sets; "none" does so too, and takes every member of a band for a copy.
    """
    t, kept, dropped = Fraction(threshold), list[Case](), dict[str, tuple[str, str, Fraction]]()

    def band(d: Case, b: int) -> tuple[int, ...] | None:
        return d.signature and d.signature[b * rows : (b + 1) * rows]

    def agreement(d: Case, e: Case) -> int:
        return sum(x == y for x, y in zip(d.signature or (), e.signature or (), strict=True))

    def jaccard(d: Case, e: Case) -> Fraction:
        if verify != "exact" and d.digest != e.digest:
            return Fraction(agreement(d, e), len(d.signature or ()))
        union = len(d.shingles | e.shingles)
        return Fraction(len(d.shingles & e.shingles), union) if union else Fraction(1)

    for d in sorted(documents, key=lambda d: d.order):
        reach = [e for e in kept if e.scope == d.scope or e.split != d.split]
        twins = [e for e in reach if e.digest == d.digest]
        if d.signature is not None:
            for b in range(bands):
                for e in [e for e in reach if band(e, b) == band(d, b)][:cap]:
                    if verify == "none" or agreement(d, e) >= minimum and jaccard(d, e) >= t:
                        twins.append(e)
        if d.against or not twins:
            kept.append(d)
        else:
            first = min(twins, key=lambda e: e.order)
            dropped[d.name] = (first.name, "exact" if first.digest == d.digest else "near", jaccard(d, first))
    return dropped
