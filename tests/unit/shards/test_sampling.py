"""The tokenizer's sample: a prefix of the hash order, whatever the order and partitioning of candidates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pile_curate.hashing import order_key
from pile_curate.shards.sampling import Sample, sample

CANDIDATES = st.dictionaries(st.binary(min_size=16, max_size=16), st.integers(0, 50), max_size=30)


@given(CANDIDATES, st.integers(0, 400), st.integers(0, 5), st.integers(1, 4))
def test_it_is_the_shortest_prefix_that_reaches_the_budget(found, budget, seed, parts) -> None:
    expected, total = [], 0
    for doc_id in sorted(found, key=lambda d: (order_key(seed, d, "tokenizer"), d)):
        if total >= budget:
            break
        expected.append(doc_id)
        total += found[doc_id]
    items = list(found.items())
    assert sample(items, seed, budget) == expected
    assert sample(reversed(items), seed, budget) == expected
    drawn = [Sample(seed, budget).merge([items[part::parts]]).rows() for part in range(parts)]
    assert [doc_id for doc_id, _ in Sample(seed, budget).merge(drawn).rows()] == expected


def test_another_seed_gives_another_sample_and_memory_is_bounded() -> None:
    items = [(bytes([n, m]) * 8, 10) for n in range(50) for m in range(20)]
    one, other = Sample(1, 200).merge([items]), Sample(2, 200).merge([items])
    assert len(one.rows()) == len(other.rows()) == 20 and one.rows() != other.rows()
    assert one.total == 200
