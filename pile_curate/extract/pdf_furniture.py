"""Find what belongs to pages and not to the text: running heads and feet, page numbers, footnotes.

A running head is text that stands at the same height on several pages, equal up to its digits. A footnote is small
print at the foot of a column that begins with a mark. Both are told by where they stand, so they are found before
lines become paragraphs.
"""

from __future__ import annotations

import re
from collections import defaultdict

from pile_curate.extract.pdf_layout import Line

EDGE_LINES = 3
SAME_PLACE = 5.0
"""Points by which the height of a running head may differ between pages."""

_WORD = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
_ROMAN = r"[ivxlc]{1,7}"
_PAGE_NUMBER = re.compile(
    rf"[\s\-–—|\[(]*(?:(?:page|p\.|pag\.|seite|стр\.)\s*)?(?:\d{{1,5}}|{_ROMAN})(?:\s*(?:of|von|de|/)\s*\d{{1,5}})?[\s\-–—|\])]*",
    re.I,
)
_NOTE_MARK = re.compile(r"(?:\[?\d{1,3}\]?|[*†‡§¶∗]{1,3})[.)]?(?:\s|(?=[^\W\d_“\"‘'(]))")


def without_furniture(pages: list[list[Line]], names: str) -> tuple[list[list[Line]], int]:
    """Return the pages' lines without running heads, feet and page numbers, and how many lines those were.

    ``names`` is title and authors: a single line that stands apart at the head of a later page and is made of
    words of these is a running head also where too few pages show it to repeat.
    """
    known = set(_WORD.findall(names.casefold()))
    edges = [_edge_lines(lines) for lines in pages]
    places: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for number, lines in enumerate(edges):
        for line in lines:
            places[_key(line)].append((number, line.y))
    wanted = 3 if len(pages) > 4 else 2
    out: list[list[Line]] = []
    dropped = 0
    for number, lines in enumerate(pages):
        gone: set[int] = set()
        for line in edges[number]:
            same = {page for page, y in places[_key(line)] if abs(y - line.y) <= SAME_PLACE}
            if len(same) >= wanted:
                gone.add(id(line))
        rest = [line for line in lines if id(line) not in gone]
        for line in _outermost(rest):
            named = number > 0 and _made_of(line, known)
            if (named or _PAGE_NUMBER.fullmatch(line.text)) and _apart(line, rest):
                gone.add(id(line))
        out.append([line for line in lines if id(line) not in gone])
        dropped += len(gone)
    return out, dropped


def _made_of(line: Line, known: set[str]) -> bool:
    words = _WORD.findall(line.text.casefold())
    return len(words) > 1 and sum(word in known for word in words) >= 0.8 * len(words)


def _key(line: Line) -> str:
    return _DIGITS.sub("#", line.text).casefold()


def _edge_lines(lines: list[Line]) -> list[Line]:
    """Return the topmost and lowest lines of a page."""
    ordered = sorted(lines, key=lambda line: -line.y)
    return ordered if len(ordered) <= 2 * EDGE_LINES else ordered[:EDGE_LINES] + ordered[-EDGE_LINES:]


def _outermost(lines: list[Line]) -> list[Line]:
    if not lines:
        return []
    return [max(lines, key=lambda line: line.y), min(lines, key=lambda line: line.y)]


def _apart(line: Line, lines: list[Line]) -> bool:
    """Say whether white space of more than a line parts a line from all others."""
    return all(other is line or abs(other.y - line.y) > 1.4 * line.size for other in lines)


def split_footnotes(lines: list[Line], body: float) -> tuple[list[Line], list[Line]]:
    """Split a page's lines into text and footnotes, each in reading order."""
    notes: list[Line] = []
    taken: set[int] = set()
    at = len(lines)
    while at > 0:
        # A column's lines stand together, top to bottom; the next column begins where the height jumps up.
        end = at
        at -= 1
        while at > 0 and lines[at - 1].y > lines[at].y:
            at -= 1
        column = lines[at:end]
        first = len(column)
        while first > 0 and column[first - 1].size < 0.93 * body:
            first -= 1
        while first < len(column) and not _NOTE_MARK.match(column[first].text):
            first += 1
        if 0 < first < len(column):
            notes[:0] = column[first:]
            taken.update(id(line) for line in column[first:])
    return [line for line in lines if id(line) not in taken], notes
