"""Read PubMed Central's articles: JATS XML, one article a file, loose or in the bulk packages.

Sets of articles (``<articles>`` of Europe PMC, ``<pmc-articleset>`` of efetch) are cut into their articles.

The open-access subset comes as ``oa_comm_xml.PMC001xxxxxx.baseline.2024-06-18.tar.gz`` (thousands of ``.xml`` in each) and as one
archive an article, with its pictures; both are read as they come. An article's own licence goes with its document:
it is what the subset's three groups (commercial, non-commercial, other) are made of. The native key is the PMC
number, else DOI or PubMed number, else the path. Layout: https://jats.nlm.nih.gov, archiving tag set 1.0 to 1.3
and the NLM DTDs before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal
from xml.etree.ElementTree import Element

from pydantic import Field

from pile_curate.decode import sniff
from pile_curate.extract import jats_front as front
from pile_curate.extract.jats import Block, JatsChoices, JatsReader, joined
from pile_curate.extract.xml import XmlError
from pile_curate.extract.xml_document import EntityError, parse_document
from pile_curate.files import RawFile, Tally, open_raw
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, SourceOptions, Split
from pile_curate.sources.blobs import Inflate, blob_records, inflated
from pile_curate.sources.xmldump import head_of, xml_records

_ARTICLE = re.compile(r"\.(?:nxml|xml)(?:\.gz)?$", re.IGNORECASE)
_SET = re.compile(rb"<(articles|pmc-articleset)[ >]")
_HEAD = 2048
_NO_ABSTRACTS = frozenset(
    "toc graphical teaser web-summary key-points highlights author-highlights editor-highlights precis short".split()
)
_NOTICES = [
    "addendum", "announcement", "books-received", "calendar", "correction", "expression-of-concern", "index",
    "partial-retraction", "retraction",
]  # fmt: skip


class PubMedCentralOptions(SourceOptions):
    """Say what of an article is text, and which articles are wanted."""

    captions: bool = Field(False, description="Keep the captions of figures and tables, where they stand.")
    tables: bool = Field(
        False, description="Keep tables with their captions, as rows of cells with ' | ' between."
    )
    formulas: Literal["tex", "text", "drop"] = Field(
        "tex",
        description="Formulas as TeX in dollars where the article has it; always as plain text; or none.",
    )
    citations: Literal["keep", "drop_numbers", "drop_all"] = Field(
        "drop_numbers",
        description="Citation markers: keep all; drop numbers ('[12]'); drop names and years in brackets too.",
    )
    footnotes: bool = Field(
        True, description="Put a footnote of the text behind the paragraph that refers to it."
    )
    back_matter: bool = Field(
        False,
        description="Keep sections on funding, interests, data, supplements and the like, and acknowledgements.",
    )
    without_body: Literal["reject", "keep"] = Field(
        "reject", description="Articles of which PubMed Central has only title and abstract."
    )
    retracted: Literal["reject", "keep"] = Field("reject", description="Articles marked as retracted.")
    reject_types: list[str] = Field(
        _NOTICES,
        description="Values of article-type that are no prose of their own: corrections, retractions, lists.",
    )
    max_file_bytes: int = Field(64 << 20, ge=1024, description="Largest article that is read, in bytes.")


def _wanted(name: str) -> str:
    return "" if _ARTICLE.search(name) else "not_an_article"


def _set_ending(file: RawFile) -> bytes:
    """Return the end tag of a file that holds many articles, as Europe PMC and efetch deliver them; else nothing."""
    with open_raw(file.path) as handle:
        head = handle.read(_HEAD)
    if sniff(head):
        head = head_of(file, _HEAD)
    found = _SET.search(head[:_HEAD])
    return b"</" + found[1] + b">" if found else b""


def _set_meta(file: RawFile) -> dict[str, object]:
    return {"key": file.rel, "name": file.rel, "set": True}


class PubMedCentralSource(SourceFormat):
    """Read one article a file or archive member."""

    name: ClassVar[str] = "pubmed_central"
    version: ClassVar[int] = 2
    summary: ClassVar[str] = "PubMed Central articles (JATS XML), loose or in bulk packages"
    suffixes: ClassVar[tuple[str, ...]] = (".nxml", ".xml", ".tar.gz")
    Options: ClassVar[type[SourceOptions]] = PubMedCentralOptions
    about: ClassVar[About] = About(
        publisher="National Library of Medicine, PubMed Central Open Access Subset",
        where="https://pmc.ncbi.nlm.nih.gov/tools/openftlist/",
        licence="as each article says; LicenseRef-article-terms for the rest",
        consent="author",
        size="about 130 GB as XML in tar.gz",
        splits="an archive a task; loose files packed to 256 MB",
        example="oa_comm_xml.*.tar.gz",
    )

    def frames(self, split: Split, options: PubMedCentralOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each file and each archive member that is named like an article, and each article of a set."""
        for file in split.files:
            ending = _set_ending(file) if _ARTICLE.search(file.rel) else b""
            if ending:
                part = Split((file,))
                yield from xml_records(part, tally, b"<article ", b"</article>", ending, _set_meta)
            else:
                yield from blob_records(Split((file,)), tally, limit=options.max_file_bytes, wanted=_wanted)

    def parse(self, raw: Raw, options: PubMedCentralOptions) -> list[Outcome]:
        """Turn one article into a document or a reject."""
        return [_article(raw, options)]


def _article(raw: Raw, options: PubMedCentralOptions) -> Outcome:
    size = len(raw.body)
    path = f"{raw.meta['key']}#{raw.record}" if raw.meta.get("set") else str(raw.meta["key"])

    def reject(
        reason: str, detail: str = "", kind: Literal["policy", "error"] = "policy", key: str = path
    ) -> Reject:
        return Reject(reason, raw.rel, raw.record, detail, key, kind, raw_bytes=size)

    if size > options.max_file_bytes:
        detail = f"{size} bytes; the option max_file_bytes allows {options.max_file_bytes}"
        return reject("record_too_large", detail, "error")
    try:
        root = parse_document(inflated(raw.body, options.max_file_bytes))
    except Inflate as error:
        return reject(error.reason, str(error), "error")
    except EntityError as error:
        return reject("xml_entities", str(error), "error")
    except XmlError as error:
        return reject("xml_error", str(error), "error")
    found = root if root.tag == "article" else None
    if found is None:  # wrapped, as OAI-PMH delivers it
        inner = list(root.iter("article"))
        if len(inner) > 1:
            return reject("article_set", f"{len(inner)} articles in one record; unpack the archive", "error")
        found = inner[0] if inner else None
    meta = found.find("front/article-meta") if found is not None else None
    if found is None or meta is None:
        return reject(
            "not_jats", f"the root is <{root.tag[:60]}>; an <article> with <front> is expected", "error"
        )
    root = found
    ids = front.article_ids(meta)
    key = ids.get("pmc") or (f"doi:{ids['doi']}" if "doi" in ids else "")
    key = key or (f"pmid:{ids['pmid']}" if "pmid" in ids else path)
    kind = root.get("article-type", "")
    if kind in options.reject_types:
        return reject("article_type", kind, key=key)
    reader = JatsReader(root, _choices(options))
    title = _title(meta, reader)
    if options.retracted == "reject" and front.is_retracted(root, title):
        return reject("retracted", title[:200], key=key)
    abstract, body = _abstract(meta, reader), _body(root, reader, options)
    if not body and options.without_body == "reject":
        return reject("no_body", "the file holds no text of the article but title and abstract", key=key)
    if not body and not abstract:
        return reject("no_text", title[:200], key=key)
    licence, said = front.licence(root)
    facts: dict[str, Any] = {
        **ids,
        "journal": front.journal(root),
        "date": front.published(meta),
        "article_type": kind,
        "authors": front.authors(meta),
        "language": front.language(root),
        "keywords": [front.words_of(word) for word in meta.iterfind("kwd-group/kwd")],
        "sections": sum(block.kind == "heading" for block in body),
        "figures": sum(1 for _ in root.iter("fig")),
        "tables": sum(1 for _ in root.iter("table-wrap")),
        "formulas": reader.formulas,
        "references": sum(1 for _ in root.iter("ref")),
        "licence_said": said if licence is None or licence.startswith("LicenseRef-") else "",
    }
    blocks = [Block("heading", title, 0)] if title else []
    return Document(
        key=key,
        text=joined(blocks + abstract + body),
        rel=raw.rel,
        record=raw.record,
        url=f"https://pmc.ncbi.nlm.nih.gov/articles/{ids['pmc']}/"
        if "pmc" in ids
        else f"https://doi.org/{ids['doi']}"
        if "doi" in ids
        else "",
        title=title,
        licence=licence,
        raw_bytes=size,
        meta={name: value for name, value in facts.items() if value not in ("", [])},
    )


def _choices(options: PubMedCentralOptions) -> JatsChoices:
    return JatsChoices(
        options.captions,
        options.tables,
        options.formulas,
        options.citations,
        options.footnotes,
        options.back_matter,
    )


def _title(meta: Element, reader: JatsReader) -> str:
    group = meta.find("title-group")
    if group is None:
        return ""
    title, subtitle = reader.title(group.find("article-title")), reader.title(group.find("subtitle"))
    if not subtitle:
        return title
    return f"{title} {subtitle}" if title.endswith((":", "?", ".", "–", "—")) else f"{title}: {subtitle}"


def _abstract(meta: Element, reader: JatsReader) -> list[Block]:
    """Return the abstracts that summarise in prose: no table of contents, no picture, no translation."""
    out: list[Block] = []
    for abstract in meta.iterfind("abstract"):
        if abstract.get("abstract-type", "") in _NO_ABSTRACTS:
            continue
        heading = reader.title(abstract.find("title")) or ("Abstract" if not out else "Summary")
        inner = reader.blocks(abstract, 2)
        if inner:
            out += [Block("heading", heading, 1), *inner]
    return out


def _body(root: Element, reader: JatsReader, options: PubMedCentralOptions) -> list[Block]:
    out: list[Block] = []
    body, back = root.find("body"), root.find("back")
    if body is not None:
        out += reader.blocks(body)
    if back is not None:
        wanted = ("app-group", "app", "sec", "ack") if options.back_matter else ("app-group", "app")
        for part in back:
            if part.tag in wanted:
                holder = Element("body")
                holder.append(part)
                if part.tag == "ack":
                    part.tag = "sec"
                out += reader.blocks(holder)
    for floats in root.iterfind("floats-group") if options.captions or options.tables else ():
        out += reader.blocks(floats)
    return out if any(block.kind != "heading" for block in out) else []
