"""``pile-curate dedup`` on tables of all kinds: what goes in, what comes out, and what is refused."""

from __future__ import annotations

import fcntl
import gzip
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pile_curate import manifest
from pile_curate.dedup import DedupSettings, table
from pile_curate.dedup.table import TableJob
from pile_curate.errors import DatasetChanged, DatasetDamaged, InputError
from pile_curate.row_files import Columns
from pile_curate.spark.dedup_table import deduplicate
from pile_curate.verify import verify_dataset

SETTINGS = DedupSettings()


def texts(seed: int = 1, families: int = 40) -> list[str]:
    """Return families of texts: each is changed a little from one to the next, some are equal."""
    rng = random.Random(seed)
    found = []
    for _ in range(families):
        words = [f"w{rng.randrange(5000)}" for _ in range(80)]
        for _ in range(rng.randrange(1, 7)):
            found.append(" ".join(words))
            words = list(words)
            for _ in range(rng.choice([0, 1, 2, 4])):
                words[rng.randrange(80)] = f"w{rng.randrange(5000)}"
    rng.shuffle(found)
    return found


def write(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def run(
    inputs: Any, output: Path, *, engine: str = "local", spark: Any = None, **more: Any
) -> dict[str, Any]:
    names = [inputs] if isinstance(inputs, (str, Path)) else inputs
    partitions = more.pop("partitions", None)
    job = TableJob(inputs=tuple(map(str, names)), output=str(output), engine=engine, **more)
    return deduplicate(job, spark=spark, partitions=partitions)


def kept(output: Path) -> list[dict[str, Any]]:
    return [
        row for path in sorted((output / "data").glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


def copies(output: Path) -> list[dict[str, Any]]:
    rows = [
        r for p in sorted((output / "duplicates").glob("*.parquet")) for r in pq.read_table(p).to_pylist()
    ]
    return sorted(rows, key=lambda row: str(row["doc_id"]))


def rows_of(found: list[str], start: int = 0) -> list[dict[str, Any]]:
    return [
        {"id": start + i, "text": text, "more": {"list": [i, i + 1], "when": None}, "weight": i / 7}
        for i, text in enumerate(found)
    ]


def test_all_columns_stay_and_every_row_is_accounted_for(tmp_path: Path) -> None:
    rows = rows_of(texts())
    path = write(tmp_path / "in" / "a.parquet", rows, row_group_size=20)
    summary = run(path, tmp_path / "out")
    left, gone = kept(tmp_path / "out"), copies(tmp_path / "out")
    assert pq.read_schema(next((tmp_path / "out" / "data").iterdir())).equals(pq.read_schema(path))
    assert gone and len(left) + len(gone) == len(rows) == summary["documents"]
    by_id = {row["id"]: row for row in rows}
    assert all(row == by_id[row["id"]] for row in left)
    assert [row["id"] for row in left] == sorted(row["id"] for row in left)
    assert {row["kept_id"] for row in gone} <= {row["id"] for row in left}
    assert (
        pq.read_schema(next((tmp_path / "out" / "duplicates").iterdir())).field("doc_id").type == pa.int64()
    )
    assert (
        summary["verified"] and summary["duplicates"]["total"] == len(gone) and summary["kept"] == len(left)
    )
    assert sum((int(size) - 1) * n for size, n in summary["cluster_sizes"].items()) == len(gone)
    assert summary["largest_clusters"][0]["excerpt"].startswith("w")
    assert sum(row["pairs"] for row in summary["planted"]) > 100
    assert verify_dataset(str(tmp_path / "out"), deep=False) == []
    assert (tmp_path / "out" / "summary.txt").read_text().startswith("Near-duplicate removal")
    assert not (tmp_path / "out" / table.WORK).exists()


@pytest.mark.spark
def test_engines_partitions_files_and_formats_agree(spark: Any, tmp_path: Path) -> None:
    rows = rows_of([*texts(2), "two words", "two  words", "", " \n"])
    write(tmp_path / "one" / "a.parquet", rows, row_group_size=20)
    shuffled = random.Random(3).sample(rows, len(rows))
    for i in range(7):
        write(tmp_path / "many" / f"{i}.parquet", shuffled[i::7], row_group_size=9)
    lines = [json.dumps(row).encode() for row in shuffled]
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "a.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines[::2])))
    (tmp_path / "lines" / "b.jsonl.gz").write_bytes(gzip.compress(b"\r\n".join(lines[1::2]) + b"\r\n"))
    done = {
        "local": run(tmp_path / "one", tmp_path / "o1"),
        "many": run(tmp_path / "many", tmp_path / "o2"),
        "spark 1": run(tmp_path / "one", tmp_path / "o3", engine="spark", spark=spark, partitions=1),
        "spark 7": run(tmp_path / "many", tmp_path / "o4", engine="spark", spark=spark, partitions=7),
    }
    digests = {(d["output"]["digest"], d["duplicates"]["digest"]) for d in done.values()}
    assert len(digests) == 1
    told = ("pairs", "cluster_sizes", "largest_clusters", "planted", "documents", "kept")
    assert all(d[name] == done["local"][name] for d in done.values() for name in told)
    for engine in ("local", "spark"):
        out = tmp_path / f"lines-{engine}"
        run(tmp_path / "lines", out, engine=engine, spark=spark)
        left = [
            json.loads(line)
            for path in (out / "data").glob("*.jsonl.gz") for line in gzip.decompress(path.read_bytes()).splitlines()
        ]  # fmt: skip
        assert sorted(row["id"] for row in left) == sorted(row["id"] for row in kept(tmp_path / "o1"))
        assert copies(out) == copies(tmp_path / "o1")


@pytest.mark.spark
@pytest.mark.parametrize("engine", ["local", "spark"])
def test_old_and_new_equal_one_run_over_both_with_the_old_first(
    spark: Any, tmp_path: Path, engine: str
) -> None:
    found = texts(4, 60)
    old, new = rows_of(found[: len(found) // 2]), rows_of(found[len(found) // 2 :], start=1000)
    for name, rows in (("old", old), ("new", new)):
        write(
            tmp_path / name / "a.parquet",
            [row | {"age": name, "url": None} for row in rows],
            row_group_size=16,
        )
    run(tmp_path / "old", tmp_path / "first", engine=engine, spark=spark)
    summary = run(
        tmp_path / "new", tmp_path / "second", engine=engine, spark=spark, against=str(tmp_path / "first")
    )
    # One run over what was kept of the old, and the new; the old has the better rank.
    settings = DedupSettings(priorities={"old": -1})
    both = run(
        [tmp_path / "old", tmp_path / "new"],
        tmp_path / "both",
        settings=settings,
        columns=Columns(source="age"),
    )
    parts = [row["id"] for name in ("first", "second") for row in kept(tmp_path / name)]
    assert sorted(parts) == sorted(row["id"] for row in kept(tmp_path / "both"))
    mine = [
        (row["doc_id"], row["kept_id"], row["jaccard"])
        for n in ("first", "second")
        for row in copies(tmp_path / n)
    ]
    assert sorted(mine) == sorted(
        (r["doc_id"], r["kept_id"], r["jaccard"]) for r in copies(tmp_path / "both")
    )
    assert summary["against"]["rows"] == len(kept(tmp_path / "first")) and both["duplicates"]["total"] == len(
        mine
    )


def test_an_older_corpus_of_other_settings_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", rows_of(texts()))
    run(tmp_path / "a.parquet", tmp_path / "old")
    with pytest.raises(InputError, match=r"threshold 0\.8 there, 0\.7 here"):
        run(
            tmp_path / "a.parquet", tmp_path / "new", against=str(tmp_path / "old"),
            settings=DedupSettings(threshold=0.7, bands=25, rows=5),
        )  # fmt: skip
    with pytest.raises(InputError, match="no finished output of dedup"):
        run(tmp_path / "a.parquet", tmp_path / "new", against=str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match="lies inside|is the input|overlap"):
        run(tmp_path / "a.parquet", tmp_path / "old", against=str(tmp_path / "old"), overwrite=True)
    with pytest.raises(InputError, match="--against and --url-column do not go together"):
        run(
            tmp_path / "a.parquet", tmp_path / "new", against=str(tmp_path / "old"), columns=Columns(url="text"),
            settings=DedupSettings(),
        )  # fmt: skip


def test_an_output_is_finished_refused_or_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", rows_of(texts()))
    first = run(path, tmp_path / "out")
    assert run(path, tmp_path / "out") == json.loads(json.dumps(first)) | {"up_to_date": True}
    write(path, rows_of(texts(7)))
    with pytest.raises(DatasetChanged, match="--overwrite"):
        run(path, tmp_path / "out")
    second = run(path, tmp_path / "out", overwrite=True)
    assert len(kept(tmp_path / "out")) == second["kept"] and second["output"] != first["output"]
    assert verify_dataset(str(tmp_path / "out"), deep=False) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    with pytest.raises(InputError, match=r"thesis\.txt"):
        run(path, tmp_path / "mine")
    with pytest.raises(InputError):
        run(path, tmp_path / "a.parquet" / "below")


def test_what_dead_runs_left_does_not_count(tmp_path: Path) -> None:
    """Files beside those that the manifest lists go; a summary without a manifest is no finished output."""
    path = write(tmp_path / "in" / "a.parquet", rows_of(texts()))
    out = tmp_path / "out"
    out.mkdir()
    (out / "summary.json").write_text("{}")
    (out / "data").mkdir()
    (out / "data" / "part-00000-dead.parquet").write_bytes(path.read_bytes())
    summary = run(path, out)
    assert len(kept(out)) == summary["kept"]
    (out / "data" / "part-00001-dead.parquet").write_bytes(path.read_bytes())
    (out / "summary.json").write_text("{}")
    assert run(path, out)["up_to_date"]
    assert len(kept(out)) == summary["kept"] == json.loads((out / "summary.json").read_text())["kept"]


def test_two_runs_do_not_write_one_output(tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "a.parquet", rows_of(texts()))
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / table.LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another run is writing"):
            run(path, tmp_path / "out")


def test_a_retried_write_does_not_meet_the_dead_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task's second try writes under another name, and only its file is listed."""
    path = write(tmp_path / "in" / "a.parquet", rows_of(texts()))
    once = table._write

    def twice(tasks: Any) -> Any:
        once(tasks)
        return once(tasks)

    monkeypatch.setattr(table, "_write", twice)
    summary = run(path, tmp_path / "out")
    assert len(kept(tmp_path / "out")) == summary["kept"]
    assert verify_dataset(str(tmp_path / "out"), deep=True) == []


def test_large_and_small_whole_numbers_as_ids(tmp_path: Path) -> None:
    for name, first in (("small", 5), ("large", 2**63)):
        lines = [json.dumps({"id": first + i, "text": text}) for i, text in enumerate(texts())]
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").write_text("\n".join(lines))
        run(tmp_path / name, tmp_path / f"{name}-out")
        assert all(row["doc_id"] >= first for row in copies(tmp_path / f"{name}-out"))


def test_pairs_only_and_invalid_text_in_string_columns(tmp_path: Path) -> None:
    """Ten thousand clusters of one size cost no more than one; a string column may hold what is no UTF-8."""
    body = [f"one two three four five six {i}".encode() + b" \xff" for i in range(5_000)] * 2
    column = pa.array(body, pa.binary()).view(pa.string())
    pq.write_table(pa.table({"id": range(len(body)), "text": column}), tmp_path / "a.parquet")
    summary = run(tmp_path / "a.parquet", tmp_path / "out")
    assert summary["duplicates"]["exact"] == 5_000
    assert [c["kept_id"] for c in summary["largest_clusters"]] == [str(i) for i in range(10)]


def test_a_run_that_was_killed_begins_again_after_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.parquet", rows_of(texts()))
    whole = run(path, tmp_path / "whole")

    def broken(*arguments: Any, **more: Any) -> Any:
        raise MemoryError("stopped here")

    with monkeypatch.context() as patched:
        patched.setattr(table.local, "find_duplicates", broken)
        with pytest.raises(MemoryError):
            run(path, tmp_path / "out")
    assert manifest.find(str(tmp_path / "out")) is None
    said: list[str] = []
    job = TableJob(inputs=(str(path),), output=str(tmp_path / "out"), engine="local")
    again = deduplicate(job, say=said.append)
    assert said == ["measure: taken over from a run that was cut short"]
    assert again["output"] == whole["output"] and again["duplicates"] == whole["duplicates"]


@pytest.mark.parametrize("engine", ["local"])
def test_bad_rows_are_rejected_and_counted(tmp_path: Path, engine: str) -> None:
    good = [json.dumps({"id": f"k{i}", "text": text, "n": i}) for i, text in enumerate(texts(5, 5))]
    bad = ['{"id": "x", "text": 5}', '{"id": "y", "text"', '{"id": "z"}', '{"id": "u", "text": null}', ""]
    body = "\n".join([*good[:3], *bad, *good[3:]]).encode()
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(body))
    summary = run(tmp_path / "a.jsonl.zst", tmp_path / "out", engine=engine)
    assert summary["rejects"] == 2 and summary["null_texts"] == 2
    rejects = pq.read_table(next((tmp_path / "out" / "rejects").iterdir())).to_pylist()
    assert [row["row"] for row in rejects] == [3, 4] and all(row["reason"] for row in rejects)
    raw = (
        zstandard.ZstdDecompressor()
        .stream_reader(next((tmp_path / "out" / "data").iterdir()).read_bytes())
        .read()
    )
    left = raw.decode().splitlines()
    assert set(left) <= {*good, *bad[2:4]} and set(bad[2:4]) <= set(left)
    assert len(left) + summary["duplicates"]["total"] == len(good) + 2
    assert {type(row["doc_id"]) for row in copies(tmp_path / "out")} == {str}


@pytest.mark.parametrize("kind", [pa.large_string(), pa.binary(), pa.large_binary(), pa.string_view()])
def test_text_of_any_type(tmp_path: Path, kind: pa.DataType) -> None:
    found: list[Any] = texts(6, 8)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        found = [b"\xff\xfe " + text.encode() + b" \xc3" for text in found]
    columns = pa.table({"id": pa.array(range(len(found)), pa.uint16()), "text": pa.array(found, kind)})
    pq.write_table(columns, tmp_path / "a.parquet")
    summary = run(tmp_path / "a.parquet", tmp_path / "out")
    assert summary["duplicates"]["total"] > 0
    assert (
        pq.read_schema(next((tmp_path / "out" / "data").iterdir())).field("text").type
        == pq.read_schema(tmp_path / "a.parquet").field("text").type
    )


def test_ids_that_repeat_are_listed_and_missing_ones_are_numbered(tmp_path: Path) -> None:
    found = texts(6, 8)
    twice = [{"id": f"a{i // 2}", "text": text} for i, text in enumerate(found)]
    with pytest.raises(DatasetDamaged, match="several documents have one id: 'a0', 'a1'"):
        run(write(tmp_path / "a.parquet", twice), tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    run(write(tmp_path / "b.parquet", [{"text": text} for text in found]), tmp_path / "b")
    assert all(row["doc_id"].startswith("b.parquet") for row in copies(tmp_path / "b"))


def test_documents_of_one_word_and_one_huge_document(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    words = [f"w{n}" for n in rng.integers(0, 5000, 20_000)]
    huge = " ".join(words) * 40
    rows = [{"id": i, "text": text} for i, text in enumerate([huge, *words, huge + " end"])]
    summary = run(write(tmp_path / "a.parquet", rows), tmp_path / "out")
    assert (
        summary["duplicates"]["exact"] == len(words) - len(set(words)) and summary["duplicates"]["near"] == 1
    )


def test_a_table_without_rows(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"id": pa.array([], pa.int32()), "text": pa.array([], pa.string())}), tmp_path / "a.parquet"
    )
    summary = run(tmp_path / "a.parquet", tmp_path / "out")
    assert summary["documents"] == summary["kept"] == 0
    assert copies(tmp_path / "out") == []


def test_the_command_prints_curve_and_summary_and_refuses_nonsense(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", rows_of(texts()))
    command = [sys.executable, "-m", "pile_curate.cli", "dedup", "--input", str(path), "--output"]
    done = subprocess.run([*command, str(tmp_path / "out")], capture_output=True, text=True, check=True)
    assert "0.80        98.55" in done.stderr and "Largest clusters" in done.stdout
    done = subprocess.run(
        [*command, str(tmp_path / "est"), "--verify", "estimate"], capture_output=True, text=True, check=True
    )
    assert "UNVERIFIED" in done.stdout and "UNVERIFIED" in (tmp_path / "est" / "summary.txt").read_text()
    assert {row["kind"] for row in copies(tmp_path / "est")} == {"exact", "near_unverified"}
    for arguments, message in (
        (["--threshold", "1.2"], "threshold"),
        (["--bands", "3"], "--bands and --rows go together"),
        (["--scope", "per_source"], "--source-column"),
        (["--text-column", "body"], "body"),
        (["--priorities", "a"], "NAME=VALUE"),
    ):
        failed = subprocess.run(
            [*command, str(tmp_path / "no"), *arguments], capture_output=True, text=True, check=False
        )
        assert failed.returncode == 2 and message in failed.stderr and "Traceback" not in failed.stderr
