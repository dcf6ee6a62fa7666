"""Open a session for the sake of its classes, and leave them in an archive for the sessions to come.

Runs by itself, after a session has ended (``pile_curate.class_archive.write_later``), at low priority, once
for each JVM and Spark: half a minute of one core. The archive appears under its name when it is whole.
"""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pile_curate import class_archive
from pile_curate.class_archive import Archive

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LONGEST = 300.0
"""Seconds that the JVM may take to write its classes and end."""


def _same(batches: Iterator[Any]) -> Iterator[Any]:
    yield from batches


def exercise(spark: SparkSession, folder: str) -> None:
    """Do a little of everything that the stages ask of the JVM, so that its classes are loaded."""
    from pyspark.sql import functions

    context = spark.sparkContext
    pairs = context.parallelize(range(8), 2).map(lambda i: (i % 3, b"block")).partitionBy(3)
    pairs.mapPartitions(lambda rows: [len(list(rows))]).collect()
    table = spark.range(100).withColumn("key", functions.xxhash64("id") % 7)
    kept = table.groupBy("key").agg(functions.min("id").alias("first"), functions.count("*").alias("rows"))
    path = os.path.join(folder, "rows")
    table.join(kept, "key").where("id > first").repartition(2, "key").orderBy("id").write.parquet(path)
    rows = spark.read.parquet(path)
    rows.mapInArrow(_same, rows.schema).collect()
    spark.createDataFrame([("a", 1)], "name string, number int").collect()


def record(archive: Archive) -> None:
    """Write the archive; raises whatever stands in the way, and leaves nothing behind but the attempt."""
    with tempfile.TemporaryDirectory(prefix="writing-", dir=archive.path.parent) as folder:
        target = os.path.join(folder, archive.path.name)
        os.environ["PILE_CURATE_JVM_OPTIONS"] = " ".join(archive.recording(target))
        os.environ["PILE_CURATE_DRIVER_MEMORY"] = "1g"
        os.environ[class_archive.SWITCH] = "0"
        from pyspark import SparkContext

        from pile_curate.spark.session import open_session

        spark = open_session("local[1,2]", {"spark.local.dir": folder})
        exercise(spark, folder)
        gateway: Any = SparkContext._gateway
        spark.stop()
        atexit.unregister(spark.stop)
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(timeout=LONGEST)
        os.chmod(target, 0o600)
        os.replace(target, archive.path)
    archive.attempt.unlink(missing_ok=True)
    class_archive.remove_unused(archive.path.parent, time.time())


def main(argv: list[str]) -> int:
    """Write the archive that ``argv`` (its path, Java's major version) names; silent, whatever happens."""
    os.nice(10)
    try:
        record(Archive(Path(argv[0]), int(argv[1])))
    except Exception:
        # Nobody listens; the attempt that stays behind keeps sessions from trying again all day.
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
