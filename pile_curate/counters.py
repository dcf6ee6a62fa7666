"""Count records on the byte stream itself, by code that is not the parser.

Whoever reads a raw file names a counter; the stream feeds it every byte that it hands out, in the same pass.
That what the parser delivers and what the counter saw agree is the proof that nothing vanished.
"""

from __future__ import annotations

_BLOCK = 512
_META_BYTES = 1 << 20  # as archives.META_BYTES: beyond it any reader stops


class RecordCounter:
    """Count the records of one stream. Subclass it: ``feed`` sees every byte once, in order, in any cut.

    The base class counts one record per file that is not empty (the file *is* the record).
    """

    def __init__(self) -> None:
        self.count = 0

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes; how the stream is cut must not change the count."""
        if len(data):
            self.count = 1

    def close(self) -> int:
        """Return the number of records seen, a last unfinished one included."""
        return self.count


class FileCounter(RecordCounter):
    """Count a file as one record, also when it is empty."""

    def close(self) -> int:
        """Return 1."""
        return 1


class PatternCounter(RecordCounter):
    """Count a byte pattern, left to right without overlap, as ``bytes.count`` would on the whole stream."""

    def __init__(self, pattern: bytes) -> None:
        super().__init__()
        if not pattern:
            raise ValueError("PatternCounter needs a pattern of at least one byte")
        self._pattern = pattern
        self._overlaps = any(pattern.startswith(pattern[i:]) for i in range(1, len(pattern)))
        self._tail = b""

    def feed(self, data: bytes | memoryview) -> None:
        """Count the matches that end in these bytes."""
        pattern, size = self._pattern, len(self._pattern)
        joined = self._tail + data if self._tail else bytes(data)
        end = 0
        if self._overlaps:
            while (at := joined.find(pattern, end)) >= 0:
                self.count += 1
                end = at + size
        else:
            # No two matches can overlap, so the fast search counts them and the last one is the last found.
            self.count += joined.count(pattern)
            last = joined.rfind(pattern, max(0, len(joined) - 2 * size))
            end = last + size if last >= 0 else 0
        # What is kept is shorter than the pattern and begins after the last match: no match is seen twice.
        self._tail = joined[max(end, len(joined) - size + 1) :]


class TarCounter(RecordCounter):
    """Count a plain tar's file entries by walking its headers, in any cut of the stream.

    Written apart from the reader on purpose, and knowing only what a count needs: checksum, type, size.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()
        self._skip = 0
        self._meta = 0  # bytes of a pax body still to be collected, 0 when a header comes next
        self._pad = 0
        self._override: int | None = None
        self._over = False

    def feed(self, data: bytes | memoryview) -> None:
        """Walk on through these bytes."""
        view = memoryview(data)
        while len(view) and not self._over:
            if self._skip:
                step = min(self._skip, len(view))
                self._skip -= step
                view = view[step:]
                continue
            want = (self._meta or _BLOCK) - len(self._held)
            self._held += view[:want]
            view = view[want:]
            if len(self._held) == (self._meta or _BLOCK):
                body = bytes(self._held)
                self._held.clear()
                if self._meta:
                    self._meta, self._skip = 0, self._pad
                    self._read_pax(body)
                else:
                    self._read_header(body)

    def _read_header(self, block: bytes) -> None:
        size = _number(block[124:136])
        total = sum(block[:148]) + 256 + sum(block[156:])
        signed = total - 256 * sum(b > 127 for b in block[:148] + block[156:])
        # An empty block is the end mark; a wrong checksum is where any reader must stop, too.
        if not any(block) or size is None or size < 0 or _number(block[148:156]) not in (total, signed):
            self._over = True
            return
        kind = block[156:157]
        if kind in (b"x", b"X", b"g", b"L", b"K"):
            if size > _META_BYTES:
                self._over = True
            elif kind in (b"x", b"X"):
                self._meta, self._pad = size, -size % _BLOCK
            else:
                self._skip = size + -size % _BLOCK
            return
        if self._override is not None:
            size, self._override = self._override, None
        if kind == b"\0" and block[:100].split(b"\0", 1)[0].endswith(b"/"):
            kind = b"5"
        if kind != b"5":
            self.count += 1
        self._skip = 0 if kind in (b"1", b"2", b"3", b"4", b"5", b"6") else size + -size % _BLOCK

    def _read_pax(self, body: bytes) -> None:
        while body:
            digits, space, rest = body.partition(b" ")
            key, equals, _ = rest.partition(b"=")
            length = int(digits) if digits.isdigit() and len(digits) < 9 else 0
            value = body[len(digits) + len(key) + 2 : length - 1]
            valid = space and equals and key and length > len(digits) + len(key) + 2
            if not valid or body[length - 1 : length] != b"\n":
                self._over = True
                return
            if key == b"size":
                if not value.isdigit() or len(value) > 19:
                    self._over = True
                    return
                self._override = int(value)
            body = body[length:]


def _number(field: bytes) -> int | None:
    """Return an octal or base-256 number, None if it is neither."""
    if field[0] in (0x80, 0xFF):
        value = int.from_bytes(field[1:], "big")
        return value - (1 << 8 * (len(field) - 1)) if field[0] == 0xFF else value
    value = 0
    for byte in field.split(b"\0", 1)[0].strip(b" \t\n"):
        if not 0x30 <= byte <= 0x37:
            return None
        value = value * 8 + byte - 0x30
    return value
