"""Tokenize: train or load the tokenizer, then one token part for each Parquet shard.

The tokenizer's sample is drawn from the train split by doc_id hash, so neither weights nor the number
of workers change it. A shard whose sha256 and tokenizer are those of the last run keeps its part.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pile_curate import hashing, manifest
from pile_curate.manifest import Attempt, FileEntry, Manifest
from pile_curate.spark import runner
from pile_curate.spark.stage import Context, Result, Stage, file_entry


@dataclass(frozen=True)
class TokenTask:
    """One Parquet shard and where its token part goes."""

    path: str
    source: str
    split: str
    key: str
    dataset: str
    prefix: str
    tokenizer: str
    sha256: str


def _group(tasks: Sequence[TokenTask]) -> list[FileEntry]:
    from pile_curate.shards.tokenizer import load_tokenizer, tokenize_shard

    entries: list[FileEntry] = []
    for task in tasks:
        os.makedirs(os.path.dirname(task.prefix), exist_ok=True)
        entries += tokenize_shard(
            task.path,
            task.prefix,
            load_tokenizer(task.tokenizer, task.sha256),
            root=task.dataset,
            source=task.source,
            split=task.split,
            facts={"key": task.key},
        )
    return entries


def _sample_group(task: tuple[Sequence[str], int, int]) -> list[tuple[bytes, int]]:
    from pile_curate.shards.tokenizer import Sample, read_texts

    paths, seed, budget = task
    drawn = Sample(seed, budget)
    for path in paths:
        for ids, texts in read_texts(path):
            for doc_id, text in zip(ids, texts, strict=True):
                drawn.add(bytes.fromhex(doc_id), len(text.encode()))
    return drawn.rows()


def _texts_group(task: tuple[Sequence[str], frozenset[str]]) -> list[tuple[str, str]]:
    from pile_curate.shards.tokenizer import read_texts

    paths, wanted = task
    found: list[tuple[str, str]] = []
    for path in paths:
        for ids, texts in read_texts(path):
            found += [pair for pair in zip(ids, texts, strict=True) if pair[0] in wanted]
    return found


def train(context: Context, shards: Sequence[FileEntry], path: str) -> str:
    """Train the tokenizer on the deterministic sample, write it to ``path`` and return its sha256."""
    from pile_curate.errors import MixtureError
    from pile_curate.shards.tokenizer import Sample, save_tokenizer, train_tokenizer

    settings = context.recipe.tokenizer.training
    if settings is None:
        raise ValueError("the recipe gives a tokenizer; there is nothing to train")
    chosen = [f for f in shards if f.table == "train"]
    root = context.path("shards")
    groups = runner.pack(
        [os.path.join(root, f.path) for f in chosen], [f.bytes for f in chosen], context.bins
    )
    seed, budget = context.recipe.seed, settings.sample_bytes
    drawn = runner.run_tasks(
        context.spark,
        [[(group, seed, budget)] for group in groups],
        lambda g: _sample_group(g[0]),
        "tokenize: sample",
    )
    order = [doc_id.hex() for doc_id, _ in Sample(seed, budget).merge(drawn).rows()]
    if not order:
        raise MixtureError(
            "no document of the train split is left to train a tokenizer on; look at the table of drops and loosen the rules."
        )
    wanted = frozenset(order)
    found = runner.run_tasks(
        context.spark, [[(group, wanted)] for group in groups], lambda g: _texts_group(g[0]), "tokenize: read"
    )
    texts = dict(pair for pairs in found for pair in pairs)
    return save_tokenizer(train_tokenizer((texts[name] for name in order), settings.vocab_size), path)


def _work(context: Context, attempt: Attempt) -> Result:
    from pile_curate.shards.tokenizer import load_tokenizer

    recipe = context.recipe
    shards = [f for f in context.manifest("shards").files if f.facts.get("format") == "parquet"]
    previous = manifest.find(context.path("tokens"))
    path = os.path.join(attempt.directory, "tokenizer.json")
    if recipe.tokenizer.training is not None:
        train(context, shards, path)
    else:
        given = recipe.resolve(str(recipe.tokenizer.path))
        load_tokenizer(given, recipe.tokenizer.sha256)
        shutil.copyfile(given, path)
    loaded = load_tokenizer(path)
    reusable: dict[str, list[FileEntry]] = {}
    for file in previous.files if previous else ():
        if "key" in file.facts:
            reusable.setdefault(file.facts["key"], []).append(file)
    entries: list[FileEntry] = []
    tasks: list[TokenTask] = []
    for shard in shards:
        source, split = shard.facts["source"], shard.table
        key = hashing.fingerprint([shard.sha256, loaded.sha256, source, split])
        if key in reusable:
            entries += reusable[key]
            continue
        prefix = os.path.join(attempt.directory, split, source, uuid.uuid4().hex[:16])
        tasks.append(
            TokenTask(
                os.path.join(context.path("shards"), shard.path),
                source,
                split,
                key,
                context.path("tokens"),
                prefix,
                path,
                loaded.sha256,
            )  # fmt: skip
        )
    reused = len(shards) - len(tasks)
    groups = runner.pack(tasks, [os.path.getsize(t.path) for t in tasks], context.bins) if tasks else []
    for found in runner.run_tasks(context.spark, groups, _group, "tokenize") if groups else []:
        entries += found
    entries.append(file_entry(attempt, path, rows=0, table="tokenizer"))
    facts: dict[str, Any] = {
        "tokenizer": {
            "path": attempt.relative(path),
            "sha256": loaded.sha256,
            "vocab_size": loaded.vocab_size,
            "eos_id": loaded.eos_id,
        },
        "parts": len(shards),
        "reused": reused,
    }
    return Result(entries, facts)


def _state(context: Context, previous: Manifest | None) -> Any:
    from pile_curate.shards.tokenizer import TOKENIZER_VERSION

    return {"tokenizer": TOKENIZER_VERSION}


STAGE = Stage("tokenize", "tokens", 1, ("shards",), _work, _state)
