"""Print what can be read: each format with where its files come from, and The Pile's components by format."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pile_curate.components import COMPONENTS
from pile_curate.errors import InputError
from pile_curate.recipe_errors import did_you_mean
from pile_curate.sources import SOURCES
from pile_curate.sources.base import SourceFormat

GIB = 1 << 30


def find(name: str) -> SourceFormat:
    """Return a format by its name; another name is an ``InputError`` that lists what there is."""
    if name not in SOURCES:
        known = ", ".join(sorted(SOURCES))
        raise InputError(f"{name!r} is not a format; there are {known}{did_you_mean(name, SOURCES)}")
    return SOURCES[name]


def facts(fmt: SourceFormat) -> dict[str, Any]:
    """Return everything that is known of a format, as JSON-able values."""
    return {
        "name": fmt.name,
        "version": fmt.version,
        "summary": fmt.summary,
        **asdict(fmt.about),
        "suffixes": list(fmt.suffixes),
        "threaded": fmt.threaded,
        "prose": fmt.prose,
        "unfit": list(fmt.Options.unfit),
        "components": [c.name for c in COMPONENTS if c.format == fmt.name],
        "options": fmt.Options.model_json_schema().get("properties", {}),
    }


def block(fmt: SourceFormat) -> str:
    """Return a format in a few lines."""
    about, components = fmt.about, [c.name for c in COMPONENTS if c.format == fmt.name]
    rows = {
        "from": f"{about.publisher}, {about.where}",
        "licence": f"{about.licence} (consent: {about.consent})",
        "size": about.size,
        "splits": about.splits,
        "paths": about.example,
        "in The Pile": ", ".join(components),
        "rules off": ", ".join(fmt.Options.unfit),
        "options": ", ".join(fmt.Options.model_fields),
    }
    lines = [f"{fmt.name}: {fmt.summary}", *(f"    {key:12s}{value}" for key, value in rows.items() if value)]
    return "\n".join(lines)


def details(fmt: SourceFormat) -> str:
    """Return a format with every option, its type, default and meaning, and an entry for a recipe."""
    lines = [block(fmt), ""]
    for name, option in facts(fmt)["options"].items():
        lines.append(f"    {name} (default {option.get('default')!r})")
        lines += [f"        {option['description']}"] if option.get("description") else []
    licence = fmt.about.licence if " " not in fmt.about.licence else "LicenseRef-unknown"
    lines += [
        "",
        f"  - name: {fmt.name.replace('_', '-')}",
        f"    format: {fmt.name}",
        f'    paths: ["{fmt.about.example}"]',
        f"    licence: {licence}",
        f"    consent: {fmt.about.consent}",
        "    weight: 1",
    ]
    return "\n".join(lines)


def components() -> str:
    """Return The Pile's components as a table: who agreed, and which format reads them."""
    head = f"{'component':20s} {'format':18s} {'consent':8s} {'GiB':>7s} {'epochs':>6s}  licence"
    rows = [
        f"{c.name:20s} {c.format:18s} {c.consent:8s} {c.bytes / GIB:7.2f} {c.epochs:6g}  "
        + (c.licence if not c.licence_note else f"{c.licence_note} ({c.licence})")
        for c in COMPONENTS
    ]
    foot = "consent public: nobody agreed; refused unless the recipe says allow_unconsented: true"
    return "\n".join([head, "-" * len(head), *rows, foot])


def listing() -> str:
    """Return all formats and all components."""
    return "\n\n".join(
        [*(block(fmt) for fmt in SOURCES.values()), "The Pile, and what reads it:\n\n" + components()]
    )
