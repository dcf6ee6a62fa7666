"""Turn pydantic's errors into sentences: where, which value, what is allowed, what was probably meant.

What is allowed is read off the models' annotations, so that a message cannot drift from the code.
"""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pile_curate.errors import Problem
from pile_curate.recipe_yaml import Finding, Loc

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", dict: "a mapping"}
_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "pattern": "matching"}


def did_you_mean(word: Any, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest known word, or nothing."""
    names = sorted(known)
    if not isinstance(word, str):
        return ""
    folded = word.strip().lower().replace("-", "_").replace(" ", "_")
    plain = {name.lower().replace("-", "_"): name for name in names}
    close = difflib.get_close_matches(folded, list(plain), n=1, cutoff=0.6)
    return f"; did you mean {plain[close[0]]!r}?" if close else ""


def show(value: Any) -> str:
    """Return a value as YAML's user knows it, cut to one short line."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def path_text(loc: Loc) -> str:
    """Return a place as text.

    >>> path_text(("sources", 2, "weight"))
    'sources[2].weight'
    """
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def to_problems(findings: Iterable[Finding], lines: Mapping[Loc, int]) -> list[Problem]:
    """Return the findings as problems in the order of the file, each once, with its line."""
    placed = set()
    for finding in findings:
        line, loc = finding.line, finding.loc
        while not line and loc and not (line := lines.get(loc, 0)):
            loc = loc[:-1]
        placed.add((line, path_text(finding.loc), finding.what))
    return [
        Problem(where, what + (f" (line {line})" if line else "")) for line, where, what in sorted(placed)
    ]


def from_pydantic(error: ValidationError, model: type[BaseModel], prefix: Loc = ()) -> list[Finding]:
    """Return one finding for each place that the error names."""
    findings: dict[tuple[Loc, str], Finding] = {}
    for item in error.errors(include_url=False):
        kind = item["type"]
        keep_last = kind in ("extra_forbidden", "missing")
        if kind == "too_short" and len(item["input"]) >= item["ctx"]["min_length"]:
            continue  # pydantic counts valid items only; what is wrong with the others is reported itself
        loc, owners, annotation = _walk(model, item["loc"], keep_last)
        where = (*prefix, *loc)
        if kind == "extra_forbidden":
            allowed = sorted({name for owner in owners for name in owner.model_fields})
            what = (
                f"unknown key{_meant_key(str(loc[-1]), allowed, model)}; allowed here: {', '.join(allowed)}"
            )
        elif kind == "missing":
            what = f"required key is missing; it takes {describe(annotation)}"
        elif kind in ("value_error", "assertion_error"):
            what = str(item.get("ctx", {}).get("error", item["msg"]))
        else:
            hint = _hint(kind, item["input"], annotation)
            what = f"{show(item['input'])} is not allowed; it takes {describe(annotation)}{hint}"
        findings.setdefault((where, what), Finding(where, what))
    return list(findings.values())


def describe(annotation: Any, depth: int = 0) -> str:
    """Say in words what an annotation allows."""
    metadata: list[Any] = []
    base = annotation
    while get_origin(base) is Annotated:
        base, *outer = get_args(base)
        metadata = [*outer, *metadata]
    origin, args = get_origin(base), get_args(base)
    if origin in (Union, types.UnionType):
        words = " or ".join(dict.fromkeys(describe(arg, depth) for arg in args))
    elif origin is Literal:
        shown = [show(arg) for arg in args]
        words = shown[0] if len(shown) == 1 else "one of " + ", ".join(shown)
    elif origin in (list, tuple, set, frozenset, Sequence):
        inner = describe(args[0], depth + 1) if args else "values"
        words = f"a list of ({inner})" if " " in inner else f"a list of {inner}"
    elif base is type(None):
        words = "null"
    elif isinstance(base, type) and issubclass(base, BaseModel):
        words = "a mapping" + (f" with keys from {', '.join(base.model_fields)}" if not depth else "")
    else:
        words = _WORDS.get(origin or base, getattr(base, "__name__", str(base)))
    return _bounded(words, metadata)


def _bounded(words: str, metadata: Sequence[Any]) -> str:
    """Add the limits that a field's metadata states."""
    bounds = []
    flat = [part for item in metadata for part in getattr(item, "metadata", None) or [item]]
    for item in flat:
        if getattr(item, "min_length", None):
            words = (
                f"a non-empty {words.removeprefix('a ')}" if words.startswith("a ") else f"non-empty {words}"
            )
        if getattr(item, "max_length", None):
            words += f" of at most {item.max_length} characters"
        for name, sign in _BOUNDS.items():
            value = getattr(item, name, None)
            if value is not None:
                bounds.append(f"{sign} {'2^63' if value == 2**63 else value}")
    return " ".join([words, *([" and ".join(bounds)] if bounds else [])])


def _leaves(annotation: Any) -> list[Any]:
    """Return the members of a union, without Annotated."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _leaves(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [leaf for arg in get_args(annotation) for leaf in _leaves(arg)]
    return [annotation]


def _walk(model: type[BaseModel], loc: Loc, keep_last: bool) -> tuple[Loc, list[type[BaseModel]], Any]:
    """Follow a pydantic loc: drop the names of union branches, return the models above and the annotation."""
    annotation: Any = model
    owners: list[type[BaseModel]] = [model]
    kept: list[str | int] = []
    for position, part in enumerate(loc):
        leaves = _leaves(annotation)
        models = [leaf for leaf in leaves if isinstance(leaf, type) and issubclass(leaf, BaseModel)]
        holders = [owner for owner in models if part in owner.model_fields]
        containers = [leaf for leaf in leaves if get_origin(leaf) in (list, tuple, dict, set, frozenset)]
        if holders:
            field = holders[0].model_fields[str(part)]
            owners = holders
            annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        elif keep_last and position == len(loc) - 1:
            owners = models or owners
        elif containers and (isinstance(part, int) or get_origin(containers[0]) is dict):
            annotation = get_args(containers[0])[-1 if isinstance(part, str) else 0]
        else:
            continue
        kept.append(part)
    return tuple(kept), owners, annotation


def _meant_key(key: str, allowed: Sequence[str], root: type[BaseModel]) -> str:
    close = did_you_mean(key, allowed)
    if close:
        return close.rstrip("?")
    places = sorted(path for path in _places(root, key) if path)
    return f"; {key!r} belongs under {' or '.join(places)}" if places else ""


def _places(model: type[BaseModel], key: str, path: str = "", depth: int = 0) -> list[str]:
    """Return the paths of the blocks that know a key."""
    found = [path] if key in model.model_fields else []
    if depth < 4:
        for name, field in model.model_fields.items():
            below = f"{path}.{name}" if path else name
            for leaf in _leaves(field.annotation):
                if isinstance(leaf, type) and issubclass(leaf, BaseModel):
                    found += _places(leaf, key, below, depth + 1)
                elif get_origin(leaf) in (list, tuple):
                    for item in _leaves(get_args(leaf)[0]):
                        if isinstance(item, type) and issubclass(item, BaseModel):
                            found += _places(item, key, f"{below}[]", depth + 1)
    return found


def _hint(kind: str, value: Any, annotation: Any) -> str:
    """Return what was probably meant by a wrong value."""
    leaves = _leaves(annotation)
    words = [str(arg) for leaf in leaves if get_origin(leaf) is Literal for arg in get_args(leaf)]
    close = did_you_mean(value, words)
    if close:
        return close
    if bool in leaves and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        return f"; write {'true' if value.lower() in ('yes', 'on') else 'false'}"
    if value is False and "off" in words:
        return "; write off"
    number = value.replace("_", "").replace(",", "") if isinstance(value, str) else value
    if {int, float} & set(leaves):
        try:
            number = float(number)
        except (TypeError, ValueError):
            return ""
        if number.is_integer() and not isinstance(value, (int, bool)):
            return f"; write {int(number)}"
        if isinstance(value, str):
            return f"; write {number!r} without quotes"
    if isinstance(value, (str, dict)) and any(get_origin(leaf) in (list, tuple) for leaf in leaves):
        return f"; write [{show(value)}]" if isinstance(value, str) else "; begin each entry with '- '"
    return ""
