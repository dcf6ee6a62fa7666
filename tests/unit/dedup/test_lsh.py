"""Band keys and parameters: known answers from the formulas, and the curve against simulation."""

from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.dedup import DedupSettings, lsh, minhash
from pile_curate.errors import RecipeError


@pytest.mark.parametrize(
    ("threshold", "k", "m"),
    [
        (0.8, 126, 83),
        (0.8, 128, 85),
        (0.5, 126, 41),
        (0.9, 126, 100),
        (1.0, 126, 126),
        (0.05, 126, 0),
        (0.5, 64, 16),
    ],
)
def test_minimum_agreement(threshold: float, k: int, m: int) -> None:
    assert lsh.minimum_agreement(threshold, k) == m
    sigma = math.sqrt(threshold * (1 - threshold) / k)
    assert m - 1 <= max(0.0, k * (threshold - 4 * sigma)) <= m + 1e-9


def test_s_curve_rises_from_half_to_nearly_one() -> None:
    curve = lsh.s_curve(18, 7)
    assert [j for j, _ in curve] == [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    assert all(p < q for (_, p), (_, q) in zip(curve, curve[1:], strict=False))
    assert dict(curve)[0.5] == pytest.approx(1 - (1 - 0.5**7) ** 18)
    assert lsh.share_probability(1.0, 18, 7) == 1.0 and lsh.share_probability(0.0, 18, 7) == 0.0


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
def test_chosen_bands_reach_the_recall_and_one_more_row_would_not(threshold: float) -> None:
    chosen = lsh.choose_bands(threshold, 126)
    assert chosen.bands * chosen.rows <= 126
    assert chosen.recall >= 0.98 > lsh.share_probability(threshold, 126 // (chosen.rows + 1), chosen.rows + 1)
    assert lsh.share_probability(chosen.midpoint, chosen.bands, chosen.rows) == pytest.approx(0.5)


def test_recall_of_real_signatures_follows_the_curve() -> None:
    rng = random.Random(3)
    texts = []
    for _ in range(400):  # pairs with J = 80 / 120 = 2/3
        names = [f"{rng.getrandbits(60):x}" for _ in range(120)]
        texts += [" ".join(names[:100]), " ".join(names[20:])]
    signatures = minhash.signatures(pa.array(texts), ngram=1, permutations=126)[2]
    keys = lsh.band_keys(minhash.signature_values(signatures, 126), 18, 7)
    found = np.mean((keys[0::2] == keys[1::2]).any(axis=1))
    p = lsh.share_probability(2 / 3, 18, 7)
    assert abs(found - p) < 4 * math.sqrt(p * (1 - p) / 400)


def test_keys_are_equal_exactly_when_bands_are() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 3, (300, 9), dtype=np.uint32)
    keys = lsh.band_keys(values, 4, 2)
    assert keys.shape == (300, 4)
    for b in range(4):
        bands = values[:, 2 * b : 2 * b + 2]
        same = (bands[:, None] == bands[None]).all(axis=2)
        assert ((keys[:, b][:, None] == keys[:, b][None]) == same).all()
    same_rows = lsh.band_keys(np.full((1, 8), 7, np.uint32), 4, 2)[0]
    assert len(set(same_rows.tolist())) == 4  # the band's number is part of the key


def plain_keys(values: np.ndarray, bands: int, rows: int) -> list[list[int]]:
    """State the keys' definition once more, in Python's integers."""
    mask = (1 << 64) - 1

    def mix(z: int) -> int:
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        return z ^ z >> 31

    found = []
    for signature in values.tolist():
        keys = [(band + 1) * 0x9E3779B97F4A7C15 & mask for band in range(bands)]
        for band, row in itertools.product(range(bands), range(rows)):
            keys[band] = mix(keys[band] ^ signature[band * rows + row]) + 0xD6E8FEB86659FD93 & mask
        found.append(keys)
    return found


@settings(deadline=None)
@given(
    st.integers(0, 40),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 3),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_keys_equal_their_definition(n, bands, rows, spare, seed, read_only) -> None:
    values = np.random.default_rng(seed).integers(0, 2**32, (n, bands * rows + spare), dtype=np.uint32)
    expected = plain_keys(values, bands, rows)
    if read_only:
        values = np.frombuffer(values.tobytes(), np.uint32).reshape(values.shape)
    keys = lsh.band_keys(values, bands, rows)
    assert keys.dtype == np.uint64 and keys.shape == (n, bands) and keys.tolist() == expected
    assert lsh.band_keys(np.repeat(values, 2, axis=0)[::2], bands, rows).tolist() == expected
    assert values.flags.writeable is not read_only


def test_choosing_bands_needs_no_compiler() -> None:
    code = "import sys; from pile_curate.dedup import lsh; lsh.render_curve(18, 7, 83, 126); print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize(("bands", "rows", "k"), [(2, 3, 8), (4, 2, 8), (1, 1, 3), (9, 1, 9), (1, 9, 9)])
@pytest.mark.parametrize("jaccard", [0.0, 0.3, 0.8, 1.0])
def test_probabilities_are_the_sums_over_all_patterns_of_agreement(
    bands: int, rows: int, k: int, jaccard: float
) -> None:
    for minimum in range(k + 1):
        enough = both = 0.0
        for pattern in itertools.product([False, True], repeat=k):
            p = math.prod(jaccard if same else 1 - jaccard for same in pattern)
            shares = any(all(pattern[b * rows : (b + 1) * rows]) for b in range(bands))
            enough += p * (sum(pattern) >= minimum)
            both += p * (sum(pattern) >= minimum and shares)
        assert lsh.agree_probability(jaccard, minimum, k) == pytest.approx(enough, abs=1e-12)
        assert lsh.candidate_probability(jaccard, bands, rows, minimum, k) == pytest.approx(both, abs=1e-12)
    assert lsh.candidate_probability(jaccard, bands, rows, 0, k) == pytest.approx(
        lsh.share_probability(jaccard, bands, rows), abs=1e-12
    )


def test_the_printed_curve() -> None:
    lines = lsh.render_curve(18, 7, 83, 126).splitlines()
    assert "126 values, 18 bands of 7 rows, at least 83 positions" in lines[0] and "binomial" in lines[0]
    assert [line.split()[0] for line in lines[2:]] == [f"{j:.2f}" for j in lsh.CURVE]
    assert lines[8].split() == ["0.80", "98.5542%", "99.9933%", "98.5504%"]
    assert len({len(line) for line in lines[1:]}) == 1
    rows = lsh.curve(18, 7, 83, 126)
    assert [row[:2] for row in rows] == [list(point) for point in lsh.s_curve(18, 7)]
    assert [f"{row[2]:.4%}" for row in rows] == [line.split()[-1] for line in lines[2:]]


def test_golden_keys() -> None:
    assert lsh.LSH_VERSION == 1
    keys = lsh.band_keys(np.array([[1, 2, 3, 2**32 - 1]], np.uint32), 2, 2)
    assert keys.tolist() == [[GOLDEN_FIRST, GOLDEN_SECOND]]


GOLDEN_FIRST, GOLDEN_SECOND = 17009216479414066057, 11226444172667856804


def test_refusals() -> None:
    with pytest.raises(ValueError, match="need 9 values; there are 8"):
        lsh.band_keys(np.zeros((1, 8), np.uint32), 3, 3)
    with pytest.raises(RecipeError) as error:
        DedupSettings(threshold=0.0, bands=20, scope="world", cap=0, minimum_agreement=200)
    assert len(error.value.problems) == 5
    assert "20 bands of 7 rows need 140 values; permutations are 126" in str(error.value)
