"""Train a byte-level BPE on a deterministic sample, load a given tokenizer, and turn shards into token parts.

Byte-level, without a normaliser, so that any Unicode text comes back exactly. A text that happens to
contain the literal ``<|endoftext|>`` is encoded as ordinary characters: a document must not be able to end
itself.

The trainer of the tokenizers library breaks ties by token id, which makes it reproducible whatever the
number of threads; the tests hold it to that. Cost on one core: about 1 MB of text a second to train,
2 to 4 MB a second to encode.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pile_curate.errors import DatasetDamaged, ModelError
from pile_curate.hashing import hex128, rows_digest
from pile_curate.manifest import FileEntry, relative
from pile_curate.shards.sampling import Sample, sample
from pile_curate.shards.tokens import TokenWriter, paths_of, token_dtype
from pile_curate.storage import sha256_file

if TYPE_CHECKING:
    import tokenizers

__all__ = [
    "EOS",
    "TOKENIZER_VERSION",
    "LoadedTokenizer",
    "Sample",
    "encode_texts",
    "load_tokenizer",
    "sample",
    "save_tokenizer",
    "tokenize_shard",
    "train_tokenizer",
    "windows",
]

TOKENIZER_VERSION: Final = 1
"""Bump when training, sampling or encoding changes its result; part of the tokenize stage's fingerprint."""

EOS: Final = "<|endoftext|>"
KNOWN_EOS: Final = (EOS, "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>", "[EOS]")
"""What a given tokenizer may call its end-of-text token; the first one it has is used."""

SPLIT_PATTERN: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    r"|[^\r\n\p{L}\p{M}\p{N}]?[\p{L}\p{M}]+"
    r"|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)
"""The split of GPT-4's cl100k_base, with marks (M) kept in their word, which Indic and Arabic text needs."""

_RUN: Final = re.compile(r"(\w{256})(?=\w)")
_LINE: Final = re.compile(r"[^\S\r\n]*\S")
_WINDOW: Final = 1_000_000
_BATCH_CHARACTERS: Final = 1_000_000
_BATCH_ROWS: Final = 256


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> tokenizers.Tokenizer:
    """Return a byte-level BPE of at most ``vocab_size`` tokens; id 0 is the end-of-text token.

    The result depends on the texts as a multiset only. Unbroken runs of more than 256 word characters
    (base64, a genome on one line) are cut for training, because each merge would walk them whole.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    least = len(alphabet) + 1
    if vocab_size < least:
        raise ModelError(f"vocab_size {vocab_size} is too small: 256 bytes and the end of text need {least}")
    tokenizer = Tokenizer(models.BPE(ignore_merges=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=[EOS],
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator((_RUN.sub(r"\1\n", text) for text in texts), trainer=trainer)
    tokenizer.encode_special_tokens = True
    return tokenizer


@dataclass(frozen=True, slots=True)
class LoadedTokenizer:
    """A tokenizer with what its users must know: its file's sha256, vocabulary size and end-of-text id."""

    tokenizer: tokenizers.Tokenizer
    sha256: str
    vocab_size: int
    eos_id: int

    def encode(self, text: str) -> npt.NDArray[Any]:
        """Return one text's token ids, without the end of text."""
        return encode_texts(self.tokenizer, [text])[0]

    def decode(self, tokens: npt.ArrayLike) -> str:
        """Return the text of token ids, leaving out a final end of text."""
        ids = np.asarray(tokens, dtype=np.int64).tolist()
        if ids and ids[-1] == self.eos_id:
            ids.pop()
        return str(self.tokenizer.decode(ids, skip_special_tokens=False))


def save_tokenizer(tokenizer: tokenizers.Tokenizer, path: str | os.PathLike[str]) -> str:
    """Write ``tokenizer.json`` durably and return its sha256."""
    raw = tokenizer.to_str(pretty=False).encode()
    with open(path, "wb") as out:
        out.write(raw)
        out.flush()
        os.fsync(out.fileno())
    return hashlib.sha256(raw).hexdigest()


def load_tokenizer(path: str | os.PathLike[str], sha256: str | None = None) -> LoadedTokenizer:
    """Read a ``tokenizer.json``, check its sha256 and find its end-of-text token.

    Raises ModelError if the file is missing, differs from ``sha256``, is no tokenizer, or has no
    end-of-text token. Cached by path and content, so a Spark worker reads it once.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path}: cannot read the tokenizer: {error.strerror}; run tokenize or give a path"
        ) from error
    found = hashlib.sha256(raw).hexdigest()
    if sha256 and found != sha256.lower():
        raise ModelError(f"{path}: sha256 is {found}, the recipe asks for {sha256}; mend one of them")
    return _parse(os.fspath(path), found)


@lru_cache(maxsize=4)
def _parse(path: str, sha256: str) -> LoadedTokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(path)
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"{path}: not a tokenizer.json: {error}") from error
    # Not stored in the file, so it must be set after every load.
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    for name in KNOWN_EOS:
        eos_id = tokenizer.token_to_id(name)
        if eos_id is not None:
            size = max(tokenizer.get_vocab_size(with_added_tokens=True), eos_id + 1)
            return LoadedTokenizer(tokenizer, sha256, size, int(eos_id))
    raise ModelError(f"{path}: has no end-of-text token; known names are {', '.join(KNOWN_EOS)}")


def windows(text: str, limit: int = _WINDOW) -> list[str]:
    """Cut a very long text where a line begins, so that encoding one book does not take gigabytes.

    The library keeps some 200 bytes a token while it encodes. The start of a line that is not blank is a
    boundary of ``SPLIT_PATTERN`` anyway, so the tokens are those of the whole text. Where a window has no
    such place it is cut hard: still lossless, and the same on every machine.

    >>> windows("ab\\ncd\\nef", 4)
    ['ab\\n', 'cd\\n', 'ef']
    """
    pieces, start = [], 0
    while len(text) - start > limit:
        cut = start + limit
        at = text.rfind("\n", start, cut)
        while at > start and not _LINE.match(text, at + 1):
            at = text.rfind("\n", start, at)
        if at > start:
            cut = at + 1
        pieces.append(text[start:cut])
        start = cut
    pieces.append(text[start:])
    return pieces


def encode_texts(tokenizer: tokenizers.Tokenizer, texts: list[str]) -> list[npt.NDArray[Any]]:
    """Return each text's token ids as an array, no special tokens added, texts of any length."""
    pieces: list[str] = []
    counts = []
    for text in texts:
        cut = windows(text)
        pieces.extend(cut)
        counts.append(len(cut))
    arrays = [
        np.array(encoding.ids, dtype=np.int64)
        for group in _groups(pieces)
        for encoding in tokenizer.encode_batch_fast(group, add_special_tokens=False)
    ]
    joined, at = [], 0
    for count in counts:
        joined.append(arrays[at] if count == 1 else np.concatenate(arrays[at : at + count]))
        at += count
    return joined


def _groups(pieces: Iterable[str]) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for piece in pieces:
        if group and (size + len(piece) > _BATCH_CHARACTERS or len(group) == _BATCH_ROWS):
            yield group
            group, size = [], 0
        group.append(piece)
        size += len(piece)
    if group:
        yield group


def tokenize_shard(
    parquet_path: str | os.PathLike[str],
    prefix: str | os.PathLike[str],
    tokenizer: LoadedTokenizer,
    *,
    root: str | os.PathLike[str],
    source: str,
    split: str,
    facts: dict[str, Any] | None = None,
) -> list[FileEntry]:
    """Turn one Parquet shard into one token part; return entries for .bin, .idx and .docs.parquet.

    ``prefix`` lies in an attempt's folder of the dataset ``root`` and must be new to each try of a
    task. Each entry's facts hold source, split, prefix (relative to the dataset), tokens (end-of-text
    tokens included), documents, text_bytes, dtype, content, and whatever ``facts`` adds. One thread:
    the Spark task is the unit of parallelism.
    """
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    with TokenWriter(
        prefix, token_dtype(tokenizer.vocab_size), eos_id=tokenizer.eos_id, source=source
    ) as writer:
        for ids, texts in read_texts(parquet_path):
            for doc_id, text, tokens in zip(
                ids, texts, encode_texts(tokenizer.tokenizer, texts), strict=True
            ):
                writer.add(bytes.fromhex(doc_id), tokens, len(text.encode()))
    base = relative(os.fspath(root), os.fspath(prefix))
    known = {"source": source, "split": split, "prefix": base, **writer.facts, **(facts or {})}
    entries = []
    for path, table in zip(paths_of(prefix), ("bin", "idx", "docs"), strict=True):
        sha256, size = sha256_file(str(path))
        entries.append(
            FileEntry(
                path=relative(os.fspath(root), str(path)),
                rows=writer.documents,
                bytes=size,
                sha256=sha256,
                digest=hex128(rows_digest(writer.table())) if table == "docs" else "",
                table=table,
                facts=known,
            )
        )
    return entries


def read_texts(path: str | os.PathLike[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield a Parquet shard's (doc_ids, texts), a batch at a time; ids as 32 hexadecimal digits."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=["text", "meta.doc_id"]):
            texts = batch.column("text").to_pylist()
            ids = [(meta or {}).get("doc_id") or "" for meta in batch.column("meta").to_pylist()]
            if None in texts or not all(ids):
                raise DatasetDamaged(f"{path}: a row without text or doc_id; run verify on shards")
            yield ids, texts
