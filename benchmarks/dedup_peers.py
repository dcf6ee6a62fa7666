"""Compare deduplication with its peers on one file: time, memory, and what each drops against exact truth.

    python benchmarks/dedup_peers.py --input TABLE.parquet [--tools ours,rensa,rensa-estimate,datasketch,...]
        [--rows N] [--part-rows M --part-tools datatrove,text-dedup] [--repeats 5] [--envs FOLDER] [--own]

Every tool reads the same Parquet files (id, text) and writes the kept documents. Equal settings: threshold 0.8,
sets of 5 consecutive words, signatures of 126 values in 18 bands of 7, each tool's own word rule; ``--own`` lets
each choose its number of values and its bands. Peers run in environments that are made below ``--envs`` (a
temporary folder without it) with pinned versions, and see no network and no caches of an earlier run.
``peers/run_*.py`` say what each does.

Measured from outside (``watch.py``): wall seconds, CPU seconds of all processes, the highest sum of anonymous
memory and of RSS. Each tool first runs on 1,000 documents, so that byte code and kernels are compiled. Then come
rounds over all tools; the figures are medians. A peer of over two minutes runs once. Tools of ``--part-tools`` see
the first ``--part-rows`` rows, and their seconds are scaled by bytes and marked ``*``: that leaves out that
clustering grows faster than linearly (in their favour) and counts their start-up several times (against them).

Recall and precision: ``peers/judging.py``, against ``dedup_truth.py`` (``--truth FILE`` keeps and reuses it). For this
project every drop is checked against the document that it names.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.dedup_truth import measure
from benchmarks.peers import judging
from benchmarks.peers.tools import Tool, chosen, command, environment, kept, python_of, seconds
from benchmarks.peers.truth import Truth
from benchmarks.watch import Usage, watch

LONG = 120.0
"""Seconds beyond which a peer runs once."""

DEFAULT = "ours,rensa,rensa-estimate,datasketch,datatrove,datatrove-split,text-dedup"


@dataclass
class Runs:
    """All runs of one tool on one input."""

    tool: Tool
    python: str
    source: str
    size: int
    scale: float
    usages: list[Usage] = field(default_factory=list)
    steps: list[dict[str, float]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def median(self, of: str) -> float:
        """Return the median of one of the measured figures."""
        return statistics.median(getattr(usage, of) for usage in self.usages)

    @property
    def wall(self) -> float:
        """The median of the wall seconds, scaled to the whole input."""
        return self.scale * self.median("wall")

    @property
    def warm(self) -> float | None:
        """The same without the session's start, where the tool states it."""
        known = [u.wall - s["session"] for u, s in zip(self.usages, self.steps) if s.get("session")]
        return self.scale * statistics.median(known) if known else None


def prepare(paths: list[str], folder: str, rows: int | None) -> tuple[int, int]:
    """Put the first ``rows`` rows into the folder as at least two Parquet files; return documents and bytes of text.

    Files that are to be read whole are linked. Else two files of equal rows are written, in row groups of a
    thousand rows: datatrove shares out files among its workers, so one file would leave it one core.
    """
    os.makedirs(folder)
    if len(paths) > 1 and rows is None:
        for number, path in enumerate(paths):
            os.symlink(os.path.abspath(path), os.path.join(folder, f"{number:04d}.parquet"))
    else:
        found: list[pa.RecordBatch] = []
        for path in paths:
            for batch in pq.ParquetFile(path).iter_batches(4096, columns=["id", "text"]):
                if rows is None or sum(map(len, found)) < rows:
                    found.append(batch)
        table = pa.Table.from_batches(found)[:rows]
        half = (len(table) + 1) // 2
        for number, part in enumerate((table[:half], table[half:])):
            pq.write_table(part, os.path.join(folder, f"{number:04d}.parquet"), row_group_size=1000)
    documents = size = 0
    for path in sorted(glob.glob(os.path.join(folder, "*.parquet"))):
        for batch in pq.ParquetFile(path).iter_batches(4096, columns=["text"]):
            documents += len(batch)
            size += pc.sum(pc.binary_length(batch.column(0).cast(pa.large_binary()))).as_py() or 0
    return documents, size


def once(runs: Runs, source: str, work: str, options: argparse.Namespace) -> Usage:
    """Run a tool once into ``work/out``; raises ``RuntimeError`` with the end of its output if it fails."""
    scratch, output = os.path.join(work, "scratch"), os.path.join(work, "out")
    for folder in (scratch, output):
        shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(scratch)
    settings: dict[str, Any] = {"threshold": options.threshold, "own": options.own, "cores": options.cores}
    line = command(runs.tool, runs.python, source, output, more=options.ours.split(), **settings)
    log = os.path.join(work, f"{runs.tool.name}.log")
    usage = watch(line, env=environment(runs.tool, scratch), output=log, limit=options.limit)
    if usage.returncode or usage.timed_out:
        with open(log, encoding="utf-8", errors="replace") as file:
            tail = file.read()[-1500:]
        why = f"took over {options.limit:.0f} s" if usage.timed_out else f"ended with {usage.returncode}"
        raise RuntimeError(f"{runs.tool.name} {why}:\n{tail}")
    return usage


def rounds(
    all_runs: list[Runs], work: str, options: argparse.Namespace, truths: dict[str, Truth | None]
) -> None:
    """Run the tools in turn, judge each one's last output; a tool that fails is taken out of the list and named."""
    for number in range(-1, options.repeats):
        for runs in list(all_runs):
            long = runs.tool.env is not None and runs.usages and runs.usages[0].wall > LONG
            if number >= 1 and long:
                continue
            source = os.path.join(work, "few") if number < 0 else runs.source
            try:
                usage = once(runs, source, work, options)
            except RuntimeError as problem:
                print(problem, flush=True)
                all_runs.remove(runs)
                continue
            if number < 0:
                continue
            runs.usages.append(usage)
            runs.steps.append(seconds(runs.tool, os.path.join(work, "out")))
            print(f"  round {number + 1}: {runs.tool.name} {usage.wall:.1f} s", flush=True)
            if number == 0:
                look(runs, os.path.join(work, "out"), truths[runs.source], options.threshold)


def look(runs: Runs, output: str, truth: Truth | None, threshold: str) -> None:
    """Count what the tool kept, and judge it where the truth is known."""
    names = kept(runs.tool, output)
    runs.figures = {"kept": len(names)}
    if truth is None:
        return
    dropped = judging.mask_of(truth, names)
    runs.figures = judging.judge(truth, dropped, threshold)
    if runs.tool.env is None:
        problems = judging.check_named(truth, output, dropped, threshold)
        runs.notes.append(
            f"every one of {int(dropped.sum())} drops checked against the document that it names:"
            f" {len(problems)} problems"
        )
        runs.notes += problems[:20]


def table(all_runs: list[Runs]) -> str:
    """Return the comparison; ratios are to this project's engines, with the session's start and without."""
    ours = [runs for runs in all_runs if runs.tool.env is None]
    columns = (
        "tool             cores  wall s   MB/s   CPU s  anon MB  RSS MB    kept  recall  precision  wrong"
    )
    lines = [columns + "".join(f"   / {runs.tool.name}" for runs in ours)]
    for runs in all_runs:
        mark = " " if runs.scale == 1 else "*"
        f = runs.figures
        judged = f"{f['recall']:7.4f} {f['precision']:10.4f} {f['wrong']:6d}" if "recall" in f else " " * 25
        wall, rate = runs.wall, runs.size / 1e6 / runs.median("wall")
        cpu = runs.scale * runs.median("cpu")
        memory = f"{runs.median('total_anon') / 1e6:8.0f} {runs.median('total_rss') / 1e6:7.0f}"
        line = f"{runs.tool.name:16s} {runs.tool.cores:5d} {wall:7.1f}{mark} {rate:5.1f} {cpu:7.1f} {memory}"
        line += f" {f.get('kept', 0):7d} {judged}"
        for mine in ours:
            warm = f" ({wall / mine.warm:.1f} x)" if mine.warm and runs is not mine else ""
            line += f"   {wall / mine.wall:6.2f} x{warm}"
        lines.append(line)
    lines.append("/ OURS: its wall seconds over ours (in parentheses: ours without the start of the session)")
    if any(runs.scale != 1 for runs in all_runs):
        lines.append(
            "* scaled by bytes from a part; its kept, recall and memory are those of the part, unscaled"
        )
    return "\n".join(lines)


def explain(all_runs: list[Runs], options: argparse.Namespace) -> str:
    """Return what each tool does, and what its runs were."""
    choice = "each tool's own bands" if options.own else "126 values, 18 bands of 7"
    lines = [f"threshold {options.threshold}, 5-word shingles, {choice}; {options.cores} cores allowed"]
    for runs in all_runs:
        walls = ", ".join(f"{usage.wall:.1f}" for usage in runs.usages)
        lines.append(
            f"{runs.tool.name}: words {runs.tool.words}; verification: {runs.tool.check}; runs {walls} s"
        )
        if any(runs.steps):
            steps = {k: statistics.median(s.get(k, 0.0) for s in runs.steps) for k in runs.steps[0]}
            lines.append("  its seconds: " + ", ".join(f"{k} {v:.1f}" for k, v in steps.items()))
        if "recall" in runs.figures:
            lines += ["  " + line for line in judging.render(runs.figures).splitlines()]
        lines += [f"  {note}" for note in runs.notes]
    return "\n".join(lines)


def truth_of(folder: str, path: str | None) -> Truth:
    """Read the truth, or make and keep it."""
    if path and os.path.exists(path):
        return Truth.load(path)
    truth = measure(sorted(glob.glob(os.path.join(folder, "*.parquet"))))
    if path:
        truth.save(path)
    return truth


def parse() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="a Parquet file, a folder or a pattern: id and text")
    parser.add_argument("--tools", default=DEFAULT)
    parser.add_argument("--rows", type=int, help="only the first so many of the input")
    parser.add_argument("--part-rows", type=int, help="so many for the tools of --part-tools")
    parser.add_argument("--part-tools", default="datatrove,datatrove-split,text-dedup")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threshold", default="0.8")
    parser.add_argument("--own", action="store_true", help="each peer's own number of values and bands")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--ours", default="", help="more options for pile-curate dedup, in one string")
    parser.add_argument("--envs", help="a folder for the peers' environments, kept")
    parser.add_argument("--python", action="append", default=[], help="an interpreter that peers may use")
    parser.add_argument("--work", help="a folder for inputs and outputs (default: a temporary one)")
    parser.add_argument("--truth", help="where the exact truth is kept (.npz)")
    parser.add_argument("--no-truth", action="store_true", help="do not judge what was dropped")
    parser.add_argument("--limit", type=float, default=7200.0, help="seconds after which a run is killed")
    parser.add_argument("--json", help="a file for all figures")
    return parser.parse_args()


def compare(options: argparse.Namespace, work: str) -> list[Runs]:
    """Prepare, run and judge; return the runs of every tool that worked."""
    tools = chosen(options.tools)
    parts = {tool.name for tool in chosen(options.part_tools)} if options.part_rows else set()
    pattern = os.path.join(options.input, "*.parquet") if os.path.isdir(options.input) else options.input
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise ValueError(f"--input is {options.input}; no Parquet file is there")
    whole, part = os.path.join(work, "whole"), os.path.join(work, "part")
    documents, size = prepare(paths, whole, options.rows)
    prepare(paths, os.path.join(work, "few"), 1000)
    inputs, truths = {whole: size}, dict[str, Truth | None]()
    truths[whole] = None if options.no_truth else truth_of(whole, options.truth)
    print(f"{documents} documents, {size / 1e6:.1f} MB of text")
    if parts:
        rows, inputs[part] = prepare(paths, part, options.part_rows)
        known = truths[whole]
        truths[part] = None if known is None else known.first(rows)
        print(f"{rows} documents, {inputs[part] / 1e6:.1f} MB for {', '.join(sorted(parts))}")
    all_runs = []
    for tool in tools:
        source = part if tool.name in parts else whole
        python = python_of(tool, options.envs or os.path.join(work, "envs"), options.python)
        all_runs.append(Runs(tool, python, source, inputs[source], size / inputs[source]))
    rounds(all_runs, work, options, truths)
    return all_runs


def main() -> int:
    """Print the comparison."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a running tool is ended as well
    work = options.work or tempfile.mkdtemp(prefix="dedup-peers-")
    try:
        all_runs = compare(options, work)
    finally:
        if not options.work:
            shutil.rmtree(work, ignore_errors=True)
    if not all_runs:
        return 1
    print(table(all_runs))
    print(explain(all_runs, options))
    if options.json:
        rows = [
            {
                "tool": runs.tool.name, "bytes": runs.size, "scale": runs.scale, "figures": runs.figures,
                "runs": [usage.as_dict() for usage in runs.usages], "seconds": runs.steps, "notes": runs.notes,
            }
            for runs in all_runs
        ]  # fmt: skip
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
