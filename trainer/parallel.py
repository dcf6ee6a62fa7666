"""Spread a run over devices: the ranks torchrun starts, what each holds, and the order of the wrappers.

The order is that of torchtitan: tensor parallel cuts matrices within a block, compilation sees the cut block,
FSDP2 or DDP comes last and sees everything. Data parallel ranks take disjoint windows of a step; tensor
parallel ranks take the same windows and each a share of the heads. Tensor parallel is experimental: it has
been shown right on CPU ranks, and has not been run on several GPUs.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parallel import DistributedDataParallel

from pile_curate.errors import TrainingError
from trainer.config import Settings
from trainer.objective import Learner
from trainer.optim import local

TIMEOUT = timedelta(minutes=10)
"""How long a rank waits for another before it gives up."""


@dataclass(frozen=True, slots=True)
class World:
    """Where this process stands. ``mesh`` has the dimensions data and tensor; None in a run of one process."""

    device: torch.device
    rank: int = 0
    size: int = 1
    mesh: DeviceMesh | None = None

    @property
    def data_size(self) -> int:
        """How many ranks share a step's windows."""
        return 1 if self.mesh is None else self.mesh["data"].size()

    @property
    def data_rank(self) -> int:
        """Which share is this rank's."""
        return 0 if self.mesh is None else self.mesh["data"].get_local_rank()

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over data ranks, on every rank."""
        if self.mesh is not None:
            dist.all_reduce(values, group=self.mesh["data"].get_group())
        return values

    def barrier(self) -> None:
        """Wait for all ranks."""
        if self.mesh is not None:
            dist.barrier()


def start(device: str, tensor_parallel: int = 1) -> World:
    """Join the ranks that torchrun started; without torchrun, be the only one."""
    wanted = torch.device(device)
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise TrainingError(f"--device {device}: this torch sees no GPU; use --device cpu")
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size % tensor_parallel:
        raise TrainingError(
            f"tensor_parallel {tensor_parallel} must divide the {size} ranks;"
            f" start them with torchrun --nproc-per-node {tensor_parallel} -m trainer.train"
        )
    if "RANK" not in os.environ:
        return World(wanted)
    if wanted.type == "cuda":
        wanted = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(wanted)
    dist.init_process_group("nccl" if wanted.type == "cuda" else "gloo", timeout=TIMEOUT)
    shape = (size // tensor_parallel, tensor_parallel)
    mesh = init_device_mesh(wanted.type, shape, mesh_dim_names=("data", "tensor"))
    return World(wanted, dist.get_rank(), size, mesh)


def stop() -> None:
    """Leave the other ranks."""
    if dist.is_initialized():
        dist.destroy_process_group()


def precision(settings: Settings, device: torch.device) -> torch.dtype:
    """Return what the model computes in; its weights are always float32."""
    chosen = settings.precision
    if chosen == "auto":
        chosen = "bf16" if device.type == "cuda" else "float32"
    return {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[chosen]


def attention_kernels(device: torch.device) -> Any:
    """Return the context in which a GPU takes cuDNN's attention first: on Hopper it is ahead of flash."""
    if device.type != "cuda":
        return nullcontext()
    order = [
        SDPBackend.CUDNN_ATTENTION,
        SDPBackend.FLASH_ATTENTION,
        SDPBackend.EFFICIENT_ATTENTION,
        SDPBackend.MATH,
    ]
    return sdpa_kernel(order, set_priority=True)


class Wrapped:
    """A learner spread over a world. ``module`` is what to call; parameters are the learner's own."""

    def __init__(self, learner: Learner, settings: Settings, world: World) -> None:
        self.learner, self.module = learner, learner
        self._partial: list[nn.Parameter] = []
        self._tensor_group: dist.ProcessGroup | None = None
        learner.model.dtype = precision(settings, world.device)
        learner.model.recompute = settings.activation_checkpointing
        blocks: Any = learner.model.blocks
        if world.mesh is not None and settings.tensor_parallel > 1:
            if world.data_size > 1 and settings.parallel == "ddp":
                raise TrainingError("tensor_parallel beside data parallel ranks needs --parallel fsdp")
            self._cut_matrices(blocks, world.mesh["tensor"])
        if settings.compile:
            for block in blocks:
                block.compile(dynamic=False)
        if world.mesh is None or (world.data_size == 1 and settings.parallel == "ddp"):
            return
        if settings.parallel == "fsdp":
            low = learner.model.dtype
            policy = MixedPrecisionPolicy(
                param_dtype=None if low == torch.float32 else low,
                reduce_dtype=torch.float32,
                cast_forward_inputs=False,  # the rotary table stays in float32
            )
            for block in blocks:
                fully_shard(block, mesh=world.mesh["data"], mp_policy=policy)
            fully_shard(learner, mesh=world.mesh["data"], mp_policy=policy)
        else:
            self.module = DistributedDataParallel(  # type: ignore[assignment]
                learner, process_group=world.mesh["data"].get_group(), gradient_as_bucket_view=True
            )

    def _cut_matrices(self, blocks: Any, mesh: DeviceMesh) -> None:
        """Give each rank some heads and some of the feed-forward's width (Shoeybi et al., 2019, section 3)."""
        plan = {
            "attention.qkv": ColwiseParallel(), "attention.out": RowwiseParallel(),
            "feed.up": ColwiseParallel(), "feed.down": RowwiseParallel(),
        }  # fmt: skip
        for block in blocks:
            parallelize_module(block, mesh, plan)
        self._tensor_group = mesh.get_group()

    def backward(self, loss: Tensor, *, last: bool) -> None:
        """Add to the gradients; exchange them with other ranks only after the ``last`` micro-batch."""
        if isinstance(self.module, FSDPModule):
            self.module.set_requires_gradient_sync(last)
        loss.backward()
        if last and self._tensor_group is not None:
            # Query and key norms see only this rank's heads, so each rank holds a part of their gradient.
            for name, p in self.learner.named_parameters():
                if name.endswith(("query_norm.weight", "key_norm.weight")) and p.grad is not None:
                    dist.all_reduce(local(p.grad), group=self._tensor_group)

    def quiet(self, *, last: bool) -> Any:
        """Return the context for a micro-batch's forward and backward: without exchange, unless the last."""
        if isinstance(self.module, DistributedDataParallel) and not last:
            return self.module.no_sync()
        return nullcontext()


@torch.no_grad()
def gradient_norm(parameters: list[nn.Parameter]) -> Tensor:
    """Return the norm () of all gradients together, the same on every rank, without waiting for the device."""
    shares: dict[tuple[Any, ...], list[Tensor]] = {}
    for p in parameters:
        if p.grad is None:
            continue
        groups: tuple[Any, ...] = ()
        if isinstance(p.grad, DTensor):
            mesh = p.grad.device_mesh
            groups = tuple(mesh.get_group(i) for i, at in enumerate(p.grad.placements) if at.is_shard())
        shares.setdefault(groups, []).append(local(p.grad))
    squares = []
    for groups, grads in shares.items():
        square = torch.stack(torch._foreach_norm(grads)).square().sum()
        for group in groups:
            dist.all_reduce(square, group=group)
        squares.append(square)
    return torch.stack(squares).sum().sqrt()
