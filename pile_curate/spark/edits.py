"""Edits: find the paragraphs that a source's earlier documents have, as spans that shard applies.

    eligibility - duplicates -> occurrences (key, order, position) -> those beyond the allowed copies
      -> spans and edited documents

Runs between dedup and select, because only a document that dedup keeps counts as an earlier one, and because
a document of which too little is left is dropped, which the ledger must say. The meaning, and why there is no
chain of consequences to follow, is in ``dedup.paragraphs``. ``edits/`` holds two tables: the spans (``main``) and
one row an edited document (``documents``), dropped ones among them; those have no spans, as nobody applies them.

**Moves between tasks**: 44 bytes a paragraph of at least ``min_words`` words, and per key and task at most
``max_copies`` of them a flush (``cuts.occurrences``), so a notice that a million pages carry is no burden.
**Memory** of a task: a row group of texts, 15 MB of occurrences, and Spark's sort, which spills.

**Small corpora** are done in this process by the same functions; the results are equal.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pile_curate.dedup.paragraphs import PARAGRAPHS_VERSION
from pile_curate.manifest import Attempt, FileEntry, Manifest
from pile_curate.spark import cuts, runner
from pile_curate.spark.cuts import Rules
from pile_curate.spark.stage import Context, Result, Stage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LOCAL_BYTES = int(os.environ.get("PILE_CURATE_LOCAL_EDITS", 32 << 20))
"""Bytes of the sources' documents files up to which one process does it; 0 sends everything to Spark."""

_ELIGIBILITY = f"{cuts.MEMBERS}, eligible boolean"
_COUNTED = ("edited", "edits", "removed_bytes", "dropped")


def rules_of(context: Context) -> tuple[Rules | None, list[str]]:
    """Return the rules and the sources that they hold for; None if the paragraph level is off."""
    recipe = context.recipe
    chosen = {name: rules for name in recipe.names if (rules := recipe.settings(name).paragraphs)}
    if not chosen:
        return None, []
    rules = next(iter(chosen.values()))
    keep = recipe.dedup_settings.keep
    return Rules(rules.unit, rules.min_words, rules.max_copies, keep), sorted(chosen)


def _work(context: Context, attempt: Attempt) -> Result:
    rules, sources = rules_of(context)
    if rules is None:
        return Result([], {"off": True})
    files = [f for f in context.manifest("documents").select("main") if f.facts["source"] in sources]
    entries: list[FileEntry] = []
    local = sum(f.bytes for f in files) <= LOCAL_BYTES
    if sum(f.rows for f in files):
        entries = (_small if local else _large)(context, attempt, rules, sources)
    about = {"unit": rules.unit, "min_words": rules.min_words, "max_copies": rules.max_copies}
    engine = "local" if local else "spark"
    return Result(entries, {"engine": engine, **about, "sources": _counts(context, entries, sources)})


def _small(context: Context, attempt: Attempt, rules: Rules, sources: list[str]) -> list[FileEntry]:
    """Do it in this process."""
    kept = _members(context, sources)
    if not kept.num_rows:
        return []
    documents = context.path("documents")
    found = list(cuts.occurrences(iter(kept.to_batches()), documents, rules))
    if not found:
        return []
    table = pa.Table.from_batches(found)
    early = table.filter(pc.invert(table["late"])).sort_by([(name, "ascending") for name in cuts.ORDER])
    late = table.filter(table["late"]).select(cuts.GONE.names)
    gone = pa.concat_tables(
        [pa.Table.from_batches(cuts.beyond(iter(early.to_batches()), rules.max_copies), cuts.GONE), late]
    )
    positions: dict[bytes, list[int]] = {}
    for row in gone.to_pylist():
        positions.setdefault(row["doc_id"], []).append(row["position"])
    rows = kept.filter(pc.is_in(kept["doc_id"], value_set=pa.array(list(positions), pa.binary())))
    if not rows.num_rows:
        return []
    lists = [positions[doc_id] for doc_id in rows["doc_id"].to_pylist()]
    rows = rows.append_column("positions", pa.array(lists, pa.list_(pa.int32()))).combine_chunks()
    return _entries(cuts.write_edits(iter(rows.to_batches()), documents, attempt.directory, rules))


def _members(context: Context, sources: list[str]) -> pa.Table:
    """Return the documents of some sources that dedup keeps, by part and row."""
    names = [field.split()[0] for field in cuts.MEMBERS.split(", ")]
    inside = [("source", "in", sources), ("eligible", "=", True)]
    found = [pq.read_table(p, columns=names, filters=inside) for p in context.files("eligibility", "main")]
    copies = [pq.read_table(p, columns=["doc_id"]) for p in context.files("duplicates", "main")]
    if not found:
        return pa.table({name: [] for name in names})
    binary = pa.binary()
    members = pa.concat_tables(found)
    members = members.set_column(0, "doc_id", members["doc_id"].cast(binary))
    if copies:
        dropped = pa.concat_tables(copies)["doc_id"].cast(binary).combine_chunks()
        members = members.filter(pc.invert(pc.is_in(members["doc_id"], value_set=dropped)))
    return members.sort_by([("part", "ascending"), ("row", "ascending")]).combine_chunks()


def _large(context: Context, attempt: Attempt, rules: Rules, sources: list[str]) -> list[FileEntry]:
    """Do it on Spark."""
    spark = context.spark
    scratch = os.path.join(attempt.directory, "scratch")
    spark.sparkContext.setJobDescription("edits")
    with runner.Progress(spark, "edits", 0):
        frame = edit_frame(
            spark,
            context.files("eligibility", "main"),
            context.files("duplicates", "main"),
            sources,
            rules,
            documents=context.path("documents"),
            directory=attempt.directory,
            scratch=scratch,
            bins=max(1, min(len(context.manifest("documents").select("main")), context.bins)),
        )
        entries = [e for row in frame.collect() for e in pickle.loads(bytes(row["entries"]))]
    shutil.rmtree(scratch, ignore_errors=True)
    return entries


def edit_frame(
    spark: SparkSession,
    eligibility: Iterable[str],
    duplicates: Iterable[str],
    sources: list[str],
    rules: Rules,
    *,
    documents: str,
    directory: str,
    scratch: str,
    bins: int,
) -> DataFrame:
    """Return a frame whose rows are the pickled entries of the files that its tasks write to ``directory``."""
    from pyspark.sql import functions as F

    def read(paths: Iterable[str], ddl: str) -> DataFrame:
        known = list(paths)
        return spark.read.schema(ddl).parquet(*known) if known else spark.createDataFrame([], ddl)

    copies = read(duplicates, "doc_id binary")
    eligible = read(eligibility, _ELIGIBILITY).where(F.col("eligible") & F.col("source").isin(sources))
    kept = eligible.drop("eligible").join(copies, "doc_id", "left_anti")
    width = int(spark.conf.get("spark.sql.shuffle.partitions") or 2)
    by_part = kept.repartition(bins, "part").sortWithinPartitions("part", "row")
    occurring = by_part.mapInArrow(
        partial(cuts.occurrences, documents=documents, rules=rules), cuts.OCCURRENCES_DDL
    )
    occurring.write.mode("overwrite").parquet(f"{scratch}/occurrences")
    found = spark.read.schema(cuts.OCCURRENCES_DDL).parquet(f"{scratch}/occurrences")
    beyond = (
        found.where("not late").repartition(width, "high", "low").sortWithinPartitions(*cuts.ORDER)
        .mapInArrow(partial(cuts.beyond, max_copies=rules.max_copies), cuts.GONE_DDL)
    )  # fmt: skip
    gone = beyond.union(found.where("late").select("doc_id", "position"))
    positions = gone.groupBy("doc_id").agg(F.collect_list("position").alias("positions"))
    rows = kept.join(positions, "doc_id").repartition(bins, "part").sortWithinPartitions("part", "row")
    write = partial(cuts.write_edits, documents=documents, directory=directory, rules=rules)
    return rows.mapInArrow(write, "entries binary")


def _entries(batches: Iterator[pa.RecordBatch]) -> list[FileEntry]:
    return [e for batch in batches for raw in batch.column("entries").to_pylist() for e in pickle.loads(raw)]


def _counts(context: Context, entries: list[FileEntry], sources: list[str]) -> dict[str, dict[str, int]]:
    """Count by source: documents edited, their spans and bytes, and documents dropped."""
    counts = {source: dict.fromkeys(_COUNTED, 0) for source in sources}
    for entry in entries:
        if entry.table != "documents":
            continue
        table = pq.read_table(
            os.path.join(context.path("edits"), entry.path),
            columns=["source", "dropped", "edits", "removed_bytes"],
        )
        sums = [([], "count_all"), ("edits", "sum"), ("removed_bytes", "sum")]
        for row in table.group_by(["source", "dropped"]).aggregate(sums).to_pylist():
            mine = counts[row["source"]]
            if row["dropped"]:
                mine["dropped"] += row["count_all"]
            else:
                mine["edited"] += row["count_all"]
                mine["edits"] += row["edits_sum"]
                mine["removed_bytes"] += row["removed_bytes_sum"]
    return counts


def _state(context: Context, previous: Manifest | None) -> Any:
    return {"paragraphs": PARAGRAPHS_VERSION} if rules_of(context)[0] is not None else None


STAGE = Stage("edits", "edits", 1, ("documents", "eligibility", "duplicates"), _work, _state)
