"""Read trees of documentation in Markdown and reStructuredText, loose or in tar and zip archives.

Each file is a document. ``markup: keep`` gives clean Markdown for both (what a reader needs stays: headings, lists,
code, tables), ``plain`` gives text without marks. The licence is what the page states (SPDX tag, ``license`` in the front
matter), else what the nearest folder with licence files says, as for source code. The native key is the path.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field

from pile_curate.extract.front_matter import split_front_matter
from pile_curate.extract.markdown import MarkdownOptions, first_heading, markdown_text
from pile_curate.extract.rst import rst_text
from pile_curate.files import RawFile, Tally
from pile_curate.licence_urls import spdx_of_url
from pile_curate.sources import code_rules as rules
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, SourceOptions, Split
from pile_curate.sources.code_decode import Undecodable, decode
from pile_curate.sources.code_licence import header_licence, is_licence_file, spdx_tag
from pile_curate.sources.code_trees import discover_with_licences, tree_records
from pile_curate.spdx import check_expression

_KINDS = {
    "md": "markdown", "markdown": "markdown", "mdown": "markdown", "mkd": "markdown", "mkdn": "markdown", "myst": "markdown",
    "mdx": "mdx", "qmd": "markdown", "rmd": "markdown", "rst": "rst", "rest": "rst",
}  # fmt: skip

_JINJA = re.compile(r"^[ \t]{0,20}\{%-? ?(?:if|for|block|set|macro|end\w+)\b", re.M)
_JINJA_LINES = 4
"""With so many lines of a template's control flow, a file is input of a program that writes pages."""


class DocsOptions(SourceOptions):
    """Say which files of a tree count, and what of their markup stays."""

    markup: Literal["keep", "plain"] = Field(
        "keep", description="keep: clean Markdown, also of reStructuredText; plain: text without marks."
    )
    formats: list[Literal["markdown", "mdx", "rst"]] = Field(
        ["markdown", "mdx", "rst"], min_length=1, description="Kinds of files to read."
    )
    links: bool = Field(False, description="Keep the targets of Markdown's links.")
    alt_texts: bool = Field(False, description="Keep descriptions of images (never of badges).")
    test_data: bool = Field(False, description="Keep files among the inputs of tests (testdata/, fixtures/).")
    archives: bool = Field(True, description="Look into tar and zip archives.")
    max_file_bytes: int = Field(8 << 20, ge=1, description="Larger files are rejected as too_large.")
    url_prefix: str = Field("", description="What turns a path into an address.")


class DocsSource(SourceFormat):
    """Read documentation trees."""

    name = "docs"
    version = 1
    summary = "documentation: trees of Markdown and reStructuredText, loose or in archives"
    suffixes = (".md", ".rst", ".mdx", ".tar.gz", ".zip", "/")
    libraries = ("PyYAML",)
    Options = DocsOptions
    about = About(
        publisher="Software projects, and anybody who writes in Markdown",
        where="https://spec.commonmark.org",
        licence="per tree",
        consent="tos",
        size="any",
        splits="small files packed to 256 MB; one archive a task",
        example="**/*",
    )

    def discover(self, root: str, patterns: Sequence[str], options: Any) -> list[RawFile]:
        """Add the licence files of each folder above a file, so that a changed licence is a changed input."""
        return discover_with_licences(root, patterns)

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield one ``Raw`` or reject a file or archive member; names decide before content is read."""
        yield from tree_records(split, options, tally, _by_name)

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Turn one file into a document or a reject."""
        key, path, size = raw.meta["key"], raw.meta["path"], len(raw.body)
        try:
            text, encoding, _ = decode(raw.body)
        except Undecodable as error:
            kind: Literal["policy", "error"] = "error" if error.reason == "undecodable" else "policy"
            return [Reject(error.reason, raw.rel, raw.record, str(error), key, kind, raw_bytes=size)]
        text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        facts, text = split_front_matter(text)
        kind_of_file = _kind(path)
        if len(_JINJA.findall(text)) >= _JINJA_LINES:
            return [Reject("template", raw.rel, raw.record, key=key, raw_bytes=size)]
        if kind_of_file == "rst":
            shown = rst_text(text, alt_texts=options.alt_texts)
            shown = markdown_text(shown, MarkdownOptions(plain=True)) if options.markup == "plain" else shown
        else:
            plain = options.markup == "plain"
            mdx = kind_of_file == "mdx"
            shown = markdown_text(text, MarkdownOptions(plain, options.links, options.alt_texts, mdx))
        if not shown.strip():
            return [Reject("no_text", raw.rel, raw.record, key=key, raw_bytes=size)]
        level, heading = first_heading(shown if options.markup == "keep" else _marked(text, kind_of_file))
        title = facts.pop("title", "") or heading
        if title != heading and level != 1:
            shown = f"{'# ' if options.markup == 'keep' else ''}{title}\n\n{shown}"
        claimed = facts.pop("license", "")
        own = (
            _licence(claimed) or spdx_tag(text) or (header_licence(text) if not raw.meta["licence"] else None)
        )
        meta: dict[str, Any] = {"format": kind_of_file, "encoding": encoding, **facts}
        if claimed and not own:
            meta["licence_claimed"] = claimed
        if own or raw.meta["licence"]:
            meta["licence_from"] = "file" if own else raw.meta["licence_from"]
        return [
            Document(
                key=key,
                text=shown,
                rel=raw.rel,
                record=raw.record,
                url=options.url_prefix + path if options.url_prefix else "",
                title=title or path,
                licence=own or raw.meta["licence"],
                raw_bytes=size,
                meta=meta,
            )
        ]


def _kind(path: str) -> str:
    return _KINDS.get(posixpath.basename(path).rpartition(".")[2].lower(), "")


def _by_name(path: str, size: int, options: Any) -> str:
    """Return the reason to reject a file that its name and size give, or an empty string."""
    if is_licence_file(posixpath.basename(path), False):
        return "licence_file"
    if reason := rules.by_path(path, options.test_data):
        return reason
    if _kind(path) not in options.formats:
        return "not_docs"
    if size > options.max_file_bytes:
        return "too_large"
    return "" if size else "empty"


def _marked(text: str, kind: str) -> str:
    return rst_text(text) if kind == "rst" else markdown_text(text)


def _licence(claimed: str) -> str | None:
    if not claimed:
        return None
    if found := spdx_of_url(claimed):
        return found
    try:
        return check_expression(re.sub(r"\s+", " ", claimed))
    except ValueError:
        return None
