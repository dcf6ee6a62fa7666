"""Show that a run survives interruption bit for bit and refuses what would spoil it."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pile_curate.errors import TrainingError
from trainer import checkpoint
from trainer.config import resolve
from trainer.parallel import World
from trainer.run import Run
from trainer.train import main, train

Build = Callable[..., Path]
ROOT = Path(__file__).parents[2]
DOCUMENTS: dict[str, Any] = {"a": [30] * 20, "b": [5] * 60}


@pytest.fixture
def data(build: Build, tiny: dict[str, Any]) -> Path:
    return build(DOCUMENTS, model={**tiny, "steps": 12, "checkpoint_every": 4, "log_every": 1})


def start(data: Path, tiny: dict[str, Any], out: str = "model", **changes: Any) -> Run:
    settings = resolve({**tiny, "steps": 12, "checkpoint_every": 4, "log_every": 1, **changes})
    return Run(data, data / out, settings, World(torch.device("cpu")))


def weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(path).tensors("model.")


def same(left: Any, right: Any) -> bool:
    """Compare nested states bit for bit."""
    if isinstance(left, torch.Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def log_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("cut", [1, 5, 8, 11])
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(
    data: Path, tiny: dict[str, Any], cut: int
) -> None:
    whole = start(data, tiny, "whole")
    train(whole)
    halved = start(data, tiny, "halved")
    while halved.step < cut:
        halved.train_step()
    halved.save()
    resumed = start(data, tiny, "halved", seed=0)
    torch.manual_seed(99)  # resuming must not rely on the generator's state
    resumed.resume()
    assert resumed.step == cut
    train(resumed)
    one, two = checkpoint.load(data / "whole"), checkpoint.load(data / "halved")
    assert one.step == two.step == 12 and same(one.tensors(), two.tensors())
    tail = [(e["step"], e["loss"]) for e in log_of(data / "halved") if e["event"] == "step"]
    assert tail == [(e["step"], e["loss"]) for e in log_of(data / "whole") if e["event"] == "step"][cut:]


def test_training_lowers_the_loss_and_keeps_the_first_and_last_checkpoints(data: Path) -> None:
    assert main(["--data", str(data), "--threads", "1", "--steps", "40"]) == 0
    losses = [e["loss"] for e in log_of(data / "model") if e["event"] == "step"]
    assert losses[-1] < losses[0] - 0.5
    held = sorted(p.name for p in (data / "model").iterdir() if p.is_dir())
    assert held == ["step-00000000", "step-00000036", "step-00000040"]
    assert checkpoint.locate(data / "model" / "init").name == "step-00000000"


def test_accumulated_gradients_equal_those_of_the_whole_batch(data: Path, tiny: dict[str, Any]) -> None:
    whole, split = start(data, tiny), start(data, tiny, micro_tokens=32)
    for run in (whole, split):
        run.train_step()
    for left, right in zip(whole.parameters, split.parameters, strict=True):
        assert torch.allclose(left, right, atol=1e-5)


def test_a_run_is_not_overwritten_unless_asked(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--data", str(data), "--threads", "1"]
    assert main(command) == 0
    assert main(command) == 1
    assert "--resume goes on with it, --fresh replaces it" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert "up to date" in capsys.readouterr().out
    assert main([*command, "--fresh", "--steps", "3"]) == 0
    assert checkpoint.load(data / "model").step == 3


def test_sigterm_saves_and_says_how_to_go_on(data: Path) -> None:
    command = [sys.executable, "-m", "trainer.train", "--data", str(data), "--threads", "1"]
    command += ["--steps", "400", "--max-epochs", "100", "--checkpoint-every", "1000"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step 5/"):
            process.send_signal(signal.SIGTERM)
            break
    rest = process.stdout.read()
    assert process.wait(timeout=30) == 128 + signal.SIGTERM and "go on with --resume" in rest
    stopped = checkpoint.load(data / "model").step
    assert 5 <= stopped < 400


def test_another_plan_is_refused(data: Path, tiny: dict[str, Any]) -> None:
    train(start(data, tiny))
    for changes in ({"seed": 1}, {"window": 32}, {"batch_tokens": 64}):
        with pytest.raises(TrainingError, match="was trained on plan"):
            start(data, tiny, **changes).resume()
    with pytest.raises(TrainingError, match="does not fit this model"):
        start(data, tiny, layers=3).resume()


def test_a_loss_that_is_not_finite_stops_with_step_documents_and_checkpoint(
    data: Path, tiny: dict[str, Any]
) -> None:
    run = start(data, tiny)
    run.save()
    for _ in range(3):
        run.train_step()
    with torch.no_grad():
        run.learner.model.embedding.weight[5] = float("nan")
        run.learner.model.norm.weight[0] = float("nan")
    before = {name: tensor.clone() for name, tensor in run.tensors().items()}
    outcome = run.train_step()
    with pytest.raises(TrainingError, match=r"step 3: loss nan.*step-00000000.*[ab]/[0-9a-f]{32}"):
        run.check(outcome)
    # Nothing was learnt from the step.
    after = run.tensors()
    assert all(torch.equal(before[n].nan_to_num(), after[n].nan_to_num()) for n in before)


def test_a_pickle_posing_as_a_checkpoint_is_refused_and_not_run(data: Path, tiny: dict[str, Any]) -> None:
    train(start(data, tiny))
    folder = checkpoint.locate(data / "model")
    bait = data / "ran"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(bait),))

    (folder / ".metadata").write_bytes(pickle.dumps(Trap()))
    facts = json.loads((folder / "checkpoint.json").read_text())
    with pytest.raises(TrainingError, match="sha256"):
        checkpoint.load(folder)
    facts["files"][".metadata"] = checkpoint._sha256(folder / ".metadata")
    (folder / "checkpoint.json").write_text(json.dumps(facts))
    with pytest.raises(TrainingError, match="could run code"):
        checkpoint.load(folder)
    assert not bait.exists()


@pytest.mark.parametrize("damage", ["truncate", "remove", "version"])
def test_a_damaged_checkpoint_is_named(data: Path, tiny: dict[str, Any], damage: str) -> None:
    train(start(data, tiny))
    folder = checkpoint.locate(data / "model")
    (state,) = folder.glob("*.distcp")
    if damage == "truncate":
        state.write_bytes(state.read_bytes()[:-100])
    elif damage == "remove":
        state.unlink()
    else:
        (folder / "checkpoint.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(TrainingError, match=folder.name):
        checkpoint.load(data / "model")


@pytest.mark.parametrize("fails", ["fsync", "rename", "replace"])
def test_a_full_disk_while_saving_leaves_the_last_checkpoint(
    data: Path, tiny: dict[str, Any], fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(data, tiny)
    run.save()
    before = weights(data / "model")
    run.train_step()

    def full(*arguments: Any, **named: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, fails, full)
        with pytest.raises(TrainingError, match=r"No space left.*last good checkpoint is step-00000000"):
            run.save()
    assert checkpoint.load(data / "model").step == 0 and same(weights(data / "model"), before)
    assert not list((data / "model").glob(".*tmp"))
    run.save()
    assert checkpoint.load(data / "model").step == 1


def test_a_missing_checkpoint_says_what_is_there(data: Path) -> None:
    with pytest.raises(TrainingError, match="holds none"):
        checkpoint.load(data / "model" / "latest")


def test_too_many_steps_are_refused_before_training(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    assert main(["--data", str(data), "--steps", "5000"]) == 2
    assert "steps would fit" in capsys.readouterr().err and time.monotonic() - began < 5
