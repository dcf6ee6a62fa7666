"""Show that masked training, next sentence, smoothing, z-loss, dropout and GPT-2's shape do what they say."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import trainer.attention as attention
from trainer import checkpoint
from trainer.attention import document_mask, document_starts
from trainer.config import Settings, resolve
from trainer.data import Batch
from trainer.loss import _functional, _in_place, cross_entropy_sum
from trainer.model import GPT
from trainer.objective import Inputs, Learner, Preparer, masked_count
from trainer.optim import Optimizer
from trainer.parallel import World
from trainer.run import Run
from trainer.train import train

Build = Callable[..., Path]
EOS, VOCAB = 0, 300
SIZES: dict[str, Any] = {
    "layers": 2,
    "width": 32,
    "heads": 2,
    "kv_heads": 1,
    "window": 64,
    "batch_tokens": 256,
}
MLM = resolve({**SIZES, "objective": "mlm"})


def batch_of(windows: int, settings: Settings = MLM, *, strangers: bool = False, first: int = 0) -> Batch:
    """Return windows of random tokens in which documents of 20 tokens end with EOS."""
    random = torch.Generator().manual_seed(5)
    tokens = torch.randint(1, VOCAB, (windows, settings.window), generator=random)
    tokens[:, 19::20] = EOS
    segments = torch.arange(settings.window).div(20, rounding_mode="floor").expand(windows, -1)
    others = torch.randint(1, VOCAB, tokens.shape, generator=random) if strangers else None
    return Batch(tokens, tokens, segments, torch.arange(first, first + windows), others)


def prepared(batch: Batch, settings: Settings = MLM) -> Inputs:
    return Preparer(settings, VOCAB, EOS, packed=False)(batch)


def run_of(data: Path, out: str, **changes: Any) -> Run:
    base = {"layers": 2, "width": 32, "heads": 2, "kv_heads": 1, "window": 16, "batch_tokens": 128}
    settings = resolve({**base, "steps": 6, "checkpoint_every": 3, "log_every": 1, **changes})
    return Run(data, data / out, settings, World(torch.device("cpu")))


def stirred(settings: Settings, vocab: int = VOCAB) -> GPT:
    """Return a model whose blocks do something: as initialised, they add nothing to the stream."""
    net, random = GPT(settings.model(vocab)), torch.Generator().manual_seed(8)
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_(0.0, 0.3, generator=random)
    return net


# Masks


def test_of_the_masked_tokens_four_fifths_are_hidden_a_tenth_random_and_a_tenth_left() -> None:
    batch = batch_of(2000)
    made = prepared(batch)
    shown, real = made.tokens.flatten()[made.at], batch.targets.flatten()[made.at]
    assert torch.equal(made.targets, real)
    hidden = (shown == VOCAB).float().mean().item()
    left = (shown == real).float().mean().item()
    # 20,000 draws: a standard deviation is 0.003. One random token in 300 is the real one.
    assert hidden == pytest.approx(0.8, abs=0.012) and left == pytest.approx(0.1, abs=0.012)
    random = shown[(shown != VOCAB) & (shown != real)]
    assert random.max() < VOCAB and len(random.unique()) > 250
    # What was not chosen is as it was.
    rest = torch.ones(batch.targets.numel(), dtype=torch.bool)
    rest[made.at] = False
    assert torch.equal(made.tokens.flatten()[rest], batch.targets.flatten()[rest])


@pytest.mark.parametrize("rate", [0.001, 0.15, 0.4])
def test_every_window_has_the_same_number_of_masked_places(rate: float) -> None:
    settings = MLM.model_copy(update={"mask_rate": rate})
    at = prepared(batch_of(300), settings).at
    assert at is not None and len(at.unique()) == len(at)
    counts = torch.bincount(at // settings.window, minlength=300)
    assert counts.unique().tolist() == [masked_count(settings)] and masked_count(settings) == max(
        1, round(64 * rate)
    )


def test_end_of_text_is_masked_only_when_nothing_else_is_left() -> None:
    at = prepared(batch_of(300), MLM.model_copy(update={"mask_rate": 0.9})).at
    # 58 of 64 places, of which 61 are text: no end of text need be taken.
    assert at is not None and not (batch_of(300).targets.flatten()[at] == EOS).any()
    at = prepared(batch_of(300), MLM.model_copy(update={"mask_rate": 0.99})).at
    # 63 places: all the text and two of the three ends of text.
    taken = batch_of(300).targets.flatten()[at].view(300, 63)
    assert ((taken == EOS).sum(dim=1) == 2).all()


def test_masks_depend_on_seed_and_window_alone(build: Build) -> None:
    data = build({"a": [30] * 20, "b": [5] * 60})
    run = run_of(data, "x", objective="mlm")
    whole = run.plan.batch(3)
    made = run.prepare(whole)
    assert made.at is not None
    targets = made.targets.view(8, -1)
    for rank in range(2):
        mine = run.prepare(run.plan.batch(3, rank, 2))
        assert torch.equal(mine.tokens, made.tokens[rank::2]) and torch.equal(
            mine.targets.view(4, -1), targets[rank::2]
        )
    for micro_tokens in (16, 48, 128):
        parts = run_of(data, "x", objective="mlm", micro_tokens=micro_tokens).inputs(3)
        assert torch.equal(torch.cat([part.tokens for part in parts]), made.tokens)
        assert torch.equal(torch.cat([part.targets for part in parts]), made.targets)
    other = run_of(data, "x", objective="mlm", seed=1)
    assert not torch.equal(other.prepare(whole).tokens, made.tokens)


@pytest.mark.parametrize("micro_tokens", [16, 48])
def test_masked_gradients_do_not_depend_on_how_a_step_is_cut(build: Build, micro_tokens: int) -> None:
    data = build({"a": [30] * 20})
    whole, split = (run_of(data, "x", objective="mlm", micro_tokens=m) for m in (128, micro_tokens))
    assert whole.train_step().read()[0] == pytest.approx(split.train_step().read()[0], rel=1e-5)
    assert all(
        torch.allclose(a, b, atol=1e-5) for a, b in zip(whole.parameters, split.parameters, strict=True)
    )


def test_a_masked_model_sees_both_sides_of_its_own_document_only() -> None:
    net = stirred(MLM)
    tokens = torch.randint(1, VOCAB, (1, 12), generator=torch.Generator().manual_seed(3))
    mask = document_mask(torch.tensor([[0] * 7 + [1] * 5]), causal=False)
    later, other = tokens.clone(), tokens.clone()
    later[0, 6], other[0, 9] = 1 + later[0, 6] % 299, 1 + other[0, 9] % 299
    states = net(tokens, mask)
    assert not torch.allclose(net(later, mask)[0, 0], states[0, 0])
    assert torch.equal(net(other, mask)[0, :7], states[0, :7])
    # Without a document mask, a window is one text, and the first place sees the last.
    assert not torch.allclose(net(other)[0, 0], net(tokens)[0, 0])


def test_masked_training_learns_what_the_context_tells(build: Build) -> None:
    data = build({"a": [30] * 40})
    run = run_of(data, "x", objective="mlm", steps=800, max_epochs=99.0, learning_rate=1e-2)
    losses = [run.train_step().read()[0] for _ in range(800)]
    stream = run.plan.sources[0]
    counts = np.bincount(np.concatenate([stream.document(i) for i in range(len(stream))]))
    shares = counts[counts > 0] / counts.sum()
    alone = float(-(shares * np.log(shares)).sum())  # the best guess without context
    assert losses[0] == pytest.approx(math.log(258), abs=0.1)
    assert sum(losses[-100:]) / 100 < alone - 0.3


# Next sentence


def nsp(**changes: Any) -> Settings:
    return resolve({**SIZES, "objective": "mlm", "next_sentence": True, "document_mask": False, **changes})


def test_half_the_windows_go_on_and_half_meet_a_stranger() -> None:
    settings = nsp()
    batch = batch_of(2000, settings, strangers=True)
    made = prepared(batch, settings)
    assert made.follows is not None and batch.strangers is not None
    # A standard deviation is 0.011.
    assert made.follows.float().mean().item() == pytest.approx(0.5, abs=0.045)
    assert (made.tokens[:, [0, 32]] == EOS).float().mean() > 0.99  # but where masking took the place
    text = made.tokens.clone()
    text.flatten()[made.at] = made.targets
    for row, follows in enumerate(made.follows.tolist()):
        second = batch.targets if follows else batch.strangers
        assert torch.equal(text[row, 33:], second[row, 33:]) and torch.equal(
            text[row, 1:32], batch.targets[row, 1:32]
        )


@pytest.mark.parametrize("documents", [[300] * 12, [8] * 200, [2000] * 2])
def test_strangers_are_of_other_documents_of_the_same_source(build: Build, documents: list[int]) -> None:
    run = run_of(
        build({"a": documents, "b": [40] * 30}), "x", objective="mlm", next_sentence=True, document_mask=False
    )
    source, nth = run.plan.schedule(48)
    for step in range(6):
        batch = run.plan.batch(step, strangers=True)
        assert batch.strangers is not None
        for row, k in enumerate(batch.windows.tolist()):
            stream = run.plan.sources[source[k]]
            own = set(stream.read(0, int(nth[k]) * 16, 16)[2])
            everything = [stream.document(i) for i in range(len(stream)) if i not in own]
            text = np.concatenate([[EOS], *everything, *everything])
            # The longest piece within one document is surely found among the others'.
            pieces = np.split(batch.strangers[row].numpy(), np.flatnonzero(batch.strangers[row] == EOS))
            longest = max(pieces, key=len)
            assert longest.astype("<i8").tobytes() in text.astype("<i8").tobytes()


def test_a_source_of_one_document_takes_strangers_from_another(build: Build) -> None:
    run = run_of(
        build({"a": ["x" * 400], "b": ["y" * 30] * 30}),
        "x",
        objective="mlm",
        next_sentence=True,
        document_mask=False,
    )
    batch = run.plan.batch(0, strangers=True)
    assert batch.strangers is not None
    x = run.plan.sources[0].document(0)[0]
    of_a = (batch.targets == x).all(dim=1)
    assert of_a.any() and not (batch.strangers[of_a] == x).any()


def test_the_sentence_head_learns_which_halves_belong_together() -> None:
    settings = nsp(window=16, batch_tokens=256, learning_rate=1e-2)
    learner = Learner(GPT(settings.model(VOCAB)).initialise(0), settings)
    optimizer = Optimizer(learner, settings)
    prepare = Preparer(settings, VOCAB, EOS, packed=False)
    random = torch.Generator().manual_seed(1)

    def inputs(step: int) -> Inputs:
        # A window repeats one of ten words; a stranger repeats another.
        word = torch.randint(1, 11, (32, 1), generator=random)
        strange = (word + torch.randint(1, 10, (32, 1), generator=random) - 1) % 10 + 1
        text, other = word.expand(-1, 16), strange.expand(-1, 16)
        return prepare(
            Batch(text, text, torch.zeros_like(text), torch.arange(step * 32, step * 32 + 32), other)
        )

    for step in range(150):
        (learner.loss(inputs(step)) / (32 * learner.count)).backward()
        optimizer.step(1e-2)
        optimizer.zero_grad()
    fresh = inputs(9999)
    assert learner.sentence is not None and fresh.follows is not None
    guesses = learner.sentence(learner.model(fresh.tokens)[:, 0]).argmax(dim=1)
    assert (guesses == fresh.follows).float().mean() > 0.9


# The loss's additions


@pytest.mark.parametrize(("smoothing", "z_loss"), [(0.1, 0.0), (0.0, 0.01), (0.2, 0.003)])
def test_smoothing_and_z_loss_equal_torchs_in_value_and_gradient(smoothing: float, z_loss: float) -> None:
    random = torch.Generator().manual_seed(6)
    hidden = torch.randn(23, 8, generator=random, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(31, 8, generator=random, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 31, (23,), generator=random)
    logits = hidden @ weight.T
    plain = F.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
    plain = plain + z_loss * logits.logsumexp(1).square().sum()
    ours = cross_entropy_sum(hidden, weight, targets, z_loss=z_loss, label_smoothing=smoothing, chunk=7)
    assert ours.item() == pytest.approx(plain.item(), rel=1e-5)
    for found, wanted in zip(
        torch.autograd.grad(ours, (hidden, weight)), torch.autograd.grad(plain, (hidden, weight)), strict=True
    ):
        assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("smoothing", "z_loss"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.01), (0.2, 0.003)])
def test_what_is_compiled_equals_what_is_done_in_place(
    dtype: torch.dtype, smoothing: float, z_loss: float
) -> None:
    random = torch.Generator().manual_seed(2)
    logits = (5 * torch.randn(40, 97, generator=random)).to(dtype)
    targets = torch.randint(0, 97, (40,), generator=random)
    one = _functional(logits.clone(), targets, z_loss, smoothing)
    two = _in_place(logits.clone(), targets, z_loss, smoothing)
    assert one[0].item() == pytest.approx(two[0].item(), rel=1e-5)
    assert one[1].dtype == two[1].dtype == dtype
    near = 1e-6 if dtype == torch.float32 else 2**-8  # the last bit of bf16
    assert torch.allclose(one[1].float(), two[1].float(), rtol=near, atol=1e-6)
    # And both are the gradient, to the precision of the logits.
    leaf = logits.float().requires_grad_()
    plain = F.cross_entropy(leaf, targets, reduction="sum", label_smoothing=smoothing)
    (plain + z_loss * leaf.logsumexp(1).square().sum()).backward()
    assert leaf.grad is not None and torch.allclose(one[1].float(), leaf.grad, rtol=2 * near, atol=1e-5)


def test_settings_reach_the_loss() -> None:
    tokens = torch.randint(1, VOCAB, (2, 64), generator=torch.Generator().manual_seed(4))
    inputs = Inputs(tokens[:, :-1], tokens[:, 1:].flatten())
    values = set()
    for changes in ({}, {"z_loss": 0.1}, {"label_smoothing": 0.3}):
        settings = resolve({**SIZES, **changes})
        values.add(round(float(Learner(stirred(settings), settings).loss(inputs).detach()), 3))
    assert len(values) == 3


# GPT-2 and dropout

GPT2: dict[str, Any] = {
    "preset": "gpt2", "layers": 2, "width": 32, "heads": 2, "kv_heads": 2, "window": 16, "batch_tokens": 128,
}  # fmt: skip


def test_gpt2_starts_at_a_uniform_guess_and_learns_a_batch_by_heart() -> None:
    settings = resolve(GPT2)
    net = GPT(settings.model(VOCAB)).initialise(0)
    kinds = {type(m).__name__ for m in net.modules()}
    assert "LayerNorm" in kinds and "RMSNorm" not in kinds and net.positions is not None
    assert {name.rsplit(".", 1)[1] for name, _ in net.named_parameters()} == {"weight", "bias"}
    learner, optimizer = Learner(net, settings), Optimizer(net, settings)
    tokens = torch.randint(0, VOCAB, (4, 17), generator=torch.Generator().manual_seed(7))
    inputs = Inputs(tokens[:, :-1], tokens[:, 1:].flatten())
    first = last = learner.loss(inputs) / 64
    # Rows up to a multiple of 128 take part in the first guess.
    assert first.item() == pytest.approx(math.log(384), abs=0.03)
    for _ in range(150):
        last = learner.loss(inputs) / 64
        last.backward()
        optimizer.step(1e-2)
        optimizer.zero_grad()
    assert last.item() < 0.1


def test_dropout_is_active_in_training_only() -> None:
    net = stirred(resolve({**GPT2, "dropout": 0.3}))
    tokens = torch.randint(0, VOCAB, (2, 16), generator=torch.Generator().manual_seed(7))
    net.train()
    assert not torch.allclose(net(tokens), net(tokens))
    # Where GPT-2 has it: on the embeddings, on both halves of each block, and on attention's weights.
    places = [module for module in net.modules() if isinstance(module, torch.nn.Dropout)]
    used: list[torch.nn.Module] = []
    hooks = [place.register_forward_hook(lambda module, *_: used.append(module)) for place in places]
    net(tokens)
    assert [used.count(place) for place in places] == [1, 2, 2]
    for place, hook in zip(places, hooks, strict=True):
        hook.remove()
        place.p = 0.0
    assert not torch.allclose(net(tokens), net(tokens))  # attention's own
    net.eval()
    assert torch.equal(net(tokens), net(tokens))
    without = stirred(resolve(GPT2)).train()
    assert torch.equal(without(tokens), net(tokens))


def test_a_run_with_dropout_resumes_bit_for_bit(build: Build) -> None:
    data = build({"a": [30] * 20})
    changes: dict[str, Any] = {**GPT2, "dropout": 0.2, "kv_heads": 2}
    whole, halved = run_of(data, "whole", **changes), run_of(data, "halved", **changes)
    train(whole)
    for _ in range(2):
        halved.train_step()
    halved.save()
    resumed = run_of(data, "halved", **changes)
    torch.manual_seed(99)
    resumed.resume()
    train(resumed)
    one, two = (checkpoint.load(data / out).tensors() for out in ("whole", "halved"))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    plain = run_of(data, "plain", **{**changes, "dropout": 0.0})
    train(plain)
    without = checkpoint.load(data / "plain").tensors()
    assert any(not torch.equal(one[name], without[name]) for name in one)


# Documents packed for the variable-length kernel


def plain_varlen(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, starts_q: torch.Tensor, starts_k: torch.Tensor,
    longest_q: int, longest_k: int, *, window_size: tuple[int, int], enable_gqa: bool,
) -> torch.Tensor:  # fmt: skip
    """Attend document by document over (N, H, D), with nothing but a softmax."""
    assert torch.equal(starts_q, starts_k) and starts_q[0] == 0 and starts_q[-1] == len(query)
    group = query.shape[1] // key.shape[1]
    assert enable_gqa == (group > 1)
    out = torch.full_like(query, float("nan"))
    for start, end in zip(starts_q.tolist(), starts_q.tolist()[1:], strict=False):
        assert end - start <= longest_q
        q = query[start:end].transpose(0, 1)  # (H, n, D)
        k, v = (part[start:end].transpose(0, 1).repeat_interleave(group, 0) for part in (key, value))
        weights = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        if window_size == (-1, 0):
            ahead = torch.ones(end - start, end - start, dtype=torch.bool).triu(1)
            weights = weights.masked_fill(ahead, float("-inf"))
        else:
            assert window_size == (-1, -1)
        out[start:end] = (weights.softmax(dim=-1) @ v).transpose(0, 1)
    return out


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("objective", ["causal", "mlm"])
def test_packed_documents_equal_the_additive_mask(
    monkeypatch: pytest.MonkeyPatch, kv_heads: int, objective: str
) -> None:
    monkeypatch.setattr(attention, "varlen_attn", plain_varlen)
    settings = resolve({**SIZES, "width": 64, "heads": 4, "kv_heads": kv_heads, "objective": objective})
    learner = Learner(stirred(settings), settings)
    batch = batch_of(3, settings)
    dense = Preparer(settings, VOCAB, EOS, packed=False)(batch)
    packed = Preparer(settings, VOCAB, EOS, packed=True)(batch)
    assert packed.starts is not None and packed.segments is None and dense.starts is None
    losses, grads = [], []
    for inputs in (dense, packed):
        loss = learner.loss(inputs)
        losses.append(loss.item())
        grads.append(torch.autograd.grad(loss, list(learner.parameters())))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for one, two in zip(*grads, strict=True):
        assert torch.allclose(one, two, rtol=1e-3, atol=1e-3 * float(one.abs().max()))


@pytest.mark.parametrize("chance", [0.0, 0.05, 0.5, 1.0])
def test_document_starts_cut_at_every_change_and_at_every_window(chance: float) -> None:
    random = np.random.default_rng(0)
    rows = [np.cumsum(random.random(24) < chance).tolist() for _ in range(5)]
    starts = document_starts(torch.tensor(rows))
    flat = [(row, segment) for row, line in enumerate(rows) for segment in line]
    wanted = [i for i in range(len(flat)) if i == 0 or flat[i] != flat[i - 1]]
    assert starts.dtype == torch.int32 and starts[: len(wanted)].tolist() == wanted
    padding = starts[len(wanted) :]
    assert len(padding) >= 1 and (padding == len(flat)).all()
    assert (len(starts) - 1) & (len(starts) - 2) == 0  # a power of two of entries
