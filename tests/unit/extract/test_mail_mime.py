"""Test reading mail messages: headers, which parts are text, labels that lie, and messages built to exhaust a reader."""

from __future__ import annotations

import base64
import time

import pytest

from pile_curate.extract.mail_mime import MailError, addresses, iso_date, read_message, words

HEAD = b"From: a@b.example\nSubject: x\n"


def texts(data: bytes) -> list[str]:
    return [part.text.strip() for part in read_message(data).parts]


def multipart(kind: str, *parts: bytes) -> bytes:
    body = b"".join(b"--b\n" + part + b"\n" for part in parts)
    return HEAD + b"Content-Type: multipart/%s; boundary=b\n\n%s--b--\nepilogue\n" % (kind.encode(), body)


PLAIN = b"Content-Type: text/plain; charset=utf-8\n\nThe plain words are here, and they are enough of them.\n"
HTML = b"Content-Type: text/html\n\n<p>The <b>marked</b> words are here &amp; well.</p>\n"


def test_plain_is_preferred_in_an_alternative_whatever_the_order():
    for parts in ((PLAIN, HTML), (HTML, PLAIN)):
        assert texts(multipart("alternative", *parts)) == [
            "The plain words are here, and they are enough of them."
        ]


def test_a_stub_beside_real_html_loses():
    stub = b"Content-Type: text/plain\n\nUse another reader.\n"
    long = b"Content-Type: text/html\n\n<p>" + b"Many words in a row. " * 20 + b"</p>\n"
    assert texts(multipart("alternative", stub, long))[0].startswith("Many words")


def test_html_alone_is_read_and_mixed_parts_follow_each_other():
    assert texts(multipart("mixed", HTML, PLAIN)) == [
        "The marked words are here & well.",
        "The plain words are here, and they are enough of them.",
    ]


def test_attachments_are_left_out_and_counted():
    named = b'Content-Type: text/plain; name="log.txt"\n\nnot for reading\n'
    marked = b"Content-Type: text/plain\nContent-Disposition: attachment\n\nnot either\n"
    image = b"Content-Type: image/png\n\nxx\n"
    mail = read_message(multipart("mixed", PLAIN, named, marked, image))
    assert len(mail.parts) == 1 and mail.attachments == 3


def test_an_attached_message_is_a_part_of_its_own():
    inner = b"Content-Type: message/rfc822\n\nSubject: within\nFrom: c@d\n\nthe inner text\n"
    parts = read_message(multipart("mixed", PLAIN, inner)).parts
    assert (parts[1].kind, parts[1].subject, parts[1].text) == ("message", "within", "the inner text")


def test_a_lost_boundary_is_taken_from_the_body():
    data = multipart("mixed", PLAIN, HTML).replace(b"; boundary=b", b"")
    assert len(texts(data)) == 2
    assert texts(HEAD + b"Content-Type: multipart/mixed\n\nno parts at all") == ["no parts at all"]


def test_a_digest_holds_messages_without_saying_so():
    mail = read_message(multipart("digest", b"\nSubject: one\n\nfirst", b"\nSubject: two\n\nsecond"))
    assert [(part.subject, part.text.strip()) for part in mail.parts] == [("one", "first"), ("two", "second")]


@pytest.mark.parametrize(
    ("label", "data", "text"),
    [
        ("us-ascii", "café".encode(), "café"),
        ("iso-8859-1", "“café”".encode("cp1252"), "“café”"),
        ("utf-8", "naïve Äpfel und Öl".encode("cp1252"), "naïve Äpfel und Öl"),
        ("iso-2022-jp", "日本語".encode("iso2022_jp"), "日本語"),
        ("no-such-charset", b"plain", "plain"),
        ("utf-7", b"caf+AOk-", "café"),
        ("koi8-r", "привет".encode("koi8-r"), "привет"),
        ("rot13", b"uryyb", "uryyb"),
    ],
)
def test_charsets_and_their_wrong_labels(label, data, text):
    assert texts(HEAD + b"Content-Type: text/plain; charset=%s\n\n%s" % (label.encode(), data)) == [text]


def test_transfer_encodings_and_what_is_left_of_them():
    head = HEAD + b"Content-Transfer-Encoding: "
    assert texts(head + b"quoted-printable\n\nna=C3=AFve and so=\n on =zz") == ["naïve and so on =zz"]
    packed = base64.b64encode(b"The whole sentence.")
    assert texts(head + b"BASE64\n\n" + packed) == ["The whole sentence."]
    assert texts(head + b"base64\n\n" + packed[:-5])[0].startswith("The whole sen")
    assert texts(head + b"base64\n\n!" + packed[:8] + b"\r\n*" + packed[8:]) == ["The whole sentence."]
    assert texts(head + b"x-unknown\n\nas it stands") == ["as it stands"]


def test_headers():
    mail = read_message(
        b"From: =?utf-8?q?J=C3=BCrgen?= <j@x.example>\nSUBJECT: folded\n  line\nsubject: second\n"
        b"X-Raw: \xe9t\xe9\nbroken line without colon\n\nbody"
    )
    assert mail.headers["subject"] == "folded line"
    assert addresses(mail.headers["from"]) == [("Jürgen", "j@x.example")]
    assert words("=?no-such?q?abc?= =?utf-8?b?***?=")
    assert addresses("ann at list.example (Ann Other)") == [("Ann Other", "ann@list.example")]


def test_dates():
    assert iso_date("Tue, 14 Nov 2000 08:22:00 -0800 (PST)") == "2000-11-14T16:22:00+00:00"
    for bad in (
        "",
        "yesterday",
        "Tue, 99 Nov 2000 99:22:00",
        "Tue, 14 Nov 99999999999 08:22:00 +0000",
        "\0" * 50,
    ):
        assert iso_date(bad) == ""


@pytest.mark.parametrize("data", [b"", b"no header\n\nbody", b"\0\1\2", b": empty name\n\n", b"\n\nbody"])
def test_what_is_no_message(data):
    with pytest.raises(MailError) as error:
        read_message(data)
    assert error.value.reason == "not_a_message"


def nested(depth: int) -> bytes:
    out = b"Content-Type: multipart/mixed; boundary=b0\n\n"
    for level in range(depth):
        out += b"--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n" % (level, level + 1)
    return HEAD + out


HOSTILE = {
    "nested multiparts": (nested(1000), "nested_too_deep"),
    "the same boundary at every level": (multipart("mixed", *[b"Content-Type: multipart/mixed; boundary=b\n\n"] * 900), ""),
    "a million parts": (multipart("mixed", *[b"\n\nx"] * 200_000), "too_many_parts"),
    "nested messages": (HEAD + b"Content-Type: message/rfc822\n\nSubject: x\n" * 3000, ""),
    "a header of 50 MB": (b"Subject: " + b"x" * 50_000_000 + b"\n\nbody", "headers_too_large"),
    "a million header lines": (b"A: b\n" * 1_000_000 + b"\nbody", "headers_too_large"),
    "ten thousand short lines": (b"A:\n" * 10_000 + b"\nbody", "headers_too_large"),
    "semicolons": (HEAD + b"Content-Type: text/plain" + b";" * 200_000 + b"\n\nbody", ""),
    "quotes": (HEAD + b'Content-Type: text/plain; a="' + b'\\";' * 60_000 + b"\n\nbody", ""),
    "addresses": (b"From: " + b"<(" * 100_000 + b"\nTo: " + b'"' * 20_000 + b"\n\nbody", ""),
    "encoded words": (b"Subject: " + b"=?utf-8?q?" * 20_000 + b"\n\nbody", ""),
    "tags": (HEAD + b"Content-Type: text/html\n\n" + b"<div>" * 100_000 + b"deep", ""),
    "entities": (HEAD + b"Content-Type: text/html\n\n<p>" + b"&amp;amp;" * 50_000, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_messages_end_soon(name):
    data, reason = HOSTILE[name]
    start = time.process_time()
    try:
        mail = read_message(data)
        for value in mail.headers.values():
            words(value)
            addresses(value)
        assert not reason
    except MailError as error:
        assert error.reason == reason
    assert time.process_time() - start < 1.0
