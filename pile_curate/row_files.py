"""Read any table, Parquet or JSON lines, by splits: what deduplication needs of its rows, in bounded batches.

``discover`` lists the files, ``table_schema`` checks them, ``plan`` cuts them, ``read_split`` gives the
narrow columns and ``read_texts`` the texts of chosen rows. ``row_writers`` writes the same table minus some
rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pile_curate import row_jsonl, row_parquet
from pile_curate.errors import InputError
from pile_curate.row_columns import field_of, is_text, missing
from pile_curate.row_keys import key_text
from pile_curate.row_listing import discover
from pile_curate.row_splits import (
    FORMATS,
    Columns,
    RowFile,
    RowSplit,
    fingerprint,
    plan,
    refuse_overlap,
)

__all__ = [
    "Columns",
    "FORMATS",
    "RowFile",
    "RowSplit",
    "discover",
    "fingerprint",
    "key_text",
    "plan",
    "read_split",
    "read_texts",
    "refuse_overlap",
    "table_schema",
]


def table_schema(files: Sequence[RowFile], columns: Columns) -> pa.Schema | None:
    """Return the one Arrow schema that every row of the table fits, checked; None for JSON lines.

    Equal schemas stay as they are, to the last piece of metadata. Else columns are those of all files in the
    order in which they first appear, widened where types differ (int32 and int64, string and large_string,
    string and binary, fields of structs), nullable where a file lacks them; metadata are the first file's.

    Raises ``InputError`` for types that nothing holds both of, naming two files; for a file without
    the text or the named id; for other named columns that no file has; for a text that is no text; for
    JSON lines whose first thousand lines are no objects or have no text.
    """
    if not files or files[0].format != "parquet":
        row_jsonl.check(files, columns)
        return None
    first: dict[bytes, RowFile] = {}
    for file in files:
        first.setdefault(file.schema, file)
    schemas = [(pa.ipc.read_schema(pa.py_buffer(raw)), file) for raw, file in first.items()]
    for schema, file in schemas:
        _check(schema, file, columns)
    for what, name in columns.facts().items():
        if all(field_of(schema, name) is None for schema, _ in schemas):
            raise InputError(f"the {what} column is missing: {missing(files[0].path, name, schemas[0][0])}")
    return schemas[0][0] if len(schemas) == 1 else _merged(schemas)


def _check(schema: pa.Schema, file: RowFile, columns: Columns) -> None:
    for what, name in (("text", columns.text), ("id", columns.id)):
        if name is not None and field_of(schema, name) is None:
            raise InputError(f"the {what} column is missing: {missing(file.path, name, schema)}")
    field = field_of(schema, columns.text)
    if field is not None and not is_text(field.type):
        strings = [other.name for other in schema if is_text(other.type)]
        raise InputError(
            f"the text column {columns.text!r} of {file.path!r} is of type {field.type}; allowed are "
            f"strings and binaries: {', '.join(map(repr, strings[:20])) or 'this file has none'}"
        )


def _merged(schemas: Sequence[tuple[pa.Schema, RowFile]]) -> pa.Schema:
    """Unite schemas column by column, so that an error can say which two files disagree on which."""
    fields: dict[str, pa.Field] = {}
    origin: dict[str, RowFile] = {}
    for schema, file in schemas:
        if len(set(schema.names)) < len(schema.names):
            twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
            raise InputError(
                f"{file.path!r} has several columns called {twice[0]!r}, and schemas differ between files; "
                "rename all but one of them"
            )
        for field in schema:
            known = fields.get(field.name)
            merged = field
            if known is not None:
                wider = _wider(known, field)
                if wider is None:
                    raise InputError(
                        f"column {field.name!r} is of type {known.type} in {origin[field.name].path!r} and "
                        f"{field.type} in {file.path!r}; no type holds both: convert one of them, or give "
                        "only files that agree"
                    )
                merged = wider
            if known is None or merged.type != known.type:
                origin[field.name] = file
            fields[field.name] = merged
    everywhere = set.intersection(*(set(schema.names) for schema, _ in schemas))
    united = [field if name in everywhere else field.with_nullable(True) for name, field in fields.items()]
    return pa.schema(united, schemas[0][0].metadata)


def _wider(left: pa.Field, right: pa.Field) -> pa.Field | None:
    """Return the field that holds both, or None."""
    for a, b in ((left, right), (_resolved(left), _resolved(right))):
        if pa.types.is_null(a.type) or pa.types.is_null(b.type):
            a, b = a.with_nullable(True), b.with_nullable(True)
        try:
            return pa.unify_schemas([pa.schema([a]), pa.schema([b])], promote_options="permissive").field(0)
        except (pa.ArrowException, ValueError):
            continue
    return None


def _resolved(field: pa.Field) -> pa.Field:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_string_view(kind):
        kind = pa.large_string()
    elif pa.types.is_binary_view(kind):
        kind = pa.large_binary()
    return field.with_type(kind)


def read_split(
    split: RowSplit,
    columns: Columns,
    *,
    batch_bytes: int = 32 << 20,
    rejects: list[dict[str, Any]] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a split, in order, with the columns that deduplication needs.

    ``row``: int64, the row's number in its file. ``key``: binary, the id as ``row_keys`` encodes it.
    ``text``: as stored, ``(large_)string`` or ``(large_)binary``, null where it is null; a string may hold
    invalid UTF-8. ``source``, ``split``, ``url``: string, only those that ``columns`` names; null becomes
    ``""``.

    A batch holds at most ``batch_bytes`` of these, or one row; it may be empty and may be a slice (mind
    ``offset``). A row whose named id is null is entered in ``rejects`` (which the caller may empty between
    batches) and left out; with ``rejects=None`` it is an ``InputError``. A null in an ``id`` that nobody
    named is no error: the row is then known by its number. So are, of JSON lines, lines that are no object
    and texts that are no strings; and the end of a damaged file, once.
    """
    if batch_bytes < 1:
        raise ValueError(f"batch_bytes must be at least 1, not {batch_bytes}")
    if split.file.format == "parquet":
        return row_parquet.read_split(split, columns, batch_bytes, rejects)
    return row_jsonl.read_split(split, columns, batch_bytes, rejects)


def read_texts(
    split: RowSplit,
    rows: NDArray[np.int64],
    columns: Columns = Columns(),  # noqa: B008 - frozen
    *,
    batch_bytes: int = 32 << 20,
) -> Iterator[pa.Array]:
    """Yield the texts of the rows with these numbers (ascending, of this split), in order, in bounded arrays.

    Of Parquet only row groups that hold such a row are read, and only their text; JSON lines are read to the
    last such row.
    """
    rows = np.asarray(rows, np.int64)
    stop = split.stop_row
    if len(rows) and (
        rows[0] < split.start_row or (stop is not None and rows[-1] >= stop) or (np.diff(rows) <= 0).any()
    ):
        raise ValueError(
            f"rows must ascend within [{split.start_row}, {stop}), not {rows[:5]} ... {rows[-1]}"
        )
    if split.file.format == "parquet":
        return row_parquet.read_texts(split, rows, columns, batch_bytes)
    return row_jsonl.read_texts(split, rows, columns, batch_bytes)
