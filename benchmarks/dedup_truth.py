"""Find every near-duplicate pair of a table exactly, and what deduplication without LSH would drop.

    python benchmarks/dedup_truth.py TABLE.parquet --output truth.npz [--threshold 0.8] [--judge OUTPUT]

No signature decides anything here. Pairs of Jaccard >= 0.65 come from an inverted index over the shingles
(the project's word rule and 5-word shingles), rarest first: two sets of Jaccard >= t share at least
ceil(t * |x|) of x's shingles, so, under any one order of all shingles, they meet among the first
|x| - ceil(t * |x|) + 1 of each (prefix filtering; Chaudhuri, Ganti, Kaushik 2006; Bayardo, Ma, Srikant 2007).
Rare shingles come first, so few documents meet, and each that meets is compared exactly. Shingles that no
other document has are counted in the prefix and looked up nowhere.

The order is a count class and 58 bits of the shingle. Shingles that agree in these count as one when
documents meet, which can only let more of them meet; the comparison uses all 64 bits. So the list is exact.

The *oracle* walks all documents in the total order (longest text in bytes first, then id) and drops one if
an earlier kept document has its text digest or Jaccard >= the threshold. ``--judge`` compares the output
folder of ``pile-curate dedup`` with it and checks every drop (``peers/judging.py``).

Memory: 8 bytes a shingle for the sets (twice while they are joined), 4 to 8 for the counts, about 25 for
each shingle in a prefix (at most 35 %). 78 MB of text take 0.8 GB and some 12 seconds of one core.
"""

from __future__ import annotations

import argparse
import glob
import os
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.peers import judging
from benchmarks.peers.truth import FLOOR, Truth, oracle
from pile_curate.compiled import compiled
from pile_curate.dedup.lsh import band_keys
from pile_curate.dedup.minhash import shingle_sets, signature_values, signatures
from pile_curate.hashing import text_digest

NGRAM, SEED, PERMUTATIONS, BANDS, ROWS = 5, 1, 126, 18, 7
"""The settings of shingles and signatures that the recall table is about: the library's defaults."""


@compiled
def _count(shingles, shift, counts):
    for h in shingles:
        slot = h >> shift
        if counts[slot] < 0xFFFFFFFF:
            counts[slot] += 1


@compiled
def _prefixes(shingles, starts, order, counts, shift, numerator, denominator, keys, owners):
    """Write the prefix of each set, in order, without shingles that nobody else has; return how many."""
    written = 0
    for position in range(order.size):
        mine = shingles[starts[order[position]] : starts[order[position] + 1]]
        ordered = np.empty(mine.size, np.uint64)
        for i in range(mine.size):
            count = np.int64(counts[mine[i] >> shift])
            if count > 32:  # 1..32 are classes of their own, then one for every doubling
                doubled = 32
                while count > 1 << (doubled - 27) and doubled < 63:
                    doubled += 1
                count = doubled
            ordered[i] = np.uint64(count) << np.uint64(58) | mine[i] >> np.uint64(6)
        ordered.sort()
        needed = (numerator * mine.size + denominator - 1) // denominator
        for i in range(mine.size - needed + 1 if mine.size > 0 else 0):
            if ordered[i] >> np.uint64(58) > np.uint64(1):
                keys[written] = ordered[i]
                owners[written] = position
                written += 1
    return written


@compiled
def _shared(a, b, needed):
    """Return |a & b|, or -1 as soon as it cannot reach ``needed``."""
    i = j = both = 0
    while i < a.size and j < b.size:
        x, y = a[i], b[j]
        both += x == y
        i += x <= y
        j += y <= x
        if both + min(a.size - i, b.size - j) < needed:
            return -1
    return both


@compiled
def _join(shingles, starts, order, keys, owners, place, lookup, ends, numerator, denominator):
    """Compare each set with the earlier (smaller) ones that it meets; return rows (x, y, shared) and the count."""
    found = np.empty((1024, 3), np.int64)
    pairs = compared = entry = 0
    seen = np.full(order.size, -1, np.int64)
    for x in range(order.size):
        mine = shingles[starts[order[x]] : starts[order[x] + 1]]
        while entry < ends[x]:
            at = place[entry] - 1
            while at >= 0 and keys[lookup[at]] == keys[entry]:
                y = owners[lookup[at]]
                other = shingles[starts[order[y]] : starts[order[y] + 1]]
                if other.size * denominator < numerator * mine.size:
                    break
                if seen[y] != x and y != x:
                    seen[y] = x
                    compared += 1
                    total = mine.size + other.size
                    divisor = numerator + denominator
                    shared = _shared(mine, other, (numerator * total + divisor - 1) // divisor)
                    if shared >= 0 and shared * denominator >= numerator * (total - shared):
                        if pairs == len(found):
                            grown = np.empty((2 * pairs, 3), np.int64)
                            grown[:pairs] = found
                            found = grown
                        found[pairs, 0] = order[x]
                        found[pairs, 1] = order[y]
                        found[pairs, 2] = shared
                        pairs += 1
                at -= 1
            entry += 1
    return found[:pairs], compared


def all_pairs(
    shingles: npt.NDArray[np.uint64], starts: npt.NDArray[np.int64], floor: Fraction = FLOOR
) -> tuple[npt.NDArray[np.int64], int]:
    """Return every pair of sets with Jaccard >= ``floor`` as rows (left, right, shared), and how many were compared.

    Set i is ``shingles[starts[i]:starts[i + 1]]``, sorted, without repeats. Empty sets are in no pair.
    """
    sizes = np.diff(starts)
    order = np.argsort(sizes, kind="stable")
    bits = min(max(10, len(shingles).bit_length()), 28)
    # Slots come from the top bits, which the keys hold too, so equal keys have equal counts. Shingles that
    # share a slot share its count: a worse order, not a wrong one.
    shift = np.uint64(64 - bits)
    counts = np.zeros(1 << bits, np.uint32)
    _count(shingles, shift, counts)
    fraction = np.int64(floor.numerator), np.int64(floor.denominator)
    longest = sizes - -(-fraction[0] * sizes // fraction[1]) + 1
    keys = np.empty(int(longest[sizes > 0].sum()), np.uint64)
    owners = np.empty(len(keys), np.int32)
    written = _prefixes(shingles, starts, order, counts, shift, *fraction, keys, owners)
    del counts
    keys, owners = keys[:written].copy(), owners[:written].copy()
    lookup = np.argsort(keys, kind="stable")
    place = np.empty(written, np.int64)
    place[lookup] = np.arange(written)
    ends = np.searchsorted(owners, np.arange(len(order)), side="right")
    found, compared = _join(shingles, starts, order, keys, owners, place, lookup, ends, *fraction)
    ordered = np.sort(found[:, :2], axis=1)
    rows = np.column_stack([ordered, found[:, 2]])
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))], int(compared)


def batches(paths: Sequence[str], columns: list[str], rows: int | None) -> Iterator[pa.RecordBatch]:
    """Yield the first ``rows`` rows of the files, in order."""
    left = rows if rows is not None else 1 << 62
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(2048, columns=columns):
                if left <= 0:
                    return
                yield batch[:left]
                left -= len(batch)


def measure(
    paths: Sequence[str],
    *,
    text_column: str = "text",
    id_column: str = "id",
    rows: int | None = None,
    floor: Fraction = FLOOR,
) -> Truth:
    """Read the table and return the truth about it; raises ``ValueError`` if an id occurs twice."""
    sets: list[npt.NDArray[np.uint64]] = []
    sizes, values, signed, digests, ids, lengths = [], [], [], [], [], []
    for batch in batches(paths, [id_column, text_column], rows):
        texts = batch.column(text_column).cast(pa.large_string()).fill_null("")
        own = shingle_sets(texts, NGRAM, SEED)
        sizes.extend(len(one) for one in own)
        sets.append(np.concatenate(own))
        _, _, sketch = signatures(texts, ngram=NGRAM, permutations=PERMUTATIONS, seed=SEED)
        values.append(signature_values(sketch, PERMUTATIONS))
        signed.append(sketch.is_valid().to_numpy(zero_copy_only=False))
        digests.extend(text_digest(text) for text in texts.to_pylist())
        lengths.append(pc.binary_length(texts.cast(pa.large_binary())).to_numpy())
        ids.extend(batch.column(id_column).to_pylist())
    if len(set(ids)) != len(ids):
        raise ValueError(
            f"column {id_column} of {paths[0]} repeats an id; every document needs one of its own"
        )
    text_bytes = np.concatenate(lengths)
    by_id = (
        np.argsort(np.array(ids)) if isinstance(ids[0], int) else sorted(range(len(ids)), key=ids.__getitem__)
    )
    place_of_id = np.empty(len(ids), np.int64)
    place_of_id[by_id] = np.arange(len(ids))
    rank = np.empty(len(ids), np.int64)
    rank[np.lexsort((place_of_id, -text_bytes))] = np.arange(len(ids))
    starts = np.zeros(len(ids) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    joined = np.concatenate(sets)
    del sets
    pairs, _ = all_pairs(joined, starts, floor)
    left, right, shared = pairs.T
    row_of = np.cumsum(np.concatenate(signed)) - 1
    signature = np.concatenate(values)
    agreement, band = np.zeros(len(left), np.int16), np.zeros(len(left), np.bool_)
    for first in range(0, len(left), 50_000):
        part = slice(first, first + 50_000)
        a, b = signature[row_of[left[part]]], signature[row_of[right[part]]]
        agreement[part] = (a == b).sum(axis=1)
        band[part] = (band_keys(a, BANDS, ROWS) == band_keys(b, BANDS, ROWS)).any(axis=1)
    size = np.diff(starts)
    return Truth(
        ids=np.array([str(name) for name in ids]),
        text_bytes=text_bytes,
        rank=rank,
        twins=np.unique(np.array(digests, dtype="V16"), return_inverse=True)[1].astype(np.int64),
        shingles=size,
        left=left,
        right=right,
        shared=shared,
        union=size[left] + size[right] - shared,
        agreement=agreement,
        band=band,
    )


def main() -> None:
    """Make the truth, print what the oracle drops, and judge an output folder if one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", help="a Parquet file, or a pattern that several match")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--id-column", default="id")
    parser.add_argument("--rows", type=int, help="only the first so many")
    parser.add_argument("--output", help="where to keep the truth (.npz); it is read instead if it is there")
    parser.add_argument("--threshold", default="0.8")
    parser.add_argument("--judge", help="an output folder of pile-curate dedup for the same table")
    options = parser.parse_args()
    began = time.perf_counter()
    if options.output and os.path.exists(options.output):
        truth = Truth.load(options.output)
    else:
        paths = sorted(glob.glob(options.table)) or [options.table]
        columns = {"text_column": options.text_column, "id_column": options.id_column}
        truth = measure(paths, **columns, rows=options.rows)
        if options.output:
            truth.save(options.output)
    by = oracle(truth, options.threshold)
    print(
        f"{len(truth.ids)} documents, {truth.text_bytes.sum() / 1e6:.1f} MB: {len(truth.left)} pairs of"
        f" Jaccard >= {float(FLOOR)}, {int(truth.reach(options.threshold).sum())} >= {options.threshold};"
        f" the oracle drops {int((by >= 0).sum())} ({time.perf_counter() - began:.1f} s)"
    )
    if options.judge:
        print(judging.report_ours(truth, options.judge, options.threshold))


if __name__ == "__main__":
    main()
