"""Test channel logs: names, days and weeks, several files a day, options, and what is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pile_curate.sources.ubuntu_irc import day_of
from tests.source_harness import extract
from tests.unit.sources.speech import only, read, reasons, tar_of

LOG = "[10:00] <a> hello\n=== b [~b@c.d] has joined #x\n[10:01]  * a waves\n[10:02] <b> hi\n"


@pytest.mark.parametrize(
    ("name", "channel", "date"),
    [
        ("2004/11/15/#ubuntu.txt", "#ubuntu", "2004-11-15"),
        ("2004/11/15/%23Ubuntu-devel.txt", "#ubuntu-devel", "2004-11-15"),
        ("logs.tar.gz!2004/11/15/#ubuntu+1.txt", "#ubuntu+1", "2004-11-15"),
        ("2005-06-27_12.txt", "#d", "2005-06-27"),
        ("2004-12-25.train-c.txt", "#d", "2004-12-25"),
        ("#kubuntu-2010-01-04.log", "#kubuntu", "2010-01-04"),
        ("#kubuntu/20100104.log", "#kubuntu", "2010-01-04"),
        ("2010-02-30.txt", "#d", ""),
        ("notes.txt", "#d", ""),
    ],
)
def test_names(name: str, channel: str, date: str) -> None:
    assert day_of(name, "#d") == (channel, date)


def test_options(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"2010-01-04.txt": LOG}
    assert only(read("ubuntu_irc", tmp_path, files)).text == "<a> hello\n* a waves\n<b> hi"
    kept = only(read("ubuntu_irc", tmp_path, files, system="keep", timestamps="keep", actions="drop"))
    assert kept.text == "[10:00] <a> hello\n=== b [~b@c.d] has joined #x\n[10:02] <b> hi"
    assert only(read("ubuntu_irc", tmp_path, files, nicks="drop")).text == "hello\n* waves\nhi"
    assert reasons(read("ubuntu_irc", tmp_path, files, min_lines=9)) == {"2010-01-04": "few_lines"}


def test_a_week_is_one_of_an_iso_year(tmp_path: Path) -> None:
    days = ("2009-12-31", "2010-01-03", "2010-01-04", "2009-01-02", "2010-12-31")
    files: dict[str, bytes | str] = {f"{day}.txt": f"[10:00] <a> on {day}\n" for day in days}
    result = read("ubuntu_irc", tmp_path, files, group="week", channel="#k")
    assert {d.key: d.text for d in result.documents} == {
        "#k/2009-W01": "<a> on 2009-01-02",
        "#k/2009-W53": "<a> on 2009-12-31\n<a> on 2010-01-03",
        "#k/2010-W01": "<a> on 2010-01-04",
        "#k/2010-W52": "<a> on 2010-12-31",
    }


def test_the_files_of_a_day_are_one_document_and_copies_are_not(tmp_path: Path) -> None:
    one, two = "[01:00] <a> one\n", "[02:00] <a> two\n"
    files: dict[str, bytes | str] = {
        "2010-01-04_02.txt": two,
        "2010-01-04_01.txt": one,
        "x.tar": tar_of({"2010-01-04_01.txt": one.encode()}, packed=False),
    }
    result = read("ubuntu_irc", tmp_path, files)
    document = only(result)
    assert document.text == "<a> one\n<a> two" and document.records == 2
    assert list(reasons(result).values()) == ["duplicate_record"]


def test_a_line_that_goes_on_is_joined(tmp_path: Path) -> None:
    log = "[10:00] <a> this is\n  one sentence\n[10:01] <b> yes\n"
    assert (
        only(read("ubuntu_irc", tmp_path, {"2010-01-04.txt": log})).text
        == "<a> this is one sentence\n<b> yes"
    )


def test_what_is_refused(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "2010-01-01.txt": "a letter\n",
        "2010-01-02.txt": "=== b [~b@c.d] has joined #x\n",
        "2010-01-03.txt": "<html><body>x</body></html>",
        "2010-01-04.html": "<html>",
        "2010-01-05.txt": b"\x00\xff" * 50,
        "nodate.txt": LOG,
    }
    assert reasons(read("ubuntu_irc", tmp_path, files)) == {
        "2010-01-01.txt": "not_a_log",
        "2010-01-02.txt": "nothing_said",
        "2010-01-03.txt": "markup",
        "2010-01-04.html": "other_file",
        "2010-01-05.txt": "not_a_log",
        "nodate.txt": "no_date",
    }


@pytest.mark.skipif("PILE_CURATE_SAMPLES" not in os.environ, reason="PILE_CURATE_SAMPLES is not set")
def test_real_logs_leave_no_markup() -> None:
    root = Path(os.environ["PILE_CURATE_SAMPLES"]) / "ubuntu_irc"
    names = sorted(path.name for path in root.glob("*.txt"))[:12]
    result = extract("ubuntu_irc", root, names)
    text = "\n".join(document.text for document in result.documents)
    left = re.findall(
        r"[\x00-\x08\x0b-\x1f\x7f]|^\[\d\d:\d\d\]|^===|has (?:joined|left) #", text, re.MULTILINE
    )
    assert len(result.documents) == len(names) and len(left) * 1000 <= len(text.split())
