"""Turn lines of wikitext, free of templates and links, into blocks of plain text, and blocks into a page.

The plain convention: paragraphs, headings, lists and code are separated by an empty line. A heading is its bare
text on a line; ``*`` items begin with ``- ``, ``#`` items with their number, both indented by two spaces a
level; lines of one paragraph are joined by a space, as a browser shows them. Sections that hold only references
or links go, and so do headings with nothing below them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pile_curate.extract.wikitext_names import BEHAVIOUR_SWITCHES, END_MATTER, LISTS_OF_WORKS
from pile_curate.extract.wikitext_tags import BREAK, GONE, HOLE, PROTECTED

_HEADING = re.compile(r"(={1,6})(.+?)\1\s*")
_LIST = re.compile(r"[*#:;]+")
_RULE = re.compile(r"-{4,}")
_TABLE_OPEN = re.compile(r"[:*#\s]*\{\|")
_TABLE_LINE = re.compile(r"\s*(?:\||!|\{\|)")
_SWITCHES = sorted(BEHAVIOUR_SWITCHES, key=lambda name: (-len(name), name))
_SWITCH = re.compile("__(?:" + "|".join(_SWITCHES).replace(" ", "_") + ")__", re.IGNORECASE)
_RUBBLE = re.compile(r"\|(?:[-+}]|\s*[\w .-]{1,40}=|\s*$)|.*\|\|")
"""A line left by a broken table or template: a row mark, ``| name =``, cells."""
_ELIDED = re.compile(r"(?<![\w'])([cdjlmnst]|qu|(?:d|n|sul?)?[ae]?ll)'''(\w[^'\n]*)''(?!')", re.IGNORECASE)
"""An elided article before italics, which MediaWiki mends only where it is the only one on its line."""
_MAY_ELIDE = re.compile(r"'''(?<=[cdjlmnstu]''')\w", re.IGNORECASE)
_CONVERTER = re.compile(r"-\{([^{}]*)\}-")
_WORD = re.compile(r"[^\W_]")
_SENTENCE_END = re.compile(r"[.!?。！？؟।…:][\"'”»)\]]*$")


@dataclass(slots=True)
class Block:
    """A run of text: ``kind`` is heading, item, text, line (indented or preformatted) or code; ``level`` of a heading."""

    kind: str
    text: str
    level: int = 0


def drop_tables(text: str) -> list[str]:
    """Return the lines of a text without wiki tables; one that never closes ends where its lines stop looking like it."""
    lines = text.split("\n")
    if "{|" not in text:
        return lines
    out: list[str] = []
    opened: list[int] = []
    for line in lines:
        if "{|" in line and _TABLE_OPEN.match(line.lstrip(GONE)):
            opened.append(len(out))
            out.append(line)
        elif (
            opened
            and line.lstrip(f" \t{GONE}").startswith("|}")
            and not line.lstrip(f" \t{GONE}").startswith("|}}")
        ):
            del out[opened.pop() :]
            out.append(GONE + line.lstrip(f" \t{GONE}")[2:])
        else:
            out.append(line)
    if opened:
        out = _without_rubble(out, opened[0])
    return out


def _without_rubble(lines: list[str], start: int) -> list[str]:
    """Drop an unclosed table: the lines from ``start`` to the first heading, or text after an empty line."""
    at = start + 1
    while at < len(lines):
        if _HEADING.fullmatch(lines[at]):
            break
        if not lines[at].strip() and at + 1 < len(lines) and not _TABLE_LINE.match(lines[at + 1]):
            break
        at += 1
    rest = [line for line in lines[at:] if not (line[:2] in ("|-", "|}") or _TABLE_OPEN.match(line))]
    return lines[:start] + rest


def converted(text: str) -> str:
    """Resolve Chinese ``-{zh-hans:甲; zh-hant:乙}-``: the simplified form, else the first one."""

    def choose(found: re.Match[str]) -> str:
        inner = found[1]
        if "|" in inner:
            flags, inner = inner.split("|", 1)
            if flags.strip() in ("H", "T", "-"):
                return ""
        forms = dict(
            part.split(":", 1) for part in reversed(inner.split(";")) if ":" in part and "://" not in part
        )
        if not forms:
            return inner
        cleaned = {name.strip(): form.strip() for name, form in forms.items()}
        for name in ("zh-hans", "zh-cn", "zh"):
            if name in cleaned:
                return cleaned[name]
        return next(reversed(cleaned.values()))

    return _CONVERTER.sub(choose, text) if "-{" in text else text


def _balanced(line: str) -> str:
    """Remove bold and italic marks as MediaWiki reads them.

    Where both are odd on a line, one ``'''`` is an apostrophe and ``''``: in ``l'''Iliade''`` the article is
    elided. MediaWiki prefers one after a single-letter word, then after a longer word, then after a space.
    """
    bold = line.count("'''")
    if bold and _MAY_ELIDE.search(line):
        line = _ELIDED.sub(r"\1'\2", line)
        bold = line.count("'''")
    if "''''" not in line and not (bold % 2 and (line.count("''") - bold) % 2):
        return line.replace("'''", "").replace("''", "")
    pieces = re.split("('{2,})", line)
    bold = italic = 0
    for index in range(1, len(pieces), 2):
        size = len(pieces[index])
        if size == 4:
            pieces[index - 1] += "'"
        elif size > 5:
            pieces[index - 1] += "'" * (size - 5)
        pieces[index] = "'" * {2: 2, 4: 3, 3: 3}.get(size, 5)
        bold += pieces[index] != "''"
        italic += pieces[index] != "'''"
    if bold % 2 and italic % 2:
        best = (3, -1)
        for index in range(1, len(pieces), 2):
            if pieces[index] != "'''":
                continue
            before = pieces[index - 1]
            rank = 2 if before[-1:] in (" ", "") else 0 if before[-2:-1] in (" ", "", "(") else 1
            best = min(best, (rank, index))
        if best[1] > 0:
            pieces[best[1] - 1] += "'"
    pieces[1::2] = [""] * len(pieces[1::2])
    return "".join(pieces)


def _mended(line: str) -> str:
    # One letter is found many times faster than two.
    if "'" in line and "''" in line:
        line = _balanced(line)
    if "_" in line and "__" in line:
        line = _SWITCH.sub("", line)
    return converted(line) if "{" in line else line


_SPECIAL = frozenset(f" \t=*#:;-|{GONE}")
"""How a line begins that may be no part of a paragraph."""


class _Numbers:
    """Count ``#`` items by depth, starting over where a list was interrupted."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def next(self, prefix: str) -> int:
        self._counts = {key: count for key, count in self._counts.items() if prefix.startswith(key)}
        self._counts[prefix] = self._counts.get(prefix, 0) + 1
        return self._counts[prefix]

    def interrupt(self) -> None:
        self._counts.clear()

    def keep(self, prefix: str) -> None:
        self._counts = {key: count for key, count in self._counts.items() if prefix.startswith(key)}


def _says_something(text: str) -> bool:
    return PROTECTED in text or _WORD.search(text) is not None


def _item(prefix: str, text: str, numbers: _Numbers) -> Block | None:
    last = prefix[-1]
    if not _says_something(text):
        return None
    indent = "  " * sum(char in "*#" for char in prefix[:-1])
    if last == "*":
        numbers.keep(prefix)
        return Block("item", f"{indent}- {text}")
    if last == "#":
        return Block("item", f"{indent}{numbers.next(prefix)}. {text}")
    numbers.keep(prefix)
    if last == ";":
        term, colon, definition = text.partition(" : ")
        return Block("line", f"{indent}{term}: {definition.strip()}" if colon else indent + text)
    return Block("item" if indent else "line", indent + text)


def blocks(lines: Iterable[str]) -> Iterator[Block]:
    """Yield the blocks of a page, in order. Marks (``GONE``, ``HOLE``, ``BREAK``) are still in their text."""
    paragraph: list[str] = []
    numbers = _Numbers()
    for raw in lines:
        line = raw.rstrip()
        if not line:
            if paragraph:
                yield Block("text", joined(paragraph))
                paragraph = []
            numbers.interrupt()
            continue
        line = _mended(line)
        if line and line[0] not in _SPECIAL and "||" not in line:
            numbers.interrupt()
            paragraph.append(line)
            continue
        bare = line.strip(f" \t{GONE}")
        heading = _HEADING.fullmatch(bare) if bare.startswith("=") else None
        listed = _LIST.match(line.lstrip(f"{GONE}")) if not heading else None
        plain = (
            bool(bare)
            and heading is None
            and listed is None
            and not line.startswith(" ")
            and not _RULE.match(bare)
        )
        if not plain and paragraph:
            yield Block("text", joined(paragraph))
            paragraph = []
        if not bare:
            continue
        if heading:
            numbers.interrupt()
            yield Block("heading", heading[2].strip().replace(BREAK, " "), len(heading[1]))
        elif listed:
            item = _item(listed[0], line.lstrip(GONE)[listed.end() :].strip().replace(BREAK, " "), numbers)
            if item:
                yield item
        elif _RULE.match(bare):
            rest = _RULE.sub("", bare, count=1).strip()
            if rest:
                yield Block("text", rest)
        elif _RUBBLE.match(bare):
            continue
        elif plain:
            numbers.interrupt()
            paragraph.append(line)
        elif _says_something(line):
            yield Block("line", line[1:])
    if paragraph:
        yield Block("text", joined(paragraph))


def _wide(char: str) -> bool:
    return "\u2e80" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or "\uff00" <= char <= "\uffef"


def joined(lines: list[str]) -> str:
    """Join the lines of a paragraph by spaces, by nothing between Chinese or Japanese characters."""
    out = lines[0].strip(" ")
    pieces = [out]
    for line in lines[1:]:
        line = line.strip(" ")
        last, first = pieces[-1][-1:], line[:1]
        pieces.append("" if not last or not first or (_wide(last) and _wide(first)) else " ")
        pieces.append(line)
    return "".join(pieces)


def _title(text: str) -> str:
    return " ".join(text.strip(f" :{GONE}{HOLE}").lower().split())


def _holds_prose(section: list[Block]) -> bool:
    """Say whether a section has a paragraph that ends like one, beyond a sentence that introduces a list."""
    prose = [
        b
        for b in section
        if b.kind == "text" and len(b.text) > 120 and _SENTENCE_END.search(b.text.rstrip(GONE + HOLE + " "))
    ]
    items = [b for b in section if b.kind in ("item", "line")]
    return bool(prose) and 2 * len(prose) >= len(items)


def without_end_matter(page: list[Block]) -> list[Block]:
    """Drop sections of references and links, with their subsections."""
    out: list[Block] = []
    at = 0
    while at < len(page):
        block = page[at]
        title = _title(block.text) if block.kind == "heading" else ""
        if title and (title in END_MATTER or title in LISTS_OF_WORKS):
            end = at + 1
            while end < len(page) and not (page[end].kind == "heading" and page[end].level <= block.level):
                end += 1
            if title in END_MATTER or not _holds_prose(page[at + 1 : end]):
                at = end
                continue
        out.append(block)
        at += 1
    return out


def without_empty_sections(page: list[Block]) -> list[Block]:
    """Drop headings that nothing follows but a heading of the same or a higher rank, or the end."""
    out: list[Block] = []
    next_level = 0  # of the nearest kept or dropped thing below: 0 at the end, 7 for content
    for block in reversed(page):
        if block.kind != "heading":
            next_level = 7
        elif not _says_something(block.text) or next_level <= block.level:
            next_level = min(next_level, block.level)
            continue
        else:
            next_level = block.level
        out.append(block)
    return out[::-1]


def page_text(page: list[Block]) -> str:
    """Join blocks: an empty line between them, one line end between the items of a list."""
    out: list[str] = []
    before, numbered = "", False
    for block in page:
        outer = block.kind == "item" and not block.text.startswith(" ")
        changes = outer and before == "item" and numbered != block.text[:1].isdigit()
        if out:
            tight = block.kind == before and block.kind in ("item", "line") and not changes
            out.append("\n" if tight else "\n\n")
        out.append(block.text)
        before = block.kind
        if outer:
            numbered = block.text[:1].isdigit()
    return "".join(out)
