"""Whatever is changed in a finished corpus, verify says where in one clear line, and exits with 3."""

import json
import re
import shutil
from pathlib import Path

import pytest

from pile_curate import cli, manifest
from pile_curate.errors import DatasetMissing
from pile_curate.spark.verify import verify_out

pytestmark = pytest.mark.spark


@pytest.fixture
def out(corpus, tmp_path):
    """A copy of the finished corpus that a test may damage."""
    return Path(shutil.copytree(corpus[1], tmp_path / "out"))


def problems(out: Path, deep: bool = False) -> list[tuple[str, str]]:
    return [(seen.dataset, str(problem)) for seen in verify_out(str(out), deep) for problem in seen.problems]


def first(out: Path, dataset: str, suffix: str = "") -> Path:
    return next(
        Path(p) for p in manifest.load(str(out / dataset)).paths(str(out / dataset)) if p.endswith(suffix)
    )


def edit(out: Path, dataset: str, change) -> None:
    path = out / dataset / "manifest.json"
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def test_a_sound_corpus_has_no_problems(out, capsys):
    assert cli.main(["verify", str(out), "--deep"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == [
        "documents", "rejects", "annotations", "eligibility", "duplicates", "edits", "ledger", "metadata", "shards", "tokens",
        "mixture", "report",
    ]  # fmt: skip
    assert all(line.endswith("  ok") for line in told)


@pytest.mark.parametrize("dataset", ["documents", "ledger", "shards", "tokens", "mixture"])
def test_a_flipped_byte_is_found_by_deep(out, dataset, capsys):
    path = first(out, dataset)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert cli.main(["verify", str(out)]) == 0
    assert cli.main(["verify", str(out), "--deep"]) == 3
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    assert len(told) == 1
    rel = path.relative_to(out / dataset)
    assert re.fullmatch(rf"    {rel}: has sha256 [0-9a-f]{{64}}, the manifest states [0-9a-f]{{64}}", told[0])


def test_a_truncated_shard_is_found_without_reading(out):
    path = first(out, "shards", ".parquet")
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-7])
    (found,) = problems(out)
    assert found == (
        "shards",
        f"{path.relative_to(out / 'shards')}: has {size - 7} bytes, the manifest states {size}",
    )


def test_a_missing_file_is_found(out):
    path = first(out, "tokens", ".idx")
    path.unlink()
    (found,) = problems(out)
    assert found == (
        "tokens",
        f"{path.relative_to(out / 'tokens')}: cannot be read: No such file or directory",
    )


@pytest.mark.parametrize(
    ("dataset", "change", "where", "text"),
    [
        ("ledger", lambda m: m.update(rows=5), "ledger", "rows: the manifest states 5, its tables hold 71"),
        ("ledger", lambda m: m.update(digest="0" * 32), "ledger", "digest: the manifest states 0000"),
        ("ledger", lambda m: m["files"][0].update(digest="0" * 32), "ledger", "has row digest"),
        ("shards", lambda m: m["files"][0].update(sha256="0" * 64), "shards", "the manifest states 0000"),
        ("shards", lambda m: m["files"].pop(), "shards", "digest"),
        ("documents", lambda m: m["files"][0].update(path="../../etc/passwd"), "documents", "unsafe path"),
        ("documents", lambda m: m.update(format=9), "documents", "format 9"),
        ("documents", lambda m: m.pop("inputs"), "documents", "inputs"),
        ("annotations", lambda m: m["inputs"].update(documents="0" * 32), "chain", "annotations: was made from documents"),
        ("documents", lambda m: m["facts"]["sources"]["lines"].update(records_in=67), "balance", "67 records in, but"),
        ("documents", lambda m: m["facts"].clear(), "balance", "misstates the counts"),
        ("ledger", lambda m: m["facts"]["sources"]["lines"].update(kept=61), "balance", "63 documents, but 61 kept"),
        ("ledger", lambda m: m["facts"]["sources"].pop("tree"), "balance", "select/tree: the ledger does not know"),
        ("eligibility", lambda m: m["facts"]["dropped"].clear(), "balance", "0 documents failed a rule, the ledger has 1"),
    ],
)  # fmt: skip
def test_an_edited_manifest_is_found(out, dataset, change, where, text):
    edit(out, dataset, change)
    found = problems(out, deep=True)
    assert [(d, told) for d, told in found if d == where and text in told], found


def test_a_manifest_that_is_no_json_hides_no_other_problem(out):
    (out / "documents" / "manifest.json").write_text("{")
    first(out, "shards").unlink()
    assert [dataset for dataset, _ in problems(out)] == ["documents", "shards"]


def test_a_dataset_without_its_manifest_is_missed_by_those_made_from_it(out):
    (out / "ledger" / "manifest.json").unlink()
    found = problems(out)
    assert ("chain", "metadata: was made from ledger, which holds no finished dataset") in found
    assert {dataset for dataset, _ in found} == {"chain"}


def test_a_changed_copy_is_found(out):
    mixture = out / "mixture.json"
    mixture.write_text(mixture.read_text().replace("0.", "1.", 1))
    (out / "report" / "index.html").unlink()
    found = dict(told.split(": ", 1) for dataset, told in problems(out) if dataset == "copies")
    assert found["mixture.json"].startswith("differs from mixture/attempts/")
    assert found["report/index.html"].startswith("is missing")


def test_a_dataset_alone_and_nothing_at_all(out, tmp_path):
    (seen,) = verify_out(str(out / "shards"), deep=True)
    assert seen.dataset == "shards" and not seen.problems
    with pytest.raises(DatasetMissing, match=r"no manifest\.json"):
        verify_out(str(tmp_path / "nowhere"), deep=False)
