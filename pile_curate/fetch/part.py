"""Keep a download that is not finished: the bytes so far, and what has to hold for going on with them.

``.fetch/NAME.part`` grows, ``.fetch/NAME.part.json`` says whose bytes they are. Bytes count only as far as the
sidecar says that they were synced, so that a crash of the machine cannot leave a hole that is built upon.
When the file is complete, the sidecar takes its ledger entry first; then it is renamed. A crash between the
rename and the ledger is mended from that entry.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from typing import Any

from pile_curate.errors import FetchError, SetupError
from pile_curate.fetch import names
from pile_curate.storage import CHUNK, atomic_write, fsync_dir

STATE = ".fetch"


@dataclass(slots=True)
class Origin:
    """Where a part's bytes came from: a next answer must agree, or the part begins anew."""

    url: str = ""
    final_url: str = ""
    etag: str = ""
    last_modified: str = ""
    validator: str = ""  # what If-Range may carry: a strong ETag, or a date that is old enough to be one
    encoding: str = ""
    total: int | None = None
    framed: bool = False  # whether the server said where the file ends
    synced: int = 0
    entry: dict[str, Any] | None = field(default=None)


class Part:
    """The unfinished file of one target, open for appending, with running hashes."""

    def __init__(self, root: str, path: str, sync_bytes: int) -> None:
        state = os.path.join(root, STATE)
        name = f"{names.marked(os.path.basename(path)[:80], names.digest8(path))}.part"
        self.root, self.path, self.sync_bytes = root, path, sync_bytes
        self.file = os.path.join(state, name)
        self.sidecar = f"{self.file}.json"
        self.origin = self._read()
        self._handle: Any = None
        self._hashes: dict[str, Any] = {}
        self.size = 0

    def _read(self) -> Origin:
        try:
            with open(self.sidecar, encoding="utf-8") as handle:
                return Origin(**json.load(handle))
        except (OSError, ValueError, TypeError):
            return Origin()

    def open(self, url: str, algorithms: set[str]) -> int:
        """Open the part for a URL and return how many bytes of it count; hashing them costs one read."""
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in {"sha256", *algorithms}}
        with _explained(self.root, "write into"):
            os.makedirs(os.path.dirname(self.file), exist_ok=True)
            self._handle = open(self.file, "ab+", buffering=0)  # noqa: SIM115 - closed by close()
            have = os.fstat(self._handle.fileno()).st_size
            usable = min(have, self.origin.synced) if self.origin.url == url else 0
            if not usable:
                self.restart()
                return 0
            self._handle.truncate(usable)
            self._handle.seek(0)
            while data := self._handle.read(CHUNK):
                self._digest(data)
        self.size = usable
        return usable

    def restart(self) -> None:
        """Throw the bytes away and begin at zero."""
        for name in self._hashes:
            self._hashes[name] = hashlib.new(name, usedforsecurity=False)
        with _explained(self.root, "write into"):
            self._handle.truncate(0)
            self.size = 0
            self.origin = Origin()
            if os.path.exists(self.sidecar):
                os.unlink(self.sidecar)

    def begin(self, origin: Origin) -> None:
        """Note whose bytes follow, before the first of them is written."""
        self.origin = origin
        self.origin.synced = self.size
        self.save()

    def save(self) -> None:
        """Write the sidecar."""
        with _explained(self.root, "write into"):
            atomic_write(self.sidecar, json.dumps(asdict(self.origin)).encode())

    def write(self, data: bytes) -> None:
        """Append bytes; a full disk ends the run with the part kept."""
        with _explained(self.root, "write into"):
            view = memoryview(data)
            while view:
                view = view[self._handle.write(view) :]
        self._digest(data)
        self.size += len(data)
        if self.size - self.origin.synced >= self.sync_bytes:
            self.sync()

    def _digest(self, data: bytes) -> None:
        for state in self._hashes.values():
            state.update(data)

    def sync(self) -> None:
        """Make the bytes durable, and count them."""
        with _explained(self.root, "write into"):
            os.fsync(self._handle.fileno())
        self.origin.synced = self.size
        self.save()

    def head(self, size: int) -> bytes:
        """Return the first bytes."""
        return bytes(os.pread(self._handle.fileno(), size, 0))

    def tail(self, size: int) -> bytes:
        """Return the last bytes."""
        return bytes(os.pread(self._handle.fileno(), size, max(0, self.size - size)))

    def digests(self) -> dict[str, str]:
        """Return the running hashes in hexadecimal."""
        return {name: state.hexdigest() for name, state in self._hashes.items()}

    def room(self, more: int) -> None:
        """Refuse to begin what cannot end: ``more`` bytes have to fit on the disk."""
        free = shutil.disk_usage(os.path.dirname(self.file)).free
        if more > free:
            raise FetchError(
                f"{self.path}: {more} bytes are to come and {self.root!r} has {free} bytes free; "
                "free some space (what was fetched is kept) and run again"
            )

    def finish(self, entry: dict[str, Any], modified: float | None) -> None:
        """Give the complete file its name. The ledger takes the entry next, then ``forget`` is due."""
        with _explained(self.root, "write into"):
            if modified is not None:
                os.utime(self._handle.fileno(), (modified, modified))
            os.fsync(self._handle.fileno())
            self.origin.entry = entry
            self.save()
            self.close()
            target = os.path.join(self.root, self.path)
            folder = os.path.dirname(target)
            os.makedirs(folder, exist_ok=True)
            os.replace(self.file, target)
            fsync_dir(folder)

    def forget(self) -> None:
        """Remove the sidecar: the ledger has the entry."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.sidecar)

    def discard(self) -> None:
        """Throw everything away."""
        self.close()
        for path in (self.sidecar, self.file):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def keep(self) -> None:
        """Close, with every byte that came made durable; nothing is left behind if none did."""
        if self._handle is None:
            return
        if not self.size:
            self.discard()
            return
        try:
            self.sync()
        finally:
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None


def left_entry(sidecar: str) -> dict[str, Any] | None:
    """Return the ledger entry that a crash left in a sidecar, if the file got its name."""
    try:
        with open(sidecar, encoding="utf-8") as handle:
            entry = json.load(handle).get("entry")
    except (OSError, ValueError, AttributeError):
        return None
    return entry if isinstance(entry, dict) else None


class _explained(contextlib.ContextDecorator):
    """Turn what the system says about a folder into a message that says what to do."""

    def __init__(self, root: str, doing: str) -> None:
        self.root, self.doing = root, doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FetchError(
                f"the disk of {self.root!r} is full ({error.strerror}); the parts are kept: "
                "free some space and run again"
            ) from error
        if error.errno == errno.EFBIG:
            raise FetchError(f"{self.root!r} does not hold files this large ({error.strerror})") from error
        raise SetupError(
            f"cannot {self.doing} {self.root!r}: {error.strerror or error}"
            + (f" ({error.filename!r})" if error.filename else "")
            + "; name another folder with --to, or mend its permissions"
        ) from error
