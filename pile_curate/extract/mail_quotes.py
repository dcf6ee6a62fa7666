"""Tell a sender's own lines from the history quoted below and between them, and from signatures and notices.

Nothing in a mail marks its history reliably; each program has its own habit. Known here: ``>`` lines with the
attribution above them (in ten languages), Outlook's "-----Original Message-----" and its bare block of From, Sent,
To and Subject, Lotus Notes' "Forwarded by … on …" and its block of name, date, To, cc, Subject, and the marks by
which web mailers forward. A forwarded message is content that is passed on; what follows a reply is a copy of other mail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

ANSWERED_LINES = 12
"""A quotation of at most so many lines that the sender's own words follow is what these words answer."""

_QUOTED = re.compile(r"[ \t]{0,4}(?:[A-Z]{0,3}>)")
_WROTE = "wrote|writes|said|schrieb|schreibt|a écrit|escribió|ha scritto|escreveu|skrev|schreef|napisał\\(?a?\\)?|пишет|писал"
_ATTRIBUTION_END = re.compile(rf"\b(?:{_WROTE})\b.{{0,60}}:\s*$", re.I)
_ATTRIBUTION_BEGIN = re.compile(r"(?:On|Am|Le|El|Il|Em|Den|Op|W dniu|At)\b.{0,80}\d", re.I)
_ORIGINAL = re.compile(
    r"[ \t>]*[-_=*]{2,}[ \t]*(?:original (?:message|appointment)|ursprüngliche nachricht|originalnachricht"
    r"|message d['’]origine|message original|mensaje original|messaggio originale|mensagem original"
    r"|oprindelig meddelelse|oorspronkelijk bericht|исходное сообщение|reply separator)[ \t]*[-_=*]*[ \t]*$",
    re.I,
)
_FORWARDED = re.compile(
    r"[ \t>]*(?:-{3,}[ \t]*forwarded (?:by\b|message\b|from\b)|-{3,}[ \t]*begin forwarded message"
    r"|begin forwarded message:|-{3,}[ \t]*(?:weitergeleitete nachricht|message transféré|mensaje reenviado))",
    re.I,
)
_SUSPECT = re.compile(r":|[-_=*]{2}")
_RULE = re.compile(r"[ \t]*[_-]{20,}[ \t]*$")
_FIELD = re.compile(
    r"[ \t>*]*(from|sent|date|to|cc|bcc|subject|reply-to|importance|sent by|von|gesendet|an|betreff|de|envoyé|à"
    r"|objet|para|asunto)\*?[ \t]*:",
    re.I,
)
_FROM_FIELDS = ("from", "von", "de")
_TO_FIELD = re.compile(r"[ \t]*To:", re.I)
_NOTES_DATE = re.compile(r"\b\d{1,2}/\d{1,2}/(?:\d{4}|\d\d)\b.{0,6}\b\d{1,2}:\d\d")
_PHONE = re.compile(r"(?:\+\d{1,3}[ .-]?)?\(?\d{3}\)?[ ./-]{1,3}\d{3}[ .-]\d{4}\b|\+\d[\d ().-]{8,}")
_CONTACT = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.]+|https?://|\bwww\.|\b(?:fax|phone|tel|cell|mobile|pager|office)\b[ .:]", re.I
)
_PLAIN_WORD = re.compile(
    r"(?<![\w@./-])(?!(?:of|and|the|de|fax|phone|tel|cell|mobile|pager|office|ext|main|direct|http|www)\b)"
    r"[a-z]+(?![\w@./-]*[@./])\b"
)
"""A small word as sentences have and titles, addresses and numbers have not."""

_NOTICE_PHRASES = [
    re.compile(pattern, re.I)
    for pattern in (
        r"\bconfidential",
        r"\bprivileged\b",
        r"\bintended (?:only |solely )?(?:for|recipient)|\baddressee\b|\bsole use\b",
        r"\bif you (?:are not|have received|receive) (?:the|this)\b",
        r"\b(?:dissemination|distribution|copying|disclosure)\b.{0,40}\b(?:prohibited|strictly|forbidden)",
        r"\b(?:delete|destroy) (?:this|the|all|it)\b|\bnotify the sender\b",
        r"\bproperty of\b.{0,40}\b(?:corp|inc|ltd|affiliate)",
        r"\b(?:scanned|checked|swept) (?:for|by)\b.{0,40}\bvirus",
    )
]
_FOOTER = re.compile(
    r"/(?:mailman/)?listinfo/|\bmailing list\b.{0,200}https?://|\bto unsubscribe\b|\bunsubscribe from this\b"
    r"|\byahoo! groups\b|^\s*do you yahoo!\?|\bget your free download of msn\b|^\s*get (?:your )?free e-?mail\b"
    r"|^\s*_{5,}\s*$|^sent from my \w+",
    re.I | re.S,
)
_ATTACHED = re.compile(
    r"<< ?File: .{0,120}?>>|\(See attached file: .{0,120}?\)|\[(?:IMAGE|image|cid:[^\]]{0,200})\]"
    r"|<(?:Embedded )?(?:Picture|Image)[^>\n]{0,60}>|^[ \t]+- [^\n/]{1,80}\.(?:doc|xls|ppt|pdf|txt|zip|gif|jpg|htm|rtf|wpd)x?[ \t]*$",
    re.M,
)
_DEBRIS = re.compile(r"=(?:20|09|\n)|=01[,&8*)('\"]")
_OCTET = re.compile(r"=([0-9A-F]{2})")
_NOTES_QUOTES = {"=01,": "’", "=01&": "“", "=018": "”", "=01*": "–", "=01)": "–", "=01'": "‘"}


@dataclass(slots=True)
class Section:
    """Lines of one kind: own, quote (``>`` lines), reply (history), forward, signature, notice."""

    kind: str
    lines: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    """What announces the section: an attribution, a separator, a block of header fields."""


def mended(text: str) -> str:
    """Undo quoted-printable that was left undecoded, as in Enron's mail; ``=20`` and soft line ends give it away.

    There, the codes ``=01`` with one letter behind are Lotus Notes' typographic quotes.
    """
    if len(_DEBRIS.findall(text[: 1 << 20])) < 2:
        return text
    for code, mark in _NOTES_QUOTES.items():
        text = text.replace(code, mark)
    text = text.replace("=\n", "")
    return _OCTET.sub(lambda found: bytes.fromhex(found[1]).decode("cp1252", "replace"), text)


def without_attachment_marks(text: str) -> str:
    """Drop what stands for an attachment or picture."""
    return (
        _ATTACHED.sub("", text) if ("<" in text or "[" in text or " - " in text or "(See" in text) else text
    )


def sections(lines: list[str], *, depth: int = 0) -> list[Section]:
    """Cut a message's lines into sections, in order; history runs to the end."""
    out: list[Section] = [Section("own")]
    at = 0
    while at < len(lines):
        line = lines[at]
        if _QUOTED.match(line):
            head = _taken_attribution(out[-1].lines) if out[-1].kind == "own" else []
            section = Section("quote", [], head)
            while at < len(lines) and (_QUOTED.match(lines[at]) or _between_quotes(lines, at)):
                section.lines.append(lines[at])
                at += 1
            out += (section, Section("own"))
            continue
        kind, size = _history(lines, at)
        if kind:
            out.append(Section(kind, lines[at + size :], lines[at : at + size]))
            _notes_name(out)
            break
        out[-1].lines.append(line)
        at += 1
    return [section for section in out if section.head or any(line.strip() for line in section.lines)]


def _between_quotes(lines: list[str], at: int) -> bool:
    """Say whether a blank line stands between two quoted ones."""
    return not lines[at].strip() and at + 1 < len(lines) and bool(_QUOTED.match(lines[at + 1]))


def _taken_attribution(own: list[str]) -> list[str]:
    """Take the lines of an attribution off the end of own text; it may be wrapped over three."""
    end = len(own)
    while end and not own[end - 1].strip():
        end -= 1
    if not end or not _ATTRIBUTION_END.search(own[end - 1][-400:]):
        return []
    begin = end - 1
    while (
        begin > max(0, end - 3) and not _ATTRIBUTION_BEGIN.match(own[begin][:400]) and own[begin - 1].strip()
    ):
        begin -= 1
    if not _ATTRIBUTION_BEGIN.match(own[begin][:400]):
        begin = end - 1
    head = own[begin:end]
    del own[begin:]
    return head


def _history(lines: list[str], at: int) -> tuple[str, int]:
    """Return the kind of history that begins at a line and the number of lines that announce it, or ``""``."""
    line = lines[at][:400]
    if not _SUSPECT.search(line):
        return "", 0
    if _FORWARDED.match(line):
        size = 1
        if not line.rstrip().endswith("-") and at + 1 < len(lines):
            size += lines[at + 1].rstrip().endswith("---")  # Notes wraps the line before the time of day
        return "forward", size + _fields(lines, at + size)
    if _ORIGINAL.match(line):
        return "reply", 1 + _fields(lines, at + 1)
    if _RULE.match(line) and (size := _fields(lines, at + 1)) >= 3:
        return "reply", 1 + size
    found = _FIELD.match(line)
    if found and found[1].lower() in _FROM_FIELDS and (size := _fields(lines, at)) >= 3:
        return "reply", size
    if _TO_FIELD.match(line) and (size := _fields(lines, at)) >= 2 and _dated(lines[max(0, at - 3) : at]):
        return "reply", size
    if _ATTRIBUTION_BEGIN.match(line) and _ATTRIBUTION_END.search(line) and at:
        following = next((later for later in lines[at + 1 : at + 4] if later.strip()), "")
        if following and not _QUOTED.match(following):
            return "reply", 1
    return "", 0


def _dated(lines: list[str]) -> bool:
    return any(_NOTES_DATE.search(line[-200:]) for line in lines)


def _fields(lines: list[str], at: int) -> int:
    """Return how many lines from ``at`` on are a block of header fields (blanks before and folded lines included).

    0 unless there are two different fields; Notes puts up to three lines of name and date before them.
    """
    start = at
    limit = min(len(lines), at + 24)
    while at < limit and not lines[at].strip():
        at += 1
    lead = at
    while lead < min(limit, at + 4) and lines[lead].strip() and not _FIELD.match(lines[lead]):
        lead += 1
    dated = any(_NOTES_DATE.search(line[:200]) for line in lines[at:lead])
    names: set[str] = set()
    end = lead if dated or lead == at else at
    while end < limit:
        found = _FIELD.match(lines[end])
        if found:
            names.add(found[1].lower())
        elif not lines[end].strip():
            # Notes leaves blank lines between its fields; a blank that no field follows ends the block.
            if end + 1 < limit and _FIELD.match(lines[end + 1]) and "subject" not in names:
                end += 1
                continue
            break
        elif not names or "subject" in names and lines[end][:1] not in " \t":
            break
        end += 1
    return end - start if len(names) >= 2 else 0


def _notes_name(out: list[Section]) -> None:
    """Move the lines of name and date, which Notes puts before To, from own text to the history's head."""
    history, own = out[-1], out[-2]
    if not history.head or not _TO_FIELD.match(history.head[0]) or own.kind != "own":
        return
    end = len(own.lines)
    while end and not own.lines[end - 1].strip():
        end -= 1
    begin = end
    while begin and end - begin < 3 and own.lines[begin - 1].strip():
        begin -= 1
    if _dated(own.lines[begin:end]):
        history.head[:0] = own.lines[begin:end]
        del own.lines[begin:]


def cut_signature(lines: list[str]) -> tuple[list[str], list[str]]:
    """Split own lines into text and signature: ``-- `` and what follows, or a last block of contact data."""
    for at in range(len(lines) - 1, max(-1, len(lines) - 20), -1):
        if lines[at].rstrip() == "--" or lines[at] == "-- ":
            return lines[:at], lines[at + 1 :]
    blocks = _blocks(lines)
    cut = len(lines)
    for start, end in reversed(blocks[-3:]):
        block = [line.strip() for line in lines[start:end]]
        joined = "\n".join(block)
        short = 2 <= len(block) <= 8 and all(len(line) <= 70 for line in block)
        contact = bool(_PHONE.search(joined)) or len(_CONTACT.findall(joined)) > 1
        prose = any(len(_PLAIN_WORD.findall(line)) > 1 for line in block)
        if not (start and short and contact and not prose):
            break
        cut = start
    return lines[:cut], lines[cut:]


def cut_notices(lines: list[str]) -> tuple[list[str], list[str]]:
    """Split own lines into text, and the legal notices and list footers at its end."""
    cut = len(lines)
    for start, end in reversed(_blocks(lines)):
        block = " ".join(lines[start:end])[:4000]
        legal = len(block) >= 100 and sum(bool(phrase.search(block)) for phrase in _NOTICE_PHRASES) >= 2
        stars = not any(char.isalnum() for char in block)
        if not (legal or stars or _FOOTER.search(block)):
            break
        cut = start
    return lines[:cut], lines[cut:]


def _blocks(lines: list[str]) -> list[tuple[int, int]]:
    blocks: list[tuple[int, int]] = []
    start = None
    for at, line in enumerate([*lines, ""]):
        if line.strip():
            start = at if start is None else start
        elif start is not None:
            blocks.append((start, at))
            start = None
    return blocks
