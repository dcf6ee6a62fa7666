"""Train a GPT of the same size the way nanoGPT's training script does: what ``train_speed`` and ``train_race`` compare with.

Written anew from what that script does: GPT-2's block (LayerNorm, learned positions, GELU, biases optional, one tied
embedding), torch's causal attention, logits of the whole batch (B, T, V) at once and ``F.cross_entropy`` over
them, crops at random places of one memory-mapped array whatever documents they cut, AdamW with decay on matrices
only (fused on a GPU), autocast to bf16 on a GPU, float32 on a CPU, gradient accumulation, clipping at 1, the loss
read after every step, as with ``log_interval = 1``, ``torch.compile`` of the whole model where asked for.

    python -m benchmarks.nanogpt_way DATA --block_size 64 --batch_size 12 --n_layer 4 --n_head 4 --n_embd 128
"""

from __future__ import annotations

import argparse
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.optim import learning_rate
from trainer.train import set_threads


@dataclass(frozen=True)
class Shape:
    vocab_size: int
    window: int
    layers: int = 12
    heads: int = 12
    width: int = 768
    bias: bool = False
    dropout: float = 0.0


class Layer(nn.Module):
    """One block: x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, bias = shape.width, shape.bias
        self.heads, self.rate = shape.heads, shape.dropout
        self.first, self.second = (nn.LayerNorm(width, bias=bias) for _ in range(2))
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)
        self.up = nn.Linear(width, 4 * width, bias=bias)
        self.down = nn.Linear(4 * width, width, bias=bias)
        self.drop = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, T, C) to (B, T, C)."""
        batch, window, width = x.shape
        parts = self.qkv(self.first(x)).split(width, dim=2)
        query, key, value = (p.view(batch, window, self.heads, -1).transpose(1, 2) for p in parts)
        seen = F.scaled_dot_product_attention(
            query, key, value, is_causal=True, dropout_p=self.rate if self.training else 0.0
        )
        x = x + self.drop(self.out(seen.transpose(1, 2).contiguous().view(batch, window, width)))
        return x + self.drop(self.down(F.gelu(self.up(self.second(x)))))


class Model(nn.Module):
    """The GPT; ``forward`` returns the mean loss, ``hidden`` what stands before the vocabulary."""

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab_size, shape.width)
        self.positions = nn.Embedding(shape.window, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width, bias=shape.bias)
        self.drop = nn.Dropout(shape.dropout)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                adds = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(p, 0.0, 0.02 / (math.sqrt(2 * shape.layers) if adds else 1.0))
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def hidden(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, T) to (B, T, C)."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.drop(self.embedding(tokens) + self.positions(places))
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.norm(x)
        return out

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss () in nats."""
        logits = F.linear(self.hidden(tokens), self.embedding.weight)  # (B, T, V)
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))

    def parameter_count(self, *, positions: bool = True) -> int:
        """Return the number of parameters, with or without the learned positions."""
        count = sum(p.numel() for p in self.parameters())
        return count if positions else count - self.positions.weight.numel()

    def flops_per_token(self, *, causal: bool = False) -> float:
        """Return 6N + 12·L·d·T, N without positions; ``causal``: 6·L·d·T for attention."""
        attention = self.shape.layers * self.shape.width * self.shape.window
        return 6.0 * self.parameter_count(positions=False) + (6.0 if causal else 12.0) * attention


class Baseline:
    """The training loop, one step a call."""

    def __init__(
        self, data: Path, dtype: Any, shape: Shape, settings: Any, *, batch: int, accumulate: int,
        device: torch.device, steps: int, compiled: bool,
    ) -> None:  # fmt: skip
        self.tokens = np.memmap(data, dtype=dtype, mode="r")
        self.batch, self.accumulate, self.device, self.window = batch, accumulate, device, shape.window
        self.settings, self.steps, self.done = settings, steps, 0
        self.model = Model(shape, settings.seed).to(device)
        cuda = device.type == "cuda"
        matrices = [p for p in self.model.parameters() if p.dim() >= 2]
        vectors = [p for p in self.model.parameters() if p.dim() < 2]
        groups = [
            {"params": matrices, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        betas = (settings.beta1, settings.beta2)
        # fused as nanoGPT has it: where it is a GPU's.
        self.optimizer = torch.optim.AdamW(
            groups, lr=settings.learning_rate, betas=betas, **({"fused": True} if cuda else {})
        )
        self.cast: Any = torch.autocast("cuda", dtype=torch.bfloat16) if cuda else nullcontext()
        self.call: Any = torch.compile(self.model) if compiled else self.model
        self.random = torch.Generator().manual_seed(settings.seed)
        self.next = self._crops()

    def _crops(self) -> tuple[Tensor, Tensor]:
        places = torch.randint(len(self.tokens) - self.window, (self.batch,), generator=self.random)
        rows = [self.tokens[i : i + self.window + 1].astype(np.int64) for i in places.tolist()]
        block = torch.from_numpy(np.stack(rows))
        inputs, targets = block[:, :-1].contiguous(), block[:, 1:].contiguous()
        if self.device.type != "cuda":
            return inputs, targets
        pinned = (inputs.pin_memory(), targets.pin_memory())
        return tuple(t.to(self.device, non_blocking=True) for t in pinned)  # type: ignore[return-value]

    def step(self) -> float:
        """Do one step; return its last micro-batch's loss, for which the host waits."""
        rate = learning_rate(self.done, self.steps, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        for _ in range(self.accumulate):
            with self.cast:
                loss = self.call(*self.next) / self.accumulate
            self.next = self._crops()  # while the device still computes
            loss.backward()
        if self.settings.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.done += 1
        return float(loss.item()) * self.accumulate


def main() -> int:
    """Train on an array of tokens for a while and print the loss and the speed."""
    from trainer.config import Settings

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="a token part's .bin file, or any array of tokens")
    parser.add_argument("--dtype", default="uint16")
    parser.add_argument("--vocab_size", type=int, default=50304)
    for name, value in (("block_size", 1024), ("batch_size", 12), ("n_layer", 12), ("n_head", 12)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--n_embd", type=int, default=768)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--gradient_accumulation_steps", type=int, default=1)
    parser.add_argument("--max_iters", type=int, default=200)
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    set_threads(None)
    shape = Shape(
        args.vocab_size, args.block_size, args.n_layer, args.n_head, args.n_embd, dropout=args.dropout
    )
    settings = Settings(learning_rate=args.learning_rate, beta2=0.99)
    loop = Baseline(
        args.data, args.dtype, shape, settings, batch=args.batch_size,
        accumulate=args.gradient_accumulation_steps, device=torch.device(args.device),
        steps=args.max_iters, compiled=args.compile,
    )  # fmt: skip
    print(f"{loop.model.parameter_count():,} parameters")
    per_step, started = (
        args.batch_size * args.block_size * args.gradient_accumulation_steps,
        time.perf_counter(),
    )
    for step in range(1, args.max_iters + 1):
        loss = loop.step()
        if step % 20 == 0:
            rate = 20 * per_step / (time.perf_counter() - started)
            print(f"step {step}: loss {loss:.4f}, {rate:,.0f} tokens/s", flush=True)
            started = time.perf_counter()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
