"""The same Parquet table minus some rows: every type, codec and piece of metadata."""

import datetime
import decimal
import hashlib
import os
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pile_curate.row_files import (
    discover,
    plan,
)
from pile_curate.row_writers import write_kept
from tests.row_tables import C, keep, parquet

# --- Parquet: writing --------------------------------------------------------------------------------------


def rich():
    """Return one column of about every type that Parquet stores."""
    day = datetime.date(2020, 1, 2)
    columns = {
        "text": pa.array(["a", None, "c", ""], pa.large_string()),
        "u": pa.array([b"0" * 16] * 4, pa.uuid()),
        "i8": pa.array([1, None, 3, 4], pa.int8()),
        "u64": pa.array([0, 1, (1 << 64) - 1, None], pa.uint64()),
        "f16": pa.array(np.array([1, 2, 3, 4], np.float16)),
        "b": pa.array([True, None, False, True]),
        "dec": pa.array(
            [decimal.Decimal("1.10"), None, decimal.Decimal("-3.00"), None], pa.decimal128(30, 2)
        ),
        "ts": pa.array([1, None, 3, 4], pa.timestamp("us", "Europe/Berlin")),
        "ns": pa.array([1, None, 3, 4], pa.timestamp("ns")),
        "d": pa.array([day, None, day, day]),
        "t": pa.array([1, None, 3, 4], pa.time64("us")),
        "dur": pa.array([1, None, 3, 4], pa.duration("ms")),
        "fsb": pa.array([b"abc", None, b"def", b"ghi"], pa.binary(3)),
        "cat": pa.array(["x", "y", None, "x"]).dictionary_encode(),
        "l": pa.array([[1], [], None, [2, None]], pa.list_(pa.field("item", pa.int32()))),
        "e": pa.array([[1], [], None, [2, 3]], pa.list_(pa.field("element", pa.int32(), nullable=False))),
        "ll": pa.array([["a"], [], None, ["b", None]], pa.large_list(pa.large_string())),
        "fl": pa.array([[1, 2]] * 4, pa.list_(pa.float32(), 2)),
        "m": pa.array([[("k", 1)], [], None, [("q", None)]], pa.map_(pa.string(), pa.int32())),
        "s": pa.array([{"a": 1, "b": ["x"]}, None, {"a": None, "b": None}, {"a": 2, "b": []}]),
        "ls": pa.array([[{"a": {"b": "deep"}}], None, [], [None]]),
        "v": pa.array(["long enough to live outside the view", None, "s", ""], pa.string_view()),
        "n": pa.nulls(4),
        "a.b": pa.array([1, 2, 3, 4]),
    }
    fields = [pa.field(name, column.type, nullable=name != "a.b") for name, column in columns.items()]
    fields[2] = fields[2].with_metadata({"unit": "apples"})
    schema = pa.schema(fields, {"huggingface": '{"info": {}}', "pandas": "{}", "ключ": "é"})
    return pa.Table.from_arrays(list(columns.values()), schema=schema)


@pytest.mark.parametrize("compliant", [True, False])
def test_every_column_type_and_all_metadata_survive(tmp_path, compliant):
    path = parquet(tmp_path / "a.parquet", rich(), use_compliant_nested_type=compliant)
    files = discover([str(path)])
    (out,) = keep(files, tmp_path / "out", [("a.parquet", 1)])
    before, after = pq.read_table(path), pq.read_table(tmp_path / "out" / out.path)
    assert after.schema.equals(before.schema, check_metadata=True)
    assert after.schema.metadata == before.schema.metadata
    assert after.to_pylist() == [row for i, row in enumerate(before.to_pylist()) if i != 1]
    assert (out.rows, out.text_bytes) == (3, 2)
    data = (tmp_path / "out" / out.path).read_bytes()
    assert (out.bytes, out.sha256) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    "codec", ["none", "snappy", "gzip", "brotli", "lz4", "zstd", {"id": "snappy", "text": "zstd"}]
)
def test_the_codec_stays(tmp_path, codec):
    path = parquet(tmp_path / "a.parquet", {"id": range(99), "text": ["word " * 50] * 99}, compression=codec)
    (out,) = keep(discover([str(path)]), tmp_path / "out", [("a.parquet", 3)])

    def codecs(where):
        group = pq.read_metadata(where).row_group(0)
        return [group.column(i).compression for i in range(2)]

    assert codecs(tmp_path / "out" / out.path) == codecs(path)


def test_times_and_decimals_stay_as_they_are_stored(tmp_path):
    old = [datetime.datetime(1, 1, 1), datetime.datetime(2024, 5, 6, 7, 8, 9, 123456), None]
    table = pa.table(
        {
            "text": ["a", "b", "c"],
            "t": pa.array(old, pa.timestamp("us")),
            "d": pa.array([decimal.Decimal(i) for i in range(3)], pa.decimal128(18, 2)),
        }
    ).replace_schema_metadata({"org.apache.spark.version": "4.0.0"})
    options = {
        "use_deprecated_int96_timestamps": True,
        "store_decimal_as_integer": True,
    }
    path = parquet(tmp_path / "a.parquet", table, write_page_index=True, **options)
    (out,) = keep(discover([str(path)]), tmp_path / "out", [("a.parquet", 2)])
    written = pq.read_metadata(tmp_path / "out" / out.path)
    assert [written.row_group(0).column(i).physical_type for i in range(3)] == [
        "BYTE_ARRAY",
        "INT96",
        "INT64",
    ]
    assert written.row_group(0).column(0).has_offset_index
    back = pq.read_table(tmp_path / "out" / out.path, coerce_int96_timestamp_unit="us")
    assert back.column("t").to_pylist() == old[:2]


def test_files_begin_anew_and_are_never_overwritten(tmp_path):
    rng = random.Random(1)
    values = ["".join(rng.choices("abcdef ", k=500)) for _ in range(2000)]
    files = discover(
        [str(parquet(tmp_path / "a.parquet", {"id": range(2000), "text": values}, row_group_size=100))]
    )
    outs = keep(files, tmp_path / "out", file_bytes=200_000, batch_bytes=50_000)
    assert [o.path for o in outs] == [f"part-{i:03d}.parquet" for i in range(len(outs))]
    assert len(outs) > 3
    back = pa.concat_tables([pq.read_table(tmp_path / "out" / o.path) for o in outs])
    assert back.column("text").to_pylist() == values
    (one,) = keep(files, tmp_path / "one")
    assert sum(int(o.digest, 16) for o in outs) % (1 << 128) == int(one.digest, 16)
    before = {name: (tmp_path / "out" / name).read_bytes() for name in os.listdir(tmp_path / "out")}
    with pytest.raises(FileExistsError):
        keep(files, tmp_path / "out")
    assert {name: (tmp_path / "out" / name).read_bytes() for name in os.listdir(tmp_path / "out")} == before


def test_an_error_leaves_no_file(tmp_path):
    files = discover([str(parquet(tmp_path / "a.parquet", {"text": ["x" * 1000] * 50}, row_group_size=5))])

    def dropped(split):
        if split.start_row >= 20:
            raise RuntimeError("stop")
        return np.empty(0, np.int64)

    with pytest.raises(RuntimeError):
        write_kept(plan(files, 1), dropped, str(tmp_path / "out"), "p", None, C, file_bytes=1)
    assert os.listdir(tmp_path / "out") == []
