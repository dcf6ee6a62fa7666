"""Write the dataset card: a README whose YAML head lists every data file, so that loaders open the folder.

Files are listed one by one, never by pattern, for the same reason that readers open only what a
manifest lists. The head names the Parquet files alone: ``datasets`` picks one format a card, and the
jsonl.zst twins hold the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

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
    mixture: Mapping[str, Any], *, languages: Mapping[str, int] | None = None, base: str = ""
) -> str:
    """Return the card's text for a mixture document.

    ``languages`` maps a language code to documents. ``base`` is the card's folder relative to the
    output directory ("" for the directory itself, "shards/" for the shards dataset); data files outside
    it raise ``ValueError``, since a card can only name what lies below it.
    """
    head = _head(mixture, languages or {}, base)
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---\n\n{_body(mixture, languages or {}, head)}"


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


def _head(mixture: Mapping[str, Any], languages: Mapping[str, int], base: str) -> dict[str, Any]:
    configs: dict[str, dict[str, list[str]]] = {"default": {}}
    for source in mixture["sources"]:
        # A source may be called "default"; the configuration of all sources keeps that name.
        name = source["name"] if source["name"] != "default" else "source-default"
        for shard in source["shards"]:
            if not shard["path"].endswith(".parquet"):
                continue
            if not shard["path"].startswith(base):
                raise ValueError(f"{shard['path']} is not below {base}; write the card in a folder above it")
            for config in ("default", name):
                splits = configs.setdefault(config, {})
                splits.setdefault(shard["split"], []).append(shard["path"].removeprefix(base))
    rows = sum(_available(source)["documents"] for source in mixture["sources"])
    features = [
        {"name": "text", "dtype": "string"},
        {
            "name": "meta",
            "struct": [{"name": field.name, "dtype": "string"} for field in SHARD.field("meta").type],
        },
    ]
    known = [code for code, _ in _ranked(languages) if code not in ("", "und")]
    return {
        "pretty_name": mixture["name"],
        "license": hub_licences(_licences(mixture)),
        **({"language": known} if known else {}),
        "size_categories": [size_category(rows)],
        "task_categories": ["text-generation"],
        "tags": ["pretraining", "pile_curate"],
        "configs": [
            {
                "config_name": config,
                "data_files": [{"split": s, "path": sorted(splits[s])} for s in SPLITS if s in splits],
            }
            for config, splits in configs.items()
            if splits
        ],
        # Stated, so that a column of dates or of empty strings is never guessed to be something else.
        "dataset_info": [
            {"config_name": config, "features": features} for config, splits in configs.items() if splits
        ],
    }


def _body(mixture: Mapping[str, Any], languages: Mapping[str, int], head: Mapping[str, Any]) -> str:
    sources = mixture["sources"]
    totals = [_available(source) for source in sources]
    documents = sum(total["documents"] for total in totals)
    size = sum(total["bytes"] for total in totals)
    tokens = sum(total["tokens"] for total in totals)
    tokenizer = mixture.get("tokenizer") or {}
    with_tokens = f", {tokens:,} tokens" if tokens else ""
    parts = [
        f"# {mixture['name']}",
        f"A pretraining corpus of {documents:,} documents ({human_bytes(size)} of text{with_tokens}) from"
        f" {len(sources)} source{'s' if len(sources) != 1 else ''}, extracted, deduplicated and mixed with"
        " [pile_curate](https://pypi.org/project/pile-curate/). Each document is stored once; the mixture"
        " says how often a trainer should see each source.",
        "## Sources",
        _table(
            ["Source", "Documents", "Text", "Tokens", "Share of training", "Epochs", "Licence", "Consent"],
            [
                [
                    source.get("pile_set_name") or source["name"],
                    f"{total['documents']:,}",
                    human_bytes(total["bytes"]),
                    f"{total['tokens']:,}",
                    f"{100 * source['achieved']['weight']:.2f} %",
                    f"{source['achieved']['epochs']:.2f}",
                    source.get("licence", ""),
                    source.get("consent", ""),
                ]
                for source, total in zip(sources, totals, strict=True)
            ],
        ),
        f"Shares are of the mixture's total in {mixture['unit']}. Consent follows The Pile: `author` (the"
        " authors agreed to redistribution), `tos` (the terms of service allow it), `public` (published"
        " openly, no more is known).",
        "## Splits",
        _table(
            ["Split", "Documents", "Text", "Tokens"],
            [
                [s, f"{one['documents']:,}", human_bytes(one["bytes"]), f"{one['tokens']:,}"]
                for s in SPLITS
                if (one := _sum(source["available"].get(s) for source in sources))["documents"]
            ],
        ),
        "A document's split is a hash of its id, fixed at extraction; no near-copy of a training document is"
        " left in another split.",
        "## Licences",
        _table(
            ["Licence", "Documents"], [[name, f"{count:,}"] for name, count in _ranked(_licences(mixture))]
        ),
        "Every row carries its own licence in `meta.licence`.",
    ]
    if languages:
        parts += [
            "## Languages",
            _table(["Language", "Documents"], [[c or "unknown", f"{n:,}"] for c, n in _ranked(languages)]),
        ]
    first = head["configs"][0] if head["configs"] else {"data_files": []}
    split = first["data_files"][0]["split"] if first["data_files"] else "train"
    named = head["configs"][1]["config_name"] if len(head["configs"]) > 1 else "default"
    parts += [
        "## Load it",
        "```python\n"
        "from datasets import load_dataset\n\n"
        f'everything = load_dataset("PATH/OF/THIS/FOLDER", split="{split}", streaming=True)\n'
        f'one_source = load_dataset("PATH/OF/THIS/FOLDER", "{named}", split="{split}", streaming=True)\n'
        "```",
        "Each row has `text` and `meta` (" + ", ".join(f"`{f.name}`" for f in SHARD.field("meta").type) + ")."
        " Beside each Parquet file lies the same data as `.jsonl.zst`. State the features when you load"
        " that: the loader guesses types, and takes a file whose titles are all dates for one of times.",
        "```python\n"
        'load_dataset("json", data_files=FILES, features=everything.features, streaming=True)\n'
        "```",
    ]
    if tokenizer:
        parts.append(
            f"Token counts use `{tokenizer['path']}` ({tokenizer['vocab_size']:,} tokens, sha256"
            f" `{tokenizer['sha256']}`)."
        )
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


def _available(source: Mapping[str, Any]) -> dict[str, int]:
    return _sum(source["available"].values())


def _sum(counts: Iterable[Mapping[str, int] | None]) -> dict[str, int]:
    total = dict.fromkeys(("documents", "bytes", "tokens"), 0)
    for count in counts:
        for key in total:
            total[key] += (count or {}).get(key, 0)
    return total


def _licences(mixture: Mapping[str, Any]) -> Counter[str]:
    found: Counter[str] = Counter()
    for source in mixture["sources"]:
        found.update(source.get("licences") or {source.get("licence", ""): _available(source)["documents"]})
    return found


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _table(header: list[str], rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(header), line(["---"] * len(header)), *map(line, rows)])
