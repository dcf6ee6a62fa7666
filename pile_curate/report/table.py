"""Print the report's figures as aligned text, for terminals and logs."""

from __future__ import annotations

from collections.abc import Sequence

from pile_curate.report.data import ReportData, Source
from pile_curate.report.duplicates import recall_rows
from pile_curate.report.format import count, percent, size, visible, words


def terminal_table(data: ReportData) -> str:
    """Return the page's figures as text: flow, reasons, mixture, bits per byte; some 130 columns wide."""
    parts = [
        f"{visible(data.name)}: {_headline(data)}",
        unverified(data),
        _flow(data),
        _edits(data),
        _reasons(data),
        _search(data),
    ]
    if data.mixture:
        parts.append(_mixture(data))
    if data.evaluations:
        parts.append(_bits(data))
    wrong = data.imbalances()
    parts.append(
        "\n".join(["These sums do not balance, please report it:", *wrong])
        if wrong
        else "Every raw record and every document is accounted for: the sums balance for each source."
    )
    return "\n\n".join(part for part in parts if part)


def _headline(data: ReportData) -> str:
    kept, documents = data.sum("kept"), data.sum("documents")
    return (
        f"{count(data.sum('records_in'))} raw records -> {count(documents)} documents ->"
        f" {count(kept)} kept ({percent(kept, documents)}), {size(data.sum('kept_bytes'))} of text"
    )


def unverified(data: ReportData) -> str:
    """Return the sentence that a corpus must carry whose near copies nobody proved; empty if they are proven."""
    if data.verified:
        return ""
    why = {
        "estimate": "near copies were dropped on the Jaccard that their signatures estimate",
        "none": "near copies were dropped because they share one band of their signatures",
    }.get(data.verify, "near copies were dropped without proof")
    return f"UNVERIFIED: {why} (dedup.verify: {data.verify}); the exact similarity was not computed."


def _edits(data: ReportData) -> str:
    if not data.sum("edits"):
        return ""
    return (
        f"{count(data.sum('edits'))} paragraphs ({size(data.sum('removed_bytes'))}) that earlier documents of their"
        f" source have were cut from {count(data.sum('edited'))} kept documents."
    )


def _flow(data: ReportData) -> str:
    urls = any(s.copies("url") for s in data.sources)
    emptied = any(s.dropped("edits") for s in data.sources)
    head = [
        "source",
        "format",
        "raw",
        "records in",
        "policy",
        "damaged",
        "documents",
        "rules",
        "exact",
        "near" if data.verified else "near UNVERIFIED",
        *(["url"] if urls else []),
        *(["paragraphs"] if emptied else []),
        "kept",
        "kept text",
        "kept %",
    ]

    def row(name: str, form: str, sources: Sequence[Source]) -> list[str]:
        numbers = [
            sum(s.records_in for s in sources),
            sum(s.rejected("policy") for s in sources),
            sum(s.rejected("error") for s in sources),
            sum(s.documents for s in sources),
            sum(s.dropped("decide") for s in sources),
            sum(s.copies("exact") for s in sources),
            sum(s.copies("near") for s in sources),
            *([sum(s.copies("url") for s in sources)] if urls else []),
            *([sum(s.dropped("edits") for s in sources)] if emptied else []),
            sum(s.kept for s in sources),
        ]
        return [
            name,
            form,
            size(sum(s.raw_bytes for s in sources)),
            *map(count, numbers),
            size(sum(s.kept_bytes for s in sources)),
            percent(numbers[-1], numbers[3]),
        ]

    rows = [row(s.name, s.format, [s]) for s in data.sources]
    return aligned(head, rows, text=2, foot=row("all", "", data.sources))


def _reasons(data: ReportData) -> str:
    rows = []
    for source in data.sources:
        for reject in source.rejects:
            amount = reject.records or reject.rows
            unit = "records" if reject.records else "files"
            rows.append(
                [source.name, "extract", words(reject.reason), reject.kind, f"{count(amount)} {unit}"]
            )
        rows += [
            [source.name, d.stage, words(d.reason), "", f"{count(d.documents)} documents"]
            for d in source.drops
        ]
    return aligned(["source", "stage", "reason", "kind", "number"], rows, text=4) if rows else ""


def _search(data: ReportData) -> str:
    search, parts = data.search, []
    if search.examined is not None:
        refused = search.refused or 0
        parts.append(
            f"{count(search.examined)} candidate pairs were examined, {count(refused)} of them refused"
            f" ({percent(refused, search.examined)})."
        )
    rows = recall_rows(search)
    if rows:
        head = ["Jaccard", "shares a band", "candidate", "planted", "found", "recall", "promised"]
        parts.append(aligned(head, rows, text=1))
    return "\n\n".join(parts)


def _mixture(data: ReportData) -> str:
    rows = [
        [
            m.name,
            m.asked,
            f"{100 * m.weight:.2f} %",
            f"{m.epochs:.3f}",
            size(m.available_bytes),
            count(m.available_tokens),
            count(m.tokens),
        ]
        for m in data.mixture
    ]
    head = ["source", "asked", "share", "epochs", "train text", "train tokens", "tokens seen"]
    foot = [
        "all",
        "",
        "100.00 %",
        "",
        size(sum(m.available_bytes for m in data.mixture)),
        count(sum(m.available_tokens for m in data.mixture)),
        count(sum(m.tokens for m in data.mixture)),
    ]
    return aligned(head, rows, text=2, foot=foot)


def _bits(data: ReportData) -> str:
    shown = data.evaluations

    def row(name: str, values: Sequence[float | None]) -> list[str]:
        cells = ["-" if value is None else f"{value:.4f}" for value in values]
        if len(values) > 1:
            first, last = values[0], values[-1]
            cells.append("-" if first is None or last is None else f"{last - first:+.4f}")
        return [name, *cells]

    names = [s.name for s in data.sources if any(s.name in e.sources for e in shown)]
    head = ["bits per byte", *(visible(e.label) for e in shown), *(["change"] if len(shown) > 1 else [])]
    rows = [row(name, [e.sources.get(name) for e in shown]) for name in names]
    return aligned(head, rows, text=1, foot=row("all", [e.overall for e in shown]))


def aligned(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, text: int = 1, foot: Sequence[str] | None = None
) -> str:
    """Return rows as columns: the first ``text`` ones to the left, the rest to the right, rules between.

    >>> print(aligned(["a", "n"], [["x", "10"]], foot=["all", "10"]))
    a     n
    ---  --
    x    10
    ---  --
    all  10
    """
    body = [list(map(str, row)) for row in [head, *rows, *([foot] if foot else [])]]
    widths = [max(len(row[i]) for row in body) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if i < text else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    rule = line(["-" * width for width in widths])
    lines = [line(body[0]), rule, *map(line, body[1 : 1 + len(rows)])]
    return "\n".join([*lines, *([rule, line(body[-1])] if foot else [])])
