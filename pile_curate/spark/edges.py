"""Connect documents that could decide about each other: star edges per bucket, then components.

A *bucket* is all representatives with one key: a band of the signature or a text digest. ``dedup.stars`` links
its comparable members by a spanning forest, streaming, so a bucket is never held; that comparable members end
in one component is proved there. (Too much may be connected; the walk is right on any union of components.)

Up to ``EDGE_BOUND`` edges the driver connects them by union-find; beyond it, rounds in Spark do.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pile_curate.dedup import DedupSettings
from pile_curate.dedup.parts import ROW_BITS, Ints, Part, read
from pile_curate.spark import exchange
from pile_curate.spark.exchange import Block, Cutter, decode, ints, spread
from pile_curate.spark.twins import Layout, load_copies, rows_in

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

EDGES = "high long, low long"
EDGE_SCHEMA = pa.schema([("high", pa.int64()), ("low", pa.int64())])

EDGE_BOUND = 16_000_000
"""Up to this many edges the driver connects them: about 60 bytes an edge while it works."""

_DIGEST_SALT = np.uint64(0x8BB84B93962EACC9)


class Edges(NamedTuple):
    """A file of edges, how many it has, and how many key rows it was made from."""

    path: str
    edges: int
    keys: int


def keys_schema(scoped: bool) -> pa.Schema:
    """Return the columns of key rows: the vertex in 8 bytes, the key in 8, and 16 more if scopes matter."""
    more = [("scope", pa.int64()), ("split", pa.int64())] if scoped else []
    return pa.schema([("key", pa.uint64()), ("v", pa.int64()), *more])


def keys(
    groups: Iterator[tuple[int, Sequence[Part], str | None]], settings: DedupSettings, targets: int
) -> Iterator[Block]:
    """Send the key rows of a task's representatives: one a band and one for the digest."""
    from pile_curate.dedup.lsh import band_keys
    from pile_curate.dedup.minhash import signature_values

    scoped = settings.scope != "global"
    cutter = Cutter("keys", keys_schema(scoped))

    def send(values: npt.NDArray[np.uint64], chosen: npt.NDArray[Any], narrow: Any) -> Iterator[Block]:
        width = values.shape[1]
        columns = {"key": values.ravel(), "v": np.repeat(narrow.v[chosen], width)}
        if scoped:
            columns |= {n: np.repeat(getattr(narrow, n)[chosen], width) for n in ("scope", "split")}
        return cutter.add(columns, spread(columns["key"], targets))

    for _, parts, copies in groups:
        gone = load_copies(copies)
        for part in parts:
            for narrow, batch in read(
                part, settings, ["signature"], skip=rows_in(gone, part), batch_rows=8192
            ):
                every = np.ones(len(narrow.v), np.bool_)
                yield from send((narrow.digest[:, 0] ^ _DIGEST_SALT)[:, None], every, narrow)
                signature = batch.column("signature")
                signed = signature.is_valid().to_numpy(zero_copy_only=False).astype(np.bool_)
                values = signature_values(signature, settings.permutations)
                yield from send(band_keys(values, settings.bands, settings.rows), signed, narrow)
    yield from cutter.finish()


def link(target: int, blocks: Iterator[Block], scoped: bool, directory: str) -> Iterator[Edges]:
    """Link the buckets of one target as their rows stream in, and write a spanning forest of them."""
    from pile_curate.dedup.stars import Stars

    stars, schema, rows = Stars(scoped), keys_schema(scoped), 0
    for _, (_, payload) in blocks:
        batch = decode(payload, schema)
        rows += batch.num_rows
        stars.add(
            ints(batch, "key"),
            ints(batch, "v"),
            ints(batch, "scope") if scoped else None,
            ints(batch, "split") if scoped else None,
        )
    high, low = stars.edges()
    path = os.path.join(directory, f"edges-{target:05d}-{uuid.uuid4().hex[:12]}.parquet")
    pq.write_table(pa.table([high, low], schema=EDGE_SCHEMA), path, compression="none")
    yield Edges(path, len(high), rows)


@dataclass(frozen=True, slots=True)
class Members:
    """Every vertex of some component with the run that it goes to, ascending, in files of (v, run) rows.

    ``files`` names the file of each reading group (all of them the same one if the driver wrote it).
    ``walks[run]`` is the walk that a run belongs to: a component above the bound has several runs, which
    are sorted apart and merged by one walk.
    """

    files: dict[int, str]
    walks: list[int]
    members: int
    components: int
    largest: int
    method: str
    rounds: int


def load_members(path: str | None, part: Part) -> npt.NDArray[np.int64]:
    """Return the (v, run) rows of a part's vertices."""
    if path is None:
        return np.zeros((0, 2), np.int64)
    rows = np.load(path, mmap_mode="r")
    start, stop = np.searchsorted(rows[:, 0], [part.base, part.base + (1 << ROW_BITS)])
    return np.asarray(rows[start:stop])


def connect(
    spark: SparkSession,
    found: Sequence[Edges],
    scratch: str,
    layout: Layout,
    *,
    bound: int,
    run_rows: int,
    runs: int,
) -> Members:
    """Find the components and say which run each vertex goes to.

    A run holds about ``run_rows`` rows, or as many as make at least ``runs`` runs.
    """
    if sum(edges.edges for edges in found) > bound:
        return _connect_large(spark, [e.path for e in found], scratch, layout, run_rows, runs)
    from pile_curate.dedup.components import connect as union_find

    tables = [pq.read_table(edges.path) for edges in found]
    high = np.concatenate([ints(t, "high") for t in tables]) if tables else np.zeros(0, np.int64)
    low = np.concatenate([ints(t, "low") for t in tables]) if tables else np.zeros(0, np.int64)
    vertices, component = union_find(high, low)
    names, sizes = np.unique(component, return_counts=True)
    plan = RunPlan.of(names, sizes, len(vertices), run_rows, runs)
    rows = np.stack([vertices, plan.run(vertices, component)], axis=1)
    path = os.path.join(scratch, "members.npy")
    np.save(path, rows)
    files = dict.fromkeys(range(layout.groups), path) if len(rows) else {}
    largest = int(sizes.max()) if len(sizes) else 0
    return Members(files, plan.walks, len(rows), len(sizes), largest, "driver", 0)


@dataclass(frozen=True)
class RunPlan:
    """Which run a vertex goes to: by its component, or, in a large component, spread over several runs."""

    small: int
    large: dict[int, tuple[int, int]]  # component -> first run, number of runs
    walks: list[int]

    @staticmethod
    def of(names: Ints, sizes: Ints, members: int, run_rows: int, runs: int) -> RunPlan:
        """Plan runs for components, of which only those above ``run_rows`` need to be named."""
        small = max(1, min(members, max(runs, -(-members // run_rows))))
        large: dict[int, tuple[int, int]] = {}
        walks = list(range(small))
        heavy = sizes > run_rows
        for name, size in zip(names[heavy].tolist(), sizes[heavy].tolist(), strict=True):
            count = -(-size // run_rows)
            large[name] = (len(walks), count)
            walks += [max(walks) + 1] * count
        return RunPlan(small, large, walks)

    def run(self, vertices: Ints, component: Ints) -> Ints:
        """Return each vertex's run."""
        runs = spread(component, self.small)
        for name, (first, count) in self.large.items():
            mine = component == name
            runs[mine] = first + spread(vertices[mine], count)
        return runs


def _uri(path: str) -> str:
    """Return a path as Spark has to be given it: without a scheme it would mean the cluster's default file system."""
    return Path(os.path.abspath(path)).as_uri()


COMPONENTS = pa.schema([("v", pa.int64()), ("component", pa.int64())])


def _connect_large(
    spark: SparkSession, paths: Sequence[str], scratch: str, layout: Layout, run_rows: int, runs: int
) -> Members:
    """Connect in Spark, in rounds, and sort the vertices by the group that reads them."""
    from pyspark.sql import functions as F

    rounds = _rounds(spark.read.schema(EDGES).parquet(*map(_uri, paths)), scratch)
    frame = spark.read.schema("v long, component long").parquet(_uri(f"{scratch}/components"))
    sizes = frame.groupBy("component").count()
    total = sizes.agg(F.count("*").alias("n"), F.sum("count").alias("m"), F.max("count").alias("x")).first()
    count, members, largest = (int(total[i] or 0) for i in range(3)) if total else (0, 0, 0)
    heavy = sizes.where(F.col("count") > run_rows).orderBy("component").collect()
    plan = RunPlan.of(
        np.array([r["component"] for r in heavy], np.int64),
        np.array([r["count"] for r in heavy], np.int64),
        members, run_rows, runs,
    )  # fmt: skip
    folder = os.path.join(scratch, "components")
    files = sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".parquet"))

    def send(tasks: Iterator[str]) -> Iterator[Block]:
        cutter = Cutter("members", COMPONENTS)
        for path in tasks:
            for batch in pq.ParquetFile(path).iter_batches(65536):
                v = ints(batch, "v")
                run = plan.run(v, ints(batch, "component"))
                yield from cutter.add({"v": v, "component": run}, layout.reader(v))
        yield from cutter.finish()

    def save(group: int, blocks: Iterator[Block]) -> Iterator[tuple[int, str]]:
        table = exchange.gather(blocks, {"members": COMPONENTS})["members"]
        v, run = ints(table, "v"), ints(table, "component")
        order = np.argsort(v)
        if len(v):
            path = os.path.join(scratch, f"members-{group:05d}-{uuid.uuid4().hex[:12]}.npy")
            np.save(path, np.stack([v[order], run[order]], axis=1))
            yield group, path

    placed = exchange.results(
        spark, exchange.then(exchange.start(spark, files, send), layout.groups, save), "members"
    )
    return Members(dict(placed), plan.walks, members, count, largest, "rounds", rounds)


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
    import shutil

    from pyspark.sql import functions as F

    rounds, before = 0, _state(edges)
    while True:
        rounds += 1
        path = os.path.join(scratch, f"round-{rounds}")
        small_star(large_star(edges)).write.mode("overwrite").parquet(_uri(path))
        edges = edges.sparkSession.read.schema(EDGES).parquet(_uri(path))
        after = _state(edges)
        if rounds > 1:
            shutil.rmtree(os.path.join(scratch, f"round-{rounds - 1}"))
        if after == before:
            break
        before = after
    stars = edges.select(F.col("high").alias("v"), F.col("low").alias("component"))
    centres = edges.select(F.col("low").alias("v"), F.col("low").alias("component")).distinct()
    stars.union(centres).write.mode("overwrite").parquet(_uri(os.path.join(scratch, "components")))
    return rounds
