"""Test OPUS's OpenSubtitles: paths, packings, facts, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pile_curate.sources.opensubtitles import place_of
from tests.unit.sources.speech import only, read, reasons, zip_of

XML = b'<document id="9"><s><time id="T1S" value="00:00:01,000"/>Hello there.</s><s>Bye.</s></document>'


@pytest.mark.parametrize(
    ("name", "key", "language"),
    [
        ("OpenSubtitles/raw/en/1999/120915/5.xml", "en/1999/120915/5", "en"),
        ("OpenSubtitles/xml/pt_br/1999/120915/5.xml.gz", "pt_br/1999/120915/5", "pt_br"),
        ("en/1999/120915/5.xml", "en/1999/120915/5", "en"),
        ("xml/en/Action/1999/4567_1of1.xml.gz", "en/Action/1999/4567_1of1", "en"),
        ("somewhere/5.xml", "somewhere/5", ""),
    ],
)
def test_places(name: str, key: str, language: str) -> None:
    assert place_of(name) == (key, language)


def test_every_packing_gives_the_same_document(tmp_path: Path) -> None:
    rel = "OpenSubtitles/raw/en/1999/120915/9.xml"
    for number, files in enumerate(
        ({rel: XML}, {f"{rel}.gz": gzip.compress(XML)}, {"en.zip": zip_of({rel: XML})})
    ):
        document = only(read("opensubtitles", tmp_path / str(number), files))
        assert (document.key, document.text) == ("en/1999/120915/9", "Hello there.\nBye.")
        assert (document.meta["year"], document.meta["imdb"]) == (1999, "tt0120915")


def test_languages(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"raw/en/1999/1/2.xml": XML, "raw/fr/1999/1/2.xml": XML}
    result = read("opensubtitles", tmp_path, files, languages=["fr"])
    assert only(result).key == "fr/1999/1/2" and reasons(result) == {"2.xml": "language"}


def test_what_is_refused(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "raw/en/1999/1/1.xml": XML[:-20],
        "raw/en/1999/1/2.xml": b"<html/>",
        "raw/en/1999/1/3.xml": b"<document/>",
        "raw/en/1999/1/4.xml": b'<!DOCTYPE a [<!ENTITY b "c">]>' + XML,
        "raw/en/1999/1/5.txt": b"x",
        "raw/en/1999/1/6.xml.gz": gzip.compress(XML)[:-12],
    }
    result = read("opensubtitles", tmp_path, files)
    assert {reject.key or reject.rel: reject.reason for reject in result.rejects} == {
        "en/1999/1/1": "xml_error",
        "en/1999/1/2": "not_opus",
        "en/1999/1/3": "no_speech",
        "en/1999/1/4": "xml_entities",
        "raw/en/1999/1/5.txt": "other_file",
        "raw/en/1999/1/6.xml.gz": "corrupt_file",
    }


def test_a_zip_that_is_cut_gives_what_it_still_holds(tmp_path: Path) -> None:
    names = [f"raw/en/1999/1/{number}.xml" for number in range(3)]
    whole = zip_of({name: XML for name in names})
    result = read("opensubtitles", tmp_path, {"en.zip": whole[: whole.rindex(b"PK\x03\x04") + 5]})
    assert sorted(result.keys()) == ["en/1999/1/0", "en/1999/1/1"]
    assert "corrupt_file" in {reject.reason for reject in result.rejects}
