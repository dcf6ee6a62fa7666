"""Read labelled JSON lines and turn them into tokens with targets, for the three tasks of fine-tuning.

classify   ``{"text": ..., "label": ...}``; a text longer than the window is cut
tag        ``{"tokens": [...], "tags": [...]}``; words are joined by one space, and a word's tag stands at its
           first sub-token, found by the tokenizer's offsets (a causal model has not read the rest of it there)
causal     ``{"prompt": ..., "completion": ...}`` or ``{"text": ...}``; targets are the completion and its end of text

Sentences and completions longer than the window are split into pieces that hold every target once. Everything
read stays in memory: about 8 bytes a token and the texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pile_curate.errors import CorruptInput, InputError
from pile_curate.hashing import identity128, text_digest, uniform
from pile_curate.row_lines import BadLine, blocks, open_lines, parse
from pile_curate.row_splits import RowFile
from pile_curate.shards.tokenizer import LoadedTokenizer, encode_texts

Ints = npt.NDArray[np.int64]
TASKS = ("classify", "tag", "causal")
SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
NOT_KNOWN = -1
"""The target of what has no label, in input to predict."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line: the text to read, for tag also its words; a label, a tag for each word, or none for causal."""

    where: str
    line: int
    text: str
    prompt: str = ""
    words: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def key(self) -> bytes:
        """Return what copies share: the text but for white space, the words, or the prompt if there is one."""
        return identity128(*self.words) if self.words else text_digest(self.prompt or self.text)


@dataclass(frozen=True, slots=True)
class Example:
    """A row or a piece of one: targets[i] belongs to the hidden state of position at[i] of ``tokens``."""

    owner: int
    tokens: Ints
    at: Ints
    targets: Ints


def read_rows(path: Path, task: str, *, labelled: bool = True) -> list[Row]:
    """Return a file's rows; raises ``InputError`` with file and line for whatever is wrong in it."""
    if not path.name.endswith(SUFFIXES):
        raise InputError(f"{path}: unknown kind of file; allowed are {', '.join(SUFFIXES)}")
    try:
        file = RowFile(str(path), path.name, "jsonl", path.stat().st_size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    rows = []
    try:
        with open_lines(file) as stream:
            for first, lines in blocks(stream):
                for number, line in enumerate(lines, first + 1):
                    if line is None or line.strip():
                        rows.append(_row(line or b"", task, f"{path}:{number}", number, labelled))
    except CorruptInput as error:
        raise InputError(f"{path}: damaged after line {rows[-1].line if rows else 0}: {error}") from error
    if not rows:
        raise InputError(f"{path}: holds no rows; give one JSON object a line")
    return rows


def _row(line: bytes, task: str, where: str, number: int, labelled: bool) -> Row:
    try:
        record = parse(line)
    except BadLine as error:
        raise InputError(f"{where}: {error.args[1]}; give one JSON object a line") from error
    if task == "classify":
        labels = (_label(record, "label", where),) if labelled else ()
        return Row(where, number, _text(record, "text", where), labels=labels)
    if task == "causal":
        if not labelled:
            return Row(where, number, "", prompt=_text(record, "prompt", where, empty=True))
        if "completion" not in record and "prompt" not in record:
            return Row(where, number, _text(record, "text", where))
        prompt = _text(record, "prompt", where, empty=True)
        return Row(where, number, _text(record, "completion", where), prompt=prompt)
    words = _words(record, "tokens", where)
    tags = _words(record, "tags", where) if labelled else ()
    if labelled and len(tags) != len(words):
        raise InputError(f"{where}: {len(words)} tokens but {len(tags)} tags; give one tag for each token")
    return Row(where, number, " ".join(words), words=words, labels=tags)


def _value(record: Mapping[str, Any], key: str, where: str, kind: type, wanted: str) -> Any:
    value = record.get(key)
    if not isinstance(value, kind):
        found = f"is {value!r:.60}" if key in record else f"is missing; it has {', '.join(record) or 'none'}"
        raise InputError(f"{where}: the key {key!r} {found}; give {wanted}")
    return value


def _text(record: Mapping[str, Any], key: str, where: str, *, empty: bool = False) -> str:
    value: str = _value(record, key, where, str, "a string")
    if not empty and not value.strip():
        raise InputError(f"{where}: {key!r} is empty; remove the line or fill it")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: {key!r} holds half a surrogate pair; mend its encoding") from error
    return value


def _label(record: Mapping[str, Any], key: str, where: str) -> str:
    value = record.get(key)
    return str(value) if type(value) is int else _text(record, key, where)


def _words(record: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = _value(record, key, where, list, "a list of strings")
    if not value:
        raise InputError(f"{where}: {key!r} is empty; remove the line or fill it")
    return tuple(_text({key: word}, key, where) for word in value)


def split_rows(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Return (train, validation): a hash of the content decides, so that copies fall on one side."""
    held = [uniform(seed, row.key, "finetune:validation") < share for row in rows]
    parts = [[row for row, out in zip(rows, held, strict=True) if out is side] for side in (False, True)]
    if not all(parts):
        raise InputError(
            f"a validation share of {share} of {len(rows)} rows leaves {len(parts[0])} to train on and"
            f" {len(parts[1])} to validate on; change it, or give --validation FILE"
        )
    return parts[0], parts[1]


def is_bio(rows: Sequence[Row]) -> bool:
    """Say whether tags are BIO (every one O, B-X or I-X); raises if only some are, or an I-X follows no X."""
    other = next(((r, t) for r in rows for t in r.labels if t != "O" and t[:2] not in ("B-", "I-")), None)
    spans = any(t[:2] in ("B-", "I-") for row in rows for t in row.labels)
    if other and spans:
        raise InputError(
            f"{other[0].where}: tag {other[1]!r} among BIO tags; allowed are O, B-TYPE and I-TYPE"
        )
    for row in rows:
        for before, tag in zip(("O", *row.labels), row.labels):
            if tag in ("B-", "I-"):
                raise InputError(f"{row.where}: tag {tag!r} names no type; write B-TYPE or I-TYPE")
            if spans and tag[0] == "I" and (before == "O" or before[2:] != tag[2:]):
                raise InputError(f"{row.where}: {tag} follows {before}; a span starts with B-{tag[2:]}")
    return spans


def label_numbers(train: Sequence[Row], *others: Sequence[Row]) -> dict[str, int]:
    """Return each training label's number, in order; raises if there is one only, or others have more."""
    labels = {label: i for i, label in enumerate(sorted({lab for row in train for lab in row.labels}))}
    if len(labels) < 2:
        raise InputError(f"{train[0].where}: every label is {next(iter(labels))!r}; give two or more")
    for row in (row for rows in others for row in rows):
        for label in row.labels:
            if label not in labels:
                raise InputError(
                    f"{row.where}: label {label!r} does not occur in the training rows, so it cannot be"
                    " learned; add rows with it to them, or remove it here"
                )
    return labels


def encode(
    rows: Sequence[Row], task: str, known: LoadedTokenizer, labels: Mapping[str, int], *, causal: bool, limit: int
) -> tuple[list[Example], int]:  # fmt: skip
    """Return examples of up to ``limit`` positions, and how many rows were cut (classify) or split (others).

    A causal model reads the end-of-text token first, a bidirectional one last, as in pretraining.
    """
    numbers = [
        np.array([labels.get(label, NOT_KNOWN) for label in row.labels], dtype=np.int64) for row in rows
    ]
    pieces: list[Example] = []
    if task == "classify":
        cut = 0
        for row, ids, number in zip(rows, _tokens(known, [r.text for r in rows]), numbers, strict=True):
            read = _some(ids, row)[: limit - 1]
            whole = Example(len(pieces), read, np.array([len(read) - 1]), _or_unknown(number, 1))
            pieces.append(_framed(whole, known.eos_id, causal))
            cut += len(ids) > len(read)
        return pieces, cut
    if task == "tag":
        for owner, (row, tokens, ends) in enumerate(_with_ends(rows, known)):
            targets = _or_unknown(numbers[owner], len(row.words))
            whole = Example(owner, _some(tokens, row), first_tokens(row.words, ends), targets)
            pieces += _tag_pieces(whole, known.eos_id, causal, limit)
    else:
        prompts, texts = (
            _tokens(known, part) for part in zip(*((r.prompt, r.text) for r in rows), strict=True)
        )
        for owner, (prompt, ids) in enumerate(zip(prompts, texts, strict=True)):
            sequence = np.concatenate([[known.eos_id], prompt, ids, [known.eos_id]]).astype(np.int64)
            pieces += causal_pieces(owner, sequence, len(prompt) + 1, limit)
    return pieces, sum(count > 1 for count in Counter(piece.owner for piece in pieces).values())


def _tokens(known: LoadedTokenizer, texts: Sequence[str]) -> list[Ints]:
    return encode_texts(known.tokenizer, list(texts))


def _or_unknown(targets: Ints, count: int) -> Ints:
    return targets if len(targets) else np.full(count, NOT_KNOWN, dtype=np.int64)


def _with_ends(
    rows: Sequence[Row], known: LoadedTokenizer, step: int = 1000
) -> Iterator[tuple[Row, list[int], list[int]]]:
    """Yield each row, its tokens and where they end in the text; ``step`` rows in the tokenizer's own form."""
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        found = known.tokenizer.encode_batch([row.text for row in some], add_special_tokens=False)
        for row, encoding in zip(some, found, strict=True):
            yield row, encoding.ids, [end for _, end in encoding.offsets]


def _some(ids: Sequence[int] | Ints, row: Row) -> Ints:
    if not len(ids):
        raise InputError(f"{row.where}: the tokenizer leaves nothing of the text; remove the line")
    return np.asarray(ids, dtype=np.int64)


def first_tokens(words: Sequence[str], ends: Sequence[int]) -> Ints:
    """Return the position of each word's first token; words are joined by a space, ``ends`` are the tokens'.

    A token that covers the end of one word and the start of the next stands for both.

    >>> first_tokens(["cats", "sat"], [3, 4, 8]).tolist()
    [0, 2]
    """
    starts = np.cumsum([0, *(len(word) + 1 for word in words[:-1])])
    return np.minimum(np.searchsorted(ends, starts, side="right"), len(ends) - 1).astype(np.int64)


def _framed(piece: Example, eos_id: int, causal: bool) -> Example:
    if causal:
        return replace(
            piece, tokens=np.concatenate([[eos_id], piece.tokens]).astype(np.int64), at=piece.at + 1
        )
    return replace(piece, tokens=np.concatenate([piece.tokens, [eos_id]]).astype(np.int64))


def _tag_pieces(whole: Example, eos_id: int, causal: bool, limit: int) -> Iterator[Example]:
    """Cut before a word where that is possible; each piece starts anew, with an end-of-text token."""
    start, size = 0, len(whole.tokens)
    while start < size:
        end = min(size, start + limit - 1)
        words = whole.at[(whole.at > start) & (whole.at <= end)]
        end = int(words[-1]) if end < size and len(words) else end
        inside = (whole.at >= start) & (whole.at < end)
        if inside.any():
            at, targets = whole.at[inside] - start, whole.targets[inside]
            yield _framed(Example(whole.owner, whole.tokens[start:end], at, targets), eos_id, causal)
        start = end


def causal_pieces(owner: int, whole: Ints, first: int, limit: int) -> Iterator[Example]:
    """Cut a sequence whose targets start at ``first``; later pieces see half a window before their targets.

    >>> [(e.tokens.tolist(), e.at.tolist(), e.targets.tolist()) for e in causal_pieces(0, np.arange(8), 3, 4)]
    [([1, 2, 3, 4], [1, 2, 3], [3, 4, 5]), ([4, 5, 6], [1, 2], [6, 7])]
    """
    target = first
    while target < len(whole):
        start = 0 if len(whole) - 1 <= limit else max(0, target - limit // 2)
        end = min(len(whole), start + limit + 1)
        targets = whole[target:end]
        yield Example(owner, whole[start : end - 1], np.arange(target - 1 - start, end - 1 - start), targets)
        target = end
