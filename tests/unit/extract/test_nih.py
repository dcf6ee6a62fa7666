"""The abstracts of grant applications: headings of the form, relevance, placeholders, and lines of a page."""

from __future__ import annotations

import time

import pytest

from pile_curate.extract.nih import clean_abstract, is_placeholder, unwrapped


@pytest.mark.parametrize(
    "heading",
    [
        "DESCRIPTION (provided by applicant): ", "Description (provided by applicant)\n", "DESCRIPTION (Verbatim from the Applicant's Abstract): ",
        "DESCRIPTION (Adapted from applicant's abstract (1998)): ", "PROJECT SUMMARY/ABSTRACT\n", "Project Summary/Abstract: ", "PROJECT SUMMARY ",
        "PROJECT SUMMARY (See instructions): ", "ABSTRACT\n", "Abstract: ", "Summary. ", "DESCRIPTION (provided by applicant): PROJECT SUMMARY: ",
        "?   DESCRIPTION (provided by applicant): ", "MODIFIED PROJECT SUMMARY/ABSTRACT SECTION ", "Abstract: DESCRIPTION (provided by applicant): ",
        "PROJECT SUMMARY/ ABSTRACT DESCRIPTION: See instructions. State the application's broad, long-term objectives and aims. Achieve these goals. ",
        "Project Summary/Abstract\nAbstract\n", "OVERALL: PROJECT SUMMARY\n", "Project Abstract - ", "[unreadable] DESCRIPTION (provided by applicant): [unreadable]\n\n", "",
    ],
)  # fmt: skip
def test_headings_go(heading: str) -> None:
    assert clean_abstract(f"{heading}We study gulls.") == "We study gulls."
    assert clean_abstract(f"{heading}We study gulls. (End of Abstract)") == "We study gulls."


@pytest.mark.parametrize(
    "text",
    [
        "Overall, gulls fly.", "Abstract reasoning in gulls is rare.", "Description of gulls is the aim.", "Summary statistics of gulls are needed.",
        "Projects fail.", "Abstracts of gulls: a survey.", "The abstract: gulls.",
    ],
)  # fmt: skip
def test_sentences_that_begin_like_headings_stay(text: str) -> None:
    assert clean_abstract(text) == text


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("PUBLIC HEALTH RELEVANCE: ", "Public health relevance: "), ("Public Health Relevance Statement:\n", "Public health relevance: "),
        ("RELEVANCE (See instructions): ", "Relevance: "), ("PROJECT NARRATIVE\n", "Project narrative: "), ("Project Narrative: ", "Project narrative: "),
        ("PUBLIC HEALTH RELEVANCE: PUBLIC HEALTH RELEVANCE: ", "Public health relevance: "),
    ],
)  # fmt: skip
def test_relevance_is_a_paragraph(label: str, told: str) -> None:
    text = f"We study gulls.  {label}Gulls matter."
    assert clean_abstract(text) == f"We study gulls.\n\n{told}Gulls matter."
    assert clean_abstract(text, relevance=False) == "We study gulls."


def test_words_in_a_sentence_are_no_label() -> None:
    text = "The public health relevance of gulls: none. A project narrative: told."
    assert clean_abstract(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "No abstract available.",
        "N/A",
        "Abstract not provided",
        "none",
        "This abstract is not available",
        "-",
        "Not Available",
        "",
    ],
)
def test_placeholders(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize("text", ["None of the gulls flew.", "Not all gulls are available.", "No gulls."])
def test_no_placeholders(text: str) -> None:
    assert not is_placeholder(text)


def test_lines() -> None:
    page = "The first line of the paragraph runs to the edge\nof the page. A sentence that ends at the very edge.\nNew one.\n- an item\n(2) an item\nAim 2: go.\n\n\n\nLast"
    assert unwrapped(page) == (
        "The first line of the paragraph runs to the edge of the page. A sentence that ends at the very edge.\nNew one.\n"
        "- an item\n(2) an item\nAim 2: go.\n\nLast"
    )


def test_rubbish_is_read_in_linear_time() -> None:
    begin = time.process_time()
    for piece in (
        "DESCRIPTION (",
        "PROJECT SUMMARY ",
        "RELEVANCE ",
        "Public Health Relevance\n",
        "[unreadable",
        "\n",
        " ",
        "a",
        "no ",
        "(a",
    ):
        clean_abstract(piece * 50_000)
        is_placeholder(piece * 50_000)
    assert time.process_time() - begin < 2


def test_the_forms_own_lines_go() -> None:
    centre = (
        "This subproject is one of many research subprojects utilizing the resources provided by a Center grant "
        "funded by NIH/NCRR. The subproject and investigator (PI) may have received primary funding from elsewhere. "
        "The institution listed is for the Center. ABSTRACT: Tides move silt. The institution is small."
    )
    assert clean_abstract(centre) == "Tides move silt. The institution is small."
    form = (
        "Program Director/Principal Investigator (Last, First, Middle): Gull, Ann\nPROJECT SUMMARY\nTides move silt.\n"
        "PHS 398/2590 (Rev. 06/09) Page 2 Continuation Format Page\nThe program director/principal investigator rows."
    )
    assert clean_abstract(form) == "Tides move silt.\nThe program director/principal investigator rows."
