"""Read the tables of reStructuredText, drawn as grids or between rules, and write them with pipes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_GRID = re.compile(r"\+(?:[-=]{1,500}\+){1,200}$")
_SIMPLE = re.compile(r"={2,}(?: +={2,})+$")
_SPANS = re.compile(r"[-= ]+$")
_RUN = re.compile(r"=+|-+")

Cell = Callable[[list[str]], str]


def is_grid(line: str) -> bool:
    """Say whether a line is the border of a grid table."""
    return bool(_GRID.match(line))


def is_simple(line: str) -> bool:
    """Say whether a line is the border of a simple table."""
    return bool(_SIMPLE.match(line))


def pipe_table(rows: Sequence[Sequence[str]]) -> str:
    """Write rows as a table of GitHub's Markdown; the first is the head.

    >>> pipe_table([["a", "b"], ["1"]])
    '| a | b |\\n| --- | --- |\\n| 1 | |'
    """
    width = max(len(row) for row in rows)
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.replace("|", "\\|") for cell in row] + [""] * (width - len(row))
        lines.append(re.sub(r" +\|", " |", "| " + " | ".join(cells) + " |"))
        if number == 0:
            lines.append("| " + " | ".join(["---"] * width) + " |")
    return "\n".join(lines)


def grid_table(lines: list[str], cell: Cell) -> str:
    """Read a grid; cells that span columns keep the first one's place, rows that span are told apart by borders only."""
    rows: list[list[list[str]]] = []
    current: list[list[str]] = []
    for line in lines:
        if line.startswith("+") and not line.strip("+-= "):
            if any(any(part.strip() for part in column) for column in current):
                rows.append(current)
            current = []
            continue
        parts = line.strip("|").split("|") if line.startswith("|") else [line]
        if len(current) < len(parts):
            current += [[] for _ in range(len(parts) - len(current))]
        for column, part in zip(current, parts, strict=False):
            column.append(part[1:].rstrip() if part.startswith(" ") else part.rstrip())
    if any(any(part.strip() for part in column) for column in current):
        rows.append(current)
    return pipe_table([[cell(column) for column in row] for row in rows]) if rows else ""


def simple_table(lines: list[str], cell: Cell) -> str:
    """Read a table between rules of ``=``; a row whose first column is empty goes on with the row above."""
    starts = [found.start() for found in _RUN.finditer(lines[0])]
    ends: list[int | None] = [*starts[1:], None]
    rows: list[list[list[str]]] = []
    for line in lines[1:]:
        if not line.strip() or (line[0] in "=-" and _SPANS.match(line)):
            continue
        parts = [line[start:end].rstrip() for start, end in zip(starts, ends, strict=True)]
        if parts[0].strip() or not rows:
            rows.append([[part] for part in parts])
        else:
            for column, part in zip(rows[-1], parts, strict=True):
                column.append(part)
    return pipe_table([[cell(column) for column in row] for row in rows]) if rows else ""
