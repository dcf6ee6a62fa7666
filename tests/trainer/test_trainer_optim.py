"""Show that low precision, compilation and Muon do what they are for, and that schedules have their shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pile_curate.errors import TrainingError
from trainer.config import resolve
from trainer.optim import learning_rate, orthogonalise
from trainer.parallel import World
from trainer.run import LossScale, Run

Build = Callable[..., Path]


@pytest.fixture
def start(build: Build, tiny: dict[str, Any]) -> Callable[..., Run]:
    data = build({"a": [30] * 20, "b": [5] * 60})

    def make(out: str = "model", **changes: Any) -> Run:
        return Run(data, data / out, resolve({**tiny, "steps": 30, **changes}), World(torch.device("cpu")))

    return make


def losses(run: Run, steps: int) -> list[float]:
    return [run.check(run.train_step())[0] for _ in range(steps)]


def test_fp16_skips_the_step_whose_gradient_overflows_and_halves_the_scale(start: Callable[..., Run]) -> None:
    run = start(precision="fp16")
    assert run.scale is not None and float(run.scale.scale) == 2.0**16
    losses(run, 2)
    run.scale.scale.fill_(2.0**60)
    before = {name: tensor.clone() for name, tensor in run.tensors().items()}
    _, norm, skipped, _ = run.check(run.train_step())
    assert skipped and not math.isfinite(norm) and run.step == 3
    assert float(run.scale.scale) == 2.0**59
    for name, tensor in run.tensors().items():
        assert name.startswith("loss_scale") or torch.equal(tensor, before[name]), name
    run.scale.scale.fill_(2.0**16)
    _, _, skipped, _ = run.check(run.train_step())
    assert not skipped and not torch.equal(
        run.tensors()["model.embedding.weight"], before["model.embedding.weight"]
    )


def test_fp16_that_overflows_for_ever_ends_the_run(start: Callable[..., Run]) -> None:
    run = start(precision="fp16")
    with torch.no_grad():
        run.learner.model.norm.weight[0] = float("nan")
    assert run.scale is not None
    with pytest.raises(TrainingError, match="not finite"):
        losses(run, 40)


def test_the_loss_scale_grows_after_a_thousand_good_steps_and_is_saved(start: Callable[..., Run]) -> None:
    scale, good, bad = LossScale(torch.device("cpu")), torch.zeros(()), torch.ones(())
    for _ in range(999):
        scale.update(good)
    assert float(scale.scale) == 2.0**16
    scale.update(good)
    assert float(scale.scale) == 2.0**17
    scale.update(bad)
    assert float(scale.scale) == 2.0**16 and float(scale.good) == 0
    run = start(precision="fp16")
    losses(run, 2)
    run.save()
    again = start(precision="fp16")
    again.resume()
    assert again.scale is not None and float(again.scale.good) == 2
    assert losses(again, 2) == losses(run, 2)


@pytest.mark.parametrize(("precision", "error"), [("bf16", 0.02), ("fp16", 0.005)])
def test_low_precision_follows_float32(start: Callable[..., Run], precision: str, error: float) -> None:
    low = start(precision=precision)
    assert all(p.dtype == torch.float32 for p in low.parameters)
    assert losses(low, 10) == pytest.approx(losses(start("full"), 10), rel=error)


@pytest.mark.parametrize(
    "changes", [{}, {"activation_checkpointing": True, "z_loss": 1e-3, "label_smoothing": 0.1}]
)
def test_compiled_and_recomputed_equal_the_plain_way(
    start: Callable[..., Run], changes: dict[str, Any]
) -> None:
    fast = start(compile=True, **changes)
    plain = start("plain", **{**changes, "activation_checkpointing": False})
    assert losses(fast, 3) == pytest.approx(losses(plain, 3), rel=1e-5)
    for left, right in zip(fast.parameters, plain.parameters, strict=True):
        assert torch.allclose(left, right, atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 24, 60), (2, 60, 24), (1, 16, 16)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalise(matrices)
    values = torch.linalg.svdvals(found)
    assert found.shape == shape and float(values.min()) > 0.3 and float(values.max()) < 1.4
    # The directions stay: U and V are those of the matrix itself.
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    middle = u.mT @ found @ v.mT
    off = middle - torch.diag_embed(torch.diagonal(middle, dim1=-2, dim2=-1))
    assert float(off.abs().max()) < 1e-3
    for one, matrix in zip(found, matrices, strict=True):  # a batch is as good as one at a time
        assert torch.allclose(orthogonalise(matrix[None])[0], one, atol=1e-4)


def test_muon_takes_matrices_of_the_body_and_leaves_the_rest_to_adamw(start: Callable[..., Run]) -> None:
    run = start(optimizer="muon")
    held = run.optimizer.tensors()
    with_momentum = {name.removesuffix(".momentum") for name in held if name.endswith(".momentum")}
    with_adam = {name.removesuffix(".exp_avg") for name in held if name.endswith(".exp_avg")}
    names = {name for name, _ in run.learner.named_parameters()}
    assert with_momentum == {n for n in names if ".blocks." in n and "norm" not in n}
    assert with_momentum | with_adam == names and not with_momentum & with_adam
    found = losses(run, 30)
    assert found[-1] < found[0] - 1.0


@pytest.mark.parametrize("schedule", ["cosine", "linear", "wsd"])
def test_schedules_rise_hold_and_fall(schedule: str) -> None:
    settings = resolve(
        {"learning_rate": 1.0, "warmup_steps": 10, "schedule": schedule, "decay_fraction": 0.3}
    )
    rates = [learning_rate(step, 100, settings) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == 1.0 and rates[100] == pytest.approx(0.1)
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))
    at = {step: rates[step] for step in (55, 70, 85)}
    wanted = {
        "cosine": {55: 0.55, 70: 0.325, 85: 0.1603}, "linear": {55: 0.55, 70: 0.4, 85: 0.25},
        "wsd": {55: 1.0, 70: 1.0, 85: 0.55},
    }[schedule]  # fmt: skip
    assert at == pytest.approx(wanted, abs=1e-3)
