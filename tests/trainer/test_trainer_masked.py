"""Show that a masked model's score is what a hand computation gives, and that it is kept apart from the others."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from pile_curate.errors import TrainingError
from trainer import evaluate as evaluation
from trainer import generate as generation
from trainer.config import resolve
from trainer.masked import Masking
from trainer.model import GPT
from trainer.tokens import load_mixture, open_sources
from trainer.train import main as train_main

Build = Callable[..., Path]
MASKING = Masking(mask_id=257, eos_id=0, rate=0.15)
TEXTS = {"a": ["a cat sat on a mat", "", "x" * 50, "é"], "b": ["the dog saw the cat " * 4]}


@pytest.fixture
def data(build: Build, tiny: dict[str, Any]) -> Path:
    return build(
        {"a": [40] * 20, "b": [40] * 20}, validation=TEXTS, model={**tiny, "objective": "mlm", "steps": 60}
    )


@pytest.fixture
def net(tiny: dict[str, Any]) -> GPT:
    model, random = GPT(resolve({**tiny, "objective": "mlm"}).model(257)), torch.Generator().manual_seed(4)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.3, generator=random)
    return model


def by_hand(net: GPT, doc_id: bytes, document: np.ndarray[Any, Any]) -> tuple[int, float, int]:
    """Score a document window by window, alone, the plain way."""
    count, nll, correct = 0, 0.0, 0
    for tokens, at in MASKING.windows(doc_id, document, net.config.window):
        shown = tokens.copy()
        shown[at] = 257
        with torch.no_grad():
            logits = (net(torch.from_numpy(shown)[None])[0] @ net.vocabulary.T).double()
        for place in at.tolist():
            count += 1
            nll -= float(logits[place].log_softmax(0)[tokens[place]])
            correct += int(logits[place].argmax()) == tokens[place]
    return count, nll, correct


def test_scores_equal_a_hand_computation_and_are_stored_by_document(data: Path, net: GPT) -> None:
    result = evaluation.evaluate(data, net, label="m", split="validation", step=0, origin="test")
    wanted = {
        source.doc_id(i): by_hand(net, source.doc_id(i), source.document(i))
        for source in open_sources(data, load_mixture(data), "validation")
        for i in range(len(source))
    }
    rows = pq.read_table(data / "evaluation" / "m.parquet").to_pylist()
    assert len(rows) == len(wanted) == 5
    for row in rows:
        count, nll, correct = wanted[row["doc_id"]]
        assert (row["tokens"], row["correct"]) == (count, correct) and row["nll"] == pytest.approx(
            nll, abs=1e-3
        )
    count, nll, correct = (sum(column) for column in zip(*wanted.values(), strict=True))
    overall = result["overall"]
    assert overall["tokens"] == count and overall["loss"] == pytest.approx(nll / count, abs=1e-4)
    assert overall["accuracy"] == correct / count and overall["bits_per_byte"] is None
    assert result["objective"] == "mlm" and json.loads((data / "evaluation" / "m.json").read_text()) == result


def test_masks_are_a_hash_of_the_document_and_spare_its_end() -> None:
    document = np.array([*range(1, 101), 0])
    one, two = (list(MASKING.windows(bytes([i]) * 16, document, 16)) for i in (1, 2))
    again = list(MASKING.windows(bytes([1]) * 16, document, 16))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(one, again, strict=True))
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(one, two, strict=True))
    # Six windows of 16 hide 2 each, the last, of 4 tokens and the end of text, hides 1.
    assert [len(at) for _, at in one] == [2] * 6 + [1]
    assert all((tokens[at] != 0).all() for tokens, at in one)
    assert list(MASKING.windows(b"", np.array([0]), 16)) == []
    assert len(list(MASKING.windows(b"", np.array([*range(1, 17), 0]), 16))) == 1


def test_a_documents_score_does_not_depend_on_the_others(data: Path, net: GPT) -> None:
    source = open_sources(data, load_mixture(data), "train")[0]
    documents, ids = [source.document(i) for i in range(8)], [source.doc_id(i) for i in range(8)]
    together = MASKING.score(net, documents, ids)
    for i in range(8):
        alone = MASKING.score(net, documents[i : i + 1], ids[i : i + 1])
        assert together[0][i] == alone[0][0] and together[1][i] == pytest.approx(alone[1][0], abs=2e-3)


def test_the_commands_score_a_masked_checkpoint_and_refuse_what_it_cannot_do(
    build: Build, tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    # Validation of the kind that was trained on: of other text it learns to expect the wrong.
    texts = {"a": [40] * 20, "b": [40] * 20}
    data = build(texts, validation={name: [40] * 4 for name in texts}, model={**tiny, "objective": "mlm"})
    base = ["--data", str(data), "--threads", "1"]
    assert train_main([*base, "--steps", "100", "--max-epochs", "99", "--learning-rate", "0.005"]) == 0
    for name in ("init", "latest"):
        assert evaluation.main([*base, "--checkpoint", name]) == 0
    said = capsys.readouterr().out
    assert "accuracy" in said and "bits/byte" not in said
    before, after = (evaluation.stored(data, label)["overall"] for label in ("before", "after"))
    assert before["loss"] == pytest.approx(math.log(258), abs=0.2) and after["loss"] < before["loss"] - 1
    assert evaluation.main([*base, "--compare", "before", "after"]) == 0
    assert "accuracy before" in capsys.readouterr().out
    assert generation.main([*base, "--prompt", "the"]) == 1
    said = capsys.readouterr()
    assert "a masked model (objective mlm) cannot continue a text" in said.err and said.out == ""
    # A causal model's result beside a masked one's would compare nothing.
    causal = GPT(resolve(tiny).model(257)).initialise(0)
    evaluation.evaluate(data, causal, label="causal", split="validation", step=0, origin="t")
    assert evaluation.main([*base, "--compare", "causal", "after"]) == 1
    assert "of causal and after one is of a masked" in capsys.readouterr().err


def test_a_masked_model_needs_a_row_for_the_mask(data: Path, tiny: dict[str, Any]) -> None:
    net = GPT(resolve({**tiny, "objective": "mlm"}).model(256)).initialise(0)
    with pytest.raises(TrainingError, match="has a vocabulary of 257, the data one of 257"):
        evaluation.evaluate(data, net, label="x", split="validation", step=0, origin="t")
