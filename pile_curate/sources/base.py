"""Say what a source format is: how its files split, how bytes become records, how a record becomes a document.

Two steps, kept apart on purpose. ``frames`` runs in the task, is plain Python, and cuts the byte stream
into raw records; ``parse`` turns one record into documents or rejects and may use a native parser, so
it runs in a guarded child process. Whatever happens, each record ends in exactly one outcome: counted by
a document's ``records`` or by a reject's. The independent count is made by the format's
``RecordCounter`` on the same byte stream, by code that is not the framing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from pile_curate.files import RawFile, Tally, discover

SPLIT_BYTES = 256 << 20


class SourceOptions(BaseModel):
    """The base of each format's options: strict, so that a misspelt option is an error.

    ``unfit`` names published rule sets that were made for other text and would drop most of this format's (formulas
    repeat, books are long): they are off unless the source's own ``quality`` names them.
    """

    unfit: ClassVar[tuple[str, ...]] = ()
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class About:
    """What somebody should know of a format before using it; ``pile-curate sources NAME`` prints it.

    ``consent`` is the tier of The Pile's paper (arXiv 2101.00027, section 5.1 and Table 5) that the usual
    publisher's files are in: ``author``, ``tos`` or ``public``. ``example`` is a pattern for a recipe's ``paths``.
    """

    publisher: str
    where: str
    licence: str
    consent: Literal["author", "tos", "public"]
    size: str
    splits: str
    example: str


@dataclass(frozen=True, slots=True)
class Split:
    """A unit of work: whole files, or one byte range ``[start, stop)`` of one file."""

    files: tuple[RawFile, ...]
    start: int = 0
    stop: int | None = None

    @property
    def size(self) -> int:
        """Bytes on disk that this split reads."""
        if self.stop is not None:
            return self.stop - self.start
        return sum(f.size for f in self.files) - self.start


@dataclass(slots=True)
class Raw:
    """What is parsed at once, usually one record: ``record`` orders within a file and does not depend on the splits.

    Where records are tiny, a format hands out many at once and says in ``records`` how many.
    """

    rel: str
    record: int
    body: bytes
    meta: dict[str, Any] = field(default_factory=dict)
    records: int = 1


@dataclass(slots=True)
class Document:
    """What a parser found. ``licence`` None means the recipe's licence for the source holds."""

    key: str
    text: str
    rel: str
    record: int
    url: str = ""
    title: str = ""
    licence: str | None = None
    records: int = 1
    raw_bytes: int = 0
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Reject:
    """Why a record is in no document. ``kind`` is ``policy`` (meant so) or ``error`` (damage)."""

    reason: str
    rel: str
    record: int
    detail: str = ""
    key: str = ""
    kind: Literal["policy", "error"] = "policy"
    records: int = 1
    raw_bytes: int = 0


Outcome = Document | Reject


class SourceFormat:
    """One raw format. Subclass it, and add one line to ``SOURCES``."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    summary: ClassVar[str] = ""
    about: ClassVar[About]
    suffixes: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ()
    Options: ClassVar[type[SourceOptions]] = SourceOptions
    threaded: ClassVar[bool] = False
    linked: ClassVar[bool] = False
    """For a threaded format whose records name only their parent: the thread is found by following the parents."""
    prose: ClassVar[bool] = True
    """False for code and mathematics: the language rule is off and cleaning is light unless the recipe says otherwise."""

    def discover(self, root: str, patterns: Sequence[str], options: Any) -> list[RawFile]:
        """Return the raw files that the patterns name below ``root``, sorted by relative path."""
        return discover(root, patterns)

    def splits(self, files: Sequence[RawFile], options: Any, target: int = SPLIT_BYTES) -> list[Split]:
        """Pack small files into splits of about ``target`` bytes; override to cut large files."""
        packed: list[Split] = []
        group: list[RawFile] = []
        size = 0
        for file in sorted(files, key=lambda f: f.rel):
            if group and size + file.size > target:
                packed.append(Split(tuple(group)))
                group, size = [], 0
            group.append(file)
            size += file.size
        if group:
            packed.append(Split(tuple(group)))
        return packed

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Cut the split's bytes into records, in order; damage ends a file with reject rows, never an exception."""
        raise NotImplementedError

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Turn a ``Raw`` into outcomes whose ``records`` add up to its own. A pure function; may run native code.

        For a threaded format, return *parts*: ``Document`` objects with ``meta["thread"]`` set to the
        thread's key (and whatever ``assemble`` needs in ``meta``); their final text is made by ``assemble``.
        A linked format sets ``meta["node"]`` (an integer >= 0) and ``meta["parent"]`` (that, or None) instead;
        the thread is then what ``sources/links.py`` makes of all parts together.
        """
        raise NotImplementedError

    def assemble(self, thread: str, parts: Sequence[Document], options: Any) -> list[Outcome]:
        """Turn all parts of one thread (any order) into outcomes whose ``records`` add up to ``len(parts)``."""
        raise NotImplementedError
