"""What the runner does before Spark is asked: spreading items over tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pile_curate.spark.runner import pack

SIZES = st.lists(st.integers(0, 1 << 40), max_size=60)


def test_the_largest_go_first_and_balance():
    assert pack("abcdef", [1, 9, 1, 5, 3, 1], 2) == [["a", "b", "f"], ["c", "d", "e"]]


@pytest.mark.parametrize(("items", "bins", "made"), [(0, 4, 0), (3, 7, 3), (5, 0, 1), (5, -1, 1), (9, 3, 3)])
def test_never_more_bins_than_asked_or_items(items, bins, made):
    assert len(pack(list(range(items)), [1] * items, bins)) == made


def test_empty_files_are_spread_too():
    assert sorted(map(len, pack(list(range(12)), [0] * 12, 4))) == [3, 3, 3, 3]


@given(SIZES, st.integers(1, 20))
def test_nothing_is_lost_and_order_is_kept(sizes, bins):
    packed = pack(list(range(len(sizes))), sizes, bins)
    assert sorted(item for group in packed for item in group) == list(range(len(sizes)))
    assert all(group and group == sorted(group) for group in packed)
    assert packed == pack(list(range(len(sizes))), sizes, bins)


@given(SIZES.filter(len), st.integers(1, 20))
def test_no_bin_is_much_larger_than_the_mean(sizes, bins):
    packed = pack(list(range(len(sizes))), sizes, bins)
    loads = [sum(sizes[i] + 1 for i in group) for group in packed]
    # Largest first ends within a third of the best; the best is at least the mean and the largest item.
    assert max(loads) <= 4 / 3 * max(sum(loads) / min(bins, len(sizes)), max(sizes) + 1) + max(sizes) + 1
