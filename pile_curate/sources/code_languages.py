"""Name the language of a source file from its name, its first line and, for shared extensions, its text."""

from __future__ import annotations

import posixpath
import re

CODE = {
    "Ada": "adb ads",
    "Assembly": "asm s",
    "AWK": "awk",
    "Batch": "bat cmd",
    "C": "c h",
    "C#": "cs",
    "C++": "cc cpp cxx c++ hh hpp hxx h++ inl ipp tpp",
    "Clojure": "clj cljs cljc",
    "CMake": "cmake",
    "COBOL": "cob cbl",
    "CoffeeScript": "coffee",
    "Common Lisp": "lisp lsp",
    "Crystal": "cr",
    "CSS": "css scss sass less",
    "CUDA": "cu cuh",
    "Cython": "pyx pxd pxi",
    "D": "d",
    "Dart": "dart",
    "Elixir": "ex exs",
    "Elm": "elm",
    "Emacs Lisp": "el",
    "Erlang": "erl hrl",
    "F#": "fs fsi fsx",
    "Fortran": "f f77 f90 f95 f03 for",
    "GLSL": "glsl vert frag",
    "Go": "go",
    "GraphQL": "graphql gql",
    "Groovy": "groovy gradle",
    "Haskell": "hs lhs",
    "HTML": "html htm xhtml",
    "Idris": "idr",
    "Java": "java",
    "JavaScript": "js jsx mjs cjs",
    "Julia": "jl",
    "Kotlin": "kt kts",
    "Lean": "lean",
    "Lua": "lua",
    "MATLAB": "m",
    "Nim": "nim",
    "Nix": "nix",
    "OCaml": "ml mli",
    "Pascal": "pas pp dpr",
    "Perl": "pl pm",
    "PHP": "php",
    "PowerShell": "ps1 psm1",
    "Prolog": "pro prolog",
    "Protocol Buffers": "proto",
    "Python": "py pyi pyw",
    "R": "r",
    "Racket": "rkt",
    "Ruby": "rb",
    "Rust": "rs",
    "Scala": "scala sc",
    "Scheme": "scm ss",
    "Shell": "sh bash zsh ksh fish",
    "Solidity": "sol",
    "SQL": "sql",
    "Standard ML": "sml",
    "Swift": "swift",
    "SystemVerilog": "sv svh",
    "Tcl": "tcl",
    "Terraform": "tf",
    "TeX": "tex sty",
    "TypeScript": "ts tsx",
    "Verilog": "v",
    "VHDL": "vhd vhdl",
    "Vim script": "vim",
    "Visual Basic": "vb vbs bas",
    "Vue": "vue",
    "WebAssembly": "wat",
    "Zig": "zig",
}
"""Language to extensions; an extension belongs to the language that it most often means in public code."""

DOCS = {
    "AsciiDoc": "adoc asciidoc",
    "Markdown": "md markdown",
    "Org": "org",
    "reStructuredText": "rst",
    "Text": "txt",
}
CONFIG = {"INI": "ini cfg", "JSON": "json", "TOML": "toml", "XML": "xml", "YAML": "yaml yml"}

_NAMES = {
    "build.bazel": "Starlark", "cmakelists.txt": "CMake", "dockerfile": "Dockerfile", "gemfile": "Ruby",
    "gnumakefile": "Makefile", "jenkinsfile": "Groovy", "makefile": "Makefile", "meson.build": "Meson",
    "rakefile": "Ruby", "sconstruct": "Python", "vagrantfile": "Ruby",
}  # fmt: skip
_INTERPRETERS = {
    "awk": "AWK", "bash": "Shell", "dash": "Shell", "fish": "Shell", "ksh": "Shell", "lua": "Lua",
    "node": "JavaScript", "perl": "Perl", "php": "PHP", "python": "Python", "ruby": "Ruby",
    "rscript": "R", "sh": "Shell", "tclsh": "Tcl", "wish": "Tcl", "zsh": "Shell",
}  # fmt: skip
_SHEBANG = re.compile(r"^#![ \t]*(?:\S*/)?([A-Za-z]+)[0-9.]*(?:[ \t]+(?:-S[ \t]+)?([A-Za-z]+)[0-9.]*)?")


def _by_extension(table: dict[str, str], group: str) -> dict[str, tuple[str, str]]:
    return {f".{ext}": (language, group) for language, exts in table.items() for ext in exts.split()}


EXTENSIONS = {
    **_by_extension(CODE, "code"),
    **_by_extension(DOCS, "docs"),
    **_by_extension(CONFIG, "config"),
    ".mk": ("Makefile", "code"),
    ".bzl": ("Starlark", "code"),
}
"""Extension in lower case to (language, group)."""


def by_name(path: str) -> tuple[str, str] | None:
    """Return (language, group) as the file's name tells; None if it tells nothing.

    >>> by_name("src/main.rs"), by_name("Makefile"), by_name("run")
    (('Rust', 'code'), ('Makefile', 'code'), None)
    """
    name = posixpath.basename(path).lower()
    if name in _NAMES:
        return _NAMES[name], "code"
    return EXTENSIONS.get(posixpath.splitext(name)[1])


def may_be_script(path: str) -> bool:
    """Say whether a name without extension leaves it to the first line to tell the language."""
    name = posixpath.basename(path)
    return "." not in name.lstrip(".") and not name.startswith(".")


def by_shebang(text: str) -> str | None:
    """Return the language that a script's ``#!`` line names.

    >>> by_shebang("#!/usr/bin/env python3\\n"), by_shebang("#!/bin/sh -e\\n"), by_shebang("hello")
    ('Python', 'Shell', None)
    """
    found = _SHEBANG.match(text[:200])
    if not found:
        return None
    word = found[2] if found[1].lower() == "env" and found[2] else found[1]
    return _INTERPRETERS.get(word.lower())


def by_content(language: str, text: str) -> str | None:
    """Refine a language whose extension others share; None if the file is no source code after all."""
    head = text[:4000]
    if language == "TypeScript" and head.lstrip().startswith("<?xml"):
        return None  # Qt's translation files
    if language == "D" and re.search(r"^[^\s:]+\.o\s*:", head, re.M):
        return None  # a compiler's list of dependencies
    if language == "MATLAB" and re.search(
        r"^\s*(#import|@interface|@implementation|@class|#include)\b", head, re.M
    ):
        return "Objective-C"
    if language == "C" and re.search(r"^\s*(namespace|template\s*<|class\s+\w+\s*[:{]|public:)", head, re.M):
        return "C++"
    if language == "Perl" and re.search(r"^:-\s", head, re.M):
        return "Prolog"
    return language
