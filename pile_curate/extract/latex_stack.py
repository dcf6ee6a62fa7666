"""Hold the tokens that are still to be read, and read arguments from them; every grab is charged to a budget.

A list used as a stack (next token last) makes macro expansion a push and reading a pop, so that no nesting of
macros, groups or files uses Python's own stack. What is grabbed and pushed back may be grabbed again, which could
cost the square of the input: ``charge`` counts those characters, and raises ``TexLimit`` when they are many times
the source. No real paper comes near (the samples stay below three times).
"""

from __future__ import annotations

from pile_curate.extract.latex_tokens import FILE_END, NO_VALUE, NOTE, PAR, flat

BRACKET_BYTES = 8000
"""An optional argument that does not close within so much is text in brackets."""


class TexLimit(ValueError):
    """The document expands without end, or to more than its size can justify."""


class TokenStack:
    """Tokens to come, the last first."""

    def __init__(self, budget: int) -> None:
        self.stack: list[str] = []
        self.budget = budget
        self.depth = 0
        """Files open inside each other."""

    def charge(self, cost: int) -> None:
        """Count work that is not linear by itself."""
        self.budget -= cost
        if self.budget < 0:
            raise TexLimit("its macros expand to more than its size can justify")

    def pop(self) -> str:
        """Return the next token, ``""`` at the end; a formula that is one token gives its first dollar."""
        stack = self.stack
        while stack:
            token = stack.pop()
            if token == FILE_END:
                self.depth -= 1
                continue
            if token[:1] == "$" and len(token) > 1:
                stack.extend(flat(token)[:0:-1])
                return "$"
            return token
        return ""

    def peek(self) -> str:
        """Return the next token without taking it."""
        stack = self.stack
        while stack:
            token = stack[-1]
            if token == FILE_END:
                self.depth -= 1
            elif token:
                return token if token[0] != "$" else "$"
            stack.pop()
            if not token:
                break
        return ""

    def push(self, tokens: list[str]) -> None:
        """Put tokens in front of what is to come."""
        self.stack.extend(tokens[::-1])

    def skip_space(self) -> None:
        """Pass over white space that is no paragraph end."""
        while (token := self.peek()) and token[0] in " \t\n" and token != PAR:
            self.stack.pop()
            token = token.lstrip()
            if token:
                self.stack.append(token)
                return

    def take_char(self, wanted: str) -> bool:
        """Take the next character if it is the wanted one, also after spaces."""
        self.skip_space()
        if not self.peek().startswith(wanted):
            return False
        token = self.pop()
        if token != wanted:
            self.stack.append(token[len(wanted) :])
        return True

    def star(self) -> bool:
        """Take a star that follows."""
        return self.take_char("*")

    def group(self) -> list[str]:
        """Return the tokens up to the brace that closes a group just opened; nothing if it never closes."""
        stack = self.stack
        if (
            len(stack) > 1 and stack[-2] == "}" and stack[-1][:1].isalnum()
        ):  # a name, a key, a number: most are
            out = [stack.pop()]
            stack.pop()
            self.charge(len(out[0]))
            return out
        depth = 1
        out = []
        while stack:
            token = stack.pop()
            if token == "{":
                depth += 1
            elif token == "}":
                depth -= 1
                if not depth:
                    self.charge(sum(map(len, out)))
                    return out
            elif token == FILE_END:
                self.depth -= 1
                continue
            elif token[:1] == "$" and len(token) > 1:
                stack.extend(flat(token)[::-1])
                continue
            out.append(token)
        self.charge(sum(map(len, out)) + 16)
        self.push(out)
        return []

    def argument(self) -> list[str]:
        """Return a macro's undelimited argument without its braces: a group, a command or one character."""
        self.skip_space()
        token = self.pop()
        if token == "{":
            return self.group()
        if not token or token == "}" or token == PAR:
            if token:
                self.stack.append(token)
            return []
        if token[0] == "\\" or token[0] == NOTE or len(token) == 1 or token[0] == "#":
            return [token]
        self.stack.append(token[1:])
        return [token[0]]

    def optional(self, opening: str = "[", closing: str = "]") -> list[str] | None:
        """Return the tokens of an argument in brackets, None if there is none or it does not close nearby."""
        self.skip_space()
        if not self.peek().startswith(opening):
            return None
        first = self.pop()
        if len(first) > 1:
            self.stack.append(first[1:])
        depth = cost = 0
        out: list[str] = []
        while cost < BRACKET_BYTES:
            token = self.pop()
            if not token:
                break
            if token == "{":
                depth += 1
            elif token == "}":
                depth -= 1
                if depth < 0:
                    self.stack.append(token)
                    break
            elif not depth and closing in token and token[0] not in "\\\0":
                head, _, tail = token.partition(closing)
                if head:
                    out.append(head)
                if tail:
                    self.stack.append(tail)
                self.charge(cost)
                return out
            out.append(token)
            cost += len(token)
        self.charge(2 * cost)
        self.push([opening, *out])
        return None

    def until(self, delimiter: tuple[str, ...]) -> list[str]:
        """Return the tokens before a delimiter, at brace depth 0, and take the delimiter; at most a paragraph on."""
        first = delimiter[0]
        depth = cost = 0
        out: list[str] = []
        textual = first[0] not in "\\\0{}$&^_~#\n"
        while token := self.pop():
            if token == "{":
                depth += 1
            elif token == "}":
                depth -= 1
                if depth < 0:
                    self.stack.append(token)
                    break
            elif not depth and (token == first or (textual and first in token)):
                rest = self._delimited(token, delimiter, textual, out)
                if rest:
                    self.charge(cost)
                    return _unbraced(out)
            out.append(token)
            cost += len(token)
            if cost > 1 << 15:
                break
        self.charge(cost)
        self.push(out)
        return []

    def _delimited(self, token: str, delimiter: tuple[str, ...], textual: bool, out: list[str]) -> bool:
        head, _, tail = token.partition(delimiter[0]) if textual else ("", "", "")
        seen = []
        if len(delimiter) > 1:
            if tail:
                return False
            for wanted in delimiter[1:]:
                follows = self.pop()
                if follows != wanted and follows.startswith(wanted) and wanted[0] not in "\\\0":
                    self.stack.append(follows[len(wanted) :])
                    follows = wanted
                seen.append(follows)
                if follows != wanted:
                    self.push([one for one in seen if one])
                    return False
        elif tail:
            self.stack.append(tail)
        if head:
            out.append(head)
        return True

    def name(self) -> str:
        """Return the control sequence that a definition names, bare or in braces; ``""`` if there is none."""
        self.skip_space()
        token = self.peek()
        if token == "{":
            inside = [one for one in self.argument() if one.strip()]
            return inside[0] if len(inside) == 1 and inside[0][0] in "\\~" else ""
        if token[:1] == "\\" or token == "~":
            return self.pop()
        return ""

    def words(self) -> str:
        """Return an argument as plain characters: a name, a number, a key."""
        return plain(self.argument())


def plain(tokens: list[str]) -> str:
    """Return the characters of tokens, without commands, in one line."""
    if len(tokens) == 1 and tokens[0].isalnum():
        return tokens[0]
    joined = "".join(t if t[0] != NOTE else t[2:] for t in tokens if t[0] not in "\\{}" and t != NO_VALUE)
    return " ".join(joined.split())


def _unbraced(tokens: list[str]) -> list[str]:
    """Drop the braces around a whole delimited argument, as TeX does."""
    if len(tokens) < 2 or tokens[0] != "{" or tokens[-1] != "}":
        return tokens
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token == "{") - (token == "}")
        if not depth and at < len(tokens) - 1:
            return tokens
    return tokens[1:-1]
