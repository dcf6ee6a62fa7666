"""Lines of reduced markup: read what resiliparse hands back, drop what is not text, render the rest.

resiliparse judges elements by tag, role and class name. What it cannot see, because it takes link density and
order, is dropped here: runs of lines that are only links, loose lines after the last real paragraph, and
headings with nothing below them. ``html.py`` states what that gains.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

PARAGRAPH = 80
SENTENCE = 30
LINK_ONLY = 0.8

_BLOCK = re.compile(r"<(/?)(h[1-6]|p|ul|ol|li|pre)>")
_LINK = re.compile(r"<a(?: [^>]*)?>|</a>")
_LINE_END = re.compile(r"<br>\n?")
_SENTENCE_END = re.compile(r"[.!?…。！？]['\"”’»)\]]*$")
_REMAINS = re.compile(r"(?:[,;|/:<>»«›‹()\[\]] ?){1,8}|[-–—]")
"""A line of what stood between links or other things that are gone; rows of stars or dashes are the author's."""
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]")


@dataclass(slots=True)
class Line:
    """One line of reduced markup: its block element, text, and letters inside links and in all."""

    kind: str
    text: str
    linked: int
    size: int
    new: bool
    gap: bool = False

    @property
    def heading(self) -> bool:
        """Whether it is a heading."""
        return self.kind[:1] == "h"

    @property
    def link_only(self) -> bool:
        """Whether it is short and (nearly) all of it is link text."""
        short = 0 < self.size < 200 and not self.heading
        return short and self.linked >= LINK_ONLY * self.size and not self.like_prose

    @property
    def prose(self) -> bool:
        """Whether it is running text: long enough, or a sentence, and mostly outside links."""
        return not self.heading and self.like_prose

    @property
    def like_prose(self) -> bool:
        """The same, also of headings; a wide letter (Chinese, Japanese, Korean) counts as two."""
        length = self.size + len(_WIDE.findall(self.text))
        sentence = length >= SENTENCE and _SENTENCE_END.search(self.text.rstrip()) is not None
        if 2 * self.linked >= self.size:
            # A whole paragraph inside a link is a link that its author forgot to close.
            return sentence and length >= 2 * PARAGRAPH
        return sentence or length >= PARAGRAPH


@dataclass(slots=True)
class _Lists:
    """Open lists, innermost last: -1 for bullets, else the number of the last item."""

    open: list[int] = field(default_factory=list)

    def marker(self) -> str:
        if not self.open or self.open[-1] < 0:
            return "  " * max(0, len(self.open) - 1) + "- "
        self.open[-1] += 1
        return "  " * (len(self.open) - 1) + f"{self.open[-1]}. "


def _unescape(text: str) -> str:
    """Undo exactly the four escapes that the serializer writes."""
    if "&" in text:
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    return text


def read_lines(markup: str) -> list[Line]:
    """Split resiliparse's reduced markup into lines and mark lists."""
    found: list[Line] = []
    lists = _Lists()
    kind, linked, pending, gap = "", False, "", False
    for raw in _LINE_END.sub("\n", markup).split("\n"):
        new = False
        for tag in _BLOCK.finditer(raw):
            closing, name = tag[1], tag[2]
            if name in ("ul", "ol"):
                if not closing:
                    lists.open.append(-1 if name == "ul" else 0)
                elif lists.open:
                    lists.open.pop()
            elif not closing:
                # A link that was never closed must not swallow the rest of the page.
                kind, new, linked = name, True, False
                if name == "li":
                    pending = lists.marker()
        bare = _BLOCK.sub("", raw)
        pieces, start, size = [], 0, 0
        for link in _LINK.finditer(bare):
            piece = _unescape(bare[start : link.start()])
            pieces.append((piece, linked))
            # <a name=…> comes without an address: a target, not a link.
            linked = link[0].startswith("<a ") and 'href=""' not in link[0]
            start = link.end()
        pieces.append((_unescape(bare[start:]), linked))
        text = "".join(piece for piece, _ in pieces)
        text = text.rstrip() if kind == "pre" else text.strip()
        if kind != "pre" and _REMAINS.fullmatch(text):
            text = ""
        size = sum(len(piece) - piece.count(" ") for piece, _ in pieces) if text else 0
        if text:
            inside = sum(len(piece) - piece.count(" ") for piece, link_ in pieces if link_)
            marked, pending = pending + text, ""
            found.append(Line(kind, marked, inside, size, new, gap))
            gap = False
        else:
            gap = gap or kind != "li"
            linked = linked and kind == "pre"
        if pending and ("</li>" in raw or "</ul>" in raw or "</ol>" in raw):
            pending = ""
        if f"</{kind}>" in raw or (not text and kind not in ("pre", "li")):
            kind = ""
    return found


def trim(lines: list[Line]) -> list[Line]:
    """Drop runs of link-only lines, what trails the last prose, and headings with nothing below them."""
    keep = [True] * len(lines)
    start = 0
    for i in range(len(lines) + 1):
        if i < len(lines) and lines[i].link_only:
            continue
        if i - start >= 2:
            keep[start:i] = [False] * (i - start)
        start = i + 1
    last = max((i for i, line in enumerate(lines) if line.prose and keep[i]), default=len(lines))
    for i in range(last + 1, len(lines)):
        # Lists, preformatted text and marked-up paragraphs may well end a page; loose text rarely does.
        if lines[i].heading or not lines[i].kind:
            keep[i] = False
    below, level = False, 9
    for i in range(len(lines) - 1, -1, -1):
        if not keep[i]:
            continue
        if lines[i].heading:
            mine = int(lines[i].kind[1])
            # A lead paragraph is often marked up as a heading: it stands without text below it.
            keep[i] = below or mine < level or lines[i].like_prose
            if not keep[i]:
                continue
            level, below = mine, False
        else:
            below, level = True, 9
    return [line for line, kept in zip(lines, keep, strict=True) if kept]


def render(lines: list[Line]) -> str:
    """Return the text: a blank line around headings and paragraphs, none inside lists and broken lines."""
    out: list[str] = []
    before: Line | None = None
    for line in lines:
        if before is not None:
            apart = line.gap or (line.new and line.kind in ("p", "pre") or line.heading) or before.heading
            out.append("\n\n" if apart else "\n")
        out.append(line.text)
        before = line
    return "".join(out)
