"""Score a Hugging Face causal model on a corpus: ``python -m trainer.evaluate --data OUT --hf DIR``.

The protocol and the documents are those of evaluate.py, so bits per byte can be laid beside a checkpoint's
(``--max-tokens`` counts the corpus's own tokens, so it chooses the same documents); perplexity cannot, because the
model has its own tokens. The text comes from the corpus's shards; its bytes are what is divided by. A document
begins after the tokenizer's BOS token, or EOS where it has none. Windows are the model's maximum, to 2,048.

A byte-level tokenizer must spell every byte, which is checked for each document. Any other is asked to decode what it
encoded: a document that does not come back as it was is scored, counted as lossy and named, because its bits are
those of another text.

Needs ``transformers``; reads safetensors only and never runs code that comes with a model. Weights are float32. A
batch's logits are in memory, 4 bytes for each of its tokens and entries of the vocabulary: about 1 GB.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from tokenizers import Tokenizer
from torch import Tensor

from pile_curate.errors import DatasetDamaged, ModelError, SetupError, TokenFileError, TrainingError
from pile_curate.shards.tokenizer import encode_texts, read_texts
from trainer.evaluate import (
    BATCH_TOKENS,
    GROUP_TOKENS,
    SCORES,
    check_label,
    chosen_documents,
    score_windows,
    store,
)
from trainer.spelling import spelt_bytes
from trainer.tokens import SourceTokens, load_mixture, open_sources

LONGEST_WINDOW = 2048
BATCH_LOGITS = 1 << 28
NAMED = 100
"""How many lossy documents the JSON names; the Parquet file marks all."""

HF_SCORES = SCORES.append(pa.field("lossy", pa.bool_()))


class HuggingFaceModel:
    """A causal model and its tokenizer, loaded from a folder onto a device."""

    def __init__(self, folder: Path, device: str) -> None:
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"{folder}: holds no config.json; download a model first (hf download NAME --local-dir DIR)"
            )
        try:
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise SetupError(
                f"scoring a Hugging Face model needs transformers ({error}); pip install it"
            ) from error
        shared = {"trust_remote_code": False, "local_files_only": True}
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, **shared)
            model, info = AutoModelForCausalLM.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **shared
            )
        except (OSError, ValueError, ImportError, KeyError, RuntimeError, AttributeError) as error:
            said = " ".join(str(error).split())[:300]
            raise ModelError(
                f"{folder}: transformers cannot load it: {type(error).__name__}: {said}"
            ) from error
        lacking = sorted(str(name) for name in [*info["missing_keys"], *info["mismatched_keys"]])
        if lacking:
            raise ModelError(
                f"{folder}: lacks weights of a causal model, {', '.join(lacking[:3])}; nothing to score"
            )
        self.device = torch.device(device)
        self.model: Any = model.to(self.device).eval()
        self.model.config.use_cache = False
        self.rows: int = self.model.get_input_embeddings().weight.shape[0]
        self.positions: int | None = getattr(self.model.config, "max_position_embeddings", None)
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        self.condition = eos if bos is None else bos
        if self.condition is None:
            raise ModelError(
                f"{folder}: its tokenizer has neither a BOS nor an EOS token to begin a document after"
            )
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        self.backend: Tokenizer | None = backend if isinstance(backend, Tokenizer) else None
        self.lengths = None if self.backend is None else _lengths(self.backend)
        self._check_causal(folder)

    def logits(self, inputs: Tensor) -> Tensor:
        """Map tokens (B, T) to logits (B, T, V)."""
        found: Tensor = self.model(input_ids=inputs).logits
        return found

    def losses(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return −ln p(target) in nats (B, T)."""
        out = torch.empty(targets.shape, dtype=torch.float32, device=self.device)
        for row, logits in enumerate(self.logits(inputs)):
            wanted = logits.gather(1, targets[row, :, None])[:, 0].float()
            out[row] = torch.logsumexp(logits.float(), dim=1) - wanted
        return out

    @torch.no_grad()
    def _check_causal(self, folder: Path) -> None:
        """Raise if a prediction moves with a later token: AutoModelForCausalLM loads encoders too."""
        tokens = torch.arange(min(8, self.positions or 8), device=self.device)[None] % self.rows
        changed = tokens.clone()
        changed[0, -1] = (changed[0, -1] + 1) % self.rows
        before, after = self.logits(tokens)[:, :-1].float(), self.logits(changed)[:, :-1].float()
        if float((before - after).abs().max()) > 1e-3 * float(before.std()):
            raise ModelError(
                f"{folder}: is not causal: its predictions change with later tokens; nothing to score"
            )

    def encode(self, texts: list[str]) -> tuple[list[npt.NDArray[np.int64]], list[bool]]:
        """Return each text's tokens, and whether they fail to spell it; no special token is made of its text."""
        if self.backend is not None and self.lengths is not None:
            self.backend.encode_special_tokens = True
            self.backend.no_truncation()
            self.backend.no_padding()
            return encode_texts(self.backend, texts), [False] * len(texts)
        how = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
        encoded = self.tokenizer(texts, **how)["input_ids"]
        lossy = [
            self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) != text
            for ids, text in zip(encoded, texts, strict=True)
        ]
        return [np.asarray(ids, dtype=np.int64) for ids in encoded], lossy

    def check(self, where: str, tokens: npt.NDArray[np.int64], text_bytes: int) -> None:
        """Raise if tokens are not the model's, or if byte-level tokens do not stand for the text's bytes."""
        if len(tokens) and int(tokens.max()) >= self.rows:
            raise ModelError(f"{where}: token {int(tokens.max())} is not among the model's {self.rows}")
        if self.lengths is not None and int(self.lengths[tokens].sum()) != text_bytes:
            raise TokenFileError(
                f"{where}: its tokens stand for {int(self.lengths[tokens].sum())} bytes, its text has {text_bytes};"
                " the byte-level tokenizer loses some, so bits per byte would be wrong"
            )


def _lengths(backend: Tokenizer) -> npt.NDArray[np.int64] | None:
    """Return the bytes of each token of a byte-level tokenizer; None if an added token may swallow white space."""
    added = json.loads(backend.to_str()).get("added_tokens") or []
    swallows = any((item["lstrip"] or item["rstrip"]) and not item["special"] for item in added)
    return None if swallows else spelt_bytes(backend)


def chosen_texts(
    data: Path, entry: Mapping[str, Any], source: SourceTokens, chosen: Sequence[int], split: str
) -> Iterator[tuple[int, str]]:
    """Yield (document, text) of the chosen documents as the shards hold them, each once; raises if one is not there."""
    wanted = {source.doc_id(index).hex(): index for index in chosen}
    for shard in entry.get("shards") or []:
        if shard.get("split") != split or shard.get("format") != "parquet" or not wanted:
            continue
        path = data / shard["path"]
        try:
            for ids, texts in read_texts(path):
                for doc_id, text in zip(ids, texts, strict=True):
                    index = wanted.pop(doc_id, None)
                    if index is None:
                        continue
                    if len(text.encode()) != int(source.text_bytes[index]):
                        raise DatasetDamaged(
                            f"{path}, document {doc_id}: {len(text.encode())} bytes where the token part says"
                            f" {source.text_bytes[index]}; run tokenize and mix again"
                        )
                    yield index, text
        except (OSError, pa.ArrowException) as error:
            raise DatasetDamaged(f"{path}: cannot be read: {error}; run shard again") from error
    if wanted:
        raise DatasetDamaged(
            f"source {source.name}: {len(wanted)} documents of the split {split} are in no Parquet shard that"
            f" mixture.json lists, {next(iter(wanted))} first; run shard, tokenize and mix again"
        )


def score_source(
    held: HuggingFaceModel, source: SourceTokens, texts: Iterator[tuple[int, str]], split: str, window: int
) -> pa.Table:
    """Return one row of ``HF_SCORES`` for each text, sorted by doc_id; some ``GROUP_TOKENS`` are in memory at a time."""
    batch_tokens = max(1, min(BATCH_TOKENS, BATCH_LOGITS // held.rows))
    rows: list[tuple[Any, ...]] = []

    def flush(group: list[tuple[int, str]]) -> None:
        encoded, lossy = held.encode([text for _, text in group])
        for (index, _), tokens in zip(group, encoded, strict=True):
            where = f"source {source.name}, document {source.doc_id(index).hex()}"
            held.check(where, tokens, int(source.text_bytes[index]))
        # ``windows`` drops a last token, the end of text of token files.
        ended = [np.append(tokens, held.condition) for tokens in encoded]
        nll = score_windows(held.losses, ended, held.condition, window, held.device, batch_tokens)
        for (index, _), tokens, lost, value in zip(group, encoded, lossy, nll.tolist(), strict=True):
            size = int(source.text_bytes[index])
            rows.append((source.doc_id(index), source.name, split, len(tokens), size, value, lost))

    _in_groups(texts, flush)
    rows.sort()
    columns = list(zip(*rows, strict=True)) or [()] * len(HF_SCORES)
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, HF_SCORES, strict=True)],
        schema=HF_SCORES,
    )


def _in_groups(texts: Iterator[tuple[int, str]], flush: Callable[[list[tuple[int, str]]], None]) -> None:
    group: list[tuple[int, str]] = []
    size = 0
    for index, text in texts:
        group.append((index, text))
        size += len(text)
        if size >= GROUP_TOKENS:  # a token is about a character or more
            flush(group)
            group, size = [], 0
    if group:
        flush(group)


def score_folder(
    data: Path, folder: Path, *, label: str, split: str, window: int | None = None, max_tokens: int | None = None,
    device: str = "cpu",
) -> dict[str, Any]:  # fmt: skip
    """Score a model on every source of a split; write and return what ``evaluate`` does, and the lossy documents."""
    check_label(label)
    mixture = load_mixture(data)
    sources = open_sources(data, mixture, split)
    entries = {str(entry["name"]): entry for entry in mixture["sources"]}
    held = HuggingFaceModel(folder, device)
    longest = held.positions or LONGEST_WINDOW
    if window is not None and not 1 <= window <= (held.positions or window):
        raise TrainingError(f"window {window} must be between 1 and the model's {held.positions}")
    window = window or min(longest, LONGEST_WINDOW)
    tables = {}
    for source in sources:
        texts = chosen_texts(data, entries[source.name], source, chosen_documents(source, max_tokens), split)
        tables[source.name] = score_source(held, source, texts, split, window)
    lost = [
        f"{name}/{row['doc_id'].hex()}"
        for name, scored in tables.items()
        for row in scored.filter(scored.column("lossy")).select(["doc_id"]).to_pylist()
    ]
    facts = {
        "model": folder.resolve().name, "model_type": held.model.config.model_type, "window": window,
        "max_tokens": max_tokens, "begins_after": held.tokenizer.convert_ids_to_tokens(held.condition),
        "byte_level": held.lengths is not None, "lossy": {"documents": len(lost), "named": lost[:NAMED]},
    }  # fmt: skip
    return store(data, label, tables, split, facts)
