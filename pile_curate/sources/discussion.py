"""Turn a post and its comments into one document: what formats of discussions share.

The layout is The Pile's for HackerNews: the post, ``======``, then the comments depth first, a comment on the post
after ``------`` and a reply after ``~~~``. A comment that is not shown (removed, a bot's, below the least score)
leaves its replies where they are, under the nearest shown comment above. Nothing recurses: chains of 100,000
replies are walked with a stack.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from pile_curate.sources.base import Document, Outcome, SourceOptions
from pile_curate.sources.parts import unused

_POST, _TOP, _REPLY = "\n\n======\n\n", "\n\n------\n\n", "\n\n~~~\n\n"


class DiscussionOptions(SourceOptions):
    """Which discussions are kept, and how much of them."""

    min_score: int = Field(0, description="Least score of a post; one without a score passes.")
    min_comments: int = Field(1, ge=0, description="Least number of comments that are shown with a post.")
    max_comments: int | None = Field(
        None, ge=1, description="Most comments of a document, the first in reading order."
    )
    names: Literal["meta", "text"] = Field(
        "meta",
        description="Where authors' names go; 'text' writes each above its comment, too, as The Pile did.",
    )
    separators: Literal["marks", "none"] = Field(
        "marks",
        description="What stands between comments: The Pile's lines of marks, which repetition rules count as "
        "repeated lines, or an empty line only.",
    )
    max_line_bytes: int = Field(64 << 20, ge=1024, description="Longest line that is read, in bytes.")


@dataclass(slots=True)
class Comment:
    """One comment. ``hidden`` says why it is not shown, ``order`` sorts siblings, ``part`` is its record if it is one."""

    node: str
    parent: str
    text: str
    author: str
    order: tuple[Any, ...]
    hidden: str = ""
    part: Document | None = None


def iso_time(seconds: Any) -> str:
    """Return Unix seconds, a number or digits, as an ISO date with time; "" for what is none."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


def integer(value: Any) -> int | None:
    """Return an integer that 64 bits hold, or one in a string, as BigQuery writes them."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, str) and len(value) < 20 and value.lstrip("-").isdecimal() and value.isascii():
        value = int(value) if value.rfind("-") < 1 else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -(2**63) < value < 2**63 else None


def string(value: Any) -> str:
    """Return a string as it is, and "" for anything else."""
    return value if isinstance(value, str) else ""


def in_reading_order(root: str, comments: Sequence[Comment]) -> list[tuple[Comment, int]]:
    """Return the comments depth first with their depth, which counts shown ones above; what a circle holds is left out.

    A comment whose parent is not there stands below the post.
    """
    known = {comment.node for comment in comments}
    below: dict[str, list[Comment]] = defaultdict(list)
    for comment in comments:
        below[comment.parent if comment.parent in known else root].append(comment)
    for replies in below.values():
        replies.sort(key=lambda c: c.order, reverse=True)
    stack = [(comment, 0) for comment in below[root]]
    out: list[tuple[Comment, int]] = []
    while stack:
        comment, depth = stack.pop()
        out.append((comment, depth))
        deeper = depth if comment.hidden else depth + 1
        stack += [(reply, deeper) for reply in below.get(comment.node, ())]
    return out


def discussion(
    post: Document,
    comments: Sequence[Comment],
    options: DiscussionOptions,
    finish: Callable[[Document, list[Comment]], Document],
) -> list[Outcome]:
    """Make a post and its comments one document, or say of each record why it is in none.

    ``finish`` takes the post and the comments shown and returns the document, whose text and counts are set here.
    """
    outcomes: list[Outcome] = []
    shown: list[tuple[Comment, int]] = []
    reached = set()
    for comment, depth in in_reading_order(post.key, comments):
        reached.add(comment.node)
        if not comment.hidden and options.max_comments is not None and len(shown) >= options.max_comments:
            comment.hidden = "comment_not_used"
        if not comment.hidden:
            shown.append((comment, depth))
        elif comment.part is not None:
            outcomes.append(unused(comment.part, comment.hidden))
    outcomes += [
        unused(c.part, "parent_loop", "its parents lead in a circle", "error")
        for c in comments
        if c.part is not None and c.node not in reached
    ]
    score = post.meta["score"]
    reason = detail = ""
    if post.meta["removed"]:
        reason = post.meta["removed"]
    elif score is not None and score < options.min_score:
        reason, detail = "low_score", f"it scores {score}; min_score is {options.min_score}"
    elif len(shown) < options.min_comments:
        reason = "few_comments"
        detail = f"{len(shown)} comments can be shown; min_comments is {options.min_comments}"
    used = [comment.part for comment, _ in shown if comment.part is not None]
    if reason:
        outcomes.append(unused(post, reason, detail))
        return outcomes + [unused(part, "post_not_used", f"the post is not: {reason}") for part in used]
    document = finish(post, [comment for comment, _ in shown])
    named = options.names == "text"
    text = [_head(post, named)]
    for index, (comment, depth) in enumerate(shown):
        mark = _POST if not index else _REPLY if depth else _TOP
        text.append(mark if options.separators == "marks" else "\n\n")
        text.append(f"{comment.author}\n\n{comment.text}" if named and comment.author else comment.text)
    document.text = "".join(text)
    document.records = post.records + sum(part.records for part in used)
    document.raw_bytes = post.raw_bytes + sum(part.raw_bytes for part in used)
    outcomes.append(document)
    return outcomes


def _head(post: Document, named: bool) -> str:
    by = f" - {post.meta['author']}" if named and post.meta["author"] else ""
    lines = "\n".join(line for line in (post.title + by, post.meta["link"]) if line)
    return "\n\n".join(part for part in (lines, post.text) if part)


def authors(post: Document, shown: Sequence[Comment]) -> list[str]:
    """Return who wrote in a document, each once, in order of appearance."""
    return list(dict.fromkeys(name for name in (post.meta["author"], *(c.author for c in shown)) if name))
