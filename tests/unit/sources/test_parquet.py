"""Tables: columns, splits, counts against footers, and files that are damaged or hostile."""

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pile_curate.errors import CorruptInput
from pile_curate.files import discover
from pile_curate.sources import SOURCES
from pile_curate.sources.arrow_messages import walk
from pile_curate.sources.parquet_footer import row_groups
from tests.source_harness import as_json, extract

FORMAT = SOURCES["parquet"]


def table(rows, first=0):
    return pa.table(
        {
            "id": list(range(first, first + rows)),
            "text": [f"Row {first + n} of the table." for n in range(rows)],
        }
    )


def write(path, data, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(data, path, **options)


def run(root, **options):
    found = extract("parquet", root, ["."], options)
    assert found.records == found.tally.records
    return found


def test_hive_columns_structs_and_dictionaries(tmp_path):
    data = pa.table(
        {
            "body": pa.array(["a", "b", "a"]).dictionary_encode(),
            "meta": ['{"n": 1}', "x", None],
            "src": [{"url": "http://x", "title": "T"}] * 3,
            "when": pa.array([1, 2, None], pa.timestamp("s")),
        }
    )
    write(tmp_path / "data" / "lang=de" / "0.parquet", data)
    found = run(tmp_path, text_key="body", url_key="src.url", title_key="src.title", meta_keys=["when"])
    assert [d.text for d in found.documents] == ["a", "b", "a"] and found.documents[0].url == "http://x"
    assert found.documents[0].meta == {"lang": "de", "when": "1970-01-01T00:00:01"}
    assert found.documents[0].key == "data/lang=de/0.parquet:0" and found.documents[0].title == "T"


def test_lists_of_text_are_joined(tmp_path):
    write(tmp_path / "a.parquet", pa.table({"text": [["a", "b"], ["c"], None]}))
    found = run(tmp_path)
    assert [d.text for d in found.documents] == ["a\n\nb", "c"] and found.reasons == {"missing_text": 1}


def test_splits_are_byte_ranges_that_cover_the_file(tmp_path):
    write(tmp_path / "a.parquet", table(1000), row_group_size=100)
    options = FORMAT.Options()
    files = discover(str(tmp_path), ["."])
    splits = FORMAT.splits(files, options, files[0].size // 4)
    assert len(splits) >= 3
    assert [s.start for s in splits[1:]] == [s.stop for s in splits[:-1]] and (
        splits[0].start,
        splits[-1].stop,
    ) == (0, files[0].size)
    whole, cut = extract("parquet", tmp_path, ["."]), extract("parquet", tmp_path, splits=splits[::-1])
    assert as_json(whole) == as_json(cut) and whole.records == 1000
    data = (tmp_path / "a.parquet").read_bytes()
    for entry in cut.tally.files:
        assert entry.sha256 == hashlib.sha256(data[entry.start : entry.stop]).hexdigest()


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_arrow_is_counted_by_its_messages(tmp_path, kind):
    sink = io.BytesIO()
    data = table(10)
    with (pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file)(sink, data.schema) as writer:
        for batch in data.to_batches(max_chunksize=3):
            writer.write_batch(batch)
    body = sink.getvalue()
    found = walk(io.BytesIO(body), len(body))
    assert [rows for rows, _ in found.batches] == [3, 3, 3, 1] and not found.damage
    (tmp_path / "a.arrow").write_bytes(body)
    assert len(run(tmp_path).documents) == 10
    cut = body[: len(body) // 2]
    (tmp_path / "a.arrow").write_bytes(cut)
    short = run(tmp_path)
    assert 0 < len(short.documents) < 10 and short.reasons["corrupt_file"] == 1


def test_pages_that_are_damaged_cost_their_row_group(tmp_path):
    write(tmp_path / "a.parquet", table(30), row_group_size=10, compression="zstd", use_dictionary=False)
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    begin = row_groups(io.BytesIO(data), len(data), "a")[1].start
    data[begin + 8 : begin + 60] = b"\xaa" * 52
    (tmp_path / "a.parquet").write_bytes(data)
    found = run(tmp_path, id_key="id")
    assert found.records == 30 and len(found.documents) >= 20
    assert {r.reason for r in found.rejects} == {"corrupt_rows"} and sum(
        r.records for r in found.rejects
    ) == 30 - len(found.documents)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty_file"),
        (b"PAR1", "corrupt_file"),
        (b"PAR1" + b"\0" * 20 + b"PAR1", "corrupt_file"),
        (b"PAR1" + b"\x19" * 40 + b"\x28\0\0\0PAR1", "corrupt_file"),
        (b"PAR1" + b"\xff" * 40 + b"\xff\xff\xff\x7fPAR1", "corrupt_file"),
        (b"PAR1" + b"\x1c" * 2000 + b"\xd0\x07\0\0PAR1", "corrupt_file"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f", "corrupt_file"),
        (b"\xff\xff\xff\xff\x10\0\0\0" + b"\xff" * 64, "corrupt_file"),
        (b"a,b\n1,2\n", "not_a_table"),
    ],
)
def test_files_that_are_no_tables(tmp_path, body, reason):
    (tmp_path / "x.parquet").write_bytes(body)
    found = run(tmp_path)
    assert found.reasons == {reason: 1} and found.records == 0


def test_a_footer_that_lies_is_noticed():
    sink = io.BytesIO()
    pq.write_table(table(3), sink)
    assert [group.rows for group in row_groups(sink, len(sink.getvalue()), "a")] == [3]
    with pytest.raises(CorruptInput, match="encrypted"):
        row_groups(io.BytesIO(b"PAR1" + b"\0" * 8 + b"PARE"), 16, "a")


def test_wrong_types_and_missing_columns(tmp_path):
    write(tmp_path / "a.parquet", pa.table({"text": [1, 2]}))
    write(tmp_path / "b.parquet", pa.table({"body": ["x"]}))
    write(tmp_path / "c.parquet", pa.table({"text": pa.array([], pa.string())}))
    found = run(tmp_path)
    assert {r.rel: (r.reason, r.records) for r in found.rejects} == {
        "a.parquet": ("bad_text", 2), "b.parquet": ("missing_text", 1), "c.parquet": ("empty_file", 0),
    }  # fmt: skip


def test_one_long_text_repeated_by_a_dictionary_is_read_in_pieces(tmp_path):
    long = "long text " * 20_000
    write(tmp_path / "a.parquet", pa.table({"text": pa.array([long] * 300).dictionary_encode()}))
    options = FORMAT.Options()
    count = 0
    from pile_curate.files import Tally

    for split in FORMAT.splits(discover(str(tmp_path), ["."]), options):
        for raw in FORMAT.frames(split, options, Tally()):
            count += len(raw.body) > len(long)
    assert count == 300
