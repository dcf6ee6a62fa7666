"""Deduplicate with rensa: the plain loop, or its own deduplicator as its documentation shows it.

Variant "" is the loop of ``loop.py`` around RMinHash and RMinHashLSH with exact verification. Variant ``estimate``
is RMinHashDeduplicator, which compares sketches and never sets. Both use one core. Its own
choice (``--own``) is 128 values; 16 bands for the index, whose examples say so, and none named for the other.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import loop
from rensa import RMinHash, RMinHashDeduplicator, RMinHashLSH

SEED = 42


def verified(options: argparse.Namespace) -> None:
    """Sketch each set, look it up, compare exactly."""
    size, bands = (128, 16) if options.own else (options.permutations, options.bands)
    index = RMinHashLSH(threshold=options.threshold, num_perm=size, num_bands=bands)

    def sketches(sets: list[set[str]]) -> Iterator[RMinHash]:
        for own in sets:
            sketch = RMinHash(num_perm=size, seed=SEED)
            sketch.update(own)
            yield sketch

    loop.walk(options, sketches, index.query, index.insert)


def estimated(options: argparse.Namespace) -> None:
    """Hand batches of sets to the deduplicator."""
    deduplicator = RMinHashDeduplicator(
        threshold=options.threshold,
        num_perm=128 if options.own else options.permutations,
        use_lsh=True,
        num_bands=None if options.own else options.bands,
        seed=SEED,
    )
    sink, number = loop.Kept(options.output), 0
    for ids, texts in loop.batches(options.input):
        sets = [(str(number + i), loop.shingles(text, options.ngram)) for i, text in enumerate(texts)]
        number += len(ids)
        keep = deduplicator.add_pairs(sets)
        sink.write(
            [name for name, new in zip(ids, keep, strict=True) if new],
            [text for text, new in zip(texts, keep, strict=True) if new],
        )
    sink.close()


if __name__ == "__main__":
    settings = loop.arguments()
    (estimated if settings.variant == "estimate" else verified)(settings)
