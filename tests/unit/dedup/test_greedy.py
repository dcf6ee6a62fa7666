"""The walk's edges: exact thresholds, order, what is named, sizes that spare reading; union-find."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pile_curate.dedup import DedupSettings
from pile_curate.dedup.components import connect
from pile_curate.dedup.exact import ExactIndex, order_key
from pile_curate.dedup.greedy import Member, Prune, Walk
from pile_curate.errors import RecipeError
from pile_curate.word_hashes import Hashes

SETTINGS = DedupSettings(threshold=0.55, permutations=4, bands=2, rows=2, minimum_agreement=0)


def member(
    digest: str, shingles: int, *, band: int = 1, scope: int = 0, split: int = 0, against: bool = False
) -> Member:
    values = np.full(4, band, np.uint32)
    bands = np.array([band, band + 1000], np.uint64)
    return Member(digest.encode(), scope, split, against, shingles, values, bands)


def span(start: int, stop: int) -> Hashes:
    return np.arange(start, stop, dtype=np.uint64)


def walk(settings: DedupSettings, sets: dict[str, Hashes]) -> Walk[str]:
    load: Callable[[str], Hashes] = sets.__getitem__
    return Walk(settings, load)


def test_the_threshold_is_the_decimal_that_was_written() -> None:
    """11/20 = 0.55 exactly, but 0.55 as a double is above it."""
    sets = {"a": span(0, 20), "b": span(0, 11), "c": span(9, 31)}
    w = walk(SETTINGS, sets)
    assert w.offer(member("a", 20), "a") is None
    verdict = w.offer(member("b", 11), "b")
    assert verdict is not None
    assert (verdict.kept, verdict.exact, verdict.shared, verdict.union, verdict.jaccard) == (
        "a",
        False,
        11,
        20,
        0.55,
    )
    assert w.offer(member("c", 22), "c") is None  # shares 11 of 31
    assert (w.examined, w.refused) == (2, 1)


def test_sets_whose_sizes_rule_a_match_out_are_not_read() -> None:
    w = walk(SETTINGS, {})
    assert w.offer(member("a", 100), "a") is None
    assert w.offer(member("b", 54), "b") is None
    assert (w.examined, w.refused) == (1, 1)


def test_the_earliest_match_is_named_and_only_kept_documents_displace() -> None:
    sets = {"a": span(0, 10), "b": span(3, 13), "c": span(6, 16), "d": span(2, 12)}
    w = walk(SETTINGS, sets)  # each resembles the next (J = 7/13 < 0.55 for steps of 3, 8/12 for steps of 2)
    assert [w.offer(member(n, 10), n) for n in "abc"] == [None, None, None]
    verdict = w.offer(member("d", 10), "d")
    assert verdict is not None and verdict.kept == "a" and verdict.jaccard == 0.6667


def test_a_copy_of_a_dropped_document_names_the_kept_one_as_near() -> None:
    w = walk(SETTINGS, {"a": span(0, 10), "b": span(1, 11), "b2": span(1, 11)})
    assert w.offer(member("a", 10), "a") is None
    first, second = w.offer(member("b", 10), "b"), w.offer(member("b", 10), "b2")
    assert first == second and first is not None and not first.exact


def test_documents_without_shingles_are_exact_copies_only() -> None:
    w = walk(SETTINGS, {})
    short = Member(b"x", 0, 0, False, 0, None, None)
    assert w.offer(short, "a") is None
    verdict = w.offer(short, "b")
    assert verdict is not None and verdict.exact and verdict.jaccard == 1.0
    with pytest.raises(ValueError, match="without a signature"):
        Prune(SETTINGS).add(short)


def test_scopes_keep_apart_but_never_across_splits() -> None:
    settings = DedupSettings(
        threshold=0.55, permutations=4, bands=2, rows=2, minimum_agreement=0, scope="per_source"
    )
    w = walk(settings, {n: span(0, 10) for n in "abcd"})
    assert w.offer(member("a", 10, scope=1, split=1), "a") is None
    assert w.offer(member("b", 10, scope=2, split=1), "b") is None
    third = w.offer(member("c", 10, scope=3, split=2), "c")
    assert third is not None and third.kept == "a"


@pytest.mark.parametrize("cap", [1, 2])
def test_only_the_first_cap_members_of_a_band_are_looked_at(cap: int) -> None:
    settings = DedupSettings(threshold=0.55, permutations=4, bands=2, rows=2, minimum_agreement=0, cap=cap)
    w = walk(settings, {"a": span(0, 10), "b": span(20, 30), "c": span(20, 30)})
    assert w.offer(member("a", 10), "a") is None and w.offer(member("b", 10), "b") is None
    verdict = w.offer(member("c", 10), "c")
    assert (verdict is None) == (cap == 1)


def test_the_cap_counts_comparable_members_of_all_scopes_and_splits() -> None:
    """c may be compared with a (its scope) and b (another split); a comes first, so cap 1 hides b."""
    sets = {"a": span(0, 10), "b": span(20, 30), "c": span(20, 30)}
    for cap in (1, 2):
        settings = DedupSettings(
            threshold=0.55, permutations=4, bands=2, rows=2, minimum_agreement=0, cap=cap, scope="per_source"
        )
        w = walk(settings, sets)
        assert w.offer(member("a", 10, scope=1, split=1), "a") is None
        assert w.offer(member("b", 10, scope=2, split=2), "b") is None
        verdict = w.offer(member("c", 10, scope=1, split=1), "c")
        assert (verdict is None) == (cap == 1)


def test_prune_marks_what_a_full_list_leaves_out() -> None:
    """y finds the list of its split full and x meets that list: their pair is never compared, yet both are marked."""
    settings = DedupSettings(permutations=4, bands=2, rows=2, minimum_agreement=4, cap=1, scope="per_source")
    prune = Prune(settings)
    a = member("a", 10, scope=1, split=1)._replace(values=np.full(4, 9, np.uint32))
    for document in (a, member("y", 10, scope=2, split=1), member("x", 10, scope=3, split=2)):
        prune.add(document)
    assert prune.marked().tolist() == [False, True, True]


def test_growth_keeps_every_list() -> None:
    rng = np.random.default_rng(0)
    names = [str(i) for i in range(3000)]
    bands = rng.integers(0, 4000, 3000)
    w = walk(SETTINGS, {n: span(100 * b, 100 * b + 10) for n, b in zip(names, bands.tolist(), strict=True)})
    for name, band in zip(names, bands.tolist(), strict=True):
        verdict = w.offer(member(name, 10, band=band), name)
        first = names[int(np.argmax(bands == band))]
        assert (verdict.kept if verdict else name) == first


def test_prune_marks_everyone_beyond_its_limit() -> None:
    prune = Prune(SETTINGS, limit=2)
    for n in range(3):
        prune.add(member(str(n), 10, band=10 * n))
        assert prune.marked().tolist() == ([False] * (n + 1) if n < 2 else [True] * 3)


def test_order() -> None:
    def key(
        keep: str, source: str, size: int, doc_id: bytes, against: bool = False
    ) -> tuple[int, int, int, bytes]:
        return order_key(keep, {"a": 1}, against=against, source=source, text_bytes=size, doc_id=doc_id)

    assert key("longest", "b", 1, b"z") < key("longest", "a", 9, b"a")  # priority before length
    assert key("longest", "b", 9, b"z") < key("longest", "b", 1, b"a")
    assert key("priority", "b", 1, b"a") < key("priority", "b", 9, b"b") < key("priority", "a", 9, b"a")
    assert key("id", "a", 1, b"a") < key("id", "b", 9, b"b")
    assert key("id", "a", 1, b"\x80") > key("id", "a", 1, b"\x7f")
    assert key("longest", "a", 1, b"z", against=True) < key("longest", "b", 9, b"a")
    with pytest.raises(RecipeError, match="allowed: longest, priority, id"):
        key("newest", "a", 1, b"a")


def test_exact_index_finds_the_earliest_comparable() -> None:
    index = ExactIndex()
    for at, (scope, split) in enumerate([(1, 1), (2, 1), (2, 2)]):
        index.add(b"d", scope, split, at)
    assert [index.find(b"d", *who) for who in [(1, 1), (2, 1), (3, 1), (3, 2), (3, 3)]] == [0, 1, 2, 0, 0]
    assert index.find(b"other", 1, 1) == -1


def test_components_equal_a_search_from_every_vertex() -> None:
    rng = np.random.default_rng(4)
    for edges in (0, 1, 30, 200):
        left, right = rng.integers(-90, 90, (2, edges)) * 10**16
        vertices, component = connect(left, right)
        near: dict[int, set[int]] = {}
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            near.setdefault(a, set()).add(b)
            near.setdefault(b, set()).add(a)
        assert vertices.tolist() == sorted(near)
        for v, c in zip(vertices.tolist(), component.tolist(), strict=True):
            seen, todo = {v}, [v]
            while todo:
                todo += [n for n in near[todo.pop()] if n not in seen and not seen.add(n)]  # type: ignore[func-returns-value]
            assert c == min(seen)
    chain = np.arange(20000)
    assert set(connect(chain[:-1][::-1].copy(), chain[1:][::-1].copy())[1].tolist()) == {0}
