"""Turn what documents say of their rights into SPDX ids: Creative Commons deeds, their names, the public domain.

What is not clear stays unknown. A port of a licence to a country (``by/3.0/us``) is named as the licence that it ports,
since SPDX lists only some of the ports.
"""

from __future__ import annotations

import re

PUBLIC_DOMAIN = "LicenseRef-public-domain"
PUBLIC_DOMAIN_US = "LicenseRef-public-domain-US"

_DEED = re.compile(
    r"creativecommons\.org/(?:licenses|publicdomain)/([a-z]+(?:[-+][a-z]+){0,3})(?:/([0-9]\.[0-9]))?", re.I
)
_SHORT = re.compile(r"\bCC[- ](BY(?:-(?:NC|ND|SA)){0,2})[- ]?v?([1-4]\.[0-9])", re.I)
_LONG = re.compile(
    r"(?:Creative\s+Commons|\bCC)[\s:,-]{1,4}(Attribution(?:[\s-]+(?:Non-?Commercial|Share-?Alike|No-?Deriv(?:ative)?s|NC|SA|ND)){0,2})"
    r"[\s-]+(?:\(?version\s+|v\.?)?([1-4]\.[0-9])",
    re.I,
)
_ZERO = re.compile(r"\bCC0\b|Creative\s+Commons\s+Zero", re.I)
_DOMAIN = re.compile(r"\b(?:in|into)\s+the\s+public\s+domain\b|^\s*public\s+domain\b", re.I)
_NOT = re.compile(r"\bnot\s+(?:in|into)\s+the\s+public\s+domain\b", re.I)
_AMERICA = re.compile(r"\bU\.?S\.?A?\b|United\s+States", re.I)
_PARTS = {"by", "nc", "nd", "sa"}


def deed(url: str) -> str | None:
    """Return the SPDX id of a Creative Commons deed's address.

    >>> deed("https://creativecommons.org/licenses/by-nc-sa/3.0/us/"), deed("https://example.org/by/4.0")
    ('CC-BY-NC-SA-3.0', None)
    """
    found = _DEED.search(url)
    return _id(found[1].lower(), found[2] or "") if found else None


def _id(kind: str, version: str) -> str | None:
    if kind == "zero":
        return "CC0-1.0"
    if kind == "mark":
        return "CC-PDM-1.0"
    parts = kind.split("-")
    if parts[0] != "by" or not version or not _PARTS.issuperset(parts) or {"nd", "sa"} <= set(parts):
        return None
    order = [part for part in ("by", "nc", "nd", "sa") if part in parts]
    return f"CC-{'-'.join(order).upper()}-{version}"


def one_licence(urls: list[str]) -> str | None:
    """Return the licence that all these addresses name, None if they name none or several."""
    found = {deed(url) for url in urls}
    return found.pop() if len(found) == 1 else None


def statement(text: str) -> str | None:
    """Return the one licence that a statement of rights names.

    >>> statement("Shared under the Attribution-ShareAlike 3.0 Unported (CC BY-SA 3.0) license.")
    'CC-BY-SA-3.0'
    >>> statement("Public domain in the USA."), statement("Copyright 2012 The Press. All rights reserved.")
    ('LicenseRef-public-domain-US', None)
    """
    text = text[:4000]
    found = {_id(kind.lower(), version or "") for kind, version in _DEED.findall(text)}
    found |= {_id(kind.lower(), version) for kind, version in _SHORT.findall(text)}
    for name, version in _LONG.findall(text):
        plain = re.sub(r"[^a-z]", "", name.lower())
        parts = ["by"]
        parts += ["nc"] if "noncommercial" in plain or plain.endswith("nc") else []
        parts += ["nd"] if "noderiv" in plain or plain.endswith("nd") else []
        parts += ["sa"] if "sharealike" in plain or plain.endswith("sa") else []
        found.add(_id("-".join(parts), version))
    if _ZERO.search(text):
        found.add("CC0-1.0")
    found.discard(None)
    if not found and _DOMAIN.search(text) and not _NOT.search(text):
        return PUBLIC_DOMAIN_US if _AMERICA.search(text) else PUBLIC_DOMAIN
    return found.pop() if len(found) == 1 else None
