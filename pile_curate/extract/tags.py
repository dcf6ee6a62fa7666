"""Cut markup into tags and text by one regular expression, for HTML and XML alike, well-formed or not.

For documents that call themselves XML and are not, a tree has to be repaired before it can be read; a list of tags does
not. No document type is read and no entity beyond HTML's own is known, so nothing can expand. Linear in any input.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

TOKEN = re.compile(
    r"""([^<]+)|<!--(.*?)(?:-->|\Z)|<!\[CDATA\[(.*?)(?:\]\]>|\Z)"""
    r"""|<(/?)([a-zA-Z][\w:.-]*+)((?:[^<>"']|"[^"<]*"|'[^'<]*'|["'])*+)>|<[!?][^<>]*>|(<)""",
    re.DOTALL,
)
"""Groups: text, comment, CDATA, slash of an end tag, name, attributes, a stray ``<``."""

_ATTRIBUTE = re.compile(r"""(?<![^\s"'/])([^\s=<>"'/]++)\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'<>]++))""")
_LONGEST = 1 << 16


class Tag(NamedTuple):
    """A start tag (``closed``: it ends itself), an end tag (``end``), or with no name a piece of text."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    end: bool = False
    closed: bool = False


def attributes(source: str) -> dict[str, str]:
    """Return a tag's attributes, names in lower case, entities replaced; the first of a name counts.

    >>> attributes(' id="a" epub:type=\\'noteref\\' hidden href=x.html#n1 /')
    {'id': 'a', 'epub:type': 'noteref', 'href': 'x.html#n1'}
    """
    found: dict[str, str] = {}
    if "=" in source and len(source) <= _LONGEST:
        for name, double, single, bare in _ATTRIBUTE.findall(source):
            value = double or single or bare
            found.setdefault(name.lower(), html.unescape(value) if "&" in value else value)
    return found


def tags(markup: str) -> Iterator[Tag]:
    """Yield tags and text in order; names lose their prefix and case: ``<dc:Title>`` is ``title``."""
    for text, _, cdata, slash, name, inside, stray in TOKEN.findall(markup):
        if name:
            local = name.rpartition(":")[2].lower()
            yield Tag(local, {} if slash else attributes(inside), "", bool(slash), inside.endswith("/"))
        elif text or stray:
            yield Tag("", {}, html.unescape(text) if "&" in text else text or stray)
        elif cdata:
            yield Tag("", {}, cdata)
