"""The licence recogniser, on short texts written after the distinctive sentences of each licence."""

from __future__ import annotations

import pytest

from pile_curate.sources.code_licence import (
    header_licence,
    is_licence_file,
    nearest,
    of_folder,
    recognise,
    spdx_tag,
)

PERMISSION = "Permission is hereby granted, free of charge, to any person obtaining a copy"
MIT = f"{PERMISSION} … subject to … The above copyright notice and this permission notice shall be included"
BSD = """Redistribution and use in source and binary forms … are permitted …
Redistributions in binary form must reproduce the above copyright notice …"""
TEXTS = {
    "MIT": MIT,
    "MIT-0": f"{PERMISSION} of this software, without restriction.",
    "X11": f"{MIT}. Except as contained in this notice, the name of X shall not be used.",
    "BSD-2-Clause": BSD,
    "BSD-3-Clause": BSD + "\n3. Neither the name … may be used to endorse or promote products derived from it.",
    "BSD-4-Clause": BSD + "\n3. All advertising materials mentioning it … used to endorse or promote products",
    "Apache-2.0": "                Apache License\n          Version 2.0, January 2004",
    "GPL-2.0-only": "GNU GENERAL PUBLIC LICENSE\n   Version 2, June 1991",
    "GPL-3.0-only": "GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007\n … GNU Affero General Public License …",
    "LGPL-2.1-only": "GNU LESSER GENERAL PUBLIC LICENSE\n Version 2.1, February 1999",
    "LGPL-3.0-only": "GNU LESSER GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007",
    "AGPL-3.0-only": "GNU AFFERO GENERAL PUBLIC LICENSE\n Version 3, 19 November 2007",
    "MPL-2.0": 'Mozilla Public License Version 2.0\n1.4. "Covered Software" … GNU Affero General Public License, Version 3.0',
    "ISC": "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is "
    "hereby granted, provided that the above copyright notice and this permission notice appear in all copies.",
    "0BSD": "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is "
    "hereby granted.",
    "Unlicense": "This is free and unencumbered software released into the public domain.",
    "CC0-1.0": "Creative Commons Legal Code\n\nCC0 1.0 Universal",
    "PSF-2.0": "A. HISTORY OF THE SOFTWARE\n … PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2\n-----",
    "BSL-1.0": "Boost Software License - Version 1.0 - August 17th, 2003",
    "Zlib": "This software is provided 'as-is', without any express or implied warranty … Altered source versions must "
    "be plainly marked",
}  # fmt: skip


@pytest.mark.parametrize("licence", TEXTS)
def test_short_texts(licence: str) -> None:
    assert recognise(TEXTS[licence]) == licence
    commented = "\n".join(f" *  {line}" for line in TEXTS[licence].upper().splitlines())
    assert recognise(f"/*\n{commented}\n */") == licence


@pytest.mark.parametrize(
    "text", ["", "All rights reserved.", "See the file COPYING.", "Version 2.0", "MIT", "licensed under BSD"]
)
def test_what_is_not_recognised_is_unknown(text: str) -> None:
    assert recognise(text) is None and header_licence(text) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("// SPDX-License-Identifier: MIT", "MIT"),
        ("/* SPDX-License-Identifier: (GPL-2.0+ OR BSD-2-Clause) */", "(GPL-2.0-or-later OR BSD-2-Clause)"),
        (
            "# SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note",
            "GPL-2.0-only WITH Linux-syscall-note",
        ),
        ("<!-- SPDX-License-Identifier: CC-BY-SA-4.0 -->", "CC-BY-SA-4.0"),
        ("dnl SPDX-License-Identifier: FSFAP", "FSFAP"),
        ("-- SPDX-License-Identifier: LicenseRef-Ours\r", "LicenseRef-Ours"),
        ('tag = "SPDX-License-Identifier: MIT"', None),
        ("# SPDX-License-Identifier: MIT OR", None),
        ("# SPDX-License-Identifier: <licence>", None),
        ("x\n" * 4000 + "# SPDX-License-Identifier: MIT", None),
    ],
)
def test_spdx_tags(line: str, expected: str | None) -> None:
    assert spdx_tag(line) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("# Licensed under the Apache License, Version 2.0 (the \"License\");", "Apache-2.0"),
        ("# The ASF licenses this file to You under the Apache License, Version 2.0", "Apache-2.0"),
        ("/* you can redistribute it and/or modify it under the terms of the GNU General Public License as published\n"
         " * by the Free Software Foundation; either version 2 of the License, or (at your option) any later version.",
         "GPL-2.0-or-later"),
        ("# under the terms of the GNU Lesser General Public License, version 2.1, as published by", "LGPL-2.1-only"),
        ("# the terms of the GNU Affero General Public License as published by the Free Software Foundation, either "
         "version 3 of the License, or (at your option) any later version.", "AGPL-3.0-or-later"),
        ("// This Source Code Form is subject to the terms of the Mozilla Public License, v. 2.0.", "MPL-2.0"),
        ("# Licensed to PSF under a Contributor Agreement.", "PSF-2.0"),
        ("# SPDX-License-Identifier: MIT\n# Licensed under the Apache License, Version 2.0", "MIT"),
    ],
)  # fmt: skip
def test_headers(header: str, expected: str) -> None:
    assert header_licence(header) == expected


def test_folders() -> None:
    assert of_folder({"LICENSE-MIT": MIT, "LICENSE-APACHE": TEXTS["Apache-2.0"]}) == "Apache-2.0 OR MIT"
    assert (
        of_folder({"COPYING": TEXTS["GPL-3.0-only"], "COPYING.LESSER": TEXTS["LGPL-3.0-only"]})
        == "LGPL-3.0-only"
    )
    assert of_folder({"LICENSE": MIT, "NOTICE": TEXTS["Apache-2.0"]}) == "MIT"
    assert of_folder({"NOTICE": TEXTS["Apache-2.0"]}) == "Apache-2.0"
    assert of_folder({"LICENSE": BSD + "\n\nThe bundled parts:\n" + TEXTS["PSF-2.0"]}) == "BSD-2-Clause"
    assert of_folder({"LICENSE": "mine"}) is None and of_folder({}) is None


def test_nearest_and_names() -> None:
    folders = {"": "MIT", "a/b": None}
    assert nearest("a/x.py", folders) == ("MIT", "") and nearest("a/b/c/x.py", folders) == (None, "a/b")
    assert nearest("x.py", {}) == (None, "")
    for name in ("LICENSE", "LICENCE.txt", "COPYING.LESSER", "UNLICENSE", "NOTICE", "LICENSE-MIT", "Copying"):
        assert is_licence_file(name, False), name
    assert not is_licence_file("license.py", True) and not is_licence_file("relicense.txt", False)


def test_bundled_licences_do_not_change_what_the_own_licence_is() -> None:
    bundled = f"\n\n- tool, at deps/tool:\n\n{TEXTS['X11']}\n\n- other:\n\n{TEXTS['BSD-3-Clause']}"
    assert recognise(f"X is licensed for use as follows:\n\n{MIT}{bundled}") == "MIT"
    assert recognise(f"{BSD}\n\n{TEXTS['BSD-4-Clause']}") == "BSD-2-Clause"
    assert recognise(f"{TEXTS['X11']}\n\n{MIT}") == "X11"
    far = f"{MIT}{' as it is' * 400} EXCEPT AS CONTAINED IN THIS NOTICE"
    assert recognise(far) == "MIT"
