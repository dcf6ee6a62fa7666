"""Read an EPUB's package document: metadata, manifest, reading order, and what is said of its parts.

EPUB 2 (Open Packaging Format 2.0.1) and EPUB 3 (https://www.w3.org/TR/epub-33/). Everything is read by tags, so that
a package that is no well-formed XML, of which there are many, reads as far as it can be understood.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from pile_curate.extract.tags import tags
from pile_curate.licence_urls import one_licence, spdx_of_url, statement

XHTML = (
    "application/xhtml+xml",
    "text/html",
    "application/x-dtbook+xml",
    "text/x-oeb1-document",
    "application/xml",
)
FONT_OBFUSCATION = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#rc")
MAX_ITEMS = 20_000
_KEPT = (
    "title",
    "creator",
    "language",
    "date",
    "rights",
    "identifier",
    "publisher",
    "subject",
    "source",
    "license",
)
_MARKUP_NAME = re.compile(r"\.x?html?$", re.I)
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Item:
    """A file of the book, by its path in the archive."""

    path: str
    media: str
    properties: tuple[str, ...] = ()
    fallback: str = ""

    @property
    def markup(self) -> bool:
        """Whether it is a chapter that can be read."""
        return self.media in XHTML or (not self.media and bool(_MARKUP_NAME.search(self.path)))


@dataclass(slots=True)
class Package:
    """What an OPF file says. ``spine`` has manifest ids in reading order, each once, and whether each is linear."""

    version: str = ""
    metadata: dict[str, list[str]] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    spine: list[tuple[str, bool]] = field(default_factory=list)
    guide: dict[str, str] = field(default_factory=dict)
    licence_links: list[str] = field(default_factory=list)

    def first(self, name: str) -> str:
        """Return the first value of a metadata element, ``""`` if there is none."""
        return (self.metadata.get(name) or [""])[0]

    def licence(self) -> str | None:
        """Return the licence that links state together, else the one that the rights' text names."""
        if any(spdx_of_url(url) for url in self.licence_links):
            return one_licence([url for url in self.licence_links if spdx_of_url(url)])
        rights = "\n".join(self.metadata.get("rights", []) + self.metadata.get("license", []))
        return statement(rights) if rights else None

    def reading_order(self) -> list[tuple[Item, bool]]:
        """Return the chapters in order; where there is no spine, the manifest's."""
        order = self.spine or [(name, True) for name, item in self.items.items() if item.markup]
        found: list[tuple[Item, bool]] = []
        for name, linear in order:
            item = self.items.get(name)
            for _ in range(5):  # a chain of fallbacks may be a circle
                if item is None or item.markup:
                    break
                item = self.items.get(item.fallback)
            if item is not None and item.markup:
                found.append((item, linear))
        return found


def package_paths(container: str) -> list[str]:
    """Return the package documents that ``META-INF/container.xml`` names."""
    return [
        tag.attributes["full-path"]
        for tag in tags(container)
        if tag.name == "rootfile" and not tag.end and tag.attributes.get("full-path")
    ]


def resolve(base: str, href: str) -> str:
    """Return the archive's path that a reference from the file ``base`` means; ``""`` if it leads out.

    >>> resolve("OPS/book.opf", "text/a%20b.xhtml#x"), resolve("book.opf", "../../etc/passwd")
    ('OPS/text/a b.xhtml', '')
    """
    path = unquote(href.partition("#")[0].strip())
    if not path or "://" in path or path.startswith(("/", "\\")) or "\0" in path:
        return ""
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(base), path))
    return "" if joined.startswith("..") or joined == "." else joined


def read_package(markup: str, path: str) -> Package:
    """Read a package document that stands at ``path`` in the archive."""
    package = Package()
    name, role, pieces = "", "", []  # of the metadata element that is open
    seen: set[str] = set()
    for tag in tags(markup):
        if not tag.name:
            if name:
                pieces.append(tag.text)
            continue
        if name and (tag.end or tag.name in _KEPT):
            value = " ".join("".join(pieces).split())[:_LONGEST]
            if value and role in ("", "aut") and len(package.metadata.setdefault(name, [])) < 100:
                package.metadata[name].append(value)
            name = ""
        if tag.end:
            continue
        found = tag.attributes
        if tag.name == "package":
            package.version = found.get("version", "")[:10]
        elif tag.name in _KEPT and not package.items:
            name, role, pieces = tag.name, found.get("opf:role", found.get("role", "")).lower(), []
        elif tag.name == "meta" and found.get("property", "").rpartition(":")[2] in ("license", "licence"):
            name, role, pieces = "license", "", []
        elif tag.name == "link" and found.get("rel", "").rpartition(":")[2] in ("license", "licence"):
            if "refines" not in found and len(package.licence_links) < 20:
                package.licence_links.append(found.get("href", ""))
        elif tag.name == "item" and found.get("id") and len(package.items) < MAX_ITEMS:
            package.items.setdefault(
                found["id"],
                Item(
                    resolve(path, found.get("href", "")),
                    found.get("media-type", "").strip().lower(),
                    tuple(found.get("properties", "").split()),
                    found.get("fallback", ""),
                ),
            )
        elif tag.name == "itemref" and found.get("idref") and found["idref"] not in seen:
            seen.add(found["idref"])
            if len(package.spine) < MAX_ITEMS:
                package.spine.append((found["idref"], found.get("linear", "yes").lower() != "no"))
        elif tag.name == "reference" and (target := resolve(path, found.get("href", ""))):
            package.guide.setdefault(target, found.get("type", "").lower())
    return package


def landmarks(nav: str, path: str) -> dict[str, str]:
    """Return path to type of what a navigation document's landmarks name by whole files."""
    found: dict[str, str] = {}
    inside = False
    for tag in tags(nav):
        if tag.name == "nav":
            inside = not tag.end and "landmarks" in tag.attributes.get("epub:type", "").split()
        elif inside and tag.name == "a" and not tag.end:
            target = resolve(path, tag.attributes.get("href", ""))
            if target and "#" not in tag.attributes["href"]:
                found.setdefault(target, tag.attributes.get("epub:type", "").lower())
    return found


def locked(encryption: str) -> str:
    """Return a file that ``META-INF/encryption.xml`` says is encrypted, fonts that are merely obfuscated apart.

    https://www.w3.org/TR/epub-33/#sec-container-metainf-encryption.xml
    """
    algorithm = ""
    inside_key = 0
    for tag in tags(encryption):
        if tag.name == "encryptedkey":
            inside_key += -1 if tag.end else 1
        elif tag.end or inside_key > 0:
            continue
        elif tag.name == "encrypteddata":
            algorithm = ""
        elif tag.name == "encryptionmethod" and not algorithm:
            algorithm = tag.attributes.get("algorithm", "").lower() or "unnamed"
        elif tag.name == "cipherreference" and algorithm not in FONT_OBFUSCATION:
            return tag.attributes.get("uri", "")[:200] or "a file"
    return ""
