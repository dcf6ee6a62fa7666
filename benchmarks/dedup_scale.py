"""Show how near-duplicate removal grows: seconds, memory, shuffle and pairs at several sizes, and the exponent.

    python benchmarks/dedup_scale.py [--sizes 100000,400000,1600000] [--words 200] [--clustered 0.3]
        [--engine spark|local] [--master M] [--partitions N] [--repeats 1] [--events] [--work build/scale]
        [--command "pile-curate dedup"] [-- OPTIONS OF THE COMMAND]

Generates each corpus (``corpora.py``; kept below ``--work`` for the next run), runs the command as anyone would, in
a process of its own that ``watch.py`` follows, and reads its ``summary.json``. *Warm* seconds are
``seconds.total`` without ``seconds.session``. With several repeats times are medians and memory is the maximum.

``--events`` has Spark write its event log and adds what it shuffled and spilled, by stage. What tasks hand over
through files is not in that log; ``written`` is what the kernel says all processes sent to disks. The
exponent is the slope of a least-squares line through (log documents, log warm seconds).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import corpora
import numpy as np
from watch import KINDS, Peak, Usage, watch

SHORT = {
    "driver_jvm": "driver JVM",
    "executor_jvm": "executor JVM",
    "daemon_jvm": "master, worker JVM",
    "python_driver": "Python driver",
    "python_worker": "Python worker",
    "other": "other",
}


class Stage(NamedTuple):
    """What a stage's tasks did: bytes, and the seconds of the middle and the longest task."""

    name: str
    tasks: int
    shuffled: int
    spilled: int
    middle: float
    longest: float


class Run(NamedTuple):
    """One run of the command: its summary, what it needed, and its stages if Spark's event log was written."""

    summary: dict[str, Any]
    usage: Usage
    stages: list[Stage]

    @property
    def warm(self) -> float:
        """Seconds without opening the session."""
        seconds = self.summary["seconds"]
        return float(seconds["total"]) - float(seconds.get("session") or 0.0)

    def steps(self) -> str:
        """Return the steps and their seconds in one line."""
        known = self.summary["seconds"].items()
        return ", ".join(f"{k} {v:.1f}" for k, v in known if k not in ("session", "total") and v is not None)


def options_for(parser: argparse.ArgumentParser) -> None:
    """Declare what both benchmarks pass on to the command."""
    parser.add_argument("--engine", choices=("auto", "spark", "local"), default="spark")
    parser.add_argument("--master")
    parser.add_argument("--partitions", type=int)
    parser.add_argument(
        "--work", default=os.path.join("build", "scale"), help="where corpora and outputs lie"
    )
    parser.add_argument("--events", action="store_true", help="have Spark write its event log and read it")
    parser.add_argument("--no-warm-up", dest="warm_up", action="store_false")
    parser.add_argument("--limit", type=float, default=3600, help="seconds after which a run is ended")
    parser.add_argument(
        "--command", default="", help="another command line, such as 'spark-submit jobs/dedup.py'"
    )


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Return the options; ``rest`` is what follows ``--``, for the command."""
    at = list(words).index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:at])
    options.rest = list(words[at + 1 :])
    return options


def run(options: argparse.Namespace, source: str, name: str) -> Run:
    """Run the command over a folder; raise ``RuntimeError`` with the end of what it printed if it fails."""
    output = os.path.abspath(os.path.join(options.work, f"out-{name}"))
    log, events = f"{output}.log", f"{output}.events"
    for folder in (output, events):
        shutil.rmtree(folder, ignore_errors=True)
    command = shlex.split(options.command) or [sys.executable, "-m", "pile_curate.cli", "dedup"]
    command += ["--input", source, "--output", output, "--engine", options.engine]
    for flag in ("master", "partitions"):
        value = getattr(options, flag)
        command += [f"--{flag}", str(value)] if value else []
    command += options.rest
    env = dict(os.environ)
    if options.events:
        os.makedirs(events)
        more = {
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": f"file://{events}",
            "spark.eventLog.compress": "false",
            "spark.eventLog.rolling.enabled": "false",
        }
        settings = [env.get("PILE_CURATE_SPARK_CONF", ""), *(f"{k}={v}" for k, v in more.items())]
        env["PILE_CURATE_SPARK_CONF"] = ",".join(filter(None, settings))
    usage = watch(command, env=env, output=log, limit=options.limit)
    try:
        if usage.returncode != 0 or usage.timed_out:
            with open(log, encoding="utf-8", errors="replace") as stream:
                tail = stream.read()[-3000:]
            state = "was ended at --limit" if usage.timed_out else f"ended with {usage.returncode}"
            raise RuntimeError(f"{shlex.join(command)} {state} after {usage.wall:.0f} s:\n{tail}")
        with open(os.path.join(output, "summary.json"), encoding="utf-8") as stream:
            return Run(json.load(stream), usage, read_events(events) if options.events else [])
    finally:
        shutil.rmtree(events, ignore_errors=True)


def warm_up(options: argparse.Namespace) -> None:
    """Run the command once over 2,000 documents, so that no measured run compiles kernels (they stay on disk)."""
    if options.warm_up:
        folder, _ = corpora.kept(options.work, corpora.zipf(2000), "warm-up", 2)
        done = run(options, folder, "warm-up")
        print(f"warm-up: {done.usage.wall:.1f} s", file=sys.stderr)
        shutil.rmtree(output_of(options, "warm-up"))


def output_of(options: argparse.Namespace, name: str) -> str:
    """Return where the output of ``run`` lies."""
    return os.path.abspath(os.path.join(options.work, f"out-{name}"))


def read_events(folder: str) -> list[Stage]:
    """Read Spark's event logs below a folder: JSON lines, one event each."""
    names: dict[tuple[str, int], str] = {}
    tasks: dict[tuple[str, int], list[tuple[float, int, int]]] = defaultdict(list)
    for root, _, files in os.walk(folder):
        for file in sorted(files):
            if file.startswith((".", "appstatus")):
                continue
            with open(os.path.join(root, file), encoding="utf-8") as stream:
                for line in stream:
                    if line.startswith('{"Event":"SparkListenerStageCompleted"'):
                        info = json.loads(line)["Stage Info"]
                        names[file, info["Stage ID"]] = info["Stage Name"]
                    elif line.startswith('{"Event":"SparkListenerTaskEnd"'):
                        event = json.loads(line)
                        metrics = event.get("Task Metrics") or {}
                        shuffled = metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
                        seconds = metrics.get("Executor Run Time", 0) / 1000
                        spilled = metrics.get("Disk Bytes Spilled", 0)
                        tasks[file, event["Stage ID"]].append((seconds, shuffled, spilled))
    stages = []
    for key in sorted(tasks, key=lambda k: (k[0], k[1])):
        seconds = [task[0] for task in tasks[key]]
        shuffled, spilled = (sum(task[column] for task in tasks[key]) for column in (1, 2))
        middle = statistics.median(seconds)
        stages.append(Stage(names.get(key, "?"), len(seconds), shuffled, spilled, middle, max(seconds)))
    return stages


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of log(values) over log(sizes); not a number if a value is missing."""
    if len(sizes) < 2 or min(values) <= 0:
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; numbers to the right."""
    right = [
        all(not isinstance(row[c], str) or row[c][:1].isdigit() for row in rows) for c in range(len(header))
    ]
    lines = [header, ["--:" if r else "---" for r in right], *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def megabytes(size: float) -> str:
    """Return 10^6 bytes with what precision is due."""
    return f"{size / 1e6:,.1f}" if size < 1e8 else f"{size / 1e6:,.0f}"


def memory(usages: Sequence[Usage]) -> dict[str, Peak]:
    """Return the maximum of each kind's peaks over some runs."""
    found: dict[str, Peak] = {}
    for usage in usages:
        for kind, peak in usage.peaks.items():
            best = found.setdefault(kind, Peak())
            for field in Peak.__slots__:
                setattr(best, field, max(getattr(best, field), getattr(peak, field)))
    return {kind: found[kind] for kind in KINDS if kind in found}


def memory_line(peaks: dict[str, Peak]) -> str:
    """Return ``kind RSS/anonymous x processes`` in MiB for each kind, the largest process of each."""
    return "; ".join(
        f"{SHORT[kind]} {peak.rss >> 20:,}/{peak.anon >> 20:,} x{peak.processes}"
        for kind, peak in peaks.items()
        if kind != "other"
    )


def report(sizes: list[int], volumes: list[int], runs: list[list[Run]]) -> str:
    """Return the tables and the exponents."""

    def middle(group: list[Run], value: Any) -> float:
        return statistics.median(value(r) for r in group)

    def pairs(r: Run, key: str) -> float:
        return float((r.summary.get("pairs") or {}).get(key) or 0) / r.summary["documents"] * 1e6

    warm = [middle(group, lambda r: r.warm) for group in runs]
    cpu = [middle(group, lambda r: r.usage.cpu) for group in runs]
    times = [
        [
            f"{n:,}", megabytes(v), f"{g[0].summary['kept']:,}",
            f"{middle(g, lambda r: float(r.summary['seconds'].get('session') or 0)):.1f}",
            f"{w:.1f}", g[0].steps(), f"{v / 1e6 / w:.1f}", f"{c:.0f}",
            f"{middle(g, lambda r: r.usage.wall):.1f}",
        ]
        for n, v, g, w, c in zip(sizes, volumes, runs, warm, cpu, strict=True)
    ]  # fmt: skip
    head = ["documents", "MB of text", "kept", "session s", "warm s", "steps", "MB/s warm", "CPU s", "wall s"]
    moved = [
        [
            f"{n:,}",
            megabytes(sum(s.shuffled for s in g[0].stages)) if g[0].stages else "-",
            megabytes(sum(s.spilled for s in g[0].stages)) if g[0].stages else "-",
            megabytes(max(r.usage.written for r in g)),
            f"{pairs(g[0], 'examined'):,.0f}", f"{pairs(g[0], 'refused'):,.0f}",
            f"{max(r.usage.total_rss for r in g) >> 20:,}/{max(r.usage.total_anon for r in g) >> 20:,}",
            memory_line(memory([r.usage for r in g])),
        ]
        for n, g in zip(sizes, runs, strict=True)
    ]  # fmt: skip
    more = ["documents", "shuffled MB", "spilled MB", "written MB", "pairs examined per million documents"]
    more += [
        "refused per million",
        "all processes, RSS/anonymous MiB",
        "largest process of a kind, RSS/anonymous MiB",
    ]
    parts = [table(head, times), table(more, moved)]
    if len(sizes) > 1:
        between = [
            f"{a:,} to {b:,}: {exponent((a, b), (x, y)):.2f}"
            for a, b, x, y in zip(sizes, sizes[1:], warm, warm[1:], strict=False)
        ]
        fitted = f"Growth exponent of warm seconds {exponent(sizes, warm):.3f} ({'; '.join(between)})"
        fitted += f", of CPU seconds of all processes {exponent(sizes, cpu):.3f}"
        shuffled = [float(sum(s.shuffled for s in g[0].stages)) for g in runs]
        if min(shuffled) > 0:
            fitted += f", of shuffled bytes {exponent(sizes, shuffled):.3f}"
        parts.append(fitted + ".")
    stages = sorted(runs[-1][0].stages, key=lambda s: -s.shuffled)[:12]
    if stages:
        rows = [
            [
                s.name,
                s.tasks,
                megabytes(s.shuffled),
                megabytes(s.spilled),
                f"{s.middle:.2f}",
                f"{s.longest:.2f}",
            ]
            for s in stages
        ]
        shown = [
            "stage (largest run)",
            "tasks",
            "shuffled MB",
            "spilled MB",
            "median task s",
            "longest task s",
        ]
        parts.append(table(shown, rows))
    return "\n\n".join(parts)


def main() -> None:
    """Generate, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="100000,400000,1600000")
    parser.add_argument("--words", type=float, default=200)
    parser.add_argument("--clustered", type=float, default=0.3)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    options_for(parser)
    options = parse(parser, sys.argv[1:])
    sizes, volumes, runs = [int(size) for size in options.sizes.split(",")], [], []
    warm_up(options)
    for size in sizes:
        corpus = corpora.zipf(size, options.words, options.clustered, options.seed)
        about = f"w{options.words:g}-c{options.clustered:g}-s{options.seed}"
        folder, volume = corpora.kept(options.work, corpus, about, options.files)
        volumes.append(volume)
        group = []
        for _ in range(options.repeats):
            found = run(options, folder, f"scale-{size}")
            group.append(found)
            print(
                f"{size:,} documents: {found.warm:.1f} s warm, {found.usage.wall:.1f} s wall", file=sys.stderr
            )
        runs.append(group)
        shutil.rmtree(output_of(options, f"scale-{size}"))
    print(report(sizes, volumes, runs))


if __name__ == "__main__":
    main()
