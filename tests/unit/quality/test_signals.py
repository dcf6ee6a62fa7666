import random
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.quality.signals import DUPLICATE, TOP, signal_columns, signals
from pile_curate.schema import SIGNALS


def slow_top(words: list[str], n: int) -> float:
    """Characters inside the most frequent n-gram, the longest of equally frequent ones, the first of equally long."""
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    counts = Counter(grams)
    if not grams or max(counts.values()) < 2:
        return 0.0
    best = max(dict.fromkeys(grams), key=lambda g: (counts[g], sum(map(len, g))))
    inside = {i + k for i, g in enumerate(grams) if g == best for k in range(n)}
    return sum(len(words[i]) for i in inside) / sum(map(len, words))


def slow_duplicate(words: list[str], n: int) -> float:
    seen, inside = set(), set()
    for i in range(len(words) - n + 1):
        gram = tuple(words[i : i + n])
        if gram in seen:
            inside |= set(range(i, i + n))
        seen.add(gram)
    total = sum(map(len, words))
    return sum(len(words[i]) for i in inside) / total if total else 0.0


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["a", "bb", "ccc", "dddd"]), max_size=60))
def test_ngram_signals_equal_the_slow_reference(words):
    found = signals(" ".join(words))
    for n in TOP:
        assert found[f"top_{n}gram_character_fraction"] == round(slow_top(words, n), 4)
    for n in DUPLICATE:
        assert found[f"duplicate_{n}gram_character_fraction"] == round(slow_duplicate(words, n), 4)


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
