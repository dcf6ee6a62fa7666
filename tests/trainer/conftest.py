"""Build small output directories as the mix stage leaves them: token parts, tokenizer.json, mixture.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from pile_curate.schema import doc_id
from pile_curate.shards.tokenizer import save_tokenizer
from pile_curate.shards.tokens import TokenWriter, token_dtype

EOS = 0
WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "saw",
    "the",
    "dog",
    "run",
    "over",
    "hills",
    "of",
    "green",
    "grass",
    "in",
    "rain",
]


def byte_tokenizer() -> Tokenizer:
    """Return a byte-level tokenizer without merges: 256 bytes and the end of text, id 0."""
    vocab = {"<|endoftext|>": EOS}
    for character in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocab[character] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.encode_special_tokens = True  # as tokenize does: no document can end itself
    return tokenizer


def prose(source: str, number: int, words: int) -> str:
    """Return words drawn by (source, number): something a tiny model can learn a little of."""
    return " ".join(np.random.default_rng([*source.encode(), number]).choice(WORDS, words))


Documents = Sequence[str | int]
"""Texts, or numbers of words that the builder draws itself."""


@pytest.fixture(scope="session")
def hugging() -> Any:
    """Return the package transformers, which takes seconds to import, without its progress bars."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


@pytest.fixture(scope="session")
def build_in() -> Callable[[Path], Callable[..., Path]]:
    """Return ``builder``, for fixtures of a wider scope than one test."""
    return builder


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an output directory from documents per source."""
    return builder(tmp_path)


def builder(folder: Path) -> Callable[..., Path]:
    """Return a function that writes an output directory below ``folder``."""

    def write(
        texts: dict[str, Documents],
        *,
        epochs: dict[str, float] | None = None,
        parts: int = 1,
        name: str = "out",
        validation: dict[str, Documents] | None = None,
        model: dict[str, Any] | None = None,
        eos: int = EOS,
    ) -> Path:
        root = folder / name
        root.mkdir()
        tokenizer = byte_tokenizer()
        sha256 = save_tokenizer(tokenizer, root / "tokenizer.json")
        vocab = tokenizer.get_vocab_size()
        sources = []
        for source, documents in texts.items():
            entry: dict[str, Any] = {
                "name": source,
                "achieved": {"epochs": (epochs or {}).get(source, 1.0)},
                "parts": {},
            }
            for split, chosen in (("train", documents), ("validation", (validation or {}).get(source, []))):
                listed = []
                for number in range(parts):
                    prefix = root / "tokens" / split / source / f"{number:05d}"
                    writer = TokenWriter(prefix, token_dtype(vocab), eos_id=eos, source=source)
                    for i in range(number, len(chosen), parts):
                        given = chosen[i]
                        text = given if isinstance(given, str) else prose(source + split, i, given)
                        ids = tokenizer.encode(text, add_special_tokens=False).ids
                        writer.add(doc_id(source, f"{split}{i}"), ids, len(text.encode()))
                    facts = writer.close()
                    listed.append(
                        {
                            "prefix": str(prefix.relative_to(root)),
                            "tokens": facts["tokens"],
                            "documents": facts["documents"],
                        }
                    )
                entry["parts"][split] = listed
            sources.append(entry)
        # A source without tokens keeps a weight, as mix would have asked for it.
        sizes = [
            entry["achieved"]["epochs"] * max(1, sum(part["tokens"] for part in entry["parts"]["train"]))
            for entry in sources
        ]
        for entry, size in zip(sources, sizes):
            entry["achieved"]["weight"] = size / sum(sizes)
        mixture = {
            "version": 1,
            "name": "test",
            "max_epochs": 4,
            "sources": sources,
            "tokenizer": {
                "path": "tokenizer.json",
                "sha256": sha256,
                "vocab_size": vocab,
                "eos_id": eos,
            },
        }
        if model is not None:
            mixture["model"] = model
        (root / "mixture.json").write_text(json.dumps(mixture))
        return root

    return write


@pytest.fixture
def tiny() -> dict[str, Any]:
    """Return settings of a model of 30,000 parameters: a step takes milliseconds."""
    return {"layers": 2, "width": 32, "heads": 2, "kv_heads": 1, "window": 16, "batch_tokens": 128}


@pytest.fixture(autouse=True)
def _threads() -> None:
    # One thread: on models this small, more are slower, and the tests share the machine.
    torch.set_num_threads(1)
