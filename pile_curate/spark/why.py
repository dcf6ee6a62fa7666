"""Answer "why is this document (not) in it?" from the finished datasets, without Spark.

Ids are looked up in the metadata with Parquet's own statistics, so an answer reads a few columns only.
"""

from __future__ import annotations

import os
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
)
MATCHES = 10
"""How many documents an ambiguous prefix lists."""


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

    Raises ``InputError`` if it is not hexadecimal, ``DatasetMissing`` if no finished corpus lies in
    ``out``. A prefix that fits several documents is answered with a list of them, one that fits none with
    the rejects that have this native key.
    """
    wanted = prefix.lower().removeprefix("0x")
    if not wanted or len(wanted) > 32 or any(c not in "0123456789abcdef" for c in wanted):
        return _rejected(out, prefix)
    if manifest.find(os.path.join(out, "ledger")) is None:
        raise DatasetMissing(
            f"{out} holds no ledger; run `pile-curate run RECIPE --out {out}` as far as select first."
        )
    rows = _find(out, "ledger", wanted, [
        "doc_id", "source", "kept", "stage", "reason", "measured", "threshold", "twin", "jaccard", "cross_split",
    ])  # fmt: skip
    if not rows:
        return _rejected(out, prefix)
    if len(rows) > 1:
        lines = [f"{row['doc_id'].hex()}  {row['source']:20s} {_verdict(row)}" for row in rows[:MATCHES]]
        more = f"\n... and {len(rows) - MATCHES} more" if len(rows) > MATCHES else ""
        return f"{len(rows)} documents begin with {wanted}; give more digits:\n" + "\n".join(lines) + more
    row = rows[0]
    facts = _facts(out, row["doc_id"])
    twin = _facts(out, row["twin"]) if row["twin"] else None
    failed = _failed(out, row["doc_id"]) if row["stage"] == "decide" else []
    return explain(facts, row, twin, failed)


def _verdict(row: dict[str, Any]) -> str:
    return "kept" if row["kept"] else f"dropped by {row['stage']}: {row['reason']}"


def _facts(out: str, doc_id: bytes) -> dict[str, Any]:
    for dataset in ("metadata", "documents"):
        if manifest.find(os.path.join(out, dataset)) is None:
            continue
        columns = [c for c in _SHOWN if dataset == "metadata" or c != "language"]
        found = _find(out, dataset, doc_id.hex(), columns)
        if found:
            return found[0]
    return {"doc_id": doc_id}


def _failed(out: str, doc_id: bytes) -> list[str]:
    found = _find(out, "eligibility", doc_id.hex(), ["doc_id", "failed"])
    return list(found[0]["failed"]) if found else []


def _rejected(out: str, key: str) -> str:
    """Answer for something that never became a document: look among the rejects by native key or file."""
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
    if not lines:
        raise InputError(
            f"no document's id begins with {key!r}, and no rejected record has it as its key or file. Ids are "
            "the meta.doc_id of a shard row, 32 hexadecimal digits; any first digits will do."
        )
    return "\n".join(lines[:50])
