"""Which licence an address or a sentence names."""

from __future__ import annotations

import time

import pytest

from pile_curate.licence_urls import spdx_of_text, spdx_of_url
from pile_curate.spdx import check_expression


@pytest.mark.parametrize(
    ("url", "spdx"),
    [
        ("http://creativecommons.org/licenses/by/2.0", "CC-BY-2.0"),
        ("https://creativecommons.org/licenses/by/4.0/).", "CC-BY-4.0"),
        ("http:// creativecommons.org/ licenses/ by-nc-sa/3.0/", "CC-BY-NC-SA-3.0"),
        ("https://creativecommons.org/licences/byncnd/4.0", "CC-BY-NC-ND-4.0"),
        ("https://creativecommons.org/license/by_nc/4.0/", "CC-BY-NC-4.0"),
        ("http://creativecommons.org/licenses/by-nd-nc/1.0/", "CC-BY-NC-ND-1.0"),
        ("http://creativecommons.org/licenses/by/4.0/legalcode", "CC-BY-4.0"),
        ("http://creativecommons.org/licenses/by/3.0/igo/legalcode", "CC-BY-3.0-IGO"),
        ("http://creativecommons.org/licenses/by-sa/3.0/de/deed.de", "CC-BY-SA-3.0-DE"),
        ("http://creativecommons.org/licenses/by-nc/2.0/uk/", "LicenseRef-CC-BY-NC-2.0-UK"),
        ("https://creativecommons.org/licenses/by/4", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/", "LicenseRef-CC-BY"),
        ("https://creativecommons.org/licenses/by/9.9/", "LicenseRef-CC-BY-9.9"),
        ("http://creativecommons.org/publicdomain/mark/1.0/", "CC-PDM-1.0"),
        ("http://creativecommons.org/licenses/publicdomain/", "CC-PDDC"),
        ("https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/", "OGL-UK-3.0"),
        ("https://www.apache.org/licenses/LICENSE-2.0.txt", "Apache-2.0"),
        ("https://spdx.org/licenses/MPL-2.0.html", "MPL-2.0"),
        ("https://www.gnu.org/licenses/fdl-1.3.html", "GFDL-1.3-or-later"),
        ("https://example.org/terms", None),
        ("", None),
    ],
)
def test_addresses(url: str, spdx: str | None) -> None:
    assert spdx_of_url(url) == spdx
    assert spdx is None or check_expression(spdx) == spdx


@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        ("under the Creative Commons Attribution Non-Commercial License (http://creativecommons.org/licenses/by-nc/3.0)", "CC-BY-NC-3.0"),
        ("the Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International License", "CC-BY-NC-ND-4.0"),
        ("a Creative Commons Attribution 3.0 Unported licence", "CC-BY-3.0"),
        ("This is an open access article under the CC BY-NC-ND license.", "LicenseRef-CC-BY-NC-ND"),
        ("(CC BY 4.0)", "CC-BY-4.0"),
        ("Dedicated under CC0 1.0", "CC0-1.0"),
        ("CC BY 4.0; a Public Domain Dedication waiver (http://creativecommons.org/publicdomain/zero/1.0/) for data", "CC-BY-4.0"),
        ("All rights reserved. No part may be copied.", None),
    ],
)  # fmt: skip
def test_sentences(text: str, spdx: str | None) -> None:
    assert spdx_of_text(text) == spdx


def test_long_rubbish_is_read_in_linear_time() -> None:
    begin = time.process_time()
    for piece in (
        "creativecommons.org/licenses/by-",
        "Creative Commons Attribution ",
        "CC BY ",
        "CC BY-NC-",
        "by-nc-" * 3,
    ):
        spdx_of_text(piece * 20_000)
        spdx_of_url(piece * 20_000)
    assert time.process_time() - begin < 1
