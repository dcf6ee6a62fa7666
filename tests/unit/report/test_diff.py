"""Side by side: what both texts share and where they differ, within bounds."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from pile_curate.report.diff import side_by_side


def marked(pieces) -> list[str]:
    return [p.text for p in pieces if not p.same]


def test_words_that_differ_are_marked() -> None:
    left, right = side_by_side("the red house by the sea", "the blue house by the sea today")
    assert marked(left) == ["red"] and marked(right) == ["blue", " today"]


def test_equal_texts_show_their_beginning() -> None:
    left, right = side_by_side("same words " * 500, "same words " * 500)
    assert left == right and marked(left) == []
    assert 0 < sum(len(p.text) for p in left) < 3000


def test_a_difference_far_down_is_found() -> None:
    base = " ".join(f"w{n}" for n in range(5000))
    left, right = side_by_side(base + " end", base + " fin")
    assert left[0].gap and marked(left) == ["end"] and marked(right) == ["fin"]


def test_a_long_addition_is_cut() -> None:
    left, right = side_by_side("a b c", "a b c " + "spam " * 5000)
    assert sum(len(p.text) for p in right) < 1000 and right[-1].gap
    assert marked(left) == []


@given(st.text(max_size=60), st.text(max_size=60))
def test_short_texts_are_shown_whole(a, b) -> None:
    left, right = side_by_side(a, b)
    assert "".join(p.text for p in left) == a and "".join(p.text for p in right) == b
    assert [p.text for p in left if p.same] == [p.text for p in right if p.same]


def test_the_worst_case_stays_quick() -> None:
    start = time.process_time()
    side_by_side("a b " * 20_000, "b a " * 20_000)
    assert time.process_time() - start < 2
