"""PDF files for tests: an article of two pages in two columns, and files that are broken or built to exhaust a reader."""

from __future__ import annotations

import zlib

from pile_curate.demo.pdf_writer import assemble, column, pdf

XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">On Ferries &amp; Fords</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>Nell Gray</rdf:li><rdf:li>Odo Brandt</rdf:li></rdf:Seq></dc:creator>
<cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/>
<xmp:CreateDate>2011-05-02T10:00:00Z</xmp:CreateDate>
</rdf:Description></rdf:RDF></x:xmpmeta>"""

LEFT = [
    "A ford is owned by no|body, and a ferry by who|ever built the boat. The law of this valley knows both cases, and it "
    "treats them alike for a reason that its commen|tators have not seen.",
    "The reason is wear. A well-worn ford is kept by the feet that use it, and a well-",
]
RIGHT = [
    "worn boat by the hands that mend it. To keep a thing is more than to hold it.",
    "Whoever keeps a crossing may ask a toll. Whoever only holds it may not, as the eel case showed.",
]


def article() -> bytes:
    """Return two pages: title across two columns, a raised note mark, a footnote, running heads, a stamp in the margin."""
    first = [(72, 740, 18, "On Ferries and Fords"), (72, 716, 10, "Nell Gray and Odo Brandt")]
    first += column(LEFT, 72, 680, 220) + column(RIGHT[:1], 320, 680, 220, indent=0)
    first += column(RIGHT[1:], 320, first[-1][1] - 12, 220)
    last = first[-1]
    from pile_curate.demo.pdf_writer import width

    first.append((last[0] + width(last[3], 10), last[1] + 4, 6, "1"))
    first += [(320, 120, 5, "1"), (324, 118, 8, "Eels are not the point of it.")]
    second = [(72, 770, 9, "Gray and Brandt"), (300, 30, 9, "2")]
    second += column(["Nothing else fol|lows from the eel case, which was about eels."], 72, 720, 468)
    second += [(72, 680, -10, "References")]
    second += column(["Gray, N. 2009. Eels. Harbour Press."], 72, 660, 468, indent=0)
    third = [(72, 770, 9, "Gray and Brandt"), (300, 30, 9, "3")]
    third += column(["Brandt, O. 2010. Tolls. Harbour Press."], 72, 720, 468, indent=0)
    return pdf([first, second, third], rotated="arXiv:0000.00000v1") + b"%" + XMP.replace(b"\n", b" ") + b"\n"


def scan() -> bytes:
    """Return a page with a grey box and no text."""
    stream = b"0.5 g 72 72 468 648 re f"
    return assemble(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        ]
    )


def locked() -> bytes:
    """Return a page that asks for a password: the standard handler with a check value that no empty password meets."""
    text = b"BT ET"
    return assemble(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
            b"<< /Filter /Standard /V 1 /R 2 /P -44 /O <%s> /U <%s> >>" % (b"5a" * 32, b"a5" * 32),
        ],
        b"/Encrypt 5 0 R /ID [<00> <00>]",
    )


def one_page(content: bytes, extra: bytes = b"", objects: tuple[bytes, ...] = ()) -> bytes:
    """Return a page with this content stream; ``objects`` are numbered from 6."""
    return assemble(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> %s >> >>" % extra,
            b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream"
            % (len(packed := zlib.compress(content, 9)), packed),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            *objects,
        ]
    )


def page_tree_loop() -> bytes:
    """Return a page tree whose node is its own child."""
    return assemble(
        [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 1000000 >>"]
    )


def deep_page_tree(depth: int) -> bytes:
    """Return one page below ``depth`` nodes."""
    nodes = [
        b"<< /Type /Pages /Kids [%d 0 R] /Count 1 %s >>" % (n + 3, b"/Parent %d 0 R" % (n + 1) if n else b"")
        for n in range(depth)
    ]
    page = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 612 792] >>" % (depth + 1)
    return assemble([b"<< /Type /Catalog /Pages 2 0 R >>", *nodes, page])


def many_pages(count: int) -> bytes:
    """Return a file whose page tree names the same page ``count`` times."""
    kids = b" ".join([b"3 0 R"] * count)
    return assemble(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count),
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>",
            b"<< /Length 44 >>\nstream\nBT /F1 10 Tf 72 700 Td (Again and again.) Tj ET \nendstream",
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ]
    )


def form_loop() -> bytes:
    """Return a page that draws a form which draws itself twice."""
    form = (
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /XObject << /X 6 0 R >> >>"
        b" /Length 12 >>\nstream\n/X Do /X Do \nendstream"
    )
    return one_page(b"/X Do", b"/XObject << /X 6 0 R >>", (form,))


def form_bomb(levels: int) -> bytes:
    """Return a page that draws a form which draws ten forms, and so on: ten to the ``levels`` drawings of one word."""
    forms = []
    for level in range(levels):
        content = b"/X Do " * 10 if level < levels - 1 else b"BT /F1 8 Tf 72 700 Td (word) Tj ET"
        resources = b"/XObject << /X %d 0 R >> /Font << /F1 5 0 R >>" % (7 + level)
        forms.append(
            b"<< /Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << %s >> /Length %d >>\nstream\n%s\nendstream"
            % (resources, len(content), content)
        )
    return one_page(b"/X Do", b"/XObject << /X 6 0 R >>", tuple(forms))


def huge_image() -> bytes:
    """Return a page with a sentence and an image that claims 60,000 by 60,000 pixels in a few kilobytes."""
    data = zlib.compress(zlib.compress(b"\0" * (1 << 20), 9), 9)
    image = (
        b"<< /Type /XObject /Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent 8 /ColorSpace /DeviceRGB"
        b" /Filter [/FlateDecode /FlateDecode] /Length %d >>\nstream\n%s\nendstream" % (len(data), data)
    )
    text = b"BT /F1 10 Tf 72 700 Td (A picture stands below this sentence.) Tj ET /I Do"
    return one_page(text, b"/XObject << /I 6 0 R >>", (image,))


def stream_bomb(size: int) -> bytes:
    """Return a page whose content unpacks to ``size`` bytes of one-letter words."""
    return one_page(b"BT /F1 1 Tf 72 700 Td " + b"(a ) Tj " * (size // 8) + b"ET")
