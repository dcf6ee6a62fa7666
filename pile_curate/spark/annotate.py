"""Annotate: measure every document once; no threshold is applied here.

One task reads one documents file and writes one annotations file beside it: language and score, quality
signals, exact digest, word and shingle counts, MinHash signature. Rows keep the order of the documents.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate import schema
from pile_curate.manifest import Attempt, FileEntry, Manifest
from pile_curate.spark import runner
from pile_curate.spark.stage import Context, Result, Stage

BATCH_ROWS = 512


@dataclass(frozen=True)
class AnnotateTask:
    """One documents file to measure and the settings that the measures depend on."""

    path: str
    part: str
    source: str
    directory: str
    model: tuple[str | None, str | None]
    ngram: int
    permutations: int
    seed: int


def measure(batch: pa.RecordBatch, task: AnnotateTask) -> dict[str, Any]:
    """Return the annotation columns of a batch of documents; a pure function of texts and settings."""
    from pile_curate.dedup.minhash import signatures
    from pile_curate.language import identify
    from pile_curate.quality.signals import signal_columns
    from pile_curate.text_digests import text_digests

    texts = batch.column("text")
    languages = identify(texts.to_pylist(), path=task.model[0], sha256=task.model[1])
    words, shingles, signature = signatures(
        texts, ngram=task.ngram, permutations=task.permutations, seed=task.seed
    )
    return {
        "doc_id": batch.column("doc_id"),
        "source": batch.column("source"),
        "split": batch.column("split"),
        "language": pa.array([language for language, _ in languages], pa.string()),
        "language_score": pa.array([score for _, score in languages], pa.float64()),
        **{name: pa.array(values, pa.float64()) for name, values in signal_columns(texts).items()},
        "text_digest": text_digests(texts),
        "text_bytes": batch.column("text_bytes"),
        "words": pa.array(words, pa.int64()),
        "shingles": pa.array(shingles, pa.int64()),
        "signature": signature,
    }


def annotate_file(task: AnnotateTask) -> FileEntry:
    """Measure one documents file and write its annotations."""
    from pile_curate.tables import PartWriter, iter_batches

    facts = {"source": task.source, "part": task.part}
    name = f"{task.source}-{uuid.uuid4().hex}.parquet"
    writer = PartWriter(task.directory, name, schema.ANNOTATIONS, facts=facts)
    row = 0
    columns = ["doc_id", "source", "split", "text", "text_bytes"]
    for batch in iter_batches(task.path, columns, BATCH_ROWS):
        measured = measure(batch, task)
        measured["part"] = pa.array([task.part] * batch.num_rows, pa.string())
        measured["row"] = pa.array(range(row, row + batch.num_rows), pa.int32())
        writer.write(pa.RecordBatch.from_pydict(measured))
        row += batch.num_rows
    return writer.close()


def _group(tasks: Sequence[AnnotateTask]) -> list[FileEntry]:
    return [annotate_file(task) for task in tasks]


def _work(context: Context, attempt: Attempt) -> Result:
    recipe = context.recipe
    directory = context.path("documents")
    parts = context.manifest("documents").select("main")
    rules = recipe.dedup_settings
    models = {name: recipe.settings(name).language_model for name in recipe.names}
    tasks = [
        AnnotateTask(
            path=os.path.join(directory, part.path),
            part=part.path,
            source=part.facts["source"],
            directory=attempt.directory,
            model=(m.path, m.sha256) if (m := models[part.facts["source"]]) else (None, None),
            ngram=rules.ngram,
            permutations=rules.permutations,
            seed=rules.seed,
        )
        for part in parts
    ]
    groups = runner.pack(tasks, [part.bytes for part in parts], context.bins)
    entries = [e for found in runner.run_tasks(context.spark, groups, _group, "annotate") for e in found]
    return Result(entries, {"languages": _languages(context, attempt, entries)})


def _languages(context: Context, attempt: Attempt, entries: Sequence[FileEntry]) -> dict[str, dict[str, int]]:
    """Count documents by source and language, for the report."""
    counts: dict[str, dict[str, int]] = {}
    for entry in entries:
        table = pq.read_table(
            os.path.join(context.path("annotations"), entry.path), columns=["source", "language"]
        )
        for row in table.group_by(["source", "language"]).aggregate([([], "count_all")]).to_pylist():
            mine = counts.setdefault(row["source"], {})
            mine[row["language"]] = mine.get(row["language"], 0) + row["count_all"]
    return {source: dict(sorted(seen.items())) for source, seen in sorted(counts.items())}


def _state(context: Context, previous: Manifest | None) -> Any:
    """Cover the versions of the measuring code; the recipe's part covers the language model."""
    from pile_curate.dedup.minhash import MINHASH_VERSION
    from pile_curate.language import LANGUAGE_VERSION
    from pile_curate.quality.signals import SIGNALS_VERSION

    return {
        "language": LANGUAGE_VERSION,
        "minhash": MINHASH_VERSION,
        "signals": SIGNALS_VERSION,
    }


STAGE = Stage("annotate", "annotations", 1, ("documents",), _work, _state)
