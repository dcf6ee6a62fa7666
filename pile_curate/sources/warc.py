"""Read web archives (WARC 0.x and 1.x, Common Crawl's WARC and WET), one document a page.

Framing is plain Python: version line, headers, ``Content-Length``. A record is believed when the bytes after
its content are the blank lines that the format asks for, the next record, or the end. Where they are not,
or where the length is missing, absurd or runs past the end although another record begins inside, the
record is rejected and reading goes on at the next version line. So one damaged header costs one record.

Which record types count: ``response`` (HTML and plain text) and ``conversion`` (WET); all others are
rejected by type. The native key is target URI and date, which survive repackaging; record ids do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from pile_curate.errors import CorruptInput
from pile_curate.extract.encoding import charset_of, decode, public_name
from pile_curate.extract.html import HtmlOptions, extract
from pile_curate.extract.http import HttpError, Response, parse_headers, parse_response
from pile_curate.files import RawStream, Tally
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, SourceOptions, Split
from pile_curate.sources.warc_counter import (
    MAX_HEADER_BYTES,
    MAX_RECORD_BYTES,
    TAIL_BYTES,
    WarcCounter,
)

_STEP = 1 << 18
_VERSION = re.compile(rb"WARC/\d\.\d{1,2}\r?\n")
_NEXT = re.compile(rb"\nWARC/\d\.\d{1,2}\r?\n")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"(?im)^(?![ \t])[\r\x0b\x0c]*content-length[ \t\r\x0b\x0c]*:([^\n]*)$")
_DIGITS = re.compile(rb"\d{1,12}\Z")
_SKIPPED = ("warcinfo", "request", "metadata", "revisit", "resource", "continuation")
_HTML_TYPES = ("text/html", "application/xhtml+xml")
_PLAIN_TYPES = ("text/plain", "text/markdown")
_LOOKS_HTML = re.compile(rb"[\s\xef\xbb\xbf]*<(?:!doctype\s+html|html|head|body)\b", re.I)
_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
_KEPT_HEADERS = (
    "warc-type",
    "warc-target-uri",
    "warc-date",
    "warc-record-id",
    "warc-truncated",
    "warc-identified-payload-type",
    "warc-identified-content-language",
)


class WarcOptions(SourceOptions):
    """Say what of a page is text."""

    comments: bool = Field(False, description="Keep readers' comments below articles.")
    post_meta: bool = Field(True, description="Keep bylines and dates inside the main content.")
    alt_texts: bool = Field(False, description="Keep descriptions of images.")
    trim: bool = Field(True, description="Drop link lists, trailing teasers and empty headings.")
    plain_text: bool = Field(True, description="Accept text/plain and text/markdown responses.")
    max_body_bytes: int = Field(32 << 20, ge=1024, description="Largest decoded body, in bytes.")


class WarcSource(SourceFormat):
    """Read WARC and WET files, plain, gz (one member a record) or zst."""

    name = "warc"
    version = 2
    summary = "web archives (Common Crawl WARC and WET), HTML to main-content text"
    suffixes = (".warc", ".warc.gz", ".warc.zst", ".warc.wet.gz")
    libraries = ("resiliparse", "brotli", "zstandard")
    Options = WarcOptions
    about = About(
        publisher="Common Crawl and other web archives",
        where="https://commoncrawl.org/get-started",
        licence="per page, unknown",
        consent="tos",
        size="about 90 TB a crawl as WARC, 9 TB as WET",
        splits="one file a task (Common Crawl writes 90,000 files of 1 GB a crawl)",
        example="CC-MAIN-*.warc.gz",
    )

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield one ``Raw`` a response or conversion record; ``record`` is its decompressed byte offset."""
        for file in split.files:
            with tally.open(file, WarcCounter()) as stream:
                yield from _frames(stream, file.rel)

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Turn one record into a document or one reject."""
        return [_outcome(raw, options)]


@dataclass(slots=True)
class _Window:
    """The bytes read but not yet framed; ``base`` is the offset of the first."""

    stream: RawStream
    data: bytearray = field(default_factory=bytearray)
    base: int = 0
    ended: bool = False
    error: CorruptInput | None = None

    def fill(self, size: int) -> bool:
        """Read until ``size`` bytes are here; False if the stream ends before."""
        while len(self.data) < size and not self.ended:
            try:
                piece = self.stream.read(_STEP)
            except CorruptInput as error:
                self.error, piece = error, b""
            self.ended = not piece
            self.data += piece
        return len(self.data) >= size

    def drop(self, size: int) -> None:
        del self.data[:size]
        self.base += size

    def skip_newlines(self) -> None:
        while self.fill(1) and self.data[0] in b"\r\n":
            self.drop(1)

    def seek_record(self, after: int) -> None:
        """Drop everything before the next version line that follows a newline at or after ``after``."""
        self.drop(after)
        while True:
            if found := _NEXT.search(self.data):
                self.drop(found.start() + 1)
                return
            if self.ended:
                self.drop(len(self.data))
                return
            self.drop(max(0, len(self.data) - 16))
            self.fill(len(self.data) + _STEP)

    def blank_line(self) -> re.Match[bytes] | None:
        """Find the end of the header block."""
        size = 4096
        while True:
            full = self.fill(size)
            found = _BLANK_LINE.search(self.data, 0, MAX_HEADER_BYTES)
            if found or not full or size >= MAX_HEADER_BYTES:
                return found
            size *= 4


@dataclass(frozen=True, slots=True)
class _Damage:
    """What is wrong with a record, and how many of its bytes to pass before looking for the next."""

    reason: str
    detail: str
    resume: int


def _frames(stream: RawStream, rel: str) -> Iterator[Raw | Reject]:
    window = _Window(stream)
    seen = False
    while True:
        window.skip_newlines()
        if not window.data:
            break
        seen = True
        at = window.base
        window.fill(16)
        if not _VERSION.match(window.data):
            window.seek_record(0)
            size = window.base - at
            detail = f"{size} bytes at offset {at} are no WARC record"
            yield Reject("not_a_record", rel, at, detail, kind="error", records=0, raw_bytes=size)
            continue
        record = _record(window, rel)
        if isinstance(record, _Damage):
            window.seek_record(record.resume)
            size = window.base - at
            detail = f"{record.detail} (record at offset {at})"
            record = Reject(record.reason, rel, at, detail, kind="error", raw_bytes=size)
        yield record
    if window.error is not None:
        yield Reject("corrupt_file", rel, window.error.offset, str(window.error), kind="error", records=0)
    elif not seen:
        yield Reject("empty_file", rel, 0, "the file holds no record", kind="error", records=0)


def _record(window: _Window, rel: str) -> Raw | Reject | _Damage:
    """Return the record at the window's start and step over it, or say what is wrong with it."""
    at = window.base
    blank = window.blank_line()
    if blank is None:
        if window.ended and len(window.data) < MAX_HEADER_BYTES:
            return _Damage("truncated_record", "the file ends inside a header", len(window.data))
        return _Damage("bad_header", f"no end of the header within {MAX_HEADER_BYTES} bytes", 1)
    start = blank.end()
    header = bytes(window.data[: blank.start()])
    found = _LENGTH.search(header)
    declared = found[1].strip() if found else b""
    if not _DIGITS.match(declared):
        return _Damage("bad_content_length", f"Content-Length is {declared[:40]!r}, no number", start - 1)
    length = int(declared)
    if length > MAX_RECORD_BYTES:
        return _Damage("record_too_large", f"Content-Length {length} is above {MAX_RECORD_BYTES}", start - 1)
    if not window.fill(start + length):
        if _NEXT.search(window.data, start - 1):
            return _Damage("bad_content_length", f"Content-Length {length} runs past the end", start - 1)
        have = len(window.data) - start
        return _Damage("truncated_record", f"{have} of {length} bytes are there", len(window.data))
    window.fill(start + length + TAIL_BYTES)
    tail = bytes(window.data[start + length : start + length + TAIL_BYTES])
    rest = tail.lstrip(b"\r\n")
    cut = len(tail) < TAIL_BYTES and b"WARC/".startswith(rest)
    if not (tail.startswith(b"\r\n\r\n") or rest.startswith(b"WARC/") or not rest or cut):
        return _Damage("bad_content_length", f"no record ends after Content-Length {length}", start - 1)
    body = bytes(window.data[start : start + length])
    window.drop(start + length)
    headers = parse_headers(header)
    kind = headers["warc-type"] = headers.get("warc-type", "").strip().lower()
    if kind in ("response", "conversion"):
        meta: dict[str, Any] = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
        meta["raw_bytes"] = start + length
        return Raw(rel, at, body, meta)
    reason = kind if kind in _SKIPPED else "unknown_record_type"
    detail = "" if kind in _SKIPPED else f"WARC-Type {kind[:40]!r}"
    return Reject(reason, rel, at, detail, key=_key(headers, rel, at), raw_bytes=start + length)


def _uri(headers: dict[str, Any]) -> str:
    # Heritrix and wget once wrote <http://…>, following the letter of WARC 1.0.
    return str(headers.get("warc-target-uri", "")).strip().strip("<>").strip()


def _key(headers: dict[str, Any], rel: str, record: int) -> str:
    """Return target URI and date; else the record id; else the place, which holds while the file stays."""
    uri, date = _uri(headers), str(headers.get("warc-date", "")).strip()
    if uri and date:
        return f"{uri} {date}" + (" conversion" if headers.get("warc-type") == "conversion" else "")
    return str(headers.get("warc-record-id", "")).strip().strip("<>") or f"{rel}#{record}"


def _outcome(raw: Raw, options: Any) -> Outcome:
    headers = raw.meta
    key = _key(headers, raw.rel, raw.record)
    size = int(headers["raw_bytes"])

    def reject(reason: str, detail: str = "", *, error: bool = False) -> Reject:
        return Reject(
            reason, raw.rel, raw.record, detail, key, "error" if error else "policy", raw_bytes=size
        )

    from resiliparse.parse.html.exception import HTMLParserException

    meta: dict[str, Any] = {}
    if date := headers.get("warc-date"):
        meta["date"] = date
    if cut := headers.get("warc-truncated"):
        meta["truncated"] = cut
    title = ""
    if headers["warc-type"] == "conversion":
        text = raw.body.decode("utf-8", "replace")
        if language := headers.get("warc-identified-content-language"):
            meta["language"] = language
    else:
        try:
            response = parse_response(raw.body, options.max_body_bytes)
        except HttpError as error:
            return reject(error.reason, error.detail, error=error.reason != "not_http")
        if response.status != 200:
            return reject("http_status", str(response.status))
        kind = _media_type(response, headers)
        if kind not in _HTML_TYPES and not (options.plain_text and kind in _PLAIN_TYPES):
            return reject("content_type", kind[:80] or "none")
        if not response.body:
            return reject("empty_body")
        markup = kind in _HTML_TYPES
        decoded = decode(response.body, charset_of(response.headers.get("content-type", "")), markup=markup)
        meta["encoding"] = public_name(decoded.encoding)
        text = decoded.text
        if len(_BINARY.findall(text[:65536])) * 20 > min(len(text), 65536):
            return reject("not_text", f"{kind} that is mostly not text")
        if markup:
            wanted = HtmlOptions(options.comments, options.post_meta, options.alt_texts, options.trim)
            try:
                page = extract(text, wanted)
            except HTMLParserException as error:
                return reject("html_parser", str(error)[:200], error=True)
            text, title = page.text, page.title
            if page.part == "body":
                meta["main_content"] = "body"
            if page.language:
                meta["language"] = page.language
            if page.licences:
                meta["licence_links"] = list(page.licences)
    if not text.strip():
        return reject("no_main_content")
    return Document(key, text, raw.rel, raw.record, url=_uri(headers), title=title, raw_bytes=size, meta=meta)


def _media_type(response: Response, headers: dict[str, Any]) -> str:
    """Return what the server said, else what the crawler identified, else html if it begins like it."""
    said = response.content_type or str(headers.get("warc-identified-payload-type", "")).strip().lower()
    if not said and _LOOKS_HTML.match(response.body[:2048]):
        return "text/html"
    return said
