"""JATS to text: sections, lists, formulas, figures, notes, and what is left out."""

from __future__ import annotations

import time
from typing import Any
from xml.etree.ElementTree import Element

from pile_curate.extract import jats_front as front
from pile_curate.extract.jats import JatsChoices, JatsReader, joined
from pile_curate.extract.jats_names import BLOCKS
from pile_curate.extract.xml_document import parse_document

X = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


def article(body: str = "", back: str = "", meta: str = "", **attributes: str) -> Element:
    given = " ".join(f'{name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    text = f"<article {X} {given}><front><article-meta>{meta}</article-meta></front><body>{body}</body><back>{back}</back></article>"
    return parse_document(text.encode())


def text(body: str, back: str = "", **choices: Any) -> str:
    root = article(body, back)
    found = root.find("body")
    assert found is not None
    return joined(JatsReader(root, JatsChoices(**choices)).blocks(found))


def test_sections_have_headings_and_empty_ones_none() -> None:
    body = (
        "<sec><label>1</label><title>One</title><sec><title>Inner <italic>part</italic></title><p>Text.</p></sec>"
        "<sec><title>Nothing</title></sec></sec><sec><title>Last</title></sec>"
    )
    assert text(body) == "1 One\n\nInner part\n\nText."


def test_lists() -> None:
    body = (
        "<p>See:<list list-type='alpha-lower'><list-item><p>one</p></list-item><list-item><p>two</p><list list-type='bullet'>"
        "<list-item><p>in</p></list-item></list></list-item></list>and more.</p>"
        "<list list-type='simple'><list-item><p>plain</p></list-item></list>"
        "<list><list-item><label>(i)</label><p>given</p></list-item></list>"
        "<def-list><def-item><term>NaCl</term><def><p>salt</p></def></def-item></def-list>"
    )
    assert text(body) == "See:\n\na. one\nb. two\n   - in\n\nand more.\n\nplain\n(i) given\nNaCl: salt"


def test_formulas_are_told_once() -> None:
    both = "<alternatives><tex-math>$$x^2$$</tex-math><math><msup><mi>x</mi><mn>2</mn></msup></math><graphic/></alternatives>"
    body = f"<p>If <inline-formula>{both}</inline-formula> then<disp-formula><label>(2)</label>{both}</disp-formula>holds.</p>"
    assert text(body) == "If $x^2$ then\n\n$$x^2$$ (2)\n\nholds."
    assert text(body, formulas="text") == "If x² then\n\nx² (2)\n\nholds."
    assert text(body, formulas="drop") == "If then\n\nholds."
    alone = "<p><inline-formula><math><mi>y</mi></math></inline-formula>, <disp-formula>E = mc<sup>2</sup></disp-formula></p>"
    assert text(alone) == "y,\n\nE = mc²"


def test_figures_and_tables_are_options() -> None:
    body = (
        "<p>Before.</p><fig><label>Figure 1.</label><caption><title>A gull</title><p>It sits.</p></caption><graphic/></fig>"
        "<table-wrap><label>Table 1</label><caption><p>Gulls</p></caption><table><thead><tr><th>Place</th><th>n</th></tr></thead>"
        "<tbody><tr><td>Weir</td><td>3<sup>a</sup></td></tr></tbody></table><table-wrap-foot><fn><p>Note.</p></fn></table-wrap-foot>"
        "</table-wrap>"
    )
    assert text(body) == "Before."
    assert text(body, captions=True) == "Before.\n\nFigure 1. A gull. It sits.\n\nTable 1. Gulls."
    assert text(body, tables=True) == "Before.\n\nTable 1. Gulls.\n\nPlace | n\nWeir | 3a"


def test_cross_references() -> None:
    refs = "<ref-list><ref id='r1'><mixed-citation id='c1'/></ref></ref-list>"
    body = (
        "<p>See <xref ref-type='fig' rid='f'>Fig. 1</xref> [<xref ref-type='bibr' rid='r1'>1</xref>]<xref ref-type='aff' rid='a'>a</xref>,"
        " x<sup><xref rid='r1'>2</xref>,<xref rid='c1'>3</xref></sup> (<xref ref-type='bibr' rid='r1'>Moss, 2004</xref>).</p>"
    )
    assert text(body, refs) == "See Fig. 1, x (Moss, 2004)."
    assert text(body, refs, citations="drop_all") == "See Fig. 1, x."
    assert text(body, refs, citations="keep") == "See Fig. 1 [1], x^(2,3) (Moss, 2004)."


def test_footnotes_stand_behind_their_paragraph_once() -> None:
    notes = "<fn-group><fn id='n1'><label>1</label><p>Noted.</p></fn><fn id='n2' fn-type='conflict'><p>No interests.</p></fn></fn-group>"
    body = (
        "<p>One<xref ref-type='fn' rid='n1'>1</xref> and<fn><p>Inline note.</p></fn> two<xref ref-type='fn' rid='n2'>2</xref>.</p>"
        "<p>Again<xref ref-type='fn' rid='n1'>1</xref>.</p>"
    )
    assert text(body, notes) == "One and two.\n\nNoted.\n\nInline note.\n\nAgain."
    assert text(body, notes, footnotes=False) == "One and two.\n\nAgain."


def test_notes_that_refer_to_themselves_end() -> None:
    notes = "<fn-group><fn id='n1'><p>A<xref ref-type='fn' rid='n2'/>.</p></fn><fn id='n2'><p>B<xref ref-type='fn' rid='n1'/>.</p></fn></fn-group>"
    assert text("<p>Go<xref ref-type='fn' rid='n1'/>.</p>", notes) == "Go.\n\nA.\n\nB."
    chain = "".join(f"<fn id='n{i}'><p>{i}<xref ref-type='fn' rid='n{i + 1}'/></p></fn>" for i in range(3000))
    assert (
        text("<p>Go<xref ref-type='fn' rid='n0'/>.</p>", f"<fn-group>{chain}</fn-group>").count("\n\n")
        == 3000
    )


def test_what_is_about_the_article_goes() -> None:
    body = (
        "<sec><title>Text</title><p>Kept.</p><supplementary-material><caption><p>File S1</p></caption></supplementary-material></sec>"
        "<sec sec-type='COI-statement'><title>Statement</title><p>None.</p></sec>"
        "<sec><title>7. Authors’ contributions:</title><p>AB wrote.</p></sec>"
    )
    assert text(body) == "Text\n\nKept."
    assert "AB wrote." in text(body, back_matter=True)


def test_other_blocks() -> None:
    body = (
        "<disp-quote><p>Quoted.</p><attrib>A gull</attrib></disp-quote>"
        "<statement><label>Theorem 1</label><p>It holds.</p></statement>"
        "<verse-group><verse-line>Low tide</verse-line><verse-line>high tide</verse-line></verse-group>"
        "<speech><speaker>Q</speaker><p>Why?</p></speech><boxed-text><caption><title>Box</title></caption><p>In it.</p></boxed-text>"
        "<p>a<break/>b CO<sub>2</sub> m<sup>-2</sup> 4<sup>th</sup></p><code language='R'>x &lt;- 1\n  y</code>"
        "<preformat>a  b</preformat>loose"
    )
    assert text(body) == (
        "Quoted.\n\nA gull\n\nTheorem 1. It holds.\n\nLow tide\nhigh tide\n\nQ: Why?\n\nBox\n\nIn it.\n\na\nb CO2 m⁻² 4th\n\n"
        "```R\nx <- 1\n  y\n```\n\na  b\n\nloose"
    )


def test_100000_nested_elements_cost_little() -> None:
    for tag in (
        "sec",
        "p",
        "italic",
        "sup",
        "list-item",
        "list",
        "fig",
        "table",
        "tr",
        "disp-formula",
        "boxed-text",
        "fn",
        "xref",
    ):
        begin = time.process_time()
        found = text(f"<{tag}>" * 6_000 + "deep" + f"</{tag}>" * 6_000, tables=True, captions=True)
        assert time.process_time() - begin < 0.5, tag
        assert len(found) < 100
    begin = time.process_time()
    text("<sec><p>" * 50_000 + "deep" + "</p></sec>" * 50_000)
    assert time.process_time() - begin < 2


def test_front() -> None:
    meta = (
        "<article-id pub-id-type='pmcid'>PMC12</article-id><article-id pub-id-type='doi'>10.1000/x</article-id>"
        "<article-id pub-id-type='pmid'>no</article-id>"
        "<contrib-group><contrib contrib-type='author'><name><surname>Moss</surname><given-names>A. B.</given-names></name></contrib>"
        "<contrib contrib-type='editor'><name><surname>No</surname></name></contrib>"
        "<contrib contrib-type='author'><string-name>Ada Reed</string-name></contrib></contrib-group>"
        "<pub-date pub-type='ppub'><year>2011</year></pub-date><pub-date pub-type='epub'><year>2010</year><month>Dec</month></pub-date>"
    )
    found = article(meta=meta).find("front/article-meta")
    assert found is not None
    assert front.article_ids(found) == {"pmc": "PMC12", "doi": "10.1000/x"}
    assert front.authors(found) == ["A. B. Moss", "Ada Reed"]
    assert front.published(found) == "2010-12"


def licence(permissions: str) -> str | None:
    return front.licence(article(meta=f"<permissions>{permissions}</permissions>"))[0]


def test_licences() -> None:
    by = "http://creativecommons.org/licenses/by/4.0/"
    assert licence(f"<license xlink:href='{by}'/>") == "CC-BY-4.0"
    assert licence(f"<license><license_ref>{by}</license_ref></license>") == "CC-BY-4.0"
    assert licence(f"<license_ref>{by}</license_ref>") == "CC-BY-4.0"
    assert (
        licence(f"<license><p>See <ext-link xlink:href='{by}'>here</ext-link>.</p></license>") == "CC-BY-4.0"
    )
    assert (
        licence("<license license-type='CC BY-NC'><license-p>Terms</license-p></license>")
        == "LicenseRef-CC-BY-NC"
    )
    assert (
        licence("<license><license-p>This work is in the public domain.</license-p></license>")
        == "LicenseRef-public-domain"
    )
    assert (
        licence("<license><license-p>Ask the publisher.</license-p></license>") == "LicenseRef-article-terms"
    )
    verbatim = "<copyright-statement>© A: verbatim copying and redistribution of this article are permitted</copyright-statement>"
    assert licence(verbatim) == "LicenseRef-article-terms"
    assert (
        licence("<copyright-statement>© 2001. All rights reserved.</copyright-statement>")
        == "LicenseRef-all-rights-reserved"
    )
    assert licence("<copyright-statement>© 2001 Moss; CC BY 3.0</copyright-statement>") == "CC-BY-3.0"
    assert licence("<copyright-statement>© 2001 Moss</copyright-statement>") is None
    assert licence("") is None


def test_retracted() -> None:
    assert front.is_retracted(article(), "RETRACTED: On gulls")
    assert front.is_retracted(article(article_type="retracted-article"), "On gulls")
    assert front.is_retracted(
        article(meta="<related-article related-article-type='retraction-forward'/>"), "On gulls"
    )
    assert not front.is_retracted(article(), "Retracted landing gear and gulls")


def test_the_blocks_that_lines_know_are_those_that_are_read() -> None:
    assert set(JatsReader._HANDLERS) == set(BLOCKS)


def test_an_empty_form_of_a_formula_yields_to_the_other() -> None:
    body = "<p>At <inline-formula><alternatives><tex-math> </tex-math><math><mi>y</mi></math></alternatives></inline-formula>.</p>"
    assert text(body) == "At y."
    assert (
        text("<p>With <alternatives><textual-form>words</textual-form><graphic/></alternatives>.</p>")
        == "With words."
    )


def test_typed_citations_go_where_no_reference_is_linked() -> None:
    refs = "<ref-list><ref id='a'/><ref id='b'/><ref id='c'/></ref-list>"
    body = (
        "<p>Gulls flying<sup>3</sup> and swimming.<sup>1,2</sup> They rise 3 m<sup>2</sup>, 10<sup>3</sup> of them, on an "
        "area<sup>9</sup> of 2 <italic>cm</italic><sup>3</sup>.</p>"
    )
    assert text(body, refs) == "Gulls flying and swimming. They rise 3 m², 10³ of them, on an area⁹ of 2 cm³."
    linked = body + "<p>As told<xref ref-type='bibr' rid='a'>1</xref>.</p>"
    for kept in (text(body), text(linked, refs), text(body, refs, citations="keep")):
        assert kept.startswith("Gulls flying³ and swimming.1,2 They")
