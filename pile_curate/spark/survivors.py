"""Find every duplicate of a corpus on Spark, equal to the sequential walk of ``dedup.greedy``.

    annotations + eligibility -> members (who represents whom) -> hashed (representatives' signatures)
      -> keys -> edges -> components -> prune -> shingle sets -> walk -> duplicates

**Representatives.** Documents with equal scope, split and digest (and not of the older corpus) form a group;
its first in the order, r, stands for it. *A member e has r's verdict, or names r if r is kept.* Proof: words
ignore white space, so equal digests mean equal words, shingles, signatures and bands; equal scope and split
mean that e and r are comparable with the same documents. So each kept document before r that would drop r
would drop e too, with the same Jaccard and kind, and what lies between r and e comes later than it. If
there is one, the earliest is the same for both (the first ``cap`` members of a band before e begin with
those before r). If there is none, r is kept; between r and e nothing that e could name comes before r; e has r's
digest, so it names r. And e itself never counts for others: it is dropped. Hence the walk need not see it.
Documents of the older corpus are never dropped, so each represents itself.

**Vertices** are 64-bit hashes of doc_id, because Spark aggregates longs far faster than binary; that they
are distinct is checked, and on a collision another salt is tried.

**Components** (``edges``): a document's verdict depends only on its component (proof in ``greedy``).

**Walk**, a component in one task, in order. Two passes, so that texts are read once and few: the first
prunes by signatures which documents can be in a candidate pair; map tasks then read just those from
the documents' Parquet files and write their shingle sets (``set_files``); the second walks.

**Memory.** Driver: 60 bytes an edge up to ``edge_bound`` edges (then rounds in Spark instead). Task: signatures
and lists of the kept documents of one component (2 kB each in one scope, 4 kB in several), in the first
pass at most ``prune_limit`` documents', plus ``set_budget`` bytes of shingle sets, plus one row group of texts.
No step holds a bucket, the graph, or a component's texts.

**Partitioning** never shows: groups, hubs and components are minima; the walk sorts by the total order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pile_curate import schema
from pile_curate.dedup import DedupSettings
from pile_curate.dedup.set_files import filesystem
from pile_curate.errors import DatasetDamaged
from pile_curate.spark import edges, walks

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

SURVIVORS_VERSION = 1
"""Bump when the same input and settings would give other duplicates; part of dedup's fingerprint."""

_NARROW = "doc_id binary, source string, split string, text_digest binary, text_bytes long, shingles long"
_ANNOTATION = f"{_NARROW}, signature binary, part string, row int"
_RANKS = ("rank1", "rank2", "rank3", "doc_id")


@dataclass(frozen=True, slots=True)
class Found:
    """The duplicates, as rows of ``schema.DUPLICATES`` read from scratch files, and facts for the report."""

    frame: DataFrame
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one process may hold; changing them changes time and memory, never the result."""

    edges: int = edges.EDGE_BOUND
    prune: int = 1_000_000
    set_bytes: int = 256 << 20


def find_duplicates(
    spark: SparkSession,
    annotations: Sequence[str],
    eligibility: Sequence[str],
    *,
    documents: str,
    settings: DedupSettings,
    scratch: str,
    bounds: Bounds | None = None,
) -> Found:
    """Return the duplicates among the eligible documents.

    ``annotations`` and ``eligibility`` are Parquet files of those datasets; ``documents`` is the directory that
    annotations' ``part`` is relative to (``row`` counts within the part); ``scratch`` a directory that all
    executors can write to, which the caller removes after it has read ``frame``.
    """
    measured = _read(spark, annotations, _ANNOTATION)
    allowed = _read(spark, eligibility, "doc_id binary, eligible boolean").where("eligible").select("doc_id")
    return resolve(
        spark, measured.join(allowed, "doc_id", "left_semi"),
        documents=documents, settings=settings, scratch=scratch, bounds=bounds,
    )  # fmt: skip


def resolve(
    spark: SparkSession,
    population: DataFrame,
    *,
    documents: str,
    settings: DedupSettings,
    scratch: str,
    bounds: Bounds | None = None,
) -> Found:
    """Return the duplicates within a population: rows of annotations, all of them eligible.

    An optional boolean column ``against`` marks documents of an older corpus: first in the order, never
    dropped. Raises ``DatasetDamaged`` on repeated ids, listing some.
    """
    from pyspark.sql import functions as F

    bounds = bounds or Bounds()
    if "against" not in population.columns:
        population = population.withColumn("against", F.lit(False))

    def saved(frame: DataFrame, name: str) -> DataFrame:
        """Write a step's rows once; whatever reads them later does not repeat the step."""
        frame.write.mode("overwrite").parquet(f"{scratch}/{name}")
        return spark.read.schema(frame.schema).parquet(f"{scratch}/{name}")

    named, members = _members(population, settings, saved)
    first = members.where("v = representative")
    signatures = named.where("signature is not null").select("v", "signature")
    hashed = saved(first.select("v", "scope", "split_key").join(signatures, "v"), "hashed")

    keys = hashed.select("v", "scope", F.col("split_key").alias("split"), "signature").mapInArrow(
        partial(walks.key_rows, settings=settings), walks.KEYS
    )
    digests = first.select(
        F.xxhash64("text_digest", F.lit("digest")).alias("key"),
        "v",
        "scope",
        F.col("split_key").alias("split"),
    )
    saved(edges.star_edges(keys.union(digests), settings.scope != "global"), "edges")
    joined = edges.connect(spark, f"{scratch}/edges", scratch, bounds.edges)
    components = spark.read.schema("v long, component long").parquet(joined.path)

    clusters = saved(
        first.join(components, "v").join(hashed.select("v", "signature"), "v", "left")
        .select("component", *_RANKS, "v", "scope", F.col("split_key").alias("split"), "against",
                "text_digest", "shingles", "signature", "part", "row"),
        "clusters",
    )  # fmt: skip
    width = int(spark.conf.get("spark.sql.shuffle.partitions") or 2)
    marked = (
        clusters.drop("part", "row").repartition(width, "component").sortWithinPartitions("component", *_RANKS)
        .mapInArrow(partial(walks.prune, settings=settings, limit=bounds.prune), walks.MARKED)
    )  # fmt: skip
    places = saved(
        clusters.select("v", "part", "row", "shingles").join(marked, "v", "left_semi")
        .repartition(width, "part").sortWithinPartitions("part", "row")
        .mapInArrow(
            partial(walks.make_sets, documents=documents, directory=f"{scratch}/sets", settings=settings), walks.PLACES
        ),
        "places",
    )  # fmt: skip
    verdicts = saved(
        clusters.drop("part", "row").join(places, "v", "left")
        .repartition(width, "component").sortWithinPartitions("component", *_RANKS)
        .mapInArrow(
            partial(walks.walk, settings=settings, directory=f"{scratch}/sets", budget=bounds.set_bytes),
            walks.VERDICTS,
        ),
        "verdicts",
    )  # fmt: skip
    duplicates = saved(_duplicates(members, verdicts.where("v is not null")), "duplicates")
    facts = _facts(members, verdicts, places, duplicates)
    facts["edges"] = joined.edges
    facts["components"] |= {"method": joined.method, "rounds": joined.rounds}
    return Found(duplicates, facts)


def _read(spark: SparkSession, paths: Sequence[str], ddl: str) -> DataFrame:
    """Read Parquet files with the columns stated, so that no schema is guessed; none at all is an empty frame."""
    if not paths:
        return spark.createDataFrame([], ddl)
    return spark.read.schema(ddl).parquet(*paths)


def _members(
    population: DataFrame, settings: DedupSettings, saved: Callable[[DataFrame, str], DataFrame]
) -> tuple[DataFrame, DataFrame]:
    """Return the population with vertices, and its narrow rows with their representatives."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    for salt in range(4):
        named = population.withColumn("v", F.xxhash64("doc_id", F.lit(salt)))
        group = Window.partitionBy("scope", "split_key", "text_digest", "against").orderBy(*_RANKS)
        ranked = named.drop("signature").withColumns(
            {
                "scope": _scope(settings),
                "split_key": F.xxhash64("split"),
                **_ranks(settings),
            }
        )
        standing = F.when(F.col("against"), F.col("v")).otherwise(F.first("v").over(group))
        members = saved(ranked.withColumn("representative", standing), "members")
        twice = members.groupBy("v").count().where("count > 1").select("v").limit(5).collect()
        if not twice:
            return named, members
        ids = members.where(F.col("v").isin([row["v"] for row in twice])).groupBy("doc_id").count()
        repeated = sorted(bytes(row["doc_id"]).hex() for row in ids.where("count > 1").collect())
        if repeated:
            raise DatasetDamaged(
                f"annotations name some documents twice: {', '.join(repeated)}; run annotate again"
            )
    raise DatasetDamaged("64-bit vertices collided under four salts; the document ids are not random enough")


def _scope(settings: DedupSettings) -> Column:
    """Return a 64-bit name of each document's scope (``DedupSettings.scope_of``); 0 for one scope."""
    from pyspark.sql import functions as F

    if settings.scope == "global":
        return F.lit(0).cast("long")
    name = F.concat(F.lit("source "), F.col("source"))
    grouped = sorted(source for source, group in settings.groups.items() if group is not None)
    if settings.scope == "per_group" and grouped:
        known = [F.lit(x) for source in grouped for x in (source, settings.scope_of(source))]
        name = F.coalesce(F.create_map(*known)[F.col("source")], name)
    return F.xxhash64(name)


def _ranks(settings: DedupSettings) -> dict[str, Column]:
    """Return the first three columns of the total order (``exact.order_key``); ``doc_id`` is the fourth."""
    from pyspark.sql import functions as F

    zero = F.lit(0).cast("long")
    priority = zero
    if settings.keep != "id" and settings.priorities:
        known = [F.lit(x) for source, rank in sorted(settings.priorities.items()) for x in (source, rank)]
        priority = F.coalesce(F.create_map(*known)[F.col("source")].cast("long"), zero)
    return {
        "rank1": F.when(F.col("against"), zero).otherwise(zero + 1),
        "rank2": priority,
        "rank3": -F.col("text_bytes").cast("long") if settings.keep == "longest" else zero,
    }


def _duplicates(members: DataFrame, verdicts: DataFrame) -> DataFrame:
    """Return the rows of ``schema.DUPLICATES``: each member takes its representative's verdict, or names it."""
    from pyspark.sql import functions as F

    found = verdicts.select(F.col("v").alias("representative"), "kept", "exact", "jaccard")
    judged = members.join(found, "representative", "left").where("kept is not null or v != representative")
    twin = members.select(
        F.col("v").alias("twin"),
        F.col("doc_id").alias("kept_id"),
        F.col("source").alias("kept_source"),
        F.col("split").alias("kept_split"),
    )
    alone = F.col("kept").isNull()  # the representative is kept, so its copies name it
    return (
        judged.withColumn("twin", F.coalesce("kept", "representative"))
        .join(twin, "twin")
        .withColumns(
            {
                "jaccard": F.when(alone, F.lit(1.0)).otherwise(F.col("jaccard")),
                "kind": F.when(alone | F.col("exact"), "exact").otherwise("near"),
                "cross_split": F.col("split") != F.col("kept_split"),
            }
        )
        .select(*schema.DUPLICATES.names)
    )


def _facts(
    members: DataFrame, verdicts: DataFrame, places: DataFrame, duplicates: DataFrame
) -> dict[str, Any]:
    """Count what the report shows. ``cluster_sizes`` maps a size (kept document and copies) to how many have it."""
    from pyspark.sql import functions as F

    def one(frame: DataFrame, **counts: Column) -> dict[str, int]:
        row = frame.agg(*[column.alias(name) for name, column in counts.items()]).first()
        return {name: int(row[name] or 0) for name in counts} if row else dict.fromkeys(counts, 0)

    clusters = duplicates.groupBy("kept_id", "kept_source").agg((F.count("*") + 1).alias("size"))
    sizes = {
        int(r["size"]): int(r["n"]) for r in clusters.groupBy("size").agg(F.count("*").alias("n")).collect()
    }
    largest = clusters.orderBy(F.desc("size"), "kept_id").limit(10).collect()
    kinds = {
        "exact": F.sum((F.col("kind") == "exact").cast("long")),
        "near": F.sum((F.col("kind") == "near").cast("long")),
        "cross_split": F.sum(F.col("cross_split").cast("long")),
    }
    summaries = verdicts.where("v is null")
    return {
        **one(members, documents=F.count("*"), representatives=F.sum(F.expr("int(v = representative)"))),
        "components": one(summaries, count=F.count("*"), largest=F.max("members"), members=F.sum("members")),
        "shingle_sets": one(places, count=F.count("*"), shingles=F.sum("length")),
        "pairs": one(summaries, examined=F.sum("examined"), refused=F.sum("refused")),
        "duplicates": one(duplicates, total=F.count("*"), **kinds),
        "cluster_sizes": {str(size): sizes[size] for size in sorted(sizes)},
        "largest_clusters": [
            {"kept_id": bytes(r["kept_id"]).hex(), "source": r["kept_source"], "size": int(r["size"])}
            for r in largest
        ],
    }


def clear(scratch: str) -> None:
    """Remove the scratch files once the duplicates are written elsewhere."""
    system, inner = filesystem(scratch)
    system.delete_dir(inner)
