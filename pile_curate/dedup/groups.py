"""Group documents that are equal by text digest or by URL, and find the first of each group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pile_curate.dedup.parts import Ints, Narrow, Part, digest_words
from pile_curate.tables import iter_batches
from pile_curate.word_hashes import Hashes

GROUPS = pa.schema(
    [("a", pa.uint64()), ("b", pa.uint64()), ("scope", pa.int64()), ("split", pa.int64()),
     ("newer", pa.bool_()), ("priority", pa.int64()), ("length", pa.int64()), ("key", pa.binary()), ("v", pa.int64())]
)  # fmt: skip


def _column(table: pa.Table, name: str) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = table.column(name).to_numpy()
    return found


def group_rows(table: pa.Table) -> tuple[Ints, Ints, npt.NDArray[np.int64]]:
    """Return (v, twin) of every row that is not the first of its group, and the rows that stand.

    Rows of a group are equal in a, b, scope and split; first is the least in (newer, priority, length, key).
    Documents of an older corpus are nobody's copies.
    """
    a = _column(table, "a")
    order = np.argsort(a, kind="stable")
    ordered = a[order]
    near = np.zeros(len(a) + 1, np.bool_)
    near[1:-1] = ordered[1:] == ordered[:-1]
    maybe = near[1:] | near[:-1]
    alone = order[~maybe]
    if not maybe.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64), alone
    rows = table.take(pa.array(order[maybe]))
    names = ("a", "b", "scope", "split", "newer", "priority", "length", "key")
    sorting = pc.sort_indices(rows, [(name, "ascending") for name in names]).to_numpy()
    columns = [_column(rows, name)[sorting] for name in names[:4]]
    opens = np.ones(len(sorting), np.bool_)
    opens[1:] = np.logical_or.reduce([c[1:] != c[:-1] for c in columns])
    v = _column(rows, "v")[sorting]
    twin = v[np.flatnonzero(opens)][np.cumsum(opens) - 1]
    copies = ~opens & _column(rows, "newer")[sorting].astype(np.bool_)
    standing = np.concatenate([alone, order[maybe][sorting[opens]]])
    return v[copies], twin[copies], standing


def url_words(part: Part) -> tuple[Hashes, Ints]:
    """Return the keys of a part's normalised URLs as (rows, 2) uint64, and the rows that have one."""
    from pile_curate.urls import url_keys

    if part.urls is None:
        return np.zeros((part.rows, 2), np.uint64), np.zeros(0, np.int64)
    columns = [url_keys(batch.column("url")) for batch in iter_batches(part.urls, ["url"], 65536)]
    keys = pa.chunked_array(columns, pa.binary(16)).combine_chunks()
    if isinstance(keys, pa.ChunkedArray):
        keys = keys.chunk(0) if keys.num_chunks else pa.array([], pa.binary(16))
    known = keys.is_valid().to_numpy(zero_copy_only=False).astype(np.bool_)
    return digest_words(keys), np.flatnonzero(known)


def group_table(rows: Sequence[Narrow]) -> pa.Table:
    """Return narrow rows as the columns of ``GROUPS``; ``digest`` is what equality means."""
    whole = {
        name: np.concatenate([getattr(n, name) for n in rows])
        for name in ("scope", "split", "priority", "length", "v")
    }
    digest = np.concatenate([n.digest for n in rows])
    newer = ~np.concatenate([n.against for n in rows])
    keys = pa.chunked_array([n.key for n in rows])
    columns = {"a": digest[:, 0], "b": digest[:, 1], "newer": newer, "key": keys, **whole}
    return pa.table({field.name: columns[field.name] for field in GROUPS}, schema=GROUPS)
