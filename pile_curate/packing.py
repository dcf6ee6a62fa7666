"""Spread work over a given number of groups of about equal size."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def pack(items: Sequence[T], sizes: Sequence[int], bins: int) -> list[list[T]]:
    """Spread items over at most ``bins`` lists of about equal total size (largest first, ties by position)."""
    bins = max(1, min(bins, len(items)))
    heap = [(0, index) for index in range(bins)]
    packed: list[list[tuple[int, T]]] = [[] for _ in range(bins)]
    for position in sorted(range(len(items)), key=lambda i: (-sizes[i], i)):
        load, index = heap[0]
        heapq.heapreplace(heap, (load + sizes[position] + 1, index))
        packed[index].append((position, items[position]))
    return [[item for _, item in sorted(group, key=lambda pair: pair[0])] for group in packed if group]
