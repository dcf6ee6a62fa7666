"""Read URLs strictly, and choose the local name of each so that no name can leave the folder.

Names come from the last segment of the path, or from the path below a catalogue entry's base. A name that
two URLs share is given to neither as it stands: each gets eight digits of its own URL's sha256. So which
file has which name depends on the set of URLs, never on their order.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit, urlunsplit

from pile_curate.fetch.settings import Refused

NAME_BYTES = 180
RESERVED = frozenset({"fetch.ledger"})
_UNSAFE = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,98}[A-Za-z0-9_-]")
_SUFFIXES = re.compile(r"((?:\.[A-Za-z0-9]{1,8}){1,3})\Z")
_SAFE_PATH = "%/:@!$&'()*+,;=~-._"


def normal(url: str, base: str = "") -> str:
    """Return an absolute http(s) URL without fragment, host in lower case, illegal characters escaped.

    Raises ``Refused`` for other schemes, for credentials (they would be written down) and for nonsense.
    """
    text = url.strip()
    if re.search(r"[\x00-\x20\x7f]", text):
        text = re.sub(r"[\x00-\x1f\x7f]", "", text).replace(" ", "%20")
    try:
        parts = urlsplit(urljoin(base, text) if base else text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Refused(f"{url!r} is not a URL: {error}") from error
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise Refused(f"{url!r} is not an http:// or https:// address")
    if parts.username is not None or parts.password is not None:
        raise Refused(f"a URL of {host} carries credentials; they would be written into fetch.ledger")
    try:
        host = host.encode("idna").decode() if not host.isascii() else host.lower()
    except UnicodeError as error:
        raise Refused(f"{url!r} names no host: {error}") from error
    scheme = parts.scheme.lower()
    if ":" in host:
        host = f"[{host}]"
    if port is not None and port != (443 if scheme == "https" else 80):
        host = f"{host}:{port}"
    path = quote(parts.path or "/", safe=_SAFE_PATH)
    return urlunsplit((scheme, host, path, quote(parts.query, safe=_SAFE_PATH + "?"), ""))


def origin(url: str) -> str:
    """Return scheme, host and port: what one robots.txt speaks for."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def host(url: str) -> str:
    """Return the host without port: what the pace is kept for."""
    return urlsplit(url).hostname or ""


def without_query(url: str) -> str:
    """Return a URL without its query, which after a redirect may be a signature that opens the file."""
    return urlsplit(url)._replace(query="").geturl()


def digest8(url: str) -> str:
    """Return eight hexadecimal digits that stand for a URL."""
    return hashlib.sha256(url.encode()).hexdigest()[:8]


def clean(segment: str) -> str:
    """Return a file name from a percent-encoded path segment; never empty, hidden, or above ``NAME_BYTES``.

    >>> clean("..%2F..%2Fetc%2Fpasswd"), clean("%23ubuntu.txt"), clean("..")
    ('_._.._etc_passwd', '#ubuntu.txt', '_.')
    """
    if _PLAIN.fullmatch(segment):
        return segment
    raw = unquote_to_bytes(segment)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = segment
    text = unicodedata.normalize("NFC", text)
    text = "".join(
        "_" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") else c for c in text
    )
    text = _UNSAFE.sub("_", text).rstrip(". ") or "_."
    if text.startswith(".") or text.startswith("-"):
        text = "_" + text[1:]
    if len(text.encode()) > NAME_BYTES:
        text = marked(text, digest8(segment))
    return text


def marked(name: str, mark: str) -> str:
    """Put a mark in front of a name's suffixes, shortening the stem as far as needed."""
    found = _SUFFIXES.search(name)
    suffix = found.group(1) if found and found.start() > 0 else ""
    stem = name[: len(name) - len(suffix)].encode()[: NAME_BYTES - len(suffix) - len(mark) - 1]
    return f"{stem.decode('utf-8', 'ignore')}~{mark}{suffix}"


def local_path(url: str, base: str = "") -> str:
    """Return the relative path of a URL's file: below ``base`` as there, else its last segment.

    A query belongs to the name, since it may be all that tells two files apart.
    """
    parts = urlsplit(url)
    stem = urlsplit(base).path.rpartition("/")[0] + "/" if base else ""
    inside = base and origin(base) == origin(url) and parts.path.startswith(stem)
    tail = parts.path[len(stem) :] if inside else parts.path.rstrip("/").rpartition("/")[2]
    segments = [segment for segment in tail.split("/") if segment] or ["index.html"]
    if parts.query:
        segments[-1] = f"{segments[-1]}_{parts.query}"
    return "/".join(map(clean, segments))


def folded(path: str) -> str:
    """Return what two paths share that a file system may take for one."""
    return unicodedata.normalize("NFC", path).casefold()


def assign(wanted: Iterable[tuple[str, str]], owners: Mapping[str, str]) -> dict[str, str]:
    """Return the path of each URL, from (url, wished path) and what earlier runs gave (path to URL)."""
    before = {url: path for path, url in owners.items()}
    taken = {folded(path) for path in owners} | RESERVED
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    result: dict[str, str] = {}
    for url, path in wanted:
        if url in before:
            result[url] = before[url]
        else:
            groups[folded(path)][url] = path
    folders = {part for path in (*taken, *groups) for part in _folders(path)}
    for key, group in groups.items():
        alone = len(group) == 1 and key not in taken and key not in folders
        for url, path in group.items():
            folder, _, name = path.rpartition("/")
            result[url] = path if alone else f"{folder}/{marked(name, digest8(url))}".lstrip("/")
    return result


def _folders(path: str) -> Iterable[str]:
    while path := path.rpartition("/")[0]:
        yield path
