"""The demo's biomedical dumps: the same bytes each time, and what they should become."""

from __future__ import annotations

from pathlib import Path

from pile_curate.demo.biomed_dump import dumps
from tests.source_harness import extract


def test_dumps_are_the_same_bytes_and_read_as_meant(tmp_path: Path) -> None:
    made = dumps()
    assert made == dumps()
    for name, data in made.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    central = extract("pubmed_central", tmp_path, ["pubmed_central"])
    assert len(central.documents) == 4 and central.reasons == {"article_type": 1, "xml_error": 1}
    assert {d.licence for d in central.documents} == {"CC-BY-4.0", "CC-BY-NC-4.0", "CC0-1.0"}
    assert not any("[" in d.text for d in central.documents)
    abstracts = extract("pubmed_abstracts", tmp_path, ["pubmed/**/*.xml.gz"])
    assert (
        len(abstracts.documents) == 4
        and abstracts.reasons["superseded"] == abstracts.reasons["deleted_citation"] == 1
    )
    projects = extract("nih_exporter", tmp_path, ["nih"])
    assert len(projects.documents) == 4 and projects.reasons == {
        "no_abstract": 1,
        "superseded": 1,
        "unclosed_quote": 1,
    }
    for result in (central, abstracts, projects):
        assert result.records == result.tally.records
        assert all(150 < len(d.text.split()) < 600 for d in result.documents)
