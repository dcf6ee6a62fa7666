"""Name the elements and sections of JATS that are containers, that say nothing, and that are about the article only."""

from __future__ import annotations

import re

from pile_curate.extract.wikitext_names import names

CONTAINERS = names(
    "abstract body disp-quote disp-formula-group fig-group table-wrap-group chem-struct-wrap app-group floats-group "
    "floats-wrap list-item def attrib question question-wrap answer answer-set explanation question-preamble option "
    "verse-group address array trans-abstract note notes"
)
"""Elements that only hold others."""

BLOCKS = names(
    "sec app boxed-text glossary statement p list def-list verse-group speech code preformat disp-formula fig table-wrap"
)
"""Elements that are read each in its own way."""

SILENT = names(
    "title label subtitle caption alt-title abbrev-journal-title object-id alt-text long-desc permissions sec-meta ref-list ref graphic "
    "inline-graphic media inline-media supplementary-material inline-supplementary-material contrib-group contrib aff author-notes "
    "kwd-group related-article related-object private-char index-term milestone-start milestone-end hr table-wrap-foot "
    "table colgroup col thead tbody tr td th ack bio counts custom-meta-group funding-group history processing-meta "
    "copyright-statement license self-uri speaker term target-note sub-article response fn-group index toc "
    "annotation preview nlm-citation element-citation mixed-citation citation product support-group"
)
"""Elements that are no text of the article, or are read by the element that holds them."""

ADMIN_TYPES = names(
    "supplementary-material supplementary-materials supplementary coi-statement conflict ack acknowledgement acknowledgements "
    "acknowledgments data-availability funding funding-statement author-contributions author-contribution "
    "ethics-statement-coi display-objects associated-data authorship-contribution"
)
"""``sec-type`` of sections about the article rather than of it."""

ADMIN_TITLES = frozenset(
    line.strip()
    for line in """
    acknowledgement, acknowledgements, acknowledgment, acknowledgments, additional information, appendix a
    supplementary data, author contribution, author contributions, author details, author disclosure
    statement, author information, authors contribution, authors contributions, authors information,
    availability of data and material, availability of data and materials, availability of supporting data,
    competing financial interests, competing interest, competing interests, competing interests statement,
    conflict of interest, conflict of interest statement, conflict of interests, conflicts of interest,
    conflicts of interests, consent for publication, contributions, contributors, credit authorship
    contribution statement, data access statement, data accessibility, data availability, data availability
    statement, data sharing statement, declaration of competing interest, declaration of conflicting
    interests, declaration of interest, declaration of interests, declarations, disclosure, disclosure
    statement, disclosures, electronic supplementary material, endnotes, financial disclosure, financial
    disclosures, financial support, footnotes, funding, funding information, funding source, funding sources,
    funding statement, grant support, open access, peer review information, pre publication history,
    prepublication history, provenance and peer review, publishers note, reference, references, reporting
    summary, role of the funding source, sources of funding, supplemental data, supplemental information,
    supplemental material, supplemental materials, supplementary data, supplementary file, supplementary
    files, supplementary information, supplementary material, supplementary materials, supporting
    information, supporting information available, transparency document, web resources
    """.replace("\n", " ").split(",")
)
"""Titles of such sections, as ``plain_title`` writes them."""

_NOT_LETTERS = re.compile(r"[^a-z ]+")


def plain_title(title: str) -> str:
    """Return a title in small letters without numbers and punctuation.

    >>> plain_title("6. Authors’ contributions:")
    'authors contributions'
    """
    title = title[:200].lower().replace("’", "").replace("'", "").replace("-", " ")
    return " ".join(_NOT_LETTERS.sub(" ", title).split())
