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
from functools import lru_cache

from pile_curate.extract.wikitext_names import INTERWIKI, LANGUAGES, Wiki
from pile_curate.extract.wikitext_tags import EQUALS, GONE

MAX_DEPTH = 40
"""MediaWiki's own limit on the expansion depth of templates (``$wgMaxPPExpandDepth`` was 40 until 1.36)."""

_PROTOCOLS = (
    r"(?:https?:|ftps?:|ircs?:|mailto:|news:|git:|svn:|gopher:|geo:|tel:|urn:)?//|mailto:|news:|tel:|geo:"
)
_TARGET, _LABEL = r"[^\[\]{}|\n\x00-\x07]++", r"[^\[\]{}|\n]*+"
_PLAIN_LINKS = re.compile(rf"\[\[({_TARGET})(?:\|({_LABEL}))?\]\]")
_HARMLESS = (rf"\[\[{_TARGET}(?:\|{_LABEL})?\]\]", rf"\[(?!\[|(?i:{_PROTOCOLS}))", r"\{(?!\{)")


def _run(stops: str, *harmless: str) -> re.Pattern[str]:
    """Match text up to the next token that matters, over plain links and over stops that begin no token."""
    return re.compile(f"(?:{'|'.join((f'[^{stops}]++', *_HARMLESS, *harmless))})*+")


_RUNS = {
    "": _run(r"\[{"),
    "{": _run(r"\[\]{}|", r"\}(?!\})"),
    "[": _run(r"\[\]{}|\n", r"\}(?!\})", r"\n(?![\n=])"),
    "f": _run(r"\[\]{}|\n", r"\}(?!\})", r"\n(?!=)"),
    "h": _run(r"\[\]{}|\n", r"\}(?!\})"),
}
"""By the kind of the innermost frame, "" outside all: in each, other tokens matter."""
_OPENING, _CLOSING = re.compile(r"\{+"), re.compile(r"\}+")
_SIMPLE = re.compile(r"\{\{[^{}]*+(?:\{\{[^{}]*+\}\}(?!\})[^{}]*+)*+\}\}(?!\})")
"""A template that holds no others, or such that hold none."""
_BRACES = re.compile(r"\{\{+|\}\}+")
_NAME = re.compile(r"\s*(?:(?:template|subst|safesubst|msg)\s*:\s*)*+(#?[^|{}\[\]<>\n:]*:?)", re.IGNORECASE)
_UNCLOSED = re.compile(r"\s*\|")
_PREFIX = re.compile(r"\s*([^:|\[\]{}\n]{1,40}):")
_FILE_END = re.compile(
    r"\.(?:jpe?g|png|gif|svg|tiff?|webp|xcf|pdf|djvu|og[agv]|opus|wav|mp3|mid|flac|web[mp]|stl)$"
)
_QUALIFIER = re.compile(r"[(（][^()（）]*+[)）]\Z")
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
            begin = 1
            while len(parts) - begin > 1 and " " not in "".join(parts[begin]):
                begin += 1
            parts = parts[begin:]
        pieces = list(parts[0]) if parts else []
        for part in parts[1:]:
            pieces.append("|")
            pieces.extend(part)
        return pieces


def normal_name(name: str) -> str:
    """Fold a template's name as MediaWiki compares it, and case away with it: ``Lang_-fr`` is ``lang -fr``."""
    return _known_name(name) if len(name) < 100 else _fold(name)


def _fold(name: str) -> str:
    name = " ".join(name.replace("_", " ").split()).lower()
    for prefix in ("template:", "subst:", "safesubst:", "msg:"):
        name = name.removeprefix(prefix).lstrip()
    return name


_known_name = lru_cache(maxsize=1 << 13)(_fold)


class Expander:
    """Expand one page. ``known`` says which template names ``render`` can turn into text."""

    def __init__(self, wiki: Wiki, known: Callable[[str], bool], render: Renderer) -> None:
        self.wiki, self._known, self._render = wiki, known, render
        self._unmatched: set[int] = set()

    def expand(self, text: str) -> str:
        """Return the text with templates and links resolved; see the module for marks it leaves."""
        out: list[str] = []
        stack: list[_Frame] = []
        at, size = 0, len(text)
        run = _RUNS[""]
        while found := run.match(text, at):
            target = stack[-1].parts[-1] if stack else out
            end = found.end()
            if end > at:
                piece = text[at:end]
                target.append(self._with_links(piece) if "[[" in piece else piece)
            if end == size:
                break
            char = text[end]
            if char == "{":
                opened = _end(_OPENING, text, end) if text.startswith("{{{", end) else end + 2
                at = self._open_template(text, end, opened, stack, target)
            elif char == "[":
                link = text.startswith("[[", end)
                at = end + 1 + link
                if len(stack) < MAX_DEPTH:
                    stack.append(_Frame("h" if not link else "f" if self._is_file(text, at) else "["))
            elif char == "}":
                at = self._close_template(text, end, stack, out)
            elif char == "]":
                at = self._close_bracket(text, end, stack, out)
            elif char == "|":
                at = end + 1
                if stack[-1].kind == "h":
                    target.append("|")
                else:
                    stack[-1].parts.append([])
            else:  # a line end that no link of this kind may hold
                at = end + 1 + (stack[-1].kind == "[" and text.startswith("\n\n", end))
                frame = stack.pop()
                _target(stack, out).extend(frame.literal())
                _target(stack, out).append(text[end:at])
            run = _RUNS[stack[-1].kind if stack else ""]
        for frame in stack:
            out.extend(frame.literal())
        return "".join(out)

    def _with_links(self, text: str) -> str:
        """Return a run of text with its plain links resolved; most show their label or their target as it is."""
        pieces = _PLAIN_LINKS.split(text)
        pieces[1::3] = [
            label
            if label and ":" not in target and not label.isspace()
            else target.strip() or GONE
            if label is None and ":" not in target and "_" not in target and "#" not in target
            else self.link(target, label)
            for target, label in zip(pieces[1::3], pieces[2::3], strict=True)
        ]
        del pieces[2::3]
        return "".join(pieces)

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
        if simple := _SIMPLE.match(text, start):
            return simple.end()
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

    def _close_template(self, text: str, at: int, stack: list[_Frame], out: list[str]) -> int:
        depth = next((i for i in range(len(stack) - 1, -1, -1) if stack[i].kind == "{"), -1)
        if depth < 0:
            return _end(_CLOSING, text, at)
        while len(stack) > depth + 1:
            frame = stack.pop()
            stack[-1].parts[-1].extend(frame.literal())
        frame = stack.pop()
        parts = ["".join(part) for part in frame.parts]
        rendered = self._render_template(parts)
        if stack and "=" in rendered:
            rendered = rendered.replace("=", EQUALS)
        _target(stack, out).append(rendered)
        return at + 2

    def _render_template(self, parts: list[str]) -> str:
        head = parts[0]
        name = normal_name(head)
        if ":" in head and not self._known(name):
            # A parser function: {{name:first|second}}.
            name, _, first = head.partition(":")
            return self._render(normal_name(name) + ":", [first, *parts[1:]])
        return self._render(name, parts[1:])

    def _close_bracket(self, text: str, at: int, stack: list[_Frame], out: list[str]) -> int:
        top = stack[-1].kind
        if top == "{" or (top in "[f" and not text.startswith("]]", at)):
            stack[-1].parts[-1].append("]")
            return at + 1
        frame = stack.pop()
        parts = ["".join(part) for part in frame.parts]
        if top == "h":
            _target(stack, out).append(self.external(parts[0]))
            return at + 1
        target = parts[0]
        if "\n" in target:
            _target(stack, out).extend(frame.literal())
        else:
            label = None if len(parts) == 1 else "|".join(parts[1:])
            _target(stack, out).append(self.link(target, label))
        return at + 2

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
            text = text.partition(":")[2] if ":" in text else text
            qualifier = _QUALIFIER.search(text)
            text = text[: qualifier.start()].rstrip() if qualifier else text
        page, hash_, section = text.partition("#")
        if hash_:
            text = f"{page.strip()} § {section.strip()}" if page.strip() else section.strip()
        return text.strip() or GONE


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _target(stack: list[_Frame], out: list[str]) -> list[str]:
    return stack[-1].parts[-1] if stack else out
