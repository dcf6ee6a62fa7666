"""Hold the side of deduplication that needs no text: the total order, comparability and equal digests."""

from __future__ import annotations

from collections.abc import Mapping

from pile_curate.errors import RecipeError


def order_key(
    keep: str, priorities: Mapping[str, int], *, against: bool, source: str, text_bytes: int, doc_id: bytes
) -> tuple[int, int, int, bytes]:
    """Return the key of the total order: of two copies, the one with the smaller key is kept.

    Documents of an older corpus (``against``) come first, whatever ``keep`` says. Then: ``longest`` is
    source priority, most bytes, id; ``priority`` is source priority, id; ``id`` is the id alone. The
    split is no part of it.
    """
    rank = priorities.get(source, 0)
    if keep == "longest":
        return (not against, rank, -text_bytes, doc_id)
    if keep == "priority":
        return (not against, rank, 0, doc_id)
    if keep == "id":
        return (not against, 0, 0, doc_id)
    raise RecipeError([], f"dedup.keep is {keep!r}; allowed: longest, priority, id")


def comparable(scope: int, split: int, other_scope: int, other_split: int) -> bool:
    """Say whether one of two documents can displace the other: same scope, or different splits.

    A copy across splits would leak test data into training, so it counts in every scope.
    """
    return scope == other_scope or split != other_split


class ExactIndex:
    """The kept documents by text digest; remembers the earliest of each (digest, scope, split).

    Memory: one entry per such triple, about 250 bytes.
    """

    def __init__(self) -> None:
        self._kept: dict[bytes, list[tuple[int, int, int]]] = {}

    def find(self, digest: bytes, scope: int, split: int) -> int:
        """Return the earliest kept document that is comparable and has this digest; -1 if there is none."""
        for at, other_scope, other_split in self._kept.get(digest, ()):
            if comparable(scope, split, other_scope, other_split):
                return at
        return -1

    def add(self, digest: bytes, scope: int, split: int, at: int) -> None:
        """Remember kept document number ``at``; call in order. A later one of the same cell never matters."""
        cell = self._kept.setdefault(digest, [])
        if not any((scope, split) == seen[1:] for seen in cell):
            cell.append((at, scope, split))
