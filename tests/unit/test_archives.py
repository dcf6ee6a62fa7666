"""Archive members: all of them, in order, nothing dangerous, and as many as the independent count."""

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib

import pytest
import zstandard

from pile_curate.archives import TarCounter, members, unsafe
from pile_curate.errors import CorruptInput, InputError, LimitExceeded
from pile_curate.files import Caps, RawFile, Tally
from pile_curate.zips import zip_count


def entry(name, kind=tarfile.REGTYPE, **more):
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def make_tar(entries, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for item in entries:
            if isinstance(item, tarfile.TarInfo):
                tar.addfile(item)
            else:
                name, data = item
                tar.addfile(entry(name, size=len(data)), io.BytesIO(data))
    return out.getvalue()


def make_zip(entries, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for item, data in entries:
            archive.writestr(item, data)
    return out.getvalue()


def read(tmp_path, data, caps=None, name="a.archive"):
    """Return (members, tally, error message or "")."""
    path = tmp_path / name
    path.write_bytes(data)
    tally, found, error = Tally(), [], ""
    try:
        for member in members(RawFile(str(path), name, len(data)), tally=tally, caps=caps or Caps()):
            found.append(member)
    except CorruptInput as caught:
        error = str(caught)
    assert tally.records == len(found)
    assert [m.index for m in found] == list(range(len(found)))
    assert all((m.data is None) == bool(m.reject) for m in found)
    return found, tally, error


LONG = "deep/" * 60 + "file.txt"
PLAIN = [("a.txt", b"alpha"), ("./dir/b.txt", b""), (LONG, b"long " * 500), ("café.txt", b"x" * 512)]
PLAIN_NAMES = ["a.txt", "dir/b.txt", LONG, "café.txt"]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_tar_members_come_back(tmp_path, form, pack):
    found, tally, error = read(tmp_path, pack(make_tar([entry("dir", tarfile.DIRTYPE), *PLAIN], form)))
    assert error == ""
    assert [(m.name, m.data) for m in found] == list(zip(PLAIN_NAMES, [d for _, d in PLAIN], strict=True))
    assert tally.files[0].complete


def test_ustar_prefixes_are_joined(tmp_path):
    name = "p" * 80 + "/" + "q" * 60
    found, _, error = read(tmp_path, make_tar([(name, b"1")], tarfile.USTAR_FORMAT))
    assert ([m.name for m in found], error) == ([name], "")


def test_zip_members_come_back(tmp_path):
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        found, tally, error = read(tmp_path, make_zip([("dir/", b""), *PLAIN], method))
        assert error == ""
        assert [(m.name, m.data) for m in found] == list(zip(PLAIN_NAMES, [d for _, d in PLAIN], strict=True))
        assert tally.files[0].complete


def test_empty_archives_are_complete(tmp_path):
    for data in (make_tar([]), make_zip([])):
        found, tally, error = read(tmp_path, data)
        assert (found, error, tally.files[0].complete) == ([], "", True)


def test_nested_archives_are_ordinary_members(tmp_path):
    inner = make_zip([("x", b"y")])
    found, _, _ = read(tmp_path, make_tar([("inner.zip", inner)]))
    assert found[0].data == inner


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a/../../b", "..", "C:\\x", "c:/x", "\\\\host\\x", "a\\..\\b", "\\x"]
)
def test_unsafe_names_are_refused(tmp_path, name):
    assert unsafe(name)
    for data in (make_tar([(name, b"x"), ("ok", b"y")]), make_zip([(name, b"x"), ("ok", b"y")])):
        found, _, error = read(tmp_path, data)
        assert [m.reject for m in found] == ["unsafe_path", ""]
        assert error == ""


@pytest.mark.parametrize("name", ["a..b", "...", "a/b..", "C", "x:y", "~/a", "a b"])
def test_odd_but_harmless_names_pass(name):
    assert not unsafe(name)


def test_links_and_devices_in_tar_are_refused(tmp_path):
    entries = [
        entry("hard", tarfile.LNKTYPE, linkname="a"),
        entry("soft", tarfile.SYMTYPE, linkname="/etc/passwd"),
        entry("char", tarfile.CHRTYPE),
        entry("block", tarfile.BLKTYPE),
        entry("pipe", tarfile.FIFOTYPE),
        ("last", b"data"),
    ]
    found, _, error = read(tmp_path, make_tar(entries))
    assert [m.reject for m in found] == ["link", "link", "device", "device", "device", ""]
    assert error == ""


def test_links_encrypted_and_unusual_methods_in_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("soft")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    pipe = zipfile.ZipInfo("pipe")
    pipe.external_attr = (stat.S_IFIFO | 0o777) << 16
    lzma_entry = zipfile.ZipInfo("lzma")
    lzma_entry.compress_type = zipfile.ZIP_LZMA
    data = bytearray(
        make_zip([(link, b"/etc"), (pipe, b""), (lzma_entry, b"x" * 99), ("secret", b"s"), ("ok", b"k")])
    )
    at = data.rfind(b"secret") - 46
    data[at + 8] |= 1  # the encryption flag in the central directory
    found, _, error = read(tmp_path, bytes(data))
    assert [m.reject for m in found] == ["link", "device", "unsupported", "encrypted", ""]
    assert error == ""


def test_members_above_the_cap_are_refused_and_the_rest_is_read(tmp_path):
    entries = [("small", b"s"), ("large", b"l" * 5000), ("small2", b"t")]
    for data in (make_tar(entries), make_zip(entries)):
        found, _, error = read(tmp_path, data, Caps(member_bytes=1000))
        assert [(m.name, m.reject) for m in found] == [("small", ""), ("large", "too_large"), ("small2", "")]
        assert error == ""


def test_a_zip_bomb_of_many_members_is_stopped_by_the_sum(tmp_path):
    data = make_zip([(f"{i}", bytes(1 << 20)) for i in range(40)])
    found, _, error = read(tmp_path, data, Caps(ratio=100, ratio_after=4 << 20))
    kept = sum(len(m.data) for m in found if m.data is not None)
    assert kept <= 100 * len(data) + (4 << 20)
    assert {m.reject for m in found} == {"", "too_large"}
    assert len(found) == 40


def test_a_tar_bomb_is_stopped_by_its_ratio(tmp_path):
    data = gzip.compress(make_tar([("a", b"x"), ("zeros", bytes(16 << 20)), ("z", b"")]))
    found, _, error = read(tmp_path, data, Caps(ratio=100, ratio_after=1 << 20))
    assert "100:1" in error
    assert [(m.name, m.reject) for m in found] == [("a", ""), ("zeros", "truncated")]


def test_too_many_members_are_a_limit(tmp_path):
    path = tmp_path / "t.tar"
    path.write_bytes(make_tar([(str(i), b"") for i in range(10)]))
    tally = Tally()
    with pytest.raises(LimitExceeded, match="more than 4 members"):
        list(members(str(path), tally=tally, caps=Caps(members=4)))


def test_a_tar_truncated_anywhere_yields_what_was_whole_and_counts_agree(tmp_path):
    data = make_tar([entry("d", tarfile.DIRTYPE), *PLAIN])
    whole = {name: body for name, body in zip(PLAIN_NAMES, [d for _, d in PLAIN], strict=True)}
    for cut in range(0, len(data.rstrip(b"\0")), 97):
        found, tally, error = read(tmp_path, data[:cut])
        assert error
        assert all(whole[m.name] == m.data for m in found if not m.reject)
        assert [m.reject for m in found][:-1] == [""] * (len(found) - 1)


def test_a_damaged_tar_header_is_an_error_not_the_end(tmp_path):
    data = bytearray(make_tar([("a", b"1"), ("b", b"2"), ("c", b"3")]))
    data[1024 + 10] ^= 0xFF
    found, tally, error = read(tmp_path, bytes(data))
    assert [m.name for m in found] == ["a"]
    assert "bad tar header" in error
    assert tally.files[0].sha256


def test_a_tar_without_its_end_mark_is_reported(tmp_path):
    found, _, error = read(tmp_path, make_tar([("a", b"1")])[:1024])
    assert [m.name for m in found] == ["a"]
    assert "end mark" in error


def test_data_behind_the_end_mark_is_reported(tmp_path):
    found, _, error = read(tmp_path, make_tar([("a", b"1")]) + make_tar([("b", b"2")]))
    assert [m.name for m in found] == ["a"]
    assert "behind the end" in error


def test_plain_text_is_no_tar(tmp_path):
    found, _, error = read(tmp_path, b"hello " * 200)
    assert found == []
    assert "bad tar header" in error


def test_a_monstrous_extension_header_is_not_believed(tmp_path):
    info = entry("x", tarfile.XHDTYPE, size=1 << 30)
    found, _, error = read(tmp_path, info.tobuf(tarfile.USTAR_FORMAT) + bytes(4096))
    assert found == []
    assert "extension header" in error


def test_pax_sizes_override_the_header(tmp_path):
    body = b"z" * 1500
    record = b"18 size=1500\n"
    record = b"%d size=1500\n" % (len(b"13 size=1500\n"))
    head = entry("ext", tarfile.XHDTYPE, size=len(record)).tobuf(tarfile.USTAR_FORMAT)
    data = head + record.ljust(512, b"\0") + entry("big", size=3).tobuf(tarfile.USTAR_FORMAT)
    data += body.ljust(1536, b"\0") + bytes(1024)
    found, _, error = read(tmp_path, data)
    assert (found[0].data, found[0].size, error) == (body, 1500, "")


def test_a_damaged_compressed_tar_yields_members_before_the_damage(tmp_path):
    data = gzip.compress(make_tar([(f"{i}", os.urandom(2000)) for i in range(20)]))
    found, tally, error = read(tmp_path, data[: len(data) // 2])
    assert 5 < len(found) < 15
    assert found[-1].reject == "truncated"
    assert "gz stream is truncated" in error
    assert not tally.files[0].complete


def test_a_truncated_zip_yields_what_its_local_headers_give(tmp_path):
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        data = make_zip([(f"{i}.txt", os.urandom(3000)) for i in range(10)], method)
        found, tally, error = read(tmp_path, data[:-30])
        assert ([m.reject for m in found], bool(error)) == ([""] * 10, True)
        found, tally, error = read(tmp_path, data[: len(data) // 2])
        assert [m.reject for m in found] == [""] * (len(found) - 1) + ["truncated"]
        assert 4 <= len(found) <= 6
        assert "end record" in error
        assert not tally.files[0].complete


def test_a_streamed_zip_is_salvaged_too(tmp_path):
    class Unseekable(io.RawIOBase):
        def __init__(self):
            self.data = b""

        def writable(self):
            return True

        def write(self, data):
            self.data += bytes(data)
            return len(data)

    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(5):
            archive.writestr(f"{i}", os.urandom(500))
    found, _, error = read(tmp_path, out.data[:-25])
    assert [m.reject for m in found] == [""] * 5
    assert error


def test_a_wrong_crc_in_a_zip_costs_that_member_only(tmp_path):
    data = bytearray(make_zip([("a", b"first" * 50), ("b", b"second" * 50)], zipfile.ZIP_STORED))
    data[data.find(b"first")] ^= 1
    found, _, error = read(tmp_path, bytes(data))
    assert ([m.reject for m in found], error) == (["corrupt", ""], "")


def test_a_zip_that_lies_about_a_size_is_bounded_by_what_it_states(tmp_path):
    data = bytearray(make_zip([("a", bytes(1_000_000)), ("b", b"ok")]))
    at = data.rfind(b"PK\x01\x02", 0, data.rfind(b"PK\x01\x02"))
    struct.pack_into("<L", data, at + 24, 100)  # uncompressed size in the directory
    found, _, _ = read(tmp_path, bytes(data))
    assert [m.reject for m in found] == ["corrupt", ""]


def test_zip_count_does_not_count_directories_and_believes_no_prefix(tmp_path):
    path = tmp_path / "z"
    path.write_bytes(b"#!/bin/sh\n" + make_zip([("d/", b""), ("a", b"1"), ("d/b", b"2")]))
    assert zip_count(str(path)) == 2
    path.write_bytes(make_zip([("a", b"1")])[:-4])
    with pytest.raises(CorruptInput, match="end record"):
        zip_count(str(path))


def test_a_missing_archive_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no archive"):
        list(members(str(tmp_path / "none.tar")))


def test_an_open_stream_is_walked_as_tar():
    found = list(members(io.BytesIO(make_tar([("a", b"1")]))))
    assert [(m.name, m.data) for m in found] == [("a", b"1")]


@pytest.mark.parametrize("step", [1, 511, 512, 513, 10_000])
def test_tar_counter_counts_alike_in_any_cut(step):
    data = make_tar([entry("d", tarfile.DIRTYPE), *PLAIN, entry("l", tarfile.SYMTYPE, linkname="a")])
    counter = TarCounter()
    for at in range(0, len(data), step):
        counter.feed(memoryview(data)[at : at + step])
    assert counter.close() == 5


def test_old_directories_are_files_whose_name_ends_in_a_slash(tmp_path):
    info = bytearray(entry("olddir/x").tobuf(tarfile.USTAR_FORMAT))
    info[7:8], info[156:157] = b"\0", b"\0"
    info[148:156] = b" " * 8
    info[148:156] = b"%06o\0 " % sum(info)
    found, _, error = read(tmp_path, bytes(info) + make_tar([("f", b"1")]))
    assert ([m.name for m in found], error) == (["f"], "")


def test_crc_of_salvaged_members_is_checked(tmp_path):
    data = bytearray(make_zip([("a", b"first" * 50)], zipfile.ZIP_STORED))
    data[data.find(b"first")] ^= 1
    found, _, error = read(tmp_path, bytes(data[:-22]))
    assert [m.reject for m in found] == ["corrupt"]
    assert error
    assert zlib.crc32(b"first" * 50)
