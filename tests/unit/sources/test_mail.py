"""Test the mail source: maildirs, mbox framing and its quirks, archives, keys, policies, splits."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from pile_curate.files import RawFile
from pile_curate.sources.base import Raw, Reject
from pile_curate.sources.mail import MailOptions, MailSource
from pile_curate.sources.mbox import MailCounter, MessageReader
from tests.source_harness import Extracted, extract

FROM = "From a@b.example Fri Mar  4 09:12:44 2005\n"


def mail(number: int, text: str = "Some words of my own.") -> str:
    return f"From: a@b.example\nSubject: s{number}\nMessage-ID: <{number}@b.example>\n\n{text}\n"


def run(tmp_path: Path, data: str | bytes, name: str = "a.mbox", **options: object) -> Extracted:
    (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
    result = extract("mail", tmp_path, [name], options)
    assert result.records == result.tally.records
    return result


def test_mbox_messages_and_their_keys(tmp_path):
    result = run(tmp_path, "".join(FROM + mail(n) + "\n" for n in range(3)))
    assert result.keys() == ["0@b.example", "1@b.example", "2@b.example"]
    assert [d.title for d in result.documents] == ["s0", "s1", "s2"]


def test_a_message_without_an_id_is_named_by_its_place(tmp_path):
    result = run(tmp_path, FROM + mail(0) + "\n" + FROM + "Subject: no id\n\nwords\n")
    assert result.keys()[1] == f"a.mbox:{len(FROM + mail(0)) + 1}"


@pytest.mark.parametrize(
    "separator",
    [
        "From gray at kiln.example  Fri Mar  4 09:12:44 2005",
        "From - Fri Mar 04 09:12:44 2005",
        "From 1234@xxx Thu Jan 01 00:00:00 +0000 2010",
        "From MAILER-DAEMON Fri, 4 Mar 2005 9:12 +0100",
        "From ???@??? Fri Mar 04 09:12:44 2005 remote from kiln\r",
    ],
)
def test_separators_as_programs_write_them(tmp_path, separator):
    assert len(run(tmp_path, f"{separator}\n{mail(0)}{separator}\n{mail(1)}").documents) == 2


@pytest.mark.parametrize(
    "line",
    [
        "From what I read it is late.",
        "From 10:00 to 12:00 on Fri 4 Mar 2005 we met\nand talked",
        "From a@b.example Fri Mar  4 2005",
        "From the year 2005, Mon 12:00\n\nOn",
    ],
)
def test_lines_that_only_begin_like_separators(tmp_path, line):
    (only,) = run(tmp_path, FROM + mail(0, f"Before.\n\n{line}\nAfter.")).documents
    assert line.split("\n")[0] in only.text


def test_escaped_lines_lose_one_mark_in_an_mbox_only(tmp_path):
    text = "Own words.\n\n>From me to you.\n\nMore own words, so that the line above is no history."
    assert "\n\nFrom me to you." in run(tmp_path, FROM + mail(0, text)).documents[0].text
    assert "> From me" in run(tmp_path, mail(0, text), "1.").documents[0].text


def test_content_length_is_not_believed(tmp_path):
    first = mail(0).replace("\n\n", "\nContent-Length: 99999\n\n", 1)
    assert len(run(tmp_path, FROM + first + FROM + mail(1)).documents) == 2


def test_what_precedes_the_first_separator_is_reported(tmp_path):
    assert run(tmp_path, "junk\n" + FROM + mail(0)).reasons == {"no_separator": 1}
    assert run(tmp_path, "\n \n" + FROM + mail(0)).reasons == {}
    assert run(tmp_path, "\n \n").reasons == {"empty_file": 1}


def test_single_messages_and_gzip(tmp_path):
    assert run(tmp_path, mail(1), "1.").keys() == ["1."]
    assert run(tmp_path, gzip.compress(mail(1).encode()), "note.eml.gz").keys() == ["note.eml.gz"]
    assert run(tmp_path, gzip.compress((FROM + mail(1)).encode()), "2005-March.txt.gz").keys() == [
        "1@b.example"
    ]
    assert run(tmp_path, mail(1), "12.host:2,RS").keys() == ["12.host"]


def test_apples_emlx(tmp_path):
    text = mail(1)
    (document,) = run(tmp_path, f"{len(text)}      \n{text}<?xml version='1.0'?><plist/>", "7.emlx").documents
    assert document.text == "Some words of my own."


def test_the_limit_holds_and_memory_stays_small(tmp_path):
    huge = mail(1, "x" * 70 + "\n") + "y" * 300_000 + "\n"
    result = run(tmp_path, FROM + mail(0) + FROM + huge + FROM + mail(2), max_message_bytes=100_000)
    assert result.reasons == {"record_too_large": 1} and len(result.documents) == 2
    assert run(tmp_path, huge, "1.", max_message_bytes=100_000).reasons == {"record_too_large": 1}


class _Endless:
    """A stream of many bytes that are never all in memory."""

    def __init__(self, begin: bytes, filler: bytes, count: int) -> None:
        self._pieces = iter([begin, *([filler] * count)])
        self.position = 0

    def read(self, size: int) -> bytes:
        piece = next(self._pieces, b"")
        self.position += len(piece)
        return piece


def test_an_endless_line_is_passed_over():
    import tracemalloc

    for begin in (FROM.encode() + b"Subject: x\n\n", b"Subject: x\n\n"):
        tracemalloc.start()
        reader = MessageReader(_Endless(begin, b"z" * (1 << 20), 100), "f", None, 4 << 20)  # type: ignore[arg-type]
        (reject,) = reader.frames()
        assert (
            isinstance(reject, Reject)
            and reject.reason == "record_too_large"
            and reject.raw_bytes > 100 << 20
        )
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
        tracemalloc.stop()


def test_large_mbox_files_are_cut_at_messages_only(tmp_path):
    data = "".join(
        FROM + mail(n, f"Words of number {n}.\n\n>From here\nFrom here on\n" + "z" * (n % 700)) + "\n"
        for n in range(150)
    )
    path = tmp_path / "all.mbox"
    path.write_text(data)
    whole = extract("mail", tmp_path, ["all.mbox"])
    assert len(whole.documents) == 150
    source, file = MailSource(), RawFile(str(path), "all.mbox", len(data))
    for target in (300, 1000, 4096, 9000):
        splits = source.splits([file], MailOptions(), target)
        assert len(splits) > 2
        parts = extract("mail", tmp_path, ["all.mbox"], splits=splits[::-1])
        assert parts.records == parts.tally.records == 150
        assert sorted((d.key, d.record, d.text) for d in parts.documents) == sorted(
            (d.key, d.record, d.text) for d in whole.documents
        )


def test_counter_and_framing_agree_on_soup():
    draw = random.Random(5)
    pieces = [b"From ", b"a@b ", b"Mon ", b" Tue, ", b"12:00", b" 2005", b"\n", b"\n", b"Subject:", b">From ", b"x", b"\xff", b" ",
              FROM.encode(), FROM.encode() + b"X: y\n\nbody\n", b"y" * 500, b"y" * 77, b"\r\n", b":"]  # fmt: skip
    for _ in range(400):
        data = b"".join(draw.choice(pieces) for _ in range(draw.randrange(1, 40)))
        for named in (None, True):
            stream = _Endless(b"", b"", 0)
            step = draw.choice([1, 7, 100, 5000])
            stream._pieces = iter([data[i : i + step] for i in range(0, len(data), step)])
            frames = list(MessageReader(stream, "f", named, draw.choice([1 << 30, 700])).frames())  # type: ignore[arg-type]
            counter = MailCounter(bool(named))
            at = 0
            while at < len(data):
                size = draw.choice([1, 3, 600, 3000])
                counter.feed(data[at : at + size])
                at += size
            assert sum(1 if isinstance(f, Raw) else f.records for f in frames) == counter.close(), data


def archive(*entries: tuple[str, bytes, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as out:
        for name, data, kind in entries:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = (
                len(data),
                kind,
                "maildir/a/1." if kind == tarfile.SYMTYPE else "",
            )
            out.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_an_archive_of_a_maildir(tmp_path):
    one = mail(1).encode()
    data = archive(
        ("maildir/o'neal-w/Ünïted & co\\/1.", one, tarfile.REGTYPE),
        ("maildir/o'neal-w/link.", b"", tarfile.SYMTYPE),
        ("../../2.", one, tarfile.REGTYPE),
        ("maildir/.DS_Store", b"x", tarfile.REGTYPE),
        ("maildir/all.mbox", (FROM + mail(2) + FROM + mail(3)).encode(), tarfile.REGTYPE),
        ("maildir/one.mbox", (FROM + mail(4)).encode(), tarfile.REGTYPE),
        ("maildir/packed.gz", gzip.compress(one), tarfile.REGTYPE),
        ("maildir/inner.tar.gz", archive(("x/1.", one, tarfile.REGTYPE)), tarfile.REGTYPE),
    )
    result = run(tmp_path, data, "enron.tar.gz")
    assert result.reasons == {
        "symlink": 1,
        "unsafe_path": 1,
        "not_mail": 1,
        "not_a_message": 1,
    }
    assert result.documents[0].meta["folder"] == "maildir/o'neal-w/Ünïted & co\\"
    assert len(result.documents) == 5
    for cut in (len(data) // 3, len(data) - 9):
        assert run(tmp_path, data[:cut], "enron.tar.gz").rejects


class Unseekable(io.RawIOBase):
    """A file that writers cannot go back in, so that sizes stand behind the data."""

    def __init__(self, buffer):
        self._buffer = buffer

    def writable(self):
        return True

    def write(self, data):
        return self._buffer.write(data)


@pytest.mark.parametrize("kind", ["zip", "zip-streamed", "tgz"])
def test_an_mbox_in_an_archive_is_read_like_a_loose_one(tmp_path, kind):
    box = "".join(FROM + mail(n) for n in range(3)).encode()
    plain = (FROM + mail(9)).encode().replace(b"Message-ID", b"X-Other")
    names = {"Takeout/Mail/All mail.mbox": box, "Takeout/Mail/Inbox": box.replace(b"<", b"<in"), "Takeout/one.mbox": plain,
             "Takeout/Mail/large.mbox": FROM.encode() + mail(7).encode() + b"x" * 5000 + b"\n" + FROM.encode() + mail(8).encode(),
             "Takeout/empty.mbox": b""}  # fmt: skip
    if kind == "tgz":
        name, data = "takeout.tgz", archive(*((path, body, tarfile.REGTYPE) for path, body in names.items()))
    else:
        name, buffer = "takeout.zip", io.BytesIO()
        with zipfile.ZipFile(
            Unseekable(buffer) if kind == "zip-streamed" else buffer, "w", zipfile.ZIP_DEFLATED
        ) as out:
            for path, body in names.items():
                out.writestr(path, body)
        data = buffer.getvalue()
    result = run(tmp_path, data, name, max_message_bytes=4000)
    assert result.reasons == {"record_too_large": 1, "empty_member": 1}
    assert len(result.documents) == 8
    assert {d.key for d in result.documents} >= {f"{name}!Takeout/one.mbox:0"}
    assert len({d.record for d in result.documents}) == 8
    for cut in range(50, len(data), 97):
        run(tmp_path, data[:cut], name)
    packed = run(tmp_path, archive(("a.txt.gz", gzip.compress(box), tarfile.REGTYPE)), "list.tar.gz")
    assert packed.reasons == {"packed_mbox": 1}


@pytest.mark.parametrize(
    ("headers", "text", "reason"),
    [
        ("", "", "empty_body"),
        ("", " -----Original Message-----\nFrom: b\nTo: c\nSubject: d\n\nold", "only_quoted"),
        ("Auto-Submitted: auto-replied\n", "I am away.", "automatic_reply"),
        ("Content-Type: text/calendar\n", "BEGIN:VCALENDAR", "calendar_item"),
        ("Content-Type: multipart/report; boundary=x\n", "--x\n\nnot delivered\n--x--", "bounce"),
        ("", "CALENDAR ENTRY:\tAPPOINTMENT\n\nDescription:\n\tx", "calendar_item"),
        ("Content-Type: image/png\n", "xx", "empty_body"),
    ],
)
def test_policies(tmp_path, headers, text, reason):
    data = f"From: a@b.example\n{headers}\n{text}\n"
    assert run(tmp_path, data, "1.").reasons == {reason: 1}


def test_automatic_mail_can_be_kept(tmp_path):
    data = "From: a@b.example\nAuto-Submitted: auto-replied\n\nI am away.\n"
    assert run(tmp_path, data, "1.", automatic=True).documents[0].text == "I am away."
