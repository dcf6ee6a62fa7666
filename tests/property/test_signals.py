"""The signals' kernels equal the plain statement on any text."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.quality.signals import signal_columns
from pile_curate.schema import SIGNALS
from tests import signal_reference

WHITE = [" ", "  ", "\n", "\n\n", "\n \n", "\t", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\xa0", "\u1680",
         "\u2000", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"]  # fmt: skip
WORDS = ["a", "the", "THE", "be", "with", "42", "²", "½", "Ⅷ", "٣", "_", "é", "e\u0301", "東京", "𐐀", "😀", "\u200b", "\0", "#", "#a", "...",
         "....", "……", "a…", "-", "–", "•", "‣ b", "*", ".", "..", "x" * 7, "x" * 8, "x" * 9, "y" * 63, "é" * 40, "longer-word"]  # fmt: skip
TEXT = st.one_of(
    st.text(max_size=120),
    st.lists(st.sampled_from(WHITE + WORDS), max_size=60).map("".join),
    st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join),
    st.lists(st.sampled_from(WORDS[:8]), max_size=80).map(" ".join),
    st.lists(st.sampled_from(["a b", "a  b", " a b\t", "", "c...", "- d"]), max_size=40).map("\n".join),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(TEXT, max_size=6))
def test_equal_to_the_statement_on_any_text(texts: list[str]) -> None:
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    columns = signal_columns(pa.array(clean, pa.string()))
    assert list(columns) == list(SIGNALS)
    found = [{name: float(columns[name][row]) for name in SIGNALS} for row in range(len(clean))]
    assert found == [signal_reference.signals(text) for text in clean]
