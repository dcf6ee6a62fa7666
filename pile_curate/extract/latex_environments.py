r"""Open and close environments: the document itself, formulas, floats, tables, lists, theorems, code, the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pile_curate.extract import latex_tables as tables
from pile_curate.extract.latex_blocks import HARD, HEAD, QUOTE_END
from pile_curate.extract.latex_tokens import CLOSE_ENV, PAR

if TYPE_CHECKING:
    from pile_curate.extract.latex_text import Renderer

_LISTS = {
    "itemize": "itemize", "enumerate": "enumerate", "description": "description", "list": "itemize",
    "trivlist": "itemize", "compactitem": "itemize", "compactenum": "enumerate", "inparaenum": "enumerate",
    "enumerate*": "enumerate", "itemize*": "itemize", "compactdesc": "description", "asparaenum": "enumerate",
    "asparaitem": "itemize", "inparaitem": "itemize", "labeling": "description", "thmlist": "enumerate",
    "enumeratei": "enumerate", "enumerateii": "enumerate", "dinglist": "itemize", "tasks": "enumerate",
    "description*": "description", "basedescript": "description", "longenum": "enumerate",
}  # fmt: skip
_LINES = frozenset(("verse", "algorithmic", "alltt", "obeylines", "flushleft", "flushright"))
_ALGORITHMS = frozenset(("algorithm", "algorithm2e", "algorithm*", "procedure", "algo"))
_INLINE = frozenset(
    """small footnotesize scriptsize tiny normalsize large Large it em bf sf tt rm sl sc itshape bfseries normalfont
    scriptsize spacing singlespace doublespace onehalfspace sloppypar CJK CJK* otherlanguage otherlanguage* comment
    subequations hyphenrules linenumbers samepage document landscape multicols onecolumn flushleft widetext english
    changemargin adjustwidth strip""".split()
)
_ROMAN = "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx".split()


def discard(text: str) -> None:
    """Forget a text."""


def begin(r: Renderer, token: str) -> None:
    r"""Handle ``\begin{name}``."""
    name = r.words()
    if name in r.environments:
        macro, _ = r.environments[name]
        macro.used += 1
        args = r.arguments(macro)
        r.open("env", name)
        if macro.used < 60_000:
            r.substitute(macro, args)
        return
    base = name.rstrip("*")
    if base in tables.MATH_ENVIRONMENTS:
        _formula(r, name, base)
        return
    if name == "document":
        start_document(r)
        return
    if name == "abstract":
        r.open("env", name, _abstract(r))
        r.drop("o")
        return
    if base in r.theorems and base not in _LISTS:
        _theorem(r, name, base)
        return
    if base == "proof" or name in ("pf", "demo", "Proof"):
        _proof(r, name)
        return
    if name in ("restatable", "restatable*", "thmbox"):
        r.optional()
        kind = r.words()
        r.argument()
        r.open("env", name)
        if kind in r.theorems:
            _theorem_head(r, kind, None)
        return
    if name.lower() in tables.ACKNOWLEDGEMENTS:
        r.out.append(f"{PAR}{HEAD}2Acknowledgments{PAR}")
        _other(r, name)
    elif name in _LISTS:
        _list(r, name)
    elif base in tables.FLOATS:
        _float(r, name, base)
    elif base in tables.TABLES:
        _table(r, name, base)
    elif name in tables.DROPPED_ENVIRONMENTS or base in tables.DROPPED_ENVIRONMENTS:
        r.open("env", name, discard)
        r.drop(tables.ENVIRONMENT_ARGUMENTS.get(name, ""))
    elif base in _ALGORITHMS:
        r.drop("o")
        _open_float(r, name, "algorithm")
    else:
        _other(r, name)


def end(r: Renderer, token: str) -> None:
    r"""Handle ``\end{name}``."""
    name = r.words()
    if name in r.environments:
        r.push([*r.environments[name][1], CLOSE_ENV + name])
        return
    if name == "document":
        if not r.package:
            r.ended = True
        return
    r.close_environment(name)


def start_document(r: Renderer) -> None:
    """Forget what the preamble wrote."""
    if r.package or (r.begun and r.out):
        return
    while r.frames:
        r.close()
    del r.out[:]
    r.begun = True
    r.notes.clear()
    r.open("env", "document")
    # The document's own group: definitions in it are as good as global.
    r.grouped = 0


def _abstract(r: Renderer) -> Callable[[str], None]:
    def write(text: str) -> None:
        if not text.strip():
            return
        if r.begun:
            r.out.append(f"{PAR}{HEAD}2Abstract{PAR}{text}{PAR}")
        else:
            r.abstract = r.abstract or text

    return write


def _formula(r: Renderer, name: str, base: str) -> None:
    r.drop(tables.ENVIRONMENT_ARGUMENTS.get(name, ""))
    numbered = "" if name.endswith("*") or base in ("displaymath", "math") else "equation"
    tex = r.formula("", name, numbered, base in tables.ALIGNED and bool(numbered))
    if base == "math":
        r.out.append(f"${tex}$" if tex else "")
    elif base in ("equation", "displaymath", "dmath"):
        r.display(tex)
    else:
        r.display(tex, name)


def _theorem(r: Renderer, name: str, base: str) -> None:
    r.open("env", name)
    r.skip_space()
    given = r.optional() if r.peek().startswith("[") else None
    _theorem_head(r, base if not name.endswith("*") else "", given, r.theorems[base])


def _theorem_head(r: Renderer, counter: str, given: list[str] | None, shown: str = "") -> None:
    shown = shown or r.theorems.get(counter, "Theorem")
    number = ""
    if counter and counter not in r.unnumbered:
        number = " " + r.numbers.step(counter, shown)
    r.out.append(f"{PAR}{shown}{number}")
    if given is None:
        r.out.append(". ")
    else:
        r.capture(given, lambda text: r.out.append(f" ({text.strip()}). " if text.strip() else ". "))


def _proof(r: Renderer, name: str) -> None:
    r.open("env", name, lambda text: r.out.append(f"{PAR}{text}{PAR}"))
    r.skip_space()
    given = r.optional() if r.peek().startswith("[") else None
    if given is None:
        r.out.append("Proof. ")
    else:
        r.capture(given, lambda text: r.out.append(f"{text.strip().rstrip('.:')}. "))


def _list(r: Renderer, name: str) -> None:
    kind = _LISTS[name]
    given = ""
    if name == "list":
        r.argument(), r.argument()
    else:
        from pile_curate.extract.latex_stack import plain

        r.skip_space()
        if r.peek().startswith("["):
            given = plain(r.optional() or [])
    style: object = None
    bare = given.replace("label=", "").lstrip("([{")
    if bare[:1] in ("i", "a", "A", "I") and not bare[1:2].isalpha():
        style = {
            "i": lambda n: _ROMAN[n - 1] if n <= 20 else str(n),
            "I": lambda n: _ROMAN[n - 1].upper() if n <= 20 else str(n),
            "a": lambda n: chr(96 + n) if n <= 26 else str(n),
            "A": lambda n: chr(64 + n) if n <= 26 else str(n),
        }[bare[0]]
    r.lists.append([kind, 0, style])

    def close(text: str) -> None:
        r.lists.pop()
        r.out.append(f"{PAR}{text}{QUOTE_END if r.lists else ''}{PAR}")

    r.open("env", name, close)


def _open_float(r: Renderer, name: str, kind: str) -> None:
    r.floats.append([])
    r.float_kinds.append(kind)
    before, lines = r.in_table, r.lines
    r.lines = r.lines or kind == "algorithm"

    def close(text: str) -> None:
        captions = r.floats.pop()
        r.float_kinds.pop()
        r.in_table = before
        if r.floats and not kind:
            r.floats[-1] += captions
            return
        r.lines = lines
        if kind == "algorithm" or (r.options.tables and kind == "table"):
            captions += [text] if text.strip() else []
        for caption in captions:
            r.add_note(caption)

    r.open("env", name, close)


def _float(r: Renderer, name: str, base: str) -> None:
    kind = tables.FLOATS[base]
    if base in ("subfigure", "subtable"):  # its caption says "(a)" and little more
        r.drop(tables.ENVIRONMENT_ARGUMENTS.get(base, "om"))
        r.floats.append([])
        r.float_kinds.append("")

        def close(text: str) -> None:
            r.floats.pop()
            r.float_kinds.pop()

        r.open("env", name, close)
        return
    if base != "turnpage":
        r.drop(tables.ENVIRONMENT_ARGUMENTS.get(base, "o"))
    _open_float(r, name, kind)
    if base == "deluxetable":
        r.argument()


def _table(r: Renderer, name: str, base: str) -> None:
    r.drop(tables.ENVIRONMENT_ARGUMENTS.get(name, tables.ENVIRONMENT_ARGUMENTS.get(base, "om")))
    if base == "longtable" and not r.floats:
        _open_float(r, name, "table")
        r.in_table += r.options.tables
        return
    if not r.options.tables:
        r.open("env", name, discard)
        return
    r.in_table += 1
    lines, r.lines = r.lines, True

    def close(text: str) -> None:
        r.in_table -= 1
        r.lines = lines
        rows = [" ".join(row.split()) for row in text.replace(PAR, " ").split(HARD)]
        r.out.append(HARD + HARD.join(row for row in rows if row.strip(" |")) + HARD)

    r.open("env", name, close)


def _other(r: Renderer, name: str) -> None:
    lines, r.lines = r.lines, r.lines or name in _LINES
    separate = name not in _INLINE

    def close(text: str) -> None:
        r.lines = lines
        r.out.append(f"{PAR}{text}{PAR}" if separate else text)

    r.open("env", name, close)
    spec = tables.ENVIRONMENT_ARGUMENTS.get(name)
    if name in ("multicols", "multicols*"):
        r.argument()
        r.push(r.optional() or [])  # what stands above the columns: a heading
    elif spec is not None:
        r.drop(spec)
    else:
        while r.peek().startswith("[") and r.optional() is not None:
            pass
    if name in ("appendix", "appendices", "subappendices"):
        r.numbers.appendix()
