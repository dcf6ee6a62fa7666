"""Build the report's page: one HTML file with its style and drawings inside, no script, no network.

Every value goes through Jinja2's autoescape; the only markup trusted is our own style sheet and SVG.
The page must be safe to open although it quotes documents from the open web: a content security policy
forbids scripts and loads, whatever a text contains.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pile_curate.report import charts, diff
from pile_curate.report import format as fmt
from pile_curate.report.data import Drop, Pair, ReportData, Source
from pile_curate.report.duplicates import recall_rows
from pile_curate.report.table import unverified

_HERE = Path(__file__).parent
_PAIRS = 12
_LANGUAGES = 16


def build_report(data: ReportData) -> str:
    """Return the page. The same data gives the same bytes."""
    return _template().render(
        data=data,
        tiles=tiles(data),
        flow=charts.flow(stations(data)) if data.sources else Markup(""),
        fates=[(source, fate(source)) for source in data.sources],
        languages=_shares(data.languages(), _LANGUAGES),
        licences=_shares(data.licences(), _LANGUAGES),
        clusters=cluster_bars(data.clusters),
        copies=_copies(data),
        recall=recall_rows(data.search),
        curve=charts.recall(data.search),
        unverified=unverified(data),
        dot=_dot,
        pairs=[_pair(pair) for pair in data.pairs[:_PAIRS]],
        mixture=_mixture(data),
        bits=_bits(data),
        wrong=data.imbalances(),
        names={source.name: source.title for source in data.sources},
    )


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else fmt.visible(str(value)),
    )
    environment.filters.update(
        count=fmt.count, short=fmt.short, size=fmt.size, percent=fmt.percent, words=fmt.words
    )
    environment.globals["style"] = Markup((_HERE / "style.css").read_text(encoding="utf-8"))
    return environment.get_template("page.html")


def tiles(data: ReportData) -> list[tuple[str, str, str]]:
    """Return (number, unit, remark) of the figures at the top."""
    records, documents, kept = (data.sum(name) for name in ("records_in", "documents", "kept"))
    splits = [amount for source in data.sources for amount in source.splits.values()]
    tokens = sum(amount.tokens for amount in splits)
    found = [
        (fmt.short(records), "raw records", f"{fmt.size(data.sum('raw_bytes'))} read"),
        (fmt.short(documents), "documents", f"{fmt.size(data.sum('text_bytes'))} of text extracted"),
        (fmt.short(kept), "kept", f"{fmt.percent(kept, documents)} of documents"),
        (fmt.size(data.sum("kept_bytes")), "of text kept", f"in {len(data.sources)} sources"),
    ]
    if tokens:
        vocabulary = data.tokenizer.get("vocab_size")
        found.append((fmt.short(tokens), "tokens", f"vocabulary {vocabulary:,}" if vocabulary else ""))
    scored = [e for e in data.evaluations if e.overall is not None]
    if scored:
        first, last = scored[0].overall, scored[-1].overall
        remark = f"from {first:.3f} {scored[0].label}" if len(scored) > 1 else scored[0].label
        found.append((f"{last:.3f}", "bits per byte", remark))
    return found


def stations(data: ReportData) -> list[charts.Station]:
    """Return the flow over all sources."""
    sources = data.sources

    def dropped(stage: str) -> int:
        return sum(s.dropped(stage) for s in sources)

    exact, near, url = (sum(s.copies(kind) for s in sources) for kind in ("exact", "near", "url"))
    emptied = dropped("edits")
    policy, damaged = (sum(s.rejected(kind) for s in sources) for kind in ("policy", "error"))
    documents = data.sum("documents")
    return [
        charts.Station(
            "raw records",
            data.sum("records_in"),
            (
                charts.Loss("rejected by policy", policy, "policy"),
                charts.Loss("damaged", damaged, "damaged"),
            ),
        ),
        charts.Station(
            "documents", documents, (charts.Loss("failed a rule", dropped("decide"), "rules"),), True
        ),
        charts.Station(
            "eligible",
            documents - dropped("decide"),
            (
                charts.Loss("exact copies", exact, "exact"),
                charts.Loss("near copies", near, "near"),
                charts.Loss("same URL", url, "url"),
            ),
        ),
        *(
            [
                charts.Station(
                    "distinct", data.sum("kept") + emptied, (charts.Loss("all repeated", emptied, "edits"),)
                )
            ]
            if emptied
            else []
        ),
        charts.Station("kept", data.sum("kept")),
    ]


def fate(source: Source) -> list[tuple[str, str, int, float]]:
    """Return (css class, label, documents, percent) of what became of a source's documents."""
    parts = [
        ("kept", "kept", source.kept),
        ("rules", "failed a rule", source.dropped("decide")),
        ("exact", "exact copies", source.copies("exact")),
        ("near", "near copies", source.copies("near")),
        ("url", "same URL", source.copies("url")),
        ("edits", "all paragraphs repeated", source.dropped("edits")),
    ]
    whole = source.documents or 1
    return [(css, label, value, round(100 * value / whole, 3)) for css, label, value in parts if value]


def cluster_bars(clusters: Mapping[int, int]) -> list[tuple[str, int, float]]:
    """Return (sizes, clusters, height in percent) in ranges that double.

    >>> [(label, number) for label, number, _ in cluster_bars({2: 5, 3: 1, 5: 2, 40: 1})]
    [('2', 5), ('3', 1), ('4', 0), ('5–8', 2), ('9–16', 0), ('17–32', 0), ('33–64', 1)]
    """
    if not clusters:
        return []
    ranges = [(2, 2), (3, 3), (4, 4)]
    while ranges[-1][1] < max(clusters):
        ranges.append((ranges[-1][1] + 1, 2 * ranges[-1][1]))
    counts = [sum(n for s, n in clusters.items() if low <= s <= high) for low, high in ranges]
    return [
        (str(low) if low == high else f"{low}\u2013{high}", number, round(100 * number / max(counts), 2))
        for (low, high), number in zip(ranges, counts, strict=True)
    ]


def _copies(data: ReportData) -> dict[str, int]:
    """Return the counts of copies: the ledger's, or before there is one those of the search."""
    kinds = {kind: sum(s.copies(kind) for s in data.sources) for kind in ("exact", "near", "url")}
    found = {
        "total": sum(s.dropped("dedup") for s in data.sources),
        **kinds,
        "cross_split": data.sum("cross_split"),
    }
    if not found["total"]:
        found |= data.search.copies
    return {
        "all": found["total"],
        **{kind: found[kind] for kind in (*kinds, "cross_split")},
        "emptied": sum(s.dropped("edits") for s in data.sources),
        "clusters": sum(data.clusters.values()),
        "largest": max(data.clusters, default=0),
    }


def _dot(drop: Drop) -> str:
    """Return the css class of a reason's dot."""
    if drop.stage != "dedup":
        return "edits" if drop.stage == "edits" else "rules"
    return {"exact_duplicate": "exact", "url_duplicate": "url"}.get(drop.reason, "near")


def _shares(counts: list[tuple[str, int]], limit: int) -> list[tuple[str, int, str, float]]:
    """Return (name, number, share, bar in percent); what is beyond the limit becomes "others"."""
    shown = counts[:limit]
    if len(counts) > limit:
        shown = [*counts[: limit - 1], ("others", sum(number for _, number in counts[limit - 1 :]))]
    whole = sum(number for _, number in counts)
    top = max((number for _, number in shown), default=1) or 1
    return [
        (name or "unknown", number, fmt.percent(number, whole), round(100 * number / top, 2))
        for name, number in shown
    ]


def _pair(pair: Pair) -> dict[str, Any]:
    kept, dropped = diff.side_by_side(pair.kept_text, pair.dropped_text)
    return {"pair": pair, "kept": kept, "dropped": dropped}


def _mixture(data: ReportData) -> list[dict[str, Any]]:
    unit = "bytes" if data.unit == "bytes" else "tokens"
    available = {m.name: getattr(m, f"available_{unit}") for m in data.mixture}
    whole = sum(available.values()) or 1
    top = max([m.weight for m in data.mixture] + [n / whole for n in available.values()], default=1.0) or 1.0
    return [
        {
            "mix": mix,
            "available": available[mix.name],
            "seen": getattr(mix, unit),
            "share": available[mix.name] / whole,
            "share_bar": round(100 * available[mix.name] / whole / top, 2),
            "weight_bar": round(100 * mix.weight / top, 2),
        }
        for mix in data.mixture
    ]


def _bits(data: ReportData) -> dict[str, Any] | None:
    scored = [e for e in data.evaluations if e.overall is not None]
    if not scored:
        return None
    first, last = scored[0], scored[-1]
    rows = [
        (s.title, first.sources.get(s.name) if first is not last else None, last.sources.get(s.name))
        for s in data.sources
        if s.name in last.sources
    ]
    rows.append(("all sources", first.overall if first is not last else None, last.overall))
    return {"chart": charts.dumbbells(rows, first.label, last.label), "first": first, "last": last}
