"""Find the book in a Project Gutenberg text file, and undo its hard-wrapped lines.

Four decades of volunteers wrote the frame around the books in many ways; the markers here are those of the
``*** START OF …`` era (since 2001), of the "small print" era (1993 to 2003), and the closing lines of both
and of what came before. A file without any of them is taken whole, and says so.

Why unwrap: a newline after every 72 characters is an artefact of the medium; a model trained on it learns to
break lines, and line-based quality signals measure the typist. Why not blindly: verse, plays, tables and
letterheads live by their lines. A break is undone only where the next word would not have fitted, which is
what a typist's or program's line filling looks like and what verse hardly ever does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LEAD = 40_000
LICENCE_BYTES = 30_000
FRONT_PARAGRAPHS = 12
SLACK = 4

_FLAGS = re.I | re.M
_OPENINGS = (
    (
        "start_of",
        re.compile(
            r"^[ \t]*\*{2,3} ?START OF (?:THE|THIS) PROJECT GUTENBERG[^*\n]*"
            r"(?:(?:\n[^*\n]+){0,3}?\*{2,3}[^\n]*)?",
            _FLAGS,
        ),
    ),
    ("small_print", re.compile(r"^[ \t]*\*+ ?END ?\*? ?THE SMALL PRINT[^\n]*$", _FLAGS)),
)
_CLOSINGS = (
    ("end_of", re.compile(r"^[ \t]*\*{2,3} ?END OF (?:THE|THIS) PROJECT GUTENBERG", _FLAGS)),
    (
        "licence",
        re.compile(
            r"^[ \t]*(?:\*+ ?START: FULL LICENSE|THE FULL PROJECT GUTENBERG(?:-TM|™)? LICENSE)", _FLAGS
        ),
    ),
)
_LAST_LINE = re.compile(
    r"^[ \t*_\[(>]*(?:this is )?(?:the )?(?:end|ende|fin|fine|fim|einde|slut|loppu)\b[^\n]{0,40}\b"
    r"(?:proje[ck]?t gutenberg|gutenberg e-?text)",
    _FLAGS,
)
_FIELD = re.compile(
    r"^(Title|Author|Editor|Translator|Language|Release Date|Posting Date):[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.M
)
_NUMBER = re.compile(r"\[(?:e-?text|e-?book) ?# ?(\d{1,6})\]", re.I)
_OLD_TITLE = re.compile(
    r"Project Gutenberg(?:'s|’s)?(?: e-?text| e-?book)?(?: of|,)? (.{3,150}?)"
    r"(?:,? by ([^*\n]{3,80}?))?[ *.]*$",
    _FLAGS,
)
_COPYRIGHTED = re.compile(r"COPYRIGHTED Project Gutenberg|SMALL PRINT! FOR COPYRIGHT PROTECTED", re.I)
_CREDIT = re.compile(
    r"[\[(*_ ]*(?:"
    r"(?:this |the )?e-?(?:text|book)s? (?:was |is |were )?(?:prepared|produced|created|scanned|transcribed|made)"
    r"|(?:produced|prepared|transcribed|scanned|digiti[sz]ed|proofread|proofed) (?:from|by|and|for)\b"
    r"|html version|proofreading by|credits:|updated editions|corrected editions|versions based on"
    r"|(?:note: )?project gutenberg (?:also )?has|images of the original"
    r"|this file (?:should be named|was (?:produced|first posted))"
    r"|.{0,80}\bonline distributed proofread"
    r")",
    re.I,
)
_NOTE = re.compile(
    r"[\[(*_ ]*(?:(?:original )?transcriber['’]?s?['’]? notes?|notes? on this e-?(?:text|book))\b", re.I
)
_MARKS = re.compile(r"\[Illustration\]|\[Pg ?\d{1,4}\]|\{\d{1,4}\}(?=\s)")
_REPEATED_NOTICE = re.compile(r"<<THIS ELECTRONIC VERSION OF.{0,900}?>>", re.S)
_NAMED = re.compile(r"^[ \t]*(?:\*{2,3} ?(?:START|END) OF (?:THE|THIS)|THE FULL) PROJECT GUTENBERG", _FLAGS)
_LEADING = " \"'“‘_(["


@dataclass(frozen=True, slots=True)
class Book:
    """A book without its frame. ``opening`` and ``closing`` name the markers found, or are ``none``."""

    text: str
    opening: str
    closing: str
    copyrighted: bool
    fields: dict[str, str] = field(default_factory=dict)


def find_book(text: str) -> Book:
    """Split a file with ``\\n`` line ends into header, book and footer."""
    start, opening = 0, "none"
    for name, pattern in _OPENINGS:
        # The last marker in the lead wins: reposted texts keep their old header below the new one.
        # Small print at the end of a file is a footer, so the lead ends at the middle.
        for found in pattern.finditer(text, 0, min(len(text), LEAD + start)):
            early = found.end() * 2 < len(text)
            if found.end() > start and (early or name == "start_of" or not start):
                start, opening = found.end(), name
    end, closing = len(text), "none"
    for name, pattern in _CLOSINGS:
        if (found_end := pattern.search(text, start)) and found_end.start() < end:
            end, closing = found_end.start(), name
    reach = 3_000 if closing != "none" else LICENCE_BYTES
    for last in _LAST_LINE.finditer(text, start, end):
        if end - last.start() <= reach:
            end, closing = last.start(), "end_of" if closing == "end_of" else "last_line"
            break
    header = text[:start] if start else text[:5_000]
    return Book(text[start:end], opening, closing, bool(_COPYRIGHTED.search(header)), _fields(header))


def _fields(header: str) -> dict[str, str]:
    """Read title, author, language, dates and number from the header."""
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(header):
        words = " ".join(value.split())
        if words:
            fields.setdefault(name.lower().replace(" ", "_"), words)
    if "title" not in fields and (old := _OLD_TITLE.search(header[:2_000])):
        fields["title"] = old[1].strip(" *,")
        if old[2]:
            fields.setdefault("author", old[2].strip(" *,"))
    if number := _NUMBER.search(header):
        fields["ebook"] = number[1]
    for name in ("release_date", "posting_date"):
        if name in fields:
            fields[name] = _NUMBER.split(fields[name])[0].strip()
    return fields


def paragraphs(text: str) -> list[tuple[int, list[str]]]:
    """Return (blank lines before, lines) of each paragraph."""
    out: list[tuple[int, list[str]]] = []
    blanks, lines = 0, []
    for line in text.split("\n"):
        if line.strip():
            lines.append(line.rstrip())
            continue
        if lines:
            out.append((blanks, lines))
            blanks, lines = 0, []
        blanks += 1
    if lines:
        out.append((blanks, lines))
    return out


def without_notes(parts: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Drop transcribers' notes, and credits among the first 12 paragraphs.

    A note is its paragraph if bracketed, else everything until two blank lines, at most eight paragraphs;
    a bare heading takes the paragraph after it along, however far below.
    """
    out: list[tuple[int, list[str]]] = []
    skipping, bare = 0, False
    for index, (blanks, lines) in enumerate(parts):
        if skipping and (blanks < 2 or bare):
            skipping, bare = skipping - 1, False
            continue
        skipping = 0
        if _NOTE.match(lines[0]):
            closed = lines[0].lstrip()[:1] == "[" and lines[-1].rstrip()[-1:] == "]"
            skipping = 0 if closed else 8
            bare = not closed and len(lines) == 1 and len(lines[0].strip()) < 40
        elif index >= FRONT_PARAGRAPHS or not _CREDIT.match(lines[0]):
            out.append((blanks, lines))
    return out


def fill_width(parts: list[tuple[int, list[str]]]) -> int:
    """Return the column at which this file was filled: the 95th percentile of the inner lines' lengths."""
    inner = (line for _, lines in parts if len(lines) > 2 for line in lines[:-1])
    lengths = sorted(len(line) for line in inner if len(line) > 40)
    return lengths[len(lengths) * 95 // 100] if len(lengths) >= 10 else 72


def _is_filled(lines: list[str], width: int) -> bool:
    """Say whether the breaks of a paragraph were made by filling lines up to ``width``."""
    if len(lines) > 2 and len(lines[0]) < 0.4 * width:
        lines = lines[1:]
    if len({len(line) - len(line.lstrip()) for line in lines[1:]}) > 1:
        return False
    if any("   " in line.strip() for line in lines):
        return False
    text = "".join(lines)
    breaks, shortest = len(lines) - 1, min(map(len, lines[:-1]))
    capitals = not text.isupper() and all(line.lstrip(_LEADING)[:1].isupper() for line in lines)
    # Three lines of prose may begin with capitals by chance, but are then as long as lines get.
    if capitals and (breaks > 2 or breaks == 2 and shortest < 0.85 * width):
        return False
    forced = _forced(lines, width)
    if forced * 4 >= breaks * 3:
        return True
    if forced * 2 >= breaks and shortest >= 0.8 * width:
        return True
    # Notes and quotations are filled to a margin of their own; verse that is set in is told by its capitals.
    own = max(map(len, lines))
    return lines[-1][:1] == " " and breaks >= 4 and _forced(lines, own) * 10 >= breaks * 9


def _forced(lines: list[str], width: int) -> int:
    """Count the breaks after which the next word would have passed ``width`` less the slack."""
    pairs = zip(lines, lines[1:], strict=False)
    return sum(len(line) + 1 + len(after.split(None, 1)[0]) > width - SLACK for line, after in pairs)


def unwrap(lines: list[str], width: int) -> str:
    """Join a filled paragraph into one line; return verse, tables and headings as they are.

    A paragraph counts as filled if three quarters of its breaks were forced (half, if all lines are long). It
    must share one indent and hold no columns, and not every line may begin with a capital, as
    verse does. A very short line inside, such as a speaker's name, keeps its break.
    """
    if len(lines) < 2:
        return lines[0].strip()
    if not _is_filled(lines, width):
        return "\n".join(lines)
    text = lines[0].strip()
    for before, line in zip(lines, lines[1:], strict=False):
        piece = line.strip()
        if len(before) + 1 + len(piece.split(None, 1)[0]) <= 0.6 * width:
            text += "\n" + piece
            continue
        dashed = text.endswith(("--", "—")) or piece.startswith(("--", "—"))
        compound = text[-1:] == "-" and text[-2:-1].isalpha() and piece[:1].islower()
        text += piece if dashed or compound else " " + piece
    return text


def book_text(text: str, *, unwrapped: bool = True, notes: bool = False) -> str:
    """Return the book's text: paragraphs apart by one blank line, sections (two or more) by two."""
    parts = paragraphs(_MARKS.sub("", _REPEATED_NOTICE.sub("", text)))
    if not notes:
        parts = without_notes(parts)
    width = fill_width(parts)
    out: list[str] = []
    for blanks, lines in parts:
        if out:
            out.append("\n\n" if blanks < 2 else "\n\n\n")
        out.append(unwrap(lines, width) if unwrapped else "\n".join(lines))
    return "".join(out)


def without_frame(text: str) -> str:
    """Return the text of an HTML or EPUB edition without Project Gutenberg's frame; other text as it is.

    Only the frame's own lines count, since pages speak of the project, too. Credits before the book go along.
    """
    if not _NAMED.search(text):
        return text
    book = find_book(text)
    if book.opening != "start_of" and book.closing not in ("end_of", "licence"):
        return text
    kept: list[str] = []
    for index, (_, lines) in enumerate(paragraphs(book.text)):
        front = book.opening == "start_of" and index < FRONT_PARAGRAPHS
        if front and (_CREDIT.match(lines[0]) or (lines[0].lstrip()[:1] == "[" and _NOTE.match(lines[0]))):
            continue
        kept.append("\n".join(lines))
    return "\n\n".join(kept)
