"""Read one raw file as a decompressed stream that counts, hashes, and tells damage from the end.

Memory stays bounded whatever the file claims to be: 256 KiB a step, and caps on size and on growth.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from pile_curate.counters import RecordCounter
from pile_curate.decode import HEAD_BYTES, Damage, Decoder, named, sniff
from pile_curate.discovery import RawFile
from pile_curate.errors import CorruptInput, LimitExceeded
from pile_curate.storage import CHUNK, open_raw, read_full

_STEP = 1 << 18


@dataclass(frozen=True, slots=True)
class Caps:
    """How far a file may grow. ``ratio`` counts once ``ratio_after`` bytes have come out.

    DEFLATE cannot pass 1032:1 and real dumps stay below 50:1, so 1000:1 over 64 MiB is a bomb.
    """

    file_bytes: int = 64 << 30
    ratio: int = 1000
    ratio_after: int = 64 << 20
    line_bytes: int = 256 << 20
    member_bytes: int = 256 << 20
    members: int = 10_000_000


DEFAULT_CAPS = Caps()


@dataclass(slots=True)
class FileTally:
    """What was read of one file or range: raw bytes ``[start, stop)``, their sha256, and how it ended.

    ``complete`` is true only if the end was seen without damage; ``damage`` says what was wrong.
    """

    rel: str
    start: int
    stop: int | None
    bytes: int
    sha256: str
    records: int
    complete: bool
    damage: str = ""
    text_bytes: int = 0


class Chunk(NamedTuple):
    """Bytes of one compressed member (or of a plain file): ``member`` is where it begins, in raw bytes."""

    member: int
    offset: int
    data: bytes


class RawStream(io.RawIOBase):
    """Read one raw file, decompressed. Made by ``Tally.open``; use it as a context manager.

    ``read(n)`` returns exactly n bytes unless the end or a damage comes first. A damage is raised as
    ``CorruptInput`` only after every byte before it was handed out, and again on each later read.
    """

    def __init__(
        self,
        file: RawFile,
        counter: RecordCounter,
        on_close: Callable[[FileTally], None],
        *,
        start: int = 0,
        stop: int | None = None,
        caps: Caps = DEFAULT_CAPS,
    ) -> None:
        super().__init__()
        if start < 0 or (stop is not None and stop < start):
            raise ValueError(f"a range must satisfy 0 <= start <= stop, not [{start}, {stop})")
        self.file, self.caps = file, caps
        self._counter, self._on_close = counter, on_close
        self._start, self._stop = start, stop
        self._sha, self._raw_bytes = hashlib.sha256(), 0
        self._raw: BinaryIO = open_raw(file.path)
        # The file's own head decides, so that plain text cut in the middle is never taken for a gzip.
        head = read_full(self._raw, HEAD_BYTES)
        # A file named .gz that begins like nothing known is a damaged gz, not a text.
        self.codec = sniff(head) or (named(file.rel) if head else "")
        self._raw.seek(start)
        self._decoder = Decoder(self._read_raw, self.codec, start)
        self._pending, self._pending_at = b"", 0
        self._decoded = self._handed = 0
        self._error: CorruptInput | None = None
        self._ended = False

    @property
    def position(self) -> int:
        """Decompressed offset of the next byte: absolute for plain files, else since ``start``."""
        return self._handed + (0 if self.codec else self._start)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Return ``size`` bytes (all if negative or None), fewer only before the end or a damage."""
        want = -1 if size is None or size < 0 else size
        parts: list[bytes] = []
        have = 0
        while want < 0 or have < want:
            piece = self._hand(CHUNK if want < 0 else want - have, raising=not parts)
            if not piece:
                break
            parts.append(piece)
            have += len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; may be short."""
        view = memoryview(buffer).cast("B")
        data = self._hand(len(view), raising=True)
        view[: len(data)] = data
        return len(data)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the stream in pieces of at most 1 MiB that never cross a compressed member."""
        while True:
            offset = self.position
            data = self._hand(CHUNK, raising=True)
            if not data:
                return
            yield Chunk(self._decoder.member if self.codec else self._start, offset, data)

    def lines(self) -> Iterator[bytes]:
        """Yield lines with their ``\\n``; the last may lack it. A line above the cap is ``LimitExceeded``.

        A line cut by damage is yielded, without its ``\\n``, before ``CorruptInput`` is raised.
        """
        rest: list[bytes] = []
        held = 0
        error: CorruptInput | None = None
        while error is None:
            try:
                data = self._hand(_STEP, raising=True)
            except CorruptInput as caught:
                error = caught
                break
            if not data:
                break
            pieces = data.splitlines(keepends=True) if b"\r" not in data else _split(data)
            if rest and pieces[0].endswith(b"\n"):
                yield b"".join((*rest, pieces.pop(0)))
                rest, held = [], 0
            if pieces and not pieces[-1].endswith(b"\n"):
                rest.append(pieces.pop())
                held += len(rest[-1])
            yield from pieces
            if held > self.caps.line_bytes:
                error = self._fail(LimitExceeded, f"a line is longer than {self.caps.line_bytes} bytes")
        if rest:
            yield b"".join(rest)
        if error is not None:
            raise error

    def drain(self) -> int:
        """Read on to the end or the damage, for the counter's sake; return how many bytes that was."""
        before = self._handed
        try:
            while self._hand(CHUNK, raising=True):
                pass
        except CorruptInput:
            pass  # it stands in the tally, and every other read raises it
        return self._handed - before

    def close(self) -> None:
        """Hash what was not read, and enter the file into the tally."""
        if self.closed:
            return
        try:
            while self._read_raw(CHUNK):
                pass
        finally:
            self._raw.close()
            super().close()
        complete = self._ended and self._error is None
        self._on_close(
            FileTally(
                rel=self.file.rel,
                start=self._start,
                stop=self._stop,
                bytes=self._raw_bytes,
                sha256=self._sha.hexdigest(),
                records=self._counter.close(),
                complete=complete,
                damage=str(self._error.why) if self._error else "",
                text_bytes=self._handed,
            )
        )

    def _read_raw(self, size: int) -> bytes:
        if self._stop is not None:
            size = min(size, self._stop - self._start - self._raw_bytes)
        data = self._raw.read(size) if size > 0 else b""
        self._sha.update(data)
        self._raw_bytes += len(data)
        return data

    def _hand(self, size: int, *, raising: bool) -> bytes:
        """Hand out up to ``size`` bytes, each passing the counter exactly once."""
        if self.closed:
            raise ValueError(f"read of the closed stream {self.file.rel}")
        if size == 0:
            return b""
        if self._pending_at == len(self._pending):
            self._pending, self._pending_at = self._decode(), 0
            if not self._pending:
                if self._error is not None and raising:
                    raise self._error
                return b""
        if self._pending_at == 0 and size >= len(self._pending):
            piece = self._pending
        else:
            piece = self._pending[self._pending_at : self._pending_at + size]
        self._pending_at += len(piece)
        self._handed += len(piece)
        self._counter.feed(piece)
        return piece

    def _decode(self) -> bytes:
        """Return the next decompressed piece; ``b""`` at the end or once an error stands."""
        if self._ended or self._error is not None:
            return b""
        try:
            data = self._decoder.read(_STEP)
        except Damage as damage:
            data = self._salvage()
            self._decoded += len(data)
            self._fail(CorruptInput, str(damage))
            return data
        if not data:
            self._ended = True
            expected = (self.file.size if self._stop is None else self._stop) - self._start
            if self._raw_bytes < expected:
                short = expected - self._raw_bytes
                self._fail(CorruptInput, f"the file is {short} bytes shorter than when it was listed")
            return b""
        self._decoded += len(data)
        used = max(1, self._decoder.consumed - self._start)
        if self.codec and self._decoded > self.caps.ratio_after and self._decoded > used * self.caps.ratio:
            self._fail(LimitExceeded, f"it grows more than {self.caps.ratio}:1 (a decompression bomb?)")
        elif self._decoded > self.caps.file_bytes:
            data = data[: len(data) - (self._decoded - self.caps.file_bytes)]
            self._decoded = self.caps.file_bytes
            self._fail(LimitExceeded, f"it is larger than {self.caps.file_bytes} bytes decompressed")
        return data

    def _fail(self, kind: type[CorruptInput], why: str) -> CorruptInput:
        if self._error is None:
            self._error = kind(why, path=self.file.rel, offset=self._decoded)
        return self._error

    def _salvage(self) -> bytes:
        """Decode again from the start, in the finest steps near the end, to lose nothing before the damage.

        A failing step loses what it had produced. This costs a second pass over the file, once.
        """
        out = bytearray()
        with open_raw(self.file.path, self._start) as raw:
            left = self._raw_bytes

            def source(size: int) -> bytes:
                nonlocal left
                data = raw.read(min(size, left)) if left else b""
                left -= len(data)
                return data

            decoder = Decoder(source, self.codec, self._start)
            seen, data = 0, b""
            try:
                while seen < self._decoded:
                    data = decoder.read(min(_STEP, self._decoded - seen))
                    seen += len(data)
                out += data[len(data) - (seen - self._decoded) :] if seen > self._decoded else b""
                decoder.slice = 1
                while data := decoder.read(1):
                    out += data
            except Damage:
                return bytes(out)
        return bytes(out)


def _split(data: bytes) -> list[bytes]:
    """Split at ``\\n`` only; ``splitlines`` would also cut at a lone ``\\r``."""
    pieces = data.split(b"\n")
    last = pieces.pop()
    lines = [piece + b"\n" for piece in pieces]
    return [*lines, last] if last else lines
