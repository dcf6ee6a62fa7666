"""Count characters inside repeated n-grams: the compiled kernel of the repetition signals.

n-grams are compared word by word in an open-addressing table, so no hash collision can move a value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pile_curate.compiled import compiled


@compiled
def covered(ids: Any, lengths: Any, n: int, top: bool) -> float:
    """Return characters inside the top n-gram (``top``) or inside repeats of any n-gram.

    Word characters only, each counted once however many n-grams overlap on it.
    """
    grams = ids.size - n + 1
    if grams < 2:
        return 0.0
    size = 16
    while size < 2 * grams:
        size *= 2
    slots = np.full(size, -1, np.int64)
    first = np.empty(grams, np.int64)
    counts = np.zeros(grams, np.int64)
    for i in range(grams):
        h = np.uint64(14695981039346656037)
        for k in range(n):
            h = (h ^ np.uint64(ids[i + k])) * np.uint64(1099511628211)
            h ^= h >> np.uint64(29)
        slot = np.int64(h & np.uint64(size - 1))
        while True:
            seen = slots[slot]
            if seen < 0:
                slots[slot] = i
                first[i] = i
                counts[i] = 1
                break
            equal = True
            for k in range(n):
                if ids[seen + k] != ids[i + k]:
                    equal = False
                    break
            if equal:
                first[i] = seen
                counts[seen] += 1
                break
            slot = (slot + 1) & (size - 1)
    best = np.int64(-1)
    if top:
        best_count, best_length = 1, 0
        for i in range(grams):
            if counts[i] < 2:
                continue
            length = 0
            for k in range(n):
                length += lengths[ids[i + k]]
            if counts[i] > best_count or (counts[i] == best_count and length > best_length):
                best, best_count, best_length = i, counts[i], length
        if best < 0:
            return 0.0
    total = 0
    done = 0
    for i in range(grams):
        if top:
            inside = first[i] == best
        else:
            inside = first[i] != i
        if inside:
            start = max(done, i)
            for k in range(start, i + n):
                total += lengths[ids[k]]
            done = i + n
    return float(total)
