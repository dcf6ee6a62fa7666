"""Write numbers the way people read them."""

from __future__ import annotations

import re

_UNSHOWABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def count(value: float) -> str:
    """Return a whole number with separators.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{value:,.0f}"


def short(value: float) -> str:
    """Return a number in three digits and a suffix, for tiles and bars.

    >>> short(999), short(1234), short(4_560_000), short(7.8e9), short(999_960)
    ('999', '1.23 k', '4.56 M', '7.80 G', '1.00 M')
    """
    for suffix in ("", " k", " M", " G", " T"):
        if abs(value) < 999.5 or suffix == " T":
            break
        value /= 1000
    digits = 0 if not suffix else 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f}{suffix}"


def size(value: float) -> str:
    """Return bytes in powers of 1024.

    >>> size(999), size(1536), size(274.2 * 2**20)
    ('999 B', '1.5 KiB', '274 MiB')
    """
    if value < 1024:
        return f"{value:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1023.5 or unit == "TiB":
            break
    return f"{value:.{1 if value < 99.95 else 0}f} {unit}"


def percent(part: float, whole: float) -> str:
    """Return a share; never "0 %" or "100 %" for something that is neither, "–" of nothing.

    >>> percent(1, 3), percent(0, 9), percent(1, 10**6), percent(999_999, 10**6), percent(1, 0)
    ('33.3 %', '0 %', '<0.1 %', '>99.9 %', '–')
    """
    if not whole:
        return "\u2013"
    share = 100 * part / whole
    if share in (0, 100):
        return f"{share:.0f} %"
    if share < 0.1:
        return "<0.1 %"
    return ">99.9 %" if share > 99.9 else f"{share:.1f} %"


def words(name: str) -> str:
    """Return an identifier as words.

    >>> words("exact_duplicate")
    'exact duplicate'
    """
    return name.replace("_", " ")


def visible(text: str) -> str:
    """Replace what no page or terminal should be given: control characters, lone surrogates, bidi overrides.

    Excerpts come from the open web; a right-to-left override or an escape sequence would garble the
    figures around it.

    >>> visible("a\\x1b[31mb\\u202ec")
    'a\ufffd[31mb\ufffdc'
    """
    return _UNSHOWABLE.sub("\ufffd", text.replace("\r\n", "\n"))
