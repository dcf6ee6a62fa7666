"""Verify: re-read finished datasets and prove their manifests, and that the stages' counts balance."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pile_curate import manifest
from pile_curate.errors import DatasetDamaged, DatasetMissing, Problem
from pile_curate.files import sha256_file
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

    Of a corpus also: that each dataset was made from the datasets that lie beside it now, that published
    copies equal what the manifests list, and that the stages' counts balance. An unreadable manifest is a
    problem of its dataset and does not hide those of the others. Raises ``DatasetMissing`` if there is no
    finished dataset at all.
    """
    if os.path.exists(os.path.join(out, manifest.NAME)):
        return [_verify(os.path.basename(os.path.abspath(out)), out, deep)]
    found = [name for name in WRITER if os.path.exists(os.path.join(out, name, manifest.NAME))]
    if not found:
        raise DatasetMissing(
            f"{out} holds no finished dataset: no manifest.json in it, nor one folder below. Name the --out "
            "of a run, or one dataset of it."
        )
    checked = [_verify(name, os.path.join(out, name), deep) for name in found]
    if all(seen.digest for seen in checked):
        for what, problems in (
            ("chain", chain_problems(out)),
            ("copies", copy_problems(out)),
            ("balance", _readable(out)),
        ):
            if problems:
                checked.append(Verification(what, 0, 0, "", tuple(problems)))
    return checked


def _verify(name: str, directory: str, deep: bool) -> Verification:
    try:
        committed = manifest.load(directory)
        problems = verify_dataset(directory, deep)
    except DatasetDamaged as err:
        return Verification(name, 0, 0, "", (Problem(manifest.NAME, str(err)),))
    return Verification(name, len(committed.files), committed.rows, committed.digest, tuple(problems))


def _readable(out: str) -> list[Problem]:
    try:
        return balance_problems(out)
    except (KeyError, TypeError, AttributeError) as err:
        return [Problem("facts", f"a manifest lacks or misstates the counts of a stage ({err!r})")]


def chain_problems(out: str) -> list[Problem]:
    """Return the datasets that were made from another version of a dataset than lies beside them now."""
    problems = []
    present = {name: manifest.find(os.path.join(out, name)) for name in WRITER}
    for name, made in present.items():
        for source, digest in made.inputs.items() if made is not None else ():
            before = present.get(source)
            if before is None:
                problems.append(Problem(name, f"was made from {source}, which holds no finished dataset"))
            elif before.digest != digest:
                problems.append(
                    Problem(
                        name,
                        f"was made from {source} with digest {digest}, which now has {before.digest}; "
                        f"run the stage {WRITER[name]!r} again with --update",
                    )
                )
    return problems


def copy_problems(out: str) -> list[Problem]:
    """Return the files that were published to where people look for them and differ from the committed ones."""
    problems = []
    for name, folder in (("mixture", out), ("report", os.path.join(out, "report"))):
        committed = manifest.find(os.path.join(out, name))
        for entry in committed.files if committed is not None else ():
            path = os.path.join(folder, os.path.basename(entry.path))
            if not os.path.exists(path):
                problems.append(
                    Problem(os.path.relpath(path, out), f"is missing; {name}/{entry.path} has it")
                )
            elif sha256_file(path)[0] != entry.sha256:
                problems.append(Problem(os.path.relpath(path, out), f"differs from {name}/{entry.path}"))
    return problems


def balance_problems(out: str) -> list[Problem]:
    """Return where the stages' counts disagree: in = kept + dropped by reason, per stage and source."""

    def facts(dataset: str) -> dict[str, Any] | None:
        found = manifest.find(os.path.join(out, dataset))
        return None if found is None else found.facts

    problems: list[Problem] = []

    def compare(what: str, one: int, other: int, text: str) -> None:
        if one != other:
            problems.append(Problem(what, text))

    extracted, decided, selected = facts("documents"), facts("eligibility"), facts("ledger")
    written = {
        stage: manifest.find(os.path.join(out, dataset))
        for stage, dataset in (("shard", "shards"), ("tokenize", "tokens"))
    }
    for name, seen in ({} if extracted is None else extracted["sources"]).items():
        records, made = seen["records_in"], seen["document_records"]
        rejected = sum(r["records"] for r in seen["rejects"].values())
        compare(
            f"extract/{name}",
            records,
            made + rejected,
            f"{records} records in, but {made} in documents + {rejected} rejected",
        )
        if selected is None:
            continue
        ledger = selected["sources"].get(name)
        if ledger is None:
            problems.append(Problem(f"select/{name}", "the ledger does not know this source"))
            continue
        kept, documents = ledger["kept"], seen["documents"]
        dropped = sum(n for reasons in ledger["dropped"].values() for n in reasons.values())
        compare(
            f"select/{name}",
            documents,
            kept + dropped,
            f"{documents} documents, but {kept} kept + {dropped} dropped",
        )
        if decided is not None:
            ruled = sum(ledger["dropped"].get("decide", {}).values())
            failed = sum(decided["dropped"].get(name, {}).values())
            compare(
                f"decide/{name}", ruled, failed, f"{failed} documents failed a rule, the ledger has {ruled}"
            )
        emptied = sum(ledger["dropped"].get("edits", {}).values())
        cut = ((facts("edits") or {}).get("sources", {}).get(name) or {}).get("dropped", 0)
        compare(f"edits/{name}", emptied, cut, f"{cut} documents dropped by edits, the ledger has {emptied}")
        for stage, found in written.items():
            if found is None:
                continue
            # One file in each pair or triple counts: the Parquet shard, the .bin of a token part.
            rows = sum(
                f.rows
                for f in found.files
                if f.facts.get("source") == name and (f.facts.get("format") == "parquet" or f.table == "bin")
            )
            compare(f"{stage}/{name}", kept, rows, f"{kept} documents kept, {rows} written")
    return problems


def print_verification(checked: Sequence[Verification]) -> int:
    """Print a line for each dataset and its problems; return the exit status (0 proven, 3 damaged)."""
    bad = False
    for seen in checked:
        count = len(seen.problems)
        state = "ok" if not count else f"{count} problem{'s' if count > 1 else ''}"
        print(
            f"{seen.dataset:12s} {seen.files:6d} files {seen.rows:12d} rows  {seen.digest or '-':32s}  {state}"
        )
        for problem in seen.problems:
            bad = True
            print(f"    {problem}")
    return 3 if bad else 0
