"""Hand tasks to Spark and collect one small result each: Spark schedules, Arrow moves the text.

A task is any picklable value with a size; the work function runs in a Python worker, writes its own
files under attempt-unique names and returns what it wrote. A retried or speculative task leaves
files that no manifest lists, so it leaves nothing that counts.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from pile_curate.packing import pack

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["Progress", "pack", "run_tasks", "write_frame"]

T = TypeVar("T")
R = TypeVar("R")


class Progress:
    """Print a line now and then while a long stage runs; silent when it is over within two seconds."""

    def __init__(self, spark: SparkSession, label: str, total: int) -> None:
        self.spark, self.label, self.total = spark, label, total
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Progress:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop.set()
        self.thread.join(timeout=5)

    def _watch(self) -> None:
        started = time.monotonic()
        tracker = self.spark.sparkContext.statusTracker()
        wait = 2.0
        while not self.stop.wait(wait):
            done = running = 0
            for stage in tracker.getActiveStageIds():
                info = tracker.getStageInfo(stage)
                if info is not None:
                    done, running = done + info.numCompletedTasks, running + info.numActiveTasks
            seconds = time.monotonic() - started
            print(
                f"  {self.label}: {done} of {self.total} tasks done, {running} running, {seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
            wait = 5.0


def run_tasks(
    spark: SparkSession, groups: Sequence[Sequence[T]], work: Callable[[Sequence[T]], R], label: str
) -> list[R]:
    """Run ``work(group)`` once for each group, one Spark task a group, and return the results in order."""
    if not groups:
        return []

    def call(index: int, rows: Any) -> Any:
        return [(index, work(group)) for group in rows]

    context = spark.sparkContext
    context.setJobDescription(label)
    with Progress(spark, label, len(groups)):
        rdd = context.parallelize(list(groups), len(groups))
        results = rdd.mapPartitionsWithIndex(call).collect()
    return [result for _, result in sorted(results, key=lambda pair: pair[0])]


def write_frame(
    frame: DataFrame, schema: pa.Schema, directory: str, prefix: str, *, part_column: str | None = None
) -> list[Any]:
    """Write narrow rows as Parquet, one file a Spark partition, and return their ``FileEntry`` objects.

    With ``part_column`` each entry's facts list the distinct values of that column (``parts``), by which
    later map tasks find the one file that holds their rows.
    """
    import pickle

    import pyarrow as pa_

    from pile_curate.schema import conform

    names = [name for name in schema.names]
    selected = frame.select(*names)

    def work(batches: Any) -> Any:
        import uuid

        from pile_curate.tables import PartWriter

        writer = PartWriter(directory, f"{prefix}-{uuid.uuid4().hex}.parquet", schema)
        parts: set[str] = set()
        rows = 0
        for batch in batches:
            if batch.num_rows == 0:
                continue
            rows += batch.num_rows
            if part_column is not None:
                parts.update(batch.column(part_column).to_pylist())
            writer.write(conform(batch, schema))
        if rows == 0:
            writer.abort()
            return
        entry = replace(writer.close(), facts={"parts": sorted(parts)} if part_column else {})
        yield pa_.RecordBatch.from_pydict({"entry": pa_.array([pickle.dumps(entry)], pa_.binary())})

    with Progress(frame.sparkSession, prefix, 1):
        collected = selected.mapInArrow(work, "entry binary").collect()
    return [pickle.loads(bytes(row["entry"])) for row in collected]
