"""Re-read finished datasets and prove their manifests.

    spark-submit jobs/verify.py DIR [--deep]

DIR is a corpus or one dataset of it. Sizes are always checked; --deep reads every file again, recomputes
sha256, row counts and logical digests, and checks that the stages' counts balance. The same runs as
`pile-curate verify DIR [--deep]`.
"""

from __future__ import annotations

import os
import sys

# This folder holds select.py and tokenize.py, which must not hide the standard library's.
sys.path.sort(key=os.path.dirname(os.path.abspath(__file__)).__eq__)

import argparse

from pile_curate.spark.submit import debugging, guarded
from pile_curate.spark.verify import print_verification, verify_out


def main() -> int:
    """Verify and return the exit status: 0 all proven, 3 something is damaged."""
    parser = argparse.ArgumentParser(description="Re-read finished datasets and prove their manifests.")
    parser.add_argument("directory", help="a corpus, or one dataset of it")
    parser.add_argument("--deep", action="store_true", help="read everything again, not only sizes")
    args = parser.parse_args()
    return guarded(lambda: print_verification(verify_out(args.directory, args.deep)), debug=debugging())


if __name__ == "__main__":
    sys.exit(main())
