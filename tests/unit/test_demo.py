"""The demo: what its raw dumps hold, that they are the same every time, and that nothing of this machine is in them."""

from __future__ import annotations

import gzip
import re
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from pile_curate.clean import clean
from pile_curate.components import COMPONENTS
from pile_curate.demo import build_demo, dumps, stdlib, web
from pile_curate.hashing import text_digest, uniform
from pile_curate.recipe import load_recipe
from pile_curate.schema import doc_id
from pile_curate.sources import SOURCES
from tests.source_harness import Extracted, extract


@pytest.fixture(scope="module")
def demo(tmp_path_factory: Any) -> Path:
    return build_demo(tmp_path_factory.mktemp("demo")).parent


@pytest.fixture(scope="module")
def extracted(demo: Path) -> dict[str, Extracted]:
    recipe = yaml.safe_load((demo / "recipe.yaml").read_text("utf-8"))
    return {s["name"]: extract(s["format"], demo, s["paths"], s.get("options")) for s in recipe["sources"]}


def test_recipe_is_valid_and_uses_every_format(demo: Path) -> None:
    recipe = load_recipe(
        str(demo / "recipe.yaml"),
        formats={name: fmt.Options for name, fmt in SOURCES.items()},
        prose={name: fmt.prose for name, fmt in SOURCES.items()},
    )
    assert {recipe.settings(s.name).format for s in recipe.sources} == set(SOURCES)


def test_the_larger_sources_have_something_in_each_split_and_all_in_train(
    demo: Path, extracted: dict[str, Extracted]
) -> None:
    recipe = yaml.safe_load((demo / "recipe.yaml").read_text("utf-8"))
    edges = recipe["splits"]["test"], recipe["splits"]["test"] + recipe["splits"]["validation"]
    held_out = 0
    for name, result in extracted.items():
        draws = [uniform(recipe["seed"], doc_id(name, d.key), "split") for d in result.documents]
        splits = [(u >= edges[0]) + (u >= edges[1]) for u in draws]
        assert 2 in splits, name
        held_out += 1 in splits
        if name in ("wikipedia", "web", "stackexchange", "books", "notes", "pydoc", "code"):
            assert set(splits) == {0, 1, 2}, name
    assert held_out >= 20  # sources whose bits per byte the demo's table can show


def test_every_component_of_the_pile_is_there(demo: Path) -> None:
    recipe = yaml.safe_load((demo / "recipe.yaml").read_text("utf-8"))
    names = {source["pile_set_name"].removesuffix(" (demo)") for source in recipe["sources"]}
    assert {component.name for component in COMPONENTS} <= names


def test_every_record_is_accounted_for(extracted: dict[str, Extracted]) -> None:
    for name, result in extracted.items():
        assert result.records == result.tally.records > 0, name
        assert result.documents, name


@pytest.mark.parametrize(
    ("source", "reasons"),
    [
        ("web", {"bad_content_length", "http_status", "content_type"}),
        ("wikipedia", {"redirect", "namespace", "xml_error"}),
        ("stackexchange", {"xml_error", "orphan_answer", "answer_not_used", "no_answer"}),
        ("books", {"truncated_record", "corrupt_file"}),
        ("notes", {"bad_json", "corrupt_file"}),
        (
            "code",
            {
                "vendored",
                "generated",
                "minified",
                "binary",
                "undecodable",
                "truncated_record",
                "corrupt_file",
            },
        ),
    ],
)
def test_what_was_planted_is_rejected(
    extracted: dict[str, Extracted], source: str, reasons: set[str]
) -> None:
    assert reasons <= set(extracted[source].reasons)


def test_pages_come_out_as_they_were_written(extracted: dict[str, Extracted]) -> None:
    found = {d.url: d for d in extracted["web"].documents}
    for page in dumps.load("web.yaml")["pages"]:
        if page.get("status", 200) == 200 and "text" in page and page.get("template") != "plain":
            text = found[page["url"]].text
            paragraphs = clean(page["text"]).split("\n\n")
            assert [p for p in paragraphs if p not in text] == [], page["url"]
            for boilerplate in ("cookies", "Imprint", "Subscribe to our newsletter", "Offer number"):
                assert boilerplate not in text, page["url"]
    assert {"de", "fr", "es", "ja", "ru", "ar", "it", "zh", "pl"} <= {
        d.meta["language"] for d in found.values()
    }


def test_planted_duplicates(extracted: dict[str, Extracted]) -> None:
    wiki = {d.title: text_digest(d.text) for d in extracted["wikipedia"].documents}
    pages = {d.title: text_digest(d.text) for d in extracted["web"].documents}
    assert pages["Lamplighter"] == wiki["Lamplighter"]
    notes = {d.key: d.text for d in extracted["notes"].documents}
    assert notes["notes-007"] != notes["notes-008"]
    assert notes["notes-008"].replace("much attention", "great attention") == notes["notes-007"]
    tides = web.page_text("https://harbour.example/tides/how-a-tide-table-is-made")
    assert notes["notes-004"] == clean(tides)


def test_books_lose_their_frame(extracted: dict[str, Extracted]) -> None:
    for document in extracted["books"].documents:
        assert "PROJECT GUTENBERG" not in document.text.upper() and "Apache-2.0" not in document.text
    assert any("hieß Ambros" in d.text for d in extracted["books"].documents)


def test_pydoc_pages_hold_nothing_of_this_machine(extracted: dict[str, Extracted], demo: Path) -> None:
    raw = gzip.decompress((demo / "pydoc" / "pydoc.warc.gz").read_bytes()).decode("utf-8")
    assert (
        'href="file:' not in raw
        and sysconfig.get_path("stdlib") not in raw
        and str(Path.home()) + "/" not in raw
    )
    assert not re.search(r"(at 0x|handle )[0-9a-f]{6,}", raw)
    heap = next(d.text for d in extracted["pydoc"].documents if d.url.endswith("/heapq.html"))
    assert "\n    if item > heap[0]:\n        item = heapreplace(heap, item)\n" in heap
    assert len(extracted["pydoc"].documents) > 80


def test_bulk_is_large_enough_and_licensed(extracted: dict[str, Extracted]) -> None:
    code = extracted["code"].documents
    assert 1_500_000 < sum(len(d.text) for d in code) < 6_000_000
    tools = {d.key: d.licence for d in code if d.key.startswith("code/tool/")}
    assert set(tools.values()) == {"Apache-2.0"} and "code/tool/run" in tools


def test_building_again_changes_no_file(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {
        p: (p.stat().st_mtime_ns, p.read_bytes()) for p in demo.rglob("*") if p.is_file() and p.name[0] != "."
    }
    monkeypatch.setattr(stdlib, "pydoc_warc", lambda: pytest.fail("the pages are made once for each Python"))
    assert build_demo(demo) == demo / "recipe.yaml"
    after = {
        p: (p.stat().st_mtime_ns, p.read_bytes()) for p in demo.rglob("*") if p.is_file() and p.name[0] != "."
    }
    assert after == before


def test_dumps_are_the_same_every_time() -> None:
    first = {"web": web.warc(), **dumps.all_dumps(), **dumps.tree()}
    dumps.load.cache_clear()
    assert first == {"web": web.warc(), **dumps.all_dumps(), **dumps.tree()}


def test_a_replacement_that_does_not_apply_is_an_error() -> None:
    with pytest.raises(ValueError, match="not in the text"):
        dumps.varied("abc", {"x": "y"})
