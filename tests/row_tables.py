"""Make small tables, read them back as rows, and write them minus some rows."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from pile_curate.row_files import (
    Columns,
    plan,
    read_split,
    table_schema,
)
from pile_curate.row_writers import write_kept

C = Columns()


def parquet(path, table, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path, **options)
    return path


def narrow(files, columns=C, **options):
    """Read everything back as one list of dicts, with the file's name."""
    return [
        {"file": split.file.relative, **row}
        for split in plan(files, options.pop("split_bytes", 1 << 28))
        for batch in read_split(split, columns, **options)
        for row in batch.to_pylist()
    ]


def keep(files, out, dropped=(), columns=C, schema="table", split_bytes=1 << 28, **options):
    """Write the files minus rows given as (relative, row)."""
    gone = set(dropped)

    def of(split):
        return np.array([r for f, r in gone if f == split.file.relative and inside(split, r)], np.int64)

    def inside(split, row):
        return split.start_row <= row and (split.stop_row is None or row < split.stop_row)

    agreed = table_schema(files, columns) if schema == "table" else schema
    return write_kept(plan(files, split_bytes), of, str(out), "part", agreed, columns, **options)


def texts(files, columns=C, **options):
    return [row["text"] for row in narrow(files, columns, **options)]


PACK = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
UNPACK = {
    "": bytes,
    ".gz": gzip.decompress,
    ".zst": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


def lines(path, content, pack=""):
    path = path.with_name(path.name + pack)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PACK[pack](content))
    return path
