"""Prove a dataset: re-read its files and compare every figure that its manifest states."""

from __future__ import annotations

import os

from pile_curate.errors import DatasetDamaged, Problem
from pile_curate.hashing import add_digests, hex128, rows_digest
from pile_curate.manifest import load
from pile_curate.manifest_format import FileEntry, safe_path
from pile_curate.storage import sha256_file
from pile_curate.tables import iter_batches


def verify_dataset(dataset_dir: str, deep: bool = False) -> list[Problem]:
    """Return what disagrees with the manifest; nothing if all is well.

    Always: each file is there with its size, and the tables' rows and digests add up to the dataset's. With
    ``deep`` also each file's sha256, and each table's rows and digest, computed anew: this reads every
    byte. Raises ``DatasetMissing`` if nothing was published, ``DatasetDamaged`` for an unreadable manifest.
    """
    manifest = load(dataset_dir)
    problems: list[Problem] = []
    for entry in manifest.files:
        problems += _check_file(dataset_dir, entry, manifest.exclude, deep)
    tables = [entry for entry in manifest.files if entry.digest]
    if tables:
        rows = sum(entry.rows for entry in tables)
        if rows != manifest.rows:
            problems.append(Problem("rows", f"the manifest states {manifest.rows}, its tables hold {rows}"))
        digest = hex128(add_digests(int(entry.digest, 16) for entry in tables))
        if digest != manifest.digest:
            what = f"the manifest states {manifest.digest}, its tables add up to {digest}"
            problems.append(Problem("digest", what))
    return problems


def _check_file(dataset_dir: str, entry: FileEntry, exclude: tuple[str, ...], deep: bool) -> list[Problem]:
    path = safe_path(dataset_dir, entry.path)
    try:
        size = os.stat(path).st_size
    except OSError as error:
        return [Problem(entry.path, f"cannot be read: {error.strerror}")]
    if size != entry.bytes:
        return [Problem(entry.path, f"has {size} bytes, the manifest states {entry.bytes}")]
    if not deep:
        return []
    sha256, _ = sha256_file(path)
    if sha256 != entry.sha256:
        return [Problem(entry.path, f"has sha256 {sha256}, the manifest states {entry.sha256}")]
    return _check_rows(path, entry, exclude) if entry.digest else []


def _check_rows(path: str, entry: FileEntry, exclude: tuple[str, ...]) -> list[Problem]:
    rows, digests = 0, []
    try:
        for batch in iter_batches(path):
            rows += batch.num_rows
            digests.append(rows_digest(batch, exclude))
    except DatasetDamaged as error:
        return [Problem(entry.path, str(error))]
    problems = []
    if rows != entry.rows:
        problems.append(Problem(entry.path, f"holds {rows} rows, the manifest states {entry.rows}"))
    digest = hex128(add_digests(digests))
    if digest != entry.digest:
        problems.append(Problem(entry.path, f"has row digest {digest}, the manifest states {entry.digest}"))
    return problems
