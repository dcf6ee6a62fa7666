"""Decode bytes from the web as browsers do (WHATWG Encoding and HTML standards).

Order: byte-order mark, the transport's charset, ``<meta>`` or an XML declaration in the first 1,024 bytes,
a later ``<meta>`` (a browser that finds one while still unsure starts again with it), then the bytes
themselves: valid UTF-8 is UTF-8, everything else is guessed by resiliparse. Labels mean what browsers
mean by them: ``iso-8859-1`` is windows-1252, ``gb2312`` is GB 18030. A label can only ever choose one of
the standard's encodings, never an arbitrary Python codec. Decoding never fails; what cannot be decoded
becomes U+FFFD.

One departure from browsers: a page declared UTF-8 in which more than one character in 500 is broken comes
from a server with a wrong default. A browser shows question marks; nobody should train on those, so the
bytes are asked instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PRESCAN_BYTES = 1024
LATE_META_BYTES = 1 << 16
BROKEN_ONE_IN = 500
DETECT_BYTES = 1 << 17

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_LABEL = rb"\s*([\"']?)\s*([A-Za-z0-9._:+-]{1,40})"
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.S)
_META = re.compile(rb"<meta[\s/]((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>?", re.I)
_CHARSET = re.compile(rb"(?:^|[\s/\"'])charset[ \t\r\n\f]*=" + _LABEL, re.I)
_CONTENT = re.compile(rb"(?:^|[\s/\"'])content\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.I)
_HTTP_EQUIV = re.compile(rb"http-equiv[ \t\r\n\f]*=[ \t\r\n\f]*[\"']?content-type", re.I)
_IN_CONTENT = re.compile(rb"charset[ \t\r\n\f]*=" + _LABEL, re.I)
_XML = re.compile(rb"\A<\?xml[^>]{0,200}?encoding[ \t\r\n]*=" + _LABEL, re.I)
_PARAMETER = re.compile(r";[ \t]*charset[ \t]*=[ \t]*[\"']?([A-Za-z0-9._:+-]{1,40})", re.I)

# Python's codecs of these names are subsets of what the standard's labels stand for.
_WIDER = {
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "ascii": "cp1252",
    "latin-1": "cp1252",
    "iso8859-1": "cp1252",
}
_PLAIN_NAMES = {"cp1252": "windows-1252", "cp1251": "windows-1251", "cp1250": "windows-1250"}


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, the Python codec, and what chose it: bom, transport, meta, late_meta, utf8, guess, repaired."""

    text: str
    encoding: str
    by: str


def codec_of(label: str) -> str | None:
    """Return the Python codec for an encoding label as browsers understand it; None for an unknown one.

    >>> codec_of("ISO-8859-1"), codec_of("gb2312"), codec_of("rot13")
    ('cp1252', 'gb18030', None)
    """
    from resiliparse.parse.encoding import map_encoding_to_html5

    name = map_encoding_to_html5(label.strip().lower(), False)
    return None if name is None else _WIDER.get(name, name)


def charset_of(content_type: str) -> str:
    """Return the charset parameter of a Content-Type header, or an empty string.

    >>> charset_of('text/html; charset="UTF-8"')
    'UTF-8'
    """
    found = _PARAMETER.search(content_type)
    return found[1] if found else ""


def _declared(head: bytes) -> str | None:
    """Return the codec that an XML declaration or a ``<meta>`` in ``head`` names.

    UTF-16 cannot be what an ASCII-readable declaration says, so it means UTF-8 (HTML standard, prescan).
    """
    label = b""
    if xml := _XML.match(head):
        label = xml[2]
    else:
        for meta in _META.finditer(_COMMENT.sub(b"", head)):
            attributes = meta[1]
            if direct := _CHARSET.search(attributes):
                label = direct[2]
            elif _HTTP_EQUIV.search(attributes) and (content := _CONTENT.search(attributes)):
                value = content[1] or content[2] or content[3] or b""
                if inside := _IN_CONTENT.search(value):
                    label = inside[2]
            if label and codec_of(label.decode("ascii")):
                break
    codec = codec_of(label.decode("ascii")) if label else None
    if label.lower() == b"x-user-defined":
        return "cp1252"
    return "utf-8" if codec and codec.startswith("utf-16") else codec


def _guess(data: bytes) -> str:
    from resiliparse.parse.encoding import detect_encoding

    # The guess looks at markup-free bytes best, but a wrong guess costs less than a second parse.
    name = detect_encoding(data, max_len=DETECT_BYTES)
    return _WIDER.get(name, name) if name else "cp1252"


def _declared_text(data: bytes, codec: str, by: str) -> Decoded:
    text = data.decode(codec, "replace")
    if codec == "utf-8" and text.count("\ufffd") * BROKEN_ONE_IN > len(text):
        guess = _guess(data)
        return Decoded(data.decode(guess, "replace"), guess, "repaired")
    return Decoded(text, codec, by)


def decode(data: bytes, charset: str = "", *, markup: bool = True) -> Decoded:
    """Return the text. ``charset`` is the transport's label; ``markup`` lets ``<meta>`` speak."""
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return Decoded(data[len(mark) :].decode(codec, "replace"), codec, "bom")
    if charset and (chosen := codec_of(charset)):
        return _declared_text(data, chosen, "transport")
    if markup and (chosen := _declared(data[:PRESCAN_BYTES])):
        return _declared_text(data, chosen, "meta")
    if markup and (chosen := _declared(data[:LATE_META_BYTES])):
        return _declared_text(data, chosen, "late_meta")
    try:
        return Decoded(data.decode("utf-8"), "utf-8", "utf8")
    except UnicodeDecodeError:
        chosen = _guess(data)
        return Decoded(data.decode(chosen, "replace"), chosen, "guess")


def public_name(codec: str) -> str:
    """Return a codec's everyday name for metadata (``windows-1252`` for ``cp1252``)."""
    return _PLAIN_NAMES.get(codec, codec)
