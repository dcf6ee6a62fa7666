"""Be the child of ``guard``: read items from one pipe, write one result each to another.

Started as ``python -m pile_curate.guard_child``; imports as little as it can. The function's own prints go
to stderr, because stdout is the result pipe.

A frame is ``<length: u64> <kind: u8> <cpu seconds: f64> <body>``, little-endian.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import pickle
import resource
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

HEADER = struct.Struct("<QBd")
DIED, READY, FAILED, OK, ERROR, MEMORY, ITEM = 0, 1, 2, 3, 4, 5, 6


@dataclass(frozen=True)
class Settings:
    """What the parent tells the child first. ``config`` is pickled apart: it needs the target's modules."""

    target: str
    memory_bytes: int
    parent: int
    config: bytes


def resolve(target: str) -> Callable[[Any, Any], Any]:
    """Return the function that ``"module:function"`` names."""
    module, colon, name = target.partition(":")
    if not colon:
        raise ValueError(f"a guard's target is 'module:function', not {target!r}")
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{target!r} is not callable")
    return found


def _die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when its parent ends (elsewhere the end of the input does it)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def _address_space() -> int:
    """Return the bytes of address space in use, 0 where it cannot be known."""
    try:
        with open("/proc/self/statm", "rb") as handle:
            return int(handle.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _limit_memory(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit = _address_space() + memory_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (ValueError, OSError) as error:  # macOS knows the limit and refuses it
        print(f"pile_curate.guard: no memory limit here ({error})", file=sys.stderr)


class _Out:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, kind: int, value: Any) -> None:
        body = pickle.dumps(value, protocol=5)
        data = memoryview(HEADER.pack(len(body), kind, 0.0) + body)
        while data:
            data = data[os.write(self._descriptor, data) :]


def _receive(handle: BinaryIO) -> tuple[bytes, float] | None:
    head = handle.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    length, _, cpu = HEADER.unpack(head)
    body = handle.read(length)
    return (body, cpu) if len(body) == length else None


def main() -> None:
    """Serve until the input ends."""
    inbox = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    outbox = _Out(os.dup(1))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it closes the pipe
    first = _receive(inbox)
    if first is None:
        return
    try:
        settings: Settings = pickle.loads(first[0])
        _die_with_parent(settings.parent)
        function = resolve(settings.target)
        config = pickle.loads(settings.config)
        # The default action of SIGPROF kills, also inside native code that never returns to Python.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        _limit_memory(settings.memory_bytes)
    except Exception as error:  # everything here is a set-up error that the parent reports
        outbox.send(FAILED, f"{type(error).__name__}: {error}")
        return
    outbox.send(READY, None)
    _serve(inbox, outbox, function, config)


def _serve(inbox: BinaryIO, outbox: _Out, function: Callable[[Any, Any], Any], config: Any) -> None:
    # Not imported at the top: guard imports this module.
    from pile_curate.guard import describe

    while (frame := _receive(inbox)) is not None:
        body, cpu = frame
        try:
            item = pickle.loads(body)
            signal.setitimer(signal.ITIMER_PROF, cpu)
            try:
                result = function(item, config)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            outbox.send(OK, result)
        except MemoryError:
            item = result = None
            outbox.send(MEMORY, None)
            return  # what the heap looks like now is anybody's guess: begin afresh
        except (Exception, SystemExit) as error:
            outbox.send(ERROR, describe(error))


if __name__ == "__main__":
    # Pickles name this module's classes by its real name, so run the importable copy of it.
    from pile_curate.guard_child import main as serve

    serve()
