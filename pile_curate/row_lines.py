"""Cut JSON lines, plain or compressed, into lines, and take a row's columns out of each.

A line ends at ``\\n`` or ``\\r\\n``; a byte order mark at the file's start and blank lines are no content. A
line must hold one object. Where a key occurs twice the last one counts. NaN, infinities and lone surrogates,
which Python's own writer emits, are accepted (a surrogate reads as U+FFFD). There is no cap on how far a file
may expand, because memory is bounded by the batch and by the longest line (four times its bytes while it is
parsed) whatever it holds.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from pile_curate.discovery import RawFile
from pile_curate.errors import CorruptInput
from pile_curate.files import RecordCounter
from pile_curate.row_keys import encode_ids, encode_row, encode_value
from pile_curate.row_splits import Columns, RowFile
from pile_curate.streams import Caps, RawStream

LINE_BYTES = (1 << 31) - (16 << 20)
"""Longest line that is read: what one Arrow array of strings can hold beside a block. A longer one is a
reject."""

_STEP = 1 << 20  # bytes that are cut into lines at once: their objects should stay in cache
_UNBOUNDED = Caps(file_bytes=1 << 60, ratio=1 << 40, line_bytes=LINE_BYTES)
_SURROGATES = re.compile("[\ud800-\udfff]")
_EXACT = float(1 << 53)  # from here on a JSON integer may have been read as a float that is another number
_BOM = b"\xef\xbb\xbf"


class BadLine(Exception):
    """Why a line is no row: ``args`` are a reason and a detail."""


def open_lines(file: RowFile) -> RawStream:
    """Open a file as a decompressed stream that hands out everything before a damage."""
    raw = RawFile(file.path, file.relative, file.bytes, file.mtime_ns)
    return RawStream(raw, RecordCounter(), lambda tally: None, caps=_UNBOUNDED)


def blocks(stream: RawStream, cap: int = LINE_BYTES) -> Iterator[tuple[int, list[bytes | None]]]:
    """Yield the number of a first line and lines from it on, without their ends; None is one above the cap.

    Raises ``CorruptInput`` at a damage, after the lines before it. A line that the damage cut is yielded only
    if it is a whole object all the same.
    """
    row = held = 0
    rest: list[bytes] = []  # the beginning of a line that no end was seen of; empty once it is above the cap
    error: CorruptInput | None = None
    while True:
        try:
            data = stream.read(_STEP)
        except CorruptInput as caught:
            error = caught
            break
        if not data:
            break
        *lines, tail = data.split(b"\n")
        if lines:
            found: list[bytes | None] = [*lines]
            if held:
                found[0] = b"".join((*rest, lines[0])) if rest and held + len(lines[0]) <= cap else None
                held = 0
                rest.clear()
            if row == 0 and found[0] is not None:
                found[0] = found[0].removeprefix(_BOM)
            yield row, _trimmed(found) if b"\r" in data or (found[0] or b"").endswith(b"\r") else found
            row += len(found)
        if tail:
            held += len(tail)
            rest.append(tail)
            if held > cap:
                rest.clear()
    if held:
        last = b"".join(rest).removeprefix(_BOM if row == 0 else b"") if rest else None
        if error is None or (last is not None and _is_object(last)):
            yield row, _trimmed([last])
    if error is not None:
        raise error


def _trimmed(lines: Sequence[bytes | None]) -> list[bytes | None]:
    return [line[:-1] if line is not None and line.endswith(b"\r") else line for line in lines]


def _is_object(line: bytes) -> bool:
    try:
        parse(line)
    except BadLine:
        return False
    return True


def parse(line: bytes) -> dict[str, Any]:
    """Return a line's object; ``BadLine`` says why it is none."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as first:
        try:
            value = json.loads(line.decode())
        except UnicodeDecodeError as error:
            detail = f"byte 0x{line[error.start]:02x} at {error.start}: {error.reason}"
            raise BadLine("invalid_utf8", detail) from error
        except (ValueError, RecursionError) as error:
            raise BadLine("bad_json", str(first)) from error
    if not isinstance(value, dict):
        raise BadLine("not_an_object", f"the line is a JSON {type(value).__name__}, not an object")
    return value


class Objects(NamedTuple):
    """The rows of a block of lines that are sound, one entry each."""

    rows: Sequence[int]
    lines: Sequence[bytes]
    records: Sequence[dict[str, Any]]
    texts: Sequence[str | None]
    ids: Sequence[Any]


class Fields:
    """Take the named columns out of lines; made once a file."""

    def __init__(self, file: RowFile, columns: Columns) -> None:
        self._relative, self._id_name = file.relative, columns.id
        self._text_name = columns.text
        self._find_text = _finder(columns.text)
        self._find_id = _finder("id" if columns.id is None else columns.id)
        self.facts = [(what, _finder(name)) for what, name in columns.facts().items()]

    def objects(
        self, first: int, lines: Sequence[bytes | None], refused: Callable[[int, str, str], None]
    ) -> Objects:
        """Return what lines ``first`` and following hold; ``refused`` is told of each that is no row, and
        why.

        Lines are tried all at once, and one by one only where that meets anything odd: both ways give the
        same.
        """
        present = [line for line in lines if line]
        rows = range(first, first + len(lines)) if len(present) == len(lines) else None
        if rows is not None:
            with contextlib.suppress(orjson.JSONDecodeError):
                records = list(map(orjson.loads, present))
                if set(map(type, records)) <= {dict}:
                    texts, ids = list(map(self._find_text, records)), list(map(self._find_id, records))
                    odd = {float} if self._id_name is None else {float, type(None)}
                    if set(map(type, texts)) <= {str, type(None)} and odd.isdisjoint(map(type, ids)):
                        return Objects(rows, present, records, texts, ids)
        found = Objects([], [], [], [], [])
        for at, line in enumerate(lines, first):
            if line is None:
                refused(at, "too_long", f"the line is longer than {LINE_BYTES} bytes")
            elif line and not line.isspace():
                try:
                    record = parse(line)
                    entry = (at, line, record, self.text(record), self._id(record, line))
                except BadLine as bad:
                    refused(at, *bad.args)
                    continue
                for column, value in zip(found, entry, strict=True):
                    column.append(value)  # type: ignore[attr-defined]
        return found

    def text(self, record: dict[str, Any]) -> str | None:
        """Return the text, None if it is missing or null."""
        value = self._find_text(record)
        if value is None or type(value) is str:
            return value
        kind = type(value).__name__
        raise BadLine("bad_text", f"the text {self._text_name!r} is a JSON {kind}, not a string")

    def _id(self, record: dict[str, Any], line: bytes) -> Any:
        value = self._find_id(record)
        if type(value) is float and abs(value) >= _EXACT:
            value = self._find_id(json.loads(line))
        if value is None and self._id_name is not None:
            raise BadLine("null_id", f"the id {self._id_name!r} is missing or null")
        return value

    def keys(self, found: Objects) -> pa.Array:
        """Return the keys (``binary``) of rows."""
        kinds = set(map(type, found.ids))
        if kinds == {int} or kinds == {str}:
            with contextlib.suppress(OverflowError, UnicodeEncodeError, pa.ArrowInvalid):
                return encode_ids(pa.array(found.ids, pa.int64() if kinds == {int} else pa.string()))
        pairs = zip(found.ids, found.rows, strict=True)
        return pa.array(
            [encode_row(self._relative, row) if key is None else encode_value(key) for key, row in pairs],
            pa.binary(),
        )


def _finder(name: str) -> Callable[[dict[str, Any]], Any]:
    """Return what looks a name up: as it stands, else, if dotted, within objects; None if it is not there."""
    if "." not in name:
        return lambda record: record.get(name)

    def find(record: Any) -> Any:
        if name in record:
            return record[name]
        for part in name.split("."):
            if not isinstance(record, dict):
                return None
            record = record.get(part)
        return record

    return find


def plain(value: Any) -> str:
    """Return a fact as a string: null or missing is empty, what is no string is JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def strings(values: Sequence[str | None]) -> pa.Array:
    """Make a string array; lone surrogates become U+FFFD."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([v if v is None else _SURROGATES.sub("\ufffd", v) for v in values], pa.string())
