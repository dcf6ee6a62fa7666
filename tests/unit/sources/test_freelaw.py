"""Court opinions: the three bulk layouts, which form of an opinion is read, rows told apart, and damage."""

from __future__ import annotations

import bz2
import io
import json
import random
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from pile_curate.files import RawFile
from pile_curate.sources import SOURCES
from pile_curate.sources.edges import plain_edges
from pile_curate.sources.freelaw import FreeLawOptions
from pile_curate.sources.freelaw_csv import COLUMNS, BadRow, RowCounter, fields, next_row
from tests.source_harness import Extracted, extract


def row(number: int, quote: str = '"', **columns: str) -> str:
    values = {
        "id": str(number),
        "date_created": "2014-10-30 06:37:33.5+00",
        "date_modified": "2020-01-01 00:00:00+00",
    }
    values |= {"type": "010combined", "cluster_id": str(number + 1000)} | columns

    def quoted(value: str) -> str:
        return quote + value.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote

    return ",".join(quoted(values[name]) if name in values else "" for name in COLUMNS) + "\n"


def run(root: Path, name: str, data: bytes, target: int = 1 << 28, **options: Any) -> Extracted:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)
    result = extract("freelaw", root, [name], options, target=target)
    assert result.records == result.tally.records
    return result


def csv(*rows: str, header: bool = True) -> bytes:
    return ((",".join(COLUMNS) + "\n" if header else "") + "".join(rows)).encode()


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("quote", ['"', "`"])
def test_rows_with_line_ends_quotes_and_backslashes(tmp_path: Path, quote: str) -> None:
    nasty = f'He said {quote}no{quote}, C:\\dir\\, 7,2001-01-01 00:00:00\n\n"5","2001-01-01",\\\\ and `6`,`2001\\n'
    data = csv(row(1, quote, plain_text=nasty), row(2, quote, html="<p>Second.</p>"))
    result = run(tmp_path, "opinions.csv.bz2", bz2.compress(data))
    assert result.keys() == ["1", "2"] and not result.rejects
    assert f"{quote}no{quote}, C:\\dir\\," in result.documents[0].text
    assert result.documents[1].meta["form"] == "html" and result.documents[1].meta["cluster"] == "1002"


def test_columns_are_those_of_the_header(tmp_path: Path) -> None:
    data = b'id,date_created,plain_text,cluster_id,new\n"7","2014-10-30 06:37:33","Held.","9","x"\n'
    (document,) = run(tmp_path, "opinions.csv", data).documents
    assert (document.text, document.meta["cluster"]) == ("Held.", "9")
    assert run(tmp_path, "opinions.csv", csv(row(1, html="<p>a</p>"), header=False)).keys() == ["1"]


def test_fields_as_postgresql_writes_them() -> None:
    assert fields(b'"1","a ""b"" c",,\r\n', list("abcd")) == {"a": b"1", "b": b'a "b" c', "c": b"", "d": b""}
    assert fields(rb'"1","a \"b\" \\ \n"', list("ab"))["b"] == rb'a "b" \ \n'
    for bad in (b'"1","a', b'"1","a"b', b'"1"', b'"1","2","3"'):
        with pytest.raises(BadRow):
            fields(bad, list("ab"))


def test_a_damaged_row_costs_itself_only(tmp_path: Path) -> None:
    rows = [row(i, html=f"<p>Opinion {i}.</p>") for i in range(1, 6)]
    rows[2] = rows[2].replace('"<p>', "<p>").rstrip("\n")[:-9] + "\n"
    result = run(tmp_path, "opinions.csv", csv(*rows))
    assert result.keys() == ["1", "2", "4", "5"] and result.reasons == {"bad_row": 1}


def test_plain_files_are_cut_at_rows(tmp_path: Path) -> None:
    draw = random.Random(3)
    rows = [row(i, html="<p>" + "word, \n" * draw.randrange(1, 60) + f"{i}</p>") for i in range(1, 80)]
    whole = run(tmp_path, "opinions.csv", csv(*rows))
    for target in (100, 1000, 5000):
        cut = run(tmp_path, "opinions.csv", csv(*rows), target)
        assert sorted(cut.keys()) == sorted(whole.keys()) and len(cut.tally.files) > 3
        assert {d.key: (d.text, d.record) for d in cut.documents} == {
            d.key: (d.text, d.record) for d in whole.documents
        }
    path = tmp_path / "opinions.csv"
    edges = plain_edges(RawFile(str(path), "opinions.csv", path.stat().st_size), 1000, next_row)
    assert all(path.read_bytes()[edge:].startswith(b'"') for edge in edges[1:-1])


def test_the_counter_is_indifferent_to_cuts() -> None:
    data = csv(*(row(i, '"' if i % 2 else "`", plain_text="a\n1,2\n" * i) for i in range(1, 30)))
    for step in (1, 7, 64, 1000):
        counter = RowCounter()
        for at in range(0, len(data), step):
            counter.feed(data[at : at + step])
        assert counter.close() == 29


def test_a_row_that_never_ends(tmp_path: Path) -> None:
    data = csv(row(1, html="<p>a</p>"), row(2, html="x" * (3 << 20)), row(3, html="<p>c</p>"))
    result = run(tmp_path, "opinions.csv", data, max_file_bytes=1 << 20)
    assert result.keys() == ["1", "3"] and result.reasons == {"record_too_large": 1}
    endless = run(tmp_path, "opinions.csv", data[: 2 << 20], max_file_bytes=1 << 20)
    assert endless.keys() == ["1"] and endless.reasons == {"record_too_large": 1}


def test_files_that_are_no_opinions(tmp_path: Path) -> None:
    assert run(tmp_path, "opinions.csv", b"name,age\nx,1\n").reasons == {"no_rows": 1}
    assert run(tmp_path, "opinions.csv", csv()).reasons == {}
    cut = bz2.compress(csv(*(row(i, html=f"<p>{i} {'y' * i}</p>") for i in range(1, 90))))
    assert "corrupt_file" in run(tmp_path, "opinions.csv.bz2", cut[:-20]).reasons


def opinion(number: int, **fields: Any) -> bytes:
    base = {
        "resource_uri": f"/api/rest/v3/opinions/{number}/",
        "cluster": "/api/rest/v3/clusters/9/",
        "author": None,
    }
    return json.dumps(base | {"plain_text": "", "html": "", "html_lawbox": ""} | fields).encode()


def test_bulk_json_of_a_court(tmp_path: Path) -> None:
    members = {
        "1.json": opinion(
            1, html="<p>A.</p>", html_lawbox="<p>B.</p>", type="020lead", author="/api/rest/v3/people/5/"
        ),
        "2.json": opinion(2, plain_text="  \n", html="<p> </p>", html_lawbox="<p>B.</p>"),
        "3.json": opinion(3, html="<p></p>"),
        "../4.json": opinion(4, html="<p>A.</p>"),
        "5.txt": b"x",
        "6.json": b"{",
        "7.json": opinion(
            7, html="Unable to extract the content from this file. Please try reading the original."
        ),
        "court.tar.gz": archive(**{"8.json": opinion(8)}),
    }
    result = run(tmp_path, "ca1.tar.gz", archive(**members))
    assert [(d.key, d.text, d.meta["court"], d.meta.get("authors", [])) for d in result.documents] == [
        ("1", "A.", "ca1", []),
        ("2", "B.", "ca1", []),
    ]
    assert result.reasons == {
        "no_text": 1, "unsafe_path": 1, "not_json": 1, "bad_json": 1, "not_extracted": 1, "nested_archive": 1,
    }  # fmt: skip
    loose = run(tmp_path, "ca2/12.json", json.dumps({"html": "<p>x</p>"}).encode())
    assert (loose.keys(), loose.documents[0].meta["court"]) == (["12"], "ca2")


def test_json_lines_and_options(tmp_path: Path) -> None:
    first = {
        "id": 1,
        "plain_text": "Plain.",
        "html": "<p>Marked.</p>",
        "extracted_by_ocr": True,
        "author_str": "Tern",
    }
    first |= {
        "absolute_url": "/opinion/9/a-v-b/",
        "case_name": "A v. B",
        "date_filed": "1999-01-02",
        "court_id": "ca1",
    }
    lines = json.dumps(first).encode() + b"\n\n" + b'{"id": 2}\n'
    (document,) = run(tmp_path, "o.jsonl", lines).documents
    assert document.text == "Plain." and document.url == "https://www.courtlistener.com/opinion/9/a-v-b/"
    assert (document.title, document.meta["authors"], document.meta["date"]) == (
        "A v. B",
        ["Tern"],
        "1999-01-02",
    )
    assert run(tmp_path, "o.jsonl", lines, prefer="html").documents[0].text == "Marked."
    assert run(tmp_path, "o.jsonl", lines, ocr="reject").reasons == {"ocr": 1, "no_opinion": 1}


@pytest.mark.parametrize(
    "body", [b'"' * 500_000, b'\\"' * 300_000, b'"a,' * 200_000, b"," * 500_000, b'""' * 300_000]
)
def test_rows_that_would_stall_a_parser(tmp_path: Path, body: bytes) -> None:
    began = time.process_time()
    result = run(tmp_path, "o.csv", b'"1","2014-10-30 06:37:33","' + body + b"\n")
    assert time.process_time() - began < 2 and not result.documents


def test_ranges_of_compressed_files_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "o.csv.bz2"
    path.write_bytes(bz2.compress(csv(row(1, html="<p>x</p>"))))
    file = RawFile(str(path), "o.csv.bz2", path.stat().st_size)
    assert len(SOURCES["freelaw"].splits([file], FreeLawOptions(), 10)) == 1
