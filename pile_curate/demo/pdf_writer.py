"""Write small PDFs: text in Helvetica on pages, by the book (ISO 32000-1, 7.5 and 9.4), for demo and tests.

Fonts are two of the standard fourteen, which every reader brings along, so that nothing is embedded. Streams are
plain, so that the files can be read with the eye.
"""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 612, 792

# Widths of Helvetica's characters 32 to 126, in thousandths of the size (Adobe's metrics for the standard fonts).
_WIDTHS = [
    *(278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556,) * 10,
    *(278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833),
    *(722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333),
    *(556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278),
    *(556, 500, 722, 500, 500, 500, 334, 260, 334, 584),
]

Placed = tuple[float, float, float, str]
"""x, y, size and text; a negative size means bold."""


def width(text: str, size: float) -> float:
    """Return how wide a text is, in points."""
    return sum(_WIDTHS[ord(char) - 32] if 32 <= ord(char) < 127 else 556 for char in text) * size / 1000


def broken(text: str, size: float, measure: float) -> list[str]:
    """Break a text into lines of at most a width; a ``|`` in a word is where it may be divided."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        plain = word.replace("|", "")
        trial = f"{line} {plain}".lstrip()
        if width(trial, size) <= measure:
            line = trial
            continue
        head, bar, tail = word.partition("|")
        divided = f"{line} {head}-".lstrip()
        if bar and width(divided, size) <= measure:
            lines.append(divided)
            line = tail
        else:
            lines.append(line)
            line = plain
    return [*lines, line]


def column(
    paragraphs: Sequence[str], x: float, y: float, measure: float, size: float = 10, indent: float = 12
) -> list[Placed]:
    """Set paragraphs below each other from ``y`` down; the first lines are set in."""
    out: list[Placed] = []
    for paragraph in paragraphs:
        # The first line is made shorter by as much as it is set in: non-breaking blanks stand for the indent.
        lead = "~" * round(indent / width("~", size)) if indent else ""
        for number, line in enumerate(broken(lead + paragraph, size, measure)):
            shift = indent if not number else 0
            out.append((x + shift, y, size, line.lstrip("~")))
            y -= 1.2 * size
    return out


def pdf(pages: Sequence[Sequence[Placed]], info: dict[str, str] | None = None, *, rotated: str = "") -> bytes:
    """Return a PDF of pages of placed texts; ``rotated`` is set upwards in the first page's margin."""
    objects: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>"
        % (b" ".join(b"%d 0 R" % (6 + 2 * n) for n in range(len(pages))), len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        b"<< %s >>" % b" ".join(b"/%s %s" % (k.encode(), _string(v)) for k, v in (info or {}).items()),
    ]
    for number, texts in enumerate(pages):
        content = [b"BT"]
        for x, y, size, text in texts:
            font = b"/F2" if size < 0 else b"/F1"
            content.append(
                b"%s %g Tf 1 0 0 1 %g %g Tm %s Tj" % (font, abs(size), x, round(y, 2), _string(text))
            )
        if rotated and not number:
            content.append(b"/F1 18 Tf 0 1 -1 0 30 200 Tm %s Tj" % _string(rotated))
        stream = b"\n".join([*content, b"ET"])
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>" % (WIDTH, HEIGHT, 7 + 2 * number)
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    return assemble(objects, b"/Info 5 0 R")


def assemble(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """Return a file of numbered objects, the first being the catalog, with its cross-reference table."""
    out = bytearray(b"%PDF-1.4\n")
    offsets: list[int] = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R %s >>\n" % (len(objects) + 1, trailer)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def _string(text: str) -> bytes:
    """Return a literal string in WinAnsi (windows-1252)."""
    data = text.encode("cp1252", "replace")
    return b"(" + data.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)") + b")"
