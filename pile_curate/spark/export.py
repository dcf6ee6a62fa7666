"""Materialize: export the upsampled, globally shuffled mixture for trainers that want plain files.

The second of the two places where text moves between tasks: through bucket files that the scattering
tasks write and the gathering tasks read.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pile_curate import hashing, manifest
from pile_curate.errors import DatasetMissing, SetupError
from pile_curate.manifest import FileEntry
from pile_curate.shards.materialize import Bucket, bucket_count, epochs_of, gather, scatter
from pile_curate.spark import runner
from pile_curate.spark.session import open_session, worker_cores

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FORMATS = {"jsonl": "jsonl.zst", "parquet": "parquet"}


def _mixture(out: str) -> dict[str, Any]:
    path = os.path.join(out, "mixture.json")
    if not os.path.exists(path):
        raise DatasetMissing(f"{path} does not exist; run `pile-curate run RECIPE --out {out}` first")
    with open(path, encoding="utf-8") as stream:
        found: dict[str, Any] = json.load(stream)
    return found


def materialize(
    out: str,
    to: str,
    *,
    format: str = "jsonl",
    seed: int = 0,
    max_bytes: int = 256 << 20,
    master: str | None = None,
    spark: SparkSession | None = None,
) -> str:
    """Write the train mixture of ``out`` below ``to`` and return one line that says what was written.

    Read in the order of their names, the files are the global order; equal seeds give equal sequences
    whatever the number of workers. Raises ``SetupError`` if ``to`` holds something already.
    """
    if format not in FORMATS:
        raise SetupError(f"--format {format}: choose one of {', '.join(FORMATS)}")
    if os.path.exists(to) and os.listdir(to):
        raise SetupError(f"--to {to} is not empty; name a new directory")
    mixture = _mixture(out)
    epochs = epochs_of(mixture)
    shards = [
        (os.path.join(out, shard["path"]), shard["bytes"])
        for source in mixture["sources"]
        for shard in source["shards"]
        if shard["split"] == "train" and shard["format"] == "parquet"
    ]
    size = sum(source["achieved"]["bytes"] for source in mixture["sources"])
    buckets = bucket_count(size, max_bytes)
    session = spark or open_session(master)
    bins = 3 * worker_cores(session)
    attempt = manifest.begin(os.path.abspath(to), "materialize")
    work = os.path.join(attempt.directory, "buckets")
    try:
        entries = _export(session, shards, epochs, seed, buckets, bins, attempt, work, FORMATS[format])
        shutil.rmtree(work, ignore_errors=True)
        documents = sum(entry.rows for entry in entries)
        digest = hashing.fingerprint({"mixture": mixture["digest"], "seed": seed, "documents": documents})
        committed = attempt.commit(
            entries,
            stage_version=1,
            fingerprint=digest,
            inputs={"mixture": mixture["digest"]},
            facts={"seed": seed, "epochs": epochs, "documents": documents},
            digest=digest,
            rows=documents,
        )
    except BaseException:
        attempt.abandon()
        raise
    names = ", ".join(f"{name} x {often:g}" for name, often in epochs.items())
    return f"{committed.rows} documents in {len(committed.files)} files below {to} ({names})"


def _export(
    session: SparkSession,
    shards: Sequence[tuple[str, int]],
    epochs: Mapping[str, float],
    seed: int,
    buckets: int,
    bins: int,
    attempt: manifest.Attempt,
    work: str,
    format: str,
) -> list[FileEntry]:
    def scatter_group(paths: Sequence[str]) -> list[Bucket]:
        return [
            bucket
            for path in paths
            for bucket in scatter(path, work, uuid.uuid4().hex, epochs=epochs, seed=seed, buckets=buckets)
        ]

    directory, root = attempt.directory, attempt.dataset_dir

    def gather_group(groups: Sequence[tuple[int, list[Bucket]]]) -> list[FileEntry]:
        return [
            entry
            for bucket, parts in groups
            for entry in gather(bucket, parts, directory, root, formats=(format,))
        ]

    packed = runner.pack([path for path, _ in shards], [size for _, size in shards], bins)
    found: dict[int, list[Bucket]] = defaultdict(list)
    for made in runner.run_tasks(session, packed, scatter_group, "materialize: scatter"):
        for bucket in made:
            found[bucket.bucket].append(bucket)
    todo = sorted(found.items())
    sizes = [sum(part.text_bytes for part in parts) for _, parts in todo]
    groups = runner.pack(todo, sizes, bins)
    done = runner.run_tasks(session, groups, gather_group, "materialize: gather")
    return [entry for entries in done for entry in entries]
