"""Test the Europarl source: names, languages, releases, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.unit.sources.speech import only, read, reasons, tar_of

DAY = b'<CHAPTER ID=1>\nTitle\n<SPEAKER ID=1 NAME="Sea (X)." LANGUAGE="DE">\nA word.\n'


def test_every_packing_gives_the_same_keys(tmp_path: Path) -> None:
    member = {"txt/en/ep-97-01-15-003.txt": DAY}
    for number, files in enumerate(
        (
            {"europarl.tgz": tar_of(member)},
            {"europarl.tar": tar_of(member, packed=False)},
            {"txt/en/ep-97-01-15-003.txt": DAY},
            {"en/ep-97-01-15-003.txt.gz": gzip.compress(DAY)},
            {"en/ep-97-01-15-003": DAY},
        )
    ):
        document = only(read("europarl", tmp_path / str(number), files))
        assert document.key == "en/ep-97-01-15-003" and document.text == "Title\n\nSea: A word."
        assert document.meta["date"] == "1997-01-15" and document.meta["spoken"] == {"de": 1}


@pytest.mark.parametrize(
    ("name", "date"), [("ep-00-02-29", "2000-02-29"), ("ep-11-11-30-012-01", "2011-11-30")]
)
def test_dates(tmp_path: Path, name: str, date: str) -> None:
    assert only(read("europarl", tmp_path, {f"fi/{name}.txt": DAY})).meta["date"] == date


def test_options(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"en/ep-97-01-15.txt": DAY, "fi/ep-97-01-15.txt": DAY}
    result = read("europarl", tmp_path, files, languages=["fi"], speakers=False)
    assert only(result).text == "Title\n\nA word." and list(reasons(result).values()) == ["language"]
    loose = read("europarl", tmp_path / "loose", {"ep-97-01-15.txt": DAY}, language="da")
    assert only(loose).key == "da/ep-97-01-15"


def test_what_is_refused(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "ep-97-01-15.txt": DAY,
        "en/ep-97-01-16.txt": b"\x00\x01" + DAY,
        "en/ep-97-01-17.txt": "No markup.",
        "en/ep-97-01-18.txt": "<CHAPTER ID=1>\nOnly a title\n",
        "en/notes.txt": DAY,
    }
    assert reasons(read("europarl", tmp_path, files)) == {
        "ep-97-01-15.txt": "no_language",
        "ep-97-01-16": "binary",
        "ep-97-01-17": "no_markup",
        "ep-97-01-18": "no_speech",
        "notes.txt": "other_file",
    }


def test_a_packed_member_that_is_cut_says_so(tmp_path: Path) -> None:
    cut = tar_of({"en/ep-97-01-19.txt.gz": gzip.compress(DAY)[:-9]}, packed=False)
    assert reasons(read("europarl", tmp_path, {"a.tar": cut})) == {"ep-97-01-19": "corrupt"}


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    bomb = tar_of({"en/ep-97-01-19.txt.gz": gzip.compress(DAY + b" " * 200_000)}, packed=False)
    assert reasons(read("europarl", tmp_path, {"a.tar": bomb}, max_file_bytes=5000)) == {
        "ep-97-01-19": "record_too_large"
    }
