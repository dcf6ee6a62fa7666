"""Step the sides that ``train_speed`` compares, and note how long steps take and what was compiled meanwhile."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch._dynamo.utils import clear_compilation_metrics, get_compilation_metrics

from benchmarks.nanogpt_way import Baseline, Shape
from pile_curate.shards.tokens import token_dtype
from trainer.config import resolve
from trainer.metrics import flops_per_token
from trainer.parallel import World
from trainer.prefetch import Prefetch
from trainer.run import Outcome, Run
from trainer.train import set_threads


@dataclass(frozen=True)
class Row:
    """A size to time: the vocabulary of the data, settings over the preset's, and what is hoped for.

    ``hopes`` are floor, goal and moonshot as (MFU, tokens/s), either None. ``batch`` is the windows of the
    baseline's forward pass.
    """

    vocab_size: int
    preset: str
    settings: dict[str, Any] = field(default_factory=dict)
    hopes: tuple[tuple[float | None, float | None], ...] = ()
    batch: int = 12
    heads: int = 12


class Ours:
    """The trainer's own loop, one step a call."""

    def __init__(self, data: Path, settings: dict[str, Any], device: torch.device, steps: int) -> None:
        chosen = resolve({**settings, "steps": steps, "max_epochs": 1e9})
        self.run = Run(data, data / "unused", chosen, World(device))
        model = self.run.learner.model
        self.parameters = model.parameter_count()
        self.flops = (flops_per_token(model), flops_per_token(model, causal=True))
        self.tokens, self.lag = chosen.batch_tokens, 1 if device.type == "cuda" else 0
        self.waiting: deque[Outcome] = deque()
        self.batches = Prefetch(self.run.inputs, 0, steps, device)
        self.batches.__enter__()
        self.iterator = iter(self.batches)

    def step(self) -> None:
        _, micro = next(self.iterator)
        self.waiting.append(self.run.train_step(micro))
        while len(self.waiting) > self.lag:
            self.run.check(self.waiting.popleft())

    def close(self) -> None:
        self.batches.__exit__()


class Theirs:
    """The same size the way nanoGPT does it."""

    def __init__(self, part: Path, row: Row, device: torch.device, steps: int, *, compiled: bool) -> None:
        chosen = resolve({"preset": row.preset, **row.settings})
        vocab = row.vocab_size if row.vocab_size < 1000 else -(-row.vocab_size // 128) * 128
        shape = Shape(vocab, chosen.window, chosen.layers, row.heads, chosen.width)
        accumulate = max(1, round(chosen.batch_tokens / (row.batch * chosen.window)))
        self.loop = Baseline(
            part, token_dtype(row.vocab_size), shape, chosen, batch=row.batch, accumulate=accumulate,
            device=device, steps=steps, compiled=compiled,
        )  # fmt: skip
        model = self.loop.model
        self.parameters = model.parameter_count()
        self.flops = (model.flops_per_token(), model.flops_per_token(causal=True))
        self.tokens = row.batch * chosen.window * accumulate
        self.step: Callable[[], object] = self.loop.step

    def close(self) -> None:
        pass


class Clock:
    """Note the ends of steps; on a GPU by events, which are read when all steps are done."""

    def __init__(self, device: torch.device) -> None:
        self.cuda, self.marks = device.type == "cuda", []  # type: ignore[var-annotated]

    def mark(self) -> None:
        if not self.cuda:
            self.marks.append(time.perf_counter())
            return
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self.marks.append(event)

    def seconds(self) -> list[float]:
        """Return the time between marks."""
        pairs = list(zip(self.marks, self.marks[1:]))
        if not self.cuda:
            return [end - start for start, end in pairs]
        torch.cuda.synchronize()
        return [start.elapsed_time(end) / 1000 for start, end in pairs]


def compiled_again() -> list[str]:
    """Return what was compiled since the last call, and why."""
    found = [
        f"{event.co_name} ({event.compile_id}): {event.recompile_reason or 'first seen after the warm-up'}"
        for event in get_compilation_metrics()
    ]
    clear_compilation_metrics()
    return found


def syncs(step: Callable[[], object], steps: int = 3) -> float:
    """Return how often the host waits for the device in a step."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(steps):
                step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(w.message) for w in caught) / steps


class Apart:
    """A side in a process of its own, as it would run: it shares neither allocator nor settings with the others."""

    def __init__(self, make: Callable[[], Any], threads: int, *, plain: bool) -> None:
        # A new interpreter, whose threads and memory nobody has set before.
        context = torch.multiprocessing.get_context("spawn")
        self.pipe, there = context.Pipe()
        self.process = context.Process(target=_serve, args=(make, threads, plain, there), daemon=True)
        self.process.start()
        there.close()  # so that the process's death ends the pipe
        self.parameters, self.flops, self.tokens = self._answer()

    def _answer(self) -> Any:
        try:
            kind, value = self.pipe.recv()
        except EOFError:
            raise RuntimeError("a side's process died") from None
        if kind == "error":
            raise RuntimeError(f"a side failed: {value}")
        return value

    def turn(self, steps: int) -> tuple[list[float], list[str]]:
        """Do some steps; return the seconds of each, and what was compiled."""
        self.pipe.send(steps)
        seconds, compiled = self._answer()
        return seconds, compiled

    def close(self) -> None:
        with suppress(OSError):  # it may have died
            self.pipe.send(0)
        self.process.join(timeout=30)


def _serve(make: Callable[[], Any], threads: int, plain: bool, pipe: Any) -> None:
    if plain:
        torch.set_num_threads(threads)
    else:
        set_threads(threads)
    try:
        side = make()
        pipe.send(("ready", (side.parameters, side.flops, side.tokens)))
        while steps := pipe.recv():
            pipe.send(("turn", turn(side, torch.device("cpu"), steps)))
        side.close()
    except Exception as error:
        pipe.send(("error", f"{type(error).__name__}: {error}"))


def turn(side: Any, device: torch.device, steps: int) -> tuple[list[float], list[str]]:
    """Do a step that is not counted and ``steps`` that are; return the seconds of each, and what was compiled."""
    compiled_again()
    side.step()  # another side's turn emptied the caches
    clock = Clock(device)
    clock.mark()
    for _ in range(steps):
        side.step()
        clock.mark()
    return clock.seconds(), compiled_again()
