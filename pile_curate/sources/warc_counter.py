"""Count WARC records on the byte stream, by a walk of its own.

It follows the same definition of a record as the framing (``warc.py``) but shares no code with it: bytes
are pushed in any cut, nothing is parsed but the version line, the end of the header and its length.
"""

from __future__ import annotations

from pile_curate.files import RecordCounter

MAX_HEADER_BYTES = 1 << 16
MAX_RECORD_BYTES = 64 << 20
TAIL_BYTES = 13
"""Eight newline bytes at most lie between a record's content and the next ``WARC/``."""

_MAGIC = b"WARC/"


class WarcCounter(RecordCounter):
    """Count records; holds one record (64 MiB at most) in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()
        self._lost = False
        self._over = False

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._held += data
        while self._step():
            pass

    def close(self) -> int:
        """Count what is left and return the total."""
        self._over = True
        while self._step():
            pass
        return self.count

    def _step(self) -> bool:
        """Move on by one record or one gap; False if more bytes are needed."""
        if self._lost:
            return self._find()
        held = self._held
        skip = 0
        while skip < len(held) and held[skip] in (10, 13):
            skip += 1
        del held[:skip]
        if not held or (len(held) < 16 and not self._over):
            return False
        if not _is_version(held, 0):
            self._lost = True
            return True
        return self._walk()

    def _find(self) -> bool:
        """Look for a version line after a newline; keep no more than could be the beginning of one."""
        held = self._held
        at = held.find(b"\n" + _MAGIC)
        while at >= 0:
            if at + 17 > len(held) and not self._over:
                del held[:at]
                return False
            if _is_version(held, at + 1):
                del held[: at + 1]
                self._lost = False
                return True
            at = held.find(b"\n" + _MAGIC, at + 1)
        if self._over:
            held.clear()
        else:
            del held[: max(0, len(held) - len(_MAGIC))]
        return False

    def _walk(self) -> bool:
        """Count the record at the start and step over it, or get lost behind its header."""
        held = self._held
        ends = [(at, size) for size in (2, 3, 4) for at in _blank(held, size)]
        if not ends:
            if len(held) >= MAX_HEADER_BYTES:
                return self._count(1, lost=True)
            if self._over:
                return self._count(len(held), lost=False)
            return False
        end, size = min(ends, key=lambda found: (found[0], -found[1]))
        length = _length(bytes(held[:end]))
        start = end + size
        if length is None or length > MAX_RECORD_BYTES:
            return self._count(start - 1, lost=True)
        stop = start + length
        if len(held) < stop + TAIL_BYTES and not self._over:
            return False
        if len(held) < stop:
            return self._count(start - 1, lost=True)
        tail = bytes(held[stop : stop + TAIL_BYTES])
        beyond = tail.strip(b"\r\n") if len(tail.strip(b"\r\n")) == 0 else tail[_newlines(tail) :]
        begins = beyond[:5] == _MAGIC or beyond == _MAGIC[: len(beyond)] and len(tail) < TAIL_BYTES
        if tail[:4] == b"\r\n\r\n" or not beyond or begins:
            return self._count(stop, lost=False)
        return self._count(start - 1, lost=True)

    def _count(self, drop: int, *, lost: bool) -> bool:
        self.count += 1
        del self._held[:drop]
        self._lost = lost
        return True


def _newlines(data: bytes) -> int:
    count = 0
    while data[count] in (10, 13):
        count += 1
    return count


def _is_version(held: bytearray, at: int) -> bool:
    line = bytes(held[at : at + 11])
    end = line.find(b"\n")
    if end < 0 or line[:5] != _MAGIC:
        return False
    major, dot, minor = line[5:end].removesuffix(b"\r").partition(b".")
    return dot == b"." and len(major) == 1 and len(minor) in (1, 2) and (major + minor).isdigit()


def _blank(held: bytearray, size: int) -> list[int]:
    """Return where the first blank line of this spelling is, if anywhere in a header's reach."""
    spellings = {2: (b"\n\n",), 3: (b"\r\n\n", b"\n\r\n"), 4: (b"\r\n\r\n",)}[size]
    return [at for mark in spellings if (at := held.find(mark, 0, MAX_HEADER_BYTES)) >= 0]


def _length(header: bytes) -> int | None:
    """Return the declared length: the first header of that name, a plain decimal number of 1 to 12 digits."""
    for line in header.split(b"\n"):
        name, colon, value = line.partition(b":")
        if line[:1] not in (b" ", b"\t") and colon and name.strip().lower() == b"content-length":
            digits = value.strip()
            return int(digits) if 0 < len(digits) <= 12 and digits.isdigit() else None
    return None
