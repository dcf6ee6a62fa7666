"""Lay sorted shingle sets end to end in one array, through files between the tasks that make and use them.

A set is 8 bytes a shingle, so sets are larger than their texts; moving them through the JVM would cost more
than making them, and a walk needs only those of possible candidate pairs. So a task appends its sets to a
file with a name of its own, sorted by walk within some megabytes, and passes on narrow rows (file, offset,
length). A retried task writes another file, and rows name the file of the attempt that made them.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pile_curate.compiled import compiled
from pile_curate.errors import DatasetDamaged
from pile_curate.word_hashes import Hashes

Ints = npt.NDArray[np.int64]


class Places(NamedTuple):
    """Where the sets of vertices lie: ``offset`` and ``length`` count shingles of the file named by ``file``."""

    v: Ints
    file: Ints
    offset: Ints
    length: Ints


@compiled
def _copy(source: Hashes, starts: Any, lengths: Any, target: Hashes, at: Any) -> None:
    for i in range(starts.size):
        target[at[i] : at[i] + lengths[i]] = source[starts[i] : starts[i] + lengths[i]]


def _path(directory: str, file: int) -> str:
    return os.path.join(directory, f"sets-{file:016x}.u64")


class PoolWriter:
    """Append sets to a new file below ``directory``, which is made with the first of them."""

    def __init__(self, directory: str) -> None:
        self.file = secrets.randbits(62)
        self._directory, self._length = directory, 0
        self._stream: Any = None

    def add(self, lengths: Ints, pool: Hashes, order: Ints) -> Ints:
        """Append sets that lie end to end in ``pool``, in the given order; return each one's offset."""
        if self._stream is None:
            self._stream = open(_path(self._directory, self.file), "wb")  # noqa: SIM115 - closed by close
        starts = np.cumsum(lengths) - lengths
        inside = np.cumsum(lengths[order]) - lengths[order]
        sorted_pool = np.empty(len(pool), np.uint64)
        _copy(pool, starts[order], lengths[order], sorted_pool, inside)
        self._stream.write(sorted_pool.data)
        offsets = np.empty_like(starts)
        offsets[order] = inside + self._length
        self._length += len(pool)
        return offsets

    def close(self) -> None:
        """Finish the file."""
        if self._stream is not None:
            self._stream.close()


def allocate(size: int, dtype: Any, memory: int, scratch: str | None) -> npt.NDArray[Any]:
    """Return an uninitialised array: in memory, or, above ``memory`` bytes, in a nameless file below ``scratch``."""
    if size * np.dtype(dtype).itemsize <= memory:
        return np.empty(size, dtype)
    with tempfile.TemporaryFile(dir=scratch) as stream:
        return np.memmap(stream, dtype, "w+", shape=(size,))


def load(places: Places, directory: str, memory: int, scratch: str | None) -> tuple[Ints, Hashes]:
    """Return each place's start in a pool, and the pool; above ``memory`` bytes it lies in a file."""
    order = np.lexsort((places.offset, places.file))
    lengths = places.length[order]
    at = np.cumsum(lengths) - lengths
    pool = allocate(int(lengths.sum()), np.uint64, memory, scratch)
    files, all_offsets = places.file[order], places.offset[order]
    cuts = [0, *(np.flatnonzero(np.diff(files)) + 1).tolist(), len(files)]
    for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
        if start == stop:
            continue
        path = _path(directory, int(files[start]))
        offsets = all_offsets[start:stop]
        size = os.path.getsize(path) // 8 if os.path.exists(path) else 0
        if size < int((offsets + lengths[start:stop]).max()):
            raise DatasetDamaged(f"{path} ends after {size} shingles; sets were written beyond that")
        if size:
            source = np.memmap(path, np.uint64, "r")
            _copy(source, offsets, lengths[start:stop], pool, at[start:stop])
    starts = np.empty_like(at)
    starts[order] = at
    return starts, pool
