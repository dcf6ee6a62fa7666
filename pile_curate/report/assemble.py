"""Make report data from what the stages left behind: manifests' facts, the mixture, evaluations.

A stage that has not run leaves its part empty; the page shows what there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pile_curate.report.data import (
    Amount,
    Drop,
    Evaluation,
    Mix,
    Pair,
    Reject,
    ReportData,
    Source,
    StageLine,
)
from pile_curate.report.duplicates import Search

Facts = Mapping[str, Any]


def assemble(
    name: str,
    *,
    extract: Facts,
    ledger: Facts | None = None,
    languages: Mapping[str, Mapping[str, int]] | None = None,
    licences: Mapping[str, Mapping[str, int]] | None = None,
    mixture: Facts | None = None,
    clusters: Mapping[int, int] | None = None,
    duplicates: Facts | None = None,
    pairs: Iterable[Pair] = (),
    evaluations: Iterable[Facts] = (),
    stages: Iterable[StageLine] = (),
    settings: Mapping[str, Facts] | None = None,
    **more: Any,
) -> ReportData:
    """Return the report's data.

    ``extract`` and ``ledger`` are those manifests' ``facts["sources"]``; ``languages`` and ``licences`` count
    documents by source; ``mixture`` is mixture.json; ``duplicates`` that manifest's facts, as many as it has;
    ``evaluations`` the evaluation files' contents, in the order to show them; ``settings`` may give licence,
    consent and pile_set_name of each source before there is a mixture; ``more`` goes to ``ReportData`` as it
    is (created, software, seed, verified).
    """
    mixed = {row["name"]: row for row in (mixture or {}).get("sources", ())}
    sources = tuple(
        _source(
            source,
            facts,
            (ledger or {}).get(source),
            (languages or {}).get(source, {}),
            (licences or {}).get(source, {}),
            {**(settings or {}).get(source, {}), **mixed.get(source, {})},
        )
        for source, facts in extract.items()
    )
    return ReportData(
        name=name,
        sources=sources,
        mixture=tuple(_mix(row) for row in mixed.values()),
        unit=(mixture or {}).get("unit", "tokens"),
        total=(mixture or {}).get("total") or 0,
        max_epochs=(mixture or {}).get("max_epochs") or 0.0,
        clusters={int(size): int(count) for size, count in (clusters or {}).items()},
        pairs=tuple(pairs),
        evaluations=tuple(_evaluation(plain) for plain in evaluations),
        stages=tuple(stages),
        search=Search.from_facts(duplicates or {}),
        tokenizer=dict((mixture or {}).get("tokenizer") or {}),
        **more,
    )


def _source(
    name: str,
    facts: Facts,
    ledger: Facts | None,
    languages: Mapping[str, int],
    licences: Mapping[str, int],
    known: Facts,
) -> Source:
    rejects = [
        Reject(reason, seen["kind"], seen["records"], seen.get("rows", 0))
        for reason, seen in facts.get("rejects", {}).items()
    ]
    drops = [
        Drop(stage, reason, count)
        for stage, reasons in (ledger or {}).get("dropped", {}).items()
        for reason, count in reasons.items()
    ]
    available = known.get("available", {})
    splits = {
        split: Amount(
            counts.get("documents", 0),
            counts.get("bytes", 0),
            available.get(split, {}).get("tokens", 0),
        )
        for split, counts in (ledger or {}).get("splits", {}).items()
    }
    return Source(
        name=name,
        pile_set_name=known.get("pile_set_name", ""),
        format=facts.get("format", ""),
        licence=known.get("licence") or "",
        consent=known.get("consent") or "",
        files=facts.get("files", 0),
        damaged_files=facts.get("damaged_files", 0),
        raw_bytes=facts.get("raw_bytes", 0),
        records_in=facts.get("records_in", 0),
        document_records=facts.get("document_records", 0),
        documents=facts.get("documents", 0),
        text_bytes=facts.get("text_bytes", 0),
        # Before select has run, every document is still in.
        kept=ledger["kept"] if ledger else facts.get("documents", 0),
        kept_bytes=ledger["kept_bytes"] if ledger else facts.get("text_bytes", 0),
        cross_split=(ledger or {}).get("cross_split", 0),
        edited=(ledger or {}).get("edited", 0),
        edits=(ledger or {}).get("edits", 0),
        removed_bytes=(ledger or {}).get("removed_bytes", 0),
        rejects=tuple(sorted(rejects, key=lambda r: (r.kind, -r.records, r.reason))),
        drops=tuple(sorted(drops, key=lambda d: (d.stage, -d.documents, d.reason))),
        splits=splits,
        languages=dict(languages),
        licences=dict(licences),
        damage=tuple(facts.get("damage", ())),
    )


def _mix(row: Facts) -> Mix:
    achieved = row["achieved"]
    train = row.get("available", {}).get("train", {})
    # Python's general format would write five million tokens as 5e+06.
    asked = [f"{key} {value:,.10g}" for key, value in row.get("asked", {}).items() if value is not None]
    return Mix(
        name=row["name"],
        asked=", ".join(asked),
        weight=achieved["weight"],
        epochs=achieved["epochs"],
        bytes=achieved.get("bytes", 0),
        tokens=achieved.get("tokens", 0),
        available_bytes=train.get("bytes", 0),
        available_tokens=train.get("tokens", 0),
    )


def _evaluation(plain: Facts) -> Evaluation:
    rows: Sequence[Facts] = plain["sources"]
    return Evaluation(
        label=plain["label"],
        split=plain.get("split", ""),
        step=plain.get("step", 0),
        overall=plain["overall"]["bits_per_byte"],
        sources={row["source"]: row["bits_per_byte"] for row in rows},
    )
