"""The summary's text: every fact is shown, none is needed, and nothing from the corpus steers a terminal."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.dedup import summary as module
from pile_curate.dedup.summary import excerpt, render, size_bins

FULL: dict[str, Any] = {
    "version": "0.9",
    "settings": {"threshold": 0.8, "ngram": 5, "permutations": 126, "bands": 18, "rows": 7, "minimum_agreement": 83,
                 "cap": 1000, "scope": "global", "keep": "longest", "seed": 1, "verify": "exact", "priorities": {"a": 1}},
    "verified": True, "engine": "local", "engine_reason": "65 MB are less than 600 MB",
    "documents": 20000, "null_texts": 3, "rejects": {"invalid_json": 2, "null_id": 5},
    "kept": 15000, "kept_bytes": 49_000_000, "bytes": 65_000_000,
    "duplicates": {"total": 5000, "exact": 1010, "near": 3890, "url": 100, "cross_split": 4},
    "pairs": {"examined": 12345, "refused": 345},
    "cluster_sizes": {"1": 9000, "2": 512, "3": 20, "4": 9, "300": 1},
    "largest_clusters": [{"kept_id": "doc-1", "source": "web", "size": 300, "excerpt": "Hello\n\tworld", "copy_id": "doc-7",
                          "copy_excerpt": "Hello, world"}],
    "planted": [{"low": 0.8, "high": 0.85, "pairs": 254, "mean_jaccard": 0.821, "found": 252, "recall": 0.9921,
                 "expected": 0.9933},
                {"low": 0.95, "high": 1.0, "pairs": 0, "mean_jaccard": None, "found": 0, "recall": None, "expected": None}],
    "curve": [[0.5, 0.1317, 0.0002], [0.8, 0.9855, 0.9855]],
    "seconds": {"session": 0.0, "measure": 1.25, "find": 0.5, "total": 2.5},
    "components": {"count": 3000, "largest": 401}, "edges": 123456,
    "output": {"files": 4, "rows": 15001, "digest": "ab12cd"}, "against": {"path": "older", "documents": 777},
}  # fmt: skip


def test_every_fact_is_shown() -> None:
    text = render(FULL)
    for shown in (
        "version 0.9", "threshold 0.8", "bands 18", "cap 1,000", "keep longest", "verify exact", "seed 1",
        "local, 65 MB are less than 600 MB", "20,000, 65 MB, 3 of null text, 7 rows rejected",
        "2 invalid_json, 5 null_id", "5,000 (25.00%)", "1,010 exact, 3,890 near, 100 url", "4 of a kept one in another",
        "15,000 (75.00%), 49 MB", "12,345 examined, 345 refused by verification (2.79%)", "123,456", "count 3,000",
        "path older, documents 777", "4 files, 15,001 rows, digest ab12cd", "3-4    29", "257-512     1",
        "300 documents, web", "kept doc-1 Hello world", "copy doc-7 Hello, world", "measure 1.2", "total 2.5",
        "26.0 MB of text a second",
    ):  # fmt: skip
        assert shown in text, shown
    assert "UNVERIFIED" not in text
    assert all(line == line.rstrip() and line.isprintable() and len(line) <= 110 for line in text.split("\n"))
    assert render(json.loads(json.dumps(FULL))) == text


def test_planted_recall_stands_beside_the_curve() -> None:
    rows = [line.split() for line in render(FULL).split("\n")]
    assert ["0.50", "13.17%", "0.02%"] in rows
    assert ["0.80", "98.55%", "98.55%", "|", "254", "0.821", "252", "99.21%", "99.33%"] in rows
    assert ["0.95", "|", "0"] in rows


@pytest.mark.parametrize(
    "change",
    [
        {"verified": False},
        {"settings": {"verify": "estimate"}},
        {"settings": {"verify": "none"}, "verified": None},
    ],
)
def test_unverified_stands_on_its_own_line(change: dict[str, Any]) -> None:
    assert render({**FULL, **change}).split("\n")[1] == "UNVERIFIED"
    assert "UNVERIFIED" in render(change).split("\n")


def paths(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [found for key, value in items for found in [(*path, key), *paths(value, (*path, key))]]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(paths(FULL)), max_size=12), st.booleans())
def test_any_facts_may_be_missing_or_null(gone: list[tuple[Any, ...]], null: bool) -> None:
    summary = copy.deepcopy(FULL)
    for path in gone:
        holder: Any = summary
        try:
            for key in path[:-1]:
                holder = holder[key]
            if null or isinstance(holder, list):
                holder[path[-1]] = None
            else:
                del holder[path[-1]]
        except (KeyError, TypeError):
            continue  # it lay in what is gone
    assert render(summary).startswith("Near-duplicate removal")


def test_nothing_at_all() -> None:
    assert render({}) == "Near-duplicate removal"
    assert "documents        0, 0 bytes" in render({"documents": 0, "bytes": 0, "seconds": {"total": 0.0}})


def test_excerpts_are_short_flat_and_harmless() -> None:
    assert excerpt("a \n\t b\u00a0c") == "a b c"
    assert len(excerpt("word " * 1_000_000)) == 80
    assert excerpt(b"caf\xc3\xa9 \xff") == "café �"
    assert excerpt("\x1b]0;title\x07 \u202e\x9b") == "�]0;title� ��"
    hostile = copy.deepcopy(FULL)
    hostile["largest_clusters"][0].update(
        kept_id="\x1b[2J", source="\x07\n", excerpt="\x1b[31m", size="\x1b", copy_id="a\nb"
    )
    hostile["rejects"] = {"\x1b": 1}
    assert all(line.isprintable() for line in render(hostile).split("\n"))


@given(st.dictionaries(st.integers(1, 5000), st.integers(1, 9)))
def test_bins_hold_each_cluster_once(sizes: dict[int, int]) -> None:
    bins = size_bins({str(size): count for size, count in sizes.items()})
    assert bins == size_bins(sizes)
    for name, count in bins:
        low, high = int(name.split("-")[0]), int(name.split("-")[-1])
        assert (low, high) in ((1, 1), (2, 2)) or high == 2 * (low - 1)
        assert count == sum(n for size, n in sizes.items() if low <= size <= high)
    assert sum(count for _, count in bins) == sum(sizes.values())


def test_sizes_that_are_none_are_passed_over() -> None:
    assert size_bins({"x": 1, "0": 2, "-3": 4, "1": None, "2": 1}) == [("2", 1)]
    assert module.EXCERPT == 80
