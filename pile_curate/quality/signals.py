"""Measure the quality and repetition signals of Gopher.

Rae et al., "Scaling Language Models: Methods, Analysis & Insights from Training Gopher", 2021, arXiv
2112.11446, appendix A.1.1 ("Quality Filtering", "Repetition Removal", Table A1). A word is what lies
between white space, as in that publication; a line is a non-empty line; a paragraph is what lies between
empty lines. Where the publication leaves a choice open:

* ``hash_word_ratio`` and ``ellipsis_word_ratio`` are symbols per word; ``alpha_word_fraction`` counts words with a
  letter (or a numeral that is no decimal digit); ``stop_word_count`` counts distinct stop words, case folded; a
  bullet is one of ``BULLETS`` at the start of a line.
* ``duplicate_line_fraction``, ``duplicate_paragraph_fraction`` and those of characters: what repeats an earlier one, so
  the first occurrence does not count. White space at both ends is no part of a line or paragraph.
* ``top_ngram``: characters inside the most frequent n-gram (of equally frequent ones the longest, then the first), 0
  if none occurs twice. ``duplicate_ngram``: characters inside every n-gram that repeats an earlier one.
  Characters are those of words, without white space.

``tests/signal_reference.py`` states all this in plain Python. Here kernels read Arrow's bytes (``signal_kernel.py``) and
compare pieces exactly, so no hash collision can move a value.
"""

from __future__ import annotations

import functools
import os
import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pile_curate.schema import SIGNALS

SIGNALS_VERSION = 1
"""Bump when any signal changes its value; part of the annotate stage's fingerprint."""

_LETTERS = re.compile(r"[^\W\d_]+")
_CODE_POINTS = 0x110000
_SALT = np.uint64(int.from_bytes(os.urandom(8), "little"))


@functools.cache
def _letters() -> npt.NDArray[np.uint8]:
    """Return by code point what this Python's ``re`` calls a letter (1.1 MB, 20 ms, once a process)."""
    found = np.zeros(_CODE_POINTS, np.uint8)
    every = np.arange(_CODE_POINTS, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    for run in _LETTERS.finditer(every):
        found[run.start() : run.end()] = 1
    return found


def _rounded(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Round to 1e-4 as Python's ``round`` does, to the nearer of two decimal numbers.

    A product with 10,000 may err on what lies close to the middle of two; only there is ``round`` asked.
    """
    scaled = values * 1e4
    whole = np.floor(scaled)
    rest = scaled - whole
    found: npt.NDArray[np.float64] = (whole + (rest > 0.5)) / 1e4
    for at in zip(*np.nonzero(np.abs(rest - 0.5) < 0.01)):
        found[at] = round(float(values[at]), 4)
    return found


def signal_columns(texts: pa.Array) -> dict[str, npt.NDArray[np.float64]]:
    """Return one float64 array a signal, rounded to 1e-4, for an Arrow array of strings; null counts as empty.

    Takes (large_)string arrays in UTF-8, whole or sliced; ``ValueError`` for a text of 2 GiB or more.
    Memory beside the input: about 60 bytes a word of the longest text.
    """
    from pile_curate.quality.signal_kernel import measure
    from pile_curate.word_hashes import text_buffers

    buffers = text_buffers(texts)
    longest = int(np.diff(buffers.offsets).max(initial=0))
    if longest > np.iinfo(np.int32).max:
        raise ValueError(f"a text has {longest} bytes; allowed: less than 2 GiB. Split the document")
    data = buffers.data[:]
    data.flags.writeable = False  # whoever owns it: else numba would compile the kernel once for each
    found = np.empty((len(texts), len(SIGNALS)))
    measure(data, buffers.offsets, buffers.valid, _letters(), _SALT, found)
    return dict(zip(SIGNALS, np.ascontiguousarray(_rounded(found).T)))


def signals(text: str) -> dict[str, float]:
    """Return every signal of ``schema.SIGNALS`` for one text, rounded to 1e-4.

    >>> found = signals("The cat sat on the mat with the dog.")
    >>> found["word_count"], found["stop_word_count"], found["top_2gram_character_fraction"]
    (9.0, 2.0, 0.0)
    """
    columns = signal_columns(pa.array([text], pa.string()))
    return {name: float(columns[name][0]) for name in SIGNALS}
