"""Clean Markdown: what is markup for a web site goes, what is text and its structure stays.

CommonMark 0.31 with GitHub's tables, and what documentation tools add: MyST's and MkDocs' admonitions, Liquid and Hugo
tags, kramdown attributes, MDX. Link targets, images and badges, comments, HTML tags, reference definitions and tables
of contents go; headings, lists, emphasis, code and tables stay as typed. Everything is linear in the length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pile_curate.extract.fragment import fragment_text
from pile_curate.extract.markdown_inline import Inline
from pile_curate.extract.rst_names import ADMONITIONS, CODE, DROPPED
from pile_curate.extract.wikitext_names import names

_FENCE = re.compile(r"^([ \t>]*(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]+)?)(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_SETEXT = re.compile(r"^ {0,3}(=+|-{2,})[ \t]*$")
_ATX = re.compile(r"^ {0,3}(#{1,6})(?:[ \t]+(\S[^\n]*))?[ \t]*$")
_DEFINITION = re.compile(r"^ {0,3}\[(?!\^)((?:[^\[\]\\]|\\.){1,500})\]:[ \t]*(?:<[^<>\n]*>|\S+)?[^\n]*$")
_TITLE_ONLY = re.compile(r"^\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\))\s*$")
_TOC = re.compile(r"^\s*(?:[*-]\s+TOC|\[TOC\]|\[\[_?TOC_?\]\]|\{:\s*toc\b.*\}|\$\{toc\})\s*$", re.I)
_TOC_ITEM = re.compile(r"^\s*(?:[-*+]|[0-9]{1,9}[.)])\s+\[(?:[^\[\]]|\[[^\[\]]*\])*+\]\(#[^()\s]*\)\s*$")
_CONTENTS = re.compile(
    r"#*\s*(?:table of contents|contents|toc|目次|目录|inhalt|sommaire|índice|содержание):?\s*$", re.I
)
_CONTAINER = re.compile(r"^\s*:{3,}\s*(?:\{?([\w:-]+)\}?)?(.*)$")
_ADMONITION = re.compile(r"^([ \t]*)(?:!!!|\?\?\?\+?|===!?\+?)[ \t]+([\w-]*)[^\"\n]*+(?:\"([^\"]*)\")?\s*$")
_ALERT = re.compile(r"^(\s*>\s*)\[!(\w+)\][+-]?\s*(.*)$")
_HTML_START = re.compile(r"^ {0,3}</?([a-zA-Z][a-zA-Z0-9]*)(?=[\s/>]|$)")
_HTML_BLOCKS = names(
    "address article aside blockquote body center col colgroup dd details dialog dir div dl dt fieldset figcaption figure "
    "footer form frame frameset h1 h2 h3 h4 h5 h6 head header hr html iframe legend li link main menu nav ol optgroup "
    "option p param picture search section summary table tbody td tfoot th thead title tr ul"
)
_RAW_BLOCKS = names("pre script style textarea")
_ATTRIBUTES = re.compile(r"^\s*\{[:#.][^{}\n]*\}\s*$")
_BREAK = re.compile(r"^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_ITEM = re.compile(r"^\s*(?:[-*+]|[0-9]{1,9}[.)])(?:\s|$)")
_MODULE = re.compile(r"^(?:import|export)\s")
_DEEPEST = 8  # directives within directives; the lines of each are copied once a level
_TEMPLATE_LINE = re.compile(r"^\s*(?:\{%.*%\}|\{\{[<%].*[>%]\}\})\s*$")


@dataclass(frozen=True, slots=True)
class MarkdownOptions:
    """``plain``: no markup at all; ``links``: keep link targets; ``mdx``: read JSX's imports and components."""

    plain: bool = False
    links: bool = False
    alt_texts: bool = False
    mdx: bool = False


def markdown_text(source: str, options: MarkdownOptions = MarkdownOptions()) -> str:
    r"""Return Markdown without what only a web site needs.

    >>> markdown_text("Intro\n=====\n\n[![b](b.svg)](ci)\n<!-- x -->\nSee [the *guide*](g.md#a).\n")
    '# Intro\n\nSee the *guide*.'
    """
    return _Reader(source.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4).split("\n"), options).read()


def first_heading(text: str) -> tuple[int, str]:
    """Return level and text of the first heading of cleaned Markdown; (0, "") if it has none outside code."""
    fence = ""
    for line in text.split("\n"):
        if opened := _FENCE.match(line):
            fence = "" if fence and opened[2].startswith(fence) else (fence or opened[2])
        elif not fence and (heading := _ATX.match(line)):
            return len(heading[1]), _unclosed(heading[2] or "").strip("*_` ")
    return 0, ""


class _Reader:
    def __init__(self, lines: list[str], options: MarkdownOptions, depth: int = 0) -> None:
        self.lines, self.options, self.depth = lines, options, depth
        self.out: list[str] = []
        self.prose: list[str] = []
        self.dedent = 0  # columns by which the body of an admonition is moved back
        self.in_list = False
        self.inline = Inline(
            self._definitions(), options.links, options.alt_texts, options.plain, options.mdx
        )

    def _definitions(self) -> set[str]:
        return {
            " ".join(found[1].lower().split()) for line in self.lines if (found := _DEFINITION.match(line))
        }

    def read(self) -> str:
        """Read the lines and return the text."""
        at = 0
        while at < len(self.lines):
            at = self._line(at)
        self._end_prose()
        text = "\n".join(self.out)
        return re.sub(r"\n{3,}", "\n\n", text).strip("\n")

    def _line(self, at: int) -> int:
        """Read the block that begins at a line; return where to go on."""
        line = self.lines[at]
        if self.dedent:
            blanks = len(line) - len(line.lstrip(" "))
            if line.strip() and blanks < self.dedent:
                self.dedent = 0
            line = line[min(blanks, self.dedent) :]
        if not line.strip():
            self._end_prose()
            self.out.append("")
            return at + 1
        stripped = line.lstrip(" ")
        letter = stripped[0].isalpha()  # most lines: nothing but running text begins with one
        if not letter and (fence := _FENCE.match(line)):
            return self._fence(at, fence)
        if not self.prose and not self.in_list and line.startswith("    "):
            self._emit(line)
            return at + 1
        self.in_list = (not letter and bool(_ITEM.match(line))) or (self.in_list and line.startswith(" "))
        if letter and not self.options.mdx:
            self.prose.append(line)
            return at + 1
        if stripped.startswith("<!--"):
            return self._comment(at, line)
        if stripped.startswith("<") and (tag := _HTML_START.match(line)):
            name = tag[1].lower()
            if name in _HTML_BLOCKS or name in _RAW_BLOCKS:
                return self._html(at, name)
        if self._is_noise(line):
            if _TOC_ITEM.match(line):
                self._drop_contents()
            return at + 1
        if self.options.mdx and _MODULE.match(line):
            while at < len(self.lines) and self.lines[at].strip():
                at += 1
            return at
        if found := _ADMONITION.match(line):
            self._end_prose()
            kind = found[2] if found[2] in ADMONITIONS else ""
            self._emit(self._label(found[3] or kind or found[2]))
            self.out.append("")
            self.dedent = len(found[1]) + (self.dedent or 0) + 4
            return at + 1
        if found := _ALERT.match(line):
            self._end_prose()
            self._emit(f"{'' if self.options.plain else found[1]}{self._label(found[3] or found[2].lower())}")
            return at + 1
        if stripped.startswith(":::") and (found := _CONTAINER.match(line)):
            self._end_prose()
            if found[1] and (found[1].lower() in ADMONITIONS or found[2].strip()):
                self._emit(self._label(found[2].strip('{}" ') or found[1]))
                self.out.append("")
            return at + 1
        if len(self.prose) == 1 and (rule := _SETEXT.match(line)) and not _ITEM.match(self.prose[0]):
            title = self.prose.pop()
            self._heading("#" if rule[1][0] == "=" else "##", title)
            return at + 1
        if heading := _ATX.match(line):
            self._end_prose()
            self._heading(heading[1], _unclosed(heading[2] or ""))
            return at + 1
        if _BREAK.match(line) and not self.prose:
            self._emit("* * *" if self.options.plain else line.strip())
            return at + 1
        if _DEFINITION.match(line):
            self._end_prose()
            titled = at + 1 < len(self.lines) and _TITLE_ONLY.match(self.lines[at + 1])
            return at + (2 if titled else 1)
        self.prose.append(line)
        return at + 1

    def _is_noise(self, line: str) -> bool:
        return bool(
            _TOC.match(line) or _TOC_ITEM.match(line) or _ATTRIBUTES.match(line) or _TEMPLATE_LINE.match(line)
        )

    def _drop_contents(self) -> None:
        """Drop the heading above a table of contents that goes."""
        self._end_prose()
        at = len(self.out) - 1
        while at >= 0 and not self.out[at]:
            at -= 1
        if at >= 0 and _CONTENTS.match(self.out[at]):
            del self.out[at:]

    def _label(self, text: str) -> str:
        text = text.replace("-", " ").strip()
        text = text[:1].upper() + text[1:]
        return f"{text}:" if self.options.plain else f"**{text}:**"

    def _emit(self, text: str) -> None:
        self._end_prose()
        self.out.append(text)

    def _heading(self, marks: str, title: str) -> None:
        title = " ".join(self.inline.clean(title).split())
        if title:
            self.out += ["", title if self.options.plain else f"{marks} {title}", ""]

    def _end_prose(self) -> None:
        """Clean the lines of prose gathered so far, together, since links and comments may span them."""
        if not self.prose:
            return
        lines, self.prose = self.prose, []
        before = "\n".join(lines)
        text = self.inline.clean(before)
        if self.options.plain:
            text = _plain_lines(text)
        for line in text.split("\n"):
            # A line that held only badges or tags is gone; others keep their indentation.
            if line.strip() and line.strip() not in ("-", "*", "+", "|", ">"):
                self.out.append(line.rstrip())

    def _fence(self, at: int, fence: re.Match[str]) -> int:
        """Copy a fenced block; MyST's directives in fences are read like the blocks that they stand for."""
        self._end_prose()
        margin, marks, info = fence[1], fence[2], fence[3].strip()
        end = at + 1
        closing = re.compile(rf"^[ \t>]*{re.escape(marks[0])}{{{len(marks)},}}[ \t]*$")
        while end < len(self.lines) and not closing.match(self.lines[end]):
            end += 1
        body = [
            line[min(self.dedent, len(line) - len(line.lstrip(" "))) :] for line in self.lines[at + 1 : end]
        ]
        directive = re.match(r"\{([\w:+-]+)\}[ \t]*(.*)$", info)
        name = directive[1].lower() if directive else ""
        if directive and name not in CODE and name != "math" and self.depth < _DEEPEST:
            if name not in DROPPED:
                self._directive(name, directive[2], body)
        elif self.options.plain:
            self.out += ["", *_undented(body), ""]
        elif directive:
            options = 0
            while options < len(body) and re.match(r"\s*:[\w-]+:", body[options]):
                options += 1
            self.out += [
                f"{margin}{marks}{directive[2] if name != 'math' else 'math'}",
                *body[options:],
                margin + marks,
            ]
        else:
            # ```python {1,3} title="x": the language is the first word.
            language = re.split(r"[\s{,]", info.removeprefix("{.").lstrip("."), maxsplit=1)[0].rstrip("}")
            self.out += [f"{margin}{marks}{language}", *body, re.sub(r"[^ >]", " ", margin) + marks]
        return end + 1

    def _directive(self, name: str, title: str, body: list[str]) -> None:
        while body and (re.match(r"\s*:[\w-]+:", body[0]) or not body[0].strip()):
            body = body[1:]
        label = title or (name if name in ADMONITIONS else "")
        self.out += ["", self._label(label), ""] if label else [""]
        self.out += [*_Reader(body, self.options, self.depth + 1).read().split("\n"), ""]

    def _comment(self, at: int, line: str) -> int:
        """Pass over a comment; what follows its end on the last line is read."""
        end, rest = at, line.lstrip(" ")[4:]
        while "-->" not in rest:
            end += 1
            if end >= len(self.lines):
                return end
            rest = self.lines[end]
        after = rest.partition("-->")[2]
        if after.strip():
            self.lines[end] = after
            return end
        return end + 1

    def _html(self, at: int, name: str) -> int:
        """Read a block of HTML, up to an empty line (CommonMark, section 4.6) or its raw element's end."""
        self._end_prose()
        end = at
        if name in _RAW_BLOCKS:
            while end < len(self.lines) and f"</{name}" not in self.lines[end].lower():
                end += 1
            end = min(end + 1, len(self.lines))
        else:
            while end < len(self.lines) and self.lines[end].strip():
                end += 1
        text = fragment_text("\n".join(self.lines[at:end]))
        if text:
            self.out += ["", *self.inline.clean(text).split("\n"), ""]
        return max(end, at + 1)


def _unclosed(title: str) -> str:
    """Drop the closing sequence of a heading (CommonMark, section 4.2)."""
    title = title.rstrip()
    bare = title.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else title


def _undented(lines: list[str]) -> list[str]:
    least = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
    return [line[least:] for line in lines]


def _plain_lines(text: str) -> str:
    lines = []
    for line in text.split("\n"):
        line = re.sub(r"^(?:\s*>)+ ?", "", line)
        if "-" in line and "|" in line and not line.strip(" \t:|-"):
            continue
        if line.lstrip().startswith("|"):
            line = line.strip().strip("|").strip()
        lines.append(re.sub(r"^(\s*)[*+](\s+)", r"\1-\2", line))
    return "\n".join(lines)
