"""Time the signature kernel on one thread against the loops around rensa and datasketch, in one run.

    python -m benchmarks.dedup_kernel TABLE.parquet [--text-column text] [--permutations 128]
        [--step 4] [--repeats 5] [--envs FOLDER] [--without-peers]

Everybody goes the whole way from text to signature: words, 5-word shingles, hashes, minima; CPU time of one
thread, medians. Peers run in environments of their own with pinned versions (``peers/envs.py``), made below
``--envs`` or a temporary folder, on every ``step``-th row, since their speed does not depend on how many
there are; each tokenises with a regular expression and with ``split``, which makes one word of a whole Chinese
clause and so far fewer shingles. Beside them: the parts of our kernel, and plain xxHash and a copy of the
same bytes as bounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from benchmarks import dedup_kernel_peer
from benchmarks.peers.envs import PINS, environment
from pile_curate import word_hashes
from pile_curate.compiled import compiled
from pile_curate.dedup import minhash
from pile_curate.text_digests import text_digests

NGRAM = 5


def rate(work: Callable[[], object], size: int, repeats: int) -> float:
    """Return MB a second of this process's CPU, so that other work on the machine counts little; the median."""
    work()  # compiles or loads what is cached
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return size / statistics.median(times) / 1e6


@compiled
def words_alone(data, start, stop, kind, utf8, out):  # type: ignore[no-untyped-def]
    """Hash words into a small buffer that is written again and again, as the signature kernel does."""
    count = 0
    scratch = word_hashes.new_scratch(word_hashes.CHUNK, word_hashes.CHUNK)
    while start < stop:
        start, more = word_hashes.next_words(data, start, stop, kind, utf8, scratch, out)
        count += more
    return count


def peer_rate(name: str, tokeniser: str, envs: str, options: argparse.Namespace) -> float:
    """Return a peer's MB a second, timed in a process of its own."""
    arguments = [name, tokeniser, options.table, options.text_column]
    arguments += [str(n) for n in (options.step, options.permutations, 1)]
    done = subprocess.run(
        [environment(name, envs, []), dedup_kernel_peer.__file__, *arguments],
        env=os.environ | {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout)
    return found["bytes"] / found["seconds"][0] / 1e6


def compare(ours: Callable[[], object], size: int, envs: str, options: argparse.Namespace) -> None:
    """Time everybody in turn, again and again, so that a machine that slows down slows all; print medians."""
    turns: list[dict[str, float]] = []
    for _ in range(options.repeats):
        turn = {"signatures": rate(ours, size, 1)}
        for name in ("rensa", "datasketch"):
            for way in ("regex", "split"):
                turn[f"{PINS[name].packages[0]}, {way}"] = peer_rate(name, way, envs, options)
        turns.append(turn)
    print(f"in turn, every {options.step}th row for the peers; ratio: median of the turns' ratios")
    for way in turns[0]:
        speed = statistics.median(turn[way] for turn in turns)
        ratio = statistics.median(turn["signatures"] / turn[way] for turn in turns)
        print(f"  {way:32} {speed:9.1f} MB/s   signatures are {ratio:6.1f} x")


def main() -> None:
    """Print a table of rates and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--permutations", type=int, default=128)
    parser.add_argument("--step", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--envs", help="a folder for the peers' environments, kept")
    parser.add_argument("--without-peers", action="store_true")
    options = parser.parse_args()
    column = pq.read_table(options.table, columns=[options.text_column]).column(0)
    texts = pa.concat_arrays(column.cast(pa.large_string()).chunks)
    buffers, table = word_hashes.text_buffers(texts), word_hashes.lookup()
    start, stop = int(buffers.offsets[0]), int(buffers.offsets[-1])
    body, out, k = buffers.data[start:stop], np.empty(word_hashes.CHUNK, np.uint64), options.permutations
    ways: dict[str, Callable[[], object]] = {
        "signatures": lambda: minhash.signatures(texts, ngram=NGRAM, permutations=k),
        "shingle pool (sorted sets)": lambda: minhash.shingle_pool(texts, NGRAM),
        "word hashes alone": lambda: words_alone(buffers.data, start, stop, table.kind, table.utf8, out),
        "text digests (exact)": lambda: text_digests(texts),
        "xxh64 of the bytes": lambda: xxhash.xxh64_intdigest(body),
        "xxh3_64 of the bytes": lambda: xxhash.xxh3_64_intdigest(body),
        "copy of the bytes": body.copy,
    }
    print(
        f"{len(texts)} texts, {len(body) / 1e6:.1f} MB, {k} values, {NGRAM}-word shingles, one thread, CPU time, "
        f"medians of {options.repeats}"
    )
    ours = {}
    for name, work in ways.items():
        ours[name] = rate(work, len(body), options.repeats)
        print(f"  {name:32} {ours[name]:9.1f} MB/s", flush=True)
    print(f"  signatures / xxh64: 1/{ours['xxh64 of the bytes'] / ours['signatures']:.1f}")
    if not options.without_peers:
        with tempfile.TemporaryDirectory() as folder:
            compare(ways["signatures"], len(body), options.envs or folder, options)


if __name__ == "__main__":
    main()
