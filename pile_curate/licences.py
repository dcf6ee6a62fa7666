"""Judge SPDX licence expressions: which of them a corpus may hold (SPDX 2.3, annex D).

``PERMISSIVE`` is what the option ``licences: permissive`` keeps: public domain, and licences that ask for no more than
attribution and notice. Share-alike, non-commercial and no-derivatives licences, copyleft, unknown ones
(``NOASSERTION``, ``LicenseRef-unknown``) and those that are merely readable in public are not among them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

PERMISSIVE = frozenset(
    """
    0BSD AFL-3.0 Apache-1.1 Apache-2.0 Artistic-2.0 BlueOak-1.0.0 BSD-1-Clause BSD-2-Clause BSD-2-Clause-Patent
    BSD-3-Clause BSD-3-Clause-Clear BSD-4-Clause BSL-1.0 CC-BY-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-PDDC
    CC-PDM-1.0 CC0-1.0 CDLA-Permissive-2.0 ECL-2.0 ISC MIT MIT-0 MS-PL NCSA ODC-By-1.0 OpenSSL PDDL-1.0 PostgreSQL
    PSF-2.0 Python-2.0 Unicode-3.0 Unlicense UPL-1.0 Vim W3C WTFPL X11 Zlib ZPL-2.1
    LicenseRef-CC-BY LicenseRef-public-domain LicenseRef-public-domain-US LicenseRef-US-government-work
    """.split()
)
"""Licences without conditions on what is made of the text, apart from attribution and notice."""

_TOKEN = re.compile(r"\(|\)|[^\s()]+")
_PORT = re.compile(r"^(?:LicenseRef-)?(CC-BY(?:-SA)?-\d\.\d)-[A-Z]{2,6}$")
_BINDS = {"OR": 1, "AND": 2}


@lru_cache(maxsize=65536)
def allows(expression: str, allowed: frozenset[str]) -> bool:
    """Say whether an expression can be met by allowed licences alone: every part of an AND, one part of an OR.

    ``X+`` and an exception (``WITH``) count as their licence: both only grant more. A port of Creative Commons to a
    country's law counts as the licence that it ports. What is no expression is not allowed.

    >>> allows("GPL-3.0-only OR MIT", PERMISSIVE), allows("CC-BY-SA-4.0 AND MIT", PERMISSIVE)
    (True, False)
    """
    values: list[bool] = []
    operators: list[str] = []

    def reduce(least: int) -> None:
        while operators and operators[-1] != "(" and _BINDS[operators[-1]] >= least:
            operator, right = operators.pop(), values.pop()
            left = values.pop()
            values.append(left and right if operator == "AND" else left or right)

    skip = False
    try:
        for token in _TOKEN.findall(expression):
            if skip:
                skip = False
            elif token == "(":
                operators.append(token)
            elif token == ")":
                reduce(0)
                operators.pop()
            elif token in _BINDS:
                reduce(_BINDS[token])
                operators.append(token)
            elif token == "WITH":
                skip = True
            else:
                plain = _PORT.sub(r"\1", token.removesuffix("+"))
                values.append(token in allowed or plain in allowed)
        reduce(0)
    except IndexError:
        return False
    return len(values) == 1 and not operators and values[0]


def allowed_set(choice: str | Collection[str]) -> frozenset[str] | None:
    """Return the licences that a recipe's ``licences`` allows; None for ``any``."""
    if choice == "any":
        return None
    return PERMISSIVE if choice == "permissive" else frozenset(choice)
