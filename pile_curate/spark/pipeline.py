"""Run the stages in order: the whole flow on one screen.

    raw dumps -> extract -> annotate -> decide -> dedup -> edits -> select -> metadata -> shard -> tokenize
      -> mix -> report

Each stage is skipped when its fingerprint says that nothing it depends on has changed, so a second run
of a finished recipe opens no Spark session at all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pile_curate.errors import SetupError
from pile_curate.recipe import Recipe, load_recipe
from pile_curate.sources import SOURCES
from pile_curate.spark import (
    annotate,
    decide,
    dedup,
    edits,
    extract,
    metadata,
    mix,
    report,
    select,
    shard,
    tokenize,
)
from pile_curate.spark.session import open_session
from pile_curate.spark.stage import Context, Stage, StageRun, run_stage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STAGES: tuple[Stage, ...] = (
    extract.STAGE,
    annotate.STAGE,
    decide.STAGE,
    dedup.STAGE,
    edits.STAGE,
    select.STAGE,
    metadata.STAGE,
    shard.STAGE,
    tokenize.STAGE,
    mix.STAGE,
    report.STAGE,
)
"""The order of the flow. Decontamination will stand between annotate and decide."""

BY_NAME = {stage.name: stage for stage in STAGES}


@dataclass(frozen=True)
class RunResult:
    """How a run went, stage by stage."""

    out: str
    stages: tuple[StageRun, ...]
    seconds: float

    @property
    def up_to_date(self) -> bool:
        """Whether there was nothing to do."""
        return all(stage.outcome == "up to date" for stage in self.stages)


def read_recipe(path: str, inputs: Mapping[str, str] | None = None) -> Recipe:
    """Load a recipe with the options of every known source format; all problems are reported at once."""
    formats = {name: fmt.Options for name, fmt in SOURCES.items()}
    prose = {name: fmt.prose for name, fmt in SOURCES.items()}
    return load_recipe(path, formats=formats, prose=prose, inputs=dict(inputs or {}))


def make_context(
    recipe: Recipe | str,
    out: str,
    *,
    spark: SparkSession | None = None,
    master: str | None = None,
    partitions: int | None = None,
    update: bool = False,
    verify_inputs: bool = False,
    inputs: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> Context:
    """Return the context that stages run in; the recipe may be a path or a loaded recipe."""
    loaded = read_recipe(recipe, inputs) if isinstance(recipe, str) else recipe
    if "://" in out:
        raise SetupError(
            f"--out {out}: write to a local or shared folder; object stores are read, not yet written."
        )
    if partitions is not None and partitions < 1:
        raise SetupError(f"--partitions {partitions}: give a whole number from 1")
    absolute = os.path.abspath(out)
    os.makedirs(absolute, exist_ok=True)
    return Context(
        recipe=loaded,
        out=absolute,
        open_session=(lambda: spark) if spark is not None else (lambda: open_session(master)),
        partitions=partitions,
        update=update,
        verify_inputs=verify_inputs,
        quiet=quiet,
    )


def chosen(until: str | None = None, only: str | None = None) -> tuple[Stage, ...]:
    """Return the stages up to ``until``, or ``only`` one."""
    for name in (until, only):
        if name is not None and name not in BY_NAME:
            raise SetupError(f"no stage {name!r}; there are: {', '.join(BY_NAME)}")
    if only is not None:
        return (BY_NAME[only],)
    if until is not None:
        return STAGES[: [s.name for s in STAGES].index(until) + 1]
    return STAGES


def run(
    recipe: Recipe | str = "",
    out: str = "",
    *,
    spark: SparkSession | None = None,
    master: str | None = None,
    partitions: int | None = None,
    update: bool = False,
    verify_inputs: bool = False,
    until: str | None = None,
    only: str | None = None,
    inputs: Mapping[str, str] | None = None,
    quiet: bool = False,
    context: Context | None = None,
) -> RunResult:
    """Run a recipe into ``out`` and return what each stage did.

    Give ``spark`` to use an existing session (notebooks, hosted Spark), or a ``context`` made before to run
    several times in one session. Raises a ``PileCurateError`` that says what to do; finished stages stay
    finished.
    """
    stages = chosen(until, only)
    if context is None:
        context = make_context(
            recipe,
            out,
            spark=spark,
            master=master,
            partitions=partitions,
            update=update,
            verify_inputs=verify_inputs,
            inputs=inputs,
            quiet=quiet,
        )
    started = time.monotonic()
    done = tuple(run_stage(stage, context) for stage in stages)
    return RunResult(context.out, done, time.monotonic() - started)


__all__ = ["BY_NAME", "STAGES", "RunResult", "make_context", "read_recipe", "run"]
