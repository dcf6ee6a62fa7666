"""Dedup: which eligible documents repeat an earlier kept one, exactly or nearly, each verdict verified."""

from __future__ import annotations

import os
from typing import Any

from pile_curate import schema
from pile_curate.dedup import DedupSettings, local
from pile_curate.dedup.minhash import MINHASH_VERSION
from pile_curate.manifest import Attempt, FileEntry, Manifest
from pile_curate.recipe import Recipe
from pile_curate.spark import runner
from pile_curate.spark.stage import Context, Result, Stage
from pile_curate.spark.survivors import SURVIVORS_VERSION, clear, find_duplicates
from pile_curate.tables import PartWriter, part_name

LOCAL_DOCUMENTS = int(os.environ.get("PILE_CURATE_LOCAL_DEDUP", local.DOCUMENTS))
"""Eligible documents up to which dedup runs in one process; 0 sends everything to Spark. Results are equal."""


def settings_of(recipe: Recipe) -> DedupSettings | None:
    """Return the recipe's dedup settings with its sources' priorities and groups, or None if dedup is off."""
    rules = recipe.dedup_rules
    if rules is None:
        return None
    sources = {name: recipe.settings(name) for name in recipe.names}
    return DedupSettings(
        threshold=rules.threshold,
        ngram=rules.ngram,
        permutations=rules.permutations,
        bands=rules.bands,
        rows=rules.rows,
        minimum_agreement=rules.minimum_agreement,
        cap=rules.cap,
        scope=rules.scope,
        keep=rules.keep,
        seed=rules.seed,
        priorities={name: s.priority for name, s in sources.items()},
        groups={name: s.group for name, s in sources.items()},
    )


def _work(context: Context, attempt: Attempt) -> Result:
    settings = settings_of(context.recipe)
    if settings is None:
        return Result([], {"off": True})
    entries, facts = _small(context, attempt, settings) or _large(context, attempt, settings)
    about = {"verified": True, "threshold": settings.threshold, "minimum_agreement": settings.agreement}
    return Result(entries, {**facts, **about})


def _small(
    context: Context, attempt: Attempt, settings: DedupSettings
) -> tuple[list[FileEntry], dict[str, Any]] | None:
    """Walk in this process if the corpus is small enough; return None if it is not."""
    decided = context.manifest("eligibility")
    dropped = sum(count for rules in decided.facts["dropped"].values() for count in rules.values())
    if decided.rows - dropped > LOCAL_DOCUMENTS:
        return None
    eligibility = context.files("eligibility", "main")
    annotations = context.files("annotations", "main")
    found = local.find_duplicates(
        annotations, eligibility, documents=context.path("documents"), settings=settings
    )
    if found is None:
        return None
    if not found.rows:
        return [], found.facts
    with PartWriter(attempt.directory, part_name(0), schema.DUPLICATES) as writer:
        writer.write(found.rows)
    return [writer.close()], found.facts


def _large(
    context: Context, attempt: Attempt, settings: DedupSettings
) -> tuple[list[FileEntry], dict[str, Any]]:
    """Find the duplicates on Spark."""
    scratch = os.path.join(attempt.directory, "scratch")
    os.makedirs(scratch, exist_ok=True)
    spark = context.spark
    spark.sparkContext.setJobDescription("dedup")
    with runner.Progress(spark, "dedup", 0):
        found = find_duplicates(
            spark,
            context.files("annotations", "main"),
            context.files("eligibility", "main"),
            documents=context.path("documents"),
            settings=settings,
            scratch=scratch,
        )
    entries = runner.write_frame(found.frame, schema.DUPLICATES, attempt.directory, "duplicates")
    clear(scratch)
    return entries, {"engine": "spark", **found.facts}


def _state(context: Context, previous: Manifest | None) -> Any:
    return {"minhash": MINHASH_VERSION, "survivors": SURVIVORS_VERSION}


STAGE = Stage("dedup", "duplicates", 1, ("documents", "annotations", "eligibility"), _work, _state)
