"""Answer "why is this document (not) in it?" from the finished datasets, without Spark.

An answer reads the ids of every document and a few columns of those that match, never a text.
"""

from __future__ import annotations

import os
import re
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pile_curate import manifest
from pile_curate.errors import DatasetMissing, InputError
from pile_curate.report.why import explain
from pile_curate.tables import iter_batches

_SHOWN = (
    "doc_id",
    "source",
    "split",
    "url",
    "title",
    "key",
    "file",
    "record",
    "licence",
    "language",
    "text_bytes",
    "kept",
    "stage",
)
MATCHES = 10
"""How many documents an ambiguous prefix lists."""

REJECTS = 50
"""How many rejected records one answer lists."""


def _find(out: str, dataset: str, prefix: str, columns: list[str]) -> list[dict[str, Any]]:
    """Return the rows whose doc_id begins with the hexadecimal prefix."""
    directory = os.path.join(out, dataset)
    low = bytes.fromhex(prefix.ljust(32, "0"))
    high = bytes.fromhex(prefix.ljust(32, "f"))
    found: list[dict[str, Any]] = []
    for path in manifest.load(directory).paths(directory, "main"):
        for batch in iter_batches(path, columns, 65536):
            ids = batch.column("doc_id").cast("binary")
            inside = pc.and_(pc.greater_equal(ids, low), pc.less_equal(ids, high))
            found += batch.filter(inside).to_pylist()
    return found


def why(out: str, prefix: str) -> str:
    """Return the answer for one document; ``prefix`` is the first hexadecimal digits of its id.

    A prefix that fits several documents is answered with a list of them. What is no id may be the native
    key or the file of a rejected record; a short key can look like an id, and is then answered as both.
    Raises ``InputError`` if nothing fits, ``DatasetMissing`` if no finished corpus lies in ``out``.
    """
    rejected = _rejected(out, prefix)
    wanted = prefix.lower().removeprefix("0x")
    known = [_documents(out, wanted)] if re.fullmatch("[0-9a-f]{1,32}", wanted) else []
    told = [text for text in (*known, rejected) if text]
    if not told:
        raise InputError(
            f"no document's id begins with {prefix!r}, and no rejected record has it as its key or file. Ids "
            "are the meta.doc_id of a shard row, 32 hexadecimal digits; any first digits will do."
        )
    return "\n\n".join(told)


def _documents(out: str, wanted: str) -> str:
    if manifest.find(os.path.join(out, "ledger")) is None:
        raise DatasetMissing(
            f"{out} holds no ledger; run `pile-curate run RECIPE --out {out}` as far as select first."
        )
    rows = _find(out, "ledger", wanted, [
        "doc_id", "source", "split", "kept", "stage", "reason", "measured", "threshold", "twin", "jaccard",
        "cross_split", "edits", "removed_bytes",
    ])  # fmt: skip
    if not rows:
        return ""
    if len(rows) > 1:
        lines = [f"{row['doc_id'].hex()}  {row['source']:20s} {_verdict(row)}" for row in rows[:MATCHES]]
        more = f"\n... and {len(rows) - MATCHES} more" if len(rows) > MATCHES else ""
        return f"{len(rows)} documents begin with {wanted}; give more digits:\n" + "\n".join(lines) + more
    row = rows[0]
    facts = _facts(out, row["doc_id"])
    twin = _facts(out, row["twin"]) if row["twin"] else None
    failed = _failed(out, row["doc_id"]) if row["stage"] == "decide" else []
    return explain(
        facts,
        row,
        twin,
        failed,
        shards=_shards(out, row) if row["kept"] else [],
        edits=_edits(out, row["doc_id"]) if row["edits"] else [],
    )


def _verdict(row: dict[str, Any]) -> str:
    return "kept" if row["kept"] else f"dropped by {row['stage']}: {row['reason']}"


def _facts(out: str, doc_id: bytes) -> dict[str, Any]:
    for dataset in ("metadata", "documents"):
        if manifest.find(os.path.join(out, dataset)) is None:
            continue
        columns = [c for c in _SHOWN if dataset == "metadata" or c not in ("language", "kept", "stage")]
        found = _find(out, dataset, doc_id.hex(), columns)
        if found:
            return found[0]
    return {"doc_id": doc_id}


def _failed(out: str, doc_id: bytes) -> list[str]:
    found = _find(out, "eligibility", doc_id.hex(), ["doc_id", "failed"])
    return list(found[0]["failed"]) if found else []


def _edits(out: str, doc_id: bytes) -> list[dict[str, Any]]:
    """Return the spans that shard takes out of a document, in order."""
    if manifest.find(os.path.join(out, "edits")) is None:
        return []
    found = _find(out, "edits", doc_id.hex(), ["doc_id", "start", "end", "kind"])
    return sorted(found, key=lambda row: int(row["start"]))


def _shards(out: str, row: dict[str, Any]) -> list[str]:
    """Return the Parquet shards that hold a kept document, relative to the corpus."""
    directory = os.path.join(out, "shards")
    committed = manifest.find(directory)
    found = []
    for entry in committed.select(row["split"]) if committed is not None else ():
        if entry.facts.get("source") != row["source"] or entry.facts.get("format") != "parquet":
            continue
        ids = pq.read_table(os.path.join(directory, entry.path), columns=["meta.doc_id"]).flatten()
        if pc.any(pc.equal(ids.column(0), row["doc_id"].hex())).as_py():
            found.append(f"shards/{entry.path}")
    return found


def _rejected(out: str, key: str) -> str:
    """Answer for what never became a document: look among the rejects by native key or file."""
    directory = os.path.join(out, "rejects")
    if manifest.find(directory) is None:
        raise DatasetMissing(
            f"{out} holds no finished extract; run `pile-curate run RECIPE --out {out}` first."
        )
    lines = []
    for path in manifest.load(directory).paths(directory, "main"):
        table = pq.read_table(path)
        for row in table.filter(
            pc.or_(pc.equal(table["key"], key), pc.equal(table["file"], key))
        ).to_pylist():
            where = f"{row['file']} record {row['record']}"
            lines.append(
                f"{row['source']}: {where}: rejected at extract: {row['reason']} ({row['kind']}) {row['detail']}"
            )
    more = [f"... and {len(lines) - REJECTS} more"] if len(lines) > REJECTS else []
    return "\n".join(lines[:REJECTS] + more)
