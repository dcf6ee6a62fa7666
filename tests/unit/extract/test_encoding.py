"""Test that bytes are decoded as browsers do: precedence, labels, and the one departure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pile_curate.extract.encoding import charset_of, codec_of, decode

UMLAUT = "Größe – “ja”"


@pytest.mark.parametrize(
    ("data", "charset", "by", "encoding"),
    [
        (b"\xef\xbb\xbf" + UMLAUT.encode(), "windows-1252", "bom", "utf-8"),
        (UMLAUT.encode("utf-16"), "utf-8", "bom", "utf-16-le"),
        (UMLAUT.encode("cp1252"), "ISO-8859-1", "transport", "cp1252"),
        (b"<meta charset=utf-8>" + UMLAUT.encode("cp1252"), "latin1", "transport", "cp1252"),
        (b"<meta charset=' WINDOWS-1252 '>" + UMLAUT.encode("cp1252"), "", "meta", "cp1252"),
        (b'<!-- <meta charset=koi8-r> --><meta charset="utf-8">' + UMLAUT.encode(), "", "meta", "utf-8"),
        (
            b'<META content="text/html; charset=iso-8859-1" http-equiv=Content-Type>'
            + UMLAUT.encode("cp1252"),
            "no-such-charset",
            "meta",
            "cp1252",
        ),
        (b'<?xml version="1.0" encoding="windows-1252"?><p>' + UMLAUT.encode("cp1252"), "", "meta", "cp1252"),
        (b"<meta charset=utf-16>" + UMLAUT.encode(), "", "meta", "utf-8"),
        (b" " * 2000 + b"<meta charset=windows-1252>" + UMLAUT.encode("cp1252"), "", "late_meta", "cp1252"),
        (UMLAUT.encode(), "", "utf8", "utf-8"),
        (b"<meta name=charset content=koi8-r>" + UMLAUT.encode(), "", "utf8", "utf-8"),
        (UMLAUT.encode("cp1252"), "utf-8", "repaired", "cp1252"),
    ],
)
def test_precedence(data: bytes, charset: str, by: str, encoding: str) -> None:
    got = decode(data, charset)
    assert (got.by, got.encoding) == (by, encoding)
    assert UMLAUT in got.text


def test_bytes_without_a_label_are_guessed() -> None:
    text = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 5
    got = decode(text.encode("cp1251"))
    assert got.by == "guess" and got.text == text


def test_one_broken_character_stays_broken() -> None:
    got = decode(b"<meta charset=utf-8>" + b"word " * 1000 + b"\xff")
    assert got.by == "meta" and got.text.endswith("\ufffd")


def test_meta_is_not_read_in_plain_text() -> None:
    assert decode(b"<meta charset=koi8-r> \xc3\xa9", markup=False).by == "utf8"


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("latin1", "cp1252"),
        ("us-ascii", "cp1252"),
        (" GB2312 ", "gb18030"),
        ("ks_c_5601-1987", "cp949"),
        ("sjis", "cp932"),
    ]
    + [("rot13", None), ("zlib", None), ("unicode_escape", None), ("x", None), ("idna", None)],
)
def test_labels_mean_what_browsers_mean(label: str, codec: str | None) -> None:
    assert codec_of(label) == codec


def test_charset_of_content_type() -> None:
    assert charset_of("text/html;charset='utf-8'") == "utf-8"
    assert charset_of("text/html; boundary=x") == ""


@given(
    st.binary(max_size=300),
    st.sampled_from(["", "utf-8", "gbk", "shift_jis", "utf-16le", "iso-2022-jp", "big5"]),
)
def test_decoding_never_fails(data: bytes, charset: str) -> None:
    decode(b"<meta charset=" + data[:20] + b">" + data, charset).text.encode()
