"""Encode ids of any type as bytes that sort as the ids do, without a Python object a row.

A key is one tag byte and what follows. Integers of every width give the same bytes for the same number, so do
strings, binaries and their large, view and dictionary forms; keys of different kinds never meet. Order across
kinds is by tag: it is total, and means nothing else.

======  =======================================================================================
tag     what follows
======  =======================================================================================
0x01    no id: the file's relative name, NUL, the row's number as 8 bytes, big-endian
0x08    a boolean: one byte
0x0f    an integer below -2^63: see ``_big``
0x10    a negative integer: 8 bytes, big-endian, two's complement
0x11    an integer from 0 to 2^64 - 1: 8 bytes, big-endian
0x12    an integer above: 4 bytes length, then its bytes, big-endian
0x20    a float: 8 bytes, big-endian, with the sign folded so that they sort; -0.0 is 0.0
0x30    a string or binary: its bytes
0x31    a UUID: 16 bytes
0x32    a timestamp: seconds since 1970 as 8 bytes with the top bit flipped, nanoseconds as 4
0x40    anything else (dates, times, decimals): as a string
0x41    a nested value: as JSON with sorted keys
======  =======================================================================================
"""

from __future__ import annotations

import json
import struct
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

ROW, BOOL, BIG_NEGATIVE, NEGATIVE, NATURAL, BIG = 0x01, 0x08, 0x0F, 0x10, 0x11, 0x12
FLOAT, STRING, UUID, TIME, OTHER, NESTED = 0x20, 0x30, 0x31, 0x32, 0x40, 0x41

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def encode_ids(ids: pa.Array) -> pa.Array:
    """Return the keys (``binary``) of ids without nulls, one an id."""
    kind = ids.type
    if isinstance(kind, pa.DictionaryType):
        return encode_ids(ids.dictionary_decode())
    if isinstance(kind, pa.BaseExtensionType):
        if getattr(kind, "extension_name", "") == "arrow.uuid":
            raw = ids.storage.cast(pa.binary())
            return _tagged(UUID, raw)
        return encode_ids(ids.storage)
    if pa.types.is_integer(kind):
        return _integers(ids)
    if pa.types.is_boolean(kind):
        return _fixed(BOOL, ids.cast(pa.uint8()).to_numpy(zero_copy_only=False).reshape(-1, 1))
    if pa.types.is_floating(kind):
        return _floats(ids)
    if is_bytes(kind):
        return _tagged(STRING, as_binary(ids))
    if pa.types.is_timestamp(kind):
        return _timestamps(ids)
    if pa.types.is_duration(kind):
        return _tagged(OTHER, ids.cast(pa.int64()).cast(pa.string()).cast(pa.binary()))
    if pa.types.is_nested(kind):
        return pa.array([encode_value(value) for value in ids.to_pylist()], pa.binary())
    return _tagged(OTHER, ids.cast(pa.string()).cast(pa.binary()))


def encode_rows(relative: str, rows: NDArray[np.int64]) -> pa.Array:
    """Return the keys of rows that have no id, from their numbers in the file ``relative``."""
    prefix = np.frombuffer(relative.encode() + b"\0", np.uint8)
    body = np.empty((len(rows), len(prefix) + 8), np.uint8)
    body[:, :-8] = prefix
    body[:, -8:] = rows.astype(">u8").view(np.uint8).reshape(-1, 8)
    return _fixed(ROW, body)


def encode_row(relative: str, row: int) -> bytes:
    """Return the key of one row without id."""
    return bytes((ROW,)) + relative.encode() + b"\0" + row.to_bytes(8, "big")


def encode_value(value: Any) -> bytes:
    """Return the key of one id as JSON gives it; equal to ``encode_ids`` of the same id in a column."""
    if isinstance(value, str):
        return bytes((STRING,)) + value.encode("utf-8", "surrogatepass")
    if isinstance(value, bool):
        return bytes((BOOL, value))
    if isinstance(value, int):
        if 0 <= value < 1 << 64:
            return bytes((NATURAL,)) + value.to_bytes(8, "big")
        if -(1 << 63) <= value < 0:
            return bytes((NEGATIVE,)) + value.to_bytes(8, "big", signed=True)
        return _big(value)
    if isinstance(value, float):
        return bytes((FLOAT,)) + _sortable(np.array([value])).tobytes()
    raw = orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return bytes((NESTED,)) + raw


def key_text(key: bytes) -> str:
    """Give the id back for people: numbers in decimals, bytes that are no UTF-8 in hexadecimal after ``0x``.

    >>> key_text(encode_value(-7)), key_text(encode_value("a")), key_text(encode_row("x/y.parquet", 12))
    ('-7', 'a', 'x/y.parquet row 12')
    """
    tag, body = key[0], key[1:]
    if tag == ROW:
        return f"{body[:-9].decode()} row {int.from_bytes(body[-8:], 'big')}"
    if tag == BOOL:
        return "true" if body[0] else "false"
    if tag in (NEGATIVE, NATURAL):
        return str(int.from_bytes(body, "big", signed=tag == NEGATIVE))
    if tag == BIG:
        return _digits(int.from_bytes(body[4:], "big"))
    if tag == BIG_NEGATIVE:
        return "-" + _digits(int.from_bytes(bytes(255 - b for b in body[4:]), "big"))
    if tag == FLOAT:
        bits = int.from_bytes(body, "big")
        bits = bits ^ (1 << 63) if bits >> 63 else bits ^ ((1 << 64) - 1)
        return repr(struct.unpack(">d", bits.to_bytes(8, "big"))[0])
    if tag == UUID:
        return str(uuid.UUID(bytes=body))
    if tag == TIME:
        return _time_text(int.from_bytes(body[:8], "big") - (1 << 63), int.from_bytes(body[8:], "big"))
    try:
        return body.decode()
    except UnicodeDecodeError:
        return "0x" + body.hex()


def is_bytes(kind: pa.DataType) -> bool:
    """Say whether a type is made of bytes: a string or binary, large, view or of fixed size."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def as_binary(array: pa.Array) -> pa.Array:
    """Return an array of bytes as ``binary``; its bytes must be below 2 GiB."""
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.binary_view())
    if pa.types.is_binary(array.type):
        return array
    if array.null_count == 0 and (
        pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    ):
        offsets, data = value_bytes(array)  # a cast would judge a slice by the whole it was cut from
        return binary_of(offsets - offsets[0], data[offsets[0] : offsets[-1]])
    return array.cast(pa.binary())


def value_bytes(array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the offsets (n + 1) and the bytes of a ``(large_)string`` or ``(large_)binary`` array, no
    copy."""
    large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    if len(array) == 0:
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    _, offsets, data = array.buffers()
    at = np.frombuffer(offsets, np.int64 if large else np.int32)[array.offset : array.offset + len(array) + 1]
    whole = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return at.astype(np.int64, copy=False), whole


def binary_of(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> pa.Array:
    """Make a ``binary`` array of offsets (n + 1, from 0) and bytes."""
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def _fixed(tag: int, body: NDArray[np.uint8], tags: NDArray[np.uint8] | None = None) -> pa.Array:
    count, width = body.shape
    out = np.empty((count, width + 1), np.uint8)
    out[:, 0] = tag if tags is None else tags
    out[:, 1:] = body
    return binary_of(np.arange(count + 1, dtype=np.int64) * (width + 1), out.reshape(-1))


def _tagged(tag: int, raw: pa.Array) -> pa.Array:
    """Put the tag before every value of a ``binary`` array."""
    offsets, data = value_bytes(raw)
    count, start, stop = len(raw), int(offsets[0]), int(offsets[-1])
    body = data[start:stop]
    lengths = np.diff(offsets)
    if count and lengths[0] and (lengths == lengths[0]).all():
        return _fixed(tag, body.reshape(count, int(lengths[0])))
    moved = offsets - start + np.arange(count + 1)
    out = np.empty(stop - start + count, np.uint8)
    holes = np.zeros(len(out), bool)
    holes[moved[:-1]] = True
    out[moved[:-1]] = tag
    out[~holes] = body
    return binary_of(moved, out)


def _integers(ids: pa.Array) -> pa.Array:
    unsigned = pa.types.is_uint64(ids.type)
    values = ids.cast(pa.uint64() if unsigned else pa.int64()).to_numpy(zero_copy_only=False)
    tags = np.full(len(values), NATURAL, np.uint8)
    if not unsigned:
        tags[values < 0] = NEGATIVE
    body = values.astype(">u8" if unsigned else ">i8").view(np.uint8).reshape(-1, 8)
    return _fixed(0, body, tags)


def _sortable(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    bits = np.where(np.isnan(values), np.nan, values + 0.0).astype(np.float64).view(np.uint64)
    top = np.uint64(1 << 63)
    folded = np.where(bits & top, ~bits, bits | top)
    return cast("NDArray[np.uint8]", folded.astype(">u8").view(np.uint8).reshape(-1, 8))


def _floats(ids: pa.Array) -> pa.Array:
    return _fixed(FLOAT, _sortable(ids.cast(pa.float64()).to_numpy(zero_copy_only=False)))


def _timestamps(ids: pa.Array) -> pa.Array:
    per = _PER_SECOND[ids.type.unit]
    ticks = ids.cast(pa.int64()).to_numpy(zero_copy_only=False)
    seconds, rest = np.divmod(ticks, per)
    body = np.empty((len(ticks), 12), np.uint8)
    body[:, :8] = (seconds.view(np.uint64) ^ np.uint64(1 << 63)).astype(">u8").view(np.uint8).reshape(-1, 8)
    body[:, 8:] = (rest * (10**9 // per)).astype(">u4").view(np.uint8).reshape(-1, 4)
    return _fixed(TIME, body)


def _big(value: int) -> bytes:
    """Encode an integer beyond 64 bits by its length and bytes; below zero both inverted, so that they
    sort."""
    raw = abs(value).to_bytes((value.bit_length() + 7) // 8, "big")
    if value > 0:
        return bytes((BIG,)) + len(raw).to_bytes(4, "big") + raw
    size = (0xFFFF_FFFF - len(raw)).to_bytes(4, "big")
    return bytes((BIG_NEGATIVE,)) + size + bytes(255 - b for b in raw)


def _digits(value: int) -> str:
    return str(value) if value.bit_length() < 10_000 else hex(value)


def _time_text(seconds: int, nanos: int) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return f"{seconds}.{nanos:09d} s after 1970"
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return moment.replace(tzinfo=None).isoformat(" ") + fraction


def valid_mask(array: pa.Array) -> NDArray[np.bool_] | None:
    """Return which values are not null, or None if all are."""
    if array.null_count == 0:
        return None
    return cast("NDArray[np.bool_]", pc.is_valid(array).to_numpy(zero_copy_only=False))


def json_value(raw: bytes) -> Any:
    """Parse JSON with exact integers of any size, slowly."""
    return json.loads(raw)
