"""Materialize: the right copies, one global order, whatever the cut of the shards."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pile_curate.errors import DatasetDamaged, MixtureError
from pile_curate.hashing import add_digests
from pile_curate.shards.jsonl import read_jsonl
from pile_curate.shards.materialize import (
    MAX_BUCKETS,
    bucket_count,
    bucket_of,
    copies_of,
    copy_key,
    epochs_of,
    gather,
    materialize,
    scatter,
)
from pile_curate.shards.text import Kept, TextShards

EPOCHS = {"wiki": 2.5, "books": 1.0}
SEED = 7


@pytest.fixture
def rows(make):
    return [make("wiki", f"w{n}", f"wiki {n} " * 5) for n in range(40)] + [
        make("books", f"b{n}", f"book {n} " * 9) for n in range(20)
    ]


@pytest.fixture
def cut(attempt, write_documents):
    def shards(rows, name: str, max_bytes: int) -> list[str]:
        made = TextShards(str(attempt), str(attempt.parent.parent), name, max_bytes=max_bytes)
        made.add_file(write_documents(rows, f"{name}.parquet"), Kept(range(len(rows))))
        root = attempt.parent.parent
        return [str(root / e.path) for e in made.close() if e.facts["format"] == "parquet"]

    return shards


def export(tmp_path: Path, shards: list[str], name: str, **options):
    work = tmp_path / f"work-{name}"
    out = tmp_path / name / "attempts" / "a"
    options = {"epochs": EPOCHS, "seed": SEED, "buckets": 5, **options}
    entries = materialize(shards, str(out), str(tmp_path / name), str(work), **options)
    assert [p for p in work.rglob("*") if p.is_file()] == [], "bucket files are gone"
    return tmp_path / name, entries


def test_order_and_copies_whatever_the_cut(tmp_path, rows, cut) -> None:
    seen = []
    for name, given_rows, size in (
        ("a", rows, 10**6),
        ("b", rows[::-1], 100),
        ("c", rows[30:] + rows[:30], 999),
    ):
        root, entries = export(tmp_path, cut(given_rows, f"s{name}", size), name)
        seen.append([row for e in entries for row in read_jsonl(str(root / e.path))])
    assert seen[0] == seen[1] == seen[2]
    expected = Counter()
    keys = []
    for row in rows:
        count = copies_of(EPOCHS[row["source"]], SEED, row["source"], row["doc_id"])
        expected[row["text"]] = count
        keys += [(copy_key(SEED, row["source"], row["doc_id"], copy), row["text"]) for copy in range(count)]
    assert Counter(row["text"] for row in seen[0]) == expected
    assert [text for _, text in sorted(keys)] == [row["text"] for row in seen[0]]
    assert {expected[r["text"]] for r in rows if r["source"] == "wiki"} == {2, 3}
    assert {expected[r["text"]] for r in rows if r["source"] == "books"} == {1}


def test_it_is_shuffled_globally(tmp_path, rows, cut) -> None:
    root, entries = export(tmp_path, cut(rows, "s", 10**6), "m")
    sources = [row["meta"]["source"] for e in entries for row in read_jsonl(str(root / e.path))]
    changes = sum(a != b for a, b in pairwise(sources))
    assert changes > 15, "two blocks would change once"


def test_both_formats_and_digests(tmp_path, rows, cut) -> None:
    shards = cut(rows, "s", 10**6)
    root, entries = export(tmp_path, shards, "m", formats=("jsonl.zst", "parquet"))
    table = [row for e in entries if e.digest for row in pq.read_table(root / e.path).to_pylist()]
    lines = [row for e in entries if not e.digest for row in read_jsonl(str(root / e.path))]
    assert table == lines and len(table) == sum(e.rows for e in entries if e.digest)
    _, other = export(tmp_path, shards, "n", formats=("parquet",), buckets=1)
    assert add_digests(int(e.digest, 16) for e in other) == add_digests(
        int(e.digest, 16) for e in entries if e.digest
    ), "the number of output files is no part of the result"
    assert sum(e.facts["text_bytes"] for e in other) == sum(len(r["text"].encode()) for r in table)
    assert other[0].facts["sources"] == dict(sorted(Counter(r["meta"]["source"] for r in table).items()))


def test_small_buffers_change_nothing(tmp_path, rows, cut) -> None:
    (shard,) = cut(rows[:40], "s", 10**6)
    options = {"epochs": EPOCHS, "seed": SEED, "buckets": 3}
    one = scatter(shard, str(tmp_path / "w1"), "x", **options)
    two = scatter(shard, str(tmp_path / "w2"), "x", buffer_bytes=1, **options)
    assert [(b.bucket, b.rows, b.text_bytes) for b in one] == [(b.bucket, b.rows, b.text_bytes) for b in two]


def test_whole_epochs_zero_epochs_and_fractions() -> None:
    ids = [bytes([n % 256, n // 256]) * 8 for n in range(4000)]
    assert {copies_of(3.0, 1, "s", d) for d in ids} == {3}
    assert {copies_of(0.0, 1, "s", d) for d in ids} == {0}
    mean = sum(copies_of(0.3, 1, "s", d) for d in ids) / len(ids)
    assert abs(mean - 0.3) < 0.03


@given(st.integers(0, 2**64 - 1), st.integers(1, MAX_BUCKETS))
def test_buckets_are_ranges_in_order(key, buckets) -> None:
    assert 0 <= bucket_of(key, buckets) < buckets
    assert bucket_of(0, buckets) == 0 and bucket_of(2**64 - 1, buckets) == buckets - 1
    assert bucket_of(key, buckets) <= bucket_of(min(key + 2**50, 2**64 - 1), buckets)


@pytest.mark.parametrize(("size", "count"), [(0, 1), (100, 1), (101, 2), (10**9, MAX_BUCKETS)])
def test_bucket_count(size, count) -> None:
    assert bucket_count(size, 100) == count


def test_mistakes_are_named(tmp_path, rows, cut) -> None:
    (shard,) = cut(rows[:40], "s", 10**6)
    with pytest.raises(MixtureError, match="source 'wiki' has no epochs"):
        scatter(shard, str(tmp_path / "w"), "x", epochs={"books": 1}, seed=1, buckets=2)
    assert [p for p in (tmp_path / "w").rglob("*") if p.is_file()] == []
    with pytest.raises(MixtureError, match="between 1 and"):
        scatter(shard, str(tmp_path / "w"), "x", epochs=EPOCHS, seed=1, buckets=0)
    with pytest.raises(ValueError, match="unknown format 'csv'"):
        gather(0, [], str(tmp_path), str(tmp_path), formats=["csv"])


def test_a_cut_bucket_file_is_found(tmp_path, rows, cut) -> None:
    (shard,) = cut(rows[:40], "s", 10**6)
    (part,) = scatter(shard, str(tmp_path / "w"), "x", epochs=EPOCHS, seed=1, buckets=1)
    raw = Path(part.path).read_bytes()
    out = str(tmp_path / "attempts" / "a")
    for length in (0, 50, len(raw) // 2):
        Path(part.path).write_bytes(raw[:length])
        with pytest.raises(DatasetDamaged):
            gather(0, [part], out, out)
    Path(part.path).unlink()
    with pytest.raises(DatasetDamaged, match="run materialize again"):
        gather(0, [part], out, out)


def test_epochs_come_from_the_mixture() -> None:
    mixture = {
        "sources": [{"name": "a", "achieved": {"epochs": 2}}, {"name": "b", "achieved": {"epochs": 0.5}}]
    }
    assert epochs_of(mixture) == {"a": 2.0, "b": 0.5}
