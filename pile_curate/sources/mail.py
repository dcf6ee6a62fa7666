"""Read mail: maildir trees (as the Enron corpus is published), mbox files, single messages, and archives of them.

A message is a record, also in an mbox inside an archive (Google Takeout). Its text is the sender's own words:
``extract/mail_text.py`` says what becomes of quoted history and signatures, ``extract/mail_mime.py`` which parts count.
The native key is the path for a message that is a file (without a maildir's ``:2,FLAGS``, which change as mail is read),
the Message-ID in an mbox; a message without one is named by file and byte offset. Mail that software wrote (bounces,
automatic replies, calendar items) is rejected by policy.

The Enron corpus (CMU, 2015-05-07) is one tar of half a million files in one task: a few minutes.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field

from pile_curate.extract.mail_mime import Mail, MailError, addresses, iso_date, read_message, words
from pile_curate.extract.mail_text import MailStyle, body_of
from pile_curate.files import RawFile, RecordCounter, Tally
from pile_curate.sources.base import (
    SPLIT_BYTES,
    About,
    Document,
    Outcome,
    Raw,
    Reject,
    SourceFormat,
    SourceOptions,
    Split,
)
from pile_curate.sources.blobs import ARCHIVE, Inflate, inflated, whole_file
from pile_curate.sources.mail_archives import archive_messages
from pile_curate.sources.mbox import MBOX_NAME, MailCounter, MessageReader, is_mbox, mail_splits

_FLAGS = re.compile(r":2,[A-Za-z]*$")
_NO_MAIL = re.compile(
    r"(?:^|/)(?:\.[^/]*|__MACOSX/.*|dovecot[^/]*|maildirfolder|subscriptions|courierimap[^/]*)$|\.msf$|\.dat$",
    re.I,
)
_ID = re.compile(r"<([^<>\s]{1,200})>")
_MAILDIR = re.compile(r"(?:^|/)(?:cur|new|tmp)$")
_UNESCAPE = re.compile(rb"^>(>*From )", re.M)
_EMLX = re.compile(rb"(\d{1,10})[ \t]{0,10}\r?\n(?=[!-9;-~]{1,76}:)")
_KEPT_ID = 200


class MailOptions(SourceOptions):
    """Say how much of a message is its text."""

    quoted: Literal["keep", "drop", "mark"] = Field(
        "drop",
        description="Quoted history: keep as it stands, drop (short answered quotations and forwards stay), mark with '> '.",
    )
    signatures: Literal["keep", "drop", "mark"] = Field(
        "drop", description="Signatures and contact data at the end; 'mark' puts a line '-- ' before."
    )
    disclaimers: Literal["keep", "drop"] = Field(
        "drop", description="Legal notices and mailing lists' footers at the end."
    )
    unwrap: bool = Field(True, description="Join lines that were filled to a width.")
    automatic: bool = Field(False, description="Accept bounces, automatic replies and calendar items.")
    max_message_bytes: int = Field(
        32 << 20, ge=1024, description="Largest message that is read, attachments included."
    )


class MailSource(SourceFormat):
    """Read one message a record."""

    name = "mail"
    version = 2
    summary = "Mail: maildir trees, mbox files, .eml, and archives of them (Enron, Google Takeout)"
    suffixes = (".mbox", ".eml", ".tar.gz", ".zip")
    libraries = ("resiliparse",)
    Options = MailOptions
    about = About(
        publisher="Carnegie Mellon University (Enron corpus), mailing lists, one's own mail",
        where="https://www.cs.cmu.edu/~enron/",
        licence="as the writers say; the Enron corpus was published by a US authority",
        consent="tos",
        size="Enron: 1.7 GB, 517,401 messages",
        splits="small files packed to 256 MB; plain mbox files at messages; archives a file a task",
        example="enron_mail_*.tar.gz",
    )

    def splits(self, files: Sequence[RawFile], options: Any, target: int = SPLIT_BYTES) -> list[Split]:
        """Cut large plain mbox files where a message begins; pack the rest whole."""
        whole, ranges = mail_splits(files, target)
        return super().splits(whole, options, target) + ranges

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield one record a message; ``record`` is its byte offset, in an archive the member's index (and the offset)."""
        limit = options.max_message_bytes
        for file in split.files:
            if ARCHIVE.search(file.rel):
                yield from archive_messages(file, tally, limit, _unwanted)
                continue
            if _unwanted(file.rel):
                with tally.open(file, RecordCounter()) as stream:
                    yield from whole_file(stream, file.rel, limit, "not_mail")
                continue
            known = bool(split.start or split.stop is not None or MBOX_NAME.search(file.rel))
            with tally.open(file, MailCounter(known), start=split.start, stop=split.stop) as stream:
                yield from MessageReader(stream, file.rel, known or None, limit).frames()

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Turn one message into a document or a reject."""
        return [_outcome(raw, options)]


def _unwanted(name: str) -> str:
    return "not_mail" if _NO_MAIL.search(name) else ""


def _outcome(raw: Raw, options: Any) -> Outcome:
    size = len(raw.body)
    key = _FLAGS.sub("", raw.meta.get("key", "")) or f"{raw.rel}:{raw.record}"

    def reject(reason: str, detail: str = "", kind: Literal["policy", "error"] = "policy") -> Reject:
        return Reject(reason, raw.rel, raw.record, detail, key, kind, raw_bytes=size)

    try:
        data = inflated(raw.body, options.max_message_bytes)
        if not raw.meta.get("mbox") and is_mbox(data):
            return reject("packed_mbox", "it is a compressed mbox in an archive; unpack the archive", "error")
        mail = read_message(_message(data, bool(raw.meta.get("mbox"))))
    except (MailError, Inflate) as error:
        return reject(error.reason, str(error), "error")
    headers = mail.headers
    message_id = _ID.search(headers.get("message-id", "")[:1000])
    if raw.meta.get("mbox") and message_id:
        key = message_id[1]
    if mail.role and not options.automatic:
        return reject(mail.role)
    subject = words(headers.get("subject", ""))
    style = MailStyle(options.quoted, options.signatures, options.disclaimers, options.unwrap)
    body = body_of(mail, subject, style)
    if body.calendar and not options.automatic:
        return reject("calendar_item")
    if not any(char.isalnum() for char in body.text):
        if body.left_out:
            return reject("only_quoted", f"{body.left_out} lines of history and no word of the sender's")
        return reject("empty_body", f"{mail.attachments} attachments, no text" if mail.attachments else "")
    meta = _facts(mail, message_id[1] if message_id else "", _folder(key, raw))
    meta |= {"quoted_lines_left_out": body.left_out} if body.left_out else {}
    meta |= {"forwarded": True} if body.forwarded else {}
    return Document(key, body.text, raw.rel, raw.record, title=subject, raw_bytes=size, meta=meta)


def _message(data: bytes, mbox: bool) -> bytes:
    """Drop what mail programs put before a message, and in an mbox the escape of lines like separators.

    That is an mbox's separator, or the length with which Apple's .emlx begins (a property list follows the message).
    """
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if data.startswith((b"From ", b">From ")) and b"\n" in data[:1000]:
        data = data[data.index(b"\n") + 1 :]
    if length := _EMLX.match(data):
        data = data[length.end() : length.end() + int(length[1])]
    while data.startswith(b">From ") and b"\n" in data[:1000]:
        data = data[data.index(b"\n") + 1 :]
    data = data.lstrip(b"\r\n") if data[:1] in b"\r\n" else data
    return _UNESCAPE.sub(rb"\1", data) if mbox and b">From " in data else data


def _folder(key: str, raw: Raw) -> str:
    if raw.meta.get("mbox"):
        return ""
    return _MAILDIR.sub("", posixpath.dirname(key.rpartition("!")[2]))


def _facts(mail: Mail, message_id: str, folder: str) -> dict[str, Any]:
    headers = mail.headers
    sender = addresses(headers.get("from", ""))
    replied = _ID.findall(headers.get("in-reply-to", "")[:2000] + headers.get("references", "")[-2000:])
    meta: dict[str, Any] = {
        "authors": [address or name for name, address in sender[:10]],
        "author_names": [name for name, _ in sender[:10] if name],
        "to": len(addresses(headers.get("to", ""))),
        "cc": len(addresses(headers.get("cc", ""))),
        "date": iso_date(headers.get("date", "")),
        "subject": words(headers.get("subject", "")),
        "message_id": message_id,
        "in_reply_to": replied[0] if replied else "",
        "folder": folder,
        "list": words(headers.get("list-id", ""))[:_KEPT_ID],
        "attachments": mail.attachments,
        "encoding": mail.charset,
    }
    return {name: value for name, value in meta.items() if value not in ("", [], 0)}
