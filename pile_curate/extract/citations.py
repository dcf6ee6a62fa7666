"""Take bibliographic citation markers out of a sentence without a trace: ``[12, 13]``, ``(see 4)``, raised ``7–9``.

Whoever reads the markup wraps each marker by ``marker``; ``without_markers`` then removes what they and their
brackets, separators and lead words (``see``, ``e.g.``) make together, and the white space that would be left. A marker
that a sentence cannot do without ("as shown in [12]") stays. Linear in the text.
"""

from __future__ import annotations

import re

BEGIN, END = "\x01", "\x02"
"""Around a marker: controls that no XML document can hold."""

_HIDE = str.maketrans("[]()", "\x03\x04\x05\x06")
_SHOW = str.maketrans("\x03\x04\x05\x06", "[]()", BEGIN + END)
_HIDDEN = re.compile("[\x01-\x06]")
_NUMERIC = re.compile(
    r"[A-Za-z]{0,2}\.?\s?[0-9]{1,4}[a-z]?'?(?:\s*[,;–—−-]\s*[A-Za-z]?[0-9]{1,4}[a-z]?)*\s*[,;]?|[*†‡§¶#]{1,3}"
)
_YEAR = re.compile(r"(?:1[89]|20)[0-9]{2}[a-z]?(?:\s*[,;]\s*(?:(?:1[89]|20)[0-9]{2})?[a-z]?)*")
_MARK = re.compile(r"\x01[^\x01\x02]*\x02")
_BRACKET = re.compile(r"[\[(]([^\[\]()]*)[\])]")
_GROUP = re.compile(r" ?\x01n[^\x01\x02]*\x02(?: ?(?:[,;&/–—−-]|and|to)? ?\x01n[^\x01\x02]*\x02)*")
_CONTENT = re.compile(r"[^\w\s,;:.&/–—−+*†‡'-]|[0-9]\.[0-9]|\A\s*[0-9]+\s*(?![\s,;–—−-])")
"""What no list of references holds between its numbers: a relation, a decimal, a number that begins no range."""

_WORD = re.compile(r"[^\W\d_]+")
_FILLER = frozenset(
    "and see also e g eg i ie cf ref refs reference references reviewed review reviews for in by therein a the "
    "example instance among others elsewhere here detailed details s p pp page pages".split()
)
_NEEDED = re.compile(
    r"(?:\b(?:in|by|from|of|see|to|with|than|following|both|per|via|cf\.?|refs?\.?|references?|citations?)|\be\.g\.,?)\Z",
    re.IGNORECASE,
)
_ABBREVIATED = re.compile(r"\b(?:al|e\.g|i\.e|vs|approx|ca|Dr|coworkers)\.\Z")
_AFTER_OPENING = re.compile(r" ?[,;:]? ?")


def marker(text: str, *, all_kinds: bool = False) -> str:
    """Wrap a citation's text if it is a marker: a number, a letter and a number, a sign.

    Names with years are words of the sentence and stay as they are, unless ``all_kinds`` asks for them too.
    """
    text = " ".join(text.split())
    before, inner, after = "", text, ""
    if inner[:1] in ("[", "("):
        before, inner = inner[0], inner[1:]
    if inner[-1:] in ("]", ")"):
        inner, after = inner[:-1], inner[-1]
    inner = inner.strip()
    if inner and _NUMERIC.fullmatch(inner) and not _YEAR.fullmatch(inner):
        return f"{before}{BEGIN}n{inner}{END}{after}"
    if all_kinds and inner and not set("[]()") & set(inner):
        return f"{before}{BEGIN}a{inner}{END}{after}"
    return text


def without_markers(text: str) -> str:
    r"""Return a text, its white space single, without the markers in it.

    >>> m = marker
    >>> without_markers(f"Shown [{m('1')}, {m('2')}–{m('4')}], and again (see {m('5')}). As in [{m('6')}].")
    'Shown, and again. As in [6].'
    """
    if BEGIN not in text:
        return text
    for _ in range(2):  # the second time for brackets in brackets
        text = _BRACKET.sub(_bracket, text)
    out: list[str] = []
    at = 0
    for group in _GROUP.finditer(text):
        out.append(text[at : group.start()])
        at = _join(out, group[0], text, group.end())
    out.append(text[at:])
    return _shown("".join(out))


def _bracket(found: re.Match[str]) -> str:
    if BEGIN not in found[1]:
        return found[0]
    rest = _MARK.sub("", found[1])
    if _CONTENT.search(rest) or any(word.lower() not in _FILLER for word in _WORD.findall(rest)):
        return found[0]
    return f"{BEGIN}n{_shown(found[0]).translate(_HIDE)}{END}"


def _shown(text: str) -> str:
    """Return markers as the text that they were."""
    if BEGIN in text:
        text = _MARK.sub(lambda mark: mark[0][2:-1], text)
    return text.translate(_SHOW) if _HIDDEN.search(text) else text


def _join(out: list[str], group: str, text: str, end: int) -> int:
    """Decide what stands for a group of markers, append it, and return where to go on."""
    before = "".join(out[-2:])[-24:]
    apart = group[:1] == " " or before[-1:] in ("", " ")
    after = text[end : end + 1]
    sentence = before.rstrip()
    subject = not sentence or (
        sentence[-1] in ".:?!" and not _ABBREVIATED.search(sentence) and text[end + 1 : end + 2].islower()
    )
    if apart and (subject or _NEEDED.search(sentence)):
        out.append(group)
    elif before[-1:] == "." and after == ".":  # "Smith et al. [3]."
        return end + 1
    elif before[-1:] in ("(", "["):
        found = _AFTER_OPENING.match(text, end)
        return found.end() if found else end
    elif after in (")", "]") and after:
        out[-1] = out[-1].rstrip(" ,;:")
    elif (group[:1] == " " and (after.isalnum() or after in ("(", "["))) or (
        before[-1:] in (".", ",", ";", ":") and after.isalpha()
    ):
        out.append(" ")
    return end
