"""Clean a paragraph of Markdown: links become their text, images and tags go, code spans stay untouched."""

from __future__ import annotations

import html
import re

from pile_curate.extract.rst_roles import role_text
from pile_curate.extract.wikitext_names import names

_RUN = re.compile(r"`+")
_BRACKETED = r"((?:[^\[\]\\]|\\.|\[(?:[^\[\]\\]|\\.)*+\])*+)"
_TARGET = (
    r"\(\s{0,9}(?:<[^<>\n]*>|(?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*+\))*+)"
    r"(?:\s{1,9}(?:\"[^\"]{0,500}\"|'[^']{0,500}'|\([^()]{0,500}\)))?\s{0,9}\)"
)
_IMAGE = re.compile(
    rf"!\[{_BRACKETED}\](?:{_TARGET}|\[[^\[\]]{{0,200}}\])(?:\{{[^{{}}\n]{{0,200}}\}})?", re.S
)
_LINK = re.compile(rf"(?<!!)\[{_BRACKETED}\]{_TARGET}(?:\{{[:.#\w][^{{}}\n]{{0,200}}\}})?", re.S)
_REFERENCE = re.compile(rf"(?<![!\]\\])\[(?!\^){_BRACKETED}\](?:\[([^\[\]]{{0,500}})\]|(?![(:\[]))", re.S)
_WIKI = re.compile(r"\[\[([^\[\]|\n]{1,200})(?:\|([^\[\]\n]{1,200}))?\]\]")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)|\{/\*.*?(?:\*/\}|\Z)", re.S)
_AUTOLINK = re.compile(
    r"<((?:https?|ftp|mailto):[^\s<>]{1,2000}|[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,5})>", re.I
)
_TAG = re.compile(r"</?([a-zA-Z][\w.:-]*+)((?:[^<>\"'`]|\"[^\"<]*\"|'[^'<]*')*+)/?>")
_ALT = re.compile(r"\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.I)
_TEMPLATE = re.compile(r"\{%[^%{}]{0,500}%\}|\{\{[<%][^{}]{0,1000}[>%]\}\}|\{\{[^{}]{0,300}\}\}")
_ATTRIBUTE_LIST = re.compile(r"\{(?:[:#.][\w:#. =\"'-]{0,200})\}")
_STAR = re.compile(r"(?<![\w*\\])(\*{1,3})(?=[^\s*])([^*\n]++)(?<!\s)\1(?!\*)")
_LINE = re.compile(r"(?<![\w_\\])(_{1,3})(?=[^\s_])((?:[^_\n]|(?<=[^\W_])_(?=[^\W_]))++)(?<!\s)\1(?![\w_])")
_STRIKE = re.compile(r"~~([^~\n]++)~~")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_BADGE = re.compile(r"\bbadge\b|shields\.io|\bbuild status\b|\bcoverage\b", re.I)
_ROLE = re.compile(r"\{([\w:+.-]{1,40})\}\x00([0-9]+)\x00")
_SPAN = re.compile(r"\x00([0-9]+)\x00")

_TAGS = names(
    "a abbr acronym address article aside audio b base bdi bdo big blockquote body br button canvas caption center cite code "
    "col colgroup data dd del details dfn dialog div dl dt em embed fieldset figcaption figure font footer form h1 h2 h3 h4 h5 "
    "h6 head header hr html i iframe img input ins kbd label legend li link main map mark meta meter nav noscript object ol "
    "optgroup option output p param picture pre progress q rp rt ruby s samp section select small source span strike strong "
    "sub summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr path g"
)


class Inline:
    """Clean the inline markup of one document; ``references`` are its link definitions' names."""

    def __init__(self, references: set[str], links: bool, alt_texts: bool, plain: bool, mdx: bool) -> None:
        self._references, self._links, self._alt = references, links, alt_texts
        self._plain, self._mdx = plain, mdx
        self._spans: list[str] = []

    def clean(self, text: str) -> str:
        """Return a paragraph's text."""
        if not any(mark in text for mark in "[<`{&*_\\~"):
            return text
        self._spans = []
        text = self._hide_code(text.replace("\0", ""))
        if "<!--" in text or "{/*" in text:
            text = _COMMENT.sub("", text)
        if "[" in text:
            text = _IMAGE.sub(self._image, text)
            if not self._links:
                for _ in range(2):  # a link around an image, or within brackets
                    text = _LINK.sub(r"\1", text)
                text = _WIKI.sub(lambda found: found[2] or found[1], text)
                text = _REFERENCE.sub(self._reference, text)
        if "<" in text:
            text = _AUTOLINK.sub(r"\1", text)
            text = _TAG.sub(self._tag, text)
        if "{" in text:
            text = _ROLE.sub(self._role, text)
            text = _ATTRIBUTE_LIST.sub("", _TEMPLATE.sub("", text))
        if self._plain:
            for pattern, group in ((_STAR, r"\2"), (_LINE, r"\2"), (_STAR, r"\2"), (_STRIKE, r"\1")):
                text = pattern.sub(group, text)
            text = _ESCAPE.sub(r"\1", text)
        text = re.sub(r"\\$", "", text, flags=re.M)
        if "&" in text:
            text = html.unescape(text)
        return _SPAN.sub(self._shown, text) if self._spans else text

    def _hide_code(self, text: str) -> str:
        """Put numbers for code spans: a run of backticks ends at the next run of the same length."""
        runs = list(_RUN.finditer(text))
        if len(runs) < 2:
            return text
        later: dict[int, int] = {}
        partner = [-1] * len(runs)
        for index in range(len(runs) - 1, -1, -1):
            size = len(runs[index][0])
            partner[index] = later.get(size, -1)
            later[size] = index
        out: list[str] = []
        at = index = 0
        while index < len(runs):
            run = runs[index]
            if partner[index] < 0 or text[run.start() - 1 : run.start()] == "\\":
                index += 1
                continue
            close = runs[partner[index]]
            out += (text[at : run.start()], f"\0{len(self._spans)}\0")
            self._spans.append(text[run.start() : close.end()])
            at, index = close.end(), partner[index] + 1
        out.append(text[at:])
        return "".join(out)

    def _shown(self, found: re.Match[str]) -> str:
        span = self._spans[int(found[1])]
        return span.strip("`").strip() if self._plain else span

    def _role(self, found: re.Match[str]) -> str:
        return role_text(found[1], self._spans[int(found[2])].strip("`"))

    def _image(self, found: re.Match[str]) -> str:
        return found[1] if self._alt and not _BADGE.search(found[0]) else ""

    def _reference(self, found: re.Match[str]) -> str:
        name = _SPAN.sub(lambda span: self._spans[int(span[1])], found[2] or found[1])
        name = " ".join(name.lower().split())
        return found[1] if name in self._references else found[0]

    def _tag(self, found: re.Match[str]) -> str:
        name = found[1].lower()
        if name in ("br", "hr"):
            return " " if "|" in found.string else "\n"
        if name == "img" and self._alt and (alternative := _ALT.search(found[2])):
            return "" if _BADGE.search(found[0]) else alternative[1] or alternative[2] or ""
        component = self._mdx and (found[1][0].isupper() or "." in found[1])
        return "" if name in _TAGS or component else found[0]
