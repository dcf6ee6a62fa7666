"""The whole way on small dumps: balance, resumption, equal digests, bad input."""

import gzip
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pile_curate import manifest
from pile_curate.errors import DatasetChanged, InputError, TooManyRejects
from pile_curate.spark.pipeline import STAGES, run
from pile_curate.spark.verify import verify_out
from pile_curate.spark.why import why

pytestmark = pytest.mark.spark

WORDS = (
    "the harbour master of that small town would have to be with his books and keep every ship in mind "
    "while storms came over the bay from the west and gulls cried above wet roofs"
).split()


def prose(seed: int, length: int = 120) -> str:
    """Return text that the published rules keep and that resembles no other."""
    words = []
    state = seed + 1
    for i in range(length):
        state = (state * 1103515245 + 12345) % 2**31
        words.append(WORDS[(state >> 8) % len(WORDS)] + (f"{state % 97}" if i % 5 == 0 else ""))
    return " ".join(words) + "."


def write_dumps(root: Path) -> Path:
    lines = [{"text": prose(i), "meta": {"id": f"a{i}"}} for i in range(60)]
    lines.append({"text": prose(3) + "\n", "meta": {"id": "copy-of-3"}})
    lines.append({"text": prose(4, 119) + " more", "meta": {"id": "near-4"}})
    lines.append({"text": prose(5), "meta": {"id": "a5"}})  # the same record again
    lines.append({"text": prose(900), "meta": {"id": "a6"}})  # another text under a known id
    lines.append({"text": "too short to keep", "meta": {"id": "short"}})
    (root / "one").mkdir(parents=True)
    body = [json.dumps(line) for line in lines] + ["{broken"]
    (root / "one" / "a.jsonl").write_text("\n".join(body[:40]) + "\n")
    (root / "one" / "b.jsonl.gz").write_bytes(gzip.compress(("\n".join(body[40:]) + "\n").encode()))
    tree = root / "tree" / "pkg"
    tree.mkdir(parents=True)
    for i in range(8):
        (tree / f"m{i}.py").write_text(f"def function_{i}(value):\n    return value * {i} + {i * i}\n" * 3)
    (root / "tree" / "LICENSE").write_text(
        "MIT License\n\nPermission is hereby granted, free of charge, ...\n"
    )
    recipe = {
        "version": 1,
        "name": "small",
        "seed": 7,
        "sources": [
            {"name": "lines", "format": "jsonl", "paths": ["one/*"], "licence": "CC0-1.0", "consent": "author",
             "weight": 2, "options": {"id_key": "meta.id"}},
            {"name": "tree", "format": "code", "paths": ["tree"], "licence": "MIT", "consent": "author", "weight": 1},
        ],
        "splits": {"validation": 0.1, "test": 0.1},
        "tokenizer": {"train": {"vocab_size": 400, "sample_bytes": 100_000}},
        "limits": {"max_reject_fraction": 0.2},
    }  # fmt: skip
    path = root / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def change(recipe: Path, edit) -> None:
    raw = yaml.safe_load(recipe.read_text())
    edit(raw)
    recipe.write_text(yaml.safe_dump(raw))


def digests(out: Path) -> dict[str, str]:
    return {stage.dataset: manifest.load(str(out / stage.dataset)).digest for stage in STAGES[:-1]}


def outcomes(result) -> dict[str, str]:
    return {stage.stage: stage.outcome for stage in result.stages}


@pytest.fixture(scope="module")
def finished(corpus):
    return corpus


def copied(finished, tmp_path):
    """Return a copy of the finished corpus that a test may change."""
    recipe, out = finished
    root = tmp_path / "copy"
    shutil.copytree(recipe.parent, root, copy_function=shutil.copy2)
    return root / "recipe.yaml", root / "out"


def test_every_stage_balances_and_verifies_deeply(finished):
    _, out = finished
    for seen in verify_out(str(out), deep=True):
        assert not seen.problems, (seen.dataset, seen.problems)
    facts = manifest.load(str(out / "documents")).facts["sources"]["lines"]
    assert facts["records_in"] == 66
    reasons = {reason: r["records"] for reason, r in facts["rejects"].items()}
    assert reasons["duplicate_record"] == 1 and reasons["id_conflict"] == 1 and sum(reasons.values()) == 3
    ledger = manifest.load(str(out / "ledger")).facts["sources"]["lines"]
    dropped = {reason: n for reasons in ledger["dropped"].values() for reason, n in reasons.items()}
    assert dropped["gopher_quality.word_count"] == 1
    assert dropped["exact_duplicate"] == 1 and dropped["near_duplicate"] == 1
    assert ledger["kept"] == 60


def test_a_second_run_does_nothing(finished):
    recipe, out = finished
    again = run(str(recipe), str(out), master="no-session-is-opened", quiet=True)
    assert again.up_to_date and again.seconds < 10


def test_partitions_and_file_order_change_no_digest(finished, spark, tmp_path):
    recipe, out = finished
    for partitions in (1, 7):
        other = tmp_path / f"p{partitions}"
        run(str(recipe), str(other), spark=spark, partitions=partitions, until="mix", quiet=True)
        assert digests(other) == digests(out)
    shuffled = tmp_path / "shuffled"
    shutil.copytree(recipe.parent / "one", shuffled / "one")
    shutil.copytree(recipe.parent / "tree", shuffled / "tree")
    shutil.copy(recipe, shuffled / "recipe.yaml")
    change(shuffled / "recipe.yaml", lambda r: r["sources"][0].update(paths=["one/b*", "one/a*"]))
    change(shuffled / "recipe.yaml", lambda r: r["sources"].reverse())
    run(str(shuffled / "recipe.yaml"), str(shuffled / "out"), spark=spark, until="tokenize", quiet=True)
    theirs, ours = digests_until_tokens(shuffled / "out"), digests_until_tokens(out)
    assert theirs == ours


def digests_until_tokens(out):
    return {
        s.dataset: manifest.load(str(out / s.dataset)).digest
        for s in STAGES
        if s.name not in ("mix", "report")
    }


def test_a_changed_threshold_measures_nothing_again(finished, spark, tmp_path):
    recipe, out = copied(finished, tmp_path)
    change(recipe, lambda r: r.update(quality={"rules": [{"signal": "word_count", "min": 2}], "presets": []}))
    with pytest.raises(DatasetChanged, match="--update"):
        run(str(recipe), str(out), spark=spark, quiet=True)
    seen = outcomes(run(str(recipe), str(out), spark=spark, update=True, quiet=True))
    assert seen["extract"] == seen["annotate"] == "up to date"
    assert all(seen[name] == "done" for name in ("decide", "dedup", "select", "shard", "mix", "report"))
    assert manifest.load(str(out / "ledger")).facts["sources"]["lines"]["kept"] == 61
    assert manifest.load(str(out / "shards")).facts["reused"] >= 1
    assert not [seen for seen in verify_out(str(out), deep=True) if seen.problems]


def test_a_changed_weight_runs_only_mix_and_report(finished, spark, tmp_path):
    recipe, out = copied(finished, tmp_path)
    change(recipe, lambda r: r["sources"][0].update(weight=1.5))
    seen = outcomes(run(str(recipe), str(out), spark=spark, update=True, quiet=True))
    assert [name for name, outcome in seen.items() if outcome == "done"] == ["mix", "report"]


def test_an_evaluation_made_later_goes_into_the_report(finished, spark, tmp_path):
    recipe, out = copied(finished, tmp_path)
    figures = {"documents": 1, "tokens": 9, "bytes": 30, "loss": 2.0, "perplexity": 7.4}
    for label, more in (("before", {"step": 0}), ("after", {"step": 5}), ("public", {"model": "hf"})):
        row = {**figures, "bits_per_byte": 1.25 if label == "public" else None}
        found = {
            "label": label,
            "split": "validation",
            "sources": [{"source": "lines", **row}],
            "overall": row,
        }
        (out / "evaluation").mkdir(exist_ok=True)
        (out / "evaluation" / f"{label}.json").write_text(json.dumps({**found, **more}))
    seen = outcomes(run(str(recipe), str(out), spark=spark, quiet=True))  # nothing has to be asked for
    assert [name for name, outcome in seen.items() if outcome == "done"] == ["report"]
    assert "public" in (out / "report" / "index.html").read_text("utf-8")


def test_a_touched_file_is_hashed_again_and_a_changed_one_noticed(finished, spark, tmp_path):
    recipe, out = copied(finished, tmp_path)
    raw = recipe.parent / "one" / "a.jsonl"
    raw.touch()
    assert run(str(recipe), str(out), master="no-session-is-opened", quiet=True).up_to_date
    raw.write_text(raw.read_text().replace("harbour", "haRbour", 1))
    with pytest.raises(DatasetChanged, match="extract"):
        run(str(recipe), str(out), spark=spark, quiet=True)


def test_why_answers_for_kept_dropped_copies_and_rejects(finished):
    _, out = finished
    directory = out / "ledger"
    rows = [
        r for p in manifest.load(str(directory)).paths(str(directory)) for r in pq.read_table(p).to_pylist()
    ]
    kept = next(r for r in rows if r["kept"])
    near = next(r for r in rows if r["reason"] == "near_duplicate")
    short = next(r for r in rows if r["stage"] == "decide")
    assert "KEPT" in why(str(out), kept["doc_id"].hex())
    told = why(str(out), near["doc_id"].hex()[:12])
    assert near["twin"].hex() in told and f"{near['jaccard']:.4f}".rstrip("0") in told
    told = why(str(out), short["doc_id"].hex())
    assert "word_count" in told and "4" in told and "at least 50" in told
    assert "duplicate_record" in why(str(out), "a5")
    with pytest.raises(InputError, match="32 hexadecimal"):
        why(str(out), "no such thing")


def test_a_truncated_file_keeps_what_precedes_the_damage(spark, tmp_path):
    recipe = write_dumps(tmp_path)
    whole = (tmp_path / "one" / "b.jsonl.gz").read_bytes()
    (tmp_path / "one" / "b.jsonl.gz").write_bytes(whole[: len(whole) * 2 // 3])
    (tmp_path / "one" / "empty.jsonl").write_bytes(b"")
    out = tmp_path / "out"
    run(str(recipe), str(out), spark=spark, until="extract", quiet=True)
    facts = manifest.load(str(out / "documents")).facts["sources"]["lines"]
    assert 40 < facts["records_in"] < 66 and facts["damaged_files"] == 2
    reasons = facts["rejects"]
    assert reasons["corrupt_file"]["rows"] == 1 and reasons["empty_file"]["rows"] == 1
    change(recipe, lambda r: r.update(limits={"max_reject_fraction": 0.2, "on_corrupt": "fail"}))
    with pytest.raises(InputError, match="on_corrupt"):
        run(str(recipe), str(tmp_path / "strict"), spark=spark, until="extract", quiet=True)


def test_too_many_rejects_name_the_reasons(spark, tmp_path):
    recipe = write_dumps(tmp_path)
    (tmp_path / "one" / "c.jsonl").write_text("{bad\n" * 40)
    with pytest.raises(TooManyRejects, match="max_reject_fraction is 0.2"):
        run(str(recipe), str(tmp_path / "out"), spark=spark, until="extract", quiet=True)
    assert manifest.find(str(tmp_path / "out" / "documents")) is None
