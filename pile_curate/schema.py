"""Define every table's Arrow schema, a document's id, and the cast by name that readers and writers share."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pile_curate.hashing import identity128

SCHEMA_VERSION = 1

ID = pa.binary(16)
SPLITS = ("train", "validation", "test")

GOPHER_QUALITY = (
    "word_count",
    "mean_word_length",
    "hash_word_ratio",
    "ellipsis_word_ratio",
    "bullet_line_fraction",
    "ellipsis_line_fraction",
    "alpha_word_fraction",
    "stop_word_count",
)
GOPHER_REPETITION = (
    "duplicate_line_fraction",
    "duplicate_paragraph_fraction",
    "duplicate_line_character_fraction",
    "duplicate_paragraph_character_fraction",
    "top_2gram_character_fraction",
    "top_3gram_character_fraction",
    "top_4gram_character_fraction",
    "duplicate_5gram_character_fraction",
    "duplicate_6gram_character_fraction",
    "duplicate_7gram_character_fraction",
    "duplicate_8gram_character_fraction",
    "duplicate_9gram_character_fraction",
    "duplicate_10gram_character_fraction",
)
SIGNALS = GOPHER_QUALITY + GOPHER_REPETITION
"""Names of the quality signals, each one float64 column of ``annotations`` rounded to 1e-4."""

DUPLICATE_KINDS = ("exact", "near", "near_unverified", "url")
"""What ``duplicates.kind`` may say."""

_WHO = [("doc_id", ID), ("source", pa.string()), ("split", pa.string())]
_WHERE = [("part", pa.string()), ("row", pa.int32())]
RUN_COLUMNS = ("part", "row")
"""Columns that say where this run put a row; excluded from logical digests."""

DOCUMENTS = pa.schema(
    [
        *_WHO,
        ("text", pa.string()),
        ("url", pa.string()),
        ("title", pa.string()),
        ("licence", pa.string()),
        ("consent", pa.string()),
        ("key", pa.string()),
        ("file", pa.string()),
        ("record", pa.int64()),
        ("records", pa.int32()),
        ("raw_bytes", pa.int64()),
        ("text_bytes", pa.int64()),
        ("text_digest", ID),
        ("extractor", pa.string()),
        ("meta", pa.string()),
    ]
)
"""One extracted document. ``key`` is the native key, ``file`` relative to the source's root, ``meta`` JSON."""

REJECTS = pa.schema(
    [
        ("stage", pa.string()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("record", pa.int64()),
        ("key", pa.string()),
        ("kind", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("records", pa.int32()),
        ("raw_bytes", pa.int64()),
    ]
)
"""One rejection. ``kind`` is ``policy`` (meant) or ``error`` (damage); ``records`` is 0 for a file-level note."""

ANNOTATIONS = pa.schema(
    [
        *_WHO,
        ("language", pa.string()),
        ("language_score", pa.float64()),
        *[(name, pa.float64()) for name in SIGNALS],
        ("text_digest", ID),
        ("text_bytes", pa.int64()),
        ("words", pa.int64()),
        ("shingles", pa.int64()),
        ("signature", pa.binary()),
        *_WHERE,
    ]
)
"""What was measured of one document. ``signature`` is little-endian uint32 values, null below n words."""

ELIGIBILITY = pa.schema(
    [
        *_WHO,
        ("eligible", pa.bool_()),
        ("rule", pa.string()),
        ("measured", pa.string()),
        ("threshold", pa.string()),
        ("failed", pa.list_(pa.string())),
        *_WHERE,
    ]
)
"""May this document stay? ``rule`` is the first that failed (empty if none), ``failed`` all of them."""

DUPLICATES = pa.schema(
    [
        *_WHO,
        ("kept_id", ID),
        ("kept_source", pa.string()),
        ("kept_split", pa.string()),
        ("jaccard", pa.float64()),
        ("kind", pa.string()),
        ("cross_split", pa.bool_()),
    ]
)
"""One copy and the kept document that it repeats.

``kind`` is ``exact`` (equal digests), ``near`` (Jaccard at least the threshold), ``near_unverified`` (``jaccard`` is
what the signatures estimate; nothing checked it) or ``url`` (equal normalised URLs; ``jaccard`` is null).
"""

EDITS = pa.schema(
    [
        *_WHO,
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("replacement", pa.string()),
        ("kind", pa.string()),
        *_WHERE,
    ]
)
"""One span of a kept document that shard replaces: code points ``[start, end)`` of the extracted text."""

EDITED = pa.schema(
    [
        *_WHO,
        ("edits", pa.int32()),
        ("removed_bytes", pa.int64()),
        ("words", pa.int64()),
        ("words_left", pa.int64()),
        ("dropped", pa.bool_()),
        ("threshold", pa.string()),
        *_WHERE,
    ]
)
"""One edited document (table ``documents`` of ``edits``); ``dropped`` if too little is left: then it has no spans."""

LEDGER = pa.schema(
    [
        *_WHO,
        ("kept", pa.bool_()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("measured", pa.string()),
        ("threshold", pa.string()),
        ("twin", ID),
        ("jaccard", pa.float64()),
        ("cross_split", pa.bool_()),
        ("text_bytes", pa.int64()),
        ("edits", pa.int32()),
        ("removed_bytes", pa.int64()),
        *_WHERE,
    ]
)
"""Every document once: kept, or dropped with stage, reason and evidence.

``text_bytes`` is the extracted text's size; of a kept document, ``edits`` spans take ``removed_bytes`` away from it.
"""

METADATA = pa.schema(
    [
        *[field for field in DOCUMENTS if field.name not in ("text",)],
        ("language", pa.string()),
        ("language_score", pa.float64()),
        *[(name, pa.float64()) for name in SIGNALS],
        ("words", pa.int64()),
        ("kept", pa.bool_()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("edits", pa.int32()),
        ("removed_bytes", pa.int64()),
    ]
)
"""Every document's facts without its text."""

SHARD = pa.schema(
    [
        ("text", pa.string()),
        (
            "meta",
            pa.struct(
                [
                    ("pile_set_name", pa.string()),
                    ("doc_id", pa.string()),
                    ("source", pa.string()),
                    ("url", pa.string()),
                    ("title", pa.string()),
                    ("licence", pa.string()),
                    ("language", pa.string()),
                ]
            ),
        ),
    ]
)
"""One training document; ``meta.doc_id`` is 32 hexadecimal digits. Parquet and jsonl.zst hold the same."""

TOKEN_DOCUMENTS = pa.schema(
    [("doc_id", ID), ("source", pa.string()), ("tokens", pa.int64()), ("text_bytes", pa.int64())]
)
"""One document of a token part, in file order; ``tokens`` excludes the end-of-text token."""


def doc_id(source: str, key: str) -> bytes:
    """Return a document's 16-byte id: a function of its source and native key alone, never of the seed."""
    return identity128("document", source, key)


def conform(batch: pa.RecordBatch | pa.Table, schema: pa.Schema) -> pa.RecordBatch | pa.Table:
    """Return the batch with exactly the schema's columns, matched by NAME and cast; missing ones are null.

    Raises ``KeyError`` for a column the schema does not know, because silently losing one is how
    data vanishes.
    """
    unknown = set(batch.schema.names) - set(schema.names)
    if unknown:
        raise KeyError(f"columns {sorted(unknown)} are not in the schema; it has {schema.names}")
    columns = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        if index < 0:
            columns.append(pa.nulls(batch.num_rows, field.type))
        else:
            column = batch.column(index)
            columns.append(column if column.type == field.type else pc.cast(column, field.type))
    kind = pa.Table if isinstance(batch, pa.Table) else pa.RecordBatch
    return kind.from_arrays(columns, schema=schema)
