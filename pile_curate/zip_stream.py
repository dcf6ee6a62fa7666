"""Read the members of a zip as streams: one pass over the file, bounded memory, counted and hashed on the way.

``zips`` hands members out whole; the weekly dumps of some publishers are one member of many gigabytes. Here
a member is a stream of pieces of at most 256 KiB. The file is read forward, once: the central directory says what there
is, each member is decoded where it lies, and every raw byte passes the hash. A zip whose directory is missing (a
download that broke off) is walked by its local headers, and what precedes the damage is handed out.

Format: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.9 (data descriptor), 4.5.3 (zip64 sizes). Stored and
deflate only.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import BinaryIO

from pile_curate.archives import plain_name, unsafe
from pile_curate.counters import RecordCounter
from pile_curate.discovery import RawFile
from pile_curate.errors import CorruptInput, LimitExceeded
from pile_curate.files import DEFAULT_CAPS, Caps, FileTally, Tally
from pile_curate.storage import open_raw
from pile_curate.zips import zip_count

ZIP_HEADS = (b"PK\x03\x04", b"PK\x05\x06")
"""What a zip begins with; the second is an empty one."""

_STEP = 1 << 18
_LOCAL = struct.Struct("<4s5H3L2H")
_LONG = 0xFFFFFFFF
_UNKNOWN = -1
_ERRORS = (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError, EOFError, OSError)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _Forward:
    """Read a file forward only, hash each byte once, and take back what was read too far."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle, self._sha = handle, hashlib.sha256()
        self._held = b""
        self.pulled = 0

    @property
    def position(self) -> int:
        return self.pulled - len(self._held)

    @property
    def sha256(self) -> str:
        return self._sha.hexdigest()

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; ``b""`` only at the end."""
        if self._held:
            piece, self._held = self._held[:size], self._held[size:]
            return piece
        piece = self._handle.read(size) if size > 0 else b""
        self._sha.update(piece)
        self.pulled += len(piece)
        return piece

    def exactly(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""
        parts, have = [], 0
        while have < size and (piece := self.read(min(_STEP, size - have))):
            parts.append(piece)
            have += len(piece)
        return b"".join(parts)

    def take_back(self, data: bytes) -> None:
        self._held = data + self._held

    def forward(self, position: int) -> bool:
        """Read on to a position; say whether it was reached."""
        while self.position < position and self.read(min(_STEP, position - self.position)):
            pass
        return self.position == position


class ZipMember:
    """One member. Unless ``reject`` says why not, ``chunks`` yields its bytes; the names of the reasons are ``Member``'s."""

    def __init__(self, owner: ZipStream, name: str, index: int, size: int, reject: str) -> None:
        self.name, self.index, self.size, self.reject = name, index, size, reject
        self._owner = owner
        self._method, self._packed, self._crc = zipfile.ZIP_STORED, 0, _UNKNOWN
        self._length = _UNKNOWN
        self._open = False

    def chunks(self) -> Iterator[bytes]:
        """Yield the member's bytes, each of which its counter has seen; a damage is raised after what precedes it."""
        if self.reject or not self._open:
            return
        self._open = False
        counter = self._owner.new_counter()
        total = crc = 0
        try:
            for piece in self._decoded():
                total += len(piece)
                crc = zlib.crc32(piece, crc)
                counter.feed(piece)
                self._owner.unpacked += len(piece)
                yield piece
                self._owner.check(total)
            if self._crc not in (_UNKNOWN, crc) or self._length not in (_UNKNOWN, total):
                raise self._owner.damaged(
                    f"member {self.name!r} does not unpack to what its checksum or length says"
                )
        finally:
            self._owner.records += counter.close()

    def _decoded(self) -> Iterator[bytes]:
        if self._method == zipfile.ZIP_STORED:
            left = self._packed
            while left:
                piece = self._owner.raw.read(min(_STEP, left))
                if not piece:
                    raise self._owner.damaged(f"the zip ends inside member {self.name!r}")
                left -= len(piece)
                yield piece
        else:
            yield from self._inflated()

    def _inflated(self) -> Iterator[bytes]:
        raw, native = self._owner.raw, zlib.decompressobj(-15)
        left = self._packed
        while not native.eof:
            data = native.unconsumed_tail
            if not data:
                data = raw.read(_STEP if left == _UNKNOWN else min(_STEP, left))
                left -= len(data) if left != _UNKNOWN else 0
            before = native.copy()
            try:
                piece = native.decompress(data, _STEP)  # without data: what the last step had no room for
            except zlib.error as error:
                yield from _salvage(before, data)
                raise self._owner.damaged(f"member {self.name!r} is damaged ({error})") from error
            if piece:
                yield piece
            elif not data and not native.eof:
                raise self._owner.damaged(f"the zip ends inside member {self.name!r}")
        raw.take_back(native.unused_data)


def _salvage(native: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """Decode byte by byte up to a damage: the step that meets it loses what it had made."""
    out = bytearray()
    for at in range(len(data)):
        try:
            out += native.decompress(data[at : at + 1])
        except zlib.error:
            break
    if out:
        yield bytes(out)


class ZipStream:
    """Iterate over a zip's members, in the order they lie in; use it as a context manager, which makes the tally's entry.

    ``counter`` makes one counter a member, so that records never span two. After the last good member of a damaged
    zip, ``CorruptInput`` is raised; ``LimitExceeded`` for a bomb. A member that is not read is passed over unpacked.
    """

    def __init__(
        self, file: RawFile, tally: Tally, counter: Callable[[], RecordCounter], caps: Caps = DEFAULT_CAPS
    ) -> None:
        self.file, self._tally, self._caps = file, tally, caps
        self.new_counter = counter
        self.records = self.unpacked = 0
        self._damage, self._complete = "", False
        self._handle = open_raw(file.path)
        self.raw = _Forward(self._handle)

    def __enter__(self) -> ZipStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hash what was not read, and enter the file into the tally."""
        try:
            while self.raw.read(_STEP):
                pass
        finally:
            self._handle.close()
        self._tally.add(
            FileTally(
                rel=self.file.rel,
                start=0,
                stop=None,
                bytes=self.raw.pulled,
                sha256=self.raw.sha256,
                records=self.records,
                complete=self._complete and not self._damage,
                damage=self._damage,
                text_bytes=self.unpacked,
            )
        )

    def __iter__(self) -> Iterator[ZipMember]:
        infos, damage = self._directory()
        if infos is not None:
            yield from self._listed(infos)
            self._complete = True
        else:
            yield from self._scanned()
            raise self.damaged(damage)

    def damaged(self, why: str) -> CorruptInput:
        """Remember the first damage, and return it as an error."""
        self._damage = self._damage or why
        return CorruptInput(why, path=self.file.rel, offset=self.raw.position)

    def check(self, member_bytes: int) -> None:
        """Refuse what grows beyond the caps."""
        caps, used = self._caps, max(1, self.raw.position)
        bomb = self.unpacked > caps.ratio_after and self.unpacked > caps.ratio * used
        if bomb or member_bytes > caps.file_bytes:
            self._damage = self._damage or "a decompression bomb?"
            raise LimitExceeded("a member grows beyond the caps (a decompression bomb?)", path=self.file.rel)

    def _directory(self) -> tuple[list[zipfile.ZipInfo] | None, str]:
        """Return the file entries by where they lie, or None and what is wrong with the directory."""
        try:
            count = zip_count(self.file.path)
            with open_raw(self.file.path) as handle, zipfile.ZipFile(handle) as archive:
                infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
        except CorruptInput as error:
            return None, error.why
        except _ERRORS as error:
            return None, f"bad zip ({error})"
        if len(infos) != count:
            return None, f"zip holds {len(infos)} readable entries of {count}"
        return sorted(infos, key=lambda info: info.header_offset), ""

    def _listed(self, infos: list[zipfile.ZipInfo]) -> Iterator[ZipMember]:
        for index, info in enumerate(infos):
            mode = info.external_attr >> 16
            reject = _refusal(info.filename, mode, info.flag_bits, info.compress_type)
            member = ZipMember(self, plain_name(info.filename), index, info.file_size, reject)
            if not reject:
                if not self._seek_data(info):
                    member.reject = "corrupt"
                else:
                    member._method, member._packed = info.compress_type, info.compress_size
                    member._crc, member._length = info.CRC, info.file_size
                    member._open = True
            yield member

    def _seek_data(self, info: zipfile.ZipInfo) -> bool:
        """Stand at a member's first byte; False where another member lies, or no local header."""
        if info.header_offset < self.raw.position or not self.raw.forward(info.header_offset):
            return False
        head = self.raw.exactly(_LOCAL.size)
        if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
            return False
        rest = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        return len(self.raw.exactly(rest)) == rest

    def _scanned(self) -> Iterator[ZipMember]:
        """Walk local headers as far as they are whole."""
        index = 0
        while True:
            head = self.raw.exactly(_LOCAL.size)
            if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
                return
            _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(head)
            name = self.raw.exactly(name_length).decode("utf-8" if flags & 0x800 else "cp437", "replace")
            extra = self.raw.exactly(extra_length)
            if _LONG in (packed, size):
                packed, size = _long_sizes(extra, packed, size)
            streamed = bool(flags & 8)
            if name.endswith("/") and not packed and not streamed:
                continue
            reject = _refusal(name, 0, flags, method)
            member = ZipMember(self, plain_name(name), index, _UNKNOWN if streamed else size, reject)
            if streamed and method == zipfile.ZIP_STORED:
                member.reject = reject or "unsupported"  # where such data end cannot be known here
            if member.reject and streamed:
                yield member
                return
            end = self.raw.position + packed
            if not member.reject:
                member._method, member._packed = method, _UNKNOWN if streamed else packed
                member._crc, member._length = (_UNKNOWN, _UNKNOWN) if streamed else (crc, size)
                member._open = True
            yield member
            if streamed:
                for _ in member._decoded() if member._open else ():
                    pass
                self._skip_descriptor(packed == _LONG or size == _LONG)
            elif not self.raw.forward(end):
                return
            index += 1

    def _skip_descriptor(self, long: bool) -> None:
        signed = self.raw.exactly(4)
        self.raw.exactly((8 if signed != b"PK\x07\x08" else 12) + (8 if long else 0))


def _refusal(name: str, mode: int, flags: int, method: int) -> str:
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        return "device"
    if unsafe(name):
        return "unsafe_path"
    if flags & 1:
        return "encrypted"
    return "" if method in _METHODS else "unsupported"


def _long_sizes(extra: bytes, packed: int, size: int) -> tuple[int, int]:
    """Return the packed and unpacked sizes, from the zip64 field where the header has no room for them."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, at)
        if tag == 1 and length >= 16 and at + 20 <= len(extra):
            size, packed = struct.unpack_from("<2Q", extra, at + 4)
            break
        at += 4 + length
    return packed, size
