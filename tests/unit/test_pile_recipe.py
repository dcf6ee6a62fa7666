"""The shipped recipe of The Pile: its 22 components, the five off, and the published weights."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from pile_curate import components, mix
from pile_curate.errors import RecipeError
from pile_curate.recipe import Recipe, load_recipe, parse_recipe
from pile_curate.sources import SOURCES

ROOT = Path(__file__).parents[2]
PILE = ROOT / "pile_curate" / "recipes" / "pile.yaml"
FORMATS = {name: fmt.Options for name, fmt in SOURCES.items()}
PROSE = {name: fmt.prose for name, fmt in SOURCES.items()}


def raw() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(PILE.read_text())
    return read


def with_all() -> Recipe:
    """The recipe with all 22 on, as somebody who may use them all would write it."""
    on = raw() | {"allow_unconsented": True}
    for source in on["sources"]:
        source["enabled"] = True
    return parse_recipe(on, formats=FORMATS, prose=PROSE)


def test_it_is_valid_as_it_is_with_the_five_off() -> None:
    recipe = load_recipe(str(PILE), formats=FORMATS, prose=PROSE)
    on = {recipe.pile_set_name(name) for name in recipe.names}
    assert len(on) == 17 and not on & components.UNCONSENTED


def test_the_five_are_refused_without_a_word_for_it() -> None:
    on = raw()
    for source in on["sources"]:
        source["enabled"] = True
    with pytest.raises(RecipeError) as caught:
        parse_recipe(on, formats=FORMATS, prose=PROSE)
    assert len(caught.value.problems) == 5
    assert all("allow_unconsented: true" in problem.what for problem in caught.value.problems)


def test_it_names_every_component_with_its_tier_licence_epochs_and_format() -> None:
    recipe = with_all()
    by_name = {recipe.pile_set_name(spec.name): spec for spec in recipe.sources}
    assert list(by_name) == [component.name for component in components.COMPONENTS]
    for component in components.COMPONENTS:
        spec = by_name[component.name]
        assert (spec.format, spec.consent, spec.licence, spec.epochs) == (
            component.format, component.consent, component.licence, component.epochs,
        )  # fmt: skip


def test_published_sizes_give_the_published_weights() -> None:
    recipe = with_all()
    sizes = {component.name: component.bytes for component in components.COMPONENTS}
    counts = [
        mix.SourceCounts(name, {"train": mix.SplitCounts(1, sizes[recipe.pile_set_name(name)], 1)})
        for name in recipe.names
    ]
    asks = [mix.Ask(spec.name, spec.weight, spec.epochs, spec.tokens) for spec in recipe.sources]
    made = mix.plan(
        counts,
        asks,
        unit=recipe.mixture.unit,
        total=recipe.mixture.total,
        max_epochs=recipe.mixture.max_epochs,
    )
    with (ROOT / "tests" / "data" / "pile_components.csv").open(newline="") as stream:
        published = {row["component"]: row["weight_percent"] for row in csv.DictReader(stream)}
    got = {recipe.pile_set_name(row.name): f"{100 * row.weight:.2f}" for row in made.rows}
    assert got == published


@pytest.mark.parametrize("component", components.COMPONENTS, ids=lambda component: component.name)
def test_a_format_states_its_components_tier(component: components.Component) -> None:
    assert SOURCES[component.format].about.consent == component.consent
