"""Signatures and shingle sets: bit-equal to the plain statement, frozen by golden vectors, right on average."""

from __future__ import annotations

import math
import random

import datasketch
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.dedup import minhash, shingles
from tests import reference

WORDS = st.sampled_from(
    ["a", "b", "the", "Quick", "東", "京都", "ไทย", "naïve", "e\u0301", "\u0301", "—", "1999", "ß"]
)
TEXT = st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=30).map(" ".join))


def as_integers(signatures: pa.Array) -> list[list[int] | None]:
    return [None if v is None else np.frombuffer(v, "<u4").tolist() for v in signatures.to_pylist()]


def check(texts: pa.Array, ngram: int, k: int, seed: int) -> None:
    values = texts.to_pylist()
    expected = [reference.shingles(t or "", ngram, seed) for t in values]
    words, sizes, signatures = minhash.signatures(texts, ngram=ngram, permutations=k, seed=seed)
    signatures.validate(full=True)
    assert words.tolist() == [len(reference.words_of(t or "")) for t in values]
    assert sizes.tolist() == [len(s) for s in expected]
    assert as_integers(signatures) == [reference.signature(s, k) for s in expected]
    assert [s.tolist() for s in minhash.shingle_sets(texts, ngram, seed)] == [sorted(s) for s in expected]
    lengths, pool = minhash.shingle_pool(texts, ngram, seed)
    assert lengths.tolist() == [len(s) for s in expected]
    assert pool.tolist() == [shingle for s in expected for shingle in sorted(s)]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.none(), TEXT), max_size=6),
    st.integers(1, 7),
    st.sampled_from([1, 2, 16, 126]),
    st.sampled_from([0, 1, 2**64 - 1]),
    st.sampled_from([pa.string(), pa.large_string(), pa.binary(), pa.large_binary()]),
    st.integers(0, 2),
)
def test_equal_to_the_reference(
    texts: list[str | None], ngram: int, k: int, seed: int, kind: pa.DataType, skip: int
) -> None:
    clean = [None if t is None else t.encode("utf-8", "replace").decode() for t in texts]
    check(pa.array(clean, kind)[skip:], ngram, k, seed)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=4))
def test_equal_to_the_reference_on_any_bytes(texts: list[bytes]) -> None:
    check(pa.array(texts, pa.binary()), 2, 16, 5)


def test_long_repetitive_and_empty_documents() -> None:
    words = [f"w{i % 5000}" for i in range(12000)]
    check(pa.array([" ".join(words), "a " * 9000, "", None, "東" * 3000, "x" * 5000], pa.string()), 5, 126, 1)


def test_words_longer_than_a_chunk_and_every_script_across_its_edges() -> None:
    long = ["x" * 5000, "ж" * 9000, "e\u0301" * 4000, "東\u0301\u0301" * 3000, "\U00010400" * 2000]
    mixed = "日本x語 Ⱥﬀ ÇA \u0e17\u0e35\u0e48 ελ 한국 \U0001f600 don't "
    texts = [f"a {w} b c {w}" for w in long] + ["y" * n + mixed * 250 for n in range(0, 70, 3)]
    check(pa.array(texts, pa.string()), 2, 16, 1)


def test_documents_so_large_that_their_shingles_are_parted() -> None:
    """Sets of numpy and a document of one shingle many times stand in for the plain statement."""
    n = 2 * shingles.PIECE + 70_000
    words = [f"w{i * 7919 % n}" for i in range(n)]
    repeated = words[: shingles.PIECE] * 3
    texts = pa.array([" ".join(words), " ".join(repeated), "a " * n, "tail one"])
    counts, sizes, signatures = minhash.signatures(texts, ngram=1, permutations=16)
    assert counts.tolist() == [n, 3 * shingles.PIECE, n, 2]
    assert sizes.tolist() == [n, shingles.PIECE, 1, 2]
    expected = [np.unique(minhash.shingle_pool(pa.array(ws), ngram=1)[1]) for ws in (words, repeated)]
    lengths, pool = minhash.shingle_pool(texts, ngram=1)
    assert lengths.tolist() == sizes.tolist()
    assert np.array_equal(pool[:n], expected[0]) and np.array_equal(pool[n:][: shingles.PIECE], expected[1])
    assert as_integers(signatures)[1] == reference.signature(set(expected[1].tolist()), 16)


def test_a_bucket_that_a_hash_would_hardly_fill_is_sorted_too() -> None:
    rng = np.random.default_rng(1)
    near = np.concatenate(
        [rng.integers(0, 1 << 40, 3000, np.uint64), rng.integers(0, 1 << 63, 50, np.uint64)]
    ) + np.uint64(1)
    found = np.concatenate([near, near[::3]])
    spare, heads = np.empty(found.size, np.uint64), np.empty(2 * found.size + 2, np.int64)
    expected = np.unique(found)
    assert shingles._sort.py_func(found, 0, spare, heads) == expected.size
    assert np.array_equal(found[: expected.size], expected)


def test_golden_vectors() -> None:
    """Freeze the hashes: if this fails, bump MINHASH_VERSION, or corpora made before no longer match."""
    assert minhash.MINHASH_VERSION == 1
    text = "The quick brown fox — ΣΊΣΥΦΟΣ 東京 jumps over the lazy dog, internationalisation."
    words, sizes, signatures = minhash.signatures(pa.array([text, "too short"]), permutations=8, seed=1)
    assert words.tolist() == [13, 2] and sizes.tolist() == [9, 0]
    assert as_integers(signatures) == GOLDEN_SIGNATURE
    assert minhash.shingle_sets(pa.array([text]))[0].tolist()[:3] == GOLDEN_SHINGLES


GOLDEN_SIGNATURE: list[list[int] | None] = [
    [3026360101, 2458297468, 1450507333, 643464244, 1330987318, 1900496309, 1246596086, 1802800250],
    None,
]
GOLDEN_SHINGLES = [3020500320669465790, 5889845974208168359, 6368660058687114440]


def test_the_seed_changes_everything() -> None:
    text = pa.array(["one two three four five six seven eight nine ten"])
    first, second = (as_integers(minhash.signatures(text, seed=s)[2])[0] for s in (1, 2))
    assert first is not None and second is not None
    assert not set(first) & set(second)


def overlapping(rng: random.Random, size: int, jaccard: float) -> tuple[str, str, float]:
    both = round(2 * size * jaccard / (1 + jaccard))
    names = [f"{rng.getrandbits(60):x}" for _ in range(2 * size - both)]
    a, b = names[:size], names[size - both :]
    return " ".join(a), " ".join(b), both / len(names)


@pytest.mark.parametrize(("size", "k"), [(20, 128), (100, 128), (1000, 128), (3000, 126)])
def test_estimates_agree_with_truth_and_with_datasketch_within_theory(size: int, k: int) -> None:
    """Both estimators are unbiased with variance at most J(1 - J)/k, so their errors and their gap are bounded."""
    rng = random.Random(size)
    pairs = [overlapping(rng, size, j) for j in (0.3, 0.5, 0.8, 0.9) for _ in range(60)]
    ours, theirs, bound = [], [], []
    for a, b, true in pairs:
        x, y = as_integers(minhash.signatures(pa.array([a, b]), ngram=1, permutations=k)[2])
        assert x is not None and y is not None
        ours.append(sum(p == q for p, q in zip(x, y, strict=True)) / k - true)
        bound.append(true * (1 - true) / k)
        if size <= 100:
            peers = [datasketch.MinHash(num_perm=k) for _ in range(2)]
            for peer, text in zip(peers, (a, b), strict=True):
                peer.update_batch([w.encode() for w in text.split()])
            theirs.append(peers[0].jaccard(peers[1]) - true)
    sigma = math.sqrt(sum(bound) / len(bound))
    assert abs(sum(ours) / len(ours)) < 4 * sigma / math.sqrt(len(ours))
    assert math.sqrt(sum(e * e for e in ours) / len(ours)) < 1.15 * sigma
    assert max(abs(e) for e in ours) < 5 * sigma
    gaps = [x - y for x, y in zip(ours, theirs, strict=False)]
    assert all(abs(gap) < 5 * math.sqrt(2) * sigma for gap in gaps)


def test_unrelated_documents_agree_nowhere() -> None:
    rng = random.Random(7)
    texts = [
        " ".join(f"{rng.getrandbits(60):x}" for _ in range(n)) for n in (5, 50, 500, 5000) for _ in range(10)
    ]
    values = minhash.signature_values(minhash.signatures(pa.array(texts))[2], 126)
    agreements = sum(int((values[i] == values[j]).sum()) for i in range(40) for j in range(i))
    assert agreements == 0


def test_jaccard_known_answers() -> None:
    a, b, none = (np.array(v, np.uint64) for v in ([1, 2, 3, 2**63], [2, 3, 2**63, 2**64 - 1], []))
    assert (minhash.intersection(a, b), minhash.jaccard(a, b)) == (3, 0.6)
    assert (minhash.jaccard(a, none), minhash.jaccard(none, none), minhash.jaccard(a, a)) == (0.0, 1.0, 1.0)


def test_refusals_say_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="ngram is 0; allowed: 1 or more"):
        minhash.signatures(pa.array(["a"]), ngram=0)
    with pytest.raises(ValueError, match="permutations are 0"):
        minhash.signatures(pa.array(["a"]), permutations=0)
    with pytest.raises(ValueError, match="not 16 bytes long"):
        minhash.signature_values(pa.array([b"1234"]), 4)


def test_signature_values_skips_nulls_and_reads_slices() -> None:
    signatures = minhash.signatures(pa.array(["a b", None, "c d", "e f"]), ngram=2, permutations=3)[2]
    values = minhash.signature_values(signatures[1:], 3)
    assert values.tolist() == [v for v in as_integers(signatures)[1:] if v is not None]
    assert minhash.signature_values(signatures[1:2], 3).shape == (0, 3)
