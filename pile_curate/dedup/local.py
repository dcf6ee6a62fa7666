"""Walk a small corpus in one process, with the kernels and the walk that Spark's tasks use.

Below some ten thousand documents Spark's fixed cost (a score of small jobs) is most of the time, and one
process holds everything easily. The verdicts are the same, because a walk over everything equals the
walks over its components (proof in ``greedy``); a test holds both engines equal.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from pile_curate.dedup import DedupSettings
from pile_curate.dedup.exact import order_key
from pile_curate.dedup.greedy import Member, Prune, Walk
from pile_curate.dedup.lsh import band_keys
from pile_curate.dedup.minhash import shingle_sets, signature_values
from pile_curate.errors import DatasetDamaged
from pile_curate.tables import iter_batches
from pile_curate.word_hashes import Hashes

DOCUMENTS = 50_000
"""Eligible documents up to which one process is used: about 200 MB of rows, signatures and lists."""

SHINGLES = 32_000_000
"""Shingles of possible candidates that one process may hold: 256 MB."""

_COLUMNS = ["doc_id", "source", "split", "text_digest", "text_bytes", "shingles", "signature", "part", "row"]


@dataclass(frozen=True, slots=True)
class LocalResult:
    """The duplicates as rows of ``schema.DUPLICATES``, and facts for the report."""

    rows: list[dict[str, Any]]
    facts: dict[str, Any]


def _name64(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode())


def _rows(
    annotations: Sequence[str], eligibility: Sequence[str], settings: DedupSettings
) -> Iterator[tuple[tuple[int, int, int, bytes], dict[str, Any], Member]]:
    eligible: set[bytes] = set()
    for path in eligibility:
        for batch in iter_batches(path, ["doc_id", "eligible"], 65536):
            eligible.update(batch.filter(batch.column("eligible")).column("doc_id").to_pylist())
    for path in annotations:
        for batch in iter_batches(path, _COLUMNS, 4096):
            signature = batch.column("signature")
            values = signature_values(signature, settings.permutations)
            keys = band_keys(values, settings.bands, settings.rows)
            present = signature.is_valid().to_pylist()
            at = 0
            for row, hashed in zip(batch.drop_columns(["signature"]).to_pylist(), present, strict=True):
                own, bands = (values[at].copy(), keys[at].copy()) if hashed else (None, None)
                at += hashed
                if row["doc_id"] not in eligible:
                    continue
                scope = settings.scope_of(row["source"])
                member = Member(
                    digest=row["text_digest"],
                    scope=_name64(scope) if scope else 0,
                    split=_name64(row["split"]),
                    against=False,
                    shingles=row["shingles"],
                    values=own,
                    bands=bands,
                )
                order = order_key(
                    settings.keep,
                    settings.priorities,
                    against=False,
                    source=row["source"],
                    text_bytes=row["text_bytes"],
                    doc_id=row["doc_id"],
                )
                yield order, row, member


def _sets(documents: str, rows: Sequence[dict[str, Any]], settings: DedupSettings) -> dict[bytes, Hashes]:
    """Read the texts of some documents, one row group at a time, and return their shingle sets."""
    wanted: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        wanted.setdefault(row["part"], []).append(row)
    found: dict[bytes, Hashes] = {}
    for part, mine in sorted(wanted.items()):
        start = 0
        for batch in iter_batches(os.path.join(documents, part), ["doc_id", "text"], 512):
            stop = start + batch.num_rows
            inside = [row for row in mine if start <= row["row"] < stop]
            if inside:
                texts = batch.column("text").take([row["row"] - start for row in inside])
                sets = shingle_sets(texts, settings.ngram, settings.seed)
                for row, shingles in zip(inside, sets, strict=True):
                    if len(shingles) != row["shingles"]:
                        raise DatasetDamaged(
                            f"{part} row {row['row']} has {len(shingles)} shingles, its annotation says "
                            f"{row['shingles']}: the documents changed, or annotate ran with other settings"
                        )
                    found[row["doc_id"]] = shingles
            start = stop
    return found


def find_duplicates(
    annotations: Sequence[str],
    eligibility: Sequence[str],
    *,
    documents: str,
    settings: DedupSettings,
    shingles: int = SHINGLES,
) -> LocalResult | None:
    """Return the duplicates among the eligible documents, or None if their candidates do not fit in memory.

    Arguments as of ``spark.survivors.find_duplicates``.
    """
    rows = sorted(_rows(annotations, eligibility, settings), key=lambda item: item[0])
    prune = Prune(settings)
    signed = [(row, member) for _, row, member in rows if member.values is not None]
    for _, member in signed:
        prune.add(member)
    marked = [row for (row, _), needed in zip(signed, prune.marked(), strict=True) if needed]
    if sum(row["shingles"] for row in marked) > shingles:
        return None
    sets = _sets(documents, marked, settings)
    walk: Walk[int] = Walk(settings, lambda at: sets[rows[at][1]["doc_id"]])
    found: list[dict[str, Any]] = []
    clusters: Counter[bytes] = Counter()
    for at, (_, row, member) in enumerate(rows):
        verdict = walk.offer(member, at)
        if verdict is None:
            continue
        kept = rows[verdict.kept][1]
        clusters[kept["doc_id"]] += 1
        found.append(
            {
                "doc_id": row["doc_id"],
                "source": row["source"],
                "split": row["split"],
                "kept_id": kept["doc_id"],
                "kept_source": kept["source"],
                "kept_split": kept["split"],
                "jaccard": verdict.jaccard,
                "kind": "exact" if verdict.exact else "near",
                "cross_split": row["split"] != kept["split"],
            }
        )
    sizes = Counter(count + 1 for count in clusters.values())
    exact = sum(row["kind"] == "exact" for row in found)
    lengths = np.array([len(s) for s in sets.values()], np.int64)
    facts = {
        "engine": "local",
        "documents": len(rows),
        "shingle_sets": {"count": len(sets), "shingles": int(lengths.sum())},
        "pairs": {"examined": walk.examined, "refused": walk.refused},
        "duplicates": {
            "total": len(found),
            "exact": exact,
            "near": len(found) - exact,
            "cross_split": sum(row["cross_split"] for row in found),
        },
        "cluster_sizes": {str(size): sizes[size] for size in sorted(sizes)},
    }
    return LocalResult(found, facts)
