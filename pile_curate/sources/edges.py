"""Cut a large plain file into ranges where a record begins, so that many tasks share it."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from pile_curate.decode import HEAD_BYTES, sniff
from pile_curate.files import RawFile, open_raw

Next = Callable[[BinaryIO, int], int | None]
"""Takes an open file and the offset at which it stands; returns where the next record begins, None for nowhere."""


def plain_edges(file: RawFile, target: int, next_record: Next) -> list[int]:
    """Return offsets of records that cut a file into ranges of about ``target`` bytes; [] if it is compressed.

    The first is 0 and the last the file's size. Reads the file's head, and a little behind each multiple of the target.
    """
    with open_raw(file.path) as handle:
        if sniff(handle.read(HEAD_BYTES)):
            return []
        edges = [0]
        for goal in range(target, file.size, target):
            if goal <= edges[-1]:
                continue
            handle.seek(goal - 1)
            found = next_record(handle, goal - 1)
            if found is not None and found < file.size:
                edges.append(found)
    return [*edges, file.size]
