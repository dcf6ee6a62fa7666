"""The archive of the JVM's classes: whose it is, when it is used, and that nothing about it can hurt a run."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pile_curate import class_archive, java
from pile_curate.class_archive import Archive, fits, mode


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("PILE_CURATE_CACHE", str(folder))
    monkeypatch.setenv(class_archive.SWITCH, "1")
    return folder


@pytest.fixture
def spark_home(tmp_path, monkeypatch):
    jars = tmp_path / "spark" / "jars"
    jars.mkdir(parents=True)
    (jars / "a.jar").write_text("a")
    monkeypatch.setenv("SPARK_HOME", str(jars.parent))
    return jars.parent


def jdk(home: Path, with_base: bool = True) -> str:
    server = home / "lib" / "server"
    server.mkdir(parents=True)
    (server / "libjvm.so").write_text("jvm")
    if with_base:
        (server / "classes.jsa").write_text("base")
    return str(home)


def test_the_name_depends_on_the_jvm_and_every_jar(cache, spark_home, tmp_path):
    home = jdk(tmp_path / "jdk")
    first = class_archive.find(home, 17)
    assert first.path.parent == cache / "classes" and first.path.suffix == ".jsa"
    assert class_archive.find(home, 17) == first
    others = [
        class_archive.find(home, 21),
        class_archive.find(home, 25),
        class_archive.find(jdk(tmp_path / "b"), 17),
    ]
    (spark_home / "jars" / "b.jar").write_text("b")
    others.append(class_archive.find(home, 17))
    os.utime(spark_home / "jars" / "b.jar", (1, 1))
    others.append(class_archive.find(home, 17))
    (tmp_path / "jdk" / "lib" / "server" / "libjvm.so").write_text("another")
    others.append(class_archive.find(home, 17))
    assert len({archive.path for archive in [first, *others]}) == 7


def test_a_home_of_links_has_no_archive_of_its_own(cache, spark_home, tmp_path, monkeypatch):
    home = jdk(tmp_path / "jdk")
    first = class_archive.find(home, 17)
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "jars").symlink_to(spark_home / "jars")
    monkeypatch.setenv("SPARK_HOME", str(linked))
    assert class_archive.find(home, 17) == first


def test_where_there_can_be_none(cache, spark_home, tmp_path, monkeypatch):
    bare = jdk(tmp_path / "bare", with_base=False)
    # The JDK of the wheel has no archive of its own, and from 25 on needs none.
    assert class_archive.find(bare, 21) is None and class_archive.find(bare, 25) is not None
    assert class_archive.find(str(tmp_path / "no such"), 25) is None
    monkeypatch.setenv(class_archive.SWITCH, "0")
    assert class_archive.find(bare, 25) is None
    monkeypatch.setenv(class_archive.SWITCH, "1")
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "no spark"))
    assert class_archive.find(bare, 25) is None


def test_a_folder_of_others_or_with_a_strange_name_is_passed_over(cache, spark_home, tmp_path, monkeypatch):
    home = jdk(tmp_path / "jdk")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    cache.chmod(0o777)
    assert class_archive.find(home, 17).path.is_relative_to(tmp_path / "xdg")
    strange = tmp_path / "with space"
    strange.mkdir(mode=0o700)
    monkeypatch.setenv("PILE_CURATE_CACHE", str(strange))
    assert class_archive.find(home, 17).path.is_relative_to(tmp_path / "xdg")


def test_the_switch():
    said = {"0": "off", "off": "off", "no": "off", "read": "read", "1": "on", "": "on", " On ": "on"}
    assert {word: mode({class_archive.SWITCH: word}) for word in said} == said
    assert mode({}) == "on"


@pytest.mark.parametrize(
    ("options", "memory", "can"),
    [
        ("-Dx=y -XX:TieredStopAtLevel=1 -XX:+UseSerialGC", "2g", True),
        ("", "31g", True),
        ("", "32g", False),
        ("", "30000", True),
        ("", "33000", False),
        ("", "1t", False),
        ("", "a lot", False),
        ("-XX:+UseZGC", "2g", False),
        ("-XX:-UseCompressedOops", "2g", False),
        ("-XX:SharedArchiveFile=/mine.jsa", "2g", False),
        ("-XX:AOTCache=/mine.aot", "2g", False),
        ("-javaagent:a.jar", "2g", False),
        ("-Xshare:off", "2g", False),
    ],
)
def test_options_that_leave_no_room_for_it(options, memory, can):
    assert fits(options, memory) is can


def test_only_a_file_of_ours_is_mapped_and_its_time_is_renewed(tmp_path):
    archive = Archive(tmp_path / "java17-0.jsa", 17)
    assert class_archive.reading(archive) == class_archive.reading(None) == ""
    archive.path.write_text("")
    assert not archive.usable()
    archive.path.write_text("classes")
    os.utime(archive.path, (1, 1))
    assert f"-XX:SharedArchiveFile={archive.path}" in class_archive.reading(archive)
    assert archive.path.stat().st_mtime > 1
    archive.path.chmod(0o666)
    assert class_archive.reading(archive) == ""


def test_it_is_written_once_and_tried_again_a_day_after_a_failure(tmp_path, monkeypatch):
    started = []
    monkeypatch.setenv(class_archive.SWITCH, "1")
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    monkeypatch.setattr(class_archive.subprocess, "Popen", lambda *args, **more: started.append(more["env"]))
    archive = Archive(tmp_path / "java17-0.jsa", 17)
    class_archive.write_later(archive)
    class_archive.write_later(archive)
    assert len(started) == 1 and "PYSPARK_GATEWAY_PORT" not in started[0]
    os.utime(archive.attempt, (time.time() - 2 * class_archive.AGAIN,) * 2)
    class_archive.write_later(archive)
    assert len(started) == 2
    archive.attempt.unlink()
    monkeypatch.setenv(class_archive.SWITCH, "read")
    class_archive.write_later(archive)
    monkeypatch.setenv(class_archive.SWITCH, "1")
    archive.path.write_text("there")
    class_archive.write_later(archive)
    class_archive.write_later(None)
    class_archive.write_later(Archive(tmp_path / "gone" / "java17-0.jsa", 17))
    assert len(started) == 2


def test_what_nobody_used_for_long_goes_and_nothing_else(tmp_path):
    old, new, strange = (tmp_path / name for name in ("java17-a.jsa", "java25-b.aot", "notes.jsa"))
    for path in (old, new, strange):
        path.write_text("x")
        os.utime(path, (1, 1))
    os.utime(new)
    class_archive.remove_unused(tmp_path, time.time())
    assert not old.exists() and new.exists() and strange.exists()


def test_a_recorder_that_fails_leaves_the_attempt_and_no_archive(tmp_path, monkeypatch):
    from pile_curate.errors import SetupError
    from pile_curate.spark import record, session

    def broken(*args):
        raise SetupError("no Java")

    for name in (class_archive.SWITCH, "PILE_CURATE_JVM_OPTIONS", "PILE_CURATE_DRIVER_MEMORY"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(session, "open_session", broken)
    monkeypatch.setattr(record.os, "nice", lambda by: by)
    archive = Archive(tmp_path / "java17-0.jsa", 17)
    archive.attempt.touch()
    assert record.main([str(archive.path), "17"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == [archive.attempt.name]


def javas() -> list[java.JavaChoice]:
    found = [java.choose({"PATH": "/nowhere"}), java.choose()]
    return list({choice.home: choice for choice in found}.values())


@pytest.mark.parametrize("content", [None, b"", b"no archive " * 10_000])
def test_a_missing_or_damaged_archive_changes_nothing_and_says_nothing(tmp_path, content):
    for choice in javas():
        archive = Archive(tmp_path / f"java{choice.version}-0.x", choice.version)
        if content is not None:
            archive.path.write_bytes(content)
        done = subprocess.run(
            [choice.executable, *archive.reading(), "-version"], capture_output=True, text=True
        )
        assert done.returncode == 0 and done.stdout == ""
        assert all("ersion" in line or "build" in line for line in done.stderr.splitlines()), done.stderr


def test_what_is_recorded_is_read_by_the_real_java(tmp_path):
    """A small program stands for Spark; the options are the same."""
    for choice in javas():
        if (
            not (Path(choice.home) / "lib/server/classes.jsa").is_file()
            and choice.version < class_archive.AOT
        ):
            continue
        archive = Archive(tmp_path / f"java{choice.version}-0.x", choice.version)
        program = ["-cp", str(jar_with_a_program(tmp_path)), "Program"]
        subprocess.run(
            [choice.executable, *archive.recording(str(archive.path)), *program],
            capture_output=True,
            check=True,
        )
        assert archive.path.stat().st_size > 10_000
        shared = subprocess.run(
            [choice.executable, *archive.reading()[:1], "-Xlog:class+load", *program],
            capture_output=True,
            text=True,
        )
        assert any("Program source: shared object" in line for line in shared.stdout.splitlines())
        assert "done" in shared.stdout


def jar_with_a_program(folder: Path) -> Path:
    """Return a jar with a class whose main prints ``done``, assembled by hand: no compiler is at hand."""
    import struct
    import zipfile

    def utf8(text: str) -> bytes:
        return b"\x01" + struct.pack(">H", len(text)) + text.encode()

    def entry(tag: int, *values: int) -> bytes:
        return bytes([tag]) + b"".join(struct.pack(">H", value) for value in values)

    names = [
        "Program",
        "java/lang/Object",
        "main",
        "([Ljava/lang/String;)V",
        "Code",
        "java/lang/System",
        "out",
    ]
    names += ["Ljava/io/PrintStream;", "java/io/PrintStream", "println", "(Ljava/lang/String;)V", "done"]
    pool = [utf8(name) for name in names]
    pool += [entry(7, 1), entry(7, 2), entry(7, 6), entry(7, 9), entry(12, 7, 8), entry(9, 15, 17)]
    pool += [entry(12, 10, 11), entry(10, 16, 19), entry(8, 12)]
    code = bytes([0xB2, 0, 18, 0x12, 21, 0xB6, 0, 20, 0xB1])
    body = struct.pack(">HHI", 2, 1, len(code)) + code + struct.pack(">HH", 0, 0)
    method = struct.pack(">HHHHHI", 9, 3, 4, 1, 5, len(body)) + body
    data = struct.pack(">IHHH", 0xCAFEBABE, 0, 61, len(pool) + 1) + b"".join(pool)
    data += struct.pack(">HHHHHH", 0x21, 13, 14, 0, 0, 1) + method + struct.pack(">H", 0)
    path = folder / "program.jar"
    if not path.exists():
        with zipfile.ZipFile(path, "w") as jar:
            jar.writestr("Program.class", data)
    return path


def test_looking_for_it_imports_nothing_large():
    code = "import sys, pile_curate.class_archive as c; c.spark_jars(); sys.exit('pyspark' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
