"""Make the inputs of ``hostile_sources.py``: each a name, the format that is to read it, and bytes on disk."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

MIB = 1 << 20
Pieces = Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Hostile:
    """One input: files by name, each as a function that yields its bytes in pieces."""

    format: str
    files: dict[str, Pieces]
    options: dict[str, Any] = field(default_factory=dict)
    big: bool = False

    def write(self, folder: str) -> None:
        """Write the files below a folder."""
        for name, pieces in self.files.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                for piece in pieces():
                    file.write(piece)


def fixed(*pieces: bytes) -> Pieces:
    """Yield these bytes."""
    return lambda: pieces


def repeated(before: bytes, body: bytes, times: int, after: bytes = b"") -> Pieces:
    """Yield a body many times between two ends, in pieces of about a mebibyte."""

    def pieces() -> Iterator[bytes]:
        yield before
        a_piece = max(1, MIB // len(body))
        for _ in range(times // a_piece):
            yield body * a_piece
        yield body * (times % a_piece)
        yield after

    return pieces


def gzipped(inner: Pieces) -> Pieces:
    """Yield a gzip of the pieces, as one member."""

    def pieces() -> Iterator[bytes]:
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, compresslevel=6) as packed:
            for piece in inner():
                packed.write(piece)
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue()

    return pieces


def nested(opening: bytes, closing: bytes, depth: int, middle: bytes = b"deep") -> bytes:
    """Return tags nested so deep."""
    return opening * depth + middle + closing * depth


def tar(*members: tuple[str, bytes], links: Iterable[tuple[str, str]] = ()) -> Pieces:
    """Return a plain tar of the members and symbolic links, unsafe names included."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return fixed(buffer.getvalue())


def zipped(*members: tuple[str, bytes]) -> bytes:
    """Return a zip of the members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


ENTITIES = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">'.encode() for i in range(9))
    + b"]>"
)
"""A declaration whose entity &j; stands for ten thousand million letters."""

_OPF = (
    b'<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest><item id="a" href="%s" '
    b'media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>'
)
_CONTAINER = (
    b'<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="x.opf" '
    b'media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def epub(chapter: bytes, href: bytes = b"a.xhtml") -> Pieces:
    """Return a book of one chapter."""
    members = (
        ("mimetype", b"application/epub+zip"),
        ("META-INF/container.xml", _CONTAINER),
        ("x.opf", _OPF % href),
        ("a.xhtml", chapter),
    )
    return fixed(zipped(*members))


def quine(depth: int) -> bytes:
    """Return a zip in a zip in a zip … so deep."""
    data = b"print('inside')\n"
    for level in range(depth):
        data = zipped((f"{level}.zip" if level else "a.py", data))
    return data


def warc(body: bytes) -> Pieces:
    """Return one response record."""
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/\r\n"
        f"WARC-Date: 2024-01-01T00:00:00Z\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return fixed(head.encode(), block, b"\r\n\r\n")


def pdf(objects: list[bytes], root: int = 1) -> Pieces:
    """Return a PDF of these objects (numbers from 1) with a cross-reference table."""
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    trailer = b"trailer << /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, root, len(out))
    return fixed(out + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer)


def _stream(data: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(data), data)


_CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
_FONT = b"<< /Font << /F 5 0 R >> >>"
_HELVETICA = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
_PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources " + _FONT + b" >>"
_PAGES = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"


def _mail(depth: int) -> bytes:
    head = b"From a@b Mon Jan  1 00:00:00 2001\nFrom: a@b.example\nMessage-ID: <1@b>\nSubject: deep\n"
    for level in range(depth):
        head += b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level)
    return head + b"\nWords at the bottom.\n"


def _items(count: int) -> Pieces:
    def pieces() -> Iterator[bytes]:
        yield b'{"id": 1, "type": "story", "by": "a", "time": 1, "title": "A long chain", "score": 5}\n'
        for number in range(2, count + 2):
            item = {
                "id": number,
                "type": "comment",
                "by": "b",
                "time": number,
                "parent": number - 1,
                "text": "and so on",
            }
            yield json.dumps(item).encode() + b"\n"

    return pieces


_JATS = (
    b"<article><front><article-meta><article-id pub-id-type='pmc'>1</article-id></article-meta></front>"
    b"<body><p>%s</p></body></article>"
)
_TEX = b"\\documentclass{article}\n%s\\begin{document}\n%s\n\\end{document}\n"
_BOMB = b"\\def\\a{xxxxxxxxxx}" + b"".join(
    b"\\def\\%c{%s}" % (98 + i, b"\\%c" % (97 + i) * 10) for i in range(20)
)
_WIKI = (
    b"<mediawiki><siteinfo><dbname>x</dbname></siteinfo><page><title>T</title><ns>0</ns><id>1</id>"
    b"<revision><id>1</id><text>%s</text></revision></page></mediawiki>"
)
_ABSTRACT = (
    b"<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>1</PMID><Article><Abstract><AbstractText>&j;"
    b"</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle></PubmedArticleSet>"
)
_FORM = (
    b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >> /Length 12 >>\n"
    b"stream\n/X Do /X Do  \nendstream"
)
_DEEP = 100_000
_ZEROS = repeated(b"", b"\0" * MIB, 20_000)

INPUTS: dict[str, Hostile] = {
    "line of 1 GB": Hostile(
        "jsonl", {"a.jsonl": repeated(b'{"text": "', b"a" * MIB, 1024, b'"}\n')}, big=True
    ),
    "line of 1 GB without an end": Hostile(
        "reddit", {"RC_2020-01": repeated(b'{"body": "', b"a" * MIB, 1024)}, big=True
    ),
    "bomb: 20 GB of zeros in a gzip": Hostile("jsonl", {"a.jsonl.gz": gzipped(_ZEROS)}, big=True),
    "cell of 1 GB": Hostile(
        "freelaw",
        {"opinions-2024-01-01.csv": repeated(b'"id","plain_text"\n"1","', b"a" * MIB, 1024)},
        big=True,
    ),
    "mail of 1 GB": Hostile(
        "mail",
        {"a.mbox": repeated(b"From a@b Mon Jan  1 00:00:00 2001\nSubject: x\n\n", b"a b c d\n", 1 << 27)},
        big=True,
    ),
    "a million blank cues": Hostile(
        "subtitles", {"a.srt": repeated(b"", b"1\n00:00:01,000 --> 00:00:02,000\n\n", 1_000_000)}
    ),
    "100,000 nested tags": Hostile(
        "html", {"a.html": fixed(b"<html><body>" + nested(b"<div>", b"</div>", _DEEP))}
    ),
    "100,000 nested tags, page": Hostile(
        "warc", {"a.warc": warc(b"<html><body>" + nested(b"<b>", b"", _DEEP))}
    ),
    "100,000 nested tags, book": Hostile(
        "epub", {"a.epub": epub(b"<html><body>" + nested(b"<div>", b"</div>", _DEEP) + b"</body></html>")}
    ),
    "100,000 nested tags, article": Hostile(
        "pubmed_central", {"a.nxml": fixed(_JATS % nested(b"<sec><p>", b"</p></sec>", _DEEP))}
    ),
    "100,000 nested tags, opinion": Hostile(
        "freelaw", {"a.json": fixed(json.dumps({"id": 1, "html": "<p>" * _DEEP + "word"}).encode())}
    ),
    "100,000 nested templates": Hostile("mediawiki", {"a.xml": fixed(_WIKI % nested(b"{{a|", b"}}", _DEEP))}),
    "100,000 nested quotations": Hostile("docs", {"a.md": fixed(b"> " * _DEEP + b"word\n")}),
    "100,000 nested groups": Hostile(
        "arxiv",
        {
            "1.tar": tar(
                ("2401/2401.00001.gz", gzip.compress(_TEX % (b"", nested(b"{", b"}", _DEEP)), mtime=0))
            )
        },
    ),
    "macro bomb": Hostile(
        "arxiv", {"1.tar": tar(("2401/2401.00001.gz", gzip.compress(_TEX % (_BOMB, b"\\t"), mtime=0)))}
    ),
    "macro that calls itself": Hostile(
        "arxiv",
        {
            "1.tar": tar(
                ("2401/2401.00001.gz", gzip.compress(_TEX % (b"\\def\\x{\\x y\\x}", b"\\x"), mtime=0))
            )
        },
    ),
    "entity bomb, article": Hostile("pubmed_central", {"a.nxml": fixed(ENTITIES + _JATS % b"&j;")}),
    "entity bomb, abstract": Hostile("pubmed_abstracts", {"a.xml": fixed(ENTITIES + _ABSTRACT)}),
    "entity bomb, patent": Hostile(
        "uspto",
        {
            "a.xml": fixed(
                ENTITIES + b"<us-patent-grant><description><p>&j;</p></description></us-patent-grant>"
            )
        },
    ),
    "entity bomb, subtitles": Hostile(
        "opensubtitles",
        {"raw/en/2000/1/1.xml": fixed(ENTITIES + b'<document id="1"><s id="1">&j;</s></document>')},
    ),
    "entity bomb, book": Hostile(
        "epub", {"a.epub": epub(ENTITIES + b"<html><body><p>&j;</p></body></html>")}
    ),
    "entity bomb, timed text": Hostile(
        "youtube_subtitles",
        {
            "abcdefghijk.en.xml": fixed(
                ENTITIES + b"<transcript><text start='0' dur='1'>&j;</text></transcript>"
            )
        },
    ),
    "zip bomb, book": Hostile(
        "epub", {"a.epub": epub(b"<html><body><p>" + b"a " * (128 * MIB) + b"</p></body></html>")}
    ),
    "zip in zip, 50 deep": Hostile("code", {"a.zip": fixed(quine(50))}),
    "paths that leave, links": Hostile(
        "pubmed_central",
        {
            "a.tar": tar(
                ("../../etc/x.nxml", _JATS % b"w"),
                ("/abs.nxml", _JATS % b"w"),
                links=[("l.nxml", "/etc/passwd")],
            )
        },
    ),
    "book that names another file": Hostile(
        "epub", {"a.epub": epub(b"<html><body><p>inside</p></body></html>", b"../../../../etc/passwd")}
    ),
    "1,000 nested multiparts": Hostile("mail", {"a.mbox": fixed(_mail(1000))}),
    "header of 64 MB": Hostile(
        "mail",
        {"a.mbox": repeated(b"From a@b Mon Jan  1 00:00:00 2001\nSubject: ", b"a" * MIB, 64, b"\n\nbody\n")},
    ),
    "a million header lines": Hostile(
        "mail",
        {"a.mbox": repeated(b"From a@b Mon Jan  1 00:00:00 2001\n", b"X-A: b\n", 1_000_000, b"\nbody\n")},
    ),
    "pages that name themselves": Hostile(
        "pdf", {"a.pdf": pdf([_CATALOG, b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>"])}
    ),
    "a thousand million pages": Hostile(
        "pdf",
        {
            "a.pdf": pdf(
                [
                    _CATALOG,
                    b"<< /Type /Pages /Kids [3 0 R] /Count 1000000000 >>",
                    _PAGE,
                    _stream(b"BT /F 12 Tf 72 700 Td (word) Tj ET"),
                    _HELVETICA,
                ]
            )
        },
    ),
    "page that draws without end": Hostile(
        "pdf",
        {
            "a.pdf": pdf(
                [
                    _CATALOG,
                    _PAGES,
                    _PAGE,
                    _stream(b"BT /F 12 Tf 72 700 Td " + b"(word) Tj " * 2_000_000 + b"ET"),
                    _HELVETICA,
                ]
            )
        },
    ),
    "form that draws itself": Hostile(
        "pdf",
        {
            "a.pdf": pdf(
                [
                    _CATALOG,
                    _PAGES,
                    _PAGE.replace(_FONT, b"<< /XObject << /X 6 0 R >> >>"),
                    _stream(b"/X Do"),
                    _HELVETICA,
                    _FORM,
                ]
            )
        },
    ),
    "chain of 100,000 comments": Hostile("hackernews", {"items.jsonl": _items(100_000)}),
    "quotation mark that never closes": Hostile(
        "nih_exporter",
        {
            "RePORTER_PRJABS_C_FY2020.csv": repeated(
                b'APPLICATION_ID,ABSTRACT_TEXT\n1,"', b"word " * 1000, 20_000
            )
        },
    ),
    "table that claims 10^12 rows": Hostile(
        "parquet", {"a.parquet": fixed(b"PAR1" + b"\x15\x04" + b"\xff" * 4096 + b"\x00\x10\x00\x00PAR1")}
    ),
    "question without an answer": Hostile(
        "dm_mathematics", {"train-easy/a.txt": repeated(b"", b"What is 1 + 1?\n", 1_000_001)}
    ),
    "one speaker, 100 MB": Hostile(
        "europarl",
        {
            "txt/en/ep-00-01-01.txt": repeated(
                b"<CHAPTER ID=1>\n<SPEAKER ID=1 NAME=A>\n", b"words and words\n<P>\n", 5_000_000
            )
        },
    ),
    "log line of 100 MB": Hostile(
        "ubuntu_irc", {"2004/01/01/#ubuntu.txt": repeated(b"[00:01] <a> ", b"a" * MIB, 100)}
    ),
}
"""What is tried, by name."""
