"""Define the command line of deduplicating a table; cheap to import."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pile_curate.dedup import KEEPS, SCOPES, VERIFY, DedupSettings
from pile_curate.errors import SetupError

if TYPE_CHECKING:
    from pile_curate.dedup.table import TableJob

ENGINES = ("auto", "spark", "local")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    add = parser.add_argument
    add(
        "--input",
        action="append",
        required=True,
        metavar="PATH",
        help="file, folder or glob of Parquet or JSON lines (.gz, .zst); repeatable",
    )
    add(
        "--output",
        required=True,
        metavar="DIR",
        help="folder of the result: data/, duplicates/, summary.json; made if missing",
    )
    add(
        "--text-column",
        default="text",
        metavar="NAME",
        help="default: %(default)s; dotted names reach into objects",
    )
    add("--id-column", metavar="NAME", help="default: id if there is one, else file and row number")
    add(
        "--source-column",
        metavar="NAME",
        help="names each row's source, for --scope per_source and --priorities",
    )
    add(
        "--split-column",
        metavar="NAME",
        help="names each row's split (train, test): a pair across splits counts in every scope",
    )
    add("--url-column", metavar="NAME", help="also drop rows whose normalised URL an earlier row has")
    add(
        "--threshold",
        type=float,
        default=0.8,
        help="Jaccard of shingle sets from which a document is a copy (default: %(default)s)",
    )
    add("--ngram", type=int, default=5, help="words of a shingle (default: %(default)s)")
    add("--permutations", type=int, default=126, help="values of a signature (default: %(default)s)")
    add("--bands", type=int, help="default: chosen from threshold and permutations; needs --rows")
    add("--rows", type=int, help="values of a band; needs --bands")
    add(
        "--recall",
        type=float,
        default=0.98,
        help="of pairs at the threshold, when bands are chosen (default: %(default)s)",
    )
    add("--seed", type=int, default=1, help="of the hashes (default: %(default)s)")
    add(
        "--keep",
        choices=KEEPS,
        default="longest",
        help="which of several copies stays (default: %(default)s)",
    )
    add(
        "--priorities",
        metavar="NAME=N,...",
        default="",
        help="sources by rank; the smaller number wins (default 0)",
    )
    add(
        "--scope",
        choices=SCOPES,
        default="global",
        help="compare everything, or each source (or group) within itself",
    )
    add("--groups", metavar="NAME=GROUP,...", default="", help="sources of one group, for --scope per_group")
    add(
        "--verify",
        choices=VERIFY,
        default="exact",
        help="exact Jaccard, the signature's estimate, or none (default: %(default)s)",
    )
    add(
        "--cap",
        type=int,
        default=1000,
        help="earlier kept members of a band that are looked at (default: %(default)s)",
    )
    add(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="one process or Spark; auto measures the input (default: %(default)s)",
    )
    add("--against", metavar="DIR", help="output of an earlier run: what it holds is removed from the input")
    add("--master", help="Spark master (default: local[*,4])")
    add("--partitions", type=int, help="tasks of a Spark step (default: three a core)")
    add("--overwrite", action="store_true", help="replace a finished output of other input or settings")
    add("--quiet", action="store_true", help="print nothing but errors")


def _pairs(text: str, option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        name, sign, value = pair.partition("=")
        if not sign or not name or not value or name in found:
            raise SetupError(f"{option} {text!r}: give NAME=VALUE,NAME=VALUE with each name once")
        found[name] = value
    return found


def _numbers(pairs: Mapping[str, str], option: str) -> dict[str, int]:
    try:
        return {name: int(value) for name, value in pairs.items()}
    except ValueError:
        raise SetupError(f"{option} {dict(pairs)}: ranks are whole numbers; smaller ones win") from None


def job_of(args: argparse.Namespace) -> TableJob:
    """Turn parsed arguments into a job; raises ``SetupError`` or ``RecipeError`` for what makes no sense."""
    from pile_curate.dedup.lsh import choose_bands
    from pile_curate.dedup.table import TableJob
    from pile_curate.row_files import Columns

    if (args.bands is None) != (args.rows is None):
        raise SetupError("--bands and --rows go together; give both, or neither to have them chosen")
    if args.bands is None:
        if not 0 < args.recall < 1:
            raise SetupError(f"--recall {args.recall}: allowed is above 0 and below 1")
        DedupSettings(threshold=args.threshold, permutations=args.permutations, bands=1, rows=1)
        chosen = choose_bands(args.threshold, args.permutations, args.recall)
        args.bands, args.rows = chosen.bands, chosen.rows
    if args.scope != "global" and args.source_column is None:
        raise SetupError(f"--scope {args.scope} needs --source-column: it says which rows belong together")
    settings = DedupSettings(
        threshold=args.threshold,
        ngram=args.ngram,
        permutations=args.permutations,
        bands=args.bands,
        rows=args.rows,
        cap=args.cap,
        scope=args.scope,
        keep=args.keep,
        seed=args.seed,
        verify=args.verify,
        urls=args.url_column is not None,
        priorities=_numbers(_pairs(args.priorities, "--priorities"), "--priorities"),
        groups=_pairs(args.groups, "--groups"),
    )
    return TableJob(
        inputs=tuple(args.input),
        output=args.output,
        columns=Columns(
            args.text_column, args.id_column, args.source_column, args.split_column, args.url_column
        ),
        settings=settings,
        engine=args.engine,
        against=args.against,
        overwrite=args.overwrite,
    )
