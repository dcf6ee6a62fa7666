"""Duplicates found on Spark equal the sequential oracle, whatever the partitioning, scope and bounds."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pile_curate import hashing, row_parquet, schema
from pile_curate.dedup import DedupSettings, local, minhash
from pile_curate.dedup.exact import order_key
from pile_curate.dedup.parts import Part, in_order, narrow
from pile_curate.dedup.results import Output, dropped_rows
from pile_curate.errors import DatasetDamaged
from pile_curate.row_files import RowSplit
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
        documents = pa.Table.from_pydict(who | {"text": texts, "url": [row.get("url") for row in mine]})
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
        cases, repr(settings.threshold), settings.bands, settings.rows, settings.agreement, settings.cap,
        verify=settings.verify,
    )  # fmt: skip
    return {name: (kept, f"{kind} {float(round(j, 4))}") for name, (kept, kind, j) in found.items()}


def parts(folder: Path, against: frozenset[int] = frozenset()) -> list[Part]:
    """Return the corpus as dedup reads it; files in ``against`` are an older corpus."""
    found = []
    for f, measured in enumerate(sorted((folder / "annotations").glob("*.parquet"))):
        texts = folder / "documents" / f"part-{measured.stem}.parquet"
        groups = row_parquet.listed(str(texts), texts.name, 0, 0)
        found.append(
            Part(
                number=3 * f, annotations=str(measured), rows=pq.read_metadata(measured).num_rows,
                texts=RowSplit(groups, 0, len(groups.groups), 0), urls=str(texts),
                eligibility=str(folder / "eligibility" / measured.name), against=f in against,
            )
        )  # fmt: skip
    return found


def find(
    spark: Any, folder: Path, settings: DedupSettings, against: frozenset[int] = frozenset(), **more: Any
) -> tuple[list[dict[str, Any]], Any]:
    """Return the duplicates, sorted by id, and the facts; ``spark`` None means the engine of one process."""
    attempt = folder / "attempts" / uuid.uuid4().hex
    attempt.mkdir(parents=True)
    arguments: dict[str, Any] = {
        "settings": settings, "scratch": str(attempt / "scratch"), "output": Output(str(attempt)), **more
    }  # fmt: skip
    if spark is None:
        found = local.find_duplicates(parts(folder, against), **arguments)
    else:
        found = survivors.find_duplicates(spark, parts(folder, against), **arguments)
    rows = [row for entry in found.entries for row in pq.read_table(folder / entry.path).to_pylist()]
    assert all(pq.read_schema(folder / entry.path).equals(schema.DUPLICATES) for entry in found.entries)
    for row in rows:
        row["doc_id"], row["kept_id"] = row["doc_id"].hex(), row["kept_id"].hex()
    ids: set[str] = set()
    for part in parts(folder, against):
        gone = dropped_rows(found.dropped, part)
        column = pq.read_table(part.texts.file.path, columns=["doc_id"]).column("doc_id")
        ids.update(value.hex() for value in column.take(pa.array(gone)).to_pylist())
    assert ids == {row["doc_id"] for row in rows}
    survivors.clear(str(attempt / "scratch"))
    assert not (attempt / "scratch").exists()
    return sorted(rows, key=lambda row: row["doc_id"]), found.facts


def as_verdicts(rows: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return (kept, kind and Jaccard) by the id of the copy."""
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


def test_the_result_does_not_depend_on_partitions_bounds_files_or_engine(spark: Any, tmp_path: Path) -> None:
    rng = random.Random(11)
    rows = documents_of(rng, [t for _ in range(3) for t in windows(rng, 60)], "ab", ("train", "test"))
    settings = replace(SMALL, cap=1, scope="per_source")
    tiny = survivors.Bounds(edges=0, meeting_rows=20, key_rows=50, run_rows=7, prune=3, memory=0)
    results, facts = [], []
    for width, files, engine, bounds in (
        (1, 1, spark, None), (7, 5, spark, tiny), (2, 3, spark, replace(tiny, edges=1000)), (None, 4, None, None)
    ):  # fmt: skip
        folder = tmp_path / f"{files}"
        corpus(folder, rng.sample(rows, len(rows)), settings, files)
        more = {} if engine is None else {"partitions": width, "bounds": bounds}
        found, told = find(engine, folder, settings, **more)
        results.append(found)
        facts.append({name: told[name] for name in ("documents", "duplicates", "cluster_sizes", "pairs")})
        if bounds is tiny:
            assert told["components"]["method"] == "rounds" and told["components"]["largest"] > 7
    assert results[0] and all(found == results[0] for found in results)
    assert all(told == facts[0] for told in facts)
    assert as_verdicts(results[0]) == expected(rows, settings)


@pytest.mark.parametrize("engine", ["spark", "local"])
@pytest.mark.parametrize("verify", ["estimate", "none"])
def test_unverified_copies_are_labelled_and_equal_to_the_oracle(
    spark: Any, tmp_path: Path, engine: str, verify: str
) -> None:
    rng = random.Random(21)
    settings = replace(SMALL, verify=verify, cap=2)
    rows = documents_of(rng, windows(rng, 120), "a", ("train",))
    corpus(tmp_path, rows, settings)
    found, facts = find(spark if engine == "spark" else None, tmp_path, settings)
    assert {row["kind"] for row in found} == {"exact", "near_unverified"}
    want = {name: (kept, kind.split()[0]) for name, (kept, kind) in expected(rows, settings).items()}
    assert {r["doc_id"]: (r["kept_id"], r["kind"].replace("_unverified", "")) for r in found} == want
    assert facts["shingle_sets"]["count"] == 0


@pytest.mark.parametrize("engine", ["spark", "local"])
def test_an_older_corpus_is_first_and_never_dropped(spark: Any, tmp_path: Path, engine: str) -> None:
    rng = random.Random(2)
    rows = documents_of(rng, windows(rng, 80), "ab", ("train",))
    for i, row in enumerate(rows):
        row["eligible"], row["against"] = True, i % 3 == 0  # file 0 of three
    corpus(tmp_path, rows, SMALL)
    found, facts = find(spark if engine == "spark" else None, tmp_path, SMALL, frozenset([0]))
    assert as_verdicts(found) == expected(rows, SMALL)
    older = {row["doc_id"].hex() for row in rows if row["against"]}
    assert not older & {row["doc_id"] for row in found}
    assert older & {row["kept_id"] for row in found}
    assert facts["documents"] == len(rows) - len(older)


@pytest.mark.parametrize("engine", ["spark", "local"])
def test_one_url_is_one_document(spark: Any, tmp_path: Path, engine: str) -> None:
    """The first of a URL stays to be compared by text; the others name whom it names, or it."""
    rng = random.Random(5)
    texts = [" ".join(f"w{rng.randrange(900)}" for _ in range(20)) for _ in range(4)]
    told = [
        ("aaa " + texts[0], "http://www.e.org/a/?utm_source=x"), (texts[1], "https://e.org/a"),
        (texts[2] + " and more", "https://e.org/b#top"), (texts[2] + " and mor", "https://e.org/c"), (texts[3], "https://e.org/c/"),
        (texts[3], None), (texts[3] + " ", ""),
    ]  # fmt: skip
    rows = [
        {"doc_id": bytes([i]) * 16, "text": text, "url": url, "source": "a", "split": "train"}
        for i, (text, url) in enumerate(told)
    ]
    settings = replace(SMALL, urls=True, keep="id")
    corpus(tmp_path, rows, settings)
    found, facts = find(spark if engine == "spark" else None, tmp_path, settings)
    got = {int(r["doc_id"][:2], 16): (int(r["kept_id"][:2], 16), r["kind"]) for r in found}
    assert got == {1: (0, "url"), 3: (2, "near"), 4: (2, "url"), 6: (5, "exact")}
    assert [r["jaccard"] for r in found if r["kind"] == "url"] == [None, None]
    assert facts["duplicates"]["url"] == 2


@pytest.mark.parametrize("engine", ["spark", "local"])
def test_nothing_in_nothing_out(spark: Any, tmp_path: Path, engine: str) -> None:
    found, facts = find(spark if engine == "spark" else None, tmp_path, SMALL)
    assert found == [] and facts["documents"] == 0 and facts["cluster_sizes"] == {}


@pytest.mark.parametrize("engine", ["spark", "local"])
def test_documents_named_twice_are_listed(spark: Any, tmp_path: Path, engine: str) -> None:
    rng = random.Random(4)
    rows = documents_of(rng, ["one two three four five", "one two three four six"], "a", ("train",))
    for row in rows:
        row["eligible"] = True
    corpus(tmp_path, [*rows, rows[0]], SMALL)
    with pytest.raises(DatasetDamaged, match=f"several documents have one id: {rows[0]['doc_id'].hex()}"):
        find(spark if engine == "spark" else None, tmp_path, SMALL)


@pytest.mark.parametrize("engine", ["spark", "local"])
def test_texts_that_changed_since_they_were_annotated_are_damage(
    spark: Any, tmp_path: Path, engine: str
) -> None:
    rng = random.Random(4)
    words = [f"w{i}" for i in range(30)]
    rows = documents_of(rng, [" ".join(words), " ".join([*words, "end"])], "a", ("train",))
    for row in rows:
        row["eligible"] = True
    corpus(tmp_path, rows, SMALL, files=1)
    path = tmp_path / "documents" / "part-0.parquet"
    table = pq.read_table(path)
    pq.write_table(
        table.set_column(table.schema.get_field_index("text"), "text", pa.array(["x y z", "x"])), path
    )
    with pytest.raises(Exception, match="the documents changed, or they were annotated"):
        find(spark if engine == "spark" else None, tmp_path, SMALL)


def test_the_order_of_columns_is_the_order_of_the_oracle() -> None:
    rng = random.Random(3)
    for keep in ("longest", "priority", "id"):
        settings = replace(SMALL, keep=keep, priorities={"a": 2, "b": -1})
        rows = [
            {"source": rng.choice("abc"), "text_bytes": rng.randrange(4), "doc_id": rng.randbytes(2), "against": rng.random() < 0.3}
            for _ in range(200)
        ]  # fmt: skip
        batch = pa.RecordBatch.from_pylist(
            [{**row, "doc_id": row["doc_id"], "split": "", "text_digest": b"0" * 16} for row in rows]
        )
        found = narrow(batch, np.arange(200), Part(0, "", 200, None), settings)  # type: ignore[arg-type]
        older = np.array([row["against"] for row in rows])
        order = in_order(older, found.priority, found.length, found.key)
        keys = [order_key(keep, settings.priorities, **row) for row in rows]
        assert [keys[i] for i in order] == sorted(keys)
