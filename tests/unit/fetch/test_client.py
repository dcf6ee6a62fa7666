"""Requests: redirects, connections, rates, secrets, giving a host up."""

import gzip
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pile_curate.errors import SetupError
from pile_curate.fetch.client import Client, Secret
from pile_curate.fetch.patience import retry_after
from pile_curate.fetch.settings import Refused, Settings, Transient
from tests.fetch_cases import QUICK, fetch
from tests.fetch_server import FastClock, Reply, after, answer, document


def client(settings=QUICK, secrets=()):
    return Client(settings, FastClock(), threading.Event(), secrets)


def body(client, url, **headers):
    with client.open("GET", url, headers) as reply:
        return reply.url, b"".join(reply.chunks())


def to(place, status=302):
    return lambda request: Reply(status, {"Location": place}, b"moved")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_to_another_path_and_another_host(server, status):
    server.routes |= {
        "/a": to("b?x=1", status),
        "/b?x=1": to(server.url("/c", host="localhost"), status),
        "/c": document(b"here"),
    }
    assert body(client(), server.url("/a")) == (server.url("/c", host="localhost"), b"here")
    assert server.most_open == 2


def test_redirects_are_bounded(server):
    server.routes |= {
        "/loop": to("/pool"),
        "/pool": to("/loop"),
        "/nowhere": lambda r: Reply(302),
        "/file": to("file:///etc/passwd"),
        "/gopher": to("gopher://x/"),
        "/secret": to("http://u:p@127.0.0.1/"),
    }
    server.routes |= {f"/{n}": to(f"/{n + 1}") for n in range(20)}
    for path, why in (
        ("/loop", "circle"), ("/0", "more than 5 redirects"), ("/nowhere", "to nowhere"), ("/file", "not an http"),
        ("/gopher", "not an http"), ("/secret", "credentials"),
    ):  # fmt: skip
        with pytest.raises(Refused, match=why):
            body(client(), server.url(path))
    server.routes["/20"] = document(b"end")
    assert body(client(replace(QUICK, redirects=20)), server.url("/0"))[1] == b"end"


def test_a_secret_is_for_its_origin_alone(server):
    server.routes |= {"/a": to(server.url("/b", host="localhost")), "/b": document(b"x")}
    body(client(secrets=(Secret(server.url(""), "X-Key", "s3cret"),)), server.url("/a"))
    assert {r.path: r.headers.get("x-key") for r in server.seen if r.path != "/robots.txt"} == {
        "/a": "s3cret",
        "/b": None,
    }


def test_one_connection_is_used_again_and_only_one(server):
    server.routes["*"] = document(b"x" * 50_000)
    sharing = client()
    threads = [threading.Thread(target=body, args=(sharing, server.url(f"/{n}"))) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.most_open == 1 and len(server.asked()) == 6
    assert sharing.requests == 7  # robots.txt once


def test_byte_rate():
    from tests.fetch_server import Server

    server = Server()
    server.routes["/a"] = document(b"x" * 500_000)
    slow = client(replace(QUICK, bytes_per_second=100_000, stall_seconds=60))
    assert len(body(slow, server.url("/a"))[1]) == 500_000
    assert 4 < sum(slow.clock.slept) <= 5.1
    server.close()


def test_other_transfer_codings_are_refused(server):
    server.routes["/a"] = lambda r: Reply(200, {"Transfer-Encoding": "gzip"}, b"x", unframed=True)
    with pytest.raises(Refused, match="transfer coding"):
        body(client(), server.url("/a"))


def test_nobody_listens():
    with pytest.raises(Refused, match="127.0.0.1:1/robots.txt disallows.*cannot be read"):
        body(client(), "http://127.0.0.1:1/a")
    with (
        pytest.raises(Transient, match="no connection"),
        client().open("GET", "http://127.0.0.1:1/a", obey=False),
    ):
        pass


def test_encryption_that_fails(server):
    with (
        # A peer that speaks no TLS may answer with text or drop the line first: both are tried again.
        pytest.raises(Transient, match="connection"),
        client().open("GET", f"https://127.0.0.1:{server.port}/", obey=False),
    ):
        pass


def test_garbage_instead_of_http(server, monkeypatch):
    import tests.fetch_server as module

    monkeypatch.setattr(
        module, "_send", lambda connection, request, reply: connection.sendall(b"SSH-2.0-x\r\n")
    )
    with pytest.raises(Transient), client().open("GET", server.url("/a"), obey=False):
        pass


def test_a_host_that_fails_again_and_again_is_left_alone(server, tmp_path):
    server.routes |= {"/robots.txt": lambda r: Reply(404), "*": lambda r: Reply(500)}
    shared = client(replace(QUICK, retries=1))
    for n in range(3):
        with pytest.raises(Refused, match="given up"):
            shared.text(server.url(f"/{n}"))
    before = len(server.seen)
    with pytest.raises(Refused, match="3 times in a row and is left alone"):
        shared.text(server.url("/4"))
    assert len(server.seen) == before


def test_listings_are_bounded(server):
    server.routes["/a"] = document(b"x" * 5000)
    with pytest.raises(Refused, match="too much for a listing"):
        client().text(server.url("/a"), limit=1000)


def test_listings_that_come_gzipped_unasked_are_read(server):
    def coded(data, coding="gzip"):
        return lambda r: Reply(200, {"Content-Encoding": coding}, data)

    server.routes |= {
        "/a": coded(gzip.compress(b"x" * 5000)),
        "/b": coded(b"x", "br"),
        "/c": coded(b"no gzip"),
        "/robots.txt": coded(gzip.compress(b"User-agent: *\nDisallow: /d")),
        "/d": document(b"x"),
    }
    assert client().text(server.url("/a")) == b"x" * 5000
    for path, why, limit in (
        ("/a", "too much", 4000),
        ("/b", "coding 'br'", 99),
        ("/c", "damaged", 99),
        ("/d", "disallows", 99),
    ):
        with pytest.raises(Refused, match=why):
            client().text(server.url(path), limit)
    server.routes["/robots.txt"] = coded(b"x", "br")
    with pytest.raises(Refused, match="disallows '/a': .*coding 'br'"):
        client().text(server.url("/a"))


def test_a_busy_host_behind_a_redirect_is_the_one_that_pauses(server):
    server.routes |= {
        "/a": to(server.url("/b", host="localhost")),
        "/b": after(document(b"x"), answer(503, Retry_After="50")),
    }
    patient = client()
    assert patient.text(server.url("/a")) == b"x"
    assert patient.hosts._of("localhost").next_request > patient.hosts._of("127.0.0.1").next_request
    assert sum(patient.clock.slept) >= 50


def test_retry_after_as_seconds_and_date():
    now = datetime(2024, 5, 6, 7, 8, 0, tzinfo=UTC)
    told = {"120": 120.0, "Mon, 06 May 2024 07:09:00 GMT": 60.0, "Mon, 06 May 2024 07:00:00 GMT": 0.0}
    assert {text: retry_after(text, now) for text in told} == told
    assert [retry_after(text, now) for text in ("", "soon", "-1", "1.5", "\u0661")] == [None] * 5


def test_the_agent_says_who_asks():
    from pile_curate import __version__

    assert Settings(contact="me@example.org").agent == f"pile-curate/{__version__} (me@example.org)"
    for bad in ("a\r\nX: y", "a)b", "\u00e9"):
        with pytest.raises(SetupError, match="printable ASCII"):
            Settings(contact=bad)


def test_an_interrupt_ends_a_wait(server, tmp_path):
    server.routes["/a.gz"] = lambda r: Reply(503, {"Retry-After": "600"})
    stop = threading.Event()

    class Stopping(FastClock):
        def sleep(self, seconds, stop):
            if seconds > 0:
                stop.set()

    assert fetch(server, tmp_path, server.url("/a.gz"), clock=Stopping(), stop=stop).state == "interrupted"
