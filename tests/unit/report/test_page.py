"""The page: self-contained, safe to open whatever it quotes, truthful about sums, whole with little data."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from pile_curate.report import ReportData, build_report, terminal_table
from pile_curate.report.assemble import assemble
from pile_curate.report.charts import Loss, Station, dumbbells, flow
from pile_curate.report.data import Drop
from pile_curate.report.page import cluster_bars

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Outline(HTMLParser):
    """Collect tags and check that they close; attributes that load anything are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loads: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.loads += [
            (k, v) for k, v in attrs if k in ("src", "href", "srcset", "data", "action") or k.startswith("on")
        ]

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def page(example) -> str:
    return build_report(example)


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    assert parsed.open == [], "every tag closes"
    return parsed


def test_it_is_one_file_without_scripts_or_loads(page) -> None:
    parsed = outline(page)
    assert not {"script", "link", "img", "iframe"} & set(parsed.tags)
    assert all(key == "href" and value.startswith("#") for key, value in parsed.loads)
    assert "url(" not in page.split("</style>")[0] and "@import" not in page
    assert "default-src 'none'" in page
    targets = {value[1:] for _, value in parsed.loads}
    assert targets <= set(re.findall(r'id="([a-z]+)"', page))


def test_what_documents_say_stays_text(page, example) -> None:
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page)
    forged = replace(example, name='"><script>x</script>')
    assert "<script>" not in build_report(forged)


def test_the_figures_are_there(page) -> None:
    text = " ".join(outline(page).text.split())
    for expected in (
        "245,975 raw records from 6 sources became 78,814 documents; 53,058 of them",
        "Nothing vanished.",
        "not a response",
        "duplicate line fraction",
        "segment-00017.warc.gz: truncated gzip member",
        "3,384 exactly, 3,892 nearly, in 3,716 clusters; the largest has 118 members",
        "36 dropped copies had their kept twin in another split",
        "Jaccard 0.871",
        "tokens 5,000,000",
        "2.291",
        "GPL-3.0-or-later WITH GCC-exception-3.1",
    ):
        assert expected in text, expected
    assert "<mark>1807</mark>" in page and "<mark>1809</mark>" in page


def test_the_same_data_gives_the_same_bytes_and_survives_json(page, example) -> None:
    plain = json.loads(json.dumps(example.to_dict()))
    assert ReportData.from_dict(plain) == example
    assert build_report(ReportData.from_dict(plain)) == page


def test_what_a_digest_may_cover_has_no_times(example) -> None:
    later = replace(
        example, created="2027", stages=tuple(replace(line, created="2027") for line in example.stages)
    )
    assert later.to_dict() != example.to_dict() and later.logical() == example.logical()
    assert replace(example, name="other").logical() != example.logical()


def test_a_sum_that_does_not_balance_is_shouted(facts) -> None:
    extract, drops = facts
    wrong = {**extract, "irc": {**extract["irc"], "records_in": 5_000}}
    ledger = {**drops, "irc": {**drops["irc"], "kept": 7}}
    data = assemble("x", extract=wrong, ledger=ledger)
    assert len(data.imbalances()) == 2
    page = build_report(data)
    assert "do not balance" in page and "Nothing vanished" not in page
    assert "irc: 5,000 records in, but 2,199 in documents and 11 rejected" in page
    assert "do not balance" in terminal_table(data)


def test_a_run_that_stopped_early_has_a_report_too(facts) -> None:
    data = assemble("early", extract=facts[0])
    assert data.sources[0].kept == 41_208, "before select every document is in"
    outline(build_report(data))
    assert "mixture" not in build_report(data).split("</style>")[1].lower()
    terminal_table(data)


def test_nothing_at_all() -> None:
    outline(build_report(ReportData("empty")))
    assert "empty: 0 raw records" in terminal_table(ReportData("empty"))


def test_one_evaluation_is_shown_without_a_change(example) -> None:
    data = replace(example, evaluations=example.evaluations[1:])
    assert "after, step 200" in outline(build_report(data)).text
    assert " change\n" not in terminal_table(data)


def test_the_table_has_every_source_and_reason(example) -> None:
    table = terminal_table(example)
    for source in example.sources:
        assert len(re.findall(rf"^{source.name} ", table, re.M)) >= 3
        for drop in source.drops:
            assert f"{drop.documents:,} documents" in table
    widths = [len(line) for line in table.splitlines()]
    assert max(widths) <= 150
    assert re.search(r"^all +\S+ MiB +245,975 +142,942 +7 +78,814 +18,480 +3,384 +3,892 +53,058", table, re.M)


def test_a_terminal_is_not_given_escape_sequences(example) -> None:
    assert "\x1b" not in terminal_table(replace(example, name="\x1b[31mred"))


def test_flow_scales_with_the_numbers_and_survives_extremes() -> None:
    drawing = flow([Station("a", 100, (Loss("gone", 50, "policy"),)), Station("b", 50)])
    assert 'height="150"' in drawing and 'height="75"' in drawing
    assert "river-loss" not in flow([Station("a", 5, (Loss("gone", 0, "policy"),)), Station("b", 5)])
    for numbers in ((0, 0), (10, 0), (10**12, 1)):
        drawing = flow(
            [Station("a", numbers[0], (Loss("l", numbers[0] - numbers[1], "x"),)), Station("b", numbers[1])]
        )
        assert "nan" not in drawing and "inf" not in drawing


def test_dumbbells_survive_odd_values() -> None:
    drawing = dumbbells([("a<b", 1.0, 2.0), ("c", None, 0.5), ("d", None, None)], "x", "y")
    assert "a&lt;b" in drawing and "worse" in drawing and drawing.count("<circle") == 3
    assert "<svg" in dumbbells([], "x", "y")


def test_clusters_are_grouped() -> None:
    assert cluster_bars({}) == []
    assert cluster_bars({2: 4, 9: 1})[-1] == ("9\u201316", 1, 25.0)


def rich(example) -> ReportData:
    """Return the example with copies by URL, repeated paragraphs and verdicts that nobody proved."""
    first, *others = example.sources
    drops = [d for d in first.drops if d.reason != "near_duplicate"]
    drops += [
        Drop("dedup", "near_unverified_duplicate", 3_000),
        Drop("dedup", "url_duplicate", 400),
        Drop("edits", "all_paragraphs_repeated", 11),
    ]
    first = replace(first, drops=tuple(drops), edited=70, edits=90, removed_bytes=4096)
    pairs = (
        replace(example.pairs[0], kind="near_unverified"),
        replace(example.pairs[1], kind="url", jaccard=None),
    )
    return replace(example, sources=(first, *others), pairs=pairs, verified=False, verify="estimate")


def test_what_nobody_proved_is_labelled_in_capital_letters(example):
    data = rich(example)
    assert not data.imbalances()
    text = " ".join(outline(build_report(data)).text.split())
    assert text.count("UNVERIFIED") >= 4 and "dedup.verify: estimate" in text
    assert "verified by the exact Jaccard" not in text
    table = terminal_table(data)
    assert (
        "near UNVERIFIED" in table and "\nUNVERIFIED: near copies were dropped on the Jaccard that" in table
    )
    for page in (build_report(example), terminal_table(example)):
        assert "UNVERIFIED" not in page
    assert "share one band" in terminal_table(replace(data, verify="none"))


def test_copies_by_url_and_repeated_paragraphs_are_counted_where_there_are_any(example):
    data = rich(example)
    text = " ".join(outline(build_report(data)).text.split())
    for line in (
        "3,384 exactly, 3,481 nearly, 400 by their URL",
        "were cut: 90 of them, 4.0 KiB, from 70 kept documents; of 11 others so little",
        "90 repeated paragraphs, 4.0 KiB, cut from 70 kept documents.",
        "all repeated",
        "distinct",
        "estimated Jaccard 0.871",
    ):
        assert line in text, line
    table = terminal_table(data)
    assert "90 paragraphs (4.0 KiB) that earlier documents of their source have were cut from 70" in table
    head = next(line for line in table.splitlines() if line.startswith("source"))
    assert (
        head.split()[-6:] == ["url", "paragraphs", "kept", "kept", "text", "kept"]
        or "url  paragraphs" in head
    )
    plain = terminal_table(example)
    assert "url" not in plain.splitlines()[2] and "paragraphs" not in plain
    assert ReportData.from_dict(json.loads(json.dumps(data.to_dict()))) == data
