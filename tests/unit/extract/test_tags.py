"""Tags, licences and packages: the small readers below epub and html."""

import doctest
import time

import pytest

from pile_curate import licence_urls
from pile_curate.extract import (
    epub_package,
    front_matter,
    markdown,
    page_facts,
    rst,
    rst_roles,
    rst_tables,
    tags,
)
from pile_curate.extract.epub_package import locked, read_package, resolve
from pile_curate.extract.fragment import fragment_text
from pile_curate.extract.page_facts import page_facts as facts
from pile_curate.licence_urls import one_licence, spdx_of_url, statement


@pytest.mark.parametrize(
    "module",
    [epub_package, front_matter, licence_urls, markdown, page_facts, rst, rst_roles, rst_tables, tags],
)
def test_examples(module):
    assert doctest.testmod(module).failed == 0


def test_tags_read_what_is_no_xml():
    found = list(tags.tags('<Opf:Item ID=a Href="x&amp;y"/>t &lt; <b<![CDATA[<c>]]></p>'))
    assert found[0] == tags.Tag("item", {"id": "a", "href": "x&y"}, "", False, True)
    assert "".join(tag.text for tag in found) == "t < <b<c>"
    assert found[-1] == tags.Tag("p", {}, "", True)


def test_an_endless_tag_name_costs_linear_time():
    began = time.process_time()
    assert fragment_text("<" + "a" * 200_000) == "<" + "a" * 200_000
    assert list(tags.tags("<" + "a" * 200_000))
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://creativecommons.org/licenses/by-sa/3.0/", "CC-BY-SA-3.0"),
        ("//creativecommons.org/licenses/by-nd-nc/1.0", "CC-BY-NC-ND-1.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/deed.de", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "CC-PDM-1.0"),
        ("https://creativecommons.org/licenses/by/", "LicenseRef-CC-BY"),
        ("https://creativecommons.org/licenses/sampling+/1.0/", None),
    ],
)
def test_deeds(url, expected):
    assert spdx_of_url(url) == expected


def test_one_licence_means_one():
    a, b = "https://creativecommons.org/licenses/by/4.0/", "https://creativecommons.org/licenses/by-sa/4.0/"
    assert (
        one_licence([a, a]) == "CC-BY-4.0"
        and one_licence([a, b]) is None
        and one_licence([a, "/terms"]) is None
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Creative Commons Attribution-NonCommercial-ShareAlike 2.5", "CC-BY-NC-SA-2.5"),
        ("Released under CC0.", "CC0-1.0"),
        ("CC BY 4.0 for the text, CC BY-NC 4.0 for pictures", None),
        ("This book is not in the public domain.", None),
        ("Dedicated into the public domain", "LicenseRef-public-domain"),
        ("© 2020, all rights reserved", None),
    ],
)
def test_statements(text, expected):
    assert statement(text) == expected


def test_references_stay_in_the_book():
    assert resolve("OPS/x/book.opf", "../text/1.xhtml") == "OPS/text/1.xhtml"
    for href in ("../../../etc/passwd", "/etc/passwd", "http://x/y", "..\\..\\x/../../..", ""):
        assert not resolve("OPS/book.opf", href).startswith(("..", "/"))


def test_a_package_that_is_no_xml_still_reads():
    package = read_package(
        '<package version="2.0"><metadata><dc:Title>A &amp; B<dc:creator opf:role="trl">T</dc:creator>'
        '<dc:creator>C</dc:creator></metadata><manifest><item id="a" href="a.html" media-type="application/xhtml+xml">'
        '<item id="s" href="s.svg" media-type="image/svg+xml" fallback="s"/></manifest>'
        '<spine><itemref idref="a"/><itemref idref="s"/><itemref idref="a"/><itemref idref="zz"/></spine>',
        "book.opf",
    )
    assert package.metadata == {"title": ["A & B"], "creator": ["C"]}
    assert [item.path for item, _ in package.reading_order()] == ["a.html"]


def test_font_obfuscation_is_no_lock():
    def encryption(algorithm, uri):
        return (
            f'<encryption><enc:EncryptedData><enc:EncryptionMethod Algorithm="{algorithm}"/><KeyInfo/>'
            f'<enc:CipherData><enc:CipherReference URI="{uri}"/></enc:CipherData></enc:EncryptedData></encryption>'
        )

    assert locked(encryption("http://www.idpf.org/2008/embedding", "f.otf")) == ""
    assert locked(encryption("http://ns.adobe.com/pdf/enc#RC", "f.otf")) == ""
    assert locked(encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "c.xhtml")) == "c.xhtml"


def test_page_facts():
    page = (
        '<head><link rel="canonical" href="https://a.example/x"><meta property="og:url" content="https://b.example">'
        '<meta name="author" content="A. B."><meta name="dcterms.license" content="CC BY 4.0"></head>'
    )
    assert facts(page) == page_facts.Facts("https://a.example/x", "", ("A. B.",), "CC-BY-4.0")
    linked = '<a rel="license" href="https://creativecommons.org/licenses/by/4.0/">'
    assert facts(linked).licence == "CC-BY-4.0"
    assert facts(linked + linked.replace("by/", "by-sa/")).licence is None
    assert facts('<a href="https://creativecommons.org/licenses/by/4.0/">photo</a>').licence is None
    assert facts("<!-- saved from url=(0019)https://c.example/y -->").url == "https://c.example/y"
