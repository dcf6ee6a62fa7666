"""Hold the shortcut around ftfy against ftfy itself, on every document of a recipe: equal output, and the ratio.

    python -m benchmarks.clean_speed RECIPE [--input NAME=DIR ...] [--sources a,b]

Texts are those that the readers make, before cleaning. ``whole`` hands each to ``ftfy.fix_text`` as it is, ``lines`` only
the lines that ftfy could change (``pile_curate.clean``); CPU seconds of one core, each text in turn. A text whose two
results differ is named, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks.source_runs import recipe_of
from pile_curate import clean as cleaning
from pile_curate.clean import CleaningConfig
from pile_curate.files import Tally
from pile_curate.recipe import Recipe
from pile_curate.sources import SOURCES
from pile_curate.sources.base import Document, Raw


def texts(recipe: Recipe, name: str) -> Iterator[tuple[str, str]]:
    """Yield key and uncleaned text of every document, or part of a thread, of a source."""
    settings = recipe.settings(name)
    fmt = SOURCES[settings.format]
    files = fmt.discover(settings.root, settings.paths, settings.options)
    for split in fmt.splits(files, settings.options):
        for raw in fmt.frames(split, settings.options, Tally()):
            for outcome in fmt.parse(raw, settings.options) if isinstance(raw, Raw) else ():
                if isinstance(outcome, Document):
                    yield outcome.key, outcome.text.replace("\r\n", "\n").replace("\r", "\n")


def whole(text: str, config: CleaningConfig) -> str:
    """Hand a text to ftfy as it is, with the settings that ``clean`` uses."""
    from ftfy import fix_text

    unescape = config.unescape_html is True or (config.unescape_html == "auto" and "<" not in text)
    fixer = cleaning._fixer(unescape, config.latin_ligatures, config.character_width, config.straight_quotes)
    return fix_text(text, fixer)


def timed(work: Callable[[str, CleaningConfig], str], text: str, config: CleaningConfig) -> tuple[str, float]:
    """Return a result and its CPU seconds."""
    started = time.process_time()
    made = work(text, config)
    return made, time.process_time() - started


def main() -> int:
    """Print a line a source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--sources", help="only these, separated by commas")
    options = parser.parse_args()
    recipe = recipe_of(options.recipe, options.input)
    print(
        f"{'source':18s} {'texts':>7s} {'MB':>8s} {'equal':>7s} {'whole/s':>9s} {'lines/s':>9s} {'ratio':>6s}"
    )
    total = [0, 0, 0, 0.0, 0.0]
    for name in options.sources.split(",") if options.sources else recipe.names:
        config = recipe.settings(name).cleaning
        row = [0, 0, 0, 0.0, 0.0]
        for key, text in texts(recipe, name) if config.ftfy else ():
            theirs, slow = timed(whole, text, config)
            ours, fast = timed(cleaning._ftfy, text, config)
            if ours != theirs:
                print(f"  differs: {name} {key}")
            for index, value in enumerate(
                (1, len(text.encode("utf-8", "replace")), ours == theirs, slow, fast)
            ):
                row[index] += value
        if row[0]:
            print(line(name, row), flush=True)
        total = [a + b for a, b in zip(total, row, strict=True)]
    print(line("all", total))
    return 0 if total[0] == total[2] else 1


def line(name: str, row: list[float]) -> str:
    """Return one line of the table."""
    count, size, equal, slow, fast = row
    rates = f"{count / slow if slow else 0:9.0f} {count / fast if fast else 0:9.0f} {slow / fast if fast else 0:5.1f}x"
    return f"{name:18s} {count:7.0f} {size / 1e6:8.2f} {equal:7.0f} {rates}"


if __name__ == "__main__":
    sys.exit(main())
