"""Read the words of a PDF with their places, by PDFium (ISO 32000).

PDFium turns fonts and encodings into Unicode and says where each character stands; it does no layout, and of the
spaces that are not written but left it misses some. So every character's box is asked for, and size, angle and
weight once a word. About 2.5 ms a page, of which PDFium takes one.

Text set at another angle than most of its page (stamps in the margin, labels of axes) is left out, and so is what
lies outside the page's box. Invisible text, as OCR lays it under a scan, is text like any other.

PDFium is native code reading untrusted bytes: call this in a guarded child only.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pile_curate.extract.pdf_chars import Characters, characters

PAGE_CHARS = 400_000
"""Characters of one page that are read; a full broadsheet page has 60,000."""

_SPACE = 0x20
_SPACES = (0xA0, 0x0D, 0x0A, 0x09, 0x00, 0x3000, *range(0x2000, 0x200C))
_HYPHENS = (0x02, 0xFFFE, 0xAD)
"""PDFium's mark for a hyphen at a line's end, and the soft hyphen."""

_MARKS = "0123456789*†‡§¶∗"
_LETTER, _DOUBTFUL, _PARTING, _HYPHEN = range(4)
_KINDS = np.zeros(0x10000, np.uint8)
"""What each character is; those above the last are letters like it."""
_KINDS[_SPACE] = _DOUBTFUL
_KINDS[list(_SPACES)] = _PARTING
_KINDS[list(_HYPHENS)] = _HYPHEN

_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_LIGATURE = re.compile("[ﬀ-ﬆ]")
_SMALL = 0.85
_GAP = 0.16
"""A gap of so much of a letter's height is a space: PDFium misses some where letters are placed one by one."""

_TIGHT = 0.02
"""A space that leaves less than this share of a gap is none: some programs move back over it."""


_Numbers = npt.NDArray[np.float64]


class PdfError(ValueError):
    """A PDF that gives no text; ``reason`` is the reject's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Word(NamedTuple):
    """A run of characters without a space: its ends on the base line, in points, y upwards."""

    text: str
    x0: float
    x1: float
    y: float
    size: float
    bold: bool = False
    glued: bool = False
    """Whether no space stands before it: a raised number behind a word is a word of its own."""


@dataclass(slots=True)
class PdfPage:
    """A page's words in the order of the file, turned upright."""

    width: float
    height: float
    words: list[Word] = field(default_factory=list)


@dataclass(slots=True)
class Pdf:
    """The pages read, how many there are, how many could not be read, and the document information."""

    pages: list[PdfPage]
    count: int
    unreadable: int
    info: dict[str, str]


def read_pdf(data: bytes, max_pages: int) -> Pdf:
    """Read up to ``max_pages`` pages; raises ``PdfError`` for ``encrypted`` and ``corrupt_pdf``."""
    import pypdfium2
    from pypdfium2 import raw

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        code = getattr(error, "err_code", None)
        if code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise PdfError("encrypted", "it opens with a password only") from error
        raise PdfError("corrupt_pdf", str(error)) from error
    try:
        count, ask = len(document), characters()
        pages: list[PdfPage] = []
        unreadable = 0
        for index in range(min(count, max_pages)):
            try:
                page = document[index]
            except pypdfium2.PdfiumError:
                unreadable += 1
                continue
            try:
                pages.append(_page(page, ask))
            except pypdfium2.PdfiumError:
                unreadable += 1
            finally:
                page.close()
        info = {
            name: value.strip("\0 ") for name, value in document.get_metadata_dict(skip_empty=True).items()
        }
    finally:
        document.close()
    return Pdf(pages, count, unreadable, info)


def _page(page: Any, ask: Characters) -> PdfPage:
    left, bottom, right, top = page.get_bbox()
    text = page.get_textpage()
    try:
        found = _words(ask, text.raw)
    finally:
        text.close()
    width, height = right - left, top - bottom
    if found is None:
        return PdfPage(width, height)
    inside = (left - 1 <= found.x) & (found.x <= right + 1) & (bottom - 1 <= found.y) & (found.y <= top + 1)
    main = _main_angle(found, inside)
    picked = inside & (found.angles == main)
    x, y = found.x - left, found.y - bottom
    # The end of a turned word was measured along its own base line, so that only its begin is turned.
    ends = (found.x + found.lengths) - left
    if main:
        lengths = ends - x
        x, y = _upright(x, y, main, width, height)
        ends = x + lengths
        if main in (90, 270):
            width, height = height, width
    columns = (x, ends, y, found.sizes, found.bold, found.glued)
    texts = [found.texts[at] for at in np.flatnonzero(picked).tolist()]
    rows = zip(texts, *(column[picked].tolist() for column in columns), strict=True)
    return PdfPage(width, height, list(map(Word._make, rows)))


def _main_angle(found: _Found, inside: npt.NDArray[np.bool_]) -> int:
    """Return the angle of most letters, 0 if there are none."""
    angles = found.angles[inside]
    if not len(angles) or (angles == angles[0]).all():
        return int(angles[0]) if len(angles) else 0
    letters = Counter[int]()
    for at, angle in zip(np.flatnonzero(inside).tolist(), angles.tolist(), strict=True):
        letters[angle] += len(found.texts[at])
    return max(letters, key=lambda angle: (letters[angle], angle == 0))


def _upright(x: _Numbers, y: _Numbers, angle: int, width: float, height: float) -> tuple[_Numbers, _Numbers]:
    if angle == 90:
        return y, width - x
    if angle == 180:
        return width - x, height - y
    return height - y, x


@dataclass(slots=True)
class _Found:
    """A page's words as columns. ``angles``: 0, 90, 180, 270, or -1 for any other; ``lengths`` go along them."""

    texts: list[str]
    x: _Numbers
    y: _Numbers
    lengths: _Numbers
    angles: npt.NDArray[np.int64]
    sizes: _Numbers
    bold: npt.NDArray[np.bool_]
    glued: npt.NDArray[np.bool_]


def _words(ask: Characters, page: object) -> _Found | None:
    """Cut a page's characters into words; None if there are none."""
    count = ask.open(page, PAGE_CHARS)
    codes = ask.codes(count)
    kinds = _KINDS[np.minimum(codes, 0xFFFF)]
    shown = np.flatnonzero((kinds == _LETTER) | (kinds == _HYPHEN))
    if not len(shown):
        return None
    boxes = ask.boxes(shown)
    begins = np.flatnonzero(np.concatenate(((True,), _parted(kinds, shown, boxes))))
    letters = codes[shown]
    letters[kinds[shown] == _HYPHEN] = ord("-")
    letters[letters > 0x10FFFF] = 0xFFFD
    text = letters.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    begins, glued = _without_marks(ask, text, shown, begins)
    ends = np.append(begins[1:], len(shown))
    places = shown[begins]
    scales, angles = _scales_and_angles(ask.matrices(places))
    sizes = ask.font_sizes(places) * scales
    origins = ask.origins(places)
    x, y = origins[:, 0], origins[:, 1]
    return _Found(
        _texts(text, begins.tolist(), ends.tolist()),
        x,
        y,
        _lengths(x, y, boxes[ends - 1], angles),
        angles,
        np.where(sizes < 0.1, 0.1, sizes),
        ask.font_weights(places) >= 600,
        glued,
    )


def _parted(
    kinds: npt.NDArray[np.uint8], shown: npt.NDArray[np.int64], boxes: _Numbers
) -> npt.NDArray[np.bool_]:
    """Say of each character but the first whether a word begins with it."""
    left, top, right, bottom = boxes.T
    with np.errstate(all="ignore"):
        height = (top - bottom)[1:]
        gap = left[1:] - right[:-1]
        wide = (gap > _GAP * height) & (gap < 100)
        # A space that was written and then moved back over, or is PDFium's guess: the boxes decide.
        near = (gap > -0.2 * height) & (gap < _TIGHT * height)
        near &= np.abs(np.diff(bottom)) < 0.3 * height
    doubtful = np.diff(np.cumsum(kinds == _DOUBTFUL)[shown]) > 0
    parting = np.diff(np.cumsum(kinds == _PARTING)[shown]) > 0
    after_hyphen = kinds[shown[:-1]] == _HYPHEN
    begins: npt.NDArray[np.bool_] = np.where(doubtful, ~near, wide) | parting | after_hyphen
    return begins


def _without_marks(
    ask: Characters, text: str, shown: npt.NDArray[np.int64], begins: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Make words of marks that stand in another size at a word's begin or end, and say which words are such ends."""
    starts = begins.tolist()
    runs: list[range] = []
    for begin, end in zip(starts, [*starts[1:], len(text)], strict=True):
        if end - begin > 1:
            if text[end - 1] in _MARKS:
                runs.append(range(end - 1, begin, -1))
            elif text[begin] in _MARKS:
                runs.append(range(begin, end - 1))
    # Few marks have another size than the word's other end, which is the character behind the last of a run.
    outer = _sizes(ask, shown[[run.start for run in runs]])
    inner = _sizes(ask, shown[[run.stop for run in runs]])
    raised = np.flatnonzero(outer < _SMALL * inner).tolist()
    cuts = [_border(ask, text, shown, runs[at]) for at in raised]
    glued = np.zeros(len(begins) + len(cuts), np.bool_)
    if cuts:
        begins = np.sort(np.append(begins, cuts))
        glued[np.searchsorted(begins, cuts)] = True
    return begins, glued


def _border(ask: Characters, text: str, shown: npt.NDArray[np.int64], run: range) -> int:
    """Return where the marks of a run, of which the first is one, meet text of a larger size."""
    sizes = _sizes(ask, shown[[*run, run.stop]]).tolist()
    cut = run.start
    for at, size in zip(run, sizes, strict=False):
        if text[at] not in _MARKS or size >= _SMALL * sizes[-1]:
            break
        cut = at if run.step < 0 else at + 1
    return cut


def _sizes(ask: Characters, places: npt.NDArray[np.int64]) -> _Numbers:
    scales, _ = _scales_and_angles(ask.matrices(places))
    return ask.font_sizes(places) * scales


def _scales_and_angles(matrices: _Numbers) -> tuple[_Numbers, npt.NDArray[np.int64]]:
    """Return by how much text is stretched upwards, and its angle."""
    if not len(matrices):
        return np.zeros(0), np.zeros(0, np.int64)
    turns = matrices[:, :4]
    fresh = np.concatenate(((True,), (turns[1:] != turns[:-1]).any(axis=1)))
    scales: list[float] = []
    angles: list[int] = []
    for a, b, c, d in turns[fresh].tolist():
        angle = math.degrees(math.atan2(b, a)) % 360
        quarter = round(angle / 90) % 4 * 90
        angles.append(quarter if min(abs(angle - quarter), abs(angle - 360)) < 3 else -1)
        scales.append(math.hypot(c, d) or 1.0)
    runs = np.cumsum(fresh) - 1
    return np.array(scales)[runs], np.array(angles)[runs]


def _lengths(x: _Numbers, y: _Numbers, last: _Numbers, angles: npt.NDArray[np.int64]) -> _Numbers:
    """Return how far each word reaches along its base line, from its origin and its last character's box."""
    left, top, right, bottom = last.T
    lengths = right - x
    if angles.any():
        for angle, turned in ((90, top - y), (180, x - left), (270, y - bottom)):
            lengths = np.where(angles == angle, turned, lengths)
    return np.where(lengths > 0, lengths, 0.0)


def _texts(text: str, begins: list[int], ends: list[int]) -> list[str]:
    texts = [text[begin:end] for begin, end in zip(begins, ends, strict=True)]
    return texts if text.isascii() else [word if word.isascii() else _plain(word) for word in texts]


def _plain(word: str) -> str:
    """Spell ligatures out and join surrogates."""
    word = _LIGATURE.sub(lambda match: _LIGATURES[match[0]], word)
    return word.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
