"""Find the main file and the encoding of a paper that comes as many files."""

from __future__ import annotations

import json

import pytest

from pile_curate.extract.latex_project import Project, decoded, read_paper

MAIN = b"\\documentclass{article}\\begin{document}%s\\end{document}"


def main(**files: bytes) -> str:
    return Project({name.replace("__", "/").replace("_", "."): data for name, data in files.items()}).main()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a_tex": b"text", "b_tex": MAIN}, "b.tex"),
        ({"a_tex": MAIN + b"long" * 9, "b_tex": MAIN + b"\\input{a}"}, "b.tex"),
        ({"body_tex": b"\\begin{document}x", "main_tex": b"\\documentclass{a}\\input{body}"}, "main.tex"),
        ({"pre_tex": b"\\documentclass{a}", "chapter_tex": b"\\input{pre}\\begin{document}x"}, "chapter.tex"),
        ({"supplement_tex": MAIN + b"x" * 900, "zz_tex": MAIN}, "zz.tex"),
        ({"ms_tex": MAIN, "aa_tex": MAIN}, "ms.tex"),
        ({"aa_tex": MAIN + b"x" * 5000, "ms_tex": MAIN}, "aa.tex"),
        ({"sub__ms_tex": MAIN, "ms_tex": MAIN}, "ms.tex"),
        ({"c_tex": b"% \\documentclass{x}\n% \\begin{document}\n", "d_tex": b"\\documentstyle{x}\\begin{document}"}, "d.tex"),
        ({"plain": b"\\magnification=1200 \\bye", "x_txt": b"notes"}, "plain"),
        ({"macros_sty": b"\\def\\a{b}", "README": b"hello"}, ""),
        ({"00README_XXX": b"z.tex toplevelfile\na.tex ignore\n", "a_tex": MAIN, "z_tex": b"text"}, "z.tex"),
        ({"00README_json": json.dumps({"sources": [{"filename": "q.tex", "usage": "toplevel"}]}).encode(),
          "a_tex": MAIN, "q_tex": b"text"}, "q.tex"),
        ({"00README_json": b'{"sources": 3}', "a_tex": MAIN}, "a.tex"),
    ],
)  # fmt: skip
def test_the_main_file(files: dict[str, bytes], expected: str) -> None:
    assert main(**files) == expected


def test_includes_stay_inside() -> None:
    project = Project(
        {"main.tex": b"", "Sections/Intro.TEX": b"x", "a.tex": b"", "fig.tikz": b"", "a.bbl": b""}
    )
    assert project.find("sections/intro", ".tex") == "Sections/Intro.TEX"
    assert (
        project.find("./a", ".tex") == project.find("a.tex", ".tex") == project.find("/a", ".tex") == "a.tex"
    )
    assert project.find("intro", ".tex", "Sections") == "Sections/Intro.TEX"
    for name in ("../a", "../../etc/passwd", "..", "fig.tikz", "a.bbl", "", "x" * 999):
        assert project.find(name, ".tex") is None


@pytest.mark.parametrize(
    ("data", "text", "codec"),
    [
        ("é".encode(), "é", "utf-8"),
        (b"\xef\xbb\xbfa\r\nb\rc", "a\nb\nc", "utf-8"),
        (b"\xe9", "é", "cp1252"),
        (b"\\usepackage[latin2]{inputenc}\n\xb3", "\\usepackage[latin2]{inputenc}\nł", "iso8859-2"),
        (b"%\\usepackage[latin2]{inputenc}\n\xb3", "%\\usepackage[latin2]{inputenc}\n³", "cp1252"),
        ("\\begin{CJK}{GBK}{song}中".encode("gb18030"), "\\begin{CJK}{GBK}{song}中", "gb18030"),
        ("a".encode("utf-16"), "a", "utf-16"),
        (b"a\x00\x07\x1bb", "ab", "utf-8"),
        ("a\ue001b".encode(), "ab", "utf-8"),
    ],
)
def test_encodings(data: bytes, text: str, codec: str) -> None:
    assert decoded(data) == (text, codec)


def test_the_declaration_in_the_main_file_holds_for_all() -> None:
    paper = read_paper(
        {
            "m.tex": MAIN % b"\\usepackage[latin2]{inputenc}\\input{c}".replace(b"\\use", b"\n\\use"),
            "c.tex": b"\xb3",
        }
    )
    assert paper is not None and (paper.text, paper.encoding, paper.used) == (
        "ł",
        "iso8859-2",
        ["m.tex", "c.tex"],
    )


def test_natbib_names() -> None:
    bbl = b"""\\bibitem[{Smith \\& Jones(2001{\\natexlab{a}})}]{s}x \\bibitem[Lee et~al.(1999)]{l} y \\bibitem[3]{z}
\\bibitem[{{O'Neil}}(2004)]{o} \\bibitem[unclosed(2001)"""
    labels = Project({"a.bbl": bbl}).labels()
    assert labels == {"s": "Smith & Jones (2001a)", "l": "Lee et al. (1999)", "o": "O'Neil (2004)"}
