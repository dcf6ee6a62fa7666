"""Read one patent in SGML or XML: WIPO ST.32 (grants 2001 to 2004), PAP (applications 2001 to 2004), v4 (both since 2005).

The office's document types: ST32-US-Grant-024/025, pap-v15/v16, us-patent-grant and us-patent-application v4.0 to v4.7.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from pile_curate.extract.patent import Block, Patent, ipc_symbol, until_settled, us_symbol
from pile_curate.extract.patent_render import line, render
from pile_curate.extract.patent_tree import parse


def read_markup(data: bytes, *, tables: bool = True, brief: bool = False) -> Patent:
    """Read one document from its root element on; raises ``TreeError`` for what is no tree at all.

    ``brief`` leaves out abstract and claims, and of the description what follows a background and its summary.
    """
    root, repairs = parse(data)
    name = root.tag.lower()
    if name == "patdoc":
        patent = _st32(root, tables, brief)
    elif name == "patent-application-publication":
        patent = _pap(root, tables, brief)
    else:
        patent = _v4(root, tables, brief)
    patent.repairs = repairs
    return patent


_GLUED_NUMBER = re.compile(r"^([0-9]{1,4}\.)(?=[^\s0-9])")


def _find(root: Element | None, path: str) -> Element | None:
    return root.find(path) if root is not None else None


def _plain(root: Element | None, path: str) -> str:
    """Return all text below a path, in one line."""
    element = _find(root, path)
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def _columns(root: Element | None, path: str) -> str:
    """Return text whose columns mean something: blanks stay."""
    element = _find(root, path)
    return "".join(element.itertext()).strip("\r\n") if element is not None else ""


def _claims(elements: list[Element], data_only: bool = False) -> list[list[str]]:
    found = []
    for element in elements:
        lines = [block.text for block in render(element, data_only=data_only)]
        if lines:
            lines[0] = _GLUED_NUMBER.sub(r"\1 ", lines[0])
            found.append(lines)
    return found


def _blocks(root: Element | None, tables: bool, brief: bool = False, data_only: bool = False) -> list[Block]:
    if root is None:
        return []
    blocks = render(root, tables=tables, data_only=data_only)
    return list(until_settled(blocks) if brief else blocks)


def _st32(root: Element, tables: bool, brief: bool) -> Patent:
    head = root.find("SDOBI")
    dtd = root.get("DTD", "")
    patent = Patent(
        "st32-xml" if dtd >= "2.5" else "st32-sgml",
        number=_plain(head, "B100/B110"),
        kind=_plain(head, "B100/B130"),
        country=_plain(head, "B100/B190"),
        date=_plain(head, "B100/B140"),
        title=line(_find(head, "B500/B540"), data_only=True),
        ipc=ipc_symbol(_columns(head, "B500/B510/B511")),
        us_class=us_symbol(_columns(head, "B500/B520/B521")),
        dtd=dtd,
    )
    for party in head.iterfind("B700/B720/B721/PARTY-US/NAM") if head is not None else ():
        name = " ".join(part for part in (_plain(party, "FNM"), _plain(party, "SNM")) if part)
        patent.authors.append(name or _plain(party, "ONM"))
    patent.description = _blocks(root.find("SDODE"), tables, brief, True)
    if not brief:
        patent.abstract = _blocks(root.find("SDOAB"), tables, False, True)
        patent.claims = _claims(root.findall("SDOCL//CLM"), True)
    return patent


def _pap(root: Element, tables: bool, brief: bool) -> Patent:
    head = root.find("subdoc-bibliographic-information")
    technical = _find(head, "technical-information")
    patent = Patent(
        "pap",
        number=_plain(head, "document-id/doc-number"),
        kind=_plain(head, "document-id/kind-code"),
        country=_plain(head, "document-id/country-code") or "US",
        date=_plain(head, "document-id/document-date"),
        title=line(_find(technical, "title-of-invention")),
        ipc=ipc_symbol(_columns(technical, "classification-ipc/classification-ipc-primary/ipc").strip()),
        us_class=us_symbol(
            _plain(technical, "classification-us/classification-us-primary/uspc/class")
            + _plain(technical, "classification-us/classification-us-primary/uspc/subclass")
        ),
    )
    for inventor in ("first-named-inventor", "inventor"):
        for name in head.iterfind(f"inventors/{inventor}/name") if head is not None else ():
            parts = [
                _plain(name, part) for part in ("given-name", "middle-name", "family-name", "name-suffix")
            ]
            patent.authors.append(" ".join(part for part in parts if part))
    patent.description = _blocks(root.find("subdoc-description"), tables, brief)
    if not brief:
        patent.abstract = [b for b in _blocks(root.find("subdoc-abstract"), tables) if b.kind != "heading"]
        patent.claims = _claims(root.findall("subdoc-claims//claim"))
    return patent


def _v4(root: Element, tables: bool, brief: bool) -> Patent:
    grant = root.tag.lower() == "us-patent-grant"
    head = root.find("us-bibliographic-data-grant" if grant else "us-bibliographic-data-application")
    where = "publication-reference/document-id/"
    patent = Patent(
        "grant-v4" if grant else "application-v4",
        number=_plain(head, where + "doc-number"),
        kind=_plain(head, where + "kind"),
        country=_plain(head, where + "country"),
        date=_plain(head, where + "date"),
        title=line(_find(head, "invention-title")),
        ipc=ipc_symbol(_columns(head, "classification-ipc/main-classification").strip())
        or _symbol(_find(head, "classifications-ipcr/classification-ipcr"))
        or _plain(head, "classification-locarno/main-classification"),
        cpc=_symbol(_find(head, "classifications-cpc/main-cpc/classification-cpc")),
        us_class=us_symbol(_columns(head, "classification-national/main-classification")),
        dtd=root.get("dtd-version", ""),
    )
    patent.authors = _v4_inventors(head)
    patent.description = _blocks(root.find("description"), tables, brief)
    if not brief:
        patent.abstract = _blocks(root.find("abstract"), tables)
        patent.claims = _claims(root.findall("claims/claim"))
    return patent


def _symbol(element: Element | None) -> str:
    """Return an IPC or CPC symbol that is given in parts."""
    if element is None:
        return ""
    section, cls, subclass, main, sub = (
        _plain(element, part) for part in ("section", "class", "subclass", "main-group", "subgroup")
    )
    return f"{section}{cls}{subclass} {main}/{sub}".strip(" /")


def _v4_inventors(head: Element | None) -> list[str]:
    """Return the inventors: until 2012 the applicants were, unless inventors are named."""
    for path in (
        "us-parties/inventors/inventor/addressbook",
        "parties/inventors/inventor/addressbook",
        "parties/applicants/applicant/addressbook",
        "us-parties/us-applicants/us-applicant/addressbook",
    ):
        names = []
        for book in head.iterfind(path) if head is not None else ():
            parts = [_plain(book, part) for part in ("first-name", "middle-name", "last-name", "suffix")]
            names.append(
                " ".join(part for part in parts if part) or _plain(book, "orgname") or _plain(book, "name")
            )
        names = [name for name in names if name]
        if names:
            return names
    return []
