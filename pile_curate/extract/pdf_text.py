"""Turn the lines of a PDF's pages into text: paragraphs, headings, footnotes, hyphens mended.

Nothing in a PDF says where a paragraph ends. The signs are those that a reader goes by: an indent, a gap, a last
line that had room for the next word, another size of type. Where a column or page ends inside a paragraph, the
paragraph goes on, and footnotes wait until it is over.

A hyphen at a line's end is dropped if the next line begins with a small letter, unless the document writes that
compound with a hyphen elsewhere, or uses both halves as words and never the whole. No dictionary, so any language. Of
the words that a two-column setting of Moby Dick divides, 6 compounds lose their hyphen and 6 words keep one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pile_curate.extract.pdf_furniture import split_footnotes, without_furniture
from pile_curate.extract.pdf_layout import Line, document_lines
from pile_curate.extract.pdf_words import Pdf

HEADING = 1.1
_HANGING = 0.45
_HYPHEN_END = re.compile(r"[^\W\d_](?:-|‐|¬)$")
_SENTENCE_END = re.compile(r"[.!?:;…][\"'”’»)\]]*(?:\[\d{1,3}\]|\d{1,3})?$")
_BULLET = re.compile(r"[•◦▪‣●■–—*∙·-]\s+\S|[•◦▪‣●■]\S")
_REFERENCES = re.compile(
    r"(?:\d{1,2}\.?\s+)?(?:references(?: cited)?|bibliography|works cited|literature(?: cited)?"
    r"|literatur(?:verzeichnis)?|bibliographie|bibliografía|références)\s*:?",
    re.I,
)
_AFTER_REFERENCES = re.compile(
    r"(?:appendix|appendices|supplement|anhang|annex|notes|about the author)\b", re.I
)
_TOKEN = re.compile(r"[^\W\d_]+(?:[-‐][^\W\d_]+)*")
_RAISED_BASE = re.compile(r"(?:[^\W\d_]{3}|[.,;:!?)\]”’\"'»])$")


@dataclass(frozen=True, slots=True)
class PdfStyle:
    """What becomes of footnotes and the list of references."""

    footnotes: bool = True
    references: bool = True


@dataclass(slots=True)
class PdfText:
    """The text and what was found: a title's guess from the first page, furniture, footnotes, pages with no text."""

    text: str
    title: str
    furniture: int = 0
    footnotes: int = 0
    empty_pages: int = 0


@dataclass(slots=True)
class _Paragraph:
    lines: list[Line] = field(default_factory=list)
    heading: bool = False
    note: bool = False


def pdf_text(pdf: Pdf, style: PdfStyle) -> PdfText:
    """Return the text of a PDF's pages."""
    pages = document_lines(pdf.pages)
    words = Counter[float]()
    for line in (line for lines in pages for line in lines):
        words[line.size] += line.letters
    body = words.most_common(1)[0][0] if words else 1.0
    for line in (line for lines in pages for line in lines):
        line.text = _line_text(line, style.footnotes)
    title = _largest(pages[0] if pages else [], body)
    empty = sum(not lines for lines in pages)
    names = " ".join((title, pdf.info.get("Title", ""), pdf.info.get("Author", "")))
    pages, furniture = without_furniture(pages, names)
    paragraphs, notes = _paragraphs(pages, body, style)
    vocabulary = _vocabulary(pages)
    texts = [(p, _joined(p.lines, vocabulary)) for p in paragraphs]
    if not style.references:
        texts = list(_without_references(texts))
    text = "\n\n".join(text for _, text in texts if text.strip())
    return PdfText(text, title, furniture, notes, empty)


def _line_text(line: Line, notes: bool) -> str:
    """Join a line's words; a raised number behind a word is a note's mark: ``[3]``, or nothing without notes."""
    texts, _, _, _, sizes, _, glued = zip(*line.words, strict=True)
    if min(sizes) >= 0.85 * line.size and True not in glued:
        return " ".join(texts)
    out: list[str] = []
    for word in line.words:
        raised = word.size < 0.85 * line.size and word.y > line.y + 0.15 * line.size
        if raised and out and word.text.isdigit() and len(word.text) <= 3:
            if _RAISED_BASE.search(out[-1][-3:]):
                if notes:
                    out[-1] += f"[{word.text}]"
            else:
                out[-1] += ("^" if out[-1][-1:].isdigit() else "") + word.text
        elif raised and not out and word.text.isdigit():
            out.append(f"[{word.text}]")
        elif out and word.glued and not out[-1].startswith("["):
            out[-1] += word.text
        else:
            out.append(word.text)
    return " ".join(out)


def _largest(lines: list[Line], body: float) -> str:
    """Return the largest print of the first page, if it is larger than the text."""
    upright = [line for line in lines if line.letters > 3]
    if not upright:
        return ""
    size = max(line.size for line in upright)
    if size < 1.15 * body:
        return ""
    found: list[str] = []
    for line in upright:
        if line.size >= 0.97 * size:
            found.append(line.text)
        elif found:
            break
    title = " ".join(found[:5])
    return title if len(title) <= 300 else ""


def _paragraphs(pages: list[list[Line]], body: float, style: PdfStyle) -> tuple[list[_Paragraph], int]:
    split = [split_footnotes(lines, body) for lines in pages]
    count = sum(len(notes) for _, notes in split)
    text = [line for lines, _ in split for line in lines]
    leading = _leading(text, body)
    hanging = _hanging_columns(text)
    indents = _indented(text, hanging)
    out: list[_Paragraph] = []
    waiting: list[_Paragraph] = []
    before: Line | None = None
    for lines, notes in split:
        for at, line in enumerate(lines):
            new = before is None or _begins(before, line, leading, body, hanging, indents)
            if before is not None and out[-1].heading and not _same_heading(before, line, leading):
                new = True
            if new:
                out += waiting
                waiting = []
                out.append(_Paragraph(heading=_is_heading(lines, at, body, leading)))
            out[-1].lines.append(line)
            before = line
        if style.footnotes:
            for note in notes:
                fresh = not waiting or re.match(r"\[?\d{1,3}\]?[.)]?\s?\D|[*†‡§¶∗]", note.text)
                if fresh:
                    waiting.append(_Paragraph(note=True))
                waiting[-1].lines.append(note)
    return out + waiting, count


def _leading(lines: list[Line], body: float) -> float:
    """Return the usual distance of two lines in terms of the size of type."""
    gaps = [
        (a.y - b.y) / body
        for a, b in zip(lines, lines[1:], strict=False)
        if a.page == b.page and abs(a.size - b.size) < 0.05 * body and 0.5 * body < a.y - b.y < 3.5 * body
    ]
    # Half of the smaller ones: in a text of many short paragraphs the gaps between them must not count.
    gaps.sort()
    return gaps[len(gaps) // 3] if gaps else 1.2


def _place(line: Line) -> tuple[int, int]:
    return line.page, round(line.left / 20)


def _hanging_columns(lines: list[Line]) -> set[tuple[int, int]]:
    """Return columns of hanging paragraphs, as in lists of references: what is not set in begins an entry.

    Most lines are set in there, and one that is not is followed by one that is.
    """
    total, inner, first, followed = (Counter[tuple[int, int]]() for _ in range(4))
    before: Line | None = None
    for line in lines:
        place = _place(line)
        set_in = 0.6 * line.size < line.x0 - line.left < 5 * line.size
        total[place] += 1
        inner[place] += set_in
        if before is not None and _place(before) == place and before.x0 - before.left <= 0.6 * before.size:
            first[place] += 1
            followed[place] += set_in
        before = line
    return {
        place
        for place, count in total.items()
        if count >= 4 and inner[place] > _HANGING * count and followed[place] >= 0.6 * first[place]
    }


def _indented(lines: list[Line], hanging: set[tuple[int, int]]) -> bool:
    """Say whether the document begins its paragraphs with an indent."""
    prose = [line for line in lines if _place(line) not in hanging]
    inner = sum(0.6 * line.size < line.x0 - line.left < 4 * line.size for line in prose)
    return inner * 25 > len(prose) > 0


def _begins(
    before: Line, line: Line, leading: float, body: float, hanging: set[tuple[int, int]], indents: bool
) -> bool:
    """Say whether a line begins a paragraph, given the line before it."""
    if abs(before.size - line.size) > 0.1 * max(before.size, line.size):
        return True
    if _HYPHEN_END.search(before.text[-2:]) and line.text[:1].islower():
        return False
    inner = line.x0 - line.left > 0.6 * line.size
    if _BULLET.match(line.text):
        return True
    width = before.right - before.left
    first = line.words[0]
    slack = before.right - before.x1 - (first.x1 - first.x0) - 0.3 * line.size
    ended = not before.text[-1:].isalpha() and bool(_SENTENCE_END.search(before.text))
    roomy = slack > 0.02 * width and (ended or slack > 0.25 * width)
    broken = before.page != line.page or line.y > before.y
    if line.bold and not before.bold and (ended or roomy or broken):
        return True
    if broken:
        if _place(line) in hanging:
            return not inner
        if inner and line.x0 - line.left < 5 * line.size:
            return ended or not line.text[:1].islower()
        if line.text[:1].islower() or not ended:
            return slack > 0.5 * width and not line.text[:1].islower()
        return roomy or not indents
    gap = before.y - line.y
    if gap > max(1.35 * leading * line.size, leading * body * 1.25):
        return True
    if _place(line) in hanging and _place(before) == _place(line):
        return not inner
    # What is set in behind a full line without a full stop goes on below a label, as in lists.
    if inner and line.x0 - before.x0 > 0.6 * line.size and (ended or slack > 0.1 * width):
        return True
    return roomy and not line.text[:1].islower()


def _is_heading(lines: list[Line], at: int, body: float, leading: float) -> bool:
    line = lines[at]
    if line.size > HEADING * body and line.letters < 200:
        return True
    if not line.bold or line.letters > 120:
        return False
    after = lines[at + 1] if at + 1 < len(lines) else None
    return after is None or not after.bold


def _same_heading(before: Line, line: Line, leading: float) -> bool:
    near = abs(before.y - line.y) <= 1.5 * leading * before.size
    return near and abs(before.size - line.size) < 0.05 * before.size and before.bold == line.bold


def _vocabulary(pages: Iterable[list[Line]]) -> tuple[Counter[str], Counter[str]]:
    """Count compounds with a hyphen, and words, leaving out the halves of what a line's end divides."""
    words = Counter[str]()
    divided = False
    for line in (line for lines in pages for line in lines):
        begin, divided = int(divided), line.text.endswith(("-", "‐", "¬"))
        words.update([word.text for word in line.words[begin : len(line.words) - divided]])
    compounds, plain = Counter[str](), Counter[str]()
    for text, count in words.items():
        for token in _TOKEN.findall(text.casefold()):
            (compounds if "-" in token or "‐" in token else plain)[token.replace("‐", "-")] += count
    return compounds, plain


def _joined(lines: list[Line], vocabulary: tuple[Counter[str], Counter[str]]) -> str:
    out = ""
    for line in lines:
        text = line.text
        if not out:
            out = text
        elif _HYPHEN_END.search(out[-2:]):
            out = _mended(out, text, vocabulary)
        elif out.endswith(("—", "\u00ad")):
            out = out.rstrip("\u00ad") + text
        elif _unspaced(out[-1]) and _unspaced(text[:1]):
            out += text
        else:
            out += " " + text
    return out


def _unspaced(char: str) -> bool:
    """Say whether a script writes no spaces: Chinese, Japanese, Thai and their marks."""
    return "\u3000" <= char <= "\u9fff" or "\uff00" <= char <= "\uffef" or "\u0e00" <= char <= "\u0eff"


def _mended(left: str, right: str, vocabulary: tuple[Counter[str], Counter[str]]) -> str:
    """Join two lines at a hyphen."""
    compounds, plain = vocabulary
    if not right[:1].islower():
        return left + right if right[:1].isalnum() else left + " " + right
    begin, end = _TOKEN.findall(left[-80:-1].casefold()), _TOKEN.match(right.casefold())
    if left[-2:-1].isupper():
        return left + right
    if begin and end:
        head, tail = begin[-1], end[0]
        joined = head + tail
        if compounds[f"{head}-{tail}"] > plain[joined]:
            return left + right
        if not plain[joined] and plain[head] and plain[tail] and min(len(head), len(tail)) >= 3:
            return left + right
    elif not end:
        return left + " " + right
    return left[:-1] + right


def _without_references(texts: list[tuple[_Paragraph, str]]) -> Iterable[tuple[_Paragraph, str]]:
    """Leave out the list of references: from its heading in the last half up to an appendix."""
    half = sum(len(text) for _, text in texts) * 0.4
    seen, dropping = 0, False
    for paragraph, text in texts:
        seen += len(text)
        short = len(text) < 60
        if short and seen > half and _REFERENCES.fullmatch(text.strip()):
            dropping = True
        elif dropping and short and _AFTER_REFERENCES.match(text):
            dropping = False
        if not dropping:
            yield paragraph, text
