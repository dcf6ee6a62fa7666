"""Show that the order of training data is right at every prefix and depends on nothing it should not."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xxhash
import yaml

from pile_curate.components import COMPONENTS
from pile_curate.errors import DatasetMissing, MixtureError, TokenFileError, TrainingError
from pile_curate.hashing import order_key
from trainer.config import Settings, resolve
from trainer.data import Plan, open_plan
from trainer.tokens import SourceTokens, load_mixture, open_sources
from trainer.train import main

Build = Callable[..., Path]
EOS = 0
SETTINGS = resolve({"window": 16, "batch_tokens": 64, "width": 32, "heads": 2, "kv_heads": 2})


def plan_of(root: Path, settings: Settings = SETTINGS) -> Plan:
    return open_plan(root, load_mixture(root), settings)[0]


def rewrite(root: Path, change: Any) -> None:
    mixture = load_mixture(root)
    change(mixture)
    (root / "mixture.json").write_text(json.dumps(mixture))


class FakeSource(SourceTokens):
    """A source with a size and no tokens on disk: enough to schedule."""

    def __init__(self, name: str, tokens: int) -> None:
        self.name, self.tokens, self.sizes = name, tokens, np.array([tokens])

    @property
    def digest(self) -> int:
        return 0


def fake_plan(weights: list[float]) -> Plan:
    sources = [FakeSource(f"s{i:02d}", 1_000_000) for i in range(len(weights))]
    return Plan(sources, weights, seed=0, window=16, batch_windows=4, vocab_size=300, eos_id=0)


def test_every_token_is_a_target_once_an_epoch_and_nothing_is_cropped(build: Build) -> None:
    root = build({"a": [3, 40, 1, 9, 25, 2]})
    plan = plan_of(root)
    stream = plan.sources[0]
    # Two whole epochs, whose seam falls inside a window.
    steps = -(-2 * stream.tokens // SETTINGS.batch_tokens)
    targets = torch.cat([plan.batch(s).targets.flatten() for s in range(steps)])[: 2 * stream.tokens]
    inputs = torch.cat([plan.batch(s).inputs.flatten() for s in range(steps)])[: 2 * stream.tokens]
    everything = sorted(np.concatenate([stream.document(i) for i in range(len(stream))]).tolist())
    first, second = targets[: stream.tokens].tolist(), targets[stream.tokens :].tolist()
    assert sorted(first) == everything and sorted(second) == everything
    assert first != second  # the epochs are shuffled differently
    assert inputs[0] == EOS and torch.equal(inputs[1:], targets[:-1])


def test_segments_follow_documents_and_the_end_of_text_opens_the_next(build: Build) -> None:
    batch = plan_of(build({"a": [2, 3, 1, 2, 4]})).batch(0)
    targets, segments = batch.targets.flatten(), batch.segments.flatten()
    changes = (segments[1:] != segments[:-1]).nonzero().flatten()
    assert len(changes) and torch.equal(changes, (targets[:-1] == EOS).nonzero().flatten())


def test_how_parts_were_cut_changes_nothing(build: Build) -> None:
    documents = {"a": [5, 9, 2, 30, 7, 1, 12], "b": [8] * 9}
    one = plan_of(build(documents, parts=1, name="one"))
    root = build(documents, parts=3, name="three")
    # Part files and sources listed in another order, too.
    rewrite(root, lambda m: (m["sources"].reverse(), [s["parts"]["train"].reverse() for s in m["sources"]]))
    # Round-robin parts number documents as one part does, so only the cut differs.
    three = plan_of(root)
    assert one.hash == three.hash
    for step in range(20):
        left, right = one.batch(step), three.batch(step)
        assert torch.equal(left.inputs, right.inputs) and torch.equal(left.targets, right.targets)
        assert torch.equal(left.segments, right.segments)
        assert one.documents(step) == three.documents(step)


@pytest.mark.parametrize("world", [2, 4])
def test_batches_are_the_same_on_any_world_size(build: Build, world: int) -> None:
    plan = plan_of(build({"a": [20] * 8, "b": [5] * 30}, epochs={"a": 2.0}))
    for step in range(6):
        whole = plan.batch(step)
        for rank in range(world):
            mine = plan.batch(step, rank, world)
            assert torch.equal(mine.inputs, whole.inputs[rank::world])
            assert torch.equal(mine.targets, whole.targets[rank::world])


def test_batches_do_not_depend_on_what_was_asked_before(build: Build) -> None:
    root = build({"a": [20] * 8, "b": [5] * 30})
    forward, backward = plan_of(root), plan_of(root)
    there = [forward.batch(step) for step in range(12)]
    back = [backward.batch(step) for step in reversed(range(12))][::-1]
    assert all(torch.equal(x.targets, y.targets) for x, y in zip(there, back, strict=True))


def test_seed_changes_order_and_hash(build: Build) -> None:
    root = build({"a": [20] * 8})
    other = plan_of(root, SETTINGS.model_copy(update={"seed": 1}))
    assert other.hash != plan_of(root).hash
    assert not torch.equal(other.batch(0).targets, plan_of(root).batch(0).targets)


@pytest.mark.parametrize("seed", range(8))
def test_mixture_is_right_within_two_windows_at_every_prefix(seed: int) -> None:
    random = np.random.default_rng(seed)
    # From near-equal to weights over many orders of magnitude, the shape of real mixtures.
    weights = random.dirichlet(np.full(22, [0.05, 0.2, 1.0, 30.0][seed % 4])) + 1e-6
    plan = fake_plan(weights.tolist())
    source, nth = plan.schedule(10_000)
    given = np.cumsum(source[:, None] == np.arange(22), axis=0)
    owed = np.arange(1, 10_001)[:, None] * plan.weights
    assert np.abs(given - owed).max() <= 2
    # Each source's windows are numbered without a gap.
    for i in range(22):
        assert np.array_equal(nth[source == i], np.arange((source == i).sum()))


def test_longer_schedule_keeps_its_prefix() -> None:
    weights = [0.5, 0.3, 0.2]
    short, long = fake_plan(weights), fake_plan(weights)
    short.schedule(100)
    assert np.array_equal(short.schedule(5000)[0], long.schedule(9000)[0][:5000])


def test_steps_default_to_what_the_mixture_fills(build: Build) -> None:
    root = build({"a": [50] * 8, "b": [50] * 8}, epochs={"a": 3.0, "b": 1.0})
    plan, steps = open_plan(root, load_mixture(root), SETTINGS)
    a, b = plan.sources
    assert steps == (3 * a.tokens + b.tokens) // SETTINGS.batch_tokens
    epochs = plan.given(steps) / np.array([a.tokens, b.tokens])
    assert epochs == pytest.approx([3.0, 1.0], abs=0.06)


def test_epoch_cap_is_an_error_that_says_what_fits(build: Build) -> None:
    plan = plan_of(build({"small": [30], "large": [400]}, epochs={"small": 9.0}))
    with pytest.raises(
        MixtureError, match=r"small: \d+ tokens asked of \d+: .* where 4 are allowed; \d+ steps"
    ):
        plan.check_epochs(40, 4)
    plan.check_epochs(3, 4)


def test_source_without_tokens_is_an_error(build: Build) -> None:
    root = build({"a": [30], "empty": []})
    with pytest.raises(TrainingError, match="no train tokens in empty"):
        plan_of(root)


def test_source_of_weight_zero_takes_no_part(build: Build) -> None:
    plan = plan_of(build({"a": [30], "off": [30]}, epochs={"off": 0.0}))
    assert [source.name for source in plan.sources] == ["a"]


def test_damaged_token_files_are_named(build: Build) -> None:
    root = build({"a": [30]})
    path = next(root.glob("tokens/train/a/*.bin"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-6])
    with pytest.raises(TokenFileError, match="truncated"):
        open_sources(root, load_mixture(root), "train")
    path.unlink()
    with pytest.raises(TokenFileError, match=r"00000\.bin: missing"):
        open_sources(root, load_mixture(root), "train")


def test_counts_that_disagree_are_named(build: Build) -> None:
    root = build({"a": [30]})
    rewrite(root, lambda m: m["sources"][0]["parts"]["train"][0].update(documents=7))
    with pytest.raises(TokenFileError, match=r"holds 1 documents, mixture\.json says 7"):
        open_sources(root, load_mixture(root), "train")


def test_tokens_outside_the_vocabulary_are_an_error(build: Build) -> None:
    root = build({"a": [30]})
    rewrite(root, lambda m: m["tokenizer"].update(vocab_size=50))
    with pytest.raises(TokenFileError, match="in a vocabulary of 50"):
        plan_of(root).batch(0)


def test_missing_mixture_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DatasetMissing, match="run the mix stage"):
        load_mixture(tmp_path)


def test_the_mixture_of_the_pile_is_right_within_two_windows_at_every_prefix() -> None:
    # All 22 components, weighed as its recipe does: epochs over the bytes that the paper states.
    stated = yaml.safe_load((resources.files("pile_curate") / "recipes" / "pile.yaml").read_text("utf-8"))
    sizes = {component.name: component.bytes for component in COMPONENTS}
    weights = [float(source["epochs"]) * sizes[source["pile_set_name"]] for source in stated["sources"]]
    plan = fake_plan(weights)
    assert len(plan.sources) == 22 and plan.weights.max() > 0.15 and plan.weights.min() < 0.002
    source, _ = plan.schedule(10_000)
    given = np.cumsum(source[:, None] == np.arange(22), axis=0)
    assert np.abs(given - np.arange(1, 10_001)[:, None] * plan.weights).max() <= 2


def test_an_epochs_order_and_the_digest_are_by_the_hashes_that_are_stated() -> None:
    ids = np.random.default_rng(0).integers(0, 256, (500, 16), dtype=np.uint8)

    class Part:
        doc_ids = [row.tobytes() for row in ids]
        sizes = np.full(500, 3, np.int32)
        text_bytes = np.full(500, 3, np.int64)

    stream = SourceTokens("wikipedia", [Part()])  # type: ignore[list-item]
    for seed, epoch in ((0, 0), (5, 1), (-1, 2), (2**64 + 5, 1)):
        keys = [(order_key(seed, row.tobytes(), f"epoch:wikipedia:{epoch}"), row.tobytes()) for row in ids]
        order, starts = stream._order(seed, epoch)
        assert order.tolist() == sorted(range(500), key=keys.__getitem__)
        assert starts.tolist() == list(range(0, 1501, 3))
    rows = (xxhash.xxh3_128_intdigest(row.tobytes() + struct.pack("<qq", 3, 3)) for row in ids)
    assert stream.digest == sum(rows) % (1 << 128)


def test_what_was_trained_on_is_printed_and_logged(
    build: Build, tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    data = build({"a": [50] * 8, "b": [50] * 8}, epochs={"a": 3.0}, model={**tiny, "steps": 30})
    assert main(["--data", str(data), "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert said.count("realised  trained on  epochs") == 2
    events = [json.loads(line) for line in (data / "model" / "log.jsonl").read_text().splitlines()]
    planned, end = (next(e for e in events if e["event"] == name) for name in ("mixture", "end"))
    assert planned["sources"] == end["sources"] and planned["step"] == end["step"] == 30
    a, b = end["sources"]
    assert a["trained_on"] + b["trained_on"] == 30 * tiny["batch_tokens"]
    assert a["epochs"] == pytest.approx(3 * b["epochs"], rel=0.03) and a["weight"] == pytest.approx(
        a["realised"], abs=0.01
    )
