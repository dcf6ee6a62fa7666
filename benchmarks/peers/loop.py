"""Hold what the loops around a sketching library share: arguments, input, shingles, verification, output.

The loop is the one that a competent user writes: read the table in batches; lower-case, find ``\\w+``, join every
five consecutive words; sketch the set; look up the index; compare exactly with each candidate; write and
insert what repeats nothing that was kept. Kept texts stay in memory and a candidate's set is made again from
its text, because the sets of a gigabyte of text do not fit into memory as Python strings. Runs inside a peer's
own environment, so it imports nothing of the project.
"""

from __future__ import annotations

import argparse
import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_WORD = re.compile(r"\w+")


def arguments() -> argparse.Namespace:
    """Return the settings, which are the same for every peer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True, help="a folder of Parquet files")
    parser.add_argument("--output", required=True)
    parser.add_argument("--threshold", type=float, default=0.8)
    parser.add_argument("--permutations", type=int, default=126)
    parser.add_argument("--bands", type=int, default=18)
    parser.add_argument("--rows", type=int, default=7)
    parser.add_argument("--ngram", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--variant", default="")
    parser.add_argument("--own", action="store_true", help="the tool's own choice of bands and rows")
    return parser.parse_args()


def batches(folder: str, rows: int = 1000) -> Iterator[tuple[list[Any], list[str]]]:
    """Yield ids and texts."""
    for path in sorted(glob.glob(os.path.join(folder, "*.parquet"))):
        for batch in pq.ParquetFile(path).iter_batches(rows, columns=["id", "text"]):
            yield batch.column("id").to_pylist(), batch.column("text").to_pylist()


def shingles(text: str, ngram: int) -> set[str]:
    """Return the set of ``ngram`` consecutive words; all words as one for a text of fewer."""
    words = _WORD.findall(text.lower())
    return {" ".join(words[i : i + ngram]) for i in range(max(1, len(words) - ngram + 1))}


class Kept:
    """Write kept documents, batch by batch."""

    def __init__(self, folder: str) -> None:
        """Make the folder; the file opens with the first batch."""
        os.makedirs(folder)
        self._schema = None
        self._path, self._writer = os.path.join(folder, "kept.parquet"), None

    def write(self, ids: list[Any], texts: list[str]) -> None:
        """Write some documents."""
        table = pa.table({"id": ids, "text": texts}, schema=self._schema)
        if self._writer is None and ids:
            self._schema = table.schema
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        if self._writer is not None:
            self._writer.write_table(table)

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()


def walk(
    options: argparse.Namespace,
    sketches: Callable[[list[set[str]]], Iterable[Any]],
    query: Callable[[Any], Iterable[int]],
    insert: Callable[[int, Any], object],
) -> None:
    """Run the loop: keep a document unless a kept one has an exact Jaccard at or above the threshold."""
    kept_texts: list[str] = []
    sink = Kept(options.output)
    for ids, texts in batches(options.input):
        sets = [shingles(text, options.ngram) for text in texts]
        kept: list[int] = []
        for i, sketch in enumerate(sketches(sets)):
            mine = sets[i]
            for key in query(sketch):
                other = shingles(kept_texts[key], options.ngram)
                shared = len(mine & other)
                if shared >= options.threshold * (len(mine) + len(other) - shared):
                    break
            else:
                insert(len(kept_texts), sketch)
                kept_texts.append(texts[i])
                kept.append(i)
        sink.write([ids[i] for i in kept], [texts[i] for i in kept])
    sink.close()
