"""Any table in, by splits: listing, schemas, and reading Parquet, good and bad."""

import os
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pile_curate.errors import InputError
from pile_curate.row_files import (
    Columns,
    discover,
    fingerprint,
    key_text,
    plan,
    read_split,
    read_texts,
    refuse_overlap,
    table_schema,
)
from pile_curate.row_writers import write_kept
from tests.row_tables import C, keep, narrow, parquet, texts

# --- listing ---------------------------------------------------------------------------------------------


def test_discover_walks_folders_and_ignores_hidden_names(tmp_path):
    for name in (
        "b/x.parquet",
        "a/y é %20 z.parquet",
        "a/_tmp/z.parquet",
        "_out/q.parquet",
        ".h.parquet",
        "[1].parquet",
    ):
        parquet(tmp_path / name, {"text": [name]})
    (tmp_path / "README.md").write_text("no table")
    (tmp_path / "info.json").write_text("{}")
    files = discover([str(tmp_path)])
    assert [f.relative for f in files] == ["[1].parquet", "a/y é %20 z.parquet", "b/x.parquet"]
    assert texts(files) == ["[1].parquet", "a/y é %20 z.parquet", "b/x.parquet"]
    assert [f.relative for f in discover([str(tmp_path / "[1].parquet")])] == ["[1].parquet"]
    assert discover([str(tmp_path / "?/*.parquet")]) == discover([str(tmp_path / "b"), str(tmp_path / "a")])
    assert [f.relative for f in discover([str(tmp_path / "**/*.parquet")])] == [f.relative for f in files]
    assert len(pickle.loads(pickle.dumps(plan(files)))) == 3


def test_links_are_followed_and_the_same_file_twice_is_refused(tmp_path):
    parquet(tmp_path / "store/blob", {"text": ["x"]})
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.parquet").symlink_to(tmp_path / "store/blob")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    assert texts(discover([str(tmp_path / "in")])) == ["x"]
    assert texts(discover([str(tmp_path / "store/blob")])) == ["x"]
    (tmp_path / "in/b.parquet").symlink_to(tmp_path / "in/a.parquet")
    with pytest.raises(InputError, match="are the same file; name it once"):
        discover([str(tmp_path / "in")])
    with pytest.raises(InputError, match="are the same file"):
        discover([str(tmp_path / "in/a.parquet"), str(tmp_path / "in/a.parquet")])
    (tmp_path / "in/b.parquet").unlink()
    (tmp_path / "in/b.parquet").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match="cannot look at .*b.parquet"):
        discover([str(tmp_path / "in")])


def test_discover_says_what_is_wrong(tmp_path):
    (tmp_path / "empty").mkdir()
    for bad, message in (
        (["nowhere"], "'nowhere' does not exist"),
        ([str(tmp_path / "empty")], "holds no table; names must end in"),
        ([str(tmp_path / "*.parquet")], "holds no table"),
        ([], "no input was named"),
        ([""], "does not exist"),
    ):
        with pytest.raises(InputError, match=message):
            discover(bad)
    (tmp_path / "a.txt").write_text("words")
    with pytest.raises(InputError, match="a.txt' is no table that can be read"):
        discover([str(tmp_path / "a.txt")])
    os.mkfifo(tmp_path / "p.parquet")
    with pytest.raises(InputError, match="not a regular file"):
        discover([str(tmp_path / "p.parquet")])
    (tmp_path / "p.parquet").unlink()
    parquet(tmp_path / "a.parquet", {"text": ["x"]})
    (tmp_path / "b.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="mixes formats: .*a.parquet' is Parquet, .*b.jsonl' is JSON lines"):
        discover([str(tmp_path)])


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(50) + b"PAR1", b"words, not a table" * 9])
def test_what_is_no_parquet_is_named(tmp_path, content):
    (tmp_path / "bad.parquet").write_bytes(content)
    with pytest.raises(
        InputError, match=r"bad.parquet' cannot be read as Parquet: .*replace it, or leave it out"
    ):
        discover([str(tmp_path)])


def test_truncated_and_overwritten_parquet_is_named(tmp_path):
    path = parquet(
        tmp_path / "t.parquet", {"text": [str(i) * 50 for i in range(5000)]}, write_page_checksum=True
    )
    data = path.read_bytes()
    files = discover([str(path)])
    damaged = bytearray(data)
    damaged[5000:5040] = bytes(40)
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="t.parquet' cannot be read as Parquet"):
        texts(files)
    with pytest.raises(InputError, match="t.parquet' cannot be read as Parquet"):
        keep(files, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == []
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="t.parquet' cannot be read as Parquet"):
        texts(files)
    with pytest.raises(InputError, match="t.parquet' cannot be read as Parquet"):
        discover([str(path)])
    parquet(path, {"text": ["another"]})
    with pytest.raises(InputError, match="changed while it was in use: it had 5000 rows"):
        texts(files)


def test_refuse_overlap(tmp_path):
    source = tmp_path / "in"
    parquet(source / "deep/a.parquet", {"text": ["x"]})
    (tmp_path / "link").symlink_to(source)
    fine = ["out", "in/_out", "in/.out/x", "input", "in/deep/_x/y"]
    for out in fine:
        refuse_overlap([str(source)], str(tmp_path / out))
    for out, message in (
        ("in", "is the input"),
        ("in/out", "the next run would read it"),
        ("in/deep/out", "the next run would read it"),
        ("link/out", "the next run would read it"),
        (".", "would be replaced"),
    ):
        with pytest.raises(InputError, match=message):
            refuse_overlap([str(source)], str(tmp_path / out))
    refuse_overlap([f"{source}/*.parquet"], str(source / "out"))
    with pytest.raises(InputError, match="next run"):
        refuse_overlap([f"{source}/*"], str(source / "out"))
    with pytest.raises(InputError, match="next run"):
        refuse_overlap([f"{source}/**/*.parquet"], str(source / "out"))
    with pytest.raises(InputError, match="would be replaced"):
        refuse_overlap([str(source / "deep/a.parquet")], str(source))


def test_fingerprint_follows_names_sizes_and_times(tmp_path):
    path = parquet(tmp_path / "a.parquet", {"text": ["x"]})
    first = fingerprint(discover([str(tmp_path)]))
    assert first == fingerprint(discover([str(path)]))
    os.utime(path, ns=(1, 1))
    assert fingerprint(discover([str(path)])) != first


# --- schemas ----------------------------------------------------------------------------------------------


def test_differing_schemas_are_widened_and_written_as_one(tmp_path):
    parquet(tmp_path / "a.parquet", {"id": pa.array([1, 2], pa.int32()), "text": pa.array(["a", None])})
    parquet(
        tmp_path / "b.parquet",
        {
            "text": pa.array(["c"], pa.large_string()),
            "id": pa.array([3], pa.int64()),
            "more": pa.array([{"x": 1}]),
        },
    )
    parquet(tmp_path / "c.parquet", {"id": pa.array([4]), "text": pa.array(["d"]).dictionary_encode()})
    parquet(tmp_path / "d.parquet", {"id": pa.array([5]), "text": pa.array([None], pa.null())})
    parquet(tmp_path / "e.parquet", {"id": pa.array([6]), "text": pa.array([b"\xff"], pa.binary_view())})
    files = discover([str(tmp_path)])
    schema = table_schema(files, C)
    assert schema.names == ["id", "text", "more"]
    assert [str(schema.field(n).type) for n in ("id", "text")] == ["int64", "large_binary"]
    assert [key_text(row["key"]) for row in narrow(files)] == ["1", "2", "3", "4", "5", "6"]
    assert texts(files) == ["a", None, "c", "d", None, b"\xff"]
    (out,) = keep(files, tmp_path / "out", [("a.parquet", 0)])
    table = pq.read_table(tmp_path / "out" / out.path)
    assert table.schema.equals(schema)
    assert table.to_pylist() == [
        {"id": 2, "text": None, "more": None},
        {"id": 3, "text": b"c", "more": {"x": 1}},
        {"id": 4, "text": b"d", "more": None},
        {"id": 5, "text": None, "more": None},
        {"id": 6, "text": b"\xff", "more": None},
    ]
    assert (out.rows, out.text_bytes) == (5, 3)


def test_schemas_that_nothing_holds_are_refused(tmp_path):
    parquet(tmp_path / "a.parquet", {"text": ["x"], "n": [1]})
    parquet(tmp_path / "b.parquet", {"text": ["x"], "n": ["one"]})
    with pytest.raises(InputError, match=r"'n' is of type int64 in .*a.parquet' and string in .*b.parquet'"):
        table_schema(discover([str(tmp_path)]), C)
    parquet(tmp_path / "b.parquet", {"text": ["x"], "n": [0.5]})
    parquet(tmp_path / "a.parquet", {"text": ["x"], "n": [(1 << 53) + 1]})
    files = discover([str(tmp_path)])
    with pytest.raises(InputError, match=r"'n' of .*a.parquet' is of type int64 and cannot become double"):
        keep(files, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == []


def test_columns_are_checked(tmp_path):
    parquet(tmp_path / "a.parquet", {"text": ["x"], "n": [1], "l": [["x"]], "id": ["1"], "lang": ["en"]})
    parquet(tmp_path / "b.parquet", {"text": ["x"], "n": [1], "l": [["x"]]})
    files = discover([str(tmp_path)])
    for columns, message in (
        (
            Columns("content"),
            "text column is missing: .*a.parquet' has no column 'content'; it has 'text', 'n'",
        ),
        (Columns("n"), r"text column 'n' of .* is of type int64; allowed are strings and binaries: 'text'"),
        (Columns("l"), "is of type list"),
        (Columns(id="id"), "id column is missing: .*b.parquet' has no column 'id'"),
        (Columns(url="link"), "url column is missing"),
    ):
        with pytest.raises(InputError, match=message):
            table_schema(files, columns)
    rows = narrow(files, Columns(source="lang"))
    assert [(key_text(r["key"]), r["source"]) for r in rows] == [("1", "en"), ("b.parquet row 0", "")]
    schema = pa.schema([("text", pa.string()), ("text", pa.string())])
    twice = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], schema=schema)
    with pytest.raises(InputError, match="2 columns are called 'text'"):
        table_schema(discover([str(parquet(tmp_path / "sub/c.parquet", twice))]), C)


# --- Parquet: reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        "dict",
    ],
)
def test_texts_of_every_type_with_nulls_empties_and_invalid_utf8(tmp_path, kind):
    values = ["a b", None, "", "é" * 10, "a b"]
    if kind == "dict":
        column = pa.array(values).dictionary_encode()
    else:
        column = pa.array(values, kind)
    files = discover([str(parquet(tmp_path / "a.parquet", {"text": column, "id": range(5)}))])
    assert table_schema(files, C) is not None
    binary = "binary" in str(kind)
    expected = [v.encode() if binary and v is not None else v for v in values]
    assert texts(files) == expected
    assert texts(files, batch_bytes=1) == expected
    (split,) = plan(files)
    got = [v for part in read_texts(split, np.array([0, 1, 4]), C) for v in part.to_pylist()]
    assert got == [expected[0], expected[1], expected[4]]
    (out,) = keep(files, tmp_path / "out", [("a.parquet", 2)])
    back = pq.read_table(tmp_path / "out" / out.path)
    assert back.column("text").to_pylist() == expected[:2] + expected[3:]
    assert back.schema.equals(pq.read_schema(tmp_path / "a.parquet"), check_metadata=True)


def test_invalid_utf8_in_a_string_column_passes(tmp_path):
    raw = pa.array([b"\xff\xfe x", b"ok", b"\x80"])
    bad = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    path = parquet(tmp_path / "a.parquet", {"text": bad, "url": bad, "id": bad})
    files = discover([str(path)])
    columns = Columns(url="url")
    (batch,) = read_split(plan(files)[0], columns)
    assert batch.column("text").cast(pa.binary()).to_pylist() == raw.to_pylist()
    assert batch.column("url").to_pylist() == ["�� x", "ok", "�"]
    assert [key_text(k) for k in batch.column("key").to_pylist()] == ["0xfffe2078", "ok", "0x80"]
    (out,) = keep(files, tmp_path / "out")
    back = pq.read_table(tmp_path / "out" / out.path)
    assert back.column("text").cast(pa.binary()).to_pylist() == raw.to_pylist()
    assert out.text_bytes == 7


def test_nested_and_dotted_columns(tmp_path):
    rows = [{"meta": {"url": "u1", "src": {"n": 3}}, "a.b": "t1"}, {"meta": None, "a.b": None}]
    files = discover([str(parquet(tmp_path / "a.parquet", pa.Table.from_pylist(rows)))])
    columns = Columns(text="a.b", source="meta.src.n", url="meta.url")
    assert table_schema(files, columns) is not None
    got = [(r["text"], r["source"], r["url"]) for r in narrow(files, columns)]
    assert got == [("t1", "3", "u1"), (None, "", "")]


def test_null_ids(tmp_path):
    files = discover([str(parquet(tmp_path / "a.parquet", {"id": [7, None, 9], "text": ["x", "y", "z"]}))])
    assert [key_text(r["key"]) for r in narrow(files)] == ["7", "a.parquet row 1", "9"]
    named, rejects = Columns(id="id"), []
    assert [(r["row"], r["text"]) for r in narrow(files, named, rejects=rejects)] == [(0, "x"), (2, "z")]
    assert rejects == [
        {
            "file": "a.parquet",
            "row": 1,
            "kind": "error",
            "reason": "null_id",
            "detail": "the id column 'id' is null",
        }
    ]
    with pytest.raises(InputError, match="a.parquet', row 1: null_id"):
        narrow(files, named)
    (out,) = keep(files, tmp_path / "out", columns=named)
    assert pq.read_table(tmp_path / "out" / out.path).column("id").to_pylist() == [7, 9]
    only = discover([str(parquet(tmp_path / "n.parquet", {"id": pa.nulls(2), "text": ["x", "y"]}))])
    assert narrow(only, named, rejects=[]) == []


def test_splits_cut_at_row_groups_and_keep_row_numbers(tmp_path):
    table = {"id": range(1000), "text": [f"document {i} " * 20 for i in range(1000)]}
    files = discover([str(parquet(tmp_path / "a.parquet", table, row_group_size=90))])
    splits = plan(files, 40_000)
    assert len(splits) > 3
    assert [s.start_row for s in splits[1:]] == [s.stop_row for s in splits[:-1]]
    assert splits[-1].stop_row == 1000
    assert len(plan(files, 1)) == 12
    rows = narrow(files, split_bytes=40_000, batch_bytes=3000)
    assert [r["row"] for r in rows] == list(range(1000))
    assert [r["text"] for r in rows] == table["text"]
    wanted = np.array([0, 89, 90, 95, 500, 999])
    got = [
        t
        for s in splits
        for part in read_texts(s, wanted[(wanted >= s.start_row) & (wanted < s.stop_row)], C, batch_bytes=300)
        for t in part.to_pylist()
    ]
    assert got == [table["text"][i] for i in wanted]
    for wrong in ([5, 4], [5, 5], [-1], [1000]):
        with pytest.raises(ValueError, match="rows must ascend within"):
            read_texts(plan(files)[0], np.array(wrong), C)
    with pytest.raises(ValueError, match="must lie within"):
        write_kept(plan(files), lambda s: np.array([1000]), str(tmp_path / "out"), "p", None, C)


def test_batches_are_bounded_whatever_the_documents(tmp_path):
    big = "x" * 3_000_000
    same = ["y" * 50_000] * 3000  # a dictionary page hides that these are 150 MB
    values = [big, "a", None, big, *["w"] * 30_000, *same, "b"]
    files = discover([str(parquet(tmp_path / "a.parquet", {"id": range(len(values)), "text": values}))])
    rows, largest = 0, 0
    for batch in read_split(plan(files)[0], C, batch_bytes=1 << 20):
        sizes = [len(t or "") for t in batch.column("text").to_pylist()]
        assert sum(sizes) <= 1 << 20 or len(sizes) == 1
        rows += len(sizes)
        largest = max(largest, batch.column("text").buffers()[2].size)
    assert rows == len(values)
    assert largest < 16 << 20


def test_tables_without_rows(tmp_path):
    empty = pa.table({"text": pa.array([], pa.string()), "n": pa.array([], pa.int8())})
    parquet(tmp_path / "a.parquet", empty)
    files = discover([str(tmp_path)])
    assert (files[0].rows, plan(files)) == (0, [])
    schema = table_schema(files, C)
    assert write_kept([], lambda s: np.empty(0), str(tmp_path / "o"), "p", schema, C) == []
    (out,) = write_kept([], lambda s: np.empty(0), str(tmp_path / "o"), "p", schema, C, write_empty=True)
    assert pq.read_table(tmp_path / "o" / out.path).schema.equals(empty.schema)
    parquet(tmp_path / "b.parquet", {"text": ["x"], "n": pa.array([1], pa.int8())})
    files = discover([str(tmp_path)])
    assert texts(files) == ["x"]
    assert keep(files, tmp_path / "o", [("b.parquet", 0)]) == []


def test_many_small_files(tmp_path):
    for i in range(300):
        parquet(tmp_path / f"{i:04d}.parquet", {"id": [i], "text": [f"text {i}"]})
    files = discover([str(tmp_path)])
    assert texts(files) == [f"text {i}" for i in range(300)]
    (out,) = keep(files, tmp_path / "out", [(f"{i:04d}.parquet", 0) for i in range(0, 300, 2)])
    assert pq.read_table(tmp_path / "out" / out.path).column("id").to_pylist() == list(range(1, 300, 2))
    whole = parquet(tmp_path / "one/w.parquet", {"id": range(300), "text": [f"text {i}" for i in range(300)]})
    (one,) = keep(discover([str(whole)]), tmp_path / "out2", [("w.parquet", i) for i in range(0, 300, 2)])
    assert (one.digest, one.text_bytes) == (out.digest, out.text_bytes)
