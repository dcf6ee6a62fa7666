"""Duplicates found on Spark equal the sequential oracle, whatever the partitioning, scope and bounds."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pile_curate import hashing, schema
from pile_curate.dedup import DedupSettings, minhash
from pile_curate.dedup.exact import order_key
from pile_curate.errors import DatasetDamaged
from pile_curate.spark import survivors
from tests.oracle import Case, verdicts

pytestmark = pytest.mark.spark
SMALL = DedupSettings(threshold=0.6, ngram=2, permutations=10, bands=4, rows=2, seed=3)


def corpus(folder: Path, rows: list[dict[str, Any]], settings: DedupSettings, files: int = 3) -> None:
    """Write documents, annotations and eligibility as the stages before dedup do, spread over files."""
    for name in ("documents", "annotations", "eligibility"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for f in range(files):
        mine = rows[f::files]
        texts = pa.array([row["text"] for row in mine], pa.string())
        words, shingles, signatures = minhash.signatures(
            texts, ngram=settings.ngram, permutations=settings.permutations, seed=settings.seed
        )
        who = {
            "doc_id": [row["doc_id"] for row in mine],
            "source": [row["source"] for row in mine],
            "split": [row["split"] for row in mine],
        }
        where = {"part": [f"part-{f}.parquet"] * len(mine), "row": list(range(len(mine)))}
        documents = pa.Table.from_pydict(who | {"text": texts})
        pq.write_table(documents, folder / "documents" / f"part-{f}.parquet", row_group_size=7)
        annotations = who | {
            "text_digest": [hashing.text_digest(row["text"]) for row in mine],
            "text_bytes": [len(row["text"].encode()) for row in mine],
            "words": words, "shingles": shingles, "signature": signatures, **where,
        }  # fmt: skip
        eligibility = who | {"eligible": [row.get("eligible", True) for row in mine]} | where
        for name, values in (("annotations", annotations), ("eligibility", eligibility)):
            table = schema.conform(pa.Table.from_pydict(values), getattr(schema, name.upper()))
            pq.write_table(table, folder / name / f"{f}.parquet")


def expected(rows: list[dict[str, Any]], settings: DedupSettings) -> dict[str, tuple[str, str]]:
    rows = [row for row in rows if row.get("eligible", True)]
    texts = pa.array([row["text"] for row in rows], pa.string())
    arguments: dict[str, Any] = {"ngram": settings.ngram, "seed": settings.seed}
    signatures = minhash.signatures(texts, permutations=settings.permutations, **arguments)[2].to_pylist()
    sets = minhash.shingle_sets(texts, **arguments)
    cases = [
        Case(
            row["doc_id"].hex(),
            order_key(
                settings.keep, settings.priorities, against=row.get("against", False), source=row["source"],
                text_bytes=len(row["text"].encode()), doc_id=row["doc_id"],
            ),
            hashing.text_digest(row["text"]), frozenset(shingles.tolist()),
            None if raw is None else tuple(np.frombuffer(raw, "<u4").tolist()),
            settings.scope_of(row["source"]), row["split"], row.get("against", False),
        )
        for row, raw, shingles in zip(rows, signatures, sets, strict=True)
    ]  # fmt: skip
    found = verdicts(
        cases, repr(settings.threshold), settings.bands, settings.rows, settings.agreement, settings.cap
    )
    return {name: (kept, f"{kind} {float(round(j, 4))}") for name, (kept, kind, j) in found.items()}


def find(spark: Any, folder: Path, settings: DedupSettings, **more: Any) -> tuple[list[dict[str, Any]], Any]:
    found = survivors.find_duplicates(
        spark,
        sorted(str(p) for p in (folder / "annotations").glob("*.parquet")),
        sorted(str(p) for p in (folder / "eligibility").glob("*.parquet")),
        documents=str(folder / "documents"), settings=settings, scratch=str(folder / "scratch"), **more,
    )  # fmt: skip
    assert found.frame.columns == schema.DUPLICATES.names
    rows = [row.asDict() for row in found.frame.collect()]
    for row in rows:
        row["doc_id"], row["kept_id"] = bytes(row["doc_id"]).hex(), bytes(row["kept_id"]).hex()
    return sorted(rows, key=lambda row: row["doc_id"]), found.facts


def as_verdicts(rows: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    return {row["doc_id"]: (row["kept_id"], f"{row['kind']} {row['jaccard']}") for row in rows}


def windows(rng: random.Random, count: int, prefix: str = "") -> list[str]:
    """Texts that chain (overlapping windows), clique (edited copies) and tie (copies but for white space)."""
    stream = [f"{prefix}w{rng.randrange(50)}" for _ in range(200)]
    texts: list[str] = []
    for i in range(count):
        kind = rng.random()
        if kind < 0.5 or not texts:
            start = rng.choice([i * 2 % 150, rng.randrange(8) * 20])
            texts.append(" ".join(stream[start : start + rng.choice([6, 12, 13])]))
        elif kind < 0.75:
            words = rng.choice(texts).split() or ["x"]
            words[rng.randrange(len(words))] = f"{prefix}w{rng.randrange(50)}"
            texts.append(" ".join(words))
        elif kind < 0.95:
            texts.append(rng.choice([" ", "  "]).join(rng.choice(texts).split()))
        else:
            texts.append(f"{prefix}tiny")
    return texts


def documents_of(
    rng: random.Random, texts: list[str], sources: str, splits: tuple[str, ...]
) -> list[dict[str, Any]]:
    return [
        {"doc_id": rng.randbytes(16), "text": text, "source": rng.choice(sources), "split": rng.choice(splits),
         "eligible": rng.random() < 0.9}
        for text in texts
    ]  # fmt: skip


def test_equal_to_the_oracle(spark: Any, tmp_path: Path) -> None:
    rng = random.Random(8)
    settings = replace(SMALL, cap=2, keep="priority", priorities={"a": 2, "b": -1})
    rows = documents_of(rng, [t for _ in range(4) for t in windows(rng, 70)], "abc", ("train", "test"))
    corpus(tmp_path, rows, settings)
    want = expected(rows, settings)
    found, facts = find(spark, tmp_path, settings)
    assert as_verdicts(found) == want
    by_id = {row["doc_id"].hex(): row for row in rows}
    for row in found:
        kept, own = by_id[row["kept_id"]], by_id[row["doc_id"]]
        assert (row["source"], row["split"]) == (own["source"], own["split"])
        assert (row["kept_source"], row["kept_split"]) == (kept["source"], kept["split"])
        assert row["cross_split"] == (own["split"] != kept["split"])
    assert facts["documents"] == sum(row["eligible"] for row in rows)
    assert facts["duplicates"]["total"] == len(want) > 50
    assert sum((int(size) - 1) * n for size, n in facts["cluster_sizes"].items()) == len(want)
    assert facts["pairs"]["examined"] >= facts["duplicates"]["near"] > 0


def test_thousands_of_small_cases_in_one_job_by_group(spark: Any, tmp_path: Path) -> None:
    """Each case is a source and so a group of its own, but the first two; one job walks them all apart."""
    rng = random.Random(5)
    groups = {"case-0": "joint", "case-1": "joint", "case-2": None}
    settings = replace(SMALL, scope="per_group", groups=groups, cap=2, threshold=0.3)
    cases = [
        [{"doc_id": rng.randbytes(16), "text": text, "source": f"case-{case}", "split": "train"}
         for text in windows(rng, rng.randrange(2, 9))]
        for case in range(1500)
    ]  # fmt: skip
    cases[1] += [row | {"doc_id": rng.randbytes(16), "source": "case-1"} for row in cases[0]]
    rows, want = [row for case in cases for row in case], expected(cases[0] + cases[1], settings)
    for case in cases[2:]:
        want |= expected(case, settings)
    corpus(tmp_path, rows, settings)
    found, facts = find(spark, tmp_path, settings)
    assert as_verdicts(found) == want
    assert facts["duplicates"]["near"] > 100


def test_the_result_does_not_depend_on_partitions_bounds_or_files(spark: Any, tmp_path: Path) -> None:
    rng = random.Random(11)
    rows = documents_of(rng, [t for _ in range(3) for t in windows(rng, 60)], "ab", ("train", "test"))
    settings = replace(SMALL, cap=1, scope="per_source")
    results = []
    tiny = survivors.Bounds(edges=0, prune=3, set_bytes=0)
    for width, files, bounds in ((1, 1, None), (7, 5, tiny)):
        folder = tmp_path / str(width)
        corpus(folder, rng.sample(rows, len(rows)), settings, files)
        before = spark.conf.get("spark.sql.shuffle.partitions")
        spark.conf.set("spark.sql.shuffle.partitions", str(width))
        try:
            found, facts = find(spark, folder, settings, bounds=bounds)
        finally:
            spark.conf.set("spark.sql.shuffle.partitions", before)
        results.append(found)
        assert facts["components"]["method"] == ("rounds" if bounds else "driver")
        facts["components"] = {k: v for k, v in facts["components"].items() if k not in ("method", "rounds")}
        del facts["shingle_sets"]  # how much was pruned depends on the bound; the verdicts do not
        results.append(facts)
    assert results[0] == results[2] and results[0]
    assert results[1] == results[3]
    assert as_verdicts(results[0]) == expected(rows, settings)


def test_an_older_corpus_is_first_and_never_dropped(spark: Any, tmp_path: Path) -> None:
    from pyspark.sql import functions as F

    rng = random.Random(2)
    rows = documents_of(rng, windows(rng, 80), "ab", ("train",))
    for row in rows:
        row["eligible"], row["against"] = True, rng.random() < 0.3
    corpus(tmp_path, rows, SMALL)
    older = [row["doc_id"] for row in rows if row["against"]]
    population = spark.read.parquet(str(tmp_path / "annotations")).withColumn(
        "against", F.col("doc_id").isin(older)
    )
    found = survivors.resolve(
        spark,
        population,
        documents=str(tmp_path / "documents"),
        settings=SMALL,
        scratch=str(tmp_path / "scratch"),
    )
    got = {bytes(r["doc_id"]).hex(): bytes(r["kept_id"]).hex() for r in found.frame.collect()}
    assert got == {name: kept for name, (kept, _) in expected(rows, SMALL).items()}
    assert not {doc_id.hex() for doc_id in older} & set(got)
    survivors.clear(str(tmp_path / "scratch"))
    assert not (tmp_path / "scratch").exists()


def test_nothing_in_nothing_out(spark: Any, tmp_path: Path) -> None:
    found = survivors.find_duplicates(
        spark, [], [], documents=str(tmp_path), settings=SMALL, scratch=str(tmp_path / "scratch")
    )
    assert found.frame.count() == 0
    assert found.facts["documents"] == 0 and found.facts["cluster_sizes"] == {}


def test_documents_named_twice_are_listed(spark: Any, tmp_path: Path) -> None:
    rng = random.Random(4)
    rows = documents_of(rng, ["one two three four five", "one two three four six"], "a", ("train",))
    for row in rows:
        row["eligible"] = True
    corpus(tmp_path, [*rows, rows[0]], SMALL)
    with pytest.raises(DatasetDamaged, match=f"name some documents twice: {rows[0]['doc_id'].hex()}"):
        find(spark, tmp_path, SMALL)
