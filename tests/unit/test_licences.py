"""Licence expressions against a set of allowed ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pile_curate.components import COMPONENTS
from pile_curate.licences import PERMISSIVE, allowed_set, allows
from pile_curate.spdx import check_expression


@pytest.mark.parametrize(
    ("expression", "permitted"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("MIT OR GPL-3.0-only AND GPL-2.0-only", True),  # AND binds closer
        ("(MIT OR GPL-3.0-only) AND GPL-2.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("CC-BY-SA-4.0", False),
        ("CC-BY-NC-4.0", False),
        ("CC0-1.0+", True),
        ("NOASSERTION", False),
        ("LicenseRef-unknown", False),
        ("LicenseRef-public-domain-US", True),
        ("", False),
        ("MIT MIT", False),
        ("(MIT", False),
        ("AND", False),
    ],
)
def test_an_expression_is_met_by_allowed_licences_alone(expression: str, permitted: bool) -> None:
    assert allows(expression, PERMISSIVE) is permitted


def test_choices_of_a_recipe() -> None:
    assert allowed_set("any") is None
    assert allowed_set("permissive") == PERMISSIVE
    assert allows("CC-BY-SA-4.0", allowed_set(["CC-BY-SA-4.0"]) or frozenset())


def test_deep_nesting_needs_no_recursion() -> None:
    assert allows("(" * 50_000 + "MIT" + ")" * 50_000, PERMISSIVE)


_IDS = st.sampled_from(["MIT", "GPL-3.0-only", "CC-BY-4.0", "CC-BY-SA-4.0"])
_TREES = st.recursive(
    _IDS, lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner), max_leaves=12
)


def _text(tree: object) -> str:
    return (
        tree if isinstance(tree, str) else "(" + f" {tree[1]} ".join((_text(tree[0]), _text(tree[2]))) + ")"
    )  # type: ignore[index]


def _value(tree: object) -> bool:
    if isinstance(tree, str):
        return tree in PERMISSIVE
    left, right = _value(tree[0]), _value(tree[2])  # type: ignore[index]
    return (left and right) if tree[1] == "AND" else (left or right)  # type: ignore[index]


@given(_TREES)
def test_it_evaluates_as_the_tree_does(tree: object) -> None:
    assert allows(_text(tree), PERMISSIVE) == _value(tree)


def test_every_components_licence_is_an_expression() -> None:
    assert all(check_expression(component.licence) for component in COMPONENTS)
