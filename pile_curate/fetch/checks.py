"""Tell from a file's own bytes whether it can be what its name says: no HTML page is a ``.gz``.

The head of a file is compared with what its suffix promises. The tail of formats that say where they end (zip,
7z, xz, Parquet) shows a file that was cut off although its length agreed. Where no length was told at all,
a compressed file is read to its end.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable
from typing import Any

import zstandard

HEAD = 1024
CUT = "it is cut off"
TAIL = 66 << 10
"""An end-of-central-directory record of a zip archive with the longest comment fits in here."""

_SKIPPABLE = tuple(bytes([i, 0x2A, 0x4D, 0x18]) for i in range(0x50, 0x60))
MAGIC: dict[str, tuple[bytes, ...]] = {
    "gz": (b"\x1f\x8b",),
    "tgz": (b"\x1f\x8b",),
    "bz2": (b"BZh",),
    "tbz2": (b"BZh",),
    "xz": (b"\xfd7zXZ\x00",),
    "txz": (b"\xfd7zXZ\x00",),
    "zst": (b"\x28\xb5\x2f\xfd", *_SKIPPABLE),
    "zip": (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"),
    "epub": (b"PK\x03\x04",),
    "docx": (b"PK\x03\x04",),
    "odt": (b"PK\x03\x04",),
    "7z": (b"7z\xbc\xaf\x27\x1c",),
    "parquet": (b"PAR1",),
    "sqlite": (b"SQLite format 3\x00",),
    "warc": (b"WARC/", b"\n", b"\r\n"),
}
_MARKUP = frozenset({"htm", "html", "xhtml", "shtml", "php", "asp", "aspx", "jsp", "cgi", "pl", ""})
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
_HTML = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)


def suffix(path: str) -> str:
    """Return the last suffix of a path in lower case, without the dot."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


def head_problem(path: str, head: bytes, size: int) -> str:
    """Say why the first bytes cannot begin the file named so, or return an empty string."""
    kind = suffix(path)
    html = _HTML.match(head) is not None
    if kind in MAGIC:
        if head.startswith(MAGIC[kind]):
            return ""
        return f"it is named .{kind} and {_shown(head, html)}"
    if kind == "tar" and not (head[257:262] == b"ustar" or _old_tar(head)):
        return f"it is named .tar and {_shown(head, html)}"
    if kind == "pdf" and b"%PDF-" not in head:
        return f"it is named .pdf and {_shown(head, html)}"
    if html and kind not in _MARKUP:
        return f"it is named .{kind} and is an HTML page"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if (
        kind in ("xml", "rdf")
        and text
        and not (text.startswith(b"<") or head.startswith((*_COMPRESSED, b"\xff\xfe", b"\xfe\xff")))
    ):
        return f"it is named .{kind} and {_shown(head, html)}"
    return ""


def _shown(head: bytes, html: bool) -> str:
    if html:
        return "is an HTML page"
    return f"begins with {head[:12]!r}" if head else "is empty"


def _old_tar(head: bytes) -> bool:
    """Recognise a tar header without magic by its checksum, and an empty archive by its zeros."""
    if len(head) < 512:
        return False
    block = head[:512]
    if not any(block):
        return True
    try:
        told = int(block[148:156].rstrip(b"\x00 ").lstrip(b" ") or b"0", 8)
    except ValueError:
        return False
    return told == sum(block[:148]) + sum(block[156:]) + 8 * 32


def tail_problem(path: str, head: bytes, tail: bytes, size: int) -> str:
    """Say why a file of this format and size cannot end like this, or return an empty string."""
    kind = suffix(path)
    if kind in ("zip", "epub", "docx", "odt") and not _zip_ends(tail):
        return "the zip archive has no end record: it is cut off"
    if kind == "parquet" and (size < 12 or not tail.endswith(b"PAR1")):
        return "the Parquet file has no footer: it is cut off"
    if kind in ("xz", "txz") and not tail.rstrip(b"\x00").endswith(b"YZ"):
        return "the xz stream has no footer: it is cut off"
    if kind == "7z" and len(head) >= 32:
        end = 32 + int.from_bytes(head[12:20], "little") + int.from_bytes(head[20:28], "little")
        if end > size:
            return f"the 7z archive says that it ends at byte {end}, and {size} are here"
    return ""


def _zip_ends(tail: bytes) -> bool:
    """Say whether a whole end-of-central-directory record (22 bytes and a comment) is there."""
    at = tail.rfind(b"PK\x05\x06")
    return at >= 0 and at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little") <= len(tail)


def proves_its_end(path: str) -> bool:
    """Say whether ``tail_problem`` would have noticed a file cut off."""
    return suffix(path) in ("zip", "epub", "docx", "odt", "parquet", "xz", "txz", "7z")


def end_problem(path: str, file: str) -> str | None:
    """Decompress a file that nobody told the length of: a problem, ``""`` if whole, None if it cannot be told."""
    makers: dict[str, tuple[Callable[[], Any], tuple[type[Exception], ...]]] = {
        "gz": (lambda: zlib.decompressobj(wbits=31), (zlib.error,)),
        "tgz": (lambda: zlib.decompressobj(wbits=31), (zlib.error,)),
        "bz2": (bz2.BZ2Decompressor, (OSError, EOFError)),
        "tbz2": (bz2.BZ2Decompressor, (OSError, EOFError)),
        "xz": (lzma.LZMADecompressor, (lzma.LZMAError, EOFError)),
        "zst": (lambda: zstandard.ZstdDecompressor().decompressobj(), (zstandard.ZstdError,)),
    }
    if suffix(path) not in makers:
        return None
    make, errors = makers[suffix(path)]
    codec: Any = None
    with open(file, "rb") as handle:
        while data := handle.read(64 << 10):
            while data:
                codec = codec or make()
                try:
                    codec.decompress(data)
                except errors as error:
                    return f"it is damaged: {error}"
                data = codec.unused_data if codec.eof else b""
                if codec.eof:
                    codec = None
                    data = data.lstrip(b"\x00")
    return f"{CUT} inside a compressed stream" if codec is not None else ""
