"""Test the demo's spoken sources: the same bytes each time, and every text found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pile_curate.demo.speech_dumps import dumps
from tests.source_harness import extract

SOURCES = {"europarl": 4, "opensubtitles": 3, "subtitles": 4, "youtube": 5, "irc": 4}


def test_dumps_are_the_same_each_time() -> None:
    assert dumps() == dumps()


@pytest.mark.parametrize("folder", SOURCES)
def test_documents_and_a_broken_record(folder: str, tmp_path: Path) -> None:
    for rel, data in dumps().items():
        path = tmp_path / rel
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    name = {"youtube": "youtube_subtitles", "irc": "ubuntu_irc"}.get(folder, folder)
    result = extract(name, tmp_path, [folder])
    assert result.records == result.tally.records and len(result.documents) == SOURCES[folder]
    assert any(reject.kind == "error" for reject in result.rejects)
    assert all(len(document.text.split()) >= 100 for document in result.documents)
