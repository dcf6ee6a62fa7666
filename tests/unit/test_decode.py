"""Known answers and damages for the decompressors, one set for all four formats."""

import bz2
import gzip
import lzma
import random

import pytest
import zstandard

from pile_curate.decode import Damage, Decoder, sniff


def packed_zst(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": packed_zst}
CODECS = sorted(PACK)


def source_of(data, step=1 << 18):
    state = [0]

    def read(size):
        piece = data[state[0] : state[0] + min(size, step)]
        state[0] += len(piece)
        return piece

    return read


def unpack(data, codec, limit=1 << 16, step=1 << 18, base=0):
    decoder = Decoder(source_of(data, step), codec, base)
    out, members = b"", []
    while piece := decoder.read(limit):
        out += piece
        members.append(decoder.member)
    return out, members


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("step", [1, 7, 1 << 18])
def test_members_of_any_size_come_back_whole(codec, step):
    parts = [b"", b"a", noise(3000), b"line\n" * 5000, b""]
    data = b"".join(PACK[codec](part) for part in parts)
    out, _ = unpack(data, codec, step=step)
    assert out == b"".join(parts)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("limit", [1, 2, 1000, 1 << 20])
def test_the_size_of_the_steps_does_not_matter(codec, limit):
    parts = [noise(300), b"the same again " * 3000, b"", b"z"]
    out, _ = unpack(b"".join(PACK[codec](part) for part in parts), codec, limit=limit)
    assert out == b"".join(parts)


@pytest.mark.parametrize("codec", CODECS)
def test_damage_is_met_again_on_every_later_read(codec):
    decoder = Decoder(source_of(PACK[codec](b"text" * 100)[:-3]), codec)
    seen = b""
    for _ in range(3):
        with pytest.raises(Damage, match="truncated"):
            while True:
                seen += decoder.read(7)
    assert (b"text" * 100).startswith(seen)


@pytest.mark.parametrize("codec", CODECS)
def test_member_offsets_are_where_the_members_begin(codec):
    parts = [PACK[codec](b"first" * 100), PACK[codec](b"second" * 100)]
    out, members = unpack(b"".join(parts), codec, base=1000)
    assert sorted(set(members)) == [1000, 1000 + len(parts[0])]
    assert out == b"first" * 100 + b"second" * 100


@pytest.mark.parametrize("codec", CODECS)
def test_sniff_knows_each_format_by_content(codec):
    assert sniff(PACK[codec](b"x")) == codec
    assert sniff(PACK[codec](b"")[:10]) == codec


@pytest.mark.parametrize(
    "text", [b"", b"BZh", b"BZh9 is a fine name", b"<mediawiki>", b"\x1f\x8b", b"(\xb5", b"7zXZ"]
)
def test_sniff_leaves_text_alone(text):
    assert sniff(text) == ""


@pytest.mark.parametrize("codec", CODECS)
def test_every_truncation_is_seen(codec):
    data = PACK[codec](b"hello world\n" * 20) + PACK[codec](b"again\n" * 10)
    border = len(PACK[codec](b"hello world\n" * 20))
    for cut in range(1, len(data)):
        if cut == border:
            continue
        with pytest.raises(Damage):
            unpack(data[:cut], codec)


@pytest.mark.parametrize("codec", CODECS)
def test_output_before_a_truncation_is_given(codec):
    text = noise(400_000)
    data = PACK[codec](text)
    decoder = Decoder(source_of(data[: len(data) * 3 // 4]), codec)
    out = b""
    with pytest.raises(Damage, match="truncated"):
        while True:
            out += decoder.read(1 << 16)
    assert text.startswith(out)
    assert len(out) >= (0 if codec == "bz2" else 200_000)  # bz2 works in blocks of 900 kB


@pytest.mark.parametrize("codec", CODECS)
def test_trailing_garbage_is_damage(codec):
    with pytest.raises(Damage, match="trailing"):
        unpack(PACK[codec](b"text") + b"garbage", codec)


@pytest.mark.parametrize("codec", ["gz", "zst", "bz2", "xz"])
def test_a_flipped_checksum_is_damage(codec):
    data = bytearray(PACK[codec](b"some text that is checked" * 10))
    where = {"gz": -6, "zst": -2, "bz2": -3, "xz": -3}[codec]
    data[where] ^= 0x55
    with pytest.raises(Damage):
        unpack(bytes(data), codec)


def test_zero_padding_is_allowed_where_the_format_allows_it():
    assert unpack(gzip.compress(b"a") + b"\0" * 511, "gz")[0] == b"a"
    assert unpack(lzma.compress(b"a") + b"\0" * 8 + lzma.compress(b"b") + b"\0" * 4, "xz")[0] == b"ab"
    with pytest.raises(Damage, match="multiple of 4"):
        unpack(lzma.compress(b"a") + b"\0" * 3, "xz")
    with pytest.raises(Damage, match="trailing"):
        unpack(bz2.compress(b"a") + b"\0" * 4, "bz2")


def test_zstd_skippable_frames_are_skipped():
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    data = skippable + packed_zst(b"a") + skippable + packed_zst(b"b") + skippable
    assert unpack(data, "zst")[0] == b"ab"
    with pytest.raises(Damage):
        unpack(data[:-2], "zst")


def test_one_step_never_makes_much_of_little():
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(256 << 20))
    decoder = Decoder(source_of(bomb), "zst")
    total = biggest = 0
    while piece := decoder.read(1 << 16):
        biggest = max(biggest, len(piece))
        total += len(piece)
    assert total == 256 << 20
    assert biggest <= (1 << 16) + (128 << 10)


def test_consumed_counts_raw_bytes():
    data = gzip.compress(b"a") + gzip.compress(b"b")
    decoder = Decoder(source_of(data), "gz", 10)
    assert decoder.read(100) == b"a"
    assert decoder.consumed <= 10 + len(data)
    assert decoder.read(100) == b"b"
    assert decoder.read(100) == b""
    assert decoder.consumed == 10 + len(data)


@pytest.mark.parametrize("level", [1, 3, 19])
@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("content_size", [False, True])
def test_zstd_frames_of_every_shape(level, checksum, content_size):
    text = noise(150_000) + bytes(300_000) + b"some words " * 30_000
    one_shot = zstandard.ZstdCompressor(level, write_checksum=checksum, write_content_size=content_size)
    streamed = zstandard.ZstdCompressor(level, write_checksum=checksum).compressobj()
    pieces = [streamed.compress(text[:100]), streamed.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)]
    pieces += [streamed.compress(text[100:]), streamed.flush()]
    data = one_shot.compress(text) + b"".join(pieces) + one_shot.compress(b"")
    assert unpack(data, "zst")[0] == text + text
    assert unpack(data, "zst", step=1000)[0] == text + text
