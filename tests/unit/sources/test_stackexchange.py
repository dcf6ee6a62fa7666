"""Stack Exchange dumps: threads, the choice of answers, licences by date, and conservation."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

from pile_curate.errors import InputError
from pile_curate.files import Tally
from pile_curate.sources.base import Document, Outcome, Raw, Reject
from pile_curate.sources.stackexchange import StackExchangeOptions, StackExchangeSource, post_licence, site_of

FORMAT = StackExchangeSource()
SAMPLES = os.environ.get("PILE_CURATE_SAMPLES", "")
SITE = "sea.stackexchange.com"


def row(number: int, **columns: str) -> str:
    columns = {"Id": str(number), "CreationDate": "2015-01-01T00:00:00.000", "Score": "0"} | columns
    return "  <row " + " ".join(f"{name}={quoteattr(value)}" for name, value in columns.items()) + " />\n"


def question(number: int, **columns: str) -> str:
    return row(
        number, **{"PostTypeId": "1", "Title": f"Title {number}", "Body": f"<p>Asked {number}.</p>"} | columns
    )


def answer(number: int, parent: int, score: int = 1, **columns: str) -> str:
    body = {"Body": f"<p>Answered {number}.</p>", "Score": str(score)}
    return row(number, **{"PostTypeId": "2", "ParentId": str(parent)} | body | columns)


def write(root: Path, *rows: str, site: str = SITE) -> None:
    (root / site).mkdir(exist_ok=True)
    text = '\ufeff<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + "".join(rows) + "</posts>"
    (root / site / "Posts.xml").write_text(text, "utf-8")


def run(root: Path, target: int = 1 << 28, **options: Any) -> tuple[list[Document], list[Reject], Tally]:
    chosen = StackExchangeOptions(**options)
    tally, outcomes, threads = Tally(), [], {}
    for split in FORMAT.splits(FORMAT.discover(str(root), ["**/Posts.xml"], chosen), chosen, target):
        for framed in FORMAT.frames(split, chosen, tally):
            for outcome in FORMAT.parse(framed, chosen) if isinstance(framed, Raw) else [framed]:
                if isinstance(outcome, Reject):
                    outcomes.append(outcome)
                else:
                    threads.setdefault(outcome.meta["thread"], []).append(outcome)
    everything: list[Outcome] = [*outcomes]
    for thread, parts in threads.items():
        made = FORMAT.assemble(thread, parts, chosen)
        assert sum(o.records for o in made) == len(parts)
        assert sum(o.raw_bytes for o in made) == sum(p.raw_bytes for p in parts)
        everything += made
    assert sum(o.records for o in everything) == tally.records
    documents = [o for o in everything if isinstance(o, Document)]
    return documents, [o for o in everything if isinstance(o, Reject)], tally


def test_accepted_first_then_score_then_age(tmp_path: Path) -> None:
    rows = [question(1, AcceptedAnswerId="5", Tags="<a><b-c>", OwnerUserId="3", Score="4")]
    rows += [
        answer(2, 1, 1),
        answer(3, 1, 7),
        answer(4, 1, 7, OwnerUserId="9"),
        answer(5, 1, -2, OwnerDisplayName="x y"),
    ]
    write(tmp_path, *rows)
    documents, rejects, _ = run(tmp_path)
    (document,) = documents
    assert (
        document.text
        == "Q:\n\nTitle 1\n\nAsked 1.\n\nA:\n\nAnswered 5.\n\nA:\n\nAnswered 3.\n\nA:\n\nAnswered 4."
    )
    assert (document.key, document.url) == (f"{SITE}/1", f"https://{SITE}/questions/1")
    assert document.records == 4 and document.title == "Title 1"
    assert document.meta["answers"] == [5, 3, 4] and document.meta["authors"] == ["3", "x y", "9"]
    assert document.meta["tags"] == ["a", "b-c"]
    assert [(r.reason, r.key, r.kind) for r in rejects] == [("answer_not_used", f"{SITE}/2", "policy")]


def test_the_order_of_parts_does_not_matter() -> None:
    options = StackExchangeOptions()
    rows = [question(1), answer(2, 1, 3), answer(3, 1, 3), answer(2, 1, 3), answer(2, 1, 3, Body="other")]
    parts = []
    for at, text in enumerate(rows):
        parts += FORMAT.parse(Raw(f"{SITE}/Posts.xml", at, text.strip().encode()), options)
    results = {repr(FORMAT.assemble(f"{SITE}/1", order, options)) for order in itertools.permutations(parts)}
    assert len(results) == 1


def test_options(tmp_path: Path) -> None:
    write(tmp_path, question(1), answer(2, 1, 2), answer(3, 1, 5), question(4), answer(5, 4, 0), question(6))
    assert [d.meta["answers"] for d in run(tmp_path)[0]] == [[3, 2]]
    assert [d.meta["answers"] for d in run(tmp_path, max_answers=1)[0]] == [[3]]
    assert [d.meta["answers"] for d in run(tmp_path, min_score=3)[0]] == [[3]]
    kept = run(tmp_path, unanswered="keep")[0]
    assert [(d.key[-1], d.meta["answers"], d.records) for d in kept] == [
        ("1", [3, 2], 3),
        ("4", [], 1),
        ("6", [], 1),
    ]
    assert kept[2].text == "Q:\n\nTitle 6\n\nAsked 6."


REJECTED = {
    "post_type": (row(1, PostTypeId="5"), "policy"),
    "orphan_answer": (answer(2, 99), "policy"),
    "no_answer": (question(1), "policy"),
    "no_post_id": (row(1, PostTypeId="1", Id="x"), "error"),
    "bad_post": (row(1, PostTypeId="2"), "error"),
    "xml_error": ('<row Id="1" Body="&lol;" />', "error"),
}


@pytest.mark.parametrize("reason", REJECTED)
def test_rejected_with_a_reason(reason: str, tmp_path: Path) -> None:
    text, kind = REJECTED[reason]
    write(tmp_path, text)
    documents, rejects, _ = run(tmp_path)
    assert documents == [] and [(r.reason, r.kind) for r in rejects] == [(reason, kind)]


def test_the_answers_of_an_unused_question_are_not_used(tmp_path: Path) -> None:
    write(tmp_path, question(1), answer(2, 1, 0), answer(3, 1, -1))
    assert Counter(r.reason for r in run(tmp_path)[1]) == {"no_answer": 1, "answer_not_used": 2}


def test_copies_and_conflicts_within_a_thread(tmp_path: Path) -> None:
    write(tmp_path, question(1), answer(2, 1), answer(2, 1), answer(2, 1, Body="<p>Else.</p>"), question(1))
    documents, rejects, _ = run(tmp_path)
    assert documents[0].text.count("Answered 2.") == 1 and "Else" not in documents[0].text
    assert sorted((r.reason, r.kind) for r in rejects) == [
        ("duplicate_record", "policy"),
        ("duplicate_record", "policy"),
        ("id_conflict", "error"),
    ]


def test_an_answer_without_text_is_not_used(tmp_path: Path) -> None:
    write(tmp_path, question(1), answer(2, 1, 9, Body="<p><img src='x'></p>"), answer(3, 1, 1))
    assert run(tmp_path)[0][0].meta["answers"] == [3]


@pytest.mark.parametrize(
    ("columns", "licence"),
    [
        ({"CreationDate": "2011-04-07T23:59:59.999"}, "CC-BY-SA-2.5"),
        ({"CreationDate": "2011-04-08T00:00:00.000"}, "CC-BY-SA-3.0"),
        ({"CreationDate": "2018-05-01T23:59:59.999"}, "CC-BY-SA-3.0"),
        ({"CreationDate": "2018-05-02T00:00:00.000"}, "CC-BY-SA-4.0"),
        ({"CreationDate": "2010-01-01", "LastEditDate": "2012-01-01"}, "CC-BY-SA-3.0"),
        ({"CreationDate": "2010-01-01", "ContentLicense": "CC BY-SA 4.0"}, "CC-BY-SA-4.0"),
        ({"CreationDate": "2010-01-01", "ContentLicense": "unheard of"}, "CC-BY-SA-2.5"),
    ],
)
def test_licence_by_date(columns: dict[str, str], licence: str) -> None:
    assert post_licence(columns) == licence


def test_a_document_is_under_all_its_posts_licences(tmp_path: Path) -> None:
    write(
        tmp_path,
        question(1, CreationDate="2019-01-01T00:00:00.000"),
        answer(2, 1, CreationDate="2010-01-01T00:00:00.000"),
        answer(3, 1, CreationDate="2019-01-01T00:00:00.000"),
        answer(4, 1, 0, CreationDate="2015-01-01T00:00:00.000"),
    )
    assert run(tmp_path)[0][0].licence == "CC-BY-SA-2.5 AND CC-BY-SA-4.0"


def test_sites(tmp_path: Path) -> None:
    default = StackExchangeOptions()
    assert site_of("a/b.stackexchange.com/Posts.xml", default) == "b.stackexchange.com"
    assert site_of("stackoverflow.com-Posts/Posts.xml", default) == "stackoverflow.com"
    assert site_of("Posts.xml", StackExchangeOptions(site="x.com")) == "x.com"
    (tmp_path / "Posts.xml").write_text("<posts></posts>")
    with pytest.raises(InputError, match="'site'"):
        run(tmp_path)
    assert run(tmp_path, site="x.com")[1] == []


def test_two_sites_do_not_mix(tmp_path: Path) -> None:
    write(tmp_path, question(1), answer(2, 1))
    write(tmp_path, question(1), answer(2, 1), site="b.com")
    assert sorted(d.key for d in run(tmp_path)[0]) == ["b.com/1", f"{SITE}/1"]


def test_ranges_give_what_the_whole_gives(tmp_path: Path) -> None:
    rows = [question(n) if n % 3 == 0 else answer(n, n - n % 3, n % 5) for n in range(3, 90)]
    write(tmp_path, *rows)
    whole = sorted((d.key, d.record, d.text) for d in run(tmp_path)[0])
    for target in (150, 1000, 4000):
        documents, _, tally = run(tmp_path, target)
        assert sorted((d.key, d.record, d.text) for d in documents) == whole and len(tally.files) > 1


def test_an_entity_bomb_in_the_head_is_harmless(tmp_path: Path) -> None:
    write(tmp_path, question(1), answer(2, 1), '<row Id="3" PostTypeId="1" Body="&y;" />')
    path = tmp_path / SITE / "Posts.xml"
    head = '<!DOCTYPE posts [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;">]>'
    path.write_text(path.read_text("utf-8").replace("<posts>", head + "<posts>"), "utf-8")
    documents, rejects, _ = run(tmp_path)
    assert len(documents) == 1 and [r.reason for r in rejects] == ["xml_error"]


def test_a_truncated_file_is_reported(tmp_path: Path) -> None:
    write(tmp_path, question(1), answer(2, 1), answer(3, 1))
    path = tmp_path / SITE / "Posts.xml"
    path.write_bytes(path.read_bytes()[:-40])
    documents, rejects, _ = run(tmp_path)
    assert documents[0].meta["answers"] == [2]
    assert [(r.reason, r.records) for r in rejects] == [("truncated_record", 1), ("corrupt_file", 0)]


def test_a_duplicate_banner_is_no_question(tmp_path: Path) -> None:
    banner = "<blockquote><p><strong>Possible Duplicate:</strong><br><a href='x'>That</a></p></blockquote><p>Why?</p>"
    write(tmp_path, question(1, Body=banner), answer(2, 1))
    assert run(tmp_path)[0][0].text.startswith("Q:\n\nTitle 1\n\nWhy?\n\nA:")


@pytest.mark.skipif(not SAMPLES, reason="PILE_CURATE_SAMPLES is not set")
def test_the_sample_site() -> None:
    documents, rejects, tally = run(Path(SAMPLES) / "stackexchange")
    assert tally.records == 2354 and len(documents) == 637
    assert Counter(r.reason for r in rejects) == {"answer_not_used": 429, "post_type": 119, "no_answer": 26}
    assert not any("<p>" in d.text or "&amp;" in d.text for d in documents)
    assert {d.licence for d in documents} == {"CC-BY-SA-3.0"}
