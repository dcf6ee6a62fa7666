"""Share the command line of the jobs: one recipe, one output directory, one stage or all of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pile_curate.errors import PileCurateError, SetupError


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the arguments that every job takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("recipe", help="the recipe, a YAML file")
    made.add_argument("--out", required=True, help="directory of the corpus; made if missing")
    made.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="root of a source's paths (repeatable)",
    )
    made.add_argument("--partitions", type=int, help="tasks of a map stage (default: three a core)")
    made.add_argument(
        "--update", action="store_true", help="replace finished datasets whose recipe or input changed"
    )
    made.add_argument(
        "--verify-inputs", action="store_true", help="hash every raw file again before trusting it"
    )
    return made


def parse_inputs(pairs: Sequence[str]) -> dict[str, str]:
    """Return ``{"NAME": "DIR"}`` from ``NAME=DIR`` arguments; raises ``SetupError`` for anything else."""
    inputs = {}
    for pair in pairs:
        name, sep, directory = pair.partition("=")
        if not (sep and name and directory):
            raise SetupError(f"--input {pair!r}: write NAME=DIR, for instance wikipedia=/data/wiki")
        inputs[name] = directory
    return inputs


def run_job(description: str, stage: str | None, argv: Sequence[str] | None = None) -> int:
    """Run one stage (or all, if None) under ``spark-submit`` and return the exit status."""
    args = parser(description).parse_args(argv)
    try:
        from pile_curate.spark.pipeline import run

        result = run(
            args.recipe,
            args.out,
            only=stage,
            inputs=parse_inputs(args.input),
            partitions=args.partitions,
            update=args.update,
            verify_inputs=args.verify_inputs,
        )
    except PileCurateError as err:
        print(f"{err.code}: {err}", file=sys.stderr)
        return err.exit_status
    for seen in result.stages:
        print(f"{seen.stage}: {seen.outcome}, {seen.rows} rows, digest {seen.digest}, {seen.seconds:.1f} s")
    return 0
