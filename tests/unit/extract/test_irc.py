"""Test lines of channel logs: who said what, in the layouts of several loggers."""

from __future__ import annotations

import time

import pytest

from pile_curate.extract.irc import decoded, read_line, read_log, without_codes


@pytest.mark.parametrize(
    ("line", "kind", "nick", "text"),
    [
        ("[12:18] <|trey|> usual :)", "said", "|trey|", "usual :)"),
        ("[00:16] <star[2] > so > that", "said", "star[2]", "so > that"),
        ("12:18 < rook> irssi", "said", "rook", "irssi"),
        ("12:18:59 <@rook> <b> tags", "said", "rook", "<b> tags"),
        ("[01:09] (wren/#ubuntu) from a bridge", "said", "wren", "from a bridge"),
        ("2010-01-02 12:00:00\t@rook\tweechat says", "said", "rook", "weechat says"),
        ("2010-01-02 12:00:00\t *\trook waves", "action", "rook", "waves"),
        ("2010-01-02 12:00:00\t-->\trook (~r@h) has joined", "system", "", "rook (~r@h) has joined"),
        ("[18:38]  * vlt had one", "action", "vlt", "had one"),
        ("=== ogra recognizes somebody :))", "action", "ogra", "recognizes somebody :))"),
        ("=== g[r] eek bows", "action", "g[r]eek", "bows"),
        ("=== bob has quit smoking", "system", "", "bob has quit smoking"),
        ("=== bob left me", "action", "bob", "left me"),
        ("=== a [~a@b.c]  has joined #ubuntu", "system", "", "a [~a@b.c]  has joined #ubuntu"),
        ("=== [x] y [n=a@b.c]  has left #ubuntu []", "system", "", "[x] y [n=a@b.c]  has left #ubuntu []"),
        ("=== [c]a [n=[c] a@b.c]  has joined #x", "system", "", "[c]a [n=[c] a@b.c]  has joined #x"),
        ("=== a is now known as b", "system", "", "a is now known as b"),
        ("=== mode/#ubuntu [+o a]  by b", "system", "", "mode/#ubuntu [+o a]  by b"),
        ("=== ..[topic/#ubuntu:a] : Hi", "system", "", "..[topic/#ubuntu:a] : Hi"),
        ("*** a sets mode: +b", "system", "", "a sets mode: +b"),
        ("12:00 -!- a [b@c] has quit [x]", "system", "", "a [b@c] has quit [x]"),
        ("[05:12] -spam:#ubuntu- buy", "system", "", "-spam:#ubuntu- buy"),
        ("some continuation", "other", "", "some continuation"),
        ("<rook> no time", "said", "rook", "no time"),
    ],
)
def test_lines(line: str, kind: str, nick: str, text: str) -> None:
    found = read_line(line)
    assert (found.kind, found.nick, found.text) == (kind, nick, text)


def test_codes_and_encodings_by_line() -> None:
    assert without_codes("\x0312,4a\x03b\x02c\x1dd\x0f\x08e\x04ff0000f\x7f") == "abcdef"
    assert without_codes("\x0315th") == "th"
    assert without_codes("type <unconvertable> aptitude<unconvertable>") == "type aptitude"
    assert (decoded(b"caf\xc3\xa9"), decoded(b"caf\xe9"), decoded(b"\x81")) == ("café", "café", "\x81")
    log = b"\xef\xbb\xbf[10:00] <a> \xe9\r\n\n[10:01] <b> \xc3\xa9\n"
    assert [line.text for line in read_log(log)] == ["é", "é"]


@pytest.mark.parametrize(
    "unit", ["<", "[", "=== a ", "\x03", "* ", "a [", "\t", "-a", "(a/#", "]", "12:00 ", " has "]
)
@pytest.mark.parametrize("head", ["", "[10:00] ", "=== "])
def test_hostile_lines_cost_linear_time(head: str, unit: str) -> None:
    begun = time.process_time()
    list(read_log((head + unit * (200_000 // len(unit))).encode()))
    assert time.process_time() - begun < 1.0
