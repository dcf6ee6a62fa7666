"""Markdown and reStructuredText: what stays, what goes, and input that tries to stall the readers."""

import time

import pytest

from pile_curate.extract.front_matter import split_front_matter
from pile_curate.extract.markdown import MarkdownOptions, first_heading, markdown_text
from pile_curate.extract.rst import rst_text


def plain(source):
    return markdown_text(source, MarkdownOptions(plain=True))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a [b `]` c](d 'e') f", "a b `]` c f"),
        ("[a](<b c>) [d](e(f)g)", "a d"),
        ("[a][r] [r] [r][] [x]\n\n[R]: http://b 'c'", "a r r [x]"),
        ("[![alt](b.svg)](c) text", " text"),
        ("[`f()`][] and [`g`], [`h`][r]: [i]:\n\n[`f()`]: x\n[`g`]: y\n[r]: z", "`f()` and `g`, `h`: [i]:"),
        ("see <https://a.b> and <me@c.de>", "see https://a.b and me@c.de"),
        ("List<T> <kbd>x</kbd> a<br>b", "List<T> x a\nb"),
        ("`<b>` and ``a`b``", "`<b>` and ``a`b``"),
        ("x <!-- a\nb --> y", "x  y"),
        ("T {#id}\n===", "# T"),
        ("## A ##\ntext[^1]\n\n[^1]: note", "## A\n\ntext[^1]\n\n[^1]: note"),
        ("{% include x %}\nHi {{ site.name }}!{: .c}", "Hi !"),
        ("- [a](#a)\n- b", "- b"),
        ("<div>\n<p>Hi <b>you</b></p>\n</div>\n\nok", "Hi you\n\nok"),
        ("    code [a](b)\n\ntext", "    code [a](b)\n\ntext"),
        ("- a\n\n    more [b](c)", "- a\n\n    more b"),
        ("::: warning Mind\nx\n:::", "**Mind:**\n\nx"),
        ("{ref}`the guide <g>` and {py:func}`~a.b`", "the guide and `b()`"),
        ("&copy; 2 &lt; 3", "© 2 < 3"),
    ],
)
def test_markdown(source, expected):
    assert markdown_text(source) == expected


def test_fences_stay_as_they_are():
    source = "```py\n[a](b) <!-- c -->\n# no heading\n```\n\n~~~\n```\n~~~"
    assert markdown_text(source) == source
    assert first_heading(source) == (0, "")


def test_myst_directives_in_fences():
    assert markdown_text("```{note} Mind\nthe *gap*\n```") == "**Mind:**\n\nthe *gap*"
    assert markdown_text("```{code-block} python\n:linenos:\nx\n```") == "```python\nx\n```"
    assert markdown_text("```{toctree}\na\n```\nb") == "b"


def test_mdx():
    source = "import X from 'x'\n\n# T\n\n<Tabs>\nHi {/* no */}<X.Y a={1} />\n</Tabs>"
    assert markdown_text(source, MarkdownOptions(mdx=True)) == "# T\n\nHi"


def test_plain():
    source = (
        "# A *b*\n\n> **q** `c` \\*\n\n* x_y_z and __d__\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```py\nx\n```"
    )
    assert plain(source) == "A b\n\nq c *\n\n- x_y_z and d\n\na | b\n1 | 2\n\nx"


def test_front_matter():
    facts, rest = split_front_matter(
        "---\ntitle: T\ndate: 2020-01-02\nauthors: [A, {name: B}]\nx: 1\n---\nbody"
    )
    assert facts == {"title": "T", "date": "2020-01-02", "authors": ["A", "B"]} and rest == "body"
    assert split_front_matter('+++\ntitle = "T"\n+++\nb') == ({"title": "T"}, "b")
    assert split_front_matter("---\na rule, no facts\n---\n")[0] == {}
    assert split_front_matter("---\nb: [\n---\nx") == ({}, "x")


def test_yaml_aliases_are_not_expanded():
    bomb = "---\na: &a [x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)},*{chr(97 + n)}]\n" for n in range(20)
    )
    assert split_front_matter(bomb + "title: *t\n---\nrest") == ({}, "rest")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("T\n-\n\nx", "T\n-\n\nx"),
        ("===\nTop\n===\n\nSub\n---\n\nTop2\n====", "# Top\n\n## Sub\n\n### Top2"),
        ("a ``b``, :mod:`c`, `d <e>`_, `f`__, |g| and h_\\ s\n\n.. _h: x\n.. |g| replace:: G", "a `b`, `c`, d, f, G and hs"),
        ("x::\n\n  a\n    b\n\ny", "x:\n\n```\na\n  b\n```\n\ny"),
        ("Quoted::\n\n> a\n> b", "Quoted:\n\n```\n> a\n> b\n```"),
        (".. toctree::\n   :maxdepth: 1\n\n   a\n\nx", "x"),
        (".. a comment\n   goes on\n\nx", "x"),
        (".. note::\n   :class: c\n\n   a\n\n   b", "**Note:** a\n\nb"),
        (".. tip:: one\n   two", "**Tip:** one\ntwo"),
        (".. deprecated:: 3.1\n   Use x.", "Deprecated since version 3.1: Use x."),
        (".. py:function:: f(a,\n                 b)\n\n   Does.\n\n   :param a: first\n   :rtype: int", "`f(a, b)`\n\nDoes.\n\n- `a`: first\n- Return type: int"),
        (".. figure:: a.png\n   :alt: b\n\n   Caption.", "Caption."),
        ("* a\n\n* b\n\n  - c", "- a\n- b\n  - c"),
        ("(1) a\n(2) b", "1. a\n2. b"),
        ("term\n  what\n\n  more", "term\n: what\n\n  more"),
        ("+---+---+\n| a | b |\n+===+===+\n| 1 |   |\n+---+---+", "| a | b |\n| --- | --- |\n| 1 | |"),
        ("== ==\na  b\n== ==\n1  2\n   3\n== ==", "| a | b |\n| --- | --- |\n| 1 | 2 3 |"),
        (".. csv-table::\n   :header: a, b\n\n   1, \"2, 3\"", "| a | b |\n| --- | --- |\n| 1 | 2, 3 |"),
        (".. math:: a < b", "$$\na < b\n$$"),
        ("A. Einstein was here.", "A. Einstein was here."),
        ("[1]_ and [#n]_\n\n.. [1] One.\n.. [#n] Two.", "[1] and [n]\n\n[1] One.\n\n[n] Two."),
        ("x\n\n  quoted\n\ny", "x\n\n> quoted\n\ny"),
        ("| a\n| b", "a\nb"),
        (".. raw:: html\n\n   <b>\n\nx", "x"),
        (":orphan:\n\nx", "x"),
    ],
)  # fmt: skip
def test_rst(source, expected):
    assert rst_text(source) == expected


N = 20_000


@pytest.mark.parametrize(
    "source",
    ["[" * N, "[a](" * N, "![a](x " * N, "`" * N, "*a" * N, "_a " * N, "<a " * N, "<" + "a." * N + "@b", "```{note}\n" * N, "{{" * N,
     "!!! note" + " " * N + '"', "#" * N, "[a]: " * N, "<!--\n" * N, ">" * N, "|-" * N],
)  # fmt: skip
def test_hostile_markdown_costs_linear_time(source):
    began = time.process_time()
    markdown_text(source), plain(source)
    assert time.process_time() - began < 1.5


@pytest.mark.parametrize(
    "source",
    ["* " * N, "".join(" " * n + "x\n" for n in range(600)), "".join(" " * 3 * n + ".. note::\n" for n in range(300)), ":a:`" * N,
     "``a" * N, "|a " * N, "a.a." * N, "--" + "a" * N, "+" + "-+" * N, "`a <" * N, "-a, " * N, "\\" * N],
)  # fmt: skip
def test_hostile_rst_costs_linear_time(source):
    began = time.process_time()
    rst_text(source)
    assert time.process_time() - began < 1.5
