"""Read the lines of JATS: what stands within a paragraph or a title, as one piece of text.

``jats.py`` reads the blocks around them.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element

from pile_curate.extract.citations import marker, without_markers
from pile_curate.extract.jats_names import BLOCKS, CONTAINERS, SILENT
from pile_curate.extract.mathml import mathml_text, tex_of
from pile_curate.extract.wikitext_tags import superscript

MAX_DEPTH = 100
_BREAK = "\0"
_ADMIN_NOTES = frozenset(
    "con conflict coi-statement com corresp current-aff custom deceased edited-by equal financial-disclosure "
    "on-leave participating-researchers present-address presented-at presented-by previously-at study-group-members "
    "supplementary-material supported-by".split()
)
_TYPED = re.compile(r"[1-9][0-9]{0,2}(?:\s?[,–−-]\s?[1-9][0-9]{0,2})*")
_AFTER_WORD = re.compile(r"(?:[^\W\d_]{4,}|[.,;:?!)\]”’\"'])\Z")
"""What a typed citation follows: a word that is no unit and no symbol, or a sentence's mark."""


@dataclass(frozen=True, slots=True)
class JatsChoices:
    """What of an article becomes text; ``sources/pubmed_central.py`` documents each."""

    captions: bool = False
    tables: bool = False
    formulas: Literal["tex", "text", "drop"] = "tex"
    citations: Literal["keep", "drop_numbers", "drop_all"] = "drop_numbers"
    footnotes: bool = True
    back_matter: bool = False


class JatsLines:
    """Read the lines of one article; it knows which ids are references and which are notes."""

    def __init__(self, root: Element, choices: JatsChoices) -> None:
        self.choices = choices
        self.formulas = 0
        self._references = {ref.get("id", "") for ref in root.iter("ref")} | {
            part.get("id", "") for ref in root.iter("ref") for part in ref
        }
        # Some articles give their citations as bare raised numbers: then no reference is ever linked to.
        refs = sum(1 for _ in root.iter("ref"))
        linked = any(
            xref.get("ref-type") == "bibr" or (xref.get("rid") and xref.get("rid") in self._references)
            for xref in root.iter("xref")
        )
        self._typed = 0 if linked or choices.citations == "keep" else refs
        self._notes = _notes(root)
        self._waiting: deque[Element] = deque()
        self._noting = False
        self._read: set[str | int] = set()

    def inline(self, element: Element) -> str:
        """Return an element's content as one paragraph, or several lines where it has line breaks."""
        parts: list[str] = []
        self._inline(element, parts, 0)
        return self._paragraph(parts)

    def title(self, element: Element | None) -> str:
        """Return a title as one line."""
        if element is None:
            return ""
        waiting, self._waiting = self._waiting, deque()
        text = self.inline(element).replace("\n", " ")
        self._waiting = waiting  # a title's own notes are about the authors
        return text

    def _paragraph(self, parts: list[str]) -> str:
        text = " ".join("".join(parts).split())
        if self.choices.citations != "keep":
            text = without_markers(text)
        if _BREAK in text:
            text = "\n".join(line.strip() for line in text.split(_BREAK) if line.strip())
        return text.strip()

    def _inline(self, element: Element, parts: list[str], depth: int) -> None:
        if depth > MAX_DEPTH:
            parts.append("".join(element.itertext()))
            return
        if element.text:
            parts.append(element.text)
        for child in element:
            self._one(child, parts, depth + 1)
            if child.tail:
                parts.append(child.tail)

    def _one(self, child: Element, parts: list[str], depth: int) -> None:
        """Append an element that stands within a line."""
        tag = child.tag
        if tag in SILENT or tag in ("fig", "table-wrap", "label", "title"):
            return
        if tag == "sup":
            self._raised(child, parts, depth)
        elif tag == "xref":
            self._reference(child, parts, depth)
        elif tag in ("inline-formula", "math", "tex-math", "alternatives", "disp-formula", "chem-struct"):
            self._formula(child, parts, False, depth)
        elif tag == "break":
            parts.append(_BREAK)
        elif tag == "fn":
            self._note(child)
        elif tag in BLOCKS or tag in CONTAINERS:  # a block in a place that has none
            parts.append(" ")
            self._inline(child, parts, depth)
            parts.append(" ")
        else:
            self._inline(child, parts, depth)

    def _raised(self, element: Element, parts: list[str], depth: int) -> None:
        inner: list[str] = []
        self._inline(element, inner, depth)
        text = "".join(inner)
        if "\x01" in text or text.strip(" ,;–-") == "":
            parts.append(text)
        else:
            before = next((part for part in reversed(parts) if part), "")
            if self._typed and self._cites(before, text.strip()):
                parts.append(marker(text))
            else:
                parts.append(superscript(before, text) + (" " if text[-1:].isspace() else ""))

    def _cites(self, before: str, raised: str) -> bool:
        """Say whether a raised number is a citation that nobody linked: it is one of a reference, and no power of a unit."""
        if not _TYPED.fullmatch(raised) or not _AFTER_WORD.search(before[-12:].rstrip()):
            return False
        return all(int(number) <= self._typed for number in re.findall("[0-9]+", raised))

    def _reference(self, element: Element, parts: list[str], depth: int) -> None:
        kind, target = element.get("ref-type", ""), element.get("rid", "")
        first = target.split()[0] if target.strip() else ""
        if kind in ("fn", "table-fn", "author-notes", "corresp", "aff"):
            if kind == "fn" and first in self._notes:
                self._note(self._notes[first])
            return
        if kind == "bibr" or (not kind and first in self._references):
            if self.choices.citations == "keep":
                self._inline(element, parts, depth)
            else:
                text = "".join(element.itertext())
                parts.append(marker(text, all_kinds=self.choices.citations == "drop_all"))
            return
        self._inline(element, parts, depth)

    def _note(self, element: Element) -> None:
        """Put a note behind the paragraph that refers to it first."""
        mark = element.get("id") or id(element)
        if self.choices.footnotes and mark not in self._read:
            self._read.add(mark)
            self._waiting.append(element)

    def _formula(self, element: Element, parts: list[str], displayed: bool, depth: int) -> None:
        """Append one form of a formula: articles give the same one as TeX, as MathML and as a picture."""
        tex = element if element.tag == "tex-math" else next(element.iter("tex-math"), None)
        math = element if element.tag == "math" else next(element.iter("math"), None)
        if tex is None and math is None and element.tag == "alternatives":
            self._inline(element, parts, depth)
            return
        self.formulas += 1
        if self.choices.formulas == "drop":
            return
        formula = tex_of("".join(tex.itertext())) if tex is not None else ""
        if formula and (math is None or self.choices.formulas == "tex"):
            parts.append(f"$${formula}$$" if displayed else f"${formula}$")
        elif math is None:
            self._inline(element, parts, depth)
        elif element is not math and element.find("math") is not None:
            self._around(element, parts, depth)
        else:
            parts.append(mathml_text(math))

    def _around(self, element: Element, parts: list[str], depth: int) -> None:
        """Read a formula with what stands beside it: words and signs there are part of it."""
        parts.append(element.text or "")
        for child in element:
            if child.tag == "math":
                parts.append(mathml_text(child))
            elif child.tag != "tex-math":
                self._one(child, parts, depth + 1)
            parts.append(child.tail or "")


def _notes(root: Element) -> dict[str, Element]:
    """Return the notes that a text can refer to, by id: none about authors, money or interests."""
    notes: dict[str, Element] = {}
    for part in (root.find("body"), root.find("back")):
        for note in part.iter("fn") if part is not None else ():
            if note.get("fn-type", "") not in _ADMIN_NOTES and note.get("id"):
                notes.setdefault(note.get("id", ""), note)
    return notes
