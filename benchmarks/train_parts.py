"""Write an output directory of made-up tokens, as the mix stage leaves one, for timing the trainer.

Tokens are drawn by Zipf's law, lengths of documents from a log-normal law (median 400 tokens, mean 660, as web pages
have); what the tokens say does not change how fast they are trained on.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pile_curate.schema import doc_id
from pile_curate.shards.tokens import TokenWriter, paths_of, token_dtype


def write_parts(root: Path, vocab_size: int, tokens: int, *, seed: int = 0) -> Path:
    """Write ``mixture.json`` and one part with about ``tokens`` tokens; return the part's .bin file."""
    random = np.random.default_rng(seed)
    prefix = root / "tokens" / "train" / "made" / "00000"
    writer = TokenWriter(prefix, token_dtype(vocab_size), eos_id=0, source="made")
    ranks = np.arange(1, vocab_size)
    # Sampled by inverting the law's sums: the token of rank r with probability in proportion to 1 / (r + 3).
    sums = np.cumsum(1.0 / (ranks + 3))
    written = 0
    while written < tokens:
        length = int(np.clip(random.lognormal(np.log(400), 1.0), 8, 20_000))
        drawn = ranks[np.searchsorted(sums, random.random(length) * sums[-1])]
        writer.add(doc_id("made", str(written)), drawn, 4 * length)
        written += length + 1
    facts = writer.close()
    part = {
        "prefix": str(prefix.relative_to(root)),
        "tokens": facts["tokens"],
        "documents": facts["documents"],
    }
    source = {"name": "made", "achieved": {"epochs": 1.0, "weight": 1.0}, "parts": {"train": [part]}}
    tokenizer = {"path": "tokenizer.json", "sha256": "0" * 64, "vocab_size": vocab_size, "eos_id": 0}
    mixture = {"version": 1, "name": "made", "max_epochs": 4, "sources": [source], "tokenizer": tokenizer}
    (root / "mixture.json").write_text(json.dumps(mixture))
    return paths_of(prefix)[0]
