"""Read JSON lines as lm_dataformat writes them: one object a line, ``{"text": …, "meta": {…}}``.

Plain, gz, zst (several frames), bz2 and xz files, also as members of tar and zip archives; large plain
files are cut at line ends, so that many tasks share one. A line is a record; blank lines are none. A line that is no JSON, no object, not
UTF-8, without text or too long is rejected with its reason, and reading goes on at the next newline.

The native key is the record's id where the options name one. Otherwise it is file (in an archive
also member) and byte offset, which is stable as long as the file's name and everything before the record stay: appending to a
file keeps ids, editing or renaming one changes them (and with them the documents' splits).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, ClassVar

from pydantic import Field

from pile_curate.errors import CorruptInput
from pile_curate.files import RawFile, RecordCounter, Tally
from pile_curate.sources.base import (
    SPLIT_BYTES,
    About,
    Outcome,
    Raw,
    Reject,
    SourceFormat,
    SourceOptions,
    Split,
)
from pile_curate.sources.blobs import ARCHIVE
from pile_curate.sources.edges import plain_edges
from pile_curate.sources.json_record import RecordOptions, record_outcome
from pile_curate.sources.jsonl_members import Lines, member_lines

_STEP = 1 << 20
_BLANK = b" \t\r\n\x0b\x0c"
_CONTENT = re.compile(rb"[^ \t\r\n\x0b\x0c][^\n]*")


class JsonlOptions(RecordOptions):
    """Say where in an object the text and its facts stand. A key may be dotted: ``meta.url``."""

    max_line_bytes: int = Field(64 << 20, ge=1024, description="Longest line that is read, in bytes.")
    max_member_bytes: int = Field(
        1 << 30, ge=1024, description="Largest member of a tar or zip that is read, in bytes as stored."
    )


class LineCounter(RecordCounter):
    """Count the lines that hold more than blanks, chunk by chunk, without cutting lines."""

    _inside = False

    def feed(self, data: bytes | memoryview) -> None:
        """Count the lines whose first visible byte is among these."""
        data = bytes(data)
        if not data:
            return
        begin = 0
        if self._inside:
            begin = data.find(b"\n")
            if begin < 0:
                return
            self._inside = False
        for _ in _CONTENT.finditer(data, begin):
            self.count += 1
        last = data.rfind(b"\n")
        self._inside = bool(data[max(last + 1, begin) :].strip(_BLANK))


class JsonlSource(SourceFormat):
    """Read lm_dataformat's JSON lines and anything that looks like them."""

    name = "jsonl"
    version = 1
    summary = "JSON lines with a text field (lm_dataformat), plain or compressed"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".jsonl.zst", ".jsonl.gz", ".ndjson", ".tar")
    libraries: ClassVar[tuple[str, ...]] = ("orjson",)
    Options: ClassVar[type[SourceOptions]] = JsonlOptions
    about = About(
        publisher="Corpora in lm_dataformat (OpenWebText2, BookCorpus2, Books3)",
        where="https://github.com/leogao2/lm_dataformat",
        licence="as the corpus says",
        consent="public",
        size="any",
        splits="plain files at lines; compressed files and archives one a task",
        example="*.jsonl.zst",
    )

    def splits(self, files: Sequence[RawFile], options: Any, target: int = SPLIT_BYTES) -> list[Split]:
        """Cut plain files above ``target`` bytes at line ends; pack the rest whole."""
        whole: list[RawFile] = []
        ranges: list[Split] = []
        for file in sorted(files, key=lambda f: f.rel):
            cuttable = file.size > target and not ARCHIVE.search(file.rel)
            edges = plain_edges(file, target, _next_line) if cuttable else []
            if len(edges) > 2:
                ranges += [Split((file,), a, b) for a, b in zip(edges, edges[1:], strict=False)]
            else:
                whole.append(file)
        return super().splits(whole, options, target) + ranges

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield one ``Raw`` a line that is not blank; ``record`` is its decompressed byte offset."""
        cap = options.max_line_bytes
        for file in split.files:
            if ARCHIVE.search(file.rel):
                yield from member_lines(
                    file,
                    tally,
                    options.max_member_bytes,
                    LineCounter,
                    lambda stream, rel: _lines(stream, rel, cap),
                )
                continue
            with tally.open(file, LineCounter(), start=split.start, stop=split.stop) as stream:
                yield from _lines(stream, file.rel, cap)

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Turn one line into one document, or one reject that says what is wrong with it."""
        return [record_outcome(raw, options)]


def _next_line(handle: BinaryIO, at: int) -> int | None:
    while piece := handle.read(_STEP):
        found = piece.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(piece)
    return None


def _lines(stream: Lines, rel: str, cap: int) -> Iterator[Raw | Reject]:
    held = bytearray()
    begin = stream.position
    lost = 0  # bytes of the present line that were thrown away because it is too long
    visible = False  # whether those held anything but blanks
    error: CorruptInput | None = None
    while True:
        try:
            data = stream.read(_STEP)
        except CorruptInput as caught:
            error = caught
            break
        if not data:
            break
        at = 0
        while (end := data.find(b"\n", at)) >= 0:
            if lost or len(held) + end - at > cap:
                visible = visible or _visible(held) or _visible(data[at:end])
                if visible:
                    yield _too_long(rel, begin, lost + len(held) + end - at, cap)
            else:
                line = bytes(held) + data[at:end] if held else data[at:end]
                if _visible(line):
                    yield Raw(rel, begin, line)
            begin += lost + len(held) + end - at + 1
            held.clear()
            lost, visible, at = 0, False, end + 1
        held += data[at:]
        if len(held) > cap:
            visible = visible or _visible(held)
            lost += len(held)
            held.clear()
    pending = visible or _visible(held)
    if error is None:
        if stream.position == 0:
            yield Reject("empty_file", rel, 0, "the file holds no bytes", kind="error", records=0)
        elif pending:
            yield _too_long(rel, begin, lost + len(held), cap) if lost else Raw(rel, begin, bytes(held))
        return
    if pending:
        detail = f"the file is damaged inside this line, after {lost + len(held)} bytes of it"
        yield Reject("truncated_record", rel, begin, detail, kind="error", raw_bytes=lost + len(held))
    yield Reject("corrupt_file", rel, stream.position, str(error), kind="error", records=0)


def _visible(data: bytes | bytearray) -> bool:
    return bool(data) and not data.isspace()


def _too_long(rel: str, begin: int, size: int, cap: int) -> Reject:
    detail = f"the line is {size} bytes long; the option max_line_bytes allows {cap}"
    return Reject("line_too_long", rel, begin, detail, kind="error", raw_bytes=size)
