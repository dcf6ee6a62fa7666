"""Planted copies: exact Jaccard by the slow reference, recall beside the curve, the same rows every time."""

from __future__ import annotations

import math
import random

import pyarrow as pa
import pytest

from pile_curate.dedup import DedupSettings, lsh, planted
from tests import reference

SETTINGS = DedupSettings()
KEYS = ["low", "high", "pairs", "mean_jaccard", "found", "recall", "expected"]


def sample(count: int, length: int, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    vocabulary = [f"w{rng.getrandbits(20):x}" for _ in range(3000)]
    return [" ".join(rng.choices(vocabulary, k=length)) for _ in range(count)]


def test_recall_follows_the_curve_bin_by_bin() -> None:
    rows = planted.plant(pa.array(sample(30, 300)), SETTINGS)
    assert [list(row) for row in rows] == [KEYS] * 7
    assert [(row["low"], row["high"]) for row in rows] == [
        (0.65, 0.7), (0.7, 0.75), (0.75, 0.8), (0.8, 0.85), (0.85, 0.9), (0.9, 0.95), (0.95, 1.0),
    ]  # fmt: skip
    assert sum(row["pairs"] for row in rows) > 0.95 * 30 * 6 * 8
    for row in rows[1:]:
        assert row["pairs"] > 100
        assert row["low"] <= row["mean_jaccard"] <= row["high"]
        assert row["recall"] == pytest.approx(row["found"] / row["pairs"], abs=1e-6)
        p = row["expected"]
        # pairs of one text share a signature: allow as much scatter as a third of the pairs would have alone
        assert abs(row["recall"] - p) < 5 * math.sqrt(p * (1 - p) / (row["pairs"] / 3)) + 0.002


def test_jaccard_candidates_and_promise_of_a_pair_are_those_of_their_definitions() -> None:
    rng = random.Random(5)
    settings = DedupSettings(threshold=0.6, ngram=3, permutations=32, bands=8, rows=4, seed=9)
    for text in sample(6, 60) + ["東京は雨 und es regnet in Straßburg " * 4]:
        original = reference.words_of(text)
        changed = [planted._changed(original, level, 3, original, rng) for level in (0.6, 0.8, 0.95)]
        texts = [" ".join(original), *changed, "too short"]
        compared = list(planted._compared(texts, settings))
        assert len(compared) == 3
        first = reference.shingles(texts[0], 3, 9)
        signature = reference.signature(first, 32)
        for copy, (shared, union, found) in zip(changed, compared, strict=True):
            other = reference.shingles(copy, 3, 9)
            assert (shared, union) == (len(first & other), len(first | other))
            values = reference.signature(other, 32)
            bands = any(values[4 * b : 4 * b + 4] == signature[4 * b : 4 * b + 4] for b in range(8))
            agree = sum(x == y for x, y in zip(values, signature, strict=True))
            assert found == (bands and agree >= settings.agreement)


def test_expected_is_the_mean_of_the_promise_at_each_pairs_jaccard() -> None:
    one = planted.plant(pa.array(sample(1, 200)), SETTINGS, levels=[0.8], copies=1)
    (row,) = [row for row in one if row["pairs"]]
    assert row["pairs"] == 1 and row["recall"] == row["found"]
    assert row["expected"] == pytest.approx(
        lsh.candidate_probability(row["mean_jaccard"], 18, 7, 83, 126), abs=1e-4
    )


def test_levels_are_reached() -> None:
    for level in planted.LEVELS:
        rows = planted.plant(pa.array(sample(6, 400)), SETTINGS, levels=[level])
        mean = sum(row["mean_jaccard"] * row["pairs"] for row in rows if row["pairs"]) / sum(
            r["pairs"] for r in rows
        )
        assert mean == pytest.approx(level, abs=0.025)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()])
def test_the_same_rows_every_time_for_every_type_and_slice(kind: pa.DataType) -> None:
    texts = sample(4, 80)
    expected = planted.plant(pa.array(texts), SETTINGS, copies=2, seed=3)
    column = pa.array([None, "a b c", *texts, "", None], kind)
    assert planted.plant(column, SETTINGS, copies=2, seed=3) == expected
    assert planted.plant(column.slice(2, 4), SETTINGS, copies=2, seed=3) == expected
    assert planted.plant(column, SETTINGS, copies=2, seed=4) != expected


def test_short_null_and_no_texts_give_empty_rows() -> None:
    empty = {"pairs": 0, "mean_jaccard": None, "found": 0, "recall": None, "expected": None}
    for texts in ([], [None], ["", "a " * 14]):
        rows = planted.plant(pa.array(texts, pa.string()), SETTINGS)
        assert [{name: row[name] for name in KEYS[2:]} for row in rows] == [empty] * 7
    assert sum(row["pairs"] for row in planted.plant(pa.array(sample(1, 15)), SETTINGS)) > 0


def test_a_long_text_costs_its_first_words() -> None:
    text = sample(1, planted.MAX_WORDS + 1)[0]
    cut = " ".join(text.split()[: planted.MAX_WORDS])
    rows = planted.plant(pa.array([text]), SETTINGS, levels=[0.8], copies=1)
    assert rows == planted.plant(pa.array([cut]), SETTINGS, levels=[0.8], copies=1)
    endless = ("x" * 300_000 + " y" * 5_000_000).encode()
    assert sum(row["pairs"] for row in planted.plant(pa.array([endless]), SETTINGS)) == 0


def test_words_of_invalid_utf8_and_all_alike() -> None:
    rows = planted.plant(pa.array([b"\xff one \xc3 two" * 40, b"same " * 100]), SETTINGS, copies=1)
    assert sum(row["pairs"] for row in rows) <= 12


def test_merge_adds_counts_and_weighs_means() -> None:
    first, second = (planted.plant(pa.array(sample(3, 120, seed)), SETTINGS, copies=3) for seed in (1, 2))
    both = planted.merge([first, second])
    assert both == planted.merge([second, planted.merge([]), first])
    for row, a, b in zip(both, first, second, strict=True):
        n = a["pairs"] + b["pairs"]
        assert (row["pairs"], row["found"]) == (n, a["found"] + b["found"])
        for name in ("mean_jaccard", "recall", "expected"):
            weighed = (a[name] or 0) * a["pairs"] + (b[name] or 0) * b["pairs"]
            assert row[name] == (pytest.approx(weighed / n, abs=2e-6) if n else None)
    assert planted.merge([first]) == first


def test_refusals() -> None:
    with pytest.raises(ValueError, match="level is 1.5; allowed: above 0, up to 1"):
        planted.plant(pa.array(["a"]), SETTINGS, levels=[0.8, 1.5])
    with pytest.raises(ValueError, match="begins at 0.2"):
        planted.merge([[{"low": 0.2, "pairs": 1}]])


@pytest.mark.parametrize("verify", ["exact", "estimate", "none"])
def test_found_and_expected_follow_the_kind_of_verification(verify: str) -> None:
    settings = DedupSettings(verify=verify)
    rows = planted.plant(pa.array(sample(20, 200)), settings, levels=[0.75], copies=4)
    row = rows[2]
    promise = lsh.candidate_probability(row["mean_jaccard"], 18, 7, settings.agreement, 126)
    assert row["expected"] == pytest.approx(promise, abs=0.03)
    assert row["recall"] == pytest.approx(row["expected"], abs=0.25)
