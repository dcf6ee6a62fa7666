"""Faults of servers, one a case: how the server misbehaves, and what has to come of it.

The unit tests run each; ``benchmarks/fetch_faults.py`` prints them as a table.
"""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pile_curate.fetch.client import Client
from pile_curate.fetch.download import Download
from pile_curate.fetch.ledger import opened
from pile_curate.fetch.settings import Settings
from pile_curate.fetch.targets import Budget, Outcome, Target
from tests.fetch_server import FastClock, Handler, Reply, Server, after, always, answer, change, document

QUICK = Settings(requests_per_second=0, read_timeout=0.15, connect_timeout=2.0, stall_seconds=0.15)
DATA = gzip.compress(bytes(range(256)) * 4000, 1, mtime=0) + gzip.compress(
    hashlib.shake_256(b"noise").digest(150_000), 1, mtime=0
)
OTHER = gzip.compress(hashlib.shake_256(b"other").digest(150_000), 1, mtime=0)
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sorry</title></head><body>Down for maintenance.</body></html>"


@dataclass
class Case:
    """``handler`` makes the route; ``state`` and ``reason`` are the expected outcome, ``data`` the right bytes."""

    name: str
    handler: Callable[[], Handler]
    state: str = "fetched"
    reason: str = ""
    data: bytes = DATA
    target: dict[str, Any] = field(default_factory=dict)
    path: str = "a.gz"
    settings: Settings = QUICK
    requests: int | None = None  # for the file itself, if it matters


@dataclass
class Result:
    outcome: Outcome
    clock: FastClock
    file: Path
    server: Server

    @property
    def equal(self) -> bool | None:
        return None if not self.file.exists() else True


def fetch(
    server: Server, root: Path, url: str, *, path: str = "a.gz", settings: Settings = QUICK, clock: FastClock | None = None,
    budget: int | None = None, recheck: bool = False, stop: threading.Event | None = None, **target: Any,
) -> Outcome:  # fmt: skip
    """Fetch one URL into a folder, as a run of its own."""
    client = Client(settings, clock or FastClock(), stop or threading.Event())
    with opened(str(root)) as ledger:
        wanted = Target(url, path, **target)
        return Download(client, ledger, wanted, Budget(budget), recheck=recheck).run()


def md5(data: bytes = DATA) -> dict[str, Any]:
    return {"sums": (("md5", hashlib.md5(data).hexdigest(), "http://sums/"),)}


def _sequence(*handlers: Handler) -> Handler:
    """The first answers come from the first handlers, all later ones from the last."""
    left = list(handlers)
    return lambda request: (left.pop(0) if len(left) > 1 else left[0])(request)


def _wrong_range(request, reply: Reply) -> Reply:
    if reply.status != 206:
        return reply
    first = int(request.headers["range"][6:-1]) - 5
    told = {**reply.headers, "Content-Range": f"bytes {first}-{len(DATA) - 1}/{len(DATA)}"}
    return replace(reply, headers=told, body=DATA[first:])


def _lying_range(request, reply: Reply) -> Reply:
    """Say the right range and send other bytes: only a checksum can tell."""
    return replace(reply, body=bytes(len(reply.body))) if reply.status == 206 else reply


def _encoded(request, reply: Reply) -> Reply:
    return replace(reply, headers={**reply.headers, "Content-Encoding": "gzip"})


good = document(DATA)
third, most = len(DATA) // 3, len(DATA) - 7

CASES = [
    Case("nothing wrong", lambda: good, requests=1),
    Case("drops at the first byte", lambda: after(good, change(cut=0)), requests=2),
    Case("drops in the middle", lambda: after(good, change(cut=third)), requests=2),
    Case("drops before the last byte", lambda: after(good, change(cut=len(DATA) - 1)), requests=2),
    Case("drops five times", lambda: after(good, *[change(cut=n * 9000 + 1) for n in range(5)]), requests=6),
    Case("resets the connection", lambda: after(good, change(cut=third, reset=True))),
    Case("always drops", lambda: always(good, change(cut=0)), state="failed", reason="given up after 9 tries"),
    Case("promises more than it sends, once", lambda: after(good, change(length=len(DATA) + 10))),
    Case(
        "promises more than it sends, always",
        lambda: always(document(DATA, ranges=False), change(length=len(DATA) + 10)),
        state="failed",
        reason=r"given up after 9 tries",
    ),
    Case(
        "promises less than it sends",
        lambda: always(good, change(length=third)),
        state="failed",
        reason="its md5 is",
        target=md5(),
    ),
    Case(
        "promises less than the listing",
        lambda: always(good, change(length=third)),
        state="failed",
        reason="the listing says",
        target={"size": len(DATA)},
    ),
    Case("no length, whole", lambda: always(good, change(unframed=True))),
    Case("no length, cut off once", lambda: after(good, change(unframed=True, cut=third)), requests=2),
    Case(
        "no length, always cut off",
        lambda: always(document(DATA, ranges=False), change(unframed=True, cut=third)),
        state="failed",
        reason="no length was announced, and it is cut off",
    ),
    Case("no length, damaged once", lambda: after(good, change(unframed=True, body=DATA[:third] + bytes(third)))),
    Case("chunked", lambda: always(good, change(chunked=True))),
    Case("chunked, cut off once", lambda: after(good, change(chunked=True, cut=third))),
    Case("chunked, always cut off", lambda: always(document(DATA, etag="", modified=""), change(chunked=True, cut=third)),
         state="failed", reason="given up"),
    Case("ignores ranges", lambda: after(document(DATA, ranges=False), change(cut=third)), requests=2),
    Case("sends another range", lambda: after(good, change(cut=third), _wrong_range), requests=3),
    Case("sends wrong bytes in a range", lambda: after(good, change(cut=third), _lying_range), target=md5(), requests=3),
    Case("answers 416 to a range", lambda: after(good, change(cut=third), answer(416)), requests=3),
    Case("answers 206 unasked", lambda: after(good, answer(206, Content_Range="bytes 0-4/9")), requests=2),
    Case(
        "changes the file between tries",
        lambda: _sequence(after(good, change(cut=third)), document(OTHER, etag='"v2"')),
        data=OTHER,
        requests=2,
    ),
    Case(
        "changes the file, ignores If-Range",
        lambda: _sequence(
            after(document(DATA), change(cut=third)),
            lambda r: document(OTHER, etag='"v2"')(replace(r, headers={k: v for k, v in r.headers.items() if k != "if-range"})),
        ),
        data=OTHER,
    ),
    Case("no validator: begins anew", lambda: after(document(DATA, etag="", modified=""), change(cut=third)), requests=2),
    Case("weak ETag: goes on by date", lambda: after(document(DATA, etag='W/"v1"'), change(cut=third)), requests=2),
    Case("429 with Retry-After", lambda: after(good, answer(429, Retry_After="7")), requests=2),
    Case("503 with a date", lambda: after(good, answer(503, Retry_After="Fri, 01 Jan 2100 00:00:00 GMT")), state="failed", reason="asks to wait"),
    Case("500 twice", lambda: after(good, answer(500), answer(500)), requests=3),
    Case("404", lambda: always(good, answer(404)), state="failed", reason="there is no such file", requests=1),
    Case("stalls", lambda: after(good, change(stall=(third, 0.4))), requests=2),
    Case("drips", lambda: after(good, change(drip=(5, 0.03))), requests=2),
    Case("wrong checksum", lambda: good, state="failed", reason="its md5 is", target=md5(OTHER), requests=1),
    Case("HTML page instead of gzip", lambda: lambda r: Reply(200, {}, PAGE), state="failed", reason="is an HTML page", requests=1),
    Case("nothing instead of gzip", lambda: lambda r: Reply(200), state="failed", reason="is empty"),
    Case("encodes what is encoded already", lambda: always(good, _encoded)),
    Case("encodes text", lambda: always(good, _encoded), path="a.txt"),
    Case("cut-off zip of the promised length", lambda: document(b"PK\x03\x04" + bytes(5000)), state="failed", reason="no end record", path="a.zip"),
]  # fmt: skip


def run(case: Case, root: Path) -> Result:
    """Run a case in a folder of its own."""
    server, clock = Server(), FastClock()
    server.routes["/a.gz"] = case.handler()
    try:
        outcome = fetch(
            server,
            root,
            server.url("/a.gz"),
            path=case.path,
            settings=case.settings,
            clock=clock,
            **case.target,
        )
    finally:
        server.close()
    return Result(outcome, clock, root / case.path, server)
