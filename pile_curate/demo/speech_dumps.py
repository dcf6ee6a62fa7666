"""Turn the demo's spoken texts into the raw formats: proceedings, subtitles, caption tracks and channel logs."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import textwrap
import zipfile
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from pile_curate.demo.dumps import load

_HTML_TAGS = ("<i>", "</i>")


def dumps() -> dict[str, bytes]:
    """Return relative path to bytes of the five spoken sources' dumps; each holds a broken record."""
    data = load("speech.yaml")
    return {
        **_europarl(data["proceedings"]),
        **_opensubtitles(data["films"][:3]),
        **_subtitles(data),
        **_youtube(data["talks"]),
        **_channel(data["channel"]),
    }


def _tgz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2018, 1, 1, 0, 0, 0)), body, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _europarl(sittings: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return ``europarl.tgz`` with a file without markup in it, and the oldest sitting loose."""
    files: dict[str, bytes] = {"txt/README": b"The demonstration's proceedings.\n"}
    for sitting in sittings:
        name = "-".join(part for part in (f"ep-{sitting['day']}", sitting["number"]) if part)
        files[f"txt/en/{name}.txt"] = _sitting(sitting).encode("utf-8")
    oldest = files.pop("txt/en/ep-97-01-15.txt")
    files["txt/en/ep-04-02-10-012.txt"] = b"This page came from somewhere else and holds no markup.\n"
    return {"europarl/europarl.tgz": _tgz(files), "europarl/txt/en/ep-97-01-15.txt": oldest}


def _sitting(sitting: dict[str, Any]) -> str:
    lines = [f'<CHAPTER ID="{sitting["number"] or 1}">', sitting["title"]]
    for number, speech in enumerate(sitting["speeches"], 1):
        if "note" in speech:
            lines.append(speech["note"])
            continue
        spoken = speech.get("spoken")
        fields = f'ID="{number}"' + (f' LANGUAGE="{spoken}"' if spoken else "") + f' NAME="{speech["who"]}"'
        fields += f' AFFILIATION="{speech["group"]}"' if "group" in speech else ""
        lines.append(f"<SPEAKER {fields}>")
        body = "\n<P>\n".join(speech["text"].strip().split("\n\n"))
        lines.append(f"({spoken}) {body}" if spoken else body)
    return "\n".join(lines) + "\n"


def _timed(cues: list[str], pause: float = 0.4) -> Iterator[tuple[float, float, str]]:
    """Give each cue a time: as long as it takes to read, and a pause."""
    at = 1.0
    for cue in cues:
        length = round(0.8 + len(cue) / 16, 1)
        yield at, at + length, cue
        at += length + pause


def _clock(seconds: float, point: str = ",") -> str:
    milliseconds = round(seconds * 1000)
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{rest:03}"


def _opensubtitles(films: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return a language's zip, with a document that ends too early, and one tokenised document loose."""
    files = {"README": b"The demonstration's subtitles.\n"}
    for film in films[:2]:
        files[f"OpenSubtitles/raw/en/{film['year']}/{film['film']}/{film['id']}.xml"] = _opus(film)
    files["OpenSubtitles/raw/en/2004/120009/5100009.xml"] = _opus(films[0])[:700]
    last = films[2]
    name = f"opensubtitles/xml/en/{last['year']}/{last['film']}/{last['id']}.xml.gz"
    return {
        "opensubtitles/en.zip": _zip(files),
        name: gzip.compress(_opus(last, tokens=True), mtime=0),
    }


def _opus(film: dict[str, Any], *, tokens: bool = False) -> bytes:
    credit = "Subtitles by the authors of pile_curate"
    lines = ['<?xml version="1.0" encoding="utf-8"?>', f'<document id="{film["id"]}">']
    for number, (start, end, text) in enumerate(_timed([credit, *film["cues"]]), 1):
        lines.append(f'  <s id="{number}">\n    <time id="T{number}S" value="{_clock(start)}" />')
        if tokens:
            words = _tokens(text)
            lines += [f'    <w id="{number}.{n}">{escape(word)}</w>' for n, word in enumerate(words, 1)]
        else:
            lines.append(escape(text))
        lines.append(f'    <time id="T{number}E" value="{_clock(end)}" />\n  </s>')
    year, genre = f"<year>{film['year']}</year>", f"<genre>{film['genre']}</genre>"
    lines += [f"  <meta>\n    <source>{year}{genre}</source>\n  </meta>", "</document>", ""]
    return "\n".join(lines).encode("utf-8")


def _tokens(text: str) -> list[str]:
    for mark in ".,?!;":
        text = text.replace(mark, f" {mark}")
    return text.split()


def _subtitles(data: dict[str, Any]) -> dict[str, bytes]:
    """Return SubRip (one file in windows-1252) and WebVTT files, an archive, and a page that is no subtitle."""
    talks = {talk["id"]: talk for talk in data["talks"]}
    crime, trees, walls = data["films"][3], talks["dT6aW0pE_n4"], talks["bR4yU8nC_l2"]
    talk = ["WEBVTT", ""]
    for start, end, text in _timed(trees["lines"].strip().split("\n")):
        talk += [f"{_clock(start, '.')} --> {_clock(end, '.')}", *textwrap.wrap(f"<v Guide>{text}", 42), ""]
    return {
        "subtitles/violin.en.srt": ("\ufeff" + _srt(crime["cues"])).encode("utf-8"),
        "subtitles/bark.en.vtt": "\n".join(talk).encode("utf-8"),
        "subtitles/schleuse.de.srt": _srt(walls["german"].strip().split("\n")).encode("cp1252"),
        "subtitles/archive.tar.gz": _tgz({"films/umbrella.srt": _srt(data["films"][1]["cues"]).encode()}),
        "subtitles/missing.srt": b"<html><body>The file that you are looking for is not here.</body></html>\n",
    }


def _srt(cues: list[str]) -> str:
    out: list[str] = []
    for number, (start, end, text) in enumerate(_timed(cues), 1):
        body = "\n".join(textwrap.wrap(text, 40))
        body = body.join(_HTML_TAGS) if number % 5 == 0 else body
        out.append(f"{number}\n{_clock(start)} --> {_clock(end)}\n{body}\n\n")
    return "".join(out).replace("\n", "\r\n")


def _youtube(talks: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return tracks in four formats, one video's facts, and a json3 that ends too early."""
    wall, lock, piano, bark = talks
    info = {
        "id": lock["id"],
        "title": lock["title"],
        "channel": "The Waterways Hour",
        "upload_date": "20210304",
        "license": "Creative Commons Attribution license (reuse allowed)",
    }
    bark_lines = list(_timed(bark["lines"].strip().split("\n")))
    rows = "".join(f'<text start="{a:.1f}" dur="{b - a:.1f}">{escape(t)}</text>' for a, b, t in bark_lines)
    broken = json.dumps({"events": [{"tStartMs": 0, "segs": [{"utf8": "this track was cut"}]}]})
    return {
        f"youtube/{wall['title']} [{wall['id']}].en.vtt": _rolling(wall["lines"]).encode("utf-8"),
        f"youtube/{lock['id']}.en.vtt": _plain_vtt(lock["lines"], "en").encode("utf-8"),
        f"youtube/{lock['id']}.de.vtt": _plain_vtt(lock["german"], "de").encode("utf-8"),
        f"youtube/{lock['id']}.info.json": json.dumps(info).encode("utf-8"),
        f"youtube/{piano['id']}.en.json3": _json3(piano["lines"]).encode("utf-8"),
        f"youtube/{bark['id']}.en.srv1": f'<?xml version="1.0" encoding="utf-8" ?><transcript>{rows}</transcript>'.encode(),
        "youtube/eU7bX1qF_o5.en.json3": broken[:-12].encode("utf-8"),
    }


def _plain_vtt(lines: str, language: str) -> str:
    out = ["WEBVTT", "Kind: captions", f"Language: {language}", ""]
    for start, end, text in _timed(lines.strip().split("\n")):
        out += [f"{_clock(start, '.')} --> {_clock(end, '.')}", *textwrap.wrap(text, 42), ""]
    return "\n".join(out)


def _rolling(lines: str) -> str:
    """Return WebVTT that rolls: the line before above the new one, and a still of each line after it."""
    out = ["WEBVTT", "Kind: captions", "Language: en", ""]
    above = " "
    for start, end, text in _timed(lines.strip().split("\n"), 0.01):
        first, *rest = text.split()
        step = (end - start) / (len(rest) + 1)
        words = "".join(
            f"<{_clock(start + n * step, '.')}><c> {escape(word)}</c>" for n, word in enumerate(rest, 1)
        )
        out += [
            f"{_clock(start, '.')} --> {_clock(end, '.')} align:start position:0%",
            above,
            first + words,
            "",
        ]
        out += [f"{_clock(end, '.')} --> {_clock(end + 0.01, '.')} align:start position:0%", text, " ", ""]
        above = text
    return "\n".join(out)


def _json3(lines: str) -> str:
    events: list[dict[str, Any]] = [{"tStartMs": 0, "dDurationMs": 600000, "id": 1, "wpWinPosId": 1}]
    for start, end, text in _timed(lines.strip().split("\n")):
        first, *rest = text.split()
        words: list[dict[str, Any]] = [{"utf8": first, "acAsrConf": 0}]
        step = 1000 * (end - start) / (len(rest) + 1)
        words += [
            {"utf8": f" {word}", "tOffsetMs": round(step * n), "acAsrConf": 0}
            for n, word in enumerate(rest, 1)
        ]
        at = round(start * 1000)
        events.append({"tStartMs": at, "dDurationMs": 4000, "wWinId": 1, "segs": words})
        newline = [{"utf8": "\n"}]
        events.append(
            {"tStartMs": round(end * 1000), "dDurationMs": 10, "wWinId": 1, "aAppend": 1, "segs": newline}
        )
    return json.dumps({"wireMagic": "pb3", "events": events})


def _channel(days: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return a day a file in the layout of irclogs.ubuntu.com, a page beside one, and a file that is no log."""
    files: dict[str, bytes] = {}
    for day in days:
        folder = f"irc/{day['date']:%Y/%m/%d}"
        lines = ["=== gull [~g@host.example] has joined #birdhouse"]
        for number, line in enumerate(day["lines"].strip().split("\n")):
            time = f"[{9 + number // 30:02}:{2 * number % 60:02}]"
            if line.startswith("* "):
                lines.append(f"{time}  {line}")
            else:
                nick, _, text = line.partition(": ")
                lines.append(f"{time} <{nick}> {text}")
        lines.append("=== gull is now known as gull_away")
        body = "\n".join(lines) + "\n"
        files[f"{folder}/#birdhouse.txt"] = body.replace("the old", "\x02the old\x0f").encode("utf-8")
    files["irc/2009/06/05/#birdhouse.txt"] = b"Somebody has put a shopping list here.\nBread and milk.\n"
    files["irc/2009/06/04/#birdhouse.html"] = (
        b"<!DOCTYPE html><html><body>The same day as a page.</body></html>\n"
    )
    return files
