"""robots.txt as RFC 9309 has it, and what happens where it cannot be read."""

import threading
import time

import pytest

from pile_curate.fetch import robots
from pile_curate.fetch.client import Client
from pile_curate.fetch.settings import Refused
from tests.fetch_cases import QUICK, fetch
from tests.fetch_server import FastClock, Reply, after, answer, document

TEXT = b"# all\nUser-agent: *\nDisallow: /\n"


def allows(text, path, product="pile-curate"):
    return robots.parse(text.encode() if isinstance(text, str) else text, product).allows(f"http://h{path}")


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("", "/a", True),
        ("User-agent: *\nDisallow: /", "/a", False),
        ("User-agent: *\nDisallow: /", "/robots.txt", True),
        ("User-agent: *\nDisallow:", "/a", True),
        ("\ufeffuser-AGENT : *\r\nDISALLOW:/x # no\r\n", "/x/y", False),
        ("User-agent: *\rDisallow: /x\r", "/x", False),
        ("User-agent: other\nDisallow: /", "/a", True),
        ("User-agent: Pile-Curate/2.0\nDisallow: /\nUser-agent: *\nAllow: /", "/a", False),
        ("User-agent: pile\nDisallow: /\nUser-agent: *\nAllow: /", "/a", True),
        ("User-agent: a\nUser-agent: pile-curate\nDisallow: /x\n\nUser-agent: *\nDisallow: /", "/y", True),
        ("User-agent: pile-curate\nDisallow: /x\nUser-agent: *\nDisallow: /\nUser-agent: pile-curate\nDisallow: /y", "/y", False),
        ("User-agent: a\nSitemap: http://x/\nUser-agent: *\nDisallow: /", "/y", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("User-agent: *\nAllow: /a/b\nDisallow: /a", "/a/c", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True),
        ("User-agent: *\nDisallow: /*.php$", "/x/y.php", False),
        ("User-agent: *\nDisallow: /*.php$", "/x/y.php?z", True),
        ("User-agent: *\nDisallow: /a*b*c", "/a__b__c__", False),
        ("User-agent: *\nDisallow: /*a$", "/ab", True),
        ("User-agent: *\nDisallow: /a$", "/a", False),
        ("User-agent: *\nDisallow: /caf\u00e9", "/caf%C3%A9", False),
        ("User-agent: *\nDisallow: /%7ejoe", "/~joe", False),
        ("User-agent: *\nDisallow: /a%2fb", "/a/b", True),
        ("User-agent: *\nDisallow: /q?x=", "/q?x=1", False),
        ("Disallow: /\nUser-agent: *\nAllow: /", "/a", True),
        ("<html>not found</html>", "/a", True),
    ],
)  # fmt: skip
def test_rules(text, path, allowed):
    assert allows(text, path) is allowed


def test_crawl_delay():
    def delay(text):
        return robots.parse(text, "pile-curate").delay

    assert delay(b"User-agent: *\nCrawl-delay: 2.5\nDisallow: /x") == 2.5
    assert delay(b"User-agent: a\nCrawl-delay: 9\nUser-agent: *\nDisallow: /x") == 0
    assert [delay(b"User-agent: *\nCrawl-delay: " + v) for v in (b"-1", b"nan", b"inf", b"soon")] == [0] * 4


def test_hostile_rules_take_linear_time_and_no_more_than_the_limit():
    begun = time.monotonic()
    assert allows("User-agent: *\nDisallow: /" + "*a" * 5000 + "$", "/" + "a" * 4000 + "b")
    assert allows(b"User-agent: *\nDisallow: /x\n" + b"Disallow: /y\n" * 60_000 + b"Disallow: /z\n", "/z")
    assert time.monotonic() - begun < 1


def test_disallowed_files_are_not_asked_for(server, tmp_path):
    server.routes |= {"/robots.txt": lambda r: Reply(200, {}, TEXT), "/a.gz": document(b"")}
    outcome = fetch(server, tmp_path, server.url("/a.gz"))
    assert outcome.state == "failed" and "robots.txt disallows '/a.gz'" in outcome.reason
    assert [r.path for r in server.seen] == ["/robots.txt"]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_robots_txt_that_is_not_there_allows_all(server, tmp_path, status):
    server.routes |= {"/robots.txt": lambda r: Reply(status), "/a.txt": document(b"text")}
    assert fetch(server, tmp_path, server.url("/a.txt"), path="a.txt").state == "fetched"


def test_an_unreachable_robots_txt_forbids_all(server, tmp_path):
    server.routes |= {"/robots.txt": lambda r: Reply(503), "/a.txt": document(b"text")}
    outcome = fetch(server, tmp_path, server.url("/a.txt"), path="a.txt")
    assert outcome.state == "failed" and "9309" in outcome.reason and "503" in outcome.reason
    assert {r.path for r in server.seen} == {"/robots.txt"} and len(server.seen) == 4


def test_a_robots_txt_that_recovers_is_obeyed(server, tmp_path):
    good = after(lambda r: Reply(200, {}, b"User-agent: *\nCrawl-delay: 30"), answer(500))
    server.routes |= {"/robots.txt": good, "/a.txt": document(b"text")}
    clock = FastClock()
    assert fetch(server, tmp_path, server.url("/a.txt"), path="a.txt", clock=clock).state == "fetched"


def test_a_long_pause_asked_for_at_robots_txt_forbids_rather_than_allows(server, tmp_path):
    server.routes |= {
        "/robots.txt": lambda r: Reply(429, {"Retry-After": "99999"}),
        "/a.txt": document(b"text"),
    }
    assert fetch(server, tmp_path, server.url("/a.txt"), path="a.txt").state == "failed"


def test_robots_txt_is_read_once_an_origin_and_checked_again_after_a_redirect(server, tmp_path):
    other = server.url("/b.txt", host="localhost")
    server.routes |= {
        "/robots.txt": lambda r: Reply(200, {}, TEXT if r.host.startswith("localhost") else b""),
        "/a.txt": lambda r: Reply(302, {"Location": other}),
        "/b.txt": document(b"text"),
    }
    client = Client(QUICK, FastClock(), threading.Event())
    for _ in range(2):
        with pytest.raises(Refused, match="localhost"), client.open("GET", server.url("/a.txt")):
            pass
    assert [r.path for r in server.seen] == ["/robots.txt", "/a.txt", "/robots.txt", "/a.txt"]


def test_a_robots_txt_behind_redirects_holds_for_the_first_host(server, tmp_path):
    server.routes |= {
        "/robots.txt": lambda r: Reply(301, {"Location": "/r2"}),
        "/r2": lambda r: Reply(200, {}, TEXT),
        "/a.txt": document(b"text"),
    }
    assert fetch(server, tmp_path, server.url("/a.txt"), path="a.txt").state == "failed"


def test_crawl_delay_and_pace_hold_between_requests(server):
    server.routes |= {
        "/robots.txt": lambda r: Reply(200, {}, b"User-agent: *\nCrawl-delay: 30"),
        "*": document(b"text"),
    }
    clock = FastClock()
    client = Client(QUICK, clock, threading.Event())
    for n in range(4):
        with client.open("GET", server.url(f"/{n}")) as reply:
            assert b"".join(reply.chunks()) == b"text"
    assert len(clock.slept) == 3 and all(29 < wait <= 30 for wait in clock.slept)
