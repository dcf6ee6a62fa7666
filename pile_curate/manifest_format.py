"""Say what a manifest is, and turn one into bytes and back; ``manifest`` publishes them."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import metadata
from typing import Any

from pile_curate import __version__
from pile_curate.errors import DatasetDamaged, DatasetError
from pile_curate.hashing import HASH_VERSION
from pile_curate.storage import fsync_file, sha256_file

FORMAT = 1
"""Version of the manifest's own layout; a reader refuses every other."""

NAME = "manifest.json"
ATTEMPTS = "attempts"
LIST_NAME = "files.parquet"
INLINE_FILES = 1_000
"""Above this many files the list goes to a Parquet file, which the manifest names with its sha256."""


@dataclass(frozen=True)
class FileEntry:
    """One file of a dataset: ``path`` is relative to its directory, ``digest`` is "" unless it is a table."""

    path: str
    rows: int
    bytes: int
    sha256: str
    digest: str = ""
    table: str = "main"
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """What a dataset is: its files, what it was made from, and its logical digest (32 hexadecimal digits).

    ``exclude`` names the columns that the row digests leave out; ``rows`` is of the table files.
    """

    format: int
    dataset: str
    stage: str
    stage_version: int
    fingerprint: str
    inputs: dict[str, str]
    digest: str
    rows: int
    files: tuple[FileEntry, ...]
    exclude: tuple[str, ...]
    facts: dict[str, Any]
    attempt: str
    created: str
    software: dict[str, str]

    def select(self, table: str | None = None) -> tuple[FileEntry, ...]:
        """Return the files of one table (all if None), in the manifest's order."""
        return tuple(f for f in self.files if table is None or f.table == table)

    def paths(self, dataset_dir: str, table: str | None = None) -> list[str]:
        """Return the paths of one table's files (all if None)."""
        return [os.path.join(dataset_dir, f.path) for f in self.select(table)]


def software_versions(*more: str) -> dict[str, str]:
    """Return what results may depend on: our version, Python's minor version, the machine, pyarrow, numpy.

    ``more`` names further installed distributions; one that is not installed is ``"absent"``.
    """
    versions = {
        "pile_curate": __version__,
        "hashing": str(HASH_VERSION),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "machine": platform.machine(),
    }
    for name in ("pyarrow", "numpy", *more):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


def relative(dataset_dir: str, path: str) -> str:
    """Return ``path`` relative to the dataset's directory, posix; ``DatasetError`` if it lies outside."""
    rel = os.path.relpath(os.path.abspath(path), os.path.abspath(dataset_dir)).replace(os.sep, "/")
    if rel == ".." or rel.startswith("../"):
        raise DatasetError(f"{path!r} lies outside the dataset {dataset_dir!r}")
    return rel


def safe_path(dataset_dir: str, rel: str) -> str:
    """Return the full path of a listed file; a manifest must not name files outside its dataset."""
    parts = rel.split("/") if isinstance(rel, str) else [""]
    if "\\" in rel or "\0" in rel or any(part in ("", ".", "..") for part in parts):
        raise DatasetDamaged(f"{dataset_dir!r}: the manifest names the unsafe path {rel!r}")
    return os.path.join(dataset_dir, *parts)


def serialise(dataset_dir: str, attempt_dir: str, manifest: Manifest) -> bytes:
    """Return the manifest as JSON; a long file list is written to the attempt's directory first."""
    record = asdict(replace(manifest, files=()))
    if len(manifest.files) <= INLINE_FILES:
        record["files"] = [asdict(entry) for entry in manifest.files]
    else:
        record["files"] = _write_list(dataset_dir, attempt_dir, manifest.files)
    return json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _write_list(dataset_dir: str, attempt_dir: str, files: Sequence[FileEntry]) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = os.path.join(attempt_dir, LIST_NAME)
    rows = [{**asdict(f), "facts": json.dumps(f.facts, sort_keys=True)} for f in files]
    pq.write_table(pa.Table.from_pylist(rows), path)
    fsync_file(path)
    sha256, size = sha256_file(path)
    return {"path": relative(dataset_dir, path), "sha256": sha256, "bytes": size, "count": len(files)}


def parse(dataset_dir: str, raw: bytes) -> Manifest:
    """Return the manifest that ``raw`` states; ``DatasetDamaged`` if it is none, or of another format."""
    where = os.path.join(dataset_dir, NAME)
    try:
        record = json.loads(raw)
        version = record["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetDamaged(f"{where!r} is no manifest ({error})") from error
    if version != FORMAT:
        raise DatasetDamaged(
            f"{where!r} has format {version!r}, this pile_curate reads format {FORMAT}; "
            "use the version that wrote it, or run the stage again into another folder"
        )
    expected = {item.name for item in fields(Manifest)}
    if set(record) != expected:
        raise DatasetDamaged(f"{where!r} lacks or adds the fields {sorted(set(record) ^ expected)}")
    try:
        listed = record.pop("files")
        rows = listed if isinstance(listed, list) else _read_list(dataset_dir, listed)
        entries = tuple(FileEntry(**row) for row in rows)
        for entry in entries:
            safe_path(dataset_dir, entry.path)
        return Manifest(files=entries, exclude=tuple(record.pop("exclude")), **record)
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetDamaged(f"{where!r} misstates a field ({error})") from error


def _read_list(dataset_dir: str, reference: dict[str, Any]) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    path = safe_path(dataset_dir, reference["path"])
    if not os.path.exists(path):
        raise DatasetDamaged(f"the file list {path!r} is missing")
    sha256, _ = sha256_file(path)
    if sha256 != reference["sha256"]:
        raise DatasetDamaged(f"the file list {path!r} has sha256 {sha256}, not {reference['sha256']}")
    for row in pq.read_table(path).to_pylist():
        yield {**row, "facts": json.loads(row["facts"])}
