"""Verify: re-read finished datasets and prove their manifests, and that the stages' counts balance."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pile_curate import manifest
from pile_curate.errors import DatasetMissing, Problem
from pile_curate.spark.stage import WRITER
from pile_curate.verify import verify_dataset


@dataclass(frozen=True)
class Verification:
    """What was checked of one dataset and what is wrong with it."""

    dataset: str
    files: int
    rows: int
    digest: str
    problems: tuple[Problem, ...]


def verify_out(out: str, deep: bool) -> list[Verification]:
    """Check every dataset below ``out`` (or one dataset's own directory); ``deep`` recomputes all digests.

    Raises ``DatasetMissing`` if there is no finished dataset at all.
    """
    if manifest.find(out) is not None:
        return [_verify(os.path.basename(os.path.abspath(out)), out, deep)]
    found = [name for name in WRITER if manifest.find(os.path.join(out, name)) is not None]
    if not found:
        raise DatasetMissing(f"{out} holds no finished dataset (no manifest.json in it or one folder below).")
    checked = [_verify(name, os.path.join(out, name), deep) for name in found]
    balance = balance_problems(out)
    if balance:
        checked.append(Verification("balance", 0, 0, "", tuple(balance)))
    return checked


def _verify(name: str, directory: str, deep: bool) -> Verification:
    committed = manifest.load(directory)
    problems = verify_dataset(directory, deep)
    return Verification(name, len(committed.files), committed.rows, committed.digest, tuple(problems))


def balance_problems(out: str) -> list[Problem]:
    """Return where the stages' counts disagree: in = kept + dropped by reason, per stage and source."""

    def facts(dataset: str) -> dict[str, Any] | None:
        found = manifest.find(os.path.join(out, dataset))
        return None if found is None else found.facts

    problems: list[Problem] = []
    extracted, selected = facts("documents"), facts("ledger")
    decided = facts("eligibility")
    shards = manifest.find(os.path.join(out, "shards"))
    tokens = manifest.find(os.path.join(out, "tokens"))
    for name, seen in (extracted or {"sources": {}})["sources"].items():
        rejected = sum(r["records"] for r in seen["rejects"].values())
        if seen["records_in"] != seen["document_records"] + rejected:
            problems.append(
                Problem(
                    f"extract/{name}",
                    f"{seen['records_in']} records in, {seen['document_records'] + rejected} out",
                )
            )
        if selected is None:
            continue
        ledger = selected["sources"][name]
        dropped = sum(n for reasons in ledger["dropped"].values() for n in reasons.values())
        if seen["documents"] != ledger["kept"] + dropped:
            problems.append(
                Problem(
                    f"select/{name}",
                    f"{seen['documents']} documents, {ledger['kept']} kept + {dropped} dropped",
                )
            )
        if decided is not None:
            ruled = sum(ledger["dropped"].get("decide", {}).values())
            if ruled != sum(decided["dropped"].get(name, {}).values()):
                problems.append(
                    Problem(
                        f"decide/{name}",
                        f"the ledger has {ruled} documents dropped by rules, decide another number",
                    )
                )
        for dataset, found in (("shard", shards), ("tokenize", tokens)):
            if found is None:
                continue
            # One file in each pair or triple counts: the Parquet shard, the .bin of a token part.
            rows = sum(
                f.rows
                for f in found.files
                if f.facts.get("source") == name and (f.facts.get("format") == "parquet" or f.table == "bin")
            )
            if rows != ledger["kept"]:
                problems.append(
                    Problem(f"{dataset}/{name}", f"{ledger['kept']} documents kept, {rows} written")
                )
    return problems


def print_verification(checked: Sequence[Verification]) -> int:
    """Print a line for each dataset and its problems; return the exit status (0 proven, 3 damaged)."""
    bad = False
    for seen in checked:
        state = "ok" if not seen.problems else f"{len(seen.problems)} problems"
        print(
            f"{seen.dataset:12s} {seen.files:6d} files {seen.rows:12d} rows  {seen.digest or '-':32s}  {state}"
        )
        for problem in seen.problems:
            bad = True
            print(f"    {problem}")
    return 3 if bad else 0
