"""Read the members of an archive of mail: a message a member (Enron), or mbox files of any size (Google Takeout).

A member is read in pieces, so an mbox of many gigabytes inside a tar or a zip costs what a loose one does. It is an
mbox if it is named like one, or if its first piece holds two separators. The archive counts its own entries; messages
are counted on each member's bytes, and the sum stands in the file's tally.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

from pile_curate.archives import Member, MemberReader, TarCounter, member_streams
from pile_curate.errors import CorruptInput
from pile_curate.files import RawFile, RecordCounter, Tally, open_raw
from pile_curate.sources.base import Raw, Reject
from pile_curate.sources.blobs import MEMBER_ERRORS, MEMBER_REASONS
from pile_curate.sources.mbox import MBOX_NAME, MailCounter, MessageReader, is_mbox
from pile_curate.zip_stream import ZIP_HEADS, ZipMember, ZipStream

_MEMBER = 1 << 40
"""Messages of an mbox are ordered by their offset behind those of the members before."""

_STEP = 1 << 18

Unwanted = Callable[[str], str]
"""Takes a member's name and returns why it is no mail, ``""`` if it may be."""


class _Counter(RecordCounter):
    """Count a member: its messages if it is an mbox, else one."""

    def __init__(self, named: bool) -> None:
        super().__init__()
        self.mbox = named
        self._inner: RecordCounter | None = None

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes; the first decide what is counted."""
        if self._inner is None:
            self.mbox = self.mbox or is_mbox(bytes(data))
            self._inner = MailCounter(True) if self.mbox else RecordCounter()
        self._inner.feed(data)

    def close(self) -> int:
        """Return the count."""
        return self._inner.close() if self._inner is not None else 0


class _Pieces:
    """A member's pieces as a stream that knows where it stands."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._first: bytes | None = None
        self._error: CorruptInput | None = None
        self.position = 0

    def look(self) -> None:
        """Take the first piece, so that its counter has seen it."""
        try:
            self._first = next(self._pieces, b"")
        except CorruptInput as error:
            self._error = error

    def read(self, size: int, /) -> bytes:
        """Return the next piece, whatever its size; ``b""`` at the end."""
        if self._error is not None:
            raise self._error
        piece, self._first = self._first, None
        data = next(self._pieces, b"") if piece is None else piece
        self.position += len(data)
        return data


def archive_messages(file: RawFile, tally: Tally, limit: int, unwanted: Unwanted) -> Iterator[Raw | Reject]:
    """Yield the messages of an archive's members; ``record`` is the member's index, in an mbox an offset behind it."""
    with open_raw(file.path) as handle:
        head = handle.read(4)
    try:
        yield from (_zip if head in ZIP_HEADS else _tar)(file, tally, limit, unwanted)
    except CorruptInput as error:
        reason = "corrupt_file" if file.size else "empty_file"
        yield Reject(reason, file.rel, 0, str(error), kind="error", records=0)


def _zip(file: RawFile, tally: Tally, limit: int, unwanted: Unwanted) -> Iterator[Raw | Reject]:
    with ZipStream(file, tally, RecordCounter) as archive:
        for member in archive:
            reason = member.reject or unwanted(member.name)
            if reason:
                yield _refused(file, member, reason, max(0, member.size), 0)
                continue
            counter = _Counter(_named(member.name))
            archive.new_counter = lambda counter=counter: counter  # type: ignore[misc]
            yield from _messages(file, member.name, member.index, member.chunks(), counter, limit)


def _tar(file: RawFile, tally: Tally, limit: int, unwanted: Unwanted) -> Iterator[Raw | Reject]:
    own = Tally()
    streamed = counted = 0
    try:
        with own.open(file, TarCounter()) as stream:
            for member in member_streams(stream):
                reason = member.reject or unwanted(member.name)
                if reason or member.reader is None:
                    yield _refused(file, member, reason, member.size, 1)
                    continue
                streamed += 1
                counter = _Counter(_named(member.name))
                pieces = _counted(member.reader, counter)
                try:
                    yield from _messages(file, member.name, member.index, pieces, counter, limit)
                finally:
                    counted += counter.close()
    finally:
        for entry in own.files:
            tally.add(replace(entry, records=entry.records - streamed + counted))


def _counted(reader: MemberReader, counter: RecordCounter) -> Iterator[bytes]:
    while piece := reader.read(_STEP):
        counter.feed(piece)
        yield piece


def _named(name: str) -> bool:
    return bool(MBOX_NAME.search(name)) or name.rpartition("/")[2] == "mbox"


def _messages(
    file: RawFile, name: str, index: int, pieces: Iterator[bytes], counter: _Counter, limit: int
) -> Iterator[Raw | Reject]:
    key = f"{file.rel}!{name}"
    stream = _Pieces(pieces)
    stream.look()
    mbox = counter.mbox
    for found in MessageReader(stream, file.rel, mbox, limit).frames():
        offset = found.record
        found.record = (index + 1) * _MEMBER + offset if mbox else index
        if isinstance(found, Raw):
            found.meta |= {"key": f"{key}:{offset}" if mbox else key, "name": name}
        else:
            found.key = f"{key}:{offset}" if mbox else key
            found.reason = "empty_member" if found.reason == "empty_file" else found.reason
        yield found


def _refused(file: RawFile, member: ZipMember | Member, reason: str, size: int, records: int) -> Reject:
    reason = MEMBER_REASONS.get(reason, reason)
    error = reason in MEMBER_ERRORS
    kind: Literal["policy", "error"] = "error" if error else "policy"
    key, detail = f"{file.rel}!{member.name}", MEMBER_ERRORS.get(reason, "")
    return Reject(reason, file.rel, member.index, detail, key, kind, records, size)
