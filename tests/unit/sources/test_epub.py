"""EPUB: packages as they occur, what is left out, locks, damage, and files that try to harm the reader."""

import io
import os
import time
import zipfile
from pathlib import Path

import pytest

from pile_curate.demo.books_dump import epub, page, tar
from tests.source_harness import extract

XHTML = "application/xhtml+xml"
PROSE = "<p>It rained on the quay all night, and nobody came.</p>"


def opf(items, spine=None, metadata="", guide="", version="3.0"):
    """Return a package document; items maps id to href, or to (href, further attributes)."""
    rows = ""
    for name, href in items.items():
        href, more = href if isinstance(href, tuple) else (href, "")
        rows += f'<item id="{name}" href="{href}" media-type="{XHTML}" {more}/>'
    order = "".join(f'<itemref idref="{name}"/>' if "<" not in name else name for name in spine or items)
    return (
        f'<package version="{version}"><metadata><dc:title>B</dc:title>{metadata}</metadata><manifest>{rows}</manifest>'
        f"<spine>{order}</spine><guide>{guide}</guide></package>"
    )


def read(tmp_path, data, **options):
    (tmp_path / "b.epub").write_bytes(data)
    return extract("epub", tmp_path, ["b.epub"], options)


def book(files, **kwargs):
    return epub({"OPS/book.opf": opf(**kwargs), **{f"OPS/{name}": body for name, body in files.items()}})


def one(result):
    assert result.records == result.tally.records == 1 and len(result.documents) == 1, result.rejects
    return result.documents[0]


def reason(result):
    assert result.records == result.tally.records and not result.documents
    return [reject.reason for reject in result.rejects]


def test_reading_order_is_the_spine_and_each_chapter_once(tmp_path):
    files = {
        "a.xhtml": page("", "<p>one</p>"),
        "b c.xhtml": page("", "<p>two</p>"),
        "n.xhtml": page("", "<p>apart</p>"),
    }
    spine = ["b", "a", "b", '<itemref idref="n" linear="no"/>']
    data = book(files, items={"a": "a.xhtml", "b": "b%20c.xhtml", "n": "n.xhtml"}, spine=spine)
    assert one(read(tmp_path, data)).text == "two\n\none"
    assert one(read(tmp_path, data, nonlinear="keep")).text == "two\n\none\n\napart"


def test_front_matter_by_type_guide_landmark_and_looks(tmp_path):
    files = {
        "cover.xhtml": page("", "<p>Cover text</p>"),
        "t.xhtml": page("", "<h1>B</h1>"),
        "c.xhtml": page("", "<p>Copyright © 2001 X. All rights reserved. ISBN 1. Printed in Y.</p>"),
        "nav.xhtml": page(
            "", '<nav epub:type="landmarks"><ol><li><a epub:type="loi" href="l.xhtml">L</a></li></ol></nav>'
        ),
        "l.xhtml": page("", "<p>Plates</p>"),
        "p.xhtml": page("", "<p>A preface.</p>", "preface"),
        "i.xhtml": page("", "<p>Index page</p>", "index"),
        "one.xhtml": page("", PROSE),
    }
    items = {name: f"{name}.xhtml" for name in ("cover", "t", "c", "l", "p", "one", "i")} | {
        "nav": ("nav.xhtml", 'properties="nav"')
    }
    data = book(files, items=items, guide='<reference type="cover" href="cover.xhtml"/>')
    found = one(read(tmp_path, data))
    assert (
        found.text.startswith("A preface.\n\nIt rained")
        and found.meta["sections"] == 2
        and found.meta["left_out"] == 6
    )
    assert "Plates" in one(read(tmp_path, data, front_matter="keep")).text


def test_metadata_and_licence(tmp_path):
    metadata = (
        '<dc:creator opf:role="aut">A</dc:creator><dc:creator opf:role="ill">I</dc:creator><dc:language>ar</dc:language>'
        "<dc:source>https://x.example/b</dc:source><dc:rights>All fine</dc:rights>"
        '<link rel="cc:license" href="http://creativecommons.org/licenses/by/3.0/"/>'
        '<link rel="cc:license" refines="#cover" href="http://creativecommons.org/licenses/by-nc/3.0/"/>'
    )
    found = one(read(tmp_path, book({"a.xhtml": PROSE}, items={"a": "a.xhtml"}, metadata=metadata)))
    assert (found.licence, found.title, found.url) == ("CC-BY-3.0", "B", "https://x.example/b")
    assert found.meta["authors"] == ["A"] and found.meta["language"] == "ar"


def test_encodings_and_broken_markup(tmp_path):
    files = {
        "a.xhtml": '<?xml version="1.0" encoding="shift_jis"?><html><body><p>雨が降る'.encode("shift_jis"),
        "b.xhtml": "<html><body><p>é &nbsp; <b>x</body>".encode("utf-16"),
    }
    assert (
        one(read(tmp_path, book(files, items={"a": "a.xhtml", "b": "b.xhtml"}))).text == "雨が降る\n\né   x"
    )


def test_a_book_without_container_or_spine(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x/content.opf", opf({"a": "a.html"}).replace("<itemref", "<nothing"))
        archive.writestr("x/a.html", PROSE)
    assert one(read(tmp_path, buffer.getvalue())).text.startswith("It rained")


def test_traversal_leads_nowhere(tmp_path):
    data = book(
        {"a.xhtml": PROSE},
        items={"x": "../../../../etc/passwd", "y": "/etc/passwd", "z": "file:///etc/passwd", "a": "a.xhtml"},
    )
    found = one(read(tmp_path, data))
    assert found.meta["missing_files"] == 3 and "root" not in found.text


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "no_package"),
        ({"OPS/book.opf": "garbage \0 <"}, "no_spine"),
        ({"OPS/book.opf": opf({"a": "gone.xhtml"})}, "missing_chapters"),
        ({"OPS/book.opf": opf({"a": "a.xhtml"}), "OPS/a.xhtml": "<p><img src='x'/></p>"}, "no_text"),
        ({"OPS/book.opf": "<package><item id='a' media-type='image/svg+xml' fallback='b'/><item id='b' media-type='x' fallback='a'/>"
          "<itemref idref='a'/></package>"}, "no_spine"),
    ],
)  # fmt: skip
def test_books_that_hold_no_text(tmp_path, files, expected):
    assert reason(read(tmp_path, epub(files))) == [expected]


def test_locked_books_are_rejected_by_policy(tmp_path):
    lock = '<EncryptedData><EncryptionMethod Algorithm="{}"/><CipherReference URI="OPS/a.xhtml"/></EncryptedData>'
    files = {"OPS/book.opf": opf({"a": "a.xhtml"}), "OPS/a.xhtml": PROSE}
    found = read(
        tmp_path,
        epub(
            {**files, "META-INF/encryption.xml": lock.format("http://www.w3.org/2001/04/xmlenc#aes256-cbc")}
        ),
    )
    assert reason(found) == ["encrypted"] and found.rejects[0].kind == "policy"
    assert one(
        read(
            tmp_path,
            epub({**files, "META-INF/encryption.xml": lock.format("http://www.idpf.org/2008/embedding")}),
        )
    )


def test_entity_bombs_do_not_expand(tmp_path):
    bomb = '<!DOCTYPE html [<!ENTITY a "xxxxxxxxxx">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(12)
    )
    found = one(
        read(
            tmp_path,
            book(
                {"a.xhtml": bomb + f"]><html><body>{PROSE}<p>&m;</p></body></html>"}, items={"a": "a.xhtml"}
            ),
        )
    )
    assert len(found.text) < 100


def test_a_zip_bomb_is_bounded(tmp_path):
    data = book({"a.xhtml": b"<p>" + b"a" * 30_000_000}, items={"a": "a.xhtml"})
    began = time.process_time()
    assert reason(read(tmp_path, data, max_text_bytes=1 << 20)) == ["text_too_large"]
    assert time.process_time() - began < 1


def test_many_members_and_other_damage(tmp_path):
    body = book({"a.xhtml": PROSE * 50}, items={"a": "a.xhtml"})
    assert reason(read(tmp_path, body + b"PK\x01\x02" * 60_000)) == ["too_many_members"]
    assert reason(read(tmp_path, body[:-30])) == ["corrupt_epub"]
    at = body.index(b"OPS/a.xhtml") + 30
    assert reason(read(tmp_path, body[:at] + b"\xff\xff\xff" + body[at + 3 :])) == ["corrupt_epub"]
    assert reason(read(tmp_path, body + b"\0" * 2000, max_file_bytes=1024)) == ["record_too_large"]


def test_archives_hold_books_and_other_things(tmp_path):
    data = book({"a.xhtml": PROSE}, items={"a": "a.xhtml"})
    (tmp_path / "shelf.tar").write_bytes(
        tar({"x/b.epub": data, "x/b.txt": b"t", "y/c.epub": b"", "d.epub": data[:100]})
    )
    found = extract("epub", tmp_path, ["shelf.tar"])
    assert found.keys() == ["shelf.tar!x/b.epub"] and found.records == found.tally.records == 4
    assert found.reasons == {"not_epub": 1, "empty_member": 1, "corrupt_epub": 1}


@pytest.mark.skipif(
    "PILE_CURATE_SAMPLES" not in os.environ, reason="PILE_CURATE_SAMPLES names no folder of samples"
)
def test_real_books():
    found = extract("epub", Path(os.environ["PILE_CURATE_SAMPLES"]) / "epub", ["*.epub"])
    books = {document.key: document for document in found.documents}
    assert len(books) == 8 and not found.rejects
    assert (
        books["moby-dick.epub"].licence == "CC-BY-SA-3.0" and books["moby-dick.epub"].meta["sections"] > 130
    )
    japanese = books["kusamakura-japanese-vertical-writing.epub"].text
    assert "</" not in japanese and japanese.count("\n\n") > 100


@pytest.mark.parametrize(
    ("reference", "notes"),
    [
        # EPUB 2, as converters write it: a paragraph, or an item of a list, that only its address tells.
        ('<sup><a id="r1" href="n.xhtml#n1">1</a></sup>', '<p id="n1"><a href="a.xhtml#r1">1</a>. It was May.</p>'),
        ('<a href="n.xhtml#n1"><sup>1</sup></a>', '<p><a name="n1" href="a.xhtml#r1">1</a> It was May.</p>'),
        ('<a href="n.xhtml#n1"><sup>1</sup></a>', '<ol><li id="n1">It was May.</li></ol>'),
        ('<a href="n.xhtml#n1"><sup>1</sup></a>', '<ol><li id="n1"><a href="a.xhtml#r1"><sup>1</sup></a> It was May.</li></ol>'),
        # EPUB 3: endnotes in a file of their own, without numbers.
        ('<a href="n.xhtml#n1" epub:type="noteref">1</a>',
         '<ol><li id="n1" epub:type="endnote"><p>It was May. <a href="a.xhtml#r1" epub:type="backlink">↩</a></p></li></ol>'),
    ],
)  # fmt: skip
def test_notes_in_another_file_have_their_marks(tmp_path, reference, notes):
    files = {"a.xhtml": page("", f"<p>It rained.{reference}</p>"), "n.xhtml": page("", notes)}
    found = one(read(tmp_path, book(files, items={"a": "a.xhtml", "n": "n.xhtml"})))
    assert found.text == "It rained.[1]\n\n[1] It was May."
    spine = ["a", '<itemref idref="n" linear="no"/>']
    found = one(read(tmp_path, book(files, items={"a": "a.xhtml", "n": "n.xhtml"}, spine=spine)))
    assert found.text.endswith("[1] It was May.")


def test_the_frame_of_project_gutenberg_goes(tmp_path):
    files = {
        "a.xhtml": page("", "<pre>The Project Gutenberg EBook of X\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***</pre><p>Produced by A. Gull</p><h2>One</h2>" + PROSE),
        "z.xhtml": page("", "<p>*** END OF THIS PROJECT GUTENBERG EBOOK X ***</p><p>Updated editions will replace it.</p>"),
    }  # fmt: skip
    data = book(files, items={"a": "a.xhtml", "z": "z.xhtml"})
    assert one(read(tmp_path, data)).text == "One\n\nIt rained on the quay all night, and nobody came."
    assert "Updated editions" in one(read(tmp_path, data, front_matter="keep")).text
