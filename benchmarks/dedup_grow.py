"""Grow a table of documents to a size by fresh planted copies and fresh distinct documents.

    python benchmarks/dedup_grow.py TABLE.parquet --output FOLDER --size 1000 [--plan PLAN.parquet]
        [--copies 0.25] [--files 4] [--row-group 24] [--seed 1]

The table's own documents come first, as they are. Then rounds over its originals, in their order, until the
size (MB of text) is reached; a round makes at most one new document of each original, so what resembles each
other lies far apart. A new document is

* a *copy* (share ``--copies``): each word is replaced, deleted or followed by another one (a third each) with
  a probability drawn for the document: from the rates in the plan if there is one, else evenly from 0 to 0.2;
* or *distinct* (the rest): the same at a rate of 0.6, which keeps length, language, punctuation and the
  frequency of words, and leaves one 5-word shingle in a hundred: Jaccard far below 0.3 with its original
  (the highest of a sample is printed).

The other words are drawn from the table's documents of the same language (``lang`` of the plan), or from all
of them without a plan, as often as they occur there. ``--copies`` is the plan's own share of rows with ``src``
if there is a plan (about 0.25 in the benchmark), else 0.25. Copies alone would make one
heap of each original, which no corpus is, and would flatter whoever drops early.

Everything follows from the seed. Ids are new (``g`` and a number, or a longer prefix if the table has such ids).
The plan of what was made is written beside: id, lang, src, rate, kind. Memory: one batch, one row group, and
100,000 words a language. Speed: about 15 MB/s of one core, so a gigabyte takes about a minute.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate.dedup.minhash import jaccard, shingle_sets

DISTINCT_RATE = 0.6
SAMPLE = 100_000
"""Words that are kept of each language to draw from."""

_ALONE = "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
"""Scripts without spaces: each of their letters is a word here, much as in the library's word rule."""

WORD = re.compile(f"([{_ALONE}]|[^\\W{_ALONE}]+)")


@dataclass
class Plan:
    """What is known of the table's rows: language and original by id, and the rates that copies were made at."""

    lang: dict[str, str] = field(default_factory=dict)
    src: dict[str, str | None] = field(default_factory=dict)
    rates: npt.NDArray[np.float64] | None = None

    @staticmethod
    def read(path: str | None) -> Plan:
        """Read ``id, lang, src, rate``; an empty plan without a path."""
        if path is None:
            return Plan()
        rows = pq.read_table(path, columns=["id", "lang", "src", "rate"]).to_pylist()
        rates = np.array([row["rate"] for row in rows if row["src"] is not None])
        langs, sources = {r["id"]: r["lang"] for r in rows}, {r["id"]: r["src"] for r in rows}
        return Plan(langs, sources, rates if len(rates) else None)

    @property
    def copies(self) -> float:
        """Return the share of rows that are copies; 0.25 where that is unknown."""
        return sum(src is not None for src in self.src.values()) / len(self.src) if self.src else 0.25


def rows_of(path: str) -> Iterator[tuple[str, str]]:
    """Yield (id, text) of the table, batch by batch."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(1024, columns=["id", "text"]):
            yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)


def vocabulary(path: str, plan: Plan, rng: np.random.Generator) -> tuple[dict[str, Any], int, int]:
    """Return the words to draw from by language, as often as they occur; also rows and bytes of the table.

    Of each document a random hundredth of the words is taken, more where a language has few.
    """
    pools: dict[str, list[str]] = {}
    rows = size = 0
    for name, text in rows_of(path):
        rows += 1
        size += len(text.encode())
        pool = pools.setdefault(plan.lang.get(name, ""), [])
        words = WORD.findall(text)
        if words:
            pool.extend(words[i] for i in rng.integers(len(words), size=1 + len(words) // 20))
        if len(pool) > 2 * SAMPLE:
            pool[:] = [pool[i] for i in np.sort(rng.permutation(len(pool))[:SAMPLE])]
    return {lang: np.array(pool, dtype=object) for lang, pool in pools.items()}, rows, size


def rewrite(text: str, rate: float, pool: npt.NDArray[Any], rng: np.random.Generator) -> str:
    """Return the text with each word replaced, deleted or followed by one of the pool with probability ``rate``."""
    pieces = np.array(WORD.split(text), dtype=object)  # separator, word, separator, ... separator
    words = pieces[1::2]
    hit = np.flatnonzero(rng.random(len(words)) < rate)
    if len(hit) == 0 or len(pool) == 0:
        return text
    drawn = pool[rng.integers(len(pool), size=len(hit))]
    what = rng.integers(3, size=len(hit))
    words[hit[what == 0]] = drawn[what == 0]
    words[hit[what == 1]] = ""
    after = what == 2
    words[hit[after]] = words[hit[after]] + " " + drawn[after]
    return "".join(pieces.tolist())


class Sink:
    """Write rows to several Parquet files, a row group whenever enough bytes are together."""

    def __init__(self, folder: str, files: int, total: int, row_group: int) -> None:
        """Make the folder; ``total`` is the expected size of all, ``row_group`` of one group, in bytes."""
        self._folder, self._each, self._group = folder, total / files, row_group
        self._files, self._writer, self._rows, self._pending = files, None, [], 0
        self.documents = self.bytes = self._number = 0
        os.makedirs(folder)

    def add(self, name: str, text: str) -> None:
        """Take one document."""
        size = len(text.encode())
        self._rows.append((name, text))
        self._pending += size
        self.bytes += size
        self.documents += 1
        if self._pending >= self._group:
            self._flush()
            if self.bytes >= self._each * self._number and self._number < self._files:
                self.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        ids, texts = zip(*self._rows, strict=True)
        table = pa.table({"id": pa.array(ids, pa.string()), "text": pa.array(texts, pa.string())})
        if self._writer is None:
            path = os.path.join(self._folder, f"grown-{self._number:03d}.parquet")
            self._writer = pq.ParquetWriter(path, table.schema, compression="zstd")
            self._number += 1
        self._writer.write_table(table, row_group_size=len(ids))
        self._rows, self._pending = [], 0

    def close(self) -> None:
        """End the file that is open."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def grow(
    path: str, folder: str, size: int, *, plan: Plan, copies: float, files: int, row_group: int, seed: int
) -> dict[str, Any]:
    """Write the grown table below ``folder`` and return what it holds; raises ``ValueError`` on a size too small."""
    rng = np.random.default_rng(seed)
    pools, rows, own = vocabulary(path, plan, rng)
    if size < own:
        raise ValueError(f"size is {size} bytes; allowed: at least the table's own {own}")
    prefix = "g"
    while any(name.startswith(prefix) for name, _ in rows_of(path)):
        prefix += "_"
    sink = Sink(os.path.join(folder, "data"), files, size, row_group)
    made: list[tuple[str, str, str, float, str]] = []
    for name, text in rows_of(path):
        sink.add(name, text)
    each = min(1.0, max(0.05, (size - own) / own / 4))  # several rounds, also when there is little to add
    worst = 0.0
    while sink.bytes < size:
        for name, text in rows_of(path):
            if sink.bytes >= size:
                break
            if plan.src.get(name) is not None or rng.random() >= each:
                continue
            copy = rng.random() < copies
            rate = DISTINCT_RATE
            if copy:
                rate = rng.uniform(0, 0.2) if plan.rates is None else float(rng.choice(plan.rates))
            lang = plan.lang.get(name, "")
            fresh = rewrite(text, rate, pools[lang], rng)
            new = f"{prefix}{len(made):08d}"
            sink.add(new, fresh)
            made.append((new, lang, name, rate, "copy" if copy else "distinct"))
            if not copy and len(made) % 100 == 0:
                worst = max(worst, jaccard(*shingle_sets(pa.array([text, fresh]))))
    sink.close()
    columns = zip(*made, strict=True) if made else ((),) * 5
    names = ("id", "lang", "src", "rate", "kind")
    pq.write_table(
        pa.table(dict(zip(names, map(list, columns), strict=True))), os.path.join(folder, "plan.parquet")
    )
    planted = sum(row[4] == "copy" for row in made)
    return {
        "documents": sink.documents, "bytes": sink.bytes, "own": rows, "copies": planted,
        "distinct": len(made) - planted, "highest_jaccard_of_distinct": worst,
    }  # fmt: skip


def main() -> None:
    """Grow the table of the command line and say what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", help="Parquet with the columns id and text")
    parser.add_argument("--output", required=True, help="a folder that does not exist yet")
    parser.add_argument("--size", type=float, required=True, help="MB (10^6 bytes) of text")
    parser.add_argument("--plan", help="Parquet with id, lang, src, rate")
    parser.add_argument("--copies", type=float, help="share of copies among the new documents (0 to 1)")
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--row-group", type=float, default=24, help="MB of text in a row group")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    plan = Plan.read(options.plan)
    copies = plan.copies if options.copies is None else options.copies
    if not 0 <= copies <= 1:
        parser.error(f"--copies is {copies}; allowed: 0 to 1")
    began = time.perf_counter()
    facts = grow(
        options.table, options.output, int(options.size * 1e6),
        plan=plan, copies=copies, files=options.files, row_group=int(options.row_group * 1e6), seed=options.seed,
    )  # fmt: skip
    print(
        f"{facts['documents']} documents, {facts['bytes'] / 1e6:.1f} MB in {time.perf_counter() - began:.0f} s:"
        f" {facts['own']} of the table, {facts['copies']} fresh copies ({copies:.3f} of the new ones asked for),"
        f" {facts['distinct']} fresh distinct ones (Jaccard with the original at most"
        f" {facts['highest_jaccard_of_distinct']:.3f} in a sample of every hundredth)"
    )


if __name__ == "__main__":
    main()
