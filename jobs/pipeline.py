"""Run every stage of a recipe in order, from raw dumps to the report.

    spark-submit jobs/pipeline.py RECIPE --out DIR [--input NAME=DIR] [--update]

Finished stages whose recipe and inputs did not change are skipped; after a crash, run the same command
again. The same runs as `pile-curate run RECIPE --out DIR` and as `pile_curate.spark.pipeline.run(recipe, out)`.
"""

from __future__ import annotations

import os
import sys

# This folder holds select.py and tokenize.py, which must not hide the standard library's.
sys.path.sort(key=os.path.dirname(os.path.abspath(__file__)).__eq__)

from pile_curate.spark.submit import run_job


def main() -> int:
    """Run all stages and return the exit status: 0 done or up to date, 2 a mistake in recipe or set-up, 3 damaged data."""
    return run_job("Run every stage of a recipe in order.", None)


if __name__ == "__main__":
    sys.exit(main())
