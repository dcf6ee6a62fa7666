"""Shard: write the kept documents once, per split and source, as Parquet and jsonl.zst.

No text moves between tasks: a task reads the documents files that it was given and keeps the rows that
the ledger keeps. A group whose documents, kept rows and settings are those of the last run is not
written again; the manifest lists the files that exist already.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate import hashing, manifest
from pile_curate.files import atomic_write
from pile_curate.manifest import Attempt, FileEntry, Manifest
from pile_curate.spark import runner
from pile_curate.spark.metadata import PartTask, ledger_rows, part_tasks
from pile_curate.spark.stage import Context, Result, Stage


@dataclass(frozen=True)
class ShardTask:
    """Documents files of one source that become shards together."""

    parts: tuple[PartTask, ...]
    stamps: tuple[str, ...]
    dataset: str
    directory: str
    max_bytes: int
    pile_set_name: str
    known: frozenset[str]


@dataclass(frozen=True)
class ShardResult:
    """A group's key, and the files written for it, or None if the last run's files can stay."""

    key: str
    entries: list[FileEntry] | None


def write_group(task: ShardTask) -> ShardResult:
    """Write one group's shards unless the last run wrote the same."""
    from pile_curate.shards.text import Kept, TextShards

    kept: list[Kept] = []
    for part in task.parts:
        rows = ledger_rows(part, ["kept"])
        chosen = rows.filter(rows["kept"])["row"].to_pylist()
        languages = (
            pq.read_table(part.annotations, columns=["language"])["language"]
            .take(pa.array(chosen, pa.int64()))
            .to_pylist()
        )
        kept.append(Kept(chosen, languages))
    source = task.parts[0].source
    key = hashing.fingerprint(
        [
            source,
            task.max_bytes,
            task.pile_set_name,
            task.stamps,
            [[list(k.rows), list(k.languages)] for k in kept],
        ]
    )
    if key in task.known:
        return ShardResult(key, None)
    with TextShards(
        task.directory,
        task.dataset,
        uuid.uuid4().hex[:16],
        max_bytes=task.max_bytes,
        pile_set_names={source: task.pile_set_name},
        facts={"key": key},
    ) as shards:
        for part, wanted in zip(task.parts, kept, strict=True):
            shards.add_file(part.documents, wanted)
    return ShardResult(key, shards.entries)


def _group(tasks: Sequence[ShardTask]) -> list[ShardResult]:
    return [write_group(task) for task in tasks]


def _work(context: Context, attempt: Attempt) -> Result:
    previous = manifest.find(context.path("shards"))
    reusable: dict[str, list[FileEntry]] = {}
    for file in previous.files if previous else ():
        if "key" in file.facts:
            reusable.setdefault(file.facts["key"], []).append(file)
    documents = {f.path: f for f in context.manifest("documents").select("main")}
    groups: list[list[PartTask]] = []
    size = 0
    for part in sorted(part_tasks(context, attempt.directory), key=lambda p: (p.source, p.part)):
        if not groups or groups[-1][-1].source != part.source or size >= context.recipe.shards.max_bytes:
            groups.append([])
            size = 0
        groups[-1].append(part)
        size += documents[part.part].bytes
    tasks = [
        ShardTask(
            parts=tuple(group),
            stamps=tuple(documents[part.part].sha256 for part in group),
            dataset=context.path("shards"),
            directory=attempt.directory,
            max_bytes=context.recipe.shards.max_bytes,
            pile_set_name=context.recipe.settings(group[0].source).pile_set_name,
            known=frozenset(reusable),
        )
        for group in groups
    ]
    sizes = [sum(documents[part.part].bytes for part in task.parts) for task in tasks]
    packed = runner.pack(tasks, sizes, context.bins)
    entries: list[FileEntry] = []
    reused = 0
    for found in runner.run_tasks(context.spark, packed, _group, "shard"):
        for result in found:
            if result.entries is None:
                entries += reusable[result.key]
                reused += 1
            else:
                entries += result.entries
    facts: dict[str, Any] = {"groups": len(tasks), "reused": reused}
    return Result(entries, facts)


def _publish(context: Context, committed: Manifest) -> None:
    """Write the dataset card beside the manifest, so that the folder opens as a dataset as it is."""
    from pile_curate.shards.card import build_card

    card = build_card(
        context.recipe.name,
        [f for f in committed.files if "source" in f.facts],
        licences=context.manifest("metadata").facts["licences"],
        languages=context.manifest("annotations").facts["languages"],
    )
    atomic_write(os.path.join(context.path("shards"), "README.md"), card.encode())


STAGE = Stage(
    "shard", "shards", 1, ("documents", "annotations", "ledger", "metadata"), _work, publish=_publish
)
