r"""Turn TeX into text: some seventy small sources and what a reader should see of each."""

from __future__ import annotations

import pytest

from pile_curate.extract.latex_text import TextOptions, render


def text(source: str, files: dict[str, str] | None = None, **options: bool) -> str:
    found = files or {}
    return render(
        source, lambda name, suffix: found.get(name, found.get(name + suffix)), TextOptions(**options)
    )[0]


def document(body: str, preamble: str = "") -> str:
    return f"\\documentclass{{article}}\n{preamble}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"


PLAIN = [
    # comments, white space, groups
    ("a % note\n  b", "a b"),
    ("50\\% of a\\% % and not this\nc", "50% of a% c"),
    ("one\ntwo\n\nthree", "one two\n\nthree"),
    ("one\n% alone\ntwo", "one two"),
    ("word% glued\n   ed", "worded"),
    ("a\\begin{comment} $x \\end{comment}b", "ab"),
    ("a \\iffalse hidden { \\fi b", "a b"),
    ("\\iftrue yes \\else no \\fi end", "yes end"),
    ("\\newif\\ifdraft \\ifdraft secret\\else public\\fi", "public"),
    ("\\newif\\ifdraft\\drafttrue \\ifdraft secret\\else public\\fi", "secret"),
    ("{\\bf bold {\\it inner}} and \\textbf{this}", "bold inner and this"),
    ("}}} stray {{ braces", "stray braces"),
    ("a~b\\,c\\quad d\\ e", "a b c d e"),
    # letters and signs
    ("Erd\\H{o}s, \\'Etale, na\\\"{\\i}ve, \\c{c}a, \\v{S}, \\r a, \\~n", "Erdős, Étale, naïve, ça, Š, å, ñ"),
    ("\\ss\\ \\L\\'od\\'z \\AA ngstr\\\"om \\o{} \\ae{}on", "ß Łódź Ångström ø æon"),
    ("``a'' and `b' -- c --- it's 1--2", "“a” and ‘b’ – c — it’s 1–2"),
    ("\\textgreek{l'ogos} \\S 3 \\copyright{} \\ldots", "λόγος §3 © …"),
    ("\\# \\$ \\& \\_ \\{ \\} \\textbackslash", "# $ & _ { } \\"),
    ("\\^{\\i}le \\'{\\^e}", "île ế"),
    # macros
    ("\\def\\x{Y}\\x{} and \\x", "Y and Y"),
    ("\\newcommand{\\hi}[2][you]{hello #1 #2}\\hi{now} \\hi[me]{then}", "hello you now hello me then"),
    ("\\def\\pair(#1,#2){#2 then #1}\\pair(one,two)!", "two then one!"),
    ("\\def\\to#1\\stop{<#1>}\\to a b\\stop.", "<a b>."),
    ("\\let\\old\\emph\\renewcommand{\\emph}[1]{[\\old{#1}]}\\emph{a}", "a"),
    ("\\newcommand{\\eg}{e.g.\\xspace}\\eg this, \\eg, that", "e.g. this, e.g., that"),
    ("{\\def\\x{in}\\x} \\providecommand{\\x}{out}\\x", "in out"),
    ("\\newenvironment{boxed}[1]{Box #1: }{ (end)}\\begin{boxed}{A}text\\end{boxed}", "Box A: text (end)"),
    ("\\NewDocumentCommand{\\f}{s O{d} m}{\\IfBooleanTF{#1}{S}{N}#2#3}\\f{x} \\f*[y]{z}", "Ndx Syz"),
    ("\\expandafter\\def\\csname ab\\endcsname{AB}\\csname ab\\endcsname", "AB"),
    ("\\unknown{kept} \\unknown[opt]{kept}", "kept kept"),
    # formulas
    ("\\newcommand{\\R}{\\mathbb{R}}$x\\in\\R^\\R$", "$x\\in\\mathbb{R}^{\\mathbb{R}}$"),
    ("\\def\\a{\\alpha}$\\a x$ and $\\a{x}$", "$\\alpha x$ and $\\alpha{x}$"),
    ("\\newcommand{\\n}[1]{\\|#1\\|}\\(\\n{x_1}\\)", "$\\|x_1\\|$"),
    ("\\DeclareMathOperator*{\\argmin}{arg\\,min}$\\argmin_x$", "$\\operatorname*{arg\\,min}_x$"),
    ("a \\[ x = 1 \\label{e} \\] b", "a\n$$x = 1$$\nb"),
    ("$$a$$ and $b$", "$$a$$\nand $b$"),
    ("\\begin{align*} a &= b \\\\\n c &= d \\end{align*}", "\\begin{align*}\na &= b \\\\\nc &= d\n\\end{align*}"),
    ("\\def\\be{\\begin{equation}}\\def\\ee{\\end{equation}}x \\be a=b, \\ee y", "x\n$$a=b,$$\ny"),
    ("the 5$^{\\rm th}$ at 20$^\\circ$C", "the 5th at 20°C"),
    ("lost $x + y\n\nnext paragraph", "lost $x + y$\n\nnext paragraph"),
    ("$\\text{if $x>0$}$ done", "$\\text{if $x>0$}$ done"),
    ("\\ensuremath{\\beta} decay", "$\\beta$ decay"),
    ("$x % comment\n+ y$", "$x + y$"),
    # citations and references
    ("As shown \\cite{a}, it \\cite[p.~3]{b} holds (see \\cite{c,d}).", "As shown, it holds."),
    ("Both [\\cite{a}] and (\\citealt{b}; here) and \\citep{x}.", "Both and (here) and."),
    ("\\section{One}\\label{s}See Section~\\ref{s} (and \\ref{nowhere}).", "One\n\nSee Section 1."),
    ("\\begin{equation}\\label{e}x\\end{equation} by \\eqref{e} and (\\ref{e})", "$$x$$\nby (1) and (1)"),
    ("A note\\footnote{Below.} here.", "A note here.\n\nBelow."),
    ("See \\url{http://a.b/~c%20d_e} or \\href{http://x.y/#z}{this page}.", "See http://a.b/~c%20d_e or this page."),
    # structure
    ("\\section*{Head}\nText \\subsection[s]{Sub {\\em head}} more", "Head\n\nText\n\nSub head\n\nmore"),
    ("\\paragraph{Run in} text", "Run in. text"),
    ("text\\section{Empty}\\section{References}\\begin{thebibliography}{9}\\bibitem{a} B\\end{thebibliography}", "text"),
    ("\\begin{itemize}\\item a\\item[*] b\\end{itemize}", "- a\n- b"),
    ("\\begin{enumerate}[(a)]\\item x\\begin{itemize}\\item y\\end{itemize}\\item z\\end{enumerate}", "a. x\n  - y\nb. z"),
    ("\\begin{description}\\item[Sea] salt\\item[Lake.] sweet\\end{description}", "Sea: salt\nLake. sweet"),
    ("\\begin{quote}said\\end{quote}after", "said\n\nafter"),
    ("a\\begin{tabular}{ll}1&2\\\\3&4\\end{tabular}b", "ab"),
    ("\\begin{tikzpicture}\\draw (0,0) node {$x$};\\end{tikzpicture}z", "z"),
    ("\\begin{verbatim}\n x $1 % \\y\n\\end{verbatim}\nand \\verb|a_b%|.", "```\n x $1 % \\y\n```\n\nand a_b%."),
    ("\\begin{lstlisting}[language=C]\nint x;\n\\end{lstlisting}", "```\nint x;\n```"),
    ("\\begin{figure}\\includegraphics[width=1cm]{x}\\caption[s]{The {\\it sea}.}\\end{figure}", "Figure 1: The sea."),
    (
        "\\begin{figure}\\begin{subfigure}{3cm}\\caption{a}\\end{subfigure}\\caption{Both.}\\label{f}\\end{figure}See \\ref{f}.",
        "See 1.\n\nFigure 1: Both.",
    ),
    (
        "\\begin{algorithm}\\caption{Row}\\begin{algorithmic}[1]\\State $x$\\If{$x>0$}\\State \\Return $x$\\EndIf"
        "\\end{algorithmic}\\end{algorithm}",
        "Algorithm 1: Row\n\n$x$\nif $x>0$\nreturn $x$\nend if",
    ),
    ("\\begin{acknowledgments}Thanks.\\end{acknowledgments}", "Acknowledgments\n\nThanks."),
    ("\\acknowledgments We thank.", "Acknowledgments\n\nWe thank."),
    ("\\ifCLASSOPTIONcompsoc a\\else b\\fi c", "b c"),
    ("See it on page~\\pageref{x}, and \\texorpdfstring{$a$}{b}", "See it, and $a$"),
    # spacing and layout
    ("\\vspace{1cm}\\hskip 1cm plus 2pt minus 1pt a\\vskip -3pt\\noindent b\\\\[2pt] c", "a b c"),
    ("\\parindent=0pt \\setlength{\\x}{3pt}\\textcolor{red}{kept}\\rule{1pt}{2pt}", "kept"),
    # plain TeX and AMS-TeX
    ("\\magnification=1200 \\centerline{\\bf Head}\n\nText\\footnote{$^*$}{Note.} \\bye nothing", "Head\n\nText\n\nNote."),
    ("\\proclaim Theorem 1. All is water.\\par\nText", "Theorem 1. All is water.\n\nText"),
    ("\\topmatter\\title Sea\\endtitle\\author N. One\\endauthor\\endtopmatter\\document Deep.\\enddocument", "Sea\n\nDeep."),
    ("\\proclaim{Lemma 2} Wet.\\endproclaim \\demo{Proof} Dry.\\enddemo", "Lemma 2. Wet.\n\nProof. Dry."),
    (
        "\\input harvmac\n\\Title{NBI-1}{\\vbox{\\centerline{Deep Water}}}\\lref\\one{A. B, Nucl. 1}\\newsec{Tides}"
        "As in \\refs{\\one}, we have \\eqn\\wave{a=b,} and \\wave\\ holds \\one.\\listrefs\\bye",
        "Deep Water\n\nTides\n\nAs in, we have\n$$a=b,$$\nand (1) holds.",
    ),
    ("\\title Deep Water\n\n\\author A. B.\n\n\\abstract We float.\n\nText", "Deep Water\n\nAbstract\n\nWe float.\n\nText"),
    ("\\beginsection 1. Tides\n\nHigh and low.", "1. Tides\n\nHigh and low."),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), PLAIN, ids=[source[:40] for source, _ in PLAIN])
def test_reads(source: str, expected: str) -> None:
    assert text(source) == expected


WHOLE = [
    ("\\title{T\\thanks{me}}\\author{A}\\maketitle\\begin{abstract}Short.\\end{abstract}Long.", "", "T\n\nAbstract\n\nShort.\n\nLong."),
    ("\\begin{thm}[N]\\label{t}A.\\end{thm}\\begin{lem}By \\cref{t}.\\end{lem}", "\\newtheorem{thm}{Theorem}\\newtheorem{lem}[thm]{Lemma}",
     "Theorem 1 (N). A.\n\nLemma 2. By theorem 1."),
    ("\\begin{proof}[Proof of X]So.\\end{proof}", "", "Proof of X. So."),
    ("Stra\"se \"`gut\"' Zucker\"-r\"ube", "\\usepackage[ngerman]{babel}", "Strasse „gut“ Zuckerrübe".replace("ss", "ß")),
    ("\\x", "\\newcommand{\\x}{preamble macro}\\hypersetup{pdftitle={no}}", "preamble macro"),
    ("\\section{A}\\appendix\\section{B}\\label{b}In \\ref{b}.", "", "B\n\nIn A."),
    ("Body.\\end{document}\nnot this", "", "Body."),
    ("\\citet{smith} wrote.", "", "wrote."),
]  # fmt: skip


@pytest.mark.parametrize(("body", "preamble", "expected"), WHOLE, ids=[body[:30] for body, _, _ in WHOLE])
def test_reads_documents(body: str, preamble: str, expected: str) -> None:
    assert text(document(body, preamble)) == expected


def test_keeps_tables_on_demand() -> None:
    source = "\\begin{tabular}{l|l}\\hline a & $b$ \\\\ \\multicolumn{2}{c}{both}\\\\\\hline\\end{tabular}"
    assert text(source, tables=True) == "a | $b$\nboth"
    assert text("x\\footnote{y}", footnotes=False) == "x"
    assert text("\\begin{figure}\\caption{y}\\end{figure}x", captions=False) == "x"


def test_follows_includes_inside_the_paper_only() -> None:
    files = {"a.tex": "A \\input{b} \\endinput never", "b.tex": "B", "loop.tex": "L\\input{loop}"}
    assert text("x \\input a y \\include{missing} z", files) == "x A B y z"
    assert text("\\input{loop}", files).count("L") <= 31
    assert text("\\includeonly{a}\\include{a}\\include{b}", files) == "A B"


def test_takes_macros_from_a_style_of_the_paper() -> None:
    files = {
        "my.sty": "\\newcommand{\\sea}{ocean}\\def\\@hidden{x}\\renewcommand{\\section}{\\@startsection} noise"
    }
    assert text(document("\\section{S}The \\sea.", "\\usepackage{my}"), files) == "S\n\nThe ocean."


def test_names_authors_that_a_sentence_needs() -> None:
    labels = {"smith": "Smith et al. (2001)"}
    source = "\\citet{smith} and \\citeauthor{smith} wrote \\citep{smith}."
    assert (
        render(source, lambda *_: None, TextOptions(), labels)[0]
        == "Smith et al. (2001) and Smith et al. wrote."
    )
