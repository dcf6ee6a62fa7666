"""Test the markup of the Europarl corpus in its releases' ways of writing it."""

from __future__ import annotations

import time

import pytest

from pile_curate.extract.europarl import attributes, is_note, read_sitting, sitting_text, speaker_of


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        (' ID="3" NAME="President"', {"id": "3", "name": "President"}),
        (" ID=3 NAME=President /", {"id": "3", "name": "President"}),
        (' ID="3" LANGUAGE="" NAME="A "the" B"', {"id": "3", "language": "", "name": 'A "the" B'}),
        ("", {}),
        (' NAME="cut', {}),
    ],
)
def test_attributes(markup: str, found: dict[str, str]) -> None:
    assert attributes(markup) == found


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("Andrews (UEN).", ("Andrews", "UEN")),
        ("Der Präsident.", ("Der Präsident", "")),
        ("Cox, Pat", ("Cox, Pat", "")),
        ("Jan &amp; Co", ("Jan & Co", "")),
    ],
)
def test_speakers(name: str, who: tuple[str, str]) -> None:
    assert speaker_of({"name": name}) == who


@pytest.mark.parametrize(
    ("paragraph", "note"),
    [
        ("(Applause)", True),
        ("(The sitting was closed at 8.25 p.m.)", True),
        ("(Applause) (Laughter).", True),
        ("(Parliament adopted the text (A5))", True),
        ("(a) this and (b)", False),
        ("I agree (applause)", False),
        ("(unclosed", False),
    ],
)
def test_notes(paragraph: str, note: bool) -> None:
    assert is_note(paragraph) is note


TEXT = (
    '<CHAPTER ID=1>\nA title\n<SPEAKER ID=1 NAME="Sea">\n(Applause)\nFirst\nline.\n\nNext one.\n<P>\nLast.\n'
)


def test_options() -> None:
    assert read_sitting(TEXT).text == "A title\n\n(Applause)\n\nSea: First line.\n\nNext one.\n\nLast."
    quiet = read_sitting(TEXT, speakers=False, notes=False)
    assert quiet.text == "A title\n\nFirst line.\n\nNext one.\n\nLast."
    assert (quiet.notes, quiet.paragraphs, quiet.speeches, quiet.speakers) == (1, 3, 1, ["Sea"])


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("(DE) Mr President", "Mr President"),
        ("- (FR) Mr President", "Mr President"),
        ("on behalf of the group. - (NL) Thank you", "on behalf of the group. - Thank you"),
        ("in writing. (EN) I", "in writing. (EN) I"),
        ("the code (IT) stays", "the code (IT) stays"),
        ("&amp;quot;Yes&amp;quot; &lt;FONT&gt; <I>so</I> R&D; A&B", '"Yes" <FONT> so R&D; A&B'),
    ],
)
def test_marks_of_language_and_entities_go(said: str, read: str) -> None:
    assert read_sitting(f"<P>\n{said}\n").text == read


def test_encodings() -> None:
    assert sitting_text("Größe".encode("latin-1"), "de") == ("Größe", "cp1252")
    assert sitting_text("Έναρξη".encode("iso8859-7"), "el") == ("Έναρξη", "iso8859-7")
    assert sitting_text("Žluťoučký".encode("cp1250"), "cs") == ("Žluťoučký", "cp1250")
    assert sitting_text(("Größe " * 50).encode() + b"\xff", "de")[1] == "utf-8"


@pytest.mark.parametrize(
    "unit",
    [
        "<SPEAKER ",
        "<P>",
        '<SPEAKER NAME="',
        '<SPEAKER A="B" C="',
        "(",
        "()",
        "(DE) ",
        "&",
        "<",
        "\n",
        "a. - ",
        '="',
    ],
)
def test_hostile_files_cost_linear_time(unit: str) -> None:
    begun = time.process_time()
    read_sitting(unit * (100_000 // len(unit)))
    read_sitting("<SPEAKER " + unit * 40 + ">\n" + unit * 1000)
    assert time.process_time() - begun < 1.0
