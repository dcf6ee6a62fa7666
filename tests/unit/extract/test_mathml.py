"""Formulas as lines of text."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, fromstring

import pytest

from pile_curate.extract.mathml import mathml_text, tex_of


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mi>c</mi></mfrac>", "(a + b)/c"),
        ("<msup><mi>e</mi><mrow><mo>-</mo><mi>k</mi><mi>t</mi></mrow></msup>", "e^(-kt)"),
        ("<msup><mn>10</mn><mrow><mo>−</mo><mn>6</mn></mrow></msup>", "10⁻⁶"),
        ("<msub><mi>x</mi><mi>i</mi></msub><mo>=</mo><mo>−</mo><mn>1</mn>", "x_i = −1"),
        ("<msqrt><mi>n</mi></msqrt><mo>⁢</mo><mover><mi>x</mi><mo>¯</mo></mover>", "√(n)x̄"),
        ("<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover>", "∑_(i = 1)^n"),
        ("<mfenced open='[' close=']'><mi>a</mi><mi>b</mi></mfenced>", "[a, b]"),
        ("<mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>0</mn></mtd></mtr><mtr><mtd><mn>0</mn></mtd></mtr></mtable>", "1, 0; 0"),
        ("<semantics><mi>y</mi><annotation>TeX</annotation></semantics>", "y"),
        ("<mi>log</mi><mi>x</mi>", "log x"),
    ],
)  # fmt: skip
def test_mathml(markup: str, text: str) -> None:
    assert mathml_text(fromstring(f"<math>{markup}</math>")) == text


def test_deep_nesting_is_read_as_its_text() -> None:
    root = top = Element("math")
    for _ in range(5000):
        top = SubElement(top, "mfrac")
    top.text = "x"
    assert "x" in mathml_text(root)


@pytest.mark.parametrize(
    ("tex", "formula"),
    [
        (r"\documentclass[12pt]{minimal} \begin{document}$$a^2$$\end{document}", "a^2"),
        (r"$x$", "x"),
        (r"\[ x  +  y \]", "x + y"),
        (r"\begin{document} x", "x"),
        ("$", "$"),
    ],
)
def test_tex(tex: str, formula: str) -> None:
    assert tex_of(tex) == formula
