"""A dataset's digest and rows do not depend on how its rows were cut into parts."""

import os
import random
import tempfile

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.manifest import begin, verify
from pile_curate.tables import PartWriter, read_rows

SCHEMA = pa.schema([("n", pa.int64()), ("text", pa.string()), ("x", pa.float64()), ("part", pa.string())])
ROW = st.fixed_dictionaries(
    {
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "text": st.none() | st.text(max_size=8),
        "x": st.none() | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    }
)


def make(base, name, groups):
    path = os.path.join(base, name)
    with begin(path, "s") as attempt:
        entries = []
        for index, rows in enumerate(groups):
            with PartWriter(attempt.directory, f"{index}", SCHEMA, row_group_bytes=64) as writer:
                for row in rows:
                    writer.write([{**row, "part": f"{name}/{index}"}])
            entries.append(writer.entry)
        return path, attempt.commit(entries, stage_version=1, fingerprint="", inputs={})


def plain(row):
    return repr(sorted(row.items()))


@given(st.lists(ROW, max_size=8), st.integers(0, 1 << 32).map(random.Random))
@settings(max_examples=25, deadline=None)
def test_cutting_and_order_do_not_matter(rows, random):
    with tempfile.TemporaryDirectory() as base:
        _, one = make(base, "one", [rows])
        shuffled = random.sample(rows, len(rows))
        border = random.randint(0, len(rows))
        path, two = make(base, "two", [shuffled[:border], [], shuffled[border:]])
        assert (one.digest, one.rows) == (two.digest, two.rows)
        assert verify(path, deep=True) == []
        back = read_rows(two.paths(path), ["n", "text", "x"], schema=SCHEMA).to_pylist()
        assert sorted(map(plain, back)) == sorted(map(plain, rows))
