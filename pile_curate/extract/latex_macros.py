r"""Expand a document's own macros, and keep to TeX's conditionals as far as text needs them.

Definitions are read in all their usual forms (``\newcommand``, ``\def`` with delimited arguments, ``\let``, xparse,
``\DeclareMathOperator``, environments), obey groups, and hold in text and in formulas alike. Two kinds are
refused: those that give a new look to what this package renders itself (``\section``, ``\maketitle`` …), and from
style files those whose bodies are page layout in TeX's own terms. A macro that is met more often than any paper
needs is a loop that only a typesetter would end, and is dropped from then on.
"""

from __future__ import annotations

import re

from pile_curate.extract.latex_stack import TokenStack, plain
from pile_curate.extract.latex_tables import KNOWN_TRUE, PROTECTED_NAMES, TEX_CONDITIONALS
from pile_curate.extract.latex_tokens import NO_VALUE, NOTE, PRIMITIVE, RAW

LOOP = 60_000
"""Expansions of one macro after which it is dropped; the samples' busiest macro has 4,000."""

_LAYOUT = frozenset(
    """\\@startsection \\futurelet \\catcode \\afterassignment \\everypar \\output \\halign \\setbox \\vbox \\vtop
    \\loop \\hbox \\write \\openout \\newwrite \\read \\@for \\@whilenum \\uppercase \\lowercase \\aftergroup""".split()
)


_SWITCH = re.compile(r"\\if(?:[A-Z@]{3}|@[a-z])(?!.*TF?$)")


class Macro:
    """A definition. ``spec`` has a letter an argument: m, o, s, or d for one that ``delimiters`` end."""

    __slots__ = ("body", "cost", "default", "delimiters", "prefix", "spec", "used")

    def __init__(
        self,
        body: list[str],
        spec: str = "",
        default: list[list[str] | None] | None = None,
        delimiters: list[tuple[str, ...]] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        self.body = body
        self.spec = spec
        self.default = default or []
        self.delimiters = delimiters or []
        self.prefix = prefix
        self.cost = sum(map(len, body)) + 4
        self.used = 0


class Expander(TokenStack):
    """A token stack that knows macros, environments and switches."""

    def __init__(self, budget: int) -> None:
        super().__init__(budget)
        self.share = budget // 3
        """What the body of one macro may cost in all; beyond that it is a loop."""
        self.macros: dict[str, Macro] = {}
        self.environments: dict[str, tuple[Macro, list[str]]] = {}
        self.switches: dict[str, bool] = {}
        self.toggles: dict[str, bool] = {}
        self.saved: list[tuple[str, Macro | None]] = []
        self.grouped = 0
        self.package = False
        self.in_math = False
        self.stopped: set[str] = set()
        self.globally = False
        self.harmless: set[str] = set()
        """Control sequences met in formulas that stay as they are, unless the document defines them."""
        self.plain: dict[str, str | list[str]] = {}
        """What ``Formulas.whole_formula`` found for each formula; it holds while no harmless name is defined."""

    # -- definitions

    def define(self, name: str, macro: Macro) -> None:
        """Give a name a meaning until its group ends."""
        if not name or name in PROTECTED_NAMES or name == "\\":
            return
        if self.package and (name in self.macros or any(t in _LAYOUT or "@" in t for t in macro.body)):
            return
        if not _LAYOUT.isdisjoint(macro.body):
            macro = Macro([], macro.spec, macro.default, macro.delimiters, macro.prefix)
        if self.grouped and not self.globally:
            self.saved.append((name, self.macros.get(name)))
        self.macros[name] = macro
        self.met(name)

    def met(self, name: str) -> None:
        """Forget how formulas are written if a name that some hold has come to mean something."""
        if name in self.harmless:
            self.plain.clear()

    def open_scope(self) -> int:
        """Begin a group; returns what ``close_scope`` needs."""
        self.grouped += 1
        return len(self.saved)

    def close_scope(self, mark: int) -> None:
        """End a group: definitions made in it are over."""
        self.grouped -= 1
        while len(self.saved) > mark:
            name, macro = self.saved.pop()
            if macro is None:
                self.macros.pop(name, None)
            else:
                self.macros[name] = macro
                self.met(name)

    def name(self) -> str:
        """Return the control sequence that a definition names, also one spelt by ``\\csname``."""
        found = super().name()
        return self.csname() if found == "\\csname" else found

    def new_command(self, provide: bool = False) -> None:
        """Read what follows ``\\newcommand`` and its like."""
        self.star()
        name = self.name()
        count = self.optional()
        default = self.optional() if count is not None else None
        self.skip_space()
        body = self.argument()
        if provide and (name in self.macros or not name):
            return
        spec = "m" * _number(count)
        if default is not None and spec:
            self.define(name, Macro(body, "o" + spec[1:], [default]))
        else:
            self.define(name, Macro(body, spec))

    def new_environment(self) -> None:
        """Read what follows ``\\newenvironment``."""
        self.star()
        name = self.words()
        count = self.optional()
        default = self.optional() if count is not None else None
        begin, end = self.argument(), self.argument()
        spec = "m" * _number(count)
        if default is not None and spec:
            spec = "o" + spec[1:]
        self.add_environment(name, Macro(begin, spec, [default]), end)

    def add_environment(self, name: str, begin: Macro, end: list[str]) -> None:
        """Keep an environment's two halves."""
        from pile_curate.extract.latex_tables import KEPT_ENVIRONMENTS

        if name in KEPT_ENVIRONMENTS or not _LAYOUT.isdisjoint(begin.body):
            return
        if self.package and any("@" in t for t in begin.body + end):
            return
        self.environments[name] = (begin, end)

    def document_command(self, environment: bool = False) -> None:
        """Read an xparse definition: ``\\NewDocumentCommand{\\x}{s O{1} m}{…}``."""
        name = self.words() if environment else self.name()
        letters: list[str] = []
        defaults: list[list[str] | None] = []
        reader = TokenStack(1 << 16)
        reader.push(self.argument())
        while len(letters) < 9:
            reader.skip_space()
            token = reader.argument()
            kind = plain(token)
            if kind in ("m", "o", "s", "O", "d", "D", "r", "v", "t", "R"):
                if kind == "t":
                    reader.argument()
                letters.append({"O": "o", "v": "m", "D": "d", "r": "d", "R": "d"}.get(kind, kind))
                if kind in ("d", "D", "r", "R"):  # delimiters other than brackets: rare, and read as brackets
                    reader.argument(), reader.argument()
                    letters[-1] = "o"
                defaults.append(reader.argument() if kind in ("O", "D", "R") else [NO_VALUE])
            elif not reader.peek():
                break
        body = self.argument()
        macro = Macro(body, "".join(letters), defaults)
        if environment:
            self.add_environment(name, macro, self.argument())
        else:
            self.define(name, macro)

    def tex_def(self) -> None:
        """Read what follows ``\\def``: a name, a parameter text, a body."""
        self.skip_space()
        name = self.name()
        text: list[str] = []
        while (token := self.pop()) and token != "{" and len(text) < 64:
            text.append(token)
        if token != "{":
            self.push(text + ([token] if token else []))
            return
        body = self.group()
        prefix: list[str] = []
        delimiters: list[tuple[str, ...]] = []
        for token in text:
            if token[0] == "#" and len(token) > 1:
                delimiters.append(())
            elif delimiters:
                delimiters[-1] += (token,)
            else:
                prefix.append(token)
        spec = "".join("d" if one else "m" for one in delimiters)
        self.define(name, Macro(body, spec, [], delimiters, tuple(prefix)))

    def let(self) -> None:
        """Read what follows ``\\let``: the name takes over the present meaning of another token."""
        name = self.name()
        self.take_char("=")
        self.skip_space()
        token = self.pop()
        if not token or not name:
            return
        if token[0] not in "\\\0{}$&^_~#\n" and len(token) > 1:
            self.stack.append(token[1:])
            token = token[0]
        known = self.macros.get(token)
        if known is not None:
            self.define(name, known)
        elif token in self.switches:
            self.switches[name] = self.switches[token]
            self.met(name)
        elif token != name:
            self.define(name, Macro([PRIMITIVE + token if token[0] == "\\" else token]))

    # -- expansion

    def expand(self, token: str) -> bool:
        """Expand a control sequence if it is a macro, a definition or a conditional; say whether it was."""
        macro = self.macros.get(token)
        if macro is not None:
            self.invoke(token, macro)
            return True
        handler = PRIMITIVES.get(token)
        if handler is not None:
            handler(self)
            return True
        if token in self.switches or is_conditional(token):
            self._conditional(token)
            return True
        if self.switches and token.endswith(("true", "false")):
            switch = "\\if" + token[1:].removesuffix("true").removesuffix("false")
            if switch in self.switches:
                self.switches[switch] = token.endswith("true")
                return True
        return False

    def invoke(self, token: str, macro: Macro) -> None:
        """Push a macro's body with its arguments in place."""
        macro.used += 1
        if macro.used > LOOP or macro.used * macro.cost > self.share:
            self.stopped.add(token)
            return
        args = self.arguments(macro)
        if not args:
            if token[-1].isalpha() and not self.in_math and not macro.spec:
                self.skip_space()
            self.charge(macro.cost)
            self.stack.extend(macro.body[::-1])
            return
        self.substitute(macro, args)

    def arguments(self, macro: Macro) -> list[list[str]]:
        """Read the arguments that a macro's spec asks for."""
        if macro.prefix:
            self._expect(macro.prefix)
        args: list[list[str]] = []
        optional = 0
        for at, letter in enumerate(macro.spec):
            if letter == "m":
                args.append(self.argument())
            elif letter == "d":
                if not at and not macro.prefix:
                    self.skip_space()
                args.append(self.until(macro.delimiters[at]))
            elif letter == "s":
                args.append([RAW + "*"] if self.star() else [NO_VALUE])
            else:
                found = self.optional()
                default = macro.default[at if len(macro.default) > 1 else optional] if macro.default else []
                args.append(found if found is not None else (default or []))
                optional = 0
        return args

    def substitute(self, macro: Macro, args: list[list[str]]) -> None:
        """Push the body, its parameters replaced."""
        cost = macro.cost
        pushed: list[str] = []
        for part in macro.body:
            if part[0] == "#" and len(part) > 1:
                if part[1] == "#":
                    pushed.append(part[1:])
                    continue
                number = int(part[1]) - 1
                if 0 <= number < len(args):
                    pushed.extend(args[number])
                    cost += sum(map(len, args[number]))
                    if cost > self.budget:
                        break
            else:
                pushed.append(part)
        self.charge(cost)
        self.push(pushed)

    def _expect(self, prefix: tuple[str, ...]) -> None:
        for wanted in prefix:
            if wanted[0] in "\\\0":
                self.skip_space()
                if self.peek() == wanted:
                    self.pop()
            elif wanted.strip():
                self.take_char(wanted.strip())

    # -- conditionals

    def _conditional(self, token: str) -> None:
        if token == "\\ifcase":
            self._operands()
            return
        if not self._true(token):
            self.skip_branch(to_else=True)

    def _true(self, token: str) -> bool:
        if token in self.switches:
            return self.switches[token]
        if token == "\\ifx":
            return self._same()
        if token == "\\ifmmode":
            return self.in_math
        if token in ("\\ifdefined", "\\ifcsname"):
            if token == "\\ifdefined":
                return self.pop() in self.macros
            return self.csname() in self.macros
        if token in ("\\ifnum", "\\ifdim", "\\ifodd", "\\if", "\\ifcat", "\\ifhbox", "\\ifvoid", "\\ifeof"):
            return self._operands() if token in ("\\ifnum", "\\ifdim") else self._skip_operands(token)
        return token in KNOWN_TRUE

    def _same(self) -> bool:
        self.skip_space()
        pair = []
        for _ in range(2):
            token = self.pop()
            if token and token[0] not in "\\\0{}$&^_~#\n" and len(token) > 1:
                self.stack.append(token[1:])
                token = token[0]
            pair.append(token)
        first, second = (self.macros.get(one) for one in pair)
        if first is not None and second is not None:
            return first.body == second.body and first.spec == second.spec
        return pair[0] == pair[1] or (
            (first is None and second is None) and set(pair) <= {"\\undefined", "\\@undefined", "\\relax"}
        )

    def _operands(self) -> bool:
        """Compare two literal numbers; registers count as 0."""
        self.skip_space()
        text = ""
        while self.peek()[:1] == "\\" and len(text) < 40 and self.peek() not in ("\\else", "\\fi"):
            token = self.pop()
            macro = self.macros.get(token)
            text += plain(macro.body) if macro else "0"
            if self.peek()[:1] in ("<", ">", "="):
                break
        found = (
            re.match(
                r"\s*=?\s*(-?[\d.]*)(?:pt|cm|in|em|ex|mm|sp)?\s*(?:([<>=])\s*(-?[\d.]*)(?:pt|cm|in|em|ex|mm|sp)? ?)?",
                head := self.peek(),
            )
            if self.peek()[:1] not in ("\\", "{", "}", "$", NOTE, "")
            else None
        )
        if not found:
            return False
        self.pop()
        if found.end() < len(head):
            self.stack.append(head[found.end() :])
        left, right = found[1] or text or "0", found[3] or ""
        if not right and self.peek()[:1] == "\\" and found[2]:
            macro = self.macros.get(self.pop())
            right = plain(macro.body) if macro else "0"
        try:
            one, two = float(left or 0), float(right or 0)
        except ValueError:
            return False
        return {"<": one < two, ">": one > two, "=": one == two}.get(found[2] or "", False)

    def _skip_operands(self, token: str) -> bool:
        if token == "\\if":
            if self.peek() in ("\\relax", "\\\\"):  # the usual tests for an empty argument
                return self._is_empty(self.pop())
            pair = [self.argument(), self.argument()]
            return pair[0] == pair[1] and bool(pair[0])
        self.argument()
        if token == "\\ifcat":
            self.argument()
        return False

    def _is_empty(self, mark: str) -> bool:
        r"""Answer ``\if\relax\detokenize{…}\relax``: is nothing between the two marks."""
        empty = True
        for _ in range(200):
            token = self.pop()
            if not token or token == mark:
                break
            if token == "\\detokenize":
                empty = empty and not any(t.strip() for t in self.argument())
            elif token.strip():
                empty = False
        return empty

    def skip_branch(self, to_else: bool) -> None:
        r"""Drop tokens up to the ``\else`` or ``\fi`` of the running conditional; a missing one drops nothing."""
        depth, cost = 0, 0
        skipped: list[str] = []
        while token := self.pop():
            if token[0] == "\\":
                if token == "\\fi":
                    if not depth:
                        return
                    depth -= 1
                elif token in self.switches or is_conditional(token):
                    depth += not (skipped and skipped[-1] in ("\\let", "\\newif"))
                elif token in ("\\else", "\\or") and not depth and to_else:
                    return
            skipped.append(token)
            cost += len(token)
        self.charge(cost + 16)
        self.push(skipped)

    def csname(self) -> str:
        r"""Return the control sequence spelt up to ``\endcsname``."""
        parts: list[str] = []
        while (token := self.pop()) and token != "\\endcsname" and len(parts) < 50:
            if token[0] == "\\" and token in self.macros and self.macros[token].used < LOOP:
                self.invoke(token, self.macros[token])
            elif token[0] not in "\\{}$":
                parts.append(token)
        return "\\" + "".join(parts).strip()

    def choose(self, yes: bool) -> None:
        """Read two arguments and go on with one of them."""
        pair = [self.argument(), self.argument()]
        self.push(pair[0] if yes else pair[1])


def is_conditional(token: str) -> bool:
    r"""Say whether a control sequence needs a ``\fi``: TeX's own, and switches of classes (``\ifCLASSOPTIONtwocolumn``)."""
    return token.startswith("\\if") and (token in TEX_CONDITIONALS or bool(_SWITCH.match(token)))


def _number(tokens: list[str] | None) -> int:
    text = plain(tokens or [])
    return min(int(text), 9) if text.isascii() and text.isdigit() else 0


from pile_curate.extract.latex_primitives import PRIMITIVES  # noqa: E402  its functions need the class above
