"""Compare ways to sketch a set by measured error and by speed, all compiled the same way.

    python -m benchmarks.dedup_sketches [TABLE.parquet] [--text-column text] [--permutations 128] [--pairs 800]

* classic: k independent hash functions, multiply-add-shift of the shingle to 32 bits
* one permutation: one hash; empty bins filled by optimal densification (Shrivastava 2017, arXiv 1703.04664)
* fast similarity sketching: ours (``dedup/minhash.py``)
* C-MinHash (sigma, pi) (Li and Li 2021, arXiv 2109.03337): one permutation of 2^20 places, shifted k times

Error: the Jaccard estimate of pairs of random sets of equal size, exact Jaccard known; root mean square and
mean (bias) over all levels, beside what k independent positions would give, sqrt(J(1 - J)/k). Speed: the sketch
step alone on sorted arrays of shingles that exist already, as MB of the text they came from, CPU time,
median of five; without a table, of made-up documents of 300 shingles and 6.5 bytes each.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pile_curate.compiled import compiled
from pile_curate.dedup import minhash
from pile_curate.dedup.shingles import GOLDEN
from pile_curate.word_hashes import mix64

LEVELS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
SIZES = (5, 10, 20, 50, 100, 200, 1000, 5000)
PLACES = 1 << 20


@compiled
def classic(pool: Any, ends: Any, tables: Any, out: Any) -> None:
    """Take k multiply-add-shift functions; ``tables`` are the odd factors, then the addends."""
    k = out.shape[1]
    best = np.empty(k, np.uint64)
    start = 0
    for d in range(ends.size):
        best[:] = ~np.uint64(0)
        for j in range(start, ends[d]):
            shingle = pool[j]
            for b in range(k):
                best[b] = min(best[b], shingle * tables[b] + tables[k + b])
        for b in range(k):
            out[d, b] = np.uint32(best[b] >> np.uint64(32))
        start = ends[d]


@compiled
def one_permutation(pool: Any, ends: Any, tables: Any, out: Any) -> None:
    """Take one hash a shingle; an empty bin copies a bin that a hash of (bin, attempt) names."""
    k = out.shape[1]
    best = np.empty(k, np.uint64)
    empty = ~np.uint64(0)
    start = 0
    for d in range(ends.size):
        best[:] = empty
        for j in range(start, ends[d]):
            shingle = pool[j]
            at = ((shingle >> np.uint64(32)) * np.uint64(k)) >> np.uint64(32)
            best[at] = min(best[at], (shingle << np.uint64(32)) | (shingle >> np.uint64(32)))
        for b in range(k):
            at = np.uint64(b)
            attempt = np.uint64(0)
            while best[at] == empty:
                attempt += np.uint64(1)
                named = mix64(np.uint64(b) * GOLDEN + attempt)
                at = ((named >> np.uint64(32)) * np.uint64(k)) >> np.uint64(32)
            out[d, b] = np.uint32(mix64(best[at]) >> np.uint64(32))
        start = ends[d]


@compiled
def similarity(pool: Any, ends: Any, tables: Any, out: Any) -> None:
    """Take the library's sketch."""
    k = out.shape[1]
    values, rounds, hashes = np.empty(k, np.uint64), np.empty(k, np.int64), np.empty(512, np.uint64)
    start = 0
    for d in range(ends.size):
        minhash._sketch(pool[start : ends[d]], values, rounds, hashes, out[d])
        start = ends[d]


@compiled
def circulant(pool: Any, ends: Any, tables: Any, out: Any) -> None:
    """Take position b's permutation as ``tables`` shifted by b; sigma is the shingle's own hash."""
    k = out.shape[1]
    best = np.empty(k, np.uint32)
    start = 0
    for d in range(ends.size):
        best[:] = np.uint32(0xFFFFFFFF)
        for j in range(start, ends[d]):
            at = pool[j] >> np.uint64(44)
            row = tables[at : at + np.uint64(k)]
            for b in range(k):
                best[b] = min(best[b], row[b])
        out[d] = best
        start = ends[d]


def ways(k: int, rng: np.random.Generator) -> dict[str, tuple[Any, Any]]:
    """Return each method with its tables."""
    factors = rng.integers(0, 1 << 63, 2 * k, np.uint64) * np.uint64(2) + np.uint64(1)
    shifts = rng.permutation(PLACES).astype(np.uint32)
    none = np.empty(0, np.uint64)
    return {
        "classic": (classic, factors),
        "one permutation, densified": (one_permutation, none),
        "fast similarity sketching": (similarity, none),
        "C-MinHash (sigma, pi)": (circulant, np.concatenate([shifts, shifts[:k]])),
    }


def pairs(size: int, level: float, count: int, rng: np.random.Generator) -> tuple[Any, Any, float]:
    """Return a pool of ``2 * count`` random sets, their ends, and the exact Jaccard of sets 2i and 2i + 1."""
    both = round(2 * size * level / (1 + level))
    drawn = rng.integers(1, 1 << 64, (count, 2 * size - both), np.uint64)
    pool = np.concatenate([drawn[:, :size], drawn[:, size - both :]], axis=1).reshape(-1)
    return pool, np.arange(1, 2 * count + 1) * size, both / (2 * size - both)


def errors(k: int, count: int) -> dict[str, dict[int, tuple[float, float]]]:
    """Return (root mean square, mean) of the error by method and size; method "theory" for k independent positions."""
    rng = np.random.default_rng(1)
    methods = ways(k, rng)
    found: dict[str, dict[int, tuple[float, float]]] = {name: {} for name in [*methods, "theory"]}
    for size in SIZES:
        n = count if size <= 200 else max(100, count // 4)
        gaps: dict[str, list[Any]] = {name: [] for name in methods}
        variance = []
        for level in LEVELS:
            pool, ends, true = pairs(size, level, n, rng)
            variance.append(true * (1 - true) / k)
            for name, (method, tables) in methods.items():
                out = np.empty((2 * n, k), np.uint32)
                method(pool, ends, tables, out)
                gaps[name].append((out[0::2] == out[1::2]).mean(axis=1) - true)
        for name, parts in gaps.items():
            every = np.concatenate(parts)
            found[name][size] = float(np.sqrt((every**2).mean())), float(every.mean())
        found["theory"][size] = math.sqrt(statistics.mean(variance)), 0.0
    return found


def speeds(pool: Any, lengths: Any, size: float, k: int) -> dict[str, float]:
    """Return MB of text a second of the sketch step by method."""
    ends = np.cumsum(lengths[lengths > 0])
    found = {}
    for name, (method, tables) in ways(k, np.random.default_rng(2)).items():
        out = np.empty((len(ends), k), np.uint32)
        method(pool, ends[:1], tables, out[:1])
        times = []
        for _ in range(5):
            started = time.process_time()
            method(pool, ends, tables, out)
            times.append(time.process_time() - started)
        found[name] = size / statistics.median(times) / 1e6
    return found


def main() -> None:
    """Print the tables and which method is the most accurate and the fastest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", nargs="?")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--permutations", type=int, default=128)
    parser.add_argument(
        "--pairs", type=int, default=800, help="pairs by size and level; a quarter above 200 shingles"
    )
    options = parser.parse_args()
    k = options.permutations
    if options.table:
        column = pq.read_table(options.table, columns=[options.text_column]).column(0)
        texts = pa.concat_arrays(column.cast(pa.large_string()).chunks)
        lengths, pool = minhash.shingle_pool(texts)
        size = float(pc.sum(pc.binary_length(texts)).as_py())
    else:
        pool = np.random.default_rng(3).integers(1, 1 << 64, 3_000_000, np.uint64)
        lengths, size = np.full(10_000, 300), 6.5 * len(pool)
    found, rates = errors(k, options.pairs), speeds(pool, lengths, size, k)
    print(f"k = {k}; Jaccard {', '.join(map(str, LEVELS))}; {options.pairs} pairs each; in thousandths")
    print(
        f"{'root mean square error, by shingles':36}"
        + "".join(f"{n:>7}" for n in SIZES)
        + f"{'all':>7}{'MB/s':>9}"
    )
    overall = {}
    for name, by_size in found.items():
        overall[name] = math.sqrt(statistics.mean(error**2 for error, _ in by_size.values()))
        cells = "".join(f"{1000 * by_size[n][0]:7.1f}" for n in SIZES) + f"{1000 * overall[name]:7.1f}"
        print(f"  {name:34}{cells}" + (f"{rates[name]:9.0f}" if name in rates else ""))
    print("mean error (bias)")
    for name in rates:
        print(f"  {name:34}" + "".join(f"{1000 * found[name][n][1]:7.1f}" for n in SIZES))
    accurate, fast = min(rates, key=lambda name: overall[name]), max(rates, key=lambda name: rates[name])
    print(
        f"most accurate: {accurate} (RMSE {overall[accurate]:.4f}; classic {overall['classic']:.4f}); "
        f"fastest: {fast} ({rates[fast]:.0f} MB/s; {accurate}: {rates[accurate]:.0f})"
    )


if __name__ == "__main__":
    main()
