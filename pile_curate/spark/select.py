"""Select: every document once in the ledger, kept or dropped with stage, reason and evidence.

A narrow join of eligibility with duplicates. Rows are grouped by documents file, so that the tasks of
shard and metadata find all rows of their file in one ledger file, in document order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pile_curate import schema
from pile_curate.errors import ConservationError
from pile_curate.manifest import Attempt
from pile_curate.spark import runner
from pile_curate.spark.stage import Context, Result, Stage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def ledger_frame(eligibility: DataFrame, annotations: DataFrame, duplicates: DataFrame) -> DataFrame:
    """Return one row a document with the columns of ``schema.LEDGER``."""
    from pyspark.sql import functions as F

    sizes = annotations.select("doc_id", "text_bytes")
    twins = duplicates.select("doc_id", F.col("kept_id").alias("twin"), "jaccard", "kind", "cross_split")
    joined = eligibility.join(sizes, "doc_id", "left").join(twins, "doc_id", "left")
    ruled = ~F.col("eligible")
    copied = F.col("twin").isNotNull()
    return joined.select(
        "doc_id",
        "source",
        "split",
        (~ruled & ~copied).alias("kept"),
        F.when(ruled, "decide").when(copied, "dedup").otherwise("").alias("stage"),
        F.when(ruled, F.col("rule"))
        .when(copied, F.concat(F.col("kind"), F.lit("_duplicate")))
        .otherwise("")
        .alias("reason"),
        F.coalesce(F.when(ruled, F.col("measured")), F.lit("")).alias("measured"),
        F.coalesce(F.when(ruled, F.col("threshold")), F.lit("")).alias("threshold"),
        F.when(~ruled, F.col("twin")).alias("twin"),
        F.when(~ruled, F.col("jaccard")).alias("jaccard"),
        F.coalesce(F.when(~ruled, F.col("cross_split")), F.lit(False)).alias("cross_split"),
        "text_bytes",
        "part",
        "row",
    )


def _work(context: Context, attempt: Attempt) -> Result:
    spark = context.spark
    documents = context.manifest("documents")
    frames = {}
    for name, arrow in (
        ("eligibility", schema.ELIGIBILITY),
        ("annotations", schema.ANNOTATIONS),
        ("duplicates", schema.DUPLICATES),
    ):
        frames[name] = read_frame(context, name, arrow)
    frame = ledger_frame(frames["eligibility"], frames["annotations"], frames["duplicates"])
    bins = max(1, min(len(documents.select("main")), context.bins))
    placed = frame.repartition(bins, "part").sortWithinPartitions("part", "row")
    entries = runner.write_frame(placed, schema.LEDGER, attempt.directory, "ledger", part_column="part")
    counts = _counts(context, attempt, entries)
    total = sum(c["documents"] for c in counts.values())
    expected = sum(part.rows for part in documents.select("main"))
    if total != expected or sum(e.rows for e in entries) != expected:
        raise ConservationError(
            f"the ledger has {total} rows for {expected} documents; a join lost or doubled some. Please report it."
        )
    spark.catalog.clearCache()
    return Result(entries, {"sources": counts})


def read_frame(context: Context, dataset: str, arrow_schema: Any) -> DataFrame:
    """Return a dataset's committed Parquet files as a DataFrame, empty with the right columns if there are none."""
    paths = context.files(dataset, "main")
    if paths:
        return context.spark.read.parquet(*paths)
    from pyspark.sql.pandas.types import from_arrow_schema

    return context.spark.createDataFrame([], from_arrow_schema(arrow_schema))


def _counts(context: Context, attempt: Attempt, entries: list[Any]) -> dict[str, Any]:
    """Count kept and dropped documents and bytes by source, split and reason, for the report."""
    import os

    import pyarrow.parquet as pq

    counts: dict[str, Any] = {
        spec.name: {"documents": 0, "kept": 0, "kept_bytes": 0, "cross_split": 0, "dropped": {}, "splits": {}}
        for spec in context.recipe.sources
    }
    for entry in entries:
        table = pq.read_table(
            os.path.join(context.path("ledger"), entry.path),
            columns=["source", "split", "kept", "stage", "reason", "cross_split", "text_bytes"],
        )
        keys = ["source", "split", "kept", "stage", "reason", "cross_split"]
        for row in table.group_by(keys).aggregate([([], "count_all"), ("text_bytes", "sum")]).to_pylist():
            mine, n, size = counts[row["source"]], row["count_all"], row["text_bytes_sum"]
            mine["documents"] += n
            if row["kept"]:
                mine["kept"] += n
                mine["kept_bytes"] += size
                split = mine["splits"].setdefault(row["split"], {"documents": 0, "bytes": 0})
                split["documents"] += n
                split["bytes"] += size
            else:
                stage = mine["dropped"].setdefault(row["stage"], {})
                stage[row["reason"]] = stage.get(row["reason"], 0) + n
            if row["cross_split"]:
                mine["cross_split"] += n
    for mine in counts.values():
        mine["dropped"] = {s: dict(sorted(r.items())) for s, r in sorted(mine["dropped"].items())}
        mine["splits"] = dict(sorted(mine["splits"].items()))
    return counts


STAGE = Stage("select", "ledger", 1, ("documents", "annotations", "eligibility", "duplicates"), _work)
