"""Hand shingle sets from the tasks that make them to the tasks that walk, through files instead of a shuffle.

A set is 8 bytes a shingle, so sets are larger than their texts; moving them through the JVM would cost more
than making them, and a walk needs only those of candidate pairs. So a map task appends its sets to a file
with a name of its own, and passes on narrow rows (file, offset, length). A retried task writes another
file, and rows name the file of the attempt that made them, so what a dead task left is never read.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pyarrow.fs as pafs

from pile_curate import storage
from pile_curate.errors import DatasetDamaged
from pile_curate.word_hashes import Hashes


def filesystem(path: str) -> tuple[pafs.FileSystem, str]:
    """Return pyarrow's file system for a local path or URI, and the path within it."""
    return storage.remote(path) if storage.is_remote(path) else (pafs.LocalFileSystem(), path)


class SetPlace(NamedTuple):
    """Where a set lies: ``offset`` and ``length`` count shingles, not bytes."""

    file: str
    offset: int
    length: int


class SetWriter:
    """Append sets to a new file below ``directory``; close it before its rows are used."""

    def __init__(self, directory: str) -> None:
        system, inner = filesystem(directory)
        system.create_dir(inner, recursive=True)
        self.name = f"{uuid.uuid4().hex}.u64"
        self._stream = system.open_output_stream(f"{inner}/{self.name}")
        self._length = 0

    def add(self, shingles: Hashes) -> SetPlace:
        """Write one set and say where it lies."""
        place = SetPlace(self.name, self._length, len(shingles))
        self._stream.write(np.ascontiguousarray(shingles, "<u8"))
        self._length += len(shingles)
        return place

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()


class SetReader:
    """Read sets, keeping the most recently used ones up to ``budget`` bytes and 64 open files."""

    def __init__(self, directory: str, budget: int = 256 << 20) -> None:
        self._system, self._inner = filesystem(directory)
        self._budget, self._held = budget, 0
        self._sets: OrderedDict[SetPlace, Hashes] = OrderedDict()
        self._files: OrderedDict[str, Any] = OrderedDict()

    def get(self, place: SetPlace) -> Hashes:
        """Return a set. One that is larger than the budget is read each time and never held."""
        if place in self._sets:
            self._sets.move_to_end(place)
            return self._sets[place]
        raw = self._open(place.file).read_at(8 * place.length, 8 * place.offset)
        if len(raw) != 8 * place.length:
            raise DatasetDamaged(
                f"{self._inner}/{place.file} ends before shingle {place.offset + place.length}"
            )
        shingles = np.frombuffer(raw, "<u8")
        if 8 * place.length <= self._budget:
            self._sets[place] = shingles
            self._held += 8 * place.length
            while self._held > self._budget:
                self._held -= self._sets.popitem(last=False)[1].nbytes
        return shingles

    def _open(self, name: str) -> Any:
        if name not in self._files:
            if len(self._files) >= 64:
                self._files.popitem(last=False)[1].close()
            self._files[name] = self._system.open_input_file(f"{self._inner}/{name}")
        self._files.move_to_end(name)
        return self._files[name]

    def close(self) -> None:
        """Close the open files."""
        while self._files:
            self._files.popitem()[1].close()
