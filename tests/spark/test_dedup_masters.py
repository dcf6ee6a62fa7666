"""``dedup`` of a table has equal digests on every kind of master, also when workers and executors die.

Whatever runs on a cluster is a process of its own, as with a user: paths are relative to a working directory that
no executor shares, PYTHONPATH is unset, and what workers need reaches them through the session's settings alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pile_curate.dedup import options
from pile_curate.spark.dedup_table import deduplicate
from pile_curate.verify import verify_dataset
from tests.spark.test_jobs import ROOT, clean
from tests.spark.test_masters import environment, spark_home, standalone

pytestmark = pytest.mark.spark

OPTIONS = [
    "--engine", "spark", "--scope", "per_source",
    "--source-column", "source", "--split-column", "split", "--url-column", "url",
]  # fmt: skip

STEPS = [
    "dedup.table.measure", "spark.twins.find", "spark.twins.meet", "spark.twins.keep", "spark.edges.keys",
    "spark.edges.link", "spark.walks.send_rows", "spark.walks.sort_run", "spark.walks.send_marks",
    "spark.walks.make_sets", "spark.walks.walk", "spark.naming.send_verdicts", "spark.naming.answer_verdicts",
    "spark.naming.settle", "spark.naming.send_finals", "spark.naming.ask_names", "spark.naming.answer_names",
    "spark.naming.write_names", "dedup.table._write",
]  # fmt: skip

DRIVER = """
import os, signal, sys, types
from importlib import import_module
from pile_curate import cli

def mortal(step, marker):
    module, _, name = ("pile_curate." + step).rpartition(".")
    def deadly(*arguments, **more):
        result = getattr(import_module(module), name)(*arguments, **more)
        result = iter(list(result)) if isinstance(result, types.GeneratorType) else result
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return result
        # All files of this task are written and nothing is reported. The parent of this worker is the daemon that
        # forked it, its parent the executor: its death also takes away what earlier steps left there.
        with open(f"/proc/{os.getppid()}/stat") as stat:
            executor = int(stat.read().rpartition(")")[2].split()[1])
        with open(f"/proc/{executor}/cmdline") as line:
            assert "CoarseGrainedExecutorBackend" in line.read()
        os.kill(executor, signal.SIGKILL)
        os._exit(1)
    setattr(import_module(module), name, deadly)

victims, arguments = sys.argv[1].split(), sys.argv[2:]
for victim in victims:
    mortal(victim, os.path.abspath(victim))
sys.exit(cli.main(arguments))
"""


def documents(seed: int = 5, size: int = 1500) -> list[dict[str, Any]]:
    """Return families: near and exact copies, chains, other white space, equal URLs; and texts with few words or none."""
    rng = random.Random(seed)

    def word() -> str:
        return f"w{rng.randrange(9000)}"

    rows: list[dict[str, Any]] = []
    while len(rows) < size:
        words = [word() for _ in range(rng.choice([3, 30, 60, 90]))]
        page = rng.randrange(400)
        for _ in range(rng.choice([1, 1, 2, 3, 5, 12])):
            for _ in range(rng.choice([0, 0, 1, 2, 3])):  # each differs from the one before it
                words[rng.randrange(len(words))] = word()
            text = rng.choice([" ", " ", "\n"]).join(words)
            url = f"http{rng.choice(['', 's'])}://example.org/{page}" if rng.random() < 0.2 else None
            rows.append({"text": text, "url": url})
    rows += [{"text": text, "url": None} for text in (None, "", " ", "", "a b c d", "a b c  d")]
    for row in rows:
        row |= {"source": rng.choice("abc"), "split": rng.choice(["train", "train", "test"])}
    return [{"id": number, **row} for number, row in enumerate(rng.sample(rows, len(rows)))]


def run(table: Path, output: Path, *more: str, **how: Any) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    options.add_arguments(parser)
    arguments = ["--input", str(table), "--output", str(output), *OPTIONS, *more]
    deduplicate(options.job_of(parser.parse_args(arguments)), **how)
    return told_by(output)


def told_by(output: Path) -> dict[str, Any]:
    """Return what must not depend on where and how a table was deduplicated; ``duplicates`` has its digest."""
    assert not (output / "_work").exists()
    assert verify_dataset(str(output), deep=False) == []
    summary = json.loads((output / "summary.json").read_text())
    names = ("documents", "kept", "duplicates", "cluster_sizes", "largest_clusters", "pairs", "planted")
    return {name: summary[name] for name in names} | {"digest": summary["output"]["digest"]}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Return a table of eight files, and what is found in it without Spark."""
    root = tmp_path_factory.mktemp("dedup")
    (root / "table").mkdir()
    rows = documents()
    for number in range(8):
        mine = pa.Table.from_pylist(rows[number::8])
        pq.write_table(mine, root / "table" / f"{number}.parquet", row_group_size=60)
    found = run(root / "table", root / "out", "--engine", "local")
    kinds = found["duplicates"]
    assert min(kinds[name] for name in ("exact", "near", "url", "cross_split")) > 30, kinds
    return root / "table", found


def test_any_number_of_partitions(spark, expected, tmp_path):
    table, found = expected
    for partitions in (1, 2, 7):
        assert run(table, tmp_path / str(partitions), spark=spark, partitions=partitions) == found, partitions


def test_a_worker_killed_at_the_end_of_every_step(spark, expected, tmp_path, monkeypatch):
    table, found = expected

    def mortal(module: str, name: str, marker: Path) -> Any:
        def deadly(*arguments: Any, **more: Any) -> Any:
            result = getattr(import_module(module), name)(*arguments, **more)
            result = result if isinstance(result, list) else iter(list(result))
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return result
            os.kill(os.getpid(), signal.SIGKILL)

        return deadly

    for step in STEPS:
        module, _, name = f"pile_curate.{step}".rpartition(".")
        monkeypatch.setattr(import_module(module), name, mortal(module, name, tmp_path / step))
    assert run(table, tmp_path / "out", spark=spark, partitions=3) == found
    assert [step for step in STEPS if not (tmp_path / step).exists()] == []


def drive(folder: Path, table: Path, master: str, *victims: str, **more: str) -> tuple[Path, str]:
    """Run the command with relative paths to its end; return the output and what was said on standard error."""
    (folder / "in").symlink_to(table)
    arguments = ["dedup", "--input", "in", "--output", "out", "--master", master]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, " ".join(victims), *arguments, *OPTIONS],
        cwd=folder, env=environment(folder, **more), capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "out", done.stderr


@pytest.mark.slow
def test_local_cluster(expected, tmp_path):
    table, found = expected
    # This master, which Spark keeps for tests, writes below SPARK_HOME: give it one of links.
    home = tmp_path / "spark"
    home.mkdir()
    for entry in spark_home().iterdir():
        if entry.name != "work":  # what other runs of this master left
            (home / entry.name).symlink_to(entry)
    output, _ = drive(tmp_path, table, "local-cluster[2,1,1024]", SPARK_HOME=str(home))
    assert len(list((home / "work").glob("app-*/*/stderr"))) == 2
    assert told_by(output) == found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Return the URL of a standalone master with two workers of one core each."""
    with standalone(tmp_path_factory.mktemp("standalone")) as url:
        yield url


@pytest.mark.slow
def test_standalone_with_executors_killed_in_the_middle(expected, cluster, tmp_path):
    table, found = expected
    victims = [f"spark.{step}" for step in ("twins.meet", "walks.make_sets", "walks.walk")]
    output, said = drive(tmp_path, table, cluster, *victims, PILE_CURATE_SPARK_LOG="warn")
    assert [victim for victim in victims if not (tmp_path / victim).exists()] == []
    lost = set(re.findall(r"Lost executor (\d+)", said))
    assert len(lost) == len(victims), said
    assert told_by(output) == found


@pytest.mark.slow
def test_spark_submit(expected, bare_path, tmp_path):
    table, found = expected
    (tmp_path / "in").symlink_to(table)
    script = """
        set -eu
        ! command -v java
        eval "$(pile-curate env)"
        spark-submit --master 'local[2,3]' "$JOB" --input in --output out "$@"
    """
    env = clean(PATH=bare_path, JOB=str(ROOT / "jobs" / "dedup.py"))
    env |= {"SPARK_LOCAL_DIRS": str(tmp_path), "SPARK_SUBMIT_OPTS": "-XX:TieredStopAtLevel=1"}
    done = subprocess.run(
        ["bash", "-c", script, "bash", *OPTIONS],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Largest clusters" in done.stdout and "kept rows: " in done.stdout
    assert told_by(tmp_path / "out") == found
