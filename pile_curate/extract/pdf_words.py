"""Read the words of a PDF with their places, by PDFium (ISO 32000).

PDFium turns fonts and encodings into Unicode and says where each character stands; it does no layout, and of the
spaces that are not written but left it misses some. So every character's box is asked for, and size, angle and
weight once a word: about 6 ms a page, most of it calls from Python.

Text set at another angle than most of its page (stamps in the margin, labels of axes) is left out, and so is what
lies outside the page's box. Invisible text, as OCR lays it under a scan, is text like any other.

PDFium is native code reading untrusted bytes: call this in a guarded child only.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from dataclasses import dataclass, field

PAGE_CHARS = 400_000
"""Characters of one page that are read; a full broadsheet page has 60,000."""

_SPACES = frozenset((0x20, 0xA0, 0x0D, 0x0A, 0x09, 0x00, 0x3000, *range(0x2000, 0x200C)))
_HYPHENS = frozenset((0x02, 0xFFFE, 0xAD))
"""PDFium's mark for a hyphen at a line's end, and the soft hyphen."""

_MARKS = "0123456789*†‡§¶∗"
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_LIGATURE = re.compile("[ﬀ-ﬆ]")
_SMALL = 0.85
_GAP = 0.16
"""A gap of so much of a letter's height is a space: PDFium misses some where letters are placed one by one."""

_TIGHT = 0.02
"""A space that leaves less than this share of a gap is none: some programs move back over it."""


class PdfError(ValueError):
    """A PDF that gives no text; ``reason`` is the reject's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(slots=True)
class Word:
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
        count = len(document)
        pages: list[PdfPage] = []
        unreadable = 0
        for index in range(min(count, max_pages)):
            try:
                page = document[index]
            except pypdfium2.PdfiumError:
                unreadable += 1
                continue
            try:
                pages.append(_page(page))
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


def _page(page: object) -> PdfPage:
    left, bottom, right, top = page.get_bbox()  # type: ignore[attr-defined]
    text = page.get_textpage()  # type: ignore[attr-defined]
    try:
        found = _Reader(text.raw).words()
    finally:
        text.close()
    inside = [
        (angle, word)
        for angle, word in found
        if left - 1 <= word.x0 <= right + 1 and bottom - 1 <= word.y <= top + 1
    ]
    width, height = right - left, top - bottom
    angles = Counter[int]()
    for angle, word in inside:
        angles[angle] += len(word.text)
    main = max(angles, key=lambda angle: (angles[angle], angle == 0)) if angles else 0
    words = [word for angle, word in inside if angle == main]
    for word in words:
        word.x0, word.x1, word.y = word.x0 - left, word.x1 - left, word.y - bottom
    if main:
        # ``x1`` of a turned word was measured along its own base line, so that only its begin is turned.
        for word in words:
            length = word.x1 - word.x0
            x, y = _upright(word.x0, word.y, main, width, height)
            word.x0, word.x1, word.y = x, x + length, y
        if main in (90, 270):
            width, height = height, width
    return PdfPage(width, height, words)


def _upright(x: float, y: float, angle: int, width: float, height: float) -> tuple[float, float]:
    if angle == 90:
        return y, width - x
    if angle == 180:
        return width - x, height - y
    return height - y, x


class _Reader:
    """Ask PDFium about one page's text."""

    def __init__(self, handle: object) -> None:
        from pypdfium2 import raw

        self._raw, self._page = raw, handle
        self._matrix, self._box = raw.FS_MATRIX(), raw.FS_RECTF()
        self._x, self._y = ctypes.c_double(), ctypes.c_double()

    def words(self) -> list[tuple[int, Word]]:
        """Return each word with its angle: 0, 90, 180, 270, or -1 for any other."""
        count = min(self._raw.FPDFText_CountChars(self._page), PAGE_CHARS)
        unicode, box_of, page, box = (
            self._raw.FPDFText_GetUnicode,
            self._raw.FPDFText_GetLooseCharBox,
            self._page,
            self._box,
        )
        found: list[tuple[int, Word]] = []
        chars: list[str] = []
        places: list[int] = []
        end = low = 0.0
        doubtful = False

        def close() -> None:
            self._run(chars, places, found)
            chars.clear()
            places.clear()

        for at in range(count):
            code = unicode(page, at)
            if code in _SPACES:
                if code == 0x20 and chars:
                    doubtful = True  # written and then moved back over, or PDFium's guess: the boxes decide
                elif chars:
                    close()
                continue
            box_of(page, at, box)
            left, height = box.left, box.top - box.bottom
            if chars:
                gap = left - end
                if doubtful:
                    parted = not (
                        -0.2 * height < gap < _TIGHT * height and abs(box.bottom - low) < 0.3 * height
                    )
                else:
                    parted = _GAP * height < gap < 100
                if parted:
                    close()
                    box_of(page, at, box)
            doubtful = False
            end, low = box.right, box.bottom
            places.append(at)
            if code in _HYPHENS:
                chars.append("-")
                close()
            else:
                chars.append(chr(code) if code < 0x110000 else "\ufffd")
        if chars:
            close()
        return found

    def _run(self, chars: list[str], places: list[int], found: list[tuple[int, Word]]) -> None:
        """Add a run as one word, or as two where a mark of another size stands at one of its ends."""
        cut = 0
        if len(chars) > 1:
            if chars[-1] in _MARKS:
                cut = self._border(chars, places, range(len(chars) - 1, 0, -1))
            elif chars[0] in _MARKS:
                cut = self._border(chars, places, range(len(chars) - 1))
        if cut:
            self._word(places[0], places[cut - 1], chars[:cut], found, glued=False)
            self._word(places[cut], places[-1], chars[cut:], found, glued=True)
        else:
            self._word(places[0], places[-1], chars, found, glued=False)

    def _border(self, chars: list[str], places: list[int], marks: range) -> int:
        """Return where the marks at one end meet text of a larger size, 0 if they do not."""
        back = marks.step < 0
        other = self._size(places[0] if back else places[-1])
        cut = 0
        for at in marks:
            if chars[at] not in _MARKS or self._size(places[at]) >= _SMALL * other:
                break
            cut = at if back else at + 1
        return cut

    def _size(self, at: int) -> float:
        self._raw.FPDFText_GetMatrix(self._page, at, self._matrix)
        scale = math.hypot(self._matrix.c, self._matrix.d)
        return float(self._raw.FPDFText_GetFontSize(self._page, at) * (scale or 1.0))

    def _word(
        self, begin: int, last: int, chars: list[str], found: list[tuple[int, Word]], *, glued: bool
    ) -> None:
        size = self._size(begin)
        matrix = self._matrix
        angle = math.degrees(math.atan2(matrix.b, matrix.a)) % 360
        quarter = round(angle / 90) % 4 * 90
        turned = quarter if min(abs(angle - quarter), abs(angle - 360)) < 3 else -1
        self._raw.FPDFText_GetCharOrigin(self._page, begin, self._x, self._y)
        self._raw.FPDFText_GetLooseCharBox(self._page, last, self._box)
        x, y, box = self._x.value, self._y.value, self._box
        if turned == 90:
            length = box.top - y
        elif turned == 180:
            length = x - box.left
        elif turned == 270:
            length = y - box.bottom
        else:
            length = box.right - x
        text = "".join(chars)
        if not text.isascii():
            text = _LIGATURE.sub(lambda match: _LIGATURES[match[0]], text)
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        bold = self._raw.FPDFText_GetFontWeight(self._page, begin) >= 600
        found.append((turned, Word(text, x, x + max(0.0, length), y, max(size, 0.1), bold, glued)))
