"""Tell a live attempt from a dead one, and sweep away what dead ones left.

A lease is a small file in the attempt's directory that names the process, machine, boot and start time, and
whose modification time a thread renews. On the same machine the process decides; elsewhere the renewal does.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator

from pile_curate.errors import DatasetError

LEASE_NAME = "lease.json"
LOCK_NAME = ".commit.lock"
RENEW_SECONDS = 60.0
STALE_SECONDS = 3600.0
"""A lease from another machine counts as dead after an hour without renewal: clocks differ, disks stall."""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read().strip()
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    """Return when a process began, in clock ticks since boot: a reused pid has another."""
    text = _read(f"/proc/{pid}/stat")
    return text.rpartition(")")[2].split()[19] if text else ""


def _machine() -> str:
    """Name the machine, its boot and its process namespace: where a pid means something."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return "|".join((platform.node(), _read("/proc/sys/kernel/random/boot_id"), namespace))


class Lease:
    """Make a directory and hold a lease on it until ``release``; a daemon thread renews it."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, LEASE_NAME)
        pid = os.getpid()
        record = {"pid": pid, "machine": _machine(), "started": _start_time(pid)}
        self._create(directory, json.dumps(record))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="pile-curate-lease", daemon=True)
        self._thread.start()
        self.held = True

    def _create(self, directory: str, text: str) -> None:
        """Make the directory and the lease in it; a sweep may catch the directory while it is still empty."""
        for attempt in range(10):
            os.makedirs(directory, exist_ok=attempt > 0)
            with contextlib.suppress(FileNotFoundError), open(self.path, "x", encoding="utf-8") as handle:
                handle.write(text)
                return
        raise DatasetError(f"{directory!r} is removed as fast as it is made; what else cleans up here?")

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_SECONDS):
            with contextlib.suppress(OSError):  # the directory may be gone; then there is nothing to hold
                os.utime(self.path)

    def release(self) -> None:
        """Stop renewing and remove the lease."""
        if not self.held:
            return
        self.held = False
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


@contextlib.contextmanager
def commit_lock(dataset_dir: str) -> Iterator[None]:
    """Let one commit or sweep at a time into a dataset, where the file system knows locks.

    Without it, a sweep between another run's check and its publishing could take a reused file away. The
    atomic publish does not depend on it. The lock ends with its process.
    """
    try:
        descriptor = os.open(os.path.join(dataset_dir, LOCK_NAME), os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield  # no dataset here, or a folder that we may only read: there is nothing to guard
        return
    try:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def alive(directory: str) -> bool:
    """Say whether an attempt's directory is still being written to."""
    path = os.path.join(directory, LEASE_NAME)
    try:
        age = time.time() - os.stat(path).st_mtime
        with open(path, encoding="utf-8") as handle:
            record = json.load(handle)
        pid, machine, started = int(record["pid"]), str(record["machine"]), str(record["started"])
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError, OSError):
        # A lease caught while it is being written, or damaged: only time can tell.
        return time.time() - os.stat(directory).st_mtime < STALE_SECONDS
    if machine != _machine():
        return age < STALE_SECONDS
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _start_time(pid) == started


def sweep(dataset_dir: str, attempts: str, listed: Callable[[], set[str]]) -> list[str]:
    """Remove every file of dead attempts that ``listed()`` does not name, then empty folders.

    The dead are determined *before* the manifest is read: an attempt that is dead then can have been
    published only before, so the manifest read afterwards knows about it.
    """
    top = os.path.join(dataset_dir, attempts)
    try:
        names = sorted(os.listdir(top))
    except (FileNotFoundError, NotADirectoryError):
        return []
    dead = [name for name in names if not alive(os.path.join(top, name))]
    keep = listed()
    removed: list[str] = []
    for name in dead:
        for folder, _, files in os.walk(os.path.join(top, name), topdown=False):
            for file in sorted(files):
                path = os.path.join(folder, file)
                rel = os.path.relpath(path, dataset_dir).replace(os.sep, "/")
                if rel not in keep:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(path)
                        removed.append(rel)
            with contextlib.suppress(OSError):  # not empty: it holds listed files
                os.rmdir(folder)
    return sorted(removed)
