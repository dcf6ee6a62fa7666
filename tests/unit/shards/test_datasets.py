"""Hugging Face ``datasets`` opens what we write: each format by file, and the folder by its card, streaming."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

import pytest
import yaml

from pile_curate.schema import SHARD
from pile_curate.shards.card import build_card
from pile_curate.shards.text import Kept, TextShards

datasets = pytest.importorskip("datasets")


@pytest.fixture
def corpus(tmp_path: Path, make, write_documents, monkeypatch):
    """An output directory with two sources, three splits, several files, dates as titles, and a card."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = [
        make("wiki", f"w{n}", f"text {n}\n" * 3, ["train", "train", "validation", "test"][n % 4], url=None)
        for n in range(12)
    ]
    rows += [
        make("irc", f"i{n}", f"<a> hi {n} \U0001f600\u2028", title=f"2004-07-{n + 1:02d}") for n in range(6)
    ]
    attempt = tmp_path / "out" / "shards" / "attempts" / "a1"
    shards = TextShards(
        str(attempt), str(attempt.parent.parent), "00000", max_bytes=70, pile_set_names={"irc": "Ubuntu IRC"}
    )
    shards.add_file(write_documents(rows), Kept(range(len(rows)), ["en"] * len(rows)))
    entries = shards.close()
    licences = {"wiki": {"CC-BY-SA-4.0": 11, "LicenseRef-odd": 1}, "irc": {"CC-BY-SA-4.0": 6}}
    card = build_card("demo | test", entries, licences=licences, languages={"wiki": {"en": 11, "": 1}})
    (tmp_path / "out" / "shards" / "README.md").write_text(card)
    return tmp_path / "out" / "shards", rows, entries


def key(row) -> tuple[str, str]:
    return row["meta"]["doc_id"], row["text"]


def expected(rows, split=None, source=None):
    return sorted(
        (r["doc_id"].hex(), r["text"])
        for r in rows
        if split in (None, r["split"]) and source in (None, r["source"])
    )


@pytest.mark.parametrize(("loader", "suffix"), [("parquet", ".parquet"), ("json", ".jsonl.zst")])
def test_by_files_streaming(corpus, loader, suffix) -> None:
    folder, rows, entries = corpus
    features = datasets.Features.from_arrow_schema(SHARD)
    files = {}
    for entry in entries:
        if entry.path.endswith(suffix):
            files.setdefault(entry.table, []).append(str(folder / entry.path))
    assert len(files["train"]) >= 3
    stream = datasets.load_dataset(loader, data_files=files, streaming=True)
    for split in ("train", "validation", "test"):
        assert sorted(map(key, stream[split])) == expected(rows, split)
        assert stream[split].features == features, "the empty strings of one source are strings too"


def test_json_of_dates_opens_with_stated_features(corpus) -> None:
    """The loader guesses a column of dates to be times, so the first file would rule out every other title."""
    folder, rows, entries = corpus
    files = [
        str(folder / e.path) for e in entries if e.facts["source"] == "irc" and e.path.endswith(".jsonl.zst")
    ]
    features = datasets.Features.from_arrow_schema(SHARD)
    stream = datasets.load_dataset("json", data_files=files, features=features, streaming=True)["train"]
    assert sorted(map(key, stream)) == expected(rows, source="irc")
    assert all(row["meta"]["title"].startswith("2004-07-0") for row in stream)


def test_by_folder_with_the_card(corpus) -> None:
    folder, rows, _ = corpus
    for name, source in (("default", None), ("wiki", "wiki"), ("irc", "irc")):
        stream = datasets.load_dataset(str(folder), name, streaming=True)
        found = {split: sorted(map(key, stream[split])) for split in stream}
        assert found == {
            split: part
            for split in ("train", "validation", "test")
            if (part := expected(rows, split, source))
        }
        assert stream["train"].features == datasets.Features.from_arrow_schema(SHARD)


def test_the_card_reads_well(corpus) -> None:
    folder, _, _ = corpus
    card = (folder / "README.md").read_text()
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["license"] == ["cc-by-sa-4.0", "other"] and head["language"] == ["en"]
    assert head["size_categories"] == ["n<1K"]
    assert "18 documents" in card and "| LicenseRef-odd | 1 |" in card and "| CC-BY-SA-4.0 | 17 |" in card
    assert "| Ubuntu IRC | 6 |" in card and "| train | 12 |" in card
    assert 'load_dataset("PATH/OF/THIS/FOLDER", "wiki"' in card
    assert ".jsonl.zst" not in card.split("---\n")[1]


def test_a_source_called_default_keeps_its_own_configuration(corpus) -> None:
    _, _, entries = corpus
    renamed = [
        replace(e, facts={**e.facts, "source": "default"}) if e.facts["source"] == "irc" else e
        for e in entries
    ]
    head = yaml.safe_load(build_card("x", renamed, licences={}).split("---\n")[1])
    assert [c["config_name"] for c in head["configs"]] == ["default", "source-default", "wiki"]


def test_an_empty_corpus_has_a_card_too() -> None:
    head = yaml.safe_load(build_card("x", [], licences={}).split("---\n")[1])
    assert head["configs"] == [] and head["license"] == ["unknown"]
