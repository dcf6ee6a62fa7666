"""Read logs of IRC channels line by line: who said what, without times, joins and control codes.

The layouts read are those of irclogs.ubuntu.com since 2004 (``[12:18] <nick> …``; actions as ``=== nick …`` until
2007 and ``[12:18]  * nick …`` since), irssi, WeeChat and energymech. A line is decoded by itself, as each writer's
client chose an encoding of its own. mIRC's codes: https://modern.ircdocs.horse/formatting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["said", "action", "system", "other"]

_CODES = re.compile(
    r"\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04(?:[0-9a-fA-F]{6}(?:,[0-9a-fA-F]{6})?)?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
    r"|<unconvertable> ?"
)
_TIME = re.compile(
    r"(?:\d{4}-\d\d-\d\d[T ])?(?:\[(\d{1,2}:\d\d(?::\d\d)?)\]|(\d{1,2}:\d\d(?::\d\d)?)(?=\s))[ \t]?"
)
_SAID = re.compile(
    r"<[ @+%&~]?([^<>]{1,60})>(?: |$)(.*)|\(([^\s/()]{1,40})/#[^\s()]{1,50}\)[ ](.*)", re.DOTALL
)
_ACTION = re.compile(r" ?\* ([^\s*]\S{0,40}(?: ?\]\S{0,20})?)(?: (.*))?$", re.DOTALL)
_MARKED = re.compile(r"(?:===|\*\*\*|-!-|-->|<--|--|>>>)[ \t]+(.*)", re.DOTALL)
_NOTICE = re.compile(r"-[^\s:]{1,40}(?::[^\s]{1,60})?- ")
_SYSTEM = re.compile(
    r"^\S.{0,60}? (?:[\[(][^\s\])]{1,200}[\])]+ +)?has (?:joined|left|quit|parted|been kicked)\b|"
    r"^\S.{0,260}? has (?:joined|left) #|"
    r"^\S.{0,60}? \[[^\s\]]*[@!][^\s\]]*\] |"
    r"^(?:You(?:'re| are) now known|Topic |Users |Channel |Mode |mode/|Irssi|ServerMode|Netsplit|Log (?:opened|closed|started)|"
    r"Day changed|Signoff|Join)|"
    r"^\.\.\[topic/|^\S.{0,40}? (?:is now known as|sets? mode|changed? (?:the )?topic|changes topic|was kicked|"
    r"unset topic)\b|^\S.{0,40}? (?:joined|left|quit|parted) *(?:$|[#\[(:])"
)
_OLD_ACTION = re.compile(r"((?:[^\s\]]|\] ?){1,60}) +(\S.*)", re.DOTALL)
"""The logs write "]" as "] ", so that one space behind it is part of a nick and two end it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its time as written, who speaks ("" if nobody), and what."""

    kind: Kind
    time: str
    nick: str
    text: str


def decoded(line: bytes) -> str:
    """Return a line's text: UTF-8, else windows-1252, in which every other byte has a meaning or none is lost."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace") if b"\x81" not in line else line.decode("latin-1")


def without_codes(text: str) -> str:
    r"""Remove mIRC's colours and styles, all other controls but the tab, and the word that logs put in place of one.

    >>> without_codes("\x0304,12red\x03 and \x02bold\x0f")
    'red and bold'
    """
    return _CODES.sub("", text)


def read_line(text: str) -> Line:
    """Say what a line is; ``text`` has no control codes and no line end."""
    stamp = _TIME.match(text)
    time = (stamp[1] or stamp[2] or "") if stamp else ""
    rest = text[stamp.end() :] if stamp else text
    if said := _SAID.match(rest):
        nick, words = (said[1], said[2]) if said[1] is not None else (said[3], said[4])
        # The logs write "]" of a nick as "] ".
        return Line("said", time, "".join(nick.split()), words)
    if action := _ACTION.match(rest):
        return Line("action", time, "".join(action[1].split()), action[2] or "")
    if stamp and "\t" in rest[:42]:
        # WeeChat: the time, who, what, with tabs between them.
        who, _, words = rest.partition("\t")
        nick = who.strip().lstrip("@+%&~")
        if nick == "*":
            nick, _, words = words.partition(" ")
            return Line("action", time, nick, words)
        system = nick in ("", "--", "-->", "<--", "=!=") or " " in nick
        return Line("system" if system else "said", time, "" if system else nick, words)
    marked = _MARKED.match(rest)
    if marked is None:
        return Line("system" if _NOTICE.match(rest) else "other", time, "", rest)
    body = marked[1].strip()
    old = _OLD_ACTION.match(body)
    if not rest.startswith("===") or old is None or _SYSTEM.search(body):
        return Line("system", time, "", body)
    return Line("action", time, "".join(old[1].split()), old[2])


def read_log(data: bytes) -> Iterator[Line]:
    """Yield the lines of a log that hold more than blanks; one that continues the line before is ``other``."""
    for raw in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        text = without_codes(decoded(raw)).strip("\r\n").rstrip()
        if text.strip():
            yield read_line(text)
