"""Count the rows of an Arrow IPC file or stream by walking its messages, in plain Python.

Apart from the reader on purpose, as ``parquet_footer``. A message is a length, a flatbuffer that says what it is, and a
body (https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format). Bodies are passed over, not read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from pile_curate.storage import read_full

MAGIC = b"ARROW1\0\0"
_CONTINUATION = b"\xff\xff\xff\xff"
_MAX_METADATA = 64 << 20
_RECORD_BATCH = 3
_KINDS = (1, 2, 3)


@dataclass(slots=True)
class Walk:
    """The record batches of a file: rows and bytes of each; ``cut``: rows of one whose body is not whole."""

    batches: list[tuple[int, int]] = field(default_factory=list)
    cut: int = 0
    damage: str = ""


def looks_like(head: bytes) -> bool:
    """Say whether a file's first bytes are those of an IPC file or stream."""
    return head[:6] == MAGIC[:6] or (
        head[:4] == _CONTINUATION and len(head) >= 8 and head[4:8] != b"\0\0\0\0"
    )


def walk(handle: BinaryIO, size: int) -> Walk:
    """Walk the messages from the start; ends at the end mark, or at the first damage, which it names."""
    found = Walk()
    handle.seek(0)
    at = len(MAGIC) if read_full(handle, 6) == MAGIC[:6] else 0
    while True:
        handle.seek(at)
        head = read_full(handle, 8)
        if len(head) == 0:
            found.damage = "" if at else "it holds no message"
            return found
        if head[:4] != _CONTINUATION:
            # Before version 0.15 there was no mark before the length.
            if head[:4] == b"\0\0\0\0":
                return found
            found.damage = f"no message at offset {at}"
            return found
        length = int.from_bytes(head[4:8], "little")
        if len(head) == 8 and length == 0:
            return found
        if len(head) < 8 or length > _MAX_METADATA or at + 8 + length > size:
            found.damage = f"it is cut inside a message's head at offset {at}"
            return found
        try:
            kind, rows, body = _message(read_full(handle, length))
        except (struct.error, ValueError, IndexError) as error:
            found.damage = f"the message at offset {at} cannot be read: {error}"
            return found
        begin, at = at, at + 8 + length + body
        if at > size:
            found.cut = rows if kind == _RECORD_BATCH else 0
            found.damage = f"it is cut inside the message at offset {begin}"
            return found
        if kind == _RECORD_BATCH:
            found.batches.append((rows, body))


def _message(data: bytes) -> tuple[int, int, int]:
    """Return a message's kind, its rows if it is a record batch, and its body's length."""
    root = _unsigned(data, 0)
    kind_at, header_at, body_at = (_field(data, root, index) for index in (1, 2, 3))
    kind = data[kind_at] if kind_at else 0
    body = struct.unpack_from("<q", data, body_at)[0] if body_at else 0
    if kind not in _KINDS or body < 0:
        raise ValueError(f"kind {kind}, body of {body} bytes")
    rows = 0
    if kind == _RECORD_BATCH:
        if not header_at:
            raise ValueError("a record batch without a header")
        length_at = _field(data, header_at + _unsigned(data, header_at), 0)
        rows = struct.unpack_from("<q", data, length_at)[0] if length_at else 0
        if not 0 <= rows < 1 << 40:
            raise ValueError(f"a record batch of {rows} rows")
    return kind, rows, body


def _unsigned(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _field(data: bytes, table: int, index: int) -> int:
    """Return where a flatbuffer table's field stands, 0 if it is left out."""
    vtable = table - int(struct.unpack_from("<i", data, table)[0])
    if vtable < 0:
        raise ValueError("a table before the start")
    if 4 + 2 * index + 2 > int(struct.unpack_from("<H", data, vtable)[0]):
        return 0
    offset = int(struct.unpack_from("<H", data, vtable + 4 + 2 * index)[0])
    return table + offset if offset else 0
