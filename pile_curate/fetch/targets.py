"""Say what is to be fetched, what became of it, and how much may be."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

State = Literal["fetched", "fresh", "adopted", "failed", "over", "interrupted"]


@dataclass(frozen=True, slots=True)
class Target:
    """A file to fetch: its URL, the path it gets, and what is published about it."""

    url: str
    path: str
    size: int | None = None
    sums: tuple[tuple[str, str, str], ...] = ()  # algorithm, digest, where it is published
    sum_url: str = ""  # of a checksum file, read only if the file has to be judged
    immutable: bool = False  # the URL never has other bytes: no request if they are here
    source: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a target; ``bytes`` is its size, ``moved`` what came over the network for it."""

    target: Target
    state: State
    reason: str = ""
    bytes: int = 0
    moved: int = 0
    verified: tuple[str, ...] = ()


class Budget:
    """The bytes that a run may still move; None is no limit. Shared between threads."""

    def __init__(self, limit: int | None) -> None:
        self.left = limit
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Set bytes aside, or say that so many are not left."""
        with self._lock:
            if self.left is None:
                return True
            if size > self.left:
                return False
            self.left -= size
            return True

    def give(self, size: int) -> None:
        """Put back what was set aside and did not come."""
        with self._lock:
            if self.left is not None:
                self.left += size
