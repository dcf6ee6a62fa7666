"""Ask which source a paragraph comes from, of a corpus' own shards: what has a model learned of its sources?

    python benchmarks/source_classification.py --data OUT [--checkpoint latest] [--cap 400]

Paragraphs of 200 to 1,000 characters (at blank lines; of a text without, runs of lines), at most ``--cap`` a source
and ``--per-document`` a document; a hash of the document puts all its paragraphs on one side, so no document is on
both. Sources with fewer than ``--least`` paragraphs on a side are left out. Compared on the test side: always the
most frequent source; naive Bayes on words (McCallum and Nigam, 1998); a linear probe and full fine-tuning of the
checkpoint; and both of the model before training (``init``), which shows what pretraining is worth. Pretraining may
have read a test document, but never its label.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pile_curate.errors import InputError, PileCurateError
from pile_curate.hashing import order_key, text_digest, uniform
from pile_curate.shards.tokenizer import read_texts
from trainer.evaluate import load_checkpoint
from trainer.finetune import tokenizer_for
from trainer.metrics import table
from trainer.tokens import load_mixture
from trainer.train import set_threads
from trainer.tune.rows import Row
from trainer.tune.scores import classes, majority
from trainer.tune.tuning import Options, Tuning

SIDES = {"train": 0.7, "validation": 0.85, "test": 1.0}
WORD = re.compile(r"\w+|[^\w\s]")


def paragraphs(text: str, least: int = 200, most: int = 1000) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", text):
        held = ""
        for line in block.split("\n"):
            if held and len(held) + len(line) + 1 > most:
                if least <= len(held.strip()) <= most:
                    yield held.strip()
                held = ""
            held += line + "\n"
        if least <= len(held.strip()) <= most:
            yield held.strip()


def labelled_set(data: Path, cap: int, per_document: int, least: int, seed: int) -> dict[str, list[Row]]:
    """Return rows of each side; ``cap`` holds for a source's sides in proportion to their share."""
    listed = load_mixture(data)["sources"]
    files = sorted(
        {
            (s["name"], part["path"])
            for s in listed
            for part in s["shards"]
            if part["path"].endswith(".parquet")
        }
    )
    found: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    seen: set[bytes] = set()
    for source, path in files:
        for doc_ids, texts in read_texts(data / path):
            for doc_id, text in zip(doc_ids, texts):
                share = uniform(seed, doc_id.encode(), "benchmark:side")
                side = next(name for name, end in SIDES.items() if share < end)
                pieces = sorted(
                    (order_key(seed, text_digest(p), "benchmark:paragraph"), p) for p in paragraphs(text)
                )
                for key, piece in pieces[:per_document]:
                    if (digest := text_digest(piece)) not in seen:
                        seen.add(digest)
                        found[source][side].append((key, piece))
    print(
        f"{data}: {sum(len(p) for s in found.values() for p in s.values())} paragraphs of {len(found)} sources"
    )
    rows: dict[str, list[Row]] = {side: [] for side in SIDES}
    for source, sides in sorted(found.items()):
        counts = [len(sides[side]) for side in SIDES]
        if min(counts) < least:
            print(f"left out: {source}, with {counts} paragraphs to train, validate and test")
            continue
        start = 0.0
        for side, end in SIDES.items():
            for _, piece in sorted(sides[side])[: round(cap * (end - start))]:
                rows[side].append(
                    Row(f"{source}:{len(rows[side])}", len(rows[side]) + 1, piece, labels=(source,))
                )
            start = end
    if len({row.labels for row in rows["train"]}) < 2:
        raise InputError(f"{data}: fewer than two sources have {least} paragraphs a side; lower --least")
    return rows


def naive_bayes(train: Sequence[Row], test: Sequence[Row], smoothing: float = 0.1) -> list[str]:
    """Return the class of each test row by a multinomial model of words and signs."""
    names = sorted({row.labels[0] for row in train})
    bags = [Counter(WORD.findall(row.text.lower())) for row in train]
    columns = {word: i for i, word in enumerate(sorted(set().union(*bags)))}
    counts = np.full((len(names), len(columns)), smoothing)
    priors = np.zeros(len(names))
    for row, bag in zip(train, bags):
        label = names.index(row.labels[0])
        priors[label] += 1
        for word, count in bag.items():
            counts[label, columns[word]] += count
    chances = np.log(counts / counts.sum(axis=1, keepdims=True))
    predicted = []
    for row in test:
        at = [columns[word] for word in WORD.findall(row.text.lower()) if word in columns]
        predicted.append(names[int((np.log(priors) + chances[:, at].sum(axis=1)).argmax())])
    return predicted


def run(args: argparse.Namespace) -> None:
    set_threads(args.threads)
    rows = labelled_set(args.data, args.cap, args.per_document, args.least, args.seed)
    counts = {side: Counter(row.labels[0] for row in its) for side, its in rows.items()}
    names = sorted(counts["train"])
    print(
        table(["source", *SIDES], [[name, *(counts[side][name] for side in SIDES)] for name in names]),
        flush=True,
    )
    truth = {side: [row.labels for row in its] for side, its in rows.items()}
    flat = [label for (label,) in truth["test"]]
    base = majority(truth["train"], truth["test"], bio=False)
    start = time.monotonic()
    bayes = classes(flat, naive_bayes(rows["train"], rows["test"]))
    results = {"majority": (base, None, 0.0), "naive Bayes on words": (bayes, None, time.monotonic() - start)}
    for name in args.checkpoint:
        held = load_checkpoint(args.data, name)
        for probe in (True, False):
            options = Options(
                "classify", epochs=args.probe_epochs if probe else args.epochs, probe=probe, seed=args.seed,
                learning_rate=args.learning_rate, balanced=True,
            )  # fmt: skip
            start = time.monotonic()
            tuning = Tuning(held, tokenizer_for(held, args.data, None), rows, options)
            figures = tuning.fit(
                lambda e: print(
                    f"  epoch {e['epoch']}  loss {e['loss']:.4f}  {e['validation']['macro_f1']:.4f}",
                    flush=True,
                )
            )
            what = f"{'probe of' if probe else 'tuned'} {name} (step {held.step})"
            results[what] = (figures["test"], figures["best_epoch"], time.monotonic() - start)
            print(
                f"{what}: {figures['test']['accuracy']:.4f}, {tuning.longer['train']} texts cut", flush=True
            )
    head = ["on the test side", "accuracy", "macro-F1", "best epoch", "seconds"]
    print(
        table(head, [[n, r["accuracy"], r["macro_f1"], e, round(s, 1)] for n, (r, e, s) in results.items()])
    )
    per_class = [
        [name, *(r["classes"].get(name, {}).get("f1") for r, _, _ in results.values())] for name in names
    ]
    print(table(["F1 of a source", *results], per_class))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="a corpus with mixture.json, shards and model"
    )
    parser.add_argument("--checkpoint", nargs="+", default=["latest", "init"], help="which to compare")
    parser.add_argument("--cap", type=int, default=400, help="paragraphs of a source, all sides together")
    parser.add_argument("--per-document", type=int, default=10, help="paragraphs of a document")
    parser.add_argument(
        "--least", type=int, default=5, help="paragraphs that a source must have on each side"
    )
    parser.add_argument("--epochs", type=int, default=4, help="of full fine-tuning")
    parser.add_argument("--probe-epochs", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, help="of full fine-tuning")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    try:
        run(parser.parse_args(arguments))
        return 0
    except PileCurateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
