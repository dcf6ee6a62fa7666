"""Send one HTTP request after the other under the rules of ``hosts``; redirects by hand, bodies as stored.

Redirects are followed here and not by the library, because each hop has its own robots.txt, pace and
connection. ``Accept-Encoding: identity`` is asked for, and what a server encodes all the same stays encoded.
"""

from __future__ import annotations

import ssl
import threading
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pile_curate.fetch import names, robots
from pile_curate.fetch.hosts import Hosts
from pile_curate.fetch.patience import Patience, retry_after
from pile_curate.fetch.settings import PRODUCT, Clock, Refused, Settings, Transient

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

CHUNK = 256 << 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
EXPLAINED = {
    401: "it wants a log-in",
    403: "it refuses access; some servers refuse agents without a contact (--contact)",
    404: "there is no such file",
    410: "the file is gone",
    451: "it is withheld for legal reasons",
}


@dataclass(frozen=True, slots=True)
class Secret:
    """A header, such as an API key, that only one origin may see; it never follows a redirect elsewhere."""

    origin: str
    name: str
    value: str


class Answer:
    """A response whose body has not been read; only valid inside ``Client.open``."""

    def __init__(self, response: BaseHTTPResponse, url: str, client: Client) -> None:
        self._response, self.url, self._client = response, url, client
        self.status = response.status

    def header(self, name: str) -> str:
        """Return a header's value, or an empty string."""
        return str(self._response.headers.get(name) or "").strip()

    @property
    def length(self) -> int | None:
        """The Content-Length, unless the body is chunked or ends with the connection."""
        text = self.header("content-length")
        return int(text) if text.isascii() and text.isdigit() and not self.chunked else None

    @property
    def chunked(self) -> bool:
        """Whether the body says itself where it ends."""
        return self.header("transfer-encoding").lower() == "chunked"

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes, at the host's byte rate; a body that is cut off raises ``Transient``."""
        from urllib3.exceptions import HTTPError

        client, settings = self._client, self._client.settings
        host = names.host(self.url)
        slowest = settings.slowest
        if settings.bytes_per_second > 0:
            slowest = min(slowest, settings.bytes_per_second / 2)
        since, seen = client.clock.seconds(), 0
        while True:
            client.hosts.check()
            try:
                data = self._response.read1(CHUNK, decode_content=False)
            except HTTPError as error:
                raise Transient(_reason(error)) from error
            except OSError as error:
                raise Transient(f"the connection broke: {error}") from error
            if not data:
                return
            yield data
            client.hosts.spend(host, len(data))
            seen += len(data)
            passed = client.clock.seconds() - since
            if passed >= settings.stall_seconds:
                if seen < slowest * passed:
                    raise Transient(f"only {seen} bytes came in {passed:.0f} seconds")
                since, seen = client.clock.seconds(), 0

    def text(self, limit: int, *, cut: bool = False) -> bytes:
        """Return the whole body, decoded if it came gzipped all the same; with ``cut`` no more than ``limit``."""
        coding = self.header("content-encoding").lower()
        if coding not in ("", "identity", "gzip", "x-gzip"):
            raise Refused(f"{self.url} comes in the coding {coding!r}, which was not asked for")
        codec = zlib.decompressobj(wbits=31) if "gzip" in coding else None
        body = bytearray()
        for data in self.chunks():
            try:
                body += codec.decompress(data, limit + 1 - len(body)) if codec else data
            except zlib.error as error:
                raise Transient(f"{self.url} is damaged: {error}") from error
            if len(body) > limit:
                if cut:
                    break
                raise Refused(f"{self.url} is larger than {limit} bytes, too much for a listing")
        return bytes(body[:limit])

    def close(self) -> None:
        """Give the connection back, or drop it if the body was not read to its end."""
        small = self.length is not None and self.length <= CHUNK
        if self.status == 304 or (small and not 200 <= self.status < 300):
            self._response.drain_conn()  # so that the connection can be used again
        if self._response.closed:
            self._response.release_conn()
        else:
            self._response.close()


class Client:
    """One run's way to the network; safe to share between threads."""

    def __init__(
        self, settings: Settings, clock: Clock, stop: threading.Event, secrets: tuple[Secret, ...] = ()
    ) -> None:
        self.settings, self.clock, self.secrets = settings, clock, secrets
        self.hosts = Hosts(settings, clock, stop)
        self.requests = 0
        self._lock = threading.Lock()
        self._pools: dict[str, PoolManager] = {}

    @contextmanager
    def open(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, *, obey: bool = True
    ) -> Iterator[Answer]:
        """Send a request and yield the answer to it or to the last of its redirects.

        Raises ``Refused`` or ``Transient``. Answers of 2xx, 304 and 416 are handed out, all others raise.
        ``obey=False`` is for robots.txt itself.
        """
        url, seen = names.normal(url), set[str]()
        while True:
            if obey and not self.hosts.rules(url, self._rules).allows(url):
                why = self.hosts.rules(url, self._rules).reason
                raise Refused(f"{names.origin(url)}/robots.txt disallows {urlsplit(url).path!r}{why}")
            if url in seen:
                raise Refused(f"the redirects of {url} go in a circle")
            seen.add(url)
            if len(seen) > self.settings.redirects + 1:
                raise Refused(f"more than {self.settings.redirects} redirects, the last to {url}")
            with ExitStack() as held:
                held.enter_context(self.hosts.turn(names.host(url)))
                answer = self._send(method, url, headers or {})
                held.callback(answer.close)
                if answer.status not in REDIRECTS:
                    self._judge(answer)
                    yield answer
                    return
                target = answer.header("location")
            if not target:
                raise Refused(f"{url} redirects to nowhere")
            onward = names.normal(target, base=url)
            if url.startswith("https:") and not onward.startswith("https:"):
                raise Refused(f"{url} redirects to {onward}, which is not encrypted")
            url = onward

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> Answer:
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError, LocationValueError, SSLError

        sent = {"User-Agent": self.settings.agent, "Accept": "*/*", "Accept-Encoding": "identity", **headers}
        sent |= {s.name: s.value for s in self.secrets if s.origin == names.origin(url)}
        with self._lock:
            self.requests += 1
        try:
            response = self._pool(url).request(
                method,
                url,
                headers=sent,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=Timeout(connect=self.settings.connect_timeout, read=self.settings.read_timeout),
            )
        except (LocationValueError, UnicodeError) as error:
            raise Refused(f"{url} cannot be asked for: {error}") from error
        except SSLError as error:
            if any(isinstance(inner, ssl.SSLCertVerificationError) for inner in error.args):
                raise Refused(f"{names.host(url)} has no trusted certificate: {error}") from error
            raise Transient(f"no encrypted connection: {error}") from error
        except HTTPError as error:
            raise Transient(_reason(error)) from error
        except OSError as error:
            raise Transient(f"the connection failed: {error}") from error
        return Answer(response, url, self)

    def _pool(self, url: str) -> PoolManager:
        import urllib3

        parts = urlsplit(url)
        proxy = self.settings.proxies.get(parts.scheme) or self.settings.proxies.get("all") or ""
        if proxy and urllib.request.proxy_bypass(parts.netloc):
            proxy = ""
        with self._lock:
            if proxy not in self._pools:
                most = self.settings.connections
                self._pools[proxy] = (
                    urllib3.ProxyManager(proxy, num_pools=32, maxsize=most)
                    if proxy
                    else urllib3.PoolManager(num_pools=32, maxsize=most)
                )
            return self._pools[proxy]

    def _judge(self, answer: Answer) -> None:
        """Raise for a status that is no answer to the question."""
        status, host = answer.status, names.host(answer.url)
        coding = answer.header("transfer-encoding").lower()
        if coding not in ("", "chunked", "identity"):
            raise Refused(
                f"{answer.url} comes in the transfer coding {coding!r}, which cannot be kept as stored"
            )
        if 200 <= status < 300 or status in (304, 416):
            self.hosts.answered(host)
            return
        if status in AGAIN:
            wait = retry_after(answer.header("retry-after"), self.clock.now())
            busy = host if status in (429, 503) else ""
            raise Transient(f"{host} answers with status {status}", wait=wait, busy=busy)
        raise Refused(f"{answer.url} answers with status {status}: {EXPLAINED.get(status, 'no file')}")

    def _rules(self, url: str) -> robots.Rules:
        """Fetch a robots.txt. 4xx: there is none. Unreachable (5xx, network): nothing may be fetched."""
        patience = Patience(self.hosts, url, retries=min(3, self.settings.retries))
        while True:
            try:
                with self.open("GET", url, obey=False) as answer:
                    try:
                        return robots.parse(answer.text(robots.MAX_BYTES, cut=True), PRODUCT)
                    except Refused as refused:
                        return robots.Rules(robots.DISALLOW_ALL.rules, reason=f": {refused.reason}")
            except Transient as error:
                try:
                    patience.failed(error)
                except Refused as refused:
                    return robots.Rules(
                        robots.DISALLOW_ALL.rules,
                        reason=f": it cannot be read, and then nothing may be (RFC 9309, 2.3.1.4): {refused.reason}",
                    )
            except Refused:
                return robots.Rules()

    def text(self, url: str, limit: int = 64 << 20) -> bytes:
        """Return a small resource whole (listings, checksum files), with retries."""
        patience = Patience(self.hosts, url)
        while True:
            try:
                with self.open("GET", url) as answer:
                    return answer.text(limit)
            except Transient as error:
                patience.failed(error)


def _reason(error: Exception) -> str:
    """Say in a few words what urllib3 met."""
    from urllib3 import exceptions as known

    if isinstance(error, known.ReadTimeoutError):
        return "no byte came within the read timeout"
    if isinstance(error, known.ConnectTimeoutError):
        return "no connection within the timeout"
    if isinstance(error, known.NameResolutionError):
        return f"the host is not known: {error}"
    if isinstance(error, known.NewConnectionError):
        return f"no connection: {error}"
    inner = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], Exception) else error
    return f"the connection broke: {inner or type(error).__name__}"
