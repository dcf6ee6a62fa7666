"""Parse one patent's SGML or XML into a tree, well-formed or not.

XML goes through expat. The SGML of 2001 leaves empty elements open (``<EMI …>``, ``<CITED-BY-EXAMINER>``), and some
documents of later years are not well-formed; those are read by a lexer that closes what was left open, ignores ends of
what was never opened, and counts its repairs. A document begins at its root element, so no document type
declaration is ever seen and no entity can be defined; named entities are replaced beforehand from the standard sets.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html import unescape
from xml.etree.ElementTree import Element

from pile_curate.extract.patent_codes import xml_entities

MAX_DEPTH = 100
"""Elements nested deeper are read as if their tags were absent; real documents stay below 40."""

_EMPTY = frozenset(
    "emi colspec spanspec chemcdx chemmol mathematica cited-by-examiner cited-by-other b597us b473us b221us b578us none "
    "mprescripts ins-s ins-e del-s del-e custom-character br img hr".split()
)
_TOKEN = re.compile(
    r"""([^<]+)|<!--.*?(?:-->|\Z)|<\?([^<>]*)>|<(/?)([A-Za-z][\w.:-]*)((?:[^<>"']|"[^"<]*"|'[^'<]*'|["'])*+)>|<![^<>]*>|(<)""",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""([A-Za-z][\w.:-]{0,40})\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_MAX_REPAIRS = 200


class TreeError(ValueError):
    """A document in which too much is wrong."""


def decode(data: bytes) -> str:
    """Return the text: UTF-8, as all prologs say, or else windows-1252, as some mean."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def parse(data: bytes) -> tuple[Element, int]:
    """Return the root element and how many repairs it took; names are in lower case. Raises ``TreeError``."""
    text = xml_entities(decode(data))
    builder = ElementTree.TreeBuilder(insert_pis=True)
    try:
        parser = ElementTree.XMLParser(target=builder)
        parser.feed(text)
        return parser.close(), 0
    except (ElementTree.ParseError, ValueError, AssertionError):
        return repaired(_CONTROLS.sub("", text))


def repaired(text: str) -> tuple[Element, int]:
    """Build a tree from markup that may be wrong; linear in its length."""
    builder = ElementTree.TreeBuilder(insert_pis=True)
    open_names: list[str] = []
    counts: dict[str, int] = {}
    repairs = 0
    for found in _TOKEN.finditer(text):
        data, instruction, slash, name, attributes, stray = found.groups()
        if data or stray:
            if open_names:
                builder.data(unescape(data or stray))
            repairs += bool(stray)
        elif instruction is not None:
            target, _, rest = instruction.rstrip("?").partition(" ")
            if open_names:
                builder.pi(target, rest)
        elif not name:
            continue
        elif slash:
            if name.lower() in _EMPTY:
                continue
            if not counts.get(name):
                repairs += 1
                continue
            while True:
                last = open_names.pop()
                counts[last] -= 1
                builder.end(last)
                if last == name:
                    break
                repairs += 1
            if not open_names:
                break
        else:
            empty = attributes.rstrip().endswith("/") or name.lower() in _EMPTY
            if len(open_names) >= MAX_DEPTH and not empty:
                repairs += 1
                continue
            values = {key: unescape(a or b) for key, a, b in _ATTRIBUTE.findall(attributes)}
            if empty and not open_names:
                continue
            builder.start(name, values)
            if empty:
                builder.end(name)
            else:
                open_names.append(name)
                counts[name] = counts.get(name, 0) + 1
    if not counts:
        raise TreeError("there is no element")
    repairs += len(open_names)
    if repairs > _MAX_REPAIRS:
        raise TreeError(f"{repairs} tags are wrong; up to {_MAX_REPAIRS} are mended")
    for name in reversed(open_names):
        builder.end(name)
    return builder.close(), repairs
