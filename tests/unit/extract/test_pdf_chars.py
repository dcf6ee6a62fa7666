"""Test asking PDFium in bulk: the same answers as one call a character gives, over several chunks and odd characters."""

from __future__ import annotations

import ctypes

import numpy as np
import pypdfium2
import pytest
from pypdfium2 import raw

from pile_curate.extract.pdf_chars import CHUNK, characters
from tests import pdf_files

LINES = b"".join(
    b"BT /F1 %d Tf %d 0 0 1 %d %d Tm (Line %d of a page that is longer than a chunk.) Tj ET\n"
    % (8 + n % 3, 1 + n % 2, 20 + n, 780 - 6 * n, n)
    for n in range(120)
)
CONTROLS = b"BT /F1 10 Tf 72 700 Td (a\\002b\\003 c\\223d\\255) Tj 0 -12 Td (con-) Tj 0 -12 Td (tent) Tj ET"


@pytest.mark.parametrize("content", [LINES, CONTROLS, b""], ids=["chunks", "controls", "empty"])
def test_the_same_as_one_by_one(content):
    document = pypdfium2.PdfDocument(pdf_files.one_page(content))
    page = document[0]
    text = page.get_textpage()
    handle = text.raw
    ask = characters()
    count = ask.open(handle, 100_000)
    assert count == raw.FPDFText_CountChars(handle) and (count > 2 * CHUNK) == (content is LINES)
    codes = [raw.FPDFText_GetUnicode(handle, at) for at in range(count)]
    assert [2 if code == 0xFFFE else code for code in ask.codes(count).tolist()] == codes
    box, matrix, x, y = raw.FS_RECTF(), raw.FS_MATRIX(), ctypes.c_double(), ctypes.c_double()
    places = np.arange(count)[::-1].copy()
    found = (ask.boxes(places), ask.matrices(places), ask.origins(places))
    sizes, weights = ask.font_sizes(places), ask.font_weights(places)
    for row, at in enumerate(places.tolist()):
        raw.FPDFText_GetLooseCharBox(handle, at, box)
        raw.FPDFText_GetMatrix(handle, at, matrix)
        raw.FPDFText_GetCharOrigin(handle, at, x, y)
        assert found[0][row].tolist() == [box.left, box.top, box.right, box.bottom]
        assert found[1][row].tolist() == [getattr(matrix, name) for name in "abcdef"]
        assert found[2][row].tolist() == [x.value, y.value]
        assert sizes[row] == raw.FPDFText_GetFontSize(handle, at)
        assert weights[row] == raw.FPDFText_GetFontWeight(handle, at)
    assert ask.open(handle, 3) == min(3, count) and len(ask.codes(min(3, count))) == min(3, count)
    text.close()
    page.close()
    document.close()
