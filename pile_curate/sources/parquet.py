"""Read Parquet and Arrow files with a text column, as on the Hugging Face hub: a row is a record.

A hub data set is a tree of ``data/train-00000-of-00003.parquet``; folders named ``key=value`` are columns too. Splits are
byte ranges that begin at row groups, so each byte is hashed once, by whoever reads the rows that begin in its range.

Plain Python reads the footer (or walks the Arrow messages) and says how many rows there are; pyarrow, in a guarded
child, delivers them. Rows that it cannot deliver are rejected by number. The native key is the id column's value, else
file and row number.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import Field

from pile_curate.errors import CorruptInput
from pile_curate.files import FileTally, RawFile, Tally, open_raw
from pile_curate.guard import Guard, GuardFailure
from pile_curate.sources.arrow_messages import looks_like, walk
from pile_curate.sources.base import SPLIT_BYTES, About, Outcome, Raw, Reject, SourceFormat, Split
from pile_curate.sources.json_record import RecordOptions, record_outcome
from pile_curate.sources.parquet_footer import Group, row_groups
from pile_curate.sources.parquet_rows import MORE, Answer, Request

_STEP = 1 << 20
_AIM_BYTES = 4 << 20
_MAX_ROWS = 4096
_RETRIES = 64
_CPU_SECONDS, _MEMORY = 120.0, 3 << 30
_TOKENS = count(1)


class ParquetOptions(RecordOptions):
    """Say which columns hold the text and its facts. A name may be dotted: ``meta.url`` is a field of a struct."""

    meta_keys: list[str] = Field([], description="Further columns to keep with the document.")


@dataclass(slots=True)
class _Plan:
    """A file's units (row groups or record batches) that a split reads: number, first row, rows, bytes."""

    kind: str = "parquet"
    units: list[tuple[int, int, int, int]] = field(default_factory=list)
    lost: int = 0
    damage: str = ""
    reason: str = "corrupt_file"


class ParquetSource(SourceFormat):
    """Read tables with a text column."""

    name = "parquet"
    version = 1
    summary = "Parquet and Arrow tables with a text column (Hugging Face hub layout)"
    suffixes = (".parquet", ".arrow", "/")
    libraries = ("pyarrow", "orjson")
    Options = ParquetOptions
    about = About(
        publisher="Data sets on the Hugging Face hub",
        where="https://huggingface.co/docs/hub/datasets-file-names-and-splits",
        licence="as the data set says",
        consent="public",
        size="any",
        splits="Parquet at row groups; an Arrow file a task",
        example="data/*.parquet",
    )

    def splits(self, files: Sequence[RawFile], options: Any, target: int = SPLIT_BYTES) -> list[Split]:
        """Cut large Parquet files where row groups begin; pack the rest whole."""
        whole: list[RawFile] = []
        ranges: list[Split] = []
        for file in sorted(files, key=lambda f: f.rel):
            edges = _edges(file, target) if file.size > target else []
            if len(edges) > 2:
                ranges += [Split((file,), a, b) for a, b in zip(edges, edges[1:], strict=False)]
            else:
                whole.append(file)
        return super().splits(whole, options, target) + ranges

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield one ``Raw`` a row: its wanted columns as a JSON object; ``record`` is the row's number in the file."""
        for file in split.files:
            yield from _file(file, split, options, tally)

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Turn one row into one document or one reject."""
        return [record_outcome(raw, options)]


def _groups(file: RawFile) -> list[Group]:
    with open_raw(file.path) as handle:
        return row_groups(handle, file.size, file.rel)


def _edges(file: RawFile, target: int) -> list[int]:
    """Return offsets that cut a file into ranges of about ``target`` bytes at row groups; [] if it cannot be cut."""
    try:
        groups = _groups(file)
    except CorruptInput:
        return []  # the task that reads it says so
    starts = [group.start for group in groups]
    if any(a >= b for a, b in zip([0, *starts], [*starts, file.size], strict=True)):
        return []  # row groups out of order have no ranges of their own
    edges = [0]
    for start in starts[1:]:
        if start - edges[-1] >= target:
            edges.append(start)
    return [*edges, file.size]


def _plan(file: RawFile, split: Split) -> _Plan:
    plan = _Plan()
    with open_raw(file.path) as handle:
        head = handle.read(8)
        if looks_like(head):
            plan.kind = "arrow_file" if head[:6] == b"ARROW1" else "arrow_stream"
            found = walk(handle, file.size)
            first = 0
            for number, (rows, size) in enumerate(found.batches):
                plan.units.append((number, first, rows, size))
                first += rows
            plan.lost, plan.damage = found.cut, found.damage
            return plan
    if head[:4] == b"PARE":
        plan.damage, plan.reason = "its footer is encrypted", "encrypted"
        return plan
    if head[:4] != b"PAR1":
        plan.damage = f"neither Parquet nor Arrow: it begins with {head!r}" if head else "the file is empty"
        plan.reason = "not_a_table" if head else "empty_file"
        return plan
    try:
        groups = _groups(file)
    except CorruptInput as error:
        plan.damage = error.why
        return plan
    first = 0
    stop = file.size if split.stop is None else split.stop
    for number, group in enumerate(groups):
        if split.stop is None or split.start <= group.start < stop:
            plan.units.append((number, first, group.rows, group.size))
        first += group.rows
    return plan


def _file(file: RawFile, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
    plan = _plan(file, split)
    size, digest = _hashed(file, split)
    expected = (file.size if split.stop is None else split.stop) - split.start
    if size != expected:
        plan.damage = plan.damage or f"the file has {size} bytes; it had {expected} when it was listed"
    records = sum(unit[2] for unit in plan.units) + plan.lost
    tally.add(
        FileTally(
            file.rel, split.start, split.stop, size, digest, records, not plan.damage, plan.damage, size
        )
    )
    end, token = 0, next(_TOKENS)
    for unit in plan.units:
        yield from _unit(file, plan.kind, unit, options, token)
        end = unit[1] + unit[2]
    if plan.lost:
        yield Reject("truncated_record", file.rel, end, plan.damage, kind="error", records=plan.lost)
    if plan.damage:
        kind: Literal["policy", "error"] = "policy" if plan.reason == "encrypted" else "error"
        yield Reject(plan.reason, file.rel, end, plan.damage, kind=kind, records=0)
    elif not records and split.stop is None:
        yield Reject("empty_file", file.rel, 0, "the table has no rows", kind="error", records=0)


def _hashed(file: RawFile, split: Split) -> tuple[int, str]:
    state, size = hashlib.sha256(), 0
    left = file.size if split.stop is None else split.stop - split.start
    with open_raw(file.path, split.start) as handle:
        while left > 0 and (data := handle.read(min(_STEP, left))):
            state.update(data)
            size += len(data)
            left -= len(data)
    return size, state.hexdigest()


def _unit(
    file: RawFile, kind: str, unit: tuple[int, int, int, int], options: Any, token: int
) -> Iterator[Raw | Reject]:
    """Read one row group or record batch, a few megabytes at a time."""
    number, first, rows, size = unit
    columns = [options.text_key]
    columns += [
        name for name in (options.id_key, options.url_key, options.title_key, options.licence_key) if name
    ]
    optional = (options.meta_key, *options.meta_keys)
    step = max(1, min(_MAX_ROWS, rows, _AIM_BYTES * max(rows, 1) // max(size, 1)))
    requests = (
        Request(file.path, kind, number, skip, min(step, rows - skip), tuple(columns), optional, token)
        for skip in range(0, rows, step)
    )
    facts = _hive(file.rel)
    for asked, found in _answers(_READER.map(requests), [_RETRIES]):
        yield from _outcomes(file, asked, found, first, facts, options)


def _answers(pairs: Iterator[tuple[Request, Any]], retries: list[int]) -> Iterator[tuple[Request, Answer]]:
    """Yield answers; ask again for smaller pieces where rows killed the child or were too much for one answer."""
    for asked, found in pairs:
        parts: list[Request] = []
        if not isinstance(found, GuardFailure):
            yield asked, found
            if found.reason == MORE:
                step, stop = len(found.rows), asked.skip + asked.length
                parts = [
                    asked._replace(skip=at, length=min(step, stop - at))
                    for at in range(asked.skip + step, stop, step)
                ]
        elif asked.length > 1 and retries[0] and found.reason != "guard_error":
            retries[0] -= 1
            half = asked.length // 2
            parts = [
                asked._replace(length=half),
                asked._replace(skip=asked.skip + half, length=asked.length - half),
            ]
        else:
            yield asked, Answer([], found.reason, found.detail)
        if parts:
            yield from _answers(_READER.alone(parts), retries)


def _outcomes(
    file: RawFile, asked: Request, found: Answer, first: int, facts: dict[str, str], options: Any
) -> Iterator[Raw | Reject]:
    at = first + asked.skip
    for row, value in enumerate(found.rows[: asked.length], at):
        if isinstance(value, tuple):
            yield Reject(value[0], file.rel, row, value[1], kind="error")
        else:
            more = _further(value, options.meta_keys) if options.meta_keys else {}
            yield Raw(file.rel, row, value, {"key": f"{file.rel}:{row}", "facts": {**facts, **more}})
    missing = asked.length - min(asked.length, len(found.rows))
    if missing and found.reason != MORE:
        row = at + len(found.rows)
        yield Reject(found.reason, file.rel, row, found.detail, kind="error", records=missing)


def _further(body: bytes, names: list[str]) -> dict[str, Any]:
    record = json.loads(body)
    return {name: record[name] for name in names if record.get(name) is not None}


def _hive(rel: str) -> dict[str, str]:
    """Return the columns that a path's folders name: ``lang=en/part-0.parquet``."""
    pairs = (part.partition("=") for part in rel.split("/")[:-1] if "=" in part)
    return {unquote(name): unquote(value) for name, _, value in pairs if name}


class _Reader:
    """One guarded child a process, kept between files; it is started again after a fork."""

    def __init__(self) -> None:
        self._guard: Guard | None = None
        self._process = 0
        self._busy = False

    def map(self, requests: Iterator[Request]) -> Iterator[tuple[Request, Any]]:
        """Yield each request with its answer. At most two are under way, so that few megabytes wait."""
        if self._busy and self._process == os.getpid():
            with self._new() as own:  # another reader is at work in this process
                yield from own.map(requests)
            return
        if self._guard is None or self._process != os.getpid():
            self._guard, self._process = self._new(), os.getpid()
        self._busy = True
        try:
            yield from self._guard.map(requests)
        finally:
            self._busy = False

    def alone(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Any]]:
        """Answer requests in a child of their own."""
        with self._new() as guard:
            yield from guard.map(requests)

    def _new(self) -> Guard:
        return Guard(
            "pile_curate.sources.parquet_rows:read_rows",
            cpu_seconds=_CPU_SECONDS,
            memory_bytes=_MEMORY,
            batch_items=1,
        )


_READER = _Reader()
