"""Hold what a search for duplicates found, in one form for both engines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pile_curate import schema
from pile_curate.dedup.parts import ROW_BITS, Ints, Part
from pile_curate.errors import DatasetDamaged
from pile_curate.manifest import FileEntry
from pile_curate.row_keys import key_text

LARGEST = 10
EXACT, NEAR, UNVERIFIED, URL = 0, 1, 2, 3
KINDS = ("exact", "near", "near_unverified", "url")


@dataclass(frozen=True)
class Output:
    """Where rows about copies go, and as what: ``id_type`` None means 16-byte ids (``schema.DUPLICATES``)."""

    directory: str
    id_type: pa.DataType | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns of ``schema.DUPLICATES`` with ids of the table's own type."""
        if self.id_type is None:
            return schema.DUPLICATES
        return pa.schema(
            [(f.name, self.id_type if f.name in ("doc_id", "kept_id") else f.type) for f in schema.DUPLICATES]
        )

    def ids(self, keys: pa.Array) -> pa.Array:
        """Return keys as ids."""
        keys = keys.cast(pa.binary())
        if self.id_type is None:
            return keys.cast(schema.ID)
        names = [key_text(key) for key in keys.to_pylist()]
        if pa.types.is_integer(self.id_type):
            return pa.array([int(name) for name in names], self.id_type)
        return pa.array(names, pa.string())

    def refuse_repeated(self, keys: Sequence[bytes]) -> None:
        """Raise ``DatasetDamaged`` that lists some of the ids that several documents have, if there are any."""
        repeated = sorted(set(keys))
        if not repeated:
            return
        shown = self.ids(pa.array(repeated[:5], pa.binary())).to_pylist()
        names = ", ".join(name.hex() if isinstance(name, bytes) else repr(name) for name in shown)
        more = f" and {len(repeated) - 5} more" if len(repeated) > 5 else ""
        raise DatasetDamaged(
            f"several documents have one id: {names}{more}; an id names one document, so make them differ or name "
            "another id column (in a corpus of this project: run annotate again)"
        )


def copy_rows(output: Output, own: pa.Table, kept: pa.Table, kinds: Any, jaccard: Any) -> pa.Table:
    """Return rows about copies from the identities (doc_id, source, split) of copies and of those they name."""

    def column(table: pa.Table, name: str) -> pa.Array:
        found = table.column(name).combine_chunks() if isinstance(table, pa.Table) else table.column(name)
        if isinstance(found, pa.ChunkedArray):
            found = found.chunk(0) if found.num_chunks else pa.array([], found.type)
        return found

    names = pa.DictionaryArray.from_arrays(pa.array(np.asarray(kinds, np.int8)), pa.array(KINDS))
    return pa.table(
        {
            "doc_id": output.ids(column(own, "doc_id")),
            "source": column(own, "source"),
            "split": column(own, "split"),
            "kept_id": output.ids(column(kept, "doc_id")),
            "kept_source": column(kept, "source"),
            "kept_split": column(kept, "split"),
            "jaccard": pa.array(jaccard, pa.float64(), mask=np.isnan(jaccard)),
            "kind": names.cast(pa.string()),
            "cross_split": pc.not_equal(column(own, "split"), column(kept, "split")),
        },
        schema=output.schema,
    )


def top(sizes: Ints, keys: pa.Array) -> list[int]:
    """Return the positions of the ``LARGEST`` largest sizes; of equal ones those with the least keys."""
    if len(sizes) <= LARGEST:
        return list(range(len(sizes)))
    least = np.partition(sizes, -LARGEST)[-LARGEST]
    found: list[int] = np.flatnonzero(sizes > least).tolist()
    ties = np.flatnonzero(sizes == least)
    chosen = pc.select_k_unstable(
        pa.table({"key": keys.take(pa.array(ties))}), LARGEST, [("key", "ascending")]
    )
    return [*found, *ties[chosen.to_numpy()].tolist()]


class Finals(NamedTuple):
    """Final verdicts on vertices, ascending by ``v``; ``kind`` indexes ``KINDS``, ``jaccard`` is NaN for a URL's."""

    v: Ints
    kept: Ints
    kind: Ints
    jaccard: npt.NDArray[np.float64]

    @staticmethod
    def join(pieces: Sequence[Finals]) -> Finals:
        """Return all verdicts of some pieces."""
        v = np.concatenate([np.zeros(0, np.int64), *(piece.v for piece in pieces)])
        order = np.argsort(v)
        rest = [np.concatenate([np.zeros(0, np.int64), *(piece[i] for piece in pieces)]) for i in (1, 2)]
        jaccard = np.concatenate([np.zeros(0), *(piece.jaccard for piece in pieces)])
        return Finals(v[order], rest[0][order], rest[1].astype(np.int64)[order], jaccard[order])

    def of_copies(self, v: Ints, twin: Ints, kind: int) -> Finals:
        """Return the verdicts of copies: a dropped twin's is theirs too, of a kept one they are copies of ``kind``.

        A copy by URL stays one, without a Jaccard, whatever became of its twin.
        """
        if len(self.v):
            at = np.minimum(np.searchsorted(self.v, twin), len(self.v) - 1)
            gone = self.v[at] == twin
        if not len(self.v) or not gone.any():
            return Finals(v, twin, np.full(len(v), kind), np.full(len(v), np.nan if kind == URL else 1.0))
        kept = np.where(gone, self.kept[at], twin)
        if kind == URL:
            return Finals(v, kept, np.full(len(v), URL), np.full(len(v), np.nan))
        return Finals(v, kept, np.where(gone, self.kind[at], kind), np.where(gone, self.jaccard[at], 1.0))

    def with_copies(self, v: Ints, twin: Ints, kind: int) -> Finals:
        """Return these verdicts and those of copies."""
        return Finals.join([self, self.of_copies(v, twin, kind)])


class Cluster(NamedTuple):
    """A kept document and its copies: how many in all, its key, its vertex, and the vertex of the first copy."""

    size: int
    key: bytes
    kept: int
    copy: int

    def rank(self) -> tuple[int, bytes]:
        """Return what puts the largest first, whatever the partitioning."""
        return (-self.size, self.key)


@dataclass(frozen=True, slots=True)
class Found:
    """The files of rows about copies, which rows of each part are dropped, and facts for the report.

    ``dropped`` maps a part's number to a file of (vertex, row of the text), ascending by vertex, which may hold
    other parts' rows too. ``largest`` are the largest clusters.
    """

    entries: list[FileEntry]
    dropped: dict[int, str]
    facts: dict[str, Any]
    largest: list[Cluster]

    @staticmethod
    def of(
        entries: Sequence[FileEntry],
        dropped: Mapping[int, str],
        facts: Mapping[str, Any],
        sizes: Mapping[int, int],
        kinds: Mapping[str, int],
        cross_split: int,
        largest: Sequence[Cluster],
    ) -> Found:
        """Put together what tasks counted."""
        kinds = Counter(kinds)
        near = kinds["near"] + kinds["near_unverified"]
        counts = {
            "total": sum(kinds.values()), "exact": kinds["exact"], "near": near, "url": kinds["url"],
            "cross_split": cross_split,
        }  # fmt: skip
        told = {str(size): sizes[size] for size in sorted(sizes)}
        return Found(
            list(entries),
            dict(dropped),
            {**facts, "duplicates": counts, "cluster_sizes": told},
            sorted(largest, key=Cluster.rank)[:LARGEST],
        )


def dropped_rows(found: Mapping[int, str], part: Part) -> Ints:
    """Return the rows of a part's texts that are dropped, ascending."""
    path = found.get(part.number)
    if path is None:
        return np.zeros(0, np.int64)
    rows = np.load(path, mmap_mode="r")
    first, stop = np.searchsorted(rows[:, 0], [part.base, part.base + (1 << ROW_BITS)])
    return np.sort(np.asarray(rows[first:stop, 1]))
