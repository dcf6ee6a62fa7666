"""Name a web page by its URL: the same page spelt in two ways gets one name, two pages hardly ever do.

What ``normalise_url`` does, in this order, with an URL of the scheme http or https (or none, ``//host/…``):

* white space and control characters around it, and tabs and line ends inside, are dropped;
* the scheme, the user's name and password, the ports 80 and 443, and the fragment are dropped;
* the host is percent-decoded, written in lower case and as IDNA (``xn--``), without a final dot, without ``www.``;
* percent-encodings follow RFC 3986, 6.2.2: unreserved characters are decoded, hexadecimal digits are upper
  case, and whatever may not stand in an URL is encoded as UTF-8 (a ``%`` that begins no encoding is ``%25``);
* dot segments are removed (RFC 3986, 5.2.4), then ``index.html``, ``index.htm``, ``index.php`` and slashes at the
  end of the path;
* of the query, empty parameters and those that only track a visitor (``TRACKING``, ``TRACKING_PREFIXES``) are
  dropped, the others sorted by name; parameters of one name keep their order.

The path keeps its case, its inner double slashes and its ``;parameters``. Anything else (other schemes, no
host, a host that is none, a port that is no number) is no name: ``""``. The result is stable: the name
behind ``https://`` has itself as its name. The meaning's version is ``URLS_VERSION``.
"""

from __future__ import annotations

import re
from typing import Any, Final

import pyarrow as pa

from pile_curate.hashing import identity128

URLS_VERSION: Final = 1
"""Bump when any URL would get another name; part of dedup's fingerprint where URLs count."""

TRACKING: Final = frozenset(
    "gclid gclsrc dclid gbraid wbraid fbclid msclkid yclid ysclid twclid ttclid li_fat_id igshid igsh mc_cid mc_eid"
    " mkt_tok _ga _gl _hsenc _hsmi __hssc __hstc __hsfp hsctatracking vero_id oly_anon_id oly_enc_id wickedid"
    " phpsessid jsessionid".split()
)
"""Names of parameters, in lower case, that say where a visitor came from or who it was, never which page."""

TRACKING_PREFIXES: Final = ("utm_", "pk_", "mtm_", "matomo_")

_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SAFE: Final = _UNRESERVED | frozenset(b"!$&'()*+,;=:@/?")
_PLAIN: Final = re.compile(
    r"https?://(?:www\.)?((?!www\.)[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/(?!index\.)[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)/?"
)
_SPLIT: Final = re.compile(r"(?:(?i:https?):)?//([^/?#\\]*)([^?#]*)(?:\?([^#]*))?")
_AUTHORITY: Final = re.compile(r"(?:.*@)?(\[[0-9A-Fa-f:.]+\]|[^:\[\]@]*)(?::([0-9]*))?")
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
_ENCODED: Final = re.compile(rb"%([0-9A-Fa-f]{2})|([^A-Za-z0-9._~!$&'()*+,;=:@/?-])")
_AROUND: Final = "".join(map(chr, range(33))) + "\x7f\xa0\u2028\u2029\ufeff\u3000"
_INSIDE: Final = str.maketrans("", "", "\t\n\r")
_END: Final = re.compile(r"(?:/(?:index\.(?:html?|php))?)+\Z")


def normalise_url(url: str) -> str:
    """Return the page's name, or ``""`` if ``url`` is no http(s) URL with a host.

    >>> normalise_url("HTTPS://www.Example.org:443/a/../b/index.html?utm_source=x&z=1&a=%7e#top")
    'example.org/b?a=~&z=1'
    """
    plain = _PLAIN.fullmatch(url)
    if plain is not None:
        return plain[1]
    parts = _SPLIT.match(url.strip(_AROUND).translate(_INSIDE))
    if parts is None:
        return ""
    authority = _AUTHORITY.fullmatch(parts[1])
    host = _host(authority[1]) if authority is not None else ""
    if authority is None or not host:
        return ""
    port = (authority[2] or "").lstrip("0")
    if port not in ("", "80", "443"):
        if len(port) > 5 or int(port) > 65535:
            return ""
        host = f"{host}:{port}"
    path = _END.sub("", _without_dots(_percent(parts[2].replace("\\", "/"))))
    query = _query(parts[3]) if parts[3] else ""
    return f"{host}{path}?{query}" if query else host + path


def url_keys(urls: pa.Array) -> pa.Array:
    """Return each URL's 16-byte key (``binary(16)``), null where the URL is null or no URL.

    Equal names have equal keys; different ones different keys, also against an author who tries (BLAKE2b).
    Takes strings or binaries of any width, and dictionaries of them. Cost: some 3 microseconds an URL that
    is plain, 15 one that is not.
    """
    if isinstance(urls, pa.ChunkedArray):
        raise TypeError("urls are a ChunkedArray; pass its chunks one by one")
    if pa.types.is_dictionary(urls.type):
        urls = urls.dictionary_decode()
    return pa.array([_key(url) for url in urls.to_pylist()], pa.binary(16))


def _key(url: Any) -> bytes | None:
    if isinstance(url, bytes):
        url = url.decode("utf-8", "replace")
    name = normalise_url(url) if url else ""
    return identity128("url", name) if name else None


def _host(host: str) -> str:
    """Return the host in its one spelling, or ``""`` if it is none."""
    if "%" in host:
        host = _decoded(host)
    host = host.lower()
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii").lower()
        except UnicodeError:
            return ""
    host = host.removesuffix(".")
    while host.startswith("www.") and "." in host[4:]:
        host = host[4:]
    return host if _HOST.fullmatch(host) else ""


def _decoded(text: str) -> str:
    """Return the text with every percent-encoding decoded, as UTF-8."""
    raw = re.sub(
        rb"%([0-9A-Fa-f]{2})", lambda m: bytes.fromhex(m[1].decode()), text.encode("utf-8", "surrogatepass")
    )
    return raw.decode("utf-8", "replace")


def _percent(text: str) -> str:
    """Return the text with every character in its one encoding."""

    def one(found: re.Match[bytes]) -> bytes:
        if found[1] is None:
            return b"%%%02X" % found[2][0]
        byte = int(found[1], 16)
        return bytes([byte]) if byte in _UNRESERVED else b"%%%02X" % byte

    return _ENCODED.sub(one, text.encode("utf-8", "surrogatepass")).decode("ascii")


def _without_dots(path: str) -> str:
    """Return a path that is empty or begins with a slash without its ``.`` and ``..`` segments."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for at, segment in enumerate(segments):
        if segment == ".." and kept:
            kept.pop()
        if segment not in (".", ".."):
            kept.append(segment)
        elif at == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)


def _query(query: str) -> str:
    """Return the parameters that say which page is meant, sorted by name."""
    kept = []
    for parameter in _percent(query).split("&"):
        name = parameter.split("=", 1)[0].lower()
        if parameter and name not in TRACKING and not name.startswith(TRACKING_PREFIXES):
            kept.append(parameter)
    return "&".join(sorted(kept, key=lambda parameter: parameter.split("=", 1)[0]))
