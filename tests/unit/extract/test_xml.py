"""Records are cut out of a byte stream the same way however it arrives, and parsed alone."""

from __future__ import annotations

import pytest

from pile_curate.extract.xml import ElementFramer, Framed, XmlError, parse_element

PAGES = b"<m>\n <page>one</page>\n<page>two <page>three</page></page> x <page>four"
ROWS = b'<r>\n  <row a="1" />\n<row a="2"\n/> <row a="3" <row a="4"/></r><row '


def cut(data: bytes, size: int, opening: bytes, closing: bytes = b"", limit: int = 1 << 20) -> list[Framed]:
    framer = ElementFramer(opening, closing, limit)
    found: list[Framed] = []
    for at in range(0, len(data), size):
        found += framer.feed(0, at, data[at : at + size])
    return found + list(framer.finish())


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16, 1000])
def test_pages(size: int) -> None:
    found = cut(PAGES, size, b"<page>", b"</page>")
    assert [(f.data, f.fault) for f in found] == [
        (b"<page>one</page>", ""),
        (b"<page>two ", "unclosed"),
        (b"<page>three</page>", ""),
        (b"<page>four", "unclosed"),
    ]
    assert all(PAGES[f.offset :].startswith(b"<page>") for f in found)
    assert [f.index for f in found] == [0, 1, 2, 3]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16, 1000])
def test_rows(size: int) -> None:
    found = cut(ROWS, size, b"<row ")
    assert [(f.data, f.fault) for f in found] == [
        (b'<row a="1" />', ""),
        (b'<row a="2"\n/>', ""),
        (b'<row a="3"', "unclosed"),
        (b'<row a="4"/>', ""),
        (b"<row", "unclosed"),
    ]


@pytest.mark.parametrize("size", [1, 3, 8, 1000])
def test_a_record_above_the_limit_costs_no_memory_and_no_neighbour(size: int) -> None:
    data = b"<page>a</page><page>" + b"b" * 500 + b"</page><page>c</page><page>" + b"d" * 500
    found = cut(data, size, b"<page>", b"</page>", limit=50)
    assert [(f.data, f.fault, f.size) for f in found] == [
        (b"<page>a</page>", "", 14),
        (b"", "too_large", 513),
        (b"<page>c</page>", "", 14),
        (b"", "too_large", 506),
    ]


def test_a_record_knows_its_compressed_member() -> None:
    framer = ElementFramer(b"<row ")
    found = [
        *framer.feed(0, 0, b"<row a='1'/><ro"),
        *framer.feed(70, 15, b"w a='2'/><row a='3'/>"),
        *framer.finish(),
    ]
    assert [(f.member, f.index, f.offset) for f in found] == [(0, 0, 0), (0, 1, 12), (70, 0, 24)]


def test_an_empty_stream() -> None:
    assert cut(b"", 1, b"<row ") == [] and cut(b"<posts></posts>", 4, b"<row ") == []


@pytest.mark.parametrize(
    "bad", [b"<a>&lol;</a>", b"<a><b></a>", b"<a>\xff</a>", b"", b"<a/><b/>", b"<a b='1' b='2'/>"]
)
def test_what_is_not_well_formed_alone_is_an_error(bad: bytes) -> None:
    with pytest.raises(XmlError):
        parse_element(bad)


def test_an_entity_bomb_in_a_record_does_not_expand() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx">' + b"".join(
        b'<!ENTITY y%d "%s">' % (i, b"&x;" * 10 if i == 0 else b"&y%d;" % (i - 1) * 10) for i in range(9)
    )
    # expat itself stops the amplification (2.4.1); a record that begins with <page> has no DTD anyway.
    with pytest.raises(XmlError):
        parse_element(bomb + b"]><a>&y8;</a>")


def test_parse_gives_text_and_attributes() -> None:
    row = parse_element('<row a="x &lt; y&#xA;é" />'.encode())
    assert row.attrib == {"a": "x < y\né"}
