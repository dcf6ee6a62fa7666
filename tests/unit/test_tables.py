"""Parts: cast by name, durable, with the digest of the rows and of the bytes."""

import hashlib
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pile_curate.errors import DatasetDamaged, DatasetError
from pile_curate.hashing import hex128, rows_digest
from pile_curate.tables import PartWriter, dataset_relative, iter_batches, part_name, read_rows

SCHEMA = pa.schema(
    [
        ("id", pa.binary(2)),
        ("n", pa.int64()),
        ("text", pa.string()),
        ("part", pa.string()),
        ("row", pa.int32()),
    ]
)


def rows(start, stop, part="p"):
    return [
        {"id": i.to_bytes(2, "big"), "n": i, "text": f"text {i}", "part": part, "row": i - start}
        for i in range(start, stop)
    ]


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "data" / "attempts" / "a1")


def write(folder, name, *batches, **more):
    with PartWriter(folder, name, SCHEMA, **more) as writer:
        for batch in batches:
            writer.write(batch)
    return writer.entry


def test_the_entry_states_the_file(folder):
    entry = write(folder, "x.parquet", rows(0, 5), table="kept", facts={"k": 1})
    path = os.path.join(folder, "x.parquet")
    with open(path, "rb") as handle:
        raw = handle.read()
    assert entry.path == "attempts/a1/x.parquet"
    assert (entry.rows, entry.bytes, entry.table, entry.facts) == (5, len(raw), "kept", {"k": 1})
    assert entry.sha256 == hashlib.sha256(raw).hexdigest()
    assert entry.digest == hex128(rows_digest(pq.read_table(path), ("part", "row")))
    assert pq.read_table(path).to_pylist() == rows(0, 5)


def test_batches_tables_and_dicts_mean_the_same(folder):
    table = pa.Table.from_pylist(rows(0, 6), schema=SCHEMA)
    one = write(folder, "1", rows(0, 6))
    two = write(folder, "2", table)
    three = write(folder, "3", table.slice(0, 2).to_batches()[0], rows(2, 6))
    four = write(folder, "4", table.select(["text", "row", "n", "part", "id"]))
    assert len({e.digest for e in (one, two, three, four)}) == 1
    assert {e.rows for e in (one, two, three, four)} == {6}


def test_the_digest_ignores_order_and_run_columns_only(folder):
    base = write(folder, "1", rows(0, 6)).digest
    assert write(folder, "2", rows(3, 6), rows(0, 3)).digest == base
    assert write(folder, "3", rows(0, 6, part="elsewhere")).digest == base
    assert write(folder, "4", rows(0, 5)).digest != base
    assert write(folder, "5", [{**row, "text": "x"} for row in rows(0, 6)]).digest != base
    assert write(folder, "6", rows(0, 6, part="elsewhere"), exclude=()).digest != base


def test_missing_columns_are_null_and_unknown_ones_are_refused(folder):
    entry = write(folder, "1", [{"n": 1}])
    assert entry.rows == 1
    (row,) = read_rows([os.path.join(folder, "1")]).to_pylist()
    assert row == {"id": None, "n": 1, "text": None, "part": None, "row": None}
    for bad in ([{"n": 1, "wrong": 2}], pa.table({"wrong": [1]})):
        with pytest.raises(KeyError, match="wrong"), PartWriter(folder, "bad", SCHEMA) as writer:
            writer.write(bad)
        assert not os.path.exists(os.path.join(folder, "bad"))


def test_numbers_are_cast_by_name(folder):
    write(folder, "1", pa.table({"row": pa.array([3], pa.int64()), "n": pa.array([4], pa.int32())}))
    (row,) = read_rows([os.path.join(folder, "1")], ["n", "row"]).to_pylist()
    assert row == {"n": 4, "row": 3}


def test_an_empty_part_is_a_part(folder):
    entry = write(folder, "1", [])
    assert (entry.rows, entry.digest) == (0, "0" * 32)
    assert read_rows([os.path.join(folder, "1")], schema=SCHEMA).schema == SCHEMA


def test_row_groups_are_bounded(folder):
    write(folder, "1", *(rows(i, i + 100) for i in range(0, 5000, 100)), row_group_bytes=20_000)
    meta = pq.ParquetFile(os.path.join(folder, "1")).metadata
    sizes = [meta.row_group(i).total_byte_size for i in range(meta.num_row_groups)]
    assert len(sizes) > 5
    assert meta.num_rows == 5000


def test_an_error_leaves_no_file(folder):
    with pytest.raises(RuntimeError), PartWriter(folder, "1", SCHEMA) as writer:
        writer.write(rows(0, 3))
        raise RuntimeError
    assert os.listdir(folder) == []
    assert writer.entry is None


def test_a_part_never_overwrites_another(folder):
    write(folder, "1", rows(0, 1))
    with pytest.raises(DatasetError, match="part_name"):
        PartWriter(folder, "1", SCHEMA)
    assert part_name(3) != part_name(3)
    assert part_name(3, ".bin").startswith("part-00003-")


def test_parts_live_below_attempts(tmp_path):
    with pytest.raises(DatasetError, match="attempts"):
        PartWriter(str(tmp_path), "1", SCHEMA)
    assert dataset_relative("/o/attempts/x/attempts/y/f") == "attempts/y/f"


def test_iter_batches_streams_in_order(folder):
    write(folder, "1", rows(0, 1000), row_group_bytes=100)
    path = os.path.join(folder, "1")
    batches = list(iter_batches(path, ["n"], batch_rows=64))
    assert max(b.num_rows for b in batches) <= 64
    assert [n for b in batches for n in b.column("n").to_pylist()] == list(range(1000))


def test_unreadable_files_are_damage(folder):
    write(folder, "1", rows(0, 100))
    path = os.path.join(folder, "1")
    with pytest.raises(DatasetDamaged, match="lacks the columns"):
        list(iter_batches(path, ["n", "nothing"]))
    with open(path, "r+b") as handle:
        handle.truncate(100)
    with pytest.raises(DatasetDamaged, match="cannot be read as Parquet"):
        list(iter_batches(path))
    with pytest.raises(DatasetDamaged):
        list(iter_batches(path + "none"))


def test_read_rows_of_nothing_needs_a_schema():
    assert read_rows([], schema=SCHEMA).num_rows == 0
    assert read_rows([], ["n"], schema=SCHEMA).schema.names == ["n"]
    with pytest.raises(DatasetError, match="schema"):
        read_rows([])
