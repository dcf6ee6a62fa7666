"""Put a page's words into lines, and the lines into the order in which they are read.

A page has columns if an edge is found at which many lines begin, with as many lines ending before it, both sides
filled as prose fills a column; so tables and lists with hanging labels are none. What reaches well into both columns
(titles, abstracts, wide figures' captions) cuts the page into bands; in a band the left column is read before the right.
Each side may have columns again. Right-to-left columns are read in the wrong order.

Cost: a page of n line parts tries the 24 likeliest edges with n comparisons each, with n below ``MAX_PARTS``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

from pile_curate.extract.pdf_words import PdfPage, Word

MAX_PARTS = 3000
"""Line parts above which a page is no page of prose and is read without columns."""

MIN_COLUMN_LINES = 5
FILLED = 0.6
REACH = 0.15
_MAX_LEVELS = 3
_SPLIT_GAP = 0.9
_FIRST_WORDS = 4


@dataclass(slots=True)
class Line:
    """A line of one column: words in order, ends, base line, size of most of its letters, its column's ends."""

    words: list[Word]
    x0: float
    x1: float
    y: float
    size: float
    bold: bool = False
    left: float = 0.0
    right: float = 0.0
    page: int = 0
    text: str = ""
    letters: int = 0


def document_lines(pages: Sequence[PdfPage]) -> list[list[Line]]:
    """Return the lines of each page in reading order.

    Where half of the pages have their columns at the same edge, the others may have them there too: a page of
    tables or formulas does not show them by itself.
    """
    parts = [_parts(page.words) for page in pages]
    edges = [_column_edge(found) if len(found) <= MAX_PARTS else None for found in parts]
    known = sorted(edge for edge in edges if edge is not None)
    usual = known[len(known) // 2] if known and 2 * len(known) >= len(pages) else None
    out: list[list[Line]] = []
    for number, (found, edge) in enumerate(zip(parts, edges, strict=True)):
        if edge is None and usual is not None and _fits(found, usual):
            edge = usual
        lines = _ordered(found, _MAX_LEVELS if len(found) <= MAX_PARTS else 0, edge)
        for line in lines:
            line.page = number
        out.append(lines)
    return out


def _fits(parts: list[Line], edge: float) -> bool:
    """Say whether an edge that other pages have parts this page too."""
    left = sum(p.letters for p in parts if p.x1 <= edge)
    right = sum(p.letters for p in parts if p.x0 >= edge - 2)
    total = sum(p.letters for p in parts)
    return min(left, right) > 0 and left + right >= 0.7 * total


def _parts(words: Sequence[Word]) -> list[Line]:
    """Join words that follow each other on a base line; a gap wider than a letter is tall ends a part."""
    parts: list[list[Word]] = []
    part: list[Word] = []
    last_end = last_size = base_y = base_size = 0.0
    for word in words:
        _, x0, x1, y, size, _, _ = word
        gap_size = size if size > last_size else last_size
        if (
            part
            and -0.6 * gap_size <= x0 - last_end <= _SPLIT_GAP * gap_size
            and ((y == base_y and size == base_size) or _level(y, size, base_y, base_size))
        ):
            part.append(word)
            # The first words' largest is the measure: a line may begin with a raised mark.
            if len(part) == _FIRST_WORDS:
                base_y, base_size = part[0].y, part[0].size
            elif len(part) < _FIRST_WORDS and size > base_size:
                base_y, base_size = y, size
        else:
            part = [word]
            parts.append(part)
            base_y, base_size = y, size
        last_end, last_size = x1, size
    return [_line(part) for part in parts]


def _level(one_y: float, one_size: float, other_y: float, other_size: float) -> bool:
    """Say whether two pieces share a base line; small print beside large may be raised or lowered by half its size."""
    small, large = (one_size, other_size) if one_size < other_size else (other_size, one_size)
    return abs(one_y - other_y) <= (0.3 if small > 0.85 * large else 0.55) * large


def _line(words: list[Word]) -> Line:
    texts, begins, ends, heights, sizes, bold, _ = zip(*words, strict=True)
    letters = list(map(len, texts))
    total = sum(letters)
    size = _usual(sizes, letters)
    y = _usual(heights, letters)
    bold_letters = sum(compress(letters, bold)) if True in bold else 0
    return Line(words, min(begins), max(ends), y, max(size, 0.1), bold_letters * 2 > total, letters=total)


def _usual(values: Sequence[float], letters: Sequence[int]) -> float:
    """Return the value, to a tenth, that most letters have."""
    first = values[0]
    if values.count(first) == len(values):
        return round(first, 1)
    return _most((round(value, 1) for value in values), letters)


def _most(values: Iterable[float], letters: Iterable[int]) -> float:
    """Return the value that most letters have, the first of those."""
    counts: dict[float, int] = {}
    for value, count in zip(values, letters, strict=True):
        counts[value] = counts.get(value, 0) + count
    return max(counts, key=counts.__getitem__)


def _ordered(parts: list[Line], levels: int, edge: float | None = None) -> list[Line]:
    if edge is None and levels:
        edge = _column_edge(parts)
    if edge is None:
        return _column(parts)
    left_end, right_end = min(p.x0 for p in parts), max(p.x1 for p in parts)
    left: list[Line] = []
    right: list[Line] = []
    across: list[Line] = []
    for part in parts:
        if part.x0 >= edge - 2:
            right.append(part)
        elif part.x1 <= edge:
            left.append(part)
        elif part.x1 - edge > REACH * (right_end - edge) and edge - part.x0 > REACH * (edge - left_end):
            across.append(part)
        else:
            (right if part.x1 - edge > edge - part.x0 else left).append(part)
    left, right, across = _with_title_block(left, right, across)
    across.sort(key=lambda p: -p.y)
    out: list[Line] = []
    pending: list[Line] = []
    for part in across:
        above = [[p for p in side if p.y > part.y] for side in (left, right)]
        if any(above):
            out += _column(pending)
            pending = []
            for side in above:
                out += _ordered(side, levels - 1)
            left = [p for p in left if p.y <= part.y]
            right = [p for p in right if p.y <= part.y]
        pending.append(part)
    return out + _column(pending) + _ordered(left, levels - 1) + _ordered(right, levels - 1)


def _with_title_block(
    left: list[Line], right: list[Line], across: list[Line]
) -> tuple[list[Line], list[Line], list[Line]]:
    """Count all large print between lines of large print that go across as going across: rows of authors' names."""
    size = _main_size([*left, *right])
    heights = [p.y for p in across if p.size > 1.08 * size]
    if not heights:
        return left, right, across
    top, bottom = max(heights), min(heights)

    def among(part: Line) -> bool:
        return part.size > 1.08 * size and bottom <= part.y <= top

    across = across + [p for p in (*left, *right) if among(p)]
    return [p for p in left if not among(p)], [p for p in right if not among(p)], across


def _main_size(lines: list[Line]) -> float:
    return _most([line.size for line in lines], [line.letters for line in lines]) if lines else 1.0


def _column_edge(parts: list[Line], levels: int = 2) -> float | None:
    """Return the left edge of a right-hand column, None if the parts are one column; a side may have columns again."""
    if len(parts) < 2 * MIN_COLUMN_LINES:
        return None
    # A line that runs off the page must not widen it.
    begins, ends = sorted(p.x0 for p in parts), sorted(p.x1 for p in parts)
    begin, end = begins[len(parts) // 50], ends[-1 - len(parts) // 50]
    width = end - begin
    starts = Counter([round(p.x0 / 2) for p in parts])
    edges: list[tuple[int, int]] = []
    for place in starts:
        if begin + 0.2 * width < 2 * place < begin + 0.8 * width:
            near = starts.get(place - 1, 0) + starts[place] + starts.get(place + 1, 0)
            if near >= 3:
                edges.append((-near, 2 * place))
    total = sum([p.letters for p in parts])
    best, best_score = None, 0.0
    for _, edge in sorted(edges)[: 24 if levels > 1 else 6]:
        # What the sorted ends say already needs no look at the parts.
        if min(len(parts) - bisect_left(begins, edge - 3), bisect_right(ends, edge)) < MIN_COLUMN_LINES:
            continue
        right = [p for p in parts if p.x0 >= edge - 3]
        left = [p for p in parts if p.x1 <= edge - 0.3 * p.size]
        if len(left) < MIN_COLUMN_LINES:
            continue
        inside = sum([p.letters for p in left]) + sum([p.letters for p in right])
        score = inside - 0.6 * (total - inside)
        if score <= best_score:
            continue
        low, high = max(_low(left), _low(right)), min(_high(left), _high(right))
        if high - low < 3 * right[0].size:
            continue
        right_begin, right_end = min([p.x0 for p in right]), max([p.x1 for p in right])
        sides = ((left, begin, max([p.x1 for p in left])), (right, right_begin, right_end))
        if all(_filled(*side) or (levels and _column_edge(side[0], levels - 1)) for side in sides):
            best, best_score = right_begin, score
    return best


def _low(parts: list[Line]) -> float:
    return min([p.y for p in parts])


def _high(parts: list[Line]) -> float:
    return max([p.y for p in parts])


def _filled(parts: list[Line], begin: float, end: float) -> bool:
    """Say whether the parts fill a column as prose does: half of the letters in lines of at least ``FILLED`` of its width."""
    wide = sum([p.letters for p in parts if p.x1 - p.x0 >= FILLED * (end - begin)])
    return 2 * wide >= sum([p.letters for p in parts])


def _column(parts: list[Line]) -> list[Line]:
    """Join the parts of one column that share a base line, top to bottom, and note the column's ends."""
    if not parts:
        return []
    rows: list[list[Line]] = []
    base = parts[0]
    for part in sorted(parts, key=lambda p: (-p.y, p.x0)):
        if rows and _level(part.y, part.size, base.y, base.size):
            rows[-1].append(part)
            base = part if part.size > base.size else base
        else:
            rows.append([part])
            base = part
    lines: list[Line] = []
    for row in rows:
        row.sort(key=lambda p: p.x0)
        lines.append(_line([word for part in row for word in part.words]) if len(row) > 1 else row[0])
    left, right = _ends(lines)
    for line in lines:
        line.left, line.right = left, right
    return lines


def _ends(lines: list[Line]) -> tuple[float, float]:
    """Return where a column's text begins and ends; titles and notes in other sizes have no say."""
    size = _main_size(lines)
    prose = [line for line in lines if abs(line.size - size) <= 0.05 * size]
    starts = Counter(round(line.x0 / 3) for line in prose)
    # The leftmost place at which an eighth of the lines begin: one stray line is no margin.
    often = [place for place in starts if 8 * (starts[place] + starts[place + 1]) >= len(prose)]
    places = {min(often), min(often) + 1} if often else set(starts)
    left = min(line.x0 for line in prose if round(line.x0 / 3) in places)
    ends = sorted(line.x1 for line in prose)
    return left, ends[-1 - len(ends) // 20]
