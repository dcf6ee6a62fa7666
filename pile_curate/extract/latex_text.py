r"""Render TeX as plain text: the loop over tokens, groups, environments, and the frames that catch what they hold.

What a command does with an argument's *text* (a heading, a footnote, a list label) is done by a frame: the group is
rendered where it stands, and when it closes the frame takes the pieces written since it opened. So nothing here
recurses, and 100,000 open braces are 100,000 entries of a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pile_curate.extract import latex_tables as tables
from pile_curate.extract.latex_accents import COMBINING, SPACES, SYMBOLS, combine, typeset
from pile_curate.extract.latex_blocks import CODE_MARK, GONE, HARD, HEAD, ITEM, NOTES, to_blocks
from pile_curate.extract.latex_frames import Closing, Frame, Frames
from pile_curate.extract.latex_math import displayed, inline
from pile_curate.extract.latex_stack import plain
from pile_curate.extract.latex_tokens import (
    CLOSE_ENV,
    CODE,
    COMBINE,
    FILE_END,
    NOTE,
    PAR,
    PRIMITIVE,
    RAW,
    VERBATIM,
    Lexer,
    source_of,
)

_ACTIVE = frozenset("\\{}$\n\0~&#^")
"""What the tokens begin with that are no text."""
_OFTEN = 24
"""Characters of a run of text that may well come again."""
_AMS_ENDS = re.compile(r"\\end[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class TextOptions:
    """What of a paper besides its running text is kept."""

    captions: bool = True
    tables: bool = False
    footnotes: bool = True
    authors: bool = False


class Renderer(Frames):
    """State of one document's rendering. ``load`` returns the source of a file that the document names, or None."""

    def __init__(
        self,
        load: Callable[[str, str], str | None],
        options: TextOptions,
        budget: int,
        labels: dict[str, str],
    ) -> None:
        super().__init__(budget)
        self.load = load
        self.options = options
        self.authors_of = labels
        self.lexer = Lexer()
        self.notes: list[str] = []
        self.codes: list[str] = []
        self.title = ""
        self.abstract = ""
        self.begun = False
        self.ended = self.classed = False
        self.german = self.ligatures = False
        self.only: set[str] | None = None
        self.theorems = dict(tables.THEOREMS)
        self.unnumbered: set[str] = set()
        self.lists: list[list[object]] = []
        self.floats: list[list[str]] = []
        self.in_table = 0
        self.loaded: dict[str, int] = {}
        self.packages = 0
        self.plain_footnotes = False
        self.float_kinds: list[str] = []
        self.declared: set[str] = set()
        self.acronyms: dict[str, list[str]] = {}
        self.lines = False
        self.capital_references = False
        self.amstex: set[str] = set()
        """Which of AMS-TeX's ends (``\\endtitle``) the files hold; without it, nothing is open up to one."""

    # -- the loop

    def run(self) -> None:
        """Render until no token is left."""
        out, stack, plain = self.out, self.stack, self.plain
        german, ligatures = self.german, self.ligatures
        shown: dict[str, str] = {}
        while stack:
            token = stack.pop()
            first = token[0]
            if first == "\\":
                self.control(token)
                if self.ended:
                    return
                if german != self.german or ligatures != self.ligatures:
                    german, ligatures = self.german, self.ligatures
                    shown.clear()
            elif first not in _ACTIVE or (first == "\n" and token != PAR):
                text = shown.get(token)
                if text is None:
                    text = typeset(token.replace("\n", " "), german, ligatures)
                    if len(token) < _OFTEN:
                        shown[token] = text
                out.append(text)
            elif first == "$":
                written = "" if len(token) == 1 else plain.get(token) or self.whole_formula(token)
                if not isinstance(written, str):
                    stack.extend(written)
                    self.dollar()
                elif written:
                    out.append(written)
                else:
                    self.dollar()
            elif first == "{":
                self.open("group", "")
            elif first == "}":
                self.close_group()
            elif token == PAR:
                out.append(PAR)
            elif first == NOTE:
                self.note(token)
            elif first == "~":
                if "~" in self.macros:
                    self.expand("~")
                else:
                    out.append(" ")
            elif first == "&":
                out.append(" | " if self.in_table else " ")
            elif first == "^" and self.begun:
                out.append("^")

    def control(self, token: str) -> None:
        """Render one control sequence."""
        if self.expand(token):
            return
        if self.lines and (self.open_names.get("algorithmic") or "algorithm" in self.float_kinds):
            word = tables.PSEUDOCODE.get(token[1:].lower())
            if word is not None and (token[1] != "i" or token != "\\input"):
                self.out.append(f"{HARD}{word} ")
                return
            if token == "\\;":
                self.out.append(HARD)
                return
        handler = HANDLERS.get(token)
        if handler is not None:
            handler(self, token)
            return
        text = SYMBOLS.get(token)
        if text is not None:
            if token[-1].isalpha():
                self.skip_space()
            self.out.append(text)
            return
        if token in SPACES:
            self.out.append(" ")
        elif token in COMBINING:
            self.accent(token)
        elif token in tables.DROPPED:
            self.drop(tables.DROPPED[token])
        elif token in self.registers:
            self.drop("d")
        else:
            self.unknown(token)

    def note(self, token: str) -> None:
        """Handle what the lexer or the expander left."""
        kind, text = token[:2], token[2:]
        if kind in (RAW, VERBATIM):
            self.out.append(text.replace("\n", " "))
        elif kind == CODE:
            self.codes.append(text)
            self.out.append(f"{PAR}{CODE_MARK}{len(self.codes) - 1}{CODE_MARK}{PAR}")
        elif kind == COMBINE:
            while self.out and not self.out[-1]:
                self.out.pop()
            if self.out:
                self.out[-1] = combine(self.out[-1], text)
        elif kind == CLOSE_ENV:
            self.close_environment(text)
        elif kind == PRIMITIVE:
            known = self.macros.pop(text, None)
            self.control(text)
            if known is not None:
                self.macros.setdefault(text, known)
                self.met(text)
        elif kind == FILE_END:
            self.depth -= 1

    def accent(self, token: str) -> None:
        """Put an accent on the letter that follows."""
        from pile_curate.extract.latex_accents import ALONE

        arg = self.argument()
        if not arg or (len(arg) == 1 and not arg[0].strip()):
            self.out.append(ALONE.get(token, ""))
            return
        head = arg[0]
        if head[0] in "\\\0{}":
            self.push([*arg, COMBINE + COMBINING[token]])
            if head in ("\\i", "\\j"):
                self.stack[-1] = RAW + head[1]
            return
        letter = head.lstrip()[:1]
        self.out.append(combine(letter, COMBINING[token]))
        rest = head.lstrip()[1:]
        self.push([*([rest] if rest else []), *arg[1:]])

    # -- pieces

    def dollar(self) -> None:
        """Read a formula in dollars."""
        if self.peek() == "$":
            self.pop()
            self.display(self.formula("$$"))
        else:
            self.out.append(inline(self.formula("$")))

    def display(self, tex: str, environment: str = "") -> None:
        """Write a displayed formula on lines of its own."""
        if tex:
            self.out.append(displayed(tex, environment))

    def add_note(self, text: str) -> None:
        """Keep a text that stands outside its paragraph (a footnote, a caption) for the paragraph's end."""
        if text.strip():
            self.notes.append(text)
            self.out.append(f"{NOTES}{len(self.notes) - 1}{NOTES}")

    def heading(self, rank: int) -> Closing:
        """Return what writes a heading of a rank."""

        def write(text: str) -> None:
            text = " ".join(text.replace(HARD, " ").split())
            if not text:
                return
            if rank >= 5:
                self.out.append(f"{PAR}{text}{' ' if text[-1] in '.:?!…' else '. '}")
            else:
                self.out.append(f"{PAR}{HEAD}{rank}{text}{PAR}")

        return write

    def unknown(self, token: str) -> None:
        """Drop an unknown command and its options; its arguments stay as text."""
        if not token[-1].isalpha() and not token.endswith("*"):
            return
        if token[1:].lower() in tables.ACKNOWLEDGEMENTS:
            self.out.append(f"{PAR}{HEAD}2Acknowledgments{PAR}")
            return
        base = token[1:].removeprefix("end").rstrip("*")
        if base in tables.MATH_ENVIRONMENTS or base in (
            "itemize",
            "enumerate",
            "description",
            "quote",
            "center",
        ):
            # an environment's command form, as in \equation … \endequation
            opens = not token.startswith("\\end")
            self.push(["\\begin" if opens else "\\end", "{", token[1:] if opens else token[4:], "}"])
            return
        if token.endswith("ref") and self.peek() == "{":
            HANDLERS["\\ref"](self, token)
        elif "cite" in token.lower():
            HANDLERS["\\cite"](self, token)
        else:
            while self.peek().startswith("[") and self.optional() is not None:
                pass
            if self.peek() == "*" or self.peek().startswith("*{"):
                self.star()
            self.skip_space()

    def item_start(self, label: str) -> str:
        """Begin a list item's block."""
        return f"{PAR}{ITEM}{min(max(len(self.lists) - 1, 0), 9)}{label} "

    def load_package(self, name: str) -> None:
        """Take the macros of a style file that the archive holds."""
        stem = re.match(r"[A-Za-z@]*", name.rsplit("/", 1)[-1])
        plain_stem = stem[0].lower() if stem else ""
        if self.packages >= 40 or any(plain_stem.startswith(known) for known in tables.KNOWN_STYLES):
            return
        self.packages += 1
        source = self.load(name, ".sty")
        if source is None or len(source) > 400_000 or self.loaded.setdefault(name + ".sty", 0):
            return
        self.loaded[name + ".sty"] = 1
        kept = (
            self.stack,
            self.frames,
            self.out,
            self.depth,
            self.package,
            self.open_names,
            self.grouped,
            self.begun,
        )
        self.stack, self.frames, self.out, self.depth, self.package = [], [], [], 0, True
        self.open_names, self.grouped = {}, 0
        self.push(self.lexer.tokens(source, package=True))
        self.run()
        self.ended = False
        (
            self.stack,
            self.frames,
            self.out,
            self.depth,
            self.package,
            self.open_names,
            self.grouped,
            self.begun,
        ) = kept

    def include(self, name: str, *suffixes: str) -> bool:
        """Go on with a file of the archive; say whether it was there. The same file at most 30 times."""
        if self.depth >= 30 or not name:
            return False
        times = self.loaded.get(name, 0)
        source = self.load(name, ".tex") if times < 30 else None
        if source is None:
            return False
        self.loaded[name] = times + 1
        if times:
            self.charge(2 * len(source))
        self.stack.append(FILE_END)
        self.amstex.update(_AMS_ENDS.findall(source))
        self.push(self.lexer.tokens(source))
        self.depth += 1
        return True

    def finish(self) -> str:
        """Close what is open and return the document's text."""
        while self.frames:
            self.close()
        body = "".join(self.out)
        if self.abstract:
            body = f"{HEAD}2Abstract{PAR}{self.abstract}{PAR}{body}"
        if self.title:
            body = f"{HEAD}0{self.title}{PAR}{body}"
        return to_blocks(body, self.notes, self.codes, self.numbers.labels)


def render(
    source: str,
    load: Callable[[str, str], str | None],
    options: TextOptions,
    labels: dict[str, str] | None = None,
    budget: int = 0,
) -> tuple[str, Renderer]:
    """Return a document's text and the renderer, which knows its title; raises ``TexLimit``."""
    renderer = Renderer(load, options, budget or 3_000_000 + 20 * len(source), labels or {})
    renderer.begun = "\\begin{document}" not in source and "\\documentclass" not in source
    renderer.plain_footnotes = renderer.begun and "\\documentstyle" not in source
    renderer.amstex.update(_AMS_ENDS.findall(source))
    renderer.push(renderer.lexer.tokens(source))
    renderer.run()
    return renderer.finish(), renderer


from pile_curate.extract.latex_commands import HANDLERS  # noqa: E402  the handlers need the class above

__all__ = ["GONE", "Frame", "Renderer", "TextOptions", "plain", "render", "source_of"]
