import os
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.quality.pieces import PAD, number_pieces
from pile_curate.quality.signals import _rounded, signal_columns, signals
from pile_curate.schema import SIGNALS
from tests import signal_reference


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["a", "bb", "ccc", "dddd"]), max_size=60))
def test_ngram_signals_equal_the_slow_reference(words):
    found = signals(" ".join(words))
    assert found == signal_reference.signals(" ".join(words))


def test_quality_signals_of_a_known_text():
    text = "# The title\n\n- the cat and #dogs 42\n* have seen it...\nwords of more…"
    found = signals(text)
    words = text.split()
    assert found["word_count"] == len(words) == 16
    assert found["hash_word_ratio"] == round(2 / 16, 4)
    assert found["ellipsis_word_ratio"] == round(2 / 16, 4)
    assert found["bullet_line_fraction"] == 0.5
    assert found["ellipsis_line_fraction"] == 0.5
    # "#", "-", "*" and "42" hold no letter.
    assert found["alpha_word_fraction"] == 0.75
    assert found["stop_word_count"] == 4  # the, and, have, of: distinct, case folded
    assert found["mean_word_length"] == round(sum(map(len, words)) / 16, 4)


def test_lines_and_paragraphs_count_only_repeats():
    text = "one line\nother\none line\n\nlast paragraph\n\nlast paragraph"
    found = signals(text)
    assert found["duplicate_line_fraction"] == 0.4
    assert found["duplicate_paragraph_fraction"] == round(1 / 3, 4)
    lines = ["one line", "other", "one line", "last paragraph", "last paragraph"]
    expected = (len("one line") + len("last paragraph")) / sum(map(len, lines))
    assert found["duplicate_line_character_fraction"] == round(expected, 4)


@pytest.mark.parametrize("text", ["", " \n\t", "word", "…", "a\u2028b", "\U0001f600 " * 3])
def test_tiny_texts_have_every_signal_finite(text):
    found = signals(text)
    assert set(found) == set(SIGNALS)
    assert all(value == value and value >= 0 for value in found.values())


def test_columns_equal_single_texts_and_null_is_empty():
    rng = random.Random(7)
    texts = [" ".join(rng.choices("the of cat dog sat".split(), k=k)) for k in (0, 3, 50, 400)] + [None]
    columns = signal_columns(pa.array(texts))
    for row, text in enumerate(texts):
        assert {name: columns[name][row] for name in SIGNALS} == signals(text or "")


def check(texts):
    """Compare one batch with the plain statement, text by text."""
    columns = signal_columns(pa.array(texts, pa.string()))
    for row, text in enumerate(texts):
        assert {name: columns[name][row] for name in SIGNALS} == signal_reference.signals(text), text[:200]


def test_every_code_point_as_a_word_and_between_words():
    codes = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    white = [c for c in codes if c.isspace()]
    assert len(white) == 29
    check([f"a{w}b{w}{w}c\n{w}\n{w}a{w}b" for w in white] + ["".join(white), "x" + "".join(white) + "y"])
    check(["".join(codes[i : i + 256]) for i in range(0, len(codes), 256)])
    # One letter among many words moves no rounded value of a large text: so 20 words a text.
    check([" ".join(codes[i : i + 20]) for i in range(0, 0x30000, 20)])


def test_every_line_break_of_str_splitlines_in_every_place_of_a_block():
    breaks = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
    check(
        ["a" * k + f"{b}- b...{b}{b}- b...{b} \n\t\n{b}- b…" + "c" * 3 for b in breaks for k in range(50, 70)]
    )


def test_ellipses_and_words_over_the_edges_of_blocks():
    check(
        ["x" * k + "." * d + "y" * e for k in (0, 61, 62, 63, 64, 125) for d in range(9) for e in (0, 1, 64)]
    )
    check(["é" * k + "…" * d + "." * e for k in (0, 29, 30, 31, 32) for d in range(5) for e in range(5)])
    check(["." * k for k in range(200)] + [". " * k for k in range(70)] + ["#" * k for k in range(130)])


def test_bullets_and_stop_words_in_every_case():
    lines = [bullet + rest for bullet in signal_reference.BULLETS for rest in ("", " item", "item")]
    check([*lines, "\n".join(lines), "\n".join(["  • a", "\xa0- b", "a -", "•", "–…", "..."])])
    words = [
        *signal_reference.STOP_WORDS,
        "bé",
        "o",
        "ofx",
        "thé",
        "T\u0130",
        "\u212aeep",
        "th\x05",
        "\x14he",
        "be\0",
    ]
    check([form(word) for word in words for form in (str, str.upper, str.title, "{}.".format)])


def test_large_texts():
    rng = random.Random(3)
    vocabulary = ["".join(rng.choices("abcdeéç東", k=rng.randint(1, 12))) for _ in range(5000)]
    zipf = [1 / (k + 1) for k in range(5000)]
    words = rng.choices(vocabulary, zipf, k=100_000)
    check([" ".join(words), "\n".join(words), "\n\n".join(words[:50_000])])
    check(["word " * 100_000, "a\n\n" * 100_000, "x" * 1_000_000, " ".join(map(str, range(100_000)))])
    page = " ".join(words[:3000]).replace("c", "\n").replace("d", "\n\n")
    check([page + "\n\n" + page[500:9000] + page, page.replace(" ", "\u3000")])


def test_slices_and_owners_of_memory():
    texts = ["the cat\n" * 9, "x", None, "", "to be\n\nto be", "é" * 70]
    whole = pa.array(texts, pa.large_string())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("t", pa.string())])) as stream:
        stream.write_batch(pa.record_batch([pa.array(texts)], names=["t"]))
    read = pa.ipc.open_stream(sink.getvalue()).read_all()["t"].chunk(0)
    expected = signal_columns(pa.array(texts))
    for start in range(len(texts) + 1):
        for array in (whole, read):
            found = signal_columns(array[start:])
            assert all(np.array_equal(found[name], expected[name][start:]) for name in SIGNALS)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_rounding_is_that_of_python(part, whole):
    values = np.array([[part / whole, part / 20_000, part / 16, part / 100_000]])
    assert _rounded(values).tolist() == [[round(value, 4) for value in values[0].tolist()]]


@pytest.mark.skipif("PILE_CURATE_SAMPLES" not in os.environ, reason="PILE_CURATE_SAMPLES is not set")
def test_equal_on_real_texts():
    files = sorted(Path(os.environ["PILE_CURATE_SAMPLES"]).rglob("*.txt"))
    check([file.read_text(encoding="utf-8", errors="replace")[:300_000] for file in files[:20]])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", "b", "ab", "x" * 8, "x" * 9, "x" * 8 + "y", "é" * 20, "é" * 19 + "è"]),
        max_size=40,
    )
)
def test_pieces_are_compared_byte_by_byte_when_every_hash_collides(words):
    raw = [word.encode() for word in words]
    ends = np.cumsum([len(word) for word in raw]).astype(np.int32)
    starts = (ends - [len(word) for word in raw]).astype(np.int32)
    text = np.frombuffer(b"".join(raw) + bytes(PAD), np.uint8)
    hashes, ids = np.full(len(raw), 7, np.uint64), np.empty(len(raw), np.int32)
    distinct = number_pieces(
        text, starts, ends, hashes, ids, np.empty(256, np.int32), np.empty(64, np.int32), len(raw)
    )
    numbers: dict[str, int] = {}
    assert ids.tolist() == [numbers.setdefault(word, len(numbers)) for word in words]
    assert distinct == len(numbers)
