"""Read caption files as text: SubRip, WebVTT and SubStation Alpha, as they are rather than as their authors meant.

SubRip has no standard; WebVTT is https://www.w3.org/TR/webvtt1/. Both are read by one rule: a cue begins at a line
with an arrow between two times, whatever stands before it, and nothing in a file can make the reader raise.
Numbers, identifiers, settings and comment, style and region blocks go. Real files leave out the empty lines between
cues, put empty lines inside them, and number them wrong; all of this is read.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from pile_curate.extract.cues import Cue
from pile_curate.extract.encoding import decode, public_name

_TIME = r"(?:(\d{1,3})\s?:\s?)?(\d{1,3})\s?:\s?(\d{1,2})(?:\s?[,.:]\s?(\d{1,3}))?"
_ARROW = re.compile(rf"^\s*{_TIME}\s*-{{1,2}}\s?>\s*{_TIME}(?:\s.*)?$")
_BLOCK = re.compile(r"^(?:NOTE|STYLE|REGION)(?:\s|$)")
_HEADER = re.compile(r"^([A-Za-z][A-Za-z-]{0,20}):\s*(.{0,200})$")
_NUMBER = re.compile(r"^\s*\d{1,7}\s*$")
_STAMP = re.compile(r"<\d{1,3}(?::\d\d){1,2}[.,]\d{1,3}>")
_RUBY = re.compile(r"<(rt|rp)\b[^<>]*>[^<>]*(?:</\1>|(?=<))", re.IGNORECASE)
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]{1,100})>", re.IGNORECASE)
_MARKED_VOICE = re.compile(r"(\0[^\0]*\0)")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,300}>|</>")
_ASS = re.compile(r"\{(?=[\\*]|[a-zA-Z]:)[^{}\n]{0,500}\}|\{\s*\}")
_DRAWING = re.compile(r"\{[^{}\n]{0,300}\\p[1-9][^{}\n]{0,300}\}.*")
_LINE_END = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")

LEGACY = {
    "el": "cp1253", "ru": "cp1251", "uk": "cp1251", "bg": "cp1251", "mk": "cp1251", "be": "cp1251", "pl": "cp1250",
    "cs": "cp1250", "sk": "cp1250", "hu": "cp1250", "hr": "cp1250", "sl": "cp1250", "bs": "cp1250", "ro": "cp1250",
    "tr": "cp1254", "az": "cp1254", "he": "cp1255", "ar": "cp1256", "fa": "cp1256", "lt": "cp1257", "lv": "cp1257",
    "et": "cp1257", "vi": "cp1258", "th": "cp874", "ja": "cp932", "ko": "cp949", "en": "cp1252", "de": "cp1252",
    "fr": "cp1252", "es": "cp1252", "it": "cp1252", "pt": "cp1252", "nl": "cp1252", "sv": "cp1252", "da": "cp1252",
    "no": "cp1252", "nb": "cp1252", "nn": "cp1252", "fi": "cp1252", "is": "cp1252", "ca": "cp1252", "gl": "cp1252",
}  # fmt: skip
"""The Windows code page of a language, in which its subtitles were written before UTF-8."""

BROKEN_ONE_IN = 200


@dataclass(frozen=True, slots=True)
class Captions:
    """What a file holds. ``timed``: its words carry times of their own, as speech recognition writes them."""

    cues: list[Cue]
    kind: str
    timed: bool = False
    header: dict[str, str] | None = None


def caption_text(data: bytes, language: str = "") -> tuple[str, str]:
    """Return a caption file's text with ``\\n`` line ends, and its encoding; an empty text for what is no text.

    Byte-order mark, UTF-8 (also with a broken character in 200), UTF-16 without a mark, then the code page of the
    language that the file's name says, if every byte has a meaning in it, then a guess.
    """
    head = data[:4096]
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff") and head.count(0) * 4 > len(head) > 8:
        codec = "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
        return _LINE_END.sub("\n", data.decode(codec, "replace")), codec
    if b"\0" in head and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return "", ""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    codec = "utf-8"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or (broken and broken * BROKEN_ONE_IN > _letters(text)):
        text, codec = "", LEGACY.get(language.split("-")[0], "")
        if codec and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            text = data.decode(codec, "replace")
            text = "" if "\ufffd" in text else text
        if not text:
            found = decode(data, markup=False)
            text, codec = found.text, found.encoding
    return _LINE_END.sub("\n", text.replace("\ufeff", "")), public_name(codec)


def _letters(text: str) -> int:
    """Count the characters beyond ASCII, which are all that could have shown another encoding."""
    return len(text) - len(text.encode("ascii", "ignore"))


def plain_line(line: str) -> str:
    """Return a line without tags, override codes and entities.

    >>> plain_line(r"{\\an8}<i>Tom &amp; I</i> <00:00:01.000><c> &lt;3</c>")
    'Tom & I  <3'
    """
    if "{" in line:
        line = _ASS.sub("", line)
    if "<" in line:
        line = _RUBY.sub("", _STAMP.sub("", line))
        line = _TAG.sub("", line)
    return html.unescape(line) if "&" in line else line


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    milliseconds = int((fraction or "0").ljust(3, "0"))
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + milliseconds / 1000


def read_captions(text: str, voices: bool = False) -> Captions:
    """Read SubRip, WebVTT or SubStation text; a text that is none of them has no cues."""
    if "[Events]" in text and "Dialogue:" in text:
        return _read_ass(text)
    vtt = text.lstrip().startswith("WEBVTT")
    cues: list[Cue] = []
    header: dict[str, str] = {}
    times: tuple[float, float] | None = None
    lines: list[str] = []  # of the open cue; "" where an empty line stood
    skipping = False
    timed = False
    for line in text.split("\n"):
        arrow = _ARROW.match(line) if ">" in line and "-" in line else None
        if arrow:
            if times is not None:
                cues.append(Cue(*times, _body(lines, vtt)))
            elif vtt:
                header = {found[1]: found[2] for found in map(_HEADER.match, lines) if found}
            start, end = _seconds(*arrow.groups()[:4]), _seconds(*arrow.groups()[4:])
            times, lines, skipping = (start, end), [], False
        elif skipping:
            skipping = line != ""
        elif vtt and _BLOCK.match(line) and (not lines or lines[-1] == ""):
            skipping = True
        else:
            timed = timed or ("<" in line and vtt and bool(_STAMP.search(line)))
            lines.append(line if line.strip() or not vtt else ("" if line == "" else " "))
    if times is not None:
        cues.append(Cue(*times, _body([*lines, ""], vtt)))
    if vtt and "<v" in text:
        cues = _voiced(cues, voices)
    return Captions(cues, "vtt" if vtt else "srt", timed, header)


def _voiced(cues: list[Cue], names: bool) -> list[Cue]:
    """Turn marks of voices into dashes, where the voice is another than before, with its name if ``names``."""
    voice = ""
    out: list[Cue] = []
    for cue in cues:
        lines: list[str] = []
        for line in cue.lines:
            said = ""
            for part in _MARKED_VOICE.split(line):
                if not part.startswith("\0"):
                    said += part
                elif part[1:-1] != voice:
                    label = f"{part[1:-1]}: " if names else ""
                    if said.strip():
                        lines.append(said)
                    said = "- " + label if voice or names else ""
                    voice = part[1:-1]
            lines.append(said)
        out.append(Cue(cue.start, cue.end, tuple(line.strip() for line in lines if line.strip())))
    return out


def _body(lines: list[str], vtt: bool) -> tuple[str, ...]:
    """Return a cue's lines without what belongs to the next one: its number or identifier."""
    while lines and not lines[-1].strip() and len(lines) > 1 and not lines[-2].strip():
        lines.pop()
    if lines and lines[-1].strip():
        alone = len(lines) == 1 or not lines[-2].strip()
        # A number right before the next times is the next cue's even where the empty line between them is missing.
        if (alone and vtt and len(lines) > 1) or (_NUMBER.match(lines[-1]) and (len(lines) > 1 or not vtt)):
            lines = lines[:-1]
    found: list[str] = []
    for line in lines:
        if line.strip():
            if vtt and "<v" in line:
                line = _VOICE.sub(lambda voice: f"\0{voice[1].strip()}\0", line.replace("\0", ""))
            found += plain_line(_BREAK.sub("\n", line) if "<" in line else line).split("\n")
    return tuple(part for part in (" ".join(piece.split()) for piece in found) if part)


def _read_ass(text: str) -> Captions:
    """Read ``Dialogue:`` lines; ``Format:`` says how many fields stand before the text, drawings are none."""
    before, start_at, end_at = 9, 1, 2
    cues: list[Cue] = []
    for line in text[text.index("[Events]") :].split("\n"):
        if line.startswith("Format:"):
            names = [name.strip().lower() for name in line[7:].split(",")]
            if {"text", "start", "end"} <= set(names):
                before, start_at, end_at = names.index("text"), names.index("start"), names.index("end")
        elif line.startswith("Dialogue:"):
            fields = line[9:].split(",", before)
            times = [
                re.fullmatch(rf"\s*{_TIME}\s*", fields[at]) if at < len(fields) else None
                for at in (start_at, end_at)
            ]
            if len(fields) != before + 1 or times[0] is None or times[1] is None:
                continue
            body = _DRAWING.sub("", fields[-1]).replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
            pieces = (" ".join(plain_line(piece).split()) for piece in body.split("\n"))
            start, end = _seconds(*times[0].groups()), _seconds(*times[1].groups())
            cues.append(Cue(start, end, tuple(piece for piece in pieces if piece)))
    cues.sort(key=lambda cue: cue.start or 0.0)
    return Captions(cues, "ass")
