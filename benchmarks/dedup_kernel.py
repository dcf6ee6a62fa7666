"""Time the signature kernel on one thread against datasketch on the same texts, in one run.

    python benchmarks/dedup_kernel.py TABLE.parquet [--text-column text] [--rows 4000] [--peer-rows 400]

Both do the whole way from text to signature: words, 5-word shingles, hashes, minima. The peer splits with a
regular expression (it has no word rule) and hashes with xxhash; a part of the rows is enough for it,
because its speed does not depend on their number. Medians of five; also the limits that the kernel
runs into: hashing words alone, and plain XXH3 over the same bytes.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Callable

import datasketch
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pile_curate import word_hashes
from pile_curate.dedup import minhash

NGRAM = 5


def rate(work: Callable[[], object], size: int, repeats: int = 5) -> float:
    """Return MB a second of this process's CPU, so that other work on the machine counts little; the median."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return size / statistics.median(times) / 1e6


def peer(texts: list[str], permutations: int) -> None:
    words = re.compile(r"\w+")
    for text in texts:
        found = words.findall(text.lower())
        grams = {" ".join(found[i : i + NGRAM]).encode() for i in range(len(found) - NGRAM + 1)}
        sketch = datasketch.MinHash(num_perm=permutations, hashfunc=xxhash.xxh32_intdigest)
        sketch.update_batch(list(grams))


def words_alone(buffers: word_hashes.TextBuffers) -> None:
    table, out = word_hashes.lookup(), np.empty(len(buffers.data), np.uint64)
    start, stop = int(buffers.offsets[0]), int(buffers.offsets[-1])
    word_hashes.hash_words(buffers.data, start, stop, table.kind, table.utf8, out)


def main() -> None:
    """Print a table of rates and the ratio to the peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--peer-rows", type=int, default=400)
    parser.add_argument("--permutations", type=int, default=128)
    options = parser.parse_args()
    column = pq.read_table(options.table, columns=[options.text_column]).column(0)[: options.rows]
    texts = pa.concat_arrays(column.cast(pa.large_string()).chunks)
    buffers = word_hashes.text_buffers(texts)
    size = int(buffers.offsets[-1] - buffers.offsets[0])
    few = texts[: options.peer_rows].to_pylist()
    few_size = sum(len(text.encode()) for text in few)
    k = options.permutations
    minhash.signatures(texts[:1], permutations=k)  # compile or load before the clock starts
    words_alone(word_hashes.text_buffers(texts[:1]))
    ours = rate(lambda: minhash.signatures(texts, ngram=NGRAM, permutations=k), size)
    theirs = rate(lambda: peer(few, k), few_size)
    print(
        f"{len(texts)} texts, {size / 1e6:.1f} MB, {k} values, one thread, medians of 5 (peer: {len(few)} texts)"
    )
    print(f"  signatures             {ours:8.1f} MB/s")
    print(f"  shingle sets, sorted   {rate(lambda: minhash.shingle_sets(texts, NGRAM), size):8.1f} MB/s")
    print(f"  word hashes alone      {rate(lambda: words_alone(buffers), size):8.1f} MB/s")
    print(f"  xxh3_64 of the bytes   {rate(lambda: xxhash.xxh3_64_intdigest(buffers.data), size):8.1f} MB/s")
    print(f"  datasketch             {theirs:8.1f} MB/s")
    print(f"  signatures / datasketch: {ours / theirs:.0f} x")


if __name__ == "__main__":
    main()
