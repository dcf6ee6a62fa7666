"""Cut NIH ExPORTER's CSV files into rows, plain, compressed or in a zip, and count the rows another way.

A row is a line outside quotation marks (RFC 4180: fields hold line ends, a quotation mark is doubled). A line that
begins with an application's number and a comma (``7654321,``) begins a row in any case: a stray quotation mark
costs its row and not the rest of the file, and a large file can be cut there without looking at what precedes.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from pile_curate.decode import HEAD_BYTES, sniff
from pile_curate.errors import CorruptInput
from pile_curate.files import DEFAULT_CAPS, FileTally, RawFile, RecordCounter, Tally, open_raw
from pile_curate.sources.base import Raw, Reject, Split
from pile_curate.storage import sha256_file

START = re.compile(rb'"?[0-9]{5,9}"?,(?:"|[^",\r\n])')
_CUT = re.compile(rb'\n"?[0-9]{5,9}"?,(?:"|[^",\r\n])')
_HEAD = 24
"""Bytes of a line that decide whether it begins a row."""

_STEP = 1 << 20
_BLANK = b" \t\r\n\x0b\x0c,"
_COLUMN = b"APPLICATION_ID"
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    ValueError,
    EOFError,
    OSError,
    RuntimeError,
)


class RowCounter(RecordCounter):
    """Count rows line by line, by the parity of quotation marks; a header is none."""

    def __init__(self, at_start: bool = True) -> None:
        super().__init__()
        self._inside = False  # a quoted field is open at the end of the lines before
        self._head = b""  # the first bytes of the present line
        self._quotes = 0
        self._visible = False
        self._first = at_start
        self._began = False

    def feed(self, data: bytes | memoryview) -> None:
        """Take the lines that end in these bytes, and note the beginning of the last."""
        data = bytes(data)
        at = 0
        while (end := data.find(b"\n", at)) >= 0:
            self._extend(data[at:end])
            self._end_line()
            at = end + 1
        self._extend(data[at:])

    def close(self) -> int:
        """Return the number of rows, the unfinished last one included."""
        self._end_line()
        return self.count

    def _extend(self, piece: bytes) -> None:
        if not piece:
            return
        if len(self._head) < 4096:
            self._head += piece[: 4096 - len(self._head)]
        self._quotes += piece.count(b'"')
        self._visible = self._visible or bool(piece.strip(_BLANK))

    def _end_line(self) -> None:
        head = self._head
        starts = START.match(head) is not None
        if starts or not self._inside:
            self._inside = False
            if self._first and self._visible:
                self._first = False
                self.count += starts or _COLUMN not in head.upper()
            else:
                self.count += self._visible
        if self._quotes % 2:
            self._inside = not self._inside
        self._head, self._quotes, self._visible = b"", 0, False


def row_cuts(file: RawFile, target: int) -> list[int]:
    """Return where a large plain file can be cut: line starts about every ``target`` bytes; [] if compressed."""
    with open_raw(file.path) as handle:
        head = handle.read(HEAD_BYTES)
        if sniff(head) or head[:2] == b"PK" or head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return []
        cuts: list[int] = []
        goal = target
        while goal < file.size:
            handle.seek(goal)
            at, tail = goal, b""
            found = None
            while found is None and at < goal + target and (data := handle.read(_STEP)):
                found = _CUT.search(tail + data)
                if found is None:
                    at += len(data)
                    tail = (tail + data)[-_HEAD:]
            if found is not None:
                cuts.append(at - len(tail) + found.start() + 1)
                goal = cuts[-1]
            goal += target
    return cuts


def csv_rows(split: Split, tally: Tally, limit: int) -> Iterator[Raw | Reject]:
    """Yield a split's rows; ``record`` is the row's offset in the decompressed file or member; ``meta`` has the header."""
    for file in split.files:
        with open_raw(file.path) as handle:
            zipped = handle.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
        if zipped:
            yield from _zipped(file, tally, limit)
            continue
        header = _header_of(file) if split.start else None
        with tally.open(file, RowCounter(not split.start), start=split.start, stop=split.stop) as stream:
            if file.size == 0:
                yield Reject("empty_file", file.rel, 0, "the file has no bytes", kind="error", records=0)
                continue
            yield from _rows(stream.read, file.rel, split.start, limit, header)


def _header_of(file: RawFile) -> bytes:
    with open_raw(file.path) as handle:
        return handle.read(1 << 16).partition(b"\n")[0]


def _rows(
    read: Callable[[int], bytes], rel: str, start: int, limit: int, header: bytes | None, base: int = 0
) -> Iterator[Raw | Reject]:
    """Cut a stream of bytes; ``header`` is None where the stream begins with it."""
    rows = _RowFramer(start, limit)
    damage: CorruptInput | None = None
    while True:
        try:
            data = read(_STEP)
        except CorruptInput as caught:
            damage = caught
            break
        if not data:
            break
        for row in rows.feed(data):
            header, framed = _framed(row, rel, header, limit, base)
            if framed is not None:
                yield framed
    for row in rows.finish():
        if damage is not None:
            whole = header is not None or not _is_header(row[1])
            header = header or b""
            if whole:
                detail = "the file is damaged inside this row"
                yield Reject("truncated_record", rel, base + row[0], detail, kind="error", raw_bytes=row[2])
            continue
        header, framed = _framed(row, rel, header, limit, base)
        if framed is not None:
            yield framed
    if damage is not None:
        yield Reject("corrupt_file", rel, base + rows.position, str(damage), kind="error", records=0)


def _is_header(row: bytes) -> bool:
    return _COLUMN in row.partition(b"\n")[0][:4096].upper() and not START.match(row)


def _framed(
    row: tuple[int, bytes, int, bool], rel: str, header: bytes | None, limit: int, base: int
) -> tuple[bytes, Raw | Reject | None]:
    offset, data, size, closed = row
    if header is None:
        if _is_header(data):
            return data, None
        header = b""
    at = base + offset
    if size > limit:
        detail = f"the row is {size} bytes long; the option max_row_bytes allows {limit}"
        return header, Reject("row_too_long", rel, at, detail, kind="error", raw_bytes=size)
    if not closed:
        detail = "a quotation mark opens a field that nothing closes"
        return header, Reject("unclosed_quote", rel, at, detail, kind="error", raw_bytes=size)
    return header, Raw(rel, at, data, {"header": header})


class _RowFramer:
    """Cut bytes into (offset, bytes, length, whether its quotation marks are closed); too long ones have few bytes."""

    def __init__(self, start: int, limit: int) -> None:
        self.position = start
        self._limit = limit
        self._line = bytearray()  # the present line, as far as it is kept
        self._row: list[bytes] = []  # the lines of the present row
        self._kept = self._size = self._line_size = 0
        self._begin = self._line_begin = start
        self._odd = self._line_odd = self._line_visible = False

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes, int, bool]]:
        at = 0
        while (end := data.find(b"\n", at) + 1) > 0:
            self._take(data[at:end])
            yield from self._end_line()
            at = end
        self._take(data[at:])

    def finish(self) -> Iterator[tuple[int, bytes, int, bool]]:
        if self._line_size:
            yield from self._end_line()
        if self._row:
            yield self._done()

    def _take(self, piece: bytes) -> None:
        self._line_size += len(piece)
        self.position += len(piece)
        if piece.count(b'"') & 1:
            self._line_odd = not self._line_odd
        if not self._line_visible and piece.strip(_BLANK):
            self._line_visible = True
        if len(self._line) <= self._limit:
            self._line += piece[: self._limit + 4096]

    def _end_line(self) -> Iterator[tuple[int, bytes, int, bool]]:
        line, size, odd, visible = bytes(self._line), self._line_size, self._line_odd, self._line_visible
        begin = self._line_begin
        self._line.clear()
        self._line_size, self._line_odd, self._line_visible = 0, False, False
        self._line_begin = self.position
        if self._row and START.match(line):
            yield self._done()
        if not self._row:
            if not visible:
                return
            self._begin, self._size, self._kept, self._odd = begin, 0, 0, False
        self._size += size
        self._odd ^= odd
        if self._kept <= self._limit:
            self._row.append(line)
            self._kept += len(line)
        if not self._odd:
            yield self._done()

    def _done(self) -> tuple[int, bytes, int, bool]:
        row = b"".join(self._row)
        self._row = []
        closed, self._odd = not self._odd, False
        return self._begin, row, self._size, closed


def _zipped(file: RawFile, tally: Tally, limit: int) -> Iterator[Raw | Reject]:
    """Read the CSV members of a zip as streams: they are hundreds of megabytes, and bounded memory is the rule."""
    sha256, size = sha256_file(file.path)
    records, damage, unpacked, complete = 0, "", 0, False
    try:
        with open_raw(file.path) as handle, zipfile.ZipFile(handle) as archive:
            for index, info in enumerate(info for info in archive.infolist() if not info.is_dir()):
                name = info.filename
                if not name.lower().endswith((".csv", ".txt")):
                    yield Reject("not_a_csv", file.rel, index << 40, name[:200], records=0)
                    continue
                member = _Member(archive, info, RowCounter(), size)
                try:
                    yield from _rows(member.read, file.rel, 0, limit, None, index << 40)
                finally:
                    records += member.counter.close()
                    unpacked += member.handed
                    damage = damage or member.damage
        complete = not damage
    except _ZIP_ERRORS as error:
        damage = f"bad zip ({error})"
        yield Reject("corrupt_file", file.rel, size, damage, kind="error", records=0)
    finally:
        tally.add(FileTally(file.rel, 0, None, size, sha256, records, complete, damage, unpacked))


class _Member:
    """A member of a zip as a stream that counts, and that ends in ``CorruptInput`` where it is damaged or a bomb."""

    def __init__(
        self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, counter: RowCounter, packed: int
    ) -> None:
        self._archive, self._info, self.counter, self._packed = archive, info, counter, packed
        self._stream: IO[bytes] | None = None
        self.handed, self.damage = 0, ""

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        if self._info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._damaged("a compression other than stored and deflate")
        try:
            if self._stream is None:
                self._stream = self._archive.open(self._info)
            data = self._stream.read(size)
        except _ZIP_ERRORS as error:
            raise self._damaged(str(error)) from error
        self.handed += len(data)
        caps, grown = DEFAULT_CAPS, self.handed / max(1, self._packed)
        if self.handed > caps.file_bytes or (self.handed > caps.ratio_after and grown > caps.ratio):
            raise self._damaged("it grows beyond what a real file does (a decompression bomb?)")
        self.counter.feed(data)
        return data

    def _damaged(self, why: str) -> CorruptInput:
        self.damage = f"{self._info.filename[:200]}: {why}"
        return CorruptInput(self.damage, offset=self.handed)
