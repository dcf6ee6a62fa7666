"""What the tests of several ranks run under torchrun: train a few steps each way and keep what came out.

``python -m tests.trainer.ranks DATA OUT``; rank 0 writes OUT/results.pt.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from trainer.config import resolve
from trainer.parallel import World
from trainer.run import Run

STEPS = 3
SMALL = {
    "layers": 2, "width": 32, "heads": 4, "kv_heads": 2, "window": 16, "batch_tokens": 128, "steps": 6,
    "learning_rate": 1e-2, "warmup_steps": 1,
}  # fmt: skip
WAYS: dict[str, dict[str, Any]] = {
    "ddp": {},
    "ddp accumulated": {"micro_tokens": 16},
    "ddp muon": {"optimizer": "muon"},
    "fsdp": {"parallel": "fsdp"},
    "fsdp accumulated": {"parallel": "fsdp", "micro_tokens": 32},
    "fsdp muon": {"parallel": "fsdp", "optimizer": "muon"},
    "fsdp recomputed": {"parallel": "fsdp", "activation_checkpointing": True},
    "fsdp bf16": {"parallel": "fsdp", "precision": "bf16"},
    "tensor": {"tensor_parallel": 2},
    "tensor muon": {"tensor_parallel": 2, "optimizer": "muon"},
    "tensor gpt2": {"tensor_parallel": 2, "preset": "gpt2", "heads": 4, "kv_heads": 4, "vocab_multiple": 1},
    "fsdp mlm": {"parallel": "fsdp", "objective": "mlm"},
}


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return all of a tensor, wherever its pieces are."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().clone()


def outcome(data: Path, out: Path, world: World, changes: dict[str, Any]) -> dict[str, Any]:
    """Train ``STEPS`` steps; return the losses, the norms, and all weights and optimizer state after them."""
    run = Run(data, out, resolve({**SMALL, **changes}), world)
    read = [run.check(run.train_step()) for _ in range(STEPS)]
    run.save()
    return {
        "losses": [r[0] for r in read],
        "norms": [r[1] for r in read],
        "tensors": {name: whole(tensor) for name, tensor in run.tensors().items()},
    }


def main() -> None:
    """Run every way on the ranks that there are."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    size = dist.get_world_size()
    device = torch.device("cpu")
    found = {}
    for name, changes in WAYS.items():
        tensor = changes.get("tensor_parallel", 1)
        mesh = init_device_mesh("cpu", (size // tensor, tensor), mesh_dim_names=("data", "tensor"))
        world = World(device, dist.get_rank(), size, mesh)
        found[name] = outcome(data, out / name.replace(" ", "-"), world, changes)
    if dist.get_rank() == 0:
        torch.save(found, out / "results.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    assert "RANK" in os.environ
    main()
