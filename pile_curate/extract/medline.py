"""Read one citation of PubMed: its title, its abstract with the labels of its parts, and the facts about it.

Layout: NLM's PubMed DTD (pubmed_190101 to pubmed_250101) and the MEDLINE DTDs before it; citations of books
(``BookDocument``) have their fields in other places.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element

from pile_curate.extract.jats import JatsChoices, JatsReader
from pile_curate.extract.jats_front import date_text, words_of

_TRUNCATED = re.compile(r"\s*\(?ABSTRACT TRUNCATED(?: AT \d+ WORDS)?\)?\.?\s*\Z")
_COPYRIGHT = re.compile(
    r"(?:(?<=[.?!)\]])\s*|\A|\s+(?=[\[(]))"
    r"[\[(]?\s*(?:crown\s+)?(?:copyright\s*(?:©|\(c\)|\(©\))?|©|\(c\)|\(©\))\s*(?:,\s*)?(?:19|20)[0-9]{2}\b[^?!]{0,180}\Z",
    re.IGNORECASE,
)
"""The publisher's line behind an abstract, in citations whose field for it is empty."""
_RESERVED = re.compile(r"(?:\s*Published by [^.]{1,60}\.)?\s*All rights reserved\.?\)?\Z", re.IGNORECASE)
_REGISTERED = re.compile(r"(?<=\bNCT[0-9]{8}) (?=[.,;)])")
"""Journals' pages put an icon behind a trial's number, and the citation kept its blank."""
_TAIL = 240
_NO_LABELS = frozenset(("", "UNASSIGNED", "UNLABELLED", "UNLABELED"))
_CHOICES = JatsChoices()
AUTHORS = 500
"""Names kept of one citation; a few collaborations have thousands."""


def label_text(label: str) -> str:
    """Return the label of an abstract's part, ``""`` for those that mean none."""
    label = " ".join(label.split()).rstrip(":. ")
    return "" if label.upper() in _NO_LABELS else label


def abstract_text(abstract: Element | None) -> str:
    """Return an abstract: a paragraph for each part, its label in front."""
    if abstract is None:
        return ""
    reader = JatsReader(abstract, _CHOICES)
    parts: list[str] = []
    for element in abstract.iterfind("AbstractText"):
        text = _without_notice(_TRUNCATED.sub("", reader.inline(_tight(element))))
        label = label_text(element.get("Label", ""))
        if text:
            parts.append(f"{label}: {text}" if label else text)
    return "\n\n".join(parts)


def _without_notice(text: str) -> str:
    """Drop a copyright notice at the end.

    >>> _without_notice("The tide rose. Copyright 2001 Quay Press, Inc. All rights reserved.")
    'The tide rose.'
    >>> _without_notice("The tide rose (c. 2001 m). It fell in 2002.")
    'The tide rose (c. 2001 m). It fell in 2002.'
    """
    text = _REGISTERED.sub("", text) if "NCT" in text else text
    cut = max(0, len(text) - _TAIL)
    tail = text[cut:]
    lower = tail.lower()
    if "©" in lower or "(c)" in lower or "copyright" in lower or "reserved" in lower:
        found = _COPYRIGHT.search(tail, 1 if cut else 0)
        if found is not None and (cut or found.start()):
            return text[: cut + found.start()].rstrip()
        return text[:cut] + _RESERVED.sub("", tail)
    return text


def title_text(element: Element | None) -> str:
    """Return a title; those that NLM translated stand in brackets, which go.

    >>> from xml.etree.ElementTree import fromstring
    >>> title_text(fromstring("<ArticleTitle>[Tides of the <i>upper</i> estuary.]</ArticleTitle>"))
    'Tides of the upper estuary.'
    """
    if element is None:
        return ""
    text = JatsReader(element, _CHOICES).title(_tight(element))
    inner = re.fullmatch(r"\[([^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\](\.?)", text)
    text = inner[1] + inner[2] if inner else text
    return (
        ""
        if text.strip(" .").lower() in ("not available", "in process citation", "no title available")
        else text
    )


def _tight(element: Element) -> Element:
    """Undo the line breaks that pretty printers put around raised and lowered letters (``H\\n  <sub>2</sub>O``)."""
    before: Element | None = None
    for child in element:
        if child.tag in ("sub", "sup"):
            lead = element.text if before is None else before.tail
            if lead and "\n" in lead[len(lead.rstrip()) :]:
                lead = lead.rstrip()
                if before is None:
                    element.text = lead
                else:
                    before.tail = lead
        before = child
    return element


def facts_of(citation: Element, article: Element, data: Element | None) -> dict[str, Any]:
    """Return what is known of a citation; empty values are left out."""
    ids: dict[str, str] = {}
    for given in data.iterfind("ArticleIdList/ArticleId") if data is not None else ():
        ids.setdefault(given.get("IdType", ""), words_of(given))
    for given in article.iterfind("ELocationID"):
        if given.get("EIdType") == "doi" and given.get("ValidYN", "Y") == "Y":
            ids.setdefault("doi", words_of(given))
    issue = article.find("Journal/JournalIssue/PubDate")
    if issue is None:
        issue = article.find("Book/PubDate")
    authors = []
    for author in article.iterfind("AuthorList/Author"):
        parts = (words_of(author.find(part)) for part in ("ForeName", "LastName", "Suffix"))
        name = " ".join(part for part in parts if part) or words_of(author.find("CollectiveName"))
        if name:
            authors.append(name)
    facts = {
        "doi": ids.get("doi", "")[:300],
        "pmc": ids.get("pmc", "")[:20],
        "journal": words_of(article.find("Journal/Title")) or words_of(article.find("Book/BookTitle")),
        "date": _date(issue),
        "authors": authors[:AUTHORS],
        "languages": [words_of(one) for one in article.iterfind("Language")],
        "publication_types": [
            words_of(one) for one in article.iterfind("PublicationTypeList/PublicationType")
        ],
        "status": citation.get("Status", ""),
        "keywords": [words_of(one) for one in citation.iterfind("KeywordList/Keyword")],
    }
    return {name: value for name, value in facts.items() if value not in ("", [])}


def _date(element: Element | None) -> str:
    if element is None:
        return ""
    year, month, day = (words_of(element.find(part)) for part in ("Year", "Month", "Day"))
    if year:
        return date_text(year, month, day)
    found = re.search(
        r"\b(1[5-9][0-9]{2}|20[0-9]{2})\b\s*([A-Za-z]{3})?", words_of(element.find("MedlineDate"))
    )
    return date_text(found[1], found[2] or "", "") if found else ""
