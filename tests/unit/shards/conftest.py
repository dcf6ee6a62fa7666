"""Small documents files and an attempt folder for the shard tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pile_curate.schema import DOCUMENTS, doc_id

Row = dict[str, Any]


def document(source: str, key: str, text: str, split: str = "train", **more: Any) -> Row:
    return {
        "doc_id": doc_id(source, key),
        "source": source,
        "split": split,
        "text": text,
        "url": more.get("url", f"https://example.org/{key}"),
        "title": more.get("title", key.title()),
        "licence": more.get("licence", "CC-BY-SA-4.0"),
        "key": key,
        "text_bytes": len(text.encode()),
    }


@pytest.fixture
def make() -> Callable[..., Row]:
    return document


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    folder = tmp_path / "shards" / "attempts" / "a1"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def write_documents(tmp_path: Path) -> Callable[[list[Row], str], str]:
    def write(rows: list[Row], name: str = "d.parquet") -> str:
        path = tmp_path / name
        pq.write_table(pa.Table.from_pylist(rows, schema=DOCUMENTS), path, row_group_size=3)
        return str(path)

    return write
