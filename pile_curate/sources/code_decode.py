"""Decode a source file: by its byte-order mark, its own declaration, as UTF-8, or as a flagged guess."""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COOKIE = re.compile(rb"coding[:=][ \t]*([-_.a-zA-Z0-9]+)")
_ALLOWED = re.compile(
    r"^(utf-?8|us-?ascii|ascii|(iso-)?latin-?\d+|iso-?8859-?\d+|(cp|windows-?)(125\d|437|85\d|866|874|932|936|949|950)"
    r"|koi8-[ru]|(x-)?s(hift)?-?jis|euc-?(jp|kr|cn|tw)|gb(2312|k|18030)|big5(-?hkscs)?|iso-?2022-?jp|mac-?roman|tis-?620)$"
)
_ADJACENT = re.compile(rb"[\x80-\xff]{2,}")


class Undecodable(Exception):
    """The bytes are no text: ``reason`` is ``binary`` or ``undecodable``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def declared(body: bytes) -> str | None:
    """Return the encoding that one of the first two lines declares (PEP 263, Emacs, Vim), if Python has it.

    >>> declared(b"#!/usr/bin/python\\n# -*- coding: latin-1 -*-\\n")
    'iso8859-1'
    """
    for line in body[:1000].split(b"\n")[:2]:
        found = _COOKIE.search(line)
        if found:
            name = re.sub(r"-(unix|dos|mac)$", "", found[1].decode("ascii").lower().replace("_", "-"))
            if not _ALLOWED.match(name):
                return None
            try:
                return codecs.lookup(name.removeprefix("iso-") if "latin" in name else name).name
            except LookupError:
                return None
    return None


def decode(body: bytes) -> tuple[str, str, bool]:
    """Return (text, encoding, guessed). Raises ``Undecodable`` for what is no text or in an unknown encoding.

    The guess is windows-1252 (or latin-1), for files that are neither UTF-8 nor say what they are. It is only
    made where bytes above 0x7F mostly stand alone, as accented letters do; runs of them are another
    script, and that text would come out as garbage.
    """
    for mark, marked in _MARKS:
        if body.startswith(mark):
            try:
                return body.decode("utf-8-sig" if marked == "utf-8" else marked), marked, False
            except UnicodeDecodeError as error:
                raise Undecodable(
                    "undecodable", f"has the mark of {marked} and breaks it: {error}"
                ) from error
    at = body.find(b"\0")
    if at >= 0:
        raise Undecodable("binary", f"NUL byte at {at}")
    cookie = declared(body)
    for encoding in (cookie, "utf-8"):
        if encoding is not None:
            try:
                return body.decode(encoding), encoding, False
            except UnicodeDecodeError:
                continue  # a declaration may be wrong; what is neither is guessed below
    high = sum(len(m[0]) for m in re.finditer(rb"[\x80-\xff]+", body))
    adjacent = sum(len(m[0]) for m in _ADJACENT.finditer(body))
    controls = sum(body.count(bytes([c])) for c in (*range(0x07), 0x0E, 0x0F, *range(0x10, 0x1B)))
    if controls:
        raise Undecodable("binary", f"{controls} control bytes")
    if adjacent * 2 > high:
        raise Undecodable(
            "undecodable", "neither UTF-8 nor a declared encoding, and not written in Latin letters"
        )
    try:
        return body.decode("cp1252"), "cp1252", True
    except UnicodeDecodeError:
        return body.decode("latin-1"), "latin-1", True
