"""Walk a small corpus in one process, with the kernels and the walk that Spark's tasks use.

Below some hundred megabytes a Spark session and its first jobs are most of the time, and one process holds
everything easily. The verdicts are the same, because a walk over everything equals the walks over its
components (proof in ``greedy``); a test holds both engines equal.

Memory: about 1 kB a document (700 bytes of rows, and the walk's state); shingle sets and the state lie in files
beyond ``memory`` bytes each.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pile_curate.dedup import DedupSettings
from pile_curate.dedup.greedy import Prune, Rows, Walk
from pile_curate.dedup.groups import group_rows, group_table, url_words
from pile_curate.dedup.id_hashes import hash_ids
from pile_curate.dedup.minhash import shingle_pool, signature_values
from pile_curate.dedup.parts import Ints, Narrow, Part, in_order, part_of, read, row_of, texts_of
from pile_curate.dedup.results import (
    EXACT,
    NEAR,
    UNVERIFIED,
    URL,
    Cluster,
    Finals,
    Found,
    Output,
    copy_rows,
    top,
)
from pile_curate.errors import DatasetDamaged
from pile_curate.manifest import FileEntry
from pile_curate.tables import PartWriter, iter_batches, part_name
from pile_curate.word_hashes import Hashes

BYTES = 1 << 30
"""Bytes of text up to which one process is chosen (measured: ``docs/LOG.md``)."""

DOCUMENTS = 2_000_000
"""Documents up to which one process is chosen: 2 GB of rows and state."""

_SLICE = 1 << 16
_NO_TWINS = (np.zeros(0, np.int64), np.zeros(0, np.int64))


class _Corpus:
    """Everything but the texts: narrow columns, shingle counts and signatures, in the order of vertices."""

    def __init__(self, parts: Sequence[Part], settings: DedupSettings) -> None:
        self.parts = {part.number: part for part in parts}
        self._urls: dict[int, tuple[Hashes, Ints]] = {}
        rows: list[Narrow] = []
        shingles: list[Ints] = []
        values: list[np.ndarray[Any, Any]] = []
        signed: list[np.ndarray[Any, Any]] = []
        for part in sorted(parts, key=lambda part: part.number):
            for narrow, batch in read(part, settings, ["shingles", "signature"], batch_rows=8192):
                rows.append(narrow)
                signature = batch.column("signature")
                valid = signature.is_valid().to_numpy(zero_copy_only=False).astype(np.bool_)
                signed.append(valid)
                values.append(signature_values(signature, settings.permutations))
                shingles.append(np.where(valid, batch.column("shingles").to_numpy(), 0).astype(np.int64))
        self.rows = rows
        self.narrow = _join(rows)
        self.signed = np.concatenate(signed) if signed else np.zeros(0, np.bool_)
        self.shingles = np.concatenate(shingles) if shingles else np.zeros(0, np.int64)
        self.values = np.concatenate(values) if values else np.zeros((0, settings.permutations), np.uint32)
        self.place = np.cumsum(self.signed) - 1  # row of ``values``, where signed

    def urls(self, part: Part) -> tuple[Hashes, Ints]:
        """Return the keys of a part's URLs and the rows that have one, read once."""
        if part.number not in self._urls:
            self._urls[part.number] = url_words(part)
        return self._urls[part.number]


def _join(rows: Sequence[Narrow]) -> Narrow:
    if not rows:
        none, flags = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        empty = pa.array([], pa.binary())
        return Narrow(none, none, empty, np.zeros((0, 2), np.uint64), none, none, flags, none, none)
    columns = {
        name: pa.concat_arrays([n.key for n in rows])
        if name == "key"
        else np.concatenate([getattr(n, name) for n in rows])
        for name in Narrow._fields
    }
    return Narrow(**columns)


def find_duplicates(
    parts: Sequence[Part],
    *,
    settings: DedupSettings,
    scratch: str,
    output: Output,
    memory: int = 512 << 20,
) -> Found:
    """Write the duplicates among the documents of ``parts``; the arguments of ``spark.survivors.find_duplicates``."""
    os.makedirs(scratch, exist_ok=True)
    corpus = _Corpus(parts, settings)
    _check_ids(parts, output)
    by_url = _twins(corpus, "url", None) if settings.urls else _NO_TWINS
    by_text = _twins(corpus, "digest", by_url[0])
    order = in_order(corpus.narrow.against, corpus.narrow.priority, corpus.narrow.length, corpus.narrow.key)
    order = order[~np.isin(corpus.narrow.v[order], np.concatenate([by_url[0], by_text[0]]))]
    starts, pool, sets = _pool(corpus, order, settings, memory, scratch)
    walk = Walk(settings, pool, memory=memory, scratch=scratch)
    found = []
    near = NEAR if settings.verify == "exact" else UNVERIFIED
    for begin in range(0, len(order), _SLICE):
        rows = _rows(corpus, order[begin : begin + _SLICE], starts)
        verdicts = walk.offer(rows)
        kinds = np.where(verdicts.exact, EXACT, near)
        found.append(Finals(rows.handles[verdicts.row], verdicts.kept, kinds, verdicts.jaccard))
    finals = Finals.join(found)
    finals = finals.with_copies(*by_text, EXACT)
    finals = finals.with_copies(*by_url, URL)
    facts = {
        "copies": {"text": len(by_text[0]), "url": len(by_url[0])},
        "shingle_sets": {"count": sets, "shingles": len(pool)},
        "pairs": {"examined": walk.examined, "refused": walk.refused},
    }
    return _write(corpus, finals, facts, scratch, output)


def _check_ids(parts: Sequence[Part], output: Output) -> None:
    """Refuse ids that occur twice among the documents that are not of an older corpus."""
    ids, hashes = [], []
    for part in parts:
        for batch in iter_batches(part.annotations, ["doc_id"], 65536) if not part.against else ():
            ids.append(batch.column("doc_id").cast(pa.binary()))
            hashes.append(hash_ids(ids[-1]))
    if not ids:
        return
    whole, keys = np.concatenate(hashes), pa.chunked_array(ids)
    order = np.argsort(whole, kind="stable")
    same = np.flatnonzero(whole[order][1:] == whole[order][:-1])[:1000]
    left, right = (keys.take(pa.array(order[same + i])).to_pylist() for i in (0, 1))
    output.refuse_repeated([a for a, b in zip(left, right, strict=True) if a == b])


def _twins(corpus: _Corpus, by: str, gone: Ints | None) -> tuple[Ints, Ints]:
    """Return (v, twin) of documents that an earlier one stands for (proof in ``spark.twins``), v ascending."""
    rows = []
    for narrow in corpus.rows:
        part = corpus.parts[int(part_of(narrow.v[:1])[0])]
        chosen = (
            ~np.isin(narrow.v, gone) if gone is not None and len(gone) else np.ones(len(narrow.v), np.bool_)
        )
        if by == "url":
            keys, known = corpus.urls(part)
            chosen &= np.isin(narrow.rows, known)
            narrow = narrow._replace(digest=keys[narrow.rows], split=np.zeros_like(narrow.split))
        elif part.against:
            continue
        columns = {name: getattr(narrow, name) for name in Narrow._fields}
        rows.append(
            Narrow(**{n: c.filter(pa.array(chosen)) if n == "key" else c[chosen] for n, c in columns.items()})
        )
    if not rows:
        return _NO_TWINS
    v, twin, _ = group_rows(group_table(rows))
    order = np.argsort(v)
    return v[order], twin[order]


def _pool(
    corpus: _Corpus, order: Ints, settings: DedupSettings, memory: int, scratch: str
) -> tuple[Ints, Hashes, int]:
    """Return where each document's shingle set starts (-1: not needed), the sets end to end, and their number."""
    starts = np.full(len(corpus.signed), -1, np.int64)
    if settings.verify != "exact":
        return starts, np.zeros(0, np.uint64), 0
    signed = order[corpus.signed[order]]
    prune = Prune(settings, 2 * DOCUMENTS, memory=memory, scratch=scratch)
    for begin in range(0, len(signed), _SLICE):
        mine = signed[begin : begin + _SLICE]
        prune.add(corpus.narrow.scope[mine], corpus.narrow.split[mine], corpus.values[corpus.place[mine]])
    needed = np.sort(signed[prune.marked()])
    total = int(corpus.shingles[needed].sum())
    starts[needed] = np.cumsum(corpus.shingles[needed]) - corpus.shingles[needed]
    if total * 8 <= memory:
        pool = np.empty(total, np.uint64)
    else:
        with tempfile.TemporaryFile(dir=scratch) as stream:
            pool = np.memmap(stream, np.uint64, "w+", shape=(total,))
    at = 0
    numbers = part_of(corpus.narrow.v[needed])
    for number in np.unique(numbers).tolist():
        mine = needed[numbers == number]
        done = 0
        for texts in texts_of(corpus.parts[number], row_of(corpus.narrow.v[mine])):
            lengths, shingles = shingle_pool(texts, ngram=settings.ngram, seed=settings.seed)
            expected = corpus.shingles[mine[done : done + len(texts)]]
            if not np.array_equal(lengths, expected):
                wrong = int(np.flatnonzero(lengths != expected)[0])
                row = int(row_of(corpus.narrow.v[mine[done + wrong : done + wrong + 1]])[0])
                raise DatasetDamaged(
                    f"a document (part {number}, row {row}) has {lengths[wrong]} shingles, its annotation says "
                    f"{expected[wrong]}: the documents changed, or they were annotated with other settings"
                )
            pool[at : at + len(shingles)] = shingles
            at, done = at + len(shingles), done + len(texts)
    return starts, pool, len(needed)


def _rows(corpus: _Corpus, mine: Ints, starts: Ints) -> Rows:
    narrow, signed = corpus.narrow, corpus.signed[mine]
    values = (
        corpus.values[np.maximum(corpus.place[mine], 0)]
        if len(corpus.values)
        else (np.zeros((len(mine), corpus.values.shape[1]), np.uint32))
    )
    return Rows(
        digests=narrow.digest[mine],
        scope=narrow.scope[mine],
        split=narrow.split[mine],
        against=narrow.against[mine],
        shingles=corpus.shingles[mine],
        values=values,
        signed=signed,
        starts=starts[mine],
        handles=narrow.v[mine],
    )


def _identities(corpus: _Corpus, v: Ints, columns: Sequence[str]) -> pa.Table:
    """Return columns of the annotations of some vertices, one row each."""
    order = np.argsort(v, kind="stable")
    ordered, pieces = v[order], []
    for part in sorted(corpus.parts.values(), key=lambda part: part.number):
        first, stop = np.searchsorted(ordered, [part.base, part.base + (1 << 32)])
        if first == stop:
            continue
        table = pa.Table.from_batches(list(iter_batches(part.annotations, list(columns), 65536)))
        pieces.append(table.take(pa.array(row_of(ordered[first:stop]))))
    back = np.empty(len(v), np.int64)
    back[order] = np.arange(len(v))
    return pa.concat_tables(pieces).take(pa.array(back)).combine_chunks()


def _write(corpus: _Corpus, finals: Finals, facts: dict[str, Any], scratch: str, output: Output) -> Found:
    facts = {"documents": int((~corpus.narrow.against).sum()), **facts}
    v, kept, kinds, jaccard = finals
    if len(v) == 0:
        return Found.of([], {}, facts, {}, {}, 0, [])
    own = _identities(corpus, v, ["doc_id", "source", "split", "row"])
    twins = _identities(corpus, kept, ["doc_id", "source", "split"])
    rows = copy_rows(output, own, twins, kinds, jaccard)
    entries: list[FileEntry] = []
    with PartWriter(output.directory, part_name(0), output.schema) as writer:
        writer.write(rows)
    entries.append(writer.close())
    path = os.path.join(scratch, "dropped.npy")
    np.save(path, np.stack([v, own.column("row").to_numpy()], axis=1).astype(np.int64))
    heads, first, counts = np.unique(kept, return_index=True, return_counts=True)
    sizes = Counter((counts + 1).tolist())
    largest = list(_clusters(heads, counts, kept, v, own, twins, first))
    names = Counter(rows.column("kind").to_pylist())
    crossed = sum(filter(None, rows.column("cross_split").to_pylist()))
    return Found.of(entries, dict.fromkeys(corpus.parts, path), facts, sizes, names, crossed, largest)


def _clusters(
    heads: Ints, counts: Ints, kept: Ints, v: Ints, own: pa.Table, twins: pa.Table, first: Ints
) -> Iterator[Cluster]:
    keys = twins.column("doc_id").take(pa.array(first)).combine_chunks().cast(pa.binary())
    keys = keys.chunk(0) if isinstance(keys, pa.ChunkedArray) else keys
    by_kept = np.argsort(kept, kind="stable")
    ends = np.cumsum(counts)
    for i in top(counts, keys):
        mine = by_kept[ends[i] - counts[i] : ends[i]]
        ids = own.column("doc_id").take(pa.array(mine)).to_pylist()
        copy = int(v[mine[min(range(len(ids)), key=ids.__getitem__)]])
        yield Cluster(int(counts[i]) + 1, keys[i].as_py(), int(heads[i]), copy)
