"""Turn a chapter of a book, XHTML or HTML, into text: headings, paragraphs, verse, lists, notes.

A chapter is all content, so nothing is scored or guessed; what goes is what the page carries for the reading device:
page numbers, back links, ruby readings, pictures, MathML's and SVG's markup, and the parts that the caller names by
``epub:type`` (https://www.w3.org/TR/epub-ssv-11/). Notes move to the chapter's end, each after its mark.

Tags are read by ``tags.TOKEN``, so a chapter that is no XML reads like any other. Linear in its length, at any depth.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pile_curate.extract.tags import TOKEN, attributes
from pile_curate.extract.wikitext_names import names
from pile_curate.extract.wikitext_tags import fenced, superscript

BLOCKS = names(
    "p div section article h1 h2 h3 h4 h5 h6 dl dt dd table thead tbody tfoot tr ul ol li blockquote pre details "
    "summary figure figcaption aside address header footer main center form fieldset caption body hgroup level "
    "level1 level2 level3 level4 level5 level6 bodymatter frontmatter rearmatter book linegroup line"
)
_HEADINGS = names("h1 h2 h3 h4 h5 h6 hd doctitle")
_VOID = names("area base br col embed hr img input link meta param source track wbr")
_SILENT = names(
    "script style template head title rt rp rtc svg nav audio video object iframe case annotation annotation-xml"
)
_SIMPLE = names("em i b strong small big u s abbr cite dfn mark bdi bdo font tt code kbd samp var ruby rb")
_KEPT_TYPES = names(
    "epigraph dedication foreword preface introduction prologue prelude chapter part bodymatter acknowledgments "
    "afterword epilogue"
)
_NOTES = names("footnote endnote rearnote note doc-footnote doc-endnote")
_NOTEREFS = names("noteref doc-noteref annoref")
_UNSEEN = names("pagebreak doc-pagebreak backlink doc-backlink referrer pagenumber")
_VERSE = re.compile(
    r"(?:^|[\s:])(?:verse|verses|poem|poetry|stanza|strophe|linegroup|line-?group|lg|vers|z3998:verse|z3998:poem|hymn|song)(?:$|\s)",
    re.I,
)
_PAGE = re.compile(
    r"(?:^|\s)(?:page-?num(?:ber)?s?|pgnum|pageno|pagebreak|lnum|linenum(?:ber)?|line-?no)(?:$|\s)", re.I
)
_INITIAL = re.compile(r"drop-?_?cap|first-?_?letter|lettrine|initial", re.I)
_CODE = re.compile(r"code|listing|source|program|screen|highlight", re.I)
_MARK = re.compile(r"[\[(（]?\s*([0-9]{1,4}|[*†‡§¶]{1,3}|[a-z]|[ivxl]{1,6})\s*[\])）.]?")
_OWN_MARK = re.compile(r"[\[(（]?([0-9]{1,3}|[*†‡§¶]{1,3})[\])）.:]{0,2}(?=\s|[^\W\d])\s*")
_BACK = re.compile(r"[\s\[(]*[↩↑⏎↵^]\ufe0e?[\s\])]*$")
_BLANKS = re.compile(r"[ \t\r\n\f\v]+")
_WIDE = "\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff9f"
_WIDE_BREAK = re.compile(rf"(?<=[{_WIDE}])[ \t\r]*\n[ \t\r\n]*(?=[{_WIDE}])")
_BODY = re.compile(r"<body\b", re.I)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_LOWERABLE = re.compile(r"[0-9+\-=()]{1,8}")
_LOWERED = str.maketrans("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎")
_MARK_PIECES, _MARK_LETTERS = 32, 400  # of a raised mark
_MOST_MARKS = 20_000
_DEEPEST_LIST = 10
_LONG_ROW = 600


@dataclass(frozen=True, slots=True)
class BookOptions:
    """What to keep of a chapter; ``drop`` names parts by ``epub:type``, role or guide type."""

    footnotes: bool = True
    alt_texts: bool = False
    drop: frozenset[str] = frozenset()


@dataclass(slots=True)
class Chapter:
    """A chapter's text; ``linked`` of its ``size`` letters stand in links; ``types`` are its outermost parts'.

    ``marks`` has the marks of notes in other files, by the address that the chapter gives.
    """

    text: str
    size: int = 0
    linked: int = 0
    links: int = 0
    notes: int = 0
    types: frozenset[str] = frozenset()
    marks: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Open:
    """An open element, and what was in force before it."""

    tag: str
    serial: int
    role: str = ""
    silent: int = 0
    start: int = 0
    name: str = ""
    raised: bool = False
    address: str = ""


@dataclass(slots=True)
class _Block:
    kind: str
    text: str
    parent: int = 0


@dataclass(slots=True)
class _Sink:
    """Where blocks go: the chapter, or a note; ``lists`` were open around it."""

    blocks: list[_Block] = field(default_factory=list)
    name: str = ""
    lists: list[int] = field(default_factory=list)


def chapter_text(
    markup: str, options: BookOptions = BookOptions(), marks: Mapping[str, str] | None = None
) -> Chapter:
    r"""Return the text of a chapter; ``marks`` are those that other files gave its notes, by id.

    >>> chapter_text("<h1>One</h1><p>It <i>rained</i>.</p><hr/><p><ruby>雨<rt>あめ</rt></ruby>が降る</p>").text
    'One\n\nIt rained.\n\n* * *\n\n雨が降る'
    """
    body = _BODY.search(markup)
    reader = _Reader(options, marks or {})
    for text, _, cdata, slash, name, inside, stray in TOKEN.findall(markup, body.start() if body else 0):
        if name:
            tag = name.lower().removeprefix("epub:")
            if slash:
                reader.end(tag)
            else:
                reader.start(tag, inside)
        else:
            reader.text(html.unescape(text) if "&" in text else text or cdata or stray)
    return reader.result()


class _Reader:
    def __init__(self, options: BookOptions, marks: Mapping[str, str]) -> None:
        self._options = options
        self._given = marks
        self._stack = [_Open("", 0)]
        self._count: dict[str, int] = {}
        self._serial = 0
        self._silent = 0  # 1: in a part that is left out, 2: in what is never text
        self._inline: list[str] = []
        self._sinks = [_Sink()]
        self._notes: list[tuple[str, str]] = []
        self._marks: dict[str, str] = dict(marks)
        self._names: list[str] = []  # ids met since the last block was ended
        self._lists: list[int] = []  # -1 for bullets, else the last number
        self._marker = ""
        self._verse = self._cells = self._pre = self._heading = self._link = 0
        self._fence = self._join = False
        self._chapter = Chapter("")
        self._types: set[str] = set()

    def result(self) -> Chapter:
        while len(self._stack) > 1:
            self._pop()
        self._flush(0)
        while len(self._sinks) > 1:
            self._close_note()
        parts = [_joined(self._sinks[0].blocks)]
        for name, text in self._notes:
            own, mark = _OWN_MARK.match(text), self._marks.get(name, "")
            if own is not None and mark and own[1] != mark:
                own = None  # a year or a number that the note begins with
            mark = own[1] if own else mark
            text = text[own.end() :] if own else text
            parts.append(f"[{mark}] {text}" if mark else text)
        chapter = self._chapter
        chapter.text = "\n\n".join(part for part in parts if part)
        chapter.notes += len(self._notes)
        chapter.types = frozenset(self._types)
        return chapter

    def text(self, data: str) -> None:
        if self._silent or not data:
            return
        if self._join:
            stripped = data.lstrip()
            if stripped:
                data = stripped if stripped[0].isalpha() else data
                self._join = False
            else:
                return
        self._inline.append(data)
        size = len(data) - data.count(" ")
        self._chapter.size += size
        if self._link:
            self._chapter.linked += size

    def start(self, tag: str, inside: str) -> None:
        closed = inside.endswith("/")
        if tag in _SIMPLE and not ("type" in inside or "class" in inside or "style" in inside):
            if not closed:
                self._fence = self._fence or (tag == "code" and self._pre > 0)
                self._push(tag)
            return
        found = attributes(inside)
        if tag in _VOID:
            self._void(tag, found)
            return
        if tag == "li" or tag in ("p", "dt", "dd", "tr"):
            self._imply_end(tag)
        if tag in BLOCKS:
            self._block_edge(tag)
        if closed:
            return
        entry = self._push(tag)
        types = set(f"{found.get('epub:type', '')} {found.get('role', '')}".lower().split())
        classes = found.get("class", "")
        if types and tag in ("body", "section", "article", "div", "main", "aside"):
            self._types |= types
        if self._hides(tag, types, classes, found):
            return
        if self._silent == 1 and types & _KEPT_TYPES:
            self._silent = 0
        entry.start = len(self._inline)
        entry.name = found.get("id", "") or (found.get("name", "") if tag == "a" else "")
        if entry.name and len(self._names) < 8:
            self._names.append(entry.name)
        if types & _NOTES and tag not in ("a", "span", "sup", "section"):
            entry.role = "note"
            self._sinks.append(_Sink(name=entry.name, lists=self._lists))
            self._lists = []
        elif tag == "a" and "href" in found:
            entry.role = "noteref" if types & _NOTEREFS else "link"
            entry.address, _, entry.name = found["href"].partition("#")
            self._link += 1
            self._chapter.links += 1
        elif tag in ("sup", "sub"):
            entry.role = tag
        elif tag == "math":
            entry.role = "math"
            if alternative := found.get("alttext", ""):
                self.text(alternative)
                self._silent = 2
        elif tag in _HEADINGS:
            entry.role = "heading"
            self._heading += 1
        elif _VERSE.search(f"{found.get('epub:type', '')} {classes}") or tag in ("linegroup", "line"):
            entry.role = "verse"
            self._verse += 1
        elif tag in ("ul", "ol"):
            entry.role = "list"
            first = found.get("start", "1")
            self._lists.append(
                -1 if tag == "ul" else (int(first) - 1 if first.isdigit() and len(first) < 7 else 0)
            )
        elif tag == "li":
            self._marker = self._item_marker()
        elif tag in ("td", "th"):
            entry.role = "cell"
            self._cells += 1
            if any(not piece.isspace() for piece in self._inline):
                self._inline.append(" | ")
        elif tag == "pre":
            entry.role = "pre"
            self._pre += 1
            self._fence = bool(_CODE.search(classes))
        elif tag == "code" and self._pre:
            self._fence = True
        elif tag == "q":
            entry.role = "quotation"
            self.text("“")
        elif classes and tag == "span" and _INITIAL.search(classes):
            entry.role = "initial"

    def end(self, tag: str) -> None:
        if not self._count.get(tag):
            return
        while self._stack[-1].tag != tag:
            self._pop()
        self._pop()

    def _push(self, tag: str) -> _Open:
        self._serial += 1
        entry = _Open(tag, self._serial, silent=self._silent)
        self._stack.append(entry)
        self._count[tag] = self._count.get(tag, 0) + 1
        return entry

    def _hides(self, tag: str, types: set[str], classes: str, found: dict[str, str]) -> bool:
        hidden = "hidden" in found or _HIDDEN.search(found.get("style", "")) is not None
        if hidden or tag in _SILENT or types & _UNSEEN or (classes and _PAGE.search(classes)):
            self._silent = 2
        elif types & self._options.drop and not self._silent:
            self._silent = 1
        else:
            return False
        return True

    def _imply_end(self, tag: str) -> None:
        """End an element whose end tag HTML lets be left out."""
        same = {
            "p": ("p",),
            "li": ("li", "p"),
            "dt": ("dt", "dd", "p"),
            "dd": ("dt", "dd", "p"),
            "tr": ("tr", "td", "th", "p"),
        }
        while self._stack[-1].tag in same[tag]:
            self._pop()

    def _void(self, tag: str, found: dict[str, str]) -> None:
        if self._silent:
            return
        if tag == "br":
            self._inline.append("\n" if self._pre else ("\x01" if self._cells else "\0"))
        elif tag == "hr":
            self._flush(self._stack[-1].serial)
            if not self._cells:
                self._sinks[-1].blocks.append(_Block("hr", "* * *"))
        elif tag == "img" and (alternative := found.get("alt", "").strip()):
            if len(alternative) == 1 and _INITIAL.search(f"{found.get('class', '')} {found.get('src', '')}"):
                self.text(alternative)
                self._join = alternative not in "AIOÀÉaio"
            elif self._options.alt_texts:
                self.text(f" {alternative} ")

    def _block_edge(self, tag: str) -> None:
        if self._pre:
            return
        if self._cells and tag != "tr":
            self._inline.append("\x01")
        else:
            self._flush(self._stack[-2].serial if len(self._stack) > 1 else 0)

    def _pop(self) -> None:
        entry = self._stack[-1]
        role, tag = entry.role, entry.tag
        if role == "cell":
            self._cells -= 1
        if role == "pre":
            self._close_pre(entry.start)
        elif tag in BLOCKS and not self._pre:
            if self._cells:
                self._inline.append("\x01")
            else:
                self._flush(self._stack[-2].serial)
        self._stack.pop()
        self._count[tag] -= 1
        if role in ("link", "noteref", "sup"):
            self._close_inline(entry)
        elif role == "sub":
            lowered = self._short(entry).strip()
            if _LOWERABLE.fullmatch(lowered):
                self._inline[entry.start :] = [lowered.translate(_LOWERED)]
        elif role == "note":
            self._close_note()
        elif role == "verse":
            self._verse -= 1
        elif role == "heading":
            self._heading -= 1
        elif role == "list":
            self._lists.pop()
            self._marker = ""
        elif role == "quotation":
            self.text("”")
        elif role == "initial":
            letter = self._short(entry).strip()
            self._join = len(letter.strip("“”\"'‘«")) == 1 and letter[-1] not in "AIOÀÉaio"
            if self._join:
                self._inline[entry.start :] = [letter]
        self._silent = entry.silent

    def _short(self, entry: _Open) -> str:
        """Return the text inside an inline element if it is short; long ones would be joined again at each level."""
        pieces = self._inline[entry.start : entry.start + _MARK_PIECES + 1]
        if len(pieces) > _MARK_PIECES or sum(map(len, pieces)) > _MARK_LETTERS:
            return ""
        return "".join(pieces)

    def _close_inline(self, entry: _Open) -> None:
        """End a link or a raised piece: either may be the mark of a note."""
        inner = self._short(entry)
        if entry.role == "sup":
            link = next((o for o in reversed(self._stack[-4:]) if o.role in ("link", "noteref")), None)
            if link is not None and link.name:
                link.raised = True
            elif inner.strip() and "\x02" not in inner:
                base = "".join(self._inline[max(0, entry.start - 1) : entry.start])
                self._inline[entry.start :] = [superscript(base, _BLANKS.sub(" ", inner))]
            return
        self._link -= 1
        raised = entry.raised or any(o.role == "sup" for o in self._stack[-4:])
        mark = _MARK.fullmatch(inner.strip())
        if (
            not inner.strip()
            or self._silent
            or not (entry.role == "noteref" or (entry.name and raised and mark))
        ):
            return
        text = mark[1] if mark else inner.strip()
        self._marks.setdefault(entry.name, text)
        if entry.address and len(self._chapter.marks) < _MOST_MARKS:
            self._chapter.marks.setdefault(f"{entry.address}#{entry.name}", text)
        # \x02 marks it until the block is ended: in a note the same link is the way back, and its own mark.
        self._inline[entry.start :] = [f"\x02[{text}]"] if self._options.footnotes else []

    def _close_note(self) -> None:
        sink = self._sinks.pop()
        self._lists = sink.lists
        text = _BACK.sub("", _joined(sink.blocks))
        if text and self._options.footnotes:
            self._notes.append((sink.name, text))

    def _close_pre(self, start: int) -> None:
        self._pre -= 1
        code = "".join(self._inline[start:]).strip("\n")
        del self._inline[start:]
        if code.strip() and not self._cells:
            text = fenced(code) if self._fence else code.expandtabs(4).rstrip()
            self._sinks[-1].blocks.append(_Block("pre", text))
        elif code:
            self._inline.append(code)
        self._fence = False

    def _item_marker(self) -> str:
        indent = "  " * min(_DEEPEST_LIST, max(0, len(self._lists) - 1))
        if not self._lists or self._lists[-1] < 0:
            return f"{indent}- "
        self._lists[-1] += 1
        return f"{indent}{self._lists[-1]}. "

    def _flush(self, parent: int) -> None:
        """Make a block of the inline text gathered so far."""
        if not self._inline:
            return
        text = "".join(self._inline)
        self._inline.clear()
        names, self._names = self._names, []
        self._join = False
        for open_ in reversed(self._stack[-64:]):
            open_.start = 0
        if not text.isascii():
            text = _WIDE_BREAK.sub("", text)
        text = text.replace("\x02", "").replace("\u00ad", "")
        row = self._stack[-1].tag in ("tr", "table", "tbody", "thead") or "\x01" in text
        if row and len(text) > _LONG_ROW:
            pieces, kind = text.replace(" | ", "\x01").split("\x01"), "p"
        else:
            pieces, kind = [text.replace("\x01", " ")], "row" if row else "p"
        for piece in pieces:
            line = "\n".join(part.strip(" ") for part in _BLANKS.sub(" ", piece).split("\0")).strip(" \n")
            if not line or line.strip(" |") == "":
                continue
            mark = next((self._marks[name] for name in names if name in self._marks), "")
            own = self._own(mark, line) if mark else None
            if own is not None:
                line = f"[{mark}] {own}"  # a note that only its address tells
                self._chapter.notes += any(name in self._given for name in names)
            if self._heading:
                kind = "h"
            elif self._verse and kind == "p":
                kind = "line"
            elif self._lists and kind == "p":
                kind = "item"
                indent = "  " * min(_DEEPEST_LIST, len(self._lists)) if own is None else ""
                line = (self._marker if own is None and self._marker else indent) + line
                self._marker = ""
            self._sinks[-1].blocks.append(_Block(kind, line, parent))

    def _own(self, mark: str, line: str) -> str | None:
        """Return a note without its mark; None if the line is no note: it begins otherwise, and is no item of a list."""
        if line.startswith(mark) and line[len(mark) : len(mark) + 1] in (" ", ".", ")"):
            return line[len(mark) :].lstrip(" .)")
        if line.startswith(f"[{mark}]"):
            return line[len(mark) + 2 :].lstrip()
        return line if self._marker.strip() else None


def _joined(blocks: list[_Block]) -> str:
    """Join blocks by empty lines; items, rows, and lines of one stanza follow each other directly."""
    out: list[str] = []
    before: _Block | None = None
    while blocks and blocks[-1].kind == "hr":
        blocks.pop()
    for block in blocks:
        if block.kind == "hr" and (before is None or before.kind == "hr"):
            continue
        if before is not None:
            tight = before.kind == block.kind and (
                block.kind in ("item", "row")
                or (
                    block.kind == "line"
                    and block.parent == before.parent
                    and "\n" not in block.text
                    and "\n" not in before.text
                )
            )
            out.append("\n" if tight else "\n\n")
        out.append(block.text)
        before = block
    return "".join(out)
