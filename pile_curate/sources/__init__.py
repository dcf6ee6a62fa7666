"""Name every source format: one line each, so that what can be read is seen at a glance."""

from __future__ import annotations

from collections.abc import Mapping

from pile_curate.sources.arxiv import ArxivSource
from pile_curate.sources.base import SourceFormat
from pile_curate.sources.code import CodeSource
from pile_curate.sources.gutenberg import GutenbergSource
from pile_curate.sources.jsonl import JsonlSource
from pile_curate.sources.mediawiki import MediaWikiSource
from pile_curate.sources.stackexchange import StackExchangeSource
from pile_curate.sources.warc import WarcSource

SOURCES: Mapping[str, SourceFormat] = {
    "warc": WarcSource(),
    "mediawiki": MediaWikiSource(),
    "stackexchange": StackExchangeSource(),
    "gutenberg": GutenbergSource(),
    "code": CodeSource(),
    "jsonl": JsonlSource(),
    "arxiv": ArxivSource(),
}
"""Format name, as recipes write it, to its one instance. Adding a source is one file and one line here."""
