"""What runs inside tasks, without Spark: sets through files, damage, order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pile_curate.dedup import DedupSettings, minhash
from pile_curate.dedup.set_files import SetPlace, SetReader, SetWriter
from pile_curate.errors import DatasetDamaged, DatasetError
from pile_curate.spark import walks

SETTINGS = DedupSettings(ngram=2, permutations=4, bands=2, rows=2, threshold=0.5)


def documents(folder: Path) -> list[str]:
    texts = [f"one two three {n}" if n % 4 else "short" * n for n in range(25)]
    pq.write_table(pa.table({"text": texts, "other": range(25)}), folder / "p.parquet", row_group_size=6)
    return texts


def wanted(rows: list[int], shingles: list[int], part: str = "p.parquet") -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"v": [100 + r for r in rows], "part": [part] * len(rows), "row": rows, "shingles": shingles}
    )


def test_sets_of_any_rows_come_back_from_their_files(tmp_path: Path) -> None:
    texts = documents(tmp_path)
    rows = [1, 2, 5, 6, 7, 23]
    sets = minhash.shingle_sets(pa.array([texts[r] for r in rows]), 2, SETTINGS.seed)
    batches = [wanted(rows[:3], [len(s) for s in sets[:3]]), wanted(rows[3:], [len(s) for s in sets[3:]])]
    made = pa.Table.from_batches(
        walks.make_sets(iter(batches), str(tmp_path), str(tmp_path / "sets"), SETTINGS)
    ).to_pylist()
    assert [row["v"] for row in made] == [100 + r for r in rows]
    for budget in (0, 40, 1 << 20):
        reader = SetReader(str(tmp_path / "sets"), budget)
        for row, shingles in zip(made + made, sets + sets, strict=True):
            assert (
                reader.get(SetPlace(row["file"], row["offset"], row["length"])).tolist() == shingles.tolist()
            )
        assert reader._held <= budget
        reader.close()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (wanted([1], [99]), "row 1 has 3 shingles, its annotation says 99"),
        (wanted([25], [3]), "names row 25"),
    ],
)
def test_documents_that_changed_since_annotate_are_damage(
    tmp_path: Path, batch: pa.RecordBatch, message: str
) -> None:
    documents(tmp_path)
    with pytest.raises(DatasetDamaged, match=message):
        list(walks.make_sets(iter([batch]), str(tmp_path), str(tmp_path / "sets"), SETTINGS))


def test_a_truncated_set_file_is_damage(tmp_path: Path) -> None:
    writer = SetWriter(str(tmp_path))
    place = writer.add(np.arange(5, dtype=np.uint64))
    writer.close()
    with pytest.raises(DatasetDamaged, match="ends before shingle 6"):
        SetReader(str(tmp_path)).get(place._replace(length=6))


def test_signatures_of_other_settings_are_damage() -> None:
    batch = pa.RecordBatch.from_pydict({"v": [1], "scope": [0], "split": [0], "signature": [b"12345678"]})
    with pytest.raises(ValueError, match="not 16 bytes long; annotate ran with other settings"):
        list(walks.key_rows(iter([batch]), SETTINGS))


def cluster(components: list[int], order: list[int]) -> pa.RecordBatch:
    n = len(order)
    signature = minhash.signatures(pa.array(["a b c"] * n), ngram=2, permutations=4)[2]
    return pa.RecordBatch.from_pydict(
        {"component": components, "rank1": [0] * n, "rank2": [0] * n, "rank3": order, "doc_id": [b"x"] * n,
         "v": list(range(n)), "scope": [0] * n, "split": [0] * n, "against": [False] * n,
         "text_digest": [b"%d" % i for i in range(n)], "shingles": [2] * n, "signature": signature}
    )  # fmt: skip


def test_rows_out_of_order_and_sets_that_were_not_made_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="component 7 is not in order"):
        list(walks.walk(iter([cluster([7, 7], [2, 1]).slice(0, 2)]), SETTINGS, str(tmp_path), 0))
    with pytest.raises(DatasetError, match="vertex 1 is in a candidate pair but has no shingle set"):
        list(walks.walk(iter([cluster([7, 7], [1, 2])]), SETTINGS, str(tmp_path), 0))


def test_components_may_span_batches(tmp_path: Path) -> None:
    rows = cluster([1, 1, 1, 2, 3, 3], [1, 2, 3, 1, 1, 2])
    cut = [rows.slice(0, 2), rows.slice(2, 3), rows.slice(5)]
    marked = pa.Table.from_batches(walks.prune(iter(cut), SETTINGS, 10))
    assert marked["v"].to_pylist() == [0, 1, 2, 4, 5]
