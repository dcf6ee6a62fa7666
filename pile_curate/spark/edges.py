"""Connect documents that could decide about each other: star edges per bucket, then components.

A *bucket* is all vertices with one key: a band of the signature or a text digest. Two vertices are
comparable if their scopes are equal or their splits differ. ``star_edges`` links each vertex to a *hub*, so
a bucket of n members costs n - 1 rows, never a list and never n^2:

* within one scope the hub is the scope's least vertex of the bucket;
* if the bucket's vertices have more than one split, the hub is the bucket's least vertex.

Proof that comparable members of a bucket end in one component. Equal scopes: both link to the same hub, or
are it. Different scopes: then their splits differ, so the second case holds for the whole bucket, and both
link to the bucket's least vertex. (Too much may be connected; the walk is right on any union of components.)

Sizes: the window sorts the bucket's rows and spills, so no process holds a bucket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate.dedup.set_files import filesystem

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

EDGES = "high long, low long"

EDGE_BOUND = 5_000_000
"""Up to this many edges the driver connects them: 16 bytes an edge collected, about 60 while it works."""


def star_edges(rows: DataFrame, scoped: bool) -> DataFrame:
    """Return distinct edges (``high`` > ``low``) from rows (key, v, scope, split), as the module says."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    bucket = Window.partitionBy("key")
    hub = F.min("v").over(bucket)
    if scoped:
        crossing = F.min("split").over(bucket) != F.max("split").over(bucket)
        hub = F.when(crossing, hub).otherwise(F.min("v").over(Window.partitionBy("key", "scope")))
    linked = rows.select(F.col("v").alias("high"), hub.alias("low"))
    return linked.where(F.col("high") != F.col("low")).distinct()


class Components(NamedTuple):
    """The path of rows (v, component), how many edges there were, how they were joined, in how many rounds."""

    path: str
    edges: int
    method: str
    rounds: int


def connect(spark: SparkSession, edges_path: str, scratch: str, bound: int = EDGE_BOUND) -> Components:
    """Write (v, component) for every vertex of some edge; a component's name is its least vertex.

    At most ``bound`` edges: collected as Arrow and joined by union-find in the driver. More: rounds in Spark.
    """
    edges = spark.read.schema(EDGES).parquet(edges_path)
    count = edges.count()
    if count > bound:
        return Components(f"{scratch}/components", count, "rounds", _rounds(edges, scratch))
    from pile_curate.dedup.components import connect as union_find

    found = edges.select("high", "low").toArrow()
    vertices, component = union_find(found["high"].to_numpy(), found["low"].to_numpy())
    system, inner = filesystem(f"{scratch}/components")
    system.create_dir(inner, recursive=True)
    table = pa.table({"v": pa.array(vertices, pa.int64()), "component": pa.array(component, pa.int64())})
    with system.open_output_stream(f"{inner}/part.parquet") as sink:
        pq.write_table(table, sink, row_group_size=1 << 20)
    return Components(f"{scratch}/components", count, "driver", 0)


def large_star(edges: DataFrame) -> DataFrame:
    """Link every larger neighbour of a vertex u to the least of u and its neighbours."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    both = edges.select(F.col("high").alias("u"), F.col("low").alias("n")).union(edges.select("low", "high"))
    least = F.least(F.min("n").over(Window.partitionBy("u")), F.col("u"))
    larger = both.select("u", "n", least.alias("low")).where(F.col("n") > F.col("u"))
    return larger.select(F.col("n").alias("high"), "low").distinct()


def small_star(edges: DataFrame) -> DataFrame:
    """Link a vertex and its smaller neighbours to the least of them."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    least = F.min("low").over(Window.partitionBy("high"))
    seen = edges.select(F.col("high").alias("u"), F.col("low").alias("n"), least.alias("low"))
    rest = seen.where(F.col("n") != F.col("low")).select(F.col("n").alias("high"), "low")
    return seen.select(F.col("u").alias("high"), "low").union(rest).distinct()


def _state(edges: DataFrame) -> tuple[int, ...]:
    """Return the number of edges and two order-free 64-bit hashes of their set: equal means unchanged."""
    from pyspark.sql import functions as F

    first, second = F.xxhash64("high", "low"), F.xxhash64("low", "high", F.lit(1))
    row = edges.agg(F.count("*"), F.bit_xor(first), F.bit_xor(second)).first()
    return tuple(int(value or 0) for value in row) if row else (0, 0, 0)


def _rounds(edges: DataFrame, scratch: str) -> int:
    """Alternate large-star and small-star until nothing changes (Kiveris et al. 2014, SoCC, algorithm 4).

    Each step keeps what is connected connected and ends with one star per component, whose centre is its
    least vertex; the number of rounds grows with the square of the logarithm of the longest path at
    worst, in practice like the logarithm. Edges never increase in number, each round writes them anew
    (16 bytes an edge), and no process holds more than a sort buffer.
    """
    from pyspark.sql import functions as F

    rounds, before = 0, _state(edges)
    while True:
        rounds += 1
        path = f"{scratch}/round-{rounds}"
        small_star(large_star(edges)).write.mode("overwrite").parquet(path)
        edges = edges.sparkSession.read.schema(EDGES).parquet(path)
        after = _state(edges)
        if rounds > 1:
            system, inner = filesystem(f"{scratch}/round-{rounds - 1}")
            system.delete_dir(inner)
        if after == before:
            break
        before = after
    stars = edges.select(F.col("high").alias("v"), F.col("low").alias("component"))
    centres = edges.select(F.col("low").alias("v"), F.col("low").alias("component")).distinct()
    stars.union(centres).write.mode("overwrite").parquet(f"{scratch}/components")
    return rounds
