r"""Keep what is open, groups and environments, and pass over arguments that are no text.

A frame whose group has a use (a heading, a footnote) takes the pieces that were written since it opened, when it
closes. So nothing recurses: 100,000 open braces are 100,000 entries of a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pile_curate.extract.latex_math import Formulas
from pile_curate.extract.latex_tokens import NOTE, PAR

_DIMENSION = re.compile(
    r"\s*(?:by(?![a-z])|=)?\s*[-+]?\s*(?:[\d.,]+|\"[0-9A-F]+)?\s*(?:true\s*)?(?:pt|cm|mm|in|em|ex|pc|bp|sp|dd|cc|mu|fil+|scaled \d+)?"
    r"(?:\s*(?:plus|minus)\s*[-+]?[\d.]*\s*(?:pt|cm|mm|in|em|ex|pc|fil+|mu)?)*"
)

_UNIT = re.compile(r"\\(?:[a-z]*(?:width|height|skip|sep|size|indent|length|margin)|z@|p@|m@ne|@M|maxdimen)")

Closing = Callable[[str], None]

NESTING = 40
"""Frames inside frames that do something with their text; real papers stay below ten."""


class Frame:
    """An open group or environment."""

    __slots__ = ("current", "kind", "name", "on_close", "scope", "start")

    def __init__(self, kind: str, name: str, start: int, scope: int, on_close: Closing | None) -> None:
        self.kind = kind
        self.name = name
        self.start = start
        self.scope = scope
        self.on_close = on_close
        self.current: tuple[str, str] | None = None


class Frames(Formulas):
    """Add the pieces of text written so far, and the frames that are open."""

    def __init__(self, budget: int) -> None:
        super().__init__(budget)
        self.out: list[str] = []
        self.frames: list[Frame] = []
        self.registers: set[str] = set()
        self.catching = 0

    def open(self, kind: str, name: str, on_close: Closing | None = None) -> None:
        """Open a frame; one that is nested too deep to be meant only groups, or text would be copied at each level."""
        if on_close is not None:
            self.catching += 1
            if self.catching > NESTING:
                on_close = None
                self.catching -= 1
        frame = Frame(kind, name, len(self.out), self.open_scope(), on_close)
        if kind == "env":
            frame.current = self.numbers.current
            self.open_names[name] = self.open_names.get(name, 0) + 1
        self.frames.append(frame)

    def close(self) -> None:
        """Close the innermost frame."""
        frame = self.frames.pop()
        self.close_scope(frame.scope)
        if frame.kind == "env":
            self.open_names[frame.name] -= 1
            if frame.current is not None:
                self.numbers.current = frame.current
        if frame.on_close is not None:
            self.catching -= 1
            text = "".join(self.out[frame.start :])
            del self.out[frame.start :]
            frame.on_close(text)

    def close_group(self) -> None:
        """Close a group at its brace; a stray brace closes nothing."""
        if self.frames and self.frames[-1].kind == "group":
            self.close()

    def close_environment(self, name: str) -> None:
        """Close an environment, and what was left open in it."""
        if not self.open_names.get(name):
            return
        while self.frames:
            frame = self.frames[-1]
            self.close()
            if frame.kind == "env" and frame.name == name:
                return

    def capture(self, tokens: list[str], on_close: Closing) -> None:
        """Render tokens that were read, and hand their text on."""
        self.push([*tokens, "}"])
        self.open("group", "", on_close)

    def capture_argument(self, on_close: Closing) -> None:
        """Render the next argument, and hand its text on."""
        self.skip_space()
        if self.peek() == "{":
            self.pop()
            self.open("group", "", on_close)
        else:
            self.capture(self.argument(), on_close)

    def drop(self, spec: str) -> None:
        """Pass over arguments."""
        for letter in spec:
            if letter == "*":
                self.star()
            elif letter == "o":
                if self.peek().startswith("[") or not self.peek()[:1].isspace():
                    self.optional()
                else:
                    space = self.pop()
                    if space.lstrip().startswith("[") or (space.isspace() and self.peek().startswith("[")):
                        self.push([space])
                        self.optional()
                    else:
                        self.push([space])
            elif letter == "p":
                self.optional("(", ")")
            elif letter == "d":
                self.dimension()
            else:
                self.argument()
        if not spec:
            self.skip_space()

    def dimension(self) -> None:
        """Pass over a number or a length as TeX reads one."""
        head = self.peek()
        if head[:1] not in ("\\", NOTE, "{", "}", "$", "") and head != PAR:
            found = _DIMENSION.match(head)
            if found and found.end():
                self.pop()
                if found.end() < len(head):
                    self.stack.append(head[found.end() :])
        if _UNIT.fullmatch(head := self.peek()) or head in self.registers:
            self.pop()
            if "plus" in self.peek()[:8] or "minus" in self.peek()[:8]:
                self.dimension()
