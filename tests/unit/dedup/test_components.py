"""Components and forests against union-find in plain Python."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.dedup.components import connect, forest

IDS = st.one_of(
    st.integers(0, 12),
    st.builds(lambda part, row: part << 32 | row, st.integers(0, 5), st.integers(0, 5)),
    st.sampled_from([-(2**63), 2**63 - 1, -1]),
)
EDGES = st.lists(st.tuples(IDS, IDS), max_size=60)


def plain(edges: list[tuple[int, int]]) -> dict[int, int]:
    """Return each vertex's component, by merging sets."""
    groups: dict[int, set[int]] = {}
    for a, b in edges:
        joined = groups.get(a, {a}) | groups.get(b, {b})
        groups.update(dict.fromkeys(joined, joined))
    return {v: min(group) for v, group in groups.items()}


def arrays(edges: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(edges, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


@settings(deadline=None, max_examples=300)
@given(EDGES)
def test_equal_to_merging_sets(edges: list[tuple[int, int]]) -> None:
    expected = plain(edges)
    vertices, component = connect(*arrays(edges))
    assert vertices.dtype == component.dtype == np.int64
    assert vertices.tolist() == sorted(expected)
    assert dict(zip(vertices.tolist(), component.tolist(), strict=True)) == expected
    high, low = forest(*arrays(edges))
    assert high.tolist() == sorted(v for v in expected if expected[v] != v)
    assert low.tolist() == [expected[v] for v in high.tolist()]


@settings(deadline=None)
@given(EDGES, st.integers(0, 1 << 32).map(random.Random))
def test_order_and_direction_change_nothing(edges: list[tuple[int, int]], rng) -> None:
    turned = [(b, a) if rng.random() < 0.5 else (a, b) for a, b in edges] + edges[:3]
    rng.shuffle(turned)
    for function in (connect, forest):
        for one, other in zip(function(*arrays(edges)), function(*arrays(turned)), strict=True):
            assert one.tolist() == other.tolist()


def test_a_chain_a_star_and_random_edges_of_many_vertices() -> None:
    n = 50_000
    names = np.sort(np.random.default_rng(2).integers(-(2**63), 2**63 - 1, n))
    order = np.random.default_rng(3).permutation(n - 1)
    for left, right in ((names[1:], names[:-1]), (names[1:], np.full(n - 1, names[0]))):
        vertices, component = connect(left[order], right[order])
        assert (vertices == names).all() and (component == names[0]).all()
        high, low = forest(left[order], right[order])
        assert (high == names[1:]).all() and (low == names[0]).all()


def test_the_input_is_left_as_it_was_and_may_be_read_only() -> None:
    left, right = np.array([9, 3, 5]), np.array([1, 9, 4])
    left.setflags(write=False)
    assert connect(left, right)[1].tolist() == [1, 1, 4, 4, 1]
    assert left.tolist() == [9, 3, 5] and right.tolist() == [1, 9, 4]


def test_no_edges_and_a_missing_end() -> None:
    nothing = np.empty(0, np.int64)
    for function in (connect, forest):
        assert [a.tolist() for a in function(nothing, nothing)] == [[], []]
        with pytest.raises(ValueError, match="2 left ends and 0 right ends"):
            function(np.array([1, 2]), nothing)
