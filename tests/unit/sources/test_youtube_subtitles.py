"""Test YouTube's tracks: names, choosing a file a track, documents by language and by video, facts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pile_curate.demo.dumps import load
from pile_curate.demo.speech_dumps import dumps
from pile_curate.sources.youtube_subtitles import track_of
from tests.unit.sources.speech import only, read, reasons

ID = "aBcDeFgHiJ1"


def vtt(*lines: str) -> str:
    return "WEBVTT\n\n" + "".join(
        f"00:0{n}.000 --> 00:0{n + 1}.000\n{line}\n\n" for n, line in enumerate(lines)
    )


@pytest.mark.parametrize(
    ("name", "video", "language", "title", "kind"),
    [
        (f"On Tides [{ID}].en.vtt", ID, "en", "On Tides", "vtt"),
        (f"a/b [x] [{ID}].en-GB.srv3", ID, "en-GB", "b [x]", "srv3"),
        (f"{ID}.en.json3", ID, "en", "", "json3"),
        (f"{ID}.vtt", ID, "", "", "vtt"),
        (f"{ID}_de.xml", ID, "de", "", "xml"),
        (f"On-Tides-{ID}.zh-Hans.vtt", ID, "zh-Hans", "On-Tides", "vtt"),
        (f"{ID}.a.en.srv1", ID, "en", "", "srv1"),
        (f"{ID}.en-eEY6OEpapPo.vtt", ID, "en", "", "vtt"),
        (f"{ID}/fr.xml", ID, "fr", "", "xml"),
        (f"t.tar!{ID}.en.vtt.gz", ID, "en", "", "vtt"),
        (f"{ID}.info.json", ID, "", "", "info.json"),
        ("talks/my great talk.en.vtt", "talks/my great talk", "en", "my great talk", "vtt"),
        ("some-folder/of-lessons.vtt", "some-folder/of-lessons", "", "of-lessons", "vtt"),
    ],
)
def test_names(name: str, video: str, language: str, title: str, kind: str) -> None:
    assert track_of(name) == (video, language, title, kind)


def test_documents_by_language_and_by_video(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        f"T [{ID}].en.vtt": vtt("One two."),
        f"T [{ID}].de.vtt": vtt("Eins zwei."),
    }
    apart = read("youtube_subtitles", tmp_path, files)
    assert {d.key: d.text for d in apart.documents} == {f"{ID}/de": "Eins zwei.", f"{ID}/en": "One two."}
    together = only(read("youtube_subtitles", tmp_path, files, document="video"))
    assert (together.key, together.text, together.records) == (ID, "Eins zwei.\n\nOne two.", 2)
    assert together.meta["languages"] == ["de", "en"]
    english = read("youtube_subtitles", tmp_path, files, languages=["en"])
    assert only(english).key == f"{ID}/en" and list(reasons(english).values()) == ["language"]


def test_one_file_a_track(tmp_path: Path) -> None:
    srv1 = '<transcript><text start="0" dur="1">From srv1.</text></transcript>'
    files: dict[str, bytes | str] = {
        f"{ID}.en.vtt": vtt("From vtt."),
        f"{ID}.en.srv1": srv1,
        f"copy/{ID}.en.srv1": srv1,
        f"other/{ID}.en.srv1": srv1.replace("From", "Not"),
    }
    result = read("youtube_subtitles", tmp_path, files)
    assert only(result).text == "From srv1."
    assert sorted(r.reason for r in result.rejects) == ["duplicate_record", "id_conflict", "other_format"]


@pytest.mark.parametrize(
    ("licence", "spdx"),
    [("Creative Commons Attribution license (reuse allowed)", "CC-BY-3.0"), (None, None), ("Standard", None)],
)
def test_facts(tmp_path: Path, licence: str | None, spdx: str | None) -> None:
    info = {"id": ID, "title": "A talk", "uploader": "Mill", "upload_date": "20200102", "license": licence}
    files: dict[str, bytes | str] = {f"{ID}.en.vtt": vtt("Hi."), f"{ID}.info.json": json.dumps(info)}
    document = only(read("youtube_subtitles", tmp_path, files))
    assert (document.title, document.licence) == ("A talk", spdx)
    assert document.meta["authors"] == ["Mill"] and document.meta["date"] == "2020-01-02"


def test_automatic_tracks(tmp_path: Path) -> None:
    body = "so<00:00:00.500><c> we</c>"
    files: dict[str, bytes | str] = {f"{ID}.en.vtt": vtt(body, "so we\ngo<00:00:01.500><c> on</c>")}
    document = only(read("youtube_subtitles", tmp_path, files))
    assert document.text == "so we go on" and document.meta["automatic"]
    assert list(reasons(read("youtube_subtitles", tmp_path, files, automatic="reject")).values()) == [
        "automatic"
    ]


def test_what_is_refused(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "a1.en.vtt": "WEBVTT\n",
        "a2.en.json3": "{",
        "a3.en.xml": "<rss/>",
        "a4.en.vtt": "plain",
        "a5.live_chat.json": "{}",
        "a6.info.json": "[]",
        "a7.info.json": json.dumps({"id": "a7"}),
        "a8.mp4": b"\x00",
        "a9.en.vtt": vtt("[Music]"),
        "b1.en.vtt": b"\x00\x01\x02\x03" * 20,
        "b2.en.srv1": "<transcript><text>",
        "b3.info.json": "[" * 100_000,
    }
    assert reasons(read("youtube_subtitles", tmp_path, files)) == {
        "a1.en.vtt": "no_cues",
        "a2.en.json3": "bad_json",
        "a3.en.xml": "not_captions",
        "a4.en.vtt": "not_captions",
        "a5.live_chat.json": "live_chat",
        "a6.info.json": "bad_json",
        "a7.info.json": "info_without_captions",
        "a8.mp4": "other_file",
        "a9.en.vtt": "no_speech",
        "b1.en.vtt": "binary",
        "b2.en.srv1": "xml_error",
        "b3.info.json": "bad_json",
    }


def test_rolling_tracks_read_the_same_as_tools_leave_them(tmp_path: Path) -> None:
    rolling = {rel: data for rel, data in dumps().items() if rel.endswith("].en.vtt")}
    ((_, data),) = rolling.items()
    text = data.decode()
    said = " ".join(load("speech.yaml")["talks"][0]["lines"].split())
    plain = re.sub(r"<[^>]*>", "", re.sub(r" align.*", "", text)).replace(
        "WEBVTT\nKind: captions\nLanguage: en\n", ""
    )
    variants = {
        "as published": text,
        "without trailing spaces": re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE),
        "with carriage returns": text.replace("\n", "\r\n"),
        "as SubRip": re.sub(r"(\d\d)\.(\d{3})", r"\1,\2", re.sub(r"\n \n|^ \n", "\n", plain)),
    }
    for number, (what, body) in enumerate(variants.items()):
        name = f"{ID}.en.{'srt' if 'SubRip' in what else 'vtt'}"
        document = only(read("youtube_subtitles", tmp_path / str(number), {name: body}))
        assert " ".join(document.text.split()) == said, what
