"""Turn MathML and the TeX of publishers into text that can be read in a line.

MathML's presentation elements (W3C MathML 3, chapter 3) become what a mathematician types in an e-mail:
``(a + b)/c``, ``x_i``, ``e^(-kt)``, ``√(n)``. TeX loses the document around it that JATS articles repeat in each formula.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from pile_curate.extract.wikitext_tags import superscript

MAX_DEPTH = 60
"""Deeper elements are read as the text that they hold."""

_SPACED = frozenset("=<>≤≥≈≠≡±∓×÷+−-→←⇒⇔↔∼≅∝∈∉⊂⊆∪∩∧∨·∗*∣≪≫⩽⩾:")
_SIGNS = frozenset("+−-±∓")
_INVISIBLE = dict.fromkeys(map(ord, "\u2061\u2062\u2063\u2064\u200b\u2009\u200a"), None)
_ACCENTS = {
    "¯": "\u0304", "‾": "\u0304", "_": "\u0304", "ˉ": "\u0304", "^": "\u0302", "ˆ": "\u0302", "~": "\u0303", "˜": "\u0303",
    "∼": "\u0303", "˙": "\u0307", ".": "\u0307", "¨": "\u0308", "→": "\u20d7", "ˇ": "\u030c", "´": "\u0301", "`": "\u0300",
}  # fmt: skip
_PLAIN = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"[0-9+\-−]{1,8}")
_ROW = frozenset(("mrow", "math", "mstyle", "mpadded", "merror", "mtd", "menclose", "maction", "semantics"))
_NOTHING = frozenset(
    ("annotation", "annotation-xml", "mphantom", "none", "mprescripts", "malignmark", "maligngroup")
)
_PREAMBLE = re.compile(r"\\(?:documentclass|usepackage|setlength|newcommand|oddsidemargin)[^\n]*")
_ENVIRONMENTS = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$"))
_DOCUMENT = (r"\begin{document}", r"\end{document}")


def mathml_text(element: Element) -> str:
    """Return a ``math`` element (tags as local names) as one line of text."""
    return " ".join(_text(element, 0).split())


def tex_of(text: str) -> str:
    r"""Return the formula in a ``tex-math`` element: no preamble, no delimiters, one line.

    >>> tex_of(r"\documentclass[12pt]{minimal} \usepackage{amsmath} \begin{document}$$ a^2 + b $$\end{document}")
    'a^2 + b'
    """
    begin = text.find(_DOCUMENT[0])
    if begin >= 0:
        text = text[begin + len(_DOCUMENT[0]) :]
        text = text.partition(_DOCUMENT[1])[0]
    else:
        text = _PREAMBLE.sub("", text)
    text = " ".join(text.split())
    for opening, closing in _ENVIRONMENTS:
        if text.startswith(opening) and text.endswith(closing) and len(text) >= len(opening) + len(closing):
            text = text[len(opening) : len(text) - len(closing)].strip()
            break
    return text


def _text(element: Element, depth: int) -> str:
    tag = element.tag
    if tag in _NOTHING:
        return ""
    if depth > MAX_DEPTH:
        return "".join(element.itertext())
    if tag in ("mi", "mn", "mtext", "ms", "mo"):
        return "".join(element.itertext()).translate(_INVISIBLE).strip("\n\t ")
    if tag == "mspace":
        return " "
    children = list(element)
    if tag in _ROW or len(children) == 0:
        return _row(children, depth) or (element.text or "").strip()
    if tag == "mfenced":
        inner = (element.get("separators") or ",")[:1] + " "
        body = inner.join(_text(child, depth + 1) for child in children)
        return f"{element.get('open', '(')}{body}{element.get('close', ')')}"
    if tag == "mtable":
        rows = [", ".join(_text(cell, depth + 2) for cell in row) for row in children]
        return "; ".join(row for row in rows if row.strip(", "))
    if tag in ("mtr", "mlabeledtr"):
        return ", ".join(_text(cell, depth + 1) for cell in children)
    if tag == "msqrt":
        return f"√{_grouped(_row(children, depth), always=True)}"
    return _scripts(tag, [_text(child, depth + 1) for child in children])


def _scripts(tag: str, parts: list[str]) -> str:
    base, first, second = (parts + ["", "", ""])[:3]
    if tag == "mfrac":
        return f"{_grouped(base)}/{_grouped(first)}"
    if tag == "mroot":
        return f"{_grouped(base)}^(1/{_grouped(first)})"
    if tag == "msup":
        return base + _raised(base, first)
    if tag in ("msub", "munder"):
        return base + _lowered(first)
    if tag == "mover":
        accent = _ACCENTS.get(first)
        return base + (accent if accent and len(base) == 1 else _raised(base, first) if not accent else "")
    if tag in ("msubsup", "munderover"):
        return base + _lowered(first) + _raised(base, second)
    return "".join(parts)


def _row(children: list[Element], depth: int) -> str:
    out: list[str] = []
    for child in children:
        text = _text(child, depth + 1)
        if not text:
            continue
        before = out[-1].rstrip()[-1:] if out else ""
        if (
            child.tag == "mo"
            and text in _SPACED
            and not (text in _SIGNS and before in ("", *"([{|,=<>+−-×·/"))
        ):
            text = f" {text} "
        elif child.tag == "mo" and text in (",", ";"):
            text = f"{text} "
        elif text[:1].isalpha() and before.isalpha() and (len(text) > 1 or len(out[-1]) > 1):
            text = f" {text}"  # names such as "log" and "max" stand apart
        out.append(text)
    return "".join(out)


def _grouped(text: str, *, always: bool = False) -> str:
    text = text.strip()
    whole = _PLAIN.fullmatch(text) or (text[:1] == "(" and text[-1:] == ")" and ")" not in text[1:-1])
    return text if whole and not (always and text[:1] != "(") else f"({text})"


def _raised(base: str, text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    if _NUMBER.fullmatch(text):
        return superscript(base, text)
    return text if text in ("′", "″", "'", "∗", "*", "°") else f"^{_grouped(text)}"


def _lowered(text: str) -> str:
    text = text.strip()
    return f"_{_grouped(text)}" if text else ""
