"""Cut the documents of patent dumps out of a byte stream, and count them by other code.

The weekly files of the patent office are many whole documents one after another: in the APS layout ("greenbook", until
2001) each begins with a line ``PATN``; in SGML and XML each has a prolog and a root element of its own, which no
document holds inside. Sequence listings follow their patent as documents of type ``sequence-cwu``; they may have
hundreds of megabytes and are passed over without being held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pile_curate.counters import RecordCounter

_START = re.compile(
    rb"\n(PATN)(?=[ \t\r\n])|"
    rb"<(PATDOC|us-patent-grant|us-patent-application|patent-application-publication)(?=[ \t\r\n>])|"
    rb"<!DOCTYPE (sequence-cwu)(?=[ \t\r\n>\[])"
)
_AHEAD = 48
"""More than the longest start and the byte after it."""

_TEXT_END = re.compile(rb"\n(?:CLMS|DCLM)[ \t\r\n]|\AWKU  ?T|\nWKU  ?T")
"""A whole APS document has claims; defensive publications (T) had none."""

Fault = Literal["", "unclosed", "too_large", "truncated", "sequence"]


@dataclass(slots=True)
class Piece:
    """One document: the stream's offset of its first byte, its bytes, or why it has none."""

    offset: int
    data: bytes
    size: int
    fault: Fault = ""


def first_start(head: bytes) -> bytes:
    """Return the bytes that the first document of a file begins with, enough to find others like it; ``b""`` if none."""
    found = _START.search(b"\n" + head)
    return (b"\n" + head)[found.start() : found.end() + 1] if found else b""


class PatentFramer:
    r"""Cut documents out of pieces of a stream. Feed it all of it in order, then ``finish``.

    Time is linear; memory is one document of at most ``limit`` bytes plus one piece.

    >>> framer = PatentFramer()
    >>> [p.data for p in framer.feed(0, b"<?xml?><PATDOC>1</PATDOC>\nPATN\nCLMS\nPATN\nWKU")]
    [b'<PATDOC>1</PATDOC>', b'PATN\nCLMS']
    >>> [(p.data, p.fault) for p in framer.finish(whole=False)]
    [(b'', 'truncated')]
    """

    def __init__(self, limit: int = 64 << 20) -> None:
        self._limit = limit
        self._buffer = bytearray(b"\n")  # a first line has no newline before it
        self._base = -1
        self._scan = 0  # where to look for the next start
        self._begin = -1  # where the open document begins, -1 between documents
        self._name = b""
        self._offset = 0
        self._skipped = 0  # bytes of the open document that were thrown away
        self._started = False

    def feed(self, offset: int, data: bytes) -> Iterator[Piece]:
        """Take the bytes at ``offset`` of the stream; yield the documents that end in them."""
        if not self._started:
            self._base, self._started = offset - 1, True
        self._buffer += data
        yield from self._cut(last=False)

    def finish(self, *, whole: bool) -> Iterator[Piece]:
        """Yield what is left; ``whole`` says that the stream ended where a document ends (before the next range)."""
        yield from self._cut(last=True)
        if self._begin >= 0:
            data = bytes(self._buffer[self._begin :])
            text = self._name == b"PATN" and (whole or bool(_TEXT_END.search(data)))
            fault: Fault = "" if text else "truncated"
            yield self._piece(len(self._buffer), "sequence" if self._name == b"sequence-cwu" else fault)
            self._begin = -1

    def _cut(self, *, last: bool) -> Iterator[Piece]:
        while True:
            found = _START.search(self._buffer, self._scan)
            # A start at the very end may lack the byte that decides; it is met again with the next piece.
            stop = found.start() if found else max(self._scan, len(self._buffer) - (0 if last else _AHEAD))
            if self._begin >= 0 and self._name != b"PATN":
                closing = b"</" + self._name + b">"
                close = self._buffer.find(closing, max(self._begin, self._scan - len(closing)))
                if close >= 0 and (not found or close < stop):
                    yield self._piece(close + len(closing), "")
                    self._begin, self._scan = -1, max(self._scan, close + len(closing))
                    continue
            if not found:
                self._scan = stop
                break
            if self._begin >= 0:
                yield self._piece(stop, "" if self._name == b"PATN" else "unclosed")
            self._start(found)
        self._compact()

    def _start(self, found: re.Match[bytes]) -> None:
        self._name = found[found.lastindex or 0]
        self._begin = found.start() + (self._name == b"PATN")
        self._scan = found.end()
        self._offset, self._skipped = self._base + self._begin, 0

    def _piece(self, end: int, fault: Fault) -> Piece:
        size = end - self._begin + self._skipped
        if self._name == b"sequence-cwu":
            return Piece(self._offset, b"", size, "sequence")
        if self._skipped or size > self._limit:
            return Piece(self._offset, b"", size, "too_large")
        return Piece(self._offset, b"" if fault else bytes(self._buffer[self._begin : end]), size, fault)

    def _compact(self) -> None:
        """Throw away what is behind: everything between documents, and of a document that nobody will see."""
        if self._begin >= 0:
            drop = self._name == b"sequence-cwu" or self._scan - self._begin > self._limit
            keep = max(self._begin, self._scan - _AHEAD) if drop else self._begin
            self._skipped += keep - self._begin
        else:
            keep = self._scan
        if keep > 0:
            del self._buffer[:keep]
            self._base += keep
            self._scan -= keep
            self._begin = 0 if self._begin >= 0 else -1


class PatentCounter(RecordCounter):
    """Count where documents begin: one search a kind of start, by ``bytes.find`` and the byte that follows."""

    _STARTS = (
        (b"\nPATN", b" \t\r\n"),
        (b"<PATDOC", b" \t\r\n>"),
        (b"<us-patent-grant", b" \t\r\n>"),
        (b"<us-patent-application", b" \t\r\n>"),
        (b"<patent-application-publication", b" \t\r\n>"),
        (b"<!DOCTYPE sequence-cwu", b" \t\r\n>["),
    )
    _LONGEST = max(len(start) for start, _ in _STARTS)

    def __init__(self) -> None:
        super().__init__()
        self._tail = b"\n"

    def feed(self, data: bytes | memoryview) -> None:
        """Count the starts whose following byte is among these."""
        seen = len(self._tail)
        joined = self._tail + data
        for start, follow in self._STARTS:
            at = joined.find(start, max(0, seen - len(start)))
            while at >= 0:
                after = joined[at + len(start) : at + len(start) + 1]
                if after and after in follow:
                    self.count += 1
                at = joined.find(start, at + len(start))
        self._tail = joined[-self._LONGEST :]
