"""Wikitext to prose: known answers for every construct, and time linear in hostile input."""

from __future__ import annotations

from functools import partial

import pytest

from pile_curate.extract.wikitext import Wiki, is_disambiguation, redirect_target, to_text
from tests.growth import assert_linear

GERMAN = Wiki.of_siteinfo("de", {6: "Datei", 14: "Kategorie"})

INLINE = {
    "plain": ("Just text.", "Just text."),
    "bold and italic": ("'''Bath''' is ''old'' and '''''very''''' nice.", "Bath is old and very nice."),
    "elided article": ("l'''Iliade'' et l'''Odyssée'' d'Homère", "l'Iliade et l'Odyssée d'Homère"),
    "odd quotes": ("l'''Iliade'' est", "l'Iliade est"),
    "apostrophes": ("the dogs' don't", "the dogs' don't"),
    "link": ("See [[Bath]].", "See Bath."),
    "link with label and trail": ("[[city|cit]]ies", "cities"),
    "link to a section": ("[[Bath#History]] and [[#Trade]]", "Bath § History and Trade"),
    "pipe trick": ("[[Mercury (planet)|]]", "Mercury"),
    "colon link": ("[[:Category:Ports|ports]] [[:fr:Bain]]", "ports fr:Bain"),
    "interwiki": ("[[wikt:ebb]] [[wikt:ebb|the word]]", "ebb the word"),
    "title with colon": ("[[2001: A Space Odyssey]]", "2001: A Space Odyssey"),
    "side-bar link": ("Text.[[fr:Texte]]", "Text."),
    "category": ("Text.[[Category:A|sort]]", "Text."),
    "file": ("[[File:a.jpg|thumb|A [[b|c]] and {{lang|fr|d}} [http://e f]]]Text.", "Text."),
    "file in the wiki's alias": ("[[Bild:a.jpg|mini|x [[y]]]]Text.", "Text."),
    "file by suffix": ("[[Ìmage:a.png|thumb|x]]Text.", "Text."),
    "external link": ("[http://a.b/c the site], [//x y], [https://a.b] end", "the site, y, end"),
    "bare url": ("See http://a.b/c now", "See http://a.b/c now"),
    "brackets that are no link": ("f[0] and [sic] ]]", "f[0] and [sic]"),
    "reference": ('A.<ref name="x">{{cite|a}} b</ref> B.<ref name="x" /> C', "A. B. C"),
    "reference never closed": ("A.<ref>one. B.<ref>two</ref> C.", "A.one. B. C."),
    "comment": ("a<!-- b {{ [[ -->c", "ac"),
    "comment never closed": ("a <!-- b", "a"),
    "nowiki": ("<nowiki>[[a]] ''b'' &amp;</nowiki> c", "[[a]] ''b'' & c"),
    "formula": ("so <math>\\displaystyle x^2</math> and <chem>H2O</chem>", "so $x^2$ and H2O"),
    "inline code": ("call <code>f(x)</code> or <source lang=c inline>g()</source>", "call f(x) or g()"),
    "superscripts": (
        "10<sup>6</sup>, 19<sup>th</sup>, x<sup>n+1</sup>, H<sub>2</sub>O",
        "10⁶, 19th, x^(n+1), H2O",
    ),
    "entities": ("a&nbsp;b &mdash; &lt;c&gt; &#65; ?d=1&copy=2", "a b — <c> A ?d=1&copy=2"),
    "tags": ("<span class=x>a</span> <b>b</b> <unknown>c</unknown>", "a b <unknown>c</unknown>"),
    "hidden": ('a<span style="display:none">9</span>b', "ab"),
    "switches": ("__NOTOC__a __init__", "a __init__"),
    "parameter": ("so {{{1|x}}} b", "so b"),
    "bold then italic": ("'''L'''a ''b'' '''Foo''' is ''c''", "La b Foo is c"),
    "unknown template": ("a {{b|c={{d}}|[[e|f]]}} g", "a g"),
    "unknown before punctuation": ("a {{b}}, c{{d}}. E", "a, c. E"),
    "parser functions": ("{{#if:x|yes|no}} {{lc:ABC}} {{ucfirst:abc}} {{#ifeq:a|b|1|2}}", "yes abc Abc 2"),
    "page name": ("{{PAGENAME}} is", "Title is"),
    "magic word": ("{{DEFAULTSORT:x}}a", "a"),
    "template and trail": ("{{nowrap|5 km}}s", "5 kms"),
    "pipes inside links": ("{{nowrap|[[a|b]] c}}", "b c"),
    "equals sign from a template": ("{{nowrap|a{{=}}b}}", "a=b"),
    "named first argument": ("{{nowrap|1=a=b}}", "a=b"),
    "stray braces": ("a }} b {{ c", "a b c"),
    "language converter": ("-{zh-hans:计算机;zh-hant:電腦;}- -{H|zh:x}-是", "计算机 是"),
}


@pytest.mark.parametrize("case", INLINE)
def test_inline(case: str) -> None:
    source, expected = INLINE[case]
    assert to_text(source, title="Title") == expected


MENDED = {
    "all gone": ("Berlin ({{x}}; {{y}}) is", "Berlin is"),
    "first gone": ("Berlin ({{x}}; born 1950) is", "Berlin (born 1950) is"),
    "middle gone": ("A (b; {{x}}; c) d", "A (b; c) d"),
    "last gone": ("A (b, {{x}}) c", "A (b) c"),
    "nested": ("A (b ({{x}}) c) d", "A (b c) d"),
    "left alone": ("f() and () and ( x )", "f() and () and ( x )"),
    "no value": ("cost $5 (equivalent to ${{Inflation|US|5|1950}} today), then", "cost $5, then"),
    "no value inside another": (
        "So be it. It cost ${{Format price|{{Inflation|US|5|1950}}}}. End.",
        "So be it. End.",
    ),
    "no value outside brackets": (
        "A town. It has {{metadata population|x}} people in St. Ives. So.",
        "A town. So.",
    ),
    "wide brackets": ("東京（{{x}}）は", "東京は"),
    "reference before a comma": ("a<ref>x</ref>, b <ref>y</ref> (c)", "a, b (c)"),
}


@pytest.mark.parametrize("case", MENDED)
def test_gaps_are_mended_where_something_was_removed(case: str) -> None:
    source, expected = MENDED[case]
    assert to_text(source) == expected


def test_paragraphs_headings_and_lists() -> None:
    source = "One\ntwo.\n\nThree.\n== H ==\n* a\n** b\n*: c\n# d\n## e\n# f\n\nText:\n; term : what\n:indented\n----\nEnd"
    assert to_text(source) == (
        "One two.\n\nThree.\n\nH\n\n- a\n  - b\n  c\n\n1. d\n  1. e\n2. f\n\nText:\n\nterm: what\nindented\n\nEnd"
    )


def test_line_breaks_poems_and_preformatted_lines() -> None:
    assert to_text("a<br>b<br/>\nc") == "a\nb\nc"
    assert to_text("x\n<poem>\none {{nowrap|1}}\ntwo\n\nthree\n</poem>\ny") == "x\n\none 1\ntwo\n\nthree\n\ny"
    assert to_text("x:\n if a:\n   b\ny") == "x:\n\nif a:\n  b\n\ny"


def test_code_keeps_its_lines_and_its_language() -> None:
    source = 'x\n<syntaxhighlight lang="py">\nif {{a}}:\n\tb < c\n</syntaxhighlight>\ny'
    assert to_text(source) == "x\n\n```py\nif {{a}}:\n    b < c\n```\n\ny"
    assert to_text("<pre>\na ``` b\n</pre>") == "````\na ``` b\n````"


@pytest.mark.parametrize(
    "table",
    [
        "{| class=x\n|-\n| a || b\n{|\n| nested\n|}\n! c\n|}",
        ":{|\n| a\n|}",
        "<table><tr><td>a<table><tr><td>b</td></tr></table></td></tr></table>",
        "{|\n| a\n{{end}}",
        "{|\n|-\n| never closed\n",
    ],
)
def test_tables_go(table: str) -> None:
    assert to_text(f"Before.\n{table}\n\nAfter.") == "Before.\n\nAfter."


def test_an_unclosed_template_costs_its_own_lines_only() -> None:
    assert to_text("{{Infobox x\n| a = b\n| c = [[d]]\n\n'''E''' is.\n\nF {{g}} h.") == "E is.\n\nF h."


def test_an_unclosed_link_ends_with_its_paragraph() -> None:
    assert to_text("a [[b c\n\nd [[e|f]] g") == "a b c\n\nd f g"


def test_an_unclosed_file_leaves_its_caption() -> None:
    assert to_text("[[File:a.jpg|thumb|The quay at dusk\n\nText.").endswith("Text.")
    assert "thumb" not in to_text("[[File:a.jpg|thumb|The quay at dusk\n\nText.")


def test_end_matter_goes_unless_asked_for() -> None:
    source = "Lead.\n== A ==\nText.\n== See also ==\n* [[b]]\n=== Sub ===\n* c\n== References ==\n{{reflist}}\n== Z ==\nMore."
    assert to_text(source) == "Lead.\n\nA\n\nText.\n\nZ\n\nMore."
    assert (
        to_text(source, end_matter=True)
        == "Lead.\n\nA\n\nText.\n\nSee also\n\n- b\n\nSub\n\n- c\n\nZ\n\nMore."
    )


def test_a_bibliography_goes_only_where_it_is_a_list() -> None:
    prose = "Sources of the river are many. " * 6
    assert to_text(f"L.\n== Sources ==\n{prose}").endswith("many.")
    assert to_text("L.\n== Sources ==\n* A. Author: ''B''\n* C") == "L."


def test_empty_sections_go() -> None:
    assert to_text("L.\n== A ==\n=== B ===\n{{x}}\n== C ==\n=== D ===\nd\n== E ==\n") == "L.\n\nC\n\nD\n\nd"


def test_another_wiki_has_its_own_names() -> None:
    assert (
        to_text("[[Datei:a.jpg|mini|b]]A {{enS|ebb}} {{formatnum:1234.5}}.[[Kategorie:X]]", GERMAN)
        == "A ebb 1.234,5."
    )
    icelandic = Wiki.of_siteinfo("xx", {6: "Mynda", 14: "Flokk"})
    assert to_text("[[Mynda:x|y]]A[[Flokk:z]]", icelandic) == "A"


def test_control_characters_cannot_forge_marks() -> None:
    assert to_text("a\x010\x02b\x05(\x05)c <nowiki>d</nowiki>") == "a0b()c d"


def test_redirects_and_disambiguation() -> None:
    assert redirect_target("#REDIRECT [[A b#c]] x") == "A b#c"
    assert redirect_target(" # weiterleitung: [[A]]") == "A"
    assert redirect_target("A page about #REDIRECT") is None
    assert is_disambiguation("x {{Disambiguation|geo}}") and is_disambiguation("{{ hndis }}")
    assert is_disambiguation("{{Begriffsklärung}}") and is_disambiguation("x", "A (disambiguation)")
    assert not is_disambiguation("{{about|x|y|z (disambiguation)}} {{disambiguation needed}}")


HOSTILE = [
    "{{", "[[", "{{a|", "{{nowrap|", "{{#if:", "[[a|", "[[File:a|", "[http://a ", "}}", "]]", "{{{", "'''''", "''a''",
    "<!--", "<ref>", "<ref name=a>x", "<ref><ref name=a/>", "<nowiki>", "<math>", "<poem>", "{|\n", "<table>", "<", "<b ",
    "=", "== a\n", "(", "({{x}}", "({{x}})", "{{x}} ", "-{", "&a", "__", "|", "|\n", "*", "# a\n", "; a : b\n",
    '<span style="display:none">', "<sup>", "({{inflation}}", "of ", "[[a:",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_is_linear_on_hostile_input(unit: str) -> None:
    assert_linear(lambda count: partial(to_text, unit * count))


HOSTILE_RUNS = {
    "spaces after a mark": ("a{{x}}b", " ", "c"),
    "spaces after a break": ("a<br>b", " ", "c"),
    "commas in mended brackets": ("({{x}}a", ", ", "b)"),
    "dashes in mended brackets": ("(a", "- ", "b{{x}}c)"),
    "spaces before a name": ("{{nowrap|", " ", "x\ny=1}}"),
    "spaces in a name": ("{{nowrap|x", " ", "y\n=1}}"),
    "spaces in a pipe trick": ("[[a", " ", "b|]]"),
    "styles of one tag": ("<span ", "display:none ", ""),
    "captions": ("[[File:a.jpg", "|a", "\n\nb"),
    "a reference's slashes": ("<ref ", "/", "x"),
    "templates in one that never closes": ("{{x ", "{{y}}", ""),
    "links in one that never closes": ("[[a|", "[[b]]", ""),
}


@pytest.mark.parametrize("case", HOSTILE_RUNS)
def test_time_is_linear_on_long_runs(case: str) -> None:
    before, unit, after = HOSTILE_RUNS[case]
    assert_linear(lambda count: partial(to_text, before + unit * count + after))


@pytest.mark.parametrize("source", ["{{", "{{ ", " ", "{{a ", "{{a\n"])
def test_time_to_tell_a_disambiguation_is_linear(source: str) -> None:
    assert_linear(lambda count: partial(is_disambiguation, "{{" + source * count))


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("{{nowrap|", "}}"), ("{{foo|", "}}"), ("[[a|", "]]"), ("(", ")"), ("<poem>", "</poem>")],
)
def test_time_is_linear_in_depth(opening: str, closing: str) -> None:
    assert_linear(lambda count: partial(to_text, opening * count + "x" + closing * count))


def test_deep_nesting_ends() -> None:
    assert to_text("{{nowrap|" * 100_000 + "x" + "}}" * 100_000) == ""
