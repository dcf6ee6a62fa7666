"""The README's lines for a plain spark-submit, really run: no java on PATH, no JAVA_HOME, no PYTHONPATH."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pile_curate.spark.pipeline import BY_NAME
from pile_curate.spark.stage import WRITER
from tests.spark.test_pipeline import digests

ROOT = Path(__file__).parents[2]
JOBS = sorted((ROOT / "jobs").glob("*.py"))
UNSET = (
    "JAVA_HOME",
    "PYTHONPATH",
    "PYSPARK_PYTHON",
    "PYSPARK_DRIVER_PYTHON",
    "SPARK_HOME",
    "SPARK_SUBMIT_OPTS",
)


def clean(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in UNSET} | more


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.stem)
def test_help_of_every_job(job, tmp_path):
    # Also: select.py and tokenize.py beside the job must not hide the standard library's.
    done = subprocess.run(
        [sys.executable, job, "--help"], cwd=tmp_path, env=clean(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout and done.stderr == ""


def test_jobs_and_stages_are_the_same():
    assert {job.stem for job in JOBS} == {*BY_NAME, "pipeline", "verify", "materialize"}


@pytest.mark.parametrize(
    ("job", "arguments", "status", "text"),
    [
        ("extract", ["none.yaml", "--out", "o"], 2, "none.yaml"),
        ("extract", ["none.yaml", "--out", "o", "--input", "x"], 2, "SETUP: --input 'x': write NAME=DIR"),
        ("verify", ["nowhere"], 2, "DATASET_MISSING: "),
        ("materialize", ["nowhere", "--to", "t"], 2, "DATASET_MISSING: "),
    ],
)
def test_mistakes_end_with_one_message_and_their_status(tmp_path, job, arguments, status, text):
    command = [sys.executable, ROOT / "jobs" / f"{job}.py", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=clean(), capture_output=True, text=True)
    assert done.returncode == status and text in done.stderr and "Traceback" not in done.stderr


@pytest.mark.spark
@pytest.mark.slow
def test_spark_submit_on_the_jdk_of_the_wheel(corpus, bare_path, tmp_path):
    recipe, finished = corpus
    script = """
        set -eu
        ! command -v java
        eval "$(pile-curate env)"
        java -version 2>&1 | head -n 1
        spark-submit --master 'local[2,3]' "$JOBS/extract.py" "$RECIPE" --out out
        spark-submit --master 'local[2,3]' "$JOBS/pipeline.py" "$RECIPE" --out out
        spark-submit "$JOBS/verify.py" out --deep
        spark-submit "$JOBS/decide.py" "$RECIPE" --out elsewhere || echo "decide: status $?"
    """
    env = clean(PATH=bare_path, JOBS=str(ROOT / "jobs"), RECIPE=str(recipe), SPARK_LOCAL_DIRS=str(tmp_path))
    env["SPARK_SUBMIT_OPTS"] = "-XX:TieredStopAtLevel=1"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-4000:]
    lines = done.stdout.splitlines()
    assert lines[0].startswith('openjdk version "')
    extracted = [
        line.rpartition(" digest ")[0] for line in lines if "digest" in line and line.startswith("extract: ")
    ]
    assert extracted == ["extract: done, 71 rows,", "extract: up to date, 71 rows,"]
    assert sum(line.endswith("  ok") for line in lines) == 12
    assert lines[-1] == "decide: status 2"
    assert digests(tmp_path / "out") == digests(finished)
    # spark-submit hands what the driver says on either stream to its own standard output.
    told = [line.split()[0].rstrip(":") for line in (*lines[1:], *done.stderr.splitlines())]
    progress = {"conflicts", "duplicates", "ledger", "decide"}
    assert set(told) <= {*BY_NAME, *WRITER, *progress, "DATASET_MISSING"}, "Spark said more than errors"
