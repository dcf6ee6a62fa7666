"""Connect documents that could decide about each other: one streaming table of hubs, one edge a row at most.

A *bucket* is all vertices with one key: a band of the signature or a text digest. Two vertices are
comparable if their scopes are equal or their splits differ. Rows arrive in any order and are forgotten at once:

* within one scope the hub is the scope's first vertex of the bucket, and each later one is linked to it;
* the bucket's first vertex is also the *bucket's* hub. From the first row whose split is another than that of
  the bucket's first, the bucket is *crossing*: its later rows link to the bucket's hub, and at the end so do the
  hubs of its scopes.

Proof that the components of ``Stars.edges`` are those of the graph of all comparable pairs. A bucket
with one split: its pairs are those of equal scopes, and exactly these meet at a scope's hub. A bucket with more
splits: its vertices of different splits are all comparable, and two of one split are both comparable with any
of another, so the bucket is connected; and here too, for each of its rows is a scope's hub, linked to one, or
linked to the bucket's, and the scopes' hubs are linked to the bucket's. Which vertex is a hub hangs on the
order, the components do not; their least vertices name them, so ``edges`` gives the same for any order.

Links are held back and reduced to a spanning forest whenever the buffer is full, and the buffer grows
until the forest fills no more than half of it, so each link is reduced about twice.

Memory: 23 to 46 bytes a distinct key without scopes, 46 to 92 with them (and as much again for each further
scope of a bucket), half as much again while a table grows; 32 to 64 bytes a linked vertex, at least 64 MB once
there are millions of links, about 60 bytes a link while the buffer is reduced. Nothing per row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pile_curate.compiled import compiled, inlined
from pile_curate.dedup.components import Ids, forest
from pile_curate.word_hashes import mix64

PENDING = 1 << 22
"""Links (16 bytes each) that are held back before they are first reduced to a forest."""

_AHEAD = 16
"""How many rows ahead a slot is fetched: a random key costs 70 ns without and 42 ns with it (64 MB table and up)."""

_FIRST = 1 << 10  # slots and links to begin with: a small input stays small
_SCOPE_SALT = np.uint64(0xA0761D6478BD642F)


@intrinsic  # type: ignore[untyped-decorator]
def _fetch(typing_context: Any, table: Any, row: Any) -> Any:
    """Ask the processor for a row of a 2-dimensional array; it goes on without waiting for memory."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        offset = builder.mul(arguments[1], builder.extract_value(array.strides, [0]))
        pointer = builder.gep(builder.bitcast(array.data, byte), [offset])
        shape = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        to_write, keep, data = number(1), number(3), number(1)
        builder.call(
            builder.module.declare_intrinsic("llvm.prefetch", [byte], shape), [pointer, to_write, keep, data]
        )
        return context.get_dummy_value()

    return types.void(table, types.int64), generate


@inlined
def _place(key: int, shift: int) -> Any:
    """Return a key's first slot: the top bits, so that a table grows in order, reading and writing ahead."""
    return np.int64(mix64(np.uint64(key)) >> np.uint64(shift))


@inlined
def _place_scope(key: int, scope: int, shift: int) -> Any:
    return np.int64(mix64(mix64(np.uint64(key)) ^ mix64(np.uint64(scope) + _SCOPE_SALT)) >> np.uint64(shift))


@compiled
def _grown(old: Any, new: Any, shift: int, by_scope: bool) -> None:
    mask = new.shape[0] - 1
    for i in range(old.shape[0]):
        if old[i, 1] != 0:
            if by_scope:
                at = _place_scope(old[i, 0], old[i, 2], shift)
            else:
                at = _place(old[i, 0], shift)
            while new[at, 1] != 0:
                at = (at + 1) & mask
            for j in range(old.shape[1]):
                new[at, j] = old[i, j]


@inlined
def _link(high: Ids, low: Ids, links: int, v: int, hub: int) -> int:
    """Append a link and return how many there are; not a link to itself, nor the one before once more."""
    if v == hub or (links > 0 and high[links - 1] == v and low[links - 1] == hub):
        return links
    high[links] = v
    low[links] = hub
    return links + 1


@compiled
def _enter(
    table: Any, shift: int, used: int, keys: Ids, v: Ids, at_row: int, high: Ids, low: Ids, links: int
) -> Any:
    """Enter rows until all are in, or the table or the links are full; return (row to go on at, used, links).

    A slot is (key, hub + 1); 0 in the second place is free.
    """
    mask = np.int64(table.shape[0] - 1)
    room = np.int64(table.shape[0]) * 7 // 10
    i = np.int64(at_row)
    used, links = np.int64(used), np.int64(links)
    while i < keys.size and used < room and links < high.size:
        if i + _AHEAD < keys.size:
            _fetch(table, _place(keys[i + _AHEAD], shift))
        key = keys[i]
        at = _place(key, shift)
        while table[at, 1] != 0 and table[at, 0] != key:
            at = (at + 1) & mask
        if table[at, 1] == 0:
            table[at, 0] = key
            table[at, 1] = v[i] + 1
            used += 1
        else:
            links = _link(high, low, links, v[i], table[at, 1] - 1)
        i += 1
    return i, used, links


@compiled
def _enter_scoped(
    table: Any, shift: int, used: int, extra: Any, extra_shift: int, extra_used: int,
    keys: Ids, v: Ids, scope: Ids, split: Ids, at_row: int, high: Ids, low: Ids, links: int,
) -> Any:  # fmt: skip
    """Enter rows as ``_enter`` does; return (row to go on at, used, used of ``extra``, links).

    A slot of ``table`` is (key, hub + 1, scope, split) of the bucket's first vertex; hub + 1 is negative once the
    bucket is crossing. ``extra`` holds (key, hub + 1, scope) of a bucket's further scopes.
    """
    mask, extra_mask = np.int64(table.shape[0] - 1), np.int64(extra.shape[0] - 1)
    room, extra_room = np.int64(table.shape[0]) * 7 // 10, np.int64(extra.shape[0]) * 7 // 10
    i = np.int64(at_row)
    used, extra_used, links = np.int64(used), np.int64(extra_used), np.int64(links)
    while i < keys.size and used < room and extra_used < extra_room and links < high.size:
        if i + _AHEAD < keys.size:
            _fetch(table, _place(keys[i + _AHEAD], shift))
        key = keys[i]
        at = _place(key, shift)
        while table[at, 1] != 0 and table[at, 0] != key:
            at = (at + 1) & mask
        hub = table[at, 1]
        if hub == 0:
            table[at, 0] = key
            table[at, 1] = v[i] + 1
            table[at, 2] = scope[i]
            table[at, 3] = split[i]
            used += 1
        elif hub < 0:
            links = _link(high, low, links, v[i], -hub - 1)
        elif table[at, 3] != split[i]:
            table[at, 1] = -hub
            links = _link(high, low, links, v[i], hub - 1)
        elif table[at, 2] == scope[i]:
            links = _link(high, low, links, v[i], hub - 1)
        else:
            to = _place_scope(key, scope[i], extra_shift)
            while extra[to, 1] != 0 and not (extra[to, 0] == key and extra[to, 2] == scope[i]):
                to = (to + 1) & extra_mask
            if extra[to, 1] == 0:
                extra[to, 0] = key
                extra[to, 1] = v[i] + 1
                extra[to, 2] = scope[i]
                extra_used += 1
            else:
                links = _link(high, low, links, v[i], extra[to, 1] - 1)
        i += 1
    return i, used, extra_used, links


@compiled
def _crossing(table: Any, shift: int, extra: Any, high: Ids, low: Ids) -> Any:
    """Write the links from scopes' hubs to the hubs of their crossing buckets; return how many."""
    mask = np.int64(table.shape[0] - 1)
    links = np.int64(0)
    for i in range(extra.shape[0]):
        if extra[i, 1] != 0:
            at = _place(extra[i, 0], shift)
            while table[at, 0] != extra[i, 0] or table[at, 1] == 0:
                at = (at + 1) & mask
            if table[at, 1] < 0:
                links = _link(high, low, links, extra[i, 1] - 1, -table[at, 1] - 1)
    return links


class _Table:
    """An open-addressing table of ``width`` 64-bit numbers a slot, with a power of two of slots."""

    def __init__(self, width: int, by_scope: bool) -> None:
        self.slots = np.zeros((_FIRST, width), np.int64)
        self.used = 0
        self._by_scope = by_scope

    @property
    def shift(self) -> int:
        return 65 - len(self.slots).bit_length()

    def grow_if_full(self) -> None:
        if self.used >= len(self.slots) * 7 // 10:
            old = self.slots
            self.slots = np.zeros((2 * len(old), old.shape[1]), np.int64)
            _grown(old, self.slots, self.shift, self._by_scope)


def _column(name: str, values: npt.NDArray[Any], dtype: type[np.generic], count: int) -> Ids:
    """Return a column as int64 that is read only and contiguous, so that kernels are compiled for one type."""
    if len(values) != count or values.dtype != dtype:
        what = f"{name} has {len(values)} values of {values.dtype}"
        raise ValueError(f"{what}; allowed: {np.dtype(dtype)}, one for each of {count} keys")
    column = np.require(values, dtype, ["C", "A"]).view(np.int64)
    column.flags.writeable = False
    return column


class Stars:
    """Connect the comparable members of each bucket, from rows in any order; one for each reducer."""

    def __init__(self, scoped: bool, *, pending: int = PENDING) -> None:
        """Begin with no rows. Without ``scoped`` all vertices are comparable; ``pending`` bounds memory, see above."""
        self._scoped = scoped
        self._bound = max(1, pending)
        self._begin()

    def _begin(self) -> None:
        self._table = _Table(4 if self._scoped else 2, by_scope=False)
        self._extra = _Table(3, by_scope=True)
        self._links = np.empty((2, min(_FIRST, self._bound)), np.int64)
        self._count = 0

    def add(
        self,
        keys: npt.NDArray[np.uint64],
        v: Ids,
        scope: Ids | None = None,
        split: Ids | None = None,
    ) -> None:
        """Enter rows: vertices (0 or more) in their buckets; scopes and splits are read only if ``scoped``.

        Raises ``ValueError`` on columns that differ in length, have other types, are missing, or on a negative vertex.
        """
        n = len(keys)
        keys_, v_ = _column("keys", keys, np.uint64, n), _column("v", v, np.int64, n)
        if n and v_.min() < 0:
            raise ValueError(f"v holds {v_.min()}; allowed: 0 or more")
        if self._scoped and (scope is None or split is None):
            raise ValueError("scope or split is missing; a scoped table needs both")
        if self._scoped and scope is not None and split is not None:
            scope, split = _column("scope", scope, np.int64, n), _column("split", split, np.int64, n)
        table, extra = self._table, self._extra
        row = 0
        while row < n:
            table.grow_if_full()
            extra.grow_if_full()
            if self._count == self._links.shape[1]:
                self._make_room()
            if self._scoped:
                row, table.used, extra.used, self._count = _enter_scoped(
                    table.slots, table.shift, table.used, extra.slots, extra.shift, extra.used,
                    keys_, v_, scope, split, row, self._links[0], self._links[1], self._count,
                )  # fmt: skip
            else:
                row, table.used, self._count = _enter(
                    table.slots,
                    table.shift,
                    table.used,
                    keys_,
                    v_,
                    row,
                    self._links[0],
                    self._links[1],
                    self._count,
                )

    def _make_room(self) -> None:
        """Reduce the links to a forest if they are many; double the buffer if that leaves it half full."""
        if self._links.shape[1] >= self._bound:
            high, low = forest(self._links[0, : self._count], self._links[1, : self._count])
            self._count = len(high)
            self._links[0, : self._count], self._links[1, : self._count] = high, low
        if 2 * self._count >= self._links.shape[1]:
            wider = np.empty((2, 2 * self._links.shape[1]), np.int64)
            wider[:, : self._count] = self._links[:, : self._count]
            self._links = wider

    def edges(self) -> tuple[Ids, Ids]:
        """Return (high, low), a spanning forest of all that was added, as ``components.forest`` gives it.

        Call it once, at the end: it gives the tables back, and what is added later is a new beginning.
        """
        across = np.empty((2, self._extra.used), np.int64)
        table, extra = self._table, self._extra
        more = _crossing(table.slots, table.shift, extra.slots, across[0], across[1])
        links = np.concatenate([self._links[:, : self._count], across[:, :more]], axis=1)
        del table, extra
        self._begin()
        return forest(links[0], links[1])
