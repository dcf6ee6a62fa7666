"""Digests over Arrow buffers equal the plain statement on any text and any bytes."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate import hashing
from pile_curate.text_digests import text_digests
from tests.reference import digest_of_bytes

PIECES = st.sampled_from(
    [" ", "  ", "\n", "\t", "\x0b", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u2000", "\u200a", "\u200b", "\u2028",
     "\u202f", "\u205f", "\u3000", "\u3001", "\u180e", "a", "é", "東", "𐐀", "word ", "\n    indented", "x" * 61, "x " * 40]
)  # fmt: skip
TEXT = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=40).map("".join))
BROKEN = st.sampled_from(
    [b"\xc2", b"\xe1\x9a", b"\xe2", b"\xe2\x80", b"\xe2\x81", b"\xe3\x80", b"\x80", b"\xff", b"\xf0\x9f"]
)
RAW = st.lists(st.one_of(st.binary(max_size=5), PIECES.map(str.encode), BROKEN), max_size=30).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.none(), TEXT), max_size=8), st.integers(0, 3))
def test_equal_to_text_digest_on_any_text(texts: list[str | None], skip: int) -> None:
    clean = [None if t is None else t.encode("utf-8", "replace").decode() for t in texts]
    expected = [None if t is None else hashing.text_digest(t) for t in clean]
    assert text_digests(pa.array(clean, pa.string())[skip:]).to_pylist() == expected[skip:]


@settings(max_examples=200, deadline=None)
@given(st.lists(RAW, max_size=6))
def test_equal_to_the_statement_on_any_bytes(texts: list[bytes]) -> None:
    assert text_digests(pa.array(texts, pa.binary())).to_pylist() == [digest_of_bytes(t) for t in texts]
