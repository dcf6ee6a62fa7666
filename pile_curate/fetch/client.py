"""Send one HTTP request after the other under the rules of ``hosts``; redirects by hand, bodies as stored.

Redirects are followed here and not by the library, because each hop has its own robots.txt, pace and
connection. ``Accept-Encoding: identity`` is asked for, and what a server encodes all the same stays encoded.
"""

from __future__ import annotations

import hashlib
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pile_curate.fetch import names, robots
from pile_curate.fetch.hosts import Hosts
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
            raise Refused(f"{names.host(url)} has no trusted certificate: {error}") from error
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
            raise Transient(f"{host} answers with status {status}", wait=wait, answered=status in (429, 503))
        raise Refused(f"{answer.url} answers with status {status}: {EXPLAINED.get(status, 'no file')}")

    def _rules(self, url: str) -> robots.Rules:
        """Fetch a robots.txt. 4xx: there is none. Unreachable (5xx, network): nothing may be fetched."""
        patience = Patience(self, url, retries=min(3, self.settings.retries))
        while True:
            try:
                with self.open("GET", url, obey=False) as answer:
                    body = bytearray()
                    for data in answer.chunks():
                        body += data
                        if len(body) >= robots.MAX_BYTES:
                            break
                    return robots.parse(bytes(body), PRODUCT)
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
        patience = Patience(self, url)
        while True:
            try:
                with self.open("GET", url) as answer:
                    body = bytearray()
                    for data in answer.chunks():
                        body += data
                        if len(body) > limit:
                            raise Refused(f"{url} is larger than {limit} bytes, too much for a listing")
                    return bytes(body)
            except Transient as error:
                patience.failed(error)


class Patience:
    """Count the failures of one file and wait between them, longer each time; give up in the end."""

    def __init__(self, client: Client, url: str, retries: int | None = None) -> None:
        self.client, self.url = client, url
        self.retries = client.settings.retries if retries is None else retries
        self.failures = 0

    def failed(self, error: Transient) -> None:
        """Wait before the next try, or raise ``Refused`` if there were enough."""
        settings, host = self.client.settings, names.host(self.url)
        self.failures += 1
        if error.wait is not None and error.wait > settings.longest_wait:
            self.client.hosts.gave_up(host, error.reason)
            raise Refused(f"{error.reason} and asks to wait {error.wait:.0f} seconds; run again after that")
        if self.failures > self.retries:
            self.client.hosts.gave_up(host, error.reason)
            raise Refused(f"{error.reason}; given up after {self.failures} tries")
        wait = backoff(settings, self.url, self.failures)
        if error.wait is not None:
            wait = max(error.wait, wait if error.wait > 0 else 0.0)
        if error.answered:
            self.client.hosts.pause(host, wait)
        self.client.clock.sleep(wait, self.client.hosts.stop)
        self.client.hosts.check()

    def progressed(self) -> None:
        """Start counting anew: the file has grown."""
        self.failures = 0


def backoff(settings: Settings, url: str, failures: int) -> float:
    """Return the pause before the next try: doubled each time, spread by a hash of URL and try, not by chance."""
    top = min(settings.longest_backoff, settings.backoff * 2.0 ** min(failures - 1, 30))
    raw = hashlib.blake2b(f"{failures} {url}".encode(), digest_size=8).digest()
    return top * (0.5 + int.from_bytes(raw, "big") / 2.0**65)


def retry_after(text: str, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, in seconds or as a date; None if it says neither."""
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds())


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
