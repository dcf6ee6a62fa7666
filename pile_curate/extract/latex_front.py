r"""Handle titles, abstracts, headings and theorems, in LaTeX's form and in AMS-TeX's (``\title … \endtitle``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pile_curate.extract import latex_tables as tables
from pile_curate.extract.latex_blocks import HARD, HEAD
from pile_curate.extract.latex_environments import discard
from pile_curate.extract.latex_stack import plain
from pile_curate.extract.latex_tokens import PAR

if TYPE_CHECKING:
    from pile_curate.extract.latex_text import Renderer


_STOPS = frozenset(
    (
        PAR,
        "\\par",
        "\\begin",
        "\\section",
        "\\maketitle",
        "\\abstract",
        "\\author",
        "\\bigskip",
        "\\medskip",
        "\\vskip",
    )
)
"""What ends an argument in plain TeX's form at the latest."""


def title(r: Renderer, token: str) -> None:
    """Keep the title."""
    if not ams(r, "\\title", lambda text: set_title(r, text)):
        r.optional()
        r.skip_space()
        if r.peek() in ("{", "}"):
            r.capture_argument(lambda text: set_title(r, text))
        else:
            r.capture(to_paragraph_end(r), lambda text: set_title(r, text))


def set_title(r: Renderer, text: str) -> None:
    """Keep a rendered title, the first that says something."""
    text = " ".join(text.replace(PAR, " ").replace(HARD, " ").split())
    if text and not r.title:
        r.title = text


def ams(r: Renderer, token: str, write: Callable[[str], None]) -> bool:
    r"""Open a frame up to ``\endNAME`` where AMS-TeX's form is used: no brace follows."""
    r.skip_space()
    if r.peek()[:1] in ("{", "[") or "\\end" + token[1:] not in r.amstex:
        return False
    r.open("env", "\\end" + token[1:], write)
    return True


def abstract(r: Renderer, token: str) -> None:
    """Write the abstract, or keep it where the document has not begun."""

    def write(text: str) -> None:
        if not text.strip():
            return
        if r.begun:
            r.out.append(f"{PAR}{HEAD}2Abstract{PAR}{text}{PAR}")
        else:
            r.abstract = r.abstract or text

    if ams(r, "\\abstract", write):
        return
    if r.peek() == "{":
        r.capture_argument(write)
    else:
        r.out.append(f"{PAR}{HEAD}2Abstract{PAR}")


def front_matter(r: Renderer, token: str) -> None:
    """Drop an author, an address and the like, in LaTeX's or AMS-TeX's form."""
    if r.options.authors and token == "\\author":
        r.optional()
        r.capture_argument(lambda text: r.out.append(f"{PAR}{text}{PAR}"))
        return
    if not ams(r, token, discard):
        while r.peek().startswith("[") and r.optional() is not None:
            pass
        r.skip_space()
        if r.peek() == "{":
            r.capture_argument(discard)
        else:
            to_paragraph_end(r)


def end_named(r: Renderer, token: str) -> None:
    """Close what AMS-TeX's form opened."""
    r.close_environment(token)
    if token in ("\\endproclaim", "\\enddemo", "\\enddefinition", "\\endremark", "\\endexample"):
        r.out.append(PAR)


def head(r: Renderer, token: str) -> None:
    """Write a heading of AMS-TeX."""
    rank = 3 if "sub" in token else 2
    if not ams(r, token, r.heading(rank)):
        r.capture_argument(r.heading(rank))


def harvmac_section(r: Renderer, token: str) -> None:
    """Write a heading of harvmac."""
    r.numbers.step("section" if token == "\\newsec" else "subsection", "section")
    r.capture_argument(r.heading(2 if token == "\\newsec" else 3))


def to_paragraph_end(r: Renderer) -> list[str]:
    """Take the tokens up to the paragraph's end: an argument in plain TeX's form."""
    tokens: list[str] = []
    depth = 0
    while one := r.peek():
        depth += (one == "{") - (one == "}")
        if depth < 0 or (not depth and one in _STOPS) or len(tokens) > 300:
            break
        tokens.append(r.pop())
    return tokens


def begin_section(r: Renderer, token: str) -> None:
    """Write plain TeX's heading, which the paragraph's end ends."""
    r.skip_space()
    r.capture(to_paragraph_end(r), r.heading(2))


def proclaim(r: Renderer, token: str) -> None:
    """Begin a theorem of AMS-TeX or plain TeX."""
    r.skip_space()
    r.out.append(PAR)
    r.open("env", "\\end" + token[1:])

    def write(text: str) -> None:
        text = " ".join(text.split())
        r.out.append(text + (" " if text[-1:] in ".:" else ". ") if text else "")

    if r.peek() == "{":
        r.capture_argument(write)
    else:  # plain TeX: \proclaim Theorem 1. Text, to the paragraph's end
        r.close_environment("\\end" + token[1:])


def newtheorem(r: Renderer, token: str) -> None:
    """Declare a theorem."""
    star = r.star()
    name = r.words()
    shared = r.optional()
    tokens = r.argument()
    within = r.optional()
    shown = " ".join(plain(tokens).split())
    if name in tables.KEPT_ENVIRONMENTS or not name:
        return
    r.theorems[name] = shown or name.capitalize()
    r.environments.pop(name, None)
    if star:
        r.unnumbered.add(name)
    else:
        r.declared.add(name)
        r.numbers.theorem(name, plain(shared or []), plain(within or []))


def springer_theorem(r: Renderer, token: str) -> None:
    """Declare a theorem in the form of Springer's classes, with two fonts behind it."""
    newtheorem(r, token)
    r.drop("mm")


def declare_theorem(r: Renderer, token: str) -> None:
    """Declare a theorem in thmtools' form."""
    given = plain(r.optional() or [])
    name = r.words()
    given += "," + plain(r.optional() or [])
    facts = dict(part.split("=", 1) for part in given.replace(" ", "").split(",") if "=" in part)
    r.theorems[name] = facts.get("name", facts.get("title", name.capitalize()))
    if facts.get("numbered") == "no":
        r.unnumbered.add(name)
    else:
        r.declared.add(name)
        shared = facts.get("sibling", facts.get("numberlike", facts.get("sharenumber", "")))
        within = facts.get("parent", facts.get("numberwithin", facts.get("within", "")))
        r.numbers.theorem(name, shared, within)


def section(r: Renderer, token: str) -> None:
    """Write a heading, and step its counter."""
    rank = tables.SECTIONS[token]
    star = r.star()
    r.optional()
    r.begun = r.begun or not (r.classed or r.package)  # without a class there may be no \\begin{document}
    r.numbers.current = ("section", "")
    if not star:
        counter = (
            token[1:] if token[1:] in ("part", "chapter", "section", "subsection", "subsubsection") else ""
        )
        if counter:
            r.numbers.step(counter, "chapter" if counter == "chapter" else "section")
    r.capture_argument(r.heading(rank))
