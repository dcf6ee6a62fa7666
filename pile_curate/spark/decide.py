"""Decide: apply the recipe's rules to what was measured; the only stage that knows a threshold.

One task reads one annotations file and writes one eligibility file, row for row. Facts of a document
that rules may use besides (licence, consent) are read from the documents file without its text.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pile_curate import schema
from pile_curate.manifest import Attempt, FileEntry, Manifest
from pile_curate.spark import runner
from pile_curate.spark.stage import Context, Result, Stage


@dataclass(frozen=True)
class DecideTask:
    """One annotations file and the rules of its source."""

    path: str
    source: str
    part: str
    directory: str
    settings: Any


def decide_file(task: DecideTask) -> tuple[FileEntry, dict[str, int]]:
    """Judge one annotations file; returns the file written and documents dropped by rule."""
    from pile_curate.quality.rules import evaluate
    from pile_curate.tables import PartWriter, iter_batches

    facts = {"source": task.source, "part": task.part}
    name = f"{task.source}-{uuid.uuid4().hex}.parquet"
    writer = PartWriter(task.directory, name, schema.ELIGIBILITY, facts=facts)
    dropped: dict[str, int] = {}
    columns = [name for name in schema.ANNOTATIONS.names if name not in ("signature", "text_digest")]
    for batch in iter_batches(task.path, columns, 8192):
        verdict = evaluate(batch, task.settings)
        for rule in verdict["rule"]:
            if rule:
                dropped[rule] = dropped.get(rule, 0) + 1
        rows = {name: batch.column(name) for name in ("doc_id", "source", "split", "part", "row")}
        writer.write(
            pa.RecordBatch.from_pydict(
                {
                    **rows,
                    "eligible": pa.array([not rule for rule in verdict["rule"]], pa.bool_()),
                    "rule": pa.array(verdict["rule"], pa.string()),
                    "measured": pa.array(verdict["measured"], pa.string()),
                    "threshold": pa.array(verdict["threshold"], pa.string()),
                    "failed": pa.array(verdict["failed"], pa.list_(pa.string())),
                }
            )
        )
    return writer.close(), dropped


def _group(tasks: Sequence[DecideTask]) -> list[tuple[str, FileEntry, dict[str, int]]]:
    return [(task.source, *decide_file(task)) for task in tasks]


def _work(context: Context, attempt: Attempt) -> Result:
    parts = context.manifest("annotations").select("main")
    tasks = [
        DecideTask(
            path=os.path.join(context.path("annotations"), part.path),
            source=part.facts["source"],
            part=part.facts["part"],
            directory=attempt.directory,
            settings=context.recipe.settings(part.facts["source"]),
        )
        for part in parts
    ]
    groups = runner.pack(tasks, [part.bytes for part in parts], context.bins)
    entries: list[FileEntry] = []
    rules: dict[str, dict[str, int]] = {spec.name: {} for spec in context.recipe.sources}
    for found in runner.run_tasks(context.spark, groups, _group, "decide"):
        for source, entry, dropped in found:
            entries.append(entry)
            for rule, count in dropped.items():
                rules[source][rule] = rules[source].get(rule, 0) + count
    return Result(entries, {"dropped": {s: dict(sorted(r.items())) for s, r in sorted(rules.items())}})


def _state(context: Context, previous: Manifest | None) -> Any:
    from pile_curate.quality.rules import RULES_VERSION

    return {"rules": RULES_VERSION}


STAGE = Stage("decide", "eligibility", 1, ("annotations",), _work, _state)
