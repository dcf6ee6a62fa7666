"""Decide what a robots.txt lets us fetch (RFC 9309): groups, longest match, ``*`` and ``$``, Crawl-delay.

The standard library's parser takes the first matching rule and knows no wildcards, so it allows what the
standard forbids and the other way round. Matching is linear in pattern and path.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

MAX_BYTES = 500 << 10
"""What a crawler has to read of a robots.txt at least (RFC 9309, section 2.5); we read no more."""

_TOKEN = re.compile(r"[A-Za-z_-]+")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(slots=True)
class _Group:
    rules: list[tuple[str, bool]] = field(default_factory=list)
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for one product token. ``Rules()`` allows all, ``DISALLOW_ALL`` nothing."""

    rules: tuple[tuple[str, bool], ...] = ()
    delay: float = 0.0
    reason: str = ""

    def allows(self, url: str) -> bool:
        """Say whether a URL may be fetched: the longest matching rule decides, allow wins a tie."""
        parts = urlsplit(url)
        path = _normal((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        if path == "/robots.txt":
            return True
        longest, verdict = -1, True
        for pattern, allowed in self.rules:
            size = len(pattern.encode())
            if (size > longest or (size == longest and allowed)) and _matches(pattern, path):
                longest, verdict = size, allowed
        return verdict


DISALLOW_ALL = Rules((("/", False),))


def parse(data: bytes, product: str) -> Rules:
    """Return the rules of a robots.txt for a product: its own groups together, else those of ``*``."""
    text = data[:MAX_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")
    groups: dict[str, _Group] = {}
    current: list[_Group] = []
    naming = False
    for line in re.split(r"\r\n|\r|\n", text):
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            if not naming:
                current, naming = [], True
            token = "*" if value.startswith("*") else _token(value)
            if token:
                current.append(groups.setdefault(token, _Group()))
        elif key in ("allow", "disallow"):
            naming = False
            if value:
                for group in current:
                    group.rules.append((_normal(value), key == "allow"))
        elif key == "crawl-delay":
            naming = False
            for group in current:
                group.delay = max(group.delay, _seconds(value))
    chosen = groups.get(product.lower()) or groups.get("*") or _Group()
    return Rules(tuple(chosen.rules), chosen.delay)


def _token(value: str) -> str:
    found = _TOKEN.match(value)
    return found.group().lower() if found else ""


def _seconds(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


def _normal(path: str) -> str:
    """Return a path or pattern with one spelling for each octet: escaped unless unreserved or a delimiter."""

    def one(match: re.Match[str]) -> str:
        char = chr(int(match.group(1), 16))
        return char if char in _UNRESERVED else match.group().upper()

    return _ESCAPE.sub(one, quote(path, safe="%/:?#[]@!$&'()*+,;=~-._"))


def _matches(pattern: str, path: str) -> bool:
    """Match from the beginning; ``*`` is any run of octets, a ``$`` at the end is the end of the path."""
    anchored = pattern.endswith("$")
    pieces = (pattern[:-1] if anchored else pattern).split("*")
    if not path.startswith(pieces[0]):
        return False
    at = len(pieces[0])
    if len(pieces) == 1:
        return not anchored or at == len(path)
    for piece in pieces[1:-1]:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    last = pieces[-1]
    if anchored:
        return len(path) - len(last) >= at and path.endswith(last)
    return path.find(last, at) >= 0
