"""Find white space in 64 bytes of UTF-8 at once, inside kernels.

White space is what Python's ``str.split``, ``str.isspace`` and ``\\s`` in a ``str`` agree on: 29 code points. Those
beyond ASCII have two or three bytes. A byte that begins a character never continues one, so looking
for the byte sequences finds the same places as decoding.
"""

from __future__ import annotations

from typing import Any

from pile_curate.blocks import bytes_in
from pile_curate.compiled import inlined
from pile_curate.word_hashes import Bytes

ASCII_WHITE = ((0x09, 0x0D), (0x1C, 0x20))

ascii_white = bytes_in(*ASCII_WHITE)
white_lead = bytes_in((0xC2, 0xC2), (0xE1, 0xE3))
"""Bytes that begin the white space beyond ASCII, and much else: whether ``wide_white`` is worth asking."""

_byte_c2, _byte_e1, _byte_e2, _byte_e3 = (bytes_in((b, b)) for b in (0xC2, 0xE1, 0xE2, 0xE3))
_byte_80, _byte_81, _byte_9a, _byte_9f = (bytes_in((b, b)) for b in (0x80, 0x81, 0x9A, 0x9F))
_latin = bytes_in((0x85, 0x85), (0xA0, 0xA0))  # U+0085, U+00A0
_general = bytes_in((0x80, 0x8A), (0xA8, 0xA9), (0xAF, 0xAF))  # U+2000-200A, U+2028-2029, U+202F


@inlined
def wide_white(data: Bytes, i: int) -> Any:
    """Return masks of where white space of two and of three bytes begins in ``data[i:i + 64]``; reads two more."""
    three = (
        _byte_e2(data, i) & _byte_80(data, i + 1) & _general(data, i + 2)
        | _byte_e2(data, i) & _byte_81(data, i + 1) & _byte_9f(data, i + 2)
        | _byte_e1(data, i) & _byte_9a(data, i + 1) & _byte_80(data, i + 2)
        | _byte_e3(data, i) & _byte_80(data, i + 1) & _byte_80(data, i + 2)
    )
    return _byte_c2(data, i) & _latin(data, i + 1), three
