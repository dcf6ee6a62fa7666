"""Clean the abstracts of NIH ExPORTER: the form's headings, its placeholders, and the line breaks of its page.

The abstracts were copied from application forms: many begin with a form's heading ("DESCRIPTION (provided by
applicant):"), hold ``[unreadable]`` where a scan failed, and keep line ends of a page that is gone.
"""

from __future__ import annotations

import re

_HEADINGS = (
    r"DESCRIPTION\s*\((?:[^()\n]|\([^()\n]*\)){0,120}\)",
    r"DESCRIPTION",
    r"(?:(?:MODIFIED|OVERALL|PROJECT|RESEARCH|PROPOSAL|SCIENTIFIC|TECHNICAL|COMPONENT|CORE)\s+){0,3}(?:SUMMARY|ABSTRACT)"
    r"(?:\s*(?:/|AND|OR|&)\s*(?:PROJECT\s+)?(?:ABSTRACT|SUMMARY|DESCRIPTION|NARRATIVE))?(?:\s+SECTION)?"
    r"(?:\s*\((?:[^()\n]){0,120}\))?",
    r"(?:PROJECT\s+)?DESCRIPTION\s*/\s*ABSTRACT",
    r"ABSTRACT\s+OF\s+(?:THE\s+)?(?:RESEARCH\s+)?(?:PROJECT|PROPOSAL|APPLICATION)",
    r"PROJECT\s+(?:DESCRIPTION|NARRATIVE|OVERVIEW)",
    r"OVERALL",
)
# With a colon or a line of its own in any case of letters; without either only in capitals, before a new sentence.
_MARKED = re.compile(rf"(?:{'|'.join(_HEADINGS)})\s{{0,3}}(?:[:.]|[-–—](?=\s)|\n)\s*", re.IGNORECASE)
_CAPITALS = re.compile(rf"(?:{'|'.join(_HEADINGS)})\s+(?=[A-Z0-9(\"“‘])")
_ATTRIBUTED = re.compile(
    r"\(?(?:provided by (?:the )?applicant|applicant'?s (?:abstract|description)|(?:taken|adapted|verbatim)[^():\n]{0,80}"
    r"(?:abstract|application))\)?\s*:?\s*",
    re.IGNORECASE,
)
_INSTRUCTIONS = re.compile(
    r"(?:See instructions[.:]?\s*)?State the application's broad, long-term objectives.{0,700}?(?:these goals|project)\.\s*",
    re.IGNORECASE | re.DOTALL,
)
_SUBPROJECT = re.compile(
    r"This subproject is one of many research subprojects utili[sz]ing the\s+resources provided by a Center grant funded by NIH/NCRR\.\s*"
    r"(?:(?:The subproject and|Primary support for the subproject|The institution listed is|The Total Cost listed)[^.]{0,400}\.\s*)*",
    re.IGNORECASE,
)
"""What centres' forms put before, and some behind, the abstract of each of their many projects."""
_FORM_LINE = re.compile(
    r"^(?:(?:Principal Investigator/Program Director|Program Director/Principal Investigator)[^\n]{0,160}"
    r"|PHS 398[^\n]{0,120}|OMB No\.[^\n]{0,60}|(?:Form|Continuation) (?:Format )?Page[^\n]{0,60})$\n?",
    re.IGNORECASE | re.MULTILINE,
)
_FORM_WORDS = ("program director", "phs 398", "omb no", "format page", "form page", "continuation page")
_END = re.compile(r"\s*\(?\bEND OF ABSTRACT\)?\.?\Z", re.IGNORECASE)
_RUBBISH = re.compile(r"[^\w(\[\"'“‘<{$~≥≤±+-]+")
"""What some files have in front of an abstract: a question mark for a byte that was lost."""

_UNREADABLE = re.compile(r"\s?\[{1,3}(?:unreadable|illegible)\]{1,3}", re.IGNORECASE)
_RELEVANCE = re.compile(
    r"(?<!\S)(?P<label>(?:PUBLIC HEALTH )?RELEVANCE(?: TO PUBLIC HEALTH)?(?: STATEMENT)?(?: \(See instructions\))?"
    r"|Public Health Relevance(?: Statement)?|PROJECT NARRATIVE|Project Narrative|RELEVANCE \([Ss]ee [Ii]nstructions\)"
    r"|NARRATIVE)\s?(?::|\n)\s*(?P<body>(?:provided by applicant\)?:?\s*)?)"
)
_LABEL_WORDS = ("RELEVANCE", "Relevance", "NARRATIVE", "Narrative")
_PLACEHOLDER = re.compile(
    r"\W*(?:(?:this |an? |the )?(?:abstract|description|summary)?\s*(?:is |was )?(?:not|no|none|un)\s?-?(?:available|provided|applicable)?"
    r"(?:\s*abstract)?(?:\s*(?:is |was )?(?:available|provided|submitted|on file|found|given))?|n/?a|none|null|unavailable|tbd|"
    r"(?:project )?(?:abstract|summary|description))\W*",
    re.IGNORECASE,
)
_GAP = re.compile(r"\n{3,}")
_ITEM = re.compile(
    r"(?:[-•*·▪◦]|\(?[0-9ivx]{1,3}[.)]|\(?[a-z]\)|(?:specific )?aim\s*#?\s*[0-9]|[A-Z][A-Za-z /&-]{2,40}:)\s?",
    re.IGNORECASE,
)
_WRAPPED = 40
"""A line at least this long that no sentence ends was broken by a page."""


def clean_abstract(text: str, *, relevance: bool = True) -> str:
    r"""Return an abstract as paragraphs; ``relevance`` keeps the statement of public health relevance.

    >>> clean_abstract("DESCRIPTION (provided by applicant): Tides move silt.  PUBLIC HEALTH RELEVANCE: Silt matters.")
    'Tides move silt.\n\nPublic health relevance: Silt matters.'
    """
    text = _tidy(text.replace("\r\n", "\n").replace("\r", "\n"))
    if "[" in text:
        text = _tidy(_UNREADABLE.sub("", text))
    lower = text.lower()
    if "subproject is one of many" in lower:
        text = _SUBPROJECT.sub("", text).strip()
    if any(words in lower for words in _FORM_WORDS):
        text = _short_gaps(_FORM_LINE.sub("", text))
    text = _without_heading(text)
    if "abstract" in text[-40:].lower():
        text = text[:-40] + _END.sub("", text[-40:])
    paragraphs: list[str] = []
    done = 0
    label = ""
    for found in _RELEVANCE.finditer(text) if any(word in text for word in _LABEL_WORDS) else ():
        _add(paragraphs, label, text[done : found.start()], relevance)
        label, done = _label(found["label"]), found.end()
    _add(paragraphs, label, text[done:], relevance)
    return "\n\n".join(paragraphs)


def is_placeholder(text: str) -> bool:
    """Say whether a text only says that there is none.

    >>> is_placeholder("No abstract available."), is_placeholder("n/a"), is_placeholder("Not all tides are equal.")
    (True, True, False)
    """
    return len(text) < 80 and (not re.search(r"\w", text) or _PLACEHOLDER.fullmatch(text) is not None)


def _tidy(text: str) -> str:
    """Make blanks single and runs of empty lines one: what the expressions below take for granted."""
    return _short_gaps("\n".join(" ".join(line.split()) for line in text.split("\n")))


def _short_gaps(text: str) -> str:
    return (_GAP.sub("\n\n", text) if "\n\n\n" in text else text).strip()


def _without_heading(text: str) -> str:
    """Strip headings of the form from a text's beginning; some stand there twice."""
    for _ in range(8):
        found = _RUBBISH.match(text) or _MARKED.match(text) or _CAPITALS.match(text)
        found = found or _ATTRIBUTED.match(text) or _INSTRUCTIONS.match(text)
        if not found or found.end() == 0:
            break
        text = text[found.end() :].lstrip(" \n:.-–—")
    return text


def _label(text: str) -> str:
    words = text.lower()
    return (
        "Project narrative"
        if "narrative" in words
        else "Public health relevance"
        if "public" in words
        else "Relevance"
    )


def _add(paragraphs: list[str], label: str, text: str, relevance: bool) -> None:
    body = unwrapped(_without_heading(text.strip()) if label else text.strip())
    if not body or (label and not relevance):
        return
    paragraphs.append(f"{label}: {body}" if label else body)


def unwrapped(text: str) -> str:
    r"""Join lines that a page broke; an empty line, an item of a list and a short line stay.

    >>> unwrapped("The first line runs to the edge of the page and\ngoes on.\n\nNext.\n1. one\n2. two")
    'The first line runs to the edge of the page and goes on.\n\nNext.\n1. one\n2. two'
    """
    out: list[str] = []
    for line in text.split("\n"):
        line = line.strip()
        before = out[-1] if out else ""
        joins = (
            line
            and before
            and not _ITEM.match(line)
            and len(before) >= _WRAPPED
            and (line[0].islower() or before[-1] not in ".:?!")
        )
        if joins:
            if before[-1] == "-" and before[-2:-1].isalpha() and line[0].islower():
                out[-1] = before + line  # a hyphen at a page's edge is mostly the word's own here
            else:
                out[-1] = f"{before} {line}"
        else:
            out.append(line)
    return _short_gaps("\n".join(out))
