"""Say which SPDX licence an address or a sentence names: what publishers write instead of an identifier.

Creative Commons' deeds (in any spelling that publishers got past a validator), and the usual homes of the licences of
texts and programs. A port to a country's law is its own SPDX id where SPDX has one, and a ``LicenseRef`` where it
has none; a Creative Commons licence without its version is a ``LicenseRef`` too, because nobody can say which.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PORTS = frozenset(
    """
    CC-BY-2.5-AU CC-BY-3.0-AT CC-BY-3.0-AU CC-BY-3.0-DE CC-BY-3.0-IGO CC-BY-3.0-NL CC-BY-3.0-US CC-BY-NC-3.0-DE
    CC-BY-NC-ND-3.0-DE CC-BY-NC-ND-3.0-IGO CC-BY-NC-SA-2.0-DE CC-BY-NC-SA-2.0-FR CC-BY-NC-SA-2.0-UK
    CC-BY-NC-SA-3.0-DE CC-BY-NC-SA-3.0-IGO CC-BY-ND-3.0-DE CC-BY-SA-2.0-UK CC-BY-SA-2.1-JP CC-BY-SA-3.0-AT
    CC-BY-SA-3.0-DE CC-BY-SA-3.0-IGO
    """.split()
)
"""The ports that SPDX lists (licence list 3.25)."""

_VERSIONS = frozenset(("1.0", "2.0", "2.5", "3.0", "4.0"))
_KINDS = frozenset(("BY", "BY-NC", "BY-ND", "BY-SA", "BY-NC-ND", "BY-NC-SA"))
_CC = re.compile(
    r"creativecommons\.org/(?:licen[sc]es?/(?P<kind>[a-z]{2,12}(?:[-_+][a-z]{2,8}){0,3})|publicdomain/(?P<public>zero|mark))"
    r"(?:/v?(?P<version>[0-9](?:\.[0-9])?))?(?:/(?P<port>[a-z]{2,8})(?![a-z.-]))?",
    re.IGNORECASE,
)
_NO_PORTS = frozenset(("deed", "legalcode", "rdf", "by", "en"))
_OTHERS = tuple(
    (re.compile(pattern, re.IGNORECASE), spdx)
    for pattern, spdx in (
        (r"apache\.org/licenses/LICENSE-2\.0", "Apache-2.0"),
        (r"opensource\.org/licen[sc]es?/mit\b", "MIT"),
        (r"opensource\.org/licen[sc]es?/bsd-2-clause\b", "BSD-2-Clause"),
        (r"opensource\.org/licen[sc]es?/(?:bsd-3-clause|bsd-license)\b", "BSD-3-Clause"),
        (r"opensource\.org/licen[sc]es?/isc\b", "ISC"),
        (r"mozilla\.org/(?:[a-z-]+/)?MPL/2\.0", "MPL-2.0"),
        (r"unlicense\.org", "Unlicense"),
        (r"gnu\.org/(?:licenses|copyleft)/(?:old-licenses/)?fdl-1\.2", "GFDL-1.2-or-later"),
        (r"gnu\.org/(?:licenses|copyleft)/fdl(?:-1\.3)?\b", "GFDL-1.3-or-later"),
        (r"opendatacommons\.org/licenses/odbl", "ODbL-1.0"),
        (r"opendatacommons\.org/licenses/by", "ODC-By-1.0"),
        (r"opendatacommons\.org/licenses/pddl", "PDDL-1.0"),
        (r"nationalarchives\.gov\.uk/doc/open-government-licence/version/1", "OGL-UK-1.0"),
        (r"nationalarchives\.gov\.uk/doc/open-government-licence/version/2", "OGL-UK-2.0"),
        (r"nationalarchives\.gov\.uk/doc/open-government-licence", "OGL-UK-3.0"),
        (r"etalab\.gouv\.fr/.{0,60}licence-ouverte.{0,10}2", "etalab-2.0"),
    )
)
_SPDX_PAGE = re.compile(r"spdx\.org/licenses/([A-Za-z0-9.+-]{2,40}?)(?:\.html|\.json|\.txt)?(?:[#?/]|$)")

_SHORT = re.compile(
    r"\bCC[\s-]?(BY(?:[\s-]+(?:NC|ND|SA)){0,2})\b(?:[\s/-]*v?(?:ersion\s?)?([1-4]\.[05])\b)?(?:[\s-]+IGO\b)?"
)
_ZERO = re.compile(r"\bCC[\s-]?0\b|\bCC[\s-]Zero\b|Public Domain (?:Dedication|waiver)", re.IGNORECASE)
_LONG = re.compile(
    r"Creative\s+Commons\s+Attribution(?P<rest>(?:[\s,/–-]{1,3}(?:and\s)?(?:Non[\s-]?Commercial|No[\s-]?Deriv(?:ative|ativ)?(?:e?s)?"
    r"(?:\sworks?)?|Share[\s-]?Alike))*)(?P<tail>.{0,60})",
    re.IGNORECASE | re.DOTALL,
)
_DOMAIN = re.compile(r"\b(?:in|into)\s+the\s+public\s+domain\b|^\s*public\s+domain\b", re.IGNORECASE)
_NOT_DOMAIN = re.compile(r"\bnot\s+(?:in|into)\s+the\s+public\s+domain\b", re.IGNORECASE)
_AMERICA = re.compile(r"\bU\.?S\.?A?\b|United\s+States", re.IGNORECASE)
_VERSION = re.compile(r"\b([1-4]\.[05])\b")


def spdx_of_url(url: str) -> str | None:
    """Return the SPDX id of the licence at an address, or None for one that is not known.

    >>> spdx_of_url("https://creativecommons.org/licenses/by-nc-nd/4.0/deed.en")
    'CC-BY-NC-ND-4.0'
    >>> spdx_of_url("http://creativecommons.org/publicdomain/zero/1.0/"), spdx_of_url("https://example.org/terms")
    ('CC0-1.0', None)
    >>> spdx_of_url("http://creativecommons.org/licenses/by/3.0/igo/"), spdx_of_url("creativecommons.org/licenses/by/")
    ('CC-BY-3.0-IGO', 'LicenseRef-CC-BY')
    """
    url = "".join(url[:2000].split())
    found = _CC.search(url)
    if found:
        return _creative_commons(found)
    page = _SPDX_PAGE.search(url)
    if page:
        return page[1]
    return next((spdx for pattern, spdx in _OTHERS if pattern.search(url)), None)


def spdx_of_text(text: str) -> str | None:
    """Return the SPDX id that a licence's sentence names in words or by an address; None if it names none.

    A waiver for data (CC0) stands beside the licence of the text in many journals, so it counts only alone.

    >>> spdx_of_text("distributed under the Creative Commons Attribution-NonCommercial 4.0 International License")
    'CC-BY-NC-4.0'
    >>> spdx_of_text("This is an open access article under the CC BY license"), spdx_of_text("All rights reserved.")
    ('LicenseRef-CC-BY', None)
    """
    named = _all_named(text[:20_000])
    own = [spdx for spdx in named if spdx != "CC0-1.0"]
    exact = [spdx for spdx in own if not spdx.startswith("LicenseRef-")]
    return next(iter(exact or own or named), None)


def one_licence(urls: Iterable[str]) -> str | None:
    """Return the licence that all these addresses name; None if they name none or several."""
    found = {spdx_of_url(url) for url in urls}
    return found.pop() if len(found) == 1 else None


def statement(text: str) -> str | None:
    """Return the one licence, or the public domain, that a statement of a work's rights names.

    Unlike ``spdx_of_text``, which reads the notice of an article, two licences here are none: nobody can say which holds.

    >>> statement("Shared under the Attribution-ShareAlike 3.0 Unported (CC BY-SA 3.0) license.")
    'CC-BY-SA-3.0'
    >>> statement("Public domain in the USA."), statement("Copyright 2012 The Press. All rights reserved.")
    ('LicenseRef-public-domain-US', None)
    """
    text = text[:4000]
    found = set(_all_named(text))
    found = {spdx for spdx in found if not spdx.startswith("LicenseRef-")} or found
    if not found and _DOMAIN.search(text) and not _NOT_DOMAIN.search(text):
        return "LicenseRef-public-domain-US" if _AMERICA.search(text) else "LicenseRef-public-domain"
    return found.pop() if len(found) == 1 else None


def _all_named(text: str) -> list[str]:
    """Return every licence that a text names, addresses first, CC0 by its name last."""
    named = [spdx for found in _CC.finditer(text) if (spdx := _creative_commons(found))]
    for short in _SHORT.finditer(text):
        kind = re.sub(r"[\s-]+", "-", short[1])
        named.append(_named(kind, short[2] or "", "IGO" if short[0].endswith("IGO") else ""))
    for words in _LONG.finditer(text):
        rest = re.sub(r"[^a-z]", "", words["rest"].lower())
        parts = ["BY"]
        parts += [
            short
            for word, short in (("noncommercial", "NC"), ("noderiv", "ND"), ("sharealike", "SA"))
            if word in rest
        ]
        version = _VERSION.search(words["tail"])
        named.append(_named("-".join(parts), version[1] if version else "", ""))
    return [*named, "CC0-1.0"] if _ZERO.search(text) else named


def _creative_commons(found: re.Match[str]) -> str | None:
    version = found["version"] or ""
    if found["public"]:
        return "CC0-1.0" if found["public"].lower() == "zero" else "CC-PDM-1.0"
    kind = re.sub(r"[_+]", "-", found["kind"]).upper()
    if kind == "PUBLICDOMAIN":
        return "CC-PDDC"
    if "-" not in kind and kind not in _KINDS:
        parts = re.findall("BY|NC|ND|SA", kind)  # "byncnd"
        kind = "-".join(parts) if "".join(parts) == kind else ""
    if kind == "BY-ND-NC":  # the order of version 1.0
        kind = "BY-NC-ND"
    port = (found["port"] or "").upper()
    return _named(kind, version, "" if port.lower() in _NO_PORTS else port) if kind else None


def _named(kind: str, version: str, port: str) -> str:
    version = f"{version}.0" if len(version) == 1 else version
    name = "-".join(part for part in ("CC", kind, version, port) if part)
    if name in _PORTS or (not port and kind in _KINDS and version in _VERSIONS):
        return name
    return f"LicenseRef-{name}"
