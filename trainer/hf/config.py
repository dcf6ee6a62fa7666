"""Say a model's shape as ``config.json`` of ``transformers`` does, and read one: Qwen3, Llama and GPT-2.

With QK-norm the shape is Qwen3's, without it Llama's; LayerNorm, learned positions, GELU and biases are GPT-2's.
The weights are for hf/weights.py.

A configuration is read strictly: a key that would change the function, or that is unknown and set, is refused by
name. Dropout is a choice of training and is not imported. Needs no ``transformers``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pile_curate.errors import TrainingError
from trainer.config import ModelConfig
from trainer.model import STRIPE

CLASSES = {"qwen3": "Qwen3ForCausalLM", "llama": "LlamaForCausalLM", "gpt2": "GPT2LMHeadModel"}

_LLAMA_SHAPE = {"norm": "rms", "positions": "rotary", "activation": "swiglu", "bias": False, "causal": True}
_GPT2_SHAPE = {"norm": "layer", "positions": "learned", "activation": "gelu", "bias": True, "causal": True,
               "qk_norm": False}  # fmt: skip

# Keys that say how to train, to store, to sample or to name a model, not what it computes.
_IDLE = {
    "architectures", "attention_dropout", "attn_pdrop", "bos_token_id", "dtype", "embd_pdrop", "eos_token_id",
    "gradient_checkpointing", "id2label", "initializer_range", "label2id", "max_window_layers", "model_type", "n_ctx",
    "output_attentions", "output_hidden_states", "pad_token_id", "pretraining_tp", "resid_pdrop",
    "task_specific_params", "torch_dtype", "transformers_version", "unk_token_id", "use_cache",
}  # fmt: skip
_IDLE_PREFIXES = ("summary_", "_")


def family(config: ModelConfig) -> str:
    """Return the ``model_type`` that computes what ``config`` says; raises if there is none."""
    gpt2 = config.norm == "layer"
    wanted = _GPT2_SHAPE if gpt2 else _LLAMA_SHAPE
    odd = [
        f"{name} {getattr(config, name)}" for name, value in wanted.items() if getattr(config, name) != value
    ]
    if gpt2 and config.kv_heads != config.heads:
        odd.append(f"kv_heads {config.kv_heads} of {config.heads} heads")
    if gpt2 and config.heads * config.head_dim != config.width:
        odd.append(f"head_dim {config.head_dim}")
    if not gpt2 and not config.qk_norm and config.width % config.heads:
        odd.append(f"width {config.width} over heads {config.heads}")
    if odd:
        named = "GPT-2 (norm layer)" if gpt2 else "Llama or Qwen3 (norm rms)"
        raise TrainingError(
            f"this shape has no counterpart in transformers: {', '.join(odd)} is not {named}; only causal models"
            " that are wholly of one of these shapes can be exported"
        )
    return "gpt2" if gpt2 else "qwen3" if config.qk_norm else "llama"


def to_config(config: ModelConfig, eos_id: int) -> dict[str, Any]:
    """Return what ``config.json`` holds; 4.x and 5.x of ``transformers`` both read it."""
    kind = family(config)
    shared: dict[str, Any] = {
        "architectures": [CLASSES[kind]], "model_type": kind, "vocab_size": config.vocab_size,
        "tie_word_embeddings": config.tied, "bos_token_id": eos_id, "eos_token_id": eos_id, "dtype": "float32",
        "use_cache": True,
    }  # fmt: skip
    if kind == "gpt2":
        return shared | {
            "n_embd": config.width, "n_layer": config.layers, "n_head": config.heads, "n_inner": config.hidden,
            "n_positions": config.window, "activation_function": "gelu_new",
            "layer_norm_epsilon": config.norm_eps, "resid_pdrop": config.dropout, "embd_pdrop": config.dropout,
            "attn_pdrop": config.dropout,
        }  # fmt: skip
    shared |= {
        "hidden_size": config.width, "num_hidden_layers": config.layers, "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads, "head_dim": config.head_dim, "intermediate_size": config.hidden,
        "max_position_embeddings": config.window, "hidden_act": "silu", "rms_norm_eps": config.norm_eps,
        "attention_bias": False, "attention_dropout": config.dropout, "rope_theta": config.rope_base,
        "rope_parameters": {"rope_theta": config.rope_base, "rope_type": "default"},
    }  # fmt: skip
    return shared | ({"mlp_bias": False} if kind == "llama" else {"use_sliding_window": False})


class _Keys:
    """Read a ``config.json`` key by key; ``rest`` are those that nobody asked for."""

    def __init__(self, stated: Mapping[str, Any], origin: str) -> None:
        self.stated, self.origin, self.rest = stated, origin, set(stated)

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a positive whole number; null counts as not given."""
        self.rest.discard(name)
        value = self.stated.get(name)
        value = default if value is None else value
        if value is None:
            raise TrainingError(f"{self.origin}: lacks {name}")
        if type(value) is not int or value < 1:
            raise TrainingError(f"{self.origin}: {name} is {value!r}; it must be a whole number above 0")
        return value

    def number(self, name: str, default: float) -> float:
        """Return a positive number."""
        self.rest.discard(name)
        value = self.stated.get(name)
        value = default if value is None else value
        if type(value) not in (int, float) or not 0 < value < float("inf"):
            raise TrainingError(f"{self.origin}: {name} is {value!r}; it must be a number above 0")
        return float(value)

    def truth(self, name: str, default: bool) -> bool:
        """Return true or false."""
        self.rest.discard(name)
        value = self.stated.get(name, default)
        if not isinstance(value, bool):
            raise TrainingError(f"{self.origin}: {name} is {value!r}; it must be true or false")
        return value

    def must(self, name: str, *allowed: Any) -> None:
        """Refuse a key with any value but these; not given is allowed."""
        self.rest.discard(name)
        value = self.stated.get(name, allowed[0])
        if value not in allowed:
            listed = " or ".join(repr(a) for a in allowed)
            raise TrainingError(f"{self.origin}: {name} is {value!r}; only {listed} can be imported")

    def finish(self) -> None:
        """Refuse what is left, unless it is null, false, empty or idle."""
        for name in sorted(self.rest - _IDLE):
            if self.stated[name] and not name.startswith(_IDLE_PREFIXES):
                raise TrainingError(
                    f"{self.origin}: {name} is {str(self.stated[name])[:100]!r}; this key is not known here and may"
                    " change what the model computes; remove it only if it does not"
                )


def from_config(stated: Mapping[str, Any], origin: str) -> ModelConfig:
    """Return the shape that a ``config.json`` states; raises naming the key that cannot be had."""
    kind = stated.get("model_type")
    if kind not in CLASSES:
        raise TrainingError(f"{origin}: model_type is {kind!r}; only {', '.join(CLASSES)} can be imported")
    named = stated.get("architectures")
    if named and named != [CLASSES[kind]]:
        raise TrainingError(f"{origin}: architectures is {named!r}; only {CLASSES[kind]} can be imported")
    keys = _Keys(stated, origin)
    found = _gpt2(keys) if kind == "gpt2" else _llama(keys, kind)
    keys.finish()
    if found["heads"] % found["kv_heads"]:
        raise TrainingError(
            f"{origin}: {found['heads']} heads are no multiple of {found['kv_heads']} key heads"
        )
    return ModelConfig.model_validate(found)


def _llama(keys: _Keys, kind: str) -> dict[str, Any]:
    qwen = kind == "qwen3"
    width, heads = keys.whole("hidden_size"), keys.whole("num_attention_heads")
    hidden = keys.whole("intermediate_size")
    head_dim = keys.whole("head_dim", 128 if qwen else width // heads)
    if hidden % STRIPE:
        raise TrainingError(
            f"{keys.origin}: intermediate_size is {hidden}; it must be a multiple of {STRIPE}"
        )
    if head_dim % 2:
        raise TrainingError(f"{keys.origin}: head_dim is {head_dim}; it must be even")
    keys.must("hidden_act", "silu", "swish")
    keys.must("attention_bias", False, None)
    keys.must("mlp_bias", False, None)
    keys.must("use_sliding_window", False, None)
    # What Qwen3's files state is void unless use_sliding_window says so.
    keys.must("sliding_window", None, *([keys.stated.get("sliding_window")] if qwen else []))
    layers = keys.whole("num_hidden_layers")
    keys.must("layer_types", None, ["full_attention"] * layers)
    return {
        "vocab_size": keys.whole("vocab_size"), "layers": layers, "width": width, "heads": heads,
        "kv_heads": keys.whole("num_key_value_heads", heads), "head_dim": head_dim, "hidden": hidden,
        "window": keys.whole("max_position_embeddings"), "tied": keys.truth("tie_word_embeddings", False),
        "qk_norm": qwen, "rope_base": _rope_base(keys), "norm_eps": keys.number("rms_norm_eps", 1e-6),
    }  # fmt: skip


def _rope_base(keys: _Keys) -> float:
    """Return theta; positions that are scaled, partial or differ by layer are refused."""
    theta = keys.number("rope_theta", 10_000.0)
    keys.must("partial_rotary_factor", None, 1.0)
    for name in ("rope_scaling", "rope_parameters"):
        keys.rest.discard(name)
        stated = keys.stated.get(name)
        if stated is None:
            continue
        kind = stated.get("rope_type", stated.get("type", "default")) if isinstance(stated, dict) else None
        known = {"rope_type", "type", "rope_theta", "partial_rotary_factor"}
        if kind != "default" or set(stated) - known or stated.get("partial_rotary_factor", 1.0) != 1.0:
            raise TrainingError(
                f"{keys.origin}: {name} is {stated!r}; scaled or partial rotary positions cannot be imported"
            )
        theta = _Keys(stated, f"{keys.origin}: {name}").number("rope_theta", theta)
    return theta


def _gpt2(keys: _Keys) -> dict[str, Any]:
    width, heads = keys.whole("n_embd"), keys.whole("n_head")
    if width % heads:
        raise TrainingError(f"{keys.origin}: n_embd {width} is no multiple of n_head {heads}")
    keys.must("activation_function", "gelu_new", "gelu_pytorch_tanh", "gelu_fast")
    keys.must("scale_attn_weights", True)
    for name in ("scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention"):
        keys.must(name, False, None)
    return {
        "vocab_size": keys.whole("vocab_size"), "layers": keys.whole("n_layer"), "width": width, "heads": heads,
        "kv_heads": heads, "head_dim": width // heads, "hidden": keys.whole("n_inner", 4 * width),
        "window": keys.whole("n_positions"), "tied": keys.truth("tie_word_embeddings", True),
        "norm_eps": keys.number("layer_norm_epsilon", 1e-5), "initial": "gpt2", **_GPT2_SHAPE,
    }  # fmt: skip
