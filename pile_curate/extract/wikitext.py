r"""Turn wikitext into prose.

``to_text`` keeps what a reader reads: paragraphs, headings, lists, formulas as TeX, code. It drops what surrounds
them: infoboxes, tables, references, images, categories, navigation. Two things set it apart from a chain of
regular expressions: templates inside sentences are rendered (``{{convert|5|km}}``), and where something was
removed a mark remains until the end, so that exactly there, and nowhere else, spaces, commas and brackets are
mended (``Berlin ({{IPA…}}; {{Audio…}}) is`` becomes ``Berlin is``).

The order follows MediaWiki's parser: comments and extension tags, then templates and links, then HTML, tables,
quotes and lists, then entities. Time is linear in the input for any nesting. Reference for the syntax:
https://www.mediawiki.org/wiki/Markup_spec and https://www.mediawiki.org/wiki/Preprocessor_ABNF.
"""

from __future__ import annotations

import re

from pile_curate.extract.wikitext_blocks import (
    blocks,
    drop_tables,
    page_text,
    without_empty_sections,
    without_end_matter,
)
from pile_curate.extract.wikitext_names import DISAMBIGUATION, DISAMBIGUATION_TITLES, REDIRECTS, Wiki
from pile_curate.extract.wikitext_nodes import Expander, normal_name
from pile_curate.extract.wikitext_tags import (
    BREAK,
    CONTROLS,
    EQUALS,
    GONE,
    HOLE,
    PROTECTED,
    Protector,
    entities,
    html_to_marks,
)
from pile_curate.extract.wikitext_templates import Templates

__all__ = ["WIKITEXT_VERSION", "Wiki", "is_disambiguation", "redirect_target", "to_text"]

WIKITEXT_VERSION = 2
"""Bump when ``to_text`` gives another text for the same page."""

ENGLISH = Wiki()

_REDIRECT = re.compile(rf"\s*#\s*(?:{'|'.join(sorted(REDIRECTS))})\s*:?\s*\[\[([^\]|\n]*)", re.IGNORECASE)
_TEMPLATE_NAME = re.compile(r"\{\{\s*+([^{}|\n<]++)(?:[|\n<]|\}\})")

_M = GONE + HOLE
_BRACKETS = re.compile(rf"[(\[（]([^()\[\]（）{_M}]*+[{_M}][^()\[\]（）]*+)[)\]）]")
"""Innermost brackets that lost something."""
_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))
_JOINING = ",;:/·•–—-" + _SPACE
_INNER_MIDDLE = re.compile(rf"([,;·•])(?:\s*+[{GONE}][\s{GONE}]*+[,;·•])+")
_LEAVES = re.compile(r"[^()\[\]（）]*+[)\]）]")
"""Text whose first bracket closes: if a mark stands before it, the mark may be inside brackets."""
_CLINGING = ".,;:!?)]}…。，、；：」』）\n" + BREAK
_SENTENCE = re.compile(rf"(?:(?<=[^\WA-Z][^\WA-Z][.!?])|(?<={HOLE}[.!?]))(?=\s+[^\sa-z])|(?<=[。！？])")
"""Between two sentences; ``St. Louis`` and ``U.S. Navy`` are one."""
_ASKED_BREAK = re.compile(rf"{BREAK}[ \n]*+")
_STRAY = re.compile(r"\{\{+|\}\}+|\[\[+|\]\]+")
_WORD = re.compile(r"[^\W_]")
_SPACES = re.compile(r"(?<=\S) {2,}(?=\S)")


def redirect_target(source: str) -> str | None:
    """Return where a page redirects to, None if it does not."""
    found = _REDIRECT.match(source)
    return found[1].strip() if found else None


def is_disambiguation(source: str, title: str = "") -> bool:
    """Say whether a page lists the meanings of a word rather than describing one."""
    if "__DISAMBIG__" in source or title.lower().endswith(DISAMBIGUATION_TITLES):
        return True
    names = {name.rstrip() for name in _TEMPLATE_NAME.findall(source)}
    return any(normal_name(name) in DISAMBIGUATION for name in names if len(name) <= 60)


def to_text(source: str, wiki: Wiki = ENGLISH, *, title: str = "", end_matter: bool = False) -> str:
    r"""Return a page's prose. ``title`` is what ``{{PAGENAME}}`` shows; ``end_matter`` keeps reference sections.

    >>> to_text("'''Bath''' ({{IPAc-en|b|ɑː|θ}}) is {{convert|10|mi|km}} from [[Bristol|it]].<ref>x</ref>")
    'Bath (/bɑːθ/) is 10 mi from it.'
    """
    if "\r" in source:
        source = source.replace("\r\n", "\n").replace("\r", "\n")
    if CONTROLS.search(source):
        source = CONTROLS.sub("", source)
    protector = Protector()
    text = protector.cut(source)
    templates = Templates(wiki, title)
    text = Expander(wiki, templates.known, templates.render).expand(text)
    # A handler's text may hold tags: {{sic|<ref>…}} is over by now, but <br> and <sup> are not.
    text = html_to_marks(text).replace(EQUALS, "=")
    page = list(blocks(drop_tables(text)))
    if not end_matter:
        page = without_end_matter(page)
    for block in page:
        block.text = _mend(entities(block.text).replace("\u00a0", " "))
    page = [block for block in page if block.kind == "heading" or _worth(block.text)]
    result = page_text(without_empty_sections(page))
    return protector.restore(result).strip()


def _worth(text: str) -> bool:
    return PROTECTED in text or _WORD.search(text) is not None


def _mend(text: str) -> str:
    """Close the gaps where something was removed, and turn asked-for breaks into line ends."""
    if GONE in text or HOLE in text:
        if HOLE in text or any(_leaves(piece) for piece in text.split(GONE)[1:]):
            text = _mend_brackets(text)
        if HOLE in text:
            text = _whole_sentences(text)
        text = _close_gaps(text)
    if BREAK in text:
        *before, last = _ASKED_BREAK.split(text)
        text = "".join(f"{piece.rstrip(' ')}\n" for piece in before) + last
    if "{" in text or "}" in text or "[" in text or "]" in text:
        text = _STRAY.sub("", text)
    if text.startswith("  "):
        return text.rstrip()
    return (_SPACES.sub(" ", text) if "  " in text else text).strip(" \n")


def _leaves(text: str) -> bool:
    return (")" in text or "]" in text or "）" in text) and _LEAVES.match(text) is not None


def _whole_sentences(text: str) -> str:
    """Drop the sentences that lack a value: half a sentence teaches a model to write half sentences."""
    return "".join(part for part in _SENTENCE.split(text) if HOLE not in part) or GONE


def _mend_brackets(text: str) -> str:
    """Mend brackets that lost something, innermost first: drop them if nothing is left or a value is missing."""

    def mend(found: re.Match[str]) -> str:
        inner = found[1]
        if HOLE in inner:
            return GONE
        inner = _INNER_MIDDLE.sub(r"\1", inner)
        inner = _close_gaps(_without_lost_edges(inner)).strip()
        if not _worth(inner):
            return GONE
        return found[0][0] + inner + found[0][-1]

    for _ in range(3):  # brackets nest, but hardly deeper
        mended = _BRACKETS.sub(mend, text)
        if mended == text:
            break
        text = mended
    return text


def _without_lost_edges(inner: str) -> str:
    """Drop the punctuation at both ends of a text together with the marks in it; where is no mark, it stays."""
    rest = inner.lstrip(_JOINING + _M)
    if GONE in inner[: len(inner) - len(rest)]:
        inner = rest
    rest = inner.rstrip(_JOINING + _M)
    return rest if GONE in inner[len(rest) :] else inner


def _close_gaps(text: str) -> str:
    """Remove the marks: one space where words meet, none before punctuation or at an edge."""
    if GONE not in text:
        return text
    first, *pieces = text.split(GONE)
    out = [first.rstrip(" \t")]
    spaced = len(out[0]) < len(first)
    for piece in pieces:
        bare = piece.lstrip(" \t")
        if not bare:
            continue
        if (spaced or len(bare) < len(piece)) and (len(out) > 1 or out[0]) and bare[0] not in _CLINGING:
            out.append(" ")
        out.append(bare.rstrip(" \t"))
        spaced = len(out[-1]) < len(bare)
    if bare:
        out.append(bare[len(out[-1]) :])
    return "".join(out)
