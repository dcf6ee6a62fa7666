"""Write the report: one self-contained page, and the same figures as a table.

    spark-submit jobs/report.py RECIPE --out DIR [--input NAME=DIR] [--update]

Writes report/index.html below --out. Needs `mix`. Takes up the bits per byte of the reference model if `trainer.evaluate` has written them.

The same stage runs as `pile-curate run RECIPE --out DIR --only report` and, with a session of your own,
as `pile_curate.spark.pipeline.run(recipe, out, only="report", spark=spark)`.
"""

from __future__ import annotations

import os
import sys

# This folder holds select.py and tokenize.py, which must not hide the standard library's.
sys.path.sort(key=os.path.dirname(os.path.abspath(__file__)).__eq__)

from pile_curate.spark.submit import run_job


def main() -> int:
    """Run the stage and return the exit status: 0 done or up to date, 2 a mistake in recipe or set-up, 3 damaged data."""
    return run_job("Write the report: one self-contained page, and the same figures as a table.", "report")


if __name__ == "__main__":
    sys.exit(main())
