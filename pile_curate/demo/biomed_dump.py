"""Turn the demo's invented studies into the raw formats of biomedicine: JATS, PubMed XML, and ExPORTER's CSV."""

from __future__ import annotations

import csv
import gzip
import io
import re
import tarfile
import zipfile
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pile_curate.demo.dumps import load

_CITED = re.compile(r" \[([0-9]+(?:,[0-9]+)*)\]")


def dumps() -> dict[str, bytes]:
    """Return relative path to bytes; each component has a record that is broken on purpose."""
    data = load("biomed.yaml")
    articles = {f"PMC{one['pmc']}": _article(one).encode("utf-8") for one in data["articles"]}
    first, *rest = articles.items()
    broken = rest[-1][1].replace(b"</sec>", b"", 1)
    packed = {f"PMC000xxxxxx/{name}.xml": body for name, body in rest}
    return {
        f"pubmed_central/{first[0]}.nxml": first[1],
        "pubmed_central/oa_comm_xml.PMC000xxxxxx.baseline.tar.gz": _tar(
            {**packed, "PMC000xxxxxx/PMC900199.xml": broken}
        ),
        **_pubmed(data),
        **_exporter(data["projects"]),
    }


def _article(one: dict[str, Any]) -> str:
    """Write one article as JATS; ``[1,2]`` in a text becomes cross references to a list of references."""
    parts = [
        f"<sec><title>{escape(label)}</title><p>{escape(text)}</p></sec>"
        for label, text in one["abstract"].items()
    ]
    body = []
    for section in one["sections"]:
        paragraphs = [f"<p>{_CITED.sub(_references, escape(text))}</p>" for text in section["paragraphs"]]
        if "formula" in section:
            formula = f"<tex-math>{escape(section['formula'])}</tex-math>"
            paragraphs.insert(1, f"<disp-formula>{formula}</disp-formula>")
        body.append(f"<sec><title>{escape(section['title'])}</title>{''.join(paragraphs)}</sec>")
    refs = "".join(
        f'<ref id="r{n}"><mixed-citation>An invented reference, number {n}.</mixed-citation></ref>'
        for n in (1, 2, 3)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="{one.get("type", "research-article")}">'
        "<front><journal-meta><journal-title-group><journal-title>Journal of Invented Studies</journal-title>"
        f'</journal-title-group></journal-meta><article-meta><article-id pub-id-type="pmc">{one["pmc"]}</article-id>'
        f"<title-group><article-title>{escape(one['title'])}</article-title></title-group>"
        '<pub-date pub-type="epub"><year>2024</year></pub-date>'
        f"<permissions><license xlink:href={quoteattr(one['licence'])}/></permissions>"
        f"<abstract>{''.join(parts)}</abstract></article-meta></front><body>{''.join(body)}</body>"
        f"<back><ack><p>We thank the readers of this demonstration.</p></ack><ref-list>{refs}</ref-list></back></article>\n"
    )


def _references(found: re.Match[str]) -> str:
    numbers = (f'<xref ref-type="bibr" rid="r{n}">{n}</xref>' for n in found[1].split(","))
    return f" [{','.join(numbers)}]"


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _pubmed(data: dict[str, Any]) -> dict[str, bytes]:
    head = '<?xml version="1.0" encoding="utf-8"?>\n<PubmedArticleSet>\n'
    deleted = "".join(f'<PMID Version="1">{pmid}</PMID>\n' for pmid in data["deleted"])
    broken = "<PubmedArticle><MedlineCitation><PMID>900299</PMID><Article></MedlineCitation></PubmedArticle>"
    base = "\n".join([*map(_citation, data["citations"]), broken])
    update = "\n".join(map(_citation, data["updates"]))
    end = "</PubmedArticleSet>\n"
    return {
        "pubmed/baseline/pubmed24n0001.xml.gz": gzip.compress(f"{head}{base}\n{end}".encode(), mtime=0),
        "pubmed/updatefiles/pubmed24n1220.xml.gz": gzip.compress(
            f"{head}{update}\n<DeleteCitation>\n{deleted}</DeleteCitation>\n{end}".encode(), mtime=0
        ),
    }


def _citation(one: dict[str, Any]) -> str:
    parts = "".join(
        f"<AbstractText{f' Label={quoteattr(label)}' if label else ''}>{escape(text)}</AbstractText>"
        for label, text in one["abstract"].items()
    )
    pmc = f'<ArticleId IdType="pmc">{one["pmc"]}</ArticleId>' if "pmc" in one else ""
    return (
        f'<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">{one["pmid"]}</PMID><Article>'
        "<Journal><JournalIssue><PubDate><Year>2024</Year></PubDate></JournalIssue><Title>Journal of invented studies"
        f"</Title></Journal><ArticleTitle>{escape(one['title'])}</ArticleTitle>"
        f"{f'<Abstract>{parts}</Abstract>' if parts else ''}<Language>eng</Language></Article></MedlineCitation>"
        f"<PubmedData><ArticleIdList>{pmc}</ArticleIdList></PubmedData></PubmedArticle>"
    )


def _exporter(projects: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return a year as a plain file, in windows-1252 as the old ones are, and a year in a zip."""
    years: dict[int, str] = {}
    for year in (2019, 2020):
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow(["APPLICATION_ID", "ABSTRACT_TEXT"])
        writer.writerows([one["application"], one["text"].strip()] for one in projects if one["year"] == year)
        years[year] = buffer.getvalue()
    plain = years[2019] + '9001099,"A row that nothing closes\r\n'
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo("RePORTER_PRJABS_C_FY2020.csv", (2021, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, years[2020].encode("utf-8"))
    return {
        "nih/RePORTER_PRJABS_C_FY2019.csv": plain.encode("cp1252"),
        "nih/RePORTER_PRJABS_C_FY2020.zip": packed.getvalue(),
    }
