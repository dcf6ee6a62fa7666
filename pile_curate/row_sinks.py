"""Hold one output file under way: hashed as it is written, and gone after an error."""

from __future__ import annotations

import contextlib
import os
import zlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from pile_curate.hashing import hex128
from pile_curate.row_jsonl import KeptLines
from pile_curate.row_parquet import opened
from pile_curate.row_splits import RowSplit
from pile_curate.storage import HashingFile

_GROUP_BYTES = 64 << 20
_GROUP_ROWS = 1 << 20
_LONG = 256  # mean bytes of a value from which on a column is written without a dictionary
_GZIP_LEVEL = 4  # half the time of level 6 for about a twentieth more bytes
_ZSTD_LEVEL = 3
_CODECS = {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4"}


@dataclass(frozen=True, slots=True)
class OutFile:
    """One file written: its name in the folder, what it holds, and its rows' digest (see ``row_digests``).

    Of JSON lines the digest is the sum mod 2^128 of the lines' XXH3 hashes.
    """

    path: str
    rows: int
    bytes: int
    sha256: str
    digest: str
    text_bytes: int


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Rows to write, the sum of their hashes, and the bytes of their texts."""

    batch: pa.RecordBatch
    sum: int
    text_bytes: int


class ParquetSink:
    """One Parquet file under way; its options are those of the file that its first rows come from."""

    def __init__(self, directory: str, name: str, schema: pa.Schema, split: RowSplit | None) -> None:
        self._name, self._path = name, os.path.join(directory, name)
        self.held = self._rows = self._text = self._sum = 0
        self._held: list[pa.RecordBatch] = []
        self._schema = schema
        self._group_bytes = self._group_rows = 0
        options = _options(split, schema)
        self._file = HashingFile(self._path)
        self._writer = pq.ParquetWriter(self._file, schema, use_compliant_nested_type=False, **options)

    def takes(self, piece: KeptRows | KeptLines) -> bool:
        """Say whether these rows may go into this file."""
        return isinstance(piece, KeptRows) and piece.batch.schema.equals(self._schema)

    def write(self, piece: KeptRows | KeptLines) -> None:
        """Add rows; a row group is written once enough are held."""
        if not isinstance(piece, KeptRows):
            raise TypeError("a Parquet file takes batches, not lines")
        size, rows = piece.batch.nbytes, piece.batch.num_rows
        self._held.append(piece.batch)
        self.held += size
        self._rows += rows
        self._text += piece.text_bytes
        self._sum += piece.sum
        self._group_bytes += size
        self._group_rows += rows
        if self._group_bytes >= _GROUP_BYTES or self._group_rows >= _GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            table = pa.Table.from_batches(self._held, self._schema)
            with contextlib.suppress(pa.ArrowException):  # where it cannot, Parquet decodes: the same rows
                table = table.unify_dictionaries()
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self._held, self._group_bytes, self._group_rows = [], 0, 0

    def close(self) -> OutFile:
        """Finish the file durably."""
        self._flush()
        self._writer.close()
        self._file.close()
        size, sha = self._file.size, self._file.sha256
        return OutFile(self._name, self._rows, size, sha, hex128(self._sum), self._text)

    def abort(self) -> None:
        """Remove the unfinished file."""
        with contextlib.suppress(OSError, ValueError, pa.ArrowException):
            self._writer.close()
        self._file.discard()


class LinesSink:
    """One JSON lines file under way, in one zstd frame or gzip member, or plain."""

    def __init__(self, directory: str, stem: str, codec: str) -> None:
        # bz2 and xz are read, by content, but written as zst.
        self._codec = codec if codec in ("", "gz") else "zst"
        self._name = f"{stem}.jsonl{'.' if self._codec else ''}{self._codec}"
        self.held = self._rows = self._text = self._sum = 0
        self._pack = _packer(self._codec)
        self._file = HashingFile(os.path.join(directory, self._name))

    def takes(self, piece: KeptRows | KeptLines) -> bool:
        """Say whether these rows may go into this file."""
        return isinstance(piece, KeptLines) and self._codec == (
            piece.codec if piece.codec in ("", "gz") else "zst"
        )

    def write(self, piece: KeptRows | KeptLines) -> None:
        """Add lines."""
        if not isinstance(piece, KeptLines):
            raise TypeError("a JSON lines file takes lines, not batches")
        data = b"\n".join((*piece.lines, b""))
        self.held += len(data)
        self._rows += len(piece.lines)
        self._text += piece.text_bytes
        self._sum += piece.sum
        self._file.write(data if self._pack is None else self._pack.compress(data))

    def close(self) -> OutFile:
        """Finish the file durably."""
        if self._pack is not None:
            self._file.write(self._pack.flush())
        self._file.close()
        return OutFile(
            self._name, self._rows, self._file.size, self._file.sha256, hex128(self._sum), self._text
        )

    def abort(self) -> None:
        """Remove the unfinished file."""
        self._file.discard()


def _packer(codec: str) -> Any:
    if codec == "gz":
        return zlib.compressobj(_GZIP_LEVEL, wbits=31)
    if codec == "zst":
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compressobj()
    return None


def _options(split: RowSplit | None, schema: pa.Schema) -> dict[str, Any]:
    """Return how a file stores what Arrow's schema does not say: codecs, times, decimals, indexes."""
    if split is None or not split.file.groups:
        return {"compression": "zstd"}
    with opened(split.file.path) as file:
        group = file.metadata.row_group(split.first)
        leaves = [group.column(i) for i in range(group.num_columns)]
        physical = [file.schema.column(i) for i in range(group.num_columns)]
    codecs = {leaf.path_in_schema: _CODECS.get(leaf.compression, leaf.compression.lower()) for leaf in leaves}
    known = {
        path: codec if codec == "none" or pa.Codec.is_available(codec) else "zstd"
        for path, codec in codecs.items()
    }
    common = max(set(known.values()), key=list(known.values()).count, default="zstd")
    compression: Any = common
    if len(set(known.values())) > 1:
        compression = {path: known.get(path, common) for path in _leaves(schema)}
    integers = [
        leaf
        for leaf in physical
        if leaf.logical_type.type == "DECIMAL" and leaf.physical_type.startswith("INT")
    ]
    long = {
        leaf.path_in_schema
        for leaf in leaves
        if leaf.physical_type == "BYTE_ARRAY" and leaf.total_uncompressed_size >= _LONG * leaf.num_values
    }
    return {
        "compression": compression,
        # A dictionary of long texts saves nothing, and its page would hold them all.
        "use_dictionary": [path for path in _leaves(schema) if path not in long] if long else True,
        "use_deprecated_int96_timestamps": any(leaf.physical_type == "INT96" for leaf in leaves),
        "store_decimal_as_integer": bool(integers),
        "write_page_index": any(leaf.has_offset_index for leaf in leaves),
    }


def _leaves(schema: pa.Schema) -> list[str]:
    """Return the paths of a schema's leaves as Parquet names them."""
    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink, use_compliant_nested_type=False)
    stored = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return [stored.column(i).path for i in range(len(stored))]
