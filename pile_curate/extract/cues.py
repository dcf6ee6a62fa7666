"""Turn timed cues (subtitles, captions) into running text: what every caption format shares.

A cue is what a screen showed, not what somebody said: sentences run over cues, lines break where the screen ended,
rolling captions show each line two or three times, and descriptions for those who cannot hear stand among the words.
The steps here are pure functions on lists of ``Cue``, in this order: ``unrolled`` (each line once, exactly),
``without_sounds``, ``extract/credits.py``, ``joined``. Time and memory are linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Layout = Literal["sentences", "paragraphs"]

_TOUCH = 0.1
"""Seconds between two cues that follow without a pause; rolling captions touch, or are 10 ms apart."""

_ROLLS_LEAST = 3
_ROLLS_SHARE = 3

_DASH = re.compile(r"(?:[-‐‑−](?![-0-9])|[-‐‑−–—](?=\s)|[–—](?=[^\W\d_a-zà-öø-ÿ]))\s*")
_DASHES_ONLY = re.compile(r"[-‐‑−–—.\s]*")
_CLOSING = "\"'”’»)]}›」』）】 \t"
_FULL = frozenset(".!?…。！？؟।։።｡:;") - frozenset(":;")
_TITLE = re.compile(r"(?:^|\s)(?:Mr|Mrs|Ms|Mme|Dr|Prof|St|Sgt|Lt|Col|Gen|Capt|Rev|Hon|Sr|Sra|Hr|Fr)\.$")
_DOTS = re.compile(r"(?:\.{2,}|…)\s*")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff60]"
)
"""Letters and punctuation of scripts that put no space between words: Thai, Lao, Burmese, Khmer, Chinese, Japanese."""

_SQUARE = re.compile(r"\[([^\[\]]{0,200})\]|【([^【】]{0,200})】")
_ROUND = re.compile(r"\(([^()]{1,200})\)|（([^（）]{1,200})）")
_MUSIC = re.compile(r"[♩♪♫♬♭♮♯]+|^[ \t]*[#*]+[ \t]+(?=\S)|(?<=\S)[ \t]+[#]+[ \t]*$", re.MULTILINE)
_SIGNS = re.compile(r"[\[(【（♩♪♫♬♭♮♯#*]")
_CENSORED = re.compile(r"[\s_*-]*")
_CHANGE = re.compile(r"\s*(?:>>+|››)[ \t]*-?[ \t]*")


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines shown from ``start`` to ``end`` (seconds; None where the format does not say)."""

    start: float | None
    end: float | None
    lines: tuple[str, ...]


def _touches(before: Cue, after: Cue) -> bool:
    return (
        before.end is not None
        and before.start is not None
        and after.start is not None
        and before.start - _TOUCH <= after.start <= before.end + _TOUCH
    )


def _overlap(shown: Sequence[str], new: Sequence[str]) -> int:
    """Return the least k > 0 for which the last k lines shown are the first k of ``new``, else 0.

    The least, because where several fit somebody said the same thing twice, and a repeat costs less than a loss.
    """
    for k in range(1, min(len(shown), len(new)) + 1):
        if shown[-k:] == new[:k]:
            return k
    return 0


def unrolled(cues: Iterable[Cue], rolling: bool = False) -> list[Cue]:
    """Return cues in which each line that was said stands once.

    A caption that rolls shows the line before above the new one, and between both a still of the old line. Each cue
    loses the lines that it shares with the end of the cue before, if they touch in time: nothing is compared with
    anything further back, so that a phrase said again later stays. A line that grows (``so`` / ``so we`` / ``so we
    go``) is kept once, full grown. Files in which fewer than a third of the cues that touch do this were typed by
    people who mean their repeats ("No." "No."), and lose only cues that are equal in time and text; ``rolling`` says
    that the file is known to roll.
    """
    cues = [cue for cue in cues if any(line.strip() for line in cue.lines)]
    plain = [
        Cue(c.start, c.end, tuple(" ".join(line.split()) for line in c.lines if line.strip())) for c in cues
    ]
    pairs = [(a, b) for a, b in zip(plain, plain[1:], strict=False) if _touches(a, b)]
    rolls = sum(_overlap(a.lines, b.lines) > 0 for a, b in pairs)
    grows = sum(b.lines[0].startswith(a.lines[-1] + " ") for a, b in pairs)
    rolling = rolling or (rolls >= _ROLLS_LEAST and rolls * _ROLLS_SHARE >= len(pairs))
    growing = grows >= _ROLLS_LEAST and grows * _ROLLS_SHARE >= len(pairs)
    out: list[Cue] = []
    before: Cue | None = None
    for cue in plain:
        lines = cue.lines
        if before is not None:
            if (before.start, before.lines) == (cue.start, cue.lines):
                continue
            if (rolling or growing) and _touches(before, cue):
                k = _overlap(before.lines, lines) if rolling else 0
                if growing and not k and lines[0].startswith(before.lines[-1] + " ") and out:
                    last = out.pop()
                    kept = last.lines[:-1]
                    out.append(Cue(last.start, cue.end, (*kept, *lines)))
                    before = cue
                    continue
                lines = lines[k:]
        before = cue
        if lines:
            out.append(Cue(cue.start, cue.end, lines))
    return out


def _no_sound(found: re.Match[str]) -> str:
    inside = found[1] if found[1] is not None else found[2]
    return found[0] if _CENSORED.fullmatch(inside) and inside.strip() else " "


def _no_aside(found: re.Match[str]) -> str:
    """Drop a parenthesis that is a line of its own, begins one, or shouts; keep one inside a sentence."""
    text, inside = found.string, found[1] or found[2]
    # A few characters tell: a line of many parentheses must not be copied for each.
    begin = max(0, found.start() - 8)
    begin = max(begin, text.rfind("\n", begin, found.start()) + 1)
    before = text[begin : found.start()].strip(" \t-–—‐>")
    after = text[found.end() : found.end() + 1]
    return " " if not before or inside.isupper() and (not after or not after.isalnum()) else found[0]


def without_sounds(cue: Cue) -> Cue:
    """Return a cue without descriptions of sounds (``[door slams]``, ``(SIGHS)``) and without the marks of song.

    ``[ __ ]``, which stands for a censored word, stays.
    """
    text = "\n".join(cue.lines)
    if not _SIGNS.search(text):
        return cue
    text = _MUSIC.sub(" ", _ROUND.sub(_no_aside, _SQUARE.sub(_no_sound, text)))
    lines = (line.strip() for line in text.split("\n"))
    return Cue(cue.start, cue.end, tuple(line for line in lines if not _DASHES_ONLY.fullmatch(line)))


def _glue(left: str, right: str) -> str:
    if not left or not right:
        return ""
    return "" if _UNSPACED.match(left[-1]) and _UNSPACED.match(right[0]) else " "


def _ended(text: str, following: str) -> bool:
    """Say whether a sentence ends with ``text``, knowing what follows it."""
    bare = text.rstrip(_CLOSING)
    if not bare:
        return True
    first = following.lstrip("\"'“‘«([¿¡-–—….♪ ")[:1]
    if bare[-1] in "。！？｡":
        return True
    if bare[-1] in _FULL:
        return not first.islower() and not _TITLE.search(bare)
    if bare.endswith(("--", "—", "–")):
        return first.isupper()
    return bool(_UNSPACED.match(bare[-1]))


def _pieces(cue: Cue) -> list[tuple[bool, str]]:
    """Return a cue's utterances: (whether another speaker begins with it, its text)."""
    pieces: list[tuple[bool, list[str]]] = []
    for line in cue.lines:
        for number, part in enumerate(_CHANGE.split(line) if ">>" in line or "››" in line else (line,)):
            changed = number > 0
            dash = _DASH.match(part)
            text = " ".join((part[dash.end() :] if dash else part).split())
            if not text:
                continue
            if dash or changed or not pieces:
                pieces.append((bool(dash) or changed, [text]))
            else:
                said = pieces[-1][1]
                said += [_glue(said[-1], text), text]
    return [(turn, "".join(said)) for turn, said in pieces]


def joined(
    cues: Iterable[Cue], *, layout: Layout = "sentences", gap: float = 0.0, tight: bool = False
) -> str:
    r"""Join cues into text.

    ``sentences``: a line goes on until a cue ends a sentence, since the next cue may be another speaker's;
    ``paragraphs``: it goes on until a pause. A dash that opens a line is a speaker's and begins a line in both. A
    pause of more than ``gap`` seconds (0: none) leaves an empty line. ``tight`` joins the cues of scripts without
    spaces by nothing, where cues cut words; otherwise they end a line, as their writers leave out full stops.

    >>> joined([Cue(0, 1, ("I was going",)), Cue(1, 2, ("home.",)), Cue(2, 3, ("- Why?", "- Rain."))])
    'I was going home.\n- Why?\n- Rain.'
    """
    out: list[str] = []
    parts: list[str] = []
    end: float | None = None

    def close() -> None:
        if parts:
            out.append("".join(parts))
            parts.clear()

    for cue in cues:
        pause = bool(gap) and end is not None and cue.start is not None and cue.start - end > gap
        for turn, text in _pieces(cue):
            last = parts[-1] if parts else ""
            if pause and (parts or out):
                close()
                if out[-1]:
                    out.append("")
            elif turn or (last and layout == "sentences" and not tight and _ended(last, text)):
                close()
            pause = False
            if turn:
                close()
                parts.append("- " + text)
            elif parts:
                if last.endswith(("...", "…")) and (dots := _DOTS.match(text)) and text[dots.end() :]:
                    text = text[dots.end() :]
                space = _glue(last, text)
                parts += [space if tight or space or layout == "sentences" else " ", text]
            else:
                parts.append(text)
        end = cue.end if cue.end is not None else cue.start
    close()
    return "\n".join(out)
