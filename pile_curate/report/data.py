"""Hold the figures of a report as plain values: what the page and the terminal table show, and nothing else.

``ReportData`` goes to JSON and back (``to_dict``, ``from_dict``), so that a report can be rebuilt, diffed or
drawn by someone else's page. ``assemble`` makes it from the facts in the manifests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pile_curate.report.duplicates import Search

REPORT_VERSION = 2
"""Bump when a field changes its meaning."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Raw records turned away at extract for one reason; ``rows`` also counts notes about whole files."""

    reason: str
    kind: str
    records: int
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Drop:
    """Documents dropped after extract: ``stage`` is decide, dedup or edits, ``reason`` the rule or kind of copy."""

    stage: str
    reason: str
    documents: int


@dataclass(frozen=True, slots=True)
class Amount:
    """Documents, bytes of text and tokens of one split."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """One source's way from raw records to kept documents.

    ``edits`` paragraphs of ``removed_bytes`` were cut from ``edited`` kept documents; ``kept_bytes`` is what is left.
    """

    name: str
    pile_set_name: str = ""
    format: str = ""
    licence: str = ""
    consent: str = ""
    files: int = 0
    damaged_files: int = 0
    raw_bytes: int = 0
    records_in: int = 0
    document_records: int = 0
    documents: int = 0
    text_bytes: int = 0
    kept: int = 0
    kept_bytes: int = 0
    cross_split: int = 0
    edited: int = 0
    edits: int = 0
    removed_bytes: int = 0
    rejects: tuple[Reject, ...] = ()
    drops: tuple[Drop, ...] = ()
    splits: dict[str, Amount] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    licences: dict[str, int] = field(default_factory=dict)
    damage: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name that readers know."""
        return self.pile_set_name or self.name

    def rejected(self, kind: str | None = None) -> int:
        """Return the records rejected, of one kind (policy, error) if named."""
        return sum(r.records for r in self.rejects if kind in (None, r.kind))

    def dropped(self, stage: str | None = None, reason: str | None = None) -> int:
        """Return the documents dropped, by one stage and for one reason if named."""
        return sum(d.documents for d in self.drops if stage in (None, d.stage) and reason in (None, d.reason))

    def copies(self, kind: str) -> int:
        """Return the documents dropped as copies of one kind: exact, near (verified or not) or url."""
        reasons = (
            ("near_duplicate", "near_unverified_duplicate") if kind == "near" else (f"{kind}_duplicate",)
        )
        return sum(self.dropped("dedup", reason) for reason in reasons)

    @property
    def eligible(self) -> int:
        """Documents that every rule let through."""
        return self.documents - self.dropped("decide")

    def imbalances(self) -> list[str]:
        """Return each sum that does not balance: none, unless a reader has a defect."""
        found = []
        if self.records_in != self.document_records + self.rejected():
            found.append(
                f"{self.name}: {self.records_in:,} records in, but {self.document_records:,} in documents"
                f" and {self.rejected():,} rejected"
            )
        if self.documents != self.kept + self.dropped():
            found.append(
                f"{self.name}: {self.documents:,} documents, but {self.kept:,} kept and"
                f" {self.dropped():,} dropped"
            )
        return found


@dataclass(frozen=True, slots=True)
class Mix:
    """One source's place in the mixture; ``asked`` is such as ``weight 2`` or ``epochs 1.5``."""

    name: str
    asked: str
    weight: float
    epochs: float
    bytes: int
    tokens: int
    available_bytes: int
    available_tokens: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A dropped copy beside the document that was kept, with texts or their beginnings.

    ``kind`` is that of ``duplicates``; ``jaccard`` is None where none was measured (url).
    """

    dropped_id: str
    kept_id: str
    dropped_source: str
    kept_source: str
    kind: str
    jaccard: float | None
    dropped_text: str
    kept_text: str
    dropped_title: str = ""
    kept_title: str = ""
    cross_split: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Bits per byte of one checkpoint, per source and overall; None where there was nothing to score."""

    label: str
    split: str
    step: int
    overall: float | None
    sources: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class StageLine:
    """One finished dataset: which stage wrote it, its rows and logical digest."""

    stage: str
    dataset: str
    rows: int
    digest: str
    created: str = ""


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that a report shows; ``clusters`` maps a cluster's size (kept and copies) to a number.

    ``verified`` is False if near copies were dropped without computing their Jaccard (``verify`` says how);
    ``search`` is what the search for duplicates measured about itself.
    """

    name: str
    sources: tuple[Source, ...] = ()
    mixture: tuple[Mix, ...] = ()
    unit: str = "tokens"
    total: int = 0
    max_epochs: float = 0.0
    clusters: dict[int, int] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    stages: tuple[StageLine, ...] = ()
    tokenizer: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    software: str = ""
    seed: int | None = None
    verified: bool = True
    verify: str = "exact"
    search: Search = field(default_factory=Search)
    version: int = REPORT_VERSION

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists and numbers, ready for JSON."""
        plain = asdict(self)
        plain["clusters"] = {str(size): count for size, count in sorted(self.clusters.items())}
        return plain

    def logical(self) -> dict[str, Any]:
        """Return ``to_dict`` without what is of this run alone (times, versions, file names): what a digest may cover."""
        plain = self.to_dict()
        for name in ("created", "software"):
            del plain[name]
        plain["tokenizer"].pop("path", None)
        plain["stages"] = [{k: v for k, v in row.items() if k != "created"} for row in plain["stages"]]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> ReportData:
        """Return the data of ``to_dict``'s result; unknown keys raise TypeError."""
        values = dict(plain)
        values["sources"] = tuple(_source(row) for row in values.get("sources", ()))
        values["clusters"] = {int(size): count for size, count in values.get("clusters", {}).items()}
        for name, kind in (
            ("mixture", Mix),
            ("pairs", Pair),
            ("evaluations", Evaluation),
            ("stages", StageLine),
        ):
            values[name] = tuple(kind(**row) for row in values.get(name, ()))
        values["search"] = Search.from_dict(values.get("search", {}))
        return cls(**values)

    def imbalances(self) -> list[str]:
        """Return every sum that does not balance, over all sources."""
        return [line for source in self.sources for line in source.imbalances()]

    def languages(self) -> list[tuple[str, int]]:
        """Return (language, documents), most first."""
        return ranked(source.languages for source in self.sources)

    def licences(self) -> list[tuple[str, int]]:
        """Return (licence, kept documents), most first."""
        return ranked(source.licences for source in self.sources)

    def sum(self, name: str) -> int:
        """Return the sum of one of the sources' numbers, by field name."""
        return sum(int(getattr(source, name)) for source in self.sources)


def _source(row: Mapping[str, Any]) -> Source:
    values = dict(row)
    values["rejects"] = tuple(Reject(**r) for r in values.get("rejects", ()))
    values["drops"] = tuple(Drop(**d) for d in values.get("drops", ()))
    values["splits"] = {name: Amount(**amount) for name, amount in values.get("splits", {}).items()}
    values["damage"] = tuple(values.get("damage", ()))
    return Source(**values)


def ranked(counts: Iterable[Mapping[str, int]]) -> list[tuple[str, int]]:
    """Add up counts; the largest first, ties by name."""
    total: Counter[str] = Counter()
    for mine in counts:
        total.update(mine)
    return sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
