"""Read what the front of a JATS article says of it: numbers, names, dates, kind and licence."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from pile_curate.licence_urls import spdx_of_text, spdx_of_url

_HREF = "{http://www.w3.org/1999/xlink}href"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE_ORDER = ("epub", "electronic", "epub-ppub", "pub", "ppub", "print", "collection", "ecorrected")
_RESERVED = re.compile(r"all rights (?:are )?reserved", re.IGNORECASE)
_PUBLIC = re.compile(
    r"\bpublic[\s-]domain\b|free of (?:all )?copyright|work of the (?:U\.?S\.?|United States) government",
    re.IGNORECASE,
)
_VERBATIM = re.compile(r"verbatim copying and redistribution of this article", re.IGNORECASE)
"""BioMed Central's licence of before 2004."""
_CROWN = re.compile(r"open government licen[cs]e", re.IGNORECASE)
_RETRACTED = re.compile(r"\A\W{0,3}(?:retracted|withdrawn)\b(?:\s+article)?\s*[:\].]", re.IGNORECASE)


def words_of(element: Element | None) -> str:
    """Return all text of an element as one line."""
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def article_ids(meta: Element) -> dict[str, str]:
    """Return ``pmc`` (with its letters), ``pmid`` and ``doi``, as far as they are given and well formed."""
    found: dict[str, str] = {}
    for given in meta.iterfind("article-id"):
        kind, text = given.get("pub-id-type", ""), words_of(given)
        if kind in ("pmc", "pmcid") and (number := re.fullmatch(r"(?:PMC)?([0-9]{1,12})", text, re.I)):
            found.setdefault("pmc", f"PMC{number[1]}")
        elif kind == "pmid" and re.fullmatch(r"[0-9]{1,12}", text):
            found.setdefault("pmid", text)
        elif kind == "doi" and re.fullmatch(r"10\.[0-9.]{3,12}/\S{1,300}", text):
            found.setdefault("doi", text)
    return found


def authors(meta: Element) -> list[str]:
    """Return the authors' names as they are spoken, groups included; editors and translators are none."""
    names: list[str] = []
    for group in meta.iterfind("contrib-group"):
        for contrib in group.iterfind("contrib"):
            if contrib.get("contrib-type", "author") != "author":
                continue
            name = contrib.find("name")
            if name is None:
                name = contrib.find("name-alternatives/name")
            if name is not None:
                parts = (words_of(name.find(part)) for part in ("given-names", "surname", "suffix"))
                text = " ".join(part for part in parts if part)
            else:
                other = contrib.find("string-name")
                text = words_of(other if other is not None else contrib.find("collab"))
            if text:
                names.append(text)
    return names


def published(meta: Element) -> str:
    """Return the date of publication as far as it is given: ``2011-08-02``, ``2011-08`` or ``2011``."""
    dates: dict[str, str] = {}
    for date in meta.iterfind("pub-date"):
        kind = date.get("pub-type") or date.get("publication-format") or date.get("date-type") or "pub"
        text = date_text(
            words_of(date.find("year")), words_of(date.find("month")), words_of(date.find("day"))
        )
        if text:
            dates.setdefault(kind, text)
    return next((dates[kind] for kind in _DATE_ORDER if kind in dates), next(iter(dates.values()), ""))


def date_text(year: str, month: str, day: str) -> str:
    """Join the parts of a date; a month may be a number or begin like its English name.

    >>> date_text("2018", "May", "7"), date_text("1999", "Summer", ""), date_text("", "5", "")
    ('2018-05-07', '1999', '')
    """
    if not re.fullmatch(r"1[5-9][0-9]{2}|20[0-9]{2}", year):
        return ""
    short = month[:3].lower()
    number = (
        _MONTHS.index(short) + 1
        if short in _MONTHS
        else int(month)
        if re.fullmatch("[0-9]{1,2}", month)
        else 0
    )
    if not 1 <= number <= 12:
        return year
    if re.fullmatch("[0-9]{1,2}", day) and 1 <= int(day) <= 31:
        return f"{year}-{number:02}-{int(day):02}"
    return f"{year}-{number:02}"


def journal(root: Element) -> str:
    """Return the journal's full title, in the old DTDs or the new."""
    meta = root.find("front/journal-meta")
    if meta is None:
        return ""
    title = meta.find("journal-title-group/journal-title")
    return words_of(title if title is not None else meta.find("journal-title"))


def language(root: Element) -> str:
    """Return the article's language as it says it, in small letters; "" if it does not."""
    return root.get(_LANG, "").lower()


def licence(root: Element) -> tuple[str | None, str]:
    """Return (SPDX expression, what was said): None where nothing is said of any licence.

    The first address that is a known licence's speaks: the element's own, then ``ali:license_ref``, then the text's;
    after them the text's words. A licence that nobody knows is ``LicenseRef-article-terms``.
    """
    meta = root.find("front/article-meta")
    if meta is None:
        return None, ""
    places = list(meta.iterfind("permissions/license")) + list(meta.iterfind("license"))
    rights = meta.find("permissions")
    addresses = [place.get(_HREF, "") for place in places]
    for ref in rights.iter("license_ref") if rights is not None else ():
        if ref.get("specific-use", "") not in ("textmining", "tdm"):
            addresses.append(words_of(ref))
    # What stands outside of <license> (old articles put the sentence into a copyright statement) speaks last.
    words = " ".join(words_of(place) for place in places)
    links = [
        link.get(_HREF, "") for place in places for link in place.iter() if link.tag in ("ext-link", "uri")
    ]
    said = next((address for address in addresses if address), "") or words
    known = [spdx for address in addresses if (spdx := spdx_of_url(address))]
    texts = " ".join((*links, words, *(place.get("license-type", "") for place in places)))
    statement = words_of(rights) + " " + words_of(meta.find("copyright-statement"))
    found = known[0] if known else None
    if found is None or found.startswith("LicenseRef-"):
        exact = spdx_of_text(texts) or spdx_of_text(statement)
        found = exact if exact and (found is None or not exact.startswith("LicenseRef-")) else found
    if found is None and _CROWN.search(texts):
        found = "OGL-UK-3.0"
    if found is None and _PUBLIC.search(f"{texts} {statement}"):
        found = "LicenseRef-public-domain"
    if found is None and ((places and said) or _VERBATIM.search(statement)):
        found = "LicenseRef-article-terms"
    if found is None and _RESERVED.search(statement):
        found = "LicenseRef-all-rights-reserved"
    return found, said[:300]


def is_retracted(root: Element, title: str) -> bool:
    """Say whether an article is marked as retracted or withdrawn."""
    if root.get("article-type") in ("retracted-article", "withdrawn-article") or _RETRACTED.match(title):
        return True
    meta = root.find("front/article-meta")
    related = meta.iterfind("related-article") if meta is not None else ()
    return any(
        one.get("related-article-type") in ("retraction-forward", "retracted-by", "withdrawal-forward")
        for one in related
    )
