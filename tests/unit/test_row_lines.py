"""JSON lines in and out, byte for byte, whatever a line holds."""

import json
import random

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate import row_lines
from pile_curate.errors import CorruptInput, InputError
from pile_curate.hashing import hex128
from pile_curate.row_files import (
    Columns,
    discover,
    key_text,
    plan,
    read_split,
    read_texts,
    table_schema,
)
from tests.row_tables import PACK, UNPACK, C, keep, lines, narrow, texts


@pytest.mark.parametrize("pack", PACK)
def test_json_lines_in_every_packing(tmp_path, pack):
    content = b'\xef\xbb\xbf{"id": 1, "text": "a \xc3\xa9"}\r\n\n  {"text":null,"id":"x"} \n \t\n{"id":2,"text":""}\n{"n":[1],"text":"last"}'
    path = lines(tmp_path / "a.jsonl", content, pack)
    files = discover([str(tmp_path)])
    assert (files[0].rows, files[0].format, table_schema(files, C)) == (None, "jsonl", None)
    got = [(r["row"], key_text(r["key"]), r["text"]) for r in narrow(files)]
    assert got == [(0, "1", "a é"), (2, "x", None), (4, "2", ""), (5, f"{path.name} row 5", "last")]
    (split,) = plan(files)
    assert [t for part in read_texts(split, np.array([0, 2, 5]), C) for t in part.to_pylist()] == [
        "a é",
        None,
        "last",
    ]
    (out,) = keep(files, tmp_path / "out", [(path.name, 4)])
    assert out.path == f"part-000.jsonl{pack}"
    data = (tmp_path / "out" / out.path).read_bytes()
    kept = [b'{"id": 1, "text": "a \xc3\xa9"}', b'  {"text":null,"id":"x"} ', b'{"n":[1],"text":"last"}']
    assert UNPACK[pack](data) == b"\n".join((*kept, b""))
    assert (out.rows, out.bytes, out.text_bytes) == (3, len(data), 8)
    assert out.digest == hex128(sum(xxhash.xxh3_128_intdigest(line) for line in kept))


BAD = [
    (b"{", "bad_json"),
    (b"words", "bad_json"),
    (b'{"text": "x"} {"text": "y"}', "bad_json"),
    (b'{"text": "x"}\x00', "bad_json"),
    (b"[" * 5000, "bad_json"),
    (b'{"text": "\xff"}', "invalid_utf8"),
    (b"[1]", "not_an_object"),
    (b'"text"', "not_an_object"),
    (b"null", "not_an_object"),
    (b'{"text": 5}', "bad_text"),
    (b'{"text": ["x"]}', "bad_text"),
    (b'{"text": {"a": 1}}', "bad_text"),
    (b'{"text": true}', "bad_text"),
]


def test_bad_lines_are_rejected_one_by_one(tmp_path):
    content = b"".join(line + b"\n" + b'{"id":%d,"text":"ok"}\n' % i for i, (line, _) in enumerate(BAD))
    files = discover([str(lines(tmp_path / "a.jsonl", content))])
    rejects = []
    assert [r["row"] for r in narrow(files, rejects=rejects)] == list(range(1, 2 * len(BAD), 2))
    assert [(r["row"], r["reason"]) for r in rejects] == [
        (2 * i, reason) for i, (_, reason) in enumerate(BAD)
    ]
    assert all(set(r) == {"file", "row", "kind", "reason", "detail"} and r["detail"] for r in rejects)
    (out,) = keep(files, tmp_path / "out", [("a.jsonl", 1)])
    written = (tmp_path / "out" / out.path).read_bytes().splitlines()
    assert written == [b'{"id":%d,"text":"ok"}' % i for i in range(1, len(BAD))]
    with pytest.raises(InputError, match="a.jsonl', row 0: bad_json"):
        narrow(files)


def test_odd_but_good_lines(tmp_path):
    big = (1 << 64) + 1
    rows = [
        (b'{"text":"first","text":"second","id":1}', "1", "second"),
        (b'{"text":"x\\ud800y","id":2}', "2", "x�y"),
        (b'{"text":"nan","score":NaN,"id":3}', "3", "nan"),
        (b'{"text":"\\ud83d\\ude00\\u0000","id":4}', "4", "😀\0"),
        (b'{"text":"big","id":%d}' % big, str(big), "big"),
        (b'{"text":"big","id":%d}' % (big + 1), str(big + 1), "big"),
        (b'{"text":"neg","id":-%d}' % big, f"-{big}", "neg"),
        (b'{"text":"f","id":1.5}', "1.5", "f"),
        (b'{"text":"b","id":true}', "true", "b"),
        (b'{"text":"o","id":{"b":1,"a":2}}', '{"a":2,"b":1}', "o"),
        (b'{"text":"l","id":"\\ud800"}', "0x30eda080"[:2] + "eda080", "l"),
    ]
    files = discover([str(lines(tmp_path / "a.jsonl", b"\n".join(r[0] for r in rows)))])
    rejects = []
    got = [(key_text(r["key"]), r["text"]) for r in narrow(files, rejects=rejects)]
    assert (got, rejects) == ([r[1:] for r in rows], [])
    (out,) = keep(files, tmp_path / "out")
    assert (tmp_path / "out" / out.path).read_bytes().splitlines() == [r[0] for r in rows]


def test_dotted_names_and_null_ids_of_lines(tmp_path):
    content = b"""{"m":{"t":"a","i":1,"u":"http"},"s":7}
{"m":{"t":"b","i":null},"m.t":"c"}
{"m":5,"s":["x"]}
{"text":"d","m":{"i":0,"u":null}}
"""
    files = discover([str(lines(tmp_path / "a.jsonl", content))])
    columns, rejects = Columns("m.t", "m.i", "s", None, "m.u"), []
    rows = narrow(files, columns, rejects=rejects)
    assert [(r["text"], key_text(r["key"]), r["source"], r["url"]) for r in rows] == [
        ("a", "1", "7", "http"),
        (None, "0", "", ""),
    ]
    assert [(r["row"], r["reason"]) for r in rejects] == [(1, "null_id"), (2, "null_id")]
    assert texts(files, Columns("m.t")) == ["a", "c", None, None]


@pytest.mark.parametrize("pack", [".gz", ".zst"])
def test_rows_before_a_damage_count(tmp_path, pack):
    rng = random.Random(5)
    rows = [
        json.dumps({"id": i, "text": "".join(rng.choices("abcdefgh ", k=300))}).encode() for i in range(3000)
    ]
    path = lines(tmp_path / "a.jsonl", b"\n".join((*rows, b"")), pack)
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2 : len(good) // 2 + 20] = bytes(20)
    cases = [good[: len(good) // 2], good[:-1], good + b"rubbish"]
    if pack == ".zst":  # a gzip member says what is wrong only at its end, after nonsense
        cases.append(bytes(flipped))
    for damaged in cases:
        path.write_bytes(damaged)
        files = discover([str(path)])
        rejects = []
        got = narrow(files, rejects=rejects)
        assert [r["reason"] for r in rejects] == ["damaged_file"]
        assert rejects[0]["row"] == len(got)
        assert len(got) > 1000
        assert [r["text"] for r in got] == [json.loads(row)["text"] for row in rows[: len(got)]]
        out_dir = tmp_path / f"out{len(damaged)}{hash(damaged)}"
        (out,) = keep(files, out_dir, [(path.name, 1)])
        assert UNPACK[pack]((out_dir / out.path).read_bytes()).splitlines() == [rows[0], *rows[2 : len(got)]]
        with pytest.raises(CorruptInput, match=path.name):
            narrow(files)


def test_files_that_are_no_json_lines_are_refused_at_once(tmp_path):
    array = lines(tmp_path / "a.json", json.dumps([{"text": "x"}, {"text": "y"}], indent=1).encode())
    with pytest.raises(InputError, match="holds no JSON lines: none of the first .* lines is an object"):
        table_schema(discover([str(array)]), C)
    other = lines(tmp_path / "b.jsonl", b'{"content":"x"}\n' * 5)
    with pytest.raises(
        InputError, match=r"none of the first 5 lines of .*b.jsonl' has a text 'text'; they have 'content'"
    ):
        table_schema(discover([str(other)]), C)
    for fine in (b"", b"\n", b'{"text":null}\n', b'{"text":5}\n'):
        assert table_schema(discover([str(lines(tmp_path / "c.jsonl", fine))]), C) is None


def test_empty_files_named_as_packed_ones(tmp_path):
    for pack in PACK:
        lines(tmp_path / "e.jsonl", b"", pack)
    (tmp_path / "z.jsonl.gz").write_bytes(b"")
    (tmp_path / "fake.jsonl.zst").write_bytes(b'{"text":"plain"}\n')
    rejects = []
    files = discover([str(tmp_path)])
    assert texts(files, rejects=rejects) == []
    assert [(r["file"], r["reason"]) for r in rejects] == [("fake.jsonl.zst", "damaged_file")]
    assert keep(files, tmp_path / "out") == []


def test_lines_above_the_cap_are_rejected_alone(tmp_path, monkeypatch):
    long = b'{"text":"' + b"x" * 3_000_000 + b'"}'
    path = lines(tmp_path / "a.jsonl", b'{"text":"a"}\n' + long + b'\r\n{"text":"b"}\n' + long)
    monkeypatch.setattr(row_lines, "LINE_BYTES", 2_000_000)
    monkeypatch.setattr(row_lines, "_STEP", 1 << 20)
    monkeypatch.setattr(row_lines.blocks, "__defaults__", (2_000_000,))
    rejects = []
    files = discover([str(path)])
    assert texts(files, rejects=rejects) == ["a", "b"]
    assert [(r["row"], r["reason"]) for r in rejects] == [(1, "too_long"), (3, "too_long")]
    (out,) = keep(files, tmp_path / "out")
    assert out.rows == 2


def test_long_lines_come_in_batches_of_their_own(tmp_path):
    values = ["x" * 3_000_000, "a", "y" * 900_000, "b" * 200_000, "c"]
    content = b"\n".join(json.dumps({"text": v}).encode() for v in values)
    files = discover([str(lines(tmp_path / "a.jsonl", content))])
    sizes = [
        [len(t) for t in b.column("text").to_pylist()]
        for b in read_split(plan(files)[0], C, batch_bytes=1 << 20)
    ]
    assert [size for batch in sizes for size in batch] == [len(v) for v in values]
    assert all(sum(batch) <= 1 << 20 or len(batch) == 1 for batch in sizes)
    assert sizes[0] == [3_000_000]


def test_lines_of_several_packings_go_to_files_of_their_own(tmp_path):
    for name, pack in (("a.jsonl", ""), ("b.jsonl", ".gz"), ("c.jsonl", ".gz"), ("d.ndjson", ".zst")):
        lines(tmp_path / name, b'{"text":"%s"}\n' % name.encode(), pack)
    outs = keep(discover([str(tmp_path)]), tmp_path / "out")
    assert [(o.path, o.rows) for o in outs] == [
        ("part-000.jsonl", 1),
        ("part-001.jsonl.gz", 2),
        ("part-002.jsonl.zst", 1),
    ]


json_text = st.text(st.characters(exclude_categories=[]), max_size=12)
json_row = st.one_of(
    st.fixed_dictionaries(
        {"text": st.one_of(st.none(), json_text, st.integers())}, optional={"id": st.integers() | json_text}
    ),
    st.integers(),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(json_row, max_size=12), st.sampled_from([b"\n", b"\r\n", b"\n\n"]), st.integers(1, 40), st.data()
)
def test_any_lines_survive_any_cut(tmp_path_factory, rows, end, step, data):
    folder = tmp_path_factory.mktemp("lines")
    raw = [json.dumps(row).encode() for row in rows]
    files = discover([str(lines(folder / "a.jsonl", end.join(raw)))])
    old, row_lines._STEP = row_lines._STEP, step
    try:
        rejects = []
        got = {r["row"]: r for r in narrow(files, batch_bytes=20, rejects=rejects)}
        stride = 2 if end == b"\n\n" else 1
        good = {
            i * stride: row
            for i, row in enumerate(rows)
            if isinstance(row, dict) and not isinstance(row["text"], int)
        }
        assert set(got) == set(good)
        assert {r["row"] for r in rejects} == {i * stride for i in range(len(rows))} - set(good)
        for at, row in good.items():
            clean = row["text"] and "".join("�" if "\ud800" <= c <= "\udfff" else c for c in row["text"])
            assert got[at]["text"] == clean
        gone = set(data.draw(st.lists(st.sampled_from(sorted(good)), unique=True))) if good else set()
        outs = keep(files, folder / "out", [("a.jsonl", at) for at in gone], schema=None)
        written = b"".join((folder / "out" / o.path).read_bytes() for o in outs)
        assert written == b"".join(raw[at // stride] + b"\n" for at in sorted(set(good) - gone))
    finally:
        row_lines._STEP = old
