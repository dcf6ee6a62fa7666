"""Say how many bytes of text each token stands for, so that bits per byte can be held to the text's bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from pile_curate.errors import TokenFileError
from trainer.tokens import SourceTokens


def read_tokenizer(path: Path) -> Tokenizer:
    """Read a ``tokenizer.json``; raises ``TokenFileError``."""
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception for whatever is wrong with the file
        raise TokenFileError(f"{path}: not a tokenizer.json: {error}") from error


def token_bytes(path: Path) -> npt.NDArray[np.int64] | None:
    """Return ``spelt_bytes`` of a ``tokenizer.json``."""
    return spelt_bytes(read_tokenizer(path))


def spelt_bytes(tokenizer: Tokenizer) -> npt.NDArray[np.int64] | None:
    """Return the bytes each token stands for, or None where the tokenizer is not plainly byte-level.

    A byte-level vocabulary writes each byte as one character, so a token's length is its bytes.
    """
    stated = json.loads(tokenizer.to_str())
    if not _is_byte_level(stated):
        return None
    special = {item["id"]: item["content"] for item in stated.get("added_tokens") or []}
    lengths = np.zeros(tokenizer.get_vocab_size(with_added_tokens=True), dtype=np.int64)
    for token, index in tokenizer.get_vocab(with_added_tokens=True).items():
        if index < len(lengths):
            lengths[index] = len(special[index].encode()) if index in special else len(token)
    return lengths


def _is_byte_level(stated: Mapping[str, Any]) -> bool:
    """Say whether tokens spell exactly the text's bytes: byte-level, no normaliser, no space put before."""
    pre = stated.get("pre_tokenizer") or {}
    steps = pre.get("pretokenizers", [pre])
    levels = [step for step in steps if step.get("type") == "ByteLevel"]
    return (
        bool(levels) and not stated.get("normalizer") and not any(s.get("add_prefix_space") for s in levels)
    )


def check_bytes(source: SourceTokens, chosen: Sequence[int], lengths: npt.NDArray[np.int64]) -> None:
    """Raise unless each document's tokens stand for exactly its text's bytes, or bits per byte would lie."""
    for index in chosen:
        tokens = source.document(index)[:-1]
        if len(tokens) and int(tokens.max()) >= len(lengths):
            raise TokenFileError(
                f"source {source.name}, document {source.doc_id(index).hex()}: token {int(tokens.max())} is"
                f" not in the tokenizer's vocabulary of {len(lengths)}; tokenize again"
            )
        spelt, stated = int(lengths[tokens].sum()), int(source.text_bytes[index])
        if spelt != stated:
            raise TokenFileError(
                f"source {source.name}, document {source.doc_id(index).hex()}: its tokens stand for {spelt}"
                f" bytes, its text has {stated}; tokens and tokenizer do not belong together; tokenize again"
            )
