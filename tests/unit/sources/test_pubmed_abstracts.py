"""PubMed: revisions, versions, deletions, abstracts in parts and in other languages, and damage."""

from __future__ import annotations

import gzip
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from pile_curate.sources.pubmed_abstracts import file_order
from pile_curate.sources.pubmed_frames import DeletionFramer, PubMedCounter
from tests.source_harness import Extracted, extract

SAMPLES = os.environ.get("PILE_CURATE_SAMPLES", "")
HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<PubmedArticleSet>\n'
END = "</PubmedArticleSet>\n"


def citation(
    pmid: int,
    text: str = "Gulls.",
    *,
    version: int = 1,
    title: str = "Title.",
    more: str = "",
    ids: str = "",
    kind: str = "",
) -> str:
    abstract = (
        f"<Abstract><AbstractText>{text}</AbstractText></Abstract>" if text and text[0] != "<" else text
    )
    kinds = f"<PublicationTypeList><PublicationType>{kind}</PublicationType></PublicationTypeList>"
    return (
        f'<PubmedArticle><MedlineCitation Status="X"><PMID Version="{version}">{pmid}</PMID><Article><ArticleTitle>{title}</ArticleTitle>'
        f'{abstract}{kinds if kind else ""}</Article>{more}<CommentsCorrectionsList><CommentsCorrections><PMID Version="1">9</PMID>'
        f"</CommentsCorrections></CommentsCorrectionsList></MedlineCitation><PubmedData><ArticleIdList>{ids}</ArticleIdList></PubmedData></PubmedArticle>\n"
    )


def deletions(*pmids: str) -> str:
    return (
        "<DeleteCitation>\n"
        + "".join(f'<PMID Version="1">{pmid}</PMID>\n' for pmid in pmids)
        + "</DeleteCitation>\n"
    )


def run(root: Path, files: dict[str, str], target: int = 1 << 28, **options: Any) -> Extracted:
    for name, body in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = (HEAD + body + END).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    result = extract("pubmed_abstracts", root, ["**/*.xml*"], options, target=target)
    assert result.records == result.tally.records
    return result


def texts(result: Extracted) -> dict[str, str]:
    return {document.key: document.text for document in result.documents}


def test_the_newest_revision_wins_whatever_folder_it_lies_in(tmp_path: Path) -> None:
    result = run(tmp_path, {
        "z/pubmed24n0002.xml.gz": citation(1, "Old."),
        "a/pubmed24n1220.xml.gz": citation(1, "New.") + citation(1, "Newest."),
        "b/pubmed24n0999.xml": citation(2, "Other."),
    })  # fmt: skip
    assert texts(result) == {"1": "Title.\n\nNewest.", "2": "Title.\n\nOther."}
    assert result.reasons == {"superseded": 2}
    assert (
        file_order("x/pubmed24n0999.xml")
        < file_order("a/pubmed24n10000.xml")
        < file_order("pubmed25n0001.xml")
    )


def test_the_highest_version_wins_over_a_later_file(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        {"pubmed24n1.xml": citation(1, "Two.", version=2), "pubmed24n2.xml": citation(1, "One.", version=1)},
    )
    assert texts(result) == {"1": "Title.\n\nTwo."} and result.documents[0].meta["version"] == 2


def test_deletions_and_what_comes_again(tmp_path: Path) -> None:
    result = run(tmp_path, {
        "pubmed24n1.xml": citation(1) + citation(2) + citation(3, version=2) + citation(3),
        "pubmed24n2.xml": deletions("1", "2", "3", "4"),
        "pubmed24n3.xml": citation(2, "Again."),
    })  # fmt: skip
    assert texts(result) == {"2": "Title.\n\nAgain.", "3": "Title.\n\nGulls."}
    assert result.reasons == {"delete_citation": 4, "deleted_citation": 1, "superseded": 2}
    assert {r.kind for r in result.rejects} == {"policy"}


def test_policies(tmp_path: Path) -> None:
    files = {
        "pubmed24n1.xml": citation(1, ids='<ArticleId IdType="pmc">PMC5</ArticleId>')
        + citation(2, "")
        + citation(3, kind="Retracted Publication")
        + citation(4, kind="Published Erratum")
    }
    result = run(tmp_path, files)
    assert list(texts(result)) == ["1"] and result.documents[0].meta["pmc"] == "PMC5"
    assert result.reasons == {"no_abstract": 1, "retracted": 1, "publication_type": 1}
    other = run(
        tmp_path,
        files,
        with_pmc="reject",
        without_abstract="keep",
        retracted="keep",
        reject_types=[],
        title=False,
    )
    assert texts(other) == {"2": "Title.", "3": "Gulls.", "4": "Gulls."} and other.reasons == {"in_pmc": 1}


def test_abstracts(tmp_path: Path) -> None:
    parts = (
        '<Abstract><AbstractText Label="AIMS:">A &lt; b, H\n   <sub>2</sub>O.</AbstractText><AbstractText Label="UNLABELLED">'
        "Then <mml:math xmlns:mml='urn:m'><mml:msup><mml:mi>x</mml:mi><mml:mn>2</mml:mn></mml:msup></mml:math>. (ABSTRACT TRUNCATED)"
        "</AbstractText><CopyrightInformation>Ours</CopyrightInformation></Abstract>"
    )
    spanish = '<OtherAbstract Type="Publisher" Language="spa"><AbstractText>Gaviotas.</AbstractText></OtherAbstract>'
    files = {
        "pubmed24n1.xml": citation(1, parts, title="[On <i>gulls</i>].", more=spanish)
        + citation(2, "", more=spanish)
    }
    result = run(tmp_path, files)
    assert texts(result) == {"1": "On gulls.\n\nAIMS: A < b, H2O.\n\nThen x².", "2": "Title.\n\nGaviotas."}
    assert result.documents[1].meta["other_abstracts"] == ["spa"]
    assert texts(run(tmp_path, files, other_abstracts="append"))["1"].endswith("Then x².\n\nGaviotas.")
    assert list(texts(run(tmp_path, files, other_abstracts="drop"))) == ["1"]


def test_books(tmp_path: Path) -> None:
    book = (
        "<PubmedBookArticle><BookDocument><PMID Version='1'>8</PMID><Book><BookTitle>Gulls</BookTitle></Book>"
        "<ArticleTitle>Wings</ArticleTitle><Abstract><AbstractText>Wide.</AbstractText></Abstract></BookDocument></PubmedBookArticle>"
    )
    result = run(tmp_path, {"x.xml": book})
    assert texts(result) == {"8": "Wings\n\nWide."} and result.documents[0].meta["journal"] == "Gulls"


def test_bad_records_cost_themselves(tmp_path: Path) -> None:
    bomb = citation(1).replace("Gulls.", "&a;" * 1000)
    body = (
        bomb
        + citation(2).replace("</Article>", "")
        + citation(3)
        + citation(4).replace(">4<", ">four<")
        + deletions("x", "9" * 9000)
    )
    result = run(tmp_path, {"pubmed24n1.xml": body})
    assert list(texts(result)) == ["3"]
    assert result.reasons == {"xml_error": 2, "no_pmid": 1, "bad_deletion": 2}
    begin = time.process_time()
    deep = citation(
        1,
        "<Abstract><AbstractText>" + "<i>" * 100_000 + "x" + "</i>" * 100_000 + "</AbstractText></Abstract>",
    )
    assert texts(run(tmp_path, {"pubmed24n1.xml": deep}))["1"].endswith("x")
    assert time.process_time() - begin < 1.5


def test_unclosed_citations_and_lists(tmp_path: Path) -> None:
    body = (
        citation(1).replace("</PubmedArticle>", "")
        + citation(2)
        + deletions("2").replace("</DeleteCitation>", "")
        + citation(3)
    )
    result = run(tmp_path, {"pubmed24n1.xml": body})
    assert list(texts(result)) == ["3"]
    assert result.reasons == {"unclosed_record": 1, "delete_citation": 1, "deleted_citation": 1}
    cut = (HEAD + citation(1) + deletions("5", "6"))[:-30].encode()
    (tmp_path / "pubmed24n1.xml").write_bytes(cut)
    again = extract("pubmed_abstracts", tmp_path, ["*.xml"])
    assert again.records == again.tally.records == 3
    assert again.reasons["corrupt_file"] == 1


def test_large_plain_files_are_cut_and_nothing_changes(tmp_path: Path) -> None:
    body = "".join(citation(i % 50, f"Gull {i}.") for i in range(200)) + deletions("7", "8")
    whole = run(tmp_path, {"pubmed24n1.xml": body})
    cut = run(tmp_path, {}, target=2000)
    assert len(cut.tally.files) > 20
    assert texts(cut) == texts(whole) and len(texts(whole)) == 48


def test_framer_and_counter_agree_on_any_cut() -> None:
    draw = random.Random(5)
    pieces = [
        b"<PubmedArticle>",
        b"<PubmedBookArticle>",
        b"<DeleteCitation>",
        b"</DeleteCitation>",
        b"<PMID",
        b">1</PMID>",
        b"x",
        b"<P",
        b"\n",
    ]
    for _ in range(300):
        data = b"".join(draw.choice(pieces) for _ in range(40))
        cuts = sorted(draw.randrange(len(data) + 1) for _ in range(draw.randrange(12)))
        counter, framer, found = PubMedCounter(), DeletionFramer(), 0
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            counter.feed(data[begin:end])
            found += sum(1 for _ in framer.feed(begin, data[begin:end]))
        found += sum(1 for _ in framer.finish())
        assert counter.close() == found + data.count(b"<PubmedArticle>") + data.count(
            b"<PubmedBookArticle>"
        ), data


@pytest.mark.skipif(not SAMPLES, reason="PILE_CURATE_SAMPLES names no folder of real dumps")
def test_a_real_record() -> None:
    result = extract("pubmed_abstracts", Path(SAMPLES) / "pubmed_abstracts", ["*.xml"])
    assert result.records == result.tally.records == len(result.documents) == 1
    (document,) = result.documents
    assert (
        document.text.count("\n\n") == 4
        and "β2-agonist" in document.text
        and len(document.meta["authors"]) > 3
    )
