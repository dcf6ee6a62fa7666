"""Render the directives of reStructuredText."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from typing import Protocol

from pile_curate.extract.rst_names import ADMONITIONS, CODE, DROPPED, OBJECTS, TITLED, VERSIONS
from pile_curate.extract.rst_tables import pipe_table
from pile_curate.extract.wikitext_tags import fenced

_OPTION = re.compile(r":[\w-]+(?:[ :][\w-]+)?:(?:\s|$)")
_ALT = re.compile(r":alt:\s*(.*)$")
_ITEM = re.compile(r"[*+-]\s+|[*+-]$")

Sub = Callable[[list[str]], list[str]]


class Document(Protocol):
    """What a directive needs to know of the file."""

    alt_texts: bool

    def inline(self, text: str) -> str:
        """Render a piece of running text."""


def directive_blocks(name: str, argument: str, body: list[str], document: Document, sub: Sub) -> list[str]:
    """Return what a directive shows: ``body`` is its lines without their indentation."""
    name = name.lower()
    last = name.rpartition(":")[2]
    argument, options, content = _parts(argument, body)
    if name in ("image", "figure"):
        alternative = next((found[1] for line in options if (found := _ALT.match(line))), "")
        shown = [alternative] if alternative and document.alt_texts else []
        return shown + (sub(content) if name == "figure" else [])
    if name in DROPPED or (name == "class" and "(" not in argument and not content and argument.islower()):
        return []
    if last in CODE or (":" in name and last in ("example", "run")):
        code = "\n".join(content if content else argument.split("\n") if name == "parsed-literal" else [])
        language = argument.split()[0] if argument and name in ("code", "code-block", "sourcecode") else ""
        return [fenced(code, language if language not in ("none", "text") else "")] if code.strip() else []
    if name == "math":
        return [f"$$\n{formula}\n$$"] if (formula := "\n".join([argument, *content]).strip()) else []
    if name in VERSIONS:
        version, rest = (argument.split(None, 1) + ["", ""])[:2]
        inner = sub(([rest] if rest else []) + ([""] if rest and content[:1] == [""] else []) + content)
        if name == "deprecated-removed":
            inner = sub([rest.partition(" ")[2], *content])
        return _labelled(f"{VERSIONS[name]} {version}", inner, bold=False)
    if name in TITLED:
        title = document.inline(argument)
        return ([f"**{title}**"] if title else []) + sub(content)
    if last in ADMONITIONS:
        inner = sub(([argument] if argument else []) + content)
        return _labelled("See also" if last == "seealso" else last.capitalize(), inner)
    if name in ("list-table", "csv-table", "table"):
        return ([f"**{document.inline(argument)}**"] if argument else []) + _table(
            name, options, content, sub
        )
    if name.startswith("auto") and not any(content):
        return []  # its text stands in the program
    if last in OBJECTS or ":" in name or name.startswith("auto"):
        signatures = [f"`{line}`" for line in _signatures(argument) if "`" not in line]
        return ["\n".join(signatures), *sub(content)]
    if name in ("epigraph", "highlights", "pull-quote"):
        return ["\n".join(f"> {line}".rstrip() for line in "\n\n".join(sub(content)).split("\n"))]
    if name == "glossary":
        return sub(content)
    # Containers (only, compound, hlist, tabs, …) and unknown ones: what they hold is text, their argument is not.
    return sub(content)


def _signatures(argument: str) -> list[str]:
    """Return one signature a line; one with an open parenthesis goes on in the next."""
    found: list[str] = []
    still = 0
    for line in argument.split("\n"):
        line = line.strip().removesuffix("\\")
        if found and still > 0:
            found[-1] += f" {line}"
        elif line:
            found.append(line)
        still = max(0, still + line.count("(") - line.count(")"))
    return found


def _parts(argument: str, body: list[str]) -> tuple[str, list[str], list[str]]:
    """Split a directive's lines into argument, options and content."""
    at = 0
    more: list[str] = []
    if argument:
        while at < len(body) and body[at] and not _OPTION.match(body[at]):
            more.append(body[at])
            at += 1
        joined = any(_OPTION.match(line) for line in body[at : at + 1])
        if more and not joined and not (at < len(body) and not body[at]) and at == len(body):
            # ``.. note:: text`` that goes on: the content is the argument's paragraph.
            return "\n".join([argument, *more]), [], []
    else:
        while at < len(body) and not body[at]:
            at += 1
    options: list[str] = []
    while at < len(body) and body[at] and (_OPTION.match(body[at]) or (options and body[at][0] == " ")):
        options.append(body[at])
        at += 1
    return "\n".join([argument, *more]) if more else argument, options, body[at:]


def _labelled(label: str, inner: list[str], *, bold: bool = True) -> list[str]:
    """Put a label before the first paragraph, or above what is none."""
    shown = f"**{label}:**" if bold else f"{label}:"
    if inner and not inner[0].startswith(("```", "- ", "1. ", "> ", "|", "#", "$$", "[")):
        return [f"{shown} {inner[0]}", *inner[1:]]
    return [shown, *inner] if inner or bold else [shown.rstrip(":") + "."]


def _table(name: str, options: list[str], content: list[str], sub: Sub) -> list[str]:
    if name == "table":
        return sub(content)
    headed = any(line.startswith((":header-rows: 1", ":header-rows: 2")) for line in options)
    if name == "list-table":
        rows = [
            [" ".join(" ".join(sub(cell)).split()) for cell in _items(item)]
            for item in _items([line for line in content])
        ]
        return [pipe_table(rows)] if rows else []
    given = [line.partition(":header:")[2] for line in options if line.startswith(":header:")]
    if any(line.startswith((":file:", ":url:")) for line in options):
        return []
    try:
        rows = [
            [" ".join(" ".join(sub([cell.strip()])).split()) for cell in row]
            for row in csv.reader(given + content, skipinitialspace=True)
            if row
        ]
    except csv.Error:
        return ["\n".join(content)]
    return [pipe_table(rows)] if rows and (headed or rows) else []


def _items(lines: list[str]) -> list[list[str]]:
    """Cut the items of a bullet list, each moved to the margin."""
    found: list[list[str]] = []
    column = 2
    for line in lines:
        if mark := _ITEM.match(line):
            column = mark.end()
            found.append([line[column:]])
        elif found and line:
            found[-1].append(line[min(column, len(line) - len(line.lstrip(" "))) :])
        elif found:
            found[-1].append("")
    return found
