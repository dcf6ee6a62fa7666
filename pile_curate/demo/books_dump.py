"""Write the demo's books as EPUB 3, in a folder of them and in a tar, as the collections of BookCorpus2 and Books3 came."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from html import escape
from typing import Any

_CONTAINER = (
    '<?xml version="1.0"?>\n<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="{opf}" media-type="application/oebps-package+xml"/></rootfiles></container>\n'
)


def epub(files: Mapping[str, str | bytes], opf: str = "OPS/book.opf") -> bytes:
    """Pack a book: the media type first and stored, then the container, then the files as given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, data: str | bytes, method: int = zipfile.ZIP_DEFLATED) -> None:
            info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr = method, 0o644 << 16
            archive.writestr(info, data)

        add("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        add("META-INF/container.xml", _CONTAINER.format(opf=opf))
        for name, data in files.items():
            add(name, data)
    return buffer.getvalue()


def tar(files: Mapping[str, bytes]) -> bytes:
    """Pack files into a tar with fixed dates and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_704_067_200
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def page(title: str, body: str, kind: str = "") -> str:
    """Return a chapter's file."""
    attribute = f' epub:type="{kind}"' if kind else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>{escape(title)}</title></head>'
        f"<body{attribute}>\n{body}\n</body></html>\n"
    )


def package(book: Mapping[str, Any], names: list[str]) -> str:
    """Return a package document; ``names`` are the chapters in reading order, behind title page and contents."""
    rights = f"<dc:rights>{escape(book['rights'])}</dc:rights>" if book.get("rights") else ""
    items = "".join(
        f'<item id="c{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(names)
    )
    return (
        '<?xml version="1.0"?>\n<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:identifier id="id">urn:demo:{book["id"]}</dc:identifier><dc:title>{escape(book["title"])}</dc:title>'
        f"<dc:creator>{escape(book['author'])}</dc:creator><dc:language>{book.get('language', 'en')}</dc:language>"
        f"<dc:date>2024-01-01</dc:date>{rights}</metadata><manifest>"
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        f"{items}</manifest><spine>"
        f'<itemref idref="nav"/>{"".join(f"""<itemref idref="c{n}"/>""" for n in range(len(names)))}'
        "</spine></package>\n"
    )


def book_epub(book: Mapping[str, Any]) -> bytes:
    """Make a book of the demo's data: title page, contents, chapters with their notes."""
    files = {
        "OPS/title.xhtml": page(
            book["title"], f"<h1>{escape(book['title'])}</h1><p>{escape(book['author'])}</p>", "titlepage"
        )
    }
    links = []
    for number, chapter in enumerate(book["chapters"], 1):
        body = [f"<h2>{escape(chapter['title'])}</h2>"]
        body += [f"<p>{text}</p>" for text in chapter["text"].strip().split("\n\n")]
        body += [
            f'<aside epub:type="footnote" id="n{n}"><p>{note}</p></aside>'
            for n, note in enumerate(chapter.get("notes", []), 1)
        ]
        files[f"OPS/chapter{number}.xhtml"] = page(chapter["title"], "\n".join(body), "bodymatter chapter")
        links.append(f'<li><a href="chapter{number}.xhtml">{escape(chapter["title"])}</a></li>')
    names = [name.removeprefix("OPS/") for name in files]
    nav = page("Contents", f'<nav epub:type="toc"><ol>{"".join(links)}</ol></nav>')
    return epub({"OPS/book.opf": package(book, names), "OPS/nav.xhtml": nav, **files})


def dumps() -> dict[str, bytes]:
    """Return a folder of books, of which one is cut, and a tar of books, of which one is locked."""
    from pile_curate.demo.dumps import load

    data = load("epubs.yaml")
    made = {book["id"]: book_epub(book) for book in data["books"]}
    cut = made[data["cut"]]
    locked = epub({"META-INF/encryption.xml": data["encryption"], "OPS/book.opf": "<package/>"})
    loose = {f"bookcorpus2/{name}.epub": made[name] for name in data["bookcorpus2"]}
    inside = {f"books3/{name}.epub": made[name] for name in data["books3"]}
    return {
        **loose,
        f"bookcorpus2/{data['cut']}-cut.epub": cut[: len(cut) * 2 // 3],
        "books3/books3.tar": tar(
            {**inside, "books3/locked.epub": locked, "books3/README.txt": b"Books as EPUB.\n"}
        ),
    }
