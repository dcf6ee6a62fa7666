"""Read OPUS's subtitle documents: sentences with times inside, as plain text or as tokens.

Trees: ``raw/`` holds ``<s>`` with running text, ``xml/`` and ``parsed/`` hold ``<w>`` tokens (P. Lison and
J. Tiedemann, OpenSubtitles2016, LREC 2016). Tokens are joined again by the rules of ``detokenized``; ``parsed/``
says ``SpaceAfter=No`` itself. What ``<meta>`` says of film and subtitle is kept as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from pile_curate.extract.captions import plain_line
from pile_curate.extract.cues import Cue
from pile_curate.extract.xml import XmlError, outermost, parse_element

_CLOCK = re.compile(r"\s*-?(\d{1,3}):(\d{1,2}):(\d{1,2})(?:[,.:](\d{1,3}))?\s*")
_LEFT = frozenset(".,!?;:%)]}»”…‥、。！？，；：）」』】〉》؟،؛।’°") | {
    "...",
    "..",
    "?!",
    "!?",
    "!!",
    "!!!",
    "??",
    "???",
}
_RIGHT = frozenset("([{«“¿¡$£€#（「『【〈《")
_ALONE = frozenset("-–—/&+=*")
_CLITIC = re.compile(r"(?:['’](?:s|m|d|t|ll|re|ve|clock)|n['’]t|['’]+)", re.IGNORECASE)
_BEFORE_NOT = re.compile(
    r"(?:do|does|did|is|are|was|were|wo|would|could|should|ca|have|has|had|must|might|need|ai|sha|dare|ought)$",
    re.IGNORECASE,
)
_CLITICS = frozenset("s m d t ll re ve clock".split())
_ELIDED = re.compile(r"(?:[^\W\d_]{1,8}['’])")
_SPLIT_WORDS = {("gon", "na"), ("wan", "na"), ("got", "ta"), ("lem", "me"), ("gim", "me"), ("dun", "no")}
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_META_FIELDS = 40
_FRENCH_SPACE = frozenset("!?;:»")


class OpusError(ValueError):
    """A document that cannot be read; ``reason`` is the reject's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(slots=True)
class Subtitle:
    """A document: its sentences as cues, and what its head or tail says of it."""

    document: str
    cues: list[Cue] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    tokenized: bool = False


def _seconds(value: str) -> float | None:
    found = _CLOCK.fullmatch(value)
    if not found:
        return None
    return (
        int(found[1]) * 3600
        + int(found[2]) * 60
        + int(found[3])
        + int((found[4] or "0").ljust(3, "0")) / 1000
    )


def detokenized(tokens: Iterable[tuple[str, bool | None]], language: str = "") -> str:
    """Join tokens into a sentence; with each stands whether a space follows it, None where nothing says so.

    Closing marks join what stands before, opening ones what follows, straight quotes are paired. English clitics
    (``do`` ``n't``, ``'s``) and the elided articles of Romance languages (``l'`` ``eau``) join; French keeps its
    space before high marks; scripts without spaces get none.

    >>> detokenized([(t, None) for t in ["I", "do", "n't", "know", ",", '"', "he", "said", '"', "."]])
    'I don\\'t know, "he said".'
    """
    romance = language.split("_")[0] in ("fr", "it", "ca", "pt", "oc", "br", "ga")
    parts: list[str] = []
    quoted: set[str] = set()
    glue = True
    within = False  # whether the token before was an apostrophe right behind a word
    before = ""
    for token, spaced in tokens:
        if not token:
            continue
        opens = token in _RIGHT
        closes = (token in _LEFT or not token.strip(".")) and not (
            language == "fr" and token in _FRENCH_SPACE
        )
        if token == "'" and before.lower().endswith(("s", "in")) and token not in quoted:
            closes = True  # the boys' ; goin'
        elif token in ("``", "''"):
            opens, closes = token == "``", token == "''"  # the Penn Treebank's quotation marks say their side
        elif token in ('"', "'"):
            closes = token in quoted
            opens = not closes
            quoted ^= {token}
        elif _CLITIC.fullmatch(token) and before and before[-1].isalpha():
            closes = token[0].lower() != "n" or bool(_BEFORE_NOT.search(before))
        elif (before.lower(), token.lower()) in _SPLIT_WORDS:
            closes = True
        elif before in ("'", "’") and within and token.lower() in _CLITICS:
            closes = True  # I ' m
        within = token in ("'", "’") and before[-1:].isalpha()
        if (
            parts
            and not glue
            and not closes
            and not (_UNSPACED.match(before[-1]) and _UNSPACED.match(token[0]))
        ):
            parts.append(" ")
        parts.append(token)
        glue = opens or (romance and bool(_ELIDED.fullmatch(token)))
        if spaced is not None:
            glue = not spaced
        before = token
    return "".join(parts)


def _sentence(element: Element, language: str) -> tuple[str, list[tuple[bool, float]], bool]:
    """Return a sentence's text, the times in it, and whether it is tokens."""
    times: list[tuple[bool, float]] = []
    tokens: list[tuple[str, bool | None]] = []
    running: list[str] = [element.text or ""]
    for node in element.iter():
        if node is element:
            continue
        if node.tag == "time":
            at = _seconds(node.get("value", ""))
            if at is not None:
                times.append((node.get("id", "").endswith("S"), at))
            running.append("\n")
        elif node.tag == "w":
            says = "misc" in node.attrib
            tokens.append(
                (
                    "".join((node.text or "").split()),
                    "SpaceAfter=No" not in node.get("misc", "") if says else None,
                )
            )
        elif node.text:
            running.append(node.text)
        running.append(node.tail or "")
    if tokens:
        return detokenized(tokens, language), times, True
    return "".join(running), times, False


def read_opus(data: bytes, language: str = "") -> Subtitle:
    """Read a document; raises ``OpusError``. Two-letter ``language`` chooses the rules for tokens."""
    if b"<!ENTITY" in data:
        raise OpusError("xml_entities", "the file defines entities")
    try:
        root = parse_element(data)
    except XmlError as error:
        raise OpusError("xml_error", str(error)) from error
    if root.tag not in ("document", "text", "letsmt"):
        raise OpusError("not_opus", f"the root is <{root.tag[:40]}>, not <document>")
    found = Subtitle(root.get("id", ""))
    shown: float | None = None
    gone: float | None = None
    for element in outermost(root, "s"):
        text, times, tokenized = _sentence(element, language)
        found.tokenized = found.tokenized or tokenized
        starts = [at for starting, at in times if starting]
        ends = [at for starting, at in times if not starting]
        if starts:
            shown = starts[0]
        start, gone = shown, (ends[-1] if ends else gone if not starts else None)
        lines = (" ".join(plain_line(line).split()) for line in text.split("\n"))
        found.cues.append(Cue(start, gone, tuple(line for line in lines if line)))
        if starts:
            shown = starts[-1]
    head = root.find("meta")
    for section in head if head is not None else ():
        for part in (section, *section) if len(section) else (section,):
            if len(found.meta) >= _META_FIELDS:
                return found
            if len(part) == 0 and part.text and part.text.strip():
                name = part.tag if part is section else f"{section.tag}.{part.tag}"
                found.meta[name[:80]] = " ".join(part.text.split())[:300]
    return found
