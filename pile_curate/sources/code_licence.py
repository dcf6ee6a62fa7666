"""Recognise common software licences in a licence file, a file's header or an SPDX tag.

A licence is told by sentences that only it has, after comment signs, quotation marks and line breaks
are folded away. The longest-named relatives come first (AGPL before GPL, three BSD clauses before
two), because their texts contain each other. What is not recognised stays unknown: guessing a
licence is worse than having none.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from pile_curate.spdx import check_expression

LICENCE_FILE = re.compile(
    r"^(?:(?:un)?licen[cs]es?|copying|copyright|notice)(?:[._-][a-z0-9._-]+)?$|^(?:mit|apache|gpl|bsd)[._-]licen[cs]e",
    re.IGNORECASE,
)
"""Names of licence files. A source file such as ``license.py`` matches too; its extension tells it apart."""

_HINT = re.compile(r"mit|apache|bsd|gpl|mpl|isc|zlib|cc0|boost", re.IGNORECASE)
_HEAD = 6000
_SPDX = re.compile(
    r"^[^\w\"'\n]{0,12}(?:dnl|rem)?\s{0,4}SPDX-License-Identifier:[ \t]*([^\n]{1,200})", re.M | re.I
)
_OLD_IDS = {
    "GPL-2.0": "GPL-2.0-only", "GPL-2.0+": "GPL-2.0-or-later", "GPL-3.0": "GPL-3.0-only",
    "GPL-3.0+": "GPL-3.0-or-later", "LGPL-2.1": "LGPL-2.1-only", "LGPL-2.1+": "LGPL-2.1-or-later",
    "LGPL-2.0": "LGPL-2.0-only", "LGPL-2.0+": "LGPL-2.0-or-later", "LGPL-3.0": "LGPL-3.0-only",
    "LGPL-3.0+": "LGPL-3.0-or-later", "AGPL-3.0": "AGPL-3.0-only", "AGPL-3.0+": "AGPL-3.0-or-later",
}  # fmt: skip
"""Ids that SPDX withdrew in version 3.0 of its list, and their successors."""

_FOLD = re.compile(r"[^a-z0-9.]+")
_REACH = 2500
"""Letters within which a licence's sentences stand; the four-clause BSD licence, folded, has 1,900."""

_TEXTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    # id, sentences that must be there, sentences that must not
    ("AGPL-3.0-only", ("gnu affero general public license version 3",), ()),
    ("LGPL-3.0-only", ("gnu lesser general public license version 3",), ()),
    ("LGPL-2.1-only", ("gnu lesser general public license version 2.1",), ()),
    ("LGPL-2.0-only", ("gnu library general public license version 2",), ()),
    ("GPL-3.0-only", ("gnu general public license version 3 29 june 2007",), ()),
    ("GPL-2.0-only", ("gnu general public license version 2 june 1991",), ()),
    ("PSF-2.0", ("python software foundation license version 2",), ()),
    ("MPL-2.0", ("mozilla public license version 2.0", "covered software"), ()),
    ("MPL-1.1", ("mozilla public license version 1.1", "covered code"), ()),
    ("GFDL-1.3-only", ("gnu free documentation license version 1.3",), ()),
    ("GFDL-1.2-only", ("gnu free documentation license version 1.2",), ()),
    ("Artistic-2.0", ("the artistic license 2.0",), ()),
    ("EPL-2.0", ("eclipse public license v 2.0", "recipient s"), ()),
    ("Apache-2.0", ("apache license version 2.0 january 2004",), ()),
    ("BSL-1.0", ("boost software license version 1.0",), ()),
    ("CC0-1.0", ("cc0 1.0 universal",), ()),
    ("CC-BY-SA-4.0", ("creative commons attribution sharealike 4.0 international",), ()),
    ("CC-BY-4.0", ("creative commons attribution 4.0 international",), ("noncommercial", "noderivatives")),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",), ()),
    (
        "MIT",
        (
            "permission is hereby granted free of charge to any person obtaining a copy",
            "the above copyright notice and this permission notice",
        ),
        ("except as contained in this notice",),
    ),
    (
        "X11",
        ("permission is hereby granted free of charge to any person", "except as contained in this notice"),
        (),
    ),
    (
        "MIT-0",
        ("permission is hereby granted free of charge to any person obtaining a copy",),
        ("subject to",),
    ),
    ("BSD-4-Clause", ("redistribution and use in source and binary forms", "all advertising materials"), ()),
    (
        "BSD-3-Clause",
        ("redistribution and use in source and binary forms", "used to endorse or promote products"),
        (),
    ),
    (
        "BSD-2-Clause",
        (
            "redistribution and use in source and binary forms",
            "redistributions in binary form must reproduce the above copyright",
        ),
        ("endorse or promote",),
    ),
    (
        "ISC",
        (
            "distribute this software for any purpose with or without fee is hereby granted",
            "copyright notice and this permission notice appear in all copies",
        ),
        (),
    ),
    (
        "0BSD",
        ("distribute this software for any purpose with or without fee is hereby granted",),
        ("notice appear",),
    ),
    (
        "Zlib",
        ("provided as is without any express or implied warranty", "altered source versions must be"),
        (),
    ),
    ("WTFPL", ("do what the fuck you want to public license",), ()),
)

_NOTICES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    # What the top of a source file says when the licence itself stands elsewhere.
    ("Apache-2.0", ("licensed under the apache license version 2.0",), ()),
    ("Apache-2.0", ("licenses this file to you under the apache license version 2.0",), ()),
    ("MPL-2.0", ("subject to the terms of the mozilla public license v 2.0",), ()),
    ("PSF-2.0", ("licensed to psf under a contributor agreement",), ()),
)

_GNU = re.compile(
    r"terms of the gnu (affero |lesser |library )?general public license.{0,60}?version ([23](?:\.[01])?)"
    r"(.{0,60}?any later version)?"
)


def spdx_tag(text: str) -> str | None:
    """Return the expression of the first ``SPDX-License-Identifier:`` line of a header, if it is one.

    >>> spdx_tag("/* SPDX-License-Identifier: GPL-2.0+ OR MIT */")
    'GPL-2.0-or-later OR MIT'
    """
    found = _SPDX.search(text[:_HEAD])
    if not found:
        return None
    claimed = re.sub(r"(\*/|-->|\*\)|#\}|\"\"\"|''')?\s*$", "", found[1]).strip(" \t;*#/")
    claimed = re.sub(r"[A-Za-z0-9.+-]+", lambda m: _OLD_IDS.get(m[0], m[0]), claimed)
    try:
        return check_expression(claimed)
    except ValueError:
        return None


def recognise(text: str) -> str | None:
    """Return the SPDX id of the licence whose text this is, or None.

    >>> recognise("Boost Software License - Version 1.0 - August 17th, 2003")
    'BSL-1.0'
    """
    folded = _folded(text)
    return _match(folded, _TEXTS) or _match(folded, _NOTICES)


def header_licence(text: str) -> str | None:
    """Return the licence that a source file's top states: a tag, a notice, or a short licence in full."""
    tag = spdx_tag(text)
    if tag:
        return tag
    folded = _folded(text[:_HEAD])
    gnu = _GNU.search(folded)
    if gnu:
        family = {"affero ": "AGPL", "lesser ": "LGPL", "library ": "LGPL", None: "GPL"}[gnu[1]]
        version = gnu[2] if "." in gnu[2] else f"{gnu[2]}.0"
        return f"{family}-{version}-{'or-later' if gnu[3] else 'only'}"
    return _match(folded, _NOTICES) or _match(folded, _TEXTS)


def is_licence_file(name: str, extension_is_code: bool) -> bool:
    """Say whether a file name (without folders) is that of a licence file."""
    return not extension_is_code and LICENCE_FILE.match(name) is not None


def of_folder(texts: Mapping[str, str]) -> str | None:
    """Return the licence that a folder's licence files (name to text) state together.

    Files named after licences (``LICENSE-MIT``, ``LICENSE.APACHE``) are a choice between them. Else the first
    name that is recognised counts, but the LGPL wins over the GPL text that it refers to, and a ``NOTICE``
    comes last.
    """
    found = {name: licence for name in sorted(texts) if (licence := recognise(texts[name])) is not None}
    choice = {licence for name, licence in found.items() if _HINT.search(name)}
    if len(choice) > 1 and not any(licence.startswith("LGPL") for licence in choice):
        return " OR ".join(sorted(choice))

    def rank(name: str) -> tuple[bool, bool, str]:
        return name.lower().startswith(("notice", "copyright")), not found[name].startswith("LGPL"), name

    return found[min(found, key=rank)] if found else None


def nearest(path: str, folders: Mapping[str, str | None]) -> tuple[str | None, str]:
    """Return the licence of the nearest folder above a path that has licence files, and that folder.

    A nearer licence file that is not recognised wins over a recognised one further up: it governs, and
    what it says is unknown.
    """
    folder = posixpath.dirname(path)
    while True:
        if folder in folders:
            return folders[folder], folder
        if not folder:
            return None, ""
        folder = posixpath.dirname(folder)


def _folded(text: str) -> str:
    """Keep lower-case letters, digits and dots between digits; everything else is one space."""
    words = _FOLD.sub(" ", text.lower())
    return re.sub(r"\.(?!\d)|(?<!\d|v)\.", " ", words).replace("  ", " ")


def _match(folded: str, table: Iterable[tuple[str, tuple[str, ...], tuple[str, ...]]]) -> str | None:
    """Return the licence that begins first: a file that also quotes bundled licences begins with its own.

    Each text is judged by itself: from its first sentence to the next text with the same first sentence, and no
    further than the short licences reach.
    """
    best: tuple[int, str] | None = None
    for licence, needed, forbidden in table:
        at = folded.find(needed[0])
        while at >= 0 and (best is None or at < best[0]):
            after = folded.find(needed[0], at + 1)
            reach = folded[at : min(at + _REACH, after if after >= 0 else len(folded))]
            if all(part in reach for part in needed) and not any(part in reach for part in forbidden):
                best = (at, licence)
            at = after
    return best[1] if best else None
