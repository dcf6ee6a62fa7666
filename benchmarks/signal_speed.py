"""Compare the signals' kernel with the plain statement: equal on every document of a recipe, and how fast both are.

    python -m benchmarks.signal_speed RECIPE [--input NAME=DIR ...] [--sources a,b] [--rounds 5]

Prints MB of text a second of one core (CPU time) by source: the kernel (best of the rounds) and
``tests/signal_reference.py``, which is slow and runs once. Ends with status 1 if any value differs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from benchmarks.source_runs import extract, recipe_of
from pile_curate.quality.signals import signal_columns
from pile_curate.schema import SIGNALS
from tests import signal_reference

BATCH = 256


def seconds(work: Callable[[], object], rounds: int = 1) -> float:
    """Return the least CPU time of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def different(texts: list[str], expected: list[dict[str, float]]) -> int:
    """Count values that are not those of the plain statement."""
    count = 0
    for start in range(0, len(texts), BATCH):
        rows = expected[start : start + BATCH]
        columns = signal_columns(pa.array(texts[start : start + BATCH], pa.string()))
        for name in SIGNALS:
            count += int(np.sum(columns[name] != np.array([row[name] for row in rows])))
    return count


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--sources", help="only these, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    recipe = recipe_of(options.recipe, options.input)
    signal_columns(pa.array(["compile or load the kernel"]))
    print(
        f"{'source':18s} {'docs':>6s} {'text MB':>8s} {'kernel':>8s} {'plain':>8s} {'ratio':>6s} {'differ':>6s}"
    )
    wrong = 0
    for name in options.sources.split(",") if options.sources else recipe.names:
        texts = [document.text for document in extract(recipe, name).documents]
        batches = [pa.array(texts[i : i + BATCH], pa.string()) for i in range(0, len(texts), BATCH)]
        size = sum(len(text.encode()) for text in texts) / 1e6
        kernel = seconds(lambda batches=batches: [signal_columns(b) for b in batches], options.rounds)  # type: ignore[misc]
        expected: list[dict[str, float]] = []
        plain = seconds(
            lambda texts=texts, expected=expected: expected.extend(map(signal_reference.signals, texts))  # type: ignore[misc]
        )
        differ = different(texts, expected)
        wrong += differ
        print(
            f"{name:18s} {len(texts):6d} {size:8.2f} {size / kernel:8.1f} {size / plain:8.2f} {plain / kernel:6.0f} {differ:6d}"
        )
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
