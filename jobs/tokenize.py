"""Train or load the tokenizer and turn shards into Megatron token parts.

    spark-submit jobs/tokenize.py RECIPE --out DIR [--input NAME=DIR] [--update]

Writes tokens/ below --out. Needs `shard`. The tokenizer's sample depends on document ids alone, not on weights or workers.

The same stage runs as `pile-curate run RECIPE --out DIR --only tokenize` and, with a session of your own,
as `pile_curate.spark.pipeline.run(recipe, out, only="tokenize", spark=spark)`.
"""

from __future__ import annotations

import os
import sys

# This folder holds select.py and tokenize.py, which must not hide the standard library's.
sys.path.sort(key=os.path.dirname(os.path.abspath(__file__)).__eq__)

from pile_curate.spark.submit import run_job


def main() -> int:
    """Run the stage and return the exit status: 0 done or up to date, 2 a mistake in recipe or set-up, 3 damaged data."""
    return run_job("Train or load the tokenizer and turn shards into Megatron token parts.", "tokenize")


if __name__ == "__main__":
    sys.exit(main())
