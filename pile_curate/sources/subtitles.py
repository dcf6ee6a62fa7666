"""Read subtitle files, SubRip (``.srt``), WebVTT (``.vtt``) and SubStation Alpha (``.ass``), loose or in archives.

One file is one document, whose native key is its path. Its content says the format, its name the language, and the
language helps with the encodings that were common before UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from pile_curate.extract.captions import caption_text, read_captions
from pile_curate.files import Tally
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, Split
from pile_curate.sources.blobs import Inflate, blob_records, inflated
from pile_curate.sources.captions import CaptionOptions, language_in, text_of

_NAME = re.compile(r"\.(srt|vtt|webvtt|ass|ssa)(?:\.(?:gz|bz2|xz|zst))?$", re.IGNORECASE)
_LABEL = re.compile(
    r"[._ (\[-]+[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,4})?[)\]]?(?:[._ -](?:sdh|cc|hi|forced|full))?$", re.I
)
_FOLDER = re.compile(r"^.*[/\\!]")


class SubtitlesOptions(CaptionOptions):
    """As for all captions."""

    language: str = Field("", description="Language of files whose names say none.")
    voices: Literal["drop", "keep"] = Field("drop", description='WebVTT\'s <v Name>, as "Name: ".')


def _unwanted(name: str) -> str:
    return "" if _NAME.search(name) else "other_file"


class SubtitlesSource(SourceFormat):
    """Subtitle files of any film or talk."""

    name: ClassVar[str] = "subtitles"
    version: ClassVar[int] = 2
    summary: ClassVar[str] = "subtitle files: SubRip, WebVTT, SubStation Alpha"
    suffixes: ClassVar[tuple[str, ...]] = (".srt", ".vtt", ".ass", ".ssa", ".srt.gz", ".zip", ".tar.gz")
    Options: ClassVar[type[CaptionOptions]] = SubtitlesOptions
    about: ClassVar[About] = About(
        publisher="Makers of films and talks, and their translators",
        where="https://www.w3.org/TR/webvtt1/",
        licence="per file",
        consent="public",
        size="any",
        splits="small files packed to 256 MB; one archive a task",
        example="**/*.srt",
    )

    def frames(self, split: Split, options: SubtitlesOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each subtitle file as one record."""
        yield from blob_records(split, tally, limit=options.max_file_bytes, wanted=_unwanted)

    def parse(self, raw: Raw, options: SubtitlesOptions) -> list[Outcome]:
        """Turn one file into a document or a reject."""
        return [_outcome(raw, options)]


def _outcome(raw: Raw, options: SubtitlesOptions) -> Outcome:
    key, size = raw.meta["key"], len(raw.body)

    def reject(reason: str, detail: str, kind: Literal["policy", "error"] = "error") -> Reject:
        return Reject(reason, raw.rel, raw.record, detail, key, kind, raw_bytes=size)

    try:
        body = inflated(raw.body, options.max_file_bytes)
    except Inflate as error:
        return reject(error.reason, str(error))
    stem = _FOLDER.sub("", _NAME.sub("", raw.meta["name"]))
    named = language_in(stem)
    language = named or options.language
    text, encoding = caption_text(body, language)
    if not text:
        return reject("binary", f"it begins with {body[:8]!r}")
    captions = read_captions(text, options.voices == "keep")
    if not captions.cues:
        if captions.kind == "vtt":
            return reject("no_cues", "a WebVTT file without cues", "policy")
        return reject("no_timings", "no line holds two times and an arrow between them")
    language = language or (captions.header or {}).get("Language", "")
    written, facts = text_of(captions.cues, options, rolling=captions.timed)
    if not written.strip():
        return reject("no_speech", f"nothing is left of {len(captions.cues)} cues", "policy")
    meta: dict[str, Any] = {"language": language} if language else {}
    meta |= {"format": captions.kind, "encoding": encoding, **facts}
    return Document(
        key,
        written,
        raw.rel,
        raw.record,
        title=_LABEL.sub("", stem) if named else stem,
        raw_bytes=size,
        meta=meta,
    )
