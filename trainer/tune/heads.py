"""Put a linear head on a GPT: for a text's class, for each word's tag, or the vocabulary's own for completions.

A causal model's class is read from the last token of the text, a bidirectional one's from the mean over its
positions. Padding stands right of the text, where a causal model does not see it; a bidirectional one is
masked from it, which costs a float mask of 4·B·T² bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.attention import Linear, document_mask
from trainer.loss import cross_entropy_sum, token_losses
from trainer.model import GPT
from trainer.tune.rows import Example

GROUP_TOKENS = 8192
"""Positions that are read at once where nothing is learned."""


@dataclass(frozen=True, slots=True)
class Group:
    """Examples as tensors: tokens (B, T), padding (B, T) 1 behind the text, at and targets (N,) in B·T."""

    tokens: Tensor
    padding: Tensor
    at: Tensor
    targets: Tensor


def group(examples: Sequence[Example], device: torch.device) -> Group:
    """Pad examples to the longest."""
    longest = max(len(e.tokens) for e in examples)
    tokens = np.zeros((len(examples), longest), dtype=np.int64)
    padding = np.ones((len(examples), longest), dtype=np.int64)
    for row, example in enumerate(examples):
        tokens[row, : len(example.tokens)] = example.tokens
        padding[row, : len(example.tokens)] = 0
    at = np.concatenate([e.at + row * longest for row, e in enumerate(examples)])
    targets = np.concatenate([e.targets for e in examples])
    return Group(*(torch.from_numpy(part).to(device) for part in (tokens, padding, at, targets)))


class Tuned(nn.Module):
    """A model and its head, which starts at zero; without ``classes`` the head is the vocabulary."""

    def __init__(self, model: GPT, classes: int, *, whole: bool) -> None:
        super().__init__()
        self.model = model
        self.pooled = whole and not model.config.causal
        self.head = Linear(model.config.width, classes) if classes else None
        if self.head is not None:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.embedding.weight.device

    def features(self, read: Group) -> Tensor:
        """Return the hidden state (N, C) that each target is predicted from."""
        causal = self.model.config.causal
        mask = None if causal else document_mask(read.padding, self.model.dtype, causal=False)
        hidden: Tensor = self.model(read.tokens, mask)  # (B, T, C)
        if self.pooled:
            text = (read.padding == 0).unsqueeze(-1)
            return (hidden.float() * text).sum(dim=1) / text.sum(dim=1)
        return hidden.flatten(0, 1)[read.at]

    def loss(self, features: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the mean of −ln p(target) in nats; class ``weights`` (K,) make it a weighted mean."""
        if self.head is None:
            return cross_entropy_sum(features, self.model.vocabulary, targets) / len(targets)
        return F.cross_entropy(self.head(features).float(), targets, weights)

    @torch.no_grad()
    def judge(self, features: Tensor, targets: Tensor) -> Tensor:
        """Return ln p of every class (N, K), or of the target token (N,) where the vocabulary is the head."""
        if self.head is None:
            return -token_losses(features, self.model.vocabulary, targets)
        return self.head(features).float().log_softmax(dim=1)


class Side:
    """The examples of one file, with their features once ``remember`` has computed them."""

    def __init__(self, tuned: Tuned, examples: Sequence[Example]) -> None:
        self.tuned, self.examples = tuned, examples
        self.features: list[Tensor] = []

    def _by_length(self) -> Iterator[list[int]]:
        order = sorted(range(len(self.examples)), key=lambda i: -len(self.examples[i].tokens))
        start = 0
        while start < len(order):
            count = max(1, GROUP_TOKENS // len(self.examples[order[start]].tokens))
            yield order[start : start + count]
            start += count

    def batch(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return features (N, C) and targets (N,) of some examples."""
        chosen = [self.examples[i] for i in numbers]
        if not self.features:
            read = group(chosen, self.tuned.device)
            return self.tuned.features(read), read.targets
        targets = torch.from_numpy(np.concatenate([e.targets for e in chosen]))
        return torch.cat([self.features[i] for i in numbers]), targets.to(self.tuned.device)

    def _cut(self, numbers: Sequence[int], values: Tensor) -> Iterator[tuple[int, Tensor]]:
        sizes = [len(self.examples[i].targets) for i in numbers]
        yield from zip(numbers, values.split(sizes), strict=True)

    @torch.no_grad()
    def remember(self) -> None:
        """Compute the features of every example, once, in float32: 4·C bytes a target."""
        self.tuned.eval()
        held = [Tensor()] * len(self.examples)
        for numbers in self._by_length():
            for i, features in self._cut(numbers, self.batch(numbers)[0].float()):
                held[i] = features.clone()
        self.features = held

    @torch.no_grad()
    def judge(self) -> dict[int, np.ndarray]:
        """Return what ``Tuned.judge`` says of each row: (targets of the row, K), or (targets of the row,)."""
        self.tuned.eval()
        found = [Tensor()] * len(self.examples)
        for numbers in self._by_length():
            for i, values in self._cut(numbers, self.tuned.judge(*self.batch(numbers)).cpu()):
                found[i] = values
        rows: dict[int, list[Tensor]] = {}
        for example, values in zip(self.examples, found, strict=True):
            rows.setdefault(example.owner, []).append(values)
        return {owner: torch.cat(pieces).numpy() for owner, pieces in rows.items()}
