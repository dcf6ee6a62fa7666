"""Cut mail files into messages: what is an mbox is told by its name or first line, all else is one message.

The mbox dialects (RFC 4155; mboxo, mboxrd, mboxcl and mboxcl2 in qmail's manual) agree only on the separator, a
line that begins with ``From ``. Bodies hold such lines too, escaped by some writers and not by others, and
``Content-Length``, by which mboxcl would be cut, is wrong wherever a file was edited. So a separator must look the
part: it names a weekday, a time of day and a year, and a header line follows it. A blank line before it is not
asked for, because writers forget it.

A message is held up to the option's limit; what is longer is passed over without being held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from pile_curate.decode import HEAD_BYTES, sniff
from pile_curate.errors import CorruptInput
from pile_curate.files import RawFile, RecordCounter, open_raw
from pile_curate.sources.base import Raw, Reject, Split

MBOX_NAME = re.compile(r"\.(mbox|mbx)(\.(gz|bz2|xz|zst))?$", re.IGNORECASE)

_STEP = 1 << 20
_REACH = 512
"""How far behind its begin a separator is judged: a line of at most 405 bytes and 77 of the next."""

_SEPARATOR = re.compile(
    rb"From (?=[^\n]{0,395} (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[ ,])(?=[^\n]{0,395}\d:\d\d)"
    rb"(?=[^\n]{0,395} (?:19|20)\d\d(?!\d))[^\n]{1,400}\n(?=>?From |[!-9;-~]{1,76}:|[!-9;-~]{0,76}\Z)"
)
_DAYS = tuple(b" " + day + end for day in b"Mon Tue Wed Thu Fri Sat Sun".split() for end in (b" ", b","))


def is_mbox(data: bytes) -> bool:
    """Say whether bytes begin with a separator and hold another."""
    if not _SEPARATOR.match(data, 0, _REACH):
        return False
    found = data.find(b"\nFrom ")
    while found >= 0:
        if _SEPARATOR.match(data, found + 1, found + 1 + _REACH):
            return True
        found = data.find(b"\nFrom ", found + 1)
    return False


class MailCounter(RecordCounter):
    """Count a file's messages from separators and what precedes the first; a file that is no mbox is one.

    It judges lines by their words and not by the framing's expression, on windows cut in another way.
    """

    def __init__(self, mbox: bool) -> None:
        super().__init__()
        self._mbox: bool | None = mbox or None
        self._held = bytearray()  # from the begin of a line, or a part without line ends
        self._fresh = True  # whether _held begins at the begin of a line
        self._opened = self._preamble = False

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes; the last 512 wait until it is known what follows them."""
        if self._mbox is False:
            self.count = 1
            return
        self._held += data
        if self._mbox is None and len(self._held) >= 5:
            self._mbox = self._held.startswith(b"From ")
            if not self._mbox:
                self.count = 1
                self._held.clear()
                return
        if self._mbox and len(self._held) > 4 * _REACH:
            self._walk(len(self._held) - _REACH)

    def close(self) -> int:
        """Judge what was held back, and return the count."""
        if self._mbox is None and self._held:
            self.count = 1
        elif self._mbox:
            self._walk(len(self._held))
        self._held.clear()
        return self.count

    def _walk(self, stop: int) -> None:
        """Judge every line that begins before ``stop``, and let the bytes before it go."""
        view, at = self._held, 0
        if not self._fresh:
            at = view.find(b"\n", 0, stop) + 1
            at = at or stop
        while at < stop:
            if view.startswith(b"From ", at) and _dated(bytes(view[at : at + _REACH])):
                self._before_first(view[:at])
                self._opened = True
                self.count += 1
            following = view.find(b"\nFrom ", at, stop + 5) + 1
            if not following:
                break
            at = following
        self._before_first(view[:stop])
        self._fresh = view[stop - 1 : stop] == b"\n" if stop else self._fresh
        del view[:stop]

    def _before_first(self, data: bytearray) -> None:
        if not self._opened and not self._preamble and data.strip():
            self._preamble = True
            self.count += 1


def _dated(window: bytes) -> bool:
    line, newline, behind = window.partition(b"\n")
    text = line[5:]
    if not newline or not 1 <= len(text) <= 400 or not any(day in text for day in _DAYS):
        return False
    clock = any(text[i - 1 : i].isdigit() and text[i + 1 : i + 3].isdigit() for i in _places(text, b":"))
    years = (i for mark in (b" 19", b" 20") for i in _places(text, mark))
    if not clock or not any(
        text[i + 3 : i + 5].isdigit() and not text[i + 5 : i + 6].isdigit() for i in years
    ):
        return False
    if behind.startswith((b"From ", b">From ")):
        return True
    name, colon, _ = behind[:77].partition(b":")
    visible = all(32 < byte < 127 for byte in name)
    return visible and (bool(name) if colon else len(behind) < 77)


def _places(text: bytes, mark: bytes) -> Iterator[int]:
    at = text.find(mark)
    while at >= 0:
        if len(text) - at >= 3:
            yield at
        at = text.find(mark, at + 1)


def mail_splits(files: Sequence[RawFile], target: int) -> tuple[list[RawFile], list[Split]]:
    """Return the files to be read whole, and ranges of the large plain mbox files, cut at separators."""
    whole: list[RawFile] = []
    ranges: list[Split] = []
    for file in sorted(files, key=lambda f: f.rel):
        edges = _edges(file, target) if file.size > target else []
        if edges:
            ranges += [Split((file,), a, b) for a, b in zip([0, *edges], [*edges, None], strict=True)]
        else:
            whole.append(file)
    return whole, ranges


def _edges(file: RawFile, target: int) -> list[int]:
    """Return offsets of separators about ``target`` bytes apart; [] for what is compressed or no mbox."""
    with open_raw(file.path) as handle:
        head = handle.read(HEAD_BYTES)
        if sniff(head) or not (head.startswith(b"From ") or MBOX_NAME.search(file.rel)):
            return []
        edges: list[int] = []
        goal = target
        while goal < file.size:
            found = _next_separator(file, goal)
            if found is None:
                break
            edges.append(found)
            goal = max(found, goal) + target
    return edges


def _next_separator(file: RawFile, goal: int) -> int | None:
    with open_raw(file.path, goal - 1) as handle:
        base, held = goal - 1, b""
        while True:
            data = handle.read(_STEP)
            held += data
            stop = len(held) - _REACH if data else len(held)
            # The byte before the goal is a line's end or a letter: either way the search goes by "\nFrom ".
            found = held.find(b"\nFrom ")
            while 0 <= found < stop:
                if _SEPARATOR.match(held, found + 1, found + 1 + _REACH):
                    return base + found + 1
                found = held.find(b"\nFrom ", found + 1)
            if not data:
                return None
            cut = max(0, stop)
            held, base = held[cut:], base + cut


class Pieces(Protocol):
    """A stream that knows where it stands: an open file, or a member of an archive."""

    @property
    def position(self) -> int:
        """Offset of the next byte."""

    def read(self, size: int, /) -> bytes:
        """Return some bytes, ``b""`` at the end; raise ``CorruptInput`` at a damage."""


class MessageReader:
    """Cut one open file, or range of one, into messages; ``mbox`` None lets the first five bytes decide."""

    def __init__(self, stream: Pieces, rel: str, mbox: bool | None, limit: int) -> None:
        self._stream, self._rel, self._limit = stream, rel, limit
        self._mbox = mbox
        self._held = bytearray()  # the present record, as far as it was not let go
        self._begin = stream.position
        self._lost = 0  # bytes of the present record that were let go because it is too long
        self._scan: int | None = None  # where in _held to look on; None before the first look
        self._opened = False  # whether the present record begins with a separator
        self._visible = False  # whether what was let go held anything but blanks

    def frames(self) -> Iterator[Raw | Reject]:
        """Yield the file's records in order, then what is wrong with the file."""
        error: CorruptInput | None = None
        start = self._stream.position
        while error is None:
            try:
                data = self._stream.read(_STEP)
            except CorruptInput as caught:
                error = caught
                break
            if not data:
                break
            self._held += data
            if self._mbox is None and len(self._held) >= 5:
                self._mbox = self._held.startswith(b"From ")
            if self._mbox:
                yield from self._cut(len(self._held) - _REACH)
            self._let_go()
        if self._mbox:
            yield from self._cut(len(self._held))
        pending = self._present(len(self._held))
        if pending:
            yield self._record(len(self._held), damaged=error is not None)
        if error is not None:
            yield Reject(
                "corrupt_file", self._rel, self._stream.position, str(error), kind="error", records=0
            )
        elif not pending and self._begin == start:
            yield Reject("empty_file", self._rel, 0, "it holds no message", self._rel, "error", records=0)

    def _cut(self, stop: int) -> Iterator[Raw | Reject]:
        """Yield the records that end before a separator which begins before ``stop``."""
        if stop < 1:
            return
        if self._scan is None:
            self._scan, self._opened = 0, bool(_SEPARATOR.match(self._held, 0, _REACH))
        while 0 <= (found := self._held.find(b"\nFrom ", self._scan)) < stop - 1:
            if _SEPARATOR.match(self._held, found + 1, found + 1 + _REACH):
                if self._present(found + 1):
                    yield self._record(found + 1)
                self._begin += self._lost + found + 1
                del self._held[: found + 1]
                stop -= found + 1
                self._scan, self._lost, self._opened, self._visible = 0, 0, True, False
            else:
                self._scan = found + 1
        self._scan = found if found >= 0 else max(self._scan, len(self._held) - 5)

    def _present(self, size: int) -> bool:
        """Say whether the first ``size`` bytes held are a record: blanks before an mbox's first separator are none."""
        if self._mbox and not self._opened:
            return self._visible or bool(self._held[:size].strip())
        return bool(self._held or self._lost)

    def _let_go(self) -> None:
        if len(self._held) > self._limit:
            cut = (
                len(self._held)
                if not self._mbox
                else max(0, min(len(self._held) - _REACH - 8, self._scan or 0))
            )
            self._visible = self._visible or (not self._opened and bool(self._held[:cut].strip()))
            self._lost += cut
            del self._held[:cut]
            self._scan = None if self._scan is None else max(0, self._scan - cut)

    def _record(self, size: int, damaged: bool = False) -> Raw | Reject:
        total = self._lost + size

        def reject(reason: str, detail: str) -> Reject:
            return Reject(reason, self._rel, self._begin, detail, kind="error", raw_bytes=total)

        if damaged:
            return reject(
                "truncated_record", f"the file is damaged inside this message, after {total} bytes of it"
            )
        if self._lost or total > self._limit:
            detail = f"{total} bytes; the option max_message_bytes allows {self._limit}"
            return reject("record_too_large", detail)
        if self._mbox and not self._opened:
            return reject("no_separator", "these bytes precede the first line that begins a message")
        meta = {"mbox": True} if self._mbox else {"key": self._rel}
        return Raw(self._rel, self._begin, bytes(self._held[:size]), meta)
