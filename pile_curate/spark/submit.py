"""Share the command line of the jobs: one recipe, one output directory, one stage or all of them.

And, with ``pile-curate``, how a failure is told: one message that says what to do, an exit status, no
traceback unless asked for.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence

from pile_curate import errors
from pile_curate.errors import PileCurateError, SetupError

_WORKER = re.compile(r"^(?:[\w.]+\.)?([A-Z]\w*)(?:: (.*))?\Z", re.MULTILINE | re.DOTALL)
"""The end of a Python traceback: the exception's class and what it says, to the end of the text."""


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


def explain(err: BaseException) -> tuple[str, str, int]:
    """Return a failure's code, message and exit status; one raised in a worker counts as if raised here.

    >>> explain(SetupError("no Java"))
    ('SETUP', 'no Java', 2)
    """
    if isinstance(err, PileCurateError):
        return err.code, str(err), err.exit_status
    if isinstance(err, ModuleNotFoundError):
        text = f"the package {err.name!r} is not installed; `pile-curate doctor` says what else is missing."
        return SetupError.code, text, SetupError.exit_status
    if isinstance(err, OSError):
        return "SYSTEM", f"{type(err).__name__}: {err}", 1
    text = str(err)
    if type(err).__name__ in ("PythonException", "Py4JJavaError"):
        _, marker, traceback = text.rpartition("Traceback (most recent call last):\n")
        # The traceback's own lines are indented; the first that is not begins the exception.
        told = re.sub(r"\A(?:[ \t]+.*\n)+", "", traceback.partition("\n\tat ")[0])
        found = _WORKER.match(told) if marker else None
        if found is not None:
            name, message = found.group(1), (found.group(2) or "").strip()
            kind = getattr(errors, name, None)
            if isinstance(kind, type) and issubclass(kind, PileCurateError):
                return kind.code, message, kind.exit_status
            return "WORKER", f"{name}: {message}", 1
        lines = [line for line in text.splitlines() if line and not line.startswith("\tat ")]
        told = (lines[1:2] or lines[:1] or [""])[0].removeprefix(": ")
        return "SPARK", told.replace("org.apache.spark.SparkException: ", ""), 1
    return "UNEXPECTED", f"{type(err).__name__}: {text}", 1


def guarded(call: Callable[[], int], *, debug: bool = False) -> int:
    """Return what ``call`` returns; print a failure as one message and return its exit status.

    With ``debug`` the exception goes on, traceback and all.
    """
    try:
        return call()
    except BrokenPipeError:
        # The reader of our output went away (`| head`); that is not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted; finished stages stay finished, run the same again to go on", file=sys.stderr)
        return 130
    except Exception as err:
        if debug:
            raise
        code, message, status = explain(err)
        hint = "" if isinstance(err, PileCurateError) else " (PILE_CURATE_DEBUG=1 shows the traceback)"
        print(f"{code}: {message}{hint}", file=sys.stderr)
        return status


def debugging() -> bool:
    """Return whether the environment asks for tracebacks."""
    return os.environ.get("PILE_CURATE_DEBUG", "") not in ("", "0")


def run_job(description: str, stage: str | None, argv: Sequence[str] | None = None) -> int:
    """Run one stage (or all, if None) under ``spark-submit`` and return the exit status."""
    args = parser(description).parse_args(argv)
    return guarded(lambda: _run_job(args, stage), debug=debugging())


def _run_job(args: argparse.Namespace, stage: str | None) -> int:
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
    for seen in result.stages:
        print(f"{seen.stage}: {seen.outcome}, {seen.rows} rows, digest {seen.digest}, {seen.seconds:.1f} s")
    return 0
