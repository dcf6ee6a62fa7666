r"""List what is known of TeX's and LaTeX's commands and environments: what to drop, with how many arguments.

A command that is not listed anywhere loses its name and its options, and its arguments stay as text: right for
every font switch and for most of what journals' styles add. So the lists hold what would leave debris.

Argument specs: ``*`` a star, ``o`` brackets, ``m`` an argument, ``p`` parentheses, ``d`` a dimension or number.
"""

from __future__ import annotations

TEX_CONDITIONALS = frozenset(
    """\\if \\ifcase \\ifcat \\ifcsname \\ifdefined \\ifdim \\ifeof \\iffalse \\iffontchar \\ifhbox \\ifhmode
    \\ifinner \\ifmmode \\ifnum \\ifodd \\iftrue \\ifvbox \\ifvmode \\ifvoid \\ifx \\ifpdf \\ifxetex \\ifluatex \\ifpdftex
    \\ifPDFTeX \\ifXeTeX \\ifLuaTeX \\if@twocolumn \\if@twoside \\if@compatibility \\ifincsname""".split()
)
KNOWN_TRUE = frozenset(("\\iftrue", "\\ifpdf", "\\ifPDFTeX", "\\ifpdftex", "\\ifhmode"))


def _specs(lines: str) -> dict[str, str]:
    """Read lines of ``spec: names``."""
    found: dict[str, str] = {}
    for line in lines.strip().splitlines():
        spec, _, names = line.partition(":")
        found |= {f"\\{name}": spec.strip() for name in names.split()}
    return found


DROPPED = _specs("""
: maketitle tableofcontents listoffigures listoftables printindex printbibliography clearpage newpage
: cleardoublepage noindent indent centering raggedright raggedleft flushbottom raggedbottom sloppy
: fussy frenchspacing nonfrenchspacing onecolumn columnbreak newblock allowbreak goodbreak filbreak
: leavevmode strut null xspace ignorespaces ignorespacesafterend unskip hfill hfil vfill vfil hss vss
: hrulefill dotfill hrule hline toprule midrule bottomrule maketitlesupplementary appendixpage balance
: qedhere FloatBarrier selectfont normalfont IEEEpeerreviewmaketitle makeindex makeglossary
: AtEndOfPackage footnotesep endlinechar tracingall nolinenumbers internallinenumbers itshape bfseries
: smallskip medskip bigskip smallbreak medbreak bigbreak break nobreak eject vfootnote supereject
: phantomsection nonumber notag displaylimits nolimits tightlist itemsep doublespacing onehalfspacing
: singlespacing normalsize small footnotesize scriptsize tiny large Large LARGE huge Huge NoBlackBoxes
: TagsOnRight TagsOnLeft NoRunningHeads endtopmatter topmatter nologo printtitle printauthors
: maketitlepage
m: label index glossary vspace hspace pagestyle thispagestyle pagenumbering bibliographystyle
m: bibliography nocite addbibresource graphicspath hyphenation setstretch linespread
m: DeclareGraphicsExtensions selectlanguage usetikzlibrary tikzset pgfplotsset lstset captionsetup
m: hypersetup geometry sisetup phantom hphantom vphantom institute authorrunning titlerunning
m: shorttitle shortauthors shortauthor runningauthor runningtitle runninghead authorrunninghead
m: titlerunninghead lefthead righthead markright pacs MSC msc PACS preprint journal volume pubyear
m: received accepted revised urladdr curraddr corresp affiliations affilOne correspondingauthor orcid
m: orcidID ORCID copyrightyear acmYear acmVolume acmNumber acmArticle acmMonth acmDOI acmISBN acmPrice
m: setcopyright acmJournal citestyle acmSubmissionID offprints keyword KEYWORDS includeonly CJKfamily
m: enlargethispage refstepcounter stepcounter bibdata bibcite alph arabic roman Roman Alph fnsymbol
m: value cline special cleverefname newlength newsavebox usebox verbatiminput startpage endpage issue
m: ArticleNumber dates date submitted doi DOI eid jvol pubnote cslist slugcomment keywordname tcbset
m: hangcaption pdfinfo pdfcatalog eqlabel IEEEspecialpapernotice tocauthor toctitle Submitted Accepted
m: Received Revised Published vol theoremstyle tablenotemark fontshape fontseries fontfamily
m: fontencoding newgeometry thispdfpagelabel
mm: setlength addtolength setcounter addtocounter counterwithin numberwithin counterwithout settowidth
mm: settoheight markboth SetKwInOut SetKwInput SetKwFunction SetKwData SetKw setbeamercolor
mm: DeclareUnicodeCharacter pgfmathsetmacro DeclareBibliographyDriver addtokomafont pgfmathtruncatemacro
mm: setkomafont AfterEndEnvironment BeforeBeginEnvironment colorlet lstdefinestyle ccode AddToHook
mm: altaffiltext multicolumn fontsize DeclareAcronym newglossaryentry tablenotetext
mmm: addcontentsline definecolor
mmmm: DeclareMathSymbol apptocmd pretocmd usefont
mmmmm: DeclareSymbolFont patchcmd
mmmmmm: DeclareFontShape
om: usepackage RequirePackage documentclass documentstyle LoadClass fancyhead fancyfoot lhead rhead
om: chead cfoot lfoot rfoot ProvidesPackage ProvidesClass NeedsTeXFormat affil affiliation
om: altaffiliation address email ead homepage collaboration keywords Keywords altaffilmark
om: IEEEauthorblockA setmainfont setsansfont setmonofont setCJKmainfont lstinputlisting VerbatimInput
om: includepdf tikzexternalize IEEEmembership subjclass dedicatory thanks thanksref orcidlink corref
om: fnref tnotetext fntext cortext tnoteref authorref nomenclature ccsdesc authornote setmathfont
om: acmBadge tcbuselibrary usepgfplotslibrary setdefaultlanguage setotherlanguage subcaptionsetup
om: ExecuteBibliographyOptions Affil affils fancyheadoffset setotherlanguages inst institution setminted
om: mdfsetup rowcolor cellcolor rotatebox bibitem textcolor color colorbox pagecolor
mo: newcounter scalebox
omm: inputminted newtcolorbox DeclareFieldFormat definechangesauthor bibinfo rule fcolorbox
ommm: acmConference
*om: includesvg pgfimage includegraphics epsfig psfig epsfbox plotone
*mm: plottwo resizebox
*o: linebreak
o: pagebreak nopagebreak newline footnotemark allowdisplaybreaks twocolumn lettrine
*mmmm: titlespacing
*mommmmm: titleformat
*m: vspace hspace
ooom: parbox
oo: makebox framebox
moo: raisebox
omom: multirow
pom: cmidrule
d: overfullrule vskip hskip kern mkern mskip moveleft moveright raise lower baselineskip lineskip
d: parskip parindent hsize vsize hoffset voffset textwidth textheight topmargin oddsidemargin
d: evensidemargin headheight headsep footskip marginparwidth columnsep tolerance pretolerance hbadness
d: vbadness hfuzz vfuzz widowpenalty clubpenalty interlinepenalty brokenpenalty penalty magnification
d: leftskip rightskip abovedisplayskip belowdisplayskip topskip parfillskip pageno looseness hangindent
d: hangafter footnotesep arraycolsep tabcolsep arrayrulewidth itemsep topsep partopsep parsep
d: leftmargin itemindent labelsep labelwidth pdfoutput hyphenpenalty exhyphenpenalty predisplaypenalty
d: postdisplaypenalty mathsurround abovedisplayshortskip binoppenalty belowdisplayshortskip floatsep
d: textfloatsep intextsep jot unitlength fboxsep fboxrule smallskipamount medskipamount relpenalty
d: bigskipamount delimitershortfall emergencystretch showboxdepth errorcontextlines pagewidth
d: pageheight hcorrection vcorrection pdfpagewidth pdfpageheight paperwidth paperheight columnseprule
d: doublerulesep marginparsep marginparpush lineskiplimit
moom: setbeamertemplate
mom: newcolumntype
mmmmmmmmm: newtheoremstyle
""")
"""Commands without text of their own."""

MATH_ENVIRONMENTS = frozenset(
    """equation align gather multline eqnarray displaymath math flalign alignat xalignat xxalignat dmath dgroup
    darray IEEEeqnarray dseries mathpar mathparpagebreakable empheq numcases subnumcases""".split()
)
"""Environments whose content is a formula; a star makes them unnumbered."""

ALIGNED = frozenset("align gather eqnarray flalign alignat xalignat dgroup IEEEeqnarray".split())
"""Those in which each line has a number."""

FLOATS = {
    "figure": "figure", "table": "table", "wrapfigure": "figure", "wraptable": "table", "sidewaysfigure": "figure",
    "sidewaystable": "table", "SCfigure": "figure", "SCtable": "table", "floatingfigure": "figure",
    "marginfigure": "figure", "margintable": "table", "deluxetable": "table", "subfigure": "", "subtable": "",
    "plate": "figure", "scheme": "figure", "chart": "figure", "teaserfigure": "figure", "figwindow": "figure",
    "turnpage": "", "tabwindow": "table", "listing": "listing", "video": "figure", "planotable": "table",
}  # fmt: skip
"""Floats and the counter that they step."""

TABLES = frozenset(
    """tabular tabularx tabulary longtable supertabular mpsupertabular tabu longtabu tblr talltblr longtblr array tabbing
    NiceTabular xltabular mpxtabular xtabular ltablex deluxetable ruledtabular tabularray""".split()
)
DROPPED_ENVIRONMENTS = frozenset(
    """tikzpicture picture pspicture pgfpicture thebibliography references biblist bibdiv CCSXML feynmandiagram
    overpic keyword psfrags asy mfpic feynman fmffile fmfgraph fmfgraph* forest circuitikz
    axis tikzcd CD prooftree bibliography IEEEkeywords keywords keyword* nomenclature pspicture* scope
    msc dot2tex gnuplot lpic pagecolor filecontents authorlist affiliations affils affil sidewaysgraph
    highlights AMS MSCcodes ccode JEL pgfonlayer tikz knitrout animateinline btUnit bibunit IEEEbiography
    IEEEbiographynophoto biography authorinfo history""".split()
)
"""Environments without prose: pictures, bibliographies, keywords, lives of authors."""

ENVIRONMENT_ARGUMENTS = {
    "minipage": "ooom", "multicols": "mo", "list": "mm", "adjustbox": "m", "thebibliography": "m", "tabular": "om",
    "tabular*": "mom", "tabularx": "mom", "tabulary": "mom", "longtable": "om", "array": "om", "wrapfigure": "omom",
    "wraptable": "omom", "figure": "o", "table": "o", "adjustwidth": "mm", "spacing": "m", "otherlanguage": "om",
    "otherlanguage*": "om", "picture": "pp", "pspicture": "opp", "tcolorbox": "o", "mdframed": "o", "framed": "o",
    "subequations": "", "supertabular": "m", "tabu": "m", "tblr": "om", "deluxetable": "m", "addmargin": "om",
    "sidewaystable": "o", "sidewaysfigure": "o", "enumerate": "o", "itemize": "o", "description": "o", "center": "",
    "algorithm": "o", "algorithmic": "o", "algorithm2e": "o", "trivlist": "", "CJK": "omm", "CJK*": "omm",
    "subfigure": "om", "SCfigure": "oo", "compactitem": "o", "compactenum": "o", "inparaenum": "o", "landscape": "",
    "enumerate*": "o", "itemize*": "o", "tikzpicture": "o", "filecontents": "m", "adjustbox*": "m", "changemargin": "mm",
    "thmlist": "o", "labeling": "om", "columns": "o", "column": "om", "block": "m", "frame": "om", "tasks": "op",
    "alignat": "m", "alignat*": "m", "xalignat": "m", "IEEEeqnarray": "om", "IEEEeqnarray*": "om", "easylist": "o",
    "lrbox": "m", "turn": "m", "rotate": "m", "varwidth": "om", "fmffile": "m", "overpic": "om", "leftbar": "o",
    "empheq": "om", "numcases": "m", "subnumcases": "m",
    "appendices": "", "abstract": "o", "scriptsize": "", "keyword": "o", "restatable": "", "multicols*": "mo",
}  # fmt: skip
"""What stands behind ``\\begin{name}`` and is no text."""

THEOREMS = {
    "theorem": "Theorem", "thm": "Theorem", "lemma": "Lemma", "lem": "Lemma", "proposition": "Proposition",
    "prop": "Proposition", "corollary": "Corollary", "cor": "Corollary", "definition": "Definition",
    "defn": "Definition", "remark": "Remark", "rem": "Remark", "example": "Example", "conjecture": "Conjecture",
    "claim": "Claim", "assumption": "Assumption", "question": "Question", "problem": "Problem", "exercise": "Exercise",
    "observation": "Observation", "fact": "Fact", "note": "Note", "notation": "Notation", "hypothesis": "Hypothesis",
    "property": "Property", "criterion": "Criterion", "solution": "Solution", "axiom": "Axiom", "case": "Case",
}  # fmt: skip
"""Names of theorems in styles that define them themselves (Springer, Elsevier, AMS-TeX)."""

SECTIONS = {
    "\\part": 0, "\\chapter": 1, "\\section": 2, "\\subsection": 3, "\\subsubsection": 4, "\\paragraph": 5,
    "\\subparagraph": 5, "\\addchap": 1, "\\addsec": 2, "\\specialsection": 2, "\\subsubsubsection": 5, "\\minisec": 5,
    "\\frametitle": 3, "\\Chapter": 1, "\\addpart": 0,
}  # fmt: skip
"""Sectioning commands and their rank; rank 5 runs into its paragraph."""

PROTECTED_NAMES = frozenset(
    [*SECTIONS, *TEX_CONDITIONALS]
    + [
        f"\\{name}"
        for name in """title author maketitle abstract footnote footnotetext footnotemark caption item label ref
        eqref pageref cite citep citet citealp citealt citeauthor nocite begin end par document enddocument input
        include bibliography bibliographystyle bibitem thebibliography documentclass usepackage newcommand
        renewcommand def let newenvironment newtheorem thanks date affiliation address email keywords appendix tableofcontents
        includegraphics verb url href textbf emph textit left right else fi csname endcsname frac sqrt over
        ifthenelse newblock includeonly autoref cref Cref makeatletter makeatother hline multicolumn multirow
        protect relax ensuremath mbox text mathrm mathbf mathcal mathbb limits displaystyle tag thesection
        theequation thefootnote thefigure thetable thepage numberwithin setcounter subfigure""".split()
    ]
)
"""Commands whose redefinition is a matter of looks."""

KEPT_ENVIRONMENTS = (
    frozenset(
        """document abstract itemize enumerate description verbatim figure table proof thebibliography center quote
        quotation minipage list titlepage subequations cases matrix pmatrix split aligned""".split()
    )
    | MATH_ENVIRONMENTS
    | {name + "*" for name in MATH_ENVIRONMENTS}
    | TABLES
)
"""Environments that no document redefines to a new meaning."""

KNOWN_STYLES = frozenset(
    """neurips nips icml iclr aaai ijcai cvpr iccv eccv acl emnlp naacl coling eacl colm interspeech spconf icassp llncs
    svjour elsarticle ieeetran ieeeconf revtex aastex mnras natbib amsmath amssymb amsthm amsfonts algorithm algorithmic
    algpseudocode algorithm2e algorithmicx fancyhdr graphicx hyperref cleveref tikz pgf pgfplots booktabs multirow
    subfigure subcaption caption xcolor color epsfig psfig epsf listings geometry titlesec times mathptmx jheppub
    jhep jcappub pos siamltex siamart acmart sigplanconf eptcs lipics entcs easychair xy xypic diagrams prooftree bussproofs
    feynmf feynmp axodraw slashed braket physics siunitx mathtools stmaryrd mathrsfs bbm dsfont cite citesort showkeys
    aistats uai jmlr2e jmlr tmlr corl rss wacv bmvc fullpage a4wide setspace lineno microtype enumitem float
    wrapfig placeins ulem soul url authblk footmisc appendix tocloft amscd amsart tcilatex
    tcolorbox minted comment rotating lscape pdflscape dcolumn longtable supertabular deluxetable""".split()
)
"""Style files that archives bring along and that hold nothing but layout, or what is rendered here anyway."""

ACKNOWLEDGEMENTS = frozenset(
    "acknowledgments acknowledgements acknowledgment acknowledgement ack acks".split()
)
"""Commands and environments that journals' styles have for a heading of this name."""

PSEUDOCODE = {
    "state": "", "statex": "", "if": "if", "elsif": "else if", "elseif": "else if", "else": "else", "for": "for",
    "forall": "for all", "foreach": "for each", "while": "while", "endif": "end if", "endfor": "end for",
    "endwhile": "end while", "repeat": "repeat", "until": "until", "return": "return", "require": "Require:",
    "ensure": "Ensure:", "function": "function", "procedure": "procedure", "endfunction": "end function",
    "endprocedure": "end procedure", "loop": "loop", "endloop": "end loop", "kwin": "Input:", "kwout": "Output:",
    "kwdata": "Data:", "kwresult": "Result:", "input": "Input:", "output": "Output:", "print": "print", "kwret": "return",
}  # fmt: skip
"""Commands that begin a line of pseudocode, without regard to case, and the words that they print."""
