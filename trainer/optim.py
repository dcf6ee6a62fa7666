"""Set up AdamW and the learning rate: decay on matrices only, linear warm-up, then a cosine.

The rate is a pure function of the step, so a checkpoint need not hold a scheduler's state.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from trainer.config import Settings


def adamw(model: nn.Module, settings: Settings) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov & Hutter, 2019); vectors (norms) are not decayed, since 1 is their rest."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=settings.learning_rate, betas=(settings.beta1, settings.beta2), eps=1e-8, fused=True
    )


def learning_rate(step: int, steps: int, settings: Settings) -> float:
    """Return the rate of step ``step`` (from 0) of ``steps``; it ends at ``minimum_rate`` of the peak.

    >>> settings = Settings(learning_rate=1.0, warmup_steps=2)
    >>> [round(learning_rate(step, 12, settings), 2) for step in (0, 1, 2, 7, 12)]
    [0.5, 1.0, 1.0, 0.55, 0.1]
    """
    warmup = settings.warmup_steps if settings.warmup_steps is not None else min(100, max(1, steps // 10))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    floor = settings.minimum_rate
    return settings.learning_rate * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))
