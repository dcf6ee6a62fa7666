"""Turn raw dumps into documents and rejects.

    spark-submit jobs/extract.py RECIPE --out DIR [--input NAME=DIR] [--update]

Writes documents/ and rejects/ below --out. Needs only the raw files
that the recipe names. Shuffles nothing, except that sources with threads (Stack Exchange) are grouped once
by question. Every raw record ends in a document or in a reject with a reason.

The same stage runs as `pile-curate run RECIPE --out DIR --only extract` and, with a session of your own,
as `pile_curate.spark.pipeline.run(recipe, out, only="extract", spark=spark)`.
"""

from __future__ import annotations

import os
import sys

# This folder holds select.py and tokenize.py, which must not hide the standard library's.
sys.path.sort(key=os.path.dirname(os.path.abspath(__file__)).__eq__)

from pile_curate.spark.submit import run_job


def main() -> int:
    """Run the stage and return the exit status: 0 done or up to date, 2 a mistake in recipe or set-up, 3 damaged data."""
    return run_job("Turn raw dumps into documents and rejects.", "extract")


if __name__ == "__main__":
    sys.exit(main())
