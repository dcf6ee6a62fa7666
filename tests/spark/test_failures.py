"""What fails in a worker reaches the user as one message; what fails at the start says what to do."""

import os
import signal
import subprocess
import sys

import pytest

from pile_curate import errors
from pile_curate.spark import session
from pile_curate.spark.runner import run_tasks
from pile_curate.spark.submit import explain

pytestmark = pytest.mark.spark


def test_results_come_in_the_order_of_the_groups(spark):
    groups = [[1, 2], [3], [], [4, 5, 6]]
    assert run_tasks(spark, groups, lambda group: (len(group), sum(group)), "sums") == [
        (2, 3),
        (1, 3),
        (0, 0),
        (3, 15),
    ]
    assert run_tasks(spark, [], len, "nothing") == []


def test_an_error_of_ours_keeps_its_code_message_and_status(spark):
    def work(group):
        raise errors.DatasetDamaged("part-3: 7 rows where its task wrote 8;\nrun it again")

    with pytest.raises(Exception) as raised:
        run_tasks(spark, [[1]], work, "fails")
    assert explain(raised.value) == (
        "DATASET_DAMAGED",
        "part-3: 7 rows where its task wrote 8;\nrun it again",
        3,
    )


def test_any_other_error_is_named(spark):
    with pytest.raises(Exception) as raised:
        run_tasks(spark, [[1]], lambda group: group[9], "fails")
    assert explain(raised.value) == ("WORKER", "IndexError: list index out of range", 1)


def test_in_a_frame_too(spark):
    def work(batches):
        raise errors.MixtureError("short")
        yield

    with pytest.raises(Exception) as raised:
        spark.range(3).mapInArrow(work, "id long").collect()
    assert explain(raised.value) == ("MIXTURE", "short", 2)


def test_a_worker_killed_each_time_is_told_in_a_line(spark):
    with pytest.raises(Exception) as raised:
        run_tasks(spark, [[1]], lambda group: os.kill(os.getpid(), signal.SIGKILL), "fails")
    code, message, status = explain(raised.value)
    assert (code, status) == ("SPARK", 1)
    assert "failed 3 times" in message and "crashed" in message and "\n" not in message


def test_a_worker_killed_once_is_tried_again(spark, tmp_path):
    marker = tmp_path / "died"

    def work(group):
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return sum(group)

    assert run_tasks(spark, [[1, 2]], work, "once") == [3]
    assert marker.exists()


def test_a_master_that_is_none_is_refused(tmp_path):
    code = (
        "import sys; from pile_curate.spark.session import open_session; "
        "from pile_curate.spark.submit import guarded; sys.exit(guarded(lambda: open_session('mars')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "SETUP: Spark did not start on mars: " in done.stderr
    assert "Traceback" not in done.stderr and "pile-curate doctor" in done.stderr


def test_the_workers_path_has_the_package_and_not_the_interpreters_own(monkeypatch, tmp_path):
    package = os.path.dirname(os.path.dirname(os.path.dirname(session.__file__)))
    (tmp_path / "jobs").mkdir()
    script = tmp_path / "jobs" / "select.py"
    script.write_text("")
    mine = [str(tmp_path / "jobs"), str(tmp_path / "lib"), "", *sys.path]
    monkeypatch.setattr(sys, "path", mine)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(script), raising=False)
    found = session.worker_path()
    assert package in found and str(tmp_path / "lib") in found and len(found) == len(set(found))
    assert str(tmp_path / "jobs") not in found
    assert not [path for path in found if "site-packages" in path or path.endswith("lib-dynload")]


def test_settings_for_masters(monkeypatch):
    monkeypatch.setenv("PILE_CURATE_JVM_OPTIONS", "-Xint")
    local = session.settings("local[2]")
    assert local["spark.driver.host"] == "127.0.0.1" and local["spark.sql.shuffle.partitions"]
    assert local["spark.driver.extraJavaOptions"].endswith(" -Xint") == (
        local["spark.executor.extraJavaOptions"] == "-Xint"
    )
    far = session.settings("spark://node1:7077", {"spark.ui.enabled": "true"})
    assert "spark.driver.host" not in far and far["spark.ui.enabled"] == "true"
