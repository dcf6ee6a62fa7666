"""Train the reference GPT on a curated corpus: ``python -m trainer.train --data OUT``.

OUT is what the pipeline wrote: ``mixture.json``, the token parts it lists, the tokenizer. The run goes
to ``OUT/model``: checkpoints, ``latest``, ``log.jsonl``. Interrupt it (SIGTERM, Ctrl-C) and it saves;
``--resume`` goes on, and the result is bit for bit that of a run never interrupted (same machine, same
number of threads). Several devices: ``torchrun --nproc-per-node 8 -m trainer.train --device cuda ...``.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from pile_curate.errors import PileCurateError, TrainingError
from trainer import checkpoint, parallel
from trainer.config import PRESETS, Settings, resolve
from trainer.data import Plan
from trainer.metrics import Log, Progress, table
from trainer.optim import learning_rate
from trainer.prefetch import Prefetch
from trainer.run import Outcome, Run
from trainer.tokens import load_mixture


def keep_memory() -> None:
    """Tell glibc to keep freed memory rather than give it back after every step and have it zeroed in the next.

    A step on a CPU allocates and frees its activations each time; when they are kept it takes a fifth less.
    What it costs: the process stays as large as it has been. Elsewhere nothing happens.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD, the most that is allowed
            mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


def set_threads(threads: int | None) -> int:
    """Use as many threads as this process may run on (torch counts the machine's); return it."""
    if threads is not None and threads < 1:
        raise TrainingError(f"--threads {threads} must be at least 1")
    keep_memory()
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(threads or max(1, allowed // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    # Subnormal weights make float32 products many times slower on a CPU and change nothing one can measure.
    torch.set_flush_denormal(True)
    return torch.get_num_threads()


def device_of(name: str) -> torch.device:
    """Return the device that ``--device`` names; raises if there is none such."""
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise TrainingError(f"--device {name}: not a device; use cpu, cuda, or cuda:1 for the second GPU")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise TrainingError(
            f"--device {name}: this torch sees {torch.cuda.device_count()} GPUs; use --device cpu or another"
        )
    return device


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


def realised(plan: Plan, steps: int) -> list[dict[str, Any]]:
    """Return the mixture of a run's first ``steps`` steps by source: asked for and realised, tokens, epochs."""
    given = plan.given(steps)
    return [
        {"source": s.name, "documents": len(s), "tokens": s.tokens, "weight": float(w),
         "realised": float(g / max(1, given.sum())), "trained_on": int(g), "epochs": float(g / s.tokens)}
        for s, w, g in zip(plan.sources, plan.weights, given, strict=True)
    ]  # fmt: skip


def describe(plan: Plan, steps: int) -> str:
    """Return the realised mixture as a table."""
    rows = realised(plan, steps)
    return table([key.replace("_", " ") for key in rows[0]], [list(row.values()) for row in rows])


class Reporter:
    """Write the log and the progress line of what steps found; only rank 0 speaks."""

    def __init__(self, run: Run) -> None:
        self.run, self.speaks = run, run.world.rank == 0
        self.log = Log(run.out / "log.jsonl", board=run.settings.tensorboard) if self.speaks else None
        self.progress = Progress(
            run.steps, run.step, run.settings.batch_tokens, run.learner.model, run.device, run.world.size
        )

    def write(self, event: str, **fields: Any) -> None:
        """Write one line of the log."""
        if self.log is not None:
            self.log.write(event=event, **fields)

    def step(self, outcome: Outcome) -> bool:
        """Report one step; return whether some rank was asked to stop. Raises if the run has diverged."""
        run, step = self.run, outcome.step
        try:
            loss, norm, skipped, stop = run.check(outcome)
        except TrainingError as error:
            self.write("error", step=step - 1, message=str(error))
            raise
        if step % run.settings.log_every == 0 or step in (1, run.steps) or skipped:
            speed = self.progress.measure(step)
            rate = learning_rate(step - 1, run.steps, run.settings)
            self.write(
                "step", step=step, loss=loss, gradient_norm=norm, learning_rate=rate, skipped=skipped, **speed
            )
            if self.speaks:
                mfu = "" if speed["mfu"] is None else f"  MFU {speed['mfu']:.1%}"
                pace = f"{speed['tokens_per_second']:,.0f} tokens/s{mfu}  {speed['seconds_left']:.0f} s left"
                note = "  skipped: gradient overflow" if skipped else ""
                print(f"step {step}/{run.steps}  loss {loss:.4f}  {pace}{note}", flush=True)
        return stop

    def close(self) -> None:
        """Close the log."""
        if self.log is not None:
            self.log.close()


def train(run: Run) -> int:
    """Train to the end or until a signal; return the exit status."""
    reporter = Reporter(run)
    reporter.write("start", step=run.step, **run.facts, parameters=run.learner.model.parameter_count())
    reporter.write("mixture", step=run.steps, sources=realised(run.plan, run.steps))
    try:
        with Stop() as stop, Prefetch(run.inputs, run.step, run.steps, run.device) as batches:
            stopped = _steps(run, reporter, batches, stop)
    except (dist.DistError, RuntimeError) as error:
        if run.world.size == 1 or isinstance(error, torch.OutOfMemoryError):
            raise
        try:
            good = checkpoint.locate(run.out / checkpoint.LATEST).name
        except TrainingError:
            good = "none"
        raise TrainingError(
            f"rank {run.world.rank}: lost another rank after step {run.step}; the last good checkpoint is"
            f" {good}; start all ranks again with --resume ({' '.join(str(error).split())[:200]})"
        ) from error
    finally:
        reporter.close()
    if not reporter.speaks:
        return 128 + stop.signal if stopped and stop.signal else 0
    if stopped:
        print(describe(run.plan, run.step))
        print(f"stopped by a signal after step {run.step}; saved; go on with --resume", flush=True)
        return 128 + (stop.signal or signal.SIGTERM)
    print(describe(run.plan, run.steps))
    print(f"trained {run.steps} steps; {run.out / checkpoint.LATEST}", flush=True)
    return 0


def _steps(run: Run, reporter: Reporter, batches: Prefetch, stop: Stop) -> bool:
    """Do the steps that are left; return whether a signal ended them early."""
    every = run.settings.checkpoint_every or -(-run.steps // 4)
    saved, stopped = run.step, False
    lag = 1 if run.device.type == "cuda" else 0
    waiting: deque[Outcome] = deque()
    if run.step == 0:
        run.save()
    for _, micro in batches:
        waiting.append(run.train_step(micro, stop=bool(stop.signal)))
        due = run.step % every == 0 or run.step == run.steps
        while len(waiting) > (0 if due else lag):
            stopped |= reporter.step(waiting.popleft())
        if due:
            path, saved = run.save(), run.step
            reporter.write("checkpoint", step=run.step, path=path.name)
        if stopped:
            break
    if saved != run.step:
        run.save()
    reporter.write("stop" if stopped else "end", step=run.step, sources=realised(run.plan, run.step))
    return stopped


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
        torch.set_float32_matmul_precision("high")  # TF32 where a GPU multiplies float32; evaluation is exact
        section = load_mixture(args["data"]).get("model")
        device = device_of(args["device"])
        settings = resolve(section, {name: args[name] for name in Settings.model_fields})
        begun = (out / checkpoint.LATEST).exists()
        if begun and not (args["resume"] or args["fresh"]):
            raise TrainingError(f"{out} holds a run already; --resume goes on with it, --fresh replaces it")
        world = parallel.start(str(device), settings.tensor_parallel)
        run = Run(args["data"], out, settings, world)
        speaks = world.rank == 0
        if begun and args["resume"]:
            for change in run.resume():
                if speaks:
                    print(f"changed since the checkpoint: {change}", flush=True)
        elif begun and speaks:
            checkpoint.clear(out)
        if run.step >= run.steps:
            if speaks:
                print(f"up to date: {out} has done {run.step} of {run.steps} steps")
            return 0
        if speaks:
            print(describe(run.plan, run.steps))
            print(
                f"{settings.preset}: {run.learner.model.parameter_count():,} parameters, vocabulary"
                f" {run.plan.vocab_size:,}, {run.steps} steps of {settings.batch_tokens:,} tokens, window"
                f" {settings.window}, {world.size} x {world.device.type}, {threads} threads,"
                f" plan {run.plan.hash[:12]}",
                flush=True,
            )
        return train(run)
    except PileCurateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        print(f"error: {error}; the last checkpoint that was saved is whole", file=sys.stderr)
        return 1
    finally:
        parallel.stop()


if __name__ == "__main__":
    sys.exit(main())
