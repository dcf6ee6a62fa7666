"""Turn reStructuredText, as docutils and Sphinx read it, into readable Markdown.

https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html. Sections become headings, literal blocks fences,
roles their text; directives are rendered, dropped, or reduced to their body (``rst_names.py``). Nothing is included or
executed, and no file but this one is looked at: a reference without a text of its own shows its label.

Blocks nest by indentation, and each level copies its lines once, so time is linear in length times depth; below
``MAX_DEPTH`` lines stay as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pile_curate.extract.rst_directives import directive_blocks
from pile_curate.extract.rst_roles import inline_text
from pile_curate.extract.rst_tables import grid_table, is_grid, is_simple, simple_table
from pile_curate.extract.wikitext_tags import fenced

MAX_DEPTH = 24

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1+\s*$")
_BULLET = re.compile(r"([*+\-•‣⁃])(?:\s+|$)")
_NUMBER = re.compile(r"\(?(?:([0-9]{1,6})|(#)|([a-zA-Z]|[ivxlcdm]{2,6}))([.)])\s+(?=\S)")
_FIELD = re.compile(r":(?![:\s])((?:[^:\\\n`]|\\.|`[^`\n]*`|:(?=[^\s:`]))+):(?:\s+|$)")
_OPTION = re.compile(
    r"((?:--?|/)[\w?][\w-]*(?:[ =][\w<\[][^\s,]*)?(?:, (?:--?|/)[\w?][\w-]*(?:[ =][\w<\[][^\s,]*)?)*)(?:  +(\S.*))?$"
)
_EXPLICIT = re.compile(r"\.\.(?:\s+|$)")
_DIRECTIVE = re.compile(r"\.\.\s+([A-Za-z][\w:+.-]*?)\s?::(?:\s+(.*))?$")
_SUBSTITUTION = re.compile(r"\.\.\s+\|([^|\n]+)\|\s+([\w:-]+)::\s*(.*)$")
_TARGET = re.compile(r"\.\.\s+_(?:`([^`]+)`|([^:\n\\]+)):|__(?:\s|$)")
_FOOTNOTE = re.compile(r"\.\.\s+\[(#?[\w.:+-]*|\*)\](?:\s+(.*))?$")
_DROPPED_FIELDS = (
    "orphan",
    "tocdepth",
    "nocomments",
    "nosearch",
    "no-search",
    "category",
    "hidetoc",
    "og:",
    "github_url",
)
_RETURNS = {
    "returns": "Returns",
    "return": "Returns",
    "rtype": "Return type",
    "raises": "Raises",
    "raise": "Raises",
}
_PARAMETERS = (
    "param",
    "parameter",
    "arg",
    "argument",
    "key",
    "keyword",
    "type",
    "vartype",
    "var",
    "ivar",
    "cvar",
)


@dataclass(slots=True)
class RstDocument:
    """What holds for a whole file: headings' marks in their order, names that are targets, substitutions."""

    marks: list[str] = field(default_factory=list)
    targets: set[str] = field(default_factory=set)
    substitutions: dict[str, str] = field(default_factory=dict)
    alt_texts: bool = False

    def inline(self, text: str) -> str:
        """Render a piece of running text."""
        return inline_text(text, self.targets, self.substitutions)

    def level(self, mark: str) -> int:
        """Return the level of a heading by its adornment; the first that is seen is the highest."""
        if mark not in self.marks:
            self.marks.append(mark)
        return min(6, self.marks.index(mark) + 1)


def rst_text(source: str, *, alt_texts: bool = False) -> str:
    r"""Return a file's text as Markdown.

    >>> rst_text("Title\n=====\n\n.. _x:\n\nSee :ref:`the guide <g>`::\n\n    make all\n\n.. note:: Mind ``-k``.\n")
    '# Title\n\nSee the guide:\n\n```\nmake all\n```\n\n**Note:** Mind `-k`.'
    """
    lines = source.replace("\r\n", "\n").replace("\r", "\n").expandtabs(8).split("\n")
    document = RstDocument(alt_texts=alt_texts)
    for line in lines:
        stripped = line.lstrip()
        if not stripped.startswith(".. "):
            continue
        if found := _SUBSTITUTION.match(stripped):
            value = found[3] if found[2] in ("replace", "unicode") else ""
            document.substitutions.setdefault(found[1].strip(), inline_text(value.strip()))
        elif found := _TARGET.match(stripped):
            document.targets.add((found[1] or found[2] or "").lower())
    return "\n\n".join(block for block in blocks(lines, document, 0) if block.strip())


def blocks(lines: list[str], document: RstDocument, depth: int) -> list[str]:
    """Return the rendered blocks of lines whose margin is column 0."""
    if depth > MAX_DEPTH:
        return ["\n".join(line for line in lines if line.strip())]
    return _Blocks(lines, document, depth).read()


class _Blocks:
    def __init__(self, lines: list[str], document: RstDocument, depth: int) -> None:
        self.lines = [line.rstrip() for line in lines]
        self.document, self.depth = document, depth
        self.out: list[str] = []
        self.at = 0
        self.entry = -1  # how many blocks there were after the last entry of a field or option list

    def read(self) -> list[str]:
        """Read all lines, block by block."""
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not line:
                self.at += 1
            elif line[0] == " ":
                quoted = "\n\n".join(self._sub(self._indented()))
                self._add("\n".join(f"> {part}".rstrip() for part in quoted.split("\n")) if quoted else "")
            else:
                self._block(line)
        return self.out

    def _add(self, text: str) -> None:
        if text.strip():
            self.out.append(text)

    def _sub(self, lines: list[str]) -> list[str]:
        return blocks(lines, self.document, self.depth + 1)

    def _peek(self, ahead: int) -> str:
        return self.lines[self.at + ahead] if self.at + ahead < len(self.lines) else ""

    def _block(self, line: str) -> None:
        if _EXPLICIT.match(line):
            self._explicit(line)
        elif line.startswith("__ ") or line == "__":
            self.at += 1
        elif _ADORNMENT.match(line) and self._adorned(line):
            pass
        elif is_grid(line):
            self._add(grid_table(self._paragraph_lines(), self._cell))
        elif is_simple(line):
            self._add(simple_table(self._simple_lines(), self._cell))
        elif line.startswith("| ") or line == "|":
            rows = [row[1:].strip() for row in self._paragraph_lines()]
            self._add(self.document.inline("\n".join(rows)))
        elif _BULLET.match(line):
            self._list(_BULLET, "- ")
        elif (number := _NUMBER.match(line)) and self._is_enumerated(number):
            self._list(_NUMBER, "")
        elif found := _FIELD.match(line):
            self._field(found)
        elif line.startswith(">>> "):
            self._add(fenced("\n".join(self._paragraph_lines()), "pycon"))
        elif self._underlined(line):
            pass
        elif (found := _OPTION.match(line)) and (found[2] or self._peek(1).startswith("  ")):
            self.at += 1
            body = "\n\n".join(self._sub([found[2] or "", *self._indented()]))
            self._entry(f"- `{found[1]}`: {_hung(body, 2)}")
        elif self._peek(1).startswith(" ") and not line.endswith("::") and not line.startswith("::"):
            self.at += 1
            body = "\n\n".join(self._sub(self._indented()))
            self._add(f"{self.document.inline(line)}\n: {_hung(body, 2)}")
        else:
            self._paragraph()

    def _cell(self, lines: list[str]) -> str:
        return " ".join(" ".join(blocks(lines, self.document, self.depth + 4)).split())

    def _adorned(self, line: str) -> bool:
        """Read an overlined title, or a transition."""
        title, under = self._peek(1).strip(), self._peek(2)
        if title and under and under[0] == line[0] and _ADORNMENT.match(under) and len(under) >= 2:
            self._heading(line[0] * 2, title)
            self.at += 3
            return True
        if len(line) >= 4 and not self._peek(1):
            self._add("---" if self.out else "")
            self.at += 1
            return True
        return False

    def _underlined(self, line: str) -> bool:
        under = self._peek(1)
        if not under or not _ADORNMENT.match(under) or (len(under) < len(line) and len(under) < 4):
            return False
        self._heading(under[0], line.strip())
        self.at += 2
        return True

    def _heading(self, mark: str, title: str) -> None:
        self._add(f"{'#' * self.document.level(mark)} {self.document.inline(title)}")

    def _paragraph_lines(self) -> list[str]:
        start = self.at
        while self.at < len(self.lines) and self.lines[self.at]:
            self.at += 1
        return self.lines[start : self.at]

    def _simple_lines(self) -> list[str]:
        """Return a simple table: up to the border that an empty line or the end follows."""
        start, borders = self.at, 0
        while self.at < len(self.lines):
            line = self.lines[self.at]
            borders += is_simple(line)
            self.at += 1
            if is_simple(line) and borders >= 2 and not (self.at < len(self.lines) and self.lines[self.at]):
                break
        return self.lines[start : self.at]

    def _indented(self) -> list[str]:
        """Return the indented lines from here on, moved to the margin."""
        start = self.at
        while self.at < len(self.lines) and (not self.lines[self.at] or self.lines[self.at][0] == " "):
            self.at += 1
        found = self.lines[start : self.at]
        while found and not found[-1]:
            found.pop()
        least = min((len(line) - len(line.lstrip(" ")) for line in found if line), default=0)
        return [line[least:] for line in found]

    def _paragraph(self) -> None:
        lines = self._paragraph_lines()
        text = "\n".join(line.strip() for line in lines)
        literal = text.endswith("::")
        if literal:
            text = text[:-2].rstrip() if text[:-2].endswith((" ", "\n")) or text == "::" else text[:-1]
        self._add(self.document.inline(text))
        if literal:
            self._literal()

    def _literal(self) -> None:
        """Read the literal block after ``::``: indented, or with a quoting mark before each line."""
        while self.at < len(self.lines) and not self.lines[self.at]:
            self.at += 1
        line = self._peek(0)
        if line.startswith(" "):
            self._add(fenced("\n".join(self._indented())))
        elif line[:1] and not line[0].isalnum() and line[0] not in ".*-+_`":
            self._add(fenced("\n".join(self._paragraph_lines())))

    def _is_enumerated(self, found: re.Match[str]) -> bool:
        """Take letters for list marks only where a list goes on: ``A. Einstein`` begins a sentence."""
        after = self._peek(1)
        return (
            not found[3] or found[4] == ")" and (not after or after[0] == " " or bool(_NUMBER.match(after)))
        )

    def _list(self, pattern: re.Pattern[str], marker: str) -> None:
        items: list[str] = []
        loose, count = False, 0
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not line:
                self.at += 1
                continue
            found = pattern.match(line)
            if found is None:
                break
            count = int(found[1]) if pattern is _NUMBER and found[1] else count + 1
            mark = marker or f"{count}. "
            self.at += 1
            rest = self._item_lines(found.end())
            parts = self._sub([line[found.end() :], *rest])
            loose = loose or sum(not part.startswith(("- ", "1. ")) for part in parts) > 1
            tight = (
                "\n".join(parts)
                if len(parts) == 2 and parts[1].startswith(("- ", "1. "))
                else "\n\n".join(parts)
            )
            items.append(mark + _hung(tight, len(mark)))
        self._add(("\n\n" if loose else "\n").join(items))

    def _item_lines(self, column: int) -> list[str]:
        found: list[str] = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line and len(line) - len(line.lstrip(" ")) < min(column, 2):
                break
            found.append(line)
            self.at += 1
        least = min((len(line) - len(line.lstrip(" ")) for line in found if line), default=column)
        return [line[min(least, column) :] for line in found]

    def _field(self, found: re.Match[str]) -> None:
        name = found[1].strip()
        first = self.lines[self.at][found.end() :]
        self.at += 1
        body = _hung("\n\n".join(self._sub([first, *self._indented()])), 2)
        kind, _, rest = name.partition(" ")
        if kind.lower().startswith(_DROPPED_FIELDS) and self.depth == 0:
            return
        if kind in _PARAMETERS and rest:
            words = rest.rsplit(" ", 1)
            label = f"`{words[-1]}`" + (f" ({words[0]})" if len(words) > 1 else "")
            label += " type" if kind in ("type", "vartype") else ""
        elif kind in _RETURNS:
            label = _RETURNS[kind] + (f" `{rest}`" if rest else "")
        else:
            label = self.document.inline(name)
        self._entry(f"- {label}: {body}" if body else f"- {label}")

    def _entry(self, line: str) -> None:
        """Add an entry of a field or option list, directly below the one before."""
        if self.entry == len(self.out) and self.out:
            self.out[-1] += f"\n{line}"
        else:
            self._add(line)
        self.entry = len(self.out)

    def _explicit(self, line: str) -> None:
        self.at += 1
        if found := _FOOTNOTE.match(line):
            body = "\n\n".join(self._sub([found[2] or "", *self._indented()]))
            self._add(f"[{found[1].lstrip('#') or '#'}] {body}")
            return
        found = _DIRECTIVE.match(line)
        if found is None:
            # A comment, a target or a substitution. An empty ".." ends at an empty line, and comments nothing then.
            if line.strip() != ".." or self._peek(0):
                self._indented()
            return
        content = self._indented()
        for block in directive_blocks(found[1], (found[2] or "").strip(), content, self.document, self._sub):
            self._add(block)


def _hung(text: str, columns: int) -> str:
    """Indent every line but the first."""
    return (
        text.replace("\n", "\n" + " " * columns).replace("\n" + " " * columns + "\n", "\n\n")
        if "\n" in text
        else text
    )
