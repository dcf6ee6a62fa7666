"""Read Hacker News items: a story with its comments is one document.

One record is one line: an item of the Firebase API (https://github.com/HackerNews/API), a row of BigQuery's
``bigquery-public-data.hacker_news.full`` (numbers in strings), or what Algolia's API returns
(https://hn.algolia.com/api): a flat hit, or an item with all its comments nested in ``children``. The latter is one
record however many comments it holds.

An item names its parent, not its story, so the format is linked: threads are found by ``sources/links.py`` once all
items are known, wherever they lie. A comment whose ancestors are not all in the dump is an orphan. The names of
authors stay in the metadata, unless the options ask for The Pile's layout with a name above each comment.
"""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pile_curate.extract.fragment import fragment_text
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

_POSTS = ("story", "job", "poll")
_LAST = 1 << 62
_LINK = re.compile(r"<a\s([^<>]*)>([^<>]*)</a>", re.IGNORECASE)
_TARGET = re.compile(r"""\bhref="([^"<>]*)\"""", re.IGNORECASE)
_KIND = re.compile(r"(ask|show|tell|launch)\s+hn\b", re.IGNORECASE)


class HackerNewsOptions(DiscussionOptions):
    """Which stories are kept."""

    unfit: ClassVar[tuple[str, ...]] = ("gopher_repetition",)

    jobs: Literal["reject", "keep"] = Field(
        "reject", description="Job advertisements, which have no comments."
    )


class HackerNewsSource(JsonlSource):
    """Hacker News items as JSON lines, plain or compressed; plain files are read in parallel."""

    name: ClassVar[str] = "hackernews"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "Hacker News items (Firebase, BigQuery, Algolia): a story with its comments"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json.gz")
    libraries: ClassVar[tuple[str, ...]] = ("orjson",)
    Options: ClassVar[type[SourceOptions]] = HackerNewsOptions
    threaded: ClassVar[bool] = True
    linked: ClassVar[bool] = True
    about: ClassVar[About] = About(
        publisher="Y Combinator",
        where="https://github.com/HackerNews/API",
        licence="LicenseRef-HackerNews",
        consent="tos",
        size="about 45 million items, 20 GB of JSON lines",
        splits="plain files at lines; compressed ones a file a task; threads meet once",
        example="items-*.jsonl.zst",
    )

    def parse(self, raw: Raw, options: HackerNewsOptions) -> list[Outcome]:
        """Turn one item into a part of a thread, its HTML as text, or a reject."""
        size = len(raw.body)
        if raw.body.strip() == b"null":
            return [Reject("no_item", raw.rel, raw.record, "the API knew no such item", raw_bytes=size)]
        item = json_object(raw)
        if isinstance(item, Reject):
            return [item]
        if isinstance(item.get("body"), dict):
            item = item["body"]  # some collectors wrap what the API returned
        node = _first(item, integer, "id", "objectID")
        parent = _first(item, integer, "parent", "poll", "parent_id")
        if parent is None and item.get("comment_text"):
            parent = integer(item.get("story_id"))
        kind = string(item.get("type")) or ("story" if parent is None else "comment")

        def reject(reason: str, detail: str = "", of: Literal["policy", "error"] = "error") -> list[Outcome]:
            return [Reject(reason, raw.rel, raw.record, detail, str(node or ""), of, raw_bytes=size)]

        if node is None or node < 0 or (parent is not None and parent < 0):
            return reject("bad_id", f"id {item.get('id')!r:.40}, parent {item.get('parent')!r:.40}")
        if kind not in (*_POSTS, "comment", "pollopt"):
            return reject("unknown_type", f"type {kind[:40]!r}", "policy")
        if kind in _POSTS:
            parent = None
        elif parent is None:
            return reject("no_parent", f"a {kind} that names no parent")
        if kind == "job" and options.jobs == "reject":
            return reject("job", of="policy")
        part = Document(
            key=str(node),
            text=item_text(_first(item, string, "text", "story_text", "comment_text")),
            rel=raw.rel,
            record=raw.record,
            title=" ".join(html.unescape(string(item.get("title"))).split()),
            raw_bytes=size,
            meta=_facts(item, kind) | {"node": node, "parent": parent},
        )
        if not part.meta["removed"] and not part.text and not (kind in _POSTS and part.title):
            part.meta["removed"] = "empty_item"
        return [part]

    def assemble(self, thread: str, parts: Sequence[Document], options: HackerNewsOptions) -> list[Outcome]:
        """Make a story and its comments one document; every item that is not in it is rejected by reason."""
        unique, outcomes = without_copies(parts)
        if thread.startswith("loop/"):
            detail = "its parents lead in a circle"
            return outcomes + [unused(part, "parent_loop", detail, "error") for part in unique]
        story = next((part for part in unique if part.key == thread and part.meta["parent"] is None), None)
        if story is None:
            detail = f"an ancestor of it, the parent of {thread}, is not in the dump"
            return outcomes + [unused(part, "orphan", detail) for part in unique]
        rest = [part for part in unique if part is not story]
        ballot = [part for part in rest if part.meta["kind"] == "pollopt"]
        if not story.meta["removed"]:
            story.text = "\n\n".join(filter(None, (story.text, _poll(story, ballot))))
        comments = _comments(story, [part for part in rest if part.meta["kind"] != "pollopt"])
        made = discussion(story, comments, options, _document)
        document = made[-1] if made and isinstance(made[-1], Document) else None
        for option in ballot:
            if document is None or option.meta["removed"]:
                made.insert(0, unused(option, option.meta["removed"] or "post_not_used"))
            else:
                document.records += option.records
                document.raw_bytes += option.raw_bytes
        return outcomes + made


def item_text(markup: str) -> str:
    r"""Return an item's HTML as text: links in full, though the site shortens what it shows of them.

    >>> item_text('See <a href="https:&#x2F;&#x2F;example.org&#x2F;long">https:&#x2F;&#x2F;example.org&#x2F;l...</a><p>&gt; so')
    'See https://example.org/long\n\n> so'
    """
    if "<a" in markup or "<A" in markup:
        markup = _LINK.sub(_whole_link, markup)
    head, *blocks = markup.split("<pre><code>")
    for block in blocks:
        code, end, after = block.partition("</code></pre>")
        head += "<pre><code>" + (textwrap.dedent(code) if end else code) + end + after
    return fragment_text(head)


def _whole_link(found: re.Match[str]) -> str:
    named = _TARGET.search(found[1])
    shown, target = html.unescape(found[2]).strip(), html.unescape(named[1] if named else "").strip()
    shortened = bool(target) and shown.endswith("...") and target.startswith(shown[:-3])
    return html.escape(target, quote=False) if shortened else found[2]


def _first(item: dict[str, Any], read: Any, *names: str) -> Any:
    """Return the first of some fields that ``read`` can make something of, else what it makes of nothing."""
    for name in names:
        value = read(item.get(name))
        if value is not None and value != "":
            return value
    return read(None)


def _facts(item: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return what ``assemble`` needs of an item besides its text."""
    removed = ""
    for name in ("deleted", "dead"):
        if item.get(name) is True or item.get(name) == "true":
            removed = removed or name
    children = item.get("children")
    kids = item.get("kids")
    created = _first(item, iso_time, "time", "created_at_i")
    return {
        "kind": kind,
        "removed": removed,
        "author": _first(item, string, "by", "author"),
        "created": created or _first(item, string, "timestamp", "created_at"),
        "score": _first(item, integer, "score", "points"),
        "link": string(item.get("url")).strip(),
        "kids": [kid for kid in kids if isinstance(kid, int)] if isinstance(kids, list) else [],
        "options": [i for i in map(integer, item.get("parts") or []) if i is not None]
        if isinstance(item.get("parts"), list)
        else [],
        "ranking": integer(item.get("ranking")),
        "children": _flat(children) if isinstance(children, list) else [],
    }


def _flat(children: list[Any]) -> list[tuple[int, int | None, str, str]]:
    """Return (id, parent, text, author) of all comments nested below an item; the text of a removed one is empty."""
    out: list[tuple[int, int | None, str, str]] = []
    stack = [child for child in children if isinstance(child, dict)]
    while stack:
        child = stack.pop()
        node, parent = integer(child.get("id")), integer(child.get("parent_id"))
        if node is not None and child.get("type") in (None, "comment"):
            text = item_text(string(child.get("text")))
            out.append((node, parent, text, string(child.get("author"))))
        deeper = child.get("children")
        if isinstance(deeper, list):
            stack += [reply for reply in deeper if isinstance(reply, dict)]
    return out


def _comments(story: Document, parts: Sequence[Document]) -> list[Comment]:
    """Return the comments, ordered among siblings as the site ranked them, else as they were written."""
    ranks = {kid: place for part in (story, *parts) for place, kid in enumerate(part.meta["kids"])}
    comments = []
    for part in parts:
        meta = part.meta
        ranking = meta["ranking"] if meta["ranking"] is not None else _LAST
        order = (ranks.get(meta["node"], _LAST), ranking, meta["node"])
        parent = str(meta["parent"])
        comments.append(Comment(part.key, parent, part.text, meta["author"], order, meta["removed"], part))
    known = {part.key for part in (story, *parts)}
    for part in (story, *parts):
        for node, parent, text, author in part.meta["children"]:
            if str(node) in known:
                continue
            known.add(str(node))
            above = part.key if parent is None else str(parent)
            order = (ranks.get(node, _LAST), _LAST, node)
            comments.append(Comment(str(node), above, text, author, order, "" if text else "deleted"))
    return comments


def _poll(poll: Document, ballot: Sequence[Document]) -> str:
    """Return a poll's options as a list, in the poll's own order, with the votes for each."""
    places = {node: place for place, node in enumerate(poll.meta["options"])}
    lines = []
    for option in sorted(ballot, key=lambda o: (places.get(o.meta["node"], _LAST), o.meta["node"])):
        if not option.meta["removed"]:
            votes = option.meta["score"]
            lines.append(
                "- " + " ".join(option.text.split()) + (f" ({votes} votes)" if votes is not None else "")
            )
    return "\n".join(lines)


def _document(story: Document, shown: list[Comment]) -> Document:
    meta = story.meta
    found = _KIND.match(story.title)
    return Document(
        key=story.key,
        text="",
        rel=story.rel,
        record=story.record,
        url=f"https://news.ycombinator.com/item?id={story.key}",
        title=story.title,
        meta={
            "kind": found[1].lower() if found and meta["kind"] == "story" else meta["kind"],
            "link": meta["link"],
            "score": meta["score"],
            "created": meta["created"],
            "comments": len(shown),
            "authors": authors(story, shown),
        },
    )
