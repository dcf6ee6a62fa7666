"""The command ``pile-curate``: thin, one function a subcommand, heavy imports only where they are used."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from pile_curate import __version__
from pile_curate.errors import PileCurateError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pile-curate",
        description="Build your own Pile: raw public dumps in; a curated, deduplicated, mixed and tokenised corpus out.",
    )
    parser.add_argument("--version", action="version", version=f"pile-curate {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, call: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        made.set_defaults(call=call)
        return made

    demo = command(
        "demo", "Build a mini-Pile from raw dumps, train a tiny GPT on it, print the report.", _demo
    )
    demo.add_argument("--out", default="build/demo", help="directory of the corpus (default: %(default)s)")
    demo.add_argument("--master", help="Spark master (default: every core of this machine)")

    run = command("run", "Run a recipe: every stage in order, finished ones skipped.", _run)
    run.add_argument("recipe", help="the recipe, a YAML file")
    run.add_argument("--out", required=True, help="directory of the corpus; made if missing")
    run.add_argument("--master", help="Spark master (default: local[*,4])")
    run.add_argument("--partitions", type=int, help="tasks of a map stage (default: three a core)")
    run.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="root of a source's paths (*=DIR: of every source's)",
    )
    run.add_argument("--update", action="store_true", help="replace datasets whose recipe or input changed")
    run.add_argument(
        "--verify-inputs", action="store_true", help="hash every raw file again before trusting it"
    )
    which = run.add_mutually_exclusive_group()
    which.add_argument("--until", metavar="STAGE", help="stop after this stage")
    which.add_argument("--only", metavar="STAGE", help="run this stage alone")
    run.add_argument(
        "--train", action="store_true", help="train and evaluate the recipe's reference model, then report"
    )

    fetch = command("fetch", "Download a source's public raw dumps, politely and resumably.", _fetch)
    _fetch_arguments(fetch)

    dedup = command("dedup", "Remove duplicates from any table of Parquet or JSON lines.", _dedup)
    _dedup_arguments(dedup)

    verify = command("verify", "Re-read finished datasets and prove their manifests.", _verify)
    verify.add_argument("directory", help="a corpus, or one dataset of it")
    verify.add_argument("--deep", action="store_true", help="recompute every sha256, row count and digest")

    why = command("why", "Say why a document is, or is not, in the corpus.", _why)
    why.add_argument("doc_id", help="a document's id in hexadecimal, or the first digits of it")
    why.add_argument("--out", required=True, help="directory of the corpus")

    table = command("table", "Print the report's figures as a table.", _table)
    table.add_argument("--out", required=True, help="directory of the corpus")

    export = command(
        "materialize", "Export the upsampled, shuffled mixture for other trainers.", _materialize
    )
    export.add_argument("--out", required=True, help="directory of the corpus")
    export.add_argument("--to", required=True, help="directory of the export; must not exist")
    export.add_argument(
        "--format", choices=("jsonl", "parquet"), default="jsonl", help="default: %(default)s"
    )
    export.add_argument("--seed", type=int, default=0, help="seed of the shuffle (default: %(default)s)")
    export.add_argument("--master", help="Spark master (default: local[*,4])")

    sources = command(
        "sources", "List the raw formats: origin, licence, consent, size, how they split.", _sources
    )
    sources.add_argument("format", nargs="?", help="one format, with its options and an entry for a recipe")
    sources.add_argument("--json", action="store_true", help="print as JSON")
    command("recipe", "Print a recipe of The Pile's 22 components, to begin your own with.", _recipe)
    command("stages", "List the stages in order, with what they read and write.", _stages)
    command("env", 'Print shell lines for a plain spark-submit: eval "$(pile-curate env)".', _env)
    command("doctor", "Say what was found on this machine and how to mend what is missing.", _doctor)
    return parser


def _run(args: argparse.Namespace) -> int:
    from pile_curate.spark.pipeline import make_context, run
    from pile_curate.spark.submit import parse_inputs

    inputs = parse_inputs(args.input)
    context = make_context(
        args.recipe,
        args.out,
        master=args.master,
        partitions=args.partitions,
        update=args.update,
        verify_inputs=args.verify_inputs,
        inputs=inputs,
    )
    result = run(context=context, until=args.until, only=args.only)
    if result.up_to_date:
        print(f"{result.out}: everything is up to date ({result.seconds:.1f} s)")
    if args.train:
        _train(result.out)
        run(context=context, only="report")
    return _show(result.out) if not (args.until or args.only) else 0


def _train(out: str) -> None:
    """Train and evaluate the reference model in processes of their own, so that Spark's memory and torch's do not meet."""
    for module, extra in (
        ("trainer.train", ["--fresh"]),
        ("trainer.evaluate", ["--checkpoint", "init", "--label", "before"]),
        ("trainer.evaluate", ["--checkpoint", os.path.join(out, "model", "latest"), "--label", "after"]),
    ):
        _call_trainer(module, out, extra)


def _call_trainer(module: str, out: str, extra: list[str]) -> None:
    command = [sys.executable, "-m", module, "--data", out, *extra]
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        raise PileCurateError(f"{module} ended with status {done.returncode}; its message stands above")


def _show(out: str) -> int:
    from pile_curate.report import terminal_table
    from pile_curate.spark.report import collect

    print(terminal_table(collect(out)))
    print(f"report: {os.path.join(out, 'report', 'index.html')}")
    return 0


def _demo(args: argparse.Namespace) -> int:
    from pathlib import Path

    from pile_curate.demo import build_demo
    from pile_curate.spark.pipeline import make_context, run
    from pile_curate.spark.session import SHORT_RUN

    os.environ.setdefault("PILE_CURATE_JVM_OPTIONS", SHORT_RUN)

    out = os.path.abspath(args.out)
    raw = Path(out) / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    recipe = build_demo(raw)
    print(f"recipe: {recipe}", file=sys.stderr)
    context = make_context(str(recipe), out, master=args.master, update=True)
    curated = run(context=context, until="mix")
    if not curated.up_to_date or not os.path.exists(os.path.join(out, "evaluation", "after.json")):
        _train(out)
    run(context=context, only="report")
    _show(out)
    print("\nWhat the trained model writes:", flush=True)
    _call_trainer("trainer.generate", out, ["--prompt", "The", "--tokens", "80", "--seed", "1"])
    return 0


def _fetch_arguments(parser: argparse.ArgumentParser) -> None:
    from pile_curate.fetch.arguments import add_arguments

    add_arguments(parser)


def _fetch(args: argparse.Namespace) -> int:
    from pile_curate.fetch.command import call

    return call(args)


def _dedup_arguments(parser: argparse.ArgumentParser) -> None:
    from pile_curate.dedup.options import add_arguments

    add_arguments(parser)


def _dedup(args: argparse.Namespace) -> int:
    from pile_curate.spark.dedup_table import run

    return run(args)


def _verify(args: argparse.Namespace) -> int:
    from pile_curate.spark.verify import print_verification, verify_out

    return print_verification(verify_out(args.directory, args.deep))


def _why(args: argparse.Namespace) -> int:
    from pile_curate.spark.why import why

    print(why(args.out, args.doc_id))
    return 0


def _table(args: argparse.Namespace) -> int:
    return _show(os.path.abspath(args.out))


def _materialize(args: argparse.Namespace) -> int:
    from pile_curate.spark.export import materialize

    print(materialize(args.out, args.to, format=args.format, seed=args.seed, master=args.master))
    return 0


def _sources(args: argparse.Namespace) -> int:
    import json

    from pile_curate.sources import SOURCES, listing

    chosen = [listing.find(args.format)] if args.format else list(SOURCES.values())
    if args.json:
        print(json.dumps([listing.facts(fmt) for fmt in chosen], indent=1, ensure_ascii=False))
    else:
        print(listing.details(chosen[0]) if args.format else listing.listing())
    return 0


def _recipe(args: argparse.Namespace) -> int:
    from importlib.resources import files

    print((files("pile_curate") / "recipes" / "pile.yaml").read_text("utf-8"), end="")
    return 0


def _stages(args: argparse.Namespace) -> int:
    from pile_curate.spark.pipeline import STAGES

    for stage in STAGES:
        reads = ", ".join(stage.reads) or "raw files"
        print(f"{stage.name:10s} {reads} -> {stage.dataset}")
    return 0


def _env(args: argparse.Namespace) -> int:
    from pile_curate.java import shell_exports
    from pile_curate.spark.session import JVM_OPTIONS

    print(shell_exports(JVM_OPTIONS))
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from pile_curate.doctor import examine, render

    findings = examine()
    print(render(findings))
    return 1 if any(f.state == "missing" for f in findings) else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status (0 fine, 2 a mistake to mend, 3 damaged data, 1 else)."""
    args = _parser().parse_args(argv)
    from pile_curate.spark.submit import debugging, guarded

    return guarded(lambda: args.call(args), debug=args.debug or debugging())


if __name__ == "__main__":
    sys.exit(main())
