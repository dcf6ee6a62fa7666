"""US patents: documents out of weekly files, options, keys, and damage."""

from __future__ import annotations

import gzip
import io
import os
import tracemalloc
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pile_curate.files import Tally
from pile_curate.sources import SOURCES
from pile_curate.sources.patent_frames import PatentCounter, PatentFramer
from pile_curate.sources.uspto import UsptoOptions
from tests.source_harness import Extracted, extract

SAMPLES = os.environ.get("PILE_CURATE_SAMPLES", "")


def aps(number: int, text: str = "Something was known.", heading: str = "BACKGROUND") -> str:
    return (
        f"PATN\nWKU  0{number}1\nTTL  Thing {number}\nISD  19800101\nABST\nPAL  An abstract.\nBSUM\nPAC  {heading}\n"
        f"PAR  {text}\nPAC  SUMMARY\nPAR  It is new.\nCLMS\nNUM  1.\nPAR  1. A thing.\n"
    )


def grant(number: int, text: str = "Something was known.", kind: str = "B2") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE us-patent-grant SYSTEM "x.dtd" [ ]>\n<us-patent-grant lang="EN">'
        "<us-bibliographic-data-grant><publication-reference><document-id><country>US</country>"
        f"<doc-number>0{number}</doc-number><kind>{kind}</kind><date>20100105</date></document-id></publication-reference>"
        f"<invention-title>Thing</invention-title></us-bibliographic-data-grant><description>"
        f'<?BRFSUM end="lead"?><heading>BACKGROUND</heading><p>{text}</p><heading>SUMMARY</heading><p>It is new.</p>'
        '<?BRFSUM end="tail"?></description><claims><claim><claim-text>1. A thing.</claim-text></claim></claims></us-patent-grant>\n'
    )


def run(root: Path, target: int = 256 << 20, **options: Any) -> Extracted:
    result = extract("uspto", root, options=options, target=target)
    assert result.records == result.tally.records
    return result


def test_the_key_is_the_number_in_every_layout(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text(aps(6167001))
    (tmp_path / "new.xml").write_text(grant(6167001, kind="B1"))
    old, new = sorted(run(tmp_path).documents, key=lambda d: d.rel, reverse=True)
    assert old.key == new.key == "US6167001"
    assert (old.meta["kind"], old.meta["layout"], new.meta["kind"], new.meta["layout"]) == (
        "A",
        "aps",
        "B1",
        "grant-v4",
    )
    assert new.url == "https://patents.google.com/patent/US6167001B1/en"


def test_options_choose_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(aps(4000001) + aps(4000002, heading="GENERAL"))
    assert [d.text for d in run(tmp_path).documents] == ["Something was known."]
    assert run(tmp_path).reasons == {"no_background": 1}
    both = run(tmp_path, fallback="summary").documents
    assert [d.meta["part"] for d in both] == ["background", "summary"]
    assert both[1].text == "GENERAL\n\nSomething was known.\n\nSUMMARY\n\nIt is new."
    assert run(tmp_path, text="full").documents[0].text == (
        "Thing 4000001\n\nAn abstract.\n\nBACKGROUND\n\nSomething was known.\n\nSUMMARY\n\nIt is new.\n\nClaims\n\n1. A thing."
    )
    (tmp_path / "a.txt").write_text("PATN\nWKU  D02400011\nTTL  Chair\nDCLM\nPAR  The design as shown.\n")
    assert run(tmp_path, text="summary").reasons == {"no_summary": 1}
    assert run(tmp_path, text="full").documents[0].meta["type"] == "design"


@pytest.mark.parametrize("make", [aps, grant])
def test_large_files_are_cut_and_nothing_changes(tmp_path: Path, make: Any) -> None:
    body = "".join(make(7000001 + n, f"Number {n}.") for n in range(60))
    (tmp_path / "week.xml").write_text(body)
    (tmp_path / "week.xml.gz").write_bytes(gzip.compress(body.encode()))
    whole, cut = run(tmp_path), run(tmp_path, target=1000)
    facts = [sorted((d.rel, d.record, d.key, d.text) for d in r.documents) for r in (whole, cut)]
    assert facts[0] == facts[1] and len(facts[0]) == 120
    assert len(cut.tally.files) > 10


def test_a_zip_is_streamed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ipg100105.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ipg100105lst.txt", "07000001")
        archive.writestr("ipg100105.xml", "".join(grant(7000001 + n, "word " * 400) for n in range(3000)))
        archive.writestr("inner.zip", "PK")
    fmt, options = SOURCES["uspto"], UsptoOptions()
    (split,) = fmt.splits(fmt.discover(str(tmp_path), ["."], options), options)
    tally = Tally()
    tracemalloc.start()
    found = Counter(type(framed).__name__ for framed in fmt.frames(split, options, tally))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == {"Raw": 3000, "Reject": 2} and tally.records == 3000
    assert tally.text_bytes > 7_000_000 and peak < 4 << 20


def test_damage_costs_what_it_touches(tmp_path: Path) -> None:
    body = (
        grant(7000001)
        + grant(7000002).replace("</us-patent-grant>", "")
        + grant(7000003)
        + grant(7000004)[:-40]
    )
    (tmp_path / "week.xml").write_text(body)
    result = run(tmp_path)
    assert result.keys() == ["US7000001", "US7000003"]
    assert result.reasons == {"unclosed_record": 1, "truncated_record": 1}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("week.xml", "".join(grant(7000001 + n, f"{n * n} " * 50) for n in range(50)))
    (tmp_path / "week.xml").unlink()
    (tmp_path / "week.zip").write_bytes(packed.getvalue()[: len(packed.getvalue()) // 2])
    result = run(tmp_path)
    assert 5 < len(result.documents) < 35 and result.reasons == {"truncated_record": 1, "corrupt_file": 1}


def test_what_is_no_dump_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<html>nothing</html>")
    (tmp_path / "b.zip").write_bytes(b"no zip")
    (tmp_path / "c.txt").write_bytes(b"")
    (tmp_path / "d.txt").write_text(aps(4000001, "x" * 5000))
    result = run(tmp_path, max_record_bytes=2000)
    assert result.reasons == {"no_documents": 1, "corrupt_file": 1, "empty_file": 1, "record_too_large": 1}
    assert {r.kind for r in result.rejects} == {"error"}


def test_bad_documents_are_rejected_with_reasons(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(
        grant(0).replace("<doc-number>00</doc-number>", "")
        + "<us-patent-grant>"
        + "</x>" * 300
        + "</us-patent-grant>"
    )
    assert run(tmp_path).reasons == {"no_number": 1, "bad_markup": 1}


def test_a_sequence_listing_is_passed_over_without_being_held() -> None:
    framer, counter, sizes, largest = PatentFramer(1 << 20), PatentCounter(), [], 0
    piece = b"<!DOCTYPE sequence-cwu [ ]>" + b"acgt " * 50_000
    for at in range(40):
        data = piece if at == 0 else b"acgt " * 50_000
        counter.feed(data)
        sizes += [p.size for p in framer.feed(at * 250_000, data)]
        largest = max(largest, len(framer._buffer))
    sizes += [p.size for p in framer.finish(whole=False)]
    assert len(sizes) == counter.count == 1 and sizes[0] > 9_000_000 and largest < 600_000


@pytest.mark.skipif(not SAMPLES, reason="PILE_CURATE_SAMPLES is not set")
def test_real_patents() -> None:
    result = run(Path(SAMPLES) / "uspto")
    assert len(result.documents) == 11 and result.reasons == {"no_background": 1}
    assert {d.meta["layout"] for d in result.documents} == {
        "aps",
        "st32-xml",
        "pap",
        "grant-v4",
        "application-v4",
    }
    assert all(
        d.meta["date"] and d.meta["authors"] and d.meta["ipc"] and len(d.text) > 600 for d in result.documents
    )
    assert all(d.text.count("<") < 5 and ".sub." not in d.text for d in result.documents)
