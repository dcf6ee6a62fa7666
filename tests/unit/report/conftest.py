"""A rich hand-made report: six sources, every kind of loss, awkward texts."""

from __future__ import annotations

import pytest

from pile_curate.report.assemble import assemble
from pile_curate.report.data import Pair, ReportData, StageLine

TIDE = (
    "The tide mill at Cawsand was built in 1807 to grind corn for the garrison. Twice a day the sea filled the pond"
    " behind the dam, and twice a day it turned the wheel on its way out. When the railway came, flour arrived from"
    " the mainland at half the price, and the miller turned to sawing timber for the boatyards along the creek."
)
FORGED = 'He wrote <script>alert("x")</script> & left.\u202e reversed \x1b[31m red \x00 nul'


def _source(
    form: str, files: int, raw: int, records: int, documents: int, text: int, rejects, damage=()
) -> dict:
    return {
        "format": form,
        "files": files,
        "damaged_files": len(damage),
        "records_in": records,
        "documents": documents,
        "document_records": records - sum(r[1] for r in rejects.values()),
        "raw_bytes": raw,
        "text_bytes": text,
        "rejects": {
            name: {"kind": kind, "rows": max(1, number), "records": number}
            for name, (kind, number) in rejects.items()
        },
        "damage": list(damage),
    }


def _ledger(documents: int, kept_bytes: int, dropped: dict, cross: int) -> dict:
    kept = documents - sum(n for reasons in dropped.values() for n in reasons.values())
    small = max(1, kept // 200)
    splits = {"train": kept - 2 * small, "validation": small, "test": small}
    return {
        "documents": documents,
        "kept": kept,
        "kept_bytes": kept_bytes,
        "cross_split": cross,
        "dropped": dropped,
        "splits": {s: {"documents": n, "bytes": kept_bytes * n // kept} for s, n in splits.items()},
    }


EXTRACT = {
    "commoncrawl": _source(
        "warc",
        4,
        812_000_000,
        152_340,
        41_208,
        230_400_000,
        {
            "not_a_response": ("policy", 98_211),
            "not_html": ("policy", 3_120),
            "empty_text": ("policy", 9_544),
            "truncated_record": ("error", 1),
            "guard_cpu": ("error", 3),
            "http_error": ("policy", 253),
        },
        ["segment-00017.warc.gz: truncated gzip member after 104,882,176 bytes"],
    ),
    "wikipedia": _source(
        "mediawiki",
        1,
        64_000_000,
        30_112,
        11_846,
        48_700_000,
        {"redirect": ("policy", 14_020), "namespace": ("policy", 4_246)},
    ),
    "stackexchange": _source(
        "stackexchange", 3, 41_000_000, 52_009, 18_377, 39_900_000, {"answer_not_used": ("policy", 9_420)}
    ),
    "gutenberg": _source("gutenberg", 64, 27_600_000, 64, 63, 26_100_000, {"no_header": ("error", 1)}),
    "github": _source(
        "code",
        1,
        58_000_000,
        9_240,
        5_121,
        31_800_000,
        {
            "no_licence": ("policy", 1_870),
            "vendored": ("policy", 1_204),
            "generated": ("policy", 611),
            "minified": ("policy", 98),
            "binary": ("policy", 336),
        },
    ),
    "irc": _source(
        "jsonl",
        2,
        9_400_000,
        2_210,
        2_199,
        9_000_000,
        {"bad_json": ("error", 2), "empty_text": ("policy", 9)},
    ),
}
LEDGER = {
    "commoncrawl": _ledger(
        41_208,
        141_000_000,
        {
            "decide": {
                "language": 9_206,
                "word_count": 4_810,
                "duplicate_line_fraction": 1_377,
                "mean_word_length": 240,
                "top_2gram_character_fraction": 96,
            },
            "dedup": {"exact_duplicate": 2_970, "near_duplicate": 3_411},
        },
        31,
    ),
    "wikipedia": _ledger(
        11_846, 46_200_000, {"decide": {"word_count": 1_940}, "dedup": {"near_duplicate": 64}}, 1
    ),
    "stackexchange": _ledger(
        18_377,
        37_100_000,
        {"decide": {"word_count": 811}, "dedup": {"exact_duplicate": 12, "near_duplicate": 38}},
        0,
    ),
    "gutenberg": _ledger(63, 25_400_000, {"dedup": {"near_duplicate": 2}}, 0),
    "github": _ledger(5_121, 28_900_000, {"dedup": {"exact_duplicate": 402, "near_duplicate": 377}}, 4),
    "irc": _ledger(2_199, 8_900_000, {}, 0),
}
LANGUAGES = {
    "commoncrawl": {
        "en": 31_002,
        "de": 3_120,
        "fr": 2_210,
        "es": 1_980,
        "ja": 1_210,
        "ru": 940,
        "zh": 700,
        "": 46,
    },
    "wikipedia": {"en": 11_800, "la": 30, "de": 16},
    "stackexchange": {"en": 18_377},
    "gutenberg": {"en": 58, "de": 5},
    "github": {"": 5_121},
    "irc": {"en": 2_100, "pt": 99},
}
LICENCES = {
    "commoncrawl": {"LicenseRef-unknown": 19_098},
    "wikipedia": {"CC-BY-SA-4.0": 9_842},
    "stackexchange": {"CC-BY-SA-4.0": 12_000, "CC-BY-SA-3.0": 5_000, "CC-BY-SA-2.5": 516},
    "gutenberg": {"LicenseRef-public-domain-US": 61},
    "github": {
        "MIT": 2_200,
        "Apache-2.0": 1_500,
        "BSD-3-Clause": 600,
        "GPL-3.0-or-later WITH GCC-exception-3.1": 42,
    },
    "irc": {"LicenseRef-public-domain": 2_199},
}
ASKED = {
    "commoncrawl": ({"weight": 4.0}, 0.4, 0.71),
    "wikipedia": ({"weight": 2.0}, 0.2, 1.08),
    "stackexchange": ({"weight": 1.5}, 0.15, 1.01),
    "gutenberg": ({"epochs": 1.0}, 0.1, 1.0),
    "github": ({"weight": 1.3}, 0.13, 1.12),
    "irc": ({"tokens": 5_000_000.0}, 0.02, 2.25),
}
TITLES = {"commoncrawl": "Common Crawl", "wikipedia": "Wikipedia (en)", "irc": "Ubuntu IRC"}
MIXTURE = {
    "unit": "tokens",
    "total": 250_000_000,
    "max_epochs": 4,
    "tokenizer": {"vocab_size": 16_384, "sha256": "9f" * 32},
    "sources": [
        {
            "name": name,
            "pile_set_name": TITLES.get(name, name),
            "licence": next(iter(LICENCES[name])),
            "consent": "public" if name == "commoncrawl" else "author",
            "asked": asked,
            "achieved": {
                "weight": weight,
                "epochs": epochs,
                "documents": 1,
                "bytes": int(weight * 9e8),
                "tokens": int(weight * 2.5e8),
            },
            "available": {
                "train": {
                    "documents": 1,
                    "bytes": int(weight * 9e8 / epochs),
                    "tokens": int(weight * 2.5e8 / epochs),
                },
                "validation": {"documents": 1, "bytes": 100, "tokens": 30},
            },
        }
        for name, (asked, weight, epochs) in ASKED.items()
    ],
}
BITS = {
    "commoncrawl": (8.31, 2.402),
    "wikipedia": (8.25, 2.118),
    "stackexchange": (8.28, 2.347),
    "gutenberg": (8.19, 2.266),
    "github": (8.4, 1.705),
    "irc": (8.33, 2.93),
}


def _evaluation(label: str, step: int, index: int) -> dict:
    rows = [{"source": name, "bits_per_byte": values[index]} for name, values in BITS.items()]
    return {
        "label": label,
        "step": step,
        "split": "validation",
        "sources": rows,
        "overall": {"bits_per_byte": (8.3, 2.291)[index]},
    }


PAIRS = (
    Pair(
        "b2" * 16,
        "a1" * 16,
        "commoncrawl",
        "wikipedia",
        "near",
        0.871,
        TIDE.replace("1807", "1809").replace("half the price", "a third of the price") + " Read more on our site.",
        TIDE,
        "Tide mill | Visit the Rame coast",
        "Cawsand tide mill",
        True,
    ),
    Pair("d4" * 16, "c3" * 16, "github", "github", "exact", 1.0, "def area(r):\n    return 3.14159 * r * r\n" * 3,
         "def area(r):\n    return 3.14159 * r * r\n" * 3, "lib/geo/area.py", "src/geo/area.py"),
    Pair("f6" * 16, "e5" * 16, "commoncrawl", "commoncrawl", "near", 0.802, FORGED + " " + TIDE, TIDE, "<b>bold</b>", ""),
)  # fmt: skip


@pytest.fixture(scope="session")
def facts() -> tuple[dict, dict]:
    """The facts of extract and of the ledger, by source."""
    return EXTRACT, LEDGER


@pytest.fixture(scope="session")
def example() -> ReportData:
    return make_example()


def make_example() -> ReportData:
    """Return the example."""
    return assemble(
        "samples-2026",
        extract=EXTRACT,
        ledger=LEDGER,
        languages=LANGUAGES,
        licences=LICENCES,
        mixture=MIXTURE,
        clusters={2: 3_120, 3: 402, 4: 98, 5: 61, 7: 22, 12: 9, 31: 3, 118: 1},
        pairs=PAIRS,
        evaluations=[_evaluation("before", 0, 0), _evaluation("after", 200, 1)],
        stages=[
            StageLine("extract", "documents", 78_814, "0f" * 16, "2026-11-22T01:02:03+00:00"),
            StageLine("select", "ledger", 78_814, "1e" * 16, "2026-11-22T01:09:40+00:00"),
        ],
        created="2026-11-22",
        software="pile_curate 0.1.0",
        seed=20260101,
    )
