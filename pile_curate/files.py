"""Find raw files and read them as decompressed byte streams whose reading leaves a record.

``discover`` lists what a recipe's patterns name. ``Tally.open`` opens one such file; the stream
decompresses by content, feeds an independent record counter, hashes the raw bytes, hands out everything
before a damage and then raises. The parts live in ``discovery``, ``streams``, ``decode``, ``counters`` and
``storage``; readers of sources import them from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pile_curate.counters import FileCounter, PatternCounter, RecordCounter
from pile_curate.discovery import RawFile, discover
from pile_curate.storage import atomic_write, fsync_dir, is_remote, join, open_raw, sha256_file
from pile_curate.streams import DEFAULT_CAPS, Caps, Chunk, FileTally, RawStream

__all__ = [
    "Caps",
    "Chunk",
    "DEFAULT_CAPS",
    "FileCounter",
    "FileTally",
    "PatternCounter",
    "RawFile",
    "RawStream",
    "RecordCounter",
    "Tally",
    "atomic_write",
    "discover",
    "fsync_dir",
    "is_remote",
    "join",
    "open_raw",
    "sha256_file",
]


@dataclass(slots=True)
class Tally:
    """Count what a task read. One per task; the sums are compared with what its parsers delivered."""

    files: list[FileTally] = field(default_factory=list)

    @property
    def records(self) -> int:
        """Records that the counters saw."""
        return sum(f.records for f in self.files)

    @property
    def raw_bytes(self) -> int:
        """Bytes as stored."""
        return sum(f.bytes for f in self.files)

    @property
    def text_bytes(self) -> int:
        """Bytes after decompression that were handed out."""
        return sum(f.text_bytes for f in self.files)

    def add(self, entry: FileTally) -> None:
        """Record a file that was read in another way than by ``open``."""
        self.files.append(entry)

    def open(
        self,
        file: RawFile,
        counter: RecordCounter,
        *,
        start: int = 0,
        stop: int | None = None,
        caps: Caps = DEFAULT_CAPS,
    ) -> RawStream:
        """Open a file, or exactly its raw bytes ``[start, stop)``; the planner aligns these to records.

        A range of a compressed file must begin at a member and end at one.
        """
        return RawStream(file, counter, self.add, start=start, stop=stop, caps=caps)
