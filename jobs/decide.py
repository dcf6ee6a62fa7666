"""Apply the recipe's rules to what was measured.

    spark-submit jobs/decide.py RECIPE --out DIR [--input NAME=DIR] [--update]

Writes eligibility/ below --out. Needs `annotate`. The only stage that knows a threshold; takes seconds, so thresholds can be tried out.
Shuffles nothing.

The same stage runs as `pile-curate run RECIPE --out DIR --only decide` and, with a session of your own,
as `pile_curate.spark.pipeline.run(recipe, out, only="decide", spark=spark)`.
"""

from __future__ import annotations

import os
import sys

# This folder holds select.py and tokenize.py, which must not hide the standard library's.
sys.path.sort(key=os.path.dirname(os.path.abspath(__file__)).__eq__)

from pile_curate.spark.submit import run_job


def main() -> int:
    """Run the stage and return the exit status: 0 done or up to date, 2 a mistake in recipe or set-up, 3 damaged data."""
    return run_job("Apply the recipe's rules to what was measured.", "decide")


if __name__ == "__main__":
    sys.exit(main())
