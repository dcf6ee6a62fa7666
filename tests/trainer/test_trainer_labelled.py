"""Show that labelled rows are read, cut and counted rightly, and that a bad one is named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from pile_curate.errors import InputError
from pile_curate.shards.tokenizer import LoadedTokenizer
from tests.trainer.conftest import EOS, byte_tokenizer
from trainer.tune.rows import Row, encode, first_tokens, is_bio, read_rows, split_rows
from trainer.tune.scores import classes, entities, majority, spans


@pytest.fixture
def known() -> LoadedTokenizer:
    """Return a tokenizer whose tokens are bytes."""
    tokenizer = byte_tokenizer()
    return LoadedTokenizer(tokenizer, "", tokenizer.get_vocab_size(), EOS)


def test_figures_equal_those_computed_by_hand() -> None:
    truth = ["a", "a", "a", "b", "b", "c"]
    found = classes(truth, ["a", "a", "b", "b", "c", "a"])
    # a: 2 of 3 found, 2 of 3 right; b: 1 of 2, 1 of 2; c: none.
    assert found["accuracy"] == 0.5
    assert [round(found["classes"][name]["f1"], 4) for name in "abc"] == [0.6667, 0.5, 0.0]
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    base = majority([("a",), ("b",), ("b",)], [("a",), ("a",), ("b",), ("c",)], bio=False)
    assert base["label"] == "b" and base["accuracy"] == 0.25
    assert base["macro_f1"] == pytest.approx((2 * 1 / (4 + 1)) / 3)  # F1 of b is 2/5, of a and c 0


def test_spans_are_those_of_conlleval() -> None:
    assert spans(["B-A", "I-A", "O", "B-A", "B-A"]) == {("A", 0, 2), ("A", 3, 4), ("A", 4, 5)}
    assert spans(["O", "I-A", "I-B", "I-B"]) == {("A", 1, 2), ("B", 2, 4)}  # as predictions may be
    truth = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O"]]
    guess = [["B-PER", "O", "O", "B-LOC"], ["B-PER", "O"]]
    found = entities(truth, guess)  # right: one LOC of three spans told and three guessed
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert found["types"]["LOC"] == {
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
        "support": 2,
    }
    assert found["types"]["PER"]["f1"] == 0


@pytest.mark.parametrize("causal", [True, False])
def test_no_label_is_lost_when_a_sentence_is_split(known: LoadedTokenizer, causal: bool) -> None:
    words = ("ab", "日本", "c", "a-very-long-word-indeed", "😀", "d", "ef")
    row = Row("x:1", 1, " ".join(words), words=words, labels=("O", "X") * 3 + ("O",))
    examples, split = encode([row], "tag", known, {"O": 0, "X": 1}, causal=causal, limit=8)
    assert split == 1 and all(len(e.tokens) <= 8 for e in examples)
    assert np.concatenate([e.targets for e in examples]).tolist() == [0, 1, 0, 1, 0, 1, 0]
    for example in examples:
        assert (example.tokens[0] if causal else example.tokens[-1]) == known.eos_id
    firsts = np.concatenate([e.tokens[e.at] for e in examples]).tolist()
    spelt = known.tokenizer.encode
    at = [spelt(" ".join(words[:i]) + " " * (i > 0)).ids for i in range(len(words))]
    whole = spelt(row.text).ids
    # The tokenizer is of bytes: a word's first token is the one after those of all that precedes it.
    assert firsts == [whole[len(before)] for before in at]
    assert first_tokens(["of", "the"], [4, 6]).tolist() == [0, 0]  # one token spells both


@pytest.mark.parametrize(
    ("prompt", "text"), [("p" * 5, "t" * 4), ("p" * 30, "abcdefgh"), ("", "abcdefgh" * 5)]
)
def test_every_completion_token_is_a_target_once(known: LoadedTokenizer, prompt: str, text: str) -> None:
    examples, _ = encode([Row("x:1", 1, text, prompt=prompt)], "causal", known, {}, causal=True, limit=16)
    targets = np.concatenate([e.targets for e in examples])
    assert known.decode(targets) == text and targets[-1] == known.eos_id
    whole = [known.eos_id, *known.encode(prompt + text).tolist(), known.eos_id]
    for example in examples:
        assert len(example.tokens) <= 16
        width = len(example.tokens)
        ends = [i for i in range(len(whole) - width) if whole[i : i + width] == example.tokens.tolist()]
        assert ends and all(
            t == example.tokens[a + 1] for a, t in zip(example.at, example.targets) if a + 1 < width
        )


def test_a_hash_splits_rows_so_that_copies_fall_on_one_side() -> None:
    rows = [Row("x", i, f"text {i % 50}", labels=("a",)) for i in range(200)]
    train, held = split_rows(rows, 0.3, seed=1)
    assert not {r.key for r in train} & {r.key for r in held} and len(train) + len(held) == 200
    assert 0.15 < len(held) / 200 < 0.45
    again, _ = split_rows(rows[::-1], 0.3, seed=1)
    assert {r.line for r in again} == {r.line for r in train}  # order changes nothing
    with pytest.raises(InputError, match="leaves 200 to train on and 0 to validate on"):
        split_rows(rows, 0.0, seed=1)


GOOD = {
    "classify": {"text": "a", "label": "x"},
    "tag": {"tokens": ["a"], "tags": ["x"]},
    "causal": {"prompt": "a", "completion": "b"},
}


@pytest.mark.parametrize(
    ("task", "line", "message"),
    [
        ("classify", '{"text": "a"', "give one JSON object a line"),
        ("classify", "[1]", "not an object"),
        ("classify", '{"text": "a"}', "the key 'label' is missing; it has text"),
        ("classify", '{"label": "a"}', "the key 'text' is missing"),
        ("classify", '{"text": 3, "label": "a"}', "the key 'text' is 3; give a string"),
        ("classify", '{"text": " ", "label": "a"}', "'text' is empty"),
        ("classify", '{"text": "a", "label": null}', "the key 'label' is None"),
        ("classify", '{"text": "\\ud800", "label": "a"}', "half a surrogate pair"),
        ("tag", '{"tokens": ["a", "b"], "tags": ["O"]}', "2 tokens but 1 tags"),
        ("tag", '{"tokens": [], "tags": []}', "'tokens' is empty"),
        ("tag", '{"tokens": ["a", ""], "tags": ["O", "O"]}', "'tokens' is empty"),
        ("tag", '{"tokens": ["a"]}', "the key 'tags' is missing"),
        ("causal", '{"prompt": "a"}', "the key 'completion' is missing"),
        ("causal", '{"prompt": "a", "completion": ""}', "'completion' is empty"),
        ("causal", '{"words": "a"}', "the key 'text' is missing"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path: Path, task: str, line: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(GOOD[task]) + "\n\n" + line + "\n")
    with pytest.raises(InputError, match=f"rows.jsonl:3: .*{message}"):
        read_rows(path, task)


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown kind of file; allowed are .jsonl, .jsonl.gz, .jsonl.zst"):
        read_rows(tmp_path / "rows.csv", "classify")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_rows(tmp_path / "none.jsonl", "classify")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(InputError, match="holds no rows"):
        read_rows(tmp_path / "empty.jsonl", "classify")
    whole = gzip.compress("".join(f'{{"text": "{i}", "label": "a"}}\n' for i in range(500)).encode())
    (tmp_path / "rows.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged after line"):
        read_rows(tmp_path / "rows.jsonl.gz", "classify")


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (["O", "I-A"], "I-A follows O; a span starts with B-A"), (["B-A", "I-B"], "I-B follows B-A"),
        (["I-A", "B-A"], "I-A follows O"), (["B-", "O"], "names no type"), (["B-A", "NOUN"], "'NOUN' among BIO"),
    ],
)  # fmt: skip
def test_invalid_bio_is_named(tags: list[str], message: str) -> None:
    good = Row("x:1", 1, "a b", words=("a", "b"), labels=("B-A", "I-A"))
    assert is_bio([good]) and not is_bio([Row("x:1", 1, "a b", words=("a", "b"), labels=("NOUN", "O"))])
    with pytest.raises(InputError, match=f"x:2: .*{message}"):
        is_bio([good, Row("x:2", 2, "a b", words=("a", "b"), labels=tuple(tags))])
