"""Read the caption tracks of YouTube videos, as yt-dlp and the timed-text service write them.

Files are tracks: ``Title [VIDEOID].en.vtt``, ``VIDEOID.en.srv3``, ``Title-VIDEOID.en.json3``, ``VIDEOID/en.xml``. The
content says the format; rolling captions are collapsed so that each line stands once (``extract/cues.py``). Tracks of
a video meet by its id. A document is a track, ``VIDEOID/en``, so that each has one language; the option ``document:
video`` makes one of all languages, as The Pile did. Of a track in several formats the one that keeps most of the
words' times is used. A ``.info.json`` beside them gives title, channel, date and licence to the video's documents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from pile_curate.extract.captions import caption_text, read_captions
from pile_curate.extract.timedtext import TimedTextError, is_timed_text, read_timed_text
from pile_curate.files import Tally
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, Split
from pile_curate.sources.blobs import Inflate, blob_records, inflated
from pile_curate.sources.captions import CaptionOptions, text_of
from pile_curate.sources.parts import unused

_FILE = re.compile(r"\.(vtt|srt|ttml|srv[123]|json3|xml|info\.json|json)(?:\.gz)?$", re.IGNORECASE)
_LANGUAGE = re.compile(r"\.((?:a\.)?[a-z]{2,3}(?:-[A-Za-z0-9_-]{1,40})?)$")
_UNDERSCORED = re.compile(r"^([A-Za-z0-9_-]{11})[_-]([a-z]{2,3}(?:-[A-Za-z]{2,8})?)$")
_BRACKETS = re.compile(r"^(.*?)\s*\[([A-Za-z0-9_-]{11})\]$")
_BARE = re.compile(r"^(?:(.*)[-_ ])?((?=[^/]*[A-Z0-9_])[A-Za-z0-9_-]{11})$")
_TRACK_ID = re.compile(r"-[A-Za-z0-9_-]{11}$")
_CREATIVE_COMMONS = re.compile(r"creative commons attribution", re.IGNORECASE)
_RANK = ("json3", "srv3", "srv1", "srv2", "ttml", "vtt", "srt", "ass")


class YouTubeOptions(CaptionOptions):
    """Say what a document is, and which tracks are read."""

    layout: Literal["sentences", "paragraphs"] = Field(
        "paragraphs",
        description="sentences: a line ends where a cue ends a sentence; paragraphs: where somebody pauses.",
    )
    gap: float = Field(2.5, ge=0, description="Seconds without a cue that leave an empty line; 0 never does.")
    document: Literal["language", "video"] = Field(
        "language", description="A document is a video's track, or all tracks of a video together."
    )
    languages: list[str] | None = Field(
        None, description="Languages to read; en also reads en-GB. By default all."
    )
    automatic: Literal["keep", "reject"] = Field(
        "keep", description="Tracks by speech recognition, which have no punctuation. The Pile had none."
    )


class Track(NamedTuple):
    """What a file's name says."""

    video: str
    language: str
    title: str
    kind: str


def track_of(name: str) -> Track:
    """Read a name; the video is its path without endings where no id is found.

    >>> track_of("talks/On Tides [dQw4w9WgXcQ].en-GB.vtt")
    Track(video='dQw4w9WgXcQ', language='en-GB', title='On Tides', kind='vtt')
    """
    found = _FILE.search(name)
    kind = found[1].lower() if found else ""
    path = name[: found.start()] if found else name
    folder, _, stem = re.sub(r"!", "/", path).rpartition("/")
    language = ""
    if both := _UNDERSCORED.match(stem):
        stem, language = both[1], both[2]
    elif label := _LANGUAGE.search(stem):
        stem, language = stem[: label.start()], label[1].removeprefix("a.")
    # A track's own id follows the language ("en-eEY6OEpapPo"), but a region is no id.
    language = _TRACK_ID.sub("", language)
    if named := _BRACKETS.match(stem) or _BARE.match(stem):
        return Track(named[2], language, (named[1] or "").strip(), kind)
    parent = folder.rpartition("/")[2]
    if _BARE.fullmatch(parent) and len(parent) == 11:
        return Track(parent, language or (stem if re.fullmatch(r"[a-z]{2,3}(-\w+)?", stem) else ""), "", kind)
    return Track(f"{folder}/{stem}".strip("/"), language, stem, kind)


class YouTubeSubtitlesSource(SourceFormat):
    """Caption tracks, loose or in archives."""

    name: ClassVar[str] = "youtube_subtitles"
    version: ClassVar[int] = 2
    summary: ClassVar[str] = "YouTube captions: WebVTT, timed-text XML, json3 (yt-dlp's files)"
    suffixes: ClassVar[tuple[str, ...]] = (".vtt", ".srv1", ".srv3", ".json3", ".xml", ".tar.gz")
    Options: ClassVar[type[CaptionOptions]] = YouTubeOptions
    threaded: ClassVar[bool] = True
    about: ClassVar[About] = About(
        publisher="Authors of videos, at YouTube",
        where="https://github.com/yt-dlp/yt-dlp#subtitle-options",
        licence="per video",
        consent="public",
        size="any; The Pile had 3.7 GB",
        splits="small files packed to 256 MB; the tracks of a video meet once",
        example="**/*.vtt",
    )

    def frames(self, split: Split, options: YouTubeOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each track and each ``.info.json`` as one record."""

        def wanted(name: str) -> str:
            if not _FILE.search(name):
                return "other_file"
            if name.lower().endswith(".live_chat.json"):
                return "live_chat"
            track = track_of(name)
            other = options.languages is not None and track.language and track.kind != "info.json"
            if other and not {track.language, track.language.partition("-")[0]} & set(
                options.languages or ()
            ):
                return "language"
            return ""

        yield from blob_records(split, tally, limit=options.max_file_bytes, wanted=wanted)

    def parse(self, raw: Raw, options: YouTubeOptions) -> list[Outcome]:
        """Turn one file into a part of its video, or a reject."""
        return [_part(raw, options)]

    def assemble(self, thread: str, parts: Sequence[Document], options: YouTubeOptions) -> list[Outcome]:
        """Choose one file a track, and make documents of the tracks."""
        infos = [part for part in parts if part.meta["info"]]
        tracks, outcomes = _best([part for part in parts if not part.meta["info"]])
        for number, info in enumerate(infos):
            copy = number > 0 or not tracks
            detail = (
                "the video has no captions here" if not tracks else "its facts are in the video's documents"
            )
            outcomes.append(
                unused(info, "info_without_captions" if copy and not tracks else "info_json", detail)
            )
        if not tracks:
            return outcomes
        facts = dict(infos[0].meta["facts"]) if infos else {}
        if options.document == "video":
            return [*outcomes, _document(thread, thread, tracks, facts)]
        for track in tracks:
            language = track.meta["language"]
            key = f"{thread}/{language}" if language else thread
            outcomes.append(_document(key, thread, [track], facts))
        return outcomes


def _part(raw: Raw, options: YouTubeOptions) -> Outcome:
    size = len(raw.body)
    track = track_of(raw.meta["key"])

    def reject(reason: str, detail: str, kind: Literal["policy", "error"] = "error") -> Reject:
        return Reject(reason, raw.rel, raw.record, detail, raw.meta["key"], kind, raw_bytes=size)

    def part(text: str, meta: dict[str, Any]) -> Document:
        meta |= {"thread": track.video}
        return Document(
            raw.meta["key"], text, raw.rel, raw.record, title=track.title, raw_bytes=size, meta=meta
        )

    try:
        body = inflated(raw.body, options.max_file_bytes)
    except Inflate as error:
        return reject(error.reason, str(error))
    if track.kind == "info.json":
        facts = _facts(body)
        if not facts:
            return reject("bad_json", "not the object that yt-dlp writes")
        return part("", {"info": True, "facts": facts})
    text, encoding = caption_text(body, track.language)
    if not text:
        return reject("binary", f"it begins with {body[:8]!r}")
    try:
        captions = read_timed_text(text) if is_timed_text(text) else read_captions(text)
    except TimedTextError as error:
        return reject(error.reason, str(error))
    if not captions.cues:
        if captions.kind == "srt":
            return reject("not_captions", "neither timed text nor WebVTT nor SubRip")
        return reject("no_cues", f"a {captions.kind} file without cues", "policy")
    if captions.timed and options.automatic == "reject":
        return reject("automatic", "the track was made by speech recognition", "policy")
    rolling = captions.timed if captions.kind in ("vtt", "srt") else None
    written, counted = text_of(captions.cues, options, rolling=rolling, tight=captions.timed)
    if not written.strip():
        return reject("no_speech", f"nothing is left of {len(captions.cues)} cues", "policy")
    language = track.language or (captions.header or {}).get("Language", "")
    meta = {
        "info": False,
        "language": language,
        "format": captions.kind,
        "automatic": captions.timed,
        **counted,
    }
    return part(written, meta)


def _facts(body: bytes) -> dict[str, Any]:
    """Return what a video's ``.info.json`` says that users want; {} if it is none."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(data, dict) or not isinstance(data.get("id"), str):
        return {}

    def text(*names: str) -> str:
        return next((v for n in names if isinstance(v := data.get(n), str) and v), "")

    facts: dict[str, Any] = {"id": data["id"][:40]}
    if title := text("fulltitle", "title"):
        facts["title"] = title[:500]
    if author := text("channel", "uploader"):
        facts["authors"] = [author[:200]]
    if re.fullmatch(r"\d{8}", date := text("upload_date")):
        facts["date"] = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    if licence := text("license"):
        facts["licence"] = "CC-BY-3.0" if _CREATIVE_COMMONS.search(licence) else ""
        facts["licence_claimed"] = licence[:200]
    return facts


def _best(parts: Sequence[Document]) -> tuple[list[Document], list[Outcome]]:
    """Keep one file of each track, in the order of languages."""
    kept: dict[str, Document] = {}
    outcomes: list[Outcome] = []
    for part in sorted(parts, key=lambda p: (_RANK.index(p.meta["format"]), p.rel, p.record)):
        first = kept.setdefault(part.meta["language"], part)
        if first is part:
            continue
        if first.text == part.text:
            outcomes.append(unused(part, "duplicate_record", f"the same text as {first.key}"))
        elif first.meta["format"] != part.meta["format"]:
            outcomes.append(unused(part, "other_format", f"{first.meta['format']} is used: {first.key}"))
        else:
            detail = f"another text of the same video and language as {first.key}"
            outcomes.append(unused(part, "id_conflict", detail, "error"))
    return [kept[language] for language in sorted(kept)], outcomes


def _document(key: str, video: str, tracks: Sequence[Document], facts: dict[str, Any]) -> Document:
    first = tracks[0]
    meta: dict[str, Any] = {k: v for k, v in facts.items() if k not in ("id", "title", "licence")}
    if len(tracks) == 1:
        names = ("language", "format", "automatic", "cues", "seconds", "credits_removed")
        meta |= {name: first.meta[name] for name in names if first.meta.get(name) not in ("", None)}
    else:
        meta |= {"languages": [track.meta["language"] for track in tracks]}
        meta |= {"automatic": any(track.meta["automatic"] for track in tracks)}
    is_id = len(video) == 11 and _BARE.fullmatch(video)
    return Document(
        key,
        "\n\n".join(track.text for track in tracks),
        first.rel,
        first.record,
        url=f"https://www.youtube.com/watch?v={video}" if is_id else "",
        title=facts.get("title") or next((track.title for track in tracks if track.title), ""),
        licence=facts.get("licence") or None,
        records=len(tracks),
        raw_bytes=sum(track.raw_bytes for track in tracks),
        meta=meta,
    )
