r"""Take comments and extension tags out of wikitext, and turn what HTML it holds into marks.

MediaWiki's own parser does the same first: what stands in ``<nowiki>`` or ``<math>`` is no wikitext, so it is
replaced by a marker until the end. Marks are control characters, which XML cannot hold and ``wikitext``
removes beforehand, so no input can forge one.

Every loop here moves forward only, and a closing tag that is not found once is not looked for again;
100,000 unclosed tags take as long as 100,000 letters.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

from pile_curate.extract.wikitext_names import names

PROTECTED = "\x01"
"""Opens a marker ``\x01n\x02`` for text that must not be parsed."""
PROTECTED_END = "\x02"
HOLE = "\x03"
"""Stands for something the reader would have seen and that cannot be computed here."""
EQUALS = "\x04"
"""An equals sign that came out of a template, and so names no parameter of the one around it."""
GONE = "\x05"
"""Stands for something removed on purpose; the punctuation around it is mended."""
BREAK = "\x07"
"""A line break that the author asked for."""

CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_DROPPED = names(
    "ref references gallery timeline score imagemap templatedata graph mapframe maplink hiero inputbox "
    "categorytree templatestyles section indicator includeonly charinsert phonos chart rss "
    "dynamicpagelist randomimage"
)
_VERBATIM = names("nowiki pre math chem ce syntaxhighlight source")

_TAG = re.compile(
    r"<(?:(ref\b(?:[^<>]*[^<>/])?>[^<]*+</ref\s*>)|!--|("
    + "|".join(sorted(_DROPPED | _VERBATIM | {"poem", "noinclude", "onlyinclude"}))
    + r")\b([^<>]*)>)",
    re.IGNORECASE,
)
"""A whole reference without a tag in it, most are; a comment; an extension tag."""
_REF_EDGE = re.compile(r"<(/?)ref\b([^<>]*)>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_LANG = re.compile(r"""\blang\s*=\s*["']?([\w+#.-]+)""")
_STYLE = re.compile(r"\\(?:displaystyle|textstyle|scriptstyle)\s*")


_unescape = lru_cache(maxsize=1 << 12)(html.unescape)


def _entity(found: re.Match[str]) -> str:
    return _unescape(found[0])


def entities(text: str) -> str:
    """Replace character references, those with a semicolon only, as MediaWiki does (``?a=1&copy=2`` is a URL)."""
    return _ENTITY.sub(_entity, text) if "&" in text else text


class Protector:
    """Cut extension tags and comments out of a text, and put the protected ones back at the end."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self._closers: dict[str, re.Pattern[str]] = {}
        self._absent: set[str] = set()

    def keep(self, text: str) -> str:
        """Return a marker that stands for the text."""
        self.kept.append(text)
        return f"{PROTECTED}{len(self.kept) - 1}{PROTECTED_END}"

    def restore(self, text: str) -> str:
        """Put kept texts back; a marker cannot stand in a kept text, because these are plain."""
        pieces = re.split(f"{PROTECTED}([0-9]+){PROTECTED_END}", text)
        pieces[1::2] = [self.kept[int(number)] for number in pieces[1::2]]
        return "".join(pieces)

    def cut(self, text: str) -> str:
        """Return the text without comments and extension tags."""
        out: list[str] = []
        at = 0
        while found := _TAG.search(text, at):
            start = found.start()
            out.append(text[at:start])
            if found[1]:
                out.append(GONE)
                at = found.end()
            elif found[2] is None:
                at = self._comment(text, start, out)
            else:
                at = self._extension(text, found, out)
        out.append(text[at:])
        return "".join(out)

    def _comment(self, text: str, start: int, out: list[str]) -> int:
        """Skip a comment, with its line if it stands alone there; one that never closes runs to the end."""
        end = text.find("-->", start + 4)
        if end < 0:
            return len(text)
        end += 3
        alone = start == 0 or text[start - 1] == "\n"
        if alone and text[end : end + 1] == "\n":
            end += 1
        return end

    def _extension(self, text: str, found: re.Match[str], out: list[str]) -> int:
        name, attributes, after = found[2].lower(), found[3], found.end()
        if attributes.endswith("/"):
            out.append(self.keep("") if name == "nowiki" else GONE)
            return after
        if name in ("noinclude", "onlyinclude"):
            return after
        if name == "ref" and not self._ref_closes(text, after):
            return after
        close = self._close(name, text, after)
        if close is None:
            return after
        body = text[after : close.start()]
        if name == "poem":
            # Parsed like the rest (it may hold references), but its lines stay lines.
            inner = Protector()
            inner.kept = self.kept
            stanzas = re.split(r"\n{2,}", inner.cut(body.strip("\n")))
            out.append("\n\n" + "\n\n".join(s.replace("\n", f"{BREAK}\n") for s in stanzas) + "\n\n")
        elif name in _DROPPED:
            out.append(GONE)
        else:
            out.append(self._verbatim(name, attributes, body))
        return close.end()

    def _close(self, name: str, text: str, after: int) -> re.Match[str] | None:
        if name in self._absent:
            return None
        if name not in self._closers:
            self._closers[name] = re.compile(rf"</{name}\s*>", re.IGNORECASE)
        close = self._closers[name].search(text, after)
        if close is None:
            self._absent.add(name)
        return close

    def _ref_closes(self, text: str, after: int) -> bool:
        """Say whether ``</ref>`` comes before the next ``<ref>``: a forgotten one must not swallow prose."""
        if "ref" in self._absent:
            return False
        for edge in _REF_EDGE.finditer(text, after):
            if edge[1]:
                return True
            if not edge[2].endswith("/"):
                return False
        return False

    def _verbatim(self, name: str, attributes: str, body: str) -> str:
        if name == "nowiki":
            return self.keep(entities(body))
        if name in ("math", "chem", "ce"):
            return self._formula(name, attributes, body)
        inline = "inline" in attributes or "\n" not in body.strip("\n")
        code = entities(body) if name == "pre" else body
        if inline and name != "pre":
            return self.keep(code.strip("\n"))
        language = _LANG.search(attributes)
        return "\n\n" + self.keep(fenced(code, language[1] if language else "")) + "\n\n"

    def _formula(self, name: str, attributes: str, body: str) -> str:
        tex = " ".join(_STYLE.sub("", body).split())
        if not tex:
            return GONE
        if name != "math":
            return self.keep(tex)
        if "block" in attributes:
            return "\n\n" + self.keep(f"$${tex}$$") + "\n\n"
        return self.keep(f"${tex}$")


def fenced(code: str, language: str = "") -> str:
    """Return code between fences longer than any run of backticks in it (CommonMark, section 4.5)."""
    runs = re.findall(r"`{3,}", code)
    fence = "`" * (max(map(len, runs), default=2) + 1)
    return f"{fence}{language}\n" + code.strip("\n").expandtabs(4).rstrip() + f"\n{fence}"


_LINE_TAGS = names(
    "p div center blockquote ul ol dl hr section article header footer aside nav figure figcaption dd dt"
)
_PLAIN_TAGS = names(
    "b i u s em strong small big span font code tt kbd samp var cite q abbr acronym bdi bdo del ins dfn "
    "mark strike wbr time data rb rp rt rtc ruby noinclude onlyinclude includeonly nowiki ref references "
    "gallery poem math pre syntaxhighlight source a img tbody thead tfoot caption colgroup col h1 h2 h3 "
    "h4 h5 h6 label"
)
_HTML_NAMES = sorted(_LINE_TAGS | _PLAIN_TAGS | names("br li table tr td th sup sub"))
_HTML = re.compile(rf"<(/?)({'|'.join(_HTML_NAMES)})\b[^<>]*>", re.IGNORECASE)
_SUPERSCRIPT = re.compile(r"<sup\b[^<>]*>([^<>]*)</sup\s*>", re.IGNORECASE)
_HIDDEN = re.compile(r"""<(span|div)\b(?=[^<>]*display\s*:\s*none)[^<>]*+>[^<>]*+</\1\s*>""", re.IGNORECASE)
_RAISED = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
_RAISABLE = re.compile(r"[0-9+\-−]{1,8}")
_ORDINAL = names("st nd rd th e er re ère ème ier ière eme os as o a me mes lle lles r gr te ste ᵉ")


def superscript(base: str, raised: str) -> str:
    """Return how ``raised`` reads after ``base``: digits as Unicode superscripts, ordinals plain, the rest with ``^``.

    >>> superscript("10", "-6"), superscript("19", "th"), superscript("e", "ix"), superscript("M", "me")
    ('⁻⁶', 'th', '^(ix)', 'me')
    """
    raised = raised.strip()
    if not raised or any(mark in raised for mark in (GONE, "[", "]")):
        return raised
    if _RAISABLE.fullmatch(raised):
        return raised.translate(_RAISED)
    if raised.lower() in _ORDINAL and (base[-1:].isdigit() or base[-1:].isupper() or base[-1:] == "n"):
        return raised
    before = base[-1:] or " "
    if (
        not (before.isalnum() or before in ")]}|")
        or " " in raised
        or len(raised) > 12
        or not raised[:1].isalnum()
    ):
        return raised  # set small rather than raised: a remark, a footnote mark
    return f"^{raised}" if len(raised) == 1 else f"^({raised})"


def _html_table(text: str) -> str:
    """Drop what stands between ``<table>`` and its ``</table>``, innermost ones included."""
    out: list[str] = []
    depth = opened = at = 0
    for edge in re.finditer(r"<(/?)table\b[^<>]*>", text, re.IGNORECASE):
        if not edge[1]:
            if depth == 0:
                out.append(text[at : edge.start()])
                opened = edge.start()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                out.append(GONE)
        else:
            continue
        at = edge.end() if depth == 0 else opened
    return "".join(out) + text[at:]


def html_to_marks(text: str) -> str:
    """Replace the HTML that wikitext allows: block tags by line ends, ``<br>`` by ``BREAK``, the rest by nothing."""
    if "<" not in text:
        return text
    if re.search(r"<table\b", text, re.IGNORECASE):
        text = _html_table(text)
    text = _HIDDEN.sub(GONE, text)
    text = _SUPERSCRIPT.sub(
        lambda found: superscript(text[max(0, found.start() - 1) : found.start()], found[1]), text
    )
    return _HTML.sub(_tag_mark, text)


def _tag_mark(found: re.Match[str]) -> str:
    name = found[2].lower()
    if name == "br":
        return BREAK
    if name == "li":
        return "" if found[1] else "\n* "
    if name == "dt":
        return "\n"
    if name in _LINE_TAGS or name in ("table", "tr", "td", "th"):
        return "\n\n"
    return ""
