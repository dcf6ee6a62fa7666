"""Mix: from token and byte counts and the recipe's wishes to a checked plan in ``mixture.json``."""

from __future__ import annotations

import json
import os
from typing import Any

from pile_curate.files import atomic_write
from pile_curate.manifest import Attempt, Manifest
from pile_curate.mix import Ask, SourceCounts, SplitCounts, build_mixture, plan
from pile_curate.spark.stage import Context, Result, Stage, file_entry


def counts_of(context: Context) -> list[SourceCounts]:
    """Return documents, bytes and tokens of each source and split, from the token parts' facts."""
    seen: dict[str, dict[str, list[int]]] = {spec.name: {} for spec in context.recipe.sources}
    for file in context.manifest("tokens").select("bin"):
        facts = file.facts
        entry = seen[facts["source"]].setdefault(facts["split"], [0, 0, 0])
        for index, name in enumerate(("documents", "text_bytes", "tokens")):
            entry[index] += facts[name]
    return [
        SourceCounts(name, {split: SplitCounts(*numbers) for split, numbers in sorted(splits.items())})
        for name, splits in seen.items()
    ]


def _shards(context: Context) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for file in context.manifest("shards").files:
        if "source" in file.facts:
            found.setdefault(file.facts["source"], []).append(
                {
                    "path": f"shards/{file.path}",
                    "split": file.table,
                    "format": file.facts["format"],
                    "rows": file.rows,
                    "bytes": file.bytes,
                    "sha256": file.sha256,
                }
            )
    return found


def _parts(context: Context) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return by source and split the token parts: prefix, counts and the sha256 of each of their files."""
    tokens = context.manifest("tokens")
    sha = {file.path: file.sha256 for file in tokens.files}
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for file in tokens.select("bin"):
        prefix = file.path.removesuffix(".bin")
        found.setdefault(file.facts["source"], {}).setdefault(file.facts["split"], []).append(
            {
                "prefix": f"tokens/{prefix}",
                "documents": file.facts["documents"],
                "tokens": file.facts["tokens"],
                "text_bytes": file.facts["text_bytes"],
                "bin_sha256": sha[prefix + ".bin"],
                "idx_sha256": sha[prefix + ".idx"],
                "docs_sha256": sha[prefix + ".docs.parquet"],
            }
        )
    return found


def _left_out(context: Context, counts: list[SourceCounts]) -> dict[str, str]:
    """Return the sources that the licence rule or the opt-out list emptied, and why: the others share their weight.

    A source that is empty for another reason stays, and is the planner's error.
    """
    dropped = context.manifest("eligibility").facts["dropped"]
    found: dict[str, str] = {}
    for source in counts:
        rules = dropped.get(source.name, {})
        policies = {rule: rules[rule] for rule in ("opt_out", "licence") if rules.get(rule)}
        if policies and not source.train.documents:
            found[source.name] = ", ".join(
                f"{rule} dropped {count} documents" for rule, count in policies.items()
            )
    return found


def _work(context: Context, attempt: Attempt) -> Result:
    recipe = context.recipe
    counts = counts_of(context)
    left_out = _left_out(context, counts)
    asks = [
        Ask(spec.name, weight=spec.weight, epochs=spec.epochs, tokens=spec.tokens)
        for spec in recipe.sources
        if spec.name not in left_out
    ]
    planned = plan(
        [source for source in counts if source.name not in left_out],
        asks,
        unit=recipe.mixture.unit,
        total=recipe.mixture.total,
        max_epochs=recipe.mixture.max_epochs,
    )
    tokens = context.manifest("tokens")
    tokenizer = {**tokens.facts["tokenizer"]}
    tokenizer["path"] = f"tokens/{tokenizer['path']}"
    document = build_mixture(
        recipe,
        planned,
        shards=_shards(context),
        parts=_parts(context),
        licences=context.manifest("metadata").facts["licences"],
        tokenizer=tokenizer,
        left_out=left_out,
    )
    path = os.path.join(attempt.directory, "mixture.json")
    atomic_write(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
    return Result(
        [file_entry(attempt, path, rows=len(planned.rows))],
        {"digest": document["digest"]},
        digest=document["digest"],
    )


def _publish(context: Context, committed: Manifest) -> None:
    """Copy the committed mixture to where people look for it."""
    source = committed.paths(context.path("mixture"))[0]
    target = os.path.join(context.out, "mixture.json")
    with open(source, "rb") as stream:
        data = stream.read()
    atomic_write(target, data)


def mixture_of(context: Context) -> dict[str, Any]:
    """Return the committed mixture."""
    with open(context.files("mixture")[0], encoding="utf-8") as stream:
        found: dict[str, Any] = json.load(stream)
    return found


STAGE = Stage("mix", "mixture", 1, ("eligibility", "shards", "tokens", "metadata"), _work, publish=_publish)
