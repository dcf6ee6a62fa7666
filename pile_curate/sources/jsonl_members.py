"""Read the members of an archive as streams of lines: corpora of JSON lines are published as tars of ``.jsonl.zst``.

The archive's own tally counts its entries, which are no records here: lines are, so they are counted on each member's
decompressed bytes, by the counter that counts them in loose files, and the sum stands in the file's tally.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal, Protocol

from pile_curate.archives import members
from pile_curate.decode import HEAD_BYTES, Damage, Decoder, named, sniff
from pile_curate.errors import CorruptInput, LimitExceeded
from pile_curate.files import Caps, RawFile, RecordCounter, Tally
from pile_curate.sources.base import Raw, Reject
from pile_curate.sources.blobs import MEMBER_ERRORS, MEMBER_REASONS

_NAME = re.compile(r"\.(?:jsonl|jsonlines|ndjson|json)(?:\.(?:gz|zst|zstd|bz2|xz))?$", re.I)


class Lines(Protocol):
    """A stream that knows where it stands."""

    @property
    def position(self) -> int:
        """Decompressed offset of the next byte."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; raise ``CorruptInput`` at a damage."""


class MemberStream:
    """A member's bytes, decompressed by content as loose files are, each passing the counter once."""

    def __init__(self, name: str, data: bytes, counter: RecordCounter, caps: Caps) -> None:
        codec = sniff(data[:HEAD_BYTES]) or (named(name) if data else "")
        self._decoder = Decoder(io.BytesIO(data).read, codec)
        self._name, self._counter, self._caps = name, counter, caps
        self._size, self._codec = max(1, len(data)), codec
        self.position = 0

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, ``b""`` at the end."""
        try:
            data = self._decoder.read(size)
        except Damage as damage:
            raise CorruptInput(str(damage), path=self._name, offset=self.position) from damage
        grown = self.position + len(data)
        if self._codec and grown > self._caps.ratio_after and grown > self._caps.ratio * self._size:
            raise LimitExceeded("a decompression bomb?", path=self._name, offset=self.position)
        self.position = grown
        self._counter.feed(data)
        return data


def member_lines(
    file: RawFile,
    tally: Tally,
    limit: int,
    new_counter: Callable[[], RecordCounter],
    lines: Callable[[Lines, str], Iterator[Raw | Reject]],
) -> Iterator[Raw | Reject]:
    """Yield the lines of every member; ``record`` is the offset in all members' bytes, the key names the member."""
    own = Tally()
    counted = base = 0
    caps = Caps(member_bytes=limit)
    try:
        for member in members(file, tally=own, caps=caps):
            key = f"{file.rel}!{member.name}"
            reason = MEMBER_REASONS.get(member.reject, member.reject)
            if reason or member.data is None or not _NAME.search(member.name):
                reason = {"too_large": "record_too_large", "": "not_jsonl"}.get(reason, reason)
                kind: Literal["policy", "error"] = "error" if reason in MEMBER_ERRORS else "policy"
                detail = MEMBER_ERRORS.get(reason, "")
                yield Reject(reason, file.rel, base, detail, key, kind, records=0, raw_bytes=member.size)
                continue
            counter = new_counter()
            stream = MemberStream(member.name, member.data, counter, caps)
            try:
                for found in lines(stream, file.rel):
                    if isinstance(found, Raw):
                        found.meta["key"] = f"{key}:{found.record}"
                    else:
                        found.key = key
                    found.record += base
                    yield found
            finally:
                counted += counter.close()
            base += stream.position
    except CorruptInput as error:
        reason = "corrupt_file" if file.size else "empty_file"
        yield Reject(reason, file.rel, base, str(error), kind="error", records=0)
    finally:
        for entry in own.files:
            tally.add(replace(entry, records=counted, text_bytes=base))
