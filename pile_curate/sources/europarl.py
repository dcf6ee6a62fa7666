"""Read the Europarl corpus's source release: the proceedings of the European Parliament, a file a document.

``europarl.tgz`` holds ``txt/<language>/ep-YY-MM-DD[-NNN].txt``: one file a day, since release 5 one a chapter. The
native key is the language and the sitting, ``en/ep-97-01-15-003``, which every release and packing share. Names
decide before content is read: the tools, the read-me and unwanted languages cost their bytes and nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from pile_curate.extract.europarl import read_sitting, sitting_text
from pile_curate.files import Tally
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, SourceOptions, Split
from pile_curate.sources.blobs import Inflate, blob_records, inflated

_NAME = re.compile(
    r"(?:(?:^|/)([a-z]{2})/)?(?:^|(?<=/))(ep-(\d\d)-(\d\d)-(\d\d)(?:-[\w-]{1,20})?)(?:\.txt)?(?:\.gz)?$"
)


class EuroparlOptions(SourceOptions):
    """Say which languages are read, and what of the proceedings stays."""

    languages: list[str] | None = Field(None, description="Two-letter languages to read; by default all.")
    language: str = Field("", description="Language of files that lie in no folder named after one.")
    speakers: bool = Field(True, description='Begin each speech with "Name: ".')
    notes: Literal["keep", "drop"] = Field("keep", description='Stage notes: "(Applause)".')
    max_file_bytes: int = Field(64 << 20, ge=1024, description="Largest file that is read, in bytes.")


class EuroparlSource(SourceFormat):
    """Proceedings, in the published archive or loose."""

    name: ClassVar[str] = "europarl"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "Europarl's source release: proceedings of the European Parliament"
    suffixes: ClassVar[tuple[str, ...]] = (".tgz", ".tar.gz", ".txt")
    Options: ClassVar[type[SourceOptions]] = EuroparlOptions
    about: ClassVar[About] = About(
        publisher="The European Parliament, collected by P. Koehn",
        where="https://www.statmt.org/europarl",
        licence="LicenseRef-free-reuse",
        consent="author",
        size="1.5 GB packed, 21 languages, 1996 to 2011",
        splits="small files packed to 256 MB; one archive a task",
        example="europarl.tgz",
    )

    def frames(self, split: Split, options: EuroparlOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each file of proceedings as one record."""

        def wanted(name: str) -> str:
            found = _NAME.search(name)
            if not found:
                return "other_file"
            language = found[1] or options.language
            return "language" if options.languages is not None and language not in options.languages else ""

        yield from blob_records(split, tally, limit=options.max_file_bytes, wanted=wanted)

    def parse(self, raw: Raw, options: EuroparlOptions) -> list[Outcome]:
        """Turn one file into a document or a reject."""
        return [_outcome(raw, options)]


def _outcome(raw: Raw, options: EuroparlOptions) -> Outcome:
    size = len(raw.body)
    found = _NAME.search(raw.meta["name"])
    language = (found[1] if found else "") or options.language
    key = f"{language}/{found[2]}" if found and language else raw.meta["key"]

    def reject(reason: str, detail: str, kind: Literal["policy", "error"] = "error") -> Reject:
        return Reject(reason, raw.rel, raw.record, detail, key, kind, raw_bytes=size)

    if found is None or not language:
        return reject("no_language", "no folder names the language; set the option 'language' (en)")
    try:
        body = inflated(raw.body, options.max_file_bytes)
    except Inflate as error:
        return reject(error.reason, str(error))
    if b"\0" in body[:4096]:
        return reject("binary", f"it begins with {body[:8]!r}")
    text, encoding = sitting_text(body, language)
    sitting = read_sitting(
        text.replace("\r\n", "\n"), speakers=options.speakers, notes=options.notes == "keep"
    )
    if not sitting.marks:
        return reject("no_markup", "no <CHAPTER>, <SPEAKER> or <P>: these are not the proceedings")
    if not sitting.paragraphs:
        return reject("no_speech", "nothing but titles and notes", "policy")
    year = int(found[3])
    date = f"{1900 + year if year >= 90 else 2000 + year}-{found[4]}-{found[5]}"
    meta: dict[str, Any] = {
        "language": language,
        "date": date,
        "sitting": found[2],
        "chapters": len(sitting.chapters),
        "speeches": sitting.speeches,
        "authors": sitting.speakers,
        "encoding": encoding,
    }
    if sitting.spoken:
        meta["spoken"] = sitting.spoken
    return Document(
        key,
        sitting.text,
        raw.rel,
        raw.record,
        title=sitting.chapters[0] if sitting.chapters else "",
        raw_bytes=size,
        meta=meta,
    )
