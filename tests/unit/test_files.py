"""Reading raw files: what is handed out, counted, hashed and refused."""

import bz2
import gzip
import hashlib
import io
import lzma
import random

import pytest
import zstandard

from pile_curate.errors import CorruptInput, InputError, LimitExceeded
from pile_curate.files import (
    Caps,
    FileCounter,
    PatternCounter,
    RawFile,
    RecordCounter,
    Tally,
    atomic_write,
    sha256_file,
)

PACK = {
    "": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
COMPRESSED = ["bz2", "gz", "xz", "zst"]


def raw_file(tmp_path, data, name="file.bin"):
    path = tmp_path / name
    path.write_bytes(data)
    return RawFile(str(path), name, len(data))


def opened(tmp_path, data, counter=None, **more):
    tally = Tally()
    return tally, tally.open(raw_file(tmp_path, data), counter or RecordCounter(), **more)


@pytest.mark.parametrize("codec", sorted(PACK))
def test_a_file_is_read_counted_and_hashed_in_one_pass(tmp_path, codec):
    text = b"".join(b"line %d\n" % i for i in range(50_000))
    data = PACK[codec](text)
    tally, stream = opened(tmp_path, data, PatternCounter(b"\n"))
    with stream:
        assert stream.codec == codec
        assert stream.read() == text
        assert stream.position == len(text)
        assert stream.read(5) == b""
    (entry,) = tally.files
    assert entry.complete and entry.damage == ""
    assert (tally.records, tally.raw_bytes, tally.text_bytes) == (50_000, len(data), len(text))
    assert entry.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", ["x.gz", "x.tar.bz2", "x.XZ", "x.jsonl.zst", "x.tgz"])
@pytest.mark.parametrize("data", [b"\x1f", b"<html>404 not found</html>"])
def test_a_file_named_as_compressed_that_is_not_is_damage(tmp_path, name, data):
    tally = Tally()
    with tally.open(raw_file(tmp_path, data, name), RecordCounter()) as stream, pytest.raises(CorruptInput):
        stream.read(1)
    assert "not a" in tally.files[0].damage


def test_an_empty_file_is_complete_and_has_no_record(tmp_path):
    tally, stream = opened(tmp_path, b"")
    with stream:
        assert list(stream.lines()) == []
    assert tally.files[0].complete
    assert tally.records == 0


def test_file_counter_counts_even_the_empty_file(tmp_path):
    tally, stream = opened(tmp_path, b"", FileCounter())
    stream.close()
    assert tally.records == 1


def test_read_gives_exactly_what_was_asked_for(tmp_path):
    text = random.Random(2).randbytes(1_000_000)
    _, stream = opened(tmp_path, gzip.compress(text))
    with stream:
        assert stream.read(0) == b""
        assert stream.read(3) == text[:3]
        assert stream.read(700_000) == text[3:700_003]
        buffer = bytearray(10)
        assert stream.readinto(buffer) == 10
        assert bytes(buffer) == text[700_003:700_013]
        assert stream.read(None) == text[700_013:]


def test_it_works_as_the_base_of_a_buffered_reader(tmp_path):
    _, stream = opened(tmp_path, gzip.compress(b"a\nb\nc"))
    with io.BufferedReader(stream) as reader:
        assert reader.readlines() == [b"a\n", b"b\n", b"c"]


@pytest.mark.parametrize("text", [b"a\r\nb\rc\n\n\nd", b"\n", b"no end", b"\r", b"x" * 600_000 + b"\ny\n"])
def test_lines_split_at_newline_only(tmp_path, text):
    _, stream = opened(tmp_path, text)
    with stream:
        lines = list(stream.lines())
    assert b"".join(lines) == text
    assert len(lines) == text.count(b"\n") + (not text.endswith(b"\n"))
    assert all(line.index(b"\n") == len(line) - 1 for line in lines[:-1])


def test_a_line_beyond_the_cap_is_refused_after_being_given(tmp_path):
    tally, stream = opened(
        tmp_path, b"ok\n" + b"x" * 3_000_000 + b"\nlast\n", caps=Caps(line_bytes=1_000_000)
    )
    seen = []
    with stream, pytest.raises(LimitExceeded, match="a line is longer than 1000000"):
        for line in stream.lines():
            seen.append(line)
    assert seen[0] == b"ok\n"
    assert 1_000_000 < len(seen[1]) < 1_600_000
    assert "line" in tally.files[0].damage


@pytest.mark.parametrize("codec", COMPRESSED)
def test_everything_before_a_truncation_is_handed_out_then_raised(tmp_path, codec):
    text = b"".join(b"%d\n" % i for i in range(300_000))
    data = PACK[codec](text[:1_000_000]) + PACK[codec](text[1_000_000:])
    cut = len(PACK[codec](text[:1_000_000])) + 40
    tally, stream = opened(tmp_path, data[:cut], PatternCounter(b"\n"))
    out = b""
    with stream:
        with pytest.raises(CorruptInput, match="truncated") as caught:
            while True:
                out += stream.read(65_536)
        with pytest.raises(CorruptInput):
            stream.read(1)
    assert caught.value.path == "file.bin"
    assert caught.value.offset == len(out) >= 1_000_000
    assert text.startswith(out)
    assert tally.records == out.count(b"\n")
    assert not tally.files[0].complete
    assert tally.files[0].sha256 == hashlib.sha256(data[:cut]).hexdigest()


@pytest.mark.parametrize("codec", COMPRESSED)
def test_a_broken_checksum_costs_no_byte_before_it(tmp_path, codec):
    text = b"".join(b"record %d\n" % i for i in range(20_000))
    broken = bytearray(PACK[codec](text))
    index = 12 + 4 * (1 + int.from_bytes(broken[-8:-4], "little"))  # xz: the block's check is before these
    broken[{"gz": -6, "zst": -2, "bz2": -3, "xz": -index - 4}[codec]] ^= 0x10
    _, stream = opened(tmp_path, bytes(PACK[codec](text) + broken))
    out = b""
    with stream, pytest.raises(CorruptInput):
        while True:
            out += stream.read(100_000)
    assert out.startswith(text)
    assert (text + text).startswith(out)
    assert len(out) > 2 * len(text) - 10


def test_gz_salvage_reaches_the_very_byte_of_the_damage(tmp_path):
    text = random.Random(3).randbytes(200_000)
    sizes = b"\xff\xff\x00\x00"  # 65,535 and its complement
    blocks = [b"\x00" + sizes + text[i * 65_535 : (i + 1) * 65_535] for i in range(3)]
    blocks[2] = b"\x00\xff\xff\xff\xff" + blocks[2][5:]  # its length no longer matches the complement
    _, stream = opened(tmp_path, gzip.compress(b"")[:10] + b"".join(blocks))
    out = b""
    with stream, pytest.raises(CorruptInput):
        while True:
            out += stream.read(1)
    assert text.startswith(out)
    assert len(out) == 2 * 65_535


def test_trailing_garbage_comes_after_the_last_good_byte(tmp_path):
    _, stream = opened(tmp_path, gzip.compress(b"good") + b"this is not gzip")
    with stream:
        assert stream.read(100) == b"good"
        with pytest.raises(CorruptInput, match="trailing bytes"):
            stream.read(1)


@pytest.mark.parametrize("codec", ["gz", "zst", "bz2", "xz"])
def test_a_bomb_is_stopped_by_its_ratio(tmp_path, codec):
    data = PACK[codec](bytes(12 << 20))
    tally, stream = opened(tmp_path, data, caps=Caps(ratio=200, ratio_after=1 << 20))
    with stream, pytest.raises(LimitExceeded, match="200:1"):
        while stream.read(1 << 16):
            pass
    assert not tally.files[0].complete
    assert tally.files[0].sha256 == hashlib.sha256(data).hexdigest()


def test_the_size_cap_hands_out_exactly_the_cap(tmp_path):
    _, stream = opened(tmp_path, gzip.compress(b"abc" * 100_000), caps=Caps(file_bytes=1000))
    with stream:
        assert len(stream.read(5000)) == 1000
        with pytest.raises(LimitExceeded, match="larger than 1000 bytes"):
            stream.read(1)


def test_stopping_early_still_hashes_the_whole_file_but_is_not_complete(tmp_path):
    data = gzip.compress(random.Random(4).randbytes(3_000_000))
    tally, stream = opened(tmp_path, data)
    with stream:
        stream.read(10)
    (entry,) = tally.files
    assert not entry.complete
    assert entry.text_bytes == 10
    assert entry.sha256 == hashlib.sha256(data).hexdigest()


def test_the_counter_sees_what_was_handed_out_and_drain_shows_it_the_rest(tmp_path):
    tally, stream = opened(tmp_path, b"ab" * 1000, PatternCounter(b"ab"))
    with stream:
        stream.read(20)
        assert stream._counter.count == 10
        assert stream.drain() == 1980
    assert tally.records == 1000
    assert tally.files[0].complete


def test_a_range_is_exactly_its_bytes(tmp_path):
    data = b"0123456789" * 100
    tally, stream = opened(tmp_path, data, start=95, stop=305)
    with stream:
        assert stream.position == 95
        assert stream.read() == data[95:305]
        assert stream.position == 305
    (entry,) = tally.files
    assert (entry.start, entry.stop, entry.bytes, entry.complete) == (95, 305, 210, True)
    assert entry.sha256 == hashlib.sha256(data[95:305]).hexdigest()


def test_a_range_of_plain_text_is_never_taken_for_a_gzip(tmp_path):
    data = b"plain\n" + gzip.compress(b"inner")
    _, stream = opened(tmp_path, data, start=6)
    with stream:
        assert stream.read() == data[6:]


def test_a_range_of_bz2_members_knows_where_each_begins(tmp_path):
    parts = [bz2.compress(b"part %d\n" % i * 50) for i in range(5)]
    starts = [sum(map(len, parts[:i])) for i in range(6)]
    _, stream = opened(tmp_path, b"".join(parts), start=starts[1], stop=starts[4])
    with stream:
        chunks = list(stream.chunks())
    assert [chunk.member for chunk in chunks] == starts[1:4]
    assert [chunk.data for chunk in chunks] == [b"part %d\n" % i * 50 for i in (1, 2, 3)]
    assert [chunk.offset for chunk in chunks] == [0, 350, 700]


def test_a_file_that_shrank_since_it_was_listed_is_damage(tmp_path):
    file = raw_file(tmp_path, b"abc")
    tally = Tally()
    with tally.open(RawFile(file.path, file.rel, 10), RecordCounter()) as stream:
        assert stream.read(10) == b"abc"
        with pytest.raises(CorruptInput, match="7 bytes shorter"):
            stream.read(1)
    assert not tally.files[0].complete


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot open"):
        Tally().open(RawFile(str(tmp_path / "none"), "none", 1), RecordCounter())


def test_remote_addresses_are_read_like_local_files(tmp_path):
    data = gzip.compress(b"from afar\n" * 1000)
    file = raw_file(tmp_path, data)
    tally = Tally()
    with tally.open(RawFile(f"file://{file.path}", "x", len(data)), PatternCounter(b"\n")) as stream:
        assert sum(1 for _ in stream.lines()) == 1000
    assert tally.files[0].complete
    assert sha256_file(f"file://{file.path}") == (hashlib.sha256(data).hexdigest(), len(data))


def test_an_unknown_scheme_says_what_is_understood(tmp_path):
    with pytest.raises(InputError, match="s3://"):
        sha256_file("gopher://x/y")


def test_pattern_counter_refuses_the_empty_pattern():
    with pytest.raises(ValueError, match="at least one byte"):
        PatternCounter(b"")


def test_atomic_write_replaces_and_leaves_no_debris(tmp_path):
    path = tmp_path / "x"
    atomic_write(str(path), b"one")
    atomic_write(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_failed_atomic_write_keeps_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "x"
    atomic_write(str(path), b"one")

    def refuse(*_):
        raise OSError("disk on fire")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match="fire"):
        atomic_write(str(path), b"two")
    assert path.read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
