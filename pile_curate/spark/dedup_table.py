"""Run ``dedup.table`` on Spark or in this process, for ``pile-curate dedup`` and ``jobs/dedup.py``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pile_curate.dedup import DedupSettings
from pile_curate.dedup.options import ENGINES, job_of
from pile_curate.dedup.parts import Part
from pile_curate.dedup.results import Found, Output
from pile_curate.dedup.table import LocalEngine, TableJob, dedup_table
from pile_curate.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

T = TypeVar("T")
R = TypeVar("R")


class SparkEngine:
    """Hand every step to Spark."""

    name = "spark"

    def __init__(self, spark: SparkSession, partitions: int | None = None) -> None:
        from pile_curate.spark.session import worker_cores

        self.spark, self.partitions = spark, partitions
        self.bins = partitions or 3 * worker_cores(spark)

    def run(self, groups: Sequence[Sequence[T]], work: Callable[[Sequence[T]], R], label: str) -> list[R]:
        """Return ``work(group)`` of each group, one Spark task each."""
        from pile_curate.spark.runner import run_tasks

        return run_tasks(self.spark, groups, work, label)

    def find(self, parts: Sequence[Part], settings: DedupSettings, scratch: str, output: Output) -> Found:
        """Find the duplicates (``spark.survivors``)."""
        from pile_curate.spark.survivors import find_duplicates

        return find_duplicates(
            self.spark, parts, settings=settings, scratch=scratch, output=output, partitions=self.partitions
        )


def run(args: argparse.Namespace, spark: SparkSession | None = None) -> int:
    """Run the command: deduplicate, print the summary, return the exit status."""
    from pile_curate.compiled import cold
    from pile_curate.dedup.lsh import render_curve
    from pile_curate.dedup.summary import render

    job = job_of(args)

    def say(text: str) -> None:
        if not args.quiet:
            print(text, file=sys.stderr, flush=True)

    if cold():
        say("compiling the kernels for this machine, once: about half a minute")
    s = job.settings
    say(render_curve(s.bands, s.rows, s.agreement, s.permutations))
    summary = deduplicate(job, master=args.master, partitions=args.partitions, spark=spark, say=say)
    if summary.get("up_to_date"):
        say(f"{job.output}: up to date")
    if not args.quiet:
        print(render(summary))
        print(f"\nkept rows: {os.path.join(job.output, 'data')}")
    return 0


def deduplicate(
    job: TableJob,
    *,
    master: str | None = None,
    partitions: int | None = None,
    spark: SparkSession | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Deduplicate a table with the engine that the job names, or the one that suits its size."""

    def make(name: str) -> Any:
        if name == "local":
            return LocalEngine()
        if name != "spark":
            raise InputError(f"engine {name!r}; allowed: {', '.join(ENGINES)}")
        from pile_curate.spark.session import open_session

        return SparkEngine(spark or open_session(master), partitions)

    return dedup_table(job, make, say)
