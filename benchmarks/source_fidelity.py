"""Count the markup that extraction left in the text, per 1,000 words, and compare words with another converter's.

    python -m benchmarks.source_fidelity RECIPE [--input NAME=DIR ...] [--sources a,b] [--show N] [--recall]

Leftovers are looked for in every document of every source, after cleaning. Text that is meant is taken out first: fenced
and inline code, formulas (``$…$``, ``$$…$$``, TeX environments), the ``<nick>`` that opens a line of chat; for code
sources nothing is counted at all. Six kinds: TeX commands and braces; templates, tables and links of wikitext; tags;
entities; cue numbers and times; control codes. ``--show N`` prints the first N of each kind with what stands around them.

``--recall`` runs a converter that knows nothing of this project over files whose format it reads (pandoc for JATS,
EPUB, HTML, LaTeX and reStructuredText; pdftotext for PDF), takes its paragraphs of prose (twelve words or more, a
sentence's end; no table, caption or note), and says what share of their words (letters only, as a multiset) our text of the same file has.
For this, readers keep what they leave out by default (acknowledgements, a book's front matter).
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import tempfile
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.source_runs import Extracted, extract, recipe_of
from pile_curate.files import Tally
from pile_curate.recipe import Recipe
from pile_curate.sources import SOURCES
from pile_curate.sources.base import Raw

KINDS: dict[str, re.Pattern[str]] = {
    "tex": re.compile(r"\\[A-Za-z]{2,}|(?<![\w{])[{}](?![{}])"),
    "wiki": re.compile(r"\{\{|\}\}|\{\||\|\}|\[\[|\]\]|'''|^=+[^=\n]+=+$", re.M),
    "tags": re.compile(r"</?[A-Za-z][A-Za-z0-9:-]*(?:\s[^<>]*)?/?>|<!--"),
    "entities": re.compile(r"&(?:[A-Za-z]{2,8}|#\d{1,6}|#x[0-9A-Fa-f]{1,5});"),
    "cues": re.compile(r"\d\d:\d\d[,.]\d{3}|-->"),
    "controls": re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd]"),
}
"""What counts as leftover markup; headings of wikitext are kept as ``== … ==`` on purpose by no source."""

_MEANT = (
    re.compile(r"^(`{3,}|~{3,}).*?^\1[`~]*$", re.M | re.S),
    re.compile(r"`[^`\n]+`"),
    re.compile(r"\$\$.*?\$\$", re.S),
    re.compile(r"(?<![\\$])\$[^$]+\$"),
    re.compile(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.S),
    re.compile(r"\\\[.*?\\\]|\\\(.*?\\\)", re.S),
)
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_\u3040-\u30ff\u3400-\u9fff]+")
_TABLE = re.compile(r"\S {3,}\S|^\s*[-+|=]{4,}", re.M)
_RUBY = re.compile(rb"<(r[pt])\b[^>]*>.*?</\1>", re.S)
_NICK = re.compile(r"^<[^<>\n]{1,40}> ", re.M)
_SENTENCE = re.compile(r"[.!?…。][\"'”’)\]]*\s|[.!?…。][\"'”’)\]]*$")


def plain(text: str) -> str:
    """Return the text without what is meant to look like markup."""
    for pattern in _MEANT:
        text = pattern.sub(" ", text)
    return text


def leftovers(made: Extracted, show: int) -> tuple[int, dict[str, int]]:
    """Return words and leftovers by kind; print some."""
    words, found = 0, Counter[str]()
    code = not SOURCES[made.format].prose
    chat = made.format == "ubuntu_irc"
    for document in made.documents:
        text = plain(_NICK.sub("", document.text) if chat else document.text)
        words += len(text.split())
        for kind, pattern in KINDS.items() if not code else ():
            for match in pattern.finditer(text):
                if found[kind] < show:
                    around = text[max(0, match.start() - 30) : match.end() + 30]
                    print(f"    {made.name} {kind}: {document.key}: {around!r}")
                found[kind] += 1
    return words, dict(found)


Convert = Callable[[Raw, str], str]


def _pandoc(kind: str, suffix: str) -> Convert:
    def convert(raw: Raw, folder: str) -> str:
        path = Path(folder) / f"input{suffix}"
        path.write_bytes(raw.body)
        command = ["pandoc", "-f", kind, "-t", "plain", "--wrap=none", str(path)]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""

    return convert


def _pdftotext(raw: Raw, folder: str) -> str:
    path = Path(folder) / "input.pdf"
    path.write_bytes(raw.body)
    done = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, timeout=120, check=False)
    return done.stdout.decode("utf-8", "replace")


def words_of(text: str) -> list[str]:
    """Return words of letters alone; ideographs and kana one by one; subscripts and ligatures as plain letters."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def prose(text: str) -> Counter[str]:
    """Return the words of a converter's paragraphs of prose: twelve words and a sentence's end, no table, caption or note."""
    found = Counter[str]()
    for paragraph in re.split(r"\n\s*\n", text):
        words = words_of(paragraph)
        other = paragraph.lstrip().startswith(("[", "^(")) or _TABLE.search(paragraph)
        if len(words) >= 12 and _SENTENCE.search(paragraph) and not other:
            found.update(words)
    return found


def _book(raw: Raw, folder: str) -> str:
    """Hand a book to pandoc without its ruby annotations, which it would print into the middle of words."""
    path = Path(folder) / "plain.epub"
    with zipfile.ZipFile(io.BytesIO(raw.body)) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info, _RUBY.sub(b"", data) if info.filename.endswith((".xhtml", ".html")) else data)
    return _pandoc("epub", ".epub")(Raw(raw.rel, raw.record, path.read_bytes()), folder)


CONVERTERS: dict[str, tuple[str, Convert]] = {
    "pubmed_central": ("pandoc", _pandoc("jats", ".xml")),
    "epub": ("pandoc", _book),
    "html": ("pandoc", _pandoc("html", ".html")),
    "pdf": ("pdftotext", _pdftotext),
}
"""Format to the program that must be there and the function that calls it on one record."""


EVERYTHING = {"pubmed_central": {"captions": True, "back_matter": True}, "epub": {"front_matter": "keep"}}
"""Options under which a reader keeps what it leaves out by default, so that both converters have the same task."""


def recall(recipe: Recipe, name: str) -> tuple[int, float, float] | None:
    """Return files, the mean and the least share of the other converter's words; None where none reads the format."""
    settings = recipe.settings(name)
    program, convert = CONVERTERS.get(settings.format, ("", None))
    if convert is None or not shutil.which(program):
        return None
    fmt = SOURCES[settings.format]
    options = settings.options.model_copy(update=EVERYTHING.get(settings.format, {}))
    shares: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = fmt.discover(settings.root, settings.paths, options)
        for split in fmt.splits(files, options):
            for raw in fmt.frames(split, options, Tally()):
                if not isinstance(raw, Raw):
                    continue
                texts = [made.text for made in fmt.parse(raw, options) if hasattr(made, "text")]
                theirs = prose(convert(raw, folder)) if texts else Counter[str]()
                if sum(theirs.values()) < 50:
                    continue
                ours = Counter(words_of(" ".join(texts)))
                shares.append(((theirs & ours).total() / theirs.total(), theirs.total()))
    if not shares:
        return None
    whole = sum(size for _, size in shares)
    return len(shares), sum(share * size for share, size in shares) / whole, min(share for share, _ in shares)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--sources", help="only these, separated by commas")
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--recall", action="store_true")
    options = parser.parse_args()
    recipe = recipe_of(options.recipe, options.input)
    names = options.sources.split(",") if options.sources else list(recipe.names)
    print(
        f"{'source':18s} {'documents':>9s} {'words':>10s} {'per 1,000':>9s}  "
        + " ".join(f"{k:>8s}" for k in KINDS)
    )
    for name in names:
        made = extract(recipe, name)
        words, found = leftovers(made, options.show)
        rate = 1000 * sum(found.values()) / words if words else 0.0
        counts = " ".join(f"{found.get(kind, 0):8d}" for kind in KINDS)
        print(f"{name:18s} {len(made.documents):9d} {words:10d} {rate:9.3f}  {counts}", flush=True)
    if options.recall:
        print("\nsource             files   recall    least  beside")
        for name in names:
            if (known := recall(recipe, name)) is not None:
                program = CONVERTERS[recipe.settings(name).format][0]
                print(f"{name:18s} {known[0]:5d} {known[1]:8.4f} {known[2]:8.4f}  {program}", flush=True)


if __name__ == "__main__":
    main()
