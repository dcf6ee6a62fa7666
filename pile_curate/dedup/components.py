"""Group documents that edges connect, in one process: union-find over 64-bit ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pile_curate.compiled import compiled

Ids = npt.NDArray[np.int64]


@compiled
def _roots(left: Any, right: Any, count: int) -> Any:
    """Return each vertex's root; roots are the least vertex of their component."""
    parent = np.arange(count)
    for i in range(left.size):
        a, b = left[i], right[i]
        while parent[a] != a:
            parent[a] = parent[parent[a]]  # path halving (Tarjan, van Leeuwen 1984)
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a < b:
            parent[b] = a
        else:
            parent[a] = b
    for v in range(count):  # parents are smaller than their children, so one pass in order flattens
        parent[v] = parent[parent[v]]
    return parent


def connect(left: Ids, right: Ids) -> tuple[Ids, Ids]:
    """Return (vertices, component): every vertex of some edge, sorted, and the least vertex it is joined to.

    Memory: 16 bytes an edge for the input and about 40 for the work.

    >>> connect(np.array([5, 9, 2]), np.array([7, 5, 3]))
    (array([2, 3, 5, 7, 9]), array([2, 2, 5, 5, 5]))
    """
    vertices, index = np.unique(np.concatenate([left, right]), return_inverse=True)
    root = _roots(index[: len(left)], index[len(left) :], len(vertices))
    return vertices, vertices[root]
