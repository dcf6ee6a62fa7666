"""Export the upsampled, globally shuffled mixture as plain files for other trainers.

    spark-submit jobs/materialize.py DIR --to EXPORT [--format jsonl|parquet] [--seed 0]

DIR is a finished corpus. Documents are repeated as often as mixture.json says; read in the order of their
names, the files are one global order, the same for any number of workers.
"""

from __future__ import annotations

import os
import sys

# This folder holds select.py and tokenize.py, which must not hide the standard library's.
sys.path.sort(key=os.path.dirname(os.path.abspath(__file__)).__eq__)

import argparse

from pile_curate.spark.export import FORMATS, materialize
from pile_curate.spark.submit import debugging, guarded


def main() -> int:
    """Export and return the exit status: 0 done, 2 a mistake in the arguments, 3 damaged data."""
    parser = argparse.ArgumentParser(description="Export the upsampled, globally shuffled mixture.")
    parser.add_argument("directory", help="a finished corpus")
    parser.add_argument("--to", required=True, help="directory of the export; must be empty or missing")
    parser.add_argument("--format", choices=tuple(FORMATS), default="jsonl", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="seed of the shuffle (default: %(default)s)")
    args = parser.parse_args()
    return guarded(lambda: _materialize(args), debug=debugging())


def _materialize(args: argparse.Namespace) -> int:
    print(materialize(args.directory, args.to, format=args.format, seed=args.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
