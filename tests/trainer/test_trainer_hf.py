"""Show that any causal model is scored by the same protocol, and that transformers trains on the shards."""

from __future__ import annotations

import json
import math
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from pile_curate.errors import DatasetDamaged, ModelError, TokenFileError, TrainingError
from pile_curate.schema import doc_id
from tests.trainer.hf_cases import SHAPES, add_shards, save, stirred
from trainer import checkpoint, evaluate
from trainer.export import export
from trainer.hf import score as score_hf
from trainer.import_hf import import_model
from trainer.spelling import read_tokenizer

Build = Callable[..., Path]
ROOT = Path(__file__).parents[2]
TEXTS = {
    "emoji": [
        "Grüße 👩‍🚀🚀 an alle!", "日本語のテキスト、漢字かな交じり文。" * 3, "broken \ufffd here", "", "x",
        "ends itself <|endoftext|> or not",
    ],
    "words": ["a cat", "  two  spaces\n\n\ttab " * 6],
}  # fmt: skip


@pytest.fixture
def data(build: Build) -> Path:
    made = build({"emoji": [40], "words": [40]}, validation=TEXTS)
    add_shards(made, {"validation": TEXTS, "train": {"emoji": ["one"], "words": ["two"]}})
    return made


def rows(data: Path, label: str) -> dict[bytes, dict[str, Any]]:
    return {row["doc_id"]: row for row in pq.read_table(data / "evaluation" / f"{label}.parquet").to_pylist()}


@pytest.mark.parametrize("name", list(SHAPES))
def test_an_exported_model_scores_as_its_checkpoint_and_as_transformers_own_loss(
    hugging: Any, data: Path, tmp_path: Path, name: str
) -> None:
    model = stirred(**SHAPES[name])
    tokenizer = json.loads((data / "mixture.json").read_text())["tokenizer"]
    saved = save(model, tmp_path / "run", tokenizer)
    base = ["--data", str(data), "--threads", "1"]
    assert evaluate.main([*base, "--checkpoint", str(saved), "--label", "ours"]) == 0
    export(checkpoint.load(saved).model(), data / "tokenizer.json", 0, tmp_path / "hf")
    assert evaluate.main([*base, "--hf", str(tmp_path / "hf"), "--label", "theirs"]) == 0
    ours, theirs = rows(data, "ours"), rows(data, "theirs")
    assert ours.keys() == theirs.keys() and len(ours) == 8
    for key, row in ours.items():
        other = theirs[key]
        assert other["nll"] == pytest.approx(row["nll"], abs=1e-3, rel=1e-6)
        assert {k: other[k] for k in ("source", "split", "tokens", "text_bytes", "lossy")} == {
            **{k: row[k] for k in ("source", "split", "tokens", "text_bytes")}, "lossy": False
        }  # fmt: skip
    # transformers' own loss, window by window, and bits per byte by hand.
    loaded = hugging.AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    encoder = read_tokenizer(data / "tokenizer.json")
    encoder.encode_special_tokens = True
    nlls, tokens, size = 0.0, 0, 0
    for source, texts in TEXTS.items():
        for i, text in enumerate(texts):
            whole = [0, *encoder.encode(text).ids]
            own = 0.0
            for start in range(0, len(whole) - 1, 16):
                window = torch.tensor([whole[start : start + 17]])
                inputs, targets = window[:, :-1], window[:, 1:]
                with torch.no_grad():
                    loss = loaded(input_ids=inputs, labels=targets, shift_labels=targets).loss
                own += float(loss) * targets.shape[1]
            row = ours[doc_id(source, f"validation{i}")]
            assert row["tokens"] == len(whole) - 1 and row["text_bytes"] == len(text.encode())
            if row["tokens"]:
                assert own / row["tokens"] == pytest.approx(row["nll"] / row["tokens"], abs=1e-4)
            nlls, tokens, size = nlls + own, tokens + row["tokens"], size + len(text.encode())
    for label in ("ours", "theirs"):
        overall = evaluate.stored(data, label)["overall"]
        assert (overall["tokens"], overall["bytes"]) == (tokens, size)
        assert overall["loss"] == pytest.approx(nlls / tokens, abs=1e-4)
        assert overall["bits_per_byte"] == pytest.approx(nlls / math.log(2) / size, abs=1e-4)


@pytest.fixture
def model_folder(data: Path, tmp_path: Path) -> Path:
    export(stirred(), data / "tokenizer.json", 0, tmp_path / "hf")
    return tmp_path / "hf"


def score(data: Path, folder: Path, **options: Any) -> dict[str, Any]:
    return score_hf.score_folder(data, folder, **({"label": "x", "split": "validation"} | options))


def test_windows_can_be_chosen_and_max_tokens_takes_the_documents_that_evaluate_takes(
    hugging: Any, data: Path, model_folder: Path
) -> None:
    short, long = (score(data, model_folder, window=w)["overall"] for w in (1, 16))
    assert short["tokens"] == long["tokens"] and short["loss"] != long["loss"]
    assert score(data, model_folder)["window"] == 16
    for window in (0, 17):
        with pytest.raises(TrainingError, match=f"window {window} must be between 1 and the model's 16"):
            score(data, model_folder, window=window)
    some = score(data, model_folder, max_tokens=20)
    taken = set(rows(data, "x"))
    evaluate.evaluate(data, stirred(), label="y", split="validation", step=0, origin="t", max_tokens=20)
    assert 0 < some["overall"]["documents"] < 8 and taken == set(rows(data, "y"))


def test_a_window_without_hf_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["--data", str(data), "--window", "8"]) == 1
    assert "--window goes with --hf" in capsys.readouterr().err


def test_a_model_that_states_no_maximum_gets_windows_of_2048(
    hugging: Any, data: Path, model_folder: Path
) -> None:
    config = hugging.BloomConfig(
        vocab_size=257, hidden_size=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    hugging.BloomForCausalLM(config).save_pretrained(model_folder)
    result = score(data, model_folder)
    assert (result["window"], result["model_type"]) == (2048, "bloom")
    assert result["overall"]["loss"] == pytest.approx(math.log(257), abs=0.2)


def other_tokenizer(folder: Path, kind: str) -> None:
    """Put another tokenizer into a model's folder; its end of text stays token 0."""
    letters = {chr(c): c - 31 for c in range(33, 127)}
    if kind == "lowercase":  # byte-level after a normaliser that loses something
        tokenizer = read_tokenizer(folder / "tokenizer.json")
        tokenizer.normalizer = normalizers.Lowercase()
    elif kind == "metaspace":  # SentencePiece's way: what it does not know becomes <unk>
        tokenizer = Tokenizer(
            models.BPE(
                vocab={"<|endoftext|>": 0, "<unk>": 1, "\u2581": 200, **letters}, merges=[], unk_token="<unk>"
            )
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
        tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
        tokenizer.add_special_tokens(["<|endoftext|>", "<unk>"])
    else:  # byte-level without some bytes, which the library drops without a word
        stated = json.loads((folder / "tokenizer.json").read_text())
        del stated["model"]["vocab"]["Ã"]
        tokenizer = Tokenizer.from_str(json.dumps(stated))
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(("kind", "lossy"), [("lowercase", {0}), ("metaspace", {0, 1, 2})])
def test_documents_that_the_tokens_do_not_spell_are_counted_and_named(
    hugging: Any, data: Path, model_folder: Path, kind: str, lossy: set[int]
) -> None:
    other_tokenizer(model_folder, kind)
    result = score(data, model_folder)
    wanted = {doc_id("emoji", f"validation{i}") for i in lossy}
    if kind == "metaspace":
        wanted.add(doc_id("words", "validation1"))  # its line ends are unknown
    assert not result["byte_level"] and result["lossy"]["documents"] == len(wanted)
    assert set(result["lossy"]["named"]) == {
        f"{row['source']}/{key.hex()}" for key, row in rows(data, "x").items() if key in wanted
    }
    assert {key for key, row in rows(data, "x").items() if row["lossy"]} == wanted
    assert result["overall"]["bytes"] == sum(len(t.encode()) for texts in TEXTS.values() for t in texts)


def test_a_byte_level_tokenizer_that_drops_bytes_is_an_error(
    hugging: Any, data: Path, model_folder: Path
) -> None:
    other_tokenizer(model_folder, "gaps")
    with pytest.raises(TokenFileError, match="its tokens stand for 30 bytes, its text has 32"):
        score(data, model_folder)


def test_a_document_begins_after_bos_where_there_is_one(hugging: Any, data: Path, model_folder: Path) -> None:
    path = model_folder / "tokenizer_config.json"
    stated = json.loads(path.read_text())
    before = score(data, model_folder)
    path.write_text(json.dumps(stated | {"bos_token": "a"}))
    after = score(data, model_folder)
    assert (before["begins_after"], after["begins_after"]) == ("<|endoftext|>", "a")
    assert before["overall"]["loss"] != after["overall"]["loss"]
    path.write_text(json.dumps({key: stated[key] for key in stated if key not in ("bos_token", "eos_token")}))
    with pytest.raises(ModelError, match="neither a BOS nor an EOS token"):
        score(data, model_folder)


def test_models_that_cannot_be_scored_are_refused(
    hugging: Any, data: Path, model_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="holds no config.json; download a model first"):
        score(data, tmp_path / "nowhere")
    encoder = hugging.BertConfig(
        vocab_size=257, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    folder = tmp_path / "bert"
    shutil.copytree(model_folder, folder)
    hugging.BertLMHeadModel(encoder).save_pretrained(folder)
    with pytest.raises(ModelError, match="is not causal: its predictions change with later tokens"):
        score(data, folder)
    config = json.loads((model_folder / "config.json").read_text())
    (model_folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(ModelError, match="lacks weights of a causal model"):
        score(data, model_folder)
    code = {"model_type": "mine", "auto_map": {"AutoConfig": "m.C", "AutoModelForCausalLM": "m.M"}}
    (model_folder / "config.json").write_text(json.dumps(code))
    (model_folder / "m.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError, match="transformers cannot load it"):
        score(data, model_folder)
    assert not (tmp_path / "ran").exists(), "code that comes with a model never runs"
    (model_folder / "config.json").write_text(json.dumps(config))
    (model_folder / "model.safetensors").unlink()
    torch.save(stirred().state_dict(), model_folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="transformers cannot load it"):
        score(data, model_folder)


def test_tokens_beyond_the_model_are_an_error(hugging: Any, data: Path, tmp_path: Path) -> None:
    export(stirred(vocab_size=200), data / "tokenizer.json", 0, tmp_path / "small")
    with pytest.raises(ModelError, match=r"token \d+ is not among the model's 200"):
        score(data, tmp_path / "small")


def test_shards_that_do_not_hold_the_documents_are_an_error(
    hugging: Any, data: Path, model_folder: Path
) -> None:
    mixture = json.loads((data / "mixture.json").read_text())
    path = data / next(
        s["path"]
        for s in mixture["sources"][0]["shards"]
        if (s["split"], s["format"]) == ("validation", "parquet")
    )
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(DatasetDamaged, match="cannot be read"):
        score(data, model_folder)
    path.unlink()
    with pytest.raises(DatasetDamaged, match="cannot be read"):
        score(data, model_folder)
    mixture["sources"][0]["shards"] = []
    (data / "mixture.json").write_text(json.dumps(mixture))
    with pytest.raises(DatasetDamaged, match="6 documents of the split validation are in no Parquet shard"):
        score(data, model_folder)


def test_a_text_of_another_length_than_the_token_part_says_is_an_error(
    hugging: Any, data: Path, model_folder: Path
) -> None:
    shutil.rmtree(data / "shards")
    add_shards(data, {"validation": TEXTS | {"words": ["a cats", TEXTS["words"][1]]}})
    with pytest.raises(DatasetDamaged, match="6 bytes where the token part says 5"):
        score(data, model_folder)


def test_without_transformers_the_error_says_what_to_install(
    data: Path, model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # what Python does when a module is not there
    assert evaluate.main(["--data", str(data), "--hf", str(model_folder), "--threads", "1"]) == 2
    assert "needs transformers" in capsys.readouterr().err


def test_the_example_trains_on_the_shards_and_its_model_comes_here(
    hugging: Any, build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    draw = np.random.default_rng(5)
    texts = [" ".join(draw.choice(["the cat", "saw", "a dog", "日本"], 30)) for _ in range(40)]
    data = build({"a": texts}, validation={"a": texts[:2]})
    add_shards(data, {"train": {"a": texts}, "validation": {"a": texts[:2]}})
    script = str(ROOT / "docs" / "examples" / "train_with_transformers.py")
    to = tmp_path / "trained"
    monkeypatch.setattr(
        sys, "argv", [script, "--data", str(data), "--to", str(to), "--steps", "20", "--batch", "4",
                      "--window", "32", "--layers", "1", "--width", "32", "--learning-rate", "0.01"],
    )  # fmt: skip
    runpy.run_path(script, run_name="__main__")
    losses = [
        float(line.split()[-1]) for line in capsys.readouterr().out.splitlines() if line.startswith("step ")
    ]
    assert losses[0] == pytest.approx(math.log(257), abs=0.5) and losses[-1] < losses[0] - 1
    scored = score(data, to)
    model = checkpoint.load(import_model(to, tmp_path / "run", data=data)).model()
    mine = evaluate.evaluate(data, model, label="y", split="validation", step=0, origin="t")
    assert mine["overall"]["loss"] == pytest.approx(scored["overall"]["loss"], abs=1e-4)
    assert mine["overall"]["loss"] < losses[0] - 1
