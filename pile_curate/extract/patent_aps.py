"""Read one patent in the APS layout ("greenbook"), in which the office published grants from 1976 to 2001.

Fixed columns: a line that begins with a letter has a tag in its first four and a value from the sixth on; a line that
begins with blanks continues it. A tag without a value of four letters (``INVT``, ``BSUM``) opens a section. Paragraphs are
``PAR``, ``PA0`` to ``PA9`` (indented) and ``PAL`` (flush), headings ``PAC``, tables ``TBL`` line by line. Lines were broken
at blanks, and behind hyphens, where joining with a blank would tear a word. Layout: USPTO, Patent Full-Text/APS
documentation ("Green Book").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pile_curate.extract.patent import Block, Part, Patent, ipc_symbol, opens_background, us_symbol
from pile_curate.extract.patent_codes import dot_text

_TAG = re.compile(r"([A-Z][A-Z0-9]{2,3})(?: |\Z)")
_PARTS: dict[str, Part] = {
    "PARN": "related", "RLAP": "related", "GOVT": "related", "BSUM": "summary", "DRWD": "drawings", "DETD": "detail",
}  # fmt: skip
_TEXT_SECTIONS = frozenset(("ABST", "CLMS", "DCLM", *_PARTS))
_SECTIONS = _TEXT_SECTIONS | frozenset("INVT ASSG PRIR REIS CLAS UREF FREF OREF LREP PCTA".split())
_RULE = re.compile(r"^[\s_=*.-]*$")
_COLUMNS = re.compile(r" {2,}")
_BLANKS = re.compile(r"\s+")
_HYPHEN_END = re.compile(r"[A-Za-z0-9]-$")
_KINDS = {"": "A", "D": "S", "RE": "E", "PP": "P", "H": "H", "T": "T"}


def _fields(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (tag, its lines); a line that is no tag and no continuation belongs to the field before it."""
    tag, lines = "", [""]
    for line in text.split("\n"):
        found = _TAG.match(line)
        if found:
            yield tag, lines
            tag, lines = found[1], [line[5:]]
        else:
            lines.append(line)
    yield tag, lines


def _paragraph(lines: list[str]) -> str:
    """Join a paragraph's lines; behind a hyphen between letters or digits without a blank."""
    parts: list[str] = []
    for line in lines:
        line = line.strip()
        if not line:
            continue
        if parts and not (_HYPHEN_END.search(parts[-1][-3:]) and line[0].isalnum()):
            parts.append(" ")
        parts.append(line)
    return _BLANKS.sub(" ", dot_text("".join(parts))).strip()


def _table(lines: list[str]) -> str:
    """Return a table's lines with its columns between bars; rules go."""
    rows = []
    for line in lines:
        if not _RULE.match(line):
            rows.append(" | ".join(_COLUMNS.split(dot_text(line.strip()))))
    return "\n".join(rows)


def _name(text: str) -> str:
    """Return ``Hoff; Don G.`` as ``Don G. Hoff``."""
    last, separator, first = text.partition(";")
    return " ".join((f"{first.strip()} {last.strip()}" if separator else last).split())


class _Reader:
    def __init__(self, tables: bool) -> None:
        self.patent = Patent("aps", country="US")
        self._tables = tables
        self._section = ""
        self._claim: list[str] | None = None

    def field(self, tag: str, lines: list[str]) -> None:
        """Take one field."""
        if tag in _SECTIONS:
            self._section, self._claim = tag, None
            if tag in _PARTS and any(line.strip() for line in lines):
                self._text("PAC", lines)  # some files have a section's heading on lines without a tag
        elif self._section in _TEXT_SECTIONS and tag not in ("COD", "APN", "APD", "PSC", "PNO", "ISD"):
            self._text(tag, lines)
        elif tag:
            self._fact(tag, _BLANKS.sub(" ", lines[0]).strip(), lines)

    def _fact(self, tag: str, value: str, lines: list[str]) -> None:
        patent, section = self.patent, self._section
        if tag == "WKU":
            # The ninth character is a check digit.
            patent.number = value[:8] if len(value) == 9 else value
        elif tag == "TTL":
            patent.title = _paragraph(lines)
        elif tag == "ISD" and not section:
            patent.date = value
        elif tag == "NAM" and section == "INVT":
            patent.authors.append(_name(_paragraph(lines)))
        elif tag == "ICL" and section == "CLAS" and not patent.ipc:
            patent.ipc = ipc_symbol(lines[0])
        elif tag == "OCL" and section == "CLAS" and not patent.us_class:
            patent.us_class = us_symbol(lines[0])

    def _text(self, tag: str, lines: list[str]) -> None:
        section = self._section
        table = tag.startswith("TBL")
        if table and not self._tables:
            return
        text = _table(lines) if table else _paragraph(lines)
        if section in ("CLMS", "DCLM"):
            if tag == "NUM":
                self._claim = []
                self.patent.claims.append(self._claim)
            elif tag != "STM" and text:
                if self._claim is None:
                    self._claim = []
                    self.patent.claims.append(self._claim)
                self._claim.append(text)
        elif text:
            block = Block(
                "table" if table else "heading" if tag == "PAC" else "p", text, _PARTS.get(section, "")
            )
            (self.patent.abstract if section == "ABST" else self.patent.description).append(block)


def read_aps(data: bytes, *, tables: bool = True, brief: bool = False) -> Patent:
    """Read one document, from its ``PATN`` line on; never fails, whatever is missing stays empty.

    ``brief`` stops at the drawings or details that follow a background: the rest cannot change it.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    reader = _Reader(tables)
    for tag, lines in _fields(text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")):
        if (
            brief
            and tag in ("DRWD", "DETD", "CLMS")
            and any(map(opens_background, reader.patent.description))
        ):
            break
        reader.field(tag, lines)
    patent = reader.patent
    letters = re.match(r"[A-Z]*", patent.number)
    patent.kind = _KINDS.get(letters[0] if letters else "", "")
    return patent
