"""Run a function over items in a child process that may crash, hang or swell without harm to the task.

A native parser fed with untrusted bytes can do all three. The child is a fresh interpreter (never a fork of a
process with threads); items and results cross two pipes as length-prefixed pickles, in order, one result
a time, so that a death costs the item being worked on and nothing else. That suspect is run again alone in a
fresh child: what was another item's fault (a leak, a trampled heap) thereby passes, and what is its
own becomes a ``GuardFailure``. Every item is therefore run at most twice.

This contains accidents. It is no sandbox: code that has taken over the child has this user's rights.

Cost, measured on a shared server core: 70 ms to start a child, 46 µs an item of 10 kB.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pile_curate.errors import SetupError
from pile_curate.guard_child import ERROR, FAILED, MEMORY, OK, READY, Settings, resolve
from pile_curate.guard_pipe import Pipe

T = TypeVar("T")
Reason = Literal["guard_cpu", "guard_memory", "guard_crash", "guard_error"]

RETRY_FACTOR = 10
"""An item that killed its child is tried once more, alone, with this many times the CPU limit."""

WALL_FACTOR, WALL_EXTRA = 10.0, 60.0
"""The wall-clock fallback, for an item that waits instead of working: 10 CPU limits plus a minute."""

START_SECONDS = 300.0
_DETAIL_LENGTH = 500
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")


@dataclass(frozen=True, slots=True)
class GuardFailure:
    """Why an item has no result. ``guard_error``: the function raised; the others killed the child.

    ``detail`` holds no address, pid or path of this run, so that it may enter a dataset.
    """

    reason: Reason
    detail: str


def describe(error: BaseException) -> str:
    """Return an exception's type and message in one line of at most 500 characters, without addresses."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    text = _ADDRESS.sub("0x…", text).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _DETAIL_LENGTH else text[: _DETAIL_LENGTH - 1] + "…"


class Guard:
    """Map a function over items in a guarded child. A context manager; ``target`` is ``"module:function"``.

    The function is called as ``function(item, config)``; item, config and result must be picklable.
    ``cpu_seconds`` limits each item, measured in CPU time with a wall-clock fallback of ten times that plus
    a minute; ``memory_bytes`` limits the address space beyond what the child needed to import the target
    (macOS does not enforce it). ``batch_items`` and ``batch_bytes`` are a batch; two may be under way.
    """

    def __init__(
        self,
        target: str,
        config: Any = None,
        *,
        cpu_seconds: float = 30,
        memory_bytes: int = 2 << 30,
        batch_items: int = 64,
        batch_bytes: int = 8 << 20,
    ) -> None:
        if cpu_seconds <= 0 or memory_bytes <= 0 or batch_items < 1 or batch_bytes < 1:
            raise ValueError("Guard needs positive limits and batches of at least one item")
        self._target, self._cpu, self._memory = target, float(cpu_seconds), memory_bytes
        self._batch_items, self._batch_bytes = batch_items, batch_bytes
        self._config = pickle.dumps(config, protocol=5)
        self._pipe: Pipe | None = None
        self.children = 0

    def __enter__(self) -> Guard:
        """Return the guard; the child starts with the first item."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the child."""
        self.close()

    def close(self) -> None:
        """End the child; a later ``map`` starts another."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()

    def map(self, items: Iterable[T]) -> Iterator[tuple[T, Any | GuardFailure]]:
        """Yield each item with the function's result or a ``GuardFailure``, in the items' order.

        Raises ``SetupError`` if the child cannot start or the target cannot be imported in it.
        """
        source = iter(items)
        flying: deque[tuple[T, bytes]] = deque()
        size, exhausted = 0, False
        try:
            while True:
                # Two batches may be under way: the child works on one while the parent makes the next.
                while not exhausted and len(flying) < 2 * self._batch_items and size < 2 * self._batch_bytes:
                    try:
                        item = next(source)
                    except StopIteration:
                        exhausted = True
                        break
                    body = pickle.dumps(item, protocol=5)
                    flying.append((item, body))
                    size += len(body)
                    pipe = self._child()
                    pipe.send(body, self._cpu)
                    pipe.pump()
                if not flying:
                    return
                item, body = flying[0]
                result = self._answer(self._child(), self._cpu)
                if result.died:
                    result = self._alone(body, result)
                    flying.popleft()
                    if flying:
                        self._resend(flying)
                else:
                    flying.popleft()
                size -= len(body)
                yield item, result.value
                if self._pipe is not None:
                    self._pipe.pump()
        finally:
            if flying:
                self.close()  # the consumer left early; answers under way belong to nobody

    def _child(self) -> Pipe:
        if self._pipe is None:
            self._pipe = self._start()
        return self._pipe

    def _start(self) -> Pipe:
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(p or os.getcwd() for p in sys.path)
        # One task is one core: a native library that starts a thread a core would only fight its neighbours.
        environment.setdefault("OMP_NUM_THREADS", "1")
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pile_curate.guard_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self.children += 1
        pipe = Pipe(process)
        settings = Settings(self._target, self._memory, os.getpid(), self._config)
        pipe.send(pickle.dumps(settings, protocol=5), 0.0)
        kind, body = pipe.receive(START_SECONDS)
        if kind == READY:
            return pipe
        pipe.close()
        why = pickle.loads(body) if kind == FAILED else "it ended at once; its messages are on stderr"
        raise SetupError(f"the guarded child for {self._target!r} cannot start: {why}")

    def _answer(self, pipe: Pipe, cpu_seconds: float) -> _Answer:
        """Wait for one result; on a death, say why and forget the child."""
        wall = WALL_FACTOR * cpu_seconds + WALL_EXTRA
        kind, body = pipe.receive(wall)
        if kind == OK:
            return _Answer(_unpickled(body))
        if kind == ERROR:
            return _Answer(GuardFailure("guard_error", pickle.loads(body)))
        self._pipe = None
        status = pipe.close()
        if kind == MEMORY:
            failure = GuardFailure("guard_memory", f"more than {self._memory >> 20} MiB of memory")
            return _Answer(failure, died=True)
        if pipe.timed_out:
            # It waits rather than works, so ten times the CPU limit would not help it.
            failure = GuardFailure("guard_cpu", f"no result within {wall:g} seconds")
            return _Answer(failure, died=True, retry_factor=1)
        if status in (-signal.SIGPROF, -signal.SIGXCPU):
            failure = GuardFailure("guard_cpu", f"more than {cpu_seconds:g} CPU seconds")
            return _Answer(failure, died=True)
        return _Answer(GuardFailure("guard_crash", _death(status)), died=True)

    def _alone(self, body: bytes, first: _Answer) -> _Answer:
        """Run a suspect in a fresh child; only what fails alone has failed.

        The CPU limit is ten times higher, whatever killed the first child, so that the verdict does
        not hang on how busy the machine is. The memory limit is not: a fresh child has all of it, and
        ten times two gigabytes would take the machine down.
        """
        cpu = self._cpu * first.retry_factor
        pipe = self._child()
        pipe.send(body, cpu)
        return self._answer(pipe, cpu)

    def _resend(self, flying: Iterable[tuple[Any, bytes]]) -> None:
        pipe = self._child()
        for _, body in flying:
            pipe.send(body, self._cpu)


@dataclass(frozen=True, slots=True)
class _Answer:
    value: Any
    died: bool = False
    retry_factor: float = RETRY_FACTOR


def _unpickled(body: bytes) -> Any:
    """Return a result; one that cannot be rebuilt here is its item's failure, not the job's."""
    try:
        return pickle.loads(body)
    except Exception as error:  # unpickling runs the classes' own code
        return GuardFailure("guard_error", f"result cannot be read: {describe(error)}")


def _death(status: int) -> str:
    if status >= 0:
        return f"the process ended itself with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return f"the process was ended by {name}{hint}"


class InProcess:
    """The same ``map`` without a child, for tests and for pure Python over trusted bytes."""

    def __init__(self, target: str, config: Any = None) -> None:
        self._function, self._config = resolve(target), config

    def __enter__(self) -> InProcess:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: there is no child."""

    def map(self, items: Iterable[T]) -> Iterator[tuple[T, Any | GuardFailure]]:
        """Yield each item with its result, or with a ``GuardFailure`` if the function raised."""
        for item in items:
            result: Any
            try:
                result = self._function(item, self._config)
            except MemoryError:
                result = GuardFailure("guard_memory", "out of memory")
            except Exception as error:  # whatever a parser raises is the item's failure, by contract
                result = GuardFailure("guard_error", describe(error))
            yield item, result
