"""Read a mail message: its headers, and the text among its parts (RFC 5322, 2045-2047, 2231).

The standard ``email`` package reads header blocks, names and addresses, each after it was cut to a length at which
its quadratic corners cost nothing. Multiparts are cut here, on bytes: the package's own parser hands every line
through one generator a level, so that a thousand nested multiparts take it minutes, or its stack.

What is text: ``text/plain``; in an alternative the plain one unless it is a stub beside real HTML; HTML else. What
has a file name or is marked as an attachment is left out and counted. Labels lie: bytes that are valid UTF-8 are
UTF-8 whatever a Latin label says, and what ``encoding.decode`` finds broken is guessed.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from datetime import UTC
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import getaddresses, parsedate_to_datetime
from typing import Literal

from pile_curate.extract.encoding import codec_of, decode, public_name
from pile_curate.extract.fragment import fragment_text

HEADER_BYTES = 256 << 10
HEADER_LINES = 4000
VALUE_CHARS = 2000
ADDRESS_CHARS = 20_000
MAX_DEPTH = 20
MAX_PARTS = 1000
STUB_CHARS = 60
"""A plain alternative below this length, beside HTML of five times as much text, says "your reader shows no HTML"."""

_HEADER_LINE = re.compile(rb"[!-9;-~]{1,76}[ \t]{0,8}:")
_END_OF_HEADERS = re.compile(rb"\r?\n[ \t]*\r?\n|\r\r")
_BOUNDARY_LINE = re.compile(rb"[\r\n]{0,8}(--[!-~]{1,70}?)[ \t]*\r?\n")
_LATIN = ("cp1252", "latin-1")
_BASE64_JUNK = re.compile(rb"[^A-Za-z0-9+/]+")
_COMMENTS = 100
_PARSER = BytesHeaderParser(policy=compat32)
_BOUNCE_SENDER = re.compile(r"\b(?:mailer-daemon|postmaster|mail delivery (?:sub)?system)\b", re.I)
_BOUNCE_SUBJECT = re.compile(
    r"\b(?:undeliver(?:able|ed)|delivery (?:status|failure|failed|report)|failure notice|returned mail"
    r"|mail delivery failed|delivery notification|message delayed)\b",
    re.I,
)
_AT = re.compile(r"(?<![^\s<,])([\w.+-]{1,64}) at ([\w-]{1,63}(?:\.[\w-]{1,63}){1,8})(?![^\s>,])")
_AUTOMATIC = re.compile(r"^(?:out of (?:the )?office|automatic reply|auto(?:-| )?(?:reply|response))\b", re.I)


class MailError(ValueError):
    """Bytes that cannot be read as a message; ``reason`` is the reject's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(slots=True)
class Part:
    """A text part. ``kind``: plain, flowed (RFC 3676), flowed_delsp, html (already text), message (attached)."""

    text: str
    kind: str = "plain"
    quoted_printable: bool = False
    subject: str = ""


@dataclass(slots=True)
class Mail:
    """A message: headers by lower-case name (the first of each), its text parts, and what else it held."""

    headers: dict[str, str]
    parts: list[Part] = field(default_factory=list)
    attachments: int = 0
    charset: str = ""
    role: Literal["", "bounce", "calendar_item", "automatic_reply"] = ""


def read_message(data: bytes) -> Mail:
    """Parse a message; raises ``MailError`` for what is none, or is built to exhaust a reader."""
    head, body = _split(data)
    headers = _headers(head)
    mail = Mail({name.lower(): value for name, value in reversed(_pairs(headers))})
    _walk(headers, body, mail, depth=0, parts=[0])
    mail.role = mail.role or _role(mail, headers)
    return mail


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Cut a message into header block and body."""
    if not _HEADER_LINE.match(data):
        raise MailError("not_a_message", f"it begins with {data[:12]!r}, not with a header line")
    end = _END_OF_HEADERS.search(data, 0, HEADER_BYTES + 4)
    if end is None:
        if len(data) > HEADER_BYTES:
            raise MailError("headers_too_large", f"the headers are longer than {HEADER_BYTES} bytes")
        return data, b""
    if data.count(b"\n", 0, end.start()) > HEADER_LINES:
        raise MailError("headers_too_large", f"the headers have more than {HEADER_LINES} lines")
    return data[: end.start() + 1], data[end.end() :]


def _headers(head: bytes) -> Message:
    message = _PARSER.parsebytes(head)
    for name in ("content-type", "content-disposition", "content-transfer-encoding"):
        value = message.get(name)
        if value is not None and len(str(value)) > VALUE_CHARS:
            message.replace_header(name, str(value)[:VALUE_CHARS])
    return message


def _pairs(message: Message) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in message.raw_items():
        value = str(value)
        if not value.isascii():
            value = decode(value.encode("utf-8", "surrogateescape"), markup=False).text
        pairs.append((name, " ".join(value[:ADDRESS_CHARS].split())))
    return pairs


def words(value: str) -> str:
    """Decode a header's encoded words (RFC 2047)."""
    value = value[:VALUE_CHARS]
    if "=?" not in value:
        return value
    out: list[str] = []
    try:
        chunks = decode_header(value)
    except (ValueError, HeaderParseError):  # a broken word stays as it stands
        return value
    for piece, label in chunks:
        if isinstance(piece, str):
            out.append(piece)
        else:
            codec = codec_of(label) if label else "cp1252"
            out.append(piece.decode(codec or "utf-8", "replace"))
    return " ".join("".join(out).split())


def addresses(value: str) -> list[tuple[str, str]]:
    """Return (name, address) pairs of a header."""
    value = value[:ADDRESS_CHARS]
    if value.count("(") > _COMMENTS:
        value = value.replace("(", " ").replace(")", " ")  # the package recurses into nested comments
    # Archives of lists write "name at host.example" so that no robot collects it.
    pairs = getaddresses([_AT.sub(r"\1@\2", value)])
    return [(words(name).strip(" '\""), address.strip()) for name, address in pairs if address or name]


def iso_date(value: str) -> str:
    """Return an RFC 5322 date as ISO 8601 in UTC, ``""`` if it is none."""
    try:
        date = parsedate_to_datetime(value[:100])
        return date.astimezone(UTC).isoformat() if date.tzinfo else date.isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""


def _role(mail: Mail, headers: Message) -> Literal["", "bounce", "calendar_item", "automatic_reply"]:
    subject = words(mail.headers.get("subject", ""))
    if headers.get_content_type() == "multipart/report":
        return "bounce"
    if _BOUNCE_SENDER.search(mail.headers.get("from", "")) and _BOUNCE_SUBJECT.search(subject):
        return "bounce"
    automatic = mail.headers.get("auto-submitted", "no").lower().startswith("auto-replied")
    return "automatic_reply" if automatic or _AUTOMATIC.match(subject) else ""


def _walk(headers: Message, body: bytes, mail: Mail, *, depth: int, parts: list[int]) -> None:
    parts[0] += 1
    if depth > MAX_DEPTH:
        raise MailError("nested_too_deep", f"parts lie more than {MAX_DEPTH} levels deep")
    if parts[0] > MAX_PARTS:
        raise MailError("too_many_parts", f"it has more than {MAX_PARTS} parts")
    kind = headers.get_content_type()
    disposition = (headers.get_content_disposition() or "") if depth else ""
    if kind.startswith("multipart/"):
        pieces = _pieces(headers, body)
        if pieces is not None:
            _multipart(kind, pieces, mail, depth, parts)
            return
        kind = "text/plain"
    if kind == "text/calendar":
        mail.role = "calendar_item" if not depth or not mail.parts else mail.role
    elif disposition == "attachment" or (depth and headers.get_filename()):
        mail.attachments += 1
    elif kind in ("text/plain", "text/html", "text/enriched", "text/richtext") or not depth:
        if kind.startswith("text/") or kind == "application/octet-stream":
            mail.parts.append(_text(headers, body, kind, mail))
        else:
            mail.attachments += 1
    elif kind == "message/rfc822":
        _attached(body, mail, depth, parts)
    else:
        mail.attachments += 1


def _multipart(
    kind: str, pieces: list[tuple[Message, bytes]], mail: Mail, depth: int, parts: list[int]
) -> None:
    if kind != "multipart/alternative":
        for headers, body in pieces:
            if kind == "multipart/digest" and "content-type" not in headers:
                headers["Content-Type"] = "message/rfc822"
            _walk(headers, body, mail, depth=depth + 1, parts=parts)
        return
    choices: dict[str, Mail] = {}
    for headers, body in pieces:
        sub = Mail({})
        _walk(headers, body, sub, depth=depth + 1, parts=parts)
        name = "html" if any(part.kind == "html" for part in sub.parts) else "plain"
        if sub.role == "calendar_item":
            mail.role = "calendar_item"
        elif any(part.text.strip() for part in sub.parts):
            choices.setdefault(name, sub)
    plain, html = choices.get("plain"), choices.get("html")
    if plain and html and _length(plain) < STUB_CHARS and _length(html) > 5 * _length(plain):
        plain = None
    best = plain or html
    if best is not None:
        mail.parts += best.parts
        mail.attachments += best.attachments
        mail.charset = mail.charset or best.charset


def _length(mail: Mail) -> int:
    return sum(len(part.text.strip()) for part in mail.parts)


def _pieces(headers: Message, body: bytes) -> list[tuple[Message, bytes]] | None:
    """Cut a multipart's body at its boundary; None if it has none. Preamble and epilogue are no parts."""
    boundary = headers.get_boundary()
    if boundary:
        mark = b"--" + boundary.encode("utf-8", "surrogateescape").rstrip()
    elif first := _BOUNDARY_LINE.match(body):
        mark = first[1]  # the header lost it, the body's first line shows it
    else:
        return None
    pattern = re.compile(rb"(?:\A|\r?\n)" + re.escape(mark) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    found = list(pattern.finditer(body))
    if not found:
        return None
    if len(found) > MAX_PARTS:
        raise MailError("too_many_parts", f"it has more than {MAX_PARTS} parts")
    pieces: list[tuple[Message, bytes]] = []
    for here, following in zip(found, [*found[1:], None], strict=True):
        if here[1]:
            break
        piece = body[here.end() : following.start() if following else len(body)]
        end = _END_OF_HEADERS.match(piece) or _END_OF_HEADERS.search(piece, 0, HEADER_BYTES)
        if end is None:
            if len(piece) > HEADER_BYTES:
                raise MailError("headers_too_large", f"a part's headers are longer than {HEADER_BYTES} bytes")
            continue
        pieces.append((_headers(piece[: end.start() + 1].lstrip(b"\r\n")), piece[end.end() :]))
    return pieces


def _attached(body: bytes, mail: Mail, depth: int, parts: list[int]) -> None:
    """Read an attached message as one part, so that it can be told from the sender's own text."""
    body = body.lstrip(b"\r\n")
    if not _HEADER_LINE.match(body):
        mail.attachments += 1
        return
    head, inner = _split(body)
    headers = _headers(head)
    sub = Mail({})
    _walk(headers, inner, sub, depth=depth + 1, parts=parts)
    names = {name.lower(): value for name, value in reversed(_pairs(headers))}
    text = "\n\n".join(part.text.strip() for part in sub.parts)
    mail.parts.append(Part(text, "message", True, words(names.get("subject", ""))))
    mail.attachments += sub.attachments


def _text(headers: Message, body: bytes, kind: str, mail: Mail) -> Part:
    how = str(headers.get("content-transfer-encoding", "")).strip().lower()
    if how == "base64":
        body = _base64(body)
    elif how == "quoted-printable":
        body = binascii.a2b_qp(body)
    label = _parameter(headers, "charset")
    text, charset = _decoded(body, label)
    mail.charset = mail.charset or charset
    if kind != "text/plain" and "<" in text[:10_000]:
        return Part(fragment_text(text), "html", True)
    flowed = _parameter(headers, "format").lower() == "flowed"
    delsp = flowed and _parameter(headers, "delsp").lower() == "yes"
    name = "flowed_delsp" if delsp else "flowed" if flowed else "plain"
    return Part(text.replace("\r\n", "\n").replace("\r", "\n"), name, how in ("base64", "quoted-printable"))


def _parameter(headers: Message, name: str) -> str:
    try:
        value = headers.get_param(name)
    except (UnicodeError, ValueError):
        return ""
    return (value[2] if isinstance(value, tuple) else value or "").strip(" '\"")


def _base64(body: bytes) -> bytes:
    """Decode base64 as far as it goes: foreign characters and a missing end are forgiven."""
    body = _BASE64_JUNK.sub(b"", body.split(b"=", 1)[0] if b"=" in body[:-4] else body.rstrip(b"=\r\n \t"))
    if len(body) % 4 == 1:
        body = body[:-1]
    return binascii.a2b_base64(body + b"=" * (-len(body) % 4))


def _decoded(data: bytes, label: str) -> tuple[str, str]:
    if label.lower() in ("utf-7", "unicode-1-1-utf-7"):
        return data.decode("utf-7", "replace"), "utf-7"
    codec = codec_of(label) if label.isascii() and len(label) <= 40 else None
    if codec in _LATIN and not data.isascii():
        try:
            return data.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            pass  # the label may be right
    if data.isascii() and codec in (None, *_LATIN, "utf-8"):
        return data.decode("ascii"), "us-ascii"
    found = decode(data, label if codec else "", markup=False)
    if found.encoding == "utf-8" and "\ufffd" in found.text and found.text.replace("\ufffd", "").isascii():
        # Not one character is UTF-8: a Latin text under a wrong label, too short to be guessed.
        return data.decode("cp1252", "replace"), "windows-1252"
    return found.text, public_name(found.encoding)
