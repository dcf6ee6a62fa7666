"""Deduplicate with text-dedup: write its configuration file, then run its MinHash program as documented.

Both cores (``num_proc``), verification on (``check_false_positive``: the exact Jaccard of its own 5-word shingles,
for all pairs of a cluster). It keeps the first document of a cluster, as a Hugging Face dataset on disk.
Its own choice of bands (``--own``) is datasketch's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

import loop


def configuration(options: argparse.Namespace) -> str:
    """Return the TOML; JSON strings and booleans are TOML ones too."""
    files = os.path.join(os.path.abspath(options.input), "*.parquet")
    tables: dict[str, dict[str, object]] = {
        "input": {"input_type": "local_files", "file_type": "parquet"},
        "input.read_arguments": {"path": "parquet", "data_files": files, "split": "train"},
        "algorithm": {
            "algorithm_name": "minhash",
            "text_column": "text",
            "num_perm": 128 if options.own else options.permutations,
            "threshold": options.threshold,
            "ngram_size": options.ngram,
            "min_length": 1,
            "num_proc": options.workers,
            "check_false_positive": True,
        },
        "output": {"output_dir": os.path.join(os.path.abspath(options.output), "kept")},
        "debug": {"enable_profiling": False},
    }
    if not options.own:
        tables["algorithm"].update(bands=options.bands, rows=options.rows)
    lines = []
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()), ""]
    return "\n".join(lines)


def run(options: argparse.Namespace) -> int:
    """Run the program in the output folder, where it looks for its configuration; return its exit code."""
    os.makedirs(options.output)
    with open(os.path.join(options.output, "config.toml"), "w", encoding="utf-8") as file:
        file.write(configuration(options))
    return subprocess.call([sys.executable, "-m", "text_dedup.minhash"], cwd=options.output)


if __name__ == "__main__":
    sys.exit(run(loop.arguments()))
