"""Multiply float32 matrices on a CPU through oneDNN, which uses AVX-512 on every CPU that has it.

torch multiplies float32 by MKL, which keeps to AVX2 on CPUs of another maker than its own: half the speed on those
(768 × 128 by 128 × 384 on two cores of an AMD EPYC: 219 against 464 GFLOP/s). Both compute in float32; they differ in the
order of their sums only, and each always gives the same bits for the same input and threads. Where a GPU,
another precision, a compiler or a distributed tensor is at work, torch's own product is used.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributed.tensor import DTensor

ONEDNN = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
"""Decided by what the CPU can do, never by timing: a run that is resumed must take the same way."""


def chosen(x: Tensor, weight: Tensor) -> bool:
    """Say whether x · weightᵀ goes through oneDNN."""
    return (
        ONEDNN
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == "cpu"
        and not isinstance(weight, DTensor)
        and not torch.compiler.is_compiling()
    )


def times_transposed(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x (N, I) · weight (O, I)ᵀ + bias, without a gradient; either may be a transposed view."""
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return out


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return times_transposed(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad, wanted = grads[0].contiguous(), ctx.needs_input_grad
        flat = grad.flatten(0, -2)
        return (
            times_transposed(grad, weight.t()) if wanted[0] else None,
            weight_gradient(flat, x.flatten(0, -2)) if wanted[1] else None,
            flat.sum(dim=0) if wanted[2] else None,
        )


def weight_gradient(grad: Tensor, x: Tensor) -> Tensor:
    """Return grad (N, O)ᵀ · x (N, I) as (O, I). oneDNN copies its first operand: the narrower of the two."""
    if grad.shape[1] <= x.shape[1]:
        return times_transposed(grad.t(), x.t())
    return times_transposed(x.t(), grad.t()).t().contiguous()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x (..., I) · weight (O, I)ᵀ + bias as (..., O)."""
    if chosen(x, weight):
        out: Tensor = _Product.apply(x, weight, bias)
        return out
    return F.linear(x, weight, bias)
