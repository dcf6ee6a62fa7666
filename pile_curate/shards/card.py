"""Write the dataset card: a README whose YAML head lists every data file, so that loaders open the folder.

Files are listed one by one, never by pattern, for the same reason that readers open only what a
manifest lists. The head names the Parquet files alone: ``datasets`` picks one format a card, and the
jsonl.zst twins hold the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import yaml

from pile_curate.manifest import FileEntry
from pile_curate.schema import SHARD, SPLITS

HUB_LICENCES: Final = frozenset(
    [
        "apache-2.0",
        "mit",
        "0bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "isc",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nc-sa-4.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-4.0",
        "gpl-2.0",
        "gpl-3.0",
        "lgpl-2.1",
        "lgpl-3.0",
        "agpl-3.0",
        "mpl-2.0",
        "unlicense",
        "zlib",
        "wtfpl",
        "odc-by",
        "odbl",
        "artistic-2.0",
        "epl-2.0",
        "gfdl",
    ]
)
"""Licence ids of the Hugging Face hub (its documentation, repository licences); the rest is ``other``."""

_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
    (10_000_000_000, "1B<n<10B"),
    (100_000_000_000, "10B<n<100B"),
    (1_000_000_000_000, "100B<n<1T"),
)


def build_card(
    name: str,
    files: Iterable[FileEntry],
    *,
    licences: Mapping[str, Mapping[str, int]],
    languages: Mapping[str, Mapping[str, int]] | None = None,
) -> str:
    """Return the card of a shards dataset, to be written into its folder as README.md.

    ``files`` are the manifest's entries (table = split; facts: source, pile_set_name, format, text_bytes);
    ``licences`` and ``languages`` count each source's kept documents by SPDX expression and by code.
    """
    parquet = sorted(
        (f for f in files if f.facts.get("format") == "parquet"),
        key=lambda f: (f.facts["source"], SPLITS.index(f.table), f.path),
    )
    head = _head(name, parquet, licences, languages or {})
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---\n\n{_body(name, parquet, licences, languages or {}, head)}"


def size_category(rows: int) -> str:
    """Return the hub's size category.

    >>> size_category(999), size_category(1000), size_category(5_000_000)
    ('n<1K', '1K<n<10K', '1M<n<10M')
    """
    return next((name for limit, name in _SIZES if rows < limit), "n>1T")


def hub_licences(licences: Iterable[str]) -> list[str]:
    """Return licences as the hub spells them, sorted; an expression or an unknown id becomes ``other``.

    >>> hub_licences(["CC-BY-SA-4.0", "MIT", "LicenseRef-mine"])
    ['cc-by-sa-4.0', 'mit', 'other']
    """
    lowered = {name.lower().removesuffix("-only").removesuffix("-or-later") for name in licences}
    return sorted({name if name in HUB_LICENCES else "other" for name in lowered}) or ["unknown"]


def _head(
    name: str,
    files: Sequence[FileEntry],
    licences: Mapping[str, Mapping[str, int]],
    languages: Mapping[str, Mapping[str, int]],
) -> dict[str, Any]:
    configs: dict[str, dict[str, list[str]]] = {"default": {}}
    for file in files:
        # A source may be called "default"; the configuration of all sources keeps that name.
        source = file.facts["source"] if file.facts["source"] != "default" else "source-default"
        for config in ("default", source):
            configs.setdefault(config, {}).setdefault(file.table, []).append(file.path)
    features = [
        {"name": "text", "dtype": "string"},
        {
            "name": "meta",
            "struct": [{"name": field.name, "dtype": "string"} for field in SHARD.field("meta").type],
        },
    ]
    known = [code for code, _ in _ranked(languages) if code not in ("", "und")]
    return {
        "pretty_name": name,
        "license": hub_licences(licence for licence, _ in _ranked(licences)),
        **({"language": known} if known else {}),
        "size_categories": [size_category(sum(file.rows for file in files))],
        "task_categories": ["text-generation"],
        "tags": ["pretraining", "pile_curate"],
        "configs": [
            {
                "config_name": config,
                "data_files": [{"split": s, "path": splits[s]} for s in SPLITS if s in splits],
            }
            for config, splits in configs.items()
            if splits
        ],
        # Stated, so that a column of dates or of empty strings is never guessed to be something else.
        "dataset_info": [
            {"config_name": config, "features": features} for config, splits in configs.items() if splits
        ],
    }


def _body(
    name: str,
    files: Sequence[FileEntry],
    licences: Mapping[str, Mapping[str, int]],
    languages: Mapping[str, Mapping[str, int]],
    head: Mapping[str, Any],
) -> str:
    documents, size = _totals(files)
    sources = sorted({file.facts["source"] for file in files})
    rows = []
    for source in sources:
        mine = [file for file in files if file.facts["source"] == source]
        count, text_bytes = _totals(mine)
        spoken = [code or "unknown" for code, _ in _ranked({source: languages.get(source, {})})[:4]]
        rows.append(
            [
                mine[0].facts.get("pile_set_name", source),
                f"{count:,}",
                human_bytes(text_bytes),
                ", ".join(licence for licence, _ in _ranked({source: licences.get(source, {})})[:4]),
                ", ".join(spoken),
            ]
        )
    splits = [(split, _totals([f for f in files if f.table == split])) for split in SPLITS]
    parts = [
        f"# {name}",
        f"A pretraining corpus of {documents:,} documents ({human_bytes(size)} of text) from {len(sources)}"
        f" source{'s' if len(sources) != 1 else ''}, extracted, filtered and deduplicated by pile_curate."
        " Each document is stored once; `mixture.json` one folder up says how often a trainer should see"
        " each source.",
        "## Sources",
        _table(["Source", "Documents", "Text", "Licences", "Languages"], rows),
        "## Splits",
        _table(
            ["Split", "Documents", "Text"],
            [[split, f"{count:,}", human_bytes(total)] for split, (count, total) in splits if count],
        ),
        "A document's split is a hash of its id, fixed when it was extracted. Deduplication runs across"
        " splits, so what it calls a copy is never left in another one.",
        "## Licences",
        _table(["Licence", "Documents"], [[licence, f"{n:,}"] for licence, n in _ranked(licences)]),
        "Every row carries its own licence in `meta.licence`.",
    ]
    if languages:
        spoken_rows = [[code or "unknown", f"{count:,}"] for code, count in _ranked(languages)]
        parts += ["## Languages", _table(["Language", "Documents"], spoken_rows)]
    if head["configs"]:
        split = head["configs"][0]["data_files"][0]["split"]
        one = head["configs"][-1]["config_name"]
        parts += [
            "## Load it",
            "```python\n"
            "from datasets import load_dataset\n\n"
            f'everything = load_dataset("PATH/OF/THIS/FOLDER", split="{split}", streaming=True)\n'
            f'one_source = load_dataset("PATH/OF/THIS/FOLDER", "{one}", split="{split}", streaming=True)\n'
            "```",
            f"Each row has `text` and `meta` ({', '.join(f'`{f.name}`' for f in SHARD.field('meta').type)})."
            " Beside each Parquet file lies the same data as `.jsonl.zst`. State the features when you load"
            " that: the loader guesses types, and takes a file whose titles are all dates for one of times.",
            "```python\n"
            'load_dataset("json", data_files=FILES, features=everything.features, streaming=True)\n'
            "```",
        ]
    return "\n\n".join(parts) + "\n"


def human_bytes(size: float) -> str:
    """Return a size for people, in powers of 1024.

    >>> human_bytes(999), human_bytes(1536), human_bytes(5 << 30)
    ('999 B', '1.5 KiB', '5.0 GiB')
    """
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size /= 1024
        if size < 1024 or unit == "TiB":
            break
    return f"{size:.1f} {unit}"


def _totals(files: Sequence[FileEntry]) -> tuple[int, int]:
    return sum(file.rows for file in files), sum(file.facts["text_bytes"] for file in files)


def _ranked(counts: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int]]:
    """Add up the sources' counts; the largest first, ties by name."""
    total: Counter[str] = Counter()
    for mine in counts.values():
        total.update(mine)
    return sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))


def _table(header: list[str], rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(header), line(["---"] * len(header)), *map(line, rows)])
