"""Paragraphs cut by the tasks' functions, against the plain walk, on corpora made to repeat themselves."""

import pickle
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pile_curate import schema
from pile_curate.errors import DatasetDamaged
from pile_curate.shards.text import Span, apply_edits
from pile_curate.spark import cuts
from pile_curate.spark.cuts import Rules
from tests.paragraph_oracle import walk

NOTES = [
    "To subscribe, write to us",
    "ALL rights reserved here",
    "a b c d e f",
    "x y",
    "日本語の文",
    "...",
    "Share this",
]
BREAKS = ["\n\n", "\n", "\n \n", "\n\n\n", "\n\t\n"]


def make_text(rng: random.Random) -> str:
    """Return a text of notes that others have too, some in another case, and paragraphs of its own."""
    pieces = []
    for _ in range(rng.randrange(6)):
        note = rng.choice(NOTES)
        if rng.random() < 0.25:
            note = " ".join(f"w{rng.randrange(500)}" for _ in range(rng.randrange(1, 6)))
        pieces += [note.upper() if rng.random() < 0.2 else note, rng.choice(BREAKS)]
    edges = ["", "", "\n", " \n\n"]
    return rng.choice(edges) + "".join(pieces[: None if rng.random() < 0.3 else -1]) + rng.choice(edges)


def write_parts(rng: random.Random, folder, number: int) -> list[dict]:
    """Write documents files of two sources with row groups of a few rows; return the members' rows."""
    members = []
    for part in range(rng.randrange(1, 4)):
        source = rng.choice("ab")
        rows = [
            {"doc_id": rng.randbytes(16), "source": source, "split": "train", "text": make_text(rng)}
            for _ in range(rng.randrange(1, number))
        ]
        pq.write_table(
            pa.Table.from_pylist(rows, schema.DOCUMENTS),
            folder / f"p{part}",
            row_group_size=rng.randrange(1, 5),
        )
        members += [row | {"part": f"p{part}", "row": at} for at, row in enumerate(rows)]
    return [row for row in members if rng.random() < 0.8]


COLUMNS = pa.schema(
    [
        ("doc_id", pa.binary()),
        ("source", pa.string()),
        ("split", pa.string()),
        ("part", pa.string()),
        ("row", pa.int32()),
    ]
)


def table_of(members: list[dict], schema: pa.Schema = COLUMNS) -> pa.Table:
    rows = [{name: row[name] for name in schema.names} for row in members]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: (row["part"], row["row"])), schema)


def batches(rng: random.Random, table: pa.Table):
    return iter(table.to_batches(max_chunksize=rng.randrange(1, 7)))


def by_tasks(
    rng: random.Random, members: list[dict], folder, attempt, rules: Rules
) -> dict[bytes, str | None]:
    """Run the tasks' functions in pieces of any size, as Spark would, and apply the spans."""
    tasks = rng.randrange(1, 4)
    occurring = [
        batch
        for task in range(tasks)
        for batch in cuts.occurrences(
            batches(rng, table_of([m for m in members if hash(m["part"]) % tasks == task])),
            str(folder),
            rules,
        )
    ]
    table = pa.Table.from_batches(occurring, cuts.OCCURRENCES)
    late = table.filter(table["late"]).select(cuts.GONE.names)
    early = table.filter(pa.compute.invert(table["late"])).sort_by(
        [(name, "ascending") for name in cuts.ORDER]
    )
    gone = pa.concat_tables(
        [pa.Table.from_batches(cuts.beyond(batches(rng, early), rules.max_copies), cuts.GONE), late]
    )
    positions: dict[bytes, list[int]] = {}
    for row in gone.to_pylist():
        positions.setdefault(row["doc_id"], []).append(row["position"])
    changed = [m | {"positions": rng.sample(p, len(p))} for m in members if (p := positions.get(m["doc_id"]))]
    rows = table_of(changed, COLUMNS.append(pa.field("positions", pa.list_(pa.int32()))))
    (result,) = cuts.write_edits(batches(rng, rows), str(folder), str(attempt), rules)
    entries = {entry.table: entry for entry in pickle.loads(result.column("entries")[0].as_py())}
    read = {table: pq.read_table(attempt.parents[1] / e.path).to_pylist() for table, e in entries.items()}
    texts = {m["doc_id"]: m["text"] for m in members}
    found: dict[bytes, str | None] = {}
    for row in read.get("documents", []):
        mine = [Span(s["start"], s["end"], s["replacement"], s["kind"]) for s in read.get("main", [])
                if s["doc_id"] == row["doc_id"]]  # fmt: skip
        text = texts[row["doc_id"]]
        found[row["doc_id"]] = None if row["dropped"] else apply_edits(text, mine)
        assert bool(mine) != row["dropped"] and (row["dropped"] or len(mine) == row["edits"])
        if not row["dropped"]:
            assert row["removed_bytes"] == len(text.encode()) - len(found[row["doc_id"]].encode())
    if "main" in entries:
        assert entries["main"].facts["parts"] == sorted({s["part"] for s in read["main"]})
    return found


@pytest.mark.parametrize("unit", ["block", "line"])
def test_the_tasks_equal_the_plain_walk(unit, tmp_path, monkeypatch):
    edited = dropped = 0
    for seed in range(60):
        rng = random.Random(f"{unit} {seed}")
        monkeypatch.setattr(cuts, "_FLUSH", rng.choice([1, 3, 1000]))
        root = tmp_path / str(seed)
        folder, attempt = root / "documents", root / "edits" / "attempts" / "0f"
        folder.mkdir(parents=True)
        rules = Rules(unit, rng.randrange(1, 6), rng.randrange(1, 4), rng.choice(["longest", "id"]))
        members = write_parts(rng, folder, 14)
        wanted = walk(((m["source"], m["doc_id"], m["text"]) for m in members), *vars_of(rules))
        assert by_tasks(rng, members, folder, attempt, rules) == wanted, seed
        dropped += list(wanted.values()).count(None)
        edited += len(wanted) - list(wanted.values()).count(None)
    assert edited > 30 and dropped > 10


def vars_of(rules: Rules) -> tuple:
    return rules.unit, rules.min_words, rules.max_copies, rules.keep


def test_a_dropped_documents_paragraphs_count_for_nobody():
    """The short rest of a dropped document is below the floor, so it was never counted."""
    texts = [("s", b"1", "one two three\n\nfour five six"), ("s", b"2", "one two three\n\nx"),
             ("s", b"3", "x\n\nfour five six\n\none two")]  # fmt: skip
    assert walk(texts, "block", 3, 1, "id") == {b"2": None, b"3": "x\n\none two"}


def test_documents_that_are_not_what_was_judged_are_refused(tmp_path):
    members = write_parts(random.Random(5), tmp_path, 9)
    members[0]["doc_id"] = b"another document"
    with pytest.raises(DatasetDamaged, match="other documents than"):
        list(cuts.texts_of(iter(table_of(members).to_batches()), str(tmp_path)))
    members[0]["row"] = 99
    with pytest.raises(DatasetDamaged, match="has no row 99"):
        list(cuts.texts_of(iter(table_of(members[:1]).to_batches()), str(tmp_path)))
