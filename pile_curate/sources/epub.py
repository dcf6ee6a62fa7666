"""Read EPUB 2 and 3: one book a file, one document a book, loose or inside tar and zip archives.

A book's chapters are read in the order of its spine and joined; navigation, covers, title pages, imprints and
indexes are left out (``front_matter``), as ``extract/book_matter.py`` finds them. The native key is the file's path
relative to the source's root: identifiers inside books are often missing, shared by editions, or made anew at each
conversion. Encrypted books are rejected as ``encrypted``; obfuscated fonts are no encryption.

Plain-text books (``.txt``) that lie beside are rejected here as ``not_epub``: read those with a second source of format
``gutenberg``, whose rules do no harm to books that are not Project Gutenberg's. The project's EPUBs lose its licence here.

The formats: https://www.w3.org/TR/epub-33/ and OPF 2.0.1. Nothing is unpacked to disk, and no reference that leads out
of the book is followed.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from pile_curate.extract.book import BookOptions, Chapter, chapter_text
from pile_curate.extract.book_matter import MATTER, matter
from pile_curate.extract.encoding import decode
from pile_curate.extract.epub_package import Package, landmarks, locked, package_paths, read_package, resolve
from pile_curate.extract.gutenberg import without_frame
from pile_curate.files import Tally
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, SourceOptions, Split
from pile_curate.sources.blobs import Inflate, blob_records, inflated

_NAME = re.compile(r"\.k?epub(?:\.gz)?$", re.I)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, ValueError, EOFError, OSError)
_MAX_MEMBERS = 50_000
_URL = re.compile(r"https?://\S+$", re.I)


class EpubOptions(SourceOptions):
    """Say what of a book is text."""

    unfit: ClassVar[tuple[str, ...]] = ("gopher_quality",)

    front_matter: Literal["drop", "keep"] = Field(
        "drop", description="Covers, title pages, contents, imprints, indexes."
    )
    footnotes: Literal["keep", "drop"] = Field(
        "keep", description="Notes, put at the end of their chapter, and their marks."
    )
    nonlinear: Literal["drop", "keep"] = Field(
        "drop", description="Parts that the book sets apart from its reading order; notes are kept."
    )
    alt_texts: bool = Field(False, description="Keep descriptions of images.")
    max_file_bytes: int = Field(256 << 20, ge=1024, description="Largest book that is read, in bytes.")
    max_text_bytes: int = Field(
        64 << 20, ge=1024, description="Most bytes of chapters that a book may unpack to."
    )


class EpubSource(SourceFormat):
    """Read books in EPUB."""

    name = "epub"
    version = 2
    summary = "EPUB 2 and 3 books: one document a book"
    suffixes = (".epub", ".epub.tar", ".zip")
    libraries = ("resiliparse",)
    Options = EpubOptions
    about = About(
        publisher="Libraries of books (BookCorpus2, Books3, Standard Ebooks, any collection)",
        where="https://www.w3.org/TR/epub-33/",
        licence="per book; most are under copyright",
        consent="public",
        size="about 0.5 MB a book; Books3 was 37 GB as EPUB, 101 GB as text",
        splits="small files packed to 256 MB; one archive a task",
        example="**/*.epub",
    )

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each EPUB, loose or in an archive, as one record."""
        yield from blob_records(split, tally, limit=options.max_file_bytes, wanted=_wanted)

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Turn one book into a document or a reject."""
        key, size = raw.meta["key"], len(raw.body)
        try:
            document = _book(inflated(raw.body, options.max_file_bytes), raw, options)
        except Inflate as error:
            return [Reject(error.reason, raw.rel, raw.record, str(error), key, "error", raw_bytes=size)]
        except _Bad as bad:
            return [Reject(bad.reason, raw.rel, raw.record, bad.detail, key, bad.kind, raw_bytes=size)]
        document.raw_bytes = size
        return [document]


def _wanted(name: str) -> str:
    return "" if _NAME.search(name) else "not_epub"


class _Bad(Exception):
    def __init__(self, reason: str, detail: str = "", kind: Literal["policy", "error"] = "error") -> None:
        super().__init__(detail)
        self.reason, self.detail, self.kind = reason, detail, kind


class _Archive:
    """The members of one book, read within a budget of bytes."""

    def __init__(self, body: bytes, budget: int) -> None:
        if body.count(b"PK\x01\x02") > _MAX_MEMBERS:
            raise _Bad("too_many_members", f"more than {_MAX_MEMBERS} files in one book")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(body))
        except _ERRORS as error:
            raise _Bad("corrupt_epub", f"not a whole zip: {error}") from error
        self._infos = {info.filename: info for info in self._zip.infolist()}
        self._folded = {name.lower(): name for name in reversed(self._infos)}
        self._budget = budget

    def has(self, path: str) -> bool:
        return path in self._infos or path.lower() in self._folded

    def named(self, suffix: str) -> list[str]:
        return sorted(name for name in self._infos if name.lower().endswith(suffix))

    def text(self, path: str) -> str:
        """Return a member as text; ``""`` if it is not there."""
        info = self._infos.get(path) or self._infos.get(self._folded.get(path.lower(), ""))
        if info is None:
            return ""
        if info.flag_bits & 1:
            raise _Bad("encrypted", f"{path} is encrypted", "policy")
        if info.compress_type not in _METHODS:
            raise _Bad("unsupported", f"{path} is compressed by method {info.compress_type}")
        try:
            with self._zip.open(info) as member:
                data = member.read(self._budget + 1)
        except (*_ERRORS, RuntimeError) as error:
            raise _Bad("corrupt_epub", f"{path}: {error}") from error
        self._budget -= len(data)
        if self._budget < 0:
            raise _Bad("text_too_large", "its chapters unpack to more than the option max_text_bytes allows")
        return decode(data).text


def _book(body: bytes, raw: Raw, options: EpubOptions) -> Document:
    archive = _Archive(body, options.max_text_bytes)
    if file := locked(archive.text("META-INF/encryption.xml")):
        raise _Bad("encrypted", f"{file} is encrypted (DRM)", "policy")
    paths = [path for path in package_paths(archive.text("META-INF/container.xml")) if archive.has(path)]
    path = (paths or archive.named(".opf") or [""])[0]
    if not path:
        raise _Bad("no_package", "no package document (.opf)")
    package = read_package(archive.text(path), path)
    order = package.reading_order()
    if not order:
        raise _Bad("no_spine", "the package names no chapter that can be read")
    chapters, facts = _chapters(archive, package, order, options)
    if not chapters:
        if facts["missing_files"] == len(order):
            raise _Bad("missing_chapters", f"none of {len(order)} chapters is in the archive")
        raise _Bad("no_text", "nothing is left but covers, contents and pictures", "policy")
    text = "\n\n".join(chapters)
    if options.front_matter == "drop":
        text = without_frame(text) or text
    rights = package.first("rights")
    meta: dict[str, Any] = {
        "authors": package.metadata.get("creator", []),
        "language": package.first("language"),
        "date": package.first("date"),
        "publisher": package.first("publisher"),
        "identifier": package.first("identifier"),
        "subjects": package.metadata.get("subject", [])[:20],
        "rights": rights[:500],
        "epub_version": package.version,
        "sections": len(chapters),
        **facts,
    }
    sources = [*package.metadata.get("source", []), *package.metadata.get("identifier", [])]
    return Document(
        key=raw.meta["key"],
        text=text,
        rel=raw.rel,
        record=raw.record,
        url=next((value for value in sources if _URL.match(value)), ""),
        title=package.first("title"),
        licence=package.licence(),
        meta={name: value for name, value in meta.items() if value},
    )


def _chapters(
    archive: _Archive, package: Package, order: list[tuple[Any, bool]], options: EpubOptions
) -> tuple[list[str], dict[str, int]]:
    """Return the chapters' texts, and how many files were missing and how many parts were left out."""
    drop = options.front_matter == "drop"
    wanted = BookOptions(options.footnotes == "keep", options.alt_texts, MATTER if drop else frozenset())
    marked = {path: kind for path, kind in package.guide.items() if kind in MATTER}
    for item in package.items.values():
        if "nav" in item.properties:
            found = landmarks(archive.text(item.path), item.path)
            marked |= {path: kind for path, kind in found.items() if MATTER.intersection(kind.split())}
            marked[item.path] = "toc"
    read: list[tuple[Chapter, str, bool]] = []
    marks: dict[str, dict[str, str]] = defaultdict(dict)
    missing = 0
    for item, linear in order:
        if not archive.has(item.path):
            missing += 1
            continue
        kind = marked.get(item.path, "")
        if drop and kind and len(order) > 1:
            read.append((Chapter(""), kind, linear))
            continue
        chapter = chapter_text(archive.text(item.path), wanted, marks.get(item.path))
        for address, mark in chapter.marks.items():
            file, _, name = address.partition("#")
            marks[resolve(item.path, file)].setdefault(name, mark)
        read.append((chapter, kind, linear))
    texts: list[str] = []
    dropped = 0
    title, authors = package.first("title"), package.metadata.get("creator", [])
    for place, (chapter, kind, linear) in enumerate(read):
        apart = not linear and options.nonlinear == "drop" and not chapter.notes
        looks = drop and len(read) > 1 and matter(chapter, place, len(read) - 1 - place, title, authors)
        if apart or looks or (drop and kind and len(order) > 1):
            dropped += 1
        elif chapter.text.strip():
            texts.append(chapter.text)
        else:
            dropped += 1
    return texts, {"missing_files": missing, "left_out": dropped}
