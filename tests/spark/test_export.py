"""The exported mixture: plain files in one global order, the same bytes for any number of workers."""

import hashlib
import io
import json
import os
import shutil
from collections import Counter

import pyarrow.parquet as pq
import pytest
import zstandard

from pile_curate import manifest
from pile_curate.errors import SetupError
from pile_curate.shards.materialize import copies_of, copy_key
from pile_curate.spark import export
from pile_curate.spark.verify import verify_out

pytestmark = pytest.mark.spark
EPOCHS = {"lines": 2.5, "tree": 1.0}
SMALL = 4000
"""Bytes of text in a file: enough files to see an order among them."""


@pytest.fixture(scope="module")
def upsampled(corpus, tmp_path_factory):
    """The shards of the finished corpus, with a mixture that repeats documents."""
    _, out = corpus
    root = tmp_path_factory.mktemp("upsampled")
    shutil.copytree(out / "shards", root / "shards")
    mixture = json.loads((out / "mixture.json").read_text())
    for source in mixture["sources"]:
        wanted = EPOCHS[source["name"]]
        achieved = source["achieved"]
        achieved["bytes"] = round(achieved["bytes"] / achieved["epochs"] * wanted)
        achieved["epochs"] = wanted
    (root / "mixture.json").write_text(json.dumps(mixture))
    return root


def parts(folder) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.startswith("part-"))


def rows(folder) -> list[dict]:
    found = []
    for name in parts(folder):
        if name.endswith(".parquet"):
            found += pq.read_table(folder / name).to_pylist()
        else:
            reader = zstandard.ZstdDecompressor().stream_reader((folder / name).read_bytes())
            found += [json.loads(line) for line in io.TextIOWrapper(reader, encoding="utf-8")]
    return found


def ids(folder) -> list[str]:
    return [row["meta"]["doc_id"] for row in rows(folder)]


def expected(corpus, seed: int) -> list[str]:
    """Return the sequence as the definition says it: every copy of every document, by its key."""
    mixture = json.loads((corpus / "mixture.json").read_text())
    keyed = []
    for source in mixture["sources"]:
        for shard in source["shards"]:
            if shard["split"] != "train" or shard["format"] != "parquet":
                continue
            for row in pq.read_table(corpus / shard["path"]).to_pylist():
                who, name = row["meta"]["doc_id"], source["name"]
                for copy in range(copies_of(EPOCHS[name], seed, name, bytes.fromhex(who))):
                    keyed.append((copy_key(seed, name, bytes.fromhex(who), copy), who))
    return [who for _, who in sorted(keyed)]


@pytest.fixture(scope="module")
def exported(upsampled, spark, tmp_path_factory):
    to = tmp_path_factory.mktemp("export") / "to"
    told = export.materialize(str(upsampled), str(to), seed=5, max_bytes=SMALL, spark=spark)
    assert told.startswith(
        f"{len(ids(to))} documents in {len(parts(to))} files below {to} (lines x 2.5, tree x 1)"
    )
    return to


def test_the_folder_holds_plain_files_and_nothing_else(exported):
    names = sorted(name for name in os.listdir(exported) if not name.startswith("."))
    assert names == ["README.md", "manifest.json", *parts(exported)]
    assert parts(exported) == [f"part-{n:05d}.jsonl.zst" for n in range(len(parts(exported)))]
    assert len(parts(exported)) > 5
    (seen,) = verify_out(str(exported), deep=True)
    assert not seen.problems


def test_the_sequence_is_the_definition(exported, upsampled):
    assert ids(exported) == expected(upsampled, 5)
    often = Counter(ids(exported))
    by_source = Counter(row["meta"]["source"] for row in rows(exported))
    assert set(often.values()) == {1, 2, 3} and by_source["lines"] > 2 * by_source["tree"]


@pytest.mark.parametrize("cores", [1, 5])
def test_any_number_of_workers_writes_the_same_bytes(
    exported, upsampled, spark, tmp_path, monkeypatch, cores
):
    monkeypatch.setattr(export, "worker_cores", lambda session: cores)
    to = tmp_path / "to"
    export.materialize(str(upsampled), str(to), seed=5, max_bytes=SMALL, spark=spark)
    for name in parts(exported):
        assert (
            hashlib.sha256((to / name).read_bytes()).digest()
            == hashlib.sha256((exported / name).read_bytes()).digest()
        )
    theirs, ours = manifest.load(str(to)), manifest.load(str(exported))
    assert (theirs.digest, theirs.fingerprint) == (ours.digest, ours.fingerprint)


def test_parquet_holds_the_same_and_another_seed_another_order(exported, upsampled, spark, tmp_path):
    export.materialize(
        str(upsampled), str(tmp_path / "p"), format="parquet", seed=5, max_bytes=1 << 20, spark=spark
    )
    assert parts(tmp_path / "p") == ["part-00000.parquet"]
    assert rows(tmp_path / "p") == rows(exported)
    export.materialize(str(upsampled), str(tmp_path / "s"), seed=6, max_bytes=SMALL, spark=spark)
    assert ids(tmp_path / "s") == expected(upsampled, 6) != ids(exported)


def test_datasets_opens_the_folder_in_order(exported):
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(exported), split="train", streaming=True)
    assert [row["meta"]["doc_id"] for row in loaded] == ids(exported)


def test_what_is_not_ours_is_never_touched(exported, upsampled, tmp_path):
    with pytest.raises(SetupError, match="holds a finished dataset"):
        export.materialize(str(upsampled), str(exported))
    for name in ("thesis.tex", "part-00000.jsonl.zst"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(SetupError, match="name a new directory"):
            export.materialize(str(upsampled), str(folder))
        assert (folder / name).read_text() == "mine"
    with pytest.raises(SetupError, match="is a file"):
        export.materialize(str(upsampled), str(tmp_path / "thesis.tex" / "thesis.tex"))
    with (
        manifest.begin(str(tmp_path / "busy"), "materialize"),
        pytest.raises(SetupError, match="being written"),
    ):
        export.materialize(str(upsampled), str(tmp_path / "busy"))


def test_an_export_cut_short_is_begun_anew(exported, upsampled, spark, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    to = tmp_path / "to"
    with monkeypatch.context() as patch:
        patch.setattr(manifest.Attempt, "commit", full)
        with pytest.raises(OSError, match="No space"):
            export.materialize(str(upsampled), str(to), seed=5, max_bytes=SMALL * 2, spark=spark)
    assert parts(to) and manifest.find(str(to)) is None
    export.materialize(str(upsampled), str(to), seed=5, max_bytes=SMALL, spark=spark)
    assert ids(to) == ids(exported)
    assert not verify_out(str(to), deep=True)[0].problems
