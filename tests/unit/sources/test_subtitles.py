"""Test subtitle files: names, languages, options, archives, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pile_curate.sources.captions import language_in
from tests.unit.sources.speech import only, read, reasons, tar_of, zip_of

SRT = "1\n00:00:01,000 --> 00:00:02,000\n[bang] Hello\n\n2\n00:00:02,000 --> 00:00:03,000\nthere.\n\n3\n00:00:30,000 --> 00:00:31,000\nBye. ♪\n"


@pytest.mark.parametrize(
    ("stem", "language"),
    [
        ("Film.2001.en", "en"),
        ("Film.pt-BR", "pt-BR"),
        ("Film.zh-Hans", "zh-Hans"),
        ("Film_eng", "en"),
        ("Film (ger).forced", "de"),
        ("Film.en.sdh", "en"),
        ("Film", ""),
        ("en", ""),
        ("The.End.Was", ""),
        ("a" * 500 + ".fr", "fr"),
    ],
)
def test_languages_in_names(stem: str, language: str) -> None:
    assert language_in(stem) == language


def test_options(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"a.en.srt": SRT}
    assert only(read("subtitles", tmp_path, files)).text == "Hello there.\n\nBye."
    assert (
        only(read("subtitles", tmp_path, files, sounds="keep", gap=0.0)).text == "[bang] Hello there.\nBye. ♪"
    )
    document = only(read("subtitles", tmp_path, files, layout="paragraphs", gap=0.0))
    assert document.text == "Hello there. Bye." and document.title == "a"
    assert document.meta == {"language": "en", "format": "srt", "encoding": "utf-8", "cues": 3, "seconds": 31}


def test_archives_and_compression(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "a.zip": zip_of({"x/b.srt": SRT.encode(), "x/cover.png": b"\x89PNG"}),
        "c.tar.gz": tar_of({"d.srt.gz": gzip.compress(SRT.encode())}),
        "e.srt.gz": gzip.compress(SRT.encode()),
        "f.zip": zip_of({"inner.zip": zip_of({"g.srt": SRT.encode()}), "../h.srt": b"1"}),
    }
    result = read("subtitles", tmp_path, files)
    assert sorted(result.keys()) == ["a.zip!x/b.srt", "c.tar.gz!d.srt.gz", "e.srt.gz"]
    assert {d.text for d in result.documents} == {"Hello there.\n\nBye."}
    assert reasons(result) == {
        "cover.png": "other_file",
        "f.zip!inner.zip": "other_file",
        "h.srt": "unsafe_path",
    }


def test_what_is_refused(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "a.srt": "plain prose",
        "b.srt": b"\x00\x01\x02\x03" * 9,
        "c.srt": SRT.split("\n\n")[0].replace(" Hello", ""),
        "d.vtt": "WEBVTT\n",
        "e.srt": b"\x1f\x8bbroken",
        "f.srt": "x" * 3000,
        "g.tar": tar_of({"h.srt.gz": gzip.compress(b"0" * 9_000_000)}, packed=False),
    }
    result = read("subtitles", tmp_path, files, max_file_bytes=2000)
    assert reasons(result) == {
        "a.srt": "no_timings",
        "b.srt": "binary",
        "c.srt": "no_speech",
        "d.vtt": "no_cues",
        "e.srt": "corrupt",
        "f.srt": "record_too_large",
        "g.tar!h.srt.gz": "record_too_large",
    }


def test_one_huge_line(tmp_path: Path) -> None:
    huge = "1\n00:00:01,000 --> 00:00:02,000\n" + "word " * 200_000
    assert len(only(read("subtitles", tmp_path, {"a.srt": huge})).text) == 999_999
