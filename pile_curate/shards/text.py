"""Write kept documents once, per split and source, as Parquet and as jsonl.zst with the same rows.

Parquet is for tools, jsonl.zst (lm_dataformat's layout, The Pile's own) for trainers. Both open with
``datasets.load_dataset(..., streaming=True)``; every meta field is a string and never missing, because
that loader takes its features from the first rows it meets. Edits decided after extract (PII,
repeated paragraphs) are spans that are applied here and nowhere else.

Rows follow the documents file, so a shard is reproducible for one partitioning; the logical digest,
being a sum over rows, is the same for all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pile_curate.errors import DatasetDamaged
from pile_curate.manifest import FileEntry, relative
from pile_curate.schema import SHARD
from pile_curate.shards.jsonl import JsonlWriter
from pile_curate.tables import PartWriter, iter_batches

COLUMNS: Final = ("doc_id", "source", "split", "text", "url", "title", "licence")
"""What a shard needs of a documents file; nothing else is read."""

META: Final = tuple(field.name for field in SHARD.field("meta").type)
_BATCH_ROWS: Final = 512


@dataclass(frozen=True, slots=True)
class Span:
    """One edit: replace code points ``[start, end)`` of the extracted text; ``kind`` says why."""

    start: int
    end: int
    replacement: str = ""
    kind: str = ""


def apply_edits(text: str, spans: Iterable[Span]) -> str:
    """Return the text with the spans replaced, in whatever order they come.

    Offsets count code points of the text as extracted. Spans that overlap or leave the text raise
    ``DatasetDamaged``: they were made for another text.

    >>> apply_edits("call 555-1234 now", [Span(5, 13, "<PHONE>", "pii")])
    'call <PHONE> now'
    """
    pieces, at = [], 0
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        if not at <= span.start <= span.end <= len(text):
            raise DatasetDamaged(
                f"edit [{span.start}, {span.end}) {span.kind!r} overlaps another or leaves the text"
                f" of {len(text)} code points; it was made for another version of the document"
            )
        pieces += [text[at : span.start], span.replacement]
        at = span.end
    return "".join([*pieces, text[at:]])


@dataclass(frozen=True, slots=True)
class Kept:
    """Which rows of one documents file go into shards: ascending row numbers, as the ledger lists them.

    ``languages`` is parallel to ``rows`` (empty: unknown); ``edits`` maps a row number to its spans.
    """

    rows: Sequence[int]
    languages: Sequence[str] = ()
    edits: Mapping[int, Sequence[Span]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.languages and len(self.languages) != len(self.rows):
            raise ValueError(
                f"{len(self.languages)} languages for {len(self.rows)} rows; give one each or none"
            )
        if any(a >= b for a, b in zip(self.rows, self.rows[1:], strict=False)):
            raise ValueError("kept rows must ascend without repeats")


def shard_rows(
    batch: pa.RecordBatch,
    languages: Sequence[str] = (),
    edits: Mapping[int, Sequence[Span]] | None = None,
    pile_set_names: Mapping[str, str] | None = None,
) -> pa.RecordBatch:
    """Turn document rows into shard rows (``schema.SHARD``): a pure function, one row each, in order.

    ``edits`` is keyed by position in the batch; ``pile_set_names`` maps a source to its name in the
    mixture and defaults to the source's own.
    """
    names = pile_set_names or {}
    texts = batch.column("text")
    if edits:
        plain = texts.to_pylist()
        for position, spans in edits.items():
            plain[position] = apply_edits(plain[position], spans)
        texts = pa.array(plain, pa.string())
    sources = batch.column("source").to_pylist()
    values = {
        "pile_set_name": pa.array([names.get(source, source) for source in sources], pa.string()),
        "doc_id": pa.array([doc_id.hex() for doc_id in batch.column("doc_id").to_pylist()], pa.string()),
        "source": batch.column("source"),
        "url": batch.column("url"),
        "title": batch.column("title"),
        "licence": batch.column("licence"),
        "language": pa.array(list(languages) or [""] * batch.num_rows, pa.string()),
    }
    meta = pa.StructArray.from_arrays(
        [pc.fill_null(values[name], "") for name in META], fields=list(SHARD.field("meta").type)
    )
    return pa.RecordBatch.from_arrays([pc.fill_null(texts, ""), meta], schema=SHARD)


class _Sink:
    """The open pair of files of one split and source; ``max_bytes`` of text begin a new pair."""

    def __init__(self, shards: TextShards, split: str, source: str) -> None:
        if not split or not source or {split, source} & {".", ".."} or "/" in split + source:
            raise DatasetDamaged(f"split {split!r} or source {source!r} cannot name a folder")
        self.shards, self.split, self.source = shards, split, source
        self.directory = os.path.join(shards.directory, split, source)
        self.roll = 0
        self.bytes = 0
        self.paths: list[str] = []
        self.parquet: PartWriter | None = None
        self.jsonl: JsonlWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        sizes = pc.binary_length(batch.column("text")).to_pylist()
        start = 0
        for position, size in enumerate(sizes):
            if self.bytes and self.bytes + size > self.shards.max_bytes:
                self._put(batch.slice(start, position - start))
                self.finish()
                start = position
            self.bytes += size
        self._put(batch.slice(start))

    def _put(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows == 0:
            return
        if self.parquet is None or self.jsonl is None:
            name = f"{self.shards.name}-{self.roll:03d}"
            self.parquet = PartWriter(self.directory, f"{name}.parquet", SHARD)
            self.jsonl = JsonlWriter(os.path.join(self.directory, f"{name}.jsonl.zst"))
        self.parquet.write(batch)
        self.jsonl.write(batch)

    def finish(self) -> None:
        if self.parquet is None or self.jsonl is None:
            return
        facts = {
            **self.shards.facts,
            "source": self.source,
            "pile_set_name": self.shards.pile_set_names.get(self.source, self.source),
            "text_bytes": self.bytes,
        }
        self.shards.entries += [
            replace(
                self.parquet.close(),
                path=relative(self.shards.root, self.parquet.path),
                table=self.split,
                facts={**facts, "format": "parquet"},
            ),
            self.jsonl.close(self.shards.root, self.split, {**facts, "format": "jsonl.zst"}),
        ]
        self.paths += [self.parquet.path, self.jsonl.path]
        self.parquet, self.jsonl, self.bytes, self.roll = None, None, 0, self.roll + 1

    def abort(self) -> None:
        if self.parquet is not None:
            self.parquet.abort()
        if self.jsonl is not None:
            self.jsonl.abort()


class TextShards:
    """Write one task's shards below ``directory/SPLIT/SOURCE/NAME-RRR.{parquet,jsonl.zst}``.

    ``directory`` is an attempt's folder of the dataset ``root``; ``name`` must be new to each try of a
    task, RRR counts its files. ``max_bytes`` is the UTF-8 text a file may hold (a longer document gets
    a file of its own); ``facts`` are added to every entry. As a context manager, an exception removes
    the files. Memory: one batch of rows, and a row group of each open file.
    """

    def __init__(
        self,
        directory: str,
        root: str,
        name: str,
        *,
        max_bytes: int = 256 << 20,
        pile_set_names: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory, self.root, self.name, self.max_bytes = directory, root, name, max_bytes
        self.pile_set_names, self.facts = dict(pile_set_names or {}), dict(facts or {})
        self.entries: list[FileEntry] = []
        self._sinks: dict[tuple[str, str], _Sink] = {}

    def add_file(self, path: str, kept: Kept) -> int:
        """Write the kept rows of one documents file and return their number.

        Raises ``DatasetDamaged`` if the file has fewer rows than the ledger says.
        """
        base = index = 0
        for batch in iter_batches(path, list(COLUMNS), _BATCH_ROWS):
            stop = base + batch.num_rows
            first = index
            while index < len(kept.rows) and kept.rows[index] < stop:
                index += 1
            if index > first:
                rows = kept.rows[first:index]
                edits = {n: kept.edits[row] for n, row in enumerate(rows) if row in kept.edits}
                self.add(batch.take([row - base for row in rows]), kept.languages[first:index], edits)
            base = stop
        if index < len(kept.rows):
            raise DatasetDamaged(
                f"{path}: the ledger keeps row {kept.rows[index]} but the file has {base} rows;"
                " run verify on documents and ledger"
            )
        return index

    def add(
        self,
        documents: pa.RecordBatch,
        languages: Sequence[str] = (),
        edits: Mapping[int, Sequence[Span]] | None = None,
    ) -> None:
        """Write document rows, each to its split and source."""
        rows = shard_rows(documents, languages, edits, self.pile_set_names)
        where: dict[tuple[str, str], list[int]] = {}
        pairs = zip(
            documents.column("split").to_pylist(), documents.column("source").to_pylist(), strict=True
        )
        for position, pair in enumerate(pairs):
            where.setdefault(pair, []).append(position)
        for (split, source), positions in where.items():
            if (split, source) not in self._sinks:
                self._sinks[split, source] = _Sink(self, split, source)
            self._sinks[split, source].write(rows if len(where) == 1 else rows.take(positions))

    def close(self) -> list[FileEntry]:
        """Finish every file and return the entries, sorted by path."""
        for key in sorted(self._sinks):
            self._sinks[key].finish()
        self.entries.sort(key=lambda entry: entry.path)
        return self.entries

    def abort(self) -> None:
        """Remove the files of a task that failed."""
        for sink in self._sinks.values():
            sink.abort()
            for path in sink.paths:
                os.unlink(path)
        self.entries = []

    def __enter__(self) -> TextShards:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
