"""Read the proceedings of the European Parliament as the Europarl corpus writes them.

Lines of markup stand between lines of text: ``<CHAPTER ID=..>`` before a title, ``<SPEAKER ID=.. NAME=..
LANGUAGE=.. AFFILIATION=..>`` before a speech, ``<P>`` between paragraphs (P. Koehn, Europarl: A Parallel Corpus
for Statistical Machine Translation, MT Summit 2005). Attributes are quoted or not, names hold quotes, brackets and
party, and the text holds entities and marks of the spoken language ("(DE) Mr President"), by release.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass, field

LATE = {"bg": "cp1251", "cs": "cp1250", "et": "cp1257", "hu": "cp1250", "lt": "cp1257", "lv": "cp1257",
        "pl": "cp1250", "ro": "cp1250", "sk": "cp1250", "sl": "cp1250", "el": "iso8859-7"}  # fmt: skip
"""Encodings of files that are not UTF-8: releases 1 and 2 are ISO-8859-1, Greek ISO-8859-7."""

_MARK = re.compile(r"<(/?)(CHAPTER|SPEAKER|P|BRK)\b([^<>\n]*)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r'([A-Za-z]{1,20})\s*=\s*(?:"(.*?)"(?=\s+[A-Za-z]{1,20}\s*=|\s*/?\s*$)|([^\s"]+))')
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>")
_PARTY = re.compile(r"\s*\(([A-ZÀ-Ž][^()]{0,40})\)\s*[.:,]?\s*$")
_SPOKEN = re.compile(
    r"^((?:[-–−]\s*)|(?:[^.()\n]{1,120}\.\s*[-–−]\s*))?\((?:BG|CS|DA|DE|EL|EN|ES|ET|FI|FR|GA|HR|HU|IT|LT|LV|MT|NL|PL|PT|RO|SK|SL|SV)\)\s+"
)
_NOTE = re.compile(r"(?:\([^()]*(?:\([^()]*\)[^()]*)*\)[\s.]*)+|\[[^\[\]]*\]")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,10}\d?);", re.IGNORECASE)


@dataclass(slots=True)
class Sitting:
    """What a file holds: its text, and what was found on the way."""

    text: str
    chapters: list[str] = field(default_factory=list)
    speakers: list[str] = field(default_factory=list)
    spoken: dict[str, int] = field(default_factory=dict)
    speeches: int = 0
    notes: int = 0
    paragraphs: int = 0
    marks: int = 0


def sitting_text(data: bytes, language: str) -> tuple[str, str]:
    """Decode a file: UTF-8 where it is valid, else its language's older encoding. Return text and encoding."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        wide = len(text) - len(text.encode("ascii", "ignore"))
        if text.count("\ufffd") * 20 < wide:
            return text, "utf-8"
        codec = LATE.get(language, "cp1252")
        return data.decode(codec, "replace"), codec


def attributes(markup: str) -> dict[str, str]:
    """Read a tag's attributes, quoted or not.

    >>> attributes(' ID=12 LANGUAGE="EN" NAME="O"Neill, Jan" AFFILIATION="PSE"')
    {'id': '12', 'language': 'EN', 'name': 'O"Neill, Jan', 'affiliation': 'PSE'}
    """
    found = _ATTRIBUTE.finditer(markup[:300])
    return {m[1].lower(): (m[2] if m[2] is not None else m[3]).strip() for m in found}


def speaker_of(fields: dict[str, str]) -> tuple[str, str]:
    """Return a speaker's name and group, which older releases write into the name.

    >>> speaker_of({"name": "Andrews (UEN)."})
    ('Andrews', 'UEN')
    """
    name = _plain(fields.get("name", ""))
    group = fields.get("affiliation", "")
    if party := _PARTY.search(name):
        name, group = name[: party.start()], group or party[1]
    return name.strip(" .:,;-"), group.strip()


def _plain(text: str) -> str:
    text = _TAG.sub(" ", text) if "<" in text else text
    # Some releases escape twice.
    for _ in range(2):
        if "&" in text and _ENTITY.search(text):
            text = html.unescape(text)
    return " ".join(text.split())


def is_note(paragraph: str) -> bool:
    """Say whether a paragraph is a stage note: ``(Applause)``, ``(The sitting was closed at 8.25 p.m.)``."""
    return len(paragraph) <= 400 and _NOTE.fullmatch(paragraph) is not None


def read_sitting(text: str, *, speakers: bool = True, notes: bool = True) -> Sitting:
    """Return a file's text: chapter titles, and speeches that begin with their speaker's name if ``speakers``."""
    found = Sitting("")
    spoken: Counter[str] = Counter()
    paragraphs: list[str] = []
    speaker = ""  # to be put before the next paragraph
    titled = False  # whether the next paragraph is a chapter's title
    at = 0
    marks = [*_MARK.finditer(text), None]
    for mark in marks:
        block = text[at : mark.start() if mark else len(text)]
        for paragraph in _paragraphs(block, whole=titled):
            if titled:
                found.chapters.append(paragraph)
                titled = False
            elif is_note(paragraph):
                found.notes += 1
                if not notes:
                    continue
            else:
                lead = _SPOKEN.match(paragraph)
                if lead:
                    paragraph = (lead[1] or "").lstrip("-–− ") + paragraph[lead.end() :]
                if speaker and speakers:
                    paragraph = f"{speaker}: {paragraph}"
                speaker = ""
                found.paragraphs += 1
            paragraphs.append(paragraph)
        if mark is None:
            break
        at = mark.end()
        found.marks += 1
        kind = mark[2].upper()
        if mark[1]:
            continue
        if kind == "CHAPTER":
            titled, speaker = True, ""
        elif kind == "SPEAKER":
            titled = False
            fields = attributes(mark[3])
            speaker, _ = speaker_of(fields)
            found.speeches += 1
            if speaker and speaker not in found.speakers:
                found.speakers.append(speaker)
            if language := fields.get("language", ""):
                spoken[language.lower()] += 1
        elif kind == "P":
            titled = False
    found.spoken = dict(sorted(spoken.items()))
    found.text = "\n\n".join(paragraphs)
    return found


def _paragraphs(block: str, whole: bool) -> list[str]:
    """Return a block's paragraphs. Lines of a block are one, but for notes and empty lines between them."""
    lines = [_plain(line) for line in block.split("\n")]
    if whole:
        title = " ".join(line for line in lines if line)
        return [title] if title else []
    out: list[list[str]] = []
    fresh = True
    for line in lines:
        if not line:
            fresh = True
            continue
        note = is_note(line)
        if fresh or note:
            out.append([line])
        else:
            out[-1].append(line)
        fresh = note
    return [" ".join(paragraph) for paragraph in out]
