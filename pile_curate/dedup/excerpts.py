"""Read the first words of a few documents, so that people see what the largest clusters are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pile_curate.dedup import DedupSettings
from pile_curate.dedup.id_hashes import hash_ids
from pile_curate.dedup.measure import SAMPLE_BYTES, SAMPLES
from pile_curate.dedup.parts import Part, part_of, read, row_of, texts_of
from pile_curate.dedup.results import Cluster
from pile_curate.row_files import key_text
from pile_curate.row_keys import as_binary

EXCERPT = 200


def sample(parts: Sequence[Part], settings: DedupSettings) -> pa.Array:
    """Return the texts of the ``SAMPLES`` documents whose ids have the least hashes, however the corpus is cut.

    Reads every id once, 16 bytes each, and the row groups that hold those texts.
    """
    hashes, places = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    for part in parts:
        for narrow, _ in read(part, settings):
            hashes, places = (
                np.concatenate([hashes, hash_ids(narrow.key)]),
                np.concatenate([places, narrow.v]),
            )
            least = np.argsort(hashes, kind="stable")[:SAMPLES]
            hashes, places = hashes[least], places[least]
    texts: dict[int, bytes] = {}
    for part in parts:
        mine = np.sort(places[part_of(places) == part.number])
        if len(mine):
            found = (text for column in texts_of(part, row_of(mine)) for text in as_binary(column))
            texts.update((int(v), text.as_py()[:SAMPLE_BYTES]) for v, text in zip(mine, found, strict=True))
    return pa.array([texts[int(v)] for v in places], pa.binary())


def describe(
    clusters: Sequence[Cluster], parts: Sequence[Part], hexadecimal: bool = False
) -> list[dict[str, Any]]:
    """Return each cluster's size, ids, and the beginnings of its kept document and of one copy."""
    wanted = np.unique(np.array([v for c in clusters for v in (c.kept, c.copy)], np.int64))
    texts: dict[int, str] = {}
    for part in parts:
        first, stop = np.searchsorted(wanted, [part.base, part.base + (1 << 32)])
        if first == stop:
            continue
        mine = iter(wanted[first:stop].tolist())
        for column in texts_of(part, row_of(wanted[first:stop])):
            for text in as_binary(column):
                texts[next(mine)] = excerpt(text)
    return [
        {
            "kept_id": c.key.hex() if hexadecimal else key_text(c.key),
            "size": c.size,
            "excerpt": texts.get(c.kept, ""),
            "copy_excerpt": texts.get(c.copy, ""),
        }
        for c in clusters
    ]


def excerpt(text: pa.Scalar) -> str:
    """Return the first ``EXCERPT`` characters with white space collapsed; what is not UTF-8 is replaced."""
    raw: bytes = text.as_py() or b""
    return " ".join(raw[: 64 * EXCERPT].decode("utf-8", "replace").split())[:EXCERPT]
