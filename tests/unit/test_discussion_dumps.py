"""The demo's dumps of discussions, opinions and exercises: the same bytes each time, documents worth reading, one broken record."""

from __future__ import annotations

from pathlib import Path

import pytest

from pile_curate.demo.discussion_dumps import dumps
from tests.source_harness import extract


@pytest.mark.parametrize("name", ["hackernews", "reddit", "freelaw", "dm_mathematics"])
def test_each_component_has_documents_and_a_broken_record(name: str, tmp_path: Path) -> None:
    made = dumps()
    assert made == dumps()
    for rel, data in made.items():
        (tmp_path / rel).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / rel).write_bytes(data)
    result = extract(name, tmp_path, [f"{name}/*"])
    assert result.records == result.tally.records
    assert 4 <= len(result.documents) <= 8
    assert all(len(document.text.split()) >= 150 for document in result.documents)
    assert any(reject.kind == "error" for reject in result.rejects)
