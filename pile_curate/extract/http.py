"""Take an archived HTTP response apart: status, headers, transfer and content codings, within a size cap.

Archives hold what crawlers stored, which need not be what servers sent: Common Crawl stores decoded bodies
and renames the headers, others keep ``Content-Encoding: gzip`` beside a body that they already decoded. So
a coding is undone only where the body looks coded; one that looks coded and is damaged is an error.
"""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass

BODY_BYTES = 64 << 20

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})[^\r\n]*\r?\n?")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_MARKUP = re.compile(rb"[\s\xef\xbb\xbf]*<")
_ZSTD = b"\x28\xb5\x2f\xfd"


class HttpError(Exception):
    """A response that cannot be read: ``reason`` is a reject's reason."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Response:
    """A response with its codings undone; header names in lower case, the first of equal names wins."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse_headers(block: bytes) -> dict[str, str]:
    """Read ``Name: value`` lines, folded ones joined. Bytes that are no UTF-8 are read as windows-1252."""
    headers: dict[str, str] = {}
    last = ""
    for raw in block.split(b"\n"):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            line = raw.decode("cp1252", "replace")
        if line[:1] in (" ", "\t") and last:
            headers[last] = f"{headers[last]} {line.strip()}".strip()
            continue
        name, colon, value = line.partition(":")
        key = name.strip().lower()
        last = ""
        if colon and key and key not in headers:
            headers[key] = value.strip()
            last = key
    return headers


def unchunk(body: bytes) -> bytes:
    """Undo chunked transfer up to the first damage; return a body that was never chunked as it is.

    >>> unchunk(b"3\\r\\nabc\\r\\n2\\r\\nde\\r\\n0\\r\\n\\r\\n")
    b'abcde'
    """
    parts: list[bytes] = []
    at = 0
    while size := _CHUNK_SIZE.match(body, at):
        length = int(size[1], 16)
        if length == 0:
            return b"".join(parts)
        parts.append(body[size.end() : size.end() + length])
        at = size.end() + length
        if body[at : at + 2] == b"\r\n":
            at += 2
        elif body[at : at + 1] == b"\n":
            at += 1
        elif not parts[1:] and at < len(body):
            return body
    return b"".join(parts) if parts else body


def _gunzip(body: bytes, limit: int, wbits: int) -> bytes:
    out: list[bytes] = []
    have = 0
    while body:
        step = zlib.decompressobj(wbits)
        piece = step.decompress(body, limit + 1 - have)
        have += len(piece)
        out.append(piece)
        if have > limit or step.unconsumed_tail:
            raise HttpError("body_too_large", f"the decoded body is larger than {limit} bytes")
        if not step.eof:
            raise zlib.error("the stream ends early")
        body = step.unused_data if wbits == 31 and step.unused_data.startswith(b"\x1f\x8b") else b""
    return b"".join(out)


def _unbrotli(body: bytes, limit: int) -> bytes:
    import brotli

    decoder = brotli.Decompressor()
    out = [decoder.process(body, output_buffer_limit=1 << 20)]
    have = len(out[0])
    while not decoder.is_finished():
        piece = decoder.process(b"", output_buffer_limit=1 << 20)
        if not piece:
            raise ValueError("the stream ends early")
        have += len(piece)
        if have > limit:
            raise HttpError("body_too_large", f"the decoded body is larger than {limit} bytes")
        out.append(piece)
    return b"".join(out)


def _unzstd(body: bytes, limit: int) -> bytes:
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
        io.BytesIO(body), read_across_frames=True
    )
    data: bytes = reader.read(limit + 1)
    if len(data) > limit:
        raise HttpError("body_too_large", f"the decoded body is larger than {limit} bytes")
    return data


def _decode_one(coding: str, body: bytes, limit: int) -> bytes:
    if coding in ("gzip", "x-gzip"):
        return _gunzip(body, limit, 31) if body.startswith(b"\x1f\x8b") else body
    if coding == "zstd":
        return _unzstd(body, limit) if body.startswith(_ZSTD) else body
    if _MARKUP.match(body):
        return body
    if coding == "deflate":
        # RFC 9110 means zlib's wrapping, some servers send bare DEFLATE.
        try:
            return _gunzip(body, limit, 15)
        except zlib.error:
            return _gunzip(body, limit, -15)
    return _unbrotli(body, limit)


def decode_content(body: bytes, codings: str, limit: int = BODY_BYTES) -> bytes:
    """Undo ``Content-Encoding``, last coding first; ``HttpError`` for damage, bombs and unknown codings."""
    import brotli
    import zstandard

    for coding in reversed([part.strip().lower() for part in codings.split(",")]):
        if coding in ("", "identity", "none", "utf-8"):
            continue
        if coding not in ("gzip", "x-gzip", "deflate", "br", "zstd"):
            raise HttpError("content_encoding", f"the coding {coding[:40]!r} is unknown")
        try:
            body = _decode_one(coding, body, limit)
        except (zlib.error, ValueError, brotli.error, zstandard.ZstdError) as error:
            raise HttpError("content_encoding", f"damaged {coding} body: {error}") from error
    return body


def parse_response(data: bytes, limit: int = BODY_BYTES) -> Response:
    """Return the response that ``data`` holds; raise ``HttpError`` if it is none or its body is damaged.

    A response other than 200 comes back without its body, which nobody wants.
    """
    status = _STATUS.match(data)
    if not status:
        raise HttpError("not_http", f"it begins with {data[:40]!r}")
    at = status.end()
    end = _HEAD_END.search(data, max(0, at - 2))
    headers = parse_headers(data[at : end.start()] if end else data[at:])
    body = data[end.end() :] if end else b""
    code = int(status[1])
    if code != 200:
        return Response(code, headers, b"")
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = unchunk(body)
    body = decode_content(body, headers.get("content-encoding", ""), limit)
    if len(body) > limit:
        raise HttpError("body_too_large", f"the body is larger than {limit} bytes")
    return Response(code, headers, body)
