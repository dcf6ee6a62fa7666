"""Choose the documents a tokenizer is trained on: by hash of (seed, doc_id), up to a budget of bytes.

Never by weight, source or partition, so that a changed mixture keeps the tokenizer and with it every
token file.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from pile_curate.hashing import order_key


@dataclass(slots=True)
class Sample:
    """Keep the documents with the smallest keys until their bytes reach the budget.

    Holds only the chosen ones. Samples of parts merge into the sample of the whole (``merge``), so tasks
    may draw side by side.
    """

    seed: int
    budget: int
    purpose: str = "tokenizer"
    total: int = 0
    _heap: list[tuple[int, bytes, int]] = field(default_factory=list)

    def add(self, doc_id: bytes, text_bytes: int) -> None:
        """Offer one document."""
        key = order_key(self.seed, doc_id, self.purpose)
        # heapq is a min-heap: complement key and id so that the largest of the chosen is on top.
        inverted = bytes(255 - byte for byte in doc_id)
        heapq.heappush(self._heap, (-key, inverted, text_bytes))
        self.total += text_bytes
        while self._heap and self.total - self._heap[0][2] >= self.budget:
            self.total -= heapq.heappop(self._heap)[2]

    def rows(self) -> list[tuple[bytes, int]]:
        """Return (doc_id, text_bytes) of the chosen, in key order."""
        ordered = sorted(self._heap, reverse=True)
        return [(bytes(255 - byte for byte in inverted), size) for _, inverted, size in ordered]

    def merge(self, others: Iterable[Iterable[tuple[bytes, int]]]) -> Sample:
        """Offer the rows of other samples too and return self."""
        for rows in others:
            for doc_id, size in rows:
                self.add(doc_id, size)
        return self


def sample(candidates: Iterable[tuple[bytes, int]], seed: int, budget: int) -> list[bytes]:
    """Return the doc_ids, in hash order, of the shortest prefix of that order whose bytes reach ``budget``.

    Depends on the set of candidates, the seed and the budget alone; all of them if they are too few.
    """
    return [doc_id for doc_id, _ in Sample(seed, budget).merge([candidates]).rows()]
