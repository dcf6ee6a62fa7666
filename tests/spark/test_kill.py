"""A driver that dies by SIGKILL in the middle of a stage leaves nothing that counts."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pile_curate.spark.pipeline import run
from tests.spark.test_pipeline import digests, write_dumps

pytestmark = [pytest.mark.spark, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
DRIVER = """
import os, sys
from pile_curate.spark import pipeline, stage
recipe, out, victim = sys.argv[1:]
begin = stage.manifest.begin
def slow_begin(directory, name):
    attempt = begin(directory, name)
    if name == victim:
        commit = attempt.commit
        def never(files, **rest):
            # Everything is written and nothing is published: the worst moment to die.
            open(os.path.join(out, "ready"), "w").close()
            import time; time.sleep(600)
        attempt.commit = never
    return attempt
stage.manifest.begin = slow_begin
pipeline.run(recipe, out, master="local[2,3]", quiet=True)
"""


@pytest.mark.parametrize("victim", ["extract", "dedup", "shard"])
def test_sigkill_then_again_gives_equal_digests(victim, spark, tmp_path):
    recipe = write_dumps(tmp_path)
    whole = tmp_path / "whole"
    run(str(recipe), str(whole), spark=spark, until="mix", quiet=True)
    out = tmp_path / "out"
    out.mkdir()
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DRIVER, str(recipe), str(out), victim]
    driver = subprocess.Popen(command, env=env, start_new_session=True)
    try:
        deadline = time.monotonic() + 240
        while not (out / "ready").exists():
            assert driver.poll() is None, "the driver ended before it reached the stage"
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    run(str(recipe), str(out), spark=spark, until="mix", quiet=True)
    assert digests(out) == digests(whole)
