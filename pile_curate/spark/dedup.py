"""Dedup: which eligible documents repeat an earlier kept one, exactly or nearly, each verdict verified."""

from __future__ import annotations

import os
from typing import Any

from pile_curate.dedup import DedupSettings, excerpts, local
from pile_curate.dedup.lsh import curve
from pile_curate.dedup.minhash import MINHASH_VERSION
from pile_curate.dedup.parts import Part
from pile_curate.dedup.planted import plant
from pile_curate.dedup.results import Output
from pile_curate.errors import SetupError
from pile_curate.manifest import Attempt, Manifest
from pile_curate.recipe import Recipe
from pile_curate.row_files import RowSplit
from pile_curate.row_parquet import listed
from pile_curate.spark import survivors
from pile_curate.spark.stage import Context, Result, Stage
from pile_curate.urls import URLS_VERSION

ENGINES = ("auto", "spark", "local")


def engine() -> str:
    """Return which engine the environment asks for (``PILE_CURATE_DEDUP_ENGINE``); results are equal."""
    wanted = os.environ.get("PILE_CURATE_DEDUP_ENGINE", "auto")
    if wanted not in ENGINES:
        raise SetupError(f"PILE_CURATE_DEDUP_ENGINE is {wanted!r}; allowed: {', '.join(ENGINES)}")
    return wanted


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
        verify=rules.verify,
        urls=rules.urls,
        priorities={name: s.priority for name, s in sources.items()},
        groups={name: s.group for name, s in sources.items()},
    )


def parts_of(context: Context, settings: DedupSettings) -> list[Part]:
    """Return the corpus as dedup reads it: annotations with the eligibility and the texts of the same rows."""
    judged = {file.facts["part"]: file for file in context.manifest("eligibility").select("main")}
    parts = []
    for number, file in enumerate(context.manifest("annotations").select("main")):
        part = file.facts["part"]
        path = os.path.join(context.path("documents"), part)
        texts = listed(path, part, os.path.getsize(path), 0)
        parts.append(
            Part(
                number=number,
                annotations=os.path.join(context.path("annotations"), file.path),
                rows=file.rows,
                texts=RowSplit(texts, 0, len(texts.groups), 0),
                eligibility=os.path.join(context.path("eligibility"), judged[part].path),
                urls=path if settings.urls else None,
            )
        )
    return parts


def _work(context: Context, attempt: Attempt) -> Result:
    settings = settings_of(context.recipe)
    if settings is None:
        return Result([], {"off": True})
    parts = parts_of(context, settings)
    scratch = os.path.join(attempt.directory, "scratch")
    chosen = engine()
    if chosen == "auto":
        size = sum(f.facts.get("text_bytes", f.bytes) for f in context.manifest("documents").select("main"))
        small = size <= local.BYTES and sum(part.rows for part in parts) <= local.DOCUMENTS
        chosen = "local" if small else "spark"
    output = Output(attempt.directory)
    if chosen == "local":
        found = local.find_duplicates(parts, settings=settings, scratch=scratch, output=output)
    else:
        found = survivors.find_duplicates(
            context.spark,
            parts,
            settings=settings,
            scratch=scratch,
            output=output,
            partitions=context.partitions,
        )
    survivors.clear(scratch)
    sample = excerpts.sample(parts, settings)
    about = {
        "largest_clusters": excerpts.describe(found.largest, parts, hexadecimal=True),
        "planted": plant(sample, settings, seed=settings.seed),
        "curve": curve(settings.bands, settings.rows, settings.agreement, settings.permutations),
        "engine": chosen,
        "verified": settings.verify == "exact",
        "verify": settings.verify,
        "threshold": settings.threshold,
        "minimum_agreement": settings.agreement,
    }
    return Result(sorted(found.entries, key=lambda entry: entry.path), {**found.facts, **about})


def _state(context: Context, previous: Manifest | None) -> Any:
    return {"minhash": MINHASH_VERSION, "survivors": survivors.SURVIVORS_VERSION, "urls": URLS_VERSION}


STAGE = Stage("dedup", "duplicates", 2, ("documents", "annotations", "eligibility"), _work, _state)
