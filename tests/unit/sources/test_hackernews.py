"""Hacker News: trees, order, what is left out and why, the shapes that items come in."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pile_curate.sources.base import Document, Raw, Reject
from pile_curate.sources.hackernews import HackerNewsOptions, HackerNewsSource, item_text
from tests.source_harness import Extracted, extract

FORMAT = HackerNewsSource()


def item(number: int, parent: int | None = None, **fields: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"id": number, "by": f"u{number}", "time": 1_500_000_000 + number}
    if parent is None:
        base |= {"type": "story", "title": f"Story {number}", "score": 5}
    else:
        base |= {"type": "comment", "parent": parent, "text": f"Comment {number}"}
    return base | fields


def run(root: Path, *items: Any, **options: Any) -> Extracted:
    lines = (i if isinstance(i, str) else json.dumps(i) for i in items)
    (root / "items.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    result = extract("hackernews", root, ["items.jsonl"], options)
    assert result.records == result.tally.records == len(items)
    assert sum(o.raw_bytes for o in [*result.documents, *result.rejects]) == sum(
        len(line) for line in (root / "items.jsonl").read_bytes().splitlines()
    )
    return result


def body(result: Extracted) -> str:
    (document,) = result.documents
    return document.text


def test_comments_stand_depth_first_as_the_site_ranked_them(tmp_path: Path) -> None:
    items = [item(5, 1), item(4, 2), item(3, 1), item(2, 1), item(1, kids=[3, 2])]
    text = body(run(tmp_path, *items))
    assert text == (
        "Story 1\n\n======\n\nComment 3\n\n------\n\nComment 2\n\n~~~\n\nComment 4\n\n------\n\nComment 5"
    )


def test_names_may_stand_in_the_text(tmp_path: Path) -> None:
    text = body(run(tmp_path, item(1, url="https://a.example"), item(2, 1), names="text"))
    assert text == "Story 1 - u1\nhttps://a.example\n\n======\n\nu2\n\nComment 2"
    assert body(run(tmp_path, item(1), item(2, 1), separators="none")) == "Story 1\n\nComment 2"


def test_replies_to_what_was_removed_move_up(tmp_path: Path) -> None:
    items = [item(1), {"id": 2, "parent": 1, "deleted": True, "type": "comment"}, item(3, 2), item(4, 3)]
    items.append(item(5, 1, dead=True))
    result = run(tmp_path, *items)
    assert body(result) == "Story 1\n\n======\n\nComment 3\n\n~~~\n\nComment 4"
    assert result.reasons == {"deleted": 1, "dead": 1}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"dead": True}, "dead"), ({"deleted": "true"}, "deleted"), ({"score": 0}, "low_score")],
)
def test_a_story_that_is_not_kept_takes_its_comments_along(
    tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    result = run(tmp_path, item(1, **fields), item(2, 1), min_score=1)
    assert not result.documents and result.reasons == {reason: 1, "post_not_used": 1}
    assert all(reject.kind == "policy" for reject in result.rejects)


def test_limits_on_comments(tmp_path: Path) -> None:
    items = [item(1), *(item(i, 1) for i in range(2, 7))]
    result = run(tmp_path, *items, max_comments=2)
    assert result.documents[0].meta["comments"] == 2 and result.reasons == {"comment_not_used": 3}
    assert result.documents[0].records == 3
    assert run(tmp_path, *items, min_comments=6).reasons == {"few_comments": 1, "post_not_used": 5}
    assert body(run(tmp_path, item(1), min_comments=0)) == "Story 1"


def test_orphans_and_circles(tmp_path: Path) -> None:
    result = run(tmp_path, item(1), item(2, 1), item(7, 99), item(8, 7), item(10, 11), item(11, 10))
    assert result.reasons == {"orphan": 2, "parent_loop": 2}


def test_copies_and_conflicts(tmp_path: Path) -> None:
    items = [item(1), item(2, 1), item(2, 1, kids=[9]), item(2, 1, text="Edited")]
    result = run(tmp_path, *items)
    assert result.reasons == {"duplicate_record": 1, "id_conflict": 1}
    # The same comment under two parents goes with the smaller one, and no thread is broken by it.
    assert run(tmp_path, item(1), item(3), item(4, 3), item(4, 1), min_comments=0).records == 4


def test_polls_list_their_options(tmp_path: Path) -> None:
    poll = item(1, type="poll", parts=[3, 2], text="Pick")
    options = [item(2, 1, type="pollopt", score=4), item(3, 1, type="pollopt", score=None)]
    result = run(tmp_path, poll, *options, item(4, 1))
    assert body(result).startswith("Story 1\n\nPick\n\n- Comment 3\n- Comment 2 (4 votes)\n\n======")
    assert result.documents[0].records == 4
    assert run(tmp_path, poll, *options).reasons == {"few_comments": 1, "post_not_used": 2}


def test_jobs(tmp_path: Path) -> None:
    job = item(1, type="job", text="We hire <b>keepers</b>.")
    assert run(tmp_path, job).reasons == {"job": 1}
    assert body(run(tmp_path, job, jobs="keep", min_comments=0)) == "Story 1\n\nWe hire keepers."


def test_flat_hits_and_wrapped_items(tmp_path: Path) -> None:
    hit = {
        "objectID": "2",
        "author": "a",
        "comment_text": "A hit",
        "parent_id": 1,
        "story_id": 1,
        "created_at_i": 9,
    }
    wrapped = {"body": item(1), "source": "firebase", "id": 1}
    result = run(tmp_path, wrapped, hit)
    assert body(result).endswith("A hit") and result.documents[0].meta["authors"] == ["u1", "a"]


def test_nested_items_are_one_record(tmp_path: Path) -> None:
    deep: dict[str, Any] = {"id": 400, "text": "last", "author": "z", "parent_id": 399, "children": []}
    for number in range(399, 1, -1):
        deep = {
            "id": number,
            "text": f"c{number}",
            "author": "z",
            "parent_id": number - 1,
            "children": [deep],
        }
    story = {"id": 1, "type": "story", "title": "T", "author": "a", "points": 2, "children": [deep]}
    result = run(tmp_path, story)
    assert result.documents[0].meta["comments"] == 399 and body(result).endswith("last")


@pytest.mark.parametrize(
    ("line", "reason", "kind"),
    [
        ("null", "no_item", "policy"),
        ("[1]", "not_an_object", "error"),
        ('{"id": "x", "type": "story"}', "bad_id", "error"),
        ('{"id": -4, "type": "story"}', "bad_id", "error"),
        ('{"id": 99999999999999999999, "type": "story"}', "bad_id", "error"),
        ('{"id": 4, "type": "comment"}', "no_parent", "error"),
        ('{"id": 4, "type": "riddle"}', "unknown_type", "policy"),
        ('{"id": 4, "type": "story"}', "empty_item", "policy"),
        ('{"id": 1' + "0" * 3000 + "}", "bad_id", "error"),
        ('{"id": true, "type": "story"}', "bad_id", "error"),
        ("[" * 200_000, "bad_json", "error"),
        ('{"children":[' * 50_000, "bad_json", "error"),
    ],
)
def test_bad_items(tmp_path: Path, line: str, reason: str, kind: str) -> None:
    (reject,) = run(tmp_path, line).rejects
    assert (reject.reason, reject.kind) == (reason, kind)


def test_lone_surrogates_can_be_stored(tmp_path: Path) -> None:
    line = r'{"id":1,"type":"story","title":"\ud800 T","by":"\udc00","url":"https://\ud800"}'
    result = run(tmp_path, line, item(2, 1, by="\u00e9"))
    result.documents[0].text.encode()
    json.dumps(result.documents[0].meta, ensure_ascii=False).encode()


def test_html_of_items() -> None:
    assert item_text("<p>a<pre><code>  x = 1\n    y\n</code></pre>") == "a\n\n```\nx = 1\n  y\n```"
    assert item_text('<a href="https://a.example/b">here</a>') == "here"
    assert item_text("if a &lt; b &amp;&amp; c") == "if a < b && c"


@pytest.mark.parametrize(
    "markup",
    [
        "<pre><code>" * 50_000,
        "<a href=" * 100_000,
        '<a href="' * 100_000,
        "<a " + "\t" * 300_000,
        "<a " + 'href="x" ' * 100_000,
    ],
)
def test_html_that_would_stall_a_parser(markup: str) -> None:
    began = time.process_time()
    item_text(markup)
    assert time.process_time() - began < 2


def test_a_chain_of_a_hundred_thousand_comments() -> None:
    story, comment = (
        FORMAT.parse(Raw("a", number, json.dumps(item(number, parent)).encode()), HackerNewsOptions())[0]
        for number, parent in ((1, None), (2, 1))
    )
    assert isinstance(story, Document) and isinstance(comment, Document)
    parts = [
        replace(comment, key=str(i), record=i, meta=comment.meta | {"node": i, "parent": i - 1})
        for i in range(2, 100_001)
    ]
    began = time.process_time()
    (document,) = FORMAT.assemble("1", [*parts, story], HackerNewsOptions())
    assert time.process_time() - began < 5
    assert isinstance(document, Document) and document.records == 100_000


def test_a_story_of_a_loop_is_rejected_part_by_part() -> None:
    part = Document("4", "t", "a", 0, meta={"node": 4, "parent": 4})
    (reject,) = FORMAT.assemble("loop/4", [part], HackerNewsOptions())
    assert isinstance(reject, Reject) and reject.reason == "parent_loop"
