"""Tell the matter around a book from the book: covers, title pages, contents, imprints, indexes.

First what the book itself says counts (``epub:type``, guide, landmarks), then what a page looks like: lists of links, a
page of rights and numbers near either end, a page at the front that holds the title and little else.
"""

from __future__ import annotations

import re
from typing import Literal

from pile_curate.extract.book import Chapter
from pile_curate.extract.wikitext_names import names

MATTER = names(
    "cover titlepage title-page halftitlepage halftitle toc toc-brief landmarks page-list loi lot loa lov copyright-page "
    "copyright colophon imprint imprimatur index doc-cover doc-toc doc-index doc-colophon doc-pagelist other-credits"
)
"""Types of parts that are not the text of a book: EPUB's vocabulary, EPUB 2's guide types, DPUB-ARIA roles."""

ENDS = 5
"""How many chapters at either end may be an imprint by their looks."""

_IMPRINT = re.compile(
    r"\ball rights reserved\b|\bisbn\b|\blibrary of congress\b|\bno part of this (?:book|publication)\b"
    r"|\bfirst (?:published|edition)\b|\bpublished by\b|\bcopyright\s*(?:©|\(c\)|[12][0-9]{3})|©\s*[12][0-9]{3}|\bprinted in\b"
    r"|\balle rechte vorbehalten\b|\btous droits réservés\b|\bdépôt légal\b|\btodos los derechos\b|\btutti i diritti\b"
    r"|無断転載|発行所|все права защищены|جميع الحقوق محفوظة",
    re.I,
)
_FOLD = re.compile(r"[\W_]+")
_LINK_LIST = 5

Matter = Literal["", "contents", "imprint", "titlepage"]


def matter(chapter: Chapter, place: int, left: int, title: str, authors: list[str]) -> Matter:
    """Say what a chapter without a type is by its looks; ``place`` counts from the start, ``left`` from the end."""
    text = chapter.text
    if chapter.links >= _LINK_LIST and chapter.linked * 10 > chapter.size * 7:
        return "contents"
    if min(place, left) < ENDS and len(text) < 4000:
        kinds = {found.lower()[:8] for found in _IMPRINT.findall(text)}
        if len(kinds) >= 3 or (len(kinds) == 2 and len(text) < 2500):
            return "imprint"
    if place < 3 and 0 < len(text) < 400:
        plain = _FOLD.sub(" ", text.lower()).strip()
        for known in (title, *authors):
            known = _FOLD.sub(" ", known.lower()).strip()
            if known:
                plain = plain.replace(known, "")
        named = _FOLD.sub(" ", title.lower()).strip()
        if named and named in _FOLD.sub(" ", text.lower()) and len(plain) < 120:
            return "titlepage"
    return ""
