"""Checksum files in their dialects, and files that cannot be what their names say."""

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pile_curate.fetch import checks, sums
from pile_curate.fetch.settings import Refused

MD5, SHA1, SHA256 = "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # fmt: skip
PAGE = b"  <!-- sorry -->\n<HTML><body>404</body></HTML>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{MD5}  a.gz\n{SHA1} *b.gz", {"a.gz": ("md5", MD5), "b.gz": ("sha1", SHA1)}),
        (f"MD5(pubmed26n0001.xml.gz)= {MD5.upper()}", {"pubmed26n0001.xml.gz": ("md5", MD5)}),
        (f"SHA256 (a (1).gz) = {SHA256}", {"a (1).gz": ("sha256", SHA256)}),
        (f"{SHA256}\n", {"": ("sha256", SHA256)}),
        (f"{MD5}  ./d/a.gz\n{SHA256}  d/a.gz", {"d/a.gz": ("sha256", SHA256)}),
        (f"# none\n\n{MD5[:-1]}  a\nhello world\n{MD5}x  b", {}),
        (f"\\{MD5}  odd\\nname", {"odd\\nname": ("md5", MD5)}),
    ],
)
def test_checksum_files(text, expected):
    assert sums.parse(text) == expected


def test_the_checksum_of_one_file():
    assert sums.of_file(f"{MD5}  other/a.gz\n{SHA1}  b.gz", "a.gz", "s") == ("md5", MD5)
    assert sums.of_file(MD5, "a.gz", "s") == ("md5", MD5)
    with pytest.raises(Refused, match="holds no checksum for 'a.gz'"):
        sums.of_file(f"{MD5}  x/a.gz\n{SHA1}  y/a.gz\n", "a.gz", "s")
    with pytest.raises(Refused, match="holds no checksum"):
        sums.of_file("<html>", "a.gz", "s")


def archives():
    raw = b"some text, and more of it\n" * 50
    packed, tape, table = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("a", raw)
    with tarfile.open(fileobj=tape, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("a"))
    pq.write_table(pa.table({"a": [1]}), table)
    old = bytearray(512)
    old[:1], old[148:156] = b"a", b"        "
    old[148:156] = f"{sum(old):06o}\0 ".encode()
    seven = (
        b"7z\xbc\xaf\x27\x1c\0\4"
        + bytes(4)
        + (10).to_bytes(8, "little")
        + (5).to_bytes(8, "little")
        + bytes(19)
    )
    return {
        "a.gz": gzip.compress(raw, mtime=0), "a.tar.bz2": bz2.compress(raw), "a.xz": lzma.compress(raw), "a.zip": packed.getvalue(),
        "a.zst": zstandard.compress(raw), "a.tar": tape.getvalue(), "old.tar": bytes(old), "empty.tar": bytes(1024),
        "a.parquet": table.getvalue(), "a.7z": seven, "a.pdf": b"%PDF-1.4\n%%EOF", "a.xml": b"\xef\xbb\xbf\n<r/>",
        "b.xml": gzip.compress(b"<r/>", mtime=0), "a.json": b"{}", "a.txt": b"text <html>", "a.html": PAGE, "page": PAGE, "a.csv": b"",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "data"), archives().items())
def test_formats_are_recognised_and_cut_ones_noticed(name, data, tmp_path):
    assert checks.head_problem(name, data[: checks.HEAD], len(data)) == ""
    assert checks.tail_problem(name, data[: checks.HEAD], data[-checks.TAIL :], len(data)) == ""
    if checks.proves_its_end(name):
        cut = data[:-3]
        assert checks.tail_problem(name, cut[: checks.HEAD], cut[-checks.TAIL :], len(cut)) != ""
    file = tmp_path / "f"
    for kept, whole in ((data, True), (data[:-3], False)):
        file.write_bytes(kept)
        problem = checks.end_problem(name, str(file))
        assert problem is None or (problem == "") is whole


@pytest.mark.parametrize(
    "name", ["a.gz", "a.tar.bz2", "a.xz", "a.zip", "a.zst", "a.tar", "a.parquet", "a.7z", "a.pdf", "a.xml", "a.json", "a.txt", "a.warc"]
)  # fmt: skip
def test_pages_and_nonsense_are_refused(name):
    page = checks.head_problem(name, PAGE, len(PAGE))
    assert "HTML page" in page or name.endswith(".xml")
    text = name.rpartition(".")[2] in ("json", "txt")
    assert (checks.head_problem(name, b"\1\2 nothing of the kind", 23) == "") is text


def test_members_of_several_streams_and_padding(tmp_path):
    file = tmp_path / "f"
    two = (
        gzip.compress(b"a" * 100, mtime=0)
        + gzip.compress(hashlib.shake_256(b"x").digest(200_000))
        + bytes(512)
    )
    file.write_bytes(two)
    assert checks.end_problem("a.gz", str(file)) == ""
    file.write_bytes(two[:-600])
    assert "cut off" in checks.end_problem("a.gz", str(file))
    file.write_bytes(gzip.compress(b"a", mtime=0) + b"rubbish")
    assert "damaged" in checks.end_problem("a.gz", str(file))
