"""JSON lines: options, broken lines, long lines, range splits, compressed and damaged files."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.sources import SOURCES
from pile_curate.sources.base import Raw
from pile_curate.sources.jsonl import JsonlOptions, JsonlSource, LineCounter
from tests.source_harness import extract

LINE = b'{"text": "a short line"}\n'


def one(record: Any, **options: Any) -> Any:
    body = record if isinstance(record, bytes) else json.dumps(record).encode()
    (outcome,) = JsonlSource().parse(Raw("a/b.jsonl", 120, body), JsonlOptions(**options))
    return outcome


def test_lm_dataformat() -> None:
    doc = one({"text": "Hello.", "meta": {"pile_set_name": "Notes"}})
    assert (doc.text, doc.key, doc.records, doc.meta) == (
        "Hello.",
        "a/b.jsonl:120",
        1,
        {"pile_set_name": "Notes"},
    )
    assert one({"text": ["One.", "Two."]}).text == "One.\n\nTwo."
    assert one({"text": ["One.", "Two."]}, joiner=" ").text == "One. Two."
    assert one(b'\xef\xbb\xbf{"text": "after a mark"}').text == "after a mark"


def test_keys_may_be_dotted_or_literal() -> None:
    record = {
        "body": {"raw": "Text."},
        "meta": {"id": 9, "url": "https://e.org/9", "t": "Nine", "rights": "CC0-1.0"},
    }
    doc = one(
        record,
        text_key="body.raw",
        id_key="meta.id",
        url_key="meta.url",
        title_key="meta.t",
        licence_key="meta.rights",
    )
    assert (doc.text, doc.key, doc.url, doc.title, doc.licence) == (
        "Text.",
        "9",
        "https://e.org/9",
        "Nine",
        "CC0-1.0",
    )
    assert one({"a.b": "literal", "a": {"b": "dotted"}}, text_key="a.b").text == "literal"


def test_a_claim_that_is_no_spdx_expression_is_only_noted() -> None:
    doc = one({"text": "x", "licence": "free, I think"}, licence_key="licence")
    assert doc.licence is None and doc.meta == {"licence_claimed": "free, I think"}


@pytest.mark.parametrize(
    ("body", "reason", "hint"),
    [
        (b'{"text": "cut', "bad_json", "unexpected end"),
        (b'{"text": "a"} trailing', "bad_json", ""),
        (b"[1, 2]", "not_an_object", "list"),
        (b'"text"', "not_an_object", "str"),
        (b"null", "not_an_object", "NoneType"),
        (b'{"txt": "a"}', "missing_text", "'txt'"),
        (b'{"text": null}', "missing_text", ""),
        (b'{"text": 7}', "bad_text", "int"),
        (b'{"text": ["a", 7]}', "bad_text", "list"),
        (b'{"text": {"a": "b"}}', "bad_text", "dict"),
        (b'{"text": "\xff\xfe"}', "invalid_utf8", "0xff at 10"),
        (b"[" * 100_000, "bad_json", ""),
        (b'{"text": ' + b"9" * 10_000 + b"}", "bad_text", ""),
    ],
)
def test_a_bad_line_is_one_error_reject(body: bytes, reason: str, hint: str) -> None:
    reject = one(body)
    expected = (
        ("bad_json", "bad_text") if reason == "bad_text" else (reason,)
    )  # Python caps the digits of a number
    assert reject.reason in expected and hint in reject.detail
    assert (reject.kind, reject.records, reject.record) == ("error", 1, 120)


def test_ids() -> None:
    assert one({"text": "x", "id": "k"}, id_key="id").key == "k"
    for bad in ({}, {"id": None}, {"id": True}, {"id": 1.5}, {"id": ""}, {"id": [1]}):
        assert one({"text": "x", **bad}, id_key="id").reason == "bad_id"


def test_meta_is_storable() -> None:
    import orjson

    doc = one(
        b'{"text": "x", "meta": {"nan": NaN, "big": 99999999999999999999, "s": "\\ud800", "l": [1e999]}}'
    )
    assert doc.meta == {"nan": None, "big": "99999999999999999999", "s": "?", "l": [None]}
    assert orjson.dumps(doc.meta)
    large = one({"text": "x", "meta": {"blob": "y" * 100_000}})
    assert list(large.meta) == ["meta_omitted_bytes"]
    assert one({"text": "x", "meta": "a string"}).meta == {}


def test_line_ends_and_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\n \t\r\n{"text": "a"}\r\n\r\n{"text": "b\\u2028"}\n  {"text": "c"}')
    result = extract("jsonl", tmp_path)
    assert [d.text for d in result.documents] == ["a", "b", "c"]
    assert [d.record for d in result.documents] == [5, 22, 42]
    assert result.records == result.tally.records == 3


def test_a_line_above_the_cap_costs_only_itself(tmp_path: Path) -> None:
    long = b'{"text": "' + b"x" * 40_000_000 + b'"}\n'
    (tmp_path / "a.jsonl").write_bytes(LINE + long + LINE + long.strip())
    tracemalloc.start()
    result = extract("jsonl", tmp_path, options={"max_line_bytes": 100_000})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    assert result.reasons == {"line_too_long": 2} and len(result.documents) == 2
    assert [r.raw_bytes for r in result.rejects] == [len(long) - 1] * 2
    assert [r.record for r in result.rejects] == [len(LINE), 2 * len(LINE) + len(long)]
    assert result.records == result.tally.records == 4


def test_a_long_line_of_blanks_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINE + b" " * 3_000_000 + b"\n" + LINE)
    result = extract("jsonl", tmp_path, options={"max_line_bytes": 1024})
    assert result.reasons == {} and result.records == result.tally.records == 2


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gz", "zst"])
def test_compressed_files_and_their_truncation(tmp_path: Path, pack: Any) -> None:
    lines = [json.dumps({"text": f"record {i} " + os.urandom(40).hex()}).encode() for i in range(200)]
    whole = pack(b"\n".join(lines[:100]) + b"\n") + pack(b"\n".join(lines[100:]))
    path = tmp_path / "a.jsonl.x"
    path.write_bytes(whole)
    full = extract("jsonl", tmp_path)
    assert len(full.documents) == 200 and not full.rejects and all(f.complete for f in full.tally.files)
    path.write_bytes(whole[: len(whole) * 3 // 4])
    cut = extract("jsonl", tmp_path)
    assert cut.keys() == full.keys()[: len(cut.documents)] and len(cut.documents) >= 100
    assert cut.reasons["corrupt_file"] == 1 and set(cut.reasons) <= {"corrupt_file", "truncated_record"}
    assert cut.records == cut.tally.records and not cut.tally.files[0].complete
    assert [r.records for r in cut.rejects if r.reason == "corrupt_file"] == [0]


def test_a_bomb_keeps_the_rows_before_it(tmp_path: Path) -> None:
    packer = zstandard.ZstdCompressor().compressobj()
    packed = packer.compress(LINE * 5 + b'{"text": "') + b"".join(
        packer.compress(bytes(1 << 20)) for _ in range(90)
    )
    (tmp_path / "a.jsonl.zst").write_bytes(packed + packer.flush())
    tracemalloc.start()
    result = extract("jsonl", tmp_path, options={"max_line_bytes": 1 << 20})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(result.documents) == 5 and peak < 160 << 20
    assert (
        result.reasons == {"truncated_record": 1, "corrupt_file": 1} and "bomb" in result.rejects[-1].detail
    )
    assert result.records == result.tally.records == 6


def test_nothing_but_an_empty_frame_is_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.zst").write_bytes(zstandard.ZstdCompressor().compress(b""))
    (tmp_path / "b.jsonl").write_bytes(b"\n\n")
    result = extract("jsonl", tmp_path)
    assert result.reasons == {"empty_file": 1} and result.records == result.tally.records == 0


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(
        st.sampled_from([b"", b"  ", LINE.strip(), b"{bad", b'{"text": "' + b"y" * 70 + b'"}']), max_size=30
    ),
    end=st.sampled_from([b"", b"\n"]),
    target=st.integers(1, 120),
)
def test_any_cut_into_ranges_gives_the_same(
    tmp_path_factory: Any, lines: list[bytes], end: bytes, target: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    (folder / "a.jsonl").write_bytes(b"\n".join(lines) + end)
    whole = extract("jsonl", folder)
    fmt = SOURCES["jsonl"]
    splits = fmt.splits(fmt.discover(str(folder), ["."], None), None, target)
    cut = extract("jsonl", folder, splits=splits)
    assert cut.documents == whole.documents
    assert [r for r in cut.rejects if r.records] == [r for r in whole.rejects if r.records]
    assert cut.tally.records == whole.tally.records == cut.records
    assert sum(f.bytes for f in cut.tally.files) == sum(f.bytes for f in whole.tally.files)


def test_a_compressed_file_is_never_cut(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(gzip.compress(os.urandom(5000)))
    fmt = SOURCES["jsonl"]
    (split,) = fmt.splits(fmt.discover(str(tmp_path), ["."], None), None, 100)
    assert (split.start, split.stop) == (0, None)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([b"a", b" ", b"\n", b"\r", b"\t", b"\x0b", b"{}", b"\n\n"]), max_size=40),
    st.data(),
)
def test_counter_counts_visible_lines_in_any_cut(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    counter = LineCounter()
    at = 0
    while at < len(whole):
        step = data.draw(st.integers(1, 5))
        counter.feed(whole[at : at + step])
        at += step
    assert counter.close() == sum(bool(line.strip(b" \t\r\x0b\x0c")) for line in whole.split(b"\n"))


@pytest.mark.skipif("PILE_CURATE_SAMPLES" not in os.environ, reason="PILE_CURATE_SAMPLES is not set")
def test_a_real_file() -> None:
    result = extract("jsonl", Path(os.environ["PILE_CURATE_SAMPLES"]) / "jsonl_zst", ["*.zst"])
    assert result.records == result.tally.records == len(result.documents) > 3000
    assert result.rejects == []


def test_archives_of_json_lines_are_counted_by_line(tmp_path):
    import gzip
    import io as io_
    import tarfile

    def tar(files):
        buffer = io_.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io_.BytesIO(data))
        return buffer.getvalue()

    from tests.source_harness import extract

    line = b'{"text": "A line.", "meta": {"url": "http://x"}}\n'
    cut = gzip.compress(line * 3000)
    bomb = gzip.compress(b" " * 80_000_000)
    members = {"a/1.jsonl": line * 2 + b"\n" + line, "a/2.jsonl.gz": gzip.compress(line), "a/3.jsonl.gz": cut[: len(cut) // 2],
               "a/4.jsonl": b"", "a/x.txt": line, "a/5.jsonl.gz": bomb, "../6.jsonl": line}  # fmt: skip
    (tmp_path / "a.tar").write_bytes(tar(members))
    found = extract("jsonl", tmp_path, ["a.tar"])
    assert found.records == found.tally.records > 4
    assert found.keys()[:4] == [
        "a.tar!a/1.jsonl:0",
        "a.tar!a/1.jsonl:49",
        "a.tar!a/1.jsonl:99",
        "a.tar!a/2.jsonl.gz:0",
    ]
    assert len(set(found.keys())) == len(found.documents)
    assert (
        found.reasons["not_jsonl"] == 1
        and found.reasons["unsafe_path"] == 1
        and found.reasons["empty_file"] == 1
    )
    assert found.reasons["corrupt_file"] >= 1
