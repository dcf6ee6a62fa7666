"""Reddit: threads, removals, options, entities, and lines that are no records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pile_curate.sources.reddit import plain
from tests.source_harness import Extracted, extract


def post(name: str, **fields: Any) -> dict[str, Any]:
    base = {
        "id": name,
        "title": f"Post {name}",
        "selftext": "Asked.",
        "is_self": True,
        "author": "op",
        "score": 3,
    }
    return base | {"subreddit": "sea", "created_utc": 1577836800} | fields


def comment(name: str, link: str, parent: str = "", **fields: Any) -> dict[str, Any]:
    base = {"id": name, "link_id": f"t3_{link}", "parent_id": parent or f"t3_{link}", "body": f"Said {name}."}
    return base | {"author": f"u_{name}", "score": 1, "subreddit": "sea", "created_utc": 1577836900} | fields


def run(root: Path, *items: Any, **options: Any) -> Extracted:
    lines = b"".join((i if isinstance(i, str) else json.dumps(i)).encode() + b"\n" for i in items)
    (root / "RC_2020-01.zst").write_bytes(zstandard.ZstdCompressor().compress(lines))
    result = extract("reddit", root, ["RC_2020-01.zst"], options)
    assert result.records == result.tally.records == len(items)
    return result


def test_best_comments_first_and_replies_below(tmp_path: Path) -> None:
    items = [
        comment("a", "p", score=2),
        comment("b", "p", score=9),
        comment("c", "p", "t1_a", score=50),
        post("p"),
    ]
    (document,) = run(tmp_path, *items).documents
    assert document.text == "Post p\n\nAsked.\n\n======\n\nSaid b.\n\n------\n\nSaid a.\n\n~~~\n\nSaid c."
    assert document.key == "t3_p" and document.meta["authors"] == ["op", "u_b", "u_a", "u_c"]


def test_removed_and_unwanted_comments_leave_their_replies(tmp_path: Path) -> None:
    items = [
        post("p"),
        comment("a", "p", body="[removed]"),
        comment("b", "p", "t1_a"),
        comment("c", "p", "t1_missing"),
        comment("d", "p", author="AutoModerator"),
        comment("e", "p", score=-4),
        comment("f", "p", body="[ Removed by Reddit ]"),
        comment("g", "p", body="  "),
    ]
    result = run(tmp_path, *items, min_comment_score=0)
    assert result.documents[0].text.endswith("======\n\nSaid b.\n\n------\n\nSaid c.")
    assert result.reasons == {"removed": 2, "bot": 1, "low_score": 1, "empty_item": 1}


@pytest.mark.parametrize(
    ("fields", "options", "reason"),
    [
        ({"selftext": "[deleted]"}, {}, "deleted"),
        ({"selftext": "[removed]"}, {}, "removed"),
        ({"removed_by_category": "moderator"}, {}, "removed"),
        ({"over_18": True}, {}, "over_18"),
        ({"promoted": True}, {}, "promoted"),
        ({"score": 1}, {"min_score": 2}, "low_score"),
        ({}, {"min_comments": 2}, "few_comments"),
    ],
)
def test_submissions_that_are_not_kept(
    tmp_path: Path, fields: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    result = run(tmp_path, post("p", **fields), comment("a", "p"), **options)
    assert not result.documents and result.reasons == {reason: 1, "post_not_used": 1}


def test_options_let_more_in(tmp_path: Path) -> None:
    items = [
        post("p", over_18=True, subreddit="Sea"),
        comment("a", "p", subreddit="SEA"),
        post("q", subreddit="land"),
    ]
    result = run(tmp_path, *items, over_18="keep", subreddits=["sea"])
    assert result.keys() == ["t3_p"] and result.reasons == {"subreddit": 1}


def test_links_and_entities(tmp_path: Path) -> None:
    linked = post("p", is_self=False, selftext="", title="A &amp; B", url="https://a.example/?x=1&amp;y=2")
    (document,) = run(
        tmp_path, linked, comment("a", "p", body="&gt; so\n\n&amp;#x200B;\n\n*yes* &lt;3")
    ).documents
    assert document.text == "A & B\nhttps://a.example/?x=1&y=2\n\n======\n\n> so\n\n*yes* <3"
    assert plain("x &amp;lt; y") == "x &lt; y"


def test_orphans_circles_and_copies(tmp_path: Path) -> None:
    items = [
        post("p"), comment("a", "p"), comment("a", "p"), comment("a", "p", body="Other."),
        comment("x", "p", "t1_y"), comment("y", "p", "t1_x"), comment("z", "gone"), post("p"),
    ]  # fmt: skip
    result = run(tmp_path, *items)
    assert result.reasons == {"duplicate_record": 2, "id_conflict": 1, "parent_loop": 2, "orphan": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "a"}', "unknown_record"),
        ('{"id": 7, "title": "x"}', "bad_id"),
        ('{"id": "a", "body": "x", "link_id": 12}', "bad_id"),
        ('{"id": "../a", "title": "x"}', "bad_id"),
        ('"text"', "not_an_object"),
        ('{"id": "a", ', "bad_json"),
        ('{"a":' * 100_000, "bad_json"),
    ],
)
def test_bad_lines(tmp_path: Path, line: str, reason: str) -> None:
    (reject,) = run(tmp_path, line).rejects
    assert (reject.reason, reject.kind) == (reason, "error")


def test_odd_types_do_no_harm(tmp_path: Path) -> None:
    odd = post(
        "p", score="12", created_utc="1577836800.0", author=None, subreddit=None, url=[1], over_18="true"
    )
    result = run(tmp_path, odd, comment("a", "p", parent_id=5, score=None, created_utc=1e30))
    assert result.reasons == {"over_18": 1, "post_not_used": 1}


def test_a_chain_of_a_hundred_thousand_replies() -> None:
    from pile_curate.sources.discussion import Comment, in_reading_order

    chain = [Comment(f"t1_{i}", f"t1_{i - 1}", "x", "", (0,)) for i in range(100_000)]
    ordered = in_reading_order("t3_p", chain[::-1])
    assert [comment.node for comment, _ in ordered] == [comment.node for comment in chain]
    assert ordered[-1][1] == 99_999


def test_files_with_a_window_of_two_gigabytes(tmp_path: Path) -> None:
    window = zstandard.ZstdCompressionParameters(window_log=31, hash_log=10, chain_log=10, strategy=1)
    writer = zstandard.ZstdCompressor(compression_params=window).compressobj()
    lines = "".join(json.dumps(item) + "\n" for item in (post("p"), comment("a", "p"))).encode()
    packed = writer.compress(lines) + writer.flush()
    assert zstandard.get_frame_parameters(packed).window_size == 1 << 31
    (tmp_path / "RC_2020-01.zst").write_bytes(packed)
    assert extract("reddit", tmp_path, ["*.zst"]).keys() == ["t3_p"]
