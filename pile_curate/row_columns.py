"""Find columns by name, also within structs, and turn what is stored into what deduplication reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pile_curate import row_keys
from pile_curate.errors import InputError
from pile_curate.row_splits import RowFile


def field_of(schema: pa.Schema, name: str) -> pa.Field | None:
    """Return the column of a name, a dotted one also within structs; None if there is none."""
    found = schema.get_all_field_indices(name)
    if len(found) > 1:
        raise InputError(f"{len(found)} columns are called {name!r}; rename all but one")
    if found:
        return schema.field(found[0])
    top, _, rest = name.partition(".")
    outer = field_of(schema, top) if rest else None
    if outer is None or not pa.types.is_struct(outer.type):
        return None
    return field_of(pa.schema(list(outer.type)), rest)


def column_of(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Return the column of a name that ``field_of`` knows, decoded if it is a dictionary."""
    if name in batch.schema.names:
        return batch.column(name)
    top, _, rest = name.partition(".")
    column = batch.column(top)
    while rest:
        names = [field.name for field in column.type]
        if rest in names:
            step, rest = rest, ""
        else:
            step, _, rest = rest.partition(".")
        column = pc.struct_field(column, step)
    return column


def plain_text(column: pa.Array) -> pa.Array:
    """Return a text column as ``(large_)string`` or ``(large_)binary``: dictionaries and views are
    resolved."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    if pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    return column.cast(pa.binary()) if pa.types.is_binary_view(column.type) else column


def is_text(kind: pa.DataType) -> bool:
    """Say whether a column of this type may be the text."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_null(kind) or (row_keys.is_bytes(kind) and not pa.types.is_fixed_size_binary(kind))


def as_text(column: pa.Array) -> pa.Array:
    """Return a column as ``string`` without nulls (they become empty) and without invalid UTF-8."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if row_keys.is_bytes(column.type):
        raw = row_keys.as_binary(column).fill_null(b"")
        try:
            return raw.cast(pa.string())
        except pa.ArrowInvalid:
            return pa.array([value.decode("utf-8", "replace") for value in raw.to_pylist()], pa.string())
    if pa.types.is_nested(column.type):
        return pa.array(["" if v is None else str(v) for v in column.to_pylist()], pa.string())
    return column.cast(pa.string()).fill_null("")


def cuts(columns: Sequence[pa.Array], batch_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows whose bytes in these columns are at most ``batch_bytes``, or one row."""
    count = len(columns[0])
    sizes = np.zeros(count, np.int64)
    for column in columns:
        kind = column.type
        if row_keys.is_bytes(kind) and not pa.types.is_fixed_size_binary(kind):
            raw = column if not pa.types.is_string_view(kind) else column.cast(pa.binary_view())
            sizes += pc.binary_length(raw).fill_null(0).to_numpy(zero_copy_only=False)
    ends = np.cumsum(sizes)
    start = 0
    while start < count:
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + batch_bytes, side="right")))
        yield start, stop
        start = stop


def missing(path: str, name: str, schema: pa.Schema) -> str:
    """Say that a file lacks a column, and which it has."""
    has = ", ".join(repr(other) for other in schema.names[:20]) or "no columns"
    more = f" and {len(schema.names) - 20} more" if len(schema.names) > 20 else ""
    return f"{path!r} has no column {name!r}; it has {has}{more}: name one of them"


def refuse(rejects: list[dict[str, Any]] | None, file: RowFile, row: int, reason: str, detail: str) -> None:
    """Enter a row that goes to no output, or raise ``InputError`` where nobody collects them."""
    if rejects is None:
        raise InputError(f"{file.path!r}, row {row}: {reason}: {detail}")
    entry = {"file": file.relative, "row": row, "kind": "error", "reason": reason, "detail": detail}
    rejects.append(entry)
