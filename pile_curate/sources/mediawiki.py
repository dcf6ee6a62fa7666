"""Read MediaWiki XML exports: the dumps of Wikipedia and of any other wiki (``pages-articles.xml.bz2``).

One record is one ``<page>``; its latest revision becomes one document of prose. A page is known by its wiki's
database name and its page id, which survive renames and are the same in every later dump. The format:
https://www.mediawiki.org/wiki/Help:Export (schema versions 0.3 to 0.11).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal
from urllib.parse import quote
from xml.etree.ElementTree import Element

from pydantic import Field

from pile_curate.extract.wikitext import WIKITEXT_VERSION, Wiki, is_disambiguation, redirect_target, to_text
from pile_curate.extract.xml import XmlError, parse_element
from pile_curate.files import RawFile, Tally
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
from pile_curate.sources.xmldump import aligned_splits, head_of, xml_records

_PAGE, _PAGE_END, _ROOT_END = b"<page>", b"</page>", b"</mediawiki>"


class MediaWikiOptions(SourceOptions):
    """What of a wiki becomes text."""

    namespaces: list[int] = Field([0], description="Namespaces to keep; 0 holds the articles.")
    disambiguation: Literal["reject", "keep"] = Field(
        "reject", description="Pages that only list the meanings of a word."
    )
    title: bool = Field(True, description="Begin each text with the page's title on a line of its own.")
    end_matter: bool = Field(
        False, description="Keep sections of references and links (See also, External links, …)."
    )
    wiki: str | None = Field(
        None,
        description="Database name (enwiki) where the dump has no siteinfo; part of every document's key.",
    )
    base_url: str | None = Field(
        None, description="Page address up to the title, where the dump does not say it."
    )


def siteinfo(head: bytes) -> dict[str, str]:
    """Find the wiki's name, language, address and namespace names in the first bytes of a dump.

    Regular expressions, because this runs in the task, where no XML parser may, and ``siteinfo`` has no nesting.
    """
    text = head[: head.find(_PAGE)] if _PAGE in head else head
    plain = text.decode("utf-8", "replace")

    def first(pattern: str) -> str:
        found = re.search(pattern, plain)
        return html.unescape(found[1]).strip() if found else ""

    names = {"media": "-2", "file": "6", "category": "14"}
    info = {
        "wiki": first(r"<dbname>([^<]*)"),
        "base": first(r"<base>([^<]*)"),
        # Up to the next "<", not only to ">": a head that repeats a tag would cost the square of its length.
        "language": first(r"<mediawiki[^<>]*\bxml:lang=\"([^\"]*)"),
    }
    return info | {name: first(rf'<namespace key="{key}"[^<>]*>([^<]*)') for name, key in names.items()}


@lru_cache(maxsize=16)
def _wiki(language: str, media: str, file: str, category: str) -> Wiki:
    return Wiki.of_siteinfo(language, {-2: media, 6: file, 14: category})


def page_url(base: str, title: str) -> str:
    """Return a page's address from the main page's: ``…/wiki/Main_Page`` or ``…/index.php?title=Main_Page``."""
    edge = max(base.rfind("/"), base.rfind("title=") + 5 if "title=" in base else -1)
    return base[: edge + 1] + quote(title.replace(" ", "_"), safe="/:@!$*'(),;~") if base else ""


def _number(text: str | None) -> int:
    """Read a whole number; anything else is 0."""
    return int(text) if text and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", text) else 0


class MediaWikiSource(SourceFormat):
    """MediaWiki XML, plain or compressed; multistream bzip2 is read in parallel."""

    name: ClassVar[str] = "mediawiki"
    version: ClassVar[int] = WIKITEXT_VERSION
    summary: ClassVar[str] = "MediaWiki XML exports (Wikipedia): wikitext to prose"
    suffixes: ClassVar[tuple[str, ...]] = (".xml", ".xml.bz2", ".xml.gz", ".xml.zst", ".bz2")
    Options: ClassVar[type[SourceOptions]] = MediaWikiOptions
    about: ClassVar[About] = About(
        publisher="Wikimedia and any MediaWiki",
        where="https://dumps.wikimedia.org",
        licence="CC-BY-SA-4.0",
        consent="author",
        size="about 22 GB for English Wikipedia as multistream bz2",
        splits="plain files at pages, multistream bz2 at streams",
        example="*wiki-*-pages-articles-multistream.xml.bz2",
    )

    def splits(self, files: Sequence[RawFile], options: Any, target: int = SPLIT_BYTES) -> list[Split]:
        """Cut plain files at pages, multistream bzip2 at streams that begin with a page."""
        return aligned_splits(files, _PAGE, target)

    def frames(self, split: Split, options: MediaWikiOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each ``<page>…</page>`` with what the file's head says of the wiki."""

        def meta(file: RawFile) -> dict[str, object]:
            return dict(siteinfo(head_of(file)))

        yield from xml_records(split, tally, _PAGE, _PAGE_END, _ROOT_END, meta)

    def parse(self, raw: Raw, options: MediaWikiOptions) -> list[Outcome]:
        """Turn one page into one document or one reject."""
        return [self._page(raw, options)]

    def _page(self, raw: Raw, options: MediaWikiOptions) -> Outcome:
        size = len(raw.body)

        def reject(
            reason: str, detail: str = "", kind: Literal["policy", "error"] = "policy", key: str = ""
        ) -> Reject:
            return Reject(reason, raw.rel, raw.record, detail, key, kind, raw_bytes=size)

        try:
            page = parse_element(raw.body)
        except XmlError as error:
            return reject("xml_error", str(error), "error")
        wiki_name = options.wiki or raw.meta.get("wiki") or ""
        title = (page.findtext("title") or "").strip()
        page_id = _number(page.findtext("id"))
        if not page_id or not title:
            return reject("no_page_id", "a page needs a title and a numeric id", "error")
        if not wiki_name:
            return reject("no_wiki", "the dump's head names no wiki; set the option 'wiki' (enwiki)", "error")
        key = f"{wiki_name}/{page_id}"
        namespace = _number(page.findtext("ns"))  # schemas before 0.6 do not say it
        if namespace not in options.namespaces:
            return reject("namespace", f"namespace {namespace}: {title}", key=key)
        target = page.find("redirect")
        if target is not None:
            return reject("redirect", f"{title} -> {target.get('title', '')}", key=key)
        revision = _latest(page)
        text = (revision.findtext("text") or "") if revision is not None else ""
        if revision is None or not text.strip():
            return reject("empty_page", title, key=key)
        model = revision.findtext("model") or "wikitext"
        if model != "wikitext":
            return reject("content_model", f"{model}: {title}", key=key)
        moved_to = redirect_target(text)
        if moved_to is not None:
            return reject("redirect", f"{title} -> {moved_to}", key=key)
        if options.disambiguation == "reject" and is_disambiguation(text, title):
            return reject("disambiguation", title, key=key)
        wiki = _wiki(*(raw.meta.get(name, "") for name in ("language", "media", "file", "category")))
        prose = to_text(text, wiki, title=title, end_matter=options.end_matter)
        if not prose:
            return reject("empty_page", f"{title}: nothing is left without templates and tables", key=key)
        return Document(
            key=key,
            text=f"{title}\n\n{prose}" if options.title else prose,
            rel=raw.rel,
            record=raw.record,
            url=(options.base_url + quote(title.replace(" ", "_")))
            if options.base_url
            else page_url(raw.meta.get("base", ""), title),
            title=title,
            raw_bytes=size,
            meta={
                "wiki": wiki_name,
                "language": wiki.language,
                "page": page_id,
                "revision": _number(revision.findtext("id")),
                "timestamp": revision.findtext("timestamp") or "",
            },
        )


def _latest(page: Element) -> Element | None:
    """Return the newest revision: dumps with full history list them in no promised order."""
    revisions = page.findall("revision")
    return max(
        revisions, key=lambda r: (r.findtext("timestamp") or "", _number(r.findtext("id"))), default=None
    )
