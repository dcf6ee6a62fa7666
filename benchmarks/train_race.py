"""Say how many tokens and seconds the trainer needs to reach the bits per byte that GPT-2's shape ends at.

    python -m benchmarks.train_race OUT --steps 600                                   # tiny, on a CPU
    python -m benchmarks.train_race OUT --preset 124m --steps 4000 --device cuda      # gpt2 against 124m

The baseline is the ``gpt2`` shape (LayerNorm, learned positions, GELU, biases, heads of 64 where the width allows,
N(0, 0.02), attention across documents) under AdamW and a cosine to a tenth, in this trainer, on the same mixture
in the same order; its learning rate is the best of ``--baseline-rates``. Ours is the preset, with AdamW or Muon; each
side's rates are swept, ours at half the baseline's tokens. Then the best of ours is trained to several fractions of the
baseline's steps, each with its whole schedule, and the fraction that just reaches the baseline's end is interpolated
(in the logarithm of the steps). Bits per byte by ``trainer.evaluate``'s protocol on the validation split. Seconds are
those of steps alone, without evaluation; nanoGPT's own loop is slower than this baseline by what ``train_speed`` says.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from trainer.config import GPT2_SHAPE, resolve
from trainer.evaluate import chosen_documents, score
from trainer.metrics import bits_per_byte, table
from trainer.model import GPT
from trainer.parallel import World
from trainer.prefetch import Prefetch
from trainer.run import Run
from trainer.tokens import load_mixture, open_sources, tokenizer_of
from trainer.train import set_threads


class Judge:
    """Score models on the same validation documents."""

    def __init__(self, data: Path, tokens: int) -> None:
        mixture = load_mixture(data)
        _, _, self.eos = tokenizer_of(data, mixture)
        self.chosen = [(s, chosen_documents(s, tokens)) for s in open_sources(data, mixture, "validation")]
        self.bytes = sum(int(s.text_bytes[i]) for s, chosen in self.chosen for i in chosen)

    def __call__(self, model: GPT) -> float:
        """Return bits per byte over all documents together."""
        nll = sum(
            float(score(model, [s.document(i) for i in chosen], self.eos).sum()) for s, chosen in self.chosen
        )
        return bits_per_byte(nll, self.bytes) or math.inf


def train_once(
    data: Path, settings: dict[str, Any], steps: int, device: torch.device, judge: Judge
) -> dict[str, Any]:
    """Train to the end; return bits per byte, seconds of the steps, tokens."""
    chosen = resolve({**settings, "steps": steps, "max_epochs": 1e9})
    run = Run(data, data / "unused", chosen, World(device))
    seconds = 0.0
    with Prefetch(run.inputs, 0, steps, device) as batches:
        iterator = iter(batches)
        started = time.perf_counter()
        for _ in range(steps):
            outcome = run.train_step(next(iterator)[1])
            if outcome.step % 10 == 0 or outcome.step == steps:
                run.check(outcome)
        seconds = time.perf_counter() - started
    return {
        "steps": steps, "tokens": steps * chosen.batch_tokens, "seconds": seconds,
        "bits_per_byte": judge(run.learner.model), "rate": chosen.learning_rate, "optimizer": chosen.optimizer,
        "parameters": run.learner.model.parameter_count(),
    }  # fmt: skip


def reached(curve: Sequence[tuple[float, float]], wanted: float) -> float | None:
    """Return the fraction at which a falling curve of (fraction, bits per byte) meets ``wanted``; None if it does not.

    >>> round(reached([(0.25, 3.0), (1.0, 2.0)], 2.5), 2)
    0.5
    """
    points = sorted(curve)
    if points and points[0][1] <= wanted:
        return points[0][0]  # at most: shorter runs were not tried
    for (left, high), (right, low) in zip(points, points[1:]):
        if low <= wanted < high:
            share = (high - wanted) / (high - low)
            return math.exp(math.log(left) + share * (math.log(right) - math.log(left)))
    return None


def numbers(text: str) -> list[float]:
    """Read numbers between commas."""
    return [float(part) for part in text.split(",")]


def sized(preset: str, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of ours and of the baseline at one size."""
    ours = {"preset": preset, **given}
    shape = resolve(ours)
    heads = max(1, shape.width // 64)
    same = {
        name: getattr(shape, name) for name in ("layers", "width", "window", "batch_tokens", "vocab_multiple")
    }
    return ours, {**same, **GPT2_SHAPE, "preset": "gpt2", "heads": heads, "kv_heads": heads, **given}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the race; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="output directory with mixture.json")
    parser.add_argument("--steps", type=int, default=600, help="the baseline's steps (default 600)")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--batch-tokens", type=int)
    parser.add_argument("--baseline-rates", type=numbers, default=[1e-3, 2e-3, 4e-3])
    parser.add_argument("--rates", type=numbers, default=[2e-3, 4e-3, 8e-3])
    parser.add_argument("--optimizers", default="adamw,muon")
    parser.add_argument("--fractions", type=numbers, default=[0.3, 0.5, 0.7])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a setting of ours")
    parser.add_argument("--judge-tokens", type=int, default=20_000, help="validation tokens a source")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    device, judge = torch.device(args.device), Judge(args.data, args.judge_tokens)
    given = {"batch_tokens": args.batch_tokens, "compile": args.compile}
    ours, baseline = sized(args.preset, {k: v for k, v in given.items() if v is not None})
    ours |= {k: json.loads(v) for k, v in (pair.split("=", 1) for pair in args.set)}
    runs: list[dict[str, Any]] = []

    def go(side: str, settings: dict[str, Any], steps: int) -> dict[str, Any]:
        found = {"side": side, **train_once(args.data, settings, steps, device, judge)}
        runs.append(found)
        print(
            f"{side}: rate {found['rate']:g}, {steps} steps, {found['tokens']:,} tokens, {found['seconds']:.1f} s:"
            f" {found['bits_per_byte']:.4f} bits per byte",
            flush=True,
        )
        if args.json:
            args.json.write_text(json.dumps(runs, indent=1) + "\n")
        return found

    def best(side: str, settings: dict[str, Any], rates: Sequence[float], steps: int) -> dict[str, Any]:
        tried = [go(side, {**settings, "learning_rate": rate}, steps) for rate in rates]
        return min(tried, key=lambda found: found["bits_per_byte"])

    end = best("gpt2", baseline, args.baseline_rates, args.steps)
    lines = []
    for optimizer in args.optimizers.split(","):
        chosen = {**ours, "optimizer": optimizer}
        middle = best(f"ours, {optimizer}", chosen, args.rates, round(args.steps / 2))
        curve = {0.5: middle}
        for fraction in args.fractions:
            if fraction not in curve:
                rated = {**chosen, "learning_rate": middle["rate"]}
                curve[fraction] = go(f"ours, {optimizer}", rated, round(fraction * args.steps))
        share = reached([(f, r["bits_per_byte"]) for f, r in curve.items()], end["bits_per_byte"])
        per_step = middle["seconds"] / middle["steps"]
        clock = None if share is None else share * args.steps * per_step / end["seconds"]
        lines.append(
            [
                f"ours, {optimizer}",
                middle["parameters"],
                f"{middle['rate']:g}",
                middle["bits_per_byte"],
                share,
                clock,
            ]
        )
    lines.append(["gpt2", end["parameters"], f"{end['rate']:g}", end["bits_per_byte"], 1.0, 1.0])
    print(
        table(
            ["", "parameters", "rate", "bits/byte (ours at half)", "tokens to equal", "seconds to equal"],
            lines,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
