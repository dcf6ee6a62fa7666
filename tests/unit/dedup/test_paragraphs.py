"""Paragraphs: where they stand, when two are the same, what a cut takes away."""

import random
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate import words
from pile_curate.dedup.paragraphs import Paragraphs, cut, find_paragraphs, later_than
from pile_curate.shards.text import Span, apply_edits

BLANK = r"[ \t\v\f\r]*"


def plainly(text: str, unit: str) -> list[tuple[int, int]]:
    """Return the paragraphs' places, from the definition in words."""
    found, at = [], 0
    open_at = end = -1
    for line in text.split("\n"):
        blank = re.fullmatch(BLANK, line) is not None
        if open_at >= 0 and (blank or unit == "line"):
            found.append((open_at, end))
            open_at = -1
        if not blank:
            open_at, end = (at if open_at < 0 else open_at), at + len(line)
        at += len(line) + 1
    return [*found, (open_at, end)] if open_at >= 0 else found


TEXTS = st.text(st.sampled_from("ab Cé日\n\n\n \t\r\v.😀ก\u0301"), max_size=40)


@settings(deadline=None)  # the first call may compile
@given(st.lists(st.none() | TEXTS, max_size=4), st.sampled_from(["block", "line"]), st.integers(1, 3))
def test_places_words_and_keys(texts, unit, least):
    found, totals = find_paragraphs(pa.array(texts, pa.string()), unit, least, "s")
    wanted = []
    for number, text in enumerate(texts):
        places = plainly(text or "", unit)
        assert totals[number] == len(words.split(text or ""))
        befores, afters = [-1, *[end for _, end in places]], [*[start for start, _ in places[1:]], -1]
        position = 0
        for (start, end), before, after in zip(places, befores, afters, strict=False):
            mine = words.split(text[start:end])
            if len(mine) >= least:
                wanted.append((number, position, len(mine), start, end, before, after, tuple(mine)))
                position += 1
    assert [tuple(row) for row in zip(*(column.tolist() for column in found[:7]), strict=True)] == [
        row[:7] for row in wanted
    ]
    for row, *points in zip(wanted, *(column.tolist() for column in found[3:11]), strict=True):
        raw = texts[row[0]]
        assert points[4:] == [len(raw[:p].encode()) if p >= 0 else -1 for p in points[:4]]
    names = [row[7] for row in wanted]
    keys = [tuple(key) for key in found.keys.tolist()]
    assert [(a == b) for a in names for b in names] == [(a == b) for a in keys for b in keys]


def test_the_same_words_are_the_same_paragraph_whatever_stands_between():
    texts = pa.array(
        ["The harbour,  master\nof THE town!", "the «harbour» master of the town", "the harbour master"]
    )
    found, _ = find_paragraphs(texts)
    assert np.array_equal(found.keys[0], found.keys[1]) and not np.array_equal(found.keys[0], found.keys[2])
    other, _ = find_paragraphs(texts, source="other")
    assert not np.isin(other.keys, found.keys).any()
    wide, _ = find_paragraphs(texts.cast(pa.large_binary()).slice(1))
    assert np.array_equal(wide.keys, found.keys[1:])


def test_golden_keys():
    found, _ = find_paragraphs(pa.array(["Ein alter Mann\n\nund das Meer"]), source="books")
    assert [f"{high:016x}{low:016x}" for high, low in found.keys.tolist()] == [
        "2bb4ac58f8f2244426e9a4684d8f5c30",
        "dfc06e4d76e7bbd45464a1b386b93f3f",
    ]


def test_wrong_arguments_say_what_is_allowed():
    with pytest.raises(ValueError, match="'lines'; allowed: block, line"):
        find_paragraphs(pa.array(["x"]), "lines")
    with pytest.raises(ValueError, match="min_words is 0"):
        find_paragraphs(pa.array(["x"]), min_words=0)


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        ([], "\n\none two\n\nx\n\nthree four\n \nfive six\n"),
        ([0], "\n\nx\n\nthree four\n \nfive six\n"),
        ([1], "\n\none two\n\nx\n\nfive six\n"),
        ([2], "\n\none two\n\nx\n\nthree four\n"),
        ([1, 2], "\n\none two\n\nx\n"),
        ([0, 1, 2], "\n\nx\n"),
    ],
)
def test_no_blank_lines_pile_up(gone, left):
    text = "\n\none two\n\nx\n\nthree four\n \nfive six\n"
    found, _ = find_paragraphs(pa.array([text]), min_words=2)
    lost = cut(found, gone)
    assert apply_edits(text, [Span(*place) for place in lost.spans]) == left
    assert (
        lost.bytes == len(text) - len(left) and lost.words == 2 * len(gone) and len(lost.spans) == len(gone)
    )


@settings(deadline=None)  # the first call may compile
@given(
    TEXTS, st.sampled_from(["block", "line"]), st.integers(0, 1 << 32).map(random.Random), st.integers(1, 2)
)
def test_what_stays_are_the_other_paragraphs(text, unit, rng, least):
    found, totals = find_paragraphs(pa.array([text]), unit, least)
    gone = [at for at in range(len(found.text)) if rng.random() < 0.5]
    lost = cut(found, gone)
    left = apply_edits(text, [Span(*place) for place in lost.spans])
    cut_places = {(int(found.start[at]), int(found.end[at])) for at in gone}
    stays = [text[start:end] for start, end in plainly(text, unit) if (start, end) not in cut_places]
    assert [left[start:end] for start, end in plainly(left, unit)] == stays
    assert lost.bytes == len(text.encode()) - len(left.encode())
    assert totals[0] - lost.words == len(words.split(left))
    if stays:  # no longer run of line ends than there was
        ends = [[len(run) for run in re.findall(r"\n+", re.sub(r"[ \t\v\f\r]", "", t))] for t in (text, left)]
        assert max(ends[1], default=0) <= max(ends[0], default=0)


def test_everything_gone_leaves_what_surrounds_it():
    text = "\n a b \n\nc d\n\n"
    found, _ = find_paragraphs(pa.array([text]))
    assert apply_edits(text, [Span(*place) for place in cut(found, [0, 1]).spans]) == "\n\n\n"


@pytest.mark.parametrize("most", [1, 2, 3])
def test_later_than_counts_runs_across_pieces(most):
    rng = random.Random(most)
    for _ in range(200):
        keys = sorted((rng.randrange(3), rng.randrange(2)) for _ in range(rng.randrange(12)))
        whole = [keys[:at].count(key) >= most for at, key in enumerate(keys)]
        flags, seen, before = [], 0, None
        rest = list(keys)
        while rest:
            size = rng.randrange(0, 4)
            piece, rest = np.array(rest[:size], np.uint64).reshape(-1, 2), rest[size:]
            mine, seen = later_than(piece, most, seen, before)
            flags += mine.tolist()
            before = piece[-1] if len(piece) else before
        assert flags == whole


def test_paragraphs_can_be_chosen():
    found, _ = find_paragraphs(pa.array(["a\n\nb b", "c"]))
    assert isinstance(found.take(found.text == 0), Paragraphs)
    assert found.take(found.text == 0).words.tolist() == [1, 2]
