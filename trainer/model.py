"""Build a Llama-shaped GPT: RMSNorm, rotary positions, SwiGLU, QK-norm, grouped-query attention, no biases.

The model maps tokens to the hidden states before the vocabulary; objective.py and generate.py apply the
head, so that training never holds a batch's logits. It knows nothing of devices or parallelism; it computes
in the precision ``dtype`` and keeps its weights in float32; with ``recompute`` it keeps no activations between
blocks for the backward pass. With QK-norm its shape is that of Hugging Face's Qwen3, without it Llama's;
LayerNorm, learned positions, GELU and biases make it GPT-2's.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.utils.checkpoint import checkpoint

from trainer.attention import Attention, Cache, LayerNorm, Linear, RMSNorm, rotary_table
from trainer.config import ModelConfig
from trainer.passes import SwiGLU, by_hand
from trainer.products import linear

STRIPE = 16
"""Rows of the gate and of the up matrix alternate in stripes of this many, so that a cut by rows fits both."""


class FeedForward(nn.Module):
    """The second half of a block: SwiGLU, down(silu(gate x) · up x) (Shazeer, 2020), or GPT-2's GELU."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gated = config.activation == "swiglu"
        self.up = Linear(config.width, config.hidden * (2 if self.gated else 1), bias=config.bias)
        self.down = Linear(config.hidden, config.width, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, T, C) to (B, T, C)."""
        if self.gated and by_hand(x) and not isinstance(self.up.weight, DTensor):
            # Gate above up: a copy of the weights costs less than stripes in the activations.
            rows = self.up.weight.unflatten(0, (-1, 2, STRIPE)).transpose(0, 1).reshape(self.up.weight.shape)
            bias = self.up.bias
            if bias is not None:
                bias = bias.unflatten(0, (-1, 2, STRIPE)).transpose(0, 1).flatten()
            half: Tensor = self.down(SwiGLU.apply(linear(x, rows, bias)))
            return half
        x = self.up(x)  # (B, T, 2F) or (B, T, F)
        if self.gated:
            gate, up = x.unflatten(-1, (-1, 2, STRIPE)).unbind(-2)  # (B, T, F / STRIPE, STRIPE) each
            x = (F.silu(gate) * up).flatten(-2)
        else:
            x = F.gelu(x, approximate="tanh")
        out: Tensor = self.down(x)
        return out


def _norm(config: ModelConfig) -> nn.Module:
    kind = RMSNorm if config.norm == "rms" else LayerNorm
    return kind(config.width, eps=config.norm_eps)


class Block(nn.Module):
    """One layer: attention, then feed-forward, each on a normalised input and added to the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = _norm(config)
        self.attention = Attention(config)
        self.feed_norm = _norm(config)
        self.feed = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor] | None, mask: Tensor | None, cache: Cache | None = None
    ) -> Tensor:
        """Map x (B, T, C) to (B, T, C)."""
        x = x + self.dropout(self.attention(self.attention_norm(x), rope, mask, cache))
        out: Tensor = x + self.dropout(self.feed(self.feed_norm(x)))
        return out


class GPT(nn.Module):
    """The whole model. ``vocabulary`` is the head's weight (V, C), the embedding itself when tied."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.dtype, self.recompute = torch.float32, False
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        learned = config.positions == "learned"
        self.positions = nn.Embedding(config.window, config.width) if learned else None
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = _norm(config)
        self.head = None if config.tied else Linear(config.width, config.vocab_size, bias=False)
        cos, sin = rotary_table(config.window, config.head_dim, config.rope_base)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def initialise(self, seed: int) -> GPT:
        """Draw the weights from ``seed``, so that the first loss is ln V to within 0.05.

        ``identity``: matrices have standard deviation 0.5 / sqrt(inputs), but are 0 where a block adds to the
        stream, so that each block starts as the identity. Against GPT-2's N(0, 0.02) this saves ``tiny`` 0.05
        bits per byte at 150,000 tokens. The last norm is scaled down in wide models, because a tied head would
        start by predicting its input again: that token's logit is 0.02 · width · scale.

        ``gpt2``: N(0, 0.02), divided by sqrt(2 · layers) where a block adds to the stream.
        """
        generator = torch.Generator().manual_seed(seed)
        plain = self.config.initial == "gpt2"
        for name, weight in self.named_parameters():
            adds = name.endswith(("attention.out.weight", "feed.down.weight"))
            if name.endswith("bias"):
                nn.init.zeros_(weight)
            elif weight.dim() < 2:
                nn.init.ones_(weight)
            elif adds and not plain:
                nn.init.zeros_(weight)
            else:
                table = name in ("embedding.weight", "positions.weight", "head.weight")
                scale = 0.02 if table or plain else 0.5 / math.sqrt(weight.shape[1])
                scale = scale / math.sqrt(2 * self.config.layers) if adds else scale
                nn.init.normal_(weight, 0.0, scale, generator=generator)
        if not plain:
            nn.init.constant_(self.norm.weight, min(1.0, 2.5 / (0.02 * self.config.width)))  # type: ignore[arg-type]
        return self

    @property
    def vocabulary(self) -> Tensor:
        """The head's weight (V, C)."""
        return self.embedding.weight if self.head is None else self.head.weight

    def forward(
        self, tokens: Tensor, mask: Tensor | None = None, caches: list[Cache] | None = None
    ) -> Tensor:
        """Map tokens (B, T) to hidden states (B, T, C); for ``mask`` see attention.py."""
        past = caches[0].length if caches else 0
        here = slice(past, past + tokens.shape[1])
        x = self.embedding(tokens)  # (B, T, C)
        rope = None
        if self.positions is None:
            rope = (self.cos[here], self.sin[here])
        else:
            x = x + self.positions.weight[here]
        x = self.dropout(x.to(self.dtype))
        for i, block in enumerate(self.blocks):
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(block, x, rope, mask, use_reentrant=False)
            else:
                x = block(x, rope, mask, caches[i] if caches else None)
        out: Tensor = self.norm(x)
        return out

    def parameter_count(self, *, embedding: bool = True) -> int:
        """Return the number of parameters, the tied embedding once; without it, what 6·N counts in a body."""
        count = sum(p.numel() for p in self.parameters())
        return count if embedding else count - self.embedding.weight.numel()
