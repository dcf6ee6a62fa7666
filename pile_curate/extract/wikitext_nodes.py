"""Resolve the nested markup of wikitext (templates, links, external links) into text in one forward pass.

A stack machine over tokens found by regular expressions. A template whose name ``wikitext_templates`` does not
know is skipped by counting braces, without looking into it: that is most of the bytes (infoboxes, citations) and
most of the speed. The others collect their arguments and are rendered when they close. Every byte is visited a
bounded number of times whatever the nesting: unmatched braces are found once and remembered, and what is nested
deeper than ``MAX_DEPTH`` is dropped, as MediaWiki refuses to expand it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pile_curate.extract.wikitext_names import INTERWIKI, LANGUAGES, Wiki
from pile_curate.extract.wikitext_tags import EQUALS, GONE

MAX_DEPTH = 40
"""MediaWiki's own limit on the expansion depth of templates (``$wgMaxPPExpandDepth`` was 40 until 1.36)."""

_PROTOCOLS = (
    r"(?:https?:|ftps?:|ircs?:|mailto:|news:|git:|svn:|gopher:|geo:|tel:|urn:)?//|mailto:|news:|tel:|geo:"
)
_PLAIN_LINK = r"\[\[([^\[\]{}|\n\x00-\x07]+)(?:\|([^\[\]{}|\n]*))?\]\]"
_EXTERNAL = rf"\[(?={_PROTOCOLS})"
_OPEN = re.compile(rf"{_PLAIN_LINK}|(\{{\{{+)|(\[\[)|({_EXTERNAL})", re.IGNORECASE)
_IN_TEMPLATE = re.compile(rf"{_PLAIN_LINK}|(\{{\{{+)|(\[\[)|({_EXTERNAL})|(\}}\}}+)|(\])|(\|)", re.IGNORECASE)
_IN_LINK = re.compile(
    rf"{_PLAIN_LINK}|(\{{\{{+)|(\[\[)|({_EXTERNAL})|(\}}\}}+)|(\]\]?)|(\|)|(\n\n|\n(?==))", re.IGNORECASE
)
_IN_FILE = re.compile(
    rf"{_PLAIN_LINK}|(\{{\{{+)|(\[\[)|({_EXTERNAL})|(\}}\}}+)|(\]\]?)|(\|)|(\n(?==))", re.IGNORECASE
)
_IN_EXTERNAL = re.compile(
    rf"{_PLAIN_LINK}|(\{{\{{+)|(\[\[)|({_EXTERNAL})|(\}}\}}+)|(\])|(\|)|(\n)", re.IGNORECASE
)
_BRACES = re.compile(r"\{\{+|\}\}+")
_NAME = re.compile(r"\s*(?:(?:template|subst|safesubst|msg)\s*:\s*)*+(#?[^|{}\[\]<>\n:]*:?)", re.IGNORECASE)
_UNCLOSED = re.compile(r"\s*\|")
_PREFIX = re.compile(r"\s*([^:|\[\]{}\n]{1,40}):")
_FILE_END = re.compile(
    r"\.(?:jpe?g|png|gif|svg|tiff?|webp|xcf|pdf|djvu|og[agv]|opus|wav|mp3|mid|flac|web[mp]|stl)$"
)
_URL = re.compile(r"\S+")

Renderer = Callable[[str, list[str]], str]
"""Takes a template's normalised name and its raw arguments (``name=value`` unsplit); returns its text."""


class _Frame:
    __slots__ = ("kind", "parts")

    def __init__(self, kind: str) -> None:
        self.kind = kind  # "{" template, "[" link, "f" file, "h" external link
        self.parts: list[list[str]] = [[]]

    def literal(self) -> list[str]:
        """Return what was read as plain text, for a frame that never closed; of a file, its caption."""
        parts = self.parts
        if self.kind == "f":
            parts = parts[1:]
            while len(parts) > 1 and " " not in "".join(parts[0]):
                parts = parts[1:]
        pieces = list(parts[0]) if parts else []
        for part in parts[1:]:
            pieces.append("|")
            pieces.extend(part)
        return pieces


def normal_name(name: str) -> str:
    """Fold a template's name as MediaWiki compares it, and case away with it: ``Lang_-fr`` is ``lang -fr``."""
    name = " ".join(name.replace("_", " ").split()).lower()
    for prefix in ("template:", "subst:", "safesubst:", "msg:"):
        name = name.removeprefix(prefix).lstrip()
    return name


class Expander:
    """Expand one page. ``known`` says which template names ``render`` can turn into text."""

    def __init__(self, wiki: Wiki, known: Callable[[str], bool], render: Renderer) -> None:
        self.wiki, self._known, self._render = wiki, known, render
        self._unmatched: set[int] = set()

    def expand(self, text: str) -> str:
        """Return the text with templates and links resolved; see the module for marks it leaves."""
        out: list[str] = []
        stack: list[_Frame] = []
        at = 0
        search = _OPEN.search
        while found := search(text, at):
            target = stack[-1].parts[-1] if stack else out
            if found.start() > at:
                target.append(text[at : found.start()])
            at = found.end()
            kind = found.lastindex or 0
            if kind <= 2:
                target.append(self.link(found[1], found[2]))
                continue
            if kind == 3:
                at = self._open_template(text, found.start(3), found.end(3), stack, target)
            elif kind == 4:
                if len(stack) < MAX_DEPTH:
                    stack.append(_Frame("f" if self._is_file(text, at) else "["))
            elif kind == 5:
                if len(stack) < MAX_DEPTH:
                    stack.append(_Frame("h"))
            elif kind == 6:
                at = self._close_template(found, stack, out)
            elif kind == 7:
                at = self._close_bracket(found, stack, out)
            elif kind == 8:
                if stack[-1].kind == "h":
                    target.append("|")
                else:
                    stack[-1].parts.append([])
            else:
                frame = stack.pop()
                _target(stack, out).extend(frame.literal())
                _target(stack, out).append(found[9])
            search = _SEARCH[stack[-1].kind] if stack else _OPEN.search
        _target(stack, out).append(text[at:])
        for frame in stack:
            out.extend(frame.literal())
        return "".join(out)

    def _is_file(self, text: str, at: int) -> bool:
        """Say whether a link names a file: its caption may hold blank lines, other labels may not."""
        prefix = _PREFIX.match(text, at)
        return prefix is not None and " ".join(prefix[1].replace("_", " ").split()).lower() in self.wiki.files

    def _open_template(self, text: str, start: int, end: int, stack: list[_Frame], target: list[str]) -> int:
        """Begin a template at ``start``; return where to go on."""
        run = end - start
        if run == 3 or (run > 3 and run % 2):
            # {{{parameter|default}}} has no value on a page of its own.
            close = self._skip(text, start)
            target.append(GONE if close else "")
            return close or end
        name = _NAME.match(text, start + 2)
        title = normal_name(name[1]) if name else ""
        if run == 2 and self._known(title) and len(stack) < MAX_DEPTH:
            stack.append(_Frame("{"))
            return start + 2
        close = self._skip(text, start)
        if close:
            target.append(GONE)
            return close
        # Never closed: its name is no prose if it looks like one; its lines ``| name = …`` go later.
        return name.end() if name and _UNCLOSED.match(text, name.end()) and len(title) < 60 else end

    def _skip(self, text: str, start: int) -> int:
        """Return the end of the braces that open at ``start``, 0 if they never close."""
        if start in self._unmatched:
            return 0
        opened: list[int] = []
        parameter = text.startswith("{{{", start) and not text.startswith("{{{{", start)
        for run in _BRACES.finditer(text, start):
            size = run.end() - run.start()
            count = size // 2
            if text[run.start()] == "{":
                opened.extend([run.start()] * count)
                continue
            if count >= len(opened):
                # The run may also close what is around this template: use up only our share.
                share = 2 * len(opened)
                odd = size > share and (parameter or size == share + 1)
                return run.start() + share + odd
            del opened[-count:]
        self._unmatched.update(opened)
        return 0

    def _close_template(self, found: re.Match[str], stack: list[_Frame], out: list[str]) -> int:
        depth = next((i for i in range(len(stack) - 1, -1, -1) if stack[i].kind == "{"), -1)
        if depth < 0:
            return found.end()
        while len(stack) > depth + 1:
            frame = stack.pop()
            stack[-1].parts[-1].extend(frame.literal())
        frame = stack.pop()
        parts = ["".join(part) for part in frame.parts]
        rendered = self._render_template(parts)
        if stack and "=" in rendered:
            rendered = rendered.replace("=", EQUALS)
        _target(stack, out).append(rendered)
        return found.start() + 2

    def _render_template(self, parts: list[str]) -> str:
        head = parts[0]
        name = normal_name(head)
        if ":" in head and not self._known(name):
            # A parser function: {{name:first|second}}.
            name, _, first = head.partition(":")
            return self._render(normal_name(name) + ":", [first, *parts[1:]])
        return self._render(name, parts[1:])

    def _close_bracket(self, found: re.Match[str], stack: list[_Frame], out: list[str]) -> int:
        top = stack[-1].kind
        if top == "{":
            stack[-1].parts[-1].append("]")
            return found.start() + 1
        if top in "[f" and len(found[7]) == 1:
            stack[-1].parts[-1].append("]")
            return found.end()
        frame = stack.pop()
        parts = ["".join(part) for part in frame.parts]
        if top == "h":
            _target(stack, out).append(self.external(parts[0]))
            return found.start() + 1
        target = parts[0]
        if "\n" in target:
            _target(stack, out).extend(frame.literal())
        else:
            label = None if len(parts) == 1 else "|".join(parts[1:])
            _target(stack, out).append(self.link(target, label))
        return found.end()

    def external(self, inner: str) -> str:
        """Return the label of ``[url label]``; a bare ``[url]`` shows only a number, so it goes."""
        url = _URL.match(inner)
        label = inner[url.end() :].strip() if url else ""
        return label or GONE

    def link(self, target: str, label: str | None) -> str:
        """Return what a reader sees of ``[[target|label]]``: nothing of files, categories and side-bar links."""
        target = target.strip()
        shown = label.strip() if label is not None else ""
        if target.startswith(":"):
            target = target[1:].lstrip()
        elif ":" in target:
            prefix, rest = target.split(":", 1)
            prefix = " ".join(prefix.replace("_", " ").split()).lower()
            if prefix in self.wiki.files or prefix in self.wiki.categories:
                return GONE
            if prefix in LANGUAGES:
                return GONE if label is None else label
            if _FILE_END.search(rest.lower()) and prefix.isalpha() and (label is None or "|" in label):
                return GONE
        if label is not None and shown:
            return label
        if ":" in target and target.split(":", 1)[0].strip().lower() in INTERWIKI:
            target = target.split(":", 1)[1].lstrip(": ")
        text = target.replace("_", " ")
        if label is not None:
            # [[Mercury (planet)|]] shows the name without its qualifier and name space.
            text = re.sub(r"\s*[(（][^()（）]*[)）]$", "", text.split(":", 1)[-1] if ":" in text else text)
        page, hash_, section = text.partition("#")
        if hash_:
            text = f"{page.strip()} § {section.strip()}" if page.strip() else section.strip()
        return text.strip() or GONE


_SEARCH = {"{": _IN_TEMPLATE.search, "[": _IN_LINK.search, "f": _IN_FILE.search, "h": _IN_EXTERNAL.search}


def _target(stack: list[_Frame], out: list[str]) -> list[str]:
    return stack[-1].parts[-1] if stack else out
