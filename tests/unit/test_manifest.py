"""A dataset happened or did not: commit, lose, replace, crash at every step, verify, sweep."""

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest

from pile_curate import leases, manifest, manifest_format
from pile_curate.errors import CommitLost, DatasetDamaged, DatasetError, DatasetMissing
from pile_curate.hashing import add_digests, hex128
from pile_curate.manifest import FileEntry, begin, find, gc, load, software_versions, verify
from pile_curate.storage import sha256_file
from pile_curate.tables import PartWriter, read_rows

SCHEMA = pa.schema([("n", pa.int64()), ("part", pa.string())])


def part(attempt, name, numbers, table="main"):
    with PartWriter(attempt.directory, name, SCHEMA, table=table) as writer:
        writer.write([{"n": n, "part": attempt.id} for n in numbers])
    return writer.entry


def commit(attempt, files, **more):
    return attempt.commit(files, **{"stage_version": 1, "fingerprint": "f", "inputs": {}, **more})


def make(path, numbers, **more):
    with begin(path, "extract") as attempt:
        return commit(attempt, [part(attempt, "x.parquet", numbers)], **more)


def numbers_in(path):
    published = load(path)
    return sorted(read_rows(published.paths(path), schema=SCHEMA).column("n").to_pylist())


def all_files(path):
    return sorted(
        os.path.relpath(os.path.join(folder, name), path).replace(os.sep, "/")
        for folder, _, names in os.walk(path)
        for name in names
        if name != leases.LOCK_NAME
    )


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "documents")


def test_a_commit_publishes_exactly_its_files(path):
    with begin(path, "extract") as attempt:
        one = part(attempt, "a.parquet", [1, 2])
        two = part(attempt, "sub/b.parquet", [3], table="other")
        part(attempt, "speculative.parquet", [1, 2])
        assert find(path) is None
        made = commit(
            attempt, [two, one], facts={"why": "x"}, inputs={"b": "2", "a": "1"}, fingerprint="print"
        )
    read = load(path)
    assert read == made
    assert read.select("main") == (one,)
    assert read.paths(path, "other") == [os.path.join(path, two.path)]
    assert (read.dataset, read.stage, read.rows, read.fingerprint) == ("documents", "extract", 3, "print")
    assert read.digest == hex128(add_digests([int(one.digest, 16), int(two.digest, 16)]))
    assert read.exclude == ("part", "row")
    assert read.software == software_versions()
    assert all_files(path) == sorted([one.path, two.path, "manifest.json"])
    assert verify(path, deep=True) == []


def test_datasets_of_other_files_give_their_own_digest(path):
    with begin(path, "tokenize") as attempt:
        target = os.path.join(attempt.directory, "t.bin")
        with open(target, "wb") as handle:
            handle.write(b"12345")
        entry = FileEntry(attempt.relative(target), 1, 5, sha256_file(target)[0])
        made = commit(attempt, [entry], digest="ab" * 16, rows=7)
    assert (made.digest, made.rows) == ("ab" * 16, 7)
    assert verify(path, deep=True) == []


def test_an_empty_dataset_is_a_dataset(path):
    assert commit(begin(path, "extract"), []).rows == 0
    assert numbers_in(path) == []


def test_the_second_commit_loses_and_leaves_nothing(path):
    first, second = begin(path, "extract"), begin(path, "extract")
    one, two = part(first, "x", [1]), part(second, "x", [2])
    commit(first, [one])
    with pytest.raises(CommitLost, match="another run"), second:
        commit(second, [two])
    assert numbers_in(path) == [1]
    assert all_files(path) == sorted([one.path, "manifest.json"])


def test_replace_swaps_and_sweeps_the_old_files(path):
    make(path, [1])
    made = make(path, [2], replace=True)
    assert numbers_in(path) == [2]
    assert all_files(path) == sorted([made.files[0].path, "manifest.json"])


def test_files_of_an_earlier_attempt_can_be_reused(path):
    with begin(path, "shard") as attempt:
        old = commit(attempt, [part(attempt, "a", [1]), part(attempt, "b", [2])])
    with begin(path, "shard") as attempt:
        commit(attempt, [old.files[0], part(attempt, "c", [3])], replace=True)
    assert numbers_in(path) == [1, 3]
    assert old.files[1].path not in all_files(path)
    assert verify(path, deep=True) == []


def test_a_listed_file_must_exist_with_its_size(path):
    with begin(path, "extract") as attempt:
        entry = part(attempt, "a", [1])
        with open(os.path.join(path, entry.path), "ab") as handle:
            handle.write(b"!")
        with pytest.raises(DatasetDamaged, match="reported"):
            commit(attempt, [entry])
        with pytest.raises(DatasetDamaged, match="cannot be read"):
            commit(attempt, [FileEntry("attempts/none", 0, 0, "")])
        with pytest.raises(DatasetDamaged, match="unsafe"):
            commit(attempt, [FileEntry("../../etc/passwd", 0, 0, "")])
        with pytest.raises(DatasetError, match="twice"):
            commit(attempt, [part(attempt, "b", [1])] * 2)
    assert find(path) is None
    assert all_files(path) == []


def test_an_attempt_is_over_after_its_commit(path):
    attempt = begin(path, "extract")
    commit(attempt, [])
    with pytest.raises(DatasetError, match="over"):
        commit(attempt, [], replace=True)


def test_a_missing_dataset_names_the_stage(path):
    with pytest.raises(DatasetMissing, match="run the stage 'extract' first"):
        load(path, "extract")
    with pytest.raises(DatasetMissing, match="'documents'"):
        verify(path)


def test_remote_datasets_are_refused_for_now():
    with pytest.raises(DatasetError, match="local"):
        begin("s3://bucket/x", "extract")


def test_a_long_file_list_goes_to_parquet_and_is_checked(path, monkeypatch):
    monkeypatch.setattr(manifest_format, "INLINE_FILES", 3)
    with begin(path, "extract") as attempt:
        made = commit(attempt, [part(attempt, f"{i}", [i]) for i in range(5)], facts={"a": [1, {"b": None}]})
    with open(os.path.join(path, "manifest.json")) as handle:
        assert json.load(handle)["files"]["count"] == 5
    assert load(path) == made
    gc(path)
    assert numbers_in(path) == [0, 1, 2, 3, 4]
    listing = os.path.join(path, "attempts", made.attempt, "files.parquet")
    with open(listing, "ab") as handle:
        handle.write(b"x")
    with pytest.raises(DatasetDamaged, match="sha256"):
        load(path)
    with pytest.raises(DatasetDamaged):
        gc(path)
    os.unlink(listing)
    with pytest.raises(DatasetDamaged, match="missing"):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format=99), "format 99"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m.pop("rows"), "rows"),
        (lambda m: m["files"][0].pop("bytes"), "misstates"),
        (lambda m: m["files"][0].update(path="/etc/passwd"), "unsafe"),
        (lambda m: m["files"][0].update(path="attempts/../../x"), "unsafe"),
        (lambda m: m.update(files=3), "misstates"),
    ],
)
def test_a_manifest_that_is_not_understood_is_refused_and_nothing_is_swept(path, change, message):
    make(path, [1])
    where = os.path.join(path, "manifest.json")
    with open(where) as handle:
        record = json.load(handle)
    change(record)
    with open(where, "w") as handle:
        json.dump(record, handle)
    before = all_files(path)
    with pytest.raises(DatasetDamaged, match=message):
        load(path)
    with pytest.raises(DatasetDamaged):
        gc(path)
    assert all_files(path) == before


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe"])
def test_rubbish_is_no_manifest(path, raw):
    os.makedirs(path)
    with open(os.path.join(path, "manifest.json"), "wb") as handle:
        handle.write(raw)
    with pytest.raises(DatasetDamaged, match="no manifest"):
        load(path)


class Crash(BaseException):
    """As if the power failed: nothing may catch this and tidy up."""


def crash_after(monkeypatch, steps):
    """Let the first ``steps`` of the calls that change a disk pass, and fail every later one."""
    done = 0

    def wrap(name, real):
        def call(*args, **kwargs):
            nonlocal done
            if done >= steps:
                raise Crash(name)
            done += 1
            return real(*args, **kwargs)

        return call

    for name in ("link", "replace", "fsync", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, wrap(name, getattr(os, name)))


@pytest.mark.parametrize("replacing", [False, True])
def test_a_crash_at_every_step_leaves_the_old_or_the_new(tmp_path, monkeypatch, replacing):
    outcomes = []
    for k in range(200):
        path = str(tmp_path / f"d{k}")
        if replacing:
            make(path, [1])
        attempt = begin(path, "extract")
        entries = [part(attempt, f"{i}", [10 + i]) for i in range(2)]
        crash_after(monkeypatch, k)
        try:
            commit(attempt, entries, replace=replacing)
            finished = True
        except Crash:
            finished = False
        monkeypatch.undo()
        published = find(path)
        seen = None if published is None else numbers_in(path)
        assert seen in ([10, 11], [1] if replacing else None)
        if seen is not None:
            assert verify(path, deep=True) == []
        outcomes.append(seen == [10, 11])
        attempt._lease._stop.set()  # the crashed process is gone
        monkeypatch.setattr(leases, "alive", lambda _: False)
        make(path, [5], replace=True)
        monkeypatch.undo()
        assert numbers_in(path) == [5]
        assert all_files(path) == sorted([load(path).files[0].path, "manifest.json"])
        if finished:
            break
    assert finished
    assert outcomes[0] is False
    assert outcomes == sorted(outcomes), "once new, always new"
    assert len(outcomes) > 8


def test_a_killed_writer_leaves_nothing_that_counts(path):
    code = (
        "import sys, time\n"
        "from tests.unit.test_manifest import *\n"
        f"a = begin({path!r}, 'extract'); part(a, 'x', [1]); print(a.id, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        name = process.stdout.readline().strip()
        assert gc(path) == [], "a live attempt is spared"
        assert leases.alive(os.path.join(path, "attempts", name))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert find(path) is None
    assert gc(path) == [f"attempts/{name}/lease.json", f"attempts/{name}/x"]
    assert all_files(path) == []


def test_a_live_attempt_is_spared_by_another_runs_commit(path):
    slow = begin(path, "extract")
    entry = part(slow, "x", [1])
    make(path, [2])
    assert os.path.exists(os.path.join(path, entry.path))
    with pytest.raises(CommitLost):
        commit(slow, [entry])
    slow.abandon()
    assert numbers_in(path) == [2]


def lease_of(path, **changes):
    attempt = begin(path, "extract")
    where = os.path.join(attempt.directory, leases.LEASE_NAME)
    with open(where) as handle:
        record = json.load(handle)
    record.update(changes)
    with open(where, "w") as handle:
        json.dump(record, handle)
    return attempt, where


def test_a_reused_pid_is_not_the_holder(path):
    attempt, _ = lease_of(path, started="1")
    assert not leases.alive(attempt.directory)


def test_another_machines_lease_lives_by_its_renewal(path):
    attempt, where = lease_of(path, machine="elsewhere|boot|ns")
    assert leases.alive(attempt.directory)
    old = time.time() - leases.STALE_SECONDS - 10
    os.utime(where, (old, old))
    assert not leases.alive(attempt.directory)


def test_a_lease_is_renewed(path, monkeypatch):
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.05)
    attempt = begin(path, "extract")
    where = os.path.join(attempt.directory, leases.LEASE_NAME)
    os.utime(where, (1, 1))
    for _ in range(100):
        if os.stat(where).st_mtime > 1:
            break
        time.sleep(0.05)
    assert os.stat(where).st_mtime > 1
    attempt.abandon()
    assert all_files(path) == []


def test_a_half_written_lease_counts_as_alive_while_young(path):
    attempt, where = lease_of(path)
    with open(where, "w") as handle:
        handle.write("{")
    assert leases.alive(attempt.directory)
    old = time.time() - leases.STALE_SECONDS - 10
    os.utime(attempt.directory, (old, old))
    assert not leases.alive(attempt.directory)


def test_a_directory_swept_before_its_lease_is_made_again(path, monkeypatch):
    real, calls = os.makedirs, []

    def made_and_swept(target, *args, **kwargs):
        real(target, *args, **kwargs)
        if target.endswith("attempts") or os.path.basename(os.path.dirname(target)) != "attempts":
            return
        calls.append(target)
        if len(calls) == 1:
            os.rmdir(target)

    monkeypatch.setattr(os, "makedirs", made_and_swept)
    attempt = begin(path, "extract")
    assert os.path.exists(os.path.join(attempt.directory, leases.LEASE_NAME))


def test_abandon_after_a_crash_behind_the_publication_keeps_the_files(path, monkeypatch):
    attempt = begin(path, "extract")
    entry = part(attempt, "x", [1])

    def crash(*_):
        raise OSError("too late to matter")

    monkeypatch.setattr(manifest, "_sweep", crash)
    with pytest.raises(OSError, match="too late"):
        commit(attempt, [entry])
    monkeypatch.undo()
    attempt.abandon()
    assert numbers_in(path) == [1]


def tamper_size(path, file):
    with open(file, "ab") as handle:
        handle.write(b"x")


def tamper_byte(path, file):
    with open(file, "r+b") as handle:
        handle.seek(10)
        byte = handle.read(1)
        handle.seek(10)
        handle.write(bytes([byte[0] ^ 1]))


def tamper_gone(path, file):
    os.unlink(file)


@pytest.mark.parametrize(
    ("tamper", "shallow", "what"),
    [(tamper_size, 1, "bytes, the manifest"), (tamper_gone, 1, "cannot be read"), (tamper_byte, 0, "sha256")],
)
def test_verify_finds_damaged_files(path, tamper, shallow, what):
    made = make(path, range(100))
    tamper(path, os.path.join(path, made.files[0].path))
    assert len(verify(path)) == shallow
    (problem,) = verify(path, deep=True)
    assert problem.where == made.files[0].path
    assert what in problem.what


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda m: m.update(rows=9), {"rows"}),
        (lambda m: m.update(digest="0" * 32), {"digest"}),
        (lambda m: m["files"][0].update(rows=9), {"rows", "file"}),
        (lambda m: m["files"][0].update(digest="0" * 31 + "1"), {"digest", "file"}),
    ],
)
def test_verify_finds_a_manifest_that_lies(path, change, where):
    make(path, range(3))
    name = os.path.join(path, "manifest.json")
    with open(name) as handle:
        record = json.load(handle)
    change(record)
    with open(name, "w") as handle:
        json.dump(record, handle)
    found = {p.where if p.where in ("rows", "digest") else "file" for p in verify(path, deep=True)}
    assert found == where


def test_the_manifest_is_plain_sorted_json(path):
    make(path, [1])
    with open(os.path.join(path, "manifest.json")) as handle:
        text = handle.read()
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_software_versions_names_what_is_absent():
    versions = software_versions("no-such-distribution")
    assert versions["no-such-distribution"] == "absent"
    assert versions["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert versions["pyarrow"][0].isdigit()
