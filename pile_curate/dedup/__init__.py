"""Find documents that repeat an earlier one: exactly, or nearly (Jaccard of their 5-word shingles).

``minhash`` turns text into signatures and shingle sets, ``lsh`` turns signatures into band keys and says
what a choice of bands finds, ``exact`` holds the digests' side, ``greedy`` walks documents in order and
gives the verdicts, ``components`` groups documents that can touch each other. ``urls`` names web pages,
``paragraphs`` finds paragraphs that earlier documents have. None of them knows Spark;
``pile_curate.spark.survivors`` and ``pile_curate.spark.edits`` run them over a corpus. The meaning is in ``greedy``'s docstring.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from pile_curate.errors import Problem, RecipeError

SCOPES = ("global", "per_source", "per_group")
KEEPS = ("longest", "priority", "id")
VERIFY = ("exact", "estimate", "none")


@dataclass(frozen=True, slots=True)
class DedupSettings:
    """Everything that a verdict depends on; the defaults are the recipe's.

    ``minimum_agreement`` None means ``lsh.minimum_agreement(threshold, permutations)``. ``cap`` bounds how
    many earlier kept members of a band are looked at. ``priorities`` ranks sources (smaller wins, default 0);
    ``groups`` names a source's group for the scope ``per_group`` (default: a group of its own). ``verify`` says
    what makes a candidate a copy: its exact Jaccard, the Jaccard that the signatures estimate, or the shared
    band alone; only the first may be called verified. ``urls`` makes equal normalised URLs copies too.
    """

    threshold: float = 0.8
    ngram: int = 5
    permutations: int = 126
    bands: int = 18
    rows: int = 7
    minimum_agreement: int | None = None
    cap: int = 1000
    scope: str = "global"
    keep: str = "longest"
    seed: int = 1
    verify: str = "exact"
    urls: bool = False
    priorities: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse settings that contradict themselves, all problems at once."""
        problems = []
        if not 0 < self.threshold <= 1:
            problems.append(Problem("dedup.threshold", f"is {self.threshold}; allowed: above 0, up to 1"))
        for name in ("ngram", "permutations", "bands", "rows", "cap"):
            if getattr(self, name) < 1:
                problems.append(Problem(f"dedup.{name}", f"is {getattr(self, name)}; allowed: 1 or more"))
        if self.bands * self.rows > self.permutations:
            what = f"{self.bands} bands of {self.rows} rows need {self.bands * self.rows} values"
            problems.append(Problem("dedup.bands", f"{what}; permutations are {self.permutations}"))
        if self.minimum_agreement is not None and not 0 <= self.minimum_agreement <= self.permutations:
            what = f"is {self.minimum_agreement}; allowed: 0 to {self.permutations}"
            problems.append(Problem("dedup.minimum_agreement", what))
        for name, allowed in (("scope", SCOPES), ("keep", KEEPS), ("verify", VERIFY)):
            if getattr(self, name) not in allowed:
                what = f"is {getattr(self, name)!r}; allowed: {', '.join(allowed)}"
                problems.append(Problem(f"dedup.{name}", what))
        if not isinstance(self.urls, bool):
            problems.append(Problem("dedup.urls", f"is {self.urls!r}; allowed: true or false"))
        if problems:
            raise RecipeError(problems, "dedup settings")

    def scope_of(self, source: str) -> str:
        """Return the name of the scope that a source's documents belong to; equal names are one scope."""
        if self.scope == "global":
            return ""
        group = self.groups.get(source) if self.scope == "per_group" else None
        return f"source {source}" if group is None else f"group {group}"

    @property
    def agreement(self) -> int:
        """The minimum agreement m in force: ``minimum_agreement``, but what the threshold asks for if the estimate
        decides (⌈k·t⌉), and 0 if nothing does.
        """
        from pile_curate.dedup.lsh import minimum_agreement

        if self.verify == "estimate":
            return math.ceil(self.permutations * self.ratio)
        if self.verify == "none":
            return 0
        if self.minimum_agreement is not None:
            return self.minimum_agreement
        return minimum_agreement(self.threshold, self.permutations)

    @property
    def verified(self) -> bool:
        """Whether every near copy is proven by the exact Jaccard; anything else is labelled as unverified."""
        return self.verify == "exact"

    @property
    def ratio(self) -> Fraction:
        """The threshold as the exact decimal that the recipe wrote: 0.8 is 4/5, not the nearest double."""
        return Fraction(repr(float(self.threshold)))
