"""Write a table minus some of its rows: every column, in the order of the input, hashed on the way.

Parquet keeps the schema to the last piece of metadata, nested and dictionary columns, each column's codec,
and how times and decimals are stored; row groups are cut anew. JSON lines keep every byte of a line but its
line end, which becomes ``\\n``, and the file's compression.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pile_curate.errors import InputError
from pile_curate.row_columns import column_of, plain_text
from pile_curate.row_digests import rows_sum
from pile_curate.row_jsonl import KeptLines, kept_lines
from pile_curate.row_keys import valid_mask
from pile_curate.row_parquet import batches, check_unchanged, opened
from pile_curate.row_sinks import KeptRows, LinesSink, OutFile, ParquetSink
from pile_curate.row_splits import Columns, RowSplit
from pile_curate.storage import fsync_dir

__all__ = ["FILE_BYTES", "OutFile", "conform", "write_kept"]

FILE_BYTES = 1 << 30
"""Bytes in memory (JSON lines: of lines) after which the next file begins."""


def write_kept(
    splits: Sequence[RowSplit],
    dropped: Callable[[RowSplit], NDArray[np.int64]],
    directory: str,
    name: str,
    schema: pa.Schema | None,
    columns: Columns,
    *,
    batch_bytes: int = 32 << 20,
    file_bytes: int = FILE_BYTES,
    write_empty: bool = False,
) -> list[OutFile]:
    """Write the rows of the splits that ``dropped`` (file rows of a split, any order) does not name.

    ``schema`` is ``row_files.table_schema``'s; rows of files that lack a column get null, others are widened.
    Rows that ``read_split`` rejects are left out too. Files are called ``NAME-000.parquet`` and so on
    (``.jsonl``, ``.jsonl.gz``, ``.jsonl.zst``), must be new, and are durable on return; after an error none
    is left. Without rows nothing is written, unless ``write_empty`` (for the schema's sake). Memory:
    ``batch_bytes`` and a row group of 64 MiB.
    """
    os.makedirs(directory, exist_ok=True)
    made: list[OutFile] = []
    sink: ParquetSink | LinesSink | None = None

    def begin(split: RowSplit | None, piece: KeptRows | KeptLines | None) -> ParquetSink | LinesSink:
        stem = f"{name}-{len(made):03d}"
        if isinstance(piece, KeptLines) or (piece is None and schema is None):
            return LinesSink(directory, stem, piece.codec if isinstance(piece, KeptLines) else "zst")
        written = schema if piece is None else piece.batch.schema
        return ParquetSink(directory, f"{stem}.parquet", written, split)

    try:
        for split in splits:
            gone = np.asarray(dropped(split), np.int64)
            for piece in _kept(split, gone, schema, columns, batch_bytes):
                if sink is not None and (sink.held >= file_bytes or not sink.takes(piece)):
                    made.append(sink.close())
                    sink = None
                sink = sink or begin(split, piece)
                sink.write(piece)
        if sink is None and write_empty:
            sink = begin(splits[0] if splits else None, None)
        if sink is not None:
            made.append(sink.close())
    except BaseException:
        if sink is not None:
            sink.abort()
        for file in made:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(directory, file.path))
        raise
    fsync_dir(directory)
    return made


def _kept(
    split: RowSplit, gone: NDArray[np.int64], schema: pa.Schema | None, columns: Columns, batch_bytes: int
) -> Iterator[KeptRows] | Iterator[KeptLines]:
    stop = split.stop_row
    if len(gone) and (gone.min() < split.start_row or (stop is not None and gone.max() >= stop)):
        raise ValueError(f"dropped rows of {split.file.relative} must lie within [{split.start_row}, {stop})")
    if split.file.format == "parquet":
        return _kept_rows(split, gone, schema, columns, batch_bytes)
    return (block for block in kept_lines(split, gone, columns) if block.lines)


def _kept_rows(
    split: RowSplit, gone: NDArray[np.int64], schema: pa.Schema | None, columns: Columns, batch_bytes: int
) -> Iterator[KeptRows]:
    """Yield the kept rows of a Parquet split in the table's schema."""
    keep = np.ones(sum(split.file.groups[split.first : split.stop]), bool)
    keep[gone - split.start_row] = False
    with opened(split.file.path) as file:
        check_unchanged(file, split.file)
        target = file.schema_arrow if schema is None else schema
        key = columns.id or ("id" if target.get_field_index("id") >= 0 else None)
        row = 0
        for batch in batches(file, split, None, columns.text, batch_bytes):
            mask = keep[row : row + batch.num_rows]
            row += batch.num_rows
            whole = conform(batch, target, split.file.path)
            if columns.id is not None:
                known = valid_mask(column_of(whole, columns.id))
                mask = mask if known is None else mask & known
            for piece in [whole] if mask.all() else _filtered(whole, mask):
                if piece.num_rows:
                    text = plain_text(column_of(piece, columns.text))
                    sum_ = rows_sum(text, None if key is None else column_of(piece, key))
                    yield KeptRows(piece, sum_, pc.sum(pc.binary_length(text)).as_py() or 0)


def conform(batch: pa.RecordBatch, target: pa.Schema, path: str) -> pa.RecordBatch:
    """Return a batch in the table's schema; ``InputError`` for a value that the wider type cannot hold."""
    if batch.schema.equals(target, check_metadata=False):
        return pa.RecordBatch.from_arrays(batch.columns, schema=target)
    arrays = []
    for field in target:
        at = batch.schema.get_field_index(field.name)
        if at < 0:
            arrays.append(pa.nulls(batch.num_rows, field.type))
            continue
        column = batch.column(at)
        if column.type != field.type:
            options = pc.CastOptions(target_type=field.type, allow_invalid_utf8=True)
            try:
                column = pc.cast(column, options=options)
            except pa.ArrowException as error:
                raise InputError(
                    f"column {field.name!r} of {path!r} is of type {column.type} and cannot become "
                    f"{field.type}, as the table's other files need: {error}; convert that file"
                ) from error
        arrays.append(column)
    return pa.RecordBatch.from_arrays(arrays, schema=target)


def _filtered(batch: pa.RecordBatch, mask: NDArray[np.bool_]) -> list[pa.RecordBatch]:
    try:
        return [batch.filter(pa.array(mask))]
    except pa.ArrowNotImplementedError:
        # Some types (views) have no filter: hand out the runs of kept rows as slices.
        edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False]))))
        runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        return [batch.slice(start, stop - start) for start, stop in runs]
