"""Golden vectors: if one of these changes, so does every id, split or digest that users hold."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pile_curate import hashing, schema

TABLE = pa.table(
    {
        "i": [1, 2],
        "x": [0.5, None],
        "s": ["a", "ä"],
        "b": pa.array([b"\x00\xff", b""]),
        "l": [["p"], []],
        "m": [{"k": 1}, {"k": 2}],
    }
)


def test_golden_vectors_of_version_1():
    assert hashing.HASH_VERSION == 1
    assert hashing.identity128("a", "b").hex() == "5da98171593e2f288d5c9117f996310a"
    assert schema.doc_id("wikipedia", "12").hex() == "d2a8281a46f1c7348c935d33fb7de124"
    assert hashing.text_digest("Hello\n\n  world ").hex() == "ff734a0b6c5d9e0f3900c2422d8cc5e1"
    assert hashing.order_key(7, b"\0" * 16, "split") == 13310280719682182529
    assert hashing.uniform(7, b"\1" * 16, "split") == 0.25977540974031343
    assert hashing.fingerprint({"b": 1, "a": [1, "ä"]}).startswith("3165841a30efc681584067d515c8afa0")
    assert hashing.hex128(hashing.rows_digest(TABLE)) == "fb19277b28c01d52a9cf38077d8b669a"


def test_parts_cannot_run_into_each_other():
    assert hashing.identity128("ab", "c") != hashing.identity128("a", "bc")
    assert schema.doc_id("a", "b/c") != schema.doc_id("a/b", "c")


@given(st.text(), st.text())
def test_text_digest_ignores_white_space_runs_only(a, b):
    folded = [" ".join(t.split()) for t in (a, b)]
    if folded[0] == folded[1]:
        assert hashing.text_digest(a) == hashing.text_digest(b)
    assert hashing.text_digest(a) == hashing.text_digest(f"\n {a}\t\n")


def test_digest_does_not_depend_on_order_grouping_or_columns_order():
    whole = hashing.rows_digest(TABLE)
    assert hashing.rows_digest(TABLE.take([1, 0])) == whole
    assert hashing.add_digests(hashing.rows_digest(TABLE.slice(i, 1)) for i in (1, 0)) == whole
    assert hashing.rows_digest(TABLE.select(TABLE.schema.names[::-1])) == whole
    assert hashing.rows_digest(TABLE.append_column("part", [["x", "y"]]), exclude=("part",)) == whole
    assert hashing.rows_digest(TABLE.set_column(0, "i", [[1, 3]])) != whole


def test_draws_are_even_and_purposes_independent():
    ids = [hashing.identity128(str(i)) for i in range(4000)]
    drawn = [hashing.uniform(1, i, "split") for i in ids]
    assert all(0 <= u < 1 for u in drawn) and 0.47 < sum(drawn) / len(drawn) < 0.53
    both = sum(u < 0.5 and hashing.uniform(1, i, "other") < 0.5 for u, i in zip(drawn, ids))
    assert 880 < both < 1120


def test_conform_casts_by_name_and_refuses_unknown_columns():
    batch = pa.RecordBatch.from_pydict({"row": pa.array([3], pa.int64()), "source": ["s"]})
    made = schema.conform(batch, schema.ELIGIBILITY)
    assert made.schema == schema.ELIGIBILITY
    assert made.column("row").to_pylist() == [3] and made.column("doc_id").null_count == 1
    with pytest.raises(KeyError, match="nonsense"):
        schema.conform(pa.RecordBatch.from_pydict({"nonsense": [1]}), schema.ELIGIBILITY)
