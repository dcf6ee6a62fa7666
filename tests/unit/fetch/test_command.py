"""The command line: several hosts, options, dry run, messages and statuses; real processes, interrupted and killed."""

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pile_curate import cli
from pile_curate.fetch import catalogue, command, ledger, run
from pile_curate.fetch.client import Client
from pile_curate.fetch.targets import Budget, Target
from tests.fetch_cases import DATA, OTHER, QUICK
from tests.fetch_server import FastClock, Reply, change, document

ROOT = Path(__file__).parents[3]


@pytest.fixture
def call(capsys, monkeypatch):
    """Return a function that runs ``pile-curate fetch`` and returns status, standard output and error."""
    monkeypatch.setattr(command, "Clock", FastClock)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "PILE_CURATE_CONTACT"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        status = cli.main(["fetch", *map(str, arguments)])
        told = capsys.readouterr()
        assert "Traceback" not in told.err + told.out
        return status, told.out, told.err

    return run


def listed(root):
    return {row["path"]: row for row in map(json.loads, (root / "fetch.ledger").read_text().splitlines())}


def test_addresses_from_two_hosts_and_a_list(call, server, tmp_path):
    server.routes |= {"/x/a.gz": document(DATA), "/y/a.gz": document(OTHER), "/b.txt": document(b"text")}
    urls = tmp_path / "urls"
    urls.write_text(
        f"# mine\n\n{server.url('/y/a.gz')}\n{server.url('/b.txt', 'localhost')} # the last\n{server.url('/b.txt', 'localhost')}\n"
    )
    out = tmp_path / "out"
    status, told, err = call(
        server.url("/x/a.gz"), "--urls", urls, "--to", out, "--contact", "me@example.org"
    )
    assert status == 0 and "3 fetched, 0 up to date, 0 failed" in told, err
    rows = listed(out)
    assert len(rows) == 3 and "b.txt" in rows and all(p.startswith("a~") for p in rows if p != "b.txt")
    assert {row["sha256"] for row in rows.values()} == {
        hashlib.sha256(d).hexdigest() for d in (DATA, OTHER, b"text")
    }
    assert {r.headers["user-agent"].rpartition(" ")[2] for r in server.seen} == {"(me@example.org)"}
    assert {r.path for r in server.seen if r.host.startswith("localhost")} == {"/robots.txt", "/b.txt"}
    status, told, err = call(server.url("/x/a.gz"), "--urls", urls, "--to", out)
    assert "0 fetched, 3 up to date" in told and err.count("up to date: ") == 3
    assert call("--verify", "--to", out)[:2] == (0, f"{out}: 3 files are as they were fetched\n")
    (out / "b.txt").write_text("Text")
    status, told, err = call("--verify", "--to", out)
    assert status == 1 and "b.txt: differs from what was fetched" in err


def test_checksum_lists_for_addresses_of_ones_own(call, server, tmp_path):
    told = f"{hashlib.sha256(DATA).hexdigest()}  a.gz\n{hashlib.sha256(DATA).hexdigest()} *b.gz\n"
    server.routes |= {
        "/a.gz": document(DATA),
        "/b.gz": document(OTHER),
        "/c.gz": document(DATA),
        "/sums": document(told.encode()),
    }
    (tmp_path / "sums").write_text(told)
    for lists in (server.url("/sums"), tmp_path / "sums"):
        assert call(server.url("/a.gz"), "--sums", lists, "--to", tmp_path / "a")[0] == 0
        assert listed(tmp_path / "a")["a.gz"]["verified"][0] == f"sha256 of {server.url('/sums')}"
    status, _, err = call(server.url("/b.gz"), "--sums", tmp_path / "sums", "--to", tmp_path / "b")
    assert status == 1 and "its sha256 is" in err
    status, _, err = call(server.url("/c.gz"), "--sums", tmp_path / "sums", "--to", tmp_path / "c")
    assert status == 1 and "holds no checksum for 'c.gz'" in err
    assert call(server.url("/c.gz"), "--sums", tmp_path / "no", "--to", tmp_path / "c")[0] == 2


def test_order_of_addresses_changes_nothing(call, server, tmp_path):
    server.routes |= {"/x/a.gz": document(DATA), "/y/a.gz": document(OTHER)}
    both = [server.url("/x/a.gz"), server.url("/y/a.gz")]
    for name, order in (("1", both), ("2", both[::-1])):
        assert call(*order, "--to", tmp_path / name)[0] == 0
    first, second = ({p: r["url"] for p, r in listed(tmp_path / n).items()} for n in "12")
    assert first == second


def test_some_fail_and_the_rest_goes_on(call, server, tmp_path):
    server.routes |= {"/a.gz": document(DATA), "/b.gz": lambda r: Reply(404), "/c.gz": document(OTHER)}
    status, told, err = call(*(server.url(f"/{n}.gz") for n in "abc"), "--to", tmp_path)
    assert status == 1 and "2 fetched, 0 up to date, 1 failed" in told
    assert "FETCH: 1 of 3 files failed, the first 'b.gz'" in err and "there is no such file" in err
    assert call(server.url("/d.gz"), "--to", tmp_path)[0] == 1


def test_match_limit_bytes_paths_and_dry_run(call, server, tmp_path):
    server.routes |= {f"/d/{n}.gz": document(DATA) for n in range(5)}
    server.routes["/d/9.txt"] = lambda r: change(chunked=True)(r, document(b"text")(r))
    urls = [server.url(f"/d/{n}.gz") for n in range(5)] + [server.url("/d/9.txt")]
    status, told, _ = call(*urls, "--to", tmp_path / "no", "--dry-run")
    assert status == 0 and not (tmp_path / "no").exists() and {r.method for r in server.asked()} == {"HEAD"}
    assert "6 files; 772.0 KiB for the 5 of known size, about 926.3 KiB in all; nothing was fetched" in told
    assert [line.split()[:2] for line in told.splitlines()][-2] == ["?", "9.txt"]
    status, told, _ = call(*urls, "--to", tmp_path / "m", "--match", "[13].gz", "--match", "*.txt")
    assert sorted(listed(tmp_path / "m")) == ["1.gz", "3.gz", "9.txt"]
    call(*urls, "--to", tmp_path / "l", "--limit", 2)
    assert sorted(listed(tmp_path / "l")) == ["0.gz", "1.gz"]
    status, told, err = call(*urls, "--to", tmp_path / "b", "--max-bytes", f"{3 * len(DATA) + 100}")
    assert (
        status == 0 and "3 fetched" in told and "3 left for another run" in told and "over --max-bytes" in err
    )
    assert sorted(listed(tmp_path / "b")) == ["0.gz", "1.gz", "2.gz"]
    call(urls[0], "--to", tmp_path / "k", "--keep-paths")
    assert list(listed(tmp_path / "k")) == [f"127.0.0.1_{server.port}/d/0.gz"]
    assert call(*urls, "--to", tmp_path / "n", "--match", "*.zip")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ([], 2, "--to DIR is missing"),
        (["--to", "d"], 2, "say what to fetch"),
        (["wikipeda", "--to", "d"], 2, "did you mean 'wikipedia'"),
        (["Books3", "--to", "d"], 2, "SOURCE_UNAVAILABLE: books3 is not fetched: neither authors nor publishers consented"),
        (["arxiv", "--to", "d", "--dry-run"], 2, "requester-pays"),
        (["uspto", "--to", "d"], 2, "put it into the variable USPTO_API_KEY"),
        (["wikipedia", "--set", "wiki=../x", "--to", "d"], 2, "letters, digits"),
        (["wikipedia", "--set", "wiki", "--to", "d"], 2, "write KEY=VALUE"),
        (["wikipedia", "pubmed", "--to", "d"], 2, "one source at a time"),
        (["wikipedia", "http://h/a", "--to", "d"], 2, "folders of their own"),
        (["http://h/a", "--set", "a=b", "--to", "d"], 2, "--set is for sources"),
        (["http://u:p@h/a", "--to", "d"], 1, "carries credentials"),
        (["--urls", "/nowhere/urls", "--to", "d"], 2, "cannot read the list"),
        (["http://h/a", "--to", "d", "--limit", "0"], 2, "above zero"),
        (["http://h/a", "--to", "d", "--bytes-per-second", "fast"], 2, "is no size"),
        (["--verify", "--to", "/nowhere"], 2, "lists no file"),
    ],
)  # fmt: skip
def test_mistakes(call, monkeypatch, tmp_path, arguments, status, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("USPTO_API_KEY", raising=False)
    code, _, err = call(*arguments)
    assert code == status and text in err and not os.listdir(tmp_path)


def test_list_and_sizes(call):
    status, told, _ = call("--list")
    assert status == 0 and all(f"{name} [" in told or f"{name}:" in told for name in catalogue.sources())
    assert "without consent, not fetched" in told and "\n\n" not in told
    assert [command.size(t) for t in ("5", "1k", "2.5M", "10Gi", "1TB")] == [
        5,
        1000,
        2_500_000,
        10 << 30,
        10**12,
    ]
    assert [command.human(n) for n in (5, 2048, 5 << 30)] == ["5 B", "2.0 KiB", "5.0 GiB"]


def test_a_source_with_its_key_pace_and_advice(call, server, tmp_path, monkeypatch):
    entry = catalogue.Source(
        name="toy", about="x", interval=5.0, immutable=True, after="Unpack   it.",
        key={"origin": server.url(""), "header": "X-Key", "env": "TOY_KEY", "get": "there"},
        parameters={"n": {"about": "numbers", "default": "1..3"}},
        listings=[{"kind": "files", "urls": [server.url("/{n}.gz")]}],
    )  # fmt: skip
    monkeypatch.setattr(catalogue, "source", lambda name: entry)
    monkeypatch.setenv("TOY_KEY", "s3cret")
    server.routes |= {f"/{n}.gz": document(DATA) for n in range(1, 4)}
    status, told, err = call("toy", "--to", tmp_path)
    assert status == 0 and "3 fetched" in told and "next: Unpack it." in told
    assert {r.headers.get("x-key") for r in server.seen} == {"s3cret"}
    assert "s3cret" not in told + err + (tmp_path / "fetch.ledger").read_text()
    server.seen.clear()
    assert "3 up to date" in call("toy", "--to", tmp_path)[1] and not server.seen


def test_many_hosts_share_a_bounded_number_of_threads(server, tmp_path):
    settings = replace(QUICK, proxies={"http": server.url("")})
    server.routes |= {f"http://h{n % 40}/{n}.gz": document(DATA) for n in range(60)}
    client = Client(settings, FastClock(), threading.Event())
    wanted = [Target(f"http://h{n % 40}/{n}.gz", f"{n}.gz") for n in range(60)]
    reports = []
    with ledger.opened(str(tmp_path)) as book:
        outcomes = run.Fetching(client, book, Budget(None), reports.append, print).run(wanted)
    assert [o.target for o in outcomes] == wanted and {o.state for o in outcomes} == {"fetched"}
    assert len(reports) == 60 and server.most_open <= run.MOST_THREADS and len(listed(tmp_path)) == 60


def test_progress_is_told_while_a_file_comes(call, server, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "PROGRESS_SECONDS", 0.0)
    server.routes["/a.gz"] = lambda r: change(drip=(60_000, 0.12))(r, document(DATA)(r))
    err = call(server.url("/a.gz"), "--to", tmp_path)[2]
    assert "fetching: a.gz: " in err and "of 154.4 KiB, " in err and "/s\n" in err


def start(server, out):
    code = f"import sys; from pile_curate.cli import main; sys.exit(main(['fetch', {server.url('/a.gz')!r}, '--to', {str(out)!r}, '--requests-per-second', '99']))"
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)


def wait_for(what):
    until = time.monotonic() + 10
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_ctrl_c_keeps_the_part_kill_does_no_harm_and_a_second_run_waits_its_turn(server, tmp_path, call):
    slow = document(DATA)
    server.routes["/a.gz"] = lambda r: change(drip=(6000, 0.02))(r, slow(r))

    def grown(size):
        parts = list((tmp_path / ".fetch").glob("*.part"))
        return bool(parts) and parts[0].stat().st_size > size

    for size, end, status in ((20_000, signal.SIGINT, 130), (60_000, signal.SIGKILL, -9)):
        child = start(server, tmp_path)
        wait_for(lambda size=size: grown(size))
        if end == signal.SIGKILL:
            code, _, err = call(server.url("/a.gz"), "--to", tmp_path)
            assert code == 1 and f"another run is fetching into {str(tmp_path)!r} (process {child.pid}" in err
        child.send_signal(end)
        err = child.communicate(timeout=10)[1]
        assert child.returncode == status and "Traceback" not in err and not (tmp_path / "a.gz").exists()
    server.routes["/a.gz"] = slow
    assert call(server.url("/a.gz"), "--to", tmp_path)[0] == 0
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == gzip.decompress(DATA)
    first, second, third = (r.headers.get("range", "") for r in server.asked())
    assert first == "" and second == third and int(second[6:-1]) > 20_000
