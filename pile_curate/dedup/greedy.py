"""Give the verdicts: walk documents in order, keep the first of its kind, drop what repeats a kept one.

The meaning (a norm; ``tests/oracle.py`` states it again in twenty lines):

* Two documents are *comparable* if their scopes are equal or their splits differ.
* An earlier kept document is a *candidate* for d if it is comparable, shares at least one band and
  agrees in at least m signature positions.
* Walking in the total order (``exact.order_key``), d is dropped if an earlier kept comparable document has
  its text digest, or if, among the first ``cap`` earlier kept comparable members of each of its bands, a
  candidate has Jaccard >= t. d names the earliest such document, with the Jaccard; its kind is exact only
  if that one's digest is equal. Documents of an older corpus are never dropped.

The Jaccard is the exact integer ratio |A & B| / |A | B|; "J >= t" is ``shared * t.denominator >=
t.numerator * union`` in integers, with t the decimal that the recipe wrote, so no rounding decides.

**A walk of one component equals the walk of everything.** Say d's verdict looks at e: then both share a
band or a digest. ``spark.edges`` puts two comparable documents that share a band or a digest into one
component. So d's verdict reads only members of d's component, and, by induction along the order,
which of them were kept does not depend on the other components.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from pile_curate.dedup import DedupSettings
from pile_curate.dedup.band_lists import BandLists
from pile_curate.dedup.exact import ExactIndex
from pile_curate.dedup.minhash import intersection
from pile_curate.word_hashes import Hashes

Handle = TypeVar("Handle")


class Member(NamedTuple):
    """A document as the walk sees it; ``values`` and ``bands`` are None below n words."""

    digest: bytes
    scope: int
    split: int
    against: bool
    shingles: int
    values: npt.NDArray[np.uint32] | None
    bands: Hashes | None


@dataclass(frozen=True, slots=True)
class Verdict(Generic[Handle]):
    """Of which kept document this is a copy; ``shared / union`` is the exact Jaccard."""

    kept: Handle
    exact: bool
    shared: int
    union: int

    @property
    def jaccard(self) -> float:
        """The Jaccard rounded to 1e-4 (half to even, from the exact ratio); 1.0 for two empty sets."""
        return float(round(Fraction(self.shared, self.union), 4)) if self.union else 1.0


class Walk(Generic[Handle]):
    """The walk over one component (or a whole corpus), one document at a time, in order.

    ``load`` gives the shingle set of a document by the handle that it was offered with; it is called only
    for candidate pairs, so it may read from disk. Memory: signature, lists and handle of each *kept* document
    (``BandLists`` says how much) and whatever ``load`` holds on to; no texts.
    """

    def __init__(self, settings: DedupSettings, load: Callable[[Handle], Hashes]) -> None:
        self._settings, self._load = settings, load
        self._minimum, self._ratio = settings.agreement, settings.ratio
        self._scoped = settings.scope != "global"
        self._lists = BandLists(settings.permutations, settings.bands, settings.cap, self._scoped)
        self._exact = ExactIndex()
        self._kept: list[tuple[Handle, int, bool]] = []
        self._listed: list[int] = []  # number in the lists -> number among the kept
        self.examined = 0
        self.refused = 0

    def offer(self, member: Member, handle: Handle) -> Verdict[Handle] | None:
        """Return the document's verdict, None if it is kept (and from now on displaces later ones)."""
        if not member.against:
            verdict = self._judge(member, handle)
            if verdict is not None:
                return verdict
        number = len(self._kept)
        self._kept.append((handle, member.shingles, member.against))
        self._exact.add(member.digest, member.scope, member.split, number)
        if member.values is not None and member.bands is not None:
            self._lists.add(member.bands, member.values, member.scope, member.split)
            self._listed.append(number)
        return None

    def _judge(self, member: Member, handle: Handle) -> Verdict[Handle] | None:
        twin = self._exact.find(member.digest, member.scope, member.split)
        # In one scope all are comparable, so a candidate before the twin would have dropped the twin itself,
        # unless the twin belongs to the older corpus and is never dropped.
        settled = twin >= 0 and not self._scoped and not self._kept[twin][2]
        if member.values is not None and member.bands is not None and not settled:
            found = self._lists.candidates(
                member.bands, member.values, self._minimum, member.scope, member.split
            )
            for number in (self._listed[i] for i in found):
                if 0 <= twin <= number:
                    break
                other, other_shingles, _ = self._kept[number]
                self.examined += 1
                shared = self._shared(member.shingles, handle, other_shingles, other)
                union = member.shingles + other_shingles - shared
                if shared * self._ratio.denominator >= self._ratio.numerator * union:
                    return Verdict(other, False, shared, union)
                self.refused += 1
        if twin < 0:
            return None
        shingles = member.shingles
        return Verdict(self._kept[twin][0], True, shingles, shingles)

    def _shared(self, shingles: int, handle: Handle, other_shingles: int, other: Handle) -> int:
        """Return |A & B|, or 0 without reading either set when their sizes alone keep J below t."""
        few, many = sorted((shingles, other_shingles))
        if few * self._ratio.denominator < self._ratio.numerator * many:
            return 0
        return intersection(self._load(handle), self._load(other))


class Prune:
    """Say which documents of a component can be in a candidate pair at all, before any text is read.

    A superset, found without knowing who is kept: a pair that shares a band, is comparable and agrees in m
    positions marks both. To bound the work, a band's list stops at ``cap`` documents; who finds it full is
    marked unseen, so at most ``cap`` comparisons per band and document are made.
    Beyond ``limit`` documents in one component everything is marked, so memory is bounded by the
    signatures of ``limit`` documents (a million: about 2 GB with lists).
    """

    def __init__(self, settings: DedupSettings, limit: int = 1_000_000) -> None:
        self._settings, self._limit = settings, limit
        self._minimum = settings.agreement
        self._lists: BandLists | None = self._fresh()
        self._count = 0

    def _fresh(self) -> BandLists:
        s = self._settings
        return BandLists(s.permutations, s.bands, s.cap, s.scope != "global")

    def add(self, member: Member) -> None:
        """Add the next document that has a signature; any order will do."""
        if member.values is None or member.bands is None:
            raise ValueError("a document without a signature is in no candidate pair; do not add it")
        self._count += 1
        if self._count > self._limit:
            self._lists = None
        if self._lists is not None:
            self._lists.mark_and_add(member.bands, member.values, self._minimum, member.scope, member.split)

    def marked(self) -> npt.NDArray[np.bool_]:
        """Return, for each added document in order, whether its shingle set may be needed."""
        return np.ones(self._count, np.bool_) if self._lists is None else self._lists.marked
