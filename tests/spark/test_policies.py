"""What may not stay: licences and the opt-out list, from the recipe to the mixture."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from pile_curate import manifest
from pile_curate.errors import InputError
from pile_curate.spark.pipeline import run
from pile_curate.spark.verify import verify_out
from tests.spark.test_pipeline import change, copied, outcomes

pytestmark = pytest.mark.spark


def ledger(out):
    folder = out / "ledger"
    found = manifest.load(str(folder)).paths(str(folder))
    return [row for path in found for row in pq.read_table(path).to_pylist()]


def test_opting_out_drops_with_its_reason_and_shards_only_what_it_touches(corpus, spark, tmp_path):
    recipe, out = copied(corpus, tmp_path)
    before = ledger(out)
    twins = {row["twin"] for row in before}
    gone = next(row for row in before if row["kept"] and row["doc_id"] not in twins)
    listed = recipe.parent / "opt-out.txt"
    listed.write_text(f"id {gone['doc_id'].hex()}\n")
    change(recipe, lambda r: r.update(opt_out="opt-out.txt"))
    seen = outcomes(run(str(recipe), str(out), spark=spark, update=True, quiet=True))
    assert seen["extract"] == seen["annotate"] == "up to date" and seen["decide"] == "done"
    after = {row["doc_id"]: row for row in ledger(out)}
    assert len(after) == len(before)
    lost = after[gone["doc_id"]]
    assert (lost["kept"], lost["stage"], lost["reason"]) == (False, "decide", "opt_out")
    assert lost["measured"] == f"id {gone['doc_id'].hex()}"
    shards = manifest.load(str(out / "shards")).facts
    assert shards["reused"] == shards["groups"] - 1
    assert not [check for check in verify_out(str(out), deep=True) if check.problems]
    listed.write_text("id 12\n")
    with pytest.raises(InputError, match="line 1"):
        run(str(recipe), str(out), spark=spark, update=True, quiet=True)


def test_permissive_keeps_what_is_permissive_and_the_mixture_is_planned_again(corpus, spark, tmp_path):
    recipe, out = copied(corpus, tmp_path)
    whole = json.loads((out / "mixture.json").read_text())
    change(recipe, lambda r: r["sources"][0].update(licence="CC-BY-SA-4.0"))
    change(recipe, lambda r: r.update(licences="permissive"))
    run(str(recipe), str(out), spark=spark, update=True, quiet=True)
    rows = [row for row in ledger(out) if row["source"] == "lines"]
    assert rows and {row["reason"] for row in rows} == {"licence"}
    assert {row["threshold"] for row in rows} == {"permissive"}
    planned = json.loads((out / "mixture.json").read_text())
    assert list(planned["left_out"]) == ["lines"] and "left_out" not in whole
    assert [(row["name"], row["achieved"]["weight"]) for row in planned["sources"]] == [("tree", 1.0)]
