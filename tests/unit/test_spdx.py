"""Licence expressions: the grammar, and the slips of common ids."""

from __future__ import annotations

import pytest

from pile_curate.spdx import KNOWN, check_expression


@pytest.mark.parametrize(
    "text",
    [
        "MIT", "Apache-2.0+", "CC-BY-SA-2.1-JP", "BSD-3-Clause-LBNL", "GPL-2.0-or-later WITH Classpath-exception-2.0",
        "MIT OR (Apache-2.0 AND CC-BY-4.0)", "LicenseRef-public-domain-US", "DocumentRef-x:LicenseRef-y", "NOASSERTION",
        *sorted(KNOWN),
    ],
)  # fmt: skip
def test_well_formed_expressions_pass_unchanged(text: str) -> None:
    assert check_expression(text) == text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("MIT License", "MIT"), ("Apache2", "Apache-2.0"), ("Apache License 2.0", "Apache-2.0"), ("apache-2.0", "Apache-2.0"),
        ("CC-BY-SA-4", "CC-BY-SA-4.0"), ("CC BY-SA 4.0", "CC-BY-SA-4.0"), ("CC-BY-SA 3.0", "CC-BY-SA-3.0"),
        ("GPLv3", "GPL-3.0-only"), ("BSD", "BSD-3-Clause"), ("unknown", "NOASSERTION"),
        ("public domain", "LicenseRef-public-domain"), ("MIT OR Apche-2.0", "Apache-2.0"), ("LicenceRef-x", "LicenseRef-NAME"),
    ],
)  # fmt: skip
def test_slips_are_answered_with_what_was_meant(text: str, meant: str) -> None:
    with pytest.raises(ValueError, match=meant.replace(".", r"\.")):
        check_expression(text)


@pytest.mark.parametrize(
    "text", ["", " ", "(MIT", "MIT)", "MIT AND", "AND MIT", "MIT OR OR X11", "M!T", "()", "A B"]
)
def test_malformed_expressions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="SPDX"):
        check_expression(text)
