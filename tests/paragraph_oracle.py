"""State the meaning of paragraph removal as one plain sequential walk; kept apart from the library."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from pile_curate.words import split

BLANK = re.compile(r"[ \t\v\f\r]*")


def blocks(text: str, unit: str) -> list[tuple[int, int]]:
    """Return where each paragraph begins and ends."""
    lines = [(m.start(), m.end()) for m in re.finditer(r"[^\n]+", text) if not BLANK.fullmatch(m[0])]
    found: list[tuple[int, int]] = []
    for start, end in lines:
        if unit == "block" and found and start == found[-1][1] + 1:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def walk(
    documents: Iterable[tuple[str, bytes, str]], unit: str, min_words: int, max_copies: int, keep: str
) -> dict[bytes, str | None]:
    """Return what is left of each changed document; None if it is dropped. Documents: (source, id, text)."""
    seen: Counter[tuple[object, ...]] = Counter()
    changed: dict[bytes, str | None] = {}
    for source, doc_id, text in sorted(
        documents, key=lambda d: (-len(d[2].encode()) if keep == "longest" else 0, d[1])
    ):
        places = blocks(text, unit)
        counted, gone = Counter(seen), []
        for place in places:
            words = (source, *split(text[slice(*place)]))
            if len(words) > min_words:
                counted[words] += 1
                if counted[words] > max_copies:
                    gone.append(place)
        if not gone:
            seen = counted
            continue
        stays = [place for place in places if place not in gone]
        left = sum(len(split(text[slice(*place)])) for place in stays)
        if left < min_words:
            changed[doc_id] = None  # and what it holds counts for nobody
            continue
        seen, kept = counted, text
        for start, end in reversed(gone):  # with what follows up to the next paragraph, else what precedes
            after = [place[0] for place in places if place[0] >= end]
            more = [place for place in stays if place[0] >= end]
            before = [place[1] for place in places if place[1] <= start]
            kept = kept[:start] + kept[after[0] :] if more else kept[: before[-1]] + kept[end:]
        changed[doc_id] = kept
    return changed
