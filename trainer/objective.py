"""Turn a batch into a loss: next-token prediction, or BERT's masked tokens and next sentence.

``prepare`` runs on the CPU in the prefetch thread and is a pure function of seed, step and window, so any
number of ranks masks the same tokens. ``Learner`` is the module that is trained: the model with its loss
inside, so that whatever wraps it (DDP, FSDP) sees one forward call from tokens to a number.

Every window masks the same number of tokens, so a step's mean loss is over a count known beforehand and
accumulation and ranks need not exchange counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pile_curate.hashing import order_key
from trainer.attention import Linear, document_mask, document_starts
from trainer.config import Settings
from trainer.data import Batch
from trainer.loss import cross_entropy_sum
from trainer.model import GPT


@dataclass(frozen=True, slots=True)
class Inputs:
    """What ``Learner`` takes: tokens (B, T); targets, one for each position of ``at`` in the flattened batch.

    ``at`` None means every position. ``segments`` (B, T) or ``starts`` (N + 1) say which document a position
    belongs to; with neither, a window is one text. ``follows`` (B,) is 1 where the second half is the first's
    continuation.
    """

    tokens: Tensor
    targets: Tensor
    segments: Tensor | None = None
    starts: Tensor | None = None
    at: Tensor | None = None
    follows: Tensor | None = None

    def to(self, device: torch.device) -> Inputs:
        """Copy to a device; pinned memory makes that asynchronous."""
        names = (name for name in self.__slots__ if getattr(self, name) is not None)
        pin = device.type == "cuda"
        return replace(
            self,
            **{
                name: (t.pin_memory() if pin else t).to(device, non_blocking=pin)
                for name in names
                if (t := getattr(self, name)) is not None
            },
        )


def masked_count(settings: Settings) -> int:
    """Return how many tokens of a window are predicted."""
    if settings.objective == "causal":
        return settings.window
    return max(1, round(settings.mask_rate * settings.window))


class Preparer:
    """Make ``Inputs`` of batches: shift or mask, and say where documents start, as the device wants it."""

    def __init__(self, settings: Settings, vocab_size: int, eos_id: int, *, packed: bool) -> None:
        self.settings, self.vocab_size, self.eos_id, self.packed = settings, vocab_size, eos_id, packed
        self.mask_id = vocab_size  # the row after the tokenizer's own
        self.room = 64

    def __call__(self, batch: Batch) -> Inputs:
        """Return the inputs of a batch, or of some of its rows, on the CPU."""
        if self.settings.objective == "causal":
            made = Inputs(batch.inputs, batch.targets.flatten())
        else:
            made = self._masked(batch)
        if not self.settings.document_mask:
            return made
        if self.packed:
            starts = document_starts(batch.segments, self.room)
            self.room = len(starts) - 1  # it only grows: fewer shapes, and what is padded changes no value
            return replace(made, starts=starts)
        return replace(made, segments=batch.segments)

    def _masked(self, batch: Batch) -> Inputs:
        """Hide tokens as BERT does (Devlin et al., 2019, section 3.1): 80 % masked, 10 % random, 10 % left.

        The text is the batch's targets, whose documents ``segments`` numbers.
        """
        tokens = batch.targets.numpy().copy()
        count, window = masked_count(self.settings), tokens.shape[1]
        follows = np.ones(len(tokens), dtype=np.int64)
        at, targets = [], []
        for row, number in enumerate(batch.windows):
            key = order_key(self.settings.seed, int(number).to_bytes(8, "little"), "mask")
            draw = np.random.default_rng(key)
            if self.settings.next_sentence:
                follows[row] = draw.integers(2)
                if not follows[row] and batch.strangers is not None:
                    tokens[row, window // 2 :] = batch.strangers.numpy()[row, window // 2 :]
                tokens[row, [0, window // 2]] = self.eos_id  # stand for [CLS] and [SEP]
            # End-of-text tokens last: they are hidden only in a window of hardly anything else.
            order = np.lexsort((draw.random(window), tokens[row] == self.eos_id))
            chosen = np.sort(order[:count])
            targets.append(tokens[row, chosen])
            how = draw.random(count)
            hidden = np.where(how < 0.8, self.mask_id, draw.integers(self.vocab_size, size=count))
            tokens[row, chosen] = np.where(how < 0.9, hidden, tokens[row, chosen])
            at.append(row * window + chosen)
        return Inputs(
            torch.from_numpy(tokens),
            torch.from_numpy(np.concatenate(targets)),
            at=torch.from_numpy(np.concatenate(at)),
            follows=torch.from_numpy(follows) if self.settings.next_sentence else None,
        )


class Learner(nn.Module):
    """The model and its loss: Σ over predicted tokens, in nats (plus the next-sentence loss, scaled alike)."""

    def __init__(self, model: GPT, settings: Settings) -> None:
        super().__init__()
        self.model = model
        self.z_loss, self.smoothing = settings.z_loss, settings.label_smoothing
        self.compiled = settings.compile
        self.count = masked_count(settings)
        self.sentence = Linear(model.config.width, 2) if settings.next_sentence else None
        if self.sentence is not None:
            nn.init.zeros_(self.sentence.weight)
            nn.init.zeros_(self.sentence.bias)

    def forward(
        self, tokens: Tensor, targets: Tensor, segments: Tensor | None, starts: Tensor | None,
        at: Tensor | None, follows: Tensor | None,
    ) -> Tensor:  # fmt: skip
        """Return Σ loss over the targets."""
        mask = starts
        if segments is not None:
            mask = document_mask(segments, self.model.dtype, causal=self.model.config.causal)
        hidden = self.model(tokens, mask)  # (B, T, C)
        flat = hidden.flatten(0, 1)
        total = cross_entropy_sum(
            flat if at is None else flat[at], self.model.vocabulary, targets, z_loss=self.z_loss,
            label_smoothing=self.smoothing, compiled=self.compiled,
        )  # fmt: skip
        if self.sentence is not None and follows is not None:
            pair = self.sentence(hidden[:, 0]).float()  # (B, 2)
            total = total + self.count * F.cross_entropy(pair, follows, reduction="sum")
        return total

    def loss(self, inputs: Inputs) -> Tensor:
        """Return Σ loss over the targets of ``inputs``; call a wrapped learner with ``arguments`` instead."""
        total: Tensor = self(*arguments(inputs))
        return total


def arguments(inputs: Inputs) -> tuple[Tensor | None, ...]:
    """Return ``inputs`` as the positional arguments of ``Learner``."""
    return tuple(
        getattr(inputs, name) for name in ("tokens", "targets", "segments", "starts", "at", "follows")
    )
