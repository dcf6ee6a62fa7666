"""Do norm, rotation and SwiGLU in few passes over memory, forward and backward, where no compiler fuses them.

Written in torch's operations each takes a dozen passes over its input and keeps several copies for the backward
pass; the gradients by hand take half. Used on a CPU in float32 without compilation; compiled code and GPUs use
the plain form, which says the same.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def by_hand(x: Tensor) -> bool:
    """Say whether the gradients below are used for ``x``."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.compiler.is_compiling()


class RootMeanSquare(torch.autograd.Function):
    """x (..., C) / sqrt(mean x² + eps) · weight (C,)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """Return the norm; keeps x and one number a row."""
        size = x.shape[-1]
        rate = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(size).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, rate)
        return (x * rate).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x and weight: with n = x · rate, rate · (g·w − n · mean(g·w·n))."""
        x, weight, rate = ctx.saved_tensors
        size = x.shape[-1]
        normal = x * rate
        product = grads[0] * normal
        for_weight = product.flatten(0, -2).sum(dim=0)
        mean = (product @ weight).div_(size).unsqueeze_(-1)
        grad = (grads[0] * weight).addcmul_(normal, mean, value=-1.0).mul_(rate)
        return grad, for_weight, None


class Rotation(torch.autograd.Function):
    """Rotate the pairs (i, i + D/2) of x (B, H, T, D); its gradient is the rotation back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Return x turned by the angles of cos and sin (T, D)."""
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin, 1.0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient turned back."""
        cos, sin = ctx.saved_tensors
        return _turned(grads[0], cos, sin, -1.0), None, None


def _turned(x: Tensor, cos: Tensor, sin: Tensor, direction: float) -> Tensor:
    half = x.shape[-1] // 2
    out = x * cos
    out[..., :half].addcmul_(x[..., half:], sin[:, :half], value=-direction)
    out[..., half:].addcmul_(x[..., :half], sin[:, half:], value=direction)
    return out


class SwiGLU(torch.autograd.Function):
    """silu(gate) · up of x (..., 2F), the gate in its first half."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Return (..., F); keeps x only."""
        ctx.save_for_backward(x)
        gate, up = x.chunk(2, dim=-1)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return the gradient of x, both halves written in place."""
        (x,) = ctx.saved_tensors
        gate, up = x.chunk(2, dim=-1)
        out = torch.empty_like(x)
        for_gate, for_up = out.chunk(2, dim=-1)
        torch.mul(grads[0], F.silu(gate), out=for_up)
        torch.ops.aten.silu_backward(grads[0] * up, gate, grad_input=for_gate)
        return out
