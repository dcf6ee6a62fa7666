"""Run near-duplicate removal on inputs made to break it, and check what it keeps.

    python benchmarks/dedup_skew.py [CASE ...] [--scale 1.0] [--engine spark|local] [--master M]
        [--oracle [N]] [--bucket] [--events] [--work build/scale] [-- OPTIONS OF THE COMMAND]

``skew_cases.py`` says what the cases are (none named: all). Each prints documents, MB, the largest band bucket
(``--bucket``: measured from the texts), what was kept, seconds by step, pairs examined, and the peak memory of the
largest process of each kind. The ids kept are compared with those that follow from how the case was made.

``--oracle`` instead makes each case small (N documents, 300 unless told) and compares with ``tests/oracle.py``, the
sequential statement of the meaning, whose time grows with the square. The exit status is 1 if any case differs.
``--scale 0.01`` makes all cases a hundredth as large, for a first look.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

import corpora
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import skew_cases
from dedup_scale import (
    Run,
    megabytes,
    memory,
    memory_line,
    options_for,
    output_of,
    parse,
    run,
    table,
    warm_up,
)

from pile_curate.dedup.minhash import shingle_sets
from pile_curate.hashing import text_digest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import oracle


def kept_ids(output: str) -> corpora.I64:
    """Return the ids in the output, ascending."""
    found = pq.read_table(os.path.join(output, "data"), columns=["id"]).column("id").to_numpy()
    return np.sort(found)


def oracle_ids(corpus: corpora.Corpus) -> corpora.I64:
    """Return the ids that the sequential walk keeps: quadratic, so for a few hundred documents."""
    texts = pa.chunked_array(
        [part for _, part in corpora.batches(corpus, 0, corpus.documents)]
    ).combine_chunks()
    settings, cases = skew_cases.SETTINGS, []
    sets = shingle_sets(texts, settings.ngram, settings.seed)
    signed = iter(skew_cases.sketches(texts).tolist())
    for number, (text, shingles) in enumerate(zip(texts.to_pylist(), sets, strict=True)):
        case = oracle.Case(
            name=str(number),
            order=(-len(text.encode()), number),
            digest=text_digest(text),
            shingles=frozenset(shingles.tolist()),
            signature=tuple(next(signed)) if len(shingles) else None,
        )
        cases.append(case)
    threshold, minimum = repr(settings.threshold), settings.agreement
    dropped = oracle.verdicts(cases, threshold, settings.bands, settings.rows, minimum, settings.cap)
    return np.array([n for n in range(corpus.documents) if str(n) not in dropped])


def compare(name: str, found: corpora.I64, wanted: corpora.I64) -> str:
    """Return ``equal``, or what differs with some ids."""
    if np.array_equal(found, wanted):
        return "equal"
    missing, more = np.setdiff1d(wanted, found), np.setdiff1d(found, wanted)
    return (
        f"DIFFERS: {len(missing)} ids missing (such as {missing[:3].tolist()}), "
        f"{len(more)} too many (such as {more[:3].tolist()})"
    )


def row(corpus: corpora.Corpus, volume: int, done: Run, bucket: str, verdict: str) -> list[object]:
    """Return a case's line of the table."""
    pairs, clusters = done.summary.get("pairs") or {}, done.summary.get("cluster_sizes") or {}
    return [
        corpus.name, f"{corpus.documents:,}", megabytes(volume), bucket, f"{done.summary['kept']:,}", verdict,
        f"{max(map(int, clusters), default=1):,}",
        f"{done.warm:.1f}", done.steps(), f"{pairs.get('examined') or 0:,}", f"{pairs.get('refused') or 0:,}",
        memory_line(memory([done.usage])),
    ]  # fmt: skip


HEADER = [
    "case", "documents", "MB", "largest bucket", "kept", "against the right answer", "largest cluster", "warm s",
    "steps", "pairs examined", "refused", "largest process of a kind, RSS/anonymous MiB",
]  # fmt: skip


def main() -> int:
    """Run the cases and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"one of {', '.join(skew_cases.CASES)}")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--oracle", type=int, nargs="?", const=300, default=0, metavar="N")
    parser.add_argument("--bucket", action="store_true", help="measure the largest bucket from the texts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--keep", action="store_true", help="leave the outputs")
    options_for(parser)
    options = parse(parser, sys.argv[1:])
    for name in options.cases:
        if name not in skew_cases.CASES:
            parser.error(f"no case {name!r}; there are {', '.join(skew_cases.CASES)}")
    warm_up(options)
    rows = []
    for name in options.cases or list(skew_cases.CASES):
        if options.oracle and name.startswith("huge"):
            continue  # the oracle takes sets of millions badly, and the right answer is known
        count = options.oracle or max(10, round(skew_cases.CASES[name][1] * options.scale))
        corpus = skew_cases.corpus_of(name, count, options.seed)
        folder, volume = corpora.kept(options.work, corpus, f"s{options.seed}", options.files)
        bucket = f"{skew_cases.largest_bucket(corpus)[0]:,}" if options.bucket else "-"
        wanted = oracle_ids(corpus) if options.oracle else skew_cases.expected(name, corpus, options.seed)
        try:
            done = run(options, folder, f"skew-{name}")
        except RuntimeError as err:
            print(f"{name}: {err}", file=sys.stderr)
            rows.append([name, f"{count:,}", megabytes(volume), bucket, "-", "FAILED", *["-"] * 6])
            continue
        output = output_of(options, f"skew-{name}")
        verdict = compare(name, kept_ids(output), wanted)
        rows.append(row(corpus, volume, done, bucket, verdict))
        print(f"{name}: {verdict}, {done.warm:.1f} s warm", file=sys.stderr)
        if not options.keep:
            shutil.rmtree(output)
    print(table(HEADER, rows))
    return 0 if all(line[5] == "equal" for line in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
