"""Hostile and damaged dumps of every format in one run: what precedes the damage stays, and a row says where and why."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import tarfile
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
import zstandard

from pile_curate import manifest
from pile_curate.clean import PRESETS
from pile_curate.demo import web
from pile_curate.errors import CorruptInput, TooManyRejects
from pile_curate.sources import SOURCES
from pile_curate.spark.extract_task import SourceTask, extract
from pile_curate.spark.pipeline import run
from pile_curate.spark.verify import verify_out
from pile_curate.spark.why import why
from tests.spark.test_pipeline import prose

pytestmark = pytest.mark.spark

MIB = 1 << 20
BOMB_BYTES = 1 << 30
CPU_SECONDS = 0.05
MOJIBAKE = "\u00c3\u00a2\u00e2\u201a\u00ac\u00e2\u201e\u00a2 "
"""An apostrophe, misread twice as windows-1252: mending a megabyte of it takes half a CPU second."""

LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY lol0 "<row lol">'
    + "".join(f'<!ENTITY lol{i + 1} "{f"&lol{i};" * 10}">' for i in range(9))
    + "]>\n"
)
"""A billion laughs; its first entity looks like the beginning of a post."""


def lines(name: str, count: int) -> bytes:
    rows = (
        {"text": prose(sum(name.encode()) * 100 + i), "meta": {"id": f"{name}-{i}"}} for i in range(count)
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def zeros(size: int) -> bytes:
    """Return a zst of a good line, then ``size`` zero bytes without a newline: 32 kB for a GiB."""
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    blank = bytes(MIB)
    parts = [packer.compress(lines("bomb", 2)), *(packer.compress(blank) for _ in range(size // MIB))]
    return b"".join([*parts, packer.flush()])


def bad_checksum(data: bytes) -> bytes:
    packed = bytearray(gzip.compress(data, mtime=0))
    packed[-8] ^= 0xFF
    return bytes(packed)


def jsonl_files() -> dict[str, bytes]:
    cut = gzip.compress(lines("cut", 60), mtime=0)
    slow = json.dumps({"text": MOJIBAKE * 1_100_000, "meta": {"id": "slow-0"}}).encode()
    return {
        "whole.jsonl": lines("whole", 8),
        "cut.jsonl.gz": cut[: len(cut) * 2 // 3],
        "checksum.jsonl.gz": bad_checksum(lines("checksum", 5)),
        "bomb.jsonl.zst": zeros(BOMB_BYTES),
        "slow.jsonl.gz": gzip.compress(slow + b"\n" + lines("after-slow", 2), mtime=0),
        "empty.jsonl": b"",
    }


def page(name: str) -> bytes:
    """Return one response record, as a gzip member."""
    body = f"<html><title>{name}</title><body><p>{prose(sum(name.encode()) + 7000, 90)}</p></body></html>"
    headers = {"Content-Type": "text/html; charset=utf-8"}
    return web.response(f"https://{name}.example/", 200, headers, body.encode())


def lying(name: str, length: int) -> bytes:
    """Return one plain record whose WARC header states this many bytes too many."""
    head, block = gzip.decompress(page(name)).split(b"\r\n\r\n", 1)
    kept, _, stated = head.rpartition(b"Content-Length: ")
    return kept + b"Content-Length: %d\r\n\r\n" % (int(stated) + length) + block


def warc_files() -> dict[str, bytes]:
    pages = [page(f"cut-{i}") for i in range(4)]
    truthful = [gzip.decompress(page(f"truthful-{i}")) for i in range(3)]
    lies = [lying("short", -40), lying("long", 40), lying("endless", 50 * MIB)]
    mixed = b"".join(record for pair in zip(lies, truthful, strict=True) for record in pair)
    return {
        "whole.warc.gz": b"".join(page(f"whole-{i}") for i in range(3)),
        "cut.warc.gz": b"".join(pages)[: -len(pages[-1]) // 2],
        "cut-plain.warc": (gzip.decompress(page("plain-0")) + gzip.decompress(page("plain-1")))[:-200],
        "lying.warc": mixed,
        "empty.warc.gz": b"",
    }


def wiki_pages(first: int, *texts: str) -> list[str]:
    return [
        f"<page><title>Page {first + i}</title><ns>0</ns><id>{first + i}</id><revision><id>1</id>"
        f"<timestamp>2024-01-01T00:00:00Z</timestamp><model>wikitext</model><text>{text}</text></revision></page>\n"
        for i, text in enumerate(texts)
    ]


def wiki_files() -> dict[str, bytes]:
    head = '<mediawiki xml:lang="en"><siteinfo><dbname>testwiki</dbname></siteinfo>\n'
    texts = [prose(8000 + i) for i in range(12)]
    cut = [bz2.compress(part.encode()) for part in (head, *wiki_pages(10, *texts[3:6]), "</mediawiki>")]
    laughing = "".join(wiki_pages(30, texts[8], "&lol9;", texts[9]))
    return {
        "whole.xml.bz2": bz2.compress(
            (head + "".join(wiki_pages(1, *texts[:3])) + "</mediawiki>\n").encode()
        ),
        "cut.xml.bz2": b"".join(cut[:3]) + cut[3][:-30],
        "cut-plain.xml": (head + "".join(wiki_pages(20, *texts[6:8]))).encode(),
        "bomb.xml": (LAUGHS + head + laughing + "</mediawiki>\n").encode(),
        "empty.xml": b"",
    }


def thread(number: int, body: str) -> str:
    return (
        f'<row Id="{number}" PostTypeId="1" Score="3" AcceptedAnswerId="{number + 1}" Title="Question {number}" '
        f'CreationDate="2020-01-01T00:00:00.000" Body="&lt;p&gt;{body}&lt;/p&gt;" />\n'
        f'<row Id="{number + 1}" PostTypeId="2" ParentId="{number}" Score="5" '
        f'CreationDate="2020-01-02T00:00:00.000" Body="&lt;p&gt;{prose(9000 + number, 60)}&lt;/p&gt;" />\n'
    )


def stack_files() -> dict[str, bytes]:
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    good = [thread(n, prose(9500 + n, 60)) for n in (1, 11, 21, 31)]
    return {
        "whole.example/Posts.xml": (head + "<posts>\n" + good[0] + "</posts>\n").encode(),
        "cut.example/Posts.xml": (head + "<posts>\n" + good[1] + good[2][:100]).encode(),
        "bomb.example/Posts.xml": (head + LAUGHS + "<posts>\n" + thread(41, "&lol9;") + good[3] + "</posts>").encode(),
        "empty.example/Posts.xml": b"",
    }  # fmt: skip


def book_files() -> dict[str, bytes]:
    def book(seed: int) -> bytes:
        marks = [f"*** {edge} OF THE PROJECT GUTENBERG EBOOK NUMBER {seed} ***" for edge in ("START", "END")]
        return f"Title: Number {seed}\n\n{marks[0]}\n\n{prose(seed, 400)}\n\n{marks[1]}\n".encode()

    cut = gzip.compress(book(6002), mtime=0)
    return {"whole.txt": book(6001), "cut.txt.gz": cut[: len(cut) // 2], "empty.txt": b""}


def code_files() -> dict[str, bytes]:
    def source(name: str) -> bytes:
        return "".join(f"def {name}_{i}(value):\n    return value * {i}\n\n\n" for i in range(20)).encode()

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("first", "second"):
            info = tarfile.TarInfo(f"pkg/{name}.py")
            info.size = len(source(name))
            archive.addfile(info, io.BytesIO(source(name)))
    tar = buffer.getvalue()
    return {
        "tree/whole.py": source("whole"),
        "cut.tar": tar[: tar.index(b"def second_9")],
        "checksum.tar.gz": bad_checksum(tar.replace(b"def first_1(", b"def other_1(")),
        "empty.tar": b"",
    }


FILES = {
    "lines": ("jsonl", jsonl_files, {"id_key": "meta.id"}),
    "web": ("warc", warc_files, {}),
    "wiki": ("mediawiki", wiki_files, {}),
    "stack": ("stackexchange", stack_files, {}),
    "books": ("gutenberg", book_files, {}),
    "code": ("code", code_files, {}),
}

# Of each broken file: how many documents it gives (None: some), and its reject rows by reason.
EXPECTED: dict[str, dict[str, tuple[int | None, dict[str, int]]]] = {
    "lines": {
        "whole.jsonl": (8, {}),
        "cut.jsonl.gz": (None, {"truncated_record": 1, "corrupt_file": 1}),
        "checksum.jsonl.gz": (5, {"corrupt_file": 1}),
        "bomb.jsonl.zst": (2, {"truncated_record": 1, "corrupt_file": 1}),
        "slow.jsonl.gz": (2, {"guard_cpu": 1}),
        "empty.jsonl": (0, {"empty_file": 1}),
    },
    "web": {
        "whole.warc.gz": (3, {}),
        "cut.warc.gz": (3, {"truncated_record": 1, "corrupt_file": 1}),
        "cut-plain.warc": (1, {"truncated_record": 1}),
        "lying.warc": (3, {"bad_content_length": 3}),
        "empty.warc.gz": (0, {"empty_file": 1}),
    },
    "wiki": {
        "whole.xml.bz2": (3, {}),
        "cut.xml.bz2": (2, {"corrupt_file": 1}),
        "cut-plain.xml": (2, {"corrupt_file": 1}),
        "bomb.xml": (2, {"xml_error": 1}),
        "empty.xml": (0, {"empty_file": 1}),
    },
    "stack": {
        "whole.example/Posts.xml": (1, {}),
        "cut.example/Posts.xml": (1, {"truncated_record": 1, "corrupt_file": 1}),
        "bomb.example/Posts.xml": (1, {"xml_error": 1, "unclosed_record": 1, "orphan_answer": 1}),
        "empty.example/Posts.xml": (0, {"empty_file": 1}),
    },
    "books": {
        "whole.txt": (1, {}),
        "cut.txt.gz": (0, {"truncated_record": 1, "corrupt_file": 1}),
        "empty.txt": (0, {"empty_file": 1}),
    },
    "code": {
        "tree/whole.py": (1, {}),
        "cut.tar": (1, {"truncated_record": 1, "corrupt_file": 1}),
        "checksum.tar.gz": (2, {"corrupt_file": 1}),
        "empty.tar": (0, {"empty_file": 1}),
    },
}
FILE_LEVEL = ("corrupt_file", "empty_file", "truncated_record")


def write_recipe(root: Path, names: tuple[str, ...], **limits: Any) -> Path:
    raw = {
        "version": 1,
        "name": "broken",
        "seed": 3,
        "sources": [
            {"name": name, "format": FILES[name][0], "paths": [name], "licence": "CC0-1.0", "consent": "author",
             "weight": 1, "options": FILES[name][2]}
            for name in names
        ],
        "language": "off",
        "quality": "off",
        "limits": limits,
    }  # fmt: skip
    path = root / "recipe.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory: Any) -> Path:
    folder: Path = tmp_path_factory.mktemp("broken")
    for name, (_, build, _) in FILES.items():
        for rel, data in build().items():
            path = folder / name / rel
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def survived(spark: Any, root: Path) -> Path:
    """Everything at once, as far as metadata: the job must not die of any of it."""
    recipe = write_recipe(root, tuple(FILES), max_reject_fraction=1, cpu_seconds=CPU_SECONDS)
    out = root / "out"
    run(str(recipe), str(out), spark=spark, partitions=2, until="metadata", quiet=True)
    return out


def rows_of(out: Path, dataset: str) -> list[dict[str, Any]]:
    directory = str(out / dataset)
    paths = manifest.load(directory).paths(directory, "main")
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def test_what_precedes_the_damage_is_kept_and_the_rest_has_a_reason(survived: Path) -> None:
    documents: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows_of(survived, "documents"):
        documents.setdefault((row["source"], row["file"].partition("/")[2]), []).append(row)
    rejects: dict[tuple[str, str], Counter[str]] = {}
    for row in rows_of(survived, "rejects"):
        rejects.setdefault((row["source"], row["file"].partition("/")[2]), Counter())[row["reason"]] += 1
    for source, files in EXPECTED.items():
        for rel, (count, reasons) in files.items():
            assert dict(rejects.get((source, rel), {})) == reasons, rel
            found = documents.get((source, rel), [])
            assert len(found) == count or (count is None and 10 < len(found) < 60), (rel, len(found))
            assert all(len(row["text"]) > 100 for row in found)
    cut = sorted(documents["lines", "cut.jsonl.gz"], key=lambda row: row["record"])
    assert [row["key"] for row in cut] == [f"cut-{i}" for i in range(len(cut))], "every row before the damage"
    assert {(row["source"], row["file"]) for row in rows_of(survived, "documents")} <= {
        (source, f"{source}/{rel}") for source, files in EXPECTED.items() for rel in files
    }


def test_a_reject_says_where_and_why(survived: Path) -> None:
    rows = rows_of(survived, "rejects")
    assert all(row["stage"] == "extract" and row["file"] and row["record"] >= 0 for row in rows)
    errors = [row for row in rows if row["kind"] == "error"]
    assert all(row["detail"] for row in errors), [row for row in errors if not row["detail"]]
    assert {row["reason"] for row in rows if row["kind"] == "policy"} == {"orphan_answer"}
    said = {(row["file"], row["reason"]): row for row in rows}
    for file, reason, words in (
        ("lines/cut.jsonl.gz", "corrupt_file", "gz stream is truncated after"),
        ("lines/checksum.jsonl.gz", "corrupt_file", "incorrect data check"),
        ("lines/bomb.jsonl.zst", "corrupt_file", "more than 1000:1 (a decompression bomb?)"),
        ("lines/slow.jsonl.gz", "guard_cpu", f"more than {10 * CPU_SECONDS:g} CPU seconds"),
        ("web/lying.warc", "bad_content_length", "Content-Length"),
        ("wiki/cut.xml.bz2", "corrupt_file", "bz2 stream is truncated"),
        ("wiki/cut-plain.xml", "corrupt_file", "ends without </mediawiki>"),
        ("wiki/bomb.xml", "xml_error", "undefined entity"),
        ("stack/bomb.example/Posts.xml", "xml_error", "undefined entity"),
        ("books/cut.txt.gz", "corrupt_file", "gz stream is truncated"),
        ("code/cut.tar", "corrupt_file", "tar archive ends without its end mark"),
        ("code/empty.tar", "empty_file", ""),
    ):
        assert words in said[file, reason]["detail"], said[file, reason]
    bomb = said["lines/bomb.jsonl.zst", "corrupt_file"]
    assert 64 * MIB < bomb["record"] < 66 * MIB, "it is left at the cap, not at its end"
    assert "guard_cpu" in why(str(survived), "lines/slow.jsonl.gz")


def test_nothing_is_lost_on_the_way(survived: Path) -> None:
    facts = manifest.load(str(survived / "documents")).facts["sources"]
    documents, metadata = rows_of(survived, "documents"), rows_of(survived, "metadata")
    assert sorted(row["doc_id"] for row in metadata) == sorted(row["doc_id"] for row in documents)
    rejected = Counter[str]()
    for row in rows_of(survived, "rejects"):
        rejected[row["source"]] += row["records"]
    for source, seen in facts.items():
        mine = [row for row in documents if row["source"] == source]
        assert seen["records_in"] == sum(row["records"] for row in mine) + rejected[source], source
        assert seen["documents"] == len(mine)
    for dataset in verify_out(str(survived), deep=True):
        assert not dataset.problems, (dataset.dataset, dataset.problems)


def test_every_damaged_file_counts_as_one(survived: Path) -> None:
    """Also those whose bytes came in whole: an empty file, a plain file that is cut off."""
    facts = manifest.load(str(survived / "documents")).facts["sources"]
    for source, files in EXPECTED.items():
        damaged = sorted(
            f"{source}/{rel}" for rel, (_, reasons) in files.items() if {*FILE_LEVEL} & {*reasons}
        )
        assert [line.partition(": ")[0] for line in facts[source]["damage"]] == damaged
        assert facts[source]["damaged_files"] == len(damaged)


@pytest.mark.parametrize(
    ("limits", "error", "words"),
    [
        ({"max_reject_fraction": 1, "on_corrupt": "fail"}, CorruptInput, r"books/cut\.txt\.gz.*on_corrupt: fail"),
        ({"max_reject_fraction": 0.5}, TooManyRejects, r"2 damaged files.*max_reject_fraction is 0\.5"),
    ],
)  # fmt: skip
def test_the_recipe_decides_how_much_damage_is_too_much(
    spark: Any, root: Path, tmp_path: Path, limits: dict[str, Any], error: type[Exception], words: str
) -> None:
    recipe = write_recipe(root, ("books",), **limits)
    with pytest.raises(error, match=words):
        run(str(recipe), str(tmp_path / "out"), spark=spark, until="extract", quiet=True)
    for dataset in ("documents", "rejects"):
        assert manifest.find(str(tmp_path / "out" / dataset)) is None
        assert not list((tmp_path / "out" / dataset).rglob("*.parquet")), "a failed run leaves nothing"


def test_a_bomb_takes_little_memory(root: Path, tmp_path: Path) -> None:
    """What one task holds of a GiB in 32 kB: the 64 MiB of one line that the caps let through."""
    options = SOURCES["jsonl"].Options.model_validate({"id_key": "meta.id"})
    files = SOURCES["jsonl"].discover(str(root), ["lines/bomb*"], options)
    assert files[0].size < MIB // 8
    task = SourceTask(
        source="lines",
        format="jsonl",
        options=options,
        cleaning=PRESETS["prose"],
        licence="CC0-1.0",
        consent="author",
        seed=1,
        validation=0,
        test=0,
        cpu_seconds=30,
        memory_bytes=1 << 30,
        documents=str(tmp_path / "documents" / "attempts" / "1"),
        rejects=str(tmp_path / "rejects" / "attempts" / "1"),
        scratch=str(tmp_path),
        splits=tuple(SOURCES["jsonl"].splits(files, options)),
    )
    tracemalloc.start()
    try:
        result = extract(task)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.document_count == 2 and result.tallies[0].damage and not result.tallies[0].complete
    assert result.tallies[0].text_bytes < 66 * MIB
    assert peak < 100 * MIB, peak
