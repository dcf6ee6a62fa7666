"""One Spark session for all tests that need one: local, two cores, loopback only, no UI."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

os.environ.setdefault(
    "PILE_CURATE_CLASS_ARCHIVE", "read"
)  # else each session would be followed by a recorder
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
# Sessions of the tests live for a minute or two; see SHORT_RUN in pile_curate/spark/session.py.
os.environ.setdefault("PILE_CURATE_JVM_OPTIONS", "-XX:TieredStopAtLevel=1")


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session with ``local[2,3]``: two tasks at once, and a failed task is tried three times."""
    from pile_curate.spark.session import open_session

    session = open_session(
        "local[2,3]", {"spark.sql.shuffle.partitions": "2", "spark.default.parallelism": "2"}
    )
    yield session
    session.stop()
