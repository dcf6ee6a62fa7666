"""Exchange rows between tasks as blocks of columns, cut by target inside the task.

A row that Spark shuffles costs a microsecond or two on each side: it is decoded from Arrow, copied as a JVM row, sorted,
and encoded again. Here a task sorts its rows by target with numpy, and hands Spark one opaque block of
Arrow bytes for each target and some megabytes of input, so Spark's shuffle (spilling, retries, any master)
moves bytes, and a row costs a few nanoseconds. Jobs are plain RDD jobs: no query is planned or compiled.

Blocks of one target arrive in any order and grouping, so whoever reads them must not depend on it. What a
job leaves behind are files under names of their own and small results, as everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pile_curate.spark.runner import Progress

if TYPE_CHECKING:
    from pyspark import RDD
    from pyspark.sql import SparkSession

T = TypeVar("T")
Block = tuple[int, tuple[str, bytes]]
Targets = npt.NDArray[np.int64]

BLOCK_BYTES = 16 << 20
"""Bytes of rows that a task collects before it cuts them."""


class Cutter:
    """Collect rows of one kind with their targets, and give them out as blocks."""

    def __init__(self, kind: str, schema: pa.Schema, limit: int = BLOCK_BYTES) -> None:
        self.kind, self.schema, self._limit = kind, schema, limit
        self._batches: list[pa.RecordBatch] = []
        self._targets: list[Targets] = []
        self._bytes = 0

    def add(self, columns: Mapping[str, Any], targets: Targets) -> Iterator[Block]:
        """Take rows (arrays by the schema's names) and give out blocks once there are enough."""
        if len(targets) == 0:
            return
        arrays = [pa.array(columns[field.name], type=field.type) for field in self.schema]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        self._batches.append(batch)
        self._targets.append(np.asarray(targets, np.int64))
        self._bytes += batch.nbytes
        if self._bytes >= self._limit:
            yield from self.finish()

    def finish(self) -> Iterator[Block]:
        """Give out what is left."""
        if not self._batches:
            return
        table = pa.Table.from_batches(self._batches)
        targets = np.concatenate(self._targets)
        self._batches, self._targets, self._bytes = [], [], 0
        small = targets.astype(np.uint16) if targets.max() < 1 << 16 else targets
        order = np.argsort(small, kind="stable")  # a radix sort for 16 bits
        ordered = targets[order]
        cuts = np.flatnonzero(np.diff(ordered)) + 1
        table = table.take(pa.array(order)).combine_chunks()
        for start, stop in zip([0, *cuts], [*cuts, len(ordered)], strict=True):
            rows = table.slice(start, stop - start).combine_chunks().to_batches()
            for batch in rows:
                yield int(ordered[start]), (self.kind, batch.serialize().to_pybytes())


def decode(payload: bytes, schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows of a block."""
    return pa.ipc.read_record_batch(pa.py_buffer(payload), schema)


def gather(
    blocks: Iterable[tuple[int, tuple[str, bytes]]], schemas: Mapping[str, pa.Schema]
) -> dict[str, pa.Table]:
    """Return all rows of a target by kind; a kind that did not come is an empty table."""
    found: dict[str, list[pa.RecordBatch]] = {kind: [] for kind in schemas}
    for _, (kind, payload) in blocks:
        found[kind].append(decode(payload, schemas[kind]))
    return {
        kind: pa.Table.from_batches(batches, schema=schemas[kind]).combine_chunks()
        for kind, batches in found.items()
    }


def ints(table: pa.Table | pa.RecordBatch, name: str) -> Any:
    """Return a column of numbers or booleans as one numpy array."""
    column = table.column(name)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return column.to_numpy(zero_copy_only=False)


def _same(target: int) -> int:
    return target


def start(
    spark: SparkSession, tasks: Sequence[T], work: Callable[[Iterator[T]], Iterator[Block]]
) -> RDD[Block]:
    """Return an RDD of the blocks that ``work`` makes of each task, one Spark task each."""
    context = spark.sparkContext
    if not tasks:
        return context.parallelize([], 1)
    return context.parallelize(list(tasks), len(tasks)).mapPartitions(lambda rows: work(iter(rows)))


def then(blocks: RDD[Block], targets: int, work: Callable[[int, Iterator[Block]], Iterator[Any]]) -> RDD[Any]:
    """Bring blocks to their targets; ``work(target, blocks)`` runs once for each target, even without blocks."""
    return blocks.partitionBy(targets, _same).mapPartitionsWithIndex(
        lambda target, found: work(target, iter(found))
    )


def results(spark: SparkSession, rdd: RDD[Any], label: str) -> list[Any]:
    """Run the job and return what its last step yielded."""
    spark.sparkContext.setJobDescription(label)
    with Progress(spark, label, rdd.getNumPartitions()):
        return list(rdd.collect())


def spread(values: npt.NDArray[Any], targets: int) -> Targets:
    """Return a target in [0, targets) for 64-bit keys by their mixed upper bits."""
    mixed = values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    upper = mixed >> np.uint64(32)
    found: Targets = ((upper * np.uint64(targets)) >> np.uint64(32)).astype(np.int64)
    return found
