"""Know where the raw files of each source are published, how to list them, and which are not to be had.

The data is ``catalogue.yaml``: addresses change, so they are data. An entry is either fetched by its
``listings`` or says in ``instead`` why it is not and what to do. No entry points to copies without permission.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pile_curate import recipe_yaml
from pile_curate.errors import SetupError, SourceUnavailable

_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*(?:\.[A-Za-z0-9_+-]+)*")
_RANGE = re.compile(r"(\d{1,10})\.\.(\d{1,10})")
_FIELD = re.compile(r"\{([a-z_]+)\}")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Newest(_Model):
    """Read a page and take the greatest match of a pattern's first group."""

    url: str
    pattern: str


class Parameter(_Model):
    """A value that ``--set`` gives: words, ``a,b,c`` or ``1..9``; the default may be the newest that a page lists."""

    about: str
    default: str | None = None
    newest: Newest | None = None


class Via(_Model):
    """A page whose matches, put into ``to``, are the addresses of the actual lists."""

    url: str
    pattern: str
    to: str


class Listing(_Model):
    """One way from an address to files; see ``listing.py`` for what each kind reads."""

    kind: Literal["files", "links", "lines", "sums", "s3", "archive", "json"]
    url: str = ""
    urls: tuple[str, ...] = ()
    via: Via | None = None
    pattern: str = ""
    to: str = ""
    depth: int = 0
    next: str = ""
    name: str = ""
    base: str = ""
    sum_suffix: str = ""
    items: str = ""
    url_key: str = ""
    size_key: str = ""
    immutable: bool | None = None

    @model_validator(mode="after")
    def _complete(self) -> Listing:
        if not (self.urls if self.kind == "files" else self.url or self.via):
            raise ValueError(
                f"a listing of kind {self.kind} needs {'urls' if self.kind == 'files' else 'url'}"
            )
        return self


class Key(_Model):
    """An API key that the publisher asks for: the header, the variable that holds it, and where to get one."""

    origin: str
    header: str
    env: str
    get: str


class Source(_Model):
    """An entry of the catalogue."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    pile: str = ""
    format: str = ""  # the source format that reads it, and the ``paths`` that a recipe gives it
    paths: str = ""
    about: str
    licence: str = ""
    basis: str = ""
    parameters: Mapping[str, Parameter] = {}
    listings: tuple[Listing, ...] = ()
    immutable: bool = False
    interval: float = 0.0
    key: Key | None = None
    after: str = ""
    instead: str = ""
    consent: bool = True

    @model_validator(mode="after")
    def _either(self) -> Source:
        if bool(self.listings) == bool(self.instead):
            raise ValueError("an entry has either listings or instead")
        return self


@cache
def sources() -> Mapping[str, Source]:
    """Return the catalogue by name."""
    text = resources.files("pile_curate.fetch").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    parsed = recipe_yaml.parse(text)
    if parsed.findings:
        raise SetupError(f"catalogue.yaml is damaged: {parsed.findings[0].what}; install pile-curate again")
    found = [Source.model_validate(entry) for entry in parsed.data["sources"]]
    return {source.name: source for source in found}


def source(name: str) -> Source:
    """Return an entry by its name, its component's name in The Pile, or a format that only one entry has.

    Raises ``SourceUnavailable`` for an unknown name and for what is not fetched.
    """
    known = sources()
    by_pile = {entry.pile.casefold(): entry for entry in known.values() if entry.pile}
    read_as = [entry for entry in known.values() if entry.format == name]
    entry = known.get(name) or by_pile.get(name.casefold()) or (read_as[0] if len(read_as) == 1 else None)
    if entry is None:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise SourceUnavailable(
            f"no source is called {name!r}; {hint}`pile-curate fetch --list` names them all"
        )
    if entry.instead:
        raise SourceUnavailable(f"{entry.name} is not fetched: {' '.join(entry.instead.split())}")
    return entry


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values into ``{name}`` fields; braces of regular expressions stay as they are."""
    return _FIELD.sub(lambda match: values.get(match.group(1), match.group()), template)


def filled_pattern(template: str, values: Mapping[str, str]) -> re.Pattern[str]:
    """Return the regular expression of a template; values stand for themselves in it."""
    return re.compile(fill(template, {name: re.escape(value) for name, value in values.items()}))


def check_values(entry: Source, given: Mapping[str, str]) -> None:
    """Raise ``SetupError`` for parameters that an entry does not have or that could change an address's meaning."""
    for name, value in given.items():
        if name not in entry.parameters:
            known = ", ".join(entry.parameters) or "none"
            raise SetupError(f"--set {name}={value}: {entry.name} has no such parameter; it has {known}")
        if not all(_RANGE.fullmatch(word) or _VALUE.fullmatch(word) for word in value.split(",")):
            raise SetupError(
                f"--set {name}={value}: letters, digits and . _ + - only; several as a,b,c or as a range 1..9"
            )


def expand(value: str) -> Iterator[str]:
    """Yield the single values of ``a,b`` and ``1..9``; a range that begins with 0 keeps its width.

    >>> list(expand("01..03,x"))
    ['01', '02', '03', 'x']
    """
    for word in value.split(","):
        found = _RANGE.fullmatch(word)
        if found is None:
            yield word
            continue
        first, last = found.groups()
        width = len(first) if first.startswith("0") else 0
        yield from (str(number).zfill(width) for number in range(int(first), int(last) + 1))


def combinations(entry: Source, values: Mapping[str, str], used: str) -> Iterator[dict[str, str]]:
    """Yield every combination of the single values of the parameters that the text ``used`` mentions."""
    names = [name for name in entry.parameters if f"{{{name}}}" in used]
    # itertools.product would hold long ranges in memory before its first result.
    if not names:
        yield {}
    elif len(names) == 1:
        yield from ({names[0]: value} for value in expand(values[names[0]]))
    else:
        for row in itertools.product(*(tuple(expand(values[name])) for name in names)):
            yield dict(zip(names, row))
