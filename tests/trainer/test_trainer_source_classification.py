"""Show that the benchmark's labelled set is balanced and has no document on two sides, and that it runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from benchmarks.source_classification import labelled_set, main, naive_bayes, paragraphs
from trainer.config import resolve
from trainer.parallel import World
from trainer.run import Run
from trainer.tune.rows import Row

WORDS = {"a": ["sun", "sand", "sea", "salt"], "b": ["ice", "snow", "wind", "frost"], "few": ["one"]}


@pytest.fixture
def data(build: Callable[..., Path], tiny: dict[str, Any]) -> Path:
    """Return a corpus of two sources and one that is too small, with a model of one step."""
    root = build({name: [30] * 10 for name in WORDS})
    mixture = json.loads((root / "mixture.json").read_text())
    random = np.random.default_rng(0)
    for entry in mixture["sources"]:
        name, count = entry["name"], 1 if entry["name"] == "few" else 60
        rows = []
        for number in range(count):
            pieces = [f"{name} {number} {p} " + " ".join(random.choice(WORDS[name], 60)) for p in range(5)]
            rows.append({"text": "\n\n".join([*pieces, "short"]), "meta": {"doc_id": f"{name}{number:030d}"}})
        path = root / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
        entry["shards"] = [{"path": path.name}, {"path": "other.jsonl.zst"}]
    (root / "mixture.json").write_text(json.dumps(mixture))
    run = Run(root, root / "model", resolve({**tiny, "steps": 1}), World(torch.device("cpu")))
    run.train_step()
    run.save()
    return root


def test_no_document_is_on_two_sides_and_the_cap_holds(data: Path) -> None:
    rows = labelled_set(data, cap=40, per_document=2, least=2, seed=0)
    documents: dict[str, set[str]] = {}
    for side, its in rows.items():
        labels = [row.labels[0] for row in its]
        assert set(labels) == {"a", "b"}  # not the source of one document
        assert max(map(labels.count, "ab")) <= {"train": 28, "validation": 6, "test": 6}[side]
        documents[side] = {" ".join(row.text.split()[:2]) for row in its}
        assert all(200 <= len(row.text) <= 1000 for row in its)
    assert not documents["train"] & documents["test"] and not documents["train"] & documents["validation"]
    assert not documents["validation"] & documents["test"]
    again = labelled_set(data, cap=40, per_document=2, least=2, seed=0)
    assert again == rows and labelled_set(data, cap=40, per_document=2, least=2, seed=1) != rows


def test_paragraphs_are_cut_at_blank_lines_or_at_lines() -> None:
    text = (
        "x" * 300 + "\n \n" + "y" * 50 + "\n\n" + "\n".join("z" * 400 for _ in range(5)) + "\n\n" + "w" * 1200
    )
    assert [len(p) for p in paragraphs(text)] == [300, 801, 801, 400]


def test_naive_bayes_equals_a_hand_computation() -> None:
    train = [
        Row("x", i, text, labels=(label,))
        for i, (text, label) in enumerate([("a a b", "one"), ("b c", "two"), ("b", "two")])
    ]
    # With smoothing 1: p(b|one) = 2/6, p(b|two) = 3/6, p(a|one) = 3/6, p(a|two) = 1/6; p(one) = 1/3, p(two) = 2/3.
    # "a": 1/3 · 3/6 = 0.167 against 2/3 · 1/6 = 0.111; "a b": 0.056 against 0.056; "b": 0.111 against 0.333.
    texts = ["a", "b", "c unknown", "a a b"]
    guessed = naive_bayes(train, [Row("y", i, text) for i, text in enumerate(texts)], smoothing=1.0)
    assert guessed == ["one", "two", "two", "one"]


def test_the_benchmark_runs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "--data",
        str(data),
        "--cap",
        "60",
        "--checkpoint",
        "latest",
        "--epochs",
        "2",
        "--learning-rate",
        "0.003",
    ]
    assert main([*command, "--probe-epochs", "4", "--threads", "1"]) == 0
    printed = capsys.readouterr().out
    assert "left out: few" in printed
    lines = {line.split("  ")[0]: line.split() for line in printed.splitlines()}
    for name in ("majority", "naive Bayes on words", "probe of latest (step 1)", "tuned latest (step 1)"):
        assert name in lines
    assert "1.0000" in lines["naive Bayes on words"]
    assert main([*command, "--least", "1000"]) == 2
    assert "fewer than two sources have 1000 paragraphs a side" in capsys.readouterr().err
