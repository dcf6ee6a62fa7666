"""Name a table's files and cut them into splits: what every reader and writer of rows speaks about.

A row is known by its file and its number in the file, from 0. In Parquet that is the row's place; in JSON
lines it is the line's, blank lines included, so that ``sed -n`` finds it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pile_curate.discovery import matches
from pile_curate.errors import InputError
from pile_curate.storage import is_remote

FORMATS = ("parquet", "jsonl")
"""The formats that a table may have; all files of one table have the same."""

SPLIT_BYTES = 256 << 20
"""Bytes, decompressed and before decoding, that one split of a Parquet file holds at most, if its row groups
allow it."""


SchemaBytes: TypeAlias = bytes


@dataclass(frozen=True, slots=True)
class RowFile:
    """One file: ``path`` opens it, ``relative`` (posix, below the inputs' common folder) names it.

    ``rows`` and ``groups`` (rows of each row group) are known of Parquet only; ``group_bytes`` are the row
    groups' sizes before compression, ``schema`` is the Arrow schema in its IPC form.
    """

    path: str
    relative: str
    format: str
    bytes: int
    rows: int | None = None
    groups: tuple[int, ...] = ()
    group_bytes: tuple[int, ...] = field(default=(), repr=False)
    mtime_ns: int = 0
    schema: SchemaBytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class RowSplit:
    """A range of row groups ``[first, stop)`` of a Parquet file, whose first row is ``start_row``.

    Of JSON lines always the whole file: ``first``, ``stop`` and ``start_row`` are 0.
    """

    file: RowFile
    first: int
    stop: int
    start_row: int

    @property
    def stop_row(self) -> int | None:
        """The number of the first row behind the split; None if it is not known (JSON lines)."""
        if self.file.format != "parquet":
            return None
        return self.start_row + sum(self.file.groups[self.first : self.stop])


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what. A dotted name that is no column reaches into objects (``meta.url``).

    With ``id`` unset a column ``id`` is used if there is one; rows without it are known by file and number.
    """

    text: str = "text"
    id: str | None = None
    source: str | None = None
    split: str | None = None
    url: str | None = None

    def facts(self) -> dict[str, str]:
        """Return the named columns besides text and id, by what they hold."""
        named = {"source": self.source, "split": self.split, "url": self.url}
        return {what: name for what, name in named.items() if name is not None}


def plan(files: Sequence[RowFile], split_bytes: int = SPLIT_BYTES) -> list[RowSplit]:
    """Return the splits of the files, in order; nothing but the files and ``split_bytes`` decides.

    A Parquet file is cut between row groups, and one without rows has no split. A JSON lines file is one
    split.
    """
    splits: list[RowSplit] = []
    for file in files:
        if file.format != "parquet":
            splits.append(RowSplit(file, 0, 0, 0))
            continue
        first = start = row = held = 0
        for group, (rows, size) in enumerate(zip(file.groups, file.group_bytes, strict=True)):
            if row > start and held + size > split_bytes:
                splits.append(RowSplit(file, first, group, start))
                first, start, held = group, row, 0
            row += rows
            held += size
        if row > start:
            splits.append(RowSplit(file, first, len(file.groups), start))
    return splits


def fingerprint(files: Sequence[RowFile]) -> str:
    """Return a sha256 (hex) of the files' names, sizes and times: another one means that the input
    changed."""
    state = hashlib.sha256()
    for file in files:
        state.update(f"{file.relative}\0{file.bytes}\0{file.mtime_ns}\n".encode())
    return state.hexdigest()


def refuse_overlap(inputs: Sequence[str], output: str) -> None:
    """Raise ``InputError`` if ``output`` is an input, holds one, or lies where the inputs would find it
    again.

    A folder below an input folder is fine if a part of its path below begins with ``_`` or ``.``: such names
    are never read. Links are followed.
    """
    if is_remote(output):
        return
    out = os.path.realpath(output)
    for name in inputs:
        if is_remote(name):
            continue
        literal = os.path.lexists(name)
        base = os.path.realpath(name if literal else _fixed(name))
        advice = "choose an output folder outside the input, or one whose name begins with '_' or '.'"
        if base == out and literal:
            raise InputError(f"the output {output!r} is the input {name!r}; choose another output folder")
        if literal and base.startswith(out.rstrip(os.sep) + os.sep):
            raise InputError(
                f"the input {name!r} lies inside the output {output!r}, which would be replaced; "
                "choose another output"
            )
        if not os.path.isdir(base) or not out.startswith(base.rstrip(os.sep) + os.sep):
            continue
        below = tuple(os.path.relpath(out, base).split(os.sep))
        if any(ignored(part) for part in below):
            continue
        pattern = () if literal else tuple(part for part in name.split("/") if part)[-_wild(name) :]
        if matches((*below, "data", "part.parquet"), pattern) or matches((*below, "part.parquet"), pattern):
            raise InputError(
                f"the output {output!r} lies inside the input {name!r}: the next run would read it; {advice}"
            )


def _wild(pattern: str) -> int:
    """Return how many parts of a pattern stand from the first wildcard on."""
    parts = [part for part in pattern.split("/") if part]
    return next((len(parts) - at for at, part in enumerate(parts) if magic(part)), 1)


def _fixed(pattern: str) -> str:
    """Return the folder at which a pattern's wildcards begin."""
    parts = pattern.split("/")
    fixed = []
    for part in parts[:-1]:
        if magic(part):
            break
        fixed.append(part)
    return "/".join(fixed) or ("/" if pattern.startswith("/") else ".")


def magic(name: str) -> bool:
    """Say whether a name holds wildcards."""
    return any(sign in name for sign in "*?[")


def ignored(name: str) -> bool:
    """Say whether a file or folder of this name is passed over when a folder is listed."""
    return name.startswith(("_", "."))
