"""Score a masked model: the loss and the share of right guesses on tokens that are hidden from it.

Each document on its own, in disjoint windows, its end-of-text token last as in training. In every window a
share ``rate`` of the text's tokens, at least one, is hidden; which ones is a hash of (doc_id, window), so all
models of one tokenizer, window and rate are asked the same. Every hidden token shows as the mask token: the
kept and the random tokens of training's 80/10/10 would give some answers away.

Such a model gives no probability to a whole text, so it has no bits per byte. Windows of one length share a
batch, so nothing is padded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pile_curate.hashing import order_key
from trainer.loss import token_losses
from trainer.model import GPT

BATCH_TOKENS = 8192

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Masking:
    """How tokens are hidden. ``mask_id`` is the row after the tokenizer's own."""

    mask_id: int
    eos_id: int
    rate: float

    def windows(self, doc_id: bytes, document: npt.NDArray[Any], window: int) -> Iterator[tuple[Ints, Ints]]:
        """Yield (tokens, hidden places in order) of a document's windows; one of only end-of-text has none.

        >>> [(t.tolist(), len(at)) for t, at in Masking(9, 0, 0.5).windows(b"", np.array([5, 6, 7, 8, 0]), 4)]
        [([5, 6, 7, 8], 2)]
        """
        for start in range(0, len(document), window):
            tokens = document[start : start + window].astype(np.int64)
            places = np.flatnonzero(tokens != self.eos_id)
            if len(places):
                draw = np.random.default_rng(order_key(0, doc_id, f"evaluate:mask:{start}"))
                count = max(1, round(self.rate * len(places)))
                yield tokens, np.sort(places[np.argsort(draw.random(len(places)))[:count]])

    @torch.no_grad()
    def score(
        self, model: GPT, documents: Sequence[npt.NDArray[Any]], doc_ids: Sequence[bytes]
    ) -> tuple[Ints, npt.NDArray[np.float64], Ints]:
        """Return for each document: tokens hidden, Σ −ln p of them in nats, how many were the likeliest."""
        pieces = [
            (tokens, at, owner)
            for owner, (document, doc_id) in enumerate(zip(documents, doc_ids, strict=True))
            for tokens, at in self.windows(doc_id, document, model.config.window)
        ]
        pieces.sort(key=lambda piece: len(piece[0]))
        counts, correct = np.zeros((2, len(documents)), dtype=np.int64)
        nll = np.zeros(len(documents), dtype=np.float64)
        device = model.embedding.weight.device
        model.eval()
        for length, alike in groupby(pieces, key=lambda piece: len(piece[0])):
            same, rows = list(alike), max(1, BATCH_TOKENS // length)
            for first in range(0, len(same), rows):
                chosen = same[first : first + rows]
                block = np.stack([tokens for tokens, _, _ in chosen])
                at = np.concatenate([row * length + places for row, (_, places, _) in enumerate(chosen)])
                owners = np.repeat([owner for *_, owner in chosen], [len(places) for _, places, _ in chosen])
                wanted = torch.from_numpy(block.reshape(-1)[at]).to(device)
                block.reshape(-1)[at] = self.mask_id
                hidden = model(torch.from_numpy(block).to(device)).flatten(0, 1)
                asked, hits = hidden[torch.from_numpy(at).to(device)], torch.empty_like(wanted)
                losses = token_losses(asked, model.vocabulary, wanted, hits=hits)
                np.add.at(counts, owners, 1)
                np.add.at(nll, owners, losses.double().cpu().numpy())
                np.add.at(correct, owners, hits.cpu().numpy())
        return counts, np.round(nll, 4), correct
