"""Decide which window of which source comes when: ``batch(step, rank, world)`` is a pure function.

Each source is an endless stream (tokens.py) cut into windows; window k of the run goes to the source
whose tokens lag furthest behind its weight (greedy largest deficit), so that the mixture is right within
two windows at every prefix of the run, not only at its end. A step is the next ``batch_windows``
windows; rank r of w takes every w-th of them, so any world size sees the same batches and a run can be
resumed on another.

A window's inputs are the tokens one position before its targets; before the first token of a stream
stands an end-of-text token. So each token, end-of-text included, is a target exactly once an epoch, and
the input that predicts a document's first token is the end-of-text before it: in the mask that token
belongs to the document it opens. Evaluation conditions documents the same way.

Cost: 10 bytes of schedule a window (10 GB of int32 tokens in windows of 1024: 25 MB) and about 3 µs to
place one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pile_curate.errors import MixtureError, TokenFileError, TrainingError
from pile_curate.hashing import fingerprint, hex128
from trainer.config import Settings
from trainer.tokens import SourceTokens, open_sources, tokenizer_of

PLAN_VERSION = 1
"""Bump when the order of the data changes for the same inputs; it is part of the plan's hash."""

STRANGER = 97
"""How many windows further in its source a window's stranger lies: another document, of the same kind."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows of one step and rank: inputs and targets (B, T) int64; segments (B, T) number the documents.

    ``windows`` (B,) says which window of the run each row is. ``strangers`` (B, T) are, where asked for, windows
    of the same sources from elsewhere.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    segments: torch.Tensor
    windows: torch.Tensor
    strangers: torch.Tensor | None = None

    def rows(self, count: int) -> list[Batch]:
        """Return the batch in pieces of ``count`` windows, the last perhaps smaller."""
        columns = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) is not None}
        starts = range(0, len(self.windows), count)
        return [Batch(**{name: t[i : i + count] for name, t in columns.items()}) for i in starts]


class Plan:
    """The order of the training data; equal hashes mean equal batches at every step."""

    def __init__(
        self,
        sources: Sequence[SourceTokens],
        weights: Sequence[float],
        *,
        seed: int,
        window: int,
        batch_windows: int,
        vocab_size: int,
        eos_id: int,
        tokenizer: str = "",
    ) -> None:
        pairs = sorted(zip(sources, weights, strict=True), key=lambda pair: pair[0].name)
        wrong = [f"{s.name}: {w}" for s, w in pairs if not 0 <= w < np.inf]
        if wrong:
            raise MixtureError(
                f"weights must be numbers of at least 0, not {', '.join(wrong)}; run the mix stage again"
            )
        empty = [s.name for s, w in pairs if w > 0 and s.tokens == 0]
        if empty:
            raise TrainingError(
                f"no train tokens in {', '.join(empty)}, though the mixture gives them weight;"
                " give each a weight of 0, or mend what dropped its documents (pile-curate why)"
            )
        pairs = [(s, float(w)) for s, w in pairs if w > 0]
        total = sum(w for _, w in pairs)
        if not pairs:
            raise MixtureError("every source has weight 0: nothing to train on; give one a weight")
        held = sum(s.tokens for s, _ in pairs)
        if window > held:
            raise TrainingError(
                f"window {window} is longer than all the data, {held} tokens; take a smaller window or more data"
            )
        self.sources = [s for s, _ in pairs]
        self.weights = np.array([w / total for _, w in pairs], dtype=np.float64)
        self.seed, self.window, self.batch_windows = seed, window, batch_windows
        self.vocab_size, self.eos_id = vocab_size, eos_id
        self.hash = fingerprint(
            {
                "version": PLAN_VERSION, "seed": seed, "window": window, "batch_windows": batch_windows,
                "vocab_size": vocab_size, "eos_id": eos_id, "tokenizer": tokenizer,
                "sources": [
                    [s.name, w.hex(), len(s), s.tokens, hex128(s.digest)]
                    for s, w in zip(self.sources, self.weights, strict=True)
                ],
            }
        )  # fmt: skip
        self._source = np.empty(0, dtype=np.int16)  # window k -> index of its source
        self._nth = np.empty(0, dtype=np.int64)  # window k -> which of that source's windows it is
        self._given = np.zeros(len(pairs), dtype=np.int64)

    def schedule(self, windows: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int64]]:
        """Return (source, how-manieth window of that source) of the run's first ``windows`` windows."""
        if windows > len(self._source):
            # Grow by doubling; how far it was grown changes no entry.
            grown = max(windows, 2 * len(self._source), 1024)
            source, nth = np.empty(grown, np.int16), np.empty(grown, np.int64)
            old = len(self._source)
            source[:old], nth[:old] = self._source, self._nth
            given = self._given
            for k in range(old, grown):
                # Not accumulated, so no rounding error grows; ties go to the first name.
                lagging = int(np.argmax(self.weights * (k + 1) - given))
                source[k], nth[k] = lagging, given[lagging]
                given[lagging] += 1
            self._source, self._nth = source, nth
        return self._source[:windows], self._nth[:windows]

    def batch(self, step: int, rank: int = 0, world: int = 1, *, strangers: bool = False) -> Batch:
        """Return the windows of step ``step`` (from 0) for one rank of ``world``."""
        if self.batch_windows % world or not 0 <= rank < world or step < 0:
            raise TrainingError(
                f"step {step}, rank {rank} of {world}: a step has {self.batch_windows} windows,"
                " which the number of ranks must divide"
            )
        first = step * self.batch_windows
        source, nth = self.schedule(first + self.batch_windows)
        mine = self._mine(first, rank, world)
        rows = [self._window(int(source[k]), int(nth[k])) for k in mine]
        inputs, targets, segments = (torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True))
        others = None
        if strangers:
            others = torch.from_numpy(np.stack([self._stranger(int(source[k]), int(nth[k])) for k in mine]))
        return Batch(inputs, targets, segments, torch.tensor(list(mine)), others)

    def _stranger(self, source: int, nth: int) -> npt.NDArray[np.int64]:
        """Return a window of the same source that shares no document with this one.

        If eight places all do, the source is hardly more than one document, and another source is taken; in
        a plan of one such source, another place of the document has to do.
        """
        stream, size = self.sources[source], self.window
        own = set(stream.read(self.seed, nth * size, size)[2])
        for place in range(nth + STRANGER, nth + 9 * STRANGER, STRANGER):
            if own.isdisjoint(stream.read(self.seed, place * size, size)[2]):
                return self._tokens(source, place)
        return self._tokens((source + 1) % len(self.sources), nth + STRANGER)

    def _tokens(self, source: int, nth: int) -> npt.NDArray[np.int64]:
        tokens: npt.NDArray[np.int64] = self._window(source, nth)[1]
        return tokens

    def _mine(self, first: int, rank: int, world: int) -> range:
        return range(first + rank, first + self.batch_windows, world)

    def _window(self, source: int, nth: int) -> tuple[Any, Any, Any]:
        stream = self.sources[source]
        start = nth * self.window
        if start:
            tokens, owner, _ = stream.read(self.seed, start - 1, self.window + 1)
        else:
            tokens, owner, _ = stream.read(self.seed, 0, self.window)
            tokens = np.concatenate([[self.eos_id], tokens])
            owner = np.concatenate([[-1], owner])
        if int(tokens.max()) >= self.vocab_size or int(tokens.min()) < 0:
            raise TokenFileError(
                f"source {stream.name}: token {int(tokens.max())} in a vocabulary of {self.vocab_size};"
                " the tokens were made with another tokenizer than mixture.json names"
            )
        # An input belongs to the document of its target: see the head of this file.
        return tokens[:-1], tokens[1:], owner[1:]

    def documents(self, step: int) -> list[tuple[str, str]]:
        """Return (source, doc_id as hex) of every document in a step, for messages and audits."""
        first = step * self.batch_windows
        source, nth = self.schedule(first + self.batch_windows)
        found = []
        for k in range(first, first + self.batch_windows):
            stream = self.sources[int(source[k])]
            _, _, indices = stream.read(self.seed, int(nth[k]) * self.window, self.window)
            found += [(stream.name, stream.doc_id(index).hex()) for index in indices]
        return list(dict.fromkeys(found))

    def given(self, steps: int) -> npt.NDArray[np.int64]:
        """Return the tokens each source gives in the first ``steps`` steps."""
        source, _ = self.schedule(steps * self.batch_windows)
        return np.bincount(source, minlength=len(self.sources)).astype(np.int64) * self.window

    def check_epochs(self, steps: int, cap: float) -> None:
        """Raise if ``steps`` steps would show a source more than ``cap`` times (two windows of grace)."""
        if not cap > 0:
            raise MixtureError(f"max_epochs {cap} must be above 0; set it in the recipe or with --max-epochs")
        given = self.given(steps)
        problems = []
        for source, tokens, weight in zip(self.sources, given, self.weights, strict=True):
            if tokens > cap * source.tokens + 2 * self.window:
                fits = int(cap * source.tokens / weight) // (self.window * self.batch_windows)
                problems.append(
                    f"{source.name}: {tokens} tokens asked of {source.tokens}: "
                    f"{tokens / source.tokens:.2f} epochs, where {cap:g} are allowed; {fits} steps would fit"
                )
        if problems:
            raise MixtureError(
                f"{steps} steps need more epochs than allowed\n  "
                + "\n  ".join(problems)
                + "\n  take fewer steps, a smaller weight, more data, or raise --max-epochs"
            )


def open_plan(data: str | Path, mixture: Mapping[str, Any], settings: Settings) -> tuple[Plan, int]:
    """Open the train parts that a mixture lists; return the plan and the steps that its tokens fill.

    A source's tokens here are achieved epochs × its tokens with end-of-text, so that the weights of training
    and the epochs of the mixture agree exactly.
    """
    sources = open_sources(data, mixture, "train")
    _check_weights(data, mixture)
    entries = {str(entry["name"]): entry.get("achieved") or {} for entry in mixture["sources"]}
    wanted = [float(entries[source.name]["epochs"]) * source.tokens for source in sources]
    # A source without tokens has epochs 0 or infinite; its asked weight decides whether that is an error.
    weights = [
        want if source.tokens else float(entries[source.name].get("weight") or 0)
        for want, source in zip(wanted, sources, strict=True)
    ]
    _, vocab_size, eos_id = tokenizer_of(data, mixture)
    plan = Plan(
        sources, weights, seed=settings.seed, window=settings.window,
        batch_windows=settings.batch_tokens // settings.window, vocab_size=vocab_size, eos_id=eos_id,
        tokenizer=str(mixture["tokenizer"].get("sha256", "")),
    )  # fmt: skip
    return plan, max(1, int(sum(wanted)) // settings.batch_tokens)


def _check_weights(data: str | Path, mixture: Mapping[str, Any]) -> None:
    """Raise unless every source's achieved weight and epochs are numbers, and the weights add up to 1."""
    achieved = {str(entry["name"]): entry.get("achieved") or {} for entry in mixture["sources"]}
    for name, figures in achieved.items():
        for key in ("weight", "epochs"):
            value = figures.get(key)
            # A source without tokens may have infinite epochs; that is said elsewhere.
            if not isinstance(value, (int, float)) or not value >= 0 or (key == "weight" and value == np.inf):
                raise MixtureError(
                    f"{data}/mixture.json: {name} has {key} {value!r}, not a number of at least 0; run mix again"
                )
    total = sum(float(figures["weight"]) for figures in achieved.values())
    if abs(total - 1) > 1e-3:  # each is rounded to six digits
        raise MixtureError(f"{data}/mixture.json: its weights add up to {total:.6g}, not 1; run mix again")
