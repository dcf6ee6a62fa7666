"""Digests over Arrow buffers: every kind of white space, nulls, slices, types, sizes, bytes that are not UTF-8."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from pile_curate import hashing, text_digests
from tests.reference import digest_of_bytes


def digests(texts: pa.Array) -> list[bytes | None]:
    found = text_digests.text_digests(texts)
    found.validate(full=True)
    assert found.type == pa.binary(16)
    return found.to_pylist()


def test_every_code_point_alone_and_between_letters() -> None:
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    text = "".join(f"{chr(c)}x{chr(c)}{chr(c)}" for c in codes)
    assert digests(pa.array([text])) == [hashing.text_digest(text)]
    white = [chr(c) for c in codes if chr(c).isspace()]
    texts = [f"a{w}b" for w in white] + [f"{w}a{w}{w}b{w}" for w in white] + ["a b"]
    assert len(white) == 29 and len(set(digests(pa.array(texts)))) == 1


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()])
def test_nulls_and_slices_of_every_type(kind: pa.DataType) -> None:
    texts = [None, "", " ", "a\n\nb", None, "x" * 300 + "\u3000" * 70 + "y", "\u2028é"]
    expected = [None if t is None else hashing.text_digest(t) for t in texts]
    whole = pa.array(texts, kind)
    assert digests(whole) == expected
    assert digests(whole[3:6]) == expected[3:6]
    assert digests(whole[:0]) == [] and digests(pa.array([None], kind)) == [None]


@pytest.mark.parametrize("size", [0, 1, 31, 62, 63, 64, 65, 66, 127, 128, 129])
@pytest.mark.parametrize("white", [" ", "\t ", "\u00a0", "\u205f", "\u3000\n"])
def test_white_space_at_every_edge_of_a_block(size: int, white: str) -> None:
    text = "x" * size + white + "y" * 70 + white
    raw = text.encode()
    texts = [raw, white.encode() + raw, raw[:-1], raw[:-2], raw + b"\xe2\x80"]  # the last three are cut
    assert digests(pa.array(texts, pa.binary())) == [digest_of_bytes(t) for t in texts]


def test_a_cut_character_never_reads_the_next_document() -> None:
    texts = [b"a\xe2\x80", b"\x80b" + b"x" * 200, b"\xc2", b"\xa0"]
    assert digests(pa.array(texts, pa.binary())) == [digest_of_bytes(t) for t in texts]


def test_documents_larger_than_the_scratch_and_many_small_ones() -> None:
    large = "two  words\n" * 60_000
    texts = ["a"] * 9000 + [large, "b"] + [large[:200_000]] * 3
    expected = {t: hashing.text_digest(t) for t in set(texts)}
    assert digests(pa.array(texts)) == [expected[t] for t in texts]


def test_another_type_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="int64; allowed: string"):
        text_digests.text_digests(pa.array([1]))


def test_importing_the_package_leaves_numba_out() -> None:
    code = "import sys, pile_curate; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
