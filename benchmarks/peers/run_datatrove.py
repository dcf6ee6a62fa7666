"""Deduplicate with datatrove: its four MinHash stages, one after the other, two tasks and workers.

1 signatures, 2 matches within buckets, 3 clusters (always one task), 4 the filter and a Parquet writer. Tasks
share out files, so the input needs at least as many files as workers. Variant "" has its default word
tokenizer for English (spaCy's blank pipeline), variant ``split`` replaces that one by ``str.split``. Texts are
simplified before (its default: numbers equal, punctuation and diacritics away). Nothing is verified: whoever
shares a bucket is a copy, and so are all that a chain connects; one document of each cluster stays.
Its own choice (``--own``) is 14 buckets of 8 hashes.
"""

from __future__ import annotations

import argparse
import os
import shutil

import loop
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.utils.hashing import HashConfig


class Split:
    """Cut at white space; all that the signature stage asks of a tokenizer."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()


def run(options: argparse.Namespace) -> None:
    """Run the stages; each ends before the next begins."""
    work = os.path.join(options.output, "work")
    buckets, hashes = (14, 8) if options.own else (options.bands, options.rows)
    config = MinhashConfig(
        n_grams=options.ngram,
        num_buckets=buckets,
        hashes_per_bucket=hashes,
        hash_config=HashConfig(precision=64, hash_fc="xxhash"),
    )
    signature = MinhashDedupSignature(output_folder=f"{work}/signatures", config=config)
    if options.variant == "split":
        signature.word_tokenizer = Split()
    matches = MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)
    clusters = MinhashDedupCluster(f"{work}/buckets", f"{work}/remove", config=config)
    removal = MinhashDedupFilter(input_folder=f"{work}/remove")
    writer = ParquetWriter(os.path.join(options.output, "kept"), output_filename="${rank}.parquet")

    def reader() -> ParquetReader:
        return ParquetReader(options.input, glob_pattern="*.parquet", doc_progress=False)

    stages = [
        ([reader(), signature], options.workers),
        ([matches], buckets),
        ([clusters], 1),
        ([reader(), removal, writer], options.workers),
    ]
    for number, (pipeline, tasks) in enumerate(stages):
        LocalPipelineExecutor(
            pipeline=pipeline,
            tasks=tasks,
            workers=min(tasks, options.workers),
            logging_dir=os.path.join(work, f"logs{number}"),
        ).run()
    shutil.rmtree(work)


if __name__ == "__main__":
    run(loop.arguments())
