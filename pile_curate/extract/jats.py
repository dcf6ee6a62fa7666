"""Turn JATS, the XML of journal articles (ANSI/NISO Z39.96), into text that keeps its structure.

Paragraphs, headings, lists and quotations become blocks with an empty line between them; a heading is its bare title.
Emphasis goes, raised and lowered digits stay readable, cross references keep their words, and citation markers leave
no trace (``citations.py``). What surrounds an article (references, acknowledgements, funding, notes on the authors,
supplements) is left out. Older NLM DTDs (1.0 to 3.0) have the same elements. Linear in the document; elements nested
deeper than ``MAX_DEPTH`` are read as the text that they hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar
from xml.etree.ElementTree import Element

from pile_curate.extract.jats_lines import MAX_DEPTH, JatsChoices, JatsLines
from pile_curate.extract.jats_names import ADMIN_TITLES, ADMIN_TYPES, CONTAINERS, SILENT, plain_title
from pile_curate.extract.wikitext_tags import fenced

__all__ = ["MAX_DEPTH", "Block", "JatsChoices", "JatsReader", "joined"]

_ORDERED = {
    "order": "{}.", "alpha-lower": "{}.", "alpha-upper": "{}.", "roman-lower": "{}.", "roman-upper": "{}.",
}  # fmt: skip


@dataclass(slots=True)
class Block:
    """A run of text: ``kind`` is heading, item or text; ``level`` of a heading."""

    kind: str
    text: str
    level: int = 0


class JatsReader(JatsLines):
    """Read the parts of one article."""

    def blocks(self, element: Element, level: int = 1) -> list[Block]:
        """Return what a container (an abstract, a body, a section) holds, in order."""
        out: list[Block] = []
        self._container(element, out, level, 0)
        return out

    def _container(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._flat(element, out)
            return
        loose: list[str] = []
        if element.text and not element.text.isspace():
            loose.append(element.text)
        for child in element:
            tag = child.tag
            handler = self._HANDLERS.get(tag)
            if handler is not None:
                self._flush(loose, out)
                handler(self, child, out, level, depth + 1)
            elif tag in CONTAINERS:
                self._flush(loose, out)
                self._container(child, out, level, depth + 1)
            elif tag not in SILENT:
                self._one(child, loose, depth + 1)
            if child.tail and not child.tail.isspace():
                loose.append(child.tail)
        self._flush(loose, out)

    def _flush(self, parts: list[str], out: list[Block]) -> None:
        if parts:
            text = self._paragraph(parts)
            parts.clear()
            if text:
                out.append(Block("text", text))
        if self._waiting and not self._noting:
            self._noting = True  # notes that refer to notes queue up here: a chain of them is no recursion
            while self._waiting:
                self._container(self._waiting.popleft(), out, 9, MAX_DEPTH // 2)
            self._noting = False

    def _flat(self, element: Element, out: list[Block]) -> None:
        text = " ".join("".join(element.itertext()).split())
        if text:
            out.append(Block("text", text))

    def _section(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        title = self.title(element.find("title"))
        if not self.choices.back_matter and (
            element.get("sec-type", "").lower() in ADMIN_TYPES or plain_title(title) in ADMIN_TITLES
        ):
            return
        label = self.title(element.find("label"))
        if title:
            out.append(Block("heading", f"{label} {title}".strip(), level))
        self._container(element, out, level + 1, depth)

    def _titled(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        """Read a container whose title stands above it: a box, a theorem, a glossary, an appendix."""
        caption = element.find("caption")
        title = element.find("title") if caption is None else caption.find("title")
        text = f"{self.title(element.find('label'))} {self.title(title)}".strip()
        if text:
            out.append(Block("heading", text, level))
        if caption is not None:
            self._container(caption, out, level + 1, depth)
        self._container(element, out, level + 1, depth)

    def _statement(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        inner: list[Block] = []
        self._container(element, inner, level, depth)
        lead = f"{self.title(element.find('label'))} {self.title(element.find('title'))}".strip(" .")
        if inner and lead:
            inner[0].text = f"{lead}. {inner[0].text}"
        out += inner

    def _p(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        """Read a paragraph; blocks within it (a list, a displayed formula) interrupt its text."""
        if depth > MAX_DEPTH:
            self._flat(element, out)
            return
        parts = [element.text] if element.text else []
        for child in element:
            handler = self._HANDLERS.get(child.tag)
            if handler is not None and child.tag != "p":
                self._flush(parts, out)
                handler(self, child, out, level, depth + 1)
            elif handler is not None or child.tag in CONTAINERS:
                self._flush(parts, out)
                self._container(child, out, level, depth + 1)
            else:
                self._one(child, parts, depth + 1)
            if child.tail:
                parts.append(child.tail)
        self._flush(parts, out)

    def _list(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        title = self.title(element.find("title"))
        if title:
            out.append(Block("text", title))
        kind = element.get("list-type", "")
        number = 0
        for item in element.iterfind("list-item"):
            inner: list[Block] = []
            self._container(item, inner, level, depth)
            if not inner:
                continue
            number += 1
            label = self.title(item.find("label")) if item.find("label") is not None else ""
            mark = label or (_ordinal(kind, number) if kind in _ORDERED else "" if kind == "simple" else "-")
            lead = f"{mark} " if mark else ""
            text = "\n".join(block.text for block in inner)
            out.append(Block("item", lead + text.replace("\n", "\n" + " " * min(len(lead), 4))))

    def _definitions(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        title = self.title(element.find("title"))
        if title:
            out.append(Block("text", title))
        for item in element.iterfind("def-item"):
            term = "; ".join(filter(None, map(self.title, item.iterfind("term"))))
            inner: list[Block] = []
            for meaning in item.iterfind("def"):
                self._container(meaning, inner, level, depth)
            text = "\n".join(block.text for block in inner)
            if term or text:
                out.append(Block("item", f"{term}: {text}" if term and text else term or text))
        for nested in element.iterfind("def-list"):
            if depth < MAX_DEPTH:
                self._definitions(nested, out, level, depth + 1)

    def _verse(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        lines = [self.title(line) for line in element.iter("verse-line")]
        text = "\n".join(line for line in lines if line)
        if text:
            out.append(Block("text", text))

    def _speech(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        inner: list[Block] = []
        self._container(element, inner, level, depth)
        speaker = self.title(element.find("speaker")).rstrip(":")
        if inner and speaker:
            inner[0].text = f"{speaker}: {inner[0].text}"
        out += inner

    def _code(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        text = "".join(element.itertext()).strip("\n")
        if text.strip():
            out.append(Block("text", fenced(text, element.get("language", ""))))

    def _preformat(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        text = "".join(element.itertext()).strip("\n")
        if text.strip():
            out.append(Block("text", text))

    def _displayed(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        parts: list[str] = []
        self._formula(element, parts, True, depth)
        text = self._paragraph(parts)
        label = self.title(element.find("label"))
        if text:
            out.append(Block("text", f"{text} {label}".strip()))

    def _figure(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        if self.choices.captions:
            self._caption(element, out, depth)

    def _table(self, element: Element, out: list[Block], level: int, depth: int) -> None:
        if self.choices.captions or self.choices.tables:
            self._caption(element, out, depth)
        if self.choices.tables:
            rows: list[str] = []
            self._rows(element, rows, depth)
            if rows:
                out.append(Block("text", "\n".join(rows)))

    def _caption(self, element: Element, out: list[Block], depth: int) -> None:
        label = self.title(element.find("label")).strip(" .:")
        inner: list[Block] = []
        caption = element.find("caption")
        if caption is not None:
            title = self.title(caption.find("title"))
            inner += [Block("text", title)] if title else []
            self._container(caption, inner, 9, depth)
        text = " ".join(_sentence(block.text) for block in inner)
        if text:
            out.append(Block("text", f"{label}. {text}" if label else text))

    def _rows(self, element: Element, rows: list[str], depth: int) -> None:
        for child in element:
            if child.tag in ("tr", "row"):
                cells = [self.title(cell) for cell in child if cell.tag in ("td", "th", "entry")]
                if any(cells):
                    rows.append(" | ".join(cells))
            elif (
                child.tag in ("table", "thead", "tbody", "tfoot", "tgroup", "alternatives")
                and depth < MAX_DEPTH
            ):
                self._rows(child, rows, depth + 1)

    _HANDLERS: ClassVar[dict[str, Callable[[JatsReader, Element, list[Block], int, int], None]]] = {
        "sec": _section,
        "app": _titled,
        "boxed-text": _titled,
        "glossary": _titled,
        "statement": _statement,
        "p": _p,
        "list": _list,
        "def-list": _definitions,
        "verse-group": _verse,
        "speech": _speech,
        "code": _code,
        "preformat": _preformat,
        "disp-formula": _displayed,
        "fig": _figure,
        "table-wrap": _table,
    }


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!", ":", ";")) else f"{text}."


def _ordinal(kind: str, number: int) -> str:
    if kind.startswith("alpha") and number <= 26:
        mark = chr(96 + number)
    elif kind.startswith("roman") and number <= 39:
        tens, ones = divmod(number, 10)
        mark = "x" * tens + ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")[ones]
    else:
        mark = str(number)
    return _ORDERED[kind].format(mark.upper() if kind.endswith("upper") else mark)


def joined(blocks: list[Block]) -> str:
    """Return blocks as text: an empty line between them but for items of a list; no headings over nothing."""
    kept: list[Block] = []
    for block in reversed(blocks):
        below = kept[-1] if kept else None
        if block.kind == "heading" and (
            below is None or (below.kind == "heading" and below.level <= block.level)
        ):
            continue
        kept.append(block)
    out: list[str] = []
    before = ""
    for block in reversed(kept):
        if out:
            out.append("\n" if before == block.kind == "item" else "\n\n")
        out.append(block.text)
        before = block.kind
    return "".join(out)
