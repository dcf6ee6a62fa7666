"""Read the logs of IRC channels, as irclogs.ubuntu.com publishes them: one channel and one day is a document.

Names say channel and date: ``2004/11/15/#ubuntu.txt``, ``%23ubuntu.txt``, flat ``2004-11-15_03.txt``,
``#ubuntu-2004-11-15.log``; the option ``channel`` names it where they do not. Logs are threaded: all files of one
channel and day (such as one an hour) become one document in the order of their names, and a copy of a file is a
``duplicate_record``. ``group: week`` joins the days of an ISO week of an ISO *year*: The Pile's script
(EleutherAI/the-pile, ubuntu_irc) grouped by the number of the week alone and so mixed sixteen years.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import quote, unquote

from pydantic import Field

from pile_curate.extract.irc import Line, read_log
from pile_curate.files import Tally
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, SourceOptions, Split
from pile_curate.sources.blobs import Inflate, blob_records, inflated

_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)[-/._]?(0[1-9]|1[0-2])[-/._]?(0[1-9]|[12]\d|3[01])(?!\d)")
_CHANNEL = re.compile(r"#[^/\s,]{1,60}?(?=\.(?:txt|log)\b|/|[-_.](?:19|20)\d\d|$)")
_LOG = re.compile(r"\.(?:txt|log)(?:\.\w{2,4})?$|/[^/.]+$", re.IGNORECASE)


class UbuntuIrcOptions(SourceOptions):
    """Say what a document is, and what of a line stays."""

    unfit: ClassVar[tuple[str, ...]] = ("gopher_quality", "gopher_repetition")

    group: Literal["day", "week"] = Field(
        "day", description="A document is a channel's day, or its ISO week."
    )
    channel: str = Field("#ubuntu", description="Channel of files whose names say none.")
    system: Literal["drop", "keep"] = Field("drop", description="Joins, parts, modes, topics and notices.")
    actions: Literal["drop", "keep"] = Field("keep", description='What "/me" writes: "* nick waves".')
    timestamps: Literal["drop", "keep"] = Field("drop", description="The time before each line, as [HH:MM].")
    nicks: Literal["keep", "drop"] = Field("keep", description="The speaker before each line, as <nick>.")
    min_lines: int = Field(1, ge=1, description="Least lines said in a document; fewer reject it.")
    max_file_bytes: int = Field(64 << 20, ge=1024, description="Largest file that is read, in bytes.")


def day_of(name: str, default: str) -> tuple[str, str]:
    """Return the channel and the ISO date that a path says; the date is "" if there is none.

    >>> day_of("2004/11/15/%23ubuntu-devel.txt", "#x"), day_of("2005-06-27_12.txt", "#x")
    (('#ubuntu-devel', '2004-11-15'), ('#x', '2005-06-27'))
    """
    path = unquote(name)
    channels = _CHANNEL.findall(path)
    dates = _DATE.findall(path)
    date = ""
    if dates:
        try:
            date = datetime.date(*map(int, dates[-1])).isoformat()
        except ValueError:
            date = ""
    return (channels[-1].lower() if channels else default), date


def _unwanted(name: str) -> str:
    return "" if _LOG.search("/" + name) else "other_file"


class UbuntuIrcSource(SourceFormat):
    """Channel logs, loose or in archives."""

    name: ClassVar[str] = "ubuntu_irc"
    version: ClassVar[int] = 2
    summary: ClassVar[str] = "IRC channel logs (irclogs.ubuntu.com): one channel and day a document"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".log", ".txt.gz", ".tar.gz")
    Options: ClassVar[type[SourceOptions]] = UbuntuIrcOptions
    threaded: ClassVar[bool] = True
    about: ClassVar[About] = About(
        publisher="Ubuntu",
        where="https://irclogs.ubuntu.com",
        licence="LicenseRef-public-domain",
        consent="author",
        size="about 6 GB",
        splits="small files packed to 256 MB; files of a day meet once",
        example="**/*.txt",
    )

    def frames(self, split: Split, options: UbuntuIrcOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each log as one record; what is named otherwise (the ``.html`` twins) is rejected by name."""
        yield from blob_records(split, tally, limit=options.max_file_bytes, wanted=_unwanted)

    def parse(self, raw: Raw, options: UbuntuIrcOptions) -> list[Outcome]:
        """Turn one log into a part of its channel's day or week, or a reject."""
        size = len(raw.body)

        def reject(reason: str, detail: str, kind: Literal["policy", "error"] = "error") -> list[Outcome]:
            return [Reject(reason, raw.rel, raw.record, detail, raw.meta["key"], kind, raw_bytes=size)]

        channel, date = day_of(raw.meta["key"], options.channel)
        if not date:
            return reject("no_date", "the name says no date (2004/11/15/#ubuntu.txt, 2004-11-15.txt)")
        try:
            body = inflated(raw.body, options.max_file_bytes)
        except Inflate as error:
            return reject(error.reason, str(error))
        if body.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
            return reject("markup", "an HTML page; use the .txt of the same day", "policy")
        lines = list(read_log(body))
        known = sum(line.kind != "other" for line in lines)
        if known * 2 < len(lines) or not known:
            return reject("not_a_log", f"{known} of {len(lines)} lines are a log's")
        written, nicks, said = _written(lines, options)
        if not said:
            return reject("nothing_said", "no line in which somebody speaks", "policy")
        return [
            Document(
                key=raw.meta["key"],
                text=written,
                rel=raw.rel,
                record=raw.record,
                raw_bytes=size,
                meta={
                    "thread": _thread(channel, date, options.group),
                    "channel": channel,
                    "date": date,
                    "nicks": sorted(nicks),
                    "lines": said,
                },
            )
        ]

    def assemble(self, thread: str, parts: Sequence[Document], options: UbuntuIrcOptions) -> list[Outcome]:
        """Join the logs of one channel's day or week; copies are rejected."""
        outcomes: list[Outcome] = []
        seen: dict[tuple[str, str], Document] = {}
        for part in sorted(parts, key=lambda p: (p.meta["date"], p.key, p.rel, p.record)):
            first = seen.setdefault((part.meta["date"], part.text), part)
            if first is not part:
                detail = f"the same lines as {first.key}"
                outcomes.append(
                    Reject(
                        "duplicate_record", part.rel, part.record, detail, part.key, raw_bytes=part.raw_bytes
                    )
                )
        used = list(seen.values())
        channel, dates = used[0].meta["channel"], sorted({part.meta["date"] for part in used})
        lines = sum(part.meta["lines"] for part in used)
        first = used[0]
        size = sum(part.raw_bytes for part in used)
        if lines < options.min_lines:
            detail = f"{lines} lines; the option min_lines asks for {options.min_lines}"
            return [
                *outcomes,
                Reject(
                    "few_lines", first.rel, first.record, detail, thread, records=len(used), raw_bytes=size
                ),
            ]
        meta: dict[str, Any] = {
            "channel": channel,
            "date": dates[0],
            "participants": len({nick for part in used for nick in part.meta["nicks"]}),
            "lines": lines,
        }
        if options.group == "week":
            meta |= {"week": thread.rpartition("/")[2], "days": len(dates)}
        year, month, day = dates[0].split("-")
        outcomes.append(
            Document(
                key=thread,
                text="\n".join(part.text for part in used),
                rel=first.rel,
                record=first.record,
                url=f"https://irclogs.ubuntu.com/{year}/{month}/{day}/{quote(channel)}.html"
                if options.group == "day" and channel.startswith("#ubuntu")
                else "",
                title=f"{channel}, {thread.rpartition('/')[2]}",
                records=len(used),
                raw_bytes=size,
                meta=meta,
            )
        )
        return outcomes


def _thread(channel: str, date: str, group: str) -> str:
    if group == "day":
        return f"{channel}/{date}"
    year, week, _ = datetime.date.fromisoformat(date).isocalendar()
    return f"{channel}/{year}-W{week:02d}"


def _written(lines: Sequence[Line], options: UbuntuIrcOptions) -> tuple[str, set[str], int]:
    """Return the lines that stay, who speaks in them, and how many say something."""
    out: list[str] = []  # with the line ends, so that lines may be continued without being copied
    nicks: set[str] = set()
    said = 0
    open_line = False  # whether the last line that was read stays and may be continued
    for line in lines:
        before = f"[{line.time}] " if options.timestamps == "keep" and line.time else ""
        if line.kind == "other" and open_line:
            out.append(" " + line.text.strip())
            continue
        open_line = False
        if line.kind == "said" and line.text.strip():
            name = f"<{line.nick}> " if options.nicks == "keep" else ""
            out.append(f"\n{before}{name}{line.text.strip()}")
            open_line = True
            said += 1
        elif line.kind == "action" and line.text.strip() and options.actions == "keep":
            name = f"* {line.nick} " if options.nicks == "keep" else "* "
            out.append(f"\n{before}{name}{line.text.strip()}")
            said += 1
        elif line.kind == "system" and options.system == "keep":
            out.append(f"\n{before}=== {line.text}")
        if line.kind in ("said", "action"):
            nicks.add(line.nick.lower())
    return "".join(out).lstrip("\n"), nicks, said
