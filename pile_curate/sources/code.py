"""Read source code: a tree of files, or tar and zip archives of such trees. Every file is a record.

A file becomes a document if a person wrote it here in a known language; else it is rejected with a
reason: ``vendored``, ``generated``, ``minified``, ``data_table``, ``test_data``, ``binary``,
``undecodable``, ``not_code``, ``too_large``, ``empty``, ``licence_file``, ``symlink``. The native key is the
path relative to the source's root; inside an archive, the archive's path, ``!`` and the member's name.

The licence is what the file's own header says (SPDX tag or notice), else what the nearest folder with
licence files says, else none, and then the recipe's holds.
``code_trees.py`` reads the trees.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field

from pile_curate.files import RawFile, Tally
from pile_curate.sources import code_languages as languages
from pile_curate.sources import code_rules as rules
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, SourceOptions, Split
from pile_curate.sources.code_decode import Undecodable, decode
from pile_curate.sources.code_licence import header_licence, is_licence_file
from pile_curate.sources.code_trees import discover_with_licences, tree_records


class CodeOptions(SourceOptions):
    """Say which files of a tree count."""

    include: list[Literal["code", "docs", "config"]] = Field(
        ["code"],
        min_length=1,
        description="Groups of files: code, docs (.md, .rst, .txt), config (.json, .yaml).",
    )
    languages: list[str] | None = Field(
        None, description="Languages that stay, as named in code_languages.py."
    )
    max_file_bytes: int = Field(1 << 20, ge=1, description="Larger files are rejected as too_large.")
    test_data: bool = Field(False, description="Keep the inputs of tests (testdata/, fixtures/, bad_*.py).")
    archives: bool = Field(
        True, description="Look into tar and zip archives; false rejects them as not_code."
    )
    url_prefix: str = Field(
        "", description="What turns a path into an address, e.g. a repository's blob address."
    )


class CodeSource(SourceFormat):
    """Read trees and archives of source code."""

    name = "code"
    version = 2
    summary = "source code: a tree of files, or tar and zip archives"
    suffixes = (".tar", ".tar.gz", ".tar.xz", ".tar.zst", ".zip", "/")
    Options = CodeOptions
    about = About(
        publisher="Repositories, and archives of them",
        where="https://docs.github.com/en/repositories/working-with-files/using-files/downloading-source-code-archives",
        licence="per repository",
        consent="tos",
        size="any",
        splits="small files packed to 256 MB; one archive a task",
        example="**/*",
    )
    prose = False

    def discover(self, root: str, patterns: Sequence[str], options: Any) -> list[RawFile]:
        """Add the licence files of each folder above a file, so that a changed licence is a changed input."""
        return discover_with_licences(root, patterns)

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield one ``Raw`` or reject a file or archive member; names decide before content is read."""
        yield from tree_records(split, options, tally, _by_name)

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Decode one file and turn it into a document, unless its content says that nobody wrote it."""
        key, path, licence = raw.meta["key"], raw.meta["path"], raw.meta["licence"]
        size = len(raw.body)

        def reject(reason: str, detail: str = "") -> list[Outcome]:
            return [Reject(reason, raw.rel, raw.record, detail, key=key, raw_bytes=size)]

        try:
            text, encoding, guessed = decode(raw.body)
        except Undecodable as error:
            return reject(error.reason, str(error))
        if not text.strip():
            return reject("empty")
        named = languages.by_name(path)
        language, group = named if named else (languages.by_shebang(text) or "", "code")
        language = languages.by_content(language, text) or ""
        if not language or (options.languages is not None and language not in options.languages):
            return reject("not_code", language)
        for reason, rule in (("generated", rules.generated), ("data_table", rules.data_table)):
            if rule(text):
                return reject(reason)
        if group == "code" and rules.minified(text):
            return reject("minified")
        own = header_licence(text)
        meta: dict[str, Any] = {"language": language, "encoding": encoding}
        if guessed:
            meta["encoding_guessed"] = True
        if own or licence:
            meta["licence_from"] = "file" if own else raw.meta["licence_from"]
        return [
            Document(
                key=key,
                text=text,
                rel=raw.rel,
                record=raw.record,
                url=options.url_prefix + path if options.url_prefix else "",
                title=path,
                licence=own or licence,
                raw_bytes=size,
                meta=meta,
            )
        ]


def _by_name(path: str, size: int, options: Any) -> str:
    """Return the reason to reject a file that its name and size give, or an empty string."""
    named = languages.by_name(path)
    code = named is not None and named[1] == "code"
    if is_licence_file(posixpath.basename(path), code):
        return "licence_file"
    reason = rules.by_path(path, options.test_data)
    if reason:
        return reason
    if (named is None and not languages.may_be_script(path)) or (named and named[1] not in options.include):
        return "not_code"
    if (
        named
        and options.languages is not None
        and not _shared(named[0])
        and named[0] not in options.languages
    ):
        return "not_code"
    if size > options.max_file_bytes:
        return "too_large"
    return "" if size else "empty"


def _shared(language: str) -> bool:
    """Say whether the content may still change the language that the name gave."""
    return language in ("C", "MATLAB", "Perl")
