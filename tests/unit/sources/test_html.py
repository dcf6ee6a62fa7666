"""Saved pages: names, addresses, encodings, archives and damage."""

import gzip
import os
import time
from pathlib import Path

import pytest

from pile_curate.demo.books_dump import tar
from pile_curate.sources.html import _LOOKS_HTML
from tests.source_harness import extract

PARAGRAPH = "<p>The harbour office opens at six, before the first boats come in with their catch, and closes at dusk.</p>"
PAGE = f"<html><head><title>T</title></head><body><h1>T</h1>{PARAGRAPH * 3}</body></html>"


def run(tmp_path, files, **options):
    for name, body in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body if isinstance(body, bytes) else body.encode())
    found = extract("html", tmp_path, ["."], options)
    assert found.records == found.tally.records
    return found


def test_names_decide_and_content_where_they_say_nothing(tmp_path):
    names = ["a.html", "b.HTM", "c.php?id=3", "d.xhtml", "wiki/Some_Page", "x.css", "y.png", "z.html.gz"]
    files = {name: PAGE for name in names} | {"README": "plain", "z.html.gz": gzip.compress(PAGE.encode())}
    found = run(tmp_path, files)
    assert sorted(found.keys()) == ["a.html", "b.HTM", "c.php?id=3", "d.xhtml", "wiki/Some_Page", "z.html.gz"]
    assert found.reasons == {"not_html": 3}


def test_addresses(tmp_path):
    page = PAGE.replace("<title>", '<link rel=canonical href="https://a.example/b"><title>')
    found = run(tmp_path, {"x/ä b.html": PAGE, "c.html": page}, url_prefix="https://m.example/")
    assert {d.key: d.url for d in found.documents} == {
        "c.html": "https://a.example/b",
        "x/ä b.html": "https://m.example/x/%C3%A4%20b.html",
    }


@pytest.mark.parametrize(
    ("label", "codec", "word"),
    [("shift_jis", "cp932", "港の事務所"), ("koi8-r", "koi8-r", "гавань"), ("", "utf-16", "hafenbüro")],
)
def test_encodings(tmp_path, label, codec, word):
    meta = f'<meta charset="{label}">' if label else ""
    page = PAGE.replace("<title>", f"{meta}<title>").replace("office", word)
    assert word in run(tmp_path, {"a.html": page.encode(codec)}).documents[0].text


def test_what_is_no_page(tmp_path):
    files = {"menu.html": "<ul><li><a href=a>a</a></ul>", "bytes.html": bytes(range(256)) * 40, "empty.html": b"",
             "cut.html.gz": gzip.compress(PAGE.encode() * 50)[:90]}  # fmt: skip
    found = run(tmp_path, files)
    assert not found.documents
    assert (
        found.reasons["no_main_content"] == 1
        and found.reasons["not_text"] == 1
        and found.reasons["empty_file"] == 1
    )
    assert found.reasons["corrupt_file"] == 1


def test_archives_nested_and_hostile(tmp_path):
    inner = tar({"in.html": PAGE.encode()})
    bomb = gzip.compress(b"\0" * 50_000_000)
    files = {"m/a.html": PAGE.encode(), "m/n.tar": inner, "m/b.html.gz": bomb, "../out.html": PAGE.encode()}
    began = time.process_time()
    found = run(tmp_path, {"m.tar": tar(files)})
    assert time.process_time() - began < 2
    assert found.keys() == ["m.tar!m/a.html"]
    assert found.reasons == {"not_html": 1, "record_too_large": 1, "unsafe_path": 1}


def test_deep_and_odd_pages_cost_linear_time(tmp_path):
    began = time.process_time()
    found = run(
        tmp_path, {"deep.html": "<div>" * 100_000 + PARAGRAPH * 3, "lt.html": "<a rel=license " * 20_000}
    )
    assert _LOOKS_HTML.match(b"<!--x-->" * 20_000) is None
    assert time.process_time() - began < 2 and found.records == 2


@pytest.mark.skipif(
    "PILE_CURATE_SAMPLES" not in os.environ, reason="PILE_CURATE_SAMPLES names no folder of samples"
)
def test_a_real_page():
    found = extract("html", Path(os.environ["PILE_CURATE_SAMPLES"]) / "gutenberg", ["*.htm"])
    assert found.documents[0].title.startswith("Moby Dick") and len(found.documents[0].text) > 1_000_000
