"""Test that hard-wrapped prose is joined and that verse, tables and letterheads are not."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pile_curate.extract.gutenberg import book_text, fill_width, find_book, paragraphs, unwrap

PROSE = (
    "It was a quiet morning in the harbour, and nobody who had slept there spoke of the weather, of the "
    "bridge or of the boatman, who had counted his passengers aloud for as long as anybody could remember."
)


@pytest.mark.parametrize("width", [55, 65, 72, 80])
@pytest.mark.parametrize("indent", ["", "  "])
def test_filled_prose_is_joined(width: int, indent: str) -> None:
    lines = textwrap.wrap(PROSE, width, initial_indent=indent)
    assert unwrap(lines, width) == PROSE


@pytest.mark.parametrize(
    "block",
    [
        "The tide goes out, the tide comes in,\n  The ferry waits below;\nAnd those who never saw the sea",
        "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand or eye,\nCould frame thy fearful symmetry?",
        "Of Mans First Disobedience, and the Fruit\nOf that Forbidden Tree, whose mortal tast\nBrought Death into the World, and all our woe,\nWith loss of EDEN, till one greater Man",
        "one way             two pence\nthere and back      three pence\nwith a ladder       four pence",
        "THE FERRY\nA PLAY\nIN THREE ACTS",
        "     KETOS,               GREEK.\n     CETUS,               LATIN.",
    ],
)
def test_verse_and_tables_keep_their_lines(block: str) -> None:
    assert unwrap(block.split("\n"), 72) == block


def test_dashes_and_compounds_join_without_a_space() -> None:
    lines = [
        "He does; and since the winter, when the bridge was closed for weeks--",
        "and longer, for the iron-",
        "work",
    ]
    assert unwrap(lines[:2], 72).endswith("weeks--and longer, for the iron-")
    wide = ["They looked for the old man at the customs house and the weather-", "beaten boat he kept."]
    assert (
        unwrap(wide, 66)
        == "They looked for the old man at the customs house and the weather-beaten boat he kept."
    )


def test_a_speaker_keeps_the_line() -> None:
    lines = ["DUTCH SAILOR.", *textwrap.wrap(PROSE, 70)]
    assert unwrap(lines, 70) == "DUTCH SAILOR.\n" + PROSE


def test_notes_and_credits_go_but_the_book_stays() -> None:
    text = (
        "Produced by A. B.\n\n[Transcriber's note: x\ny]\n\n\n\nI.\n\nTranscriber's Notes:\n\n\none\n\ntwo\n\n\n\nII.\n\n"
        + "x\n\n" * 9
        + "Produced by hand."
    )
    assert book_text(text) == "I.\n\n\nII.\n\n" + "x\n\n" * 9 + "Produced by hand."
    assert "Transcriber" in book_text(text, notes=True)


def test_page_marks_and_repeated_notices_go() -> None:
    text = (
        "one [Pg 12]two\n\n[Illustration]\n\n<<THIS ELECTRONIC VERSION OF THE WORKS\nIS COPYRIGHT>>\n\nthree"
    )
    assert book_text(text) == "one two\n\n\nthree"


def test_a_mention_of_the_end_in_the_book_is_no_footer() -> None:
    book = "The end of Project Gutenberg was near.\n" + "A line of the book follows.\n" * 3000
    assert find_book(book).text == book


def test_width_of_short_files_is_a_guess() -> None:
    assert fill_width(paragraphs("a\n\nb")) == 72


WORDS = st.lists(st.text("abcdefghij", min_size=1, max_size=12), min_size=1, max_size=120)


@given(WORDS, st.integers(50, 90))
def test_unwrapping_loses_no_word(words: list[str], width: int) -> None:
    text = " ".join(words)
    got = book_text(textwrap.fill(text, width))
    assert got.split() == words
    assert book_text(got, unwrapped=False).split() == words
