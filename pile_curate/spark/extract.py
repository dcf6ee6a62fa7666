"""Extract: raw dumps in; documents and rejects out, every raw record accounted for.

Order of work: discover the raw files, pack their splits into tasks, extract, assemble threads, settle
documents that claim the same id, prove conservation (records counted on the byte stream equal records
in documents plus records in rejects), commit rejects, then documents.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate import hashing, manifest, schema
from pile_curate.clean import CLEAN_VERSION
from pile_curate.errors import ConservationError, CorruptInput, TooManyRejects
from pile_curate.files import RawFile, open_raw
from pile_curate.manifest import Attempt, Manifest
from pile_curate.sources import SOURCES
from pile_curate.sources.base import SPLIT_BYTES
from pile_curate.spark import runner
from pile_curate.spark.extract_task import (
    SourceTask,
    TaskResult,
    assemble,
    drop_rows,
    extract,
    extractor_label,
    resolve_links,
    route,
)
from pile_curate.spark.stage import Context, Result, Stage, file_entry

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

BUCKET_BYTES = 128 << 20
"""Raw bytes of a threaded source for each bucket: what one assembling task holds in memory."""

RAW_FILES = pa.schema(
    [
        ("source", pa.string()),
        ("file", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("etag", pa.string()),
        ("start", pa.int64()),
        ("stop", pa.int64()),
        ("sha256", pa.string()),
        ("records", pa.int64()),
        ("complete", pa.bool_()),
        ("damage", pa.string()),
    ]
)

_LOSERS = pa.schema(
    [
        ("part", pa.string()),
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("record", pa.int64()),
        ("key", pa.string()),
        ("records", pa.int32()),
        ("raw_bytes", pa.int64()),
        ("text_bytes", pa.int64()),
        ("winner_file", pa.string()),
        ("winner_record", pa.int64()),
    ]
)


def discover_all(context: Context) -> dict[str, list[RawFile]]:
    """Return every source's raw files, sorted by relative path; raises ``InputError`` if a pattern matches none."""
    found: dict[str, list[RawFile]] = {}
    for spec in context.recipe.sources:
        fmt = SOURCES[spec.format]
        settings = context.recipe.settings(spec.name)
        found[spec.name] = fmt.discover(settings.root, spec.paths, settings.options)
    return found


def _raw_state(context: Context, rows: Sequence[tuple[str, str, int, str]]) -> str:
    """Return the digest of the raw files' content and of the code that reads them."""
    formats = sorted({spec.format for spec in context.recipe.sources})
    readers = [extractor_label(name) for name in formats] + [f"clean/{CLEAN_VERSION}"]
    return hashing.fingerprint({"files": sorted([list(row) for row in rows]), "readers": readers})


def raw_state(context: Context, previous: Manifest | None) -> str:
    """Return the digest of what the raw files hold, reading only those whose size or time changed.

    A file seen before with equal size and modification time keeps its recorded sha256; one whose time
    changed is hashed again; ``verify_inputs`` hashes all. Times never enter the digest.
    """
    known: dict[tuple[str, str], list[dict[str, Any]]] = {}
    if previous is not None:
        for path in previous.paths(context.path("documents"), "raw_files"):
            for row in pq.read_table(path).to_pylist():
                known.setdefault((row["source"], row["file"]), []).append(row)
    else:
        return "not read yet"
    rows: list[tuple[str, str, int, str]] = []
    for source, files in discover_all(context).items():
        for file in files:
            seen = known.get((source, file.rel), [])
            same = bool(seen) and seen[0]["size"] == file.size
            fresh = same and seen[0]["mtime_ns"] == file.mtime_ns and seen[0]["etag"] == file.etag
            if fresh and not context.verify_inputs:
                sha = _file_sha(seen)
            elif same:
                ranges = [(r["start"], r["stop"]) for r in seen]
                sha = _ranges_sha([(a, b, hash_file(file, a, b)) for a, b in ranges])
            else:
                sha = "unknown"
            rows.append((source, file.rel, file.size, sha))
    return _raw_state(context, rows)


def hash_file(file: RawFile, start: int = 0, stop: int | None = None) -> str:
    """Return the sha256 (hex) of a raw file's bytes ``[start, stop)`` as stored."""
    state = hashlib.sha256()
    left = file.size - start if stop is None else stop - start
    with open_raw(file.path, start) as stream:
        while left > 0 and (data := stream.read(min(left, 1 << 20))):
            state.update(data)
            left -= len(data)
    return state.hexdigest()


def _file_sha(rows: Sequence[dict[str, Any]]) -> str:
    return _ranges_sha([(r["start"], r["stop"], r["sha256"]) for r in rows])


def _ranges_sha(ranges: Sequence[tuple[int, int | None, str]]) -> str:
    if len(ranges) == 1:
        return ranges[0][2]
    return hashing.fingerprint(sorted((a, b, sha) for a, b, sha in ranges))


def _tasks(
    context: Context, attempt: Attempt, rejects: Attempt, files: dict[str, list[RawFile]]
) -> list[SourceTask]:
    total = sum(file.size for group in files.values() for file in group)
    target = max(1 << 20, min(SPLIT_BYTES, total // (2 * context.bins) + 1))
    recipe = context.recipe
    tasks = []
    for spec in recipe.sources:
        fmt = SOURCES[spec.format]
        settings = recipe.settings(spec.name)
        size = sum(file.size for file in files[spec.name])
        base = SourceTask(
            source=spec.name,
            format=spec.format,
            options=settings.options,
            cleaning=settings.cleaning,
            licence=spec.licence,
            consent=spec.consent,
            seed=recipe.seed,
            validation=recipe.splits.validation,
            test=recipe.splits.test,
            cpu_seconds=recipe.limits.cpu_seconds,
            memory_bytes=recipe.limits.memory_mib << 20,
            documents=attempt.directory,
            rejects=rejects.directory,
            scratch=os.path.join(attempt.directory, "scratch"),
            buckets=max(1, -(-size // BUCKET_BYTES)),
        )
        tasks += [
            replace(base, splits=(split,)) for split in fmt.splits(files[spec.name], settings.options, target)
        ]
    return tasks


def _merge_group(group: Sequence[SourceTask]) -> list[SourceTask]:
    """Join a bin's tasks of one source, so that one guarded child and one writer serve them all."""
    merged: dict[str, SourceTask] = {}
    for task in group:
        seen = merged.get(task.source)
        merged[task.source] = task if seen is None else replace(seen, splits=seen.splits + task.splits)
    return list(merged.values())


def _extract_group(group: Sequence[SourceTask]) -> list[TaskResult]:
    return [extract(task) for task in _merge_group(group)]


def _assemble_group(group: Sequence[SourceTask]) -> list[TaskResult]:
    return [assemble(task) for task in group]


def _run(context: Context, tasks: Sequence[SourceTask], work: Any, label: str) -> list[TaskResult]:
    groups = runner.pack(tasks, [task.size for task in tasks], context.bins)
    return [r for results in runner.run_tasks(context.spark, groups, work, label) for r in results]


def work(context: Context, attempt: Attempt) -> Result:
    """Do the stage; see the head of this file."""
    rejects = manifest.begin(context.path("rejects"), "extract")
    try:
        return _work(context, attempt, rejects)
    except BaseException:
        rejects.abandon()
        raise


def _work(context: Context, attempt: Attempt, rejects: Attempt) -> Result:
    files = discover_all(context)
    tasks = _tasks(context, attempt, rejects, files)
    results = _run(context, tasks, _extract_group, "extract")
    results += _route_links(context, tasks, results)
    results += _assemble_threads(context, tasks, results)
    results = _settle_conflicts(context, tasks, results)
    facts = _facts(context, files, results)
    _check(context, facts)
    raw_rows = _raw_rows(files, results)
    raw_path = os.path.join(attempt.directory, "raw_files.parquet")
    pq.write_table(pa.Table.from_pylist(raw_rows, RAW_FILES), raw_path)
    entry = file_entry(attempt, raw_path, rows=len(raw_rows), table="raw_files")
    shutil.rmtree(os.path.join(attempt.directory, "scratch"), ignore_errors=True)
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in raw_rows:
        grouped.setdefault((row["source"], row["file"]), []).append(row)
    state = _raw_state(
        context, [(s, f, rows[0]["size"], _file_sha(rows)) for (s, f), rows in grouped.items()]
    )
    rejects.commit(
        [file for result in results for file in result.rejects],
        stage_version=STAGE.version,
        fingerprint=hashing.fingerprint({"state": state, "recipe": context.recipe.part("extract")}),
        inputs={},
        facts={"sources": facts["sources"]},
        replace=True,
        exclude=schema.RUN_COLUMNS,
    )
    documents = [file for result in results for file in result.documents]
    return Result([*documents, entry], facts, state)


def _route_links(
    context: Context, tasks: Sequence[SourceTask], results: Sequence[TaskResult]
) -> list[TaskResult]:
    """Find the threads of linked sources, one task a source, and sort their parts into buckets, one task a file."""
    base = {task.source: task for task in tasks}
    routed: list[TaskResult] = []
    for source in sorted({result.source for result in results if result.link_files}):
        paths = sorted(path for r in results if r.source == source for path in r.link_files)
        task = replace(base[source], splits=(), link_files=tuple(paths))
        resolving = [[task]]
        found = runner.run_tasks(
            context.spark, resolving, lambda group: resolve_links(group[0]), "extract: links"
        )[0]

        def sort(group: Sequence[SourceTask], found: str = found) -> list[TaskResult]:
            return [route(task, found) for task in group]

        todo = [replace(task, link_files=(path,)) for path in paths]
        routed += _run(context, todo, sort, "extract: routes")
    return routed


def _assemble_threads(
    context: Context, tasks: Sequence[SourceTask], results: Sequence[TaskResult]
) -> list[TaskResult]:
    buckets: dict[tuple[str, int], list[str]] = {}
    for result in results:
        for bucket, path in result.bucket_files.items():
            buckets.setdefault((result.source, bucket), []).append(path)
    if not buckets:
        return []
    base = {task.source: task for task in tasks}
    todo = [
        replace(base[source], splits=(), bucket_files=tuple(sorted(paths)))
        for (source, _), paths in sorted(buckets.items())
    ]
    return _run(context, todo, _assemble_group, "extract: threads")


def _conflicts(frame: DataFrame) -> DataFrame:
    """Return the documents whose id an earlier one (by relative path, record) already has."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    doubled = frame.groupBy("doc_id").count().where("count > 1").select("doc_id")
    order = Window.partitionBy("doc_id").orderBy("file", "record", "text_digest", "part", "row")
    ranked = frame.join(doubled, "doc_id").withColumn("rank", F.row_number().over(order))
    first = {name: F.first(name).over(order) for name in ("text_digest", "file", "record")}
    return (
        ranked.withColumn("winner_file", first["file"])
        .withColumn("winner_record", first["record"])
        .withColumn(
            "reason",
            F.when(F.col("text_digest") == first["text_digest"], "duplicate_record").otherwise("id_conflict"),
        )
        .where("rank > 1")
    )


def _settle_conflicts(
    context: Context, tasks: Sequence[SourceTask], results: list[TaskResult]
) -> list[TaskResult]:
    """Keep the first document of each id and reject the others, rewriting only the files that hold losers."""
    from pyspark.sql import functions as F

    base = {task.source: task for task in tasks}
    documents = {os.path.basename(f.path): (r, f) for r in results for f in r.documents}
    if not documents:
        return results
    directory = tasks[0].documents
    root = os.path.dirname(os.path.dirname(directory))
    paths = [os.path.join(root, entry.path) for _, entry in documents.values()]
    frame = context.spark.read.parquet(*paths).select(
        "doc_id", "text_digest", "source", "file", "record", "key", "records", "raw_bytes", "text_bytes",
        F.col("_metadata.file_name").alias("part"), F.col("_metadata.row_index").alias("row"),
    )  # fmt: skip
    losers = runner.write_frame(
        _conflicts(frame).repartition("part"), _LOSERS, tasks[0].scratch, "conflicts", part_column="part"
    )
    todo = [
        (part, os.path.join(tasks[0].scratch, os.path.basename(e.path)))
        for e in losers
        for part in e.facts["parts"]
    ]
    if not todo:
        return results

    jobs = []
    for part, path in todo:
        owner, entry = documents[part]
        jobs.append((os.path.join(root, entry.path), path, part, base[owner.source]))

    def rewrite(group: Sequence[tuple[str, str, str, SourceTask]]) -> list[TaskResult]:
        done = []
        for target, losers_path, part, task in group:
            rows = pq.read_table(losers_path, filters=[("part", "=", part)]).to_pylist()
            done.append(drop_rows(target, rows, task))
        return done

    groups = runner.pack(jobs, [1] * len(jobs), context.bins)
    rewritten = [
        r for rs in runner.run_tasks(context.spark, groups, rewrite, "extract: conflicts") for r in rs
    ]
    replaced = {part for part, _ in todo}
    for result in results:
        result.documents = [f for f in result.documents if os.path.basename(f.path) not in replaced]
    return results + rewritten


def _facts(
    context: Context, files: dict[str, list[RawFile]], results: Sequence[TaskResult]
) -> dict[str, Any]:
    sources: dict[str, Any] = {}
    for spec in context.recipe.sources:
        mine = [r for r in results if r.source == spec.name]
        reasons: dict[str, dict[str, Any]] = {}
        for result in mine:
            for reason, seen in result.reasons.items():
                total = reasons.setdefault(reason, {"kind": seen["kind"], "rows": 0, "records": 0})
                total["rows"] += seen["rows"]
                total["records"] += seen["records"]
        damage = dict(sorted(pair for result in mine for pair in result.damage.items()))
        sources[spec.name] = {
            "format": spec.format,
            "files": len(files[spec.name]),
            "damaged_files": len(damage),
            "records_in": sum(r.records for r in mine),
            "documents": sum(r.document_count for r in mine),
            "document_records": sum(r.document_records for r in mine),
            "raw_bytes": sum(r.raw_bytes for r in mine),
            "text_bytes": sum(r.text_bytes for r in mine),
            "rejects": dict(sorted(reasons.items())),
            "damage": [f"{rel}: {why}" for rel, why in damage.items()][:20],
        }
    return {"sources": sources}


def _check(context: Context, facts: dict[str, Any]) -> None:
    """Prove conservation, then apply the recipe's limits on damage."""
    limits = context.recipe.limits
    for name, seen in facts["sources"].items():
        rejected = sum(r["records"] for r in seen["rejects"].values())
        if seen["document_records"] + rejected != seen["records_in"]:
            raise ConservationError(
                f"source {name!r}: {seen['records_in']} records were counted on the byte stream, but "
                f"{seen['document_records']} are in documents and {rejected} in rejects. This is a defect "
                "of the source's reader: please report it with the file."
            )
        if limits.on_corrupt == "fail" and seen["damaged_files"]:
            raise CorruptInput(f"source {name!r}: {'; '.join(seen['damage'])} (on_corrupt: fail)")
        errors = sum(r["records"] for r in seen["rejects"].values() if r["kind"] == "error")
        # What a damaged file lost besides cannot be counted, so it weighs at least one record.
        bad, base = max(errors, seen["damaged_files"]), max(seen["records_in"], seen["damaged_files"])
        if base and bad / base > limits.max_reject_fraction:
            worst = sorted(
                ((r["records"], reason) for reason, r in seen["rejects"].items() if r["kind"] == "error"),
                reverse=True,
            )
            raise TooManyRejects(
                f"source {name!r}: {errors} damaged records and {seen['damaged_files']} damaged files among "
                f"{seen['records_in']} records are a fraction of {bad / base:.4f}; max_reject_fraction is "
                f"{limits.max_reject_fraction}. Reasons: {', '.join(f'{r} {n}' for n, r in worst)}. "
                "Mend the input, or raise limits.max_reject_fraction in the recipe."
            )


def _raw_rows(files: dict[str, list[RawFile]], results: Sequence[TaskResult]) -> list[dict[str, Any]]:
    known = {(source, f.rel): f for source, group in files.items() for f in group}
    rows = []
    for result in results:
        for tally in result.tallies:
            file = known[(result.source, tally.rel)]
            rows.append(
                {
                    "source": result.source,
                    "file": tally.rel,
                    "size": file.size,
                    "mtime_ns": file.mtime_ns,
                    "etag": file.etag,
                    "start": tally.start,
                    "stop": tally.stop,
                    "sha256": tally.sha256,
                    "records": tally.records,
                    "complete": tally.complete,
                    "damage": tally.damage,
                }
            )
    seen = {(row["source"], row["file"]) for row in rows}
    for (source, rel), file in known.items():
        if (source, rel) not in seen:
            # A file that its format does not open (a licence read only as context) still belongs to the input.
            rows.append(
                {
                    "source": source, "file": rel, "size": file.size, "mtime_ns": file.mtime_ns, "etag": file.etag,
                    "start": 0, "stop": None, "sha256": hash_file(file, 0, None), "records": 0, "complete": True,
                    "damage": "",
                }
            )  # fmt: skip
    return sorted(rows, key=lambda r: (r["source"], r["file"], r["start"]))


STAGE = Stage("extract", "documents", 1, (), work, raw_state)
