"""Write and read Parquet parts: cast by name, hashed while written, with a logical digest of the rows.

One part is one file under an attempt's directory. Its ``FileEntry`` is what a task returns; only entries
that reach the manifest count, so a part of a failed task is harmless.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate.errors import DatasetDamaged, DatasetError
from pile_curate.hashing import add_digests, hex128, rows_digest
from pile_curate.manifest_format import ATTEMPTS, FileEntry
from pile_curate.schema import RUN_COLUMNS, conform
from pile_curate.storage import HashingFile

ROW_GROUP_BYTES = 16 << 20
"""Bytes in memory of one row group: what a reader must hold at once."""

Rows: TypeAlias = pa.RecordBatch | pa.Table | Sequence[Mapping[str, Any]]


def part_name(index: int, suffix: str = ".parquet") -> str:
    """Return a file name that no retry or speculative copy of the same task will choose again."""
    return f"part-{index:05d}-{uuid.uuid4().hex[:12]}{suffix}"


def dataset_relative(path: str) -> str:
    """Return a part's path relative to its dataset: what begins at its ``attempts`` folder.

    >>> dataset_relative("/out/documents/attempts/3f/part-0.parquet")
    'attempts/3f/part-0.parquet'
    """
    parts = os.path.abspath(path).split(os.sep)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == ATTEMPTS:
            return "/".join(parts[index:])
    raise DatasetError(f"{path!r} is not below an {ATTEMPTS!r} folder; write parts into Attempt.directory")


class PartWriter:
    """Write one Parquet file of a dataset. Use ``close`` for the entry, ``abort`` to leave nothing behind.

    As a context manager it aborts on an error and closes otherwise; ``entry`` then holds the result.
    """

    def __init__(
        self,
        directory: str,
        name: str,
        schema: pa.Schema,
        *,
        exclude: Sequence[str] = RUN_COLUMNS,
        compression: str = "zstd",
        row_group_bytes: int = ROW_GROUP_BYTES,
        table: str = "main",
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = os.path.join(directory, name)
        self.rel = dataset_relative(self.path)
        self.schema, self.rows = schema, 0
        self.entry: FileEntry | None = None
        self._exclude = tuple(exclude)
        self._table, self._facts = table, dict(facts or {})
        self._limit = row_group_bytes
        self._held: list[pa.Table] = []
        self._held_bytes = 0
        self._digests: list[int] = []
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        try:
            self._file = HashingFile(self.path)
        except FileExistsError:
            raise DatasetError(f"{self.path!r} exists; part names must be new (see part_name)") from None
        self._writer = pq.ParquetWriter(self._file, schema, compression=compression)

    def write(self, rows: Rows) -> None:
        """Add rows, cast to the schema by column name; ``KeyError`` for a column that it does not know."""
        if isinstance(rows, (pa.RecordBatch, pa.Table)):
            batch = conform(rows, self.schema)
        else:
            batch = _from_dicts(rows, self.schema)
        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        if table.num_rows == 0:
            return
        self._digests.append(rows_digest(table, self._exclude))
        self.rows += table.num_rows
        self._held.append(table)
        self._held_bytes += table.nbytes
        if self._held_bytes >= self._limit:
            self._flush()

    def close(self) -> FileEntry:
        """Finish the file durably and return its entry."""
        if self.entry is None:
            self._flush()
            self._writer.close()
            self._file.close()
            self.entry = FileEntry(
                path=self.rel,
                rows=self.rows,
                bytes=self._file.size,
                sha256=self._file.sha256,
                digest=hex128(add_digests(self._digests)),
                table=self._table,
                facts=self._facts,
            )
        return self.entry

    def abort(self) -> None:
        """Remove the unfinished file."""
        if self.entry is None:
            with contextlib.suppress(OSError, ValueError, pa.ArrowException):
                self._writer.close()  # else its destructor writes to a file that is gone
            self._file.discard()

    def __enter__(self) -> PartWriter:
        """Return the writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Close, or abort if the block failed."""
        if kind is None:
            self.close()
        else:
            self.abort()

    def _flush(self) -> None:
        if self._held:
            table = pa.concat_tables(self._held)
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))
            self._held, self._held_bytes = [], 0


def _from_dicts(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    known = set(schema.names)
    for row in rows:
        if not known.issuperset(row):
            raise KeyError(f"columns {sorted(set(row) - known)} are not in the schema; it has {schema.names}")
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


def iter_batches(
    path: str, columns: Sequence[str] | None = None, batch_rows: int = 1024
) -> Iterator[pa.RecordBatch]:
    """Yield a Parquet file's rows in order, at most ``batch_rows`` at a time, memory bounded by a row group.

    Raises ``DatasetDamaged`` if the file cannot be read as Parquet or lacks a column.
    """
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            if columns is not None:
                missing = [name for name in columns if name not in file.schema_arrow.names]
                if missing:
                    raise DatasetDamaged(f"{path!r} lacks the columns {missing}")
            wanted = None if columns is None else list(columns)
            yield from file.iter_batches(batch_size=batch_rows, columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise DatasetDamaged(f"{path!r} cannot be read as Parquet: {error}") from error


def read_rows(
    paths: Sequence[str], columns: Sequence[str] | None = None, schema: pa.Schema | None = None
) -> pa.Table:
    """Return all rows of small files as one table; give ``schema`` so that no paths still means columns."""
    batches = [batch for path in paths for batch in iter_batches(path, columns)]
    if schema is not None:
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        return pa.Table.from_batches([conform(batch, schema) for batch in batches], schema=schema)
    if not batches:
        raise DatasetError("no rows and no schema: pass schema= to read a table that may be empty")
    return pa.Table.from_batches(batches)
