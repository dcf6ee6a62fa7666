"""Read trees of files, loose or in archives, with the licence of the nearest folder that has licence files.

What source code and its documentation share. In a tar the licence may come after the files, so archives are read
twice: first for licence files only, then for all. That costs a second decompression and keeps memory bounded,
which holding back a whole archive would not.
"""

from __future__ import annotations

import glob
import hashlib
import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from pile_curate.archives import Member, members
from pile_curate.errors import CorruptInput
from pile_curate.files import Caps, FileTally, RawFile, Tally, discover, is_remote, join, open_raw
from pile_curate.sources import code_languages as languages
from pile_curate.sources import code_rules as rules
from pile_curate.sources.base import Raw, Reject, Split
from pile_curate.sources.blobs import ARCHIVE, MEMBER_ERRORS, MEMBER_REASONS
from pile_curate.sources.code_licence import is_licence_file, nearest, of_folder
from pile_curate.storage import remote

_STEP = 1 << 20
_LICENCE_BYTES = 256 << 10

ByName = Callable[[str, int, Any], str]
"""Takes path, size and options; returns the reason to reject a file unread, or an empty string."""


def discover_with_licences(root: str, patterns: Sequence[str]) -> list[RawFile]:
    """Add the licence files of each folder above a file, so that a changed licence is a changed input."""
    files = {file.rel: file for file in discover(root, patterns)}
    for folder in sorted({folder for rel in files for folder in _above(rel)}):
        for name in _licence_names(join(root, folder) if folder else root):
            rel = f"{folder}/{name}" if folder else name
            if rel not in files:
                files.update((file.rel, file) for file in discover(root, [glob.escape(rel)]))
    return [files[rel] for rel in sorted(files)]


def tree_records(split: Split, options: Any, tally: Tally, by_name: ByName) -> Iterator[Raw | Reject]:
    """Yield one ``Raw`` or reject a file or archive member; names decide before content is read.

    ``options`` has ``archives`` and ``max_file_bytes``; a record's ``meta`` has ``key``, ``path``, ``licence`` and
    ``licence_from``.
    """
    trees = _TreeLicences()
    for file in split.files:
        if options.archives and ARCHIVE.search(file.rel) and not rules.by_path(file.rel, True):
            yield from _archive(file, options, tally, trees, by_name)
        else:
            yield _loose(file, options, tally, trees, by_name)


def _loose(file: RawFile, options: Any, tally: Tally, trees: _TreeLicences, by_name: ByName) -> Raw | Reject:
    """Read one file of a tree as it is: code is never decompressed, and every byte is hashed."""
    reason = "symlink" if not is_remote(file.path) and os.path.islink(file.path) else ""
    reason = reason or by_name(file.rel, file.size, options)
    state, kept, size = hashlib.sha256(), bytearray(), 0
    with open_raw(file.path) as handle:
        while data := handle.read(_STEP):
            state.update(data)
            size += len(data)
            if not reason and len(kept) <= options.max_file_bytes:
                kept += data
    damage = "" if size == file.size else f"the file has {size} bytes; it had {file.size} when it was listed"
    tally.add(FileTally(file.rel, 0, None, size, state.hexdigest(), 1, not damage, damage, size))
    if damage:
        return Reject("changed_file", file.rel, 0, damage, key=file.rel, kind="error", raw_bytes=size)
    if reason:
        return Reject(reason, file.rel, 0, key=file.rel, raw_bytes=size)
    licence, where = trees.of(file)
    meta = {"key": file.rel, "path": file.rel, "licence": licence, "licence_from": where}
    return Raw(file.rel, 0, bytes(kept), meta)


def _archive(
    file: RawFile, options: Any, tally: Tally, trees: _TreeLicences, by_name: ByName
) -> Iterator[Raw | Reject]:
    inside = _licences_inside(file)
    outside, above = trees.of(file)
    caps = Caps(member_bytes=options.max_file_bytes)
    try:
        for member in members(file, tally=tally, caps=caps):
            key = f"{file.rel}!{member.name}"
            reason = "" if member.reject == "too_large" else member.reject
            reason = reason or by_name(member.name, member.size, options)
            if reason or member.data is None:
                reason = MEMBER_REASONS.get(reason, reason) or member.reject
                kind: Literal["policy", "error"] = "error" if reason in MEMBER_ERRORS else "policy"
                detail = MEMBER_ERRORS.get(reason, "")
                yield Reject(reason, file.rel, member.index, detail, key, kind, raw_bytes=member.size)
                continue
            licence, where = nearest(member.name, inside) if inside else (outside, above)
            meta = {"key": key, "path": member.name, "licence": licence, "licence_from": where or "."}
            yield Raw(file.rel, member.index, member.data, meta)
    except CorruptInput as error:
        reason = "corrupt_file" if file.size else "empty_file"
        yield Reject(reason, file.rel, 0, str(error), kind="error", records=0)


def _licences_inside(file: RawFile) -> dict[str, str | None]:
    """Return folder to licence for an archive's licence files; what lies behind a damage is not known."""
    texts: dict[str, dict[str, str]] = {}
    try:
        for member in members(file, tally=Tally(), caps=Caps(member_bytes=_LICENCE_BYTES)):
            _note(member, texts)
    except CorruptInput:
        pass  # the second reading meets the same damage and reports it
    return {folder: of_folder(found) for folder, found in texts.items()}


def _note(member: Member, texts: dict[str, dict[str, str]]) -> None:
    folder, name = posixpath.split(member.name)
    named = languages.by_name(name)
    if member.data is None or not is_licence_file(name, named is not None and named[1] == "code"):
        return
    if not rules.by_path(member.name, True):
        texts.setdefault(folder, {})[name] = member.data.decode("utf-8", "replace")


class _TreeLicences:
    """Look up what the licence files of a tree say, each folder once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bool, str | None]] = {}

    def of(self, file: RawFile) -> tuple[str | None, str]:
        """Return the licence of the nearest folder above a file that has licence files, and that folder."""
        path = file.path
        for folder in _above(file.rel):
            path = posixpath.dirname(path) if is_remote(path) else os.path.dirname(path)
            if path not in self._known:
                texts = {name: _head(join(path, name)) for name in _licence_names(path)}
                self._known[path] = (bool(texts), of_folder(texts))
            present, licence = self._known[path]
            if present:
                return licence, folder or "."
        return None, ""


def _above(rel: str) -> list[str]:
    """Return the folders above a relative path, the nearest first and the root, ``""``, last."""
    folders = []
    while rel:
        rel = posixpath.dirname(rel)
        folders.append(rel)
    return folders


def _licence_names(folder: str) -> list[str]:
    """List a folder's licence files by name."""
    if is_remote(folder):
        from pyarrow import fs as pafs

        system, base = remote(folder)
        infos = system.get_file_info(pafs.FileSelector(base, allow_not_found=True))
        names = [info.base_name for info in infos if info.type == pafs.FileType.File]
    else:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    code = {name: (languages.by_name(name) or ("", ""))[1] == "code" for name in names}
    return sorted(name for name in names if is_licence_file(name, code[name]))


def _head(path: str) -> str:
    with open_raw(path) as handle:
        data = b""
        while len(data) < _LICENCE_BYTES and (more := handle.read(_LICENCE_BYTES - len(data))):
            data += more
    return data.decode("utf-8", "replace")
