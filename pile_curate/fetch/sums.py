"""Read published checksum files: coreutils (GNU and BSD), OpenSSL, and a digest that stands alone."""

from __future__ import annotations

import hashlib
import re

from pile_curate.fetch.settings import Refused

ALGORITHMS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
"""The algorithm of a digest by its number of hexadecimal digits."""

_GNU = re.compile(r"\\?([0-9A-Fa-f]{32,128})(?:\s+\*?|\s*\*)(\S.*)")
_BSD = re.compile(r"([A-Za-z0-9-]+)\s*\((.+)\)\s*=\s*([0-9A-Fa-f]{32,128})")
_ALONE = re.compile(r"[0-9A-Fa-f]{32,128}")


def parse(text: str) -> dict[str, tuple[str, str]]:
    """Return name to (algorithm, digest in lower case); a digest that stands alone has the name ``""``.

    Names lose leading ``./`` and folders stay. A name with two digests keeps the longer one.
    """
    found: dict[str, tuple[str, str]] = {}
    for line in text.splitlines():
        line = line.strip()
        name, digest = "", ""
        if bsd := _BSD.fullmatch(line):
            name, digest = bsd.group(2), bsd.group(3)
        elif gnu := _GNU.fullmatch(line):
            digest, name = gnu.groups()
        elif _ALONE.fullmatch(line):
            digest = line
        algorithm = ALGORITHMS.get(len(digest))
        if algorithm is None or algorithm not in hashlib.algorithms_available:
            continue
        name = name.strip().removeprefix("./")
        if len(digest) > len(found.get(name, ("", ""))[1]):
            found[name] = (algorithm, digest.lower())
    return found


def of_file(text: str, name: str, where: str) -> tuple[str, str]:
    """Return the checksum of one file from a checksum file that is about it; raises ``Refused`` if it is not there."""
    found = parse(text)
    short = name.rpartition("/")[2]
    for key in (name, short, ""):
        if key in found:
            return found[key]
    hits = {value for key, value in found.items() if key.rpartition("/")[2] == short}
    if len(hits) == 1:
        return hits.pop()
    raise Refused(f"{where} holds no checksum for {short!r}; without it the file cannot be verified")
