"""Models of every shape with stirred weights, and output directories with shards, for the tests of transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from pile_curate.schema import doc_id
from pile_curate.shards.card import build_card
from pile_curate.shards.text import TextShards
from trainer import checkpoint
from trainer.config import GPT2_SHAPE, ModelConfig
from trainer.model import GPT

GPT2 = {name: value for name, value in GPT2_SHAPE.items() if name in ModelConfig.model_fields}
SHAPES: dict[str, dict[str, Any]] = {
    "qwen3": {"rope_base": 5e4},
    "qwen3-untied-wide-heads": {"tied": False, "head_dim": 24, "kv_heads": 2, "norm_eps": 1e-3},
    "llama": {"qk_norm": False, "head_dim": 16, "kv_heads": 4},
    "llama-untied-one-key": {"qk_norm": False, "tied": False, "kv_heads": 1},
    "gpt2": {**GPT2, "hidden": 40, "kv_heads": 4},
    "gpt2-untied": {**GPT2, "tied": False, "kv_heads": 4},
}


def stirred(vocab_size: int = 257, **changes: Any) -> GPT:
    """Return a model far from its beginning, so that a misplaced row shows."""
    shape = {"vocab_size": vocab_size, "layers": 2, "width": 32, "heads": 4, "kv_heads": 2, "head_dim": 8,
             "hidden": 48, "window": 16}  # fmt: skip
    model = GPT(ModelConfig.model_validate(shape | changes))
    random = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.3, generator=random)
    return model.eval()


@torch.no_grad()
def logits(model: GPT, tokens: torch.Tensor) -> torch.Tensor:
    return model(tokens) @ model.vocabulary.T


def save(model: GPT, root: Path, tokenizer: dict[str, Any]) -> Path:
    """Save a model as training does, without the optimizer's state."""
    tensors = {f"model.{name}": p.detach() for name, p in model.named_parameters()}
    facts = {
        "plan": "x",
        "settings": {},
        "steps": 1,
        "tokenizer": tokenizer,
        "model": model.config.model_dump(),
    }
    return checkpoint.save(root, 1, tensors, facts, keep=1)


def add_shards(data: Path, texts: dict[str, dict[str, list[str]]]) -> None:
    """Write shards (split, source, texts) and their card, and list them in mixture.json as mix does."""
    import pyarrow as pa

    from pile_curate.schema import DOCUMENTS

    root = data / "shards"
    rows = [
        {"doc_id": doc_id(source, f"{split}{i}"), "source": source, "split": split, "text": text}
        for split, sources in texts.items()
        for source, listed in sources.items()
        for i, text in enumerate(listed)
    ]
    shards = TextShards(str(root / "attempts" / "a1"), str(root), "00000", max_bytes=200)
    shards.add(pa.RecordBatch.from_pylist(rows, schema=DOCUMENTS))
    entries = shards.close()
    (root / "README.md").write_text(build_card("test", entries, licences={}))
    mixture = json.loads((data / "mixture.json").read_text())
    for source in mixture["sources"]:
        source["shards"] = [
            {"path": f"shards/{e.path}", "split": e.table, "format": e.facts["format"], "rows": e.rows}
            for e in entries
            if e.facts["source"] == source["name"]
        ]
    (data / "mixture.json").write_text(json.dumps(mixture))
