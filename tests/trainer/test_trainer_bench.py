"""Show that the speed benchmark counts what it says, runs on a CPU, and reports what was compiled again."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from benchmarks import train_speed
from benchmarks.nanogpt_way import Model, Shape
from benchmarks.train_race import reached
from benchmarks.train_sides import Row
from benchmarks.train_speed import main, measure, mfu
from trainer import passes, products
from trainer.attention import RMSNorm, rotary_table, rotate
from trainer.config import resolve
from trainer.data import Batch
from trainer.metrics import flops_per_token
from trainer.model import GPT
from trainer.objective import Preparer


def test_mfu_is_the_arithmetic_of_the_published_anchor() -> None:
    with torch.device("meta"):
        ours = GPT(resolve({"preset": "gpt2"}).model(50257))
        theirs = Model(Shape(50304, 1024))
    # 124 million parameters: V·C + L·(12·C² + 13·C) + 2·C with biases, positions looked up and so not counted.
    by_hand = 50304 * 768 + 12 * (12 * 768**2 + 13 * 768) + 2 * 768
    assert flops_per_token(ours) == 6 * by_hand + 12 * 12 * 768 * 1024
    assert mfu(486e3, flops_per_token(ours), 989e12) == pytest.approx(0.42, abs=0.005)
    # Causal attention needs half: 56.6 of 860 MFLOP a token less.
    assert flops_per_token(ours) - flops_per_token(ours, causal=True) == 6 * 12 * 768 * 1024
    # Without biases nanoGPT's way has 13 - 2 vectors of C a layer fewer, and one.
    assert theirs.flops_per_token() == 6 * (by_hand - 12 * 11 * 768 - 768) + 12 * 12 * 768 * 1024
    assert mfu(486e3, flops_per_token(ours), None) is None


def test_all_sides_run_and_the_json_has_every_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = {"layers": 1, "width": 32, "heads": 2, "kv_heads": 2, "window": 16, "batch_tokens": 64}
    hopes = ((0.42, 486e3), (0.47, None), (0.5, 579e3))
    monkeypatch.setitem(train_speed.CPU, "least", Row(65, "tiny", size, hopes, batch=4, heads=2))
    out = tmp_path / "speed.json"
    given = ["--cpu", "least", "--steps", "3", "--rounds", "2", "--warmup", "1", "--tokens", "3000"]
    assert main([*given, "--threads", "1", "--json", str(out)]) == 0
    report = json.loads(out.read_text())
    assert report["torch"] == torch.__version__ and report["peak_flops"] is None
    sides = report["rows"][0]["sides"]
    assert [s["name"] for s in sides] == ["ours", "ours, gpt2's shape", "nanoGPT's way"]
    for side in sides:
        slow, middle, fast = side["tokens_per_second"]
        assert 0 < slow <= middle <= fast
        assert side["steps"] == 6 and side["batch_tokens"] == 64 and side["recompilations"] == []
        assert side["mfu"] is side["mfu_causal"] is side["peak_memory"] is side["syncs_per_step"] is None
    assert sides[2]["parameters"] == 65 * 32 + 16 * 32 + 12 * 32**2 + 3 * 32
    shown = capsys.readouterr().out
    assert "floor: MFU 42.0%, 486,000 tokens/s" in shown and "moonshot: MFU 50.0%" in shown


class Growing:
    """A side whose input grows after the warm-up."""

    parameters, tokens, flops = 1, 1, (1.0, 1.0)

    def __init__(self, grows: bool) -> None:
        self.grows, self.size = grows, 3
        self.call = torch.compile(lambda x: (x * 2).sin().sum(), dynamic=False, backend="eager")

    def step(self) -> None:
        self.call(torch.ones(self.size))
        self.size += self.grows

    def close(self) -> None:
        torch._dynamo.reset()


@pytest.mark.parametrize("grows", [False, True])
def test_what_is_compiled_again_is_reported_with_the_reason(grows: bool) -> None:
    cpu = torch.device("cpu")
    (found,) = measure({"x": partial(Growing, grows)}, cpu, warmup=1, steps=2, rounds=1, peak=None)
    if grows:
        assert len(found.recompilations) == 3 and "size mismatch" in found.recompilations[0]
    else:
        assert found.recompilations == []


def test_the_race_interpolates_in_the_logarithm_of_the_steps() -> None:
    assert reached([(0.25, 3.0), (1.0, 2.0)], 2.5) == pytest.approx(0.5)
    assert reached([(0.25, 3.0), (1.0, 2.0)], 1.9) is None
    assert reached([(0.25, 3.0), (1.0, 2.0)], 3.1) == 0.25


def test_gradients_by_hand_equal_autograds() -> None:
    """In float64, against numerical derivatives."""
    torch.manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    cos, sin = (table.double() for table in rotary_table(5, 8, 100.0))
    assert torch.autograd.gradcheck(
        lambda x, w: passes.RootMeanSquare.apply(x, w, 1e-5), (drawn(2, 3, 8), drawn(8))
    )
    assert torch.autograd.gradcheck(lambda x: passes.Rotation.apply(x, cos, sin), (drawn(2, 3, 5, 8),))
    assert torch.autograd.gradcheck(passes.SwiGLU.apply, (drawn(2, 3, 8),))


def test_the_cpu_way_equals_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(3, 7, 32), torch.randn(48, 32), torch.randn(48)
    norm, table = RMSNorm(32, eps=1e-5), rotary_table(7, 8, 100.0)
    torch.nn.init.uniform_(norm.weight)

    def all_of_it() -> list[torch.Tensor]:
        leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
        norm.zero_grad()
        y = products.linear(norm(leaves[0]), leaves[1], leaves[2])
        z = rotate(y.view(3, 7, 6, 8).transpose(1, 2), *table)
        (z * torch.linspace(-1, 1, z.numel()).view(z.shape)).sum().backward()
        return [z.detach(), norm.weight.grad.clone(), *(leaf.grad for leaf in leaves)]

    fast = all_of_it()
    monkeypatch.setattr(products, "ONEDNN", False)
    monkeypatch.setattr("trainer.attention.by_hand", lambda x: False)
    for one, two in zip(fast, all_of_it(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)


def test_the_number_of_documents_seldom_changes_a_shape() -> None:
    """Batches with about 124 documents each, some below a power of two and some above: one shape."""
    settings = resolve({"window": 64, "batch_tokens": 64})
    prepare = Preparer(settings, 100, 0, packed=True)
    shapes, counts = set(), set()
    for seed in range(150):
        draws = torch.Generator().manual_seed(seed)
        segments = (torch.rand(64, 64, generator=draws) < 0.015).cumsum(dim=1)
        made = prepare(Batch(segments, segments, segments, torch.arange(64)))
        assert made.starts is not None
        counts.add(int((made.starts < segments.numel()).sum()))
        shapes.add(made.starts.shape)
    assert min(counts) < 128 < max(counts) and len(shapes) == 1


def broken() -> Growing:
    raise ValueError("no such size")


def test_a_side_that_fails_ends_the_benchmark_with_its_reason() -> None:
    with pytest.raises(RuntimeError, match="ValueError: no such size"):
        measure({"x": broken}, torch.device("cpu"), warmup=1, steps=2, rounds=1, peak=None)
