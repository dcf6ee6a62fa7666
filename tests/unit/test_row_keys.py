"""Keys sort as ids do and give them back; digests of rows see neither order nor cuts."""

import datetime
import decimal
import random
import uuid

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.row_digests import hash_values, rows_sum
from pile_curate.row_files import (
    discover,
    key_text,
)
from pile_curate.row_keys import encode_ids, encode_row, encode_value
from tests.row_tables import narrow, parquet


def test_keys_of_every_type_sort_as_the_ids_do():
    moment = datetime.datetime(2020, 2, 29, 1, 2, 3, 500000)
    one = uuid.UUID(int=5)
    cases = [
        (
            pa.array([-(1 << 63), -1, 0, 1, (1 << 63) - 1]),
            ["-9223372036854775808", "-1", "0", "1", "9223372036854775807"],
        ),
        (pa.array([0, 1, (1 << 64) - 1], pa.uint64()), ["0", "1", str((1 << 64) - 1)]),
        (pa.array([-128, 127], pa.int8()), ["-128", "127"]),
        (pa.array([-np.inf, -1.5, 0.0, 2.5, np.inf, np.nan]), ["-inf", "-1.5", "0.0", "2.5", "inf", "nan"]),
        (pa.array([-1.5, 2.5], pa.float32()), ["-1.5", "2.5"]),
        (pa.array([False, True]), ["false", "true"]),
        (pa.array(["", "a", "aa", "é"]), ["", "a", "aa", "é"]),
        (pa.array(["ab", "cd"], pa.large_string()), ["ab", "cd"]),
        (pa.array([b"\x00", b"\xff"], pa.binary_view()), ["\0", "0xff"]),
        (pa.array([b"abc"], pa.binary(3)), ["abc"]),
        (pa.array(["b", "b"]).dictionary_encode(), ["b", "b"]),
        (pa.array([one.bytes], pa.uuid()), [str(one)]),
        (pa.array([datetime.datetime(1, 1, 1), moment]), ["0001-01-01 00:00:00", "2020-02-29 01:02:03.5"]),
        (pa.array([datetime.date(2020, 1, 2)]), ["2020-01-02"]),
        (pa.array([decimal.Decimal("1.50")]), ["1.50"]),
        (pa.array([5], pa.duration("s")), ["5"]),
        (pa.array([[1, 2]]), ["[1,2]"]),
        (pa.array([{"b": 1, "a": None}]), ['{"a":null,"b":1}']),
    ]
    for ids, shown in cases:
        keys = encode_ids(pa.concat_arrays([ids, ids]).slice(len(ids))).to_pylist()
        assert [key_text(k) for k in keys] == shown
        assert keys == sorted(keys), ids.type
    assert encode_ids(pa.array([1], pa.timestamp("s"))) == encode_ids(pa.array([1000], pa.timestamp("ms")))
    assert encode_ids(pa.array([5], pa.int8())) == encode_ids(pa.array([5], pa.uint64()))


@given(st.lists(st.one_of(st.integers(), st.integers(-(1 << 63), (1 << 64) - 1)), min_size=1))
def test_integer_keys_sort_and_give_back(values):
    assert sorted(values) == sorted(values, key=encode_value)
    assert [key_text(encode_value(v)) for v in values] == [str(v) for v in values]
    small = [v for v in values if -(1 << 63) <= v < 1 << 63]
    assert encode_ids(pa.array(small, pa.int64())).to_pylist() == [encode_value(v) for v in small]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_string_keys_sort_and_give_back(values):
    keys = encode_ids(pa.array(values)).to_pylist()
    assert keys == [encode_value(v) for v in values]
    assert sorted(values, key=str.encode) == [key_text(k) for k in sorted(keys)]


def test_row_keys_tell_files_and_rows_apart(tmp_path):
    for name in ("a", "b"):
        parquet(tmp_path / f"{name}.parquet", {"text": ["x"] * 300})
    rows = narrow(discover([str(tmp_path)]), batch_bytes=64)
    assert len({r["key"] for r in rows}) == 600
    assert [r["key"] for r in rows] == sorted(r["key"] for r in rows)
    assert rows[299]["key"] == encode_row("a.parquet", 299)


@settings(deadline=None)
@given(
    st.lists(st.none() | st.binary(max_size=70), min_size=1, max_size=40),
    st.integers(0, 1 << 32).map(random.Random),
)
def test_row_digests_do_not_see_order_cuts_or_offset_widths(values, rng):
    ids = pa.array(range(len(values)))
    text = pa.array(values, pa.binary())
    whole = rows_sum(text, ids)
    order = list(range(len(values)))
    rng.shuffle(order)
    cut = rng.randrange(len(values) + 1)
    shuffled, numbers = text.take(pa.array(order)).cast(pa.large_binary()), ids.take(pa.array(order))
    parts = rows_sum(shuffled.slice(0, cut), numbers.slice(0, cut)) + rows_sum(
        shuffled.slice(cut), numbers.slice(cut)
    )
    assert parts % (1 << 128) == whole
    lanes = hash_values(text)
    pairs = {(v, *lanes[:, i].tolist()) for i, v in enumerate(values)}
    assert len(pairs) == len(set(values)) == len({p[1:] for p in pairs})


def test_short_hashes_do_not_collide():
    values = [i.to_bytes(n, "little") for n in range(1, 4) for i in range(min(1 << 8 * n, 60_000))]
    values += [b"a" * n for n in range(70)] + [b"\0" * n for n in range(4, 70)]
    values = sorted(set(values))
    lanes = hash_values(pa.array(values, pa.binary()))
    for lane in lanes:
        assert len(np.unique(lane)) == len(values)
    assert rows_sum(pa.array(["a", "b"]), pa.array([1, 2])) != rows_sum(
        pa.array(["b", "a"]), pa.array([1, 2])
    )
    assert rows_sum(pa.array(["a"]), pa.array([None], pa.int64())) != rows_sum(pa.array(["a"]), None)
