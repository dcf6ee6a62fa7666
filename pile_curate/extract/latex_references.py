"""Handle what points elsewhere or stands elsewhere: citations, references, labels, footnotes, captions, list items."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pile_curate.extract.latex_blocks import GONE, HARD, REF
from pile_curate.extract.latex_environments import discard
from pile_curate.extract.latex_tokens import PAR

if TYPE_CHECKING:
    from pile_curate.extract.latex_text import Renderer


_TEXTUAL = re.compile(
    r"\\(?:[cC]itet|[tT]extcite|[cC]iteauthor|citeasnoun|[cC]itealt|newcite|shortcite[AN]|citeN|citename)\*?"
)


def cite(r: Renderer, token: str) -> None:
    """Leave a hole, or the authors where the sentence needs them and the bibliography names them."""
    star = r.star()
    first = r.optional()
    if first is not None:
        r.optional()
    if r.peek().startswith("<"):
        r.optional("<", ">")
        r.optional("<", ">")
    keys = r.words()
    if token.lower().endswith("cites"):
        while r.peek() in ("{", "[") or r.peek().startswith("["):
            r.optional()
            r.argument()
    r.out.append(GONE)
    if token in ("\\nocite", "\\citeyear", "\\citeyearpar"):
        return
    names = [r.authors_of.get(key.strip(), "") for key in keys.split(",")[:20]]
    if _TEXTUAL.fullmatch(token + ("*" if star else "")) and all(names):
        year = "(" in names[0] and "author" not in token.lower()
        shown = [name if year else name.split("(")[0].strip() for name in names]
        r.out.pop()
        r.out.append(listed(shown))


def listed(parts: list[str]) -> str:
    """Join parts as a sentence does."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def ref(r: Renderer, token: str) -> None:
    """Write a mark that the blocks turn into a number."""
    r.star()
    name = r.words()
    marks = [f"{REF}{one.strip()}{REF}" for one in name.split(",")[:20]]
    if "eqref" in token:
        r.out.append(f"({listed(marks)})")
    elif token in ("\\cref", "\\Cref", "\\autoref", "\\vref", "\\Vref", "\\fullref", "\\zcref", "\\Autoref"):
        style = "c" if token in ("\\cref", "\\zcref") and not r.capital_references else "C"
        r.out.append(f"{REF}{style}{REF}" + listed(marks))
    elif token in ("\\pageref", "\\nameref", "\\cpageref", "\\titleref"):
        r.out.append(GONE)
    else:
        r.out.append(listed(marks))


def crange(r: Renderer, token: str) -> None:
    """Write a range of references."""
    first, second = r.words(), r.words()
    r.out.append(f"{REF}{'c' if token[1] == 'c' else 'C'}{REF}{REF}{first}{REF}–{REF}{second}{REF}")


def label(r: Renderer, token: str) -> None:
    """Give the present number a name."""
    r.optional()
    r.numbers.label(r.words())


def footnote(r: Renderer, token: str) -> None:
    """Keep a footnote for the paragraph's end."""
    mark = r.optional()
    if token == "\\footnote" and mark is None and r.peek() not in ("{", "") and r.peek()[:1] != "{":
        r.argument()  # plain TeX: \footnote{*}{text}, \footnote*{text}
    elif token == "\\vfootnote":
        r.argument()
    elif token == "\\footnote" and r.plain_footnotes:
        first = r.argument()
        if r.peek() != "{":
            r.push(["{", *first, "}"])
    r.capture_argument(r.add_note if r.options.footnotes else discard)


def caption(r: Renderer, token: str) -> None:
    """Keep a caption for the end of its float."""
    r.star()
    if token == "\\captionof":
        kind = r.words()
        r.star()
    else:
        kind = r.float_kinds[-1] if r.float_kinds else ""
    r.optional()
    number = ""
    if kind and not (r.floats and r.floats[-1]):
        number = r.numbers.step(kind, kind)
    elif r.numbers.current[0] == kind:
        number = r.numbers.current[1]

    def write(text: str) -> None:
        text = " ".join(text.replace(PAR, " ").replace(HARD, " ").split())
        if not text or not r.options.captions:
            return
        text = f"{kind.capitalize()} {number}: {text}" if kind and number else text
        if r.floats:
            r.floats[-1].append(text)
        else:
            r.add_note(text)

    r.capture_argument(write)


def item(r: Renderer, token: str) -> None:
    """Begin a list item."""
    label = r.optional()
    kind = r.lists[-1] if r.lists else None
    if kind is None and label is None:
        if r.peek() == "{":  # plain TeX: \item{(i)}
            label = r.argument()
        else:
            r.out.append(PAR)
            return
    if label is not None:
        described = bool(kind and kind[0] == "description")

        def write(text: str) -> None:
            text = " ".join(text.split())
            bare = text.replace("$", "").replace("\\bullet", "")
            if not bare.strip(" •∙·*-–—"):
                text = "-"
            elif described and text[-1].isalnum():
                text += ":"
            if kind is not None:
                r.numbers.current = ("item", text.strip("()."))
            r.out.append(r.item_start(text))

        r.capture(label, write)
        return
    if kind is not None and kind[0] == "enumerate":
        kind[1] = int(str(kind[1])) + 1
        number = kind[2](kind[1]) if callable(kind[2]) else str(kind[1])  # type: ignore[operator]
        r.numbers.current = ("item", number)
        r.out.append(r.item_start(f"{number}."))
    else:
        r.out.append(r.item_start("-"))
