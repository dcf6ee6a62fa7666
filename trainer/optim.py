"""Update the weights: AdamW (torch's fused kernel) and Muon, and the learning rate of a step.

Muon (Jordan et al., 2024) replaces the update of a matrix by the nearest orthogonal one, so that every direction
learns at the same speed. Here matrices of one shape are orthogonalised in one batch, and each rank does its
share of the batch. The update is scaled to the size that AdamW's has, 0.2 · sqrt(max(rows, columns)) (Liu et
al., 2025, section 2.2), so that learning rate and weight decay mean the same for both. Embeddings, head, norms
and biases stay with AdamW.

The rate is a pure function of the step, so a checkpoint need not hold a scheduler's state. Nothing here waits
for the device: a step that is not to be taken is skipped on the device, by ``skip``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from trainer.config import Settings

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration that pushes singular values to about 1 (Jordan et al., 2024)."""


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Return the nearest orthogonal matrix of each of ``matrices`` (n, r, c), roughly: singular values 0.7 to 1.2."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.to(torch.bfloat16) if matrices.is_cuda else matrices
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT  # (n, r, r), r the smaller side
        x = a * x + torch.baddbmm(b * gram, gram, gram, alpha=c) @ x
    return (x.mT if tall else x).to(matrices.dtype)


def local(tensor: Tensor) -> Tensor:
    """Return this rank's piece of a sharded tensor, or the tensor itself."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


class Optimizer:
    """AdamW over everything, or over what Muon leaves; all state is made at once, so that it can be loaded into."""

    def __init__(self, model: nn.Module, settings: Settings) -> None:
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._names = {p: name for name, p in named.items()}
        muon = settings.optimizer == "muon"
        self.matrices = [p for name, p in named.items() if muon and p.dim() == 2 and ".blocks." in f".{name}"]
        ours = set(self.matrices)
        self.momentum = {p: torch.zeros_like(p, requires_grad=False) for p in self.matrices}
        self.decay, self.beta = settings.weight_decay, settings.momentum
        # One group for each mesh and decay: fused kernels take tensors of one kind.
        groups: dict[tuple[bool, str], list[nn.Parameter]] = {}
        for p in named.values():
            if p not in ours:
                mesh = str(p.device_mesh) if isinstance(p, DTensor) else ""
                groups.setdefault((p.dim() >= 2, mesh), []).append(p)
        self.adamw = torch.optim.AdamW(
            # Vectors (norms, biases) are not decayed.
            [{"params": ps, "weight_decay": self.decay * decays} for (decays, _), ps in groups.items()],
            lr=settings.learning_rate, betas=(settings.beta1, settings.beta2), eps=1e-8, fused=True,
        )  # fmt: skip
        for p in self._adamw_parameters():
            self.adamw.state[p] = {
                "step": torch.zeros((), dtype=torch.float32, device=local(p).device),
                "exp_avg": torch.zeros_like(p, requires_grad=False),
                "exp_avg_sq": torch.zeros_like(p, requires_grad=False),
            }

    def _adamw_parameters(self) -> Iterator[nn.Parameter]:
        for group in self.adamw.param_groups:
            yield from group["params"]

    def tensors(self) -> dict[str, Tensor]:
        """Return the whole state by name; loading into these tensors restores it."""
        held = {
            f"{self._names[p]}.{key}": value
            for p in self._adamw_parameters()
            for key, value in self.adamw.state[p].items()
        }
        return held | {f"{self._names[p]}.momentum": value for p, value in self.momentum.items()}

    @torch.no_grad()
    def step(self, rate: float, skip: Tensor | None = None) -> None:
        """Take a step at learning rate ``rate``; ``skip`` (), if not 0, turns it into nothing on the device."""
        for group in self.adamw.param_groups:
            group["lr"] = rate
        self.adamw.found_inf = skip  # type: ignore[attr-defined]
        self.adamw.grad_scale = None  # type: ignore[attr-defined]
        if self.adamw.param_groups:
            self.adamw.step()
        shapes: dict[torch.Size, list[nn.Parameter]] = {}
        for p in self.matrices:
            shapes.setdefault(p.shape, []).append(p)
        for alike in shapes.values():
            self._muon(alike, rate, skip)

    def _muon(self, alike: list[nn.Parameter], rate: float, skip: Tensor | None) -> None:
        directions = []
        for p in alike:
            assert p.grad is not None
            grad, held = p.grad, self.momentum[p]
            if skip is not None:
                grad = torch.where(skip > 0, torch.zeros_like(local(grad)), local(grad))
                local(held).copy_(torch.where(skip > 0, local(held), self.beta * local(held) + grad))
            else:
                local(held).mul_(self.beta).add_(local(grad))
            ahead = local(grad) + self.beta * local(held)  # Nesterov
            if isinstance(p, DTensor):
                ahead = DTensor.from_local(
                    ahead, p.device_mesh, p.placements, shape=p.shape, stride=p.stride()
                ).full_tensor()
            directions.append(ahead)
        updates = _shared_out(torch.stack(directions))
        keep = 1.0 if skip is None else 1.0 - skip
        scale = rate * 0.2 * math.sqrt(max(alike[0].shape))
        for p, update in zip(alike, updates.unbind(), strict=True):
            piece = update
            if isinstance(p, DTensor):
                piece = distribute_tensor(update, p.device_mesh, p.placements, src_data_rank=None).to_local()
            weight = local(p)
            weight.sub_((weight * (rate * self.decay) + piece * scale) * keep)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self._names:
            p.grad = None


def _shared_out(directions: Tensor) -> Tensor:
    """Orthogonalise (n, r, c), every rank its share, and give every rank the whole."""
    world = dist.get_world_size() if dist.is_initialized() else 1
    if world == 1:
        return orthogonalise(directions)
    share = -(-len(directions) // world)
    padded = torch.zeros(
        (share * world, *directions.shape[1:]), dtype=directions.dtype, device=directions.device
    )
    padded[: len(directions)] = directions
    rank = dist.get_rank()
    mine = orthogonalise(padded[rank * share : (rank + 1) * share])
    dist.all_gather_single(padded, mine.contiguous())
    return padded[: len(directions)]


def learning_rate(step: int, steps: int, settings: Settings) -> float:
    """Return the rate of step ``step`` (from 0) of ``steps``; it ends at ``minimum_rate`` of the peak.

    ``wsd`` holds the peak and falls over the last ``decay_fraction`` of the steps (Hu et al., 2024, section 4).

    >>> settings = Settings(learning_rate=1.0, warmup_steps=2)
    >>> [round(learning_rate(step, 12, settings), 2) for step in (0, 1, 2, 7, 12)]
    [0.5, 1.0, 1.0, 0.55, 0.1]
    """
    warmup = settings.warmup_steps
    if warmup is None:
        # A short run needs a long warm-up: 100 of 400 steps instead of 40 save ``tiny`` 0.08 bits per byte.
        warmup = max(1, min(100, steps // 4), steps // 100)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    start = warmup
    if settings.schedule == "wsd":
        start = max(warmup, steps - max(1, round(settings.decay_fraction * steps)))
    done = min(1.0, max(0.0, (step - start) / max(1, steps - start)))
    left = 0.5 * (1 + math.cos(math.pi * done)) if settings.schedule == "cosine" else 1 - done
    floor = settings.minimum_rate
    return settings.learning_rate * (floor + (1 - floor) * left)
