"""DeepMind Mathematics: whole pairs, stable keys, and every line accounted for."""

from __future__ import annotations

import gzip
import io
import resource
import tarfile
from pathlib import Path

import pytest

from pile_curate.sources.dm_mathematics import PairCounter
from tests.source_harness import Extracted, extract


def pairs(count: int, first: int = 0) -> bytes:
    return b"".join(b"What is %d + 1?\n%d\n" % (i, i + 1) for i in range(first, first + count))


def run(root: Path, name: str, data: bytes, **options: object) -> Extracted:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)
    result = extract("dm_mathematics", root, [name], options)
    assert result.records == result.tally.records
    return result


def tar(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_no_pair_is_cut_and_nothing_is_lost(tmp_path: Path) -> None:
    data = pairs(3000)
    result = run(tmp_path, "train-easy/a.txt", data)
    assert "".join(document.text for document in result.documents) == data.decode()
    assert all(len(d.text) <= 8192 and d.text.count("\n") == 2 * d.records for d in result.documents)
    assert all(len(d.text) > 8100 for d in result.documents[:-1])
    assert result.keys() == [f"train-easy/a.txt:{i}" for i in range(len(result.documents))]
    assert result.documents[0].meta == {"folder": "train-easy", "pairs": result.documents[0].records}


def test_packing_changes_nothing_but_where_it_lay(tmp_path: Path) -> None:
    loose = run(tmp_path, "train-easy/a.txt", pairs(50), chunk_bytes=200)
    packed = run(tmp_path, "v1.tar.gz", tar(**{"train-easy/a.txt": pairs(50)}), chunk_bytes=200)
    zipped = run(tmp_path, "train-easy/a.txt.gz", gzip.compress(pairs(50)), chunk_bytes=200)
    assert (
        [d.text for d in loose.documents]
        == [d.text for d in packed.documents]
        == [d.text for d in zipped.documents]
    )
    assert loose.keys() == packed.keys()


def test_a_pair_longer_than_a_chunk_stands_alone(tmp_path: Path) -> None:
    data = pairs(1) + b"Q" * 500 + b"\nA\n" + pairs(1)
    assert [d.records for d in run(tmp_path, "a.txt", data, chunk_bytes=100).documents] == [1, 1, 1]


def test_damage_costs_its_own_pair(tmp_path: Path) -> None:
    data = pairs(1) + b"\n5\n" + b"What is \xff?\n5\n" + b"a\0b\n5\n" + b"q\r\n7\r\n" + b"odd\n"
    result = run(tmp_path, "a.txt", data)
    assert result.documents[0].text == "What is 0 + 1?\n1\nq\n7\n"
    assert result.reasons == {"empty_line": 1, "invalid_utf8": 1, "binary": 1, "odd_line": 1}
    assert {reject.kind for reject in result.rejects} == {"error"}


@pytest.mark.parametrize("cut", range(1, 80))
def test_a_cut_answer_is_never_taken_for_whole(tmp_path: Path, cut: int) -> None:
    data = pairs(40, 10**6)
    result = run(tmp_path, "a.txt", data[:-cut])
    good = "".join(document.text for document in result.documents)
    assert data.decode().startswith(good) and good.count("\n") % 2 == 0
    damaged = run(tmp_path, "a.txt.gz", gzip.compress(data)[:-cut])
    good = "".join(document.text for document in damaged.documents)
    assert data.decode().startswith(good) and good.count("\n") % 2 == 0
    assert "corrupt_file" in damaged.reasons


def test_folders(tmp_path: Path) -> None:
    data = tar(**{"v1/train-easy/a.txt": pairs(9), "v1/interpolate/a.txt": pairs(5)})
    result = run(tmp_path, "v1.tar.gz", data, folders=["interpolate"], chunk_bytes=40)
    assert {d.meta["folder"] for d in result.documents} == {"interpolate"}
    (reject,) = result.rejects
    assert (reject.reason, reject.kind, reject.records) == ("folder", "policy", 9)


def test_hostile_archives(tmp_path: Path) -> None:
    data = tar(
        **{
            "../../escape.txt": pairs(3),
            "empty.txt": b"",
            "big.txt": pairs(200),
            "inner.tar": tar(a=pairs(1)),
        }
    )
    result = run(tmp_path, "v1.tar.gz", data, max_file_bytes=2048)
    assert (
        result.reasons["unsafe_path"]
        == result.reasons["empty_member"]
        == result.reasons["record_too_large"]
        == 1
    )
    assert not result.documents


def test_one_endless_line(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.txt.gz", "wb", 1) as stream:
        stream.write(pairs(2))
        for _ in range(150):
            stream.write(b"9" * (1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run(tmp_path, "a.txt.gz", (tmp_path / "a.txt.gz").read_bytes())
    assert result.documents[0].records == 2 and result.reasons == {"truncated_record": 1, "corrupt_file": 1}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_the_counter_is_indifferent_to_cuts() -> None:
    for data in (b"", b"a", b"a\n", b"a\nb", b"a\nb\n", b"\n\n\n", b"a\nb\nc"):
        for cut in range(len(data) + 1):
            counter = PairCounter()
            counter.feed(data[:cut])
            counter.feed(data[cut:])
            assert counter.close() == -(-len(data.splitlines()) // 2)
