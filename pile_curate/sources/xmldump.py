"""Read XML dumps in splits: what the MediaWiki and Stack Exchange formats share.

A split begins where a record begins, always: the planner looks for the first record after each multiple of the
target, so that ranges need no overlap, every byte is read and hashed once, and the counters add up. In a
compressed file only multistream bzip2 can be cut, at streams that begin with a record, as Wikimedia writes
them; files by other parallel compressors, whose streams begin anywhere, are read whole.
"""

from __future__ import annotations

import bz2
from collections.abc import Callable, Iterator, Sequence

from pile_curate.decode import HEAD_BYTES, sniff
from pile_curate.errors import CorruptInput
from pile_curate.extract.xml import ElementFramer, Framed
from pile_curate.files import PatternCounter, RawFile, Tally, open_raw
from pile_curate.sources.base import Raw, Reject, Split

_WINDOW = 1 << 20
_BLOCK = b"1AY&SY"
_DETAIL = {
    "unclosed": "the record begins but does not end",
    "too_large": "the record is larger than 256 MiB",
}


def aligned_splits(files: Sequence[RawFile], opening: bytes, target: int) -> list[Split]:
    """Pack small files together and cut large ones where a record begins; reads a little of each large file."""
    splits: list[Split] = []
    group: list[RawFile] = []
    size = 0
    for file in sorted(files, key=lambda f: f.rel):
        if file.size > target:
            edges = [0, *_cuts(file, opening, target)]
            splits += [Split((file,), a, b) for a, b in zip(edges, [*edges[1:], None], strict=True)]
            continue
        if group and size + file.size > target:
            splits.append(Split(tuple(group)))
            group, size = [], 0
        group.append(file)
        size += file.size
    if group:
        splits.append(Split(tuple(group)))
    return splits


def _cuts(file: RawFile, opening: bytes, target: int) -> list[int]:
    with open_raw(file.path) as raw:
        codec = sniff(raw.read(HEAD_BYTES))
    if codec not in ("", "bz2"):
        return []
    search = _record_start if not codec else _stream_start
    cuts: list[int] = []
    wanted = target
    while wanted < file.size:
        cut = search(file, opening, wanted, min(file.size, wanted + target))
        if cut:
            cuts.append(cut)
        wanted = max(wanted, cut) + target
    return cuts


def _occurrences(file: RawFile, pattern: bytes, start: int, stop: int) -> Iterator[int]:
    """Yield where a pattern begins in ``[start, stop)`` of the raw file."""
    with open_raw(file.path, start) as raw:
        at, tail = start, b""
        while at < stop and (data := raw.read(_WINDOW)):
            data = tail + data
            base = at - len(tail)
            found = data.find(pattern)
            while found >= 0 and base + found < stop:
                yield base + found
                found = data.find(pattern, found + 1)
            at = base + len(data)
            tail = data[-(len(pattern) - 1) :]


def _record_start(file: RawFile, opening: bytes, start: int, stop: int) -> int:
    return next(_occurrences(file, opening, start, stop), 0)


def _stream_start(file: RawFile, opening: bytes, start: int, stop: int) -> int:
    """Return the first bzip2 stream that begins with a record; the magic numbers alone could be chance."""
    for block in _occurrences(file, _BLOCK, start + 4, stop):
        stream = block - 4
        with open_raw(file.path, stream) as raw:
            head = raw.read(4)
            if head[:3] != b"BZh" or not b"1" <= head[3:] <= b"9":
                continue
            try:
                first = _first_bytes(head, raw.read)
            except OSError:
                continue
        if first.lstrip().startswith(opening):
            return stream
    return 0


def _first_bytes(head: bytes, read: Callable[[int], bytes]) -> bytes:
    decoder = bz2.BZ2Decompressor()
    out, data = b"", head
    while not decoder.eof and len(out.lstrip()) < 64:
        out += decoder.decompress(data, 4096)
        data = read(1 << 16) if decoder.needs_input else b""
        if decoder.needs_input and not data:
            break
    return out


def head_of(file: RawFile, size: int = _WINDOW) -> bytes:
    """Return the first decompressed bytes of a file, outside every count; what a damage leaves of them."""
    with Tally().open(file, PatternCounter(b"\0"), stop=min(size, file.size)) as stream:
        try:
            return stream.read(size)
        except CorruptInput:
            return b""


def xml_records(
    split: Split,
    tally: Tally,
    opening: bytes,
    closing: bytes,
    root_end: bytes,
    meta: Callable[[RawFile], dict[str, object]],
) -> Iterator[Raw | Reject]:
    """Cut the records of a split; ``root_end`` is what a whole file ends with, ``meta`` goes to each record of a file."""
    for file in split.files:
        if file.size == 0:
            with tally.open(file, PatternCounter(opening)):
                pass
            yield Reject("empty_file", file.rel, 0, "the file has no bytes", kind="error", records=0)
            continue
        yield from _records(file, split, tally, opening, closing, root_end, meta(file))


def _records(
    file: RawFile,
    split: Split,
    tally: Tally,
    opening: bytes,
    closing: bytes,
    root_end: bytes,
    meta: dict[str, object],
) -> Iterator[Raw | Reject]:
    framer = ElementFramer(opening, closing)
    damage: CorruptInput | None = None
    tail = b""
    with tally.open(file, PatternCounter(opening), start=split.start, stop=split.stop) as stream:
        bz2_ids = stream.codec == "bz2"
        try:
            for chunk in stream.chunks():
                tail = (tail + chunk.data)[-256:]
                for framed in framer.feed(chunk.member, chunk.offset, chunk.data):
                    yield _outcome(file, framed, bz2_ids, meta)
        except CorruptInput as caught:
            damage = caught
        for framed in framer.finish():
            yield _outcome(file, framed, bz2_ids, meta, at_end=True)
        end = stream.position
    if damage is not None:
        yield Reject("corrupt_file", file.rel, end, str(damage), kind="error", records=0)
    elif split.stop is None and root_end not in tail:
        why = f"the file ends without {root_end.decode()} after {end} bytes: it was cut short, or is another format"
        yield Reject("corrupt_file", file.rel, end, why, kind="error", records=0)


def _outcome(
    file: RawFile, framed: Framed, bz2_ids: bool, meta: dict[str, object], at_end: bool = False
) -> Raw | Reject:
    # Within a bz2 file the decompressed offset depends on where the split began; the stream's own place does not.
    record = (framed.member << 20) + framed.index if bz2_ids else framed.offset
    if not framed.fault:
        return Raw(file.rel, record, framed.data, dict(meta))
    reason = (
        "record_too_large"
        if framed.fault == "too_large"
        else "truncated_record"
        if at_end
        else "unclosed_record"
    )
    return Reject(
        reason,
        file.rel,
        record,
        f"{_DETAIL[framed.fault]} (at byte {framed.offset})",
        kind="error",
        raw_bytes=framed.size,
    )
