"""Feed every reader what would break it, and print what that cost: kind, seconds, peak memory, outcome.

    python -m benchmarks.hostile_sources [--only WORD] [--work FOLDER] [--big]

Each input is written to a file, then read by the extract task as a job would read it (frames in one process,
parsing in the guarded child with its limits of CPU time and memory), in a process of its own that is watched from
outside. ``hostile_inputs.py`` says what the inputs are. ``--big`` adds those of a gigabyte and more.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from benchmarks.hostile_inputs import INPUTS, Hostile
from benchmarks.watch import mib, watch

CPU_SECONDS = 10.0
MEMORY = 1 << 30
LIMIT = 900.0


def run_one(name: str, folder: str) -> dict[str, Any]:
    """Read one input as the extract stage's task does; return what came of it."""
    from pile_curate.clean import PRESETS
    from pile_curate.sources import SOURCES
    from pile_curate.spark.extract_task import SourceTask, extract

    hostile = INPUTS[name]
    fmt = SOURCES[hostile.format]
    options = fmt.Options.model_validate(hostile.options)
    files = fmt.discover(os.path.join(folder, "in"), ["."], options)
    task = SourceTask(
        source="hostile", format=hostile.format, options=options, cleaning=PRESETS["prose" if fmt.prose else "code"],
        licence="LicenseRef-unknown", consent="author", seed=1, validation=0.0, test=0.0, cpu_seconds=CPU_SECONDS,
        memory_bytes=MEMORY, documents=os.path.join(folder, "documents", "attempts", "1"),
        rejects=os.path.join(folder, "rejects", "attempts", "1"),
        scratch=os.path.join(folder, "scratch"), splits=tuple(fmt.splits(files, options)),
    )  # fmt: skip
    os.makedirs(task.documents)
    os.makedirs(task.rejects)
    found = extract(task)
    told = found.document_records + found.parts + sum(seen["records"] for seen in found.reasons.values())
    return {
        "records": found.records,
        "balanced": told == found.records,
        "documents": found.document_count + found.parts,
        "rejects": {reason: seen["rows"] for reason, seen in sorted(found.reasons.items())},
    }


def attempt(name: str, hostile: Hostile, work: str) -> str:
    """Write the input, read it in a watched process, and return the table's line."""
    folder = os.path.join(work, name)
    os.makedirs(os.path.join(folder, "in"))
    hostile.write(os.path.join(folder, "in"))
    size = sum(
        os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(os.path.join(folder, "in")) for f in fs
    )
    log = os.path.join(folder, "log")
    command = [sys.executable, "-m", "benchmarks.hostile_sources", "--one", name, "--work", folder]
    usage = watch(command, env=dict(os.environ), output=log, limit=LIMIT)
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    if usage.returncode or usage.timed_out or not lines:
        outcome = f"FAILED: {lines[-1][:80] if lines else 'no output'}"
    else:
        found = json.loads(lines[-1])
        reasons = ", ".join(f"{reason} {count}" for reason, count in found["rejects"].items()) or "no rejects"
        outcome = f"{found['documents']} documents; {reasons}" + (
            "" if found["balanced"] else "; NOT BALANCED"
        )
    shutil.rmtree(folder)
    return (
        f"{name:34s} {hostile.format:18s} {size / 1e6:9.2f} {usage.wall:7.1f} {usage.cpu:7.1f}"
        f" {mib(usage.total_anon):6d}  {outcome}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="inputs whose name or format holds this word")
    parser.add_argument("--work", help="a folder for inputs and outputs (default: a temporary one)")
    parser.add_argument("--big", action="store_true", help="also inputs of a gigabyte and more")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        print(json.dumps(run_one(options.one, options.work)))
        return 0
    print(f"limits of the parser's process: {CPU_SECONDS:g} CPU seconds a record (tried again at ten times), "
          f"{mib(MEMORY)} MiB")  # fmt: skip
    print(f"{'input':34s} {'format':18s} {'MB':>9s} {'seconds':>7s} {'CPU s':>7s} {'MiB':>6s}  outcome")
    work = options.work or tempfile.mkdtemp(prefix="hostile-")
    bad = 0
    try:
        for name, hostile in INPUTS.items():
            if options.only in name or options.only in hostile.format:
                if hostile.big and not options.big:
                    continue
                line = attempt(name, hostile, work)
                bad += "FAILED" in line or "NOT BALANCED" in line
                print(line, flush=True)
    finally:
        if not options.work:
            shutil.rmtree(work, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
