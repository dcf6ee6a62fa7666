"""Take the front matter off a page of documentation: YAML between ``---``, TOML between ``+++``."""

from __future__ import annotations

import datetime
import tomllib
from typing import Any

_LONGEST = 64 << 10
_FACTS = (
    "title",
    "date",
    "description",
    "tags",
    "lang",
    "language",
    "license",
    "licence",
    "author",
    "authors",
    "keywords",
)


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Return what a page's front matter says of it, and the rest; what cannot be read is taken off all the same.

    >>> split_front_matter("---\\ntitle: A\\nauthor: B\\n---\\nText")
    ({'title': 'A', 'authors': ['B']}, 'Text')
    """
    for mark, reader in (("---", _yaml), ("+++", _toml)):
        if not text.startswith(f"{mark}\n"):
            continue
        end = text.find(f"\n{mark}", 3, _LONGEST)
        after = text.find("\n", end + 1) if end >= 0 else -1
        line = text[end + 1 : after if after >= 0 else len(text)] if end >= 0 else ""
        block = text[4:end] if end >= 0 else ""
        if line.rstrip() != mark or (block.strip() and ":" not in block and "=" not in block):
            continue
        return _facts(reader(block)), text[after + 1 :] if after >= 0 else ""
    return {}, text


def _yaml(block: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuse aliases: a few of them can stand for gigabytes."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise yaml.composer.ComposerError(None, None, "aliases are not read")
            return super().compose_node(parent, index)

    try:
        return yaml.load(block, Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}


def _toml(block: str) -> Any:
    try:
        return tomllib.loads(block)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return {}


def _facts(found: Any) -> dict[str, Any]:
    """Keep what is said of the page, as text and lists of text."""
    facts: dict[str, Any] = {}
    if not isinstance(found, dict):
        return facts
    for name, value in found.items():
        if not isinstance(name, str) or name.lower() not in _FACTS:
            continue
        name = {"lang": "language", "licence": "license", "author": "authors", "keywords": "tags"}.get(
            name.lower(), name.lower()
        )
        plain = _plain(value)
        if name in ("authors", "tags"):
            plain = plain if isinstance(plain, list) else [plain] if plain else []
        elif isinstance(plain, list):
            plain = ", ".join(plain)
        if plain:
            facts.setdefault(name, plain)
    return facts


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [text for item in value[:50] if isinstance(text := _plain(item), str) and text]
    if isinstance(value, dict):
        value = value.get("name", "")
    if isinstance(value, (datetime.date, datetime.datetime)):
        value = value.isoformat()
    return str(value)[:500] if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
