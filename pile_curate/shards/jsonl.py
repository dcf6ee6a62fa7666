"""Write and read jsonl.zst shards: one JSON object a line, ``{"text", "meta"}``, in one zstd frame."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import IO, Any, Final, cast

import orjson
import pyarrow as pa
import zstandard

from pile_curate.errors import DatasetDamaged
from pile_curate.manifest import FileEntry, relative
from pile_curate.storage import HashingFile

_ZSTD_LEVEL: Final = 6
_CHUNK: Final = 1 << 20


class JsonlWriter:
    """Write ``{"text", "meta"}`` lines into one zstd frame that states its size and carries a checksum.

    One frame, because python-zstandard's reader, which ``datasets`` uses, stops after the first; the
    stated size lets one-shot decompressors work and bomb guards judge. It costs one pass over an
    unnamed temporary file beside the output.
    """

    def __init__(self, path: str) -> None:
        self.path, self.rows = path, 0
        directory = os.path.dirname(path)
        os.makedirs(directory, exist_ok=True)
        self._raw: IO[bytes] = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115

    def write(self, batch: pa.RecordBatch) -> None:
        """Append shard rows."""
        for row in batch.to_pylist():
            self._raw.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self.rows += batch.num_rows

    def close(self, root: str, table: str, facts: dict[str, Any]) -> FileEntry:
        """Compress, fsync and return the entry, its path relative to ``root``.

        Its digest is empty, since the Parquet twin carries it.
        """
        size = self._raw.tell()
        self._raw.seek(0)
        compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True, write_content_size=True)
        out = HashingFile(self.path)
        try:
            compressor.copy_stream(
                self._raw, cast("IO[bytes]", out), size=size, read_size=_CHUNK, write_size=_CHUNK
            )
            out.close()
        except BaseException:
            out.discard()
            raise
        finally:
            self._raw.close()
        return FileEntry(
            path=relative(root, self.path),
            rows=self.rows,
            bytes=out.size,
            sha256=out.sha256,
            table=table,
            facts=facts,
        )

    def abort(self) -> None:
        """Drop everything written; nothing has a name before ``close``."""
        self._raw.close()


def read_jsonl(path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a jsonl.zst shard.

    Raises ``DatasetDamaged`` if it is cut, has bytes after its frame, or a line is not JSON. A reader that
    merely decompresses would take a cut file for a shorter one, so the size that the frame states is checked.
    """
    rows = size = 0
    try:
        with open(path, "rb") as stream:
            stated = zstandard.get_frame_parameters(stream.read(18)).content_size
            stream.seek(0)
            reader = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
            tail = b""
            while chunk := reader.read(_CHUNK):
                size += len(chunk)
                *lines, tail = (tail + chunk).split(b"\n")
                for line in lines:
                    rows += 1
                    yield orjson.loads(line)
    except (zstandard.ZstdError, orjson.JSONDecodeError) as error:
        raise DatasetDamaged(f"{path}: after {rows} rows: {error}") from error
    if size != stated or tail:
        raise DatasetDamaged(f"{path}: {size} bytes decompressed where its header states {stated}")
