"""Test main-content extraction: what is kept, what is trimmed, the fallback, and hostile pages."""

from __future__ import annotations

import time
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pile_curate.extract.html import MAX_DEPTH, HtmlOptions, extract, flatten

PROSE = "The ferry leaves the old harbour at seven and comes back when the fog has lifted from the bay."


def page(body: str, head: str = "<title>T</title>") -> str:
    """Wrap a body."""
    return f"<!doctype html><html lang=en><head>{head}</head><body>{body}</body></html>"


def main(inner: str, options: HtmlOptions | None = None) -> str:
    """Return the text of a page with this main element."""
    got = extract(page(f"<nav><a href=/>Home</a></nav><main>{inner}</main>"), options or HtmlOptions())
    assert got.part == "main"
    return got.text


def test_structure_survives_as_plain_text() -> None:
    text = main(
        f"<h1>Ferries &amp; <i>fog</i></h1><p>{PROSE}<p>One<br>two &lt;three&gt;"
        f"<ul><li>{PROSE}<li>c {PROSE}</ul><ol><li>x<li>y</ol>"
        f"<pre>if a &lt; b:\n    go()</pre><table><tr><td>1<td>2<tr><td>3<td>4</table><p>{PROSE}"
    )
    assert text == (
        f"Ferries & fog\n\n{PROSE}\n\nOne\ntwo <three>\n\n- {PROSE}\n- c {PROSE}\n\n1. x\n2. y\n\n"
        f"if a < b:\n    go()\n1\t\t2\n3\t\t4\n\n{PROSE}"
    )


def test_link_lists_trailing_lines_and_empty_headings_go() -> None:
    text = main(
        f"<h1>Ferry</h1><p>{PROSE}</p><div><a href=1>Read also this</a></div><div><a href=2>And that</a></div>"
        f"<h2>Kept</h2><p>{PROSE}</p><p><a href=3>One link may stand alone</a></p><p>{PROSE}</p>"
        "<h2>Related</h2><div>Teaser</div><h2>Newsletter</h2>"
    )
    assert text == f"Ferry\n\n{PROSE}\n\nKept\n\n{PROSE}\n\nOne link may stand alone\n\n{PROSE}"


def test_trimming_can_be_switched_off() -> None:
    assert "Related" in main(f"<p>{PROSE}</p><h2>Related</h2>", HtmlOptions(trim=False))


def test_sentences_of_any_script_end_a_page() -> None:
    ending = "霧が晴れると、渡し船は古い港に戻ってくる。"
    assert main(f"<p>{PROSE}</p><div>{ending}</div><div>共有する</div>") == f"{PROSE}\n\n{ending}"


def test_an_unclosed_link_does_not_swallow_the_page() -> None:
    for link in ("name=top", "href=x"):
        text = main(f"<p><a {link}>Start<p>{PROSE} {PROSE} {PROSE}<p>{PROSE} {PROSE} {PROSE}")
        assert text.count(PROSE) == 6


def test_comments_and_image_descriptions_are_options() -> None:
    inner = f'<p>{PROSE}</p><img alt="A ferry in fog"><section class=comments><p>First! {PROSE}</p></section>'
    assert "First!" not in main(inner) and "A ferry in fog" not in main(inner)
    assert "First!" in main(inner, HtmlOptions(comments=True))
    assert "A ferry in fog" in main(inner, HtmlOptions(alt_texts=True, trim=False))


def test_cookie_notices_go_but_cookie_recipes_stay() -> None:
    text = main(
        f'<div class="cookie-notice"><p>We use cookies. {PROSE}</p></div><div class=category-cookies><p>{PROSE}</p>'
    )
    assert text == PROSE


def test_title_language_and_licences() -> None:
    head = "<title> A\n ferry </title><link rel='license' href='https://l.example/1'>"
    got = extract(
        page(f"<p>{PROSE}</p><a href=//x>x</a> http://creativecommons.org/licenses/by-sa/4.0/deed", head)
    )
    assert (got.title, got.language) == ("A ferry", "en")
    assert got.licences == ("http://creativecommons.org/licenses/by-sa/4.0", "https://l.example/1")


def test_prose_of_the_body_is_the_fallback() -> None:
    wrapped = f"<div class=modal><ul><li><a href=1>Home</a></ul><h1>Ferry</h1>{f'<p>{PROSE}</p>' * 4}</div>"
    got = extract(page(wrapped))
    assert got.part == "body" and got.text == "Ferry\n\n" + "\n\n".join([PROSE] * 4)


@pytest.mark.parametrize(
    "html", ["", "<title>x</title>", "<nav><a href=1>Home</a></nav>", "\x00", "<!--", "<p>"]
)
def test_pages_without_content_are_empty(html: str) -> None:
    got = extract(html)
    assert (got.text, got.part) == ("", "none")


@pytest.mark.parametrize(
    "tag", ["div", "b", "span", "table><tr><td", "ul><li", "p", "blockquote", "svg", "select", "a"]
)
@pytest.mark.parametrize("close", [True, False])
def test_nested_bombs_are_cheap(tag: str, close: bool) -> None:
    names = tag.split("><")
    opening = "".join(f"<{name}>" for name in names) * 100_000
    closing = "".join(f"</{name}>" for name in reversed(names)) * 100_000 if close else ""
    start = time.process_time()
    extract(opening + f"<p>{PROSE}</p>" + closing)
    assert time.process_time() - start < 5


def test_flattening_keeps_the_text_and_normal_pages() -> None:
    normal = page("<div>" * 300 + "x" + "</div>" * 300 + "<br>" * 3000)
    assert flatten(normal) is normal
    deep = "<div>" * 9000 + "core" + "</div>" * 9000 + "<p>after"
    flat = flatten(deep)
    assert flat.count("<div>") == flat.count("</div>") == MAX_DEPTH
    assert "core" in flat and flat.endswith("<p>after")


TOKENS = st.sampled_from(
    [
        "<ul>",
        "</ul>",
        "<li>",
        "</li>",
        "<ol>",
        "<p>",
        "</p>",
        "<h2>",
        "</h2>",
        "<a href=x>",
        "</a>",
        "<pre>",
        "</pre>",
    ]
    + [
        "<br>",
        "text. ",
        PROSE,
        "&lt;b&gt;",
        "<table><tr><td>",
        "</table>",
        "<main>",
        "\n",
        "\x00",
        "<!--",
        "<",
        "<svg>",
    ]
)


@given(st.lists(st.one_of(TOKENS, st.text(max_size=8)), max_size=60))
def test_any_tag_soup_gives_text(tokens: list[str]) -> None:
    got = extract("<body>" + "".join(tokens))
    assert got.text == got.text.strip("\n")
    assert "<li>" not in got.text and "\n\n\n" not in got.text


def test_hostile_markup_takes_linear_time() -> None:
    start = time.process_time()
    for piece in (
        "<a ",
        "<a rel=license ",
        "<a<",
        "<!--",
        "<meta '",
        "</",
        '<html lang="',
        "<a rel=x",
        "&lt;",
    ):
        extract(piece * (1_000_000 // len(piece)))
    assert time.process_time() - start < 20


def article(inner: str) -> str:
    rest = "It was a long day, and the tide rose by a hand in every hour of it, as far as anybody could see."
    return f"<body><div><div><div><div><article><p>{inner}</p><p>{rest}</p></article></div></div></div></div></body>"


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("About 3 × 10<sup>6</sup> gulls on 25 km<sup>2</sup>, at 5 m s<sup>-1</sup>.", "3 × 10⁶ gulls on 25 km², at 5 m s⁻¹."),
        ("The points<sup>1</sup> of 1993<sup><a href='#n5'>5</a></sup> and 1994<a href='#n6'><sup>6</sup></a>.", "points[1] of 1993[5] and 1994[6]."),
        ("The 4<sup>th</sup> gull, told before.<sup>[12]</sup> It flew.", "The 4th gull, told before.[12] It flew."),
        ("<sup>1 </sup>This note tells where the gulls went.", "[1] This note tells"),
    ],
)  # fmt: skip
def test_raised_numbers_are_no_digits_of_what_they_follow(inner: str, expected: str) -> None:
    assert expected in extract(article(inner)).text


@pytest.mark.parametrize("sign", ["是", "、", "ก", "—", "€", "“", "&mdash;", "&#8364;"])
def test_a_text_of_one_sign_stays(sign: str) -> None:
    text = extract(article(f"ten <a href='/x'>first</a>{sign}<a href='/y'>second</a> and so on.")).text
    assert f"first{unescape(sign)}second" in text and "\ufdd0" not in text


def test_icons_go_and_readings_and_what_stood_between_links() -> None:
    text = extract(
        page("It <i>→</i> rained in <ruby>東京<rp>(</rp><rt>とうきょう</rt><rp>)</rp></ruby>.")
    ).text
    assert "→" not in text and "rained in 東京." in text
    assert "\n,\n" not in extract(article("It rained on the quay.<br>, ,<br>|<br>It rained again.")).text


def test_the_frame_of_project_gutenberg_goes() -> None:
    book = "<p>The ferry waits below, and those who never saw the sea know nothing of the ferryman, nor of his boat.</p>"
    framed = (
        "<pre>The Project Gutenberg EBook of X\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\nProduced by A. Gull</pre>"
        f"{book * 3}<pre>*** END OF THIS PROJECT GUTENBERG EBOOK X ***\nUpdated editions will replace it.</pre>"
    )
    text = extract(f"<body><div><div><div><div>{framed}</div></div></div></div></body>").text
    assert text.startswith("The ferry waits") and "Gutenberg" not in text and text.endswith("his boat.")
    told = article("Project Gutenberg is a library. *** START OF nothing.")
    assert "Project Gutenberg is a library" in extract(told).text
