"""Build a Llama-shaped GPT: RMSNorm, rotary positions, SwiGLU, QK-norm, grouped-query attention, no biases.

The model maps tokens to the hidden states before the vocabulary; loss.py and generate.py apply the head,
so that training never holds a batch's logits. It knows nothing of devices, precision or parallelism.
With QK-norm its shape is that of Hugging Face's Qwen3, without it Llama's.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.attention import Attention, Cache, document_mask, rotary_table
from trainer.config import ModelConfig


class SwiGLU(nn.Module):
    """The feed-forward half of a block: down(silu(gate x) · up x) (Shazeer, 2020)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.width, 2 * config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, T, C) to (B, T, C)."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)  # (B, T, F) each
        out: Tensor = self.down(F.silu(gate) * up)
        return out


class Block(nn.Module):
    """One layer: attention, then feed-forward, each on a normalised input and added to the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.width, eps=config.norm_eps)
        self.attention = Attention(config)
        self.feed_norm = nn.RMSNorm(config.width, eps=config.norm_eps)
        self.feed = SwiGLU(config)

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None, cache: Cache | None
    ) -> Tensor:
        """Map x (B, T, C) to (B, T, C)."""
        x = x + self.attention(self.attention_norm(x), rope, mask, cache)
        return x + self.feed(self.feed_norm(x))


class GPT(nn.Module):
    """The whole model. ``vocabulary`` is the head's weight (V, C), the embedding itself when tied."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=config.norm_eps)
        self.head = None if config.tied else nn.Linear(config.width, config.vocab_size, bias=False)
        cos, sin = rotary_table(config.window, config.head_dim, config.rope_base)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def initialise(self, seed: int) -> GPT:
        """Draw the weights from ``seed``, so that the first loss is ln V to within 0.05.

        Matrices have standard deviation 0.5 / sqrt(inputs), but are 0 where a block adds to the stream, so
        that each block starts as the identity. Against GPT-2's N(0, 0.02) this saves ``tiny`` 0.05 bits per
        byte at 150,000 tokens. The last norm is scaled down in wide models, because a tied head would start
        by predicting its input again: that token's logit is 0.02 · width · scale.
        """
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            if weight.dim() < 2:
                nn.init.ones_(weight)
            elif name.endswith(("attention.out.weight", "feed.down.weight")):
                nn.init.zeros_(weight)
            else:
                table = name in ("embedding.weight", "head.weight")
                scale = 0.02 if table else 0.5 / math.sqrt(weight.shape[1])
                nn.init.normal_(weight, 0.0, scale, generator=generator)
        nn.init.constant_(self.norm.weight, min(1.0, 2.5 / (0.02 * self.config.width)))
        return self

    @property
    def vocabulary(self) -> Tensor:
        """The head's weight (V, C)."""
        return self.embedding.weight if self.head is None else self.head.weight

    def forward(
        self, tokens: Tensor, segments: Tensor | None = None, caches: list[Cache] | None = None
    ) -> Tensor:
        """Map tokens (B, T) to hidden states (B, T, C); ``segments`` (B, T) switches the document mask on."""
        past = caches[0].length if caches else 0
        rope = (self.cos[past : past + tokens.shape[1]], self.sin[past : past + tokens.shape[1]])
        mask = None if segments is None else document_mask(segments)
        x = self.embedding(tokens)  # (B, T, C)
        for i, block in enumerate(self.blocks):
            x = block(x, rope, mask, caches[i] if caches else None)
        out: Tensor = self.norm(x)
        return out

    def parameter_count(self, *, embedding: bool = True) -> int:
        """Return the number of parameters, the tied embedding once; without it, what 6·N counts in a body."""
        count = sum(p.numel() for p in self.parameters())
        return count if embedding else count - self.embedding.weight.numel()
