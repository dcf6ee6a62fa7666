"""Turn the demo's texts into the raw formats: MediaWiki, Stack Exchange, books, JSON lines, a source tree."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import re
import tarfile
import textwrap
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import yaml
import zstandard

from pile_curate.storage import atomic_write

DATA = Path(__file__).parent / "data"
_POST_TYPES = {"question": 1, "answer": 2, "tag_wiki": 5}


def put(path: Path, data: bytes) -> None:
    """Write a file unless it holds these bytes already, so that its time of change stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != data:
        atomic_write(str(path), data)


@cache
def load(name: str) -> Any:
    """Return one of the data files, parsed; read-only by convention."""
    return yaml.safe_load((DATA / name).read_text("utf-8"))


def varied(text: str, replace: dict[str, str]) -> str:
    """Return a near copy of a text; a phrase that is not there is a mistake in the data file."""
    for old, new in replace.items():
        if old not in text:
            raise ValueError(f"the demo's data ask to replace {old!r}, which is not in the text")
        text = text.replace(old, new)
    return text


def all_dumps() -> dict[str, bytes]:
    """Return relative path to bytes of every dump but the web archives and the source trees."""
    return {
        "wikipedia/demowiki-pages-articles.xml.bz2": wikipedia(),
        "stackexchange/workshop.example/Posts.xml": stackexchange(),
        **books(),
        **notes(),
    }


def wikipedia() -> bytes:
    """Return the dump as multistream bz2: the head, the pages by threes, and the end are streams of their own."""
    xml = (DATA / "wikipedia.xml").read_text("utf-8")
    head, *pages = xml.split("  <page>\n")
    pages[-1], tail = pages[-1].split("</mediawiki>")
    streams = [head]
    streams += ["".join("  <page>\n" + page for page in pages[i : i + 3]) for i in range(0, len(pages), 3)]
    streams.append("</mediawiki>" + tail)
    return b"".join(bz2.compress(stream.encode("utf-8")) for stream in streams)


def wiki_prose(title: str) -> str:
    """Return an article as plain paragraphs with ``== headings ==``, for sites that copied it."""
    xml = (DATA / "wikipedia.xml").read_text("utf-8")
    page = xml.split(f"<title>{title}</title>", 1)[1]
    text = page.split('<text xml:space="preserve">', 1)[1].split("</text>", 1)[0]
    text = re.sub(r"\[\[Category:[^\]]*\]\]", "", text)
    text = re.sub(r"\[\[(?:[^\]|]*\|)?([^\]]*)\]\]", r"\1", text)
    return re.sub(r"'{2,3}", "", text).strip()


def stackexchange() -> bytes:
    """Return ``Posts.xml``, with a byte-order mark as in the real dumps, and one row that is no XML."""
    data = load("stack.yaml")
    rows = [_row(post) for post in data["posts"]]
    rows.insert(9, data["broken_row"])
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<posts>", *rows, "</posts>", ""]
    return b"\xef\xbb\xbf" + "\n".join(lines).encode("utf-8")


def _row(post: dict[str, Any]) -> str:
    fields: dict[str, Any] = {
        "Id": post["id"],
        "PostTypeId": _POST_TYPES[post["type"]],
        "AcceptedAnswerId": post.get("accepted"),
        "ParentId": post.get("parent"),
        "CreationDate": post["date"],
        "Score": post["score"],
        "Body": post["body"],
        "Title": post.get("title"),
        "Tags": "".join(f"<{tag}>" for tag in post["tags"]) if "tags" in post else None,
        "ContentLicense": "CC BY-SA 4.0" if post["date"] >= "2018-05-02" else None,
    }
    quoted = {k: escape(str(v), {'"': "&quot;", "\n": "&#xA;"}) for k, v in fields.items() if v is not None}
    return "  <row " + " ".join(f'{k}="{v}"' for k, v in quoted.items()) + " />"


def books() -> dict[str, bytes]:
    """Return four files in Project Gutenberg's layout; the last is a gzip that ends too early."""
    ferryman = _book("The Ferryman's Almanac", "English", "UTF-8", "book_ferryman.txt", "THE")
    rhymes = _book(
        "Weather Rhymes for Small People", "English", "ASCII", "book_rhymes.txt", "THIS", wrap=False
    )
    clock = _book("Der Uhrmacher am Fluss", "German", "ISO-8859-1", "book_uhrmacher.txt", "THE")
    packed = gzip.compress(ferryman.encode("utf-8"), mtime=0)
    return {
        "books/ferryman.txt": ("\ufeff" + ferryman).encode("utf-8"),
        "books/rhymes.txt": rhymes.encode("ascii"),
        "books/uhrmacher-8.txt": clock.encode("latin-1"),
        "books/truncated.txt.gz": packed[: len(packed) // 2],
    }


def _book(title: str, language: str, charset: str, name: str, article: str, *, wrap: bool = True) -> str:
    """Put the frame around a book. Its sentences are ours; only the markers are those of the real files."""
    text = (DATA / name).read_text("utf-8")
    if wrap:
        text = "\n\n".join(textwrap.fill(part, 72) if part.strip() else part for part in text.split("\n\n"))
    marker = f"{article} PROJECT GUTENBERG EBOOK {title.upper()}"
    return (
        f"The Project Gutenberg eBook of {title}\n\n"
        "This file imitates the layout of a Project Gutenberg eBook. It belongs to the\n"
        "demonstration of pile_curate and is under its licence, Apache-2.0.\n\n"
        f"Title: {title}\n\nAuthor: The authors of pile_curate\n\n"
        f"Release Date: January 1, 2024\n\nLanguage: {language}\n\n"
        f"Character set encoding: {charset}\n\n*** START OF {marker} ***\n\n\n{text.rstrip()}\n\n\n"
        f"*** END OF {marker} ***\n\nUpdated editions will replace the previous one. The demonstration ends here, and\n"
        "what follows in a real file would be the full licence, which is no part of the book.\n"
    ).replace("\n", "\r\n")


def notes() -> dict[str, bytes]:
    """Return two jsonl.zst files: one with a line that is no JSON, one whose second frame ends too early."""
    lines = [
        json.dumps(_note(note), ensure_ascii=False).encode("utf-8") + b"\n"
        for note in load("notes.yaml")["notes"]
    ]
    lines.insert(3, b'{"text": "This line was cut in the middle of a\n')
    pack = zstandard.ZstdCompressor(level=3).compress
    last = pack(lines[-1])
    return {
        "notes/notes-000.jsonl.zst": pack(b"".join(lines[:9])),
        "notes/notes-001.jsonl.zst": pack(b"".join(lines[9:-1])) + last[: len(last) * 2 // 3],
    }


def _note(note: dict[str, Any]) -> dict[str, Any]:
    from pile_curate.demo.web import page_text

    by_id = {other["id"]: other for other in load("notes.yaml")["notes"]}
    if "copy_of" in note:
        text = varied(by_id[note["copy_of"]]["text"], note.get("replace", {}))
    elif "text_of" in note:
        text = page_text(note["text_of"].removeprefix("web:"))
    else:
        text = note["text"]
    return {"text": text, "meta": {"pile_set_name": "Notes", "id": note["id"], "title": note["title"]}}


def tree() -> dict[str, bytes]:
    """Return the hand-written source tree, and an archive of it that ends too early."""
    data = load("code.yaml")
    files = {path: text.encode("utf-8") for path, text in data["files"].items()}
    files[data["minified"]] = b"export function fill(t,d){" + b"d.forEach(e=>{t.insertRow()});" * 60 + b"}\n"
    files[data["binary"]] = b"\x00\x01\x02\x03 not a program\n"
    files[data["latin1"]] = (
        "# -*- coding: latin-1 -*-\nKEEPERS = ['Bj\xf6rn', 'Zo\xeb', 'Ana\xefs']\n".encode("latin-1")
    )
    files[data["undecodable"]] = "/* 潮の高さを計算する関数です */\nint height;\n".encode("shift_jis") * 3
    files[data["empty"]] = b""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("tool/LICENSE", "tool/run", "tool/gauge.c", "tool/tides.py"):
            info = tarfile.TarInfo(f"tides-1.0/{name}")
            info.size = len(files[name])
            archive.addfile(info, io.BytesIO(files[name]))
    whole = buffer.getvalue()
    cut = whole[: whole.index(b"Yield the hours")]
    return {**{f"code/{path}": body for path, body in files.items()}, "code/tides-1.0.tar": cut}
