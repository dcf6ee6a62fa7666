"""Handle what brings in other files, and TeX's registers, boxes and fonts, which leave numbers behind if unread."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pile_curate.extract.latex_stack import plain

if TYPE_CHECKING:
    from pile_curate.extract.latex_text import Renderer


def read_input(r: Renderer, token: str) -> None:
    """Go on with another file of the archive."""
    r.skip_space()
    if token in (
        "\\import",
        "\\subimport",
        "\\includefrom",
        "\\subincludefrom",
        "\\inputfrom",
        "\\subinputfrom",
    ):
        r.star()
        folder, name = r.words(), r.words()
        r.include(f"{folder.rstrip('/')}/{name}" if folder else name)
        return
    if r.peek() == "{":
        name = r.words()
    else:
        head = r.pop()
        found = re.match(r"\s*(\S*)\s?", head)
        name = found[1] if found and head[:1] not in ("\\", "\0") else ""
        rest = head[found.end() :] if found else head
        while name and not rest and (r.peek() == "_"):  # the name goes on behind a token of its own
            name += r.pop()
            more = re.match(r"(\S*)\s?", r.peek())
            if more and r.peek()[:1] not in ("\\", "{"):
                rest = r.pop()[more.end() :]
                name += more[1]
        if rest and head:
            r.push([rest])
    if token == "\\include" and r.only is not None and name not in r.only:
        return
    r.include(name)


def input_if(r: Renderer, token: str) -> None:
    """Choose by whether a file is there."""
    name, yes, no = r.words(), r.argument(), r.argument()
    if r.load(name, ".tex") is None:
        r.push(no)
        return
    r.push(yes)
    if token == "\\InputIfFileExists":
        r.include(name)


def include_only(r: Renderer, token: str) -> None:
    """Keep to the files that the document asks for."""
    r.only = {one.strip() for one in r.words().split(",")}


def use_package(r: Renderer, token: str) -> None:
    """Note the language, and take macros from a style of the archive's own."""
    given = plain(r.optional() or [])
    names = r.words()
    r.optional()
    if names in ("babel", "polyglossia"):
        r.german = r.german or any(w in given for w in ("german", "austrian", "ngerman"))
    elif names == "fontenc" and "T1" in given:
        r.ligatures = True
    elif "cleveref" in names:
        r.capital_references = "capital" in given
    elif names in ("german", "ngerman"):
        r.german = True
    for name in names.split(",")[:40]:
        if name.strip():
            r.load_package(name.strip())


def document_class(r: Renderer, token: str) -> None:
    """Begin a preamble."""
    given = plain(r.optional() or [])
    r.words()
    r.optional()
    r.german = "german" in given
    if r.begun and sum(map(len, r.out[:500])) > 400:
        return  # a class in the middle of a text is an example
    r.begun, r.classed = False, True


def new_register(r: Renderer, token: str) -> None:
    """Note a register, whose name then takes a number."""
    name = r.name()
    if name:
        r.registers.add(name)


def advance(r: Renderer, token: str) -> None:
    """Pass over arithmetic."""
    r.skip_space()
    if r.peek()[:1] == "\\":
        r.pop()
    r.drop("d")


def catcode(r: Renderer, token: str) -> None:
    """Pass over a change of a character's meaning."""
    head = r.peek()
    if head.startswith("`"):
        r.pop()
        rest = head[1:]
        if rest:
            r.push([rest[1:]] if len(rest) > 1 else [])
        else:
            r.pop()
    r.drop("d")


def font(r: Renderer, token: str) -> None:
    """Pass over a font's name and size."""
    r.name()
    head = r.peek()
    if head and head[0] not in "\\{}$\0":
        r.pop()
        line = re.match(r"[ ]*=?[ ]*\S+(?:[ ]+(?:scaled|at)[ ]*(?:\d+(?:\.\d+)?(?:pt)?)?)?", head)
        rest = head[line.end() :] if line else head
        if rest:
            r.push([rest])
        elif r.peek()[:9] == "\\magstep":
            r.pop()
            r.drop("d")
    if r.peek().startswith("\\magstep"):
        r.pop()
        r.drop("d")


def box(r: Renderer, token: str) -> None:
    """Pass over a box's width."""
    head = r.peek().lstrip()
    if head.startswith(("to", "spread")):
        r.pop()
        r.push([head.removeprefix("to").removeprefix("spread")])
        r.dimension()


def set_box(r: Renderer, token: str) -> None:
    """Drop a box that is kept for later."""
    r.drop("d")
    r.skip_space()
    if r.peek()[:1] == "\\":
        r.pop()
        box(r, token)
    r.argument()
