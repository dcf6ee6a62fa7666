"""Give the verdicts: walk documents in order, keep the first of its kind, drop what repeats a kept one.

The meaning (a norm; ``tests/oracle.py`` states it again in twenty lines):

* Two documents are *comparable* if their scopes are equal or their splits differ.
* An earlier kept document is a *candidate* for d if it is comparable, shares at least one band and
  agrees in at least m signature positions.
* Walking in the total order (``exact.order_key``), d is dropped if an earlier kept comparable document has
  its text digest, or if, among the first ``cap`` earlier kept comparable members of each of its bands, a
  candidate has Jaccard >= t. d names the earliest such document, with the Jaccard; its kind is exact only
  if that one's digest is equal. Documents of an older corpus are never dropped.
* Unverified (``DedupSettings.verify``), every candidate counts as near enough: with ``estimate`` m is what the
  threshold asks of the signatures, with ``none`` it is 0. No set is read.

The Jaccard is the exact integer ratio |A & B| / |A | B|; "J >= t" is ``shared * t.denominator >=
t.numerator * union`` in integers, with t the decimal that the recipe wrote, so no rounding decides.

**A walk of one component equals the walk of everything.** Say d's verdict looks at e: then both share a
band or a digest. ``spark.edges`` puts two comparable documents that share a band or a digest into one
component. So d's verdict reads only members of d's component, and, by induction along the order,
which of them were kept does not depend on the other components. For the same reason the walk of any union of
components is the union of their walks.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pile_curate.dedup import DedupSettings, band_lists, digest_index
from pile_curate.dedup import walk_kernels as kernels
from pile_curate.dedup.band_lists import Lists, Rule
from pile_curate.dedup.growing import MEMORY, Column, Store
from pile_curate.errors import DatasetError
from pile_curate.word_hashes import Hashes

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_LARGEST = 1 << 30  # shingles of one set: 8 GB
_FIRST = 64  # rows, slots and integers that a new walk has room for


class Rows(NamedTuple):
    """n documents in the total order, as columns.

    ``digests`` (n, 2) are the 16 bytes of the text digest; ``shingles`` is the size of the set, 0 without a
    signature; ``values`` (n, k) are signatures, whatever where ``signed`` is False; ``starts`` is where the
    sorted set begins in the walk's pool, -1 if it is not there; ``handles`` is what the caller calls the
    document.
    """

    digests: npt.NDArray[np.uint64]
    scope: Longs
    split: Longs
    against: Flags
    shingles: Longs
    values: npt.NDArray[np.uint32]
    signed: Flags
    starts: Longs
    handles: Longs


class Verdicts(NamedTuple):
    """The dropped ones among the rows offered, in order: each one's index there, and of which kept one it is a copy.

    ``shared / union`` is the exact Jaccard; for an unverified near copy it is the agreement of the signatures.
    """

    row: Longs
    kept: Longs
    exact: Flags
    shared: Longs
    union: Longs

    @property
    def jaccard(self) -> npt.NDArray[np.float64]:
        """The ratio rounded to 1e-4 (half to even, from the exact integers); 1.0 for two empty sets."""
        empty = self.union == 0
        union = np.where(empty, 1, self.union)
        whole, rest = np.divmod(np.where(empty, 1, self.shared) * 10_000, union)
        up = (2 * rest > union) | ((2 * rest == union) & (whole % 2 == 1))
        rounded: npt.NDArray[np.float64] = (whole + up) / 10_000.0
        return rounded


def least_share(ratio: Fraction, largest: int = 2 * _LARGEST) -> Fraction:
    """Return x with ceil(x * T) = ceil(t / (1 + t) * T) for every whole T up to ``largest``, in small integers.

    A ratio s / T with T <= ``largest`` reaches t / (1 + t) exactly if it reaches the least fraction above it (or
    equal) whose denominator is at most ``largest``: the upper neighbour in the Farey sequence.

    >>> least_share(Fraction(4, 5)), least_share(Fraction("0.7999999999999999"), 100)
    (Fraction(4, 9), Fraction(4, 9))
    """
    share = ratio / (1 + ratio)
    near = share.limit_denominator(largest)
    if near >= share:
        return near
    p, q = near.numerator, near.denominator
    under = largest - (largest + pow(p, -1, q)) % q
    return Fraction((1 + p * under) // q, under)


def rule_of(settings: DedupSettings) -> Rule:
    """Return the settings as the numbers that the kernels take."""
    s, share = settings, least_share(settings.ratio)
    return Rule(
        s.permutations, s.bands, s.rows, s.cap, s.agreement, share.numerator, share.denominator,
        s.scope != "global", s.verify == "exact",
    )  # fmt: skip


class _Borrowed:
    """An array that numba takes for writable, whoever owns it: else each mix of flags would be compiled again."""

    def __init__(self, owner: npt.NDArray[Any]) -> None:
        self.owner = owner
        whole = dict(owner.__array_interface__)
        whole["data"] = (whole["data"][0], False)
        self.__array_interface__ = whole


def _plain(array: Any, dtype: Any, *shape: int) -> Any:
    """Return the array contiguous, of the type, as the kernels want it; raises ``ValueError`` on another shape."""
    found = np.ascontiguousarray(array, dtype)
    if found.shape != shape:
        raise ValueError(f"an array has the shape {found.shape}; it must be {shape}")
    if not found.size or not found.flags.aligned:
        return found.copy()
    return found if found.flags.writeable else np.asarray(_Borrowed(found))


class _BandState:
    """The lists of the bands in columns that grow, and what both the walk and pruning need to run a kernel."""

    def __init__(self, rule: Rule, store: Store) -> None:
        self.rule, self.store = rule, store
        self.bits = _FIRST.bit_length() - 1
        self._slots = store.column(rule.bands << self.bits, np.uint64)
        self._blocks = store.column(_FIRST, np.int32)
        self._signatures = store.column(_FIRST, np.uint32, rule.permutations)
        cells = _FIRST if rule.scoped else 1
        self._cells = [store.column(cells, np.int64), store.column(cells, np.int64)]
        self._used = np.zeros(rule.bands + 1, np.int64)
        self.splits = np.empty(0, np.int64)
        self.counters = np.zeros(16, np.int64)
        self.scratch = kernels.scratch(rule.bands, rule.bands)

    @property
    def limit(self) -> int:
        """Slots of one band's region that may be in use."""
        return 6 * (1 << self.bits) // 10

    @property
    def lists(self) -> Lists:
        slots = self._slots.data.reshape(self.rule.bands, 1 << self.bits)
        scope, split = (column.data for column in self._cells)
        return Lists(slots, self._blocks.data, self._signatures.data, scope, split, self._used)

    def meet(self, split: Longs) -> None:
        """Learn of the splits of the rows to come."""
        fresh = np.setdiff1d(split, self.splits) if self.rule.scoped else split[:0]
        if len(fresh):
            self.splits = np.concatenate([self.splits, fresh])
            self.scratch = kernels.scratch(self.rule.bands, self.rule.bands * (1 + len(self.splits)))

    def make_room(self, why: int, listed: list[Column]) -> None:
        """Double whatever a kernel came back for; ``listed`` are the caller's columns of listed documents."""
        if why == band_lists.NEED_SLOTS:
            self.bits += 1
            if self.bits > 32:
                raise _too_many("2^32 different values of a band")
            old = self._slots.renew(self.rule.bands << self.bits).reshape(self.rule.bands, -1)
            band_lists.rehash_bands(old, self.lists.slots, self.bits)
        elif why == band_lists.NEED_BLOCKS:
            longest = min(self.rule.cap, int(self.counters[kernels.LISTED])) + 4
            room = max(2 * len(self._blocks), int(self._used[-1]) + 16 * longest)
            if room > 4 * band_lists.MOST:
                raise _too_many(f"{4 * band_lists.MOST} entries of lists")
            self._blocks.grow(room)
        else:
            room = 2 * len(self._signatures)
            if room > band_lists.MOST:
                raise _too_many(f"{band_lists.MOST} documents with a signature")
            for column in [self._signatures, *listed, *(self._cells if self.rule.scoped else ())]:
                column.grow(room)


def _too_many(what: str) -> DatasetError:
    return DatasetError(f"one walk would hold more than {what}; walk the components in more partitions")


class Walk:
    """The walk over a corpus or any union of whole components, slice by slice in the total order.

    ``pool`` holds the sorted shingle sets that ``Rows.starts`` points into, all there before the first slice;
    it may be mapped from a file. ``verify`` other than exact reads no set: a candidate is a copy.

    State per *kept* document, in bytes: 33 (and 21 more if there are several scopes) and 13 to 27 of the
    digests' table; with a signature of k values and b bands also 4k + 24 (16 more with several scopes), 14 to
    27 per band, and 5 to 21 per band whose values others share: about 1 kB at k = 126, b = 18. Dropped documents
    leave nothing. State beyond ``memory`` bytes lies in unlinked files in ``scratch`` (None: the system's
    temporary folder), which the operating system pages; so anonymous memory is at most ``memory``, the verdicts
    of one slice and 8 MB of scratch.

    Cost per document: one probe per band; then what its lists hold, at most cap members of each band, a few
    nanoseconds for each that does not agree; a merge of two sets for each that does, until the first copy.
    """

    def __init__(
        self, settings: DedupSettings, pool: Hashes, *, memory: int = MEMORY, scratch: str | None = None
    ) -> None:
        self._rule, self._store = rule_of(settings), Store(memory, scratch)
        self._pool = _plain(pool, np.uint64, len(pool))
        self._bands = _BandState(self._rule, self._store)
        cells = _FIRST if self._rule.scoped else 1
        make = self._store.column
        self._kept = [
            make(_FIRST, np.uint64, 2), make(_FIRST, np.int64), make(_FIRST, np.bool_),
            make(cells, np.int64), make(cells, np.int64), make(cells, np.int32),
        ]  # fmt: skip
        self._digest_bits = _FIRST.bit_length() - 1
        self._digests = make(_FIRST, np.uint64)
        self._listed = [make(_FIRST, kind) for kind in (np.int32, np.int32, np.int64, np.int64)]

    @property
    def examined(self) -> int:
        """Pairs whose Jaccard was considered (estimated, if ``verify`` is not exact)."""
        return int(self._bands.counters[kernels.EXAMINED])

    @property
    def refused(self) -> int:
        """Pairs among them that turned out not to be near enough."""
        return int(self._bands.counters[kernels.REFUSED])

    @property
    def kept(self) -> int:
        """Documents kept so far."""
        return int(self._bands.counters[kernels.KEPT])

    def offer(self, rows: Rows) -> Verdicts:
        """Walk the next rows in order; what is kept displaces later ones, of this slice and of the next.

        Raises ``DatasetError`` if a pair must be verified whose set is not in the pool; the walk ends there.
        """
        n, bands, counters = len(rows.handles), self._bands, self._bands.counters
        columns = (
            _plain(rows.digests, np.uint64, n, 2), _plain(rows.scope, np.int64, n),
            _plain(rows.split, np.int64, n), _plain(rows.against, np.bool_, n),
            _plain(rows.shingles, np.int64, n), _plain(rows.values, np.uint32, n, self._rule.permutations),
            _plain(rows.signed, np.bool_, n), _plain(rows.starts, np.int64, n), _plain(rows.handles, np.int64, n),
        )  # fmt: skip
        if n and columns[4].max() > _LARGEST:
            raise DatasetError(f"a document has {columns[4].max()} shingles; allowed: up to {_LARGEST}")
        long = np.int64
        found = kernels.Found(
            np.empty(n, long), np.empty(n, long), np.empty(n, np.bool_), np.empty(n, long), np.empty(n, long)
        )
        bands.meet(columns[2])
        counters[[kernels.NEXT, kernels.DROPPED]] = 0
        while counters[kernels.NEXT] < n:
            kept = kernels.Kept._make([*(column.data for column in self._kept), self._digests.data])
            kernels.walk_rows(
                *columns, self._pool, bands.splits, self._rule, bands.lists, kept,
                kernels.Listed._make(column.data for column in self._listed), bands.scratch, counters, found,
                bands.bits, bands.limit, self._digest_bits, 6 * len(self._digests) // 10,
            )  # fmt: skip
            if counters[kernels.WHY] == kernels.NO_SET:
                raise self._no_set(rows)
            if counters[kernels.WHY]:
                self._make_room(int(counters[kernels.WHY]))
        end = int(counters[kernels.DROPPED])
        dropped: list[Any] = [column[:end].copy() for column in found]
        return Verdicts(*dropped)

    def _make_room(self, why: int) -> None:
        if why == kernels.NEED_KEPT:
            room = 2 * len(self._kept[0])
            if room > digest_index.MOST:
                raise _too_many(f"{digest_index.MOST} kept documents")
            for column in self._kept if self._rule.scoped else self._kept[:3]:
                column.grow(room)
        elif why == kernels.NEED_DIGESTS:
            self._digest_bits += 1
            old = self._digests.renew(1 << self._digest_bits)
            digest_index.rehash_digests(old, self._digests.data, self._digest_bits)
        else:
            self._bands.make_room(why, self._listed)

    def _no_set(self, rows: Rows) -> DatasetError:
        counters = self._bands.counters
        row, other = int(counters[kernels.NEXT]), int(counters[kernels.WHOM])
        handle = int(rows.handles[row])
        if other >= 0:
            handle = int(self._kept[1].data[self._listed[0].data[other]])
        return DatasetError(
            f"document {handle} is in a candidate pair but has no shingle set: a defect in prune"
        )


class Prune:
    """Say which documents can be in a candidate pair at all, before any text is read.

    A superset, found without knowing who is kept: a pair that shares a band, is comparable and agrees in m
    positions marks both. To bound the work, a band's list stops at ``cap`` documents; who finds it full is
    marked unseen, so at most ``cap`` comparisons per band and document are made.
    Beyond ``limit`` documents everything is marked and the state is given back, so that is what ``limit`` documents
    with a signature take in ``Walk``: a million are about 1 GB, of which ``memory`` bytes are anonymous.
    """

    def __init__(
        self,
        settings: DedupSettings,
        limit: int = 1_000_000,
        *,
        memory: int = MEMORY,
        scratch: str | None = None,
    ) -> None:
        store = Store(memory, scratch)
        self._limit, self._count = limit, 0
        self._bands: _BandState | None = _BandState(rule_of(settings), store)
        self._marked = store.column(_FIRST, np.bool_)

    def add(self, scope: Longs, split: Longs, values: npt.NDArray[np.uint32]) -> None:
        """Add documents that have a signature; any order will do."""
        n, bands = len(values), self._bands
        self._count += n
        if self._count > self._limit:
            self._bands = None
        if self._bands is None or bands is None:
            return
        counters = bands.counters
        columns = (
            _plain(scope, np.int64, n), _plain(split, np.int64, n),
            _plain(values, np.uint32, n, bands.rule.permutations),
        )  # fmt: skip
        bands.meet(columns[1])
        counters[kernels.NEXT] = 0
        while counters[kernels.NEXT] < n:
            kernels.mark_rows(
                *columns, bands.splits, bands.rule, bands.lists, bands.scratch, self._marked.data, counters,
                bands.bits, bands.limit,
            )  # fmt: skip
            if counters[kernels.WHY]:
                bands.make_room(int(counters[kernels.WHY]), [self._marked])

    def marked(self) -> Flags:
        """Return, for each added document in order, whether its shingle set may be needed."""
        if self._bands is None:
            return np.ones(self._count, np.bool_)
        return self._marked.data[: self._count].copy()
