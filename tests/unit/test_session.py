"""What a session is told, and how its workers are started; no JVM is."""

import json
import os
import subprocess
import sys

import pytest

from pile_curate.errors import SetupError
from pile_curate.spark import daemon, session


def test_extra_settings_win_over_everything(monkeypatch):
    monkeypatch.setenv(session.EXTRA, " spark.ui.enabled=true,spark.a.b = x=y ,,")
    with pytest.raises(SetupError, match="spark.a.b = x=y"):
        session.settings("local[2]")
    monkeypatch.setenv(session.EXTRA, " spark.ui.enabled=true, spark.a.b=x=y,,spark.empty= ")
    made = session.settings("local[2]", {"spark.a.b": "z", "spark.c": "c"})
    assert (made["spark.ui.enabled"], made["spark.a.b"], made["spark.empty"], made["spark.c"]) == (
        "true",
        "x=y",
        "",
        "c",
    )


@pytest.mark.parametrize(
    "text", ["spark.ui.enabled", "ui.enabled=true", "=x", "spark.=x", "spark.a=1,2", "spark.a=1;x, b"]
)
def test_malformed_extra_settings_are_named(text):
    with pytest.raises(
        SetupError, match=r"PILE_CURATE_SPARK_CONF: the entry .* is no setting; write spark.NAME=VALUE"
    ):
        session.extra_settings(text)


@pytest.mark.parametrize(
    ("master", "near"),
    [
        ("local", True),
        ("local[2,4]", True),
        ("local-cluster[2,1,1024]", True),
        ("spark://127.0.0.1:7077", True),
        ("spark://localhost:7077", True),
        ("spark://node1:7077", False),
        ("yarn", False),
        ("k8s://https://host", False),
    ],
)
def test_only_on_this_machine_workers_come_from_our_daemon(master, near):
    made = session.settings(master)
    assert (made.get("spark.python.daemon.module") == session.DAEMON) is near
    assert ("spark.driver.bindAddress" in made) is near


def test_only_a_local_driver_compiles_late(monkeypatch):
    monkeypatch.setenv("PILE_CURATE_JVM_OPTIONS", "-Xint")
    options = session.settings("local[2]")["spark.driver.extraJavaOptions"]
    assert session.LATE in options and options.endswith(" -Xint")
    assert "Tier4" not in session.settings("local-cluster[2,1,1024]")["spark.driver.extraJavaOptions"]


def test_the_daemon_loads_what_tasks_need_and_starts_no_thread():
    code = (
        "import json, os, sys; from pile_curate.spark import daemon; os.environ.update(daemon.QUIET); daemon.preload(); "
        "print(json.dumps([daemon.threads(), sorted({'pyarrow', 'numba', 'pyspark.worker', 'pandas', 'torch'} & set(sys.modules))]))"
    )
    env = os.environ | session.SINGLE_THREADED
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [1, ["numba", "pyarrow", "pyspark.worker"]]


class Gone(Exception):
    pass


@pytest.mark.parametrize("trouble", ["import", "thread"])
def test_spark_s_own_daemon_takes_over_when_loading_fails_or_starts_a_thread(monkeypatch, trouble):
    def replaced(path, argv):
        assert path == sys.executable and argv[1:] == ["-m", "pyspark.daemon", "pyspark.worker"]
        raise Gone

    def broken():
        raise ImportError("numba is not here")

    monkeypatch.setattr(daemon, "preload", broken if trouble == "import" else lambda: None)
    monkeypatch.setattr(daemon, "threads", lambda: 2)
    monkeypatch.setattr(daemon.os, "execv", replaced)
    monkeypatch.setattr(daemon.os, "environ", dict(os.environ))
    monkeypatch.setattr(sys, "argv", ["daemon.py", "pyspark.worker"])
    with pytest.raises(Gone):
        daemon.main()
