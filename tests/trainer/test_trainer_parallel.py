"""Show that several ranks train what one rank would, that any number of them goes on, and that none hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from pile_curate.errors import TrainingError
from tests.trainer.ranks import SMALL, STEPS, WAYS, outcome
from trainer import checkpoint, parallel
from trainer.config import resolve
from trainer.parallel import World
from trainer.run import Run

Build = Callable[..., Path]
ROOT = Path(__file__).parents[2]
ALONE = World(torch.device("cpu"))
ALIKE = {"parallel", "tensor_parallel", "activation_checkpointing"}
"""Settings that change how a run is spread, not what it computes."""


def torchrun(*command: str, ranks: int = 2) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks)]
    return [*launcher, "--standalone", "--local-addr", "127.0.0.1", "-m", *command]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("ranks")
    command = torchrun("tests.trainer.ranks", str(corpus), str(out))
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return out, torch.load(out / "results.pt", weights_only=True)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, build_in: Callable[[Path], Build]) -> Path:
    return build_in(tmp_path_factory.mktemp("corpus"))({"a": [30] * 20, "b": [5] * 60})


@pytest.mark.parametrize("way", WAYS)
def test_two_ranks_train_as_one(
    way: str, two_ranks: tuple[Path, dict[str, Any]], corpus: Path, tmp_path: Path
) -> None:
    found = two_ranks[1][way]
    changes = {name: value for name, value in WAYS[way].items() if name not in ALIKE}
    wanted = outcome(corpus, tmp_path, ALONE, changes)
    # bf16 keeps 8 bits, and two ranks round in another order.
    loose = {"rtol": 0.05, "atol": 0.02} if "bf16" in way else {"rtol": 1e-3, "atol": 2e-4}
    assert found["losses"] == pytest.approx(wanted["losses"], rel=0.01 if "bf16" in way else 1e-5)
    assert found["norms"] == pytest.approx(wanted["norms"], rel=0.05 if "bf16" in way else 1e-4)
    assert found["tensors"].keys() == wanted["tensors"].keys()
    for name, tensor in wanted["tensors"].items():
        assert torch.allclose(found["tensors"][name], tensor, **loose), name


def test_sharded_training_equals_copied_training(two_ranks: tuple[Path, dict[str, Any]]) -> None:
    ddp, fsdp = two_ranks[1]["ddp"], two_ranks[1]["fsdp"]
    assert ddp["losses"] == pytest.approx(fsdp["losses"], rel=1e-6)
    for name, tensor in ddp["tensors"].items():
        assert torch.allclose(tensor, fsdp["tensors"][name], rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize("way", ["ddp", "fsdp", "fsdp muon", "tensor"])
def test_a_run_of_two_ranks_goes_on_as_one(
    way: str, two_ranks: tuple[Path, dict[str, Any]], corpus: Path, tmp_path: Path
) -> None:
    folder = two_ranks[0] / way.replace(" ", "-")
    changes = {name: value for name, value in WAYS[way].items() if name not in ALIKE}
    resumed = Run(corpus, folder, resolve({**SMALL, **changes}), ALONE)
    resumed.resume()
    assert resumed.step == STEPS
    for name, tensor in resumed.tensors().items():
        assert torch.equal(tensor, two_ranks[1][way]["tensors"][name]), name
    whole = Run(corpus, tmp_path, resolve({**SMALL, **changes}), ALONE)
    losses = [whole.train_step().read()[0] for _ in range(STEPS + 2)]
    assert [resumed.train_step().read()[0] for _ in range(2)] == pytest.approx(losses[STEPS:], rel=1e-4)


def start(corpus: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    settings = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items() if name != "steps"]
    command = torchrun("trainer.train", "--data", str(corpus), "--out", str(out), *settings, *more)
    command += ["--steps", "4000", "--max-epochs", "1000", "--checkpoint-every", "3", "--log-every", "1"]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def wait_for(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(seen)


def workers(process: subprocess.Popen[str]) -> dict[int, psutil.Process]:
    """Return the ranks' processes."""
    children = psutil.Process(process.pid).children()
    return {int(child.environ()["RANK"]): child for child in children if "RANK" in child.environ()}


@pytest.mark.parametrize("dies", [0, 1])
def test_a_rank_that_dies_ends_the_run_and_leaves_a_checkpoint(
    corpus: Path, tmp_path: Path, dies: int
) -> None:
    process = start(corpus, tmp_path / "run", "--parallel", "fsdp" if dies else "ddp")
    try:
        wait_for(process, "step 8/")
        began = time.monotonic()
        workers(process)[dies].send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=120)
        assert process.returncode != 0 and time.monotonic() - began < 100
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    held = checkpoint.load(tmp_path / "run")
    assert held.step >= 6 and held.step % 3 == 0
    if dies:
        assert "rank 0: lost another rank" in rest and "start all ranks again with --resume" in rest


def test_sigterm_to_one_rank_stops_all_at_one_step_and_saves(corpus: Path, tmp_path: Path) -> None:
    process = start(corpus, tmp_path / "run")
    try:
        wait_for(process, "step 5/")
        workers(process)[1].send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert "saved; go on with --resume" in rest, rest
    assert f"after step {checkpoint.load(tmp_path / 'run').step};" in rest


def test_ranks_that_cannot_share_a_step_are_refused(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(TrainingError, match="tensor_parallel 2 must divide the 3 ranks"):
        parallel.start("cpu", tensor_parallel=2)
    with pytest.raises(TrainingError, match="this torch sees no GPU"):
        parallel.start("cuda")
