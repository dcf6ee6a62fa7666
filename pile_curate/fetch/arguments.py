"""Declare the arguments of ``pile-curate fetch``, importing nothing: every command's parser is built at once."""

from __future__ import annotations

import argparse
import os


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", nargs="*", help="a source of the catalogue (see --list), or addresses")
    parser.add_argument(
        "--to", metavar="DIR", help="folder of the files and of fetch.ledger; made if missing"
    )
    parser.add_argument(
        "--urls", metavar="FILE", help="addresses of your own, one a line; # begins a comment"
    )
    parser.add_argument(
        "--sums",
        action="append",
        default=[],
        metavar="LIST",
        help="checksum list (file or address) that every address of your own has to stand in",
    )
    parser.add_argument("--list", action="store_true", help="print the catalogue")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be fetched, and how large it is"
    )
    parser.add_argument("--verify", action="store_true", help="hash the files of --to again; no network")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a parameter of the source; a,b or 1..9 are several",
    )
    parser.add_argument(
        "--match", action="append", default=[], metavar="GLOB", help="only paths like this (repeatable)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N files")
    parser.add_argument(
        "--max-bytes", metavar="SIZE", help="stop before more than this has come, for instance 10G"
    )
    parser.add_argument(
        "--contact",
        default=os.environ.get("PILE_CURATE_CONTACT", ""),
        help="mail address or page, told to the servers",
    )
    parser.add_argument(
        "--requests-per-second", type=float, default=1.0, metavar="R", help="per host (default: %(default)s)"
    )
    parser.add_argument(
        "--bytes-per-second", metavar="SIZE", help="per host, for instance 5M (default: no limit)"
    )
    parser.add_argument(
        "--connections", type=int, default=1, metavar="N", help="at once per host (default: %(default)s)"
    )
    parser.add_argument(
        "--keep-paths", action="store_true", help="put addresses of your own under host and path"
    )
    parser.add_argument(
        "--recheck", action="store_true", help="hash files here before they count as up to date"
    )
