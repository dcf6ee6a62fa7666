"""Repeated paragraphs: the stage against the plain walk, both engines, any partitioning, through to the shards."""

import json
import random

import pyarrow.parquet as pq
import pytest
import yaml

from pile_curate import manifest
from pile_curate.report import terminal_table
from pile_curate.spark import edits
from pile_curate.spark.pipeline import run
from pile_curate.spark.report import collect
from pile_curate.spark.verify import verify_out
from pile_curate.spark.why import why
from tests.paragraph_oracle import walk
from tests.spark.test_pipeline import change, outcomes

pytestmark = pytest.mark.spark

NOTES = [f"note {n} says: subscribe to our letter number {n} and never miss a thing again" for n in range(5)]


def text(rng: random.Random, own: int) -> str:
    pieces = rng.sample(NOTES, rng.randrange(4))
    pieces += [" ".join(f"w{rng.randrange(9999)}" for _ in range(rng.randrange(4, 30))) for _ in range(own)]
    rng.shuffle(pieces)
    return "\n\n".join(pieces)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    root = tmp_path_factory.mktemp("notes")
    rng = random.Random(5)
    sources = []
    for name in ("a", "b", "c"):
        texts = [text(rng, rng.choice([0, 0, 1, 2, 5])) for _ in range(40)]
        texts += [f"{texts[0]} ", texts[1].replace("\n\n", "\n \n"), "\n\n".join(NOTES)]
        for number, some in enumerate((texts[:25], texts[25:])):
            lines = [
                json.dumps({"text": t or "...", "meta": {"id": f"{number}{i}"}}) for i, t in enumerate(some)
            ]
            (root / f"{name}{number}.jsonl").write_text("\n".join(lines) + "\n")
        sources.append(
            {"name": name, "format": "jsonl", "paths": [f"{name}*.jsonl"], "licence": "CC0-1.0", "consent": "author",
             "weight": 1, "options": {"id_key": "meta.id"}, "language": "off", "quality": "off"}
        )  # fmt: skip
    raw = {"version": 1, "name": "notes", "sources": sources, "splits": {"validation": 0.2, "test": 0.1},
           "dedup": {"paragraphs": {"max_copies": 2, "sources": ["a", "b"]}, "cap": 9},
           "tokenizer": {"train": {"vocab_size": 300}}}  # fmt: skip
    path = root / "recipe.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


@pytest.fixture(scope="module")
def finished(recipe, spark):
    out = recipe.parent / "out"
    run(str(recipe), str(out), spark=spark, quiet=True)
    return recipe, out


def rows(out, dataset, table="main"):
    committed = manifest.load(str(out / dataset))
    return [r for path in committed.paths(str(out / dataset), table) for r in pq.read_table(path).to_pylist()]


def wanted(out, unit="block", min_words=10, max_copies=2, keep="longest"):
    gone = {r["doc_id"] for r in rows(out, "duplicates")}
    texts = [(r["source"], r["doc_id"], r["text"]) for r in rows(out, "documents") if r["doc_id"] not in gone]
    return walk([t for t in texts if t[0] != "c"], unit, min_words, max_copies, keep), {
        t[1]: t[2] for t in texts
    }


def shard_texts(out):
    return {
        bytes.fromhex(r["meta"]["doc_id"]): r["text"]
        for path in manifest.load(str(out / "shards")).paths(str(out / "shards"))
        if path.endswith(".parquet")
        for r in pq.read_table(path).to_pylist()
    }


def test_shards_hold_what_the_plain_walk_leaves(finished):
    _, out = finished
    changed, texts = wanted(out)
    dropped = {doc_id for doc_id, left in changed.items() if left is None}
    assert len(dropped) > 5 and len(changed) - len(dropped) > 5
    assert shard_texts(out) == {k: v for k, v in (texts | changed).items() if v is not None}
    ledger = {r["doc_id"]: r for r in rows(out, "ledger")}
    for doc_id, left in changed.items():
        row = ledger[doc_id]
        if left is None:
            assert (row["stage"], row["reason"]) == ("edits", "all_paragraphs_repeated")
            assert row["measured"].endswith("words left") and row["threshold"] == "at least 10"
            assert row["edits"] == row["removed_bytes"] == 0 and not row["kept"] and row["twin"] is None
        else:
            assert row["kept"] and row["edits"] > 0
            assert row["removed_bytes"] == len(texts[doc_id].encode()) - len(left.encode())
    assert all(r["edits"] == r["removed_bytes"] == 0 for k, r in ledger.items() if k not in changed)


def test_sums_balance_and_everything_verifies(finished):
    _, out = finished
    assert not [seen for seen in verify_out(str(out), deep=True) if seen.problems]
    changed, _ = wanted(out)
    facts = manifest.load(str(out / "edits")).facts
    ledger = manifest.load(str(out / "ledger")).facts["sources"]
    assert facts["engine"] == "local"
    for source in ("a", "b"):
        mine, selected = facts["sources"][source], ledger[source]
        assert {n: mine[n] for n in ("edited", "edits", "removed_bytes")} == {
            n: selected[n] for n in ("edited", "edits", "removed_bytes")
        }
        assert selected["dropped"]["edits"] == {"all_paragraphs_repeated": mine["dropped"]}
    assert "c" not in facts["sources"] and ledger["c"]["edits"] == 0
    assert sum(m["dropped"] for m in facts["sources"].values()) == list(changed.values()).count(None)
    shards = manifest.load(str(out / "shards"))
    for source, seen in ledger.items():
        written = [f for f in shards.files if f.facts["source"] == source and f.facts["format"] == "parquet"]
        assert seen["kept_bytes"] == sum(f.facts["text_bytes"] for f in written)
    metadata = {r["doc_id"]: (r["edits"], r["removed_bytes"]) for r in rows(out, "metadata")}
    assert metadata == {r["doc_id"]: (r["edits"], r["removed_bytes"]) for r in rows(out, "ledger")}


def test_why_and_the_table_say_it(finished):
    _, out = finished
    changed, _ = wanted(out)
    gone = next(k for k, left in changed.items() if left is None)
    cut = next(k for k, left in changed.items() if left is not None)
    told = why(str(out), gone.hex())
    assert "DROPPED at edits: all paragraphs repeated" in told and "words left, threshold at least 10" in told
    told = why(str(out), cut.hex())
    assert "KEPT" in told and "repeated paragraph" in told and "characters" in told
    table = terminal_table(collect(str(out)))
    assert "paragraphs" in table and "cut from" in table


@pytest.mark.parametrize(
    ("partitions", "rules"),
    [(1, {}), (3, {}), (3, {"unit": "line", "min_words": 5, "max_copies": 1})],
    ids=str,
)
def test_spark_gives_equal_digests_whatever_the_partitions(finished, spark, monkeypatch, partitions, rules):
    recipe, out = finished
    path = recipe.parent / f"recipe-{partitions}.yaml"
    path.write_text(recipe.read_text())
    change(path, lambda r: r["dedup"]["paragraphs"].update(rules))
    runs = []
    for limit in (edits.LOCAL_BYTES, 0):
        monkeypatch.setattr(edits, "LOCAL_BYTES", limit)
        (out / "edits" / "manifest.json").unlink()
        seen = outcomes(
            run(
                str(path),
                str(out),
                spark=spark,
                partitions=partitions,
                until="edits",
                update=True,
                quiet=True,
            )
        )
        assert seen["edits"] == "done" and list(seen.values()).count("done") == 1
        runs.append(manifest.load(str(out / "edits")))
    local, distributed = runs
    assert (local.facts["engine"], distributed.facts["engine"]) == ("local", "spark")
    assert local.digest == distributed.digest and local.rows == distributed.rows > 0
    assert {k: v for k, v in local.facts.items() if k != "engine"} == {
        k: v for k, v in distributed.facts.items() if k != "engine"
    }
    changed, _ = wanted(out, **{"unit": "block", "min_words": 10, "max_copies": 2, **rules})
    assert {r["doc_id"]: r["dropped"] for r in rows(out, "edits", "documents")} == {
        doc_id: left is None for doc_id, left in changed.items()
    }


def test_a_changed_rule_writes_only_touched_shards_again(finished, spark):
    recipe, out = finished
    path = recipe.parent / "recipe-off.yaml"
    path.write_text(recipe.read_text())
    change(path, lambda r: r["dedup"]["paragraphs"].update(sources=["a"]))
    seen = outcomes(run(str(path), str(out), spark=spark, until="shard", update=True, quiet=True))
    assert seen["dedup"] == "up to date" and seen["edits"] == seen["shard"] == "done"
    assert manifest.load(str(out / "shards")).facts == {"groups": 3, "reused": 2}
    change(path, lambda r: r["dedup"].update(paragraphs="off"))
    run(str(path), str(out), spark=spark, until="shard", update=True, quiet=True)
    assert manifest.load(str(out / "edits")).facts == {"off": True}
    assert manifest.load(str(out / "shards")).facts == {"groups": 3, "reused": 2}
    texts = shard_texts(out)
    gone = {r["doc_id"] for r in rows(out, "duplicates")}
    assert texts == {r["doc_id"]: r["text"] for r in rows(out, "documents") if r["doc_id"] not in gone}
