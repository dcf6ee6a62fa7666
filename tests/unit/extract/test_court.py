"""Court opinions: what the page put into the text goes, what the court wrote stays."""

from __future__ import annotations

import time

import pytest

from pile_curate.extract.court import court_markup, court_text

HEAD = "                 Cite as: 31 Harb. ____ (2025)            {}\n\n                  Opinion of the Court\n\n"
LEFT = "{}                FERRYMAN v. HARBOUR BOARD\n\n                  Opinion of the Court\n\n"


def test_pages_become_paragraphs() -> None:
    text = (
        HEAD.format(1).splitlines()[0]
        + "\n\n   FERRYMAN v. HARBOUR BOARD\n                 _________________\n\n"
        "  The ferryman asks us to say that the Harbour Board was\n"
        "wrong to close the north quay in winter, and the Board an-\n"
        "swers that nobody had asked it to keep the quay open. We\n"
        "take the facts from the log-book that the keeper wrote, as\n"
        "\f" + LEFT.format(2) + "he wrote it in his well-kept hand, and from nothing else.\n"
        "   The log-\nbook answers both of them. See Keel v. Hull, 9 Harb. 1,\n3 (1901); cf. Oar v. Oar, 2 Harb. 7.\n\f"
        + HEAD.format(3)
        + "   Affirmed.\n\f"
    )
    assert court_text(text) == (
        "FERRYMAN v. HARBOUR BOARD\n\n"
        "The ferryman asks us to say that the Harbour Board was wrong to close the north quay in winter, and the "
        "Board answers that nobody had asked it to keep the quay open. We take the facts from the log-book that the "
        "keeper wrote, as he wrote it in his well-kept hand, and from nothing else.\n\n"
        "The log-book answers both of them. See Keel v. Hull, 9 Harb. 1, 3 (1901); cf. Oar v. Oar, 2 Harb. 7.\n\n"
        "Affirmed."
    )


def test_double_spacing_is_no_paragraph() -> None:
    text = (
        "             TERN, Circuit Judge.       The keeper pled that he had\n\n"
        "not lit the lamp, and the district court,    finding   this plea\n\n"
        "sufficient, dismissed what was left of the complaint on the next\n\n"
        "morning. We affirm.\n\n"
        "             I. Background\n\n"
        "             The lamp stands on the north quay, where it can be seen\n\n"
        "from the sea by everyone who cares to look for it after sunset.\n\n"
    )
    assert court_text(text).split("\n\n") == [
        "TERN, Circuit Judge. The keeper pled that he had not lit the lamp, and the district court, finding this plea "
        "sufficient, dismissed what was left of the complaint on the next morning. We affirm.",
        "I. Background",
        "The lamp stands on the north quay, where it can be seen from the sea by everyone who cares to look for it "
        "after sunset.",
    ]


def test_paragraphs_of_one_line_stay_apart() -> None:
    lines = [
        f"Paragraph {word} says all of it on one single line of the page."
        for word in "one two three four".split()
    ]
    assert court_text("\n\n".join(lines)) == "\n\n".join(lines)


def test_the_numbers_of_pleading_paper_go() -> None:
    words = [
        "PLAINTIFF asks the court to order the harbour board to",
        "repair the stairs on the north quay, which have been in",
        "ruins since the storm of 3 March, and to pay the cost of",
        "these proceedings.",
        "     The board answers that 12 stairs were never built,",
        "and that it cannot repair what is not there, however",
        "often the plaintiff may ask for it, and that the other",
        "9 stairs are sound and were seen to be sound in June by",
        "the surveyor.",
    ]
    numbered = "".join(f" {i:2}   {line}\n" for i, line in enumerate(words, 1))
    expected = (
        "PLAINTIFF asks the court to order the harbour board to repair the stairs on the north quay, which have been "
        "in ruins since the storm of 3 March, and to pay the cost of these proceedings.\n\n"
        "The board answers that 12 stairs were never built, and that it cannot repair what is not there, however often "
        "the plaintiff may ask for it, and that the other 9 stairs are sound and were seen to be sound in June by the "
        "surveyor."
    )
    assert court_text(numbered) == expected
    short = "\f 1        It is so ordered, with costs to the board, which\n 2   pays the surveyor.\n"
    ordered = "It is so ordered, with costs to the board, which pays the surveyor."
    assert court_text(numbered + short) == f"{expected}\n\n{ordered}"
    apart = "".join(f"{i}\n" for i in range(1, 29)) + "\n" + "\n".join(words) + "\n"
    assert court_text(apart) == expected
    across = " ".join(map(str, range(1, 29))) + "\n" + "\n".join(words)
    assert court_text(across) == expected


def test_page_numbers_without_form_feeds_go() -> None:
    body = "\n".join(
        f"A line of words that is as long as lines in this opinion get, {i:02} of them." for i in range(9)
    )
    text = f"{body}\n- 1 -\n{body}\n- 2 -\n{body}\n- 3 -\n"
    assert "- 2 -" not in court_text(text) and court_text(text).count("of them") == 27


def test_stamps_of_the_docket_go_and_captions_stay_once() -> None:
    stamp = "USHB11 Case: 17-{0}    Document: 4    Page: {0} of 3\n\n"
    words = ["The gull came first.", "Then came the tern.", "Both of them left."]
    pages = [f"{stamp.format(i)}GULL v. TERN\n\n{line}" for i, line in enumerate(words, 1)]
    assert court_text("\f".join(pages)) == "\n\n".join(["GULL v. TERN", *words])


def test_caption_boxes_lose_their_brackets() -> None:
    text = (
        "JOHN GULL,            )\n     Plaintiff,       )\n                      )\nv.                    )\n"
    )
    assert ")" not in court_text(text) and court_text(text).startswith("JOHN GULL,")


def test_markup_keeps_citations_and_loses_page_turns() -> None:
    markup = (
        '<p>North\n <span citation-index="1" class="star-pagination" label="496"> \n  *496\n  </span> quay, '
        '<span class="citation" data-id="1"><a href="/opinion/1/">9 Harb. 1</a></span>'
        '<a class="page-number" id="p7">*7</a>.</p><blockquote>"Quoted."</blockquote>'
    )
    assert court_markup(markup) == 'North quay, 9 Harb. 1.\n\n> "Quoted."'


def test_harvard_markup() -> None:
    markup = (
        '<?xml version="1.0" encoding="utf-8"?>\n<opinion type="majority"><author id="b1">TERN, J.</author>'
        '<p id="b2">A <em>lamp</em> &amp; a bell<footnotemark>3</footnotemark> re<page-number label="2">*2</page-number>main, '
        '<extracted-citation url="x">9 Harb. 1</extracted-citation>.</p>'
        '<footnote label="3"><p id="b3">Of brass.</p></footnote></opinion>'
    )
    assert court_markup(markup) == "TERN, J.\n\nA lamp & a bell[3] remain, 9 Harb. 1.\n\n[3] Of brass."


def test_preformatted_markup_is_text_from_a_pdf() -> None:
    markup = (
        '<pre class="inline">   The quay was closed, see\nKeel v. Hull, </pre><span class="citation no-link">9 Harb. 1'
        '</span><pre class="inline"> (1901),\nby the board &amp; its friends.\n</pre>'
    )
    assert (
        court_markup(markup)
        == "The quay was closed, see Keel v. Hull, 9 Harb. 1 (1901), by the board & its friends."
    )


@pytest.mark.parametrize(
    "text",
    [
        "<span " + 'class="star-pagination" ' * 40_000,
        "<footnote label=" * 60_000,
        "<pre>" * 100_000,
        "<p>" * 100_000 + "x",
        "<a" + " " * 500_000,
        "&#x26;amp;" * 50_000,
    ],
)
def test_markup_that_would_stall_a_parser(text: str) -> None:
    began = time.process_time()
    court_markup(text)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "text",
    [
        "- " * 200_000,
        "1 " * 200_000,
        " \n" * 200_000,
        "a-\n" * 60_000,
        "\f" * 50_000,
        "x" + " " * 400_000 + "y)",
        "1" + " " * 400_000 + "x",
        ") " * 200_000,
        "x" * 500_000,
    ],
)
def test_text_that_would_stall_a_parser(text: str) -> None:
    began = time.process_time()
    court_text(text)
    assert time.process_time() - began < 2


def test_nothing_is_made_of_nothing() -> None:
    assert court_text("") == court_text("\f\f\n") == court_markup("") == ""


BODY = "  The keeper says that the lamp was lit when he left the quay, and the\nBoard says that it was not. Nobody else{} was there to see it on that\nnight, and the log-book of the quay{} has no entry for that day at all\n"


def test_footnotes_leave_the_sentences_that_pages_cut() -> None:
    text = (
        BODY.format(".1 He", "")
        + "because, as he has told us more than once in these two years, the\n\n  1\n    The keeper is deaf, as the record shows in more than\none place. See Oar, 2 Harb. 7.\n\n"
        + "\f"
        + "clerk was ill.2 We believe the keeper,3 and so did the jury, which\nheard him for two days and saw the lamp with\ntheir own eyes.\n"
        + "______________\n  2 He had a cold.\n  3 The jury was told of all of it at length, and also of the\n\f"
        + "   We add a word on costs, which each side shall bear, since none of them\nhas asked for any, nor has objected to it before the end of the week.\n"
        + "______________\ncosts on the next day.\n\f   Affirmed.\n"
    )
    assert court_text(text).split("\n\n") == [
        "The keeper says that the lamp was lit when he left the quay, and the Board says that it was not. Nobody "
        "else.[1] He was there to see it on that night, and the log-book of the quay has no entry for that day at all "
        "because, as he has told us more than once in these two years, the clerk was ill.[2] We believe the keeper,[3] and so did the jury, which heard him for two days and "
        "saw the lamp with their own eyes.",
        "We add a word on costs, which each side shall bear, since none of them has asked for any, nor has "
        "objected to it before the end of the week.",
        "Affirmed.",
        "[1] The keeper is deaf, as the record shows in more than one place. See Oar, 2 Harb. 7.",
        "[2] He had a cold.",
        "[3] The jury was told of all of it at length, and also of the costs on the next day.",
    ]


def test_numbered_points_at_a_pages_foot_are_no_notes() -> None:
    text = BODY.format("", "") + "We hold:\n\n  1. The lamp was lit.\n\n\f  2. The Board was wrong.\n"
    assert "We hold:\n\n1. The lamp was lit.\n\n2. The Board was wrong." in court_text(text)


@pytest.mark.parametrize(
    "text", ["a1\n" + "\n\n1 x" * 40_000 + "\fa", "a.1 b.2\n_______\n1 b\n2 c\n\f" * 10_000]
)
def test_many_numbers_cost_linear_time(text: str) -> None:
    begun = time.process_time()
    court_text(text)
    assert time.process_time() - begun < 2
