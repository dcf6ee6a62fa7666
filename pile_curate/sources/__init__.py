"""Name every source format: one line each, so that what can be read is seen at a glance."""

from __future__ import annotations

from collections.abc import Mapping

from pile_curate.sources.arxiv import ArxivSource
from pile_curate.sources.base import SourceFormat
from pile_curate.sources.code import CodeSource
from pile_curate.sources.dm_mathematics import DmMathematicsSource
from pile_curate.sources.docs import DocsSource
from pile_curate.sources.epub import EpubSource
from pile_curate.sources.europarl import EuroparlSource
from pile_curate.sources.freelaw import FreeLawSource
from pile_curate.sources.gutenberg import GutenbergSource
from pile_curate.sources.hackernews import HackerNewsSource
from pile_curate.sources.html import HtmlSource
from pile_curate.sources.jsonl import JsonlSource
from pile_curate.sources.mail import MailSource
from pile_curate.sources.mediawiki import MediaWikiSource
from pile_curate.sources.nih_exporter import NihExporterSource
from pile_curate.sources.opensubtitles import OpenSubtitlesSource
from pile_curate.sources.parquet import ParquetSource
from pile_curate.sources.pdf import PdfSource
from pile_curate.sources.pubmed_abstracts import PubMedAbstractsSource
from pile_curate.sources.pubmed_central import PubMedCentralSource
from pile_curate.sources.reddit import RedditSource
from pile_curate.sources.stackexchange import StackExchangeSource
from pile_curate.sources.subtitles import SubtitlesSource
from pile_curate.sources.ubuntu_irc import UbuntuIrcSource
from pile_curate.sources.uspto import UsptoSource
from pile_curate.sources.warc import WarcSource
from pile_curate.sources.youtube_subtitles import YouTubeSubtitlesSource

SOURCES: Mapping[str, SourceFormat] = {
    "warc": WarcSource(),
    "mediawiki": MediaWikiSource(),
    "stackexchange": StackExchangeSource(),
    "gutenberg": GutenbergSource(),
    "code": CodeSource(),
    "jsonl": JsonlSource(),
    "uspto": UsptoSource(),
    "freelaw": FreeLawSource(),
    "hackernews": HackerNewsSource(),
    "reddit": RedditSource(),
    "dm_mathematics": DmMathematicsSource(),
    "pubmed_central": PubMedCentralSource(),
    "pubmed_abstracts": PubMedAbstractsSource(),
    "nih_exporter": NihExporterSource(),
    "europarl": EuroparlSource(),
    "opensubtitles": OpenSubtitlesSource(),
    "subtitles": SubtitlesSource(),
    "youtube_subtitles": YouTubeSubtitlesSource(),
    "ubuntu_irc": UbuntuIrcSource(),
    "mail": MailSource(),
    "pdf": PdfSource(),
    "arxiv": ArxivSource(),
    "epub": EpubSource(),
    "docs": DocsSource(),
    "parquet": ParquetSource(),
    "html": HtmlSource(),
}
"""Format name, as recipes write it, to its one instance. Adding a source is one file and one line here."""
