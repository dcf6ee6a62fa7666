"""Turn the character codes of patent files into Unicode: dot codes, brace codes, named entities, sub- and superscripts.

Until 2001 the office's text was seven-bit: a character that a line printer lacked was spelt between dots (``.beta.``,
``.ltoreq.``), an accent between braces (``{acute over (e)}``), and ``.sub.`` and ``.sup.`` raise or lower what follows up
to a blank, a comma, a full stop or a closing parenthesis. The blank that ends a subscript is printed nowhere, which
matters in formulas: ``H.sub.2 O`` is water. SGML and early XML use ISO 8879 entity names (``&mgr;``) beside HTML's.

The table follows the office's published PatentPublicData project (DotCodes) and the gazette. All expressions are
linear.
"""

from __future__ import annotations

import html.entities
import re
import unicodedata

from pile_curate.extract.wikitext_tags import superscript

_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "omicron": "ο", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "lamda": "λ",
}  # fmt: skip

_SIGNS = {
    "TM": "™", "SM": "℠", "RTM": "®", "COPYRG": "©", "COPYRGT": "©", "sctn": "§", "degree": "°", "cent": "¢",
    "permill": "‰", "Salinity": "‰", "ANG": "Å", "ang": "å", "AMP": "&", "LT": "<", "GT": ">", "dblquote": '"',
    "English Pound": "£", "dagger": "†", "dagger-dbl": "‡", "asterisk-pseud": "※", "prime": "′", "dblprime": "″",
    "rarw": "←", "uparw": "↑", "fwdarw": "→", "dwnarw": "↓", "revreaction": "⇌", "reveaction": "⇌",
    "times": "×", "div": "÷", "+-": "±", "-+": "∓", "multidot": "⋅", "cndot": "·", "sqroot": "√", "cuberoot": "∛",
    "fourthroot": "∜", "4th root": "∜", "infin": "∞", "intg": "∫", "differential": "∂", "increment": "∆",
    "gradient": "∇", "function": "ƒ", "varies": "∝", "angle": "∠", "perp": "⊥", "parallel": "∥", "vertline": "|",
    "thrfore": "∴", "because": "∵", "BECAUSE": "∵", "andgate": "∩", "orgate": "∪", "A-inverted": "∀",
    "E-backward": "∃", "di-elect cons": "∈", "OR right": "⊃", "OR left": "⊂", "ltoreq": "≤", "lmtoreq": "≤", "gtoreq": "≥",
    "ltoreg": "≦", "gtoreg": "≧", "notlessthan": "≮", "not <": "≮", "notgreaterthan": "≯", "not >": "≯", "noteq": "≠",
    "ident": "≡", "notident": "≢", "about": "~", "apprxeq": "≅", "approxeq": "≈", "congruent": "≅", "apprch": "≐",
    "perspectiveto": "≃", "lmorsim": "⪅", "ltorsim": "⪅", "gtorsim": "⪆", "sym": "⊕", "crclbar": "⊖", "circle-w/dot": "⊙",
    "dbd": "=", "tbd": "≡", "male": "♂", "female": "♀", "music-sharp": "♯", "music-flat": "♭", "music-natural": "♮",
    "music-natrual": "♮", "0": "∅", "O slashed": "Ø", "o slashed": "ø", "ae butted": "æ", "AE butted": "Æ",
    "quadrature": "□", "box-solid": "■", "smallcircle": "∘", "largecircle": "◯", "circle": "○", "circle-solid": "●",
    "dottedcircle": "◌", "circleincircle": "◎", "lhalfcircle": "◐", "rhalfcircle": "◑", "solthalfcircle": "◓",
    "solbhalfcircle": "◒", "diamond": "⋄", "diamond-solid": "♦", "star-solid": "★", "tangle-solidup": "▴",
    "left brkt-top": "⌈", "right brkt-top": "⌉", "left brkt-bot": "⌊", "right brkt-bot": "⌋",
    "hoarfrost": "", "THorizBrace": "", "BHorizBrace": "", "Iadd": "", "Iaddend": "", "Badd": "", "Baddend": "",
}  # fmt: skip

DOT_CODES = (
    _SIGNS
    | _GREEK
    | {name.upper(): letter.upper() for name, letter in _GREEK.items()}
    | {"epsilon": "ε", "varepsilon": "ε"}
)
"""What stands between two dots, to the character."""

_DOT = re.compile(
    r"\.("
    + "|".join(re.escape(name) for name in sorted(DOT_CODES, key=len, reverse=True) if name != "0")
    + r"|(?<![0-9].)0(?=\.(?![0-9])))\."
)
_SCRIPT = re.compile(
    r"\.(su[bp]|s[bp]s[bp])\.\.?((?:[^\s.,;:()\[\]]|(?<=[0-9])\.(?=[0-9])|\([^\s().]{1,12}\)){1,40})( ?)"
)
_LONE_SCRIPT = re.compile(r"\.(?:su[bp]|s[bp]s[bp])\.\.? ?")
_IMAGE = re.compile(r"##[A-Z]{2,5}[0-9]{1,6}##")
_ELEMENTS = frozenset(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Sm Eu Gd Tb Dy Er Yb Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi U D R X "
    "Me Et Ph OH NH CO CH SO PO NO CN COOH".split()
)
_ALSO_WORDS = frozenset(("In", "As", "He", "I", "No", "NO", "Me", "Be", "R", "X", "D", "V", "K", "U"))
_NEXT = re.compile(r"[A-Z][a-z]?|[-+=/(\[]")

_LOWERED = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
_LOWERABLE = re.compile(r"[0-9+\-−]{1,8}")
_PLAIN_NAME = re.compile(r"[\w∞]{1,12}")


def subscript(base: str, lowered: str) -> str:
    """Return how ``lowered`` reads after ``base``: digits as Unicode subscripts, names after ``_``, the rest plain.

    >>> subscript("H", "2"), subscript("V", "max"), subscript("x", "i+1"), subscript("", "note")
    ('₂', '_max', '_(i+1)', 'note')
    """
    lowered = lowered.strip()
    if lowered[:1] == "(" and lowered.find(")") == len(lowered) - 1:
        lowered = lowered[1:-1].strip()
    if not lowered:
        return lowered
    if _LOWERABLE.fullmatch(lowered):
        return lowered.translate(_LOWERED)
    before = base[-1:] or " "
    if not (before.isalnum() or before in ")]}′'") or " " in lowered or len(lowered) > 24:
        return lowered
    return f"_{lowered}" if _PLAIN_NAME.fullmatch(lowered) else f"_({lowered})"


def scripted(kind: str, base: str, text: str) -> str:
    """Return a sub- or superscript with the blanks around it kept; ``kind`` begins with ``su`` and ends with b or p."""
    inner = text.strip()
    if not inner:
        return text
    lead, trail = (" " if text[0].isspace() else ""), (" " if text[-1].isspace() else "")
    if inner == "∞" and kind.endswith("p"):
        return f"{lead}^∞{trail}"
    return lead + (superscript if kind.endswith("p") else subscript)(base + lead, inner) + trail


def _script(found: re.Match[str]) -> str:
    kind, inner, blank = found[1], found[2].strip(), found[3]
    whole, start, end = found.string, found.start(), found.end()
    base = whole[max(0, start - 8) : start]
    if inner == "--":
        return "_"  # so identifiers are spelt: QUERY.sub.-- STRING
    mark = scripted(kind[2:] if len(kind) == 4 else kind, base, inner)
    return mark + (blank if blank and not _joins(base, inner, whole, end) else "")


def _joins(base: str, inner: str, whole: str, end: int) -> bool:
    """Say whether the blank at ``end - 1`` only ended a script: the formula goes on behind it."""
    following = _NEXT.match(whole, end)
    if not following:
        return False
    if not following[0][0].isalpha():
        return following[0] != "(" and whole[end + 1 : end + 2] not in ("", " ", "-") and base[-1:] != " "
    if not _LOWERABLE.fullmatch(inner):
        return False
    word = re.match(r"[A-Za-z]{1,6}", whole[end : end + 6])
    letters = word[0] if word else ""
    if whole[end + len(letters) : end + len(letters) + 1].isalpha() or not _formula(letters):
        return False
    after = whole[end + len(letters) : end + len(letters) + 5]
    if letters in _ALSO_WORDS and not after.startswith((".sub.", ".sup.", "(")):
        return False
    symbol = re.search(r"([A-Z][a-z]?|\)|\])\Z", base)
    isotope = inner.isdigit() and not base[-1:].isalnum()
    return isotope or bool(symbol and (symbol[0] in ")]" or symbol[0] in _ELEMENTS))


def _formula(letters: str) -> bool:
    """Say whether letters can be read as chemical elements one after another."""
    if letters in _ELEMENTS:
        return True
    parts = re.findall(r"[A-Z][a-z]?", letters)
    return bool(parts) and "".join(parts) == letters and all(part in _ELEMENTS for part in parts)


def dot_text(text: str) -> str:
    """Return APS text with its codes as characters.

    >>> dot_text("20.degree. C., 5 .mu.m, H.sub.2 SO.sub.4, cm.sup.2 of, ##STR1## .alpha..sub.1 and .sup.14 C")
    '20° C., 5 μm, H₂SO₄, cm² of,  α₁ and ¹⁴C'
    """
    if "##" in text:
        text = _IMAGE.sub("", text)
    if ".[." in text:
        text = _without_deleted(text)
    if "." in text:
        text = _DOT.sub(lambda found: DOT_CODES[found[1]], text)
        if ".s" in text:
            text = _LONE_SCRIPT.sub("", _SCRIPT.sub(_script, text))
    return braces(text) if "{" in text else text


def _without_deleted(text: str) -> str:
    """Drop what a reissue deletes: ``.[.`` to ``.].``."""
    out, at = [], 0
    while (begin := text.find(".[.", at)) >= 0:
        out.append(text[at:begin])
        end = text.find(".].", begin)
        if end < 0:
            out.append(text[begin + 3 :])
            return "".join(out)
        at = end + 3
    return "".join(out) + text[at:]


_BRACE = re.compile(
    r"\{((?:double |right |left |square )?[a-z]{3,10})(?: over| under| root over)? ?\(([^(){}]{1,24})\)\}"
)
_ACCENTS = {
    "acute": "\u0301", "grave": "\u0300", "circumflex": "\u0302", "umlaut": "\u0308", "tilde": "\u0303",
    "dot": "\u0307", "double dot": "\u0308", "double acute": "\u030b", "ring": "\u030a", "breve": "\u0306",
    "hacek": "\u030c", "haeck": "\u030c", "cedilla": "\u0327", "macron": "\u0304", "overscore": "\u0305", "overbar": "\u0305",
    "right arrow": "\u20d7", "arrow": "\u20d7",
}  # fmt: skip


def braces(text: str) -> str:
    """Replace accents spelt between braces.

    >>> braces("Andr{acute over (e)} and {square root over (2)}, {fraction (1/2)}")
    'André and √2, 1/2'
    """
    return _BRACE.sub(_brace, text)


def _brace(found: re.Match[str]) -> str:
    name, inner = found[1], found[2].strip()
    if name.startswith("square"):
        return f"√{inner}" if len(inner) == 1 else f"√({inner})"
    mark = _ACCENTS.get(name)
    if mark is None or not inner:
        return inner
    return unicodedata.normalize("NFC", inner[0] + mark) + inner[1:]


def _entity_table() -> dict[str, str]:
    """Return entity names to text: HTML's, the Greek of ISO 8879 (``agr``, ``PHgr``, ``b.alpha``), and a few more."""
    table = {name[:-1]: text for name, text in html.entities.html5.items() if name.endswith(";")}
    short = "a b g d e z ee th i k l m n x o p r s t u ph kh ps oh"
    for name, letter in zip(short.split(), "αβγδεζηθικλμνξοπρστυφχψω", strict=True):
        upper = name.upper()
        table |= {f"{name}gr": letter, f"{upper}gr": letter.upper()}
    table["sfgr"] = "ς"
    for name, letter in _GREEK.items():
        bold = {f"b.{name}": letter, f"b.{name.capitalize()}": letter.upper()}
        table |= bold
    invisible = dict.fromkeys(("af", "it", "ic", "ApplyFunction", "InvisibleTimes", "InvisibleComma"), "")
    return table | invisible | {"angst": "Å", "thetas": "θ", "phis": "φ", "epsis": "ε", "squ": "□"}


_ENTITIES = _entity_table()
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9.]{0,40});")
_XML_OWN = frozenset(("amp", "lt", "gt", "quot", "apos"))
_NOT_TEXT = {"&": "&amp;", "<": "&lt;"}


def xml_entities(markup: str) -> str:
    """Replace named entities in markup by their characters, XML's own five excepted; an unknown one by nothing.

    >>> xml_entities("5 &mgr;m &lt; &PHgr;&amp; &nosuchname;.")
    '5 μm &lt; Φ&amp; .'
    """

    def one(found: re.Match[str]) -> str:
        name = found[1]
        if name in _XML_OWN:
            return found[0]
        text = _ENTITIES.get(name, "")
        return _NOT_TEXT.get(text, text)

    return _ENTITY.sub(one, markup) if "&" in markup else markup
