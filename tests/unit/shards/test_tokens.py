"""Token parts: a golden index, the round trip, and every way in which a file can be wrong."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pile_curate.errors import TokenFileError
from pile_curate.shards.tokens import TokenPart, TokenWriter, paths_of, token_dtype

EOS = 0
DOCUMENTS = [([5, 6, 7], 11), ([], 0), ([65_534], 3)]


def ident(number: int) -> bytes:
    return number.to_bytes(16, "big")


def write(prefix: Path, documents=DOCUMENTS, dtype="uint16") -> dict:
    with TokenWriter(prefix, dtype, eos_id=EOS, source="wiki") as writer:
        for number, (tokens, size) in enumerate(documents):
            writer.add(ident(number), tokens, size)
    return writer.facts


def test_the_index_is_megatrons_byte_for_byte(tmp_path: Path) -> None:
    write(tmp_path / "00000")
    expected = b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, 8, 3, 4)
    expected += struct.pack("<3i", 4, 1, 2) + struct.pack("<3q", 0, 8, 10) + struct.pack("<4q", 0, 1, 2, 3)
    assert (tmp_path / "00000.idx").read_bytes() == expected
    assert (tmp_path / "00000.bin").read_bytes() == struct.pack("<7H", 5, 6, 7, 0, 0, 65_534, 0)


def test_round_trip_and_totals(tmp_path: Path) -> None:
    facts = write(tmp_path / "deep" / "00000")
    part = TokenPart(tmp_path / "deep" / "00000")
    assert len(part) == 3 and part.tokens_total == 7 == facts["tokens"]
    assert [list(d) for d in part] == [[5, 6, 7, 0], [0], [65_534, 0]]
    assert part.doc_ids == [ident(0), ident(1), ident(2)]
    assert list(part.text_bytes) == [11, 0, 3] and facts["text_bytes"] == 14
    assert part.source == "wiki" and list(part.sizes) == [4, 1, 2]
    table = pq.read_table(tmp_path / "deep" / "00000.docs.parquet")
    assert table.column("tokens").to_pylist() == [3, 0, 1]
    with pytest.raises(IndexError):
        part.document(3)


def test_an_empty_part_is_legal(tmp_path: Path) -> None:
    write(tmp_path / "empty", [])
    part = TokenPart(tmp_path / "empty")
    assert len(part) == 0 and part.tokens_total == 0 and part.doc_ids == [] and part.source == ""


def test_a_part_pickles_as_its_prefix(tmp_path: Path) -> None:
    write(tmp_path / "p")
    raw = pickle.dumps(TokenPart(tmp_path / "p"))
    assert len(raw) < 400 and list(pickle.loads(raw).document(0)) == [5, 6, 7, 0]


def test_content_does_not_depend_on_cutting_or_order(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole")["content"]
    total = 0
    for number in (2, 0, 1):
        with TokenWriter(tmp_path / f"cut{number}", "uint16", eos_id=EOS) as writer:
            writer.add(ident(number), *DOCUMENTS[number])
        total += int(writer.facts["content"], 16)
    assert f"{total % 2**128:032x}" == whole
    changed = write(tmp_path / "other", [([5, 6, 8], 11), *DOCUMENTS[1:]])["content"]
    assert changed != whole


@pytest.mark.parametrize(("vocab", "name"), [(65_535, "uint16"), (65_536, "int32"), (200_000, "int32")])
def test_dtype_by_vocabulary(vocab: int, name: str) -> None:
    assert token_dtype(vocab).name == name


def test_int32_uses_code_4(tmp_path: Path) -> None:
    write(tmp_path / "p", [([100_000], 1)], token_dtype(128_000))
    assert (tmp_path / "p.idx").read_bytes()[17] == 4
    assert list(TokenPart(tmp_path / "p").document(0)) == [100_000, 0]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [([70_000], "do not fit uint16"), ([-1], "do not fit"), ([1.5], "integers"), ([[1, 2]], "flat")],
)
def test_tokens_that_cannot_be_stored_are_refused(tmp_path: Path, tokens, message: str) -> None:
    with (
        pytest.raises(TokenFileError, match=message),
        TokenWriter(tmp_path / "p", "uint16", eos_id=EOS) as writer,
    ):
        writer.add(ident(1), tokens, 1)
    assert list(tmp_path.iterdir()) == [], "a failed part leaves nothing behind"


def test_bad_ids_and_dtypes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match="float32"):
        TokenWriter(tmp_path / "p", "float32")
    with pytest.raises(TokenFileError, match="16 bytes"), TokenWriter(tmp_path / "q", "uint16") as writer:
        writer.add(b"short", [1], 1)


def corrupt(path: Path, at: int, raw: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + len(raw)] = raw
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("at", "raw", "message"),
    [
        (0, b"X", "not a Megatron index"),
        (9, b"\x02", "version 2"),
        (17, b"\x06", "dtype code 6"),
        (17, b"\x63", "dtype code 99"),
        (18, b"\x02", "document index of 4"),
        (26, b"\x05", "document index of 5"),
        (34, b"\x00", "at least 1"),
        (34, b"\x09", "truncated"),
        (34 + 12, b"\x02", "offsets do not follow"),
        (34 + 12 + 24, b"\x01", "document index is not"),
    ],
)
def test_a_damaged_index_is_named(tmp_path: Path, at: int, raw: bytes, message: str) -> None:
    write(tmp_path / "p")
    corrupt(tmp_path / "p.idx", at, raw)
    with pytest.raises(TokenFileError, match=message):
        TokenPart(tmp_path / "p")


@pytest.mark.parametrize("suffix", [".bin", ".idx", ".docs.parquet"])
def test_every_truncation_is_found(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / "p")
    path = tmp_path / f"p{suffix}"
    whole = path.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 12)):
        path.write_bytes(whole[:length])
        with pytest.raises(TokenFileError):
            TokenPart(tmp_path / "p")
    path.write_bytes(whole + b"\0\0")
    with pytest.raises(TokenFileError):
        TokenPart(tmp_path / "p")
    path.unlink()
    with pytest.raises(TokenFileError, match="missing"):
        TokenPart(tmp_path / "p")


def test_documents_that_disagree_with_the_index_are_found(tmp_path: Path) -> None:
    write(tmp_path / "p")
    docs = paths_of(tmp_path / "p")[2]
    table = pq.read_table(docs)
    pq.write_table(table.slice(1), docs)
    with pytest.raises(TokenFileError, match="2 documents where the index has 3"):
        TokenPart(tmp_path / "p")
    pq.write_table(table.take(pa.array([1, 0, 2])), docs)
    with pytest.raises(TokenFileError, match="token counts disagree"):
        TokenPart(tmp_path / "p")
    pq.write_table(table.drop_columns(["text_bytes"]), docs)
    with pytest.raises(TokenFileError, match="columns"):
        TokenPart(tmp_path / "p")


def test_a_part_of_two_sources_has_no_single_source(tmp_path: Path) -> None:
    with TokenWriter(tmp_path / "p", np.uint16) as writer:
        writer.add(ident(1), [1], 1, source="a")
        writer.add(ident(2), [2], 1, source="b")
    part = TokenPart(tmp_path / "p")
    assert part.sources == ["a", "b"]
    with pytest.raises(TokenFileError, match="a, b"):
        part.source  # noqa: B018
