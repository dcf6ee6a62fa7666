"""Print pydoc's HTML pages of the named modules as one JSON object; run as a process of its own.

A page must not say on which machine it was made, so memory addresses, file links and paths go. Nor is it served
quite as pydoc writes it: layout by tables and no-break spaces becomes blocks and ``<pre>``, as a page of
today would have it, and what each class merely inherits is left out.
"""

from __future__ import annotations

import importlib
import json
import pydoc
import re
import sys
import sysconfig

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_FILE_LINK = re.compile(r'<a href="file:[^"]*">[^<]*</a>(?:<br>)?')
_CORNER = re.compile(r'<td class="extra">.*?</td>', re.DOTALL)
_INHERITED = re.compile(r"<hr>\n[^<]*inherited from .*?(?=<hr>|</td></tr></table>)", re.DOTALL)
_ORDER = re.compile(r"<dl><dt>Method resolution order:</dt>.*?</dl>", re.DOTALL)
_HEADING = re.compile(r'<td class="section-title"[^>]*>(.*?)</td>', re.DOTALL)
_LAYOUT = re.compile(r"<(/?)(?:table|tr|td|dl|dd)\b[^>]*>")
_TERM = re.compile(r"<(/?)dt\b[^>]*>")
_CODE = re.compile(r'<span class="code">(.*?)</span>', re.DOTALL)
MAX_PAGE = 200_000
"""Longer pages (mostly inherited methods, many times over) are left out."""


def page(name: str) -> str:
    """Return a module's page, without what depends on this machine."""
    writer = pydoc.HTMLDoc()
    text = writer.page(name, writer.docmodule(importlib.import_module(name)))
    text = _CORNER.sub("", _FILE_LINK.sub("", text))
    text = _HEADING.sub(_heading, _ORDER.sub("", _INHERITED.sub("", text)))
    text = _LAYOUT.sub(r"<\1div>", _TERM.sub(r"<\1p>", _CODE.sub(_preformatted, text)))
    # pydoc escapes the defaults in signatures twice.
    text = _ADDRESS.sub("", text.replace("&amp;lt;", "&lt;").replace("&amp;gt;", "&gt;"))
    return text.replace(sysconfig.get_path("stdlib"), "/python")


def _heading(match: re.Match[str]) -> str:
    words = re.sub(r"<[^>]*>", "", match[1].replace("<br>", " ")).replace("&nbsp;", " ")
    return f"<h2>{' '.join(words.split())}</h2>"


def _preformatted(match: re.Match[str]) -> str:
    """Write as ``<pre>`` what pydoc lays out with no-break spaces, so that examples keep their indentation."""
    inner = match[1].replace("<br>\n", "\n").replace("<br>", "\n").replace("&nbsp;", " ")
    return f"<pre>{inner}</pre>" if inner.strip() else ""


def main(names: list[str]) -> None:
    """Print the pages; a module that this Python lacks is passed over."""
    pages: dict[str, str] = {}
    for name in names:
        try:
            made = page(name)
        except ImportError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        if len(made) <= MAX_PAGE:
            pages[name] = made
    json.dump(pages, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
