"""Read PDF files, loose or in archives: articles and books as repositories such as PhilArchive hold them.

One file is one record and one document. ``extract/pdf_words.py`` reads words by PDFium, ``pdf_layout.py`` puts them in
reading order, ``pdf_text.py`` makes paragraphs. A scan without a text layer is rejected by policy (no OCR is done
here), and so is what needs a password. The native key is the path. Title, authors and date come from the document
information, in its absence from XMP and the first page's largest print.

Parsing is native code on untrusted bytes and belongs in the guarded child, whose CPU and memory limits also end what
is built to exhaust a reader.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from pile_curate.extract.pdf_facts import facts_of, licence_of, useful_title
from pile_curate.extract.pdf_text import PdfStyle, pdf_text
from pile_curate.extract.pdf_words import PdfError, read_pdf
from pile_curate.files import Tally
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, SourceOptions, Split
from pile_curate.sources.blobs import Inflate, blob_records, inflated

_NAME = re.compile(r"\.pdf(\.(gz|bz2|xz|zst))?$", re.IGNORECASE)
_HEAD = 1024
_MIN_LETTERS = 20
_GARBLED = re.compile("[\ufffd\ue000-\uf8ff\x00-\x1f\x7f-\x9f]")
_GARBLED_SHARE = 0.2


class PdfOptions(SourceOptions):
    """Say what of a document is its text, and how much is read."""

    footnotes: Literal["after", "drop"] = Field(
        "after", description="Footnotes: after the paragraph that ends on or after their page, or left out."
    )
    references: Literal["keep", "drop"] = Field(
        "keep", description="The list of references at a document's end."
    )
    max_pages: int = Field(
        2000, ge=1, description="Pages that are read of a document; later ones are left out."
    )
    max_file_bytes: int = Field(128 << 20, ge=1024, description="Largest file that is read, in bytes.")


class PdfSource(SourceFormat):
    """Read one document a file."""

    name = "pdf"
    version = 1
    summary = "PDF files with a text layer, loose or in archives (PhilPapers)"
    suffixes = (".pdf", ".tar", ".zip")
    libraries = ("pypdfium2",)
    Options = PdfOptions
    about = About(
        publisher="Repositories of papers (PhilArchive), institutions, one's own library",
        where="https://philarchive.org/oai.pl",
        licence="per document, where it says so",
        consent="author",
        size="about 1 MB an article",
        splits="small files packed to 256 MB; archives a file a task",
        example="**/*.pdf",
    )

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each file, or member of an archive, as one record."""
        yield from blob_records(split, tally, limit=options.max_file_bytes, wanted=_unwanted)

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Turn one file into a document or a reject."""
        return [_outcome(raw, options)]


def _unwanted(name: str) -> str:
    base = posixpath.basename(name)
    return "" if _NAME.search(base) or "." not in base else "not_pdf"


def _outcome(raw: Raw, options: Any) -> Outcome:
    size = len(raw.body)
    key = raw.meta["key"]

    def reject(reason: str, detail: str = "", kind: Literal["policy", "error"] = "policy") -> Reject:
        return Reject(reason, raw.rel, raw.record, detail, key, kind, raw_bytes=size)

    try:
        data = inflated(raw.body, options.max_file_bytes)
        if b"%PDF-" not in data[:_HEAD]:
            return reject("not_pdf", f"it begins with {data[:8]!r}", "error")
        pdf = read_pdf(data, options.max_pages)
    except Inflate as error:
        return reject(error.reason, str(error), "error")
    except PdfError as error:
        return reject(error.reason, str(error), "policy" if error.reason == "encrypted" else "error")
    if pdf.unreadable and not pdf.pages:
        return reject("corrupt_pdf", f"none of {pdf.count} pages can be read", "error")
    sample = "".join(word.text for page in pdf.pages for word in page.words)
    if len(sample) < _MIN_LETTERS:
        return reject("no_text_layer", f"{len(sample)} characters on {len(pdf.pages)} pages")
    if len(_GARBLED.findall(sample)) > _GARBLED_SHARE * len(sample):
        return reject("garbled_text", "its fonts do not say which letters they show", "error")
    found = pdf_text(pdf, PdfStyle(options.footnotes == "after", options.references == "keep"))
    if not any(char.isalnum() for char in found.text):
        return reject("no_text", "nothing is left without running heads and page numbers")
    facts = facts_of(pdf.info, data)
    title = useful_title(facts.pop("title", "")) or found.title
    meta: dict[str, Any] = {**facts, "pages": pdf.count}
    extra = {
        "pages_left_out": pdf.count - len(pdf.pages) - pdf.unreadable,
        "pages_unreadable": pdf.unreadable,
        "pages_without_text": found.empty_pages,
        "running_lines_left_out": found.furniture,
        "footnote_lines": found.footnotes,
    }
    meta |= {name: count for name, count in extra.items() if count}
    return Document(
        key,
        found.text,
        raw.rel,
        raw.record,
        title=title,
        licence=licence_of(data, found.text),
        raw_bytes=size,
        meta=meta,
    )
