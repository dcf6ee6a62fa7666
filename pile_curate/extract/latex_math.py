r"""Read a formula up to its end and write it as TeX that needs no preamble.

The document's own macros are expanded; where TeX would have taken one as an argument or a script, its body is put
in braces (``x^\R`` becomes ``x^{\mathbb{R}}``). Labels, citations, comments and layout go. A formula whose end is
missing stops at the paragraph's, so that one lost ``$`` costs a paragraph and not the paper.
"""

from __future__ import annotations

import re

from pile_curate.extract.latex_blocks import HARD, REF
from pile_curate.extract.latex_macros import Expander
from pile_curate.extract.latex_numbers import Numbers
from pile_curate.extract.latex_primitives import PRIMITIVES
from pile_curate.extract.latex_stack import plain
from pile_curate.extract.latex_tables import DROPPED_ENVIRONMENTS, SECTIONS
from pile_curate.extract.latex_tokens import (
    CLOSE_ENV,
    COMBINE,
    FILE_END,
    NO_VALUE,
    NOTE,
    PAR,
    PRIMITIVE,
    flat,
    source_of,
)

_TAKES = {
    "\\frac": 2,
    "\\dfrac": 2,
    "\\tfrac": 2,
    "\\binom": 2,
    "\\stackrel": 2,
    "\\overset": 2,
    "\\underset": 2,
}
_TAKES |= dict.fromkeys(
    """\\hat \\bar \\tilde \\vec \\dot \\ddot \\widehat \\widetilde \\overline \\underline \\mathbf \\mathrm \\mathcal
    \\mathbb \\mathfrak \\mathsf \\mathit \\mathscr \\boldsymbol \\bm \\sqrt \\check \\acute \\grave \\breve \\text
    \\operatorname \\overrightarrow \\overleftarrow \\not \\mathring \\pmb \\mathop \\mathbin \\mathrel \\mathord""".split(),
    1,
)
_SKIP = {
    "\\vspace": "*m", "\\footnote": "m", "\\color": "om", "\\xspace": "", "\\allowbreak": "", "\\protect": "",
    "\\nocite": "m", "\\vskip": "d", "\\qedhere": "", "\\index": "m", "\\allowdisplaybreaks": "o", "\\noalign": "m",
    "\\textcolor": "om", "\\ensuremath": "", "\\footnotemark": "o", "\\noindent": "", "\\normalcolor": "",
    "\\hyperlink": "m", "\\hypertarget": "m", "\\cellcolor": "om", "\\phantomsection": "", "\\nolinebreak": "o",
    "\\pagebreak": "o", "\\nopagebreak": "o", "\\displaybreak": "o", "\\hskip": "d", "\\kern": "d", "\\mkern": "d",
    "\\mskip": "d", "\\boldmath": "", "\\unboldmath": "", "\\marginpar": "m", "\\todo": "om", "\\relax": "",
    "\\thinmuskip": "d", "\\medmuskip": "d", "\\thickmuskip": "d", "\\everymath": "m", "\\endgraf": "",
}  # fmt: skip
"""What formulas are better without; ``\\textcolor`` and ``\\ensuremath`` leave their content."""
_READ = frozenset((*_SKIP, *SECTIONS, *PRIMITIVES)) | set(
    """\\) \\] \\begin \\label \\nonumber \\notag \\tag \\ref \\eqref \\item \\mathchoice""".split()
)
_READ |= {"\\\n", "\\\t"}  # written as "\\ "
_NAMES = re.compile(r"\\(?:[A-Za-z]+|[\s\S])")
_BARE_BRACES = re.compile(r"[{}]")
_BRACES = re.compile(r"\\[\s\S]|[{}]")
_VOID = re.compile(
    r"(?:[\s{}~]|\\[,;:! ]|\\(?:quad|qquad|displaystyle|textstyle|hspace|rm|bf|it|small)(?![A-Za-z]))*"
)
_ORDINAL = re.compile(
    r"(\d{0,9})\^\s*\{?\s*\\?(?:rm|text|mathrm|textrm|mathit|it|textit|mbox|textsuperscript)?\s*\{?\s*(st|nd|rd|th)\s*\}?\s*\}?"
)
_DEGREE = re.compile(
    r"([+-]?[\d.,]{0,12})\^\s*(?:\\circ|\{\s*\\circ\s*\})\s*(?:(?:\{\s*)?\\?(?:rm|mathrm|text)?\s*\{?\s*([CFK])\s*\}?\s*\}?)?"
)


class Formulas(Expander):
    """Add the reading of formulas to the expander."""

    def __init__(self, budget: int) -> None:
        super().__init__(budget)
        self.numbers = Numbers()
        self.open_names: dict[str, int] = {}
        """Environments that are open outside the formula, by name."""

    def whole_formula(self, token: str) -> str | list[str]:
        """Return what a formula that is one token is written as; if something in it may have to be expanded or
        dropped, its tokens behind the first dollar, the last first."""
        known = self.plain[token] = self._written(token) or flat(token)[:0:-1]
        return known

    def _written(self, token: str) -> str:
        """Return a whole formula as the page shows it, ``""`` where its tokens must be gone through."""
        dollars = 2 if token[1] == "$" else 1
        tex = token[dollars:-dollars]
        if "\\" in tex:
            names = set(_NAMES.findall(tex))
            for name in names - self.harmless:
                if _is_special(name):
                    return ""
                self.harmless.add(name)
            if not (self.macros.keys().isdisjoint(names) and self.switches.keys().isdisjoint(names)):
                return ""
        if not tex.isascii() or (("{" in tex or "}" in tex) and not _is_balanced(tex)):
            return ""
        tex = _tidy(tex)
        return displayed(tex) if dollars == 2 else inline(tex)

    def formula(self, close: str, environment: str = "", numbered: str = "", by_line: bool = False) -> str:
        r"""Return the TeX up to ``close`` (``$``, ``$$``, ``\)``, ``\]``, ``}``) or to ``\end{environment}``.

        ``numbered`` names the counter that the formula steps, ``by_line`` once for each line.
        """
        out: list[str] = []
        nested: list[str] = []
        takes: list[int] = [0]
        waiting: list[str] = []
        silent = not numbered
        tagged = ""
        outer, self.in_math = self.in_math, True

        def end_of_line() -> None:
            nonlocal silent, tagged
            number = tagged or ("" if silent else self.numbers.step(numbered, "equation"))
            for name in waiting:
                self.numbers.label(name, ("equation", number))
            waiting.clear()
            silent, tagged = not numbered, ""

        stack, macros, harmless = self.stack, self.macros, self.harmless
        while stack and (token := stack.pop()):
            first = token[0]
            if first == "\\":
                macro = macros.get(token)
                if macro is not None:
                    if (
                        not macro.spec
                        and (takes[-1] or (out and out[-1] in ("^", "_")))
                        and len(macro.body) > 1
                    ):
                        takes[-1] = max(0, takes[-1] - 1)
                        self.charge(macro.cost)
                        macro.used += 1
                        self.push(["{", *macro.body, "}"] if macro.used < 60_000 else ["{", "}"])
                        continue
                    self.invoke(token, macro)
                    continue
                kept = token in harmless and token not in self.switches
                if kept:
                    pass
                elif token == "\\begin":
                    self._open(out, nested)
                elif token == "\\end":
                    if self._close(self.words(), environment, out, nested):
                        break
                elif token == close and token in ("\\)", "\\]"):
                    break
                elif token == "\\label":
                    waiting.append(self.words())
                elif token in ("\\nonumber", "\\notag"):
                    silent = True
                elif token == "\\tag":
                    star = self.star()
                    tokens = self.argument()
                    tagged = plain(tokens) or source_of(tokens)
                    out += ["\\tag", *("*" if star else ""), "{", *tokens, "}"]
                elif token in ("\\ref", "\\eqref"):
                    name = self.words()
                    out.append(f"({REF}{name}{REF})" if token == "\\eqref" else f"{REF}{name}{REF}")
                elif "cite" in token:
                    self.drop("*oom")
                elif token in _SKIP:
                    self.drop(_SKIP[token])
                elif token in SECTIONS or token == "\\item":
                    self.stack.append(token)
                    break
                elif token in ("\\operatorname", "\\sqrt"):
                    takes[-1] = 1
                    out.append(token)
                elif environment and token == "\\end" + environment:
                    break
                elif token == "\\mathchoice":
                    styles = [self.argument() for _ in range(4)]
                    self.push(["{", *styles[close in ("$", "\\)", "}") or bool(takes[1:])], "}"])
                elif not self.expand(token):
                    kept = True
                    if not _is_special(token):
                        harmless.add(token)
                if kept:
                    if by_line and not nested and len(takes) == 1 and token in ("\\\\", "\\cr"):
                        end_of_line()
                    takes[-1] = _TAKES[token] if token in _TAKES else max(0, takes[-1] - 1)
                    out.append(token)
            elif first == "{":
                takes[-1] = max(0, takes[-1] - 1)
                takes.append(0)
                out.append(token)
            elif first == "}":
                if len(takes) == 1:
                    if close != "}":
                        self.stack.append(token)
                    break
                takes.pop()
                out.append(token)
            elif first == "$":
                if (
                    len(token) > 1
                ):  # a formula that is whole only if this one has ended: its first dollar is meant
                    stack.extend(flat(token)[:0:-1])
                    token = first
                if len(takes) == 1 and not nested and close in ("$", "$$"):
                    if close == "$$" and self.peek() == "$":
                        self.pop()
                    break
                out.append(token)
            elif token == PAR:
                if close in ("$", "\\)", "}") or (close and len(takes) == 1 and not nested):
                    self.stack.append(token)
                    break
                out.append("\n")
            elif first == NOTE:
                if token == FILE_END:
                    self.depth -= 1
                elif token.startswith(PRIMITIVE):
                    out.append(token[2:])
                elif token[:2] not in (NO_VALUE, COMBINE) and not token.startswith(CLOSE_ENV):
                    out.append(token)
            else:
                if takes[-1] and token.strip():
                    takes[-1] = 0
                out.append(token)
        if waiting or not silent or by_line:
            end_of_line()
        self.in_math = outer
        return _tidy(source_of(out))

    def drop(self, spec: str) -> None:
        """Pass over arguments; see ``latex_tables`` for the letters."""
        raise NotImplementedError

    def _open(self, out: list[str], nested: list[str]) -> None:
        name = self.words()
        if name in self.environments:
            macro, _ = self.environments[name]
            macro.used += 1
            args = self.arguments(macro)
            if macro.used < 60_000:
                self.substitute(macro, args)
        elif name in DROPPED_ENVIRONMENTS and name not in ("tikzcd", "CD", "prooftree"):
            closing = 0
            while token := self.pop():
                if token == "\\begin":
                    closing += 1
                elif token == "\\end":
                    inner = self.words()
                    if inner == name or closing <= 0:
                        break
                    closing -= 1
        else:
            nested.append(name)
            out += ("\\begin", "{", name, "}")

    def _close(self, name: str, environment: str, out: list[str], nested: list[str]) -> bool:
        r"""Handle ``\end{name}``; say whether the formula ends here."""
        if nested and name == nested[-1]:
            nested.pop()
            out += ("\\end", "{", name, "}")
        elif environment and name in (environment, environment + "*", environment.rstrip("*")):
            return True
        elif name in self.environments:
            self.push([*self.environments[name][1], CLOSE_ENV + name])
        elif name == "document" or self.open_names.get(name):
            self.push(["\\end", "{", name, "}"])
            return True
        return False


def _is_special(name: str) -> bool:
    r"""Say whether a formula may do more with a control sequence than to keep it: what ``formula`` asks for by name."""
    return (
        name in _READ
        or "cite" in name
        or name.startswith(("\\if", "\\end"))
        or name.endswith(("true", "false"))
    )


def _is_balanced(tex: str) -> bool:
    """Say whether each brace has its other."""
    depth = 0
    for brace in (_BRACES if "\\{" in tex or "\\}" in tex else _BARE_BRACES).findall(tex):
        if brace == "{":
            depth += 1
        elif brace == "}":
            depth -= 1
            if depth < 0:
                return False
    return not depth


def _tidy(tex: str) -> str:
    if "\n" in tex:
        tex = "\n".join([line for part in tex.split("\n") if (line := " ".join(part.split()))])
    else:
        tex = " ".join(tex.split())
    return "" if not tex[:1].isalnum() and _VOID.fullmatch(tex) else tex


def displayed(tex: str, environment: str = "") -> str:
    """Return a formula on lines of its own, in its environment or in dollars."""
    if not tex:
        return ""
    if environment:
        tex = f"\\begin{{{environment}}}\n{tex}\n\\end{{{environment}}}"
    elif "\n" in tex:
        tex = f"$$\n{tex}\n$$"
    else:
        tex = f"$${tex}$$"
    return HARD + tex.replace("\n", HARD) + HARD


def inline(tex: str) -> str:
    """Return a formula for the middle of a sentence; ordinals and degrees need no TeX.

    >>> inline("^{th}"), inline("^\\\\circ"), inline("x\\n+ 1")
    ('th', '°', '$x + 1$')
    """
    tex = tex.replace("\n", " ")
    if not tex:
        return ""
    if tex[0] in "^+-0123456789" and "^" in tex:
        if found := _ORDINAL.fullmatch(tex):
            return found[1] + found[2]
        if found := _DEGREE.fullmatch(tex):
            return f"{found[1].replace('-', '−')}°{found[2] or ''}"
    return f"${tex}$"
