"""Read saved HTML pages: folders of them, as wget and browsers leave them, or tar and zip archives of such folders.

Main content is found as for web archives (``extract/html.py``); encodings are decided as browsers do. A file that is no
HTML by name is rejected unread; one whose name says nothing is looked at. The native key is the file's path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from pydantic import Field

from pile_curate.extract.encoding import decode, public_name
from pile_curate.extract.html import HtmlOptions, extract
from pile_curate.extract.page_facts import page_facts
from pile_curate.files import Tally
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, SourceOptions, Split
from pile_curate.sources.blobs import Inflate, blob_records, inflated

_PAGE = re.compile(r"\.(?:x?html?|shtml|xht|php[0-9]?|aspx?|jsp|cgi|cfm)(?:[?@].*)?$", re.I)
_EXTENSION = re.compile(r"\.[a-z][a-z0-9]{0,7}$", re.I)
_GZIP = re.compile(r"\.gz$", re.I)
_LOOKS_HTML = re.compile(
    rb"(?>[\s\xef\xbb\xbf\xfe\xff\0]|<!--.{0,2000}?-->|<\?xml[^>]{0,200}>)*+<\0?(?:!\0?d\0?o\0?c\0?t|h\0?t\0?m\0?l|h\0?e\0?a\0?d|b\0?o\0?d\0?y)",
    re.I | re.S,
)
_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
_HEAD = 1 << 16


class HtmlSourceOptions(SourceOptions):
    """Say what of a page is text."""

    comments: bool = Field(False, description="Keep readers' comments below articles.")
    post_meta: bool = Field(True, description="Keep bylines and dates inside the main content.")
    alt_texts: bool = Field(False, description="Keep descriptions of images.")
    trim: bool = Field(True, description="Drop link lists, trailing teasers and empty headings.")
    url_prefix: str = Field(
        "", description="What turns a path into an address where a page does not say its own (https://)."
    )
    max_file_bytes: int = Field(32 << 20, ge=1024, description="Largest page that is read, in bytes.")


class HtmlSource(SourceFormat):
    """Read saved pages."""

    name = "html"
    version = 2
    summary = "saved HTML pages, loose or in archives, to main-content text"
    suffixes = (".html", ".htm", ".xhtml", ".html.gz", ".zip", "/")
    libraries = ("resiliparse",)
    Options = HtmlSourceOptions
    about = About(
        publisher="Mirrors of web sites, and pages saved by browsers",
        where="https://www.gnu.org/software/wget/manual/html_node/Recursive-Download.html",
        licence="per page, unknown",
        consent="tos",
        size="any",
        splits="small files packed to 256 MB; one archive a task",
        example="**/*.html",
    )

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each page as one record."""
        yield from blob_records(split, tally, limit=options.max_file_bytes, wanted=_wanted)

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Turn one page into a document or a reject."""
        return [_outcome(raw, options)]


def _wanted(name: str) -> str:
    base = _GZIP.sub("", name.rpartition("/")[2])
    return "" if _PAGE.search(base) or not _EXTENSION.search(base) else "not_html"


def _outcome(raw: Raw, options: Any) -> Outcome:
    from resiliparse.parse.html.exception import HTMLParserException

    key, size = raw.meta["key"], len(raw.body)

    def reject(reason: str, detail: str = "", *, error: bool = False) -> Reject:
        return Reject(
            reason, raw.rel, raw.record, detail, key, "error" if error else "policy", raw_bytes=size
        )

    try:
        body = inflated(raw.body, options.max_file_bytes)
    except Inflate as caught:
        return reject(caught.reason, str(caught), error=True)
    name = _GZIP.sub("", raw.meta["name"])
    if not _PAGE.search(name) and not _LOOKS_HTML.match(body[:_HEAD]):
        return reject("not_html", f"it begins with {body[:12]!r}")
    decoded = decode(body)
    text = decoded.text
    if len(_BINARY.findall(text[:_HEAD])) * 20 > min(len(text), _HEAD):
        return reject("not_text", "it is mostly not text")
    facts = page_facts(text)
    wanted = HtmlOptions(options.comments, options.post_meta, options.alt_texts, options.trim)
    try:
        page = extract(text, wanted)
    except HTMLParserException as caught:
        return reject("html_parser", str(caught)[:200], error=True)
    if not page.text.strip():
        return reject("no_main_content")
    meta: dict[str, Any] = {
        "authors": list(facts.authors),
        "date": facts.date,
        "language": page.language,
        "encoding": public_name(decoded.encoding),
        "main_content": "body" if page.part == "body" else "",
        "licence_links": list(page.licences),
    }
    return Document(
        key,
        page.text,
        raw.rel,
        raw.record,
        url=facts.url
        or (options.url_prefix + quote(name, safe="/:@!$&'()*+,;=~?") if options.url_prefix else ""),
        title=page.title,
        licence=facts.licence,
        raw_bytes=size,
        meta={fact: value for fact, value in meta.items() if value},
    )
