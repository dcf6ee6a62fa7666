"""Read a JSON lines table: the narrow columns, the texts of chosen rows, and the lines that are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from pile_curate.errors import CorruptInput, InputError
from pile_curate.row_columns import cuts, refuse
from pile_curate.row_lines import BadLine, Fields, blocks, open_lines, parse, plain, strings
from pile_curate.row_splits import Columns, RowFile, RowSplit

_PEEK_LINES, _PEEK_FILES = 1000, 20


@dataclass(frozen=True, slots=True)
class KeptLines:
    """Lines to write, the sum of their hashes, and the bytes of their texts; ``codec`` is their file's."""

    codec: str
    lines: list[bytes]
    sum: int
    text_bytes: int


def read_split(
    split: RowSplit, columns: Columns, batch_bytes: int, rejects: list[dict[str, Any]] | None
) -> Iterator[pa.RecordBatch]:
    """Yield the narrow columns of a file; see ``row_files.read_split``."""
    file, row = split.file, 0
    fields = Fields(file, columns)

    def refused(at: int, reason: str, detail: str) -> None:
        refuse(rejects, file, at, reason, detail)

    with open_lines(file) as stream:
        try:
            for first, lines in blocks(stream):
                row = first + len(lines)
                found = fields.objects(first, lines, refused)
                if not len(found.rows):
                    continue
                arrays = [pa.array(found.rows, pa.int64()), fields.keys(found), strings(found.texts)]
                for _, find in fields.facts:
                    arrays.append(strings([plain(find(record)) for record in found.records]))
                names = ["row", "key", "text", *(what for what, _ in fields.facts)]
                batch = pa.RecordBatch.from_arrays(arrays, names)
                for start, stop in cuts(arrays[1:], batch_bytes):
                    yield batch.slice(start, stop - start)
        except CorruptInput as error:
            if rejects is None:
                raise
            refused(
                row,
                "damaged_file",
                f"nothing can be read from here on: {error.why} after {error.offset} bytes",
            )


def read_texts(
    split: RowSplit, rows: NDArray[np.int64], columns: Columns, batch_bytes: int
) -> Iterator[pa.Array]:
    """Yield the texts of rows of a file; other lines are passed over unread."""
    fields = Fields(split.file, columns)
    texts: list[str | None] = []
    held = done = 0
    with open_lines(split.file) as stream:
        for first, lines in blocks(stream) if len(rows) else ():
            stop = int(np.searchsorted(rows, first + len(lines)))
            for at in rows[done:stop].tolist():
                line = lines[at - first]
                try:
                    text = None if line is None else fields.text(parse(line))
                except BadLine as bad:
                    raise InputError(f"{split.file.path!r}, row {at}: {bad.args[0]}: {bad.args[1]}") from bad
                size = len(line or b"")
                if texts and held + size > batch_bytes:
                    yield strings(texts)
                    texts, held = [], 0
                texts.append(text)
                held += size
            done = stop
            if done == len(rows):
                break
    if done < len(rows):
        raise InputError(
            f"{split.file.path!r} has no row {rows[done]}; it changed while it was in use: run again"
        )
    if texts:
        yield strings(texts)


def kept_lines(split: RowSplit, gone: NDArray[np.int64], columns: Columns) -> Iterator[KeptLines]:
    """Yield the lines to keep, as they stand: all that ``read_split`` gives but the rows in ``gone``."""
    fields = Fields(split.file, columns)
    dropped = np.unique(gone)
    done = 0
    with open_lines(split.file) as stream:
        try:
            for first, lines in blocks(stream):
                stop = int(np.searchsorted(dropped, first + len(lines)))
                for at in dropped[done:stop].tolist():
                    lines[at - first] = None
                done = stop
                found = fields.objects(first, [line for line in lines if line], lambda *_: None)
                sum_ = sum(map(xxhash.xxh3_128_intdigest, found.lines))
                text_bytes = sum(
                    len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
                    for text in found.texts
                    if text
                )
                yield KeptLines(stream.codec, list(found.lines), sum_, text_bytes)
        except CorruptInput:
            pass  # read_split has entered it; what comes before it is kept
    if done < len(dropped):
        raise InputError(
            f"{split.file.path!r} has no row {dropped[done]} to drop; it changed while it was in use"
        )


def check(files: Sequence[RowFile], columns: Columns) -> None:
    """Raise ``InputError`` if the first lines of the first files are no objects, or none has the text."""
    fields = Fields(files[0], columns) if files else None
    seen = objects = 0
    names: set[str] = set()
    for file in files[:_PEEK_FILES]:
        for line in _head(file):
            if fields is None or seen >= _PEEK_LINES:
                break
            seen += 1
            try:
                record = parse(line)
                objects += 1
                names.update(list(record)[:20])
                if fields.text(record) is not None or columns.text.partition(".")[0] in record:
                    return
            except BadLine as bad:
                if bad.args[0] == "bad_text":
                    return
    if seen and not objects:
        raise InputError(
            f"{files[0].path!r} holds no JSON lines: none of the first {seen} lines is an object; each line "
            'must be one (a file that is one array can be converted with: jq -c ".[]")'
        )
    if objects:
        has = ", ".join(map(repr, sorted(names)[:20]))
        raise InputError(
            f"none of the first {objects} lines of {files[0].path!r} has a text {columns.text!r}; they "
            f"have {has}: name one of them"
        )


def _head(file: RowFile) -> Iterator[bytes]:
    with open_lines(file) as stream:
        try:
            for _, lines in blocks(stream):
                yield from (line for line in lines if line and not line.isspace())
        except CorruptInput:
            return
