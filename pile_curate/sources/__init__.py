"""Name every source format: one line each, so that what can be read is seen at a glance."""

from __future__ import annotations

from collections.abc import Mapping

from pile_curate.sources.base import SourceFormat
from pile_curate.sources.code import CodeSource
from pile_curate.sources.docs import DocsSource
from pile_curate.sources.epub import EpubSource
from pile_curate.sources.gutenberg import GutenbergSource
from pile_curate.sources.html import HtmlSource
from pile_curate.sources.jsonl import JsonlSource
from pile_curate.sources.mediawiki import MediaWikiSource
from pile_curate.sources.parquet import ParquetSource
from pile_curate.sources.stackexchange import StackExchangeSource
from pile_curate.sources.warc import WarcSource

SOURCES: Mapping[str, SourceFormat] = {
    "warc": WarcSource(),
    "mediawiki": MediaWikiSource(),
    "stackexchange": StackExchangeSource(),
    "gutenberg": GutenbergSource(),
    "code": CodeSource(),
    "jsonl": JsonlSource(),
    "epub": EpubSource(),
    "docs": DocsSource(),
    "parquet": ParquetSource(),
    "html": HtmlSource(),
}
"""Format name, as recipes write it, to its one instance. Adding a source is one file and one line here."""
