"""Cut the records of an XML dump out of a byte stream, and parse one record alone.

A dump of 90 GB is never parsed as one document: records are found as bytes, between a start tag that cannot
occur inside one (``<`` is escaped in text and attributes) and its end. Each record then goes through expat by
itself, so that one broken record costs one record, and a document type declaration at the file's head, with
whatever entities it defines, is never seen: an entity bomb is a reference to an unknown entity, an error.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

MAX_RECORD = 256 << 20


class XmlError(ValueError):
    """A record that is not well-formed XML on its own."""


@dataclass(slots=True)
class Framed:
    """One record: where it begins, and its bytes, or why it has none (``unclosed``, ``too_large``).

    ``offset`` is the stream's offset of its first byte; ``member`` and ``index`` say in which compressed member
    it begins, and as which of that member's records.
    """

    member: int
    index: int
    offset: int
    data: bytes
    size: int
    fault: Literal["", "unclosed", "too_large"] = ""


class ElementFramer:
    r"""Cut elements out of chunks. Feed it every chunk in order, then ``finish``.

    With ``closing``, an element runs from ``opening`` to it; another ``opening`` before that means that the first was
    never closed. Without, elements are empty tags (``<row …/>``) and run to the next ``<``, which an attribute
    cannot hold. Time is linear; memory is one record of at most ``limit`` bytes plus one chunk.

    >>> framer = ElementFramer(b"<row ")
    >>> [f.data for f in framer.feed(0, 0, b'<x>\n <row a="1" />\n <ro')], [f.data for f in framer.feed(0, 23, b'w />')]
    ([b'<row a="1" />'], [])
    >>> [(f.data, f.offset, f.fault) for f in framer.finish()]
    [(b'<row />', 20, '')]
    """

    def __init__(self, opening: bytes, closing: bytes = b"", limit: int = MAX_RECORD) -> None:
        self._opening, self._closing, self._limit = opening, closing, limit
        self._overlap = max(len(opening), len(closing)) - 1
        self._buffer = bytearray()
        self._base = 0  # stream offset of the buffer's first byte
        self._scan = 0
        self._begin = -1  # where the open record begins in the buffer, -1 outside records
        self._where = (0, 0, 0)  # member, index and stream offset of the open record
        self._skipped = 0  # bytes of the open record that were thrown away because it is too large
        self._members: list[tuple[int, int]] = []  # (stream offset, member) of chunks in the buffer
        self._member, self._index = -1, -1

    def feed(self, member: int, offset: int, data: bytes) -> Iterator[Framed]:
        """Take one chunk that begins at ``offset`` of the stream; yield the records that end in it."""
        if not self._buffer:
            self._base = offset
        if not self._members or self._members[-1][1] != member:
            self._members.append((offset, member))
        self._buffer += data
        while True:
            if self._begin < 0:
                found = self._buffer.find(self._opening, self._scan)
                if found < 0:
                    self._scan = max(self._scan, len(self._buffer) - self._overlap)
                    break
                self._start(found)
            end, after, fault = self._end()
            if end < 0:
                self._shorten()
                break
            yield self._framed(end, fault)
            self._begin, self._scan = -1, after
        self._compact()

    def finish(self) -> Iterator[Framed]:
        """Yield what was open at the end of the stream: an empty tag may be whole, anything else is unclosed."""
        if self._begin >= 0:
            whole = not self._closing and not self._skipped and self._buffer.rstrip().endswith(b"/>")
            yield self._framed(len(self._buffer), "" if whole else "unclosed")
            self._begin = -1

    def _start(self, at: int) -> None:
        offset = self._base + at
        while len(self._members) > 1 and self._members[1][0] <= offset:
            del self._members[0]
        member = self._members[0][1]
        self._index = self._index + 1 if member == self._member else 0
        self._member = member
        self._begin, self._scan, self._skipped = at, at + len(self._opening), 0
        self._where = (member, self._index, offset)

    def _end(self) -> tuple[int, int, Literal["", "unclosed", "too_large"]]:
        """Return (end of the open record, where to go on, its fault); -1 while its end has not come."""
        if not self._closing:
            end = self._buffer.find(b"<", self._scan)
            if end < 0:
                return -1, -1, ""
            whole = self._buffer[max(self._begin, end - 512) : end].rstrip().endswith(b"/>")
            return end, end, "" if whole else "unclosed"
        close = self._buffer.find(self._closing, self._scan)
        again = self._buffer.find(self._opening, self._scan, close if close >= 0 else len(self._buffer))
        if again >= 0:
            return again, again, "unclosed"
        if close < 0:
            return -1, -1, ""
        return close + len(self._closing), close + len(self._closing), ""

    def _framed(self, end: int, fault: Literal["", "unclosed", "too_large"]) -> Framed:
        size = end - self._begin + self._skipped
        member, index, offset = self._where
        if self._skipped or size > self._limit:
            return Framed(member, index, offset, b"", size, "too_large")
        data = bytes(self._buffer[self._begin : end])
        return Framed(member, index, offset, data if self._closing else data.rstrip(), size, fault)

    def _shorten(self) -> None:
        """Look on from the end; throw away what a record beyond the limit has gathered."""
        self._scan = max(self._scan, len(self._buffer) - self._overlap)
        if self._scan - self._begin > self._limit:
            self._skipped += self._scan - self._begin
            self._begin = self._scan

    def _compact(self) -> None:
        keep = self._begin if self._begin >= 0 else self._scan
        if keep > 0:
            del self._buffer[:keep]
            self._base += keep
            self._scan -= keep
            self._begin = 0 if self._begin >= 0 else -1


def outermost(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Yield the elements of a local name that lie in no other of that name, in the document's order.

    Whoever reads the whole text of each stays linear with them; with ``iter``, nested elements cost the square.
    """
    stack = [root]
    while stack:
        element = stack.pop()
        if isinstance(element.tag, str) and element.tag.rpartition("}")[2] == name:
            yield element
        else:
            stack.extend(reversed(element))


def parse_element(data: bytes) -> ElementTree.Element:
    """Parse one record's bytes as UTF-8; raise ``XmlError`` for anything that is not well-formed on its own."""
    try:
        return ElementTree.fromstring(data, parser=ElementTree.XMLParser(encoding="utf-8"))
    except ElementTree.ParseError as error:
        raise XmlError(str(error)) from error
    except (ValueError, LookupError) as error:
        raise XmlError(f"not UTF-8 text ({error})") from error
