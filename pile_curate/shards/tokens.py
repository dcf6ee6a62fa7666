"""Write and read token parts: Megatron's indexed-dataset pair, and beside it who each document is.

``PREFIX.bin`` holds token ids back to back, each document ending in the end-of-text token; ``PREFIX.idx``
holds where each document starts, so that Megatron-LM, GPT-NeoX and their kin open a part as it is;
``PREFIX.docs.parquet`` (``schema.TOKEN_DOCUMENTS``) holds doc_id, source, tokens and the UTF-8 bytes of
the text, without which neither bits per byte nor an order by document could be computed. One sequence
is one document. Megatron's index costs 20 bytes a document and limits a document's length to int32.

Index layout, little-endian (Megatron-LM, megatron/core/datasets/indexed_dataset.py, version 1):
9 bytes magic, uint64 version, uint8 dtype code, uint64 sequences N, uint64 length of the document
index (N + 1), int32[N] sizes in tokens, int64[N] byte offsets, int64[N + 1] document index.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pile_curate.errors import TokenFileError
from pile_curate.schema import TOKEN_DOCUMENTS

MAGIC: Final = b"MMIDIDX\x00\x00"
VERSION: Final = 1
HEADER: Final = struct.Struct("<9sQBQQ")
CODES: Final[dict[int, np.dtype[Any]]] = {
    1: np.dtype("<u1"),
    2: np.dtype("<i1"),
    3: np.dtype("<i2"),
    4: np.dtype("<i4"),
    5: np.dtype("<i8"),
    8: np.dtype("<u2"),
}
"""Megatron's integer dtype codes; 6 and 7 are floats, which no token file holds."""

SUFFIXES: Final = (".bin", ".idx", ".docs.parquet")
_UINT16_VOCABULARY: Final = 65_535
_MAX_DOCUMENT: Final = 2**31 - 1
_ROWS: Final = 65_536
_MASK_128: Final = (1 << 128) - 1

Tokens = npt.NDArray[Any]


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """Return the dtype for a vocabulary: uint16 up to 65,535 tokens (half the disk), else int32.

    >>> token_dtype(16384).name, token_dtype(128000).name
    ('uint16', 'int32')
    """
    return np.dtype("<u2") if vocab_size <= _UINT16_VOCABULARY else np.dtype("<i4")


def paths_of(prefix: str | os.PathLike[str]) -> tuple[Path, Path, Path]:
    """Return the paths of a part's .bin, .idx and .docs.parquet files."""
    base = os.fspath(prefix)
    return Path(base + SUFFIXES[0]), Path(base + SUFFIXES[1]), Path(base + SUFFIXES[2])


class TokenWriter:
    """Write one part, document by document; ``close`` makes it durable, an error inside ``with`` removes it.

    Sizes and ids wait in memory (about 100 bytes a document); tokens go straight to disk.
    """

    def __init__(
        self,
        prefix: str | os.PathLike[str],
        dtype: npt.DTypeLike,
        *,
        eos_id: int = 0,
        source: str = "",
    ) -> None:
        self.prefix, self.eos_id, self.source = os.fspath(prefix), eos_id, source
        self.dtype = np.dtype(dtype).newbyteorder("<")
        codes = [code for code, known in CODES.items() if known == self.dtype]
        if not codes:
            allowed = ", ".join(known.name for known in CODES.values())
            raise TokenFileError(f"{prefix}: cannot store tokens as {self.dtype.name}; use one of {allowed}")
        self._code = codes[0]
        self._limits = np.iinfo(self.dtype)
        self._eos = np.array([self._checked(np.array([eos_id]))[0]], dtype=self.dtype)
        self._ids: list[bytes] = []
        self._sizes: list[int] = []
        self._bytes: list[int] = []
        self._sources: list[str] = []
        self._content = 0
        self._closed = False
        paths = paths_of(prefix)
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        self._bin: IO[bytes] = open(paths[0], "wb", buffering=1 << 20)  # noqa: SIM115

    def _checked(self, tokens: Tokens) -> Tokens:
        if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
            raise TokenFileError(
                f"{self.prefix}: tokens must be a flat array of integers, not {tokens.dtype} {tokens.shape}"
            )
        if len(tokens) and (int(tokens.min()) < 0 or int(tokens.max()) > self._limits.max):
            raise TokenFileError(
                f"{self.prefix}: token ids {tokens.min()}..{tokens.max()} do not fit {self.dtype.name}"
                f" (0..{self._limits.max}); choose the dtype with token_dtype(vocab_size)"
            )
        return tokens

    def add(
        self, doc_id: bytes, tokens: npt.ArrayLike, text_bytes: int, *, source: str | None = None
    ) -> None:
        """Append one document's tokens and the end-of-text token."""
        if len(doc_id) != 16:
            raise TokenFileError(f"{self.prefix}: doc_id must be 16 bytes, not {len(doc_id)}")
        array = np.asarray(tokens)
        # An empty list becomes float64 in numpy; an empty document is legal and is just its end of text.
        array = self._checked(array if array.size else np.empty(0, dtype=self.dtype))
        if len(array) >= _MAX_DOCUMENT:
            raise TokenFileError(
                f"{self.prefix}: document {doc_id.hex()} has {len(array)} tokens, above int32"
            )
        raw = array.astype(self.dtype, copy=False).tobytes()
        self._bin.write(raw)
        self._bin.write(self._eos.tobytes())
        self._ids.append(bytes(doc_id))
        self._sizes.append(len(array) + 1)
        self._bytes.append(int(text_bytes))
        self._sources.append(self.source if source is None else source)
        self._content += xxhash.xxh3_128_intdigest(bytes(doc_id) + raw)

    @property
    def documents(self) -> int:
        """Documents added so far."""
        return len(self._ids)

    @property
    def facts(self) -> dict[str, Any]:
        """Totals: documents, tokens (as training sees them: with end-of-text tokens), text_bytes, content.

        ``content`` is the sum mod 2^128 of hashes of (doc_id, token bytes): equal for the same documents
        however they were cut into parts.
        """
        return {
            "documents": len(self._ids),
            "tokens": sum(self._sizes),
            "text_bytes": sum(self._bytes),
            "dtype": self.dtype.name,
            "content": f"{self._content & _MASK_128:032x}",
        }

    def table(self) -> pa.Table:
        """Return the rows of the .docs.parquet file."""
        return pa.Table.from_arrays(
            [
                pa.array(self._ids, pa.binary(16)),
                pa.array(self._sources, pa.string()),
                pa.array([size - 1 for size in self._sizes], pa.int64()),
                pa.array(self._bytes, pa.int64()),
            ],
            schema=TOKEN_DOCUMENTS,
        )

    def close(self) -> dict[str, Any]:
        """Write index and documents, fsync all three files and return ``facts``. Safe to call twice."""
        if self._closed:
            return self.facts
        _, idx, docs = paths_of(self.prefix)
        self._sync(self._bin)
        sizes = np.array(self._sizes, dtype="<i4")
        ends = np.cumsum(sizes, dtype="<i8") * self.dtype.itemsize
        pointers = np.concatenate([np.zeros(1, "<i8"), ends[:-1]]) if len(sizes) else np.empty(0, "<i8")
        with open(idx, "wb") as out:
            out.write(HEADER.pack(MAGIC, VERSION, self._code, len(sizes), len(sizes) + 1))
            out.write(sizes.tobytes())
            out.write(pointers.astype("<i8").tobytes())
            out.write(np.arange(len(sizes) + 1, dtype="<i8").tobytes())
            self._sync(out)
        with open(docs, "wb") as out:
            pq.write_table(self.table(), out, compression="zstd", row_group_size=_ROWS)
            self._sync(out)
        self._closed = True
        return self.facts

    @staticmethod
    def _sync(out: IO[bytes]) -> None:
        out.flush()
        os.fsync(out.fileno())
        out.close()

    def abort(self) -> None:
        """Remove whatever was written; for a task that failed half-way."""
        self._bin.close()
        self._closed = True
        for path in paths_of(self.prefix):
            path.unlink(missing_ok=True)

    def __enter__(self) -> TokenWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


class TokenPart:
    """Read one part through a memory map; every count and length is checked when it is opened.

    Pickles as its prefix, so that data-loader workers reopen the map instead of copying it.
    """

    def __init__(self, prefix: str | os.PathLike[str]) -> None:
        self.prefix = os.fspath(prefix)
        bin_path, idx_path, docs_path = paths_of(prefix)
        for path in (bin_path, idx_path, docs_path):
            if not path.is_file():
                raise TokenFileError(f"{path}: missing; a part is {', '.join(SUFFIXES)} with one prefix")
        self.dtype, self.sizes, self.pointers = _read_index(idx_path)
        # Offsets in tokens, one more than documents: document i is tokens[starts[i] : starts[i + 1]].
        self.starts: npt.NDArray[np.int64] = np.concatenate(
            [np.zeros(1, np.int64), np.cumsum(self.sizes, dtype=np.int64)]
        )
        self.tokens_total = int(self.starts[-1])
        expected, found = self.tokens_total * self.dtype.itemsize, bin_path.stat().st_size
        if found != expected:
            what = "truncated" if found < expected else "too long"
            raise TokenFileError(f"{bin_path}: {what}: {found} bytes where its index says {expected}")
        if not np.array_equal(self.pointers, self.starts[:-1] * self.dtype.itemsize):
            raise TokenFileError(f"{idx_path}: its offsets do not follow from its sizes")
        self.tokens: Tokens = (
            np.memmap(bin_path, dtype=self.dtype, mode="r") if expected else np.empty(0, dtype=self.dtype)
        )
        self._table = _read_documents(docs_path, self.sizes)
        self._ids: list[bytes] | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    def __reduce__(self) -> tuple[type[TokenPart], tuple[str]]:
        return TokenPart, (self.prefix,)

    def document(self, index: int) -> Tokens:
        """Return document ``index``'s tokens with its end-of-text token last, as a view of the map."""
        if not 0 <= index < len(self):
            raise IndexError(f"{self.prefix}: document {index} of {len(self)}")
        return self.tokens[self.starts[index] : self.starts[index + 1]]

    def __iter__(self) -> Iterator[Tokens]:
        for index in range(len(self)):
            yield self.document(index)

    @property
    def doc_ids(self) -> list[bytes]:
        """The documents' 16-byte ids, in file order."""
        if self._ids is None:
            self._ids = self._table.column("doc_id").to_pylist()
        return self._ids

    @property
    def text_bytes(self) -> npt.NDArray[np.int64]:
        """UTF-8 bytes of each document's text, in file order."""
        values: npt.NDArray[np.int64] = self._table.column("text_bytes").to_numpy()
        return values

    @property
    def sources(self) -> list[str]:
        """Each document's source, in file order."""
        names: list[str] = self._table.column("source").to_pylist()
        return names

    @property
    def source(self) -> str:
        """The part's one source; raises TokenFileError if the part mixes sources."""
        names = sorted(set(self.sources))
        if len(names) > 1:
            raise TokenFileError(f"{self.prefix}: holds {len(names)} sources ({', '.join(names)}), not one")
        return names[0] if names else ""


def _read_index(path: Path) -> tuple[np.dtype[Any], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    raw = path.read_bytes()
    if len(raw) < HEADER.size:
        raise TokenFileError(f"{path}: truncated: {len(raw)} bytes, the header alone has {HEADER.size}")
    magic, version, code, count, documents = HEADER.unpack_from(raw)
    if magic != MAGIC:
        raise TokenFileError(f"{path}: starts with {magic!r}, not {MAGIC!r}; not a Megatron index")
    if version != VERSION:
        raise TokenFileError(f"{path}: version {version}; this reader knows version {VERSION}")
    if code not in CODES:
        raise TokenFileError(f"{path}: dtype code {code}; integer codes are {sorted(CODES)}")
    if documents != count + 1:
        raise TokenFileError(
            f"{path}: {count} sequences but a document index of {documents}; here one sequence is a document"
        )
    expected = HEADER.size + 4 * count + 8 * count + 8 * documents
    if len(raw) != expected:
        what = "truncated" if len(raw) < expected else "too long"
        raise TokenFileError(f"{path}: {what}: {len(raw)} bytes where {count} sequences need {expected}")
    sizes = np.frombuffer(raw, "<i4", count, HEADER.size)
    pointers = np.frombuffer(raw, "<i8", count, HEADER.size + 4 * count)
    index = np.frombuffer(raw, "<i8", documents, HEADER.size + 12 * count)
    if count and int(sizes.min()) < 1:
        raise TokenFileError(
            f"{path}: sequence {int(sizes.argmin())} has size {int(sizes.min())}, not at least 1"
        )
    if not np.array_equal(index, np.arange(documents)):
        raise TokenFileError(f"{path}: its document index is not 0..{count}, one document a sequence")
    return CODES[code], sizes, pointers


def _read_documents(path: Path, sizes: npt.NDArray[np.int32]) -> pa.Table:
    try:
        with open(path, "rb") as stream:
            table = pq.read_table(stream)
    except (pa.ArrowException, OSError) as error:
        raise TokenFileError(f"{path}: cannot be read as Parquet: {error}") from error
    if table.schema.names != TOKEN_DOCUMENTS.names:
        raise TokenFileError(f"{path}: columns {table.schema.names}, not {TOKEN_DOCUMENTS.names}")
    if table.num_rows != len(sizes):
        raise TokenFileError(f"{path}: {table.num_rows} documents where the index has {len(sizes)} sequences")
    if not np.array_equal(table.column("tokens").to_numpy() + 1, sizes):
        raise TokenFileError(f"{path}: its token counts disagree with the index's sizes")
    return table
