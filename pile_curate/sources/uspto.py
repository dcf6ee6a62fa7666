"""Read full-text patents of the USPTO since 1976, in all layouts that they were published in.

Grants: APS ("greenbook", 1976 to 2001), ST.32 in SGML (2001) and XML (2002 to 2004), v4 (since 2005). Applications: PAP
(2001 to 2004) and v4. The weekly files hold thousands of documents one after another; they are streamed from plain, compressed
and zip files, and large plain ones are cut where a document begins. Files of single documents are read alike.

The text is the background section, as in The Pile ("USPTO Backgrounds"); see ``extract/patent.py`` for what belongs to
it. The native key is the document's number as all layouts have it: ``US3930271``, ``USD453058``, ``US20050004437``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pile_curate.decode import HEAD_BYTES, sniff
from pile_curate.errors import CorruptInput, LimitExceeded
from pile_curate.extract.patent import (
    Patent,
    background,
    full_text,
    iso_date,
    joined,
    notices,
    plain_number,
    summary,
    type_of,
)
from pile_curate.extract.patent_aps import read_aps
from pile_curate.extract.patent_markup import read_markup
from pile_curate.extract.patent_tree import TreeError
from pile_curate.files import RawFile, Tally, open_raw
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
from pile_curate.sources.blobs import MEMBER_ERRORS
from pile_curate.sources.patent_frames import PatentCounter, PatentFramer, Piece, first_start
from pile_curate.sources.xmldump import aligned_splits
from pile_curate.zip_stream import ZIP_HEADS, ZipMember, ZipStream

_HEAD = 1 << 20
_ZIP_NAME = re.compile(r"\.zip$", re.IGNORECASE)
_MEMBER_BITS = 44
"""A record of a zip is the member's index above these bits, the offset within the member below: 16 TiB."""

_OTHER = re.compile(
    r"(?:lst|rpt)\.(?:txt|html?)$|\.(?:pdf|tiff?|jpe?g|png|gif|mol|cdx|nb|html?|dtd|ent|xsl|css|csv|docx?|md5|zip|tar|gz)$",
    re.IGNORECASE,
)
"""Names of members that hold no full text: lists of the week's numbers, pictures, structures, document types."""

_DETAIL = {
    "truncated": "the file ends inside this document",
    "unclosed": "the document begins but does not end before the next",
    "sequence": "a sequence listing, published beside its patent",
}
_NOTICE = (b"opyright", b"OPYRIGHT", b"ask work", b"ask-work", b"ask Work", b"MASK WORK")
_LINKABLE = re.compile(r"(?:A|A1|A2|A9|B1|B2)\Z")


class UsptoOptions(SourceOptions):
    """What of a patent becomes text."""

    text: Literal["background", "summary", "full"] = Field(
        "background",
        description="The background section (as in The Pile), the whole brief summary with it, or everything: title, "
        "abstract, description, claims.",
    )
    fallback: Literal["reject", "summary"] = Field(
        "reject",
        description="What to do where no heading marks a background: reject the patent, or take its brief summary.",
    )
    tables: bool = Field(True, description="Keep tables, as lines of cells between bars.")
    max_record_bytes: int = Field(32 << 20, ge=1024, description="Largest document that is read, in bytes.")


class UsptoSource(SourceFormat):
    """Patents of the USPTO: APS, SGML and XML; plain, compressed or zip."""

    name: ClassVar[str] = "uspto"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "US patents and applications since 1976, all layouts: background or full text"
    suffixes: ClassVar[tuple[str, ...]] = (".zip", ".xml", ".sgm", ".sgml", ".txt", ".xml.gz", ".txt.gz")
    libraries: ClassVar[tuple[str, ...]] = ()
    Options: ClassVar[type[SourceOptions]] = UsptoOptions
    about: ClassVar[About] = About(
        publisher="United States Patent and Trademark Office",
        where="https://data.uspto.gov/bulkdata/datasets",
        licence="LicenseRef-public-domain-US",
        consent="author",
        size="2,500 weekly files of grants and 1,250 of applications, 0.1 to 1 GB each unpacked",
        splits="plain files at documents; a zip or compressed file a task",
        example="**/*.zip",
    )

    def splits(self, files: Sequence[RawFile], options: Any, target: int = SPLIT_BYTES) -> list[Split]:
        """Cut large plain files where a document begins, as the file's first one does; pack the rest whole."""
        whole: list[RawFile] = []
        cut: list[Split] = []
        for file in sorted(files, key=lambda f: f.rel):
            start = _plain_start(file) if file.size > target else b""
            if start:
                cut += aligned_splits([file], start, target)
            else:
                whole.append(file)
        return super().splits(whole, options, target) + cut

    def frames(self, split: Split, options: UsptoOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each document; ``record`` is its offset in the file, or in its member above ``_MEMBER_BITS``."""
        for file in split.files:
            if _is_zip(file):
                yield from _zip(file, options, tally)
            else:
                yield from _file(file, split, options, tally)

    def parse(self, raw: Raw, options: UsptoOptions) -> list[Outcome]:
        """Turn one document into a text or a reject."""
        return [_outcome(raw, options)]


def _plain_start(file: RawFile) -> bytes:
    with open_raw(file.path) as handle:
        head = handle.read(_HEAD)
    return b"" if sniff(head[:HEAD_BYTES]) or head[:4] in ZIP_HEADS else first_start(head)


def _is_zip(file: RawFile) -> bool:
    with open_raw(file.path) as handle:
        head = handle.read(4)
    return head in ZIP_HEADS or bool(head and _ZIP_NAME.search(file.rel))


def _file(file: RawFile, split: Split, options: UsptoOptions, tally: Tally) -> Iterator[Raw | Reject]:
    framer = PatentFramer(options.max_record_bytes)
    damage: CorruptInput | None = None
    count = 0
    with tally.open(file, PatentCounter(), start=split.start, stop=split.stop) as stream:
        try:
            for chunk in stream.chunks():
                for piece in framer.feed(chunk.offset, chunk.data):
                    count += 1
                    yield _framed(piece, file.rel, 0, "", options)
        except CorruptInput as caught:
            damage = caught
        for piece in framer.finish(whole=damage is None and split.stop is not None):
            count += 1
            yield _framed(piece, file.rel, 0, "", options)
        end = stream.position
    if damage is not None:
        yield Reject("corrupt_file", file.rel, end, str(damage), kind="error", records=0)
    elif end == 0:
        yield Reject("empty_file", file.rel, 0, "the file has no bytes", kind="error", records=0)
    elif not count:
        yield _nothing(file.rel, 0, "")


def _zip(file: RawFile, options: UsptoOptions, tally: Tally) -> Iterator[Raw | Reject]:
    told = False
    try:
        with ZipStream(file, tally, PatentCounter) as archive:
            for member in archive:
                for framed in _member(member, file, options):
                    told = told or (isinstance(framed, Reject) and framed.reason == "corrupt_file")
                    yield framed
    except CorruptInput as error:
        if told and not isinstance(error, LimitExceeded):
            return  # a zip without its end, whose last member said so
        yield Reject("corrupt_file", file.rel, error.offset, str(error), kind="error", records=0)


def _member(member: ZipMember, file: RawFile, options: UsptoOptions) -> Iterator[Raw | Reject]:
    base = member.index << _MEMBER_BITS
    key = f"{file.rel}!{member.name}"
    if member.reject:
        kind: Literal["policy", "error"] = "error" if member.reject in MEMBER_ERRORS else "policy"
        reason = "symlink" if member.reject == "link" else member.reject
        yield Reject(reason, file.rel, base, MEMBER_ERRORS.get(reason, ""), key, kind, records=0)
        return
    if _OTHER.search(member.name):
        yield Reject("not_full_text", file.rel, base, "by its name it holds no full text", key, records=0)
        return
    framer = PatentFramer(options.max_record_bytes)
    damage: CorruptInput | None = None
    count = offset = 0
    try:
        for data in member.chunks():
            for piece in framer.feed(offset, data):
                count += 1
                yield _framed(piece, file.rel, base, member.name, options)
            offset += len(data)
    except CorruptInput as caught:
        damage = caught
    for piece in framer.finish(whole=False):
        count += 1
        yield _framed(piece, file.rel, base, member.name, options)
    if isinstance(damage, LimitExceeded):
        raise damage
    if damage is not None:
        yield Reject("corrupt_file", file.rel, base + offset, str(damage), key, "error", records=0)
    elif not count:
        yield _nothing(file.rel, base, key)


def _nothing(rel: str, record: int, key: str) -> Reject:
    why = "no document of a known layout begins in it (PATN, PATDOC, us-patent-…, patent-application-publication)"
    return Reject("no_documents", rel, record, why, key, "error", records=0)


def _framed(piece: Piece, rel: str, base: int, member: str, options: UsptoOptions) -> Raw | Reject:
    record = base + piece.offset
    if not piece.fault:
        return Raw(rel, record, piece.data, {"member": member} if member else {})
    if piece.fault == "sequence":
        return Reject("sequence_listing", rel, record, _DETAIL["sequence"], raw_bytes=piece.size)
    if piece.fault == "too_large":
        detail = f"{piece.size} bytes; the option max_record_bytes allows {options.max_record_bytes}"
        return Reject("record_too_large", rel, record, detail, kind="error", raw_bytes=piece.size)
    detail = f"{_DETAIL[piece.fault]} (at byte {piece.offset})"
    return Reject(f"{piece.fault}_record", rel, record, detail, kind="error", raw_bytes=piece.size)


def _outcome(raw: Raw, options: UsptoOptions) -> Outcome:
    size = len(raw.body)

    def reject(reason: str, detail: str, kind: Literal["policy", "error"], key: str = "") -> Reject:
        return Reject(reason, raw.rel, raw.record, detail, key, kind, raw_bytes=size)

    # A rights notice may stand anywhere: where one can be, everything is read.
    brief = options.text == "background" and not any(word in raw.body for word in _NOTICE)
    try:
        if raw.body.startswith(b"PATN"):
            patent = read_aps(raw.body, tables=options.tables, brief=brief)
        else:
            patent = read_markup(raw.body, tables=options.tables, brief=brief)
    except TreeError as error:
        return reject("bad_markup", str(error), "error")
    number = plain_number(patent.number)
    if not number:
        return reject("no_number", f"the document's number is {patent.number[:40]!r}", "error")
    key = f"US{number}"
    text, what = _text(patent, options)
    if not text:
        wanted = options.text if options.text != "full" else "text"
        return reject(f"no_{wanted}", f"{type_of(number)}: {patent.title[:200]}", "policy", key)
    return Document(
        key=key,
        text=text,
        rel=raw.rel,
        record=raw.record,
        url=f"https://patents.google.com/patent/US{number}{patent.kind}/en"
        if number.isdigit() and _LINKABLE.match(patent.kind)
        else "",
        title=patent.title,
        raw_bytes=size,
        meta=_meta(patent, number, what, raw),
    )


def _text(patent: Patent, options: UsptoOptions) -> tuple[str, str]:
    """Return the text, and which part of the document it is."""
    if options.text == "full":
        return full_text(patent), "full"
    if options.text == "background":
        text = joined(background(patent.description))
        if text or options.fallback == "reject":
            return text, "background"
    return joined(summary(patent.description)), "summary"


def _meta(patent: Patent, number: str, what: str, raw: Raw) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "layout": patent.layout,
        "dtd": patent.dtd,
        "kind": patent.kind,
        "type": type_of(number),
        "date": iso_date(patent.date),
        "authors": patent.authors,
        "ipc": patent.ipc,
        "cpc": patent.cpc,
        "us_class": patent.us_class,
        "part": what,
        "notices": notices(patent.description),
        "repairs": patent.repairs,
        "member": posixpath.basename(str(raw.meta.get("member", ""))),
    }
    return {name: value for name, value in facts.items() if value}
