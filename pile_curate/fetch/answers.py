"""Read from the head of an answer which file it brings, and whether it continues the bytes that are here."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from pile_curate.fetch import names
from pile_curate.fetch.client import Answer
from pile_curate.fetch.part import Origin

_RANGE = re.compile(r"bytes\s+(\d+)-(\d+)/(\d+|\*)")
_WHOLE = re.compile(r"bytes\s+\*/(\d+)")


class Again(Exception):
    """The part cannot be continued: begin at zero, which counts as a failure."""


def origin(answer: Answer, url: str) -> Origin:
    """Return what identifies the version of a file that an answer to ``url`` brings."""
    etag, modified = answer.header("etag"), answer.header("last-modified")
    strong = etag if etag.startswith('"') else ""
    return Origin(
        url=url,
        final_url=answer.url if answer.url == url else names.without_query(answer.url),
        etag=etag,
        last_modified=modified,
        validator=strong or (modified if _settled(modified, answer.header("date")) else ""),
        encoding=answer.header("content-encoding").lower().replace("identity", ""),
    )


def continued(answer: Answer, before: Origin, found: Origin, have: int) -> Origin:
    """Return the origin after a 206 that is the range asked for, of the same file; raise ``Again`` for any other."""
    if not have:
        raise Again("the server sends a part of the file that was not asked for (status 206)")
    told = _RANGE.fullmatch(answer.header("content-range"))
    if not told:
        raise Again("the answer to a range does not say which range it is")
    first, last = int(told.group(1)), int(told.group(2))
    total = None if told.group(3) == "*" else int(told.group(3))
    if first != have or last < first or (total is not None and last >= total):
        raise Again(f"the server sends bytes {first}-{last} of {told.group(3)}, asked for from {have}")
    if answer.length is not None and answer.length != last - first + 1:
        raise Again("the lengths that the answer to a range gives contradict each other")
    lengths = before.total is not None and total is not None and before.total != total
    tags = bool(before.etag and found.etag) and before.etag != found.etag
    if lengths or tags or before.encoding != found.encoding:
        raise Again("the file changed between two tries")
    found.total = before.total if total is None else total
    found.framed = found.total is not None
    found.etag, found.validator = before.etag or found.etag, before.validator
    return found


def ends_at(answer: Answer) -> int | None:
    """Return the length of the file that a 416 tells."""
    told = _WHOLE.fullmatch(answer.header("content-range"))
    return int(told.group(1)) if told else None


def date(text: str) -> datetime | None:
    """Return the date of a header, or None."""
    try:
        return parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError, IndexError):
        return None


def _settled(modified: str, answered: str) -> bool:
    """Say whether a modification date is a strong validator: a minute older than the answer (RFC 9110, 8.8.2.2)."""
    old, new = date(modified), date(answered)
    if old is None or new is None or (old.tzinfo is None) != (new.tzinfo is None):
        return False
    return new - old >= timedelta(seconds=60)
