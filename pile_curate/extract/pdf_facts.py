"""Read what a PDF says of itself: title, authors, date and licence, from document information, XMP and first page.

XMP packets are stored uncompressed so that tools which know no PDF can read them (ISO 16684-1); so they are looked
for in the file's bytes. Titles that programs leave there ("Microsoft Word - draft3.doc") are none.
"""

from __future__ import annotations

import html
import re
from typing import Any

_SPAN = 64 << 10
_PACKET = b"<x:xmpmeta"
_JUNK_TITLE = re.compile(
    r"(?:microsoft (?:word|powerpoint)\b.*|untitled.*|.*\.(?:docx?|dvi|tex|pdf|rtf|indd|odt|wpd|qxd|ps)"
    r"|(?:doi:)?10\.\d{4,}/\S+|slide 1|title|document\d*|\W*|\d+)",
    re.I | re.S,
)
_DATE = re.compile(r"(?:D:)?(\d{4})-?(\d\d)?-?(\d\d)?")
_AUTHOR_BREAK = re.compile(r"\s+and\s+|\s*&\s*|,\s+(?=[^\s,]+\s+[^\s,])")
_CC_URL = re.compile(
    r"creativecommons\.org/(licenses|publicdomain)/([a-z-]{2,10}|zero|mark)/?(\d\.\d)?(?:/([a-z]{2})\b)?",
    re.I,
)
_VERSIONS = ("1.0", "2.0", "2.5", "3.0", "4.0")
_KINDS = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")
_FIRST = 8000


def useful_title(title: str) -> str:
    """Return a title, or ``""`` for what a program left in its place."""
    title = " ".join(title.split())
    return "" if _JUNK_TITLE.fullmatch(title) or len(title) > 500 else title


def facts_of(info: dict[str, str], data: bytes) -> dict[str, Any]:
    """Return title, authors, date, subject, keywords and producing program, as far as they are said."""
    packet = _packet(data)
    author = info.get("Author", "")
    # "Brandt, Odo; Gray, Nell" is cut at semicolons only; "Brandt, Odo" is one name.
    parts = author[:2000].split(";") if ";" in author else _AUTHOR_BREAK.split(author[:2000])
    authors = [name for name in (part.strip(" ,") for part in parts) if name]
    facts = {
        "title": info.get("Title", "") or _first(packet, "dc:title"),
        "authors": authors[:100] or _all(packet, "dc:creator"),
        "date": _iso(info.get("CreationDate", "")) or _iso(_first(packet, "xmp:CreateDate")),
        "subject": info.get("Subject", "")[:1000],
        "keywords": info.get("Keywords", "")[:1000],
        "creator": info.get("Creator", "")[:200],
    }
    return {name: value for name, value in facts.items() if value}


def licence_of(data: bytes, text: str) -> str | None:
    """Return the Creative Commons licence that the metadata, or else the first page, link to, as SPDX."""
    for where in (_packet(data), text[:_FIRST]):
        found = {_spdx(match) for match in _CC_URL.finditer(where)} - {None}
        if len(found) == 1:
            return found.pop()
    return None


def _spdx(match: re.Match[str]) -> str | None:
    group, kind, version = match[1].lower(), match[2].lower(), match[3]
    if group == "publicdomain":
        return "CC0-1.0" if kind == "zero" else None
    if kind in _KINDS and version in _VERSIONS:
        return f"CC-{kind.upper()}-{version}"
    return None


def _packet(data: bytes) -> str:
    # The last packet is the present one: a changed file has the old ones before it.
    at = data.rfind(_PACKET)
    if at < 0:
        return ""
    end = data.find(b"</x:xmpmeta>", at, at + _SPAN)
    return data[at : end if end > 0 else at + _SPAN].decode("utf-8", "replace")


def _all(packet: str, name: str) -> list[str]:
    begin = packet.find(f"<{name}")
    end = packet.find(f"</{name}>", begin)
    if begin < 0 or end < 0:
        return []
    found = re.findall(r"<rdf:li[^<>]{0,200}>([^<]{1,500})</rdf:li>", packet[begin:end])
    return [text for text in (" ".join(html.unescape(item).split()) for item in found) if text][:100]


def _first(packet: str, name: str) -> str:
    items = _all(packet, name)
    if items:
        return items[0]
    plain = re.search(rf"{name}(?:=\"|>)([^<\"]{{1,500}})", packet)
    return html.unescape(plain[1]).strip() if plain else ""


def _iso(date: str) -> str:
    found = _DATE.match(date.strip())
    if not found or not "1900" <= found[1] <= "2100":
        return ""
    return "-".join(part for part in found.groups() if part)
