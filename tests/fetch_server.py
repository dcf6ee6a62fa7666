"""A loopback HTTP server that misbehaves on purpose, and a clock whose sleeps cost nothing."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pile_curate.fetch.settings import Clock

OLD = "Mon, 02 Jan 2023 03:04:05 GMT"


class FastClock(Clock):
    """Real time plus everything that was slept."""

    def __init__(self) -> None:
        self.skipped = 0.0
        self.slept: list[float] = []

    def seconds(self) -> float:
        return time.monotonic() + self.skipped

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.skipped)

    def sleep(self, seconds: float, stop: threading.Event) -> None:
        if seconds > 0:
            self.skipped += seconds
            self.slept.append(seconds)


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    host: str = ""


@dataclass
class Reply:
    """An answer: ``length`` overrides the Content-Length, ``cut`` drops the connection after so many bytes."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    unframed: bool = False  # neither length nor chunks: the end of the connection is the end
    chunked: bool = False
    cut: int | None = None
    stall: tuple[int, float] | None = None  # after so many bytes, for so many seconds
    drip: tuple[int, float] | None = None  # so many bytes, then a pause, again and again
    reset: bool = False


Handler = Callable[[Request], Reply]


def document(data: bytes, *, etag: str = '"v1"', modified: str = OLD, ranges: bool = True) -> Handler:
    """A handler that does everything right: ranges, If-Range, conditions, HEAD."""

    def handle(request: Request) -> Reply:
        headers = {"Date": "Tue, 03 Jan 2023 00:00:00 GMT"}
        if etag:
            headers["ETag"] = etag
        if modified:
            headers["Last-Modified"] = modified
        asked = request.headers
        if etag and asked.get("if-none-match") == etag:
            return Reply(304, headers)
        if not asked.get("if-none-match") and modified and asked.get("if-modified-since") == modified:
            return Reply(304, headers)
        found = re.fullmatch(r"bytes=(\d+)-", asked.get("range", ""))
        valid = asked.get("if-range", "") in ("", etag, modified)
        if ranges and found and valid:
            first = int(found.group(1))
            if first >= len(data):
                return Reply(416, {**headers, "Content-Range": f"bytes */{len(data)}"})
            told = f"bytes {first}-{len(data) - 1}/{len(data)}"
            return Reply(206, {**headers, "Content-Range": told}, data[first:])
        return Reply(200, headers, data)

    return handle


def after(handler: Handler, *faults: Callable[[Request, Reply], Reply]) -> Handler:
    """A handler whose first answers are each spoilt by one fault, and whose later ones are good."""
    left = list(faults)

    def handle(request: Request) -> Reply:
        reply = handler(request)
        return left.pop(0)(request, reply) if left and request.method == "GET" else reply

    return handle


def always(handler: Handler, fault: Callable[[Request, Reply], Reply]) -> Handler:
    return lambda request: fault(request, handler(request))


def change(**values: object) -> Callable[[Request, Reply], Reply]:
    return lambda request, reply: replace(reply, **values)


def answer(status: int, **headers: str) -> Callable[[Request, Reply], Reply]:
    return lambda request, reply: Reply(
        status, {k.replace("_", "-"): v for k, v in headers.items()}, b"sorry"
    )


class Server:
    """Serves ``routes`` (path to handler) on the loopback; ``seen`` are the requests in order."""

    def __init__(self) -> None:
        self.routes: dict[str, Handler] = {}
        self.seen: list[Request] = []
        self.open = 0
        self.most_open = 0
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._connections: set[socket.socket] = set()
        self._threads[0].start()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def asked(self, path: str = "") -> list[Request]:
        """The requests for a path, or all but those for robots.txt."""
        return [r for r in self.seen if (r.path == path if path else r.path != "/robots.txt")]

    def close(self) -> None:
        self._socket.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.add(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with self._lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            with connection, connection.makefile("rb") as reader:
                while (request := _read(reader)) is not None:
                    self.seen.append(request)
                    handler = self.routes.get(request.path) or self.routes.get("*")
                    reply = handler(request) if handler else Reply(404, {}, b"no such file")
                    if not _send(connection, request, reply):
                        return
        except OSError:
            pass
        finally:
            self._connections.discard(connection)
            with self._lock:
                self.open -= 1


def _read(reader) -> Request | None:
    words = reader.readline().decode("latin-1").split(" ")
    if len(words) != 3:
        return None  # the end of the connection, or no HTTP
    method, path, _ = words
    headers = {}
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Request(method, path, headers, headers.get("host", ""))


def _send(connection: socket.socket, request: Request, reply: Reply) -> bool:
    """Send a reply; False if the connection ends with it."""
    headers = dict(reply.headers)
    bare = reply.status in (304, 204)
    if reply.chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif not reply.unframed and not bare:
        headers["Content-Length"] = str(len(reply.body) if reply.length is None else reply.length)
    head = f"HTTP/1.1 {reply.status} Whatever\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    connection.sendall(head.encode("latin-1") + b"\r\n")
    if request.method == "HEAD" or bare:
        return True
    pieces = list(_pieces(reply))
    sent = 0
    for piece in pieces:
        if reply.cut is not None and sent + len(piece) > reply.cut:
            piece = piece[: reply.cut - sent]
            _write(connection, piece, reply.chunked)
            if reply.reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        _write(connection, piece, reply.chunked)
        sent += len(piece)
        if reply.stall and sent >= reply.stall[0]:
            time.sleep(reply.stall[1])
            return False
        if reply.drip:
            time.sleep(reply.drip[1])
    if reply.chunked:
        connection.sendall(b"0\r\n\r\n")
    # Whoever lies about a length cannot keep the connection.
    return not reply.unframed and reply.length is None


def _pieces(reply: Reply) -> Iterator[bytes]:
    size = reply.drip[0] if reply.drip else (reply.stall[0] if reply.stall else 8192)
    for at in range(0, len(reply.body), size):
        yield reply.body[at : at + size]


def _write(connection: socket.socket, piece: bytes, chunked: bool) -> None:
    if piece:
        connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if chunked else piece)
