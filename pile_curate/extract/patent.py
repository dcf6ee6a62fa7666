"""Hold a patent's text apart from its layout, and find the background section in it.

The description of a US patent has conventional headings (37 CFR 1.77): background of the invention, with the field and the
related art, then summary, drawings, detailed description. All layouts also mark the larger parts (brief summary, drawings,
detailed description), though not the background. So headings decide, and the parts bound what they say.

The Pile's own extraction took what follows the first heading with BACKGROUND in it, up to the next heading, and for
2002 to 2004 the whole brief summary. Taken so, a background whose heading is followed by "Field of the Invention" and
"Description of the Related Art" is empty or lacks its main part. Here those belong to it, and it ends at a summary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

Part = Literal["", "related", "background", "summary", "drawings", "detail"]


@dataclass(slots=True)
class Block:
    """A paragraph, heading, table (lines of cells) or formula, and the part of the description it stands in."""

    kind: Literal["p", "heading", "table", "formula"]
    text: str
    part: Part = ""


@dataclass(slots=True)
class Patent:
    """One document as published. ``number`` is as printed in the file; ``date`` is YYYYMMDD."""

    layout: str
    number: str = ""
    kind: str = ""
    country: str = ""
    date: str = ""
    title: str = ""
    authors: list[str] = field(default_factory=list)
    ipc: str = ""
    cpc: str = ""
    us_class: str = ""
    dtd: str = ""
    abstract: list[Block] = field(default_factory=list)
    description: list[Block] = field(default_factory=list)
    claims: list[list[str]] = field(default_factory=list)
    repairs: int = 0


_NUMBER = re.compile(r"([A-Z]{0,2})0*([0-9]{1,11})")
_TYPES = {
    "": "utility", "D": "design", "RE": "reissue", "PP": "plant", "H": "statutory invention registration",
    "T": "defensive publication", "AI": "additional improvement", "X": "X-patent",
}  # fmt: skip


def plain_number(number: str) -> str:
    """Return a document number as every layout has it: the type's letters, the digits without leading zeros; "" for none.

    >>> plain_number("03930271"), plain_number("D0453058"), plain_number("RE037,123"), plain_number("20050004437")
    ('3930271', 'D453058', 'RE37123', '20050004437')
    """
    found = _NUMBER.fullmatch(re.sub(r"[\s,/-]", "", number.upper()))
    return found[1] + found[2] if found and found[2] else ""


def type_of(number: str) -> str:
    """Return what a plain number's letters say the document is."""
    if len(number) == 11 and number.isdigit():
        return "application"
    return _TYPES.get(number.rstrip("0123456789"), "other")


def iso_date(date: str) -> str:
    """Return YYYYMMDD as ISO 8601; a day or month 00 is left out.

    >>> iso_date("19760113"), iso_date("19980800"), iso_date("?")
    ('1976-01-13', '1998-08', '')
    """
    found = re.fullmatch(r"\s*([12][0-9]{3})([01][0-9])?([0-3][0-9])?\s*", date)
    if not found:
        return ""
    parts = [found[1]]
    for part in (found[2], found[3]):
        if not part or part == "00":
            break
        parts.append(part)
    return "-".join(parts)


def ipc_symbol(text: str) -> str:
    """Return an IPC symbol in its usual form, from fixed columns or a slashed one.

    >>> ipc_symbol("H04M 1100"), ipc_symbol("B60R  900"), ipc_symbol("G06F017/60"), ipc_symbol("0201")
    ('H04M 11/00', 'B60R 9/00', 'G06F 17/60', '0201')
    """
    text = text.strip()
    slashed = re.fullmatch(r"([A-H][0-9]{2}[A-Z]) *0*([0-9]{1,4})/([0-9]{2,6})", text)
    if slashed:
        return f"{slashed[1]} {slashed[2]}/{slashed[3]}"
    columns = re.fullmatch(r"([A-H][0-9]{2}[A-Z])([ 0-9]{3})([0-9]{2,4})", text)
    return f"{columns[1]} {columns[2].strip()}/{columns[3]}" if columns and columns[2].strip() else text


def us_symbol(text: str) -> str:
    """Return a US class in its usual form, from three columns for the class, three for the subclass, and decimals.

    >>> us_symbol("224 4207"), us_symbol("179 90K"), us_symbol("705026000"), us_symbol("D 2703"), us_symbol("709202")
    ('224/42.07', '179/90K', '705/26', 'D2/703', '709/202')
    """
    text = text.rstrip()
    first, middle, last = (
        text[:3].replace(" ", "").lstrip("0"),
        text[3:6].strip().lstrip("0"),
        text[6:].strip(),
    )
    if not first or not middle:
        return " ".join(text.split())
    if last.isdigit() and middle != "DIG":
        last = last.rstrip("0")
        return f"{first}/{middle}.{last}" if last else f"{first}/{middle}"
    return f"{first}/{middle}{last}"


_ASIDE = re.compile(
    r"CROSS[\s-]*REF|RELATED (U\.?\s?S\.? )?(PATENT )?(APPLICATION|PATENT|CASE)|GOVERNMENT|FEDERAL|SEQUENCE LISTING|"
    r"^PRIORITY( (CLAIM|DATA|INFORMATION|APPLICATION|TO)|$)|CLAIMS? (OF|FOR|TO) (FOREIGN )?PRIORITY|MICROFICHE|COPYRIGHT|"
    r"APPENDI|JOINT RESEARCH|INCORPORATION BY|PROGRAM LISTING|CO-?PENDING|ORIGIN OF THE INVENTION|CITATION LIST|"
    r"PATENT (LITERATURE|DOCUMENT|CITATION)|^REFERENCES?( CITED)?$|^DOCUMENT LIST"
)
_DRAWINGS = re.compile(r"\bDRAWINGS?\b|\bFIGURES?\b")
_BACKGROUND = re.compile(
    r"\bBACKGROUND\b|\bPRIOR[ -](ART|DEVELOPMENT|TECHNOLOG|WORK\b|SOLUTION)|\bRELATED (ART|TECHNOLOG|BACKGROUND|WORK\b)|"
    r"\bSTATE OF THE ART|\b(KNOWN|RELEVANT|EXISTING) ART|\bCONVENTIONAL (ART|TECHN|SYSTEM|METHOD|DEVICE|APPARATUS)|"
    r"\b(DESCRIPTION|DISCUSSION) OF THE ART"
)
_FIELD = re.compile(
    r"^(THE )?((TECHNICAL|INDUSTRIAL|GENERAL) )?(FIELDS?|AREA)( OF (THE )?(PRESENT )?(INVENTION|USE|ART|DISCLOSURE|TECHNOLOGY|"
    r"APPLICATION|UTILI[SZ]ATION)( AND .*)?)?$|\bTECHNICAL (FIELD|AREA|SECTOR)|\bFIELD OF (THE )?(PRESENT )?(INVENTION|DISCLOSURE|ART)"
)
_STOP = re.compile(
    r"\bSUMMAR|\bDISCLOSURE|\bBRIEF|\bDETAILED|\bEMBODIMENT|\bOBJECTS?\b|\bOBJECTIVES?\b|\bSOLUTION|\bMEANS FOR|\bADVANTAGE|"
    r"\bPROBLEMS? TO|\bEXAMPLE|\bCLAIM|\bINVENTION|\bBEST MODE|\bINDUSTRIAL|\bDESCRIPTION\b|\bSTATEMENT OF|\bGENERAL DESC|"
    r"\bDEFINITIONS?$|\bGLOSSARY|\bOVERVIEW$|\bABSTRACT"
)
_NUMBERING = re.compile(r"^\s*(?:[(\[]?(?:[0-9]{1,2}|[IVX]{1,4}|[A-Ha-h])(?:[.)\]]+[0-9.]*)\s*)+")

Heading = Literal["background", "field", "aside", "stop", ""]


def heading_kind(text: str) -> Heading:
    """Say what a heading opens: the background, the field of the invention, something beside, the end of both, or "".

    >>> [heading_kind(h) for h in ("BACKGROUND OF THE INVENTION", "1. Field of the Invention", "Summary of the prior art")]
    ['background', 'field', 'background']
    >>> [heading_kind(h) for h in ("CROSS-REFERENCE TO RELATED ART", "Disclosure of Invention", "Magnetic field sensors")]
    ['aside', 'stop', '']
    """
    upper = _NUMBERING.sub("", text[:200]).upper().strip(" .:-\u2013\u2014")
    upper = " ".join(upper.split())
    if _DRAWINGS.search(upper):
        return "stop"
    if _ASIDE.search(upper) and "BACKGROUND" not in upper:
        return "aside"
    if _BACKGROUND.search(upper):
        return "background"
    if _FIELD.search(upper):
        return "field"
    return "stop" if _STOP.search(upper) else ""


_TYPED_HEADING = re.compile(
    r"(?:[(\[]?[0-9A-Za-z]{1,3}[.)\]]+\s*)?(?:the |technical |brief |detailed )?(?:fields?|background|descriptions?|summary|"
    r"related art|prior art|state of the art|discussion|objects?|cross[- ]reference|technical field|disclosure|statement)\b",
    re.IGNORECASE,
)


def is_heading(text: str) -> bool:
    """Say whether a paragraph is a heading that was typed as one: short, no sentence, and what headings say."""
    if len(text) > 90 or text.rstrip().endswith((".", ";", ",")) or len(text.split()) > 10:
        return False
    return bool(heading_kind(text)) and (text.isupper() or bool(_TYPED_HEADING.match(text)))


def background(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks of the background section without its conventional headings; none if nothing is headed so."""
    found: list[Block] = []
    inside = strong = False
    part: Part = ""
    for block in blocks:
        heading = block.kind == "heading" or (block.kind == "p" and is_heading(block.text))
        kind = heading_kind(block.text) if heading else ""
        left = block.part in ("drawings", "detail") or part == "background"
        if strong and left and block.part != part:
            break
        if block.part == "background" and not heading:
            # The element names itself, whatever stands over it.
            inside, strong, part = True, True, block.part
        if not heading:
            if inside:
                found.append(block)
        elif kind in ("background", "field"):
            if part != block.part and not strong:
                part = block.part
            inside, strong = True, strong or kind == "background"
        elif kind == "aside":
            inside = False
        elif kind == "stop":
            if strong:
                break
            inside = False
        elif inside and block.part in ("summary", "background"):
            found.append(Block("heading", block.text, block.part))
        elif strong:
            break
        else:
            inside = False
    while found and found[-1].kind == "heading":
        found.pop()
    return found if strong else []


def opens_background(block: Block) -> bool:
    """Say whether a block begins a background: by its part, as a heading, or as a paragraph typed as one."""
    if block.part == "background":
        return True
    heading = block.kind == "heading" or (block.kind == "p" and is_heading(block.text))
    return heading and heading_kind(block.text) == "background"


def until_settled(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield blocks up to where nothing that follows can change the background: drawings and details after its part."""
    settled = False
    for block in blocks:
        late = block.part in ("drawings", "detail")
        if settled and late:
            return
        settled = settled or (not late and opens_background(block))
        yield block


def summary(blocks: Sequence[Block]) -> list[Block]:
    """Return what the layout marks as brief summary, which holds the background, with its headings."""
    return [block for block in blocks if block.part in ("summary", "background")]


def joined(blocks: Iterable[Block]) -> str:
    """Return blocks as text, an empty line between them."""
    return "\n\n".join(block.text for block in blocks if block.text)


def full_text(patent: Patent) -> str:
    """Return title, abstract, description and claims."""
    parts = [patent.title, joined(patent.abstract), joined(patent.description)]
    claims = ["\n".join(lines) for lines in patent.claims if lines]
    if claims:
        parts += ["Claims", *claims]
    return "\n\n".join(part for part in parts if part)


_COPYRIGHT = re.compile(
    r"copyright(?:ed)?[^.]{0,80}(?:owner|protect|material|reserve|notice)|subject to[^.]{0,40}copyright", re.I
)
_MASK_WORK = re.compile(
    r"mask[\s-]?works?\b[^.]{0,80}(?:owner|protect|notice|reserve)|subject to[^.]{0,60}mask[\s-]?work", re.I
)


def notices(blocks: Iterable[Block]) -> list[str]:
    """Name the rights that a paragraph reserves (37 CFR 1.71(d)): ``copyright``, ``mask work``."""
    found: set[str] = set()
    for block in blocks:
        lower = block.text.lower() if len(block.text) < 5000 else ""
        if "copyright" in lower and _COPYRIGHT.search(lower):
            found.add("copyright")
        if "mask" in lower and _MASK_WORK.search(lower):
            found.add("mask work")
    return sorted(found)
