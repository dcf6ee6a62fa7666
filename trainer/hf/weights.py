"""Move weights between this model's layout and that of ``transformers``: Qwen3, Llama and GPT-2.

Here queries, keys and values are one matrix whose rows stand group by group (attention.py), and gate and up one
whose rows alternate in stripes (model.py); there they are apart. GPT-2 has queries, keys and values in one matrix
too, one after the other, and stores matrices as (inputs, outputs). Nothing is computed, so the way there and back
gives equal bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from trainer.config import ModelConfig
from trainer.hf.config import family
from trainer.model import GPT, STRIPE


def _split_qkv(fused: Tensor, config: ModelConfig) -> list[Tensor]:
    """Return query, key and value rows of a fused weight or bias (KV · (G + 2) · D, ...)."""
    group = config.heads // config.kv_heads
    parts = fused.unflatten(0, (config.kv_heads, group + 2, config.head_dim)).split([group, 1, 1], dim=1)
    return [part.flatten(0, 2) for part in parts]


def _join_qkv(parts: list[Tensor], config: ModelConfig) -> Tensor:
    shape = (config.kv_heads, -1, config.head_dim)
    return torch.cat([part.unflatten(0, shape) for part in parts], dim=1).flatten(0, 2)


def _split_up(fused: Tensor) -> list[Tensor]:
    """Return gate (F, C) and up (F, C) of rows that alternate in stripes."""
    return [part.flatten(0, 1) for part in fused.unflatten(0, (-1, 2, STRIPE)).unbind(1)]


def _join_up(parts: list[Tensor]) -> Tensor:
    return torch.stack([part.unflatten(0, (-1, STRIPE)) for part in parts], dim=1).flatten(0, 2)


def _plain(config: ModelConfig) -> Iterator[tuple[str, str, bool]]:
    """Yield (name here, name there, transposed there) of every tensor that is the same in both."""
    if family(config) == "gpt2":
        yield "embedding.weight", "transformer.wte.weight", False
        yield "positions.weight", "transformer.wpe.weight", False
        for end in ("weight", "bias"):
            yield f"norm.{end}", f"transformer.ln_f.{end}", False
        for i in range(config.layers):
            for end in ("weight", "bias"):
                here, there = f"blocks.{i}", f"transformer.h.{i}"
                yield f"{here}.attention_norm.{end}", f"{there}.ln_1.{end}", False
                yield f"{here}.feed_norm.{end}", f"{there}.ln_2.{end}", False
                yield f"{here}.attention.out.{end}", f"{there}.attn.c_proj.{end}", True
                yield f"{here}.feed.up.{end}", f"{there}.mlp.c_fc.{end}", True
                yield f"{here}.feed.down.{end}", f"{there}.mlp.c_proj.{end}", True
    else:
        yield "embedding.weight", "model.embed_tokens.weight", False
        yield "norm.weight", "model.norm.weight", False
        for i in range(config.layers):
            here, there = f"blocks.{i}", f"model.layers.{i}"
            yield f"{here}.attention_norm.weight", f"{there}.input_layernorm.weight", False
            yield f"{here}.feed_norm.weight", f"{there}.post_attention_layernorm.weight", False
            yield f"{here}.attention.out.weight", f"{there}.self_attn.o_proj.weight", False
            yield f"{here}.feed.down.weight", f"{there}.mlp.down_proj.weight", False
            if config.qk_norm:
                yield f"{here}.attention.query_norm.weight", f"{there}.self_attn.q_norm.weight", False
                yield f"{here}.attention.key_norm.weight", f"{there}.self_attn.k_norm.weight", False
    if not config.tied:
        yield "head.weight", "lm_head.weight", False


def _turned(tensor: Tensor, *, transposed: bool) -> Tensor:
    return tensor.T if transposed and tensor.dim() == 2 else tensor


def to_tensors(held: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Return the weights under the names and in the layout of ``transformers``, contiguous."""
    out = {there: _turned(held[here], transposed=t) for here, there, t in _plain(config)}
    for i in range(config.layers):
        for end in ("weight", "bias") if config.bias else ("weight",):
            parts = _split_qkv(held[f"blocks.{i}.attention.qkv.{end}"], config)
            if config.bias:
                out[f"transformer.h.{i}.attn.c_attn.{end}"] = _turned(torch.cat(parts), transposed=True)
                continue
            for name, part in zip("qkv", parts, strict=True):
                out[f"model.layers.{i}.self_attn.{name}_proj.weight"] = part
            for name, part in zip(("gate", "up"), _split_up(held[f"blocks.{i}.feed.up.weight"]), strict=True):
                out[f"model.layers.{i}.mlp.{name}_proj.weight"] = part
    return {name: tensor.contiguous() for name, tensor in out.items()}


def from_tensors(read: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Return the weights under this model's names; ``read`` holds what ``shapes`` lists."""
    out = {here: _turned(read[there], transposed=t) for here, there, t in _plain(config)}
    for i in range(config.layers):
        for end in ("weight", "bias") if config.bias else ("weight",):
            if config.bias:
                fused = _turned(read[f"transformer.h.{i}.attn.c_attn.{end}"], transposed=True)
                parts = list(fused.chunk(3))
            else:
                parts = [read[f"model.layers.{i}.self_attn.{name}_proj.weight"] for name in "qkv"]
                halves = [read[f"model.layers.{i}.mlp.{name}_proj.weight"] for name in ("gate", "up")]
                out[f"blocks.{i}.feed.up.weight"] = _join_up(halves)
            out[f"blocks.{i}.attention.qkv.{end}"] = _join_qkv(parts, config)
    return out


def shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor that ``transformers`` stores for this shape; needs no memory."""
    with torch.device("meta"):
        empty = {name: p.detach() for name, p in GPT(config).named_parameters()}
    return {name: tuple(tensor.shape) for name, tensor in to_tensors(empty, config).items()}
