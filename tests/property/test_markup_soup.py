"""Whatever bytes and markup come, the extractors answer with text, and never leave a mark of their own."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.extract.fragment import fragment_text
from pile_curate.extract.wikitext import to_text
from pile_curate.extract.xml import ElementFramer


def soup(words: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(words.split(" ")), max_size=60).map("".join)


WIKI = soup(
    "{{ }} {{{ }}} [[ ]] [http://a ] | = ''' '' \n \n\n == <ref> </ref> <!-- --> <nowiki> </nowiki> <math> {| |} |- "
    "File: Category: fr: * # : ; ( ) , . nowrap lang|fr| convert|5|km inflation <br> <sup> </sup> <poem> </poem> &nbsp; "
    "a b -{ }- ---- __TOC__ <table> </table> \x01 \x05 0 é 漢"
)
HTML = soup(
    "<p> </p> <ul> <ol> <li> </li> </ul> <pre> <code> </code> </pre> <blockquote> </blockquote> <sup> </sup> "
    "<td> </td> <tr> <br> <script> </script> <!-- --> < > & &lt; a b \n ' \" <a \x00 é"
)


@settings(max_examples=400, deadline=None)
@given(WIKI)
def test_wikitext_never_fails_and_leaves_no_mark(source: str) -> None:
    text = to_text(source, title="T")
    assert not re.search("[\x00-\x08]", text)
    assert "{{" not in re.sub(r"\$.*?\$", "", text, flags=re.S) or "nowiki" in source or "math" in source


@settings(max_examples=300, deadline=None)
@given(HTML)
def test_fragments_never_fail(markup: str) -> None:
    assert "\0" not in fragment_text(markup)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([b"<page>", b"</page>", b"<row ", b"/>", b"<", b"x", b"<pa", b"ge>", b"\n"])),
    st.data(),
)
def test_framing_is_the_same_however_the_bytes_arrive(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)) | {0, len(stream)})
    for opening, closing in ((b"<page>", b"</page>"), (b"<row ", b"")):
        whole = ElementFramer(opening, closing)
        expected = [*whole.feed(0, 0, stream), *whole.finish()]
        framer = ElementFramer(opening, closing)
        found = [
            f for a, b in zip(cuts, cuts[1:], strict=False) for f in list(framer.feed(0, a, stream[a:b]))
        ]
        assert found + list(framer.finish()) == expected
        assert len(expected) == stream.count(opening), "each record that the counter sees has one outcome"
