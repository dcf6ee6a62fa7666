"""Read PubMed's citations (baseline and update files): the newest title and abstract of each is one document.

A citation comes again in a later file whenever something in it changes, and is deleted by a list at the end of an
update file. So this format is threaded, by PubMed number. Files count in the order of their names (``pubmed24n0001``
before ``pubmed24n1220``, wherever they lie), records in the order of the file. Of each version (``<PMID Version="2">``)
the last record speaks; of the versions that were not deleted, the highest. What was superseded is a reject.
Documentation: https://www.nlm.nih.gov/databases/download/pubmed_medline_documentation.html.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pile_curate.decode import HEAD_BYTES, sniff
from pile_curate.extract.medline import abstract_text, facts_of, title_text
from pile_curate.extract.xml import XmlError
from pile_curate.extract.xml_document import parse_document
from pile_curate.files import RawFile, Tally, open_raw
from pile_curate.sources.base import (
    SPLIT_BYTES,
    About,
    Document,
    Outcome,
    Raw,
    Reject,
    SourceFormat,
    SourceOptions,
    Split,
)
from pile_curate.sources.parts import unused
from pile_curate.sources.pubmed_frames import ARTICLE, pubmed_records
from pile_curate.sources.xmldump import aligned_splits

_PMID = re.compile(rb"<PMID(?:\s+Version=\"([0-9]{1,4})\")?\s*>\s*([0-9]{1,12})\s*</PMID>\s*")
_DIGITS = re.compile(r"([0-9]+)")
_RETRACTED = frozenset(("Retracted Publication",))


class PubMedAbstractsOptions(SourceOptions):
    """Say which citations are wanted, and what of them."""

    title: bool = Field(True, description="Begin each text with the title on a line of its own.")
    without_abstract: Literal["reject", "keep"] = Field(
        "reject", description="Citations that have a title only (a third of PubMed)."
    )
    with_pmc: Literal["keep", "reject"] = Field(
        "keep", description="Citations whose full text is in PubMed Central: reject them beside that source."
    )
    other_abstracts: Literal["instead", "append", "drop"] = Field(
        "instead",
        description="Abstracts in other languages or for lay readers: used where there is no other; appended; dropped.",
    )
    retracted: Literal["reject", "keep"] = Field("reject", description="Publications marked as retracted.")
    reject_types: list[str] = Field(
        ["Published Erratum", "Retraction of Publication", "Retraction Notice", "Expression of Concern"],
        description="Publication types that are no prose of their own.",
    )


class PubMedAbstractsSource(SourceFormat):
    """Read PubMed XML, plain or gzip; plain files are read in parallel."""

    name: ClassVar[str] = "pubmed_abstracts"
    version: ClassVar[int] = 2
    summary: ClassVar[str] = (
        "PubMed citations (baseline and update XML): the newest title and abstract of each"
    )
    suffixes: ClassVar[tuple[str, ...]] = (".xml.gz", ".xml")
    Options: ClassVar[type[SourceOptions]] = PubMedAbstractsOptions
    about: ClassVar[About] = About(
        publisher="National Library of Medicine, PubMed",
        where="https://ftp.ncbi.nlm.nih.gov/pubmed/",
        licence="LicenseRef-NLM-terms",
        consent="author",
        size="about 50 GB in xml.gz: 1,300 baseline files, some update files a day",
        splits="a file a task, plain files at citations; threads meet once, by PubMed number",
        example="*/pubmed*.xml.gz",
    )
    threaded: ClassVar[bool] = True

    def splits(self, files: Sequence[RawFile], options: Any, target: int = SPLIT_BYTES) -> list[Split]:
        """Cut plain files at citations; others are read whole."""
        plain: list[RawFile] = []
        whole: list[RawFile] = []
        for file in files:
            with open_raw(file.path) as handle:
                (whole if file.size > target and sniff(handle.read(HEAD_BYTES)) else plain).append(file)
        return aligned_splits(plain, ARTICLE, target) + super().splits(whole, options, target)

    def frames(self, split: Split, options: PubMedAbstractsOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each citation and each deletion."""
        yield from pubmed_records(split, tally)

    def parse(self, raw: Raw, options: PubMedAbstractsOptions) -> list[Outcome]:
        """Turn one record into a part of its number's thread, or a reject."""
        return [_deletion(raw) if raw.body.startswith(b"<PMID") else _citation(raw, options)]

    def assemble(
        self, thread: str, parts: Sequence[Document], options: PubMedAbstractsOptions
    ) -> list[Outcome]:
        """Keep the newest record of a number, unless it was deleted or is not wanted."""
        ordered = sorted(parts, key=lambda part: (file_order(part.rel), part.record))
        last = {part.meta["version"]: part for part in ordered}
        # A list of deletions says the version too; one that names another than any citation here deletes nothing.
        living = [part for part in last.values() if not part.meta["deleted"]]
        newest = max(living, key=lambda part: part.meta["version"], default=None)
        outcomes: list[Outcome] = []
        for part in ordered:
            if part is newest:
                outcomes.append(_settled(part, options))
            elif part.meta["deleted"]:
                outcomes.append(
                    unused(part, "delete_citation", f"version {part.meta['version']} of {thread}")
                )
            elif newest is None:
                outcomes.append(unused(part, "deleted_citation", "a later file deletes it"))
            else:
                where = f"by version {newest.meta['version']} in {newest.rel} at {newest.record}"
                outcomes.append(unused(part, "superseded", where))
        return outcomes


def file_order(rel: str) -> tuple[Any, ...]:
    """Return what orders files by name: numbers by value, whatever folder they lie in.

    >>> file_order("updates/pubmed24n1220.xml.gz") > file_order("zeta/pubmed24n0999.xml.gz")
    True
    """
    name = posixpath.basename(rel)
    return (
        *((int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name) if part),
        (-2, rel),
    )


def _settled(part: Document, options: PubMedAbstractsOptions) -> Outcome:
    """Turn a number's newest record into its document, or a reject if it is not wanted."""
    types = part.meta.get("publication_types", [])
    if options.retracted == "reject" and _RETRACTED.intersection(types):
        return unused(part, "retracted", part.title[:200])
    unwanted = [one for one in types if one in options.reject_types]
    if unwanted:
        return unused(part, "publication_type", unwanted[0])
    if options.with_pmc == "reject" and part.meta.get("pmc"):
        return unused(part, "in_pmc", part.meta["pmc"])
    if not part.text and (options.without_abstract == "reject" or not part.title):
        return unused(part, "no_abstract", part.title[:200])
    meta = {name: value for name, value in part.meta.items() if name not in ("thread", "deleted")}
    lead = part.title if options.title else ""
    text = "\n\n".join(piece for piece in (lead, part.text) if piece) or part.title
    return Document(
        key=part.key,
        text=text,
        rel=part.rel,
        record=part.record,
        url=f"https://pubmed.ncbi.nlm.nih.gov/{part.key}/",
        title=part.title,
        raw_bytes=part.raw_bytes,
        meta=meta,
    )


def _deletion(raw: Raw) -> Outcome:
    size = len(raw.body)
    found = _PMID.match(raw.body)
    if found is None:
        detail = f"{raw.body[:80]!r} is no PubMed number"
        return Reject("bad_deletion", raw.rel, raw.record, detail, kind="error", raw_bytes=size)
    pmid = str(int(found[2]))
    facts = {"thread": pmid, "version": int(found[1] or 1), "deleted": True}
    return Document(pmid, "", raw.rel, raw.record, raw_bytes=size, meta=facts)


def _citation(raw: Raw, options: PubMedAbstractsOptions) -> Outcome:
    size = len(raw.body)
    try:
        root = parse_document(raw.body)
    except XmlError as error:
        return Reject("xml_error", raw.rel, raw.record, str(error), kind="error", raw_bytes=size)
    citation = root.find("MedlineCitation" if root.tag == "PubmedArticle" else "BookDocument")
    number = citation.find("PMID") if citation is not None else None
    pmid = (number.text or "").strip() if number is not None else ""
    if citation is None or number is None or not re.fullmatch("[0-9]{1,12}", pmid):
        detail = f"PMID {pmid[:40]!r}: a citation needs its number"
        return Reject("no_pmid", raw.rel, raw.record, detail, kind="error", raw_bytes=size)
    article = citation.find("Article")
    article = citation if article is None else article
    data = root.find("PubmedData" if root.tag == "PubmedArticle" else "PubmedBookData")
    facts = facts_of(citation, article, data)
    version = number.get("Version", "1")
    text = abstract_text(article.find("Abstract"))
    others = [
        (other.get("Language", ""), other.get("Type", ""), body)
        for other in citation.iterfind("OtherAbstract")
        if (body := abstract_text(other))
    ]
    text = _with_others(text, others, facts, options)
    title = title_text(article.find("ArticleTitle")) or title_text(article.find("VernacularTitle"))
    pmid = str(int(pmid))
    meta = {
        "thread": pmid,
        "pmid": pmid,
        "version": int(version) if re.fullmatch("[0-9]{1,4}", version) else 1,
        "deleted": False,
        **facts,
    }
    return Document(pmid, text, raw.rel, raw.record, title=title, raw_bytes=size, meta=meta)


def _with_others(
    text: str, others: list[tuple[str, str, str]], facts: dict[str, Any], options: PubMedAbstractsOptions
) -> str:
    """Add what the option asks for of the other abstracts, and note the language of each that was used."""
    used: list[tuple[str, str, str]] = []
    if options.other_abstracts == "append":
        used = others
    elif options.other_abstracts == "instead" and not text:
        used = sorted(others, key=lambda other: other[0] != "eng")[:1]
    if used:
        facts["other_abstracts"] = [language or kind for language, kind, _ in used]
    return "\n\n".join([*([text] if text else []), *(body for _, _, body in used)])
