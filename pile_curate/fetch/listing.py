"""Turn a catalogue entry, or URLs of one's own, into the files to fetch, in the publisher's order.

| kind | reads | file |
|---|---|---|
| files | nothing | each of ``urls`` |
| links | an HTML index, its folders to ``depth``, its ``next`` pages | each link that ``pattern`` finds |
| lines | a text file, gzipped or not, line by line | ``to`` with the line, or with the pattern's groups |
| sums | a checksum file | ``to`` with its name and the pattern's groups, and the checksum |
| s3 | a public bucket's ListObjectsV2 pages | each key that ``pattern`` finds, with its size |
| archive | an Internet Archive item's ``_files.xml`` | the same, with size, MD5 and SHA-1 |
| json | a JSON document | the items at ``items``: ``url_key``, ``size_key`` |

Listings are text from the network: they are taken apart by regular expressions that take linear time, every URL
goes through ``names.normal``, and their names through ``names.clean``.
"""

from __future__ import annotations

import html
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pile_curate.errors import FetchError, SetupError
from pile_curate.fetch import names, sums
from pile_curate.fetch.catalogue import Listing, Source, combinations, fill, filled_pattern
from pile_curate.fetch.client import Client
from pile_curate.fetch.patience import Patience
from pile_curate.fetch.settings import Refused, Transient

MAX_PAGES = 100_000
_HREF = re.compile(r"""<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.I)


@dataclass(frozen=True, slots=True)
class Found:
    """A file that a listing names; ``path`` is the wish, collisions are settled later."""

    url: str
    path: str
    size: int | None = None
    sums: tuple[tuple[str, str, str], ...] = ()
    sum_url: str = ""
    immutable: bool = False


def values_of(entry: Source, given: Mapping[str, str], client: Client) -> dict[str, str]:
    """Return every parameter's value: given, default, or the newest that the publisher lists."""
    values = dict(given)
    for name, parameter in entry.parameters.items():
        if name in values:
            continue
        if parameter.default is not None:
            values[name] = parameter.default
        elif parameter.newest is not None:
            url = fill(parameter.newest.url, values)
            text = client.text(url).decode("utf-8", "replace")
            hits = filled_pattern(parameter.newest.pattern, values).findall(text)
            if not hits:
                raise FetchError(f"{url} lists no {name}; say it with --set {name}=...: {parameter.about}")
            values[name] = max(hits)
        else:
            raise SetupError(f"{entry.name} needs --set {name}=...: {parameter.about}")
    return values


def listed(entry: Source, values: Mapping[str, str], client: Client) -> Iterator[Found]:
    """Yield the files of an entry, each URL once."""
    seen: set[str] = set()
    hosts: set[str] = set()

    def slow(url: str) -> None:
        if url and names.host(url) not in hosts:
            hosts.add(names.host(url))
            client.hosts.slow_down(names.host(url), entry.interval)

    for listing in entry.listings:
        slow(listing.url)
        used = listing.model_dump_json()
        for one in combinations(entry, values, used):
            for found in _READERS[listing.kind](listing, {**values, **one}, client, entry):
                if found.url not in seen:
                    seen.add(found.url)
                    slow(found.url)
                    yield found


def own(urls: Iterable[str], lists: Mapping[str, str], *, keep_paths: bool) -> Iterator[Found]:
    """Yield a user's own URLs; with ``keep_paths`` under host and path instead of the last segment alone.

    ``lists`` are checksum lists, where from to text; if there are any, a URL that none of them knows is refused.
    """
    for url in urls:
        address = names.normal(url)
        path = names.local_path(address, f"{names.origin(address)}/" if keep_paths else "")
        name = unquote(urlsplit(address).path.rpartition("/")[2])
        found: list[tuple[str, str, str]] = []
        for where, text in lists.items():
            try:
                found.append((*sums.of_file(text, name, where), where))
            except Refused as refused:
                missing = refused
        if lists and not found:
            raise missing
        wanted = f"{names.clean(urlsplit(address).netloc)}/{path}" if keep_paths else path
        yield Found(address, wanted, sums=tuple(found))


def _found(listing: Listing, values: Mapping[str, str], entry: Source, url: str, **rest: Any) -> Found:
    address = names.normal(url)
    base = fill(listing.base, values)
    path = names.clean(quote(fill(listing.name, values))) if listing.name else names.local_path(address, base)
    immutable = entry.immutable if listing.immutable is None else listing.immutable
    if listing.sum_suffix:
        rest["sum_url"] = address + listing.sum_suffix
    return Found(address, path, immutable=immutable, **rest)


def _files(listing: Listing, values: Mapping[str, str], client: Client, entry: Source) -> Iterator[Found]:
    for url in listing.urls:
        yield _found(listing, values, entry, fill(url, values))


def _links(listing: Listing, values: Mapping[str, str], client: Client, entry: Source) -> Iterator[Found]:
    start = names.normal(fill(listing.url, values))
    pattern = filled_pattern(listing.pattern, values)
    onward = filled_pattern(listing.next, values) if listing.next else None
    queue, seen = [(start, listing.depth)], {start}
    while queue:
        page, depth = queue.pop(0)
        if len(seen) > MAX_PAGES:
            raise FetchError(f"{start} has more than {MAX_PAGES} index pages")
        text = client.text(page).decode("utf-8", "replace")
        pages: list[tuple[str, int]] = []
        for match in _HREF.finditer(text):
            href = html.unescape(next(group for group in match.groups() if group is not None))
            try:
                url = names.normal(href, base=page)
            except Refused:
                continue  # mailto:, javascript: and the like lead to no file
            if onward is not None and onward.search(url):
                pages.append((url, depth))
            elif pattern.search(url):
                yield _found(listing, values, entry, url)
            elif depth > 0 and url.endswith("/") and url.startswith(start) and url != start:
                pages.append((url, depth - 1))
        for url, left in pages:
            if url not in seen and names.origin(url) == names.origin(start):
                seen.add(url)
                queue.append((url, left))


def _lists(listing: Listing, values: Mapping[str, str], client: Client) -> Iterator[str]:
    if listing.via is None:
        yield fill(listing.url, values)
        return
    url = fill(listing.via.url, values)
    text = client.text(url).decode("utf-8", "replace")
    hits = filled_pattern(listing.via.pattern, values).findall(text)
    if not hits:
        raise FetchError(f"{url} names no list that {listing.via.pattern!r} matches")
    for hit in hits:
        yield fill(listing.via.to, {**values, "match": hit})


def _lines(listing: Listing, values: Mapping[str, str], client: Client, entry: Source) -> Iterator[Found]:
    pattern = filled_pattern(listing.pattern, values) if listing.pattern else None
    for url in _lists(listing, values, client):
        for line in stream_lines(client, url):
            match = pattern.search(line) if pattern else None
            if pattern is not None and match is None:
                continue
            more = {"line": line, **(match.groupdict() if match else {})}
            yield _found(listing, values, entry, fill(listing.to, {**values, **more}))


def _sums(listing: Listing, values: Mapping[str, str], client: Client, entry: Source) -> Iterator[Found]:
    pattern = filled_pattern(listing.pattern, values)
    for url in _lists(listing, values, client):
        text = client.text(url).decode("utf-8", "replace")
        for name, (algorithm, digest) in sums.parse(text).items():
            match = pattern.search(name)
            if match:
                target = fill(listing.to, {**values, "name": quote(name), **match.groupdict()})
                yield _found(listing, values, entry, target, sums=((algorithm, digest, url),))


def _s3(listing: Listing, values: Mapping[str, str], client: Client, entry: Source) -> Iterator[Found]:
    start, pattern = fill(listing.url, values), filled_pattern(listing.pattern, values)
    bucket = f"{names.origin(start)}/"
    token, tokens = "", set[str]()
    while True:
        page = f"{start}&continuation-token={quote(token, safe='')}" if token else start
        text = client.text(page).decode("utf-8", "replace")
        if "<ListBucketResult" not in text[:4096]:
            raise FetchError(f"{page} is no bucket listing; it begins {text[:80]!r}")
        for piece in text.split("</Contents>")[:-1]:
            key, size = _tag(piece, "Key"), _tag(piece, "Size")
            if key and pattern.search(key):
                length = int(size) if size.isdigit() else None
                yield _found(listing, values, entry, bucket + quote(key), size=length)
        token = _tag(text, "NextContinuationToken")
        if not token or token in tokens:
            return
        tokens.add(token)


def _archive(listing: Listing, values: Mapping[str, str], client: Client, entry: Source) -> Iterator[Found]:
    where, pattern = fill(listing.url, values), filled_pattern(listing.pattern, values)
    folder = where.rpartition("/")[0]
    text = client.text(where).decode("utf-8", "replace")
    for piece in text.split("</file>")[:-1]:
        piece = piece[piece.rfind("<file ") :]
        told = re.search(r'\bname="([^"]*)"', piece)
        name = html.unescape(told.group(1)) if told else ""
        if not name or not pattern.search(name):
            continue
        size = _tag(piece, "size")
        digests = [(kind, _tag(piece, kind).lower(), where) for kind in ("sha1", "md5") if _tag(piece, kind)]
        yield _found(
            listing,
            values,
            entry,
            f"{folder}/{quote(name)}",
            size=int(size) if size.isdigit() else None,
            sums=tuple(digests),
        )


def _json(listing: Listing, values: Mapping[str, str], client: Client, entry: Source) -> Iterator[Found]:
    where = fill(listing.url, values)
    try:
        items: Any = json.loads(client.text(where))
        for step in listing.items.split("."):
            items = items[int(step)] if step.isdigit() else items[step]
        rows = [(str(item[listing.url_key]), item.get(listing.size_key)) for item in items]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise FetchError(f"{where} has not the form that the catalogue knows ({error!r})") from error
    pattern = filled_pattern(listing.pattern, values)
    for url, size in rows:
        if pattern.search(url):
            yield _found(listing, values, entry, url, size=size if isinstance(size, int) else None)


_READERS = {
    "files": _files,
    "links": _links,
    "lines": _lines,
    "sums": _sums,
    "s3": _s3,
    "archive": _archive,
    "json": _json,
}


def _tag(text: str, name: str) -> str:
    """Return the text of an element without children, or an empty string."""
    start = text.rfind(f"<{name}>")
    end = text.find("<", start + len(name) + 2)
    return html.unescape(text[start + len(name) + 2 : end]).strip() if 0 <= start < end else ""


def stream_lines(client: Client, url: str) -> Iterator[str]:
    """Yield the lines of a text file, gzipped or not, as they come; a broken connection goes on at its line."""
    patience, done = Patience(client.hosts, url), 0
    while True:
        count = 0
        try:
            for line in _split(client, url):
                count += 1
                if count > done:
                    done = count
                    if line.strip():
                        yield line.strip()
            return
        except zlib.error as error:
            raise FetchError(f"{url} is damaged: {error}") from error
        except Transient as error:
            patience.failed(error)


def _split(client: Client, url: str) -> Iterator[str]:
    rest, codec, first, inside = b"", None, True, False
    with client.open("GET", url) as answer:
        for data in answer.chunks():
            if first and data[:2] == b"\x1f\x8b":
                codec = zlib.decompressobj(wbits=31)
            first = False
            while data:
                inside = codec is not None
                text = codec.decompress(data, 1 << 20) if codec else data
                data = codec.unconsumed_tail if codec else b""
                if codec is not None and codec.eof:
                    data, codec, inside = codec.unused_data, zlib.decompressobj(wbits=31), False
                lines = (rest + text).split(b"\n")
                rest = lines.pop()
                if len(rest) > 1 << 20:
                    raise Refused(f"{url} is no list of lines: one is longer than a megabyte")
                yield from (line.decode("utf-8", "replace") for line in lines)
    if inside:
        raise zlib.error("the stream is cut off")
    if rest:
        yield rest.decode("utf-8", "replace")
