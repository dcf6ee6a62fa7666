"""Clean a document's text: mojibake, normal form, control characters, white space; twice is the same as once.

Every step can be switched off in the recipe. The order matters and is fixed: surrogates first (nothing
else may see them), then ftfy, which needs the C1 controls and no-break spaces as clues, then normal
form, control characters and white space. One step can open the way for another (a no-break space made
plain completes a mojibake pattern), so the whole is repeated until nothing changes; that is what makes
``clean(clean(x)) == clean(x)`` true by construction.

Cost: ftfy dominates (it tests each line against large regular expressions). Lines that ftfy provably
returns unchanged are not handed to it; ``tests/unit/test_clean.py`` holds the output equal to
``ftfy.fix_text``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from ftfy import TextFixerConfig

CLEAN_VERSION = 1
"""Bump when the output of ``clean`` changes; it belongs to the extract stage's fingerprint."""


class CleaningConfig(BaseModel):
    """Say which cleaning steps run; the defaults are the preset ``prose``."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    ftfy: bool = Field(True, description="Mend mojibake and the other damage that ftfy knows.")
    unescape_html: bool | Literal["auto"] = Field(
        "auto",
        description="Turn entities left in the text into characters; 'auto': unless the text holds a '<'.",
    )
    latin_ligatures: bool = Field(True, description="Write typographic ligatures (U+FB01) as letters.")
    character_width: bool = Field(
        False, description="Fold full-width and half-width forms; damages Chinese and Japanese punctuation."
    )
    straight_quotes: bool = Field(False, description="Replace curly quotation marks; loses typography.")
    normal_form: Literal["NFC", "none"] = Field("NFC", description="Unicode normal form of the text.")
    control_characters: Literal["remove", "keep"] = Field(
        "remove", description="Remove controls other than tab and newline, noncharacters, byte-order marks."
    )
    soft_hyphens: Literal["remove", "keep"] = Field("remove", description="What to do with U+00AD.")
    plain_spaces: bool = Field(True, description="Write no-break and fixed-width spaces as U+0020.")
    unicode_line_ends: bool = Field(
        True, description="Treat U+2028, U+2029, U+0085, vertical tab and form feed as line ends."
    )
    trailing_blanks: bool = Field(True, description="Strip blanks at the ends of lines and around the text.")
    max_newlines: int | None = Field(
        2, ge=1, description="Longest run of newlines that stays; null leaves them. 2 keeps one empty line."
    )


PRESETS: dict[str, CleaningConfig] = {
    "prose": CleaningConfig(),
    "code": CleaningConfig(
        ftfy=False,
        unescape_html=False,
        latin_ligatures=False,
        normal_form="none",
        soft_hyphens="keep",
        plain_spaces=False,
        unicode_line_ends=False,
        trailing_blanks=False,
        max_newlines=None,
    ),
}
"""``code`` touches line ends, controls and broken code points only: in a program white space is meaning."""

PROSE = PRESETS["prose"]
CODE = PRESETS["code"]

_MAX_ROUNDS = 64  # ftfy shortens what it mends and the rest settles in two rounds; 3 is the most ever seen

_CONTROL_RE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u206a-\u206f\ufdd0-\ufdef\ufeff\ufff9-\ufffc\ufffe\uffff]"
)
"""C0 but tab and newline; C1; deprecated format controls; noncharacters; BOM; annotation and object marks."""

_ASCII_CONTROLS = bytes(code for code in range(0x80) if _CONTROL_RE.match(chr(code)))

_SPACE_RE = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")
_TRAILING_RE = re.compile(r"(?<![ \t])[ \t]+\n")
_AMP_RUN_RE = re.compile("&(?:amp;){2,}")


def clean(text: str, config: CleaningConfig = PROSE) -> str:
    r"""Return the text cleaned as the config says.

    >>> clean("voil\u00c3\u00a0 \r\n\r\n\r\n\r\nfin\x00 ")
    'voilà\n\nfin'
    >>> clean("if x:  \r\n\treturn 1\n", CODE)
    'if x:  \n\treturn 1\n'
    """
    for _ in range(_MAX_ROUNDS):
        before = text
        text = _once(text, config)
        if text == before:
            break
    return text


def _once(text: str, config: CleaningConfig) -> str:
    if not text.isascii():
        text = _mend_surrogates(text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if config.ftfy:
        text = _ftfy(text, config)
    if config.normal_form != "none":
        text = unicodedata.normalize(config.normal_form, text)
    return _white_space(_characters(text, config), config)


def _mend_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone surrogates by U+FFFD, so that the text can be UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _characters(text: str, config: CleaningConfig) -> str:
    if config.unicode_line_ends:
        text = text.replace("\x0b", "\n").replace("\x0c", "\n")
    if text.isascii():
        if config.control_characters == "remove":
            text = text.encode("ascii").translate(None, _ASCII_CONTROLS).decode("ascii")
        return text
    if config.unicode_line_ends:
        text = text.replace("\x85", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n")
    if config.control_characters == "remove":
        text = _CONTROL_RE.sub("", text)
    if config.soft_hyphens == "remove":
        text = text.replace("\u00ad", "")
    return _SPACE_RE.sub(" ", text) if config.plain_spaces else text


def _white_space(text: str, config: CleaningConfig) -> str:
    if config.trailing_blanks:
        if " \n" in text or "\t\n" in text:
            text = _TRAILING_RE.sub("\n", text)
        text = text.rstrip(" \t\n").lstrip("\n")
    if config.max_newlines is not None and "\n" * (config.max_newlines + 1) in text:
        text = re.sub(f"\n{{{config.max_newlines + 1},}}", "\n" * config.max_newlines, text)
    return text


@lru_cache(maxsize=32)
def _fixer(unescape: bool, ligatures: bool, width: bool, quotes: bool) -> TextFixerConfig:
    from ftfy import TextFixerConfig

    return TextFixerConfig(
        unescape_html=unescape,
        remove_terminal_escapes=True,
        fix_encoding=True,
        restore_byte_a0=True,
        replace_lossy_sequences=True,
        decode_inconsistent_utf8=True,
        fix_c1_controls=True,
        fix_latin_ligatures=ligatures,
        fix_character_width=width,
        uncurl_quotes=quotes,
        fix_line_breaks=False,
        fix_surrogates=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )


def _ftfy(text: str, config: CleaningConfig) -> str:
    """Return what ``ftfy.fix_text`` returns, handing it only the lines that it could change."""
    unescape = config.unescape_html is True or (config.unescape_html == "auto" and "<" not in text)
    if text.isascii() and "\x1b" not in text and not (unescape and "&" in text):
        return text
    fixer = _fixer(unescape, config.latin_ligatures, config.character_width, config.straight_quotes)
    if unescape and "&amp;amp;" in text:
        # ftfy peels one layer a round: quadratic in the depth, a way to stall a task.
        text = _AMP_RUN_RE.sub("&amp;", text)
    suspect = _suspect(unescape, config.latin_ligatures, config.character_width, config.straight_quotes)
    out: list[str] = []
    done = at = 0
    while match := suspect.search(text, at):
        first = text.rfind("\n", 0, match.start()) + 1
        last = text.find("\n", match.end() - 1) + 1 or len(text)
        out += (text[done:first], _fix_lines(text[first:last], fixer))
        done = at = last
    out.append(text[done:])
    return "".join(out)


def _fix_lines(lines: str, fixer: TextFixerConfig) -> str:
    from ftfy import fix_text

    return fix_text(lines, fixer)


@lru_cache(maxsize=32)
def _suspect(unescape: bool, ligatures: bool, width: bool, quotes: bool) -> re.Pattern[str]:
    """Return a pattern that matches in every line which ftfy would change (and in some that it would not).

    ftfy leaves a line's encoding alone unless its ``BADNESS_RE`` matches. Each of that expression's
    alternatives holds two adjacent characters of its categories, or one of a few telling ones; this
    pattern looks for those, at a tenth of the price. The other fixers act on fixed characters.
    """
    from ftfy import chardata
    from ftfy.badness import MOJIBAKE_CATEGORIES as category

    second = "".join(
        category[name]
        for name in (
            "bad", "law", "currency", "start_punctuation", "end_punctuation", "numeric", "kaomoji",
            "upper_accented", "lower_accented", "box",
        )
    )  # fmt: skip
    first = second + category["upper_common"] + category["lower_common"]
    alone = "\x80-\x9fŒœÃÂØÙÎÐ√≈\x1b"
    if ligatures:
        alone += "".join(re.escape(chr(c)) for c in sorted(chardata.LIGATURES))
    if width:
        alone += "".join(re.escape(chr(c)) for c in sorted(chardata.WIDTH_MAP))
    if quotes:
        alone += "\u02bc\u2018-\u201f"
    patterns = [f"[{first}][{second}]", f"[{alone}]", "вЂ|ВЂ|Гў"]
    if unescape:
        patterns.append("&#?[0-9A-Za-z]{1,24};")
    return re.compile("|".join(patterns))
