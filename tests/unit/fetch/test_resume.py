"""Runs that end in the middle, at every place, and the ones after them; the ledger, the lock, the disk."""

import errno
import hashlib
import json
import os
import threading

import pytest

from pile_curate.errors import FetchError, SetupError
from pile_curate.fetch import ledger, part
from tests.fetch_cases import DATA, OTHER, fetch, md5
from tests.fetch_server import FastClock, Reply, after, change, document

SHA = hashlib.sha256(DATA).hexdigest()


class Stopping(FastClock):
    """Interrupts the run at its first pause."""

    def sleep(self, seconds, stop):
        if seconds > 0:
            stop.set()


def entries(root):
    return [json.loads(line) for line in (root / "fetch.ledger").read_text().splitlines()]


@pytest.mark.parametrize("at", [0, 1, 1023, 1024, 5000, len(DATA) - 1])
def test_an_interrupted_run_is_continued(server, tmp_path, at):
    server.routes["/a.gz"] = after(document(DATA), change(cut=at))
    url = server.url("/a.gz")
    assert fetch(server, tmp_path, url, clock=Stopping()).state == "interrupted"
    assert not (tmp_path / "a.gz").exists() and len(list((tmp_path / ".fetch").glob("*.part"))) == (at > 0)
    outcome = fetch(server, tmp_path, url)
    assert outcome.state == "fetched" and outcome.moved == len(DATA) - at
    assert (tmp_path / "a.gz").read_bytes() == DATA and entries(tmp_path)[0]["sha256"] == SHA
    if at:
        last = server.asked()[-1].headers
        assert last["range"] == f"bytes={at}-" and last["if-range"] == '"v1"'


def test_a_part_of_another_version_or_url_is_not_continued(server, tmp_path):
    server.routes["/a.gz"] = after(document(DATA), change(cut=5000))
    fetch(server, tmp_path, server.url("/a.gz"), clock=Stopping())
    server.routes["/b.gz"] = document(OTHER)
    assert fetch(server, tmp_path, server.url("/b.gz")).moved == len(OTHER)
    assert (tmp_path / "a.gz").read_bytes() == OTHER


def test_bytes_behind_the_last_sync_do_not_count(server, tmp_path):
    """A machine that lost its power may have a hole there."""
    server.routes["/a.gz"] = after(document(DATA), change(cut=5000))
    fetch(server, tmp_path, server.url("/a.gz"), clock=Stopping())
    (left,) = (tmp_path / ".fetch").glob("*.part")
    left.write_bytes(left.read_bytes() + bytes(3000))
    assert fetch(server, tmp_path, server.url("/a.gz")).moved == len(DATA) - 5000
    assert (tmp_path / "a.gz").read_bytes() == DATA


def test_a_spoilt_part_is_found_out_by_the_checksum_and_fetched_anew(server, tmp_path):
    server.routes["/a.gz"] = after(document(DATA), change(cut=5000))
    fetch(server, tmp_path, server.url("/a.gz"), clock=Stopping(), **md5())
    (left,) = (tmp_path / ".fetch").glob("*.part")
    left.write_bytes(DATA[:4000] + bytes(1000))
    assert fetch(server, tmp_path, server.url("/a.gz"), **md5()).state == "fetched"
    assert (tmp_path / "a.gz").read_bytes() == DATA


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": 1, "odd": 2}', "null"])
def test_a_damaged_sidecar_begins_anew(server, tmp_path, text):
    server.routes["/a.gz"] = after(document(DATA), change(cut=5000))
    fetch(server, tmp_path, server.url("/a.gz"), clock=Stopping())
    (sidecar,) = (tmp_path / ".fetch").glob("*.json")
    sidecar.write_text(text)
    assert fetch(server, tmp_path, server.url("/a.gz")).moved == len(DATA)


def test_up_to_date_in_all_its_ways(server, tmp_path):
    server.routes["/a.gz"] = document(DATA)
    url = server.url("/a.gz")
    assert fetch(server, tmp_path, url, **md5()).state == "fetched"
    server.seen.clear()
    assert fetch(server, tmp_path, url, immutable=True).state == "fresh" and not server.seen
    assert fetch(server, tmp_path, url, **md5()).state == "fresh" and not server.seen
    outcome = fetch(server, tmp_path, url)
    assert outcome.state == "fresh" and outcome.moved == 0
    assert [r.headers["if-none-match"] for r in server.asked()] == ['"v1"']
    server.routes["/a.gz"] = document(OTHER, etag='"v2"')
    assert fetch(server, tmp_path, url, immutable=True).state == "fresh"
    assert fetch(server, tmp_path, url, immutable=True, **md5(OTHER)).state == "fetched"
    assert (tmp_path / "a.gz").read_bytes() == OTHER
    server.routes["/a.gz"] = document(DATA, etag="")
    assert fetch(server, tmp_path, url).state == "fetched"
    assert fetch(server, tmp_path, url).state == "fresh"
    assert server.asked()[-1].headers["if-modified-since"]
    assert len(entries(tmp_path)) == 1


def test_files_that_were_touched_are_fetched_again(server, tmp_path):
    server.routes["/a.gz"] = document(DATA)
    url = server.url("/a.gz")
    for spoil, options, state in (
        (lambda: (tmp_path / "a.gz").unlink(), {}, "fetched"),
        (lambda: (tmp_path / "a.gz").write_bytes(DATA[:-1]), {}, "fetched"),
        (lambda: (tmp_path / "a.gz").write_bytes(bytes(len(DATA))), {}, "fresh"),
        (lambda: None, {"recheck": True}, "fetched"),
    ):
        fetch(server, tmp_path, url)
        spoil()
        assert fetch(server, tmp_path, url, immutable=True, **options).state == state


def test_a_file_that_is_not_ours_is_adopted_by_its_checksum_or_left_alone(server, tmp_path):
    server.routes["/a.gz"] = document(DATA)
    (tmp_path / "a.gz").write_bytes(DATA)
    outcome = fetch(server, tmp_path, server.url("/a.gz"))
    assert outcome.state == "failed" and "is not in fetch.ledger" in outcome.reason
    assert "differs from the published" in fetch(server, tmp_path, server.url("/a.gz"), **md5(OTHER)).reason
    assert fetch(server, tmp_path, server.url("/a.gz"), **md5()).state == "adopted"
    assert fetch(server, tmp_path, server.url("/a.gz"), **md5()).state == "fresh" and not server.asked()


def test_checksum_files_beside(server, tmp_path):
    server.routes |= {
        "/a.gz": document(DATA),
        "/a.gz.md5": document(f"MD5(a.gz)= {hashlib.md5(DATA).hexdigest()}".encode()),
    }
    url = server.url("/a.gz")
    outcome = fetch(server, tmp_path, url, sum_url=f"{url}.md5")
    assert outcome.state == "fetched" and outcome.verified == (f"md5 of {url}.md5", "the announced length")
    assert [r.path for r in server.asked()] == ["/a.gz.md5", "/a.gz"]
    assert fetch(server, tmp_path, url, sum_url=f"{url}.md5").state == "fresh"
    assert [r.path for r in server.asked()[2:]] == ["/a.gz.md5"]
    del server.routes["/a.gz.md5"]
    assert fetch(server, tmp_path / "new", url, sum_url=f"{url}.md5").state == "failed"


def test_what_the_ledger_says(server, tmp_path):
    moved = server.url("/a.gz", host="localhost")
    server.routes |= {
        "/x": lambda r: Reply(302, {"Location": f"{moved}?signature=secret"}),
        "/a.gz?signature=secret": document(DATA),
    }
    fetch(server, tmp_path, server.url("/x"), source="test")
    (entry,) = entries(tmp_path)
    assert entry.pop("fetched")[:2] == "20" and entry == {
        "url": server.url("/x"), "final_url": moved, "path": "a.gz", "bytes": len(DATA), "sha256": SHA, "etag": '"v1"',
        "last_modified": "Mon, 02 Jan 2023 03:04:05 GMT", "encoding": "", "verified": ["the announced length"],
        "published": {}, "immutable": False, "source": "test",
    }  # fmt: skip
    assert "secret" not in (tmp_path / "fetch.ledger").read_text()
    assert os.stat(tmp_path / "a.gz").st_mtime == 1672628645


def test_a_crash_between_the_name_and_the_ledger_is_mended(server, tmp_path, monkeypatch):
    server.routes["/a.gz"] = document(DATA)
    url = server.url("/a.gz")

    def crash(self, entry):
        raise KeyError("power")

    with monkeypatch.context() as patched:
        patched.setattr(ledger.Ledger, "add", crash)
        with pytest.raises(KeyError):
            fetch(server, tmp_path, url)
    assert (tmp_path / "a.gz").exists() and not (tmp_path / "fetch.ledger").exists()
    server.seen.clear()
    assert fetch(server, tmp_path, url, immutable=True).state == "fresh" and not server.seen
    assert os.listdir(tmp_path / ".fetch") == ["lock"]


def test_ledger_lines_torn_damaged_and_hostile(tmp_path):
    good = {"path": "a", "url": "http://h/a", "bytes": 1, "sha256": "x"}
    file = tmp_path / "fetch.ledger"
    file.write_text(json.dumps(good) + '\n{"path": "b", "ur')
    assert list(ledger.read(str(tmp_path))) == ["a"]
    file.write_text('{"torn\n' + json.dumps(good) + "\n")
    with pytest.raises(FetchError, match="line 1, is no entry"):
        ledger.read(str(tmp_path))
    for path in ("../a", "/etc/passwd", "a/../../b", "", "a\0b"):
        file.write_text(json.dumps({**good, "path": path}) + "\n")
        with pytest.raises(FetchError, match="leaves the folder"):
            ledger.read(str(tmp_path))


def test_one_run_at_a_time(tmp_path):
    with (
        ledger.opened(str(tmp_path)),
        pytest.raises(FetchError, match=rf"another run is fetching.*process {os.getpid()}"),
        ledger.opened(str(tmp_path)),
    ):
        pass
    with ledger.opened(str(tmp_path)):
        pass


def test_the_lease_of_a_dead_process_is_no_lock(tmp_path):
    holder = tmp_path / ".fetch" / "holder"
    holder.mkdir(parents=True)
    node = os.uname().nodename
    (holder / "lease.json").write_text(
        json.dumps({"pid": 1, "machine": f"{node}|other boot|", "started": "1"})
    )
    with ledger.opened(str(tmp_path)):
        pass
    holder.mkdir()
    (holder / "lease.json").write_text(json.dumps({"pid": 1, "machine": "elsewhere|boot|", "started": "1"}))
    with pytest.raises(FetchError, match="process 1 on elsewhere"), ledger.opened(str(tmp_path)):
        pass


def test_a_full_disk_is_told_and_costs_nothing(server, tmp_path, monkeypatch):
    server.routes["/a.gz"] = document(DATA)
    url = server.url("/a.gz")
    written = part.Part.write

    def full(self, data):
        if self.size > 20_000:
            with part._explained(self.root, "write into"):
                raise OSError(errno.ENOSPC, "No space left on device")
        written(self, data)

    with monkeypatch.context() as patched:
        patched.setattr(part.Part, "write", full)
        with pytest.raises(FetchError, match="is full .*the parts are kept"):
            fetch(server, tmp_path, url)
    outcome = fetch(server, tmp_path, url)
    assert outcome.state == "fetched" and outcome.moved < len(DATA) - 20_000

    class Usage:
        free = 10

    monkeypatch.setattr(part.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(FetchError, match="has 10 bytes free"):
        fetch(server, tmp_path / "b", url)


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot write into"):
        fetch(server, tmp_path / "file", server.url("/a.gz"))
    server.routes["/a.gz"] = document(DATA)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "sub").write_text("")
    with pytest.raises(SetupError, match="sub"):
        fetch(server, tmp_path / "d", server.url("/a.gz"), path="sub/a.gz")


def test_a_budget_is_kept_to_the_byte(server, tmp_path):
    url = server.url("/a.gz")
    server.routes["/a.gz"] = document(DATA)
    assert fetch(server, tmp_path, url, budget=len(DATA) - 1).state == "over"
    assert fetch(server, tmp_path, url, budget=len(DATA)).state == "fetched"
    server.routes["/b.gz"] = lambda r: change(chunked=True)(r, document(DATA)(r))
    outcome = fetch(server, tmp_path, server.url("/b.gz"), path="b.gz", budget=50_000)
    assert outcome.state == "over" and 0 < outcome.moved <= 50_000
    again = fetch(server, tmp_path, server.url("/b.gz"), path="b.gz")
    assert again.state == "fetched" and again.moved == len(DATA) - outcome.moved


def test_two_threads_of_one_ledger(tmp_path):
    with ledger.opened(str(tmp_path)) as book:
        rows = [{"path": f"p{n}", "url": f"u{n}", "bytes": 1, "sha256": "x"} for n in range(40)]
        threads = [
            threading.Thread(target=lambda part: [book.add(r) for r in part], args=(rows[k::4],))
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(ledger.read(str(tmp_path))) == 40
