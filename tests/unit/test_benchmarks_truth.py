"""The exact truth that dedup is judged by: against brute force, and judged on cases that can be counted by hand."""

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.dedup_grow import Plan, grow, rewrite
from benchmarks.dedup_truth import all_pairs, measure
from benchmarks.peers import judging
from benchmarks.peers.truth import Truth, oracle
from pile_curate.dedup.minhash import jaccard, shingle_sets


def brute(sets, floor):
    found = []
    for i, a in enumerate(sets):
        for j in range(i + 1, len(sets)):
            shared = len(np.intersect1d(a, sets[j]))
            union = len(a) + len(sets[j]) - shared
            if union and Fraction(shared, union) >= floor:
                found.append((i, j, shared))
    return found


def joined(sets):
    starts = np.cumsum([0, *map(len, sets)]).astype(np.int64)
    return np.concatenate([np.array(s, np.uint64) for s in sets] or [np.empty(0, np.uint64)]), starts


@given(
    st.lists(st.sets(st.integers(1, 30), max_size=14), min_size=1, max_size=12),
    st.sampled_from(["0.65", "0.8", "1"]),
)
@settings(max_examples=150, deadline=None)
def test_pairs_are_those_of_brute_force(small, floor):
    spread = [np.sort(np.array([v * 0x9E3779B97F4A7C15 % 2**64 for v in s], np.uint64)) for s in small]
    pairs, _ = all_pairs(*joined(spread), Fraction(floor))
    assert [tuple(row) for row in pairs.tolist()] == brute(spread, Fraction(floor))


@given(st.lists(st.sets(st.integers(1, 400), max_size=40), min_size=2, max_size=8))
@settings(max_examples=50, deadline=None)
def test_shingles_that_share_their_key_lose_no_pair(small):
    """Small values all fall into one slot, and sixty-four of them agree in the 58 bits that are ordered."""
    sets = [np.array(sorted(s), np.uint64) for s in small]
    pairs, _ = all_pairs(*joined(sets), Fraction("0.65"))
    assert [tuple(row) for row in pairs.tolist()] == brute(sets, Fraction("0.65"))


def words(first, count):
    return " ".join(f"w{number}" for number in range(first, first + count))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rows = {
        "long": words(0, 104),  # 100 shingles
        "copy": words(0, 100),  # 96 of these
        "next": words(6, 94),  # of long: 90/100; of copy: 90/96
        "twin": words(6, 94) + " ",  # another digest? no: white space at the end does not count
        "other": words(1000, 50),
        "short": "a b",
        "short too": "a  b",
        "empty": "",
    }
    path = tmp_path_factory.mktemp("truth") / "table.parquet"
    pq.write_table(pa.table({"id": list(rows), "text": list(rows.values())}), path)
    return str(path)


@pytest.fixture(scope="module")
def truth(table):
    return measure([table])


def named(truth, by):
    return {str(truth.ids[i]): str(truth.ids[k]) for i, k in enumerate(by.tolist()) if k >= 0}


def test_oracle_names_the_earliest_kept_one(truth):
    assert named(truth, oracle(truth, "0.8")) == {
        "copy": "long", "next": "long", "twin": "long", "short": "short too",
    }  # fmt: skip


def test_a_dropped_document_costs_its_copies_nothing(truth):
    assert named(truth, oracle(truth, "0.93")) == {"copy": "long", "next": "twin", "short": "short too"}


def test_truth_survives_its_file_and_a_cut(truth, tmp_path):
    truth.save(tmp_path / "truth.npz")
    again = Truth.load(tmp_path / "truth.npz")
    assert np.array_equal(again.left, truth.left) and list(again.ids) == list(truth.ids)
    assert named(truth.first(2), oracle(truth.first(2))) == {"copy": "long"}


def test_thresholds_that_the_list_cannot_answer_are_refused(truth):
    with pytest.raises(ValueError, match="0.65 or more"):
        oracle(truth, "0.5")


def test_repeated_ids_are_refused(tmp_path):
    pq.write_table(pa.table({"id": ["a", "a"], "text": ["x", "y"]}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="repeats an id"):
        measure([str(tmp_path / "t.parquet")])


def test_judge_counts_right_wrong_chained_and_left(truth):
    def judged(*dropped):
        return judging.judge(truth, np.isin(truth.ids, dropped), "0.8")

    best = judged("copy", "next", "twin", "short")
    assert (best["recall"], best["precision"], best["oracle_recall"], best["left"]) == (1, 1, 1, 0)
    other_member = judged("long", "next", "twin", "short too")  # another one of each group stays: as good
    assert (other_member["recall"], other_member["precision"], other_member["wrong"]) == (1, 1, 0)
    assert other_member["oracle_recall"] == 0.5
    greedy = judged("long", "copy", "next", "twin", "other")
    assert (greedy["wrong"], greedy["chained"], greedy["apart"], greedy["left"]) == (5, 4, 1, 1)
    nothing = judged()
    assert (nothing["recall"], nothing["precision"], nothing["left"]) == (0, 1, 4)


def write_output(folder, kept, duplicates):
    for name, rows in (("data", [{"id": one} for one in kept]), ("duplicates", duplicates)):
        (folder / name).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / name / "part.parquet")


def test_each_drop_is_checked_against_the_document_that_it_names(truth, tmp_path):
    kept = ["long", "other", "short too", "empty"]
    good = [
        {"doc_id": "copy", "kept_id": "long", "jaccard": 0.96, "kind": "near"},
        {"doc_id": "next", "kept_id": "long", "jaccard": 0.9, "kind": "near"},
        {"doc_id": "twin", "kept_id": "long", "jaccard": 0.9, "kind": "near"},
        {"doc_id": "short", "kept_id": "short too", "jaccard": 1.0, "kind": "exact"},
    ]
    write_output(tmp_path / "good", kept, good)
    dropped = judging.mask_of(truth, judging.kept_ids(str(tmp_path / "good")))
    assert judging.check_named(truth, str(tmp_path / "good"), dropped) == []
    wrong = [
        good[0] | {"jaccard": 0.95}, good[1] | {"kept_id": "other"}, good[2] | {"kept_id": "copy"},
        good[3] | {"kind": "near"},
    ]  # fmt: skip
    for number, row in enumerate(wrong):
        folder = tmp_path / str(number)
        write_output(folder, kept, [row if i == number else one for i, one in enumerate(good)])
        assert judging.check_named(truth, str(folder), dropped), row
    write_output(tmp_path / "fewer", kept, good[:3])
    assert judging.check_named(truth, str(tmp_path / "fewer"), dropped) == [
        "1 dropped documents are not in duplicates"
    ]
    with pytest.raises(ValueError, match="not in the input"):
        judging.mask_of(truth, ["unknown"])


def test_theory_of_bands_and_agreement():
    for j in (0.6, 0.7, 0.8, 0.9):
        band, both = judging.found_probability(j, 18, 7, 83)
        assert band == pytest.approx(1 - (1 - j**7) ** 18) and both <= band
    assert judging.found_probability(0.5, 4, 2, 0) == pytest.approx((1 - 0.75**4, 1 - 0.75**4))
    assert judging.found_probability(0.5, 1, 2, 2)[1] == pytest.approx(0.25)


def test_grown_tables_are_reproducible_new_and_of_the_size(tmp_path):
    rng = np.random.default_rng(5)
    vocabulary = [f"word{n}" for n in range(3000)]
    texts = [" ".join(rng.choice(vocabulary, 200)) + "." for _ in range(40)]
    ids = [f"g{n}" for n in range(40)]  # forces a longer prefix
    source = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": ids, "text": texts}), source)
    rows = []
    for name in ("a", "b"):
        facts = grow(
            str(source),
            str(tmp_path / name),
            300_000,
            plan=Plan(),
            copies=0.5,
            files=3,
            row_group=20_000,
            seed=7,
        )
        rows.append(pq.read_table(tmp_path / name / "data").to_pylist())
    assert rows[0] == rows[1] and len(list((tmp_path / "a" / "data").iterdir())) == 3
    assert 300_000 <= facts["bytes"] < 303_000 and len({row["id"] for row in rows[0]}) == facts["documents"]
    assert {row["text"] for row in rows[0]} >= set(texts)
    text_of = {row["id"]: row["text"] for row in rows[0]}
    for made in pq.read_table(tmp_path / "a" / "plan.parquet").to_pylist():
        found = jaccard(*shingle_sets(pa.array([text_of[made["id"]], text_of[made["src"]]])))
        assert found < 0.3 if made["kind"] == "distinct" else found > 0.05
    assert facts["copies"] > 10 and facts["distinct"] > 10


def test_rewriting_keeps_what_is_between_words():
    rng = np.random.default_rng(1)
    assert rewrite("a, b; c", 0.0, np.array(["x"], object), rng) == "a, b; c"
    changed = rewrite("one, " * 200, 0.5, np.array(["x"], object), rng)
    assert changed.count(",") == 200 and 40 < changed.count("x") < 120
