r"""Make a page of what the renderer wrote: blocks, references by number, and the mending of holes.

The plain convention of this package: paragraphs, headings and code are separated by an empty line, the items of one
list by a line end; a heading is its bare text, and goes if nothing follows it. Displayed formulas stand on lines of
their own within their paragraph; footnotes and captions follow the paragraph in which they are called.

Where a citation or an unknown reference was, a mark (``GONE``) stands until here, so that brackets, commas and
spaces are mended exactly there and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable

HARD, GONE, HEAD, REF, CODE_MARK, NOTES, ITEM, QUOTE_END = (chr(0xE000 + n) for n in range(8))
"""A line end that stays; a hole; a heading (then its rank); around a label, code, a note's number; an item (then its
depth); the end of an inner list."""

MARKS = re.compile("[\ue000-\ue007]")
_RANKED = re.compile("[\ue000-\ue007]\\d?")

_PARAGRAPHS = re.compile(r"\n\n+")
_REFERENCES = re.compile(f"{REF}(?:([cC]){REF}{REF})?([^{REF}\n]{{0,300}}){REF}")
_MORE = re.compile(f"(?: and |, |–){REF}([^{REF}\n]{{0,300}}){REF}")
_NOTE = re.compile(f"{NOTES}(\\d+){NOTES}")
_CODE = re.compile(f"{CODE_MARK}(\\d+){CODE_MARK}")
_RUN = re.compile(rf"{GONE}(?:\s*(?:[,;–—-]|and|or|&)?\s*{GONE})+")
_LEAD = (
    r"(?:see|cf\.?|e\.g\.?|i\.e\.?|also|in|e\.g|for|example|instance|and|or|the|references|therein|ref\.?|refs\.?|eqs?\.?|"
    r"figs?\.?|sec\.?|section|sections|theorem|lemma|table|tables|equation|equations|chapter|appendix|from|by|of|page|p\.?|pp\.?)"
)
_BRACKETS = re.compile(rf"([(\[])([^()\[\]\n]{{0,400}}?{GONE}[^()\[\]\n]{{0,400}})([)\]])")
_EMPTY = re.compile(rf"(?:{_LEAD}|[\s,;:.{GONE}~–—-])*", re.IGNORECASE)
_EDGE_START = re.compile(rf"^\s*(?:(?:see|cf\.?|e\.g\.?,?)\s*(?:also\s*)?)?{GONE}[\s,;{GONE}]*")
_EDGE_END = re.compile(
    rf"[\s,;]*(?:\b(?:see|cf\.?|e\.g\.?,?)\s*(?:also\s*)?)?{GONE}[\s{GONE}]*$", re.IGNORECASE
)
_WORDED = re.compile(rf"\b(?:Refs?\.|References?|Ref|Refs|refs?\.|citations?)[\s~]*{GONE}", re.IGNORECASE)
_PAGE = re.compile(rf"(?:,?[ ]\b(?:on|at|see|of))?[ ](?:pages?|pp?\.)[\s~]*{GONE}(?:–{GONE})?")
_IN = re.compile(rf"(?:(?<=^)|(?<=[.!?] ))(?:In|See|From|By|Following) {GONE}\s*[,;:]?\s+(\w)")
_SEE = re.compile(rf",?[ ]+(?:see|cf\.?|see also|see e\.g\.|e\.g\.)[ ]*{GONE}(?=[ ]*(?:[.,;:)]|$))")
_BLANK = "".join(c for c in map(chr, range(0x3001)) if c.isspace()) + "~"
_WORDS = ("ref", "refs", "ref.", "refs.", "reference", "references", "citation", "citations")
_PAGES = (" page", " pages", " p.", " pp.")
_SEES = (" see", " cf", " cf.", " also", " e.g.")
_STARTS = tuple(f"{word} {GONE}" for word in ("In", "See", "From", "By", "Following"))
_HOLE = re.compile(rf"[ ]*{GONE}[ ]*")
_DANGLING = re.compile(r"(?<=\()[ ,;]+|[ ,;]+(?=\))")
_VOID_BRACKETS = re.compile(r"[ ]?\([ ,;.]*\)")
_ENUM = re.compile(r"^(\S+)[ ]+")
_PUNCTUATION = re.compile(r"[ ]+([,.;:!?](?:[ \n]|\Z))")


def to_blocks(body: str, notes: list[str], codes: list[str], labels: dict[str, tuple[str, str]]) -> str:
    """Return the page."""
    page: list[tuple[str, int, str]] = []
    for raw in _PARAGRAPHS.split(body):
        _add(page, raw, notes, labels)
    return _page(_without_empty_headings(page), codes)


def _add(
    page: list[tuple[str, int, str]], raw: str, notes: list[str], labels: dict[str, tuple[str, str]]
) -> None:
    """Add a block and the notes that are called in it, theirs behind them; nothing here calls itself."""
    waiting = [(raw, False)]
    while waiting:
        text, is_note = waiting.pop(0)
        called: list[int] = []
        if NOTES in text:
            called = [int(n) for n in _NOTE.findall(text)]
            text = _NOTE.sub("", text)
        for piece in _PARAGRAPHS.split(text) if is_note else [text]:
            block = _block(piece, labels)
            if block is not None:
                page.append(block)
        waiting += [(notes[n], True) for n in called if n < len(notes)]


def _block(text: str, labels: dict[str, tuple[str, str]]) -> tuple[str, int, str] | None:
    text = text.replace(QUOTE_END, "").strip()
    if not text:
        return None
    kind, level = "text", 0
    if found := _CODE.fullmatch(text):
        return "code", int(found[1]), ""
    if text[0] in (HEAD, ITEM) and text[1:2].isdigit():
        kind, level = ("heading" if text[0] == HEAD else "item"), int(text[1])
        text = text[2:]
    if REF in text:
        text = _REFERENCES.sub(lambda found: _number(found, labels), text)
        text = text.replace(REF, "")
    if GONE in text:
        text = mended(text)
    lines: list[str] = []
    for line in text.split(HARD):
        line = " ".join(line.split())
        if not line:
            continue
        if lines and line[0] in ".,;:" and not line.strip(".,;:"):  # what ends a displayed formula
            lines[-1] += line.strip()
            continue
        lines.append(line)
    text = "\n".join(lines)
    if not text.isascii():
        text = _RANKED.sub("", text)
    if kind == "item" and not text.partition(" ")[2].strip():
        return None
    if kind != "item" and not text.strip(" .,;:-|"):
        return None
    return kind, level, text


def _number(found: re.Match[str], labels: dict[str, tuple[str, str]]) -> str:
    known = labels.get(found[2])
    if known is None:
        return GONE
    kind, number = known
    if not found[1]:
        return number
    name = kind if found[1] == "C" else kind.lower()
    if kind == "equation":
        return f"{'Equation' if found[1] == 'C' else 'equation'} ({number})"
    return f"{name[:1].upper() + name[1:] if found[1] == 'C' else name} {number}"


def mended(text: str) -> str:
    """Close the holes that citations leave.

    >>> mended(f"as shown {GONE}, {GONE}. It (see {GONE}) holds (e.g. {GONE}; here {GONE}).")
    'as shown. It holds (here).'
    """
    text = _RUN.sub(GONE, text)

    def bracket(found: re.Match[str]) -> str:
        inner = found[2]
        if _EMPTY.fullmatch(inner):
            return GONE
        inner = _EDGE_END.sub("", _EDGE_START.sub("", inner))
        inner = re.sub(rf"\s*(?:\be\.g\.,?|\bsee|\bcf\.)?\s*{GONE}\s*(?=[;,])", "", inner)
        inner = re.sub(rf"(?:^|(?<=[;,]))\s*(?:e\.g\.,?|see|cf\.)?\s*{GONE}\s*[;,]\s*", " ", inner)
        inner = _HOLE.sub(" ", inner).strip(" ,;")
        return f"{found[1]}{inner}{found[3]}" if inner else GONE

    if "(" in text or "[" in text:
        text = _replaced(text, _BRACKETS, bracket)
    if _stands_before(text, _WORDS):
        text = _WORDED.sub(GONE, text)
    if _stands_before(text, _PAGES):
        text = _PAGE.sub(GONE, text)
    text = _RUN.sub(GONE, text)
    if any(start in text for start in _STARTS):
        text = _IN.sub(lambda found: found[1].upper(), text)
    if _stands_before(text, _SEES):
        text = _SEE.sub("", text)
    return _joined(text.split(GONE)).strip(" ")


def _stands_before(text: str, words: tuple[str, ...]) -> bool:
    """Say whether one of some words, in small letters, stands in front of a hole: cheaper than their pattern."""
    return any(part.rstrip(_BLANK)[-12:].lower().endswith(words) for part in text.split(GONE)[:-1])


def _replaced(text: str, pattern: re.Pattern[str], by: Callable[[re.Match[str]], str]) -> str:
    """Replace matches; one that leaves a hole takes the space in front with it."""
    out: list[str] = []
    at = 0
    for found in pattern.finditer(text):
        new = by(found)
        start = found.start()
        if new == GONE and start > at and text[start - 1] == " ":
            start -= 1
        out += (text[at:start], new)
        at = found.end()
    out.append(text[at:])
    return "".join(out)


def _joined(parts: list[str]) -> str:
    """Close the holes between parts: with a space, but none in front of punctuation and at the end."""
    out = [parts[0]]
    last = len(parts) - 1
    for at, part in enumerate(parts[1:], 1):
        part = part.lstrip(" ")
        tight = part[0] in ",.;:!?)]\n" if part else at == last
        out[-1] = out[-1].rstrip(" ")
        out += ("" if tight else " ", part)
    return "".join(out)


def _without_empty_headings(page: list[tuple[str, int, str]]) -> list[tuple[str, int, str]]:
    """Drop headings that nothing follows but a heading of the same or a higher rank, or the end."""
    kept: list[tuple[str, int, str]] = []
    rank = -1  # of the heading that follows, smallest so far; -1 at the end
    for block in reversed(page):
        if block[0] != "heading":
            rank = 99
        elif block[1] == 0 and kept:
            pass
        elif rank == -1 or block[1] >= rank:
            continue
        else:
            rank = block[1]
        kept.append(block)
    return kept[::-1]


def _page(page: list[tuple[str, int, str]], codes: list[str]) -> str:
    out: list[str] = []
    before = ""
    for kind, level, text in page:
        if out:
            out.append("\n" if kind == before == "item" else "\n\n")
        before = kind
        if kind == "code":
            out.append("```\n" + codes[level].strip("\n") + "\n```")
        elif kind == "item":
            indent = "  " * level
            out.append(indent + text.replace("\n", f"\n{indent}"))
        else:
            out.append(text)
    return "".join(out)
