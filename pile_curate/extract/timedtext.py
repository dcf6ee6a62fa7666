"""Read YouTube's caption tracks (srv1, srv2, srv3, json3) and TTML as cues.

In the tracks of speech recognition each line is one element, its words carry offsets, and an element that appends
(``a="1"``, ``aAppend``) holds a line break or more of the line before. An element's stated duration lasts until its
line has rolled off the screen, so a line's end is taken from its last word. The formats are described by no
standard; ``format="3"`` is the attribute that tells srv3.
"""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

from pile_curate.extract.captions import Captions, plain_line
from pile_curate.extract.cues import Cue
from pile_curate.extract.xml import XmlError, outermost, parse_element

WORD_SECONDS = 0.6
"""How long the last word of a recognised line is taken to last."""

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2}(?:\.\d{1,6})?)(?::\d{1,3})?")
_OFFSET = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|t|f)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "t": 1e-7, "f": 1 / 25, None: 1.0}
_MAX_SECONDS = 1e7


class TimedTextError(ValueError):
    """A caption track that cannot be read; ``reason`` is the reject's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def is_timed_text(text: str) -> bool:
    """Say whether a text is JSON or XML rather than SubRip or WebVTT."""
    return text.lstrip("\ufeff \t\n")[:1] in ("{", "<", "[")


def read_timed_text(text: str) -> Captions:
    """Read a track in any of the formats; raises ``TimedTextError``."""
    text = text.lstrip("\ufeff \t\n")
    if text[:1] in ("{", "["):
        return _json3(text)
    if "<!ENTITY" in text:
        raise TimedTextError("xml_entities", "the file defines entities")
    try:
        root = parse_element(text.encode("utf-8", "replace"))
    except XmlError as error:
        raise TimedTextError("xml_error", str(error)) from error
    name = root.tag.rpartition("}")[2]
    if name == "transcript":
        return Captions([_srv(e, 1.0, "start", "dur") for e in outermost(root, "text")], "srv1")
    if name == "timedtext" and root.find("body") is not None:
        return _srv3(root)
    if name == "timedtext":
        return Captions([_srv(e, 0.001, "t", "d") for e in outermost(root, "text")], "srv2")
    if name == "tt":
        return _ttml(root)
    raise TimedTextError("not_captions", f"an XML file whose root is <{name[:40]}>")


def _number(value: Any, unit: float = 1.0) -> float | None:
    try:
        seconds = float(value) * unit
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < _MAX_SECONDS else None


def _lines(text: str) -> tuple[str, ...]:
    found = (" ".join(plain_line(line).split()) for line in text.split("\n"))
    return tuple(line for line in found if line)


def _end(start: float | None, length: float | None) -> float | None:
    return start + length if start is not None and length is not None else start


def _srv(element: ElementTree.Element, unit: float, at: str, length: str) -> Cue:
    start = _number(element.get(at), unit)
    # These tracks are escaped twice.
    text = html.unescape("".join(element.itertext()))
    return Cue(start, _end(start, _number(element.get(length), unit)), _lines(text))


def _srv3(root: ElementTree.Element) -> Captions:
    gathered = _Lines()
    timed = False
    for element in outermost(root, "p"):
        start = _number(element.get("t"), 0.001)
        words = element.findall("s")
        offsets = [at for word in words if (at := _number(word.get("t"), 0.001)) is not None]
        timed = timed or bool(offsets)
        text = "".join(element.itertext())
        end = _end(start, _number(element.get("d"), 0.001))
        gathered.add(start, end, max(offsets, default=None), text, element.get("a") == "1")
    return Captions(gathered.cues(), "srv3", timed)


def _json3(text: str) -> Captions:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TimedTextError("bad_json", str(error)[:200]) from error
    events = data.get("events") if isinstance(data, dict) else None
    if not isinstance(events, list):
        raise TimedTextError("not_captions", "a JSON file without a list of events")
    gathered = _Lines()
    timed = False
    for event in events:
        segments = event.get("segs") if isinstance(event, dict) else None
        if not isinstance(segments, list):
            continue
        segments = [one for one in segments if isinstance(one, dict) and isinstance(one.get("utf8"), str)]
        start = _number(event.get("tStartMs"), 0.001)
        offsets = [at for one in segments if (at := _number(one.get("tOffsetMs"), 0.001)) is not None]
        timed = timed or any(offsets)
        end = _end(start, _number(event.get("dDurationMs"), 0.001))
        text = "".join(one["utf8"] for one in segments)
        gathered.add(start, end, max(offsets, default=None), text, bool(event.get("aAppend")))
    return Captions(gathered.cues(), "json3", timed)


class _Lines:
    """Gather lines that may be appended to; a recognised line ends with its last word."""

    def __init__(self) -> None:
        self._rows: list[tuple[float | None, float | None, list[str]]] = []

    def add(
        self, start: float | None, end: float | None, last: float | None, text: str, append: bool
    ) -> None:
        """Add an element's text, or append it to the element before."""
        if last is not None and start is not None:
            spoken = start + last + WORD_SECONDS
            end = spoken if end is None else min(end, spoken)
        if not text.strip():
            return
        if append and self._rows and not text.startswith("\n"):
            start, _, parts = self._rows.pop()
            parts += [" ", text]
        else:
            parts = [text]
        self._rows.append((start, end, parts))

    def cues(self) -> list[Cue]:
        """Return the lines."""
        return [Cue(start, end, _lines("".join(parts))) for start, end, parts in self._rows]


def _ttml(root: ElementTree.Element) -> Captions:
    """Read W3C Timed Text (``<p begin= end=>`` with ``<br/>``), https://www.w3.org/TR/ttml1/."""
    cues: list[Cue] = []
    for element in outermost(root, "p"):
        parts: list[str] = []
        for node in element.iter():
            if node.tag.rpartition("}")[2] == "br":
                parts.append("\n")
            elif node.text:
                parts.append(" ".join(node.text.split("\n")))
            if node is not element and node.tail:
                parts.append(" ".join(node.tail.split("\n")))
        start = _clock(element.get("begin", ""))
        end = _clock(element.get("end", ""))
        if end is None:
            end = _end(start, _clock(element.get("dur", "")))
        cues.append(Cue(start, end, _lines("".join(parts))))
    return Captions(cues, "ttml")


def _clock(value: str) -> float | None:
    found = _CLOCK.fullmatch(value.strip())
    if found:
        return int(found[1] or 0) * 3600 + int(found[2]) * 60 + float(found[3])
    offset = _OFFSET.fullmatch(value.strip())
    return float(offset[1]) * _UNITS[offset[2]] if offset else None
