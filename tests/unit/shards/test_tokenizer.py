"""The tokenizer: deterministic, lossless, deaf to forged end-of-text marks; shards become token parts exactly."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.errors import DatasetDamaged, ModelError
from pile_curate.shards.text import Kept, TextShards
from pile_curate.shards.tokenizer import (
    EOS,
    encode_texts,
    load_tokenizer,
    save_tokenizer,
    tokenize_shard,
    train_tokenizer,
    windows,
)
from pile_curate.shards.tokens import TokenPart

HERE = Path(__file__).resolve().parent
SENTENCE = "the corpus of a pile is read by many small models that learn what was written before"
WORDS = SENTENCE.split()
TEXTS = [" ".join(WORDS[(n * k) % len(WORDS)] for k in range(1, 40)) + f"\n{n}\n" for n in range(60)]
TEXTS += [
    "def f(x):\n    return x + 1\n",
    "Gr\u00fc\u00dfe aus K\u00f6ln, \u6f22\u5b57 \u0939\u093f\u0928\u094d\u0926\u0940",
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    save_tokenizer(train_tokenizer(TEXTS, 300), path)
    return path


def test_training_gives_the_same_bytes_in_any_order_and_thread_count(tmp_path) -> None:
    code = (
        f"import sys, hashlib; sys.path[:0] = [{str(HERE)!r}, {str(HERE.parents[2])!r}];"
        "from test_tokenizer import TEXTS; from pile_curate.shards.tokenizer import train_tokenizer;"
        "print(hashlib.sha256(train_tokenizer(TEXTS, 300).to_str().encode()).hexdigest())"
    )
    here = train_tokenizer(reversed(TEXTS), 300).to_str().encode()
    found = {hashlib.sha256(here).hexdigest()}
    for parallel, seed in (("true", "1"), ("false", "2")):
        env = {**os.environ, "TOKENIZERS_PARALLELISM": parallel, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        found.add(run.stdout.strip())
    assert len(found) == 1


def test_vocabulary_and_end_of_text(saved) -> None:
    loaded = load_tokenizer(saved)
    assert loaded.eos_id == 0 and loaded.vocab_size == 300
    assert loaded.tokenizer.id_to_token(0) == EOS
    assert len(loaded.encode(TEXTS[0])) < len(TEXTS[0]) / 3, "it has learnt something"


def test_a_document_cannot_end_itself(saved) -> None:
    loaded = load_tokenizer(saved)
    forged = f"before {EOS} after"
    tokens = loaded.encode(forged)
    assert loaded.eos_id not in tokens and loaded.decode(tokens) == forged


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80))
def test_any_text_comes_back(saved, text) -> None:
    loaded = load_tokenizer(saved)
    tokens = loaded.encode(text)
    assert loaded.decode(tokens) == text
    assert loaded.decode(np.append(tokens, loaded.eos_id)) == text


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=" \n\r\ta1.\u00e9\u0301\u3000", max_size=60), st.integers(1, 20))
def test_windows_lose_nothing_and_change_no_token(saved, text, limit) -> None:
    pieces = windows(text, limit)
    assert "".join(pieces) == text
    assert all(0 < len(p) <= limit for p in pieces) or not text
    if all(p.endswith("\n") for p in pieces[:-1]) and "\r" not in text:
        tokenizer = load_tokenizer(saved).tokenizer
        cut = np.concatenate(encode_texts(tokenizer, pieces))
        soft = all(after[:1] not in "\n" for after in pieces[1:])
        if soft and all(p.strip() for p in pieces):
            assert np.array_equal(cut, encode_texts(tokenizer, [text])[0])


def test_an_unbroken_run_does_not_stall_training() -> None:
    assert train_tokenizer(["ab" * 200_000, *TEXTS], 290).get_vocab_size() == 290


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(ModelError, match="need 257"):
        train_tokenizer(TEXTS, 256)


def test_loading_says_what_is_wrong(saved, tmp_path) -> None:
    sha256 = hashlib.sha256(saved.read_bytes()).hexdigest()
    assert load_tokenizer(saved, sha256.upper()).sha256 == sha256
    with pytest.raises(ModelError, match="the recipe asks for 00"):
        load_tokenizer(saved, "00")
    with pytest.raises(ModelError, match="cannot read"):
        load_tokenizer(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ModelError, match="not a tokenizer"):
        load_tokenizer(tmp_path / "bad.json")
    (tmp_path / "odd.json").write_text(saved.read_text().replace(EOS, "<|other|>"))
    with pytest.raises(ModelError, match="no end-of-text token"):
        load_tokenizer(tmp_path / "odd.json")


def test_a_changed_file_is_read_again(saved, tmp_path) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(saved.read_bytes())
    assert load_tokenizer(path).eos_id == 0
    path.write_text("{}")
    with pytest.raises(ModelError):
        load_tokenizer(path)


def test_a_shard_becomes_a_part_that_decodes_to_its_texts(saved, attempt, make, write_documents) -> None:
    rows = [
        make("wiki", f"w{n}", text) for n, text in enumerate([*TEXTS[:5], f"x {EOS} y", "", "\U0001f600"])
    ]
    shards = TextShards(str(attempt), str(attempt.parent.parent), "00000")
    shards.add_file(write_documents(rows), Kept(range(len(rows))))
    (shard,) = [e for e in shards.close() if e.facts["format"] == "parquet"]
    out = attempt.parent.parent.parent / "tokens"
    prefix = out / "attempts" / "t1" / "train" / "wiki" / "00000"
    loaded = load_tokenizer(saved)
    entries = tokenize_shard(
        attempt.parent.parent / shard.path,
        prefix,
        loaded,
        root=out,
        source="wiki",
        split="train",
        facts={"of": shard.path},
    )
    part = TokenPart(prefix)
    assert [loaded.decode(tokens) for tokens in part] == [row["text"] for row in rows]
    assert all(tokens[-1] == loaded.eos_id for tokens in part)
    assert part.doc_ids == [row["doc_id"] for row in rows] and part.source == "wiki"
    assert list(part.text_bytes) == [len(row["text"].encode()) for row in rows]
    assert [e.table for e in entries] == ["bin", "idx", "docs"]
    for entry in entries:
        raw = (out / entry.path).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
        assert entry.facts["prefix"] == "attempts/t1/train/wiki/00000" and entry.facts["of"] == shard.path
        assert entry.facts["tokens"] == part.tokens_total and entry.facts["documents"] == len(rows)
        assert bool(entry.digest) == (entry.table == "docs")


def test_a_shard_without_ids_is_damage(saved, attempt) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pile_curate.schema import SHARD

    pq.write_table(pa.Table.from_pylist([{"text": "a", "meta": None}], schema=SHARD), attempt / "s.parquet")
    with pytest.raises(DatasetDamaged, match="without text or doc_id"):
        tokenize_shard(
            attempt / "s.parquet",
            attempt / "p",
            load_tokenizer(saved),
            root=attempt,
            source="s",
            split="train",
        )
    assert not list(attempt.glob("p.*"))
