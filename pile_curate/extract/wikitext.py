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
_TEMPLATE_NAME = re.compile(r"\{\{\s*([^{}|\n<]{1,60}?)\s*(?:[|\n<]|\}\})")

_M = GONE + HOLE
_BRACKETS = re.compile(r"[(\[（]([^()\[\]（）]*)[)\]）]")
_INNER_START = re.compile(rf"^[\s,;:/·•–—-]*[{_M}][\s,;:/·•–—{_M}-]*")
_INNER_MIDDLE = re.compile(rf"([,;·•])(?:\s*[{GONE}][\s{GONE}]*[,;·•])+")
_INNER_END = re.compile(rf"[\s,;:/·•–—{_M}-]*[{_M}][\s,;:/·•–—-]*$")
_BEFORE_MARK = re.compile(rf"[ \t]*[{_M}][ \t{_M}]*")
_SENTENCE = re.compile(rf"(?:(?<=[^\WA-Z][^\WA-Z][.!?])|(?<={HOLE}[.!?]))(?=\s+[^\sa-z])|(?<=[。！？])")
"""Between two sentences; ``St. Louis`` and ``U.S. Navy`` are one."""
_STRAY = re.compile(r"\{\{+|\}\}+|\[\[+|\]\]+")
_SPACES = re.compile(r"(?<=\S) {2,}(?=\S)")


def redirect_target(source: str) -> str | None:
    """Return where a page redirects to, None if it does not."""
    found = _REDIRECT.match(source)
    return found[1].strip() if found else None


def is_disambiguation(source: str, title: str = "") -> bool:
    """Say whether a page lists the meanings of a word rather than describing one."""
    if "__DISAMBIG__" in source or title.lower().endswith(DISAMBIGUATION_TITLES):
        return True
    return any(normal_name(found[1]) in DISAMBIGUATION for found in _TEMPLATE_NAME.finditer(source))


def to_text(source: str, wiki: Wiki = ENGLISH, *, title: str = "", end_matter: bool = False) -> str:
    r"""Return a page's prose. ``title`` is what ``{{PAGENAME}}`` shows; ``end_matter`` keeps reference sections.

    >>> to_text("'''Bath''' ({{IPAc-en|b|ɑː|θ}}) is {{convert|10|mi|km}} from [[Bristol|it]].<ref>x</ref>")
    'Bath (/bɑːθ/) is 10 mi from it.'
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    if CONTROLS.search(source):
        source = CONTROLS.sub("", source)
    protector = Protector()
    text = protector.cut(source)
    templates = Templates(wiki, title)
    text = Expander(wiki, templates.known, templates.render).expand(text)
    # A handler's text may hold tags: {{sic|<ref>…}} is over by now, but <br> and <sup> are not.
    text = html_to_marks(text).replace(EQUALS, "=")
    page = list(blocks(drop_tables(text.split("\n"))))
    if not end_matter:
        page = without_end_matter(page)
    for block in page:
        block.text = _mend(entities(block.text).replace("\u00a0", " "))
    page = [block for block in page if block.kind == "heading" or _worth(block.text)]
    result = page_text(without_empty_sections(page))
    return protector.restore(result).strip()


def _worth(text: str) -> bool:
    return PROTECTED in text or any(char.isalnum() for char in text)


def _mend(text: str) -> str:
    """Close the gaps where something was removed, and turn asked-for breaks into line ends."""
    if GONE in text or HOLE in text:
        text = _mend_brackets(text)
        if HOLE in text:
            text = _whole_sentences(text)
        text = _close_gaps(text)
    if BREAK in text:
        text = re.sub(rf" *{BREAK}[ \n]*", "\n", text)
    text = _STRAY.sub("", text)
    return _SPACES.sub(" ", text).strip(" \n") if not text.startswith("  ") else text.rstrip()


def _whole_sentences(text: str) -> str:
    """Drop the sentences that lack a value: half a sentence teaches a model to write half sentences."""
    return "".join(part for part in _SENTENCE.split(text) if HOLE not in part) or GONE


def _mend_brackets(text: str) -> str:
    """Mend brackets that lost something, innermost first: drop them if nothing is left or a value is missing."""

    def mend(found: re.Match[str]) -> str:
        inner = found[1]
        if HOLE in inner:
            return GONE
        if GONE not in inner:
            return found[0]
        inner = _INNER_MIDDLE.sub(r"\1", inner)
        inner = _INNER_END.sub("", _INNER_START.sub("", inner))
        inner = _close_gaps(inner).strip()
        if not any(char.isalnum() or char == PROTECTED for char in inner):
            return GONE
        return found[0][0] + inner + found[0][-1]

    for _ in range(3):  # brackets nest, but hardly deeper
        mended = _BRACKETS.sub(mend, text)
        if mended == text:
            break
        text = mended
    return text


def _close_gaps(text: str) -> str:
    """Remove the marks: one space where words meet, none before punctuation or at an edge."""

    def close(found: re.Match[str]) -> str:
        run, end = found[0], found.end()
        after = text[end : end + 1]
        if found.start() == 0:
            return run if not run.strip(" ") else ""
        if not after or after in ".,;:!?)]}…。，、；：」』）\n" + BREAK:
            return ""
        return " " if run[0] in " \t" or run[-1] in " \t" else ""

    return _BEFORE_MARK.sub(close, text)
