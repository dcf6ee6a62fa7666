"""Report: gather the figures that the stages left in their manifests, and draw them on one page."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pile_curate import __version__, hashing, manifest
from pile_curate.files import atomic_write
from pile_curate.manifest import Attempt, Manifest
from pile_curate.report import ReportData, build_report
from pile_curate.report.assemble import assemble
from pile_curate.report.data import Pair, StageLine
from pile_curate.spark.stage import WRITER, Context, Result, Stage, file_entry
from pile_curate.tables import iter_batches

NEAR_PAIRS, EXACT_PAIRS, URL_PAIRS = 8, 2, 2
"""How many pairs of each kind are shown side by side, chosen by a hash of the id."""

EXCERPT = 20_000
"""Characters of each text of a pair."""

_SCANNED = 200_000


def evaluations(out: str) -> list[dict[str, Any]]:
    """Return the trainer's evaluations, ``before`` first, ``after`` last."""
    rank = {"before": 0, "after": 2}
    found = []
    for path in sorted(Path(out, "evaluation").glob("*.json")):
        with open(path, encoding="utf-8") as stream:
            found.append(json.load(stream))
    return sorted(found, key=lambda e: (rank.get(e["label"], 1), e.get("step", 0), e["label"]))


def collect(out: str, name: str = "", seed: int | None = None) -> ReportData:
    """Return what a report of ``out`` shows; datasets that are missing leave their part empty."""
    found = {dataset: manifest.find(os.path.join(out, dataset)) for dataset in WRITER}

    def facts(dataset: str) -> dict[str, Any]:
        seen = found[dataset]
        return seen.facts if seen is not None else {}

    mixture: dict[str, Any] = {}
    path = os.path.join(out, "mixture.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as stream:
            mixture = json.load(stream)
    documents = found["documents"]
    return assemble(
        name or mixture.get("name", ""),
        extract=manifest.load(os.path.join(out, "documents"), stage_hint="extract").facts["sources"],
        ledger=facts("ledger").get("sources"),
        languages=facts("annotations").get("languages"),
        licences=facts("metadata").get("licences"),
        mixture=mixture,
        clusters={int(k): v for k, v in facts("duplicates").get("cluster_sizes", {}).items()},
        duplicates=facts("duplicates"),
        pairs=_pairs(out) if found["ledger"] is not None else (),
        evaluations=evaluations(out),
        stages=[
            StageLine(WRITER[dataset], dataset, seen.rows, seen.digest, seen.created)
            for dataset, seen in found.items()
            if seen is not None and dataset != "report"
        ],
        created=documents.created if documents is not None else "",
        software=f"pile_curate {__version__}",
        seed=seed,
        verified=bool(facts("duplicates").get("verified", True)),
        verify=str(facts("duplicates").get("verify", "exact")),
    )


def _pairs(out: str) -> list[Pair]:
    """Return some copies beside the documents that were kept, with the beginnings of both texts."""
    directory = os.path.join(out, "duplicates")
    rows: list[dict[str, Any]] = []
    for path in manifest.load(directory).paths(directory, "main"):
        if len(rows) >= _SCANNED:
            break
        rows += pq.read_table(path).to_pylist()
    rows.sort(key=lambda row: hashing.order_key(0, row["doc_id"], "report"))
    near = [row for row in rows if row["kind"] in ("near", "near_unverified")][:NEAR_PAIRS]
    exact = [row for row in rows if row["kind"] == "exact"][:EXACT_PAIRS]
    urls = [row for row in rows if row["kind"] == "url"][:URL_PAIRS]
    chosen = sorted(near, key=lambda row: row["jaccard"]) + exact + urls
    texts = _texts(out, {row[key] for row in chosen for key in ("doc_id", "kept_id")})
    pairs = []
    for row in chosen:
        dropped, kept = texts[row["doc_id"]], texts[row["kept_id"]]
        pairs.append(
            Pair(
                dropped_id=row["doc_id"].hex(),
                kept_id=row["kept_id"].hex(),
                dropped_source=row["source"],
                kept_source=row["kept_source"],
                kind=row["kind"],
                jaccard=row["jaccard"],
                dropped_text=dropped["text"][:EXCERPT],
                kept_text=kept["text"][:EXCERPT],
                dropped_title=dropped["title"] or dropped["key"],
                kept_title=kept["title"] or kept["key"],
                cross_split=row["cross_split"],
            )
        )
    return pairs


def _texts(out: str, ids: set[bytes]) -> dict[bytes, dict[str, Any]]:
    """Return text, title and key of some documents, found through the ledger's part and row."""
    directory = os.path.join(out, "ledger")
    places: dict[str, list[int]] = {}
    if not ids:
        return {}
    wanted = pa.array(sorted(ids), pa.binary())
    for path in manifest.load(directory).paths(directory, "main"):
        for batch in iter_batches(path, ["doc_id", "part", "row"], 65536):
            inside = pc.is_in(batch.column("doc_id").cast(pa.binary()), value_set=wanted)
            for row in batch.filter(inside).to_pylist():
                places.setdefault(row["part"], []).append(row["row"])
    found: dict[bytes, dict[str, Any]] = {}
    for part, rows in places.items():
        start = 0
        for batch in iter_batches(
            os.path.join(out, "documents", part), ["doc_id", "text", "title", "key"], 256
        ):
            inside_rows = [row - start for row in rows if start <= row < start + batch.num_rows]
            for row in batch.take(inside_rows).to_pylist() if inside_rows else []:
                found[row["doc_id"]] = row
            start += batch.num_rows
    return found


def _work(context: Context, attempt: Attempt) -> Result:
    data = collect(context.out, context.recipe.name, context.recipe.seed)
    page = os.path.join(attempt.directory, "index.html")
    figures = os.path.join(attempt.directory, "figures.json")
    atomic_write(page, build_report(data).encode())
    atomic_write(figures, (json.dumps(data.to_dict(), indent=1, ensure_ascii=False) + "\n").encode())
    entries = [file_entry(attempt, page, rows=0), file_entry(attempt, figures, rows=0, table="figures")]
    return Result(entries, digest=hashing.hex128(int(hashing.fingerprint(data.logical())[:32], 16)))


def _publish(context: Context, committed: Manifest) -> None:
    """Copy the committed page to where people look for it."""
    for path in committed.paths(context.path("report")):
        with open(path, "rb") as stream:
            atomic_write(os.path.join(context.path("report"), os.path.basename(path)), stream.read())


def _state(context: Context, previous: Manifest | None) -> Any:
    """Cover the evaluations, which the trainer writes at its own time."""
    return {"evaluations": evaluations(context.out), "version": __version__}


_READS: Sequence[str] = tuple(name for name in WRITER if name not in ("report", "rejects"))
STAGE = Stage("report", "report", 2, tuple(_READS), _work, _state, _publish, cheap=True)
