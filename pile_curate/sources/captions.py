"""Share what the three sources of captions have in common: their options, and the way from cues to a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from pile_curate.extract.credits import without_credits
from pile_curate.extract.cues import Cue, joined, unrolled, without_sounds
from pile_curate.sources.base import SourceOptions

_THREE = {
    "eng": "en", "fre": "fr", "fra": "fr", "ger": "de", "deu": "de", "spa": "es", "ita": "it", "por": "pt", "pob": "pt-br",
    "dut": "nl", "nld": "nl", "rus": "ru", "pol": "pl", "cze": "cs", "ces": "cs", "slo": "sk", "slk": "sk", "hun": "hu",
    "rum": "ro", "ron": "ro", "gre": "el", "ell": "el", "tur": "tr", "swe": "sv", "dan": "da", "nor": "no", "fin": "fi",
    "ara": "ar", "heb": "he", "jpn": "ja", "kor": "ko", "chi": "zh", "zho": "zh", "hrv": "hr", "srp": "sr", "slv": "sl",
    "bul": "bg", "ukr": "uk", "vie": "vi", "tha": "th", "ind": "id", "may": "ms", "per": "fa", "fas": "fa", "est": "et",
    "lav": "lv", "lit": "lt", "ice": "is", "isl": "is", "cat": "ca", "hin": "hi", "ben": "bn", "tam": "ta", "tel": "te",
}  # fmt: skip
_TWO = frozenset(_THREE.values()) | set(
    "af am as az be bn bs cy eo eu fy ga gd gl gu ha hy id is jv ka kk km kn ky la lb lo mg mi mk ml mn mr ms mt my "
    "ne nb nn or pa ps ro sa sd si so sq su sw tg tk tl ur uz xh yi yo zu sr iw ji".split()
)
_FLAG = re.compile(r"[._ -](?:sdh|cc|hi|forced|foreign|full)$", re.IGNORECASE)
_LABELS = (
    re.compile(r"(?:.*[._ /(\[-])([A-Za-z]{2,3})(-(?:[A-Za-z]{2}|[A-Z][a-z]{3}|[0-9]{3}))[)\]]?"),
    re.compile(r"(?:.*[._ /(\[-])([A-Za-z]{2,3})()[)\]]?"),
)


class CaptionOptions(SourceOptions):
    """Say what of the captions stays, and how they are joined."""

    layout: Literal["sentences", "paragraphs"] = Field(
        "sentences",
        description="sentences: a line ends where a cue ends a sentence; paragraphs: where somebody pauses.",
    )
    gap: float = Field(4.0, ge=0, description="Seconds without a cue that leave an empty line; 0 never does.")
    sounds: Literal["drop", "keep"] = Field(
        "drop", description="[door slams], (SIGHS) and notes of song, for those who cannot hear."
    )
    credits: Literal["drop", "keep"] = Field(
        "drop", description="Lines that say who made the subtitles, and advertisements."
    )
    max_file_bytes: int = Field(16 << 20, ge=1024, description="Largest file that is read, in bytes.")


def language_in(stem: str) -> str:
    """Return the language that a file's name ends with, "" if it ends with none.

    >>> language_in("Film.2001.en"), language_in("Film.pt-BR"), language_in("Film (eng).forced"), language_in("It")
    ('en', 'pt-BR', 'en', '')
    """
    stem = _FLAG.sub("", stem)[-40:]
    for label in _LABELS:
        found = label.fullmatch(stem)
        base = _THREE.get(found[1].lower(), found[1].lower()) if found else ""
        if found and base in _TWO:
            return base + found[2]
    return ""


def text_of(
    cues: Sequence[Cue], options: CaptionOptions, *, rolling: bool | None = None, tight: bool = False
) -> tuple[str, dict[str, Any]]:
    """Return the text of cues and what was counted on the way. ``rolling`` None: they are known not to roll."""
    shown = list(cues) if rolling is None else unrolled(cues, rolling)
    removed = 0
    if options.sounds == "drop":
        shown = [without_sounds(cue) for cue in shown]
    shown = [cue for cue in shown if cue.lines]
    if options.credits == "drop":
        shown, removed = without_credits(shown)
    text = joined(shown, layout=options.layout, gap=options.gap, tight=tight)
    facts: dict[str, Any] = {"cues": len(shown)}
    if removed:
        facts["credits_removed"] = removed
    ends = [at for cue in shown for at in (cue.end, cue.start) if at is not None]
    if ends:
        facts["seconds"] = round(max(ends))
    return text, facts
