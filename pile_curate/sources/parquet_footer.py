"""Read what a plan and a count need of a Parquet file's footer, in plain Python: rows and place of each row group.

Apart from the reader on purpose: what this counts is compared with what pyarrow delivers, and the task's process runs
no native code on a footer that nobody has checked. Thrift's compact protocol, and of the FileMetaData only the row
groups: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from pile_curate.errors import CorruptInput
from pile_curate.storage import read_full

MAX_FOOTER = 256 << 20
_MAX_DEPTH = 24
_BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = 3, 7, 8, 9, 10, 11, 12, 13
# FileMetaData 4: row groups, of each 3: rows, 2: bytes, 1: columns, of each 3: its metadata, in it 9, 11: page offsets.
_WANTED: Mapping[int, Any] = {3: None, 4: {2: None, 3: None, 1: {3: {9: None, 11: None}}}}


@dataclass(frozen=True, slots=True)
class Group:
    """A row group: where its first page begins (-1 if that is not said), its rows and their bytes unpacked."""

    start: int
    rows: int
    size: int


def row_groups(handle: BinaryIO, size: int, rel: str) -> list[Group]:
    """Return a file's row groups; raises ``CorruptInput`` for a footer that is missing, cut, encrypted or absurd."""
    if size < 12:
        raise CorruptInput("too short for a Parquet file", path=rel, offset=size)
    handle.seek(size - 8)
    tail = read_full(handle, 8)
    if tail[4:] == b"PARE":
        raise CorruptInput("its footer is encrypted", path=rel, offset=size)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1" or length > size - 12:
        raise CorruptInput("no Parquet footer at its end (cut?)", path=rel, offset=size)
    if length > MAX_FOOTER:
        raise CorruptInput(f"a footer of {length} bytes", path=rel, offset=size)
    handle.seek(size - 8 - length)
    try:
        found = _Compact(read_full(handle, length)).struct(_WANTED, 0)
        groups = [_group(group) for group in found.get(4, [])]
        total = found.get(3, 0)
    except (IndexError, ValueError, TypeError, AttributeError) as error:
        raise CorruptInput(
            f"its footer cannot be read: {error}", path=rel, offset=size - 8 - length
        ) from error
    if any(group.rows < 0 for group in groups) or sum(group.rows for group in groups) != total:
        raise CorruptInput("its footer's row counts do not add up", path=rel, offset=size - 8 - length)
    return groups


def _group(found: dict[int, Any]) -> Group:
    offsets = []
    for column in found.get(1, []):
        known = column.get(3, {})
        offsets += [known[name] for name in (9, 11) if known.get(name, 0) > 0]
    return Group(min(offsets, default=-1), found.get(3, 0), max(0, found.get(2, 0)))


class _Compact:
    """A reader of Thrift's compact protocol that keeps what it is asked for and passes over the rest."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")

    def _integer(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def struct(self, wanted: Mapping[int, Any], depth: int) -> dict[int, Any]:
        """Read a struct; ``wanted`` maps field ids to what is wanted of structs in them, None for numbers."""
        if depth > _MAX_DEPTH:
            raise ValueError("structures nested too deep")
        found: dict[int, Any] = {}
        last = 0
        while True:
            head = self._data[self._at]
            self._at += 1
            kind = head & 15
            if kind == 0:
                return found
            last = last + (head >> 4) if head >> 4 else self._integer()
            if last in wanted:
                found[last] = self._value(kind, wanted[last], depth)
            else:
                self._skip(kind, depth)

    def _value(self, kind: int, wanted: Any, depth: int) -> Any:
        if wanted is None:
            if kind not in (4, 5, 6):
                raise ValueError(f"type {kind} where a number belongs")
            return self._integer()
        if kind == _STRUCT:
            return self.struct(wanted, depth + 1)
        if kind != _LIST:
            raise ValueError(f"type {kind} where a list belongs")
        count, element = self._list_head()
        if element != _STRUCT:
            raise ValueError(f"a list of type {element} where structures belong")
        return [self.struct(wanted, depth + 1) for _ in range(count)]

    def _list_head(self) -> tuple[int, int]:
        head = self._data[self._at]
        self._at += 1
        count = head >> 4
        if count == 15:
            count = self._varint()
        if count > len(self._data):
            raise ValueError(f"a list of {count} elements in {len(self._data)} bytes")
        return count, head & 15

    def _skip(self, kind: int, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError("structures nested too deep")
        if kind == _BYTE:
            self._at += 1
        elif kind in (4, 5, 6):
            self._varint()
        elif kind in (_DOUBLE, _UUID):
            self._at += 8 if kind == _DOUBLE else 16
        elif kind == _BINARY:
            length = self._varint()
            self._at += length
        elif kind in (_LIST, _SET):
            count, element = self._list_head()
            for _ in range(count):
                self._skip(_BYTE if element in (1, 2) else element, depth + 1)
        elif kind == _MAP:
            count = self._varint()
            kinds = 0
            if count:
                kinds = self._data[self._at]
                self._at += 1
            if count > len(self._data):
                raise ValueError("a map larger than its file")
            for _ in range(count):
                for part in (kinds >> 4, kinds & 15):
                    self._skip(_BYTE if part in (1, 2) else part, depth + 1)
        elif kind == _STRUCT:
            self.struct({}, depth + 1)
        elif kind not in (1, 2):
            raise ValueError(f"a field of unknown type {kind}")
        if self._at > len(self._data):
            raise IndexError("it ends inside a field")
