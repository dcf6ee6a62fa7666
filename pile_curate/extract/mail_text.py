"""Make a message's training text: the sender's own words, history and signatures kept, dropped or marked.

Why ``drop`` is the default: in a mailbox every message is quoted by the ones that answer it, so that history is
the most repeated text there is, and the original stands in its own file. Two things stay even then. A short
quotation that is answered below it stays, as ``> `` lines, because the answer makes no sense without it. A forwarded
message stays, because it came from elsewhere. ``mark`` keeps everything and begins each quoted line with ``> ``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from textwrap import dedent
from typing import Literal

from pile_curate.extract.gutenberg import fill_width, paragraphs, unwrap
from pile_curate.extract.mail_mime import Mail, Part
from pile_curate.extract.mail_quotes import (
    ANSWERED_LINES,
    Section,
    cut_notices,
    cut_signature,
    mended,
    sections,
    without_attachment_marks,
)

Mode = Literal["keep", "drop", "mark"]
MAX_LINES = 100_000
"""A part of more lines was written by no hand (a log, a data file); it is taken as it stands, at half a second."""

_MAX_FORWARDS = 5
_FORWARD_SUBJECT = re.compile(r"\s*(?:fw|fwd|wg|tr|rv|enc)\s*:", re.I)
_ITEM = re.compile(r"[ \t]*(?:[-*•·o]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])[ \t]+\S")
_PREFIX = re.compile(r"[ \t]*((?:[A-Z]{0,3}>[ \t]?)+)")
_CALENDAR = re.compile(r"\s*CALENDAR ENTRY:", re.I)
_LONGEST_WRAP, _SHORTEST_WRAP = 80, 60


@dataclass(frozen=True, slots=True)
class MailStyle:
    """What becomes of quoted text, signatures, notices and line breaks."""

    quoted: Mode = "drop"
    signatures: Mode = "drop"
    disclaimers: Literal["keep", "drop"] = "drop"
    unwrap: bool = True


@dataclass(slots=True)
class Body:
    """A message's text, and what was found: lines of history left out, a forwarded message, own words, a calendar item."""

    text: str = ""
    left_out: int = 0
    forwarded: bool = False
    own: bool = False
    calendar: bool = False


def body_of(mail: Mail, subject: str, style: MailStyle) -> Body:
    """Return the text of a message under a style."""
    body = Body()
    forwards = bool(_FORWARD_SUBJECT.match(subject))
    blocks: list[str] = []
    for part in mail.parts:
        if part.text.count("\n") > MAX_LINES:
            body.own = True
            blocks.append(part.text.strip())
            continue
        lines = _lines(part)
        body.calendar = body.calendar or bool(_CALENDAR.match("\n".join(lines[:20])))
        if part.kind == "message":
            body.forwarded = True
            found = _rendered(lines, style, Body(), False, 1)
            if part.subject and found:
                found.insert(0, part.subject)
            quoted = style.quoted == "mark"
            blocks += [_marked(block.split("\n")) if quoted else block for block in found]
        else:
            blocks += _rendered(lines, style, body, forwards, 0)
    body.text = "\n\n".join(blocks)
    return body


def _lines(part: Part) -> list[str]:
    text = part.text
    if part.kind.startswith("flowed"):
        text = _unflowed(text, part.kind == "flowed_delsp")
    elif part.kind == "plain" and not part.quoted_printable:
        text = mended(text)
    lines = without_attachment_marks(text).split("\n")
    # "-- " must be told from a rule, so only longer lines lose their trailing blanks.
    return [line if line == "-- " else line.rstrip() for line in lines]


def _unflowed(text: str, delsp: bool) -> str:
    """Join flowed lines (RFC 3676): one that ends with a space goes on in the next of the same quote depth."""
    out: list[str] = []
    joining, depth = False, 0
    for line in text.split("\n"):
        own_depth = len(line) - len(line.lstrip(">"))
        body = line[own_depth:]
        body = body[1:] if body.startswith(" ") else body
        if joining and own_depth == depth and body != "-- ":
            out[-1] += body
        else:
            out.append("> " * own_depth + body)
        joining = body.endswith(" ") and body != "-- " and bool(body.strip())
        depth = own_depth
        if joining and delsp:
            out[-1] = out[-1][:-1]
    return "\n".join(out)


def _rendered(lines: list[str], style: MailStyle, body: Body, forwards: bool, depth: int) -> list[str]:
    """Return the blocks of text that stay of some lines; note in ``body`` what was met."""
    found = sections(lines)
    last_own = max((i for i, s in enumerate(found) if s.kind == "own"), default=-1)
    blocks: list[str] = []
    for index, section in enumerate(found):
        if section.kind == "own":
            text = _own(section.lines, style, last=index == last_own)
            body.own = body.own or (not depth and any(char.isalnum() for char in text))
            blocks.append(text)
            continue
        kind = "forward" if section.kind == "reply" and forwards else section.kind
        body.forwarded = body.forwarded or kind == "forward"
        if style.quoted == "keep":
            blocks.append("\n".join([*section.head, *section.lines]))
        elif style.quoted == "mark":
            blocks.append(_marked([*section.head, *section.lines]))
        elif kind == "forward" and depth < _MAX_FORWARDS:
            blocks += _rendered(section.lines, style, body, forwards, depth + 1)
        elif kind == "quote" and index < last_own and _answered(section):
            blocks.append(_marked(section.lines))
        else:
            body.left_out += sum(bool(line.strip()) for line in (*section.head, *section.lines))
    return [block for block in (block.strip("\n") for block in blocks) if block.strip()]


def _answered(section: Section) -> bool:
    return sum(bool(line.strip()) for line in section.lines) <= ANSWERED_LINES


def _marked(lines: list[str]) -> str:
    """Begin each line with ``> ``, once for each level of quotation."""
    out: list[str] = []
    for line in lines:
        prefix = _PREFIX.match(line)
        depth = prefix[1].count(">") if prefix else 1
        rest = line[prefix.end() :] if prefix else line
        out.append(("> " * min(depth, 20) + rest).rstrip())
    while out and not out[-1].strip("> "):
        out.pop()
    return "\n".join(out)


def _own(lines: list[str], style: MailStyle, *, last: bool) -> str:
    signature: list[str] = []
    notices: list[str] = []
    if last:
        lines, notices = cut_notices(lines)
        lines, signature = cut_signature(lines)
        lines, more = cut_notices(lines)
        notices = [*more, *([""] if more else []), *notices]
    text = _unwrapped(lines) if style.unwrap else "\n".join(lines)
    if signature and style.signatures != "drop":
        text += ("\n\n-- \n" if style.signatures == "mark" else "\n\n") + "\n".join(signature).strip("\n")
    if notices and style.disclaimers == "keep":
        text += "\n\n" + (_unwrapped(notices) if style.unwrap else "\n".join(notices))
    return text.strip("\n")


def _unwrapped(lines: list[str]) -> str:
    """Undo line filling, paragraph by paragraph and item by item."""
    parts = paragraphs("\n".join(lines))
    inner = [len(line) for _, block in parts for line in block[:-1]]
    longest = max(inner, default=0)
    width = longest if _SHORTEST_WRAP <= longest <= _LONGEST_WRAP else fill_width(parts)
    out: list[str] = []
    for blanks, block in parts:
        if out:
            out.append("\n\n" if blanks else "\n")
        items: list[list[str]] = []
        for line in dedent("\n".join(block)).split("\n"):
            if not items or _ITEM.match(line):
                items.append([])
            items[-1].append(line)
        out.append(
            "\n".join(_item(item, width) if _ITEM.match(item[0]) else unwrap(item, width) for item in items)
        )
    return "".join(out)


def _item(lines: list[str], width: int) -> str:
    """Join a list's item and keep its indent; lines set in below its mark are its continuation."""
    first = lines[0]
    indent = len(first) - len(first.lstrip())
    inner = [line.strip() for line in lines[1:]]
    if inner and all(len(line) - len(line.lstrip()) > indent for line in lines[1:]):
        return first + " " + " ".join(inner)
    return " " * indent + unwrap([first.strip(), *inner], width - indent)
