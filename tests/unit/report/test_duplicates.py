"""What the search for duplicates measured: on the page, in the table, escaped, and whole when facts are missing."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from pile_curate.report import ReportData, build_report, terminal_table
from pile_curate.report.assemble import assemble
from pile_curate.report.charts import recall
from pile_curate.report.duplicates import Planted, Search, recall_rows

FORGED = "</td><script>alert(1)</script>\u202e\x1b[31m"
FACTS = {
    "duplicates": {"total": 7_276, "exact": 3_384, "near": 3_892, "url": 0, "cross_split": 36},
    "pairs": {"examined": 5_120, "refused": 1_228},
    "cluster_sizes": {"2": 3_120, "118": 1},
    "largest_clusters": [
        {"kept_id": "a1" * 16, "size": 118, "excerpt": "Cookies help us", "copy_excerpt": "Cookies helped us"},
        {"kept_id": "c3" * 16, "size": 31, "excerpt": FORGED, "copy_excerpt": "plain"},
    ],
    "planted": [
        {"low": 0.7, "high": 0.75, "pairs": 200, "found": 150, "mean_jaccard": 0.728, "recall": 0.75, "expected": 0.81},
        {"low": 0.8, "high": 0.85, "pairs": 96, "found": 95, "mean_jaccard": 0.823, "recall": 0.989583, "expected": 0.994},
        {"low": 0.95, "high": 1.0, "pairs": 0, "found": 0, "mean_jaccard": None, "recall": None, "expected": None},
    ],
    "curve": [[0.65, 0.595, 0.344], [0.7, 0.787, 0.717], [0.8, 0.9855, 0.9855], [0.95, 1.0, 1.0]],
    "threshold": 0.8,
    "minimum_agreement": 83,
    "engine": "spark",
    "steps": {"connect": 1.25},
    "components": {"count": 3, "method": "driver", "rounds": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def data(example) -> ReportData:
    return replace(example, search=Search.from_facts(FACTS))


def text_of(page: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", page.split("</style>")[1]).split())


def test_the_page_shows_what_the_search_measured(data) -> None:
    page = build_report(data)
    text = text_of(page)
    for expected in (
        "exact 3,384 46.5 % near 3,892 53.5 %",
        "examined 5,120 refused by the exact check 1,228 24.0 %",
        "118 Cookies help us Cookies helped us a1a1a1a1a1a1",
        "agree in at least 83 positions",
        "0.80–0.85 98.6 % 98.6 % 96 95 99.0 % 99.4 %",
        "0.65–0.70 59.5 % 34.4 % 0.70",
        "threshold 0.8",
    ):
        assert expected in text, expected
    assert page.count('class="ring" cx') >= 2 and "95 of 96 found, 99.4 % promised" in page
    table = terminal_table(data)
    assert "5,120 candidate pairs were examined, 1,228 of them refused (24.0 %)." in table
    assert re.search(r"^0\.70–0\.75 +78\.7 % +71\.7 % +200 +150 +75\.0 % +81\.0 %$", table, re.M)


def test_excerpts_are_text_and_nothing_else(data) -> None:
    page = build_report(data)
    assert "<script" not in page and "&lt;/td&gt;&lt;script&gt;alert(1)" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page)


def test_unverified_pairs_are_not_called_exactly_checked(data) -> None:
    text = text_of(build_report(replace(data, verified=False, verify="estimate")))
    assert "refused by the exact check" not in text and "refused by what their signatures estimate" in text


@pytest.mark.parametrize("missing", sorted(FACTS))
def test_a_fact_that_is_missing_leaves_its_part_out(example, missing) -> None:
    for facts in ({k: v for k, v in FACTS.items() if k != missing}, {missing: FACTS[missing]}):
        data = replace(example, search=Search.from_facts(facts))
        page = build_report(data)
        assert ("The largest clusters" in page) == ("largest_clusters" in facts)
        assert ("What the search finds" in page) == ("curve" in facts or "planted" in facts)
        assert ("Candidate pairs" in page) == ("pairs" in facts)
        terminal_table(data)


def test_dedup_that_is_off_claims_nothing(facts) -> None:
    page = build_report(assemble("off", extract=facts[0], duplicates={"off": True}))
    assert "turns dedup off" in page and "No document repeats another" not in page
    assert "No document repeats another" in build_report(assemble("none", extract=facts[0], duplicates={}))


def test_before_there_is_a_ledger_the_search_has_counted(facts) -> None:
    text = text_of(build_report(assemble("early", extract=facts[0], duplicates=FACTS)))
    assert "7,276 documents repeat one that was kept: 3,384 exactly, 3,892 nearly" in text


def test_the_figures_survive_json(data) -> None:
    plain = json.loads(json.dumps(data.to_dict()))
    assert ReportData.from_dict(plain) == data
    old = {name: value for name, value in plain.items() if name != "search"}
    assert ReportData.from_dict(old).search == Search()


def test_a_digest_covers_figures_and_neither_engine_nor_times(data) -> None:
    def logical(**changed):
        return replace(data, search=Search.from_facts({**FACTS, **changed})).logical()

    last_bit = [[j, band, both + 1e-13] for j, band, both in FACTS["curve"]]
    other = {"engine": "local", "steps": {}, "components": {}, "curve": last_bit}
    assert logical(**other) == data.logical()
    for name in ("pairs", "planted", "largest_clusters", "duplicates"):
        assert logical(**{name: None}) != data.logical(), name


def test_the_drawing_survives_extremes() -> None:
    assert recall(Search()) == "" and recall_rows(Search()) == []
    odd = Search(
        curve=((0.2, 0.0, -0.1), (0.99, 2.0, 1.0)),
        threshold=0.3,
        planted=(Planted(0.65, 0.7, 3, 0, recall=0.0),),
    )
    drawing = recall(odd)
    assert "nan" not in drawing and "threshold" not in drawing and drawing.count("<circle") == 1
    places = [
        float(y) for y in re.findall(r'\d (\d+(?:\.\d+)?)[L"]', "".join(re.findall(r'd="M[^"]*"', drawing)))
    ]
    assert places and all(34 <= y <= 280 for y in places)
    assert recall_rows(odd)[1] == ("0.65–0.70", "", "", "3", "0", "0 %", "")
