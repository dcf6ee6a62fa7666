"""Handle the parts of a thread: what every threaded format does with a part that is not used, or that comes twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pile_curate.sources.base import Document, Outcome, Reject


def unused(
    part: Document, reason: str, detail: str = "", kind: Literal["policy", "error"] = "policy"
) -> Reject:
    """Return the reject of a part."""
    return Reject(reason, part.rel, part.record, detail, part.key, kind, part.records, part.raw_bytes)


def without_copies(parts: Sequence[Document]) -> tuple[list[Document], list[Outcome]]:
    """Keep the first of each key by (file, record); another text under the same key is an error."""
    first: dict[str, Document] = {}
    outcomes: list[Outcome] = []
    for part in sorted(parts, key=lambda p: (p.rel, p.record)):
        kept = first.setdefault(part.key, part)
        if kept is part:
            continue
        where = f"first in {kept.rel} at {kept.record}"
        if (kept.text, kept.title) == (part.text, part.title):
            outcomes.append(unused(part, "duplicate_record", where))
        else:
            detail = f"another text under the same number; {where}"
            outcomes.append(unused(part, "id_conflict", detail, "error"))
    return list(first.values()), outcomes
