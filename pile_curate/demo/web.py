"""Write the hand-written pages as a web archive (ISO 28500, WARC 1.0), one gzip member a record."""

from __future__ import annotations

import gzip
import html
import uuid
from collections.abc import Iterator
from typing import Any

from pile_curate.demo.dumps import load, varied, wiki_prose

DATE = "2024-05-01T12:00:00Z"
_NAMESPACE = uuid.UUID("6f1d2a52-7c0e-5b6a-9a55-3c1f0d9b7e10")
_REASONS = {200: "OK", 301: "Moved Permanently", 404: "Not Found"}
_PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)

_NAVIGATION = """<div class="cookie-banner" role="dialog"><p>We use cookies to make this site better.</p>
<button>Accept all</button> <button>Settings</button></div>
<header><a href="/">Home</a><nav><ul><li><a href="/news">News</a></li><li><a href="/about">About</a></li>
<li><a href="/archive">Archive</a></li><li><a href="/contact">Contact</a></li></ul></nav></header>"""
_ASIDE = """<aside class="sidebar"><h3>Read more</h3><ul><li><a href="/1">The most read page of the week</a></li>
<li><a href="/2">Ten things about winter</a></li><li><a href="/3">Subscribe to our newsletter</a></li></ul></aside>"""
_FOOTER = """<footer><p>&copy; 2024 &middot; <a href="/imprint">Imprint</a> &middot; <a href="/privacy">Privacy policy</a>
&middot; All rights reserved</p></footer><script>window.tracker = window.tracker || [];</script>"""


def warc() -> bytes:
    """Return the archive: information, requests, pages, and one record whose length is no number."""
    records = [
        record(
            "warcinfo",
            "",
            b"software: pile_curate demo\r\nformat: WARC File Format 1.0\r\n",
            "application/warc-fields",
        )
    ]
    for number, page in enumerate(load("web.yaml")["pages"]):
        if number % 8 == 0:
            request = f"GET {page['url']} HTTP/1.1\r\nHost: demo\r\n\r\n".encode()
            records.append(record("request", page["url"], request, "application/http; msgtype=request"))
        records.append(response(page["url"], *_http(page)))
        if number == 10:
            broken = response("https://broken.example/", 200, {"Content-Type": "text/html"}, b"<p>Lost.</p>")
            records.append(gzip.compress(_length_lost(gzip.decompress(broken)), mtime=0))
    return b"".join(records)


def record(kind: str, url: str, block: bytes, content_type: str, name: str = "") -> bytes:
    """Return one record as a gzip member; its id is made from its kind and address."""
    identity = uuid.uuid5(_NAMESPACE, f"{kind} {url} {name}")
    lines = ["WARC/1.0", f"WARC-Type: {kind}", f"WARC-Record-ID: <urn:uuid:{identity}>", f"WARC-Date: {DATE}"]
    if url:
        lines.append(f"WARC-Target-URI: {url}")
    lines += [f"Content-Type: {content_type}", f"Content-Length: {len(block)}"]
    return gzip.compress("\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n", mtime=0)


def response(url: str, status: int, headers: dict[str, str], body: bytes) -> bytes:
    """Return a response record."""
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{k}: {v}" for k, v in headers.items())]
    lines.append(f"Content-Length: {len(body)}")
    block = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return record("response", url, block, "application/http; msgtype=response")


def page_text(url: str) -> str:
    """Return the text of a page of ``web.yaml``, copies resolved."""
    (page,) = (p for p in load("web.yaml")["pages"] if p["url"] == url)
    if "copy_of" in page:
        return varied(page_text(page["copy_of"]), page.get("replace", {}))
    if "text_of" in page:
        return wiki_prose(page["text_of"].removeprefix("wikipedia:"))
    return str(page.get("text", ""))


def _length_lost(raw: bytes) -> bytes:
    return raw.replace(b"Content-Length: ", b"Content-Length: lost-", 1)


def _http(page: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    status = page.get("status", 200)
    if "location" in page:
        return status, {"Location": page["location"]}, b""
    if page.get("content_type", "").startswith("image/"):
        return status, {"Content-Type": page["content_type"]}, _PNG
    charset, declare = page.get("charset", "utf-8"), page.get("declare", "both")
    markup = _markup(page, charset if declare in ("meta", "both") else "")
    body = markup.encode(charset)
    if page.get("mojibake"):
        # What a server gives that took UTF-8 for windows-1252 and stored the result as UTF-8.
        body = _misread(markup).encode("utf-8")
    content_type = f"text/html; charset={charset}" if declare in ("header", "both") else "text/html"
    return status, {"Content-Type": content_type}, body


def _misread(text: str) -> str:
    return "".join(
        bytes([byte]).decode("cp1252") if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte)
        for byte in text.encode("utf-8")
    )


def _markup(page: dict[str, Any], charset: str) -> str:
    title = html.escape(page["title"])
    meta = f'<meta charset="{charset}">' if charset else ""
    head = f'<html lang="{page.get("lang", "en")}"><head>{meta}<title>{title}</title></head><body>'
    template = page.get("template", "full")
    if template == "links":
        links = "".join(f'<li><a href="/offer/{i}">Offer number {i}</a></li>' for i in range(40))
        return f"<!DOCTYPE html>\n{head}{_NAVIGATION}<ul>{links}</ul>{_FOOTER}</body></html>\n"
    article = "\n".join(_blocks(page_text(page["url"])))
    if template == "plain":
        return f"<!DOCTYPE html>\n{head}<h1>{title}</h1>\n{article}\n</body></html>\n"
    if template == "print":
        return f"<!DOCTYPE html>\n{head}<div id=print><h1>{title}</h1>\n{article}</div></body></html>\n"
    return (
        f"<!DOCTYPE html>\n{head}{_NAVIGATION}\n<main><article><h1>{title}</h1>\n{article}\n</article></main>"
        f"\n{_ASIDE}{_FOOTER}</body></html>\n"
    )


def _blocks(text: str) -> Iterator[str]:
    for block in text.strip().split("\n"):
        if block.startswith("== "):
            yield f"<h2>{html.escape(block.strip('= '))}</h2>"
        elif block.strip():
            yield f"<p>{html.escape(block.strip(), quote=False)}</p>"
