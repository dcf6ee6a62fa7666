"""Test the PDF source: what is refused and why, archives, options, and files built to exhaust a reader, in the guard."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from pile_curate.clean import PRESETS
from pile_curate.demo.pdf_writer import column, pdf
from pile_curate.guard import Guard, GuardFailure
from pile_curate.sources.base import Document, Raw, Reject
from pile_curate.sources.pdf import PdfOptions, PdfSource
from pile_curate.sources.work import WorkConfig
from tests import pdf_files
from tests.source_harness import Extracted, extract

TEXT = "A page with a sentence that is long enough to be taken for a text layer."
PAGE = pdf([column([TEXT], 72, 700, 468)])


def run(tmp_path, data: bytes, name: str = "a.pdf", **options: object) -> Extracted:
    (tmp_path / name).write_bytes(data)
    result = extract("pdf", tmp_path, [name], options)
    assert result.records == result.tally.records
    return result


def test_a_file_is_a_document(tmp_path):
    (document,) = run(tmp_path, PAGE).documents
    assert (document.key, document.text, document.meta["pages"]) == ("a.pdf", TEXT, 1)
    assert run(tmp_path, gzip.compress(PAGE), "b.pdf.gz").documents[0].text == TEXT
    assert run(tmp_path, b"junk before\n" + PAGE, "c.pdf").documents[0].text == TEXT


@pytest.mark.parametrize(
    ("data", "reason", "kind"),
    [
        (b"", "empty_file", "error"),
        (b"plain text", "not_pdf", "error"),
        (b"%PDF-1.7\n" + b"\0" * 5000, "corrupt_pdf", "error"),
        (PAGE[:300], "corrupt_pdf", "error"),
        (pdf_files.scan(), "no_text_layer", "policy"),
        (pdf_files.locked(), "encrypted", "policy"),
        (pdf([[(72, 700, 10, "5")]]), "no_text_layer", "policy"),
        (pdf([[(72, 700, 10, "the same head on each page")]] * 3), "no_text", "policy"),
        (pdf_files.page_tree_loop(), "corrupt_pdf", "error"),
    ],
)
def test_refusals(tmp_path, data, reason, kind):
    (reject,) = run(tmp_path, data).rejects
    assert (reject.reason, reject.kind) == (reason, kind)


def test_fonts_without_a_meaning(tmp_path):
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    broken = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1 1] /FontMatrix [1 0 0 1 0 0] /CharProcs << >> /FirstChar 1"
        b" /LastChar 3 /Widths [1 1 1] /Encoding << /Type /Encoding /Differences [1 /g1 /g2 /g3] >> >>"
    )
    data = pdf_files.one_page(b"BT /F1 10 Tf 72 700 Td (" + b"\1\2\3" * 30 + b") Tj ET").replace(font, broken)
    assert run(tmp_path, data).rejects[0].reason in ("garbled_text", "no_text_layer")


def test_the_invisible_text_of_ocr_is_read(tmp_path):
    data = pdf_files.one_page(b"BT /F1 10 Tf 3 Tr 72 700 Td (Words that lie unseen upon the scan.) Tj ET")
    assert run(tmp_path, data).documents[0].text == "Words that lie unseen upon the scan."


def test_the_size_limit(tmp_path):
    assert run(tmp_path, PAGE + b"%" * 3000, max_file_bytes=2000).reasons == {"record_too_large": 1}
    assert run(tmp_path, gzip.compress(PAGE + b"%" * 3000), "a.pdf.gz", max_file_bytes=2000).reasons == {
        "record_too_large": 1
    }


def test_an_archive(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name in ("x/Ü 1.PDF", "x/noext", "../evil.pdf", "x/cover.jpg"):
            out.writestr(name, PAGE)
        out.writestr("x/packed.pdf.gz", gzip.compress(PAGE))
        out.writestr("x/inner.zip", b"PK")
    result = run(tmp_path, buffer.getvalue(), "all.zip")
    assert result.reasons == {"unsafe_path": 1, "not_pdf": 2}
    assert result.keys() == ["all.zip!x/Ü 1.PDF", "all.zip!x/noext", "all.zip!x/packed.pdf.gz"]


def test_options(tmp_path):
    data = pdf_files.article()
    everything = run(tmp_path, data).documents[0]
    assert (
        "[1] Eels" in everything.text and everything.licence == "CC-BY-4.0" and "arXiv" not in everything.text
    )
    less = run(tmp_path, data, footnotes="drop", references="drop").documents[0].text
    assert (
        "Eels are" not in less
        and "[1]" not in less
        and "References" not in less
        and "Harbour Press" not in less
    )
    one = run(tmp_path, data, max_pages=1).documents[0]
    assert one.meta["pages_left_out"] == 2 and "Nothing else" not in one.text


HOSTILE = {
    "a page tree of 20,000 levels": (pdf_files.deep_page_tree(20_000), {"corrupt_pdf"}),
    "the same page 200,000 times": (pdf_files.many_pages(200_000), {"no_text"}),
    "an image of 60,000 x 60,000": (pdf_files.huge_image(), {""}),
    "forms that draw forms": (pdf_files.form_bomb(8), {"guard_cpu", "guard_memory", "guard_crash"}),
    "content of 40 MB": (pdf_files.stream_bomb(40_000_000), {"guard_cpu", "guard_memory", "guard_crash"}),
    "after all of them": (PAGE, {""}),
}


def test_hostile_files_end_in_the_guard():
    """One child, small limits: whatever kills it costs its own file and no other."""
    config = WorkConfig("pdf", PdfOptions(max_pages=100), PRESETS["prose"])
    items = [Raw(name, 0, data, {"key": name}) for name, (data, _) in HOSTILE.items()]
    seen = {}
    with Guard(
        "pile_curate.sources.work:parse_record", config, cpu_seconds=0.1, memory_bytes=128 << 20
    ) as guard:
        for item, result in guard.map(items):
            outcome = result if isinstance(result, GuardFailure) else result[0]
            seen[item.rel] = "" if isinstance(outcome, Document) else outcome.reason
    for name, (_, reasons) in HOSTILE.items():
        assert seen[name] in reasons, f"{name}: {seen[name]}"


def test_parse_is_a_function_of_bytes():
    raw = Raw("a.pdf", 0, PAGE, {"key": "a.pdf"})
    first, second = PdfSource().parse(raw, PdfOptions()), PdfSource().parse(raw, PdfOptions())
    assert first == second and not isinstance(first[0], Reject)
