"""Whole documents: encodings, named characters, document types that nobody fetches, and bombs."""

from __future__ import annotations

import time

import pytest

from pile_curate.extract.xml import XmlError
from pile_curate.extract.xml_document import EntityError, parse_document

BOMB = (
    b'<!DOCTYPE a [<!ENTITY l0 "lol">'
    + b"".join(b'<!ENTITY l%d "%s">' % (i, b"&l%d;" % (i - 1) * 10) for i in range(1, 10))
    + b"]><a>&l9;</a>"
)


def text(data: bytes) -> str:
    return "".join(parse_document(data).itertext())


@pytest.mark.parametrize("encoding", ["iso-8859-1", "windows-1252", "utf-8", "iso-8859-2"])
def test_declared_encodings(encoding: str) -> None:
    assert text(f'<?xml version="1.0" encoding="{encoding}"?><a>é ü</a>'.encode(encoding)) == "é ü"


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_marks_and_utf16(codec: str) -> None:
    assert text('<?xml version="1.0" encoding="UTF-16"?><a>é λ</a>'.encode(codec)) == "é λ"


def test_multibyte_encodings() -> None:
    assert text('<?xml version="1.0" encoding="Shift_JIS"?><a>潮</a>'.encode("shift_jis")) == "潮"


def test_wrong_encodings_are_errors() -> None:
    for data in (
        b'<?xml version="1.0" encoding="x-none"?><a/>',
        b"<a>\xe9</a>",
        b'<?xml version="1.0" encoding="big5"?><a>\xff</a>',
    ):
        with pytest.raises(XmlError):
            parse_document(data)


def test_named_characters() -> None:
    assert text(b"<a>&alpha;&ndash;&b.beta; &amp;lt; &#955;&lt;</a>") == "α–β &lt; λ<"
    assert parse_document(b'<a b="&eacute;"/>').get("b") == "é"
    with pytest.raises(XmlError, match="undefined entity"):
        parse_document(b"<!DOCTYPE a SYSTEM 'http://example.invalid/a.dtd'><a>&nosuch;</a>")


def test_declared_characters_and_external_entities() -> None:
    head = b'<!-- c --><!DOCTYPE a PUBLIC "x>" "y[" [<!-- ]> --><!ENTITY u "&#x3bc;g"><!ELEMENT a (b)><!NOTATION n SYSTEM "]">]>'
    assert text(head + b"<a>5 &u;</a>") == "5 μg"
    with pytest.raises(XmlError):
        parse_document(b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>')
    with pytest.raises(XmlError):
        parse_document(b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://example.invalid/"> %p;]><a>&x;</a>')


def test_bombs_are_refused() -> None:
    big = b'<!DOCTYPE a [<!ENTITY x "' + b"A" * 100_000 + b'">]><a>' + b"&x;" * 100_000 + b"</a>"
    for data in (BOMB, big):
        begin = time.process_time()
        with pytest.raises(EntityError):
            parse_document(data)
        assert time.process_time() - begin < 1


def test_rubbish_in_the_prolog_is_read_in_linear_time() -> None:
    begin = time.process_time()
    for piece in (
        b"<!--",
        b"<?a ",
        b"<!DOCTYPE a [",
        b"<!DOCTYPE a [<!ENTITY ",
        b"&a;",
        b"<!DOCTYPE '",
        b'<?xml version="1',
    ):
        with pytest.raises(XmlError):
            parse_document(piece * 50_000)
    assert time.process_time() - begin < 2


def test_namespaces_go() -> None:
    root = parse_document(b'<a xmlns="urn:x" xmlns:m="urn:m"><m:math/></a>')
    assert [element.tag for element in root.iter()] == ["a", "math"]
