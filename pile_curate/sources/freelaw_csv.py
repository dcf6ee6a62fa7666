"""Read the CSV files of CourtListener's bulk data: find where rows begin, cut there, split a row into its columns.

PostgreSQL's COPY writes them with every value quoted, by ``"`` or in some years by a backtick, and with a backslash
before a quote or a backslash inside. Texts hold line ends. So a line that begins with a quoted number, a comma and a quoted
time can only begin a row: inside a text its quotes would be escaped. Rows are therefore found by that, and not by
counting quotes: a damaged row costs itself only, and plain files can be cut anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from pile_curate.errors import CorruptInput
from pile_curate.files import RawFile, RawStream, RecordCounter, open_raw
from pile_curate.sources.base import Raw, Reject

COLUMNS = (
    "id date_created date_modified author_str per_curiam joined_by_str type sha1 page_count download_url local_path "
    "plain_text html html_lawbox html_columbia html_anon_2020 xml_harvard html_with_citations extracted_by_ocr "
    "author_id cluster_id"
).split()
"""The columns of ``opinions`` where a file does not name its own."""

_ROW = re.compile(rb"""^(["`]?)\d{1,12}\1,(["`]?)\d{4}-\d\d-\d\d[ T]\d\d:\d\d""", re.MULTILINE)
_LONGEST = 64  # more than a row's beginning takes
_STEP = 1 << 20


class RowCounter(RecordCounter):
    """Count the lines that begin as a row does, looking at each line's first bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._line = b""

    def feed(self, data: bytes | memoryview) -> None:
        """Look at the lines that end among these bytes."""
        lines = (self._line + data).split(b"\n")
        self._line = lines.pop()[:_LONGEST]
        self.count += sum(_begins_row(line) for line in lines if line[:1] in _FIRST)

    def close(self) -> int:
        """Return the number of rows, the last line included."""
        return self.count + _begins_row(self._line)


_FIRST = frozenset((b'"', b"`", *(b"%d" % digit for digit in range(10))))


def _begins_row(line: bytes) -> bool:
    quote = line[:1] if line[:1] in (b'"', b"`") else b""
    number, comma, rest = line[len(quote) : _LONGEST].partition(quote + b",")
    if not comma or not number.isdigit() or len(number) > 12:
        return False
    time = rest[1:17] if rest[:1] in (b'"', b"`") else rest[:16]
    digits = time[:4] + time[5:7] + time[8:10] + time[11:13] + time[14:16]
    marks = time[4:5] + time[7:8] + time[10:11] + time[13:14]
    return len(digits) == 12 and digits.isdigit() and marks in (b"-- :", b"--T:")


def next_row(handle: BinaryIO, at: int) -> int | None:
    """Return where the next row begins behind offset ``at``, at which the file stands."""
    held = b""
    while piece := handle.read(_STEP):
        held += piece
        # Where the window begins, in the middle of a line or not, no row is looked for.
        found = _ROW.search(held, 1)
        if found:
            return at + found.start()
        at += max(0, len(held) - _LONGEST)
        held = held[-_LONGEST:]
    return None


def header_of(file: RawFile) -> list[str]:
    """Return the columns that a plain file's first line names."""
    with open_raw(file.path) as handle:
        return columns(handle.read(1 << 14).partition(b"\n")[0])


def columns(line: bytes) -> list[str]:
    """Return the names in a header, or the known ones if it is none."""
    return _named(line) or list(COLUMNS)


def _named(line: bytes) -> list[str]:
    names = line.decode("utf-8-sig", "replace").strip().replace('"', "").replace("`", "").split(",")
    return names if "id" in names and "cluster_id" in names else []


def rows(stream: RawStream, rel: str, cap: int, named: list[str]) -> Iterator[Raw | Reject]:
    """Yield each row as a record, ``record`` its byte offset; ``named`` are the columns unless a header names others."""
    held = bytearray()
    at = stream.position  # offset of held[0]
    scan = lost = 0
    inside = False
    error: CorruptInput | None = None

    def row(begin: int, end: int) -> Raw | Reject:
        size = lost + end - begin
        if size <= cap:
            return Raw(rel, at + begin, bytes(held[begin:end]), {"columns": named})
        detail = f"{size} bytes; the option max_file_bytes allows {cap}"
        return Reject("record_too_large", rel, at + begin - lost, detail, "", "error", raw_bytes=size)

    while True:
        try:
            data = stream.read(_STEP)
        except CorruptInput as caught:
            error = caught
            break
        if not data:
            break
        held += data
        begin = 0
        for found in [match.start() for match in _ROW.finditer(held, scan)]:
            if inside:
                yield row(begin, found)
            elif found:
                named = columns(bytes(held[:found].partition(b"\n")[0]))
            inside, lost, begin = True, 0, found
        # What is too long keeps its last bytes, among which the next row may begin.
        gone = len(held) - _LONGEST if len(held) - begin > cap else begin
        lost += gone - begin
        del held[:gone]
        at += gone
        scan = max(1, len(held) - _LONGEST)
    if inside and error is None:
        yield row(0, len(held))
    elif inside:
        detail = "the file is damaged inside this row"
        size = lost + len(held)
        yield Reject("truncated_record", rel, at - lost, detail, kind="error", raw_bytes=size)
    elif error is None and not _named(bytes(held)):
        reason, detail = ("no_rows", "no row of opinions") if at + len(held) else ("empty_file", "no bytes")
        yield Reject(reason, rel, 0, f"the file holds {detail}", kind="error", records=0)
    if error is not None:
        yield Reject("corrupt_file", rel, stream.position, str(error), kind="error", records=0)


class BadRow(ValueError):
    """A row whose columns cannot be told apart."""


def fields(body: bytes, named: list[str]) -> dict[str, bytes]:
    """Split a row into its columns, escapes undone; raises ``BadRow``."""
    body = body.rstrip(b"\r\n")
    quote = body[:1] if body[:1] in (b'"', b"`") else b'"'
    field, escape = _FIELDS[quote], _ESCAPES[quote]
    values: list[bytes] = []
    at = 0
    more = True
    while more:
        found = field.match(body, at)
        if found is None:
            raise BadRow(f"column {len(values) + 1} has no end, or something stands behind it")
        value = found[1] if found[1] is not None else found[3]
        values.append(escape.sub(rb"\1", value) if b"\\" in value or quote in value else value)
        at = found.end()
        more = (found[2] or found[4]) == b","
    if len(values) != len(named):
        raise BadRow(f"{len(values)} columns, not {len(named)}")
    return dict(zip(named, values, strict=True))


_FIELDS = {
    # A doubled quote is what COPY writes where no escape is set.
    q: re.compile(rb"%b((?:[^%b\\]++|\\.|%b%b)*+)%b(,|\Z)|([^,%b]*+)(,|\Z)" % ((q,) * 6), re.DOTALL)
    for q in (b'"', b"`")
}
_ESCAPES = {q: re.compile(rb"(?:\\(?=[\\%b])|%b(?=%b))(.)" % (q, q, q), re.DOTALL) for q in (b'"', b"`")}
