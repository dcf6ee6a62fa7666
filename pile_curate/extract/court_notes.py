"""Find the footnotes at the feet of an opinion's pages, which would stand in the middle of the sentences that pages cut.

In text from PDF files nothing but its place tells a note. So a note counts only if three things agree: a line in the
lower part of a page begins with the next number, what stands above it has that number stuck to a word or a sentence's
mark, and an empty line or a rule parts them. Notes are numbered through, as courts do; a numbered list is none.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict

RULE = "\v"
"""What stands for a line of dashes."""

_START = re.compile(r"\s{0,24}(\d{1,3})(?:\s*$|[.)]?\s+(?=\S))")
_MARK = re.compile(r"(?<=[^\W\d_]|[.,;:?!)\]”’\"'])\d{1,3}(?![\d)\]%°]|[.,:/–-]\d|[^\W\d_])")
_HIGHEST = 4
"""A note begins below the first quarter of a page's lines."""


def page_notes(pages: list[list[str]]) -> tuple[list[list[str]], list[tuple[int, list[str]]]]:
    """Return the pages without their notes, marks in brackets, and each note's number and lines."""
    bodies: list[list[str]] = []
    notes: list[tuple[int, list[str]]] = []
    for page in pages:
        lines = list(page)
        marks = _marks(lines)
        begin = _begin(lines, marks, notes)
        if begin < 0:
            bodies.append([line for line in lines if line != RULE])
            continue
        place = (0, -1)
        found_marks: list[tuple[int, int, int]] = []
        for line in lines[begin:]:
            found = _START.match(line)
            number = len(notes) + 1
            mark = _mark(marks, number, place, begin) if found and int(found[1]) == number else None
            if found and mark is not None:
                place = mark
                found_marks.append((*mark, number))
                notes.append((number, [line[found.end() :]]))
            elif line != RULE:
                notes[-1][1].append(line)
        while notes[-1][1] and not notes[-1][1][-1].strip():
            notes[-1][1].pop()
        for row, at, number in reversed(found_marks):
            lines[row] = f"{lines[row][:at]}[{number}]{lines[row][at + len(str(number)) :]}"
        bodies.append([line for line in lines[:begin] if line != RULE])
    return bodies, notes


def _begin(
    lines: list[str], marks: dict[int, list[tuple[int, int]]], notes: list[tuple[int, list[str]]]
) -> int:
    """Return where a page's notes begin, -1 if it has none; a rule begins the rest of a note that a page cut."""
    lowest = sum(map(bool, lines)) // _HIGHEST
    cut = bool(notes) and _cut(notes[-1][1])
    filled = 0
    for index, line in enumerate(lines):
        if filled > lowest and (lines[index - 1] == RULE or not lines[index - 1].strip()):
            found = _START.match(line)
            if found and int(found[1]) == len(notes) + 1 and _mark(marks, len(notes) + 1, (0, -1), index):
                return index
            if lines[index - 1] == RULE and line.strip() and cut:
                return index
        filled += bool(line.strip())
    return -1


def _cut(lines: list[str]) -> bool:
    last = next((line.rstrip() for line in reversed(lines) if line.strip()), "")
    return bool(last) and last.rstrip("\"'”’)]")[-1:] not in ".?!:;"


def _marks(lines: list[str]) -> dict[int, list[tuple[int, int]]]:
    """Return by number where (line, column) it sticks to a word or to a sentence's mark."""
    marks: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row, line in enumerate(lines):
        for found in _MARK.finditer(line):
            marks[int(found[0])].append((row, found.start()))
    return marks


def _mark(
    marks: dict[int, list[tuple[int, int]]], number: int, after: tuple[int, int], end: int
) -> tuple[int, int] | None:
    """Return the first place of a number behind another place and above the line ``end``."""
    places = marks.get(number, [])
    at = bisect_right(places, after)
    return places[at] if at < len(places) and places[at][0] < end else None
