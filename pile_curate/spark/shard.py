"""Shard: write the kept documents once, per split and source, as Parquet and jsonl.zst.

No text moves between tasks: a task reads the documents files that it was given and keeps the rows that
the ledger keeps, and applies the spans that edits lists. A group whose documents, kept rows, spans and
settings are those of the last run is not written again; the manifest lists the files that exist already.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate import hashing, manifest
from pile_curate.files import atomic_write
from pile_curate.manifest import Attempt, FileEntry, Manifest
from pile_curate.shards.text import Kept, Span, TextShards
from pile_curate.spark import runner
from pile_curate.spark.metadata import PartTask, ledger_rows, part_tasks
from pile_curate.spark.stage import Context, Result, Stage


@dataclass(frozen=True)
class ShardTask:
    """Documents files of one source that become shards together; ``edits`` has each one's edits file, or ``""``."""

    parts: tuple[PartTask, ...]
    edits: tuple[str, ...]
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
    kept: list[Kept] = []
    for part, edits in zip(task.parts, task.edits, strict=True):
        rows = ledger_rows(part, ["kept"])
        chosen = rows.filter(rows["kept"])["row"].to_pylist()
        languages = (
            pq.read_table(part.annotations, columns=["language"])["language"]
            .take(pa.array(chosen, pa.int64()))
            .to_pylist()
        )
        kept.append(Kept(chosen, languages, spans(edits, part.part) if edits else {}))
    source = task.parts[0].source
    key = hashing.fingerprint(
        [
            source,
            task.max_bytes,
            task.pile_set_name,
            task.stamps,
            [[list(k.rows), list(k.languages), _plain(k.edits)] for k in kept],
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


def spans(path: str, part: str) -> dict[int, list[Span]]:
    """Return the spans of one documents file's rows from the edits file that holds them."""
    columns = ["row", "start", "end", "replacement", "kind"]
    table = pq.read_table(path, columns=columns, filters=[("part", "=", part)])
    found: dict[int, list[Span]] = {}
    for row in table.sort_by([("row", "ascending"), ("start", "ascending")]).to_pylist():
        at = row.pop("row")
        found.setdefault(at, []).append(Span(**row))
    return found


def _plain(edits: Mapping[int, Sequence[Span]]) -> list[Any]:
    return [[row, *(list(astuple(span)) for span in edits[row])] for row in sorted(edits)]


def _group(tasks: Sequence[ShardTask]) -> list[ShardResult]:
    return [write_group(task) for task in tasks]


def _work(context: Context, attempt: Attempt) -> Result:
    previous = manifest.find(context.path("shards"))
    reusable: dict[str, list[FileEntry]] = {}
    for file in previous.files if previous else ():
        if "key" in file.facts:
            reusable.setdefault(file.facts["key"], []).append(file)
    documents = {f.path: f for f in context.manifest("documents").select("main")}
    edits = {
        part: os.path.join(context.path("edits"), file.path)
        for file in context.manifest("edits").select("main")
        for part in file.facts["parts"]
    }
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
            edits=tuple(edits.get(part.part, "") for part in group),
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
    "shard", "shards", 1, ("documents", "annotations", "edits", "ledger", "metadata"), _work, publish=_publish
)
