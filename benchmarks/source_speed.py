"""Measure how fast each source is read: MB of raw input a second of one core, and where the time goes.

    python -m benchmarks.source_speed RECIPE [--input NAME=DIR ...] [--seconds 2] [--sources a,b] [--json FILE]
        [--against CHECKOUT [--turns 3]]

Each source of the recipe is framed, parsed, cleaned and measured in one process (no Spark, no guard), first once so
that everything is compiled and loaded, then again and again for at least ``--seconds`` CPU seconds. Raw bytes are
those on disk, compressed where the source is compressed; text bytes are those of the documents. Shares are of CPU
time: frame (cutting and decompressing), parse (markup to text), clean, language (fastText), signals (quality signals
and signatures). ``--input '*=DIR'`` names one root for all sources that the recipe gives none.

``--against`` names a checkout of another version: both versions measure each source in turn, in processes of their own,
and the table has the medians of the turns' ratios (this version over that one).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict

import pyarrow as pa

from benchmarks.source_runs import Extracted, extract, recipe_of
from pile_curate.recipe import Recipe

STEPS = ("frame", "parse", "clean", "language", "signals")


def measure(made: Extracted) -> None:
    """Identify the language of every document, and compute its signals and signature."""
    from pile_curate.dedup.minhash import signatures
    from pile_curate.language import identify
    from pile_curate.quality.signals import signal_columns

    for start in range(0, len(made.documents), 256):
        texts = [document.text for document in made.documents[start : start + 256]]
        made.timed("language", lambda texts=texts: identify(texts))  # type: ignore[misc]
        column = pa.array(texts, pa.string())
        made.timed("signals", lambda column=column: signal_columns(column))  # type: ignore[misc]
        made.timed("signals", lambda column=column: signatures(column, ngram=5, permutations=126, seed=1))  # type: ignore[misc]


def speed(recipe: Recipe, name: str, seconds: float) -> dict[str, float | str]:
    """Return one source's row."""
    measure(extract(recipe, name))
    total: dict[str, float] = defaultdict(float)
    raw = text = rounds = 0
    while sum(total.values()) < seconds:
        made = extract(recipe, name)
        measure(made)
        for step in STEPS:
            total[step] += made.seconds[step]
        raw += made.tally.raw_bytes
        text += sum(len(document.text.encode()) for document in made.documents)
        rounds += 1
    spent = sum(total.values())
    own = total["frame"] + total["parse"]
    return {
        "source": name, "format": made.format, "documents": len(made.documents), "raw_mb": raw / rounds / 1e6,
        "text_mb": text / rounds / 1e6, "read": raw / own / 1e6, "text_read": text / own / 1e6, "all": raw / spent / 1e6,
        **{step: total[step] / spent for step in STEPS},
    }  # fmt: skip


def render(rows: list[dict[str, float | str]]) -> str:
    """Return the table, the slowest reader (by text made) first."""
    lines = [
        f"{'source':18s} {'format':18s} {'docs':>6s} {'raw MB':>8s} {'text MB':>8s}"
        f" {'read MB/s':>9s} {'text MB/s':>9s} {'whole MB/s':>10s}  "
        + " ".join(f"{step:>8s}" for step in STEPS)
    ]
    for r in sorted(rows, key=lambda row: row["text_read"]):
        shares = " ".join(f"{100 * float(r[step]):7.0f}%" for step in STEPS)
        lines.append(
            f"{r['source']:18s} {r['format']:18s} {r['documents']:6d} {r['raw_mb']:8.2f} {r['text_mb']:8.2f}"
            f" {r['read']:9.2f} {r['text_read']:9.2f} {r['all']:10.2f}  {shares}"
        )
    lines.append("read: frame and parse alone, raw and text; whole: all five steps, raw; one core, CPU time")
    return "\n".join(lines)


def rows_of(checkout: str, recipe: str, inputs: list[str], name: str, seconds: float) -> dict[str, float]:
    """Return a source's row as another process measures it, with a checkout's own code."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [
            sys.executable,
            "-m",
            "benchmarks.source_speed",
            recipe,
            "--sources",
            name,
            "--json",
            file.name,
        ]
        command += ["--seconds", str(seconds), *(part for entry in inputs for part in ("--input", entry))]
        environment = os.environ | {"PYTHONPATH": checkout}
        subprocess.run(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL, check=True)
        (row,) = json.load(file)
    return {key: float(value) for key, value in row.items() if not isinstance(value, str)}


def compare(options: argparse.Namespace, names: list[str]) -> str:
    """Return this version beside the other one, source by source."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    recipe = os.path.abspath(options.recipe)
    lines = [
        f"{'source':18s} {'read MB/s':>10s} {'before':>8s} {'ratio':>7s} {'whole MB/s':>11s} {'before':>8s} {'ratio':>7s}"
    ]
    for name in names:
        turns = [
            [rows_of(code, recipe, options.input, name, options.seconds) for code in (here, options.against)]
            for _ in range(options.turns)
        ]
        cells = []
        for key in ("read", "all"):
            mine, theirs = (statistics.median(turn[which][key] for turn in turns) for which in (0, 1))
            ratio = statistics.median(turn[0][key] / turn[1][key] for turn in turns)
            cells.append(f"{mine:10.2f} {theirs:8.2f} {ratio:6.2f}x")
        lines.append(f"{name:18s} " + "  ".join(cells))
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--sources", help="only these, separated by commas")
    parser.add_argument("--json", help="a file for the rows")
    parser.add_argument("--against", metavar="CHECKOUT", help="another version's folder, measured in turn")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    recipe = recipe_of(options.recipe, options.input)
    names = options.sources.split(",") if options.sources else list(recipe.names)
    if options.against:
        options.against = os.path.abspath(options.against)
        print(compare(options, names))
        return
    rows = [speed(recipe, name, options.seconds) for name in names]
    print(render(rows))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
