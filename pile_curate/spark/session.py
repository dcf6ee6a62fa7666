"""Open a Spark session with the few settings that the stages rely on.

Everything binds to loopback when the master is local or on loopback, so that a laptop run is never
visible on the network. Text never passes through the JVM, so a small driver heap is enough.

What a start costs, and what takes it away, is measured by ``benchmarks/startup.py``: an archive of the JVM's
classes (``pile_curate.class_archive``), a compiler that optimises late, workers forked from a process that has
their libraries (``pile_curate.spark.daemon``), and one such process for RDD and SQL tasks.
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

from pile_curate import class_archive
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

LATE = " ".join(
    f"-XX:Tier4{name}Threshold={value}"
    for name, value in {
        "Invocation": 50_000,
        "MinInvocation": 6_000,
        "Compile": 150_000,
        "BackEdge": 400_000,
    }.items()
)
"""Ten times the JVM's own thresholds before its optimising compiler takes up a method.

With few cores that compiler competes with the work: opening a session took 4.4 instead of 5.7 CPU seconds, and
sorting and grouping 18 million rows 21 instead of 25, that is, what is hot is still compiled well.
"""

SHORT_RUN = "-XX:TieredStopAtLevel=1"
"""Worth adding in PILE_CURATE_JVM_OPTIONS when a session lives for a minute or two, or shuffles blocks only.

The JVM's optimising compiler then never starts: opening a session takes another quarter less CPU. Blocks of bytes
move as fast as with it; a query over 12 million rows, once warm, takes 1.7 times as long.
"""

DAEMON = "pile_curate.spark.daemon"
EXTRA = "PILE_CURATE_SPARK_CONF"


def extra_settings(text: str) -> dict[str, str]:
    """Return the settings in ``spark.NAME=VALUE,spark.NAME=VALUE``; raises ``SetupError`` for anything else.

    >>> extra_settings("spark.task.maxFailures=8, spark.io.compression.codec=zstd")
    {'spark.task.maxFailures': '8', 'spark.io.compression.codec': 'zstd'}
    """
    found = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        name, sign, value = entry.partition("=")
        if not (sign and name.startswith("spark.") and len(name) > len("spark.") and name.split() == [name]):
            raise SetupError(
                f"{EXTRA}: the entry {entry!r} is no setting; write spark.NAME=VALUE, separated by commas "
                "(a value that has a comma itself belongs into spark-defaults.conf)."
            )
        found[name] = value
    return found


def nearby(master: str) -> bool:
    """Return whether every executor of this master runs on this machine, as far as the name tells."""
    return master.startswith("local") or "127.0.0.1" in master or "localhost" in master


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
    """Return the Spark configuration for a master; ``extra`` wins over every default.

    What ``PILE_CURATE_SPARK_CONF`` names wins over ``extra``; raises ``SetupError`` if it is malformed.
    """
    more = os.environ.get("PILE_CURATE_JVM_OPTIONS", "").strip()
    conf = {
        "spark.master": master,
        "spark.app.name": "pile_curate",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.arrow.pyspark.validateSchema.enabled": "true",
        # Tasks of SQL would else have an environment of their own, and so a daemon and workers of their own.
        "spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled": "false",
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
        conf["spark.driver.extraJavaOptions"] = f"{JVM_OPTIONS} {LATE} {more}".strip()
        cores = os.cpu_count() or 1
        conf["spark.sql.shuffle.partitions"] = str(max(2, cores))
        conf["spark.default.parallelism"] = str(max(2, cores))
    if nearby(master):
        # Elsewhere the package may come with the job (--py-files), too late for the daemon.
        conf["spark.python.daemon.module"] = DAEMON
        conf["spark.driver.host"] = "127.0.0.1"
        conf["spark.driver.bindAddress"] = "127.0.0.1"
    for name, value in SINGLE_THREADED.items():
        conf[f"spark.executorEnv.{name}"] = value
    conf["spark.executorEnv.PYTHONPATH"] = os.pathsep.join(worker_path())
    conf.update(extra or {})
    conf.update(extra_settings(os.environ.get(EXTRA, "")))
    return conf


def _submitted(conf: dict[str, str]) -> dict[str, str]:
    """Return what is still to be said to a JVM that ``spark-submit`` has started with its own settings."""
    from pyspark import SparkConf, SparkContext

    SparkContext._ensure_initialized()
    started = SparkConf(_jvm=SparkContext._jvm)
    own = ("spark.sql.", "spark.executorEnv.")
    kept = {name: value for name, value in conf.items() if name.startswith(own)}
    if nearby(started.get("spark.master", "") or "") and not started.contains("spark.python.daemon.module"):
        kept["spark.python.daemon.module"] = DAEMON
    return kept | extra_settings(os.environ.get(EXTRA, ""))


def open_session(master: str | None = None, extra: Mapping[str, str] | None = None) -> SparkSession:
    """Return a session for ``master`` (default: every core of this machine, four attempts a task).

    Under ``spark-submit`` the JVM and its master exist already; then its own settings stand and only
    the SQL settings are applied. Raises ``SetupError`` when no usable Java can be found.
    """
    java = activate()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    for name, value in SINGLE_THREADED.items():
        os.environ.setdefault(name, value)
    from py4j.protocol import Py4JError
    from pyspark import SparkContext
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    conf = settings(master or DEFAULT_MASTER, extra)
    archive = class_archive.find(java.home, java.version)
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        conf = _submitted(conf)
    elif SparkContext._gateway is None:
        if nearby(conf["spark.master"]):
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        options = conf["spark.driver.extraJavaOptions"]
        said = [options, *(os.environ.get(name, "") for name in ("SPARK_SUBMIT_OPTS", "JDK_JAVA_OPTIONS"))]
        if not class_archive.fits(" ".join(said), conf["spark.driver.memory"]):
            archive = None
        conf["spark.driver.extraJavaOptions"] = f"{options} {class_archive.reading(archive)}".strip()
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
    # Runs after the session was stopped: what was registered last goes first.
    atexit.register(class_archive.write_later, archive)
    # A JVM that only notices the end of this process leaves executors behind that are started again.
    atexit.register(session.stop)
    return session


def worker_cores(spark: SparkSession) -> int:
    """Return how many tasks the session runs at once, as far as Spark says."""
    return max(1, int(spark.sparkContext.defaultParallelism))
