"""Streaming hubs against union-find over every comparable pair."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.dedup.components import connect
from pile_curate.dedup.stars import Stars


class Row(NamedTuple):
    key: int
    v: int
    scope: int
    split: int


def all_pairs(rows: list[Row], scoped: bool) -> dict[int, int]:
    """Return the component of each vertex that is comparable with another, from all pairs of each bucket."""
    parent = {row.v: row.v for row in rows}

    def root(v: int) -> int:
        return v if parent[v] == v else root(parent[v])

    for i, a in enumerate(rows):
        for b in rows[:i]:
            if a.key == b.key and (not scoped or a.scope == b.scope or a.split != b.split):
                first, second = sorted((root(a.v), root(b.v)))
                parent[second] = first
    sizes: dict[int, int] = {}
    for v in parent:
        sizes[root(v)] = sizes.get(root(v), 0) + 1
    return {v: root(v) for v in parent if sizes[root(v)] > 1}


def found(rows: list[Row], scoped: bool, cuts: list[int], pending: int) -> dict[int, int]:
    stars = Stars(scoped, pending=pending)
    for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        some = rows[start:stop]
        keys = np.array([row.key for row in some], np.uint64)
        v, scope, split = (np.array([row[c] for row in some], np.int64) for c in (1, 2, 3))
        stars.add(keys, v, *((scope, split) if scoped else ()))
    high, low = stars.edges()
    assert (high > low).all() and (
        np.diff(high) > 0
    ).all()  # so no cycle: each vertex links to a smaller one once
    vertices, component = connect(high, low)
    return dict(zip(vertices.tolist(), component.tolist(), strict=True))


KEYS = st.one_of(st.integers(0, 5), st.sampled_from([2**64 - 1, 1 << 63, 0x9E3779B97F4A7C15]))


NAMES = [0, 1, 2, 3, 1 << 32, (1 << 32) + 1, 5 << 32, 2**63 - 2]


@st.composite
def corpora(draw: st.DrawFn) -> list[Row]:
    """Draw vertices that have one scope and split each, and rows that put them into few buckets."""
    facts = draw(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 2)), min_size=8, max_size=8))
    places = draw(st.lists(st.tuples(KEYS, st.integers(0, 7)), max_size=40))
    return [Row(key, NAMES[at], *facts[at]) for key, at in places]


@settings(deadline=None, max_examples=600)
@given(
    corpora(),
    st.booleans(),
    st.lists(st.integers(0, 50), max_size=3),
    st.integers(1, 8),
    st.integers(0, 1 << 32).map(random.Random),
)
def test_components_are_those_of_all_comparable_pairs(rows, scoped, cuts, pending, rng) -> None:
    expected = all_pairs(rows, scoped)
    cuts = sorted(min(cut, len(rows)) for cut in cuts)
    assert found(rows, scoped, cuts, pending) == expected
    rng.shuffle(rows)
    assert found(rows, scoped, cuts, pending) == expected


@pytest.mark.parametrize("scoped", [False, True])
@pytest.mark.parametrize("pending", [1, 500, 1 << 22])
def test_many_rows_grow_every_table(scoped: bool, pending: int) -> None:
    """Compare with edges from sorted buckets: equal rows of (key, scope), and a whole bucket with two splits."""
    rng = np.random.default_rng(pending)
    n = 30_000
    vertices = rng.integers(0, 9_000, n)
    keys = np.where(rng.random(n) < 0.3, rng.integers(0, 12, n), rng.integers(0, 20_000, n)).astype(np.uint64)
    keys *= np.uint64(1 << 40)  # keys whose low bits are all alike
    scope = vertices % 900
    split = (vertices // 900 == 3).astype(np.int64)
    buckets: dict[tuple[int, int], list[int]] = {}
    splits: dict[int, set[int]] = {}
    for key, s in zip(keys.tolist(), split.tolist(), strict=True):
        splits.setdefault(key, set()).add(s)
    for key, v, c in zip(keys.tolist(), vertices.tolist(), scope.tolist(), strict=True):
        buckets.setdefault((key, 0 if not scoped or len(splits[key]) > 1 else c), []).append(v)
    pairs = [(members[0], v) for members in buckets.values() for v in members if v != members[0]]
    expected = connect(*np.array(pairs, np.int64).T)
    stars = Stars(scoped, pending=pending)
    for part in np.array_split(rng.permutation(n), 7):
        stars.add(keys[part], vertices[part], scope[part], split[part])
    for one, other in zip(connect(*stars.edges()), expected, strict=True):
        assert one.tolist() == other.tolist()


def test_read_only_buffers_and_reuse() -> None:
    keys = np.frombuffer(np.array([7, 7, 8], np.uint64).tobytes(), np.uint64)
    v = np.frombuffer(np.array([5, 3, 4], np.int64).tobytes(), np.int64)
    stars = Stars(False)
    stars.add(keys, v)
    assert [a.tolist() for a in stars.edges()] == [[5], [3]]
    assert [a.tolist() for a in stars.edges()] == [[], []]
    stars.add(keys[:1], v[:1])
    assert [a.tolist() for a in stars.edges()] == [[], []]


def test_refusals() -> None:
    keys, v = np.array([1, 2], np.uint64), np.array([1, 2])
    with pytest.raises(ValueError, match="v holds -2; allowed: 0 or more"):
        Stars(False).add(keys, -v)
    with pytest.raises(ValueError, match="v has 1 values of int64; allowed: int64, one for each of 2 keys"):
        Stars(False).add(keys, v[:1])
    with pytest.raises(ValueError, match="keys has 2 values of int64; allowed: uint64"):
        Stars(False).add(v, v)
    with pytest.raises(ValueError, match="a scoped table needs both"):
        Stars(True).add(keys, v, v)
