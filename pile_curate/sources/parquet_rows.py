"""Read rows of Parquet and Arrow files in a guarded child, and hand them over as JSON objects of the wanted columns.

Runs where a crash, a leak or a decompression bomb costs the rows that were asked for. One file stays open between
requests, since rows are asked for in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate.errors import InputError
from pile_curate.row_columns import column_of, field_of, is_text, plain_text
from pile_curate.storage import is_remote, remote

MORE = "more"
"""The reason of an answer that stops early because it is large enough; nothing is wrong."""

_BATCH_ROWS = 256  # decoded at a time: a dictionary may stand for any number of bytes
_ANSWER_BYTES = 32 << 20


class Request(NamedTuple):
    """Ask for ``length`` rows from ``skip`` on of a row group or record batch. ``columns`` begins with the text's."""

    path: str
    kind: str  # parquet, arrow_file or arrow_stream
    unit: int
    skip: int
    length: int
    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()
    token: int = 0  # the same for all requests of one reading of a file


class Answer(NamedTuple):
    """One JSON object or (reason, detail) a row; fewer rows than asked for, and why, if the file gives no more."""

    rows: list[bytes | tuple[str, str]]
    reason: str = ""
    detail: str = ""


_Batches = Iterator[pa.RecordBatch]


@dataclass(slots=True)
class _Held:
    """The file that is open, and where in it the next rows stand."""

    file: tuple[str, int] = ("", 0)
    place: tuple[int, int] = (-1, -1)  # unit and row
    source: Any = None
    parquet: Any = None
    batches: _Batches = field(default_factory=lambda: iter(()))
    rest: pa.RecordBatch | None = None


_held = _Held()


def read_rows(request: Request, config: object) -> Answer:
    """Answer one request; see ``Guard``."""
    rows: list[bytes | tuple[str, str]] = []
    size = 0
    try:
        if _held.file != (request.path, request.token) or _held.place != (request.unit, request.skip):
            _seek(request)
        wanted = request.length
        while wanted:
            batch = _next(min(wanted, _BATCH_ROWS))
            if batch is None:
                _forget()
                return Answer(rows, "missing_rows", "the file has fewer rows than it states")
            found = _rows(batch, request)
            rows += found
            wanted -= batch.num_rows
            size += sum(map(len, found))
            if size > _ANSWER_BYTES and wanted:
                _forget()
                return Answer(rows, MORE)
    except MemoryError:
        _forget()
        raise  # told apart from damage: fewer rows at a time may well be read
    except _Unusable as error:
        _forget()
        return Answer([], error.reason, str(error))
    except (pa.ArrowException, InputError, OSError, ValueError, KeyError, StopIteration) as error:
        _forget()
        return Answer(rows, "corrupt_rows", (str(error).splitlines() or [""])[0][:300])
    _held.place = (request.unit, request.skip + request.length)
    return Answer(rows)


class _Unusable(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def _forget() -> None:
    global _held
    if _held.source is not None:
        _held.source.close()
    _held = _Held()


def _source(path: str) -> Any:
    if is_remote(path):
        system, inner = remote(path)
        return system.open_input_file(inner)
    return pa.OSFile(path)


def _seek(request: Request) -> None:
    """Go to a row: of the open file if it is the same, of an Arrow stream only forwards to the next batch."""
    same = _held.file == (request.path, request.token)
    stream = request.kind != "parquet"
    if not same or (stream and (_held.rest is not None or _held.place[0] + 1 != request.unit)):
        _open(request)
        for _ in range(request.unit if stream else 0):
            next(_held.batches)
    if not stream:
        schema = _held.parquet.schema_arrow
        tops = [_top(schema, name) for name in _present(schema, request)]
        _held.rest = None
        _held.batches = _held.parquet.iter_batches(
            batch_size=max(1, min(request.length, _BATCH_ROWS)),
            row_groups=[request.unit],
            columns=list(dict.fromkeys(tops)),
            use_threads=False,
        )
    left = request.skip
    while left and (batch := _next(left)) is not None:
        left -= batch.num_rows


def _open(request: Request) -> None:
    _forget()
    _held.source = _source(request.path)
    if request.kind == "parquet":
        _held.parquet = pq.ParquetFile(_held.source, buffer_size=1 << 20, page_checksum_verification=True)
        _check(_held.parquet.schema_arrow, request)
    else:
        if request.kind == "arrow_file":
            _held.source.seek(8)  # what follows the magic is a stream, also where the footer is missing
        reader = pa.ipc.open_stream(_held.source)
        _check(reader.schema, request)
        _held.batches = iter(reader)
    _held.file = (request.path, request.token)


def _next(limit: int) -> pa.RecordBatch | None:
    """Return the next rows, at most ``limit``."""
    rest = _held.rest
    while rest is None or not rest.num_rows:
        rest = next(_held.batches, None)
        if rest is None:
            return None
    _held.rest = rest.slice(limit) if rest.num_rows > limit else None
    return rest.slice(0, limit)


def _top(schema: pa.Schema, name: str) -> str:
    return name if name in schema.names else name.partition(".")[0]


def _present(schema: pa.Schema, request: Request) -> list[str]:
    return [name for name in (*request.columns, *request.optional) if field_of(schema, name) is not None]


def _check(schema: pa.Schema, request: Request) -> None:
    text = request.columns[0]
    found = field_of(schema, text)
    if found is None:
        raise _Unusable("missing_text", f"no column {text!r}; there are {schema.names[:20]}")
    kind = found.type
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not is_text(kind.value_type if listed else kind):
        raise _Unusable("bad_text", f"the column {text!r} is {kind}, not text")


def _rows(batch: pa.RecordBatch, request: Request) -> list[bytes | tuple[str, str]]:
    names = _present(batch.schema, request)
    columns: list[list[Any]] = []
    faults: dict[int, tuple[str, str]] = {}
    for number, name in enumerate(names):
        values, broken = _values(column_of(batch, name))
        columns.append(values)
        if number == 0:
            faults = {
                row: ("invalid_utf8", f"the column {name!r} is not UTF-8: {why}")
                for row, why in broken.items()
            }
    rows: list[bytes | tuple[str, str]] = []
    for row, cells in enumerate(zip(*columns, strict=True)):
        if row in faults:
            rows.append(faults[row])
            continue
        try:
            record = dict(zip(names, cells, strict=True))
            rows.append(orjson.dumps(record, default=_plain, option=orjson.OPT_NON_STR_KEYS))
        except orjson.JSONEncodeError as error:
            rows.append(("bad_value", str(error)[:200]))
    return rows


def _values(column: pa.Array) -> tuple[list[Any], dict[int, str]]:
    """Return a column's values, and which of them are no UTF-8; pyarrow checks that only when asked."""
    column = plain_text(column)
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        try:
            return column.to_pylist(), {}
        except UnicodeDecodeError:
            column = column.cast(pa.large_binary() if pa.types.is_large_string(kind) else pa.binary())
    elif not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return column.to_pylist(), {}
    values, broken = [], {}
    for row, value in enumerate(column.to_pylist()):
        try:
            values.append(None if value is None else value.decode("utf-8"))
        except UnicodeDecodeError as error:
            values.append(None)
            broken[row] = f"byte 0x{value[error.start]:02x} at {error.start}"
    return values, broken


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
