"""Open a Spark session with the few settings that the stages rely on.

Everything binds to loopback when the master is local or on loopback, so that a laptop run is never
visible on the network. Text never passes through the JVM, so a small driver heap is enough.
"""

from __future__ import annotations

import atexit
import os
import site
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pile_curate.errors import SetupError
from pile_curate.java import activate

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DEFAULT_MASTER = "local[*,4]"
"""Four attempts a task: plain ``local[n]`` never retries, and a lost task would lose the run."""

SINGLE_THREADED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "TOKENIZERS_PARALLELISM": "false",
    "RAYON_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}
"""Environment of the Python workers: Spark owns the cores, so no library may start threads of its own."""

LOGGING = Path(__file__).with_name("log4j2.properties")
JVM_OPTIONS = f"-Dlog4j2.configurationFile={LOGGING.as_uri()}"
"""Options of the driver's JVM: what it may print. A file, since later settings miss what is said at the start."""

SHORT_RUN = "-XX:TieredStopAtLevel=1"
"""Worth adding in PILE_CURATE_JVM_OPTIONS when a session lives for a minute or two (the demo, the tests).

The JVM's optimising compiler then never starts: opening a session and four small queries took 12 instead
of 21 CPU seconds (medians of 3, 2 cores). A query over 12 million rows, once warm, takes 1.7 times as long.
"""


def worker_path() -> list[str]:
    """Return the folders that Python workers need beyond what their interpreter finds by itself.

    That is where this package lies (an editable install is known to this environment only, and a
    ``PYTHONPATH`` to this process only), and what else was added to ``sys.path``. The folder of the script
    that runs is left out: ``jobs/`` holds ``select.py`` and ``tokenize.py``.
    """
    paths = sysconfig.get_paths()
    own = [paths["stdlib"], paths["platstdlib"], paths["purelib"], paths["platlib"]]
    own += [*site.getsitepackages(), site.getusersitepackages()]
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script and os.path.isfile(script):
        own.append(os.path.dirname(os.path.abspath(script)))
    left_out = {os.path.realpath(entry) for entry in own}
    package = str(Path(__file__).parents[2])
    found = [] if os.path.realpath(package) in map(os.path.realpath, site.getsitepackages()) else [package]
    for entry in map(os.path.abspath, filter(None, sys.path)):
        known = os.path.realpath(entry) in left_out or entry.endswith((".zip", "lib-dynload"))
        if not known and entry not in found:
            found.append(entry)
    return found


def settings(master: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the Spark configuration for a master; ``extra`` wins over every default."""
    more = os.environ.get("PILE_CURATE_JVM_OPTIONS", "").strip()
    conf = {
        "spark.master": master,
        "spark.app.name": "pile_curate",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.arrow.pyspark.validateSchema.enabled": "true",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.adaptive.enabled": "true",
        "spark.python.worker.reuse": "true",
        "spark.driver.memory": os.environ.get("PILE_CURATE_DRIVER_MEMORY", "2g"),
        "spark.driver.maxResultSize": "1g",
        "spark.driver.extraJavaOptions": f"{JVM_OPTIONS} {more}".strip(),
        **({"spark.executor.extraJavaOptions": more} if more else {}),
        "spark.executorEnv.SPARK_PREFER_IPV6": "false",
    }
    if master.startswith("local[") or master == "local":
        cores = os.cpu_count() or 1
        conf["spark.sql.shuffle.partitions"] = str(max(2, cores))
        conf["spark.default.parallelism"] = str(max(2, cores))
    if master.startswith("local") or "127.0.0.1" in master or "localhost" in master:
        conf["spark.driver.host"] = "127.0.0.1"
        conf["spark.driver.bindAddress"] = "127.0.0.1"
    for name, value in SINGLE_THREADED.items():
        conf[f"spark.executorEnv.{name}"] = value
    conf["spark.executorEnv.PYTHONPATH"] = os.pathsep.join(worker_path())
    conf.update(extra or {})
    return conf


def open_session(master: str | None = None, extra: Mapping[str, str] | None = None) -> SparkSession:
    """Return a session for ``master`` (default: every core of this machine, four attempts a task).

    Under ``spark-submit`` the JVM and its master exist already; then its own settings stand and only
    the SQL settings are applied. Raises ``SetupError`` when no usable Java can be found.
    """
    activate()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    for name, value in SINGLE_THREADED.items():
        os.environ.setdefault(name, value)
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    conf = settings(master or DEFAULT_MASTER, extra)
    if submitted:
        keep = ("spark.sql.", "spark.executorEnv.")
        conf = {k: v for k, v in conf.items() if k.startswith(keep)}
    elif conf["spark.master"].startswith("local") or "127.0.0.1" in conf["spark.master"]:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder
    for name, value in conf.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except (PySparkException, Py4JError, OSError) as err:
        raise SetupError(
            f"Spark did not start on {conf.get('spark.master', 'the submitted master')}: {err}. "
            "`pile-curate doctor` says what is missing."
        ) from err
    # A JVM that only notices the end of this process leaves executors behind that are started again.
    atexit.register(session.stop)
    return session


def worker_cores(spark: SparkSession) -> int:
    """Return how many tasks the session runs at once, as far as Spark says."""
    return max(1, int(spark.sparkContext.defaultParallelism))
