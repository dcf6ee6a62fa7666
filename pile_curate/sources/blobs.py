"""Read each file, or each member of a tar or zip, as one record: what formats of whole files share.

Names decide before content is read, so that an archive's pictures cost their bytes and nothing more. A record is
held in memory whole, up to ``limit`` bytes. The native key is the path relative to the source's root; inside an
archive, the archive's path, ``!`` and the member's name. Nothing an archive holds is written to a path it names.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from typing import Literal

from pile_curate.archives import members
from pile_curate.errors import CorruptInput
from pile_curate.files import Caps, RawFile, RawStream, RecordCounter, Tally
from pile_curate.sources.base import Raw, Reject, Split

ARCHIVE = re.compile(r"\.(tar(\.(gz|bz2|xz|zst))?|tgz|tbz2?|txz|tzst|zip)$", re.IGNORECASE)
"""Names of archives whose members are records."""

MEMBER_REASONS = {"link": "symlink", "truncated": "truncated_record"}
"""Names that a member's refusal has as a reject, where they differ."""

MEMBER_ERRORS = {
    "unsafe_path": "its name would lead out of the folder that the archive is unpacked into",
    "truncated_record": "the archive ends inside this member",
    "record_too_large": "it is larger than the option max_file_bytes allows",
    "corrupt": "its stored bytes do not unpack to what their checksum or length says",
    "encrypted": "it is encrypted",
    "unsupported": "a sparse file, or a compression other than stored and deflate",
}
"""Refusals of members that mean damage, and what they say."""

_STEP = 1 << 20

Wanted = Callable[[str], str]
"""Takes a name and returns why a file of that name is no record to parse, ``""`` if it is one."""


def everything(name: str) -> str:
    """Refuse nothing."""
    return ""


def blob_records(
    split: Split, tally: Tally, *, limit: int, wanted: Wanted = everything, archives: bool = True
) -> Iterator[Raw | Reject]:
    """Yield every file of a split, and every member of its archives, as a record of at most ``limit`` bytes.

    A loose file is decompressed if it is compressed, and is record 0; a member's ``record`` is its index, and it is
    *not* decompressed (``inflated`` does that where parsing needs it). ``meta`` has ``key`` and ``name``, the name
    without the archive's. An empty file is an error and no record; ``wanted`` gives reasons of kind ``policy``.
    """
    for file in split.files:
        if archives and ARCHIVE.search(file.rel):
            yield from _archive(file, tally, limit, wanted)
            continue
        with tally.open(file, RecordCounter()) as stream:
            yield from whole_file(stream, file.rel, limit, wanted(file.rel))


def whole_file(stream: RawStream, rel: str, limit: int, reason: str = "") -> Iterator[Raw | Reject]:
    """Yield an open file as one record, or as a reject for ``reason``, its damage, its size or its emptiness."""
    parts: list[bytes] = []
    size = 0
    error: CorruptInput | None = None
    while True:
        try:
            piece = stream.read(_STEP)
        except CorruptInput as caught:
            error = caught
            break
        if not piece:
            break
        size += len(piece)
        if size <= limit and not reason:
            parts.append(piece)
        else:
            parts.clear()
    if error is not None:
        if size:
            yield Reject("truncated_record", rel, 0, "the file is damaged", rel, "error", raw_bytes=size)
        yield Reject("corrupt_file", rel, error.offset, str(error), kind="error", records=0)
    elif not size:
        yield Reject("empty_file", rel, 0, "the file is empty", rel, "error", records=0)
    elif reason:
        yield Reject(reason, rel, 0, key=rel, raw_bytes=size)
    elif size > limit:
        detail = f"{size} bytes; the option max_file_bytes allows {limit}"
        yield Reject("record_too_large", rel, 0, detail, rel, "error", raw_bytes=size)
    else:
        yield Raw(rel, 0, b"".join(parts), {"key": rel, "name": rel})


def _archive(file: RawFile, tally: Tally, limit: int, wanted: Wanted) -> Iterator[Raw | Reject]:
    try:
        for member in members(file, tally=tally, caps=Caps(member_bytes=limit)):
            key = f"{file.rel}!{member.name}"
            reason = wanted(member.name) if member.reject in ("", "too_large") else ""
            refused = not reason and bool(member.reject or member.data is None)
            if refused:
                reason = MEMBER_REASONS.get(member.reject, member.reject)
                reason = "record_too_large" if reason == "too_large" else reason
            if reason or member.data is None:
                kind: Literal["policy", "error"] = (
                    "error" if refused and reason in MEMBER_ERRORS else "policy"
                )
                detail = MEMBER_ERRORS.get(reason, "") if refused else ""
                yield Reject(reason, file.rel, member.index, detail, key, kind, raw_bytes=member.size)
            elif not member.data:
                yield Reject("empty_member", file.rel, member.index, key=key)
            else:
                yield Raw(file.rel, member.index, member.data, {"key": key, "name": member.name})
    except CorruptInput as error:
        reason = "corrupt_file" if file.size else "empty_file"
        yield Reject(reason, file.rel, 0, str(error), kind="error", records=0)


class Inflate(ValueError):
    """A gzip member that cannot be read; ``reason`` is the reject's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def inflated(data: bytes, limit: int) -> bytes:
    """Return what a gzip record holds (RFC 1952, members joined), other data unchanged; never more than ``limit``.

    Raises ``Inflate`` with reason ``corrupt`` or ``record_too_large``.
    """
    if data[:2] != b"\x1f\x8b":
        return data
    out = bytearray()
    while data[:2] == b"\x1f\x8b":
        decoder = zlib.decompressobj(wbits=31)
        try:
            out += decoder.decompress(data, limit + 1 - len(out))
        except zlib.error as error:
            raise Inflate("corrupt", str(error)) from error
        if len(out) > limit:
            raise Inflate("record_too_large", f"it unpacks to more than {limit} bytes")
        if not decoder.eof:
            raise Inflate("corrupt", "the gzip data end too early")
        data = decoder.unused_data.lstrip(b"\0")
    return bytes(out)
