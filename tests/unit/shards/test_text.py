"""Text shards: the right rows in the right files, both formats alike, edits exact, digests stable."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pile_curate.errors import DatasetDamaged, DatasetError
from pile_curate.hashing import add_digests, hex128, rows_digest
from pile_curate.schema import DOCUMENTS, SHARD
from pile_curate.shards.jsonl import read_jsonl
from pile_curate.shards.text import Kept, Span, TextShards, apply_edits, shard_rows


@pytest.fixture
def rows(make):
    made = [
        make("wiki", f"w{n}", f"wiki text {n} " + "x" * (10 * n), "train" if n % 4 else "validation")
        for n in range(8)
    ]
    made += [make("books", f"b{n}", f"Ein Buch {n} \u2014 \U0001f600\r\n\x00", url=None) for n in range(3)]
    return made


def every(rows) -> Kept:
    return Kept(range(len(rows)), ["de" if r["source"] == "books" else "en" for r in rows])


def load(root: Path, entry) -> list[dict]:
    path = root / entry.path
    return pq.read_table(path).to_pylist() if path.suffix == ".parquet" else list(read_jsonl(str(path)))


def test_both_formats_hold_the_same_rows_by_split_and_source(attempt, rows, write_documents) -> None:
    shards = TextShards(
        str(attempt),
        str(attempt.parent.parent),
        "00000",
        pile_set_names={"wiki": "Wikipedia (en)"},
        facts={"key": "k"},
    )
    assert shards.add_file(write_documents(rows), every(rows)) == len(rows)
    entries = shards.close()
    root = attempt.parent.parent
    assert {(e.table, e.facts["source"], e.facts["format"], e.rows) for e in entries} == {
        (split, source, form, count)
        for split, source, count in (("train", "wiki", 6), ("validation", "wiki", 2), ("train", "books", 3))
        for form in ("parquet", "jsonl.zst")
    }
    for entry in entries:
        twin = entry.path.replace(".parquet", ".jsonl.zst")
        assert entry.path.startswith(f"attempts/a1/{entry.table}/{entry.facts['source']}/00000-000.")
        assert entry.facts["pile_set_name"] == {"wiki": "Wikipedia (en)"}.get(entry.facts["source"], "books")
        assert entry.bytes == (root / entry.path).stat().st_size and len(entry.sha256) == 64
        assert entry.facts["key"] == "k" and twin in {e.path for e in entries}
        found = load(root, entry)
        assert found == load(root, next(e for e in entries if e.path == twin))
        assert sum(len(r["text"].encode()) for r in found) == entry.facts["text_bytes"]
        if entry.facts["format"] == "parquet":
            assert pq.read_schema(root / entry.path).equals(SHARD)
    book = load(root, next(e for e in entries if e.facts["source"] == "books"))[1]
    assert book["text"] == rows[9]["text"], "text passes through untouched"
    assert book["meta"] == {
        "pile_set_name": "books",
        "doc_id": rows[9]["doc_id"].hex(),
        "source": "books",
        "url": "",
        "title": "B1",
        "licence": "CC-BY-SA-4.0",
        "language": "de",
    }


def test_only_kept_rows_are_written_and_edits_apply(attempt, rows, write_documents) -> None:
    shards = TextShards(str(attempt), str(attempt.parent.parent), "00000")
    kept = Kept([1, 4, 7, 9], ["en"] * 4, {4: [Span(0, 4, "WIKI", "test")], 9: [Span(0, 4, "", "test")]})
    assert shards.add_file(write_documents(rows), kept) == 4
    texts = [
        row["text"]
        for entry in shards.close()
        if entry.facts["format"] == "parquet"
        for row in load(attempt.parent.parent, entry)
    ]
    assert sorted(texts) == sorted(
        [rows[1]["text"], "WIKI" + rows[4]["text"][4:], rows[7]["text"], rows[9]["text"][4:]]
    )


def test_logical_digest_is_the_same_for_any_cut(attempt, rows, write_documents) -> None:
    def digest(groups: list[list[int]], name: str, **options) -> str:
        total = []
        for number, group in enumerate(groups):
            shards = TextShards(str(attempt), str(attempt.parent.parent), f"{name}{number}", **options)
            part = [rows[i] for i in group]
            shards.add_file(write_documents(part, f"{name}{number}.parquet"), every(part))
            total += [int(e.digest, 16) for e in shards.close() if e.digest]
        return hex128(add_digests(total))

    whole = digest([list(range(11))], "one")
    assert whole == digest([[3, 1, 10], [0, 2, 4, 5, 6], [7, 8, 9]], "three")
    assert whole == digest([list(range(10, -1, -1))], "small", max_bytes=1)
    assert whole != digest([list(range(10))], "less")


def test_a_new_file_begins_at_max_bytes(attempt, make, write_documents) -> None:
    rows = [make("wiki", f"w{n}", "y" * size) for n, size in enumerate([40, 50, 20, 500, 10, 10])]
    shards = TextShards(str(attempt), str(attempt.parent.parent), "00007", max_bytes=100)
    shards.add_file(write_documents(rows), every(rows))
    parquet = [e for e in shards.close() if e.facts["format"] == "parquet"]
    assert [e.facts["text_bytes"] for e in parquet] == [90, 20, 500, 20]
    assert [e.path.rsplit("/", 1)[1] for e in parquet] == [f"00007-00{n}.parquet" for n in range(4)]


def test_a_name_is_never_written_twice(attempt, rows, write_documents) -> None:
    path = write_documents(rows)
    shards = TextShards(str(attempt), str(attempt.parent.parent), "00000")
    shards.add_file(path, every(rows))
    before = {e.path: (attempt.parent.parent / e.path).read_bytes() for e in shards.close()}
    with (
        pytest.raises(DatasetError, match="exists"),
        TextShards(str(attempt), str(attempt.parent.parent), "00000") as again,
    ):
        again.add_file(path, every(rows))
    assert before == {name: (attempt.parent.parent / name).read_bytes() for name in before}


def test_an_error_leaves_no_file(attempt, rows, write_documents) -> None:
    with (
        pytest.raises(RuntimeError),
        TextShards(str(attempt), str(attempt.parent.parent), "00000", max_bytes=30) as shards,
    ):
        shards.add_file(write_documents(rows), every(rows))
        raise RuntimeError
    assert [p for p in attempt.rglob("*") if p.is_file()] == []


def test_a_ledger_row_beyond_the_file_is_damage(attempt, rows, write_documents) -> None:
    shards = TextShards(str(attempt), str(attempt.parent.parent), "00000")
    with pytest.raises(DatasetDamaged, match="keeps row 11 but the file has 11 rows"):
        shards.add_file(write_documents(rows), Kept([2, 11]))


@pytest.mark.parametrize(("rows", "languages"), [([1, 1], []), ([2, 1], []), ([1, 2], ["en"])])
def test_kept_rows_are_checked(rows, languages) -> None:
    with pytest.raises(ValueError):
        Kept(rows, languages)


@pytest.mark.parametrize("name", ["..", ".", "a/b", ""])
def test_a_source_cannot_leave_the_folder(attempt, make, name) -> None:
    batch = pa.RecordBatch.from_pylist([make(name, "k", "t")], schema=DOCUMENTS)
    with pytest.raises(DatasetDamaged, match="cannot name a folder"):
        TextShards(str(attempt), str(attempt.parent.parent), "0").add(batch)


def test_shard_rows_fill_what_is_missing() -> None:
    batch = pa.RecordBatch.from_pylist([{"doc_id": bytes(16), "source": "s"}], schema=DOCUMENTS)
    (row,) = shard_rows(batch).to_pylist()
    assert row["text"] == "" and row["meta"]["doc_id"] == "0" * 32
    assert row["meta"]["language"] == row["meta"]["title"] == row["meta"]["licence"] == ""


def test_jsonl_states_size_and_checksum_and_damage_is_found(attempt, rows, write_documents) -> None:
    shards = TextShards(str(attempt), str(attempt.parent.parent), "00000")
    shards.add_file(write_documents(rows), every(rows))
    entry = next(e for e in shards.close() if e.facts["format"] == "jsonl.zst" and e.rows == 6)
    path = attempt.parent.parent / entry.path
    whole = path.read_bytes()
    frame = zstandard.get_frame_parameters(whole)
    assert frame.has_checksum and frame.content_size == len(zstandard.decompress(whole))
    for damaged in (whole[:-5], whole[:30], whole[:40] + b"\xff" + whole[41:], whole + whole, b""):
        path.write_bytes(damaged)
        with pytest.raises(DatasetDamaged):
            list(read_jsonl(str(path)))


def test_edits_in_any_order() -> None:
    spans = [Span(6, 11, "you"), Span(0, 5, ""), Span(5, 5, "-")]
    assert apply_edits("hello world!", spans) == "- you!"
    assert apply_edits("a\U0001f600b", [Span(1, 2, "")]) == "ab", "offsets count code points"


@pytest.mark.parametrize("spans", [[Span(0, 3), Span(2, 4)], [Span(3, 9)], [Span(-1, 2)], [Span(3, 2)]])
def test_edits_that_cannot_be_meant_are_refused(spans) -> None:
    with pytest.raises(DatasetDamaged, match="another version"):
        apply_edits("hello", spans)


@given(st.text(max_size=40), st.lists(st.integers(0, 40), max_size=8), st.text(max_size=3))
def test_edits_equal_the_naive_way(text, cuts, replacement) -> None:
    points = sorted({min(cut, len(text)) for cut in cuts})
    spans = [Span(a, b, replacement) for a, b in zip(points[::2], points[1::2], strict=False)]
    naive = text
    for span in reversed(spans):
        naive = naive[: span.start] + replacement + naive[span.end :]
    assert apply_edits(text, spans[::-1]) == naive


def test_digest_equals_that_of_the_rows(attempt, rows, write_documents) -> None:
    shards = TextShards(str(attempt), str(attempt.parent.parent), "00000")
    shards.add_file(write_documents(rows), every(rows))
    for entry in shards.close():
        if entry.digest:
            table = pq.read_table(attempt.parent.parent / entry.path)
            assert hex128(rows_digest(table)) == entry.digest
