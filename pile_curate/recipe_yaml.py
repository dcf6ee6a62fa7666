"""Read YAML strictly: YAML 1.2 scalars, no duplicate keys, and the line on which every value stands.

YAML 1.1, which PyYAML reads by default, turns the language ``no`` into false, ``010`` into 8 and leaves
``1e-3`` a string. Here only ``true`` and ``false`` are booleans, ``off`` is a word, and dates stay text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Loc = tuple[str | int, ...]
MAX_BYTES = 1 << 20
MAX_NODES = 100_000  # aliases may repeat nodes; a "billion laughs" file stops here
MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem at one place of the file, before the place is written as text."""

    loc: Loc
    what: str
    line: int = 0


@dataclass(slots=True)
class Parsed:
    """What a YAML file holds, the line of each value, and everything that is wrong with its syntax."""

    data: Any = None
    lines: dict[Loc, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """A loader with the scalars of the YAML 1.2 core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def parse(text: str) -> Parsed:
    """Return the file's content; syntax errors, duplicate keys and odd keys come as findings, all of them."""
    parsed = Parsed()
    if len(text) > MAX_BYTES:
        parsed.findings.append(
            Finding((), f"the file has {len(text)} characters; a recipe has at most {MAX_BYTES}")
        )
        return parsed
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", column {mark.column + 1}" if mark else ""
        what = "not YAML: " + ", ".join(part for part in (error.context, error.problem) if part)
        parsed.findings.append(Finding((), what + place, mark.line + 1 if mark else 0))
    except (yaml.YAMLError, RecursionError) as error:
        parsed.findings.append(Finding((), f"not YAML: {error}"))
    else:
        if node is None:
            parsed.findings.append(
                Finding((), "the file is empty; a recipe has at least version, name and sources")
            )
        else:
            parsed.data = _Reader(parsed).read(node, (), 0)
    return parsed


class _Reader:
    """Turn nodes into plain values: mappings with text keys, lists, text, numbers, booleans, null."""

    def __init__(self, parsed: Parsed) -> None:
        self.parsed = parsed
        self.nodes = 0

    def read(self, node: yaml.Node, loc: Loc, depth: int) -> Any:
        self.nodes += 1
        line = node.start_mark.line + 1
        self.parsed.lines.setdefault(loc, line)
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            if self.nodes <= MAX_NODES + 1:
                self._find(
                    loc, "too many or too deeply nested values (aliases count each time they are used)", line
                )
                self.nodes = MAX_NODES + 1
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*loc, index), depth + 1) for index, child in enumerate(node.value)]
        return self._scalar(node.tag.removeprefix("tag:yaml.org,2002:"), node.value, loc, line)

    def _mapping(self, node: yaml.MappingNode, loc: Loc, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or not isinstance(key, str):
                self._find(loc, "a key must be a word, not a list or mapping", line)
            elif key in result:
                self._find((*loc, key), f"duplicate key; it stands on line {first[key]} already", line)
            else:
                first[key] = line
                self.parsed.lines[(*loc, key)] = line
                result[key] = self.read(value_node, (*loc, key), depth + 1)
        return result

    def _scalar(self, tag: str, text: str, loc: Loc, line: int) -> Any:
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() == "true"
        try:
            if tag == "int":
                return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
            if tag == "float":
                return (
                    float(text.replace(".inf", "inf").replace(".nan", "nan")) if "n" in text else float(text)
                )
        except ValueError as error:
            self._find(loc, f"{text[:40]!r} is not a number: {error}", line)
            return None
        if tag != "str":
            self._find(loc, f"the YAML tag !!{tag} is not allowed; write plain values", line)
        return text

    def _find(self, loc: Loc, what: str, line: int) -> None:
        self.parsed.findings.append(Finding(loc, what, line))
