"""Run a source format over raw files as the extract stage does, in this process and without Spark.

As a command it writes a format's golden expectation: ``python -m tests.source_harness FORMAT``.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.source_runs import threads_of
from pile_curate.clean import PRESETS, CleaningConfig
from pile_curate.files import Tally
from pile_curate.sources import SOURCES
from pile_curate.sources.base import Document, Reject, SourceFormat, Split
from pile_curate.sources.work import WorkConfig, assemble_thread, parse_record

GOLDEN = Path(__file__).parent / "golden"
NOT_INPUT = ("expected.json", "outcomes.json", "options.json")


@dataclass
class Extracted:
    """What came out of a run, and what the independent counters saw."""

    documents: list[Document] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    @property
    def records(self) -> int:
        """Records that ended in a document or a reject."""
        return sum(d.records for d in self.documents) + sum(r.records for r in self.rejects)

    @property
    def reasons(self) -> dict[str, int]:
        """Rejects by reason."""
        counts: dict[str, int] = defaultdict(int)
        for reject in self.rejects:
            counts[reject.reason] += 1
        return dict(counts)

    def keys(self) -> list[str]:
        """The documents' keys, in order of arrival."""
        return [document.key for document in self.documents]


def extract(
    name: str,
    root: Path | str,
    patterns: Sequence[str] = (".",),
    options: dict[str, Any] | None = None,
    *,
    splits: Sequence[Split] | None = None,
    cleaning: CleaningConfig | None = None,
    target: int = 256 << 20,
) -> Extracted:
    """Discover, split, frame, parse, assemble and clean; the result says everything that happened."""
    fmt: SourceFormat = SOURCES[name]
    validated = fmt.Options.model_validate(options or {})
    if splits is None:
        splits = fmt.splits(fmt.discover(str(root), list(patterns), validated), validated, target)
    config = WorkConfig(name, validated, cleaning or PRESETS["prose" if fmt.prose else "code"])
    result = Extracted()
    threads: dict[str, list[Document]] = defaultdict(list)
    linked: list[Document] = []
    for split in splits:
        for framed in fmt.frames(split, validated, result.tally):
            for outcome in [framed] if isinstance(framed, Reject) else parse_record(framed, config):
                if isinstance(outcome, Reject):
                    result.rejects.append(outcome)
                elif fmt.linked:
                    linked.append(outcome)
                elif fmt.threaded:
                    threads[str(outcome.meta["thread"])].append(outcome)
                else:
                    result.documents.append(outcome)
    for thread, part in zip(threads_of(linked), linked, strict=True):
        threads[thread].append(part)
    for thread in sorted(threads):
        for outcome in assemble_thread((thread, threads[thread]), config):
            (result.rejects if isinstance(outcome, Reject) else result.documents).append(outcome)
    return result


def golden_input(name: str) -> list[Path]:
    """Return a format's golden input files, sorted."""
    files = (p for p in (GOLDEN / name).rglob("*") if p.is_file() and p.name not in NOT_INPUT)
    return sorted(files)


def expectation(name: str) -> Path:
    """Return where a format's expected outcomes stand: ``outcomes.json`` if its own tests use ``expected.json``."""
    other = GOLDEN / name / "outcomes.json"
    return other if other.exists() else GOLDEN / name / "expected.json"


def golden_options(name: str) -> dict[str, Any]:
    """Return the options of a format's golden pair."""
    path = GOLDEN / name / "options.json"
    options: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return options


def golden_run(name: str) -> Extracted:
    """Extract a format's golden input."""
    folder = GOLDEN / name
    patterns = [str(p.relative_to(folder)) for p in golden_input(name)]
    return extract(name, folder, patterns, golden_options(name))


def as_json(result: Extracted) -> dict[str, Any]:
    """Return a run in the form of ``expected.json``."""
    facts = ("key", "rel", "record", "records", "title", "url", "licence", "text", "meta")
    documents = [{f: getattr(d, f) for f in facts} for d in sorted(result.documents, key=lambda d: d.key)]
    rejects = [
        {f: getattr(r, f) for f in ("reason", "kind", "key", "rel", "record", "records")}
        for r in sorted(result.rejects, key=lambda r: (r.rel, r.record, r.reason, r.key))
    ]
    # Through JSON, so that tuples and the like compare as what the file holds.
    plain: dict[str, Any] = json.loads(
        json.dumps({"records": result.tally.records, "documents": documents, "rejects": rejects})
    )
    return plain


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        text = json.dumps(as_json(golden_run(wanted)), ensure_ascii=False, indent=1)
        expectation(wanted).write_text(text + "\n", "utf-8")
