"""Open, list, write and sync paths, local or remote, in the few ways that the rest of the library needs.

Local writes are durable on return: data is synced before a name points to it, and the folder after.
Remote addresses (``s3://``, ``gs://``, ``file://``) are only read here, through ``pyarrow.fs``.
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import uuid
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from pile_curate.errors import InputError

if TYPE_CHECKING:
    from pyarrow import fs as pafs

CHUNK = 1 << 20


def is_remote(path: str) -> bool:
    """Say whether a path is an address with a scheme rather than a local path."""
    return "://" in path


def join(base: str, *parts: str) -> str:
    """Join path parts with ``/`` for addresses and by the system's rule for local paths."""
    if is_remote(base):
        return posixpath.join(base, *parts)
    return os.path.join(base, *parts)


def remote(uri: str) -> tuple[pafs.FileSystem, str]:
    """Return the filesystem of an address and the path inside it."""
    from pyarrow import fs as pafs
    from pyarrow.lib import ArrowException

    try:
        return cast("tuple[pafs.FileSystem, str]", pafs.FileSystem.from_uri(uri))
    except (ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"cannot use the address {uri!r}: {error}; local paths, file://, s3:// and gs:// are understood"
        ) from error


def open_raw(path: str, start: int = 0) -> BinaryIO:
    """Open a path for reading raw bytes from ``start``; reads may be short, ``b""`` means the end.

    Raises ``InputError`` if it cannot be opened. Errors while reading stay ``OSError``: they are
    the machine's, not the data's, and a retry of the task may mend them.
    """
    try:
        if is_remote(path):
            system, inner = remote(path)
            handle = cast(BinaryIO, system.open_input_file(inner))
        else:
            handle = cast(BinaryIO, open(path, "rb", buffering=0))  # noqa: SIM115 - the caller closes it
        if start:
            handle.seek(start)
    except OSError as error:
        raise InputError(f"cannot open {path!r}: {error.strerror or error}") from error
    return handle


def read_full(handle: BinaryIO, size: int) -> bytes:
    """Return exactly ``size`` bytes unless the file ends first."""
    parts, have = [], 0
    while have < size and (more := handle.read(min(CHUNK, size - have))):
        parts.append(more)
        have += len(more)
    return b"".join(parts)


def sha256_file(path: str) -> tuple[str, int]:
    """Return the sha256 (hex) and the length of a file, read in chunks of 1 MiB."""
    state, size = hashlib.sha256(), 0
    with open_raw(path) as handle:
        while data := handle.read(CHUNK):
            state.update(data)
            size += len(data)
    return state.hexdigest(), size


def fsync_file(path: str) -> None:
    """Force a file's content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_dir(path: str) -> None:
    """Force a folder's names to the disk, so that a crash cannot undo a rename or a link in it."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path: str, data: bytes) -> None:
    """Write a new file and sync it; ``FileExistsError`` if the name is taken."""
    with open(path, "xb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def atomic_write(path: str, data: bytes) -> None:
    """Replace a file's content in one step: readers see all of the old bytes or all of the new."""
    folder = os.path.dirname(path) or "."
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{uuid.uuid4().hex}.tmp")
    try:
        write_synced(temporary, data)
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    fsync_dir(folder)


class HashingFile(io.RawIOBase):
    """An append-only new file that hashes what is written, so that no second read is needed.

    ``close`` makes the content durable; ``sha256`` and ``size`` are then those of the file.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self._handle = open(path, "xb")  # noqa: SIM115 - closed by close()
        self._state = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        """Say yes: this is what the object is for."""
        return True

    def write(self, data: Any) -> int:
        """Append bytes."""
        view = memoryview(data).cast("B")
        self._handle.write(view)
        self._state.update(view)
        self.size += len(view)
        return len(view)

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self.size

    @property
    def sha256(self) -> str:
        """The sha256 (hex) of what was written so far."""
        return self._state.hexdigest()

    def close(self) -> None:
        """Flush, sync and close."""
        if not self.closed:
            try:
                self._handle.flush()
                os.fsync(self._handle.fileno())
            finally:
                self._handle.close()
        super().close()

    def discard(self) -> None:
        """Close without syncing and remove the file."""
        self._handle.close()
        super().close()
        if os.path.exists(self.path):
            os.unlink(self.path)
