"""Test PDF layout and paragraphs: columns, furniture, footnotes, hyphens, raised marks, turned text, facts."""

from __future__ import annotations

import time

import pytest

from pile_curate.demo.pdf_writer import Placed, column, pdf, width
from pile_curate.extract.pdf_facts import facts_of, licence_of, useful_title
from pile_curate.extract.pdf_layout import document_lines
from pile_curate.extract.pdf_text import PdfStyle, PdfText, pdf_text
from pile_curate.extract.pdf_words import PdfPage, Word, read_pdf
from tests.pdf_files import XMP, article, many_pages

RIVER = [
    f"The {n} river runs through the town and under the {n} bridge, where nobody has stood since the floods, and on "
    "to the sea, which is neither far nor near, but simply there when the wind is from the west and the gulls are loud."
    for n in ("first", "second", "third", "fourth")
]


DEFAULT = PdfStyle()


def read(*pages: list[Placed], style: PdfStyle = DEFAULT, **info: str) -> PdfText:
    return pdf_text(read_pdf(pdf(pages, info), 100), style)


def blocks(*pages: list[Placed], style: PdfStyle = DEFAULT) -> list[str]:
    return read(*pages, style=style).text.split("\n\n")


def test_one_column():
    assert blocks(column(RIVER, 72, 700, 468)) == RIVER


def test_block_style_paragraphs_are_told_by_gaps():
    lines: list[Placed] = []
    y = 700.0
    for text in RIVER:
        lines += column([text], 72, y, 400, indent=0)
        y = lines[-1][1] - 22
    assert blocks(lines) == RIVER


@pytest.mark.parametrize("rows", [False, True])
def test_two_columns_whatever_the_order_of_drawing(rows):
    lines = column(RIVER[:2], 72, 700, 220) + column(RIVER[2:], 320, 700, 220)
    if rows:
        lines.sort(key=lambda line: (-line[1], line[0]))
    assert blocks(lines) == RIVER


def test_three_columns():
    columns = [column([text], x, 700, 150) for x, text in zip((50, 220, 390), RIVER, strict=False)]
    assert blocks([line for lines in columns for line in lines]) == RIVER[:3]


def test_what_goes_across_cuts_the_page_into_bands():
    across = "A heading that is set across the whole of the page and a little more than that"
    lines = column(RIVER[:1], 72, 740, 220, indent=0) + column(RIVER[1:2], 320, 740, 220, indent=0)
    lines.append((72, 560, 13, across))
    lines += column(RIVER[2:3], 72, 530, 220, indent=0) + column(RIVER[3:], 320, 530, 220, indent=0)
    assert blocks(lines) == [RIVER[0], RIVER[1], across, RIVER[2], RIVER[3]]


def test_a_table_is_no_pair_of_columns():
    rows = [
        (x, 700 - 14 * n, 10, f"{name}{n}") for n in range(12) for x, name in ((72, "left"), (330, "right"))
    ]
    assert "left3 right3" in read(rows).text


def test_a_paragraph_goes_on_over_columns_and_pages():
    text = " ".join(RIVER)
    lines = column([text], 72, 700, 220, indent=0)
    first = [*lines[:12], *((x + 248, y + 144, size, t) for x, y, size, t in lines[12:24])]
    rest = [(x, y + 288, size, t) for x, y, size, t in lines[24:]]
    assert blocks(first, rest) == [text]


def test_running_heads_and_page_numbers_go():
    pages = []
    for n, text in enumerate(RIVER):
        pages.append(
            [
                (72, 760, 9, f"RIVERS {n + 7}"),
                *column([text], 72, 700 - 20 * n, 468),
                (300, 40, 9, f"- {n + 7} -"),
            ]
        )
    found = read(*pages)
    assert found.text.split("\n\n") == RIVER and found.furniture == 8


def test_a_head_made_of_the_title_goes_from_two_pages():
    pages = [[(72, 740, 18, "On Rivers"), *column(RIVER[:1], 72, 700, 468)],
             [(72, 760, 9, "Writer: On Rivers"), *column(RIVER[1:2], 72, 700, 468)]]  # fmt: skip
    found = read(*pages, Author="Ada Writer")
    assert found.title == "On Rivers" and found.text.split("\n\n") == ["On Rivers", *RIVER[:2]]


def test_footnotes_wait_for_the_end_of_the_paragraph_or_go():
    text = RIVER[0] + " " + RIVER[1]
    lines = column([text], 72, 700, 300, indent=0)
    note = [(72, 102, 5, "1"), (76, 100, 8, "A note at the foot.")]
    x, y, size, last = lines[4]
    marked = [*lines[:5], (x + width(last, size), y + 4, 6, "1"), *note]
    rest = [(x, y + 100, size, t) for x, y, size, t in lines[5:]]
    before, after = (" ".join(line[3] for line in part) for part in (lines[:5], lines[5:]))
    assert blocks(marked, rest) == [f"{before}[1] {after}", "[1] A note at the foot."]
    assert blocks(marked, rest, style=PdfStyle(footnotes=False)) == [text]


@pytest.mark.parametrize(
    ("left", "right", "joined"),
    [
        ("a divi-", "ded word", "a divided word"),
        ("the well-", "known case of a well-known man", "the well-known case of a well-known man"),
        ("the post-", "Kantian turn", "the post-Kantian turn"),
        ("the NATO-", "led force", "the NATO-led force"),
        ("ten to 20-", "30 of them", "ten to 20- 30 of them"),
        ("a dash —", "here", "a dash —here"),
        ("über-", "äußerst", "überäußerst"),
    ],
)
def test_hyphens(left, right, joined):
    filler = "mmmmmmmm " * 3
    lines = [(72, 700, 10, filler + left), (72, 688, 10, right), (72, 664, 10, filler)]
    assert blocks(lines)[0] == filler + joined


def test_raised_numbers():
    def text(base: str, *, notes: bool = True) -> str:
        lines = [
            (72, 700, 10, base),
            (72 + width(base, 10), 704, 6, "2"),
            (72, 676, 10, "More words of this size."),
        ]
        return blocks(lines, style=PdfStyle(footnotes=notes))[0].split(" More")[0]

    assert text("as they said.") == "as they said.[2]"
    assert text("as they said.", notes=False) == "as they said."
    assert text("a value of 10") == "a value of 10^2"
    assert text("x") == "x2"


def test_turned_text_is_left_out_and_turned_pages_are_read():
    plain = read(column(RIVER, 72, 700, 400)).text
    assert (
        pdf_text(read_pdf(pdf([column(RIVER, 72, 700, 400)], rotated="arXiv:1.1"), 9), PdfStyle()).text
        == plain
    )
    turned = [(792 - y, x, size, text) for x, y, size, text in column(RIVER, 72, 700, 400)]
    data = pdf([turned]).replace(b"1 0 0 1 ", b"0 1 -1 0 ")
    assert pdf_text(read_pdf(data, 9), PdfStyle()).text == plain


def test_spaces_that_are_gaps_only():
    lines = [
        (72, 700, 10, "one"),
        (72 + width("one", 10) + 2.5, 700, 10, "two"),
        (72 + width("onetwo", 10) + 2.6, 700, 10, "three"),
    ]
    assert blocks(lines) == ["one twothree"]


def test_references_can_go():
    lines = column(RIVER, 72, 740, 468)
    lines += [(72, 560, 12, "References")] + column(["Writer, A. Rivers. 1999."], 72, 540, 468, indent=0)
    lines += [(72, 500, 12, "Appendix A")] + column(["The tables stand here."], 72, 480, 468, indent=0)
    assert blocks(lines, style=PdfStyle(references=False)) == [*RIVER, "Appendix A", "The tables stand here."]
    assert "Writer, A. Rivers. 1999." in blocks(lines)


def test_ligatures_and_soft_hyphens():
    page = PdfPage(612, 792, [Word("x", 72, 80, 700, 10)])
    assert document_lines([page])[0][0].words[0].text == "x"
    assert "office" in read([(72, 700, 10, "of\xadfice")]).text.replace("-", "")


def test_the_page_cap():
    found = read_pdf(many_pages(50), 7)
    assert (found.count, len(found.pages)) == (50, 7)


def test_facts():
    info = {
        "Title": "A Title",
        "Author": "Ada Writer and Bob Reader",
        "CreationDate": "D:20040312101500+01'00'",
    }
    assert facts_of(info, b"") == {
        "title": "A Title",
        "authors": ["Ada Writer", "Bob Reader"],
        "date": "2004-03-12",
    }
    assert facts_of({}, XMP)["authors"] == ["Nell Gray", "Odo Brandt"]
    assert facts_of({}, XMP)["title"] == "On Ferries & Fords"
    for title in ("Microsoft Word - a.doc", "untitled", "paper.dvi", "10.1000/abc", " ", "1"):
        assert useful_title(title) == ""
    assert facts_of({"CreationDate": "D:00000000"}, b"<x:xmpmeta") == {}


def test_licences():
    assert licence_of(article(), "") == "CC-BY-4.0"
    assert (
        licence_of(b"", "See http://creativecommons.org/licenses/by-nc-nd/3.0/ for it") == "CC-BY-NC-ND-3.0"
    )
    assert licence_of(b"", "creativecommons.org/publicdomain/zero/1.0/") == "CC0-1.0"
    for text in ("creativecommons.org/licenses/by/9.9/", "creativecommons.org/licenses/by/4.0 and /licenses/by",
                 "creativecommons.org/licenses/by/4.0 creativecommons.org/licenses/by-sa/4.0", "CC BY"):  # fmt: skip
        assert licence_of(b"", text) in (None, "CC-BY-4.0")
    assert (
        licence_of(b"", "creativecommons.org/licenses/by/4.0 creativecommons.org/licenses/by-sa/4.0") is None
    )


@pytest.mark.parametrize("step", [0.0, 0.01, 1.0, 7.0])
def test_crowded_pages_cost_bounded_time(step):
    words = [Word("ab", (n * 37) % 600, (n * 37) % 600 + 8, 700 - n * step, 10) for n in range(6000)]
    start = time.process_time()
    document_lines([PdfPage(612, 792, words)])
    assert time.process_time() - start < 1.5
