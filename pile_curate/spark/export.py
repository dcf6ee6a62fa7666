"""Materialize: export the upsampled, globally shuffled mixture for trainers that want plain files.

The second of the two places where text moves between tasks: through bucket files that the scattering
tasks write and the gathering tasks read. What is left in the end is a folder of ``part-00000`` and so
on, a README that dataset loaders read, and a manifest that ``verify`` proves.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import yaml

from pile_curate import hashing, manifest
from pile_curate.errors import DatasetMissing, SetupError
from pile_curate.files import atomic_write, sha256_file
from pile_curate.leases import LOCK_NAME, alive
from pile_curate.manifest import FileEntry
from pile_curate.shards.materialize import Bucket, bucket_count, epochs_of, gather, scatter
from pile_curate.spark import runner
from pile_curate.spark.session import open_session, worker_cores

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FORMATS = {"jsonl": "jsonl.zst", "parquet": "parquet"}
CARD = "README.md"
MATERIALIZE_VERSION = 1
_PART = re.compile(r"part-\d{5}\.(jsonl\.zst|parquet)")


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

    Read in the order of their names, the files are the global order. Equal mixtures and seeds give equal
    files whatever the number of workers. ``max_bytes`` of text go into a file. Raises ``SetupError`` if
    ``to`` holds anything but an export that was cut short, which is begun anew.
    """
    if format not in FORMATS:
        raise SetupError(f"--format {format}: choose one of {', '.join(FORMATS)}")
    if max_bytes < 1:
        raise SetupError(f"max_bytes {max_bytes}: give a positive number of bytes")
    root = os.path.abspath(to)
    _claim(root)
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
    attempt = manifest.begin(root, "materialize")
    work = os.path.join(attempt.directory, "buckets")
    try:
        made = _export(session, shards, epochs, seed, buckets, bins, attempt, work, FORMATS[format])
        shutil.rmtree(work, ignore_errors=True)
        parts = _place(root, made, FORMATS[format])
        documents = sum(entry.rows for entry in parts)
        card = os.path.join(root, CARD)
        atomic_write(card, _card(mixture["name"], parts, epochs, seed).encode())
        sha256, length = sha256_file(card)
        committed = attempt.commit(
            [*parts, FileEntry(CARD, 0, length, sha256, table="card")],
            stage_version=MATERIALIZE_VERSION,
            fingerprint=hashing.fingerprint(
                {
                    "version": MATERIALIZE_VERSION,
                    "mixture": mixture["digest"],
                    "seed": seed,
                    "format": format,
                    "max_bytes": max_bytes,
                }
            ),
            inputs={"mixture": mixture["digest"]},
            facts={"seed": seed, "epochs": epochs, "documents": documents},
            digest=hashing.fingerprint([[entry.path, entry.sha256] for entry in parts])[:32],
            rows=documents,
        )
    except BaseException:
        attempt.abandon()
        raise
    # Everything that was there has moved up; readers need not see an empty folder.
    with contextlib.suppress(OSError):
        os.rmdir(os.path.join(root, manifest.ATTEMPTS))
    names = ", ".join(f"{name} x {often:g}" for name, often in epochs.items())
    files = f"{len(parts)} file{'s' if len(parts) != 1 else ''}"
    return f"{committed.rows} documents in {files} below {to} ({names})"


def _claim(root: str) -> None:
    """Make sure that ``root`` is ours to write: missing, empty, or what an export that died has left."""
    if not os.path.exists(root):
        return
    if not os.path.isdir(root):
        raise SetupError(f"--to {root} is a file; name a new directory")
    if manifest.find(root) is not None:
        raise SetupError(f"--to {root} holds a finished dataset; name a new directory, or remove it first")
    names = os.listdir(root)
    ours = {manifest.ATTEMPTS, LOCK_NAME, CARD}
    if any(name not in ours and _PART.fullmatch(name) is None for name in names):
        raise SetupError(f"--to {root} is not empty; name a new directory")
    if names and manifest.ATTEMPTS not in names:
        raise SetupError(f"--to {root} holds files that no export of this kind left; name a new directory")
    attempts = os.path.join(root, manifest.ATTEMPTS)
    if names and any(alive(os.path.join(attempts, name)) for name in os.listdir(attempts)):
        raise SetupError(f"--to {root} is being written by another run; wait for it, or name a new directory")
    for name in names:
        if _PART.fullmatch(name) or name == CARD:
            os.unlink(os.path.join(root, name))


def _place(root: str, entries: Sequence[FileEntry], format: str) -> list[FileEntry]:
    """Move the finished files up to ``root`` under plain names, in the global order, and return their entries."""
    placed = []
    for number, entry in enumerate(sorted(entries, key=lambda e: int(e.facts["bucket"]))):
        name = f"part-{number:05d}.{format}"
        os.rename(os.path.join(root, entry.path), os.path.join(root, name))
        placed.append(replace(entry, path=name))
    return placed


def _card(name: str, parts: Sequence[FileEntry], epochs: Mapping[str, float], seed: int) -> str:
    """Return a README whose head names the files in order, so that loaders open the folder as it is."""
    paths = [entry.path for entry in parts]
    head = {"configs": [{"config_name": "default", "data_files": [{"split": "train", "path": paths}]}]}
    rows = [f"| {source} | {often:g} |" for source, often in sorted(epochs.items())]
    return "\n".join(
        [
            "---",
            yaml.safe_dump(head, sort_keys=False, allow_unicode=True).rstrip(),
            "---",
            "",
            f"# {name}: the training mixture, upsampled and shuffled",
            "",
            f"{sum(entry.rows for entry in parts)} documents, shuffled with seed {seed}. Read in the order of "
            "their names, the files are one global order: any long stretch of them has the mixture.",
            "",
            "| source | epochs |",
            "|---|---:|",
            *rows,
            "",
        ]
    )


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
