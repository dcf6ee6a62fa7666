"""Test the readers of caption files: SubRip, WebVTT, SubStation, timed text, and their encodings."""

from __future__ import annotations

import json
import time

import pytest

from pile_curate.extract.captions import caption_text, plain_line, read_captions
from pile_curate.extract.timedtext import TimedTextError, is_timed_text, read_timed_text


def lines(text: str, **options: bool) -> list[tuple[str, ...]]:
    return [cue.lines for cue in read_captions(text, **options).cues]


def test_subrip_without_empty_lines_and_with_wrong_numbers() -> None:
    text = "7\n00:00:01,000 --> 00:00:02,000\nOne\n9\n00:00:02,000 --> 00:00:03,000\n\nTwo\n\nthree\n\n\n1\n0:00:03.5 -> 00:00:04\n4\n"
    assert lines(text) == [("One",), ("Two", "three"), ("4",)]


def test_webvtt_identifiers_notes_styles_and_settings() -> None:
    text = (
        "WEBVTT\n\nSTYLE\n::cue { }\n\nNOTE a --> b\n\nintro 1\n00:01.000 --> 00:02.000 line:0\nOne\n\n"
        "NOTE\nhidden\n\nsecond cue\n00:02.000 --> 00:03.000\nTwo\nNOTEd\n"
    )
    assert lines(text) == [("One",), ("Two", "NOTEd")]
    assert read_captions(text).kind == "vtt"


def test_voices() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ada>Hello.</v>\n\n00:02.000 --> 00:03.000\n<v Ada>Still me.\n<v Ben>And me. <v Ada>Both.\n"
    assert lines(text) == [("Hello.",), ("Still me.", "- And me.", "- Both.")]
    assert lines(text, voices=True) == [("- Ada: Hello.",), ("Still me.", "- Ben: And me.", "- Ada: Both.")]


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        (r"{\an8}{\i1}Up{\i0}", "Up"),
        ('<font color="#fff">A</FONT> <3 b < c', "A <3 b < c"),
        ("&lt;i&gt; &amp;amp; &#39;", "<i> &amp; '"),
        ("a<00:00:01.000><c.x> b</c>", "a b"),
        ("<ruby>結<rt>musubi</rt></ruby>", "結"),
        ("{y:i}Hi", "Hi"),
        ("{a set}", "{a set}"),
    ],
)
def test_markup_goes(line: str, plain: str) -> None:
    assert plain_line(line) == plain


def test_encodings() -> None:
    polish, russian = "Żółć i łódź", "Лодка пришла"
    assert caption_text(polish.encode("cp1250"), "pl") == (polish, "windows-1250")
    assert caption_text(russian.encode("cp1251"), "ru") == (russian, "windows-1251")
    assert caption_text("日本語の字幕".encode("cp932"), "ja")[0] == "日本語の字幕"
    assert caption_text(b"\xef\xbb\xbfHi")[0] == "Hi"
    for codec in ("utf-16", "utf-16-le", "utf-16-be"):
        assert caption_text("A quiet day".encode(codec))[0] == "A quiet day"
    nearly = ("Größe " * 400).encode() + b"\xff"
    assert caption_text(nearly, "de")[1] == "utf-8"
    assert caption_text(b"\x00\x01\x02\x00") == ("", "")
    assert caption_text("a\r\nb\rc\u2028d".encode())[0] == "a\nb\nc\nd"


def test_substation() -> None:
    text = (
        "[Events]\nFormat: Start, End, Text\nDialogue: 0:00:02.00,0:00:03.00,B, b\nDialogue: 0:00:01.00,0:00:02.00,A\\Na\n"
        "Dialogue: broken\nDialogue: x,y,z\n"
    )
    assert lines(text) == [("A", "a"), ("B, b",)]


def test_timed_text_formats() -> None:
    srv1 = '<transcript><text start="1.5" dur="2">It&amp;#39;s <b>x</b></text><text>y</text></transcript>'
    srv2 = '<timedtext><text t="1500" d="2000">a</text></timedtext>'
    srv3 = '<timedtext format="3"><body><p t="0" d="9">a<br/>b</p><p t="5" a="1">c</p></body></timedtext>'
    ttml = (
        '<tt xmlns="http://www.w3.org/ns/ttml"><body><div><p begin="00:00:01.500" end="3s">a<br/><span>b</span> c</p>'
        '<p begin="x">d</p></div></body></tt>'
    )
    assert [(c.start, c.lines) for c in read_timed_text(srv1).cues] == [(1.5, ("It's x",)), (None, ("y",))]
    assert [(c.start, c.end, c.lines) for c in read_timed_text(srv2).cues] == [(1.5, 3.5, ("a",))]
    assert [c.lines for c in read_timed_text(srv3).cues] == [("ab c",)]
    assert [(c.start, c.end, c.lines) for c in read_timed_text(ttml).cues] == [
        (1.5, 3.0, ("a", "b c")),
        (None, None, ("d",)),
    ]


def test_json3_appends_and_ends_with_the_last_word() -> None:
    events = [
        {"tStartMs": 0, "dDurationMs": 9000, "segs": [{"utf8": "so"}, {"utf8": " we", "tOffsetMs": 400}]},
        {"tStartMs": 500, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 600, "dDurationMs": 100, "aAppend": 1, "segs": [{"utf8": "go"}]},
        {"tStartMs": 5000, "segs": [{"utf8": "yes"}, {"utf8": 5}, None]},
        {"tStartMs": "x", "segs": "no"},
    ]
    found = read_timed_text(json.dumps({"events": events}))
    assert found.timed and [c.lines for c in found.cues] == [("so we go",), ("yes",)]
    assert (found.cues[0].end or 9) <= 1.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "bad_json"),
        ("[1]", "not_captions"),
        ('{"events": 3}', "not_captions"),
        ("<html><body/></html>", "not_captions"),
        ("<transcript><text>", "xml_error"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><transcript>&b;</transcript>', "xml_entities"),
        ("[" * 200_000, "bad_json"),
    ],
)
def test_what_is_no_track_says_why(text: str, reason: str) -> None:
    assert is_timed_text(text)
    with pytest.raises(TimedTextError) as caught:
        read_timed_text(text)
    assert caught.value.reason == reason


def test_a_hundred_thousand_nested_tags() -> None:
    text = "<transcript>" + "<text>" * 100_000 + "x" + "</text>" * 100_000 + "</transcript>"
    begun = time.process_time()
    assert [cue.lines for cue in read_timed_text(text).cues] == [("x",)]
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "<v ",
        "{\\",
        "{a:",
        "&",
        "00:",
        "00:00:01,000 --> ",
        "-->\n",
        "1\n",
        "<rt>",
        "\n\n",
        "<br",
        "NOTE\n",
        "<v a>b",
        "{}",
    ],
)
@pytest.mark.parametrize(
    "head", ["WEBVTT\n\n00:01.000 --> 00:02.000\n", "1\n00:00:01,000 --> 00:00:02,000\n"]
)
def test_hostile_files_cost_linear_time(head: str, unit: str) -> None:
    begun = time.process_time()
    read_captions(head + unit * (100_000 // len(unit)))
    assert time.process_time() - begun < 1.0
