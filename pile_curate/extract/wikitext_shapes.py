"""Give the arguments of templates their shape in prose; ``wikitext_templates`` says which template has which.

Each function takes a template's arguments and returns what its reader would see, in words and not in layout.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pile_curate.extract.wikitext_names import LANGUAGES, names
from pile_curate.extract.wikitext_tags import GONE, HOLE, superscript
from pile_curate.extract.wikitext_units import date

_ASSIGN = re.compile(r"\s*+([^=\n\x04]*+)\s*+=")


class Args:
    """A template's arguments: ``args[1]`` is the first unnamed one, ``args["lc"]`` a named one, "" if absent."""

    def __init__(self, raw: list[str], language: str = "en") -> None:
        self.language = language
        self._named: dict[str, str] = {}
        count = 0
        for part in raw:
            named = _ASSIGN.match(part) if "=" in part else None
            if named:
                self._named[named[1].rstrip().lower()] = part[named.end() :].strip()
            else:
                count += 1
                self._named[str(count)] = part.strip()

    def __getitem__(self, key: int | str) -> str:
        return self._named.get(str(key), "")

    def first(self, *keys: int | str) -> str:
        """Return the first of these arguments that is not empty."""
        return next((self[key] for key in keys if self[key]), "")

    def listed(self, start: int = 1) -> Iterator[str]:
        """Yield the unnamed arguments from ``start`` on, those that are not empty."""
        key = start
        while str(key) in self._named:
            if self[key]:
                yield self[key]
            key += 1

    def last(self) -> str:
        """Return the last unnamed argument that is not empty."""
        *_, last = "", *self.listed()
        return last


Handler = Callable[[Args], str]


def wrap(before: str, after: str, key: int = 1) -> Handler:
    """Show argument ``key`` between two texts."""
    return lambda a: f"{before}{a[key]}{after}" if a[key] else ""


def constant(text: str) -> Handler:
    """Show the same text always."""
    return lambda a: text


def quote(a: Args) -> str:
    """Set a quotation and who said it apart."""
    text = a.first("text", "quote", "zitat", "texte", "cita", 1)
    author = ", ".join(
        part
        for part in (a.first("author", "sign", "auteur", "autor", "person", 2), a.first("source", "title", 3))
        if part
    )
    return f"\n\n{text}" + (f"\n\n— {author}" if author else "") + "\n\n" if text else GONE


def items(a: Args) -> str:
    """Show the arguments as a list."""
    return "\n" + "".join(f"* {item}\n" for item in a.listed())


def numbered(a: Args) -> str:
    """Show the arguments as a numbered list."""
    return "\n" + "".join(f"# {item}\n" for item in a.listed())


def as_of(a: Args) -> str:
    """Render ``{{as of|2010|5|lc=y}}``."""
    if a["alt"]:
        return a["alt"]
    lead = "since" if a["since"] else "as of"
    return f"{lead if a['lc'] else lead.capitalize()} {date(a[1], a[2], a[3], day_first=a['df'])}".rstrip()


def nihongo(a: Args) -> str:
    """Render ``{{nihongo|English|kanji|romaji}}``."""
    inside = ", ".join(part for part in (a[2], a[3], a.first(4, "extra")) if part)
    if not a[1]:
        return inside
    return f"{a[1]} ({inside})" if inside else a[1]


def nihongo3(a: Args) -> str:
    """Render ``{{nihongo3|romaji|English|kanji}}``."""
    inside = ", ".join(part for part in (a[2], a[3]) if part)
    return f"{a[1]} ({inside})" if inside else a[1]


def chinese(a: Args) -> str:
    """Render ``{{zh|s=…|t=…|p=…}}``."""
    labels = (("c", ""), ("s", ""), ("t", ""), ("p", "pinyin: "), ("w", "Wade–Giles: "), ("j", "Jyutping: "))
    parts = [label + a[key] for key, label in labels if a[key]]
    return "; ".join(dict.fromkeys(parts)) or a[1] or GONE


def korean(a: Args) -> str:
    """Render ``{{korean|hangul=…|rr=…}}``."""
    return (
        "; ".join(part for part in (a.first("hangul", 1), a.first("hanja", 2), a.first("rr", 3)) if part)
        or GONE
    )


_SOUND_WORDS = names("lang local us uk uk also us also uklang uslang audio icon pron both en-us or")


def english_sounds(a: Args) -> str:
    """Join ``{{IPAc-en|ˌ|æ|n|.|ər}}``; words in it are labels, and names of audio files come named."""
    sounds = [
        part
        for part in a.listed()
        if part.lower() not in _SOUND_WORDS and not part.endswith((".ogg", ".wav"))
    ]
    joined = "".join(" " if part == "_" else part.replace(",_", ", ").replace("_", " ") for part in sounds)
    return f"/{joined}/" if joined else GONE


def respell(a: Args) -> str:
    """Render ``{{respell|ASS|kee}}``."""
    return "-".join(a.listed()).replace("-_-", " ").replace("-'-", "-") or GONE


def foreign_sounds(a: Args) -> str:
    """Render ``{{IPA-fr|…}}``."""
    sounds = a[2] if a[1] in LANGUAGES and a[2] else a[1]
    return f"[{sounds}]" if sounds and not sounds.endswith((".ogg", ".wav")) else GONE


def fraction(a: Args) -> str:
    """Render ``{{frac|3|1|2}}`` as ``3 1/2``."""
    parts = list(a.listed())
    if len(parts) == 1:
        return f"1/{parts[0]}"
    if len(parts) == 3:
        return f"{parts[0]} {parts[1]}/{parts[2]}"
    return "/".join(parts)


def harvard(a: Args) -> tuple[str, str]:
    """Return authors and year of ``{{harv…|Smith|Jones|2001}}``."""
    names = list(a.listed())
    if not names:
        return "", ""
    if len(names) == 1:
        return names[0], ""
    *authors, year = names
    if len(authors) > 3:
        return f"{authors[0]} et al.", year
    return (" & ".join([", ".join(authors[:-1]), authors[-1]]) if len(authors) > 1 else authors[0]), year


def harvtxt(a: Args) -> str:
    """Render ``Smith (2001)``."""
    authors, year = harvard(a)
    return f"{authors} ({year})" if year else authors


def harvnb(a: Args) -> str:
    """Render ``Smith 2001``."""
    return " ".join(part for part in harvard(a) if part)


def ship(a: Args) -> str:
    """Render ``{{ship|prefix|name|number}}``."""
    name = " ".join(part for part in (a[1], a[2]) if part)
    return f"{name} ({a[3]})" if a[3] and a[4] not in ("2", "3", "6") else name


def prefixed_ship(prefix: str) -> Handler:
    """Render ``{{USS|name|number}}``."""

    def render(a: Args) -> str:
        label = a[3] or a["up"]
        return (
            f"{a[1]}" if label == "2" else f"{prefix} {a[1]}" + (f" ({a[2]})" if a[2] and not label else "")
        )

    return render


def choose(a: Args) -> str:
    """``{{#if:test|then|else}}``."""
    return a[2] if a[1].strip(GONE + HOLE + " ") else a[3]


def equal(a: Args) -> str:
    """``{{#ifeq:a|b|then|else}}``."""
    return a[3] if a[1] == a[2] else a[4]


def circa(a: Args) -> str:
    """Render ``{{circa|1850}}``."""
    return f"c. {a[1]}" + (f" – c. {a[2]}" if a[2] else "") if a[1] else "c."


def years(prefix: str) -> Handler:
    """Show years after an abbreviation."""

    def render(a: Args) -> str:
        return f"{prefix} {'–'.join(a.listed())}".rstrip()

    return render


def verse(a: Args) -> str:
    """Render ``{{bibleverse|Luke|2:1}}``."""
    return " ".join(part for part in (a[1], a[2]) if part)


def century(a: Args) -> str:
    """French ``{{s-|XIX|e}}``."""
    return f"{a[1]}{a[2]} siècle"


def raised(a: Args) -> str:
    """Render ``{{sup|2}}``."""
    return superscript("x", a[1])


def post_nominals(a: Args) -> str:
    """Render letters after a name."""
    return ", ".join(a.listed())


def link_elsewhere(a: Args) -> str:
    """Show the label of a link to another wiki."""
    return a.first("lt", "display", "texte", "fr", 1, "trad")


def unichar(a: Args) -> str:
    """Render ``{{unichar|20AC|EURO SIGN}}``."""
    try:
        sign = chr(int(a[1], 16))
    except (ValueError, OverflowError):
        return f"U+{a[1]}"
    return f"U+{a[1].upper()} {sign if sign.isprintable() else ''} {a[2]}".strip().replace("  ", " ")


def day(a: Args) -> str:
    """Render a template that shows a date."""
    return date(a[1], a[2], a[3], day_first=a.first("df", "format") in ("y", "yes", "dmy"))
