"""Render the text parts of a patent's tree as blocks: one renderer for the element names of all SGML and XML layouts.

Paragraphs, headings, tables (cells between bars), lists, formulas. Figures, structures drawn as pictures and sequence listings
have no text and go; a formula in MathML is written on one line, one that is only a picture leaves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ProcessingInstruction

from pile_curate.extract.patent import Block, Part
from pile_curate.extract.patent_codes import braces, scripted
from pile_curate.extract.patent_mathml import math_line

_SILENT = frozenset(
    "img emi image chemistry chem-us chemcdx chemmol chemistry-cwu mathematica custom-character figure figures drawings "
    "subdoc-drawings sdodr sequence-list sequence-list-cwu sequence-listing seqlst-us us-sequence-list-doc us-megatable-doc "
    "table-external-doc number colspec spanspec representative-figure program-listing-deposit us-chemistry us-math".split()
)
_PARAGRAPHS = frozenset("p para paragraph claim-text clmstep li list-item dt dd pre bio-deposit".split())
_BREAKERS = frozenset(
    "ul ol dl unordered-list ordered-list tables table-us table-cwu cwu maths math-us math-cwu".split()
)
_SUPER, _SUB = frozenset(("sup", "sp", "superscript")), frozenset(("sub", "sb", "subscript"))
_PARTS: dict[str, Part] = {
    "relapp": "related", "cross-reference-to-related-applications": "related", "govint": "related",
    "federal-research-statement": "related", "copyright-statement": "related", "background-of-invention": "background",
    "brfsum": "summary", "summary-of-invention": "summary",
    "drwdesc": "drawings", "brief-description-of-drawings": "drawings", "description-of-drawings": "drawings",
    "brief-description-of-sequences": "detail", "detdesc": "detail", "detailed-description": "detail",
}  # fmt: skip
_HEADINGS = frozenset(("heading", "h"))
_BLANKS = re.compile(r"\s+")
_NUMBER = re.compile(r"^\[[0-9]{4,6}\]\s*")


class _Renderer:
    def __init__(self, tables: bool, data_only: bool) -> None:
        self.blocks: list[Block] = []
        self._tables, self._data_only = tables, data_only
        self._inline: list[str] = []
        self._kind = "p"
        self._parts: list[Part] = [""]
        self._said: Part = ""  # by a processing instruction
        self._row: list[str] | None = None
        self._rows: list[str] = []
        self._cell = 0  # depth of cells
        self._deleted = False

    def text(self, text: str | None, inside_data: bool) -> None:
        """Take character data; in the ST.32 layouts blanks between elements are the file's, not the text's."""
        if text and not self._deleted and not (self._data_only and not inside_data and text.isspace()):
            self._inline.append(text)

    def flush(self, kind: str = "") -> None:
        """End the block that is open."""
        kind = kind or self._kind
        text = _BLANKS.sub(" ", "".join(self._inline)).strip()
        self._inline = []
        if text:
            text = _NUMBER.sub("", braces(text) if "{" in text else text)
        if text:
            part = self._parts[-1] or self._said
            self.blocks.append(Block("heading" if kind == "heading" else "p", text, part))

    def walk(self, root: Element) -> Iterator[Block]:
        """Yield the blocks of everything below ``root``, iteratively, because depth is the input's."""
        stack = [(root, iter(root), "", 0)]
        self._enter(root)
        while stack:
            if self.blocks:
                yield from self.blocks
                self.blocks.clear()
            element, children, name, mark = stack[-1]
            child = next(children, None)
            if child is None:
                stack.pop()
                self._leave(name, mark)
                if stack:
                    self.text(element.tail, stack[-1][2] == "pdat")
                continue
            tag: object = child.tag  # a function for what is no element
            if tag is ProcessingInstruction:
                self._instruction(child.text or "")
                self.text(child.tail, name == "pdat")
                continue
            low = tag.lower() if isinstance(tag, str) else "img"
            if low in _SILENT or (low in ("table", "tables", "table-us", "table-cwu") and not self._tables):
                if low.startswith("table"):
                    self.flush()
                self.text(child.tail, name == "pdat")
            elif low == "math":
                self._inline.append(math_line(child))
                self.text(child.tail, name == "pdat")
            elif low in ("del-s", "del-e"):
                self._deleted = low == "del-s"
                self.text(child.tail, name == "pdat")
            else:
                if name in ("document-id", "patcit", "doc", "nplcit"):
                    self._inline.append(" ")
                elif name == "dependent-claim-reference":
                    low = "reference"  # its claim-text is a word or two, not a step of the claim
                stack.append((child, iter(child), low, self._open(low)))
                self._enter(child)
        self.flush()
        yield from self.blocks

    def _enter(self, element: Element) -> None:
        tag = element.tag.lower()
        self.text(element.text, tag == "pdat" or not self._data_only or tag in ("entry", "f"))

    def _open(self, name: str) -> int:
        """Begin an element; the result is handed back when it ends."""
        if name in _SUPER or name in _SUB:
            return len(self._inline)
        if name == "table":
            self.flush()
            self._rows = []
        elif name == "row":
            self._row = []
        elif name == "entry":
            self._cell += 1
            return len(self._inline)
        elif name == "br":
            self._inline.append(" ")
        elif self._cell:
            if name in _PARAGRAPHS:
                self._inline.append(" ")
        elif name in _HEADINGS:
            self.flush()
            self._kind = "heading"
        elif name in _PARAGRAPHS or name in _BREAKERS:
            self.flush()
        elif name in _PARTS:
            self.flush()
            self._parts.append(_PARTS[name])
        return 0

    def _leave(self, name: str, mark: int) -> None:
        if name in _SUPER or name in _SUB:
            inner = "".join(self._inline[mark:])
            del self._inline[mark:]
            base = self._inline[-1] if self._inline else ""
            mark_text = scripted("sup" if name in _SUPER else "sub", base, _BLANKS.sub(" ", inner))
            if mark_text:
                self._inline.append(mark_text)
        elif name == "entry":
            self._cell -= 1
            text = _BLANKS.sub(" ", "".join(self._inline[mark:])).strip()
            del self._inline[mark:]
            if text and self._row is not None:
                self._row.append(text)
        elif name == "row":
            if self._row:
                self._rows.append(" | ".join(self._row))
            self._row = None
        elif name == "table":
            self._inline = []
            if self._rows:
                part = self._parts[-1] or self._said
                self.blocks.append(Block("table", "\n".join(self._rows), part))
            self._rows = []
        elif self._cell:
            return
        elif name in _HEADINGS:
            self.flush("heading")
            self._kind = "p"
        elif name in _PARAGRAPHS or name in _BREAKERS:
            self.flush()
        elif name in _PARTS:
            self.flush()
            self._parts.pop()

    def _instruction(self, text: str) -> None:
        """Take ``<?BRFSUM … end="lead"?>``, which says where a part begins and ends, and what reissues delete."""
        target = text.split(" ", 1)[0].lower()
        if target in ("delete-start", "delete-end"):
            self._deleted = target == "delete-start"
        part = _PARTS.get(target)
        if part is not None:
            self.flush()
            self._said = part if 'end="lead"' in text else ""


def render(root: Element, *, tables: bool = True, data_only: bool = False) -> Iterator[Block]:
    """Yield the blocks below an element, as they are asked for. ``data_only``: blanks outside ``PDAT`` mean nothing (ST.32)."""
    return _Renderer(tables, data_only).walk(root)


def line(root: Element | None, *, data_only: bool = False) -> str:
    """Return an element's text on one line, without tables and pictures."""
    if root is None:
        return ""
    return " ".join(block.text for block in render(root, tables=False, data_only=data_only))
