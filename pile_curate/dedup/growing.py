"""Hold arrays that grow by doubling, in memory up to a budget and in unlinked temporary files beyond it.

A walk's state is proportional to the documents that it keeps, so in a corpus without copies it is as large
as the corpus' signatures. Anonymous memory that exceeds a container's limit gets the process killed; pages of
a file are written back and read again by the operating system instead, which is slower and always ends.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pile_curate.errors import DatasetError

MEMORY = 512 << 20
"""Bytes of state that stay in anonymous memory unless the caller says otherwise."""


class Store:
    """The budget that several ``Column`` share: ``memory`` bytes, then files in the folder ``scratch``.

    None as ``scratch`` is the system's temporary folder. A column that has moved to a file stays there.
    While a column grows its old and new array exist together; both count against the budget.
    """

    def __init__(self, memory: int = MEMORY, scratch: str | None = None) -> None:
        self.memory, self.scratch = memory, scratch
        self.anonymous = 0

    def column(self, rows: int, dtype: Any, width: int = 0) -> Column:
        """Return a zeroed column: shape (rows,), or (rows, width) if a width is given."""
        return Column(self, rows, np.dtype(dtype), width)


class Column:
    """One array, ``data``, whose number of rows grows; take ``data`` anew after every change of size."""

    def __init__(self, store: Store, rows: int, dtype: np.dtype[Any], width: int) -> None:
        self._store, self._dtype, self._width = store, dtype, width
        self._file: BinaryIO | None = None
        self._anonymous = 0
        self.data: npt.NDArray[Any] = np.empty(0, dtype)
        self.data = self._fresh(rows)

    def __len__(self) -> int:
        return len(self.data)

    def _shape(self, rows: int) -> tuple[int, ...]:
        return (rows, self._width) if self._width else (rows,)

    def _bytes(self, rows: int) -> int:
        return rows * max(1, self._width) * self._dtype.itemsize

    def _fresh(self, rows: int) -> npt.NDArray[Any]:
        size, store = self._bytes(rows), self._store
        if self._file is None and store.anonymous + size <= store.memory:
            store.anonymous += size - self._anonymous
            self._anonymous = size
            return np.zeros(self._shape(rows), self._dtype)
        store.anonymous -= self._anonymous
        self._anonymous = 0
        if self._file is not None:
            self._file.close()
        self._file = tempfile.TemporaryFile(dir=store.scratch, prefix="pile_curate-walk-")  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        return self._mapped(self._file, rows)

    def _mapped(self, file: BinaryIO, rows: int) -> npt.NDArray[Any]:
        """Map the first rows of the file; room on the disk is reserved first: later, its lack would kill, not raise."""
        size = self._bytes(rows)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        except OSError as error:
            where = self._store.scratch or tempfile.gettempdir()
            raise DatasetError(
                f"no room for {size} bytes of the walk's state in {where} ({error}); "
                f"give it more memory than {self._store.memory} bytes, or another scratch folder"
            ) from error
        pages = mmap.mmap(file.fileno(), size)
        return np.frombuffer(pages, self._dtype).reshape(self._shape(rows))

    def grow(self, rows: int) -> None:
        """Make the column longer; what is there stays, new rows are zero."""
        old = self.data
        if self._file is not None:
            self.data = self._mapped(self._file, rows)
            return
        fresh = self._fresh(rows)
        fresh[: len(old)] = old
        self.data = fresh

    def renew(self, rows: int) -> npt.NDArray[Any]:
        """Replace the column by a zeroed one of another length and return the old array."""
        old = self.data
        self.data = self._fresh(rows)
        return old
