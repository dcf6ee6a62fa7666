"""Hold the side of deduplication that needs no text: the total order and comparability."""

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
