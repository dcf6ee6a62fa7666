"""Write a MathML formula on one line, as one would type it: ``(a + b)/(2c)``, ``x²``, ``T_max``, ``√(x)``.

Presentation MathML as in the office's files (W3C MathML 2.0, chapter 3); layout elements other than those named here
become their content.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from pile_curate.extract.patent_codes import scripted

_MAX_DEPTH = 60
_SKIPPED = frozenset(("mspace", "maligngroup", "malignmark", "mphantom", "none", "mprescripts", "annotation"))
_SPACED = frozenset("=<>≤≥≠≈≅≡∝→←⇌+−±×÷⋅·∈")
_INVISIBLE = re.compile("[\u2061-\u2064\u200b]")
_BLANKS = re.compile(r"\s+")
_ATOM = re.compile(r"[\w.′″∞]+")


def math_line(root: Element) -> str:
    """Return the formula, with a blank on both sides; "" if it has no text."""
    text = _BLANKS.sub(" ", _write(root, 0)).strip()
    return f" {text} " if text else ""


def _wrapped(text: str) -> str:
    text = text.strip()
    return (
        text
        if _ATOM.fullmatch(text) or (text[:1] == "(" and text.find(")") == len(text) - 1)
        else f"({text})"
    )


def _write(element: Element, depth: int) -> str:
    if not isinstance(element.tag, str):
        return ""
    name = element.tag.lower().rpartition("}")[2].rpartition(":")[2]
    if name in _SKIPPED:
        return ""
    if depth > _MAX_DEPTH:
        return " ".join("".join(element.itertext()).split())
    if not len(element):
        return _token(name, element.text or "")
    parts = [_write(child, depth + 1) for child in element if isinstance(child.tag, str)]
    return _layout(name, parts, element)


def _token(name: str, text: str) -> str:
    text = _INVISIBLE.sub("", _BLANKS.sub(" ", text))
    if name == "mtext":
        return text
    text = text.strip()
    if name == "mo" and text in _SPACED:
        return f" {text} "
    return f"{text} " if name == "mo" and text in (",", ";") else text


def _layout(name: str, parts: list[str], element: Element) -> str:
    count = len(parts)
    if name == "mfrac" and count == 2:
        return f"{_wrapped(parts[0])}/{_wrapped(parts[1])}"
    if name == "msup" and count == 2:
        return parts[0] + scripted("sup", _base(parts[0]), parts[1].strip())
    if name in ("msub", "munder") and count == 2:
        return parts[0] + scripted("sub", _base(parts[0]), parts[1].strip())
    if name in ("msubsup", "munderover") and count == 3:
        low, high = parts[1].strip(), parts[2].strip()
        return parts[0] + scripted("sub", _base(parts[0]), low) + scripted("sup", _base(parts[0]), high)
    if name == "msqrt":
        return "√" + _wrapped("".join(parts))
    if name == "mroot" and count == 2:
        return f"{parts[1].strip()}√{_wrapped(parts[0])}"
    if name == "mover":
        return parts[0]  # a bar, an arrow or a dot over it
    if name == "mfenced":
        inner = element.get("separators", ",").strip()[:1]
        return element.get("open", "(") + f"{inner} ".join(parts) + element.get("close", ")")
    if name == "mtable":
        return "; ".join(part.strip() for part in parts if part.strip())
    if name in ("mtr", "mlabeledtr"):
        return " ".join(part.strip() for part in parts if part.strip())
    return "".join(parts)


def _base(text: str) -> str:
    """Return what a script hangs on: operators such as ∑ carry theirs like names do."""
    text = text.strip()
    return text if text[-1:].isalnum() or text[-1:] in ")]}" else "x"
