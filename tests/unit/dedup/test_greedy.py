"""The walk's edges: exact thresholds, order, what is named, sizes that spare reading, long lists, files."""

from __future__ import annotations

import itertools
import mmap
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pile_curate.dedup import DedupSettings
from pile_curate.dedup.exact import comparable, order_key
from pile_curate.dedup.greedy import Prune, Rows, Verdicts, Walk, least_share
from pile_curate.dedup.growing import Store
from pile_curate.errors import DatasetError, RecipeError

Sets = dict[str, range]


def settings(**changes: Any) -> DedupSettings:
    plain: dict[str, Any] = {
        "threshold": 0.55,
        "permutations": 4,
        "bands": 2,
        "rows": 2,
        "minimum_agreement": 0,
    }
    return DedupSettings(**(plain | changes))


class Corpus:
    """Named documents whose sets are ranges and whose signature is one number (its band) four times."""

    def __init__(self, use: DedupSettings, sets: Sets, **changes: Any) -> None:
        self.starts = dict(zip(sets, np.cumsum([0, *map(len, sets.values())]).tolist()))
        pool = np.array([x for s in sets.values() for x in s], np.uint64)
        pool.flags.writeable = False
        self.sets, self.walk = sets, Walk(use, pool, **changes)
        self.names: list[str] = []

    def rows(
        self,
        name: str,
        *,
        band: int = 1,
        scope: int = 0,
        split: int = 0,
        against: bool = False,
        digest: str = "",
    ) -> Rows:
        self.names.append(name)
        size = len(self.sets.get(name, ()))
        return Rows(
            np.frombuffer((digest or name).encode().ljust(16), np.uint64)[None], np.array([scope]), np.array([split]),
            np.array([against]), np.array([size]), np.full((1, 4), band, np.uint32), np.array([band > 0]),
            np.array([self.starts.get(name, -1)]), np.array([len(self.names) - 1]),
        )  # fmt: skip

    def offer(self, name: str, **who: Any) -> tuple[str, bool, float] | None:
        """Return (kept one's name, exact, Jaccard), or None if the document is kept."""
        found = self.walk.offer(self.rows(name, **who))
        if not len(found.row):
            return None
        return self.names[found.kept[0]], bool(found.exact[0]), float(found.jaccard[0])


def test_the_threshold_is_the_decimal_that_was_written() -> None:
    """11/20 = 0.55 exactly, but 0.55 as a double is above it."""
    corpus = Corpus(settings(), {"a": range(20), "b": range(11), "c": range(9, 31)})
    assert corpus.offer("a") is None
    assert corpus.offer("b") == ("a", False, 0.55)
    assert corpus.offer("c") is None  # shares 11 of 31
    assert (corpus.walk.examined, corpus.walk.refused, corpus.walk.kept) == (2, 1, 2)


@pytest.mark.parametrize(
    "t", ["0.8", "0.7999999999999999", "0.8000000000000002", "1e-300", "0.1000000000000001", "1"]
)
def test_the_threshold_in_small_integers_decides_the_same(t: str) -> None:
    ratio = Fraction(t)
    share = least_share(ratio)
    assert share.denominator <= 2**31
    for total in [*range(1, 300), 2**31, 2**31 - 1, 1_999_999_999, 1_800_000_003]:
        exact = -(-ratio.numerator * total // (ratio.numerator + ratio.denominator))
        assert -(-share.numerator * total // share.denominator) == exact
    small = least_share(ratio, 97)
    for shared, total in itertools.product(range(98), range(1, 98)):
        assert (Fraction(shared, total) >= small) == (Fraction(shared, total) >= ratio / (1 + ratio))


def test_jaccard_is_rounded_half_to_even_from_the_integers() -> None:
    rng = np.random.default_rng(1)
    union = rng.integers(1, 2**31, 200)
    shared = (union * rng.random(200)).astype(np.int64)
    shared[:4], union[:4] = [1, 3, 0, 1], [20000, 20000, 0, 32]
    found = Verdicts(shared, shared, shared > 0, shared, union).jaccard
    expected = [
        float(round(Fraction(a, b), 4)) if b else 1.0 for a, b in zip(shared.tolist(), union.tolist())
    ]
    assert found.tolist() == expected and expected[:3] == [0.0, 0.0002, 1.0]


def test_sets_whose_sizes_rule_a_match_out_are_not_read() -> None:
    corpus = Corpus(settings(), {"a": range(100), "b": range(54), "c": range(55)})
    corpus.starts = {}
    assert corpus.offer("a") is None
    assert corpus.offer("b") is None
    assert (corpus.walk.examined, corpus.walk.refused) == (1, 1)
    with pytest.raises(DatasetError, match="document 2 is in a candidate pair but has no shingle set"):
        corpus.offer("c")


def test_a_missing_set_of_the_earlier_document_is_named() -> None:
    corpus = Corpus(settings(), {"a": range(9), "b": range(9)})
    del corpus.starts["a"]
    assert corpus.offer("a") is None
    with pytest.raises(DatasetError, match="document 0 is"):
        corpus.offer("b")


def test_the_earliest_match_is_named_and_only_kept_documents_displace() -> None:
    corpus = Corpus(settings(), {"a": range(10), "b": range(3, 13), "c": range(6, 16), "d": range(2, 12)})
    # each resembles the next: J = 7/13 < 0.55 for steps of 3, 8/12 for steps of 2
    assert [corpus.offer(n) for n in "abc"] == [None, None, None]
    assert corpus.offer("d") == ("a", False, 0.6667)


def test_a_copy_of_a_dropped_document_names_the_kept_one_as_near() -> None:
    corpus = Corpus(settings(), {"a": range(10), "b": range(1, 11), "b2": range(1, 11)})
    assert corpus.offer("a") is None
    assert corpus.offer("b") == corpus.offer("b2", digest="b") == ("a", False, 0.8182)


def test_documents_without_shingles_are_exact_copies_only() -> None:
    corpus = Corpus(settings(), {})
    assert corpus.offer("a", band=0) is None
    assert corpus.offer("b", band=0) is None
    assert corpus.offer("c", band=0, digest="a") == ("a", True, 1.0)


def test_scopes_keep_apart_but_never_across_splits() -> None:
    corpus = Corpus(settings(scope="per_source"), {n: range(10) for n in "abcd"})
    assert corpus.offer("a", scope=1, split=1) is None
    assert corpus.offer("b", scope=2, split=1) is None
    assert corpus.offer("c", scope=3, split=2) == ("a", False, 1.0)
    assert corpus.offer("d", scope=2, split=1) == ("b", False, 1.0)


@pytest.mark.parametrize("cap", [1, 2])
def test_only_the_first_cap_members_of_a_band_are_looked_at(cap: int) -> None:
    corpus = Corpus(settings(cap=cap), {"a": range(10), "b": range(20, 30), "c": range(20, 30)})
    assert corpus.offer("a") is None and corpus.offer("b") is None
    assert (corpus.offer("c") is None) == (cap == 1)


def test_the_cap_counts_comparable_members_of_all_scopes_and_splits() -> None:
    """c may be compared with a (its scope) and b (another split); a comes first, so cap 1 hides b."""
    for cap in (1, 2):
        sets = {"a": range(10), "b": range(20, 30), "c": range(20, 30)}
        corpus = Corpus(settings(cap=cap, scope="per_source"), sets)
        assert corpus.offer("a", scope=1, split=1) is None
        assert corpus.offer("b", scope=2, split=2) is None
        assert (corpus.offer("c", scope=1, split=1) is None) == (cap == 1)


def test_unverified_modes_read_no_set() -> None:
    values = np.array([[1, 1, 1, 1], [1, 1, 2, 3], [1, 1, 2, 4]], np.uint32)
    for verify, kept, shared in (("estimate", [1], [3]), ("none", [0, 0], [2, 2])):
        walk = Walk(settings(verify=verify), np.empty(0, np.uint64))
        rows = Rows(
            np.arange(6, dtype=np.uint64).reshape(3, 2), *np.zeros((2, 3), np.int64), np.zeros(3, np.bool_),
            np.full(3, 9), values, np.ones(3, np.bool_), np.full(3, -1), np.arange(3),
        )  # fmt: skip
        found = walk.offer(rows)
        assert (found.kept.tolist(), found.shared.tolist()) == (kept, shared)
        assert set(found.union.tolist()) == {4} and not found.exact.any()
        assert (walk.examined, walk.refused) == (len(kept), 0)


def test_twins_by_digest_equal_a_search_of_all() -> None:
    rng = np.random.default_rng(3)
    for scope_count, split_count in ((1, 1), (1, 3), (5, 1), (5, 3), (40, 2)):
        for scoped in (False, True):
            corpus = Corpus(settings(scope="per_source" if scoped else "global"), {}, memory=2000)
            kept: list[tuple[str, int, int, str]] = []
            for n in range(400):
                scope, split = int(rng.integers(scope_count)) - 1, int(rng.integers(split_count))
                digest, against = f"digest {rng.integers(12)}", bool(rng.random() < 0.05)
                reach = [
                    k for k in kept if k[0] == digest and (not scoped or comparable(scope, split, k[1], k[2]))
                ]
                expected = None if against or not reach else (reach[0][3], True, 1.0)
                who = {"scope": scope, "split": split, "against": against}
                assert corpus.offer(str(n), band=0, digest=digest, **who) == expected
                if expected is None:
                    kept.append((digest, scope, split, str(n)))


def dice(n: int, faces: int, seed: int = 5) -> npt.NDArray[np.uint32]:
    return np.random.default_rng(seed).integers(0, faces, (n, 4), np.uint32)


@pytest.mark.parametrize("cap", [1, 2, 3, 4, 15, 16, 70, 1000])
@pytest.mark.parametrize("scoped", [False, True])
def test_long_lists_hold_the_first_cap_and_are_verified_in_order(cap: int, scoped: bool) -> None:
    """Against a plain search: everybody is older corpus but every seventh, who is judged."""
    n, use = (
        700,
        settings(cap=cap, minimum_agreement=3, scope="per_source" if scoped else "global", threshold=0.5),
    )
    values, rng = dice(n, 3), np.random.default_rng(cap)
    scope, split, size = rng.integers(0, 4, n), rng.integers(0, 3, n), rng.integers(1, 40, n)
    against = np.arange(n) % 7 > 0
    pool = np.arange(40, dtype=np.uint64)
    rows = Rows(
        np.arange(2 * n, dtype=np.uint64).reshape(n, 2), scope, split, against, size, values, np.ones(n, np.bool_),
        np.zeros(n, np.int64), np.arange(n),
    )  # fmt: skip
    same = values[:, None] == values[None]
    kept = np.empty(0, np.int64)
    copies, examined = {}, 0
    for d in range(n):
        reach = kept[(scope[kept] == scope[d]) | (split[kept] != split[d]) | (not scoped)]
        found = [reach[same[d, reach, b : b + 2].all(axis=1)][:cap] for b in (0, 2)]
        for e in np.unique(np.concatenate(found)) if not against[d] else ():
            if same[d, e].sum() >= 3:
                examined += 1
                if 2 * min(size[d], size[e]) >= max(size[d], size[e]):
                    copies[d] = e
                    break
        if d not in copies:
            kept = np.append(kept, d)
    walk = Walk(use, pool)
    verdicts = walk.offer(rows)
    assert dict(zip(verdicts.row.tolist(), verdicts.kept.tolist())) == copies and copies
    assert (walk.examined, walk.refused) == (examined, examined - len(copies))


@pytest.mark.parametrize("scoped", [False, True])
@pytest.mark.parametrize("cap", [1, 3, 1000])
def test_prune_marks_every_candidate_pair(cap: int, scoped: bool) -> None:
    n, use = 400, settings(cap=cap, minimum_agreement=3, scope="per_source" if scoped else "global")
    values, rng = dice(n, 9), np.random.default_rng(cap)
    scope, split = rng.integers(0, 3, n), rng.integers(0, 2, n)
    prune = Prune(use, memory=10_000)
    for part in np.array_split(np.arange(n), 3):
        prune.add(scope[part], split[part], values[part])
    same = values[:, None] == values[None]
    pairs = (same.sum(axis=2) >= 3) & (same[:, :, :2].all(axis=2) | same[:, :, 2:].all(axis=2))
    pairs &= (scope[:, None] == scope) | (split[:, None] != split) | (not scoped)
    np.fill_diagonal(pairs, False)
    needed = pairs.any(axis=1)
    marked = prune.marked()
    assert (marked | ~needed).all()
    if cap == 1000:
        assert (marked == needed).all() and not needed.all()


def test_prune_marks_what_a_full_list_leaves_out() -> None:
    """y finds the list of its split full and x meets that list: their pair is never compared, yet both are marked."""
    prune = Prune(settings(minimum_agreement=4, cap=1, scope="per_source"))
    values = np.full((3, 4), 1, np.uint32)
    values[0, 3] = 9
    prune.add(np.array([1, 2, 3]), np.array([1, 1, 2]), values)
    assert prune.marked().tolist() == [False, True, True]


def test_prune_marks_everyone_beyond_its_limit() -> None:
    prune = Prune(settings(), limit=2)
    for n in range(3):
        prune.add(np.zeros(1, np.int64), np.zeros(1, np.int64), np.full((1, 4), 10 * n, np.uint32))
        assert prune.marked().tolist() == ([False] * (n + 1) if n < 2 else [True] * 3)


@pytest.mark.parametrize("memory", [0, 100_000, 1 << 30])
def test_growth_keeps_every_list_in_memory_and_in_files(memory: int, tmp_path: Path) -> None:
    n = 3000
    band = np.random.default_rng(0).integers(0, 4000, n)
    values = np.repeat(band[:, None], 4, axis=1).astype(np.uint32)
    rows = Rows(
        np.arange(2 * n, dtype=np.uint64).reshape(n, 2), np.zeros(n), np.zeros(n), np.zeros(n), np.full(n, 10), values,
        np.ones(n), 10 * band, 1000 + np.arange(n),
    )  # fmt: skip
    walk = Walk(settings(), np.arange(40_010, dtype=np.uint64), memory=memory, scratch=str(tmp_path))
    found = walk.offer(rows)
    first = {b: i for i, b in reversed(list(enumerate(band.tolist())))}
    expected = {i: 1000 + first[b] for i, b in enumerate(band.tolist()) if first[b] != i}
    assert dict(zip(found.row.tolist(), found.kept.tolist())) == expected
    assert walk.kept == n - len(expected)
    assert list(tmp_path.iterdir()) == []  # the files have no names


def test_columns_beyond_the_budget_are_files() -> None:
    store = Store(memory=1000)
    column, other = store.column(10, np.int64), store.column(10, np.uint32, 2)
    column.data[:], other.data[:] = 7, 5
    assert store.anonymous == 160 and not isinstance(column.data.base, mmap.mmap)
    column.grow(100)
    assert store.anonymous == 880
    other.grow(20)
    column.grow(1000)
    assert store.anonymous == 0
    assert column.data[:10].tolist() == [7] * 10 and not column.data[10:].any()
    assert other.data[:10].tolist() == [[5, 5]] * 10 and not other.data[10:].any()
    assert column.renew(2000).tolist() == [7] * 10 + [0] * 990 and not column.data.any()


def test_a_full_disk_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(DatasetError, match=r"no room for 80 bytes .*No space left.*another scratch folder"):
        Store(0, str(tmp_path)).column(10, np.int64)


def test_wrong_shapes_are_refused() -> None:
    corpus = Corpus(settings(), {"a": range(3)})
    rows = corpus.rows("a")
    with pytest.raises(ValueError, match=r"shape \(1, 3\); it must be \(1, 4\)"):
        corpus.walk.offer(rows._replace(values=np.zeros((1, 3), np.uint32)))
    with pytest.raises(DatasetError, match="allowed: up to"):
        corpus.walk.offer(rows._replace(shingles=np.array([2**31])))
    assert not len(corpus.walk.offer(Rows(*(column[:0] for column in rows))).row)


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
