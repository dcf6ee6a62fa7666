"""Hugging Face ``datasets`` opens what we write: each format by file, and the folder by its card, streaming."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

import pytest  # noqa: E402
import yaml  # noqa: E402

from pile_curate.schema import SHARD  # noqa: E402
from pile_curate.shards.card import build_card  # noqa: E402
from pile_curate.shards.text import Kept, TextShards  # noqa: E402

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
    shards = TextShards(str(attempt), str(attempt.parent.parent), "00000", max_bytes=70, pile_set_names={"irc": "Ubuntu IRC"})
    shards.add_file(write_documents(rows), Kept(range(len(rows)), ["en"] * len(rows)))
    entries = shards.close()
    sources = []
    for name in ("wiki", "irc"):
        mine = [r for r in rows if r["source"] == name]
        sources.append(
            {
                "name": name,
                "pile_set_name": {"irc": "Ubuntu IRC"}.get(name, name),
                "licence": "CC-BY-SA-4.0",
                "consent": "author",
                "achieved": {"weight": 0.5, "epochs": 1.0},
                "available": {
                    split: {"documents": sum(r["split"] == split for r in mine), "bytes": 10, "tokens": 5}
                    for split in ("train", "validation", "test")
                },
                "licences": {"CC-BY-SA-4.0": len(mine) - 1, "LicenseRef-odd": 1},
                "shards": [
                    {"path": f"shards/{e.path}", "split": e.table, "rows": e.rows}
                    for e in entries
                    if e.facts["source"] == name
                ],
            }
        )
    mixture = {"name": "demo | test", "unit": "tokens", "sources": sources}
    return tmp_path / "out", rows, entries, mixture


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
    out, rows, entries, _ = corpus
    features = datasets.Features.from_arrow_schema(SHARD)
    files = {}
    for entry in entries:
        if entry.path.endswith(suffix):
            files.setdefault(entry.table, []).append(str(out / "shards" / entry.path))
    assert len(files["train"]) >= 3
    stream = datasets.load_dataset(loader, data_files=files, streaming=True)
    for split in ("train", "validation", "test"):
        assert sorted(map(key, stream[split])) == expected(rows, split)
        assert stream[split].features == features, "the empty strings of one source are strings too"


def test_json_of_dates_opens_with_stated_features(corpus) -> None:
    """The loader guesses a column of dates to be times, so the first file would rule out every other title."""
    out, rows, entries, _ = corpus
    files = [
        str(out / "shards" / e.path)
        for e in entries
        if e.facts["source"] == "irc" and e.path.endswith(".jsonl.zst")
    ]
    features = datasets.Features.from_arrow_schema(SHARD)
    stream = datasets.load_dataset("json", data_files=files, features=features, streaming=True)["train"]
    assert sorted(map(key, stream)) == expected(rows, source="irc")
    assert all(row["meta"]["title"].startswith("2004-07-0") for row in stream)


@pytest.mark.parametrize("base", ["", "shards/"])
def test_by_folder_with_the_card(corpus, base) -> None:
    out, rows, _, mixture = corpus
    folder = out / base
    (folder / "README.md").write_text(build_card(mixture, languages={"en": 18}, base=base))
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
    _, _, _, mixture = corpus
    card = build_card(mixture, languages={"en": 17, "": 1})
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["license"] == ["cc-by-sa-4.0", "other"] and head["language"] == ["en"]
    assert head["size_categories"] == ["n<1K"]
    assert "18 documents" in card and "| Ubuntu IRC |" in card and "| LicenseRef-odd | 2 |" in card
    assert 'load_dataset("PATH/OF/THIS/FOLDER", "wiki"' in card
    assert ".jsonl.zst" not in card.split("---\n")[1]
    with pytest.raises(ValueError, match="not below tokens/"):
        build_card(mixture, base="tokens/")


def test_a_source_called_default_keeps_its_own_configuration(corpus) -> None:
    _, _, _, mixture = corpus
    mixture["sources"][1]["name"] = "default"
    head = yaml.safe_load(build_card(mixture).split("---\n")[1])
    assert [c["config_name"] for c in head["configs"]] == ["default", "wiki", "source-default"]
