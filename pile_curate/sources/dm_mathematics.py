"""Read DeepMind Mathematics v1.0: text files in which question and answer lines alternate.

The data set (Saxton et al., "Analysing Mathematical Reasoning Abilities of Neural Models", ICLR 2019) is one tar.gz
with the folders ``train-easy``, ``train-medium``, ``train-hard``, ``interpolate`` and ``extrapolate`` and a text file
for each kind of exercise. A record is a pair. Pairs of one file make documents of up to 8 kB (a document of The Pile has
8 kB on average), and no pair is cut. The native key is the file's path and the chunk's ordinal. A last line without
its line end is taken for cut off: half an answer would be a wrong one.

The counter counts line ends. In an archive each member that can be read is counted by its lines, any other as 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

from pydantic import Field

from pile_curate.archives import members
from pile_curate.counters import TarCounter
from pile_curate.errors import CorruptInput
from pile_curate.files import Caps, RawFile, RecordCounter, Tally
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, SourceOptions, Split
from pile_curate.sources.blobs import ARCHIVE, MEMBER_ERRORS, MEMBER_REASONS

_LINE = 1 << 20
_FAULTS = {
    "empty_line": "a question or an answer is blank",
    "binary": "a line holds a zero byte",
    "invalid_utf8": "a line is not UTF-8",
}
_MEMBER = 1 << 32
"""Records of an archive are numbered by member, and within one by pair."""


class DmMathematicsOptions(SourceOptions):
    """How much goes into a document."""

    chunk_bytes: int = Field(8192, ge=1, description="Most bytes of a document; one pair may be longer.")
    folders: list[str] | None = Field(
        None, description="Names of the only folders that are read, such as train-easy."
    )
    max_file_bytes: int = Field(512 << 20, ge=1024, description="Largest member of an archive, in bytes.")


class PairCounter(RecordCounter):
    """Count pairs of lines: half the line ends, rounded up, with a last line that lacks one."""

    def __init__(self) -> None:
        super().__init__()
        self._ends = 0
        self._open = False

    def feed(self, data: bytes | memoryview) -> None:
        """Count the line ends among these bytes."""
        data = bytes(data)
        self._ends += data.count(b"\n")
        if data:
            self._open = data[-1:] != b"\n"
        self.count = (self._ends + self._open + 1) // 2


class _ArchiveCounter(TarCounter):
    """Count a tar's entries, those whose content was handed out by their pairs instead."""

    def inside(self, data: bytes) -> None:
        """Count a member's pairs."""
        pairs = PairCounter()
        pairs.feed(data)
        self.count += max(1, pairs.count) - 1


class DmMathematicsSource(SourceFormat):
    """The data set's text files, loose or in its tar.gz."""

    name: ClassVar[str] = "dm_mathematics"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "DeepMind Mathematics v1.0: questions and answers, whole pairs to a document"
    suffixes: ClassVar[tuple[str, ...]] = (".tar.gz", ".txt", ".txt.gz")
    Options: ClassVar[type[SourceOptions]] = DmMathematicsOptions
    prose: ClassVar[bool] = False
    about: ClassVar[About] = About(
        publisher="DeepMind",
        where="https://github.com/google-deepmind/mathematics_dataset",
        licence="Apache-2.0",
        consent="author",
        size="112 million pairs, 2.3 GB compressed, 8 GB of text",
        splits="small files packed to 256 MB; an archive a task",
        example="mathematics_dataset-v1.0.tar.gz",
    )

    def frames(self, split: Split, options: DmMathematicsOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield the pairs of one document at a time; ``record`` is the ordinal of the first."""
        for file in split.files:
            if ARCHIVE.search(file.rel):
                yield from _archive(file, options, tally)
                continue
            with tally.open(file, PairCounter(), caps=Caps(line_bytes=_LINE)) as stream:
                yield from _wanted(file.rel, _chunks(stream.lines(), file.rel, file.rel, 0, options), options)
                if not stream.position:
                    yield Reject("empty_file", file.rel, 0, "it holds no bytes", kind="error", records=0)

    def parse(self, raw: Raw, options: DmMathematicsOptions) -> list[Outcome]:
        """Turn a chunk of pairs into a document, and pairs that are no text into rejects."""
        lines = raw.body.splitlines(keepends=True) if b"\r" not in raw.body else _lines(raw.body)
        good: list[bytes] = []
        bad: dict[str, list[bytes]] = defaultdict(list)
        for pair in zip(lines[::2], lines[1::2], strict=True):
            reason = _fault(*pair)
            (bad[reason] if reason else good).extend(pair)
        outcomes: list[Outcome] = []
        for reason, found in sorted(bad.items()):
            count, size = len(found) // 2, sum(map(len, found))
            key, detail = raw.meta["key"], _FAULTS[reason]
            outcomes.append(Reject(reason, raw.rel, raw.record, detail, key, "error", count, size))
        if good:
            folder, _, exercise = raw.meta["path"].rpartition("/")
            body = b"".join(good)
            outcomes.append(
                Document(
                    key=raw.meta["key"],
                    text=body.replace(b"\r\n", b"\n").decode("utf-8"),
                    rel=raw.rel,
                    record=raw.record,
                    title=exercise.partition(".")[0],
                    records=len(good) // 2,
                    raw_bytes=len(body),
                    meta={"folder": folder.rpartition("/")[2], "pairs": len(good) // 2},
                )
            )
        return outcomes


def _lines(data: bytes) -> list[bytes]:
    """Cut at line feeds only; ``splitlines`` would cut at a lone carriage return, too."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _fault(question: bytes, answer: bytes) -> str:
    if not question.strip() or not answer.strip():
        return "empty_line"
    if b"\0" in question or b"\0" in answer:
        return "binary"
    try:
        (question + answer).decode("utf-8")
    except UnicodeDecodeError:
        return "invalid_utf8"
    return ""


def _chunks(
    lines: Iterable[bytes], rel: str, path: str, base: int, options: DmMathematicsOptions
) -> Iterator[Raw | Reject]:
    """Gather the pairs of one text, as many as fit into ``chunk_bytes`` but at least one; what is no pair is rejected."""
    held: list[bytes] = []
    size = ordinal = pairs = 0
    question, answer = b"", b""
    error: CorruptInput | None = None

    def chunk() -> Raw:
        meta = {"key": f"{path}:{ordinal}", "path": path}
        return Raw(rel, base + pairs - len(held) // 2, b"".join(held), meta, len(held) // 2)

    try:
        for line in lines:
            if not question:
                question = line
            elif line[-1:] != b"\n":
                answer = line
            else:
                if held and size + len(question) + len(line) > options.chunk_bytes:
                    yield chunk()
                    ordinal += 1
                    held, size = [], 0
                held += (question, line)
                size += len(question) + len(line)
                pairs += 1
                question = b""
    except CorruptInput as caught:
        error = caught
    if held:
        yield chunk()
    if question:
        cut = error is not None or answer or question[-1:] != b"\n"
        reason = "truncated_record" if cut else "odd_line"
        detail = "the last line is cut off" if cut else "the last question has no answer"
        key = f"{path}:{ordinal + bool(held)}"
        yield Reject(reason, rel, base + pairs, detail, key, "error", raw_bytes=len(question) + len(answer))
    if error is not None:
        yield Reject("corrupt_file", rel, error.offset, str(error), kind="error", records=0)


def _wanted(
    path: str, outcomes: Iterator[Raw | Reject], options: DmMathematicsOptions
) -> Iterator[Raw | Reject]:
    """Pass a text's chunks on, or reject all of it because its folder is not among those asked for."""
    folder = path.rpartition("/")[0].rpartition("/")[2]
    if options.folders is None or folder in options.folders:
        yield from outcomes
        return
    skipped: Reject | None = None
    for outcome in outcomes:
        if isinstance(outcome, Reject):
            yield outcome
        elif skipped is None:
            detail = f"the option folders leaves out {folder!r}"
            size = len(outcome.body)
            skipped = Reject(
                "folder", outcome.rel, outcome.record, detail, path, "policy", outcome.records, size
            )
        else:
            skipped.records += outcome.records
            skipped.raw_bytes += len(outcome.body)
    if skipped is not None:
        yield skipped


def _archive(file: RawFile, options: DmMathematicsOptions, tally: Tally) -> Iterator[Raw | Reject]:
    counter = _ArchiveCounter()
    try:
        with tally.open(file, counter) as stream:
            for member in members(stream, caps=Caps(member_bytes=options.max_file_bytes)):
                base = member.index * _MEMBER
                if not member.data:
                    reason = MEMBER_REASONS.get(member.reject, member.reject) or "empty_member"
                    reason = "record_too_large" if reason == "too_large" else reason
                    kind: Literal["policy", "error"] = "error" if reason in MEMBER_ERRORS else "policy"
                    detail = MEMBER_ERRORS.get(reason, "")
                    yield Reject(reason, file.rel, base, detail, member.name, kind, raw_bytes=member.size)
                    continue
                counter.inside(member.data)
                found = _chunks(_lines(member.data), file.rel, member.name, base, options)
                yield from _wanted(member.name, found, options)
    except CorruptInput as error:
        reason = "corrupt_file" if file.size else "empty_file"
        yield Reject(reason, file.rel, 0, str(error), kind="error", records=0)
