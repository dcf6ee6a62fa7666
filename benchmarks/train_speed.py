"""Time the trainer beside the same size trained the way nanoGPT does it, in turns, in one run.

    python -m benchmarks.train_speed --table --json speed.json     # all rows, on a GPU
    python -m benchmarks.train_speed 124m                          # one row
    python -m benchmarks.train_speed --cpu                         # two CPU cores, float32, no compilation

Ours is the training path itself: ``Run.train_step`` fed by ``Prefetch`` from token parts, outcomes read as ``train``
reads them (one step late on a GPU). A step's time is from the end of the step before to its own end, by events on
the device, so the host never waits for a measurement; on a CPU each side is a process of its own. Figures are the
median and quartiles over the steady steps of all rounds. Warm-up steps (compilation, first batches) are not
counted. Peak memory is each side's own on the device; on a CPU there is none. MFU: (6N + 12·L·d·T) · tokens/s / peak,
and with 6·L·d·T, the half of attention that a causal model needs; none where the device's peak is not known.

Ends with status 1 if anything was compiled again after the warm-up, and says what and why.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any

import torch

from benchmarks.train_parts import write_parts
from benchmarks.train_sides import Apart, Ours, Row, Theirs, syncs, turn
from trainer.config import GPT2_SHAPE
from trainer.metrics import peak_flops, table
from trainer.train import set_threads

BASELINE = "nanoGPT's way"


GPU: dict[str, Row] = {
    "124m": Row(50257, "124m", {}, ((0.42, 486e3), (0.47, None), (0.50, 579e3))),
    "124m-2048": Row(
        32768, "124m", {"window": 2048}, ((0.46, 513e3), (0.50, None), (0.54, None)), batch=6
    ),
    "350m": Row(50257, "350m", {"micro_tokens": 32_768}, ((0.45, 184e3), (0.50, None), (0.55, None)), heads=16),
}  # fmt: skip

SMALL = {"layers": 4, "width": 128}
CPU: dict[str, Row] = {
    # nanoGPT's README on a CPU: characters, 12 windows of 64.
    "readme": Row(65, "tiny", {**SMALL, "window": 64, "batch_tokens": 768}, batch=12, heads=4),
    "demo": Row(4096, "tiny", {**SMALL, "window": 256, "batch_tokens": 2048}, batch=8, heads=4),
    "samples": Row(8192, "tiny", {**SMALL, "window": 256, "batch_tokens": 2048}, batch=8, heads=4),
    "short": Row(4096, "tiny", {**SMALL, "window": 64, "batch_tokens": 768}, batch=12, heads=4),
}


def mfu(tokens_per_second: float, flops: float, peak: float | None) -> float | None:
    """Return the share of a device's peak that ``flops`` a token at this pace make.

    >>> round(mfu(1000.0, 5e9, 10e12), 3)
    0.5
    """
    return None if peak is None else tokens_per_second * flops / peak


@dataclass
class Measured:
    """What one side did; ``tokens_per_second`` is (first quartile, median, third quartile)."""

    name: str
    parameters: int
    batch_tokens: int
    steps: int
    tokens_per_second: tuple[float, float, float]
    mfu: float | None
    mfu_causal: float | None
    peak_memory: int | None
    recompilations: list[str]
    syncs_per_step: float | None


def measure(
    sides: dict[str, Callable[[], Any]], device: torch.device, *, warmup: int, steps: int, rounds: int,
    peak: float | None, threads: int = 1,
) -> list[Measured]:  # fmt: skip
    """Build and warm up each side, then time ``rounds`` turns of ``steps`` steps each."""
    cuda = device.type == "cuda"
    built: dict[str, Any] = {}
    memory: dict[str, int | None] = {}
    waits: dict[str, float | None] = {}
    times: dict[str, list[float]] = {name: [] for name in sides}
    again: dict[str, list[str]] = {name: [] for name in sides}
    try:
        for name, make in sides.items():
            before = torch.cuda.memory_allocated(device) if cuda else 0
            if cuda:
                torch.cuda.reset_peak_memory_stats(device)
            built[name] = make() if cuda else Apart(make, threads, plain=name == BASELINE)
            if cuda:
                for _ in range(warmup):
                    built[name].step()
                waits[name] = syncs(built[name].step)
                memory[name] = torch.cuda.max_memory_allocated(device) - before
            else:
                built[name].turn(warmup)
        for _ in range(rounds):
            for name, side in built.items():
                if cuda:
                    torch.cuda.empty_cache()  # what another side's turn left
                seconds, compiled = turn(side, device, steps) if cuda else side.turn(steps)
                times[name] += seconds
                again[name] += compiled
    finally:
        for side in built.values():
            side.close()
    results = []
    for name, side in built.items():
        slow, middle, fast = (side.tokens / s for s in reversed(quantiles(times[name], n=4)))
        results.append(
            Measured(
                name, side.parameters, side.tokens, len(times[name]), (slow, middle, fast),
                mfu(middle, side.flops[0], peak), mfu(middle, side.flops[1], peak),
                memory.get(name), again[name], waits.get(name),
            )
        )  # fmt: skip
    return results


def time_row(row: Row, device: torch.device, args: argparse.Namespace) -> list[Measured]:
    """Time one row: the trainer, the trainer with GPT-2's shape, nanoGPT's way."""
    total = args.warmup + 3 + args.rounds * (args.steps + 1)
    settings = {"preset": row.preset, **row.settings, "compile": args.compile}
    if device.type != "cuda":
        settings["precision"] = "float32"
    # The faithful baseline at the row's size, in our trainer.
    plain = {**settings, **GPT2_SHAPE, "heads": row.heads, "kv_heads": row.heads}
    with tempfile.TemporaryDirectory() as folder:
        part = write_parts(Path(folder), row.vocab_size, args.tokens)
        return measure(
            {
                "ours": partial(Ours, Path(folder), settings, device, total),
                "ours, gpt2's shape": partial(Ours, Path(folder), plain, device, total),
                BASELINE: partial(Theirs, part, row, device, total, compiled=args.compile),
            },
            device, warmup=args.warmup, steps=args.steps, rounds=args.rounds, peak=peak_flops(device),
            threads=args.threads,
        )  # fmt: skip


def show(name: str, row: Row, measured: Sequence[Measured]) -> str:
    """Return a row's figures as text, what was hoped for beside them."""
    head = [name, "parameters", "tokens/s", "quartiles", "MFU", "causal", "GB", "syncs", "× nanoGPT's way"]
    base = measured[-1].tokens_per_second[1]
    lines = []
    for m in measured:
        slow, middle, fast = m.tokens_per_second
        lines.append(
            [m.name, m.parameters, round(middle), f"{slow:,.0f} to {fast:,.0f}", _percent(m.mfu),
             _percent(m.mfu_causal), None if m.peak_memory is None else m.peak_memory / 1e9,
             m.syncs_per_step, middle / base]
        )  # fmt: skip
    out = table(head, lines)
    for what, (share, pace) in zip(("floor", "goal", "moonshot"), row.hopes):
        out += f"\n{what}: MFU {_percent(share)}" + (f", {pace:,.0f} tokens/s" if pace else "")
    for m in measured:
        out += "".join(f"\nerror: {m.name} compiled again: {what}" for what in m.recompilations)
    return out


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.1%}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join([*GPU, *CPU])}")
    parser.add_argument("--table", action="store_true", help="all rows of the device")
    parser.add_argument("--cpu", action="store_true", help="on the CPU, even where there is a GPU")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, help="default: on a GPU only")
    parser.add_argument("--steps", type=int, help="steps of a turn (default 20; 50 on a CPU)")
    parser.add_argument("--rounds", type=int, help="turns of each side (default 3; 5 on a CPU)")
    parser.add_argument("--warmup", type=int, default=10, help="steps before the first turn (default 10)")
    parser.add_argument("--tokens", type=int, default=4_000_000, help="made-up tokens to train on")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all this process may use)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    args = parser.parse_args(arguments)
    cuda = torch.cuda.is_available() and not args.cpu
    device = torch.device("cuda" if cuda else "cpu")
    known = GPU if cuda else CPU
    names = args.rows or (list(known) if args.table or not cuda else ["124m"])
    unknown = [name for name in names if name not in GPU | CPU]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; known are {', '.join([*GPU, *CPU])}")
    args.steps, args.rounds = args.steps or (20 if cuda else 50), args.rounds or (3 if cuda else 5)
    args.compile = cuda if args.compile is None else args.compile
    if cuda:
        set_threads(args.threads)
        torch.set_float32_matmul_precision("high")  # as ``train`` does
    args.threads = args.threads or len(os.sched_getaffinity(0))
    called = torch.cuda.get_device_name(device) if cuda else f"CPU, {args.threads} threads"
    print(f"{called}, torch {torch.__version__}, compile {args.compile}", flush=True)
    report: dict[str, Any] = {
        "device": called, "torch": torch.__version__, "compile": args.compile, "peak_flops": peak_flops(device),
        "rows": [],
    }  # fmt: skip
    for name in names:
        row = (GPU | CPU)[name]
        measured = time_row(row, device, args)
        print(show(name, row, measured), flush=True)
        report["rows"].append({"row": name, "hopes": row.hopes, "sides": [asdict(m) for m in measured]})
        if args.json:
            args.json.write_text(json.dumps(report, indent=1) + "\n")
    again = any(side["recompilations"] for row in report["rows"] for side in row["sides"])
    return 1 if again else 0


if __name__ == "__main__":
    sys.exit(main())
