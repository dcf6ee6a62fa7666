"""Decide: apply the recipe's rules to what was measured; the only stage that knows a threshold.

One task reads one annotations file and writes one eligibility file, row for row. What the opt-out list and the
licence rule ask for (key, url, licence, people) is read from the documents file, without its text, and only if
the recipe has one of them.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate import schema
from pile_curate.errors import InputError
from pile_curate.files import sha256_file
from pile_curate.licences import PERMISSIVE, allowed_set, allows
from pile_curate.manifest import Attempt, FileEntry, Manifest
from pile_curate.opt_out import OPT_OUT_VERSION, cached_opt_out
from pile_curate.quality.rules import Test
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
    documents: str
    """The documents file of the same rows; read only for the two rules below."""
    allowed: frozenset[str] | None
    """Licences that may stay; None for any."""
    opt_out: tuple[str, str] | None
    """Path and sha256 of the opt-out list."""


def decide_file(task: DecideTask) -> tuple[FileEntry, dict[str, int]]:
    """Judge one annotations file; returns the file written and documents dropped by rule."""
    from pile_curate.quality.rules import evaluate
    from pile_curate.tables import PartWriter, iter_batches

    facts = {"source": task.source, "part": task.part}
    name = f"{task.source}-{uuid.uuid4().hex}.parquet"
    writer = PartWriter(task.directory, name, schema.ELIGIBILITY, facts=facts)
    dropped: dict[str, int] = {}
    columns = [name for name in schema.ANNOTATIONS.names if name not in ("signature", "text_digest")]
    facts_of = None
    if task.allowed is not None or task.opt_out is not None:
        needed = ["licence"] if task.allowed is not None else []
        needed += ["key", "url", "meta"] if task.opt_out is not None else []
        facts_of = pq.read_table(task.documents, columns=needed)
    for batch in iter_batches(task.path, columns, 8192):
        verdict = evaluate(batch, task.settings, _policies(batch, facts_of, task))
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


def _policies(batch: pa.RecordBatch, documents: pa.Table | None, task: DecideTask) -> list[Test]:
    """Return the tests that ask for more than was measured: the opt-out list, then the licence."""
    if documents is None:
        return []
    rows = documents.take(batch.column("row")).to_pylist()
    found: list[Test] = []
    if task.opt_out is not None:
        listed = cached_opt_out(*task.opt_out)
        ids = batch.column("doc_id").to_pylist()
        hits = [
            listed.match(doc_id, task.source, row["key"], row["url"], row["meta"])
            for doc_id, row in zip(ids, rows, strict=True)
        ]
        found.append(
            Test("opt_out", np.array([bool(hit) for hit in hits], np.bool_), pa.array(hits), "not listed")
        )
    if task.allowed is not None:
        licences = [row["licence"] for row in rows]
        refused = np.array([not allows(licence or "", task.allowed) for licence in licences], np.bool_)
        listed_ids = "one of " + ", ".join(sorted(task.allowed))
        threshold = "permissive" if task.allowed == PERMISSIVE else listed_ids
        found.append(Test("licence", refused, pa.array(licences, pa.string()), threshold))
    return found


def _group(tasks: Sequence[DecideTask]) -> list[tuple[str, FileEntry, dict[str, int]]]:
    return [(task.source, *decide_file(task)) for task in tasks]


def _work(context: Context, attempt: Attempt) -> Result:
    parts = context.manifest("annotations").select("main")
    listed = _listed(context)
    tasks = [
        DecideTask(
            path=os.path.join(context.path("annotations"), part.path),
            source=part.facts["source"],
            part=part.facts["part"],
            directory=attempt.directory,
            settings=context.recipe.settings(part.facts["source"]),
            documents=os.path.join(context.path("documents"), part.facts["part"]),
            allowed=allowed_set(context.recipe.licences),
            opt_out=listed,
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

    listed = _listed(context)
    if listed is None:
        return {"rules": RULES_VERSION}
    cached_opt_out(*listed)  # a bad list is an error before any task begins
    return {"rules": RULES_VERSION, "opt_out": [OPT_OUT_VERSION, listed[1]]}


def _listed(context: Context) -> tuple[str, str] | None:
    """Return the opt-out list's path and sha256."""
    path = context.recipe.opt_out
    if path is None:
        return None
    try:
        return path, sha256_file(path)[0]
    except OSError as error:
        raise InputError(f"the opt-out list {path} cannot be read: {error}") from error


STAGE = Stage("decide", "eligibility", 1, ("annotations", "documents"), _work, _state)
