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
:maketitle tableofcontents listoffigures listoftables printindex printbibliography clearpage newpage cleardoublepage
:noindent indent par@ centering raggedright raggedleft flushbottom raggedbottom sloppy fussy frenchspacing
:nonfrenchspacing onecolumn columnbreak newblock allowbreak goodbreak filbreak leavevmode strut null xspace ignorespaces
:ignorespacesafterend unskip hfill hfil vfill vfil hss vss hrulefill dotfill hrule hline toprule midrule bottomrule
:maketitlesupplementary appendixpage balance nocite@ qedhere FloatBarrier onlinecite@ selectfont normalfont twocolumn@
:IEEEpeerreviewmaketitle IEEEraisesectionheading@ frontmatter@ mainmatter@ backmatter@ makeindex makeglossary
:AtEndOfPackage nopagebreak@ footnotesep protect@ endlinechar tracingall nolinenumbers internallinenumbers itshape bfseries
:smallskip medskip bigskip smallbreak medbreak bigbreak break nobreak eject vfootnote endgraf@ bye@ supereject phantomsection
:nonumber notag displaylimits nolimits newline@ linebreak@ pagebreak@ tightlist itemsep parskip@ doublespacing onehalfspacing
:singlespacing normalsize small footnotesize scriptsize tiny large Large LARGE huge Huge NoBlackBoxes TagsOnRight TagsOnLeft
:NoRunningHeads endtopmatter topmatter nologo printtitle printauthors firstpageno@ widowpenalty@ pdfoutput@ maketitlepage
m:label index glossary vspace hspace pagestyle thispagestyle pagenumbering bibliographystyle bibliography input@ nocite hbadness@
m:addbibresource graphicspath hyphenation listfiles@ setstretch linespread graphicspath@ DeclareGraphicsExtensions selectlanguage
m:usetikzlibrary tikzset pgfplotsset lstset captionsetup hypersetup geometry sisetup institute@ phantom hphantom vphantom
m:institute authorrunning titlerunning shorttitle shortauthors shortauthor runningauthor runningtitle runninghead authorrunninghead
m:titlerunninghead lefthead righthead markright pacs subjclass@ MSC msc PACS preprint journal volume pubyear received accepted revised
m:dedicated@ urladdr curraddr email@ corresp affiliations affilOne correspondingauthor cortext@ fntext@ ead@ orcid orcidID ORCID
m:copyrightyear acmYear acmVolume acmNumber acmArticle acmMonth acmDOI acmISBN acmPrice acmConference@ setcopyright acmJournal
m:citestyle acmSubmissionID offprints ccsdesc@ authornote@ authorcontributions@ corref@ keywords@ keyword Keywords@ KEYWORDS IEEEkeywords@
m:includeonly documentstyle@ usepackage@ RequirePackage@ CJKfamily fontsize@ enlargethispage newcounter@ refstepcounter stepcounter
m:bibdata bibcite allowdisplaybreaks@ crefname@ hypertarget@ alph arabic roman Roman Alph fnsymbol value usefont@ bibinfo@
m:cline cmidrule@ special makebox@ Url@ eject@ hbox@ cleverefname newlength addtocontents@ newsavebox usebox lstinputlisting@ inputminted@
m:verbatiminput VerbatimInput@ footnotemark@ received@ startpage endpage issue ArticleNumber dates date submitted doi DOI eid jvol
m:affil@ pubnote cslist numberwithin@ endnote@ slugcomment keywordname note@ setkeys@ newtcolorbox@ tcbset IfFileExists@ markleft@
m:hangcaption ProvidesPackage@ setmainfont@ setsansfont@ setmonofont@ setCJKmainfont@ NeedsTeXFormat@ pdfinfo pdfcatalog eqlabel
m:includepdf@ tikzexternalize@ tikzstyle@ authorblockA@ IEEEauthorblockA@ IEEEmembership@ IEEEcompsocitemizethanks@ IEEEspecialpapernotice
m:tocauthor toctitle mainmatterm@ Submitted Accepted Received Revised Published paperid@ supplementarymaterial@ vol AtBeginDocument@
mm:setlength addtolength setcounter addtocounter counterwithin numberwithin counterwithout settowidth settoheight markboth
mm:definecolor@ pdfbookmark@ newtheoremstyle@ fancyhf@ DeclareMathSymbol@ rule@ SetKwInOut SetKwInput SetKwFunction
mm:SetKwData SetKw resizebox@ externaldocument@ setbeamertemplate@ newcolumntype@ setbeamercolor usebeamerfont@ hyperdef@ inst@
mm:fontencoding@ newacronym@ DeclareUnicodeCharacter pgfmathsetmacro DeclareBibliographyDriver titlespacing@ bibfield@ addtokomafont
mm:pgfmathtruncatemacro aliascntresetthe@ setkomafont AfterEndEnvironment BeforeBeginEnvironment apptocmd@ pretocmd@ colorlet hyperlink@
mmm:addcontentsline addtocontents3@ setmathfont3@ SetMathAlphabet3@ definecolor DeclareMathDelimiter3@ feynmandiagram3@
mmmm:DeclareMathSymbol DeclareSymbolFont4@ mathchoice4@ apptocmd pretocmd
mmmmm:DeclareFontShape4@ DeclareSymbolFont fontfamily5@ patchcmd
mmmmmm:DeclareFontShape SetSymbolFont6@
om:usepackage RequirePackage documentclass documentstyle LoadClass PassOptionsToPackage2@ fancyhead fancyfoot lhead rhead chead cfoot lfoot
om:rfoot includegraphics@ ProvidesPackage ProvidesClass NeedsTeXFormat newtheoremstylex@ affil affiliation altaffiliation address
om:email ead urlstyle2@ homepage collaboration keywords Keywords altaffilmark altaffiltext2@ authorblockN2@ IEEEauthorblockA
om:setmainfont setsansfont setmonofont setCJKmainfont lstinputlisting VerbatimInput includepdf tikzexternalize IEEEmembership
om:subjclass dedicatory thanks thanksref orcidlink corref fnref tnotetext fntext cortext tnoteref authorref nomenclature ccsdesc authornote
om:setmathfont acmBadge tcbuselibrary usepgfplotslibrary crefalias2@ linebreak2@ setdefaultlanguage setotherlanguage subcaptionsetup
om:ExecuteBibliographyOptions bibliographyunit2@ Affil affils fancyheadoffset setotherlanguages inst institution
mo:newcounter newtcolorbox2@
omm:inputminted affiliations3@ newtcolorbox DeclareFieldFormat lstdefinestyle2@ newtcbox@ shortauthor2@ definechangesauthor bibinfo
mm:lstdefinestyle lstdefinelanguage@ ccode titlecontents@ AddToHook altaffiltext affaddr2@ acmConference2@ DeclareRobustCommandx@ newdimen2@
ommm:acmConference
mmmmm:titleformat@ newtheoremstyle@
*om:includesvg pgfimage includegraphics epsfig psfig epsfbox plotone plotfiddle@
*mm:plottwo
*o:linebreak
o:pagebreak nopagebreak newline footnotemark allowdisplaybreaks twocolumn IEEEPARstart@ tikzsetnextfilename@ item@ bigskipamount@
*om:DeclareCaptionFormat@ addbibresource2@ bibliography2@
*mmmm:titlespacing
*mommmmm:titleformat
omm:rule
*m:vspace hspace
om:rule2@ setminted newminted@ newmint@ mint@ vspace@ mdfsetup tcbset2@ tikzstyle3@ renewbibmacro@ DefineBibliographyStrings@
m:nocite theoremstyle tablenotemark hyphenation
omm:fcolorbox
om:rowcolor cellcolor rotatebox bibitem
ooom:parbox
oo:makebox framebox
moo:raisebox
mo:scalebox
*mm:resizebox
mm:multicolumn fontsize DeclareAcronym newglossaryentry tablenotetext
omom:multirow
pom:cmidrule
mmmm:usefont
o:lettrine
d:overfullrule
moom:setbeamertemplate
mom:newcolumntype
om:textcolor color colorbox pagecolor
m:fontshape fontseries fontfamily fontencoding newgeometry thispdfpagelabel
mm:aliascntresetthe2@
mmmmmmmmm:newtheoremstyle
d:vskip hskip kern mkern mskip moveleft moveright raise lower baselineskip lineskip parskip parindent hsize vsize hoffset voffset
d:textwidth textheight topmargin oddsidemargin evensidemargin headheight headsep footskip marginparwidth columnsep tolerance
d:pretolerance hbadness vbadness hfuzz vfuzz widowpenalty clubpenalty interlinepenalty brokenpenalty penalty magnification
d:leftskip rightskip abovedisplayskip belowdisplayskip topskip parfillskip pageno looseness hangindent hangafter footnotesep
d:arraycolsep tabcolsep arrayrulewidth itemsep topsep partopsep parsep leftmargin itemindent labelsep labelwidth pdfoutput
d:hyphenpenalty exhyphenpenalty predisplaypenalty postdisplaypenalty overfullrule mathsurround abovedisplayshortskip binoppenalty
d:belowdisplayshortskip floatsep textfloatsep intextsep jot unitlength fboxsep fboxrule smallskipamount medskipamount relpenalty
d:bigskipamount delimitershortfall emergencystretch showboxdepth errorcontextlines pagewidth pageheight hcorrection vcorrection
d:pdfpagewidth pdfpageheight paperwidth paperheight columnseprule doublerulesep linewidth@ marginparsep marginparpush lineskiplimit
""")
"""Commands without text of their own. (A name with ``@`` at its end only keeps a place.)"""
DROPPED = {name: spec for name, spec in DROPPED.items() if not name.endswith("@")}

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
    overpic keyword frontmatter@ psfrags asy mfpic feynman fmffile fmfgraph fmfgraph* forest circuitikz
    axis tikzcd CD prooftree bibliography titlepage@ rcases@ IEEEkeywords keywords keyword* nomenclature pspicture* scope
    msc dot2tex gnuplot lpic pagecolor opening@ filecontents authorlist affiliations affils affil sidewaysgraph
    highlights AMS MSCcodes ccode JEL pgfonlayer tikz knitrout animateinline btUnit bibunit CJK@ IEEEbiography
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
