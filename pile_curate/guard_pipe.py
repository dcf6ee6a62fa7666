"""Talk to a guarded child over its pipes without threads and without either side waiting for the other."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections import deque
from typing import IO

from pile_curate.guard_child import DIED, HEADER, ITEM, READY

_READ = 1 << 20
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
MAX_FRAME = 4 << 30


class Pipe:
    """The parent's end: ``send`` queues, ``pump`` moves what moves at once, ``receive`` waits for a frame."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        assert process.stdin is not None and process.stdout is not None  # made with PIPE
        self._in, self._out = process.stdin, process.stdout
        self._outgoing: deque[memoryview] = deque()
        self._incoming = bytearray()
        self._ended = False
        self.timed_out = False
        for end in (self._in, self._out):
            os.set_blocking(end.fileno(), False)
            _widen(end)

    def send(self, body: bytes, cpu_seconds: float) -> None:
        """Queue one frame."""
        self._outgoing.append(memoryview(HEADER.pack(len(body), ITEM, cpu_seconds)))
        self._outgoing.append(memoryview(body))

    def pump(self, seconds: float = 0.0) -> None:
        """Write and read what is possible now, after waiting at most ``seconds`` for either."""
        if seconds > 0:
            with selectors.DefaultSelector() as selector:
                if self._outgoing:
                    selector.register(self._in, selectors.EVENT_WRITE)
                selector.register(self._out, selectors.EVENT_READ)
                selector.select(seconds)
        if self._outgoing:
            self._write()
        if not self._ended:
            self._read()

    def receive(self, seconds: float) -> tuple[int, bytes]:
        """Return the next frame's kind and body; ``DIED`` once the child is gone or silent for ``seconds``.

        The clock runs only while this call waits: time that the consumer spends elsewhere is not the child's.
        """
        deadline = time.monotonic() + seconds
        while (frame := self._frame()) is None:
            if self._ended:
                return DIED, b""
            left = deadline - time.monotonic()
            if left <= 0:
                self.timed_out = True
                self.process.kill()
                return DIED, b""
            self.pump(min(left, 5.0))
        return frame

    def close(self) -> int:
        """End the child if it still runs, and return its exit status (negative: a signal)."""
        if self._ended:
            # Its pipe is closed, so it is ending or has lost its wits; the status says how it ended.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5.0)
        if self.process.poll() is None:
            self.process.kill()
        for end in (self._in, self._out):
            with contextlib.suppress(OSError):  # a broken pipe is what is expected here
                end.close()
        return self.process.wait()

    def _write(self) -> None:
        try:
            while self._outgoing:
                data = self._outgoing[0]
                written = os.write(self._in.fileno(), data)
                if written == len(data):
                    self._outgoing.popleft()
                else:
                    self._outgoing[0] = data[written:]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._outgoing.clear()  # the child is gone; the read side will say so

    def _read(self) -> None:
        try:
            while data := os.read(self._out.fileno(), _READ):
                self._incoming += data
            self._ended = True
        except BlockingIOError:
            return

    def _frame(self) -> tuple[int, bytes] | None:
        if len(self._incoming) < HEADER.size:
            return None
        length, kind, _ = HEADER.unpack_from(self._incoming)
        if length > MAX_FRAME or not READY <= kind < ITEM:
            self.process.kill()  # not our protocol: the child's memory is not its own any more
            self._incoming.clear()
            self._ended = True
            return DIED, b""
        end = HEADER.size + length
        if len(self._incoming) < end:
            return None
        body = bytes(memoryview(self._incoming)[HEADER.size : end])
        del self._incoming[:end]
        return kind, body


def _widen(end: IO[bytes]) -> None:
    """Ask Linux for a pipe of 1 MiB, so that the child seldom waits; harmless where it is refused."""
    with contextlib.suppress(OSError, ImportError):
        import fcntl

        fcntl.fcntl(end.fileno(), _F_SETPIPE_SZ, _PIPE_BYTES)
