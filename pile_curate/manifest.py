"""Make a dataset appear in one step: a directory of files is a dataset once ``manifest.json`` lists them.

Writers put files under a fresh attempt directory; ``Attempt.commit`` checks them, syncs them, and publishes
the manifest by one atomic call. Readers open only files that the manifest lists, so a crashed, retried or
speculative writer leaves nothing that counts. ``schemas/README.md`` is the protocol in prose.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pile_curate.errors import CommitLost, DatasetDamaged, DatasetError, DatasetMissing, Problem
from pile_curate.hashing import add_digests, hex128
from pile_curate.leases import Lease, commit_lock, sweep
from pile_curate.manifest_format import (
    ATTEMPTS,
    FORMAT,
    LIST_NAME,
    NAME,
    FileEntry,
    Manifest,
    parse,
    relative,
    safe_path,
    serialise,
    software_versions,
)
from pile_curate.schema import RUN_COLUMNS
from pile_curate.storage import fsync_dir, fsync_file, is_remote, write_synced

__all__ = [
    "ATTEMPTS",
    "FORMAT",
    "NAME",
    "Attempt",
    "FileEntry",
    "Manifest",
    "begin",
    "find",
    "gc",
    "load",
    "relative",
    "software_versions",
    "verify",
]


class Attempt:
    """One try at writing a dataset: a directory of its own, kept alive by a lease until commit or abandon.

    As a context manager it abandons what the block did not commit.
    """

    def __init__(self, dataset_dir: str, stage: str) -> None:
        self.dataset_dir, self.stage = dataset_dir, stage
        self.id = uuid.uuid4().hex
        self.directory = os.path.join(dataset_dir, ATTEMPTS, self.id)
        self._lease = Lease(self.directory)

    def relative(self, path: str) -> str:
        """Return a path as the manifest states it: posix, relative to the dataset's directory."""
        return relative(self.dataset_dir, path)

    def commit(
        self,
        files: Sequence[FileEntry],
        *,
        stage_version: int,
        fingerprint: str,
        inputs: Mapping[str, str],
        facts: Mapping[str, Any] | None = None,
        replace: bool = False,
        exclude: Sequence[str] = RUN_COLUMNS,
        digest: str = "",
        rows: int | None = None,
        software: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Publish the dataset that consists of exactly ``files``, and remove what no manifest needs.

        ``digest`` and ``rows`` default to the sums over the files that carry a row digest. With ``replace``
        the new manifest takes the place of the old; without it, ``CommitLost`` if another run was first.
        Raises ``DatasetDamaged`` if a file is missing or has another size. After a crash at any point the
        dataset is the old one or the new one.
        """
        if not self._lease.held:
            raise DatasetError(f"the attempt {self.directory!r} is over; begin another")
        ordered = tuple(sorted(files, key=lambda f: (f.table, f.path)))
        tables = [f for f in ordered if f.digest]
        manifest = Manifest(
            format=FORMAT,
            dataset=os.path.basename(os.path.abspath(self.dataset_dir)),
            stage=self.stage,
            stage_version=stage_version,
            fingerprint=fingerprint,
            inputs=dict(sorted(inputs.items())),
            digest=digest or hex128(add_digests(int(f.digest, 16) for f in tables)),
            rows=sum(f.rows for f in tables) if rows is None else rows,
            files=ordered,
            exclude=tuple(exclude),
            facts=dict(facts or {}),
            attempt=self.id,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            software=dict(software or software_versions()),
        )
        with commit_lock(self.dataset_dir):
            _check_files(self.dataset_dir, ordered)
            _sync_files(self.dataset_dir, ordered)
            _publish(self.dataset_dir, self.directory, manifest, replacing=replace)
            self._lease.release()
            _sweep(self.dataset_dir)
        return manifest

    def abandon(self) -> None:
        """Give up: remove this attempt's files, except those that a published manifest lists."""
        self._lease.release()
        gc(self.dataset_dir)

    def __enter__(self) -> Attempt:
        """Return the attempt itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Abandon what was not committed; nothing happens after a commit."""
        if self._lease.held:
            self.abandon()


def begin(dataset_dir: str, stage: str) -> Attempt:
    """Start writing a dataset; nothing that readers see changes until ``commit``."""
    if is_remote(dataset_dir):
        raise DatasetError(f"{dataset_dir!r}: datasets are written to local folders only; give a local path")
    return Attempt(dataset_dir, stage)


def find(dataset_dir: str) -> Manifest | None:
    """Return the published manifest, or None if nothing was committed here."""
    try:
        with open(os.path.join(dataset_dir, NAME), "rb") as handle:
            raw = handle.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return parse(dataset_dir, raw)


def load(dataset_dir: str, stage_hint: str = "") -> Manifest:
    """Return the published manifest; ``DatasetMissing`` names the stage that would write it."""
    manifest = find(dataset_dir)
    if manifest is None:
        stage = stage_hint or os.path.basename(os.path.abspath(dataset_dir))
        raise DatasetMissing(f"{dataset_dir!r} holds no finished dataset; run the stage {stage!r} first")
    return manifest


def gc(dataset_dir: str) -> list[str]:
    """Remove files of dead attempts that the manifest does not list; return their relative paths.

    An unreadable manifest raises ``DatasetDamaged`` and nothing is removed.
    """
    with commit_lock(dataset_dir):
        return _sweep(dataset_dir)


def verify(dataset_dir: str, deep: bool = False) -> list[Problem]:
    """Prove a dataset against its manifest; no problems means that all agrees. See ``pile_curate.verify``."""
    from pile_curate.verify import verify_dataset

    return verify_dataset(dataset_dir, deep)


def _publish(dataset_dir: str, attempt_dir: str, manifest: Manifest, *, replacing: bool) -> None:
    """Make the manifest the dataset's, in one atomic step: ``os.link`` or, when replacing, ``os.replace``.

    The link's spare name in the attempt's directory is an orphan, swept like any other.
    """
    final = os.path.join(dataset_dir, NAME)
    temporary = os.path.join(attempt_dir, NAME)
    write_synced(temporary, serialise(dataset_dir, attempt_dir, manifest))
    fsync_dir(attempt_dir)
    if replacing:
        os.replace(temporary, final)
    else:
        try:
            os.link(temporary, final)
        except FileExistsError:
            raise CommitLost(
                f"{dataset_dir!r} was published by another run while this one was writing; "
                "its result stands, this one is discarded"
            ) from None
    fsync_dir(dataset_dir)


def _check_files(dataset_dir: str, files: Sequence[FileEntry]) -> None:
    seen: set[str] = set()
    for entry in files:
        if entry.path in seen:
            raise DatasetError(f"{entry.path!r} is listed twice; each file is listed once")
        seen.add(entry.path)
        path = safe_path(dataset_dir, entry.path)
        try:
            size = os.stat(path).st_size
        except OSError as error:
            raise DatasetDamaged(f"{path!r} is listed but cannot be read: {error.strerror}") from error
        if size != entry.bytes:
            raise DatasetDamaged(f"{path!r} has {size} bytes, its writer reported {entry.bytes}")


def _sync_files(dataset_dir: str, files: Sequence[FileEntry]) -> None:
    """Sync every listed file and each folder above it, up to the folder that holds the dataset."""
    top = os.path.abspath(dataset_dir)
    folders = {os.path.dirname(top), top}
    for entry in files:
        path = safe_path(top, entry.path)
        fsync_file(path)
        folder = os.path.dirname(path)
        while folder not in folders:
            folders.add(folder)
            folder = os.path.dirname(folder)
    for folder in sorted(folders, reverse=True):
        fsync_dir(folder)


def _sweep(dataset_dir: str) -> list[str]:
    return sweep(dataset_dir, ATTEMPTS, lambda: _listed(dataset_dir))


def _listed(dataset_dir: str) -> set[str]:
    manifest = find(dataset_dir)
    if manifest is None:
        return set()
    return {entry.path for entry in manifest.files} | {f"{ATTEMPTS}/{manifest.attempt}/{LIST_NAME}"}
