r"""Say what TeX's accents, letters, signs and input conventions are in Unicode.

Sources: The TeXbook, chapter 9 and appendix B; the LaTeX base symbols; babel's shorthands for German. Names that
papers also redefine in formulas are harmless here, because a document's own macros are looked at first.
"""

from __future__ import annotations

import re
import unicodedata

COMBINING = {
    "\\`": "\u0300", "\\'": "\u0301", "\\^": "\u0302", "\\~": "\u0303", "\\=": "\u0304", "\\u": "\u0306",
    "\\.": "\u0307", '\\"': "\u0308", "\\r": "\u030a", "\\H": "\u030b", "\\v": "\u030c", "\\d": "\u0323",
    "\\c": "\u0327", "\\k": "\u0328", "\\b": "\u0331", "\\t": "\u0361", "\\textcommabelow": "\u0326",
    "\\G": "\u030f", "\\U": "\u030e",
}  # fmt: skip
"""Accent commands and the combining characters that do the same."""

ALONE = {"\\~": "~", "\\^": "^", "\\`": "`", "\\'": "´", '\\"': "¨", "\\=": "¯"}
"""An accent over nothing, as in addresses: ``\\~{}user``."""

SYMBOLS: dict[str, str] = {
    f"\\{name}": text
    for name, text in (
        pair.split("=", 1)
        for pair in """ss=ß SS=ẞ l=ł L=Ł o=ø O=Ø aa=å AA=Å ae=æ AE=Æ oe=œ OE=Œ i=ı j=ȷ dh=ð DH=Ð th=þ TH=Þ dj=đ
        DJ=Đ ng=ŋ NG=Ŋ ij=ĳ IJ=Ĳ dag=† ddag=‡ S=§ P=¶ copyright=© pounds=£ euro=€ EUR=€ yen=¥ textyen=¥
        dots=… ldots=… textellipsis=… textendash=– textemdash=— textquoteleft=‘ textquoteright=’
        textquotedblleft=“ textquotedblright=” textquotedbl=" textquotesingle=' quotedblbase=„ quotesinglbase=‚
        glqq=„ grqq=“ glq=‚ grq=‘ flqq=« frqq=» flq=‹ frq=› guillemotleft=« guillemotright=»
        guillemetleft=« guillemetright=» guilsinglleft=‹ guilsinglright=› lq=‘ rq=’
        textexclamdown=¡ textquestiondown=¿ texttrademark=™ textregistered=® textcopyright=© textdegree=°
        degree=° textmu=µ micro=µ textperthousand=‰ textpertenthousand=‱ permil=‰ textonehalf=½ textonequarter=¼
        textthreequarters=¾ textonesuperior=¹ texttwosuperior=² textthreesuperior=³ textordfeminine=ª
        textordmasculine=º texttimes=× textdiv=÷ textpm=± textminus=− textbullet=• textperiodcentered=·
        textcenteredperiod=· textsection=§ textparagraph=¶ textdagger=† textdaggerdbl=‡ textsterling=£
        texteuro=€ textcent=¢ textcurrency=¤ textnumero=№ textbackslash=\\ textbar=| textless=< textgreater=>
        textasciitilde=~ textasciicircum=^ textasciigrave=` textasciiacute=´ textunderscore=_ textdollar=$
        textbraceleft={ textbraceright=} textasteriskcentered=* textbrokenbar=¦ textlangle=⟨ textrangle=⟩
        textrightarrow=→ textleftarrow=← textuparrow=↑ textdownarrow=↓ textschwa=ə checkmark=✓ cmark=✓ xmark=✗
        LaTeX=LaTeX TeX=TeX LaTeXe=LaTeX2e BibTeX=BibTeX XeTeX=XeTeX XeLaTeX=XeLaTeX LuaLaTeX=LuaLaTeX
        LuaTeX=LuaTeX pdfLaTeX=pdfLaTeX pdfTeX=pdfTeX AmS=AMS AMSTeX=AMS-TeX AmSTeX=AMS-TeX AMS=AMS MiKTeX=MiKTeX
        slash=/ No=№ no=№ ier=er iere=re ieme=e primo=1° og=« fg=» lbrack=[ rbrack=] cdash=— textvisiblespace=␣
        textmho=℧ textohm=Ω celsius=℃ ohm=Ω bullet=• qed= qedsymbol= QED= """.split()
    )
}
SYMBOLS |= {f"\\{mark}": mark for mark in "%&#$_{}"}
SYMBOLS |= {
    "\\textalpha": "α", "\\textbeta": "β", "\\textgamma": "γ", "\\textdelta": "δ", "\\textepsilon": "ε",
    "\\textzeta": "ζ", "\\texteta": "η", "\\texttheta": "θ", "\\textiota": "ι", "\\textkappa": "κ",
    "\\textlambda": "λ", "\\textnu": "ν", "\\textxi": "ξ", "\\textpi": "π", "\\textrho": "ρ",
    "\\textsigma": "σ", "\\texttau": "τ", "\\textupsilon": "υ", "\\textphi": "φ", "\\textchi": "χ",
    "\\textpsi": "ψ", "\\textomega": "ω", "\\textDelta": "Δ", "\\textGamma": "Γ", "\\textLambda": "Λ",
    "\\textOmega": "Ω", "\\textPhi": "Φ", "\\textPi": "Π", "\\textPsi": "Ψ", "\\textSigma": "Σ",
    "\\textTheta": "Θ", "\\textUpsilon": "Υ", "\\textXi": "Ξ", "\\ldotp": ".", "\\cdotp": "·",
}  # fmt: skip

SPACES = {
    "\\ ": " ",
    "\\,": " ",
    "\\;": " ",
    "\\:": " ",
    "\\>": " ",
    "\\quad": " ",
    "\\qquad": " ",
    "\\\t": " ",
}
SPACES |= {"\\thinspace": " ", "\\enspace": " ", "\\nobreakspace": " ", "\\space": " ", "\\medspace": " "}
SPACES |= {"\\enskip": " ", "\\thickspace": " ", "\\tab": " ", "\\textspace": " "}

_GREEK = dict(zip("abgdezhjiklmnxoprstufqywc", "αβγδεζηθικλμνξοπρστυφχψως", strict=True))
_GREEK |= {latin.upper(): greek.upper() for latin, greek in _GREEK.items() if latin != "c"}
_GREEK_MARKS = {"'": "\u0301", "`": "\u0300", "~": "\u0342", ">": "\u0313", "<": "\u0314", '"': "\u0308"}
_GREEK_FINAL = re.compile(r"σ(?![^\W\d_])")

_TYPED = re.compile(r"---?|``|''|`|'|,,|<<|>>|\?`|!`|\"")
_TYPED_TO = {
    "---": "—", "--": "–", "``": "“", "''": "”", "`": "‘", "'": "’", "?`": "¿", "!`": "¡", '"': "”",
}  # fmt: skip
_LIGATURES = {",,": "„", "<<": "«", ">>": "»"}
_GERMAN = re.compile(r"\"([aouAOUsSzZ`'\-=~|<>\"/])")
_GERMAN_TO = {
    "a": "ä", "o": "ö", "u": "ü", "A": "Ä", "O": "Ö", "U": "Ü", "s": "ß", "S": "SS", "z": "ß", "Z": "SZ",
    "`": "„", "'": "“", "-": "", "=": "-", "~": "-", "|": "", "<": "«", ">": "»", '"': "", "/": "/",
}  # fmt: skip


def combine(text: str, mark: str) -> str:
    """Put a combining mark on the last character.

    >>> combine("Erdo", COMBINING[r"\\H"])
    'Erdő'
    """
    if not text or not text[-1].isalnum():
        return text
    base = {"ı": "i", "ȷ": "j"}.get(text[-1], text[-1])
    if mark == "\u030c" and base in "tdlL":
        return text[:-1] + {"t": "ť", "d": "ď", "l": "ľ", "L": "Ľ"}[base]
    return text[:-1] + unicodedata.normalize("NFC", base + mark)


def typeset(run: str, german: bool = False, ligatures: bool = False) -> str:
    """Write a run of text as TeX's fonts show it: quotation marks and dashes.

    >>> typeset("``Don't'' -- 1--2, ?`si?")
    '“Don’t” – 1–2, ¿si?'
    """
    if german and '"' in run:
        run = _GERMAN.sub(lambda found: _GERMAN_TO[found[1]], run)

    return _TYPED.sub(_show_ligatures if ligatures else _show, run)


def _show(found: re.Match[str]) -> str:
    return _TYPED_TO.get(found[0]) or found[0]


def _show_ligatures(found: re.Match[str]) -> str:
    return _TYPED_TO.get(found[0]) or _LIGATURES[found[0]]


def greek(text: str) -> str:
    """Write Latin letters as the Greek ones that the LGR encoding shows for them; other text stays.

    >>> greek("l'ogos")
    'λόγος'
    """
    if not text.isascii() and any("α" <= c <= "ω" for c in text):
        return text
    out: list[str] = []
    marks = ""
    for char in text.replace("’", "'").replace("‘", "`"):
        if char in _GREEK:
            out.append(_GREEK[char] + marks)
            marks = ""
        elif char in _GREEK_MARKS:
            marks += _GREEK_MARKS[char]
        elif char == "|" and out:
            out.append("\u0345")
        else:
            out.append(char)
    return _GREEK_FINAL.sub("ς", unicodedata.normalize("NFC", "".join(out)))
