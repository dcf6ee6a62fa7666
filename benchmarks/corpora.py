"""Generate Parquet corpora for benchmarks, fast, and the same ones however the files are cut.

    python benchmarks/corpora.py OUTPUT [--case zipf] [--documents 100000] [--words 200] [--files 8]
        [--ids int64|string] [--clustered 0.3] [--seed 1] [--bucket]

Every word is a function of (seed, document, position), so neither the number of files nor the order of making
them shows. Words come from a Zipf vocabulary: 200,000 words, exponent 1.05, short ones frequent, one in ten not
ASCII; sentences have capitals and marks. Lengths are log-normal (sigma 0.8); 200 words are 1.3 kB.

A share of the documents (``--clustered``) is planted in clusters. Their sizes have a power-law tail (exponent 2.5) from
2 up to 1,000, the same at every size of the corpus, so that growth measures the method and not the corpus. A
fifth of the copies is exact; in the others each word was replaced with a rate of 0.3 u^3, u uniform: from 0 to 0.3,
and about two in five above Jaccard 0.8. The other cases are in ``skew_cases.py``.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate.compiled import compiled, inlined

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
GOLDEN = 0x9E3779B97F4A7C15
CORPORA_VERSION = 1
"""Bump when any corpus would get another text: kept corpora are then made anew."""
BATCH_BYTES = 32 << 20
LARGEST_CLUSTER = 1000
VOCABULARY, EXPONENT = 200_000, 1.05
LATIN, ACCENTED, CYRILLIC = "etaoinshrdlcumwfgypbvkjxqz", "éèàüößøñçłśž", "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфё"


class Plan(NamedTuple):
    """What to write for some documents, one entry each.

    ``count`` words of the stream ``key``, the first ``head`` of them of the stream ``head_key``, each replaced with
    probability ``rate`` by one of the stream ``copy``; then ``own`` serial words, numbered from ``serial``.
    """

    key: U64
    count: I64
    rate: npt.NDArray[np.float64]
    copy: U64
    serial: I64
    own: I64


class Corpus(NamedTuple):
    """A named corpus: ``plan(first, stop)`` says what documents first ... stop - 1 consist of."""

    name: str
    documents: int
    plan: Callable[[int, int], Plan]
    head_key: int = 0
    head: int = 0
    punctuated: bool = True


class Words(NamedTuple):
    """A vocabulary: the words' bytes, ``start << 8 | length`` of each, and Walker's table, ``share << 32 | alias``.

    Packed, because two misses of the cache a word are the cost of making text.
    """

    data: npt.NDArray[np.uint8]
    spans: I64
    alias: U64


def mixed(values: object) -> U64:
    """Return a 64-bit hash of each number; a single number becomes an array of one."""
    z = np.atleast_1d(values).astype(np.uint64) + np.uint64(GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(values: object) -> npt.NDArray[np.float64]:
    """Return a number in (0, 1) for each."""
    return ((mixed(values) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


@inlined
def _mix(z: int) -> int:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled
def _alias(p: Any, table: Any) -> None:
    """Fill Walker's table by Vose's method; ``p`` are probabilities times their number."""
    n, small, large = p.size, 0, 0
    stack = np.empty(n, np.int64)  # small ones from the front, large ones from the back
    for i in range(n):
        if p[i] < 1.0:
            stack[small] = i
            small += 1
        else:
            large += 1
            stack[n - large] = i
    while small > 0 and large > 0:
        small -= 1
        low, high = stack[small], stack[n - large]
        table[low] = (np.uint64(p[low] * 4294967295.0) << np.uint64(32)) | np.uint64(high)
        p[high] -= 1.0 - p[low]
        if p[high] < 1.0:
            large -= 1
            stack[small] = high
            small += 1
    for i in range(small):
        table[stack[i]] = (np.uint64(0xFFFFFFFF) << np.uint64(32)) | np.uint64(stack[i])
    for i in range(n - large, n):
        table[stack[i]] = (np.uint64(0xFFFFFFFF) << np.uint64(32)) | np.uint64(stack[i])


@compiled
def _write(
    key: U64, count: I64, rate: Any, copy: U64, serial: I64, own: I64, head_key: int, head: int,
    punctuated: bool, data: Any, spans: I64, alias: U64, out: Any,
) -> Any:  # fmt: skip
    """Write the documents' text one after another; return (bytes, ends)."""
    size, step, at = np.uint64(alias.size), np.uint64(0x9E3779B97F4A7C15), 0
    ends = np.zeros(key.size + 1, np.int64)
    for d in range(key.size):
        capital = punctuated
        begin = at
        for j in range(count[d]):
            stream = np.uint64(head_key) if j < head else key[d]
            h = _mix(stream + np.uint64(j) * step)
            if rate[d] > 0.0:
                c = _mix(copy[d] + np.uint64(j) * step)
                if np.float64(c >> np.uint64(11)) * 2.0**-53 < rate[d]:
                    h = _mix(c + step)
            word = np.int64(((h >> np.uint64(32)) * size) >> np.uint64(32))
            if (h & np.uint64(0xFFFFFFFF)) >= alias[word] >> np.uint64(32):
                word = np.int64(alias[word] & np.uint64(0xFFFFFFFF))
            first, length = spans[word] >> 8, spans[word] & 255
            if at + length + 64 > out.size:
                grown = np.empty(2 * out.size, np.uint8)
                grown[:at] = out[:at]
                out = grown
            if j > 0:
                mark = _mix(h) & np.uint64(63)
                capital = False
                if punctuated and mark < np.uint64(4):
                    out[at] = 46  # .
                    at += 1
                    capital = True
                elif punctuated and mark < np.uint64(8):
                    out[at] = 44  # ,
                    at += 1
                out[at] = 10 if punctuated and mark == np.uint64(0) else 32
                at += 1
            for b in range(length):
                out[at + b] = data[first + b]
            if capital and 97 <= out[at] <= 122:
                out[at] -= 32
            at += length
        if at + own[d] * 10 + 64 > out.size:
            grown = np.empty(2 * out.size + own[d] * 10, np.uint8)
            grown[:at] = out[:at]
            out = grown
        for j in range(own[d]):
            if at > begin:
                out[at] = 32
                at += 1
            number = (serial[d] + j) * 129_140_163 % 308_915_776  # prime to 26^6: a bijection below that
            for b in range(6):
                out[at + 5 - b] = 97 + number % 26
                number //= 26
            at += 6
        ends[d + 1] = at
    return out[:at], ends


@functools.cache
def vocabulary(size: int = VOCABULARY, exponent: float = EXPONENT, seed: int = 1) -> Words:
    """Return the vocabulary, rank by rank; a second or so."""
    draw = random.Random(seed)
    weights = [1 / (i + 3) for i in range(len(LATIN))]
    seen, words = set[str](), list[bytes]()
    for rank in range(size):
        kind = draw.random()
        letters = LATIN if kind < 0.96 else CYRILLIC
        length = max(1, round(1.4 + 0.58 * np.log(rank + 2) + 3 * draw.random() - 1.5))
        word = "".join(draw.choices(letters, weights if letters is LATIN else None, k=length))
        if kind < 0.06:
            word = word[:-1] + draw.choice(ACCENTED)
        while word in seen:
            word += draw.choice(letters)
        seen.add(word)
        words.append(word.encode())
    p = (np.arange(size) + 2.0) ** -exponent  # Mandelbrot's shift: the most frequent word is 1 in 18
    alias, counts = np.zeros(size, np.uint64), np.array([len(word) for word in words])
    _alias(p / p.sum() * size, alias)
    spans = ((np.cumsum(counts) - counts) << 8) | counts
    return Words(np.frombuffer(b"".join(words), np.uint8), spans, alias)


def lengths(keys: U64, mean: float, least: int = 1, sigma: float = 0.8) -> I64:
    """Return log-normal numbers of words with this mean, at most a hundred times it."""
    normal = np.sqrt(-2 * np.log(uniform(keys))) * np.cos(2 * np.pi * uniform(keys ^ np.uint64(GOLDEN)))
    drawn = np.exp(np.log(mean) - sigma**2 / 2 + sigma * normal)
    return np.clip(np.rint(drawn), least, 100 * mean).astype(np.int64)


def plain(key: U64, count: I64, **more: Any) -> Plan:
    """Return a plan of ``count`` words of the stream ``key``, and whatever else is given."""
    nothing = np.zeros(len(key), np.int64)
    given = {"rate": np.zeros(len(key)), "copy": key, "serial": nothing, "own": nothing, **more}
    return Plan(key, count, **given)


def stream(seed: int, numbers: object) -> U64:
    """Return the stream of words of each number; other seeds, other streams."""
    return mixed(mixed(seed) ^ np.atleast_1d(numbers).astype(np.uint64) * np.uint64(0xD6E8FEB86659FD93))


def clusters(documents: int, share: float, seed: int = 1) -> tuple[I64, I64]:
    """Return each document's original and its number as a copy (0: the original, or alone)."""
    original, copy = np.arange(documents), np.zeros(documents, np.int64)
    wanted, largest = int(share * documents), max(2, min(LARGEST_CLUSTER, documents // 20))
    tail = uniform(stream(seed + 101, np.arange(wanted // 2 + 1)))
    sizes = np.minimum(np.floor(2 * tail ** (-1 / 1.5)), largest).astype(np.int64)
    ends = np.cumsum(sizes)
    ends = ends[: np.searchsorted(ends, wanted, side="right")]
    if len(ends):
        sizes = sizes[: len(ends)]
        shuffled = np.argsort(stream(seed + 102, np.arange(documents)), kind="stable")[: ends[-1]]
        begins = np.repeat(ends - sizes, sizes)
        original[shuffled] = shuffled[begins]
        copy[shuffled] = np.arange(ends[-1]) - begins
    return original, copy


def zipf(documents: int, words: float = 200, share: float = 0.3, seed: int = 1, least: int = 1) -> Corpus:
    """Return the corpus with planted clusters (``share`` 0: none)."""
    original, copy = clusters(documents, share, seed)

    def plan(first: int, stop: int) -> Plan:
        key = stream(seed, original[first:stop])
        own = stream(seed + 103, np.arange(first, stop))
        exact = (copy[first:stop] == 0) | (uniform(own) < 0.2)
        rate = np.where(exact, 0.0, 0.3 * uniform(own ^ np.uint64(GOLDEN)) ** 3)
        return plain(key, lengths(key, words, least), rate=rate, copy=own)

    return Corpus("zipf" if share else "distinct", documents, plan)


def text_array(corpus: Corpus, plan: Plan) -> pa.Array:
    """Return the texts of some of a corpus's documents as one string array (below 2 GiB)."""
    out = np.empty(int(plan.count.sum() + plan.own.sum()) * 7 + 1024, np.uint8)
    data, ends = _write(*plan, corpus.head_key, corpus.head, corpus.punctuated, *vocabulary(), out)
    body = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(plan.key), body)


def batches(corpus: Corpus, first: int, stop: int) -> Iterator[tuple[int, pa.Array]]:
    """Give (number of the first document, texts) for the documents, about 32 MB or one document at a time."""
    for start in range(first, stop, 1 << 16):
        plan = corpus.plan(start, min(stop, start + (1 << 16)))
        sizes = np.cumsum(7 * (plan.count + plan.own))
        at = 0
        while at < len(sizes):
            before = sizes[at - 1] if at else 0
            end = max(at + 1, int(np.searchsorted(sizes, before + BATCH_BYTES, side="right")))
            yield start + at, text_array(corpus, Plan(*[column[at:end] for column in plan]))
            at = end


def write(corpus: Corpus, directory: str, files: int = 8, ids: str = "int64") -> int:
    """Write Parquet files (id, text), at most 32 MB of text a row group; return the bytes of text."""
    os.makedirs(directory, exist_ok=True)
    schema = pa.schema([("id", pa.int64() if ids == "int64" else pa.string()), ("text", pa.string())])
    options = {"compression": "zstd", "compression_level": 1, "use_dictionary": False}
    files, total = max(1, min(files, corpus.documents)), 0
    cuts = [corpus.documents * f // files for f in range(files + 1)]
    for number, (first, stop) in enumerate(zip(cuts, cuts[1:], strict=False)):
        with pq.ParquetWriter(
            os.path.join(directory, f"part-{number:05d}.parquet"), schema, **options
        ) as sink:
            for start, texts in batches(corpus, first, stop):
                numbers = np.arange(start, start + len(texts))
                column = pa.array(numbers) if ids == "int64" else pa.array([f"doc-{i:012d}" for i in numbers])
                sink.write_table(pa.table([column, texts], schema=schema), row_group_size=len(texts))
                total += int(np.frombuffer(texts.buffers()[1], np.int32)[len(texts)])
    return total


def kept(root: str, corpus: Corpus, about: str, files: int = 8, ids: str = "int64") -> tuple[str, int]:
    """Write a corpus below ``root`` unless it lies there; return its folder and its bytes of text.

    ``about`` names what its texts depend on beside its name and number of documents.
    """
    name = f"{corpus.name}-{corpus.documents}-{about}-{files}x{ids}-v{CORPORA_VERSION}"
    folder, note = os.path.join(root, name), os.path.join(root, f"{name}.json")
    if not os.path.exists(note):
        size = write(corpus, folder, files, ids)
        with open(note, "w", encoding="utf-8") as sink:
            json.dump({"bytes": size}, sink)
    with open(note, encoding="utf-8") as source:
        return folder, int(json.load(source)["bytes"])


def main() -> None:
    """Write one corpus and say how large it is."""
    from skew_cases import corpus_of, largest_bucket

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output")
    parser.add_argument("--case", default="zipf")
    parser.add_argument("--documents", type=int, default=0)
    parser.add_argument("--words", type=float, default=200)
    parser.add_argument("--clustered", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--ids", choices=("int64", "string"), default="int64")
    parser.add_argument("--bucket", action="store_true", help="measure the largest band bucket")
    options = parser.parse_args()
    started = time.perf_counter()
    if options.case == "zipf":
        corpus = zipf(options.documents or 100_000, options.words, options.clustered, options.seed)
    else:
        corpus = corpus_of(options.case, options.documents, options.seed)
    size = write(corpus, options.output, options.files, options.ids)
    seconds = time.perf_counter() - started
    print(f"{corpus.documents} documents, {size / 1e6:.1f} MB of text in {seconds:.1f} s")
    if options.bucket:
        largest, pairs = largest_bucket(corpus)
        print(f"largest band bucket: {largest} documents; {pairs} pairs share a band, counted per band")


if __name__ == "__main__":
    main()
