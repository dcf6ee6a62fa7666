"""Give the TeX reader what loops, nests, grows or never closes: it ends soon, with text or with ``TexLimit``."""

from __future__ import annotations

import time

import pytest

from pile_curate.extract.latex_project import read_paper
from pile_curate.extract.latex_stack import TexLimit

N = 4_000
SLOW = 2.0
"""Seconds; each takes less than a tenth here, and a quadratic reader takes minutes."""

HOSTILE = {
    "open braces": "{" * 10 * N,
    "closing braces": "}" * 10 * N,
    "nested braces": "{" * 10 * N + "x" + "}" * 10 * N,
    "nested lists": r"\begin{itemize}\item a " * N,
    "nested footnotes": r"\footnote{a " * N + "}" * N,
    "nested headings": r"\section{a " * N,
    "nested macros": r"\def\a#1{#1}" + r"\a{" * N,
    "nested fractions": "$" + r"\frac{" * N,
    "nested accents": r"\'{" * N,
    "nested item labels": r"\item[" * N,
    "nested matrices": r"$\begin{matrix}" * N,
    "dollars": "$" * 5 * N,
    "ends of nothing": r"\end{x}" * N,
    "crossed environments": r"\begin{x}\end{y}" * N + r"\end{x}" * N,
    "open conditionals": r"\iffalse " * N,
    "open comparisons": r"\ifx\a\b " * N,
    "open verbatim": r"\begin{verbatim} " * N,
    "open definitions": r"\newcommand{\a" * N,
    "open options": r"\cite[" * N,
    "itself": r"\def\a{\a}\a",
    "itself twice": r"\def\a{\a\a}\a",
    "its argument doubled": r"\def\a#1{\a{#1#1}}\a{x}",
    "itself in a formula": r"\def\a{x\a}$\a$",
    "itself as environment": r"\newenvironment{q}{\begin{q}}{}\begin{q}",
    "its own file": r"\input{paper}" * N,
    "brackets with citations": "(" * N + r"\cite{a}" * N,
    "citations": r"(\cite{a} and " * N,
    "floats": r"\begin{figure}\caption{a}" * N,
    "bibliography": r"\bibitem[a" * N,
    "theorem counters": "".join(rf"\newtheorem{{a{'b' * i}}}{{A}}[a{'b' * (i + 1)}]" for i in range(99)),
    "spaces": " " * 30 * N,
    "line ends": "\n" * 30 * N,
    "indented lines": ("\n" + " " * 50) * N,
    "one long line": "a" * 100 * N,
    "control words": r"\csname a" * N,
}


DOUBLING = "".join(rf"\def\{chr(97 + i)}{{\{chr(98 + i)}\{chr(98 + i)}}}" for i in range(24)) + r"\a"


@pytest.mark.parametrize("name", HOSTILE)
def test_ends_soon(name: str) -> None:
    source = "\\documentclass{article}\\begin{document}" + HOSTILE[name]
    began = time.process_time()
    try:
        paper = read_paper({"paper.tex": source.encode()})
        assert paper is not None and len(paper.text) <= 4 * len(source) + 1_000_000
    except TexLimit:
        pass
    assert time.process_time() - began < SLOW


def test_a_bomb_is_refused_and_a_loop_is_left() -> None:
    with pytest.raises(TexLimit):
        read_paper({"a.tex": DOUBLING.encode()})
    paper = read_paper({"a.tex": rb"before \def\loop{\loop}\loop after".replace(b"loop", b"lp")})
    assert paper is not None and paper.text == "before after" and paper.stopped == ["\\lp"]
