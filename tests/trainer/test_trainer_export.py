"""Show that models go to transformers and come back with equal logits, and that what has no counterpart is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models

from pile_curate.errors import TokenFileError, TrainingError
from pile_curate.shards.tokenizer import save_tokenizer, train_tokenizer
from tests.trainer.hf_cases import GPT2, SHAPES, logits, stirred
from trainer import checkpoint
from trainer import export as exporting
from trainer import generate as generation
from trainer import import_hf as importing
from trainer.hf.config import from_config, to_config
from trainer.hf.weights import from_tensors, shapes, to_tensors
from trainer.train import main as train_main

Build = Callable[..., Path]
TOKENS = torch.randint(0, 257, (2, 16), generator=torch.Generator().manual_seed(1))
TEXT = "Grüße 👩‍🚀 日本語 \ufffd  two  spaces <|endoftext|>\n"


@pytest.fixture
def data(build: Build) -> Path:
    return build({"a": [40]})


def tokenizer_facts(data: Path) -> dict[str, Any]:
    return json.loads((data / "mixture.json").read_text())["tokenizer"]


@pytest.mark.parametrize("name", list(SHAPES))
def test_an_exported_model_has_equal_logits_and_comes_back(
    hugging: Any, data: Path, tmp_path: Path, name: str
) -> None:
    model = stirred(**SHAPES[name])
    assert exporting.export(model, data / "tokenizer.json", 0, tmp_path / "hf") == name.split("-")[0]
    theirs, info = hugging.AutoModelForCausalLM.from_pretrained(tmp_path / "hf", output_loading_info=True)
    assert not any(info.values())
    assert sum(p.numel() for p in theirs.parameters()) == model.parameter_count()
    with torch.no_grad():
        assert torch.allclose(theirs(TOKENS).logits, logits(model, TOKENS), atol=1e-5, rtol=1e-5)
    # And back, after transformers has written it in its own way, in several files.
    theirs.save_pretrained(tmp_path / "again", max_shard_size="20KB")
    assert len(list((tmp_path / "again").glob("*.safetensors"))) > 1
    path = importing.import_model(tmp_path / "again", tmp_path / "run")
    back = checkpoint.load(path).model()
    held = dict(back.named_parameters())
    assert all(torch.equal(held[name], p) for name, p in model.named_parameters())
    assert torch.equal(logits(back.eval(), TOKENS), logits(model, TOKENS))


def configs(hugging: Any) -> dict[str, Any]:
    llama = {"vocab_size": 257, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
             "num_attention_heads": 4, "max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 0}  # fmt: skip
    gpt2 = {"vocab_size": 257, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 16, "bos_token_id": 0,
            "eos_token_id": 0}  # fmt: skip
    return {
        "llama": hugging.LlamaConfig(**llama, num_key_value_heads=2),
        "llama-heads": hugging.LlamaConfig(**llama, head_dim=12, tie_word_embeddings=True),
        "qwen3": hugging.Qwen3Config(**llama, num_key_value_heads=1, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
        "gpt2": hugging.GPT2Config(**gpt2),
        "gpt2-inner": hugging.GPT2Config(**gpt2, n_inner=44, tie_word_embeddings=False),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["llama", "llama-heads", "qwen3", "gpt2", "gpt2-inner"])
def test_an_imported_model_has_equal_logits(hugging: Any, tmp_path: Path, name: str) -> None:
    torch.manual_seed(3)
    theirs = hugging.AutoModelForCausalLM.from_config(configs(hugging)[name]).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.normal_(0.0, 0.3)
    theirs.save_pretrained(tmp_path / "hf")
    model = checkpoint.load(importing.import_model(tmp_path / "hf", tmp_path / "run")).model().eval()
    with torch.no_grad():
        assert torch.allclose(logits(model, TOKENS), theirs(TOKENS).logits, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        wanted = int(theirs(torch.tensor([[256, 5, 6]])).logits[0, -1].argmax())
    assert list(generation.generate(model, [5, 6], eos_id=256, tokens=1, temperature=0)) == [wanted]


@pytest.mark.parametrize("name", list(SHAPES))
def test_there_and_back_gives_equal_bits_without_transformers(name: str) -> None:
    model = stirred(**SHAPES[name])
    held = {name: p.detach() for name, p in model.named_parameters()}
    there = to_tensors(held, model.config)
    assert {name: tuple(t.shape) for name, t in there.items()} == shapes(model.config)
    back = from_tensors(there, model.config)
    assert back.keys() == held.keys() and all(torch.equal(back[name], held[name]) for name in held)
    stated = from_config(json.loads(json.dumps(to_config(model.config, 0))), "x")
    assert stated.model_dump(exclude={"initial"}) == model.config.model_dump(exclude={"initial"})


def test_the_exported_tokenizer_is_the_corpus_own(hugging: Any, data: Path, tmp_path: Path) -> None:
    exporting.export(stirred(vocab_size=320), data / "tokenizer.json", 0, tmp_path / "hf")
    theirs = hugging.AutoTokenizer.from_pretrained(tmp_path / "hf")
    ours = exporting.read_tokenizer(data / "tokenizer.json")
    ours.encode_special_tokens = True
    ids = theirs(TEXT, split_special_tokens=True)["input_ids"]
    assert ids == ours.encode(TEXT).ids and theirs.decode(ids) == TEXT
    assert (theirs.eos_token_id, theirs.bos_token_id, theirs.unk_token) == (0, 0, None)
    assert theirs.model_max_length == 16 and len(theirs) == 257
    assert hugging.AutoConfig.from_pretrained(tmp_path / "hf").vocab_size == 320, "padded"
    assert hugging.GenerationConfig.from_pretrained(tmp_path / "hf").eos_token_id == 0


@pytest.mark.parametrize("name", ["qwen3", "llama", "gpt2"])
def test_transformers_splits_text_as_the_tokenizer_says_whatever_the_model(
    hugging: Any, tmp_path: Path, name: str
) -> None:
    # transformers builds some models' tokenizers anew instead of reading how the file splits text.
    texts = ["It's 12345 o'clock, we've   been here.\n\n  Then: x+=1;", "日本語と", TEXT] * 3
    ours = train_tokenizer(texts, 340)
    save_tokenizer(ours, tmp_path / "tokenizer.json")
    exporting.export(stirred(vocab_size=340, **SHAPES[name]), tmp_path / "tokenizer.json", 0, tmp_path / "hf")
    theirs = hugging.AutoTokenizer.from_pretrained(tmp_path / "hf")
    for text in texts:
        assert theirs(text, split_special_tokens=True)["input_ids"] == ours.encode(text).ids
    importing.import_model(tmp_path / "hf", tmp_path / "run")


def test_the_unknown_token_is_named_where_there_is_one(tmp_path: Path) -> None:
    made = Tokenizer(models.WordLevel({"</s>": 0, "[UNK]": 1}, unk_token="[UNK]"))
    made.save(str(tmp_path / "tokenizer.json"))
    stated = exporting.tokenizer_config(tmp_path / "tokenizer.json", 0, 16)
    assert (stated["unk_token"], stated["eos_token"], stated["bos_token"]) == ("[UNK]", "</s>", "</s>")


def test_transformers_continues_a_prompt_as_generate_does(hugging: Any, data: Path, tmp_path: Path) -> None:
    model = stirred()
    exporting.export(model, data / "tokenizer.json", 0, tmp_path / "hf")
    theirs = hugging.AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    prompt = torch.tensor([[0, 5, 6, 7]])
    out = theirs.generate(prompt, max_new_tokens=10, do_sample=False)[0, 4:].tolist()
    ours = list(generation.generate(model, [5, 6, 7], eos_id=0, tokens=10, temperature=0))
    assert ours == [token for token in out if token != 0] and len(ours) > 2


def test_the_commands_train_export_import_and_generate(
    build: Build, tiny: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = build({"a": [40] * 8}, model=tiny)
    base = ["--data", str(data)]
    assert train_main([*base, "--threads", "1", "--max-epochs", "99", "--steps", "3"]) == 0
    assert exporting.main([*base, "--to", str(tmp_path / "hf")]) == 0
    assert "step-00000003 as qwen3" in capsys.readouterr().out
    assert not list(tmp_path.glob(".*")), "no temporary folder stays"
    assert exporting.main([*base, "--to", str(tmp_path / "hf")]) == 1
    assert "exists; choose another folder" in capsys.readouterr().err
    run = tmp_path / "run"
    assert importing.main(["--from", str(tmp_path / "hf"), "--out", str(run), *base]) == 0
    drawn = []
    for name in ("latest", str(run)):
        assert generation.main([*base, "--checkpoint", name, "--prompt", "the", "--tokens", "20"]) == 0
        drawn.append(capsys.readouterr().out.splitlines()[-1])
    assert drawn[0] == drawn[1]
    assert importing.main(["--from", str(tmp_path / "hf"), "--out", str(run)]) == 1
    assert "holds a run already" in capsys.readouterr().err
    assert train_main([*base, "--out", str(run), "--resume", "--threads", "1"]) == 1
    assert "was imported and has no optimizer state" in capsys.readouterr().err


def test_a_checkpoint_of_another_tokenizer_is_refused(
    build: Build, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exporting.export(stirred(), data / "tokenizer.json", 0, tmp_path / "hf")
    stated = json.loads((tmp_path / "hf" / "tokenizer.json").read_text())
    (tmp_path / "hf" / "tokenizer.json").write_text(json.dumps(stated, indent=1))  # the same, spelt otherwise
    path = importing.import_model(tmp_path / "hf", tmp_path / "run")
    assert checkpoint.load(path).facts["tokenizer"]["sha256"] != tokenizer_facts(data)["sha256"]
    assert generation.main(["--data", str(data), "--checkpoint", str(path)]) == 1
    assert "was trained with another tokenizer" in capsys.readouterr().err
    stated = json.loads((tmp_path / "hf" / "tokenizer.json").read_text())
    stated["model"]["vocab"] |= {"a": stated["model"]["vocab"]["b"], "b": stated["model"]["vocab"]["a"]}
    (tmp_path / "hf" / "tokenizer.json").write_text(json.dumps(stated))
    with pytest.raises(TokenFileError, match="is not the tokenizer of .* model differ"):
        importing.import_model(tmp_path / "hf", tmp_path / "other", data=data)
    (tmp_path / "hf" / "tokenizer.json").unlink()
    with pytest.raises(TokenFileError, match="tokenizer.json: missing"):
        importing.import_model(tmp_path / "hf", tmp_path / "other", data=data)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"causal": False}, "causal False"),
        ({"norm": "layer"}, "positions rotary, activation swiglu, bias False, qk_norm True"),
        ({"bias": True}, "bias True is not Llama"),
        ({**GPT2}, "kv_heads 2 of 4 heads"),
        ({**GPT2, "kv_heads": 4, "head_dim": 12}, "head_dim 12"),
        ({"qk_norm": False, "width": 36, "heads": 8}, "width 36 over heads 8"),
    ],
)
def test_shapes_without_counterpart_are_refused(
    data: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        exporting.export(stirred(**changes), data / "tokenizer.json", 0, tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_an_export_that_cannot_be_written_leaves_nothing(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TrainingError, match="cannot be written"):
        exporting.export(stirred(), data / "tokenizer.json", 0, tmp_path / "file" / "hf")
    (tmp_path / "broken").mkdir()
    with pytest.raises(TokenFileError, match="has no token 999"):
        exporting.export(stirred(), data / "tokenizer.json", 999, tmp_path / "hf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "file", "out"]


@pytest.fixture
def exported(data: Path, tmp_path: Path) -> Path:
    exporting.export(stirred(qk_norm=False), data / "tokenizer.json", 0, tmp_path / "hf")
    return tmp_path / "hf"


def restate(folder: Path, **changes: Any) -> None:
    stated = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(stated | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "mistral"}, "model_type is 'mistral'; only qwen3, llama, gpt2"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "architectures is"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_scaling is .* cannot be imported"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 2.0}}, "rope_parameters is"),
        ({"rope_parameters": {"rope_type": "default", "factor": 2.0}}, "rope_parameters is"),
        ({"rope_scaling": "big"}, "rope_scaling is 'big'"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5; only None or 1.0"),
        ({"attention_bias": True}, "attention_bias is True; only False"),
        ({"mlp_bias": True}, "mlp_bias is True"),
        ({"sliding_window": 64}, "sliding_window is 64"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "layer_types is"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'; only 'silu' or 'swish'"),
        ({"quantization_config": {"bits": 4}}, "quantization_config is .* not known here"),
        ({"logit_scale": 2.0}, "logit_scale is '2.0'; this key is not known"),
        ({"intermediate_size": 50}, "intermediate_size is 50; it must be a multiple of 16"),
        ({"head_dim": 7}, "head_dim is 7; it must be even"),
        ({"num_key_value_heads": 3}, "4 heads are no multiple of 3"),
        ({"hidden_size": None}, "lacks hidden_size"),
        ({"vocab_size": "many"}, "vocab_size is 'many'; it must be a whole number"),
        ({"rms_norm_eps": -1.0}, "rms_norm_eps is -1.0; it must be a number above 0"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings is 'no'"),
        ({"tie_word_embeddings": False}, "lm_head.weight is missing"),
        ({"vocab_size": 300}, r"model.embed_tokens.weight is \(257, 32\), config.json says \(300, 32\)"),
        ({"num_hidden_layers": 1}, "model.layers.1.* is not part of this model"),
        ({"num_hidden_layers": 3}, "model.layers.2.* is missing"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(
    exported: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    restate(exported, **changes)
    with pytest.raises(TrainingError, match=message):
        importing.import_model(exported, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
     ({"scale_attn_weights": False}, "scale_attn_weights is False"), ({"n_head": 5}, "n_embd 32 is no multiple"),
     ({"activation_function": "relu"}, "activation_function is 'relu'")],
)  # fmt: skip
def test_options_of_gpt2_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    stated = to_config(stirred(**SHAPES["gpt2"]).config, 0) | changes
    with pytest.raises(TrainingError, match=message):
        from_config(stated, "config.json")


def test_harmless_keys_and_older_ways_to_say_the_same_are_read(exported: Path, tmp_path: Path) -> None:
    restate(exported, rope_parameters=None, rope_scaling=None, rope_theta=5e5, torch_dtype="bfloat16", _name="x",
            pretraining_tp=2, quantization_config=None)  # fmt: skip
    model = checkpoint.load(importing.import_model(exported, tmp_path / "run")).model()
    assert model.config.rope_base == 5e5


def test_early_gpt2_files_without_prefix_and_with_buffers_are_read(data: Path, tmp_path: Path) -> None:
    model = stirred(**SHAPES["gpt2"])
    exporting.export(model, data / "tokenizer.json", 0, tmp_path / "hf")
    path = tmp_path / "hf" / "model.safetensors"
    bare = {name.removeprefix("transformer."): tensor for name, tensor in load_file(path).items()}
    save_file(bare | {"h.0.attn.bias": torch.ones(1, 1, 16, 16)}, path)
    back = checkpoint.load(importing.import_model(tmp_path / "hf", tmp_path / "run", window=8)).model()
    assert back.config.window == 8 and torch.equal(logits(back, TOKENS[:, :8]), logits(model, TOKENS[:, :8]))
    with pytest.raises(TrainingError, match="window 17 must be between 2 and the model's 16"):
        importing.import_model(tmp_path / "hf", tmp_path / "other", window=17)


def test_half_precision_becomes_float32_and_other_types_are_refused(exported: Path, tmp_path: Path) -> None:
    path = exported / "model.safetensors"
    stored = load_file(path)
    save_file({name: tensor.bfloat16() for name, tensor in stored.items()}, path)
    model = checkpoint.load(importing.import_model(exported, tmp_path / "run")).model()
    assert torch.equal(model.embedding.weight, stored["model.embed_tokens.weight"].bfloat16().float())
    save_file({name: tensor.to(torch.int8) for name, tensor in stored.items()}, path)
    with pytest.raises(TrainingError, match="quantised weights cannot be imported"):
        importing.import_model(exported, tmp_path / "other")


def test_a_head_that_contradicts_the_tie_is_refused(exported: Path, tmp_path: Path) -> None:
    path = exported / "model.safetensors"
    stored = load_file(path)
    head = stored["model.embed_tokens.weight"].clone()
    save_file(stored | {"lm_head.weight": head}, path)
    importing.import_model(exported, tmp_path / "run")
    save_file(stored | {"lm_head.weight": head + 1}, path)
    with pytest.raises(TrainingError, match="lm_head.weight differs from the embedding"):
        importing.import_model(exported, tmp_path / "other")


def test_pickles_damage_and_odd_indexes_are_refused(exported: Path, tmp_path: Path) -> None:
    path = exported / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingError, match="cannot be read as safetensors"):
        importing.import_model(exported, tmp_path / "run")
    path.unlink()
    with pytest.raises(TrainingError, match="neither model.safetensors nor"):
        importing.import_model(exported, tmp_path / "run")
    (exported / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(TrainingError, match="pytorch_model.bin: is a pickle, and loading it could run code"):
        importing.import_model(exported, tmp_path / "run")
    index = exported / "model.safetensors.index.json"
    for names in ({"a": "../model.safetensors"}, {"a": "pytorch_model.bin"}, {}, None):
        index.write_text(json.dumps({"weight_map": names}))
        with pytest.raises(TrainingError, match="weight_map names"):
            importing.import_model(exported, tmp_path / "run")
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors"}}))
    with pytest.raises(TrainingError, match="model-1.safetensors: cannot be read"):
        importing.import_model(exported, tmp_path / "run")
    (exported / "config.json").write_text("[]")
    with pytest.raises(TrainingError, match="holds no JSON object"):
        importing.import_model(exported, tmp_path / "run")
    with pytest.raises(TrainingError, match="config.json: missing; give the folder"):
        importing.import_model(tmp_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()
