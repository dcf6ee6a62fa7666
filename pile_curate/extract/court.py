"""Turn the texts of court opinions, as they come out of PDF files and publishers' markup, into running text.

Text from PDF files carries the page with it: page numbers, the docket line that the court stamps on each page, the
line numbers of pleading paper, line breaks and hyphens at the margin. All that is taken out; what is left is joined
into paragraphs. Markup (HTML of several publishers, the Caselaw Access Project's XML) loses the marks of page
turns, whose numbers stand in the middle of sentences; citations stay as text and footnotes keep their numbers in
brackets.

Every regular expression here stops at a line's end or at the next angle bracket, so the time is linear.
"""

from __future__ import annotations

import html
import re
from collections import Counter

from pile_curate.extract.court_notes import RULE, page_notes
from pile_curate.extract.fragment import fragment_text

EDGE = 3
"""How many lines at the top and the bottom of a page may be its running head or foot."""

_PLEADING = re.compile(r"\s{0,20}(\d{1,2})(?:\s+|$)")
_PAGE_NUMBER = re.compile(
    r"[-–—\[(\s]*(?:page:?\s*|pg\.?\s*)?(?:\d{1,4}|[ivxl]{1,7})(?:\s*(?:of|/)\s*\d{1,4})?[-–—\])\s]*", re.I
)
_UPPER_ROMAN = re.compile(r"\s*[IVXL]+\s*")
_RULE = re.compile(r"\s*[_=*~—–-]{5,}\s*|\s*[)(|:§]\s*")
_BRACKETS = frozenset(")|§")
_BOX = frozenset(")(|:§")
_BRACKET = "\0"
_VARYING = re.compile(r"\d+|\b[ivxl]+\b")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_ENDING = re.compile(r"([^\W\d_]+)-$")
_BEGINNING = re.compile(r"[^\W\d_]+")
_COMPOUNDS = frozenset("self well non quasi cross ex ill so-called post anti half all one two three".split())

_SPOT = re.compile(
    r"<(span|a|div|sup|page-number|pagenumber|footnotemark)\b([^<>]*)>([^<>]{0,60})</\1\s*>", re.I
)
_PAGE_MARKS = ("star-pagination", "page-number", "pagenum", "page-label", "pagebreak")
_FOOTNOTE = re.compile(r"<footnote\b([^<>]*)>\s*(?:<p\b[^<>]*>)?", re.I)
_LABEL = re.compile(r"""\blabel\s*=\s*["']([^"'<>]{1,12})["']""")
_BLOCK = re.compile(
    r"<(/?)(?:opinion|author|parties|casename|court|docketnumber|decisiondate|otherdate|syllabus|summary|headnotes|"
    r"attorneys|judges|disposition|history|footnote|seealso|correction|indent)\b[^<>]*>",
    re.I,
)
_PRE = re.compile(r"<(/?)pre\b[^<>]*>", re.I)
_TAG = re.compile(r"<[/!?]?[a-zA-Z][^<>]*>")


def court_markup(markup: str) -> str:
    """Return the text of an opinion's HTML or XML.

    >>> court_markup('<p>The rule <span class="star-pagination">*389</span> of <em>Hall</em>, 410 U.S. 113, holds.</p>')
    'The rule of Hall, 410 U.S. 113, holds.'
    """
    markup = _SPOT.sub(_spot, markup)
    if _mostly_preformatted(markup):
        # The text of a PDF file, wrapped in <pre> to show it on the web.
        return court_text(html.unescape(_TAG.sub("", markup)))
    if "<footnote" in markup:
        markup = _FOOTNOTE.sub(lambda found: f"<p>{_label(found[1])} ", markup)
    return fragment_text(_BLOCK.sub(r"<\1p>", markup))


def _spot(found: re.Match[str]) -> str:
    tag, attributes, text = found[1].lower(), found[2], found[3]
    if tag in ("page-number", "pagenumber") or any(mark in attributes for mark in _PAGE_MARKS):
        return ""
    label = text.strip()
    if tag == "footnotemark" or "footnote" in attributes or 'href="#fn' in attributes:
        return f"[{label.strip('[]')}]" if 0 < len(label) < 6 else found[0]
    return found[0]


def _label(attributes: str) -> str:
    label = _LABEL.search(attributes)
    return f"[{label[1]}]" if label else ""


def _mostly_preformatted(markup: str) -> bool:
    inside = depth = at = 0
    for tag in _PRE.finditer(markup):
        if depth:
            inside += tag.start() - at
        depth = max(0, depth + (-1 if tag[1] else 1))
        at = tag.end()
    inside += len(markup) - at if depth else 0
    return inside > 0 and inside * 2 > len(_TAG.sub("", markup))


def court_text(text: str) -> str:
    """Return a PDF file's text as paragraphs; pages are apart by form feeds, as ``pdftotext`` writes them."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xad", "-").expandtabs(8)
    pages = _without_line_numbers([[line.rstrip() for line in page.split("\n")] for page in text.split("\f")])
    pages = [[line for line in map(_without_box, page) if line != _BRACKET] for page in pages]
    if len(pages) == 1:
        return _paragraphs([_without_page_numbers([line for line in pages[0] if line != RULE])])
    pages, notes = page_notes(_without_running_lines(pages))
    texts = [_paragraphs(pages), *(f"[{number}] {_paragraphs([lines])}" for number, lines in notes)]
    return "\n\n".join(text for text in texts if text)


def _without_box(line: str) -> str:
    """Drop the bracket at the right of a caption, which stands apart from the names; say what is only a rule."""
    if _RULE.fullmatch(line):
        return _BRACKET if line.strip()[-1:] in _BOX else RULE
    if line[-1:] in _BRACKETS:
        names = line[:-1].rstrip()
        return names if len(line) - len(names) > 2 else line
    return line


def _without_line_numbers(pages: list[list[str]]) -> list[list[str]]:
    """Drop the numbers that pleading paper has in its margin: 1, 2, 3 … at the beginnings of lines.

    Eight on one page show what paper it is; on the other pages of the same text two are enough then.
    """
    pages = [[line for line in page if not _is_counting(line)] for page in pages]
    marks = [_margin_numbers(page) for page in pages]
    if not any(len(found) >= 8 for found in marks):
        return pages
    return [
        _unnumbered(page, found) if len(found) >= 2 else page
        for page, found in zip(pages, marks, strict=True)
    ]


def _margin_numbers(lines: list[str]) -> dict[int, int]:
    """Return which lines begin with 1, 2, 3 …, and how long that is; none if too few of the page's lines do."""
    marks: dict[int, int] = {}
    alone = 0
    for index, line in enumerate(lines):
        found = _PLEADING.match(line)
        if found and int(found[1]) == len(marks) + 1:
            marks[index] = found.end()
            alone += found.end() == len(line)
    if not marks:
        return marks
    # A column of bare numbers stands together; numbers before text are at half of the lines or more.
    together = alone == len(marks) and max(marks) - min(marks) <= 3 * len(marks)
    return marks if together or 2 * len(marks) >= sum(map(bool, lines)) else {}


def _unnumbered(lines: list[str], marks: dict[int, int]) -> list[str]:
    bare = all(len(lines[i]) == end for i, end in marks.items())
    return [
        # A space for each character that goes keeps the indents comparable.
        " " * marks[i] + line[marks[i] :] if i in marks else line
        for i, line in enumerate(lines)
        if not (bare and i in marks)
    ]


def _is_counting(line: str) -> bool:
    """Say whether a line is only 1 2 3 4 …, a margin read across."""
    if line.lstrip()[:2] != "1 ":
        return False
    numbers = line.split()
    return len(numbers) >= 8 and numbers == [str(i) for i in range(1, len(numbers) + 1)]


def _edges(lines: list[str]) -> list[int]:
    """Return which lines could be a page's head or foot."""
    filled = [i for i, line in enumerate(lines) if line]
    return filled if len(filled) <= 2 * EDGE else filled[:EDGE] + filled[-EDGE:]


def _shape(line: str) -> str:
    return " ".join(_VARYING.sub("", line.lower()).split())


def _without_running_lines(pages: list[list[str]]) -> list[list[str]]:
    """Drop page numbers, and lines that an edge of one of the two pages before or behind has, too, but for numbers.

    Heads differ on left and right pages and change within a volume, so only near pages count. Without a number, the
    first page's is the caption, and stays.
    """
    shapes = [{_shape(page[i]) for i in _edges(page)} - {""} for page in pages]
    out = []
    for number, page in enumerate(pages):
        gone = set()
        edges = _edges(page)
        for i in edges:
            line = page[i]
            near = shapes[max(0, number - 2) : number] + shapes[number + 1 : number + 3]
            repeated = any(_shape(line) in shape for shape in near)
            repeated = repeated and (number > 0 or any(map(str.isdigit, line)))
            counted = bool(_PAGE_NUMBER.fullmatch(line)) and not _UPPER_ROMAN.fullmatch(line)
            if counted and i in edges[EDGE:-2]:
                counted = False  # two lines below it: the mark of a note
            if repeated or counted:
                gone.add(i)
        out.append([line for i, line in enumerate(page) if i not in gone])
    return out


def _without_page_numbers(lines: list[str]) -> list[str]:
    """Drop page numbers where no form feeds tell the pages apart: lines of their own that count up, at least three."""
    found: list[int] = []
    last = -1
    for i, line in enumerate(lines):
        if line and _PAGE_NUMBER.fullmatch(line):
            digits = "".join(c for c in line.split("of")[0] if c.isdecimal() and c.isascii())
            if digits and (last < 0 or int(digits) == last + 1):
                found.append(i)
                last = int(digits)
    gone = set(found) if len(found) >= 3 else set()
    return [line for i, line in enumerate(lines) if i not in gone]


def _paragraphs(pages: list[list[str]]) -> str:
    """Join the lines that only the margin broke."""
    lines = [line for page in pages for line in _spaced(page)]
    if not lines:
        return ""
    texts = [line for line, _, _ in lines]
    lengths = sorted(len(line) for line in texts if len(line) > 30)
    width = lengths[len(lengths) * 9 // 10] if lengths else 60
    margin = _margin([line for line in texts if len(line) > 0.7 * width])
    hyphens = any(line[-1] == "-" for line in texts)
    words = Counter(_WORD.findall("\n".join(texts).lower())) if hyphens else Counter()
    out = [_squeezed(texts[0])]
    before = texts[0]
    for line, blanks, spacing in lines[1:]:
        piece = _squeezed(line)
        kind = "\n\n" if blanks > spacing else _break(before, line, width, margin)
        before = line
        if kind:
            # On a double-spaced page even a line that stands by itself is apart from the next.
            out += ("\n\n" if blanks else kind, piece)
        elif out[-1][-1] == "-" and (hyphen := _ENDING.search(out[-1])) and (word := _BEGINNING.match(piece)):
            keeps = _keeps_hyphen(hyphen[1], word[0], words)
            out[-1:] = [out[-1] if keeps else out[-1][:-1], piece]
        else:
            out += ("" if out[-1][-1] in "-—" else " ", piece)
    return "".join(out)


def _spaced(page: list[str]) -> list[tuple[str, int, int]]:
    """Return a page's lines that are not blank, each with the blank lines before it and the page's spacing, 0 or 1.

    On a double-spaced page most lines have one blank line between them and break off in the middle of a sentence,
    which paragraphs of one line do not. Blank lines at a page's edges are the page's, not the text's.
    """
    found: list[tuple[str, int]] = []
    blanks = 0
    for line in page:
        if line.strip():
            found.append((line, blanks if found else 0))
            blanks = 0
        else:
            blanks += 1
    apart = [before for (before, _), (_, blanks) in zip(found, found[1:], strict=False) if blanks == 1]
    ended = sum(_ends_sentence(line) for line in apart)
    close = sum(blanks == 0 for _, blanks in found[1:])
    double = len(apart) >= max(3, 2 * close) and 2 * ended < len(apart)
    return [(line, blanks, int(double)) for line, blanks in found]


def _ends_sentence(line: str) -> bool:
    return line.rstrip("\"'”’)]")[-1:] in ".?!:;"


def _squeezed(line: str) -> str:
    return " ".join(line.split())


def _margin(lines: list[str]) -> int:
    indents = Counter(len(line) - len(line.lstrip()) for line in lines)
    return indents.most_common(1)[0][0] if indents else 0


def _break(before: str, line: str, width: int, margin: int) -> str:
    """Return what stands between two adjacent lines: "" where the margin broke them, else one or two line ends."""
    indent = len(line) - len(line.lstrip())
    earlier = len(before) - len(before.lstrip())
    word = line.split(None, 1)[0]
    lower = word[0].islower()
    full = len(before) + 1 + len(word) > 0.8 * width
    ends = _ends_sentence(before)
    if indent >= margin + 2 and indent > earlier + 1 and not (lower and full):
        return "\n\n"
    if full or (lower and (before[-1] == "-" or not ends and len(before) > 0.45 * width)):
        return ""
    return "\n\n" if ends else "\n"


def _keeps_hyphen(left: str, right: str, words: Counter[str]) -> bool:
    """Say whether a hyphen at a line's end belongs to the word: as the same text writes it elsewhere, else by its parts."""
    if not right[0].islower():
        return True
    left, right = left.lower(), right.lower()
    whole, compound = words[left + right], words[f"{left}-{right}"]
    if whole or compound:
        return compound > whole
    return left in _COMPOUNDS
