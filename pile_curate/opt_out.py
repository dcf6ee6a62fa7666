"""Read a list of what must not be in the corpus, and find the documents that it means.

The list is a text file of UTF-8, one entry a line: a kind, blanks, a value. Empty lines and what follows a ``#`` at a
line's start are comments.

    url     https://example.org/diary/1      the page, however its address is spelt (``urls.normalise_url``)
    domain  example.org                      this host and every host below it
    id      0f3c…                            a document's id, 32 hexadecimal digits
    id      wikipedia:enwiki/12              or its source and native key
    author  Jane Q. Doe                      whoever the source names so; case and blanks do not count

Lookups are in sets, so a list of a million entries costs 200 MB and no time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from pile_curate.errors import InputError
from pile_curate.files import open_raw
from pile_curate.urls import normalise_url

OPT_OUT_VERSION = 1
"""Bump when an entry would mean other documents; part of the decide stage's fingerprint."""

KINDS = ("url", "domain", "id", "author")
AUTHOR_KEYS = ("authors", "author")
"""Keys of a document's ``meta`` that name people."""

_HEX = re.compile(r"[0-9a-f]{32}")
_HOST = re.compile(r"[^/?:]+")
_SHOWN = 10


@dataclass(slots=True)
class OptOut:
    """The list, ready to be asked."""

    urls: set[str] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    authors: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.urls) + len(self.domains) + len(self.ids) + len(self.authors)

    def match(self, doc_id: bytes, source: str, key: str, url: str, meta: str) -> str:
        """Return the entry that a document falls under (``"domain example.org"``), ``""`` if none; ``meta`` is JSON."""
        if self.ids:
            for name in (doc_id.hex(), f"{source}:{key}"):
                if name in self.ids:
                    return f"id {name}"
        if url and (self.urls or self.domains):
            page = normalise_url(url)
            if page in self.urls:
                return f"url {page}"
            found = _HOST.match(page)
            labels = found[0].split(".") if found and self.domains else []
            for start in range(len(labels)):
                if (domain := ".".join(labels[start:])) in self.domains:
                    return f"domain {domain}"
        if self.authors and meta:
            for name in _authors(meta):
                if _plain(name) in self.authors:
                    return f"author {name}"
        return ""


def _authors(meta: str) -> Iterable[str]:
    facts: Mapping[str, Any] = orjson.loads(meta)
    for key in AUTHOR_KEYS:
        value = facts.get(key)
        yield from (str(name) for name in (value if isinstance(value, list) else [value] if value else []))


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def parse_opt_out(text: str, origin: str = "opt_out") -> OptOut:
    """Read a list; raises ``InputError`` that names every bad line (the first ten in full).

    >>> parse_opt_out("domain example.org").match(b"", "web", "k", "https://www.example.org/a", "")
    'domain example.org'
    """
    made, wrong = OptOut(), []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        kind, _, value = line.partition(" ") if " " in line else line.partition("\t")
        value = value.strip()
        problem = _enter(made, kind, value)
        if problem:
            wrong.append(f"  line {number}: {problem}")
    if wrong:
        more = [f"  ... and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        raise InputError(f"{origin}: {len(wrong)} bad lines\n" + "\n".join(wrong[:_SHOWN] + more))
    return made


def _enter(made: OptOut, kind: str, value: str) -> str:
    """Enter one entry, or return what is wrong with it."""
    if kind not in KINDS or not value:
        return f"{kind!r} {value[:60]!r}: a line is one of {', '.join(KINDS)}, a blank, and a value"
    if kind == "author":
        made.authors.add(_plain(value))
    elif kind == "id":
        if not _HEX.fullmatch(value.lower()) and ":" not in value:
            return f"{value[:60]!r} is neither 32 hexadecimal digits nor SOURCE:KEY"
        made.ids.add(value.lower() if _HEX.fullmatch(value.lower()) else value)
    else:
        page = normalise_url(value if "://" in value else f"https://{value}")
        if not page:
            return f"{value[:60]!r} is no http(s) address"
        if kind == "url":
            made.urls.add(page)
        elif "/" in page or "?" in page:
            return f"{value[:60]!r} has a path; write it as url, or the host alone"
        else:
            made.domains.add(page.split(":")[0])
    return ""


def load_opt_out(path: str) -> OptOut:
    """Read a list from a file, local or of an object store."""
    try:
        with open_raw(path) as stream:
            data = stream.read()
        return parse_opt_out(data.decode("utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the opt-out list {path} cannot be read: {error}") from error


@lru_cache(maxsize=4)
def cached_opt_out(path: str, sha256: str) -> OptOut:
    """Return the list at ``path``, read once a process for each content."""
    return load_opt_out(path)
