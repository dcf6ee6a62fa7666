"""Read what stands behind TeX's and LaTeX's commands that define, compare or choose: one small function each."""

from __future__ import annotations

import re
from collections.abc import Callable

from pile_curate.extract.latex_macros import Expander, Macro
from pile_curate.extract.latex_stack import TokenStack
from pile_curate.extract.latex_tokens import FILE_END, NO_VALUE, NOTE, RAW, source_of


def _gdef(e: Expander) -> None:
    e.globally = True
    e.tex_def()
    e.globally = False


def _operator(e: Expander) -> None:
    star = "*" if e.star() else ""
    name = e.name()
    e.define(
        name,
        Macro([f"\\operatorname{star}" if not star else "\\operatorname", *star, "{", *e.argument(), "}"]),
    )


def _paired(e: Expander) -> None:
    r"""``\DeclarePairedDelimiter\abs{\lvert}{\rvert}``: the starred form grows with what it encloses."""
    name = e.name()
    left, right = e.argument(), e.argument()
    e.define(name, Macro([*left, "#3", *right], "som", [[NO_VALUE], [NO_VALUE], None]))


def _new_if(e: Expander) -> None:
    name = e.name()
    if name.startswith("\\if"):
        e.switches.setdefault(name, False)


def _if_then_else(e: Expander) -> None:
    test = e.argument()
    yes = False
    for at, token in enumerate(test):
        if token in ("\\boolean", "\\equal"):
            reader = TokenStack(1 << 16)
            reader.push(test[at + 1 :])
            if token == "\\boolean":
                word = reader.words()
                yes = e.toggles.get(word, e.switches.get(f"\\if{word}", False))
            else:
                yes = _resolved(e, reader.argument()) == _resolved(e, reader.argument())
            break
    e.choose(yes ^ ("\\not" in test or "\\NOT" in test))


def _resolved(e: Expander, tokens: list[str]) -> str:
    macro = e.macros.get(tokens[0]) if len(tokens) == 1 else None
    return source_of(macro.body if macro else tokens).strip()


def _set_toggle(e: Expander) -> None:
    e.toggles[e.words()] = e.words() == "true"


def _char(e: Expander) -> None:
    if e.peek().strip() == "`":
        e.pop()
        token = e.pop()
        e.push([RAW + token[-1]] if token else [])
        return
    found = re.match(r"\s*(\d{1,3}|\"[0-9A-F]{1,5}|'[0-7]{1,3}|`.)\s?", head := e.peek())
    if found and head[:1] not in ("\\", NOTE):
        e.pop()
        e.push([rest] if (rest := head[found.end() :]) else [])
        number = found[1]
        code = (
            ord(number[1])
            if number[0] == "`"
            else int(number[1:], 16 if number[0] == '"' else 8)
            if number[0] in "\"'"
            else int(number)
        )
        e.push([RAW + chr(code)] if 32 <= code < 0xD800 and code != 127 else [])


def _next_char(e: Expander) -> None:
    wanted = "".join(e.argument())
    yes, no = e.argument(), e.argument()
    e.skip_space()
    e.push(yes if wanted and e.peek().startswith(wanted) else no)


def _if_star(e: Expander) -> None:
    e.choose(e.star())


def _no_value(e: Expander, negate: bool = False, both: bool = True, yes: bool = True) -> None:
    value = e.argument()
    missing = value == [NO_VALUE] or not value
    if both:
        e.choose(missing ^ negate)
    else:
        body = e.argument()
        if missing ^ negate:
            e.push(body)


def _boolean(e: Expander) -> None:
    e.choose(e.argument() not in ([NO_VALUE], []))


def _expand_after(e: Expander) -> None:
    r"""``\expandafter`` only changes an order that matters to packages; between two macros nothing is lost."""


def _until_name(e: Expander) -> None:
    name = e.csname()
    if len(name) > 1:
        e.push([name])


def _define_name(e: Expander) -> None:
    e.stack.append("\\" + e.words())
    e.tex_def()


def _let_name(e: Expander) -> None:
    name = "\\" + e.words()
    e.stack.append(name)
    e.let()


def _end_input(e: Expander) -> None:
    stack = e.stack
    if e.depth <= 0:
        stack.clear()
        return
    while stack and stack.pop() != FILE_END:
        pass
    e.depth -= 1


def _nothing(e: Expander) -> None:
    pass


def _defined_else(e: Expander) -> None:
    e.choose("\\" + e.words() not in e.macros)


def _string(e: Expander) -> None:
    token = e.pop()
    if token:
        e.push([RAW + token] if token[0] == "\\" else [token])


def _global(e: Expander) -> None:
    e.skip_space()
    if e.peek() in ("\\def", "\\edef", "\\long"):
        if e.peek() == "\\long":
            e.pop()
            e.skip_space()
        e.pop()
        _gdef(e)
    elif e.peek() == "\\let":
        e.pop()
        e.globally = True
        e.let()
        e.globally = False


PRIMITIVES: dict[str, Callable[[Expander], None]] = {
    "\\newcommand": Expander.new_command,
    "\\renewcommand": Expander.new_command,
    "\\DeclareRobustCommand": Expander.new_command,
    "\\newrobustcmd": Expander.new_command,
    "\\providecommand": lambda e: e.new_command(provide=True),
    "\\newenvironment": Expander.new_environment,
    "\\renewenvironment": Expander.new_environment,
    "\\NewDocumentCommand": Expander.document_command,
    "\\RenewDocumentCommand": Expander.document_command,
    "\\DeclareDocumentCommand": Expander.document_command,
    "\\ProvideDocumentCommand": Expander.document_command,
    "\\NewDocumentEnvironment": lambda e: e.document_command(environment=True),
    "\\RenewDocumentEnvironment": lambda e: e.document_command(environment=True),
    "\\DeclareDocumentEnvironment": lambda e: e.document_command(environment=True),
    "\\def": Expander.tex_def,
    "\\edef": Expander.tex_def,
    "\\gdef": _gdef,
    "\\xdef": _gdef,
    "\\let": Expander.let,
    "\\@ifnextchar": _next_char,
    "\\@ifstar": _if_star,
    "\\@ifundefined": _defined_else,
    "\\DeclareMathOperator": _operator,
    "\\newoperator": _operator,
    "\\DeclarePairedDelimiter": _paired,
    "\\newif": _new_if,
    "\\newtoggle": lambda e: e.toggles.__setitem__(e.words(), False),
    "\\newboolean": lambda e: e.toggles.__setitem__(e.words(), False),
    "\\providetoggle": lambda e: e.toggles.__setitem__(e.words(), False),
    "\\toggletrue": lambda e: e.toggles.__setitem__(e.words(), True),
    "\\togglefalse": lambda e: e.toggles.__setitem__(e.words(), False),
    "\\setboolean": _set_toggle,
    "\\settoggle": _set_toggle,
    "\\iftoggle": lambda e: e.choose(e.toggles.get(e.words(), False)),
    "\\ifbool": lambda e: e.choose(e.switches.get("\\if" + e.words(), False)),
    "\\ifthenelse": _if_then_else,
    "\\IfNoValueTF": _no_value,
    "\\IfValueTF": lambda e: _no_value(e, negate=True),
    "\\IfNoValueT": lambda e: _no_value(e, both=False),
    "\\IfValueT": lambda e: _no_value(e, negate=True, both=False),
    "\\IfBooleanTF": _boolean,
    "\\ifstrempty": _no_value,
    "\\ifblank": _no_value,
    "\\notblank": lambda e: _no_value(e, negate=True),
    "\\csname": _until_name,
    "\\@nameuse": lambda e: e.push(["\\" + e.words()]),
    "\\@namedef": _define_name,
    "\\csdef": _define_name,
    "\\cslet": _let_name,
    "\\expandafter": _expand_after,
    "\\noexpand": _nothing,
    "\\protect": _nothing,
    "\\relax": _nothing,
    "\\long": _nothing,
    "\\outer": _nothing,
    "\\immediate": _nothing,
    "\\protected": _nothing,
    "\\unexpanded": _nothing,
    "\\global": _global,
    "\\string": _string,
    "\\char": _char,
    "\\symbol": lambda e: (
        e.push([RAW + chr(int(n))]) if (n := e.words()).isdigit() and 32 <= int(n) < 55000 else None
    ),
    "\\else": lambda e: e.skip_branch(to_else=False),
    "\\or": lambda e: e.skip_branch(to_else=False),
    "\\fi": _nothing,
    "\\endinput": _end_input,
    "\\makeatletter": _nothing,
    "\\makeatother": _nothing,
}
"""What reads tokens at definition time or decides which are read; everything else is rendered."""
