"""Select: every document once in the ledger, kept or dropped with stage, reason and evidence.

A narrow join of eligibility with duplicates and the edited documents. Rows are grouped by documents file, so
that the tasks of shard and metadata find all rows of their file in one ledger file, in document order.
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

ALL_REPEATED = "all_paragraphs_repeated"
"""The reason in the ledger of a document that lost so many paragraphs that too little is left."""

_CUT = ("edits", "removed_bytes", "words", "words_left", "dropped", "floor")
_GROUPED = ["source", "split", "kept", "stage", "reason", "cross_split"]
_COUNTED = ("documents", "kept", "kept_bytes", "cross_split", "edited", "edits", "removed_bytes")


def ledger_frame(
    eligibility: DataFrame, annotations: DataFrame, duplicates: DataFrame, edited: DataFrame | None
) -> DataFrame:
    """Return one row a document with the columns of ``schema.LEDGER``; ``edited`` None: no document is."""
    from pyspark.sql import functions as F

    sizes = annotations.select("doc_id", "text_bytes")
    twins = duplicates.select("doc_id", F.col("kept_id").alias("twin"), "jaccard", "kind", "cross_split")
    joined = eligibility.join(sizes, "doc_id", "left").join(twins, "doc_id", "left")
    if edited is not None:
        cuts = edited.withColumnRenamed("threshold", "floor").select("doc_id", *_CUT)
        joined = joined.join(cuts, "doc_id", "left")
    else:
        joined = joined.withColumns({name: F.lit(None) for name in _CUT})
    ruled = ~F.col("eligible")
    copied = F.col("twin").isNotNull()
    emptied = F.coalesce(F.col("dropped").cast("boolean"), F.lit(False))
    kept = ~ruled & ~copied & ~emptied
    return joined.select(
        "doc_id",
        "source",
        "split",
        kept.alias("kept"),
        F.when(ruled, "decide").when(copied, "dedup").when(emptied, "edits").otherwise("").alias("stage"),
        F.when(ruled, F.col("rule"))
        .when(copied, F.concat(F.col("kind"), F.lit("_duplicate")))
        .when(emptied, ALL_REPEATED)
        .otherwise("")
        .alias("reason"),
        F.coalesce(
            F.when(ruled, F.col("measured")).when(
                emptied, F.concat("words_left", F.lit(" of "), "words", F.lit(" words left"))
            ),
            F.lit(""),
        ).alias("measured"),
        F.coalesce(F.when(ruled, F.col("threshold")).when(emptied, F.col("floor")), F.lit("")).alias(
            "threshold"
        ),
        F.when(~ruled, F.col("twin")).alias("twin"),
        F.when(~ruled, F.col("jaccard")).alias("jaccard"),
        F.coalesce(F.when(~ruled, F.col("cross_split")), F.lit(False)).alias("cross_split"),
        "text_bytes",
        *(
            F.when(kept, F.coalesce(F.col(name).cast("long"), F.lit(0))).otherwise(F.lit(0)).alias(name)
            for name in ("edits", "removed_bytes")
        ),
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
    edited = (
        read_frame(context, "edits", schema.EDITED, "documents")
        if context.files("edits", "documents")
        else None
    )
    frame = ledger_frame(frames["eligibility"], frames["annotations"], frames["duplicates"], edited)
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


def read_frame(context: Context, dataset: str, arrow_schema: Any, table: str = "main") -> DataFrame:
    """Return a table's committed Parquet files as a DataFrame; if there are none, an empty one with its columns."""
    paths = context.files(dataset, table)
    if paths:
        return context.spark.read.parquet(*paths)
    from pyspark.sql.pandas.types import from_arrow_schema

    return context.spark.createDataFrame([], from_arrow_schema(arrow_schema))


def _counts(context: Context, attempt: Attempt, entries: list[Any]) -> dict[str, Any]:
    """Count kept and dropped documents and bytes by source, split and reason, for the report."""
    import os

    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    counts: dict[str, Any] = {
        spec.name: {**dict.fromkeys(_COUNTED, 0), "dropped": {}, "splits": {}}
        for spec in context.recipe.sources
    }
    for entry in entries:
        table = pq.read_table(
            os.path.join(context.path("ledger"), entry.path),
            columns=[*_GROUPED, "text_bytes", "edits", "removed_bytes"],
        )
        table = table.append_column("edited", pc.greater(table["edits"], 0))
        sums = [(name, "sum") for name in ("text_bytes", "edits", "removed_bytes")]
        for row in table.group_by([*_GROUPED, "edited"]).aggregate([([], "count_all"), *sums]).to_pylist():
            mine, n, size = counts[row["source"]], row["count_all"], row["text_bytes_sum"]
            mine["documents"] += n
            if row["kept"]:
                size -= row["removed_bytes_sum"]  # what shard writes
                mine["edited"] += n if row["edited"] else 0
                mine["edits"] += row["edits_sum"]
                mine["removed_bytes"] += row["removed_bytes_sum"]
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


STAGE = Stage(
    "select", "ledger", 2, ("documents", "annotations", "eligibility", "duplicates", "edits"), _work
)
