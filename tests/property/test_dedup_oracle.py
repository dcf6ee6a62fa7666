"""The walk equals the sequential oracle on random inputs built to chain, clique and tie."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pile_curate.dedup import DedupSettings, lsh, minhash
from pile_curate.dedup.exact import order_key
from pile_curate.dedup.greedy import Member, Prune, Walk
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
    )


def one_case(rng: random.Random) -> tuple[DedupSettings, list[dict[str, Any]], list[Case]]:
    settings = random_settings(rng)
    texts = chained_texts(rng, rng.randrange(1, 28))
    splits = SPLITS if rng.random() < 0.5 else ("train",)
    array = pa.array(texts, pa.string())
    arguments = {"ngram": NGRAM, "seed": settings.seed}
    _, shingles, signatures = minhash.signatures(array, permutations=settings.permutations, **arguments)
    sets = minhash.shingle_sets(array, **arguments)
    rows, cases = [], []
    for i, text in enumerate(texts):
        raw = signatures[i].as_py()
        source, split, against = rng.choice("abc"), rng.choice(splits), rng.random() < 0.1
        doc_id = rng.randbytes(16)
        order = order_key(
            settings.keep, settings.priorities, against=against, source=source,
            text_bytes=len(text.encode()), doc_id=doc_id,
        )  # fmt: skip
        values = None if raw is None else np.frombuffer(raw, "<u4")
        rows.append(
            {"name": doc_id.hex(), "digest": text_digest(text), "source": source, "split": split, "order": order,
             "against": against, "shingles": int(shingles[i]), "values": values, "set": sets[i]}
        )  # fmt: skip
        cases.append(
            Case(
                doc_id.hex(), order, text_digest(text), frozenset(sets[i].tolist()),
                None if values is None else tuple(values.tolist()),
                source if settings.scope == "per_source" else "", split, against,
            )
        )  # fmt: skip
    return settings, sorted(rows, key=lambda row: row["order"]), cases


def members(settings: DedupSettings, rows: list[dict[str, Any]]) -> list[Member]:
    found = []
    for row in rows:
        bands = None
        if row["values"] is not None:
            bands = lsh.band_keys(row["values"][None], settings.bands, settings.rows)[0]
        scope = ord(row["source"]) if settings.scope == "per_source" else 0
        found.append(
            Member(row["digest"], scope, SPLITS.index(row["split"]), row["against"], row["shingles"],
                   row["values"], bands)
        )  # fmt: skip
    return found


@pytest.mark.parametrize("block", range(8))
def test_walk_equals_the_oracle(block: int) -> None:
    rng = random.Random(block)
    dropped = near = crossing = 0
    for _ in range(250):
        settings, rows, cases = one_case(rng)
        people = members(settings, rows)
        prune = Prune(settings, limit=rng.choice([5, 10**6]))
        hashed = [i for i, m in enumerate(people) if m.values is not None]
        for i in hashed:
            prune.add(people[i])
        needed = {rows[i]["name"] for i, yes in zip(hashed, prune.marked(), strict=True) if yes}
        sets = {row["name"]: row["set"] for row in rows}

        def load(name: str, sets: dict[str, Any] = sets, needed: set[str] = needed) -> Any:
            assert name in needed, "the walk needs a set that pruning left out"
            return sets[name]

        walk: Walk[str] = Walk(settings, load)
        found = {}
        for member, row in zip(people, rows, strict=True):
            verdict = walk.offer(member, row["name"])
            if verdict is not None:
                ratio = (verdict.shared, verdict.union)
                found[row["name"]] = (verdict.kept, "exact" if verdict.exact else "near", ratio)
        expected = verdicts(
            cases, repr(settings.threshold), settings.bands, settings.rows, settings.agreement, settings.cap
        )
        assert {n: v[:2] for n, v in found.items()} == {n: v[:2] for n, v in expected.items()}
        for name, (_, _, (shared, union)) in found.items():
            exact = expected[name][2]
            assert shared * exact.denominator == exact.numerator * union
        dropped += len(found)
        near += sum(kind == "near" for _, kind, _ in found.values())
        by_name = {row["name"]: row for row in rows}
        crossing += sum(by_name[n]["split"] != by_name[v[0]]["split"] for n, v in found.items())
    assert dropped > 800 and near > 150 and crossing > 30, "the inputs no longer exercise the verdicts"
