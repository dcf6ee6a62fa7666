"""Remove duplicates from any table, or run the recipe's dedup stage.

    spark-submit jobs/dedup.py --input X --output Y [--text-column text] [--id-column id] [--threshold 0.8] ...
    spark-submit jobs/dedup.py RECIPE --out DIR [--input NAME=DIR] [--update]

The first form takes Parquet or JSON lines (also .gz, .zst), keeps all columns, and writes Y/data, Y/duplicates,
Y/summary.json and Y/summary.txt; `--help` lists what can be chosen. It runs on Spark unless `--engine` says otherwise.

The second writes duplicates/ below --out and needs `decide`; it is `pile-curate run RECIPE --out DIR --only dedup`.
Each verdict is verified by the exact Jaccard and names the kept document that it repeats.
"""

from __future__ import annotations

import argparse
import os
import sys

# This folder holds select.py and tokenize.py, which must not hide the standard library's.
sys.path.sort(key=os.path.dirname(os.path.abspath(__file__)).__eq__)

from pile_curate.spark.submit import debugging, guarded, run_job


def main() -> int:
    """Run and return the exit status: 0 done or up to date, 2 a mistake in arguments or input, 3 damaged data."""
    arguments = sys.argv[1:]
    if "--out" in arguments or not arguments:
        return run_job("Find exact and near duplicates among the eligible documents.", "dedup")
    from pile_curate.dedup.options import add_arguments
    from pile_curate.spark.dedup_table import run

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.set_defaults(engine="spark")
    return guarded(lambda: run(parser.parse_args(arguments)), debug=debugging())


if __name__ == "__main__":
    sys.exit(main())
