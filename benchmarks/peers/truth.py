"""Hold the exact near-duplicate pairs of a table, and walk them as the oracle without LSH does."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np
import numpy.typing as npt

FLOOR = Fraction(13, 20)
"""The least Jaccard that is listed: 0.65."""


@dataclass(frozen=True)
class Truth:
    """All pairs of Jaccard >= 0.65 of n documents, as row numbers ``left < right`` in the order of the table.

    ``rank`` is a document's place in the total order, ``twins`` the number of its text digest (equal
    numbers, equal digests), ``shingles`` the size of its set. ``agreement`` and ``band`` say of each pair in how
    many signature positions it agrees and whether it shares a band; nothing else here depends on them.
    """

    ids: npt.NDArray[np.str_]
    text_bytes: npt.NDArray[np.int64]
    rank: npt.NDArray[np.int64]
    twins: npt.NDArray[np.int64]
    shingles: npt.NDArray[np.int64]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    shared: npt.NDArray[np.int64]
    union: npt.NDArray[np.int64]
    agreement: npt.NDArray[np.int16]
    band: npt.NDArray[np.bool_]

    @property
    def jaccard(self) -> npt.NDArray[np.float64]:
        """Return the pairs' Jaccard as floats, for tables only; ``reach`` decides in integers."""
        return self.shared / self.union

    def reach(self, threshold: str | Fraction) -> npt.NDArray[np.bool_]:
        """Say of each pair whether its Jaccard reaches the threshold, which is at least 0.65."""
        t = Fraction(threshold)
        if t < FLOOR:
            raise ValueError(
                f"threshold is {float(t)}; allowed: {float(FLOOR)} or more, the least that is listed"
            )
        return self.shared * t.denominator >= t.numerator * self.union

    def neighbours(self, threshold: str | Fraction) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return (starts, others): row i's partners at the threshold are ``others[starts[i]:starts[i + 1]]``."""
        near = self.reach(threshold)
        here = np.concatenate([self.left[near], self.right[near]])
        there = np.concatenate([self.right[near], self.left[near]])
        starts = np.zeros(len(self.ids) + 1, np.int64)
        np.cumsum(np.bincount(here, minlength=len(self.ids)), out=starts[1:])
        return starts, there[np.argsort(here, kind="stable")]

    def first(self, rows: int) -> Truth:
        """Return the truth about the first ``rows`` rows alone; ranks and twins keep their numbers."""
        inside = (self.left < rows) & (self.right < rows)
        pairs = ("left", "right", "shared", "union", "agreement", "band")
        cut = {f.name: getattr(self, f.name) for f in fields(self)}
        return Truth(**{name: one[inside] if name in pairs else one[:rows] for name, one in cut.items()})

    def save(self, path: str) -> None:
        """Write everything to one ``.npz``."""
        with open(path, "wb") as file:
            np.savez_compressed(file, **{f.name: getattr(self, f.name) for f in fields(self)})

    @staticmethod
    def load(path: str) -> Truth:
        """Read what ``save`` wrote."""
        with np.load(path) as stored:
            return Truth(**{f.name: stored[f.name] for f in fields(Truth)})


def oracle(
    truth: Truth, threshold: str | Fraction = "0.8", among: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.int64]:
    """Walk the documents (only those ``among``) in order; return of each row the kept row that drops it, or -1.

    That one is the earliest kept document with equal digest or Jaccard >= the threshold.
    """
    starts, others = truth.neighbours(threshold)
    by = np.full(len(truth.ids), -1, np.int64)
    kept = np.zeros(len(truth.ids), np.bool_)
    first_twin: dict[int, int] = {}
    for row in np.argsort(truth.rank).tolist():
        if among is not None and not among[row]:
            continue
        found = [other for other in others[starts[row] : starts[row + 1]].tolist() if kept[other]]
        twin = first_twin.get(int(truth.twins[row]))
        if twin is not None:
            found.append(twin)
        if found:
            by[row] = min(found, key=truth.rank.__getitem__)
        else:
            kept[row] = True
            first_twin[int(truth.twins[row])] = row
    return by
