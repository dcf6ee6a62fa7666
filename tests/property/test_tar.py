"""The reader of tar archives and the counter are two programs that must never disagree."""

import io
import tarfile

from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.archives import TarCounter, members
from pile_curate.errors import CorruptInput

KINDS = [
    tarfile.REGTYPE,
    tarfile.AREGTYPE,
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.DIRTYPE,
    tarfile.CONTTYPE,
    b"Z",
]
NAMES = st.sampled_from(["a", "dir/", "b" * 120, "é/ü", "../x", "c" * 300 + "/d"])
ENTRY = st.tuples(NAMES, st.sampled_from(KINDS), st.integers(0, 1300))


def make(entries, form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, kind, size in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            carries = kind not in (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE)
            info.size = size if carries and not (kind == tarfile.AREGTYPE and name.endswith("/")) else 0
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    return out.getvalue()


def both(data, step):
    counter = TarCounter()

    class Fed(io.BytesIO):
        def read(self, size=-1):
            piece = super().read(size)
            for at in range(0, len(piece), step):
                counter.feed(piece[at : at + step])
            return piece

    seen, failed = [], False
    try:
        for member in members(Fed(data)):
            seen.append(member)
    except CorruptInput:
        failed = True
    return seen, counter.close(), failed


def sum_again(data, at):
    """Give a mutated header block a correct checksum, so that the mutation is believed."""
    block = bytearray(data[at : at + 512])
    if len(block) == 512 and any(block):
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        data[at : at + 512] = block


@given(
    st.lists(ENTRY, max_size=6),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True, allow_subnormal=False), st.integers(0, 255)), max_size=6
    ),
    st.floats(0, 1, allow_subnormal=False),
    st.booleans(),
    st.sampled_from([1, 100, 512, 5000]),
)
@settings(max_examples=250, deadline=None)
def test_reader_and_counter_agree_on_damaged_archives(entries, form, flips, cut, believed, step):
    data = bytearray(make(entries, form))
    length = len(data.rstrip(b"\0")) + 1
    for where, value in flips:
        at = int(where * length)
        data[at] = value
        if believed:
            sum_again(data, at // 512 * 512)
    data = bytes(data[: int(len(data) * cut)])
    seen, counted, failed = both(data, step)
    assert len(seen) == counted
    assert failed or not any(m.reject == "truncated" for m in seen)


@given(st.lists(ENTRY, max_size=8), st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
@settings(max_examples=60, deadline=None)
def test_the_reader_agrees_with_tarfile_on_sound_archives(entries, form):
    data = make(entries, form)
    seen, counted, failed = both(data, 4096)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        expected = [info for info in tar.getmembers() if not info.isdir()]
    assert not failed
    assert counted == len(expected)
    assert [m.size for m in seen] == [info.size for info in expected]
    assert [len(m.data) for m in seen if not m.reject] == [m.size for m in seen if not m.reject]
