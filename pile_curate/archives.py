"""Iterate over the members of tar and zip archives; nothing is ever written to a path that an archive names.

The standard ``tarfile`` stops in silence at a bad header, so the walk over tar is done here, and damage is an
error. Every file entry is yielded exactly once, what is refused with a reason; directories are no members.
So the number of members equals what ``TarCounter`` or ``zip_count`` counts, also in a damaged archive.

Format: POSIX.1-2001 pax interchange format, with GNU long names and base-256 numbers.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, NoReturn, Protocol

from pile_curate.counters import TarCounter
from pile_curate.discovery import RawFile
from pile_curate.errors import CorruptInput, InputError, LimitExceeded
from pile_curate.files import DEFAULT_CAPS, Caps, Tally
from pile_curate.storage import CHUNK, open_raw

__all__ = [
    "Member",
    "MemberReader",
    "TarCounter",
    "member_streams",
    "members",
    "plain_name",
    "unsafe",
]

BLOCK = 512
META_BYTES = 1 << 20
"""The longest pax or long-name header that is believed; real ones take a few hundred bytes."""

_WITHOUT_DATA = frozenset(b"123456")
_DIRECTORY, _LINKS, _DEVICES = ord("5"), frozenset(b"12"), frozenset(b"346")
_REGULAR = frozenset((0, ord("0"), ord("7")))
_DRIVE = re.compile(r"^[A-Za-z]:($|[\\/])")


@dataclass(frozen=True, slots=True)
class Member:
    """One entry. ``data`` is None if ``reject`` is not ``""``; ``index`` counts the entries from 0.

    ``reader`` is there instead of ``data`` where members are read as streams.

    Rejects: ``link``, ``device``, ``unsafe_path``, ``too_large``, ``truncated``, ``corrupt``, ``encrypted``,
    ``unsupported`` (sparse files and unusual compression).
    """

    name: str
    size: int
    mode: int
    data: bytes | None
    reject: str = ""
    index: int = 0
    reader: MemberReader | None = None


class MemberReader:
    """Read one entry's bytes, and no further; raise ``CorruptInput`` where the archive ends inside it."""

    def __init__(self, stream: Reader, size: int, where: str) -> None:
        self._stream, self._where = stream, where
        self.left = size

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, ``b""`` at the end."""
        if not self.left:
            return b""
        piece = self._stream.read(min(size, self.left))
        if not piece:
            raise CorruptInput("the archive ends inside a member", path=self._where)
        self.left -= len(piece)
        return piece


class Reader(Protocol):
    """Whatever gives bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, ``b""`` at the end."""


class _Header(NamedTuple):
    name: str
    mode: int
    size: int
    kind: int


def unsafe(name: str) -> bool:
    """Say whether a name, used as a path, could lead out of a folder."""
    parts = name.replace("\\", "/").split("/")
    return (
        not name.strip("/") or name[0] in "/\\" or ".." in parts or "\0" in name or bool(_DRIVE.match(name))
    )


def plain_name(name: str) -> str:
    """Drop ``./`` and doubled slashes, so that two ways of packing a tree give the same names."""
    return posixpath.normpath(name) if not unsafe(name) else name


def members(
    source: RawFile | str | BinaryIO | Reader, *, tally: Tally | None = None, caps: Caps = DEFAULT_CAPS
) -> Iterator[Member]:
    """Yield every member of a tar (plain, gz, bz2, xz, zst) or zip, in the archive's order.

    Give a ``RawFile`` or a path and, to have the reading recorded and counted, a tally; or an open binary
    stream that yields a plain tar (a ``RawStream`` does). Archives inside archives are ordinary members.
    Raises ``CorruptInput`` after the last good member of a damaged archive, ``LimitExceeded`` for a bomb.
    """
    if isinstance(source, str):
        if not os.path.exists(source):
            raise InputError(f"there is no archive {source!r}")
        source = RawFile(source, os.path.basename(source), os.path.getsize(source))
    if not isinstance(source, RawFile):
        yield from _tar_members(source, caps)
        return
    with open_raw(source.path) as handle:
        head = handle.read(4)
    if head in (b"PK\x03\x04", b"PK\x05\x06"):
        from pile_curate.zips import zip_members

        yield from zip_members(source, tally or Tally(), caps)
        return
    with (tally or Tally()).open(source, TarCounter(), caps=caps) as stream:
        yield from _tar_members(stream, caps)


def member_streams(stream: Reader, caps: Caps = DEFAULT_CAPS) -> Iterator[Member]:
    """Yield every member of a tar, those of any size as ``reader``; what of it is not read is passed over."""
    yield from _tar_members(stream, caps, streams=True)


def _tar_members(stream: Reader, caps: Caps, *, streams: bool = False) -> Iterator[Member]:
    """Walk the headers; ``pax`` and long names apply to the entry that follows them."""
    where = getattr(getattr(stream, "file", None), "rel", "tar archive")
    pax: dict[str, str] = {}
    index = offset = 0
    while True:
        header = stream.read(BLOCK)
        if len(header) < BLOCK:
            _raise_damage(stream, where, offset)
        offset += BLOCK
        if not header.strip(b"\0"):
            _expect_zeros(stream, where, offset)
            return
        info = _parse_header(header, where, offset)
        if info.kind in b"xXgLK":
            body = _meta_body(stream, info.size, where, offset)
            offset += _padded(info.size)
            if info.kind == ord("L"):
                pax["path"] = _text(body.split(b"\0", 1)[0])
            elif info.kind in b"xX":
                pax.update(_pax(body, where, offset))
            continue
        size = int(pax.get("size", info.size))
        stored = 0 if info.kind in _WITHOUT_DATA else size
        name = pax.get("path", info.name)
        reject = _refusal(info.kind, name, pax, size, caps)
        pax = {}
        if info.kind == _DIRECTORY:
            continue
        if index >= caps.members:
            yield Member(name, size, info.mode, None, "too_large", index)
            raise LimitExceeded(f"it has more than {caps.members} members", path=where, offset=offset)
        if streams and reject in ("", "too_large"):
            reader = MemberReader(stream, stored, where)
            yield Member(plain_name(name), size, info.mode, None, "", index, reader)
            got = stored - reader.left
            got += _body(stream, reader.left, keep=False)[1]
            if got < stored:
                _raise_damage(stream, where, offset + got)
        else:
            data, got = _body(stream, stored, keep=not reject)
            if got < stored:
                yield Member(name, size, info.mode, None, "truncated", index)
                _raise_damage(stream, where, offset + got)
            yield Member(plain_name(name), size, info.mode, None if reject else data, reject, index)
        index += 1
        offset += stored
        padding = _padded(stored) - stored
        if len(stream.read(padding) if padding else b"") < padding:
            _raise_damage(stream, where, offset)
        offset += padding


def _refusal(kind: int, name: str, pax: dict[str, str], size: int, caps: Caps) -> str:
    if kind in _LINKS:
        return "link"
    if kind in _DEVICES:
        return "device"
    if kind not in _REGULAR or any(key.startswith("GNU.sparse.") for key in pax):
        return "unsupported"
    if unsafe(name):
        return "unsafe_path"
    return "too_large" if size > caps.member_bytes else ""


def _body(stream: Reader, size: int, *, keep: bool) -> tuple[bytes, int]:
    """Read an entry's bytes (or pass over them) in pieces; a short count means damage."""
    parts: list[bytes] = []
    got = 0
    while got < size:
        try:
            piece = stream.read(min(CHUNK, size - got))
        except CorruptInput:
            break  # raised again by the next read, after this entry has been told of
        if not piece:
            break
        got += len(piece)
        if keep:
            parts.append(piece)
        if len(piece) < min(CHUNK, size - got + len(piece)):
            break  # RawStream gives a short read once, before it raises
    return b"".join(parts), got


def _meta_body(stream: Reader, size: int, where: str, offset: int) -> bytes:
    if size > META_BYTES:
        raise CorruptInput(f"a tar extension header of {size} bytes", path=where, offset=offset)
    body = stream.read(_padded(size)) if size else b""
    if len(body) < _padded(size):
        _raise_damage(stream, where, offset)
    return body[:size]


def _parse_header(header: bytes, where: str, offset: int) -> _Header:
    """Read what is needed, and no more: many writers leave rubbish in the owner and device fields."""
    size, stated = _integer(header[124:136]), _integer(header[148:156])
    summed = header[:148] + b" " * 8 + header[156:]
    # POSIX sums unsigned bytes; some old writers summed signed ones.
    sums = (sum(summed), sum(byte - 256 * (byte > 127) for byte in summed))
    if size is None or size < 0 or stated not in sums:
        raise CorruptInput("bad tar header", path=where, offset=offset - BLOCK)
    mode = (_integer(header[100:108]) or 0) & 0o7777
    name, prefix = (part.split(b"\0", 1)[0] for part in (header[:100], header[345:500]))
    kind = header[156]
    if kind == 0 and name.endswith(b"/"):
        kind = _DIRECTORY  # before POSIX, a directory was a file whose name ends so
    if prefix and header[257:263] == b"ustar\0":
        name = prefix + b"/" + name  # GNU's older format has times in that field
    return _Header(_text(name), mode, size, kind)


def _integer(field: bytes) -> int | None:
    """Return an octal number, or GNU's base-256 one, or None."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    if field[0] == 0xFF:
        return int.from_bytes(field, "big", signed=True)
    digits = field.split(b"\0", 1)[0].strip(b" \t\n")
    if not digits:
        return 0
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else None


def _pax(body: bytes, where: str, offset: int) -> dict[str, str]:
    """Parse ``<length> <key>=<value>\\n`` records."""
    found: dict[str, str] = {}
    at = 0
    while at < len(body):
        match = re.compile(rb"(\d{1,8}) ([^=]+)=").match(body, at)
        length = int(match[1]) if match else 0
        if match is None or length < match.end() - at + 1 or body[at + length - 1 : at + length] != b"\n":
            raise CorruptInput("bad pax header", path=where, offset=offset)
        value = body[match.end() : at + length - 1]
        if match[2] == b"size" and not re.fullmatch(rb"[0-9]{1,19}", value):
            raise CorruptInput("a pax header states a size that is no number", path=where, offset=offset)
        found[_text(match[2])] = _text(value)
        at += length
    return found


def _expect_zeros(stream: Reader, where: str, offset: int) -> None:
    while data := stream.read(CHUNK):
        if data.strip(b"\0"):
            raise CorruptInput("data behind the end of the tar archive", path=where, offset=offset)
        offset += len(data)


def _raise_damage(stream: Reader, where: str, offset: int) -> NoReturn:
    """Raise what the stream has to say, or else that the archive ends too early."""
    stream.read(1)
    raise CorruptInput("tar archive ends without its end mark", path=where, offset=offset)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
