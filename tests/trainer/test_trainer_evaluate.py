"""Show that bits per byte are what a hand computation gives, and that generation is repeatable."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer

from pile_curate.errors import TokenFileError, TrainingError
from pile_curate.schema import doc_id
from trainer import evaluate as evaluation
from trainer import generate as generation
from trainer.config import resolve
from trainer.model import GPT
from trainer.tokens import load_mixture, open_sources
from trainer.train import main as train_main

Build = Callable[..., Path]
TEXTS = {
    "emoji": [
        "Grüße 👩‍🚀🚀 an alle!",
        "plain",
        "日本語のテキスト、漢字かな交じり文。" * 3,
        "broken \ufffd here",
        "",
    ],
    "words": ["a cat", "x" * 50],
}


@pytest.fixture
def data(build: Build, tiny: dict[str, Any]) -> Path:
    return build({"emoji": [40], "words": [40]}, validation=TEXTS, model={**tiny, "steps": 3})


@pytest.fixture
def net(tiny: dict[str, Any]) -> GPT:
    model = GPT(resolve(tiny).model(257)).initialise(3)
    with torch.no_grad():
        random = torch.Generator().manual_seed(4)
        for weight in model.parameters():  # far from uniform, so that a wrong context shows
            weight.normal_(0.0, 0.3, generator=random)
    return model


def by_hand(model: GPT, ids: list[int], eos: int = 0) -> float:
    """Score one document token by token, the plain way."""
    total, window = 0.0, model.config.window
    for start in range(0, len(ids), window):
        targets = ids[start : start + window]
        condition = [ids[start - 1] if start else eos, *targets[:-1]]
        with torch.no_grad():
            logits = model(torch.tensor([condition]))[0] @ model.vocabulary.T
        total -= float(logits.double().log_softmax(1)[range(len(targets)), targets].sum())
    return total


def test_bits_per_byte_equal_a_hand_computation(data: Path, net: GPT) -> None:
    result = evaluation.evaluate(data, net, label="x", split="validation", step=0, origin="test")
    tokenizer = Tokenizer.from_file(str(data / "tokenizer.json"))
    total_nll, total_bytes = 0.0, 0
    for row in result["sources"]:
        texts = TEXTS[row["source"]]
        nll = sum(by_hand(net, tokenizer.encode(text).ids) for text in texts)
        size = sum(len(text.encode()) for text in texts)
        assert row["bytes"] == size and row["documents"] == len(texts)
        assert row["bits_per_byte"] == pytest.approx(nll / math.log(2) / size, abs=1e-4)
        assert row["perplexity"] == pytest.approx(math.exp(row["loss"]))
        total_nll, total_bytes = total_nll + nll, total_bytes + size
    assert result["overall"]["bits_per_byte"] == pytest.approx(
        total_nll / math.log(2) / total_bytes, abs=1e-4
    )
    stored = json.loads((data / "evaluation" / "x.json").read_text())
    assert stored["overall"] == result["overall"]
    rows = pq.read_table(data / "evaluation" / "x.parquet").to_pylist()
    assert {row["doc_id"] for row in rows if row["source"] == "words"} == {
        doc_id("words", f"validation{i}") for i in range(2)
    }
    assert sum(row["nll"] for row in rows) == pytest.approx(total_nll, abs=1e-2)


def test_a_uniform_model_costs_eight_bits_a_byte_token(data: Path, tiny: dict[str, Any]) -> None:
    model = GPT(resolve(tiny).model(257)).initialise(0)
    with torch.no_grad():
        model.embedding.weight.zero_()
    result = evaluation.evaluate(data, model, label="flat", split="validation", step=0, origin="test")
    assert result["overall"]["bits_per_byte"] == pytest.approx(math.log2(257), abs=1e-4)


def test_a_documents_score_does_not_depend_on_the_others(data: Path, net: GPT) -> None:
    source = open_sources(data, load_mixture(data), "validation")[0]
    documents = [source.document(i) for i in range(len(source))]
    together = evaluation.score(net, documents, 0)
    alone = [evaluation.score(net, [document], 0)[0] for document in documents]
    assert together == pytest.approx(alone, abs=2e-3)


def test_fewer_tokens_take_whole_documents(data: Path) -> None:
    source = open_sources(data, load_mixture(data), "validation")[0]
    some = evaluation.chosen_documents(source, 5)
    assert 0 < len(some) < len(source)
    assert evaluation.chosen_documents(source, None)[: len(some)] == some


def test_bytes_that_disagree_with_the_tokens_are_an_error(data: Path, net: GPT) -> None:
    path = next(data.glob("tokens/validation/words/*.docs.parquet"))
    rows = pq.read_table(path)
    wrong = rows.set_column(3, "text_bytes", [[5, 51]])
    pq.write_table(wrong.cast(rows.schema), path)
    with pytest.raises(TokenFileError, match="stand for 50 bytes, its text has 51"):
        evaluation.evaluate(data, net, label="x", split="validation", step=0, origin="test")


def test_an_empty_split_a_bad_label_and_another_vocabulary_are_errors(
    data: Path, net: GPT, tiny: dict[str, Any]
) -> None:
    with pytest.raises(TrainingError, match="the split test has no tokens"):
        evaluation.evaluate(data, net, label="x", split="test", step=0, origin="t")
    with pytest.raises(TrainingError, match="label '../x'"):
        evaluation.evaluate(data, net, label="../x", split="validation", step=0, origin="t")
    other = GPT(resolve(tiny).model(100)).initialise(0)
    with pytest.raises(TrainingError, match="a vocabulary of 100, the data one of 257"):
        evaluation.evaluate(data, other, label="x", split="validation", step=0, origin="t")


def test_the_commands_make_a_before_and_after_table_and_text(
    build: Build, tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    data = build({"a": [40] * 8, "b": [20] * 9}, validation={"a": [30], "b": [30]}, model=tiny)
    assert train_main(["--data", str(data), "--threads", "1", "--max-epochs", "99", "--steps", "30"]) == 0
    base = ["--data", str(data), "--threads", "1"]
    assert evaluation.main([*base, "--checkpoint", "init"]) == 0
    assert evaluation.main([*base, "--checkpoint", str(data / "model" / "latest")]) == 0
    capsys.readouterr()
    assert evaluation.main([*base, "--compare", "before", "after"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "bits/byte before" in lines[0] and lines[-1].startswith("overall")
    before, after = (json.loads((data / "evaluation" / f"{n}.json").read_text()) for n in ("before", "after"))
    assert before["step"] == 0 and after["step"] == 30
    assert after["overall"]["bits_per_byte"] < before["overall"]["bits_per_byte"]
    assert evaluation.main([*base, "--compare", "before", "never"]) == 2
    assert "stored are: after, before" in capsys.readouterr().err
    drawn = []
    for seed in ("1", "1", "2"):
        assert generation.main([*base, "--prompt", "the cat", "--tokens", "40", "--seed", seed]) == 0
        drawn.append(capsys.readouterr().out)
    assert drawn[0] == drawn[1] != drawn[2] and drawn[0].startswith("the cat")
    assert generation.main([*base, "--temperature", "-1"]) == 1


def test_generation_goes_on_beyond_the_window(net: GPT) -> None:
    with torch.no_grad():
        net.embedding.weight[0] = 0  # never among the likeliest three
    drawn = list(generation.generate(net, [5, 6], eos_id=0, tokens=50, top_k=3))
    assert len(drawn) == 50 and all(0 <= token < 257 for token in drawn)


def test_greedy_generation_is_the_likeliest_token_of_the_plain_model(net: GPT) -> None:
    drawn = list(generation.generate(net, [5, 6, 7], eos_id=0, tokens=6, temperature=0))
    context = [0, 5, 6, 7]
    for token in drawn:
        logits = net(torch.tensor([context]))[0, -1] @ net.vocabulary.T
        assert int(logits.argmax()) == token
        context.append(token)
