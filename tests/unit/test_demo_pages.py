"""The demo's books, links, pages, documentation and tables: the same bytes each time, and what is read from them."""

from pathlib import Path

import pytest

from pile_curate.demo import books_dump, pages_dump
from tests.source_harness import extract


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    root = tmp_path_factory.mktemp("raw")
    for name, data in {**books_dump.dumps(), **pages_dump.dumps()}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_dumps_are_the_same_each_time():
    assert books_dump.dumps() == books_dump.dumps() and pages_dump.dumps() == pages_dump.dumps()


@pytest.mark.parametrize(
    ("name", "pattern", "options", "documents", "reasons"),
    [
        ("epub", "bookcorpus2/*.epub", {}, 4, {"corrupt_epub"}),
        ("epub", "books3/*.tar", {}, 4, {"encrypted", "not_epub"}),
        ("jsonl", "openwebtext2/*.tar", {"url_key": "meta.url"}, 4, {"bad_json", "corrupt_file", "not_jsonl"}),
        ("html", "site", {}, 4, {"no_main_content", "not_html"}),
        ("docs", "docs", {}, 4, {"licence_file", "not_docs", "undecodable"}),
        ("parquet", "tables/data/*.parquet", {"id_key": "id", "licence_key": "licence"}, 4, {"missing_text", "corrupt_file"}),
    ],
)  # fmt: skip
def test_what_is_read(raw: Path, name, pattern, options, documents, reasons):
    found = extract(name, raw, [pattern], options)
    assert found.records == found.tally.records
    assert len(found.documents) == documents and set(found.reasons) == reasons
    assert all(len(document.text.split()) > 100 for document in found.documents)
    assert not any(
        mark in document.text for document in found.documents for mark in ("</", "shields.io", "epub:")
    )
