"""Test the Gutenberg source: one file one record, frames of four decades, encodings, what is refused."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from pile_curate.files import RawFile, Tally
from pile_curate.sources.base import Document, Raw, Reject, Split
from pile_curate.sources.gutenberg import GutenbergOptions, GutenbergSource

SOURCE, OPTIONS = GutenbergSource(), GutenbergOptions()
GOLDEN = Path(__file__).parents[2] / "golden" / "gutenberg"
BODY = "CHAPTER I\n\nIt was a quiet morning, and nobody spoke of the weather.\n"


def read(path: Path, data: bytes, options: GutenbergOptions = OPTIONS) -> list[Document | Reject]:
    """Frame and parse one file; check that the count and the outcomes agree."""
    path.write_bytes(data)
    tally = Tally()
    out: list[Document | Reject] = []
    for frame in SOURCE.frames(Split((RawFile(str(path), path.name, len(data)),)), options, tally):
        out += SOURCE.parse(frame, options) if isinstance(frame, Raw) else [frame]
    assert sum(one.records for one in out) == tally.records
    assert all(one.rel == path.name for one in out)
    return out


def book(tmp_path: Path, text: str | bytes, name: str = "a/1.txt".replace("/", "_")) -> Document:
    """Return the one document of a file."""
    (got,) = read(tmp_path / name, text.encode() if isinstance(text, str) else text)
    assert isinstance(got, Document), got
    return got


NEW = f"""The Project Gutenberg eBook of A Quiet Morning

This eBook is for the use of anyone anywhere.

Title: A Quiet Morning
       and Other Days

Author: Ada Writer

Release Date: May 1, 2009 [EBook #4242]

Language: English

Character set encoding: UTF-8

*** START OF THE PROJECT GUTENBERG EBOOK A QUIET MORNING ***



Produced by Ann Other and the Online Distributed
Proofreading Team

[Transcriber's note: Spelling was kept.]



{BODY}


End of the Project Gutenberg EBook of A Quiet Morning, by Ada Writer

*** END OF THE PROJECT GUTENBERG EBOOK A QUIET MORNING ***

Updated editions will replace the previous one.
"""


def test_a_modern_file(tmp_path: Path) -> None:
    got = book(tmp_path, NEW.replace("\n", "\r\n"), "4242-0.txt")
    assert got.text == BODY.strip()
    assert (got.title, got.key, got.record) == ("A Quiet Morning and Other Days", "4242-0.txt", 0)
    assert got.url == "https://www.gutenberg.org/ebooks/4242" and got.licence is None
    assert got.meta == {
        "author": "Ada Writer",
        "release_date": "May 1, 2009",
        "language": "English",
        "ebook": "4242",
        "encoding": "utf-8",
        "header": "start_of",
        "footer": "end_of",
    }


LICENCE = "\n*** START: FULL LICENSE ***\n\nTHE FULL PROJECT GUTENBERG LICENSE\nPLEASE READ THIS\n"


@pytest.mark.parametrize(
    ("before", "after", "header", "footer"),
    [
        ("***START OF THE PROJECT GUTENBERG EBOOK X***\n", "***END OF THE PROJECT GUTENBERG EBOOK X***\n", "start_of", "end_of"),
        ("*** START OF THIS PROJECT GUTENBERG EBOOK A LONG\nTITLE, COMPLETE ***\n", LICENCE, "start_of", "licence"),
        ("*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n", "\nEnd of Project Gutenberg Etext of X\n", "small_print", "last_line"),
        ("*END THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*Ver.02/11/02*END*\n", "\nEnd of this Project Gutenberg etext of X, by Y\n", "small_print", "last_line"),
        ("*** START OF THIS PROJECT GUTENBERG EBOOK X ***\nold header\n**Welcome**\n*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*END*\n", "\n*** End of the Project Gutenberg EBook of X ***\n\n*** END OF THIS PROJECT GUTENBERG EBOOK X ***\n", "small_print", "end_of"),
        ("", "\nEnde dieses Projekt Gutenberg Etextes X\n", "none", "last_line"),
        ("", "\nThe End of Project Gutenberg’s X\n", "none", "last_line"),
        ("", "", "none", "none"),
    ],
)  # fmt: skip
def test_frames_of_every_era(tmp_path: Path, before: str, after: str, header: str, footer: str) -> None:
    body = BODY + "\n".join(f"Sentence number {i} stands alone.\n" for i in range(40))
    got = book(tmp_path, before + "\n" + body + after)
    assert got.text == body.strip()
    assert (got.meta["header"], got.meta["footer"]) == (header, footer)


def test_small_print_at_the_end_is_no_opening(tmp_path: Path) -> None:
    text = "*** START OF THIS PROJECT GUTENBERG EBOOK X ***\n" + BODY * 3
    text += "*** END OF THIS PROJECT GUTENBERG EBOOK X ***\n*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*END*\nx\n"
    assert book(tmp_path, text).text.count("CHAPTER I") == 3


def test_old_titles_are_read(tmp_path: Path) -> None:
    got = book(
        tmp_path,
        "**The Project Gutenberg Etext of Quiet Days, by Ada Writer**\n\n*END*THE SMALL PRINT!*END*\n" + BODY,
    )
    assert (got.title, got.meta["author"]) == ("Quiet Days", "Ada Writer")


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("Müller – “ja”".encode("utf-8-sig"), "utf-8"),
        ("Müller – “ja”".encode("utf-16"), "utf-16-le"),
        ("Müller – “ja”".encode("cp1252"), "windows-1252"),
        ("Character set encoding: ISO-8859-1\n\nMüller – “ja”".encode("cp1252"), "windows-1252"),
        (
            "Character set encoding: ISO-8859-2\n\nŽluťoučký kůň – ja".replace("–", "-").encode("iso8859-2"),
            "iso8859-2",
        ),
        ("Character set encoding: ASCII\n\nMüller – “ja”".encode(), "utf-8"),
        ("Character set encoding: Big5\n\n紅樓夢".encode("big5"), "big5hkscs"),
    ],
)
def test_encodings(tmp_path: Path, data: bytes, encoding: str) -> None:
    got = book(tmp_path, data)
    assert got.meta["encoding"] == encoding
    assert any(word in got.text for word in ("Müller – “ja”", "Žluťoučký kůň - ja", "紅樓夢"))


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("1-h.htm", BODY.encode(), "markup"),
        ("1.txt", b"<!DOCTYPE html>\n<html><p>x", "markup"),
        ("1.rdf", b'<?xml version="1.0"?><rdf/>', "markup"),
        ("1.txt", b"PK\x03\x04\x14\x00\x00\x00" + os.urandom(200), "binary"),
        ("1.txt", b" \r\n\r\n\x1a", "no_text"),
        (
            "1.txt",
            b"*** This is a COPYRIGHTED Project Gutenberg eBook ***\n\n" + BODY.encode(),
            "copyrighted",
        ),
    ],
)
def test_what_is_not_wanted_says_why(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    (got,) = read(tmp_path / name, data)
    assert isinstance(got, Reject)
    assert (got.reason, got.kind, got.records, got.key) == (reason, "policy", 1, name)


def test_copyrighted_books_can_be_asked_for(tmp_path: Path) -> None:
    (got,) = read(
        tmp_path / "1.txt", b"a COPYRIGHTED Project Gutenberg eBook\n", GutenbergOptions(copyrighted=True)
    )
    assert isinstance(got, Document)


def test_empty_damaged_and_huge_files(tmp_path: Path) -> None:
    for data in (b"", gzip.compress(b"")):
        (got,) = read(tmp_path / "1.txt", data)
        assert isinstance(got, Reject) and (got.reason, got.kind, got.records) == ("empty_file", "error", 0)
    packed = gzip.compress(os.urandom(2000).hex().encode())
    for size in range(1, len(packed), 37):
        outcomes = read(tmp_path / "1.txt.gz", packed[:size])
        assert outcomes and all(isinstance(one, Reject) or size < 11 for one in outcomes)
    (got,) = read(tmp_path / "1.txt", b"word " * 1000, GutenbergOptions(max_file_bytes=1024))
    assert isinstance(got, Reject) and (got.reason, got.records) == ("record_too_large", 1)


def test_options_keep_lines_and_notes(tmp_path: Path) -> None:
    line = "This line goes on until the margin of the page where it has to be\n"
    text = NEW.replace(BODY, line * 3)
    (got,) = read(tmp_path / "1.txt", text.encode(), GutenbergOptions(unwrap=False, transcriber_notes=True))
    assert isinstance(got, Document) and line * 2 in got.text
    assert "Produced by" in got.text and "Transcriber's note" in got.text


def test_golden_pair(tmp_path: Path) -> None:
    got = book(tmp_path, (GOLDEN / "harbour.txt").read_bytes(), "harbour.txt")
    expected = json.loads((GOLDEN / "expected.json").read_text())
    assert {"title": got.title, "url": got.url, "meta": got.meta, "text": got.text} == expected


def test_three_editions_of_the_sample_agree() -> None:
    root = os.environ.get("PILE_CURATE_SAMPLES")
    if not root:
        pytest.skip("PILE_CURATE_SAMPLES is not set")
    texts = {}
    for path in sorted((Path(root) / "gutenberg").glob("*.txt")):
        tally = Tally()
        (frame,) = SOURCE.frames(Split((RawFile(str(path), path.name, path.stat().st_size),)), OPTIONS, tally)
        assert isinstance(frame, Raw)
        (got,) = SOURCE.parse(frame, OPTIONS)
        assert isinstance(got, Document) and got.title == "Moby Dick; or The Whale"
        texts[path.name] = got.text
    assert len(texts) == 3
    for text in texts.values():
        assert text.upper().startswith("MOBY") and text.endswith("only found another orphan.")
        assert "Gutenberg" not in text and "etext" not in text.lower()
        assert text.count("\n") < 9000
