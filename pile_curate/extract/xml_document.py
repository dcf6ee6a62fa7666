"""Parse a whole XML document whose document type nobody fetches: its encoding, named characters, and no bombs.

Articles and books in XML name their characters by entities (``&alpha;``, ``&ldquo;``) that a document type
declaration would define, far away. Here the declaration is taken off and never resolved; the names of HTML 5 (they
include the ISO sets that JATS and DocBook use) are replaced, and so are entities that the document itself declares
as a few characters. An entity that is more than that, above all one made of other entities, is refused: that is how
a file of a kilobyte becomes gigabytes. Cost: one search of the bytes where there is nothing to do.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.entities import html5

from pile_curate.extract.encoding import codec_of
from pile_curate.extract.xml import XmlError

ENTITY_LENGTH = 64
"""The longest value of an entity that a document may declare for itself, in characters."""

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_DECLARATION = re.compile(r"\A\s*<\?xml\b[^>]{0,400}\?>")
_ENCODING = re.compile(rb"\A\s*<\?xml\b[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
_NAMED = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#[0-9xX][0-9a-fA-F]*);)")
_REFERENCE = re.compile(r"&([A-Za-z][A-Za-z0-9._-]{0,40});")
_ENTITY = re.compile(r"<!ENTITY\s+([A-Za-z_][\w.:-]{0,60})\s+(?:\"([^\"]*)\"|'([^']*)')\s*\Z")
_HARMLESS = re.compile(r"(?:[^&<%]|&#[0-9]{1,7};|&#[xX][0-9a-fA-F]{1,6};|&(?:amp|lt|gt|quot|apos);)*")
_BASIC = frozenset(("amp", "lt", "gt", "quot", "apos"))


class EntityError(XmlError):
    """A document that declares an entity which may stand for much more than its name."""


def parse_document(data: bytes) -> ElementTree.Element:
    """Return a document's root, with local names as tags; raise ``XmlError`` if it is no well-formed XML.

    >>> parse_document(b'<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE a SYSTEM "a.dtd"><a>\\xe9 &alpha;</a>').text
    'é α'
    """
    codec, mark = _codec(data)
    head = data[: 1 << 16]
    if codec != "utf-8" or b"<!DOCTYPE" in head or b"<!ENTITY" in head or _NAMED.search(data):
        data = _plain(data[mark:], codec)
    parser = ElementTree.XMLParser(encoding="utf-8")
    try:
        root = ElementTree.fromstring(data, parser=parser)
    except ElementTree.ParseError as error:
        raise XmlError(str(error)) from error
    except (ValueError, LookupError) as error:
        raise XmlError(f"not text in its encoding ({error})") from error
    for element in root.iter():
        if "}" in element.tag:
            element.tag = element.tag.rpartition("}")[2]
    return root


def _codec(data: bytes) -> tuple[str, int]:
    """Return the codec that a document's first bytes choose, and the length of its byte-order mark."""
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return codec, len(mark)
    if data[:4] in (b"<\0?\0", b"<\0!\0") or data[1:4] == b"\0<\0":
        return "utf-16-le", 0
    if data[:4] in (b"\0<\0?", b"\0<\0!"):
        return "utf-16-be", 0
    declared = _ENCODING.match(data)
    if declared is None:
        return "utf-8", 0
    label = declared[1].decode("ascii")
    codec = codec_of(label) or ""
    if not codec or codec.startswith("utf-16"):  # a declaration that can be read as ASCII is not in UTF-16
        if not codec:
            raise XmlError(f"the encoding {label!r} is not known")
        return "utf-8", 0
    return codec, 0


def _plain(data: bytes, codec: str) -> bytes:
    """Return the document as UTF-8 without declaration and document type, its named characters as numbers."""
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        where = f"byte 0x{data[error.start]:02x} at {error.start}"
        raise XmlError(f"it is not in the encoding that it declares, {codec} ({where})") from error
    text = _DECLARATION.sub("", text, count=1).lstrip()
    declared: dict[str, str] = {}
    begin, end = _document_type(text, declared)
    text = text[:begin] + text[end:]
    if "&" in text:
        text = _REFERENCE.sub(lambda found: _characters(found, declared), text)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise XmlError("it holds half a surrogate pair") from error


def _characters(found: re.Match[str], declared: dict[str, str]) -> str:
    name = found[1]
    if name in _BASIC:
        return found[0]
    if name in declared:
        return declared[name]
    # ISOgrk4 calls bold Greek letters b.alpha; the letter is what matters to a text.
    value = html5.get(f"{name};") or html5.get(f"{name.removeprefix('b.')};")
    return "".join(f"&#{ord(character)};" for character in value) if value else found[0]


def _document_type(text: str, declared: dict[str, str]) -> tuple[int, int]:
    """Find the document type declaration in front of the root and note the entities it declares; (0, 0) if none."""
    at = 0
    while True:
        at = text.find("<", at)
        ahead = text[at : at + 9] if at >= 0 else ""
        if ahead.startswith(("<!--", "<?")):
            closing = "-->" if ahead.startswith("<!--") else "?>"
            at = text.find(closing, at)
            if at < 0:
                return 0, 0
        elif ahead == "<!DOCTYPE":
            break
        else:
            return 0, 0
    end = _skip(text, at, "[>")
    if text[end : end + 1] == "[":
        end = _skip(text, _internal_subset(text, end + 1, declared), ">")
    if end >= len(text):
        raise XmlError("the document type declaration does not end")
    return at, end + 1


def _internal_subset(text: str, at: int, declared: dict[str, str]) -> int:
    """Read markup declarations up to the closing bracket and return its place."""
    markup = re.compile(r"<!--|<\?|<!|\]")
    while found := markup.search(text, at):
        if found[0] == "]":
            return found.start()
        if found[0] == "<!":
            at = _skip(text, found.end(), ">")
            _declare(text[found.start() : at], declared)
        else:
            at = text.find("-->" if found[0] == "<!--" else "?>", found.end())
            if at < 0:
                break
    raise XmlError("the document type declaration does not end")


def _declare(declaration: str, declared: dict[str, str]) -> None:
    entity = _ENTITY.match(declaration)
    if entity is None:
        return
    value = entity[2] if entity[2] is not None else entity[3]
    if len(value) > ENTITY_LENGTH or not _HARMLESS.fullmatch(value):
        raise EntityError(
            f"the entity {entity[1]!r} is more than {ENTITY_LENGTH} characters, or made of other entities or markup"
        )
    declared.setdefault(entity[1], value)


def _skip(text: str, at: int, stops: str) -> int:
    """Return where the first of ``stops`` stands outside quotation marks; the text's length if nowhere."""
    marks = re.compile(f"[\"'{re.escape(stops)}]")
    while found := marks.search(text, at):
        if found[0] in stops:
            return found.start()
        closing = text.find(found[0], found.end())
        if closing < 0:
            break
        at = closing + 1
    return len(text)
