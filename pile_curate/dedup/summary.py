"""Show on a terminal what a run of near-duplicate removal did: the text of ``summary.txt``, from ``summary.json``.

Nothing here computes a verdict. ``render`` takes the dictionary as it was written, or one of an older version or
an unfinished run: a section whose facts are missing is left out. Texts and ids come from the corpus, so
whatever could steer a terminal is replaced before it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

EXCERPT = 80
"""Characters of a text that are shown."""

_READ = 4000  # characters of a text that are looked at for its excerpt
_LABEL = 16


def excerpt(text: str | bytes, length: int = EXCERPT) -> str:
    """Return a text's first characters for people: white space as one space, what is unprintable as U+FFFD.

    >>> excerpt("  One\\n\\ttwo\\x1b[2J three", 14)
    'One two�[2J th'
    """
    if isinstance(text, bytes):
        text = text[: 4 * _READ].decode("utf-8", "replace")
    flat = " ".join(text[:_READ].split())[:length]
    return "".join(character if character.isprintable() else "�" for character in flat)


def size_bins(sizes: Mapping[Any, Any]) -> list[tuple[str, int]]:
    """Return how many clusters there are by size: 1, 2, 3-4, 5-8, ... powers of two; sizes may be strings.

    >>> size_bins({"2": 5, 3: 1, "4": 2, 9: 1})
    [('2', 5), ('3-4', 3), ('9-16', 1)]
    """
    counts: dict[int, int] = {}
    for size, count in sizes.items():
        if str(size).isdecimal() and int(size) > 0 and isinstance(count, int):
            power = (int(size) - 1).bit_length()
            counts[power] = counts.get(power, 0) + count
    names = {power: f"{2**power // 2 + 1}-{2**power}" if power > 1 else str(power + 1) for power in counts}
    return [(names[power], counts[power]) for power in sorted(counts)]


def render(summary: Mapping[str, Any]) -> str:
    """Return the summary as lines of text, without a line end at its end; missing keys leave lines out."""
    sections = (
        _head(summary),
        _documents(summary),
        _pairs(summary),
        _clusters(summary),
        _recall(summary),
        _seconds(summary),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _under(mapping: Any, *path: str) -> Any:
    """Return what lies at a path of keys, or None if any of it is missing."""
    for key in path:
        mapping = mapping.get(key) if isinstance(mapping, Mapping) else None
    return mapping


def _line(label: str, *parts: str | None) -> list[str]:
    shown = [part for part in parts if part]
    return [f"{label:<{_LABEL}} {', '.join(shown)}"] if shown else []


def _number(value: Any) -> str:
    """Return a number with separators, anything else as printable text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return excerpt(str(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _counted(value: Any, name: str) -> str | None:
    return None if value is None else f"{_number(value)} {name}"


def _bytes(value: Any) -> str | None:
    if not isinstance(value, int | float):
        return None
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.4g} {unit}"
        value /= 1000
    return f"{value:,.4g} TB"


def _share(part: Any, whole: Any) -> str:
    good = isinstance(part, int | float) and isinstance(whole, int | float) and whole
    return f" ({part / whole:.2%})" if good else ""


def _sum(value: Any) -> Any:
    """Return a count that may be given by reason."""
    return sum(n for n in value.values() if isinstance(n, int)) if isinstance(value, Mapping) else value


def _head(summary: Mapping[str, Any]) -> list[str]:
    settings = _under(summary, "settings")
    settings = settings if isinstance(settings, Mapping) else {}
    version = summary.get("version")
    lines = ["Near-duplicate removal" + (f", version {_number(version)}" if version is not None else "")]
    verify = settings.get("verify")
    if summary.get("verified") is False or verify not in (None, "exact"):
        basis = {"estimate": "the Jaccard that signatures estimate", "none": "a shared band alone"}
        lines += [
            "UNVERIFIED",
            f"Near copies rest on {basis.get(str(verify), 'no exact Jaccard')}; no text was compared.",
        ]
    lines += _line("engine", _text(summary.get("engine")), _text(summary.get("engine_reason")))
    known = (
        "threshold",
        "ngram",
        "permutations",
        "bands",
        "rows",
        "minimum_agreement",
        "cap",
        "keep",
        "scope",
        "verify",
    )
    order = [name for name in known if name in settings] + sorted(set(settings) - set(known))
    values = [(name, settings[name]) for name in order if settings[name] not in (None, {}, [])]
    for start in range(0, len(values), 6):
        parts = [f"{name.replace('_', ' ')} {_number(value)}" for name, value in values[start : start + 6]]
        lines += _line("settings" if start == 0 else "", *parts)
    return lines


def _text(value: Any) -> str | None:
    return None if value is None else excerpt(str(value), 200)


def _documents(summary: Mapping[str, Any]) -> list[str]:
    documents, kept, rejects = summary.get("documents"), summary.get("kept"), summary.get("rejects")
    count = {
        name: _under(summary, "duplicates", name) for name in ("total", "exact", "near", "url", "cross_split")
    }
    lines = _line(
        "documents",
        _number(documents) if documents is not None else None,
        _bytes(summary.get("bytes")),
        _counted(summary.get("null_texts"), "of null text"),
        _counted(_sum(rejects), "rows rejected"),
    )
    if isinstance(rejects, Mapping):
        lines += _line(
            "  rejected", *(f"{_number(n)} {excerpt(str(why))}" for why, n in sorted(rejects.items()))
        )
    if count["total"] is not None:
        lines += _line("duplicates", _number(count["total"]) + _share(count["total"], documents))
    kinds = [_counted(count[name], name) for name in ("exact", "near", "url")]
    lines += _line("  of them", *kinds, _counted(count["cross_split"], "of a kept one in another split"))
    if kept is not None:
        lines += _line("kept", _number(kept) + _share(kept, documents), _bytes(summary.get("kept_bytes")))
    against = summary.get("against")
    if isinstance(against, Mapping):
        lines += _line("older corpus", *_facts(against))
    files, rows = _under(summary, "output", "files"), _under(summary, "output", "rows")
    digest = _text(_under(summary, "output", "digest"))
    lines += _line(
        "output", _counted(files, "files"), _counted(rows, "rows"), f"digest {digest}" if digest else None
    )
    return lines


def _facts(mapping: Mapping[str, Any]) -> Iterable[str]:
    return [f"{excerpt(str(name)).replace('_', ' ')} {_number(value)}" for name, value in mapping.items()]


def _pairs(summary: Mapping[str, Any]) -> list[str]:
    examined, refused = _under(summary, "pairs", "examined"), _under(summary, "pairs", "refused")
    if refused is not None:
        refused = f"{_number(refused)} refused by verification{_share(refused, examined)}"
    lines = _line("candidate pairs", _counted(examined, "examined"), refused)
    lines += _line("edges", _number(summary["edges"]) if summary.get("edges") is not None else None)
    components = summary.get("components")
    if isinstance(components, Mapping):
        lines += _line("components", *_facts(components))
    return lines


def _clusters(summary: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    sizes, largest = summary.get("cluster_sizes"), summary.get("largest_clusters")
    bins = size_bins(sizes) if isinstance(sizes, Mapping) else []
    if bins:
        width = max(len(f"{count:,}") for _, count in bins + [("", 0)])
        lines += ["Clusters by size (a kept document and its copies)"]
        lines += [f"  {name:>13} {count:>{width},}" for name, count in bins]
    clusters = (
        [one for one in largest if isinstance(one, Mapping)] if isinstance(largest, list | tuple) else []
    )
    if clusters:
        lines += ["Largest clusters"]
    for one in clusters:
        source = f", {excerpt(str(one['source']))}" if one.get("source") else ""
        lines += [f"  {_number(one.get('size', '?'))} documents{source}"]
        for role in ("kept", "copy"):
            name, text = one.get(f"{role}_id"), one.get("excerpt" if role == "kept" else "copy_excerpt")
            if name is not None or text is not None:
                shown = [excerpt(str(name))] if name is not None else []
                lines += [
                    f"    {role} {' '.join(shown + ([excerpt(text)] if isinstance(text, str) else []))}"
                ]
    return lines


def _recall(summary: Mapping[str, Any]) -> list[str]:
    """Put the curve at J and the planted pairs of [J, J + 0.05) in one row."""
    rows = [row for row in summary.get("curve") or () if isinstance(row, list | tuple) and row]
    curve = {round(row[0], 2): row[1:] for row in rows if isinstance(row[0], float)}
    pairs_by_bin = [row for row in summary.get("planted") or () if isinstance(row, Mapping)]
    planted = {round(row["low"], 2): row for row in pairs_by_bin if isinstance(row.get("low"), float)}
    if not curve and not planted:
        return []
    lines = [
        "Recall: what bands and agreement find at Jaccard J, and of copies planted with Jaccard J to J + 0.05",
        "     J  shares a band  candidate |  planted  mean J    found   recall  expected",
    ]
    for jaccard in sorted({*curve, *planted}):
        theory = [_percent(p) for p in (*curve.get(jaccard, ()), None, None)][:2]
        row = planted.get(jaccard, {})
        pairs = row.get("pairs")
        mean = row.get("mean_jaccard")
        facts = [
            f"{'' if pairs is None else _number(pairs):>8}",
            f"{'' if mean is None else f'{mean:.3f}':>7}",
            f"{'' if not pairs or row.get('found') is None else _number(row['found']):>8}",
            f"{_percent(row.get('recall')):>8}",
            f"{_percent(row.get('expected')):>9}",
        ]
        lines.append(f"  {jaccard:.2f}  {theory[0]:>13}  {theory[1]:>9} | {' '.join(facts)}".rstrip(" |"))
    return lines


def _percent(value: Any) -> str:
    return f"{value:.2%}" if isinstance(value, int | float) else ""


def _seconds(summary: Mapping[str, Any]) -> list[str]:
    seconds = summary.get("seconds")
    if not isinstance(seconds, Mapping):
        return []
    steps = {excerpt(str(k)): float(v) for k, v in seconds.items() if isinstance(v, int | float)}
    lines = _line("seconds", *(f"{name} {value:.1f}" for name, value in steps.items()))
    read, total = summary.get("bytes"), steps.get("total", sum(steps.values()))
    if isinstance(read, int | float) and total > 0:
        lines += _line("speed", f"{read / total / 1e6:,.1f} MB of text a second")
    return lines
