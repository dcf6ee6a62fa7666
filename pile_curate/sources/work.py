"""Turn framed records into cleaned outcomes: the function that the guarded child runs for every source.

Parsing and cleaning happen together in the child, so that a document's CPU limit covers both and the
text crosses the pipe once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pile_curate.clean import CleaningConfig, clean
from pile_curate.sources import SOURCES
from pile_curate.sources.base import Document, Outcome, Raw, Reject


@dataclass(frozen=True, slots=True)
class WorkConfig:
    """What the child needs to know of a source: its format, validated options and cleaning rules."""

    format: str
    options: Any
    cleaning: CleaningConfig


def cleaned(outcomes: Sequence[Outcome], cleaning: CleaningConfig) -> list[Outcome]:
    """Clean each document's text; one that becomes empty is rejected as ``empty_text`` with all its records."""
    result: list[Outcome] = []
    for outcome in outcomes:
        if isinstance(outcome, Reject):
            result.append(outcome)
            continue
        outcome.text = clean(outcome.text, cleaning)
        outcome.title = clean(outcome.title, cleaning).replace("\n", " ").strip()
        if outcome.text.strip():
            result.append(outcome)
        else:
            result.append(
                Reject(
                    "empty_text",
                    outcome.rel,
                    outcome.record,
                    key=outcome.key,
                    records=outcome.records,
                    raw_bytes=outcome.raw_bytes,
                )
            )
    return result


def parse_record(raw: Raw, config: WorkConfig) -> list[Outcome]:
    """Parse one record; for a threaded format return its parts uncleaned, since ``assemble`` makes the text."""
    fmt = SOURCES[config.format]
    outcomes = fmt.parse(raw, config.options)
    return outcomes if fmt.threaded else cleaned(outcomes, config.cleaning)


def assemble_thread(thread: tuple[str, list[Document]], config: WorkConfig) -> list[Outcome]:
    """Assemble one thread's parts, sorted here so that their order of arrival cannot matter, and clean the result."""
    key, parts = thread
    parts = sorted(parts, key=lambda part: (part.rel, part.record, part.key))
    return cleaned(SOURCES[config.format].assemble(key, parts, config.options), config.cleaning)
