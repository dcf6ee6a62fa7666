"""The mixture: The Pile's own numbers, exact shares, the epoch cap, and the document the trainer reads."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from pile_curate.errors import MixtureError
from pile_curate.mix import Ask, MixturePlan, SourceCounts, SplitCounts, build_mixture, pile_table, plan
from pile_curate.recipe import Recipe, parse_recipe

PILE = Path(__file__).parents[1] / "data" / "pile_components.csv"


def counts(**tokens: int) -> list[SourceCounts]:
    """Sources with so many train tokens, four bytes a token and a document every hundred tokens."""
    return [SourceCounts(n, {"train": SplitCounts(max(1, t // 100), 4 * t, t)}) for n, t in tokens.items()]


def by_name(made: MixturePlan) -> dict[str, Any]:
    return {row.name: row for row in made.rows}


def test_bytes_and_epochs_regenerate_the_piles_published_table() -> None:
    with PILE.open(newline="") as stream:
        published = list(csv.DictReader(stream))
    assert len(published) == 22
    made = pile_table([(row["component"], int(row["bytes"]), float(row["epochs"])) for row in published])
    for (name, percent, gib), row in zip(made, published, strict=True):
        assert name == row["component"]
        assert f"{percent:.2f}" == row["weight_percent"], name
        assert f"{gib:.2f}" == row["effective_gib"], name
    assert round(sum(int(row["bytes"]) * float(row["epochs"]) for row in published) / 2**30, 2) == 1254.20


def test_the_piles_weights_give_back_its_epochs() -> None:
    """Asking The Pile's published weights of its total instead of epochs must lead to the same plan."""
    with PILE.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    have = [SourceCounts(r["component"], {"train": SplitCounts(1, int(r["bytes"]), 1)}) for r in rows]
    asks = [Ask(r["component"], weight=float(r["weight_percent"])) for r in rows]
    made = plan(have, asks, unit="bytes", total=round(1254.20 * 2**30))
    for row, source in zip(made.rows, rows, strict=True):
        # a published weight is rounded to 0.01 points, which is 4 % of the smallest one
        assert row.epochs == pytest.approx(
            float(source["epochs"]), rel=0.005 / float(source["weight_percent"]) + 2e-3
        )


def test_all_weights_without_a_total_see_the_scarcest_source_exactly_once() -> None:
    made = plan(counts(a=1000, b=3000, c=500), [Ask("a", weight=1), Ask("b", weight=1), Ask("c", weight=2)])
    rows = by_name(made)
    assert made.total == 1000
    assert rows["c"].epochs == 1.0 and rows["c"].tokens == 500
    assert (rows["a"].tokens, rows["b"].tokens) == (250, 250)
    assert rows["b"].epochs == pytest.approx(1 / 12) and rows["b"].documents == 3


def test_epochs_and_tokens_are_served_first_and_weights_share_the_rest() -> None:
    asks = [Ask("a", epochs=2), Ask("b", tokens=1500), Ask("c", weight=3), Ask("d", weight=1)]
    rows = by_name(plan(counts(a=1000, b=3000, c=2000, d=2000), asks, total=7500))
    assert [rows[name].tokens for name in "abcd"] == [2000, 1500, 3000, 1000]
    assert rows["b"].epochs == 0.5 and rows["c"].epochs == 1.5
    assert sum(row.weight for row in rows.values()) == pytest.approx(1)


def test_the_unit_decides_what_weights_count_and_tokens_stay_tokens() -> None:
    dense = SourceCounts("dense", {"train": SplitCounts(10, 8000, 1000)})
    plain = SourceCounts("plain", {"train": SplitCounts(10, 2000, 1000)})
    rows = by_name(
        plan([dense, plain], [Ask("dense", weight=1), Ask("plain", weight=1)], unit="bytes", total=4000)
    )
    assert (rows["dense"].bytes, rows["plain"].bytes) == (2000, 2000)
    assert (rows["dense"].tokens, rows["plain"].tokens) == (250, 1000)
    made = plan([dense, plain], [Ask("dense", tokens=500), Ask("plain", weight=1)], unit="bytes", total=5000)
    assert by_name(made)["dense"].bytes == 4000 and by_name(made)["plain"].bytes == 1000


def test_a_source_at_the_cap_does_not_break_it_by_rounding() -> None:
    # 0.1 + 0.2 is not 0.3 in binary; the shares here are exactly 1/3 and 2/3
    made = plan(counts(a=100, b=200), [Ask("a", weight=0.1), Ask("b", weight=0.2)], total=1200)
    assert [row.epochs for row in made.rows] == [4.0, 4.0]


def test_breaking_the_cap_spells_out_the_shortage_and_what_fits() -> None:
    have, asks = counts(a=100_000, b=900_000), [Ask("a", weight=3), Ask("b", weight=1)]
    with pytest.raises(MixtureError) as caught:
        plan(have, asks, total=1_000_000)
    text = str(caught.value)
    assert "1 of 2 sources would be seen more than 4 times" in text
    assert "a: weight 3 asks for 7.5 epochs; it has 100,000 tokens, needs 750,000, may give 400,000" in text
    assert "350,000 short (or 87,500 more tokens of its own)" in text
    assert "lower mixture.total to 533,333 tokens, the largest that fits (it is 1,000,000)" in text
    assert "raise mixture.max_epochs to 7.5" in text
    assert "b:" not in text
    plan(have, asks, total=533_333)
    with pytest.raises(MixtureError):
        plan(have, asks, total=533_334)
    plan(have, asks, total=1_000_000, max_epochs=7.5)


def test_epochs_beyond_the_cap_are_not_blamed_on_the_total() -> None:
    with pytest.raises(MixtureError, match="ask these sources for less") as caught:
        plan(counts(a=10, b=10), [Ask("a", epochs=5), Ask("b", tokens=41)])
    assert "2 of 2 sources" in str(caught.value) and "mixture.total" not in str(caught.value)


@pytest.mark.parametrize(
    ("have", "asks", "total", "pattern"),
    [
        (counts(a=0, b=1), [Ask("a", weight=1), Ask("b", weight=1)], None, "a: has no train tokens"),
        (
            [SourceCounts("a", {"test": SplitCounts(1, 1, 1)})],
            [Ask("a", weight=1)],
            None,
            "lies in another split",
        ),
        (counts(a=1), [Ask("a", weight=1), Ask("b", weight=1)], None, "b: has no counts"),
        (counts(a=1, b=1), [Ask("a", weight=1)], None, "b: has counts but asks for nothing"),
        (counts(a=1), [Ask("a", weight=1), Ask("a", weight=2)], None, "a: asks more than once"),
        (counts(a=1), [Ask("a", weight=1, epochs=1)], None, "one of weight, epochs, tokens"),
        (counts(a=1), [Ask("a")], None, "one of weight, epochs, tokens"),
        (counts(a=1), [Ask("a", weight=0)], None, "above 0"),
        (counts(a=9, b=9), [Ask("a", weight=1), Ask("b", epochs=1)], None, "mixture.total: is needed"),
        (counts(a=9, b=9), [Ask("a", weight=1), Ask("b", epochs=1)], 9, "take 9 of them already"),
        (counts(a=9), [Ask("a", epochs=1)], 9, "contradicts the sources"),
        ([], [], None, "needs at least one"),
    ],
)
def test_a_mixture_that_cannot_be_had(
    have: list[SourceCounts], asks: list[Ask], total: int | None, pattern: str
) -> None:
    with pytest.raises(MixtureError, match=re.escape(pattern)):
        plan(have, asks, total=total)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 10**9), st.floats(0.001, 1000)), min_size=1, max_size=8),
    st.integers(1, 10**8) | st.none(),
)
def test_sizes_add_up_and_follow_the_weights(sources: list[tuple[int, float]], total: int | None) -> None:
    names = [f"s{i}" for i in range(len(sources))]
    have = counts(**{name: size for name, (size, _) in zip(names, sources, strict=True)})
    asks = [Ask(name, weight=weight) for name, (_, weight) in zip(names, sources, strict=True)]
    made = plan(have, asks, total=total, max_epochs=1e12)
    assert sum(row.tokens for row in made.rows) == made.total
    whole = sum(weight for _, weight in sources)
    for row, (size, weight) in zip(made.rows, sources, strict=True):
        assert abs(row.tokens - made.total * weight / whole) <= 1.000001 + made.total * 1e-12
        assert row.weight == pytest.approx(weight / whole)
        assert row.epochs * size == pytest.approx(row.tokens, abs=1.000001)
    if total is None:
        assert max(row.epochs for row in made.rows) == 1.0
    turned = plan(have[::-1], asks, total=total, max_epochs=1e12)
    assert turned == made, "the order of the counts must not matter"


class Options(BaseModel):
    pass


def recipe() -> Recipe:
    sources = [
        {"name": n, "format": "f", "paths": ["x"], "licence": "MIT", "consent": "tos", "weight": w, "pile_set_name": n.upper()}
        for n, w in (("a", 1), ("b", 3))
    ]  # fmt: skip
    raw = {"version": 1, "name": "demo", "sources": sources}
    return parse_recipe(raw, formats={"f": Options}, prose={})


def document(cut: int) -> dict[str, Any]:
    """The mixture document, its files cut and named as another run would."""
    made = plan(counts(a=1000, b=900), [Ask("a", weight=1), Ask("b", weight=3)])
    shards = {
        "a": [
            {
                "path": f"shards/{cut}/{i}.parquet",
                "split": "train",
                "rows": 10 // cut,
                "bytes": 5,
                "sha256": f"{cut}{i}",
            }
            for i in reversed(range(cut))
        ]
    }
    parts = {
        "a": {
            "train": [{"prefix": f"tokens/{cut}/0", "tokens": 1000, "documents": 10, "bin_sha256": str(cut)}]
        }
    }
    tokenizer = {"path": f"tokens/{cut}/tokenizer.json", "sha256": "0" * 64, "vocab_size": 300, "eos_id": 0}
    return build_mixture(
        recipe(), made, shards=shards, parts=parts, licences={"a": {"MIT": 9, "ISC": 1}}, tokenizer=tokenizer
    )


def test_the_document_says_what_was_asked_what_is_achieved_and_where_it_lies() -> None:
    made = json.loads(json.dumps(document(2)))
    assert {
        "version",
        "name",
        "unit",
        "total",
        "max_epochs",
        "sources",
        "tokenizer",
        "model",
        "digest",
    } == set(made)
    a, b = made["sources"]
    assert a["asked"] == {"weight": 1} and b["pile_set_name"] == "B" and b["consent"] == "tos"
    assert a["achieved"] == {"weight": 0.25, "epochs": 0.3, "documents": 3, "bytes": 1200, "tokens": 300}
    assert a["available"] == {"train": {"documents": 10, "bytes": 4000, "tokens": 1000}}
    assert [shard["path"] for shard in a["shards"]] == ["shards/2/0.parquet", "shards/2/1.parquet"]
    assert a["parts"]["train"][0]["prefix"] == "tokens/2/0" and b["parts"] == {}
    assert list(a["licences"]) == ["ISC", "MIT"]
    assert made["model"] == {"seed": 0, "preset": "tiny", "steps": 200}


def test_the_digest_is_of_the_meaning_not_of_how_files_were_cut() -> None:
    assert document(1)["digest"] == document(2)["digest"]
    other = build_mixture(
        recipe(), plan(counts(a=1001, b=900), [Ask("a", weight=1), Ask("b", weight=3)]),
        shards={}, parts={}, licences={}, tokenizer={},
    )  # fmt: skip
    assert other["digest"] != document(1)["digest"]
