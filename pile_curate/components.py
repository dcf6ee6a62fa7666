"""Name the 22 components of The Pile, with what its paper says of each (arXiv 2101.00027, Tables 1, 5 and 6).

``bytes`` and ``documents`` are those of the published dataset, before epochs; ``consent`` is the tier: ``author``
(the authors agreed, or nobody needs to), ``tos`` (allowed by the terms of service), ``public`` (merely readable).
The five of tier ``public`` are read only where a recipe says ``allow_unconsented: true``.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Component(NamedTuple):
    """One component: its published name, size and epochs, and the format that reads it here."""

    name: str
    format: str
    consent: Literal["author", "tos", "public"]
    licence: str
    epochs: float
    bytes: int
    documents: int
    licence_note: str = ""


_UNKNOWN = "LicenseRef-unknown"
_PUBLIC_DOMAIN = "LicenseRef-public-domain-US"

COMPONENTS = (
    Component("Pile-CC", "warc", "tos", _UNKNOWN, 1, 243872121726, 54953117, "a page's own, rarely stated"),
    Component("PubMed Central", "pubmed_central", "author", _UNKNOWN, 2, 96929951580, 3098931, "each article's own (CC)"),
    Component("Books3", "epub", "public", _UNKNOWN, 1.5, 108404259563, 196640, "in copyright"),
    Component("OpenWebText2", "jsonl", "public", _UNKNOWN, 2, 67396380547, 17103059, "each page's own"),
    Component("ArXiv", "arxiv", "author", _UNKNOWN, 2, 60353358395, 1264405, "each paper's own, 15 % CC"),
    Component("Github", "code", "tos", _UNKNOWN, 1, 102180233200, 19021454, "each repository's own"),
    Component("FreeLaw", "freelaw", "author", _PUBLIC_DOMAIN, 1.5, 54923939791, 3562015),
    Component("StackExchange", "stackexchange", "author", "CC-BY-SA-4.0", 2, 34571286358, 15622475, "2.5 to 4.0 by date"),
    Component("USPTO Backgrounds", "uspto", "author", _PUBLIC_DOMAIN, 2, 24593538339, 5883037),
    Component("PubMed Abstracts", "pubmed_abstracts", "author", "LicenseRef-NLM-terms", 2, 20684050384, 15518009),
    Component("Gutenberg (PG-19)", "gutenberg", "tos", _PUBLIC_DOMAIN, 2.5, 11678184672, 28602),
    Component("OpenSubtitles", "opensubtitles", "public", _UNKNOWN, 1.5, 13940478112, 446612, "in copyright"),
    Component("Wikipedia (en)", "mediawiki", "author", "CC-BY-SA-4.0", 3, 6847462907, 6033151, "older text 3.0 and GFDL"),
    Component("DM Mathematics", "dm_mathematics", "author", "Apache-2.0", 2, 8316165951, 1014997),
    Component("Ubuntu IRC", "ubuntu_irc", "author", "LicenseRef-public-domain", 2, 5923631555, 10605, "as declared"),
    Component("BookCorpus2", "epub", "public", _UNKNOWN, 1.5, 6767414779, 17868, "in copyright"),
    Component("EuroParl", "europarl", "author", "LicenseRef-free-reuse", 2, 4923130035, 69814),
    Component("HackerNews", "hackernews", "tos", _UNKNOWN, 2, 4185091916, 831198),
    Component("YoutubeSubtitles", "youtube_subtitles", "public", _UNKNOWN, 2, 4010420381, 173651, "in copyright"),
    Component("PhilPapers", "pdf", "author", _UNKNOWN, 2, 2553543227, 33990, "each paper's own"),
    Component("NIH ExPorter", "nih_exporter", "author", "LicenseRef-US-government-work", 2, 2034579138, 939661),
    Component("Enron Emails", "mail", "tos", "LicenseRef-released-by-FERC", 2, 945212874, 517401),
)  # fmt: skip
"""The components in the order of the paper's Table 1."""

UNCONSENTED = frozenset(component.name for component in COMPONENTS if component.consent == "public")
"""The five that nobody agreed to: their ``pile_set_name`` cannot claim a better tier."""
