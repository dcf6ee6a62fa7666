"""The extract task's way of a linked source, without Spark: parts wait, threads are found, parts are sorted, assembled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from pile_curate.clean import PRESETS
from pile_curate.sources import SOURCES
from pile_curate.sources.base import Split
from pile_curate.spark.extract_task import SourceTask, assemble, extract, resolve_links, route
from tests.source_harness import GOLDEN
from tests.source_harness import extract as harness


def test_two_tasks_whose_threads_cross_give_what_one_reader_gives(tmp_path: Path) -> None:
    lines = (GOLDEN / "hackernews" / "items-000.jsonl").read_text("utf-8").splitlines()
    (tmp_path / "a.jsonl").write_text("\n".join(lines[::2]) + "\n", "utf-8")
    (tmp_path / "b.jsonl").write_text("\n".join(lines[1::2]) + "\n", "utf-8")
    fmt = SOURCES["hackernews"]
    task = SourceTask(
        source="hn", format="hackernews", options=fmt.Options(), cleaning=PRESETS["prose"], licence="MIT",
        consent="tos", seed=1, validation=0.0, test=0.0, cpu_seconds=10, memory_bytes=1 << 31, buckets=2,
        documents=str(tmp_path / "d" / "attempts" / "1"), rejects=str(tmp_path / "r" / "attempts" / "1"), scratch=str(tmp_path / "s"),
    )  # fmt: skip
    for folder in (task.documents, task.rejects, task.scratch):
        Path(folder).mkdir(parents=True)
    files = fmt.discover(str(tmp_path), ["*.jsonl"], task.options)
    first = [extract(replace(task, splits=(Split((file,)),))) for file in files]
    paths = tuple(path for result in first for path in result.link_files)
    assert len(paths) == 2 and not any(result.bucket_files for result in first)

    found = resolve_links(replace(task, link_files=paths))
    routed = [route(replace(task, link_files=(path,)), found) for path in paths]
    buckets: dict[int, list[str]] = {}
    for result in routed:
        for bucket, path in result.bucket_files.items():
            buckets.setdefault(bucket, []).append(path)
    last = [assemble(replace(task, bucket_files=tuple(group))) for group in buckets.values()]

    expected = harness("hackernews", tmp_path, ["*.jsonl"])
    written = [row for path in (tmp_path / "d").rglob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert {row["key"]: row["text"] for row in written} == {d.key: d.text for d in expected.documents}
    rejected = [
        row for path in (tmp_path / "r").rglob("*.parquet") for row in pq.read_table(path).to_pylist()
    ]
    assert sorted((r["reason"], r["key"]) for r in rejected) == sorted(
        (r.reason, r.key) for r in expected.rejects
    )
    counted = sum(result.records for result in first)
    assert (
        counted == len(lines) == sum(row["records"] for row in written) + sum(r["records"] for r in rejected)
    )
    assert json.loads(written[0]["meta"])["comments"] >= 1 and last
