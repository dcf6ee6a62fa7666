"""Patents: codes to characters, layouts to blocks, and what of them is the background."""

from __future__ import annotations

import contextlib
import time

import pytest

from pile_curate.extract.patent import (
    Block,
    background,
    heading_kind,
    is_heading,
    notices,
    plain_number,
    us_symbol,
)
from pile_curate.extract.patent_aps import read_aps
from pile_curate.extract.patent_codes import braces, dot_text, xml_entities
from pile_curate.extract.patent_markup import read_markup
from pile_curate.extract.patent_tree import TreeError, parse


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("C.sub.1 -C.sub.4 alkyl", "C₁-C₄ alkyl"),
        ("(CH.sub.2).sub.n CO.sub.2 H and", "(CH₂)_n CO₂H and"),
        ("Q.sub.1, Q.sub.2 and", "Q₁, Q₂ and"),
        ("at T.sub.En. In this", "at T_En. In this"),
        ("1.times.10.sup.-3 M of Ca.sup.2+ ions", "1×10⁻³ M of Ca²⁺ ions"),
        ("CO.sub.2 In the", "CO₂ In the"),
        ("NH.sub.4 OH. Then", "NH₄OH. Then"),
        ("QUERY.sub.-- STRING", "QUERY_STRING"),
        ("a.sub.ij.sup.2, x.sup.0.5 y", "a_ij², x^(0.5) y"),
        ("v. 3.0.1 and 2.0. And www.alpha-x.com", "v. 3.0.1 and 2.0. And www.alpha-x.com"),
        ("R.sub..alpha. .ltoreq.5 .DELTA.T", "R_α ≤5 ΔT"),
        (".Iadd.new.Iaddend. .[.old.]. kept", "new  kept"),
        ("Teflon.RTM. ##EQU12## end", "Teflon®  end"),
        ("x.[.never closed", "xnever closed"),
    ],
)
def test_dot_codes(typed: str, read: str) -> None:
    assert dot_text(typed) == read


def test_braces_and_entities() -> None:
    assert (
        braces("M{umlaut over (u)}ller, {overscore (AB)} {fraction (1/2)} {not a code}")
        == "Müller, A̅B 1/2 {not a code}"
    )
    assert xml_entities("&agr;&OHgr;&lsqb;&af;&b.beta;&amp;&#955;") == "αΩ[β&amp;&#955;"
    assert xml_entities("a &lt b &LT; &x" + "y" * 100 + ";") == "a &lt b &lt; &x" + "y" * 100 + ";"


def test_numbers_and_classes() -> None:
    assert plain_number("D0453058") == plain_number("D453,058") == "D453058"
    assert plain_number("T0942001") == "T942001" and plain_number("not one") == "" == plain_number("D")
    assert us_symbol("128DIG 9") == "128/DIG9" and us_symbol("") == ""


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("BACKGROUND AND SUMMARY OF THE INVENTION", "background"),
        ("II. Description of the Related Art", "background"),
        ("BRIEF DESCRIPTION OF THE PRIOR ART", "background"),
        ("DESCRIPTION OF THE PRIOR ART DRAWINGS", "stop"),
        ("(1) Field of the Invention", "field"),
        ("Technical Field", "field"),
        ("STATEMENT REGARDING FEDERALLY SPONSORED RESEARCH", "aside"),
        ("CLAIM OF PRIORITY", "aside"),
        ("Priority queues", ""),
        ("CITATION LIST", "aside"),
        ("Non-Patent Literature", "aside"),
        ("Description of Conventional Systems", "background"),
        ("OBJECTS OF THE INVENTION", "stop"),
        ("BEST MODE FOR CARRYING OUT THE INVENTION", "stop"),
        ("A. Gene therapy", ""),
    ],
)
def test_headings(heading: str, kind: str) -> None:
    assert heading_kind(heading) == kind


def test_typed_headings() -> None:
    assert is_heading("1. Field of the Invention") and is_heading("PRIOR ART")
    assert not is_heading("Background noise is loud.") and not is_heading(
        "Prior art lids of every kind, size and make, held by wire"
    )


def outline(*blocks: tuple[str, str, str]) -> list[str]:
    made = [Block("heading" if k == "h" else "p", text, part) for k, text, part in blocks]  # type: ignore[arg-type]
    return [block.text for block in background(made)]


def test_background_has_field_and_related_art_and_ends_at_the_summary() -> None:
    assert outline(
        ("h", "BACKGROUND OF THE INVENTION", "summary"),
        ("p", "1. Field of the Invention", "summary"),
        ("p", "field.", "summary"),
        ("h", "2. Related Art", "summary"),
        ("p", "art.", "summary"),
        ("h", "Pumps of the past", "summary"),
        ("p", "pumps.", "summary"),
        ("h", "SUMMARY", "summary"),
        ("p", "new.", "summary"),
        ("h", "Prior art again", "detail"),
        ("p", "no.", "detail"),
    ) == ["field.", "art.", "Pumps of the past", "pumps."]


def test_background_ends_with_its_part_and_a_field_alone_is_none() -> None:
    assert outline(("h", "BACKGROUND", "summary"), ("p", "a", "summary"), ("p", "FIG. 1", "drawings")) == [
        "a"
    ]
    assert outline(("h", "FIELD OF THE INVENTION", "summary"), ("p", "a", "summary")) == []
    assert outline(("p", "a", "background"), ("p", "b", "summary")) == ["a"]
    assert outline(
        ("h", "BACKGROUND", "detail"), ("p", "a", "detail"), ("h", "The pump", "detail"), ("p", "b", "detail")
    ) == ["a"]


def test_reading_briefly_changes_no_background() -> None:
    tail = '<?DETDESC end="lead"?><heading>PRIOR ART</heading><p>d</p>'
    body = '<?BRFSUM end="lead"?><heading>BACKGROUND</heading><p>a</p><?BRFSUM end="tail"?>' + tail
    for data in (grant(body), grant(tail), grant("<p>x</p>")):
        assert background(read_markup(data, brief=True).description) == background(
            read_markup(data).description
        )
    assert len(read_markup(grant(body), brief=True).description) == 2
    aps = b"PATN\nBSUM\nPAC  BACKGROUND\nPAR  a\nDETD\nPAC  PRIOR ART\nPAR  b\nCLMS\nNUM  1.\nPAR  1. A.\n"
    assert background(read_aps(aps, brief=True).description) == background(read_aps(aps).description)
    assert read_aps(aps, brief=True).claims == []


def test_notices() -> None:
    text = "A portion of this document contains material which is subject to {}. The owner has no objection."
    assert notices([Block("p", text.format("copyright protection"))]) == ["copyright"]
    assert notices([Block("p", text.format("(copyright or mask work) protection"))]) == [
        "copyright",
        "mask work",
    ]
    assert notices([Block("p", "The copyright page of the book is scanned, and a mask covers it.")]) == []


def test_aps_joins_lines_and_survives_anything() -> None:
    patent = read_aps(
        b"PATN\r\nWKU  039372041\r\nBSUM\r\nPAR  well-\r\n      known, state --\r\n      of -\r\n      art\r\n"
    )
    assert patent.description[0].text == "well-known, state -- of - art" and patent.number == "03937204"
    assert read_aps(b"PATN\n" + bytes(range(256)) * 20).number == ""
    untagged = read_aps(
        b"PATN\nDETD\n     DETAILED DESCRIPTION\nPAR  A glove.\nCLMS\nNUM  1.\nPAR  1. A glove.\n"
    )
    assert [(b.kind, b.text, b.part) for b in untagged.description] == [
        ("heading", "DETAILED DESCRIPTION", "detail"),
        ("p", "A glove.", "detail"),
    ]
    assert untagged.claims == [["1. A glove."]]
    assert read_aps(b"PATN\nINVT\nNAM  M\xfcller; Jos\xe9\n").authors == ["José Müller"]


def grant(body: str, head: str = "") -> bytes:
    return (
        "<us-patent-grant><us-bibliographic-data-grant><publication-reference><document-id><doc-number>07000001</doc-number>"
        f"</document-id></publication-reference>{head}</us-bibliographic-data-grant><description>{body}</description>"
        "</us-patent-grant>"
    ).encode()


def texts(body: str) -> list[str]:
    return [block.text for block in read_markup(grant(body)).description]


def test_markup_becomes_text() -> None:
    assert texts("<p>H<sub>2 </sub>at <b>1</b>0<sup>5</sup> V<sub>max</sub><img/>, a<br/>b</p>") == [
        "H₂ at 10⁵ V_max, a b"
    ]
    assert texts("<p>one<tables><table><row><entry>a</entry><entry/><entry><p>b</p><p>c</p></entry></row></table></tables>two</p>") == [
        "one", "a | b c", "two",
    ]  # fmt: skip
    assert texts(
        "<p>see <patcit><document-id><country>US</country><doc-number>7</doc-number></document-id></patcit></p>"
    ) == ["see US 7"]
    assert texts("<p>[0012] Text &#x26; <!-- no --> more</p>") == ["Text & more"]


@pytest.mark.parametrize(
    ("math", "line"),
    [
        ("<mfrac><mi>a</mi><mrow><mn>2</mn><mi>b</mi></mrow></mfrac>", "a/2b"),
        ("<mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mi>c</mi></mfrac>", "(a + b)/c"),
        (
            "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup><mo>&#8804;</mo><msqrt><mi>y</mi></msqrt>",
            "x_i² ≤ √y",
        ),
        ("<munderover><mo>∑</mo><mi>i</mi><mi>n</mi></munderover><mi>k</mi>", "∑_i^nk"),
        (
            "<mtable><mtr><mtd><mi>a</mi></mtd><mtd><mi>b</mi></mtd></mtr><mtr><mtd><mi>c</mi></mtd></mtr></mtable>",
            "a b; c",
        ),
        ("<mfenced open='[' close=']'><mi>a</mi><mi>b</mi></mfenced>", "[a, b]"),
        ("", ""),
    ],
)
def test_formulas(math: str, line: str) -> None:
    assert texts(f"<p>x<maths><math>{math}</math></maths></p>") == ["x", *([line] if line else [])]


def test_broken_markup_is_repaired_and_counted() -> None:
    patent = read_markup(grant("<p>a <b>bold & <i>both</b> b</p></nothing><p>c &undefined; < d</p>"))
    assert [block.text for block in patent.description] == [
        "a bold & both b",
        "c < d",
    ] and patent.repairs == 3
    with pytest.raises(TreeError):
        parse(b"<us-patent-grant>" + b"</x>" * 300)


def test_an_entity_bomb_has_no_place_to_stand() -> None:
    bomb = (
        b"<us-patent-grant>"
        + b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>"
        + b"<description><p>&a;&a;</p></description></us-patent-grant>"
    )
    assert read_markup(bomb).description == []


@pytest.mark.parametrize(
    "body",
    [
        b"<p>" * 100_000,
        b"<b>" * 30_000 + b"</b>" * 30_000,
        b"<sub>" * 20_000 + b"x" + b"</sub>" * 20_000,
        b"<table><row><entry>" * 20_000,
        b"<math>" + b"<mrow>" * 50_000 + b"x" + b"</mrow>" * 50_000 + b"</math>",
        b"<" * 200_000,
        b"<a b='" * 50_000,
        b"<a " + b"b=' " * 100_000 + b">",
        b"<!--" * 100_000,
        b"&" * 200_000 + b";",
        b"{" * 100_000 + b"acute over (" * 20_000,
        b"<?x " * 100_000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_hostile_markup_costs_little(body: bytes) -> None:
    begin = time.process_time()
    for data in (grant("@").replace(b"@", body), b"<PATDOC>" + body + b"</PATDOC>"):
        with contextlib.suppress(TreeError):
            read_markup(data)
    assert time.process_time() - begin < 2


@pytest.mark.parametrize(
    "text",
    [".sub." * 50_000, ".sub.a" * 50_000, ".[." * 50_000, "{acute over (" * 30_000, "H.sub.2 " * 30_000, "-\n      " * 50_000,
     ".alpha" * 50_000, "##" * 100_000, ".sub.(" * 50_000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_hostile_aps_costs_little(text: str) -> None:
    begin = time.process_time()
    read_aps(b"PATN\nBSUM\nPAC  " + text.encode() + b"\nPAR  " + text.encode())
    assert time.process_time() - begin < 1.5
