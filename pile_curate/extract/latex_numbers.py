r"""Number sections, theorems, equations and floats as LaTeX's counters do, so that ``\ref`` has something to say.

A reader of the printed paper sees "by Theorem 2.3"; without numbers a reference leaves a hole in the sentence. The
counters follow the standard classes: sections within chapters where there are any, theorems and equations as
``\newtheorem`` and ``\numberwithin`` say. What classes of their own do otherwise is not known here; a reference
to a label that was never seen is a hole (``GONE``) that the blocks close.
"""

from __future__ import annotations

_CHAIN = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph")


class Numbers:
    """Counters, and what each label stands for: a kind and a number."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.within: dict[str, str] = {"subsection": "section", "subsubsection": "subsection"}
        self.shared: dict[str, str] = {}
        self.labels: dict[str, tuple[str, str]] = {}
        self.current: tuple[str, str] = ("", "")
        self.letters = False

    def step(self, counter: str, kind: str = "") -> str:
        """Count one up, set back what is counted within, and return the number as printed."""
        counter = self.shared.get(counter, counter)
        if counter == "chapter" and "section" not in self.within:
            self.within |= {
                "section": "chapter",
                "equation": "chapter",
                "figure": "chapter",
                "table": "chapter",
            }
        self.values[counter] = self.values.get(counter, 0) + 1
        self._reset(counter)
        number = self.printed(counter)
        self.current = (kind or counter, number)
        return number

    def _reset(self, counter: str) -> None:
        waiting = [counter]
        seen = {counter}
        while waiting:
            outer = waiting.pop()
            for name, within in self.within.items():
                if within == outer and name not in seen:
                    seen.add(name)
                    self.values[name] = 0
                    waiting.append(name)

    def printed(self, counter: str) -> str:
        """Return a counter's number with those that it is counted within."""
        parts: list[str] = []
        name = counter
        while name and len(parts) < 6:
            value = self.values.get(name, 0)
            top = name == ("chapter" if self.within.get("section") == "chapter" else "section")
            if self.letters and top:
                parts.append(chr(64 + value) if 0 < value <= 26 else str(value))
            elif value or name == counter or name in ("section", "chapter"):
                parts.append(str(value))
            name = self.within.get(name, "")
        return ".".join(reversed(parts))

    def appendix(self) -> None:
        """Go over to letters."""
        if not self.letters:
            self.letters = True
            top = "chapter" if self.within.get("section") == "chapter" else "section"
            self.values[top] = 0
            self._reset(top)

    def label(self, name: str, target: tuple[str, str] | None = None) -> None:
        """Say what a label stands for; the first definition stays."""
        kind_number = target or self.current
        if name and kind_number[1]:
            self.labels.setdefault(name, kind_number)

    def theorem(self, name: str, shared: str, within: str) -> None:
        """Declare a theorem's counter."""
        if shared:
            self.shared[name] = self.shared.get(shared, shared)
        elif within and within != name:
            self.within[name] = within
