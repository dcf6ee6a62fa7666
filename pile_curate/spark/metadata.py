"""Metadata: every document's facts without its text, and per-source statistics.

Documents, annotations and ledger rows of one documents file lie in the same order, so this is a map:
one task zips the three and checks that the ids agree.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate import schema
from pile_curate.errors import DatasetDamaged
from pile_curate.manifest import Attempt, FileEntry
from pile_curate.spark import runner
from pile_curate.spark.stage import Context, Result, Stage

_FACTS = [name for name in schema.DOCUMENTS.names if name != "text"]
_MEASURES = ["language", "language_score", *schema.SIGNALS, "words"]
_VERDICT = ["kept", "stage", "reason", "edits", "removed_bytes"]


@dataclass(frozen=True)
class PartTask:
    """A documents file with its annotations file and the ledger file that holds its rows."""

    part: str
    source: str
    documents: str
    annotations: str
    ledger: str
    directory: str


def part_tasks(context: Context, directory: str) -> list[PartTask]:
    """Return one task for each documents file, in the order of the manifest."""
    annotations = {f.facts["part"]: f.path for f in context.manifest("annotations").select("main")}
    ledger = {part: f.path for f in context.manifest("ledger").select("main") for part in f.facts["parts"]}
    return [
        PartTask(
            part=f.path,
            source=f.facts["source"],
            documents=os.path.join(context.path("documents"), f.path),
            annotations=os.path.join(context.path("annotations"), annotations[f.path]),
            ledger=os.path.join(context.path("ledger"), ledger[f.path]),
            directory=directory,
        )
        for f in context.manifest("documents").select("main")
    ]


def ledger_rows(task: PartTask, columns: list[str]) -> pa.Table:
    """Return the ledger rows of the task's documents file, in document order."""
    table = pq.read_table(task.ledger, columns=[*columns, "row"], filters=[("part", "=", task.part)])
    return table.sort_by("row")


def metadata_file(task: PartTask) -> FileEntry:
    """Write the facts of one documents file; raises ``DatasetDamaged`` if the three tables do not line up."""
    from pile_curate.tables import PartWriter

    facts = pq.read_table(task.documents, columns=_FACTS)
    measures = pq.read_table(task.annotations, columns=["doc_id", *_MEASURES])
    verdicts = ledger_rows(task, ["doc_id", *_VERDICT])
    ids = facts["doc_id"].combine_chunks()
    if not (
        ids.equals(measures["doc_id"].combine_chunks()) and ids.equals(verdicts["doc_id"].combine_chunks())
    ):
        raise DatasetDamaged(
            f"documents, annotations and ledger disagree on the documents of {task.part}; run `pile-curate verify`."
        )
    for name in _MEASURES:
        facts = facts.append_column(name, measures[name])
    for name in _VERDICT:
        facts = facts.append_column(name, verdicts[name])
    writer = PartWriter(
        task.directory,
        f"{task.source}-{uuid.uuid4().hex}.parquet",
        schema.METADATA,
        facts={"source": task.source, "part": task.part},
    )
    writer.write(facts)
    return writer.close()


def _group(tasks: Sequence[PartTask]) -> list[FileEntry]:
    return [metadata_file(task) for task in tasks]


def _work(context: Context, attempt: Attempt) -> Result:
    tasks = part_tasks(context, attempt.directory)
    sizes = [f.rows for f in context.manifest("documents").select("main")]
    groups = runner.pack(tasks, sizes, context.bins)
    entries = [e for found in runner.run_tasks(context.spark, groups, _group, "metadata") for e in found]
    return Result(entries, {"licences": _licences(context, entries)})


def _licences(context: Context, entries: Sequence[FileEntry]) -> dict[str, dict[str, int]]:
    """Count kept documents by source and licence."""
    counts: dict[str, dict[str, int]] = {}
    for entry in entries:
        path = os.path.join(context.path("metadata"), entry.path)
        table = pq.read_table(path, columns=["source", "licence", "kept"], filters=[("kept", "=", True)])
        for row in table.group_by(["source", "licence"]).aggregate([([], "count_all")]).to_pylist():
            mine = counts.setdefault(row["source"], {})
            mine[row["licence"]] = mine.get(row["licence"], 0) + row["count_all"]
    return {source: dict(sorted(seen.items())) for source, seen in sorted(counts.items())}


STAGE = Stage("metadata", "metadata", 2, ("documents", "annotations", "ledger"), _work)
