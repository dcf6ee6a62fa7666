"""Fine-tune a checkpoint on labelled rows, choose the best epoch by validation, and measure it.

All weights learn, the head at a rate of its own; as a probe the head alone, from features that are computed once
and scaled to mean 0 and deviation 1 (the scale is folded into the head in the end). The order of an epoch is a
function of seed and epoch, so equal seeds give equal weights on one machine.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from pile_curate.errors import TrainingError
from pile_curate.hashing import order_key
from pile_curate.shards.tokenizer import LoadedTokenizer
from trainer.checkpoint import Checkpoint
from trainer.config import resolve
from trainer.metrics import bits_per_byte
from trainer.optim import Optimizer, learning_rate
from trainer.parallel import gradient_norm, precision
from trainer.tune.heads import Side, Tuned
from trainer.tune.rows import Row, encode, is_bio, label_numbers
from trainer.tune.scores import majority, score

POOL = 16
"""Batches whose examples are sorted by length together, so that a batch holds little padding."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to fine-tune; rates left out are derived from the checkpoint's own."""

    task: Literal["classify", "tag", "causal"]
    epochs: int = 3
    batch: int = 16
    learning_rate: float | None = None
    head_rate: float | None = None
    weight_decay: float = 0.01
    warmup: int | None = None
    max_length: int | None = None
    balanced: bool = False
    probe: bool = False
    precision: str = "auto"
    seed: int = 0


class Tuning:
    """One fine-tuning: the rows of train, validation and perhaps test, and the model."""

    def __init__(
        self, held: Checkpoint, known: LoadedTokenizer, rows: Mapping[str, Sequence[Row]], options: Options,
        device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        self.options, self.rows = options, rows
        if min(options.epochs, options.batch) < 1 or options.seed < 0:
            raise TrainingError(
                f"epochs {options.epochs} and batch {options.batch} must be 1 or more, seed {options.seed} 0 or more"
            )
        own = (held.facts.get("settings") or {}).get("learning_rate", 5e-4) / 10
        rate = own if options.learning_rate is None else options.learning_rate
        head_rate = (1e-2 if options.probe else 10 * rate) if options.head_rate is None else options.head_rate
        common = {
            "weight_decay": options.weight_decay, "warmup_steps": options.warmup, "schedule": "linear",
            "minimum_rate": 0.0, "precision": options.precision,
        }  # fmt: skip
        self.body = resolve({**common, "learning_rate": rate})
        self.top = resolve({**common, "learning_rate": head_rate})
        model = held.model()
        self.limit = model.config.window if options.max_length is None else options.max_length
        if not 2 <= self.limit <= model.config.window:
            raise TrainingError(
                f"max length {self.limit}: the model's window allows 2 to {model.config.window}"
            )
        if known.vocab_size > model.config.vocab_size:
            raise TrainingError(
                f"{held.path}: has a vocabulary of {model.config.vocab_size}, the tokenizer one of"
                f" {known.vocab_size}; give the tokenizer it was trained with"
            )
        self.known, self.labels, self.bio = known, dict[str, int](), False
        if options.task == "causal":
            if not model.config.causal or options.probe:
                raise TrainingError("causal tunes a whole causal model; not a masked one, not a probe")
        else:
            others = [rows[side] for side in rows if side != "train"]
            self.bio = options.task == "tag" and is_bio([row for side in rows.values() for row in side])
            self.labels = label_numbers(rows["train"], *others)
        self.names = list(self.labels)
        self.tuned = Tuned(model, len(self.labels), whole=options.task == "classify").to(device)
        model.dtype = precision(self.body, torch.device(device))
        self.sides, self.longer = {}, dict[str, int]()
        for side, its in rows.items():
            examples, self.longer[side] = encode(
                its, options.task, known, self.labels, causal=model.config.causal, limit=self.limit
            )
            self.sides[side] = Side(self.tuned, examples)
        self.weights = self._class_weights()
        self._scale: tuple[Tensor, Tensor] | None = None
        if options.probe:
            model.requires_grad_(False)
            self._remember()

    def _class_weights(self) -> Tensor | None:
        """Return weights with which every class counts as much as every other in the loss."""
        counts = Counter(label for row in self.rows["train"] for label in row.labels)
        weights = [counts.total() / (len(counts) * counts[name]) for name in self.names]
        return torch.tensor(weights, device=self.tuned.device) if self.options.balanced else None

    def _remember(self) -> None:
        for side in self.sides.values():
            side.remember()
        everything = torch.cat(self.sides["train"].features)
        mean, deviation = everything.mean(dim=0), everything.std(dim=0, correction=0).clamp(min=1e-6)
        for side in self.sides.values():
            side.features = [(features - mean) / deviation for features in side.features]
        self._scale = mean, deviation

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """Yield the training examples of an epoch's batches: shuffled, of like length within a batch."""
        examples, size = self.sides["train"].examples, self.options.batch
        draw = np.random.default_rng([self.options.seed, epoch])
        order = draw.permutation(len(examples)).tolist()
        batches = []
        for start in range(0, len(order), size * POOL):
            pool = sorted(order[start : start + size * POOL], key=lambda i: len(examples[i].tokens))
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        for i in draw.permutation(len(batches)):
            yield batches[i]

    def fit(self, report: Callable[[dict[str, Any]], None] = lambda epoch: None) -> dict[str, Any]:
        """Train all epochs, keep the weights of the best; return every figure. Raises if a loss is not finite."""
        options, tuned = self.options, self.tuned
        majorities = {
            side: majority(self.truth("train"), self.truth(side), bio=self.bio)
            for side in self.sides if self.labels and side != "train"
        }  # fmt: skip
        before = {} if self.labels else {s: self.measure(s) for s in self.sides if s != "train"}
        parts: list[tuple[nn.Module, Any]] = [] if options.probe else [(tuned.model, self.body)]
        if tuned.head is not None:
            parts.append((tuned.head, self.top))
        optimizers = [(Optimizer(module, settings), settings) for module, settings in parts]
        learned = {name: p for name, p in tuned.named_parameters() if p.requires_grad}
        steps = options.epochs * -(-len(self.sides["train"].examples) // options.batch)
        epochs: list[dict[str, Any]] = []
        best: dict[str, Tensor] = {}
        chosen, step = 0, 0
        for epoch in range(1, options.epochs + 1):
            total, count = 0.0, 0
            for numbers in self.batches(epoch):
                tuned.train(not options.probe)
                torch.manual_seed(order_key(options.seed, step.to_bytes(8, "little"), "finetune") >> 1)
                loss = tuned.loss(*self.sides["train"].batch(numbers), self.weights)
                loss.backward()
                value, norm = float(loss.detach()), gradient_norm(list(learned.values()))
                self._check(value, float(norm), epoch, step, numbers)
                grads = [p.grad for p in learned.values() if p.grad is not None]
                torch._foreach_mul_(grads, torch.clamp(1.0 / (norm + 1e-6), max=1.0))
                for optimizer, settings in optimizers:
                    optimizer.step(learning_rate(step, steps, settings))
                    optimizer.zero_grad()
                step, total, count = step + 1, total + value * len(numbers), count + len(numbers)
            measured = self.measure("validation")
            if not math.isfinite(measured["loss"]):
                raise TrainingError(
                    f"epoch {epoch}: the validation loss is {measured['loss']}, nothing was saved; a smaller"
                    " --learning-rate may help"
                )
            epochs.append({"epoch": epoch, "loss": total / count, "validation": measured})
            report(epochs[-1])
            if not best or self._rank(measured) > self._rank(epochs[chosen - 1]["validation"]):
                chosen, best = epoch, {name: p.detach().clone() for name, p in learned.items()}
        with torch.no_grad():
            for name, p in learned.items():
                p.copy_(best[name])
        figures = {
            "steps": step, "best_epoch": chosen, "validation": epochs[chosen - 1]["validation"],
            **({"test": self.measure("test")} if "test" in self.sides else {}),
            "majority": majorities, "before": before, "epochs": epochs,
            "rows": {side: len(rows) for side, rows in self.rows.items()}, "longer": self.longer,
        }  # fmt: skip
        self._fold()
        return figures

    def _check(self, loss: float, norm: float, epoch: int, step: int, numbers: Sequence[int]) -> None:
        if not (math.isfinite(loss) and math.isfinite(norm)):
            owners = sorted({self.sides["train"].examples[i].owner for i in numbers})
            raise TrainingError(
                f"epoch {epoch}, step {step + 1}: loss {loss}, gradient norm {norm}: not finite, nothing was"
                " saved; a smaller --learning-rate or more --warmup may help. Rows of the step:"
                f" {', '.join(self.rows['train'][i].where for i in owners[:20])}"
            )

    def _fold(self) -> None:
        """Let a probe's head take features as the model makes them: w·(x − m)/s + b = (w/s)·x + (b − (w/s)·m)."""
        if self._scale is not None and self.tuned.head is not None:
            mean, deviation = self._scale
            with torch.no_grad():
                self.tuned.head.weight.div_(deviation)
                self.tuned.head.bias.sub_(self.tuned.head.weight @ mean)
            for side in self.sides.values():
                side.features = []

    def truth(self, side: str) -> list[tuple[str, ...]]:
        """Return the labels of every row."""
        return [row.labels for row in self.rows[side]]

    def measure(self, side: str) -> dict[str, Any]:
        """Return the figures of a side with the present weights; ``loss`` in nats a label or token."""
        judged, rows = self.sides[side].judge(), self.rows[side]
        if not self.labels:
            # Each row's last target is its end of text, which is learned but is no part of the text's bytes.
            nll = -sum(float(judged[i][:-1].astype(np.float64).sum()) for i in range(len(rows)))
            tokens = sum(len(judged[i]) - 1 for i in range(len(rows)))
            size = sum(len(row.text.encode()) for row in rows)
            per_byte = bits_per_byte(nll, size)
            return {"loss": nll / tokens, "bits_per_byte": per_byte, "tokens": tokens, "bytes": size}
        told = [[self.labels[label] for label in row.labels] for row in rows]
        right = np.concatenate([judged[i][np.arange(len(t)), t] for i, t in enumerate(told)])
        predicted = [[self.names[k] for k in judged[i].argmax(axis=1)] for i in range(len(rows))]
        loss = -float(right.astype(np.float64).mean())
        return {"loss": loss, **score(self.truth(side), predicted, bio=self.bio)}

    def _rank(self, figures: Mapping[str, Any]) -> tuple[float, float]:
        """Return what makes an epoch better: entity F1, macro-F1 of classes, accuracy of plain tags; then loss."""
        if not self.labels:
            return 0.0, -figures["loss"]
        name = "macro_f1" if self.options.task == "classify" else "accuracy"
        return figures["entities"]["f1"] if self.bio else figures[name], -figures["loss"]
