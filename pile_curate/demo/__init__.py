"""Write the raw dumps of a mini-Pile: every component in its raw format, several languages, a broken record each.

The hand-written half lies in ``data/``: short pages, articles, questions, books, notes and programs, all of
them written for this project and under its licence. For bulk there is what every Python holds: the
standard library's source, and its ``pydoc`` pages as a web archive. Nothing is fetched. Names, dates and
contents are fixed, so that the same Python gives the same dumps, byte for byte.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

from pile_curate import __version__

_STAMP = ".complete.json"


MODULES = (
    "arxiv_dump", "biomed_dump", "books_dump", "discussion_dumps", "mail_dump", "pages_dump", "pdf_dump", "speech_dumps", "uspto_dump",
)  # fmt: skip
"""Modules whose ``dumps()`` returns relative path to bytes of hand-written dumps."""


def hand_written() -> dict[str, bytes]:
    """Return relative path to bytes of every dump whose text was written for this project, but the web archive."""
    from pile_curate.demo import dumps

    made = {**dumps.all_dumps(), **dumps.tree()}
    for name in MODULES:
        more: dict[str, bytes] = import_module(f"pile_curate.demo.{name}").dumps()
        if twice := made.keys() & more.keys():
            raise ValueError(f"{name} writes what another module writes: {', '.join(sorted(twice))}")
        made |= more
    return made


def build_demo(directory: Path) -> Path:
    """Write the dumps and the recipe below ``directory``, and return the recipe's path.

    Files that already hold what they should are left alone, so that a finished demo stays up to date;
    the pages of ``pydoc``, which take seconds to make, are not made again by the same Python and version.
    """
    from pile_curate.demo import dumps, stdlib, web

    directory.mkdir(parents=True, exist_ok=True)
    stamp = directory / _STAMP
    made_by = json.dumps({"python": sys.version, "pile_curate": __version__, "sources": stdlib.fingerprint()})
    if not stamp.exists() or stamp.read_text("utf-8") != made_by:
        dumps.put(directory / "pydoc" / "pydoc.warc.gz", stdlib.pydoc_warc())
    stdlib.copy_sources(directory / "python")
    dumps.put(directory / "web" / "pages.warc.gz", web.warc())
    for rel, data in hand_written().items():
        dumps.put(directory / rel, data)
    recipe = directory / "recipe.yaml"
    dumps.put(recipe, (Path(__file__).parent / "recipe.yaml").read_bytes())
    stamp.write_text(made_by, "utf-8")
    return recipe
