"""Read zip members safely, count them independently, and save what a truncated zip still holds.

Format: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14-16 (ends).
Only ``stored`` and ``deflate`` are read: zipfile's other methods may expand without bound in one call.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from pile_curate.archives import Member, plain_name, unsafe
from pile_curate.discovery import RawFile
from pile_curate.errors import CorruptInput
from pile_curate.files import Caps, FileTally, Tally
from pile_curate.storage import CHUNK, open_raw, read_full, sha256_file

_END = struct.Struct("<4s4H2LH")
_CENTRAL_BYTES = 46
_LOCAL = struct.Struct("<4s5H3L2H")
_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, ValueError, EOFError, OSError)
_READ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def zip_count(path: str) -> int:
    """Return the number of file entries (no directories) by walking the central directory.

    Raises ``CorruptInput`` if the end record or the directory is missing or cut.
    """
    with open_raw(path) as handle:
        size = handle.seek(0, 2)
        tail_size = min(size, 66_000)  # the end record and a comment of at most 65,535 bytes
        tail = _read_at(handle, size - tail_size, tail_size)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise CorruptInput("zip has no end record (truncated?)", path=path)
        _, disk, _, _, stated, length, _, _ = _END.unpack_from(tail, at)
        end = size - tail_size + at
        if at >= 20 and tail[at - 20 : at - 16] == b"PK\x06\x07":
            end, stated, length = _zip64(handle, struct.unpack_from("<Q", tail, at - 12)[0], path)
        if disk not in (0, 0xFFFF) or length > end:
            raise CorruptInput("zip is split over several files or its directory is cut", path=path)
        directory = _read_at(handle, end - length, length)
    files = entries = position = 0
    while position + _CENTRAL_BYTES <= len(directory) and directory[position : position + 4] == b"PK\x01\x02":
        name, extra, comment = struct.unpack_from("<3H", directory, position + 28)
        last = directory[position + _CENTRAL_BYTES + name - 1 : position + _CENTRAL_BYTES + name]
        files += not (name and last == b"/")
        entries += 1
        position += _CENTRAL_BYTES + name + extra + comment
    if entries != stated or position != len(directory):
        raise CorruptInput(f"zip states {stated} entries, its directory has {entries}", path=path)
    return files


def _zip64(handle: BinaryIO, at: int, path: str) -> tuple[int, int, int]:
    record = _read_at(handle, at, 56)
    if len(record) < 56 or record[:4] != b"PK\x06\x06":
        raise CorruptInput("zip64 end record is missing", path=path)
    entries, length = struct.unpack_from("<2Q", record, 32)
    return at, entries, length


def _read_at(handle: BinaryIO, at: int, size: int) -> bytes:
    handle.seek(at)
    return read_full(handle, size)


def zip_members(file: RawFile, tally: Tally, caps: Caps) -> Iterator[Member]:
    """Yield every member; of a zip without a usable directory, those that a walk over local headers finds.

    There the walk is also the count, since nothing else is left to count by; ``CorruptInput`` follows.
    """
    sha256, size = sha256_file(file.path)
    records, damage, complete, unpacked = 0, "", False, 0
    try:
        with open_raw(file.path) as handle:
            archive = None
            try:
                records = zip_count(file.path)
                archive = zipfile.ZipFile(handle)
            except CorruptInput as error:
                damage = error.why
            except _ERRORS as error:
                damage = f"bad zip ({error})"
            if archive is not None:
                infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
                if len(infos) != records:
                    archive, damage = None, f"zip holds {len(infos)} readable entries of {records}"
            if archive is not None:
                for member in _listed(archive, infos, size, caps):
                    unpacked += len(member.data or b"")
                    yield member
                complete = True
            else:
                records = 0
                for member in _scanned(handle, caps):
                    records += 1
                    unpacked += len(member.data or b"")
                    yield member
                raise CorruptInput(damage, path=file.rel, offset=size)
    finally:
        tally.add(FileTally(file.rel, 0, None, size, sha256, records, complete, damage, unpacked))


def _listed(
    archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], size: int, caps: Caps
) -> Iterator[Member]:
    total = 0
    for index, info in enumerate(infos):
        mode = info.external_attr >> 16
        reject = ""
        if stat.S_ISLNK(mode):
            reject = "link"
        elif mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            reject = "device"
        elif unsafe(info.filename):
            reject = "unsafe_path"
        elif info.flag_bits & 1:
            reject = "encrypted"
        elif info.compress_type not in _READ_METHODS:
            reject = "unsupported"
        elif info.file_size > caps.member_bytes or _bomb(total + info.file_size, size, caps):
            reject = "too_large"  # also what overlapping members add up to, long before it is much
        data = None
        if not reject:
            try:
                data = archive.read(info)
                total += len(data)
            except _ERRORS:
                reject = "corrupt"
            except RuntimeError:
                reject = "encrypted"
        yield Member(plain_name(info.filename), info.file_size, mode & 0o7777, data, reject, index)


def _bomb(total: int, compressed: int, caps: Caps) -> bool:
    return total > caps.file_bytes or (total > caps.ratio_after and total > caps.ratio * compressed)


def _scanned(handle: BinaryIO, caps: Caps) -> Iterator[Member]:
    """Walk local headers from the start, as far as they are whole; deflate data says itself where it ends."""
    at = index = total = 0
    while True:
        head = _read_at(handle, at, _LOCAL.size)
        if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
            return
        _, _, flags, method, _, _, crc, packed, size, name_length, extra = _LOCAL.unpack(head)
        name = _read_at(handle, at + _LOCAL.size, name_length).decode(
            "utf-8" if flags & 0x800 else "cp437", "backslashreplace"
        )
        start = at + _LOCAL.size + name_length + extra
        streamed = bool(flags & 8)
        if flags & 1 or method not in _READ_METHODS or (streamed and method == zipfile.ZIP_STORED):
            yield Member(name, size, 0, None, "unsupported", index)
            return  # where such data ends cannot be known here
        data, used, whole = _inflate(handle, start, method, packed, streamed, caps.member_bytes)
        total += len(data)
        if not whole or _bomb(total, start + used, caps):
            yield Member(name, size, 0, None, "truncated", index)
            return
        at = start + used
        if streamed:
            signed, crc = _descriptor(handle, at)
            at += 16 if signed else 12
        if not name.endswith("/"):
            reject = "unsafe_path" if unsafe(name) else ("" if zlib.crc32(data) == crc else "corrupt")
            yield Member(plain_name(name), len(data), 0, None if reject else data, reject, index)
            index += 1


def _inflate(
    handle: BinaryIO, start: int, method: int, packed: int, streamed: bool, limit: int
) -> tuple[bytes, int, bool]:
    """Return (data, bytes used, whether it is whole)."""
    if method == zipfile.ZIP_STORED:
        data = _read_at(handle, start, min(packed, limit + 1))
        return data, packed, len(data) == packed
    native, out, used = zlib.decompressobj(-15), bytearray(), 0
    handle.seek(start)
    while not native.eof and len(out) <= limit:
        piece = native.unconsumed_tail or handle.read(CHUNK if streamed else min(CHUNK, packed - used))
        if not piece:
            return bytes(out), used, False
        fresh = 0 if native.unconsumed_tail else len(piece)
        try:
            out += native.decompress(piece, max(1, limit + 1 - len(out)))
        except zlib.error:
            return bytes(out), used, False
        used += fresh
    return bytes(out), used - len(native.unused_data), native.eof


def _descriptor(handle: BinaryIO, at: int) -> tuple[bool, int]:
    raw = _read_at(handle, at, 8)
    signed = raw[:4] == b"PK\x07\x08"
    crc = raw[4:8] if signed else raw[:4]
    return signed, int.from_bytes(crc, "little")
