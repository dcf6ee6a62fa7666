"""Ask PDFium about many characters of a page at once.

PDFium answers about one character a call, and a call by ctypes costs ten times what PDFium does in it. So the calls
are stripped here: made by ``map`` and not by a loop, without conversion of what is passed, into arrays whose
addresses were made before. That takes 0.13 µs a character's box instead of 0.42; the page's text comes in one call.

PDFium must be loaded and is not safe for threads; the interpreter's lock is held during calls, none of which is long.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable
from functools import cache
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

_Places = npt.NDArray[np.int64]
_Numbers = npt.NDArray[np.float64]

CHUNK = 1024
"""Characters asked about between two copies; each holds four addresses made before, of 128 bytes."""


@cache
def characters() -> Characters:
    """Return the one that a process needs: its addresses take a millisecond to make."""
    return Characters()


class Characters:
    """Answers about one page's characters after another's; ``open`` a page first."""

    def __init__(self) -> None:
        from pypdfium2 import raw

        self._raw = raw
        self._page: Any = None
        self._handle = ctypes.c_void_p()
        self._box = _Filled(raw.FPDFText_GetLooseCharBox, np.dtype(np.float32), 4, 1)
        self._matrix = _Filled(raw.FPDFText_GetMatrix, np.dtype(np.float32), 6, 1)
        self._origin = _Filled(raw.FPDFText_GetCharOrigin, np.dtype(np.float64), 2, 2)
        self._unicode = _bare(raw.FPDFText_GetUnicode, ctypes.c_uint)
        self._font_size = _bare(raw.FPDFText_GetFontSize, ctypes.c_double)
        self._font_weight = _bare(raw.FPDFText_GetFontWeight, ctypes.c_int)

    def open(self, page: Any, limit: int) -> int:
        """Take a text page's handle, which must stay open, and return how many characters may be asked about."""
        self._page, self._handle = page, ctypes.cast(page, ctypes.c_void_p)
        count: int = self._raw.FPDFText_CountChars(page)
        return max(0, min(count, limit))

    def codes(self, count: int) -> npt.NDArray[np.uint32]:
        """Return the first characters' code points; a hyphen at a line's end is 2 or 0xFFFE."""
        units = (ctypes.c_ushort * (2 * count + 2))()
        written = self._raw.FPDFText_GetText(self._page, 0, count, units)
        text = bytes(units)[: max(0, 2 * written - 2)].decode("utf-16-le", "surrogatepass")
        if len(text) == count:
            return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint32)
        # The text leaves out what has no code or is a control, and joins what two characters write as one.
        return np.array(list(map(self._unicode, repeat(self._handle), range(count))), np.uint32)

    def boxes(self, places: _Places) -> _Numbers:
        """Return left, top, right and bottom of each character: its advance wide, as high as its font."""
        return self._box.of(self._handle, places)

    def matrices(self, places: _Places) -> _Numbers:
        """Return the six numbers of each character's text matrix."""
        return self._matrix.of(self._handle, places)

    def origins(self, places: _Places) -> _Numbers:
        """Return x and y of each character's origin, which lies on the base line."""
        return self._origin.of(self._handle, places)

    def font_sizes(self, places: _Places) -> _Numbers:
        """Return the font size of each, which the matrix scales."""
        return np.array(list(map(self._font_size, repeat(self._handle), places.tolist())), np.float64)

    def font_weights(self, places: _Places) -> npt.NDArray[np.int64]:
        """Return the weight of each character's font; 600 and more is bold."""
        return np.array(list(map(self._font_weight, repeat(self._handle), places.tolist())), np.int64)


class _Filled:
    """A function that writes its answer to addresses: ``width`` numbers, divided evenly among ``pointers``."""

    def __init__(self, function: Any, kind: np.dtype[Any], width: int, pointers: int) -> None:
        self._call = _bare(function, None)
        self._numbers = np.zeros((CHUNK, width), kind)
        begin, row = self._numbers.ctypes.data, width * kind.itemsize
        self._addresses = [
            [ctypes.c_void_p(begin + at * row + shift) for at in range(CHUNK)]
            for shift in range(0, row, row // pointers)
        ]

    def of(self, handle: ctypes.c_void_p, places: _Places) -> _Numbers:
        """Return one row for each place."""
        out = np.empty((len(places), self._numbers.shape[1]), np.float64)
        for begin in range(0, len(places), CHUNK):
            some = places[begin : begin + CHUNK].tolist()
            deque(map(self._call, repeat(handle), some, *self._addresses), maxlen=0)
            out[begin : begin + len(some)] = self._numbers[: len(some)]
        return out


def _bare(function: Any, result: Any) -> Callable[..., Any]:
    """Return a C function without conversion of arguments: integers are C's ``int``, all else is ctypes' own."""
    address = ctypes.cast(function, ctypes.c_void_p).value
    call: Callable[..., Any] = ctypes.PYFUNCTYPE(result)(address or 0)
    return call
