"""Show that the model attends where it may, that its loss is right, and that it can learn."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from trainer.attention import Cache, document_mask
from trainer.config import PRESETS, ModelConfig, resolve
from trainer.loss import cross_entropy_sum, token_losses
from trainer.model import GPT
from trainer.optim import Optimizer

SETTINGS = resolve({"layers": 2, "width": 32, "heads": 2, "kv_heads": 1, "window": 16, "batch_tokens": 128})
VOCAB = 300


def model(**changes: object) -> GPT:
    config = SETTINGS.model(VOCAB).model_dump() | changes
    return GPT(ModelConfig.model_validate(config)).initialise(0)


def stirred(**changes: object) -> GPT:
    """Return a model whose blocks do something: as initialised, they add nothing to the stream."""
    net, random = model(**changes), torch.Generator().manual_seed(8)
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_(0.0, 0.3, generator=random)
    return net


def losses(net: GPT, tokens: torch.Tensor, segments: torch.Tensor | None) -> torch.Tensor:
    hidden = net(tokens[:, :-1], None if segments is None else document_mask(segments))
    return token_losses(hidden.flatten(0, 1), net.vocabulary, tokens[:, 1:].flatten()).view(len(tokens), -1)


def test_first_loss_is_that_of_a_uniform_guess() -> None:
    tokens = torch.randint(0, VOCAB, (8, 17), generator=torch.Generator().manual_seed(1))
    for tied in (True, False):
        assert float(losses(model(tied=tied), tokens, None).mean()) == pytest.approx(
            math.log(VOCAB), abs=0.03
        )


def test_a_documents_loss_does_not_move_with_its_neighbour() -> None:
    net = stirred()
    random = torch.Generator().manual_seed(2)
    tokens = torch.randint(1, VOCAB, (1, 17), generator=random)
    segments = torch.tensor([[0] * 7 + [1] * 9])
    other = tokens.clone()
    other[0, :7] = torch.randint(1, VOCAB, (7,), generator=random)
    masked = losses(net, tokens, segments), losses(net, other, segments)
    assert torch.equal(masked[0][:, 7:], masked[1][:, 7:])
    open_window = losses(net, tokens, None), losses(net, other, None)
    assert not torch.allclose(open_window[0][:, 7:], open_window[1][:, 7:])


def test_a_document_alone_scores_as_in_the_middle_of_a_window() -> None:
    # Rotary positions are relative, so only rounding may differ.
    net = stirred()
    tokens = torch.randint(1, VOCAB, (1, 17), generator=torch.Generator().manual_seed(3))
    segments = torch.tensor([[0] * 7 + [1] * 9])
    together = losses(net, tokens, segments)[:, 7:]
    alone = losses(net, tokens[:, 7:], None)
    assert torch.allclose(together, alone, atol=1e-5)


def test_no_position_sees_the_future() -> None:
    net = stirred()
    tokens = torch.randint(0, VOCAB, (1, 16), generator=torch.Generator().manual_seed(4))
    changed = tokens.clone()
    changed[0, 9] = (changed[0, 9] + 1) % VOCAB
    assert torch.equal(net(tokens)[:, :9], net(changed)[:, :9])
    assert not torch.equal(net(tokens)[:, 9], net(changed)[:, 9])


def test_cache_gives_the_states_of_the_whole_window() -> None:
    net = stirred()
    tokens = torch.randint(0, VOCAB, (1, 12), generator=torch.Generator().manual_seed(5))
    caches = [Cache(16) for _ in net.blocks]
    steps = [net(tokens[:, :5], caches=caches)]
    steps += [net(tokens[:, i : i + 1], caches=caches) for i in range(5, 12)]
    assert torch.allclose(torch.cat(steps, dim=1), net(tokens), atol=1e-5)


@pytest.mark.parametrize("z_loss", [0.0, 0.01])
@pytest.mark.parametrize("chunk", [1, 7, 512])
def test_chunked_loss_equals_the_plain_one_in_value_and_gradient(chunk: int, z_loss: float) -> None:
    random = torch.Generator().manual_seed(6)
    hidden = torch.randn(23, 8, generator=random, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(31, 8, generator=random, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 31, (23,), generator=random)
    logits = hidden @ weight.T
    plain = F.cross_entropy(logits, targets, reduction="sum") + z_loss * logits.logsumexp(1).square().sum()
    wanted = torch.autograd.grad(plain, (hidden, weight))
    # Logits are taken in float32, as in training.
    chunked = cross_entropy_sum(hidden, weight, targets, z_loss=z_loss, chunk=chunk)
    found = torch.autograd.grad(chunked, (hidden, weight))
    assert chunked.item() == pytest.approx(plain.item(), rel=1e-5)
    for left, right in zip(found, wanted, strict=True):
        assert torch.allclose(left, right, rtol=1e-4, atol=1e-5)


def test_one_batch_can_be_learnt_by_heart() -> None:
    net = model()
    optimizer = Optimizer(net, SETTINGS)
    tokens = torch.randint(0, VOCAB, (4, 17), generator=torch.Generator().manual_seed(7))
    for _ in range(120):
        hidden = net(tokens[:, :-1])
        loss = cross_entropy_sum(hidden.flatten(0, 1), net.vocabulary, tokens[:, 1:].flatten()) / 64
        loss.backward()
        optimizer.step(1e-2)
        optimizer.zero_grad()
    assert loss.item() < 0.1


def test_decay_spares_vectors() -> None:
    decayed, spared = Optimizer(model(), SETTINGS).adamw.param_groups
    assert decayed["weight_decay"] == 0.1 and all(p.dim() >= 2 for p in decayed["params"])
    assert spared["weight_decay"] == 0.0 and all(p.dim() == 1 for p in spared["params"])


@pytest.mark.parametrize(
    ("preset", "vocab", "low", "high"),
    [("tiny", 4096, 1.2e6, 1.5e6), ("124m", 50_304, 120e6, 128e6), ("350m", 50_304, 340e6, 370e6),
     ("1b", 32_768, 0.9e9, 1.1e9)],
)  # fmt: skip
def test_presets_have_the_size_they_are_named_for(preset: str, vocab: int, low: float, high: float) -> None:
    with torch.device("meta"):
        count = GPT(resolve({"preset": preset}).model(vocab)).parameter_count()
    assert low < count < high


def test_every_preset_resolves() -> None:
    for preset in PRESETS:
        assert resolve({"preset": preset}).preset == preset
