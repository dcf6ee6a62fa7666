"""Read OPUS's OpenSubtitles corpus: one film's subtitles in one language are one document.

The trees ``raw``, ``xml`` and ``parsed`` of every release, loose (``.xml.gz``) or in the zip of a language
(``en.zip``: ``OpenSubtitles/raw/en/1999/12345/6789.xml``). The native key is the path below the tree,
``en/1999/12345/6789``: the same in all trees and packings, so that a recipe should name one tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from pile_curate.extract.opus import OpusError, read_opus
from pile_curate.files import Tally
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, Split
from pile_curate.sources.blobs import Inflate, blob_records, inflated
from pile_curate.sources.captions import CaptionOptions, text_of

_NAME = re.compile(r"\.xml(?:\.gz)?$", re.IGNORECASE)
_TREE = re.compile(
    r"(?:^|.*[/!])(?:raw|xml|parsed|mono)/((?P<language>[a-z]{2,3}(?:_[A-Za-z]{2,4})?)/[^!]+)$"
)
_BARE = re.compile(r"(?:^|.*/)((?P<language>[a-z]{2,3}(?:_[A-Za-z]{2,4})?)/(?:[^/!]{1,60}/)?\d{1,4}/[^!]+)$")
_YEAR = re.compile(r"/(\d{4}|0)/")
_FILM = re.compile(r"/(?:\d{4}|0)/(\d{1,9})/")
_SAID = {
    "source.genre": "genre", "source.original": "original", "source.country": "country", "subtitle.date": "date",
    "subtitle.cds": "cds", "subtitle.confidence": "confidence", "conversion.encoding": "encoding",
}  # fmt: skip


class OpenSubtitlesOptions(CaptionOptions):
    """As for all captions."""

    languages: list[str] | None = Field(None, description="Languages to read (en, pt_br); by default all.")


def place_of(name: str) -> tuple[str, str]:
    """Return a document's key and its language: the path below the tree.

    >>> place_of("OpenSubtitles/xml/pt_br/1999/120915/5.xml.gz")
    ('pt_br/1999/120915/5', 'pt_br')
    """
    path = _NAME.sub("", name)
    found = _TREE.match(path) or _BARE.match(path)
    return (found[1], found["language"]) if found else (path, "")


class OpenSubtitlesSource(SourceFormat):
    """OPUS documents of subtitles."""

    name: ClassVar[str] = "opensubtitles"
    version: ClassVar[int] = 2
    summary: ClassVar[str] = "OpenSubtitles as OPUS publishes it (XML, raw or tokenised)"
    suffixes: ClassVar[tuple[str, ...]] = (".zip", ".xml.gz", ".xml")
    Options: ClassVar[type[CaptionOptions]] = OpenSubtitlesOptions
    about: ClassVar[About] = About(
        publisher="OPUS, from opensubtitles.org",
        where="https://opus.nlpl.eu/OpenSubtitles",
        licence="LicenseRef-opensubtitles",
        consent="public",
        size="English: about 7 GB of raw XML in zip",
        splits="small files packed to 256 MB; one zip a task",
        example="OpenSubtitles/raw/*.zip",
    )

    def frames(self, split: Split, options: OpenSubtitlesOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each document as one record; the zip's read-me and licence are rejected by name."""

        def wanted(name: str) -> str:
            if not _NAME.search(name):
                return "other_file"
            other = options.languages is not None and place_of(name)[1] not in options.languages
            return "language" if other else ""

        yield from blob_records(split, tally, limit=options.max_file_bytes, wanted=wanted)

    def parse(self, raw: Raw, options: OpenSubtitlesOptions) -> list[Outcome]:
        """Turn one document into text, or a reject."""
        return [_outcome(raw, options)]


def _outcome(raw: Raw, options: OpenSubtitlesOptions) -> Outcome:
    size = len(raw.body)
    key, language = place_of(raw.meta["name"])
    if not language:
        key = raw.meta["key"]

    def reject(reason: str, detail: str, kind: Literal["policy", "error"] = "error") -> Reject:
        return Reject(reason, raw.rel, raw.record, detail, key, kind, raw_bytes=size)

    try:
        found = read_opus(inflated(raw.body, options.max_file_bytes), language)
    except (Inflate, OpusError) as error:
        return reject(error.reason, str(error))
    text, facts = text_of(found.cues, options)
    if not text.strip():
        return reject("no_speech", f"nothing is left of {len(found.cues)} sentences", "policy")
    meta: dict[str, Any] = {"language": language} if language else {}
    year = found.meta.get("source.year", "")
    in_path = _YEAR.search(f"/{key}")
    if re.fullmatch(r"\d{4}", year) or (in_path and in_path[1] != "0"):
        meta["year"] = int(year) if re.fullmatch(r"\d{4}", year) else int(in_path[1]) if in_path else 0
    if (film := _FILM.search(f"/{key}")) and int(film[1]):
        meta["imdb"] = f"tt{int(film[1]):07d}"
    if found.document:
        meta["subtitle"] = found.document
    meta |= {short: found.meta[name] for name, short in _SAID.items() if name in found.meta}
    meta |= {"tokenized": found.tokenized, **facts}
    meta["sentences"] = meta.pop("cues")
    return Document(
        key,
        text,
        raw.rel,
        raw.record,
        url=f"https://www.opensubtitles.org/subtitles/{found.document}" if found.document.isdigit() else "",
        raw_bytes=size,
        meta=meta,
    )
