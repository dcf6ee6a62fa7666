"""Members of a zip as streams: one pass, everything before a damage, counts and hash as for any raw file."""

from __future__ import annotations

import hashlib
import io
import random
import struct
import zipfile
from pathlib import Path

import pytest

from pile_curate.counters import PatternCounter, RecordCounter
from pile_curate.discovery import RawFile
from pile_curate.errors import CorruptInput
from pile_curate.files import Caps, Tally
from pile_curate.zip_stream import ZipStream
from pile_curate.zips import zip_members

NOISE = random.Random(3).randbytes(300_000)


class Sink(io.RawIOBase):
    """A file that cannot be sought: zipfile then writes data descriptors."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)


def packed(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, streamed: bool = False) -> bytes:
    sink = Sink() if streamed else io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return bytes(sink.data) if isinstance(sink, Sink) else sink.getvalue()


def read(
    path: Path, data: bytes, caps: Caps | None = None
) -> tuple[list[tuple[str, bytes, str]], str, Tally]:
    """Return (name, bytes, reject) by member, the last error, and the tally."""
    path.write_bytes(data)
    tally, found, error = Tally(), [], ""
    try:
        with ZipStream(
            RawFile(str(path), path.name, len(data)), tally, lambda: PatternCounter(b"#"), caps or Caps()
        ) as archive:
            for member in archive:
                parts: list[bytes] = []
                try:
                    parts.extend(member.chunks())
                except CorruptInput as caught:
                    error = caught.why
                    parts += []
                found.append((member.name, b"".join(parts), member.reject))
                if "bomb" in error:
                    break
    except CorruptInput as caught:
        error = caught.why
    (entry,) = tally.files
    assert entry.sha256 == hashlib.sha256(data).hexdigest() and entry.bytes == len(data)
    return found, error, tally


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_reads_what_zipfile_reads(tmp_path: Path, method: int, streamed: bool) -> None:
    members = (("a.txt", b"#one#" * 100_000), ("folder/b.bin", NOISE), ("empty", b""))
    found, error, tally = read(tmp_path / "x.zip", packed(*members, method=method, streamed=streamed))
    assert [(name, data) for name, data, _ in found] == list(members) and not error
    assert tally.files[0].complete and tally.records == 200_000 + NOISE.count(b"#")
    assert tally.text_bytes == 500_000 + 300_000


def test_pieces_are_small_and_unread_members_are_passed_over(tmp_path: Path) -> None:
    data = packed(("big", bytes(5_000_000)), ("last", b"#"))
    (tmp_path / "x.zip").write_bytes(data)
    tally = Tally()
    with ZipStream(
        RawFile(str(tmp_path / "x.zip"), "x.zip", len(data)), tally, RecordCounter, Caps(ratio=10_000)
    ) as archive:
        sizes = [max((len(p) for p in m.chunks()), default=0) for m in archive if m.name == "big"]
    assert sizes == [1 << 18] and tally.records == 1
    assert tally.files[0].sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_broken_off_download_gives_what_came(tmp_path: Path, streamed: bool) -> None:
    whole = packed(("a", b"#first"), ("b", NOISE + NOISE), streamed=streamed)
    for cut in (5, 31, 60, 3000, len(whole) // 2, len(whole) - 30):
        found, error, tally = read(tmp_path / "x.zip", whole[:cut])
        assert error and not tally.files[0].complete
        got = {name: data for name, data, _ in found}
        if cut >= 60:
            assert got["a"] == b"#first"
        if cut > 4000:
            assert (NOISE + NOISE).startswith(got["b"]) and len(got["b"]) > cut * 0.9 - 4000
        assert tally.records == sum(data.count(b"#") for data in got.values())


def test_a_flipped_bit_ends_a_member_and_not_the_zip(tmp_path: Path) -> None:
    whole = bytearray(packed(("a", b"word " * 9000), ("b", b"#second"), method=zipfile.ZIP_STORED))
    whole[400] ^= 1
    found, error, _ = read(tmp_path / "x.zip", bytes(whole))
    assert "checksum" in error and found[1][1] == b"#second"


def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("../up.txt", b"#")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, b"/etc/passwd")
        archive.writestr(zipfile.ZipInfo("folder/"), b"")
        squeezed = zipfile.ZipInfo("squeezed")
        squeezed.compress_type = zipfile.ZIP_BZIP2
        archive.writestr(squeezed, b"#" * 100)
        archive.writestr("good", b"#")
    found, error, tally = read(tmp_path / "x.zip", sink.getvalue())
    assert [reject for _, _, reject in found] == ["unsafe_path", "link", "unsupported", ""]
    assert not error and tally.records == 1


def test_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    whole = packed(("x", b"#"), ("good", b"#"), method=zipfile.ZIP_STORED)
    entry = whole.index(b"PK\x01\x02")
    # The name's length becomes 0 and the extra field's 1, so that the directory still adds up.
    nameless = whole[: entry + 28] + b"\0\0\1\0" + whole[entry + 32 :]
    found, _, tally = read(tmp_path / "x.zip", nameless)
    assert [reject for _, _, reject in found] == ["unsafe_path", ""] and tally.records == 1
    file = RawFile(str(tmp_path / "x.zip"), "x.zip", len(nameless))
    assert [member.reject for member in zip_members(file, Tally(), Caps())] == ["unsafe_path", ""]


def test_overlapping_members_and_bombs_are_stopped(tmp_path: Path) -> None:
    whole = bytearray(packed(("a", b"#" * 50), ("b", b"#" * 50), method=zipfile.ZIP_STORED))
    second = whole.rfind(b"PK\x01\x02")
    struct.pack_into("<L", whole, second + 42, 0)  # the second entry points to the first one's header
    found, _, tally = read(tmp_path / "x.zip", bytes(whole))
    assert sorted(reject for _, _, reject in found) == ["", "corrupt"] and tally.records == 50
    bomb = packed(("bomb", bytes(8 << 20)))
    _, error, _ = read(tmp_path / "x.zip", bomb, Caps(ratio=100, ratio_after=1 << 20))
    assert "bomb" in error


def test_no_zip_at_all(tmp_path: Path) -> None:
    for data in (b"", b"PK\x03\x04", NOISE[:5000], b"\n" * 3000):
        found, error, tally = read(tmp_path / "x.zip", data)
        assert not found and error and tally.records == 0
