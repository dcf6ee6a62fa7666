"""Time the signature loop around a sketching library: text to signature, the words joined five by five.

Run by ``dedup_kernel`` inside a peer's own environment, so it imports nothing of the project. Tokenises with the
regular expression ``\\w+`` or with ``split``, both on lower-cased text; prints one JSON line: bytes, and
CPU seconds of each repetition.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterable

import pyarrow.parquet as pq

WORD = re.compile(r"\w+")
NGRAM = 5
SEED = 42


def rensa(sets: Iterable[set[str]], size: int) -> None:
    """Make one RMinHash a set."""
    from rensa import RMinHash

    for own in sets:
        sketch = RMinHash(num_perm=size, seed=SEED)
        sketch.update(list(own))
        sketch.digest()


def datasketch(sets: Iterable[set[str]], size: int) -> None:
    """Make one MinHash a set, with xxh32 in place of SHA-1, as its documentation advises."""
    import xxhash
    from datasketch import MinHash

    for own in sets:
        sketch = MinHash(num_perm=size, hashfunc=xxhash.xxh32_intdigest)
        sketch.update_batch([gram.encode() for gram in own])


def shingles(texts: list[str], words: Callable[[str], list[str]]) -> Iterable[set[str]]:
    """Yield each text's set of shingles."""
    for text in texts:
        found = words(text.lower())
        yield {" ".join(found[i : i + NGRAM]) for i in range(max(1, len(found) - NGRAM + 1))}


def main() -> None:
    """Read the arguments: peer, tokeniser, table, column, step between rows, values, repetitions."""
    peer, tokeniser, table, column, step, size, repeats = sys.argv[1:]
    texts = pq.read_table(table, columns=[column]).column(0).to_pylist()[:: int(step)]
    texts = [text for text in texts if text]
    sketch = {"rensa": rensa, "datasketch": datasketch}[peer]
    words = {"regex": WORD.findall, "split": str.split}[tokeniser]
    times = []
    for _ in range(int(repeats)):
        started = time.process_time()
        sketch(shingles(texts, words), int(size))
        times.append(time.process_time() - started)
    print(json.dumps({"bytes": sum(len(text.encode()) for text in texts), "seconds": times}))


if __name__ == "__main__":
    main()
