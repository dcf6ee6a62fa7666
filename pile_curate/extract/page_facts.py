"""Find what an HTML page says of itself in its head: its address, date, authors, and one clear licence.

A link to a licence anywhere on a page may be about a picture; only what is marked as the page's own counts
(``rel="license"``, ``dcterms.license``, schema.org's ``license``), and only if it is one.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from pile_curate.extract.tags import attributes
from pile_curate.licence_urls import one_licence, statement

_TAG = re.compile(r"<(link|meta|a|base)\b((?:[^<>\"']|\"[^\"<]*\"|'[^'<]*'|[\"'])*+)>", re.I)
_SAVED = re.compile(
    r"<!--[^<>]{0,40}?saved from url=\([0-9]{4}\)(\S{1,2000})\s*-->"
    r"|<!--\s*Page saved with SingleFile\s+url:\s*(\S{1,2000})",
    re.I,
)
_JSON_LICENCE = re.compile(r"\"license\"\s{0,9}:\s{0,9}\"(https?:[^\"\s]{1,300})\"", re.I)
_URL = re.compile(r"https?://[^\s<>\"]{1,2000}$", re.I)
_HEAD = 1 << 18
_LICENCE_METAS = (
    "dcterms.license",
    "dc.license",
    "dc.rights",
    "dcterms.rights",
    "dc.rights.license",
    "citation_license",
)
_DATES = (
    "article:published_time",
    "dc.date",
    "dcterms.date",
    "dc.date.issued",
    "citation_publication_date",
    "date",
    "dcterms.created",
)
_AUTHORS = ("author", "article:author", "dc.creator", "dcterms.creator", "citation_author")


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found, empty where nothing was said."""

    url: str = ""
    date: str = ""
    authors: tuple[str, ...] = ()
    licence: str | None = None


def page_facts(markup: str) -> Facts:
    """Return what the page's tags say of it. Linear in its length."""
    canonical = shared = date = ""
    authors: list[str] = []
    licences: list[str] = []
    stated: set[str | None] = set()
    for found in _TAG.finditer(markup):
        tag, inside = found[1].lower(), found[2]
        lowered = inside.lower()
        if tag == "a":
            if "licen" in lowered:
                known = attributes(inside)
                if {"license", "licence"} & set(known.get("rel", "").lower().split()):
                    licences.append(known.get("href", ""))
            continue
        if found.start() > _HEAD:
            continue
        known = attributes(inside)
        if tag == "link":
            relations = known.get("rel", "").lower().split()
            if "canonical" in relations and not canonical:
                canonical = known.get("href", "").strip()
            if "license" in relations:
                licences.append(known.get("href", ""))
        elif tag == "meta":
            name = known.get("name", known.get("property", "")).lower()
            content = " ".join(known.get("content", "").split())[:500]
            if name == "og:url":
                shared = shared or content
            elif name in _LICENCE_METAS:
                stated.add(statement(content))
            elif name in _DATES:
                date = date or content[:40]
            elif name in _AUTHORS and content and content not in authors and len(authors) < 50:
                authors.append(content)
    head = markup[:_HEAD]
    if '"license"' in head:
        licences += _JSON_LICENCE.findall(head)
    licence = one_licence(licences) if licences else None
    stated.discard(None)
    if not licences and len(stated) == 1:
        licence = stated.pop()
    saved = _SAVED.search(markup, 0, 4096)
    addresses = (canonical, shared, html.unescape(saved[1] or saved[2]) if saved else "")
    url = next((address for address in addresses if _URL.match(address)), "")
    return Facts(url, date, tuple(name for name in authors if not _URL.match(name)), licence)
