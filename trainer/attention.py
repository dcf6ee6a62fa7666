"""Attend within a document: rotary positions, the document mask, and the cache that generation uses.

A position sees positions of its own document only, so a document's loss does not depend on its neighbours
in the window. What says so depends on the device:

- CPU: an additive float mask (B, 1, T, T), because torch's CPU kernel takes that at the speed of its causal
  path (18 ms against 44 ms with a boolean mask at B=16, T=256, 4 heads of 32). It costs 4·B·T² bytes.
- GPU in bf16 or fp16: where each document starts, an int32 vector, for the variable-length flash kernel, which
  skips what is masked. It costs 4 bytes a document.

Rotary positions are relative, so they need not restart with each document.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn

from trainer.config import ModelConfig
from trainer.passes import RootMeanSquare, Rotation, by_hand
from trainer.products import linear


class Linear(nn.Linear):
    """A linear map that keeps float32 weights and multiplies in the precision of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., in) to (..., out)."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return linear(x, self.weight.to(x.dtype), bias)


class RMSNorm(nn.RMSNorm):
    """Root mean square norm in the precision of its input (torch sums the squares in float32)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., C) to (..., C)."""
        if by_hand(x) and self.eps is not None:
            out: Tensor = RootMeanSquare.apply(x, self.weight, self.eps)
            return out
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class LayerNorm(nn.LayerNorm):
    """Layer norm with biases, as GPT-2 has it."""

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., C) to (..., C)."""
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return F.layer_norm(x, self.normalized_shape, weight, bias, self.eps)


def rotary_table(positions: int, head_dim: int, base: float) -> tuple[Tensor, Tensor]:
    """Return cos and sin (positions, head_dim) for the half-split layout that Llama checkpoints use."""
    # float64, then rounded once: the same table on every platform.
    rates = base ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)  # (D/2,)
    angles = torch.outer(torch.arange(positions, dtype=torch.float64), rates)  # (P, D/2)
    angles = torch.cat([angles, angles], dim=1)  # (P, D)
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (i, i + D/2) of x (B, H, T, D) by its position's angle (Su et al., 2021), in float32."""
    if by_hand(x):
        out: Tensor = Rotation.apply(x, cos, sin)
        return out
    left, right = x.chunk(2, dim=-1)
    return (x * cos + torch.cat([-right, left], dim=-1) * sin).to(x.dtype)


def document_mask(segments: Tensor, dtype: torch.dtype = torch.float32, *, causal: bool = True) -> Tensor:
    """Return the additive mask (B, 1, T, T): 0 where position i may see position j, else -inf.

    It may see its own document; with ``causal`` only j ≤ i.

    >>> document_mask(torch.tensor([[0, 0, 1]]))[0, 0].exp().int().tolist()
    [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    """
    window = segments.shape[1]
    seen = segments[:, None, :, None] == segments[:, None, None, :]  # (B, 1, T, T)
    if causal:
        seen = seen & torch.ones(window, window, dtype=torch.bool, device=segments.device).tril()
    return torch.zeros(seen.shape, dtype=dtype, device=segments.device).masked_fill_(~seen, float("-inf"))


def document_starts(segments: Tensor, room: int = 64) -> Tensor:
    """Return where each document of a batch (B, T) starts in its B·T positions, then B·T: int32 (N + 1,).

    N is ``room`` or B·T / 128, or where that is too little a power of two with a quarter to spare; empty documents at the end
    fill it. Hand in the last N as ``room`` and compiled code meets a new shape hardly ever. Call it on the CPU: the
    number of documents decides a shape, which a GPU would have to wait for.

    >>> document_starts(torch.tensor([[0, 0, 1], [1, 1, 1]])).tolist()[:5]
    [0, 2, 3, 6, 6]
    """
    first = torch.ones_like(segments, dtype=torch.bool)
    first[:, 1:] = segments[:, 1:] != segments[:, :-1]
    starts = first.flatten().nonzero().flatten().int()
    room = max(room, segments.numel() // 128)
    if len(starts) > room:
        room = 1 << (len(starts) * 5 // 4).bit_length()
    return F.pad(starts, (0, room + 1 - len(starts)), value=segments.numel())


class Cache:
    """Keys and values of one layer's past positions, in (2, B, kv_heads, room, D) taken at the first."""

    def __init__(self, room: int) -> None:
        self.room, self.length = room, 0
        self._held = torch.empty(0)

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append new positions and return all of them, (B, kv_heads, T, D) each."""
        start, self.length = self.length, self.length + key.shape[2]
        if not start:
            batch, heads, _, dim = key.shape
            self._held = key.new_empty(2, batch, heads, self.room, dim)
        self._held[0, :, :, start : self.length] = key
        self._held[1, :, :, start : self.length] = value
        key, value = self._held[:, :, :, : self.length].unbind()
        return key, value


class Attention(nn.Module):
    """Grouped-query attention with QK-norm: queries and keys are normalised before they are rotated.

    One matrix makes queries, keys and values, one large product instead of three. Its rows stand group by
    group (the queries that share a key, the key, the value), so that cutting it by rows, as tensor
    parallelism does, cuts between heads.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.group, self.head_dim = config.heads // config.kv_heads, config.head_dim
        self.causal, self.dropout = config.causal, config.dropout
        rows = config.kv_heads * (self.group + 2) * config.head_dim
        self.qkv = Linear(config.width, rows, bias=config.bias)
        self.out = Linear(config.heads * self.head_dim, config.width, bias=config.bias)
        norm = config.qk_norm
        self.query_norm = RMSNorm(self.head_dim, eps=config.norm_eps) if norm else nn.Identity()
        self.key_norm = RMSNorm(self.head_dim, eps=config.norm_eps) if norm else nn.Identity()

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor] | None, mask: Tensor | None, cache: Cache | None = None
    ) -> Tensor:
        """Map x (B, T, C) to (B, T, C). No mask means the whole window, causal if the model is."""
        batch, window, _ = x.shape
        qkv = self.qkv(x).view(batch, window, -1, self.group + 2, self.head_dim)  # (B, T, KV, G + 2, D)
        query, key, value = qkv.split([self.group, 1, 1], dim=3)
        query = self.query_norm(query.flatten(2, 3)).transpose(1, 2)  # (B, H, T, D)
        key = self.key_norm(key.squeeze(3)).transpose(1, 2)  # (B, KV, T, D)
        value = value.squeeze(3).transpose(1, 2)  # (B, KV, T, D)
        if rope is not None:
            query, key = rotate(query, *rope), rotate(key, *rope)
        past = cache.length if cache is not None else 0
        if cache is not None:
            key, value = cache.extend(key, value)
        # With a past, one new position sees everything; several at once would need an offset mask.
        if past and window > 1:
            raise ValueError(f"a filled cache takes one position at a time, not {window}")
        if mask is not None and mask.dtype == torch.int32:
            seen = self._within(query, key, value, mask)  # (B, H, T, D)
        else:
            seen = F.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, is_causal=self.causal and mask is None and not past,
                dropout_p=self.dropout if self.training else 0.0, enable_gqa=self.group > 1,
            )  # (B, H, T, D)  # fmt: skip
        out: Tensor = self.out(seen.transpose(1, 2).reshape(batch, window, -1))
        return out

    def _within(self, query: Tensor, key: Tensor, value: Tensor, starts: Tensor) -> Tensor:
        """Attend by documents packed one after the other over the whole batch."""
        batch, _, window, _ = query.shape
        query, key, value = (part.transpose(1, 2).flatten(0, 1) for part in (query, key, value))
        # (B·T, H, D) each. No document is longer than the window: its next window starts another entry.
        sides = (-1, 0) if self.causal else (-1, -1)
        seen = varlen_attn(
            query, key, value, starts, starts, window, window, window_size=sides, enable_gqa=self.group > 1
        )
        assert isinstance(seen, Tensor)
        return seen.view(batch, window, -1, self.head_dim).transpose(1, 2)
