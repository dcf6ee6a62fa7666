"""Name every setting of the reference trainer, with its default, and every model size.

Settings come from three places, the later winning: the preset, the recipe's ``model`` section (which
``mixture.json`` carries), the command line. All are checked by name and type, and all problems are
reported at once. The data order depends on ``seed``, ``window`` and ``batch_tokens`` only; everything else
may change without touching it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pile_curate.errors import Problem, RecipeError


def _preset(
    layers: int, width: int, heads: int, kv_heads: int, window: int, batch_tokens: int, learning_rate: float,
    **more: Any,
) -> dict[str, Any]:  # fmt: skip
    return {
        "layers": layers, "width": width, "heads": heads, "kv_heads": kv_heads, "window": window,
        "batch_tokens": batch_tokens, "learning_rate": learning_rate, **more,
    }  # fmt: skip


_LARGE: dict[str, Any] = {"vocab_multiple": 128}
GPT2_SHAPE: dict[str, Any] = {
    "norm": "layer", "positions": "learned", "activation": "gelu", "bias": True, "qk_norm": False,
    "initial": "gpt2", "document_mask": False,
}  # fmt: skip
"""What makes a size GPT-2's."""

PRESETS: dict[str, dict[str, Any]] = {
    # head_dim is 64 up to 10m, because 128 would leave few heads; above it is 128, which GPUs like best.
    #               layers width heads kv window   batch  rate
    "tiny": _preset(4, 128, 2, 2, 256, 1024, 2e-3),
    "10m": _preset(8, 320, 5, 5, 512, 16_384, 2e-3),
    "50m": _preset(10, 512, 4, 4, 1024, 131_072, 1e-3, **_LARGE),
    "124m": _preset(12, 768, 6, 6, 1024, 524_288, 6e-4, **_LARGE),
    "350m": _preset(24, 1024, 8, 8, 1024, 524_288, 3e-4, **_LARGE),
    "1b": _preset(18, 2048, 16, 8, 2048, 1_048_576, 2e-4, tied=False, **_LARGE),
    "gpt2": _preset(12, 768, 12, 12, 1024, 524_288, 6e-4, **_LARGE, **GPT2_SHAPE),
}
"""Sizes of the body; the embedding adds vocabulary × width (twice if not tied).

``gpt2`` is the faithful baseline (Radford et al., 2019): LayerNorm, learned positions, GELU, biases, heads of
64, its initialisation, attention across documents.
"""


class ModelConfig(BaseModel):
    """The shape of a model: all that is needed to build it again before its weights are loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocab_size: int = Field(gt=0)
    layers: int = Field(gt=0)
    width: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    hidden: int = Field(gt=0)
    window: int = Field(gt=1)
    tied: bool = True
    qk_norm: bool = True
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5
    norm: Literal["rms", "layer"] = "rms"
    positions: Literal["rotary", "learned"] = "rotary"
    activation: Literal["swiglu", "gelu"] = "swiglu"
    bias: bool = False
    dropout: float = 0.0
    causal: bool = True
    initial: Literal["identity", "gpt2"] = "identity"


class Settings(BaseModel):
    """Everything about one training run. The sizes that stand here as defaults are those of ``tiny``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    preset: Literal["tiny", "10m", "50m", "124m", "350m", "1b", "gpt2"] = "tiny"
    seed: int = 0
    # Model: given here, they override the preset.
    window: int = Field(default=256, gt=1)
    layers: int = Field(default=4, gt=0)
    width: int = Field(default=128, gt=0)
    heads: int = Field(default=2, gt=0)
    kv_heads: int = Field(default=2, gt=0)
    hidden: int | None = Field(default=None, gt=0)
    tied: bool = True
    qk_norm: bool = True
    rope_base: float = Field(default=10_000.0, gt=0)
    norm: Literal["rms", "layer"] = "rms"
    positions: Literal["rotary", "learned"] = "rotary"
    activation: Literal["swiglu", "gelu"] = "swiglu"
    bias: bool = False
    initial: Literal["identity", "gpt2"] = "identity"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    vocab_multiple: int = Field(default=1, gt=0)
    # Objective.
    objective: Literal["causal", "mlm"] = "causal"
    mask_rate: float = Field(default=0.15, gt=0, lt=1)
    next_sentence: bool = False
    z_loss: float = Field(default=0.0, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    # Data. steps None: as many as the mixture's tokens fill.
    steps: int | None = Field(default=None, gt=0)
    batch_tokens: int = Field(default=1024, gt=0)
    document_mask: bool = True
    max_epochs: float | None = Field(default=None, gt=0)
    # Optimisation.
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = Field(default=2e-3, gt=0)
    minimum_rate: float = Field(default=0.1, ge=0, le=1)
    schedule: Literal["cosine", "linear", "wsd"] = "cosine"
    warmup_steps: int | None = Field(default=None, ge=0)
    decay_fraction: float = Field(default=0.2, gt=0, le=1)
    weight_decay: float = Field(default=0.1, ge=0)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.95, ge=0, lt=1)
    momentum: float = Field(default=0.95, ge=0, lt=1)
    clip: float = Field(default=1.0, ge=0)
    # How it runs. precision auto: bf16 on a GPU, float32 on a CPU.
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    compile: bool = False
    activation_checkpointing: bool = False
    parallel: Literal["ddp", "fsdp"] = "ddp"
    tensor_parallel: int = Field(default=1, gt=0)
    micro_tokens: int | None = Field(default=None, gt=0)
    checkpoint_every: int | None = Field(default=None, gt=0)
    keep: int = Field(default=2, gt=0)
    log_every: int = Field(default=10, gt=0)
    tensorboard: bool = False

    @model_validator(mode="after")
    def _fit(self) -> Settings:
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"width {self.width} over heads {self.heads} must be an even whole number")
        if self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} must be a multiple of kv_heads {self.kv_heads}")
        if self.hidden_width % 16:
            raise ValueError(f"hidden {self.hidden_width} must be a multiple of 16")
        if self.batch_tokens % self.window:
            raise ValueError(f"batch_tokens {self.batch_tokens} must be a multiple of window {self.window}")
        if self.next_sentence and (self.objective != "mlm" or self.document_mask):
            raise ValueError("next_sentence needs objective mlm and document_mask false: it joins two texts")
        if self.kv_heads % self.tensor_parallel or self.hidden_width // 16 % self.tensor_parallel:
            raise ValueError(
                f"tensor_parallel {self.tensor_parallel} must divide kv_heads {self.kv_heads} and a sixteenth"
                f" of hidden {self.hidden_width}"
            )
        return self

    @property
    def hidden_width(self) -> int:
        """Width of the feed-forward half: GPT-2's is 4 times the model's, SwiGLU's 8/3, rounded up to 32."""
        swiglu = -(-8 * self.width // 3 // 32) * 32
        return self.hidden or (swiglu if self.activation == "swiglu" else 4 * self.width)

    def model(self, vocab_size: int) -> ModelConfig:
        """Return the model's shape for a tokenizer's vocabulary; ``mlm`` adds the mask token to it."""
        rows = vocab_size + (self.objective == "mlm")
        shared = {n: getattr(self, n) for n in ModelConfig.model_fields if n in Settings.model_fields}
        return ModelConfig.model_validate(
            shared
            | {
                "vocab_size": -(-rows // self.vocab_multiple) * self.vocab_multiple,
                "hidden": self.hidden_width, "head_dim": self.width // self.heads,
                "causal": self.objective == "causal",
            }
        )  # fmt: skip


def resolve(section: Mapping[str, Any] | None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of a run: preset, then the recipe's section, then the command line.

    ``None`` values count as not given. Raises ``RecipeError`` with every problem.

    >>> resolve({"preset": "tiny", "steps": 7}, {"steps": 9}).steps
    9
    """
    given = {name: value for name, value in (section or {}).items() if value is not None}
    given |= {name: value for name, value in (overrides or {}).items() if value is not None}
    known = set(Settings.model_fields)
    problems = []
    for name in sorted(set(given) - known):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
        problems.append(Problem(f"model.{name}", f"unknown setting; {hint}"))
    preset = given.get("preset", "tiny")
    if preset not in PRESETS:
        problems.append(Problem("model.preset", f"{preset!r} is not one of {', '.join(PRESETS)}"))
    else:
        try:
            return _checked(PRESETS[preset] | {n: v for n, v in given.items() if n in known}, problems)
        except ValidationError as error:
            for item in error.errors():
                where = ".".join(["model", *(str(part) for part in item["loc"])])
                problems.append(Problem(where, f"{item['msg']}; got {item['input']!r}"[:300]))
    raise RecipeError(problems, origin="settings of the trainer")


def _checked(values: Mapping[str, Any], problems: list[Problem]) -> Settings:
    settings = Settings.model_validate(values)
    if problems:
        raise RecipeError(problems, origin="settings of the trainer")
    return settings
