"""Render the templates that carry prose, so that dropping the others leaves no hole in a sentence.

A wiki's templates are programs on that wiki and are not in its dump of articles; MediaWiki itself would need all
of them. A few hundred names, however, cover nearly all that stands *inside* sentences. Names are the English
Wikipedia's and those of other large ones; anything unknown is dropped. What would show a computed value that
cannot be had here (inflation, ages, population figures) leaves a ``HOLE``, and the parenthesis around it goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pile_curate.extract.wikitext_names import LANGUAGE_LABELS, LANGUAGES, Wiki
from pile_curate.extract.wikitext_tags import BREAK, GONE, HOLE, superscript
from pile_curate.extract.wikitext_units import convert, coordinates, date, density, height, number, value

_ASSIGN = re.compile(r"\s*([^=\n\x04]*?)\s*=")


class Args:
    """A template's arguments: ``args[1]`` is the first unnamed one, ``args["lc"]`` a named one, "" if absent."""

    def __init__(self, raw: list[str]) -> None:
        self._named: dict[str, str] = {}
        count = 0
        for part in raw:
            named = _ASSIGN.match(part) if "=" in part else None
            if named:
                self._named[named[1].lower()] = part[named.end() :].strip()
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


def _wrap(before: str, after: str, key: int = 1) -> Handler:
    return lambda a: f"{before}{a[key]}{after}" if a[key] else ""


def _constant(text: str) -> Handler:
    return lambda a: text


def _quote(a: Args) -> str:
    text = a.first("text", "quote", "zitat", "texte", "cita", 1)
    author = ", ".join(
        part for part in (a.first("author", "sign", "auteur", "autor", "person", 2), a.first("source", "title", 3)) if part
    )
    return f"\n\n{text}" + (f"\n\n— {author}" if author else "") + "\n\n" if text else GONE


def _items(a: Args) -> str:
    return "\n" + "".join(f"* {item}\n" for item in a.listed())


def _numbered(a: Args) -> str:
    return "\n" + "".join(f"# {item}\n" for item in a.listed())


def _as_of(a: Args) -> str:
    if a["alt"]:
        return a["alt"]
    lead = "since" if a["since"] else "as of"
    return f"{lead if a['lc'] else lead.capitalize()} {date(a[1], a[2], a[3], day_first=a['df'])}".rstrip()


def _nihongo(a: Args) -> str:
    inside = ", ".join(part for part in (a[2], a[3], a.first(4, "extra")) if part)
    if not a[1]:
        return inside
    return f"{a[1]} ({inside})" if inside else a[1]


def _nihongo3(a: Args) -> str:
    inside = ", ".join(part for part in (a[2], a[3]) if part)
    return f"{a[1]} ({inside})" if inside else a[1]


def _chinese(a: Args) -> str:
    labels = (("c", ""), ("s", ""), ("t", ""), ("p", "pinyin: "), ("w", "Wade–Giles: "), ("j", "Jyutping: "))
    parts = [label + a[key] for key, label in labels if a[key]]
    return "; ".join(dict.fromkeys(parts)) or a[1] or GONE


def _korean(a: Args) -> str:
    return "; ".join(part for part in (a.first("hangul", 1), a.first("hanja", 2), a.first("rr", 3)) if part) or GONE


_SOUND_WORDS = frozenset("lang local us uk uk also us also uklang uslang audio icon pron both en-us or".split())


def _english_sounds(a: Args) -> str:
    """Join ``{{IPAc-en|ˌ|æ|n|.|ər}}``; words in it are labels, and names of audio files come named."""
    sounds = [part for part in a.listed() if part.lower() not in _SOUND_WORDS and not part.endswith((".ogg", ".wav"))]
    joined = "".join(" " if part == "_" else part.replace(",_", ", ").replace("_", " ") for part in sounds)
    return f"/{joined}/" if joined else GONE


def _respell(a: Args) -> str:
    return "-".join(a.listed()).replace("-_-", " ").replace("-'-", "-") or GONE


def _foreign_sounds(a: Args) -> str:
    sounds = a[2] if a[1] in LANGUAGES and a[2] else a[1]
    return f"[{sounds}]" if sounds and not sounds.endswith((".ogg", ".wav")) else GONE


def _fraction(a: Args) -> str:
    parts = list(a.listed())
    if len(parts) == 1:
        return f"1/{parts[0]}"
    if len(parts) == 3:
        return f"{parts[0]} {parts[1]}/{parts[2]}"
    return "/".join(parts)


def _harvard(a: Args) -> tuple[str, str]:
    names = list(a.listed())
    if not names:
        return "", ""
    if len(names) == 1:
        return names[0], ""
    *authors, year = names
    if len(authors) > 3:
        return f"{authors[0]} et al.", year
    return (" & ".join([", ".join(authors[:-1]), authors[-1]]) if len(authors) > 1 else authors[0]), year


def _harvtxt(a: Args) -> str:
    authors, year = _harvard(a)
    return f"{authors} ({year})" if year else authors


def _harvnb(a: Args) -> str:
    return " ".join(part for part in _harvard(a) if part)


def _ship(a: Args) -> str:
    name = " ".join(part for part in (a[1], a[2]) if part)
    return f"{name} ({a[3]})" if a[3] and a[4] not in ("2", "3", "6") else name


def _prefixed_ship(prefix: str) -> Handler:
    def render(a: Args) -> str:
        label = a[3] or a["up"]
        return f"{a[1]}" if label == "2" else f"{prefix} {a[1]}" + (f" ({a[2]})" if a[2] and not label else "")

    return render


def _choose(a: Args) -> str:
    """``{{#if:test|then|else}}``."""
    return a[2] if a[1].strip(GONE + HOLE + " ") else a[3]


def _equal(a: Args) -> str:
    return a[3] if a[1] == a[2] else a[4]


def _circa(a: Args) -> str:
    return f"c. {a[1]}" + (f" – c. {a[2]}" if a[2] else "") if a[1] else "c."


def _years(prefix: str) -> Handler:
    def render(a: Args) -> str:
        return f"{prefix} {'–'.join(a.listed())}".rstrip()

    return render


def _verse(a: Args) -> str:
    return " ".join(part for part in (a[1], a[2]) if part)


def _century(a: Args) -> str:
    """French ``{{s-|XIX|e}}``."""
    return f"{a[1]}{a[2]} siècle"


def _superscript(a: Args) -> str:
    return superscript("x", a[1])


def _post_nominals(a: Args) -> str:
    return ", ".join(a.listed())


def _link_elsewhere(a: Args) -> str:
    return a.first("lt", "display", "texte", "trad", 1)


def _unichar(a: Args) -> str:
    try:
        sign = chr(int(a[1], 16))
    except (ValueError, OverflowError):
        return f"U+{a[1]}"
    return f"U+{a[1].upper()} {sign if sign.isprintable() else ''} {a[2]}".strip().replace("  ", " ")


_DATE = lambda a: date(a[1], a[2], a[3], day_first=a.first("df", "format") in ("y", "yes", "dmy"))  # noqa: E731

_HANDLERS: dict[str, Handler] = {}


def _define(names: str, handler: Handler) -> None:
    for name in names.split():
        _HANDLERS[name.replace("_", " ")] = handler


_define(
    "nowrap nobr nobreak nobold noitalic normal small smaller smalldiv big larger large sc smallcaps sc1 sc2 smcaps "
    "center midsize huge bold italic em strong underline u overline strike strikethrough vanchor visible_anchor abbr "
    "tooltip abbrlink abbreviation hover define mono monospace code codett tt kbd samp var mvar math unicode polytonic "
    "flag flagcountry flagu flag+link flagg country ipa ipa2 ipalink ipaslink lsj hebrew nastaliq urdu linktext "
    "script/hebrew script/arabic script/nastaliq not_a_typo as_written nihongo2 plainlist plain_list flatlist "
    "block_indent blockindent indent in5 columns-list comment поясн nobreak1 vr phrase abkürzung lang-mul серый "
    "proper_name allow_wrap longitem no_wrap no_break nowraplinks ordinal tq highlight mark",
    lambda a: a.first("text", 1),
)
_define("lang langue язык lang+ idioma script rtl-lang ltr-lang rtl ltr lang2 wikt-lang", lambda a: a[2] or a[1])
_define("transl transliteration tlit translit tr", lambda a: a.last())
_define("resize font_size fontsize", lambda a: a[2] or a[1])
_define("color colour font_color fontcolor coloured background_color bgcolor hover_title", lambda a: a.last())
_define("quote blockquote cquote quotation bquote rquote zitat citation_bloc cita cita_textual citazione", _quote)
_define("quote_without_source citat citaat цитата", _quote)
_define("unbulleted_list ubl ublist vunblist bulleted_list blist vlist", _items)
_define("ordered_list", _numbered)
_define("hlist inline_list", lambda a: ", ".join(a.listed()))
_define("pagelist enum", lambda a: ", ".join(a.listed()))
_define("convert cvt convert/spell", convert)
_define("val", value)
_define("unité unité/2 unidad unidade m unit einheit", lambda a: " ".join(p for p in (number(a[1]), a.first(2, "u", "ul")) if p))
_define("coord coor", coordinates)
_define("height", height)
_define("frac fraction sfrac tfrac bruch fractie", _fraction)
_define("as_of asof", _as_of)
_define(
    "birth_date death_date start_date end_date film_date release_date start-date birth-date death-date dts dtsh date "
    "birth_date_and_age death_date_and_age birth_date_and_given_age start_date_and_age date-",
    _DATE,
)
_define("nihongo nihongo_krt", _nihongo)
_define("nihongo3", _nihongo3)
_define("zh zh-full lang-zh", _chinese)
_define("korean", _korean)
_define("ipac-en ipac-us ipa-all ipac", _english_sounds)
_define("respell respelling pron-en usdict", _respell)
_define("angbr angle_bracket angbr_ipa angle", _wrap("⟨", "⟩"))
_define("harvtxt harvcoltxt", _harvtxt)
_define("harvnb harvp_text citeref harvard_citation_no_brackets", _harvnb)
_define("ship", _ship)
_define("sclass sclass- sclass2 sclass2-", lambda a: f"{a[1]}-class {a[2]}".strip())
_define("circa c. ca. ca c", _circa)
_define("floruit fl. fl", _years("fl."))
_define("reign r.", _years("r."))
_define("née nee", _wrap("née ", ""))
_define("bibleverse bibleref bibleref2 bible_verse bibleverse-nb bibel", _verse)
_define("cite_quran quran-usc qref", lambda a: f"Quran {a[1]}:{a[2]}".rstrip(":"))
_define("sup exp e+ smallsup", _superscript)
_define("su", lambda a: a["p"] + a["b"])
_define("sub", lambda a: a[1])
_define("e esp ×10^", lambda a: "×10" + superscript("0", a[1]))
_define("10^", lambda a: "10" + superscript("0", a[1]))
_define("pow", lambda a: a[1] + superscript(a[1], a[2]))
_define("sqrt radic", _wrap("√", ""))
_define("abs", _wrap("|", "|"))
_define("chem chem/link chemistry", lambda a: "".join(a.listed()))
_define("eqm eq", _constant(" ⇌ "))
for _element, _symbol in (("carbon", "C"), ("hydrogen", "H"), ("oxygen", "O"), ("nitrogen", "N")):
    _define(_element, _constant(_symbol))
_define("us_patent", _wrap("US patent ", ""))
_define("pop_density", density)
_define("chem2 ce", lambda a: a[1])
_define("simplenuclide simplenuclide2 simplenuclide_link nuclide nuclide2", lambda a: "-".join(p for p in (a[1].lower(), a[2]) if p))
_define("gaps", lambda a: " ".join(a.listed()))
_define("sic", lambda a: (" ".join(a.listed()) if a["hide"] or a["nolink"] else " ".join([*a.listed(), "[sic]"])) or "[sic]")
_define("formatnum: formatnum fmtn number nts ntsh nombre", lambda a: number(a[1]))
_define("lc: lcfirst:", lambda a: a[1].lower())
_define("uc:", lambda a: a[1].upper())
_define("ucfirst:", lambda a: a[1][:1].upper() + a[1][1:])
_define("#if:", _choose)
_define("#ifeq:", _equal)
_define("#iferror: #ifexist: #ifexpr: #switch: #expr: #time: plural: grammar: gender:", _constant(HOLE))
_define("marriage", lambda a: a[1])
_define("ill interlanguage_link ill2 interlanguage_link_multi link-interwiki iw lien нп нп1 нп2 нп3 нп4 нп5 не_переведено", _link_elsewhere)
_define("post-nominals postnominals post-nominal", _post_nominals)
_define("unichar", _unichar)
_define("url", lambda a: a[2] or a[1])
_define("sortname sort_name", lambda a: f"{a[1]} {a[2]}")
_define("sort hs", lambda a: a[2] if a[2] else "")
_define("hms", lambda a: ":".join(a.listed()))
_define("us$ usd", _wrap("US$", ""))
_define("gbp £", _wrap("£", ""))
_define("eur €", _wrap("€", ""))
_define("inr indian_rupee ₹ rupee", _wrap("₹", ""))
_define("inrconvert", lambda a: f"₹{a[1]} {dict(c='crore', l='lakh', b='billion', m='million').get(a[2], '')}".rstrip())
_define("railgauge track_gauge rail_gauge", lambda a: re.sub(r"(?<=\d)(?=mm|ft|in)", " ", a[1]))
_define("ruby ruby-ja furigana", lambda a: f"{a[1]} ({a[2]})" if a[2] else a[1])
_define("siècle s- s2- -s-", _century)
_define("1er", _constant("1er"))
_define("ier", _constant("Ier"))
_define("siglo", lambda a: f"siglo {a[1]}")
_define("heure", lambda a: f"{a[1]} h {a[2]}".rstrip())
_define("japonais japanisch", _nihongo)
_define("höhe", lambda a: f"{number(a[1])} m")
_define("oldstyledate", lambda a: f"{a[1]} {a[2]}".strip())
_define("isbn", _wrap("ISBN ", ""))
_define("keypress key button", lambda a: "+".join(a.listed()))
_define("interp bracket", _wrap("[", "]"))
_define("music", lambda a: {"sharp": "♯", "flat": "♭", "natural": "♮", "#": "♯", "b": "♭"}.get(a[1], a[1]))
_define("snd spaced_ndash snds spnd spaced_en_dash sndash", _constant(" – "))
_define("mdashb spaced_mdash snmd", _constant(" — "))
_define("ndash en_dash –", _constant("–"))
_define("mdash em_dash —", _constant("—"))
_define("nbsp space spaces thinsp hair_space hairsp thin_space quad nbs pad gap en_space em_space", _constant(" "))
_define("· dot middot bullet • sdot bull", _constant(" · "))
_define("pipe ! vert bar", _constant("|"))
_define("=", _constant("="))
_define("' apostrophe '-", _constant("'"))
_define("'s", _constant("'s"))
_define("' \" '\"", _constant("' \""))
_HANDLERS["' \""] = _HANDLERS['" \''] = _constant("'\"")
_HANDLERS['-"'] = _constant('"')
_define("ellipsis ... hellip", _constant("..."))
_define("pi", _constant("π"))
_define("okina ʻokina", _constant("ʻ"))
_define("ayin ain", _constant("ʿ"))
_define("hamza", _constant("ʾ"))
_define("prime", lambda a: f"{a[1]}′")
_define("asterisk *", _constant("*"))
_define("° degree deg", lambda a: f"{a[1]}°")
_define("1/2 half", _constant("1/2"))
_define("br break crlf", _constant(BREAK))
_define("end table_end", _constant("\n|}\n"))
_define("pb paragraph_break paragraph", _constant("\n\n"))
_define(
    "inflation inflation/year to_usd formatprice inflation/fn_value age age_in_years age_in_years_and_days age_in_days "
    "currentyear currentmonth currentmonthname currentday currenttime localyear localmonth years_or_months_ago "
    "numberofarticles number_of_articles time_ago "
    "metadata_population metadaten_einwohnerzahl ewz ewd ewr nachrichtenwert popul population/es population "
    "alter alterermitteln wetter us_population population_of",
    _constant(HOLE),
)
for _prefix in ("USS", "HMS", "SS", "MS", "RMS", "HMCS", "HMAS", "SMS", "MV", "USCGC", "USNS", "INS", "RFA", "ORP"):
    _HANDLERS[_prefix.lower()] = _prefixed_ship(_prefix)

_LANG_TEMPLATE = re.compile(r"lang-([a-z]{2,3}(?:-[a-z]+)?)")
_IPA_TEMPLATE = re.compile(r"ipa-([a-z]{2,3}(?:-[a-z]+)?)")
_GERMAN_LANG = re.compile(r"[a-z]{2,3}s")
_GERMAN_LANGS = frozenset(f"{code}s" for code in "ar bg cs da el en es et fa fi fr ga he hr hu it ja la lt lv nl no pl pt ro ru sk sl sr sv tr uk".split())


class Templates:
    """Render the known templates of one page."""

    def __init__(self, wiki: Wiki, title: str = "") -> None:
        self._wiki, self._title = wiki, title

    def known(self, name: str) -> bool:
        """Say whether a normalised name can be rendered."""
        if name in _HANDLERS or name in ("pagename", "subpagename", "fullpagename", "basepagename"):
            return True
        if name.startswith(("lang-", "ipa-")):
            return bool(_LANG_TEMPLATE.fullmatch(name) or _IPA_TEMPLATE.fullmatch(name))
        return self._wiki.language == "de" and name in _GERMAN_LANGS

    def render(self, name: str, raw: list[str]) -> str:
        """Return the text of a template; ``GONE`` where it has none."""
        if name.endswith("pagename"):
            return self._title
        args = Args(raw)
        handler = _HANDLERS.get(name)
        if handler is not None:
            return handler(args) or GONE
        if name.startswith("ipa-"):
            return _foreign_sounds(args)
        if name.startswith("lang-"):
            label = LANGUAGE_LABELS.get(name[5:], "") if self._wiki.language == "en" else ""
            text = args.first("text", 1)
            return f"{label}: {text}" if label and text and not args["label"] == "none" else text or GONE
        return args[1] or GONE
