"""Train the reference GPT on a curated corpus: ``python -m trainer.train --data OUT``.

OUT is what the pipeline wrote: ``mixture.json``, the token parts it lists, the tokenizer. The run goes
to ``OUT/model``: checkpoints, ``latest``, ``log.jsonl``. Interrupt it (SIGTERM, Ctrl-C) and it saves;
``--resume`` goes on, and the result is bit for bit that of a run never interrupted (same machine, same
number of threads).
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from pile_curate.errors import PileCurateError, TrainingError
from trainer import checkpoint
from trainer.config import PRESETS, Settings, resolve
from trainer.data import Batch, Plan, open_plan
from trainer.loss import cross_entropy_sum
from trainer.metrics import Log, Progress, table
from trainer.model import GPT
from trainer.optim import adamw, learning_rate
from trainer.tokens import load_mixture


def set_threads(threads: int | None) -> int:
    """Use as many threads as this process may run on (torch counts the machine's); return it."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(threads or allowed)
    # Subnormal weights make float32 products many times slower on a CPU and change nothing one can measure.
    torch.set_flush_denormal(True)
    return torch.get_num_threads()


class Stop:
    """Remember SIGTERM or SIGINT, so that the step under way ends and is saved."""

    def __init__(self) -> None:
        self.signal = 0
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number


class Run:
    """One training run: what is to be done, the model, and how far it is."""

    def __init__(self, data: Path, out: Path, settings: Settings, device: torch.device) -> None:
        mixture = load_mixture(data)
        self.settings, self.device, self.out = settings, device, out
        self.plan, filled = open_plan(data, mixture, settings)
        self.steps = settings.steps or filled
        cap = settings.max_epochs or float(mixture.get("max_epochs") or 4)
        self.plan.check_epochs(self.steps, cap)
        torch.manual_seed(settings.seed)
        self.model = GPT(settings.model(self.plan.vocab_size)).initialise(settings.seed).to(device)
        self.optimizer = adamw(self.model, settings)
        self.step = 0
        self.facts = {
            "plan": self.plan.hash, "settings": settings.model_dump(), "steps": self.steps,
            "recipe": mixture.get("name"), "tokenizer": mixture["tokenizer"],
        }  # fmt: skip

    def save(self) -> Path:
        """Save a checkpoint of the present step."""
        return checkpoint.save(
            self.out, self.step, self.model, self.optimizer, self.facts, keep=self.settings.keep
        )

    def resume(self) -> None:
        """Go on from the latest checkpoint; print which settings changed since."""
        held = checkpoint.load(self.out / checkpoint.LATEST)
        self.step = checkpoint.resume(held, self.plan.hash, self.model, self.optimizer)
        for name, old in held.facts["settings"].items():
            new = getattr(self.settings, name, None)
            if new != old:
                print(f"changed since the checkpoint: {name} {old} -> {new}", flush=True)

    def train_step(self) -> tuple[float, float]:
        """Do one step; return (mean loss in nats a token, norm of the gradient before clipping)."""
        settings, batch = self.settings, self.plan.batch(self.step)
        rows = (settings.micro_tokens or settings.batch_tokens) // settings.window
        count = batch.targets.numel()
        total = 0.0
        for start in range(0, len(batch.targets), rows):
            loss = self._loss(batch, slice(start, start + rows)) / count
            loss.backward()
            total += loss.item()
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip or math.inf))
        if not math.isfinite(total) or not math.isfinite(norm):
            raise TrainingError(self._diverged(total, norm))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, settings)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return total, norm

    def _loss(self, batch: Batch, rows: slice) -> torch.Tensor:
        inputs, targets, segments = (
            part[rows].to(self.device) for part in (batch.inputs, batch.targets, batch.segments)
        )
        hidden = self.model(inputs, segments if self.settings.document_mask else None)  # (B, T, C)
        return cross_entropy_sum(
            hidden.flatten(0, 1), self.model.vocabulary, targets.flatten(), z_loss=self.settings.z_loss
        )

    def _diverged(self, loss: float, norm: float) -> str:
        named = self.plan.documents(self.step)
        some = ", ".join(f"{source}/{doc}" for source, doc in named[:20])
        more = f" and {len(named) - 20} more" if len(named) > 20 else ""
        try:
            good = str(checkpoint.locate(self.out / checkpoint.LATEST))
        except TrainingError:
            good = "none"
        return (
            f"step {self.step}: loss {loss}, gradient norm {norm}: not finite. The last good checkpoint is"
            f" {good}; a smaller learning_rate or more warmup_steps may help."
            f" Documents of the step: {some}{more}"
        )


def describe(plan: Plan, steps: int) -> str:
    """Return the mixture of a run as a table: asked for and realised, in tokens and epochs."""
    given = plan.given(steps)
    rows = [
        [s.name, len(s), s.tokens, float(w), float(g / given.sum()), int(g), float(g / s.tokens)]
        for s, w, g in zip(plan.sources, plan.weights, given, strict=True)
    ]
    return table(["source", "documents", "tokens", "weight", "realised", "trained on", "epochs"], rows)


def train(run: Run) -> int:
    """Train to the end or until a signal; return the exit status."""
    settings = run.settings
    every = settings.checkpoint_every or -(-run.steps // 4)
    log = Log(run.out / "log.jsonl")
    log.write(event="start", step=run.step, **run.facts, parameters=run.model.parameter_count())
    progress = Progress(run.steps, run.step, settings.batch_tokens, run.model, run.device)
    saved = run.step
    with Stop() as stop:
        if run.step == 0:
            run.save()
        while run.step < run.steps and not stop.signal:
            try:
                loss, norm = run.train_step()
            except TrainingError as error:
                log.write(event="error", step=run.step, message=str(error))
                raise
            if run.step % settings.log_every == 0 or run.step in (1, run.steps):
                speed = progress.measure(run.step)
                rate = learning_rate(run.step - 1, run.steps, settings)
                log.write(
                    event="step", step=run.step, loss=loss, gradient_norm=norm, learning_rate=rate, **speed
                )
                mfu = "" if speed["mfu"] is None else f"  MFU {speed['mfu']:.1%}"
                pace = f"{speed['tokens_per_second']:,.0f} tokens/s{mfu}  {speed['seconds_left']:.0f} s left"
                print(f"step {run.step}/{run.steps}  loss {loss:.4f}  {pace}", flush=True)
            if run.step % every == 0 or run.step == run.steps:
                path, saved = run.save(), run.step
                log.write(event="checkpoint", step=run.step, path=path.name)
        if saved != run.step:
            run.save()
    log.write(event="stop" if stop.signal else "end", step=run.step)
    log.close()
    if stop.signal:
        print(
            f"stopped by signal {stop.signal} after step {run.step}; saved; go on with --resume", flush=True
        )
        return 128 + stop.signal
    print(f"trained {run.steps} steps; {run.out / checkpoint.LATEST}", flush=True)
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line: paths and how to run, and one option for each setting."""
    out = argparse.ArgumentParser(prog="python -m trainer.train", description="Train the reference GPT.")
    out.add_argument("--data", type=Path, required=True, help="output directory with mixture.json")
    out.add_argument("--out", type=Path, help="where the run goes (default DATA/model)")
    start = out.add_mutually_exclusive_group()
    start.add_argument(
        "--resume", action="store_true", help="go on from the latest checkpoint, if there is one"
    )
    start.add_argument("--fresh", action="store_true", help="remove an earlier run's checkpoints first")
    out.add_argument("--threads", type=int, help="CPU threads (default: all this process may use)")
    out.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    group = out.add_argument_group("settings", "default: the recipe's model section, then the preset")
    for name, field in Settings.model_fields.items():
        kind = str(field.annotation)
        flag = "--" + name.replace("_", "-")
        if field.annotation is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None)
        elif name == "preset":
            group.add_argument(flag, choices=list(PRESETS))
        else:
            group.add_argument(flag, type=float if "float" in kind else int if "int" in kind else str)
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = vars(parser().parse_args(arguments))
    try:
        out = args["out"] or args["data"] / "model"
        threads = set_threads(args["threads"])
        section = load_mixture(args["data"]).get("model")
        settings = resolve(section, {name: args[name] for name in Settings.model_fields})
        begun = (out / checkpoint.LATEST).exists()
        if begun and not (args["resume"] or args["fresh"]):
            raise TrainingError(f"{out} holds a run already; --resume goes on with it, --fresh replaces it")
        run = Run(args["data"], out, settings, torch.device(args["device"]))
        if begun and args["resume"]:
            run.resume()
        elif begun:
            checkpoint.clear(out)
        if run.step >= run.steps:
            print(f"up to date: {out} has done {run.step} of {run.steps} steps")
            return 0
        body = run.model.parameter_count()
        print(describe(run.plan, run.steps))
        print(
            f"{settings.preset}: {body:,} parameters, vocabulary {run.plan.vocab_size:,}, {run.steps} steps"
            f" of {settings.batch_tokens:,} tokens, window {settings.window}, {threads} threads,"
            f" plan {run.plan.hash[:12]}",
            flush=True,
        )
        return train(run)
    except PileCurateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
