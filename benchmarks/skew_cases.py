"""Make the corpora that strain near-duplicate removal, each with the ids that it must keep.

* ``distinct``: nothing repeats, 20 words at least. ``identical``: one text. ``oneword``: one Zipf word each.
* ``templates``: 149 common words and a serial number: Jaccard 145/147 for every pair.
  ``templates_below``: 104 common words and 14 of a document's own: 100/128 = 0.78125 for every pair.
* ``chain``: windows of 104 words over one sequence, 8 apart: Jaccard 92/108 = 0.852 with the next document, 84/116 =
  0.724 with the one after. All words have six letters, so all documents have equal bytes and the order is the id's.
* ``bucket``, ``bucket_half``: every document has the same key in band 0, and pairs are unlike. A template of 100
  words is common to all; each document then tries words of its own (80 or 48) until its signature still has the
  template's values in band 0. The template is the best of 400 at that, so that one try in four succeeds. The
  Jaccard of any two is then 96/256 = 0.375 (``bucket``: few pairs share another band), or 96/192 = 0.5
  (``bucket_half``: each other band also has a bucket with several per cent of all documents). The search uses only
  signatures and keys, no knowledge of how they are made; it holds for the settings in ``SETTINGS``.
* ``huge``: one document of 100 MB among small ones. ``huge_pair``: and a copy of it with 1 % of the words replaced.

The ids kept follow from the meaning (threshold 0.8, the longest stays, then the smallest id), not from the library's
walk; only ``chain`` asks the signatures whether neighbours meet, because a few per thousand do not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from corpora import I64, U64, Corpus, Plan, batches, lengths, plain, stream, text_array, zipf

from pile_curate.dedup import DedupSettings
from pile_curate.dedup.lsh import band_keys
from pile_curate.dedup.minhash import signature_values, signatures

SETTINGS = DedupSettings()
HUGE_WORDS = 16_000_000
HUGE_RATE = 0.01

Maker = Callable[[int, int], Corpus]


def sketches(texts: pa.Array, settings: DedupSettings = SETTINGS) -> npt.NDArray[np.uint32]:
    """Return the signatures of the texts that have one."""
    made = signatures(texts, ngram=settings.ngram, permutations=settings.permutations, seed=settings.seed)
    return signature_values(made[2], settings.permutations)


def keys_of(texts: pa.Array, settings: DedupSettings = SETTINGS) -> U64:
    """Return the band keys of the texts that have a signature: (m, bands)."""
    return band_keys(sketches(texts, settings), settings.bands, settings.rows)


def largest_bucket(corpus: Corpus, settings: DedupSettings = SETTINGS) -> tuple[int, int]:
    """Return the members of the largest band bucket, and the pairs that share a band (counted once a band).

    Memory: 8 bytes a document and band; sorted band by band.
    """
    found = [keys_of(texts, settings) for _, texts in batches(corpus, 0, corpus.documents)]
    largest = pairs = 0
    for band in range(settings.bands):
        keys = np.concatenate([part[:, band] for part in found])
        if len(keys):
            counts = np.unique(keys, return_counts=True)[1]
            largest = max(largest, int(counts.max()))
            pairs += int((counts * (counts - 1) // 2).sum())
    return largest, pairs


def _distinct(documents: int, seed: int) -> Corpus:
    return zipf(documents, 100, 0, seed, least=20)


def _same(name: str, words: int, own: int, step: int) -> Maker:
    """Make documents of ``words`` common words and ``own`` serial ones, whose numbers begin ``step`` apart."""

    def make(documents: int, seed: int) -> Corpus:
        def plan(first: int, stop: int) -> Plan:
            serial, ones = np.arange(first, stop) * step, np.ones(stop - first, np.int64)
            return plain(stream(seed, 0 * serial), words * ones, serial=serial, own=own * ones)

        return Corpus(name, documents, plan)

    return make


def _oneword(documents: int, seed: int) -> Corpus:
    def plan(first: int, stop: int) -> Plan:
        return plain(stream(seed, np.arange(first, stop)), np.ones(stop - first, np.int64))

    return Corpus("oneword", documents, plan)


def _huge_at(documents: int, pair: bool) -> list[int]:
    return [documents // 3, 2 * documents // 3][: 1 + pair]


def _huge(name: str, pair: bool) -> Maker:
    def make(documents: int, seed: int) -> Corpus:
        at = _huge_at(documents, pair)

        def plan(first: int, stop: int) -> Plan:
            numbers = np.arange(first, stop)
            large = np.isin(numbers, at)
            key = stream(seed, np.where(large, at[0], numbers))
            rate = np.where(large & (numbers != at[0]), HUGE_RATE, 0.0)
            count = np.where(large, HUGE_WORDS, lengths(key, 200, 20))
            return plain(key, count, rate=rate, copy=stream(seed + 103, numbers))

        return Corpus(name, documents, plan)

    return make


def _bucket(name: str, head: int, tail: int) -> Maker:
    """Make documents that share band 0: ``head`` common words and ``tail`` of their own."""

    def first_keys(template: int, keys: U64) -> U64:
        corpus = Corpus(name, 0, lambda *_: plain(keys, keys), template, head)
        return keys_of(text_array(corpus, plain(keys, np.full(len(keys), head + tail))))[:, 0]

    @functools.cache
    def best(seed: int) -> tuple[int, np.uint64]:
        """Return the template whose band 0 most of 64 tails leave alone, and the band's key."""
        probes, found = stream(seed + 104, np.arange(64)), (0, 0, np.uint64(0))
        for number in range(400):
            template = int(stream(seed + 105, number)[0] >> np.uint64(1))
            keys, counts = np.unique(first_keys(template, probes), return_counts=True)
            if counts.max() > found[0]:
                found = (int(counts.max()), template, keys[counts.argmax()])
        if found[0] < 2:
            raise ValueError(f"no template of {head} words keeps band 0 beside {tail} other words")
        return found[1], found[2]

    def make(documents: int, seed: int) -> Corpus:
        template, wanted = best(seed)

        def plan(first: int, stop: int) -> Plan:
            keys, missing, tries = np.zeros(stop - first, np.uint64), np.arange(stop - first), 0
            while len(missing):
                keys[missing] = stream(seed + 106 + tries, first + missing)
                missing = missing[first_keys(template, keys[missing]) != wanted]
                tries += 1
            return plain(keys, np.full(len(keys), head + tail))

        return Corpus(name, documents, plan, template, head)

    return make


def _everything(corpus: Corpus, seed: int) -> I64:
    return np.arange(corpus.documents)


def _first(corpus: Corpus, seed: int) -> I64:
    return np.arange(min(1, corpus.documents))


def _kept_words(corpus: Corpus, seed: int) -> I64:
    """Return the first document of each word."""
    first: dict[str, int] = {}
    for start, texts in batches(corpus, 0, corpus.documents):
        coded = texts.dictionary_encode()
        words, at = np.unique(coded.indices.to_numpy(), return_index=True)
        for word, position in zip(coded.dictionary.take(pa.array(words)).to_pylist(), at, strict=True):
            first.setdefault(word, start + int(position))
    return np.array(sorted(first.values()))


def _kept_chain(corpus: Corpus, seed: int) -> I64:
    """Return the ids kept: a document goes if the one before it stays and the two are candidates.

    Only neighbours reach the threshold, because the words of the sequence are all different.
    """
    values = np.concatenate([sketches(texts) for _, texts in batches(corpus, 0, corpus.documents)])
    keys = band_keys(values, SETTINGS.bands, SETTINGS.rows)
    met = (keys[1:] == keys[:-1]).any(axis=1) & (
        (values[1:] == values[:-1]).sum(axis=1) >= SETTINGS.agreement
    )
    stays = [True]
    for candidate in met.tolist():
        stays.append(not (candidate and stays[-1]))
    return np.flatnonzero(stays)


def _kept_pair(corpus: Corpus, seed: int) -> I64:
    """Return all ids but that of the shorter of the two large documents."""
    at = _huge_at(corpus.documents, True)
    sizes = [len(text_array(corpus, corpus.plan(d, d + 1))[0].as_buffer()) for d in at]
    return np.delete(np.arange(corpus.documents), at[0] if sizes[0] < sizes[1] else at[1])


CASES: dict[str, tuple[Maker, int, Callable[[Corpus, int], I64]]] = {
    "bucket": (_bucket("bucket", 100, 80), 300_000, _everything),
    "bucket_half": (_bucket("bucket_half", 100, 48), 300_000, _everything),
    "templates": (_same("templates", 149, 1, 1), 100_000, _first),
    "templates_below": (_same("templates_below", 104, 14, 14), 100_000, _everything),
    "identical": (_same("identical", 150, 0, 0), 1_000_000, _first),
    "distinct": (_distinct, 1_000_000, _everything),
    "chain": (_same("chain", 0, 104, 8), 20_000, _kept_chain),
    "oneword": (_oneword, 10_000_000, _kept_words),
    "huge": (_huge("huge", False), 20_000, _everything),
    "huge_pair": (_huge("huge_pair", True), 20_000, _kept_pair),
}
"""Each case's maker, usual number of documents, and the ids that it must keep."""


def corpus_of(case: str, documents: int = 0, seed: int = 1) -> Corpus:
    """Return a case by name; 0 documents mean the usual number."""
    if case not in CASES:
        raise ValueError(f"no case {case!r}; there are zipf, {', '.join(CASES)}")
    return CASES[case][0](documents or CASES[case][1], seed)


def expected(case: str, corpus: Corpus, seed: int = 1) -> I64:
    """Return the ids that must be kept, ascending."""
    return CASES[case][2](corpus, seed)
