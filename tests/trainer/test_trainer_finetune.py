"""Show that fine-tuning learns each task, measures it rightly, and refuses what it cannot use."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zstandard

from pile_curate.errors import InputError, PileCurateError, TrainingError
from pile_curate.shards.tokenizer import load_tokenizer
from trainer import checkpoint, finetune
from trainer import generate as generation
from trainer.config import resolve
from trainer.parallel import World
from trainer.run import Run
from trainer.tune.heads import Side, Tuned, group
from trainer.tune.rows import Row, encode
from trainer.tune.scores import classes, entities
from trainer.tune.tuning import Options, Tuning

Build = Callable[..., Path]
Rows = list[dict[str, Any]]


def draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def texts(count: int, seed: int = 0) -> Rows:
    """Three classes that differ in how often letters occur; the majority has half of the rows."""
    kinds = {"vowels": "aeiou   ", "signs": "+-*/<>  ", "digits": "0123456789 "}
    random = draw(seed)
    return [
        {"label": (label := list(kinds)[int(random.choice(3, p=[0.5, 0.25, 0.25]))]),
         "text": "x" + "".join(random.choice(list(kinds[label] + "bcd"), int(random.integers(5, 14))))}
        for _ in range(count)
    ]  # fmt: skip


def sentences(count: int, seed: int = 0) -> Rows:
    """Names (capital letters) of one or two words among others; the second word is inside the span."""
    random, rows = draw(seed), []
    for _ in range(count):
        tokens, tags = [], []
        for _ in range(int(random.integers(2, 5))):
            kind = ["O", "PER", "LOC"][int(random.integers(3))]
            start = {"O": "abc", "PER": "JKL", "LOC": "XYZ"}[kind]
            tokens.append(str(random.choice(list(start))) + "o")
            tags.append(kind if kind == "O" else f"B-{kind}")
            if kind == "PER":
                tokens.append("von")
                tags.append("I-PER")
        rows.append({"tokens": tokens, "tags": tags})
    return rows


def pairs(count: int, seed: int = 0) -> Rows:
    random = draw(seed)
    words = {"one": "1", "two": "22", "six": "66"}
    return [
        {"prompt": (w := str(random.choice(list(words)))) + "=", "completion": words[w]} for _ in range(count)
    ]


MADE = {"classify": texts, "tag": sentences, "causal": pairs}


def write(path: Path, rows: Sequence[Any]) -> Path:
    raw = "".join(json.dumps(row) + "\n" for row in rows).encode()
    packed = (
        gzip.compress(raw)
        if path.suffix == ".gz"
        else zstandard.compress(raw)
        if path.suffix == ".zst"
        else raw
    )
    path.write_bytes(packed)
    return path


@pytest.fixture
def make(build: Build, tiny: dict[str, Any]) -> Callable[..., Path]:
    """Return a function that makes an output directory with a checkpoint of one step."""

    def made(**changes: Any) -> Path:
        data = build({"a": [40] * 10}, model={**tiny})
        run = Run(data, data / "model", resolve({**tiny, "steps": 1, **changes}), World(torch.device("cpu")))
        run.train_step()
        run.save()
        return data

    return made


def tune(
    data: Path, task: str, *more: str, train: Rows | None = None, held: Rows | None = None, out: str = "tuned"
) -> int:
    """Run the command on synthetic rows."""
    train_file = write(data / "train.jsonl.zst", MADE[task](300) if train is None else train)
    held_file = write(data / "held.jsonl.gz", MADE[task](80, 1) if held is None else held)
    return finetune.main([
        task, "--data", str(data), "--train", str(train_file), "--validation", str(held_file),
        "--out", str(data / out), "--threads", "1", *more,
    ])  # fmt: skip


def figures(data: Path, out: str = "tuned") -> dict[str, Any]:
    return json.loads((data / out / "figures.json").read_text())


def predicted(data: Path, rows: Rows) -> Rows:
    out = data / "predicted.jsonl"
    source = write(data / "input.jsonl", rows)
    command = ["predict", "--model", str(data / "tuned"), "--input", str(source), "--output", str(out)]
    assert finetune.main([*command, "--threads", "1", "--tokens", "3"]) == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


RATE = ("--learning-rate", "0.003", "--epochs", "4")


@pytest.mark.parametrize(
    ("changes", "how"),
    [({}, RATE), ({}, ("--probe", "--epochs", "8")), ({"objective": "mlm"}, RATE),
     ({"objective": "mlm"}, ("--probe", "--epochs", "8"))],
    ids=["causal-full", "causal-probe", "mlm-full", "mlm-probe"],
)  # fmt: skip
def test_classify_beats_the_majority_and_predict_repeats_it(
    make: Callable[..., Path],
    changes: dict[str, Any],
    how: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = make(**changes)
    before = checkpoint.load(data / "model").tensors("model.")
    assert tune(data, "classify", *how) == 0
    printed = capsys.readouterr().out
    assert "always 'vowels'" in printed and "support" in printed and "best epoch" in printed
    found = figures(data)
    base = found["majority"]["validation"]
    assert base["label"] == "vowels" and base["accuracy"] < 0.65 and base["macro_f1"] < 0.3
    assert found["validation"]["accuracy"] > base["accuracy"] + 0.2
    assert found["validation"]["macro_f1"] > base["macro_f1"] + 0.5
    after = checkpoint.load(data / "tuned").tensors("model.")
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(moved) == 0 if "--probe" in how else len(moved) > 10
    rows = texts(80, 1)
    again = predicted(data, rows)
    scored = classes([row["label"] for row in rows], [row["label"] for row in again])
    assert scored == {
        name: found["validation"][name] for name in scored
    }  # through files, the same to the last row
    for row in again:
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert max(row["probabilities"], key=row["probabilities"].get) == row["label"]
    nll = [-np.log(guess["probabilities"][row["label"]]) for row, guess in zip(rows, again, strict=True)]
    assert np.mean(nll) == pytest.approx(found["validation"]["loss"], rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("how", [RATE, ("--probe", "--epochs", "8")], ids=["full", "probe"])
def test_tag_finds_entities(make: Callable[..., Path], how: tuple[str, ...]) -> None:
    data = make()
    assert tune(data, "tag", *how) == 0
    found = figures(data)
    assert (
        found["validation"]["entities"]["f1"] > 0.8 > 0.5 > found["majority"]["validation"]["entities"]["f1"]
    )
    rows = sentences(80, 1)
    again = predicted(data, rows)
    scored = entities([row["tags"] for row in rows], [row["tags"] for row in again])
    assert scored == found["validation"]["entities"]
    assert all(len(row["probabilities"]) == len(row["tags"]) for row in again)


def test_plain_tags_have_accuracy_and_no_spans(make: Callable[..., Path]) -> None:
    data = make()
    plain = [{**row, "tags": [tag[2:] or "NONE" for tag in row["tags"]]} for row in sentences(200)]
    assert tune(data, "tag", *RATE, train=plain[:150], held=plain[150:]) == 0
    found = figures(data)["validation"]
    assert found["accuracy"] > 0.7 and "entities" not in found


def test_causal_lowers_the_completions_loss_and_generates_them(
    make: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = make()
    assert tune(data, "causal", "--learning-rate", "0.003", "--epochs", "10") == 0
    found = figures(data)
    before, after = found["before"]["validation"], found["validation"]
    assert after["loss"] < before["loss"] / 3
    assert after["bytes"] == sum(len(row["completion"]) for row in pairs(80, 1)) == after["tokens"]
    assert after["bits_per_byte"] == pytest.approx(after["loss"] / np.log(2))  # a token is a byte here
    rows = [{"prompt": "one="}, {"prompt": "two="}, {"prompt": "six="}]
    again = predicted(data, rows)
    assert [row["completion"] for row in again] == ["1", "22", "66"]
    assert all(-3 < row["log_probability"] < 0 for row in again)
    capsys.readouterr()
    plain = ["--data", str(data), "--checkpoint", str(data / "tuned"), "--temperature", "0", "--threads", "1"]
    assert generation.main([*plain, "--prompt", "two="]) == 0  # it is a checkpoint like any other
    assert capsys.readouterr().out == "two=22\n"


def test_only_the_completion_is_learned(make: Callable[..., Path]) -> None:
    data = make()
    known = load_tokenizer(data / "tokenizer.json")
    held = checkpoint.load(data / "model")
    examples, _ = encode([Row("x:1", 1, "yes", prompt="ask")], "causal", known, {}, causal=True, limit=16)
    (one,) = examples
    assert known.decode(one.targets) == "yes" and known.decode(one.tokens[1:4]) == "ask"
    model = held.model()
    tuned = Tuned(model, 0, whole=False)
    read = group(examples, torch.device("cpu"))
    hidden = model(read.tokens).detach().requires_grad_(True)
    tuned.loss(hidden.flatten(0, 1)[read.at], read.targets).backward()
    assert hidden.grad is not None
    learned = hidden.grad[0].abs().sum(dim=1) > 0
    # end of text, a, s, k, y, e, s: only "k" and what follows it predict something.
    assert learned.tolist() == [False, False, False, True, True, True, True]
    # What a position of the prompt would have predicted is no input to the loss: its targets do not exist.
    assert one.at.tolist() == [3, 4, 5, 6] and len(one.targets) == 4


def test_bits_per_byte_are_those_of_the_completions_text_alone(make: Callable[..., Path]) -> None:
    data = make()
    known, held = load_tokenizer(data / "tokenizer.json"), checkpoint.load(data / "model")
    rows = [Row("x", 1, "é!", prompt="ask"), Row("x", 2, "yes")]
    tuning = Tuning(held, known, {"train": rows, "validation": rows}, Options("causal"))
    found, model, nll = tuning.measure("validation"), held.model(), 0.0
    for prompt, text in (("ask", "é!"), ("", "yes")):
        ids = [known.eos_id, *known.encode(prompt + text).tolist()]
        with torch.no_grad():
            logits = (model(torch.tensor([ids[:-1]]))[0] @ model.vocabulary.T).double().log_softmax(dim=1)
        first = len(prompt)
        nll -= float(logits[range(first, len(ids) - 1), ids[first + 1 :]].sum())
    assert found["tokens"] == found["bytes"] == 6  # the end of text is learned, and not counted
    assert found["loss"] == pytest.approx(nll / 6, abs=1e-5)
    assert found["bits_per_byte"] == pytest.approx(nll / 6 / np.log(2), abs=1e-5)


def test_the_same_seed_gives_the_same_weights(make: Callable[..., Path]) -> None:
    data = make(dropout=0.1)
    rows = texts(60)
    for out, seed in (("one", "3"), ("two", "3"), ("other", "4")):
        assert (
            tune(data, "classify", "--seed", seed, "--epochs", "2", train=rows, held=rows[:20], out=out) == 0
        )
        torch.manual_seed(99)
    one, two, other = (checkpoint.load(data / out).tensors() for out in ("one", "two", "other"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_the_best_epoch_is_kept(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    data = make()
    known, rows = load_tokenizer(data / "tokenizer.json"), texts(60)
    sides = {"train": [Row("t", i, r["text"], labels=(r["label"],)) for i, r in enumerate(rows)]}
    sides["validation"] = sides["train"][:20]
    tuning = Tuning(
        checkpoint.load(data / "model"), known, sides, Options("classify", epochs=3, learning_rate=1e-3)
    )
    kept: list[torch.Tensor] = []
    ranks = iter([1.0, 3.0, 1.0, 2.0, 3.0])  # second against first, third against second
    monkeypatch.setattr(tuning, "_rank", lambda measured: (next(ranks), 0.0))
    found = tuning.fit(lambda epoch: kept.append(tuning.tuned.head.weight.detach().clone()))
    assert found["best_epoch"] == 1 and torch.equal(tuning.tuned.head.weight, kept[0])


def test_padding_and_batches_change_nothing(make: Callable[..., Path]) -> None:
    for changes in ({}, {"objective": "mlm"}):
        data = make(**changes)
        known, held = load_tokenizer(data / "tokenizer.json"), checkpoint.load(data / "model")
        causal = held.facts["model"]["causal"]
        rows = [Row("x", i, "word " * i, labels=("a",)) for i in (1, 4, 2)]
        examples, cut = encode(rows, "classify", known, {"a": 0}, causal=causal, limit=16)
        assert cut == 1  # four words have 20 tokens, a window 16
        tuned = Tuned(held.model(), 2, whole=True)
        torch.nn.init.normal_(tuned.head.weight)
        together = Side(tuned, examples).judge()
        for i, example in enumerate(examples):
            alone = Side(tuned, [example]).judge()[i]
            assert np.allclose(together[i], alone, atol=1e-5)
        data.rename(data.parent / f"done-{causal}")


def test_balanced_classes_weigh_the_same(make: Callable[..., Path]) -> None:
    data = make()
    same = [{"text": "one text", "label": "ab"[i % 5 == 0]} for i in range(100)]  # 80 a, 20 b
    how = ("--fresh", "--probe", "--epochs", "20", "--head-rate", "0.1")
    for more, chance in (((), 0.2), (("--balanced",), 0.5)):
        held = [{"text": "one text", "label": "ab"[i < 10 * chance]} for i in range(10)]
        assert tune(data, "classify", *how, *more, train=same, held=held) == 0
        assert predicted(data, same[:1])[0]["probabilities"]["b"] == pytest.approx(chance, abs=0.05)


def test_what_cannot_be_trained_is_refused(
    make: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = make()

    def refused(*more: str, task: str = "classify", status: int = 2, **rows: Rows) -> str:
        assert tune(data, task, *more, **rows) == status
        assert not (data / "tuned" / "latest").exists()
        return capsys.readouterr().err

    few = texts(30)
    assert "every label is 'a'; give two or more" in refused(
        train=[{"text": "t", "label": "a"}] * 3, held=few
    )
    odd = [{"text": "t", "label": "odd"}]
    assert "held.jsonl.gz:31: label 'odd' does not occur in the training rows" in refused(
        train=few, held=few + odd
    )
    test = str(write(data / "test.jsonl", odd))
    assert "test.jsonl:1: label 'odd'" in refused("--test", test, train=few, held=few)
    assert "the model's window allows 2 to 16" in refused("--max-length", "17", train=few, held=few, status=1)
    assert "epochs 0" in refused("--epochs", "0", train=few, held=few, status=1)
    assert "seed -1" in refused("--seed", "-1", train=few, held=few, status=1)
    assert "max length 0" in refused("--max-length", "0", train=few, held=few, status=1)
    for rate in ("--learning-rate", "--head-rate"):
        assert "learning_rate: Input should be greater than 0" in refused(rate, "0", train=few, held=few)
    huge = refused("--learning-rate", "1e38", train=few, held=few, status=1)
    assert "not finite" in huge and "train.jsonl.zst:" in huge and "nothing was saved" in huge
    (data / "tokenizer.json").rename(data / "moved.json")
    assert "no tokenizer at" in refused(train=few, held=few, status=1)
    (data / "moved.json").write_text("{}")
    assert "sha256" in refused("--tokenizer", str(data / "moved.json"), train=few, held=few)


def test_half_precision_learns_too(make: Callable[..., Path]) -> None:
    data = make()
    assert tune(data, "classify", *RATE, "--precision", "bf16") == 0
    assert figures(data)["validation"]["accuracy"] > 0.8
    assert checkpoint.load(data / "tuned").tensors("head.")["head.weight"].dtype == torch.float32
    missing = ["predict", "--model", str(data / "tuned"), "--input", str(data / "held.jsonl.gz")]
    assert finetune.main([*missing, "--output", str(data / "no" / "where.jsonl")]) == 1


def test_masked_models_learn_no_completions(
    make: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(make(objective="mlm"), "causal") == 1
    assert "causal tunes a whole causal model" in capsys.readouterr().err


def test_an_output_is_not_overwritten_unless_asked(
    make: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = make()
    rows = texts(40)
    assert tune(data, "classify", "--epochs", "2", train=rows, held=rows) == 0
    assert "40 of them in train, too" in capsys.readouterr().out
    assert tune(data, "classify", train=rows, held=rows) == 1
    assert "--fresh replaces it" in capsys.readouterr().err
    assert tune(data, "classify", "--fresh", "--epochs", "1", train=rows, held=rows) == 0
    assert len(list((data / "tuned").glob("step-*"))) == 1
    assert tune(data, "classify", "--fresh", train=rows, held=rows, out="model") == 1
    assert "holds a training run; choose another --out" in capsys.readouterr().err
    assert (
        finetune.main(["predict", "--model", str(data / "model"), "--input", str(data / "held.jsonl.gz")])
        == 1
    )
    assert "was not fine-tuned" in capsys.readouterr().err


def test_a_share_of_the_rows_validates_and_a_checkpoint_folder_needs_no_corpus(
    make: Callable[..., Path],
) -> None:
    data = make()
    train, test = write(data / "train.jsonl", texts(100)), write(data / "test.jsonl", texts(30, 2))
    folder = checkpoint.load(data / "model").path
    command = ["classify", "--checkpoint", str(folder), "--train", str(train), "--test", str(test)]
    command += ["--validation-share", "0.3", "--threads", "1", "--epochs", "1", "--out", str(data / "tuned")]
    assert finetune.main(command) == 0
    found = figures(data)
    assert (
        found["rows"]["train"] + found["rows"]["validation"] == 100 and 15 < found["rows"]["validation"] < 45
    )
    assert found["test"]["rows"] == 30 and set(found["majority"]) == {"validation", "test"}


def test_command_line_errors_are_of_the_tree() -> None:
    assert issubclass(InputError, PileCurateError) and issubclass(TrainingError, PileCurateError)
    assert finetune.main(["classify", "--train", "x.jsonl", "--out", "y"]) == 1
