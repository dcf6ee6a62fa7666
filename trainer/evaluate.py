"""Score a checkpoint on a split, per source: loss, perplexity, bits per byte: ``python -m trainer.evaluate``.

The protocol of The Pile's paper (Gao et al., 2020, section 3.1): each document on its own, in disjoint
windows; the first window is conditioned on the end-of-text token, later ones on the token before them;
every token of the text is scored once, the end-of-text token never; sums are over the source's bytes.
Long documents thus pay for a short context at each window's start, equally for every model of that
window.

A masked model (``objective: mlm``) is scored on hidden tokens instead, see masked.py: loss and accuracy, no
bits per byte.

Writes ``OUT/evaluation/LABEL.json`` (per source and overall) and ``LABEL.parquet`` (per document).
``--compare before after`` prints two of them side by side.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pile_curate.errors import DatasetMissing, PileCurateError, TokenFileError, TrainingError
from pile_curate.files import atomic_write
from pile_curate.hashing import order_key
from pile_curate.schema import ID, SPLITS
from trainer import checkpoint
from trainer.loss import token_losses
from trainer.masked import Masking
from trainer.metrics import comparison, figures, show
from trainer.model import GPT
from trainer.spelling import check_bytes, token_bytes
from trainer.tokens import SourceTokens, load_mixture, open_sources, tokenizer_of
from trainer.train import device_of, set_threads

SCORES = pa.schema(
    [("doc_id", ID), ("source", pa.string()), ("split", pa.string()), ("tokens", pa.int64()),
     ("text_bytes", pa.int64()), ("nll", pa.float64())]
)  # fmt: skip
"""One scored document; ``nll`` in nats over its tokens, rounded to 1e-4."""

MASKED_SCORES = SCORES.append(pa.field("correct", pa.int64()))
"""The same of a masked model: ``tokens`` are those hidden, ``correct`` how many of them it guessed right."""

BATCH_TOKENS = 8192
GROUP_TOKENS = 4_000_000


def windows(document: npt.NDArray[Any], eos_id: int, window: int) -> Iterator[npt.NDArray[np.int64]]:
    """Cut a document, without its end of text, into arrays of one condition and up to ``window`` targets.

    >>> [w.tolist() for w in windows(np.array([5, 6, 7, 0]), eos_id=0, window=2)]
    [[0, 5, 6], [6, 7]]
    """
    whole = np.concatenate([[eos_id], document[:-1]]).astype(np.int64)
    for start in range(0, len(whole) - 1, window):
        yield whole[start : start + window + 1]


def score(model: GPT, documents: Sequence[npt.NDArray[Any]], eos_id: int) -> npt.NDArray[np.float64]:
    """Return each document's nll in nats; ``documents`` hold tokens with end-of-text last."""
    model.eval()

    def losses(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        hidden = model(inputs).flatten(0, 1)
        return token_losses(hidden, model.vocabulary, targets.flatten()).view(targets.shape)

    return score_windows(losses, documents, eos_id, model.config.window, model.embedding.weight.device)


@torch.no_grad()
def score_windows(
    losses: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], documents: Sequence[npt.NDArray[Any]],
    condition: int, window: int, device: torch.device, batch_tokens: int = BATCH_TOKENS,
) -> npt.NDArray[np.float64]:  # fmt: skip
    """Return each document's nll by ``losses``, which maps inputs and targets (B, T) to nats (B, T).

    ``condition`` is the token before a document; ``losses`` gets about ``batch_tokens`` tokens a time.
    """
    pieces = [(w, i) for i, document in enumerate(documents) for w in windows(document, condition, window)]
    # Longest first, so that a batch holds windows of like length: little padding.
    pieces.sort(key=lambda piece: -len(piece[0]))
    nll = np.zeros(len(documents), dtype=np.float64)
    start = 0
    while start < len(pieces):
        longest = len(pieces[start][0]) - 1
        chosen = pieces[start : start + max(1, batch_tokens // longest)]
        start += len(chosen)
        block = np.full((len(chosen), longest + 1), condition, dtype=np.int64)
        for row, (tokens, _) in enumerate(chosen):
            block[row, : len(tokens)] = tokens
        tensor = torch.from_numpy(block).to(device)
        # Causal: padding comes after every scored token, so it cannot change one.
        found = losses(tensor[:, :-1], tensor[:, 1:])
        for row, (tokens, owner) in zip(found.double().cpu().numpy(), chosen, strict=True):
            nll[owner] += row[: len(tokens) - 1].sum()
    return np.round(nll, 4)


def score_source(
    model: GPT, source: SourceTokens, chosen: Sequence[int], split: str, eos_id: int,
    masking: Masking | None = None,
) -> pa.Table:  # fmt: skip
    """Return one row of ``SCORES`` (or ``MASKED_SCORES``) for each chosen document, holding ``GROUP_TOKENS`` in memory at a time."""
    groups = (np.cumsum([int(source.sizes[i]) for i in chosen]) // GROUP_TOKENS).tolist()
    rows, schema = [], MASKED_SCORES if masking else SCORES
    for _, members in groupby(zip(groups, chosen, strict=True), key=lambda pair: pair[0]):
        indices = [index for _, index in members]
        documents, ids = [source.document(i) for i in indices], [source.doc_id(i) for i in indices]
        top, rows_held = max(int(d.max()) for d in documents), model.config.vocab_size
        if top >= rows_held:
            raise TokenFileError(
                f"source {source.name}: token {top} in a vocabulary of {rows_held}; tokenize again"
            )
        if masking:
            counts, *found = masking.score(model, documents, ids)
        else:
            counts, found = source.sizes[indices] - 1, [score(model, documents, eos_id)]
        for index, doc_id, tokens, *values in zip(indices, ids, counts, *found, strict=True):
            rows.append((doc_id, source.name, split, tokens, int(source.text_bytes[index]), *values))
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def _sums(scored: pa.Table) -> dict[str, Any]:
    tokens, size, nll = (sum(scored.column(name).to_pylist()) for name in ("tokens", "text_bytes", "nll"))
    found = figures(scored.num_rows, tokens, size, float(nll))
    if "correct" in scored.schema.names:
        correct = sum(scored.column("correct").to_pylist())
        found |= {"bits_per_byte": None, "accuracy": correct / tokens if tokens else None}
    return found


def chosen_documents(source: SourceTokens, max_tokens: int | None) -> list[int]:
    """Return the documents to score: all, or the first by hash up to ``max_tokens``; never a part."""
    order = sorted(
        range(len(source)), key=lambda i: (order_key(0, source.doc_id(i), "evaluate"), source.doc_id(i))
    )
    if max_tokens is None:
        return order
    before = np.cumsum([0, *(int(source.sizes[i]) for i in order)])
    return [index for index, sum_before in zip(order, before, strict=False) if sum_before < max_tokens]


def evaluate(
    data: Path, model: GPT, *, label: str, split: str, step: int, origin: str, max_tokens: int | None = None,
    mask_rate: float = 0.15,
) -> dict[str, Any]:  # fmt: skip
    """Score every source of a split, write LABEL.json and LABEL.parquet, and return what the JSON holds.

    ``mask_rate`` is the share of tokens that is hidden from a masked model.
    """
    check_label(label)
    mixture = load_mixture(data)
    path, vocab_size, eos_id = tokenizer_of(data, mixture)
    causal = model.config.causal
    masking = None if causal else Masking(vocab_size, eos_id, mask_rate)
    if vocab_size + (not causal) > model.config.vocab_size:
        raise TrainingError(
            f"{origin}: has a vocabulary of {model.config.vocab_size}, the data one of {vocab_size};"
            " evaluate with the data it was trained on"
        )
    lengths = token_bytes(path)
    tables = {}
    for source in open_sources(data, mixture, split):
        chosen = chosen_documents(source, max_tokens)
        if lengths is not None:
            check_bytes(source, chosen, lengths)
        tables[source.name] = score_source(model, source, chosen, split, eos_id, masking)
    return store(
        data, label, tables, split,
        {"step": step, "checkpoint": origin, "window": model.config.window, "max_tokens": max_tokens,
         "objective": "causal" if causal else "mlm", "mask_rate": None if causal else mask_rate},
    )  # fmt: skip


def check_label(label: str) -> None:
    """Raise unless ``label`` can name files."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", label):
        raise TrainingError(f"label {label!r} names two files; use letters, digits, '_', '-' and '.'")


def store(
    data: Path, label: str, tables: Mapping[str, pa.Table], split: str, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write LABEL.json and LABEL.parquet of each source's rows of ``SCORES``; return what the JSON holds."""
    everything = pa.concat_tables(tables.values())
    if not _sums(everything)["tokens"]:
        raise TrainingError(f"{data}: the split {split} has no tokens; raise splits.{split} in the recipe")
    result = {
        "label": label, "split": split, **facts,
        "sources": [{"source": name, **_sums(scored)} for name, scored in tables.items()],
        "overall": _sums(everything),
    }  # fmt: skip
    folder = data / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    sink = pa.BufferOutputStream()
    pq.write_table(everything, sink, compression="zstd")
    atomic_write(str(folder / f"{label}.parquet"), sink.getvalue().to_pybytes())
    atomic_write(str(folder / f"{label}.json"), (json.dumps(result, indent=1) + "\n").encode())
    return result


def stored(data: Path, label: str) -> dict[str, Any]:
    """Return an evaluation written earlier."""
    path = data / "evaluation" / f"{label}.json"
    try:
        result: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        held = ", ".join(sorted(p.stem for p in path.parent.glob("*.json"))) or "none"
        raise DatasetMissing(f"{path}: no such evaluation ({error}); stored are: {held}") from error
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.evaluate", description="Score a checkpoint per source."
    )
    parser.add_argument("--data", type=Path, required=True, help="output directory with mixture.json")
    parser.add_argument("--checkpoint", default="latest", help="a folder, or latest or init (of DATA/model)")
    parser.add_argument(
        "--hf",
        type=Path,
        metavar="DIR",
        help="score this Hugging Face causal model with its own tokenizer instead",
    )
    parser.add_argument("--window", type=int, help="with --hf: tokens a window (default: all, to 2048)")
    parser.add_argument("--label", help="name of the stored result (default: before for init, else after)")
    parser.add_argument("--split", choices=SPLITS, default="validation")
    parser.add_argument("--max-tokens", type=int, help="score about so many a source, whole documents")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all this process may use)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument(
        "--compare", nargs=2, metavar="LABEL", help="print two stored results side by side, score nothing"
    )
    args = parser.parse_args(arguments)
    try:
        if args.compare:
            print(comparison(*(stored(args.data, label) for label in args.compare)))
            return 0
        set_threads(args.threads)
        device = device_of(args.device)
        if args.max_tokens is not None and args.max_tokens < 1:
            raise TrainingError(f"--max-tokens {args.max_tokens} must be at least 1")
        if args.window is not None and args.hf is None:
            raise TrainingError("--window goes with --hf; a checkpoint is scored in windows of its own size")
        if args.hf is not None:
            from trainer.hf.score import score_folder  # here, because it takes from this file

            result = score_folder(
                args.data, args.hf, label=args.label or args.hf.resolve().name, split=args.split,
                window=args.window, max_tokens=args.max_tokens, device=str(device),
            )  # fmt: skip
            print(f"{result['label']}: {args.hf}, split {args.split}")
            print(show(result))
            return 0
        held = load_checkpoint(args.data, args.checkpoint)
        label = args.label or ("before" if held.step == 0 else "after")
        rate = (held.facts.get("settings") or {}).get("mask_rate", 0.15)
        result = evaluate(
            args.data, held.model().to(device), label=label, split=args.split, step=held.step,
            origin=held.path.name, max_tokens=args.max_tokens, mask_rate=rate,
        )  # fmt: skip
        print(f"{label}: step {held.step}, split {args.split}")
        print(show(result))
        return 0
    except PileCurateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


def load_checkpoint(data: Path, name: str) -> checkpoint.Checkpoint:
    """Load a checkpoint by path, or ``latest`` or ``init`` of DATA/model; raises if it knows other tokens."""
    held = checkpoint.load(data / "model" / name if name in (checkpoint.LATEST, "init") else name)
    ours = load_mixture(data).get("tokenizer") or {}
    theirs = held.facts.get("tokenizer") or {}
    if (theirs.get("sha256") or ours.get("sha256")) != ours.get("sha256"):
        raise TrainingError(
            f"{held.path}: was trained with another tokenizer (sha256 {theirs['sha256'][:12]}) than that of {data}"
            f" ({str(ours.get('sha256'))[:12]}); use the data it was trained on"
        )
    return held


if __name__ == "__main__":
    sys.exit(main())
