"""Remember what was fetched: ``fetch.ledger``, one line a file, and the lock that keeps a second run out.

A line is appended and synced when its file has its name; the last line of a path counts, a torn last line is
dropped. Opening mends what a crash left between the two, and writes the list anew, sorted by path.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

from pile_curate.errors import FetchError, SetupError
from pile_curate.fetch.part import STATE, left_entry
from pile_curate.leases import LEASE_NAME, Lease, alive
from pile_curate.storage import atomic_write, fsync_dir, sha256_file

NAME = "fetch.ledger"
LOCK = "lock"
HOLDER = "holder"

Entry = dict[str, Any]
"""url, final_url, path, bytes, sha256, etag, last_modified, encoding, fetched (UTC), verified, published,
immutable, source. ``verified`` lists what agreed: checksums with where they are published, or lengths."""


def read(root: str) -> dict[str, Entry]:
    """Return path to entry. Raises ``FetchError`` for a line that is no entry, except a torn last one."""
    entries: dict[str, Entry] = {}
    try:
        with open(os.path.join(root, NAME), "rb") as handle:
            data = handle.read()
    except FileNotFoundError:
        return entries
    except OSError as error:
        raise SetupError(f"cannot read {os.path.join(root, NAME)!r}: {error.strerror}") from error
    lines = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            path, url = entry["path"], entry["url"]
            known = {"bytes": int(entry["bytes"]), "sha256": str(entry["sha256"])}
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                continue  # without its line feed: a crash while it was written
            raise FetchError(
                f"{os.path.join(root, NAME)!r}, line {number}, is no entry ({error}); "
                "mend or remove the line: the file will be fetched again or recognised by its checksum"
            ) from error
        if not _inside(str(path)):
            raise FetchError(
                f"{os.path.join(root, NAME)!r}, line {number}: the path {path!r} leaves the folder"
            )
        entries[str(path)] = {**entry, **known, "url": str(url)}
    return entries


def _inside(path: str) -> bool:
    return bool(path) and not os.path.isabs(path) and ".." not in path.split("/") and "\0" not in path


class Ledger:
    """The entries of a folder; safe to share between threads. Made by ``opened``."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._lock = threading.Lock()
        self.entries = read(root)
        self._mend()
        self._rewrite()

    def _mend(self) -> None:
        state = os.path.join(self.root, STATE)
        for name in sorted(os.listdir(state)):
            sidecar = os.path.join(state, name)
            entry = left_entry(sidecar) if name.endswith(".part.json") else None
            if entry is None or os.path.exists(sidecar.removesuffix(".json")):
                continue
            path = str(entry.get("path", ""))
            file = os.path.join(self.root, path)
            if _inside(path) and os.path.isfile(file) and sha256_file(file)[0] == entry.get("sha256"):
                self.entries[path] = entry
            os.unlink(sidecar)

    def _rewrite(self) -> None:
        text = "".join(_line(self.entries[path]) for path in sorted(self.entries))
        path = os.path.join(self.root, NAME)
        if text or os.path.exists(path):
            atomic_write(path, text.encode())

    @property
    def owners(self) -> dict[str, str]:
        """Path to URL of every file that was fetched."""
        return {path: str(entry["url"]) for path, entry in self.entries.items()}

    def add(self, entry: Entry) -> None:
        """Append an entry durably."""
        path = os.path.join(self.root, NAME)
        with self._lock:
            new = not os.path.exists(path)
            with open(path, "ab") as handle:
                handle.write(_line(entry).encode())
                handle.flush()
                os.fsync(handle.fileno())
            if new:
                fsync_dir(self.root)
            self.entries[str(entry["path"])] = entry


def _line(entry: Entry) -> str:
    return json.dumps(entry, sort_keys=True, ensure_ascii=False) + "\n"


@contextlib.contextmanager
def opened(root: str) -> Iterator[Ledger]:
    """Open a folder's ledger for one run at a time; raises ``FetchError`` while another run holds it.

    The system's file lock decides where it exists; a lease (see ``leases``) where it does not, and to say who.
    """
    state = os.path.join(root, STATE)
    holder = os.path.join(state, HOLDER)
    try:
        os.makedirs(state, exist_ok=True)
        descriptor = os.open(os.path.join(state, LOCK), os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise SetupError(
            f"cannot write into {root!r}: {error.strerror}; name another folder with --to, or mend its permissions"
        ) from error
    try:
        locked = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FetchError(f"another run is fetching into {root!r}{_who(holder)}; wait for it") from None
        except OSError:
            locked = False  # some network file systems have no locks
        if not (locked and _same_node(holder)) and alive(holder):
            raise FetchError(
                f"another run is fetching into {root!r}{_who(holder)}; if it is not, remove {holder!r}"
            )
        _clear(holder)
        lease = Lease(holder)
        try:
            yield Ledger(root)
        finally:
            lease.release()
            _clear(holder)
    finally:
        os.close(descriptor)


def _record(holder: str) -> dict[str, Any]:
    try:
        with open(os.path.join(holder, LEASE_NAME), encoding="utf-8") as handle:
            record = json.load(handle)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _who(holder: str) -> str:
    record = _record(holder)
    node = str(record.get("machine", "")).partition("|")[0]
    return f" (process {record.get('pid')} on {node})" if record else ""


def _same_node(holder: str) -> bool:
    """Say whether the last holder ran on this machine: then our lock proves that it ended."""
    node = str(_record(holder).get("machine", "")).partition("|")[0]
    return node == os.uname().nodename


def _clear(holder: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(holder, LEASE_NAME))
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(holder)
