"""Say what each known command of LaTeX, plain TeX and AMS-TeX does to the text: one small function each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pile_curate.extract import latex_files as files
from pile_curate.extract import latex_front as front
from pile_curate.extract import latex_references as references
from pile_curate.extract import latex_tables as tables
from pile_curate.extract.latex_accents import greek
from pile_curate.extract.latex_blocks import GONE, HARD
from pile_curate.extract.latex_environments import begin, discard, end, start_document
from pile_curate.extract.latex_macros import Macro
from pile_curate.extract.latex_math import inline
from pile_curate.extract.latex_stack import plain
from pile_curate.extract.latex_tokens import PAR, RAW

if TYPE_CHECKING:
    from pile_curate.extract.latex_text import Renderer

Handler = Callable[["Renderer", str], None]


def _text_argument(prefix: str = "", suffix: str = "", skip: str = "") -> Handler:
    def handler(r: Renderer, token: str) -> None:
        if skip:
            r.drop(skip)
        if prefix or suffix:
            r.capture_argument(lambda text: r.out.append(f"{prefix}{text}{suffix}"))

    return handler


def _forget(skip: str) -> Handler:
    """Return what passes over arguments and forgets one more."""

    def handler(r: Renderer, token: str) -> None:
        r.drop(skip)
        r.capture_argument(discard)

    return handler


def _diagram(r: Renderer, token: str) -> None:
    r"""Drop ``\xymatrix@C=1em{…}``."""
    r.until(("{",))
    r.group()


def _url(r: Renderer, token: str) -> None:
    r.skip_space()


def _hyperref(r: Renderer, token: str) -> None:
    if r.optional() is None:
        r.drop("mmm")


def _foreign(r: Renderer, token: str) -> None:
    if "greek" in r.words():
        _greek(r, token)


def _greek(r: Renderer, token: str) -> None:
    r.capture_argument(lambda text: r.out.append(greek(text)))


def _newline(r: Renderer, token: str) -> None:
    if r.peek().startswith("*"):
        r.star()
    if r.peek().startswith("["):
        r.optional()
    r.out.append(HARD if r.lines else " ")


def _href(r: Renderer, token: str) -> None:
    r.optional()
    r.argument()


def _xspace(r: Renderer, token: str) -> None:
    follows = r.peek()
    while follows == "}" or follows.startswith("\0x"):
        return
    if follows[:1].isalnum() or follows[:1] in ("(", "$") or (follows[:1] == "\\" and follows[1:2].isalpha()):
        r.out.append(" ")


def _ensure_math(r: Renderer, token: str) -> None:
    r.skip_space()
    if r.peek() == "{":
        r.pop()
        r.out.append(inline(r.formula("}")))


def _math_open(r: Renderer, token: str) -> None:
    if token == "\\(":
        r.out.append(inline(r.formula("\\)")))
    else:
        r.display(r.formula("\\]"))


def _end_document(r: Renderer, token: str) -> None:
    if not r.package:
        r.ended = True


def _plain_end(r: Renderer, token: str) -> None:
    if r.peek() == "{":
        end(r, token)
    elif r.peek().lstrip()[:1] in ("", "\\") and not r.frames and r.begun:
        r.ended = True


def _appendix(r: Renderer, token: str) -> None:
    r.numbers.appendix()
    r.out.append(PAR)


def _par(r: Renderer, token: str) -> None:
    r.skip_space()
    r.out.append(PAR)


def _if_font(r: Renderer, token: str) -> None:
    pair = [r.argument(), r.argument()]
    r.push(pair[0])


def _numeric(r: Renderer, token: str) -> None:
    r.drop("o")
    if token == "\\SI" or token == "\\qty":
        value = r.argument()
        r.optional()
        unit = r.argument()
        r.push(["$", *value, "\\,", "\\mathrm", "{", *unit, "}", "$"])
    elif token in ("\\num", "\\ang"):
        r.push([*r.argument(), *(["°"] if token == "\\ang" else [])])
    elif token in ("\\si", "\\unit"):
        r.push(["$", "\\mathrm", "{", *r.argument(), "}", "$"])


def _numberwithin(r: Renderer, token: str) -> None:
    r.star()
    r.optional()
    inner, outer = r.words(), r.words()
    if inner and outer and inner != outer:
        r.numbers.within[inner] = outer


def _harvmac_title(r: Renderer, token: str) -> None:
    r"""Read ``\Title{preprint number}{title}``; in other styles there is one argument."""
    first = r.argument()
    r.skip_space()
    if r.peek() != "{":
        r.push(["{", *first, "}"])
    front.title(r, "\\title")


def _harvmac_equation(r: Renderer, token: str) -> None:
    r"""Read ``\eqn\name{formula}``, a display that ``\name`` refers to from then on."""
    name = r.name()
    r.skip_space()
    if r.peek() == "{":
        r.pop()
        number = r.numbers.step("equation", "equation")
        r.display(r.formula("}"))
        r.define(name, Macro([RAW + f"({number})"]))


def _harvmac_reference(r: Renderer, token: str) -> None:
    r"""Drop ``\lref\name{bibliography}``; ``\name`` is a citation."""
    name = r.name()
    r.argument()
    r.define(name, Macro(["\\cite", "{", RAW + name[1:], "}"]))


def _references(r: Renderer, token: str) -> None:
    r.drop("m")
    r.out.append(GONE)


def _alias_counter(r: Renderer, token: str) -> None:
    name, of = r.words(), r.words()
    r.numbers.theorem(name, of, "")


def _reference_name(r: Renderer, token: str) -> None:
    r.argument()
    if plain(r.argument())[:1].isupper():
        r.capital_references = True
    r.argument()


def _acronym(r: Renderer, token: str) -> None:
    r.star()
    key = r.words()
    r.push(r.acronyms.get(key, [RAW + key]))


def _define_acronym(r: Renderer, token: str) -> None:
    r.optional()
    key = r.words()
    short = r.optional()
    if token == "\\newacronym":
        short = r.argument()
    r.argument()
    r.acronyms[key] = short or [RAW + key]


_TABLE: tuple[tuple[Handler, str], ...] = (
    (begin, r"begin"),
    (_plain_end, r"end"),
    (_par, r"par endgraf bigskip medskip smallskip newpage clearpage maketitle"),
    (references.footnote, r"footnote vfootnote footnotetext endnote sidenote"),
    (_forget("o"), r"marginpar marginnote todo subcaption"),
    (references.caption, r"caption captionof figcaption tablecaption tbl"),
    (_forget("oo"), r"subfloat subfigure"),
    (_forget("*mo"), r"subcaptionbox"),
    (_forget("o"), r"tikz"),
    (_diagram, r"xymatrix"),
    (references.item, r"item itemitem"),
    (front.title, r"title icmltitle papertitle"),
    (_harvmac_title, r"Title"),
    (front.harvmac_section, r"newsec subsec subsubsec"),
    (_harvmac_equation, r"eqn"),
    (_harvmac_reference, r"lref nref REF"),
    (_references, r"refs refmark"),
    (front.abstract, r"abstract Abstract abstracts"),
    (references.label, r"label"),
    (references.cite, r"cite"),
    (references.ref, r"ref eqref pageref cref Cref autoref vref nameref"),
    (references.crange, r"crefrange Crefrange"),
    (_hyperref, r"hyperref"),
    (_href, r"href hyperlink hypertarget"),
    (_if_font, r"texorpdfstring"),
    (_url, r"url path nolinkurl highlight IEEEPARstart centerline"),
    (front.newtheorem, r"newtheorem newtheorem*"),
    (front.springer_theorem, r"spnewtheorem"),
    (front.declare_theorem, r"declaretheorem"),
    (_numberwithin, r"numberwithin counterwithin"),
    (_alias_counter, r"newaliascnt"),
    (_reference_name, r"crefname Crefname"),
    (files.read_input, r"input include subfile subfileinclude import subimport"),
    (files.input_if, r"InputIfFileExists IfFileExists"),
    (files.include_only, r"includeonly"),
    (files.use_package, r"usepackage RequirePackage"),
    (files.document_class, r"documentclass documentstyle documentclass*"),
    (lambda r, t: start_document(r), r"document"),
    (_end_document, r"enddocument bye"),
    (_appendix, r"appendix appendices"),
    (_newline, r"\ tabularnewline cr newline crcr"),
    (_greek, r"textgreek"),
    (_foreign, r"foreignlanguage"),
    (_text_argument("“", "”", "*"), r"enquote"),
    (_text_argument("“", "”"), r"mkbibquote"),
    (_text_argument("“", "”", "o"), r"textquote blockquote"),
    (files.box, r"hbox vbox vtop"),
    (files.set_box, r"setbox"),
    (files.advance, r"advance multiply divide"),
    (files.catcode, r"catcode mathcode"),
    (files.font, r"font"),
    (_xspace, r"xspace"),
    (_ensure_math, r"ensuremath"),
    (_math_open, r"( ["),
    (front.begin_section, r"beginsection"),
    (_numeric, r"SI qty num ang si unit"),
    (lambda r, t: r.open("group", ""), r"bgroup"),
    (lambda r, t: r.close_group(), r"egroup"),
    (lambda r, t: r.open("env", "\\endgroup"), r"begingroup"),
    (lambda r, t: r.close_environment("\\endgroup"), r"endgroup"),
    (_acronym, r"gls Gls acrshort acrlong glspl ac acp acs acl acf"),
    (_define_acronym, r"newacronym acro acrodef"),
    (front.head, r"head heading subhead subheading subsubhead specialhead"),
    (front.proclaim, r"proclaim demo definition remark example"),
    (front.section, " ".join(name[1:] for name in tables.SECTIONS)),
    (
        files.new_register,
        r"newdimen newskip newcount newtoks newbox newmuskip newlength newsavebox newread newwrite",
    ),
    (
        front.end_named,
        r"""endhead endheading endsubhead endsubheading endsubsubhead endspecialhead endproclaim enddemo enddefinition
        endremark endexample endauthor endaffil endaddress endemail endthanks endkeywords endsubjclass enddedicatory
        enddate endcurraddr endtitle endabstract endRefs endref endtranslator""",
    ),
    (
        front.front_matter,
        r"""author affil address email thanks keywords subjclass dedicatory date curraddr urladdr leftheadtext
        rightheadtext pacs Refs translator affiliation institute Author altaffiltext icmlauthor icmlaffiliation
        icmlkeywords authors authorblockN authorblockA IEEEauthorblockN IEEEauthorblockA emailAdd AuthorNames corres
        firstnote secondnote conference conferenceinfo authoraddr affiliations IEEEcompsocitemizethanks speaker""",
    ),
)

HANDLERS: dict[str, Handler] = {f"\\{name}": handler for handler, names in _TABLE for name in names.split()}
"""What each command does. A command that is not here is dropped, looked up as a sign, or left to its arguments."""
