"""Find exact and near duplicates among the eligible documents.

    spark-submit jobs/dedup.py RECIPE --out DIR [--input NAME=DIR] [--update]

Writes duplicates/ below --out. Needs `decide`. Each verdict is verified by the exact Jaccard and names the kept document that it repeats.
Shuffles narrow rows and the shingle sets of candidates.

The same stage runs as `pile-curate run RECIPE --out DIR --only dedup` and, with a session of your own,
as `pile_curate.spark.pipeline.run(recipe, out, only="dedup", spark=spark)`.
"""

from __future__ import annotations

import os
import sys

# This folder holds select.py and tokenize.py, which must not hide the standard library's.
sys.path.sort(key=os.path.dirname(os.path.abspath(__file__)).__eq__)

from pile_curate.spark.submit import run_job


def main() -> int:
    """Run the stage and return the exit status: 0 done or up to date, 2 a mistake in recipe or set-up, 3 damaged data."""
    return run_job("Find exact and near duplicates among the eligible documents.", "dedup")


if __name__ == "__main__":
    sys.exit(main())
