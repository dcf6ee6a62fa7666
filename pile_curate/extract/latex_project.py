r"""Find a paper among the files that came with it: the main file, what it includes, the encoding of each.

The main file is the one that arXiv's own processing would take: what ``00README`` names, else a file that holds
``\documentclass`` (or, before 1994, ``\documentstyle``) and ``\begin{document}`` and that no other file includes, else
plain TeX. File names only decide between equals. Includes are looked up among the paper's files and nowhere else,
as TeX does (the name, the name with ``.tex``) and, where that fails, without regard to case.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pile_curate.extract.latex_blocks import MARKS
from pile_curate.extract.latex_text import TextOptions, render

TEX_NAME = re.compile(
    r"\.(?:tex|ltx|latex|txt|sty|bbl|def|inc|cfg|tx|clo|macros?)$|(?:^|/)[^.]+$", re.IGNORECASE
)
"""Names whose contents are kept; all else in an archive is figures and data."""

_NOT_INCLUDED = re.compile(
    r"\.(?:bbl|tikz|pgf|pstex_t|pstex|eps_tex|pdf_t|pdf_tex|eps|ps|pdf|png|jpe?g|cls|bst|bib|dat|csv)$", re.I
)
_MAIN_NAME = re.compile(
    r"(?:^|/)(?:main|ms|paper|article|manuscript|arxiv|root|thesis|book|draft|final)[^/]*$", re.I
)
_OTHER_NAME = re.compile(
    r"supp|response|reply|rebuttal|cover|letter|template|sample|example|appendix|referee|copyright|backup|old|ebook|figure",
    re.I,
)
_CLASS = re.compile(r"\\document(?:class|style)\b")
_BEGIN = re.compile(r"\\begin[ \t]*\{document\}")
_PLAIN = re.compile(
    r"\\(?:bye\b|end[ \t]*(?:\n|\Z)|magnification|beginsection|topmatter|proclaim|magstep|centerline|noindent|"
    r"parindent|input)"
)
_INCLUDES = re.compile(
    r"\\(?:input|include|subfile|import|subimport)[ \t]*(?:\{[^{}\n]*\})?\{?[ \t]*([^{}\s%\\]{1,200})"
)
_INPUTENC = re.compile(
    r"[^%\n]*\\(?:usepackage|RequirePackage|inputencoding)[ \t]*(?:\[([A-Za-z0-9_-]{1,20})\][ \t]*\{inputenc\}|\{([A-Za-z0-9]{1,20})\})"
)
_CJK = re.compile(r"\\begin\{CJK\*?\}(?:\[[^\]\n]{0,20}\])?\{([A-Za-z0-9-]{1,10})\}")
_CODECS = {
    "latin1": "cp1252", "ansinew": "cp1252", "cp1252": "cp1252", "latin9": "iso8859-15", "latin2": "iso8859-2",
    "latin3": "iso8859-3", "latin4": "iso8859-4", "latin5": "iso8859-9", "latin10": "iso8859-16", "applemac": "mac_roman",
    "macce": "mac_latin2", "cp1250": "cp1250", "cp1251": "cp1251", "cp1257": "cp1257", "koi8-r": "koi8_r", "koi8-u": "koi8_u",
    "cp866": "cp866", "cp437": "cp437", "cp850": "cp850", "cp852": "cp852", "cp858": "cp858", "iso88595": "iso8859-5",
    "GB": "gb18030", "GBK": "gb18030", "Bg5": "big5hkscs", "SJIS": "cp932", "EUC-JP": "euc_jp", "JIS": "euc_jp", "KS": "cp949",
}  # fmt: skip
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
_CONTROL_BYTES = bytes(c for c in range(128) if _CONTROLS.match(chr(c)))
_BIBITEM = re.compile(r"\\bibitem[ \t]*(?:%[^\n]*\n[ \t]*)?\[")
_BRACES = re.compile(r"[{}\]]")
_YEAR = re.compile(r"\((\d{4}[a-z]?|in press|in preparation|submitted)\)", re.I)


@dataclass(slots=True)
class Paper:
    """A rendered paper. ``used`` are the files that went into it, the main file first."""

    text: str
    title: str = ""
    main: str = ""
    used: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    encoding: str = "utf-8"


class Project:
    """The text files of one paper, by path."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.raw = dict(files)
        self.folded: dict[str, str] = {}
        for name in sorted(self.raw, reverse=True):
            self.folded[name.lower()] = name
        self.texts: dict[str, tuple[str, str]] = {}
        self.declares = ""
        """The file whose preamble says how files are encoded that are no UTF-8; none: each says it for itself."""
        self.encodings: set[str] = set()

    def text(self, name: str) -> str:
        """Return a file's text."""
        if name not in self.texts:
            self.texts[name] = decoded(self.raw[name], self.raw.get(self.declares, b""))
        text, encoding = self.texts[name]
        self.encodings.add(encoding)
        return text

    def settle(self, main: str) -> None:
        """Read all files as the main file says, and forget which encodings have been seen."""
        self.declares = main
        self.encodings.clear()
        self.texts = {name: known for name, known in self.texts.items() if known[1].startswith("utf-")}

    def find(self, name: str, suffix: str, folder: str = "") -> str | None:
        """Return the path of the file that a document names, None if there is none; never outside the paper."""
        name = name.strip().strip('"').replace("\\", "/")
        if not name or len(name) > 300 or _NOT_INCLUDED.search(name):
            return None
        for base in dict.fromkeys((folder, "")):
            path = posixpath.normpath(posixpath.join(base, name.lstrip("/")))
            if path.startswith("../") or path in ("..", "."):
                continue
            ending = path.lower().endswith(suffix)
            for wanted in (path + suffix, path) if not ending else (path,):
                if wanted in self.raw:
                    return wanted
                if wanted.lower() in self.folded:
                    return self.folded[wanted.lower()]
        return None

    def main(self) -> str:
        """Return the main file's path, ``""`` if nothing looks like a document."""
        named, ignored = self._readme()
        if named and (found := self.find(named, ".tex")):
            return found
        candidates = [
            name
            for name in sorted(self.raw)
            if not re.search(
                r"\.(?:sty|bbl|def|cfg|clo|cls|txt|bst)$|(?:^|/)(?:00README|README|Makefile|LICENSE)",
                name,
                re.I,
            )
            and name not in ignored
        ]
        if len(candidates) <= 1:
            return (
                candidates[0] if candidates else next((n for n in sorted(self.raw) if n.endswith(".txt")), "")
            )
        includes = {name: self._includes(name) for name in candidates}
        included = {target for name in candidates for target in includes[name] if target != name}
        return min(candidates, key=lambda name: self._rank(name, includes, included))

    def _includes(self, name: str) -> list[str]:
        folder = posixpath.dirname(name)
        named = _INCLUDES.findall(self.text(name))[:500]
        return [found for one in named if (found := self.find(one, ".tex", folder))]

    def _closure(self, name: str, includes: dict[str, list[str]]) -> list[str]:
        """Return a file and all that it includes, directly or not."""
        seen = {name: None}
        waiting = [name]
        while waiting and len(seen) < 2000:
            for one in includes.get(waiting.pop(), ()):
                if one not in seen:
                    seen[one] = None
                    waiting.append(one)
        return list(seen)

    def _rank(self, name: str, includes: dict[str, list[str]], included: set[str]) -> tuple[object, ...]:
        """Return a key that is smallest for the main file."""
        whole = self._closure(name, includes)
        begins = any(_uncommented(_BEGIN, self.text(one)) for one in whole)
        classed = any(_uncommented(_CLASS, self.text(one)) for one in whole)
        kind = (
            0
            if begins and classed
            else 1
            if begins or classed
            else 2
            if _uncommented(_PLAIN, self.text(name))
            else 3
        )
        if self.text(name).startswith("%auto-ignore"):
            kind += 2
        size = sum(len(self.text(one)) for one in whole)
        return (
            kind,
            name in included,
            bool(_OTHER_NAME.search(posixpath.basename(name))),
            -(size.bit_length() // 2),  # a paper four times as long as another is the paper
            not _MAIN_NAME.search(name),
            name.count("/"),
            not name.lower().endswith((".tex", ".ltx", ".latex")),
            -size,
            name,
        )

    def _readme(self) -> tuple[str, set[str]]:
        """Read arXiv's hints: ``00README.XXX`` (a file and what it is, a line) or ``00README.json``."""
        top, ignored = "", set()
        for name, data in self.raw.items():
            if not posixpath.basename(name).upper().startswith("00README"):
                continue
            text = data[:100_000].decode("utf-8", "replace")
            if text.lstrip().startswith("{"):
                try:
                    sources = json.loads(text).get("sources", [])
                except (ValueError, AttributeError, RecursionError):
                    continue
                pairs = [
                    (str(one.get("filename", "")), str(one.get("usage", "")))
                    for one in (sources if isinstance(sources, list) else [])
                    if isinstance(one, dict)
                ]
            else:
                pairs = [
                    (words[0], words[1]) for line in text.splitlines() if len(words := line.split()) == 2
                ]
            for file, usage in pairs:
                if usage in ("toplevelfile", "toplevel") and not top:
                    top = file
                elif usage == "ignore":
                    ignored.add(file)
        return top, ignored

    def labels(self) -> dict[str, str]:
        r"""Return what natbib's ``\bibitem[Name(Year)]{key}`` says, as "Name (Year)", for citations in sentences."""
        found: dict[str, str] = {}
        for name in self.raw:
            if name.lower().endswith((".bbl", ".tex")):
                text = self.text(name)
                for start in _BIBITEM.finditer(text):
                    _natbib(text, start.end(), found)
        return found


def _uncommented(command: re.Pattern[str], text: str) -> bool:
    """Say whether a command stands anywhere but in a comment."""
    start = seen = 0  # of the line, and up to where its start has been looked for
    commented = False
    for found in command.finditer(text):
        line = text.rfind("\n", seen, found.start()) + 1
        if line:
            start, commented = line, False
        commented = commented or text.find("%", max(start, seen), found.start()) >= 0
        if not commented:
            return True
        seen = found.start()
    return False


def _natbib(text: str, at: int, found: dict[str, str]) -> None:
    following = text.find("\\bibitem", at)
    end = min(len(text) if following < 0 else following, at + 1500)
    depth, stop = 0, -1
    for found_brace in _BRACES.finditer(text, at, end):
        depth += {"{": 1, "}": -1, "]": 0}[found_brace[0]]
        if found_brace[0] == "]" and depth <= 0:
            stop = found_brace.start()
            break
    if stop < 0:
        return
    label = re.sub(r"\{?\\natexlab\{(\w{0,3})\}\}?", r"\1", text[at:stop])
    key = re.compile(r"\]\s*(?:%[^\n]*\n\s*)?\{([^{}\n]{1,200})\}").match(text, stop)
    year = _YEAR.search(label)
    if key is None or year is None:
        return
    names = label[: year.start()]
    names = re.sub(r"\\protect|\\citenamefont|\\em|[{}\n]", " ", names).replace("~", " ").replace("\\&", "&")
    names = " ".join(names.split())
    if names and "\\" not in names:
        found.setdefault(key[1].strip(), f"{names} ({year[1]})")


def decoded(data: bytes, main: bytes = b"") -> tuple[str, str]:
    """Return a TeX file's text with ``\\n`` line ends, and the codec.

    It is UTF-8 if valid, else what the main file declares, or, with none known, the file itself; else cp1252.
    """
    dirty = True
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text, codec = data.decode("utf-16", "replace"), "utf-16"
    else:
        try:
            text, codec = data.decode("utf-8"), "utf-8"
            dirty = len(data.translate(None, _CONTROL_BYTES)) < len(data)
        except UnicodeDecodeError:
            codec = _declared(main or data)
            text = data.decode(codec, "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n")
    if dirty:
        text = _CONTROLS.sub("", text)
    if not text.isascii() and MARKS.search(text):
        text = MARKS.sub("", text)
    return text, codec


def _declared(data: bytes) -> str:
    head = data[: 1 << 17].decode("latin-1").replace("\r", "\n")
    for line in head.split("\n"):
        if "\\usepackage" in line or "\\RequirePackage" in line or "\\inputencoding" in line:
            found = _INPUTENC.match(line)
            codec = _CODECS.get(found[1] or found[2]) if found else None
            if codec:
                return codec
    if cjk := _CJK.search(head):
        return _CODECS.get(cjk[1], "cp1252")
    return "cp1252"


def read_paper(files: Mapping[str, bytes], options: TextOptions | None = None) -> Paper | None:
    """Render the paper that these files are, None if none of them is a document; raises ``TexLimit`` for a bomb."""
    project = Project(files)
    main = project.main()
    if not main:
        return None
    project.settle(main)
    used = [main]
    folder = posixpath.dirname(main)

    def load(name: str, suffix: str) -> str | None:
        path = project.find(name, suffix, folder)
        if path is None:
            return None
        if path not in used:
            used.append(path)
        return project.text(path)

    size = sum(
        len(project.raw[name]) for name in project.raw if name.lower().endswith((".tex", ".ltx", ".sty"))
    )
    source = project.text(main)
    budget = 3_000_000 + 20 * max(size, len(source))
    text, renderer = render(source, load, options or TextOptions(), project.labels(), budget)
    encoding = next(iter(sorted(project.encodings - {"utf-8"})), "utf-8")
    return Paper(text, _plain_title(renderer.title), main, used, sorted(renderer.stopped), encoding)


def _plain_title(title: str) -> str:
    title = re.sub("[\ue005\ue003][^\ue005\ue003]*[\ue005\ue003]", "", title)
    return " ".join(MARKS.sub("", title).split())
