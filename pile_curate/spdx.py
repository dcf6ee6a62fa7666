"""Check the shape of an SPDX licence expression (SPDX 2.3, annex D) and catch misspelt common ids.

The full list has 700 ids and grows, so an id not known here passes when it is well formed; one that
looks like a slip of a common id is refused with the id that was probably meant.
"""

from __future__ import annotations

import difflib
import re

_COMMON = """
0BSD AFL-3.0 AGPL-3.0-only AGPL-3.0-or-later Apache-1.1 Apache-2.0 Artistic-2.0 BlueOak-1.0.0 BSD-1-Clause
BSD-2-Clause BSD-2-Clause-Patent BSD-3-Clause BSD-3-Clause-Clear BSD-4-Clause BSL-1.0 CC-BY-1.0 CC-BY-2.0
CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-NC-2.0 CC-BY-NC-2.5 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-NC-ND-3.0
CC-BY-NC-ND-4.0 CC-BY-NC-SA-2.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CC-BY-ND-3.0 CC-BY-ND-4.0 CC-BY-SA-1.0
CC-BY-SA-2.0 CC-BY-SA-2.5 CC-BY-SA-3.0 CC-BY-SA-4.0 CC-PDDC CC-PDM-1.0 CC0-1.0 CDDL-1.0 CDLA-Permissive-2.0
ECL-2.0 EPL-1.0 EPL-2.0 EUPL-1.2 GFDL-1.1-or-later GFDL-1.2-only GFDL-1.2-or-later GFDL-1.3-only
GFDL-1.3-or-later GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later ISC LGPL-2.1-only
LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later MIT MIT-0 MPL-1.1 MPL-2.0 MS-PL NCSA NOASSERTION ODbL-1.0
ODC-By-1.0 OFL-1.1 OpenSSL PDDL-1.0 PostgreSQL PSF-2.0 Python-2.0 Ruby Unicode-3.0 Unlicense UPL-1.0 Vim W3C
WTFPL X11 Zlib ZPL-2.1
"""
KNOWN = frozenset(_COMMON.split())
"""Ids in common use for text and code."""
SLIPS = {
    "gplv2": "GPL-2.0-only", "gplv3": "GPL-3.0-only", "gpl": "GPL-3.0-or-later", "lgpl": "LGPL-3.0-or-later",
    "agpl": "AGPL-3.0-or-later", "apache": "Apache-2.0", "bsd": "BSD-3-Clause", "bsd2": "BSD-2-Clause",
    "bsd3": "BSD-3-Clause", "cc0": "CC0-1.0", "ccby": "CC-BY-4.0",
    "ccbysa": "CC-BY-SA-4.0", "gfdl": "GFDL-1.3-or-later",
    "publicdomain": "LicenseRef-public-domain", "unknown": "NOASSERTION", "none": "NOASSERTION",
}  # fmt: skip
"""Names in everyday use that are no SPDX ids."""

_TOKEN = re.compile(r"\s*(\(|\)|[^\s()]+)")
_ID = re.compile(r"^[A-Za-z0-9.-]+\+?$")
_REF = re.compile(r"^(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+$")


def check_expression(text: str) -> str:
    """Return the expression unchanged, or raise ``ValueError`` that says what is wrong and what to write.

    >>> check_expression("MIT OR (Apache-2.0 AND CC-BY-4.0)")
    'MIT OR (Apache-2.0 AND CC-BY-4.0)'
    """
    depth, want = 0, "licence"
    for token in _TOKEN.findall(text):
        if token == "(" and want == "licence":
            depth += 1
        elif token == ")" and want == "operator" and depth:
            depth -= 1
        elif want == "operator" and token in ("AND", "OR", "WITH"):
            want = "exception" if token == "WITH" else "licence"
        elif want == "exception" and _ID.match(token):
            want = "operator"
        elif want == "licence" and token not in ("AND", "OR", "WITH", ")"):
            _check_id(token, text)
            want = "operator"
        else:
            raise ValueError(_shape_error(text, f"{token!r} stands where the {want} belongs"))
    if want != "operator" or depth:
        raise ValueError(_shape_error(text, "it is empty" if not text.strip() else "it is not complete"))
    return text


def nearest_id(token: str) -> str:
    """Return the common SPDX id that the token was probably meant to be, or an empty string."""
    plain = _plain(token)
    if plain in SLIPS:
        return SLIPS[plain]
    by_plain = {_plain(known): known for known in KNOWN}
    if plain in by_plain:
        return by_plain[plain]
    if any(token.startswith(f"{known}-") for known in KNOWN):
        return ""  # a variant, as BSD-3-Clause-LBNL is of BSD-3-Clause
    same_version = [p for p in by_plain if _version(by_plain[p]) == _version(token)]
    close = difflib.get_close_matches(plain, sorted(same_version), n=1, cutoff=0.8)
    return by_plain[close[0]] if close else ""


def _check_id(token: str, text: str) -> None:
    if token.rstrip("+") in KNOWN or _REF.match(token):
        return
    if token.lower().startswith(("licenseref", "licenceref")):
        raise ValueError(
            f"{token!r} is not well formed; write LicenseRef-NAME (letters, digits, '.' and '-')"
        )
    alone = not re.search(r" (AND|OR|WITH) ", text)
    meant = (nearest_id(text) if alone else "") or nearest_id(token)
    if meant:
        raise ValueError(f"{token!r} is not an SPDX licence id; did you mean {meant!r}?")
    if not _ID.match(token):
        raise ValueError(_shape_error(text, f"{token!r} holds characters that no SPDX id has"))


def _shape_error(text: str, why: str) -> str:
    meant = nearest_id(text)
    how = "write an id such as MIT, CC-BY-SA-4.0 or LicenseRef-NAME, joined by AND, OR, WITH"
    hint = f"did you mean {meant!r}?" if meant else how
    return f"{text!r} is not an SPDX licence expression ({why}); {hint}"


def _plain(token: str) -> str:
    """Return the letters and digits alone, without the words that people add."""
    return re.sub(r"[^a-z0-9]|licen[cs]e", "", token.lower())


def _version(token: str) -> str:
    """Return the digits without trailing zeros: 4 and 4.0 are one version, 2.0 and 2.5 are two."""
    return re.sub(r"[^0-9]", "", token).rstrip("0")
