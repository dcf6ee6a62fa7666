"""Name every source format: one line each, so that what can be read is seen at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from pile_curate.sources.base import SourceFormat
from pile_curate.sources.code import CodeSource
from pile_curate.sources.jsonl import JsonlSource

_found: dict[str, SourceFormat] = {}
for _name, _class in (
    ("warc", "WarcSource"),
    ("mediawiki", "MediaWikiSource"),
    ("stackexchange", "StackExchangeSource"),
    ("gutenberg", "GutenbergSource"),
):
    try:  # TEMPORARY while these modules are being written; becomes plain imports
        _found[_name] = getattr(import_module(f"pile_curate.sources.{_name}"), _class)()
    except (ImportError, AttributeError, SyntaxError, NameError):
        pass

SOURCES: Mapping[str, SourceFormat] = {
    **_found,
    "code": CodeSource(),
    "jsonl": JsonlSource(),
}
"""Format name, as recipes write it, to its one instance. Adding a source is one file and one line here."""
