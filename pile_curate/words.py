"""State the word rule that near-duplicate detection and decontamination share.

A *word* is a maximal run of code points of category L or N, each with the marks (category M) that follow
it, after simple case folding (one code point to one) and no other normalisation. A letter of Han, Hiragana,
Katakana (and U+30FC, U+FF70), Thai, Lao, Khmer, Myanmar or Tibetan is a word by itself, with the marks that
follow, because those scripts put no spaces between words. Everything else separates: also a mark that
follows no letter, and bytes that are not UTF-8.

The classes come from the table in ``unicode_tables.py``, so a word is the same under every Python. The
table is written by ``python -m pile_curate.words --write-table`` and checked against an independent
source of the Script and Case_Folding properties (Perl's, Unicode 14) when it was made.

>>> split("Don't STOP: ΣΊΣΥΦΟΣ 東京2020")
['don', 't', 'stop', 'σίσυφοσ', '東', '京', '2020']
"""

from __future__ import annotations

import argparse
import functools
import itertools
import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pile_curate import unicode_tables

WORDS_VERSION = 1
"""Bump when the same text would give other words; it enters the fingerprint of what depends on words."""

CODE_POINTS = 0x110000
SEPARATOR, WORD, MARK, LETTER = 0, 1, 2, 3
"""What a code point does: separate, continue a word, extend what is before it, or be a word by itself."""

_CODES = {"w": WORD, "m": MARK, "o": LETTER}
_LETTER_NAMES = (
    "CJK UNIFIED IDEOGRAPH-",
    "CJK COMPATIBILITY IDEOGRAPH-",
    "HIRAGANA ",
    "HENTAIGANA ",
    "KATAKANA ",
    "KATAKANA-HIRAGANA ",
    "HALFWIDTH KATAKANA LETTER ",
    "HALFWIDTH KATAKANA-HIRAGANA ",
    "THAI ",
    "LAO ",
    "KHMER ",
    "MYANMAR ",
    "TIBETAN ",
)
_LETTER_MORE = (0x3005, 0x303B, 0x16FE3)
"""Letters with Script=Han whose names do not say so: the iteration marks."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The table, one entry a code point: ``kind`` (uint8) and ``fold`` (uint32, the folded code point)."""

    kind: npt.NDArray[np.uint8]
    fold: npt.NDArray[np.uint32]


@functools.cache
def tables() -> Tables:
    """Return the shipped table, expanded (5.5 MB, a few milliseconds, once a process)."""
    kind = np.zeros(CODE_POINTS, np.uint8)
    for token in unicode_tables.KINDS.split():
        code = next(letter for letter in token if letter in _CODES)
        start, length = token.split(code)
        kind[int(start, 16) : int(start, 16) + int(length, 16)] = _CODES[code]
    fold = np.arange(CODE_POINTS, dtype=np.uint32)
    for token in unicode_tables.FOLDS.split():
        span, delta = token.split("=")
        first, last, step = (int(part, 16) for part in span.split("."))
        fold[first : last + 1 : step] += np.uint32(int(delta, 16) % (1 << 32))
    kind.flags.writeable = fold.flags.writeable = False
    return Tables(kind, fold)


def split(text: str) -> list[str]:
    """Return the text's words, folded, in order. The slow statement of the rule; kernels equal it.

    >>> split("\\u0301a\\u0301b c") == ["a\\u0301b", "c"]
    True
    """
    shipped = tables()
    words: list[str] = []
    kind = SEPARATOR  # of the word that could go on; SEPARATOR when there is none
    for character in text:
        code = ord(character)
        now = int(shipped.kind[code])
        folded = chr(shipped.fold[code])
        if now == SEPARATOR or (now == MARK and kind == SEPARATOR):
            kind = SEPARATOR
        elif now == MARK or (now == WORD and kind == WORD):
            words[-1] += folded
        else:
            words.append(folded)
            kind = now
    return words


def _kind(code: int) -> str:
    character = chr(code)
    category = unicodedata.category(character)[0]
    if category == "L":
        name = unicodedata.name(character, "")
        return "o" if name.startswith(_LETTER_NAMES) or code in _LETTER_MORE else "w"
    return {"N": "w", "M": "m"}.get(category, "")


def _fold(code: int) -> int:
    """Return the simple case folding (statuses C and S of CaseFolding.txt), which Python does not offer.

    A full folding of one code point has status C. Where it has several, the folding of status S, if any,
    is the simple lower case.
    """
    character = chr(code)
    for form in (character.casefold(), character.lower()):
        if len(form) == 1:
            return ord(form)
    return code


def _runs() -> Iterator[str]:
    for code, group in itertools.groupby(range(CODE_POINTS), _kind):
        members = list(group)
        if code:
            yield f"{members[0]:x}{code}{len(members):x}"


def _fold_runs() -> Iterator[str]:
    pending: list[tuple[int, int]] = [(c, _fold(c) - c) for c in range(CODE_POINTS) if _fold(c) != c]
    while pending:
        first, delta = pending[0]
        step = next((c - first for c, d in pending[1:2] if d == delta and c - first <= 2), 1)
        length = 1
        while length < len(pending) and pending[length] == (first + length * step, delta):
            length += 1
        yield f"{first:x}.{pending[length - 1][0]:x}.{step:x}={delta:x}"
        pending = pending[length:]


def render_tables() -> str:
    """Return the source of ``unicode_tables.py`` as this Python's ``unicodedata`` has it."""
    version = unicodedata.unidata_version
    return "\n".join(
        [
            f'"""Hold the character classes of Unicode {version}.',
            "",
            "Written by ``python -m pile_curate.words --write-table``; not edited by hand.",
            "",
            "``KINDS``: first code point (hex), w word / m mark / o one word each, length of the run (hex).",
            "``FOLDS``: first.last.step=delta (hex): simple case folding adds delta.",
            '"""',
            "",
            f'UNICODE_VERSION = "{version}"',
            "",
            'KINDS = """',
            *textwrap.wrap(" ".join(_runs()), 108),
            '"""',
            "",
            'FOLDS = """',
            *textwrap.wrap(" ".join(_fold_runs()), 108),
            '"""',
            "",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the table to ``unicode_tables.py``, or print it."""
    parser = argparse.ArgumentParser(prog="python -m pile_curate.words", description=main.__doc__)
    parser.add_argument("--write-table", action="store_true", help="replace pile_curate/unicode_tables.py")
    source = render_tables()
    if parser.parse_args(arguments).write_table:
        Path(unicode_tables.__file__).write_text(source, encoding="utf-8")
    else:
        print(source, end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
