"""Decompress gz, zst, bz2 and xz with bounded memory, member by member, and never end early in silence.

The standard readers fall short here: some stop quietly at a truncation or ignore what follows the
first member, and zstandard may expand 1 MiB into 32 GiB in one call. This decoder pulls small slices (of
zst: one block, which makes 128 KiB at most), knows where each member begins, and tells the end from an accident.

Formats: RFC 1952 (gz), RFC 8878 (zst, with skippable frames), the xz file format 1.1.0, bzip2 1.0.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

RAW_CHUNK = 1 << 18
_SLICE = 1 << 16
ZSTD_WINDOW = 1 << 31  # ``zstd --long=31``, which some public dumps use

_ZSTD_HEAD = 18
_BZ2_STARTS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")
HEAD_BYTES = 10
"""How many bytes ``sniff`` needs to decide."""


class Damage(Exception):
    """The compressed stream is not what its format says; the message says how."""


def sniff(head: bytes) -> str:
    """Name the compression by content: ``gz``, ``zst``, ``bz2``, ``xz``, or ``""`` for none."""
    if head[:3] == b"\x1f\x8b\x08":
        return "gz"
    if head[:4] == b"\x28\xb5\x2f\xfd" or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F):
        return "zst"
    if head[:3] == b"BZh" and head[3:4].isdigit() and head[3:4] != b"0" and head[4:10] in _BZ2_STARTS:
        return "bz2"
    if head[:6] == b"\xfd7zXZ\x00":
        return "xz"
    return ""


def named(name: str) -> str:
    """Name the compression that a file's name promises, or ``""``."""
    suffix = name.rpartition(".")[2].lower()
    suffix = {"tgz": "gz", "tbz2": "bz2", "txz": "xz", "zstd": "zst"}.get(suffix, suffix)
    return suffix if suffix in ("gz", "bz2", "xz", "zst") else ""


class _Codec(Protocol):
    """One member's decompressor, made uniform."""

    eof: bool
    unused: int
    hungry: bool

    def step(self, data: bytes, limit: int) -> bytes:
        """Take input (only when ``hungry``) and return at most about ``limit`` bytes."""


class _Gzip:
    def __init__(self) -> None:
        self._z = zlib.decompressobj(wbits=31)
        self.eof, self.unused, self.hungry = False, 0, True

    def step(self, data: bytes, limit: int) -> bytes:
        out = self._z.decompress(self._z.unconsumed_tail or data, limit)
        self.eof, self.unused = self._z.eof, len(self._z.unused_data)
        self.hungry = not self._z.unconsumed_tail
        return out


class _Native:
    """bz2 and xz share the standard library's shape."""

    def __init__(self, native: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._native = native
        self.eof, self.unused, self.hungry = False, 0, True

    def step(self, data: bytes, limit: int) -> bytes:
        out = self._native.decompress(data, limit)
        self.eof, self.unused = self._native.eof, len(self._native.unused_data)
        self.hungry = self._native.needs_input
        return out


class _Zstd:
    def __init__(self) -> None:
        import zstandard

        self._z = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()
        self.eof, self.unused, self.hungry = False, 0, True

    def step(self, data: bytes, limit: int) -> bytes:
        out = self._z.decompress(data)
        self.eof, self.unused = self._z.eof, len(self._z.unused_data)
        return out


class _ZstdBlocks:
    """Say how long the next piece of a zstd frame is: its header, then block by block (RFC 8878, 3.1.1).

    It only cuts the input; whether the frame is sound is for the library to say.
    """

    def __init__(self) -> None:
        self.left = 0
        self._inside = False
        self._checksum = 0

    def begin(self, head: bytes) -> None:
        """Look at the bytes ahead and set ``left`` to the length of the piece that they begin."""
        if self._inside and len(head) >= 3:
            word = int.from_bytes(head[:3], "little")
            last, kind, size = word & 1, word >> 1 & 3, word >> 3
            self.left = 3 + (1 if kind == 1 else size) + self._checksum * last
        elif not self._inside and head[:4] == b"\x28\xb5\x2f\xfd" and len(head) >= 5:
            flags = head[4]
            single = flags >> 5 & 1
            content = (single, 2, 4, 8)[flags >> 6]
            self._checksum = 4 * (flags >> 2 & 1)
            self.left = 4 + 1 + (1 - single) + (0, 1, 2, 4)[flags & 3] + content
            self._inside = True
        else:
            self.left = _SLICE if not self._inside and len(head) >= 5 else max(1, len(head))


def _new_codec(name: str) -> _Codec:
    if name == "gz":
        return _Gzip()
    if name == "bz2":
        return _Native(bz2.BZ2Decompressor())
    if name == "xz":
        return _Native(lzma.LZMADecompressor(format=lzma.FORMAT_XZ))
    return _Zstd()


def _codec_errors() -> tuple[type[Exception], ...]:
    import zstandard

    return (zlib.error, OSError, lzma.LZMAError, zstandard.ZstdError, ValueError, EOFError)


class Decoder:
    """Pull decompressed bytes out of ``source(n)``, which returns raw bytes and ``b""`` at the end.

    ``member`` is the raw offset at which the member begins that the last bytes came from; bytes of two
    members never come in one ``read``. ``consumed`` is the raw offset up to which input was used.
    """

    def __init__(self, source: Callable[[int], bytes], codec: str, base: int = 0) -> None:
        self._source, self._codec = source, codec
        self._block, self._at, self._block_start = b"", 0, base
        self._base = base
        self._native: _Codec | None = None
        self.slice = _SLICE
        self._blocks = _ZstdBlocks()
        self._errors = _codec_errors() if codec else ()
        self._members = 0
        self._failed, self._ended = "", False
        self.member = base

    @property
    def consumed(self) -> int:
        """The raw offset of the first byte not used yet."""
        return self._block_start + self._at

    def read(self, limit: int) -> bytes:
        """Return the next bytes, at most ``limit`` (zst: up to 128 KiB more); ``b""`` at a clean end.

        Raises ``Damage``, again on each later call; whatever one failing step had produced is lost, so step finely to salvage.
        """
        if not self._codec:
            return self._take(limit)
        parts: list[bytes] = []
        have = 0
        while have < limit and not self._ended:
            try:
                out, border = self._advance(limit - have)
            except Damage:
                if not parts:
                    raise
                break  # the damage stands where it is: the next call meets it again
            if out:
                parts.append(out)
                have += len(out)
            if border and parts:
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _advance(self, limit: int) -> tuple[bytes, bool]:
        """Do one step; return its output and whether a member ends behind it."""
        if self._failed:
            raise Damage(self._failed)
        if self._native is None:
            if not self._begin_member():
                self._ended = True
                return b"", True
            self._native = _new_codec(self._codec)
        native = self._native
        hungry = native.hungry
        data = self._feed() if hungry else b""
        out = self._step(native, data, limit)
        if native.eof:
            self._at -= native.unused
            self._native = None
            return out, True
        if hungry and not data and not out:
            raise self._damage(f"{self._codec} stream is truncated")
        return out, False

    def _feed(self) -> bytes:
        """Take the next slice of input; of zst never more than one block, so that its output is bounded."""
        if self._codec != "zst":
            return self._take(self.slice)
        if not self._blocks.left:
            self._blocks.begin(self._peek(_ZSTD_HEAD))
        data = self._take(min(self._blocks.left, self.slice))
        self._blocks.left -= len(data)
        return data

    def _step(self, native: _Codec, data: bytes, limit: int) -> bytes:
        try:
            return native.step(data, limit)
        except MemoryError:
            raise
        except self._errors as error:
            raise self._damage(f"{self._codec} stream is damaged ({error})") from error

    def _damage(self, why: str) -> Damage:
        """Remember that nothing good follows."""
        self._failed = why
        return Damage(why)

    def _begin_member(self) -> bool:
        """Stand at the next member's first byte; False at a clean end of the file."""
        if self._members:
            self._skip_padding()
        head = self._peek(HEAD_BYTES)
        if not head:
            return False
        if sniff(head) != self._codec:
            what = "trailing bytes that are no" if self._members else "not a"
            raise self._damage(f"{what} {self._codec} member at raw byte {self.consumed}")
        self.member = self.consumed
        self._blocks = _ZstdBlocks()
        self._members += 1
        return True

    def _skip_padding(self) -> None:
        """Pass over zero bytes after a member: tapes pad gz, and the xz format allows multiples of 4."""
        if self._codec not in ("gz", "xz"):
            return
        zeros = 0
        while block := self._peek(1):
            rest = self._block[self._at :]
            run = len(rest) - len(rest.lstrip(b"\0"))
            self._at += run
            zeros += run
            if run < len(rest) or not block:
                break
        if self._codec == "xz" and zeros % 4:
            raise self._damage(f"xz padding of {zeros} bytes is no multiple of 4")

    def _peek(self, size: int) -> bytes:
        """Return up to ``size`` raw bytes without using them."""
        while len(self._block) - self._at < size:
            more = self._source(RAW_CHUNK)
            if not more:
                break
            self._block_start += self._at
            self._block = self._block[self._at :] + more
            self._at = 0
        return self._block[self._at : self._at + size]

    def _take(self, size: int) -> bytes:
        if self._at == len(self._block):
            self._block_start += self._at
            self._block, self._at = self._source(RAW_CHUNK), 0
        piece = self._block[self._at : self._at + size]
        self._at += len(piece)
        return piece
