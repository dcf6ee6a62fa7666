"""Render the inline markup of reStructuredText: roles, literals, references, substitutions, escapes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set

from pile_curate.extract.wikitext_names import names

_CODE_ROLES = names(
    "func class mod meth attr data exc obj const file program command option envvar keyword samp kbd code literal mimetype "
    "makevar regexp token type macro member var struct union enum enumerator function method module attribute exception "
    "setting cpp c py js rst dir decorator djadmin ttag tfilter lookup confval newsgroup ipython bash sh cfunc cmember cdata "
    "ctype cmacro source git opcode pdbcommand property cmdoption"
)
_LITERAL = re.compile(r"``((?:[^`]|`(?!`)|`(?=``(?!`)))+)``")
_ROLE = re.compile(
    r":([A-Za-z][\w:+.-]{0,60}):`((?:[^`\\]|\\.)*+)`|(?<![\w`:])`((?:[^`\\]|\\.)*+)`:([A-Za-z][\w:+.-]{0,60}):"
)
_REFERENCE = re.compile(r"(?<![\w`:])`((?:[^`\\]|\\.)++)`(_{0,2})(?![\w`])")
_FOOTNOTE = re.compile(r"\[(#?[\w.:+-]{0,60}|\*)\]_(?!\w)")
_SUBSTITUTION = re.compile(r"\|(\S(?:[^|\n]{0,100}\S)?)\|_{0,2}")
_NAMED = re.compile(r"(?<![\w`\\])(\w(?:[\w.+-]{0,80}[^\W_])?)__?(?![\w`])")
_ESCAPE = re.compile(r"\\(?:(\s)|(.))", re.S)
_HELD = re.compile(r"\x00([0-9]+)\x00")


def role_text(role: str, content: str) -> str:
    """Return what a role's content reads as; names of code stand between backticks.

    >>> role_text("func", "~os.path.join"), role_text("ref", "the guide <intro>"), role_text("pep", "8")
    ('`join()`', 'the guide', 'PEP 8')
    """
    last = role.rpartition(":")[2].lower()
    title, target = _titled(content)
    titled = bool(title and target)
    text = " ".join((title or content.strip("<> \n")).split())
    if last in ("pep", "rfc", "cve", "cwe", "gh", "issue", "bpo") and not titled:
        joint = "-" if last in ("cve", "cwe") else "-#" if last in ("gh", "bpo") else " "
        return f"{last.upper() if last not in ('gh', 'bpo', 'issue') else last}{joint}{text}"
    if last == "math":
        return f"${content.strip()}$"
    if last in ("sub", "sup", "subscript", "superscript"):
        return text
    if last in _CODE_ROLES or ":" in role:
        bare = text.lstrip("!~")
        if text.startswith("~") and not titled:
            bare = bare.rpartition(".")[2]
        if last in ("func", "meth", "function", "method", "cfunc") and not titled and not bare.endswith(")"):
            bare += "()"
        if last == "samp":
            bare = re.sub(r"(?<!\\)[{}]", "", bare)
        return f"`{bare}`" if bare and "`" not in bare else bare
    if last in ("menuselection", "guilabel"):
        return text.replace("-->", "→").replace("&", "")
    if last in ("emphasis", "dfn"):
        return f"*{text}*"
    if last == "strong":
        return f"**{text}**"
    if not titled and last in ("ref", "doc", "numref", "any"):
        parts = text.strip("!~/").split("/")
        return (
            (parts[-2] if len(parts) > 1 and parts[-1] == "index" else parts[-1])
            .replace("-", " ")
            .replace("_", " ")
        )
    return text.lstrip("!~")


def inline_text(text: str, targets: Set[str] = frozenset(), substitutions: Mapping[str, str] = {}) -> str:
    r"""Return a paragraph's text with Markdown's marks for emphasis and code.

    >>> inline_text("Use ``x`` with `the docs <http://a.b>`_ and :mod:`os`\\ s.")
    'Use `x` with the docs and `os`s.'
    """
    if not any(mark in text for mark in "`|_\\"):
        return text
    held: list[str] = []

    def hold(rendered: str) -> str:
        held.append(rendered)
        return f"\0{len(held) - 1}\0"

    def reference(found: re.Match[str]) -> str:
        title, target = _titled(found[1])
        return (title or target) if found[2] else found[1]

    text = text.replace("\0", "")
    text = _LITERAL.sub(lambda found: hold(_code(found[1])), text)
    text = _ROLE.sub(
        lambda found: hold(role_text(found[1] or found[4], _unescaped(found[2] if found[1] else found[3]))),
        text,
    )
    text = _REFERENCE.sub(reference, text)
    text = _FOOTNOTE.sub(lambda found: f"[{found[1].lstrip('#') or '#'}]", text)
    if "|" in text:
        text = _SUBSTITUTION.sub(lambda found: substitutions.get(found[1], found[1]), text)
    if targets and "_" in text:
        text = _NAMED.sub(lambda found: found[1] if found[1].lower() in targets else found[0], text)
    return _HELD.sub(lambda found: held[int(found[1])], _unescaped(text))


def _titled(content: str) -> tuple[str, str]:
    """Split ``title <target>``; without a target all is the title."""
    content = content.strip()
    at = content.rfind("<") if content.endswith(">") else -1
    return (content[:at].strip(), content[at + 1 : -1]) if at >= 0 else (content, "")


def _code(content: str) -> str:
    marks = "``" if "`" in content else "`"
    return f"{marks}{content}{marks}"


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: "" if found[1] else found[2], text) if "\\" in text else text
