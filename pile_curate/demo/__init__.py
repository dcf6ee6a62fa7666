"""Write the raw dumps of a mini-Pile: the six formats, several languages, and one broken record each.

The hand-written half lies in ``data/``: short pages, articles, questions, books, notes and programs, all of
them written for this project and under its licence. For bulk there is what every Python holds: the
standard library's source, and its ``pydoc`` pages as a web archive. Nothing is fetched. Names, dates and
contents are fixed, so that the same Python gives the same dumps, byte for byte.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pile_curate import __version__

_STAMP = ".complete.json"


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
    for rel, data in {**dumps.all_dumps(), **dumps.tree()}.items():
        dumps.put(directory / rel, data)
    recipe = directory / "recipe.yaml"
    dumps.put(recipe, (Path(__file__).parent / "recipe.yaml").read_bytes())
    stamp.write_text(made_by, "utf-8")
    return recipe
