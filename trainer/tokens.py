"""Read one source's documents over all its token parts as one endless stream, reshuffled every epoch.

Within an epoch documents stand in the order of hash(seed, source, epoch, doc_id), so how the parts were cut
and in which order they are listed changes nothing. Documents follow each other with the end-of-text token
that each part stores after every document; the epochs follow each other without a seam. Nothing is
cropped, nothing is dropped: position p of the stream is a pure function of (seed, p).

Cost: about 100 bytes a document in memory, and one hash and a sort a document when an epoch is entered (0.25 s
for a million documents); the tokens stay in the memory map.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from pile_curate.errors import DatasetMissing, TokenFileError
from pile_curate.shards.tokens import TokenPart

Ints = npt.NDArray[np.int64]

MIXTURE_VERSION = 1
"""The layout of ``mixture.json`` that is read here."""


class SourceTokens:
    """One source's documents of one split. ``tokens`` includes end-of-text tokens, as training sees them."""

    def __init__(self, name: str, parts: Sequence[TokenPart]) -> None:
        self.name = name
        self.parts = list(parts)
        self.ids = np.frombuffer(
            b"".join(doc_id for part in self.parts for doc_id in part.doc_ids), dtype=np.uint8
        ).reshape(-1, 16)
        self.sizes: Ints = _joined([np.asarray(part.sizes, dtype=np.int64) for part in self.parts])
        self.text_bytes: Ints = _joined([part.text_bytes.astype(np.int64) for part in self.parts])
        self._part: Ints = np.repeat(np.arange(len(self.parts)), [len(part.sizes) for part in self.parts])
        self._row: Ints = _joined([np.arange(len(part.sizes), dtype=np.int64) for part in self.parts])
        self.tokens = int(self.sizes.sum())
        # Two epochs, because a window may straddle the seam between them.
        self._epoch = lru_cache(maxsize=2)(self._order)

    def __len__(self) -> int:
        return len(self.sizes)

    def doc_id(self, index: int) -> bytes:
        """Return a document's id."""
        return self.ids[index].tobytes()

    def document(self, index: int) -> npt.NDArray[Any]:
        """Return a document's tokens, the end-of-text token last."""
        return self.parts[self._part[index]].document(int(self._row[index]))

    @property
    def digest(self) -> int:
        """Sum mod 2^128 of hashes of (doc_id, tokens, bytes): the same however the parts were cut."""
        rows = np.column_stack([self.sizes, self.text_bytes]).astype("<i8")
        raw = np.concatenate([self.ids, rows.view(np.uint8).reshape(-1, 16)], axis=1).tobytes()
        each = (xxhash.xxh3_128_intdigest(raw[at : at + 32]) for at in range(0, len(raw), 32))
        return sum(each) % (1 << 128)

    def _order(self, seed: int, epoch: int) -> tuple[Ints, Ints]:
        """Return (document indices in the epoch's order, start of each in the epoch, plus the end)."""
        # hashing.order_key written out: called for each document, it would cost four times as much.
        purpose, seed = f"epoch:{self.name}:{epoch}".encode() + b"\0", seed & 0xFFFF_FFFF_FFFF_FFFF
        raw, hashed = self.ids.tobytes(), xxhash.xxh3_64_intdigest
        keys = np.fromiter(
            (hashed(purpose + raw[at : at + 16], seed) for at in range(0, len(raw), 16)), np.uint64, len(self)
        )
        order = np.argsort(keys, kind="stable")
        if np.any(np.diff(keys[order]) == 0):  # once in 2^64; then the id decides
            high, low = np.ascontiguousarray(self.ids).view(">u8").reshape(-1, 2).T
            order = np.lexsort((low, high, keys))
        return order, np.concatenate([[0], np.cumsum(self.sizes[order])])

    def read(self, seed: int, start: int, length: int) -> tuple[Ints, Ints, list[int]]:
        """Return (tokens, occurrence, documents) of ``length`` stream positions from ``start`` ≥ 0.

        ``occurrence`` numbers the document that each position belongs to, and differs for the same document
        in two epochs; ``documents`` lists their indices in order.
        """
        tokens = np.empty(length, dtype=np.int64)
        occurrence = np.empty(length, dtype=np.int64)
        documents: list[int] = []
        filled = 0
        while filled < length:
            epoch, within = divmod(start + filled, self.tokens)
            order, starts = self._epoch(seed, epoch)
            rank = int(np.searchsorted(starts, within, side="right")) - 1
            # Document by document: long documents fill a window in one slice, short ones are few hundred.
            while filled < length and rank < len(order):
                index = int(order[rank])
                piece = self.document(index)[within - int(starts[rank]) :][: length - filled]
                tokens[filled : filled + len(piece)] = piece
                occurrence[filled : filled + len(piece)] = epoch * len(self) + rank
                documents.append(index)
                filled += len(piece)
                within += len(piece)
                rank += 1
        return tokens, occurrence, documents


def _joined(arrays: Sequence[Ints]) -> Ints:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.int64)


def load_mixture(data: str | Path) -> dict[str, Any]:
    """Return ``mixture.json`` of an output directory; raises if it is missing or not what mix writes."""
    path = Path(data) / "mixture.json"
    try:
        mixture = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise DatasetMissing(
            f"{path}: missing; run the mix stage first (pile-curate run RECIPE --out {data})"
        ) from None
    except ValueError as error:
        raise TokenFileError(f"{path}: not JSON ({error}); run the mix stage again") from error
    if not isinstance(mixture, dict) or not isinstance(mixture.get("sources"), list):
        raise TokenFileError(f"{path}: no list 'sources'; run the mix stage again")
    if mixture.get("version") != MIXTURE_VERSION:
        raise TokenFileError(
            f"{path}: version {mixture.get('version')!r}, where {MIXTURE_VERSION} is known; run the mix stage"
            " again with this release"
        )
    names = [entry.get("name") for entry in mixture["sources"] if isinstance(entry, dict)]
    if len(names) < len(mixture["sources"]) or len(set(names)) < len(names) or None in names:
        raise TokenFileError(f"{path}: its sources are not named, each once; run the mix stage again")
    return mixture


def open_sources(data: str | Path, mixture: Mapping[str, Any], split: str) -> list[SourceTokens]:
    """Open every source's parts of one split, sorted by name, and check them against the mixture's counts."""
    opened = []
    _, vocab_size, _ = tokenizer_of(data, mixture)
    for entry in sorted(mixture["sources"], key=lambda s: str(s["name"])):
        parts = []
        for listed in entry.get("parts", {}).get(split, []):
            part = TokenPart(Path(data) / listed["prefix"])
            if vocab_size - 1 > np.iinfo(part.dtype).max:
                raise TokenFileError(
                    f"{part.prefix}: stores {part.dtype.name}, too small for a vocabulary of {vocab_size};"
                    " the tokens were made with another tokenizer than mixture.json names; run tokenize again"
                )
            found = {"documents": len(part.sizes), "tokens": int(part.sizes.sum())}
            for what, count in found.items():
                # Whether mix counts the end-of-text tokens is its business; both agree with the files.
                allowed = {count, count - found["documents"]} if what == "tokens" else {count}
                if listed.get(what, count) not in allowed:
                    raise TokenFileError(
                        f"{part.prefix}: holds {count} {what}, mixture.json says {listed[what]};"
                        " run tokenize and mix again"
                    )
            parts.append(part)
        opened.append(SourceTokens(str(entry["name"]), parts))
    return opened


def tokenizer_of(data: str | Path, mixture: Mapping[str, Any]) -> tuple[Path, int, int]:
    """Return (path of tokenizer.json, vocabulary size, end-of-text id) as the mixture states them."""
    stated = mixture.get("tokenizer") or {}
    missing = [key for key in ("path", "vocab_size", "eos_id") if stated.get(key) is None]
    if missing:
        raise TokenFileError(f"{data}/mixture.json: its tokenizer lacks {', '.join(missing)}; run mix again")
    return Path(data) / stated["path"], int(stated["vocab_size"]), int(stated["eos_id"])
