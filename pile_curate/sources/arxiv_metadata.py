"""Look papers up in arXiv's metadata snapshot: JSON lines, sorted by identifier, found by bisection.

The file (``arxiv-metadata-oai-snapshot.json``, as published on Kaggle by Cornell University) has five gigabytes and a
line a paper, ``{"id":"0704.0001", …``, new identifiers first and the old ones (``hep-th/9901001``) behind them, each
sorted. A look-up reads some thirty lines. A line that is not where sorting puts it is not found.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, BinaryIO

from pile_curate.errors import InputError

_ID = re.compile(rb'\{\s*"id"\s*:\s*"([^"\\]{1,40})"')
_LINE_BYTES = 1 << 20
_STEP = 1 << 16
_AUTHORS = 200

_CC = re.compile(
    r"https?://creativecommons\.org/(?:licenses/(by(?:-nc)?(?:-sa|-nd)?)/(\d\.\d)|publicdomain/(zero|mark)/)",
    re.I,
)


def licence_of(url: object) -> str | None:
    """Return the SPDX expression for a licence address in arXiv's metadata; None where it says nothing.

    >>> licence_of("http://creativecommons.org/licenses/by-nc-sa/4.0/")
    'CC-BY-NC-SA-4.0'
    >>> licence_of("http://arxiv.org/licenses/nonexclusive-distrib/1.0/")
    'LicenseRef-arXiv-nonexclusive'
    """
    text = str(url or "")
    if found := _CC.match(text):
        if found[3]:
            return "CC0-1.0" if found[3].lower() == "zero" else "CC-PDM-1.0"
        return f"CC-{found[1].upper()}-{found[2]}"
    return "LicenseRef-arXiv-nonexclusive" if "arxiv.org/licenses" in text else None


_DOCLICENSE = re.compile(
    r"^[^%\n]*\\(?:usepackage|RequirePackage)[ \t]*\[([^\]]{0,300})\][ \t\n]*\{doclicense\}", re.M
)
_URL = re.compile(r"^[^%\n]*pdflicenseurl[ \t]*=[ \t]*\{?([^}\s,]{1,100})", re.M)


def stated_licence(source: str) -> str | None:
    r"""Return the licence that a TeX file declares for itself by doclicense or hyperxmp; words in its text are no such.

    >>> stated_licence("\\usepackage[type={CC},modifier={by-sa},version={4.0}]{doclicense}")
    'CC-BY-SA-4.0'
    """
    if "pdflicenseurl" in source and (found := _URL.search(source)):
        return licence_of(found[1])
    if "{doclicense}" in source and (found := _DOCLICENSE.search(source)):
        given = dict(re.findall(r"(\w+)[ \t]*=[ \t]*\{?([\w.-]+)", found[1]))
        modifier, version = given.get("modifier", "").lower(), given.get("version", "4.0")
        if given.get("type", "CC") == "CC" and re.fullmatch(r"by(-nc)?(-sa|-nd)?", modifier):
            return f"CC-{modifier.upper()}-{version}"
        if modifier == "zero" or given.get("type") == "CC0":
            return "CC0-1.0"
    return None


def order(identifier: str) -> tuple[bool, str]:
    """Return an identifier's place in the snapshot: new ones first."""
    return (not identifier[:1].isdigit(), identifier)


class Snapshot:
    """An open snapshot file."""

    def __init__(self, path: str) -> None:
        if not os.path.isfile(path):
            raise InputError(f"the option metadata names {path!r}, which is no file")
        self.path = path
        self.size = os.path.getsize(path)

    def find(self, identifier: str) -> dict[str, Any]:
        """Return what the snapshot says of a paper, by the names that documents' metadata use; else an empty dict."""
        if not identifier:
            return {}
        wanted = order(identifier)
        with open(self.path, "rb") as handle:
            low, high = 0, self.size
            while high - low > _STEP:
                middle = (low + high) // 2
                start, line = _line_from(handle, middle)
                key = _ID.match(line)
                if key is None or start >= high or order(key[1].decode("ascii", "replace")) > wanted:
                    high = middle
                else:
                    low = start
            handle.seek(low)
            if low:
                handle.seek(low)
            while handle.tell() <= high:
                line = handle.readline(_LINE_BYTES)
                if not line:
                    break
                key = _ID.match(line)
                if key is not None and key[1].decode("ascii", "replace") == identifier:
                    return _facts(line)
        return {}


def _line_from(handle: BinaryIO, at: int) -> tuple[int, bytes]:
    """Return the first line that begins behind a place, and where."""
    handle.seek(at)
    handle.readline(_LINE_BYTES)
    start = handle.tell()
    return start, handle.readline(_LINE_BYTES)


def _facts(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    parsed = found.get("authors_parsed")
    authors = [
        " ".join(str(part) for part in (one[1], one[0], *one[2:3]) if part)
        for one in (parsed if isinstance(parsed, list) else [])[:_AUTHORS]
        if isinstance(one, list) and len(one) >= 2
    ]
    facts: dict[str, Any] = {
        "title": " ".join(str(found.get("title") or "").split()),
        "authors": authors,
        "categories": str(found.get("categories") or "").split(),
        "doi": found.get("doi"),
        "journal": found.get("journal-ref"),
        "updated": found.get("update_date"),
        "license": found.get("license"),
    }
    return {name: value for name, value in facts.items() if value}
