"""Turn a fragment of HTML, such as the body of a post, into text that keeps its structure.

The whole fragment is content (no navigation, no boilerplate), so nothing is scored or guessed: paragraphs,
lists, quotations and code become what their author typed in Markdown, the rest of the markup goes.

The tags are found by one regular expression, neither by resiliparse nor by ``html.parser``. Posts were sanitised by
the site, so a browser's tree repair has nothing to do here; walking resiliparse's DOM from Python reads 12 MB/s
and is native code; ``html.parser`` reads 22 MB/s, raises on ``<![`` and is quadratic on unclosed tags (250 s for
150 kB of ``<a``, Python 3.11). This is linear in any input, and raises on none.
"""

from __future__ import annotations

import html
import re

from pile_curate.extract.wikitext_names import names
from pile_curate.extract.wikitext_tags import fenced, superscript

MAX_NESTING = 50
"""Deeper containers are read as if their tags were absent; each level copies its text once."""

_BLOCKS = names(
    "p div section article h1 h2 h3 h4 h5 h6 dl dt dd table thead tbody tr hr details summary figure "
    "figcaption address header footer main center form fieldset caption"
)
_CONTAINERS = names("blockquote ul ol li pre sup code td th")
_SILENT = names("script style template noscript iframe object head title")
_LANGUAGE = re.compile(r"\blang(?:uage)?-([\w+#.-]+)")
_HINT = re.compile(r"\s*language(?:-all)?:\s*(?:lang-)?([\w+#.-]+)")
_TOKEN = re.compile(
    r"""([^<]+)|<!--(.*?)(?:-->|\Z)|<(/?)([a-zA-Z][a-zA-Z0-9]*+)((?:[^<>"']|"[^"<]*"|'[^'<]*'|["'])*+)>|<[!?][^<>]*>|(<)""",
    re.DOTALL,
)
_CLASS = re.compile(r"""\bclass\s*=\s*["']?([^"'<>]*)""", re.IGNORECASE)
_START = re.compile(r"""\bstart\s*=\s*["']?([0-9]{1,6})\b""", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n\f\v]+")


class _Container:
    """A tag whose content is rendered by itself when it closes."""

    __slots__ = ("blocks", "count", "info", "inline", "tag")

    def __init__(self, tag: str, info: str = "", count: int = 1) -> None:
        self.tag, self.info, self.count = tag, info, count
        self.inline: list[str] = []
        self.blocks: list[tuple[str, str]] = []  # kind, text

    def end_line(self, kind: str = "p") -> None:
        """Make a block of the inline text gathered so far."""
        if self.inline:
            text = "".join(self.inline)
            self.inline = []
            text = "\n".join(line.strip(" ") for line in _BLANKS.sub(" ", text).split("\0")).strip()
            if text:
                self.blocks.append((kind, text))

    def text(self) -> str:
        """Return the blocks, with an empty line between them but for lists within items, items and rows."""
        out: list[str] = []
        before = ""
        for kind, text in self.blocks:
            if out:
                tight = kind == "sublist" or (kind == before and kind in ("item", "row"))
                out.append("\n" if tight else "\n\n")
            out.append(text)
            before = kind
        return "".join(out)


def fragment_text(markup: str) -> str:
    r"""Return the text of an HTML fragment.

    >>> fragment_text("<p>Use <code>x &lt; 1</code>:</p><pre><code>if x:\n    pass\n</code></pre>")
    'Use `x < 1`:\n\n```\nif x:\n    pass\n```'
    >>> fragment_text("<ul><li>a</li><li><p>b</p></li></ul><blockquote><p>q</p></blockquote>")
    '- a\n- b\n\n> q'
    """
    markup = markup.replace("\0", "")
    if "<" not in markup and "&" not in markup:
        return _BLANKS.sub(" ", markup).strip()
    reader = _Reader()
    for data, comment, slash, tag, attributes, stray in _TOKEN.findall(markup):
        if data or stray:
            reader.text(data or stray)
        elif tag:
            if slash:
                reader.end(tag.lower())
            else:
                reader.start(tag.lower(), attributes)
        elif comment:
            reader.comment(comment)
    return reader.result()


class _Reader:
    def __init__(self) -> None:
        self._stack = [_Container("")]
        self._silent = 0
        self._hint = ""
        self._skipped: dict[str, int] = {}

    @property
    def _top(self) -> _Container:
        return self._stack[-1]

    def result(self) -> str:
        """Close what is open and return the text."""
        while len(self._stack) > 1:
            self._pop()
        self._top.end_line()
        return self._top.text().strip("\n")

    def start(self, tag: str, attributes: str) -> None:
        """Open a tag."""
        if tag in _SILENT:
            self._silent += 1
            return
        if tag == "br":
            self._top.inline.append("\n" if self._top.tag == "pre" else "\0")
        elif tag in _CONTAINERS:
            self._open(tag, attributes)
        elif tag in _BLOCKS and self._top.tag != "pre":
            self._top.end_line("row" if tag == "tr" else "p")

    def end(self, tag: str) -> None:
        """Close a tag, and with it the containers that were left open inside."""
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _CONTAINERS:
            if self._skipped.get(tag, 0):
                self._skipped[tag] -= 1
            elif any(container.tag == tag for container in self._stack):
                while self._top.tag != tag:
                    self._pop()
                self._pop()
        elif tag in _BLOCKS and self._top.tag != "pre":
            self._top.end_line("row" if tag == "tr" else "p")

    def text(self, data: str) -> None:
        """Take text; only in code is its white space meant."""
        if not self._silent:
            self._top.inline.append(html.unescape(data) if "&" in data else data)

    def comment(self, data: str) -> None:
        """Note Stack Exchange's ``<!-- language: lang-py -->``, which names the next block's language."""
        hint = _HINT.match(data)
        if hint:
            self._hint = hint[1]

    def _open(self, tag: str, attributes: str) -> None:
        top = self._top
        if top.tag == "pre":
            if tag == "code":
                found = _language(attributes)
                top.info = top.info or found
            self._skipped[tag] = self._skipped.get(tag, 0) + 1
            return
        if len(self._stack) >= MAX_NESTING:
            self._skipped[tag] = self._skipped.get(tag, 0) + 1
            return
        if tag == "li" and top.tag == "li":
            self._pop()  # HTML lets an item's end tag be left out
            top = self._top
        if tag in ("blockquote", "ul", "ol", "li", "pre"):
            top.end_line()
        info, count = "", 1
        if tag == "pre":
            info, self._hint = _language(attributes) or self._hint, ""
        elif tag == "ol":
            start = _START.search(attributes)
            count = int(start[1]) if start else 1
        self._stack.append(_Container(tag, info, count))

    def _pop(self) -> None:
        done = self._stack.pop()
        parent = self._top
        if done.tag == "pre":
            code = "".join(done.inline)
            if code.strip():
                parent.blocks.append(
                    ("pre", fenced(code, "" if done.info in ("none", "default", "prettify") else done.info))
                )
        elif done.tag == "code":
            code = _BLANKS.sub(" ", "".join(done.inline)).strip()
            if code:
                parent.inline.append(f"`` {code} ``" if "`" in code else f"`{code}`")
        elif done.tag == "sup":
            base = "".join(parent.inline[-1:])
            parent.inline.append(superscript(base, _BLANKS.sub(" ", "".join(done.inline))))
        elif done.tag in ("td", "th"):
            done.end_line()
            cell = " ".join(done.text().split())
            if any(not piece.isspace() for piece in parent.inline):
                parent.inline.append(f" | {cell}")
            elif cell:
                parent.inline.append(cell)
        else:
            done.end_line()
            text = done.text()
            if not text:
                return
            if done.tag == "blockquote":
                parent.blocks.append(("quote", _prefixed(text, "> ", "> ")))
            elif done.tag == "li":
                ordered = parent.tag == "ol"
                marker = f"{parent.count}. " if ordered else "- "
                parent.count += ordered
                parent.blocks.append(("item", _prefixed(text, marker, " " * len(marker))))
            else:
                parent.blocks.append(("list" if parent.tag != "li" else "sublist", text))


def _language(attributes: str) -> str:
    classes = _CLASS.search(attributes)
    found = _LANGUAGE.search(classes[1]) if classes else None
    return found[1] if found else ""


def _prefixed(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    head = first + lines[0]
    return "\n".join([head, *((rest + line if line else rest.rstrip()) for line in lines[1:])])
