r"""Cut TeX source into tokens: control sequences, braces, runs of text, paragraph ends, verbatim material.

A token is a string whose first character says what it is, so that no object is made for a token:

- ``\name`` or ``\'``: a control sequence (``\ `` also stands for an escaped line end);
- ``{ } $ & ^ _ ~``: the character that TeX gives a meaning; ``#1``, ``##1``: a parameter;
- ``$`` and more: a formula whole, from dollar to dollar, which ``flat`` cuts into its tokens;
- ``\n\n``: the end of a paragraph (``PAR``);
- ``\0`` and a letter: what the lexer or the expander notes (``VERBATIM``, ``RAW`` …), followed by its text;
- anything else: a run of text with its spaces and single line ends, as long as it goes.

Comments go here, as TeX drops them: with the line end and the next line's indentation. Verbatim environments,
``\verb`` and the addresses in ``\url`` and ``\href`` must be taken out here as well, because in them ``%``, ``$``
and ``\`` are letters. One pass, linear: after The TeXbook, chapters 7 and 8.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

PAR = "\n\n"
NOTE = "\0"
VERBATIM, RAW, FILE_END, NO_VALUE, PRIMITIVE = "\0v", "\0r", "\0e", "\0n", "\0p"
COMBINE, CLOSE_ENV, CODE = "\0c", "\0x", "\0k"


def _lexer(letter: str, formula: str) -> Callable[[str, int, int], list[str]]:
    """Return what cuts a stretch without comments, paragraph ends and hooks into tokens."""
    whole = rf"|\$\$(?:{formula})*+\$\$|\$(?:{formula})++\$" if formula else ""
    return re.compile(rf"[^\\{{}}$&#^_~%]+|\\(?:{letter}+|[\s\S]){whole}|[{{}}$&^_~]|#+\d?").findall


_LEX = _lexer("[A-Za-z]", r"[^\\$%]++|\\[\s\S]")
_LEX_AT = _lexer("[A-Za-z@]", r"[^\\$%@]++|\\[^@]")
_LEX_FLAT = _lexer("[A-Za-z]", "")
_COMMENT = re.compile(r"%[^\n]*(?:\n[ \t]*)?")
_PARAGRAPH_END = re.compile(r"\n(?:[ \t]*\n)+[ \t]*")
_NAME = re.compile(r"\\(?:[A-Za-z]+|[\s\S]|\Z)")
_NAME_AT = re.compile(r"\\(?:[A-Za-z@]+|[\s\S]|\Z)")

CODE_ENVIRONMENTS = frozenset(
    """verbatim verbatim* Verbatim Verbatim* BVerbatim LVerbatim lstlisting minted alltt spverbatim pyverbatim
    code verbatimtab listing-code SaveVerbatim VerbatimOut pycode Python R Sinput Soutput Scode lisp haskell
    comment filecontents filecontents* Schunk""".split()
) - {"code", "R", "Python", "Schunk", "alltt", "lisp", "haskell"}
"""Environments whose content is no TeX. Names that papers also use for other things are left out."""

_DROPPED = frozenset(("comment", "filecontents", "filecontents*", "VerbatimOut", "SaveVerbatim"))
_BEGIN = re.compile(r"[ \t]*\{([A-Za-z]+\*?)\}")
_NEW_CODE = re.compile(
    r"[ \t]*(?:\[[^\]\n]{0,200}\])?[ \t]*\{\\?([A-Za-z]+)\}(?:[ \t]*\{([A-Za-z]+)\})?(?:[ \t]*\{([^{}\n]{0,300})\})?"
)
_URL = re.compile(r"[ \t]*(?:\[[^\]\n]{0,200}\])?[ \t]*\{([^{}\n]*(?:\{[^{}\n]*\}[^{}\n]*)*)\}")
_OPTIONS = re.compile(r"[ \t]*(?:\[[^\]\n]*(?:\n[^\]\n]+){0,20}\])?")
_SHORT = re.compile(r"[ \t]*\{?\\(.)\}?")
_URL_COMMANDS = frozenset(("\\url", "\\path", "\\nolinkurl", "\\href", "\\burl", "\\urlstyle"))
_VERB = frozenset(("\\verb", "\\lstinline", "\\Verb", "\\mintinline"))
_BARE = re.compile(r"\*?[ \t]*(?:\[[^\]\n]*\])?[ \t]*")


class Lexer:
    """Tokenize the files of one document; what one file says of verbatim environments holds in the next."""

    def __init__(self) -> None:
        self.code = set(CODE_ENVIRONMENTS)
        self.code_grew = False
        """The document has verbatim environments of its own, so each of its environments may be one."""
        self.dropped = set(_DROPPED)
        self.short = ""

    def tokens(self, source: str, *, package: bool = False) -> list[str]:
        r"""Return the tokens of a file; in a ``package`` ``@`` is a letter from the start.

        >>> Lexer().tokens("a\\emph{b} % note\n  $c$ $c\n\nd")
        ['a', '\\emph', '{', 'b', '}', ' ', '$c$', ' ', '$', 'c', '\n\n', 'd']
        """
        out: list[str] = []
        letters = package
        stretch = self._stretch(letters)
        at, end = 0, len(source)
        while at < end:
            stop = stretch(source, at).end()  # type: ignore[union-attr]
            if stop > at:
                out += _cut(source, at, stop, _LEX_AT if letters else _LEX)
                at = stop
                if at == end:
                    break
            char = source[at]
            if char == "%":
                at = _COMMENT.match(source, at).end()  # type: ignore[union-attr]
                if source.startswith("\n", at):
                    at += 1
                    out.append(PAR)
            elif char == "\n":
                at = _PARAGRAPH_END.match(source, at).end()  # type: ignore[union-attr]
                out.append(PAR)
            elif char != "\\":
                at = self._short_verb(source, at, out)
            else:
                name = (_NAME_AT if letters else _NAME).match(source, at)[0]  # type: ignore[index]
                at += len(name)
                if name in ("\\makeatletter", "\\makeatother"):
                    letters = name == "\\makeatletter"
                elif name == "\\":
                    out.append("\\ ")
                else:
                    at = self._hook(name, source, at, out)
                stretch = self._stretch(letters)
        return out

    def _stretch(self, letters: bool) -> Callable[[str, int], re.Match[str] | None]:
        """Return what matches up to where more than tokens is to be seen to."""
        return _stretch(letters, self.short, self.code_grew)

    def _hook(self, name: str, source: str, at: int, out: list[str]) -> int:
        if name == "\\begin":
            return self._begin(source, at, out)
        if name in _URL_COMMANDS:
            found = _URL.match(source, at)
            out.append(name)
            if found is None:
                return at
            address = re.sub(r"\\([%#&_~{}\\])", r"\1", found[1])
            out += ("{", RAW + "".join(address.split()), "}")
            return found.end()
        if name in _VERB:
            return self._verb(name, source, at, out)
        if name in ("\\MakeShortVerb", "\\DefineShortVerb", "\\lstMakeShortInline"):
            short = _SHORT.match(source, _BARE.match(source, at).end())  # type: ignore[union-attr]
            if short and short[1] in '|"!+/' and short[1] not in self.short:
                self.short += short[1]
            return short.end() if short else at
        if name == "\\DeleteShortVerb":
            self.short = ""
            return at
        new = _NEW_CODE.match(source, at)  # \lstnewenvironment, \newminted, \DefineVerbatimEnvironment, …
        if new is None:
            return at
        environment = new[1]
        if name == "\\newminted":
            environment += "code"
        self.code.add(environment)
        self.code_grew = True
        if name in ("\\excludecomment",):
            self.dropped.add(environment)
        if name == "\\includecomment":
            self.code.discard(environment)
            self.dropped.discard(environment)
        return new.end()

    def _begin(self, source: str, at: int, out: list[str]) -> int:
        found = _BEGIN.match(source, at)
        if found is None or found[1] not in self.code or source.startswith("}", found.end()):
            out.append("\\begin")
            return at
        closing = f"\\end{{{found[1]}}}"
        start = found.end()
        stop = source.find(closing, start)
        if stop < 0:
            out.append("\\begin")
            self.code.discard(found[1])  # not again: a search to the end for each would be quadratic
            return at
        if found[1] not in self.dropped:
            body = source[start:stop]
            options = _OPTIONS.match(body)
            start = options.end() if options else 0
            if found[1] == "minted":
                language = re.compile(r"[ \t]*\{[^{}\n]*\}").match(body, start)
                start = language.end() if language else start
            out.append(CODE + body[start:])
        return stop + len(closing)

    def _verb(self, name: str, source: str, at: int, out: list[str]) -> int:
        bare = _BARE.match(source, at)
        start = bare.end() if bare and name != "\\verb" else at + source.startswith("*", at)
        if name == "\\mintinline":
            language = re.compile(r"\{[^{}\n]*\}").match(source, start)
            start = language.end() if language else start
        mark = source[start : start + 1]
        if not mark or mark.isspace() or mark.isalnum() or (mark == "{" and name == "\\verb"):
            out.append(name)
            return at
        closing = "}" if mark == "{" else mark
        line = source.find("\n", start)
        stop = source.find(closing, start + 1, line if line >= 0 else len(source))
        if stop < 0:
            out.append(name)
            return at
        out.append(VERBATIM + source[start + 1 : stop])
        return stop + 1

    def _short_verb(self, source: str, at: int, out: list[str]) -> int:
        """Take one ``|…|``; without its end on the same line the mark is text."""
        line = source.find("\n", at)
        stop = source.find(source[at], at + 1, line if line >= 0 else len(source))
        if stop < 0:
            out.append(source[at])
            return at + 1
        out.append(VERBATIM + source[at + 1 : stop])
        return stop + 1


_HOOKED = (
    _URL_COMMANDS
    | _VERB
    | {
        "\\MakeShortVerb",
        "\\DefineShortVerb",
        "\\lstMakeShortInline",
        "\\DeleteShortVerb",
        "\\lstnewenvironment",
        "\\newminted",
        "\\DefineVerbatimEnvironment",
        "\\newverbatim",
        "\\excludecomment",
        "\\includecomment",
    }
)


_SWITCHES = ("\\makeatletter", "\\makeatother")


@functools.cache
def _stretch(letters: bool, short: str, any_code: bool) -> Callable[[str, int], re.Match[str] | None]:
    """Return the pattern's ``match``; there are few, or a document could have one compiled for each line."""
    names = "|".join(sorted(name[1:] for name in (*_HOOKED, *_SWITCHES)))
    code = "|".join(re.escape(name) for name in sorted(CODE_ENVIRONMENTS))
    begun = "" if any_code else rf"(?=[ \t]*\{{(?:{code})\}})"
    end = "(?![A-Za-z@])" if letters else "(?![A-Za-z])"
    hooks = rf"(?:{names}){end}|begin{end}{begun}"
    mark = re.escape(short)
    return re.compile(rf"(?:[^\\%\n{mark}]++|\n(?![ \t]*\n)|\\(?!{hooks})[\s\S])*+").match


def _cut(source: str, at: int, stop: int, lex: Callable[[str, int, int], list[str]]) -> list[str]:
    found = lex(source, at, stop)
    if source.find("\\\n", at, stop) >= 0 or source.find("\\\t", at, stop) >= 0:
        return ["\\ " if token == "\\\n" or token == "\\\t" else token for token in found]
    return found


def flat(formula: str) -> list[str]:
    r"""Return the tokens of a whole formula.

    >>> flat("$a_1$")
    ['$', 'a', '_', '1', '$']
    """
    return _cut(formula, 0, len(formula), _LEX_FLAT)


def source_of(tokens: list[str]) -> str:
    r"""Write tokens as TeX again, with a space where a control word would swallow a letter.

    >>> source_of(["\\alpha", "x", "^", "{", "2", "}"])
    '\\alpha x^{2}'
    """
    out: list[str] = []
    word = False
    for token in tokens:
        first = token[:1]
        if first == NOTE:
            token = token[2:] if token[:2] in (VERBATIM, RAW, PRIMITIVE) else ""
            first = token[:1]
        if first == "\\":
            word = token[-1].isalpha()
        elif word and token:
            word = False
            if first.isalpha():
                out.append(" ")
        out.append(token)
    return "".join(out)
