"""What a finished run leaves for others: shards, token files, mixture, metadata, report, and answers to "why"."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import zstandard

from pile_curate import cli, manifest, schema
from pile_curate.report.format import words
from pile_curate.shards.tokenizer import load_tokenizer
from pile_curate.shards.tokens import TokenPart
from pile_curate.spark.pipeline import run
from tests.spark.test_pipeline import change, prose, write_dumps

pytestmark = pytest.mark.spark

ODD = (
    " <|endoftext|> is written here as the characters that it is <|endoftext|>",
    " caf\u00e9 na\u00efve \u6f22\u5b57\u3068\u304b\u306a \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\n\n\tindented\u2028a line separator, and \u05e9\u05dc\u05d5\u05dd \u0915\u094d\u0937 e\u0301",
    " " + "0123456789abcdef" * 40,
)
"""Ends of documents that a careless tokenizer, JSON reader or line splitter would change."""

LOADER = """
import json, socket, sys
def refuse(*args): raise OSError("nothing here may ask the network")
socket.socket.connect = socket.getaddrinfo = refuse
from datasets import load_dataset
folder, files, configs = json.load(sys.stdin)
read = lambda stream: {split: list(rows) for split, rows in stream.items()}
found = {config: read(load_dataset(folder, config, streaming=True)) for config in configs}
features = load_dataset(folder, "default", streaming=True)["train"].features
found["parquet files"] = read(load_dataset("parquet", data_files=files["parquet"], streaming=True))
found["jsonl files"] = read(load_dataset("json", data_files=files["jsonl"], features=features, streaming=True))
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def out(spark: Any, tmp_path_factory: Any) -> Path:
    root = tmp_path_factory.mktemp("products")
    recipe = write_dumps(root)
    rows = [{"text": prose(2000 + i) + end, "meta": {"id": f"odd-{i}"}} for i, end in enumerate(ODD)]
    (root / "one" / "odd.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "one" / "empty.jsonl").write_bytes(b"")
    change(recipe, lambda r: r.update(shards={"max_bytes": 12_000}))
    change(recipe, lambda r: r["sources"][0].update(pile_set_name="Lines & <other> things"))
    run(str(recipe), str(root / "out"), spark=spark, partitions=2, quiet=True)
    return root / "out"


def rows_of(out: Path, dataset: str) -> list[dict[str, Any]]:
    directory = str(out / dataset)
    paths = manifest.load(directory).paths(directory, "main")
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def kept(out: Path) -> dict[str, dict[str, Any]]:
    """What the shards should hold: the documents that the ledger keeps, by id."""
    wanted = {row["doc_id"]: row["split"] for row in rows_of(out, "ledger") if row["kept"]}
    found = {
        row["doc_id"].hex(): row
        for row in rows_of(out, "documents")
        if wanted.get(row["doc_id"]) == row["split"]
    }
    assert len(found) == len(wanted) > 60
    assert {row["key"] for row in found.values()} >= {f"odd-{i}" for i in range(len(ODD))}
    return found


def shard_files(out: Path, kind: str) -> list[Any]:
    return [f for f in manifest.load(str(out / "shards")).files if f.facts["format"] == kind]


def as_expected(kept: dict[str, dict[str, Any]], split: str, source: str = "") -> list[tuple[str, str]]:
    rows = kept.values()
    return sorted(
        (r["doc_id"].hex(), r["text"]) for r in rows if r["split"] == split and source in ("", r["source"])
    )


def test_every_shard_holds_what_the_ledger_keeps_once(out: Path, kept: dict[str, dict[str, Any]]) -> None:
    parquet, jsonl = shard_files(out, "parquet"), shard_files(out, "jsonl.zst")
    assert len(parquet) == len(jsonl) > 6
    seen: dict[str, list[str]] = {"parquet": [], "jsonl": []}
    for file in parquet:
        table = pq.read_table(out / "shards" / file.path)
        assert table.schema.equals(schema.SHARD) and table.num_rows == file.rows
        for row in table.to_pylist():
            document = kept[row["meta"]["doc_id"]]
            assert row["text"] == document["text"] and file.table == document["split"]
            names = {"lines": "Lines & <other> things", "tree": "tree"}
            assert row["meta"]["pile_set_name"] == names[document["source"]]
            assert row["meta"]["licence"] == document["licence"] and None not in row["meta"].values()
            seen["parquet"].append(row["meta"]["doc_id"])
    for file in jsonl:
        with zstandard.open(out / "shards" / file.path, "rt", encoding="utf-8", newline="\n") as stream:
            for line in stream:
                row = json.loads(line)
                assert row["text"] == kept[row["meta"]["doc_id"]]["text"]
                seen["jsonl"].append(row["meta"]["doc_id"])
    for ids in seen.values():
        assert sorted(ids) == sorted(kept), "each exactly once"


def test_datasets_streams_the_folder_and_the_files(
    out: Path, kept: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    files: dict[str, dict[str, list[str]]] = {"parquet": {}, "jsonl": {}}
    for kind, name in (("parquet", "parquet"), ("jsonl.zst", "jsonl")):
        for file in shard_files(out, kind):
            files[name].setdefault(file.table, []).append(str(out / "shards" / file.path))
    done = subprocess.run(
        [sys.executable, "-c", LOADER],
        input=json.dumps([str(out / "shards"), files, ["default", "lines", "tree"]]),
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert set(found["default"]) == set(schema.SPLITS)
    for name, splits in found.items():
        source = name if name in ("lines", "tree") else ""
        for split in schema.SPLITS:
            got = sorted((row["meta"]["doc_id"], row["text"]) for row in splits.get(split, []))
            assert got == as_expected(kept, split, source), (name, split)
    assert found["default"]["train"][0]["meta"].keys() == {f.name for f in schema.SHARD.field("meta").type}


def megatron(prefix: str) -> list[np.ndarray]:
    """Read ``.bin/.idx`` from the description of Megatron-LM's IndexedDataset alone; one array a document."""
    dtypes = {1: "u1", 2: "i1", 3: "i2", 4: "i4", 5: "i8", 6: "f8", 7: "f4", 8: "u2"}
    index, tokens = Path(prefix + ".idx").read_bytes(), Path(prefix + ".bin").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, documents = struct.unpack("<QBQQ", index[9:34])
    assert version == 1
    dtype = np.dtype("<" + dtypes[code])
    lengths = np.frombuffer(index, "<i4", sequences, 34)
    pointers = np.frombuffer(index, "<i8", sequences, 34 + 4 * sequences)
    borders = np.frombuffer(index, "<i8", documents, 34 + 12 * sequences)
    assert len(index) == 34 + 12 * sequences + 8 * documents and borders[-1] == sequences
    pieces = [np.frombuffer(tokens, dtype, n, at) for n, at in zip(lengths, pointers, strict=True)]
    assert sum(len(piece) for piece in pieces) * dtype.itemsize == len(tokens)
    return [np.concatenate(pieces[a:b]) for a, b in zip(borders, borders[1:], strict=False)]


def test_token_files_decode_to_the_texts(out: Path, kept: dict[str, dict[str, Any]]) -> None:
    from tokenizers import Tokenizer

    tokens = manifest.load(str(out / "tokens"))
    facts = tokens.facts["tokenizer"]
    path = out / "tokens" / facts["path"]
    loaded = load_tokenizer(path, facts["sha256"])
    plain = Tokenizer.from_file(str(path))
    seen: list[str] = []
    for file in tokens.select("bin"):
        prefix = str(out / "tokens" / file.path.removesuffix(".bin"))
        part, theirs = TokenPart(prefix), megatron(prefix)
        assert len(part) == len(theirs) == file.facts["documents"]
        assert part.tokens_total == file.facts["tokens"] and part.source == file.facts["source"]
        for name, ours, foreign, size in zip(part.doc_ids, part, theirs, part.text_bytes, strict=True):
            document = kept[name.hex()]
            assert (document["source"], document["split"]) == (file.facts["source"], file.facts["split"])
            assert np.array_equal(ours, foreign) and size == document["text_bytes"]
            assert (ours == loaded.eos_id).nonzero()[0].tolist() == [len(ours) - 1], "one end of text, last"
            assert loaded.decode(ours) == document["text"]
            assert plain.decode(foreign[:-1].tolist(), skip_special_tokens=False) == document["text"]
            seen.append(name.hex())
    assert sorted(seen) == sorted(kept)


def test_the_mixture_lists_every_file_with_its_sha256(out: Path, kept: dict[str, dict[str, Any]]) -> None:
    mixture = json.loads((out / "mixture.json").read_text("utf-8"))
    assert (out / "mixture.json").read_bytes() == Path(
        manifest.load(str(out / "mixture")).paths(str(out / "mixture"))[0]
    ).read_bytes()

    def sha256(rel: str) -> str:
        return hashlib.sha256((out / rel).read_bytes()).hexdigest()

    listed: list[str] = []
    for source in mixture["sources"]:
        for shard in source["shards"]:
            assert sha256(shard["path"]) == shard["sha256"]
            assert (out / shard["path"]).stat().st_size == shard["bytes"]
            listed.append(shard["path"])
        for split, parts in source["parts"].items():
            for part in parts:
                for key, suffix in (
                    ("bin_sha256", ".bin"),
                    ("idx_sha256", ".idx"),
                    ("docs_sha256", ".docs.parquet"),
                ):
                    assert sha256(part["prefix"] + suffix) == part[key]
                    listed.append(part["prefix"] + suffix)
            available = source["available"][split]
            mine = [r for r in kept.values() if (r["source"], r["split"]) == (source["name"], split)]
            assert available["documents"] == len(mine) == sum(part["documents"] for part in parts)
            assert available["bytes"] == sum(r["text_bytes"] for r in mine)
            assert available["tokens"] == sum(part["tokens"] for part in parts)
        licences = Counter(r["licence"] for r in kept.values() if r["source"] == source["name"])
        assert source["licences"] == dict(sorted(licences.items()))
    assert sha256(mixture["tokenizer"]["path"]) == mixture["tokenizer"]["sha256"]
    files = [f"{d}/{f.path}" for d in ("shards", "tokens") for f in manifest.load(str(out / d)).files]
    assert sorted([*listed, mixture["tokenizer"]["path"]]) == sorted(files), "all of them, each once"


def test_metadata_has_every_document_once(out: Path) -> None:
    documents = {row["doc_id"]: row for row in rows_of(out, "documents")}
    ledger = {row["doc_id"]: row for row in rows_of(out, "ledger")}
    metadata = rows_of(out, "metadata")
    assert sorted(row["doc_id"] for row in metadata) == sorted(documents) == sorted(ledger)
    for row in metadata:
        assert "text" not in row
        assert {n: row[n] for n in ("kept", "stage", "reason")} == {
            n: ledger[row["doc_id"]][n] for n in ("kept", "stage", "reason")
        }
        for name in ("split", "licence", "url", "key", "file", "record", "text_digest", "text_bytes"):
            assert row[name] == documents[row["doc_id"]][name]
        assert row["language"] and row["words"] > 0 and 0 <= row["language_score"] <= 1


def test_no_evaluation_text_has_a_twin_in_train(kept: dict[str, dict[str, Any]]) -> None:
    spaced = {split: Counter[str]() for split in schema.SPLITS}
    for row in kept.values():
        spaced[row["split"]][" ".join(row["text"].split())] += 1
    assert all(spaced.values())
    for split in ("validation", "test"):
        assert not set(spaced[split]) & set(spaced["train"])
    assert all(max(seen.values()) == 1 for seen in spaced.values())


class Page(HTMLParser):
    """Gather a page's visible text, and what a browser would load to show it."""

    LOADING = ("src", "srcset", "poster", "data", "background", "action", "ping")

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.styles: list[str] = []
        self.loads: list[tuple[str, str]] = []
        self.tags: Counter[str] = Counter()
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.inside = tag
        for name, value in attrs:
            if name in self.LOADING or (name == "href" and tag in ("link", "image", "use", "base")):
                self.loads.append((tag, value or ""))
            if name == "style":
                self.styles.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        (self.styles if self.inside == "style" else self.text).append(data)


def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    return page


def promised(out: Path) -> set[str]:
    """Return what the report must say: each source's name, and each reason as words."""
    sources = json.loads((out / "mixture.json").read_text("utf-8"))["sources"]
    reasons = {row["reason"] for row in rows_of(out, "rejects")}
    reasons |= {row["reason"] for row in rows_of(out, "ledger") if not row["kept"]}
    assert {"bad_json", "empty_file", "duplicate_record", "id_conflict"} <= reasons
    assert {"exact_duplicate", "near_duplicate", "gopher_quality.word_count"} <= reasons
    return {source["pile_set_name"] for source in sources} | {words(reason) for reason in reasons}


def test_the_report_is_one_file_that_says_it_all(out: Path) -> None:
    raw = (out / "report" / "index.html").read_text("utf-8")
    page = parsed(raw)
    text = " ".join(" ".join(page.text).split())
    assert [word for word in promised(out) if word not in text] == []
    assert [load for load in page.loads if not load[1].startswith("data:")] == []
    assert not page.tags.keys() & {"link", "script", "iframe", "object", "embed", "img", "other"}
    assert not [
        style for style in page.styles if "@import" in style or "url(" in style.replace("url(data:", "")
    ]
    assert "Nothing vanished." in text and "<other>" in text
    figures = json.loads((out / "report" / "figures.json").read_text("utf-8"))
    assert {source["name"] for source in figures["sources"]} == {"lines", "tree"}


def test_a_browser_shows_the_report(out: Path, tmp_path: Path) -> None:
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    browser = next((path for path in found if path), None)
    if browser is None:
        pytest.skip("no chromium or chrome on PATH")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += ["--enable-logging=stderr", f"--user-data-dir={tmp_path}", "--dump-dom"]
    done = subprocess.run(
        [*command, (out / "report" / "index.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode != 0 and "<html" not in done.stdout:
        pytest.skip(f"the browser does not start here: {done.stderr[-200:]}")
    text = " ".join(" ".join(parsed(done.stdout).text).split())
    assert [word for word in promised(out) if word not in text] == []
    assert "Refused to" not in done.stderr and "violates" not in done.stderr, "the page obeys its own policy"


def test_why_answers_for_every_kind(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = rows_of(out, "ledger")
    documents = {row["doc_id"]: row for row in rows_of(out, "documents")}

    def ask(question: str) -> str:
        assert cli.main(["why", question, "--out", str(out)]) == 0
        return capsys.readouterr().out

    first: dict[tuple[str, str], dict[str, Any]] = {}
    for row in ledger:
        first.setdefault((row["stage"], row["reason"]), row)
    assert {stage for stage, _ in first} == {"", "decide", "dedup"}
    for (stage, reason), row in first.items():
        told = ask(row["doc_id"].hex())
        assert documents[row["doc_id"]]["key"] in told and row["source"] in told
        if row["kept"]:
            assert "KEPT" in told
        elif stage == "decide":
            assert reason in told and row["measured"] in told and row["threshold"] in told
        else:
            assert words(reason) in told and row["twin"].hex() in told and f"{row['jaccard']:.4f}" in told
    rejects = rows_of(out, "rejects")
    assert {row["reason"] for row in rejects if row["key"]} >= {"duplicate_record", "id_conflict"}
    for row in rejects:
        told = ask(row["key"] or row["file"])
        assert row["reason"] in told and row["file"] in told and f"record {row['record']}" in told
    told = ask("a5")
    assert "document a5b7" in told and "duplicate_record" in told, (
        "a key may look like the beginning of an id"
    )
    digits = Counter(row["doc_id"].hex()[0] for row in ledger)
    common, number = digits.most_common(1)[0]
    assert number > 1 and f"{number} documents begin with {common}" in ask(common)
    assert cli.main(["why", "f" * 32, "--out", str(out)]) == 2
    assert "no document's id begins with" in capsys.readouterr().err
