"""Read Reddit dumps in Pushshift's layout (``RS_*``, ``RC_*``): a submission with its comments is one document.

One record is one line of newline-delimited JSON, compressed with ``zstd --long=31`` and the like: a submission has a
``title``, a comment a ``body`` and in ``link_id`` the submission that it belongs to, so threads meet by that
(Baumgartner et al., "The Pushshift Reddit Dataset", ICWSM 2020). Texts are the Markdown that people typed, with the
entities undone that Reddit's API puts in for ``&``, ``<`` and ``>``.

What was deleted by its author or removed by a moderator before it was collected has only a mark left, and is
rejected; replies to it are kept. Rules about adult content and subreddits are the options'.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceOptions
from pile_curate.sources.discussion import (
    Comment,
    DiscussionOptions,
    authors,
    discussion,
    integer,
    iso_time,
    string,
)
from pile_curate.sources.json_record import json_object
from pile_curate.sources.jsonl import JsonlSource
from pile_curate.sources.parts import unused, without_copies

_ID = re.compile(r"(?:t[13]_)?([0-9a-z]{1,13})")
_GONE = re.compile(r"\[\s*(deleted|removed)(?: by [^\[\]\n]{1,30})?\s*\]", re.IGNORECASE)
_INVISIBLE = str.maketrans(dict.fromkeys("\u200b\u200c\ufeff", ""))


class RedditOptions(DiscussionOptions):
    """Which submissions and comments are kept."""

    unfit: ClassVar[tuple[str, ...]] = ("gopher_repetition",)

    subreddits: list[str] | None = Field(None, description="Names of the only subreddits that are read.")
    over_18: Literal["reject", "keep"] = Field("reject", description="Submissions marked as adult content.")
    min_comment_score: int | None = Field(None, description="Least score of a comment that is shown.")
    bots: list[str] = Field(["AutoModerator"], description="Authors whose comments are not shown.")


class RedditSource(JsonlSource):
    """Reddit submissions and comments as JSON lines, plain or compressed; plain files are read in parallel."""

    name: ClassVar[str] = "reddit"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "Reddit dumps (Pushshift's RS_ and RC_ files): a submission with its comments"
    suffixes: ClassVar[tuple[str, ...]] = (".zst", ".ndjson.zst", ".jsonl", ".bz2", ".xz")
    libraries: ClassVar[tuple[str, ...]] = ("orjson",)
    Options: ClassVar[type[SourceOptions]] = RedditOptions
    threaded: ClassVar[bool] = True
    about: ClassVar[About] = About(
        publisher="Pushshift and Arctic Shift, at Academic Torrents",
        where="https://github.com/ArthurHeitmann/arctic_shift",
        licence="LicenseRef-Reddit",
        consent="public",
        size="about 3 TB compressed, 15 to 25 GB of comments a month",
        splits="plain files at lines; compressed ones a file a task; threads meet once, by submission",
        example="R[SC]_20[0-9][0-9]-[0-9][0-9].zst",
    )

    def parse(self, raw: Raw, options: RedditOptions) -> list[Outcome]:
        """Turn one line into a part of a thread, or a reject."""
        size = len(raw.body)
        item = json_object(raw)
        if isinstance(item, Reject):
            return [item]
        is_comment = "body" in item and "link_id" in item
        node = _number(item.get("id"))

        def reject(reason: str, detail: str = "", of: Literal["policy", "error"] = "policy") -> list[Outcome]:
            key = f"{'t1' if is_comment else 't3'}_{node}" if node else ""
            return [Reject(reason, raw.rel, raw.record, detail, key, of, raw_bytes=size)]

        if not is_comment and "title" not in item:
            return reject("unknown_record", "neither a submission nor a comment", "error")
        post = _number(item.get("link_id")) if is_comment else node
        if not node or not post:
            return reject(
                "bad_id", f"id {item.get('id')!r:.40}, link_id {item.get('link_id')!r:.40}", "error"
            )
        subreddit = string(item.get("subreddit"))
        if options.subreddits is not None and subreddit.lower() not in map(str.lower, options.subreddits):
            return reject("subreddit", f"r/{subreddit}")
        body = string(item.get("body" if is_comment else "selftext")).strip()
        gone = _GONE.fullmatch(body)
        removed = gone[1].lower() if gone else _unwanted(item, is_comment, options)
        link = string(item.get("url")).strip()
        if is_comment or item.get("is_self") is True or f"/comments/{node}/" in link:
            link = ""
        author = string(item.get("author"))
        part = Document(
            key=f"{'t1' if is_comment else 't3'}_{node}",
            text="" if gone else plain(body),
            rel=raw.rel,
            record=raw.record,
            title="" if is_comment else " ".join(plain(string(item.get("title"))).split()),
            raw_bytes=size,
            meta={
                "thread": f"t3_{post}",
                "post": not is_comment,
                "parent": string(item.get("parent_id")),
                "removed": removed,
                "author": "" if author == "[deleted]" else author,
                "created": iso_time(item.get("created_utc")),
                "score": integer(item.get("score")),
                "subreddit": subreddit,
                "link": html.unescape(link),
            },
        )
        if not removed and not part.text and not part.title:
            part.meta["removed"] = "empty_item"
        return [part]

    def assemble(self, thread: str, parts: Sequence[Document], options: RedditOptions) -> list[Outcome]:
        """Make a submission and its comments one document; every record that is not in it is rejected by reason."""
        unique, outcomes = without_copies(parts)
        post = next((part for part in unique if part.meta["post"]), None)
        if post is None:
            detail = f"the dump holds no submission {thread}"
            return outcomes + [unused(part, "orphan", detail) for part in unique]
        comments = [
            Comment(
                part.key,
                part.meta["parent"],
                part.text,
                part.meta["author"],
                (-(part.meta["score"] or 0), part.meta["created"], part.key),
                part.meta["removed"],
                part,
            )
            for part in unique
            if part is not post
        ]
        return outcomes + discussion(post, comments, options, _document)


def plain(markdown: str) -> str:
    """Return Markdown with Reddit's entities undone, also where an editor's own were escaped once more.

    >>> plain("a &lt; b &amp;amp; c&amp;#x200B; &amp;nbsp;d")
    'a < b &amp; c  d'
    """
    if "&" in markdown:
        markdown = html.unescape(markdown)
        if "&#x200B;" in markdown or "&nbsp;" in markdown:
            markdown = markdown.replace("&#x200B;", "").replace("&nbsp;", " ")
    return markdown.translate(_INVISIBLE).strip() if not markdown.isascii() else markdown.strip()


def _number(name: Any) -> str:
    """Return the base-36 number of ``t3_abc`` or ``abc``, "" for anything else."""
    found = _ID.fullmatch(name) if isinstance(name, str) else None
    return found[1] if found else ""


def _unwanted(item: dict[str, Any], is_comment: bool, options: RedditOptions) -> str:
    """Return the reason not to show a record, "" if there is none."""
    if item.get("author") in options.bots:
        return "bot"
    if is_comment:
        score = integer(item.get("score"))
        least = options.min_comment_score
        return "low_score" if least is not None and score is not None and score < least else ""
    if item.get("promoted") is True:
        return "promoted"
    if options.over_18 == "reject" and item.get("over_18") in (True, "true"):
        return "over_18"
    return "removed" if item.get("removed_by_category") else ""


def _document(post: Document, shown: list[Comment]) -> Document:
    meta = post.meta
    return Document(
        key=post.key,
        text="",
        rel=post.rel,
        record=post.record,
        url=f"https://www.reddit.com/comments/{post.key.removeprefix('t3_')}/",
        title=post.title,
        meta={
            "subreddit": meta["subreddit"],
            "link": meta["link"],
            "score": meta["score"],
            "created": meta["created"],
            "comments": len(shown),
            "authors": authors(post, shown),
        },
    )
