"""Threads found by following parents: against a plain walk, on chains, circles, gaps and copies."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pile_curate.sources.links import LOOP, NO_PARENT, resolve, threads_of


def roots_of(pairs: list[tuple[int, int]], cut: int = 1000) -> dict[int, int]:
    pieces = [np.array(pairs[i : i + cut], np.int64).reshape(-1, 2) for i in range(0, len(pairs), cut)]
    nodes, roots = resolve(((p[:, 0], p[:, 1]) for p in pieces), len(pairs))
    return dict(zip(nodes.tolist(), roots.tolist(), strict=True))


def walked(pairs: list[tuple[int, int]]) -> dict[int, int]:
    parents: dict[int, int] = {}
    for node, parent in pairs:
        parents[node] = min(parent, parents.get(node, parent))
    found = {}
    for node in parents:
        at, seen = node, set()
        while parents[at] in parents and at not in seen:
            seen.add(at)
            at = parents[at]
        found[node] = LOOP if at in seen else at
    return found


@pytest.mark.parametrize("seed", range(30))
def test_equals_a_walk(seed: int) -> None:
    draw = random.Random(seed)
    size = draw.choice([1, 2, 7, 50, 300])
    ids = draw.sample(range(10**12), size)
    pairs = [
        (node, draw.choice([NO_PARENT, draw.choice(ids), draw.choice(ids), draw.randrange(99)]))
        for node in ids
    ]
    pairs += draw.choices(pairs, k=3) + [(draw.choice(ids), draw.choice(ids))]
    expected = walked(pairs)
    assert roots_of(pairs) == expected
    draw.shuffle(pairs)
    assert roots_of(pairs, cut=3) == expected


def test_a_chain_of_a_hundred_thousand() -> None:
    chain = [(i, i - 1) for i in range(1, 100_000)]
    random.Random(1).shuffle(chain)
    assert set(roots_of([*chain, (0, NO_PARENT)]).values()) == {0}
    assert set(roots_of(chain).values()) == {1}  # the post itself is missing


def test_circles_of_any_length_are_found() -> None:
    for length in (1, 2, 3, 4, 5, 8, 64, 1000):
        circle = [(i, (i + 1) % length) for i in range(length)]
        assert set(roots_of([*circle, (5000, 0), (6000, NO_PARENT)]).values()) == {LOOP, 6000}


def test_nothing_gives_nothing() -> None:
    nodes, roots = resolve([], 0)
    assert len(nodes) == len(roots) == 0 and threads_of(nodes, roots, []) == []


def test_threads_are_named_by_their_roots() -> None:
    pairs = np.array([(3, 1), (1, NO_PARENT), (8, 9), (9, 8)])
    nodes, roots = resolve([(pairs[:, 0], pairs[:, 1])], 4)
    assert threads_of(nodes, roots, [9, 3, 1]) == ["loop/9", "1", "1"]
