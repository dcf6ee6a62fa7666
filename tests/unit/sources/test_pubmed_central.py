"""PubMed Central: keys, kinds and licences of articles, packages, and articles that are no articles."""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from pile_curate.sources.base import Document, Outcome, Raw, Reject
from pile_curate.sources.pubmed_central import PubMedCentralOptions, PubMedCentralSource
from tests.source_harness import extract

FORMAT = PubMedCentralSource()
SAMPLES = os.environ.get("PILE_CURATE_SAMPLES", "")
BODY = "<body><p>Gulls sit on the weir.</p></body>"


def article(
    ids: str = "<article-id pub-id-type='pmc'>7</article-id>",
    body: str = BODY,
    meta: str = "",
    kind: str = "research-article",
) -> bytes:
    title = "<title-group><article-title>Gulls</article-title></title-group>"
    return f"<article article-type='{kind}'><front><article-meta>{ids}{title}{meta}</article-meta></front>{body}</article>".encode()


def parse(data: bytes, **options: Any) -> Outcome:
    (outcome,) = FORMAT.parse(
        Raw("a.xml", 0, data, {"key": "a.xml", "name": "a.xml"}), PubMedCentralOptions(**options)
    )
    assert outcome.records == 1
    return outcome


def document(data: bytes, **options: Any) -> Document:
    outcome = parse(data, **options)
    assert isinstance(outcome, Document), outcome
    return outcome


def reject(data: bytes, **options: Any) -> Reject:
    outcome = parse(data, **options)
    assert isinstance(outcome, Reject), outcome
    return outcome


def package(files: dict[str, bytes | None]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            if body is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            info.size = len(body or b"")
            archive.addfile(info, io.BytesIO(body or b""))
    return buffer.getvalue()


def test_the_key_is_the_best_number_there_is() -> None:
    assert document(article()).key == "PMC7"
    assert document(article("<article-id pub-id-type='doi'>10.1000/a</article-id>")).key == "doi:10.1000/a"
    assert document(article("<article-id pub-id-type='pmid'>5</article-id>")).key == "pmid:5"
    assert document(article("<article-id pub-id-type='pmc'>x</article-id>")).key == "a.xml"


def test_kinds_of_articles() -> None:
    assert reject(article(kind="retraction")).reason == "article_type"
    assert document(article(kind="retraction"), reject_types=[]).meta["article_type"] == "retraction"
    assert reject(article(kind="case-report"), reject_types=["case-report"]).kind == "policy"
    related = "<related-article related-article-type='retraction-forward'/>"
    assert reject(article(meta=related)).reason == "retracted"
    assert document(article(meta=related), retracted="keep").key == "PMC7"


def test_articles_without_text() -> None:
    summary = "<abstract><p>Short.</p></abstract>"
    assert reject(article(body="", meta=summary)).reason == "no_body"
    assert document(article(body="", meta=summary), without_body="keep").text == "Gulls\n\nAbstract\n\nShort."
    assert reject(article(body="<body><sec><title>Only</title></sec></body>")).reason == "no_body"
    assert reject(article(body=""), without_body="keep").reason == "no_text"


def test_abstracts_that_are_no_prose_are_left_out() -> None:
    meta = (
        "<abstract><p>Main.</p></abstract><abstract abstract-type='graphical'><p>Picture.</p></abstract>"
        "<abstract abstract-type='summary'><title>Author Summary</title><p>Plain.</p></abstract>"
        "<trans-abstract xml:lang='fr'><p>Autre.</p></trans-abstract>"
    )
    assert document(article(meta=meta)).text == (
        "Gulls\n\nAbstract\n\nMain.\n\nAuthor Summary\n\nPlain.\n\nGulls sit on the weir."
    )


def test_appendices_stay_and_floats_are_captions() -> None:
    body = BODY + (
        "<back><app-group><app><title>Appendix A</title><p>More gulls.</p></app></app-group><sec><title>Data</title><p>Here.</p></sec>"
        "<ack><title>Thanks</title><p>To you.</p></ack></back><floats-group><fig><caption><p>A gull.</p></caption></fig></floats-group>"
    )
    assert document(article(body=body)).text == "Gulls\n\nGulls sit on the weir.\n\nAppendix A\n\nMore gulls."
    whole = document(article(body=body), back_matter=True, captions=True).text
    assert whole.endswith("Data\n\nHere.\n\nThanks\n\nTo you.\n\nA gull.")


def test_what_is_no_article_is_an_error() -> None:
    assert reject(b"<html><body>Not found</body></html>").reason == "not_jats"
    assert reject(b"\x00\x01\x02").reason == "xml_error"
    assert reject(article()[:-12]).reason == "xml_error"
    assert (
        reject(b'<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + article()).reason == "xml_entities"
    )
    assert reject(b"\x1f\x8b\x08rubbish").reason == "corrupt"
    assert reject(gzip.compress(b" " * 100_000), max_file_bytes=2000).reason == "record_too_large"
    assert document(gzip.compress(article())).key == "PMC7"


def test_deep_and_wide_articles_cost_little() -> None:
    for inner in (
        "<sec>" * 50_000 + "</sec>" * 50_000,
        "<p>" + "<italic/>" * 100_000 + "</p>",
        "<p>" + "&alpha;" * 50_000 + "</p>",
    ):
        begin = time.process_time()
        parse(article(body=f"<body>{inner}</body>"))
        assert time.process_time() - begin < 1.5


def test_packages(tmp_path: Path) -> None:
    files: dict[str, bytes | None] = {
        "PMC7/a.nxml": article(),
        "../../evil.xml": article("<article-id pub-id-type='pmc'>8</article-id>"),
        "PMC7/link.xml": None,
        "PMC7/inner.tar.gz": package({"b.xml": article()}),
        "PMC7/figure.jpg": b"\xff\xd8",
        "PMC7/empty.xml": b"",
    }
    (tmp_path / "PMC7.tar.gz").write_bytes(package(files))
    result = extract("pubmed_central", tmp_path, ["*"])
    assert result.records == result.tally.records == 6
    assert result.keys() == ["PMC7"]
    assert result.reasons == {"unsafe_path": 1, "symlink": 1, "not_an_article": 2, "empty_member": 1}
    (tmp_path / "PMC7.tar.gz").write_bytes(package(files)[:-200])
    again = extract("pubmed_central", tmp_path, ["*"])
    assert again.records == again.tally.records and again.reasons["corrupt_file"] == 1


def test_sets_of_articles_are_cut(tmp_path: Path) -> None:
    inner = b"".join(article(f"<article-id pub-id-type='pmc'>{i}</article-id>") for i in range(1, 4))
    broken = article().replace(b"</front>", b"")
    europe = b"<?xml version='1.0'?>\n<articles>" + inner + broken + article("") + b"</articles>"
    (tmp_path / "PMC1_PMC3.xml.gz").write_bytes(gzip.compress(europe))
    (tmp_path / "efetch.xml").write_bytes(
        b"<pmc-articleset>" + article("<article-id pub-id-type='pmc'>9</article-id>") + b"</pmc-articleset>"
    )
    result = extract("pubmed_central", tmp_path, ["*"])
    assert result.records == result.tally.records == 6
    assert result.keys() == [
        "PMC1",
        "PMC2",
        "PMC3",
        f"PMC1_PMC3.xml.gz#{europe.rindex(b'<article ')}",
        "PMC9",
    ]
    assert result.reasons == {"xml_error": 1}
    for cut in (300, 900):
        (tmp_path / "PMC1_PMC3.xml.gz").write_bytes(gzip.compress(europe[:cut]))
        again = extract("pubmed_central", tmp_path, ["*.gz"])
        assert again.records == again.tally.records and again.reasons["corrupt_file"] == 1
    assert reject(b"<pmc-articleset>" + inner + b"</pmc-articleset>").reason == "article_set"


@pytest.mark.skipif(not SAMPLES, reason="PILE_CURATE_SAMPLES names no folder of real dumps")
def test_real_articles() -> None:
    result = extract("pubmed_central", Path(SAMPLES) / "pubmed_central", ["*.nxml"])
    assert not result.rejects and result.records == result.tally.records == len(result.documents)
    for found in result.documents:
        assert found.key.startswith("PMC") and found.meta["authors"] and found.meta["date"]
        assert not re.search(
            r"</?[a-z]|&[a-z]+;| [,;]| \.(?!\.)|\( |\[\]|\(\)|(?<!\.)\.\.(?!\.)|[\x00-\x08]", found.text
        )
        assert len(found.text.split()) > 1500
