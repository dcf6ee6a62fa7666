"""Fine-tune a checkpoint: ``python -m trainer.finetune classify --data OUT --train a.jsonl --out TUNED``.

``classify`` gives a text a class, ``tag`` each word a tag, ``causal`` learns completions; labelled.py says how
their files look. TUNED holds a checkpoint (for causal one that ``trainer.generate`` takes), the tokenizer and
``figures.json``. ``predict --model TUNED --input FILE`` writes one JSON object a row.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from pile_curate.errors import PileCurateError, TrainingError
from pile_curate.files import atomic_write
from pile_curate.shards.tokenizer import LoadedTokenizer, load_tokenizer
from trainer import checkpoint
from trainer.evaluate import load_checkpoint
from trainer.generate import generate
from trainer.metrics import table
from trainer.train import device_of, set_threads
from trainer.tune.heads import Side, Tuned
from trainer.tune.rows import TASKS, causal_pieces, encode, read_rows, split_rows
from trainer.tune.tuning import Options, Tuning

NUMBERS = (
    ("epochs", int, "how often every row is seen (3)"),
    ("batch", int, "rows or pieces of a step (16)"),
    ("learning-rate", float, "of the model (a tenth of the checkpoint's own)"),
    ("head-rate", float, "of the head (10 times the model's; 0.01 with --probe)"),
    ("warmup", int, "steps until the rate is reached, from where it falls to 0 (a quarter, at most 100)"),
    ("weight-decay", float, "of matrices (0.01)"),
    ("max-length", int, "tokens that are read at once (the model's window)"),
    ("seed", int, "of the order, of dropout and of --validation-share (0)"),
)


def tokenizer_for(held: checkpoint.Checkpoint, data: Path | None, given: Path | None) -> LoadedTokenizer:
    """Find a checkpoint's tokenizer: as given, beside it, or in the corpus that it was trained on."""
    stated = held.facts.get("tokenizer") or {}
    beside = [held.path / "tokenizer.json", held.path.parent / "tokenizer.json"]
    corpora = [root / stated["path"] for root in (data, held.path.parent.parent) if root and "path" in stated]
    places = [given] if given else [*beside, *corpora]
    for path in places:
        if path.is_file():
            return load_tokenizer(path, stated.get("sha256"))
    raise TrainingError(
        f"{held.path}: no tokenizer at {', '.join(map(str, places))}; give --tokenizer FILE, or --data OUT"
    )


def write(path: Path, data: bytes) -> None:
    """Replace a file."""
    try:
        atomic_write(str(path), data)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written: {error.strerror}; choose another place") from error


def save(out: Path, tuning: Tuning, held: checkpoint.Checkpoint, figures: Mapping[str, Any]) -> Path:
    """Write the tuned model as a checkpoint, beside it the tokenizer and the figures; replace an older one."""
    tokenizer = tuning.known.tokenizer.to_str().encode()
    facts: dict[str, Any] = {
        **{key: held.facts[key] for key in ("recipe", "settings") if key in held.facts},
        "model": tuning.tuned.model.config.model_dump(), "plan": None,
        "tokenizer": {
            "path": "tokenizer.json", "sha256": hashlib.sha256(tokenizer).hexdigest(),
            "vocab_size": tuning.known.vocab_size, "eos_id": tuning.known.eos_id,
        },
        "finetune": {
            **asdict(tuning.options), "labels": tuning.names, "limit": tuning.limit, "from": str(held.path),
        },
    }  # fmt: skip
    tensors = {name: p.detach() for name, p in tuning.tuned.named_parameters()}
    checkpoint.clear(out)
    write(out / "tokenizer.json", tokenizer)
    write(out / "figures.json", (json.dumps(figures, indent=1) + "\n").encode())
    return checkpoint.save(out, figures["steps"], tensors, facts, keep=1)


def load(path: Path, device: str) -> tuple[Tuned, LoadedTokenizer, dict[str, Any]]:
    """Return what ``save`` wrote: the model, its tokenizer, and how it was tuned."""
    held = checkpoint.load(path)
    facts = held.facts.get("finetune")
    if facts is None:
        raise TrainingError(f"{held.path}: was not fine-tuned; give a folder that trainer.finetune wrote")
    tuned = Tuned(held.model(), len(facts["labels"]), whole=facts["task"] == "classify")
    if tuned.head is not None:
        held.read_into({f"head.{name}": p.detach() for name, p in tuned.head.named_parameters()})
    return tuned.to(device), tokenizer_for(held, None, None), facts


def predictions(
    path: Path, rows_file: Path, *, tokens: int = 64, device: str = "cpu"
) -> Iterator[dict[str, Any]]:
    """Yield one object a row: its line, and label and probabilities, or tags, or a completion."""
    tuned, known, facts = load(path, device)
    task, names, causal = facts["task"], facts["labels"], tuned.model.config.causal
    rows = read_rows(rows_file, task, labelled=False)
    if task == "causal":
        for row in rows:
            prompt = known.encode(row.prompt).tolist()
            drawn = list(generate(tuned.model, prompt, eos_id=known.eos_id, tokens=tokens, temperature=0))
            whole = np.array([known.eos_id, *prompt, *drawn], dtype=np.int64)
            pieces = list(causal_pieces(0, whole, len(prompt) + 1, facts["limit"]))
            chance = float(Side(tuned, pieces).judge()[0].sum()) if drawn else 0.0
            yield {"line": row.line, "completion": known.decode(drawn), "log_probability": round(chance, 4)}
        return
    examples, _ = encode(rows, task, known, {}, causal=causal, limit=facts["limit"])
    judged = Side(tuned, examples).judge()
    for number, row in enumerate(rows):
        chances = np.exp(judged[number].astype(np.float64))  # (targets, K)
        if task == "classify":
            each = {name: round(float(p), 6) for name, p in zip(names, chances[0], strict=True)}
            yield {"line": row.line, "label": names[int(chances[0].argmax())], "probabilities": each}
        else:
            tags = [names[k] for k in chances.argmax(axis=1)]
            yield {"line": row.line, "tags": tags, "probabilities": chances.max(axis=1).round(6).tolist()}


def brief(figures: Mapping[str, Any]) -> str:
    """Return a side's figures in one line."""
    named = {n: figures[n] for n in ("loss", "bits_per_byte", "accuracy", "macro_f1") if n in figures}
    named |= {
        f"entity {n}": figures["entities"][n] for n in ("precision", "recall", "f1") if "entities" in figures
    }
    return "  ".join(f"{name} {value:.4f}" for name, value in named.items())


def show(figures: Mapping[str, Any]) -> str:
    """Return the figures of the best epoch beside the baseline, and those of each class or type."""
    lines = [f"best epoch {figures['best_epoch']}"]
    for side in [side for side in ("validation", "test") if side in figures]:
        if side in figures["majority"]:
            base = figures["majority"][side]
            lines.append(f"{side}, always {base['label']!r}: {brief(base)}")
        if side in figures["before"]:
            lines.append(f"{side} before: {brief(figures['before'][side])}")
        lines.append(f"{side}: {brief(figures[side])}")
        each = figures[side].get("entities", {}).get("types") or figures[side].get("classes") or {}
        rows = [[name, *row.values()] for name, row in each.items()]
        if rows:
            lines.append(table(["class", "precision", "recall", "F1", "support"], rows))
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Return the command line: one command a task, and predict."""
    out = argparse.ArgumentParser(prog="python -m trainer.finetune", description="Fine-tune a checkpoint.")
    commands = out.add_subparsers(dest="command", required=True)
    for task in TASKS:
        one = commands.add_parser(task)
        one.add_argument("--data", type=Path, help="output directory with mixture.json")
        one.add_argument("--checkpoint", default="latest", help="a folder, or latest or init (of DATA/model)")
        one.add_argument("--tokenizer", type=Path, help="tokenizer.json (default: the checkpoint's)")
        one.add_argument("--train", type=Path, required=True, help=".jsonl, .jsonl.gz or .jsonl.zst")
        held = one.add_mutually_exclusive_group()
        held.add_argument("--validation", type=Path, help="rows that choose the best epoch")
        held.add_argument(
            "--validation-share", type=float, default=0.1, help="else: of the training rows (0.1)"
        )
        one.add_argument("--test", type=Path, help="rows that are measured once, in the end")
        one.add_argument("--out", type=Path, required=True, help="where the tuned model goes")
        one.add_argument("--fresh", action="store_true", help="replace the tuned model that is there")
        for name, kind, what in NUMBERS:
            one.add_argument(f"--{name}", type=kind, help=what)
        one.add_argument("--precision", choices=["auto", "float32", "bf16"])
        if task != "causal":
            one.add_argument("--probe", action="store_true", help="train the head alone, on frozen features")
            one.add_argument(
                "--balanced", action="store_true", help="let every class weigh the same in the loss"
            )
    predict = commands.add_parser("predict")
    predict.add_argument("--model", type=Path, required=True, help="what a task wrote to --out")
    predict.add_argument("--input", type=Path, required=True, help="rows; labels are not read")
    predict.add_argument("--output", type=Path, help="JSON lines (default: standard output)")
    predict.add_argument("--tokens", type=int, default=64, help="causal: at most this many new tokens")
    for one in commands.choices.values():
        one.add_argument("--threads", type=int, help="CPU threads (default: all this process may use)")
        one.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    return out


def run(args: argparse.Namespace) -> None:
    """Fine-tune as the command line says."""
    if args.data is None and args.checkpoint in (checkpoint.LATEST, "init"):
        raise TrainingError("give --data OUT, or --checkpoint DIR of a checkpoint")
    if (args.out / checkpoint.LATEST).exists():
        if "finetune" not in checkpoint.load(args.out).facts:
            raise TrainingError(f"{args.out} holds a training run; choose another --out")
        if not args.fresh:
            raise TrainingError(f"{args.out} holds a tuned model already; --fresh replaces it")
    device = device_of(args.device)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{args.out}: cannot be made: {error.strerror}; choose another --out") from error
    given = {f.name: getattr(args, f.name, None) for f in fields(Options)}
    options = Options(task=args.command, **{n: v for n, v in given.items() if v is not None})
    rows = {"train": read_rows(args.train, options.task)}
    if args.validation:
        rows["validation"] = read_rows(args.validation, options.task)
    else:
        rows["train"], rows["validation"] = split_rows(rows["train"], args.validation_share, options.seed)
    if args.test:
        rows["test"] = read_rows(args.test, options.task)
    held = load_checkpoint(args.data, args.checkpoint) if args.data else checkpoint.load(args.checkpoint)
    tuning = Tuning(held, tokenizer_for(held, args.data, args.tokenizer), rows, options, device)
    seen = {row.key for row in rows["train"]}
    for side, its in rows.items():
        note = f", {tuning.longer[side]} {'cut' if options.task == 'classify' else 'split'} at {tuning.limit} tokens"
        again = sum(row.key in seen for row in its) if side != "train" else 0
        print(f"{side}: {len(its)} rows{note}" + (f", {again} of them in train, too" if again else ""))
    figures = tuning.fit(
        lambda e: print(
            f"epoch {e['epoch']}  loss {e['loss']:.4f}  validation: {brief(e['validation'])}", flush=True
        )
    )
    path = save(args.out, tuning, held, figures)
    print(show(figures) + f"\nsaved {path}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parser().parse_args(arguments)
    try:
        set_threads(args.threads)
        if args.command != "predict":
            run(args)
            return 0
        device = str(device_of(args.device))
        made = predictions(args.model, args.input, tokens=args.tokens, device=device)
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in made)
        if args.output:
            write(args.output, "".join(lines).encode())
        else:
            sys.stdout.writelines(lines)
        return 0
    except PileCurateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
