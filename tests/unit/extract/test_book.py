"""Chapters of books: structure, notes, what is left out, and input that tries to stall the reader."""

import time

import pytest

from pile_curate.extract.book import BookOptions, chapter_text
from pile_curate.extract.book_matter import MATTER, matter


def text(markup, **options):
    return chapter_text(markup, BookOptions(**options)).text


def test_headings_paragraphs_and_breaks():
    assert text(
        "<html><head><title>T</title></head><body><h2>Two</h2>\n<p>a\n b</p><hr/><hr/><div>c</div><hr/></body>"
    ) == ("Two\n\na b\n\n* * *\n\nc")


def test_verse_keeps_lines_and_stanzas():
    poem = '<div class="poem"><div class="stanza"><p>one</p><p>two</p></div><div class="stanza"><p>three</p></div></div>'
    assert text(poem) == "one\ntwo\n\nthree"
    assert text("<p>one<br/>two</p>") == "one\ntwo"
    assert text('<p class="verse">a<br/>b</p><p class="verse">c<br/>d</p>') == "a\nb\n\nc\nd"


def test_ruby_readings_go_and_the_base_stays():
    assert (
        text("<p><ruby><rb>漢</rb><rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</rt></ruby>を\n  読む</p>")
        == "漢字を読む"
    )


def test_arabic_and_soft_hyphens_and_entities():
    assert text("<p>كتا\u200cب &mdash; Wör\u00adter&nbsp;&lt;a&gt;</p>") == "كتا\u200cب — Wörter\xa0<a>"


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ('<p><span class="dropcap">T</span> he</p>', "The"),
        ('<p><span class="dropcap">A</span> man</p>', "A man"),
        ('<p><img class="dropcap" alt="O" src="o.png"/>nce</p>', "Once"),
        ('<p><span class="first-letter">“W</span>\nhy</p>', "“Why"),
    ],
)
def test_initials(markup, expected):
    assert text(markup) == expected


def test_notes_stand_at_the_end_after_their_marks():
    page = (
        '<p>Old<a epub:type="noteref" href="#f1">1</a> and new<sup><a href="#f2">*</a></sup>.</p>'
        '<aside epub:type="footnote" id="f1"><p>Very <a epub:type="backlink" href="#r">back</a></p></aside>'
        '<li id="f2" role="doc-endnote"><p>* Rather. <a href="#r2">↩</a></p></li>'
        "<p>End.</p>"
    )
    assert text(page) == "Old[1] and new[*].\n\nEnd.\n\n[1] Very\n\n[*] Rather."
    assert text(page, footnotes=False) == "Old and new.\n\nEnd."


def test_a_year_is_no_mark_of_a_note():
    page = '<p>x<a epub:type="noteref" href="#n">a</a></p><aside epub:type="footnote" id="n">1912 was dry.</aside>'
    assert text(page) == "x[a]\n\n[a] 1912 was dry."


def test_page_numbers_and_hidden_parts_go():
    page = '<p>a<span class="pagenum">[Pg 12]</span>b<span epub:type="pagebreak">13</span></p><p hidden="hidden">x</p>'
    assert text(page + '<p style="display: none">y</p><nav><a href="a">z</a></nav><script>s</script>') == "ab"


def test_lists_tables_code():
    assert text("<ol start='3'><li>a<ul><li>b</ul><li><p>c</p><p>d</p></ol>") == "3. a\n  - b\n4. c\n  d"
    assert text("<table><tr><th>a</th><td><p>b</p></td></tr><tr><td>c</td></tr></table>") == "a | b\nc"
    assert text("<pre><code>x = 1\n  y</code></pre>") == "```\nx = 1\n  y\n```"
    assert text("<pre>a poem\n   of old</pre>") == "a poem\n   of old"


def test_raised_and_lowered():
    assert text("<p>x<sup>2</sup>, H<sub>2</sub>O, 4<sup>th</sup></p>") == "x², H₂O, 4th"


def test_parts_are_dropped_by_type_but_not_what_is_text_in_them():
    page = '<section epub:type="titlepage"><h1>T</h1><p epub:type="dedication">For B.</p></section><p>x</p>'
    assert text(page, drop=MATTER) == "For B.\n\nx"
    assert text(page) == "T\n\nFor B.\n\nx"


def test_alt_texts_are_an_option():
    assert text('<p>a<img alt="a map"/></p>', alt_texts=True) == "a a map"
    assert text('<p>a<img alt="a map"/></p>') == "a"


def test_matter_by_looks():
    contents = chapter_text("".join(f'<p><a href="{n}">Chapter {n}</a></p>' for n in range(9)))
    assert matter(contents, 1, 20, "B", []) == "contents"
    imprint = chapter_text("<p>Copyright © 2001 A. All rights reserved. ISBN 1. Printed in Wales.</p>")
    assert matter(imprint, 1, 20, "B", []) == "imprint" and matter(imprint, 9, 20, "B", []) == ""
    assert (
        matter(chapter_text("<h1>The Book</h1><p>Ann Author</p>"), 0, 9, "The Book", ["Ann Author"])
        == "titlepage"
    )
    story = chapter_text(
        "<p>The book lay open. " + "It rained on it all night, and nobody came. " * 9 + "</p>"
    )
    assert matter(story, 0, 9, "The Book", []) == ""


@pytest.mark.parametrize(
    "markup",
    ["<div>" * 100_000, "<" * 50_000, "<" + "a" * 50_000, "<a '" * 30_000, "<!--" * 30_000, "<sup>1<sup>" * 20_000 + "</sup>" * 20_000,
     "<li>1<ul>" * 20_000, "<a href='#x'><sup>" * 20_000 + "1", "<pre>x" * 20_000, "<![CDATA[" * 20_000],
)  # fmt: skip
def test_hostile_chapters_cost_linear_time(markup):
    began = time.process_time()
    found = chapter_text(markup)
    assert time.process_time() - began < 1.5
    assert len(found.text) < 3 * len(markup) + 100
