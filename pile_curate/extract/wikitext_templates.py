"""Render the templates that carry prose, so that dropping the others leaves no hole in a sentence.

A wiki's templates are programs on that wiki and are not in its dump of articles; MediaWiki itself would need all
of them. A few hundred names, however, cover nearly all that stands *inside* sentences. Names are the English
Wikipedia's and those of other large ones; anything unknown is dropped. What would show a computed value that
cannot be had here (inflation, ages, population figures) leaves a ``HOLE``, and the parenthesis around it goes.
"""

from __future__ import annotations

import re

from pile_curate.extract import wikitext_shapes as s
from pile_curate.extract.wikitext_names import LANGUAGE_LABELS, Wiki, names
from pile_curate.extract.wikitext_shapes import Args, Handler
from pile_curate.extract.wikitext_tags import BREAK, GONE, HOLE, superscript
from pile_curate.extract.wikitext_units import convert, coordinates, density, height, number, value

_HANDLERS: dict[str, Handler] = {}


def _define(names: str, handler: Handler) -> None:
    for name in names.split():
        _HANDLERS[name.replace("_", " ")] = handler


_define(
    "nowrap nobr nobreak nobold noitalic normal small smaller smalldiv big larger large sc smallcaps sc1 sc2 smcaps "
    "center midsize huge bold italic em strong underline u overline strike strikethrough vanchor visible_anchor abbr "
    "tooltip abbrlink abbreviation hover define mono monospace code codett tt kbd samp var mvar math unicode polytonic "
    "nq flag flagcountry flagu flag+link flagg country ipa ipa2 ipalink ipaslink lsj hebrew nastaliq urdu linktext "
    "script/hebrew script/arabic script/nastaliq not_a_typo as_written nihongo2 plainlist plain_list flatlist "
    "block_indent blockindent indent in5 columns-list comment поясн nobreak1 vr phrase abkürzung lang-mul серый "
    "proper_name allow_wrap longitem no_wrap no_break nowraplinks ordinal tq highlight mark",
    lambda a: a.first("text", 1),
)
_define(
    "lang langue язык lang+ idioma script rtl-lang ltr-lang rtl ltr lang2 wikt-lang", lambda a: a[2] or a[1]
)
_define("transl transliteration tlit translit tr", lambda a: a.last())
_define("resize font_size fontsize", lambda a: a[2] or a[1])
_define("color colour font_color fontcolor coloured background_color bgcolor hover_title", lambda a: a.last())
_define(
    "quote blockquote cquote quotation bquote rquote zitat citation_bloc cita cita_textual citazione", s.quote
)
_define("quote_without_source citat citaat цитата", s.quote)
_define("unbulleted_list ubl ublist vunblist bulleted_list blist vlist", s.items)
_define("ordered_list", s.numbered)
_define("hlist inline_list", lambda a: ", ".join(a.listed()))
_define("pagelist enum", lambda a: ", ".join(a.listed()))
_define("convert cvt convert/spell", convert)
_define("val", value)
_define(
    "unité unité/2 unidad unidade m unit einheit",
    lambda a: " ".join(p for p in (number(a[1], a.language), a.first(2, "u", "ul")) if p),
)
_define("coord coor", coordinates)
_define("height", height)
_define("frac fraction sfrac tfrac bruch fractie", s.fraction)
_define("as_of asof", s.as_of)
_define(
    "birth_date death_date start_date end_date film_date release_date start-date birth-date death-date dts dtsh date "
    "birth_date_and_age death_date_and_age birth_date_and_given_age start_date_and_age date-",
    s.day,
)
_define("nihongo nihongo_krt", s.nihongo)
_define("nihongo3", s.nihongo3)
_define("zh zh-full lang-zh", s.chinese)
_define("korean", s.korean)
_define("ipac-en ipac-us ipa-all ipac", s.english_sounds)
_define("respell respelling pron-en usdict", s.respell)
_define("angbr angle_bracket angbr_ipa angle", s.wrap("⟨", "⟩"))
_define("harvtxt harvcoltxt", s.harvtxt)
_define("harvnb harvp_text citeref harvard_citation_no_brackets", s.harvnb)
_define("ship", s.ship)
_define("sclass sclass- sclass2 sclass2-", lambda a: f"{a[1]}-class {a[2]}".strip())
_define("circa c. ca. ca c", s.circa)
_define("floruit fl. fl", s.years("fl."))
_define("reign r.", s.years("r."))
_define("née nee", s.wrap("née ", ""))
_define("bibleverse bibleref bibleref2 bible_verse bibleverse-nb bibel", s.verse)
_define("cite_quran quran-usc qref", lambda a: f"Quran {a[1]}:{a[2]}".rstrip(":"))
_define("sup exp e+ smallsup", s.raised)
_define("su", lambda a: a["p"] + a["b"])
_define("sub", lambda a: a[1])
_define("e esp ×10^", lambda a: "×10" + superscript("0", a[1]))
_define("10^", lambda a: "10" + superscript("0", a[1]))
_define("pow", lambda a: a[1] + superscript(a[1], a[2]))
_define("sqrt radic", s.wrap("√", ""))
_define("abs", s.wrap("|", "|"))
_define("chem chem/link chemistry", lambda a: "".join(a.listed()))
_define("eqm eq", s.constant(" ⇌ "))
for _element, _symbol in (("carbon", "C"), ("hydrogen", "H"), ("oxygen", "O"), ("nitrogen", "N")):
    _define(_element, s.constant(_symbol))
_define("us_patent", s.wrap("US patent ", ""))
_define("pop_density", density)
_define("chem2 ce", lambda a: a[1])
_define(
    "simplenuclide simplenuclide2 simplenuclide_link nuclide nuclide2",
    lambda a: "-".join(p for p in (a[1].lower(), a[2]) if p),
)
_define("gaps", lambda a: " ".join(a.listed()))
_define(
    "sic",
    lambda a: (
        (" ".join(a.listed()) if a["hide"] or a["nolink"] else " ".join([*a.listed(), "[sic]"])) or "[sic]"
    ),
)
_define("formatnum: formatnum fmtn number nts ntsh nombre", lambda a: number(a[1], a.language))
_define("format_price formatprice", lambda a: HOLE if HOLE in a[1] else number(a[1], a.language))
_define("lc: lcfirst:", lambda a: a[1].lower())
_define("uc:", lambda a: a[1].upper())
_define("ucfirst:", lambda a: a[1][:1].upper() + a[1][1:])
_define("#if:", s.choose)
_define("#ifeq:", s.equal)
_define("#iferror: #ifexist: #ifexpr: #switch: #expr: #time: plural: grammar: gender:", s.constant(HOLE))
_define("marriage", lambda a: a[1])
_define(
    "ill interlanguage_link ill2 interlanguage_link_multi link-interwiki iw lien нп нп1 нп2 нп3 нп4 нп5 не_переведено",
    s.link_elsewhere,
)
_define("post-nominals postnominals post-nominal", s.post_nominals)
_define("unichar", s.unichar)
_define("url", lambda a: a[2] or a[1])
_define("sortname sort_name", lambda a: f"{a[1]} {a[2]}")
_define("sort hs", lambda a: a[2] if a[2] else "")
_define("hms", lambda a: ":".join(a.listed()))
_define("us$ usd", s.wrap("US$", ""))
_define("gbp £", s.wrap("£", ""))
_define("eur €", s.wrap("€", ""))
_define("inr indian_rupee ₹ rupee", s.wrap("₹", ""))
_define(
    "inrconvert",
    lambda a: f"₹{a[1]} {dict(c='crore', l='lakh', b='billion', m='million').get(a[2], '')}".rstrip(),
)
_define("railgauge track_gauge rail_gauge", lambda a: re.sub(r"(?<=\d)(?=mm|ft|in)", " ", a[1]))
_define("ruby ruby-ja furigana", lambda a: f"{a[1]} ({a[2]})" if a[2] else a[1])
_define("siècle s- s2- -s-", s.century)
_define("1er", s.constant("1er"))
_define("ier", s.constant("Ier"))
_define("siglo", lambda a: f"siglo {a[1]}")
_define("heure", lambda a: f"{a[1]} h {a[2]}".rstrip())
_define("japonais japanisch", s.nihongo)
_define("höhe", lambda a: f"{number(a[1], a.language)} m")
_define("oldstyledate", lambda a: f"{a[1]} {a[2]}".strip())
_define("isbn", s.wrap("ISBN ", ""))
_define("keypress key button", lambda a: "+".join(a.listed()))
_define("interp bracket", s.wrap("[", "]"))
_define("music", lambda a: {"sharp": "♯", "flat": "♭", "natural": "♮", "#": "♯", "b": "♭"}.get(a[1], a[1]))
_define("snd spaced_ndash snds spnd spaced_en_dash sndash", s.constant(" – "))
_define("mdashb spaced_mdash snmd", s.constant(" — "))
_define("ndash en_dash –", s.constant("–"))
_define("mdash em_dash —", s.constant("—"))
_define(
    "nbsp space spaces thinsp hair_space hairsp thin_space quad nbs pad gap en_space em_space",
    s.constant(" "),
)
_define("· dot middot bullet • sdot bull", s.constant(" · "))
_define("pipe ! vert bar", s.constant("|"))
_define("=", s.constant("="))
_define("' apostrophe '-", s.constant("'"))
_define("'s", s.constant("'s"))
_define("' \" '\"", s.constant("' \""))
_HANDLERS["' \""] = _HANDLERS["\" '"] = s.constant("'\"")
_HANDLERS['-"'] = s.constant('"')
_define("ellipsis ... hellip", s.constant("..."))
_define("pi", s.constant("π"))
_define("okina ʻokina", s.constant("ʻ"))
_define("ayin ain", s.constant("ʿ"))
_define("hamza", s.constant("ʾ"))
_define("prime", lambda a: f"{a[1]}′")
_define("asterisk *", s.constant("*"))
_define("° degree deg", lambda a: f"{a[1]}°")
_define("1/2 half", s.constant("1/2"))
_define("br break crlf", s.constant(BREAK))
_define("end table_end", s.constant("\n|}\n"))
_define("pb paragraph_break paragraph", s.constant("\n\n"))
_define(
    "inflation inflation/year to_usd inflation/fn_value age age_in_years age_in_years_and_days age_in_days "
    "currentyear currentmonth currentmonthname currentday currenttime localyear localmonth years_or_months_ago "
    "numberofarticles number_of_articles time_ago "
    "metadata_population metadaten_einwohnerzahl ewz ewd ewr nachrichtenwert popul population/es population "
    "alter alterermitteln wetter us_population population_of",
    s.constant(HOLE),
)
for _prefix in names("USS HMS SS MS RMS HMCS HMAS SMS MV USCGC USNS INS RFA ORP"):
    _HANDLERS[_prefix.lower()] = s.prefixed_ship(_prefix)

_LANG_TEMPLATE = re.compile(r"lang-([a-z]{2,3}(?:-[a-z]+)?)")
_IPA_TEMPLATE = re.compile(r"ipa-([a-z]{2,3}(?:-[a-z]+)?)")
_GERMAN_LANGS = names(
    "ars bgs css das els ens ess ets fas fis frs gas hes hrs hus its jas las lts lvs nls nos pls pts ros "
    "rus sks sls srs svs trs uks"
)
"""German ``{{enS|word}}``, a word in English."""


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
        args = Args(raw, self._wiki.language)
        handler = _HANDLERS.get(name)
        if handler is not None:
            return handler(args) or GONE
        if name.startswith("ipa-"):
            return s.foreign_sounds(args)
        if name.startswith("lang-"):
            label = LANGUAGE_LABELS.get(name[5:], "") if self._wiki.language == "en" else ""
            text = args.first("text", 1)
            return f"{label}: {text}" if label and text and args["label"] != "none" else text or GONE
        return args[1] or GONE
