"""The walk equals the sequential oracle on random inputs built to chain, clique and tie, however it is fed."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from pile_curate.dedup import DedupSettings, minhash
from pile_curate.dedup.exact import order_key
from pile_curate.dedup.greedy import Prune, Rows, Walk
from pile_curate.hashing import text_digest
from tests.oracle import Case, verdicts

NGRAM = 2
SPLITS = ("train", "validation", "test")


def chained_texts(rng: random.Random, count: int) -> list[str]:
    """Documents that resemble their neighbours (windows), are edited copies, or are equal but for white space."""
    stream = [f"w{rng.randrange(60)}" for _ in range(400)]
    step, length = rng.choice([1, 2, 3, 5]), rng.randrange(4, 24)
    texts: list[str] = []
    for i in range(count):
        kind = rng.random()
        if kind < 0.5 or not texts:
            start = rng.choice([i * step % 300, rng.randrange(12) * 20])
            texts.append(" ".join(stream[start : start + length]))
        elif kind < 0.75:
            words = rng.choice(texts).split()
            for _ in range(rng.randrange(3) if words else 0):
                words[rng.randrange(len(words))] = f"w{rng.randrange(60)}"
            texts.append(" ".join(words))
        elif kind < 0.95:
            texts.append(rng.choice([" ", "  ", "\n"]).join(rng.choice(texts).split()))
        else:
            texts.append(rng.choice(["", "tiny", "w1"]))
    return texts


def random_settings(rng: random.Random) -> DedupSettings:
    bands, rows = rng.choice([(4, 2), (8, 1), (2, 3), (5, 3)])
    return DedupSettings(
        threshold=rng.choice([0.3, 0.5, 0.6, 0.7, 0.8, 1.0]),
        ngram=NGRAM,
        permutations=bands * rows + rng.randrange(3),
        bands=bands,
        rows=rows,
        minimum_agreement=rng.choice([None, 0, 3]),
        cap=rng.choice([1, 2, 3, 1000]),
        scope=rng.choice(["global", "per_source"]),
        keep=rng.choice(["longest", "priority", "id"]),
        seed=rng.randrange(3),
        priorities={"a": rng.randrange(3), "b": rng.randrange(3)},
        verify=rng.choice(["exact", "exact", "exact", "estimate", "none"]),
    )


@dataclass
class Document:
    """What the walk and the oracle are told of one document."""

    digest: bytes
    shingles: npt.NDArray[np.uint64]
    values: npt.NDArray[np.uint32] | None
    source: str
    split: str
    against: bool
    order: tuple[object, ...]

    def case(self, settings: DedupSettings) -> Case:
        return Case(
            str(self.order), self.order, self.digest, frozenset(self.shingles.tolist()),
            None if self.values is None else tuple(self.values.tolist()),
            self.source if settings.scope == "per_source" else "", self.split, self.against,
        )  # fmt: skip


def from_texts(rng: random.Random, settings: DedupSettings) -> list[Document]:
    texts = chained_texts(rng, rng.randrange(1, 28))
    splits = SPLITS if rng.random() < 0.5 else ("train",)
    array = pa.array(texts, pa.string())
    arguments = {"ngram": NGRAM, "seed": settings.seed}
    signatures = minhash.signatures(array, permutations=settings.permutations, **arguments)[2].to_pylist()
    sets = minhash.shingle_sets(array, **arguments)
    documents = []
    for text, raw, shingles in zip(texts, signatures, sets, strict=True):
        source, against = rng.choice("abc"), rng.random() < 0.1
        order = order_key(
            settings.keep, settings.priorities, against=against, source=source,
            text_bytes=len(text.encode()), doc_id=rng.randbytes(16),
        )  # fmt: skip
        values = None if raw is None else np.frombuffer(raw, "<u4")
        digest = text_digest(text)
        documents.append(Document(digest, shingles, values, source, rng.choice(splits), against, order))
    return documents


def from_dice(rng: random.Random, settings: DedupSettings) -> list[Document]:
    """Signatures of few different values, so that everybody meets in long lists, and sets that hardly depend on them."""
    faces, universe = rng.choice([1, 2, 2, 3]), rng.randrange(2, 30)
    sources, splits = "abcdef"[: rng.randrange(1, 7)], [str(j) for j in range(rng.randrange(1, 5))]
    documents: list[Document] = []
    for number in range(rng.randrange(1, 60)):
        order = (rng.random() < 0.9, number)
        who = (rng.choice(sources), rng.choice(splits), not order[0], order)
        if documents and rng.random() < 0.25:
            twin = rng.choice(documents)
            documents.append(Document(twin.digest, twin.shingles, twin.values, *who))
            continue
        few = sorted(rng.sample(range(universe), rng.randrange(0, universe)))
        values = [rng.randrange(faces) for _ in range(settings.permutations)]
        documents.append(
            Document(
                rng.randbytes(16),
                np.array(few, np.uint64),
                np.array(values, np.uint32) if few else None,
                *who,
            )
        )
    return documents


def as_rows(settings: DedupSettings, documents: list[Document]) -> tuple[Rows, npt.NDArray[np.uint64]]:
    """The rows in order, handles -7, -6, ..., and the pool of all the sets that pruning says are needed."""
    scoped = settings.scope == "per_source"
    signed = np.array([d.values is not None for d in documents])
    values = np.full((len(documents), settings.permutations), 7, np.uint32)
    for i, d in enumerate(documents):
        if d.values is not None:
            values[i] = d.values
    sizes = np.array([len(d.shingles) for d in documents])
    rows = Rows(
        digests=np.frombuffer(b"".join(d.digest for d in documents), np.uint64).reshape(-1, 2),
        scope=np.array([ord(d.source) if scoped else 0 for d in documents]) - 98,
        split=np.array([hash_of(d.split) for d in documents]),
        against=np.array([d.against for d in documents]),
        shingles=sizes,
        values=values,
        signed=signed,
        starts=np.cumsum(sizes) - sizes,
        handles=np.arange(len(documents)) - 7,
    )
    return rows, np.concatenate([d.shingles for d in documents])


def hash_of(split: str) -> int:
    return (zlib.crc32(split.encode()) - 2**31) << 31


def prune(rng: random.Random, settings: DedupSettings, rows: Rows) -> Rows:
    state = Prune(settings, limit=rng.choice([5, 10**6]), memory=rng.choice([0, 1 << 20]))
    hashed = np.flatnonzero(rows.signed)
    shuffled = np.array(rng.sample(hashed.tolist(), len(hashed)), np.int64)
    for part in np.array_split(shuffled, rng.randrange(1, 4)):
        state.add(rows.scope[part], rows.split[part], rows.values[part])
    starts = np.full_like(rows.starts, -1)
    marked = shuffled[state.marked()]
    starts[marked] = rows.starts[marked]
    return rows._replace(starts=starts)


@pytest.mark.parametrize("make", [from_texts, from_dice])
@pytest.mark.parametrize("block", range(4))
def test_walk_equals_the_oracle(block: int, make: object) -> None:
    rng = random.Random(block)
    dropped = near = crossing = 0
    for _ in range(200):
        settings = random_settings(rng)
        documents = sorted(make(rng, settings), key=lambda d: d.order)  # type: ignore[operator]
        rows, pool = as_rows(settings, documents)
        if settings.verify == "exact":
            rows = prune(rng, settings, rows)
        cases = [d.case(settings) for d in documents]
        arguments = (repr(settings.threshold), settings.bands, settings.rows)
        expected = verdicts(cases, *arguments, settings.agreement, settings.cap, settings.verify)
        names = {case.name: at for at, case in enumerate(cases)}
        want = {names[n]: (names[of], kind == "exact", ratio) for n, (of, kind, ratio) in expected.items()}
        walk = Walk(settings, pool, memory=rng.choice([0, 30_000, 1 << 24]))
        cuts = sorted(rng.choices(range(len(documents) + 1), k=rng.choice([0, 1, 4])))
        found = {}
        for first, stop in zip([0, *cuts], [*cuts, len(documents)], strict=True):
            slice_ = walk.offer(Rows(*(column[first:stop] for column in rows)))
            for row, kept, exact, shared, union in zip(*(c.tolist() for c in slice_), strict=True):
                found[first + row] = (kept + 7, exact, shared, union)
        assert {n: v[:2] for n, v in found.items()} == {n: v[:2] for n, v in want.items()}
        for n, (_, _, shared, union) in found.items():
            assert shared * want[n][2].denominator == want[n][2].numerator * union
        assert walk.kept == len(documents) - len(found)
        dropped += len(found)
        near += sum(not exact for _, exact, *_ in found.values())
        crossing += sum(documents[n].split != documents[v[0]].split for n, v in found.items())
        examined, refused = walk.examined, walk.refused
        assert examined - refused == sum(not exact for _, exact, *_ in found.values())
    assert dropped > 700 and near > 150 and crossing > 30, "the inputs no longer exercise the verdicts"
