"""Read Project Gutenberg's plain-text books: one file, one document.

The licence text around a book is not part of it and would be the most repeated text of the corpus; see
``extract/gutenberg.py`` for how it is found and why lines are unwrapped. Books marked as copyrighted in their
header are rejected by default, because the source's licence does not cover them. The native key is the
file's relative path, so a file that moves gets another id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field

from pile_curate.extract.encoding import codec_of, public_name
from pile_curate.extract.gutenberg import book_text, find_book
from pile_curate.files import Tally
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, SourceOptions, Split
from pile_curate.sources.blobs import blob_records

_HTML = re.compile(rb"[\s\xef\xbb\xbf]*(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|\?xml)", re.I | re.S)
_HTML_NAME = re.compile(r"\.(?:x?html?|rdf|xml)(?:\.\w+)?$", re.I)
_CHARSET = re.compile(rb"^Character set encoding:[ \t]*([A-Za-z0-9_-]{1,30})", re.I | re.M)
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]")
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_HEAD = 1 << 16


class GutenbergOptions(SourceOptions):
    """Say how much of a file is the book."""

    unfit: ClassVar[tuple[str, ...]] = ("gopher_quality",)

    unwrap: bool = Field(True, description="Join hard-wrapped prose lines; verse and tables keep theirs.")
    transcriber_notes: bool = Field(False, description="Keep transcribers' notes and production credits.")
    copyrighted: bool = Field(False, description="Accept books whose header says they are copyrighted.")
    max_file_bytes: int = Field(64 << 20, ge=1024, description="Largest file that is read, in bytes.")


class GutenbergSource(SourceFormat):
    """Read one book a file, plain or compressed."""

    name = "gutenberg"
    version = 1
    summary = "Project Gutenberg plain-text books"
    suffixes = (".txt", ".txt.gz")
    libraries = ()
    Options = GutenbergOptions
    about = About(
        publisher="Project Gutenberg",
        where="https://www.gutenberg.org/policy/robot_access.html",
        licence="LicenseRef-public-domain-US",
        consent="tos",
        size="about 30 GB of plain text",
        splits="small files packed to 256 MB",
        example="**/*.txt",
    )

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each file as one record (``record`` 0); an empty file is none."""
        yield from blob_records(split, tally, limit=options.max_file_bytes, archives=False)

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Turn one file into a document or a reject."""
        return [_outcome(raw, options)]


def _outcome(raw: Raw, options: Any) -> Outcome:
    size = len(raw.body)

    def reject(reason: str, detail: str = "") -> Reject:
        return Reject(reason, raw.rel, raw.record, detail, key=raw.rel, raw_bytes=size)

    if _HTML_NAME.search(raw.rel) or _HTML.match(raw.body[:_HEAD]):
        return reject("markup", "HTML and XML editions are not read; use the text edition")
    text, encoding = _decode(raw.body)
    if not text:
        return reject("binary", f"it begins with {raw.body[:8]!r}")
    book = find_book(text)
    if book.copyrighted and not options.copyrighted:
        return reject("copyrighted", "the header says that the book is copyrighted")
    body = book_text(book.text, unwrapped=options.unwrap, notes=options.transcriber_notes)
    if not body.strip():
        return reject("no_text", "nothing is left between header and footer")
    meta: dict[str, Any] = {name: value for name, value in book.fields.items() if name != "title"}
    meta |= {"encoding": public_name(encoding), "header": book.opening, "footer": book.closing}
    number = book.fields.get("ebook", "")
    return Document(
        raw.rel,
        body,
        raw.rel,
        raw.record,
        url=f"https://www.gutenberg.org/ebooks/{number}" if number else "",
        title=book.fields.get("title", ""),
        raw_bytes=size,
        meta=meta,
    )


def _decode(data: bytes) -> tuple[str, str]:
    """Return text with ``\\n`` line ends and its codec; an empty text for what is no text.

    Byte-order mark, else UTF-8 if valid (a wrong declaration is commoner than valid UTF-8 by accident; a
    7-bit Japanese declaration is believed first), else the header's declaration, else windows-1252.
    """
    text = encoding = ""
    for mark, codec in _BOMS:
        if data.startswith(mark):
            text, encoding = data[len(mark) :].decode(codec, "replace"), codec
            break
    else:
        head = data[:_HEAD]
        # One stray control in a thousand bytes is a typist's form feed or end-of-file mark, more is no text.
        if b"\0" in head or len(_CONTROLS.findall(head)) * 1000 > len(head):
            declared = _CHARSET.search(head)
            if not (declared and declared[1].lower() == b"iso-2022-jp"):
                return "", ""
        found = _CHARSET.search(head)
        codec_name = codec_of(found[1].decode("ascii")) if found else None
        if codec_name == "iso2022_jp":
            text, encoding = data.decode(codec_name, "replace"), codec_name
        else:
            try:
                text, encoding = data.decode("utf-8"), "utf-8"
            except UnicodeDecodeError:
                encoding = codec_name if codec_name and codec_name != "utf-8" else "cp1252"
                text = data.decode(encoding, "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\x1a", "").replace("\x0c", "\n\n"), encoding
